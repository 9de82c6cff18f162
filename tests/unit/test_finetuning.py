"""Fine-tuning: names travel with the model, every word has a tag, seeds decide, scores by hand."""

from __future__ import annotations

import math
import os
import random
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from xlhelpers import finetuning as ft
from xlhelpers import hub, settings
from xlhelpers.finetuning import FineTuningError

# Long enough for the tests, short enough that a sentence can exceed it.
POSITIONS = 16
CLASSES = ["bad", "good", "so-so"]
GOOD, BAD = ["fine", "great", "lovely"], ["awful", "dull", "poor"]
FILL = ["the", "film", "was", "we", "saw", "it", "today", "and", "then"]
PEOPLE, PLACES = ["Ada", "Bo", "Cy"], ["Rome", "Oslo", "Bath"]
ENTITY_TAGS = ["B-LOC", "B-PER", "I-PER", "O"]
NOTHING = "\u200b"  # a zero-width space: the tokenizer drops it

words_known = [*GOOD, *BAD, *FILL, *PEOPLE, *PLACES, "Smith", "play", "##ing", "##s", "."]


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    from transformers import BertTokenizer

    entries = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words_known]
    return BertTokenizer(vocab={e: i for i, e in enumerate(entries)}, do_lower_case=False)


@pytest.fixture(scope="module")
def xlmr_tokenizer() -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import XLMRobertaTokenizerFast

    special = ["<s>", "<pad>", "</s>", "<unk>"]
    pieces = [("▁" + word, -5.0) for word in words_known] + [("▁", -8.0), ("s", -9.0)]
    core = Tokenizer(models.Unigram([(s, 0.0) for s in special] + pieces, unk_id=3))
    core.pre_tokenizer = pre_tokenizers.Metaspace()
    core.decoder = decoders.Metaspace()
    return XLMRobertaTokenizerFast(tokenizer_object=core)


def small(**more: Any) -> dict[str, Any]:
    return {
        "hidden_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 64,
        "max_position_embeddings": POSITIONS,
        **more,
    }


def bert(tokenizer: Any, outputs: int, tagging: bool = False, seed: int = 0) -> Any:
    import transformers

    torch.manual_seed(seed)
    config = transformers.BertConfig(vocab_size=len(tokenizer), **small(num_labels=outputs))
    kind = "BertForTokenClassification" if tagging else "BertForSequenceClassification"
    return getattr(transformers, kind)(config).eval()


def xlmr(tokenizer: Any, outputs: int) -> Any:
    from transformers import XLMRobertaConfig, XLMRobertaForTokenClassification

    torch.manual_seed(0)
    sizes = small(num_labels=outputs, max_position_embeddings=POSITIONS + 2)
    config = XLMRobertaConfig(vocab_size=len(tokenizer), pad_token_id=1, **sizes)
    return XLMRobertaForTokenClassification(config).eval()


def reviews(n: int, seed: int = 0) -> tuple[list[str], list[str]]:
    """Texts of 3 to 9 words with one word that decides the class."""
    rng = random.Random(seed)
    texts, labels = [], []
    for i in range(n):
        words = rng.choices(FILL, k=rng.randint(2, 8))
        label = ("good", "bad")[i % 2]
        words.insert(rng.randrange(len(words)), rng.choice(GOOD if label == "good" else BAD))
        texts.append(" ".join(words))
        labels.append(label)
    return texts, labels


def news(n: int, seed: int = 0) -> tuple[list[list[str]], list[list[str]]]:
    """Sentences with a person of one or two words and a place."""
    rng = random.Random(seed)
    sentences, tags = [], []
    for _ in range(n):
        parts = [([word], ["O"]) for word in rng.choices(FILL, k=rng.randint(2, 5))]
        person = (["Ada", "Smith"], ["B-PER", "I-PER"]) if rng.random() < 0.5 else None
        parts.insert(rng.randrange(len(parts)), person or ([rng.choice(PEOPLE)], ["B-PER"]))
        parts.insert(rng.randrange(len(parts)), ([rng.choice(PLACES)], ["B-LOC"]))
        sentences.append([word for words, _ in parts for word in words])
        tags.append([tag for _, row in parts for tag in row])
    return sentences, tags


# With fewer, or longer, steps two models of five had learned nothing: it hung on the start.
FAST: dict[str, Any] = {"epochs": 12, "learning_rate": 2e-3, "batch_size": 8, "seed": 3}


@pytest.fixture(scope="module")
def fitted(tokenizer: Any) -> ft.Fitted:
    """A classifier of two classes with a development set."""
    settings.use(threads=1)
    return ft.train_classifier(
        bert(tokenizer, 2), tokenizer, *reviews(160), dev=reviews(60, seed=1), **FAST
    )


@pytest.fixture(scope="module")
def tagger(tokenizer: Any) -> ft.Fitted:
    """A tagger of persons and places with a development set."""
    settings.use(threads=1)
    return ft.train_tagger(
        bert(tokenizer, 4, tagging=True), tokenizer, *news(160), dev=news(60, seed=1), **FAST
    )


# ── it learns, and the names come along ──────────────────────────────────────────────────


def test_a_classifier_learns_and_knows_its_classes(fitted: ft.Fitted, tokenizer: Any) -> None:
    texts, labels = reviews(80, seed=2)
    found = ft.classify(fitted.model, tokenizer, texts)
    assert ft.accuracy(labels, found.labels).value > 0.9
    assert fitted.model.config.id2label == {0: "bad", 1: "good"}
    assert fitted.model.config.label2id == {"bad": 0, "good": 1}
    assert found.names == ("bad", "good") and found.probabilities.dtype == np.float32
    assert found.probabilities.sum(axis=1) == pytest.approx(np.ones(80), abs=1e-5)
    best = found.probabilities.argmax(axis=1)
    assert found.labels == tuple(found.names[i] for i in best)


