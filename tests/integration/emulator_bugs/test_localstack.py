"""What LocalStack 4.14.0, with moto in it, does otherwise than AWS, each in the least that shows it.

As it comes, LocalStack needs Docker to run functions, and downloads a Java library to evaluate JSONata. So what
concerns these is shown either by the function of LocalStack that misbehaves, called in LocalStack's interpreter, or on
LocalStack as `tidemill up` starts it, where another evaluator stands in and the mistake is still LocalStack's.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ..emulators import ROLE, Here, localstack_emulator, start_localstack
from . import conftest
from .conftest import AS_WE_START_IT, expect, fails, unchanged
from .services import (
    Deployed,
    deploy,
    embedded_metric_is_counted,
    is_counted,
    jsonata,
    length_of_a_large_event,
    lifecycle_rules_of_a_template,
    make_bucket,
    make_queue,
    make_user,
    outcome,
    prepared,
    principal_of_a_put,
    reserved_concurrency_of_a_template,
    state_machine_in_yaml,
    unique,
)

pytestmark = pytest.mark.integration

LOCALSTACK = ["-m", "localstack.runtime.main"]
#: The settings that choose our plugins.
OURS = ("LAMBDA_RUNTIME_EXECUTOR", "PROVIDER_OVERRIDE_DYNAMODB", "PROVIDER_OVERRIDE_DYNAMODBSTREAMS")
NOT_EVERYWHERE = "NOT_EVERYWHERE in tests/unit/infra/test_state_machines.py"


def stated(reason: str) -> str:
    """The reason of an expected failure."""
    return f"LocalStack 4.14.0: {reason}"


def bug(reason: str, mended: bool = False) -> pytest.MarkDecorator:
    """Marks a reproduction, as `conftest.bug` does."""
    return conftest.bug(stated(reason), mended)


def bug_as_we_start_it(reason: str) -> pytest.MarkDecorator:
    """Marks a reproduction that needs functions or JSONata, and so LocalStack as we start it."""
    return pytest.mark.parametrize("here", [pytest.param(AS_WE_START_IT, marks=fails(stated(reason)))], indirect=True)


def bug_in_a_function(reason: str, mend: str) -> pytest.MarkDecorator:
    """Marks a reproduction by one function, in LocalStack's interpreter: as it comes, and after `mend` was done."""
    places = [pytest.param("", id="as_it_comes", marks=fails(reason)), pytest.param(mend, id="mended")]
    return pytest.mark.parametrize("mend", places)


@pytest.fixture(scope="module")
def as_it_comes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Here]:
    """LocalStack without our plugins."""
    emulator = localstack_emulator(tmp_path_factory.mktemp("unchanged"))
    with unchanged(emulator, LOCALSTACK, without=OURS) as here:
        yield prepared(here)


@pytest.fixture(scope="module")
def as_tidemill_up_starts_it(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Here]:
    """LocalStack with our plugins."""
    here = start_localstack(tmp_path_factory.mktemp("ours"))
    try:
        yield prepared(here)
    finally:
        here.emulator.stop()


