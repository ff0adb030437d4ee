"""A call of every public function and method in `aws/` that asks a service for something, by what it is a call of.

`CASES` is compared with what inspection finds in the modules, so that whoever adds an adapter adds its case. What a
case asks for is found out by letting it run once undisturbed; the tests disturb each of these requests.
"""

from __future__ import annotations

import dataclasses
import functools
import gzip
import importlib
import inspect
import json
import pkgutil
import re
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import boto3
import pytest

from tidemill import aws, keys, rollout_plan
from tidemill.aws import (
    approvals,
    capture_files,
    clients,
    datasets,
    links,
    mask_keys,
    people,
    project_specs,
    quarantine,
    registration,
    retraining,
    smoke,
    stack_secrets,
    traffic_records,
    version_files,
)
from tidemill.aws.actions import Actions, Case
from tidemill.aws.actuals_uploads import ActualsUploads
from tidemill.aws.answered_reviews import AnsweredReviews
from tidemill.aws.conclusion import Conclusion
from tidemill.aws.deployment import Deployment
from tidemill.aws.events import EventBus, Topic
from tidemill.aws.executions import Executions
from tidemill.aws.feature_sets import FeatureSets
from tidemill.aws.functions import Functions
from tidemill.aws.links import Link, UsedLinks
from tidemill.aws.model_standings import ModelStandings
from tidemill.aws.monitored_models import MonitoredModels
from tidemill.aws.monitoring_files import MonitoringFiles
from tidemill.aws.monitoring_records import MonitoringRecords
from tidemill.aws.objects import Objects
from tidemill.aws.online_features import OnlineFeatures
from tidemill.aws.people import ApiKeys, Person
from tidemill.aws.promotion import Releases
from tidemill.aws.queues import Queue
from tidemill.aws.registry import FeatureSetRecord, Registry
from tidemill.aws.registry_table import AuditEvent
from tidemill.aws.release_records import ApprovalTerms, ReleaseRecords
from tidemill.aws.retraining import Material, Retrainings
from tidemill.aws.retraining_records import RetrainingRecords
from tidemill.aws.rollouts import Rollouts
from tidemill.aws.traffic_records import TrafficRecords
from tidemill.aws.training_runs import TrainingRuns
from tidemill.aws.uploads import Arrival
from tidemill.aws.version_files import VersionFiles
from tidemill.aws.watching import Watching
from tidemill.contracts import (
    Capture,
    Check,
    DataContract,
    DatasetRef,
    Deployed,
    Evaluation,
    FeatureSetRun,
    Ingested,
    ModelRef,
    Profile,
    Registered,
    RunDocument,
    ScoringRun,
    Signature,
    Source,
    Validated,
    to_json,
)
from tidemill.monitoring_contracts import (
    ActualsUpload,
    Decision,
    Finding,
    HourPart,
    Labelled,
    MonitorPoint,
    PartClaim,
    Retraining,
    Summary,
    WatchState,
)
from tidemill.release_contracts import Rollout, RolloutRequest, Share, Traffic, Vote
from tidemill.rules import decisions
from tidemill.rules.retraining import Policy
from tidemill.spec import FeatureSetDeclaration, RetrainingOptions, RolloutOptions

from .conftest import ARTIFACTS, DATA, RUN, TABLE, Faults

AT, LATER = "2026-03-04T06:00:00Z", "2026-03-04T07:00:00Z"
UNNAMED, TABLE_KEY, ACTUALS = "there.csv", "incoming/churn/new.csv", "actuals/churn/june.csv"
NEVER = "2999-01-01T00:00:00Z"
HOUR = "2026-03-04T05"
ONLINE = "tidemill-features"
#: Runs that made the versions of churn: the champion's, that of a version to be let in, one that waits for people, and
#: one that people have approved and that has not heard of it.
FIRST, SECOND, THIRD, WAITING, DECIDED = "f" * 32, "e" * 32, "d" * 32, "b" * 32, "c" * 32
ROLLOUT, ASKED = "9" * 32, "8" * 32
LINK = Link(WAITING, "bob", NEVER, "0" * 24)
BATCH = gzip.compress(b"".join(json.dumps([f"e{n}", None, {"size": n}]).encode() + b"\n" for n in range(30)))
EVENT = AuditEvent("churn", "deploy", "ada", AT, "better")
CAPTURE = Capture("p3", AT, "churn", 2, {"tenure": 3}, {"label": "No", "probabilities": [0.6, 0.4]}, "champion")
FOUND = Finding("drift", "alert", "tenure", "values below 3 are more frequent", since=AT)
POINT = MonitorPoint("churn", 2, f"{HOUR}:00:00Z", AT, 500, True, findings=(FOUND,))
DECISION = Decision("1" * 32, "churn", 2, AT, "drift", "alert", True, "tenure drifts", AT, (FOUND,))
UPLOAD = ActualsUpload("2" * 32, "churn", "actuals/churn/may.csv", AT, "ada", "prediction_id", "actual", 1)
RETRAINING = Retraining("a" * 32, "churn", AT, "ada", "hand", "new prices", "all")
CHECKS = (Check("rows", None, "pass", "100 rows"),)
VOTE = Vote("bob", "approve", AT, "good", "cli")
TERMS = ApprovalTerms(WAITING, "ada", 1, (), "token", AT, NEVER)
SHOPS = FeatureSetRecord("shops", "shop", "v1", 1, 2, 1, "3" * 32, AT)
PART = HourPart(HOUR, 0, True)
LABELLED = Labelled("churn", 2, f"{HOUR}:00:00Z", f"{HOUR}:59:59Z", rows=1)
ROW = {"at": f"{HOUR}:01:00Z", "id": "p1", "version": 2, "shadow": False, "inputs": {"tenure": 3}, "actual": "Yes"}
CANARY = RolloutOptions("canary", share=0.2)
POLICY = Policy("churn", RetrainingOptions(min_new_rows=1, every_labels=1), "2026-03-05T06:00:00Z", 0.1)
#: Of the state machine whose history moto makes up.
DEFINITION = {"States": {"A State": {"Arguments": {"FunctionName": "train"}}}}
MIDDLING = 5 * 2**20  #: bytes of a part, here


