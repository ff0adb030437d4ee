from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from tidemill_cli.local.deployment import Deployment, architectures
from tidemill_cli.stack import Stack

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def root(tmp_path):
    (tmp_path / "functions" / "say").mkdir(parents=True)
    (tmp_path / "functions" / "say" / "app.py").write_text("one")
    (tmp_path / "template.yaml").write_text("Resources: {}")
    (tmp_path / "README.md").write_text("words")
    return tmp_path


def fingerprint(root, endpoint="http://127.0.0.1:4566", **parameters):
    return Deployment(root, Stack("s", "us-east-1", endpoint), root, parameters).fingerprint()


def test_the_fingerprint_changes_with_what_is_deployed(root):
    before = fingerprint(root)
    assert fingerprint(root) == before
    assert fingerprint(root, endpoint="http://127.0.0.1:5000") != before
    assert fingerprint(root, Size="2") != before
    (root / "functions" / "say" / "app.py").write_text("two")
    assert fingerprint(root) != before


def test_the_fingerprint_does_not_change_with_anything_else(root):
    before = fingerprint(root)
    (root / "README.md").write_text("other words")
    compiled = root / "functions" / "say" / "__pycache__" / "app.cpython-311.pyc"
    compiled.parent.mkdir()
    compiled.write_bytes(b"compiled")
    assert fingerprint(root) == before


def test_moving_a_file_changes_the_fingerprint(root):
    before = fingerprint(root)
    (root / "functions" / "say" / "app.py").rename(root / "functions" / "say" / "other.py")
    assert fingerprint(root) != before


def test_the_switch_for_layers_changes_the_fingerprint(root, monkeypatch):
    monkeypatch.delenv("TIDEMILL_LAYERS", raising=False)
    before = fingerprint(root)
    monkeypatch.setenv("TIDEMILL_LAYERS", "empty")
    assert fingerprint(root) == before
    monkeypatch.setenv("TIDEMILL_LAYERS", "real")
    assert fingerprint(root) != before


def in_containers(root, **parameters):
    return Deployment(root, Stack("s", "us-east-1", "http://127.0.0.1:1"), root, parameters, in_containers=True)


def test_functions_in_containers_have_the_real_layers_unless_told_otherwise(root, monkeypatch):
    monkeypatch.delenv("TIDEMILL_LAYERS", raising=False)
    assert in_containers(root).environment()["TIDEMILL_LAYERS"] == "real"
    assert replace(in_containers(root), in_containers=False).environment()["TIDEMILL_LAYERS"] == "empty"
    assert in_containers(root).fingerprint() != replace(in_containers(root), in_containers=False).fingerprint()
    monkeypatch.setenv("TIDEMILL_LAYERS", "empty")
    assert in_containers(root).environment()["TIDEMILL_LAYERS"] == "empty"


@pytest.mark.parametrize(
    ("machine", "expected"), [("x86_64", "x86_64"), ("AMD64", "x86_64"), ("aarch64", "arm64"), ("arm64", "arm64")]
)
def test_functions_in_containers_are_for_this_processor_and_so_are_their_layers(root, monkeypatch, machine, expected):
    monkeypatch.setattr("platform.machine", lambda: machine)
    template = (ROOT / "template.yaml").read_text()
    parameters = set(re.findall(r"^  (\w+Architecture):$", template, re.MULTILINE))
    assert architectures() == dict.fromkeys(parameters, expected)
    environment = in_containers(root, **architectures()).environment()
    for makefile in (ROOT / "layers").glob("*/Makefile"):
        for name in re.findall(r"^(\w+) \?= ", makefile.read_text(), re.MULTILINE):
            assert environment[name] == expected


def test_of_another_processor_nothing_is_said(monkeypatch):
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    assert architectures() == {}


@pytest.mark.parametrize("written", ['["A=1", "B=two words"]', '"A=1 B=\\"two words\\""'])
def test_parameters_of_the_local_environment_are_kept(root, written):
    (root / "samconfig.toml").write_text(
        f'[default.deploy.parameters]\nparameter_overrides = ["A=9"]\n'
        f"[local.deploy.parameters]\nparameter_overrides = {written}\n"
    )
    deployment = Deployment(root, Stack("s", "us-east-1", "http://127.0.0.1:1"), root, {})
    assert deployment.configured_parameters() == {"A": "1", "B": "two words"}


def test_without_a_configuration_there_are_no_parameters(root):
    assert Deployment(root, Stack("s", "us-east-1", "http://x"), root, {}).configured_parameters() == {}


def test_sam_gets_the_endpoint_and_none_of_the_callers_aws_settings(root, monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "mine")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "secret")
    monkeypatch.setenv("SAM_CLI_POLL_DELAY", "30")
    monkeypatch.setenv("PATH", "/somewhere")
    found = Deployment(root, Stack("s", "eu-west-1", "http://127.0.0.1:1"), root, {}).environment()
    assert not {"AWS_PROFILE", "AWS_SESSION_TOKEN"} & found.keys()
    assert found["AWS_ENDPOINT_URL"] == "http://127.0.0.1:1"
    assert found["AWS_DEFAULT_REGION"] == "eu-west-1"
    assert found["SAM_CLI_TELEMETRY"] == "0"
    assert float(found["SAM_CLI_POLL_DELAY"]) < 1
    assert found["PATH"] == "/somewhere"
