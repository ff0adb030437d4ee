"""The secret of the masks in S3: made once, whoever comes first."""

from __future__ import annotations

from collections.abc import Iterator

import boto3
import pytest
from moto import mock_aws

from tidemill import keys
from tidemill.aws import mask_keys
from tidemill.aws.objects import Objects


@pytest.fixture
def objects() -> Iterator[Objects]:
    with mock_aws():
        s3 = boto3.client("s3", region_name="us-east-1")
        s3.create_bucket(Bucket="artifacts")
        yield Objects(s3)


def test_the_secret_is_made_once(objects: Objects) -> None:
    first = mask_keys.made("artifacts", objects, lambda size: b"a" * size)
    assert first == b"a" * 32
    assert mask_keys.made("artifacts", objects, lambda size: b"b" * size) == first
    assert objects.get("artifacts", keys.mask_key()) == first


def test_of_two_that_come_at_once_both_have_the_first_ones(objects: Objects) -> None:
    def overtaken(size: int) -> bytes:
        mask_keys.made("artifacts", objects, lambda size: b"a" * size)
        return b"b" * size

    assert mask_keys.made("artifacts", objects, overtaken) == b"a" * 32
