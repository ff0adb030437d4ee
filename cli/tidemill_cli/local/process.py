"""Start and stop the emulator, and tell whether it runs.

Everything it keeps is in one folder, the state: `emulator.lock` (held while it runs, with its process id),
`emulator.log`, `data/` (services and objects, kept over a stop), `tmp/` (wiped at each start).
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

from tidemill_cli.local import execution, lock
from tidemill_cli.stack import StackError, project_root

HOST = "127.0.0.1"
PORT = 4566
START_SECONDS = 60.0
#: A graceful stop writes the state of every service.
STOP_SECONDS = 30.0
INSTALL_SECONDS = 900.0
CONNECT_SECONDS = 5.0
#: What make sets for the make that it calls.
MAKE_VARIABLES = frozenset({"MAKEFLAGS", "MAKELEVEL", "MFLAGS"})
LOG_TAIL = 15
POLL = 0.05


def refuse_silent(endpoint: str) -> None:
    """Raise StackError where nothing takes connections at the address of an endpoint."""
    parts = urlsplit(endpoint)
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
        socket.create_connection((parts.hostname or "", port), CONNECT_SECONDS).close()
    except (OSError, ValueError) as error:
        raise StackError(
            f"nothing answers at {endpoint} ({error}): start what is to run there, or leave --endpoint out"
        ) from error


def silently(line: str) -> None:
    """Say nothing."""


@dataclass(frozen=True)
class Emulator:
    """The emulator of one state folder, running or not: MiniStack, the default.

    Attributes
    ----------
    name
        what `--emulator` calls it, and its environment in .venvs
    module
        what its interpreter runs, with the lock file as argument
    enforces_iam
        whether it can deny what a role does not allow
    keeps_data
        whether anything outlives a stop
    in_containers
        whether it and the functions run in containers
    """

    state: Path
    name: ClassVar[str] = "ministack"
    module: ClassVar[str] = "tidemill_cli.local.emulator"
    enforces_iam: ClassVar[bool] = True
    keeps_data: ClassVar[bool] = True
    in_containers: ClassVar[bool] = False

    @property
    def log(self) -> Path:
        """What the emulator printed since its last start."""
        return self.state / "emulator.log"

    @property
    def data(self) -> Path:
        """What outlives a stop."""
        return self.state / "data"

    @property
    def interpreter(self) -> Path:
        """The one of the emulator's own environment."""
        return project_root() / ".venvs" / self.name / "bin" / "python"

    def pid(self) -> int | None:
        """The process id when it runs. It is surely ours: only the running emulator holds the lock."""
        return lock.holder(self.state / "emulator.lock")

    def running(self) -> str | None:
        """What of it runs, such as `ministack, process 11`; None when nothing does."""
        pid = self.pid()
        return None if pid is None else f"{self.name}, process {pid}"

    @property
    def ended_by(self) -> str:
        """What ends it when there is no record of it."""
        return "`tidemill down` ends it"

    @property
    def log_shown_by(self) -> str:
        """Where to read what it printed."""
        return str(self.log)

    def start(self, port: int, enforce_iam: bool = True, say: Callable[[str], None] = silently) -> str:
        """Start it and wait until it answers.

        Parameters
        ----------
        port
            on the loopback interface
        enforce_iam
            whether a missing permission fails, as on AWS
        say
            takes one line of progress

        Returns
        -------
        the endpoint's URL

        Raises
        ------
        StackError
            it cannot be installed, the port is taken, or it did not come up; the message has the log's end.
        """
        refuse_taken(port)
        if not self.interpreter.exists():
            self.install(say)
        say(f"starting {self.name}")
        temporary = self.state / "tmp"
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        with self.log.open("wb") as log:
            process = subprocess.Popen(
                [self.interpreter, "-m", self.module, self.state / "emulator.lock"],
                cwd=temporary,
                env=self.environment(port, enforce_iam),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        endpoint = f"http://{HOST}:{port}"
        deadline = time.monotonic() + START_SECONDS
        while not answers(endpoint):
            if process.poll() is not None:
                raise StackError(f"the emulator ended while starting; its log {self.log} ends with:\n{self._tail()}")
            if time.monotonic() > deadline:
                process.kill()
                process.wait()
                raise StackError(
                    f"the emulator did not answer within {START_SECONDS:.0f} s; its log {self.log} ends with:\n"
                    f"{self._tail()}"
                )
            time.sleep(POLL)
        return endpoint

    def install(self, say: Callable[[str], None]) -> None:
        """Make its environment in .venvs, from the project's lock file.

        Raises
        ------
        StackError
            it cannot be made; the message says why.
        """
        command = ["make", "--no-print-directory", f".venvs/{self.name}/.ready"]
        say(f"installing {self.name}, once: {' '.join(command)} (packages of some hundred MB)")
        # What a make around this one has told its children is not meant for this one.
        environment = {name: value for name, value in os.environ.items() if name not in MAKE_VARIABLES}
        try:
            done = subprocess.run(
                command,
                cwd=project_root(),
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                timeout=INSTALL_SECONDS,
                check=False,
            )
        except FileNotFoundError as error:
            raise StackError(f"{self.name} is not installed, and there is no `make` to do it") from error
        except subprocess.TimeoutExpired as error:
            raise StackError(f"`{' '.join(command)}` did not end within {INSTALL_SECONDS:.0f} s") from error
        if done.returncode or not self.interpreter.exists():
            said = "\n".join(f"  {line}" for line in done.stdout.strip().splitlines()[-LOG_TAIL:])
            raise StackError(f"{self.name} is not installed, and `{' '.join(command)}` failed:\n{said}")

    def stop(self) -> bool:
        """Stop it and every function's process, keeping the data.

        Returns
        -------
        whether it ran
        """
        pid = self.pid()
        if pid is None:
            return False
        os.kill(pid, signal.SIGTERM)
        if not self._ended_within(STOP_SECONDS):
            # The functions' processes are in its group.
            os.killpg(pid, signal.SIGKILL)
            self._ended_within(STOP_SECONDS)
        return True

    def set_aside(self) -> Path:
        """Move what it keeps out of the way, in place of what was moved there before. It must not run.

        Returns
        -------
        where it is now
        """
        aside = self.state / "data.old"
        shutil.rmtree(aside, ignore_errors=True)
        self.data.rename(aside)
        return aside

    def wipe(self) -> None:
        """Forget everything it keeps. It must not run."""
        for folder in (self.data, self.state / "data.old", self.state / "tmp"):
            shutil.rmtree(folder, ignore_errors=True)
        self.log.unlink(missing_ok=True)

    def _ended_within(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while self.pid() is not None:
            if time.monotonic() > deadline:
                return False
            time.sleep(POLL)
        return True

    def environment(self, port: int, enforce_iam: bool) -> dict[str, str]:
        """The emulator's whole environment; nothing of the caller's reaches it but what the processor needs.

        Parameters
        ----------
        port
            where it is to listen
        enforce_iam
            whether a missing permission fails, as on AWS
        """
        return {
            **{name: os.environ[name] for name in execution.PROCESSOR_VARIABLES if name in os.environ},
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.state / "tmp"),
            "TMPDIR": str(self.state / "tmp"),
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(project_root() / "cli"),
            "TIDEMILL_PYTHON": sys.executable,
            # A Docker daemon of this machine is not to be touched.
            "DOCKER_HOST": f"unix://{self.state / 'no-docker'}",
            **self._settings(port, enforce_iam),
        }

    def _settings(self, port: int, enforce_iam: bool) -> dict[str, str]:
        return {
            "GATEWAY_PORT": str(port),
            "BIND_HOST": HOST,
            "MINISTACK_HOST": HOST,
            "AUTH": str(enforce_iam).lower(),
            "PERSIST_STATE": "1",
            "STATE_DIR": str(self.data / "services"),
            "S3_PERSIST": "1",
            "S3_DATA_DIR": str(self.data / "objects"),
            "IOT_MTLS_ENABLED": "false",
            "SFTP_ENABLED": "false",
            "LOG_LEVEL": "WARNING",
        }

    def _tail(self) -> str:
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(f"  {line}" for line in lines[-LOG_TAIL:]) or "  (nothing)"


class LocalStackEmulator(Emulator):
    """LocalStack, run without Docker by the plugins in infra/localstack."""

    name = "localstack"
    module = "tidemill_localstack"
    enforces_iam = False
    keeps_data = False

    def _settings(self, port: int, enforce_iam: bool) -> dict[str, str]:  # noqa: ARG002  # nothing enforces IAM
        return {
            "GATEWAY_LISTEN": f"{HOST}:{port}",
            "FILESYSTEM_ROOT": str(self.state / "tmp" / "localstack"),
            "LAMBDA_RUNTIME_EXECUTOR": "process",
            "PROVIDER_OVERRIDE_DYNAMODB": "moto",
            "PROVIDER_OVERRIDE_DYNAMODBSTREAMS": "moto",
            "LS_LOG": "warning",
            # Nothing is sent or fetched.
            "DISABLE_EVENTS": "1",
            "SKIP_SSL_CERT_DOWNLOAD": "1",
            "DNS_ADDRESS": "0",
        }


def answers(endpoint: str) -> bool:
    """Whether the emulator at this endpoint is well: each of them has LocalStack's address for that."""
    try:
        with urllib.request.urlopen(f"{endpoint}/_localstack/health", timeout=2) as answer:  # noqa: S310  # loopback
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def about(endpoint: str) -> dict[str, Any]:
    """What LocalStack tells of itself: `version`, `edition`, `is_docker`, ...; nothing where another thing answers."""
    try:
        with urllib.request.urlopen(f"{endpoint}/_localstack/info", timeout=5) as answer:  # noqa: S310  # as above
            told = json.loads(answer.read())
    except (OSError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}


def refuse_taken(port: int) -> None:
    """Raise StackError where something listens at a port of the loopback interface."""
    if not is_free(port):
        raise StackError(f"port {port} is taken: give another by --port, or none to take a free one")


def is_free(port: int) -> bool:
    """Whether nothing listens at a port of the loopback interface."""
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) != 0


def free_port() -> int:
    """A port of the loopback interface where nothing listens."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
