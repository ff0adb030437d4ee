"""`tidemill logs`: the lines of a run in the groups of its stages, and the traceback that names no run."""

import json
from datetime import UTC, datetime

import pytest
from botocore.exceptions import ClientError

RUN = "3f" * 16
AT = int(datetime(2026, 11, 24, 9, 0, 1, tzinfo=UTC).timestamp() * 1000)


class Pages:
    """A client with one paginated operation."""

    def __init__(self, page):
        self._page, self.asked = page, []

    def get_paginator(self, operation):
        return self

    def paginate(self, **given):
        self.asked.append(given)
        return [self._page(**given)]


def line(stage, message, invocation="i-1", level="INFO", **more):
    fields = {"level": level, "location": "app:9", "message": message, "service": stage, "run_id": RUN}
    return json.dumps(fields | {"function_request_id": invocation, "cold_start": True} | more)


GROUPS = {
    "/aws/lambda/tidemill-validate": [
        (AT + 20, line("validate", "read the table", rows=5000)),
        (AT + 10, "START RequestId: i-1"),
        (AT + 15, line("validate", "another run", "i-7").replace(RUN, "ee" * 16)),
    ],
    "/aws/lambda/tidemill-train": [
        (AT + 30, line("train", "cannot fit", "i-2", "ERROR", exception="Traceback:\n  ValueError")),
        (AT + 31, "i-2 Task timed out after 900.00 seconds"),
        (AT + 32, "i-9 Task timed out after 900.00 seconds"),
    ],
}


@pytest.fixture
def logged(world, a_document):
    def events(logGroupName, startTime, filterPattern=""):  # noqa: N803
        if logGroupName not in GROUPS:
            raise ClientError({"Error": {"Code": "ResourceNotFoundException"}}, "FilterLogEvents")
        wanted = filterPattern.strip('"')
        found = [{"timestamp": at, "message": text} for at, text in GROUPS[logGroupName] if at >= startTime]
        return {"events": [event for event in found if wanted in event["message"]]}

    names = {"ValidateFunction": "tidemill-validate", "TrainFunction": "tidemill-train", "DeployFunction": "tidemill-d"}
    resources = [
        {"LogicalResourceId": logical, "ResourceType": "AWS::Lambda::Function", "PhysicalResourceId": name}
        for logical, name in names.items()
    ]
    resources.append(
        {"LogicalResourceId": "DataBucket", "ResourceType": "AWS::S3::Bucket", "PhysicalResourceId": "tidemill-data"}
    )
    world.clients["cloudformation"] = Pages(lambda **_: {"StackResourceSummaries": resources})
    world.clients["logs"] = Pages(events)
    world.conclude(a_document(RUN))
    return world


def test_lines_of_a_run_in_the_order_of_time(logged):
    code, out, _ = logged.tidemill("logs", RUN[:8])
    assert code == 0
    assert [text.split()[:3] for text in out.splitlines()] == [
        ["09:00:01", "validate", "START"],
        ["09:00:01", "validate", "read"],
        ["09:00:01", "train", "cannot"],
        ["Traceback:"],
        ["ValueError"],
        ["09:00:01", "train", "i-2"],
    ]
    assert "rows=5000" in out
    assert "another run" not in out


def test_one_stage(logged):
    _, out, _ = logged.tidemill("logs", RUN, "--stage", "validate")
    assert "train" not in out
    assert "read the table" in out


def test_stage_without_a_run_shows_its_lines_whatever_they_are_about(logged, monkeypatch):
    monkeypatch.setattr("time.time", lambda: AT / 1000 + 60)
    _, out, _ = logged.tidemill("logs", "--stage", "validate")
    assert "another run" in out


def test_json_keeps_the_fields(logged):
    _, out, _ = logged.tidemill("logs", RUN, "--stage", "validate", "--json")
    lines = json.loads(out)
    assert [one["line"] if isinstance(one["line"], str) else one["line"]["message"] for one in lines] == [
        "START RequestId: i-1",
        "read the table",
    ]


def test_function_that_was_never_called_has_no_lines(logged):
    code, out, err = logged.tidemill("logs", RUN, "--stage", "deploy")
    assert (code, out) == (0, "")
    assert "No line was logged" in err


def test_unknown_stage_names_the_stages(logged):
    code, _, err = logged.tidemill("logs", RUN, "--stage", "tarin")
    assert code == 1
    assert "the stages are deploy, train, validate" in err
