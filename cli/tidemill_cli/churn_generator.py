"""The project's own example: customers of a telephone company, and whether they left within the month.

`customers` makes the table to learn from, as it was at the end of December 2024;
`drifted_month` makes the customers of June 2025, when the company had raised its prices,
sold mostly monthly contracts, introduced a payment method and had trouble with its fibre
network. What makes people leave has changed with it: the newcomers, cheap for a year,
stay, and the faithful, whose prices rose, go. So a model of the first table is clearly
worse on the second, and a monitor should say so.

The same arguments give the same bytes on every machine: only `random.Random.random` is
drawn from (its sequence is guaranteed), and normal deviates are sums of twelve draws.
"""

from __future__ import annotations

import csv
import io
import math
import random
from dataclasses import dataclass

COLUMNS = (
    "customer_id",
    "signup_date",
    "tenure",
    "contract",
    "internet",
    "payment_method",
    "paperless_billing",
    "senior",
    "region",
    "support_calls",
    "monthly_charges",
    "total_charges",
    "Churn",
)
TARGET = "Churn"


@dataclass(frozen=True)
class Market:
    """What differs between the two tables. Shares are of customers and sum to one in each mapping."""

    year: int
    month: int  #: of the snapshot
    first_id: int
    contracts: dict[str, float]
    payments: dict[str, float]
    price_factor: float
    fibre_calls: float  #: mean number of support calls that fibre adds
    intercept: float  #: of the log-odds of leaving
    price_weight: float  #: log-odds per 10 dollars above 70
    tenure_weight: float  #: log-odds per year, up to six
    contract_effect: dict[str, float]  #: log-odds
    newcomer_effect: float  #: log-odds in the first four months of a monthly contract


DECEMBER_2024 = Market(
    year=2024,
    month=12,
    first_id=100_000,
    contracts={"month-to-month": 0.55, "one year": 0.22, "two years": 0.23},
    payments={"bank transfer": 0.27, "card": 0.29, "electronic check": 0.28, "mailed check": 0.16},
    price_factor=1.0,
    fibre_calls=0.5,
    intercept=-1.05,
    price_weight=0.22,
    tenure_weight=-0.42,
    contract_effect={"month-to-month": 0.85, "one year": -0.75, "two years": -1.9},
    newcomer_effect=1.3,
)
JUNE_2025 = Market(
    year=2025,
    month=6,
    first_id=200_000,
    contracts={"month-to-month": 0.74, "one year": 0.17, "two years": 0.09},
    payments={"bank transfer": 0.19, "card": 0.27, "electronic check": 0.24, "mailed check": 0.08, "wallet": 0.22},
    price_factor=1.18,
    fibre_calls=1.4,
    intercept=-1.75,
    price_weight=0.3,
    tenure_weight=0.05,
    contract_effect={"month-to-month": 0.0, "one year": 0.3, "two years": -0.6},
    newcomer_effect=-0.5,
)

INTERNET = {"dsl": 0.35, "fibre": 0.44, "none": 0.21}
REGIONS = {"north": 0.31, "east": 0.22, "south": 0.28, "west": 0.19}
BASE_PRICE = {"dsl": 52.0, "fibre": 83.0, "none": 22.0}
PAYMENT_EFFECT = {"electronic check": 0.45, "wallet": -0.3}


def customers(rows: int = 5000, seed: int = 0) -> bytes:
    """The table to learn from, CSV in UTF-8 with one header line."""
    return _table(DECEMBER_2024, rows, seed)


def drifted_month(rows: int = 1500, seed: int = 1) -> bytes:
    """Other customers half a year later, with the same columns."""
    return _table(JUNE_2025, rows, seed)


def _table(market: Market, rows: int, seed: int) -> bytes:
    draw = random.Random(seed)  # noqa: S311 - an example, no secret
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(_customer(market, draw, market.first_id + number) for number in range(rows))
    return text.getvalue().encode()


def _customer(market: Market, draw: random.Random, number: int) -> tuple[object, ...]:
    contract = _choose(draw, market.contracts)
    # Who may leave every month has often come lately; long contracts keep people for years.
    tenure = int(73 * draw.random() ** (2.0 if contract == "month-to-month" else 0.8))
    internet = _choose(draw, INTERNET)
    payment = _choose(draw, market.payments)
    paperless = draw.random() < (0.45 if payment == "mailed check" else 0.66)
    senior = draw.random() < 0.16
    region = _choose(draw, REGIONS)
    calls = _count(draw, 0.8 + (market.fibre_calls if internet == "fibre" else 0.0) + (0.4 if senior else 0.0))
    monthly = round(max(18.0, BASE_PRICE[internet] * market.price_factor + 9.0 * _normal(draw)), 2)
    total = round(max(0.0, tenure * monthly * (1.0 - 0.06 * draw.random())), 2)

    free = contract == "month-to-month"
    odds = market.intercept + market.contract_effect[contract] + PAYMENT_EFFECT.get(payment, 0.0)
    odds += market.price_weight * (monthly - 70.0) / 10.0 * (1.5 if free else 0.2)
    odds += market.tenure_weight * min(tenure / 12.0, 6.0)
    odds += (0.9 if senior else 0.3) if internet == "fibre" else 0.0
    # Some calls are normal; from the fourth on people are about to go, unless a contract holds them.
    odds += (2.2 if free else 0.6) if calls >= 4 else 0.1 * calls
    odds += market.newcomer_effect if free and tenure < 4 else 0.0
    leaves = draw.random() < 1.0 / (1.0 + math.exp(-odds))

    return (
        f"C-{number}",
        _signup(market, tenure, day=1 + int(28 * draw.random())),
        tenure,
        contract,
        internet,
        payment if draw.random() >= 0.015 else "",
        "yes" if paperless else "no",
        "yes" if senior else "no",
        region,
        calls if draw.random() >= 0.03 else "",
        f"{monthly:.2f}",
        f"{total:.2f}" if tenure else "",  # nothing was billed yet
        "Yes" if leaves else "No",
    )


def _signup(market: Market, tenure: int, day: int) -> str:
    years, month = divmod(market.year * 12 + market.month - 1 - tenure, 12)
    return f"{years:04d}-{month + 1:02d}-{day:02d}"


def _choose(draw: random.Random, shares: dict[str, float]) -> str:
    left = draw.random()
    for value, share in shares.items():
        left -= share
        if left < 0:
            return value
    return value


def _normal(draw: random.Random) -> float:
    """A standard normal deviate, nearly: the sum of twelve uniform draws."""
    return sum(draw.random() for _ in range(12)) - 6.0


def _count(draw: random.Random, mean: float) -> int:
    """A Poisson deviate, by multiplying uniform draws (Knuth, The Art of Computer Programming, 3.4.1)."""
    limit, product, count = math.exp(-mean), draw.random(), 0
    while product > limit:
        product *= draw.random()
        count += 1
    return count
