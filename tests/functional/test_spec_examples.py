"""The example of each task in the guide does what it says, from the table to an evaluated model."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from quality import search

from tidemill import spec
from tidemill.learning import evaluation
from tidemill_cli import example_tables

GUIDE = Path(__file__).parents[2] / "docs" / "guide" / "spec.md"
EXAMPLE = re.compile(r"^### `(\w+)`, with `([\w.]+)`\n(.*?)^```yaml\n(.*?)^```", re.MULTILINE | re.DOTALL)
EXAMPLES = {task: (table, text) for task, table, _, text in EXAMPLE.findall(GUIDE.read_text())}


def test_every_task_has_an_example() -> None:
    assert list(EXAMPLES) == list(spec.METRICS)


@pytest.mark.parametrize("task", EXAMPLES)
def test_the_example_leads_to_a_model_that_passes_its_gates(task: str, tmp_path: Path) -> None:
    name, text = EXAMPLES[task]
    table = tmp_path / name
    table.write_bytes(example_tables.TABLES[name]())
    trial = search(table, spec.parse(yaml.safe_load(text)))
    assert trial.validated.task == task
    assert trial.evaluation.task == task
    evaluation.check(trial.evaluation)
    asked = set(spec.parse(yaml.safe_load(text)).gates.minimum)
    assert {f"minimum_{metric}" for metric in asked} <= {gate.name for gate in trial.evaluation.gates}
