"""An alert in words: what was found about a model in production, since when, and what to do next."""

from __future__ import annotations

from tidemill.monitoring_contracts import Decision, Finding
from tidemill.reports import formats

#: Findings that are told one by one.
TOLD = 20
KINDS = {
    "drift": "drift",
    "prediction_drift": "drift of the predictions",
    "domain_drift": "drift of the whole input",
    "data_quality": "faults in the input",
    "estimated_quality": "loss of quality, as estimated without labels",
    "quality": "loss of quality",
    "errors": "failed calls",
    "latency": "slow answers",
    "staleness": "staleness",
}


def words(decision: Decision) -> tuple[str, str]:
    """Subject and text of an alert."""
    kinds = list(dict.fromkeys(KINDS[finding.kind] for finding in decision.findings))
    subject = f"{decision.model}: {formats.listed(kinds)}" if kinds else f"{decision.model}: {decision.reason}"
    more = len(decision.findings) - TOLD
    # A first version has nothing before it.
    back = [f"Take the version back: tidemill rollback {decision.model}"] if decision.version > 1 else []
    lines = [
        f"Version {decision.version} of {decision.model}, in the window that ended at {decision.point}:",
        "",
        *(_line(finding) for finding in decision.findings[:TOLD]),
        *([f"- and {more} more"] if more > 0 else []),
        "",
        f"Look at it:           tidemill monitor {decision.model} --open",
        f"Train it again:       tidemill retrain {decision.model} --follow",
        *back,
        "",
        f"Rule: {decision.rule}",
    ]
    return subject, "\n".join(lines) + "\n"


def _line(finding: Finding) -> str:
    since = f" (since {finding.since})" if finding.since else ""
    return f"- {finding.severity}: {formats.sentence(finding.sentence)}{since}"
