"""The command as a whole: quick to start, errors in one sentence, options before and after the verb."""

import importlib
import json
import subprocess
import sys

import click
import pytest
from botocore.exceptions import ClientError, NoCredentialsError

from tidemill.errors import StorageError
from tidemill_cli import main
from tidemill_cli.session import Session

HEAVY = ("boto3", "botocore", "rich", "numpy", "pandas", "sklearn", "urllib3", "yaml")


def every_verb():
    return [verb for verbs in main.VERBS.values() for verb in verbs]


def test_help_imports_no_sdk_and_no_science():
    script = (
        "import sys; from tidemill_cli import main; code = main.run(['--help']);"
        f"sys.exit(code or ' '.join(name for name in {HEAVY} if name in sys.modules) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_help_shows_every_verb_once_with_a_sentence(world):
    code, out, _ = world.tidemill("--help")
    assert code == 0
    for verb in every_verb():
        lines = [line for line in out.splitlines() if line.split()[:1] == [verb]]
        assert len(lines) == 1
        assert lines[0].rstrip().endswith(".")


@pytest.mark.parametrize("verb", every_verb())
def test_every_verb_has_examples_in_its_help(world, verb):
    code, out, _ = world.tidemill(verb, "--help")
    assert code == 0
    assert "Example" in out
    assert f"tidemill {verb}" in out


@pytest.mark.parametrize("verb", every_verb())
def test_every_verb_takes_the_global_options(verb):
    command = main.cli.get_command(click.Context(main.cli), verb)
    assert {"endpoint", "profile", "region", "stack_name", "debug"} <= {option.name for option in command.params}


def test_misspelt_verb_names_the_nearest_and_exits_with_1(world):
    code, out, err = world.tidemill("trian", "x.csv")
    assert (code, out) == (1, "")
    assert "Did you mean 'train'?" in err


def test_wrong_usage_exits_with_1_so_that_2_means_refused_data(world):
    code, _, err = world.tidemill("train")
    assert code == 1
    assert "FILE" in err
    assert "tidemill train --help" in err


@pytest.mark.parametrize(
    "arguments",
    [
        ("--endpoint", "http://e.test", "--region", "eu-west-1", "--stack-name", "other", "--profile", "p", "spec"),
        ("spec", "--endpoint", "http://e.test", "--region", "eu-west-1", "--stack-name", "other", "--profile", "p"),
    ],
)
def test_stack_is_named_before_or_after_the_verb(arguments, capsys):
    session = Session()
    assert main.run(arguments, session) == 0
    assert (session.endpoint, session.region, session.stack_name, session.profile) == (
        "http://e.test",
        "eu-west-1",
        "other",
        "p",
    )


def test_environment_names_the_stack_and_an_option_wins(monkeypatch, capsys):
    monkeypatch.setenv("TIDEMILL_ENDPOINT", "http://from.environment")
    monkeypatch.setenv("TIDEMILL_STACK_NAME", "staging")
    session = Session()
    main.run(["spec", "--endpoint", "http://from.option"], session)
    assert (session.endpoint, session.stack_name) == ("http://from.option", "staging")


@pytest.fixture
def failing(monkeypatch):
    """A verb that raises what a test declares, in the place of `url`."""

    def declare(error):
        @click.command()
        def command():
            raise error

        monkeypatch.setattr(importlib.import_module("tidemill_cli.verbs.url"), "command", command)

    return declare


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (StorageError("the bucket is gone"), "the bucket is gone"),
        (NoCredentialsError(), "no AWS credentials were found"),
        (
            ClientError({"Error": {"Code": "AccessDenied", "Message": "not you"}}, "GetApiKey"),
            "AWS refused GetApiKey: AccessDenied: not you",
        ),
        (FileNotFoundError(2, "No such file or directory", "x.csv"), "x.csv: No such file or directory"),
        (ZeroDivisionError("division by zero"), "ZeroDivisionError: division by zero (this should not happen"),
    ],
)
def test_error_is_one_sentence_on_stderr(world, failing, error, sentence):
    failing(error)
    code, out, err = world.tidemill("url")
    assert (code, out) == (1, "")
    assert err.startswith("Error: ")
    assert sentence in err
    assert "Traceback" not in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("train", "--json"), "Missing argument 'FILE'"),
        (("train", "nowhere.csv", "--project", "churn", "--json"), "'nowhere.csv' does not exist"),
        (("train", __file__, "--project", "My Project", "--json"), "project name 'My Project'"),
        (("run", "f" * 32, "--json"), "there is no run"),
        (("run", "--json"), "there is no run yet"),
        (("runs", "--json", "--limit", "0"), "0 is not in the range"),
        (("models", "--json", "--color"), "No such option"),
        (("model", "other", "--json"), "no model 'other'"),
        (("predict", "churn", "--json"), "give the rows by one of"),
        (("approve", "f" * 32, "--json"), "there is no run"),
        (("reject", "f" * 32, "--json"), "--reason"),
        (("trian", "--json"), "Did you mean 'train'?"),
    ],
)
def test_error_with_json_is_one_document_and_a_sentence(world, arguments, sentence):
    code, out, err = world.tidemill(*arguments)
    assert code == 1
    made = json.loads(out)
    assert list(made) == ["error"]
    assert sentence in made["error"]
    assert err.startswith(f"Error: {made['error']}")


def test_unexpected_error_and_ctrl_c_with_json_are_documents_too(world, monkeypatch):
    for error, code, sentence in (
        (StorageError("the table is gone"), 1, "the table is gone"),
        (ZeroDivisionError("division by zero"), 1, "ZeroDivisionError"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ):

        def fail(*_, error=error):
            raise error

        monkeypatch.setattr(world.registry, "runs", fail)
        ended, out, _ = world.tidemill("runs", "--json")
        assert (ended, sentence in json.loads(out)["error"]) == (code, True)
        ended, out, _ = world.tidemill("runs", "--json", "--debug")
        assert (ended, sentence in json.loads(out)["error"]) == (code, True)


def test_debug_shows_the_traceback(world, failing):
    failing(StorageError("the bucket is gone"))
    code, _, err = world.tidemill("url", "--debug")
    assert code == 1
    assert "Traceback" in err


def test_ctrl_c_exits_with_130_and_no_traceback(world, failing):
    failing(KeyboardInterrupt())
    code, out, err = world.tidemill("url")
    assert (code, out) == (130, "")
    assert "Traceback" not in err


def test_url_bucket_and_key(world):
    assert world.tidemill("url")[:2] == (0, "http://api.test/api\n")
    assert world.tidemill("url", "--key")[:2] == (0, "secret-key\n")
    assert world.clients["apigateway"].asked == [("get_api_key", {"apiKey": "key-1", "includeValue": True})]
    assert world.tidemill("bucket")[:2] == (0, "tidemill-data\n")
    assert world.tidemill("bucket", "--artifacts")[:2] == (0, "tidemill-artifacts\n")


def test_stack_that_lacks_an_output_is_named(world):
    del world.stack.outputs["ApiUrl"]
    code, _, err = world.tidemill("url")
    assert code == 1
    assert "no output ApiUrl" in err
