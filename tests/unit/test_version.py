"""The hash of the code that a model version was made with."""

from __future__ import annotations

from pathlib import Path

from tidemill.version import code_version


def package(root: Path, **files: str) -> Path:
    for name, text in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_suffix(".py").write_text(text)
    return root


def test_it_is_a_hash_and_stays_the_same() -> None:
    assert len(code_version()) == 64
    assert code_version() == code_version()


def test_the_same_sources_elsewhere_give_the_same_hash(tmp_path: Path) -> None:
    one, two = (package(tmp_path / name, a="x = 1\n", room__b="y = 2\n") for name in ("one", "two"))
    (two / "assets").mkdir()
    (two / "assets" / "logo.svg").write_text("<svg/>")
    assert code_version(one) == code_version(two)


def test_a_changed_renamed_or_split_source_gives_another_hash(tmp_path: Path) -> None:
    hashes = {
        code_version(package(tmp_path / "original", a="x = 1\n", b="y = 2\n")),
        code_version(package(tmp_path / "changed", a="x = 1\n", b="y = 3\n")),
        code_version(package(tmp_path / "renamed", a="x = 1\n", c="y = 2\n")),
        code_version(package(tmp_path / "joined", a="x = 1\ny = 2\n")),
    }
    assert len(hashes) == 4
