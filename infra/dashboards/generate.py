"""Writes the Grafana dashboards in `grafana/`: for operations, for a model's owner, for the business.

    python infra/dashboards/generate.py

What the series mean is in their help texts and in `docs/guide/dashboards.md`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from grafana_foundation_sdk.builders.dashboard import Dashboard
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from panels import BAD, GOOD, WARNING, board, lines, number, row, rows

FOLDER = Path(__file__).parent / "grafana"
#: Counters move when a model is looked at, once an hour unless its spec says otherwise: rates need longer windows.
RATE = "2h"
HOUR, DAY = 3_600, 86_400


class Series:
    """Series of the chosen models.

    Parameters
    ----------
    chosen
        the matcher of the label `model`.
    """

    def __init__(self, chosen: str) -> None:
        self._chosen = chosen

    def __call__(self, name: str, **labels: str) -> str:
        """All series of a name, or those with the labels."""
        given = ",".join([self._chosen, *(f'{label}="{value}"' for label, value in labels.items())])
        return f"tidemill_{name}{{{given}}}"

    def live(self, name: str, **labels: str) -> str:
        """Those of answers that somebody got."""
        return self(name, traffic="live", **labels)

    def rate(self, name: str) -> str:
        """A counter's growth per second."""
        return f"rate({self(name)}[{RATE}])"

    def a_day(self, name: str) -> str:
        """A counter's growth in 24 hours."""
        return f"increase({self(name)}[1d])"


