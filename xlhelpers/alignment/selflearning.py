"""Alignment from little or nothing: self-learning.

Learn a map from a few pairs, read a larger dictionary off it, learn again, until nothing
improves (Artetxe, Labaka & Agirre, 2017, ACL). Made robust by dropping most of each
dictionary at random at first and fewer later on, and started without any pair by comparing
how similar each word is to the words of its own language (Artetxe et al., 2018, ACL).

Two things differ from the published method; on the course's vectors, runs without a dictionary
succeed with them where they failed without, Finnish for one. Directions in which the dictionary
of the moment does not agree are weakened in every round
before the finish, not only in the last map: a bad
dictionary then moves few directions instead of all. And the profiles of the start rest on the
similarities themselves, not on their square root. The early rounds run on the most frequent
words only, which is most of the speed.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from xlhelpers.alignment import _search
from xlhelpers.alignment.mapping import (
    AlignmentError,
    Floats,
    Ints,
    Mapping,
    Method,
    Pairs,
    _check_dims,
    criterion,
    fit,
    pair_rows,
)
from xlhelpers.alignment.retrieval import MEMORY, csls_knn
from xlhelpers.embeddings import WordVectors

# Exponents of the similarity profiles, tried in turn by successive runs without a dictionary.
_POWERS = (2.0, 3.0, 1.0)
# Most frequent words on which runs are compared.
_JUDGED = 6000
# Seed pairs below which a warning is given.
_FEW = 5


@dataclass(frozen=True, slots=True)
class Schedule:
    """How self-learning proceeds. The defaults are quick: seconds, for near languages.

    Of the 17 settings of `benchmarks/selflearning_settings.py`, compared on a fold of the training
    dictionaries, none was better than the defaults beyond its interval.

    Attributes:
        vocabulary: how many of the most frequent words of each side take part at first.
        keep: share of the candidate pairs that survive at first; 1 drops none.
        growth: factor on `keep` whenever a stage has stopped improving.
        patience: rounds without improvement that end a stage.
        least_gain: what counts as an improvement of the mean best cosine.
        neighbours: of CSLS.
        weighting: exponent on the singular values in every round before the finish; 0 gives
            plain rotations.
        trust: weight of a seed pair, where 1 is that of a pair that was found.
        finish: rounds on the large vocabulary at the end, with plain rotations: the
            dictionary is good by then, and no direction needs to be weakened.
        finish_vocabulary: its size; memory does not depend on it, time does by its square.
    """

    vocabulary: int = 2000
    keep: float = 0.1
    growth: float = 2.0
    patience: int = 3
    least_gain: float = 1e-3
    neighbours: int = 10
    weighting: float = 0.5
    trust: float = 1.0
    finish: int = 2
    finish_vocabulary: int = 10_000

    def __post_init__(self) -> None:
        for name, low, high in (
            ("vocabulary", 2, np.inf),
            ("keep", 0.01, 1),
            ("growth", 1.01, np.inf),
            ("patience", 1, np.inf),
            ("least_gain", 1e-9, np.inf),
            ("neighbours", 1, np.inf),
            ("weighting", 0, 2),
            ("trust", 0, np.inf),
            ("finish", 0, np.inf),
            ("finish_vocabulary", 2, np.inf),
        ):
            if not low <= getattr(self, name) <= high:
                wanted = f"{low} or more" if high == np.inf else f"{low} to {high}"
                raise AlignmentError(f"{name} is {getattr(self, name)}", f"choose {wanted}")

    @classmethod
    def thorough(cls) -> Schedule:
        """Return the slower schedule: twice the words, more patience, a longer finish."""
        return cls(vocabulary=4000, patience=10, least_gain=1e-4, finish=6)


class _Seeds(NamedTuple):
    """The vectors of the seed pairs, (n, d) each, multiplied by the root of their weight."""

    x: Floats
    y: Floats


class _Maps(NamedTuple):
    """Maps of both sides, (d, d) each."""

    x: Floats
    y: Floats


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
    restarts: int = 1,
) -> Mapping:
    """Align two spaces from a handful of pairs, or from none.

    Args:
        source: vectors, rows of length 1 and centred (`normalised()`).
        target: likewise.
        pairs: the seed dictionary; `None` starts from `similarity_profiles`.
        schedule: how to proceed; `Schedule.thorough()` takes its time.
        final: how the last map is learned from the last dictionary.
        seed: of the random drops.
        restarts: how many runs; the one with the best score is returned, and `attempts`
            shows the scores of all.

    Returns:
        The last map. Its `score` is the `criterion` of the most frequent words: comparable
        between runs on the same vectors, and no proof that any of them succeeded.

    Raises:
        AlignmentError: dimensions that differ, seed pairs that no vocabulary has, a side of
            fewer than two words, or `restarts` below 1.
    """
    return attempts(source, target, pairs, schedule, final, seed, restarts)[0]


def attempts(
    source: WordVectors,
    target: WordVectors,
    pairs: Pairs | None = None,
    schedule: Schedule | None = None,
    final: Method = "reweighted",
    seed: int = 0,
    restarts: int = 3,
) -> list[Mapping]:
    """Run `self_learning` several times and return every map, best score first.

    Model selection without labels: runs differ in what they drop and, without a dictionary,
    in the profiles that they start from. Scores that lie far apart say that some runs failed;
    scores that agree do not say that all succeeded.

    Arguments and errors are those of `self_learning`.
    """
    schedule = schedule or Schedule()
    _check_dims(source, target)
    if restarts < 1:
        raise AlignmentError(f"restarts is {restarts}", "choose 1 or more")
    if min(len(source), len(target)) < 2:
        raise AlignmentError("a side has fewer than two words", "load more of the vocabulary")
    rows = None if pairs is None else pair_rows(source, target, pairs)
    if rows is not None and len(rows) < _FEW:
        warnings.warn(
            f"a seed of {len(rows)} says little about where to start; run `attempts` and compare "
            "the maps by `agreement`",
            stacklevel=3,
        )
    runs = []
    for number in range(restarts):
        run = _run(source.matrix, target.matrix, rows, schedule, final, seed, number)
        score = criterion(*run.apply(source.head(_JUDGED), target.head(_JUDGED)))
        runs.append(Mapping(run.source, run.target, run.pairs, score))
    return sorted(runs, key=lambda run: -run.score)


def agreement(
    first: Mapping,
    second: Mapping,
    source: WordVectors,
    target: WordVectors,
    vocabulary: int = 2000,
) -> float:
    """Return the share of frequent words that two maps translate alike, 0 to 1.

    A test without labels: runs that found the right alignment found the same one, while runs
    that failed have as a rule failed in different ways. Maps that share a mistake agree too.

    Args:
        first: a map, as a run of `attempts`.
        second: another one.
        source: the vectors that both were learned from.
        target: likewise.
        vocabulary: how many of the most frequent words are asked, among as many targets.

    Raises:
        AlignmentError: dimensions that differ.
    """
    source, target = source.head(vocabulary), target.head(vocabulary)
    found = []
    for mapping in (first, second):
        moved, still = mapping.apply(source, target)
        found.append(csls_knn(moved.matrix, still.matrix).indices[:, 0])
    return float(np.mean(found[0] == found[1]))


def similarity_profiles(x: Floats, y: Floats, neighbours: int = 10, power: float = 2.0) -> Ints:
    """Return a first dictionary from monolingual similarities alone.

    Each word is described by its sorted similarities to all words of its own language. If
    the two spaces have the same shape, translations have like profiles, whatever the words
    are (Artetxe et al., 2018, ACL, section 3.2).

    Args:
        x: (n, d) source rows of length 1, most frequent first.
        y: (m, d) target rows.
        neighbours: of CSLS.
        power: exponent on the singular values of the vectors: 2 compares by cosine, 1 by its
            matrix square root, as published; more stresses the strongest directions.

    Returns:
        (pairs, 2) row numbers, from both directions.

    Raises:
        AlignmentError: fewer than two words on a side.
    """
    size = min(len(x), len(y))
    if size < 2:
        raise AlignmentError("a side has fewer than two words", "load more of the vocabulary")
    cosines = _profiles(x[:size], power) @ _profiles(y[:size], power).T
    return _induce(cosines, neighbours)


# ── one run ──────────────────────────────────────────────────────────────────────────────


def _run(
    x: Floats,
    y: Floats,
    seeds: Ints | None,
    schedule: Schedule,
    final: Method,
    seed: int,
    number: int,
) -> Mapping:
    head_x, head_y = x[: schedule.vocabulary], y[: schedule.vocabulary]
    given = _Seeds(x[:0], y[:0])
    if seeds is None:
        power = _POWERS[number % len(_POWERS)]
        rows = similarity_profiles(head_x, head_y, schedule.neighbours, power)
        start = _align(head_x, head_y, rows, given, schedule.weighting)
    else:
        start = _align(x, y, seeds, given, schedule.weighting)
        weight = np.float32(np.sqrt(schedule.trust))
        given = _Seeds(weight * x[seeds[:, 0]], weight * y[seeds[:, 1]])
    rng = np.random.default_rng([seed, number])
    maps, rows = _climb(head_x, head_y, start, given, schedule, rng)
    for _ in range(schedule.finish):
        size = schedule.finish_vocabulary
        rows = _read_off(x[:size], y[:size], maps, schedule.neighbours)
        maps = _align(x, y, rows, given, 0.0)
    learned = fit(
        np.concatenate([x[rows[:, 0]], given.x]), np.concatenate([y[rows[:, 1]], given.y]), final
    )
    return Mapping(learned.source, learned.target, len(np.unique(rows, axis=0)))


def _climb(
    x: Floats,
    y: Floats,
    maps: _Maps,
    given: _Seeds,
    schedule: Schedule,
    rng: np.random.Generator,
) -> tuple[_Maps, Ints]:
    """Alternate between map and dictionary, dropping fewer candidates stage by stage."""
    rows = np.empty((0, 2), dtype=np.int64)
    for keep in _stages(schedule):
        best, stale = -np.inf, 0
        while stale < schedule.patience:
            cosines = _unit(x @ maps.x) @ _unit(y @ maps.y).T
            score = float(cosines.max(axis=1).mean() + cosines.max(axis=0).mean()) / 2
            best, stale = (score, 0) if score > best + schedule.least_gain else (best, stale + 1)
            rows = _induce(cosines, schedule.neighbours, keep, rng)
            maps = _align(x, y, rows, given, schedule.weighting)
    return maps, rows


def _stages(schedule: Schedule) -> Iterator[float]:
    keep = schedule.keep
    while keep < 1:
        yield keep
        keep *= schedule.growth
    yield 1.0


def _align(x: Floats, y: Floats, rows: Ints, given: _Seeds, weighting: float) -> _Maps:
    """Rotate both sides onto each other; weaken the directions in which pairs disagree."""
    # Not `procrustes`: it warns of few pairs, and here few pairs are the point.
    cross = x[rows[:, 0]].T @ y[rows[:, 1]] + given.x.T @ given.y
    u, s, vt = np.linalg.svd(cross)
    weight = (s / max(s[0], np.finfo(np.float32).tiny)) ** (weighting / 2)
    return _Maps((u * weight).astype(np.float32), (vt.T * weight).astype(np.float32))


def _read_off(x: Floats, y: Floats, maps: _Maps, neighbours: int) -> Ints:
    """Each word's best partner under CSLS, from both directions, in bounded memory."""
    moved, still = _unit(x @ maps.x), _unit(y @ maps.y)
    crowds = _search.both_means(moved, still, neighbours, MEMORY)
    there, back = _search.both_nearest(moved, still, crowds, MEMORY)
    return _both_ways(there, back)


