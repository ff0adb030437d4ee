"""LocalStack in its official image, by the docker command; its functions are containers beside it.

Nothing of it outlives a stop. The state folder holds `emulator.log` (what a container printed that did not come up) and
`tmp/plugins`, which the container sees: the open LocalStack puts no layers into functions, our plugin does.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import time
import tomllib
from collections.abc import Callable
from pathlib import Path

from tidemill_cli.local.process import HOST, Emulator, answers, refuse_taken, silently
from tidemill_cli.stack import StackError, project_root

IMAGE = "localstack/localstack:4.14.0"
#: Where the container has our plugins.
PLUGINS = "/opt/tidemill"
SOCKET = "/var/run/docker.sock"
#: A call that only asks, and one that makes or removes a container.
ASK_SECONDS, DO_SECONDS = 20.0, 120.0
PULL_SECONDS = 1800.0
START_SECONDS = 120.0
POLL = 0.25
WITHOUT = "`tidemill up --emulator localstack` needs no Docker"


class DockerEmulator(Emulator):
    """LocalStack in a container, one for each state folder."""

    name = "localstack-docker"
    enforces_iam = False
    keeps_data = False
    in_containers = True

    @property
    def container(self) -> str:
        """The container's name; LocalStack's names of the functions' containers begin with it."""
        return f"tidemill-{hashlib.sha256(str(self.state).encode()).hexdigest()[:10]}"

    @property
    def ended_by(self) -> str:
        """The command that ends it: without a record nobody knows that it was in a container."""
        return f"`docker rm --force {self.container}` ends it"

    @property
    def log_shown_by(self) -> str:
        """The command that shows what it printed."""
        return f"`docker logs {self.container}`"

    def pid(self) -> int | None:
        """The process id as the machine has it that Docker runs on; None too where Docker does not answer."""
        try:
            shown = _docker("inspect", "--type", "container", "--format", "{{.State.Pid}}", self.container)
        except StackError:
            return None
        return int(shown) or None

    def running(self) -> str | None:
        """The container, when it runs."""
        return None if self.pid() is None else f"localstack, container {self.container}"

    def start(self, port: int, enforce_iam: bool = True, say: Callable[[str], None] = silently) -> str:  # noqa: ARG002
        """Start it and wait until it answers; the image is pulled when it is not there.

        Raises
        ------
        StackError
            Docker is not there, the image cannot be pulled, the port is taken, or it did not come up.
        """
        _ask_daemon()
        refuse_taken(port)
        _get_image(say)
        say("starting localstack in a container")
        self._remove()  # one that ended by itself
        endpoint = f"http://{HOST}:{port}"
        try:
            _docker("run", *self.options(port), IMAGE, seconds=DO_SECONDS)
            self._await(endpoint)
        except BaseException:
            self._remove()
            raise
        return endpoint

    def stop(self) -> bool:
        """Remove it and the functions' containers.

        Returns
        -------
        whether it ran

        Raises
        ------
        StackError
            Docker does not answer: what is left of the container cannot be seen.
        """
        if shutil.which("docker") is None:
            return False
        _ask_daemon()
        ran = self.pid() is not None
        self._remove()
        return ran

    def options(self, port: int) -> list[str]:
        """The options of `docker run`.

        Parameters
        ----------
        port
            on the loopback interface, and in the container, so that the addresses LocalStack makes hold in both
        """
        settings = {
            "GATEWAY_LISTEN": f"0.0.0.0:{port}",
            "MAIN_CONTAINER_NAME": self.container,
            "PYTHONPATH": PLUGINS,
            "LS_LOG": "warning",
            # Nothing is sent; what is fetched are the images of Lambda, by Docker.
            "DISABLE_EVENTS": "1",
            "SKIP_SSL_CERT_DOWNLOAD": "1",
        }
        return [
            *("--detach", "--name", self.container, "--label", f"tidemill.state={self.state}"),
            *("--publish", f"{HOST}:{port}:{port}"),
            *("--volume", f"{socket()}:{SOCKET}"),
            *("--volume", f"{self._plugins()}:{PLUGINS}:ro"),
            *(word for name, value in settings.items() for word in ("--env", f"{name}={value}")),
        ]

    def _plugins(self) -> Path:
        """The folder with our package as it looks when installed: Python finds its entry points by their metadata."""
        source, target = project_root() / "infra" / "localstack", self.state / "tmp" / "plugins"
        shutil.rmtree(target, ignore_errors=True)
        package = "tidemill_localstack"
        shutil.copytree(source / package, target / package, ignore=shutil.ignore_patterns("__pycache__"))
        project = tomllib.loads((source / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        metadata = target / f"{package}-{project['version']}.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {project['version']}\n")
        lines = [
            line
            for group, points in project["entry-points"].items()
            for line in (f"[{group}]", *(f"{name} = {place}" for name, place in points.items()))
        ]
        (metadata / "entry_points.txt").write_text("\n".join(lines) + "\n")
        return target

    def _await(self, endpoint: str) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not answers(endpoint):
            ended, late = self.pid() is None, time.monotonic() > deadline
            if ended or late:
                self.log.write_text(_docker("logs", self.container, also_errors=True), encoding="utf-8")
                what = "ended while starting" if ended else f"did not answer within {START_SECONDS:.0f} s"
                raise StackError(f"the emulator {what}; its log {self.log} ends with:\n{self._tail()}")
            time.sleep(POLL)

    def _remove(self) -> None:
        # LocalStack first: it makes the others.
        for names in (f"^{self.container}$", f"^{self.container}-lambda-"):
            if found := _docker("ps", "--all", "--quiet", "--filter", f"name={names}").split():
                _docker("rm", "--force", "--volumes", *found, seconds=DO_SECONDS)


def socket() -> str:
    """The daemon's socket as the daemon sees it; DOCKER_SOCK names another."""
    host = os.environ.get("DOCKER_HOST", "")
    # Elsewhere the daemon is in a virtual machine, and its socket is not at the address that this machine has for it.
    own = host.removeprefix("unix://") if host.startswith("unix://") and platform.system() == "Linux" else SOCKET
    return os.environ.get("DOCKER_SOCK") or own


def _ask_daemon() -> None:
    try:
        _docker("version", "--format", "{{.Server.Version}}")
    except StackError as error:
        if shutil.which("docker") is None:
            raise
        raise StackError(
            f"Docker does not answer: start it, and see that `docker ps` works for you ({error})"
        ) from error


def _get_image(say: Callable[[str], None]) -> None:
    try:
        _docker("image", "inspect", "--format", "{{.Id}}", IMAGE)
    except StackError:
        say(f"pulling {IMAGE}, once; it is large")
        try:
            _docker("pull", "--quiet", IMAGE, seconds=PULL_SECONDS)
        except StackError as error:
            raise StackError(
                f"the image {IMAGE} cannot be had: {error}. It needs the internet and no account; `docker save` and "
                f"`docker load` bring it from another machine. {WITHOUT}"
            ) from error


def _docker(*words: str, seconds: float | None = None, also_errors: bool = False) -> str:
    """What a docker command printed.

    Raises
    ------
    StackError
        there is no such command, it failed, or took too long.
    """
    seconds = seconds or ASK_SECONDS
    try:
        done = subprocess.run(
            ["docker", *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if also_errors else subprocess.PIPE,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
        )
    except FileNotFoundError as error:
        raise StackError(f"there is no docker command on the PATH: install Docker. {WITHOUT}") from error
    except subprocess.TimeoutExpired as error:
        raise StackError(f"`docker {words[0]}` did not end within {seconds:.0f} s") from error
    if done.returncode:
        said = ((done.stderr or done.stdout).strip() or f"exit status {done.returncode}").splitlines()
        raise StackError(f"`docker {words[0]}` failed: {said[-1]}")
    return done.stdout.strip()
