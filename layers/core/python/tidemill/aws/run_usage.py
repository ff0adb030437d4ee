"""What a run has used, or nothing: not knowing its cost must not keep a run from being concluded."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from tidemill.aws.executions import Executions
from tidemill.aws.functions import Functions
from tidemill.contracts import StageUsage
from tidemill.errors import NotFound, StorageError


def run_usage(
    executions: Executions, functions: Functions, execution: str, until: datetime, warn: Callable[[str], object]
) -> dict[str, StageUsage] | None:
    """What each stage of an execution has used, by its name; None, and a warning, when that cannot be read."""
    try:
        return executions.usage(execution, until, functions.configuration)
    except (NotFound, StorageError) as error:
        warn(f"the cost of the run is not known: {error}")
        return None
