"""A shell asks what may follow on the command line: it is told no more, and soon."""

import os
import sys
import threading

__all__ = ["VARIABLE", "be_quick_and_quiet"]

VARIABLE = "_HTP_COMPLETE"
"""By which a shell asks; the name is click's, for a program that is called ``htp``."""
PATIENCE = 3.0
"""Seconds after which no shell waits any longer, whatever is slow."""


def be_quick_and_quiet() -> None:
    """Say nothing to the terminal, and come to an end, whatever happens."""
    sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - until the process ends
    timer = threading.Timer(PATIENCE, os._exit, (1,))
    timer.daemon = True
    timer.start()
