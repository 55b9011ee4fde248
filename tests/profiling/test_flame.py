"""Flame graphs, read as their viewers read them. Needs no torch."""

import json
import re

import pytest
from profiling.devices import inputs, network

import htp


@pytest.fixture(scope="module")
def profile():
    return htp.profile(network(), inputs(), runs=2)


def test_collapsed_stacks(profile):
    """A line is frames, joined by semicolons, a blank and a whole number."""
    lines = profile.collapsed().splitlines()
    assert len(lines) == len(profile.kernels)
    weights = 0
    for line in lines:
        stack, number = re.fullmatch(r"(.*) (\d+)", line).groups()
        frames = stack.split(";")
        assert frames[0] == "(root) (Net)"
        assert re.fullmatch(r"\[\w+\] .+", frames[-1])
        weights += int(number)
    assert weights == pytest.approx(profile.seconds * 1e9, rel=1e-3)
    assert any(line.startswith("(root) (Net);head (Part);fc2 (Part);[") for line in lines)


def test_speedscope(profile):
    """As https://www.speedscope.app/file-format-schema.json has it, a sampled profile."""
    document = json.loads(json.dumps(profile.speedscope()))
    assert document["$schema"] == "https://www.speedscope.app/file-format-schema.json"
    frames = document["shared"]["frames"]
    assert all(set(frame) == {"name"} and isinstance(frame["name"], str) for frame in frames)
    (only,) = document["profiles"]
    assert (only["type"], only["unit"], only["startValue"]) == ("sampled", "seconds", 0)
    assert len(only["samples"]) == len(only["weights"]) == len(profile.kernels)
    assert all(0 <= at < len(frames) for sample in only["samples"] for at in sample)
    assert only["endValue"] == pytest.approx(sum(only["weights"])) == pytest.approx(profile.seconds)
    called = [[frames[at]["name"] for at in sample] for sample in only["samples"]]
    assert ["(root) (Net)", "pool (Part)"] in [names[:2] for names in called]
    assert document["activeProfileIndex"] < len(document["profiles"])


def test_the_kernels_stand_in_the_order_in_which_they_ran(profile):
    stem, *_, last = profile.collapsed().splitlines()
    assert "stem" in stem
    assert "[Softmax]" in last
