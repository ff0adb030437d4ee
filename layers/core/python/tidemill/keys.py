"""Every S3 key and every name made from one. Nothing else in the project spells a key.

Standard library only.
"""

from __future__ import annotations

import hashlib
import posixpath
import re
from dataclasses import dataclass
from typing import Literal, cast, get_args

from tidemill.errors import ContractError

#: A project (and the model it makes) is named like this: it becomes part of keys, URLs and metrics.
PROJECT_PATTERN = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?")

INCOMING = "incoming/"
SCORE = "score/"
SCORED = "scored/"
FEATURES = "features/"
ACTUALS = "actuals/"
QUARANTINE = "quarantine/"


def check_project(name: str) -> str:
    """Return the name when it may name a project or model; raise ContractError saying what is accepted."""
    if PROJECT_PATTERN.fullmatch(name):
        return name
    raise ContractError(
        f"the project name {name!r} must be 1 to 63 lower-case letters, digits, '-' or '_', "
        "and begin and end with a letter or digit, such as 'churn' or 'house-prices'"
    )


# --- data bucket -------------------------------------------------------------------------------


#: What an upload is for.
Purpose = Literal["incoming", "score", "features", "actuals"]


@dataclass(frozen=True)
class Upload:
    """What an uploaded object's key says: `<purpose>/<project>/<file>`."""

    purpose: Purpose
    project: str  #: or the model, or the feature set
    file: str


def parse_upload(key: str) -> Upload:
    """Split the key of an uploaded object.

    Raises
    ------
    ContractError
        the key is not `incoming/<project>/<file>`, `score/<model>/<file>`, `features/<set>/<file>` or
        `actuals/<model>/<file>`.
    """
    purpose, _, rest = key.partition("/")
    project, _, file = rest.partition("/")
    if purpose not in get_args(Purpose) or not project or not file or file.endswith("/"):
        raise ContractError(
            f"the key {key!r} must look like incoming/<project>/<file> (to train), score/<model>/<file> (to score), "
            "features/<set>/<file> (to share features) or actuals/<model>/<file> (to tell true outcomes)"
        )
    check_project(project)
    return Upload(cast(Purpose, purpose), project, file)


def incoming(project: str, file: str) -> str:
    """Where a training table is uploaded."""
    return f"{INCOMING}{project}/{file}"


def to_score(model: str, file: str) -> str:
    """Where a table to score is uploaded."""
    return f"{SCORE}{model}/{file}"


def features(feature_set: str, file: str) -> str:
    """Where a table of a shared feature set is uploaded."""
    return f"{FEATURES}{feature_set}/{file}"


def actuals(model: str, file: str) -> str:
    """Where a table of true outcomes is uploaded."""
    return f"{ACTUALS}{model}/{file}"


def scored(model: str, file: str) -> str:
    """Where the scored table lies: always CSV, named after the upload."""
    return f"{SCORED}{model}/{_stem(file)}.csv"


def quarantine(project: str, file: str) -> str:
    """Where a refused upload is moved."""
    return f"{QUARANTINE}{project}/{file}"


def quarantine_reason(project: str, file: str) -> str:
    """The reason beside a refused upload."""
    return f"{quarantine(project, file)}.reason.json"


def _stem(file: str) -> str:
    folder, name = posixpath.split(file)
    stem = name
    for suffix in (".gz", ".csv", ".tsv", ".txt", ".jsonl", ".ndjson", ".json", ".parquet", ".xlsx"):
        if stem.lower().endswith(suffix) and len(stem) > len(suffix):
            stem = stem[: -len(suffix)]
    return posixpath.join(folder, stem)


# --- runs --------------------------------------------------------------------------------------


def run_id(bucket: str, key: str, version_id: str, etag: str) -> str:
    """The id of the run that an upload starts: 32 hex characters, the same however often its event arrives."""
    text = "\n".join((bucket, key, version_id, etag.strip('"')))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def run_prefix(run: str) -> str:
    """Everything a run wrote."""
    return f"runs/{run}/"


def run_document(run: str) -> str:
    """The run's document, written when it ends."""
    return f"runs/{run}/run.json"


