"""The contracts read back what they wrote, and refuse what does not fit by naming the field."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill import contracts
from tidemill.errors import ContractError

SOURCE = contracts.Source("data", "incoming/churn/a.csv", "v1", "e1", 10)
RUN = contracts.Run("0" * 32, "churn", SOURCE, "2026-01-01T00:00:00Z", "arn:aws:iam::1:user/a")


def test_a_run_reads_back_from_its_own_json() -> None:
    assert contracts.loads(contracts.Run, contracts.dumps(RUN)) == RUN


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"project": None}, "Run.project must be text, not None"),
        ({"source": "s3://data/a.csv"}, "Run.source must be an object"),
        ({"source": {**contracts.to_json(SOURCE), "size": "10"}}, "Run.source.size must be a whole number, not '10'"),
        ({"source": {**contracts.to_json(SOURCE), "size": True}}, "Run.source.size must be a whole number, not True"),
    ],
)
def test_a_wrong_field_is_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ContractError, match=message.replace(".", r"\.")):
        contracts.from_json(contracts.Run, contracts.to_json(RUN) | change)


def test_a_missing_field_is_named() -> None:
    document = contracts.to_json(RUN)
    del document["source"]["etag"]
    with pytest.raises(ContractError, match=r"Run\.source\.etag is missing"):
        contracts.from_json(contracts.Run, document)


def test_an_unknown_field_is_ignored_so_that_newer_writers_can_add_one() -> None:
    assert contracts.from_json(contracts.Run, contracts.to_json(RUN) | {"colour": "red"}) == RUN


def test_a_literal_accepts_its_values_only() -> None:
    check = {"name": "rows", "column": None, "verdict": "maybe", "detail": ""}
    with pytest.raises(ContractError, match=r"Check\.verdict must be one of 'pass', 'warn', 'refuse', not 'maybe'"):
        contracts.from_json(contracts.Check, check)


def test_text_that_is_no_json_is_refused() -> None:
    with pytest.raises(ContractError, match="Run is not valid JSON"):
        contracts.loads(contracts.Run, b"{")


def test_numbers_that_json_cannot_hold_become_null() -> None:
    document = json.loads(contracts.dumps(contracts.Spread(float("nan"), float("inf"))))
    assert document == {"mean": None, "std": None}


@given(
    st.builds(
        contracts.CandidateResult,
        name=st.text(),
        params=st.dictionaries(st.text(), st.integers() | st.text() | st.none() | st.lists(st.integers())),
        cv=st.dictionaries(
            st.text(),
            st.builds(
                contracts.Spread,
                mean=st.floats(allow_nan=False, allow_infinity=False),
                std=st.floats(allow_nan=False, allow_infinity=False),
            ),
        ),
        seconds=st.floats(min_value=0, max_value=1e9),
        error=st.none() | st.text(),
    )
)
def test_any_candidate_result_survives_writing_and_reading(result: contracts.CandidateResult) -> None:
    written = contracts.dumps(result)
    assert contracts.loads(contracts.CandidateResult, written) == result
    assert contracts.dumps(contracts.loads(contracts.CandidateResult, written)) == written
