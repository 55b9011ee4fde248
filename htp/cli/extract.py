"""``htp extract``: a model of one module call, of several modules, or two halves of the whole."""

import os
from typing import Optional, Sequence, Tuple

import click

from htp.cli.options import AS_JSON, MODEL
from htp.cli.terminal import print_json, remark, say, size_of
from htp.file.store import Destination
from htp.tagged import TaggedModel, load

__all__ = ["extract"]


@click.command(short_help="Cut a module out into a model of its own.")
@MODEL
@click.argument("paths", metavar="[PATH]...", nargs=-1)
@click.option(
    *("-o", "--output", "outputs"),
    metavar="FILE",
    multiple=True,
    help="The .onnx file to write; with --split-at say it twice.",
)
@click.option("--call", type=click.IntRange(min=0), default=0, metavar="N", help="Which call.")
@click.option("--from", "first", metavar="PATH", help="The first module of a range.")
@click.option("--to", "last", metavar="PATH", help="The last module of it.")
@click.option(
    "--without",
    metavar="PATTERN",
    multiple=True,
    help="All but these modules and what needs them; may be said several times.",
)
@click.option("--split-at", "at", metavar="PATH", help="Two halves; the second begins with it.")
@AS_JSON
def extract(
    model: str,
    paths: Tuple[str, ...],
    outputs: Tuple[str, ...],
    call: int,
    first: Optional[str],
    last: Optional[str],
    without: Tuple[str, ...],
    at: Optional[str],
    as_json: bool,
) -> None:
    r"""Cut a module call out into a model of its own, with its weights and tags.

    PATH is a module path; 'block@1' is the second call of 'block'. What the part takes and gives
    that is not the module's own is told on standard error. A module that was folded away, or whose
    work is done together with others', is refused. With several paths, a range or --without, the
    part takes and gives whatever goes in and out. Weights in data files are copied beside it.

    \b
    Examples:
      htp extract model.onnx encoder.layer.0.attention -o attention.onnx
      htp extract model.onnx --from encoder.layer.3 --to encoder.layer.5 -o middle.onnx
      htp extract model.onnx --without classifier -o features.onnx
      htp extract model.onnx --split-at encoder.layer.6 -o first.onnx -o second.onnx
    """
    _check(paths, (first, last), without, at)
    _check_outputs(model, outputs, 1 if at is None else 2)
    whole = load(model)
    if at is not None:
        parts: Sequence[TaggedModel] = whole.split(at, call)
    else:
        parts = [whole.extract(*paths, call=call, first=first, last=last, without=without)]
    for part, output in zip(parts, outputs):
        part.save(output)
    _tell(parts, outputs, as_json)


def _check(
    paths: Sequence[str],
    ends: Tuple[Optional[str], Optional[str]],
    without: Sequence[str],
    at: Optional[str],
) -> None:
    """Look whether what was said fits together."""
    ways = [bool(paths or without), any(end is not None for end in ends), at is not None]
    if sum(ways) != 1:
        raise click.UsageError("Say a PATH or --without, or --from and --to, or --split-at.")
    if ways[1] and None in ends:
        raise click.UsageError("A range has two ends: --from and --to.")


def _check_outputs(model: str, outputs: Sequence[str], wanted: int) -> None:
    """Look whether the parts can be written there, before anything is read."""
    if len(outputs) != wanted:
        files = "two files: -o FIRST -o SECOND" if wanted > 1 else "one file: -o FILE"
        raise click.UsageError(f"Say where to write it, {files}.")
    places = {os.path.realpath(each) for each in outputs}
    if len(places) < wanted:
        raise click.UsageError("The two halves cannot go into one file.")
    if os.path.realpath(model) in places:
        raise click.UsageError("A part cannot replace the file that it is cut out of.")
    for each in outputs:
        Destination(each)


def _tell(parts: Sequence[TaggedModel], outputs: Sequence[str], as_json: bool) -> None:
    reports = [part.extraction for part in parts]
    told = [report.to_json() for report in reports if report is not None]
    if as_json:
        print_json(told[0] if len(told) == 1 else {"schema": "htp.extract/1", "parts": told})
        return
    for report, output in zip(reports, outputs):
        assert report is not None
        say(f"Wrote {output} ({size_of(os.path.getsize(output))})", style="bold")
        say(f"{report.nodes} nodes; takes {len(report.inputs)}, gives {len(report.outputs)}.")
        for row in (*report.rows, *report.remarks):
            remark(f"Remark: {row}")
