"""What HTP costs: ``htp.export`` against plain ``torch.onnx.export``.

Every export runs in a process of its own, plain and HTP in turn, so that neither profits from what
the other loaded. Measured are the wall time of the export call, with writing the file, and the peak
memory of the whole process. Printed is the median over the pairs of the ratio HTP / plain; the
ratio of processor time beside it tells whether a busy machine blurred the wall time.

    nox -s bench
    nox -s bench -- --pairs 9 --model bert --backend fx --json overhead.json
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
from typing import Any, Dict, List, Optional, Sequence, Tuple

Sample = Dict[str, float]
"""One export: ``seconds``, ``cpu_seconds``, ``peak_mib`` of its process, ``file_mib`` written."""

MODELS = ("bert", "resnet")


def bert() -> Tuple[Any, Tuple[Any, ...]]:
    """A transformer encoder of BERT-base's size, 108 million random weights, and its input."""
    import torch
    from torch import nn

    width, heads, layers, vocabulary, length = 768, 12, 12, 30522, 128

    class Attention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.query = nn.Linear(width, width)
            self.key = nn.Linear(width, width)
            self.value = nn.Linear(width, width)
            self.output = nn.Linear(width, width)

        def split(self, states: Any) -> Any:
            return states.view(1, length, heads, width // heads).transpose(1, 2)

        def forward(self, states: Any) -> Any:
            query, key = self.split(self.query(states)), self.split(self.key(states))
            scores = query @ key.transpose(-2, -1) / (width // heads) ** 0.5
            mixed = scores.softmax(dim=-1) @ self.split(self.value(states))
            return self.output(mixed.transpose(1, 2).reshape(1, length, width))

    class Layer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention = Attention()
            self.attention_norm = nn.LayerNorm(width)
            self.inner = nn.Linear(width, 4 * width)
            self.activation = nn.GELU()
            self.outer = nn.Linear(4 * width, width)
            self.norm = nn.LayerNorm(width)

        def forward(self, states: Any) -> Any:
            states = self.attention_norm(states + self.attention(states))
            return self.norm(states + self.outer(self.activation(self.inner(states))))

    class Bert(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words = nn.Embedding(vocabulary, width)
            self.positions = nn.Embedding(length, width)
            self.norm = nn.LayerNorm(width)
            self.layers = nn.ModuleList(Layer() for _ in range(layers))
            self.register_buffer("order", torch.arange(length).unsqueeze(0))

        def forward(self, tokens: Any) -> Any:
            states = self.norm(self.words(tokens) + self.positions(self.order))
            for layer in self.layers:
                states = layer(states)
            return states

    return Bert().eval(), (torch.randint(0, vocabulary, (1, length)),)


def resnet() -> Tuple[Any, Tuple[Any, ...]]:
    """A residual network of ResNet-50's size, 26 million random weights, and its input."""
    import torch
    from torch import nn

    class Bottleneck(nn.Module):
        def __init__(self, inputs: int, width: int, stride: int) -> None:
            super().__init__()
            outputs = 4 * width
            self.reduce = nn.Conv2d(inputs, width, 1, bias=False)
            self.reduce_norm = nn.BatchNorm2d(width)
            self.conv = nn.Conv2d(width, width, 3, stride=stride, padding=1, bias=False)
            self.conv_norm = nn.BatchNorm2d(width)
            self.expand = nn.Conv2d(width, outputs, 1, bias=False)
            self.expand_norm = nn.BatchNorm2d(outputs)
            self.relu = nn.ReLU()
            self.shortcut = nn.Sequential()
            if stride != 1 or inputs != outputs:
                self.shortcut = nn.Sequential(
                    nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False),
                    nn.BatchNorm2d(outputs),
                )

        def forward(self, image: Any) -> Any:
            states = self.relu(self.reduce_norm(self.reduce(image)))
            states = self.relu(self.conv_norm(self.conv(states)))
            return self.relu(self.expand_norm(self.expand(states)) + self.shortcut(image))

    def stage(inputs: int, width: int, blocks: int, stride: int) -> Any:
        first = Bottleneck(inputs, width, stride)
        return nn.Sequential(first, *(Bottleneck(4 * width, width, 1) for _ in range(blocks - 1)))

    model = nn.Sequential(
        nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False),
        nn.BatchNorm2d(64),
        nn.ReLU(),
        nn.MaxPool2d(3, stride=2, padding=1),
        stage(64, 64, 3, 1),
        stage(256, 128, 4, 2),
        stage(512, 256, 6, 2),
        stage(1024, 512, 3, 2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(2048, 1000),
    )
    return model.eval(), (torch.randn(1, 3, 224, 224),)


def export_once(model_name: str, backend: str, way: str) -> Sample:
    """Export in this process, which should be a fresh one."""
    import torch

    warnings.simplefilter("ignore")
    model, args = {"bert": bert, "resnet": resnet}[model_name]()
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.onnx")
        if way == "htp":
            import htp

            start, cpu_start = time.perf_counter(), time.process_time()
            htp.export(model, args, path, backend=backend)
        else:
            options: Dict[str, Any] = {}
            if "dynamo" in inspect.signature(torch.onnx.export).parameters:
                options["dynamo"] = backend == "fx"
            start, cpu_start = time.perf_counter(), time.process_time()
            torch.onnx.export(model, args, path, **options)
        seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu_start
        written = sum(entry.stat().st_size for entry in os.scandir(folder))
    return {
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "peak_mib": _peak_mib(),
        "file_mib": written / 2**20,
    }


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


def measure(model: str, backend: str, pairs: int) -> Dict[str, Any]:
    """Samples of plain and of HTP, and the median of their ratios."""
    samples: Dict[str, List[Sample]] = {"plain": [], "htp": []}
    for number in range(pairs):
        # Who comes first changes, so that a machine that warms up or slows down favours neither.
        for way in ("plain", "htp") if number % 2 == 0 else ("htp", "plain"):
            samples[way].append(in_fresh_process(model, backend, way))
        _progress(f"{model} {backend}: pair {number + 1} of {pairs}")
    return {
        "model": model,
        "backend": backend,
        "pairs": pairs,
        "time_ratio": _ratio(samples, "seconds"),
        "cpu_ratio": _ratio(samples, "cpu_seconds"),
        "memory_ratio": _ratio(samples, "peak_mib"),
        "samples": samples,
    }


def _ratio(samples: Dict[str, List[Sample]], what: str) -> float:
    pairs = zip(samples["plain"], samples["htp"])
    return statistics.median(tagged[what] / plain[what] for plain, tagged in pairs)


def _progress(line: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\033[K{line}", end="", file=sys.stderr, flush=True)


def table(results: Sequence[Dict[str, Any]]) -> str:
    """The results as text, a line for each model and backend."""
    form = "{:8}{:13}{:>9}{:>9}{:>8}{:>10}{:>12}{:>9}{:>8}  {}"
    time_headings = "plain s", "htp s", "ratio", "cpu ratio"
    memory_headings = "plain MiB", "htp MiB", "ratio", "spread of the time ratio"
    lines = [form.format("model", "backend", *time_headings, *memory_headings)]
    for result in results:
        plain, tagged = result["samples"]["plain"], result["samples"]["htp"]
        ratios = [b["seconds"] / a["seconds"] for a, b in zip(plain, tagged)]
        figures = [
            *(f"{_median(samples, 'seconds'):.2f}" for samples in (plain, tagged)),
            f"{result['time_ratio']:.3f}",
            f"{result['cpu_ratio']:.3f}",
            *(f"{_median(samples, 'peak_mib'):.0f}" for samples in (plain, tagged)),
            f"{result['memory_ratio']:.3f}",
            f"{min(ratios):.3f} to {max(ratios):.3f}",
        ]
        lines.append(form.format(result["model"], result["backend"], *figures))
    return "\n".join(lines)


def _median(samples: Sequence[Sample], what: str) -> float:
    return statistics.median(sample[what] for sample in samples)


def main(arguments: Optional[Sequence[str]] = None) -> None:
    """Read the options, measure, and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--pairs", type=int, default=5, help="pairs of exports (default: 5)")
    parser.add_argument("--model", choices=MODELS, help="only this model")
    parser.add_argument("--backend", help="only this backend")
    parser.add_argument("--json", metavar="FILE", help="also write every sample there")
    parser.add_argument("--once", choices=("plain", "htp"), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.once:
        print(json.dumps(export_once(options.model, options.backend, options.once)))
        return
    if options.pairs < 1:
        parser.error("--pairs must be at least 1")
    import htp

    infos = htp.available_backends()
    usable = [info.name for info in infos if info.usable]
    if options.backend and options.backend not in usable:
        parser.error(f"backend {options.backend!r} cannot run here; usable are {usable}")
    results = [
        measure(model, backend, options.pairs)
        for model in ([options.model] if options.model else MODELS)
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
