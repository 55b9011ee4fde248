"""``htp demo``: a small transformer is exported, its tree printed, and a report of it written."""

import os
import tempfile
from typing import Optional

import click

from htp import registry
from htp.cli.options import BACKEND
from htp.cli.progress import quiet_torch
from htp.cli.source import export_arguments
from htp.cli.terminal import print_as_it_is, remark, say
from htp.cli.tree import print_tree, rows
from htp.errors import HTPError
from htp.export import export
from htp.file.store import Destination
from htp.reporting import report
from htp.steps import step
from htp.tagged import TaggedModel

__all__ = ["demo"]

SAMPLE = "htp.cli.demo_model:example"

SHAPE = {"tokens": (1, 16)}
"""Of the model's input, for what a run of it costs."""


@click.command()
@click.option("-o", "--output", metavar="FILE", help="Keep the .onnx file here.")
@BACKEND
def demo(output: Optional[str], backend: Optional[str]) -> None:
    r"""Export a small transformer, show its tree, and write a report.

    The last line is the path of the report, which any browser opens: beside FILE, or in a new
    folder among the temporary ones.

    \b
    Examples:
      htp demo
      htp demo -o demo.onnx
    """
    registry.chosen(backend)
    Destination(output)
    target = output or os.path.join(tempfile.mkdtemp(prefix="htp-demo-"), "model.onnx")
    try:
        step("loading a small transformer")
        tagged = _exported(target, backend)
    except BaseException:
        if not output:  # a failed export leaves nothing
            os.rmdir(os.path.dirname(target))
        raise
    root = tagged.tree()
    print_tree(tagged, rows(root), root.unknown)
    if output:
        say(f"Wrote {output}; try: htp nodes {output} 'encoder.layer.0.*'")
        _write_report(tagged, target, f"{os.path.splitext(output)[0]}.report.html")
    else:
        _write_report(tagged, target, os.path.join(os.path.dirname(target), "report.html"))


def _exported(target: str, backend: Optional[str]) -> TaggedModel:
    arguments = export_arguments(SAMPLE)
    model, args = arguments.pop("model"), arguments.pop("args")
    with quiet_torch():  # torch prints its own progress where the tree goes
        return export(model, args, target, backend=backend, verbose=False, **arguments)


def _write_report(tagged: TaggedModel, target: str, path: str) -> None:
    """Write it and say where; the model is there, whatever becomes of its report."""
    try:
        report(tagged, path, name=os.path.basename(target), shapes=SHAPE)
    except HTPError as error:
        remark(f"There is no report of it: {error}")
    else:
        print_as_it_is(path)
