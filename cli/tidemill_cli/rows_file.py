"""CSV files of rows for the endpoint: read with the types of the model's signature, written with predictions.

This is the plain way for a few thousand rows. `tidemill score` takes what training takes,
any table, and any size.
"""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tidemill.contracts import InputField, Signature
from tidemill.errors import InputRefused

DELIMITERS = ",;\t|"
#: How each refusal of a file ends.
WAY_OUT = "or use `tidemill score`, which reads files as training did"


@dataclass(frozen=True)
class Rows:
    """A file's cells as text; `header` names the columns."""

    header: tuple[str, ...]
    cells: tuple[tuple[str, ...], ...]


def read(path: Path) -> Rows:
    """Read a CSV file with a header line, in UTF-8, delimited by comma, semicolon, tab or bar, gzipped or not.

    Raises
    ------
    InputRefused
        it is not such a file; the message says what is wrong and in which line.
    """
    data = path.read_bytes()
    try:
        text = (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode("utf-8-sig")
    except (UnicodeDecodeError, OSError, EOFError) as error:
        raise InputRefused(f"{path} is no CSV file in UTF-8 ({error}): save it as one, {WAY_OUT}") from error
    first = text.partition("\n")[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(DELIMITERS, key=first.count))
    header: tuple[str, ...] | None = None
    cells = []
    for line in reader:
        if not line:
            continue
        if header is None:
            header = tuple(name.strip() for name in line)
        elif len(line) != len(header):
            raise InputRefused(
                f"line {reader.line_num} of {path} has {len(line)} cells, but its header has {len(header)}: "
                f"mend it, {WAY_OUT}"
            )
        else:
            cells.append(tuple(line))
    if header is None or not cells:
        raise InputRefused(
            f"{path} has no rows: let the first line name the columns and each further line be a row, {WAY_OUT}"
        )
    doubled = next((name for name in header if header.count(name) > 1), None)
    if doubled is not None:
        raise InputRefused(f"{path} has two columns named {doubled!r}: rename one, {WAY_OUT}")
    return Rows(header, tuple(cells))


def unknown_columns(rows: Rows, signature: Signature) -> list[str]:
    """Columns of the file that are no inputs of the model, such as the id or the target."""
    known = {field.name for field in signature.accepted}
    return [name for name in rows.header if name not in known]


def instances(rows: Rows, signature: Signature) -> list[dict[str, Any]]:
    """One object of typed inputs for each row; columns that are no inputs are left out."""
    fields = [(field, rows.header.index(field.name)) for field in signature.accepted if field.name in rows.header]
    return [{field.name: _value(field, line[place].strip()) for field, place in fields} for line in rows.cells]


def _value(field: InputField, text: str) -> Any:
    """A cell as JSON; what is no number stays text, which the endpoint takes as missing, or refuses by name."""
    if not text:
        return None
    if field.type in ("integer", "number") and "_" not in text:
        for kind in (int, float):
            try:
                return kind(text)
            except ValueError:
                continue
    return text


def scored(rows: Rows, signature: Signature, predictions: Sequence[Any]) -> str:
    """The rows as CSV text, followed by `prediction`, for a classifier `probability_<class>` for each class, `distance`
    or `score` or, instead, `component_1`, ... of a task without a target, and what else was answered: `low`, `high`,
    `set`, `review`."""
    added = [_cells(prediction, signature) for prediction in predictions]
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*rows.header, *_free(added[0], rows.header)])
    for line, cells in zip(rows.cells, added, strict=True):
        writer.writerow([*line, *cells.values()])
    return text.getvalue()


def _cells(prediction: Any, signature: Signature) -> dict[str, Any]:
    """What was answered for one row, by column."""
    if not isinstance(prediction, Mapping):
        return {"prediction": prediction}
    if "components" in prediction:
        return {f"component_{number}": value for number, value in enumerate(prediction["components"], 1)}
    if "cluster" in prediction:
        return {"prediction": prediction["cluster"], "distance": prediction["distance"]}
    if "anomaly" in prediction:
        return {"prediction": signature.classes[bool(prediction["anomaly"])], "score": prediction["score"]}
    cells = {"prediction": prediction["label" if "label" in prediction else "value"]}
    for name, value in prediction.items():
        if name == "probabilities":
            cells |= {f"probability_{label}": share for label, share in zip(signature.classes, value, strict=True)}
        elif name not in ("label", "value"):
            value = " | ".join(value) if isinstance(value, list) else value
            cells[name] = str(value).lower() if isinstance(value, bool) else value
    return cells


def _free(names: Iterable[str], taken: Iterable[str]) -> list[str]:
    """The names, with `_2`, `_3`, ... behind those that the table has already."""
    used = set(taken)
    result = []
    for name in names:
        free, count = name, 1
        while free in used:
            count += 1
            free = f"{name}_{count}"
        used.add(free)
        result.append(free)
    return result
