"""What the report says of models without a target."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from tidemill.contracts import (
    CandidateResult,
    DatasetRef,
    Evaluation,
    Gate,
    Importance,
    InputField,
    Interval,
    ModelRef,
    Parity,
    RunArtifacts,
    RunDocument,
    Signature,
    Spread,
    Task,
)
from tidemill.reports import structure_charts
from tidemill.reports.run_report import render
from tidemill.reports.summary import headline

PLACES = {"x": [0.0, 1.5, -2.0], "y": [1.0, 0.5, -0.5], "explained": [0.6, 0.2]}
GROUPED = PLACES | {"group": ["0", "0", "1"]}


def trait(column: str, level: str | None = None, date: bool = False, **more: Any) -> dict[str, Any]:
    return {"column": column, "level": level, "date": date} | more


CURVES: dict[Task, dict[str, Any]] = {
    "clustering": {
        "clusters": {"names": ["0", "1"], "rows": [60, 40]},
        "map": GROUPED,
        "profiles": {
            "traits": [
                trait("spent", mean=120.0, means=[40.0, 240.0], distance=[-0.8, 1.2]),
                trait("region", "north", mean=0.5, means=[0.9, None], distance=[0.8, None]),
                trait("region", "", mean=0.1, means=[0.1, 0.1], distance=[0.0, 0.0]),
                trait("since", date=True, mean=18262.0, means=[18262.0, 18628.0], distance=[0.0, 0.9]),
                trait("<b>", mean=1.0, means=[0.9, 1.1], distance=[-0.1, 0.1]),
            ]
        },
    },
    "dimensionality_reduction": {
        "components": {"shares": [0.6, 0.2]},
        "map": PLACES,
        "loadings": {
            "traits": [trait("spent", correlations=[0.95, 0.1]), trait("region", "north", correlations=[-0.6, 0.2])]
        },
    },
    "anomaly_detection": {
        "scores": {"edges": [0.0, 0.5, 0.95, 1.0], "counts": [50, 44, 6], "threshold": 0.95, "above": 6},
        "map": PLACES | {"group": ["normal", "normal", "anomaly"]},
        "strangest": {
            "rows": [
                {
                    "score": 0.9991,
                    "columns": [
                        trait("spent", value=9000.0, usual=120.0, fall=0.4),
                        trait("region", value="", usual="north", fall=0.1),
                        trait("since", date=True, value=18262.0, usual=None, fall=0.1),
                    ],
                },
                {"score": 0.91, "columns": []},
            ]
        },
    },
}
METRICS = {
    "clustering": ("silhouette", 0.46),
    "dimensionality_reduction": ("explained_variance", 0.92),
    "anomaly_detection": ("shuffled_auc", 0.88),
}
CLASSES = {"clustering": ("0", "1"), "anomaly_detection": ("normal", "anomaly")}


def told(task: Task, **changes: Any) -> tuple[RunDocument, str]:
    """The document of a live run, and its report."""
    metric, value = METRICS[task]
    interval = Interval(value, value - 0.03, value + 0.03)
    evaluation = Evaluation(
        task=task,
        target=None,
        metric=metric,
        candidate="kmeans_2",
        rows=100,
        holdout={metric: interval},
        baseline={metric: 0.2},
        gates=(Gate("beats_baseline", "pass", "better", value, 0.2),),
        importance=(Importance("spent", 0.3, 0.01), Importance("region", 0.0, 0.0)),
        parity=Parity(100, True, 1e-8, 1e-5),
        classes=CLASSES.get(task, ()),
        curves=CURVES[task],
        decisions=("2 clusters were chosen.",),
    )
    document = RunDocument(
        run_id="0" * 32,
        status="LIVE",
        reason="every gate passed",
        project="shops",
        task=task,
        target=None,
        dataset=DatasetRef("abc", 500, 4),
        checks=(),
        candidates=(CandidateResult("kmeans_2", {"n_clusters": 2}, {metric: Spread(value, 0.01)}, 1.0),),
        metric=metric,
        holdout={metric: interval},
        model=ModelRef("shops", 1, "champion"),
        endpoint="https://x/v1/models/shops:predict",
        report=None,
        cost=None,
        seconds=3.0,
    )
    signature = Signature("shops", task, None, (InputField("spent", "number", example=3),), CLASSES.get(task, ()))
    return document, render(replace(document, **changes), RunArtifacts(evaluation=evaluation, signature=signature))


@pytest.mark.parametrize(
    ("task", "said"),
    [
        (
            "clustering",
            [
                "The clusters, and what makes each different",
                '<b class="name">spent</b> far above average: 240 (all: 120)',
                '<b class="name">region is “north”</b> in 90% of its rows (50% of all)',
                '<b class="name">since</b> later: 2021-01-01 (all: 2020-01-01)',
                "region is missing",
                "share of rows that change cluster",
                "region changes nothing",
                "{&quot;cluster&quot;: &quot;2&quot;, &quot;distance&quot;: 0.7}",
                "2 clusters were chosen.",
            ],
        ),
        (
            "dimensionality_reduction",
            [
                "2 components stand for all columns and keep 80% of the variance",
                '<b class="name">spent</b> 0.95',
                '<b class="name">region is “north”</b> 0.60',
                "the same components",
            ],
        ),
        (
            "anomaly_detection",
            [
                "That holds for 6 of the 100 holdout rows (6%)",
                '<b class="name">spent</b> 9,000, usually 120',
                '<b class="name">region</b> missing, usually “north”',
                '<b class="name">since</b> 2020-01-01, usually missing',
                "no single column: how they go together",
                "<b>0.9991</b>",
            ],
        ),
    ],
)
def test_the_report_says_what_was_found(task: Task, said: list[str]) -> None:
    _, page = told(task)
    for sentence in said:
        assert sentence in page, sentence
    assert "<b><b>" not in page
    assert "What drives the predictions" not in page


@pytest.mark.parametrize("task", METRICS)
def test_the_headline_is_a_sentence_without_a_target(task: Task) -> None:
    document, page = told(task)
    line = headline(document)
    assert line.startswith("shops version 1 is live: its ") or task == "anomaly_detection"
    assert "the target" not in line
    assert "None" not in line
    assert "ignores every column gets" not in page


@pytest.mark.parametrize("task", METRICS)
def test_the_same_records_give_the_same_page(task: Task) -> None:
    assert told(task)[1] == told(task)[1]


def test_many_clusters_have_colours_and_shapes_that_differ_together() -> None:
    names = [str(place) for place in range(20)]
    chart = structure_charts.scatter([1.0], [2.0], ["0"], names, ("x", "y"), "cluster")
    encoding = chart["encoding"]
    looks = set(zip(encoding["color"]["scale"]["range"], encoding["shape"]["scale"]["range"], strict=True))
    assert len(looks) == 20


def test_bars_from_the_threshold_on_are_marked() -> None:
    chart = structure_charts.scores([0.0, 0.95, 1.0], [9, 1], 0.95)
    assert "0.95" in json.dumps(chart["layer"][0]["encoding"]["color"])
    assert chart["layer"][1]["data"]["values"] == [{"threshold": 0.95}]
