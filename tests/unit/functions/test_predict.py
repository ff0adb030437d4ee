"""The HTTP endpoint as API Gateway calls it, over a declared registry, store and queue."""

import copy
import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx.parser
import pytest

from tidemill.contracts import Capture, Signature, from_json, loads
from tidemill.errors import NotFound, StorageError
from tidemill.release_contracts import Share, Traffic
from tidemill.serving import columns, tensorflow
from tidemill.serving.endpoint import Endpoint
from tidemill.serving.masking import token
from tidemill.serving.prediction import Prediction
from tidemill.serving.scoring import Model
from tidemill.serving.served import Served

ROOT = Path(__file__).parents[3]
EVENTS = ROOT / "tests" / "events"
APP = ROOT / "functions" / "predict" / "app.py"
ROW = {"tenure": 3, "monthly": 29.85, "contract": "Monthly", "senior": False, "joined": "2025-11-03"}
CONTEXT = SimpleNamespace(aws_request_id="8a0c9e5f-call")


def event(name, body=None):
    loaded = json.loads((EVENTS / f"{name}.json").read_text())
    if body is not None:
        loaded["body"] = body if isinstance(body, str) else json.dumps(body)
    return loaded


def asked(segment, method="POST", body=None):
    """An event for the first path of the protocol with another segment."""
    loaded = event("api_predict_rows" if method == "POST" else "api_status", body)
    loaded["pathParameters"] = {"model": segment}
    return loaded


class World:
    """Model churn with versions 1 and 2; both have the same files. Every part can be made to fail."""

    def __init__(self, onnx_bytes, signature):
        self.files = {"model.onnx": onnx_bytes, "signature.json": signature}
        self.aliases = {("churn", "champion"): 2, ("churn", "challenger"): 1}
        self.registry_answers = self.queue_answers = True
        self.lost = set()  # versions whose files are gone
        self.traffic = None
        self.messages = []
        self.secret = b""
        self.now = 0.0

    def alias(self, model, alias):
        self._check(self.registry_answers)
        return self.aliases.get((model, alias))

    def read_traffic(self, model):
        self._check(self.registry_answers)
        return self.traffic

    def version(self, model, number):
        found = [facts for facts in self.versions(model) if facts.version == number]
        if not found:
            raise NotFound(f"model {model!r} has no version {number}")
        return found[0]

    def versions(self, model):
        self._check(self.registry_answers)
        if model != "churn":
            raise NotFound(f"there is no model {model!r}")
        return [SimpleNamespace(version=number, metric="roc_auc", value=0.5 + number / 8) for number in (2, 1)]

    def read(self, model, version, file):
        if version in self.lost:
            raise NotFound(f"there is no object s3://secret-bucket/{file}")
        return self.files[file]

    def mask_key(self):
        if self.secret is None:
            raise NotFound("there is no object s3://secret-bucket/mask.key")
        return self.secret

    def send(self, message):
        self._check(self.queue_answers)
        self.messages.append(message)

    def _check(self, answers):
        if not answers:
            raise StorageError("secret-bucket does not answer")

    @property
    def captures(self):
        return [from_json(Capture, item) for message in self.messages for item in json.loads(message)]


@pytest.fixture(scope="module")
def onnx_bytes():
    return onnx.parser.parse_model((EVENTS / "churn" / "model.onnx.txt").read_text()).SerializeToString()


@pytest.fixture
def world(onnx_bytes):
    return World(onnx_bytes, (EVENTS / "churn" / "signature.json").read_bytes())


@pytest.fixture
def call(world):
    """Calls the handler; returns (status, headers, document)."""
    specification = importlib.util.spec_from_file_location("predict_app", APP)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    endpoint = Endpoint(
        registry=world,
        read=lambda *file: world.read(*file),
        send=world.send,
        warn=module.logger().warning,
        alias_seconds=5.0,
        clock=lambda: world.now,
        read_mask_key=lambda: world.mask_key(),
        look_up=lambda feature_set, keys: world.look_up(feature_set, keys),
        read_traffic=world.read_traffic,
    )
    module.endpoint = lambda: endpoint

    def invoke(request):
        before = copy.deepcopy(request)
        response = module.handler(request, CONTEXT)
        assert request == before
        return response["statusCode"], response["headers"], json.loads(response["body"])

    return invoke


