"""Sketches of weights: what a conversion leaves, how it is written, and what is read of damage."""

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from htp.file.fingerprints import sample_of_tensor
from htp.file.sketches import digits, read, sketch, written

FLOATS = np.random.default_rng(0).normal(size=(40, 50)).astype(np.float32)


def of(tensor):
    return sketch(tensor.data_type, sample_of_tensor(tensor))


def of_array(array):
    return of(numpy_helper.from_array(array, "w"))


def test_the_definition():
    array = np.array([-1.5, 2, 3, -4, 5, 6, 0, 8], np.float32)
    found = of_array(array)
    assert found == (8, 0b10010000, b"\xbf\xc0", 0b00000010)
    assert written(found) == "90bfc0"
    assert digits(1, (8,)) == 6
    assert read("90bfc0", 1, (8,)) == found._replace(zeros=0)


def test_a_cast_and_a_transposition_keep_the_signs():
    signs = of_array(FLOATS).signs
    assert of_array(FLOATS.astype(np.float16)).signs == signs
    assert of_array(FLOATS.astype(np.float64)).signs == signs
    assert of_array(np.ascontiguousarray(FLOATS.T)).signs == signs
    halves = helper.make_tensor("w", TensorProto.BFLOAT16, FLOATS.shape, FLOATS.flatten())
    assert of(halves).signs == signs


def test_a_quantisation_keeps_the_signs_of_what_is_not_zero():
    scale = np.abs(FLOATS).max(axis=0) / 127
    found = of_array(np.round(FLOATS / scale).astype(np.int8))
    every = (1 << 32) - 1
    assert found.signs & every & ~found.zeros == of_array(FLOATS).signs & ~found.zeros
    assert bin(found.zeros).count("1") < 4


@pytest.mark.parametrize("array", [np.ones((7, 7)), np.ones(()), np.ones((0, 40)), np.ones(3)])
def test_small_ones_have_none(array):
    assert of_array(array.astype(np.float32)) is None
    assert digits(1, array.shape) == 0
    assert read("", 1, array.shape) is None


def test_types_of_less_than_a_byte_or_without_a_sample_have_none():
    texts = helper.make_tensor("w", TensorProto.STRING, (40,), [b"a"] * 40)
    assert of(texts) is None
    assert digits(TensorProto.STRING, (40,)) == 0


def test_blanks_stand_for_none():
    assert written(None) == ""
    assert read(" " * digits(1, (40, 50)), 1, (40, 50)) is None


@pytest.mark.parametrize("text", ["x" * 12, "0" * 8 + "zz00", "0" * 8 + "000", "-"])
def test_what_are_no_digits(text):
    with pytest.raises(ValueError, match=r"hex|literal"):
        read(text, 1, (40, 50))
