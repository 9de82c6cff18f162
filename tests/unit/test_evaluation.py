"""Scores of an alignment: counted by hand, intervals, coverage, and what is refused."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from numpy.typing import NDArray

from xlhelpers.alignment import evaluation
from xlhelpers.alignment.evaluation import (
    Evaluation,
    Score,
    bootstrap,
    evaluate,
    learning_curve,
)
from xlhelpers.alignment.mapping import AlignmentError, supervised
from xlhelpers.alignment.retrieval import csls_matrix
from xlhelpers.embeddings import WordVectors


def at(**degrees: float) -> WordVectors:
    """Words on the unit circle."""
    angles = np.radians(list(degrees.values()))
    return WordVectors(list(degrees), np.stack([np.cos(angles), np.sin(angles)], axis=1))


# By angle: a → p q r s, b → r q p s, c → s r q p.
SOURCE = at(a=10, b=80, c=170)
TARGET = at(p=0, q=40, r=100, s=180)
GOLD = {"a": ["q"], "b": ["p", "s"], "c": ["s"]}


def cosine(dictionary: dict[str, list[str]], **options: object) -> Evaluation:
    return evaluate(SOURCE, TARGET, dictionary, retrieval=("cosine",), **options)  # type: ignore[arg-type]


def values(found: Evaluation, retrieval: str = "cosine") -> dict[str, float]:
    return {metric: score.value for metric, score in found.scores[retrieval].items()}


# ── counted by hand ──────────────────────────────────────────────────────────────────────


def test_precision_and_reciprocal_rank_by_hand() -> None:
    found = cosine(GOLD, ks=(1, 2, 3))
    assert found.queries == ("a", "b", "c")
    assert found.ranks["cosine"].tolist() == [2, 3, 1]
    expected = {"P@1": 1 / 3, "P@2": 2 / 3, "P@3": 1, "MRR": (1 / 2 + 1 / 3 + 1) / 3}
    assert values(found) == pytest.approx(expected)


def test_beyond_the_largest_k_nothing_counts() -> None:
    found = cosine(GOLD, ks=(1, 2))
    assert found.ranks["cosine"].tolist() == [2, 0, 1]
    assert values(found) == pytest.approx({"P@1": 1 / 3, "P@2": 2 / 3, "MRR": (1 / 2 + 1) / 3})


@pytest.mark.parametrize("right", [["p", "r"], ["r", "p"], ["unknown", "r"], ["r", "r"]])
def test_any_of_several_translations_counts_once(right: list[str]) -> None:
    found = cosine({**GOLD, "b": right}, ks=(1,))
    assert found.ranks["cosine"].tolist() == [0, 1, 1]
    assert values(found) == pytest.approx({"P@1": 2 / 3, "MRR": 2 / 3})


def test_one_translation_may_stand_alone() -> None:
    assert values(evaluate(SOURCE, TARGET, {"c": "s"}))["P@1"] == 1  # type: ignore[dict-item]


def test_order_of_the_dictionary_does_not_matter() -> None:
    backwards = dict(reversed(list(GOLD.items())))
    assert cosine(backwards).ranks["cosine"].tolist() == [1, 3, 2]
    assert values(cosine(backwards)) == values(cosine(GOLD))


def test_ks_are_sorted_and_may_exceed_the_vocabulary() -> None:
    found = cosine(GOLD, ks=(100, 1, 3))
    assert list(found.scores["cosine"]) == ["P@1", "P@3", "P@100", "MRR"]
    assert values(found)["P@100"] == 1
    assert values(found)["MRR"] == pytest.approx(11 / 18)


def test_defaults() -> None:
    found = evaluate(SOURCE, TARGET, GOLD)
    assert list(found.scores) == ["cosine", "csls"]
    assert list(found.scores["csls"]) == ["P@1", "P@5", "P@10", "MRR"]


def test_csls_ranks_follow_the_formula() -> None:
    rng = np.random.default_rng(3)
    source, target = (
        WordVectors([f"{name}{i}" for i in range(60)], rng.normal(size=(60, 6))).normalised()
        for name in "st"
    )
    gold = {f"s{i}": [f"t{i}", f"t{59 - i}"] for i in range(0, 60, 3)}
    found = evaluate(source, target, gold, retrieval=("csls",), ks=(60,))
    queries = source.rows(list(gold))
    order = np.argsort(-csls_matrix(queries, target.matrix, source.matrix), axis=1)
    for rank, row, word in zip(found.ranks["csls"], order, gold, strict=True):
        right = {target.index[form] for form in gold[word]}
        assert rank == 1 + next(i for i, column in enumerate(row) if column in right)


def test_one_way_of_retrieval_may_be_named_alone() -> None:
    found = evaluate(SOURCE, TARGET, GOLD, retrieval="csls")  # type: ignore[arg-type]
    assert list(found.scores) == list(found.ranks) == ["csls"]


# ── coverage ─────────────────────────────────────────────────────────────────────────────


def test_coverage_is_reported_apart_from_precision() -> None:
    dictionary = {**GOLD, "unknown": ["p"], "d": ["s"]}
    source = at(a=10, b=80, c=170, d=200)
    lost = {**dictionary, "d": ["neither", "known"]}
    assert evaluate(source, TARGET, dictionary).coverage == pytest.approx(4 / 5)
    found = evaluate(source, TARGET, lost, retrieval=("cosine",), ks=(1, 2, 3))
    assert (found.words, found.queries, found.coverage) == (3, ("a", "b", "c"), 3 / 5)
    assert values(found) == values(cosine(GOLD, ks=(1, 2, 3)))


def test_full_coverage() -> None:
    assert cosine(GOLD).coverage == 1


@pytest.mark.parametrize("dictionary", [{}, {"x": ["p"]}, {"a": ["x"]}, {"p": ["a"]}, {"a": []}])
def test_nothing_to_ask_is_refused(dictionary: dict[str, list[str]]) -> None:
    with pytest.raises(AlignmentError, match=f"none of {len(dictionary)} test words") as caught:
        cosine(dictionary)
    assert "direction" in caught.value.remedy


# ── what is refused ──────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("train", [[("b", "r"), ("z", "p")], ["b", "z"], (w for w in ["b"])])
def test_leakage_is_refused_by_word(train: list[str]) -> None:
    with pytest.raises(AlignmentError, match=r"1 test words are training words: b\n") as caught:
        cosine(GOLD, train=train)
    assert 'split="test"' in caught.value.remedy


def test_leakage_of_many_words_names_the_first_five() -> None:
    dictionary = {f"w{i}": ["p"] for i in range(8)}
    with pytest.raises(AlignmentError, match=r"8 test words .*: w0, w1, w2, w3, w4, …\n"):
        cosine(dictionary, train=list(dictionary))


def test_the_same_translation_on_both_sides_is_no_leakage() -> None:
    assert cosine(GOLD, train=[("z", "q"), ("y", "p")]).words == 3


@pytest.mark.parametrize("train", [(), [("z", "s")]])
@pytest.mark.parametrize("wrong", [[("a", "q")], "a", None])
def test_dictionary_that_is_none_is_refused_with_a_remedy(
    wrong: dict[str, list[str]], train: list[tuple[str, str]]
) -> None:
    with pytest.raises(AlignmentError, match=f"is a {type(wrong).__name__}") as caught:
        cosine(wrong, train=train)
    assert "translations()" in caught.value.remedy
    with pytest.raises(AlignmentError, match=f"is a {type(wrong).__name__}"):
        learning_curve(SOURCE, TARGET, [("b", "r")], wrong, [1])


def test_spaces_of_different_dimension_are_refused() -> None:
    with pytest.raises(AlignmentError, match="2 components and the target 3"):
        evaluate(SOURCE, WordVectors(["p"], [[1, 0, 0]]), GOLD)


@pytest.mark.parametrize("ks", [(), (0,), (5, -1)])
def test_bad_ks_are_refused(ks: tuple[int, ...]) -> None:
    with pytest.raises(AlignmentError, match="whole numbers from 1"):
        cosine(GOLD, ks=ks)


def test_unknown_retrieval_is_refused() -> None:
    with pytest.raises(AlignmentError, match="'euclid'.*\n.*choose cosine or csls"):
        evaluate(SOURCE, TARGET, GOLD, retrieval=("euclid",))  # type: ignore[arg-type]


def test_rows_that_are_not_of_length_one_are_refused() -> None:
    long = WordVectors(SOURCE.words, 3 * SOURCE.matrix)
    with pytest.raises(ValueError, match="length 1"):
        evaluate(long, TARGET, GOLD)


# ── intervals ────────────────────────────────────────────────────────────────────────────


def coin(n: int, p: float = 0.3, seed: int = 0) -> NDArray[np.float64]:
    drawn: NDArray[np.float64] = (np.random.default_rng(seed).random(n) < p).astype(float)
    return drawn


def test_interval_surrounds_the_mean() -> None:
    score = bootstrap(coin(200))
    assert score.value == coin(200).mean()
    assert score.low < score.value < score.high


def test_interval_is_as_wide_as_the_normal_one() -> None:
    score = bootstrap(coin(500), resamples=4000)
    p = score.value
    normal = 2 * 1.96 * np.sqrt(p * (1 - p) / 500)
    assert score.high - score.low == pytest.approx(normal, rel=0.1)


def test_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    scores = [bootstrap(coin(200, seed=seed), resamples=300) for seed in range(400)]
    covered = np.mean([score.low <= 0.3 <= score.high for score in scores])
    assert 0.92 < covered < 0.975


def test_interval_narrows_with_more_words() -> None:
    widths = [score.high - score.low for score in (bootstrap(coin(n)) for n in (50, 200, 800))]
    assert widths[0] > 1.6 * widths[1] > 1.6 * 1.6 * widths[2]


def test_interval_depends_on_the_seed_alone() -> None:
    assert bootstrap(coin(90), seed=4) == bootstrap(coin(90), seed=4)
    # The ends are few, since they are counts of 90: two seeds may meet, ten do not.
    assert len({bootstrap(coin(90), seed=seed).percent for seed in range(10)}) > 1


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_interval_of_equal_values_is_a_point(value: float) -> None:
    assert bootstrap(np.full(30, value)) == Score(value, value, value)


def test_one_test_word_has_no_width() -> None:
    found = cosine({"a": ["q"]}, ks=(1, 2))
    assert found.scores["cosine"]["P@1"] == Score(0, 0, 0)
    assert found.scores["cosine"]["MRR"] == Score(0.5, 0.5, 0.5)
    assert found.words == 1


def test_no_values_have_no_mean() -> None:
    with pytest.raises(AlignmentError, match="no values"):
        bootstrap(np.array([]))


@pytest.mark.parametrize("resamples", [0, -1])
def test_too_few_resamples_are_refused(resamples: int) -> None:
    with pytest.raises(AlignmentError, match="resamples"):
        bootstrap(coin(5), resamples=resamples)


def test_evaluation_passes_seed_and_resamples_on() -> None:
    wide = {f"a{i}": ["q"] for i in range(9)} | {f"b{i}": ["r"] for i in range(9)}
    source = at(**{f"a{i}": 10 + i / 9 for i in range(9)}, **{f"b{i}": 80 for i in range(9)})
    found = [evaluate(source, TARGET, wide, resamples=50, seed=s) for s in (1, *range(1, 11))]
    p1 = [f.scores["cosine"]["P@1"] for f in found]
    assert p1[0] == p1[1] == bootstrap(np.repeat([0.0, 1.0], 9), resamples=50, seed=1)
    assert any(other != p1[0] for other in p1) and {one.value for one in p1} == {0.5}


def test_percent() -> None:
    assert Score(0.25, 0.125, 0.5).percent == (25.0, 12.5, 50.0)


# ── the table ────────────────────────────────────────────────────────────────────────────


def test_frame_has_one_row_a_figure() -> None:
    found = evaluate(SOURCE, TARGET, {**GOLD, "unknown": ["p"]}, ks=(1, 2))
    frame = found.frame()
    assert list(frame.columns) == [
        "retrieval",
        "metric",
        "value",
        "low",
        "high",
        "words",
        "coverage",
    ]
    assert list(zip(frame["retrieval"], frame["metric"], strict=True)) == [
        (kind, metric) for kind in ("cosine", "csls") for metric in ("P@1", "P@2", "MRR")
    ]
    row = frame[(frame["retrieval"] == "csls") & (frame["metric"] == "P@2")].iloc[0]
    assert Score(row["value"], row["low"], row["high"]) == found.scores["csls"]["P@2"]
    assert set(frame["words"]) == {3} and set(frame["coverage"]) == {0.75}


# ── the learning curve ───────────────────────────────────────────────────────────────────


def two_spaces(n: int = 260, dim: int = 20) -> tuple[WordVectors, WordVectors]:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(n, dim))
    y = x @ np.linalg.qr(rng.normal(size=(dim, dim)))[0] + 0.5 * rng.normal(size=(n, dim))
    return (
        WordVectors([f"s{i}" for i in range(n)], x).normalised(),
        WordVectors([f"t{i}" for i in range(n)], y).normalised(),
    )


PAIRS = [(f"s{i}", f"t{i}") for i in range(100)]
HELD_OUT = {f"s{i}": (f"t{i}",) for i in range(100, 260)}


def test_curve_has_two_series_and_ordered_bands() -> None:
    frame = learning_curve(*two_spaces(), PAIRS, HELD_OUT, [4, 25, 100], draws=6)
    assert list(frame.columns) == ["pairs", "series", "value", "low", "high"]
    assert list(zip(frame["pairs"], frame["series"], strict=True)) == [
        (size, series) for size in (4, 25, 100) for series in ("own pairs", "held-out words")
    ]
    assert (frame["low"] <= frame["value"] + 1e-9).all()
    assert (frame["value"] <= frame["high"] + 1e-9).all()
    assert frame[["value", "low", "high"]].to_numpy().min() >= 0
    assert frame[["value", "low", "high"]].to_numpy().max() <= 1


def test_few_pairs_know_themselves_and_many_know_others() -> None:
    frame = learning_curve(*two_spaces(), PAIRS, HELD_OUT, [4, 25, 100], draws=6)
    by = frame.set_index(["series", "pairs"])["value"]
    assert by["own pairs", 4] == 1 and by["held-out words", 4] < 0.1
    held_out = [by["held-out words", size] for size in (4, 25, 100)]
    assert held_out == sorted(held_out)
    assert held_out[-1] > 0.5


def test_whole_dictionary_scores_as_evaluate_does() -> None:
    source, target = two_spaces()
    frame = learning_curve(source, target, PAIRS, HELD_OUT, [100], draws=3)
    moved = supervised(source, target, PAIRS).apply(source, target)
    own = {word: (form,) for word, form in PAIRS}
    for series, gold in (("own pairs", own), ("held-out words", HELD_OUT)):
        found = evaluate(*moved, gold, retrieval=("cosine",)).scores["cosine"]["P@1"]
        row = frame[frame["series"] == series].iloc[0]
        assert [row["value"], row["low"], row["high"]] == pytest.approx([found.value] * 3)


def test_band_holds_the_middle_nine_tenths_of_the_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    # With one draw the band is a point; with many it leaves out the ends.
    one = learning_curve(*two_spaces(), PAIRS, HELD_OUT, [12], draws=1)
    assert (one["low"] == one["high"]).all()
    rates = (rate for number in range(41) for rate in (0.5, 0.01 * ((number * 7) % 41)))
    monkeypatch.setattr(evaluation, "_hit_rate", lambda *_: next(rates))
    own, held_out = learning_curve(*two_spaces(), PAIRS, HELD_OUT, [12], draws=41).itertuples(
        index=False
    )
    assert own[2:] == pytest.approx((0.5, 0.5, 0.5))
    assert held_out[2:] == pytest.approx((0.20, 0.02, 0.38))  # of 0.00, 0.01 ... 0.40


def test_any_translation_of_a_held_out_word_counts() -> None:
    both = {word: ("unknown", "t0", *forms) for word, forms in HELD_OUT.items()}
    one, two = (learning_curve(*two_spaces(), PAIRS, gold, [40], 3) for gold in (HELD_OUT, both))
    assert two["value"][1] >= one["value"][1] > 0
    assert two["value"][0] == one["value"][0]


def test_curve_depends_on_the_seed_alone() -> None:
    same = [learning_curve(*two_spaces(), PAIRS, HELD_OUT, [25], seed=s) for s in (3, 3, 4)]
    assert same[0].equals(same[1])
    assert not same[0].equals(same[2])


def test_curve_of_few_pairs_gives_no_warnings() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        learning_curve(*two_spaces(), PAIRS, HELD_OUT, [2], draws=2)


def test_curve_refuses_leakage() -> None:
    with pytest.raises(AlignmentError, match="training words: s5"):
        learning_curve(*two_spaces(), PAIRS, {"s5": ["t5"]}, [4])


@pytest.mark.parametrize("sizes", [[], [0, 4], [4, 99]])
def test_sizes_that_cannot_be_drawn_are_refused(sizes: list[int]) -> None:
    known = [*PAIRS[:98], ("s1", "?")]
    with pytest.raises(AlignmentError, match="98 pairs can be used.*\n.*from 1 to 98"):
        learning_curve(*two_spaces(), known, HELD_OUT, sizes)


def test_sizes_may_be_an_array() -> None:
    frame = learning_curve(*two_spaces(), PAIRS, HELD_OUT, np.array([4, 9]), draws=2)  # type: ignore[arg-type]
    assert sorted(set(frame["pairs"])) == [4, 9]


def test_no_draws_are_refused() -> None:
    with pytest.raises(AlignmentError, match="draws"):
        learning_curve(*two_spaces(), PAIRS, HELD_OUT, [4], draws=0)


def test_curve_refuses_spaces_of_different_dimension() -> None:
    source, target = two_spaces()
    other = WordVectors(target.words, target.matrix[:, :5])
    with pytest.raises(AlignmentError, match="20 components and the target 5"):
        learning_curve(source, other, PAIRS, HELD_OUT, [4])
