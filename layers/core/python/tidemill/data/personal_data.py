"""Personal data in the columns of a table: found, and masked, dropped or refused as the project says.

What is masked or dropped leaves here masked or empty, so that nothing that comes after
(statistics, checks, sentences, stored tables) has the values. No sentence quotes one.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import duckdb

from tidemill.contracts import (
    ColumnConstraints,
    ColumnProfile,
    DataContract,
    PersonalData,
    PersonalDataHandling,
    Profile,
    Signature,
)
from tidemill.data import personal_kinds
from tidemill.data.checks import Checks
from tidemill.data.column_types import Column
from tidemill.data.personal_kinds import NAMES, Recognised
from tidemill.errors import DataRefused
from tidemill.serving import masking
from tidemill.spec import Spec

#: Present cells of a column that are looked at, evenly over its rows.
SAMPLE = 1_000
#: Longer texts are no single e-mail address, number or address.
LONGEST = 400
#: What becomes of values that must not stay.
WITHHELD = ("drop", "mask", "refuse")
CHECK = "personal_data"
_HMAC_BLOCK = 64


def policy_of(spec: Spec) -> PersonalDataHandling:
    """What the spec says of personal data."""
    return PersonalDataHandling(spec.personal_data.policy, dict(spec.personal_data.columns))


def recognise(connection: duckdb.DuckDBPyConnection, columns: Sequence[Column]) -> dict[str, Recognised]:
    """Which columns of the table `cells` hold which personal data, judged by a sample of each."""
    if not columns:
        return {}
    counts = ", ".join(f"count({column.cell})" for column in columns)
    ((rows, *presents),) = connection.execute(f"SELECT count(*), {counts} FROM cells").fetchall()
    found = {}
    for column, present in zip(columns, presents, strict=True):
        sample = _sample(connection, column, present, rows)
        if (one := personal_kinds.recognise(column.name, column.type, sample)) is not None:
            found[column.name] = one
    return found


def _sample(connection: duckdb.DuckDBPyConnection, column: Column, present: int, rows: int) -> dict[str, int]:
    """Some present texts of a column and how often each is among them."""
    step = max(1, present // SAMPLE)
    # Numbering the present ones takes longer, and is only needed where most are missing.
    number = "rowid" if 2 * present > rows else "row_number() OVER ()"
    numbered = f"SELECT {column.cell} AS text, {number} AS n FROM cells WHERE {column.cell} IS NOT NULL"
    counted = connection.execute(
        f"SELECT left(text, {LONGEST + 1}) AS text, count(*) FROM ({numbered}) WHERE n % {step} = 0 "
        "GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    return dict(counted)


def decided(columns: Sequence[Column], found: Mapping[str, Recognised], policy: PersonalDataHandling) -> list[Column]:
    """The columns, those with personal data saying so and what becomes of it."""
    result = []
    for column in columns:
        action = policy.columns.get(column.name, policy.policy if column.name in found else "pass")
        if action == "pass":
            result.append(column)
        else:
            kind, confidence = "other", 0.0
            if (one := found.get(column.name)) is not None:
                kind, confidence = one.kind, one.confidence
            result.append(replace(column, personal_data=PersonalData(kind, confidence, action)))
    return result


def withheld(column: Column, key: Callable[[], bytes] | None) -> Column:
    """The column without the values that must not stay: masked, or empty.

    Notes and oddities go too: they may quote cells.

    Parameters
    ----------
    key
        gives the secret that values are masked with; called only when some are.
    """
    action = column.personal_data.action if column.personal_data else None
    if action == "mask":
        if key is None:
            raise ValueError(f"{column.name!r} is to be masked, and no key was given")
        masked = token_sql(key(), column.name, column.cell)
        return Column(column.index, column.name, "category", personal_data=column.personal_data, masked=masked)
    if action in WITHHELD:
        return Column(column.index, column.name, "empty", personal_data=column.personal_data)
    return column


def token_sql(key: bytes, column: str, cell: str) -> str:
    """SQL from a cell's text to its token, as `serving.masking.token` makes it: HMAC is two hashes (RFC 2104)."""
    padded = key.ljust(_HMAC_BLOCK, b"\0")
    inner = bytes(byte ^ 0x36 for byte in padded) + f"{column}\0".encode()
    outer = bytes(byte ^ 0x5C for byte in padded)
    text = rf"regexp_replace({cell}, '^(-?[0-9]+)\.0+$', '\1')"
    digest = f"sha256(from_hex('{inner.hex()}') || encode({text}))"
    digest = f"left(sha256(from_hex('{outer.hex()}') || from_hex({digest})), {masking.DIGITS})"
    return f"CASE WHEN regexp_full_match({cell}, '{masking.TOKEN}') THEN {cell} ELSE '{masking.PREFIX}' || {digest} END"


def for_scoring(
    connection: duckdb.DuckDBPyConnection, names: Sequence[str], signature: Signature, key: Callable[[], bytes]
) -> dict[str, Column]:
    """The columns of the table `cells`, which a model is to score, whose values must not stay: masked, or empty.

    Columns that training did not see are judged by the policy that it had.

    Raises
    ------
    DataRefused
        the policy refuses a column.
    """
    policy = signature.personal_data
    columns = [Column(index, name, "category") for index, name in enumerate(names)]
    known = {*policy.columns, *(field.name for field in signature.inputs), signature.target}
    others = [] if policy.policy == "warn" else [column for column in columns if column.name not in known]
    columns = decided(columns, recognise(connection, others), policy)
    if refused := refusal(columns):
        raise DataRefused(refused)
    gone = [column for column in columns if column.personal_data and column.personal_data.action in WITHHELD]
    return {column.name: withheld(column, key) for column in gone}


