"""The template gives every function exactly the environment that its settings class reads."""

import dataclasses

import pytest

from tidemill import settings

from .conftest import Json

CLASSES = {
    name.removesuffix("Settings").lower(): cls
    for name, cls in vars(settings).items()
    if name.endswith("Settings") and dataclasses.is_dataclass(cls)
}
MACHINE = "arn:${AWS::Partition}:states:${AWS::Region}:${AWS::AccountId}:stateMachine:${AWS::StackName}"


def test_every_function_has_a_settings_class(functions: dict[str, Json]) -> None:
    assert set(functions) == set(CLASSES)


@pytest.mark.parametrize("stage", CLASSES)
def test_the_environment_is_the_settings_class(stage: str, functions: dict[str, Json]) -> None:
    declared = functions[stage]["Environment"]["Variables"]
    assert set(declared) == {field.name.upper() for field in dataclasses.fields(CLASSES[stage])}


@pytest.mark.parametrize("stage", CLASSES)
def test_a_setting_has_the_same_value_in_every_function(stage: str, functions: dict[str, Json]) -> None:
    expected = {
        "ARTIFACT_BUCKET": {"Ref": "ArtifactBucket"},
        "DATA_BUCKET": {"Fn::Sub": "${AWS::StackName}-data-${AWS::AccountId}-${AWS::Region}"},
        "TABLE": {"Ref": "Table"},
        "FEATURES_TABLE": {"Ref": "FeaturesTable"},
        "FEATURES_STATE_MACHINE": {"Ref": "FeaturesStateMachine"},
        "TOPIC": {"Ref": "Topic"},
        "EVENT_BUS": {"Ref": "EventBus"},
        "CAPTURE_QUEUE": {"Ref": "CaptureQueue"},
        "PREDICT_FUNCTION": {"Ref": "PredictFunction"},
        "TRAINING_STATE_MACHINE": {"Ref": "TrainingStateMachine"},
        "SCORING_STATE_MACHINE": {"Ref": "ScoringStateMachine"},
        # made names: what these start needs the API's address, and the API the function that starts them
        "MONITORING_STATE_MACHINE": {"Fn::Sub": f"{MACHINE}-monitoring"},
        "ROLLOUT_STATE_MACHINE": {"Fn::Sub": f"{MACHINE}-rollout"},
        "RETRAIN_FUNCTION": {"Ref": "RetrainFunction"},
        "SHADOW_QUEUE": {"Ref": "ShadowQueue"},
        "API_KEY_ID": {"Ref": "ApiKey"},
        "PREDICT_MEMORY_MB": {"Ref": "PredictMemoryMb"},
        "MAX_UPLOAD_MB": {"Ref": "MaxUploadMb"},
        "SLICE_ROWS": {"Ref": "SliceRows"},
        "ALIAS_SECONDS": {"Ref": "AliasSeconds"},
    }
    for name, value in functions[stage]["Environment"]["Variables"].items():
        assert name == "API_URL" or value == expected[name]


def test_the_made_name_of_the_data_bucket_is_its_name(template: Json) -> None:
    name = template["Resources"]["DataBucket"]["Properties"]["BucketName"]
    assert name == {"Fn::Sub": "${AWS::StackName}-data-${AWS::AccountId}-${AWS::Region}"}
