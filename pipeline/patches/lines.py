"""Boundaries of reference features as an index of short runs of edges (套合索引).

A dissolved zone may have millions of vertices. Nothing is cut to make it manageable: its rings are
only *looked up* in runs of at most `RUN_EDGES` edges, by their bounding boxes, and handed out edge
by edge with the very coordinates they were delivered with. So no vertex, line or area of any result
knows of the index.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import shapely
from numba import njit
from numpy.typing import NDArray

GeometryArray = NDArray[np.object_]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

RUN_EDGES = 64
"""Most edges of one run: short enough that a box around it is tight, long enough to be few."""


@dataclass(frozen=True, eq=False)
class Edges:
    """Straight edges near some patches, those of patch `p` in rows `first[p]:first[p + 1]`."""

    xyxy: Floats
    """`(edge, 4)`: x and y of the beginning, x and y of the end."""
    first: Ints
    """`(patch + 1,)`."""


@dataclass(frozen=True, eq=False)
class LineIndex:
    """All rings of some polygons, with a tree over runs of their edges."""

    points: Floats
    """`(vertex, 2)`, ring after ring, each closed."""
    ring_first: Ints
    """`(ring + 1,)`: first vertex of each ring."""
    feature_ring: Ints
    """`(feature + 1,)`: first ring of each feature."""
    runs: Ints
    """`(run, 2)`: first and last vertex of each run, both included."""
    tree: shapely.STRtree
    """Over the runs' bounding boxes."""

    def near(self, bounds: Floats, outlines: GeometryArray) -> Edges:
        """The edges whose bounding boxes touch those of `outlines`, `bounds` being these boxes."""
        patch, run = self.tree.query(outlines).astype(np.int64)
        order = np.lexsort((run, patch))
        edges, count = _take_edges(self.points, self.runs, run[order], patch[order], bounds)
        return Edges(edges, np.concatenate(([0], np.cumsum(count))))

    @cached_property
    def n_points(self) -> Ints:
        """Vertices of each feature, `(feature,)`."""
        return np.diff(self.ring_first[self.feature_ring])

    def covers(self, feature: Ints, x: Floats, y: Floats) -> NDArray[np.bool_]:
        """Whether each point lies inside its feature, `(point,)`; False for features below 0."""
        return _covers(
            self.points, self.ring_first, self.feature_ring, feature, np.stack([x, y], 1)
        )


