"""`tidemill score`: upload, follow, download."""

import json

import pytest

DATA = "tidemill-data"
MERGED = json.dumps({"bucket": DATA, "key": "scored/churn/june.csv", "rows": 2, "version": 3})
REFUSED = json.dumps({"run_id": "f" * 32, "status": "REFUSED_DATA", "reason": "the column tenure is missing"})


@pytest.fixture
def june(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "june.csv"
    path.write_text("tenure\n3\n40\n")
    return path


@pytest.fixture
def scoring(world, a_step):
    steps = [a_step("Plan"), a_step("Score", is_map=True, after=1), a_step("Merge", after=2)]
    world.executions.looks = [None, (steps[:1], ("RUNNING",)), (steps, ("SUCCEEDED", "", "", MERGED))]
    world.objects.put(DATA, "scored/churn/june.csv", b"tenure,prediction\n3,Yes\n40,No\n")
    return world


def test_uploads_follows_and_downloads(scoring, june, tmp_path):
    code, out, err = scoring.tidemill("score", june, "--model", "churn")
    assert code == 0
    assert scoring.objects.get(DATA, "score/churn/june.csv") == june.read_bytes()
    assert (tmp_path / "june.scored.csv").read_text() == "tenure,prediction\n3,Yes\n40,No\n"
    assert out == "2 rows scored by version 3: june.scored.csv\n"
    assert [line.split()[0] for line in err.splitlines() if " done" in line] == ["plan", "score", "merge"]
    assert "stateMachine:tidemill-scoring".replace("stateMachine", "execution") in scoring.executions.asked[0]


def test_out_and_json(scoring, june, tmp_path):
    code, out, _ = scoring.tidemill("score", june, "--model", "churn", "--out", tmp_path / "x.csv", "--json")
    assert code == 0
    assert json.loads(out) == {
        "rows": 2,
        "version": 3,
        "object": "s3://tidemill-data/scored/churn/june.csv",
        "file": str(tmp_path / "x.csv"),
    }
    assert (tmp_path / "x.csv").exists()


def test_its_own_result_is_downloaded_though_another_upload_of_the_name_came_later(scoring, june, tmp_path):
    scoring.objects.put(DATA, "scored/churn/june.csv", b"somebody else's\n")
    mine = json.loads(MERGED) | {"version_id": "1", "absent": ["senior", "joined"]}
    scoring.executions.looks = [([], ("SUCCEEDED", "", "", json.dumps(mine)))]
    code, _, err = scoring.tidemill("score", june, "--model", "churn")
    assert code == 0
    assert (tmp_path / "june.scored.csv").read_text() == "tenure,prediction\n3,Yes\n40,No\n"
    assert "! the table has no column senior, joined: taken as missing in every row" in err


def test_folder_of_the_result_must_exist_before_anything_is_uploaded(scoring, june, tmp_path):
    code, _, err = scoring.tidemill("score", june, "--model", "churn", "--out", tmp_path / "none" / "x.csv")
    assert code == 1
    assert "does not exist: make it first" in err
    assert (DATA, "score/churn/june.csv") not in scoring.objects.stored


def test_refused_table_exits_with_2_and_the_reason(scoring, june, tmp_path, a_step):
    scoring.executions.looks = [([a_step("Plan", state="failed"), a_step("Conclude")], ("SUCCEEDED", "", "", REFUSED))]
    code, out, err = scoring.tidemill("score", june, "--model", "churn")
    assert (code, out) == (2, "")
    assert err.splitlines()[-1] == "REFUSED_DATA: the column tenure is missing"
    assert not (tmp_path / "june.scored.csv").exists()


def test_failed_scoring_exits_with_1_and_the_cause(scoring, june, a_step):
    scoring.executions.looks = [([a_step("Plan", state="failed")], ("FAILED", "StorageError", "S3 is away"))]
    code, out, err = scoring.tidemill("score", june, "--model", "churn")
    assert (code, out) == (1, "")
    assert "StorageError: S3 is away" in err


def test_ctrl_c_says_where_the_result_will_be(scoring, june):
    scoring.executions.looks = [KeyboardInterrupt()]
    code, _, err = scoring.tidemill("score", june, "--model", "churn")
    assert code == 130
    assert "s3://tidemill-data/scored/churn/june.csv" in err
