"""Does what the event says."""

import os
import time
from typing import Any

import boto3


class Refused(Exception):
    """An error that the state machine catches by its name."""


def handler(event: dict[str, Any], context: Any) -> Any:
    """Log and answer, raise, sleep, write an object, or tell about the process."""
    what = event["do"]
    if what == "log":
        print(f"said {event['text']}")  # noqa: T201
    elif what == "raise":
        raise Refused(event["text"])
    elif what == "divide":
        return 1 / 0
    elif what == "sleep":
        time.sleep(event["seconds"])
    elif what == "put":
        boto3.client("s3").put_object(Bucket=os.environ["BUCKET"], Key="made/by/function", Body=b"")
    elif what == "tell":
        import tidemill

        return {"environment": dict(os.environ), "tidemill": tidemill.__file__, "pid": os.getpid()}
    return "done"
