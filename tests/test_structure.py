"""The house itself: who may import whom, how long things are, what every file says of itself.

Only source is read, by ``ast``; nothing of it is imported, so these take milliseconds. Each
exception is data with its reason, and one that is no longer needed fails.
"""

import ast
import statistics
from functools import lru_cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent / "htp"

# A room: a file, or a folder with all below it. It may import the rooms behind it and itself, and
# these stand further down in the table, so no circle of rooms can be written here.
LEAVES = (
    *("htp.scope", "htp.errors", "htp.printable", "htp.steps", "htp.torch_release"),
    *("htp.version", "htp.warned"),
)
HEARD = ("htp.graph.records", "htp.graph.index", "htp.graph.memory")
ROOMS = {
    # the command line is as thin as it is because all that it does is called
    "htp.__main__": ("htp.cli",),
    # parses, calls, prints
    "htp.cli": (
        *("htp", "htp.export", "htp.drop_in", "htp.turns", "htp.exported", "htp.registry"),
        *("htp.annotated", "htp.carried", "htp.carry_report", "htp.comparing", "htp.profiling"),
        *("htp.proving", "htp.reporting", "htp.running", "htp.showing", "htp.sidecar"),
        "htp.viewing",
        *("htp.arguments.options", "htp.tagged", "htp.use", "htp.tree", "htp.file", "htp.graph"),
        *LEAVES,
    ),
    # the suite uses HTP as its users do, through the door, and hears backends as export does
    "htp.testing": (
        "htp",
        "htp.registry",
        "htp.backends.base",
        "htp.file.records",
        *HEARD,
        *LEAVES,
    ),
    # the door: names, nothing else
    "htp": (
        *("htp.export", "htp.drop_in", "htp.exported", "htp.registry", "htp.neighbours"),
        *("htp.annotated", "htp.carried", "htp.carry_report", "htp.comparing.diff"),
        *(
            "htp.profiling",
            "htp.proving",
            "htp.reporting",
            "htp.tagged",
            "htp.tree",
            "htp.viewing",
            *LEAVES,
        ),
    ),
    # what was found of a file, in the form that a viewer of graphs loads
    "htp.viewing": (
        *("htp.profiling", "htp.proving", "htp.tagged", "htp.file", "htp.graph", *LEAVES),
    ),
    # a page of a file, and of what is said of it: results come as documents, so that it runs none
    "htp.reporting": (
        *("htp.tagged", "htp.tree", "htp.pattern", "htp.carry_report", "htp.profiling.table"),
        *("htp.comparing.contents", "htp.use", "htp.file", *LEAVES),
    ),
    # runs files beside PyTorch or each other, and tells which module is to blame
    "htp.proving": (
        *("htp.carried", "htp.tagged", "htp.running", "htp.use", "htp.showing", "htp.file"),
        *("htp.graph", "htp.backends.common", *LEAVES),
    ),
    # how long each module takes: a runtime's profile, joined to what the runtime made of a file
    "htp.profiling": (
        *("htp.tagged", "htp.carry_report", "htp.rewritten", "htp.matching", "htp.running"),
        *("htp.use", "htp.showing", "htp.file", "htp.graph", *LEAVES),
    ),
    # tags onto what a tool made of a file
    "htp.carried": (
        *("htp.tagged", "htp.sidecar", "htp.skeletons", "htp.rewritten", "htp.file"),
        *LEAVES,
    ),
    # what differs between two files: graphs of its own, so that no rule of the matching hides it
    "htp.comparing": ("htp.tagged", "htp.showing", "htp.file", *LEAVES),
    # select, listen, complete, write: it knows every room on that way, and no backend by name
    "htp.export": (
        *("htp.arguments", "htp.turns", "htp.exported", "htp.failures", "htp.registry"),
        *("htp.spec", "htp.backends.common", "htp.tagged", "htp.sidecar", "htp.file", "htp.graph"),
        *LEAVES,
    ),
    # exports of others: stands where torch's exporters are entered, and knows no backend by name
    "htp.drop_in": (
        *("htp.guest", "htp.turns", "htp.exported", "htp.registry", "htp.graph.rooted"),
        *("htp.backends.common", *LEAVES),
    ),
    # one such export: listen, complete, write
    "htp.guest": (
        *("htp.turns", "htp.exported", "htp.failures", "htp.registry", "htp.spec"),
        *("htp.backends.base", "htp.backends.common", "htp.tagged"),
        *("htp.file", "htp.graph", *LEAVES),
    ),
    # exports wait for each other, and those who ask are told of them
    "htp.turns": ("htp.exported", "htp.printable"),
    # says in a line what a listener knows
    "htp.failures": ("htp.backends.base", *LEAVES),
    # from what was asked to torch's exporter: it asks what this one takes and which opset it wrote
    "htp.arguments": (
        *("htp.backends.common.facts", "htp.file.frames", "htp.file.wire"),
        *LEAVES,
    ),
    # names backends by strings, and knows their type only
    "htp.registry": ("htp.backends.base", "htp.plugins", "htp.spec", "htp.usable", *LEAVES),
    # each mechanism by itself: never another one, nor arguments, file and tagged
    "htp.backends.*": ("htp.backends.base", "htp.backends.common", *HEARD, *LEAVES),
    # what every mechanism needs
    "htp.backends.common": ("htp.backends.base", *HEARD, *LEAVES),
    # the contract
    "htp.backends.base": ("htp.graph.records", *LEAVES),
    "htp.backends": (),
    # tags for a file that was exported without: reads and writes, and asks what finds owners
    "htp.annotated": ("htp.annotating", "htp.tagged", "htp.file", "htp.graph", *LEAVES),
    # sources of owners and how they are joined: pure, but for what others write into files
    "htp.annotating": ("htp.file.dialects", "htp.graph", *LEAVES),
    # a thin handle: what it answers with stands below
    "htp.tagged": (
        *("htp.use", "htp.tree", "htp.pattern", "htp.owed", "htp.sidecar"),
        *("htp.carry_report", "htp.showing", "htp.file", *LEAVES),
    ),
    # the origin in a file beside the model
    "htp.sidecar": ("htp.skeletons", "htp.fresh", "htp.file", "htp.graph", *LEAVES),
    # a file in onnxruntime: sessions, samples, values inside
    "htp.running": ("htp.use.types", "htp.file", *LEAVES),
    # what its methods call: each reads one file, and knows no TaggedModel
    "htp.use": (
        *("htp.tree", "htp.pattern", "htp.fresh", "htp.showing", "htp.file", "htp.graph"),
        *LEAVES,
    ),
    # what tags a rewritten file is owed by its own origin
    "htp.owed": (
        "htp.skeletons",
        "htp.rewritten",
        "htp.carry_report",
        "htp.file",
        "htp.graph",
        *LEAVES,
    ),
    # what the origins of a file tell of the graph that it was
    "htp.skeletons": ("htp.rewritten", "htp.matching", "htp.file", "htp.graph", *LEAVES),
    # sides from files, and files from what they matched
    "htp.rewritten": (
        *("htp.matching", "htp.fresh", "htp.carry_report", "htp.file", "htp.graph", *LEAVES),
    ),
    # counts, for those who read
    "htp.carry_report": ("htp.showing", *LEAVES),
    # what a rewritten file says of where it comes from
    "htp.fresh": ("htp.file", "htp.graph", *LEAVES),
    # whose the nodes of a rewritten graph are: it matches graphs, and knows no file
    "htp.matching": ("htp.graph", *LEAVES),
    "htp.tree": ("htp.showing", *LEAVES),
    # one rule for all that takes patterns
    "htp.pattern": LEAVES,
    # bytes and keys, from and into records
    "htp.file": ("htp.graph", *LEAVES),
    # records and what follows from them: no torch, no onnx
    "htp.graph": LEAVES,
    # a row says of a release whether it is its own
    "htp.usable": ("htp.plugins", "htp.spec", *LEAVES),
    "htp.plugins": (),
    "htp.spec": (),
    "htp.neighbours": (),
    "htp.exported": ("htp.showing", *LEAVES),
    # rows as text, HTML and data frames: it knows columns, and no result
    "htp.showing": LEAVES,
    # values and facts know nothing of who uses them
    **dict.fromkeys(LEAVES, ()),
}

