"""Shared feature sets as the command handles them: declare, take a table in, look an entity up."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from tidemill import keys
from tidemill.contracts import Concluded, Ingested, from_json
from tidemill.errors import NotFound, SpecError
from tidemill.spec import FeatureSetDeclaration
from tidemill_cli.session import Session

if TYPE_CHECKING:
    from rich.console import Console

    from tidemill.aws.online_features import OnlineFeatures, OnlineRow


def declared(session: Session, name: str) -> FeatureSetDeclaration | None:
    """What the set is declared to be; None when it is not."""
    try:
        return session.objects.get_contract(
            FeatureSetDeclaration, session.artifact_bucket, keys.feature_set_declaration(name)
        )
    except NotFound:
        return None


def declare(
    session: Session,
    name: str,
    key: str | None,
    time: str | None,
    personal_data: Literal["warn", "drop", "refuse"] | None,
) -> FeatureSetDeclaration:
    """Declare a set, or take the declaration that it has; key and time of a set never change.

    Parameters
    ----------
    key, time, personal_data
        None keeps what there is.

    Raises
    ------
    SpecError
        there is no set and no key is given, or another key or time is given than it has.
    """
    before = declared(session, name)
    if before is None and not key:
        raise SpecError(f"there is no feature set {name!r} yet: name the column of the entities with --key")
    for option, given, has in (("key", key, before and before.key), ("time", time, before and before.time)):
        if before is not None and given is not None and given != has:
            raise SpecError(
                f"the feature set {name!r} has {f'the {option} {has!r}' if has else f'no {option}'}, not {given!r}: "
                "models look it up as it is, so take another name for another set"
            )
    made = before or FeatureSetDeclaration(key or "", time)
    if personal_data is not None:
        made = replace(made, personal_data=personal_data)
    if made != before:
        session.objects.put_contract(session.artifact_bucket, keys.feature_set_declaration(name), made)
    return made


def watch(session: Session, run_id: str, console: Console) -> Ingested | Concluded:
    """Show the progress until the table is taken in, or refused.

    Raises
    ------
    RunDidNotStart
        it never began.
    TidemillError
        it failed; the message is the state machine's.
    """
    from tidemill_cli import follow

    result = follow.result(session, "FeaturesStateMachine", run_id, follow.FEATURES, console)
    return from_json(Concluded, result) if "status" in result else from_json(Ingested, result)


def online(session: Session) -> OnlineFeatures:
    """The table that predictions look features up in."""
    from tidemill.aws.online_features import OnlineFeatures

    return OnlineFeatures(session.stack.client("dynamodb"), session.output("FeaturesTable"))


def row(session: Session, name: str, key: str) -> OnlineRow:
    """What predictions look up for an entity. Raises NotFound, StorageError."""
    if session.registry.feature_set(name) is None:
        raise NotFound(f"there is no feature set {name!r}: `tidemill features` lists them")
    found = online(session).rows(name, [key])
    if key not in found:
        raise NotFound(f"the feature set {name!r} has no entity {key!r}")
    return found[key]
