"""A LocalStack of our own with the plugins in infra/localstack, and functions made in it one by one."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ..emulators import LocalStackHere, start_localstack


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStackHere]:
    """One LocalStack for the tests of a module."""
    running = start_localstack(tmp_path_factory.mktemp("localstack"))
    try:
        yield running
    finally:
        running.emulator.stop()


@pytest.fixture
def function(here: LocalStackHere) -> Iterator[Callable[..., str]]:
    """Makes functions of code whose handler is `app.handler`, gone with the test."""
    client, made = here.client("lambda"), []

    def make(code: str, **options: Any) -> str:
        made.append(here.function(code, **options))
        return made[-1]

    yield make
    for name in made:
        with contextlib.suppress(client.exceptions.ResourceNotFoundException):
            client.delete_function(FunctionName=name)
