"""Plays the townships and the bureau of the demo county: fills in what was sent out and returns it.

    python scripts/demo_townships.py --data data --run demo

Writes `<data>/returns/<run>/` from the packages of the run and the truth of the county. Nothing is
done where the same was already played. Who answers how, and what is broken on purpose:
`scripts/demo_returns/__init__.py`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import sys
from pathlib import Path

PACKAGE = Path(__file__).with_name("demo_returns")
PLAYED_NAME = ".played.json"
TOWNSHIP_CODE_CHARS = 9


def main() -> int:
    """Play one run; 0 if its returns stand there afterwards, 3 if something is in the way."""
    parser = argparse.ArgumentParser(description="扮演示例县的乡镇和县局，交回核查结果。")
    parser.add_argument("--data", type=Path, default=Path("data"), help="数据目录")
    parser.add_argument("--run", default="demo", help="运行编号")
    given = parser.parse_args()
    try:
        print(play(given.data, given.run))
    except FileNotFoundError as problem:
        print(f"缺少文件，先运行核查包阶段：{problem.filename}", file=sys.stderr)
        return 3
    return 0


def play(data_dir: Path, run: str) -> str:
    """Fill `<data>/returns/<run>` unless the same was played there; one line on what was done.

    Returns of others are never touched. What somebody changed after it was played is put aside
    under another name. Raises FileNotFoundError if the run has no packages.
    """
    folder = data_dir / "returns" / run
    stamp = _stamp(data_dir, run)
    held = _read_played(folder)
    if held is not None and held["stamp"] == stamp:
        return "乡镇和县局的回表没有变化，跳过。"
    if held is None and folder.exists() and any(folder.iterdir()):
        return f"{folder.as_posix()} 里有不是本程序填的回表，不覆盖。"
    made = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir(parents=True)
    summary = _fill(data_dir, run, made, stamp)
    if folder.exists():
        summary += _put_aside(folder, held)
    made.rename(folder)
    return summary


def _fill(data_dir: Path, run: str, folder: Path, stamp: str) -> str:
    if str(PACKAGE.parent) not in sys.path:
        sys.path.append(str(PACKAGE.parent))
    from demo_returns.bureau import act
    from demo_returns.county import read_patches
    from demo_returns.played import Played
    from demo_returns.surveys import plan_surveys, write_surveys
    from demo_returns.townships import answer_all

    root = data_dir / "runs" / run
    packages = sorted(
        path for path in (root / "packages").iterdir()
        if path.is_dir() and path.name[:TOWNSHIP_CODE_CHARS].isdigit()
    )  # fmt: skip
    patches = read_patches(data_dir, run)
    played = Played(folder)
    played.begin(patches)
    surveys = plan_surveys(patches)
    surveyed = frozenset(patch.patch_id for patch in surveys.values())
    places, decisions = answer_all(packages, patches, played, surveyed)
    write_surveys(surveys, places, played)
    act(root / "delivery", patches, played, surveyed, decisions)
    played.write(stamp, _digests(folder))
    return (
        f"乡镇 {len(packages)} 个和县局已填好回表：应接收 {len(played.accepted)} 条，"
        f"故意填错 {len(played.rejected)} 条"
    )


def _stamp(data_dir: Path, run: str) -> str:
    """Digest of everything that the returns follow from."""
    digest = hashlib.sha256()
    root = data_dir / "runs" / run
    sources = [Path(__file__), *sorted(PACKAGE.glob("*.py"))]
    inputs = [root / "packages" / "manifest.json", data_dir / "raw" / "demo" / ".demo.json"]
    for path in (*sources, *inputs):
        digest.update(path.name.encode() + b"\0" + path.read_bytes().replace(b"\r\n", b"\n"))
    return digest.hexdigest()


def _read_played(folder: Path) -> dict[str, object] | None:
    """The answer book of a folder; None if it is not ours."""
    try:
        held: dict[str, object] = json.loads((folder / PLAYED_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return held


def _digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != PLAYED_NAME
    }


def _put_aside(folder: Path, held: dict[str, object] | None) -> str:
    """Remove what was played earlier, or keep it under another name if somebody changed it."""
    if held is not None and held["files"] == _digests(folder):
        shutil.rmtree(folder)
        return ""
    number = 1
    while (kept := folder.with_name(f".{folder.name}.kept_{number}")).exists():
        number += 1
    folder.rename(kept)
    return f"；原来的回表有人改动过，另存为 {kept.as_posix()}"


if __name__ == "__main__":
    sys.exit(main())
