"""Production from a table: its rows sent as traffic, changed on the way if asked, and what happened told later.

What is sent follows from the table, the options and the seed; prediction ids are the endpoint's. Time goes by a clock
that is passed in.
"""

from __future__ import annotations

import csv
import io
import random
import re
import statistics
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from tidemill.contracts import InputField
from tidemill.errors import InputRefused, TidemillError
from tidemill_cli.prediction_api import Answer, PredictionFailed, RowsRefused

#: After so many calls without an answer there is no use in going on.
GIVE_UP = 20
#: A category that no training table has.
UNKNOWN = "simulated-unknown"

_FORM = re.compile(
    r"(?P<column>.+)=(?:(?P<sign>[+-])(?P<amount>\d+(?:\.\d+)?)(?P<sd>sd)?|\*(?P<factor>\d+(?:\.\d+)?)|"
    r"(?P<word>swap|missing|unknown))(?:@(?P<share>0?\.\d+|1(?:\.0+)?))?"
)
FORMS = (
    "COLUMN=+0.5sd (standard deviations of the table), COLUMN=-3, COLUMN=*1.3, COLUMN=swap (the two most frequent "
    "values), COLUMN=unknown (a value never seen) or COLUMN=missing, each for a share of the rows by @0.3 behind it"
)


@dataclass(frozen=True)
class Change:
    """How the values of a column are changed before they are sent."""

    column: str
    kind: Literal["add", "add_sd", "multiply", "swap", "missing", "unknown"]
    amount: float = 0.0
    share: float = 1.0  #: of the rows, drawn at random


def change(text: str) -> Change:
    """A change as it is written on the command line. Raises InputRefused naming the forms."""
    found = _FORM.fullmatch(text)
    if found is None:
        raise InputRefused(f"the drift {text!r} is not understood: write {FORMS}")
    share = float(found["share"] or 1)
    if found["word"]:
        return Change(found["column"], found["word"], share=share)  # type: ignore[arg-type]
    if found["factor"]:
        return Change(found["column"], "multiply", float(found["factor"]), share)
    amount = float(found["sign"] + found["amount"])
    return Change(found["column"], "add_sd" if found["sd"] else "add", amount, share)


def drawn(count: int, wanted: int | None, seed: int) -> list[int]:
    """Places of the rows to send: all in their order; fewer, a sample in its order; more, the table again and again,
    each time in another order."""
    if wanted is None or wanted == count:
        return list(range(count))
    draw = random.Random(seed)  # noqa: S311 - a simulation, no secret
    if wanted < count:
        return sorted(draw.sample(range(count), wanted))
    places = list(range(count))
    while len(places) < wanted:
        places += draw.sample(range(count), count)
    return places[:wanted]


def changed(
    rows: Sequence[Mapping[str, Any]], changes: Sequence[Change], inputs: Sequence[InputField], seed: int
) -> list[dict[str, Any]]:
    """The rows with the changes made, one after the other.

    Raises
    ------
    InputRefused
        a change is of a column that the model or the table does not have, or does not fit its type.
    """
    result = [dict(row) for row in rows]
    fields = {one.name: one for one in inputs}
    for place, one in enumerate(changes):
        kind = fields.get(one.column)
        if kind is None or not any(one.column in row for row in rows):
            known = ", ".join(name for name in fields if any(name in row for row in rows))
            raise InputRefused(f"the drift of {one.column!r} is of no column that is sent; these are: {known}")
        draw = random.Random(f"{seed}:{place}")  # noqa: S311 - a simulation, no secret
        alter = _alteration(one, kind, [row.get(one.column) for row in rows])
        for row in result:
            if draw.random() < one.share and row.get(one.column) is not None:
                row[one.column] = alter(row[one.column])
    return result


def _alteration(one: Change, kind: InputField, values: Sequence[Any]) -> Callable[[Any], Any]:
    if one.kind == "missing":
        return lambda _: None
    if one.kind == "unknown":
        return lambda _: UNKNOWN
    if one.kind == "swap":
        frequent = [value for value, _ in Counter(value for value in values if value is not None).most_common(2)]
        if len(frequent) < 2:
            raise InputRefused(f"{one.column!r} has fewer than two values, so none can be swapped")
        other = {frequent[0]: frequent[1], frequent[1]: frequent[0]}
        return lambda value: other.get(value, value)
    numbers = [value for value in values if isinstance(value, int | float)]
    if kind.type not in ("integer", "number") or len(numbers) < 2:
        raise InputRefused(f"{one.column!r} is no number: change it by {one.column}=swap, =unknown or =missing")
    added = one.amount * statistics.stdev(numbers) if one.kind == "add_sd" else one.amount
    whole = kind.type == "integer"

    def alter(value: Any) -> Any:
        if not isinstance(value, int | float):
            return value
        moved = value * one.amount if one.kind == "multiply" else value + added
        return round(moved) if whole else moved

    return alter


