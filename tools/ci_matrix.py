"""What the jobs of ``.github/workflows/ci.yml`` run: read from ``nox --list --json``, never listed.

    nox --list --json --keywords "not nothing" | python tools/ci_matrix.py

prints a line for each matrix, ``name=[{"session": ..., "python": ...}, ...]``: ``once`` has the
sessions with that tag, ``releases`` a session for each file in ``constraints/``, ``oracles`` one
where the file pins the models' packages, ``libraries`` one for each in ``constraints/libraries/``.
The Python is the one that the file names.
"""

import json
import sys
from typing import Any, Dict, List, Mapping, Sequence

from pins import all_pins, library_pins

__all__ = ["main", "matrices"]

Job = Dict[str, str]
"""One machine's work: the session, and the Python that it runs on."""


def matrices(listed: Sequence[Mapping[str, Any]]) -> Dict[str, List[Job]]:
    """The jobs of each matrix.

    Args:
        listed: what ``nox --list --json`` prints: for each session ``session`` and ``tags``.
    """
    every = all_pins()
    names = [str(each["session"]) for each in listed]
    pythons = {
        "once": {str(each["session"]): every[-1].python for each in listed if _once(each)},
        "releases": {f"tests-torch{pins.release}": pins.python for pins in every},
        "oracles": {f"accuracy-torch{pins.release}": pins.python for pins in every},
        "libraries": {
            f"libraries-{pins.library}-torch{pins.release}": pins.python for pins in library_pins()
        },
    }
    return {
        kind: [{"session": name, "python": known[name]} for name in names if name in known]
        for kind, known in pythons.items()
    }


def _once(listed: Mapping[str, Any]) -> bool:
    return "once" in listed["tags"]


def main() -> int:
    """Print the lines; 1 where a matrix has no job, which the host would take for success."""
    found = matrices(json.load(sys.stdin))
    for kind, jobs in found.items():
        print(f"{kind}={json.dumps(jobs)}")
    return 0 if all(found.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
