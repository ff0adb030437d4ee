"""A new version on its way in: people are reminded and agree, it gets a share of the calls, then all, or none."""

import pytest

from .conftest import until

pytestmark = pytest.mark.e2e

#: Of a canary that is over in seconds.
CANARY = {"strategy": "canary", "share": 0.5, "bake_minutes": 0.1, "min_requests": 10, "max_waits": 20}


@pytest.fixture(scope="module")
def train(tidemill, tables, spec_file):
    """Trains on the same table again; returns the run's document."""

    def run(**declared):
        spec = spec_file(target="diagnosis", **declared)
        return tidemill(
            "train", tables / "breast_cancer.csv", "--project", "released", "--spec", spec, "--json"
        ).document

    return run


def test_a_version_comes_in_step_by_step_and_goes_back(tidemill, train, tables):
    assert train()["status"] == "LIVE"
    waiting = train(approval={"mode": "manual", "timeout_hours": 1, "reminder_hours": 0.001}, rollout=CANARY)
    run_id = waiting["run_id"]
    assert waiting["status"] == "WAITING_FOR_APPROVAL"

    # The task has another token after each reminder; whichever it is, the approval reaches it.
    until(lambda: tidemill("logs", run_id, "--stage", "approve").out.count("asked for approval") > 1)
    until(lambda: tidemill("approve", run_id, "--reason", "agreed").code == 0)
    ended = tidemill("run", run_id, "--follow", "--json").document
    assert (ended["status"], ended["model"]["alias"]) in (("ROLLING_OUT", "challenger"), ("LIVE", "champion"))

    def let_in():
        tidemill("simulate", tables / "breast_cancer.csv", "--model", "released", "--rows", 40, "--no-labels")
        return tidemill("run", run_id, "--json").document["status"] != "ROLLING_OUT"

    until(let_in)
    ended = tidemill("run", run_id, "--json").document
    assert (ended["status"], ended["model"]["alias"]) == ("LIVE", "champion"), ended["reason"]
    rollout = tidemill("promote", "released", "--json").document["rollout"]
    assert (rollout["state"], rollout["version"], rollout["champion"]) == ("PROMOTED", 2, 1)
    assert {signal["verdict"] for signal in rollout["signals"]} == {"good"}
    assert tidemill("model", "released", "--json").document["aliases"] == {"challenger": 2, "champion": 2}

    by_hand = tidemill("promote", "released", "--version", 1, "--strategy", "canary", "--reason", "back", "--json")
    under_way = by_hand.document["rollout"]
    until(lambda: tidemill("traffic", "released", "--json").document["traffic"]["rollout"] == under_way)
    assert "is being rolled out" in tidemill("promote", "released", "--version", 1).err
    assert tidemill("rollback", "released", "--reason", "not yet", "--json").document["rollout"] == under_way
    assert tidemill("traffic", "released", "--json").document["traffic"]["shares"] == []

    assert tidemill("freeze", "released", "--reason", "audit").code == 0
    kept_back = train(rollout=CANARY)
    assert (kept_back["status"], kept_back["stage"]) == ("REFUSED_BY_GATE", "deploy")
    assert "tidemill freeze released --off" in kept_back["reason"]
    assert tidemill("rollback", "released").code == 0
    assert tidemill("model", "released", "--json").document["aliases"]["champion"] == 1
