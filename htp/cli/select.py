"""``htp select``: a list of nodes, values or parameters for another tool."""

from typing import Tuple

import click

from htp.cli.options import AS_JSON, MODEL
from htp.cli.terminal import print_as_it_is, remark
from htp.tagged import load
from htp.use.forms import FORMS

__all__ = ["select"]


@click.command(short_help="Print a list of a module's nodes for another tool.")
@MODEL
@click.argument("patterns", metavar="[PATTERN]...", nargs=-1)
@click.option(
    *("--op-type", "op_types"),
    metavar="TYPE",
    multiple=True,
    help="Only nodes of this operator, e.g. Gemm; may be said several times.",
)
@click.option(
    *("--class", "classes"),
    metavar="CLASS",
    multiple=True,
    help="Only nodes from modules of this class, e.g. LayerNorm; may be said several times.",
)
@click.option(
    *("--without", "--not", "without"),
    metavar="PATTERN",
    multiple=True,
    help="Without these modules; may be said several times.",
)
@click.option(
    *("--format", "form"),
    type=click.Choice(list(FORMS)),
    default="names",
    show_default=True,
    metavar="FORM",
    help=f"Whose list it is to be: {', '.join(FORMS)}.",
)
@AS_JSON
def select(
    model: str,
    patterns: Tuple[str, ...],
    op_types: Tuple[str, ...],
    classes: Tuple[str, ...],
    without: Tuple[str, ...],
    form: str,
    as_json: bool,
) -> None:
    r"""Print the nodes of modules in the form that another tool takes.

    PATTERN is a module path, or one in which * stands for anything. Standard output has the list
    and nothing else; what the tool would ignore without a word is told on standard error.

    \b
    Examples:
      htp select model.onnx 'encoder.layer.0' --format ort-exclude > exclude.json
      htp select model.onnx --class LayerNorm --format trtexec
      htp select model.onnx 'encoder' --without '*.attention' --op-type MatMul
    """
    tagged = load(model)
    chosen = tagged.select(
        *patterns, op_type=op_types or None, type=classes or None, without=without
    )
    text, remarks = chosen.listed("json" if as_json else form)
    if text:
        print_as_it_is(text)
    for each in remarks:
        remark(f"Remark: {each}")
