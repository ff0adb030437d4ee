"""Which captures and outcomes a rollout is judged by."""

from tidemill.contracts import Capture, Profile, Reading, Signature
from tidemill.monitoring.rollout_evidence import observed
from tidemill.monitoring_contracts import Reference
from tidemill.release_contracts import Rollout, RolloutPlan

BEGIN, STEP, LATER = "2026-03-04T05:00:00Z", "2026-03-04T06:00:00Z", "2026-03-04T06:30:00Z"
ROLLOUT = Rollout(
    "a" * 32, "churn", 2, 1, "r", RolloutPlan((0.1, 0.5, 1.0), 60), "BAKING", 1, 0, STEP, BEGIN, "ada", ""
)
SIGNATURE = Signature("churn", "binary", "Churn", (), ("No", "Yes"), "Yes", threshold=0.5)
REFERENCE = Reference(
    "churn",
    "binary",
    100,
    "accuracy",
    {"accuracy": 0.8},
    edges=(0.0, 0.5, 1.0),
    outputs={"Yes": (50, 50)},
    happened={"Yes": (10, 40)},
    threshold=0.5,
)
PROFILE = Profile(0, 0, (), Reading("csv", None, None, None, None, True, 0), "Churn", "binary")


def capture(number, version, at=LATER, why="champion", status=200):
    said = {"label": "Yes", "probabilities": [0.2, 0.8]} if status == 200 else None
    return Capture(f"p{number}", at, "churn", version, {}, said, "champion", why=why, status=status, ms=3.0)


def outcome(number, version, actual, at=LATER, shadow=False):
    return {
        "id": f"p{number}",
        "at": at,
        "version": version,
        "shadow": shadow,
        "alias": "champion",
        "output": {"label": "Yes", "probabilities": [0.2, 0.8]},
        "scale": None,
        "actual": actual,
    }


def test_calls_of_the_step_count_each_for_its_version():
    captures = [
        *(capture(number, 1) for number in range(5)),
        *(capture(number, 2, why="split", status=500) for number in range(5, 8)),
        *(capture(number, 2, at=BEGIN, why="split") for number in range(8, 20)),  # of an earlier step
        *(capture(number, 2, why="version") for number in range(20, 30)),  # a trial by number
        *(capture(number, 3) for number in range(30, 40)),  # another version
    ]
    champion, challenger = observed(ROLLOUT, captures, (), PROFILE, SIGNATURE, REFERENCE)
    assert (champion.requests, champion.errors, champion.outputs) == (5, 0, {"Yes": (0, 5)})
    assert (challenger.requests, challenger.errors, sum(challenger.latency)) == (3, 3, 3)


def test_outcomes_count_since_the_rollout_began_those_of_its_shadow_too():
    rows = [
        *(outcome(number, 1, "Yes" if number % 2 else "No") for number in range(100, 140)),
        *(outcome(number, 2, "Yes", at=BEGIN, shadow=True) for number in range(20)),
        *(outcome(number, 2, "Yes") for number in range(20, 40)),
        *(outcome(number, 2, "No", at="2026-03-04T04:59:59Z") for number in range(40, 90)),
    ]
    champion, challenger = observed(ROLLOUT, (), rows, PROFILE, SIGNATURE, REFERENCE)
    assert champion.quality is not None
    assert challenger.quality is not None
    assert (champion.quality.metric, champion.quality.rows, challenger.quality.rows) == ("accuracy", 40, 40)
    assert (champion.quality.value, challenger.quality.value) == (0.5, 1.0)


def test_without_a_reference_calls_are_counted_and_nothing_is_compared():
    captures = [capture(1, 1), capture(2, 2, why="split")]
    champion, challenger = observed(ROLLOUT, captures, [outcome(1, 1, "Yes")], PROFILE, SIGNATURE, None)
    assert (champion.requests, champion.outputs, champion.quality) == (1, {}, None)
    assert challenger.requests == 1
