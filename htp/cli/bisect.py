"""``htp bisect``: which modules make the results of two files differ."""

from typing import Optional, Tuple

import click

from htp.cli.inputs import INPUTS, SHAPE, samples
from htp.cli.options import AS_JSON
from htp.cli.terminal import print_json, say
from htp.proving.bisect import bisect as htp_bisect
from htp.tagged import load

__all__ = ["bisect"]

FOUND = 1
"""The exit status where the results differ."""


@click.command(short_help="Find the modules that make the results of two files differ.")
@click.argument("reference", metavar="REFERENCE.onnx")
@click.argument("candidate", metavar="CANDIDATE.onnx")
@INPUTS
@SHAPE
@click.option("--atol", type=float, default=1e-4, metavar="X", help="How far a result may be off.")
@click.option("--rtol", type=float, default=1e-3, metavar="X", help="The same, of its size.")
@click.option(
    "--most",
    type=click.IntRange(min=1),
    default=8,
    show_default=True,
    metavar="N",
    help="How many modules are looked for before the error is called diffuse.",
)
@AS_JSON
@click.pass_context
def bisect(
    ctx: click.Context,
    reference: str,
    candidate: str,
    inputs: Optional[str],
    shapes: Tuple[str, ...],
    atol: float,
    rtol: float,
    most: int,
    as_json: bool,
) -> None:
    r"""Find the modules of CANDIDATE that make its results differ, become NaN or infinite.

    Modules of it are replaced by those of REFERENCE, the file that it was made from, until the
    results are right. It takes few runs: about twice the logarithm of the number of modules for
    each that is to blame.

    The exit status is 1 where the results differ.

    \b
    Examples:
      htp bisect model.onnx optimised.onnx --inputs samples/
      htp bisect model.onnx half.onnx --shape batch=1 --rtol 0.01 --json
    """
    tagged = load(reference)
    given = samples(tagged, inputs, shapes)
    found = htp_bisect(tagged, candidate, given, atol=atol, rtol=rtol, most=most)
    if as_json:
        print_json(found.to_json())
    else:
        for line in str(found).split("\n"):
            say(line)
    ctx.exit(FOUND if found.differs else 0)
