"""The module calls of a file, asked for by path and number."""

import re
from typing import Dict, Iterable, List, NamedTuple, Optional, Sequence, Tuple

from htp.errors import HTPError, UnknownModuleError, did_you_mean
from htp.file.origin import Origin
from htp.scope import ModuleCall
from htp.use.places import Placed

__all__ = ["Calls", "Found"]


class Found(NamedTuple):
    """A module call that was asked for.

    Attributes:
        call: the call.
        origin: the export that it belongs to; None where no origin knows it.
    """

    call: ModuleCall
    origin: Optional[Origin]


class Calls:
    """The module calls of a file.

    Args:
        rows: its nodes.
        origins: of the file.
    """

    def __init__(self, rows: Iterable[Placed], origins: Sequence[Origin]) -> None:
        tags = {id(row.tag): row.tag for row in rows}.values()
        self._told = {(c.path, c.call): c for tag in tags for c in (*tag.stack, *tag.shared)}
        self._homes: Dict[Tuple[str, int], List[Origin]] = {}
        for origin in origins:
            for each, _ in origin.calls:
                self._told.setdefault((each.path, each.call), each)
                self._homes.setdefault((each.path, each.call), []).append(origin)

    def asked(self, path: str, number: int) -> Found:
        """The call that is meant.

        Args:
            path: of the module; ``"block@1"`` is its second call.
            number: which of its calls.

        Raises:
            UnknownModuleError: there is no such call.
            HTPError: several models in the file have it.
            TypeError: the path is no text.
        """
        if not isinstance(path, str):
            raise TypeError(f"A module is named by its path; found {type(path).__name__}.")
        key = self._key(path, number)
        homes = self._homes.get(key, [])
        if len({origin.fingerprint for origin in homes}) > 1:
            raise HTPError(
                f"{len(homes)} of the models in this file have a module {path!r}.",
                "take them apart first.",
            )
        return Found(self._told[key], next(iter(homes), None))

    def _key(self, path: str, number: int) -> Tuple[str, int]:
        if (path, number) in self._told:
            return path, number
        before, at, end = path.rpartition("@")
        said = int(end) if at and re.fullmatch("[0-9]{1,18}", end) else -1
        names = {name for name, _ in self._told}
        if path not in names and before in names and said >= 0 and number == 0:
            return self._key(before, said)
        numbers = sorted(each for name, each in self._told if name == path)
        if numbers:
            raise UnknownModuleError(
                f"There is no call {number} of {path!r}.",
                f"its calls are {', '.join(map(str, numbers[:8]))}.",
            )
        raise UnknownModuleError(f"No module is called {path!r}.", did_you_mean(path, names))
