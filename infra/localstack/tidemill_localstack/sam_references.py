"""References to what the SAM transform has yet to make, such as `!Ref Api.Stage`.

LocalStack looks through a template before it transforms it, and takes such a name for a resource that is missing. What
is missing after the transform is refused all the same: the template is validated then.
"""

from __future__ import annotations

from localstack.services.cloudformation.engine.v2.change_set_model_preproc import PreprocEntityDelta
from localstack.services.cloudformation.engine.v2.change_set_model_transform import ChangeSetModelTransform
from localstack.services.cloudformation.engine.validations import ValidationError


def install() -> None:
    """Let a reference with a dot be, until the transform is done."""
    resolve = ChangeSetModelTransform._resolve_reference

    def resolve_reference(transform: ChangeSetModelTransform, logical_id: str) -> PreprocEntityDelta:
        try:
            return resolve(transform, logical_id)
        except ValidationError:
            if "." not in logical_id:
                raise
            return PreprocEntityDelta(before=logical_id, after=logical_id)

    ChangeSetModelTransform._resolve_reference = resolve_reference
