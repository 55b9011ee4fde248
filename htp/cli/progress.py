"""What is shown while work goes on, and what is not."""

import io
import logging
import os
import sys
from contextlib import contextmanager, redirect_stdout
from typing import Callable, Iterator

import click

from htp.printable import printable

__all__ = ["quiet_torch", "working"]


@contextmanager
def working(text: str) -> Iterator[Callable[[str], None]]:
    """Show on a terminal (stderr) what goes on and for how long; elsewhere be silent.

    Args:
        text: what goes on at first.

    Yields:
        A function that takes what goes on next.
    """
    if not sys.stderr.isatty():
        yield lambda text: None
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn("line"), TextColumn("{task.description}", markup=False))
    with Progress(
        *columns,
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
        redirect_stdout=sys.stdout.isatty(),
    ) as bar:
        task = bar.add_task(printable(text), total=None)
        yield lambda text: bar.update(task, description=printable(text))


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
