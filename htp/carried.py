"""htp.carry: the tags of one file on what a tool made of it."""

import os
from typing import Any, Dict

from htp import rewritten as rewriting
from htp import sidecar
from htp.file import sources
from htp.file.model_file import ModelFile
from htp.skeletons import source_of_skeletons
from htp.tagged import TaggedModel, load

__all__ = ["carry", "file_of", "renamed"]


def carry(tagged: Any, rewritten: Any) -> TaggedModel:
    """Carry the tags of a file onto what a tool made of it.

    Every node of the rewritten graph gets its owner: an operation that is still there its own, one
    that stands for several their common ancestor, one that was put in that of the value which it
    works on. ``Tag.evidence`` says how it was found. What cannot be known is ``unknown``.

    Args:
        tagged: a ``TaggedModel``, whatever ``htp.load`` takes, or the path of a sidecar.
        rewritten: the file that a tool made of it: a path, an open binary file, bytes, an
            ``onnx.ModelProto``, an ``onnx_ir.Model`` or a ``TaggedModel``.

    Returns:
        The rewritten model with tags. What was given is left as it is.

    Raises:
        InvalidModelError: one cannot be read, or the second was not made from the first.
    """
    file = file_of(rewritten)
    made, report = rewriting.carried(_source(tagged, file), file)
    return TaggedModel(made, report=report)


def _source(tagged: Any, file: ModelFile) -> rewriting.Source:
    """What tags are carried from: a tagged model, or what a sidecar says of one."""
    if isinstance(tagged, (str, os.PathLike)) and os.fspath(tagged).endswith(sidecar.END):
        return source_of_skeletons(sidecar.read(tagged).origins, file)
    source = tagged if isinstance(tagged, TaggedModel) else load(tagged)
    return rewriting.source_of(source.file)


def renamed(tagged: TaggedModel, rewritten: Any) -> Dict[str, str]:
    """For each value of a tagged file that is still in a rewritten one, its name there.

    Args:
        tagged: the tagged file.
        rewritten: as in ``carry``.

    Raises:
        InvalidModelError: as in ``carry``.
    """
    return rewriting.renamed(rewriting.source_of(tagged.file), file_of(rewritten))


def file_of(f: Any) -> ModelFile:
    """A file as it stands, whatever tags it has or is owed."""
    return f.loaded if isinstance(f, TaggedModel) else sources.opened(f)[0]