def _profiles(x: Floats, power: float) -> Floats:
    """Sorted rows of the similarity matrix (its singular values to `power`), standardised."""
    # u sᵖ uᵀ = x v sᵖ⁻² vᵀ xᵀ needs the (d, d) decomposition only.
    squares, v = np.linalg.eigh(x.T @ x)
    kept = squares > 1e-6 * squares[-1]
    spectrum = np.where(kept, np.where(kept, squares, 1) ** (power / 2 - 1), 0)
    similarity = np.sort(x @ ((v * spectrum) @ v.T).astype(np.float32) @ x.T, axis=1)
    _unit(similarity, out=similarity)
    similarity -= similarity.mean(axis=0)
    return _unit(similarity, out=similarity)


def _unit(rows: Floats, out: Floats | None = None) -> Floats:
    length = np.sqrt(np.einsum("ij,ij->i", rows, rows))[:, None]
    return np.divide(rows, np.maximum(length, np.finfo(np.float32).tiny), out=out)


def _induce(
    cosines: Floats,
    neighbours: int,
    keep: float = 1.0,
    rng: np.random.Generator | None = None,
) -> Ints:
    """Return each word's best partner under CSLS, from both directions, as row numbers."""
    turned = np.ascontiguousarray(cosines.T)
    crowd_x, crowd_y = _half_crowd(cosines, neighbours), _half_crowd(turned, neighbours)
    # A word's own crowd does not change which partner is best, so it is left out.
    return _both_ways(_best(cosines - crowd_y, keep, rng), _best(turned - crowd_x, keep, rng))


def _best(scores: Floats, keep: float, rng: np.random.Generator | None) -> Ints:
    """Place of the largest entry of each row that survives; -1 where none does."""
    if rng is None or keep >= 1:
        return scores.argmax(axis=1)
    # Bytes are the cheapest random numbers; 2 makes scores positive, so that 0 is "dropped".
    drawn = np.frombuffer(rng.bytes(scores.size), dtype=np.uint8).reshape(scores.shape)
    scores += 2
    scores *= drawn < round(256 * keep)
    best = scores.argmax(axis=1)
    return np.where(scores[np.arange(len(best)), best] > 0, best, -1)


def _both_ways(there: Ints, back: Ints) -> Ints:
    forward = np.stack([np.arange(len(there)), there], axis=1)
    backward = np.stack([back, np.arange(len(back))], axis=1)
    rows = np.concatenate([forward, backward])
    return rows[(rows >= 0).all(axis=1)]


def _half_crowd(cosines: Floats, k: int) -> Floats:
    """Half the mean of the k largest entries of each row: what CSLS takes off a cosine."""
    k = min(k, cosines.shape[1])
    top = np.partition(cosines, -k, axis=1)[:, -k:]
    return np.asarray(top.mean(axis=1) / 2, dtype=np.float32)
