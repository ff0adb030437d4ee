"""The definitions in infra/ are valid, retry what is worth it, and lose no failure."""

from __future__ import annotations

import copy
import json
import re
from typing import Any

import pytest
from cfnlint import lint_all

from tidemill import errors
from tidemill.contracts import (
    CandidateRef,
    Deployed,
    Failure,
    FeatureBatch,
    Ingested,
    Planned,
    Prepared,
    Registered,
    Round,
    Slice,
    from_json,
    to_json,
)
from tidemill.monitoring_contracts import Due, Summarized
from tidemill.release_contracts import RolloutRequest, RolloutStep

from .conftest import ROOT, Json, expressions, states

SERVICE_ERRORS = {
    *("Lambda.ServiceException", "Lambda.AWSLambdaException", "Lambda.SdkClientException"),
    *("Lambda.ClientExecutionTimeoutException", "Lambda.TooManyRequestsException"),
}
#: States that a failure may pass on its way to the conclusion.
ON_THE_WAY = {"TakeBack", "TimeLeft"}
START_EXECUTION = "arn:aws:states:::states:startExecution"
#: What MiniStack, LocalStack or moto does not do as AWS does.
NOT_EVERYWHERE = {"ItemBatcher", "ResultWriter", "HeartbeatSeconds", "HeartbeatSecondsPath", "ToleratedFailureCount"}


def tasks(definition: Json) -> dict[str, Json]:
    """The states that call a function."""
    return {name: state for name, state in states(definition) if "FunctionName" in state.get("Arguments", {})}


# --- valid ---------------------------------------------------------------------------------------


def lint(definition: Json) -> list[str]:
    """What cfn-lint says of a definition when it can see it.

    Behind a DefinitionUri it is invisible to cfn-lint. Expressions for numbers are filled in, since cfn-lint 1.58
    only takes numbers where AWS takes both.
    """
    definition = copy.deepcopy(definition)
    for _, state in states(definition):
        for name in ("TimeoutSeconds", "MaxConcurrency"):
            if str(state.get(name, "")).startswith("{%"):
                state[name] = 1
    properties = {"RoleArn": "arn:aws:iam::123456789012:role/machine", "Definition": definition}
    template = {"Resources": {"Machine": {"Type": "AWS::StepFunctions::StateMachine", "Properties": properties}}}
    found = lint_all(json.dumps(template))
    return [f"{match.rule.id} {match.message}" for match in found if not match.rule.id.startswith("I")]


def test_cfn_lint_finds_nothing(definition: Json) -> None:
    assert lint(definition) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["StartAt"], "Nowhere"),
        (["States", "a task", "Resources"], "arn:aws:states:::lambda:invoke"),
        (["States", "a task", "TimeoutSeconds"], "soon"),
        (["States", "a task", "Type"], "Job"),
        (["States", "a task", "InputPath"], "$.run"),
    ],
)
def test_cfn_lint_would_find_it(definition: Json, path: list[str], value: str) -> None:
    broken = node = copy.deepcopy(definition)
    first = next(name for name in tasks(definition) if name in definition["States"])
    for step in [first if step == "a task" else step for step in path[:-1]]:
        node = node[step]
    node[path[-1]] = value
    assert any(finding.startswith("E3601") for finding in lint(broken))


def test_another_parser_accepts_it(definition: Json, machine: str) -> None:
    """moto has the grammar of the whole language, JSONata fields included."""
    from moto.stepfunctions.parser.asl.parse.asl_parser import AmazonStateLanguageParser

    program, _ = AmazonStateLanguageParser.parse(json.dumps(definition))
    assert program is not None


def test_the_placeholders_are_those_that_the_template_fills_in(template: Json, machine: str, source: str) -> None:
    declared = template["Resources"][f"{machine.capitalize()}StateMachine"]["Properties"]["DefinitionSubstitutions"]
    assert set(re.findall(r"\$\{([^}]*)\}", source)) == set(declared)


def test_the_file_is_json_before_anything_is_filled_in(source: str) -> None:
    assert json.loads(source)["QueryLanguage"] == "JSONata"