def operations() -> Dashboard:
    """Does it answer, is it watched, who gets the calls."""
    of = Series('model=~"$model"')
    calls = f"sum by (model) ({of.rate('requests_total')})"
    buckets = f"sum by (model, le) ({of.rate('request_duration_seconds_bucket')})"
    looked_ago = f"time() - max by (model) ({of('last_look_timestamp_seconds')})"
    page = board(
        "tidemill-operations",
        "Tidemill: operations",
        "Whether the models answer, how fast, whether they are watched, and which version gets the calls.",
        several=True,
        since="now-2d",
    )
    panels = (
        row("Now"),
        number("Models in service", "Models with a version in service.", f"count({of('model_info')})", "none"),
        number("Calls", f"Calls a second, over {RATE}.", f"sum({of.rate('requests_total')})", "reqps"),
        number(
            "Failed",
            f"Share of the calls that failed (5xx), over {RATE}.",
            f"sum({of.rate('request_errors_total')}) / sum({of.rate('requests_total')})",
            "percentunit",
            limits=[(0.01, WARNING), (0.05, BAD)],
        ),
        number(
            "Slowest model",
            "95 of 100 calls of its newest window took no longer inside the function.",
            f"max({of.live('window_duration_seconds', percentile='95')})",
            "s",
            limits=[(1, WARNING), (5, BAD)],
        ),
        number(
            "Longest without a look",
            "How long ago the model was looked at that has waited longest.",
            f"max({looked_ago})",
            "s",
            limits=[(3 * HOUR, WARNING), (DAY, BAD)],
        ),
        number(
            "Wait for people",
            "Releases that wait for an approval.",
            f"sum({of('approvals_waiting')})",
            "none",
            limits=[(1, WARNING)],
        ),
        row("Service"),
        lines("Calls", f"Calls a second of each model, over {RATE}.", "reqps", (calls, "{{model}}"), least=0),
        lines(
            "Failed and refused calls",
            f"Share of each model's calls that failed (5xx) or were refused (4xx), over {RATE}.",
            "percentunit",
            (f"sum by (model) ({of.rate('request_errors_total')}) / {calls}", "{{model}} failed"),
            (f"sum by (model) ({of.rate('request_refusals_total')}) / {calls}", "{{model}} refused"),
            least=0,
        ),
        lines(
            "Latency",
            f"Percentiles of how long calls took inside the function, over {RATE}.",
            "s",
            (f"histogram_quantile(0.5, {buckets})", "{{model}} 50%"),
            (f"histogram_quantile(0.95, {buckets})", "{{model}} 95%"),
            (f"histogram_quantile(0.99, {buckets})", "{{model}} 99%"),
            least=0,
        ),
        lines(
            "Time since the last prediction",
            "How long each model has answered nothing, as of its newest look.",
            "s",
            (f"time() - max by (model) ({of.live('last_prediction_timestamp_seconds')})", "{{model}}"),
            least=0,
        ),
        row("Watching"),
        lines(
            "Findings",
            "What the newest windows have shown, by kind.",
            "none",
            (f"sum by (kind) ({of.live('findings')})", "{{kind}}"),
            stacked=True,
            least=0,
        ),
        lines(
            "Alerts of Prometheus",
            "Pending and firing alerts of `prometheus/alerts.rules.yml`; empty when there are none.",
            "none",
            ('sum by (alertname, alertstate) (ALERTS{alertname=~"Tidemill.+"})', "{{alertname}} {{alertstate}}"),
            stacked=True,
            least=0,
        ),
        lines(
            "Time since the last look",
            "How long each model has not been looked at.",
            "s",
            (looked_ago, "{{model}}"),
            least=0,
        ),
        lines(
            "Decisions",
            "What the rules have decided in the last 24 hours and was done.",
            "none",
            (f"sum by (action) ({of('recent_decisions', acted='true')})", "{{action}}"),
            stacked=True,
            least=0,
        ),
        row("Releases"),
        lines(
            "Who gets the calls",
            "Share of each model's calls by version.",
            "percentunit",
            (of("traffic_ratio"), "{{model}} {{version}}"),
            stacked=True,
            least=0,
        ),
        lines(
            "Steps of rollouts",
            "Where the newest rollout of each model stands; 0: not begun, or taken back.",
            "none",
            (of("rollout_step"), "{{model}} {{version}}"),
            least=0,
        ),
        rows(
            "Models",
            "The newest window of each model, and what else there is to know of it.",
            [("model", "model")],
            [
                (f"max by (model) ({of.live('window_requests')})", "calls"),
                (f"max by (model) ({of.live('window_errors')})", "failed"),
                (f"max by (model) ({of.live('window_refusals')})", "refused"),
                (f"({looked_ago}) / {HOUR}", "looked at, hours ago"),
                (f"max by (model) ({of('model_frozen')})", "frozen"),
                (f"max by (model) ({of('last_run_duration_seconds')})", "last training, seconds"),
            ],
        ),
    )
    return filled(page, panels)


