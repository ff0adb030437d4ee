"""`tidemill predict`, down to the HTTP requests that it sends."""

import gzip
import json

import pytest
import urllib3

from tidemill.contracts import InputField, Signature, to_json
from tidemill_cli.prediction_api import PredictionApi, PredictionFailed
from tidemill_cli.verbs import predict

INPUTS = (
    InputField("tenure", "integer", example=24),
    InputField("charges", "number", required=False),
    InputField("contract", "category", required=False),
)
CHURN = Signature("churn", "binary", "Churn", INPUTS, ("No", "Yes"), "Yes")
PRICE = Signature("price", "regression", "price", INPUTS)


class Http:
    """Answers as the predict function does, for one model; remembers the requests."""

    def __init__(self, signature, version=2):
        self.signature, self.version = signature, version
        self.requests, self.refusals = [], []

    def request(self, method, url, body=None, headers=None):
        self.requests.append((method, url, json.loads(body) if body else None, headers))
        if method == "POST" and self.refusals:
            status, document = self.refusals.pop(0)
            if status:
                return urllib3.HTTPResponse(document.encode(), status=status, preload_content=True)
        if method == "GET":
            learned = to_json(self.signature) | {"version": self.version, "metric": "roc_auc", "value": 0.88}
            return self._good({"metadata": {"tidemill": learned}})
        asked = json.loads(body)
        if url.endswith(":explain"):
            parts = {"tenure": 0.42, "contract": -0.02}
            said = {"score": 0.9, "base": 0.5, "contributions": parts, "of": self.signature.positive_class}
            return self._good({"explanations": [said for _ in asked["instances"]]})
        predictions = [self._predict(row) for row in asked["instances"]]
        if "confidence" in asked:
            predictions = [self._with_range(value) for value in predictions]
        return self._good({"predictions": predictions})

    def _with_range(self, value):
        return value | {"set": ["No", "Yes"]} if self.signature.classes else {"value": value, "low": 1.0, "high": 70.5}

    def _predict(self, row):
        if not self.signature.classes:
            return 10.0 * row["tenure"]
        risk = 0.9 if row["tenure"] < 12 else 0.2
        return {"label": "Yes" if risk > 0.5 else "No", "probabilities": [round(1 - risk, 1), risk]}

    def _good(self, document):
        headers = {"x-tidemill-version": str(self.version), "x-tidemill-prediction-id": "id-1"}
        return urllib3.HTTPResponse(json.dumps(document).encode(), headers, 200, preload_content=True)


@pytest.fixture
def http(world):
    made = Http(CHURN)
    world.api = PredictionApi("http://api.test/api", "secret-key", made)
    return made


