"""The runtime executor: LocalStack's execution environments as processes of this machine.

LocalStack pools the environments, bounds their number and retries; what one of them is, and how an invocation reaches
it, is in `tidemill_cli.local.execution`, as for the default emulator.
"""

from __future__ import annotations

import functools
import os
import tempfile
import threading
import time
from pathlib import Path

from localstack.services.lambda_.invocation.lambda_models import ArchiveCode, FunctionVersion, InvocationResult
from localstack.services.lambda_.invocation.runtime_executor import RuntimeExecutor

from tidemill_cli.local.execution import HOST_PREFIX, Environments, ExecutionEnvironment, Function
from tidemill_localstack.expectations import INTERPRETER

#: Of the variables that LocalStack makes for a function, those that are neither Lambda's own nor the function's.
SERVICE_VARIABLES = (
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_ENDPOINT_URL",
)


class ProcessExecutor(RuntimeExecutor):
    """One execution environment.

    Its process starts with the first invocation and not before, so that what goes wrong while it starts is that
    invocation's outcome, with the log, as on AWS.
    """

    environment: ExecutionEnvironment | None = None

    def start(self, env_vars: dict[str, str]) -> None:
        """Make the environment, with the role's credentials that LocalStack took from STS."""
        version = self.function_version
        folders = [code.get_unzipped_code_location() for code in _archives(version)]
        function = Function(
            name=version.id.function_name,
            version=version.id.qualifier,
            arn=version.id.unqualified_arn(),
            handler=version.config.handler or "",
            runtime=str(version.config.runtime),
            memory_mb=version.config.memory_size,
            timeout=float(version.config.timeout),
            log_group=env_vars["AWS_LAMBDA_LOG_GROUP_NAME"],
            log_stream=env_vars["AWS_LAMBDA_LOG_STREAM_NAME"],
            code=folders[0],
            layers=folders[1:],
            variables=version.config.environment or {},
            service_variables={
                **{name: env_vars[name] for name in SERVICE_VARIABLES if name in env_vars},
                HOST_PREFIX: "true",
            },
        )
        self.environment = _environments().new(function)

    def stop(self) -> None:
        """End the environment when the invocation under way has ended, as on AWS; does not wait for it."""
        environment, self.environment = self.environment, None
        if environment is not None:
            threading.Thread(target=_environments().end, args=(environment,), daemon=True).start()

    def invoke(self, payload: dict[str, str]) -> InvocationResult:
        """Run one invocation; an error, an exit or a timeout is a result like any other."""
        assert self.environment is not None
        request, version = payload["invoke-id"], self.function_version
        began = time.perf_counter()
        outcome = self.environment.invoke(
            request, payload["payload"].encode(), payload.get("trace-id"), payload["invoked-function-arn"]
        )
        milliseconds = (time.perf_counter() - began) * 1000
        body = outcome.log if not outcome.log or outcome.log.endswith("\n") else f"{outcome.log}\n"
        log = (
            f"START RequestId: {request} Version: {version.id.qualifier}\n{body}END RequestId: {request}\n"
            f"REPORT RequestId: {request}\tDuration: {milliseconds:.2f} ms\tBilled Duration: {int(milliseconds) + 1} ms"
            f"\tMemory Size: {version.config.memory_size} MB\n"
        )
        return InvocationResult(request, outcome.payload, is_error=outcome.failed, logs=log)

    def get_logs(self) -> str:
        """Nothing: every invocation hands over its own log."""
        return ""

    def get_address(self) -> str:
        """Where the process is."""
        return "127.0.0.1"

    def get_endpoint_from_executor(self) -> str:
        """Where the process finds LocalStack."""
        return "127.0.0.1"

    def get_runtime_endpoint(self) -> str:
        """Nothing: the process is spoken to over the Runtime API and calls nobody back."""
        return ""

    @classmethod
    def prepare_version(cls, function_version: FunctionVersion) -> None:
        """Unpack the code and the layers.

        Raises
        ------
        ValueError
            the function is no ZIP archive with a Python runtime; LocalStack gives it the state Failed, and this as the
            reason.
        """
        runtime = str(function_version.config.runtime)
        if not runtime.startswith("python") or not function_version.config.code:
            raise ValueError(f"functions run as Python processes here, and this one's runtime is {runtime}")
        for code in _archives(function_version):
            code.prepare_for_execution()

    @classmethod
    def cleanup_version(cls, function_version: FunctionVersion) -> None:
        """Nothing: LocalStack removes the code itself."""


def stop() -> None:
    """End every process; invocations under way fail."""
    _environments().stop()


@functools.cache
def _environments() -> Environments:
    folder = Path(tempfile.gettempdir()) / "functions"
    folder.mkdir(parents=True, exist_ok=True)
    return Environments(os.environ[INTERPRETER], folder)


def _archives(version: FunctionVersion) -> list[ArchiveCode]:
    """The function's code, then its layers."""
    return [version.config.code, *(layer.code for layer in version.config.layers if layer.code)]
