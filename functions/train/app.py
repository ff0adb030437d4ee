"""Cross-validate one candidate; choose those of the next round; or refit the best ones and export the model."""

import functools
import time
from typing import Any

from aws_lambda_powertools import Logger

from tidemill import keys, settings
from tidemill.aws import clients
from tidemill.aws.metering import metered
from tidemill.aws.objects import Objects
from tidemill.contracts import SUPERVISED, CandidateRef, CandidateScore, Refitted, Round, Run, from_json, to_json
from tidemill.learning import candidates, fitting, out_of_fold
from tidemill.learning.plan import Plan
from tidemill.learning.rows import Rows

logger = Logger(service="train")


def train(run_id: str, one: CandidateRef, of: Round, plan: Plan, bucket: str, objects: Objects) -> CandidateScore:
    """Store the candidate's cross-validated result, also when it could not be fitted."""
    rows = Rows.load(objects.get(bucket, keys.run_train_rows(run_id)))
    made = fitting.cross_validate(one, plan, rows, time.perf_counter, of.number, of.fraction)
    for key, data in made.files(run_id).items():
        objects.put(bucket, key, data)
    return fitting.score_of(made.result, plan.metric)


def refit(run_id: str, scores: list[CandidateScore], plan: Plan, bucket: str, objects: Objects) -> Refitted:
    """Store the graphs of the model and the baseline, and what later stages read about them."""
    from tidemill.learning import refitting  # skl2onnx takes a second to import, which the candidates need not wait for

    rows, held = (Rows.load(objects.get(bucket, key(run_id))) for key in (keys.run_train_rows, keys.run_holdout_rows))
    done = [one.name for one in scores if one.mean is not None and plan.task in SUPERVISED]
    found = {name: out_of_fold.OutOfFold.load(objects.get(bucket, keys.run_out_of_fold(run_id, name))) for name in done}
    made = refitting.refit(plan, rows, held, scores, found)
    for key, data in made.files(run_id).items():
        objects.put(bucket, key, data)
    return made.refitted()


connection = functools.cache(lambda: Objects(clients.s3()))  #: S3, connected once in a process


@metered
def handler(event: dict[str, Any], _context: object) -> Any:
    """{"run"} and "candidate", "round" -> CandidateScore; "ended": scores -> Round; "scores" -> Refitted."""
    run, bucket = from_json(Run, event["run"]), settings.load(settings.TrainSettings).artifact_bucket
    logger.append_keys(run_id=run.run_id)
    plan = connection().get_contract(Plan, bucket, keys.run_plan(run.run_id))
    if "candidate" in event:
        one, of = from_json(CandidateRef, event["candidate"]), from_json(Round, event["round"])
        done: Any = train(run.run_id, one, of, plan, bucket, connection())
    elif "ended" in event:
        done = candidates.narrow(plan, from_json(list[CandidateScore], event["ended"]))
    else:
        done = refit(run.run_id, from_json(list[CandidateScore], event["scores"]), plan, bucket, connection())
    logger.info("trained", result=to_json(done))
    return to_json(done)
