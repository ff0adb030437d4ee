"""tidemill actuals"""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from tidemill import keys
from tidemill.monitoring_contracts import ActualsUpload
from tidemill_cli.session import Session
from tidemill_cli.verbs import actuals


class Monitoring:
    """Knows an upload after some looks."""

    def __init__(self, brought, looks=0):
        self.brought, self.looks = brought, looks

    def upload(self, upload_id):
        if self.looks:
            self.looks -= 1
            return None
        return self.brought and ActualsUpload(upload_id, *self.brought)


def brought(rows, refused, *problems):
    return (
        "churn",
        "actuals/churn/march.csv",
        "2026-03-04T05:06:07Z",
        "ada",
        "prediction_id",
        "Churn",
        rows,
        refused,
        problems,
    )


@pytest.fixture
def tell(tmp_path, monkeypatch):
    def run(monitoring, *options):
        file = tmp_path / "march.csv"
        file.write_text("prediction_id,Churn\np1,Yes\n")
        session = Session()
        stored = {}

        class Objects:
            def upload(self, path: Path, bucket, key):
                stored[bucket, key] = path.read_bytes()

            def head(self, bucket, key):
                from tidemill.aws.objects import Head

                return Head(key, 1, "e1", "2026-03-04T05:06:07Z", "v1")

            def get(self, bucket, key):
                assert key == keys.project_spec("churn")
                return b'{"monitor": {"label_days": 7}}'

        session.__dict__ |= {"objects": Objects(), "monitoring": monitoring}
        monkeypatch.setattr(Session, "output", lambda self, name: "tidemill-data")
        monkeypatch.setattr(actuals.time, "sleep", lambda seconds: None)
        result = CliRunner().invoke(actuals.command, [str(file), "--model", "churn", *options], obj=session)
        return result, stored

    return run


def test_the_file_is_uploaded_and_what_it_brought_is_told(tell):
    result, stored = tell(Monitoring(brought(10, 2, "2 rows have no value in 'Churn'"), looks=3))
    assert result.exit_code == 0
    assert stored == {("tidemill-data", "actuals/churn/march.csv"): b"prediction_id,Churn\np1,Yes\n"}
    assert "8 of 10 outcomes (Churn) are kept" in result.stdout
    assert "! 2 rows have no value in 'Churn'" in result.stderr
    assert "tidemill monitor churn --look" in result.stderr
    assert "waits for it, up to 7 days" in result.stdout


def test_a_refused_file_ends_with_2(tell):
    result, _ = tell(Monitoring(brought(0, 0, "the table has no column 'prediction_id'")))
    assert result.exit_code == 2
    assert result.stderr == "REFUSED: the table has no column 'prediction_id'\n"


def test_json_is_the_record(tell):
    result, _ = tell(Monitoring(brought(10, 0)), "--json")
    assert json.loads(result.stdout)["rows"] == 10
    assert json.loads(result.stdout)["id"] == keys.run_id("tidemill-data", "actuals/churn/march.csv", "v1", "e1")


def test_a_file_that_nobody_reads_is_an_error_that_says_where_to_look(tell):
    result, _ = tell(Monitoring(None))
    assert result.exit_code == 1
    assert "tidemill logs --stage actuals" in result.stderr
