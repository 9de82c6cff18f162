"""Bilingual lexicon induction: how often the nearest target word is a translation."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from xlhelpers.alignment.mapping import AlignmentError, Pairs, pair_rows, rotation
from xlhelpers.alignment.retrieval import Retrieval, cosine_knn, csls_knn
from xlhelpers.embeddings import WordVectors

if TYPE_CHECKING:
    import pandas as pd

Dictionary = Mapping[str, Collection[str]]


@dataclass(frozen=True, slots=True)
class Score:
    """One figure with its bootstrap interval, as shares of 1."""

    value: float
    low: float
    high: float

    @property
    def percent(self) -> tuple[float, float, float]:
        """Value and interval in per cent."""
        return 100 * self.value, 100 * self.low, 100 * self.high


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What `evaluate` found.

    Attributes:
        scores: by retrieval and metric: `scores["csls"]["P@1"]`.
        words: test words that could be asked.
        coverage: their share among all test words; a word is left out when it, or every
            one of its translations, is missing from the vocabularies.
        ranks: by retrieval, rank of the first right answer of each word; 0 for none found.
        queries: the words behind `ranks`.
    """

    scores: dict[str, dict[str, Score]]
    words: int
    coverage: float
    ranks: dict[str, NDArray[np.int64]]
    queries: tuple[str, ...]

    def frame(self) -> pd.DataFrame:
        """Return one row a figure: retrieval, metric, value, low, high, words, coverage."""
        import pandas as pd

        rows = [
            (retrieval, metric, score.value, score.low, score.high, self.words, self.coverage)
            for retrieval, metrics in self.scores.items()
            for metric, score in metrics.items()
        ]
        names = ["retrieval", "metric", "value", "low", "high", "words", "coverage"]
        return pd.DataFrame(rows, columns=names)


def evaluate(
    source: WordVectors,
    target: WordVectors,
    dictionary: Dictionary,
    train: Pairs | Iterable[str] = (),
    retrieval: Retrieval | Sequence[Retrieval] = ("cosine", "csls"),
    ks: Sequence[int] = (1, 5, 10),
    resamples: int = 1000,
    seed: int = 0,
) -> Evaluation:
    """Score two aligned vocabularies on a dictionary that the map was not learned from.

    P@k is the share of test words with a right translation among the first k; any listed
    translation counts. MRR is the mean of 1 / rank of the first right one, 0 beyond the
    largest k. Intervals: 95 %, percentile bootstrap over test words (Efron, 1979).

    Args:
        source: aligned source vectors with rows of length 1 (`Mapping.apply`).
        target: likewise.
        dictionary: test words and their translations.
        train: the pairs (or source words) that the map was learned from.
        retrieval: `"cosine"`, `"csls"` or both.
        ks: the k of P@k.
        resamples: bootstrap samples.
        seed: of the bootstrap.

    Raises:
        AlignmentError: a test word is among the training words, nothing can be asked, or
            dimensions or arguments do not fit.
    """
    _check_inputs(source, target, dictionary, train)
    if not len(ks) or min(ks) < 1:
        raise AlignmentError(f"ks is {tuple(ks)}", "choose whole numbers from 1, such as (1, 5)")
    gold = _askable(source, target, dictionary)
    ranks: dict[str, NDArray[np.int64]] = {}
    scores: dict[str, dict[str, Score]] = {}
    for kind in (retrieval,) if isinstance(retrieval, str) else retrieval:
        ranks[kind] = _ranks(source, target, gold, kind, min(max(ks), len(target)))
        scores[kind] = _scores(ranks[kind], ks, resamples, seed)
    return Evaluation(scores, len(gold), len(gold) / len(dictionary), ranks, tuple(gold))


def learning_curve(
    source: WordVectors,
    target: WordVectors,
    pairs: Sequence[tuple[str, str]],
    dictionary: Dictionary,
    sizes: Sequence[int],
    draws: int = 10,
    seed: int = 0,
) -> pd.DataFrame:
    """Score Procrustes maps learned from random dictionaries of growing size.

    P@1 by cosine, on the map's own pairs and on held-out words.

    Args:
        source: vectors, rows of length 1 and centred (`normalised()`).
        target: likewise.
        pairs: what dictionaries are drawn from, without replacement.
        dictionary: held-out words and their translations.
        sizes: pairs in a dictionary.
        draws: dictionaries of each size.
        seed: of the draws.

    Returns:
        Columns `pairs`, `series` ("own pairs" or "held-out words"), `value` (mean over draws),
        `low` and `high` (5th and 95th percentile of the draws), as shares of 1.

    Raises:
        AlignmentError: leakage, no usable pair or word, a size that cannot be drawn, no draws,
            or dimensions that differ.
    """
    import pandas as pd

    _check_inputs(source, target, dictionary, pairs)
    rows = pair_rows(source, target, pairs)
    if draws < 1:
        raise AlignmentError(f"draws is {draws}", "choose 1 or more")
    if not len(sizes) or min(sizes) < 1 or max(sizes) > len(rows):
        raise AlignmentError(
            f"sizes are {tuple(sizes)}, and {len(rows)} pairs can be used",
            f"choose whole numbers from 1 to {len(rows)}",
        )
    gold = _askable(source, target, dictionary)
    queries, right = source.rows(list(gold)), list(gold.values())
    rng = np.random.default_rng(seed)
    found = []
    for size in sizes:
        for _ in range(draws):
            part = rows[rng.permutation(len(rows))[:size]]
            own = source.matrix[part[:, 0]]
            w = rotation(own, target.matrix[part[:, 1]])
            found += [
                (size, "own pairs", _hit_rate(own @ w, target, part[:, 1:])),
                (size, "held-out words", _hit_rate(queries @ w, target, right)),
            ]
    scores = pd.DataFrame(found, columns=["pairs", "series", "p1"])
    grouped = scores.groupby(["pairs", "series"], sort=False)["p1"]
    named = {"value": grouped.mean(), "low": grouped.quantile(0.05), "high": grouped.quantile(0.95)}
    return pd.DataFrame(named).reset_index()


