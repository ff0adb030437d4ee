"""From an uploaded file to an accepted table, or to the reasons why it is refused.

Read it; type its columns; choose target and task; count; give each column its role;
check; write what is accepted as canonical Parquet under the hash of its content.
"""

from __future__ import annotations

import difflib
import functools
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tidemill.contracts import (
    Check,
    ColumnProfile,
    DataContract,
    DatasetRef,
    Profile,
    Role,
    Task,
    TopValue,
    Validated,
    Verdict,
)
from tidemill.data import (
    column_types,
    contract,
    drift,
    leaks,
    parquet,
    personal_data,
    roles,
    statistics,
    target,
    time_order,
)
from tidemill.data.checks import OF_A_TARGET, PASSED, RENAMED, Checks
from tidemill.data.column_types import Column
from tidemill.data.content import check_size
from tidemill.data.leaks import Candidate
from tidemill.data.reading import Table, read_table
from tidemill.data.roles import Assigned
from tidemill.data.statistics import Statistics
from tidemill.data.time_order import Clock
from tidemill.errors import DataRefused
from tidemill.rules.copies import are_copies
from tidemill.spec import Spec

#: Rows from which leaks and the order of rows are judged; more tell nothing new.
JUDGED_ROWS = 200_000
#: The canonical table of an accepted upload, in the work folder.
TABLE = "data.parquet"


@dataclass(frozen=True)
class Outcome:
    """What validation found."""

    checks: tuple[Check, ...]
    profile: Profile | None  #: None when no table could be read
    accepted: Validated | None  #: None when a check refuses
    contract: DataContract | None = None  #: what the table was held to, or suggests for later ones
    suggested: DataContract | None = None  #: by an accepted table of a project that has no contract yet

    def accepted_or_refused(self) -> tuple[Validated, Profile]:
        """The accepted table and its profile. Raises DataRefused with the first refusing check's sentence."""
        if self.accepted is None or self.profile is None:
            raise DataRefused(next(check.detail for check in self.checks if check.verdict == "refuse"))
        return self.accepted, self.profile


def validate(
    fetch: Callable[[Path], None],
    size: int,
    name: str,
    spec: Spec,
    previous: Profile | None,
    work: Path,
    max_bytes: int,
    suggested: DataContract | None = None,
    run_id: str = "",
    mask_key: Callable[[], bytes] | None = None,
) -> Outcome:
    """Validate an uploaded table.

    Parameters
    ----------
    fetch
        writes the upload to a path; not called when it is too large.
    size
        of the upload in bytes.
    name
        the upload's file name.
    previous
        the profile of the project's previous accepted version.
    work
        an empty folder for the upload and what is made of it, about four times its size; the canonical table of an
        accepted one is `TABLE` in it.
    max_bytes
        a larger upload is refused.
    suggested
        the project's data contract as its first accepted table suggested it; None before that.
    run_id
        the run that a new data contract names.
    mask_key
        gives the secret that personal data is masked with; needed when the spec masks some.
    """
    expected = _named_by(spec)
    expected |= {column.name for known in (previous, suggested) if known for column in known.columns}
    try:
        check_size(size, max_bytes)
        upload = work / "upload"
        fetch(upload)
        table = read_table(upload, name, work, max_bytes, expected, spec.reading)
        personal_data.check_header(table.names, personal_data.policy_of(spec))
    except DataRefused as error:
        return Outcome((Check("readable", None, "refuse", personal_data.without_values(str(error))),), None, None)
    with closing(table.connection):
        return _Validation(table, spec, previous, suggested, run_id, mask_key).run(work / TABLE)


