"""Transfer: who is trained on what, what is refused, and what may be said of the numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tongues
import torch
from tongues import BAD, DULL, ENDINGS, FILL, GOOD, OPINIONS, PEOPLE

from xlhelpers import datasets, finetuning, settings, transfer
from xlhelpers.datasets import Labelled, Pairs, Tagged
from xlhelpers.transfer import (
    LeakageError,
    LeakageWarning,
    Results,
    Run,
    Task,
    Training,
    TransferError,
    baselines,
    outcomes,
    protocols,
    strategies,
)
from xlhelpers.transfer.outcomes import Outcomes

CODES = tuple(ENDINGS)
EVERY = [*GOOD, *BAD, *DULL, *FILL, *PEOPLE]
SIZES = {"train": 90, "dev": 30, "test": 60}
QUICK = Training(
    epochs=1, batch_size=8, learning_rate=5e-3, frozen=0, few_rate=2e-3, few_batch=4, few_steps=6
)
ENOUGH = replace(QUICK, epochs=16)  # to learn the words


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return tongues.tokenizer_of(EVERY, CODES)


@pytest.fixture(scope="module")
def encoder(tokenizer: Any) -> Any:
    return tongues.aligned_encoder_of(tokenizer, EVERY, CODES)


@pytest.fixture
def model(encoder: Any, tokenizer: Any) -> transfer.Checkpoint:
    return transfer.Checkpoint("small", encoder, tokenizer)


def rows_of(
    language: str, split: str, classes: Sequence[str] = ("bad", "good", "so-so")
) -> Labelled:
    return tongues.reviews(language, split, SIZES[split], classes)


def named(language: str, split: str) -> Tagged:
    return tongues.people(language, split, SIZES[split], PEOPLE)


REVIEWS = Task("reviews", rows_of, "accuracy", lambda: CODES)
NAMES = Task("names", named, "entity_f1", lambda: CODES)


@pytest.fixture
def trainings(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of rows of every training of a classifier, in order."""
    done: list[int] = []
    real = finetuning.train_classifier

    def train(model: Any, tokenizer: Any, texts: Any, *rest: Any, **more: Any) -> Any:
        done.append(len(texts))
        return real(model, tokenizer, texts, *rest, **more)

    monkeypatch.setattr(finetuning, "train_classifier", train)
    # A model of an earlier test would spare us a training.
    monkeypatch.setattr("xlhelpers.transfer.learners._kept", type(transfer.learners._kept)())
    return done


# ── zero-shot ────────────────────────────────────────────────────────────────────────────


def test_zero_shot_with_all_that_it_is_compared_with(
    model: transfer.Checkpoint, trainings: list[int]
) -> None:
    found = transfer.zero_shot(
        model, REVIEWS, "en", ["en", "de"], seeds=(0, 1), baselines=True, supervised=True,
        training=ENOUGH,
    )  # fmt: skip
    assert trainings == [90, 90, 90, 90]  # two seeds; English supervised is the source model
    runs = found.runs
    assert list(runs.columns) == [
        "model", "task", "strategy", "source", "target", "shots", "draw", "seed", "train_rows",
        "seconds", "metric", "score", "low", "high", "rows",
    ]  # fmt: skip
    by = runs.groupby(["strategy", "target"]).score.mean()
    # Words have one vector in all tongues: what English teaches is known in the other.
    assert by["zero-shot", "de"] > 0.8 and by["zero-shot", "en"] > 0.8
    assert by["majority", "de"] == pytest.approx(1 / 3)
    assert by["n-grams", "en"] > 0.95
    assert (runs.low <= runs.score).all() and (runs.score <= runs.high).all()
    assert set(found.summary().runs) == {1, 2}
    table = found.percent_of_supervised()
    assert list(table.denominator) == ["of source", "of target", "of target, above chance"]
    score = {name: by[name] for name in [("zero-shot", "de"), ("zero-shot", "en")]}
    assert table.percent[0] == pytest.approx(
        100 * score["zero-shot", "de"] / score["zero-shot", "en"]
    )
    chance = (by["zero-shot", "de"] - 1 / 3) / (by["supervised", "de"] - 1 / 3)
    assert table.percent[2] == pytest.approx(100 * chance)


def test_the_seed_decides(model: transfer.Checkpoint) -> None:
    settings.use(reuse=False)
    once, again, other = (
        transfer.zero_shot(model, REVIEWS, "en", ["de"], seeds=(s,), training=QUICK).runs.score[0]
        for s in (3, 3, 4)
    )  # fmt: skip
    assert once == again
    weights = [
        transfer.Learner(model, REVIEWS, ("bad", "good", "so-so"), QUICK).trained(
            [rows_of("en", "train")], seed
        )
        for seed in (3, 4)
    ]
    assert not torch.equal(*(m.classifier.weight for m in weights))


