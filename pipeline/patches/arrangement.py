"""Faces of a patch cut by edges, for the ordinary case: everything meets clearly or not at all.

GEOS nodes any mess of lines, at a price per patch that a county with 50,000 patches feels. Nearly
all patches are no mess: edges cross at a distance from all vertices, or share a vertex exactly.
For these the faces are found here directly: crossings by pairs, then a walk around each face. As
soon as anything comes within `NEAR_M` of anything else without being equal to it, or the patch has
holes, parts or islands, the patch is left to GEOS (`partition`), so rounding a crossing (about
5e-10 m) can never change which edge lies on which side of which.
"""

from __future__ import annotations

from math import atan2

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

NEAR_M = 1e-5
"""Closer than this without being equal is left to GEOS: four orders above rounding."""
AREA_TOLERANCE = 1e-10
"""Largest relative difference between a patch and its faces, planar, that counts as rounding."""


@njit(nogil=True, cache=True)
def _distance2(px: float, py: float, ax: float, ay: float, bx: float, by: float) -> float:
    """Squared distance of a point from a segment."""
    dx, dy = bx - ax, by - ay
    length2 = dx * dx + dy * dy
    t = 0.0 if length2 == 0.0 else ((px - ax) * dx + (py - ay) * dy) / length2
    t = min(1.0, max(0.0, t))
    ex, ey = px - ax - t * dx, py - ay - t * dy
    result: float = ex * ex + ey * ey
    return result


@njit(nogil=True, cache=True)
def _meet(e: Floats, i: int, j: int) -> int:
    """How edges `e[i]`, `e[j]` `(edge, 4)` meet: 0 not or at a common end, 1 cross, 2 in doubt."""
    ax, ay, bx, by = e[i, 0], e[i, 1], e[i, 2], e[i, 3]
    cx, cy, dx, dy = e[j, 0], e[j, 1], e[j, 2], e[j, 3]
    a_is_c, a_is_d = ax == cx and ay == cy, ax == dx and ay == dy
    b_is_c, b_is_d = bx == cx and by == cy, bx == dx and by == dy
    near2 = NEAR_M * NEAR_M
    if not (a_is_c or a_is_d) and _distance2(ax, ay, cx, cy, dx, dy) < near2:
        return 2
    if not (b_is_c or b_is_d) and _distance2(bx, by, cx, cy, dx, dy) < near2:
        return 2
    if not (a_is_c or b_is_c) and _distance2(cx, cy, ax, ay, bx, by) < near2:
        return 2
    if not (a_is_d or b_is_d) and _distance2(dx, dy, ax, ay, bx, by) < near2:
        return 2
    if a_is_c or a_is_d or b_is_c or b_is_d:
        return 0
    c_side = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
    d_side = (bx - ax) * (dy - ay) - (by - ay) * (dx - ax)
    a_side = (dx - cx) * (ay - cy) - (dy - cy) * (ax - cx)
    b_side = (dx - cx) * (by - cy) - (dy - cy) * (bx - cx)
    return 1 if c_side * d_side < 0.0 and a_side * b_side < 0.0 else 0


@njit(nogil=True, cache=True)
def _crossings(e: Floats, n_outline: int) -> tuple[bool, Ints, Floats]:
    """Whether all is clear, and the crossings of distinct edges: `(n, 2)` edges, `(n, 2)` places.

    Edges are taken in the order of their left ends, so that only those whose boxes overlap meet.
    """
    n = e.shape[0]
    pairs, where = np.empty((16, 2), np.int64), np.empty((16, 2))
    found = 0
    left = np.minimum(e[:, 0], e[:, 2])
    order = np.argsort(left)
    for k in range(n):
        i = order[k]
        right = max(e[i, 0], e[i, 2]) + NEAR_M
        low, high = min(e[i, 1], e[i, 3]) - NEAR_M, max(e[i, 1], e[i, 3]) + NEAR_M
        for m in range(k + 1, n):
            j = order[m]
            if left[j] > right:
                break
            if min(e[j, 1], e[j, 3]) > high or max(e[j, 1], e[j, 3]) < low:
                continue
            how = _meet(e, i, j)
            if how == 0:
                continue
            if how == 2 or (i < n_outline and j < n_outline):
                return False, pairs, where
            if found == pairs.shape[0]:
                pairs = np.concatenate((pairs, np.empty_like(pairs)))
                where = np.concatenate((where, np.empty_like(where)))
            pairs[found, 0], pairs[found, 1] = i, j
            where[found] = _place(e, i, j)
            found += 1
    return True, pairs[:found], where[:found]


