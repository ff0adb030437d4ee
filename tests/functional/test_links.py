"""Signed links: who may decide with one, until when, and how often."""

from __future__ import annotations

import base64
import json

import pytest

from tidemill import keys
from tidemill.aws import clients, links
from tidemill.aws.links import UsedLinks
from tidemill.aws.objects import Objects
from tidemill.errors import ApprovalConflict, NotAllowed

from .conftest import ARTIFACTS

RUN = "a" * 32
URL = "https://abc.execute-api.us-east-1.amazonaws.com/api"
UNTIL = "2026-03-07T05:06:07Z"
BEFORE = "2026-03-04T05:06:07Z"


class Drawn:
    """Bytes that never come twice."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self, size: int) -> bytes:
        self.times += 1
        return bytes([self.times]) * size


def made(objects: Objects, draw: Drawn | None = None, person: str = "ann@example.com") -> str:
    url = links.make(ARTIFACTS, objects, RUN, person, UNTIL, URL, draw or Drawn())
    assert url.startswith(f"{URL}/decide/")
    token = url.removeprefix(f"{URL}/decide/")
    assert set(token) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")
    return token


def test_a_link_says_whose_decision_it_is_about_which_run(objects: Objects) -> None:
    link = links.read(ARTIFACTS, objects, made(objects), BEFORE)
    assert (link.run_id, link.person, link.until) == (RUN, "ann@example.com", UNTIL)


def test_links_for_the_same_decision_differ_and_have_one_secret(objects: Objects) -> None:
    draw = Drawn()
    first, second = (links.read(ARTIFACTS, objects, made(objects, draw), BEFORE) for _ in range(2))
    assert first.nonce != second.nonce
    assert objects.get(ARTIFACTS, keys.link_key()) == b"\1" * 32


def changed(token: str, **fields: str) -> str:
    said, _, signature = token.partition(".")
    document = json.loads(base64.urlsafe_b64decode(said + "==")) | fields
    return f"{base64.urlsafe_b64encode(json.dumps(document).encode()).decode().rstrip('=')}.{signature}"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda token: changed(token, person="mallory@example.com"),
        lambda token: changed(token, until="2036-01-01T00:00:00Z"),
        lambda token: changed(token, run_id="b" * 32),
        lambda token: token[:-6],
        lambda token: token.partition(".")[0],
        lambda token: token.partition(".")[0] + ".",
        lambda token: "." + token.partition(".")[2],
        lambda token: "",
        lambda token: "ä.ö",
        lambda token: "%%%.%%%",
    ],
)
def test_a_link_that_was_changed_or_cut_off_decides_nothing(objects: Objects, spoil: object) -> None:
    token = made(objects)
    with pytest.raises(NotAllowed, match="not one of ours"):
        links.read(ARTIFACTS, objects, spoil(token), BEFORE)  # type: ignore[operator]


def test_a_link_of_another_stack_decides_nothing(objects: Objects) -> None:
    token = made(objects)
    objects.put(ARTIFACTS, keys.link_key(), b"x" * 32)
    with pytest.raises(NotAllowed, match="not one of ours"):
        links.read(ARTIFACTS, objects, token, BEFORE)


def test_where_no_link_was_ever_made_none_is_good(objects: Objects) -> None:
    with pytest.raises(NotAllowed, match="not one of ours"):
        links.read(ARTIFACTS, objects, "e30.AAAA", BEFORE)
    assert not objects.exists(ARTIFACTS, keys.link_key())


@pytest.mark.parametrize("now", [UNTIL, "2026-03-07T05:06:08Z", "2027-01-01T00:00:00Z"])
def test_an_old_link_decides_nothing_and_says_what_else_does(objects: Objects, now: str) -> None:
    with pytest.raises(NotAllowed, match=f"good until {UNTIL}.*tidemill approve {RUN}"):
        links.read(ARTIFACTS, objects, made(objects), now)


def test_a_link_decides_once(objects: Objects, table: str) -> None:
    used, draw = UsedLinks(clients.dynamodb(), table), Drawn()
    link, other = (links.read(ARTIFACTS, objects, made(objects, draw), BEFORE) for _ in range(2))
    assert used.used_at(link) is None
    with used.once(link, BEFORE, "1"), pytest.raises(ApprovalConflict), used.once(link, BEFORE, "2"):
        pytest.fail("two at the same moment")
    assert used.used_at(link) == BEFORE
    with pytest.raises(ApprovalConflict, match=f"has been used, at {BEFORE}"), used.once(link, UNTIL, "3"):
        pytest.fail("a second time")
    assert used.used_at(other) is None


def test_a_link_whose_decision_failed_is_still_good(objects: Objects, table: str) -> None:
    used = UsedLinks(clients.dynamodb(), table)
    link = links.read(ARTIFACTS, objects, made(objects), BEFORE)
    with pytest.raises(NotAllowed), used.once(link, BEFORE, "1"):
        raise NotAllowed("you started this run")
    assert used.used_at(link) is None
