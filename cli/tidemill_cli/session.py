"""What a verb works with: the options before the verb, the stack they mean, and the rooms' adapters on it."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from tidemill.contracts import instant

if TYPE_CHECKING:
    from tidemill.aws.executions import Executions
    from tidemill.aws.monitoring_records import MonitoringRecords
    from tidemill.aws.objects import Objects
    from tidemill.aws.people import Person
    from tidemill.aws.promotion import Releases
    from tidemill.aws.registry import Registry
    from tidemill.aws.retraining import Retrainings
    from tidemill.aws.traffic_records import TrafficRecords
    from tidemill_cli.prediction_api import PredictionApi
    from tidemill_cli.stack import Stack


@dataclass
class Session:
    """Made once per command; everything else is made on first use, so that `--help` imports no SDK."""

    endpoint: str | None = None
    profile: str | None = None
    region: str | None = None
    stack_name: str = "tidemill"
    debug: bool = False
    answered: bool = False  #: whether a JSON document has been printed on stdout

    @functools.cached_property
    def stack(self) -> Stack:
        """The deployed stack. Raises StackError when none is meant."""
        from tidemill_cli.stack import Stack

        return Stack.connect(self.endpoint, self.stack_name, self.region, self.profile)

    @functools.cached_property
    def objects(self) -> Objects:
        """Both buckets' objects."""
        from tidemill.aws.objects import Objects

        return Objects(self.stack.client("s3"))

    @functools.cached_property
    def registry(self) -> Registry:
        """Runs, models, versions and aliases."""
        from tidemill.aws.registry import Registry

        return Registry(self.stack.client("dynamodb"), self.output("Table"))

    @functools.cached_property
    def monitoring(self) -> MonitoringRecords:
        """What watching has seen and decided."""
        from tidemill.aws.monitoring_records import MonitoringRecords

        return MonitoringRecords(self.stack.client("dynamodb"), self.output("Table"))

    @functools.cached_property
    def traffic(self) -> TrafficRecords:
        """How the models' calls are spread over their versions."""
        from tidemill.aws.traffic_records import TrafficRecords

        return TrafficRecords(self.stack.client("dynamodb"), self.output("Table"))

    @functools.cached_property
    def executions(self) -> Executions:
        """The state machines' executions."""
        from tidemill.aws.executions import Executions

        return Executions(self.stack.client("stepfunctions"))

    @functools.cached_property
    def api(self) -> PredictionApi:
        """The HTTP endpoint, with its key."""
        from tidemill_cli.prediction_api import PredictionApi

        return PredictionApi(self.output("ApiUrl"), self.api_key)

    @functools.cached_property
    def api_key(self) -> str:
        """The value of the API key that the stack made."""
        answer = self.stack.client("apigateway").get_api_key(apiKey=self.output("ApiKeyId"), includeValue=True)
        return str(answer["value"])

    @functools.cached_property
    def releases(self) -> Releases:
        """Promotions, rollouts, freezes and votes."""
        from tidemill.aws.promotion import Releases
        from tidemill.aws.release_records import ReleaseRecords

        records = ReleaseRecords(self.stack.client("dynamodb"), self.output("Table"))
        machine = self.output("RolloutStateMachine")
        return Releases(self.registry, records, self.traffic, self.executions, machine)

    @functools.cached_property
    def retrainings(self) -> Retrainings:
        """Trainings that no upload starts."""
        from tidemill.aws.functions import Functions
        from tidemill.aws.monitoring_files import MonitoringFiles
        from tidemill.aws.retraining import Retrainings
        from tidemill.aws.retraining_records import RetrainingRecords

        records = RetrainingRecords(self.stack.client("dynamodb"), self.output("Table"))
        files, functions = MonitoringFiles(self.artifact_bucket, self.objects), Functions(self.stack.client("lambda"))
        return Retrainings(records, self.registry, files, functions, self.output("RetrainFunction"))

    @functools.cached_property
    def person(self) -> Person:
        """Who is doing this: the caller of the credentials. Raises StorageError."""
        from tidemill.aws import people

        return people.caller(self.stack.client("sts"))

    @property
    def actor(self) -> str:
        """Who is doing this, for the audit log: the caller's ARN."""
        return self.person.name

    @property
    def data_bucket(self) -> str:
        """Where people put tables."""
        return self.output("DataBucket")

    @property
    def artifact_bucket(self) -> str:
        """Where runs put what they made."""
        return self.output("ArtifactBucket")

    def output(self, name: str) -> str:
        """An output of the stack. Raises StackError when the deployed stack is another one, or an older one."""
        from tidemill_cli.stack import StackError

        try:
            return self.stack.outputs[name]
        except KeyError as error:
            raise StackError(
                f"the stack {self.stack_name} has no output {name}: it is no Tidemill stack, or an older one; "
                "deploy it again"
            ) from error

    def now(self) -> str:
        """The time for the audit log: UTC, ISO 8601, with Z."""
        return instant(datetime.now(UTC))


pass_session = click.make_pass_decorator(Session)
