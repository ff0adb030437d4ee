"""The loop, closed: a model drifts, its schedule finds it, a better one is trained, approved and let in by itself.

Everything is done as a user does it: by the command, in processes of its own, against the deployed stack. The only hand
in it is the approval's.
"""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
import urllib3

from tidemill_cli import churn_generator

pytestmark = [pytest.mark.e2e, pytest.mark.main_path]

COMMAND = Path(sys.executable).with_name("tidemill")
MODEL = "loop"
#: What the project declares. Everything that takes hours in life takes seconds here; the schedule is the stack's own.
LOOP = {
    "target": "Churn",
    "candidates": ["baseline", "linear"],
    "folds": 2,
    "gates": {"champion_margin": 0.05},
    "monitor": {
        "every_minutes": 0.1,
        "window": {"rows": 300},
        "min_rows": 200,
        "rules": [
            {"when": ["drift", "prediction_drift", "domain_drift"], "severity": "alert", "do": ["alert"]},
            {"when": ["quality"], "do": ["alert", "retrain"]},
        ],
    },
    "retraining": {"data": "drifted_plus_old", "new_share": 0.5, "min_new_rows": 200},
    "approval": {"mode": "manual"},
    # The functions share two cores with the tests here: their latency says nothing.
    "rollout": {
        "strategy": "canary", "share": 0.4, "bake_minutes": 0.05, "min_requests": 20, "max_waits": 40,
        "latency_ratio": 100.0,
    },
}  # fmt: skip
#: The loop may take so long in all; how long each wait may take is a part of it.
SECONDS = 300


@pytest.fixture(scope="module")
def month(tmp_path_factory):
    """A file of customers after half a year in which what makes people leave has changed."""
    path = tmp_path_factory.mktemp("loop") / "churn_june.csv"
    path.write_bytes(churn_generator.drifted_month(rows=600))
    return path


class Clock:
    """How long the loop has taken, for the transcript and for the bound."""

    def __init__(self):
        self._begun = time.monotonic()

    def say(self, line):
        """A line of the transcript."""
        print(f"{time.monotonic() - self._begun:6.1f} s  {line}")  # noqa: T201 - shown by pytest -s

    def until(self, find, what):
        """The first true thing that `find` gives; fails when the loop has taken too long."""
        while True:
            found = find()
            if found:
                self.say(what)
                return found
            assert time.monotonic() - self._begun < SECONDS, f"the loop stands before: {what}"
            time.sleep(1)


def test_drift_is_found_and_a_better_model_trained_approved_and_let_in(
    tidemill, environment, tables, month, tmp_path, inbox, stack_state
):
    clock = Clock()
    spec = tmp_path / "spec.json"
    spec.write_text(json.dumps(LOOP))

    def ok(*arguments):
        done = tidemill(*arguments)
        assert done.code == 0, done.err
        return done

    def runs(status):
        return [run for run in ok("runs", "--project", MODEL, "--json").document if run["status"] == status]

    def decided(action):
        document = ok("monitor", MODEL, "--json").document
        return [one for one in document["decisions"] if one["action"] == action and one["acted"]]

    # A first version, which a person lets in.
    waiting = tidemill("train", tables / "churn.csv", "--project", MODEL, "--spec", spec, "--json").document
    assert waiting["status"] == "WAITING_FOR_APPROVAL"
    ok("approve", waiting["run_id"], "--reason", "the first one")
    clock.until(lambda: runs("LIVE"), "version 1 is in service")

    # Customers of another time come, and what they really did becomes known late and in parts.
    sent = ok("simulate", month, "--model", MODEL, "--label-parts", 2, "--shuffle-labels", "--json").document
    assert (sent["rows"], sent["actuals"], sent["versions"]) == (600, 600, {"1": 600})
    clock.say("600 customers were predicted, and what they did was told")

    # Nobody looks: the schedule does.
    alerts = clock.until(lambda: decided("alert"), "an alert was decided")
    assert any(one["findings"] for one in alerts)
    clock.until(lambda: inbox.about(MODEL, alerts[-1]["findings"][0]["sentence"]), "people were told")
    (training,) = clock.until(lambda: decided("retrain"), "a retraining was decided")[-1:]
    assert {finding["kind"] for finding in training["findings"]} == {"quality"}
    assert training["retraining"]
    (run,) = clock.until(lambda: runs("WAITING_FOR_APPROVAL"), "the new version waits for approval")
    assert (
        ok("run", run["run_id"], "--json").document["source"].endswith(f"retraining-{training['retraining']}.parquet")
    )

    # The hand.
    ok("approve", run["run_id"], "--reason", "it has learned of June")
    clock.until(lambda: runs("ROLLING_OUT") or runs("LIVE"), "its rollout has begun")
    traffic = [
        COMMAND, "simulate", month, "--model", MODEL, "--rows", "1500", "--no-labels", "--seed", "7", "--rate", "25",
        "--json",
    ]  # fmt: skip
    with subprocess.Popen(list(map(str, traffic)), env=environment, stdout=subprocess.PIPE, text=True) as calls:
        try:
            clock.until(
                lambda: run["run_id"] in {one["run_id"] for one in runs("LIVE")}, "version 2 has all the traffic"
            )
        finally:
            calls.terminate()
    model = ok("model", MODEL, "--json").document
    assert model["aliases"]["champion"] == 2
    assert "promote" in {event["action"] for event in model["audit"]}
    url, key = (ok("url", *flags).out.strip() for flags in ((), ("--key",)))
    asked = urllib3.request("GET", f"{url}/models/{MODEL}/rollout", headers={"x-api-key": key}, timeout=30)
    rollout = asked.json()["rollout"]
    assert (rollout["version"], rollout["champion"], rollout["state"]) == (2, 1, "PROMOTED")
    # It answered a share of the calls first, and was looked at.
    assert rollout["history"][0].split(": ")[1] == "version 2 answers 0.4 of the calls"
    (calls_seen,) = [signal["value"] for signal in rollout["signals"] if signal["name"] == "requests"]
    assert calls_seen >= LOOP["rollout"]["min_requests"]

    # What has happened can be read.
    ok("monitor", MODEL, "--look")
    report = stack_state / "reports" / f"monitor-{MODEL}.html"
    ok("monitor", MODEL, "--open")
    assert "<h1" in report.read_text()
    clock.say("the loop is closed")
