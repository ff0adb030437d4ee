"""A Lambda execution environment as a process: AWS's own runtime client, answered over the Lambda Runtime API.

The process runs `python -m awslambdaric HANDLER`. It asks us for the next invocation over
loopback and posts the result or the error back, as it does on AWS, so that the context,
the error document (errorType, errorMessage, stackTrace) and the log format are AWS's own.
No thread serves those calls: whoever invokes answers the pending request for the next
invocation, then reads requests until the outcome is there. What the process writes goes to
a file, so every line written before the outcome is read with it, without waiting for any.

This module knows no emulator and imports the standard library alone: it runs in the
interpreter of whichever emulator uses it.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import selectors
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

#: Seconds that the initialisation may take beyond the function's own timeout: on AWS it gets 10 seconds of its own,
#: and when those pass a second try under the function's timeout. Here it is one try with both.
INIT_SECONDS = 10.0
#: The largest answer of a synchronous invocation, in bytes.
MAX_ANSWER = 6_291_556
#: The log file is emptied when it has grown to this many bytes.
LOG_BYTES = 16_000_000
#: How often a silent process is checked for being alive, in seconds.
POLL = 0.1
#: One BLAS or OpenMP thread a process: what Lambda gives below 1,769 MB, and what lets two workers share two cores.
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "NUMEXPR_NUM_THREADS"), "1"
)
#: The host's variables that a function does get: they choose BLAS kernels that work on this processor.
PROCESSOR_VARIABLES = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
#: Tells botocore to put nothing, such as Step Functions' `sync-`, before an endpoint's host name.
HOST_PREFIX = "AWS_DISABLE_HOST_PREFIX_INJECTION"
#: Where the runtime client finds its Runtime API calls when it has no compiled ones.
PORTABLE_CLIENT = Path(__file__).parent / "portable"

_OUTCOME = re.compile(r"/2018-06-01/runtime/invocation/([^/]+)/(response|error)")
_NEXT = "/2018-06-01/runtime/invocation/next"
_INIT_ERROR = "/2018-06-01/runtime/init/error"


@dataclass(frozen=True)
class Function:
    """What an execution environment needs to know of its function.

    Attributes
    ----------
    code
        folder of the unpacked function code, the process's working directory
    layers
        folders of the unpacked layers, in the order of the function's configuration
    variables
        the function's own environment variables
    service_variables
        region, credentials and endpoint
    """

    name: str
    version: str
    arn: str
    handler: str
    runtime: str
    memory_mb: int
    timeout: float
    log_group: str
    log_stream: str
    code: Path
    layers: Sequence[Path]
    variables: Mapping[str, str]
    service_variables: Mapping[str, str]


@dataclass(frozen=True)
class Outcome:
    """What an invocation came to: the answer's or the error document's bytes, and what was logged."""

    payload: bytes
    failed: bool
    log: str
    cold: bool


@dataclass
class _Request:
    connection: socket.socket
    method: str
    path: str
    body: bytes


class _Ended(Exception):
    """The process has ended."""


class _Late(Exception):
    """The deadline has passed."""


def environment(function: Function, home: Path, api: str) -> dict[str, str]:
    """The whole environment of a function's process: what Lambda sets, the function's own variables, nothing else.

    Layers come before the interpreter's packages and the last layer wins, as in `/opt` on AWS, where each is
    unpacked over the ones before it.
    """
    paths = [str(layer / "python") for layer in reversed(function.layers)]
    if sys.platform != "linux":
        paths.append(str(PORTABLE_CLIENT))
    return {
        **{name: os.environ[name] for name in PROCESSOR_VARIABLES if name in os.environ},
        **ONE_THREAD,
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "LANG": "en_US.UTF-8",
        "PYTHONUTF8": "1",
        "TZ": "UTC",
        "HOME": str(home),
        "TMPDIR": str(home),
        "PYTHONPATH": os.pathsep.join(paths),
        **function.variables,
        **function.service_variables,
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{function.runtime}",
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_mb),
        "AWS_LAMBDA_FUNCTION_VERSION": function.version,
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": function.log_group,
        "AWS_LAMBDA_LOG_STREAM_NAME": function.log_stream,
        "AWS_LAMBDA_RUNTIME_API": api,
        "LAMBDA_TASK_ROOT": str(function.code),
        "_HANDLER": function.handler,
    }


class ExecutionEnvironment:
    """One process that runs one function, one invocation at a time.

    Parameters
    ----------
    function
        the function
    command
        the start of the command line: an interpreter that has awslambdaric, and options of it
    folder
        a folder of its own: `tmp/` in it is the process's TMPDIR and HOME, `log` its output

    The process is killed when what it has written to memory passes the function's memory size, looked at ten times a
    second; on Linux only, and children of the process are not counted.
    """

    def __init__(self, function: Function, command: Sequence[str], folder: Path) -> None:
        self.function = function
        self.command = command
        self.folder = folder
        self.process: subprocess.Popen[bytes] | None = None
        self._selector: selectors.BaseSelector | None = None
        self._waiting: socket.socket | None = None
        self._log_offset = 0
        self._closed = False
        self._in_use = threading.Lock()

    def start(self) -> bytes | None:
        """Start the process and wait until it asks for work.

        Returns
        -------
        None when it is ready, otherwise the error document.
        """
        self.stop()
        home = self.folder / "tmp"
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        listener = socket.create_server(("127.0.0.1", 0))
        self._selector = selectors.DefaultSelector()
        self._selector.register(listener, selectors.EVENT_READ)
        host, port = listener.getsockname()
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [*self.command, "-m", "awslambdaric", self.function.handler],
                cwd=self.function.code,
                env=environment(self.function, home, f"{host}:{port}"),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        if self._closed:
            self.process.kill()
        seconds = INIT_SECONDS + self.function.timeout
        try:
            request = self._receive(time.monotonic() + seconds)
        except _Ended:
            return self._ended()
        except _Late:
            self.stop()
            return _error("Sandbox.Timedout", f"Initialisation did not end within {seconds:.2f} seconds")
        if request.path == _INIT_ERROR:
            _answer(request.connection, 202)
            self.stop()
            return request.body
        self._waiting = request.connection
        return None

    def invoke(
        self, request_id: str, event: bytes, trace_id: str | None = None, invoked_arn: str | None = None
    ) -> Outcome:
        """Run one invocation, starting the process when there is none.

        Parameters
        ----------
        invoked_arn
            the name under which the function was invoked, where it is not the function's own

        Nothing is raised for what the function does: an error, an exit or a timeout is an outcome. After an exit
        or a timeout the next invocation starts a new process; after an error that the handler raised it does not.
        """
        with self._in_use:
            cold = not self._ready()
            failure = self.start() if cold else None
            if failure is None:
                payload, failed = self._run(request_id, event, trace_id, invoked_arn)
            else:
                payload, failed = failure, True
            return Outcome(payload, failed, self._read_log(), cold)

    def remove(self) -> None:
        """End the process when the invocation under way has ended, and remove the folder."""
        with self._in_use:
            self.stop()
            shutil.rmtree(self.folder, ignore_errors=True)

    def close(self) -> None:
        """End the process, and any later one as soon as it starts; a call under way in another thread fails."""
        self._closed = True
        process = self.process
        if process is not None:
            process.kill()

    def stop(self) -> None:
        """End the process at once and free what belongs to it; harmless when there is none."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None
        self._waiting = None
        if self._selector is not None:
            for key in list(self._selector.get_map().values()):
                key.fileobj.close()  # type: ignore[union-attr]
            self._selector.close()
            self._selector = None

    def _ready(self) -> bool:
        """Whether the process lives and has asked for work; waits for the request when it is on its way."""
        if self.process is None:
            return False
        try:
            while self._waiting is None:
                request = self._receive(time.monotonic() + self.function.timeout)
                if request.path == _NEXT:
                    self._waiting = request.connection
                else:
                    _answer(request.connection, 400)
        except (_Ended, _Late):
            return False
        return self.process.poll() is None

    def _run(self, request_id: str, event: bytes, trace_id: str | None, invoked_arn: str | None) -> tuple[bytes, bool]:
        deadline = time.monotonic() + self.function.timeout
        headers = {
            "Lambda-Runtime-Aws-Request-Id": request_id,
            "Lambda-Runtime-Deadline-Ms": str(int((time.time() + self.function.timeout) * 1000)),
            "Lambda-Runtime-Invoked-Function-Arn": invoked_arn or self.function.arn,
            "Content-Type": "application/json",
        }
        if trace_id:
            headers["Lambda-Runtime-Trace-Id"] = trace_id
        waiting, self._waiting = self._waiting, None
        try:
            assert waiting is not None
            waiting.settimeout(self.function.timeout)
            _answer(waiting, 200, headers, event)
            while True:
                request = self._receive(deadline)
                outcome = _OUTCOME.fullmatch(request.path)
                if outcome is None or outcome[1] != request_id:
                    _answer(request.connection, 400)
                    continue
                failed = outcome[2] == "error"
                if not failed and len(request.body) > MAX_ANSWER:
                    _answer(request.connection, 413)
                    message = f"Response payload size exceeded maximum allowed payload size ({MAX_ANSWER} bytes)."
                    return _error("Function.ResponseSizeTooLarge", message, request_id), True
                _answer(request.connection, 202)
                return request.body, failed
        except (_Ended, OSError):
            return self._ended(request_id), True
        except _Late:
            self.stop()
            message = f"Task timed out after {self.function.timeout:.2f} seconds"
            with (self.folder / "log").open("a", encoding="utf-8") as log:
                log.write(f"{request_id} {message}\n")
            return _error("Sandbox.Timedout", message, request_id), True

    def _ended(self, request_id: str | None = None) -> bytes:
        """The error document for a process that ended by itself."""
        assert self.process is not None
        try:
            code = self.process.wait(timeout=1)
        except subprocess.TimeoutExpired:
            code = None
        self.stop()
        if code is not None and code < 0:
            return _error("Runtime.ExitError", f"Runtime exited with error: signal {-code}", request_id)
        reason = "Runtime exited without providing a reason" if not code else f"Runtime exited with exit status {code}"
        return _error("Runtime.ExitError", reason, request_id)

    def _receive(self, deadline: float) -> _Request:
        """The next request of the process."""
        assert self._selector is not None
        assert self.process is not None
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                raise _Late
            ready = self._selector.select(min(left, POLL))
            if not ready:
                self._watch_memory()
            for key, _ in ready:
                if key.data is None:
                    connection, _ = key.fileobj.accept()  # type: ignore[union-attr]
                    self._selector.register(connection, selectors.EVENT_READ, bytearray())
                    continue
                request = self._read(key)
                if request is not None:
                    return request
            if self.process.poll() is not None and not self._selector.select(0):
                raise _Ended

    def _watch_memory(self) -> None:
        """Kill the process when it holds more memory of its own than the function has."""
        if self.process is None or sys.platform != "linux":
            return
        try:
            _, resident, shared, *_ = Path(f"/proc/{self.process.pid}/statm").read_text(encoding="ascii").split()
        except OSError:
            return  # it has just ended
        megabytes = (int(resident) - int(shared)) * os.sysconf("SC_PAGE_SIZE") >> 20
        if megabytes > self.function.memory_mb:
            self.process.kill()
            with (self.folder / "log").open("a", encoding="utf-8") as log:
                log.write(f"Memory size: {self.function.memory_mb} MB, used: {megabytes} MB: the process was killed\n")

    def _read(self, key: selectors.SelectorKey) -> _Request | None:
        """Take what has arrived on a connection; a request when it is complete, None before."""
        assert self._selector is not None
        connection: socket.socket = key.fileobj  # type: ignore[assignment]
        buffer: bytearray = key.data
        try:
            data = connection.recv(1 << 20)
        except OSError:
            data = b""
        if not data:
            self._selector.unregister(connection)
            connection.close()
            return None
        buffer += data
        head, found, rest = bytes(buffer).partition(b"\r\n\r\n")
        if not found:
            return None
        lines = head.decode("latin-1").split("\r\n")
        headers = {
            name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])
        }
        if len(rest) < int(headers.get("content-length", "0")):
            if headers.pop("expect", None) and not rest:
                connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            return None
        buffer.clear()
        method, path, _ = lines[0].split(" ")
        return _Request(connection, method, path, rest)

    def _read_log(self) -> str:
        """What the process has written since the last call."""
        with contextlib.suppress(FileNotFoundError), (self.folder / "log").open("r+b") as log:
            log.seek(self._log_offset)
            data = log.read()
            self._log_offset += len(data)
            if self._log_offset > LOG_BYTES:
                log.truncate(0)
                self._log_offset = 0
            return data.decode("utf-8", "replace")
        return ""