def test_entities_and_pairs(model: transfer.Checkpoint) -> None:
    found = transfer.zero_shot(
        model, NAMES, "en", ["sw"], seeds=(0,), baselines=True, supervised=True, training=ENOUGH
    )
    by = found.runs.set_index("strategy").score
    assert by["zero-shot"] > 0.9 and by["majority"] == 0.0 and by["supervised"] > 0.9
    assert by["n-grams"] < 1.0

    def pairs(language: str, split: str) -> Pairs:
        rows = rows_of(language, split)
        return Pairs(
            ids=rows.ids, names=rows.names, held=rows.held, language=language, source="test",
            premises=rows.texts, hypotheses=rows.texts[::-1], labels=rows.labels,
        )  # fmt: skip

    said = transfer.zero_shot(
        model, Task("pairs", pairs, "macro_f1"), "en", ["de"], seeds=(0,), baselines=True,
        training=ENOUGH,
    )  # fmt: skip
    assert said.runs.set_index("strategy").score["majority"] == pytest.approx(1 / 6)
    assert said.runs.set_index("strategy").score["zero-shot"] > 0.4


def test_a_matrix_has_every_source(model: transfer.Checkpoint, tmp_path: Path) -> None:
    found = transfer.transfer_matrix(
        model, REVIEWS, ["en", "sw"], ["de", "en", "sw"], training=QUICK
    )
    table = found.matrix()
    assert list(table.index) == ["en", "sw"] and list(table.columns) == ["de", "en", "sw"]
    alone = transfer.zero_shot(model, REVIEWS, "sw", ["en"], seeds=(0,), training=QUICK)
    assert table.loc["sw", "en"] == alone.runs.score[0]
    assert "Scores by source" in found.plot().alt
    both = found + alone
    assert len(both) == len(found)  # the same run twice is kept once
    with pytest.raises(TransferError, match="several"):
        (found + _results([1.0], model="other")).matrix()


# ── what is kept ─────────────────────────────────────────────────────────────────────────


def test_what_was_measured_is_not_measured_again(
    model: transfer.Checkpoint, trainings: list[int]
) -> None:
    def ask(**more: Any) -> Results:
        options = {"seeds": (0,), "training": QUICK, **more}
        return transfer.zero_shot(model, REVIEWS, "en", ["de"], **options)

    first = ask()
    transfer.learners._kept.clear()
    assert ask().runs.equals(first.runs) and len(trainings) == 1
    ask(training=Training(epochs=1, batch_size=8, learning_rate=5e-3))
    assert len(trainings) == 2  # other settings, another question
    transfer.learners._kept.clear()
    settings.use(reuse=False)
    ask()
    assert len(trainings) == 3


def test_other_weights_are_another_question(
    encoder: Any, model: transfer.Checkpoint, trainings: list[int]
) -> None:
    from copy import deepcopy

    other = deepcopy(encoder)
    with torch.no_grad():
        other.embeddings.word_embeddings.weight[7, 0] += 1e-3
    for body in (encoder, other):
        twin = transfer.Checkpoint("same name", body, model.tokenizer)
        transfer.zero_shot(twin, REVIEWS, "en", ["de"], seeds=(0,), training=QUICK)
    assert len(trainings) == 2


@pytest.mark.parametrize(
    "damage", ["{", "[]", '{"outcomes": "1 2"}', '{"outcomes": 3, "seconds": 1}']
)
def test_a_damaged_answer_is_computed_again(
    model: transfer.Checkpoint, trainings: list[int], damage: str
) -> None:
    def ask() -> float:
        transfer.learners._kept.clear()
        found = transfer.zero_shot(model, REVIEWS, "en", ["de"], seeds=(0,), training=QUICK)
        return float(found.runs.score[0])

    first = ask()
    [file] = (settings.current().cache / "transfer").rglob("*.json")
    file.write_text(damage)
    assert ask() == first and len(trainings) == 2
    assert ask() == first and len(trainings) == 2  # and kept again


