"""Kernels of cubic convolution: a constant shift, and positions between lattice nodes.

Keys (1981), cubic convolution interpolation, a = −1/2, IEEE TASSP 29(6).
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

LATTICE_PX = 32
"""Spacing of the nodes at which a general mapping is computed exactly; bilinear in between."""


def keys_weights(fraction: float) -> NDArray[np.float32]:
    """Weights of the four taps at −1, 0, 1, 2 for a position `fraction` after tap 0."""
    t = fraction
    return np.array(
        [
            ((-0.5 * t + 1.0) * t - 0.5) * t,
            (1.5 * t - 2.5) * t * t + 1.0,
            ((-1.5 * t + 2.0) * t + 0.5) * t,
            (0.5 * t - 0.5) * t * t,
        ],
        np.float32,
    )


@njit(nogil=True, cache=True)
def copy_offset(pixels, row, col, out):  # type: ignore[no-untyped-def]
    """Whole-pixel shift; the image's edge is replicated."""
    bands, rows, cols = out.shape
    top, left = pixels.shape[1] - 1, pixels.shape[2] - 1
    for k in range(bands):
        for i in range(rows):
            r = min(max(i + row, 0), top)
            for j in range(cols):
                out[k, i, j] = pixels[k, r, min(max(j + col, 0), left)]


@njit(nogil=True, cache=True)
def inside(whole, part, size):  # type: ignore[no-untyped-def]
    """Whether the position `whole + part` lies on an axis of `size` pixels, half a pixel around."""
    if whole < 0:
        return whole == -1 and part >= 0.5
    return whole < size - 1 or (whole == size - 1 and part <= 0.5)


@njit(nogil=True, cache=True)
def shift_valid(valid, first, part, bounds, out):  # type: ignore[no-untyped-def]
    """1 where the centre lies in the source image and every pixel under the kernel has data."""
    origin_row, origin_col, height, width = bounds
    rows, cols = out.shape
    r0, c0 = first
    reach_r = 0 if part[0] == 0 else 1
    reach_c = 0 if part[1] == 0 else 1
    all_valid = valid.min() == 1
    for i in range(rows):
        # centre within the image: -0.5 <= whole + part <= size - 0.5
        whole_r = i + r0 + origin_row
        if not inside(whole_r, part[0], height):
            continue
        for j in range(cols):
            if not inside(j + c0 + origin_col, part[1], width):
                continue
            if all_valid:
                out[i, j] = 1
                continue
            good = 1
            for a in range(-reach_r, 2 * reach_r + 1):
                r = min(max(i + r0 + a, 0), valid.shape[0] - 1)
                for b in range(-reach_c, 2 * reach_c + 1):
                    c = min(max(j + c0 + b, 0), valid.shape[1] - 1)
                    good &= valid[r, c]
            out[i, j] = good


@njit(nogil=True, cache=True)
def _filter_row(source, col, weights, out):  # type: ignore[no-untyped-def]
    """Horizontal filter of one source row: `out[j]` is centred between columns j + col and + 1."""
    w0, w1, w2, w3 = weights[0], weights[1], weights[2], weights[3]
    width = source.size
    first = min(max(0, 1 - col), out.size)
    last = max(first, min(out.size, width - 2 - col))
    left, middle = source[first + col - 1 :], source[first + col :]
    right, far = source[first + col + 1 :], source[first + col + 2 :]
    inner = out[first:last]
    for j in range(inner.size):
        inner[j] = (
            w0 * np.float32(left[j])
            + w1 * np.float32(middle[j])
            + w2 * np.float32(right[j])
            + w3 * np.float32(far[j])
        )
    for j in range(out.size):
        if j < first or j >= last:  # replicate the image's edge
            c = j + col
            out[j] = (
                w0 * np.float32(source[min(max(c - 1, 0), width - 1)])
                + w1 * np.float32(source[min(max(c, 0), width - 1)])
                + w2 * np.float32(source[min(max(c + 1, 0), width - 1)])
                + w3 * np.float32(source[min(max(c + 2, 0), width - 1)])
            )


@njit(nogil=True, cache=True)
def _combine_rows(rows, weights, low, high, out):  # type: ignore[no-untyped-def]
    """Vertical filter of four filtered rows, kept inside the range of the output type."""
    w0, w1, w2, w3 = weights[0], weights[1], weights[2], weights[3]
    a, b, c, d = rows
    for j in range(out.size):
        value = w0 * a[j] + w1 * b[j] + w2 * c[j] + w3 * d[j]
        out[j] = min(max(value, low), high)


