"""The candidates of a search: what each is, with which parameters, and which are tried on a table.

A fixed portfolio rather than random draws: configurations that differ in what they are good at,
so that one of them suits a table and several of them make an ensemble. Trees take categories as
ranks by frequency, linear models and networks imputed, scaled and one-hot columns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from tidemill.contracts import CandidateRef, CandidateScore, Round, Task
from tidemill.errors import CandidateFailed
from tidemill.learning.plan import Plan
from tidemill.rules import halving, prices
from tidemill.rules.halving import Halving
from tidemill.spec import CANDIDATES, LOWER_IS_BETTER, Search

BASELINE = "baseline"
LINEAR = "linear"
ENSEMBLE = "ensemble"
#: They take part in every round: what is chosen must be better than they are.
ALWAYS = frozenset({BASELINE, LINEAR})
Kind = Literal["baseline", "linear", "boosting", "forest", "extra_trees", "network"]


@dataclass(frozen=True)
class _Member:
    """One line of the portfolio. Of gradient boosting: trees with early stopping, and on small tables without."""

    kind: Kind
    params: Mapping[str, Any]
    trees: tuple[int, int] = (0, 0)
    #: Training rows that it is worth trying with.
    rows: tuple[float, float] = (0, float("inf"))


#: In the order in which a short search takes them.
_PORTFOLIO: dict[str, _Member] = {
    BASELINE: _Member("baseline", {}),
    LINEAR: _Member("linear", {}),
    "boosting_slow": _Member(
        "boosting", {"learning_rate": 0.05, "l2_regularization": 1.0, "max_features": 0.5}, (600, 200)
    ),
    "boosting_small": _Member("boosting", {"learning_rate": 0.05, "max_depth": 3}, (200, 200)),
    "forest": _Member("forest", {"n_estimators": 100, "max_depth": 8, "min_samples_leaf": 3, "max_features": 0.4}),
    "boosting_large": _Member(
        "boosting",
        {
            "learning_rate": 0.05,
            "max_leaf_nodes": 63,
            "min_samples_leaf": 10,
            "l2_regularization": 1.0,
            "max_features": 0.5,
        },
        (600, 150),
        (8_000, float("inf")),
    ),
    "boosting_narrow": _Member(
        "boosting",
        {"learning_rate": 0.03, "max_leaf_nodes": 8, "l2_regularization": 5.0, "max_features": 0.3},
        (1000, 250),
    ),
    "boosting": _Member("boosting", {"learning_rate": 0.1}, (400, 100)),
    "linear_strong": _Member("linear", {}),
    "linear_weak": _Member("linear", {}),
    "extra_trees": _Member(
        "extra_trees",
        {"n_estimators": 100, "max_depth": 12, "min_samples_leaf": 2, "max_features": 0.6},
        rows=(0, 4_000),
    ),
    "boosting_fine": _Member(
        "boosting",
        {"learning_rate": 0.04, "max_leaf_nodes": 16, "min_samples_leaf": 30, "max_features": 0.3},
        (1000, 300),
        (1_000, float("inf")),
    ),
    "boosting_pairs": _Member(
        "boosting", {"learning_rate": 0.1, "max_depth": 2, "max_features": 0.5}, (600, 150), (0, 20_000)
    ),
    "network": _Member(
        "network",
        {
            "hidden_layer_sizes": [64, 32],
            "alpha": 1e-3,
            "learning_rate_init": 3e-3,
            "batch_size": 128,
            "max_iter": 60,
            "early_stopping": True,
            "n_iter_no_change": 6,
        },
        rows=(1_000, float("inf")),
    ),
}
assert set(_PORTFOLIO) == set(CANDIDATES)
#: Of equal candidates the first one here is taken.
SIMPLEST_FIRST = (
    *(
        BASELINE,
        LINEAR,
        "linear_strong",
        "linear_weak",
        "boosting_pairs",
        "boosting_small",
        "boosting_narrow",
        "forest",
    ),
    *("extra_trees", "boosting", "boosting_slow", "boosting_fine", "boosting_large", "network", ENSEMBLE),
)
#: Columns of the matrix that free text counts as.
TEXT_WIDTH = 100
#: Relative difference of two means that decides nothing.
HAIR = 1e-4
#: Fewer rows are too few to give some away for early stopping.
_EARLY_STOPPING_ROWS = 2_000
#: So many rows that each tree of a forest needs a part of them only.
_MANY_ROWS = 20_000
#: The budget is of time: this many fits run beside each other on a laptop. The memory is that of the train function.
_BESIDE = 2
_GIGABYTES = 3008 / 1024
#: Seconds for one candidate, of the 15 minutes that its function may take; the machine may be slower than expected.
_MOST_SECONDS = 300.0
#: Of the budget, what the refit and everything around the fits may take.
_REST = 0.3


def planned(
    names: Sequence[str], task: Task, rows: int, columns: int, classes: int, folds: int, search: Search
) -> tuple[tuple[CandidateRef, ...], tuple[Halving, ...]]:
    """The candidates of a run, and the rounds of their search.

    Parameters
    ----------
    names
        which of them; when empty, those that suit a table of this size and the budget.
    rows, columns
        of the training part; free text counts as many columns.
    classes
        0 for regression.
    """
    fits = [name for name, one in _PORTFOLIO.items() if one.rows[0] <= rows < one.rows[1]]
    wanted = [name for name in _PORTFOLIO if name in names] if names else fits
    seconds = {name: folds * expected_seconds(name, rows, columns, classes) for name in wanted}
    money = search.usd / (_GIGABYTES * prices.PRICES.lambda_gb_second["arm64"])
    budget = min(search.seconds * _BESIDE, money) * (1 - _REST)
    least = {name: _PORTFOLIO[name].rows[0] for name in wanted}
    chosen, rounds = halving.plan(seconds, ALWAYS, rows, budget, _MOST_SECONDS, least)
    # The longest first, so that the last ones to be started are short.
    order = sorted(chosen, key=lambda name: (-seconds[name], name))
    return tuple(CandidateRef(name, parameters(name, task, rows, classes)) for name in order), rounds


def narrow(plan: Plan, scores: Sequence[CandidateScore]) -> Round:
    """The round after the one that the scores are of; without candidates when that was the last."""
    number = scores[0].round
    if number >= len(plan.rounds):
        return Round(number, (), 1.0)
    following = plan.rounds[number]
    kinds = {name: member.kind for name, member in _PORTFOLIO.items()}
    free = following.candidates - len(following.joining)
    kept = {*halving.survivors(scores, plan.metric, ALWAYS, free, kinds), *following.joining}
    return Round(number + 1, tuple(one for one in plan.candidates if one.name in kept), following.fraction)


def kind(name: str) -> Kind:
    """What a candidate is."""
    return _PORTFOLIO[name].kind


def parameters(name: str, task: Task, rows: int, classes: int) -> dict[str, Any]:
    """scikit-learn's parameters of a candidate, as far as they differ from its defaults."""
    member = _PORTFOLIO[name]
    if member.kind == "baseline":
        return {} if task == "regression" else {"strategy": "prior"}
    if member.kind == "linear":
        strength = {LINEAR: 1.0, "linear_strong": 10.0, "linear_weak": 0.1}[name]
        return {"alpha": strength} if task == "regression" else {"C": 1 / strength, "max_iter": 500}
    if member.kind == "forest" and rows >= _MANY_ROWS:
        return dict(member.params) | {"max_samples": 0.4}
    if member.kind == "extra_trees" and classes > 3:
        return dict(member.params) | {"n_estimators": 60}  # a leaf holds a number for each class
    if member.kind != "boosting":
        return dict(member.params)
    # A tree per class and step: more classes, fewer steps.
    steps = 2 / max(classes, 2)
    most, few = member.trees
    stops = rows >= _EARLY_STOPPING_ROWS and most > few
    fitted = dict(member.params) | {"max_iter": max(40, int((most if stops else few) * steps)), "early_stopping": stops}
    return fitted | ({"n_iter_no_change": 20} if stops else {})


