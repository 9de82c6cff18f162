"""Linear maps between two vector spaces, learned from pairs of words.

Convention of the whole package: vectors are ROWS. `x` is (n, d) source rows, `y` the (n, d)
target rows they should land on, and a map `w` is (d, d) with `x @ w ≈ y`. Papers that write
vectors as columns (`W X ≈ Y`) mean the transpose of our `w`.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xlhelpers.alignment.retrieval import Retrieval, mutual_nearest
from xlhelpers.embeddings import WordVectors
from xlhelpers.errors import CourseError

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Pairs = Iterable[tuple[str, str]]
Method = Literal["procrustes", "least_squares", "reweighted"]


class AlignmentError(CourseError, ValueError):
    """Two spaces cannot be aligned as asked; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Mapping:
    """How to bring two vector spaces into one.

    Attributes:
        source: (d, d) map of source rows.
        target: (d, d) map of target rows; the identity where only the source moves.
        pairs: how many word pairs it was learned from in the end.
        score: the criterion that it was chosen by without labels; NaN where there was none.
    """

    source: Floats
    target: Floats
    pairs: int
    score: float = float("nan")

    def apply(self, source: WordVectors, target: WordVectors) -> tuple[WordVectors, WordVectors]:
        """Return both vocabularies in the shared space, rows of length 1.

        Raises:
            AlignmentError: the vectors do not have the d components that the map expects.
        """
        _check_dims(source, target, self.source.shape[0])
        moved = WordVectors(source.words, source.matrix @ self.source)
        still = WordVectors(target.words, target.matrix @ self.target)
        return moved.normalised(centre=False), still.normalised(centre=False)


# ── the two closed forms ─────────────────────────────────────────────────────────────────


def procrustes(x: ArrayLike, y: ArrayLike) -> Floats:
    """Return the rotation (or reflection) that brings `x` nearest to `y`.

    Minimises the Frobenius norm of `x @ w - y` over orthogonal `w`: with `u s vᵀ` the
    singular value decomposition of `xᵀ y`, `w = u vᵀ` (Schönemann, 1966, Psychometrika;
    for word vectors Xing et al., 2015, NAACL). Where fewer than d independent pairs are
    given, the rest of the map is arbitrary, and a warning says so.

    Args:
        x: (n, d) source rows, one a pair.
        y: (n, d) target rows.

    Returns:
        (d, d) orthogonal float32 matrix.

    Raises:
        AlignmentError: shapes that differ, no pair, or values that are not finite.
    """
    x, y = _paired(x, y)
    _warn_of_few(x)
    return rotation(x, y)


def rotation(x: Floats, y: Floats) -> Floats:
    """`procrustes` without its checks, for loops that know what they pass."""
    u, _, vt = np.linalg.svd(x.T @ y)
    return np.asarray(u @ vt, dtype=np.float32)


def least_squares(x: ArrayLike, y: ArrayLike, ridge: float = 0.0) -> Floats:
    """Return the unconstrained linear map that minimises `‖x w - y‖² + ridge ‖w‖²`.

    The map of Mikolov, Le & Sutskever (2013, arXiv:1309.4168). It may stretch and shear, and
    overfits where pairs are few: here for contrast with `procrustes`. It warns of fewer pairs
    than dimensions.

    Args:
        x: (n, d) source rows, one a pair.
        y: (n, d) target rows.
        ridge: weight of the penalty; 0 gives the minimum-norm solution.

    Raises:
        AlignmentError: as `procrustes`, or a negative `ridge`.
    """
    x, y = _paired(x, y)
    if ridge < 0:
        raise AlignmentError(f"ridge is {ridge}", "choose 0 or more")
    _warn_of_few(x)
    if ridge:
        penalised = x.T @ x + ridge * np.eye(x.shape[1], dtype=x.dtype)
        return np.linalg.solve(penalised, x.T @ y).astype(np.float32)
    return np.linalg.lstsq(x, y, rcond=None)[0].astype(np.float32)


