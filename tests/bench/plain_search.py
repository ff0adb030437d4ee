"""The default search as a person would write it: one script, both cores, scikit-learn alone; prints its seconds.

From the CSV file to a fitted model: read it with pandas, keep a holdout away,
cross-validate the same candidates with the same parameters, refit the best one and
predict the holdout. No service, no ONNX, no report. The end-to-end benchmark compares the
pipeline's time with it.

    tests/bench/plain_search.py [FILE TARGET]
"""

from __future__ import annotations

import os
import sys
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

BEGAN = time.perf_counter()
os.environ["OMP_NUM_THREADS"] = "1"  # two processes of one thread each, for this script and its workers

TELCO = Path(__file__).parents[2].parent / "shared" / "data" / "telco_churn.csv"
FOLDS = 5


def read(file: Path, target: str) -> tuple[Any, Any]:
    """The table without columns that name rows, categories as codes by frequency, and the target."""
    import pandas as pd

    table = pd.read_csv(file, na_values=[" ", "?"])
    y = table.pop(target)
    texts = [name for name in table if not pd.api.types.is_numeric_dtype(table[name])]
    table = table.drop(columns=[name for name in texts if table[name].nunique() > 0.95 * len(table)])
    for name in [name for name in texts if name in table]:
        ranks = {level: rank for rank, level in enumerate(table[name].fillna("").value_counts().index)}
        table[name] = table[name].fillna("").map(ranks)
    return table.to_numpy("float32"), (y.to_numpy("float64") if pd.api.types.is_float_dtype(y) else y.to_numpy())


def pipeline(name: str, params: dict[str, Any], regression: bool) -> Any:
    """A candidate by its name in the spec."""
    from sklearn.dummy import DummyClassifier, DummyRegressor
    from sklearn.ensemble import (
        HistGradientBoostingClassifier,
        HistGradientBoostingRegressor,
        RandomForestClassifier,
        RandomForestRegressor,
    )
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if name == "baseline":
        return (DummyRegressor if regression else DummyClassifier)(**params)
    if name == "linear":
        estimator = (Ridge if regression else LogisticRegression)(**params)
        return make_pipeline(SimpleImputer(strategy="median"), StandardScaler(), estimator)
    if name == "forest":
        estimator = (RandomForestRegressor if regression else RandomForestClassifier)(**params, random_state=0)
        return make_pipeline(SimpleImputer(strategy="median"), estimator)
    boosting = HistGradientBoostingRegressor if regression else HistGradientBoostingClassifier
    return boosting(**params, random_state=0)


def cross_validated(task: tuple[str, dict[str, Any], Any, Any, bool]) -> float:
    """Mean score of a candidate over the folds."""
    from sklearn.model_selection import cross_val_score

    name, params, x, y, regression = task
    scoring = "neg_root_mean_squared_error" if regression else "roc_auc" if len(set(y)) == 2 else "neg_log_loss"
    return float(cross_val_score(pipeline(name, params, regression), x, y, cv=FOLDS, scoring=scoring).mean())


def main(file: Path, target: str) -> None:
    """Search, refit, predict; print how long it took."""
    from sklearn.model_selection import train_test_split

    from tidemill.learning import candidates

    warnings.simplefilter("ignore")
    x, y = read(file, target)
    regression = y.dtype.kind == "f" or (y.dtype.kind in "iu" and len(set(y)) > 10)
    x, x_held, y, _ = train_test_split(x, y, test_size=0.2, random_state=0, stratify=None if regression else y)
    classes = 0 if regression else len(set(y))
    kind: Any = "regression" if regression else "binary" if classes == 2 else "multiclass"
    planned = candidates.plan((), kind, len(y), classes)
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        scores = list(pool.map(cross_validated, [(one.name, one.params, x, y, regression) for one in planned]))
    best = planned[scores.index(max(scores))]
    pipeline(best.name, best.params, regression).fit(x, y).predict(x_held)
    print(f"plain search: {best.name} {max(scores):.5g}, {time.perf_counter() - BEGAN:.2f} seconds")


if __name__ == "__main__":
    if len(sys.argv) == 1 and not TELCO.exists():
        sys.exit("give a CSV file and its target")
    main(*((Path(sys.argv[1]), sys.argv[2]) if len(sys.argv) > 2 else (TELCO, "Churn")))
