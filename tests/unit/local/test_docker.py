"""LocalStack in its image, by a stand-in of the docker command that runs processes."""

from __future__ import annotations

import importlib.metadata
import itertools
import json
import os
import socket
import sys
import tomllib
from pathlib import Path

import pytest

from tidemill_cli.local import docker
from tidemill_cli.local.docker import IMAGE, PLUGINS, DockerEmulator
from tidemill_cli.local.process import answers, free_port
from tidemill_cli.stack import StackError
from tidemill_localstack.expectations import VERSION

ROOT = Path(__file__).resolve().parents[3]
ANSWERS = """
import http.server, os
class Well(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Well).serve_forever()
"""


class Engine:
    """What the stand-in keeps and was asked."""

    def __init__(self, folder):
        self.folder = folder

    def runs(self, code):
        (self.folder / "program").write_text(json.dumps([sys.executable, "-c", code]))

    @property
    def containers(self):
        return sorted(one.name for one in (self.folder / "containers").glob("*"))

    def calls(self, verb):
        calls = [json.loads(line) for line in (self.folder / "calls").read_text().splitlines()]
        return [words for words in calls if words[0] == verb]


@pytest.fixture
def engine(tmp_path, monkeypatch):
    folder, command = tmp_path / "engine", tmp_path / "bin" / "docker"
    for one in (folder, command.parent):
        one.mkdir()
    command.write_text(f"#!{sys.executable}\n" + (ROOT / "tests" / "docker_stand_in.py").read_text())
    command.chmod(0o755)
    monkeypatch.setenv("PATH", str(command.parent))
    monkeypatch.setenv("DOCKER_STAND_IN", str(folder))
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.delenv("DOCKER_SOCK", raising=False)
    made = Engine(folder)
    (folder / "images").write_text(IMAGE)
    made.runs(ANSWERS)
    return made


@pytest.fixture
def emulator(engine, tmp_path):
    state = tmp_path / "state"
    state.mkdir()
    made = DockerEmulator(state)
    yield made
    (engine.folder / "stopped").unlink(missing_ok=True)
    made.stop()


def test_it_starts_is_known_to_run_and_is_removed_with_the_functions_containers(engine, emulator):
    assert emulator.running() is None
    endpoint = emulator.start(free_port())
    assert answers(endpoint)
    pid = emulator.pid()
    os.kill(pid, 0)
    assert emulator.running() == f"localstack, container {emulator.container}"
    for name in (f"{emulator.container}-lambda-say-1", f"other-{emulator.container}-lambda-say-1"):
        (engine.folder / "containers" / name).mkdir()
        (engine.folder / "containers" / name / "pid").write_text(str(2**22 + 1))
    assert emulator.stop()
    assert engine.containers == [f"other-{emulator.container}-lambda-say-1"]
    assert emulator.running() is None
    assert not answers(endpoint)
    assert not emulator.stop()


def test_each_state_folder_has_a_container_of_its_own(tmp_path):
    names = {DockerEmulator(tmp_path / name).container for name in ("a", "b", "a")}
    assert len(names) == 2


def test_the_image_is_of_the_version_that_runs_without_docker():
    assert f"localstack/localstack:{VERSION}" == IMAGE


def test_it_listens_on_loopback_reaches_docker_and_sends_nothing(engine, emulator):
    port = free_port()
    emulator.start(port)
    (words,) = engine.calls("run")
    assert words[-1] == IMAGE
    given = list(itertools.pairwise(words))
    assert [value for option, value in given if option == "--publish"] == [f"127.0.0.1:{port}:{port}"]
    assert ("--volume", "/var/run/docker.sock:/var/run/docker.sock") in given
    assert ("--volume", f"{emulator.state}/tmp/plugins:{PLUGINS}:ro") in given
    for setting in (f"GATEWAY_LISTEN=0.0.0.0:{port}", "DISABLE_EVENTS=1", f"PYTHONPATH={PLUGINS}"):
        assert ("--env", setting) in given
    assert not any("PERSISTENCE" in word for word in words)


def test_python_finds_our_plugins_in_the_mounted_folder(engine, emulator):
    emulator.start(free_port())
    (found,) = importlib.metadata.distributions(path=[str(emulator.state / "tmp" / "plugins")])
    points = {(point.group, point.name, point.value) for point in found.entry_points}
    project = tomllib.loads((ROOT / "infra" / "localstack" / "pyproject.toml").read_text())["project"]
    declared = project["entry-points"].items()
    assert points == {(group, *point) for group, named in declared for point in named.items()}
    assert found.metadata["Version"] == project["version"]
    assert (emulator.state / "tmp" / "plugins" / "tidemill_localstack" / "layers.py").exists()


