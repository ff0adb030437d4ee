"""A function imports only what its layers have; what a room may import is in pyproject.toml for import-linter."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import grimp
import pytest

from .conftest import ROOT, Json

STAGES = sorted(path.parent.name for path in (ROOT / "functions").glob("*/app.py"))
#: Packages by layer. Core has ours; the SDK is in Lambda's own runtime.
PACKAGES = {
    "Core": {"boto3", "botocore", "s3transfer"},
    "Runtime": {"aws_lambda_powertools", "chalice"},
    "Serving": {"numpy", "onnxruntime"},
    "Data": {"duckdb", "numpy", "openpyxl", "phonenumbers"},
    "Science": {"numpy", "onnx", "scipy", "skl2onnx", "sklearn", "threadpoolctl"},
}
#: Time and environment are handed in to these rooms; services, too, which `stages` alone of them knows.
PURE_ROOMS = (
    "contracts.py",
    "errors.py",
    "keys.py",
    "spec.py",
    "rollout_plan.py",
    "serving",
    "rules",
    "monitoring",
    "data",
    "learning",
    "reports",
    "stages",
)
IMPURE = {"os.environ", "os.getenv", "time.time", "datetime.now", "datetime.utcnow", "date.today"}


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph(
        "tidemill", include_external_packages=True, exclude_type_checking_imports=True, cache_dir=None
    )


def imported(path: Path, known: frozenset[str]) -> set[str]:
    """Modules that a file imports: our own in full, of others the package."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= (inner & known) or {node.module}
    return {name if name.startswith("tidemill") else name.partition(".")[0] for name in found}


@pytest.mark.parametrize("stage", STAGES)
def test_a_function_imports_what_its_layers_have(
    stage: str, functions: dict[str, Json], graph: grimp.ImportGraph
) -> None:
    direct = imported(ROOT / "functions" / stage / "app.py", frozenset(graph.modules))
    assert direct - set(sys.stdlib_module_names) <= graph.modules | {"aws_lambda_powertools", "chalice"}
    assert stage in ("predict", "api") or "chalice" not in direct
    ours = {name for name in direct if name.startswith("tidemill")}
    everything = direct | {upstream for name in ours for upstream in graph.find_upstream_modules(name)}
    packages = {name.partition(".")[0] for name in everything} - set(sys.stdlib_module_names) - {"tidemill"}
    layers = [layer["Ref"].removesuffix("Layer") for layer in functions[stage]["Layers"]]
    assert packages <= set().union(*(PACKAGES[layer] for layer in layers))


def test_the_packages_of_a_layer_are_in_its_lock() -> None:
    distributions = {
        "aws_lambda_powertools": "aws-lambda-powertools",
        "sklearn": "scikit-learn",
        "phonenumbers": "phonenumberslite",
    }
    for layer in ("Runtime", "Serving", "Data", "Science"):
        lock = (ROOT / "layers" / layer.lower() / "requirements.txt").read_text()
        for package in PACKAGES[layer]:
            assert f"\n{distributions.get(package, package)}==" in f"\n{lock}"


def test_pure_rooms_ask_neither_clock_nor_environment() -> None:
    core = ROOT / "layers" / "core" / "python" / "tidemill"
    files = [
        file for room in PURE_ROOMS for file in ([core / room] if room.endswith(".py") else (core / room).rglob("*.py"))
    ]
    assert len(files) > 20
    for file in files:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute):
                assert ast.unparse(node) not in IMPURE, f"{file.name}:{node.lineno}"
