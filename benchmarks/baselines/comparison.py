"""Every way to tell owners, judged on one export."""

import itertools
import os
from typing import Any, Dict, Iterator, Mapping, NamedTuple, Tuple

from onnx.external_data_helper import load_external_data_for_model

import htp
from baselines.answer import NOTHING
from baselines.names import by_names
from baselines.parameters import by_parameters
from baselines.torch_metadata import by_torch_metadata
from htp.testing.case import modules_of
from htp.testing.graph import document_order

__all__ = ["METHODS", "Score", "compare"]

METHODS = ("parameters", "names", "torch", "htp")
"""The ways, in the order of the tables."""


class Score(NamedTuple):
    """How a way did on the nodes whose owner is known.

    Attributes:
        decided: those nodes.
        exact: the right module, and the right one of its calls.
        contaminated: another module is named.
        silent: nothing is said.
    """

    decided: int
    exact: int
    contaminated: int
    silent: int


def compare(path: str, model: Any, truth: Mapping[str, Tuple[str, int]]) -> Dict[str, Score]:
    """Judge every way, on the nodes that stand for operations of a single call.

    Of the others, which equal or fused operations of several calls became, only HTP names them all.

    Args:
        path: the file that HTP wrote.
        model: the model that was exported.
        truth: for each value that tells, path and number of the call that computed it.
    """
    tagged = htp.load(path)
    several = {name for node, tag in _main(tagged) if tag.shared for name in node.output}
    truth = {name: owner for name, owner in truth.items() if name not in several}
    plain = htp.load(path).strip().model  # byte for byte what torch alone writes
    load_external_data_for_model(plain, os.path.dirname(path))
    states = {name: tensor.detach().numpy() for name, tensor in model.state_dict().items()}
    modules = {name for name, _ in modules_of(model)}
    answers: Dict[str, Any] = {
        "parameters": by_parameters(plain, states),
        "names": by_names(plain, modules),
        "torch": by_torch_metadata(plain),
        "htp": tagged,
    }
    return {name: _score(answer, truth) for name, answer in answers.items()}


def _main(answer: Any) -> Iterator[Tuple[Any, Any]]:
    """The nodes of the main graph: functions have names of their own for their values."""
    count = sum(1 for _ in document_order(answer.model.graph.node))
    return itertools.islice(answer.nodes(), count)


def _score(answer: Any, truth: Mapping[str, Tuple[str, int]]) -> Score:
    decided = exact = contaminated = silent = 0
    for node, tag in _main(answer):
        true = next((truth[name] for name in node.output if name in truth), None)
        if true is None:
            continue
        decided += 1
        said = (tag.path, tag.call) if tag.stack else (NOTHING, 0)
        if said[0] == NOTHING:
            silent += 1
        elif said == true:
            exact += 1
        elif said[0] != true[0]:
            contaminated += 1
    return Score(decided, exact, contaminated, silent)
