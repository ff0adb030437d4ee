"""tidemill url"""

from __future__ import annotations

import click

from tidemill_cli.session import Session, pass_session


@click.command(short_help="The API's address, or its key.")
@click.option("--key", is_flag=True, help="Print the value of the API key instead.")
@pass_session
def command(session: Session, key: bool) -> None:
    """Print the API's address; with --key the value of the API key that it asks for.

    \b
    Examples:
      tidemill url
      curl -H "x-api-key: $(tidemill url --key)" "$(tidemill url)/v1/models/churn"
    """
    click.echo(session.api_key if key else session.output("ApiUrl"))
