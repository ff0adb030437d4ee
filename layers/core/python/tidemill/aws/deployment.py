"""Putting a run's version into service: it is tried through the endpoint, then made champion or let in by a rollout."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from dataclasses import dataclass

from tidemill import keys, rollout_plan, spec
from tidemill.aws import clients
from tidemill.aws.functions import Functions
from tidemill.aws.objects import Objects
from tidemill.aws.promotion import CHALLENGER, Releases
from tidemill.aws.registry import CHAMPION
from tidemill.aws.smoke import smoke_prediction
from tidemill.contracts import Deployed, Evaluation, Registered, Run, Signature
from tidemill.release_contracts import RolloutRequest


@dataclass(frozen=True)
class Deployment:
    """What puts versions into service.

    Parameters
    ----------
    bucket
        the artifact bucket.
    predict_function
        name of the function that answers predictions.
    log
        takes a sentence, and the facts about it by name.
    """

    bucket: str
    objects: Objects
    releases: Releases
    functions: Functions
    predict_function: str
    log: Callable[..., object]

    @classmethod
    def connect(cls, bucket: str, table: str, predict_function: str, log: Callable[..., object]) -> Deployment:
        """With the process's own clients."""
        return cls(
            bucket,
            Objects(clients.s3()),
            Releases.connect(table),
            Functions(clients.lambda_()),
            predict_function,
            log,
        )

    def deploy(self, run: Run, new: Registered, at: str) -> Deployed:
        """Move the champion to the new version, from the version that it was compared with; or begin to let it in step
        by step, which the rollout's state machine goes on with.

        Raises
        ------
        PromotionFrozen, RolloutConflict, TrafficConflict
            the model's promotions are frozen; a rollout is under way; a person has spread the model's calls.
        SmokePredictionFailed
            the version does not predict.
        AliasConflict
            the champion is another one by now than the version was compared with.
        NotFound, ContractError, SpecError, StorageError
        """
        releases = self.releases
        if releases.records.known_rollout(run.run_id) is None:  # else this step runs once more
            releases.records.refuse_if_frozen(new.model, new.version)
            releases.records.refuse_if_rolling_out(new.model, new.version)
        signature = self.objects.get_contract(
            Signature, self.bucket, keys.model(new.model, new.version, "signature.json")
        )
        evaluation = self.objects.get_contract(Evaluation, self.bucket, keys.run_evaluation(run.run_id))
        expected = evaluation.champion.version if evaluation.champion else releases.registry.alias(new.model, CHAMPION)
        invoke = functools.partial(self.functions.invoke, self.predict_function)
        self.log("the new version predicts", prediction=smoke_prediction(invoke, signature, new.version))
        declared = spec.parse(json.loads(self.objects.get(self.bucket, keys.run_spec(run.run_id))))
        plan, reason = rollout_plan.plan(declared.rollout), f"run {run.run_id} passed its gates"
        if rollout_plan.is_gradual(plan) and expected not in (None, new.version):
            request = RolloutRequest(run.run_id, new.model, new.version, run.run_id, run.started_by, reason)
            releases.begin(rollout_plan.begun(request, plan, releases.registry.alias(new.model, CHAMPION), at))
            return Deployed(new.model, new.version, CHALLENGER, expected, True)
        releases.registry.move_alias(
            new.model, CHAMPION, new.version, expected, run.started_by, reason, at, run_id=run.run_id
        )
        return Deployed(new.model, new.version, CHAMPION, expected, False)
