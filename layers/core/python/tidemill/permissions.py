"""Who may decide about a release. The only place that says it; roles per person will come here.

Who somebody is, `aws/people.py` says. Standard library only: every room may import this module.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from tidemill.errors import NotAllowed

#: Who starts what a rule or the schedule asks for.
NOBODY = "tidemill"
#: Who decides by a link that every reader of a notification has.
READER = "a reader of the notification"


def may_decide(names: Sequence[str], started_by: str, people: Sequence[str]) -> None:
    """Refuse whoever may not approve or reject a release.

    Parameters
    ----------
    names
        every name of the person, the one for the audit log first.
    started_by
        the principal that the run's table came from.
    people
        the spec's `approval.people`: names, with * for any characters; empty: anybody.

    Raises
    ------
    NotAllowed
        the person started the run, or is not among the people.
    """
    if started_by in names:
        raise NotAllowed(
            f"{names[0]} started the run, and nobody decides about a release of their own: ask somebody else"
        )
    if people and not any(_matches(pattern, name) for pattern in people for name in names):
        raise NotAllowed(
            f"{names[0]} may not decide about this release: the project's spec names {', '.join(people)} "
            "in approval.people"
        )


def anybody(started_by: str, people: Sequence[str]) -> bool:
    """Whether every reader of a notification may decide: nobody is named, and nobody has started the run."""
    return not people and started_by == NOBODY


def single(people: Sequence[str]) -> tuple[str, ...]:
    """Those of the spec's `approval.people` that mean one person each, and no pattern."""
    return tuple(name for name in people if "*" not in name)


def _matches(pattern: str, name: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), name) is not None
