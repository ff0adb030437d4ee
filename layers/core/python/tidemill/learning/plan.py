"""`runs/<run_id>/prepare/plan.json`: everything that later stages need to know about the rows beside them."""

from __future__ import annotations

from dataclasses import dataclass

from tidemill.contracts import CandidateRef, InputField, Prepared, Signature, Task


@dataclass(frozen=True)
class Plan:
    """What a run learns, from what, and how."""

    model: str
    task: Task
    target: str | None  #: null for a task without one
    metric: str  #: that decides
    inputs: tuple[InputField, ...]
    candidates: tuple[CandidateRef, ...]
    train_rows: int
    holdout_rows: int
    seed: int
    forward: bool  #: whether a fold is tested on what was learned from earlier folds only
    classes: tuple[str, ...] = ()  #: of the training rows, sorted; empty for regression
    positive_class: str | None = None
    missing_values: tuple[str, ...] = ()
    real_values: tuple[str, ...] = ()
    review_below: float | None = None
    span: float | None = None  #: regression: the largest target less the smallest one

    def prepared(self) -> Prepared:
        """What `prepare` returns."""
        return Prepared(self.candidates, self.metric, self.train_rows, self.holdout_rows, len(self.inputs))

    def signature(self) -> Signature:
        """The signature of a model made by this plan."""
        return Signature(
            model=self.model,
            task=self.task,
            target=self.target,
            inputs=self.inputs,
            classes=self.classes,
            positive_class=self.positive_class,
            missing_values=self.missing_values,
            real_values=self.real_values,
            review_below=self.review_below,
            span=self.span,
        )
