"""`tidemill simulate`: what is sent, what is told later, and when."""

import csv
import dataclasses
import io
import itertools
import json

import pytest

from tidemill.contracts import InputField, Signature
from tidemill.errors import InputRefused, TidemillError
from tidemill_cli import simulation
from tidemill_cli.prediction_api import Answer, Described, PredictionFailed, RowsRefused

CHURN = Signature(
    "churn",
    "binary",
    "Churn",
    (InputField("tenure", "integer"), InputField("charges", "number"), InputField("contract", "category")),
    ("No", "Yes"),
    "Yes",
)
ROWS = [{"tenure": number, "charges": float(10 * number), "contract": "abcab"[number % 5]} for number in range(20)]


class Api:
    """Answers each call with an id of its own, every fourth by version 2; remembers what was sent."""

    def __init__(self, refuses=(), fails=()):
        self.sent, self.keys, self._number = [], [], itertools.count()
        self._refuses, self._fails = refuses, fails

    def describe(self, model, version=None):
        return Described(CHURN, 1)

    def predict(self, model, instances, *, key=None):
        number = next(self._number)
        if number in self._refuses:
            raise RowsRefused("tenure must be a number")
        if number in self._fails:
            raise PredictionFailed("the endpoint answered HTTP 500")
        self.sent.append(list(instances))
        self.keys.append(key)
        return Answer(["No"] * len(instances), 2 if number % 4 == 3 else 1, f"id{number}")


class Time:
    """A clock that only goes on when somebody sleeps, or by `step` at each look."""

    def __init__(self, step=0.0):
        self.now, self.slept, self._step = 0.0, [], step

    def clock(self):
        self.now += self._step
        return self.now

    def sleep(self, seconds):
        self.slept.append(round(seconds, 6))
        self.now += seconds


def replay(api, rows=ROWS, actuals=None, time=None, labels=simulation.Labels(), **options):  # noqa: B008 - frozen
    time = time or Time()
    uploads = []

    def upload(number, part):
        uploads.append((round(time.now, 6), list(part)))
        return f"s3://data/{number}"

    actuals = [str(place) for place in range(len(rows))] if actuals is None else actuals
    done = simulation.replay(
        api,
        "churn",
        rows,
        actuals,
        upload=upload,
        clock=time.clock,
        sleep=time.sleep,
        tell=lambda _: None,
        labels=labels,
        **options,
    )
    return done, uploads


def change(text, rows=ROWS, seed=0):
    return simulation.changed(rows, [simulation.change(text)], CHURN.accepted, seed)


# --- changes -----------------------------------------------------------------------------------


def test_numbers_are_moved_by_an_amount_a_factor_or_standard_deviations():
    assert [row["charges"] for row in change("charges=+5")] == [row["charges"] + 5 for row in ROWS]
    assert [row["charges"] for row in change("charges=*1.5")] == [row["charges"] * 1.5 for row in ROWS]
    moved = [new["charges"] - old["charges"] for new, old in zip(change("charges=-0.5sd"), ROWS, strict=True)]
    assert moved == [pytest.approx(-0.5 * 59.1608, rel=1e-4)] * 20


def test_whole_numbers_stay_whole():
    assert [row["tenure"] for row in change("tenure=*1.3")][:4] == [0, 1, 3, 4]


def test_categories_are_swapped_or_become_unknown_and_anything_may_go_missing():
    assert [row["contract"] for row in change("contract=swap")][:5] == ["b", "a", "c", "b", "a"]
    assert {row["contract"] for row in change("contract=unknown")} == {simulation.UNKNOWN}
    assert {row["tenure"] for row in change("tenure=missing")} == {None}


def test_a_share_of_the_rows_is_changed_and_the_seed_says_which():
    rows = [{"tenure": 1}] * 1000

    def affected(seed):
        return [place for place, row in enumerate(change("tenure=missing@0.3", rows, seed)) if row["tenure"] is None]

    assert 250 < len(affected(0)) < 350
    assert affected(0) == affected(0) != affected(1)


def test_the_table_itself_is_left_as_it_is():
    before = [dict(row) for row in ROWS]
    change("tenure=missing")
    assert before == ROWS


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("tenure", "write COLUMN="),
        ("tenure=+", "write COLUMN="),
        ("tenure=+1@1.5", "write COLUMN="),
        ("age=+1", "no column that is sent; these are: tenure, charges, contract"),
        ("contract=+1", "is no number"),
    ],
)
def test_a_change_that_cannot_be_made_is_refused_with_the_way_out(text, words):
    with pytest.raises(InputRefused, match=words):
        change(text)


def test_rows_are_a_sample_in_order_or_the_table_again_and_again():
    assert simulation.drawn(5, None, 0) == [0, 1, 2, 3, 4]
    few = simulation.drawn(100, 10, 1)
    assert few == sorted(set(few)) == simulation.drawn(100, 10, 1) != simulation.drawn(100, 10, 2)
    many = simulation.drawn(5, 12, 0)
    assert many[:5] == [0, 1, 2, 3, 4] != many[5:10]
    assert sorted(many[5:10]) == [0, 1, 2, 3, 4]


# --- sending -----------------------------------------------------------------------------------


def test_each_row_is_sent_once_and_its_outcome_told_by_the_id_it_was_answered_with():
    api = Api()
    done, uploads = replay(api, batch=8)
    assert [row for call in api.sent for row in call] == ROWS
    assert (done.calls, done.rows, done.versions, done.actuals) == (3, 20, {1: 20}, 20)
    ((_, part),) = uploads
    assert part[:2] == [("id0-0", "0"), ("id0-1", "1")]
    assert part[-1] == ("id2-3", "19")