class _Validation:
    """The validation of one table, step by step."""

    def __init__(
        self,
        table: Table,
        spec: Spec,
        previous: Profile | None,
        suggested: DataContract | None,
        run_id: str,
        mask_key: Callable[[], bytes] | None,
    ) -> None:
        self.table = table
        self.connection = table.connection
        self.spec = spec
        self.previous = previous
        self.suggested = suggested
        self.run_id = run_id
        self.mask_key = mask_key
        self.contract = spec.contract.replacing(suggested or DataContract("", "", 0, ()))
        self.checks = Checks(spec.checks.policy)

    def run(self, path: Path) -> Outcome:
        columns = self._typed_columns()
        self._check_reading(columns)
        personal_data.report(columns, self.checks)
        chosen = target.choose(columns, self.spec, self.previous.target if self.previous else None, self.checks)
        personal_data.check_uses(columns, chosen.name if chosen else None, self.spec, self.checks)
        rows = self._create_values(columns, chosen)
        counted = [statistics.of_column(self.connection, "typed", column, rows) for column in columns]
        duplicates = statistics.duplicate_rows(self.connection, "typed", columns, rows)
        self._check_rows(rows)
        classes: tuple[TopValue, ...] = ()
        task: Task | None = None
        if chosen is not None:
            classes = statistics.top_values(self.connection, "typed", chosen, target.MAX_CLASSES + 1)
            task = target.decide_task(chosen, counted[chosen.index], classes, self.spec, self.checks)
        else:
            task = target.without_target(self.spec, self.checks)
        assigned = roles.assign(
            self.connection, "typed", columns, counted, rows, chosen, self.table.row_number, self.spec, self.checks
        )
        if chosen is not None and task is not None:
            assigned = self._without_leaks(columns, assigned, chosen, task, classes, rows)
            if self.spec.time_column is None:
                self._check_time_order(columns, assigned, chosen, task, classes)
        self._check_copies(columns, assigned, rows, duplicates)
        if task is not None:
            self._check_features(columns, assigned, chosen is not None and self.spec.features.text_words > 0)
        if task not in (None, "regression") and chosen is not None:
            counted[chosen.index] = replace(counted[chosen.index], top=classes[: statistics.TOP])
        profile = Profile(
            rows=rows,
            duplicate_rows=duplicates,
            columns=tuple(map(_profile_of, columns, assigned, counted, [rows] * len(columns))),
            reading=self.table.reading,
            target=chosen.name if chosen else None,
            task=task,
            positive_class=self._positive_class(chosen, classes) if task == "binary" else None,
        )
        self._compare(columns, profile)
        self._say_what_passed(chosen)
        checks = self.checks.all
        if task is None or any(check.verdict == "refuse" for check in checks):
            return Outcome(checks, profile, None, self.contract)
        version = parquet.write(self.connection, "typed", columns, path)
        warnings = sum(check.verdict == "warn" for check in checks)
        dataset = DatasetRef(version, rows, len(columns))
        accepted = Validated(dataset, task, chosen.name if chosen else None, warnings)
        if self.suggested is not None:
            return Outcome(checks, profile, accepted, self.contract)
        suggested = DataContract(self.run_id, version, rows, contract.suggest(columns, profile.columns))
        return Outcome(checks, profile, accepted, self.spec.contract.replacing(suggested), suggested)

    def _positive_class(self, chosen: Column | None, classes: Sequence[TopValue]) -> str:
        known = self.previous
        same = known is not None and chosen is not None and known.target == chosen.name
        return target.positive_class(classes, self.spec, known.positive_class if known and same else None, self.checks)

    # --- columns and rows ----------------------------------------------------------------------

    def _typed_columns(self) -> list[Column]:
        missing, real = self.spec.missing_values, self.spec.real_values
        column_types.create_cells(self.connection, len(self.table.names), missing, real)
        self.connection.execute("DROP TABLE raw")
        declared = contract.read_as(self.contract, self.table.names) | self.spec.columns
        columns = column_types.infer(self.table, declared, self.spec.reading)
        columns = self._without_personal_data(columns)
        reading = self.table.reading
        assumptions = (*reading.assumptions, *column_types.assumptions(columns))
        self.table = replace(self.table, reading=replace(reading, assumptions=assumptions))
        return columns

    def _without_personal_data(self, columns: list[Column]) -> list[Column]:
        """The columns, masked or emptied where the spec says so; what was known of these in clear is forgotten."""
        policy = personal_data.policy_of(self.spec)
        columns = personal_data.decided(columns, personal_data.recognise(self.connection, columns), policy)
        self.previous = personal_data.without_clear_values(self.previous, columns)
        self.contract = personal_data.without_clear_domains(self.contract, columns)
        return [personal_data.withheld(column, self.mask_key) for column in columns]

    def _create_values(self, columns: Sequence[Column], chosen: Column | None) -> int:
        """Make the table `typed` of the rows that have a target; returns how many."""
        kept = "true"
        total = self.table.rows
        if chosen is not None:
            has_target = f"{chosen.value()} IS NOT NULL"
            (present,) = self.connection.execute(f"SELECT count(*) FROM cells WHERE {has_target}").fetchall()[0]
            missing = total - present
            if missing:
                verdict: Verdict = "refuse" if missing > total / 2 else "warn"
                self.checks.found(
                    "target_missing_values",
                    verdict,
                    f"{missing:,} of {total:,} rows have no target: "
                    + ("fill them in, or choose another target" if verdict == "refuse" else "they were left out"),
                    chosen.name,
                )
            kept = has_target if present else "true"
        values = ", ".join(f"{column.value()} AS {column.cell}" for column in columns)
        self.connection.execute(f"CREATE TABLE typed AS SELECT {values} FROM cells WHERE {kept}")
        self.connection.execute("DROP TABLE cells")
        (rows,) = self.connection.execute("SELECT count(*) FROM typed").fetchall()[0]
        return int(rows)

    # --- checks --------------------------------------------------------------------------------

    def _compare(self, columns: Sequence[Column], profile: Profile) -> None:
        """Hold the table to the data contract, and compare it with the version before."""
        contract.compare_columns(profile.columns, self.contract, self.previous, self.spec, self.checks)
        if profile.rows:
            contract.compare_values(
                self.connection, "typed", columns, profile.columns, self.contract, self.spec, self.checks
            )
        if self.previous is not None:
            threshold = self.spec.contract.drift
            drift.compare(self.connection, "typed", columns, profile.columns, self.previous, threshold, self.checks)

    def _say_what_passed(self, chosen: Column | None) -> None:
        """Add the checks that looked and found nothing."""
        silent = set() if chosen is not None else set(OF_A_TARGET)
        if self.previous is None:
            silent.add("drift")
        if not self.contract.columns:
            silent |= {name for name in PASSED if name.startswith("contract_")}
        self.checks.nothing_found(name for name in PASSED if name not in silent)

    def _check_reading(self, columns: Sequence[Column]) -> None:
        reading = self.table.reading
        self.checks.passed(
            "readable",
            f"read as {reading.format}{' (gzip)' if reading.compression else ''}: "
            f"{self.table.rows:,} rows and {len(columns)} columns",
        )
        for assumption in reading.assumptions:
            self.checks.found("reading_assumption", "warn", assumption)
        for column in columns:
            for oddity in column.oddities:
                verdict: Verdict = "refuse" if oddity.check == "declared_type" else "warn"
                self.checks.found(oddity.check, verdict, oddity.detail, column.name)
        names = [column.name for column in columns]
        for field, name in _column_names(self.spec):
            if name not in names:
                close = difflib.get_close_matches(name, names, n=1)
                hint = f"did you mean {close[0]!r}?" if close else "correct the spec"
                verdict = "warn" if field in ("ignore", "id_columns") else "refuse"
                self.checks.found(
                    "spec_names",
                    verdict,
                    f"the table has no column {name!r}, which {field} of the spec names: {hint}",
                )
        for name in self.spec.checks.policy:
            if name not in PASSED:
                close = [RENAMED[name]] if name in RENAMED else difflib.get_close_matches(name, PASSED, n=1)
                hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(PASSED)}"
                self.checks.found("spec_names", "refuse", f"checks.policy of the spec names no check {name!r}: {hint}")

    def _check_rows(self, rows: int) -> None:
        least = self.spec.checks.min_rows
        if rows < least:
            self.checks.found(
                "enough_rows", "refuse", f"the table has {rows:,} usable rows and {least} are needed: add rows"
            )
        else:
            self.checks.passed("enough_rows", f"{rows:,} rows, of which {least} are needed")

    def _check_copies(self, columns: Sequence[Column], assigned: Sequence[Assigned], rows: int, whole: int) -> None:
        """Find rows that are equal in everything that is used; `whole` is how many are in all columns."""
        used = [one.role in ("feature", "time", "target") for one in assigned]
        named = [column for column, is_used in zip(columns, used, strict=True) if is_used]
        copies = whole
        if named and not all(used):
            copies = statistics.duplicate_rows(self.connection, "typed", named, rows)
        if copies:
            what = (
                "they stay on one side of every split, so that no model is tested on a row that it has seen"
                if are_copies(rows, rows - copies)
                else "so few kinds of rows make equal ones no copies, and each is split on its own"
            )
            detail = f"{copies:,} of {rows:,} rows repeat another one in everything that is used: {what}"
            self.checks.found("duplicate_rows", "warn", detail)

    def _check_time_order(
        self,
        columns: Sequence[Column],
        assigned: Sequence[Assigned],
        chosen: Column,
        task: Task,
        classes: Sequence[TopValue],
    ) -> None:
        """Find a column in whose order the rows came about, when the spec names none."""
        part = f"rowid < {JUDGED_ROWS}"
        clocks = [
            Clock(column.name, functools.partial(self._load, statistics.as_number(column), part), column.type == "date")
            for column, one in zip(columns, assigned, strict=True)
            if one.role == "feature"
            and (column.personal_data is None or column.personal_data.kind != "date_of_birth")
            and (
                column.type == "date"
                or (column.type in ("integer", "number") and time_order.is_named_like_time(column.name))
            )
        ]
        if not clocks:
            return
        found = time_order.find(clocks, self._target(chosen, task, classes, part), task != "regression")
        if found is not None:
            alike = f"the targets of neighbours are alike ({found.alike:.2f} of 1, and chance gives 0)"
            order = "the rows lie in the order of" if found.lies else "in the order of"
            seen = f"{order} {found.column!r}" + (f", and {alike}" if found.lies and found.is_alike else "")
            seen = seen if found.lies else f"{seen} {alike}"
            self.checks.found(
                "time_order",
                "warn",
                f"{seen}: a random split tests on the past what was learned from the future; set time_column to "
                f"{found.column!r} in the spec if it is the rows' time",
                found.column,
            )

    def _load(self, sql: str, part: str) -> np.ndarray:
        """Values of some of the rows of the typed table, in their order."""
        answer = self.connection.execute(f"SELECT {sql} AS v FROM typed WHERE {part}")
        return parquet.plain(answer.fetchnumpy()["v"])

    def _target(self, chosen: Column, task: Task, classes: Sequence[TopValue], part: str) -> np.ndarray:
        """The target of some of the rows as numbers, those of classes by how common they are."""
        if task == "regression":
            return self._load(f"{chosen.cell}::DOUBLE", part)
        codes = {top.value: code for code, top in enumerate(classes)}
        return np.array([codes.get(text, len(codes)) for text in self._load(f"{chosen.cell}::VARCHAR", part)])

    def _check_features(self, columns: Sequence[Column], assigned: Sequence[Assigned], words: bool) -> None:
        """Whether something can be learned from; `words`: whether free text counts."""
        left = [
            column for column, one in zip(columns, assigned, strict=True) if one.role in ("feature", "time", "group")
        ]
        for column in left:
            if column.type == "text" and words:
                detail = f"{column.name!r} holds free text: the model learns from which words occur in it"
                self.checks.passed("text_column", detail, column.name)
            elif column.type == "text":
                why = (
                    "features.text_words of the spec is 0" if self.spec.features.text_words == 0 else "without a target"
                )
                detail = f"{column.name!r} holds free text, from which nothing is learned: {why}"
                self.checks.found("text_column", "warn", detail, column.name)
            if column.name == self.spec.time_column and column.type not in ("date", "integer", "number"):
                detail = f"the time column {column.name!r} holds {column.type}, not dates or numbers: correct it"
                self.checks.found("spec_names", "refuse", detail, column.name)
        features = sum((words or column.type != "text") and column.name != self.spec.group_column for column in left)
        if features or self.spec.feature_sets:
            shared = ", and what is joined from feature sets" if self.spec.feature_sets else ""
            self.checks.passed("features_left", f"{features} columns can be learned from{shared}")
        else:
            detail = "no column is left to learn from: upload a table with numbers, categories, dates or text"
            self.checks.found("features_left", "refuse", detail)

    def _without_leaks(
        self,
        columns: Sequence[Column],
        assigned: Sequence[Assigned],
        chosen: Column,
        task: Task,
        classes: Sequence[TopValue],
        rows: int,
    ) -> list[Assigned]:
        """The roles after looking for columns that give the target away."""
        part = f"hash(rowid) % {rows} < {JUDGED_ROWS}" if rows > JUDGED_ROWS else "true"

        def load(sql: str) -> np.ndarray:
            return self._load(sql, part)

        candidates = [
            _candidate(column, load)
            for column, one in zip(columns, assigned, strict=True)
            if one.role == "feature" and column.type != "text"
        ]
        values = self._target(chosen, task, classes, part)
        if task == "regression":
            found = leaks.of_number(chosen.name, values, candidates)
        else:
            found = leaks.of_classes(chosen.name, values, candidates)
            if chosen.type in ("integer", "number") and len(classes) > 2:
                numbers = [candidate for candidate in candidates if candidate.numeric]
                found += leaks.of_combinations(chosen.name, load(f"{chosen.cell}::DOUBLE"), numbers)
        role: Role = "leak" if self.spec.leaks == "drop" else "feature"
        what = {"drop": "it is not used", "warn": "it is used all the same, as the spec says", "refuse": "remove it"}
        reasons = {leak.column: leak.detail for leak in found}
        for name, detail in reasons.items():
            verdict: Verdict = "refuse" if self.spec.leaks == "refuse" else "warn"
            self.checks.found("leak", verdict, f"{detail}: {what[self.spec.leaks]}", name)
        return [
            Assigned(role, reasons[column.name]) if column.name in reasons else one
            for column, one in zip(columns, assigned, strict=True)
        ]


