"""People who have no command: one decides by the HTTP API, one by the link in the notification."""

from urllib.parse import urlencode

import pytest
import urllib3

from .conftest import until

pytestmark = pytest.mark.e2e

ANN, BOB = "ann@example.com", "bob@example.com"


@pytest.fixture(scope="module")
def api(tidemill):
    """Calls the API with its key; or a link, as a browser does, without."""
    url, key = (tidemill("url", *flags).out.strip() for flags in ((), ("--key",)))

    def call(method, path, form=None, **sent):
        if "/decide/" in path:
            headers = {"content-type": "application/x-www-form-urlencoded"}
            return urllib3.request(method, path, body=urlencode(form or {}), headers=headers, timeout=30)
        return urllib3.request(method, url + path, headers={"x-api-key": key}, timeout=30, **sent)

    return call


@pytest.fixture
def asks(tidemill, tables, spec_file):
    """Trains a version that several people must agree to; returns its run's id."""

    def run(approvers, *people):
        approval = {"mode": "manual", "approvers": approvers, "people": people}
        spec = spec_file(target="diagnosis", approval=approval)
        done = tidemill("train", tables / "breast_cancer.csv", "--project", "agreed", "--spec", spec, "--json")
        assert done.document["status"] == "WAITING_FOR_APPROVAL", done.err
        return done.document["run_id"]

    return run


def link_for(inbox, person, run_id):
    """The link in the message that is for this person."""
    (message,) = until(lambda: [one for one in inbox.for_person(person) if run_id in one["Message"]])
    (link,) = [word for word in message["Message"].split() if "/decide/" in word]
    return link


def test_one_agrees_by_the_api_and_one_by_a_link_and_the_version_goes_live(tidemill, asks, api, inbox):
    run_id = asks(2, "API key *", ANN)
    first = api("POST", f"/approvals/{run_id}", json={"decision": "approve", "reason": "agreed"})
    assert (first.status, first.json()["missing"]) == (200, 1), first.data
    again = api("POST", f"/approvals/{run_id}", json={"decision": "approve", "reason": "once more"})
    assert (again.status, again.json()["missing"]) == (200, 1)

    link = link_for(inbox, ANN, run_id)
    page = api("GET", link)
    assert (page.status, "Release version 1 of agreed?" in page.data.decode()) == (200, True)
    assert api("GET", f"{link}?report=1").data.startswith(b"<!doctype html>")
    decided = api("POST", link, {"decision": "approve"})
    assert decided.status == 200, decided.data
    assert api("POST", link, {"decision": "approve"}).status == 409
    ended = tidemill("run", run_id, "--follow", "--json").document
    assert (ended["status"], ended["model"]["alias"]) == ("LIVE", "champion")
    audit = tidemill("model", "agreed", "--json").document["audit"]
    assert {event["actor"] for event in audit if event["action"] == "vote"} == {ANN, "API key tidemill"}


def test_one_refusal_by_a_link_ends_it(tidemill, asks, api, inbox):
    run_id = asks(2, ANN, BOB)
    assert api("POST", f"/approvals/{run_id}", json={"decision": "approve"}).status == 403
    refused = {"decision": "reject", "reason": "ask legal first"}
    link = link_for(inbox, BOB, run_id)
    assert api("POST", link, refused).status == 200
    ended = until(lambda: tidemill("run", run_id, "--follow", "--json").document)
    assert (ended["status"], ended["stage"]) == ("REFUSED_BY_GATE", "approve")
    assert "ask legal first" in ended["reason"]
