"""``htp report``: a page that shows the modules of a file."""

import os
from typing import Optional, Tuple

import click

from htp.cli.inputs import SHAPE, lengths_of
from htp.cli.options import MODEL
from htp.cli.terminal import say, size_of
from htp.reporting import report as htp_report
from htp.steps import step

__all__ = ["report"]


@click.command(short_help="Write a page that shows the modules of a file.")
@MODEL
@click.option("-o", "--output", required=True, metavar="FILE", help="The .html file to write.")
@click.option(
    *("--with", "results"),
    metavar="RESULT.json",
    multiple=True,
    help="What profile, verify, diff and others wrote with --json; may be said several times.",
)
@SHAPE
@click.option(
    *("--extract", "patterns"),
    metavar="PATTERN",
    multiple=True,
    help="Cut these modules out, too, into the folder of --parts; may be said several times.",
)
@click.option("--parts", metavar="FOLDER", help="Where the modules go that are cut out.")
def report(
    model: str,
    output: str,
    results: Tuple[str, ...],
    shapes: Tuple[str, ...],
    patterns: Tuple[str, ...],
    parts: Optional[str],
) -> None:
    r"""Write a page that shows the modules of a file, for any browser and without a network.

    It has the tree with nodes, parameters, cost and provenance, search, and for each module its
    values, nodes and weights; and whatever else --with says of the modules. It is one file that can
    be handed on.

    \b
    Examples:
      htp report model.onnx -o report.html --shape batch=1
      htp profile model.onnx --json > profile.json
      htp report model.onnx -o report.html --with profile.json
      htp report model.onnx -o report.html --extract '*.attention' --parts parts
    """
    _check(model, output, results, patterns, parts)
    step("writing the report")
    htp_report(
        model,
        output,
        results=results,
        shapes=lengths_of(shapes),
        extract=patterns,
        parts=parts,
    )
    say(f"Wrote {output} ({size_of(os.path.getsize(output))})", style="bold")


def _check(
    model: str,
    output: str,
    results: Tuple[str, ...],
    patterns: Tuple[str, ...],
    parts: Optional[str],
) -> None:
    """Look whether what was said fits together, before anything is read."""
    if bool(patterns) != (parts is not None):
        raise click.UsageError("--extract PATTERN and --parts FOLDER belong together.")
    given = {os.path.realpath(each) for each in (model, *results)}
    if os.path.realpath(output) in given:
        raise click.UsageError("The report cannot replace a file that it is made from.")
