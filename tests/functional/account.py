"""What moto's account holds at a moment, to be put back, and to be compared with what it holds at another one."""

from __future__ import annotations

import copy
import json
import re
from typing import Any

from moto.core import DEFAULT_ACCOUNT_ID
from moto.dynamodb.models import dynamodb_backends
from moto.s3.models import s3_backends
from moto.stepfunctions.models import stepfunctions_backends

from .conftest import REGION

_USD = re.compile(r'\\"usd\\": [^,]+,')


class Account:
    """Tables, buckets and executions, as they were when this was made."""

    def __init__(self) -> None:
        self._items = {name: copy.deepcopy(table.items) for name, table in _tables().items()}
        self._keys = {name: _versions(bucket) for name, bucket in _buckets().items()}
        self._executions = {machine.arn: list(machine.executions) for machine in _machines()}

    def put_back(self) -> None:
        """Let everything be as it was."""
        for name, table in _tables().items():
            table.items = copy.deepcopy(self._items[name])
        for name, bucket in _buckets().items():
            bucket.keys.clear()
            for key, versions in self._keys[name].items():
                bucket.keys.setlist(key, list(versions))
        for machine in _machines():
            machine.executions[:] = self._executions[machine.arn]


def held() -> dict[str, Any]:
    """What is in the account now, by a name that says where: items of tables, bytes of objects, executions.

    What watching has cost is left out: that is measured in seconds.
    """
    found: dict[str, Any] = {}
    for name, table in _tables().items():
        for item in table.all_items():
            plain = {attribute: value.to_json() for attribute, value in item.attrs.items()}
            key = " ".join(str(plain[attribute]) for attribute in table.table_key_attrs)
            found[f"{name}: {key}"] = _USD.sub("", json.dumps(plain))
    for name, bucket in _buckets().items():
        found |= {f"s3://{name}/{key}": one.value for key, one in bucket.keys.items() if hasattr(one, "value")}
    for machine in _machines():
        found |= {execution.execution_arn: execution.execution_input for execution in machine.executions}
    return found


def _versions(bucket: Any) -> dict[str, list[Any]]:
    """The versions of every object; moto never changes one, but puts another one behind it."""
    return {key: list(versions) for key, versions in bucket.keys.lists()}


def _tables() -> dict[str, Any]:
    return dynamodb_backends[DEFAULT_ACCOUNT_ID][REGION].tables


def _buckets() -> dict[str, Any]:
    return s3_backends[DEFAULT_ACCOUNT_ID]["aws"].buckets


def _machines() -> list[Any]:
    return stepfunctions_backends[DEFAULT_ACCOUNT_ID][REGION].state_machines
