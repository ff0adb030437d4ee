"""Judge the refitted model on the holdout, prove its export, let the gates decide."""

import functools
import json
from typing import Any

from aws_lambda_powertools import Logger

from tidemill import keys, settings, spec
from tidemill.aws import clients
from tidemill.aws.metering import metered
from tidemill.aws.monitoring_files import MonitoringFiles, hour_of
from tidemill.aws.objects import Objects
from tidemill.aws.registry import Registry
from tidemill.aws.version_files import VersionFiles
from tidemill.contracts import Evaluated, Fit, Run, Signature, from_json, to_json
from tidemill.learning import evaluation, newest, rows
from tidemill.learning.comparison import InService
from tidemill.monitoring import reference
from tidemill.serving.scoring import Model

logger = Logger(service="evaluate")


def evaluate(run: Run, bucket: str, objects: Objects, registry: Registry) -> Evaluated:
    """Store the evaluation and the reference, whatever they say; then raise when the model may not go on."""
    declared = spec.parse(json.loads(objects.get(bucket, keys.run_spec(run.run_id))))
    signature = objects.get_contract(Signature, bucket, keys.run_signature(run.run_id))
    trained = evaluation.Trained(
        objects.get_contract(Fit, bucket, keys.run_fit(run.run_id)),
        Model.load(objects.get(bucket, keys.run_model(run.run_id)), signature),
        Model.load(objects.get(bucket, keys.run_baseline_model(run.run_id)), signature),
        rows.load_prediction(objects.get(bucket, keys.run_reference_predictions(run.run_id))),
    )
    holdout = rows.Rows.load(objects.get(bucket, keys.run_holdout_rows(run.run_id)))
    in_service = champion(run.project, bucket, objects, registry)
    recent = newest_rows(run, in_service.version, bucket, objects) if in_service else None
    result = evaluation.evaluate(declared, holdout, trained, in_service, recent)
    objects.put_contract(bucket, keys.run_evaluation(run.run_id), result)
    said = trained.model.predict(holdout.columns)
    kept, sample = reference.build(
        result, signature, holdout.columns, holdout.target, said, trained_at=run.started_at, seed=declared.seed
    )
    objects.put_contract(bucket, keys.run_reference(run.run_id), kept)
    objects.put(bucket, keys.run_reference_rows(run.run_id), sample.save())
    return evaluation.check(result)


def champion(project: str, bucket: str, objects: Objects, registry: Registry) -> InService | None:
    """The model in service, if there is one."""
    if (version := registry.alias(project, "champion")) is None:
        return None
    signature = objects.get_contract(Signature, bucket, keys.model(project, version, "signature.json"))
    onnx = objects.get(bucket, keys.model(project, version, "model.onnx"))
    return InService(version, Model.load(onnx, signature))


def newest_rows(run: Run, champion: int, bucket: str, objects: Objects) -> newest.Recent:
    """The newest predictions whose outcome is known, as far as the champion cannot have been trained on them."""
    kept = VersionFiles(bucket, objects).reference(run.project, champion)
    since = kept.trained_at if kept else ""
    found = MonitoringFiles(bucket, objects).newest_labelled(run.project, newest.MOST_ROWS, first=hour_of(since))
    fitted = functools.partial(objects.get, bucket, keys.run_train_rows(run.run_id))
    return newest.Recent([row for row in found if row["at"] > since], lambda: rows.Rows.load(fitted()))


@functools.cache
def connections(table: str) -> tuple[Objects, Registry]:
    """S3 and the registry, connected once in a process."""
    return Objects(clients.s3()), Registry(clients.dynamodb(), table)


@metered
def handler(event: dict[str, Any], _context: object) -> Any:
    """{"run": Run} -> Evaluated. Raises ParityError, GateRefused, NotFound, StorageError."""
    run = from_json(Run, event["run"])
    logger.append_keys(run_id=run.run_id)
    config = settings.load(settings.EvaluateSettings)
    evaluated = evaluate(run, config.artifact_bucket, *connections(config.table))
    logger.info("every gate passed", metric=evaluated.metric, value=evaluated.value)
    return to_json(evaluated)
