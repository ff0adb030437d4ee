"""A run as a person reads it in a terminal: how it ended, how good the model is, what was found in the data."""

from __future__ import annotations

from collections.abc import Iterable

import click
from rich.console import RenderableType
from rich.text import Text

from tidemill.contracts import CandidateResult, Check, Evaluation, Interval, RunDocument
from tidemill.spec import LOWER_IS_BETTER
from tidemill_cli import display, figures
from tidemill_cli.run_records import RunView

#: The order in which checks are listed.
VERDICTS = ("refuse", "warn", "pass")


def show(view: RunView) -> None:
    """Print the summary of a run on stdout; the reason of one that did not go live goes to stderr."""
    document = view.document
    console = display.console()
    console.print(Text.assemble("\n", ("Run ", "bold"), (document.run_id, "bold"), "  ", _status(document)))
    console.print()
    for part in _parts(view):
        console.print(part)
    console.print(_places(document))
    say_outcome(document)


def say_outcome(document: RunDocument) -> None:
    """One sentence on stderr when no model is live, and why."""
    if document.status in ("LIVE", "RUNNING"):
        return
    where = f" at {document.stage}" if document.stage else ""
    status = click.style(document.status, fg=display.STYLES[document.status], bold=True)
    click.echo(f"{status}{where}: {document.reason}", err=True)


def leaderboard(document: RunDocument) -> RenderableType:
    """The candidates, best first; those that could not be fitted come last with the reason."""
    metric = document.metric or ""

    def order(candidate: CandidateResult) -> tuple[bool, float]:
        spread = candidate.cv.get(metric)
        if candidate.error is not None or spread is None:
            return True, 0.0
        return False, spread.mean if metric in LOWER_IS_BETTER else -spread.mean

    rows: list[tuple[str | Text, ...]] = []
    for place, candidate in enumerate(sorted(document.candidates, key=order), 1):
        spread = candidate.cv.get(metric)
        if candidate.error is not None or spread is None:
            result = Text(candidate.error or "not fitted", "red")
        else:
            result = Text(f"{figures.metric(spread.mean)} ± {figures.metric(spread.std)}")
        name = Text(candidate.name, "bold" if place == 1 else "")
        rows.append((str(place), name, result, figures.seconds(candidate.seconds)))
    return display.table(("", "candidate", metric, "time"), rows, right=("time",))


def quality(document: RunDocument, evaluation: Evaluation | None) -> RenderableType:
    """Metrics on the holdout with their intervals, beside the baseline and the champion before."""
    champion = evaluation.champion if evaluation else None
    columns = ["metric", "value", "95% interval"]
    columns += ["baseline"] if evaluation else []
    columns += [f"version {champion.version}"] if champion else []
    rows = []
    for name, interval in sorted(document.holdout.items(), key=lambda item: item[0] != document.metric):
        style = "bold" if name == document.metric else ""
        row: list[str | Text] = [Text(name, style), Text(figures.metric(interval.value), style), _bounds(interval)]
        if evaluation:
            row.append(figures.metric(evaluation.baseline.get(name)))
        if champion:
            row.append(figures.metric(champion.holdout[name].value if name in champion.holdout else None))
        rows.append(row)
    return display.table(columns, rows, right=columns[1:])


def _parts(view: RunView) -> Iterable[RenderableType]:
    """The paragraphs; those that a run has nothing for are left out."""
    document, evaluation = view.document, view.evaluation
    yield display.paragraph("Data", Text(document.source), *_data(document), *_checks(document.checks))
    if document.candidates and document.metric:
        yield display.paragraph("Candidates, cross-validated: mean ± standard deviation", leaderboard(document))
    if document.holdout:
        best = f" of {evaluation.candidate} on {evaluation.rows:,} rows" if evaluation else " on rows"
        yield display.paragraph(f"Quality{best} that no candidate saw", quality(document, evaluation))
    if evaluation and (said := list(_trust(evaluation))):
        yield display.paragraph("How far to trust it", *said)
    if evaluation and evaluation.gates:
        lines = [display.judged(gate.verdict, gate.detail, gate.name) for gate in evaluation.gates]
        yield display.paragraph("Gates", *lines)


def _trust(evaluation: Evaluation) -> Iterable[Text]:
    """What intervals or sets held on the holdout, and the parts of the rows where the model is clearly worse."""
    if evaluation.coverage:
        kind = "intervals" if evaluation.task == "regression" else "sets"
        held = ", ".join(f"{item.covered:.1%} of {float(asked):.0%}" for asked, item in evaluation.coverage.items())
        yield Text(f"prediction {kind} held the truth for {held} promised")
    for item in evaluation.slices:
        if not item.sensitive and item.metric:
            second = f" and {item.and_column} {item.and_level}" if item.and_column else ""
            measured = f"{figures.metric(item.metric.value)} ({_bounds(item.metric)}), {item.rows:,} rows"
            yield Text(f"worse where {item.column} {item.level}{second}: {evaluation.metric} {measured}")


def _status(document: RunDocument) -> Text:
    said = Text.assemble(display.coloured(document.status))
    if document.model:
        said.append(f"  model {document.model.name}, version {document.model.version}")
    return said


def _data(document: RunDocument) -> Iterable[Text]:
    said = []
    if document.dataset:
        said.append(f"{document.dataset.rows:,} rows, {document.dataset.columns} columns")
    if document.target:
        said.append(f"target {document.target}" + (f" ({document.task})" if document.task else ""))
    elif document.task:
        said.append(f"{document.task.replace('_', ' ')}, without a target")
    if said:
        yield Text(" · ".join(said))


def _checks(checks: Iterable[Check]) -> Iterable[Text]:
    """What is worth reading first, and what became of personal data; what passed else only as a number."""
    everything = list(checks)
    found = [check for check in everything if check.verdict != "pass" or check.name == "personal_data"]
    for check in sorted(found, key=lambda check: VERDICTS.index(check.verdict)):
        yield display.judged(check.verdict, check.detail, check.name)
    passed = len(everything) - len(found)
    if passed:
        mark, style = display.MARKS["pass"]
        other = "other " if any(check.verdict == "refuse" for check in found) else ""
        yield Text.assemble((mark, style), f" {passed} {other}{'check' if passed == 1 else 'checks'} passed")


def _places(document: RunDocument) -> RenderableType:
    """Where everything is, and what it took."""
    items = []
    if document.endpoint:
        items.append(("endpoint", document.endpoint))
    if document.report:
        items.append(("report", f"tidemill open {document.run_id[:8]}"))
        items.append(("", document.report))
    if document.cost:
        took = f"{figures.usd(document.cost.usd)} on AWS" + (
            f", at the prices of {document.cost.prices_of}" if document.cost.prices_of else ""
        )
        items.append(("cost", took))
    if document.status != "RUNNING" and document.seconds:
        items.append(("time", figures.seconds(document.seconds)))
    if document.status == "LIVE" and document.model:
        items.append(("next", f"tidemill predict {document.model.name} --typical"))
    return display.pairs(items)


def _bounds(interval: Interval) -> str:
    return f"{figures.metric(interval.low)} to {figures.metric(interval.high)}"
