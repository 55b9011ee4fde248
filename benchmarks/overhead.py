"""What HTP costs: ``htp.export`` against plain ``torch.onnx.export``.

Every export runs in a process of its own, plain and HTP in turn, so that neither profits from what
the other loaded. A layer alone is exported before, so that what a process loads once is loaded;
that takes the seconds in the columns "first". Measured are then the wall and the processor time of
the export call, with writing the file, and the peak memory of the whole process. Printed is the
median over the pairs of the ratio HTP / plain, with the lowest and the highest behind it.

    nox -s bench
    nox -s bench -- --pairs 9 --model bert --backend fx --json overhead.json
    nox -s bench-torch2.4 -- --model chain300 --model chain1600
    nox -s bench -- --origin --model chain300 --backend torchscript

With ``--origin`` each pair is a trio: plain, HTP, and HTP with ``origin=False``; what the origin
costs is the median of the differences of both ratios with plain.

``chainN`` is a chain of N small blocks: many nodes, hardly a weight. Its export writes no more than
some kilobytes, so that the processor's time is the figure to quote; the wall's says more of what
else the machine did. On torch 1.13 and older plain torch itself takes quadratic time for a chain:
take 50 blocks there.
"""

import argparse
import inspect
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from functools import partial
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

from models import NAMES, maker

Sample = Dict[str, float]
"""One export: ``seconds``, ``cpu_seconds``, ``peak_mib`` of its process, ``file_mib`` written; and
``first_seconds``, of the export of a layer before it."""

Samples = Dict[str, List[Sample]]
"""The samples of each way, in pairs or trios."""

PLAIN, HTP, BARE = "plain", "htp", "no-origin"
"""The ways to export: by torch alone, by HTP, and by HTP with ``origin=False``."""

MODELS = ("bert", "resnet", "chain300")
"""What is measured when nothing else is said."""

RATIOS = {"time": "seconds", "cpu": "cpu_seconds", "memory": "peak_mib"}
"""What is compared, by the heading of its column and its name in a sample."""


def export_once(model_name: str, backend: str, way: str) -> Sample:
    """Export in this process, which should be a fresh one."""
    import torch

    warnings.simplefilter("ignore")
    export = _way(backend, way)
    model, args = maker(model_name)()
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.onnx")
        first, _ = _timed(export, torch.nn.Linear(2, 2).eval(), (torch.ones(1, 2),), path)
        seconds, cpu_seconds = _timed(export, model, args, path)
        written = sum(entry.stat().st_size for entry in os.scandir(folder))
    return {
        "first_seconds": first,
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "peak_mib": _peak_mib(),
        "file_mib": written / 2**20,
    }


def _way(backend: str, way: str) -> Callable[[Any, Any, str], Any]:
    """The export by HTP or by torch alone, from model, inputs and path."""
    import torch

    if way != PLAIN:
        import htp

        options: Dict[str, Any] = {"origin": False} if way == BARE else {}
        return partial(htp.export, backend=backend, **options)
    options = {}
    if "dynamo" in inspect.signature(torch.onnx.export).parameters:
        options["dynamo"] = backend == "fx"
    return partial(torch.onnx.export, **options)


def _timed(export: Callable[[Any, Any, str], Any], *given: Any) -> Tuple[float, float]:
    start, cpu_start = time.perf_counter(), time.process_time()
    export(*given)
    return time.perf_counter() - start, time.process_time() - cpu_start


def _peak_mib() -> float:
    """Highest resident memory of this process so far."""
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def in_fresh_process(model: str, backend: str, way: str) -> Sample:
    """Export in a new Python, whose last line is the sample."""
    command = [sys.executable, os.path.abspath(__file__), "--model", model, "--backend", backend]
    done = subprocess.run([*command, "--once", way], capture_output=True, check=False)
    if done.returncode:
        raise SystemExit(f"{way} export of {model} by {backend} failed:\n{done.stderr.decode()}")
    sample: Sample = json.loads(done.stdout.splitlines()[-1])
    return sample


