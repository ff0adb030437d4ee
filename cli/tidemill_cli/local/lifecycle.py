"""The local stack's life: up, down, and what is remembered of it in `stack.json` of the state folder."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from tidemill_cli.local.deployment import FAILED_CREATION, Deployment, architectures
from tidemill_cli.local.docker import DockerEmulator
from tidemill_cli.local.process import (
    PORT,
    Emulator,
    LocalStackEmulator,
    about,
    answers,
    free_port,
    is_free,
    refuse_silent,
)
from tidemill_cli.stack import STACK_NAME, Stack, StackError, project_root

EMULATORS: Mapping[str, type[Emulator]] = {kind.name: kind for kind in (Emulator, LocalStackEmulator, DockerEmulator)}
#: What LocalStack without a licence calls itself in an image, and anywhere else.
OPEN_EDITION, UNKNOWN_EDITION = "community", "unknown"
#: A stack in one of these states is what was deployed last.
CURRENT = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE"})
#: One in these was never there.
NEVER_DEPLOYED = FAILED_CREATION | {"REVIEW_IN_PROGRESS", "CREATE_IN_PROGRESS", "ROLLBACK_IN_PROGRESS"}


@dataclass(frozen=True)
class Record:
    """What stack.json holds.

    Attributes
    ----------
    endpoint
        where the stack is, whether or not it runs now
    own
        whether the endpoint is an emulator that we start and stop
    enforce_iam
        whether that emulator denies what a role does not allow
    stack_name
        name of the CloudFormation stack
    fingerprint
        what was deployed last, None before the first deployment
    deployed_at
        when that was, UTC
    emulator
        which one it is, a key of EMULATORS, when it is our own
    in_containers
        whether the functions run in containers
    """

    endpoint: str
    own: bool
    enforce_iam: bool
    stack_name: str
    fingerprint: str | None = None
    deployed_at: str | None = None
    emulator: str = Emulator.name
    in_containers: bool = False


@dataclass(frozen=True)
class Up:
    """The outcome of `up`: the stack, and what had to be done for it."""

    stack: Stack
    started: bool
    deployed: bool


class LocalStack:
    """The stack of one state folder.

    Parameters
    ----------
    state
        the folder: TIDEMILL_STATE, or .tidemill in the checkout
    root
        folder of the template to deploy
    stack_name
        name of the CloudFormation stack
    """

    def __init__(self, state: Path, root: Path | None = None, stack_name: str = STACK_NAME) -> None:
        self.state = state
        self.root = root or project_root()
        self.stack_name = stack_name
        before = self.record()
        self.emulator = EMULATORS[before.emulator if before else Emulator.name](state)

    def record(self) -> Record | None:
        """What stack.json holds, None when there is none or an older version wrote it."""
        try:
            record = Record(**json.loads((self.state / "stack.json").read_text(encoding="utf-8")))
            return record if record.emulator in EMULATORS else None
        except (FileNotFoundError, ValueError, TypeError):
            return None

    def up(
        self,
        say: Callable[[str], None],
        endpoint: str | None = None,
        port: int | None = None,
        enforce_iam: bool = True,
        emulator: str | None = None,
    ) -> Up:
        """Make the stack be there: start what does not run, deploy what has changed, leave the rest alone.

        Parameters
        ----------
        say
            takes one line of progress
        endpoint
            an AWS-compatible endpoint that runs already; None starts the emulator
        port
            of the emulator; None takes the one it had before, 4566, or any free one
        enforce_iam
            whether the emulator denies what a role does not allow, where it can
        emulator
            a key of EMULATORS; None takes the one it had before, or the default

        Raises
        ------
        StackError
            the emulator or the deployment failed; the message says why and the way out.
        """
        self.state.mkdir(parents=True, exist_ok=True)
        before = self.record()
        if endpoint is not None and before is not None and before.own and self.emulator.running():
            # The address of our own emulator stands for it.
            endpoint = None if endpoint.rstrip("/") == before.endpoint else endpoint
        if endpoint is None:
            self.choose(emulator)
            enforce_iam = enforce_iam and self.emulator.enforces_iam
            own, (endpoint, started) = True, self.start(before, port, enforce_iam, say)
            in_containers = self.emulator.in_containers
            self._say_what_it_lacks(say)
        else:
            refuse_silent(endpoint)
            own, started, in_containers = False, False, self._in_containers(endpoint, say)
        stack = Stack.connect(endpoint, self.stack_name)
        if not own and (before is None or before.endpoint != stack.endpoint) and stack.status() in CURRENT:
            say(f"a stack {self.stack_name} is there already, deployed from elsewhere: it is updated")
        deployment = self._deployment(stack, in_containers)
        fingerprint = deployment.fingerprint()
        record = Record(
            endpoint, own, enforce_iam, self.stack_name, emulator=self.emulator.name, in_containers=in_containers
        )
        if before is not None and replace(before, fingerprint=None, deployed_at=None) == record:
            record = before
        if record.fingerprint == fingerprint and stack.status() in CURRENT:
            return Up(stack, started, deployed=False)
        self._write(replace(record, fingerprint=None, deployed_at=None))  # until it is done nobody knows what is there
        deployment.run(say)
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        self._write(replace(record, fingerprint=fingerprint, deployed_at=now))
        return Up(stack, started, deployed=True)

    def _say_what_it_lacks(self, say: Callable[[str], None]) -> None:
        lacks = [
            *([] if self.emulator.enforces_iam else ["enforces no IAM: every function may do everything"]),
            *([] if self.emulator.keeps_data else ["keeps nothing over `tidemill down`"]),
        ]
        if lacks:
            say(f"{self.emulator.name} {'; it '.join(lacks)}")

    def _in_containers(self, endpoint: str, say: Callable[[str], None]) -> bool:
        """Whether an endpoint is LocalStack in an image of its own, so that its functions are in containers, too.

        The edition is read from the image. LocalStack as a package on a machine knows none, even if it believes that
        the machine is a container.
        """
        told = about(endpoint)
        edition = told.get("edition", UNKNOWN_EDITION)
        if not told.get("is_docker") or edition == UNKNOWN_EDITION:
            return False
        if edition == OPEN_EDITION:
            say(
                "warning: the open LocalStack puts no layers into functions, and ours are in layers; "
                "`tidemill up --emulator localstack --docker` starts one that does"
            )
        return True

    def choose(self, name: str | None) -> None:
        """Take an emulator from now on; None leaves the choice as it is.

        Raises
        ------
        StackError
            another one runs.
        """
        if name in (None, self.emulator.name):
            return
        if self.emulator.running():
            raise StackError(f"{self.emulator.name} runs already, and {name} is asked for: `tidemill down` first")
        self.emulator = EMULATORS[name](self.state)

    def down(self, wipe: bool = False) -> bool:
        """Stop the emulator and every function's process or container; with `wipe` forget all data too.

        Returns
        -------
        whether the emulator ran
        """
        ran = self.emulator.stop()
        if wipe:
            self.emulator.wipe()
            shutil.rmtree(self.state / "build", ignore_errors=True)
            (self.state / "stack.json").unlink(missing_ok=True)
        return ran

    def is_current(self) -> bool:
        """Whether what is deployed is what the checkout holds."""
        record = self.record()
        if record is None:
            return False
        stack = Stack.connect(record.endpoint, record.stack_name)
        return self._deployment(stack, record.in_containers).fingerprint() == record.fingerprint

    def start(
        self, before: Record | None, port: int | None, enforce_iam: bool, say: Callable[[str], None]
    ) -> tuple[str, bool]:
        """The emulator's endpoint, and whether it had to be started."""
        running = self.emulator.running()
        earlier = before.endpoint if before is not None and before.own else None
        if running:
            if before is None or earlier is None:
                raise StackError(f"an emulator runs ({running}) that nothing is known about: {self.emulator.ended_by}")
            if port not in (None, _port(before.endpoint)) or enforce_iam != before.enforce_iam:
                raise StackError(f"the emulator runs already at {earlier}, with other options: `tidemill down` first")
            if not answers(earlier):
                raise StackError(f"the emulator ({running}) does not answer at {earlier}: `tidemill down` ends it")
            return earlier, False
        if port is None:
            wanted = _port(earlier) if earlier else PORT
            port = wanted if is_free(wanted) else free_port()
        kept = self.emulator.keeps_data and self.emulator.data.is_dir()
        endpoint = self.emulator.start(port, enforce_iam, say)
        if kept and not _holds_a_stack(endpoint):
            # The emulator or the machine was cut off before the first deployment had been saved; what is there now
            # would be in the way of another.
            self.emulator.stop()
            say(f"no stack is in the data that was kept: it is now in {self.emulator.set_aside()}")
            self.emulator.start(port, enforce_iam, say)
        return endpoint, True

    def _deployment(self, stack: Stack, in_containers: bool) -> Deployment:
        parameters = {"LocalEndpoint": str(stack.endpoint), **(architectures() if in_containers else {})}
        return Deployment(self.root, stack, self.state, parameters, in_containers)

    def _write(self, record: Record) -> None:
        partial = self.state / "stack.json.partial"
        partial.write_text(json.dumps(asdict(record), indent=2), encoding="utf-8")
        os.replace(partial, self.state / "stack.json")


def _port(endpoint: str) -> int:
    return int(endpoint.rsplit(":", 1)[1])


def _holds_a_stack(endpoint: str) -> bool:
    stacks = Stack.connect(endpoint).client("cloudformation").describe_stacks()["Stacks"]
    return any(stack["StackStatus"] not in NEVER_DEPLOYED for stack in stacks)
