"""Uploads made of bytes, read and validated in a folder of their own."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tidemill import spec as specs
from tidemill.contracts import Check, ColumnProfile, DataContract, Profile, Reading
from tidemill.data import validation
from tidemill.data.reading import cell, read_table
from tidemill.data.validation import Outcome

LARGE = 10**8


@dataclass(frozen=True)
class ReadBack:
    """A table as it was read."""

    names: tuple[str, ...]
    cells: list[tuple[str, ...]]
    reading: Reading
    row_number: str | None
    numeric: frozenset[str]


@pytest.fixture(scope="session")
def read() -> Callable[..., ReadBack]:
    """Reads an upload; raises what the reader raises."""

    def reading(
        data: str | bytes,
        name: str = "table.csv",
        max_bytes: int = LARGE,
        expected: tuple[str, ...] = (),
        **options: Any,
    ) -> ReadBack:
        with tempfile.TemporaryDirectory() as folder:
            upload = Path(folder) / "upload"
            upload.write_bytes(data.encode() if isinstance(data, str) else data)
            table = read_table(upload, name, Path(folder), max_bytes, expected, specs.Reading(**options))
            cells = ", ".join(cell(i) for i in range(len(table.names)))
            rows = table.connection.execute(f"SELECT {cells} FROM raw ORDER BY rowid").fetchall()
            table.connection.close()
        assert len(rows) == table.rows
        return ReadBack(table.names, rows, table.reading, table.row_number, table.numeric)

    return reading


@dataclass(frozen=True)
class Found:
    """What validation found, by name."""

    outcome: Outcome
    folder: Path

    def checks(self, name: str) -> list[Check]:
        """The verdicts of a check."""
        return [check for check in self.outcome.checks if check.name == name]

    def check(self, name: str) -> Check:
        """The only verdict of a check."""
        (check,) = self.checks(name)
        return check

    @property
    def profile(self) -> Profile:
        assert self.outcome.profile is not None
        return self.outcome.profile

    def column(self, name: str) -> ColumnProfile:
        """A column's profile."""
        return next(column for column in self.profile.columns if column.name == name)

    @property
    def roles(self) -> dict[str, str]:
        return {column.name: column.role for column in self.profile.columns}

    @property
    def types(self) -> dict[str, str]:
        return {column.name: column.type for column in self.profile.columns}

    @property
    def table(self) -> Path:
        """The canonical Parquet."""
        return self.folder / validation.TABLE


@pytest.fixture(scope="session")
def validate(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Found]:
    """Validates an upload by a spec given as plain data."""

    def validating(
        data: str | bytes,
        spec: dict[str, Any] | None = None,
        previous: Profile | None = None,
        name: str = "table.csv",
        max_bytes: int = LARGE,
        suggested: DataContract | None = None,
    ) -> Found:
        folder = tmp_path_factory.mktemp("work")
        raw = data.encode() if isinstance(data, str) else data
        outcome = validation.validate(
            fetch=lambda path: path.write_bytes(raw) and None,
            size=len(raw),
            name=name,
            spec=specs.parse(spec),
            previous=previous,
            work=folder,
            max_bytes=max_bytes,
            suggested=suggested,
            run_id="1" * 32,
            mask_key=lambda: b"k" * 32,
        )
        return Found(outcome, folder)

    return validating
