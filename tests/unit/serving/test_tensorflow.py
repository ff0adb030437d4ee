"""TensorFlow Serving's REST protocol: what is accepted, what is refused, and with which words."""

import json

import numpy as np
import pytest

from tidemill.contracts import InputField, Signature
from tidemill.errors import InputRefused, RequestTooLarge
from tidemill.serving import tensorflow
from tidemill.serving.prediction import Prediction

INPUTS = (InputField("tenure", "integer"), InputField("contract", "category"))


def decode(document, inputs=INPUTS):
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return tensorflow.decode(body, inputs)


class TestTarget:
    def test_a_model_segment_carries_the_verb(self):
        assert tensorflow.target("predict", "churn:predict") == tensorflow.Target("churn", None, None)

    def test_a_percent_encoded_colon_is_the_same(self):
        assert tensorflow.target("predict", "churn%3Apredict") == tensorflow.Target("churn", None, None)

    def test_a_version_segment_carries_the_verb(self):
        assert tensorflow.target("predict", "churn", version="3:predict") == tensorflow.Target("churn", 3, None)

    def test_a_label_segment_carries_the_verb(self):
        expected = tensorflow.Target("churn", None, "challenger")
        assert tensorflow.target("predict", "churn", label="challenger:predict") == expected

    def test_without_a_verb(self):
        assert tensorflow.target("", "churn", version="3") == tensorflow.Target("churn", 3, None)

    @pytest.mark.parametrize("version", ["abc", "0", "-1", "1.5", "", "9999999", "٣"])
    def test_a_version_that_is_no_number_is_refused(self, version):
        with pytest.raises(InputRefused, match="the version must be a whole number from 1"):
            tensorflow.target("predict", "churn", version=f"{version}:predict")

    def test_an_unknown_verb_is_refused_naming_what_is_accepted(self):
        with pytest.raises(InputRefused, match="'explode' is not known: accepted are :predict, :explain") as caught:
            tensorflow.target("predict", "churn:explode")
        assert "/v1/models/churn:predict" in str(caught.value)

    def test_a_missing_verb_is_refused(self):
        with pytest.raises(InputRefused, match="the URL has no verb: accepted are :predict"):
            tensorflow.target("predict", "churn")

    def test_a_verb_without_post_is_refused(self):
        with pytest.raises(InputRefused, match="'predict' needs POST"):
            tensorflow.target("", "churn:predict")


class TestConfidence:
    def test_stands_beside_the_rows(self):
        assert decode({"instances": [{"tenure": 3}], "confidence": 0.9}).confidence == 0.9
        assert decode({"inputs": {"tenure": [3]}}).confidence is None

    @pytest.mark.parametrize("confidence", ["0.9", True, [0.9]])
    def test_must_be_a_number(self, confidence):
        with pytest.raises(InputRefused, match="confidence must be a number between 0 and 1"):
            decode({"instances": [{"tenure": 3}], "confidence": confidence})


class TestRowFormat:
    def test_objects(self):
        request = decode({"instances": [{"tenure": 3, "contract": "Monthly"}, {"tenure": 5, "contract": "Yearly"}]})
        assert request == tensorflow.Request({"tenure": [3, 5], "contract": ["Monthly", "Yearly"]}, 2, by_row=True)

    def test_what_a_row_leaves_out_is_missing(self):
        request = decode({"instances": [{"tenure": 3}, {"contract": "Yearly"}]})
        assert request.columns == {"tenure": [3, None], "contract": [None, "Yearly"]}

    def test_a_row_without_anything_is_a_row(self):
        assert decode({"instances": [{}]}) == tensorflow.Request({"tenure": [None]}, 1, by_row=True)

    def test_lists_follow_the_order_of_the_signature(self):
        request = decode({"instances": [[3, "Monthly"], {"tenure": 5, "contract": "Yearly"}]})
        assert request.columns == {"tenure": [3, 5], "contract": ["Monthly", "Yearly"]}

    def test_plain_values_do_for_a_single_input(self):
        assert decode({"instances": [3, 5]}, INPUTS[:1]).columns == {"tenure": [3, 5]}

    @pytest.mark.parametrize("row", [[3], [3, "Monthly", 1], 3, "Monthly", None])
    def test_a_row_that_does_not_fit_is_named(self, row):
        with pytest.raises(InputRefused, match=r"instances\[1\] must be .* 2 values .* tenure, contract"):
            decode({"instances": [{"tenure": 1}, row]})

    @pytest.mark.parametrize("instances", [{}, "x", 3, None])
    def test_instances_must_be_a_list(self, instances):
        with pytest.raises(InputRefused, match="instances must be a list"):
            decode({"instances": instances})

    def test_no_rows_are_refused(self):
        with pytest.raises(InputRefused, match="instances is empty"):
            decode({"instances": []})

    def test_unknown_names_are_kept_for_the_check_against_the_signature(self):
        assert "tenur" in decode({"instances": [{"tenur": 3}]}).columns

    def test_of_unknown_names_one_is_kept(self):
        columns = decode({"instances": [{f"name {row}": row} for row in range(1000)]}).columns
        assert list(columns) == ["name 0"]