def test_an_interrupted_protocol_goes_on(
    model: transfer.Checkpoint, trainings: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = finetuning.train_classifier

    def cut(*rest: Any, **more: Any) -> Any:
        if len(trainings) == 2:
            raise KeyboardInterrupt
        return counted(*rest, **more)

    monkeypatch.setattr(finetuning, "train_classifier", cut)
    with pytest.raises(KeyboardInterrupt):
        transfer.zero_shot(model, REVIEWS, "en", ["de"], seeds=(0, 1, 2, 3), training=QUICK)
    monkeypatch.setattr(finetuning, "train_classifier", counted)
    transfer.learners._kept.clear()
    found = transfer.zero_shot(model, REVIEWS, "en", ["de"], seeds=(0, 1, 2, 3), training=QUICK)
    assert len(found) == 4 and len(trainings) == 4


# ── few-shot ─────────────────────────────────────────────────────────────────────────────


def test_few_shot_runs_every_strategy(model: transfer.Checkpoint) -> None:
    found = transfer.few_shot(
        model, REVIEWS, "en", ["de"], shots=(0, 3, 9), draws=2, seeds=(0, 1),
        strategies=list(transfer.STRATEGIES), others=["sw", "zh"], second_task=NAMES,
        supervised=True, baselines=True, training=QUICK,
    )  # fmt: skip
    table = found.summary().set_index(["strategy", "shots"])
    assert {name for name, _ in table.index} == {
        *transfer.STRATEGIES, "zero-shot", "supervised", "majority", "n-grams",
    }  # fmt: skip
    assert set(table.loc["continued"].runs) == {2}
    rows = found.runs.groupby(["strategy", "shots"]).train_rows.first()
    source = rows["zero-shot", 0]
    assert source == 90 - 18  # twice nine are kept for shots
    assert rows["target-only", 9] == 9 and rows["joint", 3] == source + 3
    assert rows["Reptile", 3] == 3 * source + 3 == rows["multi-source", 3]
    gains = found.gain().set_index(["strategy", "shots"])
    means = table.score
    assert gains.gain["joint", 9] == pytest.approx(means["joint", 9] - means["zero-shot", 0])
    assert (gains.low <= gains.gain).all() and (gains.gain <= gains.high).all()
    assert "target-only" in set(found.gap_closed().strategy)
    assert "Curves" in found.where(strategy=["zero-shot", "continued"]).plot().alt


def test_shots_are_distinct_stratified_nested_and_kept_from_the_source() -> None:
    table = protocols._Tables(REVIEWS, ["en", "de", "sw"], ["de"], "refuse")
    table.keep_for_shots(12, None, ["de", "sw"])
    source = set(table.train("en").ids)
    assert len(source) == 90 - 24
    assert len(table.train("de", whole=True)) == 90  # what supervised is trained on
    for draw in range(5):
        few, more = (table.shots("de", count, draw) for count in (6, 12))
        assert few.ids == more.ids[:6]
        assert sorted(few.labels) == sorted(["bad", "good", "so-so"] * 2)
        assert len(set(more.ids)) == 12 and not set(more.ids) & source
        assert table.shots("sw", 12, draw).ids == more.ids  # ids run through the languages
    assert table.shots("de", 6, 0).ids != table.shots("de", 6, 1).ids
    assert len({id_ for d in range(5) for id_ in table.shots("de", 12, d).ids}) > 12
    assert table.shots("de", 4, 0).labels == ("bad", "good", "so-so", "bad")


def test_the_source_is_trained_once_a_seed(
    model: transfer.Checkpoint, trainings: list[int]
) -> None:
    transfer.few_shot(
        model, REVIEWS, "en", ["de", "sw"], shots=(3, 6), draws=4, seeds=(0, 1), training=QUICK
    )
    assert sum(rows > 6 for rows in trainings) == 2
    assert sum(rows <= 6 for rows in trainings) == 2 * 2 * 4


def test_few_rows_still_make_steps() -> None:
    how = QUICK.few(3)
    assert how.epochs * -(-3 // how.batch_size) >= QUICK.few_steps
    assert how.learning_rate == QUICK.few_rate
    assert QUICK.few(3, fresh=True).learning_rate == QUICK.learning_rate
    assert QUICK.few(4000).epochs == QUICK.epochs


def test_up_weighting_repeats_the_shots(model: transfer.Checkpoint, trainings: list[int]) -> None:
    transfer.few_shot(
        model, REVIEWS, "en", ["de"], shots=(5,), draws=1, seeds=(0,), pool=10, training=QUICK,
        strategies=["joint", "joint, up-weighted"],
    )  # fmt: skip
    assert trainings == [80, 85, 80 + 16 * 5]


# ── training loops ───────────────────────────────────────────────────────────────────────


def test_reptile_moves_a_part_of_the_way() -> None:
    model = torch.nn.Linear(2, 2)
    start = {name: weight.clone() for name, weight in model.state_dict().items()}
    with torch.no_grad():
        for weight in model.parameters():
            weight += 1.0
    strategies.move(model, start, 0.25)
    for name, weight in model.state_dict().items():
        assert torch.allclose(weight, start[name] + 0.25)


def test_reptile_learns_what_all_languages_share(
    model: transfer.Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(strategies, "META_ROUNDS", 40)
    learner = transfer.Learner(model, REVIEWS, ("bad", "good", "so-so"), ENOUGH)
    body = learner.fresh()
    tables = [rows_of(code, "train") for code in ("en", "sw")]
    before = {n: w.clone() for n, w in body.state_dict().items()}
    sets = [strategies._features(body, model.tokenizer, [table]) for table in tables]
    strategies.meta_train(body, sets, model.tokenizer, ENOUGH, seed=0)
    said = transfer.learners.ask(body, model.tokenizer, REVIEWS, rows_of("de", "test"))
    assert said.score > 0.8
    same = "bert.embeddings.word_embeddings.weight"
    assert torch.equal(body.state_dict()[same], before[same])  # frozen
    assert all(weight.requires_grad for weight in body.parameters())


def test_two_tasks_share_a_body_and_learn_both(model: transfer.Checkpoint) -> None:
    two = Task("two", lambda language, split: rows_of(language, split, ("bad", "good")))
    learner = transfer.Learner(model, REVIEWS, ("bad", "good", "so-so"), QUICK)
    one = learner.fresh()
    other = transfer.learners.new_head(model, two, ("bad", "good"))
    strategies.share_body(one, other)
    assert one.base_model.encoder is other.base_model.encoder
    assert one.base_model.encoder is not model.model.encoder
    jobs = [
        (one, strategies._features(one, model.tokenizer, [rows_of("en", "train")])),
        (other, strategies._features(other, model.tokenizer, [two.load("en", "train")])),
    ]
    strategies.train_together(jobs, model.tokenizer, Training(10, 8, 2e-3, 0), seed=0)
    # Of three and of two classes, far above a guess: four standard errors of 60 rows.
    for head, task, classes in ((one, REVIEWS, 3), (other, two, 2)):
        chance = 1 / classes
        error = (chance * (1 - chance) / SIZES["test"]) ** 0.5
        found = transfer.learners.ask(head, model.tokenizer, task, task.load("de", "test"))
        assert found.score > chance + 4 * error


def test_batches_go_through_all_rows(model: transfer.Checkpoint) -> None:
    learner = transfer.Learner(model, REVIEWS, ("bad", "good", "so-so"), QUICK)
    features = strategies._features(learner.fresh(), model.tokenizer, [rows_of("en", "dev")])
    batches = strategies.Batches(features, model.tokenizer, 8, seed=0)
    seen = [tuple(row) for _ in range(4) for row in next(batches)["input_ids"].tolist()]
    wanted = sorted(tuple(row["input_ids"]) for row in features)
    assert sorted(tuple(i for i in row if i) for row in seen) == wanted  # 30 rows: 8 + 8 + 8 + 6


# ── numbers ──────────────────────────────────────────────────────────────────────────────


def right(*values: int) -> Outcomes:
    return Outcomes("accuracy", np.array([[value, 1] for value in values]))


def _results(scores: Sequence[float], rows: int = 200, **more: Any) -> Results:
    """Runs of one group with given accuracies, one a seed."""
    runs = []
    for seed, score in enumerate(scores):
        hits = round(score * rows)
        said = right(*[1] * hits, *[0] * (rows - hits))
        base: dict[str, Any] = {
            "model": "m", "task": "t", "strategy": "zero-shot", "source": "en", "target": "de",
            "shots": 0, "draw": 0, "seed": seed, "train_rows": 1, "seconds": 0.0,
        }  # fmt: skip
        runs.append(Run(**{**base, **more}, outcomes=said))
    return Results(runs)


def test_scores_are_those_of_finetuning() -> None:
    gold = ["a", "b", "a", "c", "b", "a"]
    said = ["a", "b", "b", "c", "a", "a"]
    for metric, score in (("accuracy", finetuning.accuracy), ("macro_f1", finetuning.macro_f1)):
        found = outcomes.outcomes(metric, gold, said, ("a", "b", "c"))
        assert found.score == pytest.approx(score(gold, said).value)
    tags = [["B-PER", "I-PER", "O"], ["O", "B-LOC", "O"]]
    told = [["B-PER", "O", "O"], ["O", "B-LOC", "B-PER"]]
    for metric, measure in (
        ("entity_f1", finetuning.entity_f1),
        ("tag_accuracy", finetuning.tag_accuracy),
    ):
        found = outcomes.outcomes(metric, tags, told, ())
        assert found.score == pytest.approx(measure(tags, told).value)


def test_one_run_has_the_interval_of_the_bootstrap() -> None:
    table = _results([0.7], rows=400).summary()
    expected = 1.96 * (0.7 * 0.3 / 400) ** 0.5
    assert table.high[0] - table.score[0] == pytest.approx(expected, rel=0.15)


def test_runs_widen_the_interval() -> None:
    alike = _results([0.7, 0.7, 0.7, 0.7], rows=400).summary()
    apart = _results([0.5, 0.6, 0.8, 0.9], rows=400).summary()
    assert apart.high[0] - apart.low[0] > 2 * (alike.high[0] - alike.low[0])
    # With n - 1 draws of n runs the spread of the mean is s² / n: no smaller, no larger.
    drawn = outcomes.run_draws(4, 20_000) @ np.array([0.5, 0.6, 0.8, 0.9])
    spread = np.var([0.5, 0.6, 0.8, 0.9], ddof=1) / 4
    assert drawn.var() == pytest.approx(spread, rel=0.05)


def test_gap_closed_by_hand() -> None:
    zero = _results([0.6, 0.62])
    full = _results([0.9, 0.92], strategy="supervised", source="de")
    few = _results([0.75, 0.77], strategy="continued", shots=10)
    row = (zero + full + few).gap_closed().iloc[0]
    assert row.gap == pytest.approx(0.3) and row.closed == pytest.approx(0.5)
    assert row.low < 0.5 < row.high and row.reason == ""
    near = _results([0.61, 0.63], strategy="supervised", source="de")
    refused = (zero + near + few).gap_closed().iloc[0]
    assert np.isnan(refused.closed) and "in the noise" in refused.reason
    worse = _results([0.4, 0.42], strategy="supervised", source="de")
    assert "above supervised" in (zero + worse + few).gap_closed().reason[0]
    with pytest.raises(TransferError, match="supervised=True"):
        (zero + few).gap_closed()
    with pytest.raises(TransferError, match="no few-shot runs"):
        (zero + full).gap_closed()


def test_shares_of_supervised_say_what_is_missing() -> None:
    zero = _results([0.6, 0.62])
    with pytest.raises(TransferError, match="in English") as missing:
        zero.percent_of_supervised()
    assert "name 'en' among the targets" in str(missing.value)
    both = zero + _results([0.8, 0.8], target="en")
    with pytest.raises(TransferError, match="supervised=True"):
        both.percent_of_supervised()
    whole = both + _results([0.9, 0.9], strategy="supervised", source="de")
    whole += _results([0.5], strategy="majority")
    more = whole + _results([0.7, 0.7], source="sw")
    assert more.percent_of_supervised("en").percent.round(1).tolist() == [76.2, 67.8, 27.5]
    with pytest.raises(TransferError, match="in another language than its source"):
        _results([0.8], target="en").percent_of_supervised()


def test_a_gain_is_paired_by_rows_and_seeds() -> None:
    # Seeds differ by 20 points, the strategy adds 5 to each: paired, that is certain.
    zero = _results([0.5, 0.7, 0.5, 0.7])
    few = _results([0.55, 0.75, 0.55, 0.75], strategy="continued", shots=10)
    row = (zero + few).gain().iloc[0]
    assert row.gain == pytest.approx(0.05) and row.low > 0
    unpaired = (few.summary().low[0], zero.summary().high[0])
    assert unpaired[0] < unpaired[1]  # their own intervals overlap
    other = _results([0.5], strategy="joint", shots=10)
    with pytest.raises(TransferError, match="no run 'joint' in German with seed 1"):
        (zero + few + other).where(strategy=["continued", "joint"]).gain(over="joint")
    with pytest.raises(TransferError, match="nothing but"):
        zero.gain()


def test_another_source_is_compared_on_the_same_rows_and_seeds() -> None:
    # As above: 20 points between seeds, 5 between sources.
    english = _results([0.5, 0.7, 0.5, 0.7])
    swahili = _results([0.55, 0.75, 0.55, 0.75], source="sw")
    table = (english + swahili + _results([0.9] * 4, source="de")).gain_of_source()
    assert table.source.tolist() == ["sw"]  # German itself is no donor to German
    assert table.gain[0] == pytest.approx(0.05) and table.low[0] > 0
    back = (english + swahili).gain_of_source("sw")
    assert back.gain[0] == pytest.approx(-0.05) and back.high[0] < 0
    with pytest.raises(TransferError, match="no other source to compare with English"):
        english.gain_of_source()
    with pytest.raises(TransferError, match="in German with seed 0 to compare with"):
        swahili.gain_of_source()


def test_models_made_in_several_ways_are_strategies() -> None:
    zero, made = _results([0.5, 0.6]), _results([0.7, 0.8]).renamed("adapted")
    table = (zero + made).gain()
    assert table.strategy.tolist() == ["adapted"] and table.gain[0] == pytest.approx(0.2)
    full = _results([0.9, 1.0], strategy="supervised", source="de")
    assert (zero + made + full).gap_closed().closed[0] == pytest.approx(0.5)
    assert set(made.runs.drop(columns="strategy")) == set(zero.runs.drop(columns="strategy"))


def test_labels_needed_reads_the_curve() -> None:
    curve = _results([0.5] * 5, rows=2000)
    for shots, score in ((10, 0.6), (50, 0.7), (100, 0.8)):
        curve += _results([score] * 5, rows=2000, strategy="continued", shots=shots)
    need = transfer.labels_needed(curve, "de", 0.75)
    assert need.labels == pytest.approx(75) and need.low < 75 < need.high and need.reached == 1
    assert transfer.labels_needed(curve, "de", 0.4).labels == 0
    never = transfer.labels_needed(curve, "de", 0.95)
    assert np.isnan(never.labels) and never.high == np.inf
    assert never.reached == 0 and never.most == 100
    dip = curve + _results([0.45] * 5, rows=2000, strategy="continued", shots=5)
    assert transfer.labels_needed(dip, "de", 0.5).labels == 0
    with pytest.raises(TransferError, match="share of 1"):
        transfer.labels_needed(curve, "de", 75)


# ── files ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["runs.csv", "runs.csv.gz"])
def test_results_are_saved_whole(tmp_path: Path, name: str) -> None:
    cells = Outcomes("macro_f1", np.array([[0], [3], [4], [8]]), 3)
    other = Run("1", "nan", "joint", "no", "zh", 5, 2, 1, 7, 1.5, cells)
    found = Results([*_results([0.5, 0.75], rows=8)._runs, other])
    file = found.save(tmp_path / name)
    back = Results.load(file)
    pd.testing.assert_frame_equal(back.runs, found.runs)
    pd.testing.assert_frame_equal(back.summary(), found.summary())
    first = file.read_bytes()
    found.save(file)
    assert file.read_bytes() == first


@pytest.mark.parametrize(
    "damage",
    [
        lambda b: b"",
        lambda b: b[: len(b) // 2],
        lambda b: b"\x1f\x8b" + b[2:40],
        lambda b: b"a,b\n1,2\n",
        lambda b: b"\xff\xfe\x00",
    ],
)
@pytest.mark.parametrize("name", ["runs.csv", "runs.csv.gz"])
def test_a_damaged_file_is_refused(
    tmp_path: Path, name: str, damage: Callable[[bytes], bytes]
) -> None:
    file = _results([0.5, 0.6]).save(tmp_path / name)
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(TransferError, match=r"damaged|no runs"):
        Results.load(file)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(TransferError, match="cannot be read"):
        Results.load(tmp_path / "none.csv")
    with pytest.raises(TransferError, match="no results 'none'"):
        transfer.committed("none")


# ── leakage ──────────────────────────────────────────────────────────────────────────────


def changed(table: Labelled, row: int, **values: str) -> Labelled:
    columns = {name: list(getattr(table, name)) for name in ("ids", "texts", "labels")}
    for name, value in values.items():
        columns[name][row] = value
    rest = {name: getattr(table, name) for name in ("names", "held", "language", "source")}
    return Labelled(**rest, **{name: tuple(v) for name, v in columns.items()})


def test_leaks_are_found_by_text_and_by_id() -> None:
    train, test = rows_of("en", "train"), rows_of("de", "test")
    assert transfer.find_leaks(train, test) == []
    said = train.texts[4].upper().replace(" ", "  ")
    [leak] = transfer.find_leaks(train, changed(test, 7, texts=said))
    assert (leak.kind, leak.train, leak.test) == ("text", ("en", "train-4"), ("de", "test-7"))
    [leak] = transfer.find_leaks([train], [changed(test, 7, ids="train-9")])
    assert (leak.kind, leak.train, leak.test) == ("id", ("en", "train-9"), ("de", "train-9"))
    assert "German" in str(leak) and "English" in str(leak)
    wide = changed(test, 0, texts="".join(chr(ord(c) + 0xFEE0) for c in "fine"))  # full width
    assert len(transfer.find_leaks(changed(train, 0, texts="Fine"), wide)) == 1


def test_leaks_are_refused_or_dropped(model: transfer.Checkpoint, trainings: list[int]) -> None:
    def leaking(language: str, split: str) -> Labelled:
        rows = rows_of(language, split)
        return changed(rows, 0, ids="train-8") if (language, split) == ("de", "test") else rows

    of = Task("leaking", leaking)
    with pytest.raises(LeakageError, match="1 test rows have been trained on"):
        transfer.zero_shot(model, of, "en", ["de"], training=QUICK)
    assert trainings == []
    with pytest.warns(LeakageWarning, match="1 of 90 training rows of English"):
        found = transfer.zero_shot(
            model, of, "en", ["de"], seeds=(0,), training=QUICK, leaks="drop"
        )
    assert set(found.runs.train_rows) == {89}
    everything = Task("all", lambda language, split: rows_of(language, "train"))
    with pytest.raises(LeakageError, match="every training row"):
        transfer.zero_shot(model, everything, "en", ["de"], training=QUICK, leaks="drop")
    with pytest.raises(TransferError, match="leaks is 'ignore'"):
        transfer.zero_shot(model, of, "en", ["de"], training=QUICK, leaks="ignore")  # type: ignore[arg-type]


def test_a_second_task_leaks_as_well(model: transfer.Checkpoint) -> None:
    quoted = Task("quoted", lambda language, split: changed(
        rows_of(language, split), 0, texts=rows_of(language, "test").texts[5]
    ))  # fmt: skip
    with pytest.raises(LeakageError, match="test-5"):
        transfer.few_shot(
            model, REVIEWS, "en", ["de"], shots=(3,), draws=1, seeds=(0,), training=QUICK,
            strategies=["multi-task"], second_task=quoted,
        )  # fmt: skip


# ── what is refused ──────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"on": "sentimant"}, "no task 'sentimant'"),
        ({"targets": ["xx"]}, "no language 'xx'"),
        ({"targets": "de"}, "is the text 'de'"),
        ({"targets": []}, "targets is empty"),
        ({"targets": ["de", "de"]}, "twice"),
        ({"source": "tlh"}, "no language 'tlh'"),
        ({"seeds": ()}, "seeds are"),
        ({"seeds": (-1,)}, "seeds are"),
        ({"model": 3}, "is no model"),
    ],
)
def test_zero_shot_refuses(
    model: transfer.Checkpoint, options: dict[str, Any], message: str
) -> None:
    given = {"model": model, "on": REVIEWS, "source": "en", "targets": ["de"], **options}
    with pytest.raises(TransferError, match=message):
        transfer.zero_shot(training=QUICK, **given)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shots": (1,)}, "one row has one class"),
        ({"shots": (-5,)}, "shots has -5"),
        ({"shots": (60,)}, "60 shots are drawn from 120 rows"),
        ({"shots": (9,), "pool": 5}, "a pool of 5 rows for 9 shots"),
        ({"draws": 0}, "draws is 0"),
        ({"targets": ["de", "en"]}, "source and target"),
        ({"strategies": ["magic"]}, "no strategy 'magic'"),
        ({"strategies": "joint"}, "is the text"),
        ({"strategies": ["Reptile"]}, "several languages"),
        ({"strategies": ["Reptile"], "others": ["de"]}, "others has 'de'"),
        ({"strategies": ["multi-task"]}, "second task"),
    ],
)
def test_few_shot_refuses(
    model: transfer.Checkpoint, options: dict[str, Any], message: str
) -> None:
    given: dict[str, Any] = {"targets": ["de"], "shots": (3,), "draws": 1, "seeds": (0,)}
    with pytest.raises(TransferError, match=message):
        transfer.few_shot(model, REVIEWS, "en", training=QUICK, **{**given, **options})


