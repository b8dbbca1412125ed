"""Real ground to learn from: dated images of one place on which nothing was built.

The generator's fields, shores and soils are tamer than real ones. So windows are also drawn from
real pairs of such images, aligned by the product, in either order of the dates; into them go
constructions cut out of the generated counties, and soft blobs of soil and growth that are none.
What stands in such a pair at one date or at both alike was not built. `invented_years` makes more
years of the same ground. Images must be OPEN (public
domain); which ones took part is written into the network's card, and no accuracy may be told of
dates that did.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import cv2
import numpy as np
from construction_network import IGNORED, MOST_UNBUILT, Scene, scene_of
from numpy.typing import NDArray
from training_counties import read_all_bands

from pipeline.cli.running import tiled_context
from pipeline.io.runs import RunPaths
from pipeline.stages.requests import compare_request
from pipeline.stages.runner import run_stages

ROLES = ("red", "green", "blue", "nir")
"""Of the images; the network takes blue, green, red, nir."""
ORDER = [2, 1, 0, 3]
FACTORS = (1.0, 0.75, 1.4)
"""Pixel sizes learned from, in units of the images' own."""
MOST_SIDE_PX = 56
BUILT_SHARE, STANDING_SHARE = 0.68, 0.2
"""Of what is set in: built between the dates, standing at both; the rest is torn down."""

Pixels = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Piece:
    """One construction cut out of a generated county."""

    values: Pixels
    """`(band, y, x)` of its later date, continued past its outline."""
    cover: Pixels
    """`(y, x)`: how much of a pixel it covers, 0-1."""
    value: int
    """Its class."""


def background_scenes(
    images: Sequence[Path], work: Path, rng: np.random.Generator
) -> list[list[Scene]]:
    """Every pair of the images, aligned by the product in `work`, at the pixel sizes `FACTORS`."""
    scenes = []
    for before, after in combinations(images, 2):
        pair, valid = aligned(before, after, work)
        label = np.zeros(valid.shape, np.uint8)
        scenes.append([scene_of(pair, label, valid, factor, rng) for factor in FACTORS])
    return scenes


def aligned(
    before: Path, after: Path, work: Path
) -> tuple[tuple[NDArray[np.uint8], NDArray[np.uint8]], NDArray[np.uint8]]:
    """Both images `(band, y, x)` on the first one's grid, aligned by the product, and `valid`."""
    path = work / f"real_{before.stem}_{after.stem}.npz"
    if not path.is_file():
        _align(before, after, work / path.stem, path)
    with np.load(path) as held:
        return (held["before"], held["after"]), held["valid"]


def _align(before: Path, after: Path, folder: Path, out: Path) -> None:
    run, paths = compare_request(before, after, ROLES, None, "auto"), RunPaths(folder)
    with tiled_context(1, None, 1024, quiet=True) as start:
        run_stages(("align",), start(run, paths))
    dates = [read_all_bands(path)[ORDER] for path in (paths.align_before, paths.align_after)]
    np.savez(out, before=dates[0], after=dates[1], valid=read_all_bands(paths.align_valid)[0])


def set_in(
    window: Pixels, label: NDArray[np.uint8], pieces: Sequence[Piece], rng: np.random.Generator
) -> None:
    """Change a window `(date · band, y, x)` and its label in place: blobs first, then pieces."""
    if rng.random() < 0.6:
        for _ in range(int(rng.integers(1, 4))):
            _blob(window, rng)
    taken = np.zeros(label.shape, bool)
    for piece in pieces:
        _place(window, label, taken, piece, rng)


