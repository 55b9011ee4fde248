"""Reports as they are given: which file is what, and which belong together."""

import os
from typing import Any, Dict, List, NamedTuple, Optional

from htp.errors import HTPError
from htp.file.model_file import ModelFile
from htp.file.sources import opened as read_model
from htp.profiling.kernels import Report
from htp.profiling.reports import onnxruntime, openvino, tensorrt
from htp.profiling.reports.document import as_json, as_text, read
from htp.profiling.subject import Subject

__all__ = ["Found", "read_reports"]


class Found(NamedTuple):
    """What the reports are: one of the first two.

    Attributes:
        trace: onnxruntime's events.
        report: the layers of another runtime.
        optimised: the model as onnxruntime saved it, if it is among them.
    """

    trace: Optional[onnxruntime.Trace] = None
    report: Optional[Report] = None
    optimised: Optional[ModelFile] = None


class _Parts(NamedTuple):
    """What was read, by kind, and the names of the files."""

    held: Dict[str, Any]
    names: List[str]


KINDS = (
    "an onnxruntime profile (.json), with the model that it saved (.onnx); trtexec's "
    "--exportProfile and --exportLayerInfo (.json); OpenVINO's executable graph (.xml) and "
    "benchmark_app's counters (.csv, .json)"
)


def read_reports(given: Any, subject: Subject) -> Found:
    """Read the reports.

    Args:
        given: a path, or several.
        subject: the file that the runtime was given.

    Raises:
        HTPError: one cannot be read, is damaged, or is no report; or they do not belong together.
    """
    paths = [given] if isinstance(given, (str, os.PathLike)) else list(given)
    if not paths:
        raise HTPError("No report is given.", f"name one: {KINDS}.")
    parts = _Parts({}, [os.fspath(path) for path in paths])
    for path in paths:
        kind, content = _read(path)
        if kind in parts.held:
            raise HTPError(
                f"Two of the reports are {kind}: {os.fspath(path)!r} is the second.",
                "give the reports of one run.",
            )
        parts.held[kind] = content
    return _together(parts, subject)


EVENTS, SAVED = "onnxruntime profiles", "models"
TIMES, LAYERS = "trtexec profiles", "trtexec layer information"
GRAPH, COUNTERS = "OpenVINO graphs", "OpenVINO counters"


def _read(path: Any) -> Any:
    name = os.fspath(path)
    if name.endswith(".onnx"):
        return SAVED, read_model(path)[0]
    data = read(path)
    begin = data[:64].lstrip(b"\xef\xbb\xbf \t\r\n")
    if begin.startswith(b"<"):
        return GRAPH, openvino.layers_of(data, name)
    if begin.startswith(openvino.HEADING.encode()):
        return COUNTERS, openvino.requests_in(as_text(data, name), name)
    if not begin.startswith((b"[", b"{")):
        raise HTPError(f"{name!r} is no report that is known.", f"known are {KINDS}.")
    document = as_json(data, name)
    if onnxruntime.is_profile(document):
        return EVENTS, onnxruntime.trace(document, name)
    if tensorrt.is_profile(document):
        return TIMES, document
    if tensorrt.is_layers(document):
        return LAYERS, document
    if openvino.is_counters(document):
        return COUNTERS, openvino.requests_of(document, name)
    raise HTPError(f"{name!r} is no report that is known.", f"known are {KINDS}.")


_TOGETHER = (
    ({EVENTS}, {SAVED}),
    ({TIMES}, {LAYERS}),
    ({GRAPH}, {COUNTERS}),
    ({COUNTERS}, {GRAPH}),
)
"""What is needed, and what may come with it."""


def _together(parts: _Parts, subject: Subject) -> Found:
    held, name = parts.held, parts.names[0]
    if not any(needed <= held.keys() <= needed | more for needed, more in _TOGETHER):
        hint = "the layer information alone has no times: give --exportProfile's file, too."
        raise HTPError(
            f"These do not belong together, or are not enough: {', '.join(held)}.",
            hint if set(held) == {LAYERS} else f"give one of {KINDS}.",
        )
    if EVENTS in held:
        return Found(trace=held[EVENTS], optimised=held.get(SAVED))
    if TIMES in held:
        told = tensorrt.report(held[TIMES], held.get(LAYERS), subject, name)
    else:
        told = openvino.report(held.get(GRAPH), held.get(COUNTERS), subject, name)
    return Found(report=told)
