"""A run in a few plain sentences, for the report and for the notification."""

from __future__ import annotations

import shlex
from dataclasses import replace

from tidemill.contracts import Check, Evaluation, RunDocument, Status
from tidemill.reports import formats, metric_words

#: What each stage does, for "the run stopped while ...".
STAGES = {
    "intake": "taking the upload in",
    "validate": "reading and checking the data",
    "prepare": "preparing the data",
    "train": "training the candidates",
    "evaluate": "evaluating the model",
    "register": "registering the model",
    "approve": "waiting for approval",
    "deploy": "putting the model into service",
    "rollout": "letting the model in step by step",
    "conclude": "concluding the run",
}
#: Statuses of runs whose model is not in service, for a reason that the reader has to know.
STOPPED: frozenset[Status] = frozenset({"REFUSED_DATA", "REFUSED_BY_GATE", "ROLLED_BACK", "FAILED"})
#: What the baseline of a task without a target is.
_BASELINES = {
    "clustering": "Looking for clusters where there are none, in one cloud of rows of the same spread,",
    "dimensionality_reduction": "A baseline of as many directions drawn at random",
    "anomaly_detection": "A baseline that gives every row the same score",
}


def file_name(document: RunDocument) -> str:
    """The name of the uploaded file, without bucket and folders."""
    return document.source.rsplit("/", 1)[-1] or "the upload"


def model_name(document: RunDocument) -> str:
    """The model with its version when it has one: `churn version 3`."""
    return f"{document.model.name} version {document.model.version}" if document.model else document.project


def finding(document: RunDocument, evaluation: Evaluation | None = None) -> str | None:
    """How good the model is, as a clause with its uncertainty; None when nothing was measured."""
    interval = document.holdout.get(document.metric or "")
    if document.metric is None or interval is None:
        return None
    plain = metric_words.plain_value(document.metric, interval)
    clause = metric_words.sentence(document.metric, plain.value, document.target, evaluation)
    return clause if plain.low == plain.high else f"{clause}, give or take {plain.margin}"


def headline(document: RunDocument, evaluation: Evaluation | None = None) -> str:
    """The verdict of the run in one sentence."""
    found = finding(document, evaluation)
    ending = f": {found}." if found else "."
    match document.status:
        case "LIVE":
            return f"{model_name(document)} is live{ending}"
        case "REFUSED_DATA":
            return f"The table {file_name(document)} was refused, so no model was trained."
        case "ROLLING_OUT":
            return f"{model_name(document)} is being let in step by step{ending}"
        case "ROLLED_BACK":
            return f"{model_name(document)} was let in and taken back; the champion answers as before."
        case "REFUSED_BY_GATE" if document.stage == "approve":
            return f"The release of {model_name(document)} was declined{ending}"
        case "REFUSED_BY_GATE" if document.stage in ("deploy", "rollout"):
            return f"{model_name(document)} passed every gate and was not let in{ending}"
        case "REFUSED_BY_GATE":
            return f"The new {document.project} model {_kept_back(evaluation)}{ending}"
        case "FAILED":
            doing = STAGES.get(document.stage or "", "working")
            return f"The run for {document.project} stopped while {doing}; no model went live."
        case "WAITING_FOR_APPROVAL":
            return f"{model_name(document)} waits for approval{ending}"
        case _:
            return f"The run for {document.project} has not ended yet."


#: What a gate says of a model that it refuses.
_KEPT_BACK = {
    "demographic_parity": "treats the levels of a sensitive column too differently to go live",
    "equal_opportunity": "treats the levels of a sensitive column too differently to go live",
    "keeps_up_with_champion": "does not take the champion’s place",
    "keeps_up_on_newest": "does worse than the champion on the newest predictions",
}


def _refusing(evaluation: Evaluation | None) -> list[str]:
    """The names of the gates that refuse, in their order."""
    return [gate.name for gate in evaluation.gates if gate.verdict == "refuse"] if evaluation else []


def _kept_back(evaluation: Evaluation | None) -> str:
    return next(
        (_KEPT_BACK[name] for name in _refusing(evaluation)[:1] if name in _KEPT_BACK), "is not good enough to go live"
    )


def weakness(evaluation: Evaluation | None) -> str | None:
    """Where the model is worst, as a sentence; None when no part of the rows stands out."""
    if evaluation is None:
        return None
    found = next((item for item in evaluation.slices if not item.sensitive and item.metric), None)
    if found is None or found.metric is None:
        return None
    second = f" and {found.and_column} is {found.and_level}" if found.and_column else ""
    label = metric_words.words(evaluation.metric).label
    value = metric_words.figure(evaluation.metric, found.metric.value)
    whole = metric_words.figure(evaluation.metric, evaluation.holdout[evaluation.metric].value)
    where = f"{found.column} is {found.level}{second}"
    return f"It is weakest where {where}: there its {label} is {value}, on the whole {whole}."


def subject(document: RunDocument) -> str:
    """The verdict as a mail's subject: the headline without its number, so that it is short and plain ASCII."""
    return headline(replace(document, metric=None)).rstrip(".")


def reason(document: RunDocument) -> str:
    """Why the run ended as it did, as a sentence."""
    return formats.sentence(document.reason)


