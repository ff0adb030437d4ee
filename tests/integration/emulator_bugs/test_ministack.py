"""What MiniStack 1.5.33 does otherwise than AWS, each in the least that shows it."""

from __future__ import annotations

import functools
import json
import signal
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tidemill_cli.local.process import Emulator, free_port

from ..emulators import ROLE, Here, packed
from . import conftest
from .conftest import expect, fails, unchanged
from .services import (
    deploy,
    embedded_metric_is_counted,
    function_of_a_template,
    is_counted,
    jsonata,
    length_of_a_large_event,
    lifecycle_rules_of_a_template,
    log,
    make_bucket,
    make_queue,
    make_role,
    outcome,
    prepared,
    principal_of_a_put,
    reserved_concurrency_of_a_template,
    state_machine_in_yaml,
    unique,
    wait_until,
    within,
)

pytestmark = pytest.mark.integration

MINISTACK = ["-m", "ministack"]
NOTHING = "def handler(event, context): return event\n"
LOOKS = (
    "import os\nfrom importlib.util import find_spec\n"
    "def handler(event, context):\n"
    "    return {'environment': 'GATEWAY_PORT' in os.environ, 'packages': bool(find_spec('ministack'))}\n"
)
RAISES = "class Tired(Exception): pass\ndef handler(event, context): raise Tired('no more')\n"
EXECUTION = "cli/tidemill_cli/local/execution.py"
LAUNCHER = "cli/tidemill_cli/local/emulator.py"
MACHINES = "cli/tidemill_cli/local/state_machines.py"


def bug(reason: str, mended: bool = False) -> pytest.MarkDecorator:
    """Marks a reproduction, as `conftest.bug` does."""
    return conftest.bug(f"MiniStack 1.5.33: {reason}", mended)


@pytest.fixture(scope="module")
def as_it_comes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Here]:
    """MiniStack without our launcher."""
    with unchanged(Emulator(tmp_path_factory.mktemp("unchanged")), MINISTACK) as here:
        yield prepared(here)


@pytest.fixture(scope="module")
def as_tidemill_up_starts_it(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Here]:
    """MiniStack with our launcher."""
    emulator = Emulator(tmp_path_factory.mktemp("ours"))
    try:
        yield prepared(Here(emulator.start(free_port())))
    finally:
        emulator.stop()


@functools.cache
def function(here: Here, code: str) -> str:
    """A function of this code, the same for all tests on an emulator."""
    return here.function(code)


# --- functions -----------------------------------------------------------------------------------


@bug(f"functions inherit the emulator's environment; Functions in {LAUNCHER}", mended=True)
def test_a_function_sees_nothing_of_the_emulator_s_environment(here):
    expect(here.call(function(here, LOOKS)).value["environment"], False, True)


@bug(f"functions run in the emulator's interpreter, with its packages; Functions in {LAUNCHER}", mended=True)
def test_a_function_finds_none_of_the_emulator_s_packages(here):
    expect(here.call(function(here, LOOKS)).value["packages"], False, True)


@bug(f"the class of every exception is Runtime.HandlerError; Functions in {LAUNCHER}", mended=True)
def test_a_function_s_error_reaches_the_state_machine_by_its_class(here):
    expect(here.execute(jsonata(Call=task(function(here, RAISES))))["error"], "Tired", "Runtime.HandlerError")


@bug(f"an exception ends the process; Functions in {LAUNCHER}", mended=True)
def test_an_execution_environment_outlives_an_exception(here):
    name = here.function(
        "import os\ndef handler(event, context):\n    if event: raise ValueError\n    return os.getpid()\n"
    )
    before = here.call(name, False).value
    here.call(name, True)
    expect(here.call(name, False).value == before, True, False)


@bug(f"a process that exits is Runtime.HandlerError; Functions in {LAUNCHER}", mended=True)
def test_a_process_that_exits_is_an_exit_error(here):
    name = here.function("import os\ndef handler(event, context): os._exit(3)\n")
    expect(here.call(name).value["errorType"], "Runtime.ExitError", "Runtime.HandlerError")


@bug(f"a module that cannot be imported is RuntimeError; Functions in {LAUNCHER}", mended=True)
def test_a_module_that_cannot_be_imported_is_an_import_module_error(here):
    name = here.function("import no_such_module\n")
    expect(here.call(name).value["errorType"], "Runtime.ImportModuleError", "RuntimeError")


