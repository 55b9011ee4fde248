"""What to do with the warnings of torch's exporters while pytest makes errors of warnings.

They must stay warnings. torch warns from within C++, where an exception leaves it broken, and an
exporter that fails for it takes another path in silence (``torch.export`` its strict one), so that
something else would be tested. Warnings of HTP's own are not torch's and stay errors.
"""

import pytest

__all__ = ["LET_TORCH_WARN"]

LET_TORCH_WARN = pytest.mark.filterwarnings(
    "ignore",
    # Of HTP's own modules, but for the models that are exported and the callers of the exporter,
    # which are where torch says that it was called.
    r"error:::htp(\.(?!testing|backends|arguments)|$)",
)
"""For a test, class or file that exports."""