def test_every_state_is_reached_and_every_next_is_there(definition: Json) -> None:
    def targets(state: Json) -> set[str]:
        ways = [state, *state.get("Choices", []), *state.get("Catch", [])]
        return {way[key] for way in ways for key in ("Next", "Default") if key in way}

    for scope in [definition, *(state["ItemProcessor"] for _, state in states(definition) if "ItemProcessor" in state)]:
        reached, todo = set(), {scope["StartAt"]}
        while todo:
            name = todo.pop()
            reached.add(name)
            todo |= targets(scope["States"][name]) - reached
        assert reached == set(scope["States"])


def test_nothing_is_used_that_does_not_run_everywhere(definition: Json) -> None:
    for name, state in states(definition):
        assert not NOT_EVERYWHERE & set(state), name
        assert not (state["Type"] == "Succeed" and "Output" in state), name
    assert "$uuid" not in json.dumps(definition)
    assert "$hash" not in json.dumps(definition)


#: What a variable may be: a document, or a count. LocalStack does not escape a variable that is a bare text.
DOCUMENTS = {"{% $states.result %}", "{% $states.result.Payload %}", "{% $states.input.due %}"}


def test_variables_hold_documents_and_counts(definition: Json) -> None:
    for name, state in states(definition):
        for place in (state, *state.get("Catch", ())):
            for value in place.get("Assign", {}).values():
                assert isinstance(value, int) or value in DOCUMENTS | {"{% $asked + 1 %}"}, name


# --- time limits, retries, failures --------------------------------------------------------------


def test_every_task_ends_before_its_function_is_stopped(definition: Json, functions: dict[str, Json]) -> None:
    for name, task in tasks(definition).items():
        if task["Resource"] == START_EXECUTION:
            continue
        stage = task["Arguments"]["FunctionName"].rpartition(":")[2].removesuffix("Function").lower()
        if task["Resource"].endswith(".waitForTaskToken"):
            assert "$registered.approval_hours" in task["TimeoutSeconds"]
        else:
            assert 0 < task["TimeoutSeconds"] < functions[stage]["Timeout"], name


def test_only_errors_of_the_service_are_retried_and_not_all_at_once(definition: Json) -> None:
    for name, state in states(definition):
        if state["Type"] != "Task":
            assert "Retry" not in state, name
            continue
        (retrier,) = state["Retry"]
        # Starting an execution calls no function of ours: whatever fails is the service's.
        expected = {"States.TaskFailed"} if state["Resource"] == START_EXECUTION else SERVICE_ERRORS
        assert set(retrier["ErrorEquals"]) == expected, name
        assert retrier["JitterStrategy"] == "FULL"
        assert retrier["BackoffRate"] > 1
        assert 0 < retrier["MaxDelaySeconds"] <= 300
        assert 0 < retrier["MaxAttempts"] <= 10


def test_every_error_that_is_named_exists(definition: Json) -> None:
    ours = {name for name, item in vars(errors).items() if isinstance(item, type) and issubclass(item, Exception)}
    for name, state in states(definition):
        for error in {e for way in [*state.get("Retry", []), *state.get("Catch", [])] for e in way["ErrorEquals"]}:
            assert error in ours or error.startswith(("States.", "Lambda.")), f"{name}: {error}"
    for expression in expressions(definition):
        for error in re.findall(r"'error': '(\w+)'", expression):
            assert error in ours


def test_every_failure_reaches_the_conclusion(definition: Json, machine: str) -> None:
    if machine == "monitoring":
        pytest.skip("looks have no conclusion: a failure is collected, and fails the execution at its end")
    for name, state in definition["States"].items():
        if state["Type"] in ("Task", "Map") and name != "Conclude":
            *named, last = state["Catch"]
            assert last["ErrorEquals"] == ["States.ALL"], name
            assert all("States.ALL" not in catcher["ErrorEquals"] for catcher in named), name
            assert {catcher["Next"] for catcher in state["Catch"]} <= {"Conclude", *ON_THE_WAY}, name
    assert "Catch" not in definition["States"]["Conclude"]


# --- the expressions, evaluated ------------------------------------------------------------------


