"""From a table to predictions and back again, as a user does it."""

import json
import re
import shlex
import time

import pytest

from tidemill.contracts import RunDocument, from_json
from tidemill_cli.verbs.demo import CUSTOMER

pytestmark = [pytest.mark.e2e, pytest.mark.main_path]


# --- a table becomes a model -------------------------------------------------------------------


def test_document_of_a_live_run_is_complete(churn):
    run = from_json(RunDocument, churn)
    assert (run.status, run.stage) == ("LIVE", None)
    assert (run.project, run.task, run.target, run.metric) == ("churn", "binary", "Churn", "roc_auc")
    assert (run.dataset.rows, run.dataset.columns) == (800, 13)
    assert {candidate.name for candidate in run.candidates} == {"baseline", "linear"}
    assert all(candidate.cv["roc_auc"].std >= 0 for candidate in run.candidates)
    auc = run.holdout["roc_auc"]
    assert 0.7 < auc.low < auc.value < auc.high < 1.0
    assert (run.model.name, run.model.version, run.model.alias) == ("churn", 1, "champion")
    assert run.endpoint.endswith("/v1/models/churn:predict")
    assert run.report.endswith(f"runs/{run.run_id}/report.html")
    assert run.source.endswith("/incoming/churn/churn.csv")
    assert {"validate", "prepare", "train", "evaluate", "register", "deploy"} <= set(run.cost.by_stage)
    assert run.cost.usd > 0
    assert run.cost.by_stage["train"].invocations == 4  # two candidates, what the next round is, the refit
    assert run.seconds > 0
    assert any(check.column == "customer_id" and check.verdict == "warn" for check in run.checks)


def test_run_and_listings_show_it(tidemill, churn):
    run_id = churn["run_id"]
    assert tidemill("run", run_id[:10], "--json").document == churn
    (listed,) = [run for run in tidemill("runs", "--project", "churn", "--json").document if run["run_id"] == run_id]
    assert (listed["status"], listed["model"], listed["version"]) == ("LIVE", "churn", 1)
    assert "churn" in {model["name"] for model in tidemill("models", "--json").document}
    model = tidemill("model", "churn", "--json").document
    assert model["aliases"] == {"champion": 1}
    lineage = model["lineage"]["of"]
    assert (lineage["run_id"], lineage["dataset_version"]) == (run_id, churn["dataset"]["version"])
    assert lineage["packages"]["scikit-learn"]
    assert {"register", "deploy"} <= {event["action"] for event in model["audit"]} <= {"register", "deploy", "spec"}
    shown = tidemill("run", run_id)
    assert (shown.code, shown.err) == (0, "")
    assert churn["endpoint"] in shown.out


def test_every_stage_has_logged_the_run(tidemill, churn):
    done = tidemill("logs", churn["run_id"][:10], "--json")
    stages = {line["stage"] for line in done.document}
    assert {"intake", "validate", "prepare", "train", "evaluate", "register", "deploy", "conclude"} <= stages
    shown = tidemill("logs", churn["run_id"], "--stage", "validate")
    assert shown.code == 0
    assert all(" validate " in line for line in shown.out.splitlines() if line[:1].isdigit())


def test_report_is_downloaded(tidemill, churn, stack_state):
    done = tidemill("open", churn["run_id"], "--no-browser")
    assert done.code == 0
    report = stack_state / "reports" / f"{churn['run_id']}.html"
    assert done.out == f"{report}\n"
    assert "<html" in report.read_text()


# --- predictions -------------------------------------------------------------------------------


def test_row_is_predicted_over_http(tidemill, churn):
    done = tidemill("predict", "churn", "--row", json.dumps(CUSTOMER), "--json")
    assert done.code == 0, done.err
    assert (done.document["model"], done.document["version"]) == ("churn", 1)
    (prediction,) = done.document["predictions"]
    assert prediction["label"] == "Yes"
    assert sum(prediction["probabilities"]) == pytest.approx(1.0, abs=1e-6)
    assert prediction["probabilities"][1] > 0.5
    assert tidemill("predict", "churn", "--row", json.dumps(CUSTOMER)).out.startswith("Churn: Yes  (Yes ")


def test_typical_row_is_a_template_that_works(tidemill, churn):
    done = tidemill("predict", "churn", "--typical", "--json")
    assert done.code == 0, done.err
    flag, row = shlex.split(done.err.splitlines()[0])
    again = tidemill("predict", "churn", flag, row, "--json")
    assert again.document["predictions"] == done.document["predictions"]


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ({"tenur": 3}, "did you mean 'tenure'"),
        (CUSTOMER | {"tenure": "three"}, "tenure must be a number"),
    ],
)
def test_row_that_does_not_fit_is_refused_by_field(tidemill, churn, row, sentence):
    done = tidemill("predict", "churn", "--row", json.dumps(row))
    assert (done.code, done.out) == (1, "")
    assert sentence in done.err


