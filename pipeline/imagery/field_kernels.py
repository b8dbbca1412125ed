"""Kernels of resampling through a displacement field: the source's pixels are the target's, moved.

Keys (1981), cubic convolution interpolation, a = −1/2, IEEE TASSP 29(6). Positions are bilinear
between nodes at absolute multiples of `LATTICE_PX`, so a pixel's value is the same in every tile.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from pipeline.imagery.cubic import LATTICE_PX, inside


@njit(nogil=True, cache=True)
def _cell_positions(left, right, first, whole, part):  # type: ignore[no-untyped-def]
    """Whole and fractional positions of neighbouring pixels inside one lattice cell.

    They run from `left` to `right` over the cell; the first pixel is `first` pixels into it.
    """
    slope = (right - left) / LATTICE_PX
    for j in range(part.size):
        at = left + slope * (j + first)
        down = np.floor(at)
        whole[j] = np.int32(down)
        part[j] = np.float32(at - down)


@njit(nogil=True, cache=True)
def _row_positions(nodes, row, first_col, whole, part):  # type: ignore[no-untyped-def]
    """Positions along one row of pixels, `row` pixels below the first node."""
    nr = row // LATTICE_PX
    fr = (row - nr * LATTICE_PX) / LATTICE_PX
    start = 0
    while start < part.size:
        nc = (start + first_col) // LATTICE_PX
        end = min(part.size, (nc + 1) * LATTICE_PX - first_col)
        left = nodes[nr, nc] + (nodes[nr + 1, nc] - nodes[nr, nc]) * fr
        right = nodes[nr, nc + 1] + (nodes[nr + 1, nc + 1] - nodes[nr, nc + 1]) * fr
        within = start + first_col - nc * LATTICE_PX
        _cell_positions(left, right, within, whole[start:end], part[start:end])
        start = end


@njit(nogil=True, cache=True)
def _run_end(whole_r, whole_c, start):  # type: ignore[no-untyped-def]
    """First pixel after `start` whose taps do not follow those of the pixel before it."""
    end = start + 1
    while (
        end < whole_r.size
        and whole_r[end] == whole_r[start]
        and whole_c[end] - whole_c[start] == end - start
    ):
        end += 1
    return end


@njit(nogil=True, cache=True)
def _along_row(source, at, part, out):  # type: ignore[no-untyped-def]
    """Horizontal cubic of a run of pixels whose source columns follow each other from `at`.

    The kernel as a polynomial of the fraction: no weights to be stored, one vector operation each.
    """
    half, two = np.float32(0.5), np.float32(2.0)
    high, low = np.float32(1.5), np.float32(2.5)
    n = out.size
    left, middle = source[at - 1 : at - 1 + n], source[at : at + n]
    right, far = source[at + 1 : at + 1 + n], source[at + 2 : at + 2 + n]
    for j in range(n):
        a, b = np.float32(left[j]), np.float32(middle[j])
        c, d = np.float32(right[j]), np.float32(far[j])
        cubic = half * (d - a) + high * (b - c)
        square = a - low * b + two * c - half * d
        t = part[j]
        out[j] = ((cubic * t + square) * t + half * (c - a)) * t + b


@njit(nogil=True, cache=True)
def _along_row_at_edge(source, at, part, out):  # type: ignore[no-untyped-def]
    """The same where taps reach beyond the window: its edge is replicated."""
    half, two = np.float32(0.5), np.float32(2.0)
    high, low = np.float32(1.5), np.float32(2.5)
    last = source.size - 1
    for j in range(out.size):
        a = np.float32(source[min(max(at + j - 1, 0), last)])
        b = np.float32(source[min(max(at + j, 0), last)])
        c = np.float32(source[min(max(at + j + 1, 0), last)])
        d = np.float32(source[min(max(at + j + 2, 0), last)])
        cubic = half * (d - a) + high * (b - c)
        square = a - low * b + two * c - half * d
        t = part[j]
        out[j] = ((cubic * t + square) * t + half * (c - a)) * t + b


@njit(nogil=True, cache=True)
def _across_rows(lines, part, seen, out):  # type: ignore[no-untyped-def]
    """Vertical cubic of four filtered rows; pixels not seen become 0."""
    half, two = np.float32(0.5), np.float32(2.0)
    high, low = np.float32(1.5), np.float32(2.5)
    first, second, third, fourth = lines
    for j in range(out.size):
        a, b, c, d = first[j], second[j], third[j], fourth[j]
        cubic = half * (d - a) + high * (b - c)
        square = a - low * b + two * c - half * d
        t = part[j]
        value = ((cubic * t + square) * t + half * (c - a)) * t + b
        out[j] = value * np.float32(seen[j])


@njit(nogil=True, cache=True)
def _across_rows_rounded(lines, part, seen, limits, out):  # type: ignore[no-untyped-def]
    """The same for whole-number pixels: rounded to nearest, kept inside the type's range."""
    half, two = np.float32(0.5), np.float32(2.0)
    high, low = np.float32(1.5), np.float32(2.5)
    least, most = np.float32(limits[0]), np.float32(limits[1])
    first, second, third, fourth = lines
    for j in range(out.size):
        a, b, c, d = first[j], second[j], third[j], fourth[j]
        cubic = half * (d - a) + high * (b - c)
        square = a - low * b + two * c - half * d
        t = part[j]
        value = ((cubic * t + square) * t + half * (c - a)) * t + b
        value = np.floor(min(max(value + half, least), most))
        out[j] = np.int32(value) * np.int32(seen[j])


