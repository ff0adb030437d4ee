"""tidemill model"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from tidemill import keys
from tidemill.contracts import InputField, Lineage, Signature
from tidemill.errors import NotFound
from tidemill_cli import display, figures
from tidemill_cli.session import Session, pass_session

if TYPE_CHECKING:
    from rich.console import RenderableType

    from tidemill.aws.registry import VersionRecord
    from tidemill.aws.registry_table import AuditEvent

#: Levels of a category that are listed.
SHOWN_VALUES = 5


@click.command(short_help="A model's versions, inputs, lineage and history.")
@click.argument("name")
@click.option(
    "--version", type=click.IntRange(min=1), help="Whose inputs and lineage to show. [default: the champion's]"
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@pass_session
def command(session: Session, name: str, version: int | None, as_json: bool) -> None:
    """Show the versions of the model NAME, which one answers, what it takes, what it was made from, and
    who did what.

    \b
    Examples:
      tidemill model churn
      tidemill model churn --version 1 --json
    """
    registry = session.registry
    versions = registry.versions(name)
    aliases = registry.aliases(name)
    chosen = version or aliases.get("champion") or versions[0].version
    if chosen not in {record.version for record in versions}:
        raise NotFound(f"model {name!r} has no version {chosen}: it has 1 to {versions[0].version}")
    lineage = session.objects.get_contract(Lineage, session.artifact_bucket, keys.model(name, chosen, "lineage.json"))
    signature = session.objects.get_contract(
        Signature, session.artifact_bucket, keys.model(name, chosen, "signature.json")
    )
    audit = registry.audit(name)
    if as_json:
        display.document(
            {
                "name": name,
                "aliases": aliases,
                "versions": versions,
                "lineage": {"version": chosen, "of": lineage},
                "signature": signature,
                "audit": audit,
            }
        )
        return
    console = display.console()
    console.print(display.paragraph(f"Versions of {name}", _versions(versions, aliases)))
    console.print(display.paragraph(f"Inputs of version {chosen}, {_purpose(signature)}", _inputs(signature)))
    console.print(display.paragraph(f"What version {chosen} was made from", _lineage(lineage)))
    console.print(display.paragraph("Who did what", _audit(audit)))


def _purpose(signature: Signature) -> str:
    """What the model answers."""
    match signature.task:
        case "clustering":
            return f"which puts rows into {len(signature.classes)} clusters"
        case "anomaly_detection":
            return f"which calls rows anomalies from a score of {signature.threshold:g} on"
        case "dimensionality_reduction":
            return f"which gives {signature.components} components"
    return f"which predicts {signature.target}"


def _versions(versions: list[VersionRecord], aliases: dict[str, int]) -> RenderableType:
    from rich.text import Text

    rows = [
        (
            str(record.version),
            Text(", ".join(alias for alias, at in aliases.items() if at == record.version), "green"),
            record.metric,
            figures.metric(record.value),
            figures.moment(record.created_at),
            record.run_id[:8],
            record.dataset_version[:12],
        )
        for record in versions
    ]
    columns = ("version", "alias", "metric", "value", "made (UTC)", "run", "data")
    return display.table(columns, rows, right=("version", "value"))


def _inputs(signature: Signature) -> RenderableType:
    rows = [
        (
            field.name,
            field.type,
            "" if field.required else "may be missing",
            _known(field),
            json.dumps(field.example, ensure_ascii=False),
        )
        for field in signature.inputs
    ]
    return display.table(("input", "type", "", "known values", "typical"), rows)


def _known(field: InputField) -> str:
    if field.minimum is not None and field.maximum is not None and field.type in ("integer", "number"):
        shown = "{:,.0f} to {:,.0f}" if field.type == "integer" else "{:,g} to {:,g}"
        return shown.format(field.minimum, field.maximum)
    shown = ", ".join(field.categories[:SHOWN_VALUES])
    return shown + (f" and {len(field.categories) - SHOWN_VALUES} more" if len(field.categories) > SHOWN_VALUES else "")


def _lineage(lineage: Lineage) -> RenderableType:
    parameters = ", ".join(f"{name}={value}" for name, value in lineage.params.items()) or "defaults"
    packages = ", ".join(f"{name} {version}" for name, version in sorted(lineage.packages.items()))
    source = lineage.source
    return display.pairs(
        [
            ("candidate", f"{lineage.candidate} ({parameters}), seed {lineage.seed}"),
            ("table", f"s3://{source.bucket}/{source.key}"),
            ("data version", lineage.dataset_version),
            *((f"features of {name}", version) for name, version in sorted(lineage.feature_sets.items())),
            ("spec", lineage.spec_sha256),
            ("code", lineage.code_version),
            ("graph", lineage.onnx_sha256),
            ("made with", f"Python {lineage.python}, {packages}"),
            ("run", lineage.run_id),
        ]
    )


def _audit(events: list[AuditEvent]) -> RenderableType:
    rows = [
        (figures.moment(event.at), event.action, str(event.version or ""), event.actor, event.reason)
        for event in reversed(events)
    ]
    return display.table(("time (UTC)", "action", "version", "who", "reason"), rows)
