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

from tests.factories import World, call_cli, compare, make_pair, read_raster

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
