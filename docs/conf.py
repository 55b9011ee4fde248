"""The site: ``nox -s docs`` builds it into ``build/docs``.

Its source is the repository as it is: the pages of this folder and those at the top that they link
to, so that a link is the same in the site and in a repository browser.
"""

import glob
import re
import sys
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

from docutils import nodes

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from htp.version import VERSION  # noqa: E402 - the folder is no package

project = "HTP"
author = "The HTP authors"
copyright = "the HTP authors, Apache-2.0"  # noqa: A001 - Sphinx's own name
version = release = VERSION

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
root_doc = "docs/index"
source_suffix = {".md": "markdown"}
include_patterns = ["docs/**", "*.md"]
exclude_patterns = [
    *("[!d]*/**", ".*", "build", "dist", "htp", "tests", "tools", "examples", "benchmarks"),
    "constraints",
]

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 4

autodoc_mock_imports = ["torch", "onnxruntime"]
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented_params"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
python_use_unqualified_type_names = True
add_module_names = False

nitpicky = True
nitpick_ignore_regex = [
    (
        r"py:.*",
        r"(DataFrame|Writable|Shapes|ModelFile|htp\.file\.(store\.Writable|model_file\.ModelFile))",
    ),
    (r"py:.*", r"htp\.(use\.places\.Placed|graph\.records\.\w+)"),
    (r"py:.*", r"(onnx|onnx_ir|numpy|torch|click|os|pathlib|collections|typing)(\..*)?"),
]

html_theme = "furo"
html_title = f"HTP {VERSION}"
html_copy_source = False
html_show_sphinx = False
html_static_path = ["static"]
html_css_files = ["site.css"]
html_theme_options = {"source_view_link": "", "top_of_page_buttons": []}
linkcheck_timeout = 10


def _inlined(app: Any, doctree: nodes.document, _: str) -> None:
    """Put drawings into the page itself: their text can be selected, and follows the theme."""
    if app.builder.format != "html":
        return
    for image in list(doctree.findall(nodes.image)):
        path = ROOT / image["uri"]
        text = path.read_text(encoding="utf-8") if path.suffix == ".svg" else ""
        if 'class="way"' in text:
            image.replace_self(nodes.raw("", f'<figure class="way">{text}</figure>', format="html"))


def _named(app: Any, doctree: nodes.document, _: str) -> None:
    """A link that shows a page's file name is there for who reads the files: show the page's."""
    for link in list(doctree.findall(nodes.reference)):
        shown = re.fullmatch(r"(?:docs/)?(\w+)\.md", link.astext())
        if shown and link.get("internal"):
            link.children = [nodes.Text(shown.group(1))]


def _entrance(app: Any, error: Any) -> None:
    """The folder's own index leads to the first page."""
    if error is None and app.builder.name == "html":
        page = '<!doctype html><meta http-equiv="refresh" content="0; url=docs/index.html">\n'
        (Path(app.outdir) / "index.html").write_text(page, encoding="utf-8")


BUILT_BY_HAND = {"BackendSpec", "Case", "Coverage", "Example", "Inputs", "ModuleCall", "Tag"}
"""Classes that users make themselves; of others it does not matter how they are made."""


def _signature(
    _app: Any, what: str, name: str, _obj: Any, _options: Any, signature: str, _returns: str
) -> Optional[Tuple[Optional[str], None]]:
    """Show how a class is made only where users make it."""
    hidden = what == "class" and name.rpartition(".")[2] not in BUILT_BY_HAND
    return ("", None) if hidden else None


def _docstring(_app: Any, what: str, name: str, _obj: Any, _options: Any, lines: List[str]) -> None:
    """Leave out the arguments of such a class; blank lines stay, so that sections stay apart."""
    if what != "class" or name.rpartition(".")[2] in BUILT_BY_HAND or "Args:" not in lines:
        return
    start = lines.index("Args:")
    end = next((n for n, t in enumerate(lines) if n > start and t and t[0] != " "), len(lines))
    del lines[start:end]


def _without_missing(_app: Any, docname: str, source: List[str]) -> None:
    """Take patterns of pages out of the table of contents that this checkout does not have."""
    if docname == root_doc:
        lines = source[0].splitlines(keepends=True)
        source[0] = "".join(
            line
            for line in lines
            if not re.fullmatch(r"[./A-Za-z]+\*\n", line)
            or glob.glob(f"{ROOT}/docs/{line.strip()}.md")
        )


def _part(app: Any, env: Any, node: Any, _: Any) -> Any:
    """What a method that cuts a part out gives: to its users it is a tagged model."""
    if not node.get("reftarget", "").endswith("Made_co"):
        return None
    domain = env.get_domain("py")
    name = "htp.TaggedModel"
    shown = nodes.literal(text="TaggedModel")
    return domain.resolve_xref(env, node["refdoc"], app.builder, "class", name, node, shown)


def setup(app: Any) -> Dict[str, bool]:
    """Sphinx's entrance."""
    app.connect("source-read", _without_missing)
    app.connect("autodoc-process-signature", _signature)
    app.connect("autodoc-process-docstring", _docstring, priority=400)  # before napoleon
    app.connect("missing-reference", _part)
    app.connect("doctree-resolved", _inlined)
    app.connect("doctree-resolved", _named)
    app.connect("build-finished", _entrance)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
