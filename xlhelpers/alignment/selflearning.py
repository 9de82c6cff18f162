"""Alignment from little or nothing: self-learning.

Learn a map from a few pairs, read a larger dictionary off it, learn again, until nothing
improves (Artetxe, Labaka & Agirre, 2017, ACL). Made robust by dropping most of each
dictionary at random at first and fewer later on, and started without any pair by comparing
how similar each word is to the words of its own language (Artetxe et al., 2018, ACL).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xlhelpers.alignment.mapping import (
    AlignmentError,
    Floats,
    Ints,
    Mapping,
    Method,
    Pairs,
    _check_dims,
    fit,
    pair_rows,
)
from xlhelpers.embeddings import WordVectors


@dataclass(frozen=True, slots=True)
class Schedule:
    """How self-learning proceeds.

    Attributes:
        vocabulary: how many of the most frequent words of each side take part.
        keep: share of the candidate pairs that survive at first; 1 drops none.
        growth: factor on `keep` whenever a stage has stopped improving.
        patience: rounds without improvement that end a stage.
        least_gain: what counts as an improvement of the objective.
        neighbours: of CSLS.
    """

    vocabulary: int = 2000
    keep: float = 0.1
    growth: float = 2.0
    patience: int = 8
    least_gain: float = 1e-3
    neighbours: int = 10


def identical_words(source: WordVectors, target: WordVectors) -> list[tuple[str, str]]:
    """Return the words that both vocabularies spell alike, as pairs.

    Free supervision between languages of one script (Artetxe et al., 2017, ACL; Søgaard et
    al., 2018, ACL): names and loans, but false friends and stray letters too.
    """
    return [(word, word) for word in source.words if word in target.index and len(word) > 1]


def self_learning(
    source: WordVectors,
    target: WordVectors,
    pairs: Pairs | None = None,
    schedule: Schedule | None = None,
    final: Method = "reweighted",
    seed: int = 0,
) -> Mapping:
    """Align two spaces from a handful of pairs, or from none.

    Args:
        source: vectors, rows of length 1 and centred (`normalised()`).
        target: likewise.
        pairs: the seed dictionary; `None` starts from `similarity_profiles`.
        schedule: how to proceed.
        final: how the last map is learned from the last dictionary.
        seed: of the random drops.

    Returns:
        The last map; `score` is the final mean CSLS of the dictionary, which says
        whether the spaces were matched at all only by comparison between runs.

    Raises:
        AlignmentError: dimensions that differ, or seed pairs that no vocabulary has.
    """
    schedule = schedule or Schedule()
    _check_dims(source, target)
    x = source.head(schedule.vocabulary).matrix
    y = target.head(schedule.vocabulary).matrix
    if pairs is None:
        rows = similarity_profiles(x, y, schedule.neighbours)
        found_x, found_y = x[rows[:, 0]], y[rows[:, 1]]
    else:
        rows = pair_rows(source, target, pairs)
        found_x, found_y = source.matrix[rows[:, 0]], target.matrix[rows[:, 1]]
    start = _rotation(found_x, found_y)
    rows, score = _climb(x, y, start, schedule, np.random.default_rng(seed))
    learned = fit(x[rows[:, 0]], y[rows[:, 1]], final)
    return Mapping(learned.source, learned.target, len(rows), score)


def similarity_profiles(x: Floats, y: Floats, neighbours: int = 10) -> Ints:
    """Return a first dictionary from monolingual similarities alone.

    Each word is described by its sorted similarities to all words of its own language. If
    the two spaces have the same shape, translations have like profiles, whatever the words
    are (Artetxe et al., 2018, ACL, section 3.2).

    Args:
        x: (n, d) source rows of length 1, most frequent first.
        y: (m, d) target rows.

    Returns:
        (pairs, 2) row numbers, from both directions.

    Raises:
        AlignmentError: fewer than two words on a side.
    """
    size = min(len(x), len(y))
    if size < 2:
        raise AlignmentError("a side has fewer than two words", "load more of the vocabulary")
    return _induce(_profiles(x[:size]) @ _profiles(y[:size]).T, neighbours)


def _profiles(x: Floats) -> Floats:
    """Sorted rows of the square root of the similarity matrix, unit, centred, unit."""
    u, s, _ = np.linalg.svd(x, full_matrices=False)
    similarity = np.sort((u * s) @ u.T, axis=1)
    similarity /= np.linalg.norm(similarity, axis=1, keepdims=True)
    similarity -= similarity.mean(axis=0)
    similarity /= np.linalg.norm(similarity, axis=1, keepdims=True)
    return np.asarray(similarity, dtype=np.float32)


def _rotation(x: Floats, y: Floats) -> Floats:
    # `procrustes` warns of few pairs; here few pairs are the point.
    u, _, vt = np.linalg.svd(x.T @ y)
    return np.asarray(u @ vt, dtype=np.float32)


def _climb(
    x: Floats, y: Floats, w: Floats, schedule: Schedule, rng: np.random.Generator
) -> tuple[Ints, float]:
    """Alternate between map and dictionary, dropping fewer candidates stage by stage."""
    rows = np.empty((0, 2), dtype=np.int64)
    score = -np.inf
    for keep in _stages(schedule):
        best, stale = -np.inf, 0
        while stale < schedule.patience:
            similarity = (x @ w) @ y.T
            score = _objective(similarity)
            best, stale = (score, 0) if score > best + schedule.least_gain else (best, stale + 1)
            rows = _induce(similarity, schedule.neighbours, keep, rng)
            w = _rotation(x[rows[:, 0]], y[rows[:, 1]])
    return rows, score


def _stages(schedule: Schedule) -> Iterator[float]:
    keep = schedule.keep
    while keep < 1:
        yield keep
        keep *= schedule.growth
    yield 1.0


def _objective(similarity: Floats) -> float:
    """Mean best similarity in both directions."""
    return float(similarity.max(axis=1).mean() + similarity.max(axis=0).mean()) / 2


def _induce(
    similarity: Floats,
    neighbours: int,
    keep: float = 1.0,
    rng: np.random.Generator | None = None,
) -> Ints:
    """Return each word's best partner under CSLS, from both directions, as row numbers."""
    crowd_x = _top_mean(similarity, neighbours)
    crowd_y = _top_mean(np.ascontiguousarray(similarity.T), neighbours)
    csls = similarity - crowd_x[:, None] / 2 - crowd_y / 2
    if rng is not None and keep < 1:
        csls[rng.random(csls.shape, dtype=np.float32) > keep] = -np.inf
    there = np.stack([np.arange(len(csls)), csls.argmax(axis=1)], axis=1)
    back = np.stack([csls.argmax(axis=0), np.arange(csls.shape[1])], axis=1)
    return np.concatenate([there, back])


def _top_mean(similarity: Floats, k: int) -> NDArray[np.float32]:
    k = min(k, similarity.shape[1])
    return np.partition(similarity, -k, axis=1)[:, -k:].mean(axis=1)