def reweighted(x: ArrayLike, y: ArrayLike, power: float = 0.5) -> tuple[Floats, Floats]:
    """Return maps of both sides: whiten, rotate, weight by correlation, undo the whitening.

    The framework of Artetxe, Labaka & Agirre (2018, AAAI), with the weights shared out between
    both sides as in their later paper (2018, ACL). Directions in which the pairs agree are kept,
    the others shrunk; it needs many pairs, and warns of fewer than dimensions.

    Args:
        x: (n, d) source rows, one a pair.
        y: (n, d) target rows.
        power: exponent on the singular values, given to each side; 0 weights nothing.

    Returns:
        Source map and target map, (d, d) each.

    Raises:
        AlignmentError: as `procrustes`.
    """
    x, y = _paired(x, y)
    _warn_of_few(x)
    whiten_x, colour_x = _whitening(x)
    whiten_y, colour_y = _whitening(y)
    u, s, vt = np.linalg.svd((x @ whiten_x).T @ (y @ whiten_y))
    weight = s**power
    source = whiten_x @ (u * weight) @ (u.T @ colour_x @ u)
    target = whiten_y @ (vt.T * weight) @ (vt @ colour_y @ vt.T)
    return source.astype(np.float32), target.astype(np.float32)


def _whitening(x: Floats) -> tuple[Floats, Floats]:
    """Return (xᵀx)^(-½) and its inverse; directions without variance are left out of both."""
    _, s, vt = np.linalg.svd(x, full_matrices=False)
    kept = s > 1e-5 * s[0]
    inverse = np.where(kept, 1 / np.where(kept, s, 1), 0)
    return (vt.T * inverse) @ vt, (vt.T * (s * kept)) @ vt


# ── from words to maps ───────────────────────────────────────────────────────────────────


def pair_rows(source: WordVectors, target: WordVectors, pairs: Pairs) -> Ints:
    """Return the row numbers of the pairs that both vocabularies have.

    Args:
        pairs: (source word, target word); a pair given twice counts once, with a warning.

    Returns:
        (n, 2) row numbers, in the order given.

    Raises:
        AlignmentError: these are no pairs, or no pair is left; says so where the dictionary
            looks reversed.
    """
    given = _two_words_each(pairs)
    distinct = list(dict.fromkeys(given))
    if len(distinct) < len(given):
        warnings.warn(f"{len(given) - len(distinct)} pairs stand twice; one counts", stacklevel=2)
    rows = _known_rows(source, target, distinct)
    flipped = _known_rows(source, target, [(b, a) for a, b in distinct])
    if len(flipped) > 2 * len(rows):
        raise AlignmentError(
            f"{len(rows)} of {len(distinct)} pairs are in the vocabularies, but {len(flipped)} "
            "would be with source and target exchanged",
            "turn the pairs round, or swap the two sets of vectors",
        )
    if not rows:
        raise AlignmentError(
            f"none of {len(distinct)} pairs is in both vocabularies",
            "check the languages, and that words are lower-cased as in the vectors",
        )
    return np.array(rows, dtype=np.int64)


def supervised(
    source: WordVectors, target: WordVectors, pairs: Pairs, method: Method = "procrustes"
) -> Mapping:
    """Learn a map from a bilingual dictionary.

    Give it `normalised()` vectors: length 1, centred, length 1 (Artetxe et al., 2018, ACL).

    Args:
        pairs: (source word, target word).
        method: `"procrustes"`, `"least_squares"` or `"reweighted"`; see these functions.

    Raises:
        AlignmentError: dimensions that differ, no usable pair, or an unknown method.
    """
    _check_dims(source, target)
    rows = pair_rows(source, target, pairs)
    return fit(source.matrix[rows[:, 0]], target.matrix[rows[:, 1]], method)


def fit(x: ArrayLike, y: ArrayLike, method: Method = "procrustes") -> Mapping:
    """Learn a map from paired rows; arguments and errors as `procrustes` and `supervised`."""
    x, y = _paired(x, y)
    still = np.eye(x.shape[1], dtype=np.float32)
    if method == "procrustes":
        return Mapping(procrustes(x, y), still, len(x))
    if method == "least_squares":
        return Mapping(least_squares(x, y), still, len(x))
    if method == "reweighted":
        return Mapping(*reweighted(x, y), len(x))
    raise AlignmentError(
        f"there is no method {method!r}", "choose procrustes, least_squares or reweighted"
    )


