"""The guide says what the command and the spec are.

The reference parts of `docs/guide/cli.md` and `docs/guide/spec.md` are made from the
click group and the spec class; `python tests/unit/test_docs.py` writes them anew.
"""

import dataclasses
import inspect
import json
import re
import shlex
import typing
from pathlib import Path

import click
import pytest
import yaml

from tidemill import spec
from tidemill.contracts import field_types
from tidemill.data import checks
from tidemill_cli import main

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "guide"
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
BEGIN, END = "<!-- reference: begin -->\n", "<!-- reference: end -->\n"


# --- the reference, made from the code ---------------------------------------------------------


def verbs():
    """Every verb with its command."""
    context = click.Context(main.cli, info_name="tidemill")
    return [(verb, main.cli.get_command(context, verb)) for verb in main.cli.list_commands(context)]


def cli_reference():
    """Global options, then a section for each verb under its heading."""
    parts = ["## Options of every verb\n", "Before the verb or after it.\n", _options(main.cli)]
    commands = dict(verbs())
    for heading, names in main.VERBS.items():
        parts.append(f"## {heading}\n")
        for name in names:
            command = commands[name]
            context = click.Context(command, info_name=f"tidemill {name}")
            usage = " ".join([f"tidemill {name}", *command.collect_usage_pieces(context)])
            parts += [f"### tidemill {name}\n", f"    {usage}\n", *_help(command.help), _options(command)]
            for word, within in getattr(command, "commands", {}).items():
                context = click.Context(within, info_name=f"tidemill {name} {word}")
                usage = " ".join([f"tidemill {name} {word}", *within.collect_usage_pieces(context)])
                parts += [f"#### tidemill {name} {word}\n", f"    {usage}\n", *_help(within.help), _options(within)]
    return "\n".join(part for part in parts if part)


def _help(text):
    """A help text as Markdown: click's unwrapped paragraphs become code blocks, the others are joined lines."""
    for paragraph in re.split(r"\n\s*\n", inspect.cleandoc(text)):
        lines = paragraph.splitlines()
        if lines[0].strip() != "\b":
            yield " ".join(line.strip() for line in lines) + "\n"
            continue
        lines = lines[1:]
        if not lines[0].startswith(" ") and lines[0].rstrip().endswith(":"):
            yield lines.pop(0) + "\n"
        indented = [line for line in lines if line.startswith(" ")]
        yield "```\n" + "\n".join(line[2:] for line in indented) + "\n```\n"
        yield from (line + "\n" for line in lines if not line.startswith(" "))


def _options(command):
    """The options as a table; empty when there are none."""
    options = [option for option in command.params if isinstance(option, click.Option) and not option.hidden]
    if not options:
        return ""
    context = click.Context(command)
    rows = [option.get_help_record(context) for option in options]
    lines = [f"| `{_cell(names)}` | {_cell(text)} |" for names, text in rows]
    return "\n".join(["| option | |", "|---|---|", *lines]) + "\n"


def spec_reference():
    """A table of every field with its default, those of nested objects by their dotted names."""
    lines = ["| field | type | default | |", "|---|---|---|---|"]
    lines += [f"| `{name}` | {_cell(kind)} | `{default}` | {_cell(text)} |" for name, kind, default, text in _fields()]
    return "\n".join(lines) + "\n"


def _fields(cls=spec.Spec, prefix=""):
    default = cls()
    for item in dataclasses.fields(cls):
        kind = field_types(cls)[item.name]
        entry = typing.get_args(kind)[1] if typing.get_origin(kind) is dict else None
        one = typing.get_args(kind)[0] if typing.get_origin(kind) is tuple else None
        if dataclasses.is_dataclass(kind):
            yield from _fields(kind, f"{prefix}{item.name}.")
        elif dataclasses.is_dataclass(one):
            yield prefix + item.name, "list of objects", "[]", item.metadata["help"]
            yield from _fields(one, f"{prefix}{item.name}[].")
        elif dataclasses.is_dataclass(entry):
            yield prefix + item.name, "map of objects", "{}", item.metadata["help"]
            yield from _fields(entry, f"{prefix}{item.name}.<name>.")
        else:
            value = getattr(default, item.name)
            shown = json.dumps(list(value) if isinstance(value, tuple) else value)
            yield prefix + item.name, _kind(_schema(prefix + item.name)), shown, item.metadata["help"]


def _schema(name):
    schema = spec.json_schema()
    for part in name.split("."):
        schema = schema["additionalProperties"] if part == "<name>" else schema["properties"][part.removesuffix("[]")]
        schema = schema["items"] if part.endswith("[]") else schema
    return schema


