"""``htp functions``: module calls as calls of local functions."""

import os
import warnings
from typing import Tuple

import click

from htp.cli.options import AS_JSON, MODEL
from htp.cli.terminal import Column, print_json, print_table, remark, say, size_of
from htp.file.store import Destination
from htp.tagged import load
from htp.use.functions import Functions, cells, told

__all__ = ["functions"]


@click.command(short_help="Make module calls calls of local functions.")
@MODEL
@click.argument("patterns", metavar="PATTERN...", nargs=-1, required=True)
@click.option("-o", "--output", required=True, metavar="FILE", help="The .onnx file to write.")
@AS_JSON
def functions(model: str, patterns: Tuple[str, ...], output: str, as_json: bool) -> None:
    r"""Make module calls calls of local functions; equal ones share a body.

    PATTERN is a module path, or one in which * stands for anything; of the modules that it names
    the uppermost become functions, with their weights as inputs. Several patterns make functions
    that call functions. Calls that cannot be functions stay as they are, and are told on standard
    error with the reason.

    \b
    Examples:
      htp functions model.onnx 'encoder.layer.*' -o functions.onnx
      htp functions model.onnx encoder 'encoder.layer.*' -o functions.onnx
    """
    Destination(output)
    tagged = load(model)
    with warnings.catch_warnings():  # each call that is refused is told below
        warnings.filterwarnings("ignore", "[0-9]+ of [0-9]+ module calls are no functions")
        made = tagged.as_functions(*patterns)
    made.save(output)
    found = made.functions
    assert found is not None
    if as_json:
        print_json(found.to_json())
    else:
        say(f"Wrote {output} ({size_of(os.path.getsize(output))})", style="bold")
        _print(found)
    for line in told(found.refused):
        remark(f"Remark: {line}")


def _print(found: Functions) -> None:
    columns = [Column("function"), Column("domain")]
    columns += [Column(name, right=True) for name in ("nodes", "inputs", "outputs")]
    rows = [[[cell] for cell in cells(row)] for row in found.rows]
    print_table([*columns, Column("calls")], rows)
