"""Whose the nodes of a rewritten graph are, by matching it with the tagged one: a file a stage."""

from htp.matching.matched import Change, Matched
from htp.matching.matching import match
from htp.matching.side import Side

__all__ = ["Change", "Matched", "Side", "match"]
