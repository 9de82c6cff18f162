"""Self-learning on spaces whose true alignment is known."""

from __future__ import annotations

import numpy as np
import pytest

from xlhelpers.alignment import selflearning
from xlhelpers.alignment.mapping import AlignmentError, Mapping
from xlhelpers.alignment.selflearning import (
    Schedule,
    agreement,
    attempts,
    identical_words,
    self_learning,
    similarity_profiles,
)
from xlhelpers.embeddings import WordVectors

N, DIM = 600, 24
QUICK = Schedule(vocabulary=400)


def rotation(rng: np.random.Generator, dim: int = DIM) -> np.ndarray:
    return np.linalg.qr(rng.normal(size=(dim, dim)))[0]


def cloud(rng: np.random.Generator, n: int = N) -> np.ndarray:
    """Clusters of unequal size and spread: nothing like a ball, as word vectors are not."""
    centres = rng.normal(size=(30, DIM)) * np.linspace(2.0, 0.5, DIM)
    return centres[rng.integers(0, 30, n)] + rng.normal(size=(n, DIM)) * rng.uniform(0.3, 0.9, DIM)


@pytest.fixture(scope="module")
def spaces() -> tuple[WordVectors, WordVectors]:
    """A space, and the same one turned, with noise: word s12 means t12."""
    rng = np.random.default_rng(3)
    x = cloud(rng)
    y = x @ rotation(rng) + 0.4 * rng.normal(size=x.shape)
    source = WordVectors([f"s{i}" for i in range(N)], x).normalised()
    target = WordVectors([f"t{i}" for i in range(N)], y).normalised()
    return source, target


@pytest.fixture(scope="module")
def strangers() -> tuple[WordVectors, WordVectors]:
    """Two spaces that have nothing to do with each other."""
    rng = np.random.default_rng(4)
    source = WordVectors([f"s{i}" for i in range(N)], cloud(rng)).normalised()
    target = WordVectors([f"t{i}" for i in range(N)], cloud(rng)).normalised()
    return source, target


def right(learned: Mapping, source: WordVectors, target: WordVectors) -> float:
    moved, still = learned.apply(source, target)
    return float(np.mean((moved.matrix @ still.matrix.T).argmax(axis=1) == np.arange(len(source))))


def test_ten_pairs_are_enough(spaces: tuple[WordVectors, WordVectors]) -> None:
    pairs = [(f"s{i}", f"t{i}") for i in range(10)]
    learned = self_learning(*spaces, pairs, QUICK)
    assert right(learned, *spaces) > 0.95
    assert learned.pairs >= N
    assert 0.5 < learned.score <= 1


def test_no_pair_is_enough_when_the_spaces_have_one_shape(
    spaces: tuple[WordVectors, WordVectors],
) -> None:
    assert right(self_learning(*spaces, schedule=QUICK), *spaces) > 0.95


def test_weighting_and_profiles_of_the_published_method_work_here_too(
    spaces: tuple[WordVectors, WordVectors],
) -> None:
    plain = Schedule(vocabulary=400, weighting=0, patience=8)
    pairs = [(f"s{i}", f"t{i}") for i in range(30)]
    assert right(self_learning(*spaces, pairs, plain, final="procrustes"), *spaces) > 0.95


def test_profiles_find_most_of_a_turned_copy(spaces: tuple[WordVectors, WordVectors]) -> None:
    source = spaces[0].matrix
    turned = (source @ rotation(np.random.default_rng(0))).astype(np.float32)
    order = np.random.default_rng(1).permutation(N)
    for power in (1.0, 2.0, 3.0):
        rows = similarity_profiles(source, turned[order], power=power)
        assert rows.shape == (2 * N, 2)
        assert np.mean(order[rows[:, 1]] == rows[:, 0]) > 0.9


def test_profiles_rest_on_the_power_of_the_similarity_matrix(
    spaces: tuple[WordVectors, WordVectors],
) -> None:
    x = spaces[0].matrix[:100]
    u, s, _ = np.linalg.svd(x, full_matrices=False)
    expected = np.sort((u * s**3) @ u.T, axis=1)
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    expected -= expected.mean(axis=0)
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(selflearning._profiles(x, 3.0), expected, atol=1e-4)


def test_attempts_come_best_first_and_one_seed_gives_one_result(
    strangers: tuple[WordVectors, WordVectors],
) -> None:
    runs = attempts(*strangers, schedule=QUICK, seed=5, restarts=3)
    scores = [run.score for run in runs]
    assert len(set(scores)) == 3 and scores == sorted(scores, reverse=True)
    best = self_learning(*strangers, schedule=QUICK, seed=5, restarts=3)
    np.testing.assert_array_equal(best.source, runs[0].source)
    other = self_learning(*strangers, schedule=QUICK, seed=6)
    assert not np.array_equal(other.source, runs[0].source)


def test_runs_agree_where_they_are_right_and_differ_where_nothing_is(
    spaces: tuple[WordVectors, WordVectors], strangers: tuple[WordVectors, WordVectors]
) -> None:
    for pair, low, high in ((spaces, 0.95, 1.0), (strangers, 0.0, 0.5)):
        first, second = attempts(*pair, schedule=QUICK, restarts=2)
        assert low <= agreement(first, second, *pair) <= high
        assert agreement(first, first, *pair) == 1


