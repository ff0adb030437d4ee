"""Functions of LocalStack as processes: what they find, how they fail, and that nothing of them stays."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tidemill_cli.local.execution import MAX_ANSWER

from ..emulators import packed, start_localstack

pytestmark = pytest.mark.integration

ANSWER = "import os\ndef handler(event, context): return os.getpid()\n"


def eventually(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def lives(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def test_a_function_finds_what_lambda_sets_and_nothing_else(here, function):
    code = (
        "import os, boto3\n"
        "def handler(event, context):\n"
        "    return {'variables': dict(os.environ), 'arn': context.invoked_function_arn, 'event': event,\n"
        "            'caller': boto3.client('sts').get_caller_identity()['Arn']}\n"
    )
    name = function(code, Environment={"Variables": {"TABLE": "things"}})
    found = here.call(name, {"a": "ü"}).value
    assert found["event"] == {"a": "ü"}
    assert found["arn"].endswith(f":function:{name}")
    assert f"assumed-role/worker/{name}" in found["caller"]
    variables = found["variables"]
    assert variables["TABLE"] == "things"
    assert variables["AWS_ENDPOINT_URL"] == here.endpoint
    assert variables["AWS_EXECUTION_ENV"] == "AWS_Lambda_python3.13"
    assert variables["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "256"
    others = ("LOCALSTACK_", "LAMBDA_RUNTIME_EXECUTOR", "PROVIDER_OVERRIDE_", "TIDEMILL_")
    assert [key for key in variables if key.startswith(others)] == []


def test_code_comes_before_layers_and_the_last_layer_wins(here, function):
    layers = [
        here.client("lambda").publish_layer_version(
            LayerName=f"layer{number}",
            Content={
                "ZipFile": packed(
                    python__shared=f"NUMBER = {number}", python__app="", python__click=f"NUMBER = {number}"
                )
            },
        )["LayerVersionArn"]
        for number in (1, 2)
    ]
    name = function("import click, shared\ndef handler(*_): return [shared.NUMBER, click.NUMBER]\n", Layers=layers)
    assert here.call(name).value == [2, 2]


def test_the_name_that_was_called_is_the_one_it_is_told(here, function):
    name = function("def handler(event, context): return context.invoked_function_arn\n")
    client = here.client("lambda")
    version = client.publish_version(FunctionName=name)["Version"]
    client.create_alias(FunctionName=name, Name="live", FunctionVersion=version)
    assert here.call(name, qualifier="live").value.endswith(f"{name}:live")


def test_an_error_keeps_its_class_and_the_process(here, function):
    name = function(
        "import os\nclass Tired(Exception): pass\n"
        "def handler(event, context):\n    print('in', os.getpid())\n    raise Tired('no more')\n"
    )
    first, second = here.call(name), here.call(name)
    assert first.failed
    assert (first.value["errorType"], first.value["errorMessage"]) == ("Tired", "no more")
    assert "[ERROR] Tired: no more" in first.log
    assert next(line for line in first.log.splitlines() if line.startswith("in ")) in second.log


@pytest.mark.parametrize(
    ("leave", "reason"),
    [
        ("sys.exit(3)", "exit status 3"),
        ("os._exit(0)", "exited without providing a reason"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "signal 11"),
    ],
)
def test_a_process_that_ends_fails_the_call_and_no_other(here, function, leave, reason):
    name = function(f"import os, signal, sys\ndef handler(event, context):\n    if event: {leave}\n    return 'well'\n")
    for _ in range(2):
        answer = here.call(name, True)
        assert answer.failed
        assert answer.value["errorType"] == "Runtime.ExitError"
        assert reason in answer.value["errorMessage"]
        assert here.call(name, False).value == "well"


def test_a_timeout_kills_the_process_and_the_next_call_gets_another(here, function):
    code = "import os, time\ndef handler(event, context):\n    print('pid', os.getpid())\n    time.sleep(event)\n"
    name = function(code, Timeout=1)
    late = here.call(name, 30)
    assert late.failed
    assert late.value["errorType"] == "Sandbox.Timedout"
    assert "Task timed out after 1.00 seconds" in late.value["errorMessage"]
    assert not lives(int(late.log.split("pid ")[1].split()[0]))
    assert not here.call(name, 0).failed


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("print('loading')\nraise KeyError('no key')\n", "KeyError"),
        ("print('loading')\nimport no_such_module\n", "Runtime.ImportModuleError"),
        ("print('loading')\nimport sys\nsys.exit(1)\n", "Runtime.ExitError"),
        ("print('loading')\n", "Runtime.HandlerNotFound"),
    ],
)
def test_what_goes_wrong_while_it_starts_is_each_calls_outcome_with_its_log(here, function, code, kind):
    name = function(code)
    for _ in range(2):
        answer = here.call(name)
        assert answer.failed
        assert answer.value["errorType"] == kind
        assert "loading" in answer.log


def test_a_function_with_more_memory_than_it_has_is_killed(here, function):
    code = (
        "import time\ndef handler(event, context):\n"
        "    kept = b'x' * (event << 20)\n    time.sleep(1)\n    return len(kept)\n"
    )
    name = function(code, MemorySize=256)
    assert here.call(name, 100).value == 100 << 20
    answer = here.call(name, 400)
    assert answer.failed
    assert "signal 9" in answer.value["errorMessage"]
    assert "Memory size: 256 MB, used: " in answer.log
    assert here.call(name, 100).value == 100 << 20


def test_an_answer_may_have_the_size_that_lambda_allows_and_no_more(here, function):
    name = function("def handler(event, context): return 'x' * event\n")
    assert len(here.call(name, MAX_ANSWER - 2).value) == MAX_ANSWER - 2
    assert here.call(name, MAX_ANSWER - 1).value["errorType"] == "Function.ResponseSizeTooLarge"


def test_every_line_reaches_the_log_group_of_the_functions_name(here, function):
    name = function("def handler(event, context):\n    print('hello')\n")
    here.call(name)
    logs = here.client("logs")

    def lines() -> list[str]:
        groups = logs.describe_log_groups(logGroupNamePrefix=f"/aws/lambda/{name}")["logGroups"]
        events = logs.filter_log_events(logGroupName=f"/aws/lambda/{name}")["events"] if groups else []
        return [event["message"].strip() for event in events]

    eventually(lines)
    first, said, *rest = lines()
    assert first.startswith("START RequestId: ")
    assert said == "hello"
    assert [line.split()[0] for line in rest] == ["END", "REPORT"]


def test_twenty_calls_run_at_the_same_time_in_twenty_processes(here, function, tmp_path):
    code = (
        "import os, pathlib, time\n"
        "def handler(event, context):\n"
        "    folder = pathlib.Path(event)\n"
        "    (folder / str(os.getpid())).touch()\n"
        "    while len(list(folder.iterdir())) < 20: time.sleep(0.05)\n"
        "    return os.getpid()\n"
    )
    name = function(code, Timeout=60)
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: here.call(name, str(tmp_path)), range(20)))
    assert not any(answer.failed for answer in answers)
    assert len({answer.value for answer in answers}) == 20


def test_a_deleted_function_leaves_no_process_and_no_folder(here, function):
    processes, folders = here.processes(), here.folders()
    name = function(ANSWER)
    pid = here.call(name).value
    assert here.processes() - processes == {pid}
    assert len(here.folders() - folders) == 1
    here.client("lambda").delete_function(FunctionName=name)
    eventually(lambda: not lives(pid) and here.folders() <= folders)


def test_a_call_under_way_ends_in_its_own_time_when_the_code_changes(here, function, tmp_path):
    code = (
        "import pathlib, time\n"
        "def handler(event, context):\n"
        "    folder = pathlib.Path(event)\n"
        "    (folder / 'began').touch()\n"
        "    while not (folder / 'go').exists(): time.sleep(0.05)\n"
        "    return 'old'\n"
    )
    name, client = function(code), here.client("lambda")
    with ThreadPoolExecutor(1) as pool:
        under_way = pool.submit(here.call, name, str(tmp_path))
        eventually((tmp_path / "began").exists)
        client.update_function_code(FunctionName=name, ZipFile=packed(app="def handler(*_): return 'new'\n"))
        client.get_waiter("function_updated_v2").wait(FunctionName=name)
        eventually(lambda: here.call(name).value == "new")
        (tmp_path / "go").touch()
        assert under_way.result(20).value == "old"


def test_a_function_that_is_no_python_fails_with_the_reason(here):
    client = here.client("lambda")
    client.create_function(
        FunctionName="other",
        Runtime="nodejs22.x",
        Handler="app.handler",
        Role="arn:aws:iam::000000000000:role/worker",
        Code={"ZipFile": packed(app="")},
    )

    def configuration() -> dict[str, Any]:
        found: dict[str, Any] = client.get_function_configuration(FunctionName="other")
        return found

    eventually(lambda: configuration()["State"] != "Pending")
    assert configuration()["State"] == "Failed"
    assert "this one's runtime is nodejs22.x" in configuration()["StateReason"]


def test_a_thousand_calls_leave_no_process_file_or_memory(here, function):
    name = function("import os\ndef handler(event, context):\n    if event: os._exit(1)\n    return os.getpid()\n")
    emulator = Path(f"/proc/{here.emulator.pid()}")

    def calls(number: int) -> None:
        for index in range(number):
            leaves = index % 40 == 39
            assert here.call(name, leaves).failed == leaves

    def held() -> tuple[int, int, int, int]:
        megabytes = int((emulator / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") >> 20
        return len(here.processes()), len(here.folders()), len(list((emulator / "fd").iterdir())), megabytes

    calls(200)
    before = held()
    calls(1_000)
    processes, folders, files, megabytes = (after - earlier for after, earlier in zip(held(), before, strict=True))
    assert (processes, folders) == (0, 0)
    assert files <= 15  # 25 processes have ended; LocalStack's own threads and connections come and go
    assert megabytes <= 30  # LocalStack keeps the log lines in memory


def test_stopping_ends_the_calls_under_way_and_every_process(tmp_path):
    here = start_localstack(tmp_path)
    ended = tmp_path / "ended"
    code = f"import pathlib, time\ndef handler(*_):\n    time.sleep(20)\n    pathlib.Path({str(ended)!r}).touch()\n"
    client = here.client("lambda")
    client.create_function(
        FunctionName="slow",
        Runtime="python3.13",
        Handler="app.handler",
        Timeout=60,
        Role="arn:aws:iam::000000000000:role/worker",
        Code={"ZipFile": packed(app=code)},
    )
    client.get_waiter("function_active_v2").wait(FunctionName="slow")
    client.invoke(FunctionName="slow", InvocationType="Event", Payload=json.dumps(None))
    eventually(here.processes)
    assert here.emulator.stop()
    assert here.processes() == set()
    assert not ended.exists()
    assert here.emulator.pid() is None