def _candidate(column: Column, load: Callable[[str], np.ndarray]) -> Candidate:
    numeric = column.type in ("integer", "number", "date")
    sql = statistics.as_number(column) if numeric else column.cell
    return Candidate(column.name, lambda: load(sql), numeric, column.type == "date")


def _profile_of(column: Column, assigned: Assigned, known: Statistics, rows: int) -> ColumnProfile:
    profile = statistics.profile(column, known, rows, assigned.role, assigned.note)
    return replace(profile, format=column.format, personal_data=column.personal_data)


def _column_names(spec: Spec) -> list[tuple[str, str]]:
    """Every column that the spec names beside the target, with the field that names it."""
    single = [("time_column", spec.time_column), ("group_column", spec.group_column)]
    shared = tuple(f"{name}__" for name in spec.feature_sets)  # their columns join the table later
    return [
        *(("columns", name) for name in spec.columns),
        *(("ignore", name) for name in spec.ignore),
        *(("id_columns", name) for name in spec.id_columns),
        *(("sensitive", name) for name in spec.sensitive if not name.startswith(shared)),
        *((field, name) for field, name in single if name is not None),
        *((f"feature_sets.{name}.key", use.key) for name, use in spec.feature_sets.items()),
        *((f"feature_sets.{name}.time", use.time) for name, use in spec.feature_sets.items() if use.time),
    ]


def _named_by(spec: Spec) -> set[str]:
    return {name for _, name in _column_names(spec)} | ({spec.target} if spec.target else set())
