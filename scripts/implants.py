"""Sets roofs and yards into the after image of a real pair on which nothing was built.

    python scripts/implants.py BEFORE AFTER --out DIR --seed N [--count 30]
        [--bands red,green,blue,nir]

Writes `DIR/after.tif` (grid, pixel type and nodata of AFTER), `DIR/truth.gpkg` layer `implants`
(id, kind, material, area_m2, contrast) and `DIR/implants.json`, from what it was made. The same
inputs, seed and script give the same pixels; if DIR already holds them, nothing is done.

Seeds 1-3 are for acceptance only; use others for development.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path

import geopandas as gpd
import numpy as np
import rasterio
import rasterio.features
from implanting.land import noise_sigma, rendering, water_mask
from implanting.materials import BANDS
from implanting.painting import Sky, paint
from implanting.shapes import Plan, place
from rasterio.io import DatasetReader
from scipy import ndimage

STAMP_NAME = "implants.json"
EDGE_PX = 12
WATER_PX = 4
PACKAGE = Path(__file__).with_name("implanting")


def main() -> int:
    """Make the implants unless they are there."""
    given = _arguments()
    bands = given.bands.split(",")
    stamp = {
        "seed": given.seed,
        "count": given.count,
        "bands": bands,
        "before": _digest([given.before]),
        "after": _digest([given.after]),
        "source": _digest([Path(__file__), *sorted(PACKAGE.glob("*.py"))]),
    }
    if _found(given.out) == stamp:
        print(f"unchanged: {given.out.as_posix()}")
        return 0
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / STAMP_NAME).unlink(missing_ok=True)
    table = implant(given.before, given.after, given.out, bands, (given.seed, given.count))
    text = json.dumps(stamp, indent=1, sort_keys=True) + "\n"
    (given.out / STAMP_NAME).write_text(text, encoding="utf-8", newline="\n")
    print(f"{len(table)} implants, {table['area_m2'].sum():.0f} m2: {given.out.as_posix()}")
    return 0


def implant(
    before: Path, after: Path, out: Path, bands: list[str], chosen: tuple[int, int]
) -> gpd.GeoDataFrame:
    """Write the image and the truth; returns the truth. `chosen` is seed and count."""
    seed, count = chosen
    # The image's own content is part of the seed, or every pair would have one layout.
    content = hashlib.sha256(after.read_bytes()).digest()
    rng = np.random.default_rng([seed, int.from_bytes(content[:8], "little")])
    with rasterio.open(after) as dataset:
        pixels = dataset.read()
        transform, crs = dataset.transform, dataset.crs
        seen = dataset.dataset_mask() > 0
    if crs is None or not crs.is_projected:
        raise SystemExit("the image needs a projected CRS in metres")
    order = [bands.index(name) for name in BANDS]
    image = pixels[order].astype(np.float64)
    water = water_mask(image, seen)
    wet_before, seen_before = _before(before, bands, seen.shape, transform)
    tone = rendering(image, seen, water, pixels.dtype == np.uint8)
    noise = noise_sigma(image, seen & ~water)
    wet = ndimage.binary_dilation(water | wet_before, iterations=WATER_PX)
    allowed = ndimage.binary_erosion(seen & seen_before, iterations=EDGE_PX) & ~wet
    plans = place(rng, count, allowed, transform)
    sky = Sky.random(rng)
    original = image.copy()
    for plan in plans:
        paint(image, plan, transform, tone, sky, noise, rng)
    with rasterio.open(after) as dataset:
        _write(out / "after.tif", pixels, image, order, dataset)
    table = _truth(plans, original, image, transform, crs, seen & ~water)
    table.to_file(out / "truth.gpkg", layer="implants", driver="GPKG")
    return table


def _before(
    path: Path, bands: list[str], shape: tuple[int, int], transform: object
) -> tuple[np.ndarray, np.ndarray]:
    """Water and observed pixels of the other date, at the nearest pixel of this grid."""
    with rasterio.open(path) as dataset:
        pixels, seen = dataset.read(), dataset.dataset_mask() > 0
        to_other = ~dataset.transform * transform
    order = [bands.index(name) for name in BANDS]
    wet = water_mask(pixels[order].astype(np.float64), seen)
    cols, rows = np.meshgrid(np.arange(shape[1]) + 0.5, np.arange(shape[0]) + 0.5)
    x, y = to_other * (cols, rows)
    row, col = np.floor(y).astype(int), np.floor(x).astype(int)
    inside = (row >= 0) & (row < seen.shape[0]) & (col >= 0) & (col < seen.shape[1])
    row, col = np.clip(row, 0, seen.shape[0] - 1), np.clip(col, 0, seen.shape[1] - 1)
    return wet[row, col] & inside, seen[row, col] & inside


def _write(
    path: Path, pixels: np.ndarray, image: np.ndarray, order: list[int], source: DatasetReader
) -> None:
    """The implanted image; pixels that were not touched keep their value to the bit."""
    profile, descriptions = source.profile, source.descriptions
    limits = np.iinfo(pixels.dtype) if pixels.dtype.kind in "iu" else None
    result = pixels.copy()
    for values, band in zip(image, order, strict=True):
        if limits is None:
            painted = values.astype(pixels.dtype)
        else:
            floor = limits.min + (1 if profile.get("nodata") == limits.min else 0)
            painted = np.clip(np.rint(values), floor, limits.max).astype(pixels.dtype)
        touched = painted != pixels[band]
        touched &= pixels[band] != profile.get("nodata")
        result[band][touched] = painted[touched]
    # Left to itself GDAL declares the fourth of four bytes to be an alpha band.
    with rasterio.open(path, "w", **profile, photometric="MINISBLACK", alpha="NO") as dataset:
        dataset.write(result)
        dataset.descriptions = descriptions


def _truth(
    plans: list[Plan],
    original: np.ndarray,
    image: np.ndarray,
    transform: object,
    crs: object,
    land: np.ndarray,
) -> gpd.GeoDataFrame:
    """One row per implant. `contrast`: root mean square over the bands of the change of its mean,
    in standard deviations of the land; how hard it is, for reading the misses."""
    spread = np.array([band[land].std() for band in original])
    rows = []
    for plan in plans:
        mask = rasterio.features.geometry_mask(
            [plan.outline], land.shape, transform, invert=True, all_touched=False
        )
        moved = (image[:, mask].mean(axis=1) - original[:, mask].mean(axis=1)) / spread
        contrast = float(np.sqrt(np.mean(moved**2)))
        rows.append((plan.number, plan.kind, plan.material, plan.outline.area, contrast))
    return gpd.GeoDataFrame(
        rows,
        columns=["id", "kind", "material", "area_m2", "contrast"],
        geometry=[plan.outline for plan in plans],
        crs=crs,
    )


def _digest(paths: list[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _found(folder: Path) -> object:
    try:
        return json.loads((folder / STAMP_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--count", type=int, default=30)
    parser.add_argument("--bands", default="red,green,blue,nir", help="roles of the image's bands")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
