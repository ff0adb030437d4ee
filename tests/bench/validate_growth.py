"""How validating grows with the rows: reading, profile, checks and canonical Parquet, one process per size.

    python tests/bench/validate_growth.py [rows ...]

Prints processor time per row and peak memory as ratios to the smallest size. Growth is
linear when a row of the largest table costs at most 1.5 times what a row costs at the
size where it is cheapest; fixed costs make rows of small tables dear.
"""

from __future__ import annotations

import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SIZES = (10_000, 100_000, 1_000_000)
LINEAR = 1.5


def write_table(path: Path, rows: int) -> None:
    """A table of 10 columns: numbers, categories, dates, an id and a binary target."""
    draw = random.Random(0)
    with path.open("w") as file:
        file.write("id,tenure,charges,usage,plan,region,since,score,note,churn\n")
        for i in range(rows):
            plan = draw.choice(("basic", "plus", "family"))
            churn = "yes" if draw.random() < 0.3 else "no"
            file.write(
                f"c{i:07d},{draw.randrange(72)},{draw.uniform(18, 120):.2f},{draw.gauss(0, 1)!r},{plan},"
                f"r{draw.randrange(40)},2024-{draw.randrange(1, 13):02d}-{draw.randrange(1, 29):02d},"
                f'{draw.random():.6f},"n{draw.randrange(500)}, x",{churn}\n'
            )


def measure(path: Path) -> dict[str, float]:
    """Validate the table in this process."""
    from tidemill.data import validation
    from tidemill.spec import Spec

    with tempfile.TemporaryDirectory() as work:
        started = time.process_time()
        outcome = validation.validate(
            fetch=lambda to: to.hardlink_to(path),
            size=path.stat().st_size,
            name=path.name,
            spec=Spec(target="churn"),
            previous=None,
            work=Path(work),
            max_bytes=10**11,
        )
        seconds = time.process_time() - started
    assert outcome.accepted, outcome.checks
    return {"seconds": seconds, "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}


def main() -> None:
    """Measure every size in a process of its own, and print the ratios."""
    sizes = [int(size) for size in sys.argv[1:]] or list(SIZES)
    results: list[tuple[int, dict[str, float]]] = []
    print(f"{'rows':>10} {'time per row':>13} {'peak memory':>12} {'memory per row':>15}   ratios to the first line")
    with tempfile.TemporaryDirectory() as folder:
        for rows in sizes:
            path = Path(folder) / f"{rows}.csv"
            write_table(path, rows)
            command = [sys.executable, __file__, "--measure", str(path)]
            answer = subprocess.run(command, check=True, capture_output=True, text=True)
            results.append((rows, json.loads(answer.stdout)))
            path.unlink()
            first_rows, first = results[0]
            time_ratio = (results[-1][1]["seconds"] / rows) / (first["seconds"] / first_rows)
            memory_ratio = results[-1][1]["memory"] / first["memory"]
            print(f"{rows:>10,} {time_ratio:>13.2f} {memory_ratio:>12.2f} {memory_ratio * first_rows / rows:>15.2f}")
    per_row = [(result["seconds"] / rows) for rows, result in results]
    growth = per_row[-1] / min(per_row)
    verdict = "linear" if growth <= LINEAR else "more than linear"
    print(f"growth is {verdict}: a row of the largest table costs {growth:.2f} times the cheapest")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        print(json.dumps(measure(Path(sys.argv[2]))))
    else:
        main()
