"""A declared world for the verbs: buckets, registry, executions and endpoint that hold what a test says."""

import dataclasses
import hashlib
from collections import defaultdict
from datetime import UTC, datetime, timedelta

import pytest

from tidemill import contracts, keys, rollout_plan
from tidemill.aws.executions import Execution, Step
from tidemill.aws.objects import Head
from tidemill.aws.promotion import Promotion, Rollback
from tidemill.aws.registry import ApprovalRecord, RunRecord, VersionRecord
from tidemill.aws.registry_table import AuditEvent
from tidemill.contracts import (
    CandidateResult,
    Check,
    Cost,
    Coverage,
    DatasetRef,
    Evaluation,
    Gate,
    InputField,
    Interval,
    Lineage,
    ModelRef,
    Parity,
    RunDocument,
    Signature,
    SliceMetrics,
    Source,
    Spread,
    StageCost,
)
from tidemill.errors import NotFound
from tidemill.release_contracts import Freeze
from tidemill_cli import follow, main
from tidemill_cli.session import Session

DATA, ARTIFACTS = "tidemill-data", "tidemill-artifacts"
MACHINE = "arn:aws:states:us-east-1:000000000000:stateMachine:tidemill-{}"
OUTPUTS = {
    "DataBucket": DATA,
    "ArtifactBucket": ARTIFACTS,
    "Table": "tidemill",
    "ApiUrl": "http://api.test/api",
    "ApiKeyId": "key-1",
    "TrainingStateMachine": MACHINE.format("training"),
    "ScoringStateMachine": MACHINE.format("scoring"),
    "RolloutStateMachine": MACHINE.format("rollout"),
    "MonitoringStateMachine": MACHINE.format("monitoring"),
}
ACTOR = "arn:aws:iam::000000000000:user/ada"
BEGIN = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)


class Objects:
    """Both buckets, with versions."""

    def __init__(self):
        self.stored = defaultdict(list)

    def put(self, bucket, key, data, content_type=None):
        self.stored[bucket, key].append(data)

    def put_contract(self, bucket, key, value):
        self.put(bucket, key, contracts.dumps(value))

    def get(self, bucket, key, version_id=""):
        versions = self.stored.get((bucket, key))
        if not versions:
            raise NotFound(f"there is no object s3://{bucket}/{key}")
        return versions[int(version_id) - 1 if version_id else -1]

    def delete(self, bucket, key):
        del self.stored[bucket, key]

    def get_contract(self, cls, bucket, key):
        return contracts.loads(cls, self.get(bucket, key))

    def upload(self, path, bucket, key, content_type=None):
        self.put(bucket, key, path.read_bytes())

    def download(self, bucket, key, path, version_id=""):
        path.write_bytes(self.get(bucket, key, version_id))

    def head(self, bucket, key, version_id=""):
        data = self.get(bucket, key, version_id)
        etag = hashlib.sha256(data).hexdigest()[:32]
        return Head(key, len(data), etag, "2026-11-24T09:00:00Z", str(len(self.stored[bucket, key])))

    def list(self, bucket, prefix):
        return [self.head(bucket, key) for at, key in sorted(self.stored) if at == bucket and key.startswith(prefix)]


