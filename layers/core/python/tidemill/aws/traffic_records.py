"""How a model's traffic is spread, in the registry's table.

=========  ============  =======
record     pk            sk
=========  ============  =======
traffic    MODEL#<name>  TRAFFIC
=========  ============  =======

A model without a record has all its calls answered by its champion. The record is replaced as a whole, on the condition
that it still has the revision that was read, and with an audit event `traffic` in the same transaction. While a rollout
has set it, only that rollout may replace it.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from tidemill.aws.registry_table import ATTEMPTS, AuditEvent, Item, RegistryTable, backoff
from tidemill.contracts import loads
from tidemill.errors import ContractError, NotFound, StorageError, TrafficConflict

if TYPE_CHECKING:
    from tidemill.aws.registry import Registry
    from tidemill.release_contracts import Traffic


class TrafficRecords(RegistryTable):
    """How each model's calls are spread."""

    def traffic(self, model: str) -> Traffic | None:
        """How a model's calls are spread, or None when nobody has said. Raises StorageError."""
        item = self._item(_key(model))
        if item is None:
            return None
        # Imported for a record that is there: a cold start of predict that finds none has no time for it.
        from tidemill.release_contracts import Traffic

        return loads(Traffic, item["document"])

    def set_traffic(
        self,
        traffic: Traffic,
        expected: int | None,
        actor: str,
        reason: str,
        at: str,
        rollout: str | None = None,
    ) -> Traffic:
        """Replace how a model's calls are spread; the endpoint follows within seconds.

        Writing the same once more, as a step that runs twice does, changes nothing.

        Parameters
        ----------
        traffic
            what is wanted; its `revision`, `at`, `by` and `reason` are filled in here. With `rollout` in it the record
            belongs to that rollout from now on; without, it is free again.
        expected
            revision of the record that the caller has read; None when there was none.
        actor, reason, at
            for the record and the audit log.
        rollout
            id of the rollout that asks, when one does.

        Returns
        -------
        The record as it is stored.

        Raises
        ------
        ContractError
            shares that cannot be; the message names the field.
        TrafficConflict
            somebody else has replaced the record since, or it belongs to another rollout.
        StorageError
            the table did not answer.
        """
        _check(traffic)
        new = dataclasses.replace(traffic, revision=(expected or 0) + 1, at=at, by=actor, reason=reason)
        event = AuditEvent(
            traffic.model, "traffic", actor, at, f"{reason}: {described(traffic)}", revision=new.revision
        )
        for attempt in range(ATTEMPTS):
            current = self.traffic(traffic.model)
            if current is not None and _same(current, new):
                return current
            if current is not None and current.rollout not in (None, rollout):
                raise TrafficConflict(
                    f"the traffic of model {traffic.model!r} belongs to the rollout {current.rollout}: wait for its "
                    f"end, or end it with `tidemill rollback {traffic.model}`"
                )
            if (current.revision if current else None) != expected:
                raise _conflict(traffic.model, current)
            if self._swap(f"set the traffic of model {traffic.model}", _key(traffic.model), new, expected, event):
                return new
            self._sleep(backoff(f"{actor} {rollout}", attempt))
        raise StorageError(f"could not set the traffic of model {traffic.model}: others keep writing it; try again")


