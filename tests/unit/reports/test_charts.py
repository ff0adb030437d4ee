"""The charts' specs against Vega-Lite's own schema, and the numbers in them."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import jsonschema
import pytest

from tidemill.contracts import CandidateResult, Effect, Importance, Interval, Spread
from tidemill.reports import charts, trust_charts
from tidemill.reports.charts import Measured

#: The schema of vega-lite 6.4.3 (BSD 3-Clause), without its descriptions.
SCHEMA = json.loads(gzip.decompress((Path(__file__).parent / "vega-lite-schema.json.gz").read_bytes()))
VALIDATOR = jsonschema.Draft7Validator(SCHEMA)
CURVE = [i / 999 for i in range(1000)]
ODD = "a.b[0]\"\\'</script>"

SPECS = {
    "intervals": charts.intervals(
        [
            Measured("ROC AUC", "this model", 0.85, 0.83, 0.87),
            Measured("ROC AUC", "champion", 0.84, 0.82, 0.86),
            Measured("ROC AUC", "baseline", 0.5),
        ],
        "",
    ),
    "leaderboard": charts.leaderboard([CandidateResult(ODD, {}, {"rmse": Spread(3.0, 0.1)}, 1.0)], "rmse", "RMSE", ODD),
    "roc": charts.roc(CURVE, CURVE, ODD, ODD),
    "precision_recall": charts.precision_recall(CURVE, CURVE, ODD, 0.3),
    "calibration": charts.calibration([0.1, 0.9], [0.2, 0.8], [90, 10]),
    "confusion": charts.confusion([ODD, "b"], [[3, 1], [0, 4]]),
    "predicted_against_actual": charts.predicted_against_actual([1.0, 2.0], [1.5, 1.8], ODD),
    "errors_by_prediction": charts.errors_by_prediction([1.0, 2.0], [1.5, 1.8], ODD),
    "error_histogram": charts.error_histogram([-1.0, 0.0, 1.0], [3, 4]),
    "difference": trust_charts.difference(Interval(0.01, -0.02, 0.03), 0.009, ODD),
    "parts": trust_charts.parts(
        [
            trust_charts.Part(f"{ODD}: a\nb: {ODD}", Interval(0.7, 0.6, 0.8), 40, True),
            trust_charts.Part("sex: F", Interval(0.8, 0.7, 0.9), 400, False),
        ],
        Interval(0.85, 0.8, 0.9),
        ODD,
    ),
    "effect of numbers": trust_charts.effect(
        [Effect(ODD, (1.0, 20_000.0), (0.1, 0.2), (0.0, 0.1), (0.3, 0.4), ODD)], (0.0, 0.4), "(missing)"
    ),
    "effect of levels": trust_charts.effect(
        [Effect(ODD, (ODD, ""), (10.0, 20_000.0), (5.0, 6.0), (30.0, 30_000.0))], (5.0, 30_000.0), "(missing)"
    ),
    "effect of dates on classes": trust_charts.effect(
        [
            Effect(ODD, ("2012-05-01T13:00", "2012-06-01T00:00"), (0.1, 0.2), (0.0, 0.1), (0.3, 0.4), name)
            for name in (ODD, "b", "c")
        ],
        (0.1, 0.2),
        "(missing)",
    ),
    "importance": charts.importance([Importance(ODD, 0.1, 0.01)], "fall of ROC AUC"),
}


@pytest.mark.parametrize("name", list(SPECS))
def test_a_spec_is_valid_vega_lite(name):
    assert [error.message for error in VALIDATOR.iter_errors(SPECS[name])] == []


def test_the_config_is_valid_vega_lite():
    assert list(VALIDATOR.iter_errors(SPECS["roc"] | {"config": charts.CONFIG})) == []


def test_the_schema_refuses_what_is_not_vega_lite():
    assert list(VALIDATOR.iter_errors(SPECS["roc"] | {"layer": [{"mark": "lines"}]}))


@pytest.mark.parametrize("name", list(SPECS))
def test_no_text_of_the_data_is_a_field_name_or_an_expression(name):
    def walk(value):
        if isinstance(value, dict):
            for key, item in value.items():
                if key in ("field", "test", "expr", "signal", "labelExpr"):
                    assert "</script>" not in item
                if key != "values":
                    walk(item)
        elif isinstance(value, list):
            for item in value:
                walk(item)

    walk(SPECS[name])


def test_a_long_curve_is_thinned_and_keeps_its_ends():
    values = SPECS["roc"]["layer"][1]["data"]["values"]
    assert len(values) <= charts.CURVE_POINTS
    assert (values[0]["x"], values[-1]["x"]) == (0.0, 1.0)
    assert charts.thinned(3, 250) == [0, 1, 2]


def test_a_baseline_without_an_interval_has_a_mark_and_no_line():
    lines, marks = (layer["data"]["values"] for layer in SPECS["intervals"]["layer"])
    assert [value["who"] for value in lines] == ["this model", "champion"]
    assert [value["who"] for value in marks] == ["this model", "champion", "baseline"]


def test_the_rarest_classes_of_a_large_confusion_matrix_become_one():
    labels = [f"class {i}" for i in range(30)]
    matrix = [[(100 - i if i == j else 1) for j in range(30)] for i in range(30)]
    names, counts = charts.grouped_matrix(labels, matrix, most=20)
    assert names[:2] == ["class 0", "class 1"]
    assert names[-1] == "11 other classes"
    assert (len(names), len(counts), len(counts[0])) == (20, 20, 20)
    assert sum(map(sum, counts)) == sum(map(sum, matrix))
    assert counts[-1][-1] == sum(matrix[i][j] for i in range(19, 30) for j in range(19, 30))


def test_confusion_shades_by_the_share_of_the_true_class():
    values = SPECS["confusion"]["data"]["values"]
    assert [(value["rows"], value["share"]) for value in values] == [(3, 0.75), (1, 0.25), (0, 0.0), (4, 1.0)]


def test_a_class_without_rows_divides_by_nothing():
    assert charts.confusion(["a", "b"], [[0, 0], [1, 2]])["data"]["values"][0]["share"] == 0.0


def test_importance_shows_the_largest_first():
    features = [Importance(f"f{i}", i / 100, 0.001) for i in range(40)]
    values = charts.importance(features, "fall of ROC AUC")["data"]["values"]
    assert [value["feature"] for value in values] == [f"f{i}" for i in range(39, 24, -1)]


def test_the_margin_is_in_sight_and_an_interval_that_reaches_into_it_is_in_another_colour():
    def drawn(low):
        spec = trust_charts.difference(Interval(0.001, low, 0.01), 0.009, "ROC AUC")
        shaded, edge, _, line, _ = spec["layer"]
        assert shaded["data"]["values"][0]["to"] == edge["data"]["values"][0]["at"] == -0.009
        assert line["encoding"]["x"]["scale"]["domain"][0] < min(low, -0.009)
        return line["mark"]["color"]

    assert drawn(-0.005) == drawn(-0.009) != drawn(-0.0091)


def test_a_model_equal_to_the_champion_can_be_drawn():
    spec = trust_charts.difference(Interval(0.0, 0.0, 0.0), 0.0, "ROC AUC")
    low, high = spec["layer"][3]["encoding"]["x"]["scale"]["domain"]
    assert low < 0 < high


def test_an_effect_has_a_band_unless_several_classes_are_drawn():
    def marks(name):
        return [layer["mark"]["type"] for layer in SPECS[name]["layer"]]

    assert marks("effect of numbers") == ["area", "line", "point"]
    assert marks("effect of levels") == ["rule", "point"]
    assert marks("effect of dates on classes") == ["line", "point"]


def test_values_of_an_effect_are_numbers_dates_or_levels_with_missing_named():
    assert [trust_charts.kind_of(values) for values in ((1.0, 2), ("2012-05-01",), ("1", "x"))] == [
        "number",
        "date",
        "level",
    ]
    dates = SPECS["effect of dates on classes"]["data"]["values"]
    assert dates[0]["x"] == "2012-05-01T13:00:00Z"
    levels = SPECS["effect of levels"]
    assert [value["x"] for value in levels["data"]["values"]] == [ODD, "(missing)"]
    assert levels["encoding"]["x"]["sort"] == ["(missing)", ODD]
