"""The HTTP endpoint as any client sees it: TensorFlow Serving's `:predict` behind an API key."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import urllib3
from urllib3.exceptions import HTTPError

from tidemill.contracts import Signature, from_json
from tidemill.errors import TidemillError

#: Seconds. API Gateway answers within 29, with its own error when the function has not.
CONNECT_SECONDS, READ_SECONDS = 5, 35
#: A throttled request was not handled, so it may be sent again; likewise one that met no free function.
SEND_AGAIN = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)


class PredictionFailed(TidemillError):
    """The endpoint refused the request or did not answer; the message is the endpoint's own where it has one."""


class RowsRefused(PredictionFailed):
    """The endpoint refused what the request asks; the message is the endpoint's own."""


@dataclass(frozen=True)
class Answer:
    """Predictions in the order of the rows: numbers, or {"label": ..., "probabilities": [...]}; or explanations."""

    predictions: list[Any]
    version: int  #: of the model that answered
    prediction_id: str


@dataclass(frozen=True)
class Described:
    """What a model says of itself."""

    signature: Signature
    version: int


class PredictionApi:
    """Asks a deployed model.

    Parameters
    ----------
    url
        of the API, ending in its stage.
    key
        value of the API key.
    http
        sends the requests; made with time limits and retries when not given.
    """

    def __init__(self, url: str, key: str, http: urllib3.PoolManager | None = None) -> None:
        self._url = url
        self._key = key
        self._http = http or urllib3.PoolManager(
            timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS),
            retries=urllib3.Retry(
                total=4,
                read=0,
                redirect=0,
                status_forcelist=SEND_AGAIN,
                allowed_methods=None,
                backoff_factor=0.3,
                raise_on_status=False,
            ),
        )

    def model_url(self, model: str, version: int | None = None) -> str:
        """The address of a model or of one of its versions; add `:predict` to POST rows."""
        return f"{self._url}/v1/models/{model}" + (f"/versions/{version}" if version is not None else "")

    def describe(self, model: str, version: int | None = None) -> Described:
        """Signature and version of a model. Raises PredictionFailed."""
        document, _ = self._ask("GET", f"{self.model_url(model, version)}/metadata")
        learned = document["metadata"]["tidemill"]
        return Described(from_json(Signature, learned), int(learned["version"]))

    def predict(
        self,
        model: str,
        instances: Sequence[Any],
        version: int | None = None,
        confidence: float | None = None,
        key: str | None = None,
    ) -> Answer:
        """Predict rows, each an object of inputs, with intervals or sets of a confidence when one is given.

        Calls of one key are answered by one version while traffic is split.

        Raises PredictionFailed with what the endpoint says.
        """
        asked = {"instances": list(instances)} | ({} if confidence is None else {"confidence": confidence})
        return self._answer("predict", "predictions", model, asked, version, key)

    def explain(self, model: str, instances: Sequence[Any], version: int | None = None) -> Answer:
        """What each input adds to each row's score. Raises PredictionFailed with what the endpoint says."""
        return self._answer("explain", "explanations", model, {"instances": list(instances)}, version)

    def _answer(
        self, verb: str, name: str, model: str, asked: dict[str, Any], version: int | None, key: str | None = None
    ) -> Answer:
        url = f"{self.model_url(model, version)}:{verb}"
        document, headers = self._ask("POST", url, json.dumps(asked).encode(), key)
        return Answer(document[name], int(headers["x-tidemill-version"]), headers.get("x-tidemill-prediction-id", ""))

    def _ask(self, method: str, url: str, body: bytes | None = None, key: str | None = None) -> tuple[Any, Any]:
        headers = {"x-api-key": self._key, "content-type": "application/json", "accept": "application/json"}
        headers |= {} if key is None else {"x-tidemill-key": key}
        try:
            answer = self._http.request(method, url, body=body, headers=headers)
        except HTTPError as error:
            raise PredictionFailed(f"the endpoint {url} did not answer: {error}") from error
        try:
            document = json.loads(answer.data)
        except ValueError:
            document = None
        if answer.status == HTTPStatus.OK and document is not None:
            return document, answer.headers
        failed = RowsRefused if answer.status == HTTPStatus.BAD_REQUEST else PredictionFailed
        raise failed(self._refusal(url, answer.status, document))

    def _refusal(self, url: str, status: int, document: Any) -> str:
        if isinstance(document, dict) and "error" in document:
            return str(document["error"])
        said = document.get("message") if isinstance(document, dict) else None
        if status == HTTPStatus.FORBIDDEN:
            return f"the endpoint {url} refused the API key (HTTP 403)"
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            return (
                "the endpoint is throttled by its usage plan (HTTP 429): try again more slowly, or use `tidemill score`"
            )
        return f"the endpoint {url} answered HTTP {status}" + (f": {said}" if said else "")
