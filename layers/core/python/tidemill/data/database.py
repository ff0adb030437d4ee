"""A duckdb database in a folder of its own: on disk, within a memory limit, without network.

One thread, because sums over floating-point numbers depend on their order and the same
upload must give the same profile, to the last digit.
"""

from __future__ import annotations

from pathlib import Path

import duckdb

#: Megabytes that duckdb may use before it spills to the work folder; Python comes on top. It holds a few blocks of
#: every column at a time, which it cannot spill.
MEMORY_MB, MEMORY_MB_PER_COLUMN = 512, 1


def connect(work: Path) -> duckdb.DuckDBPyConnection:
    """Open a new database in the folder `work`, which also takes what spills out of memory."""
    settings = {
        "home_directory": str(work),
        "temp_directory": str(work / "spill"),
        "extension_directory": str(work / "extensions"),
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "threads": "1",
    }
    connection = duckdb.connect(str(work / "table.duckdb"), config=settings)
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET enable_progress_bar = false")  # it would be drawn into the log
    limit_memory(connection, 0)
    return connection


def limit_memory(connection: duckdb.DuckDBPyConnection, columns: int) -> None:
    """Let the database use what tables of so many columns need, and no more."""
    connection.execute(f"SET memory_limit = '{MEMORY_MB + MEMORY_MB_PER_COLUMN * columns}MB'")


def literal(text: str) -> str:
    """The text as an SQL string."""
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """The name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'
