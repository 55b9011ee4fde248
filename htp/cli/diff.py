"""``htp diff``: what differs between two files, module by module."""

import click

from htp.cli.options import AS_JSON
from htp.cli.terminal import Column, print_json, print_table, say
from htp.comparing.diff import Diff
from htp.comparing.diff import diff as htp_diff
from htp.comparing.table import lines_of

__all__ = ["diff"]

_WIDTH = 60
"""Of a column on a narrow terminal."""


@click.command(short_help="Show what differs between two files, module by module.")
@click.argument("a", metavar="A.onnx")
@click.argument("b", metavar="B.onnx")
@AS_JSON
@click.pass_context
def diff(ctx: click.Context, a: str, b: str, as_json: bool) -> None:
    r"""Show what differs between two files, module by module.

    Files are compared as graphs of operations: names of values and nodes, the order of nodes and
    Identity nodes are no difference. Weights are compared by their contents. Modules that are equal
    are folded away, and what is the same in modules that differ in numbers is one line. The exit
    status is 1 if the files differ, 0 if not.

    \b
    Examples:
      htp diff torch2.4.onnx torch2.15.onnx
      htp diff model.onnx slimmed.onnx --json
    """
    found = htp_diff(a, b)
    if as_json:
        print_json(found.to_json())
    else:
        _print(found)
    ctx.exit(0 if found.equal else 1)


def _print(found: Diff) -> None:
    lines = lines_of(found.rows)
    if lines:
        columns = [Column("module"), Column("what"), Column("before", most=_WIDTH)]
        columns.append(Column("after", most=_WIDTH))
        print_table(columns, [[[cell] for cell in line.cells()] for line in lines])
        say()
    for text in found.summary:
        say(text)
