"""What stands in for LocalStack's downloads: DynamoDB by moto, JSONata in Python."""

from __future__ import annotations

import json
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

pytestmark = pytest.mark.integration

STATES = {
    "QueryLanguage": "JSONata",
    "StartAt": "Keep",
    "States": {
        "Keep": {
            "Type": "Pass",
            "Assign": {"kept": "{% {'said': $states.input.text, 'numbers': $states.input.numbers} %}"},
            "Next": "Call",
        },
        "Call": {
            "Type": "Task",
            "Resource": "arn:aws:states:::lambda:invoke",
            "Arguments": {"FunctionName": "{% $states.input.function %}", "Payload": {"do": "{% $kept.said %}"}},
            "Output": "{% $states.result.Payload %}",
            "Catch": [
                {"ErrorEquals": ["Tired"], "Output": {"caught": "{% $states.errorOutput.Error %}"}, "Next": "Sum"}
            ],
            "Next": "Sum",
        },
        "Sum": {
            "Type": "Pass",
            "Output": {
                "said": "{% $kept.said %}",
                "sum": "{% $sum($kept.numbers) %}",
                "large": "{% [$kept.numbers[$ > 1]] %}",
                "nothing": "{% $exists($states.input.no_such_field) %}",
                "input": "{% $states.input %}",
            },
            "End": True,
        },
    },
}


@pytest.fixture
def table(here) -> str:
    name = f"t-{uuid.uuid4().hex[:8]}"
    here.client("dynamodb").create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    return name


def test_of_many_conditional_writes_one_wins(here, table):
    client = here.client("dynamodb")

    def write(writer: int) -> bool:
        try:
            client.put_item(
                TableName=table,
                Item={"pk": {"S": "only"}, "writer": {"N": str(writer)}},
                ConditionExpression="attribute_not_exists(pk)",
            )
        except client.exceptions.ConditionalCheckFailedException:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(write, range(40))) == 1


def test_no_step_of_parallel_counters_is_lost(here, table):
    client = here.client("dynamodb")

    def count(_: int) -> None:
        client.update_item(
            TableName=table,
            Key={"pk": {"S": "counter"}},
            UpdateExpression="ADD n :one",
            ExpressionAttributeValues={":one": {"N": "1"}},
        )

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(count, range(100)))
    assert client.get_item(TableName=table, Key={"pk": {"S": "counter"}})["Item"]["n"]["N"] == "100"


@pytest.mark.parametrize("text", ["plain", 'with "quotes", a \\ and\na new line', "ü $states % {"])
def test_a_state_machine_with_jsonata_runs_and_texts_stay_as_they_are(here, function, text):
    name = function("def handler(event, context): return event\n")
    found = here.execute(STATES, {"text": text, "numbers": [1, 2, 3.5], "function": name})
    assert found["status"] == "SUCCEEDED", found
    assert json.loads(found["output"]) == {
        "said": text,
        "sum": 6.5,
        "large": [2, 3.5],
        "nothing": False,
        "input": {"do": text},
    }


def test_an_error_class_reaches_catch(here, function):
    name = function("class Tired(Exception): pass\ndef handler(event, context): raise Tired('no more')\n")
    found = here.execute(STATES, {"text": "a", "numbers": [1], "function": name})
    assert json.loads(found["output"])["input"] == {"caught": "Tired"}


def test_an_expression_without_a_value_is_a_query_evaluation_error(here):
    definition = {
        "QueryLanguage": "JSONata",
        "StartAt": "Wrong",
        "States": {"Wrong": {"Type": "Pass", "Output": "{% $states.input.no_such_field %}", "End": True}},
    }
    found = here.execute(definition, {})
    assert (found["status"], found["error"]) == ("FAILED", "States.QueryEvaluationError")
