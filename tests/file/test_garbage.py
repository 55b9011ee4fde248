"""The search for garbage is as it was, whoever put it off and whatever others set meanwhile."""

import gc

import pytest

from htp.file.garbage import no_search


@pytest.fixture(autouse=True)
def thresholds():
    before = gc.get_threshold()
    yield before
    gc.set_threshold(*before)


def test_put_off_and_back(thresholds):
    with no_search():
        assert gc.get_threshold()[0] > 10**9
        assert gc.isenabled()
    assert gc.get_threshold() == thresholds


def test_back_after_an_error(thresholds):
    with pytest.raises(KeyError), no_search():
        raise KeyError
    assert gc.get_threshold() == thresholds


def test_two_that_overlap(thresholds):
    """As two threads may: the first to come is the first to go."""
    one, two = no_search(), no_search()
    one.__enter__()
    two.__enter__()
    one.__exit__(None, None, None)
    assert gc.get_threshold()[0] > 10**9
    two.__exit__(None, None, None)
    assert gc.get_threshold() == thresholds


def test_what_others_set_meanwhile_stays():
    with no_search():
        gc.set_threshold(123, 4, 5)
    assert gc.get_threshold()[0] == 123
