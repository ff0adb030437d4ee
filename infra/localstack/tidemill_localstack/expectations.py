"""What must be as it was when this was tried: LocalStack's version, the private names used, and the settings."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
from collections.abc import Mapping
from pathlib import Path

VERSION = "4.14.0"
#: The variable with the interpreter that runs the functions.
INTERPRETER = "TIDEMILL_PYTHON"
PRIVATE_NAMES: Mapping[str, tuple[str, ...]] = {
    "werkzeug.wrappers:Request": ("want_form_data_parsed",),
    "localstack.services.lambda_.invocation.lambda_models": ("FunctionVersion", "InvocationResult"),
    "localstack.services.lambda_.invocation.plugins": ("RuntimeExecutorPlugin",),
    "localstack.services.lambda_.invocation.runtime_executor": ("RuntimeExecutor",),
    "localstack.services.moto": ("MotoFallbackDispatcher",),
    "localstack.services.stepfunctions.asl.jsonata.jsonata": ("JSONataException", "_eval_jsonata"),
}


class Unexpected(Exception):
    """LocalStack or its settings are not as needed; the message says what and the way out."""


def check() -> None:
    """Compare what is there with what is needed.

    Raises
    ------
    Unexpected
        another version of LocalStack, a private name missing, or no interpreter for the functions.
    """
    check_version()
    missing = missing_names()
    if missing:
        raise Unexpected(
            f"LocalStack {VERSION} is not as expected, it lacks {', '.join(missing)}: "
            "run `rm -r .venvs/localstack && make localstack`"
        )
    interpreter = os.environ.get(INTERPRETER, "")
    if not Path(interpreter).is_absolute() or not os.access(interpreter, os.X_OK):
        raise Unexpected(
            f"{INTERPRETER} is {interpreter!r} and must be the absolute path of the functions' interpreter, "
            "one that has awslambdaric and their packages"
        )


def check_version() -> None:
    """Compare the version alone, before anything of LocalStack is imported. Raises Unexpected."""
    installed = importlib.metadata.version("localstack-core")
    if installed != VERSION:
        raise Unexpected(
            f"LocalStack {installed} is installed and {VERSION} is needed: "
            "run `rm -r .venvs/localstack && make localstack`"
        )


def missing_names() -> list[str]:
    """The names in `PRIVATE_NAMES` that the installed LocalStack does not have."""
    return [f"{place}.{name}" for place, names in PRIVATE_NAMES.items() for name in names if not _has(place, name)]


def _has(place: str, name: str) -> bool:
    module, _, attribute = place.partition(":")
    try:
        holder = importlib.import_module(module)
    except ModuleNotFoundError:
        return False
    return hasattr(getattr(holder, attribute, None) if attribute else holder, name)