def test_score_of_strangers_is_lower(
    spaces: tuple[WordVectors, WordVectors], strangers: tuple[WordVectors, WordVectors]
) -> None:
    related, unrelated = (self_learning(*pair, schedule=QUICK) for pair in (spaces, strangers))
    assert related.score > unrelated.score + 0.05


def test_trusted_pairs_outweigh_what_is_found(strangers: tuple[WordVectors, WordVectors]) -> None:
    pairs = [(f"s{i}", f"t{i}") for i in range(200)]
    fits = []
    for trust in (0.0, 100.0):
        schedule = Schedule(vocabulary=400, trust=trust)
        moved, still = self_learning(*strangers, pairs, schedule).apply(*strangers)
        fits.append(float((moved.matrix[:200] * still.matrix[:200]).sum(axis=1).mean()))
    assert fits[1] > fits[0] + 0.05


def test_dropped_rows_are_left_out() -> None:
    rng = np.random.default_rng(0)
    scores = np.full((400, 3), 0.5, dtype=np.float32)
    places = selflearning._best(scores, 0.1, rng)
    share = float(np.mean(places == -1))  # all three dropped: 0.9³ = 0.73
    assert 0.6 < share < 0.85
    rows = selflearning._both_ways(places, np.array([-1, 2, 5]))
    assert (rows >= 0).all() and len(rows) == (places >= 0).sum() + 2


def test_drops_keep_the_share_asked_for() -> None:
    rng = np.random.default_rng(0)
    rising = np.tile(np.linspace(-1, 1, 500, dtype=np.float32), (2000, 1))
    best = selflearning._best(rising.copy(), 0.25, rng)
    assert np.mean(best == 499) == pytest.approx(0.25, abs=0.05)
    assert (selflearning._best(rising, 1.0, rng) == 499).all()


def test_the_finish_brings_in_all_words(spaces: tuple[WordVectors, WordVectors]) -> None:
    pairs = [(f"s{i}", f"t{i}") for i in range(10)]
    short = self_learning(*spaces, pairs, Schedule(vocabulary=100, finish=0))
    assert 100 <= short.pairs <= 200
    finished = self_learning(*spaces, pairs, Schedule(vocabulary=100))
    assert finished.pairs >= N and right(finished, *spaces) > 0.95
    capped = self_learning(*spaces, pairs, Schedule(vocabulary=100, finish_vocabulary=300))
    assert 300 <= capped.pairs <= 600


@pytest.mark.parametrize("words", [2, 5, 9])
def test_fewer_words_than_neighbours(words: int) -> None:
    rng = np.random.default_rng(words)
    source = WordVectors([f"s{i}" for i in range(words)], rng.normal(size=(words, 4)))
    target = WordVectors([f"t{i}" for i in range(words)], rng.normal(size=(words, 4)))
    learned = self_learning(source.normalised(), target.normalised(), schedule=QUICK)
    assert np.isfinite(learned.source).all() and np.isfinite(learned.score)


def test_one_pair_is_warned_of(spaces: tuple[WordVectors, WordVectors]) -> None:
    with pytest.warns(UserWarning, match="a seed of 1 says little"):
        learned = self_learning(*spaces, [("s0", "t0")], QUICK)
    assert np.isfinite(learned.source).all()


def test_identical_words() -> None:
    vectors = np.eye(3)
    source = WordVectors(["amen", "a", "hand"], vectors)
    target = WordVectors(["a", "hand", "kirche"], vectors)
    assert identical_words(source, target) == [("hand", "hand")]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"pairs": []}, "none of 0 pairs"),
        ({"pairs": [("here", "nowhere")]}, "none of 1 pairs"),
        ({"pairs": [("t0", "s0"), ("t1", "s1"), ("t2", "s2")]}, "exchanged"),
        ({"restarts": 0}, "restarts is 0"),
        ({"final": "magic"}, "no method 'magic'"),
    ],
)
def test_bad_arguments(
    spaces: tuple[WordVectors, WordVectors], arguments: dict[str, object], message: str
) -> None:
    with pytest.raises(AlignmentError, match=message):
        self_learning(*spaces, schedule=QUICK, **arguments)


def test_dimensions_that_differ(spaces: tuple[WordVectors, WordVectors]) -> None:
    narrow = WordVectors(["a", "b"], np.eye(2))
    with pytest.raises(AlignmentError, match="24 components and the target 2"):
        self_learning(spaces[0], narrow)


def test_one_word_is_not_a_language() -> None:
    one = WordVectors(["a"], np.ones((1, 3)))
    with pytest.raises(AlignmentError, match="fewer than two words"):
        self_learning(one, one)
    with pytest.raises(AlignmentError, match="fewer than two words"):
        similarity_profiles(one.matrix, one.matrix)


@pytest.mark.parametrize(
    ("field", "value"),
    [("keep", 0), ("keep", 1.5), ("growth", 1), ("patience", 0), ("vocabulary", 1), ("trust", -1)],
)
def test_schedules_that_would_never_end_are_refused(field: str, value: float) -> None:
    with pytest.raises(AlignmentError, match=f"{field} is"):
        Schedule(**{field: value})


def test_thorough_is_a_longer_schedule() -> None:
    quick, thorough = Schedule(), Schedule.thorough()
    assert thorough.vocabulary > quick.vocabulary and thorough.patience > quick.patience