def predicted(sent: dict[str, Any]) -> dict[str, Any]:
    """What the predict function answers: it is asked for a version, and other functions for nothing that is read."""
    version = sent.get("pathParameters", {}).get("version", "2").partition(":")[0]
    body = json.dumps({"predictions": [0.5]})
    return {"statusCode": 200, "headers": {"x-tidemill-version": version}, "body": body}


@dataclasses.dataclass(frozen=True)
class Actuals:
    """What a file of true outcomes brought."""

    by_column: str = "prediction_id"
    actual_column: str = "actual"
    rows: int = 1
    entries: tuple[dict[str, Any], ...] = ({"id": "p1", "actual": "Yes"},)
    refused: int = 0
    problems: tuple[str, ...] = ()


class World:
    """An account that has something of everything, and what reaches it."""

    def __init__(self, folder: Path, arns: dict[str, str], faults: Faults) -> None:
        self.folder, self.arns, self.pauses, self.warned = folder, arns, list[float](), list[str]()
        dynamodb, records = clients.dynamodb(), (clients.dynamodb(), TABLE, self.pauses.append)
        self.objects = Objects(clients.s3())
        self.registry, self.releases = Registry(*records), ReleaseRecords(*records)
        self.monitoring, self.traffic = MonitoringRecords(*records), TrafficRecords(*records)
        self.retrainings, self.links = RetrainingRecords(*records), UsedLinks(*records)
        self.reviews = AnsweredReviews(*records)
        self.online = OnlineFeatures(dynamodb, ONLINE, self.pauses.append)
        self.files = MonitoringFiles(ARTIFACTS, self.objects)
        self.versions = VersionFiles(ARTIFACTS, self.objects)
        self.executions, self.functions = Executions(clients.stepfunctions()), Functions(clients.lambda_())
        self.keys = ApiKeys(clients.apigateway())
        self.bus, self.topic = EventBus(clients.eventbridge(), arns["bus"]), Topic(clients.sns(), arns["topic"])
        self.queue = Queue(clients.sqs(), arns["queue"])
        self.sets = FeatureSets(ARTIFACTS, self.objects, self.registry)
        self.promotion = Releases(self.registry, self.releases, self.traffic, self.executions, arns["rollout"])
        self.rollouts = Rollouts(ARTIFACTS, self.objects, self.promotion, self.bus, self.topic, self.warned.append)
        self.trainings = Retrainings(self.retrainings, self.registry, self.files, self.functions, "retrain")
        self.material = Material(ARTIFACTS, DATA, self.objects, self.registry, self.retrainings, self.monitoring)
        self.conclusion = Conclusion(
            ARTIFACTS,
            self.objects,
            self.registry,
            self.executions,
            self.functions,
            self.warned.append,
            self.promotion,
            self.bus,
            self.topic,
        )
        self.actions = Actions(
            self.monitoring,
            self.releases,
            self.registry,
            self.files,
            self.trainings,
            self.bus,
            self.topic,
            self.warned.append,
        )
        self.models = MonitoredModels(
            ARTIFACTS, self.objects, self.registry, self.monitoring, self.traffic, self.releases
        )
        self.standings = ModelStandings(dynamodb, TABLE)
        self.watching = Watching(ARTIFACTS, self.objects, self.registry, self.monitoring)
        self.uploads = ActualsUploads(ARTIFACTS, self.objects, self.registry, self.monitoring)
        self.runs = TrainingRuns(ARTIFACTS, self.objects, self.registry, self.retrainings)
        self._fill(faults)

    def _fill(self, faults: Faults) -> None:
        objects, registry = self.objects, self.registry
        put = functools.partial(objects.put_contract, ARTIFACTS)
        for run_id in (SECOND, THIRD):
            self.version("churn", run_id)
        registry.move_alias("churn", "champion", 2, 1, "ada", "better", AT, action="promote")
        self.profile = profile = objects.get_contract(Profile, ARTIFACTS, keys.run_profile(RUN.run_id))
        self.signature = objects.get_contract(Signature, ARTIFACTS, keys.model("churn", 1, "signature.json"))
        for version in (2, 3):
            put(keys.model("churn", version, "signature.json"), self.signature)
            put(keys.model("churn", version, "profile.json"), profile)
        for run_id in (FIRST, SECOND):
            self.version("houses", run_id)
        registry.move_alias("houses", "champion", 1, None, "ada", "first", AT)
        self.promotion.begin(rollout_of(ROLLOUT, "houses", 2, 1))
        for run_id in (WAITING, DECIDED):
            registry.start_run(dataclasses.replace(RUN, run_id=run_id, started_by="ada"))
            self.releases.put_terms(dataclasses.replace(TERMS, run_id=run_id))
            registry.put_approval(run_id, "churn", 3, "token", AT)
        registry.decide_approval(DECIDED, "APPROVED", "eve", "good", AT)
        self.releases.add_vote(DECIDED, "churn", 3, dataclasses.replace(VOTE, person="eve"))
        self.token = links.make(ARTIFACTS, objects, WAITING, "bob", NEVER, "", bytes).rpartition("/")[2]
        mask_keys.made(ARTIFACTS, objects, bytes)
        for name in ("p1", "p2"):
            registry.open_review(dataclasses.replace(CAPTURE, prediction_id=name))
        registry.answer_review("churn", "p2", "Yes", "ada", AT)
        self.monitoring.put_point(POINT)
        self.monitoring.put_decision(DECISION)
        self.monitoring.put_upload(UPLOAD)
        self.monitoring.swap_watch_state(WatchState("churn", AT), None)
        self.retrainings.begin(RETRAINING, registry, lambda past: None)
        put(keys.dataset("churn", "d1", "profile.json"), profile)
        objects.put(ARTIFACTS, keys.dataset("churn", "d1", "data.parquet"), b"parquet")
        evaluation = objects.get_contract(Evaluation, ARTIFACTS, keys.run_evaluation(RUN.run_id))
        put(keys.run_evaluation(THIRD), dataclasses.replace(evaluation, champion=None))
        objects.put(ARTIFACTS, keys.run_spec(THIRD), b"{}")
        put(keys.data_contract("churn"), DataContract(FIRST, "d1", 100, ()))
        objects.put(ARTIFACTS, keys.project_spec("churn"), b"{}")
        line = json.dumps(to_json(CAPTURE)).encode() + b"\n"
        objects.put(ARTIFACTS, keys.captures("churn", POINT.start, "one"), gzip.compress(line))
        self.files.claim_part("churn", PART, PartClaim(("one",)))
        self.files.put_part("churn", PART, (Summary("churn", 2, POINT.start, POINT.start),), b"index")
        self.files.put_labelled("churn", HOUR, (LABELLED,), (ROW,))
        self.ledger = self.files.put_ledger("churn", AT, UPLOAD.id, ({"id": "p1", "actual": "Yes"},))
        self.files.put_waiting("churn", self.ledger, ({"id": "p9", "actual": "No"},))
        put(keys.feature_set_declaration("shops"), FeatureSetDeclaration("shop"))
        put(keys.feature_set("shops", "v1", "profile.json"), profile)
        objects.put(ARTIFACTS, keys.feature_set("shops", "v1", "data.parquet"), b"parquet")
        registry.publish_feature_set(SHOPS)
        registry.take_turn("shops", "4" * 32, AT, NEVER)
        self.online.write("shops", BATCH)
        put(keys.run_document("5" * 32), dataclasses.replace(DOCUMENT, run_id="5" * 32, status="ROLLING_OUT"))
        for key in (UNNAMED, TABLE_KEY, ACTUALS):
            objects.put(DATA, key, b"prediction_id,actual\np1,Yes\n")
        heads = (objects.head(DATA, head.key) for head in objects.list(DATA, ""))
        self.uploaded = {head.key: Source(DATA, head.key, head.version_id, head.etag, head.size) for head in heads}
        self.trained = dataclasses.replace(RUN, source=self.uploaded[RUN.source.key])
        self.lineage = registration.lineage(RUN, ARTIFACTS, objects, registry, "0", "0")
        self.executions.start(self.arns["training"], "one", {})
        self.key = boto3.client("apigateway").create_api_key(name="ann", enabled=True)
        faults.stand_in("lambda.Invoke", predicted)
        faults.stand_in("lambda.GetFunctionConfiguration", lambda sent: {"MemorySize": 512})
        faults.stand_in("sfn.DescribeStateMachineForExecution", lambda sent: {"definition": json.dumps(DEFINITION)})
        faults.stand_in("sfn.SendTaskSuccess", lambda sent: {})
        faults.stand_in("sfn.SendTaskFailure", lambda sent: {})

    def version(self, model: str, run_id: str) -> int:
        return self.registry.create_version(
            model,
            run_id,
            onnx_sha256="0",
            dataset_version="d1",
            task="binary",
            metric="roc_auc",
            value=0.84,
            at=AT,
            actor="ada",
        )

    @property
    def execution(self) -> str:
        return self.arns["training"].replace(":stateMachine:", ":execution:") + ":one"

    def arrival(self, key: str) -> Arrival:
        return Arrival(self.uploaded[key], AT, "ada", keys.parse_upload(key), "")

    def file(self) -> Path:
        path = self.folder / "table.csv"
        path.write_bytes(b"a\n1\n")
        return path

    def deploy(self) -> Deployed:
        """The third version of churn becomes its champion."""
        deployment = Deployment(
            ARTIFACTS, self.objects, self.promotion, self.functions, "predict", lambda said, **facts: None
        )
        return deployment.deploy(dataclasses.replace(RUN, run_id=THIRD), Registered("churn", 3), LATER)

    def stream(self, size: int = 1) -> str:
        with self.objects.writer(DATA, "streamed.csv") as stream:
            stream.write(bytes(size))
        return "written"

    def break_off(self) -> str:
        """A stream of two parts whose writer gives up."""
        try:
            with self.objects.writer(DATA, "streamed.csv") as stream:
                stream.write(bytes(MIDDLING))
                raise KeyError
        except KeyError:
            return "given up"

    def use_link(self) -> str:
        with self.links.once(LINK, AT, "request"):
            return "used"

    def act(self, action: Any) -> Decision | None:
        asked = dataclasses.replace(DECISION, id="6" * 32, action=action)
        return self.actions.act(Case(asked, (POINT,), POLICY, None, ("subject", "text"), decisions.sureness), None)

    def take_in(self, arrival: Arrival) -> ActualsUpload:
        return self.uploads.take_in(arrival, self.folder, 100, lambda path, name, signature, document: Actuals())

    def accept(self) -> None:
        found = datasets.Found(CHECKS, None, None)
        validated = Validated(DatasetRef("d2", 100, 2), "binary", "Churn", 0)
        contract = DataContract(SECOND, "d2", 100, ())
        datasets.accept(RUN, ARTIFACTS, self.objects, self.registry, validated, self.file(), found, contract)

    def keep_set(self) -> Ingested:
        return self.sets.keep(SET_RUN, "v2", self.file(), self.profile, CHECKS, [(30, BATCH)])

    def publish_set(self) -> Ingested:
        return self.sets.publish(SET_RUN, Ingested("", "", "v1", 1, 2, 1, 1))


