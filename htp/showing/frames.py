"""Results as pandas data frames."""

from typing import TYPE_CHECKING, Any

from htp.errors import HTPError
from htp.showing.sheet import Sheet

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["frame"]


def frame(sheet: Sheet[Any]) -> "DataFrame":
    """A data frame with a column for each that has a key.

    Raises:
        HTPError: pandas is not installed.
    """
    try:
        import pandas as pd
    except ImportError as error:
        raise HTPError(
            f"A data frame is made by pandas, which cannot be imported: {error}.",
            "install it: pip install pandas.",
        ) from error
    data = {}
    for column in sheet.columns:
        if column.value is not None:
            values = [column.value(row) for row in sheet.rows]
            # texts are objects: those take every name that a file may have, in any pandas
            held = "object" if column.dtype in ("", "category") else column.dtype
            data[column.key] = pd.Series(values, dtype=held).astype(column.dtype or held)
    made: DataFrame = pd.DataFrame(data)
    return made.set_index(list(sheet.index)) if sheet.index else made
