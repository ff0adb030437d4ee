"""tidemill traffic"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tidemill.contracts import to_json
from tidemill.errors import NotFound
from tidemill_cli import display, figures
from tidemill_cli.session import Session, pass_session

if TYPE_CHECKING:
    from tidemill.release_contracts import Traffic


class VersionShare(click.ParamType[tuple[int, float]]):
    """`2=0.1` or `2=10%`: a version and its share of the calls."""

    name = "version share"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, float]:
        """Version and share, from 0 to 1."""
        if isinstance(value, tuple):
            return value
        number, _, share = str(value).partition("=")
        try:
            version = int(number)
            weight = float(share.removesuffix("%")) / (100 if share.endswith("%") else 1)
        except ValueError:
            self.fail(f"{value!r} must be a version and its share, such as 2=0.1 or 2=10%", param, ctx)
        if version < 1 or not 0 <= weight <= 1:
            self.fail(f"{value!r} must name a version from 1 and a share from 0 to 1, such as 2=0.1", param, ctx)
        return version, weight


SHARE = VersionShare()


@click.command(short_help="How calls are spread over versions.")
@click.argument("model")
@click.option(
    "--split",
    type=SHARE,
    multiple=True,
    metavar="VERSION=SHARE",
    help="A version's share of the calls, in place of all earlier shares; may be given again. "
    "What the shares leave is the champion's.",
)
@click.option(
    "--shadow",
    "shadows",
    type=SHARE,
    multiple=True,
    metavar="VERSION=SHARE",
    help="The one version that gets copies of a share of the calls; what it says is recorded and given to nobody.",
)
@click.option("--experiment", metavar="NAME", help="The name of the A/B test that the records of the calls carry.")
@click.option("--clear", is_flag=True, help="Give the champion all calls again, except for what else is said.")
@click.option("--reason", help="Why, for the audit log.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@pass_session
def command(
    session: Session,
    model: str,
    split: tuple[tuple[int, float], ...],
    shadows: tuple[tuple[int, float], ...],
    experiment: str | None,
    clear: bool,
    reason: str | None,
    as_json: bool,
) -> None:
    """Show which versions of MODEL answer its calls, or change it; the endpoint follows within seconds.

    What is not mentioned stays as it is. Calls that name a version or a label are not spread. Calls with the same
    header x-tidemill-key go to the same version as long as the shares stay.

    \b
    Examples:
      tidemill traffic churn
      tidemill traffic churn --split 2=0.1 --experiment new-prices
      tidemill traffic churn --shadow 3=0.5
      tidemill traffic churn --clear --reason "the test is over"
    """
    if len({version for version, _ in split}) < len(split):
        raise click.UsageError("--split names a version twice: give each one share")
    if len(shadows) > 1:
        raise click.UsageError("--shadow is given twice: one version at a time gets copies")
    if split or shadows or clear or experiment is not None:
        from tidemill.aws.approvals import refuse_unreleased_of
        from tidemill.aws.traffic_records import spread

        refuse_unreleased_of(session.registry, model, [version for version, share in split if share])
        spread(
            session.registry,
            session.traffic,
            model,
            shares=dict(split) if split else None,
            shadow=shadows[0] if shadows else None,
            experiment=experiment,
            clear=clear,
            actor=session.actor,
            reason=reason or "",
            at=session.now(),
        )
    elif reason is not None:
        raise click.UsageError(
            "--reason says why something is changed: give --split, --shadow, --experiment or --clear"
        )
    champion = session.registry.alias(model, "champion")
    if champion is None:
        raise NotFound(f"there is no model {model!r} with a version in service")
    traffic = session.traffic.traffic(model)
    if as_json:
        display.document({"model": model, "champion": champion, "traffic": to_json(traffic)})
    else:
        _show(model, champion, traffic)


def _show(model: str, champion: int, traffic: Traffic | None) -> None:
    shares = [share for share in traffic.shares if share.version != champion] if traffic else []
    rest = max(0.0, 1 - sum(share.weight for share in shares))
    rows = [(f"version {champion}", f"{rest:.4g}", "the champion")]
    rows += [(f"version {share.version}", f"{share.weight:.4g}", "") for share in shares]
    if traffic and traffic.shadow_version is not None:
        rows.append(
            (f"version {traffic.shadow_version}", f"{traffic.shadow_fraction:.4g}", "copies, answered to nobody")
        )
    display.console().print(display.table((model, "of the calls", ""), rows, right=("of the calls",)))
    if traffic and traffic.experiment:
        click.echo(f"The records carry the experiment {traffic.experiment}.")
    if traffic and traffic.rollout:
        click.echo(f"The rollout {traffic.rollout} has set this, and moves it on by itself.", err=True)
    if traffic:
        why = traffic.reason or "no reason was given"
        click.echo(f"Set by {traffic.by} at {figures.moment(traffic.at)} (UTC): {why}.", err=True)
