"""The report's page, read as a browser or a reader would."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
import shlex
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from tidemill.contracts import ChampionComparison, Check, Coverage, Gate, InputField, Interval, Member, TopValue
from tidemill.reports import summary
from tidemill.reports.glossary import TERMS

VOID = {"meta", "br", "hr", "img", "input", "link"}
EVIL = '<script>alert(1)</script></script><img src=x onerror="alert(2)">`\'"&<!--'


class Page(HTMLParser):
    """A page's elements, texts and scripts; fails on an element that is not closed."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.headings: list[str] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)
        if tag == "script":
            self.scripts.append((dict(attrs), ""))
        if tag in ("h1", "h2"):
            self.headings.append("")

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        if "script" in self._open:
            attributes, text = self.scripts[-1]
            self.scripts[-1] = (attributes, text + data)
        elif "style" not in self._open:
            self.text += data
            if self._open and self._open[-1] in ("h1", "h2"):
                self.headings[-1] += data

    def attributes(self, name: str) -> list[str]:
        return [value for _, attrs in self.elements if (value := attrs.get(name)) is not None]


def test_every_kind_of_run_gives_a_well_formed_page(told):
    page = Page(told.page())
    ids = page.attributes("id")
    assert len(ids) == len(set(ids))
    targets = page.attributes("href")
    assert all(href.startswith("#") for href in targets)
    assert {href[1:] for href in targets} <= set(ids)


def test_the_same_run_gives_the_same_bytes(told):
    assert told.page() == told.page()


def test_the_verdict_is_the_first_heading(told):
    assert Page(told.page()).headings[0] == summary.headline(told.document, told.evaluation)


def test_a_live_run_has_every_section(binary):
    assert Page(binary.page()).headings[1:] == [
        "What you can do now",
        "How good it is, and how sure we are",
        "What drives the predictions",
        "For which rows it is better, and for which worse",
        "How sure a single prediction is",
        "Where it is right, and where it is not",
        "What was tried",
        "What was found in the data",
        "The data",
        "The rules of release",
        "How to use it",
        "What it cost",
        "Where it comes from",
        "Words used here",
    ]


def test_a_refusal_begins_with_what_was_refused_why_and_what_to_do(refused_data, refused_by_gate):
    data = Page(refused_data.page())
    assert data.headings[1:3] == ["What to do next", "What was found in the data"]
    assert data.text.index("Refused34 rows have a target") < data.text.index("Warningcustomer has a different")
    gate = Page(refused_by_gate.page())
    assert gate.headings[1:3] == ["What to do next", "The rules of release"]
    assert gate.text.index("Refusedroc_auc must be at least 0.9") < gate.text.index("Passedroc_auc is 0.847")
    for told, page in ((refused_data, data), (refused_by_gate, gate)):
        assert page.text.index(told.document.reason) < page.text.index("What to do next")


@pytest.mark.parametrize("missing", ["profile", "evaluation", "lineage", "signature"])
def test_a_page_is_made_from_what_there_is(told, missing):
    page = Page(replace(told, **{missing: None}).page())
    assert told.document.run_id in page.text
    assert set(page.headings[1:]) <= set(Page(told.page()).headings)


def test_the_document_alone_makes_a_page(told):
    alone = replace(told, profile=None, evaluation=None, lineage=None, signature=None)
    page = Page(alone.page())
    assert told.document.run_id in page.text


