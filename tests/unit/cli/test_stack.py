from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError

from tidemill_cli.stack import Stack, StackError, state_dir

HERE = "http://127.0.0.1:4566"


class Cloudformation:
    """Answers describe_stacks with what it was made with."""

    def __init__(self, answer):
        self.answer = answer

    def describe_stacks(self, StackName):  # noqa: N803
        if isinstance(self.answer, Exception):
            raise self.answer
        return {"Stacks": [self.answer]}


def stack(answer, endpoint=HERE):
    return Stack("tidemill", "us-east-1", endpoint, None, {"cloudformation": Cloudformation(answer)})


def error(code):
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "DescribeStacks")


@pytest.fixture(autouse=True)
def no_settings(monkeypatch, tmp_path):
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE", "AWS_DEFAULT_REGION", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("TIDEMILL_STATE", str(tmp_path))


def test_the_endpoint_given_wins(monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://other:1")
    found = Stack.connect(f"{HERE}/")
    assert (found.endpoint, found.region, found.is_local) == (HERE, "us-east-1", True)
    assert found.client("s3").meta.endpoint_url == HERE


def test_a_profile_says_who_one_is_at_an_endpoint(monkeypatch, tmp_path):
    keys = tmp_path / "credentials"
    keys.write_text("[ada]\naws_access_key_id = AKIAADA\naws_secret_access_key = secret\n\n[empty]\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(keys))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")

    def key(profile):
        return Stack.connect(HERE, profile=profile).client("sts")._request_signer._credentials.access_key

    assert (key(None), key("ada")) == ("test", "AKIAADA")
    with pytest.raises(StackError, match="has no access key: `aws configure --profile empty`"):
        key("empty")
    with pytest.raises(StackError, match="no AWS profile named 'adda'"):
        key("adda")


def test_the_environments_endpoint_comes_before_the_recorded_one(monkeypatch, tmp_path):
    (tmp_path / "stack.json").write_text(json.dumps({"endpoint": HERE}))
    assert Stack.connect().endpoint == HERE
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://emulator.example:4566")
    found = Stack.connect()
    assert (found.endpoint, found.is_local) == ("http://emulator.example:4566", False)


def test_without_any_stack_the_way_out_is_named():
    with pytest.raises(StackError, match=r"`tidemill up`.*--endpoint.*--profile"):
        Stack.connect()


def test_a_record_that_cannot_be_read_is_none(tmp_path):
    (tmp_path / "stack.json").write_text("{")
    with pytest.raises(StackError, match="no stack is named"):
        Stack.connect()


def test_aws_itself_needs_a_region_and_a_profile_that_exists():
    with pytest.raises(StackError, match="no AWS region"):
        Stack.connect("aws")
    with pytest.raises(StackError, match="no AWS profile named 'nobody'"):
        Stack.connect(profile="nobody")
    found = Stack.connect("aws", region="eu-central-1")
    assert (found.endpoint, found.region, found.is_local) == (None, "eu-central-1", False)


def test_outputs_are_a_mapping_asked_for_once():
    one = stack({"StackStatus": "CREATE_COMPLETE", "Outputs": [{"OutputKey": "Table", "OutputValue": "things"}]})
    assert one.outputs == {"Table": "things"}
    one.client("cloudformation").answer = error("ValidationError")
    assert one.outputs["Table"] == "things"
    assert one.status() is None


@pytest.mark.parametrize(
    ("answer", "endpoint", "words"),
    [
        (EndpointConnectionError(endpoint_url=HERE), HERE, "nothing answers at .* start it with `tidemill up`"),
        (EndpointConnectionError(endpoint_url="x"), "http://far.example", "check the address and the network"),
        (error("ValidationError"), HERE, "is not deployed at .* deploy it with `tidemill up`"),
        (error("ValidationError"), None, "not deployed at AWS in us-east-1: .*`sam build && sam deploy`"),
        (error("ExpiredToken"), HERE, "refused the request: .*ExpiredToken"),
        (NoCredentialsError(), None, "cannot be asked: Unable to locate credentials"),
        ({"StackStatus": "ROLLBACK_COMPLETE"}, HERE, "is ROLLBACK_COMPLETE: deploy it with"),
    ],
)
def test_what_is_wrong_with_a_stack_is_one_sentence(answer, endpoint, words):
    with pytest.raises(StackError, match=words):
        _ = stack(answer, endpoint).outputs


def test_a_client_is_made_once_and_s3_has_path_style_at_an_endpoint():
    here = Stack.connect(HERE)
    assert here.client("s3") is here.client("s3")
    url = here.client("s3").generate_presigned_url("get_object", Params={"Bucket": "things", "Key": "a"})
    assert url.startswith(f"{HERE}/things/a?")


def test_the_state_folder_can_be_chosen(monkeypatch, tmp_path):
    assert state_dir() == tmp_path
    monkeypatch.delenv("TIDEMILL_STATE")
    assert state_dir().name == ".tidemill"
