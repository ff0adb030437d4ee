"""The example tables as files: generated customers, and three tables that come with scikit-learn."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from tidemill_cli import churn_generator


def write(directory: Path) -> list[Path]:
    """Write all tables, always with the same bytes, and return their paths."""
    directory.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, make in TABLES.items():
        path = directory / name
        path.write_bytes(make())
        paths.append(path)
    return paths


def breast_cancer() -> bytes:
    """Wolberg's 569 tumours: 30 measurements, and whether the tumour was malignant."""
    from sklearn.datasets import load_breast_cancer

    table = load_breast_cancer()
    names = [str(name).replace(" ", "_") for name in table.feature_names]
    labels = [str(table.target_names[code]) for code in table.target]
    return _csv([*names, "diagnosis"], ([*row, label] for row, label in zip(table.data.tolist(), labels, strict=True)))


def diabetes() -> bytes:
    """Efron's 442 patients: ten measurements as they were taken, and the disease's progression after a year."""
    from sklearn.datasets import load_diabetes

    table = load_diabetes(scaled=False)
    names = [str(name) for name in table.feature_names]
    values = table.target.tolist()
    return _csv(
        [*names, "progression"], ([*row, value] for row, value in zip(table.data.tolist(), values, strict=True))
    )


def wine() -> bytes:
    """Forina's 178 wines: 13 measurements, and which of three cultivars they are from."""
    from sklearn.datasets import load_wine

    table = load_wine()
    names = [str(name).replace("/", "_") for name in table.feature_names]
    cultivars = ("first", "second", "third")
    rows = ([*row, cultivars[code]] for row, code in zip(table.data.tolist(), table.target.tolist(), strict=True))
    return _csv([*names, "cultivar"], rows)


def _csv(header: list[str], rows: Iterable[list[Any]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    for row in rows:
        writer.writerow(int(v) if isinstance(v, float) and v.is_integer() else v for v in row)
    return text.getvalue().encode()


#: File name -> what makes its bytes.
TABLES: dict[str, Callable[[], bytes]] = {
    "churn.csv": churn_generator.customers,
    "churn_drifted_month.csv": churn_generator.drifted_month,
    "breast_cancer.csv": breast_cancer,
    "diabetes.csv": diabetes,
    "wine.csv": wine,
}
