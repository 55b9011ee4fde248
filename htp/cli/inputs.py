"""Where commands that run a file take its inputs from."""

import re
from typing import Any, Dict, List, Optional, Sequence, Tuple, Union

import click

from htp.cli.terminal import remark
from htp.running.made_up import made_up
from htp.tagged import TaggedModel

__all__ = ["INPUTS", "SHAPE", "lengths_of", "samples"]

INPUTS = click.option(
    "--inputs",
    metavar="PATH",
    help="Samples: an .npz file, or a folder of .npz, NAME.npy or test_data_set_N/input_K.pb.",
)
SHAPE = click.option(
    *("--shape", "shapes"),
    metavar="AXIS=N",
    multiple=True,
    help="How long a dynamic axis is, as in batch=1; or an input, tokens=1x128.",
)


def samples(tagged: TaggedModel, inputs: Optional[str], shapes: Sequence[str]) -> Any:
    """What a command was told to run a file with; made up where it was told nothing.

    Raises:
        UsageError: both are said, or a shape cannot be read.
        HTPError: the length of an axis is not known.
    """
    if inputs is not None:
        if shapes:
            raise click.UsageError("Say either --inputs or --shape.")
        return inputs
    found = made_up(tagged.model, lengths_of(shapes))
    remark("Remark: no --inputs: random numbers stand for them, and may tell of other modules.")
    return [found]


def lengths_of(shapes: Sequence[str]) -> Dict[str, Union[int, List[int]]]:
    """The lengths that ``--shape`` says."""
    return dict(map(_shape, shapes))


def _shape(text: str) -> Tuple[str, Union[int, List[int]]]:
    """``batch=1`` or ``tokens=1x128``; the name may hold ``=`` itself."""
    name, found, value = text.rpartition("=")
    if not found or not re.fullmatch("[0-9]{1,18}(x[0-9]{1,18})*", value):
        raise click.UsageError(f"--shape is AXIS=N or INPUT=NxNx...; found {text!r}.")
    lengths = [int(each) for each in value.split("x")]
    return name, lengths if len(lengths) > 1 else lengths[0]
