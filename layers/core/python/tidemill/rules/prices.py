"""What a run costs: one table of list prices, and pure functions from usage to cost.

Prices are those of one region without any free tier, reserved capacity or support plan;
storage and data transfer are left out, since they follow from what is kept, not from the run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tidemill.contracts import Architecture, Cost, StageCost, StageUsage


@dataclass(frozen=True)
class Prices:
    """List prices in US dollars."""

    date: str
    region: str
    lambda_gb_second: Mapping[Architecture, float]
    lambda_request: float
    transition: float  #: of a standard state machine
    table_write: float  #: of up to 1 KB, on demand
    table_read: float  #: of up to 4 KB, on demand; eventually consistent ones cost half
    s3_put: float  #: also COPY, POST and LIST
    s3_get: float  #: and all others
    api_request: float  #: REST
    queue_request: float

    @property
    def name(self) -> str:
        """Date and region, as documents show them."""
        return f"{self.date}, {self.region}"


PRICES = Prices(
    date="2026-11-24",
    region="us-east-1",
    lambda_gb_second={"x86_64": 0.0000166667, "arm64": 0.0000133334},
    lambda_request=0.20e-6,
    transition=25e-6,
    table_write=0.625e-6,
    table_read=0.125e-6,
    s3_put=5e-6,
    s3_get=0.4e-6,
    api_request=3.50e-6,
    queue_request=0.40e-6,
)


def price(usage: StageUsage, prices: Prices = PRICES) -> StageCost:
    """What a stage's usage costs."""
    usd = (
        usage.gb_seconds * prices.lambda_gb_second[usage.architecture]
        + usage.invocations * prices.lambda_request
        + usage.transitions * prices.transition
        + usage.s3_puts * prices.s3_put
        + usage.s3_gets * prices.s3_get
        + usage.table_writes * prices.table_write
        + usage.table_reads * prices.table_read
        + usage.queue_requests * prices.queue_request
    )
    return StageCost(
        invocations=usage.invocations,
        gb_seconds=usage.gb_seconds,
        transitions=usage.transitions,
        requests=usage.requests,
        usd=usd,
    )


def cost(stages: Mapping[str, StageUsage], prices: Prices = PRICES) -> Cost:
    """The cost of a run from what its stages used, by their names."""
    by_stage = {stage: price(usage, prices) for stage, usage in stages.items()}
    return Cost(usd=sum(stage.usd for stage in by_stage.values()), by_stage=by_stage, prices_of=prices.name)
