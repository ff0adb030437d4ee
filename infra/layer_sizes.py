"""Check what `sam build` has made for AWS: that every function fits with its layers, and is of the right architecture.

    python infra/layer_sizes.py [--build .aws-sam/build] [--limit 240] [--predict-limit 140]

Prints a table of sizes, unzipped, in MB of 1,000,000 bytes (Lambda refuses more than 250), and ends with status 1
when a function passes its limit, a layer is empty, or a shared library is for another architecture than its function.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

MB = 1_000_000
#: The field e_machine of an ELF header, bytes 18 and 19.
ELF_MACHINES = {b"\x3e\x00": "x86_64", b"\xb7\x00": "arm64"}


@dataclass(frozen=True)
class Package:
    """A function as Lambda unpacks it."""

    name: str  #: logical name in the template
    architecture: str
    code: Path
    layers: tuple[Path, ...]

    @property
    def bytes(self) -> int:
        """Size of code and layers, unzipped."""
        return sum(file.stat().st_size for folder in (self.code, *self.layers) for file in files(folder))


class _Loader(yaml.SafeLoader):
    """Reads CloudFormation's short forms as their long ones: `!Ref X` is {"Ref": "X"}."""


def _short_form(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        assert isinstance(node, yaml.MappingNode)
        value = loader.construct_mapping(node, deep=True)
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _short_form)


def load_template(path: Path) -> dict[str, Any]:
    """A template as plain data."""
    template = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506 (a SafeLoader)
    assert isinstance(template, dict)
    return template


def files(folder: Path) -> Iterator[Path]:
    """Every file in a folder and below."""
    return (path for path in folder.rglob("*") if path.is_file())


def packages(build: Path, environment: Mapping[str, str]) -> Iterator[Package]:
    """The functions of a built template.

    Parameters
    ----------
    build
        the build folder of `sam build`, with its template.yaml.
    environment
        a variable named like an architecture's parameter stands for its value, as it does in the layers' Makefiles.
    """
    template = load_template(build / "template.yaml")
    resources = template["Resources"]
    defaults = {name: parameter.get("Default") for name, parameter in template["Parameters"].items()}
    for name, resource in resources.items():
        if resource["Type"] == "AWS::Serverless::Function":
            properties = resource["Properties"]
            parameter = properties["Architectures"][0]["Ref"]
            layers = [build / resources[layer["Ref"]]["Properties"]["ContentUri"] for layer in properties["Layers"]]
            architecture = environment.get(parameter) or str(defaults[parameter])
            yield Package(name, architecture, build / properties["CodeUri"], tuple(layers))


def problems(package: Package, limit: float) -> Iterator[str]:
    """What is wrong with a package, a sentence each.

    Parameters
    ----------
    limit
        MB that code and layers may have together.
    """
    if package.bytes > limit * MB:
        yield f"{package.name} has {package.bytes / MB:.1f} MB with its layers, more than {limit:g}: trim a layer"
    for layer in package.layers:
        if [file.name for file in files(layer)] == ["README"]:
            yield f"{package.name} has the empty layer {layer.name}: build without TIDEMILL_LAYERS=empty"
        for file in files(layer):
            if (machine := _machine(file)) not in (None, package.architecture):
                yield (
                    f"{package.name} runs on {package.architecture}, but {file.relative_to(layer)} in its layer "
                    f"{layer.name} is for {machine}: build and deploy with the same architecture"
                )
                break


def _machine(file: Path) -> str | None:
    if ".so" not in file.suffixes:
        return None
    with file.open("rb") as stream:
        header = stream.read(20)
    return ELF_MACHINES.get(header[18:20], "another machine") if header[:4] == b"\x7fELF" else None


def main(arguments: list[str] | None = None) -> int:
    """Print the table; 1 when something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, default=Path(".aws-sam/build"), help="folder that sam build wrote")
    parser.add_argument("--limit", type=float, default=240, help="MB of any function")
    parser.add_argument("--predict-limit", type=float, default=140, help="MB of the predict function")
    options = parser.parse_args(arguments)
    if not (options.build / "template.yaml").is_file():
        parser.error(f"there is no built template in {options.build}: run `sam build` first")
    found: list[str] = []
    sys.stdout.write(f"{'function':20} {'MB':>6} {'limit':>6}  architecture  layers\n")
    for package in packages(options.build, os.environ):
        limit = options.predict_limit if package.name == "PredictFunction" else options.limit
        layers = " ".join(
            f"{layer.name}={sum(f.stat().st_size for f in files(layer)) / MB:.1f}" for layer in package.layers
        )
        sys.stdout.write(
            f"{package.name:20} {package.bytes / MB:6.1f} {limit:6g}  {package.architecture:12}  {layers}\n"
        )
        found += problems(package, limit)
    for sentence in found:
        sys.stderr.write(f"{sentence}\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
