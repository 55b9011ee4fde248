"""Random models against the marks in them.

``HTP_FUZZ=10000`` in the environment draws as many for each backend; ``nox -s fuzz`` sets it.
"""

import json
import os
from collections import Counter

import pytest
import torch
from hypothesis import HealthCheck, assume, given, note, settings
from random_models import case_of, plans, ways

import htp
from htp.testing.eager import truth_of
from htp.testing.noise import LET_TORCH_WARN
from htp.testing.oracle import marked_owners, tagged_nodes, verdicts

pytestmark = LET_TORCH_WARN

USABLE = [info.name for info in htp.available_backends() if info.usable]
ASKED = int(os.environ.get("HTP_FUZZ", "0"))
EXAMPLES = {"torchscript": 200, "fx": 20}
"""How many by default; torch.export takes ten times as long as a trace."""

MOST_MARKS = 40
"""Larger models take long and show nothing that smaller ones don't."""

with open(os.path.join(os.path.dirname(__file__), "random_models.json"), encoding="utf-8") as file:
    KEPT = json.load(file)
"""Plans on which HTP once failed, each with the way in which the root was called."""


def tell(line):
    """Say on the terminal how far a long run has come."""
    print(line, flush=True)  # noqa: T201


def problems(backend, plan, way=((), False)):
    """What is wrong with the tags of the model of a plan, and how many marks were decided."""
    case = case_of(plan, way)
    truth = truth_of(case)
    assume(len(truth.marks) <= MOST_MARKS)
    model, args, kwargs = case.example()
    tagged = htp.export(model, args, kwargs=kwargs, backend=backend)
    nodes = list(tagged_nodes(tagged))
    found = verdicts(tagged, truth)
    wrong = [str(verdict) for verdict in found if not verdict.right]
    wrong += [f"unknown: {node.op_type} {node.name}" for node, tag, _ in nodes if not tag.stack]
    wrong += [f"never ran: {stack}" for stack in {tag.stack for _, tag, _ in nodes} - truth.stacks]
    made = Counter((mark.factor, mark.owner) for mark in truth.marks)
    invented = Counter((mark.factor, mark.owner) for mark in marked_owners(tagged, truth)) - made
    wrong += [f"marked more often than it was called: {owner}" for _, owner in invented]
    return wrong, len(found)


@pytest.mark.parametrize("backend", USABLE)
def test_random_models(backend, record_property):
    decided = []

    @settings(
        max_examples=ASKED or EXAMPLES.get(backend, 20),
        derandomize=not ASKED,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )
    @given(plans(), ways())
    def run(plan, way):
        wrong, number = problems(backend, plan, way)
        decided.append(number)
        if ASKED and len(decided) % 500 == 0:
            tell(f"{backend}: {len(decided)} models, {sum(decided)} marks")
        note(json.dumps([plan, way]))
        assert not wrong

    with torch.random.fork_rng(devices=[]):
        run()
    record_property("oracle", {"decided": sum(decided), "wrong": 0})
    tell(f"{backend}: {len(decided)} models, {sum(decided)} marks decided, none wrong")
    assert sum(decided) > len(decided)


@pytest.mark.parametrize("backend", USABLE)
@pytest.mark.parametrize("plan_and_way", KEPT, ids=range(len(KEPT)))
def test_models_that_once_failed(backend, plan_and_way):
    wrong, number = problems(backend, *plan_and_way)
    assert not wrong
    assert number
