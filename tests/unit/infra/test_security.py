"""What AWS makes of the template: encryption, permissions, retention, alarms, tags."""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tidemill import keys

from .conftest import MACHINES, Json, of_type, states, substitutions  # noqa: F401

#: Actions that AWS knows no resources for.
WITHOUT_RESOURCES = {
    *("states:SendTaskSuccess", "states:SendTaskFailure"),  # the token says which task
    *("xray:PutTraceSegments", "xray:PutTelemetryRecords", "xray:GetSamplingRules", "xray:GetSamplingTargets"),
    *("logs:CreateLogDelivery", "logs:GetLogDelivery", "logs:UpdateLogDelivery", "logs:DeleteLogDelivery"),
    *("logs:ListLogDeliveries", "logs:PutResourcePolicy", "logs:DescribeResourcePolicies", "logs:DescribeLogGroups"),
}
UNTAGGABLE = {
    *("AWS::ApiGateway::Deployment", "AWS::ApiGateway::UsagePlanKey", "AWS::Lambda::EventInvokeConfig"),
    *("AWS::Lambda::LayerVersion", "AWS::Lambda::Permission", "AWS::S3::BucketPolicy", "AWS::SNS::Subscription"),
    *("AWS::SNS::TopicPolicy", "AWS::SQS::QueuePolicy"),
    "AWS::Lambda::EventSourceMapping",  # SAM passes no tags on to it
    *("AWS::Events::Rule", "AWS::CloudWatch::Dashboard"),
}
LAYERS = {
    **{stage: {"Data"} for stage in ("validate", "prepare", "plan", "ingest", "actuals", "retrain")},
    **{stage: {"Serving"} for stage in ("evaluate", "predict", "score", "shadow", "summarize", "monitor", "rollout")},
    "train": {"Science"},
}
ARCHITECTURES = {"Data": "DataArchitecture", "Serving": "ServingArchitecture", "Science": "TrainArchitecture"}
#: What the schedule starts the monitoring state machine as; SAM makes it.
SCHEDULE_ROLE = "MonitoringStateMachineScheduleRole"
DATA = "${AWS::StackName}-data-${AWS::AccountId}-${AWS::Region}"


def statements(role: Json) -> Iterator[Json]:
    for policy in role["Policies"]:
        yield from policy["PolicyDocument"]["Statement"]


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


# --- roles ---------------------------------------------------------------------------------------


def test_every_function_and_state_machine_has_a_role_of_its_own(resources: dict[str, Json]) -> None:
    users = {
        **{name: function["Role"] for name, function in of_type(resources, "AWS::Lambda::Function").items()},
        **{name: m["RoleArn"] for name, m in of_type(resources, "AWS::StepFunctions::StateMachine").items()},
    }
    roles = [role["Fn::GetAtt"].removesuffix(".Arn") for role in users.values()]
    assert sorted([*roles, SCHEDULE_ROLE]) == sorted(of_type(resources, "AWS::IAM::Role"))
    assert len(set(roles)) == len(roles)


def test_roles_have_nothing_but_their_own_statements(resources: dict[str, Json]) -> None:
    for name, role in of_type(resources, "AWS::IAM::Role").items():
        assert "ManagedPolicyArns" not in role, name
        trusted = [s["Principal"]["Service"] for s in role["AssumeRolePolicyDocument"]["Statement"]]
        service = "states" if "StateMachine" in name else "lambda"
        assert trusted == ([["events.amazonaws.com"]] if name == SCHEDULE_ROLE else [f"{service}.amazonaws.com"])


def test_no_action_is_a_wildcard(resources: dict[str, Json]) -> None:
    for name, role in of_type(resources, "AWS::IAM::Role").items():
        for statement in statements(role):
            assert statement["Effect"] == "Allow"
            for action in as_list(statement["Action"]):
                assert "*" not in action, f"{name} {action}"