def test_model_that_is_not_there(tidemill, churn):
    done = tidemill("predict", "nobody", "--row", "{}")
    assert (done.code, done.out) == (1, "")
    assert "nobody" in done.err


def test_file_over_http_equals_batch_scoring_row_for_row(tidemill, churn, tables, tmp_path, rows_of):
    table = tables / "churn_drifted_month.csv"
    predicted = tidemill("predict", "churn", "--file", table, "--out", tmp_path / "predicted.csv")
    assert predicted.code == 0, predicted.err
    scored = tidemill("score", table, "--model", "churn", "--out", tmp_path / "scored.csv", "--json")
    assert scored.code == 0, scored.err
    assert (scored.document["rows"], scored.document["version"]) == (300, 1)
    assert rows_of(tmp_path / "predicted.csv") == rows_of(tmp_path / "scored.csv")
    assert set(rows_of(tmp_path / "scored.csv")[0]) >= {"customer_id", "Churn", "prediction", "probability_Yes"}


def test_table_without_a_needed_column_is_not_scored(tidemill, churn, tmp_path):
    table = tmp_path / "short.csv"
    table.write_text("region\nnorth\nsouth\n")
    done = tidemill("score", table, "--model", "churn", cwd=tmp_path)
    assert (done.code, done.out) == (2, "")
    assert "REFUSED_DATA" in done.err
    assert not (tmp_path / "short.scored.csv").exists()


# --- a challenger, and back --------------------------------------------------------------------


def test_second_model_takes_over_and_a_rollback_brings_the_first_back(tidemill, tables, spec_file, tmp_path):
    table = tables / "diabetes.csv"
    first = tidemill("train", table, "--project", "diabetes", "--spec", spec_file(target="progression"), "--json")
    assert first.code == 0, first.err
    assert first.document["task"] == "regression"
    fewer = tmp_path / "fewer.csv"
    fewer.write_text("\n".join(table.read_text().splitlines()[:400]) + "\n")
    loose = spec_file(target="progression", gates={"champion_margin": 1.0})
    second = tidemill("train", fewer, "--project", "diabetes", "--spec", loose, "--json")
    assert second.code == 0, second.err
    assert second.document["model"] == {"name": "diabetes", "version": 2, "alias": "champion"}

    row = json.dumps(
        dict(zip(table.read_text().split("\n")[0].split(",")[:-1], [59, 2, 32.1] + [101] * 7, strict=True))
    )
    by_version = [
        tidemill("predict", "diabetes", "--row", row, "--version", version, "--json").document for version in (1, 2)
    ]
    assert by_version[0]["predictions"] != by_version[1]["predictions"]
    assert _champion(tidemill, row, 2)["predictions"] == by_version[1]["predictions"]

    back = tidemill("rollback", "diabetes", "--reason", "for the test")
    assert (back.code, back.out) == (0, "diabetes: version 1 is in service again, version 2 is not.\n")
    assert _champion(tidemill, row, 1)["predictions"] == by_version[0]["predictions"]
    assert tidemill("model", "diabetes", "--json").document["audit"][-1]["reason"] == "for the test"
    again = tidemill("rollback", "diabetes")
    assert again.code == 1
    assert "nothing to roll back" in again.err


def _champion(tidemill, row, version):
    """The champion's answer, once this version gives it: the endpoint follows an alias within seconds."""
    deadline = time.monotonic() + 30
    while True:
        answer = tidemill("predict", "diabetes", "--row", row, "--json").document
        if answer["version"] == version:
            return answer
        assert time.monotonic() < deadline, f"version {answer['version']} still answers"


# --- refusals ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "column"),
    [
        (b"", "y"),
        (b"\x00\x01\x02PK\x03\x04 no table at all \xff\xfe", "y"),
        (b"a,b,y\n" + b"".join(b"%d,%d,%d\n" % (i, i * 7 % 13, i % 2) for i in range(100)), "z"),
    ],
    ids=["empty", "no table", "target missing"],
)
def test_bad_table_is_refused_with_a_reason_beside_it(tidemill, stack, tmp_path, content, column):
    table = tmp_path / "bad.csv"
    table.write_bytes(content)
    done = tidemill("train", table, "--project", "refused", "--target", column, "--json")
    assert done.code == 2, done.err
    assert (done.document["status"], done.document["model"]) == ("REFUSED_DATA", None)
    assert done.document["reason"]
    assert done.document["reason"] in done.err.splitlines()[-1]
    bucket, s3 = stack.outputs["DataBucket"], stack.client("s3")
    reason = json.loads(
        s3.get_object(Bucket=bucket, Key="quarantine/refused/bad.csv.reason.json")["Body"].read().decode()
    )
    assert (reason["reason"], reason["run_id"]) == (done.document["reason"], done.document["run_id"])
    assert s3.get_object(Bucket=bucket, Key="quarantine/refused/bad.csv")["Body"].read() == content


