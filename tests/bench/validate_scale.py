"""Peak memory and time of validating large tables: 1,000,000 rows of 50 columns and 10,000,000 rows of 10 columns.

    python tests/bench/validate_scale.py [--small]

Each table is made by duckdb and validated in a process of its own: read, typed, profiled, checked and written as
canonical Parquet. --small makes them of a hundredth of the rows. The bar is 3 GB of memory for each.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb

TABLES = {"1,000,000 x 50": (1_000_000, 50), "10,000,000 x 10": (10_000_000, 10)}
SMALL = 100
BAR_BYTES = 3 * 2**30

#: Kinds of columns by turns, as SQL on the row's number i and a pseudo-random number {u} in 0 to 1.
KINDS = (
    "round({u} * 1000, 2)",
    "({u} * 90)::INTEGER",
    "['north', 'east', 'south', 'west', NULL][1 + ({u} * 4.2)::INTEGER]",
    "strftime(DATE '2020-01-01' + ({u} * 1500)::INTEGER, '%Y-%m-%d')",
    "'level ' || ({u} * 300)::INTEGER || ', ' || ({u} * 3)::INTEGER || '\"'",
    "{u}",
)


def write_table(path: Path, rows: int, columns: int) -> None:
    """A CSV table with an id, features of six kinds and a binary target; the same bytes each time."""
    features = [
        KINDS[k % len(KINDS)].format(u=f"(hash(i * 64 + {k}) / 18446744073709551616)") + f" AS feature_{k}"
        for k in range(columns - 2)
    ]
    target = "CASE WHEN hash(i) % 10 < 3 THEN 'yes' ELSE 'no' END AS churn"
    query = f"SELECT 'c' || i AS customer, {', '.join(features)}, {target} FROM range({rows}) AS t(i)"
    with duckdb.connect(config={"threads": "1"}) as connection:
        connection.execute("SET enable_progress_bar = false")
        connection.execute(f"COPY ({query}) TO '{path}' (HEADER, FORMAT csv)")


def measure(path: Path) -> dict[str, float]:
    """Validate the table in this process."""
    from tidemill.data import validation
    from tidemill.spec import Spec

    with tempfile.TemporaryDirectory(dir=path.parent) as work:
        started, used = time.monotonic(), time.process_time()
        outcome = validation.validate(
            fetch=lambda to: to.hardlink_to(path),
            size=path.stat().st_size,
            name=path.name,
            spec=Spec(target="churn"),
            previous=None,
            work=Path(work),
            max_bytes=10**11,
        )
        seconds, processor = time.monotonic() - started, time.process_time() - used
        disk = sum(file.stat().st_size for file in Path(work).rglob("*") if file.is_file())
    assert outcome.accepted, outcome.checks
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"seconds": seconds, "processor": processor, "peak": peak, "disk": disk}


def main() -> None:
    """Measure each table, and say whether it kept within the bar."""
    divisor = SMALL if "--small" in sys.argv else 1
    print(f"{'table':>16} {'file':>9} {'peak memory':>12} {'work folder':>12} {'seconds':>8} {'CPU':>7}")
    for name, (rows, columns) in TABLES.items():
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "table.csv"
            write_table(path, rows // divisor, columns)
            command = [sys.executable, __file__, "--measure", str(path)]
            result = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            size = path.stat().st_size
        print(
            f"{name:>16} {size / 2**20:>6.0f} MB {result['peak'] / 2**20:>9.0f} MB {result['disk'] / 2**20:>9.0f} MB "
            f"{result['seconds']:>8.1f} {result['processor']:>7.1f}"
            f"   {'within' if result['peak'] <= BAR_BYTES else 'ABOVE'} {BAR_BYTES / 2**30:.0f} GB"
        )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        print(json.dumps(measure(Path(sys.argv[2]))))
    else:
        main()
