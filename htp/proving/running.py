"""A file as it runs: what onnxruntime makes of it, with its tags, and what the untouched one gives.

Exposing a value stops onnxruntime from fusing it away. So the file is optimised first, saved, and
looked into as it is then:

    model.onnx -> session -> its outputs          (untouched)
               -> saved as it runs -> pieces      (values exposed, nothing optimised any more)
"""

import os
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Callable, Iterator, List, Sequence

from htp.carried import carry
from htp.errors import InvalidModelError
from htp.file import sources
from htp.file.model_file import ModelFile
from htp.proving.circuit import Circuit
from htp.proving.tolerances import is_half
from htp.running.prepared import folders_of
from htp.running.session import Session, Settings, opened
from htp.scope import Tag
from htp.steps import step
from htp.tagged import TaggedModel
from htp.use.places import GRAPH, placed

__all__ = ["AsItRuns", "as_it_runs"]


_LAYOUTS = ("NchwcTransformer",)
"""What keeps values in blocks of channels, under names of its own: the operations are the same.
https://github.com/microsoft/onnxruntime/blob/v1.20.0/onnxruntime/core/optimizer/nchwc_transformer.cc"""

_FREE = "InsertedPrecisionFreeCast_"
"""What a value of 16 bits is called where onnxruntime keeps it in 32, for want of a kernel.
https://github.com/microsoft/onnxruntime/blob/v1.20.0/onnxruntime/core/optimizer/insert_cast_transformer.cc"""


@dataclass
class AsItRuns:
    """A file as it runs.

    Attributes:
        session: of the untouched file.
        circuit: of what onnxruntime makes of it.
        folders: where its data files lie.
        settings: for sessions of its pieces.
        tags: the tag of each node of ``circuit``; carried when they are first asked for. None where
            they cannot be carried.
        half: whether the file works in 16 bits.
        file: that of ``circuit``.
    """

    session: Session
    circuit: Circuit
    folders: Sequence[str]
    settings: Settings
    tags: Callable[[], List[Tag]]
    half: bool
    file: ModelFile

    def name_of(self, name: str) -> str:
        """What a value of the exported file is called here."""
        return name if name in self.circuit or _FREE + name not in self.circuit else _FREE + name


@contextmanager
def as_it_runs(tagged: TaggedModel, settings: Settings) -> Iterator[AsItRuns]:
    """Open a file, and look at what runs; both are gone in the end.

    Args:
        tagged: the file with its tags. If it is owed some, they are carried when they are asked
            for.
        settings: how it is run.

    Raises:
        HTPError: onnxruntime is missing.
        InvalidModelError: it cannot be loaded.
    """
    step("loading the file into onnxruntime")
    file = tagged.loaded
    half = is_half(file.outline)
    bare = replace(settings, level="none", options=None, optimised=None)
    if settings.level == "none":
        session, circuit = opened(file, settings), Circuit(file.proto)
        tags = _tags(lambda: tagged.file)
        yield AsItRuns(session, circuit, folders_of(file), bare, tags, half, file)
        return
    with tempfile.TemporaryDirectory(prefix="htp-") as folder:
        path = os.path.join(folder, "model.onnx")
        session = opened(file, settings)
        opened(file, replace(settings, options=None, optimised=path, without=_LAYOUTS))
        saved = sources.opened(path)[0]
        circuit = Circuit(saved.proto)

        def carried() -> ModelFile:
            return carry(tagged, saved.proto).file

        yield AsItRuns(session, circuit, folders_of(saved), bare, _tags(carried), half, saved)


def _tags(file: Callable[[], ModelFile]) -> Callable[[], List[Tag]]:
    @lru_cache(maxsize=1)
    def tags() -> List[Tag]:
        try:
            return [row.tag for row in placed(file()) if row.place == GRAPH]
        except InvalidModelError:  # too little of it is left
            return []

    return tags
