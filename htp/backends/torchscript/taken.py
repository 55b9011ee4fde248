"""Where torch is listened to for what module calls take and return, and what is told of it.

A fault here never reaches torch: the pass runs all the same, and ``records`` raises what it was.
"""

import sys
from typing import (
    Any,
    Callable,
    Container,
    Dict,
    Iterator,
    List,
    Mapping,
    Optional,
    Sequence,
    Tuple,
)

from htp.backends.common.patching import PatchPoint, only_here
from htp.backends.torchscript.following import Following
from htp.backends.torchscript.ir import FRESH, NOT_HELD, is_held
from htp.backends.torchscript.points import PASSES, UTILS
from htp.backends.torchscript.scopes import CallLog
from htp.backends.torchscript.values import Noting, Place, Prints, Slots
from htp.errors import CaptureError
from htp.graph.records import CallRecord, GraphRecord, Kind, ValueRecord
from htp.scope import Stack

__all__ = ["INSIDE", "OUTSIDE", "Taken"]


class Taken:
    """What the calls of one export took and returned."""

    def __init__(self, log: CallLog) -> None:
        self.log = log
        self.thread = log.thread
        self.prints = Prints()
        self.noting = Noting(self.prints)
        self.following = Following(self.prints)
        self.fault: Optional[Exception] = None
        self.final: Any = None
        self.weights: Mapping[str, Any] = {}
        self.first_weights: Mapping[str, Any] = {}
        self.out = False
        """The Prints were taken out of the traced graph."""

    def safely(self, step: Callable[..., Any], *given: Any) -> Any:
        """Run a step unless one failed before; keep what goes wrong, but not its frames."""
        if self.fault is None:
            try:
                return step(*given)
            except Exception as error:
                self.fault = error.with_traceback(None)
        return None

    def let_be(self) -> None:
        """Touch no graph any more: the one that torch has just made is not to be touched."""
        self.fault = RuntimeError(NOT_HELD)
        self.log.faults.keep(self.fault, "let_be")

    def after_conversion(self, node: Any, given: Any, result: Any) -> None:
        """One operation was converted: asked so often that ``safely`` would be felt."""
        if self.out and self.fault is None:
            try:
                self.following.note_conversion(node, given, result)
            except Exception as error:
                self.fault = error.with_traceback(None)

    def after_building(self, graph: Any, weights: Mapping[str, Any]) -> None:
        """The graph that will be written is there, and its initializers."""
        self.final, self.weights = graph, weights

    def let_go(self) -> None:
        """Forget the graph that was written."""
        self.final, self.weights = None, {}

    def around(self, step: Callable[..., Any], graph: Any, run: Callable[[], Any]) -> Any:
        """Run a pass of torch's within a step; the pass runs once, whatever the step does."""
        if self.fault is not None or not self.out or self.final is not None:
            return run()  # also when the recorder has a copy merged again, after the export
        results: List[Any] = []
        refused: List[Exception] = []

        def once() -> Any:
            try:
                results.append(run())
            except Exception as error:
                refused.append(error)
                raise
            if self.fault is not None:
                raise self.fault  # what the pass made cannot be touched
            return results[0]

        try:
            return step(graph, once)
        except Exception as error:
            if refused:
                raise  # torch's own error passes through
            self.fault = error.with_traceback(None)
        for one in [graph, *results] if self.log.faults.first is None else ():
            if hasattr(one, "findAllNodes"):
                self.prints.take_away(one)  # nothing of HTP's may stay in a graph
        return results[0] if results else run()

    def records(self, stacks: Sequence[Stack], after: GraphRecord) -> Tuple[CallRecord, ...]:
        """The record of every call.

        Args:
            stacks: of the calls, by token.
            after: the written graph: names that are not in it are no names.

        Raises:
            CaptureError: something went wrong while torch exported.
        """
        told = self.safely(self._told, after) if self.out and self.final is not None else None
        if self.fault is not None:
            raise CaptureError(
                f"What the module calls took and returned could not be followed: {self.fault!r}.",
                "this is a defect of HTP; please report it with the model.",
            ) from self.fault
        told = told or [(None, "untraced")] * self.noting.slots
        told.append((None, "untraced"))  # at UNTRACED
        nothing = {slot for slot in self.noting.numbers if told[slot][0] is None}
        of = _Records(told, nothing).of
        return tuple(
            CallRecord(stack, of(noted.inputs, noted.unread), of(noted.outputs, {}))
            if noted is not None
            else CallRecord(stack)
            for stack, noted in zip(stacks, map(self.noting.calls.get, range(len(stacks))))
        )

    def _told(self, after: GraphRecord) -> List[Tuple[Optional[str], Optional[str]]]:
        """Name and reason of each slot."""
        fed = len(set(after.inputs) - set(after.initializers))
        standard = {node.op for node in after.nodes if "::" not in node.op}
        kinds = [f"onnx::{op}" for op in sorted(standard - {_CONSTANT})]
        names = self.following.names(self.final, self.weights, self.first_weights, fed, kinds)
        known = {name for node in after.nodes for name in node.outputs}
        known.update(after.inputs, after.initializers)
        merged, reasons = self.following.merged, self.following.reasons
        told: List[Tuple[Optional[str], Optional[str]]] = []
        for slot, name in enumerate(names):
            if name and name in known:
                told.append((name, "merged" if slot in merged else None))
            else:
                told.append((None, reasons.get(slot, "rewritten")))
        return told