def run_report(run: str) -> str:
    """The run's report for people."""
    return f"runs/{run}/report.html"


def run_spec(run: str) -> str:
    """The project's spec as it was when the run started."""
    return f"runs/{run}/intake/spec.json"


def run_profile(run: str) -> str:
    """The profile, also of a table that was refused."""
    return f"runs/{run}/validate/profile.json"


def run_checks(run: str) -> str:
    """The checks, also of a table that was refused."""
    return f"runs/{run}/validate/checks.json"


def run_contract(run: str) -> str:
    """The data contract that the table was held to, or that it suggests; also of a table that was refused."""
    return f"runs/{run}/validate/contract.json"


def run_plan(run: str) -> str:
    """Roles, features, folds and candidates that the run will use."""
    return f"runs/{run}/prepare/plan.json"


def run_train_rows(run: str) -> str:
    """The rows that candidates may see, encoded."""
    return f"runs/{run}/prepare/train.npz"


def run_holdout_rows(run: str) -> str:
    """The rows that no candidate sees, encoded."""
    return f"runs/{run}/prepare/holdout.npz"


def run_join_checks(run: str) -> str:
    """What was found when shared features were joined."""
    return f"runs/{run}/prepare/checks.json"


def run_candidate(run: str, name: str) -> str:
    """One candidate's cross-validated result."""
    return f"runs/{run}/train/candidates/{name}.json"


def run_out_of_fold(run: str, name: str) -> str:
    """What one candidate predicts for each training row from folds without it."""
    return f"runs/{run}/train/out_of_fold/{name}.npz"


def run_features(run: str) -> str:
    """The feature plan of the refitted model: what becomes of each column, readable."""
    return f"runs/{run}/train/features.json"


def run_background(run: str) -> str:
    """Encoded training rows that explanations are measured against."""
    return f"runs/{run}/train/background.npz"


def run_model(run: str) -> str:
    """The refitted best candidate as an ONNX graph."""
    return f"runs/{run}/train/model.onnx"


def run_baseline_model(run: str) -> str:
    """The refitted baseline as an ONNX graph."""
    return f"runs/{run}/train/baseline.onnx"


def run_signature(run: str) -> str:
    """The signature of the refitted model."""
    return f"runs/{run}/train/signature.json"


def run_reference_predictions(run: str) -> str:
    """What the fitted estimator predicts on the holdout, to prove the export with."""
    return f"runs/{run}/train/reference.npz"


def run_fit(run: str) -> str:
    """How the model was fitted: candidate, parameters, seed, package versions."""
    return f"runs/{run}/train/fit.json"


def run_reference(run: str) -> str:
    """The model on its holdout, as monitoring compares with it."""
    return f"runs/{run}/evaluate/reference.json"


def run_reference_rows(run: str) -> str:
    """A sample of the holdout's rows with what the model says of them."""
    return f"runs/{run}/evaluate/reference.npz"


def run_evaluation(run: str) -> str:
    """The holdout evaluation with gates."""
    return f"runs/{run}/evaluate/evaluation.json"


# --- projects, datasets, models ----------------------------------------------------------------


def project_spec(project: str) -> str:
    """The project's current spec."""
    return f"projects/{project}/spec.json"


def dataset(project: str, version: str, file: Literal["data.parquet", "profile.json", "checks.json"]) -> str:
    """A file of an accepted dataset version."""
    return f"datasets/{project}/{version}/{file}"


def data_contract(project: str) -> str:
    """What the project's uploads are held to, as the first accepted one suggested it."""
    return f"datasets/{project}/contract.json"


def feature_set_declaration(name: str) -> str:
    """What a shared feature set is declared to be."""
    return f"feature_sets/{name}/declaration.json"


def feature_set(name: str, version: str, file: Literal["data.parquet", "profile.json", "checks.json"]) -> str:
    """A file of a version of a shared feature set."""
    return f"feature_sets/{name}/{version}/{file}"


def features_manifest(run: str) -> str:
    """The JSON array of batches that change the online table."""
    return f"runs/{run}/ingest/manifest.json"


