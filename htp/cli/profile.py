"""``htp profile``: how long each module takes."""

import json
import os
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

import click

from htp.cli.inputs import INPUTS, SHAPE, lengths_of
from htp.cli.options import AS_JSON, MODEL
from htp.cli.terminal import Column, Piece, is_plain, print_json, print_table, remark, say
from htp.cli.tree import CLASS_WIDTH, MULTIPLY, Row, lines_of, rows
from htp.cli.viewer import FORM, OUTPUT, check_form, print_node_data
from htp.errors import HTPError
from htp.file.paths import checked_target
from htp.file.store import Destination
from htp.profiling import Profile, Times
from htp.profiling import profile as htp_profile
from htp.profiling.options import own
from htp.profiling.table import duration, named_providers, percent, short
from htp.running.session import onnxruntime
from htp.tagged import TaggedModel, load

__all__ = ["profile"]


@click.command(short_help="Show how long each module takes.")
@MODEL
@click.option(
    *("--from", "reports"),
    metavar="FILE",
    multiple=True,
    help="A report of runs elsewhere, in place of runs here; several times if several belong "
    "together.",
)
@INPUTS
@SHAPE
@click.option(
    "--runs",
    type=click.IntRange(1, 10000),
    default=10,
    show_default=True,
    metavar="N",
    help="How many runs are measured.",
)
@click.option(
    "--warmup",
    type=click.IntRange(0, 10000),
    default=1,
    show_default=True,
    metavar="N",
    help="How many runs come before those.",
)
@click.option(
    *("--provider", "providers"),
    metavar="NAME",
    multiple=True,
    help="onnxruntime's execution provider, as CUDA or CUDAExecutionProvider; the first one first.",
)
@click.option("--threads", type=click.IntRange(1, 4096), metavar="N", help="Of each operator.")
@click.option("--placement", is_flag=True, help="Show which provider took which nodes.")
@click.option("--depth", type=click.IntRange(min=0), metavar="N", help="Levels below the root.")
@click.option("--calls", is_flag=True, help="A line per call of a module that is called again.")
@click.option("--sort", is_flag=True, help="The slowest module first, among those side by side.")
@click.option("--kernels", type=click.IntRange(min=1), metavar="N", help="Show the N slowest, too.")
@click.option(
    "--flame",
    metavar="FILE",
    help="Write a flame graph: speedscope's if .json, else collapsed stacks.",
)
@FORM
@OUTPUT
@AS_JSON
def profile(
    model: str,
    reports: Tuple[str, ...],
    inputs: Optional[str],
    shapes: Tuple[str, ...],
    runs: int,
    warmup: int,
    providers: Tuple[str, ...],
    threads: Optional[int],
    placement: bool,
    depth: Optional[int],
    calls: bool,
    sort: bool,
    kernels: Optional[int],
    flame: Optional[str],
    form: Optional[str],
    output: Optional[str],
    as_json: bool,
) -> None:
    r"""Show how long each module takes, by onnxruntime's profile of the model as it really runs.

    With --from the times come from elsewhere: onnxruntime's profile, and the model that it saved as
    it ran it; trtexec's --exportProfile and --exportLayerInfo; OpenVINO's executable graph and
    benchmark_app's counters. MODEL.onnx is the file that the device was given. Without
    --inputs and --from random numbers stand for the inputs.

    \b
    Examples:
      htp profile model.onnx --shape batch=1 --depth 2
      htp profile model.onnx --inputs samples/ --provider CUDA --provider CPU
      htp profile model.onnx --flame model.speedscope.json
      htp profile model.onnx --from times.json --from layers.json
      htp profile model.onnx --format model-explorer -o times.json
    """
    check_form(form, output, as_json)
    target = None if flame is None else checked_target(flame)
    if reports and (inputs or shapes or providers or threads or placement):
        raise click.UsageError("--from tells of runs elsewhere; leave out what is of runs here.")
    tagged = load(model)
    found = htp_profile(
        tagged,
        inputs,
        runs=runs,
        warmup=warmup,
        session_options=_options(threads),
        providers=list(map(_provider, providers)) or None,
        shapes=lengths_of(shapes),
        placement=placement,
        report=list(reports) or None,
    )
    if target is not None:
        _write_flame(found, target)
    if form is not None:
        print_node_data(tagged, found, output)
    elif as_json:
        print_json(_json(found, depth, sort, kernels))
    else:
        _print(tagged, found, depth, calls, sort)
        _print_more(found, depth, kernels)


def _print_more(found: Profile, depth: Optional[int], kernels: Optional[int]) -> None:
    if kernels:
        _print_kernels(found, kernels)
    if found.placement is not None:
        _print_placement(found, depth)
    for each in found.remarks:
        remark(f"Remark: {each}.")


def _options(threads: Optional[int]) -> Any:
    if threads is None:
        return None
    options = own(onnxruntime())
    options.intra_op_num_threads = threads
    return options


def _provider(name: str) -> str:
    return name if name.endswith("ExecutionProvider") else f"{name}ExecutionProvider"


