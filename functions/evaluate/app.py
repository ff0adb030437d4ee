"""Judge the refitted model on the holdout, prove its export, let the gates decide."""

import functools
import json
from typing import Any

from aws_lambda_powertools import Logger

from tidemill import keys, settings, spec
from tidemill.aws import clients
from tidemill.aws.metering import metered
from tidemill.aws.objects import Objects
from tidemill.aws.registry import Registry
from tidemill.contracts import Evaluated, Fit, Run, Signature, from_json, to_json
from tidemill.learning import evaluation, rows
from tidemill.monitoring import reference
from tidemill.serving.scoring import Model

logger = Logger(service="evaluate")


def evaluate(run: Run, bucket: str, objects: Objects, registry: Registry) -> Evaluated:
    """Store the evaluation, whatever it says; then raise when the model may not go on."""
    declared = spec.parse(json.loads(objects.get(bucket, keys.run_spec(run.run_id))))
    signature = objects.get_contract(Signature, bucket, keys.run_signature(run.run_id))
    trained = evaluation.Trained(
        objects.get_contract(Fit, bucket, keys.run_fit(run.run_id)),
        Model.load(objects.get(bucket, keys.run_model(run.run_id)), signature),
        Model.load(objects.get(bucket, keys.run_baseline_model(run.run_id)), signature),
        rows.load_prediction(objects.get(bucket, keys.run_reference_predictions(run.run_id))),
    )
    holdout = rows.Rows.load(objects.get(bucket, keys.run_holdout_rows(run.run_id)))
    result = evaluation.evaluate(declared, holdout, trained, champion(run.project, bucket, objects, registry))
    objects.put_contract(bucket, keys.run_evaluation(run.run_id), result)
    said = trained.model.predict(holdout.columns)
    kept, sample = reference.build(
        result, signature, holdout.columns, holdout.target, said, trained_at=run.started_at, seed=declared.seed
    )
    objects.put_contract(bucket, keys.run_reference(run.run_id), kept)
    objects.put(bucket, keys.run_reference_rows(run.run_id), sample.save())
    return evaluation.check(result)


def champion(project: str, bucket: str, objects: Objects, registry: Registry) -> evaluation.InService | None:
    """The model in service, if there is one."""
    if (version := registry.alias(project, "champion")) is None:
        return None
    signature = objects.get_contract(Signature, bucket, keys.model(project, version, "signature.json"))
    onnx = objects.get(bucket, keys.model(project, version, "model.onnx"))
    return evaluation.InService(version, Model.load(onnx, signature))


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
