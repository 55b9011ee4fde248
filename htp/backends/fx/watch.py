"""One export that is being heard, from its first module call to the file that torch wrote."""

import contextlib
from threading import get_ident
from typing import Any, ContextManager, Dict, Optional, Tuple

from htp import torch_release
from htp.backends.base import Where
from htp.backends.common.align import align
from htp.backends.common.modules import ModuleNames
from htp.backends.common.overriding import overrides
from htp.backends.fx import ends
from htp.backends.fx.built import BuiltGraph
from htp.backends.fx.calls import CallTracker
from htp.backends.fx.failing import Failing
from htp.backends.fx.faults import Faults
from htp.backends.fx.ir import MARK, walk
from htp.backends.fx.marks import Marks, taken_off, without
from htp.backends.fx.meta import KEY, Attempt, Call, is_body, node_of_line, note_line
from htp.backends.fx.overriding import OverridingCalls
from htp.backends.fx.parameters import ParameterNames
from htp.backends.fx.reading import ReadValues
from htp.backends.fx.stack import StackReader
from htp.backends.fx.unread import Reading, Run
from htp.backends.fx.values import ValueTracker, hand_on, values_of
from htp.backends.fx.views import ViewTracker
from htp.backends.fx.written import Replacements, WrittenValues
from htp.errors import CaptureError
from htp.graph.records import CallRecord, Capture, GraphRecord, Operation
from htp.scope import Stack

__all__ = ["Watch"]

_INSTEAD = "backend='torchscript' traces the model instead and may take it."