@bug(f"an answer may have any size; Functions in {LAUNCHER}", mended=True)
def test_an_answer_above_6_mb_is_an_error(here):
    answer = here.call(here.function("def handler(event, context): return 'x' * 7_000_000\n"))
    found = answer.value["errorType"] if answer.failed else len(answer.value)
    expect(found, "Function.ResponseSizeTooLarge", 7_000_000)


@bug(f"context.log_group_name does not know LoggingConfig; Functions in {LAUNCHER}", mended=True)
def test_the_context_names_the_log_group_of_the_function(here):
    name = here.function(
        "def handler(event, context): return context.log_group_name\n", LoggingConfig={"LogGroup": "/of/my/own"}
    )
    expect(here.call(name).value, "/of/my/own", f"/aws/lambda/{name}")


@bug(f"a change of the code ends calls under way; Worker._discard_tmpdir in {LAUNCHER}", mended=True)
def test_a_call_under_way_ends_in_its_own_time_when_the_code_changes(here, tmp_path):
    name = here.function(
        "import pathlib, time\n"
        "def handler(event, context):\n"
        "    (pathlib.Path(event) / 'began').touch()\n"
        "    while not (pathlib.Path(event) / 'go').exists(): time.sleep(0.05)\n"
        "    return 'old'\n"
    )
    with ThreadPoolExecutor(1) as pool:
        under_way = pool.submit(here.call, name, str(tmp_path))
        wait_until((tmp_path / "began").exists)
        here.client("lambda").update_function_code(FunctionName=name, ZipFile=packed(app=NOTHING))
        here.call(name)
        (tmp_path / "go").touch()
        value = under_way.result(20).value
    found = value["errorMessage"] if isinstance(value, dict) else value
    expect(found, "old", "Worker process died")


@bug(f"a function's memory is not limited; _watch_memory in {EXECUTION}", mended=True)
def test_a_function_with_more_memory_than_it_has_is_killed(here):
    code = (
        "import time\n"
        "def handler(event, context):\n"
        "    kept = b'x' * (200 << 20)\n"
        "    time.sleep(1)\n"
        "    return len(kept)\n"
    )
    expect(here.call(here.function(code, MemorySize=128)).failed, True, False)


@bug("an event may have any size; docs/guide/local.md says so")
def test_an_event_above_6_mb_is_refused(here):
    expect(length_of_a_large_event(here), "RequestEntityTooLargeException", 7_000_000)


# --- state machines ------------------------------------------------------------------------------


def task(function: str, waits: bool = False, **more: Any) -> dict[str, Any]:
    """A state that calls a function, and waits for its token to come back when it is told to."""
    payload = {"token": "{% $states.context.Task.Token %}"} if waits else "{% $states.input %}"
    return {
        "Type": "Task",
        "Resource": f"arn:aws:states:::lambda:invoke{'.waitForTaskToken' if waits else ''}",
        "Arguments": {"FunctionName": function, "Payload": payload},
        "End": True,
        **more,
    }


@bug(f"TimeoutSeconds as an expression is States.Runtime; task in {MACHINES}", mended=True)
def test_a_timeout_may_be_an_expression(here):
    definition = jsonata(Wait=task(function(here, NOTHING), waits=True, TimeoutSeconds="{% 1 %}"))
    expect(here.execute(definition)["error"], "States.Timeout", "States.Runtime")


@bug(f"a function that fails before it hands its token on leaves the task waiting; call in {MACHINES}", mended=True)
def test_a_task_that_waits_for_its_token_ends_when_the_function_fails(here):
    found = here.execute(jsonata(Wait=task(function(here, RAISES), waits=True, TimeoutSeconds=1)))["error"]
    expect("Tired" if found == "Runtime.HandlerError" else found, "Tired", "States.Timeout")  # its class is a bug above


@pytest.fixture
def distributed(here: Here) -> Callable[..., dict[str, Any]]:
    """Executes a Distributed Map over the items 1 and 2, which lie in `items` of a bucket."""
    bucket = make_bucket(here, items=b"[1, 2]")

    def execute(key: str = "items", **fields: Any) -> dict[str, Any]:
        reader = {
            "Resource": "arn:aws:states:::s3:getObject",
            "ReaderConfig": {"InputType": "JSON"},
            "Arguments": {"Bucket": bucket, "Key": key},
        }
        processor = {
            "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
            "StartAt": "Keep",
            "States": {"Keep": {"Type": "Pass", "End": True}},
        }
        return here.execute(
            jsonata(Each={"Type": "Map", "ItemReader": reader, "ItemProcessor": processor, "End": True, **fields})
        )

    return execute


