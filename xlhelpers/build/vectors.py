"""Tokenised text → word vectors by counting: PPMI and a truncated SVD.

The recipe is count-based because it is quick, deterministic and as good as word2vec when
both are tuned alike (Levy, Goldberg & Dagan, 2015, TACL); the text is far too small for
word2vec to do better. Departures from theirs, each measured on the training dictionaries
(`benchmarks/recipes.py`):

* contexts are cut to their first five letters, a stemmer for languages that have none at
  hand (truncation is one of the methods that McNamee, Nicholas & Mayfield, 2009, SIGIR,
  compare in eighteen languages); the words themselves stay whole;
* singular values keep their weight (their p = 1), where they advise 0 or 0.5;
* the window is wide, ten words to either side.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xlhelpers.build.text import Verses
from xlhelpers.errors import CourseError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from xlhelpers.embeddings import WordVectors


class TooLittleTextError(CourseError, ValueError):
    """The text is too small for the recipe."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How vectors are made.

    Attributes:
        size: words kept, most frequent first.
        dim: components.
        window: words to each side; a word at distance k counts (window - k + 1) / window.
        stem: letters of a context word that count.
        smoothing: exponent on context frequencies.
        power: exponent on singular values.
        least: occurrences that a word, and a context, needs at least.
    """

    size: int = 6000
    dim: int = 170
    window: int = 10
    stem: int = 5
    smoothing: float = 0.75
    power: float = 1.0
    least: int = 2


def vocabulary(text: Verses, recipe: Recipe) -> list[str]:
    """Return the words to keep, by falling frequency, ties in alphabetical order."""
    counts = Counter(word for verse in text for word in verse)
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [word for word, count in ranked if count >= recipe.least][: recipe.size]


def cooccurrence(text: Verses, words: list[str], recipe: Recipe) -> csr_matrix:
    """Count which context stems stand near which words, within verses.

    Returns:
        (len(words), contexts) sparse float64 matrix of distance-weighted counts.
    """
    import numpy as np
    from scipy.sparse import csr_matrix

    stems = Counter(word[: recipe.stem] for verse in text for word in verse)
    kept = sorted(stem for stem, count in stems.items() if count >= recipe.least)
    row = {word: i for i, word in enumerate(words)}
    column = {stem: i for i, stem in enumerate(kept)}
    # One long array with a gap of `window` between verses, so that no window crosses one.
    rows, columns = [], []
    gap = [-1] * recipe.window
    for verse in text:
        rows += [row.get(word, -1) for word in verse] + gap
        columns += [column.get(word[: recipe.stem], -1) for word in verse] + gap
    r, c = np.array(rows, dtype=np.int32), np.array(columns, dtype=np.int32)
    total = csr_matrix((len(words), len(kept)))
    for distance in range(1, recipe.window + 1):
        weight = (recipe.window - distance + 1) / recipe.window
        for word, context in ((r[:-distance], c[distance:]), (r[distance:], c[:-distance])):
            both = (word >= 0) & (context >= 0)
            cells = (word[both], context[both])
            total += csr_matrix((np.full(both.sum(), weight), cells), shape=total.shape)
    return total


def ppmi(counts: csr_matrix, smoothing: float) -> csr_matrix:
    """Return positive pointwise mutual information with smoothed context frequencies.

    Shape and sparsity as `counts`, minus the cells whose information is not positive.
    """
    import numpy as np
    from scipy.sparse import csr_matrix

    cells = counts.tocoo()
    word = np.asarray(counts.sum(axis=1)).ravel()
    context = np.asarray(counts.sum(axis=0)).ravel() ** smoothing
    context /= context.sum()
    information = np.log(cells.data / (word[cells.row] * context[cells.col]))
    keep = information > 0
    data = (information[keep], (cells.row[keep], cells.col[keep]))
    return csr_matrix(data, shape=counts.shape)


def _reduce(matrix: csr_matrix, dim: int, power: float) -> NDArray[np.float32]:
    from sklearn.utils.extmath import randomized_svd

    u, s, _ = randomized_svd(
        matrix, dim, n_oversamples=50, n_iter=8, flip_sign=True, random_state=0
    )
    return (u * s**power).astype("float32")


def train(text: Verses, recipe: Recipe | None = None) -> WordVectors:
    """Return word vectors of a tokenised text.

    Raises:
        TooLittleTextError: the text has no more words, or contexts, than the recipe has
            components.
    """
    from xlhelpers.embeddings import WordVectors

    recipe = recipe or Recipe()
    words = vocabulary(text, recipe)
    counts = cooccurrence(text, words, recipe)
    if min(counts.shape) <= recipe.dim:
        raise TooLittleTextError(
            f"{counts.shape[0]} words and {counts.shape[1]} contexts cannot give {recipe.dim} "
            "components",
            "add text, or lower dim in the recipe",
        )
    information = ppmi(counts, recipe.smoothing)
    return WordVectors(words, _reduce(information, recipe.dim, recipe.power))