def evaluate(template: Any, **bindings: Any) -> Any:
    """A field with its JSONata expressions evaluated."""
    import jsonata

    if isinstance(template, dict):
        return {name: evaluate(item, **bindings) for name, item in template.items()}
    if isinstance(template, str) and template.startswith("{%"):
        return jsonata.Jsonata.jsonata(template[2:-2].strip()).evaluate(None, bindings)
    return template


@pytest.fixture
def run() -> Json:
    return {"run_id": "0" * 32, "project": "churn"}


@pytest.fixture
def training(template: Json) -> Json:
    return json.loads((ROOT / "infra" / "training.asl.json").read_text())["States"]


@pytest.fixture
def rollout(template: Json) -> Json:
    return json.loads((ROOT / "infra" / "rollout.asl.json").read_text())["States"]


@pytest.fixture
def scoring(template: Json) -> Json:
    return json.loads((ROOT / "infra" / "scoring.asl.json").read_text())["States"]


@pytest.fixture
def features(template: Json) -> Json:
    return json.loads((ROOT / "infra" / "features.asl.json").read_text())["States"]


@pytest.mark.parametrize("count", [1, 2])
def test_candidates_are_handed_out_one_by_one(training: Json, run: Json, count: int) -> None:
    prepared = Prepared(tuple(CandidateRef(f"c{i}", {"depth": i}) for i in range(count)), "roc_auc", 8, 2, 3)
    given = {"input": to_json(prepared), "context": {"Execution": {"Input": {"run": run}}}}
    items = evaluate(training["Train"]["Items"], states=given)
    assert items == to_json(prepared)["candidates"]
    given["context"]["Map"] = {"Item": {"Index": 0, "Value": items[0]}}
    selected = evaluate(training["Train"]["ItemSelector"], states=given)
    assert selected["run"] == run
    assert from_json(CandidateRef, selected["candidate"]) == prepared.candidates[0]
    assert from_json(Round, selected["round"]) == Round(1, (), 1.0)


@pytest.mark.parametrize("scores", [[{"name": "linear", "mean": None, "seconds": 1.5}], [{"name": "a"}, {"name": "b"}]])
def test_narrow_and_refit_get_all_scores_as_a_list(training: Json, run: Json, scores: list[Json]) -> None:
    kept = evaluate(training["Train"]["Assign"], states={"result": scores})
    given = {"context": {"Execution": {"Input": {"run": run}}}}
    ended = evaluate(training["Narrow"]["Arguments"]["Payload"], states=given, **kept)
    assert ended == {"run": run, "ended": scores}
    assert evaluate(training["Refit"]["Arguments"]["Payload"], states=given, **kept) == {"run": run, "scores": scores}


@pytest.mark.parametrize("count", [0, 1, 2])
def test_another_round_follows_as_long_as_it_has_candidates(training: Json, run: Json, count: int) -> None:
    following = to_json(Round(2, tuple(CandidateRef(f"c{i}") for i in range(count)), 0.5))
    (choice,) = training["Searched"]["Choices"]
    assert evaluate(choice["Condition"], states={"input": following}) is (count > 0)
    assert (choice["Next"], training["Searched"]["Default"]) == ("Train", "Refit")
    if count:
        given = {"input": following, "context": {"Execution": {"Input": {"run": run}}, "Map": {"Item": {"Value": {}}}}}
        assert evaluate(training["Train"]["Items"], states=given) == following["candidates"]
        selected = evaluate(training["Train"]["ItemSelector"], states=given)
        assert from_json(Round, selected["round"]) == Round(2, (), 0.5)


@pytest.mark.parametrize("error", [{"Error": "DataRefused", "Cause": "{}"}, {"Error": "States.Timeout"}])
def test_a_failure_says_stage_error_and_cause(definition: Json, error: Json) -> None:
    for name, state in definition["States"].items():
        for catcher in state.get("Catch", []):
            if catcher["Next"] != "TimeLeft":
                failure = from_json(Failure, evaluate(catcher["Output"], states={"errorOutput": error})["failure"])
                assert (failure.error, failure.cause) == (error["Error"], error.get("Cause", "")), name