@pytest.fixture
def interpreted(tmp_path: Path) -> Callable[..., Any]:
    """Runs code in LocalStack's interpreter and returns the JSON that it prints last."""
    emulator = localstack_emulator(tmp_path)

    def run(*code: str) -> Any:
        done = subprocess.run(
            [emulator.interpreter, "-c", "\n".join(code)],
            env=emulator.environment(0, enforce_iam=False),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(done.stderr)
        return json.loads(done.stdout.splitlines()[-1])

    return run


# --- CloudFormation ------------------------------------------------------------------------------


@bug("references to what the SAM transform makes are refused, it resolves them before; template.yaml spells the stage")
def test_a_template_may_refer_to_what_the_sam_transform_makes(here):
    integration = {"type": "MOCK", "requestTemplates": {"application/json": '{"statusCode": 200}'}}
    paths = {"/": {"get": {"responses": {}, "x-amazon-apigateway-integration": integration}}}
    definition = {"swagger": "2.0", "info": {"title": "api", "version": "1"}, "paths": paths}
    api = {"StageName": "live", "DefinitionBody": definition}
    plan = {"ApiStages": [{"ApiId": {"Ref": "Api"}, "Stage": {"Ref": "Api.Stage"}}]}
    resources = {
        "Api": {"Type": "AWS::Serverless::Api", "Properties": api},
        "Plan": {"Type": "AWS::ApiGateway::UsagePlan", "Properties": plan},
    }
    status = deploy(here, resources, Transform="AWS::Serverless-2016-10-31").status
    expect(status, "CREATE_COMPLETE", "ValidationError")


@bug("a number in DefinitionSubstitutions fails; template.yaml substitutes expressions for TrainConcurrency")
def test_a_number_is_substituted_in_a_definition(here):
    definition = '{"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": ${Seconds}, "End": true}}}'
    properties = {"RoleArn": ROLE, "DefinitionString": definition, "DefinitionSubstitutions": {"Seconds": 1}}
    machine = {"Type": "AWS::StepFunctions::StateMachine", "Properties": properties}
    expect(deploy(here, {"Machine": machine}).status, "CREATE_COMPLETE", "CREATE_FAILED")


@bug(
    "a resource of a type that it does not have is CREATE_COMPLETE, and only the event's reason says that there is "
    "nothing (localstack/localstack#13085 wants another default of CFN_IGNORE_UNSUPPORTED_RESOURCE_TYPES); "
    "SKIPPED_RESOURCE in cli/tidemill_cli/local/deployment.py"
)
def test_a_resource_that_is_complete_is_there(here):
    group = {"Type": "AWS::Athena::WorkGroup", "Properties": {"Name": unique("group")}}
    expect(is_hollow(deploy(here, {"Group": group})), False, True)


def is_hollow(stack: Deployed) -> bool:
    """Whether a stack is complete, and something in it is not there."""
    return stack.status == "CREATE_COMPLETE" and any("deployed as a fallback" in reason for reason in stack.reasons)


@bug("there are no dashboards; the Dashboard of template.yaml is for AWS alone")
def test_a_dashboard_of_a_template_is_there(here):
    properties = {"DashboardName": unique("dashboard"), "DashboardBody": '{"widgets": []}'}
    stack = deploy(here, {"Dashboard": {"Type": "AWS::CloudWatch::Dashboard", "Properties": properties}})
    expect(is_hollow(stack), False, True)


@bug("a definition in YAML is refused; the definitions in infra/ are JSON")
def test_a_definition_may_be_yaml(here):
    expect(state_machine_in_yaml(here).status, "CREATE_COMPLETE", "CREATE_FAILED")


@bug("LifecycleConfiguration of a bucket is dropped; docs/guide/local.md says so")
def test_a_bucket_of_a_template_has_its_lifecycle_rules(here):
    expect(lifecycle_rules_of_a_template(here), 1, "NoSuchLifecycleConfiguration")


@bug_as_we_start_it("ReservedConcurrentExecutions of a function is dropped; docs/guide/local.md says so")
def test_a_function_of_a_template_has_its_reserved_concurrency(here):
    expect(reserved_concurrency_of_a_template(here), 1, None)


# --- state machines ------------------------------------------------------------------------------


@fails(stated("texts in variables are not escaped; DOCUMENTS in tests/unit/infra/test_state_machines.py"))
def test_a_text_in_a_variable_may_have_quotes(interpreted):
    found = interpreted(
        "import json",
        "from jsonata import Jsonata",
        "from localstack.services.stepfunctions.asl.jsonata import jsonata",
        """declared = jsonata.encode_jsonata_variable_declarations({"$said": 'with "quotes"'})""",
        "try:",
        "    found = Jsonata(f'({declared}$said)').evaluate(None)",
        "except Exception as error:",
        "    found = type(error).__name__",
        "print(json.dumps(found))",
    )
    expect(found, 'with "quotes"', "JException")


@bug_as_we_start_it(
    "a JSONata expression that fails is States.Runtime; docs/guide/local.md says so (the evaluator's exception, "
    "JSONataException, is LocalStack's own)"
)
def test_an_expression_that_fails_is_a_query_evaluation_error(here):
    expect(evaluated(here, "$sum('no numbers')"), "States.QueryEvaluationError", "States.Runtime")


@bug_as_we_start_it("$uuid() of JSONata is a text of apology; docs/guide/local.md says so")
def test_uuid_makes_an_identifier(here):
    expect(evaluated(here, "$length($uuid())"), 36, len("Function $uuid is currently not supported"))


@bug_as_we_start_it("$hash() of JSONata is a text of apology; docs/guide/local.md says so")
def test_hash_makes_a_hash(here):
    expect(evaluated(here, "$length($hash('a', 'SHA-256'))"), 64, len("Function $hash is currently not supported"))


def evaluated(here: Here, expression: str) -> Any:
    """The value of an expression in a state, or the error's name."""
    state = {"Type": "Pass", "Output": f"{{% {expression} %}}", "End": True}
    return outcome(here.execute(jsonata(Evaluate=state)))


@pytest.fixture
def bucket(here: Here) -> str:
    """A bucket with the items 1 and 2 in `items`."""
    return make_bucket(here, items=b"[1, 2]")


def distributed(here: Here, bucket: str, kind: str = "JSON", children: str = "STANDARD", **fields: Any) -> Any:
    """The output of a Distributed Map over the items, or the code of the error that refused its definition."""
    reader = {
        "Resource": "arn:aws:states:::s3:getObject",
        "ReaderConfig": {"InputType": kind},
        "Parameters": {"Bucket": bucket, "Key": "items"},
    }
    processor = {
        "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": children},
        "StartAt": "Keep",
        "States": {"Keep": {"Type": "Pass", "End": True}},
    }
    state = {"Type": "Map", "ItemReader": reader, "ItemProcessor": processor, "End": True, **fields}
    try:
        return json.loads(here.execute({"StartAt": "Each", "States": {"Each": state}})["output"])
    except ClientError as error:
        return error.response["Error"]["Code"]


