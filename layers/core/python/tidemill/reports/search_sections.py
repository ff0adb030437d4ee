"""The sections about the search: what was tried, what was chosen and why, what the columns became.

Each is a function from the run's records to a section, or to None when it has nothing to say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tidemill.contracts import CandidateResult, Evaluation
from tidemill.reports import charts, formats, metric_words
from tidemill.reports.elements import Records, Section, figure, mark, metric_term, parameters, sentence, table
from tidemill.reports.glossary import TERMS, term
from tidemill.reports.markup import Content, Html, join, tag
from tidemill.spec import LOWER_IS_BETTER

#: Metrics in the leaderboard, the deciding one first.
METRICS_SHOWN = 4
#: Candidates in the chart, and in the table before it folds.
CANDIDATES_SHOWN = 12
ENSEMBLE = "ensemble"
#: What a candidate is, by how its name begins: its word in the glossary, and a few words.
KINDS = (
    ("baseline", "baseline", "what every other one must beat"),
    ("linear", "linear", "a linear model"),
    ("boosting_slow", "boosting", "gradient boosting in smaller steps"),
    ("boosting_small", "boosting", "gradient boosting with small trees"),
    ("boosting", "boosting", "gradient boosting"),
    ("forest", "forest", "a shallow random forest"),
    ("extra_trees", "forest", "a forest of trees that split at random"),
    ("network", "network", "a small neural network"),
    ("kmeans", "kmeans", "the nearest of some centres"),
    ("pca", "pca", "principal components"),
    ("mahalanobis", "mahalanobis", "the distance from the middle"),
    ("reconstruction", "reconstruction", "what a few components cannot rebuild"),
    ("isolation_forest", "isolation_forest", "how few random cuts set a row apart"),
    (ENSEMBLE, "ensemble", "several candidates that vote"),
)


def search(records: Records) -> Section | None:
    """The candidates with their cross-validated scores, the ensemble's members, and what was decided."""
    document, metric, evaluation = records.document, records.document.metric, records.evaluation
    if not document.candidates or not metric:
        return None
    chosen = evaluation.candidate if evaluation else None
    sign = 1 if metric in LOWER_IS_BETTER else -1
    fitted = sorted(
        (candidate for candidate in document.candidates if metric in candidate.cv),
        key=lambda candidate: (-candidate.round, sign * candidate.cv[metric].mean),
    )
    failed = [candidate for candidate in document.candidates if metric not in candidate.cv]
    body = join(
        _told(document.candidates, chosen),
        _decisions(evaluation) if evaluation else None,
        _members(evaluation) if evaluation and len(evaluation.members) > 1 else None,
        _chart(fitted, metric, chosen),
        _board(fitted, failed, metric, chosen),
        _parameters((*fitted, *failed)),
        [
            tag("p", tag("b", candidate.name), " could not be fitted: ", candidate.error)
            for candidate in failed
            if candidate.error
        ],
    )
    return Section("candidates", "What was tried", body)


def _told(candidates: Sequence[CandidateResult], chosen: str | None) -> Html:
    rounds = max(candidate.round for candidate in candidates)
    return tag(
        "p",
        f"{formats.count(len(candidates), 'candidate was', 'candidates were')} judged by ",
        term("cross_validation"),
        " on the training rows, never on the ",
        term("holdout"),
        join(f", in {rounds} rounds of ", term("successive_halving")) if rounds > 1 else None,
        ". ",
        join(tag("b", chosen), " did best and was fitted again on all of them.") if chosen else None,
    )


def _decisions(evaluation: Evaluation) -> Html | None:
    if not evaluation.decisions:
        return None
    return tag("ul", *(tag("li", sentence(decision)) for decision in evaluation.decisions), class_="decisions")


def _members(evaluation: Evaluation) -> Html:
    ordered = sorted(evaluation.members, key=lambda member: -member.weight)
    largest = ordered[0].weight or 1.0
    rows: list[list[Content]] = [
        [
            join(tag("b", member.name), tag("small", _kind(member.name), class_="below")),
            tag("meter", value=f"{member.weight / largest:.3f}", aria_hidden="true"),
            formats.percent(member.weight),
        ]
        for member in ordered
    ]
    return join(
        tag("h3", "Who votes in the ", term("ensemble")),
        table(["Member", "", "Weight"], rows, "Members of the ensemble", (2,)),
    )


def _chart(fitted: Sequence[CandidateResult], metric: str, chosen: str | None) -> Html | None:
    """The candidates of the last round, which were judged on the same rows."""
    if not fitted:
        return None
    last = max(candidate.round for candidate in fitted)
    baseline = next((candidate for candidate in fitted if candidate.name == "baseline"), None)
    shown = [one for one in fitted if one.name != "baseline" and one.round == last][:CANDIDATES_SHOWN]
    if not shown:
        return None
    aside = (
        f" The baseline gets {formats.number(baseline.cv[metric].mean)} and is left out, to keep the others apart."
        if baseline
        else ""
    )
    return figure(
        "candidates",
        charts.leaderboard(shown, metric, metric_words.words(metric).label, chosen),
        "The candidates." if last == 1 else "The candidates of the last round.",
        join("The dot is the mean over the folds, the line one ", term("standard_deviation"), " to each side.", aside),
        None,
    )


