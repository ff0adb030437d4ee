"""Looking at runs: the list, one run by the first characters of its id, its report."""

import dataclasses
import json
import subprocess

import pytest

from tidemill import keys
from tidemill.contracts import ModelRef

ONE, TWO = "1a" * 16, "1b" * 16
ARTIFACTS = "tidemill-artifacts"


@pytest.fixture
def two_runs(world, a_document):
    world.conclude(a_document(ONE))
    world.conclude(a_document(TWO, "REFUSED_DATA", reason="it has no rows", stage="validate", model=None), at=5)
    return world


def test_runs_are_listed_newest_first(two_runs):
    code, out, _ = two_runs.tidemill("runs")
    assert code == 0
    rows = [line.split() for line in out.splitlines()[1:]]
    assert [(row[0], row[2]) for row in rows] == [(TWO[:8], "REFUSED_DATA"), (ONE[:8], "LIVE")]
    assert "churn/1" in rows[1]


def test_runs_as_json(two_runs):
    _, out, _ = two_runs.tidemill("runs", "--json", "--limit", "1", "--project", "churn")
    assert [run["run_id"] for run in json.loads(out)] == [TWO]


def test_no_runs_says_how_to_begin(world):
    code, out, err = world.tidemill("runs")
    assert (code, out) == (0, "")
    assert "tidemill train" in err
    assert world.tidemill("runs", "--json")[1] == "[]\n"


@pytest.mark.parametrize("text", [ONE, "1a", "1A1a", ONE[:31]])
def test_run_is_found_by_the_beginning_of_its_id(two_runs, text):
    code, out, _ = two_runs.tidemill("run", text, "--json")
    assert code == 0
    assert json.loads(out)["run_id"] == ONE


def test_run_without_an_id_is_the_newest(two_runs):
    code, out, err = two_runs.tidemill("run")
    assert code == 0
    assert TWO in out
    assert err == "REFUSED_DATA at validate: it has no rows\n"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [("1", "2 runs begin with '1'"), ("ff", "no run whose id begins with 'ff'"), ("f" * 32, "there is no run")],
)
def test_run_that_is_not_one_is_an_error(two_runs, text, sentence):
    code, out, err = two_runs.tidemill("run", text)
    assert (code, out) == (1, "")
    assert sentence in err


def test_run_that_waits_shows_what_an_approver_needs(world):
    world.wait_for_person(ONE)
    code, out, err = world.tidemill("run", ONE)
    assert code == 0
    assert "0.8611 to 0.9020" in out
    assert "better than the baseline" in out
    assert "model churn, version 2" in out
    assert f"tidemill approve {ONE[:8]}" in err


def test_run_follow_goes_on_through_an_approval(world, a_step, a_document, trained):
    world.wait_for_person(ONE)
    waiting = [a_step("Register"), a_step("Approve", None, state="running", waits=True)]
    world.executions.looks = [(waiting, ("RUNNING",)), (waiting, ("RUNNING",)), (trained, ("SUCCEEDED",))]
    world.conclude(a_document(ONE))
    world.registry.run_records[ONE] = _Later(world.registry.run_records[ONE])
    code, out, _ = world.tidemill("run", ONE, "--follow", "--json")
    assert code == 0
    assert json.loads(out)["status"] == "LIVE"
    assert len(world.executions.asked) == 3


class _Later:
    """A run's record that has its document from the second time it is read."""

    def __init__(self, record):
        self._record, self._reads = record, 0

    def __getattr__(self, name):
        if name == "document":
            self._reads += 1
            if self._reads == 1:
                return None
        return getattr(self._record, name)


@pytest.mark.parametrize("status", ["RUNNING", "WAITING_FOR_APPROVAL"])
def test_run_whose_execution_ended_unconcluded_is_shown_as_failed(two_runs, status):
    two_runs.wait_for_person(ONE)
    two_runs.registry.run_records[ONE] = dataclasses.replace(two_runs.registry.run_records[ONE], status=status)
    two_runs.executions.looks = [([], ("ABORTED", "Stopped", "the emulator went down"))]
    sentence = f"run {ONE} ended as ABORTED without being concluded (Stopped: the emulator went down)"
    code, out, err = two_runs.tidemill("run", ONE)
    assert (code, ONE in out) == (0, True)
    assert err.startswith(f"FAILED: {sentence}")
    made = json.loads(two_runs.tidemill("run", ONE, "--json")[1])
    assert (made["status"], made["reason"].startswith(sentence), made["model"]) == ("FAILED", True, None)
    listed = {run["run_id"]: run for run in json.loads(two_runs.tidemill("runs", "--json")[1])}
    assert (listed[ONE]["status"], listed[ONE]["reason"]) == ("FAILED", made["reason"])
    assert listed[TWO]["status"] == "REFUSED_DATA"
    assert "FAILED" in two_runs.tidemill("runs")[1]
    assert len(two_runs.executions.asked) == 4, "only of the run that is under way"


