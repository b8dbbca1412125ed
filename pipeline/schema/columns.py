"""Columns of tables as plain arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray


def object_values(column: pd.Series[Any]) -> NDArray[np.object_]:
    """The values of a column with None for NULL, `(row,)`."""
    values: NDArray[np.object_] = column.astype(object).to_numpy(copy=True)
    values[column.isna().to_numpy(dtype=bool)] = None
    return values
