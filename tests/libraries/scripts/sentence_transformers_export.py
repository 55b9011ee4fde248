"""What a user of sentence-transformers writes; ``make_transformers.py sentence`` made the model."""

import sys

from sentence_transformers import SentenceTransformer


def backend():
    model = SentenceTransformer("sentence", backend="onnx")
    model.save_pretrained("saved")
    return model.encode(["a tiny model"]).tolist()


print("returned:", globals()[sys.argv[1]]())