# Who may import torch; all others work without it.
TORCH = {
    "htp.annotating.model": "it looks at the model's parameters",
    "htp.annotating.modules": "it tells lists of modules from those that are called",
    "htp.backends": "they listen to its exporters",
    "htp.proving": "it runs the model beside the file",
    "htp.arguments": "it calls its exporters",
    "htp.testing": "the suite's models are made of it",
    "htp.cli.demo_model": "the demo's model is made of it",
    "htp.cli.progress": "its log handlers, which are silenced, come with its import",
}

# Who may import torch's private modules. Attributes are looked after by ruff (SLF001).
PRIVATE = {
    "htp.backends": "where torch's private names are known",
    "htp.testing": "models of operators that have no public name; the suite looks inside",
}

# Circles that nothing closes at run time: an import under TYPE_CHECKING, for an annotation.
CLOSED_BY_TYPES = {
    "htp.backends.torchscript.scripted -> htp.backends.torchscript.recorder": (
        "the marks of scripted bodies are read into the ledger that has them read"
    ),
}

LONGEST_FILE = 300
LONG_FILES = {}

LONGEST_FUNCTION = 30
LONG_FUNCTIONS = {
    "cli/doctor.py examine": "a question after the other, in the order of the report",
    "cli/tree.py print_tree": "a table with its columns, as it is printed",
}

