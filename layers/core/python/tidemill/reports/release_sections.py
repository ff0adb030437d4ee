"""The sections about the release: its rules, how to call the model, what the run cost, where it comes from."""

from __future__ import annotations

import json
import shlex

from tidemill.contracts import Signature
from tidemill.reports import formats, summary
from tidemill.reports.elements import Records, Section, facts, mark, parameters, sentence, table
from tidemill.reports.glossary import term
from tidemill.reports.markup import Content, Html, join, tag

#: Of a task without a target: an answer, and what is in it.
_ANSWERS = {
    "clustering": ('{"cluster": "2", "distance": 0.7}', "its cluster, and the distance to the cluster’s centre"),
    "anomaly_detection": (
        '{"anomaly": true, "score": 0.991}',
        "whether it is an anomaly, and the share of the training rows that are less strange",
    ),
    "dimensionality_reduction": ('{"components": [...]}', "its components, the first one first"),
}


def release(records: Records) -> Section | None:
    """The gates with their verdicts, and the parity proof."""
    evaluation = records.evaluation
    if evaluation is None:
        return None
    verdicts = {"pass": "Passed", "refuse": "Refused", "skip": "Not asked"}
    order = {"refuse": 0, "pass": 1, "skip": 2}
    gates = [
        tag("li", mark(gate.verdict, verdicts[gate.verdict]), tag("p", sentence(gate.detail)))
        for gate in sorted(evaluation.gates, key=lambda gate: order[gate.verdict])
    ]
    parity = evaluation.parity
    proven = parity.labels_equal and parity.max_difference <= parity.tolerance
    same = {
        "regression": "the same values",
        "clustering": "the same clusters and distances",
        "dimensionality_reduction": "the same components",
        "anomaly_detection": "the same scores",
    }.get(evaluation.task, "the same class and scores")
    proof = tag(
        "li",
        mark("pass" if proven else "refuse", "Proven" if proven else "Refused"),
        tag(
            "p",
            "The ",
            term("parity"),
            ": the fitted model and its ",
            term("onnx"),
            f" file, which the endpoint runs, gave {same}"
            if proven
            else " file, which the endpoint would run, did not agree",
            f" on {formats.count(parity.rows, 'holdout row')}. The largest difference was "
            f"{formats.number(parity.max_difference, 2)}; {formats.number(parity.tolerance, 2)} is allowed.",
        ),
    )
    body = join(
        tag("p", "A new model goes live only when it passes every ", term("gate"), " of the project."),
        tag("ul", *gates, proof, class_="findings"),
    )
    return Section("release", "The rules of release", body)


def example_request(signature: Signature | None) -> str:
    """A request body of one typical row, with several columns to a line."""
    pairs = (
        [
            f"{json.dumps(f.name, ensure_ascii=False)}: {json.dumps(f.example, ensure_ascii=False)}"
            for f in signature.inputs
        ]
        if signature
        else []
    )
    lines = [""]
    for pair in (f"{pair}," for pair in pairs):
        if lines[-1] and len(lines[-1]) + len(pair) > 72:
            lines.append("")
        lines[-1] += f" {pair}" if lines[-1] else pair
    row = "\n  ".join(lines).rstrip(",")
    return f'{{"instances": [{{\n  {row}\n}}]}}'