def rollout_of(rollout_id: str, model: str, version: int, champion: int) -> Rollout:
    """A canary that begins."""
    request = RolloutRequest(rollout_id, model, version, SECOND, "ada", "better")
    return rollout_plan.begun(request, rollout_plan.plan(CANARY), champion, AT)


DOCUMENT = RunDocument(
    RUN.run_id, "LIVE", "it is", "churn", None, None, None, CHECKS, (), None, {}, ModelRef("churn", 3, None),
    None, None, None, 1.0, started_at=AT, source="s3://tidemill-data/incoming/churn/telco.csv",
)  # fmt: skip
SET_RUN = FeatureSetRun("4" * 32, "shops", Source(DATA, "features/shops/table.csv", "", "", 4), AT, "ada")
STEPPED = dataclasses.replace(rollout_of(ROLLOUT, "houses", 2, 1), step=1, revision=2)


#: How a service says that a call is not allowed, and how that a key may not be used: code and status.
REFUSALS = {
    "s3": (("AccessDenied", 403), ("KMS.DisabledException", 400)),
    "sns": (("AuthorizationError", 403), ("KMSAccessDenied", 400)),
    "sqs": (("AccessDenied", 403), ("KmsAccessDenied", 400)),
    "dynamodb": (("AccessDeniedException", 400), ("KMSAccessDeniedException", 400)),
}
#: Operations that change something.
WRITES = re.compile(r"Put|Update|Delete|Transact|BatchWrite|Copy|Upload|Complete|Start|Stop|Send|Publish|Invoke")

