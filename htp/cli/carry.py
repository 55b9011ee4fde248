"""htp carry: the tags of one file on what a tool made of it."""

import os
from typing import List, Optional, Sequence

import click

from htp.carried import carry as htp_carry
from htp.carry_report import CHANGES, CarryReport
from htp.cli.options import AS_JSON
from htp.cli.terminal import Column, Piece, print_json, print_table, remark, say, size_of
from htp.cli.tree import coverage_pieces
from htp.file.store import Destination

__all__ = ["carry"]


@click.command(short_help="Carry tags onto what a tool made of a file.")
@click.argument("tagged", metavar="TAGGED.onnx")
@click.argument("rewritten", metavar="REWRITTEN.onnx")
@click.option("-o", "--output", metavar="FILE", help="The .onnx file to write.")
@click.option("--report", is_flag=True, help="Show what became of each module's operations.")
@click.option("--strict", is_flag=True, help="Exit with 1 if the owner of a node is not found.")
@AS_JSON
@click.pass_context
def carry(
    ctx: click.Context,
    tagged: str,
    rewritten: str,
    output: Optional[str],
    report: bool,
    strict: bool,
    as_json: bool,
) -> None:
    r"""Carry the tags of a file onto what a tool made of it.

    REWRITTEN.onnx is what an optimiser, a quantiser or a converter made of TAGGED.onnx. Every node
    gets the owner of the operations for which it stands, and says how that was found.

    \b
    Examples:
      htp carry model.onnx optimised.onnx -o optimised.tagged.onnx
      htp carry model.onnx quantised.onnx --report
    """
    if output is None and not (report or as_json):
        raise click.UsageError("Say where to write it (-o FILE), or ask for --report or --json.")
    Destination(output)
    made = htp_carry(tagged, rewritten)
    if output is not None:
        made.save(output)
    told = made.carried
    assert told is not None
    if as_json:
        print_json(told.to_json())
    else:
        _print(told, report, output)
    ctx.exit(1 if strict and told.unresolved else 0)


def _print(told: CarryReport, report: bool, output: Optional[str]) -> None:
    if output is not None:
        say(f"Wrote {output} ({size_of(os.path.getsize(output))})", style="bold")
    if report:
        columns = [Column("module"), *(Column(what, right=True) for what in CHANGES)]
        print_table(columns, [_row(str(row.call), row) for row in told.modules])
        say()
    say(*coverage_pieces(told.coverage))
    for line in told.summary()[1:]:
        say(line, style="dim")
    if told.unresolved:
        remark(f"Nothing is known of {_few(told.unresolved)}.")


def _row(name: str, row: object) -> Sequence[Sequence[Piece]]:
    counts = [getattr(row, what) for what in CHANGES]
    cells: List[List[Piece]] = [[name or "(root)"]]
    return [*cells, *([str(count) if count else ""] for count in counts)]


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more
