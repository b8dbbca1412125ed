"""The files that townships and the bureau have put into a run's returns folder."""

from __future__ import annotations

import os
import re
from pathlib import Path

from pipeline.schema.returned_text import readable

_IGNORED = frozenset({"thumbs.db", "desktop.ini"})
_IGNORED_FOLDERS = frozenset({"__macosx"})
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f]")


def returned_files(folder: Path) -> dict[str, Path]:
    """Every file by its name below `folder`, sorted; links, hidden and lock files do not count."""
    found: dict[str, Path] = {}
    for place, folders, names in os.walk(folder, followlinks=False):
        folders[:] = sorted(name for name in folders if not is_ignored_folder(name))
        for name in sorted(names):
            path = Path(place) / name
            if not is_ignored(name) and path.is_file() and not path.is_symlink():
                shown = _shown(path.relative_to(folder).as_posix())
                while shown in found:
                    shown += "#"
                found[shown] = path
    return dict(sorted(found.items()))


def is_ignored(name: str) -> bool:
    """Whether a file of this name is nobody's return: hidden, a lock, half written, a thumbnail."""
    lower = name.lower()
    return lower.startswith((".", "~$")) or lower in _IGNORED or lower.endswith(".partial")


def is_ignored_folder(name: str) -> bool:
    """Whether what is in a folder of this name is nobody's return."""
    return name.startswith(".") or name.lower() in _IGNORED_FOLDERS


def _shown(name: str) -> str:
    """A name that every receipt can hold: bytes that are no UTF-8 as GBK, nothing invisible."""
    return "/".join(_UNPRINTABLE.sub("_", readable(part)) for part in name.split("/"))