@njit(nogil=True, cache=True)
def _combine_rows_rounded(rows, weights, low, high, out):  # type: ignore[no-untyped-def]
    """The same for whole-number pixels: rounded to nearest."""
    w0, w1, w2, w3 = weights[0], weights[1], weights[2], weights[3]
    a, b, c, d = rows
    half = np.float32(0.5)
    for j in range(out.size):
        value = w0 * a[j] + w1 * b[j] + w2 * c[j] + w3 * d[j] + half
        out[j] = np.int32(np.floor(min(max(value, low), high)))


@njit(nogil=True, cache=True)
def shift_cubic(pixels, row, col, weights, limits, out):  # type: ignore[no-untyped-def]
    """Separable cubic convolution by a constant fraction; four filtered rows are kept at a time."""
    bands, rows, cols = out.shape
    height = pixels.shape[1]
    low, high = np.float32(limits[0]), np.float32(limits[1])
    kept = np.empty((4, cols), np.float32)
    for k in range(bands):
        for i in range(-1, rows + 2):
            source = pixels[k, min(max(i + row, 0), height - 1)]
            _filter_row(source, col, weights[4:], kept[(i + 4) & 3])
            if i < 2:
                continue
            lines = (kept[(i + 1) & 3], kept[(i + 2) & 3], kept[(i + 3) & 3], kept[i & 3])
            if limits[1] == np.inf:
                _combine_rows(lines, weights[:4], low, high, out[k, i - 2])
            else:
                _combine_rows_rounded(lines, weights[:4], low, high, out[k, i - 2])


@njit(nogil=True, cache=True)
def map_cubic(  # type: ignore[no-untyped-def]
    pixels, valid, node_rows, node_cols, first, origin, size, limits, out, out_valid
):
    """Cubic convolution at positions interpolated between lattice nodes."""
    bands, rows, cols = out.shape
    height, width = pixels.shape[1], pixels.shape[2]
    low, high = limits
    wr, wc = np.empty(4, np.float64), np.empty(4, np.float64)
    for i in range(rows):
        at_r = (i + first[0]) / LATTICE_PX
        nr = int(at_r)
        fr = at_r - nr
        for j in range(cols):
            at_c = (j + first[1]) / LATTICE_PX
            nc = int(at_c)
            fc = at_c - nc
            w00, w01 = (1 - fr) * (1 - fc), (1 - fr) * fc
            w10, w11 = fr * (1 - fc), fr * fc
            r = (
                w00 * node_rows[nr, nc] + w01 * node_rows[nr, nc + 1]
                + w10 * node_rows[nr + 1, nc] + w11 * node_rows[nr + 1, nc + 1]
            )  # fmt: skip
            c = (
                w00 * node_cols[nr, nc] + w01 * node_cols[nr, nc + 1]
                + w10 * node_cols[nr + 1, nc] + w11 * node_cols[nr + 1, nc + 1]
            )  # fmt: skip
            if not (-0.5 <= r <= size[0] - 0.5 and -0.5 <= c <= size[1] - 0.5):
                continue
            r0, c0 = int(np.floor(r)), int(np.floor(c))
            tr, tc = r - r0, c - c0
            r0 -= origin[0]
            c0 -= origin[1]
            for taps, t in ((wr, tr), (wc, tc)):
                taps[0] = ((-0.5 * t + 1.0) * t - 0.5) * t
                taps[1] = (1.5 * t - 2.5) * t * t + 1.0
                taps[2] = ((-1.5 * t + 2.0) * t + 0.5) * t
                taps[3] = (0.5 * t - 0.5) * t * t
            good = 1
            for a in range(4):
                ra = min(max(r0 - 1 + a, 0), height - 1)
                for b in range(4):
                    good &= valid[ra, min(max(c0 - 1 + b, 0), width - 1)]
            out_valid[i, j] = good
            if good == 0:
                continue
            for k in range(bands):
                value = 0.0
                for a in range(4):
                    ra = min(max(r0 - 1 + a, 0), height - 1)
                    for b in range(4):
                        cb = min(max(c0 - 1 + b, 0), width - 1)
                        value += wr[a] * wc[b] * pixels[k, ra, cb]
                if high != np.inf:
                    value = np.floor(min(max(value + 0.5, low), high))
                out[k, i, j] = value
