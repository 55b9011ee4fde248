"""What a user of Keras on torch writes: ``keras_export.py fixed``, ``dynamic`` or ``functional``.

Keras tries ``dynamo=True`` where the shapes are fixed, and goes on without a word where it fails.
"""

import os
import sys

os.environ["KERAS_BACKEND"] = "torch"
import keras


class Classifier(keras.Model):
    def __init__(self):
        super().__init__()
        self.convolution = keras.layers.Conv2D(4, 3, activation="relu")
        self.norm = keras.layers.BatchNormalization()
        self.pool = keras.layers.GlobalAveragePooling2D()
        self.head = keras.layers.Dense(4)

    def call(self, images):
        return self.head(self.pool(self.norm(self.convolution(images))))


keras.utils.set_random_seed(0)
model = Classifier()
model(keras.random.normal((2, 8, 8, 3)))
image = keras.InputSpec(shape=(2, 8, 8, 3), dtype="float32", name="images")
images = keras.InputSpec(shape=(None, 8, 8, 3), dtype="float32", name="images")


def fixed():
    return model.export("model.onnx", format="onnx", verbose=False, input_signature=[image])


def dynamic():
    return model.export("model.onnx", format="onnx", verbose=False, input_signature=[images])


def functional():
    inputs = keras.Input((8, 8, 3), name="images")
    built = keras.Model(inputs, model.head(model.pool(model.norm(model.convolution(inputs)))))
    built(keras.random.normal((2, 8, 8, 3)))
    return built.export("model.onnx", format="onnx", verbose=False, input_signature=[image])


print("returned:", globals()[sys.argv[1]]())
