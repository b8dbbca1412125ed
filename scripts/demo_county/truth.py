"""What really happened: the `changes` and `events` of the demo county, with measured contrast."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray

from .imagery import CHUNK_PX, plant_mask
from .noise import Frame
from .plants import Plant
from .sensor import GSD_M, Sensor

FAINT_SIGMA = 2.0
CHANGES_COLUMNS = (
    "truth_id", "case_id", "kind", "is_construction", "is_observable", "expected_class",
    "expected_kinds", "township_code", "area_m2", "contrast_sigma", "is_issued",
)  # fmt: skip


def measure_contrast(
    folder: Path, plants: list[Plant], water: NDArray[np.uint8], sensors: tuple[Sensor, Sensor]
) -> list[float]:
    """`contrast_sigma` of every plant; NaN where a date does not show it.

    The largest over the bands of |mean change of the plant − mean change of unchanged land| /
    standard deviation of the change of unchanged land, the before image brought to the after
    image's gain and offset, the after image moved by the mean misregistration.
    """
    size = water.shape[0]
    spring, autumn = sensors
    gain = np.array(autumn.gain) / np.array(spring.gain)
    base = np.array(autumn.offset) - np.array(spring.offset) * gain
    shift = [round(-v) for v in autumn.shift_px]
    sums = np.zeros((len(plants) + 1, 4))
    squares = np.zeros(4)
    counts = np.zeros(len(plants) + 1)
    with (
        rasterio.open(folder / "before.tif") as first,
        rasterio.open(folder / "after.tif") as second,
        rasterio.open(folder / "before_mask.tif") as first_mask,
        rasterio.open(folder / "after_mask.tif") as second_mask,
    ):
        for row in range(0, size, CHUNK_PX):
            for col in range(0, size, CHUNK_PX):
                high, wide = min(CHUNK_PX, size - row), min(CHUNK_PX, size - col)
                window = ((row, row + high), (col, col + wide))
                margin = autumn.margin_px
                top, left = row + margin + shift[1], col + margin + shift[0]
                moved = ((top, top + high), (left, left + wide))
                change = second.read(window=moved) - (
                    first.read(window=window) * gain[:, None, None] + base[:, None, None]
                )
                seen = (first_mask.read(1, window=window) == 0) & (
                    second_mask.read(1, window=moved) == 0
                )
                frame = Frame(col * GSD_M, row * GSD_M, GSD_M, CHUNK_PX)
                number = plant_mask(plants, frame)[:high, :wide]
                land = water[row : row + high, col : col + wide] == 0
                used = seen & (land | (number > 0))
                for band in range(4):
                    own = change[band][used]
                    sums[:, band] += np.bincount(number[used], own, len(plants) + 1)
                    squares[band] += float((own[number[used] == 0] ** 2).sum())
                counts += np.bincount(number[used], minlength=len(plants) + 1)
    mean = sums / np.maximum(counts, 1)[:, None]
    spread = np.sqrt(squares / max(counts[0], 1) - mean[0] ** 2)
    contrast = (np.abs(mean[1:] - mean[0]) / spread).max(1)
    return np.where(counts[1:] > 0, contrast, np.nan).tolist()


def faint_share(plants: list[Plant], contrast: list[float]) -> float:
    """Share of the planted, visible constructions below two standard deviations."""
    seen = [
        c for p, c in zip(plants, contrast, strict=True)
        if p.is_construction and p.is_observable and np.isfinite(c)
    ]  # fmt: skip
    return float(np.mean(np.array(seen) < FAINT_SIGMA)) if seen else float("nan")


def change_rows(
    plants: list[Plant], contrast: list[float], areas_m2: list[float]
) -> list[dict[str, object]]:
    """Rows of `changes`, without geometry."""
    return [
        {
            "truth_id": plant.truth_id,
            "case_id": plant.case.case_id,
            "kind": plant.kind,
            "is_construction": plant.is_construction,
            "is_observable": plant.is_observable,
            "expected_class": plant.case.expected,
            "expected_kinds": json.dumps(plant.expected_kinds),
            "township_code": plant.township_code,
            "area_m2": round(area, 3),
            "contrast_sigma": round(sigma, 3) if plant.is_observable else None,
            "is_issued": bool(plant.tblx),
        }
        for plant, sigma, area in zip(plants, contrast, areas_m2, strict=True)
    ]