def features_batch(run: str, index: int) -> str:
    """Rows of one batch: JSON Lines, packed."""
    return f"runs/{run}/ingest/batches/{index:06d}.jsonl.gz"


ModelFile = Literal[
    "model.onnx",
    "signature.json",
    "features.json",
    "background.npz",
    "profile.json",
    "evaluation.json",
    "reference.json",
    "reference.npz",
    "lineage.json",
    "report.html",
]


def model(name: str, version: int, file: ModelFile) -> str:
    """A file of an immutable model version."""
    return f"models/{name}/{version}/{file}"


# --- personal data ------------------------------------------------------------------------------


def mask_key() -> str:
    """The secret that personal data is masked with; only what masks may read it."""
    return "keys/mask.key"


# --- batch scoring -----------------------------------------------------------------------------


def scoring_manifest(run: str) -> str:
    """The JSON array of slices that the Distributed Map reads."""
    return f"runs/{run}/plan/manifest.json"


def scoring_slice(run: str, index: int) -> str:
    """One slice's rows."""
    return f"runs/{run}/plan/slices/{index:06d}.npz"


def scoring_part(run: str, index: int) -> str:
    """One slice's scored rows."""
    return f"runs/{run}/score/parts/{index:06d}.csv"


# --- captures ----------------------------------------------------------------------------------


def captures_of_hour(model_name: str, at: str) -> str:
    """The folder of an hour's recorded predictions; with its end. `at` is any time of the hour, UTC ISO 8601."""
    return f"captures/{model_name}/{_hour(at)}/"


def captures(model_name: str, at: str, name: str) -> str:
    """A file of recorded predictions. `at` is the hour's time, UTC ISO 8601."""
    return f"{captures_of_hour(model_name, at)}{name}.jsonl.gz"


def _hour(at: str) -> str:
    return f"dt={at[:10]}/hour={at[11:13]}"


# --- monitoring --------------------------------------------------------------------------------


def monitor_folder(model_name: str) -> str:
    """Everything that watching a model has left."""
    return f"monitor/{model_name}/"


def hour_folder(model_name: str, at: str) -> str:
    """What is known of the predictions of one hour. `at` is any time of the hour."""
    return f"{monitor_folder(model_name)}{_hour(at)}/"


def hour_part(model_name: str, at: str, name: str, file: Literal["files.json", "summary.json.gz", "index.npz"]) -> str:
    """Counts of some of an hour's capture files, which files these are, and the index of their predictions."""
    return f"{hour_folder(model_name, at)}parts/{name}.{file}"


def hour_labelled(model_name: str, at: str, file: Literal["labelled.json", "labelled.jsonl.gz"]) -> str:
    """The hour's predictions whose outcome is known: counted, and row by row."""
    return f"{hour_folder(model_name, at)}{file}"


def actuals_ledger(model_name: str, at: str, upload: str) -> str:
    """The true outcomes of one upload, as they came. `at` is the upload's time, so that a listing is in its order."""
    return f"actuals/{model_name}/{at}-{upload}.jsonl.gz"


def actuals_ledger_folder(model_name: str) -> str:
    """All true outcomes of a model, in the order of their uploads."""
    return f"actuals/{model_name}/"


def waiting_actuals(model_name: str, ledger: str) -> str:
    """The true outcomes of a ledger file whose predictions have not been seen yet."""
    return f"{monitor_folder(model_name)}waiting/{posixpath.basename(ledger)}"


def monitor_report(model_name: str) -> str:
    """The newest monitor report for people."""
    return f"{monitor_folder(model_name)}report.html"


def retraining_table(project: str, retraining: str) -> str:
    """Where the table that a retraining has composed is uploaded."""
    return incoming(project, f"retraining-{retraining}.parquet")


def retraining_of(file: str) -> str | None:
    """The retraining that has composed an uploaded file, or None when a person has."""
    found = re.fullmatch(r"retraining-([0-9a-f]{32})\.parquet", file)
    return found[1] if found else None


# --- links that decide -------------------------------------------------------------------------


def link_key() -> str:
    """The secret that one-time links are signed with."""
    return "keys/link.key"