class _Records:
    """The records of what calls took and returned.

    Args:
        told: name and reason of each slot.
        nothing: slots of sizes that the file doesn't compute: each was only a number.
    """

    def __init__(
        self, told: Sequence[Tuple[Optional[str], Optional[str]]], nothing: Container[int]
    ) -> None:
        self._told = told
        self._nothing = nothing
        self._plain: Dict[Tuple[Place, int], ValueRecord] = {}
        """Most values are taken as they were given."""

    def of(self, slots: Slots, unread: Mapping[int, Kind]) -> Tuple[ValueRecord, ...]:
        """Of one call what it took or what it returned."""
        found = [
            self._record(place, slot, unread.get(at))
            for at, (place, slot) in enumerate(slots)
            if slot not in self._nothing
        ]
        return tuple(found)

    def _record(self, place: Place, slot: int, kind: Optional[Kind]) -> ValueRecord:
        known = self._plain.get((place, slot))
        if known is None:
            known = self._plain[place, slot] = ValueRecord(place, *self._told[slot])
        return known if kind is None or known.name else known._replace(kind=kind)


_CONSTANT = "Constant"


def _around_optimizing(taken: Taken, optimize: Any) -> Any:
    def optimize_graph(graph: Any, *args: Any, **kwargs: Any) -> Any:
        taken.noting.forget()
        if taken.noting.slots:
            taken.safely(taken.following.take_out, graph, taken.noting.slots)
            taken.out = True
        if taken.fault is not None:
            taken.prints.take_away(graph)
        return optimize(graph, *args, **kwargs)

    return optimize_graph


def _within(step: str) -> Callable[[Taken, Any], Any]:
    def around(taken: Taken, plain: Any) -> Any:
        follow = getattr(taken.following, step)

        def jit_pass(graph: Any, *args: Any, **kwargs: Any) -> Any:
            def run() -> Any:
                result = plain(graph, *args, **kwargs)
                if sys.getrefcount(result) > FRESH and not is_held(result):
                    taken.let_be()
                return result

            return taken.around(follow, graph, run)

        return jit_pass

    return only_here(around)


def _before_folding(taken: Taken, fold: Any) -> Any:
    """What the initializers hold before torch computes with them."""

    def jit_pass(graph: Any, weights: Any, *args: Any, **kwargs: Any) -> Any:
        taken.first_weights = taken.first_weights or weights
        return fold(graph, weights, *args, **kwargs)

    return jit_pass


def _inside() -> Iterator[PatchPoint]:
    for name in (
        "_jit_pass_onnx_remove_inplace_ops_for_onnx",
        "_jit_pass_onnx_prepare_inplace_ops_for_onnx",
    ):
        yield PatchPoint(name, PASSES, _within("through_writes"), needed=False)
    yield PatchPoint("_jit_pass_cse", PASSES, _within("through_merging"))
    name = "_jit_pass_canonicalize_graph_fuser_ops"
    yield PatchPoint(name, PASSES, _within("through_replacing"), needed=False)
    yield PatchPoint("_jit_pass_onnx", PASSES, _within("through_conversion"))
    for name in ("_jit_pass_onnx_eval_peephole", "_jit_pass_onnx_constant_fold"):
        yield PatchPoint(name, PASSES, only_here(_before_folding))
    yield PatchPoint("_jit_pass_canonicalize", PASSES, _within("through_copying"))


INSIDE = tuple(_inside())
"""Installed before the other patches: what they read holds no Print."""

OUTSIDE = (PatchPoint("_optimize_graph", UTILS, only_here(_around_optimizing)),)
"""Installed after the other patches."""
