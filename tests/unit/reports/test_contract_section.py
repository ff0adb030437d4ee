"""The data contract as the report shows it, and findings by what they are about."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from tidemill.contracts import (
    Check,
    ColumnConstraints,
    ColumnProfile,
    DataContract,
    PersonalData,
    Profile,
    Reading,
    RunArtifacts,
    RunDocument,
)
from tidemill.reports.run_report import render

RUN, FIRST = "2" * 32, "1" * 32
CONTRACT = DataContract(
    FIRST,
    "0f1e2d3c4b5a6978",
    7043,
    (
        ColumnConstraints("id", "category", 1.0, unique=True, reasons={"unique": "it names the rows"}),
        ColumnConstraints(
            "tenure", "number", 0.934, minimum=0.0, reasons={"type": "all 9 present values were numbers"}
        ),
        ColumnConstraints("plan", "category", 1.0, tuple("abcdefg"), 0.995, reasons={"values": "the <spec> says so"}),
        ColumnConstraints("remark", optional=True),
    ),
)
BREACHES = (
    Check("contract_missing_column", "remark", "refuse", "the column 'remark' of the data contract is missing"),
    Check("contract_domain", "plan", "warn", "'plan' has values outside its domain"),
)


@pytest.fixture
def page() -> Any:
    def rendering(
        *checks: Check, contract: DataContract | None = CONTRACT, run: str = RUN, profile: Profile | None = None
    ) -> str:
        document = RunDocument(
            run, "REFUSED_DATA", "refused", "churn", "binary", "churn", None, checks, (), None, {}, None, None, None,
            None, 1.0,
        )  # fmt: skip
        return render(document, RunArtifacts(profile=profile, checks=checks, contract=contract))

    return rendering


def section(page: str, key: str) -> str:
    found = re.search(rf'<section id="{key}">(.*?)</section>', page, re.DOTALL)
    assert found
    return found[1]


def text(markup: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", markup).split())


def test_a_later_table_is_told_what_it_does_not_hold_first(page: Any) -> None:
    shown = section(page(*BREACHES), "contract")
    assert "of 7,043 rows, has suggested what later ones must hold" in text(shown)
    assert "2 columns of this table do not." in text(shown)
    names = re.findall(r'<details class="column held"><summary><span><b class="name">(\w+)</b>', shown)
    assert names == ["plan", "remark", "id", "tenure"]
    assert '<span class="mark refuse">refused</span>' in shown
    assert '<span class="mark warn">warning</span>' in shown


def test_every_constraint_is_told_with_its_reason(page: Any) -> None:
    shown = text(section(page(), "contract"))
    assert "id every value once text every row any holds" in shown
    assert "tenure numbers at least 93.4% not negative holds" in shown
    assert "a, b, c, d and 3 more in at least 99.5% of the rows" in shown
    assert "The values: a, b, c, d, e, f, g" in shown
    assert "remark may be missing any any share any holds" in shown
    assert "Type All 9 present values were numbers." in shown
    assert "&lt;spec&gt; says so" in section(page(), "contract")


def test_a_first_table_suggests(page: Any) -> None:
    shown = text(section(page(run=FIRST), "contract"))
    assert "This is the project’s first accepted table." in shown
    assert "holds" not in shown.replace("holds all", "")


def test_without_an_accepted_table_there_is_what_the_spec_says(page: Any) -> None:
    declared = replace(CONTRACT, run_id="", dataset_version="", rows=0)
    assert "No table of the project was accepted yet" in section(page(contract=declared), "contract")
    for nothing in (None, replace(declared, columns=())):
        assert 'id="contract"' not in page(contract=nothing)


def test_many_findings_stand_under_what_they_are_about(page: Any) -> None:
    drift = [Check("drift", name, "warn", f"{name!r} is spread otherwise") for name in ("tenure", "plan", "id")]
    found = section(page(*drift, *BREACHES), "findings")
    assert re.findall(r"<h3>([^<]+)</h3>", found) == [
        "Not what the data contract asks for",
        "Changed since the previous version",
    ]
    assert found.count("If the world has changed") == 1
    assert "<h3>" not in section(page(*drift), "findings")


def test_formats_and_personal_data_of_columns(page: Any) -> None:
    column = ColumnProfile(
        "mail", "category", "feature", 100, 0, 90, format="1.234,5", personal_data=PersonalData("email", 0.98, "mask")
    )
    reading = Reading("xlsx", None, None, None, None, True, 10)
    shown = text(section(page(profile=Profile(100, 0, (column,), reading, None, None)), "data"))
    assert "Excel workbook" in shown
    assert "mail e-mail address" in shown
    assert "Written as 1.234,5" in shown
    assert "Personal data e-mail address, in 98% of the values; replaced by keyed hashes" in shown
