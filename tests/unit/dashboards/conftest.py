"""What the dashboards are made by, and Prometheus' own tool."""

from __future__ import annotations

import importlib
import shutil
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[3]
DASHBOARDS = ROOT / "infra" / "dashboards"
#: What `make test` has unpacked.
UNPACKED = ROOT / ".venvs" / "prometheus" / "usr" / "bin"


@pytest.fixture
def generate(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script that writes the dashboards."""
    monkeypatch.syspath_prepend(str(DASHBOARDS))
    return importlib.import_module("generate")


@pytest.fixture
def promtool() -> str:
    """The path of promtool."""
    path = str(UNPACKED / "promtool") if (UNPACKED / "promtool").exists() else shutil.which("promtool")
    if path is None:
        pytest.skip("no promtool here: `make test` unpacks Debian's")
    return path
