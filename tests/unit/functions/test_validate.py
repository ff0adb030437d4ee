"""The validate stage: what is kept whatever the verdict, and what an accepted table becomes."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from tidemill import contracts, keys
from tidemill.aws.registry import DatasetRecord
from tidemill.contracts import Check, DataContract, Profile, Run, Source, Validated
from tidemill.errors import DataRefused, NotFound, SpecError
from tidemill.settings import ValidateSettings

ROOT = Path(__file__).parents[3]
CONFIG = ValidateSettings(artifact_bucket="artifacts", table="registry", max_upload_mb=1)
TABLE = b"tenure,plan,churn\n" + b"".join(b"%d,%c,%d\n" % (i * 7 % 61, 97 + i % 3, i // 2 % 2) for i in range(120))


@pytest.fixture(scope="module")
def app() -> Any:
    specification = importlib.util.spec_from_file_location("validate_app", ROOT / "functions" / "validate" / "app.py")
    assert specification
    assert specification.loader
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


class World:
    """Buckets and a registry that hold what is declared."""

    def __init__(self, spec: dict[str, Any] | None = None) -> None:
        self.objects: dict[tuple[str, str], bytes] = {}
        self.datasets: list[DatasetRecord] = []
        self.spec = spec or {"target": "churn"}

    def upload(self, data: bytes, number: int = 1, size: int | None = None) -> Run:
        run = f"{number:032x}"
        key = keys.incoming("churn", f"{number}.csv")
        self.objects[("data", key)] = data
        self.objects[("artifacts", keys.run_spec(run))] = json.dumps(self.spec).encode()
        source = Source("data", key, f"v{number}", "etag", len(data) if size is None else size)
        return Run(run, "churn", source, f"2026-03-0{number}T00:00:00Z", "ada")

    def get(self, bucket: str, key: str) -> bytes:
        if (bucket, key) not in self.objects:
            raise NotFound(f"there is no object s3://{bucket}/{key}")
        return self.objects[(bucket, key)]

    def get_contract(self, cls: Any, bucket: str, key: str) -> Any:
        return contracts.loads(cls, self.get(bucket, key))

    def put_contract(self, bucket: str, key: str, value: Any) -> None:
        self.objects[(bucket, key)] = contracts.dumps(value)

    def put_new(self, bucket: str, key: str, data: bytes) -> bool:
        return self.objects.setdefault((bucket, key), data) is data

    def download(self, bucket: str, key: str, path: Path, version_id: str) -> None:
        assert version_id.startswith("v")
        path.write_bytes(self.get(bucket, key))

    def upload_file(self, path: Path, bucket: str, key: str) -> None:
        self.objects[(bucket, key)] = path.read_bytes()

    def latest_dataset(self, project: str, except_run: str) -> DatasetRecord | None:
        return next((record for record in reversed(self.datasets) if record.run_id != except_run), None)

    def put_dataset(self, project: str, dataset: Any, run_id: str, at: str) -> None:
        self.datasets.append(DatasetRecord(project, dataset.version, dataset.rows, dataset.columns, run_id, at))

    def checks(self, run: Run) -> list[Check]:
        document = json.loads(self.get("artifacts", keys.run_checks(run.run_id)))
        return [contracts.from_json(Check, item) for item in document]


class Buckets:
    """The world as the stage sees its buckets."""

    def __init__(self, world: World) -> None:
        self.get, self.get_contract, self.put_contract = world.get, world.get_contract, world.put_contract
        self.put_new = world.put_new
        self.download, self.upload = world.download, world.upload_file


@pytest.fixture
def world() -> World:
    return World()


def run_stage(app: Any, world: World, run: Run, tmp_path: Path) -> Validated:
    work = tmp_path / run.run_id
    work.mkdir(exist_ok=True)
    for file in work.iterdir():
        file.unlink()
    return app.validate(run, CONFIG, Buckets(world), world, work)


def test_an_accepted_table_becomes_a_dataset_version(app: Any, world: World, tmp_path: Path) -> None:
    run = world.upload(TABLE)
    validated = run_stage(app, world, run, tmp_path)
    assert (validated.target, validated.task, validated.dataset.rows) == ("churn", "binary", 120)
    version = validated.dataset.version
    for file, kept in (("profile.json", keys.run_profile), ("checks.json", keys.run_checks)):
        assert world.get("artifacts", keys.dataset("churn", version, file)) == world.get("artifacts", kept(run.run_id))
    assert world.get("artifacts", keys.dataset("churn", version, "data.parquet")).startswith(b"PAR1")
    assert world.datasets == [DatasetRecord("churn", version, 120, 3, run.run_id, run.started_at)]


def test_a_refused_table_keeps_profile_and_checks(app: Any, world: World, tmp_path: Path) -> None:
    run = world.upload(b"tenure,churn\n1,0\n2,1\n")
    with pytest.raises(DataRefused, match="2 usable rows and 50 are needed"):
        run_stage(app, world, run, tmp_path)
    assert world.get_contract(Profile, "artifacts", keys.run_profile(run.run_id)).rows == 2
    assert [check.verdict for check in world.checks(run) if check.name == "enough_rows"] == ["refuse"]
    assert not world.datasets
    assert not [key for _, key in world.objects if key.startswith("datasets/")]


def test_an_unreadable_file_keeps_its_one_check(app: Any, world: World, tmp_path: Path) -> None:
    run = world.upload(b"%PDF-1.7")
    with pytest.raises(DataRefused, match="is a PDF document"):
        run_stage(app, world, run, tmp_path)
    assert [(check.name, check.verdict) for check in world.checks(run)] == [("readable", "refuse")]
    assert ("artifacts", keys.run_profile(run.run_id)) not in world.objects


def test_a_file_above_the_limit_is_not_downloaded(app: Any, world: World, tmp_path: Path) -> None:
    run = world.upload(TABLE, size=2**20 + 1)
    del world.objects[("data", run.source.key)]
    with pytest.raises(DataRefused, match="1,048,577 bytes, more than the 1,048,576"):
        run_stage(app, world, run, tmp_path)


def test_the_first_accepted_table_makes_the_contract_that_others_are_held_to(
    app: Any, world: World, tmp_path: Path
) -> None:
    first = run_stage(app, world, world.upload(TABLE, 1), tmp_path)
    contract = world.get_contract(DataContract, "artifacts", keys.data_contract("churn"))
    assert (contract.run_id, contract.dataset_version) == (f"{1:032x}", first.dataset.version)
    checks = world.checks(world.upload(TABLE, 1))
    second = world.upload(TABLE.replace(b"tenure", b"months"), 2)
    for _ in range(2):
        with pytest.raises(DataRefused, match="the column 'tenure' of the data contract is missing"):
            run_stage(app, world, second, tmp_path)
    third = world.upload(TABLE, 1)
    assert run_stage(app, world, third, tmp_path) == first
    assert world.checks(third) == checks
    later = world.upload(TABLE.replace(b"a,", b"z,"), 4)
    run_stage(app, world, later, tmp_path)
    assert "'z' (40)" in next(check.detail for check in world.checks(later) if check.name == "contract_domain")
    assert world.get_contract(DataContract, "artifacts", keys.data_contract("churn")) == contract
    assert world.get_contract(DataContract, "artifacts", keys.run_contract(later.run_id)) == contract


def test_a_wrong_spec_is_said_before_the_table_is_read(app: Any, tmp_path: Path) -> None:
    world = World({"taget": "churn"})
    run = world.upload(TABLE)
    del world.objects[("data", run.source.key)]
    with pytest.raises(SpecError, match="did you mean target"):
        run_stage(app, world, run, tmp_path)