@pytest.fixture
def rows(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("id,tenure,charges,contract,Churn\nA,3,70.5,monthly,Yes\nB,40,,NA,No\n")
    return path


def test_row_goes_to_the_champion_with_the_key(world, http):
    code, out, err = world.tidemill("predict", "churn", "--row", '{"tenure": 3, "contract": "monthly"}')
    assert code == 0
    method, url, body, headers = http.requests[0]
    assert (method, url) == ("POST", "http://api.test/api/v1/models/churn:predict")
    assert body == {"instances": [{"tenure": 3, "contract": "monthly"}]}
    assert headers["x-api-key"] == "secret-key"
    assert out == "Churn: Yes  (Yes 90.0%, No 10.0%)\n"
    assert "version 2" in err


def test_a_confidence_is_asked_for_and_shown(world, http):
    _, out, _ = world.tidemill("predict", "churn", "--row", '{"tenure": 3}', "--confidence", "0.9")
    assert http.requests[0][2]["confidence"] == 0.9
    assert out == "Churn: Yes  (Yes 90.0%, No 10.0%); with 90% confidence: No or Yes\n"
    http.signature = PRICE
    _, out, _ = world.tidemill("predict", "price", "--row", '{"tenure": 3}', "--confidence", "0.9")
    assert out == "price: 30.0000; with 90% confidence: 1.00000 to 70.5000\n"


def test_a_confidence_adds_columns_to_a_file(world, http, rows):
    _, out, _ = world.tidemill("predict", "churn", "--file", str(rows), "--confidence", "0.9")
    header, first, _ = out.splitlines()
    assert header == "id,tenure,charges,contract,Churn,prediction,probability_No,probability_Yes,set"
    assert first == "A,3,70.5,monthly,Yes,Yes,0.1,0.9,No | Yes"
    http.signature = PRICE
    _, out, _ = world.tidemill("predict", "price", "--file", str(rows), "--confidence", "0.9")
    assert out.splitlines()[1] == "A,3,70.5,monthly,Yes,30.0,1.0,70.5"


def test_an_explanation_is_shown_by_input(world, http):
    code, out, _ = world.tidemill("predict", "churn", "--row", '{"tenure": 3}', "--explain")
    assert code == 0
    assert http.requests[0][1].endswith("/v1/models/churn:explain")
    assert out.splitlines()[0] == "probability of Churn Yes: 0.9000, usually 0.5000"
    assert [line.split() for line in out.splitlines()[2:]] == [["tenure", "+0.4200"], ["contract", "-0.02000"]]


def test_what_is_explained_without_a_target_is_named(world, http):
    http.signature = Signature("m", "clustering", None, INPUTS, ("0", "1"))
    _, out, _ = world.tidemill("predict", "m", "--row", '{"tenure": 3}', "--explain")
    assert out.startswith("distance to its cluster's centre: 0.9000")


def test_a_mark_for_review_is_true_or_false_in_a_file(world, http, rows, monkeypatch):
    monkeypatch.setattr(Http, "_predict", lambda _self, row: {"value": 1.5, "review": row["tenure"] > 9})
    http.signature = PRICE
    _, out, _ = world.tidemill("predict", "price", "--file", rows)
    assert [line.rsplit(",", 1)[1] for line in out.splitlines()] == ["review", "false", "true"]


def test_version_is_named_in_the_url(world, http):
    http.version = 1
    world.tidemill("predict", "churn", "--row", '{"tenure": 3}', "--version", "1")
    assert http.requests[0][1] == "http://api.test/api/v1/models/churn/versions/1:predict"


def test_json_of_rows(world, http):
    code, out, _ = world.tidemill("predict", "churn", "--row", '{"tenure": 3}', "--row", '{"tenure": 30}', "--json")
    assert code == 0
    assert json.loads(out) == {
        "model": "churn",
        "version": 2,
        "prediction_ids": ["id-1"],
        "predictions": [
            {"label": "Yes", "probabilities": [0.1, 0.9]},
            {"label": "No", "probabilities": [0.8, 0.2]},
        ],
    }


def test_typical_row_is_asked_and_shown_as_a_template(world, http):
    code, out, err = world.tidemill("predict", "churn", "--typical")
    assert (code, out) == (0, "Churn: No  (No 80.0%, Yes 20.0%)\n")
    row = {"tenure": 24, "charges": None, "contract": None}
    assert http.requests[1][2] == {"instances": [row]}
    assert f"--row '{json.dumps(row)}'" in err


def test_file_is_typed_by_the_signature_and_gets_its_predictions(world, http, rows, tmp_path):
    out_file = tmp_path / "predictions.csv"
    code, out, err = world.tidemill("predict", "churn", "--file", rows, "--out", out_file)
    assert (code, out) == (0, "")
    sent = http.requests[-1][2]["instances"]
    assert sent == [
        {"tenure": 3, "charges": 70.5, "contract": "monthly"},
        {"tenure": 40, "charges": None, "contract": "NA"},
    ]
    assert out_file.read_text() == (
        "id,tenure,charges,contract,Churn,prediction,probability_No,probability_Yes\n"
        "A,3,70.5,monthly,Yes,Yes,0.1,0.9\n"
        "B,40,,NA,No,No,0.8,0.2\n"
    )
    assert "left aside, being no inputs of churn: id, Churn" in err


def test_file_without_out_goes_to_stdout(world, http, rows):
    code, out, _ = world.tidemill("predict", "churn", "--file", rows)
    assert code == 0
    assert out.splitlines()[1] == "A,3,70.5,monthly,Yes,Yes,0.1,0.9"


def test_number_that_is_none_is_sent_as_it_is_for_the_endpoint_to_refuse(world, http, tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("tenure\nabc\n")
    http.refusals = [(400, '{"error": "tenure must be a number, not \'abc\'"}')]
    code, out, err = world.tidemill("predict", "churn", "--file", path)
    assert http.requests[-1][2]["instances"] == [{"tenure": "abc"}]
    assert (code, out) == (1, "")
    way_out = "or use `tidemill score`, which reads files as training did"
    assert err.splitlines()[-1] == f"Error: tenure must be a number, not 'abc', {way_out}"


def test_batches_are_all_answered_by_one_version_and_kept_in_order(world, http, tmp_path, monkeypatch):
    monkeypatch.setattr(predict, "BATCH_ROWS", 2)
    path = tmp_path / "rows.csv"
    path.write_text("tenure\n" + "\n".join(["3", "40", "5", "50", "6"]) + "\n")
    _, out, _ = world.tidemill("predict", "churn", "--file", path)
    posts = [request for request in http.requests if request[0] == "POST"]
    assert {url for _, url, _, _ in posts} == {"http://api.test/api/v1/models/churn/versions/2:predict"}
    assert [len(body["instances"]) for _, _, body, _ in posts] == [2, 2, 1]
    assert [line.split(",")[1] for line in out.splitlines()[1:]] == ["Yes", "No", "Yes", "No", "Yes"]


def test_refusal_of_a_later_batch_names_its_rows(world, http, tmp_path, monkeypatch):
    monkeypatch.setattr(predict, "BATCH_ROWS", 2)
    path = tmp_path / "rows.csv"
    path.write_text("tenure\n3\n4\n5\nx\n")
    http.refusals = [(0, ""), (400, '{"error": "tenure must be a number, not \'x\' (row 2)"}')]
    _, _, err = world.tidemill("predict", "churn", "--file", path)
    assert f"rows 3 to 4 of {path}, counted from there: tenure must be a number" in err


def test_regression_is_a_number(world, tmp_path):
    world.api = PredictionApi("http://api.test/api", "k", Http(PRICE))
    path = tmp_path / "rows.tsv"
    path.write_text("tenure\tprediction\n3\tx\n")
    assert world.tidemill("predict", "price", "--row", '{"tenure": 3}')[1] == "price: 30.0000\n"
    assert world.tidemill("predict", "price", "--file", path)[1] == "tenure,prediction,prediction_2\n3,x,30.0\n"


@pytest.mark.parametrize(
    ("status", "body", "sentence"),
    [
        (400, "{\"error\": \"the model has no field 'tenur': did you mean 'tenure'?\"}", "did you mean 'tenure'?"),
        (404, '{"error": "there is no model \'churn\'"}', "there is no model 'churn'"),
        (403, '{"message": "Forbidden"}', "refused the API key"),
        (429, '{"message": "Too Many Requests"}', "throttled"),
        (502, '{"message": "Internal server error"}', "answered HTTP 502: Internal server error"),
        (504, "<html>", "answered HTTP 504"),
    ],
)
def test_refusal_is_shown_as_the_endpoint_says_it(http, world, status, body, sentence):
    http.refusals = [(status, body)]
    code, out, err = world.tidemill("predict", "churn", "--row", "{}")
    assert (code, out) == (1, "")
    assert sentence in err


def test_endpoint_that_does_not_answer():
    class Dead:
        def request(self, *_arguments, **_named):
            raise urllib3.exceptions.MaxRetryError(None, "http://api.test", OSError("refused"))

    with pytest.raises(PredictionFailed, match="did not answer"):
        PredictionApi("http://api.test/api", "k", Dead()).predict("churn", [{}])


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "by one of --row, --file and --typical"),
        (("--row", "{}", "--file", "ROWS"), "by one of --row, --file and --typical"),
        (("--row", "{}", "--typical"), "by one of --row, --file and --typical"),
        (("--row", "{"), "--row is not valid JSON"),
        (("--row", "[3]"), "--row must be a JSON object"),
        (("--row", "{}", "--out", "x.csv"), "--out goes with --file"),
    ],
)
def test_wrong_usage(world, http, rows, arguments, sentence):
    arguments = [rows if argument == "ROWS" else argument for argument in arguments]
    code, _, err = world.tidemill("predict", "churn", *arguments)
    assert code == 1
    assert sentence in err
    assert not http.requests


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "has no rows"),
        (b"tenure\n", "has no rows"),
        (b"tenure,charges\n1,2\n3\n", "line 3 of"),
        (b"tenure,tenure\n1,2\n", "two columns named 'tenure'"),
        (b"\xff\xfet\x00", "no CSV file in UTF-8"),
    ],
)
def test_file_that_is_no_plain_table_is_refused_by_line(world, http, tmp_path, data, sentence):
    path = tmp_path / "rows.csv"
    path.write_bytes(data)
    code, _, err = world.tidemill("predict", "churn", "--file", path)
    assert code == 1
    assert sentence in err
    assert err.endswith("or use `tidemill score`, which reads files as training did\n")


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiters_bom_and_gzip(world, http, tmp_path, delimiter):
    path = tmp_path / "rows.csv.gz"
    text = "\ufeff" + delimiter.join(["tenure", "contract"]) + "\r\n" + delimiter.join(["3", '"a, b"']) + "\r\n"
    path.write_bytes(gzip.compress(text.encode()))
    world.tidemill("predict", "churn", "--file", path, "--json")
    assert http.requests[-1][2]["instances"] == [{"tenure": 3, "contract": "a, b"}]


@pytest.mark.parametrize(
    ("signature", "prediction", "said"),
    [
        (
            Signature("m", "clustering", None, INPUTS, ("0", "1")),
            {"cluster": "1", "distance": 0.5},
            "cluster 1  (distance 0.5000)",
        ),
        (
            Signature("m", "anomaly_detection", None, INPUTS, ("normal", "anomaly"), threshold=0.95),
            {"anomaly": True, "score": 0.987},
            "anomaly  (stranger than 98.7% of the training rows)",
        ),
        (
            Signature("m", "dimensionality_reduction", None, INPUTS, components=2),
            {"components": [1.5, -2.0]},
            "components: 1.500, -2.000",
        ),
    ],
)
def test_an_answer_without_a_target_is_said_in_words(signature, prediction, said):
    assert predict.words(prediction, signature) == said
