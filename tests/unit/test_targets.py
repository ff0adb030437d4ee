"""What the suites can run against, and that the guide says of each what the tests are told."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from .. import targets

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "guide" / "local.md"
SECTION = "## What each target can do"


def rows() -> dict[str, list[str]]:
    """The guide's table: the feature, and what it says of MiniStack, LocalStack and an endpoint that runs already."""
    section = GUIDE.read_text().split(SECTION)[1].split("\n## ")[0]
    cells = [[cell.strip() for cell in line.strip("| ").split("|")] for line in section.splitlines() if "|" in line]
    return {feature: said for feature, *said in cells[2:]}


@pytest.mark.parametrize("feature", targets.FEATURES)
def test_the_guide_says_of_every_feature_which_target_has_it_and_why_not(feature):
    said = rows()[targets.FEATURES[feature]]
    known = [targets.target(name) for name in ("ministack", "localstack", "http://127.0.0.1:1")]
    for target, cell in zip(known, said, strict=True):
        assert re.split("[,:]", cell)[0] == ("no" if feature in target.lacks else "yes"), (target.name, cell)
        if reason := target.lacks.get(feature):
            assert cell == f"no: {reason}"


def test_what_a_target_lacks_is_the_reason_of_a_skip():
    target = targets.target("localstack")
    assert target.why_not(["own_emulator"]) is None
    assert target.why_not(["own_emulator", "iam"]) == "localstack lacks 'iam': the free core checks no permissions"
    with pytest.raises(KeyError, match="flying"):
        target.why_not(["flying"])


def test_an_endpoint_lacks_what_is_named_besides():
    assert targets.target("http://127.0.0.1:4566/").endpoint == "http://127.0.0.1:4566"
    assert targets.target("http://127.0.0.1:4566").why_not(["iam"]) is None
    assert targets.target("http://127.0.0.1:4566", ["iam"]).why_not(["iam"])
    assert targets.target("ministack", ["iam"]).why_not(["iam"])


@pytest.mark.parametrize(("name", "without"), [("moto", []), ("localstack", ["flying"])])
def test_what_is_no_target_or_feature_is_refused(name, without):
    with pytest.raises(ValueError, match=r"--(target moto: give ministack|without flying: the features are iam)"):
        targets.target(name, without)
