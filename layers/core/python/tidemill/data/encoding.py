"""The character encoding of a text file, found by reading all of it once.

UTF-8 proves itself: other encodings hardly ever form valid UTF-8. What is not UTF-8 is
taken as Windows-1252 (which includes the letters of Latin-1) only when it looks like a
western European text, and the reading says so; anything else is refused rather than
read as wrong letters.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tidemill.errors import DataRefused

BLOCK = 1 << 20
#: The longest first: UTF-32's mark begins with UTF-16's.
BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
#: Western European text has few letters beyond ASCII; a text in another alphabet has mostly such letters.
MAX_HIGH_SHARE = 0.3
#: A line is in memory as a whole.
MAX_LINE = 16 << 20
SAVE_AS_UTF8 = "save it as UTF-8"

_ASCII = bytes(range(128))
_LETTERS = bytes(code for code in range(256) if code >= 128 or chr(code).isalpha())
_NO_LETTERS = bytes(code for code in range(256) if code not in _LETTERS)


@dataclass(frozen=True)
class Encoding:
    """A codec's name, and what was assumed to choose it."""

    codec: str
    assumption: str | None = None


def detect(path: Path, declared: str | None = None) -> Encoding:
    """The encoding in which the whole file can be decoded.

    Parameters
    ----------
    declared
        the encoding that the spec names.

    Raises
    ------
    DataRefused
        the file is binary, has NUL characters, or is in an encoding that cannot be told, or in another one than
        declared.
    """
    with path.open("rb") as file:
        head = file.read(4096)
    if declared is not None:
        return _declared(path, head, declared)
    for mark, codec in BYTE_ORDER_MARKS.items():
        if head.startswith(mark):
            return Encoding(_proven(path, codec))
    for codec, zeros, others in (("utf-16-le", head[1::2], head[0::2]), ("utf-16-be", head[0::2], head[1::2])):
        if zeros.count(0) > 0.7 * len(zeros) and others.count(0) == 0:
            return Encoding(_proven(path, codec), f"the text is {codec.upper()}, although no byte order mark says so")
    return Encoding("utf-8") if _undecodable_line(path, "utf-8") is None else _western(path)


def _declared(path: Path, head: bytes, name: str) -> Encoding:
    try:
        codec = codecs.lookup(name).name
        "".encode(codec)
    except (LookupError, TypeError, ValueError) as error:
        raise DataRefused(
            f"reading.encoding of the spec names no text encoding {name!r}: write one such as utf-8 or cp1252"
        ) from error
    if codec == "utf-8" and head.startswith(codecs.BOM_UTF8):
        codec = "utf-8-sig"
    line = _undecodable_line(path, codec)
    if line is not None:
        raise DataRefused(
            f"reading.encoding of the spec says {name}, but the file cannot be decoded so near line {line}: "
            "correct it, or leave it out"
        )
    return Encoding(codec)


def _proven(path: Path, codec: str) -> str:
    line = _undecodable_line(path, codec)
    if line is None:
        return codec
    name = codec.upper().removesuffix("-SIG")
    raise DataRefused(f"the file begins as {name} but cannot be decoded near line {line}: {SAVE_AS_UTF8}")


def _undecodable_line(path: Path, codec: str) -> int | None:
    """Decode everything: about the first line that does not decode, or None. Raises DataRefused for a NUL."""
    decoder = codecs.getincrementaldecoder(codec)()
    wide = codec.startswith(("utf-16", "utf-32"))
    line, length = 1, 0
    for block in _blocks(path):
        if not wide and b"\0" in block:
            raise _nul(line + block[: block.index(0)].count(b"\n"))
        try:
            text = decoder.decode(block, final=not block)
        except UnicodeError:
            return line
        if "\0" in text:
            raise _nul(line + text[: text.index("\0")].count("\n"))
        length = 0 if "\n" in text or "\r" in text else length + len(text)
        if length > MAX_LINE:
            raise DataRefused(f"line {line} has more than {MAX_LINE:,} characters: give every row a line of its own")
        line += text.count("\n")
    return None


def _nul(line: int) -> DataRefused:
    return DataRefused(
        f"the file has a NUL character in line {line}, so it is binary or damaged: upload the table as plain text"
    )


def _western(path: Path) -> Encoding:
    """Windows-1252, when nothing speaks against it."""
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    invalid = multibyte = high = letters = 0
    for block in _blocks(path):
        text = decoder.decode(block, final=not block)
        escaped = len(text) - len(text.encode("utf-8", "ignore").decode())
        invalid += escaped
        multibyte += len(text) - len(text.encode("ascii", "ignore")) - escaped
        high += len(block.translate(None, _ASCII))
        letters += len(block.translate(None, _NO_LETTERS))
    if multibyte > invalid:
        raise DataRefused(f"the file is UTF-8 with damaged characters: {SAVE_AS_UTF8} again")
    if high > MAX_HIGH_SHARE * letters or _undecodable_line(path, "cp1252") is not None:
        raise DataRefused(f"the file is neither UTF-8 nor in a western European encoding: {SAVE_AS_UTF8}")
    return Encoding("cp1252", "the text is not UTF-8: it was read as Windows-1252 (western European)")


def _blocks(path: Path) -> Iterator[bytes]:
    """The file's blocks, then an empty one."""
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            yield block
    yield b""
