"""How pages and result files are written: tables, and JSON of which a diff shows what changed."""

import json
from typing import Any, Iterable, Sequence

__all__ = ["as_json", "markdown_table"]


def markdown_table(headings: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    everything = [headings, ["---"] * len(headings), *lines]
    return "".join("| " + " | ".join(cells) + " |\n" for cells in everything)


def as_json(document: Any, depth: int) -> str:
    """JSON with what lies deeper than so many levels in one line each."""
    return _json(document, depth, "") + "\n"


def _json(held: Any, depth: int, before: str) -> str:
    if depth == 0 or not held or not isinstance(held, (dict, list)):
        return json.dumps(held, sort_keys=True)
    if isinstance(held, dict):
        rows = [
            f"{json.dumps(key)}: {_json(held[key], depth - 1, before + ' ')}"
            for key in sorted(held)
        ]
        start, end = "{", "}"
    else:
        rows = [_json(each, depth - 1, before + " ") for each in held]
        start, end = "[", "]"
    inside = f",\n{before} ".join(rows)
    return f"{start}\n{before} {inside}\n{before}{end}"
