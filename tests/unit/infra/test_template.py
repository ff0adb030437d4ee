"""What AWS makes of the template is valid, and nothing in it waits for itself.

cfn-lint 1.58 knows SAM's resources but does not transform them: `make check` shows it the template,
this test what becomes of that.
"""

from __future__ import annotations

import copy
import graphlib
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from cfnlint import lint_all

from .conftest import Json, transformed


def test_what_aws_makes_of_it_is_clean(template: Json) -> None:
    found = lint_all(json.dumps(transformed(template)))
    assert [f"{match.rule.id} {match.message}" for match in found if not match.rule.id.startswith("I")] == []


def references(node: Any) -> Iterator[str]:
    """Names of the resources and parameters that a part of a template refers to."""
    if isinstance(node, list):
        for item in node:
            yield from references(item)
    elif isinstance(node, dict):
        for name, value in node.items():
            if name == "Ref":
                yield value
            elif name == "Fn::GetAtt":
                yield (value if isinstance(value, list) else value.split("."))[0]
            elif name == "Fn::Sub":
                text = value if isinstance(value, str) else value[0]
                yield from re.findall(r"\$\{(\w+)[}.]", text)
            elif name == "DependsOn":
                yield from [value] if isinstance(value, str) else value
            yield from references(value)


def order(resources: dict[str, Json]) -> list[str]:
    """An order in which CloudFormation can make the resources. Raises CycleError when there is none."""
    waits_for = {name: set(references(resource)) & set(resources) for name, resource in resources.items()}
    return list(graphlib.TopologicalSorter(waits_for).static_order())


def test_no_resource_waits_for_itself(resources: dict[str, Json]) -> None:
    made = order(resources)
    assert set(made) == set(resources)
    assert made.index("DataBucket") > made.index("IntakeFunction") > made.index("TrainingStateMachine")


def test_a_circle_would_be_found(template: Json) -> None:
    """Merge may not refer to the data bucket: the bucket's events need intake, that needs what starts merge."""
    circle = copy.deepcopy(template)
    variables = circle["Resources"]["MergeFunction"]["Properties"]["Environment"]["Variables"]
    variables["DATA_BUCKET"] = {"Ref": "DataBucket"}
    with pytest.raises(graphlib.CycleError):
        order(transformed(circle)["Resources"])
