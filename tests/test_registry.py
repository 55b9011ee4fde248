"""Which torch selects which backend, and who may join the table."""

import subprocess
import sys
import warnings

import pytest
from packaging.version import Version

import htp
from htp import registry, torch_release

SELECTED = [
    ("1.7.1", None),
    ("1.8.0", "torchscript"),
    ("1.8.1+cu102", "torchscript"),
    ("1.13.1", "torchscript"),
    ("2.0.0a0+1767026.nv23.01", "torchscript"),
    ("2.4.1", "torchscript"),
    ("2.5.1+cu121", "torchscript"),
    ("2.6.0a0+ecf3bae40a.nv25.01", "torchscript"),
    ("2.7.0.dev20250310+cpu", "torchscript"),
    ("2.8.0rc1", "torchscript"),
    ("2.8.1", "torchscript"),
    ("2.9.0rc1", "fx"),
    ("2.9.0.dev20250901+cu128", "fx"),
    ("2.9.0", "fx"),
    ("2.10.0", "fx"),
    ("2.15.0", "fx"),
    ("2.99.0", "fx"),
    ("3.0.0", "fx"),
]

ACCEPTED = [
    ("1.7.1", []),
    ("1.8.1", ["torchscript"]),
    ("2.4.1", ["torchscript"]),
    ("2.5.0.dev20240801", ["torchscript", "fx"]),
    ("2.10.0", ["torchscript", "fx"]),
]


def row(name="mine", target="mine.backend:Backend", since="1.8", **more):
    speaks = {"exporter": "torchscript", "protocol": registry.PROTOCOL, **more}
    return htp.BackendSpec(name=name, target=target, since=since, **speaks)


@pytest.fixture
def table(monkeypatch):
    """The built-in rows, in a table that may be written to."""
    monkeypatch.setattr(registry, "_registered", {spec.name: spec for spec in registry._BUILT_IN})
    monkeypatch.setattr(registry, "_discovered", [True])
    monkeypatch.setattr(registry, "_said", set())
    monkeypatch.delenv(registry.OVERRIDE, raising=False)
    return registry._registered


@pytest.mark.parametrize(("raw", "name"), SELECTED)
def test_select(raw, name):
    assert registry.select(torch_release.release(raw), registry._BUILT_IN) == name


@pytest.mark.parametrize(("raw", "names"), ACCEPTED)
def test_accepts(raw, names):
    release = torch_release.release(raw)
    assert [spec.name for spec in registry._BUILT_IN if spec.accepts(release)] == names


def test_select_without_torch():
    assert registry.select(None, registry._BUILT_IN) is None


@pytest.mark.parametrize("raw", [raw for raw, _ in SELECTED])
def test_a_build_is_reduced_to_its_release(raw):
    release = torch_release.release(raw)
    assert not release.is_prerelease
    assert release.local is None
    assert Version(raw).release == release.release


def test_the_last_row_that_claims_a_release_is_taken():
    rows = [*registry._BUILT_IN, row(default_since="2.0", default_before="2.3")]
    chosen = [registry.select(Version(raw), rows) for raw in ("1.13.1", "2.0.0", "2.2.2", "2.3.0")]
    assert chosen == ["torchscript", "mine", "mine", "torchscript"]


def test_a_row_that_claims_nothing_is_taken_where_no_other_accepts():
    assert registry.select(Version("1.5"), [row(since="1.4")]) == "mine"
    assert registry.select(Version("1.5"), [*registry._BUILT_IN, row(since="1.4")]) == "mine"
    assert registry.select(Version("2.9"), [*registry._BUILT_IN, row(since="1.4")]) == "fx"


def test_the_installed_torch_selects_what_htp_says():
    import torch

    assert torch.__version__ == torch_release.TORCH or torch_release.TORCH in torch.__version__
    assert htp.backend == registry.select(torch_release.RELEASE, registry._BUILT_IN)


def test_backends_lists_every_row_and_one_default():
    infos = htp.available_backends()
    assert [info.name for info in infos[:2]] == ["torchscript", "fx"]
    assert [info.name for info in infos if info.default] == [htp.backend]
    for info in infos:
        assert info.usable == (info.reason is None)
        assert info.torch.startswith(">=")


class Deaf:
    """A backend that could listen."""

    def probe(self):
        return None

    def listen(self):
        raise NotImplementedError


class ProbeRaises(Deaf):
    def probe(self):
        raise RuntimeError("no\naccelerator")


class ProbeExits(Deaf):
    def probe(self):
        sys.exit("no licence")


class ProbeSaysNothing(Deaf):
    def probe(self):
        return ""


class LacksProbe:
    pass


class LacksListen:
    def probe(self):
        return None


class CannotBeMade(Deaf):
    def __init__(self):
        sys.exit(3)


STRANGERS = [
    (ProbeRaises, "its probe failed: RuntimeError: no accelerator"),
    (ProbeExits, "its probe failed: SystemExit: no licence"),
    (ProbeSaysNothing, "its probe gives no reason"),
    (LacksProbe, "its probe failed: AttributeError: 'LacksProbe' object has no attribute 'probe'"),
    (LacksListen, "it has no listen()"),
    (CannotBeMade, "cannot be made: SystemExit: 3"),
]


def own(kind, **more):
    return row(target=f"{__name__}:{kind.__name__}", **more)


def test_register_backend(table):
    before = htp.backend
    htp.register_backend(own(Deaf, default_since="1.8"))
    assert registry.chosen().name == "mine"
    assert htp.backend == "mine" != before
    assert [info.name for info in htp.available_backends() if info.default] == ["mine"]


