"""A page of the documentation: what it shows, and how that is run.

What is run of a page, and how it is written there:

- a fenced block of ``python``; one that begins with ``# name.py`` is a file of that name;
- commands, which begin with ``htp``: alone in an indented block, or behind ``$`` in a block of
  ``console``, where their output follows;
- an indented block directly behind a snippet is what that prints.

In what is printed ``...`` stands for anything, and how lines are broken does not matter.
"""

import io
import os
import re
import runpy
import shlex
import subprocess
import sys
import textwrap
import warnings
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple

import pytest

from htp.cli import main
from htp.torch_release import NEWEST_TESTED, RELEASE

ROOT = Path(__file__).resolve().parents[1]
NEWEST = RELEASE is not None and f"{RELEASE.major}.{RELEASE.minor}" == NEWEST_TESTED
"""Whether this is the torch whose output the pages show."""

_FENCE = re.compile(r"^(`{3,}|:{3,})(.*)\n(?:((?:.*\n)*?))\1 *$", re.MULTILINE)
_VARIES = re.compile(r"(?<=\()\d[\d.]* k?B(?=\))|\b\d(\.\d+)?e-\d\d\b")
"""The size of a file, in which torch writes the lines of Python that ran, and numbers' noise."""
_FILE = re.compile(r"# ([\w-]+\.py)\n")


class Block(NamedTuple):
    """One block of code on a page.

    Attributes:
        kind: the word behind the fence (``python``, ``console``), or ``indented``.
        text: what stands in it.
        line: where it begins.
        end: the line behind it.
    """

    kind: str
    text: str
    line: int
    end: int

    @property
    def commands(self):
        """The commands in it, each with the output that follows it."""
        if self.kind == "console" or self.text.startswith("$ "):
            found = re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", self.text, re.MULTILINE)
            return [(line, shown.rstrip()) for line, shown in found]
        if self.kind == "indented":
            return [(line, "") for line in re.findall(r"^(htp .*)$", self.text, re.MULTILINE)]
        return []

    @property
    def is_output(self):
        """Whether it can be what the snippet before it prints."""
        return self.kind == "indented" and not self.commands


def blocks_of(text):
    """The blocks of code in a page, in their order."""
    found = []
    for match in _FENCE.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        end = line + match.group().count("\n") + 1
        found.append(Block(match.group(2).strip(), match.group(3) or "", line, end))
    rest = _FENCE.sub(lambda match: re.sub(r"[^\n]", "", match.group()), text)
    for match in re.finditer(r"(?:\A|(?<=\n\n))(?: {4}.*\n(?:\n(?= {4}))*)+", rest):
        line = rest.count("\n", 0, match.start()) + 1
        plain = textwrap.dedent(match.group())
        found.append(Block("indented", plain, line, line + match.group().count("\n")))
    return sorted(found, key=lambda block: block.line)


def page(name):
    """The blocks of a page, by its path below the repository."""
    return blocks_of((ROOT / name).read_text(encoding="utf-8"))


def called(line):
    """A command's exit status and all that it printed."""
    out = io.StringIO()
    with warnings.catch_warnings(), redirect_stdout(out), redirect_stderr(out):
        warnings.simplefilter("ignore")  # what torch warns of is looked at elsewhere
        warnings.filterwarnings("always", ".* was tagged by HTP", RuntimeWarning)
        with pytest.raises(SystemExit) as stopped:
            main(shlex.split(line, comments=True)[1:])
    return stopped.value.code or 0, out.getvalue()


def shows(shown, printed, numbers=True):
    """Whether a page shows what was printed, but for the breaks of lines and what it leaves out.

    Args:
        shown: what stands on the page.
        printed: what was printed.
        numbers: False where they are of random weights, and so others each time.
    """
    if not numbers:
        shown, printed = (
            re.sub(r"(?<![\w.])-?\d[\d.e+-]*", "#", text) for text in (shown, printed)
        )
    shown, printed = (" ".join(_VARIES.sub("#", text).split()) for text in (shown, printed))
    return re.fullmatch(re.escape(shown).replace(r"\.\.\.", ".*"), printed) is not None


def run_page(name, left_out=()):
    """Run a page from top to bottom in the current folder; its output is compared on that torch.

    Args:
        name: path below the repository.
        left_out: beginnings of commands that do not run here.

    Returns:
        What the snippets defined, and what each command ended with.
    """
    names, ended = {"__name__": "page"}, {}
    blocks = page(name)
    for block, following in zip(blocks, [*blocks[1:], None]):
        where = f"{name}:{block.line}"
        if block.kind == "python" and _FILE.match(block.text):
            Path(_FILE.match(block.text).group(1)).write_text(block.text, encoding="utf-8")
        elif block.kind == "python":
            printed = _executed(block, name, names)
            shown = following and following.is_output and following.line <= block.end + 1
            if shown and NEWEST:
                assert shows(following.text, printed), f"{where}\n{printed}"
        for line, shown in block.commands:
            if line.startswith(tuple(left_out)):
                continue
            ended[line], printed = _run(line)
            if shown and NEWEST:
                assert shows(shown, printed), f"{where}: {line}\n{printed}"
    return names, ended


def _executed(block, name, names):
    """What a snippet prints."""
    out = io.StringIO()
    with redirect_stdout(out):
        lines = "\n" * block.line + block.text
        exec(compile(lines, str(ROOT / name), "exec"), names)
    return out.getvalue()


def _run(line):
    words = shlex.split(line)
    if words[:2] == ["htp", "run"]:  # it lists the exports when Python ends
        told = subprocess.run(
            [sys.executable, "-W", "ignore", "-m", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        return told.returncode, told.stdout.decode("utf-8")
    if words[0] == "htp":
        return called(line)
    assert words[0] == "python", f"nothing runs {line!r}"
    out = io.StringIO()
    with redirect_stdout(out), redirect_stderr(out):
        runpy.run_path(os.path.abspath(words[1]), run_name="__main__")
    return 0, out.getvalue()
