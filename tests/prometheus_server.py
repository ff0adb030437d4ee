"""A real Prometheus for a test: Debian's package, on a free loopback port, with the project's own rules."""

from __future__ import annotations

import json
import math
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
DASHBOARDS = ROOT / "infra" / "dashboards"
#: What `make test` has unpacked.
UNPACKED = ROOT / ".venvs" / "prometheus" / "usr" / "bin" / "prometheus"
READY_SECONDS = 60


@dataclass(frozen=True)
class Prometheus:
    """A server that runs."""

    url: str

    def ask(self, path: str, **query: str) -> Any:
        """What its HTTP API answers."""
        with urllib.request.urlopen(f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(query)}", timeout=10) as answer:
            return json.load(answer)["data"]

    def values(self, expression: str) -> list[float]:
        """The finite values of a query now."""
        answer = self.ask("query", query=expression)
        found = [float(sample["value"][1]) for sample in answer["result"]]
        return [value for value in found if math.isfinite(value)]

    def rules(self) -> list[Any]:
        """Every rule, with its health."""
        return [rule for group in self.ask("rules")["groups"] for rule in group["rules"]]


@contextmanager
def running(folder: Path, target: str, key: str, path: str = "/metrics") -> Iterator[Prometheus]:
    """A server that scrapes a target every two seconds, with the key as a bearer token.

    Parameters
    ----------
    folder
        an empty one, for its files.
    target
        host and port.
    """
    program = str(UNPACKED) if UNPACKED.exists() else shutil.which("prometheus")
    if program is None:
        pytest.skip("no Prometheus here: `make test` unpacks Debian's")
    config = {
        "global": {"scrape_interval": "2s", "scrape_timeout": "2s", "evaluation_interval": "1s"},
        "rule_files": [str(DASHBOARDS / "prometheus" / "*.rules.yml")],
        "scrape_configs": [
            {
                "job_name": "tidemill",
                "metrics_path": path,
                "authorization": {"credentials": key},
                "static_configs": [{"targets": [target]}],
            }
        ],
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    port = _free_port()
    command = [
        program,
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=warn",
    ]
    with (folder / "log").open("w") as log, subprocess.Popen(command, stdout=log, stderr=log, cwd=folder) as process:
        try:
            _wait_until_ready(process, f"http://127.0.0.1:{port}", folder / "log")
            yield Prometheus(f"http://127.0.0.1:{port}")
        finally:
            process.terminate()


def queries(model: str) -> list[tuple[str, str]]:
    """(panel, expression) of every query of every dashboard, about all models or, where one is chosen, about this."""
    found = []
    for path in sorted((DASHBOARDS / "grafana").glob("*.json")):
        document = json.loads(path.read_text(encoding="utf-8"))
        several = next(one["multi"] for one in document["templating"]["list"] if one["name"] == "model")
        for panel in document["panels"]:
            for target in panel.get("targets", ()):
                expression = target["expr"].replace("$model", ".+" if several else model)
                assert "$" not in expression, expression
                found.append((f"{path.stem}: {panel['title']} ({target['refId']})", expression))
    return found


def without_data(prometheus: Prometheus, model: str, seconds: float) -> list[tuple[str, str]]:
    """Those queries of the dashboards that have returned no data until the time is up."""
    asked = queries(model)
    assert len(asked) > 60
    until = time.monotonic() + seconds
    while asked and time.monotonic() < until:
        time.sleep(0.2)
        asked = [(panel, expression) for panel, expression in asked if not prometheus.values(expression)]
    return asked


def _wait_until_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    until = time.monotonic() + READY_SECONDS
    while time.monotonic() < until:
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(f"{url}/-/ready", timeout=5):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.1)
    raise AssertionError(f"Prometheus was not ready within {READY_SECONDS} s: {log.read_text()}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