class TestColumnFormat:
    def test_lists_by_name(self):
        request = decode({"inputs": {"tenure": [3, 5], "contract": ["Monthly", None]}})
        assert request == tensorflow.Request({"tenure": [3, 5], "contract": ["Monthly", None]}, 2, by_row=False)

    def test_a_plain_list_does_for_a_single_input(self):
        assert decode({"inputs": [3, 5]}, INPUTS[:1]).columns == {"tenure": [3, 5]}

    def test_lengths_must_agree(self):
        with pytest.raises(InputRefused, match=r"inputs.contract has 1 values, but tenure has 2"):
            decode({"inputs": {"tenure": [3, 5], "contract": ["Monthly"]}})

    def test_a_value_must_be_a_list(self):
        with pytest.raises(InputRefused, match=r"inputs.tenure must be a list with one value for each row"):
            decode({"inputs": {"tenure": 3}})

    @pytest.mark.parametrize("inputs", [{}, [], [1, 2], "x", None])
    def test_inputs_must_be_an_object(self, inputs):
        with pytest.raises(InputRefused, match="inputs must be an object"):
            decode({"inputs": inputs})

    def test_no_rows_are_refused(self):
        with pytest.raises(InputRefused, match=r"inputs.tenure is empty"):
            decode({"inputs": {"tenure": []}})


class TestBody:
    @pytest.mark.parametrize("body", [b"", b"  \n"])
    def test_an_empty_one_is_refused_with_an_example(self, body):
        with pytest.raises(InputRefused, match=r'the body is empty: send .*"instances"'):
            decode(body)

    @pytest.mark.parametrize("body", [b"{", b"tenure=3", b"\xff\xfe", b"[" * 200_000, b'{"instances": [01]}'])
    def test_what_is_no_json_is_refused(self, body):
        with pytest.raises(InputRefused, match="the body is not valid JSON"):
            decode(body)

    @pytest.mark.parametrize("document", [[], [{"tenure": 3}], "x", 3, None])
    def test_what_is_no_object_is_refused(self, document):
        with pytest.raises(InputRefused, match="the body must be a JSON object"):
            decode(document)

    def test_neither_format_is_refused_naming_both(self):
        with pytest.raises(InputRefused, match=r"the body has no instances: .*instances.*inputs"):
            decode({"dataframe_split": {}})

    def test_both_formats_are_refused(self):
        with pytest.raises(InputRefused, match="both instances and inputs"):
            decode({"instances": [{}], "inputs": {}})

    @pytest.mark.parametrize("name", ["serving_default", "", None])
    def test_the_one_signature_may_be_named(self, name):
        assert decode({"signature_name": name, "instances": [{"tenure": 3}]}).rows == 1

    def test_another_signature_is_refused(self):
        with pytest.raises(InputRefused, match=r"signature_name 'train' is not known: .*'serving_default'"):
            decode({"signature_name": "train", "instances": [{"tenure": 3}]})

    def test_not_a_number_is_missing(self):
        assert decode(b'{"instances": [{"tenure": NaN}]}').columns == {"tenure": [None]}

    @pytest.mark.parametrize("constant", [b"Infinity", b"-Infinity"])
    def test_infinity_is_refused(self, constant):
        with pytest.raises(InputRefused, match="Infinity, which is no value that a model takes"):
            decode(b'{"instances": [{"tenure": ' + constant + b"}]}")

    def test_too_many_bytes_are_too_large(self):
        with pytest.raises(RequestTooLarge, match="at most 5,000,000 are accepted"):
            decode(b'{"instances": []}' + b" " * tensorflow.MAX_BODY_BYTES)

    @pytest.mark.parametrize("document", [{"instances": [{}] * 10_001}, {"inputs": {"tenure": [1] * 10_001}}])
    def test_too_many_rows_are_too_large(self, document):
        with pytest.raises(RequestTooLarge, match="has 10,001 rows, at most 10,000 are accepted"):
            decode(document)

    def test_as_many_rows_as_allowed_are_taken(self):
        assert decode({"instances": [{}] * tensorflow.MAX_ROWS}).rows == tensorflow.MAX_ROWS


