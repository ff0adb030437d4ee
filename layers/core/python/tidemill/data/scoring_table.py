"""A table to score: read like a training table, parsed by the types of a model's signature.

What a column may hold is decided by the signature, never by what the file happens to
hold, so that a cell means the same here as in training and at the endpoint.
"""

from __future__ import annotations

import difflib
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tidemill import spec
from tidemill.contracts import ColumnType, InputField, Reading, Signature, from_json
from tidemill.data import personal_data
from tidemill.data.column_types import Column, as_type, create_cells, infer
from tidemill.data.feature_join import Current, StoredFeatures
from tidemill.data.number_formats import NumberForm
from tidemill.data.parquet import plain
from tidemill.data.reading import Table, cell, read_table
from tidemill.errors import DataRefused


@dataclass(frozen=True)
class Batch:
    """Some consecutive rows of the table."""

    start: int  #: index of the first row, from 0
    #: The signature's inputs that the table has, raw, shape (rows,): float64 with NaN (integer, number) or object
    #: arrays of str and None (boolean as "true"/"false", category, text, dates as ISO 8601). Ready for
    #: `serving.features.encode`; an optional input that the table lacks is absent, or a list of what was looked up.
    raw: dict[str, Sequence[Any] | np.ndarray]
    #: The uploaded columns by their names in the file's order, cells as they were uploaded: object arrays of str, ""
    #: where a cell is empty. Personal data is masked, or its column left out, as it was in training.
    original: dict[str, np.ndarray]


class ScoringTable:
    """Rows in the file's order; on disk until a batch is asked for."""

    def __init__(
        self, table: Table, inputs: Sequence[Column], withheld: Mapping[str, Column], shared: StoredFeatures
    ) -> None:
        self._table = table
        self._shared = shared
        self._inputs = [withheld.get(column.name, column) for column in inputs]
        self._withheld = withheld

    @property
    def rows(self) -> int:
        """How many rows there are, at least one."""
        return self._table.rows

    @property
    def columns(self) -> tuple[str, ...]:
        """The uploaded columns in the file's order."""
        return self._table.names

    @property
    def known(self) -> frozenset[str]:
        """The uploaded columns, and those that are looked up."""
        return frozenset(self.columns) | self._shared.columns

    @property
    def reading(self) -> Reading:
        """How the file was read."""
        return self._table.reading

    def batches(self, rows: int) -> Iterator[Batch]:
        """Batches of `rows` rows, the last one shorter. Memory is that of one batch."""
        values = [
            f"{column.date.iso(column.value()) if column.date else column.value()} AS {column.cell}"
            for column in self._inputs
        ]
        kept = {name: cell(i) for i, name in enumerate(self.columns) if name not in self._withheld}
        masked = {name: column for name, column in self._withheld.items() if column.masked}
        texts = [f"coalesce({text}, '') AS {text}" for text in kept.values()]
        tokens = [f"coalesce({column.masked}, '') AS {column.cell}" for column in masked.values()]
        for start in range(0, self.rows, rows):
            raw = self._fetch("cells", values, start, rows) if values else {}
            original = self._fetch("raw", texts, start, rows) if texts else {}
            original |= self._fetch("cells", tokens, start, rows) if tokens else {}
            yield Batch(
                start=start,
                raw=self._shared.completed(
                    {column.name: _floats(raw[column.cell], column.type) for column in self._inputs}
                ),
                original={n: original[cell(i)] for i, n in enumerate(self.columns) if n in kept or n in masked},
            )

    def _fetch(self, table: str, cells: Sequence[str], start: int, rows: int) -> dict[str, np.ndarray]:
        within = f"rowid >= {start} AND rowid < {start + rows}"
        answer = self._table.connection.execute(f"SELECT {', '.join(cells)} FROM {table} WHERE {within}")
        return {name: plain(values) for name, values in answer.fetchnumpy().items()}


