"""What an image's statistics say of it: bits really used, saturation, stripes, empty and odd bands.

Every function looks at figures only and names no file; texts are made where the findings are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.imagery.quality import BlockStats, ImageStats, SaturatedBlock

TAIL = 0.01
"""Share of the pixels left out at either end where the middle of a histogram is meant."""
GAP_NEIGHBOURS = 16
"""Levels on either side from which the number of pixels at a level is expected."""
MIN_EXPECTED = 20.0
"""An empty level counts as a gap where this many pixels were to be expected."""
SPIKE_RATIO = 10.0
"""A pile at the bright end holds this many times the mean of the levels just below it."""
MIN_SPIKE_SHARE = 5e-4
"""Smaller piles are single roofs, not a sensor at its end."""
MIN_PROBES = 1000
"""Fewer pixels than this carry no correlation."""
VISIBLE = ("blue", "green", "red")


@dataclass(frozen=True)
class Depth:
    """How finely a band's values are graded."""

    bits: int
    """Bits that the largest value needs."""
    levels: int
    """Different values among the middle 98 % of the pixels."""
    gap_ratio: float
    """Share of the levels between them that are empty although pixels were to be expected."""


def depth_of(histogram: NDArray[np.int64], first: int) -> Depth | None:
    """Depth of a band from its histogram; None without any pixel."""
    filled = np.flatnonzero(histogram)
    if not filled.size:
        return None
    low, high = _middle(histogram)
    top = max(abs(int(filled[-1]) + first), abs(int(filled[0]) + first))
    middle = histogram[low : high + 1]
    reach = min(GAP_NEIGHBOURS, max(1, (middle.size - 1) // 2))
    totals = np.concatenate([[0], np.cumsum(middle)])
    index = np.arange(middle.size)
    left, right = np.maximum(index - reach, 0), np.minimum(index + reach + 1, middle.size)
    expected = (totals[right] - totals[left]) / (right - left)
    is_told = expected >= MIN_EXPECTED
    n_gaps = int(np.count_nonzero(is_told & (middle == 0)))
    return Depth(
        max(1, top.bit_length()),
        int(np.count_nonzero(middle)),
        n_gaps / max(1, int(np.count_nonzero(is_told))),
    )


def _middle(histogram: NDArray[np.int64]) -> tuple[int, int]:
    """First and last bin of the middle of a histogram."""
    total = np.cumsum(histogram)
    low, high = np.searchsorted(total, [TAIL * total[-1], (1.0 - TAIL) * total[-1]])
    return int(low), int(high)


def saturation_level(histogram: NDArray[np.int64], first: int) -> float | None:
    """The value at which a band's bright pixels pile up; None if they do not.

    Orthorectified images have a few brighter pixels than the pile: resampling overshoots at edges.
    """
    total = int(histogram.sum())
    filled = np.flatnonzero(histogram)
    if filled.size < 2:
        return None
    _, high = _middle(histogram)
    candidates = filled[(filled >= high) & (histogram[filled] >= MIN_SPIKE_SHARE * total)]
    piles = [
        int(level)
        for level in candidates
        if histogram[level] >= SPIKE_RATIO * max(1.0, _mean_below(histogram, int(level)))
        and histogram[level] >= histogram[level + 1 :].sum()
    ]
    return float(max(piles, key=lambda level: int(histogram[level])) + first) if piles else None


def _mean_below(histogram: NDArray[np.int64], level: int) -> float:
    """Mean number of pixels at the filled levels just below."""
    below = histogram[max(0, level - 2 * GAP_NEIGHBOURS) : level]
    below = below[below > 0]
    return float(below.mean()) if below.size else 0.0


def saturated_share(blocks: Sequence[SaturatedBlock]) -> tuple[float, ...]:
    """Share of the covered pixels that are saturated, by band."""
    total = sum(block.covered_pixels for block in blocks)
    counts = np.array([block.saturated_pixels for block in blocks], np.int64).sum(axis=0)
    return tuple((counts / max(total, 1)).tolist())


def saturated_blocks(
    blocks: Sequence[SaturatedBlock], max_ratio: float
) -> tuple[list[SaturatedBlock], tuple[int, ...]]:
    """Blocks with too many saturated pixels in some band, and these bands."""
    found, bands = [], set()
    for block in blocks:
        over = [
            band
            for band, count in enumerate(block.saturated_pixels)
            if count > max_ratio * block.covered_pixels
        ]
        if over:
            found.append(block)
            bands.update(over)
    return found, tuple(sorted(bands))


@dataclass(frozen=True)
class Stripes:
    """Stripes of one direction."""

    is_along_columns: bool
    """True for stripes that run from the top to the bottom of the image."""
    bands: tuple[int, ...]
    blocks: tuple[BlockStats, ...]
    ratio: float
    """Largest share of steep columns (rows) in one block."""
    step: float
    """Median step at them, digital numbers."""


def find_stripes(stats: ImageStats, max_ratio: float) -> list[Stripes]:
    """Blocks where many columns (rows) differ from their neighbours in most of their rows.

    Content, noise and sun leave as many upward as downward steps between two columns, whatever
    their size; an offset of a detector turns most of them one way. Roads and field edges along a
    column do so for a few columns, stripes for many.
    """
    found = []
    for is_along_columns in (True, False):
        chosen: list[BlockStats] = []
        bands: set[int] = set()
        ratios, steps = [], []
        for block in stats.blocks:
            shares = block.steep_cols if is_along_columns else block.steep_rows
            over = [band for band, share in enumerate(shares) if share > max_ratio]
            if over:
                chosen.append(block)
                bands.update(over)
                ratios.append(max(shares[band] for band in over))
                steps += [block.steep_step[band] for band in over]
        if chosen:
            found.append(
                Stripes(
                    is_along_columns,
                    tuple(sorted(bands)),
                    tuple(chosen),
                    max(ratios),
                    float(np.median(steps)),
                )
            )
    return found


def constant_bands(stats: ImageStats) -> tuple[int, ...]:
    """Bands (from 0) with one value everywhere; empty without any pixel."""
    if not stats.covered_pixels:
        return ()
    pairs = zip(stats.lows, stats.highs, strict=True)
    return tuple(band for band, (low, high) in enumerate(pairs) if low == high)


def duplicate_bands(stats: ImageStats) -> list[tuple[int, int]]:
    """Pairs of bands (from 0) with equal pixels; constant ones are told as such."""
    flat = constant_bands(stats)
    pairs = sorted(stats.same_bands) if stats.covered_pixels else []
    return [pair for pair in pairs if not set(pair) & set(flat)]


@dataclass(frozen=True)
class RoleDoubt:
    """A declared near infrared that looks visible while another band does not."""

    role: str
    """Role of the band that is least like the others."""
    correlation: float
    """Its mean correlation with the others."""
    nir_correlation: float
    """The same of the band declared near infrared."""


def doubt_near_infrared(stats: ImageStats, roles: Sequence[str], margin: float) -> RoleDoubt | None:
    """Whether another band than "nir" is the odd one among visible and near infrared bands.

    Visible bands rise and fall together over nearly all land; over plants the near infrared does
    not. Correlations do not depend on gain and offset, so images stretched for display can be
    judged too. Without plants all bands go together, and nothing is said.
    """
    names = [role for role in (*VISIBLE, "nir") if role in roles]
    if "nir" not in names or len(names) < 3 or stats.moments.count < MIN_PROBES:
        return None
    index = [roles.index(name) for name in names]
    correlation = stats.moments.correlation[np.ix_(index, index)]
    if not np.isfinite(correlation).all():
        return None
    mean = (correlation.sum(axis=0) - 1.0) / (len(names) - 1)
    odd, nir = int(np.argmin(mean)), names.index("nir")
    if odd == nir or mean[nir] - mean[odd] < margin:
        return None
    return RoleDoubt(names[odd], float(mean[odd]), float(mean[nir]))