def refine(
    source: WordVectors,
    target: WordVectors,
    start: Mapping,
    iterations: int = 5,
    vocabulary: int = 3000,
    method: Method = "procrustes",
    retrieval: Retrieval = "csls",
) -> Mapping:
    """Learn again from what the map itself finds: words that are each other's nearest.

    The refinement of Conneau et al. (2018, ICLR): frequent words that are mutual nearest
    neighbours form a new dictionary; learn from it, and repeat. Of all rounds, the start
    included, the one with the best `criterion` is returned, since a bad start can get worse.

    Args:
        vocabulary: how many of the most frequent words take part.

    Raises:
        AlignmentError: dimensions that differ.
    """
    _check_dims(source, target, start.source.shape[0])
    head_source, head_target = source.head(vocabulary), target.head(vocabulary)
    best = _scored(head_source, head_target, start)
    now = best
    for _ in range(iterations):
        moved, still = now.apply(head_source, head_target)
        found = mutual_nearest(moved.matrix, still.matrix, retrieval=retrieval)
        if len(found) < 2:
            break
        learned = fit(head_source.matrix[found[:, 0]], head_target.matrix[found[:, 1]], method)
        now = _scored(head_source, head_target, learned)
        best = max(best, now, key=lambda mapping: mapping.score)
    return best


def criterion(source: WordVectors, target: WordVectors) -> float:
    """Return how well two aligned spaces fit, without a dictionary (higher is better).

    Mean cosine of the words that are mutual nearest neighbours under CSLS, times the share
    of words that have one. A relative of the selection criterion of Conneau et al. (2018,
    ICLR), which averages cosines alone and so can reward a handful of lucky pairs.
    """
    found = mutual_nearest(source.matrix, target.matrix, retrieval="csls")
    if not len(found):
        return 0.0
    cosines = np.einsum("nd,nd->n", source.matrix[found[:, 0]], target.matrix[found[:, 1]])
    return float(cosines.mean() * len(found) / min(len(source), len(target)))


def _scored(source: WordVectors, target: WordVectors, mapping: Mapping) -> Mapping:
    score = criterion(*mapping.apply(source, target))
    return Mapping(mapping.source, mapping.target, mapping.pairs, score)


def _two_words_each(pairs: Pairs) -> list[tuple[str, str]]:
    """Return pairs as a list; a dictionary, or a list of words, would unpack into letters."""
    given: list[tuple[str, str]] = []
    for pair in pairs:
        words = () if isinstance(pair, str) or not isinstance(pair, Iterable) else tuple(pair)
        if len(words) != 2:
            raise AlignmentError(
                f"{pair!r:.60} is no pair of words",
                "give (source word, target word) pairs, such as lexicon(…).pairs()",
            )
        given.append((words[0], words[1]))
    return given


def _known_rows(
    source: WordVectors, target: WordVectors, pairs: list[tuple[str, str]]
) -> list[tuple[int, int]]:
    return [
        (source.index[a], target.index[b])
        for a, b in pairs
        if a in source.index and b in target.index
    ]


def _check_dims(source: WordVectors, target: WordVectors, dim: int | None = None) -> None:
    if source.dim != target.dim or dim not in (None, source.dim):
        raise AlignmentError(
            f"the source has {source.dim} components and the target {target.dim}"
            + (f"; the map expects {dim}" if dim is not None else ""),
            "load vectors of the same kind for both languages",
        )


def _warn_of_few(x: Floats) -> None:
    pairs, dim = x.shape
    if pairs < dim:
        warnings.warn(
            f"{pairs} {'pair leaves' if pairs == 1 else 'pairs leave'} at least {dim - pairs} of "
            f"the map's {dim} directions undetermined; judge it on words that it was not learned "
            "from",
            stacklevel=3,
        )


def _paired(x: ArrayLike, y: ArrayLike) -> tuple[Floats, Floats]:
    a, b = np.asarray(x, dtype=np.float32), np.asarray(y, dtype=np.float32)
    if a.ndim != 2 or a.shape != b.shape:
        raise AlignmentError(
            f"paired rows have shapes {a.shape} and {b.shape}",
            "give two (n, d) arrays, row i of one beside row i of the other",
        )
    if not len(a):
        raise AlignmentError("there are no pairs", "give at least one; some hundreds are useful")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise AlignmentError("the rows hold NaN or infinity", "load the vectors again")
    return a, b
