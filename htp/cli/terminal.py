"""What the commands share: where text goes, how errors look and how long work shows progress."""

import logging
import os
import sys
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from typing import TYPE_CHECKING, Any, Callable, Iterator

import click

from htp.errors import HTPError, did_you_mean

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

__all__ = ["Commands", "console", "print_table", "quiet_torch", "working"]

PIPE_WIDTH = 10_000  # a pipe has no edge at which to wrap or cut a line


class Commands(click.Group):
    """A group that tells every foreseen error as ``Error: ...`` with exit code 1."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; ``htp --traceback`` lets errors through as Python shows them."""
        if ctx.params.get("traceback"):
            return super().invoke(ctx)
        try:
            return super().invoke(ctx)
        except HTPError as error:
            raise click.ClickException(str(error)) from error
        except BrokenPipeError:
            raise  # click ends quietly when the reader of a pipe has left
        except OSError as error:
            named = f"{error.filename}: " if error.filename else ""
            raise click.ClickException(f"{named}{error.strerror or error}") from error
        except ImportError as error:
            hint = "run 'htp doctor' for the state of this installation."
            raise click.ClickException(f"{error}\nHint: {hint}") from error

    def resolve_command(self, ctx: click.Context, args: Any) -> Any:
        """Find the command, or say which one may have been meant."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            if "id you mean" in error.message:
                raise  # newer releases of click say it themselves
            hint = did_you_mean(args[0], self.list_commands(ctx))
            raise click.UsageError(f"{error.message}\nHint: {hint}", ctx) from None


def console() -> "Console":
    """Standard output: coloured on a terminal unless NO_COLOR is set, plain and uncut in a pipe."""
    from rich.console import Console

    out = Console(highlight=False, markup=False, emoji=False)
    if not out.is_terminal:
        out.width = PIPE_WIDTH
    return out


def print_table(out: "Console", table: "Table") -> None:
    """Print a table; in a pipe without the blanks that fill up its last column."""
    if out.is_terminal:
        out.print(table)
        return
    with out.capture() as captured:
        out.print(table)
    for line in captured.get().splitlines():
        click.echo(line.rstrip())


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
        task = bar.add_task(text, total=None)
        yield lambda text: bar.update(task, description=text)


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
        with redirect_stdout(StringIO()):  # 2.0 prints a banner of its diagnostics
            yield
    finally:
        for handler in handlers:
            handler.removeFilter(_worth_telling)


def _worth_telling(record: logging.LogRecord) -> bool:
    return record.levelno < logging.ERROR and "is not installed. Skipping" not in str(record.msg)
