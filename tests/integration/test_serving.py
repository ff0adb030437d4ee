"""A registered model in service on the emulator, IAM enforced: asked over HTTP, captured, and scored in a batch."""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx.parser
import pytest
import urllib3

from tidemill import keys
from tidemill.aws.objects import Objects
from tidemill.aws.registry import Registry
from tidemill_cli.stack import Stack

pytestmark = [pytest.mark.integration, pytest.mark.main_path]

CHURN = Path(__file__).parents[1] / "events" / "churn"
MODEL = "served-churn"
NOW = "2026-01-02T03:04:05Z"
INPUTS = ("tenure", "monthly", "contract", "senior", "joined")
ROW = dict(zip(INPUTS, (3, 29.85, "Monthly", False, "2025-11-03"), strict=True))
#: More than one slice has.
ROWS = 10_050
PATIENCE_SECONDS = 120


@pytest.fixture(scope="module")
def objects(stack: Stack) -> Objects:
    return Objects(stack.client("s3"))


@pytest.fixture(scope="module")
def version(stack: Stack, objects: Objects) -> int:
    """A model with one version, the champion."""
    registry = Registry(stack.client("dynamodb"), stack.outputs["Table"])
    number = registry.create_version(
        MODEL, "f" * 32, onnx_sha256="0", dataset_version="d", task="binary", metric="m", value=0.8, at=NOW, actor="x"
    )
    signature = json.loads((CHURN / "signature.json").read_text()) | {"model": MODEL}
    graph = onnx.parser.parse_model((CHURN / "model.onnx.txt").read_text()).SerializeToString()
    objects.put(stack.outputs["ArtifactBucket"], keys.model(MODEL, number, "model.onnx"), graph)
    objects.put(
        stack.outputs["ArtifactBucket"], keys.model(MODEL, number, "signature.json"), json.dumps(signature).encode()
    )
    registry.move_alias(MODEL, "champion", number, None, "x", "first", NOW)
    return number


Ask = Callable[..., urllib3.BaseHTTPResponse]


@pytest.fixture(scope="module")
def ask(stack: Stack, version: int) -> Ask:
    """Sends a request to the API; the key goes along unless told otherwise."""
    key = stack.client("apigateway").get_api_key(apiKey=stack.outputs["ApiKeyId"], includeValue=True)["value"]
    http = urllib3.PoolManager()

    def send(method: str, path: str, body: Any = None, **headers: str) -> urllib3.BaseHTTPResponse:
        sent = None if body is None else json.dumps(body).encode()
        return http.request(method, stack.outputs["ApiUrl"] + path, body=sent, headers={"x-api-key": key} | headers)

    return send


def until(found: Callable[[], Any], what: str) -> Any:
    """What `found` gives as soon as it is true."""
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        if value := found():
            return value
        time.sleep(0.2)
    raise AssertionError(f"{what} did not appear in {PATIENCE_SECONDS} s")


@pytest.mark.parametrize(
    "path", [":predict", "%3Apredict", "/versions/1:predict", "/labels/champion:predict"], ids=str.strip
)
def test_every_address_answers(ask: Ask, path: str) -> None:
    answer = ask("POST", f"/v1/models/{MODEL}{path}", {"instances": [ROW]})
    assert (answer.status, answer.headers["x-tidemill-version"]) == (200, "1")
    assert json.loads(answer.data)["predictions"][0]["label"] == "Yes"


def test_a_body_without_a_json_content_type_is_read(ask: Ask) -> None:
    answer = ask("POST", f"/v1/models/{MODEL}:predict", {"inputs": {name: [value] for name, value in ROW.items()}})
    form = {"content-type": "application/x-www-form-urlencoded"}
    assert ask("POST", f"/v1/models/{MODEL}:predict", {"instances": [ROW]}, **form).status == 200
    assert json.loads(answer.data)["outputs"]["label"] == ["Yes"]


