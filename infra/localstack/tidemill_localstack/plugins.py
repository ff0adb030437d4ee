"""The entry points by which LocalStack finds this package.

LocalStack reads them all at each start: this module imports little, and no plugin does anything unless it is chosen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from localstack import config
from localstack.runtime import hooks
from localstack.services.lambda_ import hooks as function_hooks
from localstack.services.lambda_.invocation.plugins import RuntimeExecutorPlugin
from localstack.services.plugins import Service, aws_provider

if TYPE_CHECKING:
    from localstack.services.lambda_.invocation.docker_runtime_executor import LambdaContainerConfiguration
    from localstack.services.lambda_.invocation.lambda_models import FunctionVersion

    from tidemill_localstack.executor import ProcessExecutor

NAME = "process"


def _is_chosen() -> bool:
    return bool(config.LAMBDA_RUNTIME_EXECUTOR == NAME)


class ProcessExecutorPlugin(RuntimeExecutorPlugin):
    """`LAMBDA_RUNTIME_EXECUTOR=process`."""

    name = NAME

    def load(self, *_: Any, **__: Any) -> type[ProcessExecutor]:
        """The class of which LocalStack makes one object for each execution environment."""
        from tidemill_localstack.executor import ProcessExecutor

        return ProcessExecutor


@aws_provider(api="dynamodb", name="moto")
def dynamodb() -> Service:
    """`PROVIDER_OVERRIDE_DYNAMODB=moto`."""
    from tidemill_localstack.dynamodb import tables

    return tables()


@aws_provider(api="dynamodbstreams", name="moto")
def dynamodbstreams() -> Service:
    """`PROVIDER_OVERRIDE_DYNAMODBSTREAMS=moto`."""
    from tidemill_localstack.dynamodb import streams

    return streams()


@hooks.on_infra_start(priority=100, should_load=_is_chosen)
def start() -> None:
    """Refuse what this was not made for, and put JSONata in place; raised errors end LocalStack's start."""
    from tidemill_localstack import expectations

    expectations.check()

    from tidemill_localstack import jsonata_in_python

    jsonata_in_python.install()


@hooks.on_infra_shutdown(should_load=_is_chosen)
def stop() -> None:
    """End every function's process before LocalStack waits for the invocations under way."""
    from tidemill_localstack import executor

    executor.stop()


@hooks.on_infra_start()
def keep_api_bodies() -> None:
    """Let bodies of requests to APIs be what was sent."""
    from tidemill_localstack import api_bodies

    api_bodies.install()


@function_hooks.prepare_docker_executor()
def unpack_layers(version: FunctionVersion) -> None:
    """Where functions run in containers: when one is made."""
    from tidemill_localstack import layers

    layers.unpack(version)


@function_hooks.start_docker_executor()
def add_layers(container: LambdaContainerConfiguration, version: FunctionVersion) -> None:
    """Where functions run in containers: before one starts."""
    from tidemill_localstack import layers

    layers.add(container, version)
