"""Maps between two spaces: closed forms against known answers, refinement, bad input."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import numpy as np
import pytest
import scipy.linalg
from numpy.typing import NDArray

from xlhelpers.alignment import mapping
from xlhelpers.alignment.mapping import (
    AlignmentError,
    Mapping,
    Method,
    criterion,
    fit,
    least_squares,
    pair_rows,
    procrustes,
    refine,
    reweighted,
    supervised,
)
from xlhelpers.alignment.retrieval import mutual_nearest
from xlhelpers.embeddings import WordVectors

Floats = NDArray[np.float64]
METHODS: tuple[Method, ...] = ("procrustes", "least_squares", "reweighted")


def cloud(n: int, dim: int, seed: int = 0) -> Floats:
    """Centred rows of length 1 that spread less and less from axis to axis."""
    rows = np.random.default_rng(seed).normal(size=(n, dim)) / np.sqrt(np.arange(1, dim + 1))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    rows -= rows.mean(axis=0)
    out: Floats = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return out


def orthogonal(dim: int, sign: int = 1, seed: int = 0) -> Floats:
    """An orthogonal matrix: a rotation, or with sign -1 a reflection."""
    q: Floats = np.linalg.qr(np.random.default_rng(seed + 99).normal(size=(dim, dim)))[0]
    if np.sign(np.linalg.det(q)) != sign:
        q[:, 0] *= -1
    return q


def named(prefix: str, rows: Floats) -> WordVectors:
    return WordVectors([f"{prefix}{i}" for i in range(len(rows))], rows)


def rotated_copy(
    n: int = 300, dim: int = 16, noise: float = 0.0, seed: int = 0
) -> tuple[WordVectors, WordVectors]:
    """Two vocabularies, the second a rotation of the first with noise."""
    x = cloud(n, dim, seed)
    y = x @ orthogonal(dim, seed=seed) + noise * cloud(n, dim, seed + 1)
    return named("s", x), named("t", y).normalised(centre=False)


def pairs_of(rows: range) -> list[tuple[str, str]]:
    return [(f"s{i}", f"t{i}") for i in rows]


def accuracy(source: WordVectors, target: WordVectors, found: Mapping) -> float:
    moved, still = found.apply(source, target)
    nearest = (moved.matrix @ still.matrix.T).argmax(axis=1)
    return float((nearest == np.arange(len(source))).mean())


@pytest.fixture
def no_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


# ── Procrustes ───────────────────────────────────────────────────────────────────────────


def test_quarter_turn_by_hand() -> None:
    # Rows: the first axis lands on the second, the second on minus the first.
    x = np.eye(3)
    y = np.array([[0, 1, 0], [-1, 0, 0], [0, 0, 1]])
    w = procrustes(x, y)
    np.testing.assert_allclose(w, y, atol=1e-6)
    assert np.abs(w.T - y).max() > 1, "the map is for columns, not for rows"


@pytest.mark.parametrize("sign", [1, -1], ids=["rotation", "reflection"])
@pytest.mark.parametrize("dim", [2, 7, 40])
def test_known_orthogonal_map_is_found(dim: int, sign: int) -> None:
    x, known = cloud(200, dim, dim), orthogonal(dim, sign, dim)
    w = procrustes(x, x @ known)
    np.testing.assert_allclose(w, known, atol=1e-5)
    assert np.linalg.det(w.astype(float)) == pytest.approx(sign, abs=1e-4)
    np.testing.assert_allclose(x @ w, x @ known, atol=1e-5)


def test_transposed_map_does_not_fit() -> None:
    x, known = cloud(200, 7), orthogonal(7)
    w = procrustes(x, x @ known)
    assert np.linalg.norm(x @ w.T - x @ known) > 100 * np.linalg.norm(x @ w - x @ known)


@pytest.mark.parametrize("seed", range(4))
def test_procrustes_equals_scipy_on_noisy_pairs(seed: int) -> None:
    x, y = cloud(80, 10, seed), cloud(80, 10, seed + 50)
    expected, _ = scipy.linalg.orthogonal_procrustes(x, y)
    np.testing.assert_allclose(procrustes(x, y), expected, atol=2e-4)


@pytest.mark.parametrize("n", [1, 3, 50])
def test_procrustes_is_orthogonal_whatever_the_number_of_pairs(n: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        w = procrustes(cloud(60, 10)[:n], cloud(60, 10, 1)[:n])
    assert w.dtype == np.float32
    np.testing.assert_allclose(w @ w.T, np.eye(10), atol=1e-5)


def test_few_pairs_fit_perfectly_and_are_warned_of() -> None:
    # The article's trap: four random pairs in many dimensions always "align".
    x, y = cloud(60, 30)[:4], cloud(60, 30, 1)[:4]
    basis_x, basis_y = np.linalg.qr(x.T)[0].T, np.linalg.qr(y.T)[0].T
    with pytest.warns(UserWarning, match=r"4 pairs leave at least 26 of the map's 30 directions"):
        w = procrustes(basis_x, basis_y)
    np.testing.assert_allclose(basis_x @ w, basis_y, atol=1e-5)


def test_one_pair_too_few_is_warned_of() -> None:
    with pytest.warns(UserWarning, match="11 pairs leave at least 1 of the map's 12 directions"):
        procrustes(cloud(60, 12)[:11], cloud(60, 12, 1)[:11])


def test_as_many_pairs_as_dimensions_give_no_warning(no_warnings: None) -> None:
    x = cloud(60, 12)[:12]
    procrustes(x, x @ orthogonal(12))


def test_lists_and_float64_give_the_same_as_arrays() -> None:
    x, y = cloud(20, 4), cloud(20, 4, 1)
    from_lists = procrustes(x.tolist(), y.tolist())
    np.testing.assert_array_equal(from_lists, procrustes(x.astype("f4"), y.astype("f4")))


# ── least squares ────────────────────────────────────────────────────────────────────────


def test_least_squares_equals_numpy() -> None:
    x, y = cloud(80, 10), cloud(80, 10, 1)
    expected = np.linalg.lstsq(x, y, rcond=None)[0]
    np.testing.assert_allclose(least_squares(x, y), expected, atol=1e-5)


def test_least_squares_finds_a_map_that_stretches() -> None:
    x, stretch = cloud(80, 5), np.diag([3.0, 1.0, 0.5, 2.0, 1.0]) @ orthogonal(5)
    np.testing.assert_allclose(least_squares(x, x @ stretch), stretch, atol=1e-4)
    assert np.linalg.norm(x @ procrustes(x, x @ stretch) - x @ stretch) > 1


def test_least_squares_with_few_pairs_has_the_smallest_norm() -> None:
    x, y = cloud(60, 10)[:3], cloud(60, 10, 1)[:3]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        w = least_squares(x, y)
    np.testing.assert_allclose(w, np.linalg.pinv(x) @ y, atol=1e-4)


def test_ridge_is_its_closed_form() -> None:
    x, y = cloud(80, 6), cloud(80, 6, 1)
    expected = np.linalg.inv(x.T @ x + 2.5 * np.eye(6)) @ x.T @ y
    np.testing.assert_allclose(least_squares(x, y, ridge=2.5), expected, atol=1e-5)


def test_ridge_shrinks() -> None:
    x, y = cloud(80, 6), cloud(80, 6, 1)
    norms = [float(np.linalg.norm(least_squares(x, y, ridge=r))) for r in (0, 0.1, 1, 10, 100)]
    assert norms == sorted(norms, reverse=True)
    assert norms[-1] < norms[0] / 4


def test_negative_ridge_is_refused() -> None:
    with pytest.raises(AlignmentError, match="0 or more"):
        least_squares(np.eye(3), np.eye(3), ridge=-1.0)


# ── reweighting ──────────────────────────────────────────────────────────────────────────


def whitened(x: Floats) -> Floats:
    """Rows with x'x = I, by the symmetric root; an independent way to the same."""
    values, vectors = np.linalg.eigh(x.T @ x)
    out: Floats = x @ vectors @ np.diag(values**-0.5) @ vectors.T
    return out


