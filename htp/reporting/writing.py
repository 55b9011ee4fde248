"""htp.report: a page that shows a tagged model."""

import os
from typing import Any, Iterable, Optional, Sequence, Union

from htp.errors import HTPError
from htp.file.paths import PathLike, text
from htp.file.store import Destination, Writable
from htp.reporting.document import document
from htp.reporting.page import page
from htp.reporting.parts import cut_out
from htp.reporting.results.reading import result_of
from htp.tagged import TaggedModel, load
from htp.use.types import Shapes

__all__ = ["report"]


def report(
    tagged: Any,
    f: Union[PathLike, Writable],
    *,
    results: Iterable[Any] = (),
    shapes: Optional[Shapes] = None,
    name: Optional[str] = None,
    extract: Sequence[str] = (),
    parts: Optional[PathLike] = None,
) -> None:
    """Write a page that shows the modules of a file: one file of HTML that needs no network.

    It has the tree with nodes, parameters, cost and provenance; for each module its values, nodes
    and weights; and what profile, verify, diff, sensitivity, overflow, bisect and carry found of
    it, where that is handed over. How tags were carried onto this file is among it.

    Args:
        tagged: a ``TaggedModel``, or what ``htp.load`` takes.
        f: a path or a binary file object.
        results: what is known of the modules: a ``Profile``, ``Verification``, ``Diff`` and so on,
            what their ``to_json`` gives, or a path to that.
        shapes: the lengths of dynamic axes, as for ``TaggedModel.cost``; without them
            multiply-accumulates may not be known.
        name: what to call the file of the model; by default its own name, where a path was given.
        extract: patterns of modules to cut out, too; the page links them.
        parts: the folder for them.

    Raises:
        HTPError: a result is none that a page shows, or of another model; ``extract`` is without
            ``parts``; an axis or a file that was named is not there.
        UnknownModuleError: a pattern names no module.
        InvalidModelError: the file is damaged.
        CaptureError: it cannot be written.
    """
    if f is None:
        raise HTPError("A report has to go somewhere; f is None.", "name a file: 'report.html'.")
    given = tagged if isinstance(tagged, TaggedModel) else load(tagged)
    if name is None:
        is_path = isinstance(tagged, (str, os.PathLike))
        name = os.path.basename(text(tagged)) if is_path else "model.onnx"
    if bool(extract) != (parts is not None):
        raise HTPError(
            "Parts need patterns of modules and a folder; one of the two is missing.",
            "say both: extract=['encoder.layer.0'], parts='parts'.",
        )
    told = [result_of(each) for each in results]
    if given.carried is not None and all(each.kind != "carry" for each in told):
        told.append(result_of(given.carried))
    with Destination(f) as target:
        cut = () if parts is None else cut_out(given, extract, parts, target.path)
        told_of = document(given, name, told, shapes, cut)
        target.commit([page(told_of, f"{told_of['head']['file']} - HTP").encode("utf-8")])
