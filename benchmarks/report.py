"""How long a report takes to be written, and to open in Chromium, for models of many nodes.

    python benchmarks/report.py --nodes 10000 100000

It needs playwright and Chromium (``constraints/look.txt``), and no torch.
"""

import argparse
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path
from typing import Any, List, Tuple

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

import htp  # noqa: E402 - the folder of its tests comes first


def opened(page: Any, path: Path) -> Tuple[float, float]:
    """Seconds until the page's content is loaded, and until its tree is drawn."""
    begun = time.perf_counter()
    page.goto(path.as_uri(), wait_until="commit")
    page.locator(".tree .row[aria-level]").first.wait_for()
    drawn = time.perf_counter() - begun
    timing = "performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd"
    return page.evaluate(timing) / 1000, drawn


def main() -> None:
    """Print a line for each size."""
    launched = import_module("look.browser").launched
    wide = import_module("reporting.shown").wide
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, nargs="+", default=[1000, 10000])
    parser.add_argument("--times", type=int, default=5)
    options = parser.parse_args()
    print("nodes   written s   MB   loaded s   drawn s (median of the openings)")
    with tempfile.TemporaryDirectory() as folder, launched() as browser:
        for count in options.nodes:
            path = Path(folder) / "report.html"
            tagged = htp.load(wide(count))
            begun = time.perf_counter()
            htp.report(tagged, path)
            written = time.perf_counter() - begun
            found: List[Tuple[float, float]] = []
            for _ in range(options.times):
                page = browser.new_page(viewport={"width": 1360, "height": 820})
                found.append(opened(page, path))
                page.close()
            loaded, drawn = (sorted(each)[len(found) // 2] for each in zip(*found))
            size = path.stat().st_size / 1e6
            print(f"{count}   {written:.2f}   {size:.2f}   {loaded:.2f}   {drawn:.2f}", flush=True)


if __name__ == "__main__":
    main()