def test_data_that_cannot_be_used(model: transfer.Checkpoint) -> None:
    def run(load: Callable[[str, str], Any], metric: str = "accuracy") -> None:
        transfer.zero_shot(model, Task("t", load, metric), "en", ["de"], training=QUICK)

    def two_or_three(language: str, split: str) -> Labelled:
        return rows_of(language, split, ("bad", "good") if language == "de" else tuple(OPINIONS))

    with pytest.raises(TransferError, match=r"labels good, bad, so-so in English and bad, good in"):
        run(two_or_three)
    with pytest.raises(TransferError, match="all 90 rows of English are 'bad'"):
        run(lambda language, split: rows_of(language, split, ("bad",)))
    with pytest.raises(TransferError, match="has no rows in German, test"):
        run(lambda language, split: rows_of(language, split)[:0])
    with pytest.raises(TransferError, match="gives a Labelled, and entity_f1"):
        run(rows_of, "entity_f1")
    with pytest.raises(TransferError, match="gives a Tagged, and accuracy"):
        run(named)
    with pytest.raises(TransferError, match="no metric 'bleu'"):
        run(rows_of, "bleu")
    with pytest.raises(TransferError, match="does not say which languages"):
        transfer.zero_shot(model, Task("t", rows_of), "en", training=QUICK)


