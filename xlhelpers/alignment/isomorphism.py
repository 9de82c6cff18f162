"""How alike two vector spaces are in shape, before any map is learned."""

from __future__ import annotations

import numpy as np

from xlhelpers.alignment.mapping import AlignmentError, Pairs, pair_rows
from xlhelpers.embeddings import WordVectors


def relational_similarity(source: WordVectors, target: WordVectors, pairs: Pairs) -> float:
    """Return the correlation of similarities within one language with those within the other.

    For every two pairs of translations, the cosine of the two source words is set against
    the cosine of the two target words; the result is Pearson's correlation of the two lists.
    1 means the same shape up to a rotation (RSIM; Vulić, Ruder & Søgaard, 2020, EMNLP).

    Args:
        source: vectors with rows of length 1 (`normalised()`).
        target: likewise; the number of components may differ.
        pairs: (source word, target word); best one translation a word.

    Raises:
        AlignmentError: fewer than three pairs that both vocabularies have, or pairs among
            whose words all cosines are equal.
    """
    rows = pair_rows(source, target, pairs)
    if len(rows) < 3:
        raise AlignmentError(f"{len(rows)} pairs are too few", "give at least three")
    x, y = source.matrix[rows[:, 0]], target.matrix[rows[:, 1]]
    above = np.triu_indices(len(rows), k=1)
    within_source, within_target = (x @ x.T)[above], (y @ y.T)[above]
    if not within_source.std() or not within_target.std():
        raise AlignmentError("all cosines are equal", "give pairs of different words")
    return float(np.corrcoef(within_source, within_target)[0, 1])