Call = Callable[[World], Any]

#: By module, class and method; where one method does several things, each has its case, named behind a colon.
CASES: dict[str, Call] = {
    # --- buckets, queues, messengers, functions -------------------------------------------------
    "objects.Objects.get": lambda w: w.objects.get(DATA, UNNAMED),
    "objects.Objects.put": lambda w: w.objects.put(DATA, "new.csv", b"a"),
    "objects.Objects.put_new": lambda w: w.objects.put_new(DATA, "new.csv", b"a"),
    "objects.Objects.get_contract": lambda w: w.objects.get_contract(Profile, ARTIFACTS, keys.run_profile(RUN.run_id)),
    "objects.Objects.put_contract": lambda w: w.objects.put_contract(ARTIFACTS, "new.json", CHECKS),
    "objects.Objects.exists": lambda w: w.objects.exists(DATA, UNNAMED),
    "objects.Objects.head": lambda w: w.objects.head(DATA, UNNAMED),
    "objects.Objects.copy": lambda w: w.objects.copy(DATA, UNNAMED, DATA, "copy.csv"),
    "objects.Objects.delete": lambda w: w.objects.delete(DATA, UNNAMED),
    "objects.Objects.list": lambda w: list(w.objects.list(DATA, "")),
    "objects.Objects.download": lambda w: w.objects.download(DATA, UNNAMED, w.folder / "down.csv"),
    "objects.Objects.upload": lambda w: w.objects.upload(w.file(), DATA, "up.csv"),
    "objects.Objects.writer": World.stream,
    "objects.Upload.complete": World.stream,
    "objects.Upload.write": lambda w: w.stream(MIDDLING + 1),
    "objects.Upload.abort": World.break_off,
    "quarantine.quarantine": lambda w: quarantine.quarantine(w.objects, w.uploaded[UNNAMED], None, "unusable", AT),
    "stack_secrets.made": lambda w: stack_secrets.made(ARTIFACTS, "secrets/new", w.objects, bytes),
    "mask_keys.made": lambda w: mask_keys.made(ARTIFACTS, w.objects, bytes),
    "project_specs.document": lambda w: project_specs.document(ARTIFACTS, w.objects, "churn"),
    "queues.Queue.send": lambda w: w.queue.send("[]"),
    "events.EventBus.publish": lambda w: w.bus.publish("Done", {}),
    "events.Topic.notify": lambda w: w.topic.notify("a", "b"),
    "functions.Functions.invoke": lambda w: w.functions.invoke("predict", {}),
    "functions.Functions.start": lambda w: w.functions.start("retrain", {}),
    "functions.Functions.configuration": lambda w: w.functions.configuration("train"),
    "deployment.Deployment.deploy": lambda w: w.deploy(),
    "smoke.smoke_prediction": lambda w: smoke.smoke_prediction(
        functools.partial(w.functions.invoke, "predict"), w.signature, 2
    ),
    "executions.Executions.start": lambda w: w.executions.start(w.arns["training"], "two", {}),
    "executions.Executions.describe": lambda w: w.executions.describe(w.execution),
    "executions.Executions.stop": lambda w: w.executions.stop(w.execution, "enough"),
    "executions.Executions.progress": lambda w: w.executions.progress(w.execution),
    "executions.Executions.usage": lambda w: w.executions.usage(
        w.execution, datetime.fromisoformat(AT), w.functions.configuration
    ),
    "executions.Executions.succeed": lambda w: w.executions.succeed("token", {}),
    "executions.Executions.fail": lambda w: w.executions.fail("token", "No", "no"),
    "people.caller": lambda w: people.caller(clients._client("sts")),
    "people.ApiKeys.value": lambda w: ApiKeys(clients.apigateway()).value(w.key["id"]),
    "people.ApiKeys.owner: by id": lambda w: ApiKeys(clients.apigateway()).owner({"apiKeyId": w.key["id"]}, ""),
    "people.ApiKeys.owner: by value": lambda w: ApiKeys(clients.apigateway()).owner({}, w.key["value"]),
    "online_features.OnlineFeatures.look_up": lambda w: w.online.look_up("shops", ["e1"]),
    "online_features.OnlineFeatures.rows": lambda w: w.online.rows("shops", ["e1"]),
    "online_features.OnlineFeatures.write": lambda w: w.online.write("shops", BATCH),
    # --- the registry ---------------------------------------------------------------------------
    "registry_table.RegistryTable.record": lambda w: w.registry.record(EVENT),
    "registry_table.RegistryTable.audit": lambda w: w.registry.audit("churn"),
    "registry_table.RegistryTable.audit_all": lambda w: w.registry.audit_all(),
    "registry.Registry.projects": lambda w: w.registry.projects(),
    "registry.Registry.put_dataset": lambda w: w.registry.put_dataset("churn", DatasetRef("d2", 1, 1), SECOND, AT),
    "registry.Registry.datasets": lambda w: list(w.registry.datasets("churn")),
    "registry.Registry.latest_dataset": lambda w: w.registry.latest_dataset("churn"),
    "registry.Registry.dataset_of_run": lambda w: w.registry.dataset_of_run("churn", RUN.run_id),
    "registry.Registry.feature_sets": lambda w: w.registry.feature_sets(),
    "registry.Registry.feature_set": lambda w: w.registry.feature_set("shops"),
    "registry.Registry.feature_set_versions": lambda w: w.registry.feature_set_versions("shops"),
    "registry.Registry.take_turn": lambda w: w.registry.take_turn("shops", SET_RUN.run_id, AT, NEVER),
    "registry.Registry.begin_version": lambda w: w.registry.begin_version("shops", "v2"),
    "registry.Registry.publish_feature_set": lambda w: w.registry.publish_feature_set(
        dataclasses.replace(SHOPS, version="v2", run_id=SET_RUN.run_id)
    ),
    "registry.Registry.give_up_turn": lambda w: w.registry.give_up_turn("shops", SET_RUN.run_id),
    "registry.Registry.start_run": lambda w: w.registry.start_run(dataclasses.replace(RUN, run_id=SECOND)),
    "registry.Registry.set_status": lambda w: w.registry.set_status(WAITING, "WAITING_FOR_APPROVAL"),
    "registry.Registry.finish_run": lambda w: w.registry.finish_run(DOCUMENT, "document.json"),
    "registry.Registry.run": lambda w: w.registry.run(WAITING),
    "registry.Registry.runs": lambda w: w.registry.runs(),
    "registry.Registry.models": lambda w: w.registry.models(),
    "registry.Registry.create_version": lambda w: w.version("churn", WAITING),
    "registry.Registry.version_of_run": lambda w: w.registry.version_of_run("churn", SECOND),
    "registry.Registry.version": lambda w: w.registry.version("churn", 2),
    "registry.Registry.versions": lambda w: w.registry.versions("churn"),
    "registry.Registry.alias": lambda w: w.registry.alias("churn", "champion"),
    "registry.Registry.aliases": lambda w: w.registry.aliases("churn"),
    "registry.Registry.move_alias": lambda w: w.registry.move_alias("churn", "champion", 3, 2, "ada", "x", AT),
    "registry.Registry.rollback_target": lambda w: w.registry.rollback_target("churn"),
    "registry.Registry.rollback": lambda w: w.registry.rollback("churn", "ada", "worse", AT),
    "registry.Registry.put_approval": lambda w: w.registry.put_approval(SECOND, "churn", 2, "token", AT),
    "registry.Registry.approval": lambda w: w.registry.approval(WAITING),
    "registry.Registry.pending_approvals": lambda w: w.registry.pending_approvals(),
    "registry.Registry.approvals_to_hand_on": lambda w: w.registry.approvals_to_hand_on(),
    "registry.Registry.note_handed_on": lambda w: w.registry.note_handed_on(DECIDED),
    "registry.Registry.decide_approval": lambda w: w.registry.decide_approval(WAITING, "APPROVED", "bob", "good", AT),
    "registry.Registry.open_review": lambda w: w.registry.open_review(CAPTURE),
    "registry.Registry.reviews": lambda w: w.registry.reviews("churn"),
    "registry.Registry.review": lambda w: w.registry.review("churn", "p1"),
    "registry.Registry.reviews_starting": lambda w: w.registry.reviews_starting("churn", "p"),
    "registry.Registry.answer_review": lambda w: w.registry.answer_review("churn", "p1", "No", "ada", AT),
    # --- runs and their tables ------------------------------------------------------------------
    "training_runs.TrainingRuns.begin": lambda w: w.runs.begin(w.arrival(TABLE_KEY), "churn"),
    "datasets.previous_profile": lambda w: datasets.previous_profile(
        dataclasses.replace(RUN, run_id=SECOND), ARTIFACTS, w.objects, w.registry
    ),
    "datasets.suggested_contract": lambda w: datasets.suggested_contract(RUN, ARTIFACTS, w.objects),
    "datasets.keep": lambda w: datasets.keep(
        RUN, ARTIFACTS, w.objects, datasets.Found(CHECKS, w.profile, DataContract("", "", 0, ()))
    ),
    "datasets.accept": World.accept,
    "registration.lineage": lambda w: registration.lineage(RUN, ARTIFACTS, w.objects, w.registry, "0", "0"),
    "registration.register": lambda w: registration.register(RUN, ARTIFACTS, w.objects, w.registry, w.lineage, AT),
    "conclusion.RunPapers.collect": lambda w: w.conclusion.collect(dataclasses.replace(RUN, retraining=RETRAINING.id)),
    "conclusion.RunPapers.usage": lambda w: w.conclusion.usage(w.execution, datetime.fromisoformat(AT)),
    "conclusion.RunPapers.show": lambda w: w.conclusion.show(DOCUMENT, "<html>"),
    "conclusion.Conclusion.rolling_out": lambda w: w.conclusion.rolling_out("5" * 32),
    "conclusion.Conclusion.enter": lambda w: w.conclusion.enter(DOCUMENT),
    "conclusion.Conclusion.record": lambda w: w.conclusion.record(DOCUMENT),
    "conclusion.Conclusion.quarantine": lambda w: w.conclusion.quarantine(w.trained, "unusable", AT),
    "conclusion.Conclusion.refuse: scoring": lambda w: w.conclusion.refuse(
        ScoringRun(SECOND, "churn", w.uploaded[TABLE_KEY], AT, "ada"), "unusable", True, AT
    ),
    "conclusion.Conclusion.refuse: features": lambda w: w.conclusion.refuse(SET_RUN, "unusable", False, AT),
    "conclusion.Conclusion.end_rollout": lambda w: w.conclusion.end_rollout(
        dataclasses.replace(RUN, run_id=ROLLOUT), "it broke", LATER
    ),
    "conclusion.Conclusion.close_approval": lambda w: w.conclusion.close_approval(
        dataclasses.replace(RUN, run_id=WAITING), AT
    ),
    "conclusion.Conclusion.publish": lambda w: w.conclusion.publish(DOCUMENT, "<html>", "subject", "text"),
    "feature_sets.FeatureSets.declaration": lambda w: w.sets.declaration(FeatureSetDeclaration, "shops"),
    "feature_sets.FeatureSets.take_turn": lambda w: w.sets.take_turn(SET_RUN, datetime.fromisoformat(AT)),
    "feature_sets.FeatureSets.fetch": lambda w: w.sets.fetch(w.uploaded[UNNAMED], w.folder / "fetched"),
    "feature_sets.FeatureSets.current": lambda w: w.sets.current("shops", w.folder),
    "feature_sets.FeatureSets.profile": lambda w: w.sets.profile("shops", "v1"),
    "feature_sets.FeatureSets.download": lambda w: w.sets.download("shops", "v1", w.folder / "downloaded"),
    "feature_sets.FeatureSets.keep": World.keep_set,
    "feature_sets.FeatureSets.publish": World.publish_set,
    "version_files.in_service": lambda w: version_files.in_service(w.registry, "churn"),
    "version_files.VersionFiles.profile": lambda w: w.versions.profile("churn", 2),
    "version_files.VersionFiles.signature": lambda w: w.versions.signature("churn", 2),
    "version_files.VersionFiles.reference": lambda w: w.versions.reference("churn", 2),
    "version_files.VersionFiles.reference_rows": lambda w: w.versions.reference_rows("churn", 2),
    "version_files.VersionFiles.constraints": lambda w: w.versions.constraints("churn"),
    # --- releases -------------------------------------------------------------------------------
    "release_records.ReleaseRecords.freeze": lambda w: w.releases.freeze("churn"),
    "release_records.ReleaseRecords.set_freeze": lambda w: w.releases.set_freeze("churn", True, "ada", "no", AT),
    "release_records.ReleaseRecords.refuse_if_frozen": lambda w: w.releases.refuse_if_frozen("churn", 3),
    "release_records.ReleaseRecords.begin_rollout": lambda w: w.releases.begin_rollout(
        rollout_of(ASKED, "churn", 3, 2)
    ),
    "release_records.ReleaseRecords.known_rollout": lambda w: w.releases.known_rollout(ROLLOUT),
    "release_records.ReleaseRecords.rollout": lambda w: w.releases.rollout(ROLLOUT),
    "release_records.ReleaseRecords.current_rollout": lambda w: w.releases.current_rollout("houses"),
    "release_records.ReleaseRecords.refuse_if_rolling_out": lambda w: w.releases.refuse_if_rolling_out("churn", 3),
    "release_records.ReleaseRecords.rollouts": lambda w: w.releases.rollouts("houses"),
    "release_records.ReleaseRecords.swap_rollout": lambda w: w.releases.swap_rollout(STEPPED),
    "release_records.ReleaseRecords.clear_rollout": lambda w: w.releases.clear_rollout(STEPPED),
    "release_records.ReleaseRecords.put_terms": lambda w: w.releases.put_terms(TERMS),
    "release_records.ReleaseRecords.terms": lambda w: w.releases.terms(WAITING),
    "release_records.ReleaseRecords.add_vote": lambda w: w.releases.add_vote(WAITING, "churn", 3, VOTE),
    "release_records.ReleaseRecords.votes": lambda w: w.releases.votes(DECIDED),
    "traffic_records.TrafficRecords.traffic": lambda w: w.traffic.traffic("houses"),
    "traffic_records.TrafficRecords.set_traffic": lambda w: w.traffic.set_traffic(SPREAD, None, "ada", "x", AT),
    "traffic_records.spread": lambda w: traffic_records.spread(
        w.registry, w.traffic, "churn", shares={3: 0.1}, actor="ada", reason="x", at=AT
    ),
    "promotion.Releases.promote: step by step": lambda w: w.promotion.promote(
        "churn", 3, CANARY, ASKED, "ada", "x", AT
    ),
    "promotion.Releases.promote: at once": lambda w: w.promotion.promote(
        "churn", 3, RolloutOptions(), ASKED, "ada", "x", AT
    ),
    "promotion.Releases.rollback: a rollout": lambda w: w.promotion.rollback("houses", "ada", "worse", LATER),
    "promotion.Releases.rollback: a champion": lambda w: w.promotion.rollback("churn", "ada", "worse", LATER),
    "promotion.Releases.freeze": lambda w: w.promotion.freeze("churn", True, "ada", "no", AT),
    "promotion.Releases.begin": lambda w: w.promotion.begin(rollout_of(ASKED, "churn", 3, 2)),
    "promotion.Releases.move": lambda w: w.promotion.move(STEPPED, EVENT, LATER),
    "promotion.Releases.take_back": lambda w: w.promotion.take_back(
        rollout_of(ROLLOUT, "houses", 2, 1), "worse", "ada", LATER
    ),
    "promotion.Releases.give_up": lambda w: w.promotion.give_up(ROLLOUT, "it broke", LATER),
    "promotion.Releases.settle": lambda w: w.promotion.settle(STEPPED, LATER),
    "rollouts.Rollouts.known": lambda w: w.rollouts.known(ROLLOUT, LATER),
    "rollouts.Rollouts.champion": lambda w: w.rollouts.champion("churn"),
    "rollouts.Rollouts.freeze": lambda w: w.rollouts.freeze("churn"),
    "rollouts.Rollouts.spec": lambda w: w.rollouts.spec(RolloutRequest(ASKED, "churn", 3, THIRD, "ada", "x")),
    "rollouts.Rollouts.found_better": lambda w: w.rollouts.found_better(rollout_of(ASKED, "churn", 3, 2)),
    "rollouts.Rollouts.evidence": lambda w: w.rollouts.evidence(
        dataclasses.replace(rollout_of(ASKED, "churn", 3, 2), step_started_at=POINT.start), LATER
    ),
    "rollouts.Rollouts.begin": lambda w: w.rollouts.begin(rollout_of(ASKED, "churn", 3, 2)),
    "rollouts.Rollouts.move": lambda w: w.rollouts.move(rollout_of(ROLLOUT, "houses", 2, 1), STEPPED, "good", LATER),
    "rollouts.Rollouts.take_back": lambda w: w.rollouts.take_back(
        RolloutRequest(ROLLOUT, "houses", 2, SECOND, "ada", "x"), "it broke", LATER
    ),
    "approvals.standing": lambda w: approvals.standing(w.registry, w.releases, WAITING),
    "approvals.waiting": lambda w: approvals.waiting(w.registry, w.releases),
    "approvals.refuse_unreleased_of": lambda w: approvals.refuse_unreleased_of(w.registry, "churn", (3,)),
    "approvals.refuse_unreleased": lambda w: approvals.refuse_unreleased(w.registry, w.registry.version("churn", 3)),
    "approvals.ask: people": lambda w: approvals.ask(
        w.registry, w.releases, w.executions, dataclasses.replace(TERMS, run_id=SECOND), "churn", 2
    ),
    "approvals.ask: those who have decided": lambda w: approvals.ask(
        w.registry, w.releases, w.executions, dataclasses.replace(TERMS, run_id=DECIDED), "churn", 3
    ),
    "approvals.approve: first": lambda w: approvals.approve(
        w.registry, w.releases, w.executions, WAITING, Person("bob"), "good", AT
    ),
    "approvals.approve: once more": lambda w: approvals.approve(
        w.registry, w.releases, w.executions, DECIDED, Person("eve"), "good", AT
    ),
    "approvals.reject": lambda w: approvals.reject(
        w.registry, w.releases, w.executions, WAITING, Person("bob"), "bad", AT
    ),
    "links.make": lambda w: links.make(ARTIFACTS, w.objects, WAITING, "bob", NEVER, "", bytes),
    "links.read": lambda w: links.read(ARTIFACTS, w.objects, w.token, AT),
    "links.UsedLinks.used_at": lambda w: w.links.used_at(LINK),
    "links.UsedLinks.once": World.use_link,
    # --- watching, retraining -------------------------------------------------------------------
    "monitoring_records.MonitoringRecords.put_point": lambda w: w.monitoring.put_point(POINT),
    "monitoring_records.MonitoringRecords.points": lambda w: w.monitoring.points("churn"),
    "monitoring_records.MonitoringRecords.newest_point": lambda w: w.monitoring.newest_point("churn"),
    "monitoring_records.MonitoringRecords.put_decision": lambda w: w.monitoring.put_decision(OTHER),
    "monitoring_records.MonitoringRecords.claim_decision: new": lambda w: w.monitoring.claim_decision(OTHER, None),
    "monitoring_records.MonitoringRecords.claim_decision: again": lambda w: w.monitoring.claim_decision(
        AMENDED, DECISION
    ),
    "monitoring_records.MonitoringRecords.amend_decision": lambda w: w.monitoring.amend_decision(AMENDED),
    "monitoring_records.MonitoringRecords.decisions": lambda w: w.monitoring.decisions("churn"),
    "monitoring_records.MonitoringRecords.put_upload": lambda w: w.monitoring.put_upload(UPLOAD),
    "monitoring_records.MonitoringRecords.upload": lambda w: w.monitoring.upload(UPLOAD.id),
    "monitoring_records.MonitoringRecords.uploads": lambda w: w.monitoring.uploads("churn"),
    "monitoring_records.MonitoringRecords.watch_state": lambda w: w.monitoring.watch_state("churn"),
    "monitoring_records.MonitoringRecords.swap_watch_state: first": lambda w: w.monitoring.swap_watch_state(
        WatchState("houses", AT), None
    ),
    "monitoring_records.MonitoringRecords.swap_watch_state: next": lambda w: w.monitoring.swap_watch_state(
        WatchState("churn", LATER, revision=2), 1
    ),
    "monitoring_files.MonitoringFiles.capture_files": lambda w: w.files.capture_files("churn", "", "9999"),
    "monitoring_files.MonitoringFiles.captures": lambda w: list(
        w.files.captures([keys.captures("churn", POINT.start, "one")])
    ),
    "monitoring_files.MonitoringFiles.parts": lambda w: w.files.parts("churn", "", "9999"),
    "monitoring_files.MonitoringFiles.claim_of": lambda w: w.files.claim_of("churn", PART),
    "monitoring_files.MonitoringFiles.claim_part": lambda w: w.files.claim_part(
        "churn", HourPart(HOUR, 1), PartClaim(("two",))
    ),
    "monitoring_files.MonitoringFiles.put_part": lambda w: w.files.put_part("churn", HourPart(HOUR, 1), (), b"index"),
    "monitoring_files.MonitoringFiles.indexes": lambda w: list(w.files.indexes("churn", [PART])),
    "monitoring_files.MonitoringFiles.summaries": lambda w: list(w.files.summaries("churn", [PART])),
    "monitoring_files.MonitoringFiles.labelled_hours": lambda w: w.files.labelled_hours("churn"),
    "monitoring_files.MonitoringFiles.labelled": lambda w: w.files.labelled("churn", HOUR),
    "monitoring_files.MonitoringFiles.labelled_rows": lambda w: w.files.labelled_rows("churn", HOUR),
    "monitoring_files.MonitoringFiles.put_labelled": lambda w: w.files.put_labelled("churn", HOUR, (LABELLED,), (ROW,)),
    "monitoring_files.MonitoringFiles.newest_labelled": lambda w: w.files.newest_labelled("churn", 10),
    "monitoring_files.MonitoringFiles.ledger_files": lambda w: w.files.ledger_files("churn"),
    "monitoring_files.MonitoringFiles.put_ledger": lambda w: w.files.put_ledger("churn", AT, SECOND, ()),
    "monitoring_files.MonitoringFiles.ledger": lambda w: list(w.files.ledger([w.ledger])),
    "monitoring_files.MonitoringFiles.put_waiting": lambda w: w.files.put_waiting("churn", w.ledger, ()),
    "monitoring_files.MonitoringFiles.waiting": lambda w: list(w.files.waiting("churn", [w.ledger])),
    "monitored_models.MonitoredModels.spec": lambda w: w.models.spec("churn"),
    "monitored_models.MonitoredModels.champion": lambda w: w.models.champion("churn"),
    "monitored_models.MonitoredModels.serving": lambda w: w.models.serving("houses"),
    "monitored_models.MonitoredModels.newest_rollout": lambda w: w.models.newest_rollout("houses"),
    "monitored_models.MonitoredModels.put_report": lambda w: w.models.put_report("churn", "<html>"),
    "model_standings.ModelStandings.all": lambda w: w.standings.all(LATER),
    "answered_reviews.AnsweredReviews.entries": lambda w: list(w.reviews.entries("churn", "2026", "2026")),
    "watching.Watching.due": lambda w: list(w.watching.due(lambda spec, last, now: True, LATER)),
    "watching.Watching.asked_for": lambda w: w.watching.asked_for("churn", LATER),
    "capture_files.write": lambda w: capture_files.write(
        [
            {
                "messageId": "m",
                "body": json.dumps([to_json(dataclasses.replace(CAPTURE, alias="champion", review=True, shadow=3))]),
            }
        ],
        ARTIFACTS,
        w.objects,
        w.registry.open_review,
        w.queue.send,
        w.warned.append,
    ),
    "actuals_uploads.ActualsUploads.take_in: kept": lambda w: w.take_in(w.arrival(ACTUALS)),
    "actuals_uploads.ActualsUploads.take_in: refused": lambda w: w.take_in(
        dataclasses.replace(w.arrival(ACTUALS), upload=None, problem="it means nothing")
    ),
    "actuals_uploads.ActualsUploads.mask_key": lambda w: w.uploads.mask_key(),
    "actions.Actions.expected_usd": lambda w: w.actions.expected_usd("churn", 3, 0.5),
    "actions.Actions.act: alert": lambda w: w.act("alert"),
    "actions.Actions.act: review": lambda w: w.act("review"),
    "actions.Actions.act: retrain": lambda w: w.act("retrain"),
    "actions.Actions.act: freeze": lambda w: w.act("freeze"),
    "retraining_records.RetrainingRecords.begin": lambda w: w.retrainings.begin(ANEW, w.registry, lambda past: None),
    "retraining_records.RetrainingRecords.past": lambda w: w.retrainings.past("churn", w.registry),
    "retraining_records.RetrainingRecords.retrainings": lambda w: w.retrainings.retrainings("churn"),
    "retraining_records.RetrainingRecords.retraining": lambda w: w.retrainings.retraining("churn", RETRAINING.id),
    "retraining_records.RetrainingRecords.attempt": lambda w: w.retrainings.attempt(RETRAINING, composed),
    "retraining_records.RetrainingRecords.amend": lambda w: w.retrainings.amend(composed(RETRAINING)),
    "retraining_records.RetrainingRecords.fail": lambda w: w.retrainings.fail(RETRAINING, "no rows"),
    "retraining_records.RetrainingRecords.claimed": lambda w: w.retrainings.claimed(
        dataclasses.replace(RUN, source=Source(DATA, keys.retraining_table("churn", RETRAINING.id), "", "", 4))
    ),
    "retraining_records.RetrainingRecords.claim_run": lambda w: w.retrainings.claim_run("churn", RETRAINING.id, SECOND),
    "retraining.Retrainings.start": lambda w: w.trainings.start(ANEW, lambda past: None),
    "retraining.Retrainings.by_rule": lambda w: w.trainings.by_rule(DECISION, (POINT,), POLICY),
    "retraining.Retrainings.if_due": lambda w: w.trainings.if_due("churn", POLICY),
    "retraining.Retrainings.by_hand": lambda w: w.trainings.by_hand(ANEW),
    "retraining.base": lambda w: retraining.base(w.registry, w.retrainings, "churn"),
    "retraining.labels_since": lambda w: retraining.labels_since(w.files, "churn", ""),
    "retraining.labelled_rows": lambda w: retraining.labelled_rows(w.files, "churn", None, None),
    "retraining.Material.spec": lambda w: w.material.spec("churn"),
    "retraining.Material.known": lambda w: w.material.known(RETRAINING),
    "retraining.Material.accepted": lambda w: w.material.accepted("churn", "d1", w.folder),
    "retraining.Material.upload": lambda w: w.material.upload(RETRAINING, w.file()),
}

