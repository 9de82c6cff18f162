"""Nearest-neighbour retrieval between two sets of word vectors: cosine and CSLS.

Rows are vectors of length 1. Source rows have been mapped into the target space already.

CSLS (Conneau et al., 2018, ICLR) subtracts from twice the cosine how crowded it is around each
of the two words: ``2 cos(x, y) - r_T(x) - r_S(y)``, where ``r_T(x)`` is the mean cosine of x to
its 10 nearest targets and ``r_S(y)`` that of y to its 10 nearest source words, over ALL of them.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Retrieval = Literal["cosine", "csls"]


class Neighbours(NamedTuple):
    """Nearest targets of each query, best first."""

    indices: Ints  # (q, k) row numbers in the targets
    scores: Floats  # (q, k) cosine or CSLS


def _best(scores: NDArray[np.floating], k: int) -> Ints:
    order: Ints = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return order


def cosine_knn(queries: Floats, targets: Floats, k: int = 1, block: int = 512) -> Neighbours:
    """The k targets of highest cosine for each query."""
    indices, scores = [], []
    for start in range(0, len(queries), block):
        cosines = queries[start : start + block] @ targets.T
        best = _best(cosines, k)
        indices.append(best)
        scores.append(np.take_along_axis(cosines, best, axis=1))
    return Neighbours(np.concatenate(indices), np.concatenate(scores))


def neighbourhood_mean(rows: Floats, others: Floats, neighbours: int = 10) -> Floats:
    """Mean cosine of each row to its nearest ``neighbours`` among the others, shape (n,)."""
    means: Floats = cosine_knn(rows, others, min(neighbours, len(others))).scores.mean(axis=1)
    return means


def csls_matrix(
    queries: Floats, targets: Floats, source: Floats | None = None, neighbours: int = 10
) -> Floats:
    """All CSLS scores, shape (q, t). For small data: it holds every pair."""
    source = queries if source is None else source
    crowd_query = neighbourhood_mean(queries, targets, neighbours)
    crowd_target = neighbourhood_mean(targets, source, neighbours)
    scores: Floats = 2 * (queries @ targets.T) - crowd_query[:, None] - crowd_target
    return scores


def csls_knn(
    queries: Floats,
    targets: Floats,
    source: Floats | None = None,
    k: int = 1,
    neighbours: int = 10,
    block: int = 512,
) -> Neighbours:
    """The k targets of highest CSLS for each query."""
    source = queries if source is None else source
    crowd_target = neighbourhood_mean(targets, source, neighbours)
    crowd_query = neighbourhood_mean(queries, targets, neighbours)
    indices, scores = [], []
    for start in range(0, len(queries), block):
        part = slice(start, start + block)
        csls = 2 * (queries[part] @ targets.T) - crowd_query[part, None] - crowd_target
        best = _best(csls, k)
        indices.append(best)
        scores.append(np.take_along_axis(csls, best, axis=1))
    return Neighbours(np.concatenate(indices), np.concatenate(scores))


def mutual_nearest(
    source: Floats, targets: Floats, retrieval: Retrieval = "csls", neighbours: int = 10
) -> Ints:
    """Pairs (source row, target row), shape (m, 2), in which each is the other's nearest."""
    if retrieval == "csls":
        there = csls_knn(source, targets, neighbours=neighbours).indices[:, 0]
        back = csls_knn(targets, source, neighbours=neighbours).indices[:, 0]
    else:
        there = cosine_knn(source, targets).indices[:, 0]
        back = cosine_knn(targets, source).indices[:, 0]
    rows = np.flatnonzero(back[there] == np.arange(len(there)))
    return np.stack([rows, there[rows]], axis=1)


class Hubness(NamedTuple):
    """How evenly targets are returned (Radovanovic et al., 2010, JMLR)."""

    counts: Ints  # (t,) k-occurrences N_k: how many queries have this target among their k nearest
    skewness: float  # third standardised moment of the counts; 0 is even, above 1 hubs
    never: float  # share of targets that no query returned


def hubness(neighbours: Neighbours | Ints, n_targets: int) -> Hubness:
    """k-occurrence counts and their skewness, from the (q, k) result of a retrieval."""
    indices = neighbours.indices if isinstance(neighbours, Neighbours) else np.asarray(neighbours)
    counts = np.bincount(indices.ravel(), minlength=n_targets)
    centred = counts - counts.mean()
    spread = float(np.sqrt(np.mean(centred**2)))
    skewness = float(np.mean(centred**3)) / spread**3 if spread else 0.0
    return Hubness(counts, skewness, float(np.mean(counts == 0)))
