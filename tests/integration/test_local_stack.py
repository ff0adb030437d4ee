"""An emulator with our launcher, deployed to by the code of `tidemill up`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from tidemill_cli.local.lifecycle import CURRENT, LocalStack
from tidemill_cli.local.process import free_port
from tidemill_cli.stack import Stack, StackError

if TYPE_CHECKING:
    from .conftest import LocalApp

pytestmark = pytest.mark.integration


def invoke(app: LocalApp, name: str, **event: Any) -> tuple[Any, bool]:
    """The answer of a function, and whether it is an error document."""
    answer = app.stack.client("lambda").invoke(FunctionName=app.function(name), Payload=json.dumps(event))
    return json.loads(answer["Payload"].read()), "FunctionError" in answer


def execute(app: LocalApp, machine: str = "Machine", **event: Any) -> Any:
    """The output of a state machine for an event."""
    client = app.stack.client("stepfunctions")
    arn = client.start_execution(stateMachineArn=app.stack.outputs[machine], input=json.dumps(event))["executionArn"]
    deadline = time.monotonic() + 20
    while (execution := client.describe_execution(executionArn=arn))["status"] == "RUNNING":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert execution["status"] == "SUCCEEDED"
    return json.loads(execution["output"])


def messages(app: LocalApp, name: str) -> list[str]:
    """Every line that a function has logged."""
    client = app.stack.client("logs")
    pages = client.get_paginator("filter_log_events").paginate(logGroupName=f"/aws/lambda/{app.function(name)}")
    return [event["message"] for page in pages for event in page["events"]]


def silent(line: str) -> None:
    """Takes progress and shows none."""


def test_an_error_class_reaches_the_state_machine(app):
    output = execute(app, do="raise", text="the file is no table")
    assert output["branch"] == "refused"
    assert output["error"]["Error"] == "Refused"
    cause = json.loads(output["error"]["Cause"])
    assert cause["errorType"] == "Refused"
    assert cause["errorMessage"] == "the file is no table"
    assert any("raise Refused" in line for line in cause["stackTrace"])


def test_another_error_class_takes_the_other_branch(app):
    output = execute(app, do="divide")
    assert (output["branch"], output["error"]["Error"]) == ("other", "ZeroDivisionError")


@pytest.mark.needs("own_processes")
def test_a_timeout_ends_the_process_and_is_an_error(app):
    before, _ = invoke(app, "Denied", do="tell")
    output = execute(app, do="sleep", seconds=30)
    assert output["error"]["Error"] == "Sandbox.Timedout"
    with pytest.raises(ProcessLookupError):
        os.kill(before["pid"], 0)


@pytest.mark.needs("own_processes")
def test_a_function_runs_in_the_projects_interpreter_with_a_clean_environment(app):
    told, _ = invoke(app, "Denied", do="tell")
    environment = told["environment"]
    assert environment["BUCKET"] == app.stack.outputs["Bucket"]
    assert environment["AWS_ENDPOINT_URL"] == app.stack.endpoint
    assert environment["OMP_NUM_THREADS"] == "1"
    for name in ("PERSIST_STATE", "GATEWAY_PORT", "TIDEMILL_PYTHON", "TIDEMILL_TEST_SESSION", "VIRTUAL_ENV"):
        assert name not in environment
    executable = os.readlink(f"/proc/{told['pid']}/exe") if sys.platform == "linux" else None
    assert executable in (None, os.path.realpath(sys.executable))


@pytest.mark.needs("own_processes")
def test_a_function_has_credentials_of_its_role(app):
    told, _ = invoke(app, "Denied", do="tell")
    names = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
    keys = {name: told["environment"][name.upper()] for name in names}
    sts = boto3.client("sts", region_name=app.stack.region, endpoint_url=app.stack.endpoint, **keys)
    function = app.stack.client("lambda").get_function_configuration(FunctionName=app.function("Denied"))
    role = function["Role"].rsplit("/", 1)[1]
    assert f":assumed-role/{role}/" in sts.get_caller_identity()["Arn"]


@pytest.mark.needs("own_processes")
def test_the_deployed_layer_wins_over_the_checkout(app):
    told, _ = invoke(app, "Denied", do="tell")
    assert Path(told["tidemill"]).is_relative_to(app.local.state / "tmp")


def test_what_a_function_prints_is_in_its_log_group(app):
    invoke(app, "Denied", do="log", text="hello")
    deadline = time.monotonic() + 20
    while "said hello" not in (logged := [line.strip() for line in messages(app, "Denied")]):
        assert time.monotonic() < deadline, logged
        time.sleep(0.05)
    assert any(line.startswith("REPORT RequestId") for line in logged)


@pytest.mark.needs("iam")
def test_a_missing_permission_is_denied(app):
    denied, failed = invoke(app, "Denied", do="put")
    assert failed
    assert denied["errorType"] == "AccessDenied"
    assert invoke(app, "Permitted", do="put") == ("done", False)


def test_a_distributed_map_takes_expressions_where_aws_does(app):
    bucket = app.stack.outputs["Bucket"]
    items = [{"do": "log", "text": str(number)} for number in range(5)]
    app.stack.client("s3").put_object(Bucket=bucket, Key="items.json", Body=json.dumps(items))
    assert execute(app, "Spread", bucket=bucket, key="items.json", together=2) == {"answers": ["done"] * 5}


def test_a_wait_for_an_answer_ends_by_an_expression_or_when_the_function_fails(app):
    assert execute(app, "Ask", do="log", seconds=1) == "States.Timeout"
    assert execute(app, "Ask", do="raise", seconds=600) == "Refused"


def test_up_again_changes_nothing_and_a_change_of_code_is_deployed(app):
    again = app.up(silent)
    assert (again.started, again.deployed) == (False, False)

    invoke(app, "Permitted", do="log", text="before")
    code = app.sources / "functions" / "say" / "app.py"
    code.write_text(code.read_text().replace('return "done"', 'return "done anew"'))
    changed = app.up(silent)
    assert (changed.started, changed.deployed) == (False, True)
    assert invoke(app, "Permitted", do="log", text="after") == ("done anew", False)


def test_a_call_under_way_ends_in_its_own_time_when_its_code_changes(app):
    client = app.stack.client("stepfunctions")
    execution = client.start_execution(
        stateMachineArn=app.stack.outputs["Machine"], input=json.dumps({"do": "sleep", "seconds": 1.5})
    )
    app.stack.client("lambda").update_function_configuration(FunctionName=app.function("Denied"), MemorySize=256)
    deadline = time.monotonic() + 20
    while (found := client.describe_execution(executionArn=execution["executionArn"]))["status"] == "RUNNING":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert found["status"] == "SUCCEEDED"
    assert json.loads(found["output"]).startswith("done")


@pytest.mark.needs("own_emulator")
def test_another_port_is_refused_while_it_runs(app):
    with pytest.raises(StackError, match="runs already at"):
        app.local.up(silent, port=free_port())


@pytest.mark.needs("own_emulator", "iam")
def test_another_iam_setting_is_refused_while_it_runs(app):
    with pytest.raises(StackError, match="runs already at"):
        app.local.up(silent, enforce_iam=False)


@pytest.mark.needs("own_emulator", "kept_data")
def test_a_stop_ends_every_process_and_the_next_start_has_everything_again(app, processes):
    app.stack.client("s3").put_object(Bucket=app.stack.outputs["Bucket"], Key="kept", Body=b"kept")
    invoke(app, "Denied", do="log", text="hello")
    execution = app.stack.client("stepfunctions").start_execution(
        stateMachineArn=app.stack.outputs["Machine"], input=json.dumps({"do": "sleep", "seconds": 1.9})
    )
    app.stack.client("stepfunctions").start_execution(
        stateMachineArn=app.stack.outputs["Ask"], input=json.dumps({"do": "log", "seconds": 600})
    )
    assert len(processes()) > 1
    assert app.local.down()
    assert processes() == []
    assert not app.local.down()

    up = app.local.up(silent)
    assert (up.started, up.deployed) == (True, False)
    assert up.stack.endpoint == app.stack.endpoint
    body = up.stack.client("s3").get_object(Bucket=app.stack.outputs["Bucket"], Key="kept")["Body"].read()
    assert body == b"kept"
    assert execute(app, do="raise", text="again")["branch"] == "refused"
    status = up.stack.client("stepfunctions").describe_execution(executionArn=execution["executionArn"])["status"]
    assert status != "RUNNING"


def test_an_endpoint_that_runs_already_is_deployed_to_and_not_stopped(app, tmp_path):
    other = LocalStack(tmp_path, app.sources, "other")
    up = other.up(silent, endpoint=app.stack.endpoint)
    assert (up.started, up.deployed, up.stack.endpoint) == (False, True, app.stack.endpoint)
    assert not other.up(silent, endpoint=app.stack.endpoint).deployed
    assert not other.down(wipe=True)
    assert up.stack.status() in CURRENT


@pytest.mark.needs("own_emulator")
def test_a_taken_port_is_named(app, tmp_path):
    port = int(app.stack.endpoint.rsplit(":", 1)[1])
    local = LocalStack(tmp_path)
    try:
        with pytest.raises(StackError, match=f"port {port} is taken"):
            local.emulator.start(port)
        assert local.emulator.pid() is None
    finally:
        local.down()


@pytest.mark.needs("own_emulator")
def test_an_emulator_that_does_not_come_up_shows_the_end_of_its_log(app, tmp_path):
    local = LocalStack(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "services").write_text("in the way")
    (tmp_path / "emulator.lock").mkdir()
    with pytest.raises(StackError, match="emulator ended while starting") as caught:
        local.emulator.start(free_port())
    assert "emulator.lock" in str(caught.value)


def test_a_deployment_that_fails_says_why_and_can_be_repeated(app):
    template = app.sources / "template.yaml"
    good = template.read_text()
    template.write_text(good.replace("CodeUri: functions/say", "CodeUri: functions/nowhere"))
    with pytest.raises(StackError, match=r"(?s)`sam deploy` failed.*nowhere"):
        app.up(silent)
    template.write_text(good)
    app.up(silent)
    assert not invoke(app, "Permitted", do="log", text="well")[1]


#: The module with the private names that we replace in each emulator.
PRIVATE_NAMES = {"ministack": "tidemill_cli.local.emulator", "localstack": "tidemill_localstack.expectations"}


@pytest.mark.needs("own_emulator")
def test_every_private_name_of_the_emulator_is_there(app):
    emulator = app.local.emulator
    code = f"from {PRIVATE_NAMES[emulator.name]} import missing_names; print(missing_names())"
    found = subprocess.run(
        [emulator.interpreter, "-c", code],
        env={"PYTHONPATH": os.pathsep.join(["cli"])},
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.strip() == "[]"


@pytest.mark.needs("own_emulator", "kept_data")
def test_a_killed_emulator_has_lost_nothing_that_was_saved(app, processes):
    emulator = app.local.emulator
    app.stack.client("s3").put_object(Bucket=app.stack.outputs["Bucket"], Key="saved", Body=b"saved")
    saved = emulator.data / "services" / "lambda.json"
    before = saved.stat().st_mtime_ns
    deadline = time.monotonic() + 30
    while saved.stat().st_mtime_ns == before:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    os.kill(emulator.pid(), signal.SIGKILL)
    while emulator.pid() is not None:
        time.sleep(0.01)
    up = app.local.up(silent)
    assert (up.started, up.deployed) == (True, False)
    up.stack.client("s3").head_object(Bucket=app.stack.outputs["Bucket"], Key="saved")
    assert not invoke(app, "Denied", do="log", text="hello")[1]


@pytest.mark.needs("own_emulator", "kept_data")
def test_data_of_a_first_deployment_that_was_cut_off_is_set_aside(app, tmp_path):
    local = LocalStack(tmp_path, app.sources, "cut")
    lines: list[str] = []
    try:
        endpoint = local.emulator.start(free_port())
        Stack.connect(endpoint).client("s3").create_bucket(Bucket="left")
        local.down()
        local.up(lines.append)
        assert any("data.old" in line for line in lines)
        assert local.record().deployed_at
    finally:
        local.down()


def test_after_a_deployment_that_failed_the_earlier_code_is_deployed_again(app, monkeypatch):
    code = app.sources / "functions" / "say" / "app.py"
    good = code.read_text()
    code.write_text(good.replace('return "done', 'return "never '))

    def interrupted(deployment, say):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("tidemill_cli.local.deployment.Deployment.run", interrupted)
        with pytest.raises(KeyboardInterrupt):
            app.up(silent)
    code.write_text(good)
    assert not app.local.is_current()
    assert app.up(silent).deployed
    assert app.local.is_current()
