"""What looking at a model costs, told while it goes on."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tidemill.contracts import Architecture, StageUsage
from tidemill.rules import prices

#: Of the state machine, for each model: Summarize, Summarized, Monitor, Decide, Report, Looked, and a share of
#: the rest.
TRANSITIONS = 7
#: Watch, summarize, monitor, decide, and monitor again for the report.
INVOCATIONS = 5
#: Of the monitor function, as the template declares it.
MEMORY_MB = 1024


class Expense:
    """US dollars at list prices: of the look as such when asked first, then of what was used since.

    Parameters
    ----------
    clock
        seconds, from any beginning.
    used
        requests of this process so far, by the names of StageUsage's fields.
    memory_mb
        of the function.
    architecture
        of the function; the dearer one when it is not known.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        used: Callable[[], Mapping[str, int]],
        memory_mb: int = MEMORY_MB,
        architecture: Architecture = "x86_64",
    ) -> None:
        self._clock, self._used = clock, used
        self._memory_mb, self._architecture = memory_mb, architecture
        self._time, self._requests = clock(), dict(used())
        self._told = False

    def __call__(self) -> float:
        """What has been spent since this was asked last."""
        now, requests = self._clock(), dict(self._used())
        more = {kind: count - self._requests.get(kind, 0) for kind, count in requests.items()}
        usage = StageUsage(
            invocations=0 if self._told else INVOCATIONS,
            seconds=max(now - self._time, 0.0),
            memory_mb=self._memory_mb,
            architecture=self._architecture,
            transitions=0 if self._told else TRANSITIONS,
            **more,
        )
        self._time, self._requests, self._told = now, requests, True
        return prices.price(usage).usd