def test_reweighting_by_nothing_is_the_rotation_of_whitened_rows() -> None:
    x, y = cloud(200, 6), cloud(200, 6, 1)
    source, target = reweighted(x, y, power=0)
    for side in (source, target):
        np.testing.assert_allclose(side @ side.T, np.eye(6), atol=1e-4)
    expected = procrustes(whitened(x), whitened(y))
    np.testing.assert_allclose(source @ target.T, expected, atol=1e-3)


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_reweighting_keeps_what_agrees_perfectly(power: float) -> None:
    x, known = cloud(200, 6), orthogonal(6, -1)
    source, target = reweighted(x, x @ known, power)
    np.testing.assert_allclose(x @ source, x @ known @ target, atol=1e-4)
    np.testing.assert_allclose(source @ target.T, known, atol=1e-3)


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_reweighting_shrinks_by_the_correlation_to_the_power(power: float) -> None:
    correlation = np.array([1.0, 0.9, 0.5, 0.1])
    columns = np.linalg.qr(np.random.default_rng(5).normal(size=(50, 8)))[0]
    x = columns[:, :4]
    y = x * correlation + columns[:, 4:] * np.sqrt(1 - correlation**2)
    for side in reweighted(x, y, power):
        np.testing.assert_allclose(np.linalg.norm(side, axis=1), correlation**power, atol=1e-5)


