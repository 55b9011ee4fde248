"""HTP's own keys in nodes and initializers: how they are written, read, and told from others'.

A node of schema 2 has ``stack``, ``path``, ``provenance`` and ``origin``; where it stands for
several calls, ``shared`` and ``sharing``; where its tag was carried from another file,
``evidence``; and where HTP did not add all dialect keys (see ``dialects``), ``dialects`` names
those that it did. So what HTP wrote is told from what the exporter wrote by what the node says of
itself, whatever order a tool leaves the entries in.

Schema 1 had neither ``origin``, ``sharing`` nor ``dialects``: there the dialect keys that HTP added
stand behind the block that begins with ``stack``, ``path``, ``provenance``.
"""

import json
import re
from typing import Any, Callable, Collection, Dict, List, Optional, Sequence, Tuple

from htp.errors import InvalidModelError
from htp.file.dialects import ADDED
from htp.file.entries import BYTES, Props, form
from htp.scope import Evidence, ModuleCall, Provenance, Sharing, Stack, Tag

__all__ = [
    "DEEPEST",
    "Entries",
    "decode",
    "decode_parameter",
    "encode_parameter",
    "ours",
    "rows",
]

PREFIX = "pkg.htp."
STACK = f"{PREFIX}stack"
PATH = f"{PREFIX}path"
PROVENANCE = f"{PREFIX}provenance"
SHARED = f"{PREFIX}shared"
SHARING = f"{PREFIX}sharing"
EVIDENCE = f"{PREFIX}evidence"
ORIGIN = f"{PREFIX}origin"
DIALECTS = f"{PREFIX}dialects"
PARAMETER = f"{PREFIX}parameter"

AGAIN = "the file was damaged or changed by another tool; export it again."

DEEPEST = 1000
"""Module calls within each other: Python itself runs fewer, so a file that tells of more is odd."""

_ADDED = frozenset(written.key for written in ADDED)


dumps = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode
"""JSON without blanks."""


def small(digits: str) -> int:
    """A number that is read in no time: Python takes the square of its length."""
    if len(digits) > 18:
        raise ValueError("a number is too large")
    return int(digits)


_decoded = json.JSONDecoder(parse_int=small).decode


def loads(text: str) -> Any:
    r"""What JSON holds.

    Raises:
        ValueError: it is no JSON, or says half a surrogate (``\ud800``), which no file can hold
            and no terminal can show.
    """
    held = _decoded(text)
    if "\\u" in text:
        dumps(held).encode()
    return held


class Entries:
    """The entries of all nodes of an export. What nodes and stacks share is put in words once.

    Args:
        origin: fingerprint of the export that writes them.
    """

    def __init__(self, origin: str) -> None:
        self._origin = _NODE[ORIGIN](origin)
        self._said: Dict[Stack, Tuple[str, ...]] = {(): ("[", *(row.start for row in ADDED))}
        self._templates: Dict[Tuple[int, Tuple[str, ...]], Tuple[Tag, _Template]] = {}
        """By the tag's identity, for which the tag is kept: comparing stacks takes longer."""

    def of(self, tag: Tag, present: Tuple[str, ...], name: str, op: str) -> bytes:
        """The entries of one node, as bytes to append to it.

        Args:
            tag: what is known of the node.
            present: the keys that the exporter wrote; none of them is written again.
            name: the node's name.
            op: its operator, without the domain.
        """
        place = (id(tag), present)
        found = self._templates.get(place)
        if found is None:
            found = self._templates[place] = (tag, self._template(tag, present))
        own, added = found[1]
        for made, calls, node, end in added:
            own += made(f"{calls}{node(name, op)}{end}")
        return own.encode(BYTES)

    def _template(self, tag: Tag, present: Collection[str]) -> "_Template":
        stack, *said = self._calls(tag.stack)
        rows = [each for each in zip(_ADDED_BY, said) if tag.stack and each[0][0] not in present]
        own = f"{_STACK_OF(f'{stack}]')}{_PATH_OF(tag.path)}{_KNOWN[tag.provenance]}"
        if tag.evidence:
            own += _NODE[EVIDENCE](str(tag.evidence))
        if tag.shared:
            own += _NODE[SHARED](dumps([list(call) for call in tag.shared]))
        if tag.sharing:
            own += _NODE[SHARING](str(tag.sharing))
        own += self._origin
        if len(rows) < len(_ADDED_BY):
            own += _NODE[DIALECTS](",".join(row[0] for row, _ in rows))
        return own, [(made, text, node, end) for (_, made, node, end), text in rows]

    def _calls(self, stack: Stack) -> Tuple[str, ...]:
        """What ``stack`` and each dialect say of the calls, from what they say of those above."""
        said = self._said.get(stack)
        if said is None:
            own, *others = self._calls(stack[:-1])
            call = stack[-1]
            comma = "," if len(stack) > 1 else ""
            own += f"{comma}[{dumps(call.path)},{dumps(call.type)},{call.call}]"
            others = [text + tell(call) for tell, text in zip(_TELL, others)]
            said = self._said[stack] = (own, *others)
        return said


_Made = Callable[[str], str]
_Template = Tuple[str, Sequence[Tuple[_Made, str, Callable[[str, str], str], str]]]
"""What nodes of one tag share: their own entries; and of each dialect what makes its entry, what it
says of the calls, what says a node's name and operator, and the end."""

