"""A capture backend that lives in a package of its own.

HTP reads ``SPEC`` through the entry point in ``pyproject.toml``. Nothing heavy is imported here:
the class itself is imported when an export asks for it.
"""

from htp import BackendSpec

__all__ = ["SPEC"]

SPEC = BackendSpec(
    name="example",
    since="1.8",
    target="htp_example_backend.listen:ExampleBackend",
    exporter="torchscript",  # which of torch's exporters it listens to
    protocol=2,  # the version of ``htp.backends.base`` that it speaks
    # No ``default_since``: this backend runs only when it is asked for by name.
)
