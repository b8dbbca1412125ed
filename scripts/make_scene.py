"""Makes the small labelled scene of `make run`: a fictional county corner at two dates.

    python scripts/make_scene.py --out data/raw/scene --seed 1 --size 1024

Writes `before.tif`, `after.tif` (blue, green, red, near infrared; uint16; 2 m; EPSG:4547),
`label.tif` (0 unchanged, 1 built, 255 not seen) and `meta.yaml`. Same parameters, same
scene; if the folder already holds it, nothing is done.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

STAMP_NAME = ".scene.json"
SOURCES = (Path(__file__), Path(__file__).with_name("scene_painting.py"))
EPSG = 4547
"""CGCS2000, 3-degree Gauss-Kruger, central meridian 114° E."""
ORIGIN_M = (523_000.0, 3_412_000.0)
"""Easting and northing of the upper left corner; the place has no meaning."""
META = """\
# 程序生成的示范影像，虚构，不对应任何真实地点。
bands: [blue, green, red, nir]
before_date: 2024-05-06
after_date: 2024-10-18
label: {0: unchanged, 1: changed, 255: not labelled}
"""


def main() -> int:
    """Make the scene unless it is there; 0 if it is there afterwards."""
    parser = argparse.ArgumentParser(description="生成 make run 用的小幅示范影像（虚构）。")
    parser.add_argument("--out", type=Path, required=True, help="输出文件夹")
    parser.add_argument("--seed", type=int, default=1, help="随机种子")
    parser.add_argument("--size", type=int, default=1024, help="边长，像元")
    given = parser.parse_args()
    if given.size < 256:
        parser.error("--size 不能小于 256")
    stamp = {"seed": given.seed, "size": given.size, "source": _source_digest()}
    out: Path = given.out
    found = _read_stamp(out)
    if found == stamp:
        print(f"示范影像没有变化，跳过：{out.as_posix()}")
        return 0
    if found is None and out.exists() and any(out.iterdir()):
        print(
            f"{out.as_posix()} 里有不是本程序生成的文件，不覆盖；请换一个 --out。", file=sys.stderr
        )
        return 3
    aside = out.with_name(f".{out.name}.partial")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    _write_scene(aside, given.size, given.seed)
    (aside / STAMP_NAME).write_text(json.dumps(stamp) + "\n", encoding="utf-8", newline="\n")
    if out.exists():
        shutil.rmtree(out)
    aside.rename(out)
    print(f"已生成示范影像：{out.as_posix()}（{given.size} × {given.size} 像元，2 米）")
    return 0


def _source_digest() -> str:
    digest = hashlib.sha256()
    for path in SOURCES:
        digest.update(path.read_bytes().replace(b"\r\n", b"\n"))
    return digest.hexdigest()


def _read_stamp(out: Path) -> object:
    """What the folder was made from; None if it is not ours."""
    try:
        return json.loads((out / STAMP_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _write_scene(folder: Path, size: int, seed: int) -> None:
    from scene_painting import BANDS, paint_pair

    pair = paint_pair(size, seed)
    _write_raster(folder / "before.tif", pair.before, BANDS)
    _write_raster(folder / "after.tif", pair.after, BANDS)
    _write_raster(folder / "label.tif", pair.label[None], ("label",))
    (folder / "meta.yaml").write_text(META, encoding="utf-8", newline="\n")


def _write_raster(path: Path, bands: NDArray[np.generic], names: tuple[str, ...]) -> None:
    import rasterio
    from rasterio.transform import from_origin
    from scene_painting import GSD_M

    profile = {
        "driver": "GTiff",
        "count": bands.shape[0],
        "height": bands.shape[1],
        "width": bands.shape[2],
        "dtype": bands.dtype,
        "crs": rasterio.crs.CRS.from_epsg(EPSG),
        "transform": from_origin(*ORIGIN_M, GSD_M, GSD_M),
        "tiled": True,
        "blockxsize": 256,
        "blockysize": 256,
        "interleave": "pixel",
        "compress": "deflate",
        "predictor": 2,
    }
    with rasterio.open(path, "w", **profile) as target:
        target.write(bands)
        for number, name in enumerate(names, start=1):
            target.set_band_description(number, name)


if __name__ == "__main__":
    sys.exit(main())
