"""Pack the third-party packages of a layer for Lambda: install what the lock file names, leave out what never runs.

    python infra/pack_layer.py REQUIREMENTS TARGET --architecture arm64

Called by the layers' Makefiles in `sam build`, with any Python from 3.11 that has pip: wheels for Lambda's Python and
system are taken, nothing is compiled. With the environment variable TIDEMILL_LAYERS=empty only a README is written:
the functions of a local stack run in the project's own environment, which has the packages.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

PYTHON = "3.13"
#: Lambda's Python 3.13 runs on Amazon Linux 2023, whose glibc is 2.34; wheels for an older one run there too.
GLIBC_MINORS = range(34, 16, -1)
MACHINES = {"arm64": "aarch64", "x86_64": "x86_64"}

#: Folders of packages that no function uses: tests and their data, tools for developers, other backends.
UNUSED = (
    "bin",
    "duckdb/experimental",
    "onnx/backend",
    "onnx/reference",
    "onnxruntime/backend",
    "onnxruntime/datasets",
    "onnxruntime/quantization",
    "onnxruntime/tools",
    "onnxruntime/transformers",
    "sklearn/datasets/data",
    "sklearn/datasets/descr",
    "sklearn/datasets/images",
)
UNUSED_ANYWHERE = frozenset({"__pycache__", "test", "tests", "include"})
#: Sources and declarations for compilers and type checkers.
UNUSED_SUFFIXES = frozenset({".a", ".c", ".cpp", ".h", ".hpp", ".lib", ".pxd", ".pxi", ".pyc", ".pyi", ".pyx", ".tp"})
#: Of a package's own description, its version and licence stay: lineage names the versions.
METADATA = re.compile(
    r"METADATA|entry_points\.txt|top_level\.txt|.*(LICEN[CS]E|COPYING|NOTICE|AUTHORS).*", re.IGNORECASE
)


def platforms(architecture: str) -> Iterator[str]:
    """Platform tags of the wheels that run in Lambda, the newest first; `any` takes pure Python only."""
    if architecture in MACHINES:
        for minor in GLIBC_MINORS:
            yield f"manylinux_2_{minor}_{MACHINES[architecture]}"
        yield f"manylinux2014_{MACHINES[architecture]}"
    else:
        yield "any"


def install(requirements: Path, target: Path, architecture: str) -> None:
    """Install the wheels of a complete lock file; hashes are required. Raises CalledProcessError."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
    command += ["--target", str(target), "--requirement", str(requirements), "--require-hashes", "--no-deps"]
    command += ["--only-binary", ":all:", "--implementation", "cp", "--python-version", PYTHON]
    for platform in platforms(architecture):
        command += ["--platform", platform]
    subprocess.run(command, check=True)  # noqa: S603 (no shell, and the arguments are the template's)


def prune(target: Path) -> None:
    """Delete what no function uses."""
    for name in UNUSED:
        shutil.rmtree(target / name, ignore_errors=True)
    for folder in sorted(target.rglob("*/"), reverse=True):
        if folder.name in UNUSED_ANYWHERE:
            shutil.rmtree(folder)
    for file in target.rglob("*"):
        in_metadata = any(part.endswith(".dist-info") for part in file.relative_to(target).parts)
        if file.is_file() and (file.suffix in UNUSED_SUFFIXES or (in_metadata and not METADATA.fullmatch(file.name))):
            file.unlink()


def main(arguments: list[str] | None = None) -> None:
    """Pack one layer."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("requirements", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--architecture", required=True, choices=[*MACHINES, "any"])
    options = parser.parse_args(arguments)
    options.target.mkdir(parents=True, exist_ok=True)
    if os.environ.get("TIDEMILL_LAYERS") == "empty":
        readme = "Empty on purpose: local functions run in the project's environment, which has the packages.\n"
        (options.target / "README").write_text(readme)
        return
    install(options.requirements, options.target, options.architecture)
    prune(options.target)


if __name__ == "__main__":
    main()