def test_the_image_is_pulled_when_it_is_not_there(engine, emulator):
    (engine.folder / "images").write_text("")
    (engine.folder / "registry").write_text(IMAGE)
    said: list[str] = []
    emulator.start(free_port(), say=said.append)
    assert said == [f"pulling {IMAGE}, once; it is large", "starting localstack in a container"]
    emulator.stop()
    emulator.start(free_port(), say=said.append)
    assert said[2:] == ["starting localstack in a container"]
    assert len(engine.calls("pull")) == 1


def test_one_that_ended_by_itself_is_replaced(engine, emulator):
    (engine.folder / "containers" / emulator.container).mkdir(parents=True)
    (engine.folder / "containers" / emulator.container / "pid").write_text(str(2**22 + 1))
    assert emulator.running() is None
    emulator.start(free_port())
    assert emulator.running()


def test_without_docker_the_way_out_is_named(emulator, monkeypatch, tmp_path):
    with monkeypatch.context() as without:
        without.setenv("PATH", str(tmp_path))
        assert emulator.running() is None
        assert not emulator.stop()
        with pytest.raises(StackError, match=r"no docker command on the PATH: install Docker.*needs no Docker"):
            emulator.start(free_port())


def test_a_daemon_that_does_not_answer_is_named_and_not_taken_for_stopped(engine, emulator):
    (engine.folder / "stopped").touch()
    assert emulator.running() is None
    for act in (lambda: emulator.start(free_port()), emulator.stop):
        with pytest.raises(StackError, match=r"Docker does not answer: start it.*Cannot connect to the Docker daemon"):
            act()


def test_an_image_that_cannot_be_pulled_is_named_with_the_reason(engine, emulator):
    (engine.folder / "images").write_text("")
    with pytest.raises(StackError, match=rf"{IMAGE} cannot be had: .*manifest unknown.*no account"):
        emulator.start(free_port())


def test_a_port_that_is_taken_is_named(engine, emulator):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(StackError, match=f"port {port} is taken: give another by --port"):
            emulator.start(port)
    assert engine.calls("run") == []


def test_one_that_ends_while_starting_shows_the_end_of_its_log_and_is_removed(engine, emulator):
    engine.runs("print('\\n'.join(f'line {n}' for n in range(40)), flush=True); raise SystemExit('no licence')")
    with pytest.raises(StackError, match=r"ended while starting; its log (?s:.*)line 30(?s:.*)no licence") as raised:
        emulator.start(free_port())
    assert "line 3\n" not in str(raised.value)
    assert "line 3\n" in emulator.log.read_text()
    assert engine.containers == []


def test_one_that_never_answers_is_removed(engine, emulator, monkeypatch):
    monkeypatch.setattr(docker, "START_SECONDS", 0.5)
    engine.runs("import time; time.sleep(60)")
    with pytest.raises(StackError, match=r"did not answer within 0 s|did not answer within 1 s"):
        emulator.start(free_port())
    assert engine.containers == []


def test_a_docker_command_that_hangs_is_given_up(engine, emulator, monkeypatch, tmp_path):
    monkeypatch.setattr(docker, "ASK_SECONDS", 0.2)
    command = tmp_path / "bin" / "docker"
    works = command.read_text()
    command.write_text(f"#!{sys.executable}\nimport time; time.sleep(60)")
    with pytest.raises(StackError, match="`docker version` did not end within 0 s"):
        emulator.start(free_port())
    command.write_text(works)
    monkeypatch.setattr(docker, "ASK_SECONDS", 20.0)


@pytest.mark.parametrize(
    ("system", "host", "named", "expected"),
    [
        ("Linux", "", "", "/var/run/docker.sock"),
        ("Linux", "unix:///run/user/1000/docker.sock", "", "/run/user/1000/docker.sock"),
        ("Darwin", "unix:///Users/ada/.colima/docker.sock", "", "/var/run/docker.sock"),
        ("Linux", "unix:///run/user/1000/docker.sock", "/mine", "/mine"),
    ],
)
def test_the_socket_is_the_daemons(monkeypatch, system, host, named, expected):
    monkeypatch.setattr("platform.system", lambda: system)
    monkeypatch.setenv("DOCKER_HOST", host)
    monkeypatch.setenv("DOCKER_SOCK", named)
    assert docker.socket() == expected