def expected(world, row=ROW):
    model = Model.load(world.files["model.onnx"], loads(Signature, world.files["signature.json"]))
    prediction = model.predict(model.encoder.encode({name: [value] for name, value in row.items()}))
    return {"label": prediction.labels[0], "probabilities": prediction.probabilities[0].tolist()}


def test_rows_are_answered_by_the_champion(call, world):
    status, headers, document = call(event("api_predict_rows"))
    assert (status, document) == (200, {"predictions": [expected(world)]})
    assert headers == {
        "content-type": "application/json",
        "x-tidemill-model": "churn",
        "x-tidemill-version": "2",
        "x-tidemill-prediction-id": "8a0c9e5f-call",
    }


def test_columns_are_answered_by_a_version(call, world):
    status, headers, document = call(event("api_predict_columns"))
    row = expected(world)
    outputs = {"label": [row["label"]] * 2, "probabilities": [row["probabilities"]] * 2}
    assert (status, document, headers["x-tidemill-version"]) == (200, {"outputs": outputs}, "1")


def test_a_label_with_an_encoded_colon_and_any_content_type(call, world):
    status, headers, document = call(event("api_predict_label"))
    assert (status, headers["x-tidemill-version"]) == (200, "2")
    assert document == {"predictions": [expected(world)]}


def test_lists_are_rows_in_the_order_of_the_signature(call, world):
    _, _, document = call(event("api_predict_rows", {"instances": [list(ROW.values())]}))
    assert document == {"predictions": [expected(world)]}


def test_a_base64_body_is_read(call, world):
    import base64

    request = event("api_predict_rows")
    request |= {"body": base64.b64encode(request["body"].encode()).decode(), "isBase64Encoded": True}
    assert call(request)[2] == {"predictions": [expected(world)]}


def test_status_of_all_versions(call):
    status, headers, document = call(event("api_status"))
    assert status == 200
    assert [item["version"] for item in document["model_version_status"]] == ["2", "1"]
    assert headers["x-tidemill-prediction-id"] == "8a0c9e5f-call"
    assert headers["x-tidemill-model"] == "churn"
    assert "x-tidemill-version" not in headers


@pytest.mark.parametrize(
    ("kind", "value", "version"), [("version", "1", "1"), ("label", "champion", "2"), ("label", "challenger", "1")]
)
def test_status_of_one(call, kind, value, version):
    request = event("api_status")
    request["requestContext"]["resourcePath"] = f"/v1/models/{{model}}/{kind}s/{{{kind}}}"
    request["pathParameters"] = {"model": "churn", kind: value}
    status, headers, document = call(request)
    assert (status, headers["x-tidemill-version"]) == (200, version)
    assert [item["version"] for item in document["model_version_status"]] == [version]


@pytest.mark.parametrize(("kind", "value"), [("version", "7"), ("label", "shadow")])
@pytest.mark.parametrize("suffix", ["", "/metadata"])
def test_what_there_is_not_is_404(call, kind, value, suffix):
    request = event("api_status")
    request["requestContext"]["resourcePath"] = f"/v1/models/{{model}}/{kind}s/{{{kind}}}{suffix}"
    request["pathParameters"] = {"model": "churn", kind: value}
    status, _, document = call(request)
    assert status == 404
    assert value in document["error"]


def test_metadata(call):
    status, headers, document = call(event("api_metadata"))
    assert (status, headers["x-tidemill-version"]) == (200, "2")
    assert document["model_spec"] == {"name": "churn", "signature_name": "", "version": "2"}
    learned = document["metadata"]["tidemill"]
    assert (learned["version"], learned["metric"], learned["value"]) == (2, "roc_auc", 0.75)
    assert [(item["name"], item["type"], item["required"]) for item in learned["inputs"]][:2] == [
        ("tenure", "integer", True),
        ("monthly", "number", False),
    ]


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_an_unknown_model_is_404(call, method):
    status, headers, document = call(asked("nosuch:predict" if method == "POST" else "nosuch", method))
    assert status == 404
    assert "no model 'nosuch'" in document["error"]
    assert headers["x-tidemill-prediction-id"] == "8a0c9e5f-call"


