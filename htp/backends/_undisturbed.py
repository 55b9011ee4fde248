"""What torch itself leaves behind after an export, put back.

Some releases forget it when an export fails inside them: ``torch.export`` 2.6 leaves a hook that
every later module would call, and a warnings filter.
"""

import warnings
from contextlib import contextmanager
from typing import Any, Iterator


@contextmanager
def undisturbed() -> Iterator[None]:
    """Restore the warnings filters and torch's global module hooks on leaving."""
    from torch.nn.modules import module

    tables: Any = [
        table
        for name, table in vars(module).items()
        if name.startswith("_global_") and isinstance(table, dict)
    ]
    before = [dict(table) for table in tables]
    with warnings.catch_warnings():
        try:
            yield
        finally:
            for table, content in zip(tables, before):
                if dict(table) != content:
                    table.clear()
                    table.update(content)