def test_names_survive_saving(fitted: ft.Fitted, tokenizer: Any, tmp_path: Path) -> None:
    fitted.model.save_pretrained(tmp_path)
    again = hub.model(tmp_path, "classification")
    assert again.config.id2label == {0: "bad", 1: "good"}
    texts = reviews(5)[0]
    assert ft.classify(again, tokenizer, texts).labels == (
        ft.classify(fitted.model, tokenizer, texts).labels
    )


def test_names_fix_the_order_of_the_outputs(tokenizer: Any) -> None:
    names = ["so-so", "good", "bad"]
    texts, labels = reviews(240)
    with pytest.warns(UserWarning, match="no example of so-so"):
        one = ft.train_classifier(bert(tokenizer, 3), tokenizer, texts, labels, names=names, **FAST)
    assert list(one.model.config.id2label.values()) == names
    found = ft.classify(one.model, tokenizer, texts)
    assert ft.accuracy(labels, found.labels).value > 0.9
    # whole numbers count into names, and numpy's are numbers too
    with pytest.warns(UserWarning, match="no example of so-so"):
        two = ft.train_classifier(
            bert(tokenizer, 3),
            tokenizer,
            texts,
            np.array([names.index(label) for label in labels]),  # type: ignore[arg-type]
            names=names,
            **FAST,
        )
    assert np.array_equal(
        ft.classify(two.model, tokenizer, texts).probabilities, found.probabilities
    )


def test_pairs_of_texts_are_read_on_both_sides(tokenizer: Any) -> None:
    texts, labels = reviews(160)
    turned = [(text, "it was") if i % 4 < 2 else ("it was", text) for i, text in enumerate(texts)]
    made = ft.train_classifier(bert(tokenizer, 2), tokenizer, turned, labels, **FAST)
    fresh, gold = reviews(60, seed=1)
    for pairs in ([(text, "and then") for text in fresh], [("and then", text) for text in fresh]):
        found = ft.classify(made.model, tokenizer, pairs)
        assert ft.accuracy(gold, found.labels).value > 0.9
    (features,) = ft._text_features(made.model, tokenizer, [("it was", "fine")])
    assert features["token_type_ids"] == [0, 0, 0, 0, 1, 1]


def test_a_tagger_learns(tagger: ft.Fitted, tokenizer: Any) -> None:
    sentences, tags = news(80, seed=2)
    found = ft.tag(tagger.model, tokenizer, sentences)
    assert ft.entity_f1(tags, found).value > 0.9
    assert list(tagger.model.config.id2label.values()) == ENTITY_TAGS
    assert tagger.metric == "entity_f1" and tagger.best is not None and tagger.best > 0.9


def test_tags_are_the_likeliest(tagger: ft.Fitted, tokenizer: Any) -> None:
    sentences, _ = news(8, seed=2)
    rows = ft.tag_probabilities(tagger.model, tokenizer, [*sentences, []])
    assert [row.shape for row in rows] == [(len(s), len(ENTITY_TAGS)) for s in [*sentences, []]]
    assert all(np.allclose(row.sum(axis=1), 1, atol=1e-5) for row in rows)
    likeliest = [[ENTITY_TAGS[i] for i in row.argmax(axis=1)] for row in rows]
    assert likeliest == ft.tag(tagger.model, tokenizer, [*sentences, []])


def test_tags_that_are_no_spans_are_chosen_by_accuracy(tokenizer: Any) -> None:
    sentences, tags = news(40)
    pos = [["NOUN" if name != "O" else "X" for name in row] for row in tags]
    model = bert(tokenizer, 2, tagging=True)
    made = ft.train_tagger(
        model, tokenizer, sentences, pos, dev=(sentences, pos), **{**FAST, "epochs": 1}
    )
    assert made.metric == "accuracy"
    assert "dev_entity_f1" not in made.history[-1]
    got = ft.tag_accuracy(pos, ft.tag(made.model, tokenizer, sentences)).value
    assert got == pytest.approx(made.best)


# ── history and the best checkpoint ──────────────────────────────────────────────────────


def test_history_draws_a_learning_curve(fitted: ft.Fitted) -> None:
    steps, highest = FAST["epochs"] * math.ceil(160 / FAST["batch_size"]), FAST["learning_rate"]
    training = [row for row in fitted.history if "loss" in row]
    dev = [row for row in fitted.history if "dev_loss" in row]
    assert [row["epoch"] for row in dev] == list(range(1, FAST["epochs"] + 1))
    assert set(dev[0]) == {"epoch", "step", "dev_loss", "dev_accuracy", "dev_macro_f1"}
    assert training[-1]["step"] == dev[-1]["step"] == steps
    assert len(training) + len(dev) == len(fitted.history) and len(training) >= 30
    rates = [row["learning_rate"] for row in training]
    top = int(np.argmax(rates))
    assert top > 0 and training[top]["step"] < steps / 5
    assert max(rates) == pytest.approx(highest, rel=0.1) and rates[-1] < highest / 10
    assert training[0]["loss"] == pytest.approx(math.log(2), abs=0.15)
    frame = fitted.frame()
    assert frame["step"].is_monotonic_increasing and frame["step"].is_unique
    assert frame["dev_macro_f1"].notna().sum() == FAST["epochs"]


def test_the_best_epoch_comes_back_to_a_classifier(fitted: ft.Fitted, tokenizer: Any) -> None:
    """A good model learns wrong labels: each epoch is worse on right ones, the first is best."""
    texts, labels = reviews(96)
    wrong = ["good" if label == "bad" else "bad" for label in labels]
    options = {**FAST, "epochs": 4, "learning_rate": 2e-3}
    made = ft.train_classifier(
        fitted.model, tokenizer, texts, wrong, dev=(texts, labels), **options
    )
    scores = [row["dev_macro_f1"] for row in made.history if "dev_macro_f1" in row]
    assert made.best == max(scores) > scores[-1] and made.metric == "macro_f1"
    assert made.best_epoch == 1 + scores.index(max(scores))
    again = ft.macro_f1(labels, ft.classify(made.model, tokenizer, texts).labels).value
    assert again == pytest.approx(made.best)


