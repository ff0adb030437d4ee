"""The quick clients over connections on loopback, to what moto holds."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest
from botocore.exceptions import EndpointConnectionError

from tidemill import settings
from tidemill.aws import quick
from tidemill.aws.clients import Limits
from tidemill.aws.objects import Objects
from tidemill.aws.registry import Registry
from tidemill.errors import NotFound, StorageError

ARTIFACTS = "tidemill-artifacts"
LIMITS = Limits(connect=1, read=2, attempts=2)


def test_objects_and_registry_do_not_know_the_difference(objects: Objects, registry: Registry, wire: str) -> None:
    quickly = Objects(quick.s3(settings.ambient(), LIMITS))
    objects.put(ARTIFACTS, "models/a b/ü+1.bin", b"\x00data")
    assert quickly.get(ARTIFACTS, "models/a b/ü+1.bin") == b"\x00data"
    with pytest.raises(NotFound, match="there is no object"):
        quickly.get(ARTIFACTS, "models/none")
    assert Registry(quick.dynamodb(settings.ambient(), LIMITS), "tidemill").alias("churn", "champion") is None
    with pytest.raises(StorageError, match="ResourceNotFoundException"):
        Registry(quick.dynamodb(settings.ambient(), LIMITS), "no-table").alias("churn", "champion")


def test_any_other_method_is_botocore_s(objects: Objects, wire: str) -> None:
    Objects(quick.s3(settings.ambient(), LIMITS)).put(ARTIFACTS, "a", b"1")
    assert objects.get(ARTIFACTS, "a") == b"1"


class Forgetful:
    """Answers one request on each connection, promises to keep it, and closes it."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.connections = 0
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            connection, _ = self._socket.accept()
            with connection:
                if not (received := connection.recv(65536)):
                    return
                while b"\r\n\r\n" not in received:
                    received += connection.recv(65536)
                self.connections += 1
                connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ndata")

    def stop(self) -> None:
        with socket.create_connection(("127.0.0.1", self.port)):
            pass
        self._thread.join()
        self._socket.close()


@pytest.fixture
def forgetful() -> Iterator[Forgetful]:
    server = Forgetful()
    yield server
    server.stop()


def environment(port: int) -> dict[str, str]:
    return {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
    }


def test_a_connection_that_was_closed_meanwhile_is_made_anew(forgetful: Forgetful) -> None:
    client = quick.s3(environment(forgetful.port), LIMITS)
    for _ in range(3):
        assert client.get_object(Bucket="b", Key="k")["Body"].read() == b"data"
    assert forgetful.connections == 3


def test_nobody_at_the_address_is_an_error_of_botocore() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    client = quick.sqs(environment(port), Limits(1, 1, 1))
    with pytest.raises(EndpointConnectionError, match=str(port)):
        client.send_message(QueueUrl="q", MessageBody="m")