def owner() -> Dashboard:
    """Is my model still right, and what has changed."""
    of = Series('model="$model"')
    page = board(
        "tidemill-model",
        "Tidemill: one model",
        "One model: whether it is still right, what has moved in its inputs, and what followed.",
        several=False,
        since="now-14d",
    )
    panels = (
        row("Now"),
        number(
            "In service",
            "The version that answers, and the metric that decides.",
            of("model_info"),
            "none",
            legend="version {{version}}, {{metric}}",
            text="name",
        ),
        number(
            "At release",
            "The deciding metric on the holdout.",
            of("model_holdout_quality"),
            "none",
            legend="{{metric}}",
            decimals=3,
        ),
        number(
            "Measured",
            "The metrics on predictions whose outcome is known; of the newest window that has some.",
            of.live("quality", kind="measured"),
            "none",
            legend="{{metric}}",
            decimals=3,
        ),
        number(
            "Estimated",
            "The metrics estimated without outcomes, from the model's own probabilities or errors.",
            of.live("quality", kind="estimated"),
            "none",
            legend="{{metric}}",
            decimals=3,
        ),
        number(
            "Drifted features",
            "Features beyond their limit and beyond chance.",
            f"sum({of.live('feature_drifted')})",
            "none",
            limits=[(1, WARNING)],
        ),
        number(
            "Alerts",
            "Findings of the newest window that are alerts.",
            f"sum({of.live('findings', severity='alert')})",
            "none",
            limits=[(1, BAD)],
        ),
        row("Quality"),
        *(
            lines(
                f"{kind.capitalize()} quality",
                "With its 95% interval, and the value on the holdout.",
                "none",
                (of.live("quality", kind=kind), "{{metric}}"),
                (of.live("quality_low", kind=kind), "{{metric}}, low"),
                (of.live("quality_high", kind=kind), "{{metric}}, high"),
                (of.live("quality_reference", kind=kind), "{{metric}}, at release"),
            )
            for kind in ("measured", "estimated")
        ),
        lines(
            "Known outcomes",
            "Share of the window's predictions whose outcome is known.",
            "percentunit",
            (of.live("labelled_ratio"), "version {{version}}"),
            least=0,
            most=1,
        ),
        lines(
            "Predictions in the window",
            "How many predictions each window has.",
            "none",
            (of("window_predictions"), "version {{version}}, {{traffic}}"),
            least=0,
        ),
        row("Drift"),
        lines(
            "Features that have moved most",
            "Population stability index against the holdout: below 0.1 little, above 0.25 much.",
            "none",
            (f"topk(8, {of.live('feature_drift_psi')})", "{{feature}}"),
            least=0,
            limits=[(0.1, WARNING), (0.25, BAD)],
        ),
        lines(
            "Predictions, and all features together",
            "Population stability index of the predictions, and of the features weighted by importance; how well a "
            "classifier tells production from the holdout (0.5: not at all).",
            "none",
            (of.live("prediction_drift_psi"), "predictions"),
            (of.live("weighted_drift_psi"), "features, weighted"),
            (of.live("domain_auc"), "classifier"),
            least=0,
        ),
        rows(
            "Features",
            "Index, the limit from which on it counts, and how much the model uses the feature.",
            [("feature", "feature")],
            [
                (f"max by (feature) ({of.live('feature_drift_psi')})", "index"),
                (f"max by (feature) ({of.live('feature_drift_limit_psi')})", "limit"),
                (f"max by (feature) ({of.live('feature_drifted')})", "drifted"),
                (f"max by (feature) ({of.live('feature_importance_ratio')})", "importance, share"),
            ],
            width=12,
            sort="index",
        ),
        rows(
            "Findings",
            "What the newest window has shown.",
            [("kind", "kind"), ("severity", "severity"), ("version", "version")],
            [(f"sum by (kind, severity, version) ({of.live('findings')})", "count")],
            width=12,
            sort="count",
        ),
        row("What followed"),
        lines(
            "Decisions",
            "What the rules have decided in the last 24 hours, done or not.",
            "none",
            (f"sum by (action, acted) ({of('recent_decisions')})", "{{action}}, done: {{acted}}"),
            least=0,
        ),
        lines(
            "Trainings",
            "Trainings of the last 30 days that no upload of a person has started.",
            "none",
            (f"sum by (trigger) ({of('recent_retrainings')})", "{{trigger}}"),
            stacked=True,
            least=0,
        ),
        lines(
            "Who gets the calls",
            "Share of the calls by version.",
            "percentunit",
            (of("traffic_ratio"), "version {{version}}"),
            stacked=True,
            least=0,
        ),
        lines(
            "Age",
            "Age of the table that the version was trained on.",
            "s",
            (of.live("model_age_seconds"), "version {{version}}"),
            least=0,
        ),
    )
    return filled(page, panels)