def test_the_best_epoch_comes_back_to_a_tagger(tagger: ft.Fitted, tokenizer: Any) -> None:
    sentences, tags = news(96)
    swap = {"B-PER": "B-LOC", "B-LOC": "B-PER", "I-PER": "O", "O": "O"}
    wrong = [[swap[name] for name in row] for row in tags]
    options = {**FAST, "epochs": 4, "learning_rate": 2e-3}
    with pytest.warns(UserWarning, match="no example of I-PER"):
        made = ft.train_tagger(
            tagger.model, tokenizer, sentences, wrong, dev=(sentences, tags), **options
        )
    scores = [row["dev_entity_f1"] for row in made.history if "dev_entity_f1" in row]
    assert made.best == max(scores) > scores[-1] and made.metric == "entity_f1"
    again = ft.entity_f1(tags, ft.tag(made.model, tokenizer, sentences)).value
    assert again == pytest.approx(made.best)


def test_without_a_development_set_the_last_epoch_is_kept(tokenizer: Any) -> None:
    made = ft.train_classifier(bert(tokenizer, 2), tokenizer, *reviews(32), **FAST)
    assert made.best is None and made.best_epoch is None and made.metric == ""
    assert all("dev_loss" not in row for row in made.history)


def test_a_development_set_does_not_change_the_course_of_training(tokenizer: Any) -> None:
    def losses(dev: Any) -> list[float]:
        model = bert(tokenizer, 2)
        made = ft.train_classifier(model, tokenizer, *reviews(64), dev=dev, **FAST)
        return [row["loss"] for row in made.history if "loss" in row]

    assert losses(None) == losses(reviews(30, seed=1))


def test_no_file_is_left_behind(
    tokenizer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "temporary").mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    monkeypatch.chdir(tmp_path / "here")
    seen: list[str] = []
    original = ft._arguments

    def noting(*args: Any) -> Any:
        seen.append(args[-1])
        return original(*args)

    monkeypatch.setattr(ft, "_arguments", noting)
    options = {**FAST, "epochs": 2}
    ft.train_classifier(bert(tokenizer, 2), tokenizer, *reviews(32), dev=reviews(8), **options)
    assert len(seen) == 1 and tmp_path / "temporary" in Path(seen[0]).parents
    assert os.listdir(tmp_path / "temporary") == [] and os.listdir(tmp_path / "here") == []


