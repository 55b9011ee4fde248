"""What OpenVINO writes: its executable graph, and benchmark_app's counters.

``-exec_graph_path`` and ``-report_type average_counters`` (or ``detailed_counters``), the counters
as CSV or, by ``-json_stats``, as JSON::

    <layer name="/fc/MatMul" type="FullyConnected">
        <data originalLayersNames="/fc/MatMul,/fc/Add" execTimeMcs="1227" .../>

    layerName;execStatus;layerType;execType;realTime (ms);cpuTime (ms)
    /fc/MatMul;Status.EXECUTED;FullyConnected;brgemm_avx512_bf16;1.227;1.227

The names are those of nodes, of a graph's outputs those of values, and OpenVINO's own where it made
an operation out of another. What it put in for itself has none.
"""

from typing import Any, Dict, Iterator, List, NamedTuple, NoReturn, Optional, Tuple
from xml.parsers import expat

from htp.profiling.kernels import Kernel, Report, Timed
from htp.profiling.names import called_after
from htp.profiling.reports.document import damaged, number, word
from htp.profiling.subject import Subject

__all__ = ["HEADING", "TOOL", "is_counters", "layers_of", "report", "requests_of"]

TOOL = "OpenVINO"
HEADING = "layerName;execStatus;"
_TOTAL = "Total;;;;"
_TOGETHER = 4
"""Parts of a list at most that are one name: it may hold a comma itself."""
_DEEPEST = 100


class Layer(NamedTuple):
    """A layer of the executable graph.

    Attributes:
        kind: its type.
        originals: the names of the operations for which it stands, as they are listed.
        seconds: how long it took; None where it did not run.
    """

    kind: str
    originals: str
    seconds: Optional[float]


class Counter(NamedTuple):
    """What is counted for a layer in one run."""

    name: str
    kind: str
    seconds: float


Request = List[Counter]


def is_counters(document: Any) -> bool:
    """Whether a JSON document looks like counters."""
    return isinstance(document, dict) and any(_listed(each) for each in document.values())


def _listed(value: Any) -> List[Any]:
    """The lists of nodes in an entry of that document: one, or one for each request."""
    several = value if isinstance(value, list) else [value]
    rows = [each.get("nodes") for each in several if isinstance(each, dict)]
    return [each for each in rows if isinstance(each, list)]


def requests_of(document: Any, name: str) -> List[Request]:
    """The counters in a JSON document."""
    found: List[Request] = []
    for value in document.values():
        for rows in _listed(value):
            if not all(isinstance(row, dict) for row in rows):
                raise damaged(name, "a layer is no object")
            told = [
                (r.get("name"), r.get("status"), r.get("node_type"), r.get("real_time"))
                for r in rows
            ]
            found.append(_request(told, name))
    return found


def requests_in(text: str, name: str) -> List[Request]:
    """The counters in a CSV file. A layer's name may hold a semicolon."""
    found: List[Request] = []
    rows: List[Tuple[Any, ...]] = []
    ended = True
    for line in [*text.splitlines(), HEADING]:
        if line.startswith(HEADING):
            if not ended:
                raise damaged(name, "it ends before the total")
            if rows:
                found.append(_request(rows, name))
            rows, ended = [], False
        elif line.startswith(_TOTAL):
            ended = True
        elif line.strip():
            cells = line.rsplit(";", 5)
            if len(cells) != 6:
                raise damaged(name, f"a line has {len(cells)} cells, and 6 are needed")
            rows.append((cells[0], cells[1], cells[2], cells[4]))
    return found


def _request(rows: List[Tuple[Any, ...]], name: str) -> Request:
    found = []
    for called, status, kind, spent in rows:
        if isinstance(status, str) and status.rpartition(".")[2] == "EXECUTED":
            seconds = number(_parsed(spent), name, "the time of a layer") / 1e3
            found.append(
                Counter(
                    word(called, name, "the name of a layer"),
                    word(kind, name, "the type of a layer"),
                    seconds,
                )
            )
    return found


def _parsed(said: Any) -> Any:
    if isinstance(said, str):
        try:
            return float(said)
        except ValueError:
            return said
    return said


def layers_of(data: bytes, name: str) -> Dict[str, Layer]:
    """The layers of an executable graph, by name.

    Raises:
        HTPError: it is damaged, or declares entities: no such graph does.
    """
    graph = _Graph(name)
    parser = expat.ParserCreate()
    parser.StartElementHandler = graph.start
    parser.EndElementHandler = graph.end
    parser.StartDoctypeDeclHandler = graph.refuse
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise damaged(name, f"it is no XML document ({error})") from error
    if not graph.layers:
        raise damaged(name, "it has no layers")
    return graph.layers