def test_no_text_of_the_data_becomes_markup(binary):
    column = replace(
        binary.profile.columns[2], name=EVIL, note=EVIL, top=(replace(binary.profile.columns[2].top[0], value=EVIL),)
    )
    profile = replace(
        binary.profile,
        columns=(column, *binary.profile.columns),
        target=EVIL,
        reading=replace(binary.profile.reading, assumptions=(EVIL,), delimiter=EVIL, encoding=EVIL),
    )
    confusion = {"labels": [EVIL, "Yes"], "matrix": [[1, 2], [3, 4]]}
    evaluation = replace(
        binary.evaluation,
        target=EVIL,
        candidate=EVIL,
        classes=(EVIL, "Yes"),
        positive_class=EVIL,
        gates=(Gate(EVIL, "pass", EVIL), *binary.evaluation.gates[1:]),
        importance=(replace(binary.evaluation.importance[1], feature=EVIL),),
        effects=(replace(binary.evaluation.effects[1], feature=EVIL, values=(EVIL, "b"), of=EVIL),),
        slices=tuple(
            replace(item, column=EVIL, level=EVIL, and_column=EVIL if item.and_column else None, and_level=EVIL)
            for item in binary.evaluation.slices
        ),
        members=(Member(EVIL, {EVIL: EVIL}, 0.5), Member("b", {}, 0.5)),
        decisions=(EVIL,),
        curves=binary.evaluation.curves | {"confusion": confusion},
    )
    signature = replace(
        binary.signature, inputs=(InputField(EVIL, "category", True, (EVIL,), None, None, EVIL),), classes=(EVIL, "Yes")
    )
    lineage = replace(binary.lineage, candidate=EVIL, packages={EVIL: EVIL}, params={EVIL: EVIL})
    candidates = (replace(binary.document.candidates[1], name=EVIL, params={EVIL: EVIL}, error=EVIL),)
    evil = replace(binary, profile=profile, evaluation=evaluation, signature=signature, lineage=lineage).told(
        target=EVIL,
        source=f"s3://data/incoming/churn/{EVIL}",
        checks=(Check("x", EVIL, "warn", EVIL), Check("y", EVIL, "pass", EVIL)),
        candidates=candidates,
        started_by=EVIL,
        endpoint=f"https://host/{EVIL}",
    )
    honest, page = Page(binary.page()), Page(evil.page())
    assert [kind for kind, _ in page.elements if kind in ("img", "iframe", "object")] == []
    assert not any(name.startswith("on") for _, attributes in page.elements for name in attributes)
    # One panel of effects instead of three.
    assert len(page.scripts) == len(honest.scripts) - 2
    assert _policy(page) == _policy(honest)
    assert "<script>alert(1)</script>" in page.text
    assert "Nothing to do if it only names rows" in honest.text
    for status in ("REFUSED_DATA", "REFUSED_BY_GATE", "FAILED"):
        stopped = Page(evil.told(status=status, reason=EVIL, stage=EVIL).page())
        assert [kind for kind, _ in stopped.elements if kind == "img"] == []
        assert "<script>alert(1)</script>" in stopped.text


def test_text_that_no_file_can_hold_is_replaced(binary):
    odd = replace(binary.profile.columns[1], name="a\0b\ud800c")
    page = replace(binary, profile=replace(binary.profile, columns=(odd,))).page()
    assert "a\ufffdb\ufffdc" in page
    page.encode("utf-8")


def test_the_page_names_no_host_but_the_endpoint(told):
    page = Page(told.page())
    library = next((text for attributes, text in page.scripts if attributes.get("id") == "chart-library"), "")
    endpoint = told.document.endpoint or "https://"
    assert "://" not in told.page().replace(library or "://", "").replace(endpoint, "").replace("s3://", "")
    assert not {"link", "iframe", "img", "object", "embed"} & {kind for kind, _ in page.elements}
    assert page.attributes("src") == []


def _policy(page: Page) -> str:
    return next(a["content"] or "" for k, a in page.elements if k == "meta" and "http-equiv" in a)


def test_the_policy_allows_the_pages_own_scripts_and_nothing_else(binary, refused_data):
    page = Page(binary.page())
    runs = [text for attributes, text in page.scripts if "type" not in attributes]
    packed = next(text for attributes, text in page.scripts if attributes.get("id") == "chart-library")
    runs.append(gzip.decompress(base64.b64decode(packed)).decode())
    hashes = {base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in runs}
    directives = dict(directive.split(" ", 1) for directive in _policy(page).split("; "))
    assert set(directives["script-src"].split()) == {f"'sha256-{digest}'" for digest in hashes}
    assert directives["default-src"] == "'none'"
    assert "script-src 'none'" in _policy(Page(refused_data.page()))


def test_a_page_without_charts_carries_no_library(refused_data):
    assert len(refused_data.page()) < 60_000
    assert "chart-library" not in refused_data.page()