def test_a_row_alone_has_the_calls_own_id():
    assert replay(Api())[1][0][1][:2] == [("id0", "0"), ("id1", "1")]


def test_calls_keep_to_the_rate():
    time = Time()
    replay(Api(), ROWS[:4], labels=None, time=time, rate=2)
    assert time.slept == [0.5, 0.5, 0.5]


def test_outcomes_come_late_and_in_parts_while_rows_are_still_sent():
    done, uploads = replay(Api(), rate=1, labels=simulation.Labels(delay=3, parts=4))
    assert [at for at, _ in uploads] == [7.0, 12.0, 17.0, 22.0]
    assert [len(part) for _, part in uploads] == [5, 5, 5, 5]
    assert done.uploads == ["s3://data/1", "s3://data/2", "s3://data/3", "s3://data/4"]


def test_shuffled_outcomes_all_come_after_the_last_row():
    _, uploads = replay(Api(), time=Time(), rate=1, labels=simulation.Labels(parts=5, shuffled=True), seed=1)
    firsts = [int(part[0][1]) for _, part in uploads]
    assert sorted(firsts) == [0, 4, 8, 12, 16] != firsts
    assert {at for at, _ in uploads} == {19.0}


def test_only_a_share_of_the_outcomes_and_none_that_is_unknown_is_told():
    rows = [{"tenure": 1}] * 1000
    actuals = ["" if place % 2 else "Yes" for place in range(1000)]
    done, _ = replay(Api(), rows, actuals, labels=simulation.Labels(share=0.5))
    assert 200 < done.actuals < 300


def test_no_outcome_is_told_without_labels():
    assert replay(Api(), labels=None)[1] == []


def test_refused_and_failed_calls_are_counted_and_have_no_outcome():
    done, uploads = replay(Api(refuses={1}, fails={2}))
    assert (done.calls, done.rows, done.refused, done.failed) == (20, 18, 1, 1)
    assert done.problem == "the endpoint answered HTTP 500"
    assert [actual for _, actual in uploads[0][1]][:3] == ["0", "3", "4"]


def test_an_endpoint_that_never_answers_ends_it():
    with pytest.raises(TidemillError, match="none of 20 calls was answered: the endpoint answered HTTP 500"):
        replay(Api(fails=range(99)), ROWS * 2)


def test_a_routing_key_goes_with_each_row_alone():
    api = Api()
    replay(api, ROWS[:3], batch=100, route=["x", "y", "x"])
    assert api.keys == ["x", "y", "x"]


# --- the verb ----------------------------------------------------------------------------------


@pytest.fixture
def customers(tmp_path):
    path = tmp_path / "customers.csv"
    lines = [f"C{n},{n},{n * 10},{'ab'[n % 2]},{'Yes' if n % 3 else 'No'}" for n in range(12)]
    path.write_text("\n".join(["id,tenure,charges,contract,Churn", *lines]))
    return path


def test_verb_sends_the_inputs_alone_and_uploads_the_target(world, customers):
    world.api = Api()
    code, out, err = world.tidemill("simulate", customers, "--model", "churn", "--batch", 5)
    assert code == 0
    assert world.api.sent[0][1] == {"tenure": 1, "charges": 10, "contract": "b"}
    stored = world.objects.stored["tidemill-data", "actuals/churn/customers-0-1.csv"]
    rows = list(csv.reader(io.StringIO(stored[0].decode())))
    assert rows[:3] == [["prediction_id", "Churn"], ["id0-0", "No"], ["id0-1", "Yes"]]
    assert out.splitlines()[0].startswith("12 rows in 3 calls")
    assert "tidemill monitor churn --look" in out
    assert "12 outcomes are uploaded to s3://tidemill-data/actuals/churn/customers-0-1.csv" in err


def test_verb_answers_in_json(world, customers):
    world.api = Api()
    code, out, _ = world.tidemill(
        "simulate", customers, "--model", "churn", "--rows", 5, "--no-labels", "--key", "id", "--json"
    )
    document = json.loads(out)
    assert code == 0
    assert (document["rows"], document["actuals"], document["versions"]) == (5, 0, {"1": 4, "2": 1})
    assert len(world.api.keys) == 5
    assert set(world.api.keys) <= {f"C{number}" for number in range(12)}


def test_a_table_without_outcomes_is_sent_all_the_same(world, customers):
    world.api = Api()
    customers.write_text(customers.read_text().replace("Churn", "left"))
    code, _, err = world.tidemill("simulate", customers, "--model", "churn")
    assert code == 0
    assert "has no column 'Churn', so no outcome will be told" in err
    assert not world.objects.stored


@pytest.mark.parametrize(
    ("task", "words"),
    [
        ("clustering", "the model churn has no target, so no outcome will be told"),
        ("anomaly_detection", "has no target (--target names a column that says true or false), so no outcome"),
    ],
)
def test_a_model_without_a_target_is_told_no_outcomes(world, customers, monkeypatch, task, words):
    world.api = Api()
    signature = dataclasses.replace(CHURN, task=task, target=None)
    monkeypatch.setattr(world.api, "describe", lambda model: Described(signature, 1))
    code, _, err = world.tidemill("simulate", customers, "--model", "churn")
    assert code == 0
    assert words in err
    assert "None" not in err


def test_progress_is_for_a_terminal_alone(world, customers):
    world.api = Api()
    code, _, err = world.tidemill("simulate", customers, "--model", "churn", "--rows", 200, "--no-labels")
    assert (code, err) == (0, "")


def test_a_key_column_that_is_not_there_is_named(world, customers):
    world.api = Api()
    code, _, err = world.tidemill("simulate", customers, "--model", "churn", "--key", "customer")
    assert code == 1
    assert "has no column 'customer' for --key; it has: id, tenure" in err
