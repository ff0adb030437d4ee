"""The lock by which an emulator that runs is known.

It is held for as long as the process lives: who cannot lock the file knows that the emulator runs,
and finds its process id in it. Standard library alone: it runs in each emulator's own interpreter.
"""

from __future__ import annotations

import fcntl
import os
import sys
from pathlib import Path


def hold(path: str | Path) -> None:
    """Lock the file until this process ends and write its id into it; end the process when another holds it."""
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)  # closed by the end of the process and not before
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit("another emulator runs on this state already: `tidemill status` shows it")
    os.ftruncate(lock, 0)
    os.write(lock, str(os.getpid()).encode())


def holder(path: Path) -> int | None:
    """The id of the process that holds the lock, None when none does."""
    try:
        lock = path.open("r+", encoding="ascii")
    except FileNotFoundError:
        return None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            text = lock.read()
            return int(text) if text else None
        return None