def test_every_chart_has_a_spec_a_caption_and_its_numbers(told):
    text = told.page()
    page = Page(text)
    specs = {
        attributes["id"]: json.loads(body)
        for attributes, body in page.scripts
        if attributes.get("id", "").startswith("spec-")
    }
    drawn = page.attributes("data-chart")
    assert sorted(drawn) == sorted(specs)
    assert all(spec["description"] for spec in specs.values())
    figures = re.findall(r"<figure.*?</figure>", text, re.S)
    assert sum(figure.count("data-chart") for figure in figures) == len(drawn)
    assert text.count("<figcaption>") == len(figures)
    for figure in figures:
        if '<details class="numbers">' not in figure:
            label = "Leaderboard" if 'id="chart-candidates"' in figure else "Quality on the holdout"
            assert f'aria-label="{label}"' in text


def test_curves_are_those_of_the_task(binary, multiclass, regression):
    charts = {
        kind: Page(told.page()).attributes("data-chart")
        for kind, told in (("b", binary), ("m", multiclass), ("r", regression))
    }
    assert {"spec-roc", "spec-precision-recall", "spec-calibration", "spec-confusion"} <= set(charts["b"])
    assert "spec-confusion" in charts["m"]
    assert "spec-roc" not in charts["m"]
    assert {"spec-predicted-actual", "spec-errors", "spec-error-histogram"} <= set(charts["r"])


def test_the_metrics_are_told_with_interval_baseline_and_champion(binary):
    rows = re.findall(r"<tr>(.*?)</tr>", binary.page())
    auc = next(Page(row).text for row in rows if "ROC AUC" in row and "higher is better" in row)
    assert auc.endswith("higher is better0.84700.8280 to 0.86700.50000.8390")


def test_candidates_are_ranked_and_the_chosen_one_is_marked(binary):
    page = binary.page()
    board = page[page.index('aria-label="Leaderboard"') :]
    places = [board.index(f"<b>{name}</b>") for name in ("boosting", "linear", "baseline", "forest")]
    assert places == sorted(places)
    assert '<b>boosting</b><span class="mark pass">chosen</span>' in board
    assert "could not be fitted: the forest needs 5 rows of every class" in Page(page).text


def test_a_loss_ranks_its_lowest_candidate_first(regression):
    worse = replace(
        regression.document.candidates[0],
        name="boosting",
        cv={"rmse": replace(regression.document.candidates[0].cv["rmse"], mean=90_000.0)},
    )
    page = regression.told(candidates=(worse, regression.document.candidates[0])).page()
    board = page[page.index('aria-label="Leaderboard"') :]
    assert board.index("<b>linear</b>") < board.index("<b>boosting</b>")


def test_the_example_call_is_a_request_that_the_shell_understands(binary):
    call = re.search(r"<pre[^>]*><code>(.*?)</code></pre>", binary.page(), re.S)
    arguments = shlex.split(Page(call.group(1)).text.replace("\\\n", " "))
    assert arguments[:2] == ["curl", binary.document.endpoint]
    assert json.loads(arguments[-1]) == {"instances": [{"tenure": 29, "contract": "Monthly", "since": "2012-05-01"}]}


def test_columns_are_told_in_words(binary):
    text = Page(binary.page()).text
    for words in (
        "0 to 72",
        "4%",
        "3 values",
        "2011-01-01 to 2012-12-31",
        "identifies rows",
        "Every row has a value of its own.",
    ):
        assert words in text


def test_a_finding_about_two_columns_is_told_once(binary):
    leak = "'casual' and 'registered' add up to the target"
    checks = (Check("leak", "casual", "warn", leak), Check("leak", "registered", "warn", leak))
    page = binary.told(checks=checks).page()
    assert page.count(leak.replace("'", "&#x27;")) == 1
    assert "They found 1 warning." in Page(page).text
    assert "The checks of the data gave 1 warning:" in Page(page).text


def test_many_values_of_a_column_are_summed_up(binary):
    top = tuple(TopValue(f"city {i:02d}", 20 - i % 2) for i in range(50))
    column = replace(binary.profile.columns[2], missing=0, distinct=53, top=top)
    text = Page(replace(binary, profile=replace(binary.profile, columns=(column,))).page()).text
    assert "city 09191.9%" in text
    assert "city 10" not in text
    assert "43 other values80580.5%" in text


