"""Relational similarity: blind to rotation, sensitive to shape."""

from __future__ import annotations

import numpy as np
import pytest

from xlhelpers.alignment import AlignmentError, relational_similarity
from xlhelpers.embeddings import WordVectors

WORDS = [f"w{i}" for i in range(60)]
PAIRS = [(word, word) for word in WORDS]


def space(seed: int, dim: int = 12) -> WordVectors:
    rows = np.random.default_rng(seed).normal(size=(len(WORDS), dim))
    return WordVectors(WORDS, rows).normalised()


def rotated(vectors: WordVectors) -> WordVectors:
    turn, _ = np.linalg.qr(np.random.default_rng(9).normal(size=(vectors.dim, vectors.dim)))
    return WordVectors(vectors.words, vectors.matrix @ turn)


def test_a_rotation_changes_nothing() -> None:
    one = space(1)
    assert relational_similarity(one, rotated(one), PAIRS) == pytest.approx(1, abs=1e-4)


def test_unrelated_spaces_have_none() -> None:
    # 1,770 cosines: the correlation of independent ones has a spread of about 0.024.
    assert abs(relational_similarity(space(1), space(2), PAIRS)) < 0.15


def test_noise_lowers_it_step_by_step() -> None:
    one = space(1)
    noise = np.random.default_rng(3).normal(size=one.matrix.shape)
    found = [
        relational_similarity(
            one, WordVectors(WORDS, one.matrix + size * noise).normalised(), PAIRS
        )
        for size in (0.02, 0.1, 0.5)
    ]
    assert 1 > found[0] > found[1] > found[2] > 0


def test_wrong_partners_destroy_it() -> None:
    one = space(1)
    shifted = list(zip(WORDS, WORDS[1:] + WORDS[:1], strict=True))
    assert relational_similarity(one, rotated(one), shifted) < 0.3


def test_dimensions_may_differ() -> None:
    assert abs(relational_similarity(space(1), space(2, dim=5), PAIRS)) < 0.2


@pytest.mark.parametrize("pairs", [PAIRS[:2], [("x", "y")]])
def test_too_few_pairs_are_refused(pairs: list[tuple[str, str]]) -> None:
    with pytest.raises(AlignmentError):
        relational_similarity(space(1), space(2), pairs)


def test_equal_cosines_are_refused() -> None:
    flat = WordVectors(WORDS[:3], np.ones((3, 4)) / 2)
    with pytest.raises(AlignmentError, match="equal"):
        relational_similarity(flat, flat, PAIRS[:3])
