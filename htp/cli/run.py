"""``htp run``: a command, run in this process as Python would run it, with every export tagged."""

import atexit
import builtins
import io
import os
import runpy
import shutil
import sys
import warnings
from types import ModuleType, TracebackType
from typing import Callable, List, NamedTuple, NoReturn, Optional, Sequence

import click

from htp.cli.children import Children
from htp.drop_in import tagging
from htp.errors import HTPError
from htp.exported import Exported, Wishes
from htp.tagged import load
from htp.turns import say

__all__ = ["run_command"]

_INTERRUPTED = 130
"""What a shell says of a command that was interrupted."""


class Program(NamedTuple):
    """A command that can run in this process.

    Attributes:
        argv: its ``sys.argv``.
        folder: its ``sys.path[0]``.
        run: what runs it, as ``__main__``.
    """

    argv: List[str]
    folder: str
    run: Callable[[], object]


def run_command(command: Sequence[str], wishes: Wishes, children: bool) -> NoReturn:
    """Run a command and end with its exit status. What was exported is listed when Python ends.

    Raises:
        SystemExit: always.
        click.UsageError: the command is none that Python can run in this process.
        HTPError: there is no such backend.
    """
    program = found(command)
    process = os.getpid()
    context = tagging(*wishes)
    exports = context.__enter__()
    below = Children(wishes) if children else None

    def finish() -> None:
        if os.getpid() != process:  # a child that was forked, and ends as Python does
            return
        context.__exit__(None, None, None)
        _report([*exports, *(below.exports() if below else ())])

    atexit.register(finish)  # the first, so that it comes last: threads and children have ended
    sys.argv[:] = program.argv
    if not getattr(sys.flags, "safe_path", False):
        sys.path[0:1] = [program.folder]
    try:
        program.run()
    except SystemExit:
        raise
    except BaseException as error:
        trace = _theirs(error.__traceback__)
        sys.excepthook(type(error), error.with_traceback(trace), trace)
        sys.exit(_INTERRUPTED if isinstance(error, KeyboardInterrupt) else 1)
    sys.exit(0)


def found(command: Sequence[str]) -> Program:
    """What a command is: ``-m module``, the file of a script, or a console script on the PATH.

    Raises:
        click.UsageError: none of these.
    """
    first, *rest = command
    if first == "-m":
        if not rest:
            raise click.UsageError("Say which module: htp run -- -m MODULE ...")
        name, *rest = rest
        return Program([name, *rest], os.getcwd(), lambda: _run_module(name))
    path = first if os.path.isfile(first) else shutil.which(first)
    if path is None:
        raise click.UsageError(f"There is no command {first!r}, and no file of that name.")
    _check_is_python(first, path)
    argv = [path, *rest]
    if not path.endswith((".py", ".pyw")) and _is_archive(path):
        return Program(argv, path, lambda: runpy.run_path(path, run_name="__main__"))
    return Program(argv, os.path.dirname(os.path.realpath(path)), lambda: _run_file(path))


def _is_archive(path: str) -> bool:
    """Whether a file is compiled, or a zip archive with a ``__main__``."""
    import zipfile

    return path.endswith(".pyc") or zipfile.is_zipfile(path)


def _check_is_python(name: str, path: str) -> None:
    """Refuse what this Python would not run.

    Raises:
        click.UsageError: it is another program, or belongs to another Python.
    """
    if path.endswith((".py", ".pyw", ".pyc")) or _is_archive(path):
        return
    interpreter = _interpreter(path)
    if interpreter is None:
        hint = (
            f"leave {name!r} out and name the script, or -m MODULE."
            if os.path.basename(path).startswith("python")
            else "htp run takes a console script, the file of a script, or -m MODULE."
        )
        raise click.UsageError(f"{path} is not a Python script.\nHint: {hint}")
    folder = os.path.dirname(interpreter)
    ours = os.path.dirname(sys.executable or "")
    if os.path.isdir(folder) and os.path.isdir(ours) and not os.path.samefile(folder, ours):
        raise click.UsageError(
            f"{path} belongs to another Python, {interpreter}; HTP runs in {sys.executable}.\n"
            "Hint: install HTP there, and call its 'htp'."
        )


def _interpreter(path: str) -> Optional[str]:
    """The Python that a script names in its first line; "" for any; None when it names none.

    Where the path of an interpreter is long or holds blanks, installers write a line for a shell,
    which calls it in the second:
    https://github.com/pypa/distlib/blob/0.3.8/distlib/scripts.py#L155
    """
    with open(path, "rb") as file:
        lines = [file.readline(4096) for _ in range(2)]
    if not lines[0].startswith(b"#!"):
        return None
    words = lines[0][2:].split()
    if words[:1] == [b"/bin/sh"] and lines[1].startswith(b"'''exec'"):
        words = [lines[1][len(b"'''exec'") :].partition(b' "$0"')[0].strip().strip(b'"')]
    if words and os.path.basename(words[0]) == b"env":
        words = [word for word in words[1:] if not word.startswith(b"-")]
    if not words or not os.path.basename(words[0]).startswith((b"python", b"pypy")):
        return None
    return os.fsdecode(words[0])


def _run_module(name: str) -> None:
    runpy.run_module(name, run_name="__main__", alter_sys=True)


def _run_file(path: str) -> None:
    """Run a script as ``__main__``, which it stays: threads and children look there."""
    # https://docs.python.org/3/whatsnew/3.9.html#other-language-changes
    name = os.path.abspath(path) if sys.version_info >= (3, 9) else path
    with io.open_code(os.path.abspath(path)) as file:
        code = compile(file.read(), name, "exec", dont_inherit=True)
    main = ModuleType("__main__")
    vars(main).update(__file__=name, __builtins__=builtins, __cached__=None)
    sys.modules["__main__"] = main
    exec(code, vars(main))  # noqa: S102 - it is what the user asked to run


def _theirs(trace: Optional[TracebackType]) -> Optional[TracebackType]:
    """A traceback without what ran the command."""
    while trace is not None and trace.tb_frame.f_globals.get("__name__") in (__name__, "runpy"):
        trace = trace.tb_next
    return trace


def _report(exports: Sequence[Exported]) -> None:
    last = {each.path: at for at, each in enumerate(exports)}
    for at, each in enumerate(exports):
        where = each.path if each.path is not None else f"{each.model}, not to a path"
        said = f"not tagged: {each.reason}"
        if each.coverage is not None:
            said = f"{each.coverage} (backend {each.backend})"
        say(f"htp: {where}: {said}")
        if each.path is not None and each.tagged and at == last[each.path]:
            _report_rewritten(each.path)
    if not exports:
        say("htp: nothing was exported.")


def _report_rewritten(path: str) -> None:
    """Say what a file has now, if its tags are no longer those that were written into it."""
    if not os.path.isfile(path):
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tagged = load(path)
            coverage = tagged.coverage
    except HTPError as error:
        say(f"htp: {path}: rewritten since: {str(error).splitlines()[0]}")
        return
    if tagged.carried is not None:
        say(f"htp: {path}: rewritten since: {coverage}, carried from the file's origin")
    elif not tagged.origins:
        say(f"htp: {path}: rewritten since: it has no tags any more, and no origin")
