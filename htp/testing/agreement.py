"""Do two backends give the same answer on one torch, and one backend on every torch?"""

import json
import os
from collections import Counter
from typing import Any, Dict, List

from htp.testing.case import Case
from htp.testing.oracle import marked_owners
from htp.testing.running import Exported, Workshop, shown

__all__ = ["Agreement", "answer_of", "comparable", "kept_answers"]

_ONE_FOR_ONE = {
    **{name: name for name in ("Conv", "Erf", "GRU", "LayerNormalization", "LSTM")},
    **{name: name for name in ("Relu", "Sigmoid", "Sin", "Softmax", "Tanh")},
    "MatMul": "MatMul or Gemm",
    "Gemm": "MatMul or Gemm",
}
"""Operators that every exporter makes one of for one operation, and what to count them as."""


def kept_answers() -> Dict[str, Dict[str, List[str]]]:
    """What every release and backend answers, by the name of the case."""
    path = os.path.join(os.path.dirname(__file__), "answers.json")
    with open(path, encoding="utf-8") as file:
        kept: Dict[str, Dict[str, List[str]]] = json.load(file)
    return kept


def answer_of(exported: Exported, case: Case) -> Dict[str, List[str]]:
    """The module calls of the tree, and the marks with their owners.

    Marks that may vanish are left out.
    """
    marks = marked_owners(exported.tagged, exported.truth)
    return {
        "calls": sorted(str(branch.call) for branch in exported.tagged.tree().walk()),
        "marks": [f"{m.factor} {m.owner}" for m in marks if m.owner not in case.vanishes],
    }


class Agreement:
    """Two mechanisms, one answer; many releases, one answer."""

    def test_releases_agree(self, workshop: Workshop, backend_name: str, case: Case) -> None:
        """The module calls and the owners of the marks are those of every other release.

        ``answers.json`` holds them; ``tools/answers.py`` of HTP's repository writes it.
        """
        assert answer_of(workshop.exported(backend_name, case), case) == kept_answers()[case.name]

    def test_backends_agree(
        self, workshop: Workshop, backend_name: str, other: str, case: Case
    ) -> None:
        """The same module calls were made, and own the marks and the operators of both graphs.

        The graphs themselves differ: one exporter merges equal operations, fuses a normalisation
        into its convolution, folds what depends on parameters alone or leaves out a dropout where
        the other does not. What a node stands for besides its owner is in ``shared``.
        """
        one, two = (workshop.exported(name, case) for name in (backend_name, other))
        answers = []
        for exported in (one, two):
            answer = {what: Counter(found) for what, found in answer_of(exported, case).items()}
            answer.update(
                (operator, Counter(found))
                for operator, found in comparable(exported.tagged).items()
            )
            answers.append(answer)
        differences = [
            f"{what}: {backend_name} {dict(answers[0][what])}, {other} {dict(answers[1][what])}"
            for what in sorted(set(answers[0]) & set(answers[1]))
            if answers[0][what] != answers[1][what]
            and (what in ("calls", "marks") or _equally_many(answers[0][what], answers[1][what]))
        ]
        assert not differences, shown(differences)


def _equally_many(one: "Counter[str]", two: "Counter[str]") -> bool:
    return sum(one.values()) == sum(two.values())


def comparable(tagged: Any) -> Dict[str, List[str]]:
    """The owners of the operators that stand for one operation in every exporter's graph.

    An operator of which any node is fused stands for something else, and is left out.
    """
    owners: Dict[str, List[str]] = {}
    fused = set()
    for node, tag in tagged.nodes():
        operator = _ONE_FOR_ONE.get(node.op_type)
        if operator is not None:
            owners.setdefault(operator, []).append("/".join(map(str, tag.stack)))
            if tag.shared:
                fused.add(operator)
    return {operator: found for operator, found in owners.items() if operator not in fused}
