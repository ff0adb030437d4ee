"""The template as written and as AWS transforms it, and the state machines as they are deployed."""

from __future__ import annotations

import copy
import importlib.util
import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

Json = dict[str, Any]
ROOT = Path(__file__).resolve().parents[3]
MACHINES = ("training", "scoring", "features", "monitoring", "rollout")


def load_module(path: Path, name: str) -> ModuleType:
    """Import a file that belongs to no package."""
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def template() -> Json:
    """template.yaml as plain data; short forms like `!Ref X` are {"Ref": "X"}."""
    return load_module(ROOT / "infra" / "layer_sizes.py", "layer_sizes").load_template(ROOT / "template.yaml")


@pytest.fixture(scope="session")
def functions(template: Json) -> dict[str, Json]:
    """Properties of the functions, by the name of their stage."""
    return {
        name.removesuffix("Function").lower(): resource["Properties"]
        for name, resource in template["Resources"].items()
        if resource["Type"] == "AWS::Serverless::Function"
    }


def transformed(template: Json) -> Json:
    """The template that AWS makes of ours, with code and definitions uploaded to a bucket."""
    os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
    from samtranslator.parser.parser import Parser
    from samtranslator.translator.translator import Translator

    packaged = copy.deepcopy(template)
    for resource in packaged["Resources"].values():
        for name in ("CodeUri", "ContentUri", "DefinitionUri"):
            if name in resource.get("Properties", {}):
                resource["Properties"][name] = f"s3://bucket/{resource['Properties'][name]}"
    return Translator({}, Parser()).translate(packaged, {})


@pytest.fixture(scope="session")
def resources(template: Json) -> dict[str, Json]:
    """The resources that AWS makes of the template."""
    return transformed(template)["Resources"]


def of_type(resources: dict[str, Json], kind: str) -> dict[str, Json]:
    """Properties of the resources of one type, by logical name."""
    return {name: resource["Properties"] for name, resource in resources.items() if resource["Type"] == kind}


def substitutions(template: Json, machine: str) -> dict[str, str]:
    """The values of a state machine's placeholders; an ARN where a function is meant."""
    declared = template["Resources"][f"{machine.capitalize()}StateMachine"]["Properties"]["DefinitionSubstitutions"]
    parameters = template["Parameters"]
    values = {}
    for name, value in declared.items():
        if "Fn::GetAtt" in value:
            values[name] = f"arn:aws:lambda:us-east-1:123456789012:function:{value['Fn::GetAtt'].removesuffix('.Arn')}"
        elif "Fn::Sub" in value:
            values[name] = re.sub(r"\$\{(\w+)\}", lambda found: str(parameters[found[1]]["Default"]), value["Fn::Sub"])
        elif value["Ref"] == "AWS::Partition":
            values[name] = "aws"
        else:
            values[name] = f"arn:aws:states:us-east-1:123456789012:stateMachine:{value['Ref']}"
    return values


@pytest.fixture(scope="session", params=MACHINES)
def machine(request: pytest.FixtureRequest) -> str:
    """Name of a state machine."""
    return request.param


@pytest.fixture(scope="session")
def source(machine: str) -> str:
    """The definition as it is in infra/."""
    return (ROOT / "infra" / f"{machine}.asl.json").read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def definition(template: Json, machine: str, source: str) -> Json:
    """The definition with its placeholders filled in, as it is deployed."""
    values = substitutions(template, machine)
    return json.loads(re.sub(r"\$\{(\w+)\}", lambda found: values[found[1]], source))


def states(definition: Json) -> Iterator[tuple[str, Json]]:
    """Every state, those inside of a Map too."""
    for name, state in definition["States"].items():
        yield name, state
        if "ItemProcessor" in state:
            yield from states(state["ItemProcessor"])


def expressions(node: Any) -> Iterator[str]:
    """Every JSONata expression in a definition."""
    if isinstance(node, dict):
        node = list(node.values())
    if isinstance(node, list):
        for item in node:
            yield from expressions(item)
    elif isinstance(node, str) and node.startswith("{%"):
        yield node.removeprefix("{%").removesuffix("%}").strip()