@pytest.mark.parametrize(
    ("segment", "method", "words"),
    [
        ("churn:explode", "POST", "'explode' is not known: accepted are :predict"),
        ("churn", "POST", "the URL has no verb"),
        ("churn:predict", "GET", "needs POST"),
    ],
)
def test_a_wrong_verb_is_400(call, segment, method, words):
    status, _, document = call(asked(segment, method))
    assert status == 400
    assert words in document["error"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("", "the body is empty"),
        ("{", "the body is not valid JSON"),
        ({"instances": []}, "instances is empty"),
        ({"instances": [ROW | {"tenure": "abc"}]}, "tenure must be a number, not 'abc'"),
        ({"instances": [ROW, ROW | {"tenure": None}]}, "tenure is missing: the model needs it (row 2)"),
        ({"instances": [ROW | {"contrakt": "x"}]}, "did you mean 'contract'?"),
        ({"inputs": {"contract": ["Monthly"]}}, "tenure is missing"),
    ],
)
def test_what_does_not_fit_is_400_naming_the_field(call, body, words):
    status, headers, document = call(event("api_predict_rows", body))
    assert status == 400
    assert list(document) == ["error"]
    assert words in document["error"]
    assert headers["x-tidemill-version"] == "2"


def test_a_call_without_a_body_is_400(call):
    request = event("api_predict_rows")
    request["body"] = None
    assert call(request)[0] == 400


def test_too_many_rows_are_413(call):
    status, _, document = call(event("api_predict_rows", {"instances": [ROW] * 10_001}))
    assert status == 413
    assert "at most 10,000" in document["error"]


def test_missing_values_and_unknown_categories_are_no_error(call, world):
    row = ROW | {"monthly": None, "contract": "Weekly", "joined": None}
    del row["senior"]
    status, _, document = call(event("api_predict_rows", {"instances": [row]}))
    assert (status, document) == (200, {"predictions": [expected(world, row)]})


def test_a_silent_registry_is_503_and_tells_no_secret(call, world):
    world.registry_answers = False
    status, _, document = call(event("api_predict_rows"))
    assert status == 503
    assert "try again" in document["error"]
    assert "secret" not in document["error"]


def test_a_model_in_memory_outlives_a_silent_registry(call, world, caplog):
    call(event("api_predict_rows"))
    world.registry_answers = False
    world.now = 5.0
    status, headers, _ = call(event("api_predict_rows"))
    assert (status, headers["x-tidemill-version"]) == (200, "2")
    assert "version 2 goes on serving" in caplog.text


def test_a_moved_alias_is_followed(call, world):
    call(event("api_predict_rows"))
    world.aliases["churn", "champion"] = 1
    world.now = 5.0
    assert call(event("api_predict_rows"))[1]["x-tidemill-version"] == "1"


def test_a_version_without_its_files_does_not_take_over(call, world, caplog):
    world.aliases["churn", "champion"] = 1
    call(event("api_predict_rows"))
    world.aliases["churn", "champion"], world.lost, world.now = 2, {2}, 5.0
    status, headers, _ = call(event("api_predict_rows"))
    assert (status, headers["x-tidemill-version"]) == (200, "1")
    assert "registered, but not stored" in caplog.text


def test_a_version_without_its_files_is_503(call, world):
    world.lost = {1}
    status, _, document = call(event("api_predict_columns"))
    assert status == 503
    assert "secret" not in document["error"]


def test_a_broken_model_is_500_in_the_same_shape_and_logged(call, world, caplog):
    world.files["model.onnx"] = b"no graph"
    status, headers, document = call(event("api_predict_rows"))
    assert status == 500
    assert list(document) == ["error"]
    assert headers["x-tidemill-prediction-id"] == "8a0c9e5f-call"
    assert "answered 500" in caplog.text


