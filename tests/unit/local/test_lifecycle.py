from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from tidemill_cli.local.deployment import Deployment
from tidemill_cli.local.lifecycle import LocalStack, Record
from tidemill_cli.local.process import free_port
from tidemill_cli.stack import Stack, StackError

HERE = "http://127.0.0.1:4566"


class Emulator:
    """Stands for an emulator: whether it runs is declared, starting is noted."""

    name = "ministack"
    enforces_iam = True
    keeps_data = True
    in_containers = False
    ended_by = "`tidemill down` ends it"

    def __init__(self, state, pid=None):
        self.data = state / "data"
        self.process = pid
        self.started: list[tuple[int, bool]] = []

    def running(self):
        return self.process and f"process {self.process}"

    def start(self, port, enforce_iam, say):
        self.started.append((port, enforce_iam))
        return f"http://127.0.0.1:{port}"


def local(tmp_path, record=None, pid=None):
    if record is not None:
        (tmp_path / "stack.json").write_text(json.dumps(record))
    stack = LocalStack(tmp_path)
    stack.emulator = Emulator(tmp_path, pid)
    return stack


def recorded(**changes):
    return {"endpoint": HERE, "own": True, "enforce_iam": True, "stack_name": "tidemill", **changes}


def start(stack, port=None, enforce_iam=True):
    return stack.start(stack.record(), port, enforce_iam, lambda line: None)


@pytest.fixture
def ports(monkeypatch):
    """Which ports are taken, and 40000 as the free one."""
    taken: set[int] = set()
    monkeypatch.setattr("tidemill_cli.local.lifecycle.is_free", lambda port: port not in taken)
    monkeypatch.setattr("tidemill_cli.local.lifecycle.free_port", lambda: 40000)
    monkeypatch.setattr("tidemill_cli.local.lifecycle.answers", lambda endpoint: True)
    return taken


def test_the_first_start_takes_the_usual_port_or_a_free_one(tmp_path, ports):
    assert start(local(tmp_path)) == (HERE, True)
    ports.add(4566)
    assert start(local(tmp_path)) == ("http://127.0.0.1:40000", True)


def test_a_later_start_takes_the_port_it_had(tmp_path, ports):
    assert start(local(tmp_path, recorded(endpoint="http://127.0.0.1:5001"))) == ("http://127.0.0.1:5001", True)
    external = recorded(endpoint="http://127.0.0.1:5001", own=False)
    assert start(local(tmp_path, external)) == (HERE, True)


def test_the_port_asked_for_is_taken(tmp_path, ports):
    stack = local(tmp_path, recorded())
    start(stack, port=7000, enforce_iam=False)
    assert stack.emulator.started == [(7000, False)]


def test_what_runs_is_left_running(tmp_path, ports):
    stack = local(tmp_path, recorded(), pid=11)
    assert start(stack) == (HERE, False)
    assert start(stack, port=4566) == (HERE, False)
    assert stack.emulator.started == []


@pytest.mark.parametrize("options", [{"port": 4567}, {"enforce_iam": False}])
def test_what_runs_otherwise_than_asked_is_an_error(tmp_path, ports, options):
    with pytest.raises(StackError, match="with other options: `tidemill down` first"):
        start(local(tmp_path, recorded(), pid=11), **options)


def test_the_emulator_is_the_one_it_was_until_another_is_chosen(tmp_path):
    assert local(tmp_path).emulator.name == "ministack"
    (tmp_path / "stack.json").write_text(json.dumps(recorded(emulator="localstack")))
    stack = LocalStack(tmp_path)
    assert stack.emulator.name == "localstack"
    stack.choose(None)
    assert stack.emulator.name == "localstack"
    stack.choose("ministack")
    assert stack.emulator.name == "ministack"


def test_another_emulator_than_the_one_that_runs_is_an_error(tmp_path):
    stack = local(tmp_path, recorded(), pid=11)
    stack.choose("ministack")
    with pytest.raises(StackError, match="ministack runs already, and localstack is asked for: `tidemill down` first"):
        stack.choose("localstack")


def test_localstack_with_docker_is_another_emulator_than_without(tmp_path):
    stack = local(tmp_path, recorded(emulator="localstack"))
    stack.choose("localstack-docker")
    assert stack.emulator.in_containers
    stack.choose(None)
    assert stack.emulator.in_containers
    (tmp_path / "stack.json").write_text(json.dumps(recorded(emulator="localstack-docker", in_containers=True)))
    assert LocalStack(tmp_path).emulator.in_containers