class TestAnswers:
    CLASSES = Prediction(np.array(["No", "Yes"], object), np.array([[0.75, 0.25], [0.125, 0.875]]), None)
    NUMBERS = Prediction(None, None, np.array([1.5, 2.0]))
    CLASSIFIER = Signature("churn", "binary", "churned", (), ("No", "Yes"))
    REGRESSOR = Signature("houses", "regression", "price", ())

    def test_classes_by_row(self):
        assert json.loads(tensorflow.encode(self.CLASSES, self.CLASSIFIER, by_row=True)) == {
            "predictions": [
                {"label": "No", "probabilities": [0.75, 0.25]},
                {"label": "Yes", "probabilities": [0.125, 0.875]},
            ]
        }

    def test_classes_by_column(self):
        assert json.loads(tensorflow.encode(self.CLASSES, self.CLASSIFIER, by_row=False)) == {
            "outputs": {"label": ["No", "Yes"], "probabilities": [[0.75, 0.25], [0.125, 0.875]]}
        }

    def test_numbers_stand_for_themselves(self):
        assert tensorflow.encode(self.NUMBERS, self.REGRESSOR, by_row=True) == '{"predictions": [1.5, 2.0]}'
        assert tensorflow.encode(self.NUMBERS, self.REGRESSOR, by_row=False) == '{"outputs": [1.5, 2.0]}'

    def test_an_answer_too_large_to_be_sent_is_refused(self):
        many = Prediction(np.array(["No"] * 1000, object), np.full((1000, 1000), 0.123456), None)
        with pytest.raises(RequestTooLarge, match=r"the answer would have .* ask for fewer rows"):
            tensorflow.encode(many, self.REGRESSOR, by_row=True)

    def test_status_names_every_version(self):
        assert json.loads(tensorflow.status([3, 1])) == {
            "model_version_status": [
                {"version": "3", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}},
                {"version": "1", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}},
            ]
        }

    def test_metadata_of_a_classifier(self):
        signature = Signature("churn", "binary", "Churn", INPUTS, ("No", "Yes"), "Yes")
        answer = json.loads(tensorflow.metadata(signature, 3, "roc_auc", 0.84))
        assert answer["model_spec"] == {"name": "churn", "signature_name": "", "version": "3"}
        definition = answer["metadata"]["signature_def"]["signature_def"]["serving_default"]
        assert {name: item["dtype"] for name, item in definition["inputs"].items()} == {
            "tenure": "DT_INT64",
            "contract": "DT_STRING",
        }
        assert [size["size"] for size in definition["outputs"]["probabilities"]["tensor_shape"]["dim"]] == ["-1", "2"]
        learned = answer["metadata"]["tidemill"]
        assert (learned["version"], learned["metric"], learned["value"]) == (3, "roc_auc", 0.84)
        assert learned["classes"] == ["No", "Yes"]
        assert [item["name"] for item in learned["inputs"]] == ["tenure", "contract"]

    @pytest.mark.parametrize(
        ("signature", "outputs"),
        [
            (Signature("m", "clustering", None, INPUTS, ("0", "1")), {"cluster": ["-1"], "distance": ["-1"]}),
            (Signature("m", "anomaly_detection", None, INPUTS), {"anomaly": ["-1"], "score": ["-1"]}),
            (Signature("m", "dimensionality_reduction", None, INPUTS, components=3), {"components": ["-1", "3"]}),
        ],
    )
    def test_metadata_of_a_model_without_a_target(self, signature, outputs):
        answer = json.loads(tensorflow.metadata(signature, 1, "silhouette", 0.5))
        given = answer["metadata"]["signature_def"]["signature_def"]["serving_default"]["outputs"]
        shapes = {name: [size["size"] for size in item["tensor_shape"]["dim"]] for name, item in given.items()}
        assert shapes == outputs
        assert answer["metadata"]["tidemill"]["target"] is None

    def test_metadata_of_a_regressor(self):
        signature = Signature("houses", "regression", "price", INPUTS)
        answer = json.loads(tensorflow.metadata(signature, 1, "rmse", 4.5))
        assert list(answer["metadata"]["signature_def"]["signature_def"]["serving_default"]["outputs"]) == ["value"]
