"""The page: one file of HTML that loads nothing, and in which nothing but its own script can run.

What is shown stands in it as JSON that the browser takes for data, and the script puts it into the
page as text. Should a text get by as markup all the same, the policy at the top lets no script, no
style, no picture, no form and no address of it work: scripts and styles run by their hashes only.
"""

import base64
import hashlib
import html
import json
import pkgutil
import re
from typing import Any, Dict, List, Mapping, Sequence

__all__ = ["Library", "libraries", "page"]

SCRIPTS = (
    *("text", "data", "pattern", "search", "state", "order", "bits", "columns", "grid", "nodes"),
    *("detail", "head", "keys", "app"),
)
"""HTP's own, in the order in which they build on each other; together they are one script."""
STYLES = ("base", "layout", "grid", "detail", "print")

Library = Mapping[str, str]
"""A row of ``vendor/libraries.json``."""


def _asset(name: str) -> str:
    data = pkgutil.get_data("htp.reporting", f"assets/{name}")
    assert data is not None
    return data.decode("utf-8")


def libraries() -> List[Library]:
    """The libraries in the page, in the order in which they build on each other."""
    rows: List[Library] = json.loads(_asset("vendor/libraries.json"))
    return rows


def page(document: Mapping[str, Any], title: str) -> str:
    """The page.

    Args:
        document: what it shows; plain values only.
        title: of the page.
    """
    bundled = libraries()
    scripts = [_bundled(row) for row in bundled]
    scripts.append(_own(SCRIPTS))
    style = "\n".join(_asset(f"{name}.css") for name in STYLES)
    notices = [{**row, "text": _asset(f"vendor/{row['notice']}")} for row in bundled]
    holes = {
        "POLICY": html.escape(_policy(scripts, style)),
        "TITLE": html.escape(title),
        "STYLE": style,
        "DATA": inert(document),
        "LIBRARIES": inert(notices),
        "SCRIPTS": "\n".join(f"<script>{script}</script>" for script in scripts),
    }
    return _filled(_asset("page.html"), holes)


def _bundled(row: Library) -> str:
    """A library as it was published, but for the address of its source map, which is not here."""
    return re.sub(r"//# sourceMappingURL=\S*", "", _asset(f"vendor/{row['file']}"))


def _own(names: Sequence[str]) -> str:
    """HTP's own scripts in one function, so that they share names and leave none to the page."""
    body = "\n".join(_asset(f"{name}.js") for name in names)
    return f'(() => {{\n"use strict";\n{body}}})();'


def _filled(template: str, holes: Mapping[str, str]) -> str:
    """The template with its holes filled: what fills one is not looked at for others."""
    found: List[str] = []
    for piece in template.split("{{"):
        name, closing, rest = piece.partition("}}")
        found.append(holes[name] + rest if closing else piece)
    return "".join(found)


def _policy(scripts: Sequence[str], style: str) -> str:
    rules: Dict[str, str] = {
        "default-src": "'none'",
        "script-src": " ".join(map(_hash, scripts)),
        "style-src": _hash(style),
        "img-src": "data:",
        "form-action": "'none'",
        "base-uri": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
    }
    return "; ".join(f"{name} {value}" for name, value in rules.items())


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"


def inert(document: Any) -> str:
    """JSON that ends no script, opens no comment and is ASCII, whatever texts are in it."""
    told = json.dumps(document, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    for character in "<>&\x7f":
        told = told.replace(character, f"\\u{ord(character):04x}")
    return told