def _hit_rate(
    queries: NDArray[np.float32], target: WordVectors, right: Iterable[NDArray[np.int64]]
) -> float:
    nearest = cosine_knn(queries, target.matrix).indices[:, 0]
    return float(np.mean([row in rows for row, rows in zip(nearest, right, strict=True)]))


def bootstrap(values: NDArray[np.float64], resamples: int = 1000, seed: int = 0) -> Score:
    """Return the mean of independent values with its 95 % percentile interval.

    Raises:
        AlignmentError: no values, or no resamples.
    """
    if not len(values):
        raise AlignmentError("there are no values to average")
    if resamples < 1:
        raise AlignmentError(f"resamples is {resamples}", "choose 1 or more; 1000 is usual")
    rng = np.random.default_rng(seed)
    drawn = rng.integers(0, len(values), (resamples, len(values)))
    low, high = np.percentile(values[drawn].mean(axis=1), [2.5, 97.5])
    return Score(float(values.mean()), float(low), float(high))


def wilson(right: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """Return the 95 % interval of a share of `right` in `n` (Wilson, 1927, JASA).

    Unlike a bootstrap it has a width where all are right, or none.
    """
    share = right / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return middle - half, middle + half


def _check_inputs(
    source: WordVectors,
    target: WordVectors,
    dictionary: Dictionary,
    train: Pairs | Iterable[str],
) -> None:
    if not isinstance(dictionary, Mapping):
        raise AlignmentError(
            f"the dictionary is a {type(dictionary).__name__}",
            "give a dict of word → translations, such as lexicon(…).translations()",
        )
    _refuse_leakage(dictionary, train)
    if source.dim != target.dim:
        raise AlignmentError(
            f"the source has {source.dim} components and the target {target.dim}",
            "load vectors of the same kind, and align them",
        )


def _refuse_leakage(dictionary: Dictionary, train: Pairs | Iterable[str]) -> None:
    trained = {item if isinstance(item, str) else item[0] for item in train}
    if leaked := sorted(trained & dictionary.keys()):
        shown = ", ".join(leaked[:5]) + (", …" if len(leaked) > 5 else "")
        raise AlignmentError(
            f"{len(leaked)} test words are training words: {shown}",
            'test on words that the map has not seen: lexicon(…, split="test")',
        )


def _askable(
    source: WordVectors, target: WordVectors, dictionary: Dictionary
) -> dict[str, NDArray[np.int64]]:
    """Return, for each word that can be asked, the rows of its known translations."""
    gold = {}
    for word, translations in dictionary.items():
        forms = [translations] if isinstance(translations, str) else translations
        known = [target.index[form] for form in forms if form in target.index]
        if known and word in source.index:
            gold[word] = np.array(known, dtype=np.int64)
    if not gold:
        raise AlignmentError(
            f"none of {len(dictionary)} test words can be asked",
            "check the languages and the direction of the dictionary",
        )
    return gold


def _ranks(
    source: WordVectors,
    target: WordVectors,
    gold: Mapping[str, NDArray[np.int64]],
    retrieval: Retrieval,
    k: int,
) -> NDArray[np.int64]:
    queries = source.rows(list(gold))
    if retrieval == "cosine":
        found = cosine_knn(queries, target.matrix, k).indices
    elif retrieval == "csls":
        found = csls_knn(queries, target.matrix, source.matrix, k=k).indices
    else:
        raise AlignmentError(f"there is no retrieval {retrieval!r}", "choose cosine or csls")
    hits = np.array([np.isin(row, right) for row, right in zip(found, gold.values(), strict=True)])
    return np.where(hits.any(axis=1), hits.argmax(axis=1) + 1, 0)


def _scores(
    ranks: NDArray[np.int64], ks: Sequence[int], resamples: int, seed: int
) -> dict[str, Score]:
    found = ranks > 0
    values = {f"P@{k}": (found & (ranks <= k)).astype(float) for k in sorted(ks)}
    values["MRR"] = np.where(found, 1 / np.maximum(ranks, 1), 0.0)
    return {metric: bootstrap(per_word, resamples, seed) for metric, per_word in values.items()}
