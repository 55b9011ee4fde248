"""The commands: parse, call, print."""

import os
from typing import Any, Callable, Dict, Optional, Tuple

import click

from htp import registry, torch_release, version
from htp.cli.annotate import annotate
from htp.cli.bisect import bisect
from htp.cli.boundary import boundary
from htp.cli.carry import carry
from htp.cli.commands import Commands
from htp.cli.completion import completion
from htp.cli.cost import COST, SORT, show_cost
from htp.cli.demo import demo
from htp.cli.diff import diff
from htp.cli.doctor import examine, print_report
from htp.cli.extract import extract
from htp.cli.functions import functions
from htp.cli.inputs import SHAPE
from htp.cli.nodes import nodes
from htp.cli.options import AS_JSON, BACKEND, MODEL, NO_ORIGIN, OPSET, ROOT
from htp.cli.profile import profile
from htp.cli.progress import quiet_torch
from htp.cli.report import report
from htp.cli.run import run_command
from htp.cli.select import select
from htp.cli.sensitivity import sensitivity
from htp.cli.source import export_arguments
from htp.cli.strip import strip
from htp.cli.terminal import print_json, say, size_of
from htp.cli.tree import as_json as tree_json
from htp.cli.tree import coverage_json, coverage_pieces, print_tree, rows
from htp.cli.verify import verify
from htp.export import export as htp_export
from htp.exported import Wishes
from htp.file.store import Destination
from htp.graph.rooted import checked_root
from htp.sidecar import name_of
from htp.steps import step
from htp.tagged import TaggedModel, load

__all__ = ["app"]


def _print_version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        torch = f"torch {torch_release.TORCH}" if torch_release.TORCH else "no torch"
        name = registry.default_name()
        backend = f"backend {name}" if name else "no backend"
        say(f"htp {version.VERSION} ({torch}, {backend})")
        ctx.exit()


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Start with: htp demo",
)
@click.option("--traceback", is_flag=True, help="Show Python's traceback when something fails.")
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Show the versions of HTP and torch.",
)
def app(traceback: bool) -> None:
    """Hierarchy Tracing and Propagation: which module call each ONNX node came from.

    Exports PyTorch models to ONNX with every node tagged, on every torch since 1.8, and reads the
    tags back.
    """


@app.command()
@click.argument("target", metavar="MODULE:FUNCTION")
@click.option("-o", "--output", required=True, metavar="FILE", help="The .onnx file to write.")
@BACKEND
@OPSET
@ROOT
@NO_ORIGIN
@click.option("--sidecar", is_flag=True, help="Leave the file untagged; write tags beside it.")
@AS_JSON
def export(
    target: str,
    output: str,
    backend: Optional[str],
    opset: Optional[int],
    root: str,
    no_origin: bool,
    sidecar: bool,
    as_json: bool,
) -> None:
    r"""Export a model to a tagged ONNX file.

    FUNCTION takes no argument and returns (model, args), (model, args, kwargs), or a dict of
    htp.export's arguments ('model', 'args', 'dynamic_shapes', ...). MODULE is a dotted name, looked
    for in the current directory too, or the path of a .py file.

    \b
    Examples:
      htp export my_package.models:tiny -o tiny.onnx
      htp export scripts/net.py:example -o net.onnx --backend torchscript --opset 17
    """
    _check_first(output, backend)
    checked_root(root)
    step("loading", what=target)
    arguments = export_arguments(target)
    arguments.update({"root": root} if root else {})
    arguments.update({"origin": False} if no_origin else {})
    arguments.update({"embed": False} if sidecar else {})
    tagged = _export(arguments, output, backend, opset)
    beside = name_of(output) if sidecar else None
    if as_json:
        print_json(_summary(tagged, output, beside))
    else:
        _print_summary(tagged, output, beside)


def _check_first(output: Optional[str], backend: Optional[str]) -> None:
    """Tell of a path or backend that cannot be before a model is built, which may take minutes."""
    registry.chosen(backend)
    Destination(output)


def _export(
    arguments: Dict[str, Any], output: Optional[str], backend: Optional[str], opset: Optional[int]
) -> TaggedModel:
    if backend:
        arguments["backend"] = backend
    if opset is not None:
        arguments["opset_version"] = opset
    # torch prints its own progress on standard output, where the summary goes.
    if "verbose" not in (arguments.get("exporter_options") or {}):
        arguments.setdefault("verbose", False)
    model, args = arguments.pop("model"), arguments.pop("args", ())
    with quiet_torch():
        return htp_export(model, args, output, **arguments)


