"""Stands for the docker command where there is no Docker: a container is a process of this machine.

It keeps everything in the folder that DOCKER_STAND_IN names: `containers/`, `images`, `registry` (what can be pulled),
`calls` (what it was asked), `program` (the command that every container runs, with the settings of `--env` and the
published port as PORT; a setting that names a mounted folder names it as it is here). With `stopped` there, the daemon
does not answer.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path


def refuse(said: str) -> None:
    """Fail as docker does."""
    print(said, file=sys.stderr)  # noqa: T201
    sys.exit(1)


def names(folder: Path, image: str) -> bool:
    """Whether an image is listed in a file."""
    return image in folder.read_text().split() if folder.exists() else False


def pid(container: Path) -> int:
    """The process of a container, 0 when it has ended."""
    process = int((container / "pid").read_text())
    state = Path(f"/proc/{process}/stat")
    try:
        os.kill(process, 0)
        return 0 if state.exists() and state.read_text().rpartition(")")[2].split()[0] == "Z" else process
    except ProcessLookupError:
        return 0


def run(here: Path, words: list[str]) -> None:
    """Start a container's program; it goes on when this ends."""
    options = list(itertools.pairwise(words))
    given = {option: [value for name, value in options if name == option] for option, _ in options}
    container = here / "containers" / given["--name"][0]
    container.mkdir(parents=True)
    port = given["--publish"][0].rpartition(":")[2]
    mounts = {volume.split(":")[1]: volume.split(":")[0] for volume in given["--volume"]}
    settings = dict(setting.split("=", 1) for setting in given["--env"])
    settings = {name: mounts.get(value, value) for name, value in settings.items()}
    with (container / "log").open("wb") as log:
        process = subprocess.Popen(
            json.loads((here / "program").read_text()),
            env={**os.environ, **settings, "PORT": port},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    (container / "pid").write_text(str(process.pid))
    print(container.name)  # noqa: T201


def main(words: list[str]) -> None:
    """Do what docker would."""
    here = Path(os.environ["DOCKER_STAND_IN"])
    with (here / "calls").open("a") as calls:
        calls.write(json.dumps(words) + "\n")
    if (here / "stopped").exists():
        refuse("Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?")
    verb, last = words[0], here / "containers" / words[-1]
    if verb == "run":
        run(here, words)
    elif words[:2] == ["image", "inspect"]:
        if not names(here / "images", words[-1]):
            refuse(f"Error: No such image: {words[-1]}")
    elif verb == "pull":
        if not names(here / "registry", words[-1]):
            refuse(f"Error response from daemon: manifest for {words[-1]} not found: manifest unknown")
        (here / "images").write_text(words[-1])
    elif verb == "ps":
        wanted = words[-1].removeprefix("name=")
        found = [one.name for one in (here / "containers").glob("*") if re.search(wanted, one.name)]
        print("\n".join(found))  # noqa: T201
    elif verb in ("inspect", "logs") and not last.exists():
        refuse(f"Error: No such container: {last.name}")
    elif verb == "inspect":
        print(pid(last))  # noqa: T201
    elif verb == "logs":
        print((last / "log").read_text())  # noqa: T201
    elif verb == "rm":
        for container in (here / "containers" / name for name in words if not name.startswith("-") and name != "rm"):
            if process := pid(container):
                os.killpg(process, signal.SIGKILL)
            for file in container.iterdir():
                file.unlink()
            container.rmdir()
    elif verb != "version":
        refuse(f"docker: '{verb}' is not a docker command.")


if __name__ == "__main__":
    main(sys.argv[1:])