def _kind(schema):
    """A type in words, from its JSON Schema."""
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if "anyOf" in schema:
        return " or ".join(_kind(option) for option in schema["anyOf"] if option != {"type": "null"})
    if schema["type"] == "array":
        return f"list of {_kind(schema['items'])}"
    if schema["type"] == "object":
        return f"map of {_kind(schema['additionalProperties'])}"
    return {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false"}[schema["type"]]


def _cell(text):
    return " ".join(text.split()).replace("|", "\\|")


def write(page, reference):
    """Put the reference between the marks of a page."""
    text = page.read_text()
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    page.write_text(before + BEGIN + "\n" + reference + "\n" + END + after)


REFERENCES = {"cli.md": cli_reference, "spec.md": spec_reference}


# --- the tests ---------------------------------------------------------------------------------


@pytest.mark.parametrize("page", REFERENCES)
def test_reference_is_what_the_code_says(page):
    written = (GUIDE / page).read_text().split(BEGIN)[1].split(END)[0]
    assert written.strip() == REFERENCES[page]().strip(), "write it anew: python tests/unit/test_docs.py"


def test_reference_has_every_verb_and_every_field():
    headings = re.findall(r"^### tidemill (\w+)$", cli_reference(), re.MULTILINE)
    assert sorted(headings) == sorted(path.stem for path in (ROOT / "cli/tidemill_cli/verbs").glob("[a-z]*.py"))
    assert spec_reference().count("\n| `") == len(list(_fields()))


def command_lines(text):
    """The lines of fenced blocks that call tidemill, continued lines joined."""
    for block in re.findall(r"^```[a-z]*\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            called = line.strip().removeprefix("$ ")
            if re.match(r"(\.venv/bin/)?tidemill( |$)", called):
                yield called


def arguments(line):
    """The words of a call; what follows a pipe, a redirection or two spaces is not the command's."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|><;&")
    lexer.whitespace_split, lexer.commenters = True, "#"
    words = []
    for word in lexer:
        if word[0] in "|><;&":
            break
        words.append(word)
    return words[1:]


def refusal(words):
    """Why click would not take these words, or None. Values are not looked at: the files need not exist."""
    context = click.Context(main.cli, info_name="tidemill")
    _, rest, _ = main.cli.make_parser(context).parse_args(list(words))
    if not rest:
        return None
    verb = next((command for name, command in verbs() if name == rest[0]), None)
    if verb is None:
        return f"there is no verb {rest[0]}"
    if isinstance(verb, click.Group) and rest[1:2] and rest[1] in verb.commands:
        verb, rest = verb.commands[rest[1]], rest[1:]
    within = click.Context(verb, info_name=rest[0])
    try:
        values, left, _ = verb.make_parser(within).parse_args(rest[1:])
    except click.UsageError as error:
        return error.format_message()
    missing = [one.name for one in verb.params if one.required and not _given(values.get(one.name))]
    if left or missing:
        return f"left over: {left}, missing: {missing}"
    return None


def _given(value):
    return isinstance(value, str) and bool(value)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_in_the_docs_are_ones_that_the_command_takes(page):
    lines = list(command_lines(page.read_text()))
    refused = {line: refusal(arguments(line)) for line in lines if "..." not in line}
    assert {line: why for line, why in refused.items() if why} == {}


@pytest.mark.parametrize(
    ("line", "good"),
    [
        ("tidemill train x.csv --project churn --json > run.json", True),
        ("tidemill --endpoint http://e.test runs | head", True),
        ("tidemill predict churn --row '{\"tenure\": 3}'  # one row", True),
        ("tidemill train x.csv", False),
        ("tidemill train --project churn", False),
        ("tidemill trian x.csv --project churn", False),
        ("tidemill runs --projects churn", False),
        ("tidemill runs extra", False),
        ("tidemill features put customers x.csv --key id", True),
        ("tidemill features put customers", False),
        ("tidemill features drop customers", False),
    ],
)
def test_check_of_commands_finds_wrong_ones(line, good):
    assert (refusal(arguments(line)) is None) == good


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page):
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text())
    local = [target for target in targets if not re.match(r"[a-z]+:", target)]
    assert [target for target in local if not (page.parent / target).exists()] == []


def test_guide_lists_every_check():
    section = (GUIDE / "spec.md").read_text().split("\n## Checks\n")[1].split("\n## ")[0]
    listed = re.findall(r"`([a-z_]+)`", "".join(re.findall(r"^\|([^|]*)\|", section, re.MULTILINE)))
    assert sorted(listed) == sorted(checks.PASSED)


def yaml_blocks():
    text = "".join((GUIDE / page).read_text() for page in ("spec.md", "personal-data.md"))
    return re.findall(r"^```yaml\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def test_specs_in_the_guide_are_valid():
    blocks = yaml_blocks()
    assert len(blocks) > 3
    for block in blocks:
        spec.parse(yaml.safe_load(block))


if __name__ == "__main__":
    for name, reference in REFERENCES.items():
        write(GUIDE / name, reference())
