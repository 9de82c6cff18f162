"""How far two vector spaces have one shape, measured on known translations.

A rotation can only align two spaces whose distances agree. `relational_similarity` measures
that directly; where it is low no orthogonal map does well, with whatever supervision.
"""

from __future__ import annotations

import numpy as np

from xlhelpers.alignment.mapping import AlignmentError, Pairs, pair_rows
from xlhelpers.embeddings import WordVectors

# Below this many pairs there are fewer than three pairs of pairs to correlate.
_FEWEST = 3


def relational_similarity(source: WordVectors, target: WordVectors, pairs: Pairs) -> float:
    """Return the correlation of similarities within one language with those in the other.

    For every two translation pairs (a, a') and (b, b'), cos(a, b) is compared with
    cos(a', b'): Pearson's r over all of them, 1 when the two sets of words have one shape and
    about 0 when they have nothing in common (RSIM of Vulić, Ruder & Søgaard, 2020, EMNLP,
    section 2). No map is involved, and the two spaces may differ in dimension.

    Args:
        source: vectors; give both sides `normalised()` for figures comparable with the
            alignments of this package.
        target: likewise.
        pairs: (source word, target word), one translation a word; some hundreds are enough.

    Raises:
        AlignmentError: fewer than three pairs in the vocabularies, pairs that are unusable
            (`pair_rows`), or a side without any variation, such as one word paired with all.
    """
    rows = pair_rows(source, target, pairs)
    if len(rows) < _FEWEST:
        raise AlignmentError(
            f"{len(rows)} of the pairs are in the vocabularies", f"give at least {_FEWEST}"
        )
    here, there = _similarities(source, rows[:, 0]), _similarities(target, rows[:, 1])
    for side, values in (("source", here), ("target", there)):
        # Rounding leaves about 1e-7 between cosines that are equal.
        if values.std() < 1e-6:
            raise AlignmentError(
                f"all similarities of the {side} words are alike", "give pairs of different words"
            )
    return float(np.corrcoef(here, there)[0, 1])


def _similarities(
    vectors: WordVectors, rows: np.ndarray[tuple[int], np.dtype[np.int64]]
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Cosines of all pairs of the given words, each pair once."""
    x = vectors.matrix[rows].astype(np.float64)
    lengths = np.linalg.norm(x, axis=1, keepdims=True)
    x /= np.where(lengths > 0, lengths, 1)
    upper = np.triu_indices(len(x), k=1)
    return (x @ x.T)[upper]
