"""Files that go into deliverables."""

from __future__ import annotations

from importlib.resources import as_file, files
from importlib.resources.abc import Traversable

FONT: Traversable = files(__name__) / "NotoSansSC-Regular.ttf"
"""Noto Sans SC, SIL Open Font License 1.1; licence beside it."""
with as_file(FONT) as _path:
    FONT_PATH = _path
"""Where the font lies; the package is always run from a folder, never from an archive."""