# --- sending -----------------------------------------------------------------------------------


class Api(Protocol):
    """What answers."""

    def predict(self, model: str, instances: Sequence[Any], *, key: str | None = None) -> Answer:
        """Predict rows."""


@dataclass(frozen=True)
class Labels:
    """How the true outcomes follow: so many seconds after the predictions, in so many parts."""

    delay: float = 0.0
    parts: int = 1
    share: float = 1.0  #: of the rows whose outcome ever becomes known
    shuffled: bool = False  #: all parts after the last row, in another order


@dataclass
class Replayed:
    """What has been sent, and what came of it."""

    calls: int = 0
    rows: int = 0  #: that were answered
    refused: int = 0  #: calls
    failed: int = 0  #: calls
    versions: Counter[int] = field(default_factory=Counter)  #: answered rows by the version that answered
    actuals: int = 0
    uploads: list[str] = field(default_factory=list)  #: where the actuals went
    problem: str = ""  #: the newest answer to a call that was refused or has failed


@dataclass(frozen=True)
class _Part:
    due: float
    rows: list[tuple[str, str]]  #: prediction id and actual


def replay(
    api: Api,
    model: str,
    rows: Sequence[Mapping[str, Any]],
    actuals: Sequence[str] | None,
    *,
    upload: Callable[[int, Sequence[tuple[str, str]]], str],
    clock: Callable[[], float],
    sleep: Callable[[float], None],
    tell: Callable[[Replayed], None],
    batch: int = 1,
    rate: float | None = None,
    labels: Labels | None = None,
    route: Sequence[str] | None = None,
    seed: int = 0,
) -> Replayed:
    """Send the rows, and the actuals of those that were answered.

    Parameters
    ----------
    actuals
        true outcome of each row; empty text: unknown. None: there are none.
    upload
        takes a part's number, from 1, and its (prediction id, actual); gives the place where they went.
    tell
        told after each call.
    batch
        rows of a call.
    rate
        most calls in a second; None: as fast as they are answered.
    route
        routing key of each row: rows of one key are answered by one version. With keys, a call has one row.

    Raises
    ------
    TidemillError
        the first GIVE_UP calls were all refused or failed; the message is the endpoint's.
    """
    done = Replayed()
    draw = random.Random(seed)  # noqa: S311 - a simulation, no secret
    known: list[tuple[str, str]] = []
    parts: list[_Part] = []
    size = 1 if route is not None else batch
    part_rows = -(-len(rows) // labels.parts) if labels else 0
    begun = clock()
    for start in range(0, len(rows), size):
        if rate:
            _wait_until(begun + done.calls / rate, clock, sleep)
        instances = rows[start : start + size]
        for place, prediction in _asked(api, model, instances, route[start] if route else None, done):
            actual = actuals[start + place] if actuals else ""
            if labels and actual and draw.random() < labels.share:
                known.append((prediction, actual))
        if not done.rows and done.calls >= GIVE_UP:
            raise TidemillError(f"none of {done.calls} calls was answered: {done.problem}")
        tell(done)
        ends = start + size
        if labels and known and (ends >= len(rows) or ends // part_rows > start // part_rows):
            parts.append(_Part(clock() + labels.delay, known))
            known = []
        if labels and not labels.shuffled:
            while parts and parts[0].due <= clock():
                _tell_actuals(parts.pop(0), upload, done)
    if labels and labels.shuffled:
        draw.shuffle(parts)
    for part in parts:
        _wait_until(part.due, clock, sleep)
        _tell_actuals(part, upload, done)
    return done


def _asked(
    api: Api, model: str, instances: Sequence[Mapping[str, Any]], key: str | None, done: Replayed
) -> Iterator[tuple[int, str]]:
    """Send a call and count it; each row's place in it with the id of its prediction."""
    done.calls += 1
    try:
        answer = api.predict(model, instances, key=key)
    except RowsRefused as error:
        done.refused += 1
        done.problem = str(error)
        return
    except PredictionFailed as error:
        done.failed += 1
        done.problem = str(error)
        return
    done.rows += len(instances)
    done.versions[answer.version] += len(instances)
    several = len(instances) > 1
    for place in range(len(instances)):
        yield place, f"{answer.prediction_id}-{place}" if several else answer.prediction_id


def _wait_until(due: float, clock: Callable[[], float], sleep: Callable[[float], None]) -> None:
    left = due - clock()
    if left > 0:
        sleep(left)


def _tell_actuals(part: _Part, upload: Callable[[int, Sequence[tuple[str, str]]], str], done: Replayed) -> None:
    done.uploads.append(upload(len(done.uploads) + 1, part.rows))
    done.actuals += len(part.rows)


def actuals_table(rows: Sequence[tuple[str, str]], target: str) -> bytes:
    """Actuals as CSV in UTF-8: prediction_id and the target."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["prediction_id", target])
    writer.writerows(rows)
    return text.getvalue().encode()
