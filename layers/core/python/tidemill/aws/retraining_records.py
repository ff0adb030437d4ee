"""Trainings that nobody started by uploading a table, in the registry's table.

==========  ===================  ================
record      pk                   sk
==========  ===================  ================
retraining  RETRAINING#<model>   RETRAINING#<id>
turn        RETRAINING#<model>   TURN
==========  ===================  ================

Nobody else knows these keys. A retraining is recorded in one transaction with the model's turn, on the condition that
nobody has recorded another one since the past was read: so whoever asks whether one more is allowed asks about all
there are, however many ask at once.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

from tidemill import keys
from tidemill.aws.registry import Registry, RunRecord
from tidemill.aws.registry_table import ATTEMPTS, Item, RegistryTable, backoff, pack
from tidemill.contracts import Run, dumps, loads
from tidemill.errors import NotFound, StorageError, TidemillError
from tidemill.monitoring_contracts import PastTraining, Retraining

#: Runs whose record is read, the newest ones: more than any budget has in 30 days.
RUNS_READ = 200


class RetrainingRecords(RegistryTable):
    """Retrainings of each model."""

    @classmethod
    def beside(cls, records: RegistryTable) -> RetrainingRecords:
        """In the same table as other records."""
        return cls(records._dynamodb, records._table, records._sleep)

    def begin(
        self, retraining: Retraining, registry: Registry, may: Callable[[Sequence[PastTraining]], str | None]
    ) -> str | None:
        """Record a retraining unless a rule is against it.

        Recording the same one again changes nothing, so that a step that asks for it may run twice; one that has failed
        is not recorded again.

        Parameters
        ----------
        registry
            knows what became of the runs.
        may
            says of all past trainings of the model why this one may not be, or None. It is asked again when somebody
            else has recorded one meanwhile.

        Returns
        -------
        Why it was not recorded; None when it is.

        Raises
        ------
        StorageError
            the table did not answer, or others kept recording retrainings all the time.
        """
        turn = {"pk": _pk(retraining.model), "sk": "TURN"}
        for attempt in range(ATTEMPTS):
            item = self._item(turn)
            revision = int(item["revision"]) if item else None
            past = self.past(retraining.model, registry)
            known = next((one.retraining for one in past if one.retraining.id == retraining.id), None)
            if known is not None:
                return known.problem or None
            if (problem := may(past)) is not None:
                return problem
            put = self._put_action(turn, {"revision": (revision or 0) + 1}, new=revision is None)
            if revision is not None:
                put["Put"] |= {
                    "ConditionExpression": "revision = :revision",
                    "ExpressionAttributeValues": pack({":revision": revision}),
                }
            record = self._put_action(_key(retraining.model, retraining.id), _item(retraining), new=True)
            if self._transact(f"record a retraining of {retraining.model}", put, record):
                return None
            self._sleep(backoff(retraining.id, attempt))
        raise StorageError(
            f"could not record a retraining of {retraining.model}: others keep asking for one; try again"
        )

    def past(self, model: str, registry: Registry) -> list[PastTraining]:
        """All retrainings of a model with what became of their runs, newest first. Raises StorageError."""
        found: list[PastTraining] = []
        for retraining in self.retrainings(model):
            run = _run(registry, retraining.run_id) if len(found) < RUNS_READ else None
            found.append(PastTraining(retraining, run.status if run else None, run.usd if run else None))
        return found

    def retrainings(self, model: str) -> list[Retraining]:
        """All retrainings of a model, newest first. Raises StorageError."""
        found = self._documents(Retraining, _pk(model), "RETRAINING#")
        return sorted(found, key=lambda retraining: (retraining.at, retraining.id), reverse=True)

    def retraining(self, model: str, retraining_id: str) -> Retraining:
        """One retraining. Raises NotFound, StorageError."""
        found = self._document(Retraining, _key(model, retraining_id))
        if found is None:
            raise NotFound(f"model {model!r} has no retraining {retraining_id!r}")
        return found

    def attempt(self, asked: Retraining, make: Callable[[Retraining], Retraining]) -> Retraining:
        """Let the table of a retraining be made, and keep what became of it; one that is made already is left alone.

        Parameters
        ----------
        make
            uploads the table; an error that another try will not change is the retraining's problem.

        Raises
        ------
        NotFound
            there is no such retraining.
        StorageError
            a service did not answer; the next try goes on.
        """
        kept = self.retraining(asked.model, asked.id)
        if kept.key or kept.problem or kept.run_id:
            return kept
        try:
            made = make(kept)
        except StorageError:
            raise
        except TidemillError as error:
            made = dataclasses.replace(kept, problem=str(error))
        self.amend(made)
        return made

    def amend(self, retraining: Retraining) -> None:
        """Write what became of a retraining, keeping the run that its table may have started already.

        Raises NotFound, StorageError.
        """
        self._change(retraining.model, retraining.id, lambda kept: dataclasses.replace(retraining, run_id=kept.run_id))

    def fail(self, retraining: Retraining, problem: str) -> None:
        """Say why a retraining has no table, unless it has one by now. Raises NotFound, StorageError."""

        def failed(kept: Retraining) -> Retraining:
            return kept if kept.key or kept.run_id else dataclasses.replace(kept, problem=problem)

        self._change(retraining.model, retraining.id, failed)

    def claimed(self, run: Run) -> Run:
        """The run as a retraining's when its table is the one that a retraining has composed, else as it is.

        What a person uploads under such a name is a person's. Raises ContractError, StorageError.
        """
        retraining_id = keys.retraining_of(keys.parse_upload(run.source.key).file)
        retraining = self.claim_run(run.project, retraining_id, run.run_id) if retraining_id else None
        if retraining is None:
            return run
        return dataclasses.replace(run, started_by=retraining.by, retraining=retraining.id)

    def claim_run(self, model: str, retraining_id: str, run_id: str) -> Retraining | None:
        """Say which run the table of a retraining has started, and return the retraining.

        Only the first table of that name is the retraining's: None when another one was it, when the retraining has
        ended without a table, or when there is no such retraining. Raises StorageError.
        """

        def started(kept: Retraining) -> Retraining:
            return kept if kept.run_id or kept.problem else dataclasses.replace(kept, run_id=run_id)

        try:
            retraining = self._change(model, retraining_id, started)
        except NotFound:
            return None
        return retraining if retraining.run_id == run_id else None

    def _change(self, model: str, retraining_id: str, change: Callable[[Retraining], Retraining]) -> Retraining:
        """Replace a record by what is made of it, on the condition that nobody else has replaced it meanwhile."""
        key = _key(model, retraining_id)
        for attempt in range(ATTEMPTS):
            item = self._item(key)
            if item is None:
                raise NotFound(f"model {model!r} has no retraining {retraining_id!r}")
            kept = loads(Retraining, item["document"])
            new = change(kept)
            if new == kept:
                return kept
            put = self._put_action(key, _item(new, item["revision"] + 1))
            put["Put"] |= {
                "ConditionExpression": "revision = :revision",
                "ExpressionAttributeValues": pack({":revision": item["revision"]}),
            }
            if self._transact(f"write a retraining of {model}", put):
                return new
            self._sleep(backoff(retraining_id, attempt))
        raise StorageError(f"could not write the retraining {retraining_id}: others keep writing it; try again")


def _pk(model: str) -> str:
    return f"RETRAINING#{model}"


def _key(model: str, retraining_id: str) -> Item:
    return {"pk": _pk(model), "sk": f"RETRAINING#{retraining_id}"}


def _item(retraining: Retraining, revision: int = 1) -> Item:
    return {"document": dumps(retraining).decode(), "revision": revision}


def _run(registry: Registry, run_id: str | None) -> RunRecord | None:
    if run_id is None:
        return None
    try:
        return registry.run(run_id)
    except NotFound:
        return None
