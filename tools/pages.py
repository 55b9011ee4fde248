"""How the tools that write a page from results are called, and how each of them ends.

What a page shows, and of which results, is the tool's own.
"""

import argparse
import json
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence

from packaging.version import Version

from fingerprint import deliver, fingerprint, named_in

__all__ = ["by_release", "options_for", "write"]


def options_for(about: Optional[str], results: Path, output: Path) -> argparse.ArgumentParser:
    """The options of such a tool.

    Args:
        about: the tool's doc string, whose first line its help begins with.
        results: the folder that is read where the command line names no other.
        output: likewise the page that is written.
    """
    parser = argparse.ArgumentParser(description=(about or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="fail when the page is stale")
    parser.add_argument("--fresh", action="store_true", help="fail when a result is of other code")
    parser.add_argument("--results", type=Path, default=results)
    parser.add_argument("--output", type=Path, default=output)
    return parser


def by_release(folder: Path) -> List[Dict[str, Any]]:
    """The result of each torch in a folder, the oldest first."""
    found = [json.loads(path.read_text("utf-8")) for path in folder.glob("torch*.json")]
    return sorted(found, key=lambda result: Version(result["torch"]))


def write(
    options: argparse.Namespace,
    render: Callable[[str], str],
    results: Sequence[Mapping[str, Any]],
    how: str,
) -> int:
    """Write the page for the present code, or with ``--check`` make it again for the code it names.

    Args:
        options: what ``options_for`` parsed.
        render: the page with a mark on each run of a code.
        results: what the page is made of.
        how: the command that writes it.

    Returns:
        The exit status, as ``fingerprint.deliver`` gives it.
    """
    code = named_in(options.output) if options.check else None
    return deliver(options, render(code or fingerprint()), results, how)
