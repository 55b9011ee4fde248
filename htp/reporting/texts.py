"""The texts of a page: each once, on one line, and as long as somebody may want to read.

A name in a file is as long as somebody wrote it, and may hold what turns the direction of writing.
What is shown is the name with such characters spelled out; where that is not the name itself, the
page does not offer it as an argument of a command.
"""

from typing import Dict, List, Set, Tuple

from htp.printable import printable

__all__ = ["Texts", "shown"]

LONGEST = 300
"""Characters of a text that are shown: of a longer one the first and the last of them."""


def shown(text: object) -> str:
    """A text as a page shows it."""
    told = str(text)
    if len(told) > LONGEST:
        half = LONGEST // 2
        told = f"{told[:half]} ... {len(told) - LONGEST} characters ... {told[-half:]}"
    return printable(told)


class Texts:
    """Texts by number."""

    def __init__(self) -> None:
        self._numbers: Dict[str, int] = {}
        self._texts: List[str] = []
        self._altered: Set[int] = set()

    def number(self, text: str) -> int:
        """The number of a text; equal ones have the same."""
        found = self._numbers.get(text)
        if found is None:
            found = self._numbers[text] = len(self._texts)
            told = shown(text)
            self._texts.append(told)
            if told != text:
                self._altered.add(found)
        return found

    def known(self, text: str) -> bool:
        """Whether it has one already."""
        return text in self._numbers

    def numbers(self, texts: Tuple[str, ...]) -> List[int]:
        """Of several."""
        return [self.number(text) for text in texts]

    def all(self) -> List[str]:
        """The texts, each at its number, as they are shown."""
        return self._texts

    def altered(self) -> List[int]:
        """The numbers of those that are not shown as they are."""
        return sorted(self._altered)