def usage(records: Records) -> Section | None:
    """How to ask the model for a prediction."""
    document, signature = records.document, records.signature
    if document.endpoint is None:
        return None
    body = example_request(signature)
    call = " \\\n  ".join(
        (
            f"curl {shlex.quote(document.endpoint)}",
            "-H 'x-api-key: YOUR_KEY'",
            "-H 'content-type: application/json'",
            f"-d {shlex.quote(body)}",
        )
    )
    if document.task == "regression":
        answer = join(
            "The answer is ",
            tag("code", '{"predictions": [...]}'),
            f" with one number, the predicted {document.target}, for each row sent.",
        )
    elif document.task in _ANSWERS:
        answer = join(
            "The answer is ",
            tag("code", f'{{"predictions": [{_ANSWERS[document.task][0]}, ...]}}'),
            f" with one object for each row sent: {_ANSWERS[document.task][1]}.",
        )
    else:
        classes = signature.classes if signature else ()
        answer = join(
            "The answer is ",
            tag("code", '{"predictions": [...]}'),
            " with one object for each row sent: its ",
            tag("code", "label"),
            ", the ",
            term("class"),
            ", and its ",
            tag("code", "probabilities"),
            ", in the order " + ", ".join(classes) + "." if 0 < len(classes) <= 20 else ".",
        )
    inputs = (
        tag(
            "details",
            tag("summary", f"The {formats.count(len(signature.inputs), 'column')} it takes"),
            table(
                ["Column", "Type", "Needed", "Values in training", "Example"],
                [
                    [
                        tag("span", field.name, class_="name"),
                        field.type,
                        "yes" if field.required else "may be missing",
                        f"{formats.exact(field.minimum)} to {formats.exact(field.maximum)}"
                        if field.minimum is not None
                        else formats.shorten(", ".join(field.categories), 80),
                        json.dumps(field.example, ensure_ascii=False),
                    ]
                    for field in signature.inputs
                ],
                "Columns of the model",
            ),
        )
        if signature
        else None
    )
    return Section(
        "usage",
        "How to use it",
        join(
            tag(
                "p",
                "Send rows to the ",
                term("endpoint"),
                ". The call speaks TensorFlow Serving’s protocol, so any client for it works.",
            ),
            tag("pre", tag("code", call), tabindex="0", role="region", aria_label="Example call"),
            tag(
                "p",
                tag("code", "YOUR_KEY"),
                " is the API key, which ",
                tag("code", "tidemill url --key"),
                " prints. ",
                answer,
            ),
            tag(
                "p",
                "The same without a key, from the command line: ",
                tag("code", f"tidemill predict {document.project} --file rows.csv"),
                ".",
            ),
            inputs,
        ),
    )


def cost(records: Records) -> Section | None:
    """What the run cost, by stage."""
    priced = records.document.cost
    if priced is None:
        return None
    order = {name: place for place, name in enumerate(summary.STAGES)}
    source = f" ({priced.prices_of})" if priced.prices_of else ""
    largest = max((stage.usd for stage in priced.by_stage.values()), default=0.0)
    rows = [
        [
            name,
            formats.money(stage.usd),
            tag("meter", value=f"{stage.usd / largest if largest else 0:.3f}", aria_hidden="true"),
            f"{stage.invocations:,}",
            formats.number(stage.gb_seconds),
            f"{stage.transitions:,}",
            f"{stage.requests:,}" if stage.requests else "–",
        ]
        for name, stage in sorted(priced.by_stage.items(), key=lambda item: (order.get(item[0], len(order)), item[0]))
    ]
    body = join(
        tag(
            "p",
            "This run cost ",
            tag("b", formats.money(priced.usd)),
            f" at list prices{source}; a thousand like it would cost {formats.money(priced.usd * 1000)}. "
            "A run on a local stack costs nothing; the figure is what it would have cost on AWS.",
        ),
        table(
            [
                "Stage",
                "Cost",
                "",
                "Calls",
                term("gb_second", "GB-seconds"),
                term("transition", "Transitions"),
                "Requests",
            ],
            rows,
            "Cost by stage",
            (1, 3, 4, 5, 6),
        ),
    )
    return Section("cost", "What it cost", body)


def origin(records: Records) -> Section:
    """What the model was made from, or, without a model, what the run worked on."""
    document, lineage = records.document, records.lineage

    def code(text: str) -> Html:
        return tag("code", text)

    pairs: list[tuple[Content, Content]] = [(term("run", "Run"), code(document.run_id))]
    if document.started_at:
        pairs.append(
            (
                "Started",
                f"{formats.moment(document.started_at)}{f', by {document.started_by}' if document.started_by else ''}",
            )
        )
    if document.source:
        pairs.append(("Uploaded as", code(document.source)))
    if document.dataset:
        pairs.append((term("dataset_version", "Dataset version"), code(document.dataset.version)))
    if lineage:
        packages = ", ".join(f"{name} {version}" for name, version in sorted(lineage.packages.items()))
        params = parameters(lineage.params)
        shared = sorted(lineage.feature_sets.items())
        pairs += [
            ("Model", join(lineage.candidate, f" ({params})" if params else None)),
            (term("onnx", "ONNX file"), join("SHA-256 ", code(lineage.onnx_sha256))),
            ("Spec", join("SHA-256 ", code(lineage.spec_sha256))),
            (term("code_version", "Code version"), code(lineage.code_version)),
            (term("seed", "Seed"), str(lineage.seed)),
            *([("Shared features", ", ".join(map(" version ".join, shared)))] if shared else []),
            ("Python", lineage.python),
            ("Packages", packages),
        ]
    if document.report:
        pairs.append(("This report", code(document.report)))
    return Section(
        "origin",
        "Where it comes from",
        join(
            tag("p", "The ", term("lineage"), " of this run. With it the result can be traced and made again."),
            facts(pairs, "origin"),
        ),
    )