def test_every_grant_names_its_resources(resources: dict[str, Json]) -> None:
    for name, role in of_type(resources, "AWS::IAM::Role").items():
        for statement in statements(role):
            if statement["Resource"] == "*":
                assert set(as_list(statement["Action"])) <= WITHOUT_RESOURCES, name


def test_objects_are_granted_by_prefix(resources: dict[str, Json]) -> None:
    for name, role in of_type(resources, "AWS::IAM::Role").items():
        for statement in statements(role):
            if any(action.startswith("s3:") and action != "s3:ListBucket" for action in as_list(statement["Action"])):
                for resource in as_list(statement["Resource"]):
                    bucket, _, key = resource["Fn::Sub"].removeprefix("arn:${AWS::Partition}:s3:::").partition("/")
                    assert bucket in ("${ArtifactBucket.Arn}", DATA), name
                    assert key.endswith(("/*", "/manifest.json", "/mask.key", "/link.key")), name
                    assert not key.startswith("*"), name


def test_a_function_writes_to_its_own_log_only(resources: dict[str, Json]) -> None:
    for name, role in of_type(resources, "AWS::IAM::Role").items():
        if "StateMachine" not in name:
            logs = [s for s in statements(role) if "logs:PutLogEvents" in s["Action"]]
            assert [s["Resource"] for s in logs] == [{"Fn::GetAtt": name.replace("Role", "Logs.Arn")}]


def test_only_who_has_to_touches_the_data_bucket(resources: dict[str, Json]) -> None:
    touching = {
        name.removesuffix("Role").lower()
        for name, role in of_type(resources, "AWS::IAM::Role").items()
        if DATA in json.dumps(role)
    }
    assert touching == {"intake", "validate", "conclude", "plan", "merge", "ingest", "actuals", "retrain"}
    deleting = {name for name, role in of_type(resources, "AWS::IAM::Role").items() if "Delete" in json.dumps(role)}
    assert deleting == {
        "IntakeRole",
        "ConcludeRole",
        "CaptureRole",
        "ActualsRole",
        "ApiRole",
        "ShadowRole",
        "MonitoringStateMachineRole",
        "RolloutStateMachineRole",
        "TrainingStateMachineRole",
        "ScoringStateMachineRole",
        "FeaturesStateMachineRole",
    }


def test_only_what_masks_has_the_secret_and_only_validate_makes_it(resources: dict[str, Json]) -> None:
    having: dict[str, set[str]] = {"s3:GetObject": set(), "s3:PutObject": set()}
    for name, role in of_type(resources, "AWS::IAM::Role").items():
        for statement in statements(role):
            for resource in as_list(statement["Resource"]):
                pattern = resource.get("Fn::Sub", "") if isinstance(resource, dict) else ""
                granted = pattern.removeprefix("${ArtifactBucket.Arn}/")
                if granted != pattern and fnmatch.fnmatchcase(keys.mask_key(), granted):
                    for action in as_list(statement["Action"]):
                        having.setdefault(action, set()).add(name)
    reading = {"ValidateRole", "PredictRole", "ShadowRole", "PlanRole", "ActualsRole"}
    assert having == {"s3:GetObject": reading, "s3:PutObject": {"ValidateRole"}}


def test_a_state_machine_may_call_what_its_states_call(resources: dict[str, Json], template: Json) -> None:
    for machine in ("Training", "Scoring", "Features", "Monitoring", "Rollout"):
        declared = template["Resources"][f"{machine}StateMachine"]["Properties"]["DefinitionSubstitutions"]
        called = {value["Fn::GetAtt"] for value in declared.values() if "Fn::GetAtt" in value}
        role = resources[f"{machine}StateMachineRole"]["Properties"]
        granted = [
            resource["Fn::GetAtt"]
            for statement in statements(role)
            if "lambda:InvokeFunction" in as_list(statement["Action"])
            for resource in as_list(statement["Resource"])
        ]
        assert set(granted) == called


# --- functions -----------------------------------------------------------------------------------


