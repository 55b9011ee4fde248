"""Arguments and options that several commands take."""

import click

__all__ = ["AS_JSON", "BACKEND", "MODEL", "NO_ORIGIN", "OPSET", "ROOT"]

MODEL = click.argument("model", metavar="MODEL.onnx")
BACKEND = click.option("--backend", metavar="NAME", help="Capture backend; see 'htp doctor'.")
OPSET = click.option("--opset", type=int, metavar="N", help="ONNX opset; default: torch's own.")
ROOT = click.option(
    "--root", default="", metavar="PATH", help="Its place in a whole, as in model.encoder."
)
NO_ORIGIN = click.option(
    "--no-origin",
    is_flag=True,
    help="Leave out of the model what gives tags back after a tool dropped them.",
)
AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
