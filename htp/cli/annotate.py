"""``htp annotate``: what each source gave, as a table for people and as JSON for programs."""

from typing import Any, Dict, Optional

import click

from htp.annotated import Report, annotate_with_report
from htp.cli.progress import quiet_torch
from htp.cli.source import model_from
from htp.cli.terminal import Column, print_json, print_table, say
from htp.cli.tree import coverage_json
from htp.file.document import text_of
from htp.file.store import Destination
from htp.steps import step

__all__ = ["annotate"]


@click.command(short_help="Tag a file that was exported without HTP.")
@click.argument("model", metavar="MODEL.onnx")
@click.option("-o", "--output", required=True, metavar="FILE", help="The .onnx file to write.")
@click.option(
    "--model",
    "target",
    metavar="MODULE:FUNCTION",
    help="Returns the model that the file was exported from, or what 'htp export' takes.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def annotate(model: str, output: str, target: Optional[str], as_json: bool) -> None:
    r"""Tag a file that was exported without HTP, as far as anything in it tells of modules.

    The table says how many nodes each source gave the owner of: metadata of torch and of other
    tools, names of nodes and weights, the contents of weights, and data flow. All these tags are
    'inferred'; what nothing tells is unknown. With the model, names become exact, and weights are
    known again by what they hold.

    \b
    Examples:
      htp annotate model.onnx -o tagged.onnx
      htp annotate model.onnx -o tagged.onnx --model my_package.models:tiny
    """
    Destination(output)
    known = None
    step("loading torch")
    with quiet_torch():
        if target is not None:
            step("loading", what=target)
            known = model_from(target)
        report = annotate_with_report(model, known)
        report.tagged.save(output)
    if as_json:
        print_json(_as_json(report, output))
    else:
        _print(report, output)


def _print(report: Report, output: str) -> None:
    counts = [(name, count) for name, count in report.sources.items() if count]
    rows = [[[name], [str(count)]] for name, count in (*counts, ("unknown", report.unknown))]
    print_table([Column("source"), Column("nodes", right=True)], rows)
    say()
    say(f"Wrote {output} ({report.tagged.coverage})", style="bold")


def _as_json(report: Report, output: str) -> Dict[str, Any]:
    lost = [node for node, tag in report.tagged.nodes() if not tag.stack]
    outputs = ([text_of(name) for name in node.output] for node in lost)
    return {
        "schema": "htp.annotate/1",
        "file": output,
        "sources": report.sources,
        "coverage": coverage_json(report.tagged.coverage),
        "unknown": [
            {"name": text_of(node.name), "op_type": text_of(node.op_type), "outputs": names}
            for node, names in zip(lost, outputs)
        ],
    }