def test_a_model_with_the_wrong_head(model: transfer.Checkpoint) -> None:
    learner = transfer.Learner(model, REVIEWS, ("bad", "good", "so-so"), ENOUGH)
    fitted = learner.trained([rows_of("en", "train")], 0)
    found = transfer.evaluate((fitted, model.tokenizer), REVIEWS, ["de"], source="en")
    assert found.runs.score[0] > 0.8
    with pytest.raises(TransferError, match="is fine-tuned for bad, good, so-so"):
        transfer.zero_shot((fitted, model.tokenizer), REVIEWS, "en", ["de"], training=ENOUGH)
    with pytest.raises(TransferError, match="needs a model ForTokenClassification"):
        transfer.evaluate((fitted, model.tokenizer), NAMES, ["de"])
    with pytest.raises(TransferError, match="3 is no fine-tuned model"):
        transfer.evaluate(3, REVIEWS, ["de"])
    with pytest.raises(TransferError, match="is random"):
        transfer.evaluate((learner.fresh(), model.tokenizer), REVIEWS, ["de"])
    two = Task("two", lambda language, split: rows_of(language, split, ("bad", "good")))
    with pytest.raises(TransferError, match="the model answers bad, good, so-so, and two asks for"):
        transfer.evaluate((fitted, model.tokenizer), two, ["de"])


