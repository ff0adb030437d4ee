"""Making what a run has trained and proven an immutable model version, with its lineage."""

from __future__ import annotations

import hashlib

from tidemill import keys
from tidemill.aws.objects import Objects
from tidemill.aws.registry import Registry
from tidemill.contracts import Evaluation, Fit, Lineage, Run, Signature
from tidemill.errors import NotFound


def lineage(
    run: Run, bucket: str, objects: Objects, registry: Registry, spec_sha256: str, code_version: str
) -> Lineage:
    """What the run's model was made from.

    Raises
    ------
    NotFound
        the run has accepted no table, or refitted no model.
    ContractError, StorageError
    """
    dataset = registry.dataset_of_run(run.project, run.run_id)
    if dataset is None:
        raise NotFound(f"run {run.run_id} has accepted no table, so there is nothing to register")
    fit = objects.get_contract(Fit, bucket, keys.run_fit(run.run_id))
    signature = objects.get_contract(Signature, bucket, keys.run_signature(run.run_id))
    return Lineage(
        run_id=run.run_id,
        dataset_version=dataset.version,
        source=run.source,
        spec_sha256=spec_sha256,
        code_version=code_version,
        packages=fit.packages,
        python=fit.python,
        candidate=fit.candidate,
        params=fit.params,
        seed=fit.seed,
        onnx_sha256=hashlib.sha256(objects.get(bucket, keys.run_model(run.run_id))).hexdigest(),
        feature_sets={ref.name: ref.version for ref in signature.feature_sets},
    )


def register(run: Run, bucket: str, objects: Objects, registry: Registry, made_from: Lineage, at: str) -> int:
    """Number the version, then copy its files under the number. Returns the number; doing it again leaves the same.

    Raises
    ------
    NotFound
        the run has not been evaluated.
    ImmutableVersion
        the run has registered another graph before.
    ContractError, StorageError
    """
    files: dict[keys.ModelFile, str] = {
        "model.onnx": keys.run_model(run.run_id),
        "signature.json": keys.run_signature(run.run_id),
        "features.json": keys.run_features(run.run_id),
        "background.npz": keys.run_background(run.run_id),
        "profile.json": keys.run_profile(run.run_id),
        "evaluation.json": keys.run_evaluation(run.run_id),
        "reference.json": keys.run_reference(run.run_id),
        "reference.npz": keys.run_reference_rows(run.run_id),
    }
    evaluation = objects.get_contract(Evaluation, bucket, files["evaluation.json"])
    version = registry.create_version(
        run.project,
        run.run_id,
        onnx_sha256=made_from.onnx_sha256,
        dataset_version=made_from.dataset_version,
        task=evaluation.task,
        metric=evaluation.metric,
        value=evaluation.holdout[evaluation.metric].value,
        at=at,
        actor=run.started_by,
    )
    for file, source in files.items():
        objects.copy(bucket, source, bucket, keys.model(run.project, version, file))
    objects.put_contract(bucket, keys.model(run.project, version, "lineage.json"), made_from)
    return version
