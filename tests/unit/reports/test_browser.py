"""The page in a browser, as a reader opens it: from a file, with no network."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium; apt-get install chromium")


def opened(page: str, folder: Path, script: str = "") -> tuple[str, list[str]]:
    """The page's elements after its scripts have run, and what it wrote to the console."""
    file = folder / "report.html"
    file.write_text(page.replace("</title>", f"</title>{script}"), encoding="utf-8")
    command = [
        CHROMIUM,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        f"--user-data-dir={folder / 'profile'}",
        "--enable-logging=stderr",
        "--virtual-time-budget=10000",
        "--window-size=1366,2000",
        "--dump-dom",
        file.as_uri(),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout, re.findall(r"CONSOLE:\d+\] (.*)", done.stderr)


@pytest.mark.parametrize("kind", ["ensemble", "multiclass", "regression"])
def test_every_chart_is_drawn_and_the_console_stays_silent(kind, request, tmp_path):
    told = request.getfixturevalue(kind)
    dom, console = opened(told.page(), tmp_path)
    assert console == []
    assert dom.count('role="graphics-document"') == dom.count('class="plot') == told.page().count('class="plot"')


def test_without_decompression_the_tables_take_the_place_of_charts(regression, tmp_path):
    page = re.sub(r"<meta http-equiv[^>]*>", "", regression.page())
    dom, console = opened(page, tmp_path, "<script>delete window.DecompressionStream</script>")
    assert console == []
    assert 'role="graphics-document"' not in dom
    assert "This chart needs a browser from 2023 or later." in dom
    assert dom.count('<details class="numbers" open="">') == dom.count('class="numbers"')