OTHER = dataclasses.replace(DECISION, id="7" * 32)
AMENDED = dataclasses.replace(DECISION, acted=False, reason="nobody was told")
ANEW = dataclasses.replace(RETRAINING, id="7" * 32)
SPREAD = Traffic("churn", shares=(Share(3, 0.1),))

#: Modules whose public functions ask no service for anything, and why they have no case.
NO_SERVICE = {
    "clients": "makes botocore's clients; the tests of faults go through every one of them",
    "faults": "reads the errors of services, in every case",
    "metering": "counts requests",
    "quick": "makes the clients of predict, whose faults are in test_predict.py and tests/unit",
    "uploads": "reads an event",
    "webhook": "posts to an address of the user's; its faults are in test_messengers.py",
}
#: The same of single functions.
ASKS_NOTHING = {
    "approvals.already": "writes a sentence",
    "executions.Step.seconds": "computes",
    "executions.Step.task_seconds": "computes",
    "executions.told": "writes a sentence",
    "executions.arn": "makes a name",
    "executions.steps": "reads a history that was fetched",
    "executions.usage": "computes from steps that were read",
    "monitoring_files.hour_of": "computes",
    "monitoring_files.MonitoringFiles.capture_keys": "makes names",
    "objects.Upload.writable": "is a constant",
    "promotion.audit_event": "makes a record",
    "registry_table.audit_item": "makes a key",
    "registry_table.pack": "computes",
    "registry_table.unpack": "computes",
    "registry_table.unless_it_fails": "reads an error",
    "registry_table.backoff": "computes",
    "release_records.ended": "makes a record",
    "retraining.Policy.may": "is declared for rules.retraining.Policy",
    "retraining.Policy.by_rule": "is declared for rules.retraining.Policy",
    "retraining.Policy.due": "is declared for rules.retraining.Policy",
    "smoke.request": "makes an event",
    "traffic_records.described": "writes a sentence",
    "actions.Actions.connect": "makes clients",
    "conclusion.Conclusion.connect": "makes clients",
    "conclusion.RunPapers.of_stack": "makes clients",
    "deployment.Deployment.connect": "makes clients",
    "monitored_models.MonitoredModels.connect": "makes clients",
    "promotion.Releases.connect": "makes clients",
    "retraining.Material.connect": "makes clients",
    "retraining_records.RetrainingRecords.beside": "makes another class of the same table",
    "rollouts.Rollouts.connect": "makes clients",
}


