"""What may be asked and done about one model: watching, releases, traffic. Who does it is the owner of the API key."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal

from tidemill import keys
from tidemill.api.calls import Answer, Request, body_of, document, query_number
from tidemill.api.stack import Stack
from tidemill.aws import traffic_records
from tidemill.aws.approvals import refuse_unreleased_of
from tidemill.aws.promotion import Strategy
from tidemill.aws.registry import CHAMPION
from tidemill.contracts import instant
from tidemill.errors import AliasConflict, ContractError, NotFound
from tidemill.monitoring_contracts import Retraining

HTML = "text/html; charset=utf-8"
#: Points of one answer, at most: it may have 6 MB.
MOST_POINTS = 200


@dataclass(frozen=True)
class Promote:
    """Body of `POST /models/{model}/promote`."""

    version: int
    strategy: Strategy | None = None  #: the spec's when null
    reason: str = ""


@dataclass(frozen=True)
class Rollback:
    """Body of `POST /models/{model}/rollback`."""

    reason: str = ""


@dataclass(frozen=True)
class Freeze:
    """Body of `POST /models/{model}/freeze`."""

    reason: str = ""
    frozen: bool = True


@dataclass(frozen=True)
class Retrain:
    """Body of `POST /models/{model}/retrain`."""

    reason: str = ""
    data: Literal["all", "window", "drifted_plus_old"] | None = None  #: the spec's when null
    since: str | None = None  #: of a past window, UTC ISO 8601
    until: str | None = None


@dataclass(frozen=True)
class Shadow:
    """Copies of calls for a version."""

    version: int
    fraction: float  #: of the calls, 0 to 1


@dataclass(frozen=True)
class Spread:
    """Body of `POST /models/{model}/traffic`; what is null stays as it is."""

    shares: dict[str, float] | None = None  #: version -> share of the calls
    shadow: Shadow | None = None
    experiment: str | None = None
    clear: bool = False
    reason: str = ""


# --- watching ----------------------------------------------------------------------------------


def points(stack: Stack, request: Request) -> Answer:
    """`GET /models/{model}/monitor?limit=&version=`: what watching has found, newest first."""
    limit = query_number(request, "limit", 24, MOST_POINTS)
    version = query_number(request, "version", 1, 999_999) if "version" in request.query else None
    found = stack.monitoring.points(request.model, version, limit)
    if not found:
        stack.refuse_unknown(request.model)
    if not found and version is not None:
        stack.releases.registry.version(request.model, version)
    decisions = stack.monitoring.decisions(request.model, limit, since=found[-1].end) if found else []
    return document({"model": request.model, "points": found, "decisions": decisions})


def look(stack: Stack, request: Request) -> Answer:
    """`POST /models/{model}/monitor`: look at the model now; the points follow in a minute or so.

    Raises AliasConflict when no version is in service: there is nothing to look at.
    """
    stack.person(request)
    stack.refuse_unknown(request.model)
    if stack.releases.registry.alias(request.model, CHAMPION) is None:
        raise AliasConflict(
            f"model {request.model!r} has no version in service to look at: POST /models/{request.model}/promote puts "
            "one there"
        )
    execution = stack.executions.start(stack.monitoring_machine, request.id, {"model": request.model})
    return document({"model": request.model, "execution": execution}, 202)


def report(stack: Stack, request: Request) -> Answer:
    """`GET /models/{model}/monitor/report`: the newest monitor report, one HTML page."""
    stack.refuse_unknown(request.model)
    key = keys.monitor_report(request.model)
    if not stack.objects.exists(stack.bucket, key):
        raise NotFound(
            f"model {request.model!r} has not been looked at yet: the first look writes the report, "
            f"and POST /models/{request.model}/monitor starts one"
        )
    return Answer(stack.objects.get(stack.bucket, key).decode(), content_type=HTML)


# --- releases ----------------------------------------------------------------------------------


def rollout(stack: Stack, request: Request) -> Answer:
    """`GET /models/{model}/rollout`: the newest rollout, whether it is under way, and whether promotions are frozen."""
    stack.refuse_unknown(request.model)
    records = stack.releases.records
    newest = next(iter(records.rollouts(request.model, limit=1)), None)
    under_way = records.current_rollout(request.model)
    return document(
        {
            "model": request.model,
            "rollout": under_way or newest,
            "under_way": under_way is not None,
            "freeze": records.freeze(request.model),
        }
    )


def promote(stack: Stack, request: Request) -> Answer:
    """`POST /models/{model}/promote`: put a version into service, at once or step by step."""
    person, asked = stack.person(request), body_of(Promote, request)
    declared = stack.project_spec(request.model).rollout
    options = replace(declared, strategy=asked.strategy or declared.strategy)
    reason = asked.reason or "promoted by hand"
    done = stack.releases.promote(request.model, asked.version, options, request.id, person.name, reason, request.at)
    return document(done, 202 if done.rollout else 200)


def rollback(stack: Stack, request: Request) -> Answer:
    """`POST /models/{model}/rollback`: end a rollout, or put the champion before back."""
    person, asked = stack.person(request), body_of(Rollback, request)
    stack.refuse_unknown(request.model)
    reason = asked.reason or "rolled back by hand"
    return document(stack.releases.rollback(request.model, person.name, reason, request.at))


def freeze(stack: Stack, request: Request) -> Answer:
    """`POST /models/{model}/freeze`: keep the champion from being replaced, or let it be replaced again."""
    person, asked = stack.person(request), body_of(Freeze, request)
    if asked.frozen and not asked.reason.strip():
        raise ContractError("reason is missing: whoever wants to promote must know why this model is frozen")
    return document(stack.releases.freeze(request.model, asked.frozen, person.name, asked.reason, request.at))


def retrain(stack: Stack, request: Request) -> Answer:
    """`POST /models/{model}/retrain`: train again on what is known by now, or was by the end of a past window."""
    person, asked = stack.person(request), body_of(Retrain, request)
    stack.refuse_unknown(request.model)
    retraining = Retraining(
        id=request.id,
        model=request.model,
        at=request.at,
        by=person.name,
        trigger="backfill" if asked.until else "hand",
        reason=asked.reason or f"asked for by {person.name}",
        data=asked.data or ("window" if asked.since else stack.project_spec(request.model).retraining.data),
        start=_moment("since", asked.since),
        end=_moment("until", asked.until),
    )
    return document(stack.retrainings.by_hand(retraining), 202)


# --- traffic -----------------------------------------------------------------------------------


def traffic(stack: Stack, request: Request) -> Answer:
    """`GET /models/{model}/traffic`: how the calls are spread; null when the champion gets all."""
    stack.refuse_unknown(request.model)
    champion = stack.releases.registry.alias(request.model, "champion")
    spread = stack.releases.traffic.traffic(request.model)
    return document({"model": request.model, "champion": champion, "traffic": spread})


def spread(stack: Stack, request: Request) -> Answer:
    """`POST /models/{model}/traffic`: spread the calls in another way."""
    person, asked = stack.person(request), body_of(Spread, request)
    shares = None if asked.shares is None else {_version(name): share for name, share in asked.shares.items()}
    registry = stack.releases.registry
    refuse_unreleased_of(registry, request.model, [version for version, share in (shares or {}).items() if share])
    made = traffic_records.spread(
        registry,
        stack.releases.traffic,
        request.model,
        shares=shares,
        shadow=(asked.shadow.version, asked.shadow.fraction) if asked.shadow else None,
        experiment=asked.experiment,
        clear=asked.clear,
        actor=person.name,
        reason=asked.reason,
        at=request.at,
    )
    return document(made)


def _moment(name: str, text: str | None) -> str | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ContractError(f"{name} must be a time such as 2026-03-04T05:00:00Z, not {text!r}") from error
    return instant(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def _version(name: str) -> int:
    if not name.isascii() or not name.isdigit():
        raise ContractError(f'shares must name versions by their numbers, such as {{"2": 0.1}}, not {name!r}')
    return int(name)
