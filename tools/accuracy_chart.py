"""The chart of docs/accuracy.md."""

from pathlib import Path
from typing import Any, Dict, Mapping, Sequence

from accuracy_results import METHODS, Run, share, totals

__all__ = ["draw"]

PARTS = {
    "exact": ("#0072b2", ""),
    "wrong call": ("#f0e442", "////"),
    "contaminated": ("#d55e00", "xxxx"),
}
"""What an answer may be, its colour and its pattern: those who see red and green alike tell these
colours apart (they are of Okabe and Ito's palette), and those who see none the patterns."""


def draw(everything: Sequence[Run], path: Path) -> None:
    """The chart: a column for each way, a bar for each run; the same bytes each time."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams.update({"svg.hashsalt": "htp", "font.size": 9})
    from matplotlib import pyplot as plt

    shown = [run for run in everything if totals(run)]
    figure, columns = plt.subplots(
        ncols=len(METHODS),
        figsize=(10, 0.28 * len(shown) + 1.3),
        sharey=True,
        layout="constrained",
        squeeze=False,
    )
    for axes, (method, name) in zip(columns[0], METHODS.items()):
        for place, run in enumerate(shown):
            _bar(axes, place, totals(run)[method])
        axes.set_title(name, fontsize=10)
        axes.set_xlim(0, 100)
        axes.set_xticks([0, 50, 100])
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
    columns[0][0].set_yticks(range(len(shown)), [run.label for run in shown])
    columns[0][0].invert_yaxis()
    for part, (colour, pattern) in PARTS.items():
        columns[0][0].barh(0, 0, label=part, **_look(colour, pattern))
    figure.supxlabel("% of the nodes whose true owner is known; the rest is silent", fontsize=9)
    figure.legend(loc="outside upper center", ncols=len(PARTS), frameon=False)
    figure.savefig(path, format="svg", metadata={"Date": None})


def _bar(axes: Any, place: int, score: Mapping[str, int]) -> None:
    said = score["decided"] - score["silent"]
    wrong_call = said - score["exact"] - score["contaminated"]
    counts = (score["exact"], wrong_call, score["contaminated"])
    left = 0.0
    for count, look in zip(counts, PARTS.values()):
        width = 100 * count / max(score["decided"], 1)
        axes.barh(place, width, left=left, height=0.8, **_look(*look))
        left += width
    text = share(score["exact"], score["decided"]) if said else "silent"
    colour = "white" if said else "#777777"
    axes.text(2, place, text, va="center_baseline", color=colour, fontsize=8)


def _look(colour: str, pattern: str) -> Dict[str, Any]:
    return {"facecolor": colour, "hatch": pattern, "edgecolor": "#00000066", "linewidth": 0}