@bug(f"ItemReader's expressions are taken literally; distributed_map in {MACHINES}", mended=True)
def test_the_reader_of_a_distributed_map_takes_expressions(distributed):
    expect(outcome(distributed("{% 'items' %}")), [1, 2], "States.ItemReaderFailed")


@bug(f"MaxConcurrency as an expression is States.Runtime; distributed_map in {MACHINES}", mended=True)
def test_the_concurrency_of_a_distributed_map_may_be_an_expression(distributed):
    expect(outcome(distributed(MaxConcurrency="{% 2 %}")), [1, 2], "States.Runtime")


@bug(f"Output of a Distributed Map is ignored; distributed_map in {MACHINES}", mended=True)
def test_a_distributed_map_has_an_output(distributed):
    expect(outcome(distributed(Output={"all": "{% $states.result %}"})), {"all": [1, 2]}, [1, 2])


@bug("ItemSelector's expressions are taken literally; ours select items before a Distributed Map")
def test_the_selector_of_a_distributed_map_takes_expressions(distributed):
    item = "{% $states.context.Map.Item.Value %}"
    expect(outcome(distributed(ItemSelector={"item": item})), [{"item": 1}, {"item": 2}], [{"item": item}] * 2)


@bug("ItemBatcher is ignored; each row of a manifest is a batch (tests/unit/infra/test_state_machines.py)")
def test_a_distributed_map_makes_batches(distributed):
    expect(outcome(distributed(ItemBatcher={"MaxItemsPerBatch": 2})), [{"Items": [1, 2]}], [1, 2])


@bug("ResultWriter is ignored; children write their own results (tests/unit/infra/test_state_machines.py)")
def test_a_distributed_map_writes_its_results(here, distributed):
    bucket = make_bucket(here)
    writer = {"Resource": "arn:aws:states:::s3:putObject", "Arguments": {"Bucket": bucket, "Prefix": "out"}}
    distributed(ResultWriter=writer)
    keys = [item["Key"] for item in here.client("s3").list_objects_v2(Bucket=bucket).get("Contents", ())]
    expect(any(key.endswith("/manifest.json") for key in keys), True, False)


@bug("HeartbeatSeconds is ignored; tasks have TimeoutSeconds alone (tests/unit/infra/test_state_machines.py)")
def test_a_task_without_a_heartbeat_ends(here):
    state = task(function(here, NOTHING), waits=True, TimeoutSeconds=600, HeartbeatSeconds=1)
    execution, stepfunctions = here.start(jsonata(Wait=state)), here.client("stepfunctions")
    ended = within(2, lambda: stepfunctions.describe_execution(executionArn=execution)["status"] != "RUNNING")
    stepfunctions.stop_execution(executionArn=execution)
    expect(ended, True, False)


@bug("Output of a Succeed state is ignored; definitions end with a Pass")
def test_a_succeed_state_has_an_output(here):
    expect(outcome(here.execute(jsonata(Well={"Type": "Succeed", "Output": "{% 1 + 1 %}"}))), 2, None)


@bug("data between states may have any size; docs/guide/local.md says so")
def test_data_above_256_kb_between_states_is_an_error(here):
    states = {"Type": "Pass", "Output": "{% $pad('', 300000, 'x') %}", "End": True}
    expect(here.execute(jsonata(Large=states)).get("error"), "States.DataLimitExceeded", None)


@bug("what a state machine's role lacks is not denied; docs/guide/local.md says so")
def test_a_state_machine_may_do_what_its_role_allows_and_nothing_else(here):
    found = here.execute(jsonata(Call=task(function(here, NOTHING))), role=make_role(here, unique("role")))
    expect(found["status"], "FAILED", "SUCCEEDED")


@bug("a history has no events of a Map; layers/core/python/tidemill/aws/executions.py counts its tasks")
def test_a_history_tells_when_a_map_starts(here):
    processor = {"StartAt": "Keep", "States": {"Keep": {"Type": "Pass", "End": True}}}
    execution = here.start(jsonata(Each={"Type": "Map", "Items": [1], "ItemProcessor": processor, "End": True}))
    here.ended(execution)
    events = here.client("stepfunctions").get_execution_history(executionArn=execution)["events"]
    expect("MapStateStarted" in {event["type"] for event in events}, True, False)


