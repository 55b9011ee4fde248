"""``TaggedModel.as_functions``: module calls as calls of local functions."""

from typing import TYPE_CHECKING, Any, Dict, List, NamedTuple, Sequence, Tuple

from htp.errors import HTPError
from htp.file import wire
from htp.file.document import nodes_of, parse, text_of
from htp.file.garbage import no_search
from htp.file.tags import origin_of
from htp.printable import printable
from htp.scope import ModuleCall, Stack
from htp.showing.frames import frame
from htp.showing.sheet import Column, Sheet
from htp.showing.table import html
from htp.showing.text import counted, lines, said
from htp.use.modules import Modules
from htp.use.outlining.bodies import Function
from htp.use.outlining.outline import Outline
from htp.use.outlining.tagging import tagged
from htp.use.outlining.wanted import Refused, chosen, fused_with

if TYPE_CHECKING:
    import onnx
    from pandas import DataFrame

    from htp.file.model_file import ModelFile

__all__ = ["FunctionRow", "Functions", "as_functions", "cells", "told"]


_SHOWN = 3
"""Refused calls that a warning names."""


class FunctionRow(NamedTuple):
    """One function.

    Attributes:
        domain: of its operator.
        name: of its operator.
        calls: the module calls that are calls of it, in the order in which they were found.
        nodes: how many nodes its body has, those of nested bodies included.
        inputs: how many inputs it has, weights included.
        outputs: how many outputs it has.
    """

    domain: str
    name: str
    calls: Tuple[ModuleCall, ...]
    nodes: int
    inputs: int
    outputs: int


class Functions(NamedTuple):
    """Which functions were made of which module calls.

    Attributes:
        rows: the functions, each behind those that it calls.
        refused: the calls that were asked for and stay as they are, with the reason.
    """

    rows: Tuple[FunctionRow, ...]
    refused: Tuple[Refused, ...]

    @property
    def partly(self) -> str:
        """What there is to say of the calls that stay as they are."""
        calls = len(self.refused) + sum(len(row.calls) for row in self.rows)
        lines = told(self.refused[:_SHOWN])
        if len(self.refused) > _SHOWN:
            lines.append(f"{len(self.refused) - _SHOWN} more: see 'functions.refused'.")
        said = " ".join(map(printable, lines))
        return f"{len(self.refused)} of {calls} module calls are no functions: {said}"

    def to_json(self) -> Dict[str, Any]:
        """The same for programs."""
        return {
            "schema": "htp.functions/1",
            "rows": [
                {**row._asdict(), "calls": [call._asdict() for call in row.calls]}
                for row in self.rows
            ],
            "refused": [
                {**each.call._asdict(), "reason": each.reason, "why": each.why}
                for each in self.refused
            ],
        }

    def to_pandas(self) -> "DataFrame":
        """A row for each function, by ``name``.

        Raises:
            HTPError: pandas is not installed.
        """
        return frame(_sheet(self))

    def __str__(self) -> str:
        sheet = _sheet(self)
        return "\n".join([*lines(sheet), *map(printable, sheet.ends)])

    def __repr__(self) -> str:
        return said(_sheet(self))

    def _repr_html_(self) -> str:
        return html(_sheet(self))


def _calls(row: FunctionRow) -> str:
    named = [str(call) or "(root)" for call in row.calls]
    return ", ".join(named[:3]) + (f" and {len(named) - 3} more" if len(named) > 3 else "")


def _number(what: str) -> Column[FunctionRow]:
    return Column(
        *(what, lambda row: str(getattr(row, what))),
        key=what,
        value=lambda row: getattr(row, what),
        dtype="int64",
    )


_COLUMNS: Tuple[Column[FunctionRow], ...] = (
    Column("function", lambda row: row.name, key="name", value=lambda row: row.name),
    Column("domain", lambda row: row.domain, key="domain", value=lambda row: row.domain),
    *map(_number, ("nodes", "inputs", "outputs")),
    Column(
        *("calls", _calls),
        key="calls",
        value=lambda row: tuple(map(str, row.calls)),
        dtype="object",
    ),
)


def _sheet(found: Functions) -> Sheet[FunctionRow]:
    calls = sum(len(row.calls) for row in found.rows)
    title = f"{counted(len(found.rows), 'function')} for {counted(calls, 'module call')}"
    title += f"; {len(found.refused)} calls stay as they are" if found.refused else ""
    return Sheet("Functions", title, _COLUMNS, found.rows, ("name",), told(found.refused))


def cells(row: FunctionRow) -> Tuple[str, ...]:
    """A function as cells of a table."""
    return tuple(column.text(row) for column in _COLUMNS if column.text is not None)


def told(refused: Sequence[Refused]) -> List[str]:
    """The calls that stay as they are, a line each."""
    return [f"{str(each.call) or '(root)'} stays as it is: {each.why}." for each in refused]


class Outlined(NamedTuple):
    """A file with functions.

    Attributes:
        file: it, with its tags.
        report: what was made of which calls.
    """

    file: "ModelFile"
    report: Functions


def as_functions(file: "ModelFile", patterns: Sequence[str]) -> Outlined:
    """Make functions of module calls; see ``TaggedModel.as_functions``."""
    if not patterns:
        raise TypeError("Say which modules, for example 'encoder.layer.*'.")
    with no_search():
        return _made(file, patterns)


def _made(file: "ModelFile", patterns: Sequence[str]) -> Outlined:
    several = len(file.origins) > 1
    seen = list(file.seen())
    only = file.origins[0].fingerprint if len(file.origins) == 1 else ""
    rows = [(tag, origin_of(node) if several else only) for node, tag in seen]
    tags = [tag for tag, _ in rows]
    modules = Modules(tags, file.origins)
    stacks = _stacks(file, modules)
    wanted = {call: stacks[call] for call in chosen(modules, stacks.values(), patterns)}
    model = parse(wire.join(file.chunks))
    _check_names(model)
    outline = Outline(model, rows, wanted, fused_with(modules, tags))
    functions = outline.bodies.functions
    refused = tuple(outline.refused)
    if not functions:
        raise HTPError(
            f"No function can be made: {' '.join(told(refused[:3]))}",
            "choose a module that has nodes of its own; htp tree FILE shows them.",
        )
    made = tagged(file, model, outline.rows)
    return Outlined(made, Functions(tuple(map(_row, functions)), refused))


def _row(function: Function) -> FunctionRow:
    return FunctionRow(
        function.domain,
        function.name,
        tuple(function.calls),
        len(function.rows[0]),
        len(function.inputs),
        len(function.outputs),
    )


def _check_names(model: "onnx.ModelProto") -> None:
    """Refuse a model with names that are no text.

    Raises:
        InvalidModelError: it has one.
    """
    for each in model.opset_import:
        text_of(each.domain)
    for function in model.functions:
        for name in (function.domain, function.name, *function.input, *function.output):
            text_of(name)
    for node in nodes_of(model):
        for name in (node.op_type, node.domain, node.name, *node.input, *node.output):
            text_of(name)


def _stacks(file: "ModelFile", modules: Modules) -> Dict[ModuleCall, Stack]:
    """Every call with its stack, in the order of the forward pass; as its nodes have it, if any."""
    found: Dict[ModuleCall, Stack] = {}
    for origin in file.origins:
        way: List[ModuleCall] = []
        for call, depth in origin.calls:
            del way[depth:]
            way.append(call)
            found.setdefault(call, tuple(way))
    told: Dict[ModuleCall, Stack] = {}
    for tag in modules.tags:
        for depth, call in enumerate(tag.stack):
            told.setdefault(call, tag.stack[: depth + 1])
    return {**found, **told}
