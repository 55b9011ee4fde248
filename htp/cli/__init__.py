"""The command line's door. Parsing and drawing are done by click and rich (extra ``cli``)."""

import importlib.util
import sys
from typing import NoReturn, Optional, Sequence

__all__ = ["main"]


def main(argv: Optional[Sequence[str]] = None) -> NoReturn:
    """Run ``htp`` with ``argv``, or with the process's own arguments.

    Raises:
        SystemExit: always. 0: done; 1: it found something; 2: wrong usage; 3: it could not be done.
    """
    missing = [name for name in ("click", "rich") if importlib.util.find_spec(name) is None]
    if missing:
        sys.stderr.write(
            f"Error: the command line needs {' and '.join(missing)}. "
            f"Install with: pip install {' '.join(missing)}\n"
        )
        sys.exit(3)
    # A terminal or pipe that only knows ASCII shows \xe9 and never ends the program.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    from htp.cli.app import app

    app.main(args=None if argv is None else list(argv), prog_name="htp")
    raise AssertionError("click's main always exits")