def quality(document: RunDocument, evaluation: Evaluation | None = None) -> str | None:
    """How the number was found, how sure it is, and what guessing gets; None when nothing was measured."""
    interval = document.holdout.get(document.metric or "")
    if document.metric is None or interval is None:
        return None
    metric, plain = document.metric, metric_words.plain_value(document.metric, interval)
    rows = f"{evaluation.rows:,} rows" if evaluation else "rows"
    sentences = [f"This was measured on {rows} that the model had never seen."]
    unit = metric_words.words(metric).unit
    if plain.low != plain.high:
        sentences.append(f"We are 95% sure that the true figure lies between {plain.low}{unit} and {plain.high}{unit}.")
    if evaluation and metric in evaluation.baseline:
        guess = metric_words.plain_number(metric, evaluation.baseline[metric], interval)
        sentences.append(
            f"{_BASELINES.get(evaluation.task, 'A baseline that ignores every column')} gets {guess}{unit}."
        )
    if evaluation and evaluation.champion and metric in evaluation.champion.holdout:
        champion = evaluation.champion
        theirs = metric_words.plain_number(metric, champion.holdout[metric].value, interval)
        judged = (
            "the new one is better"
            if champion.difference.low > 0
            else "the new one is worse"
            if champion.difference.high < 0
            else "the two cannot be told apart on these rows"
        )
        sentences.append(f"On the same rows version {champion.version}, the champion, gets {theirs}{unit}: {judged}.")
    if metric in ("log_loss", "brier_score") and "accuracy" in document.holdout:
        right = metric_words.plain_value("accuracy", document.holdout["accuracy"])
        sentences.append(f"The likeliest class is the right one for {right.value} of 100 rows.")
    return " ".join(sentences)


def findings(document: RunDocument) -> list[Check]:
    """What the checks found, refusals first; a finding about several columns comes once."""
    found: dict[tuple[str, str], Check] = {}
    for verdict in ("refuse", "warn"):
        for check in document.checks:
            if check.verdict == verdict:
                found.setdefault((check.name, check.detail), check)
    return list(found.values())


def next_steps(document: RunDocument, evaluation: Evaluation | None = None) -> tuple[str, ...]:
    """What the reader can do now, the likeliest first."""
    project, file = document.project, file_name(document)
    upload = f"Upload the table again with `tidemill train {shlex.quote(file)} --project {project}`: a new run starts."
    match document.status:
        case "LIVE":
            ask = f"Ask it for predictions with `tidemill predict {project}`, or over HTTP as the report shows."
            back = f"Should it disappoint, `tidemill rollback {project}` puts the version before it back."
            return (ask, back) if document.model and document.model.version > 1 else (ask,)
        case "REFUSED_DATA":
            named = "the findings name" if findings(document) else "the reason names"
            return (
                f"Correct what {named}, in the table or in the project’s spec.",
                upload,
                f"The refused file is kept under `quarantine/{project}/`, with the reason beside it.",
            )
        case "ROLLING_OUT":
            return (
                f"See how far it has come with `tidemill promote {project}`.",
                f"Take it back at any time with `tidemill rollback {project}`; the champion answers as before.",
                f"Hold it where it is with `tidemill freeze {project} --reason '…'`.",
            )
        case "ROLLED_BACK" if document.model:
            return (
                "See what it did worse in the reason above, and in its predictions in production: "
                f"`tidemill monitor {project}`.",
                f"If it was not its fault, let it in again with `tidemill promote {project} "
                f"--version {document.model.version}`.",
            )
        case "REFUSED_BY_GATE" if document.stage in ("deploy", "rollout") and document.model:
            return (
                "The reason names what was in its way, and how to end that.",
                f"Then let it in with `tidemill promote {project} --version {document.model.version}`.",
            )
        case "REFUSED_BY_GATE" if document.stage == "approve":
            return (
                "Ask whoever declined it for the reason, if it is not given here.",
                upload,
            )
        case "REFUSED_BY_GATE" if {"demographic_parity", "equal_opportunity"} & set(_refusing(evaluation)):
            return (
                "See the rates of each level under “For which rows it is better, and for which worse”.",
                "Look for columns that stand in for the sensitive one, and name them under `ignore` in the spec.",
                "If the rule asks too much, change `gates` in the project’s spec and upload the table again.",
            )
        case "REFUSED_BY_GATE":
            return (
                "See which rule of the release refused it, and by how much, under “The rules of release”.",
                "More rows, or columns that say more about the target, help most; the findings tell what was left out.",
                "If the rule asks too much, change `gates` in the project’s spec and upload the table again.",
            )
        case "FAILED":
            return (
                f"Correct what the reason names; when it says too little, read `tidemill logs {document.run_id}`.",
                upload,
            )
        case "WAITING_FOR_APPROVAL":
            return (
                f"Release it with `tidemill approve {document.run_id}`.",
                f"Or decline it with `tidemill reject {document.run_id} --reason '…'`.",
            )
        case _:
            return (f"Follow it with `tidemill run {document.run_id}`.",)


def text(document: RunDocument, evaluation: Evaluation | None = None) -> str:
    """The run as plain text: verdict, reason or quality, what to do next, where to look."""
    lines = [headline(document, evaluation), ""]
    if document.status in STOPPED and document.reason:
        lines += [reason(document), ""]
    measured = quality(document, evaluation)
    if measured:
        lines += [measured, ""]
    if weak := weakness(evaluation):
        lines += [weak, ""]
    lines += [f"- {step}" for step in next_steps(document, evaluation)]
    links = (("Endpoint", document.endpoint), ("Report", document.report), ("Run", document.run_id))
    facts = [f"{name}: {value}" for name, value in links if value]
    if document.cost:
        facts.append(f"Cost: {formats.money(document.cost.usd)}")
    return "\n".join([*lines, "", *facts]) + "\n"
