"""The registration from end to end: what the gate does, and what swapping the dates changes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import pytest
import rasterio
from numpy.typing import NDArray
from scipy import ndimage

from tests.factories import World, call_cli, compare, make_pair, read_raster, write_raster

APART = (1.6, -2.1)
"""2.64 px."""


def align(folder: Path, world: World, settings: str) -> tuple[int, str, Path]:
    """Exit code, messages and result folder of the stage on its own."""
    runs = folder / "configs" / "runs"
    runs.mkdir(parents=True, exist_ok=True)
    text = f'run: one\nbefore: {{path: "{world.before}"}}\nafter: {{path: "{world.after}"}}\n'
    (runs / "one.yaml").write_text(text + f"settings: {{align: {settings}}}\n", encoding="utf-8")
    options = ["--data-dir", folder / "data", "--config-dir", folder / "configs", "--workers", "1"]
    called = call_cli("align", "--run", "one", *options)
    return called.code, called.out + called.err, folder / "data" / "runs" / "one" / "align"


def fit_of(out: Path) -> dict[str, Any]:
    fit: dict[str, Any] = json.loads((out / "fit.json").read_text(encoding="utf-8"))["registration"]
    return fit


def test_a_residual_above_the_limit_stops(tmp_path: Path) -> None:
    world = make_pair(tmp_path, (384, 384), shift=APART)
    code, said, out = align(tmp_path, world, "{tie_points: {most_complex_model: none}}")
    assert code == 3
    assert "E-REGISTRATION-RESIDUAL" in said
    assert "2.6" in said
    assert not (out / "fit.json").exists()


def test_a_flagged_residual_is_told_and_what_it_hides_is_unobserved(tmp_path: Path) -> None:
    """Two thirds of the after image were put in the wrong place."""
    moved = make_pair(tmp_path / "moved", (384, 576), shift=APART)
    right = make_pair(tmp_path / "right", (384, 576))
    pixels = np.stack([read_raster(moved.after, k) for k in (1, 2, 3, 4)])
    pixels[:, :, 384:] = np.stack([read_raster(right.after, k) for k in (1, 2, 3, 4)])[:, :, 384:]
    with rasterio.open(moved.after, "r+") as dataset:
        dataset.write(pixels)
    setting = "{tie_points: {most_complex_model: none}, gate: {stop_median_px: 9.0}}"
    code, said, out = align(tmp_path, moved, setting)
    assert code == 0
    assert "N-REGISTRATION-RESIDUAL" in said
    fit = fit_of(out)
    assert fit["is_flagged"]
    assert fit["kind"] == "none"
    assert fit["residual_px"] == pytest.approx(np.hypot(*APART), abs=0.1)
    hidden = read_raster(out / "valid.tif") == 5
    assert hidden[:, :320].all()  # to the image's edge; the cells at the seam may fall either way
    assert not hidden[:, 448:].any()
    # the control: a pair moved as a whole, with the correction allowed, is not flagged nor hidden
    world = make_pair(tmp_path / "whole", (384, 384), shift=APART)
    code, said, out = align(tmp_path, world, "{}")
    assert code == 0
    assert "N-REGISTRATION-RESIDUAL" not in said
    fit = fit_of(out)
    assert not fit["is_flagged"]
    assert fit["residual_px"] < 0.2
    assert not (read_raster(out / "valid.tif") == 5).any()
    assert fit["n_tie"] + fit["n_check"] == fit["n_used"] <= fit["n_points"]
    points = pyogrio.read_dataframe(out / "tie_points.gpkg")
    assert points["is_check"].sum() >= fit["n_check"] > 0
    assert (points["residual_px"].notna() == points["is_used"]).all()


BOXES = ((40, 60, 50, 80), (150, 171, 200, 233), (250, 280, 300, 340))


def raw(out: Path) -> NDArray[np.bool_]:
    """Change before any filter: the stored score above one half."""
    score = read_raster(out / "score.tif")
    return np.asarray((score > 5000) & (score != 65535))


@pytest.mark.slow
@pytest.mark.parametrize("shift", [(0.0, 0.0), (0.6, -0.4), (1.7, 1.2)])
def test_swapped_dates_find_the_same_raw_change(tmp_path: Path, shift: tuple[float, float]) -> None:
    # noise above what resampling overshoots beside an edge: that rim is there one way only
    world = make_pair(tmp_path, (320, 400), boxes=BOXES, shift=shift, noise=0.01)
    swapped = World(world.after, world.before, world.truth, world.roles)
    for name, pair in (("there", world), ("back", swapped)):
        compare(pair, tmp_path / name)
    there, back = raw(tmp_path / "there"), raw(tmp_path / "back")
    if shift == (0.0, 0.0):
        np.testing.assert_array_equal(there, back)
        return
    # the second run lies on the other image's pixels: content at r is there at r + shift
    rows, cols = np.mgrid[0:320, 0:400].astype(float)
    at = [rows + shift[0], cols + shift[1]]
    back = ndimage.map_coordinates(back.astype(float), at, order=1) > 0.5
    labels, n = ndimage.label(there)
    others, _ = ndimage.label(back)
    large = [k for k in range(1, n + 1) if (labels == k).sum() >= 50]
    assert len(large) >= len(BOXES)
    matched = 0
    for k in large:
        mine = labels == k
        touched = [number for number in np.unique(others[mine]) if number]
        unions = [(mine & (others == t)).sum() / (mine | (others == t)).sum() for t in touched]
        matched += max(unions, default=0.0) >= 0.9
    assert matched / len(large) >= 0.95


@pytest.mark.parametrize("is_finer", [False, True], ids=["one grid", "two pixel sizes"])
def test_the_reference_decides_where_things_lie_whatever_the_dates(
    tmp_path: Path, is_finer: bool
) -> None:
    """Dates swapped, the same image's positions standing: equal to the last bit."""
    world = make_pair(tmp_path, (320, 400), boxes=BOXES, shift=(1.7, 1.2), noise=0.002)
    after = finer(world, tmp_path / "finer.tif") if is_finer else world.after
    pairs = {
        "there": (world.before, after, "before"),
        "back": (after, world.before, "after"),
        "other": (world.before, after, "after"),
    }
    for name, (first, second, reference) in pairs.items():
        options = ["--out", tmp_path / name, "--reference", reference, "--workers", "1"]
        assert call_cli("compare", first, second, *options).code == 0
    scores = {name: tmp_path / name / "work" / "detect" / "score.tif" for name in pairs}
    assert scores["there"].read_bytes() == scores["back"].read_bytes()
    assert scores["there"].read_bytes() != scores["other"].read_bytes()
    assert fit_of(tmp_path / "there" / "work" / "align")["moved"] == "after"
    assert fit_of(tmp_path / "back" / "work" / "align")["moved"] == "before"
    # what is published lies on the before image's own pixels, whichever image is the reference
    for name, (first, _, _) in pairs.items():
        with rasterio.open(tmp_path / name / "score.tif") as made, rasterio.open(first) as given:
            assert made.shape == given.shape
            assert made.transform == given.transform
    if is_finer:  # outlines on other pixels: their middles say little
        return
    # the content lies displaced in the after image, and so do the patches once it is the reference
    moved = [middle_of(tmp_path / name / "patches.gpkg") for name in ("other", "there")]
    np.testing.assert_allclose(np.subtract(*moved), (1.2 * 2.0, -1.7 * 2.0), atol=0.6)


