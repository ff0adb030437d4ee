"""What `/metrics` says: how the models stand, in Prometheus' text format 0.0.4.

https://prometheus.io/docs/instrumenting/exposition_formats/ describes the format. Which series there are is in
`reports/metric_families.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tidemill.model_standing import ModelStanding
from tidemill.reports.metric_families import FAMILIES, PREFIX

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def render(standings: Sequence[ModelStanding], code: str) -> str:
    """The text of a scrape; a name without any series is left out.

    Pure: no clock, no environment; the same arguments give the same text.

    Parameters
    ----------
    code
        version of Tidemill's own code.
    """
    lines = [
        *_heading("build_info", "gauge", "Which Tidemill this is; always 1."),
        _line("build_info", {"code": code}, 1),
    ]
    for family in FAMILIES:
        samples = [sample for standing in standings for sample in family.samples(standing)]
        if samples:
            lines += _heading(family.name, family.kind, family.help)
            lines += [_line(family.name + suffix, labels, value) for suffix, labels, value in samples]
    return "\n".join(lines) + "\n"


def _heading(name: str, kind: str, words: str) -> tuple[str, str]:
    return f"# HELP {PREFIX}{name} {words}", f"# TYPE {PREFIX}{name} {kind}"


def _line(name: str, labels: Mapping[str, str], value: float) -> str:
    said = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
    return f"{PREFIX}{name}{{{said}}} {value!r}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
