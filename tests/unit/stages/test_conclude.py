"""The conclude stage: which things happen at which end of a run, and in which order."""

from datetime import UTC, datetime

import pytest

from tidemill.contracts import Failure, Run, RunArtifacts, Source, StageUsage
from tidemill.rules.outcomes import outcome
from tidemill.stages.conclude import conclude

RUN = Run("ab" * 16, "churn", Source("data", "incoming/churn/a.csv", "v", "e", 1), "2026-03-04T05:06:07Z", "ada")
NOW = datetime(2026, 3, 4, 5, 6, 37, tzinfo=UTC)


class Ending:
    """Stands for the end of a run; notes what it is asked to do."""

    bucket = "artifacts"

    def __init__(self, found=None, usage=None):
        self.found = found or RunArtifacts()
        self.used = usage or {}
        self.happened = []

    def collect(self, run):
        return self.found

    def usage(self, execution, until):
        return self.used

    def record(self, document):
        self.document = document
        self.happened.append("record")

    def quarantine(self, run, reason, at):
        self.happened.append(f"quarantine: {reason}")

    def close_approval(self, run, at):
        self.happened.append("close approval")

    def publish(self, document, report, subject, message):
        self.told = (report, subject, message)
        self.happened.append("publish")


@pytest.mark.parametrize(
    ("failure", "happens"),
    [
        (None, ["record", "publish"]),
        (Failure("validate", "DataRefused", "no rows"), ["record", "quarantine: no rows", "publish"]),
        (Failure("evaluate", "GateRefused", "too low"), ["record", "publish"]),
        (Failure("approve", "ApprovalRejected", "no"), ["record", "close approval", "publish"]),
        (Failure("train", "States.Timeout", ""), ["record", "publish"]),
    ],
    ids=["live", "refused data", "refused by gate", "rejected", "failed"],
)
def test_a_run_is_recorded_first_and_told_last(failure, happens):
    ending = Ending()
    conclude(RUN, outcome(failure), "arn:execution", "https://api/v1", ending, NOW)
    assert ending.happened == happens


def test_the_document_and_the_report_say_how_it_ended():
    ending = Ending(RunArtifacts(version=3), {"train": StageUsage(1, 10.0, 1024, "arm64", 1)})
    conclude(RUN, outcome(None), "arn:execution", "https://api/v1", ending, NOW)
    assert (ending.document.status, ending.document.seconds) == ("LIVE", 30)
    assert ending.document.endpoint == "https://api/v1/v1/models/churn:predict"
    assert ending.document.report == f"s3://artifacts/runs/{RUN.run_id}/report.html"
    assert ending.document.model.version == 3
    assert ending.document.cost.by_stage["train"].gb_seconds == 10
    report, subject, message = ending.told
    assert "churn version 3 is live" in subject
    assert RUN.run_id in message
    assert "churn" in report


def test_an_unknown_cost_is_not_zero():
    ending = Ending()
    conclude(RUN, outcome(None), "arn:execution", "https://api/v1", ending, NOW)
    assert ending.document.cost is None
