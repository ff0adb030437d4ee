"""The command as a user runs it: a process of its own, against the session's stack."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE

import pytest

from tidemill_cli import churn_generator, example_tables

COMMAND = Path(sys.executable).with_name("tidemill")
#: No command of these tests may take longer; a run that hangs fails its test.
SECONDS = 180
#: What comes by itself, such as the end of a rollout, comes so soon.
PATIENCE_SECONDS = 90
#: Few candidates and folds: what is tested is the way from end to end.
QUICK = {"candidates": ["baseline", "linear"], "folds": 2}


def until(condition):
    """What a condition gives as soon as it gives something."""
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.5)
    raise AssertionError(f"it has not come within {PATIENCE_SECONDS} seconds")


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def document(self):
        """The JSON document on stdout."""
        return json.loads(self.out)


@pytest.fixture(scope="session")
def environment(stack, stack_state):
    """The environment of a command that means the session's stack."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TIDEMILL_"))}
    return ours | {"TIDEMILL_STATE": str(stack_state)}


@pytest.fixture(scope="session")
def tidemill(environment):
    """Runs the command in a process of its own; returns exit code, stdout and stderr."""

    def run(*arguments, cwd=None):
        done = subprocess.run(
            [COMMAND, *map(str, arguments)],
            env=environment,
            cwd=cwd,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    return run


def take_interrupts():
    """Let a new process be ended by Ctrl-C, whoever started this one."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.fixture
def interrupted(environment):
    """Runs the command and sends it Ctrl-C when a line on stderr holds a text.

    What a shell starts in the background ignores Ctrl-C, and so does all that it starts; a terminal's command does not.
    """

    def run(text, *arguments):
        command = [COMMAND, *map(str, arguments)]
        with subprocess.Popen(
            command, env=environment, stdout=PIPE, stderr=PIPE, text=True, preexec_fn=take_interrupts
        ) as process:
            said = []
            for line in process.stderr:
                said.append(line)
                if text in line:
                    process.send_signal(signal.SIGINT)
                    break
            out, err = process.communicate(timeout=SECONDS)
        return Done(process.returncode, out, "".join(said) + err)

    return run


@pytest.fixture(scope="session")
def tables(tmp_path_factory):
    """A folder with the example tables, churn.csv cut to 800 customers."""
    folder = tmp_path_factory.mktemp("tables")
    example_tables.write(folder)
    (folder / "churn.csv").write_bytes(churn_generator.customers(rows=800))
    (folder / "churn_drifted_month.csv").write_bytes(churn_generator.drifted_month(rows=300))
    return folder


@pytest.fixture(scope="session")
def spec_file(tmp_path_factory):
    """Writes a quick spec with what a test wants besides; returns its path."""
    folder = tmp_path_factory.mktemp("specs")

    def write(**declared):
        path = folder / f"spec-{len(list(folder.iterdir()))}.json"
        path.write_text(json.dumps(QUICK | declared))
        return path

    return write


@pytest.fixture(scope="session")
def churn(tidemill, tables, spec_file):
    """The document of a run that went live; its project is `churn`, and no test moves its alias."""
    done = tidemill("train", tables / "churn.csv", "--project", "churn", "--spec", spec_file(target="Churn"), "--json")
    assert done.code == 0, done.err
    return done.document


@pytest.fixture
def rows_of():
    """Reads a CSV file into dicts of text."""

    def read(path):
        with open(path, newline="") as file:
            return list(csv.DictReader(file))

    return read


class Inbox:
    """Who has subscribed to the stack's topic."""

    def __init__(self, stack):
        self._sqs, sns = stack.client("sqs"), stack.client("sns")
        statement = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage"}
        policy = {"Version": "2012-10-17", "Statement": [statement | {"Resource": "*"}]}
        self._queue = self._sqs.create_queue(
            QueueName="tidemill-test-inbox", Attributes={"Policy": json.dumps(policy)}
        )["QueueUrl"]
        arn = self._sqs.get_queue_attributes(QueueUrl=self._queue, AttributeNames=["QueueArn"])["Attributes"][
            "QueueArn"
        ]
        sns.subscribe(TopicArn=stack.outputs["Topic"], Protocol="sqs", Endpoint=arn)
        self._got = []

    def about(self, *words):
        """Messages that hold all the words."""
        answer = self._sqs.receive_message(QueueUrl=self._queue, MaxNumberOfMessages=10)
        self._got += [json.loads(message["Body"]) for message in answer.get("Messages", ())]
        return [one for one in self._got if all(word in one["Subject"] + one["Message"] for word in words)]

    def for_person(self, person):
        """Messages that nobody else is to have."""
        named = [(one, one.get("MessageAttributes", {}).get("person", {})) for one in self.about()]
        return [one for one, attribute in named if attribute.get("Value") == person]


@pytest.fixture(scope="session")
def inbox(stack):
    """What people are told."""
    return Inbox(stack)
