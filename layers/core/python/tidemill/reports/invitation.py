"""What people are told when a release waits for them: what it is about, how many must decide, until when, and how."""

from __future__ import annotations

from tidemill.contracts import Evaluation, RunDocument
from tidemill.reports import formats, summary


def subject(document: RunDocument, times: int) -> str:
    """The notification's subject.

    Parameters
    ----------
    times
        how often people have been asked, this time included.
    """
    waits = f"{summary.model_name(document)} waits for approval"
    return f"Tidemill: {waits}" if times == 1 else f"Tidemill, reminder {times - 1}: {waits}"


def message(
    document: RunDocument,
    evaluation: Evaluation | None,
    missing: int,
    people: tuple[str, ...],
    ends_at: str,
    link: str = "",
) -> str:
    """The notification's text.

    Parameters
    ----------
    missing
        how many people must still approve.
    people
        who may; anybody but who started the run when empty.
    ends_at
        when the release is refused if they have not.
    link
        by which the reader decides, when it is for one person.
    """
    who = f"one of {', '.join(people)}" if people else "anybody but who started the run"
    lines = [
        f"{formats.count(missing, 'more person', 'more people')} must approve it until {ends_at}: {who}. "
        "Nobody decides about a run of their own, and one refusal ends it.",
    ]
    if link:
        lines += ["", "Look at the report and decide, with this link, which is yours and good for one decision:", link]
    return "\n".join([*lines, "", summary.text(document, evaluation)])