@pytest.mark.parametrize(("kind", "reason"), STRANGERS)
def test_a_plug_in_that_fails_is_listed_and_the_others_work(table, kind, reason):
    """Also where it claims to be the default of this torch."""
    before = htp.backend
    htp.register_backend(own(kind, default_since="1.8"))
    with pytest.warns(RuntimeWarning) as caught:
        infos = htp.available_backends()
    assert [str(w.message) for w in caught] == [
        f"backend 'mine' cannot run: {reason}; taking backend {before!r}."
    ]
    assert infos[-1] == htp.BackendInfo("mine", ">=1.8", False, reason, False)
    assert [info.name for info in infos if info.default] == [before]
    assert htp.backend == before == registry.chosen().name
    with pytest.raises(htp.BackendUnavailableError) as failed:
        registry.load(registry.chosen("mine"))
    assert reason in str(failed.value)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"protocol": 1}, "speaks version 1 of the backend protocol, HTP speaks 2"),
        ({"protocol": 3}, "speaks version 3 of the backend protocol, HTP speaks 2"),
        ({"exporter": ""}, "listens to 'mine'; torch's exporters are torchscript and fx"),
    ],
)
def test_a_row_that_does_not_fit_is_listed_with_the_reason(table, said, reason):
    htp.register_backend(row(**said))
    info = htp.available_backends()[-1]
    assert not info.usable
    assert reason in info.reason
    with pytest.raises(htp.BackendUnavailableError) as caught:
        htp.export(None, backend="mine")
    assert reason in str(caught.value)


def test_a_backend_that_cannot_be_imported_names_another(table):
    htp.register_backend(row(install="my-package"))
    with pytest.raises(htp.BackendUnavailableError) as caught:
        htp.export(None, backend="mine")
    assert "No module named 'mine' (install my-package)" in str(caught.value)
    assert "Hint: backend=" in str(caught.value)


def test_register_backend_takes_specs_only(table):
    with pytest.raises(TypeError, match=r"takes an htp\.BackendSpec, found str"):
        htp.register_backend("mine")


def test_register_backend_takes_a_name_once(table):
    with pytest.raises(ValueError, match="'fx' is registered already"):
        htp.register_backend(row(name="fx"))


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"name": ""}, "needs a name"),
        ({"target": "mine.backend"}, "is not 'module:Class'"),
        ({"since": ""}, "oldest torch release"),
        ({"since": "new"}, "'new'"),
        ({"before": "old"}, "'old'"),
    ],
)
def test_a_malformed_row_is_refused(wrong, text):
    with pytest.raises(ValueError, match=text):
        row(**wrong)


def test_unknown_backend(table):
    with pytest.raises(htp.BackendUnavailableError) as caught:
        registry.chosen("torchscrip")
    assert "Registered are torchscript, fx." in str(caught.value)
    assert "Hint: did you mean 'torchscript'?" in str(caught.value)


def test_override(table, monkeypatch):
    monkeypatch.setenv("HTP_BACKEND", "torchscript")
    assert registry.default_name() == "torchscript"
    assert registry.chosen().name == "torchscript"
    assert [info.name for info in htp.available_backends() if info.default] == ["torchscript"]


def test_an_override_that_does_not_exist(table, monkeypatch):
    monkeypatch.setenv("HTP_BACKEND", "jax")
    assert registry.default_name() == "jax"
    with pytest.raises(htp.BackendUnavailableError, match="There is no backend 'jax'"):
        registry.chosen()


def test_an_argument_goes_before_the_override(table, monkeypatch):
    monkeypatch.setenv("HTP_BACKEND", "jax")
    assert registry.chosen("torchscript").name == "torchscript"


def test_a_backend_for_other_releases_is_refused(table):
    htp.register_backend(row(since="9.0"))
    with pytest.raises(htp.BackendUnavailableError) as caught:
        registry.chosen("mine")
    assert f"accepts torch>=9.0; found torch {torch_release.TORCH}." in str(caught.value)


def test_a_torch_newer_than_any_tested_warns_and_goes_on(table, monkeypatch):
    monkeypatch.setattr(torch_release, "NEWEST_TESTED", "1.4")
    with pytest.warns(RuntimeWarning) as caught:
        names = [registry.chosen().name, registry.chosen().name, htp.backend]
    assert len(set(names)) == 1
    texts = [str(warning.message) for warning in caught]
    assert len(texts) == 1, "said once"
    assert "newer than any that HTP was tested with" in texts[0]


def test_the_newest_tested_torch_does_not_warn(table, monkeypatch):
    release = torch_release.RELEASE
    monkeypatch.setattr(torch_release, "NEWEST_TESTED", f"{release.major}.{release.minor}")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        registry.chosen()


BROKEN = """
import warnings, htp
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    names = [info.name for info in htp.available_backends()]
texts = [str(w.message) for w in caught if issubclass(w.category, RuntimeWarning)]
print(names)
print([text for text in texts if "HTP leaves out" in text])
"""


@pytest.mark.parametrize(
    ("does", "fault"),
    [
        ("raise OSError('no accelerator')", "OSError: no accelerator"),
        ("raise SystemExit('no licence')", "SystemExit: no licence"),
        ("SPEC = 1", "TypeError: register_backend takes an htp.BackendSpec, found int"),
    ],
)
def test_a_broken_entry_point_warns_and_is_listed(tmp_path, does, fault):
    (tmp_path / "broken_plugin.py").write_text(f"{does}\n")
    info = tmp_path / "broken_plugin-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-plugin\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[htp.backends]\nbroken = broken_plugin:SPEC\n")
    path = [str(tmp_path), *filter(None, sys.path)]
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = {path!r}\n{BROKEN}"],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    names, texts = done.stdout.splitlines()[-2:]
    assert names == str([*(info.name for info in htp.available_backends()), "broken"])
    assert f"'broken' (broken_plugin:SPEC): {fault}" in texts
