"""Is what the tags say true?"""

from collections import Counter
from typing import Any, Dict, List

import numpy as np

import htp
from htp.testing.case import Case, modules_of
from htp.testing.eager import names_by_module, type_name
from htp.testing.graph import node_arrays
from htp.testing.models import case as case_named
from htp.testing.oracle import misplaced_weights, tagged_nodes, verdicts
from htp.testing.running import Exported, Workshop, shown

__all__ = ["Answers"]

RecordProperty = Any
"""pytest's ``record_property``: keeps a figure for the file of results."""


def _short(tag: htp.Tag) -> str:
    return f"{tag.path}@{tag.call}" if tag.call else tag.path


class Answers:
    """The owner of every node, held against oracles that know nothing of HTP's capture."""

    def test_every_node_is_tagged(
        self, workshop: Workshop, backend_name: str, case: Case, record_property: RecordProperty
    ) -> None:
        """Nodes of the main graph, of nested bodies and of functions: none is unknown."""
        tagged = workshop.exported(backend_name, case).tagged
        nodes = [(node, tag) for node, tag, _ in tagged_nodes(tagged)]
        coverage = htp.Coverage.of(tag for _, tag in nodes)
        record_property("coverage", {str(kind): count for kind, count in coverage})
        unknown = [
            (node.op_type, node.name)
            for node, tag in nodes
            if not tag.stack or tag.provenance is htp.Provenance.UNKNOWN
        ]
        assert not unknown, shown(unknown)
        assert tagged.coverage == htp.Coverage.of(tag for _, tag in tagged.nodes())
        assert tagged.backend == backend_name

    def test_stacks_are_real(self, workshop: Workshop, backend_name: str, case: Case) -> None:
        """Each stack, calls and all, is one that the eager run went through."""
        exported = workshop.exported(backend_name, case)
        stacks = {tag.stack for _, tag, _ in tagged_nodes(exported.tagged)}
        problems = [problem for stack in stacks for problem in _malformed(exported, stack)]
        if exported.truth.stacks:
            problems += [f"never ran: {stack}" for stack in stacks - exported.truth.stacks]
        assert not problems, shown(problems)

    def test_marks_are_owned(
        self, workshop: Workshop, backend_name: str, case: Case, record_property: RecordProperty
    ) -> None:
        """The k-th multiplication by a module's own factor belongs to its k-th mark."""
        exported = workshop.exported(backend_name, case)
        found = verdicts(exported.tagged, exported.truth)
        wrong = [verdict for verdict in found if not verdict.right]
        record_property("oracle", {"decided": len(found), "wrong": len(wrong)})
        assert not wrong, shown(wrong)
        left = Counter(mark.owner for mark in exported.truth.marks)
        left -= Counter(owner for verdict in found for owner in verdict.owners)
        undecided = set(left) - set(case.vanishes)
        assert not undecided, f"marks that the graph does not have: {sorted(undecided)}"

    def test_weights_are_owned(
        self, workshop: Workshop, backend_name: str, case: Case, record_property: RecordProperty
    ) -> None:
        """An operator that reads the weight of one module belongs to that module."""
        exported = workshop.exported(backend_name, case)
        called = {path for path, _ in exported.truth.calls}
        found = misplaced_weights(exported.tagged, exported.example.model, called, exported.folder)
        wrong = [verdict for verdict in found if not verdict.right]
        record_property("oracle", {"decided": len(found), "wrong": len(wrong)})
        assert not wrong, shown(wrong)

    def test_operators_are_owned(self, workshop: Workshop, backend_name: str, case: Case) -> None:
        """Operators whose module the case names by hand."""
        tagged = workshop.exported(backend_name, case).tagged
        wrong = [
            (node.op_type, node.name, _short(tag))
            for node, tag in tagged.nodes()
            if tag.path != case.operators.get(node.op_type, tag.path)
        ]
        assert not wrong, shown(wrong)

    def test_parameters_are_named(self, workshop: Workshop, backend_name: str, case: Case) -> None:
        """An initializer with the values of one parameter or buffer carries its names."""
        exported = workshop.exported(backend_name, case)
        names = exported.tagged.parameters()
        states = _states(exported.example.model)
        wrong = []
        for tensor, array in _initializers(exported).items():
            equal = [
                state for state in states if np.array_equal(state["array"], array) and array.ndim
            ]
            if len(equal) == 1 and set(names.get(tensor, ())) != set(equal[0]["names"]):
                wrong.append((tensor, equal[0]["names"], names.get(tensor)))
        assert not wrong, shown(wrong)
        known = {name for state in states for name in state["names"]}
        invented = [name for listed in names.values() for name in listed if name not in known]
        assert not invented, shown(invented)

    def test_fused_nodes_name_both(self, workshop: Workshop, backend_name: str) -> None:
        """A convolution fused with its normalisation is their parent's, and lists both."""
        tagged = workshop.exported(backend_name, case_named("conv_batchnorm")).tagged
        operators = [node.op_type for node, _ in tagged.nodes()]
        fused = "BatchNormalization" not in operators
        for unit, (_, tag) in zip(("stem", "body"), tagged.find("", op_type="Conv")):
            shared = sorted(str(call) for call in tag.shared)
            if fused:
                truth: Any = (unit, [f"{unit}.conv", f"{unit}.norm"])
            else:
                truth = (f"{unit}.conv", [])
            assert (tag.path, shared) == truth, f"{(tag.path, shared)}, but {truth} is true"
        assert operators.count("Conv") == 2


def _malformed(exported: Exported, stack: Any) -> List[str]:
    """What is wrong with a stack by the model alone."""
    model = exported.example.model
    names = names_by_module(model)
    modules = {path: id(module) for path, module in model.named_modules()}
    aliases = {alias: paths for paths in names.values() for alias in paths}
    types = {path: type_name(module) for path, module in model.named_modules()}
    problems = []
    if not stack or stack[0].path or stack[0].call:
        problems.append(f"does not begin with the root's first call: {stack}")
    for call in stack[1:]:
        paths = aliases.get(call.path)
        if paths is None:
            problems.append(f"get_submodule({call.path!r}) fails: {stack}")
            continue
        if paths[0] in modules and not _is_type(model, paths[0], call.type, types):
            problems.append(f"{call.path} is a {types[paths[0]]}: {stack}")
    return problems


def _is_type(model: Any, path: str, name: str, types: Dict[str, str]) -> bool:
    """A scripted module may also go by the class that it was made from."""
    module = dict(model.named_modules())[path]
    original = getattr(module, "original_name", None)
    return name == types[path] or (original is not None and name.endswith(original))


def _states(model: Any) -> List[Dict[str, Any]]:
    """Parameters and buffers with all their names; equal arrays are one entry without a truth."""
    by_tensor: Dict[int, Dict[str, Any]] = {}
    for path, module in modules_of(model):
        own = [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]
        for name, tensor in own:
            state = by_tensor.setdefault(
                id(tensor), {"array": tensor.detach().numpy(), "names": []}
            )
            state["names"].append(f"{path}.{name}" if path else name)
    return list(by_tensor.values())


def _initializers(exported: Exported) -> Dict[str, "np.ndarray"]:
    wanted = {tensor.name for tensor in exported.tagged.model.graph.initializer}
    first = next(iter(node_arrays(exported.tagged.model, exported.folder)))[1]
    return {name: array for name, array in first.items() if name in wanted}
