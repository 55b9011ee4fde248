"""What is written of module calls can be read again, whatever a backend hands over."""

import pytest

from htp.errors import CaptureError
from htp.file.calls import decode_calls, decode_values, encode_values, rows_of, whole
from htp.file.packed import dump
from htp.graph.records import CallRecord, ValueRecord
from htp.scope import ModuleCall


def stack(*paths):
    return tuple(ModuleCall(path, "m.M", 0) for path in ("", *paths))


def call(*paths, told=None):
    return CallRecord(stack(*paths), told and (ValueRecord(("0",), told),))


def read_again(calls):
    rows = rows_of(calls)
    return decode_values(decode_calls(rows, "here"), dump(encode_values(calls)), "here")


ROOT, A, B, DEEP = call(), call("a", told="x"), call("b", told="y"), call("a", "in", "deep")


def test_what_is_whole_is_left_alone():
    calls = [ROOT, A, call("a", "in"), DEEP, B]
    assert whole(calls) is calls
    assert read_again(calls) == tuple(calls)
    assert whole([]) == []


@pytest.mark.parametrize(
    ("handed", "written"),
    [
        ([DEEP], [ROOT, call("a"), call("a", "in"), DEEP]),  # nothing that it is in
        ([ROOT, A, DEEP], [ROOT, A, call("a", "in"), DEEP]),  # one between is missing
        ([ROOT, A, B, DEEP], [ROOT, A, call("a", "in"), DEEP, B]),  # it would be read as b's
        ([B, A, ROOT], [ROOT, B, A]),  # the root comes last
        ([ROOT, DEEP, A], [ROOT, A, call("a", "in"), DEEP]),  # so does a parent, with its values
        ([A, B, call("a"), DEEP], [ROOT, A, call("a", "in"), DEEP, B]),  # and one stands twice
    ],
)
def test_each_call_stands_inside_its_own_parent(handed, written):
    assert list(whole(handed)) == written
    assert read_again(whole(handed)) == tuple(written)


def test_several_roots_stay_apart():
    other = CallRecord((ModuleCall("", "m.Other", 0), ModuleCall("a", "m.M", 0)))
    found = whole([ROOT, other, A])
    assert [each.stack for each in found] == [ROOT.stack, A.stack, other.stack[:1], other.stack]
    assert read_again(found) == tuple(found)


def test_what_is_too_deep_is_refused_before_it_is_written():
    deepest = [call(*map(str, range(depth))) for depth in range(1001)]
    assert read_again(whole(deepest[:1000])) == tuple(deepest[:1000])
    with pytest.raises(CaptureError, match="a call within 1000 others"):
        whole(deepest)