def index_lines(features: GeometryArray) -> LineIndex:
    """The index of the rings of polygons; none is simplified, cut or moved."""
    points = shapely.get_coordinates(features)
    size, owner = _rings(features, points)
    ring_first = np.concatenate(([0], np.cumsum(size)))
    feature_ring = np.searchsorted(owner, np.arange(features.size + 1))
    # The last vertex of a ring begins no run and no edge.
    n_runs = -(-(size - 1) // RUN_EDGES)
    number = np.arange(n_runs.sum()) - np.repeat(np.cumsum(n_runs) - n_runs, n_runs)
    start = np.repeat(ring_first[:-1], n_runs) + RUN_EDGES * number
    end = np.minimum(start + RUN_EDGES, np.repeat(ring_first[1:] - 1, n_runs))
    runs = np.stack([start, end], axis=1)
    diagonals: GeometryArray = np.asarray(shapely.linestrings(_corners(points, runs)), dtype=object)
    tree = shapely.STRtree(diagonals)
    return LineIndex(points, ring_first, feature_ring, runs, tree)


def _rings(features: GeometryArray, points: Floats) -> tuple[Ints, Ints]:
    """Vertices of each ring, and its feature; most features are one ring and need no copy of it."""
    n_points = shapely.get_num_coordinates(features).astype(np.int64)
    is_ring = _are_one_ring(points, np.concatenate(([0], np.cumsum(n_points))))
    others = np.flatnonzero(~is_ring)
    parts, part_owner = shapely.get_parts(features[others], return_index=True)
    rings, ring_part = shapely.get_rings(parts, return_index=True)
    owner = np.concatenate([np.flatnonzero(is_ring), others[part_owner[ring_part]]])
    size = np.concatenate([n_points[is_ring], shapely.get_num_coordinates(rings)])
    order = np.argsort(owner, kind="stable")
    return size[order].astype(np.int64), owner[order]


@njit(nogil=True, cache=True)
def _are_one_ring(points: Floats, first: Ints) -> NDArray[np.bool_]:
    """Whether the vertices of each valid polygon are one ring: none before the last is the first.

    A ring passes its first vertex only at its end, so where there are more rings it comes earlier.
    """
    result = np.zeros(first.size - 1, np.bool_)
    for feature in range(result.size):
        begin, last = first[feature], first[feature + 1] - 1
        vertex = begin + 1
        while vertex < last and (
            points[vertex, 0] != points[begin, 0] or points[vertex, 1] != points[begin, 1]
        ):
            vertex += 1
        result[feature] = vertex == last
    return result


def together(edges: Iterable[Edges], n_patches: int) -> Edges:
    """Edges of several layers as one, patch by patch in the order of the layers."""
    parts = list(edges)
    count = [np.diff(part.first) for part in parts]
    patch = [np.repeat(np.arange(n_patches), n) for n in count]
    order = np.argsort(np.concatenate([np.empty(0, np.int64), *patch]), kind="stable")
    rows = np.concatenate([np.empty((0, 4)), *(part.xyxy for part in parts)])
    total = np.sum([np.zeros(n_patches, np.int64), *count], axis=0)
    return Edges(rows[order], np.concatenate(([0], np.cumsum(total))))


@njit(nogil=True, cache=True)
def _corners(points: Floats, runs: Ints) -> Floats:
    """Opposite corners of the box around each run, `(run, 2, 2)`."""
    corners = np.empty((runs.shape[0], 2, 2))
    for run in range(runs.shape[0]):
        first, last = runs[run]
        for axis in range(2):
            low = high = points[first, axis]
            for vertex in range(first + 1, last + 1):
                low = min(low, points[vertex, axis])
                high = max(high, points[vertex, axis])
            corners[run, 0, axis], corners[run, 1, axis] = low, high
    return corners


@njit(nogil=True, cache=True)
def _take_edges(
    points: Floats, runs: Ints, run: Ints, patch: Ints, bounds: Floats
) -> tuple[Floats, Ints]:
    """Edges whose boxes touch those of the patches `(edge, 4)`, and how many each patch has.

    Each patch is to be held against each run; pairs are sorted by patch.
    """
    edges, count = np.empty((16 * patch.size + 1024, 4)), np.zeros(bounds.shape[0], np.int64)
    n = 0
    for pair in range(patch.size):
        x0, y0, x1, y1 = bounds[patch[pair]]
        first, last = runs[run[pair]]
        if n + last - first > edges.shape[0]:
            edges = np.concatenate((edges, np.empty_like(edges)))
        before = n
        for vertex in range(first, last):
            ax, ay = points[vertex, 0], points[vertex, 1]
            bx, by = points[vertex + 1, 0], points[vertex + 1, 1]
            if max(ax, bx) >= x0 and min(ax, bx) <= x1 and max(ay, by) >= y0 and min(ay, by) <= y1:
                edges[n, 0], edges[n, 1], edges[n, 2], edges[n, 3] = ax, ay, bx, by
                n += 1
        count[patch[pair]] += n - before
    return edges[:n], count


@njit(nogil=True, cache=True)
def _covers(
    points: Floats, ring_first: Ints, feature_ring: Ints, feature: Ints, places: Floats
) -> NDArray[np.bool_]:
    """Whether each place `(place, 2)` is inside its feature: a ray crosses it an odd number of
    times. Differences from the place come first, so that nothing is lost to large coordinates."""
    inside = np.zeros(feature.size, np.bool_)
    for k in range(feature.size):
        if feature[k] < 0:
            continue
        x, y = places[k]
        for ring in range(feature_ring[feature[k]], feature_ring[feature[k] + 1]):
            for vertex in range(ring_first[ring], ring_first[ring + 1] - 1):
                ay, by = points[vertex, 1] - y, points[vertex + 1, 1] - y
                if (ay > 0.0) == (by > 0.0):
                    continue
                ax, bx = points[vertex, 0] - x, points[vertex + 1, 0] - x
                if (ax * by - bx * ay > 0.0) == (by > ay):
                    inside[k] = not inside[k]
    return inside