def test_quiet_where_nobody_watches(tokenizer: Any, capfd: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made = ft.train_classifier(
            bert(tokenizer, 2), tokenizer, *reviews(32), dev=reviews(8), **FAST
        )
        ft.classify(made.model, tokenizer, reviews(4)[0])
    out, err = capfd.readouterr()
    assert out == "" and err == ""


def test_a_bar_where_somebody_watches(
    tokenizer: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import sys

    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    ft.train_classifier(bert(tokenizer, 2), tokenizer, *reviews(32), dev=reviews(8), **FAST)
    shown = capsys.readouterr().err
    assert "training: 100%" in shown and "48/48" in shown and "dev macro_f1" in shown
    ft.train_classifier(bert(tokenizer, 2), tokenizer, *reviews(32), progress=False, **FAST)
    assert capsys.readouterr().err == ""


# ── seeds, copies, heads ─────────────────────────────────────────────────────────────────


def probabilities(tokenizer: Any, model: Any, **options: Any) -> Any:
    made = ft.train_classifier(model, tokenizer, *reviews(48), **{**FAST, "epochs": 2, **options})
    return ft.classify(made.model, tokenizer, reviews(20, seed=1)[0]).probabilities


def test_the_same_seed_gives_the_same_predictions(tokenizer: Any) -> None:
    model = bert(tokenizer, 2)
    once = probabilities(tokenizer, model)
    torch.randn(7)  # what happened before in the process has no say
    random.random()
    assert np.array_equal(once, probabilities(tokenizer, model))
    assert not np.allclose(once, probabilities(tokenizer, model, seed=4), atol=1e-4)
    settings.use(seed=3)
    assert np.array_equal(once, probabilities(tokenizer, model, seed=None))


def test_the_seed_decides_about_a_head_that_was_random(tokenizer: Any, tmp_path: Path) -> None:
    bert(tokenizer, 2).base_model.save_pretrained(tmp_path)

    def loaded(state: int) -> Any:
        torch.manual_seed(state)
        return hub.model(tmp_path, "classification", new_head=True, num_labels=2)

    one, two = loaded(1), loaded(2)
    assert not torch.equal(one.classifier.weight, two.classifier.weight)
    assert np.array_equal(probabilities(tokenizer, one), probabilities(tokenizer, two))


def test_a_classifier_on_xlmr(xlmr_tokenizer: Any, tmp_path: Path) -> None:
    """Its head has two layers, and its positions begin beyond the padding's number."""
    xlmr(xlmr_tokenizer, 2).base_model.save_pretrained(tmp_path)
    found = []
    for state in (1, 2):
        torch.manual_seed(state)
        model = hub.model(tmp_path, "classification", new_head=True, num_labels=2)
        made = ft.train_classifier(model, xlmr_tokenizer, *reviews(160), **FAST)
        texts, labels = reviews(40, seed=1)
        found.append(ft.classify(made.model, xlmr_tokenizer, texts))
    assert np.array_equal(found[0].probabilities, found[1].probabilities)
    assert ft.accuracy(labels, found[0].labels).value > 0.9


def test_a_trained_head_is_not_drawn_again(fitted: ft.Fitted, tokenizer: Any) -> None:
    """Going on from a trained model starts where it ended."""
    more = ft.train_classifier(
        fitted.model, tokenizer, *reviews(32), **{**FAST, "epochs": 1, "learning_rate": 1e-6}
    )
    # The best checkpoint may be right everywhere and still unsure, so its loss tells little.
    before = fitted.model.state_dict()
    for name, weight in more.model.state_dict().items():
        assert torch.allclose(weight, before[name], atol=1e-4), name


def test_the_model_given_stays_as_it_was(tokenizer: Any) -> None:
    model = bert(tokenizer, 2)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    made = ft.train_classifier(model, tokenizer, *reviews(16), **FAST)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert model.config.id2label == {0: "LABEL_0", 1: "LABEL_1"}
    assert made.model is not model and not made.model.training
    assert all(parameter.grad is None for parameter in made.model.parameters())
    here = ft.train_classifier(model, tokenizer, *reviews(16), in_place=True, **FAST)
    assert here.model is model and model.config.id2label == {0: "bad", 1: "good"}
    assert torch.equal(here.model.classifier.weight, made.model.classifier.weight)


@pytest.mark.parametrize("frozen", [None, 0, 1])
def test_frozen_layers_stay_as_they_are(tokenizer: Any, frozen: int | None) -> None:
    model = bert(tokenizer, 2)
    before = {name: value.clone() for name, value in model.named_parameters()}
    made = ft.train_classifier(model, tokenizer, *reviews(32), frozen=frozen, **FAST)
    moved = {name for name, value in made.model.named_parameters() if (value != before[name]).any()}
    assert any("classifier" in name for name in moved)
    assert any(".embeddings." in name for name in moved) == (frozen is None)
    assert any(".layer.0." in name for name in moved) == (frozen != 1)
    assert all(value.requires_grad for value in made.model.parameters())  # for a second round


def test_only_a_stack_of_layers_can_be_frozen(tokenizer: Any) -> None:
    from types import SimpleNamespace

    model = bert(tokenizer, 2)
    for wrong in (-1, 2, 1.0, True):
        with pytest.raises(FineTuningError, match="choose 0"):
            ft.train_classifier(model, tokenizer, *reviews(8), frozen=wrong, **FAST)  # type: ignore[arg-type]
    other = SimpleNamespace(base_model=torch.nn.Linear(2, 2))
    with pytest.raises(FineTuningError, match="requires_grad"):
        ft._lowest(other, 0)


def test_the_random_state_of_the_process_is_left_alone(tokenizer: Any) -> None:
    def draw() -> tuple[float, float, float]:
        return random.random(), float(np.random.rand()), float(torch.rand(()))

    model = bert(tokenizer, 2)
    settings.seed_everything(5)
    expected = draw()
    settings.seed_everything(5)
    ft.train_classifier(model, tokenizer, *reviews(16), **FAST)
    assert draw() == expected
    settings.seed_everything(5)
    with pytest.raises(FineTuningError):
        ft.train_classifier(damaged(model), tokenizer, *reviews(16), **FAST)
    assert draw() == expected


def test_a_random_head_says_so_until_it_is_trained(tokenizer: Any, tmp_path: Path) -> None:
    bert(tokenizer, 2).base_model.save_pretrained(tmp_path)
    model = hub.model(tmp_path, "classification", new_head=True, num_labels=2)
    texts = reviews(3)[0]
    with pytest.warns(ft.UntrainedHeadWarning, match="classifier.* are random"):
        ft.classify(model, tokenizer, texts)
    made = ft.train_classifier(model, tokenizer, *reviews(16), **{**FAST, "epochs": 1})
    assert hub.untrained(made.model) == () and hub.untrained(model) != ()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ft.classify(made.model, tokenizer, texts)
    tagging = hub.model(tmp_path, "tagging", new_head=True, num_labels=2)
    with pytest.warns(ft.UntrainedHeadWarning):
        assert len(ft.tag(tagging, tokenizer, [["it", "was"]])[0]) == 2


def test_another_order_of_a_trained_head_is_refused(fitted: ft.Fitted, tokenizer: Any) -> None:
    with pytest.raises(FineTuningError, match=r"in the order \['bad', 'good'\]"):
        ft.train_classifier(fitted.model, tokenizer, *reviews(16), names=["good", "bad"], **FAST)


def test_a_trained_head_keeps_its_order_when_names_are_left_out(tokenizer: Any) -> None:
    options = {**FAST, "epochs": 1}
    model = bert(tokenizer, 2)
    first = ft.train_classifier(model, tokenizer, *reviews(16), names=["good", "bad"], **options)
    more = ft.train_classifier(first.model, tokenizer, *reviews(16), **options)
    assert list(more.model.config.id2label.values()) == ["good", "bad"]


# ── order, batches, length ───────────────────────────────────────────────────────────────


@pytest.mark.parametrize("size", [1, 3, 64])
def test_batches_keep_the_order(fitted: ft.Fitted, tokenizer: Any, size: int) -> None:
    texts = reviews(11, seed=4)[0]
    alone = np.concatenate(
        [ft.classify(fitted.model, tokenizer, [text]).probabilities for text in texts]
    )
    together = ft.classify(fitted.model, tokenizer, texts, batch_size=size).probabilities
    assert together == pytest.approx(alone, abs=1e-5)


def test_dropout_is_off_and_the_mode_is_kept(fitted: ft.Fitted, tokenizer: Any) -> None:
    texts = reviews(5)[0]
    expected = ft.classify(fitted.model, tokenizer, texts).probabilities
    fitted.model.train()
    try:
        assert np.array_equal(ft.classify(fitted.model, tokenizer, texts).probabilities, expected)
        assert fitted.model.training
    finally:
        fitted.model.eval()


def test_long_texts_are_cut_and_said_so(fitted: ft.Fitted, tokenizer: Any) -> None:
    long = "fine " + "the " * 30
    with pytest.warns(ft.TruncationWarning, match=r"1 of 2 texts .* 16 tokens .* has 33\b"):
        found = ft.classify(fitted.model, tokenizer, ["it was awful", long])
    same = ft.classify(fitted.model, tokenizer, ["fine " + "the " * 13])  # 14 words, 16 tokens
    assert found.probabilities[1] == pytest.approx(same.probabilities[0], abs=1e-6)
    with pytest.warns(ft.TruncationWarning, match="1 of 16"):
        texts, labels = reviews(16)
        ft.train_classifier(
            bert(tokenizer, 2), tokenizer, [long, *texts[1:]], labels, **{**FAST, "epochs": 1}
        )


# ── every word has its tag ───────────────────────────────────────────────────────────────


def test_the_first_piece_of_a_word_carries_its_tag(tokenizer: Any) -> None:
    model = bert(tokenizer, 2, tagging=True)
    words = ["we", "playing", "Ada", "plays", "."]
    (features,) = ft._tag_features(
        ft._windows(model, tokenizer, [words]), [np.array([0, 1, 0, 1, 0])]
    )
    assert tokenizer.convert_ids_to_tokens(features["input_ids"]) == (
        ["[CLS]", "we", "play", "##ing", "Ada", "play", "##s", ".", "[SEP]"]
    )
    assert features["labels"] == [-100, 0, 1, -100, 0, 1, -100, 0, -100]


def test_a_word_that_the_tokenizer_drops_has_a_tag(tagger: ft.Fitted, tokenizer: Any) -> None:
    words = ["we", NOTHING, "saw", "Ada", "Smith", "\t", "in", "Rome", ""]
    assert tokenizer.tokenize(NOTHING) == []
    gold = np.arange(len(words)) % 4
    (features,) = ft._tag_features(ft._windows(tagger.model, tokenizer, [words]), [gold])
    assert [label for label in features["labels"] if label != -100] == gold.tolist()
    (found,) = ft.tag(tagger.model, tokenizer, [words])
    assert len(found) == len(words) and found[3:5] == ["B-PER", "I-PER"] and found[7] == "B-LOC"
    assert [len(row) for row in ft.tag(tagger.model, tokenizer, [[NOTHING], [], [""]])] == [1, 0, 1]


def test_xlmr_frames_sentences_in_its_own_way(xlmr_tokenizer: Any) -> None:
    model = xlmr(xlmr_tokenizer, 3)
    (features,) = ft._tag_features(
        ft._windows(model, xlmr_tokenizer, [["Ada", "saw"]]), [np.array([2, 1])]
    )
    tokens = xlmr_tokenizer.convert_ids_to_tokens(features["input_ids"])
    assert tokens == ["<s>", "▁Ada", "▁saw", "</s>"] and features["labels"] == [-100, 2, 1, -100]
    # 18 positions of which it reads 16: two go to the special tokens
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(ft.tag(model, xlmr_tokenizer, [["the"] * 14])[0]) == 14
    with pytest.warns(ft.TruncationWarning, match="14 pieces"):
        assert len(ft.tag(model, xlmr_tokenizer, [["the"] * 15])[0]) == 15


def test_chinese_words_are_read_as_in_chinese_text() -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import XLMRobertaTokenizerFast

    entries = ["<s>", "<pad>", "</s>", "<unk>", "▁", "我", "们", "▁we", "▁我"]
    core = Tokenizer(models.Unigram([(e, -1.0) for e in entries], unk_id=3))
    core.pre_tokenizer = pre_tokenizers.Metaspace()
    split = XLMRobertaTokenizerFast(tokenizer_object=core)
    blank, one, many, we, joined = (entries.index(e) for e in entries[4:])

    found = ft._pieces(split, [["们", "们我", "we", "。"], ["们"], ["we", "我"]])
    # The first word keeps its blank, as the text does; a blank that is part of a piece stays.
    assert found == [[[blank, many], [many, one], [we], [3]], [[blank, many]], [[we], [joined]]]


def test_no_word_of_a_long_sentence_is_lost(tagger: ft.Fitted, tokenizer: Any) -> None:
    sentence = ["the", "film", "Ada", "Smith", "playing"] * 8  # 48 pieces, 14 fit
    with pytest.warns(ft.TruncationWarning, match=r"1 of 2 sentences .* 14 pieces .* has 48\)"):
        found = ft.tag(tagger.model, tokenizer, [["we", "saw", "Rome"], sentence])
    assert list(map(len, found)) == [3, 40] and found[0][2] == "B-LOC"
    assert found[1].count("B-PER") >= 7
    with pytest.warns(ft.TruncationWarning):
        parts = ft._windows(tagger.model, tokenizer, [sentence])
    assert all(len(part.ids) <= POSITIONS for part in parts)
    assert [i for part in parts for i in part.words] == list(range(40))
    apart = ft.tag(tagger.model, tokenizer, [[sentence[i] for i in p.words] for p in parts])
    assert [name for row in apart for name in row] == found[1]


def test_a_warning_points_at_the_line_that_called(fitted: ft.Fitted, tagger: ft.Fitted) -> None:
    long = "the " * 30
    options: dict[str, Any] = {**FAST, "epochs": 2}
    texts, labels = reviews(16)
    words, tags = news(16)
    dev = ([long.split()], [["B-LOC", *["O"] * 29]])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        ft.classify(fitted.model, fitted.tokenizer, [long])
        ft.tag(tagger.model, tagger.tokenizer, [long.split()])
        ft.train_classifier(
            fitted.model, fitted.tokenizer, [*texts, long], [*labels, "bad"], **options
        )
        ft.train_classifier(
            fitted.model, fitted.tokenizer, texts, labels, dev=([long], ["bad"]), **options
        )
        ft.train_tagger(tagger.model, tagger.tokenizer, words, tags, dev=dev, **options)
    assert [item.filename for item in caught] == [__file__] * 5  # once each, whatever the epochs
    assert {item.category for item in caught} == {ft.TruncationWarning}


def test_no_tag_of_a_long_sentence_is_lost_in_training(tokenizer: Any) -> None:
    model = bert(tokenizer, 50, tagging=True)
    words = ["the", "playing"] * 25
    with pytest.warns(ft.TruncationWarning, match="1 of 1 sentences"):
        features = ft._tag_features(ft._windows(model, tokenizer, [words]), [np.arange(50)])
    assert len(features) > 1
    labels = [label for part in features for label in part["labels"] if label != -100]
    assert labels == list(range(50))


def test_a_word_longer_than_the_model_reads(tagger: ft.Fitted, tokenizer: Any) -> None:
    monster = "play" + "ing" * 20
    assert len(tokenizer.tokenize(monster)) == 21
    with pytest.warns(ft.TruncationWarning):
        (found,) = ft.tag(tagger.model, tokenizer, [["saw", "Ada", monster, "Rome"]])
    assert len(found) == 4 and found[1] == "B-PER" and found[3] == "B-LOC"


def test_development_scores_are_those_of_whole_sentences(tagger: ft.Fitted, tokenizer: Any) -> None:
    """Cut sentences are put together again, and the order is that of the gold tags."""
    sentences, tags = news(12, seed=9)
    sentences.append([word for row in sentences[:6] for word in row])
    tags.append([name for row in tags[:6] for name in row])
    options = {**FAST, "epochs": 1, "learning_rate": 1e-6}
    with pytest.warns(ft.TruncationWarning):
        made = ft.train_tagger(tagger.model, tokenizer, *news(16), dev=(sentences, tags), **options)
        found = ft.tag(made.model, tokenizer, sentences)
    dev = made.history[-1]
    assert dev["dev_entity_f1"] == pytest.approx(ft.entity_f1(tags, found).value)
    assert dev["dev_accuracy"] == pytest.approx(ft.tag_accuracy(tags, found).value)


# ── what is refused, and how ─────────────────────────────────────────────────────────────


def damaged(model: Any) -> Any:
    from copy import deepcopy

    broken = deepcopy(model)
    with torch.no_grad():
        broken.classifier.weight[0, 0] = math.nan
    return broken


TEXTS, LABELS = reviews(4)


@pytest.mark.parametrize(
    ("texts", "labels", "message"),
    [
        ([], [], "there are no texts"),
        (TEXTS, LABELS[:3], "4 texts and 3 labels"),
        (TEXTS, ["good"] * 4, "all 4 labels are 'good'"),
        (TEXTS, ["good", "bad", "god", "bad"], "3 classes"),
        (TEXTS, ["good", "bad", math.nan, "bad"], r"labels\[2\] is missing"),
        (TEXTS, ["good", "bad", None, "bad"], r"labels\[2\] is missing"),
        (TEXTS, [0, 1, 2, 1], r"labels\[2\] is 2, and the classes count from 0 to 1"),
        (TEXTS, [0, 1, -1, 1], r"labels\[2\] is -1"),
        (TEXTS, [0, 1, 0.5, 1], r"labels\[2\] is 0.5 \(float\)"),
        (TEXTS, "good", "one text"),
        ("it was fine", LABELS, "one text"),
        ([*TEXTS[:3], math.nan], LABELS, r"texts\[3\] is missing"),
        ([*TEXTS[:3], None], LABELS, r"texts\[3\] is missing"),
        ([*TEXTS[:3], 7], LABELS, r"texts\[3\] is 7, no text"),
        ([*TEXTS[:3], " "], LABELS, r"texts\[3\] is empty"),
        ([*TEXTS[:3], ("a", "b")], LABELS, r"texts\[3\] is a pair"),
        ([("a", "b")] * 3 + ["a"], LABELS, r"texts\[3\] is no pair"),
        ([*TEXTS[:3], ("a", "b", "c")], LABELS, r"texts\[3\] has 3 parts"),
        ([*TEXTS[:3], ("a", math.nan)], LABELS, r"texts\[3\] is \('a', nan\), no text"),
    ],
)
def test_what_a_classifier_cannot_learn_from(
    tokenizer: Any, texts: Any, labels: Any, message: str
) -> None:
    with pytest.raises(FineTuningError, match=message) as caught:
        ft.train_classifier(bert(tokenizer, 2), tokenizer, texts, labels, **FAST)
    assert caught.value.remedy
    good = reviews(8)
    with pytest.raises(FineTuningError):  # the development set is looked at likewise, at once
        dev = (texts, [] if labels == ["good"] * 4 else labels)
        ft.train_classifier(bert(tokenizer, 2), tokenizer, *good, dev=dev, **FAST)


def test_unknown_labels_and_unfit_names(tokenizer: Any) -> None:
    def train(names: Any, labels: Any = LABELS) -> None:
        ft.train_classifier(bert(tokenizer, 2), tokenizer, TEXTS, labels, names=names, **FAST)

    with pytest.raises(FineTuningError, match=r"labels\[2\] is 'god'") as caught:
        train(["bad", "good"], ["good", "bad", "god", "bad"])
    assert "'good'" in caught.value.remedy
    with pytest.raises(FineTuningError, match="3 classes .* 2 outputs") as caught:
        train(CLASSES)
    assert "num_labels=3" in caught.value.remedy
    with pytest.raises(FineTuningError, match="2 classes .* 3 outputs") as caught:
        ft.train_classifier(bert(tokenizer, 3), tokenizer, TEXTS, LABELS, **FAST)
    assert "name all 3 in names" in caught.value.remedy
    for names in (["good", "good"], ["good", ""], ["good", 1], "good"):
        with pytest.raises(FineTuningError, match="names"):
            train(names)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("epochs", 0),
        ("epochs", 1.5),
        ("batch_size", 0),
        ("learning_rate", 0.0),
        ("learning_rate", math.nan),
        ("seed", -1),
        ("seed", "zero"),
    ],
)
def test_options_out_of_range(tokenizer: Any, option: str, value: Any) -> None:
    with pytest.raises(FineTuningError, match=option):
        ft.train_classifier(bert(tokenizer, 2), tokenizer, TEXTS, LABELS, **{**FAST, option: value})


