"""MiniStack, with its Python functions run in the project's interpreter as `execution` does it.

Run by MiniStack's own interpreter, with `TIDEMILL_PYTHON` naming the interpreter of the functions:

    PYTHONPATH=cli .venvs/ministack/bin/python -m tidemill_cli.local.emulator LOCK_FILE

What MiniStack does by itself is replaced in two places: the class of a worker in its pool, and
the function that runs one invocation on a worker. `state_machines` fills gaps of its Step
Functions, and the application around it saves its state from time to time. All rest on private
names of MiniStack, listed in `PRIVATE_NAMES`, so the version is pinned and the names are looked
for before the start.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import io
import json
import os
import shutil
import sys
import tempfile
import threading
import time
import uuid
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tidemill_cli.local import lock, state_machines
from tidemill_cli.local.execution import HOST_PREFIX, Environments, ExecutionEnvironment, Function, Outcome

VERSION = "1.5.33"
#: How often the state is written when there were requests, in seconds.
SAVE_SECONDS = 10.0
PRIVATE_NAMES = {
    "ministack.app": ("_build_persistence_save_dict", "app", "main", "save_all"),
    "ministack.core.lambda_runtime": (
        "Worker",
        "_account_region_from_function_config",
        "_worker_class_for",
        "acquire_worker",
        "execution_credentials",
        "release_worker",
    ),
    "ministack.services.lambda_svc": (
        "_ensure_reaper_thread",
        "_execute_function_warm",
        "_resolve_layer_zip",
        "_xray_trace_id_for_invocation",
    ),
    "ministack.services.stepfunctions": state_machines.PRIVATE_NAMES,
}

Json = dict[str, Any]


def missing_names() -> list[str]:
    """The names in `PRIVATE_NAMES` that the installed MiniStack does not have."""
    return [
        f"{module}.{name}"
        for module, names in PRIVATE_NAMES.items()
        for name in names
        if not hasattr(importlib.import_module(module), name)
    ]


class Archives:
    """Unpacked function code and layers, one folder for each content, shared by every process that runs it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()

    def unpacked(self, archive: bytes) -> Path:
        """The folder with the content of a ZIP archive."""
        folder = self._folder / hashlib.sha256(archive).hexdigest()
        with self._lock:
            if not folder.is_dir():
                partial = folder.with_suffix(".partial")
                shutil.rmtree(partial, ignore_errors=True)
                with zipfile.ZipFile(io.BytesIO(archive)) as packed:
                    packed.extractall(partial)
                partial.rename(folder)
        return folder


class Functions:
    """Runs the Python functions of an emulator that is MiniStack.

    Parameters
    ----------
    interpreter
        of the functions; it has awslambdaric and every package of the layers
    folder
        where code is unpacked and processes get their own folders
    endpoint
        what the functions find in AWS_ENDPOINT_URL
    """

    def __init__(self, interpreter: str, folder: Path, endpoint: str) -> None:
        self._endpoint = endpoint
        self._archives = Archives(folder / "code")
        self.environments = Environments(interpreter, folder)

    def install(self) -> None:
        """Put this in the place of MiniStack's own way for every function with a Python runtime."""
        from ministack.core import lambda_runtime  # type: ignore[import-not-found]
        from ministack.services import lambda_svc  # type: ignore[import-not-found]

        worker_class = self._worker_class()
        class_of_others: Callable[[Json], type] = lambda_runtime._worker_class_for
        run_others: Callable[[Json, Any, str], Json] = lambda_svc._execute_function_warm

        def worker_class_for(config: Json) -> type:
            return worker_class if _is_python(config) else class_of_others(config)

        def execute(function: Json, event: Any, request_id: str) -> Json:
            config = function.get("config") or function
            if not _is_python(config) or not function.get("code_zip"):
                return run_others(function, event, request_id)
            lambda_svc._ensure_reaper_thread()
            worker, _ = lambda_runtime.acquire_worker(
                config["FunctionName"], config, function["code_zip"], qualifier=config.get("Version", "$LATEST")
            )
            try:
                return _result(worker.run(event, request_id, lambda_svc._xray_trace_id_for_invocation(config)))
            finally:
                lambda_runtime.release_worker(worker)

        lambda_runtime._worker_class_for = worker_class_for
        lambda_svc._execute_function_warm = execute

    def _worker_class(functions) -> type:  # noqa: N805
        from ministack.core import lambda_runtime

        class Worker(lambda_runtime.Worker):  # type: ignore[misc]
            """A member of MiniStack's pool. Its `_proc` stays None: MiniStack never signals the process itself."""

            environment: ExecutionEnvironment | None = None

            def run(self, event: Any, request_id: str, trace_id: str | None) -> Outcome:
                with self._lock:
                    if self.environment is None:
                        function = functions._function(self.config, self.code_zip)
                        self.environment = functions.environments.new(function)
                    return self.environment.invoke(request_id, json.dumps(event).encode(), trace_id)

            def _spawn(self) -> None:
                raise RuntimeError("SnapStart is not supported locally: functions start when they are invoked")

            def _discard_tmpdir(self) -> None:
                # MiniStack drops a worker on a change of its code while an invocation may still run on it. As on
                # AWS, that invocation ends in its own time: the lock is free only then.
                threading.Thread(target=self._discard, daemon=True).start()

            def _discard(self) -> None:
                with self._lock:
                    environment, self.environment = self.environment, None
                    if environment is not None:
                        functions.environments.end(environment)

        return Worker

    def _function(self, config: Json, code_zip: bytes) -> Function:
        from ministack.core import lambda_runtime
        from ministack.services import lambda_svc

        layers = (lambda_svc._resolve_layer_zip(layer) for layer in config.get("Layers", ()))
        _, region = lambda_runtime._account_region_from_function_config(config)
        name = config["FunctionName"]
        variables = config.get("Environment", {}).get("Variables", {})
        return Function(
            name=name,
            version=config.get("Version", "$LATEST"),
            arn=config["FunctionArn"],
            handler=config["Handler"],
            runtime=config["Runtime"],
            memory_mb=config.get("MemorySize", 128),
            timeout=float(config.get("Timeout", 3)),
            log_group=config.get("LoggingConfig", {}).get("LogGroup") or f"/aws/lambda/{name}",
            log_stream=uuid.uuid4().hex,
            code=self._archives.unpacked(code_zip),
            layers=[self._archives.unpacked(layer) for layer in layers if layer],
            variables=variables,
            service_variables={
                "AWS_REGION": region,
                "AWS_DEFAULT_REGION": region,
                "AWS_ENDPOINT_URL": variables.get("AWS_ENDPOINT_URL", self._endpoint),
                HOST_PREFIX: "true",
                **lambda_runtime.execution_credentials(config),
            },
        )


