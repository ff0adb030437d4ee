"""The deployed stack as the verbs see it: its outputs and its clients, local or on AWS.

Which stack is meant, first match wins: the endpoint given (`aws` means AWS itself), the
profile given, `AWS_ENDPOINT_URL`, the local stack that `tidemill up` recorded.
"""

from __future__ import annotations

import functools
import json
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import localstack_client.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ConnectionError, HTTPClientError, ProfileNotFound
from localstack_client import config as localstack_config

from tidemill.aws import clients
from tidemill.errors import TidemillError

STACK_NAME = "tidemill"
REGION = "us-east-1"
AWS = "aws"
#: The answer of an invocation comes when the function has ended, and it is asked for once.
INVOCATION = clients.Limits(connect=3, read=910, attempts=1)
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class StackError(TidemillError):
    """The stack is not running, not deployed or not reachable; the message says which and the way out."""


def project_root() -> Path:
    """The folder of the checkout, where template.yaml is."""
    return Path(__file__).resolve().parents[2]


def state_dir() -> Path:
    """Where the local stack keeps its data, logs and stack.json: TIDEMILL_STATE, or .tidemill in the checkout."""
    return Path(os.environ.get("TIDEMILL_STATE") or project_root() / ".tidemill").absolute()


def recorded_endpoint() -> str | None:
    """The endpoint of the local stack that `tidemill up` started or deployed to, if there is one."""
    try:
        document = json.loads((state_dir() / "stack.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    endpoint = document.get("endpoint")
    return endpoint if isinstance(endpoint, str) else None


class LocalSession(localstack_client.session.Session):  # type: ignore[misc]
    """A localstack_client session whose every service is at the endpoint given, whatever the environment says.

    Without a profile it acts as the root user of the emulator's account.
    """

    def __init__(self, endpoint: str, region: str, profile: str | None = None) -> None:
        key, secret = _keys(profile) if profile else ("test", "test")
        super().__init__(aws_access_key_id=key, aws_secret_access_key=secret, region_name=region)
        self._service_endpoint_mapping: dict[str, str] = dict.fromkeys(
            localstack_config.get_service_endpoints(), endpoint
        )


def _keys(profile: str) -> tuple[str, str]:
    """Access key id and secret of an AWS profile. Raises StackError."""
    try:
        found = boto3.session.Session(profile_name=profile).get_credentials()
    except ProfileNotFound as error:
        raise _no_profile(profile) from error
    if found is None:
        raise StackError(f"the AWS profile {profile!r} has no access key: `aws configure --profile {profile}`")
    return found.access_key, found.secret_key


def _no_profile(profile: str | None) -> StackError:
    return StackError(f"there is no AWS profile named {profile!r}: `aws configure --profile` makes one")


@dataclass(frozen=True)
class Stack:
    """One deployed stack.

    Attributes
    ----------
    name
        name of the CloudFormation stack
    region
        AWS region, `us-east-1` at an endpoint unless told otherwise
    endpoint
        URL of the AWS-compatible endpoint, None for AWS itself
    profile
        AWS profile, None for the default credentials
    """

    name: str
    region: str
    endpoint: str | None
    profile: str | None = None
    _clients: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    @classmethod
    def connect(
        cls,
        endpoint: str | None = None,
        stack_name: str = STACK_NAME,
        region: str | None = None,
        profile: str | None = None,
    ) -> Stack:
        """Find the stack that is meant; nothing is asked over the network before `outputs` or a client is used.

        Raises
        ------
        StackError
            no stack is named and no local one is recorded, or no region is known for AWS.
        """
        if endpoint is None and profile is None:
            endpoint = os.environ.get("AWS_ENDPOINT_URL") or recorded_endpoint()
            if endpoint is None:
                raise StackError(
                    "no stack is named: start the local one with `tidemill up`, "
                    "or name one by --endpoint URL, --endpoint aws or --profile NAME"
                )
        if endpoint is not None and endpoint != AWS:
            return cls(stack_name, region or REGION, endpoint.rstrip("/"), profile)
        try:
            region = region or boto3.session.Session(profile_name=profile).region_name
        except ProfileNotFound as error:
            raise _no_profile(profile) from error
        if region is None:
            raise StackError("no AWS region is set: give --region, AWS_REGION or a profile that has one")
        return cls(stack_name, region, None, profile)

    @property
    def is_local(self) -> bool:
        """Whether the endpoint is on this machine."""
        return self.endpoint is not None and urlsplit(self.endpoint).hostname in LOOPBACK

    def client(self, service: str) -> Any:
        """The client of a service, by boto3's name for it; one of each, safe to share between threads."""
        with self._lock:
            if service not in self._clients:
                self._clients[service] = self._create(service)
            return self._clients[service]

    def _create(self, service: str) -> Any:
        config = clients.config(INVOCATION if service == "lambda" else clients.PATIENT)
        if self.endpoint is not None:
            config = config.merge(Config(s3={"addressing_style": "path"}))
            return LocalSession(self.endpoint, self.region, self.profile).client(service, config=config)
        session = boto3.session.Session(profile_name=self.profile, region_name=self.region)
        return session.client(service, config=config)

    def status(self) -> str | None:
        """The CloudFormation stack's status, None when there is no such stack.

        Raises
        ------
        StackError
            nothing answers, or the credentials are refused.
        """
        described = self._describe()
        return None if described is None else str(described["StackStatus"])

    @functools.cached_property
    def outputs(self) -> Mapping[str, str]:
        """The stack's outputs: DataBucket, ArtifactBucket, Table, ApiUrl, ApiKeyId, TrainingStateMachine, ...

        Raises
        ------
        StackError
            nothing answers, the credentials are refused, or the stack is not deployed there.
        """
        described = self._describe()
        if described is None:
            raise StackError(f"the stack {self.name} is not deployed at {self._where}: {self._deploy_hint}")
        outputs = {item["OutputKey"]: item["OutputValue"] for item in described.get("Outputs", ())}
        if not outputs:
            raise StackError(
                f"the stack {self.name} at {self._where} is {described['StackStatus']}: {self._deploy_hint}"
            )
        return outputs

    def _describe(self) -> dict[str, Any] | None:
        try:
            answer = self.client("cloudformation").describe_stacks(StackName=self.name)
        except (ConnectionError, HTTPClientError) as error:
            way_out = "start it with `tidemill up`" if self.is_local else "check the address and the network"
            raise StackError(f"nothing answers at {self._where}: {way_out}") from error
        except ClientError as error:
            if error.response["Error"].get("Code") == "ValidationError":
                return None
            raise StackError(f"{self._where} refused the request: {error}") from error
        except BotoCoreError as error:
            raise StackError(f"{self._where} cannot be asked: {error}") from error
        described: dict[str, Any] = answer["Stacks"][0]
        return described

    @property
    def _where(self) -> str:
        return self.endpoint or f"AWS in {self.region}"

    @property
    def _deploy_hint(self) -> str:
        return "deploy it with `tidemill up`" if self.endpoint else "deploy it with `sam build && sam deploy`"
