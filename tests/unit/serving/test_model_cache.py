"""Which model answers: aliases that move, registries and stores that do not answer, memory that is bounded."""

from types import SimpleNamespace

import pytest

from tidemill.errors import NotFound, StorageError
from tidemill.serving.model_cache import ModelCache


class World:
    """A registry, a store and a clock with declared state."""

    def __init__(self):
        self.now = 0.0
        self.aliases = {("churn", "champion"): 1}
        self.registry_answers = True
        self.store_answers = True
        self.looked_up = 0
        self.loaded = []
        self.warnings = []
        self.cache = ModelCache(self.look_up, self.load, 5.0, lambda: self.now, self.warnings.append, capacity=2)

    def look_up(self, model, alias):
        self.looked_up += 1
        if not self.registry_answers:
            raise StorageError("the table does not answer")
        version = self.aliases.get((model, alias))
        return None if version is None else SimpleNamespace(version=version, traffic=f"spread {version}")

    def load(self, model, version):
        if not self.store_answers:
            raise StorageError("the bucket does not answer")
        if version > 9:
            raise NotFound(f"model {model!r} has no version {version}")
        self.loaded.append((model, version))
        return f"{model} {version}"

    def champion(self):
        return self.cache.by_alias("churn", "champion")


@pytest.fixture
def world():
    return World()


def test_an_alias_is_looked_up_once_in_its_seconds(world):
    for now in (0.0, 1.0, 4.9):
        world.now = now
        assert world.champion() == "churn 1"
    assert world.looked_up == 1
    assert world.loaded == [("churn", 1)]


def test_a_moved_alias_is_seen_after_its_seconds(world):
    world.champion()
    world.aliases["churn", "champion"] = 2
    world.now = 4.9
    assert world.champion() == "churn 1"
    world.now = 5.0
    assert world.champion() == "churn 2"


def test_a_version_is_loaded_once_whoever_asks(world):
    world.champion()
    world.cache.by_version("churn", 1)
    world.now = 100.0
    world.champion()
    assert world.loaded == [("churn", 1)]


def test_the_version_longest_unused_makes_room(world):
    for version in (1, 2, 1, 3, 1, 2):
        world.cache.by_version("churn", version)
    assert world.loaded == [("churn", 1), ("churn", 2), ("churn", 3), ("churn", 2)]


def test_an_unknown_alias_is_not_found(world):
    with pytest.raises(NotFound, match="no model 'churn' with a version labelled 'challenger'"):
        world.cache.by_alias("churn", "challenger")


def test_an_unknown_version_is_not_found(world):
    with pytest.raises(NotFound, match="no version 10"):
        world.cache.by_version("churn", 10)


def test_an_alias_that_was_taken_away_stops_serving(world):
    world.champion()
    world.aliases.clear()
    world.now = 5.0
    with pytest.raises(NotFound):
        world.champion()


def test_what_served_last_goes_on_when_the_registry_does_not_answer(world):
    world.champion()
    world.registry_answers = False
    world.now = 5.0
    assert world.champion() == "churn 1"
    assert "version 1 goes on serving: the table does not answer" in world.warnings[0]


def test_a_registry_that_does_not_answer_is_asked_again_only_after_the_seconds(world):
    world.champion()
    world.registry_answers = False
    for now in (5.0, 6.0, 9.9):
        world.now = now
        world.champion()
    assert world.looked_up == 2
    world.registry_answers = True
    world.aliases["churn", "champion"] = 2
    world.now = 10.0
    assert world.champion() == "churn 2"


def test_what_served_last_goes_on_when_the_new_version_cannot_be_loaded(world):
    world.champion()
    world.aliases["churn", "champion"] = 2
    world.store_answers = False
    world.now = 5.0
    assert world.champion() == "churn 1"
    assert len(world.warnings) == 1
    world.store_answers = True
    world.now = 10.0
    assert world.champion() == "churn 2"


@pytest.mark.parametrize("broken", ["registry_answers", "store_answers"])
def test_without_anything_served_before_the_failure_is_told(world, broken):
    setattr(world, broken, False)
    with pytest.raises(StorageError):
        world.champion()


def test_what_is_looked_up_with_the_alias_stays_with_the_version_that_goes_on(world):
    world.champion()
    world.aliases["churn", "champion"] = 2
    world.store_answers = False
    world.now = 5.0
    assert world.cache.pointer("churn", "champion").traffic == "spread 1"
    world.store_answers = True
    world.now = 10.0
    assert world.cache.pointer("churn", "champion").traffic == "spread 2"
