"""A table to score: read like a training table, parsed by the types of a model's signature.

What a column may hold is decided by the signature, never by what the file happens to
hold, so that a cell means the same here as in training and at the endpoint.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tidemill.contracts import Reading, Signature


@dataclass(frozen=True)
class Batch:
    """Some consecutive rows of the table."""

    start: int  #: index of the first row, from 0
    #: The signature's inputs that the table has, raw, shape (rows,): float64 with NaN (integer, number) or object
    #: arrays of str and None (boolean as "true"/"false", category, text, dates as ISO 8601). Ready for
    #: `serving.features.encode`; an optional input that the table lacks is absent.
    raw: dict[str, np.ndarray]
    #: Every uploaded column by its name in the file's order, cells as they were uploaded: object arrays of str,
    #: "" where a cell is empty.
    original: dict[str, np.ndarray]


class ScoringTable:
    """Rows in the file's order; on disk until a batch is asked for."""

    rows: int
    columns: tuple[str, ...]  #: uploaded columns in the file's order
    reading: Reading

    def batches(self, rows: int) -> Iterator[Batch]:
        """Batches of `rows` rows, the last one shorter. Memory is that of one batch."""
        raise NotImplementedError


def read_scoring_table(
    path: Path, name: str, signature: Signature, work: Path, max_bytes: int
) -> AbstractContextManager[ScoringTable]:
    """Read an uploaded file that a model is to score.

    Parameters
    ----------
    path
        the uploaded file: CSV, TSV, JSON Lines or Parquet, also gzip.
    name
        the upload's file name, a hint only.
    signature
        of the model version; its types decide how cells are read. A target column in the table is passed through.
    work
        an empty folder for intermediate files; it needs about four times the file's size.
    max_bytes
        a larger file is refused.

    Raises
    ------
    DataRefused
        no usable table, a required column is missing, or a value does not fit its type; the message names column, row
        (from 1, without the header) and value.
    """
    raise NotImplementedError
