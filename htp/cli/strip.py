"""``htp strip``: a file without anything that HTP wrote."""

import os
from typing import Optional

import click

from htp.cli.options import AS_JSON, MODEL
from htp.cli.terminal import print_json, say, size_of
from htp.tagged import load

__all__ = ["strip"]


@click.command(short_help="Remove the tags from a file.")
@MODEL
@click.option("-o", "--output", metavar="FILE", help="The .onnx file to write.")
@click.option("--in-place", is_flag=True, help="Overwrite MODEL.onnx.")
@AS_JSON
def strip(model: str, output: Optional[str], in_place: bool, as_json: bool) -> None:
    r"""Remove HTP's tags, which leaves the file that torch's exporter alone writes.

    \b
    Examples:
      htp strip model.onnx -o plain.onnx
      htp strip model.onnx --in-place
    """
    if (output is None) == (not in_place):
        raise click.UsageError("Say either -o FILE or --in-place.")
    target = output or model
    load(model).strip().save(target)
    size = os.path.getsize(target)
    if as_json:
        print_json({"schema": "htp.strip/1", "file": target, "bytes": size})
    else:
        say(f"Wrote {target} ({size_of(size)}) without tags")
