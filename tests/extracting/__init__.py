"""Are the parts that ``TaggedModel.extract`` cuts out the modules? Told without ``htp/use/``.

``seen`` records what every module call took and returned in plain PyTorch. ``judging`` runs the
part in onnxruntime on what the module saw, and compares. ``subjects`` has the models: those of the
zoo, and others (``aside``, ``own_models``) on which extraction was never tuned. ``planted`` cuts
wrongly on purpose, and the judge must see it.
"""