class Registry:
    """Runs, versions, aliases, approvals and audit events."""

    def __init__(self):
        self.run_records, self.version_records, self.alias_of = {}, defaultdict(list), defaultdict(dict)
        self.events, self.approval_records, self.review_records = [], {}, {}

    def run(self, run_id):
        if run_id not in self.run_records:
            raise NotFound(f"there is no run {run_id!r}")
        return self.run_records[run_id]

    def runs(self, project=None, limit=50):
        records = [record for record in self.run_records.values() if project in (None, record.project)]
        return sorted(records, key=lambda record: record.started_at, reverse=True)[:limit]

    def models(self):
        return sorted(self.version_records)

    def versions(self, model):
        if model not in self.version_records:
            raise NotFound(f"there is no model {model!r}")
        return self.version_records[model][::-1]

    def alias(self, model, alias):
        return self.alias_of[model].get(alias)

    def aliases(self, model):
        return self.alias_of[model]

    def audit(self, model):
        return [event for event in self.events if event.subject == model]

    def rollback(self, model, actor, reason, at):
        before = self.alias_of[model]["champion"]
        self.alias_of[model]["champion"] = before - 1
        self.events.append(AuditEvent(model, "rollback", actor, at, reason, version=before - 1))
        return before, before - 1

    def approval(self, run_id):
        if run_id not in self.approval_records:
            raise NotFound(f"run {run_id!r} has not asked for an approval")
        return self.approval_records[run_id]

    def reviews(self, model, state, limit):
        found = [record for record in self.review_records.values() if (record.model, record.state) == (model, state)]
        return found[:limit]

    def reviews_starting(self, model, start):
        return [record for name, record in sorted(self.review_records.items()) if name.startswith(start)]

    def review(self, model, prediction_id):
        if prediction_id not in self.review_records:
            raise NotFound(f"no prediction {prediction_id!r} of model {model!r} is or was to be reviewed")
        return self.review_records[prediction_id]

    def record(self, event):
        self.events.append(event)

    def answer_review(self, model, prediction_id, actual, actor, at):
        record = self.review(model, prediction_id)
        answered = dataclasses.replace(record, state="ANSWERED", actual=actual, by=actor, answered_at=at)
        self.review_records[prediction_id] = answered
        return answered

    def pending_approvals(self):
        return [record for record in self.approval_records.values() if record.state == "PENDING"]

    def dataset_of_run(self, project, run_id):
        return DatasetRef("d" * 64, 5000, 13) if run_id in self.run_records else None

    def approvals_to_hand_on(self):
        return [record for record in self.approval_records.values() if not record.handed_on]

    def note_handed_on(self, run_id):
        self.approval_records[run_id] = dataclasses.replace(self.approval(run_id), handed_on=True)

    def decide_approval(self, run_id, state, actor, reason, at):
        decided = dataclasses.replace(
            self.approval(run_id), state=state, by=actor, reason=reason, at=at, handed_on=False
        )
        self.approval_records[run_id] = decided
        return decided


class Records:
    """Terms, votes, freezes and rollouts."""

    def __init__(self):
        self.terms_of, self.votes_of, self.rollout, self.frozen = {}, defaultdict(tuple), None, None

    def terms(self, run_id):
        return self.terms_of.get(run_id)

    def votes(self, run_id):
        return self.votes_of[run_id]

    def add_vote(self, run_id, model, version, vote):
        self.votes_of[run_id] += (vote,)
        return True

    def current_rollout(self, model):
        return self.rollout if self.rollout and not self.rollout.ended_at else None

    def rollouts(self, model, limit):
        return [self.rollout] if self.rollout else []

    def freeze(self, model):
        return self.frozen


class Releases:
    """Promotions that are noted, rollbacks that are the registry's."""

    def __init__(self, registry):
        self.registry, self.records, self.promoted = registry, Records(), []

    def promote(self, model, version, options, id, actor, reason, at):
        self.promoted.append((version, options.strategy, options.shadow_minutes > 0, actor, reason))
        rollout = id if rollout_plan.is_gradual(rollout_plan.plan(options)) else None
        return Promotion(model, version, self.registry.alias(model, "champion"), rollout)

    def rollback(self, model, actor, reason, at):
        if current := self.records.current_rollout(model):
            return Rollback(model, current.version, current.champion, current.id)
        return Rollback(model, *self.registry.rollback(model, actor, reason, at), None)

    def freeze(self, model, frozen, actor, reason, at):
        self.records.frozen = Freeze(model, frozen, at, actor, reason)
        return self.records.frozen


class Executions:
    """Executions that go through the looks a test declares; a look is None before the execution has begun."""

    def __init__(self):
        self.looks, self.answers, self.asked, self.started = [], [], [], []

    def describe(self, execution):
        self.asked.append(execution)
        look = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        if isinstance(look, BaseException):
            raise look
        if look is None:
            raise NotFound(f"there is no execution {execution}")
        self._now, more = look
        status, error, cause, output = (*more, "", "", "")[:4]
        ended = None if status == "RUNNING" else BEGIN + timedelta(seconds=20)
        return Execution(execution, status, BEGIN, ended, error, cause, output)

    def progress(self, execution):
        return self._now

    def start(self, machine, name, value):
        self.started.append((machine, value))
        return f"{machine}:{name}"

    def succeed(self, token, output):
        self.answers.append(("succeed", token, output))

    def fail(self, token, error, cause):
        self.answers.append(("fail", token, error, cause))


class Stack:
    """Outputs and clients by name."""

    def __init__(self, outputs, clients):
        self.outputs, self._clients = outputs, clients

    def client(self, service):
        return self._clients[service]


