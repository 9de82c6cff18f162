"""Nearest neighbours: the fast ways against the formula, in float64."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from xlhelpers.alignment import _search, retrieval
from xlhelpers.alignment.retrieval import (
    cosine_knn,
    csls_knn,
    csls_matrix,
    hubness,
    mutual_nearest,
    neighbourhood_mean,
)

Floats = NDArray[np.float32]


@pytest.fixture(autouse=True)
def small_samples(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Pruning starts at a size that tests can afford."""
    monkeypatch.setattr(_search, "SAMPLE", 16)
    yield


def unit(rows: NDArray[np.floating]) -> Floats:
    divided: Floats = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return divided


def ranked(scores: NDArray[np.float64], k: int) -> NDArray[np.int64]:
    """The k best columns by definition: ties to 12 decimals go to the lower number."""
    return np.argsort(-np.round(scores, 12), axis=1, kind="stable")[:, :k]


def cloud(kind: str, n: int, dim: int, rng: np.random.Generator) -> Floats:
    """Rows of several awkward kinds."""
    if kind == "signs":  # many exact ties
        return unit(rng.choice([-1.0, 1.0], size=(n, dim)))
    rows = unit(rng.normal(size=(n, dim)))
    if kind == "duplicates":
        return rows[rng.integers(0, max(1, n // 4), n)]
    if kind == "narrow":  # all cosines near 1, gaps below the precision of float32
        return unit(np.ones(dim) + 0.001 * rows)
    if kind == "hubs":  # a few rows near the mean of everything
        # In one dimension the mean is a fraction with n below the line, and 0.0511 is none with
        # so few: with 0.05 a row of length 0 can come out.
        rows[: n // 10 + 1] = unit(rows.mean(axis=0) + 0.0511 * rows[: n // 10 + 1])
    if kind == "one":
        return np.repeat(rows[:1], n, axis=0)
    return rows


KINDS = st.sampled_from(["plain", "signs", "duplicates", "narrow", "hubs", "one"])


@settings(max_examples=120, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    kind=KINDS,
    target_kind=KINDS,
    shape=st.tuples(st.integers(1, 12), st.integers(1, 300), st.integers(1, 300)),
    n_queries=st.integers(1, 40),
    k=st.integers(1, 6),
    neighbours=st.integers(1, 14),
    memory=st.sampled_from([1, 200_000, 1 << 28]),
    rows=st.sampled_from([1, 5, 1024]),
)
def test_fast_csls_is_the_formula(
    seed: int,
    kind: str,
    target_kind: str,
    shape: tuple[int, int, int],
    n_queries: int,
    k: int,
    neighbours: int,
    memory: int,
    rows: int,
) -> None:
    dim, n_targets, n_source = shape
    rng = np.random.default_rng(seed)
    source, targets = cloud(kind, n_source, dim, rng), cloud(target_kind, n_targets, dim, rng)
    queries = source[:n_queries] if seed % 2 else cloud(kind, n_queries, dim, rng)
    k = min(k, n_targets)
    scores = csls_matrix(queries, targets, source, neighbours)
    expected = ranked(scores, k)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_search, "ROWS", rows)
        found = csls_knn(queries, targets, source, k, neighbours, memory=memory)
        judge = _search.Judge(queries, targets, source, neighbours, 1 << 28)
        near = _search.Best(len(queries), min(neighbours, n_targets))
        pruned = _search.Pruned(judge, source, k, near).search()
        cosine = cosine_knn(queries, targets, k, memory=memory)
    assert (found.indices == expected).all()
    assert np.allclose(found.scores, np.take_along_axis(scores, expected, axis=1), atol=5e-6)
    assert (pruned.target.reshape(-1, k) == expected).all()
    cosines = queries.astype(np.float64) @ targets.T.astype(np.float64)
    assert (cosine.indices == ranked(cosines, k)).all()


def big_case() -> tuple[Floats, Floats, Floats]:
    rng = np.random.default_rng(5)
    centres = rng.normal(size=(60, 24))
    source = unit(rng.normal(size=(3000, 24)) + 1.5 * centres[rng.integers(0, 60, 3000)])
    targets = unit(source[rng.permutation(3000)] + 0.1 * rng.normal(size=(3000, 24)))
    return source[:80], targets, source


@pytest.mark.parametrize("k", [1, 5])
def test_pruning_is_used_rules_out_most_and_changes_nothing(
    k: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    queries, targets, source = big_case()
    looked_at: list[int] = []
    look_at = _search.Pruned._look_at

    def counted(self: _search.Pruned, rows: NDArray[np.int64], start: int, stop: int) -> None:
        looked_at.append(len(rows) * (stop - start))
        look_at(self, rows, start, stop)

    monkeypatch.setattr(_search.Pruned, "_look_at", counted)
    found = csls_knn(queries, targets, source, k)
    assert (found.indices == ranked(csls_matrix(queries, targets, source), k)).all()
    assert 0 < sum(looked_at) < len(targets) * len(source) / 2


def test_more_candidates_than_memory_falls_back_to_the_full_search() -> None:
    queries, targets, source = big_case()
    targets = np.repeat(targets[:10], 300, axis=0)
    judge = _search.Judge(queries, targets, source, 10, 1 << 14)
    with pytest.raises(_search.TooManyPairs):
        _search.Pruned(judge, source, 1, _search.Best(len(queries), 10)).search()
    found = csls_knn(queries, targets, source, memory=1 << 14)
    assert (found.indices == ranked(csls_matrix(queries, targets, source), 1)).all()


def test_csls_by_hand() -> None:
    # Two directions; with one neighbour each, r is the larger of the two cosines.
    queries = np.float32([[1, 0], [0.6, 0.8]])
    targets = np.float32([[1, 0], [0, 1]])
    r_query, r_target = [1.0, 0.8], [1.0, 0.8]
    cosines = [[1.0, 0.0], [0.6, 0.8]]
    expected = [[2 * cosines[i][j] - r_query[i] - r_target[j] for j in (0, 1)] for i in (0, 1)]
    assert np.allclose(csls_matrix(queries, targets, neighbours=1), expected, atol=1e-6)
    found = csls_knn(queries, targets, neighbours=1)
    assert found.indices.tolist() == [[0], [1]]
    assert np.allclose(found.scores, [[0.0], [0.0]], atol=1e-6)


def test_the_neighbourhood_of_a_target_is_taken_over_all_of_the_source() -> None:
    rng = np.random.default_rng(0)
    source, targets = unit(rng.normal(size=(400, 8))), unit(rng.normal(size=(300, 8)))
    queries = source[:20]
    over_source = csls_knn(queries, targets, source).scores
    over_queries = csls_knn(queries, targets).scores
    assert (over_source < over_queries).any()
    cosines = queries @ targets.T
    crowd = np.sort(targets @ source.T, axis=1)[:, -10:].mean(axis=1)
    by_hand = 2 * cosines - np.sort(cosines, axis=1)[:, -10:].mean(axis=1)[:, None] - crowd
    assert np.allclose(over_source[:, 0], by_hand.max(axis=1), atol=1e-5)


def test_fewer_rows_than_neighbours_means_all_of_them() -> None:
    rng = np.random.default_rng(0)
    rows, others = unit(rng.normal(size=(6, 4))), unit(rng.normal(size=(3, 4)))
    means = neighbourhood_mean(rows, others, neighbours=10)
    assert np.allclose(means, (rows @ others.T).mean(axis=1), atol=1e-6)
    assert csls_knn(rows[:2], others, rows[:1], k=3).indices.shape == (2, 3)


def test_cosine_and_csls_disagree_where_there_is_a_hub() -> None:
    rng = np.random.default_rng(3)
    source = unit(rng.normal(size=(300, 30)) + 0.8)
    targets = unit(source + 0.16 * rng.normal(size=(300, 30)))
    targets[0] = unit(source.mean(axis=0, keepdims=True))[0]
    cosine = hubness(cosine_knn(source, targets, k=5), 300)
    csls = hubness(csls_knn(source, targets, k=5), 300)
    assert cosine.counts[0] == cosine.counts.max() > 2 * csls.counts[0]
    assert csls.skewness < cosine.skewness


@pytest.mark.parametrize("retrieve", ["cosine", "csls"])
@pytest.mark.parametrize("memory", [1, 1 << 28])
def test_mutual_nearest_is_both_directions(retrieve: retrieval.Retrieval, memory: int) -> None:
    rng = np.random.default_rng(1)
    source = unit(rng.normal(size=(150, 10)))
    targets = unit(source[rng.permutation(150)[:120]] + 0.2 * rng.normal(size=(120, 10)))
    there = csls_matrix(source, targets, source)
    if retrieve == "cosine":
        there = source.astype(np.float64) @ targets.T
    rows = np.arange(150)
    expected = rows[there.argmax(axis=0)[there.argmax(axis=1)] == rows]
    pairs = mutual_nearest(source, targets, retrieve, memory=memory)
    assert pairs[:, 0].tolist() == expected.tolist()
    assert (pairs[:, 1] == there.argmax(axis=1)[expected]).all()
    assert 30 < len(pairs) <= 120


def test_hubness_by_hand() -> None:
    found = hubness(np.array([[0, 1], [0, 2], [0, 1]]), n_targets=4)
    assert found.counts.tolist() == [3, 2, 1, 0]
    assert found.skewness == pytest.approx(0.0)
    assert found.never == 0.25
    skewed = hubness(np.array([[0], [0], [0], [1]]), n_targets=4)
    # counts 3 1 0 0: mean 1, deviations 2 0 -1 -1, second moment 1.5, third 1.5
    assert skewed.skewness == pytest.approx(1.5 / 1.5**1.5)
    assert hubness(np.array([[0], [1]]), n_targets=2).skewness == 0


def test_hubness_refuses_rows_that_do_not_exist() -> None:
    with pytest.raises(ValueError, match="n_targets"):
        hubness(np.array([[5]]), n_targets=5)
    with pytest.raises(ValueError, match="row numbers"):
        hubness(np.array([[0.5]]), n_targets=5)


GOOD = unit(np.random.default_rng(0).normal(size=(5, 3)))


@pytest.mark.parametrize(
    ("targets", "said"),
    [
        (GOOD * 2, "5 rows of targets are not of length 1"),
        (GOOD * np.float32([[1], [0], [1], [1], [0]]), "2 rows of targets are all zeros.*1, 4"),
        (np.where(np.eye(5, 3) > 0, np.nan, GOOD), "3 rows of targets hold NaN"),
        (GOOD[:, :2] / np.linalg.norm(GOOD[:, :2], axis=1, keepdims=True), "different dimension"),
        (GOOD[0], "shape"),
        (GOOD[:0], "not empty"),
    ],
)
def test_bad_rows_are_refused(targets: Floats, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        csls_knn(GOOD, targets, GOOD)
    with pytest.raises(ValueError, match=said):
        cosine_knn(GOOD, targets)
    with pytest.raises(ValueError, match=said):
        mutual_nearest(GOOD, targets)


def test_bad_numbers_are_refused() -> None:
    for k in (0, 6):
        with pytest.raises(ValueError, match="k must lie between 1 and"):
            cosine_knn(GOOD, GOOD, k)
    with pytest.raises(ValueError, match="neighbours"):
        csls_knn(GOOD, GOOD, neighbours=0)
    with pytest.raises(ValueError, match="'cosine' or 'csls'"):
        mutual_nearest(GOOD, GOOD, "dot")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="use csls_knn"):
        csls_matrix(np.repeat(GOOD, 1000, axis=0), np.repeat(GOOD, 1000, axis=0))


def test_float64_lists_and_float16_files_are_taken() -> None:
    exact = cosine_knn(GOOD, GOOD, 2).indices
    assert (cosine_knn(GOOD.astype(np.float64).tolist(), GOOD, 2).indices == exact).all()
    assert (cosine_knn(GOOD, GOOD.astype(np.float16), 2).indices == exact).all()


def test_the_bound_on_float32_cosines_holds() -> None:
    rng = np.random.default_rng(0)
    for dim in (1, 3, 50, 300):
        rows, others = unit(rng.random(size=(50, dim))), unit(rng.random(size=(500, dim)))
        exact = rows.astype(np.float64) @ others.T.astype(np.float64)
        assert np.abs(rows @ others.T - exact).max() <= _search.cosine_error(dim)