@pytest.mark.parametrize(("hours", "asked"), [(None, False), (0.0004, True), (72.0, True)])
def test_a_person_is_asked_when_register_says_so(training: Json, hours: float | None, asked: bool) -> None:
    registered = to_json(Registered("churn", 3, hours))
    (choice,) = training["ApprovalAsked"]["Choices"]
    assert evaluate(choice["Condition"], states={"input": registered}) is asked
    if hours is not None:
        seconds = evaluate(training["Approve"]["TimeoutSeconds"], registered=registered, asked=0)
        assert seconds == int(seconds) == max(1, -(-hours * 3600 // 1))


@pytest.mark.parametrize(
    ("reminder", "waits"), [(0.0, [72]), (24.0, [24, 24, 24]), (30.0, [30, 30, 12]), (100.0, [72])]
)
def test_people_are_reminded_until_their_time_is_up(training: Json, reminder: float, waits: list[int]) -> None:
    registered = to_json(Registered("churn", 3, 72.0, reminder))
    (timeout,) = [catcher for catcher in training["Approve"]["Catch"] if catcher["ErrorEquals"] == ["States.Timeout"]]
    asked, waited = evaluate(training["Register"]["Assign"], states={"result": {"Payload": registered}})["asked"], []
    while True:
        waited.append(evaluate(training["Approve"]["TimeoutSeconds"], registered=registered, asked=asked) / 3600)
        asked = evaluate(timeout["Assign"], asked=asked)["asked"]
        (again,) = training[timeout["Next"]]["Choices"]
        if not evaluate(again["Condition"], registered=registered, asked=asked):
            break
        assert again["Next"] == "Approve"
    assert waited == waits
    nobody = training[training[timeout["Next"]]["Default"]]
    failure = from_json(Failure, evaluate(nobody["Output"], registered=registered)["failure"])
    assert (failure.stage, failure.error) == ("approve", "ApprovalRejected")
    assert failure.cause == "not enough people approved the release within 72 hours"
    assert nobody["Next"] == "Conclude"


def test_the_conclusion_gets_the_failure_or_null(training: Json, run: Json) -> None:
    context = {"Execution": {"Input": {"run": run}, "Id": "arn:execution"}}
    failure = {"stage": "train", "error": "CandidateFailed", "cause": ""}
    live, let_in = (to_json(Deployed("churn", 2, "champion", 1, rollout)) for rollout in (False, True))
    for given, expected, rolling_out in (
        (live, None, False),
        (let_in, None, True),
        ({"failure": failure}, failure, False),
    ):
        payload = evaluate(training["Conclude"]["Arguments"]["Payload"], states={"input": given, "context": context})
        assert payload == {
            "run": run,
            "failure": expected,
            "rolling_out": rolling_out,
            "execution": "arn:execution",
        }


@pytest.mark.parametrize("status", ["LIVE", "REFUSED_DATA", "REFUSED_BY_GATE", "FAILED"])
def test_only_a_failed_run_fails_its_execution(definition: Json, machine: str, status: str) -> None:
    if machine == "monitoring":
        pytest.skip("a look has no status")
    choice = definition["States"]["Concluded"]["Choices"][0]
    concluded = {"input": {"status": status, "reason": "because"}}
    assert evaluate(choice["Condition"], states=concluded) is (status == "FAILED")
    failed = definition["States"][choice["Next"]]
    assert failed["Type"] == "Fail"
    assert evaluate(failed["Cause"], states=concluded) == "because"
    assert definition["States"][definition["States"]["Concluded"]["Default"]] == {"Type": "Pass", "End": True}


def test_a_rollout_is_started_once_the_run_has_been_concluded(training: Json, run: Json) -> None:
    run |= {"started_by": "ada"}
    _, rolling = training["Concluded"]["Choices"]
    assert evaluate(rolling["Condition"], states={"input": {"status": "ROLLING_OUT"}}) is True
    assert evaluate(rolling["Condition"], states={"input": {"status": "LIVE"}}) is False
    deployed = evaluate(
        training["Deploy"]["Assign"],
        states={"result": {"Payload": to_json(Deployed("churn", 2, "challenger", 1, True))}},
    )
    given = {"context": {"Execution": {"Input": {"run": run}}}}
    start = evaluate(training[rolling["Next"]]["Arguments"], states=given, **deployed)
    request = from_json(RolloutRequest, start["Input"]["rollout"])
    assert request == RolloutRequest("0" * 32, "churn", 2, "0" * 32, "ada", f"run {'0' * 32} passed its gates")
    assert start["Name"] == request.id


@pytest.mark.parametrize(
    ("state", "following"),
    [("SHADOW", "Bake"), ("BAKING", "Bake"), ("PROMOTED", "Conclude"), ("ROLLED_BACK", "RolledBack")],
)
def test_a_rollout_is_looked_at_until_it_has_ended(rollout: Json, state: Any, following: str) -> None:
    looked = to_json(RolloutStep("0" * 32, state, 7, "because"))
    ways = [way["Next"] for way in rollout["Looked"]["Choices"] if evaluate(way["Condition"], states={"input": looked})]
    assert [*ways, rollout["Looked"]["Default"]][0] == following
    if following == "Bake":
        assert evaluate(rollout["Bake"]["Seconds"], states={"input": looked}) == 7
        assert rollout["Bake"]["Next"] == "Rollout"


def test_a_version_that_was_taken_back_is_concluded_with_the_reason(rollout: Json) -> None:
    looked = to_json(RolloutStep("0" * 32, "ROLLED_BACK", 0, "it failed"))
    failure = evaluate(rollout["RolledBack"]["Output"], states={"input": looked})["failure"]
    assert from_json(Failure, failure) == Failure("rollout", "RolledBack", "it failed")
    given = {"input": {"failure": failure}, "context": {"Execution": {"Input": {"rollout": {"id": "1"}}}}}
    for name in ("TakeBack", "Conclude"):
        payload = evaluate(rollout[name]["Arguments"]["Payload"], states=given)
        assert payload == {"rollout": {"id": "1"}, "failure": failure}
    assert evaluate(rollout["TakeBack"]["Output"], states=given) == {"failure": failure}


def test_the_slices_come_from_the_manifest_of_the_plan(scoring: Json, run: Json) -> None:
    planned = Planned("artifacts", "runs/0/plan/manifest.json", 2, 30, 7)
    reader = scoring["Score"]["ItemReader"]
    arguments = evaluate(reader["Arguments"], states={"input": to_json(planned)})
    assert arguments == {"Bucket": planned.manifest_bucket, "Key": planned.manifest_key}
    assert reader["ReaderConfig"] == {"InputType": "JSON"}
    (child,) = scoring["Score"]["ItemProcessor"]["States"].values()
    item = to_json(Slice("0" * 32, "churn", 7, 1, 10, "runs/0/plan/slices/000001.npz"))
    assert evaluate(child["Arguments"]["Payload"], states={"input": item}) == {"slice": item}
    assert evaluate(child["Output"], states={"result": {"Payload": {"rows": 10}}}) == 10
    merged = evaluate(
        scoring["Merge"]["Arguments"]["Payload"],
        states={"input": [10, 20], "context": {"Execution": {"Input": {"run": run}}}},
        planned=to_json(planned),
    )
    assert merged == {"run": run, "planned": to_json(planned)}


def test_the_batches_come_from_the_manifest_and_the_version_is_published(features: Json, run: Json) -> None:
    ingested = to_json(Ingested("artifacts", "runs/0/ingest/manifest.json", "v1", 3, 2, 3, 3))
    (choice,) = features["Ingested"]["Choices"]
    assert evaluate(choice["Condition"], states={"input": ingested}) is False
    arguments = evaluate(features["Materialize"]["ItemReader"]["Arguments"], states={"input": ingested})
    assert arguments == {"Bucket": "artifacts", "Key": "runs/0/ingest/manifest.json"}
    (child,) = features["Materialize"]["ItemProcessor"]["States"].values()
    item = to_json(FeatureBatch("0" * 32, "customers", 0, 3, "runs/0/ingest/batches/000000.jsonl.gz"))
    assert evaluate(child["Arguments"]["Payload"], states={"input": item}) == {"batch": item}
    context = {"input": [3], "context": {"Execution": {"Input": {"run": run}}}}
    payload = evaluate(features["Publish"]["Arguments"]["Payload"], states=context, ingested=ingested)
    assert payload == {"run": run, "ingested": ingested}


def test_a_table_waits_for_its_turn(features: Json) -> None:
    busy = to_json(Ingested("", "", "", 0, 0, 0, 0, busy=True))
    (choice,) = features["Ingested"]["Choices"]
    assert evaluate(choice["Condition"], states={"input": busy}) is True
    waiting = features[choice["Next"]]
    assert waiting["Type"] == "Wait"
    assert waiting["Next"] == "Ingest"


@pytest.fixture
def monitoring(template: Json) -> Json:
    return json.loads((ROOT / "infra" / "monitoring.asl.json").read_text())["States"]


DUE = to_json(Due("churn", "2026-03-04T05:06:07Z"))


@pytest.mark.parametrize("count", [0, 1, 2])
def test_each_model_that_is_due_is_looked_at(monitoring: Json, count: int) -> None:
    given = {"input": {"due": [DUE] * count}, "context": {"Map": {"Item": {"Value": DUE}}}}
    assert evaluate(monitoring["Models"]["Items"], states=given) == [DUE] * count
    assert evaluate(monitoring["Models"]["ItemSelector"], states=given) == {"due": DUE}


def test_a_model_is_counted_until_nothing_is_new_and_every_step_knows_it(monitoring: Json) -> None:
    inner = monitoring["Models"]["ItemProcessor"]["States"]
    for more, following in ((True, "Summarize"), (False, "Monitor")):
        answer = {"input": {"due": DUE}, "result": {"Payload": to_json(Summarized(5, 0, more))}}
        output = evaluate(inner["Summarize"]["Output"], states=answer)
        (choice,) = inner["Summarized"]["Choices"]
        asked = evaluate(choice["Condition"], states={"input": output})
        assert (choice["Next"] if asked else inner["Summarized"]["Default"]) == following
        assert evaluate(inner["Summarize"]["Arguments"]["Payload"], states={"input": output}) == {"due": DUE}
        kept = evaluate(inner["Summarize"]["Assign"], states=answer)
        for step in ("Monitor", "Decide"):
            assert evaluate(inner[step]["Arguments"]["Payload"], **kept) == {"due": DUE}
        assert evaluate(inner["Report"]["Arguments"]["Payload"], **kept) == {"due": DUE, "report": True}
        assert (inner["Monitor"]["Next"], inner["Decide"]["Next"]) == ("Decide", "Report")


@pytest.mark.parametrize("failed", [[], [1], [0, 2]])
def test_one_model_s_failure_is_told_after_the_others_are_done(monitoring: Json, failed: list[int]) -> None:
    inner = monitoring["Models"]["ItemProcessor"]["States"]
    error = {"Error": "StorageError", "Cause": "no answer"}
    for step in ("Summarize", "Monitor", "Decide", "Report"):
        (catcher,) = inner[step]["Catch"]
        assert (catcher["ErrorEquals"], catcher["Next"]) == (["States.ALL"], "Unlooked")
    caught = evaluate(inner["Decide"]["Catch"][0]["Output"], states={"errorOutput": error})
    unlooked = evaluate(inner["Unlooked"]["Output"], states={"input": caught})
    results = [unlooked if place in failed else inner["Looked"]["Output"] for place in range(3)]
    ended = evaluate(monitoring["Models"]["Output"], states={"result": results})
    (choice,) = monitoring["AllLooked"]["Choices"]
    assert evaluate(choice["Condition"], states={"input": ended}) is bool(failed)
    if failed:
        assert choice["Next"] == "LookFailed"
        assert evaluate(monitoring["LookFailed"]["Cause"], states={"input": ended}) == "decide: no answer"
    else:
        assert monitoring[monitoring["AllLooked"]["Default"]] == {"Type": "Pass", "End": True}


def test_nobody_is_due_is_no_failure(monitoring: Json) -> None:
    ended = evaluate(monitoring["Models"]["Output"], states={"result": []})
    (choice,) = monitoring["AllLooked"]["Choices"]
    assert evaluate(choice["Condition"], states={"input": ended}) is False