@pytest.mark.parametrize(
    ("sentences", "tags", "message"),
    [
        ([], [], "there are no sentences"),
        ([["we"], ["it"]], [["O"]], "2 sentences and 1 lists"),
        ([["we", "saw"]], [["O"]], "2 words and 1 tags"),
        ([["we", "saw"]], [["O", "O"]], "all 2 labels are 'O'"),
        (["we saw"], [["O", "B-X"]], r"sentences\[0\] is 'we saw', no list of words"),
        ("we saw", [["O", "B-X"]], "one text"),
        ([["we", math.nan]], [["O", "B-X"]], r"sentences\[0\]\[1\] is nan"),
        ([["we", "saw"]], [["O", None]], r"tags\[0\]\[1\] is missing"),
        ([["we", "saw"]], ["OX"], "are one text"),
        ([["we", "saw"], []], [["O", "B-X"], []], r"sentences\[1\] has no words"),
        ([["we", "saw"]], [["O", "B-X"]], "2 classes .* 4 outputs"),
    ],
)
def test_what_a_tagger_cannot_learn_from(
    tokenizer: Any, sentences: Any, tags: Any, message: str
) -> None:
    model = bert(tokenizer, 4, tagging=True)
    names = ENTITY_TAGS if "all" in message else None
    with pytest.raises(FineTuningError, match=message) as caught:
        ft.train_tagger(model, tokenizer, sentences, tags, names=names, **FAST)
    assert caught.value.remedy


