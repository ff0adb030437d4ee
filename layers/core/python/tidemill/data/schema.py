"""What changed since the project's previous table: columns gone, new, or of another kind."""

from __future__ import annotations

from collections.abc import Sequence

from tidemill.contracts import ColumnType, Profile
from tidemill.data.checks import Checks
from tidemill.data.column_types import Column
from tidemill.spec import Spec

#: Types between which a column may change without a model noticing.
KINDS: dict[ColumnType, str] = {
    "integer": "numbers",
    "number": "numbers",
    "category": "text",
    "text": "text",
    "boolean": "true and false",
    "date": "dates",
    "empty": "nothing",
}


def compare(columns: Sequence[Column], previous: Profile, spec: Spec, checks: Checks) -> None:
    """Find differences between a table's columns and those of the project's previous accepted version."""
    now = {column.name: column for column in columns}
    before = {column.name: column for column in previous.columns}
    for name in (name for name in before if name not in now and name not in spec.ignore):
        checks.found(
            "schema_missing_column",
            "refuse",
            f"the column {name!r} of the previous version is missing: upload a table with it, "
            "or list it under ignore in the spec",
            name,
        )
    for name in (name for name in now if name not in before):
        checks.found("schema_new_column", "warn", f"the column {name!r} is new since the previous version", name)
    for name in (name for name in now if name in before):
        was, is_now = KINDS[before[name].type], KINDS[now[name].type]
        if was != is_now:
            detail = f"the column {name!r} held {was} in the previous version and holds {is_now} now"
            checks.found("schema_type_changed", "warn", detail, name)
