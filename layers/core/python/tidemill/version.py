"""The version of Tidemill's own code, for lineage."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

PACKAGE = Path(__file__).parent


@functools.cache
def code_version(package: Path = PACKAGE) -> str:
    """SHA-256 over the names and contents of the package's Python sources, in the order of their names.

    The same sources give the same hash wherever they lie; bundled assets do not count.
    """
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*.py"), key=lambda path: path.relative_to(package).as_posix()):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(package).as_posix()}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()