def finer(world: World, target: Path) -> Path:
    """The after image with pixels half as large."""
    with rasterio.open(world.after) as dataset:
        smooth = ndimage.zoom(
            dataset.read().astype(float), (1, 2, 2), order=3, grid_mode=True, mode="nearest"
        )
        pixels = np.clip(np.rint(smooth), 1, 65535).astype(np.uint16)
        transform = dataset.transform @ rasterio.Affine.scale(0.5)
    return write_raster(target, pixels, transform=transform, descriptions=world.roles)


def middle_of(patches: Path) -> NDArray[np.float64]:
    """Centroid of the largest patch, x and y."""
    table = pyogrio.read_dataframe(patches, layer="patches")
    middle = table.geometry.iloc[int(table.geometry.area.argmax())].centroid
    return np.array([middle.x, middle.y])


def test_without_a_reference_system_the_before_pixels_stay(tmp_path: Path) -> None:
    world = make_pair(tmp_path, (320, 400), boxes=BOXES[:2], crs=None)
    with rasterio.open(world.after) as dataset:
        part = dataset.read()[:, :300, :380]
    small = write_raster(tmp_path / "small.tif", part, crs=None, descriptions=world.roles)
    changed = {}
    for reference in ("before", "after"):
        out = tmp_path / reference
        options = ["--gsd", "2", "--out", out, "--reference", reference, "--workers", "1"]
        assert call_cli("compare", world.before, small, *options).code == 0
        changed[reference] = read_raster(out / "change.tif")
        assert changed[reference].shape == (320, 400)
    np.testing.assert_array_equal(changed["before"] == 255, changed["after"] == 255)
    assert (changed["before"] == 1).sum() == (changed["after"] == 1).sum() > 0


def test_an_unknown_reference_is_refused(tmp_path: Path) -> None:
    world = make_pair(tmp_path, (128, 128))
    called = call_cli(
        "compare", world.before, world.after, "--out", tmp_path / "out", "--reference", "now"
    )
    assert called.code == 2
    assert "before、after" in called.out + called.err
    assert not (tmp_path / "out").exists()
