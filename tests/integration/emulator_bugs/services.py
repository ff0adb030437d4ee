"""What reproductions for either emulator make and look at."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.exceptions import ClientError

from ..emulators import PATIENCE, ROLE, Here, packed

SERVICES = ["apigateway.amazonaws.com", "lambda.amazonaws.com", "states.amazonaws.com"]


def unique(kind: str) -> str:
    """A name that nothing has yet."""
    return f"{kind}-{uuid.uuid4().hex[:8]}"


def within(seconds: float, condition: Callable[[], Any]) -> bool:
    """Whether something comes true in time; that it does not is what an emulator with a bug shows."""
    deadline = time.monotonic() + seconds
    while not (found := bool(condition())) and time.monotonic() < deadline:
        time.sleep(0.05)
    return found


def wait_until(condition: Callable[[], Any]) -> None:
    """Wait for what comes on every emulator. Raises TimeoutError."""
    if not within(PATIENCE, condition):
        raise TimeoutError


# --- identities ----------------------------------------------------------------------------------


def policy(**statement: Any) -> str:
    """A policy that allows one statement."""
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement}]})


def make_role(here: Here, name: str) -> str:
    """The ARN of a new role that services may take and that may do nothing."""
    trust = policy(Principal={"Service": SERVICES}, Action="sts:AssumeRole")
    role: str = here.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    return role


def prepared(here: Here) -> Here:
    """The emulator, with the role that functions and state machines of the tests have; it may do everything."""
    name = ROLE.rsplit("/", 1)[1]
    make_role(here, name)
    here.client("iam").put_role_policy(RoleName=name, PolicyName="all", PolicyDocument=policy(Action="*", Resource="*"))
    return here


def make_user(here: Here, *actions: str) -> tuple[str, Callable[[str], Any]]:
    """The id of a new user who may do these actions, and what makes clients that act as the user."""
    iam, name = here.client("iam"), unique("user")
    identifier: str = iam.create_user(UserName=name)["User"]["UserId"]
    if actions:
        iam.put_user_policy(
            UserName=name, PolicyName="actions", PolicyDocument=policy(Action=list(actions), Resource="*")
        )
    key = iam.create_access_key(UserName=name)["AccessKey"]
    session = boto3.Session(key["AccessKeyId"], key["SecretAccessKey"], region_name="us-east-1")
    return identifier, lambda service: session.client(service, endpoint_url=here.endpoint)


# --- buckets, queues, metrics --------------------------------------------------------------------


def make_bucket(here: Here, **objects: bytes) -> str:
    """A bucket with objects."""
    name = unique("bucket")
    here.client("s3").create_bucket(Bucket=name)
    for key, body in objects.items():
        here.client("s3").put_object(Bucket=name, Key=key, Body=body)
    return name


def make_queue(here: Here) -> tuple[str, str]:
    """URL and ARN of a queue that every service may send to."""
    sqs = here.client("sqs")
    queue = sqs.create_queue(QueueName=unique("queue"))["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    may = policy(Principal={"Service": "s3.amazonaws.com"}, Action="sqs:SendMessage", Resource=arn)
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": may})
    return queue, arn


def principal_of_a_put(here: Here) -> tuple[str, str]:
    """Who put an object by S3's event, and the id of the user who did."""
    bucket, (queue, arn) = make_bucket(here), make_queue(here)
    here.client("s3").put_bucket_notification_configuration(
        Bucket=bucket,
        NotificationConfiguration={"QueueConfigurations": [{"QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}]},
    )
    identifier, client = make_user(here, "s3:PutObject")
    client("s3").put_object(Bucket=bucket, Key="key", Body=b"")
    found: list[str] = []

    def received() -> list[str]:
        for message in here.client("sqs").receive_message(QueueUrl=queue, WaitTimeSeconds=1).get("Messages", ()):
            records = json.loads(message["Body"]).get("Records", ())  # S3 sends a test event first
            found.extend(record["userIdentity"]["principalId"] for record in records)
        return found

    wait_until(received)
    return found[0], identifier


def is_counted(here: Here, namespace: str, metric: str) -> bool:
    """Whether there is a metric, at once or soon."""
    return within(
        0.5, lambda: here.client("cloudwatch").list_metrics(Namespace=namespace, MetricName=metric)["Metrics"]
    )


def log(here: Here, group: str, message: str) -> None:
    """Write a line to a new log group's only stream."""
    logs = here.client("logs")
    logs.create_log_stream(logGroupName=group, logStreamName="stream")
    event = {"timestamp": int(time.time() * 1000), "message": message}
    logs.put_log_events(logGroupName=group, logStreamName="stream", logEvents=[event])


def embedded_metric_is_counted(here: Here) -> bool:
    """Whether a log line in the embedded metric format makes a metric."""
    group, namespace = unique("group"), unique("namespace")
    here.client("logs").create_log_group(logGroupName=group)
    directive = {"Namespace": namespace, "Dimensions": [[]], "Metrics": [{"Name": "count"}]}
    line = {"_aws": {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [directive]}, "count": 3}
    log(here, group, json.dumps(line))
    return is_counted(here, namespace, "count")


# --- functions and state machines ----------------------------------------------------------------


def length_of_a_large_event(here: Here) -> Any:
    """How long an event of 7 MB is to the function, or the code of the error that refuses it."""
    name = here.function("def handler(event, context): return len(event)\n")
    try:
        return here.call(name, "x" * 7_000_000).value
    except ClientError as error:
        return error.response["Error"]["Code"]


def jsonata(**states: dict[str, Any]) -> dict[str, Any]:
    """A definition that begins with the first state."""
    return {"QueryLanguage": "JSONata", "StartAt": next(iter(states)), "States": states}


def outcome(execution: dict[str, Any]) -> Any:
    """The output of an execution that succeeded, the error of another."""
    return json.loads(execution["output"]) if execution["status"] == "SUCCEEDED" else execution["error"]


# --- CloudFormation ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Deployed:
    """A new stack: its status, or the code of the error that refused it; what its events say; each resource's `Ref`."""

    status: str
    reasons: list[str]
    refs: dict[str, str]


def deploy(here: Here, resources: dict[str, Any], **template: Any) -> Deployed:
    """Make a stack of resources and wait until it is there, or is not."""
    cloudformation, name = here.client("cloudformation"), unique("stack")
    outputs = {resource: {"Value": {"Ref": resource}} for resource in resources}
    try:
        cloudformation.create_stack(
            StackName=name,
            TemplateBody=json.dumps({"Resources": resources, "Outputs": outputs, **template}),
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
        )
    except ClientError as error:
        return Deployed(error.response["Error"]["Code"], [], {})

    def described() -> dict[str, Any]:
        stack: dict[str, Any] = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
        return stack

    wait_until(lambda: not described()["StackStatus"].endswith("IN_PROGRESS"))
    events = cloudformation.describe_stack_events(StackName=name)["StackEvents"]
    return Deployed(
        status=described()["StackStatus"],
        reasons=[event.get("ResourceStatusReason", "") for event in events],
        refs={output["OutputKey"]: output["OutputValue"] for output in described().get("Outputs", ())},
    )


def lifecycle_rules_of_a_template(here: Here) -> Any:
    """How many lifecycle rules a bucket has whose template gives it one, or the code of the error."""
    rules = [{"Id": "old", "Status": "Enabled", "ExpirationInDays": 3}]
    properties = {"BucketName": unique("bucket"), "LifecycleConfiguration": {"Rules": rules}}
    bucket = deploy(here, {"Bucket": {"Type": "AWS::S3::Bucket", "Properties": properties}}).refs["Bucket"]
    try:
        return len(here.client("s3").get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"])
    except ClientError as error:
        return error.response["Error"]["Code"]


def function_of_a_template(here: Here, **properties: Any) -> str:
    """The name of a function with these properties."""
    bucket = make_bucket(here)
    here.client("s3").put_object(
        Bucket=bucket, Key="code", Body=packed(app="def handler(event, context): return event\n")
    )
    basis = {
        "Runtime": "python3.13",
        "Handler": "app.handler",
        "Role": ROLE,
        "Code": {"S3Bucket": bucket, "S3Key": "code"},
    }
    resource = {"Type": "AWS::Lambda::Function", "Properties": {**basis, **properties}}
    return deploy(here, {"Function": resource}).refs["Function"]


def reserved_concurrency_of_a_template(here: Here) -> int | None:
    """The reserved concurrency of a function whose template says 1."""
    name = function_of_a_template(here, ReservedConcurrentExecutions=1)
    found: int | None = (
        here.client("lambda").get_function_concurrency(FunctionName=name).get("ReservedConcurrentExecutions")
    )
    return found


def state_machine_in_yaml(here: Here) -> Deployed:
    """A stack with a state machine whose definition is a file in YAML."""
    bucket = make_bucket(here, definition=b"StartAt: Keep\nStates:\n  Keep: {Type: Pass, End: true}\n")
    properties = {"RoleArn": ROLE, "DefinitionS3Location": {"Bucket": bucket, "Key": "definition"}}
    return deploy(here, {"Machine": {"Type": "AWS::StepFunctions::StateMachine", "Properties": properties}})
