"""Real tables without a target, or with theirs left out, from the file to the evaluation, in process."""

import csv
import importlib.util
import sys
from collections import Counter
from pathlib import Path

import pytest

from tidemill import spec as specs
from tidemill.serving.scoring import Model

BENCH = Path(__file__).parents[1] / "bench" / "quality.py"
_spec = importlib.util.spec_from_file_location("quality", BENCH)
quality = importlib.util.module_from_spec(_spec)
sys.modules.setdefault("quality", quality)
_spec.loader.exec_module(quality)

pytestmark = [
    pytest.mark.realdata,
    pytest.mark.skipif(not quality.TABLES.is_dir(), reason="the real tables are not there"),
]

WITHOUT_LABEL = {"ignore": ["species"]}
TASKS = ("clustering", "dimensionality_reduction", "anomaly_detection")


def trial(table, document):
    return quality.search(quality.TABLES / f"{table}.csv", specs.parse(document))


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize(("table", "document"), [("wholesale_customers", {}), ("penguins", WITHOUT_LABEL)])
def test_a_table_without_a_target_passes_every_gate(table, document, task):
    asked = {} if task == "clustering" else {"task": task}
    made = trial(table, document | asked)
    evaluation = made.evaluation
    assert (evaluation.task, evaluation.target) == (task, None)
    assert evaluation.parity.rows == evaluation.rows
    assert evaluation.parity.labels_equal
    assert evaluation.parity.max_difference <= 1e-5
    assert [result.error for result in made.results if result.error] == []
    assert [gate.detail for gate in evaluation.gates if gate.verdict == "refuse"] == []
    # Clearly better than rows without structure, not by a hair.
    interval = evaluation.holdout[evaluation.metric]
    assert interval.low > evaluation.baseline[evaluation.metric] + 0.05


def test_clusters_of_penguins_keep_species_together():
    made = trial("penguins", WITHOUT_LABEL)
    with open(quality.TABLES / "penguins.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    model = Model.load(made.refit.onnx, made.refit.signature)
    kinds = {field.name: field.type for field in made.refit.signature.inputs}
    columns = {name: [_value(row[name], kind) for row in rows] for name, kind in kinds.items()}
    labels = model.predict(model.encoder.encode(columns)).labels
    homes = {species: Counter() for species in {row["species"] for row in rows}}
    for row, label in zip(rows, labels, strict=True):
        homes[row["species"]][label] += 1
    for species, counts in homes.items():
        assert counts.most_common(1)[0][1] / sum(counts.values()) > 0.95, species


def _value(text, kind):
    if text in ("", "NA"):
        return None
    return float(text) if kind in ("integer", "number") else text
