"""``htp sensitivity``: what each module of a quantised file costs, and which to leave in float."""

import math
from typing import Any, Optional, Tuple, Union

import click

from htp.cli.inputs import INPUTS, SHAPE, samples
from htp.cli.options import AS_JSON
from htp.cli.terminal import print_as_it_is, print_json, remark, say
from htp.proving.overflow import Overflow
from htp.proving.overflow import overflow as htp_overflow
from htp.proving.ranking import Sensitivity
from htp.proving.sensitivity import TARGET
from htp.proving.sensitivity import sensitivity as htp_sensitivity
from htp.tagged import TaggedModel, load
from htp.use.forms import FORMS

__all__ = ["sensitivity"]

FOUND = 1
"""The exit status where modules leave the range of float16, or no list reaches the target."""


@click.command(short_help="Rank modules by what quantising costs; list which to leave.")
@click.argument("reference", metavar="REFERENCE.onnx")
@click.argument("candidate", metavar="[CANDIDATE.onnx]", required=False)
@INPUTS
@SHAPE
@click.option(
    "--target",
    type=click.FloatRange(0, 1, min_open=True),
    default=TARGET,
    show_default=True,
    metavar="SHARE",
    help="The share of the noise that the list is to take away.",
)
@click.option(
    "--overflow",
    type=float,
    metavar="LIMIT",
    help="Without CANDIDATE: list modules whose numbers reach this; float16 ends at 65504.",
)
@click.option(
    *("--format", "form"),
    type=click.Choice(list(FORMS)),
    metavar="FORM",
    help="Print only the list of modules to leave, in this form of 'htp select'.",
)
@AS_JSON
@click.pass_context
def sensitivity(
    ctx: click.Context,
    reference: str,
    candidate: Optional[str],
    inputs: Optional[str],
    shapes: Tuple[str, ...],
    target: float,
    overflow: Optional[float],
    form: Optional[str],
    as_json: bool,
) -> None:
    r"""Rank the modules of CANDIDATE, a quantised or float16 file, by what they cost its results.

    One module at a time is taken from REFERENCE, the file in float that it was made from, and the
    whole is run. In the end stands a short list of modules to leave in float, which was tried
    together. With --format the list alone goes to standard output, and the table to standard error.

    With --overflow and without CANDIDATE it lists the modules whose numbers come near to the
    largest of float16, before anything is converted.

    The exit status is 1 where no list reaches the target, or modules reach the limit.

    \b
    Examples:
      htp sensitivity model.onnx int8.onnx --inputs samples/
      htp sensitivity model.onnx int8.onnx --inputs samples/ --format ort-exclude > names.json
      htp sensitivity model.onnx --overflow 50000 --inputs samples/ --format names
    """
    if (candidate is None) == (overflow is None):
        raise click.UsageError("Say either CANDIDATE.onnx or --overflow LIMIT.")
    tagged = load(reference)
    given = samples(tagged, inputs, shapes)
    found = _found(tagged, candidate, given, target, overflow)
    if as_json:
        print_json(found.to_json())
    elif form is not None:
        _list(found, form)
    else:
        for line in str(found).split("\n"):
            say(line)
    ctx.exit(FOUND if _is_found(found) else 0)


def _found(
    tagged: TaggedModel,
    candidate: Optional[str],
    given: Any,
    target: float,
    limit: Optional[float],
) -> Union[Sensitivity, Overflow]:
    if limit is not None:
        return htp_overflow(tagged, given, limit)
    return htp_sensitivity(tagged, candidate, given, target=target)


def _list(found: Union[Sensitivity, Overflow], form: str) -> None:
    """The list on standard output, and all else on standard error."""
    remark(str(found))
    if not found.keep:
        remark("There is no module to leave: the list is empty.")
        return
    text, remarks = found.listed(form)
    print_as_it_is(text)
    for each in remarks:
        remark(f"Remark: {each}")


def _is_found(found: Union[Sensitivity, Overflow]) -> bool:
    if isinstance(found, Overflow):
        return bool(found.keep)
    lost_nothing = found.before == math.inf
    return not found.reached and not lost_nothing
