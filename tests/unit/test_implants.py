"""Implants: where they lie, what they leave alone, and that they are honest."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
import rasterio.features
import shapely
from affine import Affine
from numpy.typing import NDArray
from scipy import ndimage

from tests.factories import ROOT

SCRIPTS = ROOT / "scripts"
SIDE, GSD_M = 260, 5.0
LEFT, TOP = 500_000.0, 5_200_000.0
POND = (slice(150, 220), slice(30, 110))
# Red, green, blue, near infrared of crops, bare soil and a pond, as an 8-bit camera shows them.
GREEN, SOIL, PALE, WATER = (
    (70, 100, 85, 190),
    (150, 140, 120, 150),
    (205, 195, 180, 185),
    (50, 60, 62, 12),
)


def farmland(seed: int, shift_m: float = 0.0) -> tuple[NDArray[np.uint8], Affine]:
    rng = np.random.default_rng(seed)
    kinds = rng.integers(0, 2, (9, 9)).repeat(30, 0).repeat(30, 1)[:SIDE, :SIDE]
    image = np.array([GREEN, SOIL], float)[kinds].transpose(2, 0, 1)
    image[:, 118:121, :] = np.array(PALE, float)[:, None, None]
    image[(slice(None), *POND)] = np.array(WATER, float)[:, None, None]
    image = ndimage.gaussian_filter(image, (0, 0.6, 0.6))
    image += 6 * ndimage.gaussian_filter(rng.standard_normal(image.shape), (0, 4, 4)) / 0.07
    image += rng.normal(0, 2, image.shape)
    made = np.clip(image, 1, 255).astype(np.uint8)
    made[:, :, :6] = 0
    return made, Affine(GSD_M, 0, LEFT + shift_m, 0, -GSD_M, TOP)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("pair")
    paths = []
    for name, seed, shift in (("before", 1, 0.0), ("after", 2, 1.7)):
        pixels, transform = farmland(seed, shift)
        path = folder / f"{name}.tif"
        with rasterio.open(
            path, "w", driver="GTiff", width=SIDE, height=SIDE, count=4, dtype="uint8",
            crs=32650, transform=transform, nodata=0, photometric="MINISBLACK", alpha="NO",
        ) as dataset:  # fmt: skip
            dataset.write(pixels)
        paths.append(path)
    return paths[0], paths[1]


def implanted(pair: tuple[Path, Path], out: Path, seed: int, count: int = 8) -> Path:
    words = [sys.executable, str(SCRIPTS / "implants.py"), *map(str, pair), "--out", str(out)]
    subprocess.run([*words, "--seed", str(seed), "--count", str(count)], check=True)
    return out


@pytest.fixture(scope="module")
def made(pair: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return implanted(pair, tmp_path_factory.mktemp("made"), 100)


def test_size_place_and_kind_of_the_truth(pair: tuple[Path, Path], made: Path) -> None:
    truth = gpd.read_file(made / "truth.gpkg", layer="implants")
    assert len(truth) == 8
    assert truth["id"].tolist() == list(range(1, 9))
    assert truth["area_m2"].between(400, 3000).all()
    assert np.allclose(truth["area_m2"], truth.geometry.area)
    assert set(truth["kind"]) <= {"roof", "yard"}
    pond = ndimage.binary_dilation(_raster(np.zeros((SIDE, SIDE), bool), POND), iterations=3)
    with rasterio.open(pair[1]) as dataset:
        covered = rasterio.features.geometry_mask(
            truth.geometry, (SIDE, SIDE), dataset.transform, invert=True, all_touched=True
        )
    assert not (covered & pond).any()
    assert not covered[:, :12].any()
    for k, one in enumerate(truth.geometry):
        assert truth.geometry.drop(k).distance(one).min() >= 40.0


def _raster(mask: NDArray[np.bool_], place: tuple[slice, slice]) -> NDArray[np.bool_]:
    mask[place] = True
    return mask


def test_only_the_implants_and_their_shadows_change(pair: tuple[Path, Path], made: Path) -> None:
    with rasterio.open(pair[1]) as old, rasterio.open(made / "after.tif") as new:
        assert (old.transform, old.crs, old.dtypes, old.nodata) == (
            new.transform, new.crs, new.dtypes, new.nodata,
        )  # fmt: skip
        assert old.colorinterp == new.colorinterp  # a fourth band is no alpha
        before, after, transform = old.read(), new.read(), old.transform
    truth = gpd.read_file(made / "truth.gpkg")
    inside = rasterio.features.geometry_mask(truth.geometry, (SIDE, SIDE), transform, invert=True)
    near = rasterio.features.geometry_mask(
        truth.geometry.buffer(20.0), (SIDE, SIDE), transform, invert=True
    )
    changed = (before != after).any(axis=0)
    assert not (changed & ~near).any()
    assert changed[inside].mean() > 0.95
    assert ((after == 0) == (before == 0)).all()  # nodata stays where it was
    # Roofs and yards are neither all white nor all black, and their edges are mixed pixels.
    values = after[:, inside].astype(float)
    assert (values >= 254).all(axis=0).mean() < 0.35
    assert values.std(axis=1).min() > 5


def test_what_is_there_is_used(pair: tuple[Path, Path], made: Path) -> None:
    stamp = (made / "after.tif").stat().st_mtime_ns
    implanted(pair, made, 100)
    assert (made / "after.tif").stat().st_mtime_ns == stamp
    assert json.loads((made / "implants.json").read_text())["seed"] == 100


@pytest.mark.slow
def test_the_same_seed_gives_the_same_pixels_another_one_other_places(
    pair: tuple[Path, Path], made: Path, tmp_path: Path
) -> None:
    again = implanted(pair, tmp_path / "again", 100)
    assert (again / "after.tif").read_bytes() == (made / "after.tif").read_bytes()
    other = implanted(pair, tmp_path / "other", 101)
    places = [gpd.read_file(folder / "truth.gpkg").geometry for folder in (made, other)]
    assert not places[0].geom_equals(places[1]).any()


@pytest.mark.parametrize("folder", ["implanting", "accepting"])
def test_measures_share_no_code_with_what_they_measure(folder: str) -> None:
    files = [*(SCRIPTS / folder).glob("*.py"), SCRIPTS / "implants.py", SCRIPTS / "acceptance.py"]
    assert len(files) > 5
    for path in files:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            roots = {name.split(".")[0] for name in names}
            assert not roots & {"pipeline", "demo_county", "tests"}, path


def test_reflectance_is_rendered_as_the_image_shows_it() -> None:
    sys.path.insert(0, str(SCRIPTS))
    try:
        from implanting.land import BRIGHT_SOIL, VEGETATION, rendering, water_mask
    finally:
        sys.path.remove(str(SCRIPTS))
    pixels, _ = farmland(3)
    image = pixels[[2, 1, 0, 3]].astype(float)
    seen = (pixels != 0).all(axis=0)
    water = water_mask(image, seen)
    pond = _raster(np.zeros((SIDE, SIDE), bool), POND)
    assert (water & pond).sum() / pond.sum() > 0.9
    assert (water & ~ndimage.binary_dilation(pond, iterations=2)).sum() < 50
    tone = rendering(image, seen, water, True)
    crops, road = (
        tone.values(np.array(spectrum)[:, None])[:, 0] for spectrum in (VEGETATION, BRIGHT_SOIL)
    )
    assert np.abs(crops - np.array(GREEN)[[2, 1, 0, 3]]).max() < 30
    assert np.abs(road - np.array(PALE)[[2, 1, 0, 3]]).max() < 30
    bright = tone.values(np.full((4, 1), 0.6))
    assert (bright <= 255).all()  # the shoulder of an 8-bit product
    assert (np.diff(tone.values(np.tile(np.linspace(0, 0.8, 50), (4, 1))), axis=1) > 0).all()


def test_shares_and_verdicts_of_the_acceptance() -> None:
    sys.path.insert(0, str(SCRIPTS))
    try:
        from accepting.judging import judge, wilson
        from accepting.naip import span
    finally:
        sys.path.remove(str(SCRIPTS))

    def table(*boxes: tuple[float, float, float, float]) -> gpd.GeoDataFrame:
        shapes = [shapely.box(*box) for box in boxes]
        return gpd.GeoDataFrame({"area_m2": [s.area for s in shapes]}, geometry=shapes, crs=32650)

    built = table((0, 0, 30, 30), (100, 0, 130, 30))
    crops = table((200, 0, 230, 30))
    changes = gpd.GeoDataFrame(pd.concat([built, crops], ignore_index=True), crs=32650)
    likely = table((0, 0, 15, 30), (110.1, 0, 140.1, 30), (200, 0, 230, 30), (300, 0, 310, 30))
    judged = judge(likely, built, built, changes)
    assert judged.found.tolist() == [True, True]
    assert len(judged.patches) == 3  # the last one is smaller than 400 m²
    assert judged.is_false.tolist() == [False, False, True]
    assert judged.is_false_anywhere.tolist() == [False, False, False]
    assert span("1-3,7") == [1, 2, 3, 7]
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
