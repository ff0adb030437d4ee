"""The model in service beside a new one, on the same rows."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from tidemill.contracts import ChampionComparison, ColumnType, Signature
from tidemill.learning.rows import Rows, outcomes
from tidemill.rules import bootstrap
from tidemill.rules.metrics import Outcomes, all_of
from tidemill.serving.scoring import Model, Prediction


@dataclass(frozen=True)
class InService:
    """The champion's version and model."""

    version: int
    model: Model


def compare(
    metric: str, new: Outcomes, rows: Rows, said: Prediction, champion: InService, signature: Signature, seed: int
) -> ChampionComparison:
    """How the champion does in the rows, and by how much the new model is better in the deciding metric.

    Parameters
    ----------
    new
        what the new model, of the signature, said in the rows.
    said
        what the champion says.
    """
    # The champion's labels follow its own threshold, of which the metrics are told as that of the new positive class.
    theirs = champion.model.signature
    same = theirs.threshold is None or theirs.positive_class == signature.positive_class
    threshold = theirs.threshold if same else 1 - theirs.threshold  # type: ignore[operator]
    old = outcomes(rows, said, replace(signature, threshold=threshold))
    measured = bootstrap.intervals(all_of(signature.task), old, seed)
    return ChampionComparison(
        version=champion.version,
        holdout={name: item for name, item in measured.items() if not np.isnan(item.value)},
        difference=bootstrap.difference(metric, new, old, seed),
    )


def other_target(old: Signature, new: Signature) -> bool:
    """Whether the two predict different things."""
    return (old.task == "regression", old.target) != (new.task == "regression", new.target)


def other_answers(old: Signature, new: Signature) -> str:
    """Why answers of the old model cannot be judged as the new one's are; empty when they can."""
    if old.task != new.task or old.target != new.target:
        return f"it predicts {old.target} ({old.task}), the new model {new.target} ({new.task})"
    if old.classes != new.classes:
        return f"its classes are {', '.join(old.classes)}, the new model's {', '.join(new.classes)}"
    return ""


def misfit(old: Signature, new: Signature) -> str:
    """Why a model of the old signature cannot be judged on encoded rows of the new one; empty when it can."""
    if why := other_answers(old, new):
        return why
    kinds = {field.name: _encoding(field.type) for field in new.inputs}
    for field in old.inputs:
        if field.name not in kinds:
            return f"it needs the column {field.name}, which the new model does not use"
        if kinds[field.name] != _encoding(field.type):
            return f"its column {field.name} is of another type"
    return ""


def _encoding(kind: ColumnType) -> str:
    return {"integer": "number", "number": "number", "date": "date"}.get(kind, "text")
