"""What a user of Keras on torch writes: ``keras_export.py fixed`` or ``dynamic``.

Keras tries ``dynamo=True`` where the shapes are fixed, and goes on without a word where it fails.
"""

import os
import sys

os.environ["KERAS_BACKEND"] = "torch"
import keras

keras.utils.set_random_seed(0)
images = keras.Input((8, 8, 3), name="images")
inner = keras.layers.Conv2D(4, 3, activation="relu", name="convolution")(images)
inner = keras.layers.BatchNormalization(name="norm")(inner)
inner = keras.layers.GlobalAveragePooling2D(name="pool")(inner)
model = keras.Model(images, keras.layers.Dense(4, name="head")(inner))
model(keras.random.normal((2, 8, 8, 3)))  # Keras wants to have seen a call
shape = keras.InputSpec(shape=(2, 8, 8, 3), dtype="float32", name="images")


def fixed():
    return model.export("model.onnx", format="onnx", verbose=False, input_signature=[shape])


def dynamic():
    return model.export("model.onnx", format="onnx", verbose=False)


print("returned:", globals()[sys.argv[1]]())
