"""The report of a training run: one self-contained HTML page for people."""

from __future__ import annotations

from tidemill.contracts import Evaluation, Lineage, Profile, RunDocument, Signature


def render(
    document: RunDocument,
    profile: Profile | None = None,
    evaluation: Evaluation | None = None,
    lineage: Lineage | None = None,
    signature: Signature | None = None,
) -> str:
    """The report of a run that has ended, as the text of `report.html`.

    Pure: no clock, no environment, no file but the bundled assets; the same arguments
    give the same bytes. Everything but the document may be None, since a run may end
    before it exists; the sections that need it are then left out.

    Parameters
    ----------
    document : the run's document, also of a refused or failed run
    profile : the profile of the table, also of a refused one that could be read
    evaluation : the holdout evaluation, once a candidate was refitted
    lineage : what the model was made from, once it was registered
    signature : the model's inputs, from which the example call is made
    """
    raise NotImplementedError
