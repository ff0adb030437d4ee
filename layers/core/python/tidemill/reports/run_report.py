"""The report of a training run: one self-contained HTML page for people."""

from __future__ import annotations

from collections.abc import Callable

from tidemill.contracts import SUPERVISED, RunArtifacts, RunDocument
from tidemill.reports import (
    contract_section,
    data_sections,
    model_sections,
    page,
    release_sections,
    retraining_section,
    search_sections,
    structure_sections,
    summary,
    trust_sections,
    verdict,
)
from tidemill.reports.elements import Records, Section

_USUAL: tuple[Callable[[Records], Section | None], ...] = (
    model_sections.quality,
    retraining_section.retraining,
    model_sections.drivers,
    trust_sections.parts,
    trust_sections.certainty,
    model_sections.curves,
    search_sections.search,
    search_sections.features,
    data_sections.findings,
    data_sections.data,
    contract_section.contract,
    release_sections.release,
    release_sections.usage,
    release_sections.cost,
    release_sections.origin,
)
_WITHOUT_TARGET: tuple[Callable[[Records], Section | None], ...] = (
    model_sections.quality,
    structure_sections.found,
    structure_sections.drivers,
    *_USUAL[_USUAL.index(search_sections.search) :],
)
#: What a refusal is about comes first.
_FIRST = {
    "REFUSED_DATA": data_sections.findings,
    "REFUSED_BY_GATE": release_sections.release,
    "WAITING_FOR_APPROVAL": release_sections.release,
}


def render(document: RunDocument, found: RunArtifacts) -> str:
    """The report of a run that has ended, as the text of `report.html`.

    Pure: no clock, no environment, no file but the bundled assets; the same arguments
    give the same bytes. A run may end before an artifact exists; the sections that need
    it are then left out.

    Parameters
    ----------
    document : the run's document, also of a refused or failed run
    found : what the run's stages have left
    """
    records = Records(
        document,
        found.profile,
        found.evaluation,
        found.lineage,
        found.signature,
        found.contract,
        found.features,
        found.retraining,
    )
    first = _FIRST.get(document.status)
    usual = _WITHOUT_TARGET if records.evaluation and records.evaluation.task not in SUPERVISED else _USUAL
    builders = usual if first is None else (first, *(builder for builder in usual if builder is not first))
    sections = [section for section in (builder(records) for builder in builders) if section]
    title = f"{summary.model_name(document)} · {verdict.STATUS_WORDS[document.status]} · Tidemill"
    state = document.status.lower().replace("_", "-")
    return page.document(title, state, verdict.verdict(records), sections)
