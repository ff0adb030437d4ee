"""HTTP calls: what a view gets, and what becomes of what it gives or raises.

Every answer carries the call's id, and the model and version as soon as they are known; an
error has one shape: `{"error": "..."}`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field

from tidemill.serving.endpoint import Endpoint
from tidemill.serving.refusals import refusal
from tidemill.serving.traffic import Assignment


@dataclass
class Call:
    """One HTTP call: what came in, and the headers that go out."""

    path: dict[str, str]  #: path parameters
    body: bytes
    id: str  #: unique; a recorded prediction carries it
    time: float  #: seconds since 1970
    key: str | None = None  #: the header x-tidemill-key: calls with the same one are answered by the same version
    headers: dict[str, str] = field(default_factory=dict)
    began: float = 0.0  #: its time by the endpoint's clock
    recorded_for: Assignment | None = None  #: who answers, once that is known and the answer is to be recorded

    def __post_init__(self) -> None:
        self.headers |= {"content-type": "application/json", "x-tidemill-prediction-id": self.id}

    def is_about(self, model: str, version: int | None) -> None:
        """Say in the headers which model, and which version of it, answers. Both must exist."""
        self.headers["x-tidemill-model"] = model
        if version is not None:
            self.headers["x-tidemill-version"] = str(version)


View = Callable[[Endpoint, Call], str]


def answer(view: View, endpoint: Callable[[], Endpoint], call: Call, fault: Callable[[str], object]) -> tuple[int, str]:
    """HTTP status and body of a call. When it is refused or fails, that is recorded as a prediction would have been.

    Parameters
    ----------
    view
        gives the body of a good answer, or raises.
    fault
        takes a sentence for the log when the failure is ours; called while the error is being handled.
    """
    try:
        call.began = endpoint().clock()
        return 200, view(endpoint(), call)
    except Exception as error:
        told = refusal(error)
        if told.logged:
            fault(told.logged)
    if call.recorded_for is not None:
        endpoint().record_refusal(call.recorded_for, call.id, call.time, call.began, told.status, told.recorded)
    return told.status, json.dumps({"error": told.message})
