"""`runs/<run_id>/prepare/plan.json`: everything that later stages need to know about the rows beside them."""

from __future__ import annotations

from dataclasses import dataclass, field

from tidemill.contracts import CandidateRef, FeatureSetRef, InputField, PersonalDataHandling, Prepared, Signature, Task
from tidemill.rules.halving import Halving
from tidemill.spec import Features, Search


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
    reading: dict[str, str] = field(default_factory=dict)
    review_below: float | None = None
    span: float | None = None  #: regression: the largest target less the smallest one
    feature_sets: tuple[FeatureSetRef, ...] = ()  #: that inputs are looked up in
    keys: tuple[InputField, ...] = ()  #: columns that they are looked up by, beside the inputs
    personal_data: PersonalDataHandling = field(default_factory=PersonalDataHandling)
    features: Features = field(default_factory=Features)
    search: Search = field(default_factory=Search)
    rounds: tuple[Halving, ...] = (Halving(1.0, 0),)  #: of the search; the first one has all candidates

    def prepared(self) -> Prepared:
        """What `prepare` returns."""
        later = {name for one in self.rounds for name in one.joining}
        return Prepared(
            tuple(one for one in self.candidates if one.name not in later),
            self.metric,
            self.train_rows,
            self.holdout_rows,
            len(self.inputs),
            fraction=self.rounds[0].fraction,
        )

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
            personal_data=self.personal_data,
            reading=self.reading,
            review_below=self.review_below,
            span=self.span,
            feature_sets=self.feature_sets,
            keys=self.keys,
        )
