"""Cross-validate one candidate; choose those of the next round; or refit the best ones and export the model."""

import functools
import time
from typing import Any

from aws_lambda_powertools import Logger

from tidemill import keys, settings
from tidemill.aws import clients
from tidemill.aws.metering import metered
from tidemill.aws.objects import Objects
from tidemill.contracts import CandidateRef, CandidateScore, Round, Run, from_json, to_json
from tidemill.learning import candidates
from tidemill.learning.plan import Plan
from tidemill.stages.train import refit, train

logger = Logger(service="train")


@functools.cache
def connection() -> Objects:
    """S3, connected once in a process."""
    return Objects(clients.s3())


@metered
def handler(event: dict[str, Any], _context: object) -> Any:
    """{"run"} and "candidate", "round" -> CandidateScore; "ended": scores -> Round; "scores" -> Refitted."""
    run, bucket = from_json(Run, event["run"]), settings.load(settings.TrainSettings).artifact_bucket
    logger.append_keys(run_id=run.run_id)
    objects = connection()
    plan = objects.get_contract(Plan, bucket, keys.run_plan(run.run_id))
    if "candidate" in event:
        one, of = from_json(CandidateRef, event["candidate"]), from_json(Round, event["round"])
        done: Any = train(run.run_id, one, of, plan, bucket, objects, time.perf_counter)
    elif "ended" in event:
        done = candidates.narrow(plan, from_json(list[CandidateScore], event["ended"]))
    else:
        done = refit(run.run_id, from_json(list[CandidateScore], event["scores"]), plan, bucket, objects)
    logger.info("trained", result=to_json(done))
    return to_json(done)
