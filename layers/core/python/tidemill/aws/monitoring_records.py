"""What watching has found and what was decided about it, in the registry's table.

Nobody else knows these keys; `aws/registry_table.py` says what the table is:

===============  ================  ====================================  ================  ============
record           pk                sk                                    gsi1pk            gsi1sk
===============  ================  ====================================  ================  ============
point            MONITOR#<model>   POINT#<end>#<6 digits>#<live|shadow>
decision         MONITOR#<model>   DECISION#<point>#<id>
state            MONITOR#<model>   WATCH
actuals' upload  ACTUALS#<id>      ACTUALS                               ACTUALS#<model>   <at>#<id>
===============  ================  ====================================  ================  ============

A point has its window's end and version in its key: computed again, because labels have come, it takes the place of the
one before. A decision has the window that it is about and an id made from what it decides, so that deciding twice is
once. Reads are strongly consistent, but for the listing of uploads, which may miss the last moment's.
"""

from __future__ import annotations

import base64
import itertools
import zlib
from collections.abc import Iterator
from typing import TypeVar

from tidemill.aws.registry_table import Item, RegistryTable, pack
from tidemill.contracts import dumps, loads
from tidemill.monitoring_contracts import ActualsUpload, Decision, MonitorPoint, WatchState, standing

R = TypeVar("R")

#: Longer documents are stored packed: a write costs by the kilobyte, and an item may have 400.
PLAIN_BYTES = 4_000
#: Items of one page of a query, at most.
PAGE = 100


