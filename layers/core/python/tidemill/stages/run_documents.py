"""A run's document, as of now: for people who decide about the run, and at its end."""

from __future__ import annotations

from datetime import datetime

from tidemill import keys
from tidemill.aws.conclusion import RunPapers
from tidemill.contracts import Run, RunArtifacts, RunDocument
from tidemill.rules import outcomes, prices
from tidemill.rules.outcomes import Outcome


def document(
    run: Run, ended: Outcome, execution: str, endpoint: str, papers: RunPapers, now: datetime
) -> tuple[RunDocument, RunArtifacts]:
    """The document, with the cost until now, and what the run's stages have left, which it was made from.

    Parameters
    ----------
    execution
        ARN of the run's execution.
    endpoint
        where the project's champion is asked for predictions.

    Raises
    ------
    StorageError
        a service did not answer; what is missing or cannot be read stays empty.
    """
    found = papers.collect(run)
    usage = papers.usage(execution, now)
    report = f"s3://{papers.bucket}/{keys.run_report(run.run_id)}"
    cost = prices.cost(usage) if usage else None
    return outcomes.document(run, ended, found, now, endpoint=endpoint, report=report, cost=cost), found
