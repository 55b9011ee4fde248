"""``htp nodes``: the names of a module's nodes, a line each."""

from itertools import starmap
from typing import Optional, Tuple

import click

from htp.cli.found import found
from htp.cli.options import AS_JSON, MODEL
from htp.cli.terminal import print_json, remark, say
from htp.tagged import load
from htp.use.chosen import listed

__all__ = ["nodes"]


@click.command(short_help="Print the names of a module's nodes.")
@MODEL
@click.argument("pattern", metavar="[PATTERN]", required=False)
@click.option(
    *("--op-type", "op_types"),
    metavar="TYPE",
    multiple=True,
    help="Only nodes of this operator, e.g. Gemm; may be said several times.",
)
@AS_JSON
def nodes(model: str, pattern: Optional[str], op_types: Tuple[str, ...], as_json: bool) -> None:
    r"""Print the names of the nodes below a module, one a line.

    PATTERN is a module path, or one in which * stands for anything, such as 'encoder.layer.*'.
    'block@1' is the second call of 'block'. Without PATTERN, or with *, every node is printed;
    those without a known owner come last. A node without a name is called by that of its first
    output.

    \b
    Examples:
      htp nodes model.onnx 'encoder.layer.0.attention'
      htp nodes model.onnx '*.mlp' --op-type MatMul | sort
    """
    known, lost = [list(starmap(listed, rows)) for rows in found(load(model), pattern, op_types)]
    if as_json:
        print_json({"schema": "htp.nodes/1", "nodes": known, "unknown": lost})
        return
    for row in (*known, *lost):
        say(row["name"])
    if lost:
        remark(f"The last {len(lost)} of {len(known) + len(lost)} have no known owner.")