def _is_python(config: Json) -> bool:
    return str(config.get("Runtime", "")).startswith("python") and config.get("PackageType", "Zip") == "Zip"


def _result(outcome: Outcome) -> Json:
    """An outcome as MiniStack's callers take it."""
    try:
        body = json.loads(outcome.payload)
    except ValueError:
        body = outcome.payload.decode("utf-8", "replace")
    result = {"body": body, "log": outcome.log}
    return {**result, "error": True} if outcome.failed else result


class Gateway:
    """MiniStack's ASGI application with two things added.

    Functions end before it shuts down, because it would wait for the invocations under way. And its state, which it
    writes only when it stops in good order, is written while it runs too, so that a crash loses seconds and not all.

    Parameters
    ----------
    app
        MiniStack's application
    save
        writes the state of every service
    stop
        ends the functions
    """

    def __init__(self, app: Any, save: Callable[[], None], stop: Callable[[], None]) -> None:
        self._app = app
        self._save = save
        self._stop = stop
        self._changed = False
        self._shutdown = threading.Event()
        self._saver = threading.Thread(target=self._save_now_and_then, name="saver", daemon=True)

    async def __call__(self, scope: Json, receive: Any, send: Any) -> None:
        """Serve one connection, or the life of the application."""
        if scope["type"] == "lifespan":
            await self._app(scope, self._lifespan(receive), send)
        else:
            self._changed = True
            await self._app(scope, receive, send)

    def _lifespan(self, receive: Any) -> Any:
        async def received() -> Json:
            message: Json = await receive()
            if message["type"] == "lifespan.startup":
                self._saver.start()
            else:
                self._stop()
                self._shutdown.set()
                self._saver.join()
            return message

        return received

    def _save_now_and_then(self) -> None:
        pause = SAVE_SECONDS
        while not self._shutdown.wait(pause):
            if self._changed:
                self._changed = False
                began = time.monotonic()
                self._save()
                # A large state takes long to write, and may not take more than a twentieth of the time.
                pause = max(SAVE_SECONDS, 20 * (time.monotonic() - began))


def serve() -> None:
    """Check the version and the private names, put our functions in place, and serve."""
    installed = importlib.metadata.version("ministack")
    if installed != VERSION:
        sys.exit(f"MiniStack {installed} is installed and {VERSION} is needed: run `make setup`")
    missing = missing_names()
    if missing:
        sys.exit(f"MiniStack {VERSION} is not as expected, it lacks {', '.join(missing)}: run `make clean setup`")

    from ministack import app  # type: ignore[import-not-found]

    folder = Path(tempfile.gettempdir()) / "functions"
    folder.mkdir()
    endpoint = f"http://{os.environ['BIND_HOST']}:{os.environ['GATEWAY_PORT']}"
    functions = Functions(os.environ["TIDEMILL_PYTHON"], folder, endpoint)
    functions.install()
    state_machines.install()
    app.app = Gateway(app.app, lambda: app.save_all(app._build_persistence_save_dict()), functions.environments.stop)
    app.main()


def main() -> None:
    """Hold the lock and serve until SIGTERM."""
    lock.hold(sys.argv.pop(1))
    serve()


if __name__ == "__main__":
    main()