def test_functions_are_as_lambda_wants_them(resources: dict[str, Json]) -> None:
    for name, function in of_type(resources, "AWS::Lambda::Function").items():
        assert function["Runtime"] == "python3.13"
        assert function["Handler"] == "app.handler"
        assert 3 <= function["Timeout"] <= 900
        assert function["LoggingConfig"] == {"LogGroup": {"Ref": name.replace("Function", "Logs")}}
        assert function["TracingConfig"] == {"Mode": "Active"}


def test_the_api_is_answered_in_time(functions: dict[str, Json]) -> None:
    assert functions["predict"]["Timeout"] <= 29


def test_functions_have_their_layers_and_the_architecture_of_these(functions: dict[str, Json]) -> None:
    for stage, function in functions.items():
        layers = [layer["Ref"].removesuffix("Layer") for layer in function["Layers"]]
        assert set(layers) == {"Core", "Runtime"} | LAYERS.get(stage, set()), stage
        (architecture,) = function["Architectures"]
        expected = [ARCHITECTURES[name] for name in layers if name in ARCHITECTURES] or ["ControlArchitecture"]
        assert [architecture["Ref"]] == expected, stage


def test_an_event_that_cannot_be_handled_is_kept(resources: dict[str, Json]) -> None:
    configured = of_type(resources, "AWS::Lambda::EventInvokeConfig").values()
    stages = {config["FunctionName"]["Ref"].removesuffix("Function") for config in configured}
    assert stages == {"Intake", "Actuals", "Retrain"}
    for config in configured:
        destination = config["DestinationConfig"]["OnFailure"]["Destination"]
        assert destination == {"Fn::GetAtt": "AsyncDeadLetterQueue.Arn"}
    for stage in stages:
        sending = [s for s in statements(resources[f"{stage}Role"]["Properties"]) if "sqs:SendMessage" in s["Action"]]
        assert [s["Resource"] for s in sending] == [destination]


