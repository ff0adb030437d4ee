"""The candidates of the tasks without a target: what each is, and with which parameters.

kmeans             k-means, once for each number of clusters from 2 to 10 (kmeans_2, kmeans_3, ...)
pca                principal components, as many as explain 90% of the variance
isolation_forest   how few random cuts set a row apart (Liu, Ting and Zhou, 2008)
mahalanobis        distance from the middle, by the columns' spread and how they go together (Ledoit and Wolf, 2004)
reconstruction     what is left of a row when it is rebuilt from a few principal components
baseline           one cluster; directions at random; the same score for every row
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tidemill.contracts import CandidateRef, CandidateScore, Task
from tidemill.errors import CandidateFailed, SpecError
from tidemill.spec import LOWER_IS_BETTER, Spec

BASELINE = "baseline"
#: Numbers of clusters that are tried.
CLUSTERS = range(2, 11)
#: Share of the variance that the components must explain.
EXPLAINED = 0.9
#: Relative difference of two means that decides nothing; between numbers of clusters, where fewer say more.
_HAIR = 1e-4
_CLUSTERS_HAIR = 0.1
#: A cluster has so many training rows on average, or there are fewer clusters.
_LEAST_ROWS = 5


def plan(spec: Spec, task: Task, rows: int) -> tuple[CandidateRef, ...]:
    """The candidates of a run on so many training rows, the simplest first.

    Raises
    ------
    SpecError
        the spec names none that finds anything.
    """
    known = _all(spec, task, rows)
    planned = [one for one in known if not spec.candidates or one[0] in spec.candidates]
    if all(kind == BASELINE for kind, _, _ in planned):
        accepted = ", ".join(dict.fromkeys(kind for kind, _, _ in known if kind != BASELINE))
        raise SpecError(f"spec.candidates names none that suits the task {task}: accepted are {accepted}")
    return tuple(CandidateRef(name, params) for _, name, params in planned)


def _all(spec: Spec, task: Task, rows: int) -> list[tuple[str, str, dict[str, Any]]]:
    """Kind, name and parameters of every candidate."""
    asked = spec.structure
    if task == "clustering":
        most = max(2, rows // _LEAST_ROWS)
        numbers = [asked.clusters] if asked.clusters is not None else [k for k in CLUSTERS if k <= most]
        tried = [("kmeans", f"kmeans_{k}", {"n_clusters": k}) for k in numbers]
        return [(BASELINE, BASELINE, {"n_clusters": numbers[0]}), *tried]
    if task == "dimensionality_reduction":
        kept = {"explained": EXPLAINED} if asked.components is None else {"n_components": asked.components}
        return [(name, name, dict(kept)) for name in (BASELINE, "pca")]
    share = {"contamination": asked.contamination}
    return [
        (BASELINE, BASELINE, share),
        ("mahalanobis", "mahalanobis", dict(share)),
        ("reconstruction", "reconstruction", {"explained": EXPLAINED, **share}),
        ("isolation_forest", "isolation_forest", {"n_estimators": 100, **share}),
    ]


def best(scores: Sequence[CandidateScore], planned: Sequence[CandidateRef], metric: str) -> tuple[CandidateRef, ...]:
    """The best candidates but the baseline by the deciding metric, the simplest first.

    Those that are as good as the best are among them: of numbers of clusters, those within a tenth of its metric.

    Raises
    ------
    CandidateFailed
        none could be fitted.
    """
    means = {score.name: score.mean for score in scores if score.mean is not None}
    fitted = [candidate for candidate in planned if candidate.name in means and candidate.name != BASELINE]
    if not fitted:
        raise CandidateFailed(
            f"none of the candidates {', '.join(candidate.name for candidate in planned)} could be fitted: "
            "the errors are beside their results"
        )
    sign = -1 if metric in LOWER_IS_BETTER else 1
    top = max(sign * means[candidate.name] for candidate in fitted)
    hair = _CLUSTERS_HAIR if "n_clusters" in fitted[0].params else _HAIR
    return tuple(one for one in fitted if sign * means[one.name] >= top - hair * abs(top))
