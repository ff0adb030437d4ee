"""Deploy the template to an AWS-compatible endpoint with SAM CLI, the way it is deployed to AWS."""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import shlex
import subprocess
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from tidemill_cli.stack import Stack, StackError, project_root

#: What a deployment is made from, in the folder of the template.
INPUTS = ("template.yaml", "samconfig.toml", "infra", "functions", "layers")
#: Where SAM CLI puts the packaged code.
DEPLOY_BUCKET = "tidemill-deploy"
#: A stack in one of these states cannot be updated, only made anew; nothing was ever in it.
FAILED_CREATION = frozenset({"CREATE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "DELETE_FAILED"})
#: How often SAM CLI asks for the deployment's progress, in seconds; its default is 5.
POLL_SECONDS = "0.3"
#: Beginnings of the names of variables that SAM CLI does not get: they are meant for other stacks and programs.
FOR_OTHERS = ("AWS_", "SAM_", "__SAM", "PYTHON")
#: How LocalStack words it that a resource was skipped although it reports CREATE_COMPLETE.
SKIPPED_RESOURCE = "deployed as a fallback"
DELETE_SECONDS = 60.0
#: The environment variable that decides about the layers of third-party packages: `empty` or `real`.
LAYERS_SWITCH = "TIDEMILL_LAYERS"


#: Architecture of functions -> what processors of that kind are called.
MACHINES = {"x86_64": ("x86_64", "amd64"), "arm64": ("arm64", "aarch64")}
#: The template's parameters that say what its functions run on.
ARCHITECTURES = ("ControlArchitecture", "DataArchitecture", "ServingArchitecture", "TrainArchitecture")


def layers(in_containers: bool) -> str:
    """Which third-party layers are built. Empty ones do where functions run in the project's environment."""
    return os.environ.get(LAYERS_SWITCH, "real" if in_containers else "empty")


def architectures() -> dict[str, str]:
    """The parameters by which functions in containers are for this machine's processor."""
    machine = platform.machine().lower()
    own = next((name for name, known in MACHINES.items() if machine in known), None)
    return dict.fromkeys(ARCHITECTURES, own) if own else {}


@dataclass(frozen=True)
class Deployment:
    """One template and where it goes.

    Attributes
    ----------
    root
        folder of template.yaml and, when there is one, of samconfig.toml
    stack
        the endpoint and the stack's name
    state
        folder for what was built and for SAM CLI's log
    parameters
        template parameters on top of those in samconfig.toml's environment `local`
    in_containers
        whether functions run in containers, where all they have comes with them
    """

    root: Path
    stack: Stack
    state: Path
    parameters: Mapping[str, str]
    in_containers: bool = False

    def fingerprint(self) -> str:
        """A digest of everything that the deployment is made from; compiled Python is left out."""
        settings = (self.stack.endpoint, sorted(self.parameters.items()), layers(self.in_containers))
        digest = hashlib.sha256(repr(settings).encode())
        for path in _files(self.root):
            digest.update(f"\0{path.relative_to(self.root)}\0".encode())
            digest.update(path.read_bytes())
        return digest.hexdigest()

    def run(self, say: Callable[[str], None]) -> None:
        """Build and deploy.

        Raises
        ------
        StackError
            SAM CLI is not installed, or building or deploying failed; the message has the reasons.
        """
        if self.stack.status() in FAILED_CREATION:
            say("removing the stack of a deployment that failed")
            self._delete()
        build = self.state / "build"
        real = layers(self.in_containers) != "empty"
        say("building functions and layers" + (", with the packages of each" if real else ""))
        self._sam("build", "--template", self.root / "template.yaml", "--build-dir", build)
        with contextlib.suppress(self.stack.client("s3").exceptions.BucketAlreadyOwnedByYou):
            self.stack.client("s3").create_bucket(Bucket=DEPLOY_BUCKET)
        say(f"deploying the stack {self.stack.name}")
        parameters = {**self.configured_parameters(), **self.parameters}
        overrides = ["--parameter-overrides", *(f"{name}={value}" for name, value in sorted(parameters.items()))]
        began = time.time()
        self._sam(
            "deploy",
            *("--template", build / "template.yaml", "--stack-name", self.stack.name),
            *("--s3-bucket", DEPLOY_BUCKET, "--s3-prefix", self.stack.name, "--no-resolve-s3"),
            *("--capabilities", "CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"),
            *("--no-confirm-changeset", "--no-fail-on-empty-changeset", "--no-progressbar"),
            *(overrides if parameters else ()),
        )
        for event in self._events(began):
            if SKIPPED_RESOURCE in event.get("ResourceStatusReason", ""):
                say(f"warning: {event['LogicalResourceId']} is missing, the endpoint has no {event['ResourceType']}")

    def _sam(self, verb: str, *arguments: str | Path) -> None:
        command = project_root() / ".venvs" / "sam" / "bin" / "sam"
        if not command.exists():
            raise StackError(f"SAM CLI is not installed ({command} is missing): run `make setup`")
        config = self.root / "samconfig.toml"
        configured = ("--config-file", config, "--config-env", "local") if config.exists() else ()
        log = self.state / f"sam-{verb}.log"
        began = time.time()
        with log.open("wb") as output:
            answer = subprocess.run(
                [command, verb, *configured, *arguments],
                cwd=self.state,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                check=False,
            )
        if answer.returncode:
            reasons = [
                f"{event['LogicalResourceId']} ({event['ResourceType']}): {event['ResourceStatusReason']}"
                for event in (self._events(began) if verb == "deploy" else ())
                if event["ResourceStatus"].endswith("_FAILED") and event.get("ResourceStatusReason")
            ]
            lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            why = "\n".join(f"  {line}" for line in reasons or lines[-10:])
            raise StackError(f"`sam {verb}` failed ({log} has all of it):\n{why}")

    def environment(self) -> dict[str, str]:
        """The caller's environment without its AWS and SAM settings, which are for other stacks."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(FOR_OTHERS)}
        return {
            **kept,
            "AWS_ENDPOINT_URL": str(self.stack.endpoint),
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": self.stack.region,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "SAM_CLI_TELEMETRY": "0",
            "SAM_CLI_POLL_DELAY": POLL_SECONDS,
            "__SAM_CLI_APP_DIR": str(self.state / "sam"),
            LAYERS_SWITCH: layers(self.in_containers),
            # Their Makefiles read which processor the real layers are for: `sam build` does not tell them.
            **{name: self.parameters[name] for name in ARCHITECTURES if name in self.parameters},
        }

    def configured_parameters(self) -> dict[str, str]:
        """The parameters of the environment `local` in samconfig.toml; on the command line they would all be lost."""
        with contextlib.suppress(FileNotFoundError):
            document: dict[str, Any] = tomllib.loads((self.root / "samconfig.toml").read_text(encoding="utf-8"))
            local = document.get("local", {})
            overrides: str | Sequence[str] = []
            for section in ("global", "deploy"):
                overrides = local.get(section, {}).get("parameters", {}).get("parameter_overrides", overrides)
            words = shlex.split(overrides) if isinstance(overrides, str) else overrides
            return dict(word.split("=", 1) for word in words)
        return {}

    def _events(self, since: float) -> list[dict[str, Any]]:
        """What happened to the stack since a time, newest first."""
        try:
            answer = self.stack.client("cloudformation").describe_stack_events(StackName=self.stack.name)
        except ClientError:
            return []
        return [event for event in answer["StackEvents"] if event["Timestamp"].timestamp() >= since - 1]

    def _delete(self) -> None:
        client = self.stack.client("cloudformation")
        client.delete_stack(StackName=self.stack.name)
        deadline = time.monotonic() + DELETE_SECONDS
        while self.stack.status() not in (None, "DELETE_COMPLETE"):
            if time.monotonic() > deadline:
                raise StackError(f"the failed stack {self.stack.name} cannot be removed: `tidemill down --wipe` does")
            time.sleep(0.2)


def _files(root: Path) -> Iterator[Path]:
    for name in INPUTS:
        path = root / name
        found = sorted(path.rglob("*")) if path.is_dir() else [path]
        yield from (item for item in found if item.is_file() and "__pycache__" not in item.parts)
