"""The smoke prediction that the deploy stage makes."""

import importlib.util
import json
from pathlib import Path

from tidemill.aws import smoke
from tidemill.contracts import InputField, Signature

ROOT = Path(__file__).parents[3]
SIGNATURE = Signature(
    "churn",
    "binary",
    "Churn",
    (
        InputField("tenure", "integer", example=3),
        InputField("contract", "category", categories=("Monthly", "Yearly")),
        InputField("charges", "number", minimum=18.25),
        InputField("note", "text", required=False),
    ),
    ("No", "Yes"),
)


def test_the_row_is_made_of_the_signatures_typical_values():
    asked = []

    def invoke(event):
        asked.append(json.loads(event["body"])["instances"][0])
        body = {"predictions": [{"label": "Yes", "probabilities": [0.3, 0.7]}]}
        return {"statusCode": 200, "headers": {"X-Tidemill-Version": "3"}, "body": json.dumps(body)}

    assert smoke.smoke_prediction(invoke, SIGNATURE, 3) == {"label": "Yes", "probabilities": [0.3, 0.7]}
    assert asked == [{"tenure": 3, "contract": "Monthly", "charges": 18.25, "note": None}]


def test_the_event_is_one_that_the_endpoint_takes():
    """The request differs from a real one only in what a caller may choose."""
    specification = importlib.util.spec_from_file_location("predict_app", ROOT / "functions" / "predict" / "app.py")
    predict = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(predict)
    real = json.loads((ROOT / "tests" / "events" / "api_predict_rows.json").read_text())
    made = smoke.request("churn", 3, {"instances": []})
    assert set(made) == set(real)
    assert set(made["requestContext"]) <= set(real["requestContext"])
    assert smoke.RESOURCE in predict.app.routes
