"""The commands: parse, call, print."""

import json
import os
from typing import Any, Callable, Dict, Optional, Tuple

import click

from htp import registry, torch_release, version
from htp.cli.doctor import examine, print_report
from htp.cli.run import run_command
from htp.cli.source import export_arguments
from htp.cli.terminal import Commands, console, quiet_torch, working
from htp.cli.tree import as_json as tree_json
from htp.cli.tree import coverage_text, print_tree, rows
from htp.export import export as htp_export
from htp.file.store import Destination
from htp.tagged import TaggedModel, load

__all__ = ["app"]

MODEL = click.argument("model", metavar="MODEL.onnx")
BACKEND = click.option("--backend", metavar="NAME", help="Capture backend; see 'htp doctor'.")
OPSET = click.option("--opset", type=int, metavar="N", help="ONNX opset; default: torch's own.")
AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def _print_version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        torch = f"torch {torch_release.TORCH}" if torch_release.TORCH else "no torch"
        name = registry.default_name()
        backend = f"backend {name}" if name else "no backend"
        click.echo(f"htp {version.VERSION} ({torch}, {backend})")
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
def export(target: str, output: str, backend: Optional[str], opset: Optional[int]) -> None:
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
    with working(f"Loading {target}") as progress:
        arguments = export_arguments(target)
        progress(f"Exporting {target}")
        tagged = _export(arguments, output, backend, opset)
    _print_summary(tagged, output)


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
    options = {"verbose": False, **(arguments.pop("exporter_options", None) or {})}
    model, args = arguments.pop("model"), arguments.pop("args", ())
    with quiet_torch():
        return htp_export(model, args, output, exporter_options=options, **arguments)


def _print_summary(tagged: TaggedModel, output: str) -> None:
    out = console()
    out.print(f"Wrote {output} ({_size(os.path.getsize(output))})", style="bold")
    out.print(coverage_text(tagged.coverage))
    out.print(f"Exported with backend {tagged.backend}, torch {tagged.torch}.", style="dim")


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} GB"


@app.command(
    short_help="Run a command with every export in it tagged.",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@BACKEND
@click.option("--children", is_flag=True, help="Follow the Python processes that it starts, too.")
@click.argument("command", metavar="-- COMMAND ...", nargs=-1, type=click.UNPROCESSED)
@click.pass_obj
def run(
    streams_as_found: Callable[[], None],
    backend: Optional[str],
    children: bool,
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
    run_command(command, backend, children)


@app.command(short_help="Show the module tree with node counts.")
@MODEL
@click.option("--depth", type=click.IntRange(min=0), metavar="N", help="Levels below the root.")
@click.option("--calls", is_flag=True, help="One line per call of a module, not one for all.")
@AS_JSON
def tree(model: str, depth: Optional[int], calls: bool, as_json: bool) -> None:
    """Show the module tree with node counts and how their owners are known.

    OWN counts the nodes of exactly this module, TOTAL also those of everything below it.
    """
    _print_tree(load(model), depth, calls, as_json)


def _print_tree(tagged: TaggedModel, depth: Optional[int], calls: bool, as_json: bool) -> None:
    root = tagged.tree()
    lines = rows(root, apart=calls, depth=depth)
    if as_json:
        click.echo(json.dumps(tree_json(tagged, lines, root.unknown, calls), indent=2))
    else:
        print_tree(console(), tagged, lines, root.unknown)


@app.command(short_help="Print the names of a module's nodes.")
@MODEL
@click.argument("pattern", metavar="[PATTERN]", default="*")
@click.option("--op-type", metavar="TYPE", help="Only nodes of this operator, e.g. Gemm.")
@AS_JSON
def nodes(model: str, pattern: str, op_type: Optional[str], as_json: bool) -> None:
    r"""Print the names of the nodes below a module, one a line.

    PATTERN is a module path in which * stands for anything, such as 'encoder.layer.*'; without it,
    every node of a known module is printed. 'block@1' is the second call of 'block'. A node without
    a name is called by the name of its first output.

    \b
    Examples:
      htp nodes model.onnx 'encoder.layer.0.attention'
      htp nodes model.onnx '*.mlp' --op-type MatMul | sort
    """
    found = load(model).find(pattern, op_type=op_type)
    if not as_json:
        for node, _ in found:
            click.echo(_name(node))
        return
    listed = [
        {
            "name": _name(node),
            "op_type": node.op_type,
            "outputs": list(node.output),
            "path": tag.path,
            "type": tag.type,
            "call": tag.call,
            "provenance": str(tag.provenance),
            "stack": [call._asdict() for call in tag.stack],
            "shared": [call._asdict() for call in tag.shared],
            "sharing": tag.sharing and str(tag.sharing),
        }
        for node, tag in found
    ]
    click.echo(json.dumps(listed, indent=2))


def _name(node: Any) -> str:
    return node.name or next((output for output in node.output if output), "")


@app.command(short_help="Remove the tags from a file.")
@MODEL
@click.option("-o", "--output", metavar="FILE", help="The .onnx file to write.")
@click.option("--in-place", is_flag=True, help="Overwrite MODEL.onnx.")
def strip(model: str, output: Optional[str], in_place: bool) -> None:
    """Remove HTP's tags, which leaves the file that torch's exporter alone writes."""
    if (output is None) == (not in_place):
        raise click.UsageError("Say either -o FILE or --in-place.")
    target = output or model
    load(model).strip().save(target)
    console().print(f"Wrote {target} ({_size(os.path.getsize(target))}) without tags")


@app.command(short_help="Check torch, its companions and the backends.")
@AS_JSON
@click.pass_context
def doctor(ctx: click.Context, as_json: bool) -> None:
    """Check torch, its companions and the backends.

    The exit code is 1 when the chosen backend cannot run, or when a combination of versions is
    installed that is known to break exports.
    """
    with working("Looking at torch"):
        report = examine()
    if as_json:
        click.echo(json.dumps(report.as_json(), indent=2))
    else:
        print_report(console(), report)
    ctx.exit(0 if report.ok else 1)


@app.command()
@click.option("-o", "--output", metavar="FILE", help="Keep the .onnx file here.")
@BACKEND
def demo(output: Optional[str], backend: Optional[str]) -> None:
    """Export a small transformer and show its tree."""
    _check_first(output, backend)
    with working("Exporting a small transformer"):
        tagged = _export(export_arguments("htp.cli.demo_model:example"), output, backend, None)
    _print_tree(tagged, None, False, False)
    if output:
        click.echo(f"Wrote {output}; try: htp nodes {output} 'encoder.layer.0.*'")
