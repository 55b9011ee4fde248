"""What is shown while work goes on, and what is not.

One line on standard error, and only where somebody watches: it appears when the command has taken
two seconds, is drawn over by whatever else is printed, and is gone when the result comes.
"""

import io
import logging
import os
import sys
import threading
import time
from contextlib import ExitStack, contextmanager, redirect_stdout
from typing import Any, Callable, Iterator, Mapping, Optional, TextIO

import click

from htp.printable import printable
from htp.steps import Step, progress

__all__ = ["DELAY", "drawn", "is_watched", "quiet_torch", "shown"]

DELAY = 2.0
"""Seconds after which something is shown."""
_BEAT = 0.1
"""Seconds between two drawings."""
_CALM = 1.0
"""The same while runs are measured: a drawing takes some 0.05 ms."""
_SPINNER = "|/-\\"
_BAR = 20
_LEAST = 20
"""Columns of a terminal on which a line is worth its place."""


def is_watched(stream: Optional[TextIO], environment: Mapping[str, str]) -> bool:
    """Whether a stream is a terminal that somebody looks at and that can draw over a line.

    ``CI`` is what the hosts that run checks set; ``TERM=dumb`` what editors' shells do.
    """
    if environment.get("CI", "").lower() not in {"", "0", "false"}:
        return False
    if environment.get("TERM", "").lower() in {"dumb", "unknown"}:
        return False
    return stream is not None and hasattr(stream, "isatty") and stream.isatty()


def drawn(said: Step, seconds: float, width: int, plain: bool) -> str:
    """The line of a step: ``/ comparing  [#####     ] 12/64  encoder.layer.3  0:07``.

    Where the terminal is narrow what is done to gives way first, then the bar.

    Args:
        said: the step.
        seconds: since the command began.
        width: columns; one of them stays empty, so that no line ever wraps.
        plain: whether it knows no more than ASCII.
    """
    start = f"{_SPINNER[int(seconds / _BEAT) % len(_SPINNER)]} {printable(said.stage)}"
    end = f"  {int(seconds) // 60}:{int(seconds) % 60:02}"
    count = f"  {said.done}/{said.total}" if said.total else ""
    bar = f"  {_bar(said.done, said.total, plain)}" if said.total else ""
    left = width - 1 - _columns(start + count + end)
    if _columns(bar) > left:
        bar = ""
    what = _cut(printable(said.what), left - len(bar) - 2, plain)
    line = f"{start}{bar}{count}{'  ' if what else ''}{what}{end}"
    return line if _columns(line) < width else _cut(start, width - 1, plain)


