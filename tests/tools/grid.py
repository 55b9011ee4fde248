"""Runs the tools on the fixtures and judges the tags: the grid of docs/propagation.md.

    python tests/tools/grid.py FIXTURES CACHE -o RESULTS [--only TEXT...] [--tools TEXT...]

FIXTURES is what ``fixtures.py`` wrote. CACHE keeps what tools made of them, and the truth, so that
judging other code of HTP again takes little; ``--prepare`` fills it and judges nothing. RESULTS
gets a file for each fixture. ``--tuning`` leaves out the models that are kept aside; ``--wrong``
prints each tag that is not right.
"""

import argparse
import datetime as dt
import hashlib
import json
import multiprocessing
import os
import shutil
import sys
import traceback
import warnings
from importlib import metadata
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent.parent / "tools")]

import numpy as np  # noqa: E402
import onnx  # noqa: E402

import htp  # noqa: E402
from fingerprint import fingerprint  # noqa: E402
from tools.by_markers import every_node, planted  # noqa: E402
from tools.judging import by_name, judge, survived, truth, verdict  # noqa: E402
from tools.renaming import renamed  # noqa: E402
from tools.rewriters import TOOLS, preload  # noqa: E402
from written import as_json  # noqa: E402

MODELS = json.loads((HERE / "models.json").read_text("utf-8"))
ORACLES = ("by_numbers.py", "by_markers.py", "running.py", "judging.py")
TOLD = [
    "onnx",
    "onnxruntime",
    "onnxscript",
    "onnx-ir",
    "onnxslim",
    "onnxsim",
    "polygraphy",
    "onnx-tool",
    "nncf",
    "numpy",
]
PATIENCE = 300


def group_of(stem):
    model = stem.partition("-")[0]
    return next(name for name in ("tuning", "kept_aside") if model in MODELS[name])


def version(package):
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def apart(work, *arguments, silent=False):
    """Call in a process of its own: a tool may crash, or keep what it learned of another model.

    Args:
        work: what to call.
        arguments: with what.
        silent: whether what it prints goes nowhere.

    Returns:
        What it gave, or an error in one line.
    """
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)

    def body():
        if silent:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            for stream in (1, 2):
                os.dup2(nowhere, stream)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                theirs.send((work(*arguments), None))
        except Exception as error:
            theirs.send((None, in_a_line(error)))

    process = context.Process(target=body)
    process.start()
    theirs.close()
    try:
        answered = ours.poll(PATIENCE)
        found = ours.recv() if answered else (None, f"it took more than {PATIENCE} s")
    except EOFError:
        found = (None, "the process ended without an answer")
    process.kill() if process.is_alive() and found[0] is None else None
    process.join()
    return found


def in_a_line(error):
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0]}"[:300]


class Fixture:
    """A tagged file, made ready for the tools: weights inside, and beside it a marked and a
    stripped one."""

    def __init__(self, path, cache):
        self.stem, self.source = path.stem, path
        self.folder = cache.resolve() / path.stem
        self.inputs = dict(np.load(str(path.with_suffix(".npz"))))
        self.old = self.folder / "tagged.onnx"
        self.stamp = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
        self.prepare()

    def prepare(self):
        said = self.folder / "stamp"
        if said.exists() and said.read_text() == self.stamp:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        for left in self.folder.iterdir():
            left.unlink()
        model = onnx.load_model(str(self.source))
        onnx.save_model(model, str(self.old))
        config = self.source.with_suffix(".json")
        if config.exists():
            shutil.copy(str(config), str(self.folder / "config.json"))
        onnx.save_model(planted(model), str(self.folder / "marked.onnx"))
        htp.load(str(self.old)).strip().save(str(self.folder / "stripped.onnx"))
        said.write_text(self.stamp)

    def of(self, name, kind):
        plain = "".join(c if c.isalnum() else "-" for c in name)
        return self.folder / f"{plain}.{kind}"


def rewrite(fixture, name):
    """Run a tool on the three files; its errors, by file."""
    errors = {}
    for kind in ("tagged", "marked", "stripped"):
        old, new = fixture.folder / f"{kind}.onnx", fixture.of(name, f"{kind}.onnx")
        if new.exists():
            new.unlink()
        try:
            TOOLS[name].rewrite(str(old), str(new), fixture.inputs)
        except Exception as error:
            errors[kind] = in_a_line(error).replace(str(fixture.folder), "FOLDER")
        else:
            if not new.exists():
                errors[kind] = "it wrote no file"
    return errors