def composed(kept: Retraining) -> Retraining:
    """The retraining with its table."""
    return dataclasses.replace(kept, key="incoming/churn/table.parquet", rows_new=1)


def public() -> set[str]:
    """Every public function and method in `aws/`: module, class and name."""
    found = set[str]()
    for module in pkgutil.iter_modules(aws.__path__):
        for name, value in vars(importlib.import_module(f"{aws.__name__}.{module.name}")).items():
            if name.startswith("_") or getattr(value, "__module__", "") != f"{aws.__name__}.{module.name}":
                continue
            for method in vars(value).values() if inspect.isclass(value) else (value,):
                plain = inspect.unwrap(getattr(method, "__func__", method))
                if inspect.isfunction(plain) and not plain.__name__.startswith("_"):
                    found.add(f"{module.name}.{plain.__qualname__}")
    return found


def has_written(faults: Faults) -> bool:
    """Whether anything was sent that may have changed the account."""
    return any(WRITES.search(operation) for operation, _ in faults.requests)


def of(case: str) -> str:
    """What a case is a call of."""
    return case.partition(":")[0]


def calls_what_it_is_named_after(name: str, call: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether a case comes through the function or method that its name says."""
    module, *classes, function = of(name).split(".")
    owner = importlib.import_module(f"{aws.__name__}.{module}")
    for one in classes:
        owner = getattr(owner, one)
    made, calls = getattr(owner, function), list[str]()

    def noted(*arguments: Any, **named: Any) -> Any:
        calls.append(name)
        return made(*arguments, **named)

    with monkeypatch.context() as patched:
        patched.setattr(owner, function, noted)
        call()
    return bool(calls)
