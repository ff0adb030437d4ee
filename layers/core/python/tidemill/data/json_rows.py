"""The rows of a JSON Lines file: one object a line, its keys the columns."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tidemill.data.encoding import Encoding
from tidemill.data.header import repetition
from tidemill.errors import DataRefused

#: The longest line in characters.
MAX_LINE = 4 << 20
ONE_OBJECT_A_LINE = 'write one JSON object a line, such as {"a": 1, "b": "x"}'


@dataclass(frozen=True)
class JsonLines:
    """A JSON Lines file whose columns are known, in the order in which the keys appear first."""

    path: Path
    codec: str
    names: tuple[str, ...]
    assumptions: tuple[str, ...]

    def rows(self, notes: list[str]) -> Iterator[list[str]]:
        """The cells of each row as text, "" for null and for an absent key."""
        nested: set[str] = set()
        for _, document in _objects(self.path, self.codec):
            row = []
            for name in self.names:
                value = document.get(name)
                if isinstance(value, dict | list):
                    nested.add(name)
                row.append(_text(value))
            yield row
        notes += [f"the column {name!r} holds nested JSON values: they were read as text" for name in sorted(nested)]


def is_json(path: Path, encoding: Encoding) -> bool:
    """Whether the text begins with a JSON object, or with a list, which is refused later."""
    with path.open(encoding=encoding.codec) as file:
        head = file.read(4096).lstrip()
    if head.startswith("{"):
        return head[1:].lstrip()[:1] in ('"', "}", "")
    if head.startswith("["):
        return head[1:].lstrip()[:1] in ("{", "[") or _is_list(head.splitlines()[0])
    return False


def _is_list(line: str) -> bool:
    try:
        return isinstance(json.loads(line), list)
    except (ValueError, RecursionError):
        return False


def open_json(path: Path, encoding: Encoding) -> JsonLines:
    """Find the columns of a JSON Lines file by reading all of it once.

    Raises
    ------
    DataRefused
        a line is no JSON object; the message names it.
    """
    names: dict[str, None] = {}
    rows = 0
    incomplete = 0
    for _, document in _objects(path, encoding.codec):
        rows += 1
        incomplete += rows > 1 and document.keys() != names.keys()
        names.update(dict.fromkeys(document))
    if not names:
        raise DataRefused(f"the file holds no values: {ONE_OBJECT_A_LINE}")
    if "" in names:
        raise DataRefused("an object has a key without a name: give every column a name")
    problem = repetition(list(names))
    if problem:
        raise DataRefused(problem)
    assumptions = [encoding.assumption] if encoding.assumption else []
    if incomplete:
        assumptions.append(f"{incomplete:,} of {rows:,} objects have other keys than those before: absent is missing")
    return JsonLines(path, encoding.codec, tuple(names), tuple(assumptions))


def _objects(path: Path, codec: str) -> Iterator[tuple[int, dict[str, Any]]]:
    with path.open(encoding=codec, newline=None) as file:
        number = 0
        while line := file.readline(MAX_LINE):
            number += 1
            if len(line) == MAX_LINE:
                raise DataRefused(f"line {number} has more than {MAX_LINE:,} characters: {ONE_OBJECT_A_LINE}")
            if line.strip():
                yield number, _object(line, number)


def _object(line: str, number: int) -> dict[str, Any]:
    try:
        # Numbers stay the text that they are, so that no digit is lost.
        document = json.loads(
            line, parse_float=str, parse_int=str, parse_constant=str, object_pairs_hook=_without_repetition
        )
    except (ValueError, RecursionError) as error:
        raise DataRefused(f"line {number} is not a JSON object: {ONE_OBJECT_A_LINE}") from error
    if not isinstance(document, dict):
        raise DataRefused(f"line {number} is not a JSON object: {ONE_OBJECT_A_LINE}")
    if "\\u" in line:
        _refuse_unusable_characters(document, number)
    return document


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise ValueError("a key is repeated")
    return document


def _refuse_unusable_characters(document: dict[str, Any], number: int) -> None:
    """Escapes can name NUL and halves of characters, which are no text."""
    text = json.dumps(document, ensure_ascii=False)
    if "\\u0000" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise DataRefused(f"line {number} has a NUL or half a character: remove it")


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
