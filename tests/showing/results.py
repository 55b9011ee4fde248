"""Results of every kind, of modules with any names. Needs no torch."""

import json

from literal import ROOT, model, node, value

import htp
from htp.comparing.diff import Diff
from htp.comparing.row import DiffRow
from htp.exported import Exported, Exports
from htp.profiling.kernels import Kernel, OwnedKernel
from htp.profiling.result import Profile
from htp.proving.bisect import Bisection
from htp.proving.measure import Measure
from htp.proving.overflow import Overflow, OverflowRow
from htp.proving.ranking import NotSwapped, Sensitivity, SensitivityRow
from htp.proving.verification import NotJudged, Tolerance, Verification, VerificationRow
from htp.scope import ModuleCall

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</style></div></details><svg onload=alert(1)>",
    "' style='position:fixed' onmouseover='alert(1)",
    "<!--",
    "<![CDATA[",
    "&lt;b&gt;&amp;#60;",
    "a\0b\x1b[2J",
    "\u202etxt.exe\u2066",
    "\ud800",
    "`${alert(1)}`{{7*7}}$x$",
    "x" * 1_000_000,
    "<" * 100_000,
]


def call(path, number=0):
    return ModuleCall(path, f"m.{path}", number)


def chain(paths):
    """A file whose modules have these paths, each a child of the root, with one node each."""
    names = ["x", *(f"v{at}" for at in range(len(paths)))]
    nodes = [
        node("Relu", before, after, f"n{at}", None)
        for at, (before, after) in enumerate(zip(names, names[1:]))
    ]
    for path, each in zip(paths, nodes):
        del each.metadata_props[:]
        made = [list(ROOT), [path, f"m.{path}", 0]]
        each.metadata_props.add(key="pkg.htp.stack", value=json.dumps(made))
        each.metadata_props.add(key="pkg.htp.provenance", value="captured")
    calls = [[*ROOT, 0], *([path, f"m.{path}", 0, 1] for path in paths)]
    return htp.load(model(nodes, [value("x", 4)], [value(names[-1], 4)], calls=calls))


def row(path, error=0.0, arises=False):
    measure = Measure(4, error, error, 1.0, 0, 1.0, error, 1.0, 1.0)
    allowed = Tolerance(1e-3, 1e-3)
    why = f"because of {path}" if arises else ""
    return VerificationRow(
        call(path), measure, measure, allowed, error * 1e3, error > 0, arises, (call(path),), why
    )


def verification(paths, wrong=1):
    rows = tuple(row(path, 1.0 if at < wrong else 0.0, not at) for at, path in enumerate(paths))
    lost = tuple(NotJudged(call(path), f"no border {path}") for path in paths)
    return Verification(rows, lost, None, 1, tuple(paths))


def profile(tagged, texts):
    """Each node of a file took a millisecond; whatever is told of it is one of these texts."""
    kernels = [
        OwnedKernel(Kernel(text, text, 1e-3, 1.0, text), tag, exact=not at, nodes=(at,))
        for at, ((_, tag), text) in enumerate(zip(tagged.nodes(), texts))
    ]
    return Profile(tagged.file, kernels, 1, texts[0], tuple(texts))


def results(paths):
    """A result of every kind, of modules with these paths."""
    # A file that says half a surrogate is not read; other results may hold what nobody wrote.
    tagged = chain([path.encode("utf-8", "replace").decode() for path in paths])
    of_overflow = [OverflowRow(path, f"m.{path}", 1e5, path, True) for path in paths]
    of_ranking = [SensitivityRow(path, True, f"m.{path}", 1.0, 0.5, 1) for path in paths]
    differing = [DiffRow(path, "operator", path, path, call(path), (path,)) for path in paths]
    refused = tuple(NotSwapped(path, path) for path in paths)
    numbers = {path: Measure() for path in paths}
    return {
        "tagged": tagged,
        "tree": tagged.tree(),
        "branch": tagged.tree().children[0],
        "cost": tagged.cost(),
        "selection": tagged.select(),
        "verification": verification(paths),
        "overflow": Overflow(tuple(of_overflow), 5e4, 1, tuple(paths), tagged),
        "sensitivity": Sensitivity(
            *(tuple(of_ranking), tuple(paths), frozenset(paths), 0.9, 0.8, 1, 1, 1.0, 2.0),
            *("SQNR", refused, 1, 1, tuple(paths), tagged),
        ),
        "bisection": Bisection(
            *(tuple(paths), (tuple(paths),), 3, 4, numbers, numbers, Tolerance(0, 0), False),
            *(tuple(paths), tuple(paths)),
        ),
        "profile": profile(tagged, paths),
        "diff": Diff(tuple(differing), tuple(paths), 3, (), (1, 1), ("", "")),
        "exports": Exports([Exported(path, path, "fx", "fx", reason=path) for path in paths]),
    }
