"""Settings come from the environment, once, and a missing variable is named."""

from __future__ import annotations

import pytest

from tidemill import settings
from tidemill.errors import ContractError

ENVIRONMENT = {
    "ARTIFACT_BUCKET": "a",
    "TABLE": "t",
    "FEATURES_TABLE": "f",
    "CAPTURE_QUEUE": "q",
    "ALIAS_SECONDS": "2.5",
}


def test_fields_are_upper_case_variables_of_their_type() -> None:
    assert settings.load(settings.PredictSettings, ENVIRONMENT) == settings.PredictSettings("a", "t", "f", "q", 2.5)


@pytest.mark.parametrize("missing", list(ENVIRONMENT))
def test_a_missing_variable_is_named(missing: str) -> None:
    environment = {name: value for name, value in ENVIRONMENT.items() if name != missing}
    with pytest.raises(ContractError, match=f"{missing} is not set: PredictSettings needs it"):
        settings.load(settings.PredictSettings, environment)


def test_a_variable_of_the_wrong_type_is_named() -> None:
    with pytest.raises(ContractError, match="ALIAS_SECONDS must be a number, not 'soon'"):
        settings.load(settings.PredictSettings, ENVIRONMENT | {"ALIAS_SECONDS": "soon"})
