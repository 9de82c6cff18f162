"""Which rows of a pool to label next."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from xlhelpers.errors import CourseError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

Floats = NDArray[np.float64]

MEASURES = ("entropy", "margin", "least-confidence")
STRATEGIES = ("random", *MEASURES, "diversity", "uncertain and diverse")
# "uncertain and diverse" chooses among so many times as many rows as are wanted.
_WIDER = 5


class ActiveLearningError(CourseError, ValueError):
    """Rows cannot be chosen, labelled or compared as asked; the message says what to do."""


def uncertainty(probabilities: ArrayLike | Sequence[ArrayLike], measure: str = "entropy") -> Floats:
    """Return (n,) how unsure a model is of each row; more is less sure.

    `entropy` of all classes in bits (Shannon, 1948), `margin`: 1 less the distance of the two
    likeliest classes, `least-confidence`: 1 less the likeliest (all three in Settles, 2009,
    "Active Learning Literature Survey"). With two classes they rank all rows alike.

    Args:
        probabilities: (n, k); or n arrays (words, k), of which the mean over the words is taken,
            so that a sentence is not chosen for being long.
        measure: one of the three.

    Raises:
        ActiveLearningError: unknown measure, or rows that are no probabilities.
    """
    if measure not in MEASURES:
        raise ActiveLearningError(
            f"there is no measure {measure!r}", f"choose among {', '.join(MEASURES)}"
        )
    rows = list(probabilities)  # type: ignore[arg-type]
    if rows and np.ndim(rows[0]) == 2:
        return np.array([_unsure(np.asarray(row, float), measure).mean() for row in rows])
    return _unsure(np.asarray(rows, float), measure)


def _unsure(table: Floats, measure: str) -> Floats:
    fits = table.ndim == 2 and table.shape[1] > 1 and table.shape[0] > 0
    if not fits or (table < 0).any() or not np.allclose(table.sum(axis=1), 1, atol=1e-3):
        raise ActiveLearningError(
            f"an array of shape {table.shape} holds no rows of probabilities of 2 or more classes",
            "give what finetuning.classify returns in .probabilities",
        )
    if measure == "entropy":
        logs = np.log2(table, where=table > 0, out=np.zeros_like(table))
        return np.asarray(-(table * logs).sum(axis=1))
    best = np.sort(table, axis=1)[:, ::-1]
    return np.asarray(1 - best[:, 0] + (best[:, 1] if measure == "margin" else 0))


def k_centre(
    vectors: ArrayLike,
    k: int,
    *,
    taken: Collection[int] = (),
    among: Collection[int] | None = None,
    rng: np.random.Generator,
) -> list[int]:
    """Return k rows that leave no row far from a chosen one, greedily.

    The core set of Sener & Savarese (2018, ICLR): each time the row that is farthest from all
    chosen and taken ones. Without a taken row the first is drawn.

    Args:
        vectors: (n, d); Euclidean distance.
        taken: rows that are labelled already.
        among: rows that may be chosen; left out, all but the taken ones.
    """
    rows = np.asarray(vectors, dtype=np.float64)
    free = np.ones(len(rows), dtype=bool) if among is None else np.zeros(len(rows), dtype=bool)
    if among is not None:
        free[list(among)] = True
    free[list(taken)] = False
    chosen: list[int] = []
    nearest = np.full(len(rows), np.inf)
    for row in taken:
        nearest = np.minimum(nearest, _distances(rows, row))
    while len(chosen) < k:
        # Before there is any centre all are equally far: the first one is drawn.
        far = np.flatnonzero(free & (nearest == nearest[free].max()))
        row = int(rng.choice(far))
        chosen.append(row)
        free[row] = False
        nearest = np.minimum(nearest, _distances(rows, row))
    return chosen


def _distances(rows: Floats, to: int) -> Floats:
    return np.asarray(np.sqrt(((rows - rows[to]) ** 2).sum(axis=1)))


def select(
    strategy: str,
    k: int,
    *,
    rng: np.random.Generator,
    probabilities: ArrayLike | Sequence[ArrayLike] | None = None,
    vectors: ArrayLike | None = None,
    taken: Collection[int] = (),
    size: int | None = None,
) -> list[int]:
    """Return the numbers of k rows of a pool to label next, none of them taken.

    `random`; by uncertainty (`entropy`, `margin`, `least-confidence`: see `uncertainty`);
    `diversity` (`k_centre`); `uncertain and diverse`: the centres among the 5 k rows of the
    highest entropy (a filter before the diversity, as in Zhdanov, 2019, "Diverse mini-batch
    Active Learning"). Ties are drawn.

    Args:
        strategy: one of `STRATEGIES`.
        k: how many; all that are left where they are fewer.
        rng: `numpy.random.default_rng(seed)`.
        probabilities: of all n rows of the pool, as `uncertainty` takes them; what stands for
            taken rows does not matter.
        vectors: (n, d), of all rows of the pool.
        taken: numbers of the rows that are labelled already.
        size: n, for `random` without the other two.

    Raises:
        ActiveLearningError: unknown strategy, what it goes by is missing or of another length,
            no row is left, or k is below 1.
    """
    n = _pool(strategy, probabilities, vectors, size)
    used = set(taken)
    if out := [row for row in used if not 0 <= row < n]:
        raise ActiveLearningError(f"taken has {out[0]!r}", f"the pool has rows 0 to {n - 1}")
    left = [row for row in range(n) if row not in used]
    if k < 1 or not left:
        raise ActiveLearningError(
            f"{k} rows are wanted of {len(left)} that are left", "ask for one at least, or stop"
        )
    k = min(k, len(left))
    if strategy == "random":
        return [int(row) for row in rng.permutation(left)[:k]]
    if strategy == "diversity":
        assert vectors is not None
        return k_centre(vectors, k, taken=used, rng=rng)
    assert probabilities is not None
    measure = strategy if strategy in MEASURES else "entropy"
    shuffled = [left[i] for i in rng.permutation(len(left))]
    by_row = list(probabilities)  # type: ignore[arg-type]
    unsure = uncertainty([by_row[row] for row in shuffled], measure)
    order = [shuffled[i] for i in np.argsort(-unsure, kind="stable")]
    if strategy in MEASURES:
        return order[:k]
    assert vectors is not None
    return k_centre(vectors, k, taken=used, among=order[: _WIDER * k], rng=rng)


def _pool(
    strategy: str,
    probabilities: ArrayLike | Sequence[ArrayLike] | None,
    vectors: ArrayLike | None,
    size: int | None,
) -> int:
    """Return how many rows the pool has."""
    if strategy not in STRATEGIES:
        raise ActiveLearningError(
            f"there is no strategy {strategy!r}", f"choose among {', '.join(STRATEGIES)}"
        )
    needs = {
        "probabilities": (probabilities, (*MEASURES, "uncertain and diverse")),
        "vectors": (vectors, ("diversity", "uncertain and diverse")),
    }
    for name, (given, by) in needs.items():
        if given is None and strategy in by:
            raise ActiveLearningError(
                f"{strategy!r} goes by {name}, and there are none", f"give {name}= of all rows"
            )
    sizes = {
        name: len(given)  # type: ignore[arg-type]
        for name, given in (("probabilities", probabilities), ("vectors", vectors))
        if given is not None
    }
    if size is not None:
        sizes["size"] = size
    if len(set(sizes.values())) != 1:
        raise ActiveLearningError(
            f"how large the pool is cannot be told: {sizes or 'nothing is given'}",
            "give one value a row of the whole pool, or size=",
        )
    return next(iter(sizes.values()))
