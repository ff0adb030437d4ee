"""Count a model's new predictions, and join new true outcomes to them, a part at a time."""

import functools
from typing import Any

from aws_lambda_powertools import Logger

from tidemill import settings, spec
from tidemill.aws import clients
from tidemill.aws.answered_reviews import AnsweredReviews
from tidemill.aws.monitored_models import MonitoredModels
from tidemill.contracts import from_json, to_json
from tidemill.monitoring.progress import Progress
from tidemill.monitoring.stock import Stock
from tidemill.monitoring_contracts import Due, Summarized

logger = Logger(service="summarize")


def summarize(due: Due, models: MonitoredModels, reviews: AnsweredReviews) -> Summarized:
    """Count and join what is new, or a part of it."""
    declared = spec.parse(models.spec(due.model)).monitor
    champion = models.champion(due.model)
    answered = functools.partial(reviews.entries, due.model)
    progress = Progress(due, models.records)
    return Stock.of(progress, declared, models.files, models.versions, champion, answered).look(due)


@functools.cache
def connections(bucket: str, table: str) -> tuple[MonitoredModels, AnsweredReviews]:
    """Bucket and registry, connected once in a process."""
    return MonitoredModels.connect(bucket, table), AnsweredReviews(clients.dynamodb(), table)


def handler(event: dict[str, Any], _context: object) -> Any:
    """{"due": Due} -> Summarized. Raises NotFound, ContractError, StorageError."""
    due, config = from_json(Due, event["due"]), settings.load(settings.SummarizeSettings)
    logger.append_keys(model=due.model)
    summarized = summarize(due, *connections(config.artifact_bucket, config.table))
    logger.info("counted", captures=summarized.captures, labels=summarized.labels, more=summarized.more)
    return to_json(summarized)