def business() -> Dashboard:
    """How much the models are used, whether they keep what they promised, what they cost."""
    of = Series('model=~"$model"')
    predictions = f"sum by (model) ({of.a_day('predictions_total')})"
    price = f"max by (model, version) ({of.live('prediction_cost_dollars')})"
    spent = f"sum by (model) ({of.a_day('predictions_total')} * on (model, version) group_left () {price})"
    deciding = f"{of.live('quality')} and on (model, metric) {of('model_holdout_quality')}"
    kept = f"max by (model) (({deciding}) / {of.live('quality_reference')})"
    page = board(
        "tidemill-business",
        "Tidemill: business",
        "All models: how much they are used, whether they keep what they promised, and what they cost.",
        several=True,
        since="now-30d",
    )
    panels = (
        row("Now"),
        number("Models in service", "Models with a version in service.", f"count({of('model_info')})", "none"),
        number("Predictions", "Predictions in the last 24 hours.", f"sum({predictions})", "short"),
        number(
            "Answered",
            "Share of the calls of the last 24 hours that did not fail.",
            f"1 - sum({of.a_day('request_errors_total')}) / sum({of.a_day('requests_total')})",
            "percentunit",
            limits=[(0, BAD), (0.99, WARNING), (0.999, GOOD)],
        ),
        number(
            "Need attention",
            "Models whose newest window has an alert.",
            f"count(sum by (model) ({of.live('findings', severity='alert')}) > 0) or vector(0)",
            "none",
            limits=[(1, BAD)],
        ),
        number("Cost", "Of the predictions in the last 24 hours, at list prices.", f"sum({spent})", "currencyUSD"),
        number(
            "Wait for people",
            "Releases that wait for an approval.",
            f"sum({of('approvals_waiting')})",
            "none",
            limits=[(1, WARNING)],
        ),
        row("Use and cost"),
        lines(
            "Predictions a day",
            "Predictions of each model in 24 hours.",
            "short",
            (predictions, "{{model}}"),
            stacked=True,
            least=0,
        ),
        lines(
            "Cost a day",
            "Of each model's predictions in 24 hours, at list prices.",
            "currencyUSD",
            (spent, "{{model}}"),
            stacked=True,
            least=0,
        ),
        row("Worth"),
        lines(
            "Quality kept",
            "The deciding metric now as a share of its value at release: measured where outcomes are known, and "
            "estimated; of the two the larger. Of losses, more than 100% is worse.",
            "percentunit",
            (kept, "{{model}}"),
        ),
        lines(
            "Trainings by themselves",
            "Trainings of the last 30 days that no person's upload has started.",
            "none",
            (f"sum by (model) ({of('recent_retrainings')})", "{{model}}"),
            stacked=True,
            least=0,
        ),
        rows(
            "Models",
            "How good each model was at release, what is kept of it, how old it is, and what needs attention.",
            [("model", "model")],
            [
                (f"max by (model) ({of('model_holdout_quality')})", "quality at release"),
                (kept, "kept, share"),
                (f"sum by (model) ({of.live('findings', severity='alert')})", "alerts"),
                (f"max by (model) ({of.live('model_age_seconds')}) / {DAY}", "age of its data, days"),
                (f"(time() - max by (model) ({of('model_created_timestamp_seconds')})) / {DAY}", "released, days ago"),
                (f"max by (model) ({of('last_run_cost_dollars')})", "last training, $"),
                (f"sum by (model) ({of('look_cost_dollars')})", "one look, $"),
            ],
            sort="alerts",
        ),
    )
    return filled(page, panels)


def filled(page: Dashboard, panels: tuple[Any, ...]) -> Dashboard:
    """A dashboard with rows and panels in their order."""
    for panel in panels:
        page = page.with_row(panel) if isinstance(panel, type(row(""))) else page.with_panel(panel)
    return page


DASHBOARDS = {"operations": operations, "model": owner, "business": business}


def text(dashboard: Dashboard) -> str:
    """The dashboard's file; the same dashboard always gives the same text."""
    document = json.loads(json.dumps(dashboard.build(), cls=JSONEncoder))
    for place, panel in enumerate(document["panels"], 1):
        panel["id"] = place
    return json.dumps(document, indent=1, sort_keys=True) + "\n"


if __name__ == "__main__":
    for name, make in DASHBOARDS.items():
        (FOLDER / f"{name}.json").write_text(text(make()), encoding="utf-8")
