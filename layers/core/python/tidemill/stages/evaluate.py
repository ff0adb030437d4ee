"""Judging a refitted model: beside the model in service, and on the newest predictions whose outcome is known."""

from __future__ import annotations

import functools
import json

from tidemill import keys, spec
from tidemill.aws.monitoring_files import MonitoringFiles, hour_of
from tidemill.aws.objects import Objects
from tidemill.aws.registry import CHAMPION, Registry
from tidemill.aws.version_files import VersionFiles
from tidemill.contracts import Evaluated, Fit, Run, Signature
from tidemill.learning import evaluation, newest, rows
from tidemill.learning.comparison import InService
from tidemill.monitoring import reference
from tidemill.serving.scoring import Model


def evaluate(run: Run, bucket: str, objects: Objects, registry: Registry) -> Evaluated:
    """Store the evaluation and the reference, whatever they say; then raise when the model may not go on.

    Parameters
    ----------
    bucket
        the artifact bucket.

    Raises
    ------
    ParityError, GateRefused
        the model may not go on.
    NotFound
        the run was not refitted.
    ContractError, SpecError, StorageError
    """
    declared = spec.parse(json.loads(objects.get(bucket, keys.run_spec(run.run_id))))
    signature = objects.get_contract(Signature, bucket, keys.run_signature(run.run_id))
    trained = evaluation.Trained(
        objects.get_contract(Fit, bucket, keys.run_fit(run.run_id)),
        Model.load(objects.get(bucket, keys.run_model(run.run_id)), signature),
        Model.load(objects.get(bucket, keys.run_baseline_model(run.run_id)), signature),
        rows.load_prediction(objects.get(bucket, keys.run_reference_predictions(run.run_id))),
    )
    holdout = rows.Rows.load(objects.get(bucket, keys.run_holdout_rows(run.run_id)))
    in_service = _champion(run.project, bucket, objects, registry)
    recent = _newest_rows(run, in_service.version, bucket, objects) if in_service else None
    result = evaluation.evaluate(declared, holdout, trained, in_service, recent)
    objects.put_contract(bucket, keys.run_evaluation(run.run_id), result)
    said = trained.model.predict(holdout.columns)
    kept, sample = reference.build(
        result, signature, holdout.columns, holdout.target, said, trained_at=run.started_at, seed=declared.seed
    )
    objects.put_contract(bucket, keys.run_reference(run.run_id), kept)
    objects.put(bucket, keys.run_reference_rows(run.run_id), sample.save())
    return evaluation.check(result)


def _champion(project: str, bucket: str, objects: Objects, registry: Registry) -> InService | None:
    """The model in service, if there is one."""
    if (version := registry.alias(project, CHAMPION)) is None:
        return None
    signature = objects.get_contract(Signature, bucket, keys.model(project, version, "signature.json"))
    onnx = objects.get(bucket, keys.model(project, version, "model.onnx"))
    return InService(version, Model.load(onnx, signature))


def _newest_rows(run: Run, champion: int, bucket: str, objects: Objects) -> newest.Recent:
    """The newest predictions whose outcome is known, as far as the champion cannot have been trained on them."""
    kept = VersionFiles(bucket, objects).reference(run.project, champion)
    since = kept.trained_at if kept else ""
    found = MonitoringFiles(bucket, objects).newest_labelled(run.project, newest.MOST_ROWS, first=hour_of(since))
    fitted = functools.partial(objects.get, bucket, keys.run_train_rows(run.run_id))
    return newest.Recent([row for row in found if row["at"] > since], lambda: rows.Rows.load(fitted()))