def _write_flame(found: Profile, target: str) -> None:
    is_json = os.path.splitext(target)[1] == ".json"
    text = json.dumps(found.speedscope()) if is_json else found.collapsed()
    with Destination(target) as file:
        file.commit([text.encode("utf-8")])


def _json(
    found: Profile, depth: Optional[int], sort: bool, kernels: Optional[int]
) -> Dict[str, Any]:
    told = found.to_json()
    kept = [row for row in told["rows"] if depth is None or row["depth"] <= depth]
    told["rows"] = sorted(kept, key=lambda row: -row["seconds"]) if sort else kept
    told["kernels"] = told["kernels"][:kernels]
    return told


def _print(
    tagged: TaggedModel, found: Profile, depth: Optional[int], calls: bool, sort: bool
) -> None:
    root = tagged.tree()
    if root.joined:
        raise HTPError(
            "Several models were merged into this file, and the table draws the tree of one.",
            "say --json, which lists the calls of each.",
        )
    top = rows(root, apart=calls, depth=depth)
    times = {id(row): found.of(row.members) for row in _all(top)}
    if sort:
        for row in _all(top):
            row.children.sort(key=lambda each: -times[id(each)].seconds)
    sharing = any(each.shared for each in times.values())
    several = len(found.total.providers) > 1
    names = ["time", "share", "own", *["shared"] * sharing, "kernels"]
    columns = [Column("module"), Column("class", most=CLASS_WIDTH)]
    columns += [Column(name, right=True) for name in names]
    columns += [Column("provider")] * several + [Column("most in", most=24)]
    drawn = [
        _cells(found, guide, row, times[id(row)], sharing, several)
        for guide, row in lines_of(top, is_plain())
    ]
    print_table(columns, drawn)
    say()
    say(found.summary)
    if found.unowned.count:
        share = percent(1 - found.attributed)
        say(f"{share} of the time has no known owner and stands in no line above.", style="red")


def _all(top: Row) -> List[Row]:
    found = [top]
    for row in found:
        found += row.children
    return found


def _cells(
    found: Profile, guide: str, row: Row, times: Times, sharing: bool, several: bool
) -> List[Sequence[Piece]]:
    plain = is_plain()
    name: List[Piece] = [(guide, "dim"), (row.name or "(root)", "" if times.count else "dim")]
    if row.calls > 1:
        name.append((f" {'x' if plain else MULTIPLY}{row.calls}", "magenta"))
    own = found.own(row.members)
    share = times.seconds / found.seconds if found.seconds else 0.0
    cells: List[Sequence[Piece]] = [name, [(row.first.class_name, "dim")]]
    cells.append([duration(times.seconds, plain) if times.count else ""])
    cells.append([(percent(share), _heat(share)) if times.count else ""])
    cells.append([duration(own, plain) if own else ""])
    cells += [[(duration(times.shared, plain) if times.shared else "", "dim")]] * sharing
    cells.append([f"{times.count:g}" if times.count else ""])
    cells += [[named_providers(times.providers)]] * several
    cells.append([(next(iter(times.operators), ""), "dim")])
    return cells


def _heat(share: float) -> str:
    return "bold red" if share >= 0.25 else "yellow" if share >= 0.05 else ""


def _print_kernels(found: Profile, most: int) -> None:
    plain = is_plain()
    say()
    columns = [Column("kernel", most=60), Column("operator"), Column("time", right=True)]
    columns += [Column("share", right=True), Column("module"), Column("exact")]
    drawn: List[List[Sequence[Piece]]] = []
    for each in found.kernels[:most]:
        share = each.kernel.seconds / found.seconds if found.seconds else 0.0
        owner = str(each.tag.owner) or "(root)"
        drawn.append(
            [
                [each.kernel.name],
                [each.kernel.operator],
                [duration(each.kernel.seconds, plain)],
                [percent(share)],
                [owner if each.tag.stack else (f"? {each.reason}", "red")],
                ["yes" if each.exact else ""],
            ]
        )
    print_table(columns, drawn)


def _print_placement(found: Profile, depth: Optional[int]) -> None:
    where = found.placement
    assert where is not None
    say()
    columns = [Column("module"), Column("nodes by provider"), Column("multiply-accumulates")]
    shown = [row for row in where.rows if depth is None or row.depth <= depth]
    print_table(
        columns,
        [[[str(row.call) or "(root)"], [_counts(row.nodes)], [_work(row.macs)]] for row in shown],
    )
    say(f"Nodes after onnxruntime's basic optimisations: {_counts(where.nodes)}")
    if where.unowned:
        say(f"{sum(where.unowned.values())} of them have no known owner.", style="red")
    if where.unknown:
        remark(f"Remark: of {where.unknown} nodes the multiply-accumulates are not known.")


def _counts(nodes: Mapping[str, int]) -> str:
    return ", ".join(f"{short(name)} {count}" for name, count in nodes.items())


def _work(macs: Mapping[str, int]) -> str:
    """The share of each provider in the multiply-accumulates."""
    whole = sum(macs.values())
    known = macs.items() if whole else ()
    return ", ".join(f"{short(name)} {percent(each / whole)}" for name, each in known)
