"""Who answers a call: shares that hold, keys that stay, copies that are a fair sample."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tidemill.errors import InputRefused
from tidemill.release_contracts import Share, Traffic
from tidemill.serving import traffic
from tidemill.serving.traffic import assign, copied, routing_key

CHAMPION = 1
KEYS = [f"customer-{number}" for number in range(4000)]


def spread(*weights):
    """Traffic whose shares are of versions 2, 3, ..."""
    return Traffic("churn", tuple(Share(version, weight) for version, weight in enumerate(weights, 2)))


def versions(said, keys=KEYS):
    return [assign(said, CHAMPION, key)[0] for key in keys]


weights = st.floats(0.01, 1.0)


@pytest.mark.parametrize("nothing", [None, Traffic("churn"), Traffic("churn", experiment="x")])
def test_without_shares_the_champion_answers(nothing):
    assert assign(nothing, CHAMPION, "k") == (CHAMPION, "champion")


def test_why_says_whether_a_share_was_it():
    assert {assign(spread(0.5), CHAMPION, key) for key in KEYS[:100]} == {(1, "champion"), (2, "split")}


def test_a_share_of_one_is_everybody():
    assert set(versions(spread(1.0))) == {2}


@pytest.mark.parametrize("shares", [(0.1,), (0.1, 0.2), (0.2, 0.1, 0.3), (0.25, 0.25, 0.25, 0.25)])
def test_shares_are_what_was_asked_for(shares):
    counted = Counter(versions(spread(*shares)))
    for version, weight in enumerate(shares, 2):
        assert counted[version] / len(KEYS) == pytest.approx(weight, abs=0.03)
    assert counted[CHAMPION] / len(KEYS) == pytest.approx(1 - sum(shares), abs=0.03)


@given(st.text(), weights)
def test_a_key_stays_where_it_is(key, weight):
    assert assign(spread(weight), CHAMPION, key) == assign(spread(weight), CHAMPION, key)


@given(st.text(), weights, weights, weights, weights)
def test_when_shares_grow_no_key_leaves_them(key, first, second, more, even_more):
    grown, also = min(1.0, first + more), min(1.0, second + even_more)
    assume(first + second <= 1)
    assume(grown + also <= 1)
    before, _ = assign(spread(first, second), CHAMPION, key)
    after, _ = assign(spread(grown, also), CHAMPION, key)
    assert before in (CHAMPION, after)


@given(st.text(), st.lists(weights, min_size=1, max_size=5), st.data())
def test_when_one_of_many_shares_grows_no_key_leaves_it(key, shares, data):
    assume(sum(shares) < 1)
    index = data.draw(st.integers(0, len(shares) - 1))
    more = data.draw(st.floats(0, 1 - sum(shares)))
    assume(sum(shares) + more <= 1)
    grown = [*shares[:index], shares[index] + more, *shares[index + 1 :]]
    if assign(spread(*shares), CHAMPION, key)[0] == index + 2:
        assert assign(spread(*grown), CHAMPION, key)[0] == index + 2


def test_another_model_spreads_the_same_keys_differently():
    other = replace(spread(0.5), model="houses")
    same = sum(a == b for a, b in zip(versions(spread(0.5)), versions(other), strict=True))
    assert same / len(KEYS) == pytest.approx(0.5, abs=0.05)


def test_a_version_that_has_become_the_champion_answers_as_such():
    assert {assign(spread(0.5), 2, key) for key in KEYS[:100]} == {(2, "champion")}


def test_copies_are_a_sample_of_every_versions_calls():
    said = replace(spread(0.5), shadow_version=9, shadow_fraction=0.3)
    calls = [(assign(said, CHAMPION, key)[0], copied(said, CHAMPION, key)) for key in KEYS]
    for version in (CHAMPION, 2):
        taken = [copy for answered, copy in calls if answered == version]
        assert taken.count(9) / len(taken) == pytest.approx(0.3, abs=0.04)


def test_no_version_gets_a_copy_of_what_it_has_answered():
    said = Traffic("churn", shadow_version=2, shadow_fraction=1.0)
    assert copied(said, 2, "call") is None
    assert copied(said, 1, "call") == 2
    assert copied(None, 1, "call") is None
    assert copied(Traffic("churn"), 1, "call") is None


def test_places_are_known_numbers_so_that_no_release_moves_keys():
    assert traffic.place("churn", "customer-1") == 0.00289693879035835


def test_a_routing_key_is_text_of_some_length():
    assert routing_key(None) is None
    assert routing_key("  ") is None
    assert routing_key(" a ") == "a"
    with pytest.raises(InputRefused, match="257 characters, at most 256"):
        routing_key("x" * 257)
