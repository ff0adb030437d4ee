"""Count a model's new predictions, and join new true outcomes to them, a part at a time."""

import functools
from typing import Any, NamedTuple

from aws_lambda_powertools import Logger

from tidemill import settings, spec
from tidemill.aws import clients, project_specs
from tidemill.aws.answered_reviews import AnsweredReviews
from tidemill.aws.monitoring_files import MonitoringFiles
from tidemill.aws.monitoring_records import MonitoringRecords
from tidemill.aws.objects import Objects
from tidemill.aws.registry import Registry
from tidemill.aws.version_files import VersionFiles, in_service
from tidemill.contracts import from_json, to_json
from tidemill.monitoring.stock import Stock
from tidemill.monitoring_contracts import Due, Summarized, WatchState

logger = Logger(service="summarize")


class Connections(NamedTuple):
    """Bucket and registry."""

    objects: Objects
    registry: Registry
    records: MonitoringRecords
    reviews: AnsweredReviews


def summarize(due: Due, bucket: str, to: Connections) -> Summarized:
    """Count and join what is new, or a part of it; a look that was faster than this one keeps what it has written."""
    declared = spec.parse(project_specs.document(bucket, to.objects, due.model)).monitor
    champion, versions = in_service(to.registry, due.model), VersionFiles(bucket, to.objects)
    answered = functools.partial(to.reviews.entries, due.model)
    stock = Stock.of(due.model, declared, MonitoringFiles(bucket, to.objects), versions, champion, answered)
    state = to.records.watch_state(due.model)
    look = stock.look(due, state or WatchState(due.model, due.at, revision=0))
    while not to.records.swap_watch_state(look.state, state.revision if state else None):
        state = to.records.watch_state(due.model)
        look = look.after(state or WatchState(due.model, due.at, revision=0))
    return look.summarized


@functools.cache
def connections(table: str) -> Connections:
    """S3 and the registry, connected once in a process."""
    dynamodb = clients.dynamodb()
    records, reviews = MonitoringRecords(dynamodb, table), AnsweredReviews(dynamodb, table)
    return Connections(Objects(clients.s3()), Registry(dynamodb, table), records, reviews)


def handler(event: dict[str, Any], _context: object) -> Any:
    """{"due": Due} -> Summarized. Raises NotFound, ContractError, StorageError."""
    due, config = from_json(Due, event["due"]), settings.load(settings.SummarizeSettings)
    logger.append_keys(model=due.model)
    summarized = summarize(due, config.artifact_bucket, connections(config.table))
    logger.info("counted", captures=summarized.captures, labels=summarized.labels, more=summarized.more)
    return to_json(summarized)
