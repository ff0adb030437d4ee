"""The default search as a person would write it: one script, both cores, scikit-learn alone; prints its seconds.

From the CSV file to a fitted model: read it with pandas, keep a holdout away,
cross-validate the same candidates with the same parameters in the same rounds, choose the
votes of the last ones from their out-of-fold predictions, refit those and predict the
holdout. No service, no ONNX, no report, no calibration, no intervals. The end-to-end
benchmark compares the pipeline's time with it.

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
        ExtraTreesClassifier,
        ExtraTreesRegressor,
        HistGradientBoostingClassifier,
        HistGradientBoostingRegressor,
        RandomForestClassifier,
        RandomForestRegressor,
    )
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from tidemill.learning import candidates

    kinds: dict[str, tuple[Any, Any]] = {
        "baseline": (DummyClassifier, DummyRegressor),
        "linear": (LogisticRegression, Ridge),
        "boosting": (HistGradientBoostingClassifier, HistGradientBoostingRegressor),
        "forest": (RandomForestClassifier, RandomForestRegressor),
        "extra_trees": (ExtraTreesClassifier, ExtraTreesRegressor),
        "network": (MLPClassifier, MLPRegressor),
    }
    kind = candidates.kind(name)
    seeded = {} if kind in ("baseline", "linear") else {"random_state": 0}
    estimator = kinds[kind][regression](**params, **seeded)
    if kind in ("linear", "network"):
        return make_pipeline(SimpleImputer(strategy="median"), StandardScaler(), estimator)
    return estimator if kind == "boosting" else make_pipeline(SimpleImputer(strategy="median"), estimator)


def out_of_fold(task: tuple[str, dict[str, Any], Any, Any, bool]) -> Any:
    """What a candidate says of each row from the other folds."""
    from sklearn.model_selection import cross_val_predict

    name, params, x, y, regression = task
    how = "predict" if regression else "predict_proba"
    return cross_val_predict(pipeline(name, params, regression), x, y, cv=FOLDS, method=how)


def quality(y: Any, said: Any, regression: bool) -> float:
    """The deciding metric, more is better."""
    from sklearn.metrics import log_loss, mean_squared_error, roc_auc_score

    if regression:
        return -float(mean_squared_error(y, said))
    return float(roc_auc_score(y, said[:, 1])) if said.shape[1] == 2 else -float(log_loss(y, said))


def fitted(task: tuple[str, dict[str, Any], Any, Any, bool]) -> Any:
    """A candidate on all rows."""
    name, params, x, y, regression = task
    return pipeline(name, params, regression).fit(x, y)


def main(file: Path, target: str) -> None:
    """Search, refit, predict; print how long it took."""
    import numpy as np
    from sklearn.model_selection import train_test_split

    from tidemill.learning import candidates, ensemble
    from tidemill.spec import Search

    warnings.simplefilter("ignore")
    x, y = read(file, target)
    regression = y.dtype.kind == "f" or (y.dtype.kind in "iu" and len(set(y)) > 10)
    y = y.astype(float) if regression else np.unique(y, return_inverse=True)[1]
    x, x_held, y, _ = train_test_split(x, y, test_size=0.2, random_state=0, stratify=None if regression else y)
    classes = 0 if regression else len(set(y))
    kind: Any = "regression" if regression else "binary" if classes == 2 else "multiclass"
    left, rounds = candidates.planned((), kind, len(y), x.shape[1], classes, FOLDS, Search())
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        later = {name for halving in rounds for name in halving.joining}
        every, left = left, tuple(one for one in left if one.name not in later)
        for number, halving in enumerate(rounds):
            share = int(len(y) * halving.fraction)
            tasks = [(one.name, one.params, x[:share], y[:share], regression) for one in left]
            said = dict(zip((one.name for one in left), pool.map(out_of_fold, tasks), strict=True))
            if number + 1 < len(rounds):
                order = sorted(said, key=lambda name: -quality(y[:share], said[name], regression))
                after = rounds[number + 1]
                free = after.candidates - len(after.joining)
                kept = {*order[:free], *after.joining, *candidates.ALWAYS}
                left = tuple(one for one in every if one.name in kept)
        truth = {name: one if regression else one[np.arange(share), y[:share]] for name, one in said.items()}
        loss = ensemble.squared if regression else ensemble.log_loss
        weights = ensemble.select(truth, y[:share], loss)
        members = [(one.name, one.params, x, y, regression) for one in left if one.name in weights]
        for model in pool.map(fitted, members):
            model.predict(x_held)
    best = quality(y[:share], ensemble.blend(said, weights), regression)
    print(f"plain search: {', '.join(weights)} {best:.5g}, {time.perf_counter() - BEGAN:.2f} seconds")


if __name__ == "__main__":
    if len(sys.argv) == 1 and not TELCO.exists():
        sys.exit("give a CSV file and its target")
    main(*((Path(sys.argv[1]), sys.argv[2]) if len(sys.argv) > 2 else (TELCO, "Churn")))
