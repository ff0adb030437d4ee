from __future__ import annotations

import io
import sys
import zipfile

import pytest

from tidemill_cli.local import emulator
from tidemill_cli.local.emulator import Archives
from tidemill_cli.local.process import Emulator
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


def test_missing_set_up_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr("tidemill_cli.local.process.project_root", lambda: tmp_path)
    with pytest.raises(StackError, match=r"emulator is not installed .* run `make setup`"):
        Emulator(tmp_path).start(4566)


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
