"""What a page shows of a command's output, compared with what the command prints.

module                          class    max abs     a line that is printed, in form: a number
encoder.layer.0.attention       Linear       0.5     stands for any, and so does its unit of time
...                                                  any lines
An error first arises in encoder.layer.0.attention
"""

import re

__all__ = ["block", "form", "is_shown"]

_NUMBER = re.compile(r"-?\d+(\.\d+)?(e[+-]\d+)?")
_TIMES = frozenset(["ns", "µs", "ms", "s"])


def block(page, first):
    """The indented lines of a page that begin with a line, without their indentation."""
    after = page[page.index(f"\n    {first}") + 1 :]
    lines = re.match(r"((    .*)?\n)+", after).group().rstrip("\n").splitlines()
    return [line[4:] for line in lines]


def form(line):
    """A line with any number in the place of each, and its columns one space apart."""
    words = ("#" if _NUMBER.fullmatch(word) else word for word in line.split())
    return " ".join("time" if word in _TIMES else word for word in words)


def is_shown(lines, printed):
    """Whether the lines were printed one behind the other, but for what ``...`` leaves out."""
    found = [form(line) for line in printed if line.strip()]
    at, anywhere = 0, False
    for line in (each for each in lines if each.strip()):
        if line == "...":
            anywhere = True
            continue
        if anywhere:
            at = next((i for i in range(at, len(found)) if found[i] == form(line)), len(found))
        if at == len(found) or found[at] != form(line):
            return False
        at, anywhere = at + 1, False
    return anywhere or at == len(found)