@pytest.fixture
def endpoint():
    """Makes endpoints that answer /_localstack/info with a document, or with nothing."""
    servers = []

    def make(document):
        class Info(BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200 if document and self.path == "/_localstack/info" else 404)
                self.end_headers()
                self.wfile.write(json.dumps(document).encode())

            def log_message(self, *_):
                pass

        servers.append(HTTPServer(("127.0.0.1", 0), Info))
        Thread(target=servers[-1].serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{servers[-1].server_port}"

    yield make
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("told", "in_containers", "warned"),
    [
        (None, False, False),
        ([], False, False),
        ({"edition": "community", "is_docker": False}, False, False),
        ({"edition": "unknown", "is_docker": True}, False, False),
        ({"edition": "community", "is_docker": True}, True, True),
        ({"edition": "pro", "is_docker": True}, True, False),
    ],
)
def test_an_endpoint_in_docker_gets_all_that_functions_in_containers_need(
    tmp_path, monkeypatch, endpoint, told, in_containers, warned
):
    deployed = []
    monkeypatch.delenv("TIDEMILL_LAYERS", raising=False)
    monkeypatch.setattr(Stack, "status", lambda _: None)
    monkeypatch.setattr(Deployment, "run", lambda deployment, say: deployed.append(deployment))
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    said: list[str] = []
    stack = LocalStack(tmp_path)
    stack.up(said.append, endpoint=endpoint(told))
    (deployment,) = deployed
    assert deployment.environment()["TIDEMILL_LAYERS"] == ("real" if in_containers else "empty")
    assert deployment.parameters.get("TrainArchitecture") == ("x86_64" if in_containers else None)
    assert [line for line in said if "puts no layers into functions" in line] == said
    assert bool(said) == warned
    assert stack.record().in_containers == in_containers
    assert stack.is_current()


@pytest.fixture
def deployed(monkeypatch):
    """Deployments that were asked for; none is made, and a stack is there already."""
    asked = []
    monkeypatch.setattr(Stack, "status", lambda _: "CREATE_COMPLETE")
    monkeypatch.setattr(Deployment, "run", lambda deployment, say: asked.append(deployment))
    return asked


@pytest.mark.parametrize("own", [HERE, f"{HERE}/"])
def test_the_address_of_our_own_emulator_stands_for_it(tmp_path, ports, deployed, own):
    stack, said = local(tmp_path, recorded(), pid=11), []
    up = stack.up(said.append, endpoint=own)
    assert (up.started, stack.record().own, said) == (False, True, [])
    assert not stack.up(said.append).deployed


def test_a_stack_that_another_has_deployed_is_updated_and_that_is_said(tmp_path, endpoint, deployed):
    stack, said, address = LocalStack(tmp_path), [], endpoint(None)
    stack.up(said.append, endpoint=address)
    assert said == ["a stack tidemill is there already, deployed from elsewhere: it is updated"]
    assert not stack.record().own
    stack.up(said.append, endpoint=address)
    assert (len(said), len(deployed)) == (1, 1)


def test_an_address_where_nothing_answers_is_an_error_at_once(tmp_path):
    silent = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(StackError, match=rf"nothing answers at {silent} .*: start what is to run there"):
        LocalStack(tmp_path).up(lambda line: None, endpoint=silent)


def test_what_an_emulator_lacks_is_said(tmp_path, ports, deployed):
    stack, said = local(tmp_path), []
    stack.emulator.enforces_iam = stack.emulator.keeps_data = False
    stack.up(said.append)
    assert said == [
        "ministack enforces no IAM: every function may do everything; it keeps nothing over `tidemill down`"
    ]
    assert not stack.record().enforce_iam


def test_an_emulator_that_hangs_or_is_unknown_is_an_error(tmp_path, ports, monkeypatch):
    with pytest.raises(StackError, match=r"process 11.* `tidemill down` ends it"):
        start(local(tmp_path, pid=11))
    monkeypatch.setattr("tidemill_cli.local.lifecycle.answers", lambda endpoint: False)
    with pytest.raises(StackError, match=r"process 11\) does not answer at"):
        start(local(tmp_path, recorded(), pid=11))


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"endpoint": "x"}', '{"endpoint": "x", "unknown": 1}', json.dumps(recorded(emulator="none"))],
)
def test_a_record_of_another_form_counts_as_none(tmp_path, text):
    (tmp_path / "stack.json").write_text(text)
    assert LocalStack(tmp_path).record() is None


def test_a_record_is_read_as_it_was_written(tmp_path):
    assert local(tmp_path, recorded(fingerprint="f")).record() == Record(HERE, True, True, "tidemill", "f", None)


def test_a_stack_that_was_never_up_is_down_already(tmp_path):
    assert not LocalStack(tmp_path / "nowhere").down(wipe=True)