# ``__all__`` is what other files may take. These have none yet.
UNLISTED = set()
WITHOUT_ALL = {
    "backends/common/modules.py",
    "backends/common/undisturbed.py",
    "backends/torchscript/scopes.py",
    "backends/torchscript/scripted.py",
    "file/records.py",
}


def name_of(path, root=ROOT):
    parts = ["htp", *path.relative_to(root).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@lru_cache(maxsize=None)
def parsed(root):
    """Every file's tree, by the name of its module."""
    return {
        name_of(path, root): ast.parse(path.read_text(encoding="utf-8"))
        for path in sorted(root.rglob("*.py"))
    }


class Arrow:
    """One import. For ``from htp.a import b`` the target is ``htp.a.b`` where that is a file."""

    def __init__(self, source, target, names, line, typing):
        self.source, self.target, self.names, self.typing = source, target, names, typing
        self.text = f"{source}:{line} imports {target}" + (" for its types" if typing else "")


def arrows(trees):
    """Every import of every file, also those in functions and those under TYPE_CHECKING."""
    found = []
    for source, tree in trees.items():
        typing = {
            id(node)
            for test in ast.walk(tree)
            if isinstance(test, ast.If) and getattr(test.test, "id", "") == "TYPE_CHECKING"
            for node in ast.walk(test)
        }
        for node in ast.walk(tree):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                assert not getattr(node, "level", 0), f"{source}:{node.lineno} is relative"
                for target, names in targets(node, trees):
                    found.append(Arrow(source, target, names, node.lineno, id(node) in typing))
    return found


def targets(node, trees):
    """What one statement imports: modules, with the names that it takes from them."""
    if isinstance(node, ast.Import):
        return [(alias.name, []) for alias in node.names]
    whole = [f"{node.module}.{alias.name}" for alias in node.names]
    files = [(name, []) for name in whole if name in trees]
    taken = [alias.name for alias, name in zip(node.names, whole) if name not in trees]
    return files + ([(node.module, taken)] if taken else [])


def within(module, room):
    return module == room or (room != "htp" and module.startswith(f"{room}."))


def room_of(module):
    """The room that a file stands in: the longest that fits."""
    rooms = [room for room in ROOMS if within(module, room)]
    if module.startswith("htp.backends.") and max(rooms, key=len) == "htp.backends":
        return "htp.backends.*"
    return max(rooms, key=len, default=None)


def own_folder(module):
    return ".".join(module.split(".")[:3])


def against_the_layers(found):
    wrong = []
    for arrow in found:
        if within(arrow.target, "htp") or arrow.target.startswith("htp."):
            here, there = room_of(arrow.source), room_of(arrow.target)
            at_home = here == there and (
                here != "htp.backends.*" or own_folder(arrow.source) == own_folder(arrow.target)
            )
            if not at_home and not any(within(arrow.target, room) for room in ROOMS[here]):
                wrong.append(arrow.text)
    return wrong


def circles(found):
    """The arrows that are left when those from a file without others, or to one, are taken away."""
    left = list(found)
    while True:
        sources, ends = {arrow.source for arrow in left}, {arrow.target for arrow in left}
        fewer = [arrow for arrow in left if arrow.target in sources and arrow.source in ends]
        if len(fewer) == len(left):
            return sorted(arrow.text for arrow in left)
        left = fewer


def strangers(found, allowed, unwanted):
    """Imports of something by files that are not allowed to; and who is allowed for nothing."""
    wanting = [arrow for arrow in found if unwanted(arrow)]
    wrong = [a.text for a in wanting if not any(within(a.source, room) for room in allowed)]
    return wrong, [r for r in allowed if not any(within(a.source, r) for a in wanting)]


def of_torch(arrow):
    return arrow.target.partition(".")[0] == "torch"


def private_of_torch(arrow):
    parts = [*arrow.target.split("."), *arrow.names]
    return of_torch(arrow) and any(p[0] == "_" for p in parts)


def body_lines(function):
    """Lines from the first statement behind the docstring to the last."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return body[-1].end_lineno - body[0].lineno + 1 if body else 0


def functions(trees):
    """Lines of every function, also of those within others, by file and name."""
    return [
        (name, node.name, body_lines(node))
        for name, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    ]


def defined(tree):
    """The names that the statements of a file bind, those in ``if`` and ``try`` included."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names.update(alias.asname or alias.name for alias in node.names)
    return names


def exported(tree):
    """The names in ``__all__``, or None."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__":
            return ast.literal_eval(node.value)
    return None


def public(tree):
    plain = (ast.FunctionDef, ast.ClassDef)
    return [n.name for n in tree.body if isinstance(n, plain) and not n.name.startswith("_")]


def missing_from_all(trees, found):
    """Files without ``__all__``, names that others take and it does not list, and the reverse."""
    lists = {name: exported(tree) for name, tree in trees.items()}
    without = {name for name, names in lists.items() if names is None and public(trees[name])}
    unlisted = {
        f"{arrow.target} {name}"
        for arrow in found
        for name in arrow.names
        if lists.get(arrow.target) is not None and name not in lists[arrow.target]
    }
    gone = {
        f"{module} {name}"
        for module, names in lists.items()
        for name in set(names or ()) - defined(trees[module])
    }
    return without, unlisted, gone


def file_of(module):
    path = ROOT.joinpath(*module.split(".")[1:])
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return path.relative_to(ROOT).as_posix()


# What the tree must be.


def test_no_import_goes_against_the_layers():
    assert against_the_layers(arrows(parsed(ROOT))) == []


def test_imports_form_no_circle():
    found = arrows(parsed(ROOT))
    assert circles([arrow for arrow in found if not arrow.typing]) == []
    closing = [a for a in found if a.typing and f"{a.source} -> {a.target}" in CLOSED_BY_TYPES]
    assert len(closing) == len(CLOSED_BY_TYPES)
    assert circles([arrow for arrow in found if arrow not in closing]) == []
    for needless in closing:
        rest = [arrow for arrow in found if arrow not in closing or arrow is needless]
        assert circles(rest) != [], f"{needless.text}: closes no circle"


def test_every_file_has_a_room_and_every_room_a_file():
    rooms = {name: room_of(name) for name in parsed(ROOT)}
    assert [name for name, room in rooms.items() if room is None] == []
    assert set(rooms.values()) == set(ROOMS)


def test_the_table_of_rooms_points_down():
    order = list(ROOMS)
    for room, below in ROOMS.items():
        for other in below:
            if room.startswith("htp.backends.") and other == "htp.backends.common":
                continue  # beside it in the table's names, below it by the next line
            assert order.index(room_of(other)) > order.index(room), (room, other)


def test_who_imports_torch():
    assert strangers(arrows(parsed(ROOT)), TORCH, of_torch) == ([], [])


def test_who_imports_private_modules_of_torch():
    assert strangers(arrows(parsed(ROOT)), PRIVATE, private_of_torch) == ([], [])


def test_no_file_is_long():
    lines = {p.relative_to(ROOT).as_posix(): len(p.read_text("utf-8").splitlines()) for p in SOURCE}
    long = {name: count for name, count in lines.items() if count > LONGEST_FILE}
    assert set(long) == set(LONG_FILES), long


def test_functions_are_short():
    lines = [count for _, _, count in functions(parsed(ROOT))]
    assert statistics.median(lines) <= 10


def test_long_functions_have_a_reason():
    long = {
        f"{file_of(module)} {name}": count
        for module, name, count in functions(parsed(ROOT))
        if count > LONGEST_FUNCTION
    }
    assert set(long) == set(LONG_FUNCTIONS), long


def test_every_file_says_what_it_is():
    assert [name for name, tree in parsed(ROOT).items() if not ast.get_docstring(tree)] == []


def test_what_others_may_take_is_listed():
    without, unlisted, gone = missing_from_all(parsed(ROOT), arrows(parsed(ROOT)))
    assert gone == set()
    assert unlisted == UNLISTED
    assert {file_of(module) for module in without} == WITHOUT_ALL


SOURCE = sorted(ROOT.rglob("*.py"))


# That the checks can fail: a house with one thing wrong in it.


@pytest.fixture
def house(tmp_path):
    """Writes files below a folder of its own and reads them as if they were HTP's."""

    def build(**files):
        for name, text in files.items():
            path = tmp_path.joinpath(*name.split("__")).with_suffix(".py")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return parsed(tmp_path)

    return build


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("scope", "from htp import tree\n"),
        ("graph__complete", "def f():\n    from htp.file.wire import opset\n"),
        ("backends__fx__calls", "from htp.backends.torchscript import points\n"),
        ("backends__fx__calls", "from htp.graph.complete import complete\n"),
        ("backends__fx__calls", "from htp import arguments\n"),
        ("backends__common__patching", "from htp.backends.fx import marks\n"),
        ("arguments__fx", "from htp.file import keys\n"),
        ("tree", "if TYPE_CHECKING:\n    from htp.tagged import TaggedModel\n"),
        ("registry", "import htp\n"),
    ],
)
def test_an_arrow_that_points_up_is_found(house, file, text):
    others = {
        name: ""
        for name in (
            *("tree", "tagged", "arguments__keys", "graph__complete", "file__wire", "file__keys"),
            *("backends__fx__marks", "backends__torchscript__points"),
        )
        if name != file
    }
    [wrong] = against_the_layers(arrows(house(**{file: text}, **others)))
    assert wrong.startswith(f"htp.{file.replace('__', '.')}:")
    assert wrong.endswith(" for its types") == ("TYPE_CHECKING" in text)