def cut_out(scene: Scene, value: int, rng: np.random.Generator) -> Piece | None:
    """A construction of class `value` of a scene, whole; None if it is not there or too large."""
    if value not in scene.places:
        return None
    spots = scene.places[value]
    row, col = (int(v) for v in spots[rng.integers(len(spots))])
    reach = MOST_SIDE_PX
    rows = slice(max(row - reach, 0), row + reach)
    cols = slice(max(col - reach, 0), col + reach)
    part = scene.label[rows, cols]
    _, parts = cv2.connectedComponents((part == value).astype(np.uint8), connectivity=8)
    mask = parts == parts[row - rows.start, col - cols.start]
    ys, xs = np.nonzero(mask)
    if np.ptp(ys) >= MOST_SIDE_PX or np.ptp(xs) >= MOST_SIDE_PX or ys.size < 6:
        return None
    box = slice(max(ys.min() - 2, 0), ys.max() + 3), slice(max(xs.min() - 2, 0), xs.max() + 3)
    own = mask[box].astype(np.float32)
    values = scene.pixels[4:, rows, cols][(slice(None), *box)].astype(np.float32)
    weight = cv2.GaussianBlur(own, (0, 0), 1.0)
    for band in values:
        spread = cv2.GaussianBlur(band * own, (0, 0), 1.0) / np.maximum(weight, 1e-3)
        band[own == 0] = spread[own == 0]
    cover = cv2.GaussianBlur(own, (0, 0), float(rng.uniform(0.35, 0.7)))
    turns, flips = int(rng.integers(4)), bool(rng.random() < 0.5)
    values, cover = np.rot90(values, turns, (1, 2)), np.rot90(cover, turns)
    if flips:
        values, cover = values[:, :, ::-1], cover[:, ::-1]
    return Piece(values, cover, value)


def _place(
    window: Pixels,
    label: NDArray[np.uint8],
    taken: NDArray[np.bool_],
    piece: Piece,
    rng: np.random.Generator,
) -> None:
    height, width = piece.cover.shape
    side = label.shape[0]
    if max(height, width) >= side - 8:
        return
    row, col = rng.integers(0, side - height), rng.integers(0, side - width)
    at = slice(row, row + height), slice(col, col + width)
    if taken[at].any() or (label[at] != 0).any():
        return
    taken[at] = True
    draw = rng.random()
    is_built, is_standing = draw < BUILT_SHARE, draw < BUILT_SHARE + STANDING_SHARE
    dates = (1,) if is_built else (0, 1) if is_standing else (0,)
    values = _other_paint(piece.values, rng)
    for date in dates:
        ground = window[(slice(4 * date, 4 * date + 4), *at)]
        seen = values + rng.normal(0, 0.12, (4, 1, 1)).astype(np.float32)
        ground += piece.cover * (seen - ground)
    told = np.where(piece.cover >= 0.5, piece.value if is_built else 0, 0)
    label[at] = np.where((piece.cover > MOST_UNBUILT) & (piece.cover < 0.5), IGNORED, told)


def _other_paint(values: Pixels, rng: np.random.Generator) -> Pixels:
    """Another material in the same pattern: lighter or darker, a little other in colour."""
    gain = np.exp(rng.normal(0, 0.25))
    tint = rng.normal(0, 0.75) + rng.normal(0, 0.25, (4, 1, 1))
    return np.asarray(values * gain + tint, np.float32)


def _blob(window: Pixels, rng: np.random.Generator) -> None:
    """Ground of elsewhere in the window in a soft, uneven outline, at one date or at both."""
    side = window.shape[1]
    size = int(rng.integers(6, 48))
    coarse = rng.normal(0, 1, (6, 6)).astype(np.float32)
    relief = cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC)
    y, x = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    softness = float(rng.uniform(0.1, 0.5))
    slope = 1.0 - np.hypot(x, y * rng.uniform(1.0, 2.5)) + 0.25 * relief - 0.3
    cover = np.clip(slope / softness, 0, 1).astype(np.float32) * float(rng.uniform(0.4, 1.0))
    row, col, other_row, other_col = rng.integers(0, side - size, 4)
    at = slice(row, row + size), slice(col, col + size)
    date = 4 * int(rng.integers(2))
    source = window[date : date + 4, other_row : other_row + size, other_col : other_col + size]
    source = source.copy()
    if rng.random() < 0.5:
        centre = np.median(source, axis=(1, 2), keepdims=True)
        source = centre + 0.3 * (source - centre)
    source += rng.normal(0, 0.5) + rng.normal(0, 0.15, (4, 1, 1))
    for start in (0, 4) if rng.random() < 0.25 else (4 * int(rng.integers(2)),):
        ground = window[(slice(start, start + 4), *at)]
        ground += cover * (source - ground)