@bug("a definition in YAML cannot be parsed; the definitions in infra/ are JSON")
def test_a_definition_may_be_yaml(here):
    machine = state_machine_in_yaml(here).refs["Machine"]
    started = here.client("stepfunctions").start_execution(stateMachineArn=machine)
    expect(here.ended(started["executionArn"]).get("error"), None, "InvalidDefinition")


# --- the HTTP API, events ------------------------------------------------------------------------


@functools.cache
def api(here: Here) -> tuple[str, str, str]:
    """The address of an API, the same for all tests on an emulator, and the id and the value of a key.

    It has GET /models/fixed, which needs the key, and POST /models/{action}. A function answers with the key's id and
    the path's parameters.
    """
    gateway = here.client("apigateway")
    name = here.function(
        "import json\ndef handler(event, context):\n"
        "    found = [event['requestContext']['identity'].get('apiKeyId'), event['pathParameters']]\n"
        "    return {'statusCode': 200, 'body': json.dumps(found)}\n"
    )
    function = here.client("lambda").get_function_configuration(FunctionName=name)["FunctionArn"]
    rest = gateway.create_rest_api(name=unique("api"))["id"]
    root = gateway.get_resources(restApiId=rest)["items"][0]["id"]
    models = gateway.create_resource(restApiId=rest, parentId=root, pathPart="models")["id"]
    for part, method, needs_key in (("fixed", "GET", True), ("{action}", "POST", False)):
        resource = gateway.create_resource(restApiId=rest, parentId=models, pathPart=part)["id"]
        where = {"restApiId": rest, "resourceId": resource, "httpMethod": method}
        gateway.put_method(**where, authorizationType="NONE", apiKeyRequired=needs_key)
        gateway.put_integration(
            **where,
            type="AWS_PROXY",
            integrationHttpMethod="POST",
            uri=f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{function}/invocations",
            credentials=ROLE,
        )
    gateway.create_deployment(restApiId=rest, stageName="stage")
    key = gateway.create_api_key(name=unique("key"), enabled=True)
    plan = gateway.create_usage_plan(name=unique("plan"), apiStages=[{"apiId": rest, "stage": "stage"}])["id"]
    gateway.create_usage_plan_key(usagePlanId=plan, keyId=key["id"], keyType="API_KEY")
    return f"{here.endpoint}/_aws/execute-api/{rest}/stage", key["id"], key["value"]


def ask(method: str, address: str, key: str = "") -> tuple[int, Any]:
    """Status and JSON of an answer."""
    request = urllib.request.Request(address, method=method, headers={"x-api-key": key} if key else {})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


@bug(
    "a path that fits literally hides one with a parameter, though only that one has the method (mended for {proxy+} "
    "by ministackorg/ministack#1423); template.yaml names each action's path"
)
def test_a_path_with_a_parameter_serves_the_methods_that_its_literal_sibling_lacks(here):
    # Nothing in AWS's documentation says so; floci-io/floci#3399 has measured it on AWS.
    address, _, _ = api(here)
    found = ask("POST", f"{address}/models/fixed")
    expect(found, (200, [None, {"action": "fixed"}]), (403, {"message": "Missing Authentication Token"}))


@bug("a function is not told which API key it was; KeyOwners in layers/core/python/tidemill/aws/people.py")
def test_a_function_is_told_which_api_key_a_request_came_with(here):
    address, identifier, value = api(here)
    expect(ask("GET", f"{address}/models/fixed", value), (200, [identifier, None]), (200, [None, None]))


@bug("who put an object is always EXAMPLE; docs/guide/local.md says so")
def test_an_event_of_s3_tells_who_put_the_object(here):
    found, user = principal_of_a_put(here)
    expect(found, f"AWS:{user}", "EXAMPLE")


# --- CloudFormation, metrics ---------------------------------------------------------------------


DROPPED = "docs/guide/local.md says so, and tests/unit/infra look at the template"


@bug(f"CloudFormation drops LifecycleConfiguration of a bucket; {DROPPED}")
def test_a_bucket_of_a_template_has_its_lifecycle_rules(here):
    expect(lifecycle_rules_of_a_template(here), 1, "NoSuchLifecycleConfiguration")


