"""Figures of construction candidates, from the sums of `change.candidates`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.change.candidates import (
    N_BANDS,
    N_CROSS,
    N_DATES,
    N_OWN,
    N_PLANES,
    OWN_NAMES,
    PER_MILLE,
    STEPS,
    ZONE_SUMS,
    ZONES,
    Tones,
)
from pipeline.change.construction import FULL
from pipeline.change.linear import SCORE_MAX
from pipeline.scene import DATE_NAMES

BAND_NAMES = ("blue", "green", "red", "nir")
LEAST_CORE_PX = 4
LEAST_SPREAD = 0.1
"""Robust standard deviations of the image: no ground is more even than that."""
Figures = dict[str, NDArray[np.float64]]


class _Zone:
    """Means and standard deviations of one zone, `(plane, candidate)`."""

    def __init__(self, sums: NDArray[np.int64]) -> None:
        part = sums.astype(np.float64).T
        self.n = part[0]
        n = np.maximum(self.n, 1.0)
        self.mean = part[1 : 1 + N_PLANES] / n / STEPS
        square = part[1 + N_PLANES : 1 + 2 * N_PLANES] / n / STEPS**2
        self.spread = np.sqrt(np.maximum(square - self.mean**2, 0.0))
        at = 1 + 2 * N_PLANES
        self.green = part[at : at + N_DATES] / n / PER_MILLE
        square = part[at + N_DATES : at + 2 * N_DATES] / n / PER_MILLE**2
        self.green_spread = np.sqrt(np.maximum(square - self.green**2, 0.0))


def candidate_figures(sums: NDArray[np.int64], tones: Tones, pixel_area_m2: float) -> Figures:
    """Figures `(candidate,)` by name, from sums `(candidate, N_SUMS)`."""
    own = {name: sums[:, k].astype(np.float64) for k, name in enumerate(OWN_NAMES)}
    zones = {}
    for k, name in enumerate(ZONES):
        at = N_OWN + k * ZONE_SUMS
        zones[name] = sums[:, at : at + ZONE_SUMS]
    is_thin = zones["core"][:, 0] < LEAST_CORE_PX
    zones["core"] = zones["core"] + zones["rim"] * is_thin[:, np.newaxis]
    told = {name: _Zone(part) for name, part in zones.items()}
    return (
        _network_figures(own, told)
        | _shape_figures(own, pixel_area_m2)
        | _colour_figures(told, tones)
        | _outline_figures(told)
        | _standing_out(told, _ring_covariance(told["ring"], sums[:, -N_CROSS:]))
        | {"pattern_kept": _pattern_kept(own)}
    )


def _network_figures(own: Figures, told: dict[str, _Zone]) -> Figures:
    n = np.maximum(own["n"], 1.0)
    mean = own["built"] / n
    spread = np.sqrt(np.maximum(own["built2"] / n - mean**2, 0.0))
    return {
        "built_full": own["built_full"] / np.maximum(own["n_full"], 1.0) / FULL,
        "built": mean / FULL,
        "built_spread": spread / FULL,
        "built_rim": own["built_rim"] / np.maximum(told["rim"].n, 1.0) / FULL,
        "built_first": own["built_first"] / np.maximum(told["first"].n, 1.0) / FULL,
        "worked": own["worked"] / n / FULL,
        "change": own["score"] / n / SCORE_MAX,
    }


def _shape_figures(own: Figures, pixel_area_m2: float) -> Figures:
    """Size, `compactness` (π/4 for a square), and two figures of the second moments: `elongation`
    (logarithm of long over short) and `rectangularity` (1 for a rectangle)."""
    n = np.maximum(own["n"], 1.0)
    y, x = own["y"] / n, own["x"] / n
    # A pixel is a square: 1/12 is its own second moment.
    yy = own["yy"] / n - y**2 + 1 / 12
    xx = own["xx"] / n - x**2 + 1 / 12
    yx = own["yx"] / n - y * x
    half, root = (yy + xx) / 2, np.sqrt(((yy - xx) / 2) ** 2 + yx**2)
    short = np.maximum(half - root, 1e-6)
    return {
        "area_m2": own["n"] * pixel_area_m2,
        "trimmed": n / np.maximum(own["n_full"], 1.0),
        "compactness": 4 * np.pi * n / np.maximum(own["sides"], 1.0) ** 2,
        "elongation": np.log((half + root) / short) / 2,
        "rectangularity": n / np.sqrt(144 * np.maximum((half + root) * short, 1e-6)),
    }


def _colour_figures(told: dict[str, _Zone], tones: Tones) -> Figures:
    """Tones in robust standard deviations of the image, greenness, and colours: logarithms of a
    band over red, above the dark values."""
    out: Figures = {}
    for zone in ("core", "ring"):
        for date, when in enumerate(DATE_NAMES):
            planes = range(date * N_BANDS, (date + 1) * N_BANDS)
            for k, name in zip(planes, BAND_NAMES, strict=True):
                out[f"{zone}_{name}_{when}"] = told[zone].mean[k]
            out[f"{zone}_ndvi_{when}"] = told[zone].green[date]
            out[f"{zone}_ndvi_spread_{when}"] = told[zone].green_spread[date]
            bright = _above_dark(told[zone].mean[list(planes)], tones, date)
            for k, name in ((0, "blue"), (1, "green"), (3, "nir")):
                out[f"{zone}_{name}_red_{when}"] = np.log(bright[k] / bright[2])
    for k, name in ((2, "red"), (3, "nir")):
        bright = _above_dark(told["core"].mean[N_BANDS:], tones, 1)[k]
        gain = float(tones.scaling.gain[1, k])
        out[f"core_{name}_grain"] = told["core"].spread[N_BANDS + k] / gain / bright
    return out


def _above_dark(mean: NDArray[np.float64], tones: Tones, date: int) -> NDArray[np.float64]:
    """Brightness over the dark values `(band, candidate)` of means in steps."""
    offset, gain = (
        v[date].astype(np.float64)[:, np.newaxis]
        for v in (tones.scaling.offset, tones.scaling.gain)
    )
    above = mean / gain + offset - tones.dark[date][:, np.newaxis]
    bright: NDArray[np.float64] = np.maximum(above, tones.least[date][:, np.newaxis])
    return bright


def _outline_figures(told: dict[str, _Zone]) -> Figures:
    """How one zone goes over into the next in the after band that tells core and ring best apart:
    1 is the core's mean there, 0 the ring's."""
    gap = told["core"].mean - told["ring"].mean
    after = np.abs(gap[N_BANDS:])
    best = N_BANDS + after.argmax(axis=0)
    every = np.arange(best.size)
    contrast = np.maximum(after.max(axis=0), 1e-3)
    out = {
        "contrast_after": contrast,
        "contrast_before": np.abs(gap[:N_BANDS]).max(axis=0),
        "core_spread": told["core"].spread[best, every] / contrast,
        "ring_spread": told["ring"].spread[best, every] / contrast,
    }
    level = told["ring"].mean[best, every]
    step = gap[best, every]
    step = np.where(np.abs(step) < 1e-3, 1e-3, step)
    for zone in ("rim", "first", "second"):
        out[f"{zone}_level"] = (told[zone].mean[best, every] - level) / step
        out[f"{zone}_spread"] = told[zone].spread[best, every] / contrast
    return out


def _ring_covariance(ring: _Zone, products: NDArray[np.int64]) -> NDArray[np.float64]:
    """Covariance `(candidate, plane, plane)` of the planes over the ring, from the sums of their
    products `(candidate, N_CROSS)`."""
    rows, cols = np.triu_indices(N_PLANES, 1)
    n = np.maximum(ring.n, 1.0)
    between = products.T / n / STEPS**2 - ring.mean[rows] * ring.mean[cols]
    covariance = np.zeros((ring.n.size, N_PLANES, N_PLANES))
    covariance[:, rows, cols] = covariance[:, cols, rows] = between.T
    every = np.arange(N_PLANES)
    covariance[:, every, every] = ring.spread.T**2
    return covariance


def _standing_out(told: dict[str, _Zone], covariance: NDArray[np.float64]) -> Figures:
    """What the ring's own unevenness does not explain: Mahalanobis distance (1936) of the core, and
    of the first pixel outside, from the ring, before, after, and of the change from one to the
    other. `seen_before`: how much of what tells core from ring afterwards did so before."""
    every = np.eye(N_PLANES)
    views = {"before": every[:N_BANDS], "after": every[N_BANDS:]}
    views["change"] = views["after"] - views["before"]
    floor = LEAST_SPREAD**2 * np.eye(N_BANDS)
    spreads = {name: view @ covariance @ view.T + floor for name, view in views.items()}
    gaps = {zone: (told[zone].mean - told["ring"].mean).T for zone in ("core", "first")}
    out = {}
    for zone, prefix in (("core", ""), ("first", "first_")):
        for name, view in views.items():
            seen = gaps[zone] @ view.T
            scaled = np.linalg.solve(spreads[name], seen[:, :, np.newaxis])[:, :, 0]
            square = (seen * scaled).sum(axis=1)
            out[f"{prefix}apart_{name}"] = np.sqrt(np.maximum(square, 0.0))
    before, after = gaps["core"][:, :N_BANDS], gaps["core"][:, N_BANDS:]
    out["seen_before"] = (before * after).sum(axis=1) / np.maximum((after**2).sum(axis=1), 1e-3)
    return out


def _pattern_kept(own: Figures) -> NDArray[np.float64]:
    """Correlation of the brightness inside before and after."""
    n = np.maximum(own["n"], 1.0)
    b, a = own["grey_b"] / n, own["grey_a"] / n
    var = (own["grey_bb"] / n - b**2) * (own["grey_aa"] / n - a**2)
    product = own["grey_ba"] / n - a * b
    kept: NDArray[np.float64] = np.where(var > 1e-6, product / np.sqrt(np.maximum(var, 1e-6)), 0.0)
    return kept
