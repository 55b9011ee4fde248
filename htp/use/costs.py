"""What some nodes cost, and one module call, as rows of a table."""

from typing import Any, Callable, Mapping, NamedTuple, Sequence, Tuple

from htp.scope import ModuleCall
from htp.showing.sheet import INDEX, Column, Sheet, of_call
from htp.showing.text import brief, count, counted

__all__ = ["CostRow", "Figures", "macs", "sheet"]


class Figures(NamedTuple):
    """What some nodes cost.

    Attributes:
        parameters: elements of the parameters and buffers that they read, each once.
        bytes: of all initializers that they read, each once: scales of quantised weights, and what
            was computed while exporting, are among them.
        shared: how many of the parameters nodes elsewhere read as well.
        folded: how many of the parameters were made from several of the model's.
        macs: multiply-accumulates of their matrix products and convolutions, as far as known.
        elsewhere: those of nodes that are owned elsewhere and stand for these calls, too: what was
            fused with others is counted where it is owned, and only there.
        activations: elements of the values with fractions that they compute, as far as known.
        nodes: how many they are.
        unknown: how many nodes' multiply-accumulates are not known, because a shape is not.
        operators: how many nodes there are of each type.
    """

    parameters: int = 0
    bytes: int = 0
    shared: int = 0
    folded: int = 0
    macs: int = 0
    elsewhere: int = 0
    activations: int = 0
    nodes: int = 0
    unknown: int = 0
    operators: Mapping[str, int] = {}


class CostRow(NamedTuple):
    """What one module call costs, with all that it calls.

    Attributes:
        call: the call.
        depth: how many calls are above it.
        figures: what it costs.
        origin: fingerprint of the export; ``""`` where there is only one.
    """

    call: ModuleCall
    depth: int
    figures: Figures
    origin: str = ""

    @property
    def parameters(self) -> int:
        """Elements of the parameters and buffers that its nodes read, each once."""
        return self.figures.parameters

    @property
    def bytes(self) -> int:
        """Of all initializers that its nodes read, each once."""
        return self.figures.bytes

    @property
    def macs(self) -> int:
        """Multiply-accumulates, as far as known; see ``unknown``."""
        return self.figures.macs

    @property
    def nodes(self) -> int:
        """How many nodes it has."""
        return self.figures.nodes

    @property
    def activations(self) -> int:
        """Elements of the values that its nodes compute, as far as known."""
        return self.figures.activations

    @property
    def unknown(self) -> int:
        """Of how many nodes the multiply-accumulates are not known."""
        return self.figures.unknown

    @property
    def operators(self) -> Mapping[str, int]:
        """How many nodes it has of each type."""
        return self.figures.operators

    def __repr__(self) -> str:
        return f"<CostRow {brief(self.call) or '(root)'}: {_title(self.figures)}>"


def macs(figures: Figures) -> str:
    """Multiply-accumulates; with ``+ ?`` where those of some nodes are not known."""
    if not figures.unknown:
        return count(figures.macs)
    return f"{count(figures.macs)} + ?" if figures.macs else "?"


def _title(figures: Figures) -> str:
    nodes = f"{counted(figures.nodes, 'node')}, {count(figures.parameters)} parameters"
    return f"{nodes}, {count(figures.bytes, 'B')}, {macs(figures)} MACs"


def _value(what: str) -> Callable[[CostRow], Any]:
    return lambda row: getattr(row.figures, what)


def _counted(what: str, said: Callable[[int], str] = count) -> Column[CostRow]:
    def text(row: CostRow) -> str:
        number = _value(what)(row)
        return said(number) if number else ""

    return Column(what, text, True, what, _value(what), "int64")


def sheet(
    rows: Sequence[CostRow],
    total: Figures,
    ends: Sequence[str] = (),
    parents: Sequence[int] = (),
) -> Sheet[CostRow]:
    """The rows as people read them: columns that are empty are left out."""
    some = [what for what in ("shared", "folded", "elsewhere") if any(map(_value(what), rows))]
    return Sheet(
        *("Cost", f"{len(rows)} module calls, {_title(total)}", _columns(total, some)),
        *(rows, INDEX, ends),
        parents=parents,
        whole=True,
        everything="to_pandas() has all",
    )


def _columns(total: Figures, some: Sequence[str]) -> Tuple[Column[CostRow], ...]:
    return (
        *of_call(lambda row: row.call),
        Column("module", lambda row: str(row.call) or "(root)"),
        Column("class", lambda row: row.call.class_name),
        Column(key="depth", value=lambda row: row.depth, dtype="int64"),
        _counted("nodes", str),
        _counted("parameters"),
        *map(_counted, some),
        _counted("bytes", lambda number: count(number, "B")),
        Column(
            *("MACs", lambda row: macs(row.figures) if row.nodes else "", True),
            *("macs", _value("macs"), "int64"),
            bar=lambda row: row.macs / total.macs if total.macs else 0.0,
        ),
        _counted("activations"),
        Column(key="unknown", value=_value("unknown"), dtype="int64"),
        Column(key="operators", value=_value("operators"), dtype="object"),
    )