@njit(nogil=True, cache=True)
def _place(e: Floats, i: int, j: int) -> Floats:
    """Where two edges cross; the same whichever way round and in whichever order they come."""
    a, b, c, d = e[i, :2], e[i, 2:], e[j, :2], e[j, 2:]
    if a[0] > b[0] or (a[0] == b[0] and a[1] > b[1]):
        a, b = b, a
    if c[0] > d[0] or (c[0] == d[0] and c[1] > d[1]):
        c, d = d, c
    if c[0] < a[0] or (c[0] == a[0] and c[1] < a[1]):
        a, b, c, d = c, d, a, b
    rx, ry, sx, sy = b[0] - a[0], b[1] - a[1], d[0] - c[0], d[1] - c[1]
    t = ((c[0] - a[0]) * sy - (c[1] - a[1]) * sx) / (rx * sy - ry * sx)
    return np.array((a[0] + t * rx, a[1] + t * ry))


@njit(nogil=True, cache=True)
def _numbered(e: Floats) -> tuple[Ints, Floats]:
    """Number of the vertex at each edge's ends, `(edge, 2)`, and the vertices, `(vertex, 2)`."""
    n = 2 * e.shape[0]
    xy = np.ascontiguousarray(e).reshape(n, 2)
    bits = xy.view(np.int64)
    size = 1
    while size < 2 * n:
        size *= 2
    table = np.full(size, -1, np.int64)
    number = np.empty(n, np.int64)
    vertices = np.empty((n, 2))
    n_vertices = 0
    for k in range(n):
        key = (bits[k, 0] * 31 + bits[k, 1]) * 0x9E3779B97F4A7C
        slot = (key ^ (key >> 29)) & (size - 1)
        while table[slot] >= 0:
            v = table[slot]
            if vertices[v, 0] == xy[k, 0] and vertices[v, 1] == xy[k, 1]:
                break
            slot = (slot + 1) & (size - 1)
        if table[slot] < 0:
            table[slot] = n_vertices
            vertices[n_vertices] = xy[k]
            n_vertices += 1
        number[k] = table[slot]
    return number.reshape(-1, 2), vertices[:n_vertices]


@njit(nogil=True, cache=True)
def _distinct(e: Floats) -> tuple[int, Ints, Floats]:
    """How many edges are left without those that join the same two vertices as an earlier one, the
    numbers of their ends `(edge, 2)`, and the vertices. What is left moves to the front of `e`."""
    ends, vertices = _numbered(e)
    size = 1
    while size < 2 * e.shape[0]:
        size *= 2
    table = np.full(size, -1, np.int64)
    n = 0
    for k in range(e.shape[0]):
        low, high = min(ends[k, 0], ends[k, 1]), max(ends[k, 0], ends[k, 1])
        slot = (low * 7919 + high) & (size - 1)
        while table[slot] >= 0:
            other = table[slot]
            same_low = low == min(ends[other, 0], ends[other, 1])
            if same_low and high == max(ends[other, 0], ends[other, 1]):
                break
            slot = (slot + 1) & (size - 1)
        if table[slot] < 0:
            table[slot] = n
            e[n], ends[n] = e[k], ends[k]
            n += 1
    return n, ends[:n], vertices


@njit(nogil=True, cache=True)
def _is_inside(e: Floats, n_outline: int, x: float, y: float) -> bool:
    """Whether a point is inside the outline, `e[:n_outline]`, by counting crossings of a ray."""
    inside = False
    for k in range(n_outline):
        ay, by = e[k, 1], e[k, 3]
        if (ay > y) != (by > y):
            ax, bx = e[k, 0], e[k, 2]
            side = (bx - ax) * (y - ay) - (by - ay) * (x - ax)
            if (side > 0.0) == (by > ay):
                inside = not inside
    return inside