def test_a_prediction_is_captured_as_it_was_asked(call, world):
    _, _, document = call(event("api_predict_rows"))
    (capture,) = world.captures
    assert capture.prediction_id == "8a0c9e5f-call"
    assert (capture.model, capture.version, capture.alias) == ("churn", 2, "champion")
    assert capture.inputs == ROW
    assert capture.prediction == document["predictions"][0]
    assert capture.at.endswith("Z")


def test_rows_of_one_call_are_captured_under_numbered_ids(call, world):
    call(event("api_predict_columns"))
    assert [capture.prediction_id for capture in world.captures] == ["8a0c9e5f-call-0", "8a0c9e5f-call-1"]
    assert {capture.alias for capture in world.captures} == {None}


def test_a_refused_call_is_captured_with_its_refusal_and_without_its_rows(call, world):
    status, _, document = call(event("api_predict_rows", {"instances": [ROW, ROW | {"tenure": "abc"}]}))
    (capture,) = world.captures
    assert (capture.prediction_id, capture.version, capture.alias) == ("8a0c9e5f-call", 2, "champion")
    assert (capture.status, capture.error) == (status, document["error"]) == (400, capture.error)
    assert (capture.inputs, capture.prediction) == ({}, None)


def test_a_call_that_fails_is_captured_with_what_failed(call, world):
    world.files["model.onnx"] = b"no graph"
    call(event("api_predict_rows"))
    (capture,) = world.captures
    assert (capture.version, capture.status) == (2, 500)
    assert capture.error.endswith("(InvalidProtobuf)")


def test_a_champion_that_cannot_be_read_is_captured_as_503(call, world):
    world.lost = {2}
    status, headers, _ = call(event("api_predict_rows"))
    assert (status, headers["x-tidemill-model"], headers["x-tidemill-version"]) == (503, "churn", "2")
    assert [(capture.version, capture.status) for capture in world.captures] == [(2, 503)]


@pytest.mark.parametrize(
    "request_",
    [asked("nosuch:predict"), asked("churn"), asked("churn:explode"), event("api_status"), event("api_metadata")],
)
def test_what_is_about_no_known_model_or_no_prediction_is_not_captured(call, world, request_):
    call(request_)
    assert world.messages == []


def test_an_unknown_version_is_not_captured(call, world):
    request = event("api_predict_columns")
    request["pathParameters"] = {"model": "churn", "version": "7:predict"}
    assert call(request)[0] == 404
    assert world.messages == []


def test_the_calls_time_in_the_function_is_captured_with_its_first_row(call, world, monkeypatch):
    decode = tensorflow.decode

    def slow(body, inputs):
        world.now += 0.0255
        return decode(body, inputs)

    monkeypatch.setattr(tensorflow, "decode", slow)
    call(event("api_predict_columns"))
    assert [capture.ms for capture in world.captures] == [25.5, None]


def test_a_silent_queue_does_not_fail_the_prediction(call, world, caplog):
    world.queue_answers = False
    status, _, document = call(event("api_predict_rows"))
    assert (status, document) == (200, {"predictions": [expected(world)]})
    assert "not recorded" in caplog.text


BLOCKED = """
import importlib.abc, importlib.util, json, sys
from types import SimpleNamespace

class Blocker(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.split(".")[0] in ("pandas", "sklearn", "scipy", "duckdb", "skl2onnx", "boto3"):
            raise ImportError(name + " is blocked")

sys.meta_path.insert(0, Blocker())
specification = importlib.util.spec_from_file_location("app", sys.argv[1])
app = importlib.util.module_from_spec(specification)
specification.loader.exec_module(app)
from tidemill.serving.endpoint import Endpoint
registry = SimpleNamespace(
    alias=lambda model, alias: 1,
    version=lambda model, number: SimpleNamespace(version=1, metric="roc_auc", value=0.8),
)
files = {"model.onnx": open(sys.argv[2], "rb").read(), "signature.json": open(sys.argv[3], "rb").read()}
read = lambda model, version, file: files[file]
endpoint = Endpoint(registry, read, lambda _: None, print, 5.0, lambda: 0.0, bytes, lambda *asked: {}, lambda _: None)
app.endpoint = lambda: endpoint
answer = app.handler(json.load(open(sys.argv[4])), SimpleNamespace(aws_request_id="call"))
print(answer["statusCode"], answer["body"])
"""


