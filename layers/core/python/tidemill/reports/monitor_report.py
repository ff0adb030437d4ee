"""The report of watching a model in production: one self-contained HTML page for people."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from tidemill.contracts import Profile
from tidemill.monitoring_contracts import Decision, MonitorPoint, QualityFigure, Reference
from tidemill.release_contracts import Rollout
from tidemill.reports import formats, metric_words, monitor_sections, page
from tidemill.reports.elements import Section, facts, sentence
from tidemill.reports.glossary import term
from tidemill.reports.markup import Content, Html, escape, join, tag
from tidemill.reports.monitor_words import (
    ACTIONS,
    DONE,
    STATE_WORDS,
    Watched,
    calm,
    day,
    figures_of,
    followed,
    gravest,
    headline,
    next_steps,
    span,
    too_few,
    watched,
)

_SECTIONS: tuple[Callable[[Watched], Section | None], ...] = (
    monitor_sections.findings,
    monitor_sections.drift,
    monitor_sections.quality,
    monitor_sections.service,
    monitor_sections.rollout,
    monitor_sections.versions,
    monitor_sections.decisions,
    monitor_sections.watching,
)


def render(
    model: str,
    points: Sequence[MonitorPoint],
    decisions: Sequence[Decision],
    reference: Reference | None,
    profile: Profile | None,
    now: str,
    rollout: Rollout | None,
    champion: int | None = None,
) -> str:
    """The monitor report as the text of `report.html`.

    Pure: no clock, no environment, no file but the bundled assets; the same arguments give the same bytes. What is not
    there yet (no window, no labels, no rollout) leaves its section out.

    Parameters
    ----------
    points : of all versions, also of challengers in the shadow, in any order
    decisions : in any order
    reference : of the version in service; None for a version from before there were references
    profile : the training table's, of the version in service
    now : when the page is made
    rollout : the newest one, under way or ended
    champion : the version in service; the page is about it as soon as it has a window
    """
    seen = watched(model, points, decisions, reference, profile, now, rollout, champion)
    sections = [section for section in (builder(seen) for builder in _SECTIONS) if section]
    title = f"{seen.name} · {STATE_WORDS[seen.state]} · Tidemill"
    return page.document(title, seen.state, _head(seen), sections)


def _head(seen: Watched) -> Html:
    newest = seen.newest
    told = gravest(seen.findings, 2)
    steps = next_steps(seen)
    return tag(
        "header",
        tag(
            "p",
            tag("span", STATE_WORDS[seen.state], class_="status"),
            tag("span", f"{seen.model} in production"),
            tag("span", formats.moment(newest.end if newest else seen.now)),
            class_="kicker",
        ),
        tag("h1", headline(seen)),
        tag(
            "div",
            *(tag("p", line) for line in (*(sentence(one.sentence) for one in told), *_more(seen))),
            class_="lede",
        ),
        facts(_key_facts(seen)) if newest else None,
        tag(
            "div",
            tag("h2", "What you can do now"),
            tag("ul", *(tag("li", sentence(step)) for step in steps)),
            class_="next",
        )
        if steps
        else None,
        class_="verdict",
    )


def _more(seen: Watched) -> list[Html]:
    told = (escape(line) for line in (calm(seen), too_few(seen)) if line)
    return [line for line in (*told, _follows(seen)) if line]


def _follows(seen: Watched) -> Html | None:
    """What was done about what is found, since it is; then what was not done, or not again, and why."""
    if seen.newest is None:
        return None
    done, left = followed(seen)
    parts: list[Content] = []
    if done:
        told = [f"{DONE[one.action]}{_when(one, seen)}" for one in done.values()]
        parts.append(f"What followed: {formats.listed(told, 5)}. ")
        parts += [f"{formats.sentence(one.problem)} " for one in done.values() if one.problem]
    elif seen.findings and not left:
        parts.append("No rule has acted on it. ")
    undone = [one for action, one in left.items() if action not in done]
    begin = "Not done" if done else "Nothing was done"
    parts += [f"{begin}: {ACTIONS[one.action]} – {one.why_not.rstrip('.')}. " for one in undone[:1]]
    again = [one for action, one in left.items() if action in done]
    parts += [f"It was not repeated: {one.why_not.rstrip('.')}. " for one in again[:1]]
    if parts and seen.decisions:
        parts += ["See ", tag("a", "what was decided", href="#decisions"), "."]
    return join(*parts) if parts else None


def _when(one: Decision, seen: Watched) -> str:
    return "" if seen.newest and one.point == seen.newest.end else f" ({day(one.at, seen.now)})"


def _key_facts(seen: Watched) -> Iterable[tuple[Content, Content]]:
    newest, reference = seen.newest, seen.reference
    if newest is None:
        return

    def value(large: str, small: Content) -> Html:
        return join(tag("b", large), tag("small", small))

    yield "Predictions", value(f"{newest.rows:,}", span(newest))
    if seen.judged and (features := seen.judged.features):
        moved = sum(feature.drifted for feature in features)
        yield "Features moved", value(str(moved), f"of {len(features)}")
    known = seen.measured or newest
    for figure in figures_of(known, reference.metric if reference else None)[:1]:
        label = metric_words.words(figure.metric).label
        yield label, value(metric_words.figure(figure.metric, figure.value), _how(figure, known, seen))
    if newest.service:
        rate = newest.service.errors / newest.service.requests if newest.service.requests else 0.0
        yield "Failed calls", value(formats.percent(rate), f"of {newest.service.requests:,}")
        if newest.service.usd_per_thousand is not None:
            yield "Price", value(formats.money(newest.service.usd_per_thousand), "for 1,000 predictions")


def _how(figure: QualityFigure, point: MonitorPoint, seen: Watched) -> Content:
    before = (
        f"; {metric_words.figure(figure.metric, figure.reference)} at release" if figure.reference is not None else ""
    )
    if figure.kind == "measured":
        when = "" if point is seen.newest else f" until {day(point.end, seen.now)}"
        of = " outcomes of its hours" if point.by_rows else ""
        return f"measured{when} on {figure.rows:,}{of}{before}"
    return join(term("estimated_quality", "estimated"), before)