@njit(nogil=True, cache=True)
def _pieces(e: Floats, ends: Ints, nodes: Floats, n_outline: int, pairs: Ints) -> tuple[bool, Ints]:
    """Edges between nodes that lie in the patch, `(piece, 2)` node numbers; crossings come last
    among the nodes, in the order of `pairs`. False where a piece would be too short."""
    n, n_cross = e.shape[0], pairs.shape[0]
    n_vertices = nodes.shape[0] - n_cross
    first = np.zeros(n + 1, np.int64)
    for c in range(n_cross):
        first[pairs[c, 0] + 1] += 1
        first[pairs[c, 1] + 1] += 1
    first = np.cumsum(first)
    fill, on = first[:-1].copy(), np.empty(2 * n_cross, np.int64)
    for c in range(n_cross):
        for s in range(2):
            on[fill[pairs[c, s]]] = n_vertices + c
            fill[pairs[c, s]] += 1
    pieces = np.empty((n + 2 * n_cross, 2), np.int64)
    n_pieces = 0
    for k in range(n):
        chain = on[first[k] : first[k + 1]]
        _sort_along(e, k, chain, nodes)
        begin = ends[k, 0]
        for s in range(chain.size + 1):
            end = chain[s] if s < chain.size else ends[k, 1]
            x0, y0, x1, y1 = nodes[begin, 0], nodes[begin, 1], nodes[end, 0], nodes[end, 1]
            if max(abs(x1 - x0), abs(y1 - y0)) < NEAR_M:
                return False, pieces
            middle_x, middle_y = 0.5 * (x0 + x1), 0.5 * (y0 + y1)
            if k < n_outline or _is_inside(e, n_outline, middle_x, middle_y):
                pieces[n_pieces, 0], pieces[n_pieces, 1] = begin, end
                n_pieces += 1
            begin = end
    return True, pieces[:n_pieces]


@njit(nogil=True, cache=True)
def _sort_along(e: Floats, k: int, chain: Ints, nodes: Floats) -> None:
    """Put nodes that lie on edge `k` in order from its beginning, in place; they are few."""
    dx, dy = e[k, 2] - e[k, 0], e[k, 3] - e[k, 1]
    for s in range(1, chain.size):
        node = chain[s]
        along = nodes[node, 0] * dx + nodes[node, 1] * dy
        at = s
        while at > 0 and nodes[chain[at - 1], 0] * dx + nodes[chain[at - 1], 1] * dy > along:
            chain[at] = chain[at - 1]
            at -= 1
        chain[at] = node


