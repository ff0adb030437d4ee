"""Layers of functions that run in containers: the open LocalStack keeps them, and puts them into no function."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from localstack.services.lambda_.invocation.docker_runtime_executor import LambdaContainerConfiguration
    from localstack.services.lambda_.invocation.lambda_models import ArchiveCode, FunctionVersion

#: Functions are made at the same time and share layers: each layer is unpacked once.
_TURN = threading.Lock()


def unpack(version: FunctionVersion) -> None:
    """Unpack a function's layers, when it is made."""
    with _TURN:
        for code in _archives(version):
            code.prepare_for_execution()


def add(container: LambdaContainerConfiguration, version: FunctionVersion) -> None:
    """Have the layers copied to /opt of a container, the last one over those before it, as on AWS."""
    container.copy_folders += [(f"{code.get_unzipped_code_location()}/.", "/opt") for code in _archives(version)]


def _archives(version: FunctionVersion) -> list[ArchiveCode]:
    return [layer.code for layer in version.config.layers if layer.code]
