"""Built materials told from farmland, learnt from the pair itself.

Land is a mix of vegetation, impervious material and soil (Ridd 1995, Int. J. Remote Sensing
16(12)). Which spectra are soil and which are built differs from county to county and from sensor to
sensor, but the two dates tell it without a label:

1. Land that is bare before and under vegetation after is farmed, so its bare spectrum is **soil**
   (ploughed, stubble, film): no building turns into a field in one season. Land that is neither
   vegetation nor water at both dates and did not change is **hard**, with a part of fallow ground.
   Their log likelihood ratio says which land was built on **before**.
2. What was built before and did not change is built after; what was not, is farmland after, but for
   the few places that the search is for. So the labels migrate from one date to the other, and
   the ratio of two mixtures says of which material a bare pixel is **after**. A second ratio looks
   at the soil of fields that lost their vegetation, with trimming against the new construction
   among them (Rousseeuw and Van Driessen 1999): it speaks for materials that no older building
   shows.

All ratios are quadratic in the bands (Hastie et al. 2009, section 4.3) and do not move if a band is
scaled or shifted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray
from pydantic import Field
from scipy.special import gammainc, gammaincinv

from pipeline.change.cover import BARE, PLANTS, WATER
from pipeline.change.linear import STRIP
from pipeline.change.mixtures import (
    Mixture,
    component_logs,
    fill_log_density,
    fit_mixture,
    kernel_form,
    log_ratio,
    mixture_of,
    moments,
)
from pipeline.change.sample import PairSample
from pipeline.scene import rounding_variance
from pipeline.schema.model import Frozen

EVIDENCE_ZERO = 128
"""Stored evidence of a pixel that is as likely built as not."""
EVIDENCE_UNIT = 8
"""Stored steps per natural logarithm of the likelihood ratio."""
UNKNOWN_EVIDENCE, LEAST_EVIDENCE = 0, 1
"""Stored where nothing is known, and where the cover alone rules out built material."""
TRIMMING_ROUNDS = 8


class MaterialParams(Frozen):
    """Settings of the evidence of built material (建设材质证据)."""

    kept_share: float = Field(
        0.85, gt=0.5, lt=1, description="估计土壤光谱时保留的像元比例，其余按异常剔除"
    )
    min_pixels: int = Field(200, ge=20, description="每一类样本的最少像元数；不足则不给出材质证据")
    max_change_ratio: float = Field(
        0.25, gt=0, le=1, description="统计量不超过阈值的这一比例才算未变化（硬质地面样本）"
    )
    min_crop_ratio: float = Field(
        0.5, ge=0, description="有无植被之间的变化，统计量不小于阈值的这一比例才算耕作（土壤样本）"
    )
    soil_components: int = Field(4, ge=1, le=16, description="变化前土壤光谱的混合成分数")
    built_components: int = Field(6, ge=1, le=16, description="变化后建设材质光谱的混合成分数")
    farm_components: int = Field(8, ge=1, le=16, description="变化后裸露农地光谱的混合成分数")
    built_before: float = Field(
        2.5, description="变化前的对数似然比不低于此值，视为原有建设（取样本用）"
    )
    farm_before: float = Field(
        1.0, description="变化前的对数似然比不高于此值，视为农地（取样本用）"
    )
    min_separation: float = Field(
        4.0, description="建设与农地样本的中位似然比相差不小于此值，才凭材质查找弱变化的建设"
    )
    soil_margin: float = Field(
        3.5, ge=0, description="以土壤光谱衡量的证据须减去的余量（对数似然比）"
    )


@dataclass(frozen=True, eq=False)
class Materials:
    """What the evidence of built material is computed from."""

    hard_before: Mixture
    soil_before: Mixture
    built_after: Mixture
    farm_after: Mixture
    hard_after: Mixture
    soil_after: Mixture
    soil_margin: float
    separation: float
    """Median log likelihood ratio of the built sample less that of the farmed one."""
    is_reliable: bool
    """Whether the separation is enough to look for construction that hardly changed."""


def fit_materials(
    sample: PairSample,
    covers: Mapping[str, NDArray[np.uint8]],
    change_ratio: NDArray[np.floating[Any]],
    params: MaterialParams,
) -> Materials | None:
    """The spectra of a pair from a sample; None if a class has too few pixels.

    `covers` of `before` and `after` are `(n,)`; `change_ratio` `(n,)` is the change statistic over
    its threshold.
    """
    before, after = covers["before"], covers["after"]
    # Ground near the limit of vegetation crosses it by noise; only real change tells of farming.
    is_changed = change_ratio >= params.min_crop_ratio
    soil = (before == BARE) & (after == PLANTS) & is_changed
    fresh = (after == BARE) & (before == PLANTS) & is_changed
    hard = (before == BARE) & (after == BARE) & (change_ratio <= params.max_change_ratio)
    if min(map(np.count_nonzero, (soil, fresh, hard))) < params.min_pixels:
        return None
    noise = [
        np.diag(np.full(pixels.shape[0], max(rounding_variance(pixels.dtype), 1e-12)))
        for pixels in (sample.before, sample.after)
    ]
    soil_before = fit_mixture(sample.before[:, soil], params.soil_components, noise[0])
    hard_before = _widened(sample.before[:, hard], moments(_doubles(sample.before[:, soil]))[1])
    was_built = np.full(before.size, -np.inf, np.float32)
    bare_before = before == BARE
    was_built[bare_before] = log_ratio(
        np.ascontiguousarray(sample.before[:, bare_before]), hard_before, soil_before
    )
    lasting = (was_built >= params.built_before) & (after == BARE) & (change_ratio < 0.5)
    farmed = (was_built <= params.farm_before) & (before != WATER) & (after == BARE)
    if min(np.count_nonzero(lasting), np.count_nonzero(farmed)) < params.min_pixels:
        return None
    centre, spread = _trimmed_gaussian(
        _doubles(sample.after[:, fresh]), noise[1], params.kept_share
    )
    lasting_pixels, farmed_pixels = (
        np.ascontiguousarray(sample.after[:, chosen]) for chosen in (lasting, farmed)
    )
    built = fit_mixture(lasting_pixels, params.built_components, noise[1])
    farm = fit_mixture(farmed_pixels, params.farm_components, noise[1])
    separation = float(
        np.median(log_ratio(lasting_pixels, built, farm))
        - np.median(log_ratio(farmed_pixels, built, farm))
    )
    return Materials(
        hard_before,
        soil_before,
        built,
        farm,
        _widened(sample.after[:, hard], spread),
        mixture_of(np.ones(1), centre[None], spread[None]),
        params.soil_margin,
        separation,
        separation >= params.min_separation,
    )


def _doubles(pixels: NDArray[Any]) -> NDArray[np.float64]:
    return pixels.astype(np.float64)


def _widened(pixels: NDArray[Any], spread: NDArray[np.float64]) -> Mixture:
    """One Gaussian, its covariance widened: far from all soil always speaks for built material."""
    centre, own = moments(_doubles(pixels))
    return mixture_of(np.ones(1), centre[None], (own + spread)[None])


def _trimmed_gaussian(
    pixels: NDArray[np.float64], noise: NDArray[np.float64], kept_share: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Centre and covariance of the innermost `kept_share` of pixels `(band, n)`, made consistent
    for a Gaussian (Croux and Haesbroeck 1999)."""
    bands = pixels.shape[0]
    limit = 2.0 * float(gammaincinv(bands / 2, kept_share))
    shrinkage = float(gammainc(bands / 2 + 1, limit / 2)) / kept_share
    centre, spread = np.median(pixels, axis=1), moments(pixels)[1] + noise
    for _ in range(TRIMMING_ROUNDS):
        nearness = component_logs(mixture_of(np.ones(1), centre[None], spread[None]), pixels)[0]
        inner = pixels[:, nearness >= np.quantile(nearness, 1.0 - kept_share)]
        centre, own = moments(inner)
        spread = own / shrinkage + noise
    return centre, spread