@njit(nogil=True, cache=True)
def _successors(pieces: Ints, nodes: Floats) -> tuple[bool, Ints]:
    """For each directed piece the next one around the face on its left; False for loose ends.

    Piece k is directed piece 2 k from its first to its second node and 2 k + 1 back.
    """
    n = 2 * pieces.shape[0]
    first = np.zeros(nodes.shape[0] + 1, np.int64)
    for h in range(n):
        first[pieces[h // 2, h % 2] + 1] += 1
    first = np.cumsum(first)
    fill, leaving, angle = first[:-1].copy(), np.empty(n, np.int64), np.empty(n)
    for h in range(n):
        u, v = pieces[h // 2, h % 2], pieces[h // 2, 1 - h % 2]
        turn = 0.0  # of two, either follows the other
        if first[u + 1] - first[u] > 2:
            turn = atan2(nodes[v, 1] - nodes[u, 1], nodes[v, 0] - nodes[u, 0])
        at = fill[u]
        fill[u] += 1
        while at > first[u] and angle[at - 1] > turn:
            angle[at], leaving[at] = angle[at - 1], leaving[at - 1]
            at -= 1
        angle[at], leaving[at] = turn, h
    following = np.empty(n, np.int64)
    for u in range(nodes.shape[0]):
        degree = first[u + 1] - first[u]
        if degree == 1:
            return False, following
        for s in range(degree):
            # arriving against `leaving[s]`, the sharpest left turn leaves just clockwise of it
            before = first[u] + (s + degree - 1) % degree
            following[leaving[first[u] + s] ^ 1] = leaving[before]
    return True, following


@njit(nogil=True, cache=True)
def _walk(pieces: Ints, nodes: Floats, following: Ints) -> tuple[bool, Ints, Ints, float]:
    """Nodes of the faces one after another, the first node of each face, and their total area.

    False where the pieces are not in one connected whole or a face touches itself.
    """
    n = following.size
    seen = np.zeros(n, np.bool_)
    stamp = np.full(nodes.shape[0], -1, np.int64)
    ring, first = np.empty(n, np.int64), np.empty(n + 1, np.int64)
    size = n_faces = n_outer = 0
    total = 0.0
    for start in range(n):
        if seen[start]:
            continue
        begin, area2, h = size, 0.0, start
        while not seen[h]:
            seen[h] = True
            u, v = pieces[h // 2, h % 2], pieces[h // 2, 1 - h % 2]
            if stamp[u] == start:
                return False, ring, first, total
            stamp[u] = start
            area2 += nodes[u, 0] * nodes[v, 1] - nodes[v, 0] * nodes[u, 1]
            ring[size] = u
            size += 1
            h = following[h]
        if area2 > 0.0:
            first[n_faces] = begin
            n_faces += 1
            total += 0.5 * area2
        else:
            n_outer += 1
            size = begin
    first[n_faces] = size
    return n_outer == 1, ring[:size], first[: n_faces + 1], total


@njit(nogil=True, cache=True)
def _faces_of(e: Floats, n_outline: int) -> tuple[bool, Floats, Ints]:
    """Rings of the faces of one patch, not closed, `(node, 2)`, and the first node of each."""
    nothing = np.empty((0, 2)), np.zeros(1, np.int64)
    whole = 0.0
    for k in range(n_outline):
        whole += 0.5 * (e[k, 0] * e[k, 3] - e[k, 2] * e[k, 1])
    n_edges, ends, vertices = _distinct(e)
    e = e[:n_edges]
    is_clear, pairs, where = _crossings(e, n_outline)
    if not is_clear:
        return False, nothing[0], nothing[1]
    nodes = np.concatenate((vertices, where))
    is_clear, pieces = _pieces(e, ends, nodes, n_outline, pairs)
    if not is_clear:
        return False, nothing[0], nothing[1]
    is_clear, following = _successors(pieces, nodes)
    if not is_clear:
        return False, nothing[0], nothing[1]
    is_clear, ring, first, total = _walk(pieces, nodes, following)
    if not is_clear or not abs(total - abs(whole)) <= AREA_TOLERANCE * abs(whole):
        return False, nothing[0], nothing[1]
    return True, nodes[ring], first


@njit(nogil=True, cache=True)
def arrange(
    outline: Floats, outline_first: Ints, edges: Floats, edge_first: Ints
) -> tuple[NDArray[np.bool_], Floats, Ints, Ints]:
    """Faces of patches whose rings are `outline` `(vertex, 2)`, cut by `edges` `(edge, 4)`.

    `outline_first` and `edge_first` `(patch + 1,)` say where each patch begins; a patch without
    outline is not wanted. Returns which patches were clear, and of these the closed rings of the
    faces `(vertex, 2)`, the vertices per face, and the patch of each face.
    """
    n = outline_first.size - 1
    is_clear = np.zeros(n, np.bool_)
    points = np.empty((outline.shape[0] + 4 * edges.shape[0] + 16, 2))
    sizes, owners = np.empty(n + 16, np.int64), np.empty(n + 16, np.int64)
    n_points = n_faces = 0
    for p in range(n):
        begin, end = outline_first[p], outline_first[p + 1] - 1
        n_outline = end - begin
        if n_outline < 3:
            continue
        corner = outline[begin, 0], outline[begin, 1]
        e = np.empty((n_outline + edge_first[p + 1] - edge_first[p], 4))
        # Single numbers: a row at a time would make an array of each.
        for k in range(n_outline):
            for axis in range(2):
                e[k, axis] = outline[begin + k, axis] - corner[axis]
                e[k, 2 + axis] = outline[begin + k + 1, axis] - corner[axis]
        for k in range(n_outline, e.shape[0]):
            edge = edge_first[p] + k - n_outline
            for axis in range(4):
                e[k, axis] = edges[edge, axis] - corner[axis % 2]
        is_clear[p], ring, first = _faces_of(e, n_outline)
        n_new = first.size - 1
        while n_points + ring.shape[0] + n_new > points.shape[0]:
            points = np.concatenate((points, np.empty_like(points)))
        while n_faces + n_new > sizes.size:
            sizes = np.concatenate((sizes, np.empty_like(sizes)))
            owners = np.concatenate((owners, np.empty_like(owners)))
        for f in range(n_new):
            size = first[f + 1] - first[f] + 1
            for k in range(size):
                node = first[f] + k % (size - 1)
                points[n_points, 0] = ring[node, 0] + corner[0]
                points[n_points, 1] = ring[node, 1] + corner[1]
                n_points += 1
            sizes[n_faces], owners[n_faces] = size, p
            n_faces += 1
    return is_clear, points[:n_points], sizes[:n_faces], owners[:n_faces]
