"""What production sent and was answered, counted over the bins of the profile, in parts that add up."""

from __future__ import annotations

import dataclasses
import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidemill.contracts import (
    Capture,
    ColumnConstraints,
    ColumnProfile,
    DataContract,
    Histogram,
    InputField,
    PersonalData,
    Profile,
    Reading,
    Signature,
    TopValue,
    dumps,
    loads,
)
from tidemill.monitoring.summaries import SAMPLE_ROWS, merge, merged, summarize
from tidemill.monitoring_contracts import LATENCY_EDGES, ColumnSummary, Reference, Summary

READING = Reading("csv", None, "utf-8", ",", '"', True, 1)
COLUMNS = (
    ColumnProfile(
        "age", "integer", "feature", 100, 2, 60, 18.0, 80.0, histogram=Histogram((18.0, 40.0, 60.0, 80.0), (50, 30, 18))
    ),
    ColumnProfile("plan", "category", "feature", 100, 0, 2, top=(TopValue("basic", 60), TopValue("pro", 40))),
    ColumnProfile("member", "boolean", "feature", 100, 0, 2, top=(TopValue("true", 60), TopValue("false", 40))),
    ColumnProfile(
        "since",
        "date",
        "feature",
        100,
        0,
        90,
        0.0,
        86400.0 * 365,
        histogram=Histogram((0.0, 86400.0 * 100, 86400.0 * 365), (40, 60)),
    ),
    ColumnProfile("town", "category", "feature", 100, 0, 900, top=(TopValue("Ulm", 3), TopValue("Bonn", 2))),
)
PROFILE = Profile(100, 0, COLUMNS, READING, "churn", "binary", "yes")
SIGNATURE = Signature(
    "churn",
    "binary",
    "churn",
    tuple(InputField(column.name, column.type, required=False) for column in COLUMNS),
    ("no", "yes"),
    "yes",
)
REFERENCE = Reference("churn", "binary", 100, "roc_auc", {}, edges=(0.0, 0.25, 0.5, 1.0))


def capture(number: int = 0, *, inputs: dict[str, Any] | None = None, **others: Any) -> Capture:
    fields: dict[str, Any] = {
        "prediction_id": f"0b5c7a9e-0000-4000-8000-{number:012x}",
        "at": "2026-03-04T05:06:07Z",
        "model": "churn",
        "version": 3,
        "inputs": {"age": 30, "plan": "basic", "member": True, "since": "1970-02-01", "town": "Ulm"}
        if inputs is None
        else inputs,
        "prediction": {"label": "no", "probabilities": [0.7, 0.3]},
        "alias": "champion",
        "ms": 4.0,
    }
    return Capture(**fields | others)


def of(
    captures: list[Capture],
    profile: Profile = PROFILE,
    signature: Signature = SIGNATURE,
    reference: Reference | None = REFERENCE,
    constraints: DataContract | None = None,
) -> Summary:
    (summary,) = summarize(captures, profile, signature, reference, constraints)
    return summary


def column(name: str, values: list[Any], **parts: Any) -> ColumnSummary:
    """The summary of one column that held these values."""
    summary = of([capture(n, inputs={name: value}) for n, value in enumerate(values)], **parts)
    return next(item for item in summary.columns if item.name == name)


def test_numbers_are_counted_below_in_and_above_the_bins_of_the_profile() -> None:
    held = column("age", [17, 18, 39.9, 40, 60, 80, 80.5, None, ""])
    assert held.counts == (1, 2, 1, 2, 1)
    assert (held.rows, held.missing, held.out_of_range, held.unreadable) == (9, 2, 2, 0)
    assert held.total == pytest.approx(17 + 18 + 39.9 + 40 + 60 + 80 + 80.5)
    assert held.squares == pytest.approx(sum(v**2 for v in (17, 18, 39.9, 40, 60, 80, 80.5)))


