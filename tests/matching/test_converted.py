"""Weights that a tool converted, and operations on them."""

import random

from drawn import carried, owners, side

from htp.graph.records import Sketch, Weight
from htp.matching import converted
from htp.matching.converted import Converted
from htp.matching.flat import Flat

THREE = """
    q: %1 = MatMul %x %a
    k: %2 = MatMul %x %b
    v: %3 = MatMul %x %c
    out: %4 = Mul %1 %2
    out: %5 = Add %4 %3
"""
CONVERTED = """
    %n1 = MatMul %i %w1
    %n2 = MatMul %i %w2
    %n3 = MatMul %i %w3
    %n4 = Mul %n1 %n2
    %n5 = Add %n4 %n3
"""


def signs(seed):
    return random.Random(seed).getrandbits(32)


def weight(contents, bits, dtype=1, first=b"\x3f\x80", zeros=0):
    return Weight(contents, (64, 64), dtype, (), Sketch(32, bits, first, zeros))


def held(**weights):
    return dict(weights)


def sides(new, old=None):
    old = old or {name: weight(f"of {name}", signs(name)) for name in "abc"}
    one = side(THREE, dict.fromkeys(old, ""))._replace(weights=old)
    other = side(CONVERTED, dict.fromkeys(new, ""), inputs=["i"])._replace(weights=new)
    return one, other


def found(new, old=None):
    one, other = sides(new, old)
    flat, others = Flat(one), Flat(other)
    told = Converted(flat, others)
    return {
        which: {others.names[new]: flat.names[old] for new, old in getattr(told, which).items()}
        for which in ("of", "cast")
    }


HALVES = {
    "w1": weight("1", signs("b"), 10, b"\x3c\x00"),
    "w2": weight("2", signs("a"), 10, b"\x3c\x00"),
    "w3": weight("3", signs("c"), 10, b"\x3c\x01"),
}


def test_a_cast_is_known_by_its_signs():
    known = {"w1": "b", "w2": "a", "w3": "c"}
    assert found(HALVES) == {"of": known, "cast": known}


def test_what_was_scaled_is_no_cast():
    scaled = {**HALVES, "w1": weight("1", signs("b"), 10, b"\x38\x00")}
    assert found(scaled)["of"]["w1"] == "b"
    assert "w1" not in found(scaled)["cast"]


def test_bytes_are_known_but_for_what_became_zero():
    zeros = 0b1001
    assert found({"w1": weight("1", signs("b") & ~zeros, 3, b"\x7f", zeros)}) == {
        "of": {"w1": "b"},
        "cast": {},
    }
    upside_down = signs("b") ^ 0xFFFFFFFF  # unsigned: the upper half is above zero
    assert found({"w1": weight("1", upside_down, 2, b"\x7f")})["of"] == {"w1": "b"}


def test_what_no_old_weight_resembles_stays_unknown():
    assert found({"w1": weight("1", signs("another"), 10)})["of"] == {}


def test_two_that_are_alike_are_not_told_apart():
    old = {
        "a": weight("of a", signs("a")),
        "b": weight("of b", signs("a") ^ 1),
        "c": weight("c", 7),
    }
    assert found({"w1": weight("1", signs("a"), 10)}, old)["of"] == {}


def test_scales_that_are_all_above_zero_tell_nothing():
    old = {"a": weight("of a", 0), "b": weight("of b", signs("b")), "c": weight("c", signs("c"))}
    assert found({"w1": weight("1", 0, 10)}, old)["of"] == {}


def test_few_signs_may_agree_by_chance():
    short = Sketch(8, 0b10110010, b"\x3f\x80")
    old = {name: Weight(f"of {name}", (8, 4), 1, (), short) for name in "abc"}
    old.update(b=old["b"]._replace(sketch=Sketch(8, 0b01001101, b"\x3f\x80")))
    new = {"w1": Weight("1", (8, 4), 10, (), Sketch(8, 0b01001101, b"\x3c\x00"))}
    assert found(new, old)["of"] == {}


def test_three_products_of_one_value_are_told_apart():
    """Two of them are multiplied in the other order: their places say the contrary."""
    matched = carried(*sides(HALVES))
    assert [path for path, _ in owners(matched)] == ["k", "q", "v", "out", "out"]


def test_without_sketches_they_are_not():
    plain = {name: each._replace(sketch=None) for name, each in HALVES.items()}
    matched = carried(*sides(plain))
    assert [path for path, _ in owners(matched)][:3] != ["k", "q", "v"]


def test_many_weights_of_one_shape(monkeypatch):
    monkeypatch.setattr(converted, "_FEW", 2)  # looked up by sixteen signs at once
    assert found(HALVES)["of"] == {"w1": "b", "w2": "a", "w3": "c"}


def test_of_many_that_come_near_none_is_compared(monkeypatch):
    monkeypatch.setattr(converted, "_FEW", 2)
    crowd = {f"c{number}": weight(f"of {number}", signs("a") ^ 0xFFFF) for number in range(3)}
    old = {name: weight(f"of {name}", signs(name)) for name in "abc"}
    known = {"w2": "b", "w3": "c"}
    new = {
        "w1": weight("1", signs("a"), 10),
        "w2": weight("2", signs("b"), 10),
        "w3": weight("3", signs("c"), 10),
    }
    group = converted._Group({name: each.sketch for name, each in {**old, **crowd}.items()})
    assert {name: found for name, each in new.items() if (found := group.nearest(each))} == known
