"""LocalStack as `tidemill up --emulator localstack --docker` starts it, by a stand-in of the docker command.

The stand-in runs the LocalStack of .venvs/localstack with the settings and the plugins that the container would get,
and functions as processes: what only Docker does is not looked at here.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tidemill_cli.local.docker import IMAGE
from tidemill_cli.local.lifecycle import LocalStack
from tidemill_cli.local.process import LocalStackEmulator, answers, free_port
from tidemill_cli.stack import Stack

pytestmark = pytest.mark.integration
ROOT = Path(__file__).resolve().parents[3]
APP = ROOT / "tests" / "integration" / "app"


@pytest.fixture
def local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalStack]:
    """A stack of the small app; what a container would have of its own is in the environment of the stand-in."""
    interpreter = LocalStackEmulator(tmp_path).interpreter
    if not interpreter.exists():
        pytest.skip(f"LocalStack is not installed ({interpreter} is missing): `make localstack` needs Python 3.13")
    engine, command = tmp_path / "engine", tmp_path / "bin" / "docker"
    for folder in (engine, command.parent):
        folder.mkdir()
    command.write_text(f"#!{sys.executable}\n" + (ROOT / "tests" / "docker_stand_in.py").read_text())
    command.chmod(0o755)
    (engine / "images").write_text(IMAGE)
    (engine / "program").write_text(json.dumps([str(interpreter), "-m", "localstack.runtime.main"]))
    own = {
        "PATH": f"{command.parent}:/usr/local/bin:/usr/bin:/bin",
        "DOCKER_STAND_IN": str(engine),
        "HOME": str(tmp_path),
        "TMPDIR": str(tmp_path),
        "FILESYSTEM_ROOT": str(tmp_path / "localstack"),
        "DNS_ADDRESS": "0",
        "PYTHONDONTWRITEBYTECODE": "",
        "TIDEMILL_PYTHON": sys.executable,
        "LAMBDA_RUNTIME_EXECUTOR": "process",
        "PROVIDER_OVERRIDE_DYNAMODB": "moto",
        "PROVIDER_OVERRIDE_DYNAMODBSTREAMS": "moto",
    }
    for name, value in own.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    made = LocalStack(tmp_path / "state", root=APP, stack_name="app")
    yield made
    made.down(wipe=True)


def test_the_app_comes_up_is_found_again_and_is_gone_after_down(local):
    port = free_port()
    up = local.up(lambda _: None, port=port, emulator="localstack-docker")
    assert (up.started, up.deployed) == (True, True)
    answer = up.stack.client("lambda").invoke(
        FunctionName=up.stack.outputs["Permitted"], Payload=json.dumps({"do": "tell"})
    )
    assert "FunctionError" not in answer, answer["Payload"].read()

    again = LocalStack(local.state, root=APP, stack_name="app")
    assert again.emulator.running() == f"localstack, container {local.emulator.container}"
    up = again.up(lambda _: None)
    assert (up.started, up.deployed, up.stack.endpoint) == (False, False, f"http://127.0.0.1:{port}")
    assert again.is_current()

    assert again.down()
    assert not answers(up.stack.endpoint)
    assert again.emulator.running() is None
    up = again.up(lambda _: None)
    assert (up.started, up.deployed, up.stack.endpoint) == (True, True, f"http://127.0.0.1:{port}")
    assert Stack.connect(up.stack.endpoint, "app").status() == "CREATE_COMPLETE"


def test_the_plugins_that_it_has_are_those_of_the_mounted_folder(local):
    up = local.up(lambda _: None, port=free_port(), emulator="localstack-docker")
    plugins = local.state / "tmp" / "plugins" / "tidemill_localstack"
    process = Path(f"/proc/{local.emulator.pid()}")
    assert f"PYTHONPATH={plugins.parent}" in (process / "environ").read_text().split("\0")
    assert list((plugins / "__pycache__").glob("plugins.*.pyc"))
    assert up.deployed
