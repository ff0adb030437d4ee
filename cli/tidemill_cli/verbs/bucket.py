"""tidemill bucket"""

from __future__ import annotations

import click

from tidemill_cli.session import Session, pass_session


@click.command(short_help="The name of the bucket for tables, or of the one for artifacts.")
@click.option("--artifacts", is_flag=True, help="Print the bucket where runs put what they made.")
@pass_session
def command(session: Session, artifacts: bool) -> None:
    """Print the name of the bucket that tables are put in.

    What `tidemill train` does, any S3 client does too: a table under incoming/<project>/
    starts a run, one under score/<model>/ is scored.

    \b
    Examples:
      aws s3 cp customers.csv "s3://$(tidemill bucket)/incoming/churn/"
      aws s3 ls "s3://$(tidemill bucket --artifacts)/models/churn/"
    """
    click.echo(session.artifact_bucket if artifacts else session.data_bucket)