def test_captures_are_taken_again_and_then_kept(resources: dict[str, Json]) -> None:
    for stage in ("Capture", "Shadow"):
        queue = resources[f"{stage}Queue"]["Properties"]
        assert queue["RedrivePolicy"]["deadLetterTargetArn"] == {"Fn::GetAtt": "CaptureDeadLetterQueue.Arn"}
        assert queue["VisibilityTimeout"] >= 6 * resources[f"{stage}Function"]["Properties"]["Timeout"]
    mappings = of_type(resources, "AWS::Lambda::EventSourceMapping").values()
    assert {m["FunctionName"]["Ref"]: m["EventSourceArn"]["Fn::GetAtt"] for m in mappings} == {
        "CaptureFunction": "CaptureQueue.Arn",
        "ShadowFunction": "ShadowQueue.Arn",
    }
    assert all(mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"] for mapping in mappings)


# --- what is kept --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["DataBucket", "ArtifactBucket"])
def test_a_bucket_is_closed_encrypted_versioned_and_outlives_the_stack(resources: dict[str, Json], name: str) -> None:
    bucket = resources[name]["Properties"]
    assert resources[name]["DeletionPolicy"] == "RetainExceptOnCreate"
    assert resources[name]["UpdateReplacePolicy"] == "Retain"
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert len(bucket["PublicAccessBlockConfiguration"]) == 4
    (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
    assert bucket["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    rules = {rule["Id"]: rule for rule in bucket["LifecycleConfiguration"]["Rules"]}
    assert rules["old-versions"]["NoncurrentVersionExpiration"] == {"NoncurrentDays": {"Ref": "OldVersionDays"}}
    assert "AbortIncompleteMultipartUpload" in rules["broken-uploads"]
    assert all(rule["Status"] == "Enabled" for rule in rules.values())


def test_captures_expire_and_nothing_else_does(resources: dict[str, Json]) -> None:
    for name in ("DataBucket", "ArtifactBucket"):
        rules = resources[name]["Properties"]["LifecycleConfiguration"]["Rules"]
        expiring = {rule.get("Prefix"): rule["ExpirationInDays"] for rule in rules if "ExpirationInDays" in rule}
        assert expiring == ({"captures/": {"Ref": "CaptureDays"}} if name == "ArtifactBucket" else {})


def test_requests_without_tls_are_denied_on_aws(resources: dict[str, Json]) -> None:
    policies = {n: r for n, r in resources.items() if r["Type"] in ("AWS::S3::BucketPolicy", "AWS::SQS::QueuePolicy")}
    assert {p["Properties"].get("Bucket", {}).get("Ref") for p in policies.values()} == {
        "DataBucket",
        "ArtifactBucket",
        None,
    }
    for name, policy in policies.items():
        assert policy["Condition"] == "OnAws", name
        (statement,) = policy["Properties"]["PolicyDocument"]["Statement"]
        assert statement["Effect"] == "Deny"
        assert statement["Principal"] == "*"
        assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert {q["Ref"] for q in resources["QueuePolicy"]["Properties"]["Queues"]} == set(
        of_type(resources, "AWS::SQS::Queue")
    )
    _, denial = resources["TopicPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert denial["Fn::If"][0] == "OnAws"
    assert denial["Fn::If"][1]["Effect"] == "Deny"


def test_uploads_reach_the_function_for_their_prefix(resources: dict[str, Json]) -> None:
    configurations = resources["DataBucket"]["Properties"]["NotificationConfiguration"]["LambdaConfigurations"]
    reached = {
        rule["Value"]: c["Function"]["Fn::GetAtt"][0]
        for c in configurations
        for rule in c["Filter"]["S3Key"]["Rules"]
        if rule["Name"] == "prefix"
    }
    intake = dict.fromkeys(("features/", "incoming/", "score/"), "IntakeFunction")
    assert reached == intake | {"actuals/": "ActualsFunction"}
    assert {c["Event"] for c in configurations} == {"s3:ObjectCreated:*"}


def test_the_registry_can_be_brought_back(resources: dict[str, Json]) -> None:
    table = resources["Table"]["Properties"]
    assert resources["Table"]["DeletionPolicy"] == "RetainExceptOnCreate"
    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert table["SSESpecification"] == {"SSEEnabled": True}
    assert table["BillingMode"] == "PAY_PER_REQUEST"
    assert [key["AttributeName"] for key in table["KeySchema"]] == ["pk", "sk"]
    (index,) = table["GlobalSecondaryIndexes"]
    assert index["IndexName"] == "gsi1"
    assert [key["AttributeName"] for key in index["KeySchema"]] == ["gsi1pk", "gsi1sk"]
    assert index["Projection"] == {"ProjectionType": "ALL"}


def test_the_online_table_costs_nothing_while_idle_and_outlives_the_stack(resources: dict[str, Json]) -> None:
    table = resources["FeaturesTable"]["Properties"]
    assert resources["FeaturesTable"]["DeletionPolicy"] == "RetainExceptOnCreate"
    assert table["BillingMode"] == "PAY_PER_REQUEST"
    assert table["SSESpecification"] == {"SSEEnabled": True}
    assert table["KeySchema"] == [{"AttributeName": "entity", "KeyType": "HASH"}]
    assert "TimeToLiveSpecification" not in table
    granted = {
        (name.removesuffix("Role").lower(), action)
        for name, role in of_type(resources, "AWS::IAM::Role").items()
        for statement in statements(role)
        if statement["Resource"] == {"Fn::GetAtt": "FeaturesTable.Arn"}
        for action in as_list(statement["Action"])
    }
    reading = {(stage, "dynamodb:BatchGetItem") for stage in ("predict", "shadow")}
    assert granted == reading | {("materialize", "dynamodb:BatchWriteItem")}


def test_queues_and_topic_are_encrypted(resources: dict[str, Json]) -> None:
    for queue in of_type(resources, "AWS::SQS::Queue").values():
        assert queue["SqsManagedSseEnabled"] is True
    assert resources["Topic"]["Properties"]["KmsMasterKeyId"] == {"Ref": "TopicKey"}
    for name, role in of_type(resources, "AWS::IAM::Role").items():
        granted = [action for statement in statements(role) for action in as_list(statement["Action"])]
        assert ("sns:Publish" in granted) == ("kms:GenerateDataKey" in granted), name


def test_logs_are_not_kept_for_ever(resources: dict[str, Json]) -> None:
    for group in of_type(resources, "AWS::Logs::LogGroup").values():
        assert group["RetentionInDays"] == {"Ref": "LogDays"}


def test_state_machines_log_and_trace(resources: dict[str, Json]) -> None:
    for name, machine in of_type(resources, "AWS::StepFunctions::StateMachine").items():
        assert machine["LoggingConfiguration"]["Level"] == "ALL"
        assert machine["LoggingConfiguration"]["IncludeExecutionData"] is False
        (destination,) = machine["LoggingConfiguration"]["Destinations"]
        assert destination["CloudWatchLogsLogGroup"]["LogGroupArn"] == {"Fn::GetAtt": f"{name}Logs.Arn"}
        assert machine["TracingConfiguration"] == {"Enabled": True}


# --- alarms and tags -----------------------------------------------------------------------------


def test_a_failure_of_any_part_raises_an_alarm(
    template: Json, resources: dict[str, Json], functions: dict[str, Json]
) -> None:
    alarms = of_type(resources, "AWS::CloudWatch::Alarm").values()
    watched = {(a["MetricName"], json.dumps(a["Dimensions"][0]["Value"])) for a in alarms}
    # A stage that a state machine calls is watched through its executions: what it refuses is an error to Lambda, too.
    declared = [template["Resources"][f"{m.capitalize()}StateMachine"]["Properties"] for m in MACHINES]
    called = {name for machine in declared for name in machine["DefinitionSubstitutions"] if name.endswith("Function")}
    watched_directly = {f"{stage.capitalize()}Function" for stage in functions} - called
    errors = [a for a in alarms if (a["Namespace"], a["MetricName"]) == ("AWS/Lambda", "Errors")]
    assert {a["Dimensions"][0]["Value"]["Ref"] for a in errors} == watched_directly
    for machine in ("Training", "Scoring", "Features", "Monitoring", "Rollout"):
        assert ("ExecutionsFailed", json.dumps({"Ref": f"{machine}StateMachine"})) in watched
    for queue in ("CaptureDeadLetterQueue", "AsyncDeadLetterQueue"):
        assert ("ApproximateNumberOfMessagesVisible", json.dumps({"Fn::GetAtt": f"{queue}.QueueName"})) in watched
    assert ("5XXError", json.dumps({"Ref": "AWS::StackName"})) in watched
    for alarm in alarms:
        assert alarm["AlarmActions"] == [{"Ref": "Topic"}]
        silence_is_bad = alarm["AlarmName"]["Fn::Sub"].endswith("-WatchingStopped")
        assert alarm["TreatMissingData"] == ("breaching" if silence_is_bad else "notBreaching")


def test_alarms_may_publish_to_the_encrypted_topic(resources: dict[str, Json]) -> None:
    for policy in (
        resources["TopicPolicy"]["Properties"]["PolicyDocument"],
        resources["TopicKey"]["Properties"]["KeyPolicy"],
    ):
        assert any(s.get("Principal") == {"Service": "cloudwatch.amazonaws.com"} for s in policy["Statement"])


def test_everything_is_tagged(resources: dict[str, Json]) -> None:
    untagged = []
    for name, resource in resources.items():
        if resource["Type"] not in UNTAGGABLE and name != SCHEDULE_ROLE:
            tags = resource["Properties"].get("Tags", [])
            pairs = tags.items() if isinstance(tags, dict) else ((tag["Key"], tag["Value"]) for tag in tags)
            if not {("project", "tidemill")} <= {(key, str(value)) for key, value in pairs}:
                untagged.append((name, resource["Type"]))
    assert untagged == []
