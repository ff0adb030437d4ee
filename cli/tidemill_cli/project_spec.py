"""The spec of a project: read from a file, kept in the artifact bucket, changed by `--target`.

What is kept is what the user declared and no more, so that a default that Tidemill
changes later reaches the project.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tidemill import keys, spec
from tidemill.errors import NotFound, SpecError
from tidemill_cli.session import Session

JSON_SUFFIXES = frozenset({".json"})


def read_file(path: Path) -> dict[str, Any]:
    """The document of a spec file, YAML or JSON, checked.

    Raises
    ------
    SpecError
        it is no YAML or JSON, or a field is wrong; the message names file and field.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        document = json.loads(text) if path.suffix in JSON_SUFFIXES else _yaml(text)
    except (ValueError, UnicodeDecodeError) as error:
        raise SpecError(f"{path} cannot be read: {' '.join(str(error).split())}") from error
    try:
        spec.parse(document)
    except SpecError as error:
        raise SpecError(f"{path}: {error}") from error
    return document or {}


def stored(session: Session, project: str) -> dict[str, Any] | None:
    """What the project's spec declares now, or None when it has none."""
    try:
        document = json.loads(session.objects.get(session.artifact_bucket, keys.project_spec(project)))
    except NotFound:
        return None
    return dict(document)


@dataclass(frozen=True)
class Change:
    """A project's spec before and after; `before` is None when it had none."""

    project: str
    before: dict[str, Any] | None
    after: dict[str, Any]
    sentence: str  #: what was changed, for the user


def declare(session: Session, project: str, document: dict[str, Any] | None, target: str | None) -> Change | None:
    """Keep a project's new spec; nothing is written when nothing changes.

    Parameters
    ----------
    document
        replaces the project's spec; None keeps what there is.
    target
        replaces the spec's target; None keeps it.

    Returns
    -------
    change
        what was changed; None when nothing was.

    Raises
    ------
    SpecError
        the spec with this target is not valid.
    """
    before = stored(session, project)
    after = dict(before or {}) if document is None else dict(document)
    if target is not None:
        after["target"] = target
    spec.parse(after)
    if after == (before or {}):
        return None
    if document is None:
        kept = f", beside {', '.join(sorted(set(after) - {'target'}))} that it has already" if len(after) > 1 else ""
        said = f"the spec of {project} now says target: {target}{kept}"
    else:
        new = "new" if before is None else "replaced"
        said = f"the spec of {project} is {new}: {', '.join(after) or 'all defaults'}"
    session.objects.put(session.artifact_bucket, keys.project_spec(project), _dump(after))
    _record(session, project, said)
    return Change(project, before, after, said)


def take_back(session: Session, change: Change) -> str | None:
    """Keep the spec that was there before a change, unless another one has been kept since.

    Returns
    -------
    sentence
        what was done, for the user; None when nothing was.
    """
    key = keys.project_spec(change.project)
    if stored(session, change.project) != change.after:
        return None
    if change.before is None:
        session.objects.delete(session.artifact_bucket, key)
        said = f"the spec of {change.project} is taken back: the project had none before"
    else:
        session.objects.put(session.artifact_bucket, key, _dump(change.before))
        said = f"the spec of {change.project} is taken back to what it was before"
    _record(session, change.project, said)
    return said


def _record(session: Session, project: str, said: str) -> None:
    """A spec says who must agree to a release, and what is trained by itself: who changes it is kept."""
    from tidemill.aws.registry_table import AuditEvent

    session.registry.record(AuditEvent(project, "spec", session.actor, session.now(), said))


def _dump(document: dict[str, Any]) -> bytes:
    return json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False).encode() + b"\n"


def _yaml(text: str) -> Any:
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error
