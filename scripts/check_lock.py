"""Checks that the lock file names no host but the public package index.

A lock written on a machine with a mirror can not be installed anywhere else.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

LOCK = Path(__file__).resolve().parents[1] / "uv.lock"
ALLOWED = ("https://pypi.org/", "https://files.pythonhosted.org/")
_SOURCE = re.compile(r"""\b(?:registry|url|git|path|directory|editable)\s*=\s*"([^"]*)\"""")


def foreign_sources(text: str) -> list[tuple[int, str]]:
    """Line number and text of every source that is not on an allowed host."""
    found = []
    for number, line in enumerate(text.splitlines(), start=1):
        sources = _SOURCE.findall(line)
        addresses = re.findall(r"[a-z][a-z0-9+.-]*://[^\"\s]*", line)
        found += [
            (number, source)
            for source in dict.fromkeys([*sources, *addresses])
            if not source.startswith(ALLOWED)
        ]
    return found


def main(lock: Path = LOCK) -> int:
    """0 if every source is public, 1 otherwise."""
    foreign = foreign_sources(lock.read_text(encoding="utf-8"))
    for number, source in foreign:
        print(f"{lock.name}:{number}：不允许的来源 {source}", file=sys.stderr)
    if foreign:
        allowed = "、".join(ALLOWED)
        print(f"锁文件只能引用 {allowed}。请在没有镜像设置的环境里重新锁定。", file=sys.stderr)
        return 1
    print("锁文件的来源都是公共软件源。")
    return 0


if __name__ == "__main__":
    sys.exit(main())