def built_before(
    pixels: NDArray[Any], cover: NDArray[np.uint8], materials: Materials
) -> NDArray[np.uint8]:
    """Stored evidence that pixels `(band, y, x)` were built before, uint8 `(y, x)`."""
    return _stored_evidence(pixels, cover, materials.hard_before, materials.soil_before)


def built_after(
    pixels: NDArray[Any], cover: NDArray[np.uint8], materials: Materials
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Stored evidence that pixels `(band, y, x)` are built after, and that they are no soil of a
    field, uint8 `(y, x)` each."""
    return (
        _stored_evidence(pixels, cover, materials.built_after, materials.farm_after),
        _stored_evidence(
            pixels, cover, materials.hard_after, materials.soil_after, materials.soil_margin
        ),
    )


def _stored_evidence(
    pixels: NDArray[Any],
    cover: NDArray[np.uint8],
    built: Mixture,
    other: Mixture,
    margin: float = 0.0,
) -> NDArray[np.uint8]:
    out = np.empty(cover.shape, np.uint8)
    models = (kernel_form(built), kernel_form(other))
    flat = pixels.reshape(pixels.shape[0], -1)
    _evidence(flat, cover.reshape(-1), models, np.float32(margin), out.reshape(-1))
    return out


@njit(nogil=True, cache=True)
def _evidence(pixels, cover, models, margin, out):  # type: ignore[no-untyped-def]
    """`models` are (built, other) in kernel form; `margin` is taken off the log ratio."""
    scratch = np.zeros((pixels.shape[0] + 2, STRIP), np.float32)
    built, other = np.empty(STRIP, np.float32), np.empty(STRIP, np.float32)
    zero, unit = np.float32(EVIDENCE_ZERO + 0.5), np.float32(EVIDENCE_UNIT)
    low, high = np.float32(LEAST_EVIDENCE), np.float32(255)
    for first in range(0, pixels.shape[1], STRIP):
        count = min(STRIP, pixels.shape[1] - first)
        n_bare = 0
        for j in range(count):
            n_bare += cover[first + j] == BARE
        if n_bare == 0:
            out[first : first + count] = np.uint8(LEAST_EVIDENCE)
            continue
        fill_log_density(pixels, (first, count), models[0], scratch, built)
        fill_log_density(pixels, (first, count), models[1], scratch, other)
        for j in range(count):
            value = unit * (built[j] - other[j] - margin) + zero
            stored = np.uint8(min(max(value, low), high))
            out[first + j] = stored if cover[first + j] == BARE else np.uint8(LEAST_EVIDENCE)
