"""Word embeddings to begin with, from which sentences are translations of each other."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from xlhelpers.pretraining.batches import tokenise
from xlhelpers.pretraining.objectives import PretrainingError
from xlhelpers.pretraining.parallel import Parallels, grouped

# Of the randomised decomposition. On our 12,000 meanings ten instead of five change the cosine
# of two entries by 0.01 on average.
_ITERATIONS = 5


def sentence_id_vectors(
    tokenizer: Any, parallel: Parallels, dim: int, seed: int = 0
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return vectors for the entries of a vocabulary: close where they are said of the same.

    A matrix says which entry occurs in which meaning, in whatever language; its positive
    pointwise mutual information is reduced to `dim` columns by a singular value decomposition
    (Søgaard et al., 2015, ACL, inverted indexing; Levy et al., 2017, EACL, sentence ids). What
    begins with such embeddings has its languages aligned word by word from the first step, as
    Tran (2020, arXiv:2002.07306) and Minixhofer et al. (2022, NAACL, WECHSEL) do for one
    language at a time.

    Args:
        tokenizer: fast, whose vocabulary it is.
        parallel: meanings, as `pretrain` takes them.
        dim: length of a vector; less than the number of meanings.
        seed: of the decomposition and of the rotation after it, which spreads what the first
            columns have over all.

    Returns:
        (size, dim) vectors of length 1, and (size,) which entries have one: those of the others,
        which occur nowhere, are 0.

    Raises:
        PretrainingError: no sentence, an empty one, or too few meanings.
    """
    from scipy.sparse import coo_array
    from sklearn.utils.extmath import randomized_svd
    from threadpoolctl import threadpool_limits

    rows = [meaning for group in grouped(parallel) for meaning in group]
    sentences = [text for meaning in rows for text in meaning.values()]
    tokens = tokenise(tokenizer, sentences, "parallel sentences")
    if min(len(rows), len(tokenizer)) <= dim:
        raise PretrainingError(
            f"{len(rows)} meanings and {len(tokenizer)} entries give no vectors of length {dim}",
            "give more meanings, or ask for shorter vectors",
        )
    column = np.repeat(np.arange(len(rows)), [len(meaning) for meaning in rows])
    cells = (tokens.ids, np.repeat(column, tokens.lengths))
    counts = coo_array((np.ones(len(tokens.ids)), cells), shape=(len(tokenizer), len(rows)))
    # One thread: sums in another order differ in their last digits, and a training that was
    # interrupted would not be known again.
    with threadpool_limits(1):
        left, sizes, _ = randomized_svd(
            _positive_information(counts), dim, n_iter=_ITERATIONS, random_state=seed
        )
        turn, _ = np.linalg.qr(np.random.default_rng(seed).standard_normal((dim, dim)))
        vectors = left * np.sqrt(sizes) @ turn
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    there = lengths > 1e-6
    out = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=there)
    return out.astype(np.float32), there[:, 0]


def _positive_information(counts: Any) -> Any:
    """Return the positive pointwise mutual information of whether, not how often, both occur."""
    from scipy.sparse import coo_array

    row, column = counts.tocsr().tocoo().coords  # each cell once
    often, long = np.bincount(row), np.bincount(column)
    information = np.log(len(row) / (often[row] * long[column]))
    kept = information > 0
    where = (row[kept], column[kept])
    return coo_array((information[kept], where), shape=counts.shape).tocsr()


__all__ = ["sentence_id_vectors"]
