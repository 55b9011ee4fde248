"""What is recorded of one export, and how: the scopes first, or every pass."""

import contextlib
from functools import wraps
from itertools import islice
from typing import Any, Callable, Optional, TypeVar, Union, cast

from htp.backends.base import Where
from htp.backends.torchscript import scripted
from htp.backends.torchscript.every_pass import EveryPass
from htp.backends.torchscript.failing import conversion, method_nodes, within
from htp.backends.torchscript.ir import census
from htp.backends.torchscript.merging import CONSTANT
from htp.backends.torchscript.scopes import CallLog
from htp.backends.torchscript.scopes_first import ScopesFirst
from htp.errors import CaptureError

__all__ = ["Recorder", "failure"]

Note = TypeVar("Note", bound=Callable[..., Any])


def heard(note: Note) -> Note:
    """A note that never raises: the export is somebody else's.

    The first error is kept and nothing is noted after it; ``Recorder.check`` raises it.
    """

    @wraps(note)
    def safely(recorder: "Recorder", *what: Any) -> Any:
        return recorder.faults.safely(note, recorder, *what)

    return cast(Note, safely)


def failure(fault: Exception, step: str) -> CaptureError:
    """What is said of an error of HTP's own that arose in a step."""
    return CaptureError(
        f"The export could not be recorded: {step} failed with {type(fault).__name__}: {fault}",
        "this is a defect of HTP; please report it with the model.",
    )


class Recorder:
    """What is known of one export.

    Attributes:
        log: the module calls.
        thread: the thread that exports.
        model: what is exported.
        markers: the markers in a scripted model, else None.
        reader: how the graph is read.
        faults: what went wrong in the recording, that of calls included.
    """

    def __init__(self, log: CallLog, model: Any) -> None:
        self.log = log
        self.thread = log.thread
        self.model = model
        self.markers: Optional[scripted.Markers] = None
        self.faults = log.faults
        self.reader: Union[ScopesFirst, EveryPass] = (
            ScopesFirst(log)
            if _scopes_survive() and not scripted.is_scripted(model)
            else EveryPass(log)
        )
        self._converting: Any = None
        self._failed: Optional[Where] = None
        self._source: Any = None  # the graph that is being converted, no longer than that
        self._methods = 0  # how many of its operations were given to a method of their own class

    def where(self) -> Where:
        """What the export is busy with, or was when it failed."""
        if self._converting is not None:
            return self._converts(self._converting)
        return self._failed or self.log.where()

    def _converts(self, node: Any) -> Where:
        return conversion(node, self.reader.place, self.model)

    def check(self) -> None:
        """Raise what went wrong in the recording.

        Raises:
            CaptureError: something did.
        """
        fault = self.faults.first
        if isinstance(fault, CaptureError):
            raise fault
        if fault is not None:
            raise failure(fault, self.faults.step) from fault

    def _compare_every_pass(self) -> EveryPass:
        self.reader = EveryPass(self.log)
        return self.reader

    @heard
    def note_inlined(self, graph: Any) -> None:
        """The methods of a scripted model were inlined into one graph."""
        if self.markers is not None:
            self.markers.restore()
            owners = scripted.read(graph, self.model, self.log)
            reader = self._compare_every_pass()
            reader.ledger.owners = {str(value): stack for value, stack in owners.items()}

    @heard
    def before_optimizing(self, graph: Any) -> None:
        """The traced or inlined graph is about to be optimised."""
        if self.log.marked and isinstance(self.reader, ScopesFirst):
            self._compare_every_pass()
        self.reader.begin(graph)

    @heard
    def follow(self, graph: Any) -> None:
        """A pass is about to make nodes anew."""
        self.reader.follow(graph)

    @heard
    def before_merging(self, graph: Any, merge: Any) -> Any:
        """A pass is about to merge equal operations."""
        if isinstance(self.reader, ScopesFirst):
            found = census(graph, CONSTANT)
            if found is not None:
                return self.reader.before_merging(graph, found, merge)
            self._compare_every_pass()
        return self.reader.follow(graph)

    @heard
    def after_merging(self, before: Any, graph: Any) -> None:
        """A pass merged equal operations."""
        self.reader.after_merging(before, graph)

    @heard
    def before_converting(self, graph: Any) -> None:
        """The graph is about to be converted to ONNX."""
        self._source, self._methods = graph, 0
        self.reader.before_converting(graph)

    def end_of_conversion(self) -> None:
        """The graph was converted, or could not be."""
        self._source = None

    @heard
    def after_converting(self, graph: Any) -> None:
        """The graph was converted to ONNX."""
        self._failed = None
        self.reader.after_converting(graph)

    def before_conversion(self, node: Any) -> Any:
        """One operation is about to be converted. Its node is held until that ends, no longer.

        Returns:
            The node of the operation whose conversion asks for this one, or None: for the end.
        """
        outer, self._converting, self._failed = self._converting, node, None
        return outer

    def after_conversion(self, outer: Any, node: Any, given: Any, result: Any) -> None:
        """One operation was converted: asked so often that ``heard`` would be felt."""
        self._converting = outer
        self._failed = None  # what failed meanwhile was caught
        if self.faults.first is None:
            try:
                self.reader.after_conversion(node, given, result)
            except Exception as error:  # kept
                self.faults.keep(error, "after_conversion")

    def after_failed_conversion(self, outer: Any, node: Any) -> None:
        """One operation could not be converted; the innermost one is what failed."""
        here = self._converts(node)
        self._failed = within(self._failed, here) if self._failed is not None else here
        self._converting = outer

    def before_method(self) -> None:
        """The next operation is about to be converted by a method of its own class."""
        self._methods += 1
        self._failed = None

    def after_failed_method(self) -> None:
        """The method failed. Torch does not say whose operation it was to convert."""
        with contextlib.suppress(Exception):  # the export has troubles of its own
            found = islice(method_nodes(self._source), self._methods - 1, None)
            self._failed = self._failed or self._converts(next(found))

    @heard
    def before_rewriting(self, graph: Any) -> Any:
        """A pass is about to put new nodes in the place of old ones."""
        return self.reader.before_rewriting(graph)

    @heard
    def after_rewriting(self, before: Any, graph: Any) -> None:
        """A pass put new nodes in the place of old ones."""
        self.reader.after_rewriting(before, graph)

    @heard
    def before_fusing(self, graph: Any) -> Any:
        """A pass is about to fuse operations."""
        return self.reader.before_fusing(graph)

    @heard
    def after_fusing(self, before: Any, graph: Any) -> None:
        """A pass fused operations."""
        self.reader.after_fusing(before, graph)

    @heard
    def after_copying(self, old: Any, new: Any) -> None:
        """A pass copied the graph, node for node."""
        self.reader.after_copying(old, new)

    def let_go(self) -> None:
        """Forget every graph; the recorder is of no use any more."""
        self.reader = ScopesFirst(self.log)


def _scopes_survive() -> bool:
    """Whether torch itself relies on every node's scope, to name the node after it.

    https://github.com/pytorch/pytorch/pull/82040
    """
    import torch

    return hasattr(torch._C, "_jit_pass_onnx_assign_scoped_names_for_node_and_value")