@bug(f"ItemBatcher is refused (localstack/localstack#10884); each row of a manifest is a batch, {NOT_EVERYWHERE}")
def test_a_distributed_map_makes_batches(here, bucket):
    found = distributed(here, bucket, ItemBatcher={"MaxItemsPerBatch": 2})
    expect(found, [{"Items": [1, 2]}], "InvalidDefinition")


@bug(
    f"ResultWriter writes a manifest without results (localstack/localstack#11381); children write their own, "
    f"{NOT_EVERYWHERE}"
)
def test_a_distributed_map_writes_its_results(here, bucket):
    where = {"Bucket": bucket, "Prefix": "out"}
    distributed(here, bucket, ResultWriter={"Resource": "arn:aws:states:::s3:putObject", "Parameters": where})
    listed = here.client("s3").list_objects_v2(Bucket=bucket, Prefix="out/")["Contents"]
    key = next(item["Key"] for item in listed if item["Key"].endswith("manifest.json"))
    manifest = json.loads(here.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read())
    expect(len(manifest["ResultFiles"]["SUCCEEDED"]), 1, 0)


@bug("items in JSON lines are refused; manifests are JSON arrays")
def test_the_items_of_a_distributed_map_may_be_json_lines(here, bucket):
    here.client("s3").put_object(Bucket=bucket, Key="items", Body=b'{"a": 1}\n{"a": 2}\n')
    expect(distributed(here, bucket, kind="JSONL"), [{"a": 1}, {"a": 2}], "InvalidDefinition")


@bug("express children of a Distributed Map are refused; ours are standard")
def test_the_children_of_a_distributed_map_may_be_express(here, bucket):
    expect(distributed(here, bucket, children="EXPRESS"), [1, 2], "InvalidDefinition")


# --- functions, APIs, events, permissions --------------------------------------------------------


@bug_in_a_function(
    stated(
        "a JSON body that is sent as a form, as `curl -d` does, reaches an API percent-encoded; "
        "infra/localstack/tidemill_localstack/api_bodies.py"
    ),
    "from tidemill_localstack import api_bodies; api_bodies.install()",
)
def test_an_api_gets_the_body_that_was_sent(interpreted, mend):
    found = interpreted(
        mend,
        "import json",
        "from rolo.request import restore_payload",
        "from werkzeug.test import EnvironBuilder",
        "from werkzeug.wrappers import Request",
        "sent = EnvironBuilder('/_aws/execute-api/a/api/', method='POST', data='{\"a\": 1}', "
        "content_type='application/x-www-form-urlencoded')",
        "print(json.dumps(restore_payload(Request(sent.get_environ())).decode()))",
    )
    expect(found, '{"a": 1}', "%7B%22a%22%3A+1%7D=")


@fails(stated("functions log to the group of their name, whatever LoggingConfig says; our groups have these names"))
def test_a_function_logs_to_the_group_that_it_names(interpreted):
    found = interpreted(
        "import json",
        "from types import SimpleNamespace as Namespace",
        "from localstack.services.lambda_.invocation.execution_environment import ExecutionEnvironment",
        "config = Namespace(logging_config={'LogGroup': '/of/my/own'})",
        "version = Namespace(id=Namespace(function_name='example'), config=config)",
        "print(json.dumps(ExecutionEnvironment.get_log_group_name(Namespace(function_version=version))))",
    )
    expect(found, "/of/my/own", "/aws/lambda/example")


