"""The layers: pinned like the project, packed for Lambda, and the check that refuses what would not fit."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType

import pytest
from packaging.requirements import Requirement

from .conftest import ROOT, Json, load_module

LAYERS = ("runtime", "serving", "data", "science")
X86 = b"\x7fELF" + b"\0" * 14 + b"\x3e\x00"
ARM = b"\x7fELF" + b"\0" * 14 + b"\xb7\x00"


@pytest.fixture(scope="module")
def pack_layer() -> ModuleType:
    return load_module(ROOT / "infra" / "pack_layer.py", "pack_layer")


@pytest.fixture(scope="module")
def layer_sizes() -> ModuleType:
    return load_module(ROOT / "infra" / "layer_sizes.py", "layer_sizes")


def locked(path: Path, python: str) -> dict[str, str]:
    """Pinned versions of a lock file for a version of Python on Lambda."""
    text = path.read_text(encoding="utf-8").replace("\\\n", " ")
    environment = {"python_version": python, "python_full_version": f"{python}.0", "sys_platform": "linux"}
    pins = {}
    for line in filter(None, (re.sub(r"\s--hash=\S+", "", line).strip() for line in text.splitlines())):
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate(environment):
            (pin,) = requirement.specifier
            pins[requirement.name] = pin.version
    return pins


# --- locks ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_has_the_versions_of_the_project(layer: str) -> None:
    project = locked(ROOT / "requirements" / "project.txt", "3.13")
    pins = locked(ROOT / "layers" / layer / "requirements.txt", "3.13")
    assert pins
    assert pins == {name: project[name] for name in pins}


@pytest.mark.parametrize("layer", LAYERS)
def test_a_lock_has_what_is_asked_for_with_hashes_and_no_index(layer: str) -> None:
    folder = ROOT / "layers" / layer
    asked = {line.split("#")[0].strip() for line in (folder / "requirements.in").read_text().splitlines()} - {""}
    text = (folder / "requirements.txt").read_text()
    assert asked <= set(locked(folder / "requirements.txt", "3.13"))
    blocks = re.split(r"\n(?=[a-z])", text.strip())
    assert all("--hash=sha256:" in block for block in blocks)
    assert not re.search(r"index-url|find-links|https?:", text)


def test_a_layer_is_built_for_the_architecture_that_its_functions_have_by_default(template: Json) -> None:
    for layer, parameter in (
        ("serving", "ServingArchitecture"),
        ("data", "DataArchitecture"),
        ("science", "TrainArchitecture"),
    ):
        makefile = (ROOT / "layers" / layer / "Makefile").read_text()
        assert f"{parameter} ?= {template['Parameters'][parameter]['Default']}\n" in makefile
        assert f"$(PACK) $({parameter})" in makefile
        built_for = template["Resources"][f"{layer.capitalize()}Layer"]["Properties"]["CompatibleArchitectures"]
        assert built_for == [{"Ref": parameter}]


def test_building_needs_no_python_of_lambda_on_the_machine(template: Json) -> None:
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            assert resource["Metadata"] == {"SkipBuild": True}
        if resource["Type"] == "AWS::Serverless::LayerVersion":
            assert resource["Metadata"]["BuildMethod"] == "makefile"


# --- packing -------------------------------------------------------------------------------------


def test_packing_leaves_out_what_never_runs(pack_layer: ModuleType, tmp_path: Path) -> None:
    kept = {
        "numpy/__init__.py",
        "numpy/testing/__init__.py",
        "numpy-2.0.dist-info/METADATA",
        "numpy-2.0.dist-info/licenses/LICENSE.txt",
        "sklearn/_core.so",
        "onnx/onnx.proto",
    }
    left_out = {
        "bin/f2py",
        "numpy/tests/test_core.py",
        "numpy/tests/data/big.npy",
        "numpy/__init__.pyi",
        "numpy/core/include/numpy.h",
        "numpy/__pycache__/x.pyc",
        "numpy-2.0.dist-info/RECORD",
        "onnx/backend/test/data/model.onnx",
        "sklearn/datasets/data/iris.csv",
    }
    for name in kept | left_out:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    pack_layer.prune(tmp_path)
    assert {str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*") if file.is_file()} == kept


@pytest.mark.parametrize(("architecture", "machine"), [("arm64", "aarch64"), ("x86_64", "x86_64")])
def test_wheels_are_taken_for_lambdas_system(pack_layer: ModuleType, architecture: str, machine: str) -> None:
    tags = list(pack_layer.platforms(architecture))
    assert f"manylinux_2_28_{machine}" in tags
    assert f"manylinux2014_{machine}" in tags
    assert not [tag for tag in tags if tag.startswith("manylinux_2_35")]


def test_a_layer_without_native_packages_takes_none(pack_layer: ModuleType) -> None:
    assert list(pack_layer.platforms("any")) == ["any"]


def test_local_layers_are_empty(pack_layer: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDEMILL_LAYERS", "empty")
    pack_layer.main(["requirements.txt", str(tmp_path / "python"), "--architecture", "arm64"])
    assert [file.name for file in tmp_path.rglob("*") if file.is_file()] == ["README"]


# --- sizes ---------------------------------------------------------------------------------------


@pytest.fixture
def build(tmp_path: Path) -> Path:
    """What `sam build` leaves: a function of 1 MB with a layer of 3 MB."""
    (tmp_path / "template.yaml").write_text(
        """
Parameters: {ServingArchitecture: {Default: arm64}}
Resources:
  PredictFunction:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: code
      Architectures: [!Ref ServingArchitecture]
      Layers: [{Ref: ServingLayer}]
  ServingLayer:
    Type: AWS::Serverless::LayerVersion
    Properties: {ContentUri: ServingLayer}
"""
    )
    for name, content in (
        ("code/app.py", b"x" * 1_000_000),
        ("ServingLayer/python/numpy/_core.so", ARM + b"x" * 2_999_980),
    ):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_bytes(content)
    return tmp_path


def test_sizes_add_up_and_are_held_to_the_limit(
    layer_sizes: ModuleType, build: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert layer_sizes.main(["--build", str(build), "--predict-limit", "4"]) == 0
    assert "4.0" in capsys.readouterr().out
    assert layer_sizes.main(["--build", str(build), "--predict-limit", "3.9"]) == 1
    assert "PredictFunction has 4.0 MB with its layers, more than 3.9" in capsys.readouterr().err


def test_the_predict_function_has_a_limit_of_its_own(layer_sizes: ModuleType, build: Path) -> None:
    assert layer_sizes.main(["--build", str(build), "--limit", "1"]) == 0


def test_a_library_for_another_machine_is_found(
    layer_sizes: ModuleType, build: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    library = build / "ServingLayer/python/numpy/_core.so"
    library.write_bytes(X86 + b"x" * 100)
    assert layer_sizes.main(["--build", str(build)]) == 1
    assert "runs on arm64" in capsys.readouterr().err
    monkeypatch.setenv("ServingArchitecture", "x86_64")
    assert layer_sizes.main(["--build", str(build)]) == 0


def test_an_empty_layer_is_no_layer(layer_sizes: ModuleType, build: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (build / "ServingLayer/python/numpy/_core.so").unlink()
    (build / "ServingLayer/python/README").write_text("empty")
    assert layer_sizes.main(["--build", str(build)]) == 1
    assert "TIDEMILL_LAYERS" in capsys.readouterr().err
