"""HTML that HTP wrote, read as a browser does, and held to what it may hold."""

import re
from html.parser import HTMLParser

ELEMENTS = frozenset(
    (
        *("div", "style", "p", "b", "i", "span", "ul", "li", "details", "summary"),
        *("table", "thead", "tbody", "tr", "th", "td"),
    )
)
ATTRIBUTES = frozenset(("class", "style", "title", "open"))
CLASSES = frozenset(("htp", "t", "r", "n", "d", "h", "h n", "w", "strong", "weak"))
STYLES = re.compile(
    r"background:linear-gradient\(90deg,rgba\(0,114,178,\.35\) \d{1,3}%,transparent 0\)"
    r"|--htp:minmax\(12ch,1fr\) [\dch ]*;width:\d+ch"
)


class Page(HTMLParser):
    """What a browser makes of it.

    Attributes:
        rows: the text of each row, of tables and of trees.
        folded: of those rows how many are not seen before somebody unfolds them.
        texts: all texts that are shown.
    """

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.rows, self.texts, self.folded = [], [], 0
        self._open = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        assert tag in ELEMENTS, tag
        given = dict(attrs)
        assert set(given) <= ATTRIBUTES, given
        assert given.get("class", "htp") in CLASSES
        assert "style" not in given or STYLES.fullmatch(given["style"]), given
        is_row = tag == "tr" or given.get("class") == "r"
        if is_row:
            is_summary = tag == "summary"
            outer = self._open[:-1] if is_summary else self._open
            self.folded += any(name == "details" and not inside for name, inside in outer)
            self.rows.append("")
        self._open.append((tag, "open" in given))

    def handle_startendtag(self, tag, attrs):
        raise AssertionError(tag)

    def handle_endtag(self, tag):
        assert self._open.pop()[0] == tag

    def handle_comment(self, data):
        raise AssertionError(data)

    def handle_decl(self, decl):
        raise AssertionError(decl)

    def unknown_decl(self, data):
        raise AssertionError(data)

    def handle_pi(self, data):
        raise AssertionError(data)

    def handle_data(self, data):
        if self._open[-1][0] == "style":
            assert not re.search(r"url\(|@import|expression|</", data)
            return
        assert "".join(data).isprintable(), data
        self.texts.append(data)
        if any(name in ("tr", "summary", "div") for name, _ in self._open[1:]) and self.rows:
            self.rows[-1] += data