@bug("who put an object is always the same made-up user; docs/guide/local.md says so")
def test_an_event_of_s3_tells_who_put_the_object(here):
    found, user = principal_of_a_put(here)
    expect(found, f"AWS:{user}", "AIDAJDPLRKLG7UEXAMPLE")


@bug("what a policy does not allow is not denied (the paid edition enforces IAM); docs/guide/local.md says so")
def test_a_user_without_a_policy_may_do_nothing(here, bucket):
    _, client = make_user(here)
    try:
        found = client("s3").head_bucket(Bucket=bucket)["ResponseMetadata"]["HTTPStatusCode"]
    except ClientError as error:
        found = error.response["ResponseMetadata"]["HTTPStatusCode"]
    expect(found, 403, 200)


@bug(
    "EventBridge Scheduler takes schedules and fires none (localstack/localstack#9861); schedules are rules, "
    "docs/decisions.md"
)
def test_a_schedule_fires(here):
    queue, arn = make_queue(here)
    at = datetime.now(UTC) + timedelta(seconds=1)
    here.client("scheduler").create_schedule(
        Name=unique("schedule"),
        ScheduleExpression=f"at({at:%Y-%m-%dT%H:%M:%S})",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={"Arn": arn, "RoleArn": ROLE, "Input": "{}"},
    )
    # AWS may take a minute; the other emulator looks every ten seconds.
    answer = here.client("sqs").receive_message(QueueUrl=queue, WaitTimeSeconds=12)
    expect(len(answer.get("Messages", ())), 1, 0)


@bug_as_we_start_it("an event may have any size; docs/guide/local.md says so")
def test_an_event_above_6_mb_is_refused(here):
    expect(length_of_a_large_event(here), "RequestEntityTooLargeException", 7_000_000)


@bug(
    "log lines in the embedded metric format are no metrics (localstack/localstack#10397); docs/guide/local.md says so"
)
def test_the_embedded_metric_format_makes_a_metric(here):
    expect(embedded_metric_is_counted(here), True, False)


@bug("executions are not counted; the alarm WatchingStopped in template.yaml is for AWS alone")
def test_executions_are_counted(here):
    here.execute({"StartAt": "Keep", "States": {"Keep": {"Type": "Pass", "End": True}}})
    expect(is_counted(here, "AWS/States", "ExecutionsSucceeded"), True, False)


# --- moto ----------------------------------------------------------------------------------------

#: Two writers on the same condition, held until both have looked at what is there; where the second cannot look before
#: the first has written, the first goes on alone.
RACE = """
import contextlib, json, threading
from concurrent.futures import ThreadPoolExecutor
from moto.dynamodb.models import dynamodb_backends
from moto.dynamodb.models.table import Table
from moto.dynamodb.exceptions import ConditionalCheckFailed

both, look = threading.Barrier(2), Table.get_item

def look_together(table, *arguments, **named):
    found = look(table, *arguments, **named)
    with contextlib.suppress(threading.BrokenBarrierError):
        both.wait(1)
    return found

backend = dynamodb_backends['000000000000']['us-east-1']
backend.create_table(
    'table', schema=[{'AttributeName': 'id', 'KeyType': 'HASH'}], attr=[{'AttributeName': 'id', 'AttributeType': 'S'}],
    throughput=None, global_indexes=[], indexes=[], streams=None, billing_mode='PAY_PER_REQUEST', sse_specification={},
    tags=[], deletion_protection_enabled=False, warm_throughput=None,
)
Table.get_item = look_together

def put(writer):
    item = {'id': {'S': 'only'}, 'writer': {'N': str(writer)}}
    try:
        in_turn(backend.put_item)('table', item, condition_expression='attribute_not_exists(id)')
    except ConditionalCheckFailed:
        return False
    return True

with ThreadPoolExecutor(2) as pool:
    print(json.dumps(sum(pool.map(put, range(2)))))
"""


@bug_in_a_function(
    "moto 5.1.24 (in LocalStack 4.14.0): between the look at a condition and the write another writer may come; "
    "_in_turn in infra/localstack/tidemill_localstack/dynamodb.py",
    "from tidemill_localstack.dynamodb import _in_turn as in_turn",
)
def test_of_two_writers_on_the_same_condition_one_wins(interpreted, mend):
    found = interpreted(mend or "in_turn = lambda handler: handler", RACE)
    expect(found, 1, 2)