class Fixed:
    """A client whose operations give fixed answers and remember what they were asked."""

    def __init__(self, **answers):
        self.asked = []
        for name, answer in answers.items():
            setattr(self, name, lambda _name=name, _answer=answer, **given: self._answer(_name, _answer, given))

    def _answer(self, name, answer, given):
        self.asked.append((name, given))
        return answer


def step(name, seconds=1.0, state="succeeded", after=0.0, **more):
    """One state of an execution, which began `after` seconds behind the execution."""
    at = BEGIN + timedelta(seconds=after)
    return Step(
        name, at, state=state, ended_at=at + timedelta(seconds=seconds) if seconds is not None else None, **more
    )


TRAINED = [
    step("Validate"),
    step("Prepare", after=1),
    step("Train", 6.0, after=2, is_map=True, total=3, begun=3, done=3),
    step("Refit", after=8),
    step("Evaluate", after=9),
    step("Register", after=10),
    step("Route"),
    step("Deploy", after=11),
    step("Conclude", after=12),
]


def document(run_id, status="LIVE", **changes):
    """A concluded run's document."""
    made = RunDocument(
        run_id=run_id,
        status=status,
        reason="",
        project="churn",
        task="binary",
        target="Churn",
        dataset=DatasetRef("d4" * 32, 5000, 13),
        checks=(
            Check("id_like", "customer_id", "warn", "customer_id has another value in each row, so it is not used"),
            Check("duplicate_rows", None, "pass", "no row is there twice"),
        ),
        candidates=(
            CandidateResult("baseline", {}, {"roc_auc": Spread(0.5, 0.0)}, 0.1),
            CandidateResult("boosting", {"max_iter": 100}, {"roc_auc": Spread(0.8812, 0.0121)}, 4.2),
            CandidateResult("linear", {}, {}, 0.3, "did not converge"),
        ),
        metric="roc_auc",
        holdout={"roc_auc": Interval(0.8832, 0.8611, 0.902), "log_loss": Interval(0.351, 0.331, 0.372)},
        model=ModelRef("churn", 1, "champion"),
        endpoint="http://api.test/api/v1/models/churn:predict",
        report=f"s3://{ARTIFACTS}/runs/{run_id}/report.html",
        cost=Cost(0.00213, {"train": StageCost(3, 12.0, 4, 0, 0.002)}, "2026-01 us-east-1"),
        seconds=19.4,
        started_at="2026-11-24T09:00:00Z",
        started_by=ACTOR,
        source=f"s3://{DATA}/incoming/churn/churn.csv",
    )
    return dataclasses.replace(made, **changes)


EVALUATION = Evaluation(
    task="binary",
    target="Churn",
    metric="roc_auc",
    candidate="boosting",
    rows=1000,
    holdout={"roc_auc": Interval(0.8832, 0.8611, 0.902)},
    baseline={"roc_auc": 0.5},
    gates=(Gate("must_beat_baseline", "pass", "roc_auc 0.8832 is better than the baseline's 0.5"),),
    importance=(),
    parity=Parity(1000, True, 1e-7, 1e-5),
    slices=(
        SliceMetrics("sex", "F", 500, Interval(0.88, 0.85, 0.91), True, 0.2, 0.6, 140),
        SliceMetrics("contract", "a", 120, Interval(0.71, 0.66, 0.76), and_column="tenure", and_level="under 9"),
    ),
    coverage={"0.9": Coverage(0.9031, 1.2)},
)


SIGNATURE = Signature(
    "churn",
    "binary",
    "Churn",
    (
        InputField("tenure", "integer", minimum=0, maximum=72, example=24),
        InputField("contract", "category", required=False, categories=tuple("abcdefg"), example="a"),
    ),
    ("No", "Yes"),
    "Yes",
)


