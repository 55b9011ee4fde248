"""Which modules htp.verify names for faults in files of real architectures: recorded, and anew.

``tests/proving/grid.py`` plants them and writes ``tests/results/verify``.
"""

import argparse
import json
from collections import Counter
from pathlib import Path

import pytest

RESULTS = Path(__file__).resolve().parents[1] / "results" / "verify"
FOUND = [json.loads(path.read_text("utf-8")) for path in sorted(RESULTS.glob("*.json"))]
FORMS = ("plain", "session", "extended")
FUSED = ("torchvision:resnet", "torchvision:mobilenet_v2")
"""Each convolution of these becomes one node with its normalisation, and its activation."""
NOT_EXACT = ("group", "missed", "wrong")


def counts(kind, form):
    total = Counter()
    for each in FOUND:
        total.update(each[kind]["counts"].get(form, {}))
    return total


def test_seven_architectures_by_both_backends():
    names = {each["architecture"] for each in FOUND}
    assert len(names) >= 7
    assert {(e["architecture"], e["backend"]) for e in FOUND} == {
        (name, backend) for name in names for backend in ("torchscript", "fx")
    }


def test_single_faults():
    """In the plain file each is named exactly; where an optimiser fused, at least in a group."""
    assert counts("singles", "plain")["exact"] >= 300
    for form in ("plain", "session"):
        assert set(counts("singles", form)) <= {"exact", "gone"}
    found = counts("singles", "extended")
    assert set(found) <= {"exact", "group", "gone"}


@pytest.mark.parametrize("each", FOUND, ids=lambda e: f"{e['architecture']}-{e['backend']}")
def test_few_are_told_as_a_group_where_an_optimiser_fuses_little(each):
    found = Counter(each["singles"]["counts"]["extended"])
    least = 0.5 if each["architecture"] in FUSED else 0.95
    assert found["exact"] >= least * (found["exact"] + found["group"])


def test_a_group_is_what_an_optimiser_makes_one_node_of():
    """Such as a convolution, its normalisation and its activation: no more, and nothing else."""
    groups = [
        [call, *group]
        for each in FOUND
        for row in each["singles"]["rows"]
        for named in row.get("named", {}).values()
        for call, group in named
    ]
    assert len(groups) == sum(counts("singles", "extended")[kind] for kind in NOT_EXACT)
    assert max(map(len, groups)) <= 3


def test_pairs():
    assert sum(counts("pairs", "plain").values()) >= 40
    for form in FORMS:
        found = counts("pairs", form)
        both = found["exact"] + found["group"]
        assert both >= 0.95 * sum(found.values()), form


@pytest.mark.parametrize("each", FOUND, ids=lambda e: f"{e['architecture']}-{e['backend']}")
def test_clean_files(each):
    judged = {form: row for form, row in each["clean"].items() if "tool" not in row}
    assert {"plain", "session", "extended"} <= set(judged)
    for form, row in judged.items():
        if form.startswith("quantised"):
            assert row.get("named without a quantised operator", []) == []
            assert "named without a quantised operator" in row or "found again" in row["tags"]
        else:
            assert row["named"] == [], form
            assert row["diverges"] == 0, form


def test_files_in_16_bits_were_made():
    made = [each for each in FOUND if "half, none" in each["clean"]]
    assert len(made) >= 10


@pytest.mark.planted
@pytest.mark.filterwarnings("ignore")  # what torch warns of while it exports
@pytest.mark.parametrize("backend", ["torchscript", "fx"])
def test_anew(backend):
    """A few faults in the smallest of the architectures."""
    grid = pytest.importorskip("proving.grid")
    known = {subject.name: subject for subject in grid.subjects()}
    arguments = argparse.Namespace(faults=4, pairs=1, seed=1)
    found = grid.measured(known["transformers:bert"], backend, arguments)
    for kind in ("singles", "pairs"):
        for form in FORMS:
            assert not {"wrong", "missed"} & set(found[kind]["counts"].get(form, {}))
