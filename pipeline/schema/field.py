"""What a field is: the type of one entry in the register."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Dtype = Literal["text", "integer", "real", "date", "boolean", "json"]
"""`date` is ISO text (YYYY-MM-DD) and `json` a Python list in memory, JSON array text on disk."""


@dataclass(frozen=True)
class FieldSpec:
    """What a column means. Missing values are NULL, never 0, −1 or False."""

    name: str
    dtype: Dtype
    label_zh: str
    """Name shown to analysts."""
    description: str
    unit: str | None = None
    """Unit of the stored value, as in the suffix of `name`; None for text, counts and ratios."""
    code: str | None = None
    """Official pinyin code, used in delivered layers only."""
    nullable: bool = False
    """Whether NULL (unknown) is legal."""
