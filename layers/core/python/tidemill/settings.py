"""The only reader of the environment: one frozen class per function.

A field `data_bucket` is the environment variable `DATA_BUCKET`; `template.yaml` declares
exactly the fields of each class, and a test holds the two together. Nothing here says
where the code runs.
"""

from __future__ import annotations

import os
import typing
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TypeVar

from tidemill.errors import ContractError

S = TypeVar("S")


def load(cls: type[S], environment: Mapping[str, str] | None = None) -> S:
    """Read a settings class from the environment.

    Raises
    ------
    ContractError
        a variable is missing, empty or not of its type; the message names it.
    """
    environment = os.environ if environment is None else environment
    hints = typing.get_type_hints(cls)
    values: dict[str, object] = {}
    for item in fields(cls):  # type: ignore[arg-type]
        name = item.name.upper()
        text = environment.get(name, "")
        if not text:
            raise ContractError(f"the environment variable {name} is not set: {cls.__name__} needs it")
        try:
            values[item.name] = hints[item.name](text)
        except ValueError as error:
            raise ContractError(f"the environment variable {name} must be a number, not {text!r}") from error
    return cls(**values)


def ambient() -> Mapping[str, str]:
    """The environment as the SDK reads it: region, endpoint and credentials, under the names that Lambda gives them."""
    return os.environ


@dataclass(frozen=True)
class IntakeSettings:
    """functions/intake"""

    artifact_bucket: str
    table: str
    training_state_machine: str  #: ARN
    scoring_state_machine: str  #: ARN
    features_state_machine: str  #: ARN


@dataclass(frozen=True)
class ValidateSettings:
    """functions/validate"""

    artifact_bucket: str
    table: str
    max_upload_mb: int


@dataclass(frozen=True)
class PrepareSettings:
    """functions/prepare"""

    artifact_bucket: str
    table: str


@dataclass(frozen=True)
class TrainSettings:
    """functions/train"""

    artifact_bucket: str


@dataclass(frozen=True)
class EvaluateSettings:
    """functions/evaluate"""

    artifact_bucket: str
    table: str


@dataclass(frozen=True)
class RegisterSettings:
    """functions/register"""

    artifact_bucket: str
    table: str


@dataclass(frozen=True)
class ApproveSettings:
    """functions/approve"""

    artifact_bucket: str
    table: str
    topic: str  #: ARN
    api_url: str


@dataclass(frozen=True)
class DeploySettings:
    """functions/deploy"""

    artifact_bucket: str
    table: str
    predict_function: str  #: name


@dataclass(frozen=True)
class ConcludeSettings:
    """functions/conclude"""

    artifact_bucket: str
    table: str
    topic: str  #: ARN
    event_bus: str
    api_url: str


@dataclass(frozen=True)
class PredictSettings:
    """functions/predict"""

    artifact_bucket: str
    table: str
    features_table: str
    capture_queue: str  #: URL
    alias_seconds: float  #: how long a looked-up alias is believed


@dataclass(frozen=True)
class CaptureSettings:
    """functions/capture"""

    artifact_bucket: str
    table: str
    shadow_queue: str  #: URL


@dataclass(frozen=True)
class PlanSettings:
    """functions/plan"""

    artifact_bucket: str
    table: str
    max_upload_mb: int
    slice_rows: int


@dataclass(frozen=True)
class ScoreSettings:
    """functions/score"""

    artifact_bucket: str


@dataclass(frozen=True)
class MergeSettings:
    """functions/merge"""

    artifact_bucket: str
    data_bucket: str


@dataclass(frozen=True)
class IngestSettings:
    """functions/ingest"""

    artifact_bucket: str
    table: str
    max_upload_mb: int
    slice_rows: int


@dataclass(frozen=True)
class MaterializeSettings:
    """functions/materialize"""

    artifact_bucket: str
    features_table: str


@dataclass(frozen=True)
class ActualsSettings:
    """functions/actuals"""

    artifact_bucket: str
    table: str
    max_upload_mb: int


@dataclass(frozen=True)
class ShadowSettings:
    """functions/shadow"""

    artifact_bucket: str
    table: str
    features_table: str
    capture_queue: str  #: URL


@dataclass(frozen=True)
class WatchSettings:
    """functions/watch"""

    artifact_bucket: str
    table: str


@dataclass(frozen=True)
class SummarizeSettings:
    """functions/summarize"""

    artifact_bucket: str
    table: str


@dataclass(frozen=True)
class MonitorSettings:
    """functions/monitor"""

    artifact_bucket: str
    table: str
    predict_memory_mb: int  #: what a prediction's time is priced by


@dataclass(frozen=True)
class DecideSettings:
    """functions/decide"""

    artifact_bucket: str
    table: str
    topic: str  #: ARN
    event_bus: str
    retrain_function: str  #: name


@dataclass(frozen=True)
class RetrainSettings:
    """functions/retrain"""

    artifact_bucket: str
    data_bucket: str
    table: str


@dataclass(frozen=True)
class RolloutSettings:
    """functions/rollout"""

    artifact_bucket: str
    table: str
    topic: str  #: ARN
    event_bus: str


@dataclass(frozen=True)
class ApiSettings:
    """functions/api"""

    artifact_bucket: str
    table: str
    monitoring_state_machine: str  #: ARN
    rollout_state_machine: str  #: ARN
    retrain_function: str  #: name
    api_key_id: str
