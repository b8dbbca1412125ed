"""Makes the fictional demo county 示例县 (379999): imagery, truth and reference layers.

    python scripts/make_demo.py --data data --seed 1 --size 2048

Writes `<data>/raw/demo/` and `<data>/reference/demo/`. The same parameters and the same
generator give the same files; if the folders already hold them, nothing is done. What is in
them: `scripts/demo_county/__init__.py`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import sys
from pathlib import Path

STAMP_NAME = ".demo.json"
PACKAGE = Path(__file__).with_name("demo_county")
SMALLEST_PX = 512


def main() -> int:
    """Make the county unless it is there; 0 if it is there afterwards, 3 if others' files are."""
    given = _arguments()
    folders = {name: given.data / name / "demo" for name in ("raw", "reference")}
    stamp = {"seed": given.seed, "size": given.size, "source": source_digest()}
    found = {name: read_stamp(folder) for name, folder in folders.items()}
    if all(one == stamp for one in found.values()):
        print(f"示例县没有变化，跳过：{folders['raw'].as_posix()}")
        return 0
    for name, folder in folders.items():
        if found[name] is None and folder.exists() and any(folder.iterdir()):
            print(
                f"{folder.as_posix()} 里有不是本程序生成的文件，不覆盖；请换一个 --data。",
                file=sys.stderr,
            )
            return 3
    _make(folders, stamp)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="生成虚构的示例县：影像、真值和参考图层。")
    parser.add_argument("--data", type=Path, default=Path("data"), help="数据目录")
    parser.add_argument("--seed", type=int, default=1, help="随机种子")
    parser.add_argument("--size", type=int, default=2048, help="边长，像元（2 米）")
    given = parser.parse_args()
    if given.size < SMALLEST_PX:
        parser.error(f"--size 不能小于 {SMALLEST_PX}")
    if given.seed < 0:
        parser.error("--seed 不能为负")
    return given


def source_digest() -> str:
    """Digest of every file of the generator, line ends aside."""
    digest = hashlib.sha256()
    for path in [Path(__file__), *sorted(PACKAGE.glob("*.py"))]:
        digest.update(path.name.encode() + b"\0" + path.read_bytes().replace(b"\r\n", b"\n"))
    return digest.hexdigest()


def read_stamp(folder: Path) -> object:
    """What a folder was made from; None if it is not ours."""
    try:
        return json.loads((folder / STAMP_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _make(folders: dict[str, Path], stamp: dict[str, object]) -> None:
    from demo_county.county import make_county

    aside = {name: folder.with_name(f".{folder.name}.partial") for name, folder in folders.items()}
    for folder in aside.values():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    summary = make_county(aside["raw"], aside["reference"], int(stamp["seed"]), int(stamp["size"]))
    for name, folder in folders.items():
        text = json.dumps(stamp) + "\n"
        (aside[name] / STAMP_NAME).write_text(text, encoding="utf-8", newline="\n")
        if folder.exists():
            shutil.rmtree(folder)
        aside[name].rename(folder)
    print(f"已生成示例县：{folders['raw'].as_posix()}、{folders['reference'].as_posix()}")
    print(summary)


if __name__ == "__main__":
    sys.exit(main())
