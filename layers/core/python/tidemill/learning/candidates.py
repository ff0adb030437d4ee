"""The candidates of a search: what each is, and with which parameters.

baseline        the classes' shares, or the mean
linear          logistic or ridge regression
boosting        gradient boosting on histograms
boosting_slow   the same with smaller steps, over half of the columns at each split
boosting_small  the same with few, shallow trees, for small or noisy tables
forest          a forest of shallow trees

Trees take categories as ranks by frequency: one-hot and target encodings were tried on
real tables and were no better (telco churn, adult census, California housing).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tidemill.contracts import CandidateRef, CandidateScore, Task
from tidemill.errors import CandidateFailed
from tidemill.spec import CANDIDATES, LOWER_IS_BETTER

BASELINE = "baseline"
#: Of equal candidates the first one here is taken.
SIMPLEST_FIRST = (BASELINE, "linear", "boosting_small", "forest", "boosting", "boosting_slow")
#: So that the last ones to be started are short.
_LONGEST_FIRST = ("forest", "boosting_slow", "boosting", "boosting_small", "linear", BASELINE)
#: Relative difference of two means that decides nothing.
HAIR = 1e-4
#: Fewer rows are too few to give some away for early stopping.
_EARLY_STOPPING_ROWS = 2_000


def plan(names: Sequence[str], task: Task, rows: int, classes: int) -> tuple[CandidateRef, ...]:
    """The candidates of a run.

    Parameters
    ----------
    names
        which of them; all when empty.
    rows
        in the training part.
    classes
        0 for regression.
    """
    wanted = names or CANDIDATES
    return tuple(CandidateRef(name, parameters(name, task, rows, classes)) for name in _LONGEST_FIRST if name in wanted)


def parameters(name: str, task: Task, rows: int, classes: int) -> dict[str, Any]:
    """scikit-learn's parameters of a candidate, as far as they differ from its defaults."""
    if name == BASELINE:
        return {} if task == "regression" else {"strategy": "prior"}
    if name == "linear":
        return {"alpha": 1.0} if task == "regression" else {"C": 1.0, "max_iter": 500}
    if name == "forest":
        return {"n_estimators": 100, "max_depth": 8, "min_samples_leaf": 3, "max_features": 0.4}
    # A tree per class and step: more classes, fewer steps.
    steps = 2 / max(classes, 2)
    if name == "boosting_small":
        return {"learning_rate": 0.05, "max_iter": max(50, int(200 * steps)), "max_depth": 3, "early_stopping": False}
    slow = name == "boosting_slow"
    fitted: dict[str, Any] = {"learning_rate": 0.05 if slow else 0.1}
    if slow:
        fitted |= {"l2_regularization": 1.0, "max_features": 0.5}
    if rows < _EARLY_STOPPING_ROWS:
        return fitted | {"max_iter": max(40, int((200 if slow else 100) * steps)), "early_stopping": False}
    return fitted | {
        "max_iter": max(50, int((600 if slow else 400) * steps)),
        "early_stopping": True,
        "n_iter_no_change": 20 if slow else 15,
    }


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