def measure(model: str, backend: str, pairs: int, ways: Sequence[str]) -> Dict[str, Any]:
    """Samples of plain and of HTP, with the median, lowest and highest of each ratio."""
    samples: Samples = {way: [] for way in ways}
    for number in range(pairs):
        # Who comes first changes, so that a machine that warms up or slows down favours neither.
        for way in ways if number % 2 == 0 else ways[::-1]:
            samples[way].append(in_fresh_process(model, backend, way))
        _progress(f"{model} {backend}: pair {number + 1} of {pairs}")
    ratios = {f"{name}_ratio": _ratio(samples, what) for name, what in RATIOS.items()}
    if BARE in ways:
        costs = {f"{name}_of_origin": _origin(samples, what) for name, what in RATIOS.items()}
        ratios.update(costs)
    return {"model": model, "backend": backend, "pairs": pairs, **ratios, "samples": samples}


def _ratio(samples: Samples, what: str) -> Dict[str, float]:
    pairs = zip(samples[PLAIN], samples[HTP])
    return _figures([tagged[what] / plain[what] for plain, tagged in pairs])


def _origin(samples: Samples, what: str) -> Dict[str, float]:
    trios = zip(samples[PLAIN], samples[HTP], samples[BARE])
    return _figures([(tagged[what] - bare[what]) / plain[what] for plain, tagged, bare in trios])


def _figures(found: Sequence[float]) -> Dict[str, float]:
    return {"median": statistics.median(found), "lowest": min(found), "highest": max(found)}


def _progress(line: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\033[K{line}", end="", file=sys.stderr, flush=True)


def table(results: Sequence[Dict[str, Any]]) -> str:
    """The results as text, a line for each model and backend."""
    form = "{:12}{:12}{:>8}{:>7}{:>9}{:>8}{:>11}{:>9}  {:22}{:22}{}"
    headings = "model", "backend", "first", "first", "plain s", "htp s", "plain MiB", "htp MiB"
    lines = [form.format(*headings, *(f"{name} ratio" for name in RATIOS))]
    for result in results:
        samples = result["samples"]
        figures = [
            *(f"{_median(samples[way], 'first_seconds'):.2f}" for way in (PLAIN, HTP)),
            *(f"{_median(samples[way], 'seconds'):.2f}" for way in (PLAIN, HTP)),
            *(f"{_median(samples[way], 'peak_mib'):.0f}" for way in (PLAIN, HTP)),
            *(_spread(result[f"{name}_ratio"]) for name in RATIOS),
        ]
        lines.append(form.format(result["model"], result["backend"], *figures).rstrip())
        costs = [
            f"{name} {_spread(result[f'{name}_of_origin'])}" for name in RATIOS if BARE in samples
        ]
        if costs:
            lines.append(f"{'':24}of these the origin: {', '.join(costs)}")
    return "\n".join(lines)


def _spread(ratio: Dict[str, float]) -> str:
    return "{median:.3f} ({lowest:.3f}-{highest:.3f})".format(**ratio)


def _median(samples: Sequence[Sample], what: str) -> float:
    return statistics.median(sample[what] for sample in samples)


def main(arguments: Optional[Sequence[str]] = None) -> None:
    """Read the options, measure, and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--pairs", type=int, default=5, help="pairs of exports (default: 5)")
    parser.add_argument(
        "--model", action="append", metavar="NAME", help=f"only this one; of {', '.join(NAMES)}"
    )
    parser.add_argument("--blocks", type=int, help="the same as --model chainN")
    parser.add_argument("--backend", help="only this backend")
    parser.add_argument("--origin", action="store_true", help="measure what the origin costs")
    parser.add_argument("--json", metavar="FILE", help="also write every sample there")
    parser.add_argument("--once", choices=(PLAIN, HTP, BARE), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    chosen = [*(options.model or ()), *([f"chain{options.blocks}"] if options.blocks else ())]
    if options.once:
        print(json.dumps(export_once(chosen[0], options.backend, options.once)))
        return
    try:
        for name in chosen:
            maker(name)
    except ValueError as error:
        parser.error(str(error))
    if options.pairs < 1:
        parser.error("--pairs must be at least 1")
    import htp

    infos = htp.available_backends()
    usable = [info.name for info in infos if info.usable]
    if options.backend and options.backend not in usable:
        parser.error(f"backend {options.backend!r} cannot run here; usable are {usable}")
    ways = (PLAIN, HTP, BARE) if options.origin else (PLAIN, HTP)
    results = [
        measure(model, backend, options.pairs, ways)
        for model in chosen or MODELS
        for backend in ([options.backend] if options.backend else usable)
    ]
    _progress("")
    import torch

    print(f"torch {torch.__version__}, Python {platform.python_version()}, {os.cpu_count()} cores")
    print(table(results))
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(results, file, indent=1)


if __name__ == "__main__":
    main()
