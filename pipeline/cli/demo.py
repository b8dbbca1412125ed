"""Between stages 7 and 8 of the demo county a script plays the townships and the bureau."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

PLAYED_RUN = "demo"
SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "demo_townships.py"
STAMP_NAME = ".demo.json"
"""What the generator of the demo county leaves beside the images it made."""


def is_demo(run: str, data_dir: Path) -> bool:
    """Whether a run is the fictional county's, so that nobody real will answer."""
    stamp = data_dir / "raw" / PLAYED_RUN / STAMP_NAME
    return run == PLAYED_RUN and stamp.is_file() and SCRIPT.is_file()


def play_townships(data_dir: Path) -> str:
    """Have the script fill in the issued forms; returns what it says of it."""
    sys.path.insert(0, str(SCRIPT.parent))
    try:
        played: str = runpy.run_path(str(SCRIPT))["play"](data_dir, PLAYED_RUN)
    finally:
        sys.path.remove(str(SCRIPT.parent))
    return played