def equal_but_for_tags(fixture, name):
    """Where the tool did not do the same to the tagged file as to the stripped one, or None."""
    ours = fixture.of(name, "tagged.onnx")
    theirs = fixture.of(name, "stripped.onnx").read_bytes()
    stripped = fixture.of(name, "restripped.onnx")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            htp.load(str(ours)).strip().save(str(stripped))
            data = stripped.read_bytes()
        except htp.InvalidModelError:  # nothing in it tells of modules: nothing to strip
            data = ours.read_bytes()
    if data == theirs:
        return None
    one, two = onnx.ModelProto.FromString(data), onnx.ModelProto.FromString(theirs)
    if one == two:
        return "order of entries"
    for field in one.DESCRIPTOR.fields:
        mine, other = getattr(one, field.name), getattr(two, field.name)
        if mine != other and field.name != "graph":
            return field.name
    for field in one.graph.DESCRIPTOR.fields:
        mine, other = getattr(one.graph, field.name), getattr(two.graph, field.name)
        if mine != other:
            return f"graph.{field.name}"
    return "unknown fields"


def studied(fixture, name):
    """What a tool made of a fixture, and what is true of it; from the cache where it is known."""
    said = fixture.of(name, "json")
    digest = hashlib.sha256(fixture.stamp.encode())
    for part in ORACLES:
        digest.update((HERE / part).read_bytes())
    stamp = digest.hexdigest()[:16] + str(version(TOOLS[name].package))
    if said.exists():
        known = json.loads(said.read_text("utf-8"))
        if known["stamp"] == stamp:
            return known
    known, failed = apart(looked_into, fixture, name, silent=True)
    if failed:  # it crashed: on the stripped file as well, or nobody knows
        known = {"errors": {"tagged": failed}}
    known["stamp"] = stamp
    said.write_text(json.dumps(known), encoding="utf-8")
    return known


def looked_into(fixture, name):
    """Run a tool, compare, and find the truth."""
    os.chdir(str(fixture.folder))  # some leave files where they are called
    errors = rewrite(fixture, name)
    known = {"errors": errors}
    if "tagged" not in errors:
        if "stripped" not in errors:
            known["differs"] = equal_but_for_tags(fixture, name)
        known["truth"] = told(fixture, name, "marked" not in errors)
    return known


def told(fixture, name, with_marks):
    new = onnx.load_model(str(fixture.of(name, "tagged.onnx")))
    marked = onnx.load_model(str(fixture.of(name, "marked.onnx"))) if with_marks else None
    old = onnx.load_model(str(fixture.old))
    # what merged decoders want to know beside the model's own inputs
    inputs = {**fixture.inputs, "use_cache_branch": np.ones(1, dtype=bool)}
    return truth(old, new, marked, inputs, TOOLS[name].tolerance)._asdict()


def judged(fixture, name, owners, show):
    """The verdicts on each way to tell owners, as counts."""
    path = fixture.of(name, "tagged.onnx")
    new, old = onnx.load_model(str(path)), onnx.load_model(str(fixture.old))
    owners = [tuple(map(tuple, owner)) if owner else None for owner in owners]
    ways = {"survived": survived(new), "by name": by_name(old, new)}
    if hasattr(htp, "carry"):
        anonymous = renamed(new)
        ways["carried"] = tags(htp.carry(htp.load(str(fixture.old)), new))
        ways["carried, renamed"] = tags(htp.carry(htp.load(str(fixture.old)), anonymous))
        if any(prop.key.startswith("pkg.htp") for prop in new.metadata_props):
            ways["loaded"] = tags(htp.load(str(path)))
            ways["loaded, renamed"] = tags(htp.load(anonymous))
    found = {way: judge(owners, stacks) for way, stacks in ways.items()}
    if hasattr(htp, "carry"):
        found["owned"] = sum(map(bool, ways["carried"]))
    if show:
        for at, node in enumerate(every_node(new)):
            for way in show:
                said = verdict(owners[at], ways[way][at]) if way in ways else "right"
                if said not in {"right", "undecided"}:
                    print(
                        f"  {way}: {said} {at} {node.op_type} {node.name} "
                        f"{path_of(ways[way][at])} not {path_of(owners[at])}"
                    )
    return found


