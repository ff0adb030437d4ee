from __future__ import annotations

import io
import sys
import zipfile

import pytest

from tidemill_cli.local import emulator
from tidemill_cli.local.emulator import Archives
from tidemill_cli.local.process import Emulator, LocalStackEmulator, free_port
from tidemill_cli.stack import StackError


def packed(**files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def test_equal_archives_share_a_folder_and_others_do_not(tmp_path):
    archives = Archives(tmp_path)
    one, same, other = (
        archives.unpacked(packed(a="1")),
        archives.unpacked(packed(a="1")),
        archives.unpacked(packed(a="2")),
    )
    assert one == same != other
    assert (other / "a").read_text() == "2"


def test_an_unpacking_that_was_cut_off_is_begun_anew(tmp_path):
    archives = Archives(tmp_path)
    folder = archives.unpacked(packed(a="1"))
    folder.rename(folder.with_suffix(".partial"))
    assert (archives.unpacked(packed(a="1")) / "a").read_text() == "1"


@pytest.mark.parametrize("installed", ["1.5.32", "2.0.0"])
def test_another_version_of_the_emulator_is_refused(monkeypatch, installed):
    monkeypatch.setattr("importlib.metadata.version", lambda name: installed)
    with pytest.raises(SystemExit, match=rf"MiniStack {installed} is installed and .* `make setup`"):
        emulator.serve()


def test_a_missing_private_name_is_named(monkeypatch):
    monkeypatch.setattr(emulator, "PRIVATE_NAMES", {"sys": ("exit", "_no_such_name")})
    assert emulator.missing_names() == ["sys._no_such_name"]
    monkeypatch.setattr("importlib.metadata.version", lambda name: emulator.VERSION)
    with pytest.raises(SystemExit, match=r"lacks sys\._no_such_name: run"):
        emulator.serve()


@pytest.fixture
def checkout(monkeypatch, tmp_path):
    """A checkout without any environment; takes what its Makefile does to make an emulator's."""
    monkeypatch.setattr("tidemill_cli.local.process.project_root", lambda: tmp_path)

    def write(*recipe):
        lines = "".join(f"\t@{line}\n" for line in recipe)
        (tmp_path / "Makefile").write_text(f"%/.ready:\n{lines}")
        return tmp_path

    return write


@pytest.mark.parametrize("kind", [Emulator, LocalStackEmulator])
def test_what_is_not_installed_is_installed_and_said_so(checkout, monkeypatch, kind):
    monkeypatch.setenv("MAKEFLAGS", "--no-such-option")
    kind = kind(checkout("mkdir -p $(@D)/bin", "touch $(@D)/bin/python"))
    said = []
    kind.install(said.append)
    assert kind.interpreter.exists()
    (line,) = said
    assert line.startswith(f"installing {kind.name}, once: make --no-print-directory .venvs/{kind.name}/.ready (")


@pytest.mark.parametrize(("recipe", "reason"), [(("echo no Python 3.13; exit 1",), "no Python 3.13"), (("true",), "")])
def test_what_cannot_be_installed_is_said_with_the_reason(checkout, recipe, reason):
    folder = checkout(*recipe)
    with pytest.raises(StackError, match=rf"(?s)localstack is not installed, and `make .*ready` failed:\n.*{reason}"):
        LocalStackEmulator(folder).start(free_port())


def test_without_make_it_is_said_that_it_is_missing(checkout, monkeypatch):
    monkeypatch.setenv("PATH", str(checkout("true")))
    with pytest.raises(StackError, match="there is no `make` to do it"):
        Emulator(checkout("true")).start(free_port())


def test_the_emulator_gets_nothing_of_the_callers_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("AWS_PROFILE", "mine")
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    found = Emulator(tmp_path).environment(4567, enforce_iam=True)
    assert not {"AWS_PROFILE", "PYTHONDONTWRITEBYTECODE"} & found.keys()
    assert found["OPENBLAS_CORETYPE"] == "Haswell"
    assert (found["BIND_HOST"], found["GATEWAY_PORT"], found["AUTH"]) == ("127.0.0.1", "4567", "true")
    assert found["TIDEMILL_PYTHON"] == sys.executable
    assert found["TMPDIR"] == str(tmp_path / "tmp")


def test_without_a_lock_nothing_runs(tmp_path):
    emulator_of_nobody = Emulator(tmp_path)
    assert emulator_of_nobody.pid() is None
    (tmp_path / "emulator.lock").write_text("1")
    assert emulator_of_nobody.pid() is None
    assert not emulator_of_nobody.stop()
