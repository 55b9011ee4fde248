"""Options of commands whose result a viewer of graphs can show, and what they print then."""

import json
from typing import Optional, Union

import click

from htp.cli.terminal import print_as_it_is, remark, say
from htp.file.paths import checked_target
from htp.profiling import Profile
from htp.proving.verification import Verification
from htp.tagged import TaggedModel
from htp.viewing import node_data

__all__ = ["FORM", "OUTPUT", "check_form", "print_node_data"]

FORM = click.option(
    *("--format", "form"),
    type=click.Choice(["model-explorer"]),
    help="Print node data for this viewer, in place of the table.",
)
OUTPUT = click.option("-o", "--output", metavar="FILE", help="Write the node data there.")


def check_form(form: Optional[str], output: Optional[str], as_json: bool) -> None:
    """Look whether what was said fits together, before anything is run."""
    if form is None and output is not None:
        raise click.UsageError("-o is for node data: say --format model-explorer.")
    if form is not None and as_json:
        raise click.UsageError("Say --json or --format, not both.")
    if output is not None:
        checked_target(output)


def print_node_data(
    tagged: TaggedModel, found: Union[Profile, Verification], output: Optional[str]
) -> None:
    """Write node data to a file, or print it."""
    data = node_data(tagged, found)
    if output is None:
        print_as_it_is(json.dumps(data.to_json(), indent=1))
    else:
        data.save(output)
        say(f"Wrote {output}: node data of {len(data.values)} nodes.", style="bold")
    for each in (*found.remarks, *data.remarks):
        remark(f"Remark: {each}.")