class World:
    """Everything a verb may touch, and the command itself."""

    def __init__(self, capsys):
        self.objects, self.registry, self.executions = Objects(), Registry(), Executions()
        self.clients = {
            "apigateway": Fixed(get_api_key={"value": "secret-key"}),
            "sts": Fixed(get_caller_identity={"Arn": ACTOR, "UserId": "AIDAADA"}),
        }
        self.stack = Stack(dict(OUTPUTS), self.clients)
        self.releases = Releases(self.registry)
        self.api = self.monitoring = self.retrainings = None
        self._capsys = capsys

    def tidemill(self, *arguments):
        """Run the command; returns exit code, stdout, stderr."""
        session = Session()
        made = {
            name: getattr(self, name)
            for name in (
                *("stack", "objects", "registry", "releases", "executions", "api", "monitoring"),
                "retrainings",
            )
        }
        session.__dict__ |= {name: value for name, value in made.items() if value is not None}
        code = main.run([str(argument) for argument in arguments], session)
        captured = self._capsys.readouterr()
        return code, captured.out, captured.err

    def train_will_end(self, table, status="LIVE", key="churn.csv", **changes):
        """Declare how the next upload of the table ends; returns its run's id."""
        bucket_key = keys.incoming("churn", key)
        number = len(self.objects.stored[DATA, bucket_key]) + 1
        etag = hashlib.sha256(table.read_bytes()).hexdigest()[:32]
        run_id = keys.run_id(DATA, bucket_key, str(number), etag)
        self.conclude(document(run_id, status, **changes))
        self.executions.looks = [None, (TRAINED[:2], ("RUNNING",)), (TRAINED, ("SUCCEEDED",))]
        return run_id

    def conclude(self, made, at=0):
        """Keep a run that has ended."""
        key = keys.run_document(made.run_id)
        self.objects.put_contract(ARTIFACTS, key, made)
        self.objects.put_contract(ARTIFACTS, keys.run_evaluation(made.run_id), EVALUATION)
        started = (BEGIN + timedelta(minutes=at)).strftime("%Y-%m-%dT%H:%M:%SZ")
        self.registry.run_records[made.run_id] = RunRecord(
            run_id=made.run_id,
            project=made.project,
            status=made.status,
            started_at=started,
            started_by=ACTOR,
            source=made.source,
            reason=made.reason,
            document=key,
            metric=made.metric,
            value=0.8832,
            model="churn" if made.model else None,
            version=made.model.version if made.model else None,
            usd=0.00213,
            seconds=made.seconds,
        )

    def wait_for_person(self, run_id):
        """Keep a run that waits for an approval."""
        self.executions.looks = [([], ("RUNNING",))]
        self.objects.put_contract(ARTIFACTS, keys.run_evaluation(run_id), EVALUATION)
        self.registry.run_records[run_id] = RunRecord(
            run_id,
            "churn",
            "WAITING_FOR_APPROVAL",
            "2026-11-24T09:00:00Z",
            "AWS:AIDABOB",
            f"s3://{DATA}/incoming/churn/x.csv",
        )
        self.registry.approval_records[run_id] = ApprovalRecord(
            run_id, "churn", 2, "PENDING", "the-token", "2026-11-24T09:01:00Z"
        )

    def register(self, version, run_id="a" * 32, source=None):
        """Keep a version of the model churn and point its champion there."""
        self.registry.version_records["churn"].append(
            VersionRecord(
                "churn", version, run_id, "o" * 64, "d" * 64, "binary", "roc_auc", 0.88, "2026-11-24T09:00:00Z", ACTOR
            )
        )
        self.registry.alias_of["churn"]["champion"] = version
        self.registry.events.append(
            AuditEvent("churn", "deploy", ACTOR, "2026-11-24T09:00:00Z", "gates passed", run_id, version, "champion")
        )
        lineage = Lineage(
            run_id=run_id,
            dataset_version="d" * 64,
            source=source or Source(DATA, "incoming/churn/churn.csv", "1", "e", 10),
            spec_sha256="5" * 64,
            code_version="c" * 12,
            packages={"scikit-learn": "1.9.1"},
            python="3.11.7",
            candidate="boosting",
            params={"max_iter": 100},
            seed=0,
            onnx_sha256="o" * 64,
        )
        self.objects.put_contract(ARTIFACTS, keys.model("churn", version, "lineage.json"), lineage)
        self.objects.put_contract(ARTIFACTS, keys.model("churn", version, "signature.json"), SIGNATURE)


@pytest.fixture
def world(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(follow, "POLL_SECONDS", 0.0)
    monkeypatch.setenv("TIDEMILL_STATE", str(tmp_path / "state"))
    return World(capsys)


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "churn.csv"
    path.write_text("tenure,Churn\n3,Yes\n40,No\n")
    return path


@pytest.fixture
def a_step():
    return step


@pytest.fixture
def a_document():
    return document


@pytest.fixture
def trained():
    return TRAINED