def test_a_circle_is_found(house):
    trees = house(
        graph__a="from htp.graph.b import x",
        graph__b="def f():\n    from htp.graph import c",
        graph__c="import htp.graph.a",
        graph__d="import htp.graph.a",
    )
    assert circles(arrows(trees)) == [
        "htp.graph.a:1 imports htp.graph.b",
        "htp.graph.b:2 imports htp.graph.c",
        "htp.graph.c:1 imports htp.graph.a",
    ]
    trees["htp.graph.c"] = ast.parse("")
    assert circles(arrows(trees)) == []


def test_a_stranger_to_torch_is_found(house):
    trees = house(
        tree="def f():\n    import torch.nn\n",
        cli__app="from torch.onnx._internal import exporter\n",
        backends__fx__ir="from torch import _C\n",
    )
    wrong, idle = strangers(arrows(trees), TORCH, of_torch)
    assert [text.partition(":")[0] for text in wrong] == ["htp.cli.app", "htp.tree"]
    assert "htp.arguments" in idle
    wrong, idle = strangers(arrows(trees), PRIVATE, private_of_torch)
    assert [text.partition(":")[0] for text in wrong] == ["htp.cli.app"]
    assert "htp.backends" not in idle


def test_lines_of_a_function(house):
    text = 'def f():\n    """Says.\n\n    More."""\n    x = 1\n\n    def g():\n        return x\n'
    assert functions(house(tree=text)) == [("htp.tree", "f", 4), ("htp.tree", "g", 1)]


def test_a_name_that_is_taken_and_not_listed_is_found(house):
    trees = house(
        tree='__all__ = ["a", "gone"]\na = 1\nb = 2\n',
        tagged="from htp.tree import a, b\n\n\ndef f():\n    return a + b\n",
    )
    found = missing_from_all(trees, arrows(trees))
    assert found == ({"htp.tagged"}, {"htp.tree b"}, {"htp.tree gone"})
