"""Moving a refused upload out of the way, with the reason beside it."""

from __future__ import annotations

from tidemill import keys
from tidemill.aws.objects import Objects
from tidemill.contracts import Refusal, Source
from tidemill.errors import NotFound

#: Where uploads go whose key names no project; no project can have this name.
NO_PROJECT = "_"


def quarantine(
    objects: Objects, source: Source, upload: keys.Upload | None, reason: str, at: str, run_id: str | None = None
) -> str:
    """Move an upload to quarantine, write its reason, and return its new key.

    The version that was refused is the one that is kept. An upload that has replaced it in
    the meantime stays where it is. Doing it again leaves the same.

    Parameters
    ----------
    upload
        what the upload's key means; None when it means nothing.

    Raises
    ------
    StorageError
        the store refused or did not answer.
    """
    project, file = (upload.project, upload.file) if upload else (NO_PROJECT, source.key)
    refusal = Refusal(reason, f"s3://{source.bucket}/{source.key}", source.version_id, at, run_id)
    objects.put_contract(source.bucket, keys.quarantine_reason(project, file), refusal)
    target = keys.quarantine(project, file)
    try:
        objects.copy(source.bucket, source.key, source.bucket, target, source.version_id)
        now = objects.head(source.bucket, source.key)
        if (now.version_id, now.etag) == (source.version_id, source.etag):
            objects.delete(source.bucket, source.key)
    except NotFound:
        pass  # it was moved before, or its owner has deleted it: there is nothing left to move
    return target
