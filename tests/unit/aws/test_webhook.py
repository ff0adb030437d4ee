"""Posts to an address of the user's, which may be slow, broken or somewhere else."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tidemill.aws import webhook
from tidemill.errors import StorageError


class Receiver:
    """A server on loopback that answers with the given statuses, one after the other, then with 200."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self.got: list[Any] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.got.append((self.path, self.headers["content-type"], json.loads(body)))
                self.send_response(receiver.statuses.pop(0) if receiver.statuses else 200)
                self.send_header("location", "/elsewhere")
                self.send_header("content-length", "0")
                self.end_headers()

            def do_GET(self) -> None:
                raise AssertionError("a post has become a get")

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook/secret-token"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    serving = threading.Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.01})
    serving.start()
    yield made
    made.server.shutdown()
    serving.join()
    made.server.server_close()


def test_a_document_arrives_as_json(receiver: Receiver) -> None:
    webhook.post(receiver.url, {"text": "é", "n": 1})
    assert receiver.got == [("/hook/secret-token", "application/json", {"text": "é", "n": 1})]


def test_a_passing_failure_is_tried_once_more(receiver: Receiver) -> None:
    receiver.statuses = [503]
    webhook.post(receiver.url, {})
    assert len(receiver.got) == 2


@pytest.mark.parametrize(("statuses", "tries"), [([500, 502], 2), ([404], 1), ([302], 1)])
def test_what_is_not_taken_is_an_error_that_does_not_tell_the_address_secret(
    receiver: Receiver, statuses: list[int], tries: int
) -> None:
    receiver.statuses = statuses.copy()
    with pytest.raises(StorageError, match=f"was not told: it answered {statuses[-1]}") as caught:
        webhook.post(receiver.url, {})
    assert len(receiver.got) == tries
    assert "secret" not in str(caught.value)


def test_nobody_there_is_an_error() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens
        with pytest.raises(StorageError, match="refused"):
            webhook.post(f"http://127.0.0.1:{taken.getsockname()[1]}/", {})


def test_one_that_says_nothing_is_given_up() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with pytest.raises(StorageError, match="timed out"):
            webhook.post(f"http://127.0.0.1:{silent.getsockname()[1]}/", {}, timeout=0.05)
