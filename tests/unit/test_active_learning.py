"""Choosing rows, agreement beyond chance, and labels that survive a crash."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from xlhelpers import active_learning as al
from xlhelpers import datasets, settings, transfer
from xlhelpers.active_learning import (
    GOLD,
    ActiveLearningError,
    AnnotationLog,
    DamagedLogWarning,
    Item,
    cohens_kappa,
    items_of,
    k_centre,
    select,
    tags_of,
    uncertainty,
)
from xlhelpers.datasets import Labelled, Tagged

SURE, TORN, TWO = [0.98, 0.01, 0.01], [0.34, 0.33, 0.33], [0.5, 0.5, 0.0]


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


# ── to choose ────────────────────────────────────────────────────────────────────────────


def test_uncertainty_by_three_measures() -> None:
    rows = [SURE, TORN, TWO]
    assert uncertainty(rows)[1] == pytest.approx(np.log2(3), abs=1e-3)
    assert uncertainty(rows)[2] == pytest.approx(1.0)
    assert uncertainty(rows, "margin") == pytest.approx([1 - 0.97, 1 - 0.01, 1.0])
    assert uncertainty(rows, "least-confidence") == pytest.approx([0.02, 0.66, 0.5])
    words = [np.array([TORN, SURE]), np.array([SURE])]
    assert uncertainty(words, "least-confidence") == pytest.approx([(0.66 + 0.02) / 2, 0.02])
    for bad in ([[0.5, 0.6]], [[1.0]], [], [[-0.1, 1.1]]):
        with pytest.raises(ActiveLearningError, match="no rows of probabilities"):
            uncertainty(bad)
    with pytest.raises(ActiveLearningError, match="no measure 'doubt'"):
        uncertainty(rows, "doubt")


def test_two_classes_are_ranked_alike_by_all_measures() -> None:
    p = rng().random(40)
    rows = np.stack([p, 1 - p], axis=1)
    ways = [
        select(name, 10, probabilities=rows, rng=rng(1))
        for name in ("entropy", "margin", "least-confidence")
    ]
    assert ways[0] == ways[1] == ways[2]


def test_the_least_sure_come_first_and_none_twice() -> None:
    rows = [SURE, TORN, TWO, SURE, TORN]
    assert set(select("entropy", 2, probabilities=rows, rng=rng())) == {1, 4}
    assert select("margin", 1, probabilities=rows, rng=rng()) == [2]
    assert set(select("entropy", 2, probabilities=rows, taken=[1], rng=rng())) == {4, 2}
    assert sorted(select("random", 9, size=5, taken=[0], rng=rng())) == [1, 2, 3, 4]
    ties = {select("entropy", 1, probabilities=rows, rng=rng(i))[0] for i in range(20)}
    assert ties == {1, 4}


def test_centres_leave_nothing_far() -> None:
    groups = np.repeat([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]], 5, axis=0)
    points = groups + rng().normal(size=groups.shape) * 0.1
    for seed in range(5):
        assert {row // 5 for row in k_centre(points, 3, rng=rng(seed))} == {0, 1, 2}
        near_taken = select("diversity", 2, vectors=points, taken=[0, 1], rng=rng(seed))
        assert {row // 5 for row in near_taken} == {1, 2}
    same = np.zeros((4, 2))
    assert sorted(k_centre(same, 4, rng=rng())) == [0, 1, 2, 3]


def test_uncertain_and_diverse_is_both() -> None:
    points = np.repeat([[0.0, 0.0], [10.0, 0.0], [0.0, 99.0]], 5, axis=0)
    rows = [TORN] * 10 + [SURE] * 5  # the third group is far away, and the model is sure of it
    for seed in range(5):
        got = select("uncertain and diverse", 2, probabilities=rows, vectors=points, rng=rng(seed))
        assert {row // 5 for row in got} == {0, 1}


def test_what_select_cannot_do_is_said() -> None:
    rows = [SURE, TORN]
    bad: list[tuple[str, int, dict[str, Any], str]] = [
        ("best", 1, {"size": 2}, "no strategy 'best'"),
        ("entropy", 1, {"vectors": [[0.0]]}, "goes by probabilities"),
        ("diversity", 1, {"probabilities": rows}, "goes by vectors"),
        ("random", 1, {}, "nothing is given"),
        ("random", 1, {"probabilities": rows, "size": 3}, "cannot be told"),
        ("entropy", 0, {"probabilities": rows}, "0 rows are wanted of 2"),
        ("entropy", 1, {"probabilities": rows, "taken": [0, 1]}, "1 rows are wanted of 0"),
        ("entropy", 1, {"probabilities": rows, "taken": [2]}, "taken has 2"),
    ]
    for name, k, given, message in bad:
        with pytest.raises(ActiveLearningError, match=message):
            select(name, k, rng=rng(), **given)


# ── to measure ───────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def small() -> Any:
    import torch
    from transformers import BertConfig, BertModel, BertTokenizer

    torch.manual_seed(0)
    entries = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad", "the", "film", "was"]
    tokenizer = BertTokenizer(vocab={entry: i for i, entry in enumerate(entries)})
    config = BertConfig(
        vocab_size=len(entries),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=16,
    )
    return transfer.Checkpoint("small", BertModel(config, add_pooling_layer=False), tokenizer)


def films(language: str, split: str) -> Labelled:
    rows = 40 if split == "train" else 12
    draw = np.random.default_rng(len(split))
    words = [draw.choice(["the", "film", "was"], 3).tolist() for _ in range(rows)]
    labels = ["good" if i % 2 else "bad" for i in range(rows)]
    return Labelled(
        ids=tuple(f"{split}{i}" for i in range(rows)), names=("bad", "good"), held=("",) * rows,
        language=language, source=split, labels=tuple(labels),
        texts=tuple(
            " ".join([*w, label, split[:2] * (i + 1)])
            for i, (w, label) in enumerate(zip(words, labels, strict=True))
        ),
    )  # fmt: skip


def news(language: str, split: str) -> Tagged:
    table = films(language, split)
    said = tuple(tuple(text.split()) for text in table.texts)
    return Tagged(
        ids=table.ids, names=("O", "B-PER"), held=table.held, language=language, source=split,
        texts=table.texts, sentences=said, upos=((),) * len(said), name_marks=table.held,
        tags=tuple(tuple("B-PER" if w == "good" else "O" for w in words) for words in said),
    )  # fmt: skip


QUICK = transfer.Training(
    epochs=1, batch_size=8, learning_rate=5e-3, frozen=0, few_rate=5e-3, few_steps=2
)
EVERY = ("random", "entropy", "margin", "diversity", "uncertain and diverse")


@pytest.mark.parametrize(("name", "load"), [("films", films), ("news", news)])
def test_simulation_gives_curves(small: Any, name: str, load: Any) -> None:
    settings.use(threads=1)
    metric = "tag_accuracy" if name == "news" else "accuracy"
    task = transfer.Task(name, load, metric, languages=lambda: ["en"])
    how: dict[str, Any] = {"budgets": (8, 12), "draws": 2, "training": QUICK, "pool": 30}
    names = EVERY if name == "films" else EVERY[::2]
    found = al.simulate(small, task, "en", strategies=names, **how)
    table = found.summary()
    assert len(found) == len(names) * 2 * 2 and set(table.shots) == {8, 12}
    assert set(found.gain("random").strategy) == set(names) - {"random"}
    # All begin with the same rows, so with the same score.
    first = found.where(shots=8).runs
    assert first.groupby("draw").score.nunique().max() == 1
    assert "Curves of the score" in found.plot().alt
    again = al.simulate(small, task, "en", strategies=names, **how)
    assert again.summary().equals(table)  # from the disk, seconds of training too


def test_simulation_goes_on_where_it_stopped(small: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.use(threads=1)
    task = transfer.Task("films", films, languages=lambda: ["en"])
    how: dict[str, Any] = {"strategies": ["entropy"], "draws": 1, "training": QUICK}
    al.simulate(small, task, "en", budgets=(8, 12), **how)
    trained: list[int] = []
    fit = transfer.Learner.fit

    def counted(self: Any, model: Any, tables: Any, how: Any, seed: int) -> Any:
        trained.append(len(tables[0]))
        return fit(self, model, tables, how, seed)

    monkeypatch.setattr(transfer.Learner, "fit", counted)
    from xlhelpers.transfer import learners

    monkeypatch.setattr(learners, "_kept", type(learners._kept)())
    al.simulate(small, task, "en", budgets=(8, 12, 16), **how)
    assert trained == [12, 16]  # 12 again, to ask it what comes next


def test_simulation_refuses(small: Any) -> None:
    task = transfer.Task("films", films, languages=lambda: ["en"])
    bad: list[tuple[dict[str, Any], str]] = [
        ({"budgets": (20, 20)}, "budgets are"),
        ({"budgets": (8, 50)}, "50 labels of a pool of 40"),
        ({"budgets": (8, 20), "pool": 10}, "20 labels of a pool of 10"),
        ({"strategies": ["best"]}, "no strategy 'best'"),
        ({"strategies": "random"}, "give a list"),
        ({"draws": 0}, "draws is 0"),
    ]
    for how, message in bad:
        with pytest.raises(ActiveLearningError, match=message):
            al.simulate(small, task, "en", **{"budgets": (8,), **how})


# ── to agree ─────────────────────────────────────────────────────────────────────────────


def test_kappa_is_that_of_scikit_learn() -> None:
    draw = rng(3)
    for k in (2, 3, 5):
        one = draw.integers(k, size=60).astype(str).tolist()
        other = [a if draw.random() < 0.6 else str(draw.integers(k)) for a in one]
        found = cohens_kappa(one, other)
        assert found.value == pytest.approx(cohen_kappa_score(one, other))
        assert found.low < found.value < found.high
    # Cohen's own formula on a table by hand: 20, 5; 10, 15.
    one = ["y"] * 25 + ["n"] * 25
    other = ["y"] * 20 + ["n"] * 5 + ["y"] * 10 + ["n"] * 15
    assert cohens_kappa(one, other).value == pytest.approx(0.4)
    assert cohens_kappa(["y", "n"], ["n", "y"]).value == pytest.approx(-1)


def test_kappa_of_chance_covers_zero() -> None:
    draw = rng(5)
    hits = 0
    for seed in range(40):
        one, other = draw.integers(3, size=(2, 50)).astype(str).tolist()
        found = cohens_kappa(one, other, seed=seed)
        hits += found.low <= 0 <= found.high
    assert hits >= 34  # 95 % of 40 is 38


def test_kappa_of_words_draws_sentences() -> None:
    one = [["O", "B-PER"]] * 10 + [["O"] * 5] * 10
    other = [["O", "O"]] * 5 + one[5:]
    flat = [tag for row in one for tag in row], [tag for row in other for tag in row]
    found = cohens_kappa(one, other)
    assert found.value == pytest.approx(cohen_kappa_score(*flat))
    by_word = cohens_kappa(*flat)
    assert found.value == by_word.value
    with pytest.raises(ActiveLearningError, match="item 0 has 1 labels"):
        cohens_kappa([["O"]], [["O", "O"]])


def test_kappa_refuses_what_has_no_answer() -> None:
    with pytest.raises(ActiveLearningError, match="every item the label 'y'"):
        cohens_kappa(["y", "y"], ["y", "y"])
    with pytest.raises(ActiveLearningError, match="1 labels of one and 2"):
        cohens_kappa(["y"], ["y", "n"])
    with pytest.raises(ActiveLearningError, match="0 labels"):
        cohens_kappa([], [])


# ── to keep ──────────────────────────────────────────────────────────────────────────────

TEXTS = ["Chumba ni kizuri.", "Bei ni mbaya.", "Sijui.", "Asante sana!"]


@pytest.fixture
def log(tmp_path: Path) -> AnnotationLog:
    return AnnotationLog(tmp_path / "labels.jsonl")


def test_labels_are_on_the_disk_at_once(log: AnnotationLog) -> None:
    items = items_of(TEXTS)
    log.label("A", items[0], "good")
    log.label("A", items[1], "bad")
    log.skip("A", items[2])
    other = AnnotationLog(log.file)
    assert other.labels("A") == {items[0].id: "good", items[1].id: "bad"}
    assert other.skipped("A") == [items[2].id] and other.annotators() == ["A"]
    log.label("A", items[1], "good")  # the last one counts, and other kernels see it
    assert other.labels("A")[items[1].id] == "good"
    assert other.items()[items[0].id] == items[0]
    lines = log.file.read_text("utf-8").splitlines()
    assert len(lines) == 4 and json.loads(lines[0])["value"] == "good"
    assert "Chumba" in repr(lines[0]) and repr(log) == "AnnotationLog(labels.jsonl; A: 2)"


def test_undo_brings_back_what_was(log: AnnotationLog) -> None:
    items = items_of(TEXTS)
    log.label("A", items[0], "good")
    log.label("A", items[0], "bad")
    log.skip("A", items[1])
    log.label("B", items[0], "good")
    assert log.undo("A") == items[1].id and log.skipped("A") == []
    assert log.undo("A") == items[0].id and log.labels("A") == {items[0].id: "good"}
    assert log.undo("A") == items[0].id and log.labels("A") == {}
    with pytest.raises(ActiveLearningError, match="A has nothing to undo"):
        log.undo("A")
    assert AnnotationLog(log.file).labels("B") == {items[0].id: "good"}
    assert len(log.file.read_text("utf-8").splitlines()) == 7


@pytest.mark.parametrize("cut", (1, 2, 40, 100, 150))
def test_a_line_that_was_cut_off_is_put_aside(log: AnnotationLog, cut: int) -> None:
    items = items_of(TEXTS)
    log.label("A", items[0], "good")
    log.label("A", items[1], "bad")
    whole = log.file.read_bytes()
    assert len(whole.splitlines()[1]) > 151
    log.file.write_bytes(whole[:-cut])
    with pytest.warns(DamagedLogWarning, match="cut off") if cut > 1 else warnings.catch_warnings():
        again = AnnotationLog(log.file)
    assert again.labels("A") == ({items[0].id: "good"} | ({items[1].id: "bad"} if cut == 1 else {}))
    again.label("A", items[1], "bad")
    assert AnnotationLog(log.file).labels("A") == {items[0].id: "good", items[1].id: "bad"}
    aside = log.file.with_name("labels.jsonl.cut-off")
    assert aside.exists() == (cut > 1)
    if cut > 1:
        assert whole[:-cut].endswith(aside.read_bytes().rstrip(b"\n"))


def test_a_line_inside_that_cannot_be_read_is_told_of(log: AnnotationLog) -> None:
    items = items_of(TEXTS)
    log.label("A", items[0], "good")
    with log.file.open("ab") as handle:
        handle.write(b"\xff\xfe garbage\n")
    with pytest.warns(DamagedLogWarning, match="1 lines of labels.jsonl cannot be read"):
        log.label("A", items[1], "bad")
    assert len(log.labels("A")) == 2 and b"garbage" in log.file.read_bytes()


def test_what_is_no_log_is_left_alone(tmp_path: Path) -> None:
    for content in ("my texts\nare here\n", "one line without an end", '{"a": 1}\n'):
        file = tmp_path / "texts.txt"
        file.write_text(content, "utf-8")
        with pytest.raises(ActiveLearningError, match="no log of labels"):
            AnnotationLog(file)
        assert file.read_text("utf-8") == content
    with pytest.raises(ActiveLearningError, match="is a folder"):
        AnnotationLog(tmp_path)


def write_many(file: str, name: str, count: int) -> None:
    log = AnnotationLog(file)
    for number in range(count):
        log.label(name, Item(f"{name}{number}", "text " * 50), "good")


def test_two_kernels_at_once_lose_nothing(tmp_path: Path) -> None:
    file = str(tmp_path / "labels.jsonl")
    fork = multiprocessing.get_context("fork")
    workers = [fork.Process(target=write_many, args=(file, name, 25)) for name in "ABC"]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    log = AnnotationLog(file)
    assert [len(log.labels(name)) for name in "ABC"] == [25, 25, 25]


def test_a_kill_loses_nothing_that_was_given(tmp_path: Path) -> None:
    file = tmp_path / "labels.jsonl"
    worker = multiprocessing.get_context("fork").Process(
        target=write_many, args=(str(file), "A", 10_000)
    )
    worker.start()
    deadline = time.monotonic() + 30
    while (not file.exists() or file.stat().st_size < 5_000) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert worker.pid is not None
    os.kill(worker.pid, signal.SIGKILL)
    worker.join(30)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DamagedLogWarning)
        log = AnnotationLog(file)
    given = len(log.labels("A"))
    assert given >= 5_000 // 600
    assert list(log.labels("A")) == [f"A{i}" for i in range(given)]
    log.label("B", Item("x", "x"), "bad")  # the lock went with the process
    assert log.labels("B") == {"x": "bad"}


def test_a_disk_that_does_not_take_it_is_said(
    log: AnnotationLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = items_of(TEXTS)
    log.label("A", items[0], "good")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ActiveLearningError, match="nothing is kept.*No space left"):
        log.label("A", items[1], "bad")


def test_values_are_checked(log: AnnotationLog) -> None:
    [text] = items_of(["Bei ni mbaya."])
    [words] = items_of(["Ann Lee ran"], "words")
    for item, value in ((text, ""), (text, 3), (words, "good"), (words, [(0,)])):
        with pytest.raises(ActiveLearningError):
            log.label("A", item, value)  # type: ignore[arg-type]
    for spans in ([(0, 2, "PER"), (1, 3, "LOC")], [(0, 4, "PER")], [(1, 1, "PER")], [(0, 1, "")]):
        with pytest.raises(ActiveLearningError, match="overlaps another, or lies outside"):
            log.label("A", words, spans)
    with pytest.raises(ActiveLearningError, match="no name"):
        log.label(" ", text, "good")
    assert not log.file.exists()


# ── what is labelled ─────────────────────────────────────────────────────────────────────


def test_items_come_from_lists_files_and_tables(tmp_path: Path) -> None:
    assert [item.text for item in items_of([*TEXTS, TEXTS[0]])] == TEXTS
    plain, table = tmp_path / "a.txt", tmp_path / "a.csv"
    plain.write_text("\ufeffMoja\n\n Mbili \n", "utf-8")
    assert [item.text for item in items_of(plain)] == ["Moja", "Mbili"]
    table.write_text('n,text\n1,"Moja, mbili"\n2,\n', "utf-8")
    assert [item.text for item in items_of(str(table))] == ["Moja, mbili"]
    assert items_of(["Moja"])[0].id == items_of(plain)[0].id
    reviews = datasets.sentiment("ar", "test")[:3]
    assert [item.id for item in items_of(reviews)] == list(reviews.ids)
    assert items_of(reviews)[0].language == "ar"
    sentences = datasets.ner("zh", "test")[:3]
    assert [item.words for item in items_of(sentences, "words")] == list(sentences.sentences)
    assert items_of(["我在ABC。"], "words", "zh")[0].words == ("我", "在", "ABC", "。")
    assert items_of(["Ana's cat"], "words", "en")[0].words == ("Ana", "'s", "cat")


def test_items_that_cannot_be_labelled_are_refused(tmp_path: Path) -> None:
    binary = tmp_path / "b.txt"
    binary.write_bytes(b"\xff\xfe\x00")
    bad: list[tuple[Any, str]] = [
        ([], "no text to label"),
        (["a", " "], "text 1"),
        (tmp_path / "none.txt", "cannot be read"),
        (binary, "cannot be read"),
        (["\ud800"], "half a character"),
        (datasets.nli("en", "test")[:2], "pairs"),
    ]
    for texts, message in bad:
        with pytest.raises(ActiveLearningError, match=message):
            items_of(texts)
    with pytest.raises(ActiveLearningError, match="kind is 'pairs'"):
        items_of(["a"], "pairs")


# ── what stands ──────────────────────────────────────────────────────────────────────────


def test_two_people_and_who_decides(log: AnnotationLog, tmp_path: Path) -> None:
    items = items_of(TEXTS, language="sw")
    for who, labels in {"A": "good bad bad good", "B": "good bad good good"}.items():
        for item, label in zip(items, labels.split(), strict=True):
            log.label(who, item, label)
    found = log.agreement()
    assert found.items == 4 and found.percent.value == 0.75
    assert found.kappa is not None and found.kappa.value == pytest.approx(0.5)
    assert found.table.loc["bad"].to_dict() == {"bad": 1, "good": 1}
    assert found.disagreements.values.tolist() == [[items[2].id, "bad", "good"]]
    assert items[2].id not in log.final() and len(log.final()) == 3
    log.label(GOLD, items[2], "bad")
    table = log.table()
    assert isinstance(table, Labelled)
    assert table.labels == ("good", "bad", "bad", "good") and table.language == "sw"
    assert table.names == ("bad", "good") and log.annotators() == ["A", "B"]
    rows = [
        json.loads(line)
        for line in log.export_jsonl(tmp_path / "out" / "x.jsonl").read_text("utf-8").splitlines()
    ]
    assert [row["label"] for row in rows] == ["good", "bad", "bad", "good"]
    assert rows[2]["by"] == {"A": "bad", "B": "good"} and rows[2]["decided"]
    with pytest.raises(ActiveLearningError, match="use export_jsonl"):
        log.export_conll(tmp_path / "x.conll")


def test_full_agreement_on_one_label_has_no_kappa(log: AnnotationLog) -> None:
    with pytest.raises(ActiveLearningError, match="no item has been labelled by both"):
        log.agreement()
    for who in "AB":
        log.label(who, items_of(TEXTS)[0], "good")
    found = log.agreement()
    assert found.kappa is None and "not defined" in found.why_no_kappa
    assert found.percent.value == 1 and found.disagreements.empty


def test_words_are_exported_as_iob2(log: AnnotationLog, tmp_path: Path) -> None:
    items = items_of(["Ann Lee saw Bo, Cy.", "Nobody  came."], "words", "en")
    log.label("A", items[0], [(3, 4, "PER"), (0, 2, "PER"), (5, 6, "PER")])
    log.label("B", items[0], [(0, 1, "PER"), (3, 4, "PER"), (5, 6, "PER")])
    for who in "AB":
        log.label(who, items[1], [])
    found = log.agreement()
    assert found.percent.value == pytest.approx(9 / 10)
    assert found.entities is not None and found.entities.value == pytest.approx(4 / 6)
    assert len(found.disagreements) == 1
    log.label(GOLD, items[0], log.labels("A")[items[0].id])
    conll = log.export_conll(tmp_path / "x.conll").read_text("utf-8")
    blocks = [
        [line.split("\t") for line in block.splitlines() if not line.startswith("#")]
        for block in conll.strip().split("\n\n")
    ]
    assert blocks[0] == [
        ["Ann", "B-PER"], ["Lee", "I-PER"], ["saw", "O"], ["Bo", "B-PER"], [",", "O"],
        ["Cy", "B-PER"], [".", "O"],
    ]  # fmt: skip
    assert [tag for _, tag in blocks[1]] == ["O", "O", "O"]
    row = json.loads(log.export_jsonl(tmp_path / "x.jsonl").read_text("utf-8").splitlines()[0])
    assert [(s["text"], s["type"]) for s in row["spans"]] == [
        ("Ann Lee", "PER"), ("Bo", "PER"), ("Cy", "PER"),
    ]  # fmt: skip
    assert all(row["text"][s["start"] : s["end"]] == s["text"] for s in row["spans"])
    table = log.table(["PER", "LOC"])
    assert isinstance(table, Tagged)
    assert table.names == ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")
    assert table.tags[0] == tuple(tags_of(((0, 2, "PER"), (3, 4, "PER"), (5, 6, "PER")), 7))


def test_nothing_to_export_is_said(log: AnnotationLog, tmp_path: Path) -> None:
    with pytest.raises(ActiveLearningError, match="nothing to export"):
        log.export_jsonl(tmp_path / "x.jsonl")
    with pytest.raises(ActiveLearningError, match="no label stands"):
        log.table()
    log.label("A", items_of(TEXTS)[0], "good")
    (tmp_path / "blocked").write_text("a file", "utf-8")
    with pytest.raises(ActiveLearningError, match="cannot be written"):
        log.export_jsonl(tmp_path / "blocked" / "x.jsonl")
