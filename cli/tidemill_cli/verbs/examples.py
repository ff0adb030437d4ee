"""tidemill examples"""

from __future__ import annotations

from pathlib import Path

import click


@click.command(short_help="Write example tables to try it with.")
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path), default=Path("examples"))
def command(directory: Path) -> None:
    """Write five example tables as CSV into DIRECTORY (default: examples).

    \b
      churn.csv                 customers of a telephone company, target Churn (Yes or No)
      churn_drifted_month.csv   other customers half a year later, when much had changed
      breast_cancer.csv         measurements of tumours, target diagnosis (benign or malignant)
      diabetes.csv              patients, target progression (a number)
      wine.csv                  measurements of wines, target cultivar (first, second or third), or none

    The churn tables are generated, always the same; the others are scikit-learn's.

    \b
    Examples:
      tidemill examples
      tidemill train examples/churn.csv --project churn --target Churn
      tidemill train examples/diabetes.csv --project diabetes --target progression
    """
    from tidemill_cli import example_tables

    for path in example_tables.write(directory):
        click.echo(path)
