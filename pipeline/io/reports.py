"""Small machine-readable reports beside the rasters."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def json_text(content: Any) -> str:
    """Sorted keys, one key a line: the same content gives the same bytes."""
    return json.dumps(content, ensure_ascii=False, sort_keys=True, indent=1, allow_nan=False) + "\n"


def write_json(path: Path, content: Any) -> None:
    """Write `json_text` as UTF-8."""
    path.write_text(json_text(content), encoding="utf-8", newline="\n")


def read_json(path: Path) -> Any:
    """What `write_json` wrote."""
    return json.loads(path.read_text(encoding="utf-8"))