class Environments:
    """The execution environments of one emulator, which pools them: made one by one, ended one by one or all at once.

    Parameters
    ----------
    interpreter
        of the functions; it has awslambdaric and every package of the layers
    folder
        where each environment gets a folder of its own
    """

    def __init__(self, interpreter: str, folder: Path) -> None:
        self._interpreter = interpreter
        self._folder = folder
        self._live: set[ExecutionEnvironment] = set()
        self._stopping = False

    def new(self, function: Function) -> ExecutionEnvironment:
        """An environment whose process starts with its first invocation."""
        folder = Path(tempfile.mkdtemp(prefix=f"{function.name[:40]}-", dir=self._folder))
        environment = ExecutionEnvironment(function, [self._interpreter], folder)
        self._live.add(environment)
        if self._stopping:
            environment.close()
        return environment

    def end(self, environment: ExecutionEnvironment) -> None:
        """End an environment once the invocation under way has ended; waits for it."""
        environment.remove()
        self._live.discard(environment)

    def stop(self) -> None:
        """End every process; an invocation under way fails, and so does any later one."""
        self._stopping = True
        for environment in list(self._live):
            environment.close()


def _answer(
    connection: socket.socket, status: int, headers: Mapping[str, str] | None = None, body: bytes = b""
) -> None:
    lines = [f"HTTP/1.1 {status} ", *(f"{name}: {value}" for name, value in (headers or {}).items())]
    connection.sendall("\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode("latin-1") + body)


def _error(kind: str, message: str, request_id: str | None = None) -> bytes:
    """An error document as Lambda itself makes it."""
    message = f"RequestId: {request_id} Error: {message}" if request_id else message
    return json.dumps({"errorType": kind, "errorMessage": message}).encode()
