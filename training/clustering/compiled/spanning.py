"""The minimum spanning tree of the mutual reachability distances, up to a radius.

Sources: Campello, Moulavi and Sander (2013), "Density-based clustering based on hierarchical density
estimates", for the distance max(d(p, q), core(p), core(q)) and what its spanning tree says of DBSCAN's
clusters; Boruvka (1926) for the rounds, each of which joins every component to its nearest other one;
March, Ram and Gray (2010), "Fast Euclidean minimum spanning tree", for the rounds on a k-d tree.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from training.clustering.compiled import WIDTH
from training.clustering.compiled.tree import Tree, _to_box

Floats = NDArray[np.float64]


def edges(tree: Tree, core: Floats, distances: Floats, indices: NDArray[np.int32], radius: float) -> Floats:
    """The lengths <= `radius` of the tree's edges, ascending.

    core: (n,) distances to the min_samples-th nearest; distances, indices: (n, k) nearest neighbours, k at
    least min_samples; all as `Tree.nearest` gives them.
    """
    order = tree.order
    place = np.empty(len(order), dtype=np.int32)
    place[order] = np.arange(len(order), dtype=np.int32)
    found = _boruvka(
        tree.columns,
        tree.bounds,
        tree.low,
        tree.high,
        tree.depth,
        core[order],
        distances[order],
        place[indices[order]],
        radius,
    )
    return np.sort(found)


@njit(cache=True)
def _root(parent, i):
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@njit(cache=True, nogil=True)
def _boruvka(columns, bounds, low, high, depth, core, distances, neighbours, radius):
    n, k = distances.shape
    leaves, nodes = 2**depth, 2 ** (depth + 1) - 1
    parent, part = np.arange(n), np.arange(n)
    whole, least_core = np.empty(nodes, dtype=np.int64), np.empty(nodes)
    lengths, ends = np.empty(n), np.empty(n, dtype=np.int64)
    begins = np.empty(n, dtype=np.int64)
    closed = np.zeros(n, dtype=np.bool_)  # points with nothing outside their component within the radius
    found, count = np.empty(n), 0
    waiting, point = np.empty(2 * depth + 4, dtype=np.int64), np.empty(WIDTH)
    while True:
        # Which component each box belongs to (-1: several), and its smallest core distance.
        for node in range(nodes - 1, -1, -1):
            if node >= leaves - 1:
                start, end = bounds[node, 0], bounds[node, 1]
                whole[node], least_core[node] = -2, np.inf
                for i in range(start, end):
                    whole[node] = part[i] if whole[node] in (-2, part[i]) else -1
                    least_core[node] = min(least_core[node], core[i])
            else:
                left, right = 2 * node + 1, 2 * node + 2
                whole[node] = whole[left] if whole[left] == whole[right] else -1
                least_core[node] = min(least_core[left], least_core[right])
        lengths[:] = np.inf
        for p in range(n):
            own = part[p]
            best = min(lengths[own], np.nextafter(radius, np.inf))
            if closed[p] or core[p] >= best:
                continue
            nearest = -1
            complete = False
            for j in range(k):
                if distances[p, j] >= best:
                    complete = True
                    break
                q = neighbours[p, j]
                if part[q] != own:
                    length = max(distances[p, j], core[p], core[q])
                    if length < best:
                        best, nearest = length, q
            if not complete and max(distances[p, k - 1], core[p]) < best:
                for c in range(WIDTH):
                    point[c] = columns[c, p]
                waiting[0], many = 0, 1
                while many:
                    many -= 1
                    node = waiting[many]
                    if whole[node] == own or least_core[node] >= best:
                        continue
                    if _to_box(point, low, high, node) >= best * best:
                        continue
                    if node < leaves - 1:
                        near, far = 2 * node + 1, 2 * node + 2
                        if _to_box(point, low, high, far) < _to_box(point, low, high, near):
                            near, far = far, near
                        waiting[many], waiting[many + 1] = far, near
                        many += 2
                        continue
                    for q in range(bounds[node, 0], bounds[node, 1]):
                        if part[q] != own and core[q] < best:
                            square = 0.0
                            for c in range(WIDTH):
                                square += (columns[c, q] - point[c]) ** 2
                            length = max(np.sqrt(square), core[p], core[q])
                            if length < best:
                                best, nearest = length, q
            if nearest >= 0:
                lengths[own], begins[own], ends[own] = best, p, nearest
            elif lengths[own] == np.inf:
                closed[p] = True
        joined = False
        for component in range(n):
            if lengths[component] <= radius:
                one, other = _root(parent, begins[component]), _root(parent, ends[component])
                if one != other:
                    parent[one] = other
                    found[count] = lengths[component]
                    count += 1
                    joined = True
        if not joined:
            return found[:count]
        for i in range(n):
            part[i] = _root(parent, i)
