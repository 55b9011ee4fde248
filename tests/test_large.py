"""Models whose weights lie in data files, small ones here and one above 2 GB when asked for."""

import os
import shutil
import subprocess
import sys

import numpy as np
import onnx
import pytest
import torch
from torch import nn

import htp
from htp.testing.noise import LET_TORCH_WARN
from htp.testing.running import run_eager, run_onnx

pytestmark = LET_TORCH_WARN

USABLE = [info.name for info in htp.available_backends() if info.usable]


def small():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 8)).eval()


@pytest.fixture(scope="module", params=USABLE)
def first(request, tmp_path_factory):
    """A tagged model with its weights in a data file, and the same as it was exported."""
    folder = tmp_path_factory.mktemp("first")
    tagged = htp.export(small(), (torch.ones(1, 64),), folder / "first.onnx", backend=request.param)
    target = tmp_path_factory.mktemp("outside")
    options = {"save_as_external_data": True, "size_threshold": 0, "location": "weights.bin"}
    onnx.save_model(onnx.load(str(folder / "first.onnx")), str(target / "model.onnx"), **options)
    return target, tagged


@pytest.fixture
def outside(first, tmp_path):
    """Its folder, to be changed at will."""
    folder, tagged = first
    return shutil.copytree(folder, tmp_path / "outside"), tagged


def tags(tagged):
    return [tag for _, tag in tagged.nodes()]


def test_tags_are_read_and_weights_are_not(outside):
    folder, tagged = outside
    loaded = htp.load(folder / "model.onnx")
    assert tags(loaded) == tags(tagged)
    assert not [t.name for t in loaded.model.graph.initializer if t.raw_data or t.float_data]


def test_tags_are_read_without_the_data_file(outside):
    folder, tagged = outside
    os.remove(folder / "weights.bin")
    assert tags(htp.load(folder / "model.onnx")) == tags(tagged)


def test_save_beside_leaves_the_data_file_alone(outside):
    folder, _ = outside
    before = os.stat(folder / "weights.bin")
    htp.load(folder / "model.onnx").save(folder / "again.onnx")
    after = os.stat(folder / "weights.bin")
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    assert (folder / "again.onnx").read_bytes() == (folder / "model.onnx").read_bytes()


def test_save_elsewhere_takes_the_data_file_along(outside, tmp_path):
    folder, _ = outside
    target = tmp_path / "target"
    target.mkdir()
    htp.load(folder / "model.onnx").save(target / "other.onnx")
    assert sorted(os.listdir(target)) == ["other.onnx", "weights.bin"]
    assert (target / "weights.bin").read_bytes() == (folder / "weights.bin").read_bytes()
    onnx.checker.check_model(str(target / "other.onnx"), full_check=True)
    model, x = small(), torch.ones(1, 64)
    found = run_onnx(str(target / "other.onnx"), model, (x,))
    np.testing.assert_allclose(found[0], run_eager(model, (x,), {})[0], rtol=1e-4, atol=1e-5)


def test_strip_keeps_the_weights_outside(outside, tmp_path):
    folder, _ = outside
    htp.load(folder / "model.onnx").strip().save(tmp_path / "model.onnx")
    model = onnx.load(str(tmp_path / "model.onnx"), load_external_data=False)
    assert all(tensor.external_data for tensor in model.graph.initializer)
    assert b"pkg.htp" not in (tmp_path / "model.onnx").read_bytes()
    assert (tmp_path / "weights.bin").read_bytes() == (folder / "weights.bin").read_bytes()


def test_a_missing_data_file_is_an_error_and_nothing_is_written(outside, tmp_path):
    folder, _ = outside
    os.remove(folder / "weights.bin")
    target = tmp_path / "target"
    target.mkdir()
    with pytest.raises(htp.HTPError, match=r"weights\.bin"):
        htp.load(folder / "model.onnx").save(target / "model.onnx")
    assert os.listdir(target) == []


@pytest.mark.parametrize("location", ["../secret.bin", "/etc/hostname", "sub/../../secret.bin"])
def test_a_data_file_outside_the_folder_is_not_copied(outside, tmp_path, location):
    folder, _ = outside
    (tmp_path / "secret.bin").write_bytes(b"secret")
    model = onnx.load(str(folder / "model.onnx"), load_external_data=False)
    for entry in model.graph.initializer[0].external_data:
        if entry.key == "location":
            entry.value = location
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    target = tmp_path / "deep" / "target"
    target.mkdir(parents=True)
    with pytest.raises(htp.HTPError):
        htp.load(folder / "model.onnx").save(target / "model.onnx")
    assert os.listdir(target) == []
    assert os.listdir(tmp_path / "deep") == ["target"]


HUGE = """
import resource, sys
import htp, torch
from torch import nn

class Huge(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(16800, 16800, bias=False) for _ in range(2)])

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x

nn.Linear.reset_parameters = lambda self: nn.init.constant_(self.weight, 1e-5)
model = Huge().eval()
assert sum(p.numel() * p.element_size() for p in model.parameters()) > 2**31
tagged = htp.export(model, (torch.ones(1, 16800),), sys.argv[1], backend=sys.argv[2])
assert not tagged.coverage.unknown, tagged.coverage
assert {"layers.0", "layers.1"} <= {tag.path for _, tag in tagged.nodes()}
"""

PLAIN = (
    HUGE.partition("tagged =")[0]
    + """
import inspect
options = {"dynamo": sys.argv[2] == "fx"}
known = inspect.signature(torch.onnx.export).parameters
if "use_external_data_format" in known:
    options["use_external_data_format"] = True
options = {name: value for name, value in options.items() if name in known}
torch.onnx.export(model, (torch.ones(1, 16800),), sys.argv[1], **options)
"""
)

STRIP = """
import resource, sys
import htp
loaded = htp.load(sys.argv[1])
assert loaded.coverage.total >= 2
loaded.strip().save(sys.argv[2])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def run(code, *arguments):
    command = [sys.executable, "-W", "ignore", "-c", code, *map(str, arguments)]
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(filter(None, sys.path)))
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True, text=True)
    return done.stdout


@pytest.mark.large
@pytest.mark.parametrize("backend", USABLE)
def test_a_model_above_two_gigabytes(backend, tmp_path):
    folders = [tmp_path / name for name in ("htp", "plain", "stripped")]
    for folder in folders:
        folder.mkdir()
    ours, plain, stripped = [folder / "model.onnx" for folder in folders]
    run(HUGE, ours, backend)
    megabytes = int(run(STRIP, ours, stripped).splitlines()[-1])
    assert megabytes < 1000, "the weights were read"
    onnx.checker.check_model(str(ours))
    run(PLAIN, plain, backend)
    for name in sorted(os.listdir(folders[1])):
        one, two = [np.memmap(str(folder / name), mode="r") for folder in folders[1:]]
        assert one.shape == two.shape
        assert bool((one == two).all())
    assert sorted(os.listdir(folders[1])) == sorted(os.listdir(folders[2]))