def test_nothing_to_classify_is_no_error(fitted: ft.Fitted, tagger: ft.Fitted) -> None:
    none = ft.classify(fitted.model, fitted.tokenizer, [])
    assert none.labels == () and none.probabilities.shape == (0, 2)
    assert ft.tag(tagger.model, tagger.tokenizer, []) == []
    with pytest.raises(FineTuningError, match=r"texts\[1\] is empty"):
        ft.classify(fitted.model, fitted.tokenizer, ["it", ""])
    with pytest.raises(FineTuningError, match="batch_size"):
        ft.classify(fitted.model, fitted.tokenizer, ["it"], batch_size=0)


def test_damaged_weights_are_noticed(fitted: ft.Fitted, tokenizer: Any) -> None:
    broken = damaged(fitted.model)
    with pytest.raises(FineTuningError, match="before anything was learned"):
        ft.train_classifier(broken, tokenizer, *reviews(16), **FAST)
    with pytest.raises(FineTuningError, match="not finite"):
        ft.classify(broken, tokenizer, ["it was fine"])


def test_a_loss_that_explodes_is_an_error(
    tokenizer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    options = {**FAST, "learning_rate": 1e38}
    with pytest.raises(FineTuningError, match=r"became (nan|inf) at step \d+") as caught:
        ft.train_classifier(bert(tokenizer, 2), tokenizer, *reviews(64), dev=reviews(8), **options)
    assert "lower learning_rate" in caught.value.remedy
    assert os.listdir(tmp_path) == []


# ── scores, counted by hand ──────────────────────────────────────────────────────────────

GOLD = ["a", "a", "a", "a", "b", "b", "c", "c"]
SAID = ["a", "a", "a", "b", "b", "a", "c", "a"]


def test_accuracy_and_macro_f1_by_hand() -> None:
    assert ft.accuracy(GOLD, SAID).value == 5 / 8
    f1 = {"a": 2 * 3 / (4 + 5), "b": 2 * 1 / (2 + 2), "c": 2 * 1 / (2 + 1)}
    found = ft.macro_f1(GOLD, SAID)
    assert found.value == pytest.approx(sum(f1.values()) / 3)
    assert 0 <= found.low < found.value < found.high <= 1
    assert ft.macro_f1(GOLD, SAID) == found
    # So few rows have few different resamples: one other seed may give the same ends.
    assert any(ft.macro_f1(GOLD, SAID, seed=seed) != found for seed in range(1, 9))


def test_macro_f1_is_that_of_scikit_learn() -> None:
    from sklearn.metrics import f1_score

    rng = random.Random(0)
    for k in (2, 3, 5):
        gold, said = rng.choices("abcde"[:k], k=40), rng.choices("abcdef"[: k + 1], k=40)
        expected = f1_score(gold, said, average="macro", zero_division=0)
        assert ft.macro_f1(gold, said).value == pytest.approx(expected)


def test_confusion_by_hand() -> None:
    table = ft.confusion(GOLD, SAID)
    assert table.to_numpy().tolist() == [[3, 1, 0], [1, 1, 0], [1, 0, 1]]
    assert list(table.index) == list(table.columns) == ["a", "b", "c"]
    assert (table.index.name, table.columns.name) == ("gold", "predicted")
    turned = ft.confusion(GOLD, SAID, names=["c", "b", "a", "d"])
    assert turned.loc["a", "b"] == 1 and turned.loc["d"].sum() == 0 and turned.iat[0, 2] == 1
    with pytest.raises(FineTuningError, match=r"gold\[6\] is 'c'"):
        ft.confusion(GOLD, SAID, names=["a", "b"])


ENTITIES = [
    # right; wrong type; one word too few; begins with I- (no entity in strict IOB2)
    (["B-PER", "I-PER", "O"], ["B-PER", "I-PER", "O"], 1, 1, 1),
    (["B-LOC", "O"], ["B-PER", "O"], 0, 1, 1),
    (["B-PER", "I-PER", "O"], ["B-PER", "O", "O"], 0, 1, 1),
    (["B-LOC", "O"], ["I-LOC", "O"], 0, 0, 1),
    # two neighbours taken for one; two types in one; nothing there; missed
    (["B-LOC", "B-LOC"], ["B-LOC", "I-LOC"], 0, 1, 2),
    (["B-PER", "I-PER"], ["B-PER", "I-LOC"], 0, 1, 1),
    (["O", "O"], ["O", "B-ORG"], 0, 1, 0),
    (["B-ORG", "I-ORG"], ["O", "O"], 0, 0, 1),
    (["O", "B-LOC", "O", "B-PER"], ["O", "B-LOC", "O", "B-PER"], 2, 2, 2),
]


@pytest.mark.parametrize(("gold", "said", "right", "found", "there"), ENTITIES)
def test_entities_by_hand(
    gold: list[str], said: list[str], right: int, found: int, there: int
) -> None:
    assert ft.entity_counts([gold], [said]).tolist() == [[right, found, there]]


def test_entity_f1_by_hand_and_by_seqeval() -> None:
    from seqeval.metrics import f1_score
    from seqeval.scheme import IOB2

    gold, said = [row[0] for row in ENTITIES], [row[1] for row in ENTITIES]
    right, found, there = (sum(row[i] for row in ENTITIES) for i in (2, 3, 4))
    score = ft.entity_f1(gold, said)
    assert score.value == pytest.approx(2 * right / (found + there)) == pytest.approx(6 / 18)
    assert 0 <= score.low < score.value < score.high <= 1
    assert score.value == pytest.approx(f1_score(gold, said, mode="strict", scheme=IOB2))


def test_entity_f1_is_that_of_seqeval_on_random_tags() -> None:
    from seqeval.metrics import f1_score
    from seqeval.scheme import IOB2

    rng = random.Random(0)
    for _ in range(20):
        gold = news(8, seed=rng.randrange(999))[1]
        said = [
            [name if rng.random() < 0.7 else rng.choice(ENTITY_TAGS) for name in row]
            for row in gold
        ]
        expected = f1_score(gold, said, mode="strict", scheme=IOB2)
        assert ft.entity_f1(gold, said, resamples=2).value == pytest.approx(expected)


def test_intervals_cover_what_they_say() -> None:
    """Of 200 samples of 100 sentences, about 95 % of the intervals hold the true value."""
    rng = np.random.default_rng(0)
    held = {"entity": 0, "words": 0, "macro": 0}
    for seed in range(200):
        hit = rng.random(100) < 0.6
        said = [["B-X", "O"] if h else ["O", "O"] for h in hit]
        gold = [["B-X", "O"]] * 100
        entity = ft.entity_f1(gold, said, seed=seed)
        words = ft.tag_accuracy(gold, said, seed=seed)
        macro = ft.macro_f1(
            ["a", "b"] * 50, ["ab"[i % 2 ^ (not h)] for i, h in enumerate(hit)], seed=seed
        )
        held["entity"] += entity.low <= 2 * 0.6 / 1.6 <= entity.high
        held["words"] += words.low <= 0.8 <= words.high
        held["macro"] += macro.low <= 0.6 <= macro.high
    assert all(175 <= count <= 199 for count in held.values()), held


def test_tag_accuracy_counts_words() -> None:
    gold, said = [["N"], ["N", "V", "N"]], [["V"], ["N", "V", "N"]]
    assert ft.tag_accuracy(gold, said).value == 3 / 4


@pytest.mark.parametrize(
    ("score", "gold", "said", "message"),
    [
        (ft.accuracy, [], [], "there are no gold labels"),
        (ft.accuracy, ["a"], ["a", "b"], "1 gold labels and 2 predictions"),
        (ft.accuracy, ["a", math.nan], ["a", "b"], r"gold\[1\] is nan"),
        (ft.macro_f1, ["a"], [None], r"predicted\[0\] is None"),
        (ft.macro_f1, ["a"], "a", "one text"),
        (ft.entity_f1, [], [], "there are no gold sentences"),
        (ft.entity_f1, [["O"]], [["O", "O"]], "sentence 0 has 1 gold tags and 2"),
        (ft.entity_f1, [["O"]], [["B-X"]], "no entity in the gold"),
        (ft.entity_f1, [["I-X", "O"]], [["O", "O"]], r"gold\[0\]\[0\] is 'I-X' after 'O'"),
        (ft.entity_f1, [["B-X", "I-Y"]], [["O", "O"]], "'I-Y' after 'B-X'"),
        (ft.entity_f1, [["NOUN"]], [["O"]], "no IOB2 tag"),
        (ft.entity_f1, ["O"], [["O"]], r"gold\[0\] is 'O', no list"),
        (ft.tag_accuracy, [[]], [[]], "no words"),
    ],
)
def test_what_cannot_be_scored(score: Any, gold: Any, said: Any, message: str) -> None:
    with pytest.raises(FineTuningError, match=message) as caught:
        score(gold, said)
    assert caught.value.remedy


@pytest.mark.parametrize("score", [ft.accuracy, ft.macro_f1])
def test_resamples_from_one(score: Any) -> None:
    with pytest.raises(FineTuningError, match="resamples"):
        score(GOLD, SAID, resamples=0)


# ── sizes ────────────────────────────────────────────────────────────────────────────────


def test_learning_rate_by_the_width_of_the_model(tokenizer: Any) -> None:
    model = bert(tokenizer, 2)
    assert ft._plan(model, 1, None, 1, 0, None).learning_rate == 5e-4
    model.config.hidden_size = 768
    assert ft._plan(model, 1, None, 1, 0, None).learning_rate == 2e-5
    assert ft._plan(model, 1, 1e-3, 1, 0, None).learning_rate == 1e-3