def _board(
    fitted: Sequence[CandidateResult], failed: Sequence[CandidateResult], metric: str, chosen: str | None
) -> Html:
    measured = {name for candidate in fitted for name in candidate.cv}
    rounds = any(candidate.round > 1 for candidate in fitted)
    most = METRICS_SHOWN - (1 if rounds else 0)
    metrics = sorted(measured, key=lambda name: (name != metric, metric_words.rank(name), name))[:most]
    rows: list[list[Content]] = [
        [
            _candidate(candidate, chosen),
            *([f"{candidate.round}", f"{candidate.rows:,}" if candidate.rows else "–"] if rounds else []),
            *(_score(candidate, name, name == metric) for name in metrics),
            formats.duration(candidate.seconds) if candidate.seconds else "–",
        ]
        for candidate in (*fitted, *failed)
    ]
    headers: list[Content] = ["Candidate", *(["Round", "Rows"] if rounds else [])]
    headers += [*(metric_term(name) for name in metrics), "Time"]
    first = table(headers, rows[:CANDIDATES_SHOWN], "Leaderboard", range(1, len(headers)))
    rest = rows[CANDIDATES_SHOWN:]
    if not rest:
        return first
    summary = tag("summary", f"The other {formats.count(len(rest), 'candidate')}")
    more = table(headers, rest, "The rest of the leaderboard", range(1, len(headers)))
    return join(first, tag("details", summary, more, class_="more search"))


def _score(candidate: CandidateResult, name: str, deciding: bool) -> Content:
    if name not in candidate.cv:
        return "–"
    spread = candidate.cv[name]
    return join(
        metric_words.figure(name, spread.mean),
        tag("small", f" ± {formats.figure(spread.std, 2)}") if deciding else None,
    )


def _candidate(candidate: CandidateResult, chosen: str | None) -> Html:
    return join(
        tag("b", candidate.name),
        mark("pass", "chosen") if candidate.name == chosen else None,
        tag("small", _kind(candidate.name), class_="below"),
    )


def _kind(name: str) -> Html:
    key, kind = next(
        ((key, kind) for beginning, key, kind in KINDS if name.startswith(beginning)), ("candidate", "a candidate")
    )
    return join(term(key, kind) if key in TERMS else kind)


def _parameters(candidates: Sequence[CandidateResult]) -> Html | None:
    """The settings of every candidate but the ensemble, whose members are told; for who knows what they mean."""
    rows = [[tag("b", one.name), parameters(one.params)] for one in candidates if one.params and one.name != ENSEMBLE]
    if not rows:
        return None
    summary = tag("summary", "The candidates’ parameters")
    return tag(
        "details",
        summary,
        table(["Candidate", "Parameters"], rows, "Parameters of the candidates"),
        class_="more search",
    )


# --- what the columns became -------------------------------------------------------------------

_FAMILIES = {"tree": "Trees", "linear": "Linear models and networks", "distance": "Distances between rows"}


def features(records: Records) -> Section | None:
    """What each kind of model that was used makes of the columns."""
    plan = records.features or {}
    families = {name: made for name, made in plan.get("families", {}).items() if made.get("columns")}
    if not families:
        return None
    raw = [field.name for field in records.signature.inputs] if records.signature else []
    used = sorted(set(plan.get("members", {}).values()) & set(families)) or sorted(families)
    parts = [
        tag(
            "details",
            tag("summary", f"{_FAMILIES.get(name, name)}: {formats.count(families[name]['width'], 'feature')}"),
            table(
                ["Column", "What it becomes", "Features"],
                _becomes(families[name]["columns"], raw),
                f"Features of {_FAMILIES.get(name, name)}",
                (2,),
            ),
            class_="more search",
        )
        for name in used
    ]
    body = join(
        tag(
            "p",
            "A model learns from numbers, its ",
            term("feature", "features"),
            ". What each column becomes is part of the exported file, so the endpoint takes the columns as they are.",
        ),
        *parts,
    )
    return Section("features", "What the columns become", body)


def _becomes(entries: Sequence[Mapping[str, Any]], raw: Sequence[str]) -> list[list[Content]]:
    """A row for each column of the table: what is made of it, and how many features that is."""
    found: dict[str, tuple[list[str], int]] = {}
    for entry in entries:
        column = str(entry["column"])
        name = column if column in raw else next((one for one in raw if column.startswith(f"{one}__")), column)
        sentences, count = found.get(name, ([], 0))
        made = entry["features"]
        found[name] = ([*sentences, str(entry["becomes"])], count + (made if isinstance(made, int) else len(made)))
    return [
        [tag("b", name, class_="name"), sentence("; ".join(dict.fromkeys(sentences))), f"{count:,}"]
        for name, (sentences, count) in found.items()
    ]