def spread(
    registry: Registry,
    records: TrafficRecords,
    model: str,
    *,
    shares: Mapping[int, float] | None = None,
    shadow: tuple[int, float] | None = None,
    experiment: str | None = None,
    clear: bool = False,
    actor: str,
    reason: str,
    at: str,
) -> Traffic:
    """Spread a model's calls as a person asks for it; what is not mentioned stays as it is.

    Parameters
    ----------
    shares
        version -> its share of the calls, in place of all earlier shares; a share of 0 is none.
    shadow
        version that gets copies, and of which share of the calls; a share of 0 ends it.
    experiment
        name of the A/B test; empty ends it.
    clear
        begin from nothing: what is not mentioned ends.
    reason
        why, for the audit log; "set by hand" when it is empty.

    Raises
    ------
    NotFound
        the model or one of the versions does not exist, or the model has nothing in service.
    ContractError, TrafficConflict, StorageError
        as `TrafficRecords.set_traffic`.
    """
    from tidemill.release_contracts import Share, Traffic

    known = {record.version for record in registry.versions(model)}
    champion = registry.alias(model, "champion")
    if champion is None:
        raise NotFound(f"model {model!r} has no version in service: there is no traffic to spread")
    for version in (*(shares or ()), *((shadow[0],) if shadow else ())):
        if version not in known:
            raise NotFound(f"model {model!r} has no version {version}: it has {', '.join(map(str, sorted(known)))}")
        if version == champion:
            raise ContractError(
                f"version {version} is the champion of {model!r}, which gets what the others leave: "
                "name the other versions only"
            )
    current = records.traffic(model)
    wanted = Traffic(model) if current is None or clear else dataclasses.replace(current, rollout=None)
    if shares is not None:
        # Those that were there keep their places, so that their callers stay with them.
        kept = {share.version: shares[share.version] for share in wanted.shares if share.version in shares}
        made = tuple(Share(number, weight) for number, weight in {**kept, **shares}.items() if weight != 0)
        wanted = dataclasses.replace(wanted, shares=made)
    if shadow is not None:
        number, fraction = shadow
        wanted = dataclasses.replace(wanted, shadow_version=number if fraction else None, shadow_fraction=fraction)
    if experiment is not None:
        wanted = dataclasses.replace(wanted, experiment=experiment)
    return records.set_traffic(
        wanted, current.revision if current else None, actor, reason.strip() or "set by hand", at
    )


def described(traffic: Traffic) -> str:
    """How a model's calls are spread, in words."""
    parts = [f"version {share.version} gets {share.weight:.4g} of the calls" for share in traffic.shares]
    if traffic.shadow_version is not None:
        parts.append(f"version {traffic.shadow_version} gets copies of {traffic.shadow_fraction:.4g} of them")
    if not traffic.shares:
        parts.insert(0, "the champion gets all calls")
    return ", ".join(parts) + (f" (experiment {traffic.experiment})" if traffic.experiment else "")


def _key(model: str) -> Item:
    return {"pk": f"MODEL#{model}", "sk": "TRAFFIC"}


def _same(current: Traffic, new: Traffic) -> bool:
    """Whether the record is what the same writer has written before, whenever that was."""
    return dataclasses.replace(current, at=new.at) == new


def _check(traffic: Traffic) -> None:
    versions = [share.version for share in traffic.shares]
    if len(set(versions)) < len(versions):
        raise ContractError(f"shares names a version twice: {', '.join(map(str, versions))}; give each one share")
    for share in traffic.shares:
        _check_version("shares", share.version)
        if not 0 < share.weight <= 1:
            raise ContractError(
                f"the share of version {share.version} must be above 0 and at most 1, such as 0.1, not {share.weight}"
            )
    total = math.fsum(share.weight for share in traffic.shares)
    if total > 1 + 1e-9:
        raise ContractError(f"the shares must add up to at most 1, not {total:.4g}: what they leave is the champion's")
    if not 0 <= traffic.shadow_fraction <= 1:
        raise ContractError(f"shadow_fraction must be between 0 and 1, not {traffic.shadow_fraction}")
    if traffic.shadow_version is not None:
        _check_version("shadow_version", traffic.shadow_version)
    elif traffic.shadow_fraction:
        raise ContractError("shadow_fraction needs a shadow_version: name the version that gets the copies")


def _check_version(field: str, version: int) -> None:
    if version < 1:
        raise ContractError(f"{field} must name versions by their numbers, from 1, not {version}")


def _conflict(model: str, current: Traffic | None) -> TrafficConflict:
    now = f"{current.by} set it at {current.at}" if current else "there is none any more"
    return TrafficConflict(
        f"the traffic of model {model!r} was changed in the meantime ({now}): look at it again and repeat"
    )
