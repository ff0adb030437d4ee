"""The verdicts about a table, in the order in which they were reached."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tidemill.contracts import Check, Verdict

#: Every check by name, and what it says when it finds nothing; None when it speaks always, or only of a finding.
PASSED: dict[str, str | None] = {
    "readable": None,
    "reading_assumption": "nothing had to be assumed to read the file",
    "duplicate_headers": "every column has a name of its own",
    "enough_rows": None,
    "spec_names": "every column that the spec names is there",
    "declared_type": "every cell fits the type that the spec declares for its column",
    "target_found": None,
    "target_assumed": None,
    "target_missing_values": "every row has a target",
    "target_varies": None,
    "task": None,
    "class_count": None,
    "class_size": None,
    "class_imbalance": None,
    "positive_class": None,
    "features_left": None,
    "duplicate_rows": "no row repeats another one",
    "empty_column": "every column has values",
    "constant_column": "no column has the same value in every row",
    "id_column": "no column only names the rows",
    "text_column": "no column holds free text",
    "mixed_values": "no column mixes numbers or dates with other texts",
    "ambiguous_dates": "every date has one meaning",
    "infinite_values": "no number is infinite",
    "personal_data": "no column was recognised as personal data",
    "leak": "no column gives the target away",
    "time_order": "no column shows that the rows lie in time",
    "feature_set": None,
    "contract_missing_column": "no column of the data contract is missing",
    "contract_extra_column": "no column is new to the data contract",
    "contract_type": "every column holds the type that the data contract asks for",
    "contract_completeness": "every column is filled in as the data contract asks",
    "contract_domain": "no value lies outside the domains of the data contract",
    "contract_range": "no number lies outside the ranges of the data contract",
    "contract_unique": "every column that must be unique is",
    "drift": "no column is spread otherwise than in the previous version",
}
#: Checks that had other names once.
RENAMED = {
    "schema_missing_column": "contract_missing_column",
    "schema_new_column": "contract_extra_column",
    "schema_type_changed": "contract_type",
}
#: Checks that say nothing of a table without a target.
OF_A_TARGET = frozenset({"target_missing_values", "leak", "time_order"})
#: Refusals that no policy of the checks can lift: nothing can be learned without what they ask for, and personal data
#: has a policy of its own.
FINAL = frozenset(
    {
        *("readable", "declared_type", "target_found", "target_varies", "task", "positive_class", "features_left"),
        "personal_data",
    }
)


class Checks:
    """Collects verdicts; a policy changes what a finding means."""

    def __init__(self, policy: Mapping[str, Verdict]) -> None:
        self._policy = policy
        self._checks: list[Check] = []

    def found(self, name: str, verdict: Verdict, detail: str, column: str | None = None) -> None:
        """Add a finding; the policy for its check decides the verdict when it has one."""
        if not (name in FINAL and verdict == "refuse"):
            verdict = self._policy.get(name, verdict)
        self._checks.append(Check(name, column, verdict, detail))

    def passed(self, name: str, detail: str, column: str | None = None) -> None:
        """Add that a check found nothing to complain about."""
        self._checks.append(Check(name, column, "pass", detail))

    def nothing_found(self, names: Iterable[str]) -> None:
        """Add for each check that found nothing that it passed."""
        spoken = {check.name for check in self._checks}
        for name in names:
            detail = PASSED[name]
            if detail is not None and name not in spoken:
                self.passed(name, detail)

    @property
    def all(self) -> tuple[Check, ...]:
        """Every verdict."""
        return tuple(self._checks)