def test_two_hundred_columns_fit_and_most_are_folded(binary):
    columns = tuple(replace(binary.profile.columns[1 + i % 2], name=f"sensor_{i:03d}") for i in range(200))
    page = replace(binary, profile=replace(binary.profile, columns=columns)).page()
    assert len(page) < 1_000_000
    assert all(f">sensor_{i:03d}<" in page for i in range(200))
    assert "The other 175 columns" in page
    shown = page[page.index('class="column-head"') : page.index('class="more"')]
    assert shown.count('class="column"') == 25


def test_the_proof_of_the_export_is_told_either_way(binary):
    assert "Proven" in Page(binary.page()).text
    unequal = replace(binary.evaluation, parity=replace(binary.evaluation.parity, labels_equal=False))
    assert "did not agree" in Page(replace(binary, evaluation=unequal).page()).text


def test_lineage_and_cost_are_complete(binary):
    text = Page(binary.page()).text
    for words in (
        binary.document.run_id,
        "d" * 32,
        "c0de",
        "numpy 2.3.4",
        "3.13.9",
        "$0.0021",
        "us-east-1, 1 June 2026",
        "98.4",
    ):
        assert words in text
    assert text.index("validate$0.00026") < text.index("train$0.0019")


def test_the_glossary_explains_exactly_the_words_that_are_used(told):
    page = Page(told.page())
    used = {href.removeprefix("#word-") for href in page.attributes("href") if href.startswith("#word-")}
    explained = {name.removeprefix("word-") for name in page.attributes("id") if name.startswith("word-")}
    assert used == explained
    assert all(TERMS[key][1] in page.text for key in used)


def test_effects_are_panels_of_one_scale_with_their_numbers(binary, multiclass):
    page = Page(binary.page())
    specs = [json.loads(body) for attrs, body in page.scripts if attrs.get("id", "").startswith("spec-effect-")]
    assert len(specs) == 3
    domains = {tuple(spec["layer"][0]["encoding"]["y"]["scale"]["domain"]) for spec in specs}
    assert domains == {(0.0, 0.8)}
    assert "tenure10% to 50%" in page.text
    assert "contract(missing)0.100.2" in page.text
    classes = Page(multiclass.page())
    assert "billAdelieChinstrapGentoo" in classes.text
    assert "The band holds" not in classes.text


def test_the_champions_picture_shows_the_margin(binary):
    page = Page(binary.page())
    assert "spec-champion" in page.attributes("data-chart")
    assert "it does, so the new model may take the champion’s place" in page.text
    gates = tuple(
        replace(gate, verdict="refuse") if gate.name == "keeps_up_with_champion" else gate
        for gate in binary.evaluation.gates
    )
    refused = replace(binary, evaluation=replace(binary.evaluation, gates=gates)).told(status="REFUSED_BY_GATE")
    text = Page(refused.page()).text
    assert "it does not, so the champion stays" in text
    assert "The new churn model does not take the champion’s place" in text
    alone = replace(binary, evaluation=replace(binary.evaluation, champion=None))
    assert "spec-champion" not in Page(alone.page()).attributes("data-chart")


def test_both_models_are_shown_on_the_newest_predictions(binary):
    assert "On the newest predictions" not in Page(binary.page()).text
    lately = replace(
        binary.evaluation,
        newest=ChampionComparison(2, {"roc_auc": Interval(0.7, 0.65, 0.75)}, Interval(0.06, 0.02, 0.1)),
        newest_rows=1234,
        newest_metrics={"accuracy": Interval(0.7, 0.6, 0.8), "roc_auc": Interval(0.76, 0.71, 0.81)},
    )
    text = Page(replace(binary, evaluation=lately).page()).text
    told = text[text.index("On the newest predictions") :]
    assert "the 1,234 newest predictions whose outcome is known" in told
    assert "on these rows, the new model gains 0.06 in ROC AUC" in told
    assert "0.7600 (0.7100 to 0.8100)0.7000 (0.6500 to 0.7500)" in told
    gates = (*binary.evaluation.gates, Gate("keeps_up_on_newest", "refuse", "roc_auc is worse on them."))
    refused = replace(binary, evaluation=replace(lately, gates=gates)).told(status="REFUSED_BY_GATE")
    assert "does worse than the champion on the newest predictions" in Page(refused.page()).text


