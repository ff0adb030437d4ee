import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill.serving import columns


def assert_same(left, right):
    assert list(left) == list(right)
    for name, values in left.items():
        assert values.dtype == right[name].dtype
        np.testing.assert_array_equal(values, right[name])


@given(
    texts=st.lists(st.text(max_size=5), max_size=8),
    numbers=st.lists(st.floats(width=32), max_size=8),
    names=st.lists(st.text(max_size=4), min_size=2, max_size=2, unique=True),
)
def test_what_is_saved_is_loaded(texts, numbers, names):
    stored = {names[0]: np.array(texts, dtype=object), names[1]: np.array(numbers, dtype=np.float32)}
    assert_same(columns.load(columns.save(stored)), stored)


def test_every_kind_of_column_keeps_its_type():
    stored = {
        "a/b": np.array([1.5, np.nan], dtype=np.float64),
        "names": np.array([2**60, -1], dtype=np.int64),
        "": np.array(["", "x\0"], dtype=object),
    }
    assert_same(columns.load(columns.save(stored)), stored)


def test_the_same_columns_give_the_same_bytes():
    def save():
        return columns.save({"x": np.array(["b", "a", "b"], dtype=object), "y": np.zeros(3, dtype=np.float32)})

    assert save() == save()


def test_many_levels_need_wider_codes():
    stored = {"x": np.array([str(i) for i in range(70_000)], dtype=object)}
    assert_same(columns.load(columns.save(stored)), stored)


def test_an_unknown_type_is_refused_by_name():
    with pytest.raises(TypeError, match="'when' must be float32"):
        columns.save({"when": np.array(["2026-01-01"], dtype="datetime64[D]")})


def test_nothing_is_unpickled(tmp_path):
    path = tmp_path / "evil.npz"
    np.savez(path, names=np.frombuffer(b'["x"]', dtype=np.uint8), **{"0": np.array([object()], dtype=object)})
    with pytest.raises(ValueError, match="pickle"):
        columns.load(path.read_bytes())