class MonitoringRecords(RegistryTable):
    """Points of the time series, decisions, uploads of actuals, and how far the watching has come."""

    # --- points --------------------------------------------------------------------------------

    def put_point(self, point: MonitorPoint) -> None:
        """Keep a point; one of the same version and window's end is replaced. Raises StorageError."""
        self._put(_point_key(point), _packed(point))

    def points(
        self,
        model: str,
        version: int | None = None,
        limit: int = 200,
        since: str = "",
        shadow: bool | None = None,
    ) -> list[MonitorPoint]:
        """The newest points of a model, newest first; those that were looked at too early only until the next.

        Parameters
        ----------
        version
            only of this one; None: of all.
        since
            no points whose window ended before; UTC ISO 8601.
        shadow
            only of answers that nobody got (True), or only of those that somebody got (False).

        Raises StorageError, ContractError.
        """
        found = (
            point
            for point in standing(self._newest(MonitorPoint, model, "POINT#", since, limit))
            if version in (None, point.version) and shadow in (None, point.shadow)
        )
        return list(itertools.islice(found, limit))

    def newest_point(self, model: str, version: int | None = None) -> MonitorPoint | None:
        """The newest point of answers that somebody got, or None before the first. Raises StorageError."""
        return next(iter(self.points(model, version, limit=1, shadow=False)), None)

    # --- decisions -----------------------------------------------------------------------------

    def put_decision(self, decision: Decision) -> bool:
        """Keep a decision; False when it was made before, which is then left as it is. Raises StorageError."""
        return self._put_new(_decision_key(decision), _packed(decision))

    def claim_decision(self, decision: Decision, before: Decision | None) -> bool:
        """Keep a decision in place of what was read of it.

        Parameters
        ----------
        before
            the decision as it was read; None when there was none.

        Returns
        -------
        False when somebody else has written it meanwhile. Raises StorageError.
        """
        if before is None:
            return self.put_decision(decision)
        ((kind, kept),) = _packed(before).items()
        put = self._put_action(_decision_key(decision), _packed(decision))
        put["Put"] |= {
            "ConditionExpression": "#kept = :kept",
            "ExpressionAttributeNames": {"#kept": kind},
            "ExpressionAttributeValues": pack({":kept": kept}),
        }
        return self._transact(f"keep a decision about {decision.model}", put)

    def amend_decision(self, decision: Decision) -> None:
        """Write what became of a decision in place of what was kept. Raises StorageError."""
        self._put(_decision_key(decision), _packed(decision))

    def decisions(self, model: str, limit: int = 200, since: str = "") -> list[Decision]:
        """The newest decisions about a model, acted on or not, those about the newest windows first.

        Parameters
        ----------
        since
            no decisions about windows that ended before; UTC ISO 8601.

        Raises StorageError, ContractError.
        """
        return list(itertools.islice(self._newest(Decision, model, "DECISION#", since, limit), limit))

    # --- uploads of actuals --------------------------------------------------------------------

    def put_upload(self, upload: ActualsUpload) -> None:
        """Keep what an upload of actuals brought; the same upload again replaces it. Raises StorageError."""
        listing = {"gsi1pk": f"ACTUALS#{upload.model}", "gsi1sk": f"{upload.at}#{upload.id}"}
        self._put(_upload_key(upload.id) | listing, _packed(upload))

    def upload(self, upload_id: str) -> ActualsUpload | None:
        """One upload of actuals, or None when it has not been read yet. Raises StorageError."""
        item = self._item(_upload_key(upload_id))
        return _unpacked(ActualsUpload, item) if item else None

    def uploads(self, model: str, limit: int = 50) -> list[ActualsUpload]:
        """The newest uploads of a model's actuals, newest first. Raises StorageError."""
        newest = itertools.islice(self._listing(f"ACTUALS#{model}", newest_first=True, page=limit), limit)
        return [_unpacked(ActualsUpload, item) for item in newest]

    # --- how far the watching has come ---------------------------------------------------------

    def watch_state(self, model: str) -> WatchState | None:
        """How far the watching of a model has come; None before the first look. Raises StorageError."""
        return self._document(WatchState, _watch_key(model))

    def swap_watch_state(self, state: WatchState, revision: int | None) -> bool:
        """Write how far the watching has come, unless somebody else has meanwhile.

        Parameters
        ----------
        state
            with a revision one higher than the one that was read.
        revision
            of the state that was read; None when there was none.

        Returns
        -------
        False when another writer was faster: read again. Raises StorageError.
        """
        return self._swap(
            f"write how far watching {state.model} has come", _watch_key(state.model), state, revision, None
        )

    # --- the table -----------------------------------------------------------------------------

    def _newest(self, cls: type[R], model: str, prefix: str, since: str, limit: int) -> Iterator[R]:
        """Records of a model from the sort key `<prefix><since>` on, newest first."""
        for item in self._query(
            KeyConditionExpression="pk = :pk AND sk BETWEEN :low AND :high",
            ExpressionAttributeValues=pack(
                # "~" comes after every character of a time.
                {":pk": f"MONITOR#{model}", ":low": f"{prefix}{since}", ":high": f"{prefix}~"}
            ),
            ConsistentRead=True,
            ScanIndexForward=False,
            PaginationConfig={"PageSize": min(max(limit, 10), PAGE)},
        ):
            yield _unpacked(cls, item)


def _point_key(point: MonitorPoint) -> Item:
    kind = "shadow" if point.shadow else "live"
    return {"pk": f"MONITOR#{point.model}", "sk": f"POINT#{point.end}#{point.version:06d}#{kind}"}


def _decision_key(decision: Decision) -> Item:
    return {"pk": f"MONITOR#{decision.model}", "sk": f"DECISION#{decision.point}#{decision.id}"}


def _upload_key(upload_id: str) -> Item:
    return {"pk": f"ACTUALS#{upload_id}", "sk": "ACTUALS"}


def _watch_key(model: str) -> Item:
    return {"pk": f"MONITOR#{model}", "sk": "WATCH"}


def _packed(record: object) -> Item:
    document = dumps(record)
    if len(document) <= PLAIN_BYTES:
        return {"document": document.decode()}
    return {"packed": base64.b85encode(zlib.compress(document, level=9)).decode()}


def _unpacked(cls: type[R], item: Item) -> R:
    if "packed" in item:
        return loads(cls, zlib.decompress(base64.b85decode(item["packed"])))
    return loads(cls, item["document"])