_NODE: Dict[str, _Made] = {
    key: form("node", key)
    for key in (STACK, PATH, PROVENANCE, EVIDENCE, SHARED, SHARING, ORIGIN, DIALECTS, *_ADDED)
}
_STACK_OF, _PATH_OF = _NODE[STACK], _NODE[PATH]
_KNOWN = {each: _NODE[PROVENANCE](str(each)) for each in Provenance}
_ADDED_BY = [(row.key, _NODE[row.key], row.node, row.end) for row in ADDED]
_TELL = [row.call for row in ADDED]

_PARAMETER_OF = form("tensor", PARAMETER)


def encode_parameter(names: Sequence[str]) -> bytes:
    """The entry of one initializer."""
    told = ",".join(map(dumps, names))  # a text in JSON takes a fifth of the time of a list
    return _PARAMETER_OF(f"[{told}]").encode(BYTES)


def ours(entries: Props) -> List[bool]:
    """Which entries of one message HTP wrote."""
    props = dict(entries)
    if ORIGIN in props:
        added = props[DIALECTS].split(",") if DIALECTS in props else _ADDED
        return [key.startswith(PREFIX) or (key in _ADDED and key in added) for key, _ in entries]
    return _ours_by_order([key for key, _ in entries])


def _ours_by_order(keys: Sequence[str]) -> List[bool]:
    """In schema 1. Where a tool sorted the entries, it can't be told: what is doubtful stays."""
    at = keys.index(STACK) if STACK in keys else len(keys)
    intact = list(keys[at + 1 : at + 3]) == [PATH, PROVENANCE]
    return [
        key.startswith(PREFIX) or (intact and place > at and key in _ADDED)
        for place, key in enumerate(keys)
    ]


def rows(held: Any, kinds: Tuple[type, ...], where: str) -> List[Sequence[Any]]:
    """A list of rows whose columns have these types, or its JSON.

    Raises:
        InvalidModelError: it is something else.
    """
    try:
        found = list(loads(held) if isinstance(held, str) else held)
        for row in found:
            if tuple(map(type, row)) != kinds:
                wanted = ", ".join(kind.__name__ for kind in kinds)
                raise TypeError(f"{str(row)[:80]} is no row of [{wanted}]")
    except (ValueError, TypeError, RecursionError) as error:
        raise InvalidModelError(
            f"{where} cannot be read: {str(held)[:80]!r} ({error})", AGAIN
        ) from error
    return found


def calls(text: str, where: str) -> Tuple[ModuleCall, ...]:
    """Module calls from a JSON list of ``[path, type, call]``."""
    return tuple(map(ModuleCall._make, rows(text, (str, str, int), where)))


class Stacks:
    """Reads stacks. What one shares with an earlier one, its calls but the last, is read once."""

    def __init__(self) -> None:
        self._known: Dict[str, Stack] = {"[": ()}

    def read(self, text: str) -> Stack:
        """The stack that a node's metadata holds.

        Raises:
            InvalidModelError: it holds something else.
        """
        found = self._read(text)
        if len(found) > DEEPEST:
            raise InvalidModelError(f"{STACK} has {len(found)} calls, {DEEPEST} at most.", AGAIN)
        return found

    def _read(self, text: str) -> Stack:
        match = _LAST_CALL.match(text, text.rfind("["))
        if match is None:
            return calls(text, STACK)
        before = text[: match.start()]
        above = self._known.get(before)
        if above is None:
            above = self._known[before] = calls(text, STACK)[:-1]
        path, kind, call = match.groups()
        return (*above, ModuleCall(path, kind, int(call)))


_PLAIN = r'"([^"\\\x00-\x1f]*)"'  # a text that stands for itself
_LAST_CALL = re.compile(rf"\[{_PLAIN},{_PLAIN},(0|[1-9][0-9]{{0,17}})\]\]\Z")
"""The last call of a stack, as HTP writes it where no text holds a backslash.

It cannot begin within a text: the quotes from there on would be an odd number, and are four."""


_PROVENANCES = {str(each): each for each in Provenance}


def decode(texts: Sequence[Optional[str]], stacks: Stacks) -> Tag:
    """The tag that HTP wrote into a node.

    Args:
        texts: its ``stack``, ``provenance``, ``shared``, ``sharing`` and, if it can have any,
            ``evidence``; None what it has not. Where the file holds no valid UTF-8, protobuf gives
            bytes.
        stacks: those that were read before.

    Raises:
        InvalidModelError: it cannot be read.
    """
    stack, provenance, shared, sharing, evidence = (*texts, None)[:5]
    if isinstance(stack, bytes):
        raise InvalidModelError(f"A tag is no text: {str(stack)[:80]}", AGAIN)
    return Tag(
        stacks.read(stack or ""),
        _PROVENANCES.get(provenance or "unknown") or _one_of(Provenance, provenance, PROVENANCE),
        () if shared is None else calls(shared, SHARED),
        None if sharing is None else _one_of(Sharing, sharing, SHARING),
        None if evidence is None else _one_of(Evidence, evidence, EVIDENCE),
    )


def _one_of(kind: Any, text: Optional[str], where: str) -> Any:
    try:
        return kind(text)
    except ValueError:
        accepted = ", ".join(map(str, kind))
        raise InvalidModelError(
            f"{where} is {str(text)[:80]!r}; accepted are {accepted}.", AGAIN
        ) from None


def decode_parameter(text: str) -> Tuple[str, ...]:
    """The names in an initializer's metadata."""
    try:
        names = loads(text)
    except (ValueError, TypeError, RecursionError):
        names = None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise InvalidModelError(f"{PARAMETER} is not a list of names: {text[:80]!r}", AGAIN)
    return tuple(names)
