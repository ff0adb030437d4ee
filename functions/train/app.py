"""Cross-validate one candidate; or, when all have been, refit the best one and export it."""

import functools
import time
from typing import Any

from aws_lambda_powertools import Logger

from tidemill import keys, settings
from tidemill.aws import clients
from tidemill.aws.metering import metered
from tidemill.aws.objects import Objects
from tidemill.contracts import CandidateRef, CandidateScore, Refitted, Run, from_json, to_json
from tidemill.learning import fitting
from tidemill.learning.plan import Plan
from tidemill.learning.rows import Rows, save_prediction

logger = Logger(service="train")


def train(run_id: str, candidate: CandidateRef, bucket: str, objects: Objects) -> CandidateScore:
    """Store the candidate's cross-validated result, also when it could not be fitted."""
    plan = objects.get_contract(Plan, bucket, keys.run_plan(run_id))
    rows = Rows.load(objects.get(bucket, keys.run_train_rows(run_id)))
    result = fitting.cross_validate(candidate, plan, rows, time.perf_counter)
    objects.put_contract(bucket, keys.run_candidate(run_id, candidate.name), result)
    return fitting.score_of(result, plan.metric)


def refit(run_id: str, scores: list[CandidateScore], bucket: str, objects: Objects) -> Refitted:
    """Store the best candidate's graph, the baseline's, the signature and what the estimator says of the holdout."""
    from tidemill.learning import refitting  # skl2onnx takes a second to import, which the candidates need not wait for

    plan = objects.get_contract(Plan, bucket, keys.run_plan(run_id))
    rows = Rows.load(objects.get(bucket, keys.run_train_rows(run_id)))
    made = refitting.refit(plan, rows, Rows.load(objects.get(bucket, keys.run_holdout_rows(run_id))), scores)
    objects.put(bucket, keys.run_model(run_id), made.onnx)
    objects.put(bucket, keys.run_baseline_model(run_id), made.baseline_onnx)
    objects.put(bucket, keys.run_reference_predictions(run_id), save_prediction(made.reference))
    objects.put_contract(bucket, keys.run_signature(run_id), made.signature)
    objects.put_contract(bucket, keys.run_fit(run_id), made.fit)
    return made.refitted()


connection = functools.cache(lambda: Objects(clients.s3()))  #: S3, connected once in a process


@metered
def handler(event: dict[str, Any], _context: object) -> Any:
    """{"run", "candidate"} -> CandidateScore; {"run", "scores"} -> Refitted. Raises CandidateFailed, StorageError."""
    run, bucket = from_json(Run, event["run"]), settings.load(settings.TrainSettings).artifact_bucket
    logger.append_keys(run_id=run.run_id)
    if "scores" in event:
        done: Any = refit(run.run_id, from_json(list[CandidateScore], event["scores"]), bucket, connection())
    else:
        done = train(run.run_id, from_json(CandidateRef, event["candidate"]), bucket, connection())
    logger.info("trained", result=to_json(done))
    return to_json(done)