def test_fine_tuned_is_trained_where_none_is_shipped(
    trainings: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.use(train_rows=60, test_rows=30)
    quick = classmethod(lambda cls, model: QUICK)
    monkeypatch.setattr(Training, "of", quick)
    body, _ = transfer.fine_tuned("polarity", "de")
    assert trainings == [60] and set(body.config.id2label.values()) == {"negative", "positive"}
    found = transfer.evaluate(transfer.fine_tuned("polarity", "de"), "polarity", ["de", "en"])
    assert len(found) == 2 and trainings == [60]
    with pytest.raises(TransferError, match="no task"):
        transfer.fine_tuned("parsing")


@pytest.mark.filterwarnings("ignore:.*longer than the 128 tokens")  # in Yoruba
def test_the_shipped_model_of_opinions_is_taken_but_not_for_other_reviews(
    trainings: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.use(train_rows=60, test_rows=150)
    found = transfer.evaluate(transfer.fine_tuned("sentiment"), "sentiment", ["en", "de", "yo"])
    scores = found.runs.set_index("target").score
    assert scores["en"] > 0.65 > scores["yo"] + 0.2 and trainings == []
    monkeypatch.setattr(Training, "of", classmethod(lambda cls, model: QUICK))
    mine = Task("sentiment", datasets.sentiment)
    transfer.fine_tuned(mine)
    assert trainings == [60]


def test_the_shipped_model_of_inference_is_taken(trainings: list[int]) -> None:
    settings.use(test_rows=90)
    found = transfer.evaluate(transfer.fine_tuned("nli"), "nli", ["en", "zh"], source="en")
    by_role = transfer.evaluate("NLI", "nli", ["en", "zh"], source="en")
    assert by_role.runs.score.tolist() == found.runs.score.tolist()
    scores = found.runs.set_index("target").score
    assert scores["en"] > 0.9 and trainings == []
    assert scores["zh"] < scores["en"] - 0.2  # it transfers badly, and the card says so


def test_labels_are_compared_by_name(model: transfer.Checkpoint) -> None:
    learner = transfer.Learner(model, REVIEWS, ("so-so", "good", "bad"), ENOUGH)
    fitted = learner.trained([rows_of("en", "train")], 0)
    assert list(fitted.config.id2label.values()) == ["so-so", "good", "bad"]
    said = transfer.evaluate((fitted, model.tokenizer), REVIEWS, ["de"])
    assert said.runs.score[0] > 0.8


# ── rows and baselines ───────────────────────────────────────────────────────────────────


def test_the_settings_say_how_many_rows(model: transfer.Checkpoint, trainings: list[int]) -> None:
    settings.use(train_rows=30, test_rows=20)
    found = transfer.zero_shot(model, REVIEWS, "en", ["de"], seeds=(0,), training=QUICK)
    assert trainings == [30] and set(found.runs.rows) == {20}
    english, german = (transfer.tasks.training_rows(REVIEWS, code) for code in ("en", "de"))
    assert english.ids == german.ids  # the same rows in every language


def test_polarity_leaves_the_neutral_out() -> None:
    of = transfer.task("polarity")
    rows = of.load("de", "test")
    assert rows.names == ("negative", "positive") and set(rows.labels) == set(rows.names)
    assert len(rows) == 200


def test_ngrams_learn_words_and_neighbours() -> None:
    learner = baselines.Ngrams(NAMES, named("en", "train"))
    assert learner.outcomes(named("en", "test")).score == 1.0
    assert baselines.majority(NAMES, named("en", "train"), named("de", "test")).score == 0.0
    names, rows = baselines.Ngrams(REVIEWS, rows_of("en", "train")).probabilities(["the fine film"])
    assert names[int(rows[0].argmax())] == "good" and rows.shape == (1, 3)
