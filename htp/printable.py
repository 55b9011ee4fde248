"""Text that somebody else chose, made safe for a terminal: the one rule for all that is printed."""

__all__ = ["printable"]


def printable(text: object) -> str:
    r"""A text on one line that does nothing to a terminal: what is no character is spelled out.

    A name may hold sequences that move the cursor, set the title, open links or turn the direction
    of writing: ``ESC ] 0 ; ...`` becomes ``\x1b]0;...``.
    """
    told = str(text)
    if told.isprintable():
        return told
    return "".join(each if each.isprintable() else _spelled(each) for each in told)


def _spelled(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
