"""What LocalStack's CloudFormation refuses of a template that AWS takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from localstack.services.cloudformation.engine.v2.change_set_model_preproc import PreprocEntityDelta
from localstack.services.cloudformation.engine.v2.change_set_model_transform import ChangeSetModelTransform
from localstack.services.cloudformation.engine.validations import ValidationError
from localstack.services.stepfunctions.resource_providers import aws_stepfunctions_statemachine as state_machines


def install() -> None:
    """Put the replacements in place.

    - A reference to what the SAM transform has yet to make, such as `!Ref Api.Stage`: LocalStack resolves references
      before it transforms. What is missing afterwards is refused all the same, since the template is validated then.
    - A number that is substituted in a state machine's definition.
    """
    resolve = ChangeSetModelTransform._resolve_reference
    substitute = state_machines._apply_substitutions

    def resolve_reference(transform: ChangeSetModelTransform, logical_id: str) -> PreprocEntityDelta:
        try:
            return resolve(transform, logical_id)
        except ValidationError:
            if "." not in logical_id:
                raise
            return PreprocEntityDelta(before=logical_id, after=logical_id)

    def apply_substitutions(definition: str, substitutions: Mapping[str, Any]) -> str:
        substituted: str = substitute(definition, {name: str(value) for name, value in substitutions.items()})
        return substituted

    ChangeSetModelTransform._resolve_reference = resolve_reference
    state_machines._apply_substitutions = apply_substitutions
