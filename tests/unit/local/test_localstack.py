"""What LocalStack is started with, and what is refused before it starts."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tidemill_cli.local.process import LocalStackEmulator
from tidemill_localstack import expectations
from tidemill_localstack.expectations import INTERPRETER, VERSION, Unexpected

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def as_expected(monkeypatch):
    monkeypatch.setattr("importlib.metadata.version", lambda name: VERSION)
    monkeypatch.setattr(expectations, "PRIVATE_NAMES", {})
    monkeypatch.setenv(INTERPRETER, sys.executable)


@pytest.mark.usefixtures("as_expected")
def test_what_is_as_expected_passes():
    expectations.check()


@pytest.mark.usefixtures("as_expected")
@pytest.mark.parametrize("installed", ["4.13.1", "2026.3.0"])
def test_another_version_is_refused(monkeypatch, installed):
    monkeypatch.setattr("importlib.metadata.version", lambda name: installed)
    with pytest.raises(Unexpected, match=rf"LocalStack {installed} is installed and {VERSION} is needed: .*make"):
        expectations.check()


@pytest.mark.usefixtures("as_expected")
def test_missing_private_names_are_named(monkeypatch):
    names = {"sys": ("exit", "_none"), "no_such_module": ("name",), "pathlib:Path": ("open", "_none")}
    monkeypatch.setattr(expectations, "PRIVATE_NAMES", names)
    with pytest.raises(Unexpected, match=r"lacks sys\._none, no_such_module\.name, pathlib:Path\._none: run"):
        expectations.check()


@pytest.mark.usefixtures("as_expected")
@pytest.mark.parametrize("interpreter", ["", "python", "/no/such/python"])
def test_an_interpreter_of_the_functions_must_be_there(monkeypatch, interpreter):
    monkeypatch.setenv(INTERPRETER, interpreter)
    with pytest.raises(Unexpected, match=INTERPRETER):
        expectations.check()


def test_the_version_that_is_locked_is_the_version_that_is_expected():
    locked = (ROOT / "requirements" / "localstack.txt").read_text()
    assert f"localstack-core=={VERSION} " in locked
    assert f"localstack-core[runtime]=={VERSION}" in (ROOT / "infra" / "localstack" / "pyproject.toml").read_text()


def test_it_listens_on_loopback_and_sends_nothing_anywhere(monkeypatch, tmp_path):
    monkeypatch.setenv("AWS_PROFILE", "mine")
    found = LocalStackEmulator(tmp_path).environment(4567, enforce_iam=False)
    assert found["GATEWAY_LISTEN"] == "127.0.0.1:4567"
    assert (found["DISABLE_EVENTS"], found["SKIP_SSL_CERT_DOWNLOAD"], found["DNS_ADDRESS"]) == ("1", "1", "0")
    assert found["TIDEMILL_PYTHON"] == sys.executable
    assert "AWS_PROFILE" not in found