def test_the_function_works_where_pandas_and_scikit_learn_cannot_be_imported(world, tmp_path):
    (tmp_path / "model.onnx").write_bytes(world.files["model.onnx"])
    paths = (APP, tmp_path / "model.onnx", EVENTS / "churn" / "signature.json", EVENTS / "api_predict_rows.json")
    run = subprocess.run([sys.executable, "-c", BLOCKED, *map(str, paths)], capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.strip() == f"200 {json.dumps({'predictions': [expected(world)]})}"


# --- how sure, and why -------------------------------------------------------------------------


def with_signature(world, **more):
    """The world's model with more in its signature."""
    document = json.loads(world.files["signature.json"]) | more
    world.files["signature.json"] = json.dumps(document).encode()


CONFORMAL = {"rows": 200, "quantiles": [step / 1000 for step in range(1001)]}


def test_a_confidence_adds_the_set_of_classes(call, world):
    with_signature(world, conformal=CONFORMAL)
    status, _, document = call(asked("churn:predict", body={"instances": [ROW], "confidence": 0.99}))
    assert status == 200
    (row,) = document["predictions"]
    assert row == expected(world) | {"set": ["No", "Yes"]}


def test_without_a_confidence_the_answer_is_as_ever(call, world):
    with_signature(world, conformal=CONFORMAL)
    assert call(asked("churn:predict", body={"instances": [ROW]}))[2] == {"predictions": [expected(world)]}


@pytest.mark.parametrize(("confidence", "words"), [(2, "between 0 and 1"), ("much", "between 0 and 1"), (0.999, "200")])
def test_a_confidence_that_cannot_be_had_is_400(call, world, confidence, words):
    with_signature(world, conformal=CONFORMAL)
    status, _, document = call(asked("churn:predict", body={"instances": [ROW], "confidence": confidence}))
    assert status == 400
    assert "confidence" in document["error"]
    assert words in document["error"]


def test_an_unsure_prediction_is_marked_and_captured_for_review(call, world):
    with_signature(world, review_below=0.999)
    _, _, document = call(asked("churn:predict", body={"instances": [ROW]}))
    assert document["predictions"][0]["review"] is True
    assert [capture.review for capture in world.captures] == [True]


def test_a_sure_prediction_is_not(call, world):
    with_signature(world, review_below=0.01)
    _, _, document = call(asked("churn:predict", body={"instances": [ROW]}))
    assert document["predictions"][0]["review"] is False
    assert [capture.review for capture in world.captures] == [False]


def with_background(world):
    model = Model.load(world.files["model.onnx"], loads(Signature, world.files["signature.json"]))
    usual = [ROW | {"tenure": tenure, "contract": "Yearly"} for tenure in (1, 20, 40, 60)]
    encoded = model.encoder.encode({name: [row[name] for row in usual] for name in ROW})
    world.files["background.npz"] = columns.save(encoded)


@pytest.mark.parametrize("path", ["verb", "explain"])
def test_an_explanation_adds_up_to_the_score(call, world, path):
    with_background(world)
    request = asked("churn:explain" if path == "verb" else "churn", body={"instances": [ROW]})
    if path == "explain":
        request["resource"] = request["requestContext"]["resourcePath"] = "/explain/{model}"
    status, headers, document = call(request)
    assert (status, headers["x-tidemill-version"]) == (200, "2")
    (said,) = document["explanations"]
    assert said["of"] == "Yes"
    assert said["score"] == expected(world)["probabilities"][1]
    assert said["base"] + sum(said["contributions"].values()) == pytest.approx(said["score"])
    assert set(said["contributions"]) == set(ROW)


def test_an_explanation_is_no_prediction_and_is_not_captured(call, world):
    with_background(world)
    call(asked("churn:explain", body={"instances": [ROW]}))
    assert not world.messages


def test_a_version_without_a_background_says_what_to_do(call, world):
    def read(model, version, file):
        if file == "background.npz":
            raise NotFound("there is no such object")
        return world.files[file]

    world.read = read
    status, _, document = call(asked("churn:explain", body={"instances": [ROW]}))
    assert status == 400
    assert "train the model again" in document["error"]


# --- personal data -------------------------------------------------------------------------------


@pytest.fixture
def masked(world):
    """The model with `contract` as a masked input; the secret is empty."""
    signature = json.loads(world.files["signature.json"])
    next(field for field in signature["inputs"] if field["name"] == "contract")["masked"] = True
    world.files["signature.json"] = json.dumps(signature).encode()


def test_a_masked_input_is_recorded_as_its_token_only(masked, world, call):
    status, _, document = call(event("api_predict_rows", {"instances": [ROW | {"contract": "planted@example.com"}]}))
    assert (status, len(document["predictions"])) == (200, 1)
    assert world.captures[0].inputs["contract"] == token(b"", "contract", "planted@example.com")
    assert "planted" not in "".join(world.messages)


@pytest.mark.parametrize(
    "body",
    [
        {"instances": [ROW | {"contract": ["planted@example.com"]}]},
        {"instances": [ROW | {"contract": "planted@example.com", "tenure": "x"}]},
        {"inputs": {"contract": "planted@example.com"}},
        {"inputs": {"contract": ["planted@example.com"], "tenure": [1, 2]}},
        {"instances": [["planted@example.com"]]},
    ],
)
def test_no_refusal_quotes_a_masked_input(masked, world, call, capfd, body):
    status, _, document = call(event("api_predict_rows", body))
    assert status == 400
    assert len(world.messages) == 1
    assert "planted" not in json.dumps([document, world.messages]) + "".join(capfd.readouterr())


def test_a_token_is_taken_as_it_is(masked, world, call):
    given = token(b"", "contract", "Monthly")
    call(event("api_predict_rows", {"instances": [ROW | {"contract": given}]}))
    assert world.captures[0].inputs["contract"] == given


def test_without_the_secret_nothing_is_predicted_from_a_masked_input(masked, world, call):
    world.secret = None
    status, _, document = call(event("api_predict_rows"))
    assert status == 503
    assert "Monthly" not in json.dumps(document)


# --- how calls are spread ------------------------------------------------------------------------


def keyed(key, body=None):
    """A call of the model with a routing key."""
    request = event("api_predict_rows", body)
    request["headers"]["X-Tidemill-Key"] = key
    return request


KEYS = [f"customer-{number}" for number in range(40)]
HALF = Traffic("churn", (Share(1, 0.5),), experiment="prices")


def test_a_share_of_the_keys_gets_the_challenger_and_keeps_it(call, world):
    world.traffic = HALF
    first = [call(keyed(key))[1]["x-tidemill-version"] for key in KEYS]
    assert {"1", "2"} == set(first)
    assert [call(keyed(key))[1]["x-tidemill-version"] for key in KEYS] == first


def test_the_capture_says_which_version_and_why(call, world):
    world.traffic = HALF
    for key in KEYS:
        call(keyed(key))
    said = {(capture.version, capture.why, capture.alias, capture.experiment) for capture in world.captures}
    assert said == {(1, "split", "champion", "prices"), (2, "champion", "champion", "prices")}
    assert [capture.key for capture in world.captures] == KEYS


def test_without_a_key_the_call_is_spread_by_its_id(call, world):
    world.traffic = Traffic("churn", (Share(1, 1.0),))
    status, headers, _ = call(event("api_predict_rows"))
    assert (status, headers["x-tidemill-version"]) == (200, "1")
    assert [(capture.why, capture.key) for capture in world.captures] == [("split", None)]


@pytest.mark.parametrize(("name", "why", "alias"), [("columns", "version", None), ("label", "label", "champion")])
def test_who_names_a_version_or_label_is_not_spread(call, world, name, why, alias):
    world.traffic = Traffic("churn", (Share(1 if name == "label" else 2, 1.0),), 2, 1.0, "prices")
    _, headers, _ = call(event(f"api_predict_{name}"))
    assert headers["x-tidemill-version"] == ("2" if name == "label" else "1")
    capture = world.captures[0]
    assert (capture.why, capture.alias, capture.experiment, capture.shadow) == (why, alias, "", None)


def test_a_change_of_the_traffic_is_followed_within_the_aliass_seconds(call, world):
    call(event("api_predict_rows"))
    world.traffic, world.now = Traffic("churn", (Share(1, 1.0),)), 4.9
    assert call(event("api_predict_rows"))[1]["x-tidemill-version"] == "2"
    world.now = 5.0
    assert call(event("api_predict_rows"))[1]["x-tidemill-version"] == "1"


def test_the_traffic_stays_as_it_was_when_the_registry_is_silent(call, world):
    world.traffic = Traffic("churn", (Share(1, 1.0),))
    call(event("api_predict_rows"))
    world.registry_answers, world.now = False, 5.0
    assert call(event("api_predict_rows"))[1]["x-tidemill-version"] == "1"


@pytest.mark.parametrize("broken", ["lost", "gone"])
def test_for_a_challenger_that_cannot_be_loaded_the_champion_answers_and_it_is_its_failure(call, world, caplog, broken):
    version = 1 if broken == "lost" else 7
    world.traffic, world.lost = Traffic("churn", (Share(version, 1.0),)), {1}
    for _ in range(2):
        status, headers, _ = call(event("api_predict_rows"))
        assert (status, headers["x-tidemill-version"]) == (200, "2")
    assert [(item.version, item.why, item.status) for item in world.captures] == [
        (2, "champion", 200),
        (version, "split", 503),
    ] * 2
    assert caplog.text.count("the champion answers") == 1


def test_a_challenger_is_tried_again_after_the_aliass_seconds(call, world):
    world.traffic, world.lost = Traffic("churn", (Share(1, 1.0),)), {1}
    call(event("api_predict_rows"))
    world.lost, world.now = set(), 4.9
    assert call(event("api_predict_rows"))[1]["x-tidemill-version"] == "2"
    world.now = 5.0
    assert call(event("api_predict_rows"))[1]["x-tidemill-version"] == "1"


def test_a_refusal_by_the_challenger_is_captured_as_its_own(call, world):
    world.traffic = Traffic("churn", (Share(1, 1.0),), experiment="prices")
    status, headers, _ = call(keyed("k", {"instances": []}))
    assert (status, headers["x-tidemill-version"]) == (400, "1")
    (capture,) = world.captures
    assert (capture.version, capture.why, capture.key, capture.experiment) == (1, "split", "k", "prices")


def test_a_copy_is_marked_and_never_returned(call, world):
    alone = call(event("api_predict_rows"))
    world.traffic, world.now = Traffic("churn", shadow_version=1, shadow_fraction=1.0), 5.0
    assert call(event("api_predict_rows")) == alone
    assert [(item.version, item.why, item.shadow) for item in world.captures] == [
        (2, "champion", None),
        (2, "champion", 1),
    ]


def test_a_routing_key_that_is_too_long_is_400(call):
    status, _, document = call(keyed("x" * 300))
    assert status == 400
    assert "x-tidemill-key" in document["error"]


def test_an_explanation_is_of_the_version_that_answers_the_key(call, world):
    with_background(world)
    world.traffic = Traffic("churn", (Share(1, 1.0),))
    request = asked("churn:explain", body={"instances": [ROW]})
    assert call(request)[1]["x-tidemill-version"] == "2"
    request["headers"]["X-Tidemill-Key"] = "k"
    assert call(request)[1]["x-tidemill-version"] == "1"


def test_a_regressions_own_error_scale_is_captured(call, world, monkeypatch):
    scaled = Prediction(values=np.array([3.5]), scale=np.array([0.25]))
    monkeypatch.setattr(Served, "predict", lambda self, columns, confidence: scaled)
    call(event("api_predict_rows"))
    assert [(capture.prediction, capture.scale) for capture in world.captures] == [(3.5, 0.25)]
