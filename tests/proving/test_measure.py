"""The numbers by which arrays are compared."""

import math

import numpy as np
import pytest

from htp.proving import measure as room
from htp.proving.measure import Measure, measure


def test_equal_arrays():
    found = measure(np.array([1.0, -2.0]), np.array([1.0, -2.0]))
    assert (found.max_abs, found.max_rel, found.cosine, found.sqnr) == (0, 0, 1, math.inf)
    assert (found.elements, found.scale, found.apart) == (2, 2, 0)


def test_largest_differences():
    found = measure(np.float32([1, -4, 0]), np.float32([1.5, -4.25, 0.125]))
    assert found.max_abs == 0.5
    assert found.max_rel == 0.5  # what should be zero has no relation to it
    assert found.relative == 0.125


def test_signal_to_noise_and_angle():
    found = measure(np.array([3.0, 4.0]), np.array([3.0, 3.5]))
    assert found.sqnr == pytest.approx(20)
    assert found.cosine == pytest.approx((9 + 14) / (5 * math.hypot(3, 3.5)))


@pytest.mark.parametrize(
    ("one", "two", "cosine", "sqnr"),
    [
        ([0.0], [0.0], 1.0, math.inf),
        ([0.0], [1.0], math.nan, -math.inf),
        ([1.0], [0.0], math.nan, 0),
    ],
)
def test_nothing_but_zeros(one, two, cosine, sqnr):
    found = measure(np.array(one), np.array(two))
    assert found.cosine == pytest.approx(cosine, nan_ok=True)
    assert found.sqnr == sqnr


def test_what_is_not_finite_in_both_is_equal():
    values = np.array([math.nan, math.inf, -math.inf, 1.0])
    assert measure(values, values)[:5] == (4, 0, 0, 1, 0)


@pytest.mark.parametrize("strange", [math.nan, math.inf])
def test_what_is_not_finite_in_one_is_beyond_everything(strange):
    for one, two in ((1.0, strange), (strange, 1.0), (strange, -strange)):
        found = measure(np.array([one, 2.0]), np.array([two, 2.0]))
        both_nan = math.isnan(one) and math.isnan(two)
        assert found.apart == (0 if both_nan else 1)
        assert found.max_abs == (0 if both_nan else math.inf)
        assert found.beyond(1e9, 1e9) is not both_nan


def test_integers_and_truth_values():
    assert measure(np.array([True, False]), np.array([True, True])).max_abs == 1
    assert measure(np.array([3, 250], np.uint8), np.array([250, 3], np.uint8)).max_abs == 247


def test_a_scalar_and_nothing():
    assert measure(np.float32(2), np.float32(3)).max_abs == 1
    assert measure(np.zeros((0, 3)), np.zeros((0, 3))) == Measure()


def test_shapes_must_be_the_same():
    with pytest.raises(ValueError, match=r"\(2, 1\) and \(1, 2\)"):
        measure(np.zeros((2, 1)), np.zeros((1, 2)))


def test_beyond_a_tolerance():
    found = measure(np.array([10.0, 0]), np.array([10.0, 0.5]))
    assert found.beyond(0.1, 0.03)
    assert not found.beyond(0.1, 0.05)


def test_in_pieces_it_is_the_same(monkeypatch):
    rng = np.random.default_rng(0)
    one, two = rng.normal(size=(2, 7, 5))
    whole = measure(one, two)
    monkeypatch.setattr(room, "CHUNK", 4)
    pieces = measure(one, two)
    assert pieces[:5] == whole[:5]
    assert pieces[5:] == pytest.approx(whole[5:])


def test_two_pairs_are_one():
    rng = np.random.default_rng(0)
    one, two = rng.normal(size=(2, 6))
    both = measure(one[:2], two[:2]).with_(measure(one[2:], two[2:]))
    assert both == pytest.approx(measure(one, two))


def test_json_has_no_infinity():
    assert measure(np.array([1.0]), np.array([1.0])).to_json() == {
        "max_abs": 0.0,
        "max_rel": 0.0,
        "cosine": 1.0,
        "sqnr": "inf",
    }
