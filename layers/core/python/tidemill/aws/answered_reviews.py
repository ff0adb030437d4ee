"""Reviewed predictions as true outcomes: what a person has answered counts as an actual."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tidemill import keys
from tidemill.aws.registry import ReviewRecord
from tidemill.aws.registry_table import INDEX, RegistryTable, pack
from tidemill.contracts import from_json


class AnsweredReviews(RegistryTable):
    """The answered reviews of models."""

    def entries(self, model: str, predicted_since: str, answered_since: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Answers as entries of the ledger, each by a key that has its place among those of ledger files.

        Only reviews of predictions since a time are read: that bounds what is read by what people have answered.

        Parameters
        ----------
        predicted_since, answered_since
            UTC, ISO 8601.

        Raises StorageError.
        """
        answered = self._query(
            IndexName=INDEX,
            KeyConditionExpression="gsi1pk = :pk AND gsi1sk >= :since",
            ExpressionAttributeValues=pack({":pk": f"REVIEWS#ANSWERED#{model}", ":since": predicted_since}),
        )
        for item in answered:
            review = from_json(ReviewRecord, item)
            if review.actual is not None and review.answered_at >= answered_since:
                ledger = keys.actuals_ledger(model, review.answered_at, "review")
                yield ledger, {"id": review.prediction_id, "actual": review.actual}
