"""Mixtures of Gaussians over band values: fitting on a sample and the log density of pixels.

Expectation maximisation (Dempster, Laird and Rubin 1977) from a start without chance: equal slices
along the first principal axis. Sums run in NumPy's own fixed order, never through a threaded BLAS,
so the same sample gives the same mixture on any number of threads.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pipeline.change.linear import STRIP, _add_product, _add_scaled, _centre

MAX_PIXELS = 20_000
"""Pixels a mixture is fitted on; every n-th of more."""
ITERATIONS = 15
MIX = 0.05
"""Share of every component that each pixel starts with beside its own."""
LOWEST = np.float32(-1e30)


@dataclass(frozen=True, eq=False)
class Mixture:
    """Log density of the likeliest component = offset − (squared Mahalanobis distance) / 2."""

    offsets: NDArray[np.float64]
    """`(component,)` log weight less half the log determinant."""
    centres: NDArray[np.float64]
    """`(component, band)`."""
    forms: NDArray[np.float64]
    """`(component, band, band)`, lower triangular: their squares sum to the distance."""


def mixture_of(
    weights: NDArray[np.float64], centres: NDArray[np.float64], spreads: NDArray[np.float64]
) -> Mixture:
    """The mixture of given Gaussians, leading axis component."""
    factors = np.linalg.cholesky(spreads)
    half_log_det = np.log(np.diagonal(factors, axis1=1, axis2=2)).sum(axis=1)
    forms: NDArray[np.float64] = np.linalg.inv(factors)
    return Mixture(np.log(weights) - half_log_det, centres, forms)


def joined(first: Mixture, second: Mixture, second_log_weight: float) -> Mixture:
    """Both mixtures as one, the second's densities times exp(`second_log_weight`)."""
    return Mixture(
        np.concatenate([first.offsets, second.offsets + second_log_weight]),
        np.concatenate([first.centres, second.centres]),
        np.concatenate([first.forms, second.forms]),
    )


def moments(pixels: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and covariance of pixels `(band, n)`."""
    return _weighted_moments(pixels, np.ones(pixels.shape[1]))


def _weighted_moments(
    pixels: NDArray[np.float64], weights: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    total = weights.sum()
    mean = (pixels * weights).sum(axis=1) / total
    away = pixels - mean[:, None]
    spread = np.stack([(away * (row * weights)).sum(axis=1) for row in away]) / total
    return mean, spread


def fit_mixture(pixels: NDArray[Any], n_components: int, noise: NDArray[np.float64]) -> Mixture:
    """`n_components` Gaussians on pixels `(band, n)`; `noise` `(band, band)` widens each."""
    x = pixels[:, :: max(1, -(-pixels.shape[1] // MAX_PIXELS))].astype(np.float64)
    n = x.shape[1]
    mean, spread = moments(x)
    axis = np.linalg.eigh(spread + noise)[1][:, -1]
    along = ((x - mean[:, None]) * axis[:, None]).sum(axis=0)
    order = np.argsort(along, kind="stable")
    shares = np.full((n_components, n), MIX / n_components)
    shares[np.arange(n) * n_components // n, order] += 1.0 - MIX
    mixture = mixture_of(np.ones(1), mean[None], (spread + noise)[None])
    for _ in range(ITERATIONS):
        fitted = [_weighted_moments(x, share) for share in shares]
        weights = np.maximum(shares.sum(axis=1) / n, 1e-12)
        centres = np.stack([centre for centre, _ in fitted])
        spreads = np.stack([spread + noise for _, spread in fitted])
        mixture = mixture_of(weights, centres, spreads)
        logs = component_logs(mixture, x)
        shares = np.exp(logs - logs.max(axis=0))
        shares /= shares.sum(axis=0)
    return mixture


def component_logs(mixture: Mixture, x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log density of every component at pixels `(band, n)`, `(component, n)`."""
    logs = np.empty((mixture.offsets.size, x.shape[1]))
    for k, (offset, centre, forms) in enumerate(
        zip(mixture.offsets, mixture.centres, mixture.forms, strict=True)
    ):
        away = x - centre[:, None]
        distance = sum((form[:, None] * away).sum(axis=0) ** 2 for form in forms)
        logs[k] = offset - 0.5 * distance
    return logs


def kernel_form(mixture: Mixture) -> NDArray[np.float32]:
    """The mixture as one array for kernels, `(component, 1 + band + band·band)`."""
    n = mixture.offsets.size
    parts = [mixture.offsets[:, None], mixture.centres, mixture.forms.reshape(n, -1)]
    packed: NDArray[np.float32] = np.concatenate(parts, axis=1).astype(np.float32)
    return packed


@njit(nogil=True, cache=True)
def fill_log_density(pixels, span, packed, scratch, out):  # type: ignore[no-untyped-def]
    """Log density of the likeliest component of the pixels `span` = (first, count) into `out`.

    `packed` is `kernel_form`; `scratch` float32 `(band + 2, STRIP)`. Loops run over rows of one
    dimension, which LLVM vectorises without fast-math.
    """
    first, count = span
    bands = pixels.shape[0]
    form, distance = scratch[bands], scratch[bands + 1]
    out[:] = LOWEST
    for m in range(packed.shape[0]):
        for k in range(bands):
            _centre(pixels[k, first : first + count], packed[m, 1 + k], scratch[k, :count])
        distance[:] = np.float32(0)
        for q in range(bands):
            form[:] = np.float32(0)
            for k in range(q + 1):
                _add_scaled(packed[m, 1 + bands + q * bands + k], scratch[k], form)
            _add_product(form, form, distance)
        for j in range(STRIP):
            value = packed[m, 0] - np.float32(0.5) * distance[j]
            out[j] = max(out[j], value)


def log_ratio(pixels: NDArray[Any], built: Mixture, other: Mixture) -> NDArray[np.float32]:
    """Log density of `built` less that of `other` at pixels `(band, n)`, float32 `(n,)`."""
    out = np.empty(pixels.shape[1], np.float32)
    _log_ratio(pixels, kernel_form(built), kernel_form(other), out)
    return out


@njit(nogil=True, cache=True)
def _log_ratio(pixels, built, other, out):  # type: ignore[no-untyped-def]
    scratch = np.zeros((pixels.shape[0] + 2, STRIP), np.float32)
    b, o = np.empty(STRIP, np.float32), np.empty(STRIP, np.float32)
    for first in range(0, pixels.shape[1], STRIP):
        count = min(STRIP, pixels.shape[1] - first)
        fill_log_density(pixels, (first, count), built, scratch, b)
        fill_log_density(pixels, (first, count), other, scratch, o)
        for j in range(count):
            out[first + j] = b[j] - o[j]
