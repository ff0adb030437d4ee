"""What a project's spec says at the moment, as plain data for `spec.parse`."""

from __future__ import annotations

import json
from typing import Any

from tidemill import keys
from tidemill.aws.objects import Objects
from tidemill.errors import ContractError, NotFound


def document(bucket: str, objects: Objects, project: str) -> Any:
    """The spec as it was declared; None when the project has none, which is an empty one.

    Raises
    ------
    ContractError
        it is no JSON.
    StorageError
        the bucket did not answer.
    """
    key = keys.project_spec(project)
    try:
        return json.loads(objects.get(bucket, key))
    except NotFound:
        return None
    except ValueError as error:
        raise ContractError(f"{key} is not valid JSON ({error}): declare it again with `tidemill spec`") from error
