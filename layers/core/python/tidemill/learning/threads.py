"""One thread for numpy and scikit-learn: the order of sums, and so the last bits of a model, depends on threads."""

from __future__ import annotations

import functools
from contextlib import AbstractContextManager

from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

#: Looking for the libraries takes longer than a small fit; they are all loaded before the first one.
_libraries = functools.cache(ThreadpoolController)


def one_thread() -> AbstractContextManager[object]:
    """What is computed inside uses one thread."""
    limited: AbstractContextManager[object] = _libraries().limit(limits=1)
    return limited