@pytest.mark.parametrize("n", [1, 3, 40])
def test_reweighting_leaves_out_directions_without_variance(n: int) -> None:
    x, y = cloud(60, 6)[:n], cloud(60, 6, 1)[:n]
    x[:, 2] = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for side in reweighted(x, y):
            assert np.isfinite(side).all() and np.abs(side).max() < 10


# ── Mapping ──────────────────────────────────────────────────────────────────────────────


def test_apply_by_hand() -> None:
    source = WordVectors(["a", "b"], [[3, 4], [0, 2]])
    target = WordVectors(["c"], [[5, 0]])
    turn = np.array([[0, 1], [-1, 0]], dtype=np.float32)
    moved, still = Mapping(turn, np.eye(2, dtype=np.float32), 1).apply(source, target)
    assert (moved.words, still.words) == (["a", "b"], ["c"])
    np.testing.assert_allclose(moved.matrix, [[-0.8, 0.6], [-1.0, 0.0]], atol=1e-6)
    np.testing.assert_allclose(still.matrix, [[1.0, 0.0]], atol=1e-6)
    np.testing.assert_array_equal(source.matrix, [[3, 4], [0, 2]])


@pytest.mark.parametrize("method", METHODS)
def test_applied_rows_have_length_one(method: Method) -> None:
    source, target = rotated_copy(noise=0.5)
    for vectors in supervised(source, target, pairs_of(range(100)), method).apply(source, target):
        np.testing.assert_allclose(np.linalg.norm(vectors.matrix, axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("dims", [(3, 4), (4, 3), (3, 3)])
def test_apply_refuses_other_dimensions(dims: tuple[int, int]) -> None:
    source, target = (WordVectors(["a"], np.ones((1, dim))) for dim in dims)
    eye = np.eye(4, dtype=np.float32)
    with pytest.raises(AlignmentError, match="the map expects 4") as caught:
        Mapping(eye, eye, 1).apply(source, target)
    assert f"{dims[0]} components" in str(caught.value)


def test_zero_vector_is_warned_of_by_name() -> None:
    source = WordVectors(["good", "empty"], [[1, 0], [0, 0]])
    found = Mapping(np.eye(2, dtype=np.float32), np.eye(2, dtype=np.float32), 1)
    with pytest.warns(UserWarning, match="'empty'"):
        moved, _ = found.apply(source, WordVectors(["c"], [[1, 0]]))
    np.testing.assert_array_equal(moved["empty"], [0, 0])


# ── pairs ────────────────────────────────────────────────────────────────────────────────

ENGLISH = WordVectors(["king", "queen", "water", "no"], np.eye(4))
GERMAN = WordVectors(["wasser", "könig", "königin", "no"], np.eye(4))


def test_pairs_keep_their_order_and_lose_unknown_words(no_warnings: None) -> None:
    pairs = [("water", "wasser"), ("tree", "baum"), ("king", "könig"), ("queen", "regina")]
    rows = pair_rows(ENGLISH, GERMAN, pairs)
    assert rows.tolist() == [[2, 0], [0, 1]]
    assert rows.dtype == np.int64


def test_pairs_may_come_from_a_generator_and_as_lists() -> None:
    assert pair_rows(ENGLISH, GERMAN, (p for p in [("king", "könig")])).tolist() == [[0, 1]]
    listed: list[tuple[str, str]] = [["king", "könig"]]  # type: ignore[list-item]
    assert pair_rows(ENGLISH, GERMAN, listed).tolist() == [[0, 1]]


def test_pair_given_twice_counts_once_with_a_warning() -> None:
    pairs = [("king", "könig"), ("water", "wasser"), ("king", "könig"), ("king", "königin")]
    with pytest.warns(UserWarning, match="1 pairs stand twice"):
        rows = pair_rows(ENGLISH, GERMAN, pairs)
    assert rows.tolist() == [[0, 1], [2, 0], [0, 2]]


def test_reversed_dictionary_is_named() -> None:
    pairs = [("könig", "king"), ("königin", "queen"), ("wasser", "water"), ("no", "no")]
    with pytest.raises(AlignmentError, match="source and target exchanged") as caught:
        pair_rows(ENGLISH, GERMAN, pairs)
    assert "1 of 4 pairs" in caught.value.problem and "but 4 would" in caught.value.problem
    assert "swap" in caught.value.remedy


def test_words_that_both_languages_have_are_no_reversed_dictionary() -> None:
    assert pair_rows(ENGLISH, GERMAN, [("no", "no"), ("king", "könig")]).tolist() == [
        [3, 3],
        [0, 1],
    ]


@pytest.mark.parametrize("pairs", [[], [("tree", "baum"), ("king", "roi")]])
def test_no_pair_left_is_refused(pairs: list[tuple[str, str]]) -> None:
    with pytest.raises(AlignmentError, match=f"none of {len(pairs)} pairs"):
        pair_rows(ENGLISH, GERMAN, pairs)


@pytest.mark.parametrize(
    "wrong", [{"king": ("könig",)}, ["no", "or"], [("king", "könig", "roi")], [7]]
)
def test_what_is_no_list_of_pairs_is_refused_with_a_remedy(wrong: list[tuple[str, str]]) -> None:
    with pytest.raises(AlignmentError, match=r"\.pairs\(\)"):
        pair_rows(ENGLISH, GERMAN, wrong)


# ── supervised and fit ───────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("method", METHODS)
def test_rotated_copy_is_found_again_on_words_not_seen(method: Method) -> None:
    source, target = rotated_copy(noise=0.1)
    found = supervised(source, target, [*pairs_of(range(60)), ("s1", "?")], method)
    assert found.pairs == 60
    assert accuracy(source, target, found) == 1
    assert np.isnan(found.score)
    if method != "reweighted":
        np.testing.assert_array_equal(found.target, np.eye(16))


def test_wrong_pairs_give_a_wrong_map() -> None:
    source, target = rotated_copy()
    shifted = [(f"s{i}", f"t{i + 1}") for i in range(150)]
    assert accuracy(source, target, supervised(source, target, shifted)) < 0.2


@pytest.mark.parametrize("method", METHODS)
def test_one_pair_is_a_warned_result(method: Method) -> None:
    source, target = rotated_copy()
    with pytest.warns(UserWarning, match="1 pair"):
        found = supervised(source, target, pairs_of(range(1)), method)
    assert np.isfinite(found.source).all()


def test_supervised_refuses_spaces_of_different_dimension() -> None:
    source, target = named("s", cloud(9, 3)), named("t", cloud(9, 4))
    with pytest.raises(AlignmentError, match="3 components and the target 4") as caught:
        supervised(source, target, pairs_of(range(9)))
    assert "the map expects" not in str(caught.value), "there is no map yet"


def test_unknown_method_lists_those_there_are() -> None:
    with pytest.raises(AlignmentError, match="procrustes, least_squares or reweighted"):
        fit(np.eye(3), np.eye(3), "magic")  # type: ignore[arg-type]


@pytest.mark.parametrize("learn", [procrustes, least_squares, reweighted, fit])
@pytest.mark.parametrize(
    ("x", "y", "says"),
    [
        (np.ones((3, 2)), np.ones((2, 2)), r"\(3, 2\) and \(2, 2\)"),
        (np.ones((3, 2)), np.ones((3, 4)), r"\(3, 2\) and \(3, 4\)"),
        (np.ones(3), np.ones(3), r"\(3,\) and \(3,\)"),
        (np.ones((0, 2)), np.ones((0, 2)), "no pairs"),
        (np.array([[1, np.nan]]), np.ones((1, 2)), "NaN or infinity"),
        (np.ones((1, 2)), np.array([[np.inf, 1]]), "NaN or infinity"),
    ],
)
def test_bad_rows_are_refused(learn: object, x: Floats, y: Floats, says: str) -> None:
    assert callable(learn)
    with pytest.raises(AlignmentError, match=says) as caught:
        learn(x, y)
    assert caught.value.remedy


# ── refinement and the criterion ─────────────────────────────────────────────────────────


def test_refinement_improves_a_start_from_few_pairs() -> None:
    source, target = rotated_copy(n=400, dim=24, noise=0.35)
    with pytest.warns(UserWarning, match="20 pairs leave at least 4"):
        start = supervised(source, target, pairs_of(range(20)))
    better = refine(source, target, start)
    assert accuracy(source, target, better) > accuracy(source, target, start) + 0.03
    assert accuracy(source, target, better) > 0.97
    assert better.pairs > 300
    assert better.score == pytest.approx(criterion(*better.apply(source, target)))


@pytest.mark.filterwarnings("ignore:9 pairs leave")
def test_each_round_of_refinement_builds_on_the_one_before() -> None:
    source, target = rotated_copy(n=400, dim=24, noise=0.35)
    start = supervised(source, target, pairs_of(range(9)))
    scores = [refine(source, target, start, iterations=rounds).score for rounds in (0, 1, 2, 5)]
    assert (np.diff(scores) > 0).all()


@pytest.mark.parametrize("seed", range(3))
def test_refinement_never_returns_a_worse_criterion(seed: int) -> None:
    source, target = named("s", cloud(150, 10, seed)), named("t", cloud(150, 10, seed + 9))
    eye = np.eye(10, dtype=np.float32)
    start = Mapping(orthogonal(10, seed=seed).astype(np.float32), eye, 0)
    after = refine(source, target, start, iterations=3)
    assert after.score >= criterion(*start.apply(source, target))


@pytest.mark.parametrize(("scores", "best"), [([3, 1, 2], 0), ([1, 3, 2], 1), ([1, 2, 3], 2)])
def test_refinement_returns_the_best_round(
    scores: list[float], best: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = rotated_copy(noise=0.8)
    start = supervised(source, target, pairs_of(range(20)))
    rounds: list[Mapping] = []

    def scored(_: WordVectors, __: WordVectors, made: Mapping) -> Mapping:
        rounds.append(Mapping(made.source, made.target, made.pairs, scores[len(rounds)]))
        return rounds[-1]

    monkeypatch.setattr(mapping, "_scored", scored)
    assert refine(source, target, start, iterations=2) is rounds[best]
    assert len(rounds) == 3


def test_no_rounds_return_the_start_with_its_score() -> None:
    source, target = rotated_copy()
    start = supervised(source, target, pairs_of(range(40)))
    after = refine(source, target, start, iterations=0)
    np.testing.assert_array_equal(after.source, start.source)
    assert (after.pairs, after.score) == (40, pytest.approx(1, abs=1e-4))


def test_refinement_looks_at_frequent_words_only() -> None:
    source, target = rotated_copy(noise=0.3)
    start = supervised(source, target, pairs_of(range(30)))
    junk = cloud(200, 16, 77)
    more_source = WordVectors(
        [*source.words, *(f"js{i}" for i in range(200))], np.vstack([source.matrix, junk])
    )
    more_target = WordVectors(
        [*target.words, *(f"jt{i}" for i in range(200))], np.vstack([target.matrix, junk[::-1]])
    )
    alone = refine(source, target, start)
    np.testing.assert_allclose(
        refine(more_source, more_target, start, vocabulary=300).source, alone.source, atol=1e-5
    )
    assert refine(more_source, more_target, start, vocabulary=100).pairs <= 100


def test_refinement_refuses_other_dimensions() -> None:
    source, target = rotated_copy(n=20, dim=4)
    eye = np.eye(5, dtype=np.float32)
    with pytest.raises(AlignmentError, match="the map expects 5"):
        refine(source, target, Mapping(eye, eye, 1))


def test_criterion_is_one_for_equal_spaces() -> None:
    x = named("s", cloud(100, 8))
    assert criterion(x, x) == pytest.approx(1, abs=1e-5)


def test_criterion_is_higher_for_aligned_spaces_than_for_others() -> None:
    x = cloud(200, 12)
    aligned = named("t", x + 0.4 * cloud(200, 12, 1)).normalised(centre=False)
    turned = named("t", aligned.matrix.astype(float) @ orthogonal(12))
    assert criterion(named("s", x), aligned) > 1.3 * criterion(named("s", x), turned)


def test_criterion_is_not_fooled_by_a_few_lucky_pairs() -> None:
    # Five words fit perfectly, the others crowd in one place and have no partner: the mean
    # cosine of the pairs is higher than in a space where all words fit fairly well.
    x = cloud(200, 40)
    crowd = np.vstack([x[:5], cloud(2, 40, 3)[:1] + 0.001 * cloud(195, 40, 4)])
    lucky = named("t", crowd).normalised(centre=False)
    fair = named("t", x + cloud(200, 40, 4)).normalised(centre=False)
    means = []
    for target in (lucky, fair):
        found = mutual_nearest(x, target.matrix)
        means.append(np.mean([x[a] @ target.matrix[b] for a, b in found]))
    assert means[0] > means[1]
    assert criterion(named("s", x), lucky) < 0.2 * criterion(named("s", x), fair)
