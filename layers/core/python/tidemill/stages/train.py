"""Cross-validating one candidate; refitting the best ones and exporting the model."""

from __future__ import annotations

from collections.abc import Callable

from tidemill import keys
from tidemill.aws.objects import Objects
from tidemill.contracts import SUPERVISED, CandidateRef, CandidateScore, Refitted, Round
from tidemill.learning import fitting
from tidemill.learning.out_of_fold import OutOfFold
from tidemill.learning.plan import Plan
from tidemill.learning.rows import Rows


def train(
    run_id: str,
    one: CandidateRef,
    of: Round,
    plan: Plan,
    bucket: str,
    objects: Objects,
    clock: Callable[[], float],
) -> CandidateScore:
    """Store the candidate's cross-validated result, also when it could not be fitted.

    Parameters
    ----------
    of
        the round of the search that the candidate is in.
    bucket
        the artifact bucket.
    clock
        seconds.

    Raises NotFound, StorageError.
    """
    rows = Rows.load(objects.get(bucket, keys.run_train_rows(run_id)))
    made = fitting.cross_validate(one, plan, rows, clock, of.number, of.fraction)
    for key, data in made.files(run_id).items():
        objects.put(bucket, key, data)
    return fitting.score_of(made.result, plan.metric)


def refit(run_id: str, scores: list[CandidateScore], plan: Plan, bucket: str, objects: Objects) -> Refitted:
    """Store the graphs of the model and the baseline, and what later stages read about them.

    Parameters
    ----------
    scores
        of the search's last round.
    bucket
        the artifact bucket.

    Raises
    ------
    CandidateFailed
        no candidate could be fitted.
    NotFound, StorageError
    """
    from tidemill.learning import refitting  # skl2onnx takes a second to import, which the candidates need not wait for

    rows = Rows.load(objects.get(bucket, keys.run_train_rows(run_id)))
    held_out = Rows.load(objects.get(bucket, keys.run_holdout_rows(run_id)))
    fitted = [one.name for one in scores if one.mean is not None and plan.task in SUPERVISED]
    said = {name: OutOfFold.load(objects.get(bucket, keys.run_out_of_fold(run_id, name))) for name in fitted}
    made = refitting.refit(plan, rows, held_out, scores, said)
    for key, data in made.files(run_id).items():
        objects.put(bucket, key, data)
    return made.refitted()
