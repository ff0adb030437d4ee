"""The spec: everything optional, every mistake named with what is accepted instead."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill import spec
from tidemill.contracts import to_json
from tidemill.errors import SpecError


@pytest.mark.parametrize("document", [None, {}])
def test_an_empty_spec_is_the_default_spec(document: Any) -> None:
    assert spec.parse(document) == spec.Spec()


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("churn", "the spec must be an object"),
        ({"taget": "Churn"}, "no field taget: did you mean target"),
        ({"gates": {"minimun": {}}}, "no field gates.minimun: did you mean gates.minimum"),
        ({"xyz": 1}, "no field xyz: accepted are target, task"),
        ({"folds": "five"}, "spec.folds must be a whole number, not 'five'"),
        ({"folds": 1}, "folds must be between 2 and 20"),
        ({"holdout": {"fraction": 0.9}}, "holdout.fraction must be between 0.05 and 0.5"),
        ({"metric": "cleverness"}, "the metric 'cleverness': accepted are roc_auc"),
        ({"metric": "accurcy"}, "the metric 'accurcy': did you mean accuracy?"),
        ({"positive_class": True}, 'positive_class must be text, not True: write it in quotes, as in "yes"'),
        ({"positive_class": 1}, 'positive_class must be text, not 1: write it in quotes, as in "1"'),
        ({"task": "regression", "metric": "roc_auc"}, "the metric 'roc_auc': accepted are rmse"),
        ({"gates": {"minimum": {"auc": 0.7}}}, "the metric 'auc'"),
        ({"candidates": ["deep"]}, "has no 'deep': accepted are baseline"),
        ({"columns": {"tenure": "float"}}, "spec.columns.tenure must be one of 'integer'"),
        (
            {"target": "y", "task": "clustering"},
            "spec.target names 'y', but clustering has no target: leave target out",
        ),
        ({"task": "clustering", "candidates": ["linear"]}, "has no 'linear': accepted are baseline, kmeans"),
        ({"task": "binary", "candidates": ["kmeans"]}, "has no 'kmeans': accepted are baseline, linear"),
        ({"leaks": "keep"}, "spec.leaks must be one of 'drop', 'warn', 'refuse'"),
        ({"approval": {"approvers": 2}}, "count for nothing when nobody is asked: set approval.mode to manual"),
        (
            {"approval": {"mode": "manual", "approvers": 3, "people": ["ann@example.com", "ann@example.com", "bob"]}},
            "asks for 3 people, and approval.people names 2",
        ),
        ({"monitor": {"rules": [{"wen": ["drift"]}]}}, "no field monitor.rules[0].wen: did you mean"),
        ({"monitor": {"rules": [{"when": ["drift"]}]}}, "each rule needs when and do"),
        ({"monitor": {"rules": [{"when": ["mood"], "do": ["alert"]}]}}, "spec.monitor.rules[0].when[0] must be one of"),
        ({"monitor": {"webhook": "ftp://example.com"}}, "monitor.webhook must begin with https://"),
        ({"monitor": {"drift": 0.5}}, "monitor.drift must be above 0 and at most monitor.alert_drift"),
        ({"rollout": {"share": 0}}, "rollout.share must be above 0 and at most 1"),
        ({"retraining": {"new_share": 1}}, "retraining.new_share must be between 0 and 1"),
    ],
)
def test_a_mistake_is_named_with_the_way_out(document: Any, message: str) -> None:
    with pytest.raises(SpecError) as caught:
        spec.parse(document)
    assert message in str(caught.value)


def test_the_default_spec_fits_its_own_schema() -> None:
    schema = spec.json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(to_json(spec.Spec()), schema)


def test_every_field_of_the_schema_is_explained() -> None:
    def unexplained(schema: dict[str, Any], where: str) -> list[str]:
        found = []
        for name, field in schema.get("properties", {}).items():
            found += [] if field.get("description") else [where + name]
            found += unexplained(field, f"{where}{name}.")
        return found

    assert unexplained(spec.json_schema(), "") == []


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*to_json(spec.Spec()), "unknown"]), json_values, max_size=4))
def test_any_document_is_a_spec_or_a_spec_error(document: dict[str, Any]) -> None:
    try:
        parsed = spec.parse(document)
    except SpecError:
        return
    assert spec.parse(to_json(parsed)) == parsed
    jsonschema.validate(to_json(parsed), spec.json_schema())


def test_every_metric_that_may_decide_has_a_direction() -> None:
    named = {name for names in spec.METRICS.values() for name in names}
    assert named >= spec.LOWER_IS_BETTER
    assert {task: spec.default_metric(task) for task in spec.METRICS} == {
        "binary": "roc_auc",
        "multiclass": "log_loss",
        "regression": "rmse",
        "clustering": "silhouette",
        "dimensionality_reduction": "explained_variance",
        "anomaly_detection": "shuffled_auc",
    }