def test_numbers_are_what_serving_takes_for_numbers() -> None:
    held = column("age", [30, "30", True, [1], 10**400, 1e39, "NA", None])
    assert held.counts == (0, 1, 0, 0, 0)
    assert (held.missing, held.unreadable) == (4, 3)
    assert held.examples == (TopValue("30", 1), TopValue("[1]", 1), TopValue("true", 1))


def test_declared_missing_numbers_are_missing() -> None:
    signature = dataclasses.replace(SIGNATURE, missing_values=("-999",))
    held = column("age", [-999, "-999", -999.0, 20], signature=signature)
    assert (held.missing, held.counts) == (3, (0, 1, 0, 0, 0))


def test_categories_are_counted_as_the_top_values_and_all_others() -> None:
    held = column("plan", ["basic", " basic ", "pro", "gold", "gold", "silver", "NA", None])
    assert held.counts == (2, 1, 3)
    assert (held.missing, held.unseen) == (2, 3)
    assert held.examples == (TopValue("gold", 2), TopValue("silver", 1))


def test_of_values_that_the_profile_does_not_list_all_none_is_unseen() -> None:
    held = column("town", ["Ulm", "Kiel", "Jena"])
    assert (held.counts, held.unseen, held.examples) == ((1, 0, 2), 0, ())


def test_numbers_in_a_column_of_text_are_the_text_that_the_model_gets() -> None:
    profile = dataclasses.replace(
        PROFILE,
        columns=(
            ColumnProfile(
                "plan", "category", "feature", 9, 0, 3, top=tuple(map(TopValue, ("1", "true", "0.5"), (3,) * 3))
            ),
        ),
    )
    assert column("plan", [1, 1.0, "1", True, "true", 0.5, {"a": 1}], profile=profile).counts == (3, 2, 1, 0)


def test_booleans_may_be_written_in_several_ways() -> None:
    held = column("member", [True, "yes", 1, "False", 0, "perhaps", None])
    assert (held.counts, held.missing, held.unreadable) == ((3, 2, 0), 1, 1)


def test_dates_are_seconds_and_another_form_is_unreadable() -> None:
    held = column(
        "since", ["1970-01-02", "1970-01-02T00:00:00Z", "1970-01-02T02:00:00+02:00", "1971-01-02", "2/1/1970", 5]
    )
    assert held.counts == (0, 3, 0, 1)
    assert (held.out_of_range, held.unreadable, held.total) == (1, 2, 3 * 86400 + 366 * 86400)
    assert {example.value for example in held.examples} == {"2/1/1970", "5"}


def test_fields_that_a_call_does_not_have_are_absent_and_rows_without_inputs_are_not_counted() -> None:
    rows = [capture(1), capture(2, inputs={"age": 30}), capture(3, inputs={})]
    held = {item.name: item for item in of(rows).columns}
    assert [(item.rows, item.absent, item.missing) for item in (held["age"], held["plan"])] == [(2, 0, 0), (2, 1, 1)]


def test_what_breaks_the_contract_is_counted() -> None:
    asked = DataContract(
        "r",
        "d",
        100,
        (
            ColumnConstraints("age", minimum=18, maximum=99),
            ColumnConstraints("plan", values=("basic",)),
            ColumnConstraints("town", values=("Ulm",), coverage=0.9),
        ),
    )
    assert column("age", [17, 18, 99, 100, None], constraints=asked).breaches == 2
    assert column("plan", ["basic", "pro", None], constraints=asked).breaches == 1
    assert column("town", ["Bonn"], constraints=asked).breaches == 0


@pytest.mark.parametrize("masked", [True, False])
def test_personal_data_gives_no_examples(masked: bool) -> None:
    signature, profile = SIGNATURE, PROFILE
    if masked:
        signature = dataclasses.replace(
            SIGNATURE, inputs=tuple(dataclasses.replace(field, masked=True) for field in SIGNATURE.inputs)
        )
    else:
        found = PersonalData("email", 1.0, "warn")
        profile = dataclasses.replace(
            PROFILE, columns=tuple(dataclasses.replace(item, personal_data=found) for item in COLUMNS)
        )
    held = column("plan", ["gold"], signature=signature, profile=profile)
    assert (held.unseen, held.examples) == (1, ())