def _bar(done: int, total: int, plain: bool) -> str:
    full, empty = ("#", "-") if plain else ("\N{FULL BLOCK}", "\N{LIGHT SHADE}")
    count = min(_BAR, _BAR * done // total)
    return full * count + empty * (_BAR - count)


def _columns(text: str) -> int:
    """How many columns a text takes on a terminal."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def _cut(text: str, most: int, plain: bool) -> str:
    """A text of no more columns: its end says more than its beginning."""
    dots = "..." if plain else "\N{HORIZONTAL ELLIPSIS}"
    if _columns(text) <= most:
        return text
    if most < 2 * len(dots) + 2:
        return ""
    while text and _columns(dots + text) > most:
        text = text[1:]
    return dots + text


class _Line:
    """The line on a terminal, drawn by a thread of its own.

    Args:
        out: the terminal.
        said: what goes on at first.
    """

    def __init__(self, out: TextIO, said: Step) -> None:
        self._out, self._said = out, said
        self._began = time.monotonic()
        self._plain = not (getattr(out, "encoding", None) or "").lower().startswith("utf")
        self._lock = threading.RLock()
        self._over = threading.Event()
        self._columns = 0
        self._thread = threading.Thread(target=self._watch, name="htp-progress", daemon=True)

    def __enter__(self) -> "_Line":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """Leave the terminal to others."""
        self._over.set()
        self.clear()

    def __call__(self, said: Step) -> None:
        """Hear of a step."""
        self._said = said

    def _watch(self) -> None:
        wait = DELAY
        while not self._over.wait(wait):
            with self._lock:
                if not self._over.is_set():
                    self._draw()
            wait = _CALM if self._said.still else _BEAT

    def _draw(self) -> None:
        width = _width(self._out)
        if width < _LEAST:
            return
        seconds = time.monotonic() - self._began
        line = drawn(self._said, seconds, width, self._plain)
        columns = _columns(line)
        blank = " " * max(0, min(self._columns, width - 1) - columns)
        self._write(f"\r{line}{blank}\r")
        self._columns = columns

    def clear(self) -> None:
        """Leave the terminal as if there had been no line; it may come again."""
        with self._lock:
            if self._columns:
                self._write(f"\r{' ' * min(self._columns, _width(self._out) - 1)}\r")
                self._columns = 0

    def _write(self, text: str) -> None:
        try:
            self._out.write(text)
            self._out.flush()
        except (OSError, ValueError):  # the terminal is gone: there is nobody to show it to
            self._over.set()


def _width(out: TextIO) -> int:
    """The columns of a terminal; 80 where it does not say."""
    said = os.environ.get("COLUMNS", "")
    if said.isascii() and said.isdigit() and len(said) < 6:
        return int(said)
    try:
        return os.get_terminal_size(out.fileno()).columns or 80
    except (OSError, ValueError):
        return 80


class _Beside:
    """A stream on the same terminal, which others print to: the line makes way.

    Args:
        stream: it.
        give_way: clears the line.
    """

    def __init__(self, stream: Any, give_way: Callable[[], None]) -> None:
        self._stream, self._give_way = stream, give_way

    def write(self, text: str) -> int:
        """Write, where the line was."""
        self._give_way()
        written: int = self._stream.write(text)
        return written

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._stream)


@contextmanager
def shown(text: str) -> Iterator[None]:
    """Show what HTP is busy with, if somebody watches, and leave nothing behind.

    Args:
        text: what goes on at first.
    """
    if not is_watched(sys.stderr, os.environ):
        yield
        return
    with ExitStack() as stack:
        line = stack.enter_context(_Line(sys.stderr, Step(text)))
        stack.enter_context(progress(line))
        stack.enter_context(_beside("stderr", line.clear))
        stack.enter_context(_beside("stdout", line.end))  # there the result comes
        yield


@contextmanager
def _beside(name: str, give_way: Callable[[], None]) -> Iterator[None]:
    stream = getattr(sys, name)
    if stream is None or not stream.isatty():
        yield
        return
    stand_in = _Beside(stream, give_way)
    setattr(sys, name, stand_in)
    try:
        yield
    finally:
        if getattr(sys, name) is stand_in:
            setattr(sys, name, stream)


@contextmanager
def quiet_torch() -> Iterator[None]:
    """Keep torch from telling what HTP's own error says, and that torchvision is not installed.

    From 2.5 torch logs the traceback of every failed attempt. Other warnings pass, and so does
    everything with ``--traceback`` or where torch's own ``TORCH_LOGS`` is set.
    """
    context = click.get_current_context().find_root()
    if context.params.get("traceback") or os.environ.get("TORCH_LOGS"):
        yield
        return
    import torch  # noqa: F401 - it makes its handlers when it is imported

    loggers = [logging.getLogger(name) for name in logging.root.manager.loggerDict]
    handlers = {
        handler
        for logger in loggers
        if logger.name.partition(".")[0] == "torch"
        for handler in logger.handlers
    }
    for handler in handlers:
        handler.addFilter(_worth_telling)
    try:
        with redirect_stdout(io.StringIO()):  # 2.0 prints a banner of its diagnostics
            yield
    finally:
        for handler in handlers:
            handler.removeFilter(_worth_telling)


def _worth_telling(record: logging.LogRecord) -> bool:
    return record.levelno < logging.ERROR and "is not installed. Skipping" not in str(record.msg)
