"""The command line's door. Parsing and drawing are done by click and rich (extra ``cli``)."""

import importlib.util
import os
import sys
from typing import NoReturn, Optional, Sequence

from htp.cli.asked import VARIABLE, be_quick_and_quiet

__all__ = ["main"]

_INTERRUPTED = 130


def main(argv: Optional[Sequence[str]] = None) -> NoReturn:
    """Run ``htp`` with ``argv``, or with the process's own arguments.

    Raises:
        SystemExit: always. 0: done; 1: it found something; 2: wrong usage; 3: it could not be done.
    """
    if VARIABLE in os.environ:
        be_quick_and_quiet()
    missing = [name for name in ("click", "rich") if importlib.util.find_spec(name) is None]
    if missing:
        sys.stderr.write(
            f"Error: the command line needs {' and '.join(missing)}. "
            f"Install with: pip install {' '.join(missing)}\n"
        )
        sys.exit(3)
    # A terminal or pipe that only knows ASCII shows \xe9 and never ends the program.
    streams = [each for each in (sys.stdout, sys.stderr) if hasattr(each, "reconfigure")]
    found = [(stream, stream.errors) for stream in streams]
    for stream in streams:
        stream.reconfigure(errors="backslashreplace")

    def as_found() -> None:  # for a command that is not HTP's
        for stream, errors in found:
            stream.reconfigure(errors=errors)

    try:
        from htp.cli.app import app
    except KeyboardInterrupt:  # too early for anything to be told or put in order
        sys.exit(_INTERRUPTED)
    app.main(args=None if argv is None else list(argv), prog_name="htp", obj=as_found)
    raise AssertionError("click's main always exits")
