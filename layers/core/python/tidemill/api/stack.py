"""What the views work with: the rooms' adapters, connected once in a process."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from tidemill import keys, spec
from tidemill.api.calls import Request
from tidemill.aws import clients
from tidemill.aws.executions import Executions
from tidemill.aws.functions import Functions
from tidemill.aws.links import UsedLinks
from tidemill.aws.model_standings import ModelStandings
from tidemill.aws.monitoring_files import MonitoringFiles
from tidemill.aws.monitoring_records import MonitoringRecords
from tidemill.aws.objects import Objects
from tidemill.aws.people import ApiKeys, Person
from tidemill.aws.promotion import Releases
from tidemill.aws.retraining import Retrainings
from tidemill.aws.retraining_records import RetrainingRecords
from tidemill.errors import NotFound
from tidemill.settings import ApiSettings
from tidemill.spec import Spec


@dataclass(frozen=True)
class Stack:
    """A deployed stack, from inside."""

    bucket: str  #: of artifacts
    objects: Objects
    monitoring: MonitoringRecords
    releases: Releases
    retrainings: Retrainings
    used_links: UsedLinks
    standings: ModelStandings
    api_keys: ApiKeys
    api_key_id: str
    monitoring_machine: str  #: ARN

    @classmethod
    def connect(cls, config: ApiSettings) -> Stack:
        """With the process's own clients."""
        table, dynamodb = config.table, clients.dynamodb(clients.QUICK)
        releases = Releases.connect(table, config.rollout_state_machine)
        objects = Objects(clients.s3(clients.QUICK))
        return cls(
            bucket=config.artifact_bucket,
            objects=objects,
            monitoring=MonitoringRecords(dynamodb, table),
            releases=releases,
            retrainings=Retrainings(
                RetrainingRecords(dynamodb, table),
                releases.registry,
                MonitoringFiles(config.artifact_bucket, objects),
                Functions(clients.lambda_()),
                config.retrain_function,
            ),
            used_links=UsedLinks(dynamodb, table),
            standings=ModelStandings(dynamodb, table),
            api_keys=ApiKeys(clients.apigateway()),
            api_key_id=config.api_key_id,
            monitoring_machine=config.monitoring_state_machine,
        )

    @property
    def executions(self) -> Executions:
        """The state machines' executions."""
        return self.releases.executions

    def person(self, request: Request) -> Person:
        """Whose API key a call came with. Raises NotAllowed, StorageError."""
        return self.api_keys.owner(request.identity, request.headers.get("x-api-key", ""))

    def refuse_unknown(self, model: str) -> None:
        """Raises NotFound when there is no such model, StorageError."""
        self.releases.registry.versions(model)

    def spec_of(self, key: str) -> Spec:
        """A spec under its key; the default one when none is there. Raises SpecError, StorageError."""
        try:
            declared: Any = json.loads(self.objects.get(self.bucket, key))
        except NotFound:
            declared = {}
        return spec.parse(declared)

    def project_spec(self, project: str) -> Spec:
        """What a project declares now. Raises SpecError, StorageError."""
        return self.spec_of(keys.project_spec(project))
