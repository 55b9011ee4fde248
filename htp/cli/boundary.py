"""``htp boundary``: what a module call takes and returns."""

from typing import List

import click

from htp.cli.options import AS_JSON, MODEL
from htp.cli.terminal import Column, Piece, print_json, print_table, remark, say
from htp.tagged import load
from htp.use.boundary import Boundary, BoundaryValue

__all__ = ["boundary"]


@click.command(short_help="Show which values a module call takes and returns.")
@MODEL
@click.argument("path")
@click.option("--call", type=click.IntRange(min=0), default=0, metavar="N", help="Which call.")
@AS_JSON
def boundary(model: str, path: str, call: int, as_json: bool) -> None:
    r"""Show which values of the file a module call takes and returns.

    PATH is a module path; 'block@1' is the second call of 'block'. A value without a place is no
    argument or result that is known: the call's nodes read it, or others read it of them.

    \b
    Examples:
      htp boundary model.onnx encoder.layer.0.attention
      htp boundary model.onnx encoder.norm@1 --json
    """
    found = load(model).boundary(path, call)
    if as_json:
        print_json(found.to_json())
        return
    _print(found)


def _print(found: Boundary) -> None:
    say(str(found.call) or "(root)", "  ", (found.call.class_name, "dim"))
    rows = [_cells("takes", value) for value in found.taken]
    rows += [_cells("returns", value) for value in found.given]
    if rows:
        print_table([Column(""), Column("place"), Column("value"), Column("known")], rows)
    say("These are the module's own, each with its name." if found.exact else "Not exact.")
    for each in found.remarks:
        remark(f"Remark: {each}")


def _cells(side: str, value: BoundaryValue) -> List[List[Piece]]:
    place = "" if value.place is None else ".".join(value.place)
    known = "captured" if value.known else "from the graph" if value.name else ""
    why = f"{known} ({value.reason})" if known and value.reason else known or value.reason or ""
    return [[side], [place], [value.name or "-"], [why]]