def test_status_and_metadata_answer(ask: Ask) -> None:
    states = json.loads(ask("GET", f"/v1/models/{MODEL}").data)["model_version_status"]
    assert [(state["version"], state["state"]) for state in states] == [("1", "AVAILABLE")]
    described = json.loads(ask("GET", f"/v1/models/{MODEL}/versions/1/metadata").data)
    assert [field["name"] for field in described["metadata"]["tidemill"]["inputs"]] == list(INPUTS)


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        (f"/v1/models/{MODEL}:explode", {"instances": [ROW]}, 400),
        (f"/v1/models/{MODEL}:predict", {"instances": [ROW | {"tenure": "abc"}]}, 400),
        (f"/v1/models/{MODEL}/versions/9:predict", {"instances": [ROW]}, 404),
        ("/v1/models/nosuch:predict", {"instances": [ROW]}, 404),
    ],
)
def test_refusals_have_one_shape(ask: Ask, path: str, body: Any, status: int) -> None:
    answer = ask("POST", path, body)
    assert (answer.status, list(json.loads(answer.data))) == (status, ["error"])


def test_without_the_key_nothing_is_answered(ask: Ask) -> None:
    assert ask("GET", f"/v1/models/{MODEL}", **{"x-api-key": "wrong"}).status == 403


def test_a_prediction_is_captured(stack: Stack, objects: Objects, ask: Ask) -> None:
    wanted = ask("POST", f"/v1/models/{MODEL}:predict", {"instances": [ROW]}).headers["x-tidemill-prediction-id"]

    def captured() -> list[dict[str, Any]]:
        bucket = stack.outputs["ArtifactBucket"]
        files = [objects.get(bucket, head.key) for head in objects.list(bucket, f"captures/{MODEL}/")]
        lines = [json.loads(line) for file in files for line in gzip.decompress(file).splitlines()]
        return [line for line in lines if line["prediction_id"] == wanted]

    (line,) = until(captured, f"the capture of {wanted}")
    assert (line["inputs"], line["version"], line["alias"]) == (ROW, 1, "champion")


def table() -> tuple[bytes, list[dict[str, Any]]]:
    """A seeded file, and its rows as the endpoint takes them."""
    draw = random.Random(0)
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(("id", *INPUTS))
    instances = []
    for number in range(ROWS):
        monthly = None if draw.random() < 0.1 else round(draw.uniform(18, 118), 2)
        contract = draw.choice(("Monthly", "Yearly", "Weekly", None))
        joined = f"{draw.randrange(2000, 2026)}-{draw.randrange(1, 13):02d}-{draw.randrange(1, 29):02d}"
        values = (draw.randrange(73), monthly, contract, draw.random() < 0.2, joined)
        instances.append(dict(zip(INPUTS, values, strict=True)))
        writer.writerow((number, *("" if value is None else str(value) for value in values)))
    return text.getvalue().encode(), instances


def test_a_file_is_scored_as_the_endpoint_answers(stack: Stack, objects: Objects, ask: Ask) -> None:
    data, instances = table()
    bucket = stack.outputs["DataBucket"]
    objects.put(bucket, keys.to_score(MODEL, "june.csv"), data)
    scored = keys.scored(MODEL, "june.csv")
    until(lambda: objects.exists(bucket, scored), scored)
    rows = list(csv.DictReader(io.StringIO(objects.get(bucket, scored).decode(), newline="")))
    assert [row["id"] for row in rows] == [str(number) for number in range(ROWS)]
    some = slice(ROWS - 100, ROWS)  # across the border of two slices
    answer = ask("POST", f"/v1/models/{MODEL}:predict", {"instances": instances[some]})
    assert [[row["prediction"], row["probability_No"], row["probability_Yes"]] for row in rows[some]] == [
        [said["label"], *said["probabilities"]] for said in json.loads(answer.data, parse_float=str)["predictions"]
    ]


@pytest.mark.parametrize(("model", "words"), [(MODEL, "'tenure'"), ("nosuch", "no model 'nosuch'")])
def test_a_file_that_cannot_be_scored_is_quarantined(stack: Stack, objects: Objects, model: str, words: str) -> None:
    bucket = stack.outputs["DataBucket"]
    objects.put(bucket, keys.to_score(model, "bad.csv"), b"id,contract\n1,Monthly\n2,Yearly\n")
    left = keys.to_score(model, "bad.csv")
    until(lambda: not objects.exists(bucket, left), f"{left} in the quarantine")
    assert words in json.loads(objects.get(bucket, keys.quarantine_reason(model, "bad.csv")))["reason"]
    assert objects.exists(bucket, keys.quarantine(model, "bad.csv"))
    assert not objects.exists(bucket, keys.scored(model, "bad.csv"))