def test_calls_are_counted_by_their_first_rows() -> None:
    rows = [
        capture(1, ms=0.5),
        *(capture(2, prediction_id=f"b-{row}", ms=30.0 if row == 0 else None) for row in range(12)),
        capture(4, ms=30000.0, status=500, error="it broke", prediction=None, inputs={}),
        capture(5, ms=None, alias=None, status=400, error="age must be a number", prediction=None, inputs={}),
    ]
    summary = of(rows)
    assert (summary.rows, summary.requests) == (13, 4)
    assert summary.statuses == {"200": 2, "400": 1, "500": 1}
    assert summary.faults == (TopValue("age must be a number", 1), TopValue("it broke", 1))
    assert sum(summary.latency) == 3
    assert (summary.latency[0], summary.latency[LATENCY_EDGES.index(50.0)], summary.latency[-1]) == (1, 1, 1)
    assert summary.latency_total == 30030.5


def test_predictions_are_counted_over_the_bins_of_the_reference() -> None:
    said = [("no", 0.1), ("no", 0.25), ("yes", 0.5), ("yes", 1.0)]
    rows = [
        capture(n, prediction={"label": label, "probabilities": [1 - p, p]}, review=label == "yes")
        for n, (label, p) in enumerate(said)
    ]
    summary = of(rows)
    assert summary.outputs == {"yes": (1, 1, 2)}
    assert summary.labels == {"no": 2, "yes": 2}
    assert summary.output_total == pytest.approx(1.85)
    assert summary.reviews == 2
    assert of(rows, reference=None).outputs == {}


@pytest.mark.parametrize(
    ("task", "prediction", "outputs", "labels"),
    [
        ("regression", 2.5, {"value": (0, 1)}, {}),
        ("regression", {"value": 0.5, "review": True}, {"value": (1, 0)}, {}),
        ("clustering", {"cluster": "2", "distance": 7.0}, {"value": (0, 1)}, {"2": 1}),
        ("anomaly_detection", {"anomaly": True, "score": 2.0}, {"value": (0, 1)}, {"anomaly": 1}),
        ("dimensionality_reduction", {"components": [-1.0, 9.0]}, {"value": (1, 0)}, {}),
        ("regression", {"label": "of another model"}, {}, {}),
    ],
)
def test_predictions_of_every_task_are_counted(
    task: Any, prediction: Any, outputs: dict[str, Any], labels: dict[str, int]
) -> None:
    signature = dataclasses.replace(SIGNATURE, task=task, classes=(), positive_class=None)
    reference = dataclasses.replace(REFERENCE, task=task, edges=(0.0, 1.0, 3.0))
    summary = of([capture(prediction=prediction, scale=0.5)], signature=signature, reference=reference)
    assert (summary.outputs, summary.labels, summary.rows) == (outputs, labels, 1)
    assert (summary.scale_total, summary.scale_rows) == (0.5, 1)


def test_versions_and_answers_that_nobody_got_are_kept_apart_and_trials_are_left_out() -> None:
    rows = [
        capture(1),
        capture(1),
        capture(1, version=4, why="shadow", alias=None),
        capture(2, version=4, why="split"),
        capture(3, why="version", alias=None),
        capture(4, alias=None),  # recorded in former times, when a trial was told by its missing alias
    ]
    found = summarize(rows, PROFILE, SIGNATURE, REFERENCE, None)
    assert [(item.version, item.shadow, item.rows) for item in found] == [(3, False, 1), (4, False, 1), (4, True, 1)]


def test_hours_are_those_of_the_captures() -> None:
    summary = of([capture(1, at="2026-03-04T23:59:59Z"), capture(2, at="2026-03-04T22:00:00Z")])
    assert (summary.start, summary.end) == ("2026-03-04T22:00:00Z", "2026-03-05T00:00:00Z")
    assert summary.last_at == "2026-03-04T23:59:59Z"


