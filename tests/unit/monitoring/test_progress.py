"""Looks that break and looks that meet, in any order: each capture is in the totals once, and nothing stays open."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidemill.contracts import Capture, ColumnProfile, InputField, Profile, Reading, Signature, from_json, to_json
from tidemill.monitoring import totals
from tidemill.monitoring.progress import Progress
from tidemill.monitoring.stock import Stock
from tidemill.monitoring_contracts import Due, HourPart, PartClaim, Summary, Totals, WatchState
from tidemill.spec import Monitor

T = TypeVar("T")
How = Literal["before", "after", "twice"]
HOURS = tuple(f"2026-03-04T{hour:02}" for hour in (1, 4, 5, 6))
COLUMN = ColumnProfile("tenure", "integer", "feature", 9, 0, 3)
PROFILE = Profile(9, 0, (COLUMN,), Reading("csv", None, "utf-8", ",", '"', True, 1), "Churn", "binary")
#: Requests of a call that counts something of each hour.
REQUESTS = 16
SIGNATURE = Signature("churn", "binary", "Churn", (InputField("tenure", "integer", required=False),), ("No", "Yes"))


class Broken(Exception):
    """A look has been stopped."""


@dataclass(frozen=True)
class Plan:
    """One call of the function, and what happens in it.

    Parameters
    ----------
    new
        hours of captures that come before the call.
    at
        the hour of the look.
    stop
        the number of the request in which the call is stopped.
    how
        stopped before or after the request was carried out, or not stopped: the request is made twice, as when its
        first answer was lost.
    others
        calls that come before a request, by its number.
    """

    new: Sequence[str] = ()
    at: str = HOURS[-1]
    by_hand: bool = True
    stop: int | None = None
    how: How = "before"
    others: Mapping[int, Plan] = field(default_factory=dict)


class World:
    """What is stored of a model."""

    def __init__(self) -> None:
        self.state: WatchState | None = None
        self.files: dict[str, dict[str, list[Capture]]] = {}
        self.claims: dict[HourPart, PartClaim] = {}
        self.written: dict[HourPart, tuple[Sequence[Summary], bytes]] = {}
        self.recorded = self.most_begun = 0

    def record(self, hour: str) -> None:
        """A file with two new captures, and one that another file of the hour has, if there is one."""
        numbers = (self.recorded, self.recorded + 1)
        found = [Capture(f"p{number}", f"{hour}:10:00Z", "churn", 1, {}, None, status=503) for number in numbers]
        again = [one[0] for one in self.files.get(hour, {}).values()][:1]
        self.files.setdefault(hour, {})[f"f{self.recorded:03}"] = found + again
        self.recorded += 2

    def look(self, plan: Plan) -> bool:
        """Call the function; returns whether there is more, as far as is known."""
        for hour in plan.new:
            self.record(hour)
        client = Client(self, plan)
        due = Due("churn", f"{plan.at}:30:00Z", force=plan.by_hand)
        try:
            stock = Stock.of(Progress(due, client), Monitor(), client, client, 1, lambda *_: ())
            return stock.look(due).more
        except Broken:
            return True

    def counted(self) -> dict[str, Totals]:
        """The sums of all parts that are written."""
        return totals.counted({}, (one for summaries, _ in self.written.values() for one in summaries))


class Client:
    """What one call sees of the world: records, files and versions."""

    def __init__(self, world: World, plan: Plan) -> None:
        self._world, self._plan, self._requests = world, plan, 0

    def _request(self, does: Callable[[], T]) -> T:
        number, plan = self._requests, self._plan
        self._requests += 1
        if number in plan.others:
            self._world.look(plan.others[number])
        if number != plan.stop:
            return does()
        if plan.how == "before":
            raise Broken
        does()
        if plan.how == "after":
            raise Broken
        return does()

    # --- the state, and parts ------------------------------------------------------------------

    def watch_state(self, model: str) -> WatchState | None:
        return self._request(lambda: self._world.state)

    def swap_watch_state(self, state: WatchState, revision: int | None) -> bool:
        def swap() -> bool:
            before = self._world.state
            if (before.revision if before else None) != revision:
                return False
            assert before is None or requests(before) <= requests(state)
            self._world.most_begun = max(self._world.most_begun, len(state.begun))
            self._world.state = state
            return True

        return self._request(swap)

    def claim_part(self, model: str, part: HourPart, claim: PartClaim) -> bool:
        return self._request(lambda: self._world.claims.setdefault(part, claim) is claim)

    def claim_of(self, model: str, part: HourPart) -> PartClaim:
        return self._world.claims[replace(part, counted=False)]

    def put_part(self, model: str, part: HourPart, summaries: Sequence[Summary], index: bytes) -> None:
        def put() -> None:
            assert self._world.written.setdefault(part, (summaries, index))[0] == summaries

        self._request(put)

    def parts(self, model: str, first: str, last: str) -> dict[str, list[HourPart]]:
        def listed() -> dict[str, list[HourPart]]:
            found: dict[str, list[HourPart]] = {}
            for part in sorted(self._world.claims, key=lambda part: (part.hour, part.number)):
                if first <= part.hour <= last:
                    found.setdefault(part.hour, []).append(replace(part, counted=part in self._world.written))
            return found

        return self._request(listed)

    def indexes(self, model: str, parts: Iterable[HourPart]) -> Iterator[tuple[HourPart, bytes]]:
        return ((part, self._world.written[replace(part, counted=False)][1]) for part in parts if part.counted)

    # --- captures ------------------------------------------------------------------------------

    def capture_files(self, model: str, first: str, last: str) -> dict[str, list[Any]]:
        def listed() -> dict[str, list[Any]]:
            hours = sorted(hour for hour in self._world.files if first <= hour <= last)
            return {hour: [_File(f"{hour}/{name}.jsonl.gz") for name in self._world.files[hour]] for hour in hours}

        return self._request(listed)

    def capture_keys(self, model: str, hour: str, names: Iterable[str]) -> list[str]:
        return [f"{hour}/{name}.jsonl.gz" for name in names]

    def captures(self, files: Iterable[str]) -> Iterator[tuple[str, list[Capture]]]:
        for key in files:
            hour, _, name = key.removesuffix(".jsonl.gz").partition("/")
            yield key, self._world.files[hour][name]

    # --- outcomes: there are none --------------------------------------------------------------

    def ledger_files(self, model: str) -> list[Any]:
        return []

    def ledger(self, files: Iterable[str]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
        return iter(())

    def waiting(self, model: str, files: Iterable[str]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
        return iter(())

    # --- what the model was made with ----------------------------------------------------------

    def profile(self, model: str, version: int) -> Profile:
        return PROFILE

    def signature(self, model: str, version: int) -> Signature:
        return SIGNATURE

    def reference(self, model: str, version: int) -> None:
        return None

    def constraints(self, project: str) -> None:
        return None


@dataclass(frozen=True)
class _File:
    key: str


def requests(state: WatchState) -> int:
    return sum(total.requests for total in state.totals.values())


def plans(others: st.SearchStrategy[Mapping[int, Plan]]) -> st.SearchStrategy[Plan]:
    how = st.sampled_from(["before", "after", "twice"])
    hours = st.sampled_from(HOURS)
    return st.builds(Plan, st.lists(hours, max_size=2), hours, st.booleans(), st.none() | NUMBERS, how, others)


NUMBERS = st.integers(0, REQUESTS)
PLANS = st.recursive(plans(st.just({})), lambda inner: plans(st.dictionaries(NUMBERS, inner, max_size=3)), max_leaves=6)


def check_exact(world: World) -> None:
    """After two more looks everything is in the totals and in the parts once, and nothing is open."""
    calls = 0
    while world.look(Plan()):
        calls += 1
        assert calls < 3
    assert world.state is not None
    assert requests(world.state) == world.recorded
    assert world.state.totals == world.counted()
    assert world.claims.keys() == world.written.keys()
    assert world.state.begun == ()


@settings(max_examples=300)
@given(st.lists(PLANS, min_size=1, max_size=6))
def test_each_capture_is_in_the_totals_once(plans: list[Plan]) -> None:
    world = World()
    for plan in plans:
        world.look(plan)
    check_exact(world)


@pytest.mark.parametrize("how", ["before", "after", "twice"])
@pytest.mark.parametrize("by_hand", [True, False])
def test_wherever_a_look_breaks_the_next_one_goes_on(how: How, by_hand: bool) -> None:
    """Also one that does not reach as far back as the one that broke."""
    for stop in range(REQUESTS):
        world = World()
        world.look(Plan(HOURS))
        world.look(Plan(HOURS, stop=stop, how=how))
        world.look(Plan(by_hand=by_hand))
        check_exact(world)


def test_what_another_look_has_begun_stays_begun() -> None:
    """One breaks between its two writes while another one goes on with an older listing."""
    for number, stop in itertools.product(range(REQUESTS), repeat=2):
        world = World()
        world.look(Plan(HOURS))
        breaking = Plan(HOURS[:1], stop=stop)
        world.look(Plan(HOURS, others={number: breaking}))
        check_exact(world)


def test_of_many_parts_one_is_open_at_a_time() -> None:
    world = World()
    world.look(Plan(HOURS))
    assert world.most_begun == 1


def test_a_state_of_before_has_everything_that_is_written() -> None:
    world = World()
    world.look(Plan(HOURS))
    stored = to_json(world.state)
    del stored["begun"]
    world.state = from_json(WatchState, stored)
    check_exact(world)