def expected_seconds(name: str, rows: int, columns: int, classes: int) -> float:
    """About what one fit takes in one thread, measured on tables of 300 to 50,000 rows; never what it really took."""
    member = _PORTFOLIO[name]
    cells = rows * columns
    if member.kind == "boosting":
        params = parameters(name, "binary" if classes else "regression", rows, classes)
        leaves = params.get("max_leaf_nodes", 2 ** params.get("max_depth", 5))
        trees = params["max_iter"] * (classes if classes > 2 else 1)
        return float(trees * (2e-5 * leaves + 8e-9 * cells))
    if member.kind in ("forest", "extra_trees"):
        share = 3e-8 if member.kind == "forest" else 1e-8
        each = member.params["max_depth"] * member.params["max_features"]
        each *= 0.4 if member.kind == "forest" and rows >= _MANY_ROWS else 1.0
        return float(0.1 + share * member.params["n_estimators"] * each * cells)
    if member.kind == "network":
        return 1.5e-4 * rows + 2e-6 * cells
    return 0.02 + (2e-6 * max(classes, 1) * cells if member.kind == "linear" else 0.0)


def best(scores: Sequence[CandidateScore], metric: str) -> str:
    """The name of the best candidate by the deciding metric; of equal ones the simplest.

    Raises
    ------
    CandidateFailed
        none could be fitted.
    """
    means: Mapping[str, float] = {score.name: score.mean for score in scores if score.mean is not None}
    if not means:
        raise CandidateFailed(
            f"none of the candidates {', '.join(score.name for score in scores)} could be fitted: "
            "the errors are beside their results"
        )
    sign = -1 if metric in LOWER_IS_BETTER else 1
    top = max(sign * mean for mean in means.values())
    equal = [name for name, mean in means.items() if sign * mean >= top - HAIR * abs(top)]
    return min(equal, key=SIMPLEST_FIRST.index)