def test_a_sample_is_the_same_however_the_rows_came() -> None:
    rows = [capture(number) for number in range(2 * SAMPLE_ROWS)]
    whole = of(rows).sample
    assert len(whole) == SAMPLE_ROWS
    assert merge(of(rows[::2]), of(rows[1::2])).sample == whole
    # A half of the rows has about a half of the sample: it is drawn from all alike.
    kept = {item.hash for item in of(rows[:SAMPLE_ROWS]).sample} & {item.hash for item in whole}
    assert 0.4 < len(kept) / SAMPLE_ROWS < 0.6


def test_examples_of_parts_are_added_and_the_most_frequent_ones_kept() -> None:
    def sent(*plans: str) -> Summary:
        return of([capture(number, inputs={"plan": plan}) for number, plan in enumerate(plans)])

    both = merge(sent("gold", "gold", "a", "b", "c"), sent("gold", "d", "d", "e", "e", "f", "f"))
    (held,) = (item for item in both.columns if item.name == "plan")
    assert held.examples == tuple(map(TopValue, ("gold", "d", "e", "f", "a"), (3, 2, 2, 2, 1)))


def test_only_summaries_of_one_version_are_added() -> None:
    with pytest.raises(ValueError, match="one model, version and kind"):
        merge(of([capture(1)]), of([capture(1, version=4)]))
    with pytest.raises(ValueError, match="when there are some"):
        merged([])


START = datetime(2026, 3, 4, tzinfo=UTC)
VALUES = st.one_of(
    st.none(),
    st.integers(-5, 90),
    st.floats(-5, 90, allow_nan=False),
    st.sampled_from(["basic", "pro", "gold", "1970-02-01", "Ulm", "NA", " x ", "true"]),
    st.booleans(),
)
ROWS = st.lists(
    st.builds(
        lambda inputs, hour, p, status: capture(
            inputs=inputs,
            at=(START + timedelta(hours=hour)).strftime("%Y-%m-%dT%H:%M:%SZ"),
            prediction={"label": "yes" if p > 0.5 else "no", "probabilities": [1 - p, p]} if status == 200 else None,
            status=status,
            error="" if status == 200 else "it broke",
        ),
        st.dictionaries(st.sampled_from([item.name for item in COLUMNS]), VALUES),
        st.integers(0, 30),
        st.floats(0, 1),
        st.sampled_from([200, 200, 200, 400, 500]),
    ),
    min_size=1,
    max_size=30,
)


def rounded(summary: Summary) -> Summary:
    """Sums of floats are exact but for rounding, and examples as long as there are few different ones: here the sums to
    the digits that are left of any order of adding, and no examples."""

    def near(value: float) -> float:
        return value if value == 0 else round(value, 9 - math.ceil(math.log10(abs(value))))

    columns = tuple(
        dataclasses.replace(item, total=near(item.total), squares=near(item.squares), examples=())
        for item in summary.columns
    )
    return dataclasses.replace(summary, columns=columns, output_total=near(summary.output_total))


@settings(max_examples=60, deadline=None)
@given(ROWS, st.data())
def test_summaries_of_any_parts_in_any_order_add_up_to_the_whole(rows: list[Capture], data: st.DataObject) -> None:
    rows = [dataclasses.replace(row, prediction_id=f"p{place}") for place, row in enumerate(rows)]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(rows)), max_size=4)))
    parts = [rows[a:b] for a, b in zip([0, *cuts], [*cuts, len(rows)], strict=True) if a < b]
    shuffled = data.draw(st.permutations([of(part) for part in parts]))
    whole = rounded(of(rows))
    assert rounded(merged(shuffled)) == whole
    one_by_one = shuffled[0]
    for other in shuffled[1:]:
        one_by_one = merge(other, one_by_one)
    assert rounded(one_by_one) == whole
    assert loads(Summary, dumps(one_by_one)) == one_by_one
