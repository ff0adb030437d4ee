"""Cold start of the predict function against importing pandas and scikit-learn.

A cold start is everything in a fresh process up to the first answer: imports, clients,
the alias, the model's files from a store on loopback, the graph, one prediction. The
interpreter's own start is in neither number, and all modules of both are compiled before.
Prints medians and their ratio, by the clock
(the bar is a quarter) and by processor time, which says the same more steadily on a
machine that does other things too.

    python tests/bench/predict_cold_start.py [rounds]
"""

import functools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import boto3
import onnx.parser
from moto import mock_aws

from tidemill import keys
from tidemill.aws.registry import Registry

ROOT = Path(__file__).parents[2]
EVENTS = ROOT / "tests" / "events"
NOW = "2026-01-02T03:04:05Z"
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "ARTIFACT_BUCKET": "artifacts",
    "TABLE": "tidemill",
    "FEATURES_TABLE": "tidemill-features",
    "ALIAS_SECONDS": "5",
}

COLD = """
import importlib.util, json, sys
from types import SimpleNamespace
specification = importlib.util.spec_from_file_location("app", sys.argv[1])
app = importlib.util.module_from_spec(specification)
specification.loader.exec_module(app)
answer = app.handler(json.load(open(sys.argv[2])), SimpleNamespace(aws_request_id="cold"))
assert answer["statusCode"] == 200, answer
"""
HEAVY = "import pandas, sklearn"
MEASURED = """
import time
clock, processor = time.perf_counter(), time.process_time()
{}
print(time.perf_counter() - clock, time.process_time() - processor)
"""


@functools.cache
def stored(bucket: str, key: str) -> bytes:
    """An object that moto holds; once asked for it costs the server nothing."""
    data: bytes = boto3.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    return data


@functools.cache
def item(asked: str) -> bytes:
    """The answer to a GetItem by what moto holds; once asked for it costs the server nothing."""
    answer = boto3.client("dynamodb").get_item(**json.loads(asked))
    return json.dumps({name: answer[name] for name in answer.keys() & {"Item"}}).encode()


class Services(BaseHTTPRequestHandler):
    """GetItem, GetObject and SendMessage."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # an answer in one piece; in two, TCP waits 40 ms between them

    def do_GET(self) -> None:
        """S3: GET /<bucket>/<key>."""
        bucket, _, key = self.path.removeprefix("/").partition("/")
        self._answer(stored(bucket, key), "application/octet-stream")

    def do_POST(self) -> None:
        """DynamoDB and SQS, both JSON with the operation in a header."""
        asked = self.rfile.read(int(self.headers["content-length"])).decode()
        known = self.headers["x-amz-target"].endswith(".GetItem")
        self._answer(item(asked) if known else b'{"MessageId": "1"}', "application/x-amz-json-1.0")

    def log_message(self, *_: object) -> None:
        """Print nothing."""

    def _answer(self, body: bytes, content_type: str) -> None:
        self.send_response(200)
        self.send_header("content-type", content_type)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def store_model() -> None:
    """The registry's table and a bucket with one model."""
    dynamodb, s3 = boto3.client("dynamodb"), boto3.client("s3")
    dynamodb.create_table(
        TableName=ENVIRONMENT["TABLE"],
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
    )
    registry = Registry(dynamodb, ENVIRONMENT["TABLE"])
    version = registry.create_version(
        "churn", "0" * 32, onnx_sha256="0", dataset_version="0", task="binary", metric="m", value=1.0, at=NOW, actor="x"
    )
    registry.move_alias("churn", "champion", version, None, "x", "x", NOW)
    s3.create_bucket(Bucket=ENVIRONMENT["ARTIFACT_BUCKET"])
    graph = onnx.parser.parse_model((EVENTS / "churn" / "model.onnx.txt").read_text()).SerializeToString()
    files = {"model.onnx": graph, "signature.json": (EVENTS / "churn" / "signature.json").read_bytes()}
    for name, data in files.items():
        s3.put_object(Bucket=ENVIRONMENT["ARTIFACT_BUCKET"], Key=keys.model("churn", version, name), Body=data)


def seconds(endpoint: str, script: str, *arguments: Path) -> list[float]:
    """Seconds of a script in a fresh process: by the clock, of the processor."""
    run = subprocess.run(
        [sys.executable, "-c", MEASURED.format(script), *map(str, arguments)],
        env=os.environ | ENVIRONMENT | {"AWS_ENDPOINT_URL": endpoint, "CAPTURE_QUEUE": f"{endpoint}/1/captures"},
        capture_output=True,
        text=True,
        check=True,
    )
    return [float(word) for word in run.stdout.split()[-2:]]


def main(rounds: int = 7) -> None:
    """Measure in turns, so that what else the machine does falls on both."""
    os.environ |= ENVIRONMENT
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    app, event = ROOT / "functions" / "predict" / "app.py", EVENTS / "api_predict_rows.json"
    with (
        tempfile.TemporaryDirectory() as bytecode,
        mock_aws(),
        ThreadingHTTPServer(("127.0.0.1", 0), Services) as server,
    ):
        os.environ["PYTHONPYCACHEPREFIX"] = bytecode
        store_model()
        threading.Thread(target=server.serve_forever, daemon=True).start()
        endpoint = f"http://127.0.0.1:{server.server_port}"
        measured = [(seconds(endpoint, COLD, app, event), seconds(endpoint, HEAVY)) for _ in range(rounds + 1)]
        server.shutdown()
    cold, heavy = zip(*measured[1:], strict=True)  # the first round fills the file cache and compiles everything
    for index, name in enumerate(("by the clock", "of the processor")):
        ours, other = (statistics.median(values[index] for values in side) for side in (cold, heavy))
        print(f"{name}: predict, cold {ours:.3f} s; importing pandas and scikit-learn {other:.3f} s", end="; ")
        print(f"ratio {ours / other:.3f}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
