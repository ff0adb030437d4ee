"""When a model may be trained again without an upload, when it has to be, and on which window of data.

Pure functions of what was trained before, the project's options and the time. A storm of trainings is impossible by
construction: a training not by hand is recorded only after `allowed` has said yes, in one transaction on the condition
that nobody has recorded another one meanwhile (`aws/retraining_records.py`). Standard library only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from tidemill.contracts import dumps, instant
from tidemill.monitoring_contracts import Decision, MonitorPoint, PastTraining, Retraining
from tidemill.spec import RetrainingOptions

#: What budgets are counted over.
MONTH = timedelta(days=30)
#: A training whose run has not begun after so long never will.
TO_BEGIN = timedelta(hours=1)
#: A run that has computed for so long is not under way any more, whatever its record says.
TO_END = timedelta(hours=24)
#: Triggers that a person pulls.
BY_HAND = frozenset({"hand", "backfill"})
#: Who asks when a rule or schedule does.
NOBODY = "tidemill"


@dataclass(frozen=True)
class Policy:
    """What a project says of training by itself, at a moment.

    Parameters
    ----------
    now
        UTC, ISO 8601.
    expected_usd
        what a training is expected to cost.
    """

    model: str
    options: RetrainingOptions
    now: str
    expected_usd: float

    def may(self, past: Sequence[PastTraining], labels: int, base: str) -> str | None:
        """Why a training not by hand may not be started now; None when it may.

        Parameters
        ----------
        labels
            predictions with a known outcome since `base`.
        base
            when the last table of a person was uploaded.
        """
        return allowed(past, self.options, self.now, new_labels(past, labels, base), self.expected_usd)

    def by_rule(self, decision: Decision, points: Iterable[MonitorPoint], labels: int) -> Retraining:
        """The training that a decision asks for."""
        return by_rule(decision, points, self.options, labels)

    @property
    def has_schedule(self) -> bool:
        """Whether anything but rules and people starts trainings."""
        return self.options.every_days is not None or self.options.every_labels is not None

    def due(self, past: Sequence[PastTraining], labels: Callable[[], int], base: str) -> Retraining | None:
        """The training that schedule or new labels ask for now, or None.

        Parameters
        ----------
        labels
            counts them; asked only when that decides something.
        """
        wanted = slot(past, self.options, base, self.now)
        if wanted is not None:
            return scheduled(self.model, self.now, self.options, wanted, labels())
        if self.options.every_labels is None:
            return None
        counted = labels()
        return by_labels(self.model, self.now, self.options, new_labels(past, counted, base), counted)


# --- may it be? --------------------------------------------------------------------------------


def allowed(
    past: Sequence[PastTraining], options: RetrainingOptions, now: str, new_labels: int, expected_usd: float
) -> str | None:
    """Why a training not by hand may not be started now, in one sentence; None when it may.

    A clock that has gone back starts nothing: the cooldown counts from the latest training, even when that is in the
    future.

    Parameters
    ----------
    past
        all trainings of the model that were not started by an upload, those by hand too, in any order.
    now
        UTC, ISO 8601.
    new_labels
        labelled predictions that have come since the last training.
    expected_usd
        what a training is expected to cost, as those whose cost is not known yet.
    """
    moment = datetime.fromisoformat(now)
    running = next((one for one in past if _under_way(one, moment)), None)
    if running is not None:
        status = f"run {running.retraining.run_id}: {running.status}" if running.status else "its run has not begun yet"
        return f"the training of {running.retraining.at} by {running.retraining.by} is still under way ({status})"
    own = [one for one in past if one.retraining.trigger not in BY_HAND]
    latest = max((datetime.fromisoformat(one.retraining.at) for one in own), default=None)
    if latest is not None and moment < latest + timedelta(hours=options.cooldown_hours):
        return (
            f"the last training not by hand was at {instant(latest)}, and {options.cooldown_hours:g} hours lie between "
            "two (retraining.cooldown_hours)"
        )
    month = [
        one for one in own if not one.retraining.problem and datetime.fromisoformat(one.retraining.at) > moment - MONTH
    ]
    if len(month) >= options.budget_runs:
        return (
            f"the budget of trainings not by hand is used up: {len(month)} of {options.budget_runs} in 30 days "
            "(retraining.budget_runs)"
        )
    spent = sum(expected_usd if one.usd is None else one.usd for one in month)
    if spent + expected_usd > options.budget_usd:
        return (
            f"the budget of trainings not by hand is used up: ${spent:.4f} in 30 days, and another one of about "
            f"${expected_usd:.4f} would exceed ${options.budget_usd:g} (retraining.budget_usd)"
        )
    return too_few(new_labels, options)


def too_few(labels: int, options: RetrainingOptions) -> str | None:
    """Why so many new labelled predictions are not worth a training; None when they are."""
    if labels >= options.min_new_rows:
        return None
    return (
        f"{labels:,} new labelled predictions have come since the last training, and {options.min_new_rows:,} are "
        "needed (retraining.min_new_rows): upload actuals"
    )


def _under_way(one: PastTraining, now: datetime) -> bool:
    age = now - datetime.fromisoformat(one.retraining.at)
    if one.retraining.problem:
        return False
    if one.status is None:
        return age < TO_BEGIN
    return one.status in ("WAITING_FOR_APPROVAL", "ROLLING_OUT") or (one.status == "RUNNING" and age < TO_END)


# --- what has come since, and is one due? ------------------------------------------------------


def new_labels(past: Iterable[PastTraining], labels: int, base: str) -> int:
    """Labelled predictions that no training has seen.

    Parameters
    ----------
    labels
        all that there are since `base`.
    base
        when the last table of a person was uploaded; it is taken to hold what was known by then.
    """
    counted = [
        (one.retraining.at, one.retraining.labels)
        for one in past
        if one.retraining.run_id is not None and one.retraining.trigger != "backfill" and one.retraining.at >= base
    ]
    return max(labels - max(counted, default=("", 0))[1], 0)


def slot(past: Iterable[PastTraining], options: RetrainingOptions, base: str, now: str) -> str | None:
    """The time of the schedule that is to be trained for now, or None.

    Times of the schedule lie `every_days` apart, counted from the last upload of a person. Of those that have passed
    without a training only the newest is made up for, or with `catchup` each, the oldest first.
    """
    if options.every_days is None:
        return None
    every, start = timedelta(days=options.every_days), datetime.fromisoformat(base)
    passed = (datetime.fromisoformat(now) - start) // every
    done = max(
        (
            round((datetime.fromisoformat(one.retraining.end) - start) / every)
            for one in past
            if one.retraining.trigger == "schedule" and one.retraining.end and one.retraining.end > base
        ),
        default=0,
    )
    if passed <= done:
        return None
    return instant(start + every * (done + 1 if options.catchup else passed))


def scheduled(model: str, at: str, options: RetrainingOptions, slot: str, labels: int) -> Retraining:
    """The training for a time of the schedule; its window ends there."""
    start = _days_before(slot, options.window_days) if options.data != "all" else None
    late = "" if instant(datetime.fromisoformat(at) - TO_BEGIN) <= slot else ", made up for"
    return Retraining(
        id=_id(model, "schedule", slot),
        model=model,
        at=at,
        by=NOBODY,
        trigger="schedule",
        reason=f"the schedule wants a training every {options.every_days:g} days; this is the one of {slot}{late}",
        data=options.data,
        start=start,
        end=slot,
        labels=labels,
    )


def by_labels(model: str, at: str, options: RetrainingOptions, new: int, labels: int) -> Retraining | None:
    """The training that new labels ask for, or None while there are not enough."""
    if options.every_labels is None or new < options.every_labels:
        return None
    return Retraining(
        id=_id(model, "labels", at),
        model=model,
        at=at,
        by=NOBODY,
        trigger="labels",
        reason=f"{new:,} new labelled predictions have come, and every {options.every_labels:,} start a training",
        data=options.data,
        start=_days_before(at, options.window_days) if options.data != "all" else None,
        labels=labels,
    )


def by_rule(decision: Decision, points: Iterable[MonitorPoint], options: RetrainingOptions, labels: int) -> Retraining:
    """The training that a rule asks for.

    Parameters
    ----------
    points
        of the version, in any order; where drift began is looked up in them.
    """
    start = None
    if options.data == "window":
        start = _days_before(decision.at, options.window_days)
    elif options.data == "drifted_plus_old":
        start = _began(decision, points) or _days_before(decision.at, options.window_days)
    return Retraining(
        id=_id(decision.model, "rule", decision.id),
        model=decision.model,
        at=decision.at,
        by=NOBODY,
        trigger="rule",
        reason=decision.reason,
        data=options.data,
        start=start,
        findings=decision.findings,
        labels=labels,
    )


def window_start(asked: Retraining, options: RetrainingOptions) -> str | None:
    """Where the data window of a retraining begins; None: from the beginning.

    Who asks by hand for a window, or for drifted rows, and does not say since when, gets the project's window.
    """
    if asked.start is not None or asked.data == "all":
        return asked.start
    return _days_before(asked.end or asked.at, options.window_days)


def new_share(asked: Retraining, options: RetrainingOptions) -> float | None:
    """The least share of the new rows in the table; None: it is as it comes."""
    return options.new_share if asked.data == "drifted_plus_old" else None


def not_enough(asked: Retraining, rows: int, options: RetrainingOptions, unjoined: bool = False) -> str:
    """Why so many new rows are not worth a training, or empty. To a person who asks for it, one is.

    Parameters
    ----------
    unjoined
        whether outcomes were uploaded that no look has joined to predictions yet.
    """
    if asked.trigger not in BY_HAND:
        return too_few(rows, options) or ""
    if rows:
        return ""
    window = f" from {asked.start or 'the beginning'} until {asked.end or 'now'}" if asked.start or asked.end else ""
    if unjoined:
        return (
            f"no prediction{window} has a known outcome yet, but outcomes have been uploaded: the next look joins them "
            f"to predictions, and `tidemill monitor {asked.model} --look` does it now; ask again then"
        )
    return (
        f"no prediction{window} has a known outcome that can be learned from: upload actuals with `tidemill actuals`, "
        "or train on a table with `tidemill train`"
    )


def _began(decision: Decision, points: Iterable[MonitorPoint]) -> str | None:
    """The start of the first window of the series that the evidence is part of.

    A window that was looked at before it had ended may have been taken over by the next one, which began as it did.
    """
    since = min((finding.since for finding in decision.findings if finding.since), default=None)
    later = ((point.end, point.start) for point in points if point.end >= (since or decision.point))
    start = min(later, default=("", since))[1]
    return min(start, since) if start and since else start


def _days_before(moment: str, days: float) -> str:
    return instant(datetime.fromisoformat(moment) - timedelta(days=days))


def _id(*parts: str) -> str:
    return hashlib.sha256(dumps(["retraining", *parts])).hexdigest()[:32]