@pytest.fixture
def table(here: Here) -> str:
    """A table of a template, with a time to live and recovery of points in time."""
    properties = {
        "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": [{"AttributeName": "key", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "key", "AttributeType": "S"}],
        "TimeToLiveSpecification": {"AttributeName": "until", "Enabled": True},
        "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
    }
    return deploy(here, {"Table": {"Type": "AWS::DynamoDB::Table", "Properties": properties}}).refs["Table"]


@bug(f"CloudFormation drops TimeToLiveSpecification of a table; {DROPPED}")
def test_a_table_of_a_template_has_its_time_to_live(here, table):
    found = here.client("dynamodb").describe_time_to_live(TableName=table)["TimeToLiveDescription"]
    expect(found["TimeToLiveStatus"], "ENABLED", "DISABLED")


@bug(f"CloudFormation drops PointInTimeRecoverySpecification of a table; {DROPPED}")
def test_a_table_of_a_template_has_its_recovery(here, table):
    found = here.client("dynamodb").describe_continuous_backups(TableName=table)["ContinuousBackupsDescription"]
    expect(found["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"], "ENABLED", "DISABLED")


@bug(f"CloudFormation drops ReservedConcurrentExecutions of a function; {DROPPED}")
def test_a_function_of_a_template_has_its_reserved_concurrency(here):
    expect(reserved_concurrency_of_a_template(here), 1, None)


@bug(f"CloudFormation drops DeadLetterConfig of a function; {DROPPED}")
def test_a_function_of_a_template_has_its_dead_letter_queue(here):
    _, arn = make_queue(here)
    name = function_of_a_template(here, DeadLetterConfig={"TargetArn": arn})
    found = here.client("lambda").get_function_configuration(FunctionName=name).get("DeadLetterConfig")
    expect(found, {"TargetArn": arn}, None)


@bug("metric filters count nothing; docs/guide/local.md says so")
def test_a_metric_filter_makes_a_metric(here):
    group, namespace = unique("group"), unique("namespace")
    here.client("logs").create_log_group(logGroupName=group)
    here.client("logs").put_metric_filter(
        logGroupName=group,
        filterName="errors",
        filterPattern="ERROR",
        metricTransformations=[{"metricName": "errors", "metricNamespace": namespace, "metricValue": "1"}],
    )
    log(here, group, "ERROR it is broken")
    expect(is_counted(here, namespace, "errors"), True, False)


@bug("log lines in the embedded metric format are no metrics; docs/guide/local.md says so")
def test_the_embedded_metric_format_makes_a_metric(here):
    expect(embedded_metric_is_counted(here), True, False)


@bug("executions are not counted; the alarm WatchingStopped in template.yaml is for AWS alone")
def test_executions_are_counted(here):
    here.execute(jsonata(Keep={"Type": "Pass", "End": True}))
    expect(is_counted(here, "AWS/States", "ExecutionsSucceeded"), True, False)


# --- what outlives it ----------------------------------------------------------------------------


@fails(
    "MiniStack 1.5.33: the state is written only when it stops in good order (ministackorg/ministack#1032); "
    f"Gateway in {LAUNCHER}"
)
def test_what_was_written_outlives_a_crash(tmp_path: Path):
    emulator, name = Emulator(tmp_path), unique("topic")
    with unchanged(emulator, MINISTACK, stop=signal.SIGKILL) as here:
        here.client("sns").create_topic(Name=name)
        within(1, lambda: list(emulator.data.rglob("sns*")))
    with unchanged(emulator, MINISTACK) as again:
        topics = [topic["TopicArn"].rsplit(":", 1)[1] for topic in again.client("sns").list_topics()["Topics"]]
    expect(topics, [name], [])


@fails(
    "MiniStack 1.5.33: executions under way end with it (meant so, ministackorg/ministack#141); docs/guide/local.md "
    "says so, and `tidemill down` names them"
)
def test_an_execution_that_waits_outlives_a_stop(tmp_path: Path):
    emulator = Emulator(tmp_path)
    with unchanged(emulator, MINISTACK, stop=signal.SIGTERM) as here:
        prepared(here)
        execution = here.start({"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 600, "End": True}}})
    with unchanged(emulator, MINISTACK) as again:
        found = again.client("stepfunctions").describe_execution(executionArn=execution)["status"]
    expect(found, "RUNNING", "FAILED")
