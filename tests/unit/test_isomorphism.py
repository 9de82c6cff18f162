"""Relational similarity on spaces whose shapes are known."""

from __future__ import annotations

import numpy as np
import pytest

from xlhelpers.alignment.isomorphism import relational_similarity
from xlhelpers.alignment.mapping import AlignmentError
from xlhelpers.embeddings import WordVectors

N, DIM = 80, 12
PAIRS = [(f"s{i}", f"t{i}") for i in range(N)]


def vectors(letter: str, matrix: np.ndarray) -> WordVectors:
    return WordVectors([f"{letter}{i}" for i in range(len(matrix))], matrix)


@pytest.fixture
def cloud() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(N, DIM))


def test_a_turned_and_stretched_copy_has_the_same_shape(cloud: np.ndarray) -> None:
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(DIM, DIM)))[0]
    source, target = vectors("s", cloud), vectors("t", 3 * cloud @ turn)
    assert relational_similarity(source, target, PAIRS) == pytest.approx(1, abs=1e-5)


def test_strangers_have_none(cloud: np.ndarray) -> None:
    other = np.random.default_rng(2).normal(size=(N, DIM))
    value = relational_similarity(vectors("s", cloud), vectors("t", other), PAIRS)
    assert abs(value) < 0.1


def test_noise_lowers_it_step_by_step(cloud: np.ndarray) -> None:
    noise = np.random.default_rng(3).normal(size=(N, DIM))
    values = [
        relational_similarity(vectors("s", cloud), vectors("t", cloud + level * noise), PAIRS)
        for level in (0.0, 0.5, 1.0, 2.0)
    ]
    assert values == sorted(values, reverse=True) and values[0] - values[-1] > 0.5


def test_it_is_the_pearson_correlation_of_cosines() -> None:
    x = np.array([[1.0, 0], [0, 2], [1, 1], [-1, 2]])
    y = np.array([[1.0, 0, 0], [1, 1, 0], [0, 0, 1], [2, 0, 1]])

    def cosines(m: np.ndarray) -> list[float]:
        return [
            float(m[i] @ m[j] / np.linalg.norm(m[i]) / np.linalg.norm(m[j]))
            for i in range(4)
            for j in range(i)
        ]

    expected = np.corrcoef(cosines(x), cosines(y))[0, 1]
    found = relational_similarity(vectors("s", x), vectors("t", y), PAIRS[:4])
    assert found == pytest.approx(expected, abs=1e-6)  # and the dimensions differ


def test_wrong_pairs_lower_it(cloud: np.ndarray) -> None:
    source, target = vectors("s", cloud), vectors("t", cloud)
    shifted = [(a, PAIRS[(i + 1) % N][1]) for i, (a, _) in enumerate(PAIRS)]
    assert relational_similarity(source, target, shifted) < 0.2


def test_too_few_pairs(cloud: np.ndarray) -> None:
    source, target = vectors("s", cloud), vectors("t", cloud)
    with pytest.raises(AlignmentError, match="2 of the pairs"):
        relational_similarity(source, target, PAIRS[:2])
    with pytest.raises(AlignmentError, match="none of 1 pairs"):
        relational_similarity(source, target, [("no", "pair")])


def test_one_word_paired_with_all(cloud: np.ndarray) -> None:
    source, target = vectors("s", cloud), vectors("t", cloud)
    with pytest.raises(AlignmentError, match="target words are alike"):
        relational_similarity(source, target, [(a, "t0") for a, _ in PAIRS])