def check_header(names: Sequence[str], policy: PersonalDataHandling) -> None:
    """Raise DataRefused when the names of the columns are personal data themselves, and such may not stay."""
    if policy.policy == "warn" and not set(policy.columns.values()) & set(WITHHELD):
        return
    if any(personal_kinds.recognise("", "category", {name: 1}) for name in names):
        raise DataRefused(
            "the first row of the file was taken for the names of the columns, and it holds personal data: "
            "put a row with names above it"
        )


def without_values(sentence: str) -> str:
    """The sentence without quoted values that are personal data by themselves."""

    def shown(quoted: re.Match[str]) -> str:
        return "'...'" if personal_kinds.recognise("", "category", {quoted[1]: 1}) else quoted[0]

    return re.sub(r"'([^']*)'", shown, sentence)


def report(columns: Sequence[Column], checks: Checks) -> None:
    """Say which columns hold personal data and what became of it; refuse the table when the project does."""
    for column in columns:
        if (known := column.personal_data) is None:
            continue
        name = column.name
        share = f" ({known.confidence:.0%} of its values)" if known.confidence else ", as the spec says"
        holds = f"{name!r} holds {NAMES[known.kind]}{share}"
        if known.action == "warn":
            way_out = "set personal_data in the spec to mask or drop it, or to pass for this column if it is none"
            checks.found(CHECK, "warn", f"{holds}: {way_out}", name)
        elif known.action == "mask":
            checks.passed(CHECK, f"{holds}: each value was replaced by a keyed hash before anything else", name)
        elif known.action == "drop":
            checks.passed(CHECK, f"{holds}: it was left out, and none of its values was kept", name)
    if refused := refusal(columns):
        checks.found(CHECK, "refuse", refused)


def refusal(columns: Sequence[Column]) -> str:
    """Why a table is refused for its personal data; empty when it is not."""
    found = [
        f"{column.name!r} ({NAMES[column.personal_data.kind]})"
        for column in columns
        if column.personal_data is not None and column.personal_data.action == "refuse"
    ]
    if not found:
        return ""
    subject = f"the column {found[0]} holds" if len(found) == 1 else f"the columns {', '.join(found)} hold"
    return (
        f"{subject} personal data, which the spec refuses: remove it, or let personal_data of the spec mask or drop it"
    )


def check_uses(columns: Sequence[Column], target: str | None, spec: Spec, checks: Checks) -> None:
    """Refuse a use of withheld values that they cannot have, and a misspelt name of a column to withhold."""
    names = [column.name for column in columns]
    for named, action in spec.personal_data.columns.items():
        close = difflib.get_close_matches(named, names, n=1)
        if named not in names and action in WITHHELD and close:
            detail = (
                f"the table has no column {named!r}, which personal_data.columns of the spec names: "
                f"did you mean {close[0]!r}?"
            )
            checks.found("spec_names", "refuse", detail)
    done = {"mask": "masked", "drop": "dropped"}
    gone = {c.name: done[c.personal_data.action] for c in columns if c.personal_data and c.personal_data.action in done}
    if target in gone:
        detail = (
            f"the target {target!r} is {gone[target]} as personal data: choose another target, "
            f"or set personal_data.columns of the spec to pass for {target!r}"
        )
        checks.found(CHECK, "refuse", detail, target)
    uses: list[tuple[str | None, str]] = [
        (spec.time_column, "the time_column of the spec,"),
        (spec.group_column, "the group_column of the spec,"),
    ]
    for use, joined in spec.feature_sets.items():
        uses += [(name, f"by which the feature set {use!r} is joined,") for name in (joined.key, joined.time)]
    for name, what in uses:
        if name in gone and not (name == spec.group_column and gone[name] == "masked"):
            detail = (
                f"the column {name!r}, {what} is {gone[name]} as personal data: "
                f"name another one, or set personal_data.columns of the spec to pass for {name!r}"
            )
            checks.found(CHECK, "refuse", detail, name)


def without_clear_values(previous: Profile | None, columns: Sequence[Column]) -> Profile | None:
    """The previous version's profile without what it knows in clear of columns whose values are withheld now."""
    if previous is None:
        return None
    actions = {c.name: c.personal_data.action for c in columns if c.personal_data}

    def seen(column: ColumnProfile) -> ColumnProfile:
        before = column.personal_data.action if column.personal_data else None
        if actions.get(column.name) not in WITHHELD or before in WITHHELD:
            return column
        return ColumnProfile(column.name, "empty", column.role, column.rows, column.rows, 0)

    return replace(previous, columns=tuple(map(seen, previous.columns)))


def without_clear_domains(contract: DataContract, columns: Sequence[Column]) -> DataContract:
    """The data contract without values in clear of columns whose values are withheld now."""
    gone = {c.name for c in columns if c.personal_data and c.personal_data.action in WITHHELD}

    def asked(column: ColumnConstraints) -> ColumnConstraints:
        tokens = all(re.fullmatch(masking.TOKEN, value) for value in column.values or ())
        if column.name not in gone or (tokens and column.type == "category"):
            return column
        return ColumnConstraints(column.name, optional=column.optional)

    return replace(contract, columns=tuple(map(asked, contract.columns)))