class Watch:
    """Records one export.

    Args:
        model: the ``nn.Module`` or ``ExportedProgram`` that is exported.

    Attributes:
        model: it.
        thread: the thread that exports.
        calls: follows the module calls.
        reading: follows what dynamo reads.
        views: follows the views that torch computes once more.
        values: follows what the calls took and returned.
        overriding: sees calls of modules that have a ``__call__`` of their own.
        failing: where something failed.
        converting: the FX node that is being converted to ONNX.
        dispatching: code of the function that every operation goes through while torch traces.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self.thread = get_ident()
        self.overriding = OverridingCalls(self)
        self._forget()
        self.converting: Any = None
        self.recaptured = False  # what was captured is a graph, whose nodes name no module
        self.dispatching: Any = None
        self._faults = Faults()
        self.guard = self._faults.guard
        self._stacks = StackReader()
        self.failing = Failing(model, self._stacks)
        self._parameters = ParameterNames()
        self._captured: Any = None
        self._program: Any = None
        self._marks: Optional[Marks] = None
        self._built: Optional[BuiltGraph] = None
        self.replaced = Replacements()
        self._before: Optional[GraphRecord] = None
        self._after: Optional[GraphRecord] = None
        self._attempt: Optional[Attempt] = None
        self._written: Dict[Stack, None] = {}
        self._calls: Tuple[CallRecord, ...] = ()
        self._operations: Tuple[Operation, ...] = ()

    def _forget(self) -> None:
        """Know nothing of what was traced."""
        self.calls = CallTracker()
        self.values = ValueTracker()
        self.reading = ReadValues(self.values)
        self.views = ViewTracker(self.values.writes)

    @property
    def is_module(self) -> bool:
        """Whether modules will run; in an ``ExportedProgram`` there are none any more."""
        import torch

        return isinstance(self.model, torch.nn.Module)

    def prepare(self) -> None:
        """Look at the model."""
        if self.is_module:
            names = ModuleNames(self.model)
            self.calls.follow(self.model, names)
            self.overriding.follow(self.model)
            self._parameters.of_module(names)
        elif hasattr(self.model, "state_dict"):  # else a scripted function, which has no modules
            self._parameters.of_program(self.model)
            self._stacks.of_program(self.model)

    # While torch traces.

    def enter(self, tracer: Any, module: Any, args: Any, kwargs: Any, found: bool = False) -> Run:
        """A module begins to run.

        Args:
            tracer: what traces it.
            module: the module.
            args: what it takes.
            kwargs: likewise.
            found: whether this is the ``__call__`` that its class finds, where that has one.
        """
        if not found and self.calls.is_innermost(module) and overrides(module):
            return Run(None, None, tracer)  # its own leads here: it is the same call
        if is_body(module):
            self.calls.enter_body()
            self.values.lose(module.graph.nodes)
            return Run(None, module.graph, tracer)
        call = self.calls.enter(module, dynamo=False)
        if call is None:
            return Run(None, None, tracer)
        call.inputs = self.values.taken(tracer, args, kwargs)
        return Run(call, None, tracer, Reading(tracer, args, kwargs))

    def leave(self, run: Optional[Run], result: Any = None, *, failed: bool = False) -> None:
        """It has run."""
        if run is None:
            return
        if run.body is not None:
            self.calls.leave_body()
            if not failed:
                self.values.gave(run.tracer, run.body, result)
        self.calls.leave(run.call)
        if run.call is not None and not failed:
            self.failing.fine()
            run.call.outputs = self.values.returned(run.tracer, result)
            if run.reading is not None and run.call.inputs is not None:
                run.call.inputs = run.reading.ended(run.call.inputs, result)

    def read(self, module: Any) -> Optional[Call]:
        """Dynamo announces that it reads a call of a module."""
        call = self.calls.enter(module, dynamo=True)
        self.reading.announce(call, module)
        return call

    def created(self, node: Any, tracer: Any, dynamo: bool) -> None:
        """A node was created: give it its call, and the values of what it is made from."""
        owner = self.calls.owner(node.op, dynamo)
        again = self.views.earlier(node, tracer)
        call = (again.view.meta.get(KEY) if again is not None else None) or owner
        if call is not None:
            node.meta[KEY] = call
        if again is not None and again.same:
            hand_on(values_of(again.view), node)
        self.values.aliases.created(node)
        line = node_of_line() if self.calls.in_body() else None
        note_line(node, line)
        if line is not None and line.target is node.target and values_of(line):
            self.values.computed_by_line(line, node)

    def functional(self, args: Any) -> None:
        """Torch begins to make an operation functional that was called with ``args``."""
        self.views.begin(args)
        self.values.writes.begin()

    def made_functional(self, operation: Any, args: Any, kwargs: Any, result: Any) -> None:
        """It has made it functional."""
        self.views.end()
        self.values.writes.end(operation, args, kwargs, result)

    # While torch builds the ONNX graph, and until it is written.

    def captured(self, program: Any) -> None:
        """Torch has captured the model as this ``ExportedProgram``."""
        self._captured = program
        calls = [node.meta[KEY] for node in program.graph.nodes if KEY in node.meta]
        root = calls[0].attempt.calls[0] if calls else None
        if root is not None and root.inputs is None and root.outputs is None:
            root.inputs = ends.inputs_of(program, self.values)
            root.outputs = ends.outputs_of(program, self.values)

    def build(self, program: Any) -> None:
        """Torch has built a graph; a later one takes its place."""
        self._program, self._captured = program, None
        self.guard(self._build, program.model)
        if self._faults.first is not None:
            without(program.model)

    def _build(self, model: Any) -> None:
        origins = [node.meta.get("node") for node, _ in walk(model)]
        calls = [node.meta[KEY] for node in origins if node is not None and KEY in node.meta]
        for attempt in {call.attempt for call in calls}:
            attempt.settle(calls)
        self._built = BuiltGraph(model)
        for node, _ in walk(model):
            self.replaced.note_identity(node)
        self._marks = Marks(model, self._owner)
        self._parameters.read(model, self._marks.before)

    def _owner(self, node: Any) -> Optional[Stack]:
        origin = node.meta.get("node")
        if origin is None or self.recaptured:
            return None
        call: Optional[Call] = origin.meta.get(KEY)
        if call is not None:
            self._attempt = call.attempt
            return call.stack
        written = self._stacks.read(origin.meta.get("nn_module_stack") or {})
        for depth in range(len(written or ())):
            self._written.setdefault((written or ())[: depth + 1])
        return written

    def replace(self, values: Any, replacements: Any) -> None:
        """Every use of ``values`` becomes one of ``replacements``: one value, or several each."""
        if not isinstance(values, (tuple, list)):
            values, replacements = [values], [replacements]
        for old, new in zip(values, replacements):
            self.replaced.note(old, new)

    def unmarked(self, program: Any) -> ContextManager[None]:
        """Let a program be without HTP's marks while torch writes it, if it is this export's."""
        ours = program is self._program and self._marks is not None and self._after is None
        return taken_off(program.model) if ours else contextlib.nullcontext()

    def collect(self) -> None:
        """The export has ended: read the marks off the finished model, and remove them."""
        if self._program is None:
            return
        self.guard(self._collect, self._program.model)
        if self._faults.first is not None:
            without(self._program.model)
        # What is kept must hold neither weights nor graphs.
        self._program = self._marks = self._built = self._attempt = self.converting = None
        self.replaced = Replacements()
        self._forget()

    def _collect(self, model: Any) -> None:
        assert self._marks is not None
        assert self._built is not None
        self._after, same = self._marks.collect(model)
        self._before = None if same else self._marks.before
        self._parameters.follow(model, self._after)
        if self._attempt is None:
            self._calls = tuple(map(CallRecord, self._written))
        else:
            values = WrittenValues(model, self._built, self.replaced, self._marks)
            self._calls = values.records(self._attempt.calls)
            self._operations = values.operations

    # What others ask.

    def where(self) -> Where:
        """What the export is busy with, or where it failed."""
        if self.converting is not None:
            return self.failing.node(self.converting)
        running = self.calls.running()
        return Where(running) if running else self.failing.where()

    def failed(self) -> Where:
        """Where the export failed, after it has."""
        if self.converting is not None and KEY in self.converting.meta:
            graphs = [getattr(m, "graph", None) for m in self._captured.graph_module.modules()]
            kept = [n.meta[KEY] for g in graphs if g for n in g.nodes if KEY in n.meta]
            self.converting.meta[KEY].attempt.settle(kept)
        return self.where()

    def capture(self, written: GraphRecord) -> Capture:
        """The capture of the file that torch wrote.

        Raises:
            htp.CaptureError: see ``htp.backends.base.Heard``.
        """
        fault = self._faults.first
        if fault is not None:
            raise CaptureError(
                f"HTP failed while it listened: {type(fault).__name__}: {fault}. "
                "torch's own export was not touched.",
                "this is a defect of HTP; please report it with the model.",
            ) from fault
        if self._after is None:
            raise CaptureError(
                f"torch {torch_release.TORCH} exported without the step that HTP watches.",
                _INSTEAD,
            )
        built = self._before or self._after
        if built.nodes and not any(node.owner for node in built.nodes):
            raise CaptureError(
                f"torch {torch_release.TORCH} captured the model without its modules: it is "
                "scripted, or torch.export failed on it and torch took an older way.",
                _INSTEAD,
            )
        align(written, self._after.walk(), MARK)
        written.parameters.update(self._after.parameters)
        return Capture(written, self._before, self._calls, self._operations)
