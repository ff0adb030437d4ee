"""Clusters, components and anomalies from the table to predictions, a scored table, a capture and the report."""

import json
import random

import pytest

pytestmark = pytest.mark.e2e

#: The task, what the spec says of it, and the new columns of a scored table.
TASKS = {
    "clustering": ({}, ["prediction", "distance"]),
    "dimensionality_reduction": ({"structure": {"components": 2}}, ["component_1", "component_2"]),
    "anomaly_detection": ({"candidates": ["mahalanobis"]}, ["prediction", "score"]),
}


@pytest.fixture(scope="module")
def shops(tmp_path_factory):
    """A table of shops of two kinds, with nothing to predict."""
    draw = random.Random(1)
    lines = ["area,staff,stock,region"]
    for row in range(240):
        large = row % 2
        area = draw.gauss(60 + 400 * large, 15)
        staff = draw.gauss(3 + 20 * large, 1)
        lines.append(f"{area:.1f},{staff:.2f},{area * 2 + draw.gauss(0, 25):.1f},{draw.choice('NESW')}")
    path = tmp_path_factory.mktemp("shops") / "shops.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("task", TASKS)
def test_a_table_without_a_target_becomes_a_model(task, tidemill, shops, tmp_path, rows_of, stack_state):
    declared, added = TASKS[task]
    spec = tmp_path / "spec.json"
    spec.write_text(json.dumps({"folds": 2, "task": "auto" if task == "clustering" else task} | declared))
    project = f"shops-{task[:4]}"
    done = tidemill("train", shops, "--project", project, "--spec", spec, "--json")
    assert done.code == 0, done.err
    run = done.document
    assert (run["status"], run["task"], run["target"]) == ("LIVE", task, None)
    assert "without a target" in tidemill("run", run["run_id"]).out

    row = json.dumps({"area": 460, "staff": 23, "stock": 920, "region": "N"})
    (answer,) = tidemill("predict", project, "--row", row, "--json").document["predictions"]
    said = tidemill("predict", project, "--row", row)
    assert said.code == 0, said.err
    if task == "clustering":
        small = json.dumps({"area": 60, "staff": 3, "stock": 120, "region": "N"})
        (other,) = tidemill("predict", project, "--row", small, "--json").document["predictions"]
        assert {answer["cluster"], other["cluster"]} == {"0", "1"}
        assert said.out.startswith(f"cluster {answer['cluster']}")
        assert any(check["name"] == "target_assumed" and "--target" in check["detail"] for check in run["checks"])
    elif task == "anomaly_detection":
        odd = json.dumps({"area": 60, "staff": 23, "stock": 920, "region": "N"})
        (strange,) = tidemill("predict", project, "--row", odd, "--json").document["predictions"]
        assert (answer["anomaly"], strange["anomaly"]) == (False, True)
        assert answer["score"] < 0.95 < strange["score"]
    else:
        assert len(answer["components"]) == 2

    out = tmp_path / "scored.csv"
    assert tidemill("score", shops, "--model", project, "--out", out).code == 0
    scored = rows_of(out)
    assert len(scored) == 240
    assert list(scored[0]) == ["area", "staff", "stock", "region", *added]
    by_file = tidemill("predict", project, "--file", shops)
    assert by_file.out.splitlines()[0] == ",".join(scored[0])

    assert tidemill("open", run["run_id"], "--no-browser").code == 0
    report = (stack_state / "reports" / f"{run['run_id']}.html").read_text()
    titles = {
        "clustering": "The clusters, and",
        "anomaly_detection": "What is strange",
        "dimensionality_reduction": "The comp",
    }
    assert titles[task] in report
