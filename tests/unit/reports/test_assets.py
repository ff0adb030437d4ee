"""What the reports bundle is what its README says."""

from __future__ import annotations

import gzip
import hashlib
import re

from tidemill.reports.page import ASSETS


def test_the_bundle_holds_the_licences_and_the_named_builds():
    bundle = gzip.decompress((ASSETS / "charts.js.gz").read_bytes()).decode()
    notice, _, code = bundle.partition("*/\n")
    assert notice == "/*!\n" + (ASSETS / "LICENSES.txt").read_text(encoding="utf-8")
    named = re.findall(r"\| (vega\S*) \| \S+ \| `build/\S+` \| `([0-9a-f]{64})` \|", (ASSETS / "README.md").read_text())
    starts = [match.start() for match in re.finditer(r"(?m)^!function", code)]
    builds = [code[start:end] for start, end in zip(starts, [*starts[1:], len(code)], strict=True)]
    builds = [build if last else build[:-1] for build, last in zip(builds, (False, False, True), strict=True)]
    assert [hashlib.sha256(build.encode()).hexdigest() for build in builds] == [digest for _, digest in named]


def test_no_asset_is_large():
    assert all(path.stat().st_size < 1_000_000 for path in ASSETS.iterdir())


def test_no_own_asset_can_end_its_element():
    assert "</" not in (ASSETS / "report.css").read_text(encoding="utf-8")
    script = (ASSETS / "report.js").read_text(encoding="utf-8")
    assert "</script" not in script
    assert "<!--" not in script
