"""``htp verify``: which module of a file is wrong."""

import os
from typing import Any, Dict, List, Mapping, Optional, Sequence

import click

from htp.carried import carry
from htp.cli.inputs import INPUTS
from htp.cli.options import AS_JSON
from htp.cli.progress import quiet_torch
from htp.cli.source import export_arguments
from htp.cli.terminal import Column, Piece, print_json, print_table, remark, say
from htp.cli.viewer import FORM, OUTPUT, check_form, print_node_data
from htp.proving.verification import Verification, VerificationRow, name_of
from htp.proving.verify import verify as htp_verify
from htp.steps import step
from htp.tagged import load

__all__ = ["verify"]

FOUND = 1
"""The exit status where an error arises in a module."""
SHOWN = 20
"""Rows that are printed where not all are asked for."""


@click.command(short_help="Find the module of a file that is wrong.")
@click.argument("reference", metavar="REFERENCE")
@click.argument("model", metavar="MODEL.onnx")
@INPUTS
@click.option(
    "--level",
    type=click.Choice(["none", "basic", "extended", "all"]),
    default="all",
    show_default=True,
    help="How far onnxruntime optimises the file before it is looked into.",
)
@click.option("--atol", type=float, metavar="X", help="How far a value may be off.")
@click.option("--rtol", type=float, metavar="X", help="The same, of its largest element.")
@click.option("--all", "everything", is_flag=True, help="Print a row for every module call.")
@FORM
@OUTPUT
@AS_JSON
@click.pass_context
def verify(
    ctx: click.Context,
    reference: str,
    model: str,
    inputs: Optional[str],
    level: str,
    atol: Optional[float],
    rtol: Optional[float],
    everything: bool,
    form: Optional[str],
    output: Optional[str],
    as_json: bool,
) -> None:
    r"""Find the module of a file whose numbers are not what they should be.

    REFERENCE is MODULE:FUNCTION, which gives the model and its inputs, as for 'htp export'; or,
    with --inputs, the file that MODEL.onnx was made from. A module in which an error arises is told
    from those that only pass it on.

    The exit status is 1 where an error arises in a module.

    \b
    Examples:
      htp verify net.py:build model.onnx
      htp verify my_package.models:tiny optimised.onnx --level none --json
      htp verify model.onnx quantised.onnx --inputs samples/
      htp verify net.py:build model.onnx --format model-explorer -o errors.json
    """
    check_form(form, output, as_json)
    settings: Dict[str, Any] = {"level": level, "atol": atol, "rtol": rtol}
    if inputs is not None:
        found = htp_verify(reference, model, inputs, **settings)
    elif os.path.exists(reference):
        raise click.UsageError(f"{reference} is a file: say --inputs PATH to compare two files.")
    else:
        found = _against_torch(reference, model, settings)
    if form is not None:
        tagged = load(model) if inputs is None else carry(load(reference), model)
        print_node_data(tagged, found, output)
    elif as_json:
        print_json(found.to_json())
    else:
        print_verification(found, everything)
    ctx.exit(FOUND if found.first is not None else 0)


def _against_torch(reference: str, model: str, settings: Mapping[str, Any]) -> Verification:
    tagged = load(model)
    step("loading", what=reference)
    given = export_arguments(reference)
    args, kwargs = given.get("args", ()), given.get("kwargs")
    with quiet_torch():
        return htp_verify(given["model"], args, tagged, kwargs, **settings)


def print_verification(found: Verification, everything: bool) -> None:
    """Print a verification."""
    told = [row for row in found.rows if row.diverges]
    rows = found.rows if everything else told[:SHOWN]
    if rows:
        names = ("max abs", "max rel", "cosine", "SQNR", "own error")
        columns = [Column("module"), Column("class"), *(Column(n, right=True) for n in names)]
        print_table([*columns, Column("")], [_cells(row) for row in rows])
        say()
    if found.first is None:
        say(f"No error arises in any of {len(found.rows)} module calls.", style="bold")
    else:
        say(f"An error first arises in {name_of(found.first)}:", style="bold")
        say(f"  {found.reason}.")
    hidden = len(told) - SHOWN
    if hidden > 0 and not everything:
        say(f"{hidden} more calls diverge; --all shows every call.")
    _show_not_judged(found, everything)
    for each in found.remarks:
        remark(f"Remark: {each}.")


def _show_not_judged(found: Verification, everything: bool) -> None:
    if not found.not_judged:
        return
    say(f"{len(found.not_judged)} calls could not be judged:")
    if everything:
        for each in found.not_judged:
            say(f"  {name_of(each.call)}: {each.reason}")
        return
    reasons: List[str] = [each.reason for each in found.not_judged]
    for reason in dict.fromkeys(reasons):
        say(f"  {reasons.count(reason)} of them: {reason}")


def _cells(row: VerificationRow) -> List[Sequence[Piece]]:
    own = "" if row.own_error is None else f"{row.own_error:.2g}"
    where: Piece = ("arises here", "red") if row.arises else "passes through"
    name = name_of(row.call) + "".join(f" + {name_of(call)}" for call in row.group)
    return [
        [name],
        [row.call.class_name],
        [f"{row.max_abs:.2g}"],
        [f"{row.max_rel:.2g}"],
        [f"{row.cosine:.6f}"],
        [f"{row.sqnr:.0f} dB"],
        [own],
        [where if row.diverges else ""],
    ]
