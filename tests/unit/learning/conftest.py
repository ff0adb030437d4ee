"""Small tables with everything in them that columns can have, made from a seed."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from tidemill.contracts import ColumnProfile, DatasetRef, Profile, Reading, Validated
from tidemill.learning import fitting, preparation, refitting
from tidemill.spec import Spec

READING = Reading("csv", None, "utf-8", ",", '"', True, 1000)
FEATURES = {
    "tenure": "integer",
    "charge s/month": "number",
    "contract": "category",
    "paperless": "boolean",
    "since": "date",
}


def raw(rows=300, seed=0):
    """Raw columns with missing values, a rare level, and targets that depend on some of them."""
    random = np.random.default_rng(seed)
    tenure = random.integers(0, 72, rows).astype(float)
    charges = random.normal(60, 20, rows)
    contract = random.choice(["Monthly", "One year", "Two year"], rows, p=[0.5, 0.3, 0.2]).astype(object)
    score = 0.05 * tenure - 0.03 * charges + 1.5 * (contract == "Two year") + random.normal(0, 0.7, rows)
    charges[::17] = np.nan
    contract[::13] = None
    contract[5] = "Never again"
    days = np.datetime64("2024-01-01") + random.integers(0, 700, rows)
    return {
        "tenure": tenure,
        "charge s/month": charges,
        "contract": contract,
        "paperless": random.choice(["true", "false"], rows).astype(object),
        "since": np.array([str(day) for day in days], dtype=object),
        "Churn": np.where(score > np.median(score), "Yes", "No").astype(object),
        "plan": np.digitize(score, np.quantile(score, [0.3, 0.7])).astype(float),
        "value": 1000 * score,
    }


TARGETS = {"binary": ("Churn", "category"), "multiclass": ("plan", "integer"), "regression": ("value", "number")}


def validated(task, rows=300):
    return Validated(DatasetRef("d1", rows, 6), task, TARGETS[task][0], 0)


def profile(task, rows=300, roles=None):
    name, kind = TARGETS[task]
    columns = [
        ColumnProfile(column, type_, (roles or {}).get(column, "feature"), rows, 0, 10)
        for column, type_ in FEATURES.items()
    ]
    return Profile(rows, 0, (*columns, ColumnProfile(name, kind, "target", rows, 0, 3)), READING, name, task)


def prepared(task, spec=None, rows=300, roles=None, columns=None):
    """A prepared table, by default with the quick candidates only."""
    spec = spec or Spec(candidates=("baseline", "linear"))
    columns = columns or raw(rows)
    return preparation.prepare("m", spec, profile(task, rows, roles), validated(task, rows), columns)


def refitted(ready, *names):
    """Candidates of a prepared table, cross-validated and refitted; trees are few, for speed."""
    few = {"max_iter": 20, "n_estimators": 20}
    smaller = [
        one if one.name.startswith("linear") else replace(one, params={k: few.get(k, v) for k, v in one.params.items()})
        for one in ready.plan.candidates
        if one.name in names
    ]
    return searched(replace(ready, plan=replace(ready.plan, candidates=tuple(smaller))))


def searched(ready):
    """The candidates of a prepared table, cross-validated and refitted."""
    plan = ready.plan
    made = [fitting.cross_validate(one, plan, ready.train, lambda: 0.0) for one in plan.candidates]
    scores = [fitting.score_of(one.result, plan.metric) for one in made]
    found = {one.result.name: one.out_of_fold for one in made if one.out_of_fold}
    return refitting.refit(plan, ready.train, ready.holdout, scores, found)


@pytest.fixture(scope="session")
def tables():
    return SimpleNamespace(
        raw=raw, profile=profile, validated=validated, prepared=prepared, refitted=refitted, searched=searched
    )