def test_run_whose_execution_goes_on_or_is_about_to_begin_is_left_as_it_is(world):
    world.wait_for_person(ONE)
    assert json.loads(world.tidemill("runs", "--json")[1])[0]["status"] == "WAITING_FOR_APPROVAL"
    world.executions.looks = [None]
    assert json.loads(world.tidemill("run", ONE, "--json")[1])["status"] == "WAITING_FOR_APPROVAL"


def test_run_concluded_between_two_looks_is_not_called_failed(world, a_document):
    world.wait_for_person(ONE)
    before = world.registry.run_records[ONE]
    world.conclude(a_document(ONE))
    world.registry.runs = lambda *_, **__: [before]
    world.executions.looks = [([], ("SUCCEEDED",))]
    assert json.loads(world.tidemill("runs", "--json")[1])[0]["status"] == "LIVE"


def test_open_downloads_the_newest_report_and_opens_it(two_runs, monkeypatch, tmp_path):
    two_runs.objects.put(ARTIFACTS, keys.run_report(TWO), b"<html>")
    opened = []
    monkeypatch.setattr("shutil.which", lambda _: None)
    monkeypatch.setattr("click.launch", opened.append)
    code, out, _ = two_runs.tidemill("open")
    path = tmp_path / "state" / "reports" / f"{TWO}.html"
    assert (code, out) == (0, f"{path}\n")
    assert path.read_bytes() == b"<html>"
    assert opened == [path.as_uri()]


def test_what_opens_the_report_is_not_heard(two_runs, monkeypatch):
    two_runs.objects.put(ARTIFACTS, keys.run_report(TWO), b"<html>")
    begun = []
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr("subprocess.Popen", lambda command, **how: begun.append((command, how)))
    assert two_runs.tidemill("open")[0] == 0
    ((command, how),) = begun
    assert command[0] == "/usr/bin/xdg-open"
    assert command[1].endswith(f"{TWO}.html")
    assert how["stdout"] == how["stderr"] == subprocess.DEVNULL


def test_open_of_a_run_without_a_report_says_so(two_runs, monkeypatch):
    monkeypatch.setattr("tidemill_cli.reports.show", lambda _: pytest.fail("nothing may be opened"))
    code, _, err = two_runs.tidemill("open", ONE)
    assert code == 1
    assert "has no report yet" in err
    assert two_runs.tidemill("open", "--no-browser")[0] == 1


# --- what has become of a version since ----------------------------------------------------------


def test_a_version_that_was_promoted_after_its_rollout_failed_is_live(two_runs, a_document):
    two_runs.conclude(
        a_document(TWO, "ROLLED_BACK", reason="it failed", stage="rollout", model=ModelRef("churn", 2, None)),
        at=9,
    )
    two_runs.registry.alias_of["churn"]["champion"] = 1
    before = [line.split() for line in two_runs.tidemill("runs")[1].splitlines()[1:]]
    assert [row[2] for row in before] == ["ROLLED_BACK", "LIVE"]
    two_runs.registry.alias_of["churn"]["champion"] = 2
    _, out, _ = two_runs.tidemill("runs")
    rows = [line.split() for line in out.splitlines()[1:]]
    assert [(row[2], "champion" in row) for row in rows] == [("LIVE", True), ("LIVE", False)]
    (record, _) = json.loads(two_runs.tidemill("runs", "--json")[1])
    assert record["reason"] == "its version is in service; the run had ended as ROLLED_BACK: it failed"
    shown = json.loads(two_runs.tidemill("run", TWO, "--json")[1])
    assert (shown["status"], shown["stage"], shown["model"]["alias"]) == ("LIVE", None, "champion")


def test_a_run_that_waits_shows_how_large_its_table_is(world):
    world.wait_for_person(ONE)
    assert "5,000 rows, 13 columns" in world.tidemill("run", ONE)[1]
