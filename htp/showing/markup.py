"""The pieces of HTML that tables and trees are made of.

It is read in notebooks, light and dark, and where a host of repositories shows one: there scripts
are gone, and styles mostly, too. So the order of the elements tells all, colours are those of the
surroundings, and what is filled is half transparent. Whatever comes from a file is escaped here.
"""

from html import escape
from typing import Any, List, Sequence

from htp.showing.sheet import Column, Sheet
from htp.showing.text import brief

__all__ = ["MOST_LINES", "STYLE", "below", "element", "filled", "framed", "safe"]

LONGEST = 120
"""Characters of a cell."""
LONGEST_LINE = 400
"""Characters of a line below."""
MOST_LINES = 40
"""Lines below."""

STYLE = (
    ".htp{font-size:13px;line-height:1.45;max-width:100%;overflow-x:auto;"
    "font-variant-numeric:tabular-nums}"
    ".htp p{margin:.4em 0}"
    ".htp .w{border-collapse:collapse;margin:.3em 0;font-size:1em}"
    ".htp .w th,.htp .w td{padding:.15em .9em .15em .3em;text-align:left;"
    "white-space:pre-wrap;vertical-align:top;max-width:44em}"
    ".htp .n,.htp .w .n{text-align:right;white-space:pre}"
    ".htp .w th,.htp .h{font-weight:600;opacity:.7}"
    ".htp tr.strong td{background:rgba(213,94,0,.22);font-weight:600}"
    ".htp tr.weak td{background:rgba(213,94,0,.09)}"
    ".htp summary{cursor:pointer}"
    ".htp .r{display:grid;grid-template-columns:var(--htp);column-gap:1em;white-space:pre}"
    ".htp .r>*{overflow:hidden;text-overflow:ellipsis;font-weight:400}"
    ".htp .r i{display:none}"
    ".htp .r>.d{opacity:.7}"
    ".htp .r>.h{font-weight:600}"
    ".htp .r>.h::before{content:attr(title)}"
    ".htp .t ul{list-style:none;margin:0 0 0 .45em;padding:0 0 0 .9em;"
    "border-left:1px solid rgba(127,127,127,.35)}"
    ".htp .t>ul{margin:0;padding:0;border:0}"
    ".htp .t li{margin:0;padding:0}"
    ".htp .t summary{list-style:none}"
    ".htp .t summary::-webkit-details-marker{display:none}"
    ".htp .t li .r>:first-child::before{content:'';display:inline-block;width:1.1em}"
    ".htp .t details>.r>:first-child::before{content:'\\25B8'}"
    ".htp .t details[open]>.r>:first-child::before{content:'\\25BE'}"
    ".htp .t li .r:hover{background:rgba(127,127,127,.14)}"
)
"""No colour of text or ground is said but half transparent ones, which any theme shows through."""


def safe(text: object, most: int = LONGEST) -> str:
    """A text as HTML shows it, character for character, on one line of bounded length."""
    return escape(brief(text, most))


def element(name: str, content: str, classes: str = "", style: str = "", title: str = "") -> str:
    """An element.

    Args:
        name: its tag.
        content: HTML.
        classes: of HTP's own.
        style: likewise.
        title: a text, which is escaped.
    """
    about = f' class="{classes}"' if classes else ""
    about += f' style="{style}"' if style else ""
    about += f' title="{safe(title)}"' if title else ""
    return f"<{name}{about}>{content}</{name}>"


def filled(sheet: Sheet[Any], rows: Sequence[Any]) -> List[Column[Any]]:
    """The columns in which some of these rows have something; the first one has their names."""
    return [
        column
        for at, column in enumerate(sheet.told)
        if not at or (column.text is not None and any(map(column.text, rows)))
    ]


def framed(sheet: Sheet[Any], body: Sequence[str]) -> str:
    """The whole: its style, a line that says what it is, and what there is to see."""
    head = element("p", f"{element('b', safe(sheet.kind))}: {safe(sheet.title, LONGEST_LINE)}")
    return f'<div class="htp"><style>{STYLE}</style>{head}{"".join(body)}</div>'


def below(ends: Sequence[str]) -> List[str]:
    """What is said below: a paragraph each; lines that are set in are folded into the one before.

    ======================  ===========================
    2 calls are not judged  > 2 calls are not judged
      a: it is folded           (opened: the two lines)
      b: it is folded
    ======================  ===========================
    """
    groups: List[List[str]] = []
    for line in ends[:MOST_LINES]:
        if line.startswith(" ") and groups:
            groups[-1].append(line)
        else:
            groups.append([line])
    if len(ends) > MOST_LINES:
        groups.append([f"{len(ends) - MOST_LINES} more lines: print() shows all."])
    return [_group(group[0], group[1:]) for group in groups]


def _group(line: str, more: Sequence[str]) -> str:
    told = safe(line, LONGEST_LINE)
    if not more:
        return element("p", told)
    items = "".join(element("li", safe(each.strip(), LONGEST_LINE)) for each in more)
    return element("details", element("summary", told) + element("ul", items))