@njit(nogil=True, cache=True)
def _mark_valid(valid, at, whole, part_r, part_c, bounds, out):  # type: ignore[no-untyped-def]
    """1 where the centre lies in the source and every pixel under the 4 × 4 taps has data.

    `at` and `whole` are a run's first position in the window and in the source, `bounds` the
    source's size and whether all of the window is valid.
    """
    height, width, is_all_valid = bounds
    last = whole[1] + out.size - 1
    is_inner = 0 <= whole[0] < height - 1 and whole[1] >= 0 and last < width - 1
    if is_inner and is_all_valid:
        out[:] = 1
        return
    for j in range(out.size):
        if not (inside(whole[0], part_r[j], height) and inside(whole[1] + j, part_c[j], width)):
            continue
        good = 1
        if not is_all_valid:
            for a in range(-1, 3):
                r = min(max(at[0] + a, 0), valid.shape[0] - 1)
                for b in range(-1, 3):
                    good &= valid[r, min(max(at[1] + j + b, 0), valid.shape[1] - 1)]
        out[j] = good


@njit(nogil=True, cache=True)
def _filter_run(source, at, part_c, lines):  # type: ignore[no-untyped-def]
    """Four filtered rows of one band of one run, from source row `at[0] - 1` on."""
    height, width = source.shape
    n = part_c.size
    is_inner = at[1] >= 1 and at[1] + n + 2 <= width
    for a in range(4):
        row = source[min(max(at[0] - 1 + a, 0), height - 1)]
        if is_inner:
            _along_row(row, at[1], part_c, lines[a, :n])
        else:
            _along_row_at_edge(row, at[1], part_c, lines[a, :n])


@njit(nogil=True, cache=True)
def field_cubic(  # type: ignore[no-untyped-def]
    pixels, valid, node_rows, node_cols, first, origin, size, limits, out, out_valid
):
    """`map_cubic` for a displacement of less than a pixel per cell: runs of neighbouring taps.

    The source columns of a row nearly always follow each other over hundreds of pixels: such a run
    is filtered by vector operations.
    """
    rows, cols = out_valid.shape
    whole_r, whole_c = np.empty(cols, np.int32), np.empty(cols, np.int32)
    part_r, part_c = np.empty(cols, np.float32), np.empty(cols, np.float32)
    lines = np.empty((4, cols), np.float32)
    bounds = (size[0], size[1], valid.min() == 1)
    for i in range(rows):
        _row_positions(node_rows, i + first[0], first[1], whole_r, part_r)
        _row_positions(node_cols, i + first[0], first[1], whole_c, part_c)
        a = 0
        while a < cols:
            b = _run_end(whole_r, whole_c, a)
            n = b - a
            there = (whole_r[a], whole_c[a])
            at = (there[0] - origin[0], there[1] - origin[1])
            seen = out_valid[i][a:b]
            _mark_valid(valid, at, there, part_r[a:b], part_c[a:b], bounds, seen)
            if seen.max() == 1:
                for k in range(pixels.shape[0]):
                    _filter_run(pixels[k], at, part_c[a:b], lines)
                    four = (lines[0, :n], lines[1, :n], lines[2, :n], lines[3, :n])
                    if limits[1] == np.inf:
                        _across_rows(four, part_r[a:b], seen, out[k, i][a:b])
                    else:
                        _across_rows_rounded(four, part_r[a:b], seen, limits, out[k, i][a:b])
            a = b


@njit(nogil=True, cache=True)
def field_nearest(  # type: ignore[no-untyped-def]
    pixels, node_rows, node_cols, first, origin, out
):
    """Nearest pixel at positions interpolated between lattice nodes; `out` stays as it is beyond
    the source."""
    rows, cols = out.shape
    for i in range(rows):
        nr = (i + first[0]) // LATTICE_PX
        fr = (i + first[0] - nr * LATTICE_PX) / LATTICE_PX
        for j in range(cols):
            nc = (j + first[1]) // LATTICE_PX
            fc = (j + first[1] - nc * LATTICE_PX) / LATTICE_PX
            top = node_rows[nr, nc] + (node_rows[nr, nc + 1] - node_rows[nr, nc]) * fc
            low = node_rows[nr + 1, nc] + (node_rows[nr + 1, nc + 1] - node_rows[nr + 1, nc]) * fc
            r = int(np.floor(top + (low - top) * fr + 0.5)) - origin[0]
            top = node_cols[nr, nc] + (node_cols[nr, nc + 1] - node_cols[nr, nc]) * fc
            low = node_cols[nr + 1, nc] + (node_cols[nr + 1, nc + 1] - node_cols[nr + 1, nc]) * fc
            c = int(np.floor(top + (low - top) * fr + 0.5)) - origin[1]
            if 0 <= r < pixels.shape[0] and 0 <= c < pixels.shape[1]:
                out[i, j] = pixels[r, c]
