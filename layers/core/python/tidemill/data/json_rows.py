"""The rows of a JSON file: one object a line, or a list of objects; their keys are the columns."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from tidemill.data.encoding import Encoding
from tidemill.data.header import repetition
from tidemill.errors import DataRefused

#: The longest line in characters.
MAX_LINE = 4 << 20
#: Characters of a list that are looked at together, at first.
BLOCK = 1 << 18
ONE_OBJECT_A_LINE = 'write one JSON object a line, such as {"a": 1, "b": "x"}'


@dataclass(frozen=True)
class JsonText:
    """A JSON file whose columns are known, in the order in which the keys appear first."""

    path: Path
    codec: str
    is_list: bool
    names: tuple[str, ...]
    assumptions: tuple[str, ...]

    def rows(self, notes: list[str], texts: set[str]) -> Iterator[list[str]]:
        """The cells of each row as text, "" for null and an absent key; names of columns with texts go to `texts`."""
        nested: set[str] = set()
        for _, document in _objects(self.path, self.codec, self.is_list):
            row = []
            for name in self.names:
                value = document.get(name)
                if isinstance(value, dict | list):
                    nested.add(name)
                elif isinstance(value, str) and not isinstance(value, _Digits):
                    texts.add(name)
                row.append(_text(value))
            yield row
        notes += [f"the column {name!r} holds nested JSON values: they were read as text" for name in sorted(nested)]


class _Digits(str):
    """A number as the text that it is, so that no digit is lost."""


def is_json(path: Path, encoding: Encoding) -> bool:
    """Whether the text begins with a JSON object, or with a list."""
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


def open_json(path: Path, encoding: Encoding) -> JsonText:
    """Find the columns of a JSON file by reading all of it once.

    Raises
    ------
    DataRefused
        something is no JSON object; the message names it.
    """
    with path.open(encoding=encoding.codec) as file:
        head = file.read(4096).lstrip()
    # A list in one line of several is no list of objects.
    is_list = head.startswith("[") and head[1:].lstrip()[:1] in ("{", "]", "")
    names: dict[str, None] = {}
    rows = 0
    incomplete = 0
    for _, document in _objects(path, encoding.codec, is_list):
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
    return JsonText(path, encoding.codec, is_list, tuple(names), tuple(assumptions))


def _objects(path: Path, codec: str, is_list: bool) -> Iterator[tuple[int, dict[str, Any]]]:
    """Every object, with what names its place: the number of its line, or in the list."""
    with path.open(encoding=codec, newline=None) as file:
        if is_list:
            yield from _items(file)
            return
        number = 0
        while line := file.readline(MAX_LINE):
            number += 1
            if len(line) == MAX_LINE:
                raise DataRefused(f"line {number} has more than {MAX_LINE:,} characters: {ONE_OBJECT_A_LINE}")
            if line.strip():
                yield number, _object(line, f"line {number}")


def _items(file: TextIO) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects of a list, a block of the file at a time."""
    text, position, number = file.read(BLOCK).lstrip()[1:], 0, 0
    while True:
        between = _BETWEEN.match(text, position)
        assert between is not None
        if between[1] == "]":
            break
        try:
            document, end = _DECODER.raw_decode(text, between.end())
        except (ValueError, RecursionError) as error:
            seen = len(text) - position
            more = file.read(max(BLOCK, seen)) if seen < MAX_LINE else ""
            if not more:
                raise _no_object(f"object {number + 1} of the list") from error
            text, position = text[position:] + more, 0
            continue
        if bool(between[1]) != (number > 0):
            raise DataRefused(f"a comma is missing or too many before object {number + 1} of the list: correct it")
        number += 1
        yield number, _checked(document, text[between.end() : end], f"object {number} of the list")
        position = end
    if text[between.end() :].strip() or file.read(BLOCK).strip():
        raise DataRefused("there is more text behind the list of objects: write one list only")


def _object(line: str, where: str) -> dict[str, Any]:
    try:
        document = _DECODER.decode(line)
    except (ValueError, RecursionError) as error:
        raise _no_object(where) from error
    return _checked(document, line, where)


def _checked(document: Any, text: str, where: str) -> dict[str, Any]:
    if not isinstance(document, dict):
        raise _no_object(where)
    if "\\u" in text:
        _refuse_unusable_characters(document, where)
    return document


def _no_object(where: str) -> DataRefused:
    return DataRefused(f"{where} is not a JSON object: {ONE_OBJECT_A_LINE}, or a list of such objects")


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise ValueError("a key is repeated")
    return document


_BETWEEN = re.compile(r"\s*([\],]?)\s*")
#: Numbers stay the text that they are, so that no digit is lost.
_DECODER = json.JSONDecoder(
    parse_float=_Digits, parse_int=_Digits, parse_constant=_Digits, object_pairs_hook=_without_repetition
)


def _refuse_unusable_characters(document: dict[str, Any], where: str) -> None:
    """Escapes can name NUL and halves of characters, which are no text."""
    text = json.dumps(document, ensure_ascii=False)
    if "\\u0000" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise DataRefused(f"{where} has a NUL or half a character: remove it")


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
