"""One name in every room: the folder, the function in the template, the state, the log."""

import ast
import json

import pytest

from .conftest import MACHINES, ROOT, Json, of_type, states

STAGES = sorted(path.parent.name for path in (ROOT / "functions").glob("*/app.py"))
#: States that another stage's function works for.
WORKED_FOR = {
    "Candidate": "train",
    "Narrow": "train",
    "Refit": "train",
    "Slice": "score",
    "Batch": "materialize",
    "Publish": "ingest",
    "RollOut": "rollout",
    "TakeBack": "rollout",
    "Report": "monitor",
}


def test_every_folder_is_a_function_and_every_function_a_folder(functions: dict[str, Json]) -> None:
    assert sorted(functions) == STAGES


def test_a_function_is_named_after_its_folder(functions: dict[str, Json]) -> None:
    for stage, function in functions.items():
        assert function["CodeUri"] == f"functions/{stage}"
        assert function["FunctionName"] == {"Fn::Sub": f"${{AWS::StackName}}-{stage}"}


def test_a_state_calls_the_function_of_its_name(definition: Json) -> None:
    tasks = {name: state for name, state in states(definition) if "FunctionName" in state.get("Arguments", {})}
    for name, state in tasks.items():
        called = state["Arguments"]["FunctionName"].rpartition(":")[2]
        assert called == f"{WORKED_FOR.get(name, name).capitalize()}Function"
    for name, state in definition["States"].items():
        if state["Type"] == "Map" and len(state["ItemProcessor"]["States"]) == 1:
            (inner,) = state["ItemProcessor"]["States"]
            assert WORKED_FOR[inner] == name.lower()


def test_a_failure_names_the_stage_that_it_happened_in(definition: Json) -> None:
    for name, state in states(definition):
        for catcher in (catcher for catcher in state.get("Catch", []) if "Output" in catcher):
            assert f"'stage': '{WORKED_FOR.get(name, name.lower())}'" in catcher["Output"]["failure"]


@pytest.mark.parametrize("stage", STAGES)
def test_a_handler_is_short_and_logs_under_its_name(stage: str) -> None:
    text = (ROOT / "functions" / stage / "app.py").read_text(encoding="utf-8")
    tree = ast.parse(text)
    assert len(text.splitlines()) <= 60
    assert not any(isinstance(node, ast.Try) for node in ast.walk(tree))
    assert f'Logger(service="{stage}")' in text
    assert any(
        (isinstance(node, ast.FunctionDef) and node.name == "handler")
        or (isinstance(node, ast.Assign) and "handler" in [ast.unparse(target) for target in node.targets])
        for node in tree.body
    )


def test_the_outputs_are_those_that_the_command_reads(template: Json) -> None:
    assert set(template["Outputs"]) == {
        *("DataBucket", "ArtifactBucket", "Table", "ApiUrl", "ApiKeyId", "TrainingStateMachine"),
        *("ScoringStateMachine", "Topic", "EventBus", "PredictFunction", "CaptureQueue"),
        *("FeaturesTable", "FeaturesStateMachine", "MonitoringStateMachine", "RolloutStateMachine", "RetrainFunction"),
    }


def test_the_conclusion_tells_the_address_that_the_stack_puts_out(template: Json, functions: dict[str, Json]) -> None:
    address = template["Outputs"]["ApiUrl"]["Value"]
    assert functions["conclude"]["Environment"]["Variables"]["API_URL"] == address
    assert not json.dumps(address).rstrip('"]}').endswith("/")


def test_every_log_group_belongs_to_a_function_or_a_state_machine(resources: dict[str, Json]) -> None:
    names = {group["LogGroupName"]["Fn::Sub"] for group in of_type(resources, "AWS::Logs::LogGroup").values()}
    expected = {f"/aws/lambda/${{AWS::StackName}}-{stage}" for stage in STAGES}
    assert names == expected | {f"/aws/vendedlogs/states/${{AWS::StackName}}-{m}" for m in MACHINES}


def test_the_guide_tells_every_parameter_and_its_default(template: Json) -> None:
    guide = (ROOT / "docs" / "guide" / "deploying.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1:3] for line in guide.splitlines() if line.startswith("| `")]
    told = {}
    for names, defaults in rows:
        parameters = [name.strip(" `") for name in names.split(",")]
        values = [value.strip() for value in defaults.split(",")]
        told |= dict(zip(parameters, values * len(parameters) if len(values) == 1 else values, strict=False))
    assert told == {name: str(parameter["Default"]) for name, parameter in template["Parameters"].items()}