class _Graph:
    """Takes in the elements of an executable graph."""

    def __init__(self, name: str) -> None:
        self.layers: Dict[str, Layer] = {}
        self._name = name
        self._open: List[str] = []
        self._last = ""

    def start(self, tag: str, told: Dict[str, str]) -> None:
        """An element begins."""
        self._open.append(tag)
        if len(self._open) > _DEEPEST:
            raise damaged(self._name, "it is nested too deep")
        if tag == "layer":
            self._last = word(told.get("name", ""), self._name, "the name of a layer")
            self.layers.setdefault(self._last, Layer(told.get("type", ""), "", None))
        elif tag == "data" and self._open[-2:-1] == ["layer"]:
            spent = told.get("execTimeMcs", "")
            seconds = None if spent in {"", "not_executed"} else _micro(spent, self._name)
            kind = self.layers[self._last].kind
            self.layers[self._last] = Layer(kind, told.get("originalLayersNames", ""), seconds)

    def end(self, _: str) -> None:
        """An element ends."""
        self._open.pop()

    def refuse(self, *_: Any) -> NoReturn:
        """A document type begins."""
        raise damaged(self._name, "it declares a document type")


def _micro(said: str, name: str) -> float:
    return number(_parsed(said), name, "the time of a layer") / 1e6


def report(
    layers: Optional[Dict[str, Layer]],
    requests: Optional[List[Request]],
    subject: Subject,
    name: str,
) -> Report:
    """What the executable graph and the counters tell.

    Args:
        layers: of the graph, or None.
        requests: the counters of each run, or None.
        subject: the file that OpenVINO was given.
        name: what to call the report in errors.
    """
    known = layers or {}
    if requests is None:
        timed = [Counter(n, each.kind, each.seconds) for n, each in known.items() if each.seconds]
        if not any(each.seconds is not None for each in known.values()):
            raise damaged(name, "its layers have no times: benchmark_app writes them with -pc")
        requests = [timed]
    sums: Dict[Tuple[str, str], float] = {}
    for request in requests:
        for counter in request:
            place = (counter.name, counter.kind)
            sums[place] = sums.get(place, 0.0) + counter.seconds
    kernels = []
    for (called, kind), seconds in sums.items():
        kernel = Kernel(called, kind, seconds / len(requests), 1.0, TOOL)
        kernels.append(_timed(kernel, known.get(called), subject))
    runs = len(requests) if len(requests) > 1 else 0
    return Report(tuple(kernels), runs, TOOL, tuple(_remarks(layers)))


def _remarks(layers: Optional[Dict[str, Layer]]) -> Iterator[str]:
    if layers is None:
        yield (
            "without the executable graph (benchmark_app -exec_graph_path) only the names of "
            "layers tell what they stand for"
        )


def _timed(kernel: Kernel, layer: Optional[Layer], subject: Subject) -> Timed:
    if layer is None:
        nodes = called_after(subject, kernel.name)
        return Timed(kernel, nodes, False, "" if nodes else "no node has its name")
    if not layer.originals:
        return Timed(kernel, reason="OpenVINO put it in")
    nodes, is_sure = _originals(layer.originals, subject)
    return Timed(kernel, nodes, is_sure, "" if nodes else "no node has a name that it lists")


def _originals(listed: str, subject: Subject) -> Tuple[Tuple[int, ...], bool]:
    """The nodes that are listed, and whether they are all of them.

    What OpenVINO made of a node is called after it, ``/fc/Gemm/WithoutBiases``: nothing new where
    that node is listed, too.
    """
    parts = [each for each in listed.split(",") if each]
    nodes: Dict[int, None] = {}
    guessed: Dict[int, None] = {}
    at, is_sure = 0, True
    while at < len(parts):
        for end in range(min(len(parts), at + _TOGETHER), at, -1):
            found = subject.named(",".join(parts[at:end]))
            if found:
                nodes.update(dict.fromkeys(found))
                break
        else:
            end = at + 1
            found = called_after(subject, parts[at])
            guessed.update(dict.fromkeys(found))
            is_sure = is_sure and bool(found)
        at = end
    is_sure = is_sure and guessed.keys() <= nodes.keys()
    return (*nodes, *(each for each in guessed if each not in nodes)), is_sure