def test_gate_that_is_too_high_refuses_the_model(tidemill, tables, spec_file):
    spec = spec_file(target="diagnosis", gates={"minimum": {"roc_auc": 0.99999}})
    done = tidemill("train", tables / "breast_cancer.csv", "--project", "gated", "--spec", spec, "--json")
    assert done.code == 3, done.err
    assert (done.document["status"], done.document["stage"]) == ("REFUSED_BY_GATE", "evaluate")
    assert "roc_auc" in done.document["reason"]
    assert done.document["holdout"]["roc_auc"]["value"] > 0.9
    assert tidemill("predict", "gated", "--row", "{}").code == 1


# --- other ways in -----------------------------------------------------------------------------


def test_upload_with_any_s3_client_starts_exactly_one_run(tidemill, stack, tables):
    s3, data = stack.client("s3"), stack.outputs["DataBucket"]
    spec = {"target": "diagnosis", "candidates": ["baseline", "linear"], "folds": 2}
    s3.put_object(Bucket=stack.outputs["ArtifactBucket"], Key="projects/plain/spec.json", Body=json.dumps(spec))
    s3.put_object(
        Bucket=data, Key="incoming/plain/breast cancer+.csv", Body=(tables / "breast_cancer.csv").read_bytes()
    )
    run_id = _only_run(tidemill, "plain")["run_id"]
    done = tidemill("run", run_id, "--follow", "--json")
    assert done.document["status"] == "LIVE"
    assert done.document["source"] == f"s3://{data}/incoming/plain/breast cancer+.csv"
    assert _only_run(tidemill, "plain")["run_id"] == run_id


def _only_run(tidemill, project):
    deadline = time.monotonic() + 60
    while True:
        runs = tidemill("runs", "--project", project, "--json").document
        if runs:
            (run,) = runs
            return run
        assert time.monotonic() < deadline, "no run has begun"


def test_run_goes_on_without_the_command(tidemill, interrupted, tables, spec_file):
    spec = spec_file(target="diagnosis")
    arguments = ("train", tables / "breast_cancer.csv", "--project", "left", "--spec", spec)
    done = interrupted("is uploaded to", *arguments)
    assert (done.code, done.out) == (130, "")
    assert "Traceback" not in done.err
    run_id = re.search(r"tidemill run (\w+) --follow", done.err)[1]
    assert tidemill("run", run_id, "--follow", "--json").document["status"] == "LIVE"


def test_person_approves_or_rejects(tidemill, tables, spec_file):
    spec = spec_file(target="diagnosis", approval={"mode": "manual", "timeout_hours": 1})
    table = tables / "breast_cancer.csv"
    waiting = tidemill("train", table, "--project", "asked", "--spec", spec, "--json")
    assert waiting.code == 1
    run_id = waiting.document["run_id"]
    assert waiting.document["status"] == "WAITING_FOR_APPROVAL"
    assert f"tidemill approve {run_id[:8]}" in waiting.err
    assert run_id in {one["run_id"] for one in tidemill("approve", "--json").document}
    assert tidemill("predict", "asked", "--row", "{}").code == 1

    assert tidemill("approve", run_id[:8], "--reason", "looks good").code == 0
    assert tidemill("run", run_id, "--follow", "--json").document["status"] == "LIVE"
    audit = {event["action"]: event for event in tidemill("model", "asked", "--json").document["audit"]}
    assert {"register", "vote", "approve", "deploy"} <= set(audit)
    assert (audit["approve"]["run_id"], audit["approve"]["reason"]) == (run_id, "looks good")
    assert audit["approve"]["actor"].startswith("arn:")
    again = tidemill("approve", run_id)
    assert (again.code, "was approved by arn:" in again.out) == (0, True)

    second = tidemill("train", table, "--project", "asked", "--json").document
    assert tidemill("reject", second["run_id"], "--reason", "no need").code == 0
    ended = tidemill("run", second["run_id"], "--follow", "--json").document
    assert (ended["status"], ended["stage"]) == ("REFUSED_BY_GATE", "approve")
    assert "no need" in ended["reason"]
    assert tidemill("model", "asked", "--json").document["aliases"] == {"champion": 1}
