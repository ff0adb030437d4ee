"""Functions run as processes under AWS's runtime client, without any emulator."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tidemill_cli.local import execution
from tidemill_cli.local.execution import Environments, ExecutionEnvironment, Function, Outcome

pytestmark = pytest.mark.integration

HANDLERS = """
import json, logging, os, sys, time
print("initialised")

class Tired(Exception):
    pass

calls = 0

def echo(event, context):
    global calls
    calls += 1
    print("called", calls)
    return {"event": event, "calls": calls, "request": context.aws_request_id,
            "left": context.get_remaining_time_in_millis(), "arn": context.invoked_function_arn}

def environment(event, context):
    return dict(os.environ)

def where(event, context):
    import shared
    return {"shared": shared.__file__, "path": sys.path, "cwd": os.getcwd()}

def fail(event, context):
    logging.getLogger().warning("about to fail")
    raise Tired("no more")

def leave(event, context):
    os._exit(3)

def hang(event, context):
    print("hanging")
    time.sleep(60)

def large(event, context):
    return "x" * event

def chatty(event, context):
    for line in range(event):
        print("line", line)

def bare(event, context):
    return object()

def keep(event, context):
    kept = b"x" * (event << 20)
    time.sleep(1)
    return len(kept)
"""


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., ExecutionEnvironment]]:
    """Makes environments of the handlers above and ends them with the test."""
    made: list[ExecutionEnvironment] = []
    code = tmp_path / "code"
    code.mkdir()
    (code / "app.py").write_text(HANDLERS)

    def make(name: str, **changes: object) -> ExecutionEnvironment:
        function = Function(
            name="example",
            version="$LATEST",
            arn="arn:aws:lambda:us-east-1:000000000000:function:example",
            handler=name if "." in name else f"app.{name}",
            runtime="python3.13",
            memory_mb=256,
            timeout=20,
            log_group="/aws/lambda/example",
            log_stream="stream",
            code=code,
            layers=[],
            variables={"TABLE": "things"},
            service_variables={"AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "key"},
        )
        made.append(ExecutionEnvironment(replace(function, **changes), [sys.executable], tmp_path / f"e{len(made)}"))
        made[-1].folder.mkdir()
        return made[-1]

    yield make
    for environment in made:
        environment.stop()


def call(environment: ExecutionEnvironment, event: object = None, request: str = "r-1") -> Outcome:
    return environment.invoke(request, json.dumps(event).encode())


def error(outcome: Outcome) -> dict[str, object]:
    assert outcome.failed
    document: dict[str, object] = json.loads(outcome.payload)
    return document


def test_one_process_serves_call_after_call(start):
    environment = start("echo")
    first, second = call(environment, {"a": [1, "ü"]}), call(environment, None, "r-2")
    answer = json.loads(first.payload)
    assert answer["event"] == {"a": [1, "ü"]}
    assert answer["arn"].endswith(":function:example")
    assert 15_000 < answer["left"] <= 20_000
    assert (first.cold, second.cold) == (True, False)
    assert json.loads(second.payload)["calls"] == 2
    assert json.loads(second.payload)["request"] == "r-2"
    assert first.log.splitlines() == ["initialised", "called 1"]
    assert second.log.splitlines() == ["called 2"]


def test_the_environment_is_lambdas_and_the_functions_and_nothing_of_the_hosts(start, monkeypatch):
    monkeypatch.setenv("SECRET_OF_THE_HOST", "1")
    monkeypatch.setenv("AWS_PROFILE", "mine")
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    environment = start("environment")
    found = json.loads(call(environment).payload)
    assert found["TABLE"] == "things"
    assert found["AWS_LAMBDA_FUNCTION_NAME"] == "example"
    assert found["AWS_EXECUTION_ENV"] == "AWS_Lambda_python3.13"
    assert found["OMP_NUM_THREADS"] == "1"
    assert found["OPENBLAS_CORETYPE"] == "Haswell"
    assert found["HOME"] == found["TMPDIR"] == str(environment.folder / "tmp")
    assert not {"SECRET_OF_THE_HOST", "AWS_PROFILE", "PYTHONDONTWRITEBYTECODE"} & found.keys()
    # LC_CTYPE is Python's own doing when it starts.
    allowed = execution.environment(environment.function, Path("/"), "").keys() | {"LC_CTYPE", "_X_AMZN_TRACE_ID"}
    assert found.keys() <= allowed


def test_code_comes_before_layers_and_layers_before_the_interpreters_packages(start, tmp_path):
    for number in (1, 2):
        for module in ("shared", "click", "app"):
            file = tmp_path / f"layer{number}" / "python" / f"{module}.py"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()
    environment = start("where", layers=[tmp_path / "layer1", tmp_path / "layer2"])
    found = json.loads(call(environment).payload)
    assert found["cwd"] == str(environment.function.code)
    assert found["shared"] == str(tmp_path / "layer2" / "python" / "shared.py")
    packages = next(index for index, path in enumerate(found["path"]) if path.endswith("site-packages"))
    assert found["path"].index(str(tmp_path / "layer1" / "python")) < packages


def test_an_exception_keeps_its_class_and_the_process(start):
    environment = start("fail")
    first = call(environment)
    document = error(first)
    assert document["errorType"] == "Tired"
    assert document["errorMessage"] == "no more"
    assert document["requestId"] == "r-1"
    assert any("raise Tired" in line for line in document["stackTrace"])
    assert "about to fail" in first.log
    assert "[ERROR] Tired: no more" in first.log
    assert not call(environment).cold


def test_an_answer_that_is_no_json_is_a_marshalling_error(start):
    assert error(call(start("bare")))["errorType"] == "Runtime.MarshalError"


@pytest.mark.parametrize(
    ("handler", "kind"),
    [("app.missing", "Runtime.HandlerNotFound"), ("nothing.handler", "Runtime.ImportModuleError")],
)
def test_a_handler_that_cannot_be_loaded_fails_each_call(start, handler, kind):
    environment = start(handler)
    for _ in range(2):
        assert error(call(environment))["errorType"] == kind


def test_a_process_that_ends_fails_the_call_and_the_next_call_gets_another(start):
    environment = start("leave")
    for _ in range(2):
        document = error(call(environment))
        assert document["errorType"] == "Runtime.ExitError"
        assert "exit status 3" in document["errorMessage"]


def test_a_process_killed_between_calls_is_replaced(start):
    environment = start("echo")
    call(environment)
    environment.process.kill()
    environment.process.wait()
    second = call(environment)
    assert second.cold
    assert json.loads(second.payload)["calls"] == 1


def test_a_timeout_kills_the_process(start):
    environment = start("hang", timeout=1)
    environment.start()
    pid = environment.process.pid
    outcome = call(environment, request="r-9")
    assert error(outcome) == {
        "errorType": "Sandbox.Timedout",
        "errorMessage": "RequestId: r-9 Error: Task timed out after 1.00 seconds",
    }
    assert "hanging" in outcome.log
    assert "Task timed out after 1.00 seconds" in outcome.log
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_an_answer_may_have_the_size_that_lambda_allows_and_no_more(start):
    environment = start("large")
    fits = execution.MAX_ANSWER - 2
    assert len(call(environment, fits).payload) == execution.MAX_ANSWER
    assert error(call(environment, fits + 1))["errorType"] == "Function.ResponseSizeTooLarge"
    assert not call(environment, 10).failed


def test_every_line_written_before_the_answer_is_in_its_log(start):
    environment = start("chatty")
    for lines in (1, 5_000, 0, 3):
        log = call(environment, lines).log.replace("initialised\n", "")
        assert log.splitlines() == [f"line {line}" for line in range(lines)]


def test_a_log_that_has_grown_large_is_emptied_and_loses_nothing(start, monkeypatch):
    monkeypatch.setattr(execution, "LOG_BYTES", 1_000)
    environment = start("chatty")
    for _ in range(3):
        assert call(environment, 500).log.count("line") == 500
        assert (environment.folder / "log").stat().st_size == 0


def test_the_portable_calls_do_what_the_compiled_ones_do(start, tmp_path):
    (tmp_path / "layer").mkdir()
    (tmp_path / "layer" / "python").symlink_to(execution.PORTABLE_CLIENT)
    environment = start("echo", layers=[tmp_path / "layer"])
    for number in range(2):
        answer = json.loads(call(environment, {"a": "ü"}, f"r-{number}").payload)
        assert (answer["event"], answer["request"], answer["calls"]) == ({"a": "ü"}, f"r-{number}", number + 1)
        assert 15_000 < answer["left"] <= 20_000
    assert error(call(start("fail", layers=[tmp_path / "layer"])))["errorType"] == "Tired"
    assert error(call(start("app.missing", layers=[tmp_path / "layer"])))["errorType"] == "Runtime.HandlerNotFound"


def test_stopping_ends_the_process_and_may_be_done_twice(start):
    environment = start("echo")
    call(environment)
    pid = environment.process.pid
    environment.stop()
    environment.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.mark.skipif(sys.platform != "linux", reason="memory is looked at in /proc")
def test_a_process_that_holds_more_memory_than_its_function_has_is_killed(start):
    assert json.loads(call(start("keep", memory_mb=256), 200).payload) == 200 << 20
    limited = start("keep", memory_mb=128)
    assert not call(limited, 50).failed
    outcome = call(limited, 200)
    document = error(outcome)
    assert document["errorType"] == "Runtime.ExitError"
    assert "signal 9" in str(document["errorMessage"])
    assert "Memory size: 128 MB, used: " in outcome.log
    assert not call(limited, 50).failed


def test_environments_are_ended_one_by_one_or_all_at_once(start, tmp_path):
    environments = Environments(sys.executable, tmp_path)
    first, second = (environments.new(start("echo").function) for _ in range(2))
    pids = []
    for environment in (first, second):
        assert not call(environment).failed
        pids.append(environment.process.pid)
    assert first.folder != second.folder
    environments.end(first)
    assert not first.folder.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(pids[0], 0)
    environments.stop()
    for environment in (second, environments.new(first.function)):
        assert error(call(environment))["errorType"] == "Runtime.ExitError"
    environments.end(second)