@contextmanager
def read_scoring_table(
    path: Path,
    name: str,
    signature: Signature,
    work: Path,
    max_bytes: int,
    mask_key: Callable[[], bytes],
    current: Current = lambda _: None,
) -> Iterator[ScoringTable]:
    """Read an uploaded file that a model is to score.

    Parameters
    ----------
    path
        the uploaded file in any format that a training table may have.
    name
        the upload's file name, a hint only.
    signature
        of the model version; its types and formats decide how cells are read, so that a file of one row is read as
        the training table was. A target column in the table is passed through.
    work
        an empty folder for intermediate files; it needs about four times the file's size.
    max_bytes
        a larger file is refused.
    mask_key
        gives the secret that personal data is masked with; called when the model wants some masked.
    current
        gives the current version of a feature set that the model looks features up in.

    Raises
    ------
    DataRefused
        no usable table, a required column is missing, or a value does not fit its type; the message names column, row
        (from 1, without the header) and value.
    """
    options = from_json(spec.Reading, signature.reading)
    try:
        table = read_table(path, name, work, max_bytes, {field.name for field in signature.accepted}, options)
    except DataRefused as error:
        raise DataRefused(personal_data.without_values(str(error))) from None
    try:
        create_cells(table.connection, len(table.names), signature.missing_values, signature.real_values)
        personal_data.check_header(table.names, signature.personal_data)
        withheld = personal_data.for_scoring(table.connection, table.names, signature, mask_key)
        found = functools.cache(lambda: infer(table, {}, options))
        given = [field for field in signature.inputs if field.required or field.name in table.names]
        inputs = _alike([_input(table, field, options, found) for field in given], given, found)
        inputs += _keys(table, signature)
        if not inputs:
            known = ", ".join(field.name for field in signature.accepted[:30])
            raise DataRefused(f"the table has no column that the model knows: it needs some of {known}")
        with closing(StoredFeatures(signature, current, work)) as shared:
            yield ScoringTable(table, inputs, withheld, shared)
    finally:
        table.connection.close()


def _keys(table: Table, signature: Signature) -> list[Column]:
    """Columns by which features are looked up and that are no inputs, as text. Raises DataRefused."""
    for ref in signature.feature_sets:
        if ref.columns and {ref.key, *ref.columns}.isdisjoint(table.names):
            raise DataRefused(
                f"the table has no column {ref.key!r}, by which the features of {ref.name} are looked up: it has "
                f"{', '.join(table.names[:30])}"
            )
    names = [field.name for field in signature.keys if field.name in table.names]
    return [Column(table.names.index(name), name, "category") for name in names]


def _input(table: Table, field: InputField, options: spec.Reading, found: Callable[[], list[Column]]) -> Column:
    """A column of the table as an input of the model. Raises DataRefused."""
    if field.name not in table.names:
        close = difflib.get_close_matches(field.name, table.names, n=1)
        hint = f"did you mean to name {close[0]!r} so?" if close else f"it has {', '.join(table.names[:30])}"
        raise DataRefused(f"the table has no column {field.name!r}, which the model needs: {hint}")
    index = table.names.index(field.name)
    # A model takes any number where its training data had whole ones, and so does the endpoint.
    kind: ColumnType = "number" if field.type == "integer" else field.type
    form = "" if field.name in table.numeric and kind == "number" else field.format
    try:
        column = as_type(table.connection, index, field.name, kind, form, options)
    except DataRefused as error:
        if kind != "number" or field.format:
            raise
        column = _formed(found()[index], str(error))
    if field.required:
        row = table.connection.execute(
            f"SELECT rowid + 1 FROM cells WHERE ({column.value()}) IS NULL ORDER BY rowid LIMIT 1"
        ).fetchone()
        if row is not None:
            raise DataRefused(f"the column {field.name!r} has no value in row {row[0]}, and the model needs it there")
    return column


def _formed(found: Column, error: str) -> Column:
    """A column of numbers in a form that the training table did not have, as it was found out from the column itself.

    A percent is refused: whether the model knows it as a fraction or as hundredths cannot be told. Raises DataRefused.
    """
    contradiction = next((oddity.detail for oddity in found.oddities if oddity.check == "declared_type"), "")
    if isinstance(found.number, NumberForm) and not found.number.is_percent and not found.guessed:
        return replace(found, type="number")
    if found.guessed:
        why = (
            "the column can be read with a decimal point or a decimal comma, and nothing in the file decides: write "
            "numbers like 1234.5, or set reading.decimal in the spec and train again"
        )
    else:
        why = contradiction or "the training table had plain numbers: write them like 1234.5"
    raise DataRefused(f"{error}; {why}")


def _alike(inputs: Sequence[Column], fields: Sequence[InputField], found: Callable[[], list[Column]]) -> list[Column]:
    """The inputs, with 1.234 as a thousand in columns of plain numbers where others were found to have decimal commas.

    As in a training table, where the other columns decide, too.
    """
    if not any(column.number and not field.format for column, field in zip(inputs, fields, strict=True)):
        return list(inputs)
    return [
        replace(found()[column.index], type="number")
        if column.type == "number" and not field.format and not column.number and found()[column.index].number
        else column
        for column, field in zip(inputs, fields, strict=True)
    ]


def _floats(values: np.ndarray, kind: ColumnType) -> np.ndarray:
    return values.astype(np.float64, copy=False) if kind == "number" else values