def path_of(stack):
    return f"{stack[-1][0]}@{stack[-1][2]}" if stack else "?"


def tags(tagged):
    return [tuple(map(tuple, tag.stack)) for _, tag in tagged.nodes()]


def row(fixture, name, show):
    known = studied(fixture, name)
    result = {
        "tool": name,
        "package": TOOLS[name].package,
        "version": version(TOOLS[name].package),
        "loses origin": TOOLS[name].loses_origin,
        "errors": known["errors"],
        "differs": known.get("differs"),
    }
    found = known.get("truth")
    if found is None:
        return result
    result.update(
        {
            "nodes": len(found["owners"]),
            "told by numbers": found["numbers"],
            "told by markers": found["markers"],
            "disputed": found["disputed"],
            "not run": found["failed"],
        }
    )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result["ways"] = judged(fixture, name, found["owners"], show)
    except Exception as error:
        result["failed"] = in_a_line(error)
    return result


def study(path, options):
    fixture = Fixture(path, options.cache)
    model, torch, backend = path.stem.rsplit("-", 2)
    offered = [name for name in TOOLS if version(TOOLS[name].package)]
    names = [n for n in offered if not options.tools or any(t in n for t in options.tools)]
    rows = []
    for name in names:
        if options.prepare:
            known = studied(fixture, name)
            print(f"{path.stem} {name}: {known['errors'] or 'done'}", flush=True)
            continue
        try:
            rows.append(row(fixture, name, options.wrong))
        except Exception:
            traceback.print_exc()
            raise
        said = rows[-1]
        ways = said.get("ways") or {}
        print(
            f"{path.stem:34s} {name:32s} {said.get('nodes', '-'):>5} "
            f"{shown(ways, 'by name')} {shown(ways, 'carried')} {shown(ways, 'carried, renamed')} "
            f"{'; '.join(said['errors'].values()) or said.get('failed') or ''}"[:200],
            *(f"differs: {said['differs']}",) if said["differs"] else (),
            *(f"DISPUTED {len(said['disputed'])}",) if said.get("disputed") else (),
            flush=True,
        )
    return {
        "schema": 1,
        "code": fingerprint(Path(htp.__file__).parent),
        "model": model,
        "group": group_of(path.stem),
        "torch": torch[len("torch") :],
        "backend": backend,
        "date": dt.datetime.now(tz=dt.timezone.utc).date().isoformat(),
        "companions": {name: version(name) for name in TOLD},
        "tools": rows,
    }


def joined(result, written):
    """With the rows of tools that this run left out: those of another environment."""
    if not written.exists():
        return result
    before = json.loads(written.read_text("utf-8"))
    if before["code"] != result["code"]:
        return result
    rows = {row["tool"]: row for row in (*before["tools"], *result["tools"])}
    companions = {**before["companions"], **{k: v for k, v in result["companions"].items() if v}}
    if len(result["tools"]) < len(before["tools"]):
        companions = {**companions, **before["companions"]}
    order = [name for name in TOOLS if name in rows]
    return {**result, "tools": [rows[name] for name in order], "companions": companions}


def shown(ways, way):
    if way not in ways:
        return "-"
    return "/".join(str(count) for count in ways[way].values())


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("fixtures", type=Path)
    parser.add_argument("cache", type=Path)
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--only", nargs="*", default=[], metavar="TEXT")
    parser.add_argument("--tools", nargs="*", default=[], metavar="TEXT")
    parser.add_argument("--tuning", action="store_true")
    parser.add_argument("--prepare", action="store_true")
    parser.add_argument("--wrong", nargs="*", default=[], metavar="WAY")
    options = parser.parse_args()
    preload()
    for path in sorted(options.fixtures.glob("*.onnx"), key=lambda p: (group_of(p.stem), p)):
        wanted = not options.only or any(text in path.stem for text in options.only)
        if not wanted or not path.with_suffix(".npz").exists():
            continue
        if options.tuning and group_of(path.stem) != "tuning":
            continue
        result = study(path, options)
        if options.output and not options.prepare:
            options.output.mkdir(parents=True, exist_ok=True)
            written = options.output / f"{path.stem}.json"
            result = joined(result, written)
            text = as_json(result, 2)
            written.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