def test_the_worst_part_is_told_in_the_head_and_drawn(binary):
    text = Page(binary.page()).text
    sentence = "It is weakest where contract is Monthly and tenure is under 9: there its ROC AUC is 0.7500"
    assert text.index(sentence) < text.index("How good it is")
    part = re.search(r'id="spec-parts">(.*?)</script>', binary.page()).group(1)
    drawn = json.loads(part)["layer"][2]["data"]["values"]
    assert [value["part"] for value in drawn] == ["contract: Monthly\ntenure: under 9", "sex: F", "sex: M"]
    assert "sex X10–too few rows" in text


def test_no_worse_part_is_told_when_none_was_found(multiclass):
    text = Page(multiclass.page()).text
    assert "No part of the rows was found on which the model is clearly worse" in text
    assert "It is weakest" not in text


def test_levels_are_compared_whether_the_spec_asks_or_not(binary):
    text = Page(binary.page()).text
    assert "For informationDemographic parity" in text
    assert "the lowest rate (F) is 50% of the highest (M); the four-fifths rule asks for 80%" in text
    assert "the rates lie 20 percentage points apart (F, M). The spec does not ask for it." in text
    assert "Left out, with too few rows: X." in text
    asked = (
        Gate("demographic_parity", "refuse", "sex differs", 0.5, 0.8),
        Gate("equal_opportunity", "pass", "", 0.2, 0.3),
    )
    judged = replace(binary, evaluation=replace(binary.evaluation, gates=asked)).told(status="REFUSED_BY_GATE")
    text = Page(judged.page()).text
    assert "treats the levels of a sensitive column too differently to go live" in text
    assert "Look for columns that stand in for the sensitive one" in text
    parts = text[text.index("Whether levels of sensitive") :]
    assert parts.index("Refused") < parts.index("at least 80% is asked") < parts.index("Passed")


def test_coverage_is_held_against_the_promise(binary, regression):
    text = Page(binary.page()).text
    assert "less than promised" not in text
    assert "90%90.5%" in text
    short = Page(regression.page()).text
    assert "90%80%less than promised" in short
    assert "the width is in the unit of price" in short
    a_little = replace(binary.evaluation, rows=100_000, coverage={"0.9": Coverage(0.89, 1.0)})
    assert "less than promised" not in Page(replace(binary, evaluation=a_little).page()).text


def test_the_search_tells_its_rounds_the_members_and_what_was_decided(ensemble):
    text = Page(ensemble.page()).text
    assert "in 2 rounds of successive halving" in text
    assert "The ensemble has roc_auc 0.853 out of fold, boosting alone 0.850." in text
    assert "75%" in text[text.index("Who votes") :]
    assert text.index("from 0.4300 to 0.4100") < text.index("from 0.1400 to 0.1350")
    board = ensemble.page()[ensemble.page().index('aria-label="Leaderboard"') :]
    places = [board.index(f"<b>{name}</b>") for name in ("boosting", "linear", "baseline", "forest")]
    assert places == sorted(places)
    drawn = json.loads(re.search(r'id="spec-candidates">(.*?)</script>', ensemble.page()).group(1))
    assert [value["name"] for value in drawn["data"]["values"]] == ["boosting", "linear"]


def test_a_long_leaderboard_is_folded(binary):
    one = binary.document.candidates[1]
    many = tuple(replace(one, name=f"boosting_{i:02d}") for i in range(30))
    page = binary.told(candidates=many).page()
    assert "The other 18 candidates" in page
    assert all(f">boosting_{i:02d}<" in page for i in range(30))


def test_what_the_columns_become_is_told_by_column_for_each_kind_of_member(ensemble, binary):
    text = Page(ensemble.page()).text
    part = text[text.index("What the columns become") :]
    assert "Trees: 4 features" in part
    assert "Linear models and networks: 1 feature" in part
    assert "sinceThe number as it is.2" in part.replace("the number", "The number")
    trees_only = replace(ensemble, features=ensemble.features | {"members": {"boosting": "tree"}})
    assert "Linear models and networks" not in Page(trees_only.page()).text
    assert "What the columns become" not in Page(binary.page()).headings
