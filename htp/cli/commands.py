"""How commands are run: which errors are foreseen, how they are told, and with what exit status."""

import functools
import io
import os
import sys
import traceback
import warnings
from contextlib import contextmanager
from typing import Any, Callable, Iterator, NoReturn, Optional

import click

from htp.cli.completing import completed
from htp.cli.progress import shown
from htp.cli.terminal import paragraph, remark
from htp.errors import HTPError, did_you_mean

__all__ = ["FAILED", "FOUND", "INTERRUPTED", "USAGE", "Commands"]

FOUND = 1
"""The exit status where something was found: files differ, a module diverges, owners are lost."""
USAGE = 2
"""Of what was said wrongly: an option, an argument, or two that exclude each other."""
FAILED = 3
"""Of what could not be done: no such file, a bad one, a failed export, a missing package."""
INTERRUPTED = 130
"""Of a command that Ctrl-C ended, as shells say it."""

_THEIRS = frozenset(("run",))
"""Commands that leave the terminal to another program."""


def _told(error: BaseException) -> str:
    """An error's text and its hint."""
    text, hint = str(error), getattr(error, "hint", None)
    end = f"\nHint: {hint}"
    if hint and text.endswith(end):
        return f"{paragraph(text[: -len(end)])}\nHint: {paragraph(hint)}"
    return paragraph(text)


class Failed(click.ClickException):
    """Something foreseen could not be done."""

    exit_code = FAILED


class Commands(click.Group):
    """A group that tells every foreseen error as ``Error: ...``, with its exit status."""

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run the program and end the process, as click does; but what is told is safe."""
        try:
            status = super().main(*args, **{**extra, "standalone_mode": False})
        except click.exceptions.Abort:
            status = FAILED
        except click.ClickException as error:
            text = io.StringIO()
            error.show(text)
            for line in text.getvalue().rstrip("\n").split("\n"):
                remark(line)
            status = error.exit_code
        sys.exit(status if isinstance(status, int) else 0)

    def add_command(self, cmd: click.Command, name: Optional[str] = None) -> None:
        """Add a command; of its help the examples keep their lines, which a raw text marks."""
        cmd.help = cmd.help and cmd.help.replace("\\b\n", "\b\n")
        completed(cmd)
        if cmd.callback is not None and cmd.name not in _THEIRS:
            cmd.callback = _watched(cmd.callback)
        super().add_command(cmd, name)

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        """Read the command line; whoever asked for help may have read enough."""
        try:
            return super().make_context(*args, **extra)
        except BrokenPipeError:
            _leave()

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; ``htp --traceback`` lets errors through as Python shows them."""
        if ctx.params.get("traceback"):
            sys.excepthook = _show_traceback
            return super().invoke(ctx)
        try:
            with _safe_warnings():
                return super().invoke(ctx)
        except HTPError as error:
            raise Failed(_told(error)) from error
        except KeyboardInterrupt:
            remark("Interrupted.")
            sys.exit(INTERRUPTED)
        except BrokenPipeError:
            _leave()
        except OSError as error:
            named = f"{error.filename}: " if error.filename else ""
            raise Failed(paragraph(f"{named}{error.strerror or error}")) from error
        except ImportError as error:
            hint = "run 'htp doctor' for the state of this installation."
            raise Failed(f"{paragraph(error)}\nHint: {hint}") from error

    def resolve_command(self, ctx: click.Context, args: Any) -> Any:
        """Find the command, or say which one may have been meant."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            if "id you mean" in error.message:
                raise  # newer releases of click say it themselves
            hint = did_you_mean(args[0], self.list_commands(ctx))
            raise click.UsageError(f"{error.message}\nHint: {hint}", ctx) from None


def _watched(callback: Callable[..., Any]) -> Callable[..., Any]:
    """A command that shows what it is busy with."""

    @functools.wraps(callback)
    def call(*args: Any, **options: Any) -> Any:
        with shown("working"):
            return callback(*args, **options)

    return call


def _leave() -> NoReturn:
    """The reader of a pipe has left: what is still buffered goes nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(FAILED)


def _show_traceback(kind: Any, error: BaseException, trace: Any) -> None:
    for text in traceback.format_exception(kind, error, trace):
        for line in text.rstrip("\n").split("\n"):
            remark(line)


@contextmanager
def _safe_warnings() -> Iterator[None]:
    """Warnings come out safe. Of HTP's own the place in its code tells nothing."""
    before = warnings.showwarning

    def show(
        message: Any, category: Any, filename: str, lineno: int, file: Any = None, line: Any = None
    ) -> None:
        if category is RuntimeWarning:
            remark(f"Warning: {message}")
        else:
            remark(warnings.formatwarning(message, category, filename, lineno).rstrip("\n"))

    warnings.showwarning = show
    try:
        yield
    finally:
        warnings.showwarning = before
