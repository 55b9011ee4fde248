"""The sidecar: the origin of a model in a file beside it, where the model stays as it is.

Beside ``model.onnx`` it is ``model.htp.json``; ``docs/sidecar.schema.json`` says what it holds: the
very origins that would stand in the model's metadata, and a fingerprint of the model to which it
belongs. With the skeleton of an origin come the tags of all nodes, so nothing else is needed.

What a model says of itself goes first: a sidecar beside a tagged file is not looked at.
"""

import os
from typing import Any, Dict, List, NamedTuple, Sequence, Tuple

from htp.errors import InvalidModelError
from htp.file import keys, paths, wire
from htp.file import origin as origins
from htp.file.data import located, locations
from htp.file.encode import appended
from htp.file.model_file import ModelFile
from htp.file.origin import Origin
from htp.file.records import record_model
from htp.file.store import Destination
from htp.fresh import Fresh, entries_of
from htp.graph.used import aligned
from htp.scope import UNKNOWN, Tag
from htp.skeletons import held

__all__ = ["END", "Sidecar", "encoded", "found", "joined", "name_of", "read"]

SCHEMA = "htp.sidecar/1"
END = ".htp.json"


class Sidecar(NamedTuple):
    """What a sidecar holds.

    Attributes:
        path: where it lies.
        model: the fingerprint of the model that it belongs to.
        origins: the exports that its nodes come from.
        values: what would stand in the model of each, by the origin's fingerprint.
    """

    path: str
    model: str
    origins: Sequence[Origin]
    values: Dict[str, str]


def name_of(model: str) -> str:
    """The name of the sidecar of a model: ``a/model.htp.json`` for ``a/model.onnx``."""
    return os.path.splitext(model)[0] + END


def found(f: Any, file: ModelFile) -> ModelFile:
    """The model with the tags of its sidecar, where it has one and none of its own.

    It is looked for beside the name that was given, and beside the file to which that links.

    Raises:
        InvalidModelError: it belongs to another model, or is damaged.
    """
    if file.origins or not isinstance(f, (str, os.PathLike)):
        return file
    name = paths.text(f)
    places = map(name_of, dict.fromkeys((name, os.path.realpath(name))))
    path = next(filter(os.path.lexists, places), None)
    return file if path is None else joined(file, read(path))


def encoded(tagged: ModelFile, plain: bytes, destination: Destination) -> Dict[str, bytes]:
    """The sidecar of an export, by its name.

    Args:
        tagged: the model with its tags.
        plain: as torch wrote it: what stays untouched.
        destination: where it was written to, with its data files.
    """
    marks = {f"{keys.PREFIX}{each.fingerprint}": each.fingerprint for each in tagged.origins}
    told = {
        marks[prop.key]: keys.loads(prop.value)
        for prop in tagged.outline.metadata_props
        if prop.key in marks
    }
    mark = _fingerprint(ModelFile([plain], folder=destination.scratch))
    content = keys.dumps({"schema": SCHEMA, "model": mark, "origins": told})
    return {name_of(os.path.basename(destination.scratch_path or "")): f"{content}\n".encode()}


def _fingerprint(plain: ModelFile) -> str:
    """What tells a model from others: of its weights samples are read, of the rest all."""
    folders = [each for each in (plain.folder, plain.linked) if each is not None]
    data = filter(None, (located(name, folders) for name in locations(plain.outline)))
    return origins.fingerprint("", wire.join(plain.chunks), list(data))


def read(path: paths.PathLike) -> Sidecar:
    """The content of a sidecar, which costs no more than its size.

    Raises:
        InvalidModelError: there is none, or it is damaged.
    """
    name = paths.text(path)
    try:
        content = keys.loads(paths.read(path).decode())
        schema, model, values = (content.get(key) for key in ("schema", "model", "origins"))
    except (ValueError, AttributeError, RecursionError) as error:
        raise _damaged(name, str(error)) from error
    if schema != SCHEMA:
        raise InvalidModelError(
            f"The sidecar {name!r} is of schema {str(schema)[:80]!r}; this HTP reads {SCHEMA!r}.",
            "install a newer HTP, or export the model again.",
        )
    if not isinstance(model, str) or not isinstance(values, dict) or not values:
        raise _damaged(name, "it names no model, or no origin")
    texts = {mark: keys.dumps(value) for mark, value in values.items()}
    told = origins.read([(f"{keys.PREFIX}{mark}", text) for mark, text in texts.items()])
    if len(told) != len(texts) or not all(each.has_skeleton for each in told):
        raise _damaged(name, "an origin in it does not say what the graph was")
    return Sidecar(name, model, told, texts)


def _damaged(name: str, why: str) -> InvalidModelError:
    return InvalidModelError(
        f"The sidecar {name!r} cannot be read: {why[:200]}.",
        "export the model again, or move the sidecar away to read the model without it.",
    )


def joined(plain: ModelFile, sidecar: Sidecar) -> ModelFile:
    """A model with the tags of its sidecar, in memory: as if they had been written into it.

    Raises:
        InvalidModelError: the sidecar belongs to another model, or is damaged.
    """
    mark = _fingerprint(plain)
    if mark != sidecar.model:
        raise InvalidModelError(
            f"The sidecar {sidecar.path!r} belongs to another model: to one with fingerprint "
            f"{sidecar.model[:40]!r}, and this one has {mark!r}.",
            "if a tool rewrote the model, 'htp carry SIDECAR MODEL -o OUT' carries its tags over; "
            "else move the sidecar away.",
        )
    record = record_model(plain.outline)
    rows, parameters = _told(sidecar.origins)
    written = {name: Fresh(name, value) for name, value in sidecar.values.items()}
    whole = aligned(record, rows) if len(rows) == _count(plain) else None
    if whole is None:
        raise _damaged(sidecar.path, "it tells of another number of nodes")
    file = appended(wire.join(plain.chunks), entries_of(record, whole, written, parameters))
    file.folder, file.linked = plain.folder, plain.linked
    return file


def _count(plain: ModelFile) -> int:
    return sum(1 for _ in plain.seen())


def _told(told: Sequence[Origin]) -> Tuple[List[Tuple[Tag, str]], Dict[str, Tuple[str, ...]]]:
    """The tags of all nodes with the exports that they are of, and what weights were made from."""
    rows: List[Tuple[Tag, str]] = []
    parameters: Dict[str, Tuple[str, ...]] = {}
    for mark, skeleton in held(told).items():
        rows = rows or [(UNKNOWN, mark)] * len(skeleton.tags)
        rows = [
            (tag, mark) if not old.stack and tag.stack else (old, its)
            for (old, its), tag in zip(rows, skeleton.tags)
        ]
        parameters.update(
            (name, weight.parameters)
            for name, weight in skeleton.weights.items()
            if weight.parameters
        )
    return rows, parameters