def _summary(tagged: TaggedModel, output: str, beside: Optional[str]) -> Dict[str, Any]:
    made = {"backend": tagged.backend, "torch": tagged.torch}
    coverage = coverage_json(tagged.coverage)
    told = {"file": output, "bytes": os.path.getsize(output), "sidecar": beside}
    return {"schema": "htp.export/1", **told, **made, "coverage": coverage}


def _print_summary(tagged: TaggedModel, output: str, beside: Optional[str]) -> None:
    say(f"Wrote {output} ({size_of(os.path.getsize(output))})", style="bold")
    say(*coverage_pieces(tagged.coverage))
    say(f"Exported with backend {tagged.backend}, torch {tagged.torch}.", style="dim")
    if beside is not None:
        say(f"Its tags are in {beside}; the model itself is as torch writes it.")


@app.command(
    short_help="Run a command with every export in it tagged.",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@BACKEND
@ROOT
@click.option("--children", is_flag=True, help="Follow the Python processes that it starts, too.")
@NO_ORIGIN
@click.argument("command", metavar="-- COMMAND ...", nargs=-1, type=click.UNPROCESSED)
@click.pass_obj
def run(
    streams_as_found: Callable[[], None],
    backend: Optional[str],
    root: str,
    children: bool,
    no_origin: bool,
    command: Tuple[str, ...],
) -> None:
    r"""Run a command, and tag whatever it exports to ONNX.

    COMMAND is a console script of this Python, the file of a script, or -m and a module, with its
    arguments. It runs in this process as it would by itself. In the end each export is listed on
    standard error; the exit status is the command's.

    \b
    Examples:
      htp run -- optimum-cli export onnx --model bert-base-uncased bert/
      htp run --children -- -m my_package.export model.onnx
    """
    if not command:
        raise click.UsageError("Say which command: htp run -- COMMAND ...")
    streams_as_found()
    run_command(command, Wishes(backend, not no_origin, root), children)


@app.command(short_help="Show the module tree with node counts.")
@MODEL
@click.option("--depth", type=click.IntRange(min=0), metavar="N", help="Levels below the root.")
@click.option("--calls", is_flag=True, help="One line per call of a module, not one for all.")
@COST
@SORT
@SHAPE
@AS_JSON
def tree(
    model: str,
    depth: Optional[int],
    calls: bool,
    with_cost: bool,
    sort: Optional[str],
    shapes: Tuple[str, ...],
    as_json: bool,
) -> None:
    r"""Show the module tree with node counts and how their owners are known.

    OWN counts the nodes of exactly this module, TOTAL also those of everything below it. A node
    that stands for several modules is in the totals of one; SHARED counts it at the others.

    With --cost it shows instead what each module costs with all below it: parameters and bytes of
    its weights, multiply-accumulates of its matrix products and convolutions, and activations, the
    elements of the values that it computes.

    \b
    Examples:
      htp tree model.onnx --depth 3
      htp tree model.onnx --cost --shape batch=1 --sort macs
    """
    if with_cost or sort or shapes:
        show_cost(load(model), depth, calls, sort, shapes, as_json)
    else:
        _print_tree(load(model), depth, calls, as_json)


def _print_tree(tagged: TaggedModel, depth: Optional[int], calls: bool, as_json: bool) -> None:
    root = tagged.tree()
    lines = rows(root, apart=calls, depth=depth)
    if as_json:
        print_json(tree_json(tagged, lines, root.unknown, calls))
    else:
        print_tree(tagged, lines, root.unknown)


@app.command(short_help="Check torch, its companions and the backends.")
@AS_JSON
@click.pass_context
def doctor(ctx: click.Context, as_json: bool) -> None:
    r"""Check torch, its companions and the backends.

    The exit status is 1 where the chosen backend cannot run, or where a combination of versions is
    installed that is known to break exports.

    \b
    Examples:
      htp doctor
      htp doctor --json
    """
    step("looking at torch")
    report = examine()
    if as_json:
        print_json(report.as_json())
    else:
        print_report(report)
    ctx.exit(0 if report.ok else 1)


for _command in (
    *(annotate, bisect, boundary, carry, completion, demo, diff, extract, functions, nodes),
    *(profile, report, select, sensitivity, strip, verify),
):
    app.add_command(_command)
