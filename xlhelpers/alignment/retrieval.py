"""Nearest-neighbour retrieval between two sets of word vectors: cosine and CSLS.

Vectors are rows of length 1; source rows have been mapped into the target space already.

CSLS (Conneau et al., 2018, ICLR) asks not how near two words are but how near compared with the
neighbourhood of each: ``2 cos(x, y) - r_T(x) - r_S(y)``, where ``r_T(x)`` is the mean cosine of x
to its 10 nearest targets and ``r_S(y)`` that of y to its 10 nearest words among ALL source rows.

Results are exact and memory is bounded; see :mod:`xlhelpers.alignment._search`. The number of
threads is that of numpy's BLAS (``OMP_NUM_THREADS``).
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xlhelpers.alignment import _search
from xlhelpers.alignment._search import Best, Judge, Pairs, Pruned, TooManyPairs

__all__ = [
    "Hubness",
    "Neighbours",
    "cosine_knn",
    "csls_knn",
    "csls_matrix",
    "hubness",
    "mutual_nearest",
    "neighbourhood_mean",
]

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Retrieval = Literal["cosine", "csls"]

MEMORY = 256 << 20
# How far from 1 the length of a row may be. Rounding gives 1e-6; float16 files give 1e-3.
LENGTH_TOLERANCE = 2e-3


class Neighbours(NamedTuple):
    """Nearest targets of each query, best first."""

    indices: Ints  # (q, k) row numbers in the targets
    scores: Floats  # (q, k) cosine or CSLS


def cosine_knn(
    queries: ArrayLike, targets: ArrayLike, k: int = 1, *, memory: int = MEMORY
) -> Neighbours:
    """The k targets of highest cosine for each query.

    Args:
        queries: (q, d) rows of length 1.
        targets: (t, d) rows of length 1.
        k: how many, at most t.
        memory: bytes to work in, beyond the vectors and the result.

    Returns:
        Row numbers and cosines, best first; of equal targets the lower row number comes first.

    Raises:
        ValueError: shapes that disagree, NaN, zero rows, rows that are not of length 1, a bad k.
    """
    queries, targets = _rows("queries", queries), _rows("targets", targets)
    _check_together(queries=queries, targets=targets)
    _check_k(k, len(targets))
    judge = Judge(queries, targets, None, 0, memory)
    return _neighbours(_search.search_all(judge, None, k), k, None)


def neighbourhood_mean(
    rows: ArrayLike, others: ArrayLike, neighbours: int = 10, *, memory: int = MEMORY
) -> Floats:
    """Mean cosine of each row to its nearest ``neighbours`` among the others, shape (n,).

    With fewer others than ``neighbours`` it is the mean over all of them. Arguments and errors
    are those of :func:`csls_knn`.
    """
    rows, others = _rows("rows", rows), _rows("others", others)
    _check_together(rows=rows, others=others)
    _check_neighbours(neighbours)
    return _search.nearest_mean(rows, others, neighbours, memory).astype(np.float32)


def csls_matrix(
    queries: ArrayLike,
    targets: ArrayLike,
    source: ArrayLike | None = None,
    neighbours: int = 10,
) -> NDArray[np.float64]:
    """All CSLS scores, shape (q, t), by the formula and in float64: for small data and for tests.

    Arguments and errors are those of :func:`csls_knn`; more than 20 million cosines at once are
    refused.
    """
    small = [_rows("queries", queries), _rows("targets", targets)]
    small.append(small[0] if source is None else _rows("source", source))
    _check_together(queries=small[0], targets=small[1], source=small[2])
    _check_neighbours(neighbours)
    if max(len(small[0]), len(small[2])) * len(small[1]) > 20_000_000:
        raise ValueError("too many pairs for a matrix: use csls_knn, which works in blocks")
    query, target, others = (part.astype(np.float64) for part in small)
    cosines = query @ target.T
    crowd_query = np.sort(cosines, axis=1)[:, -neighbours:].mean(axis=1)
    crowd_target = np.sort(target @ others.T, axis=1)[:, -neighbours:].mean(axis=1)
    scores: NDArray[np.float64] = 2 * cosines - crowd_query[:, None] - crowd_target
    return scores


def csls_knn(
    queries: ArrayLike,
    targets: ArrayLike,
    source: ArrayLike | None = None,
    k: int = 1,
    neighbours: int = 10,
    *,
    memory: int = MEMORY,
) -> Neighbours:
    """The k targets of highest CSLS for each query: exactly those of the full computation.

    For few queries among many targets most targets are ruled out by a bound, without computing
    their neighbourhood; otherwise all neighbourhoods are computed, block by block.

    Args:
        queries: (q, d) mapped source rows of length 1, usually some of ``source``.
        targets: (t, d) rows of length 1.
        source: (s, d) all mapped source rows of length 1, over which the neighbourhood of a
            target is taken; the queries when None.
        k: how many, at most t.
        neighbours: size of a neighbourhood (Conneau et al. take 10). Where there are fewer rows
            it is the mean over all of them.
        memory: bytes to work in, beyond the vectors and the result.

    Returns:
        Row numbers and CSLS scores, best first; of equal scores (to 12 decimals, in float64) the
        lower row number comes first.

    Raises:
        ValueError: shapes that disagree, NaN, zero rows, rows that are not of length 1, a k or
            ``neighbours`` below 1, or a k above t.
    """
    queries, targets = _rows("queries", queries), _rows("targets", targets)
    source = queries if source is None else _rows("source", source)
    _check_together(queries=queries, targets=targets, source=source)
    _check_k(k, len(targets))
    _check_neighbours(neighbours)
    judge = Judge(queries, targets, source, neighbours, memory)
    near = Best(len(queries), min(neighbours, len(targets)))
    pairs = None
    if 4 * k * len(queries) <= len(targets) and len(source) >= 8 * _search.SAMPLE:
        try:
            pairs = Pruned(judge, source, k, near).search()
        except TooManyPairs:
            near = Best(len(queries), min(neighbours, len(targets)))
    if pairs is None:
        crowd = _search.nearest_mean(targets, source, neighbours, memory).astype(np.float32)
        pairs = _search.search_all(judge, crowd, k, near)
    return _neighbours(pairs, k, near)


def _neighbours(pairs: Pairs, k: int, near: Best | None) -> Neighbours:
    scores = pairs.score.reshape(-1, k)
    if near is not None:
        scores = scores - near.mean()[:, None]
    return Neighbours(pairs.target.reshape(-1, k), scores.astype(np.float32))


def mutual_nearest(
    source: ArrayLike,
    targets: ArrayLike,
    retrieval: Retrieval = "csls",
    neighbours: int = 10,
    *,
    memory: int = MEMORY,
) -> Ints:
    """Pairs (source row, target row), shape (m, 2), in which each is the other's nearest.

    Both directions come out of the same cosines. Ties within the rounding of float32 fall either
    way. Arguments and errors are those of :func:`csls_knn`, with all source rows as queries.
    """
    if retrieval not in ("cosine", "csls"):
        raise ValueError(f"retrieval must be 'cosine' or 'csls', got {retrieval!r}")
    source, targets = _rows("source", source), _rows("targets", targets)
    _check_together(source=source, targets=targets)
    _check_neighbours(neighbours)
    crowd = None
    if retrieval == "csls":
        crowd = _search.both_means(source, targets, neighbours, memory)
    there, back = _search.both_nearest(source, targets, crowd, memory)
    rows = np.flatnonzero(back[there] == np.arange(len(there)))
    return np.stack([rows, there[rows]], axis=1)


class Hubness(NamedTuple):
    """How evenly targets are returned (Radovanovic et al., 2010, JMLR)."""

    counts: Ints  # (t,) N_k: how many queries have this target among their k nearest
    skewness: float  # third standardised moment of N_k: 0 when even, above 1 with strong hubs
    never: float  # share of targets that no query returns


def hubness(neighbours: Neighbours | ArrayLike, n_targets: int) -> Hubness:
    """k-occurrence counts N_k and their skewness, from the (q, k) result of a retrieval.

    Raises:
        ValueError: row numbers outside ``range(n_targets)``, or none.
    """
    found = neighbours.indices if isinstance(neighbours, Neighbours) else np.asarray(neighbours)
    if not found.size or not np.issubdtype(found.dtype, np.integer):
        raise ValueError("hubness needs row numbers of targets, shape (queries, k)")
    if found.min() < 0 or found.max() >= n_targets:
        raise ValueError(f"row numbers must lie in 0..{n_targets - 1}: is n_targets right?")
    counts = np.bincount(found.ravel(), minlength=n_targets)
    centred = counts - counts.mean()
    spread = float(np.sqrt(np.mean(centred**2)))
    skewness = float(np.mean(centred**3)) / spread**3 if spread else 0.0
    return Hubness(counts, skewness, float(np.mean(counts == 0)))


# --------------------------------------------------------------------------- checks


def _rows(name: str, rows: ArrayLike) -> Floats:
    """Contiguous float32 rows of length 1, or a clear error."""
    array = np.ascontiguousarray(rows, dtype=np.float32)
    if array.ndim != 2 or not array.size:
        raise ValueError(f"{name} must be of shape (rows, d), not empty; got {np.shape(rows)}")
    lengths = np.sqrt(np.einsum("ij,ij->i", array, array))
    for wrong, what in (
        (~np.isfinite(lengths), "hold NaN or infinity: leave these words out"),
        (lengths == 0, "are all zeros and have no direction: leave these words out"),
        (np.abs(lengths - 1) > LENGTH_TOLERANCE, "are not of length 1: divide each by its length"),
    ):
        if wrong.any():
            first = ", ".join(map(str, np.flatnonzero(wrong)[:5]))
            raise ValueError(f"{int(wrong.sum())} rows of {name} {what} (first rows: {first})")
    return array


def _check_together(**named: Floats) -> None:
    if len({rows.shape[1] for rows in named.values()}) > 1:
        shapes = ", ".join(f"{name} {rows.shape}" for name, rows in named.items())
        raise ValueError(f"vectors of different dimension cannot be compared: {shapes}")


def _check_k(k: int, n_targets: int) -> None:
    if not 1 <= k <= n_targets:
        raise ValueError(f"k must lie between 1 and the number of targets ({n_targets}), got {k}")


def _check_neighbours(neighbours: int) -> None:
    if neighbours < 1:
        raise ValueError(f"neighbours must be at least 1, got {neighbours}")
