"""The served classifier: trained heads only, nothing cut, order kept, confidence mended."""

from __future__ import annotations

import json
import pickle
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as tried
from hypothesis import strategies as st
from serving_parts import Told, core_tokenizer, noise

from xlhelpers import datasets, finetuning, hub, serving, settings
from xlhelpers.hub import HubError
from xlhelpers.serving import MultilingualClassifier, ServingError, batching, calibration

NAMES = ("bad", "good")
WORDS = ["fine", "awful", "the", "film", "was", "we"]
LONG = " ".join(["we"] * 30)


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return core_tokenizer(WORDS)


def counted(tokenizer: Any) -> Any:
    """A rule: the mean over the text's tokens of +1 for 'fine' and -1 for 'awful'."""
    fine, awful = tokenizer.convert_tokens_to_ids(["▁fine", "▁awful"])

    def rule(ids: list[int]) -> list[float]:
        inside = [i for i in ids if i > 2]
        mean = (inside.count(fine) - inside.count(awful)) / max(len(inside), 1)
        return [-4 * mean, 4 * mean]

    return rule


def served(tokenizer: Any, limit: int | None = None, **how: Any) -> MultilingualClassifier:
    return MultilingualClassifier.load(
        Told(counted(tokenizer), tokenizer, NAMES, limit=limit), **how
    )


@pytest.fixture(scope="module")
def nli() -> tuple[Any, Any]:
    settings.use(threads=1)
    return hub.model("NLI"), hub.tokenizer("NLI")


# ── what may be served ───────────────────────────────────────────────────────────────────


def test_an_untrained_head_is_refused_whoever_made_it(nli: tuple[Any, Any]) -> None:
    model, tokenizer = nli
    with pytest.raises(HubError, match="not trained"):
        MultilingualClassifier.load("InfoXLM")
    fresh = hub.with_head(model, "classification", NAMES)
    with pytest.raises(ServingError, match="never trained"):
        MultilingualClassifier.load((fresh, tokenizer))
    # As transformers makes it, without our door and without our mark.
    config = type(model.config)(**{**model.config.to_dict(), "num_hidden_layers": 1})
    config.id2label, config.label2id = dict(enumerate(NAMES)), {"bad": 0, "good": 1}
    plain = type(model)(config)
    assert not hub.untrained(plain)
    with pytest.raises(ServingError, match="never trained"):
        MultilingualClassifier.load((plain, tokenizer))
    # The same head after one step of training is another thing.
    with torch.no_grad():
        plain.classifier.out_proj.bias += torch.tensor([1e-3, -1e-3])
    assert MultilingualClassifier.load((plain, tokenizer)).names == NAMES


def test_labels_come_from_the_configuration_and_need_a_name(nli: tuple[Any, Any]) -> None:
    model, tokenizer = nli
    before = model.config.id2label
    try:
        model.config.id2label = {i: f"LABEL_{i}" for i in range(3)}
        with pytest.raises(ServingError, match="meaning is not known"):
            MultilingualClassifier.load((model, tokenizer))
        named = MultilingualClassifier.load((model, tokenizer), names=["a", "b", "c"])
        assert named.names == ("a", "b", "c")
    finally:
        model.config.id2label = before
    with pytest.raises(ServingError, match="in this order"):
        MultilingualClassifier.load((model, tokenizer), names=["contradiction", "neutral", "x"])


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"num_labels": 1}, "no classes"),
        ({"num_labels": 3, "problem_type": "multi_label_classification"}, "multi_label"),
    ],
)
def test_outputs_that_are_no_classes_are_refused(config: dict[str, Any], said: str) -> None:
    from transformers import BertConfig

    with pytest.raises(ServingError, match=said):
        serving.backends.names_of(BertConfig(**config))


def test_what_is_no_classifier_is_refused(nli: tuple[Any, Any], tokenizer: Any) -> None:
    model, own = nli
    for what, said in [
        (3, "no trained model"),
        ((model.base_model, own), "ForSequenceClassification"),
        (Told(len, tokenizer, NAMES, task="tagging"), "tagging"),
    ]:
        with pytest.raises(ServingError, match=said):
            MultilingualClassifier.load(what)


# ── the shipped model: the same as finetuning says, for all languages together ───────────


def test_answers_are_those_of_the_model(nli: tuple[Any, Any]) -> None:
    model, tokenizer = nli
    rows = {code: datasets.nli(code, "test")[:12] for code in ("en", "ar", "zh")}
    texts = [pair for table in rows.values() for pair in table.pairs]
    codes = [code for code, table in rows.items() for _ in table.pairs]
    classifier = MultilingualClassifier.load((model, tokenizer), budget=256)
    answers = classifier.classify(texts, codes)
    expected = finetuning.classify(model, tokenizer, texts)
    assert [answer.label for answer in answers] == list(expected.labels)
    said = np.array([list(answer.probabilities.values()) for answer in answers])
    assert np.abs(said - expected.probabilities).max() < 1e-4
    assert [answer.index for answer in answers] == list(range(36))
    assert [answer.language for answer in answers] == codes
    assert classifier.padding.texts == 36 and classifier.padding.share < 0.2


def test_an_answer_is_json_and_travels_between_processes(nli: tuple[Any, Any]) -> None:
    classifier = MultilingualClassifier.load(nli)
    [answer] = classifier.classify([("A dog runs.", "An animal moves.")], ["en"])
    found = json.loads(json.dumps(answer.json(), allow_nan=False))
    assert found["label"] == answer.label in classifier.names
    assert type(answer.confidence) is float and found["confidence"] == answer.confidence
    assert sum(found["probabilities"].values()) == pytest.approx(1)
    assert len(found["model_hash"]) == 64 and "dog" not in json.dumps(found)
    assert pickle.loads(pickle.dumps(answer)) == answer
    weights = sum(parameter.nbytes for parameter in nli[0].parameters())
    assert weights <= classifier.memory_bytes < 1.1 * weights


def test_the_hash_knows_one_changed_weight(nli: tuple[Any, Any]) -> None:
    model, tokenizer = nli
    one = MultilingualClassifier.load(nli).model_hash
    weight = model.classifier.out_proj.weight
    before = weight[0, 0].item()
    try:
        with torch.no_grad():
            weight[0, 0] += 0.5
        assert MultilingualClassifier.load(nli).model_hash != one
    finally:
        with torch.no_grad():
            weight[0, 0] = before
    assert MultilingualClassifier.load(nli).model_hash == one


def test_512_chinese_characters_are_read_whole(nli: tuple[Any, Any]) -> None:
    classifier = MultilingualClassifier.load(nli)
    [answer] = classifier.classify(["我喜欢这个产品" * 80], ["zh"])
    assert answer.tokens > 128 and answer.windows > 1


# ── long texts ───────────────────────────────────────────────────────────────────────────


def read_by(backend: Told) -> list[list[int]]:
    return [row for batch in backend.batches for row in batch]


@tried(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(WORDS), min_size=1, max_size=60), st.integers(0, 5))
def test_windows_hold_every_token_and_count_it_once(words: list[str], stride: int) -> None:
    known = _known()
    backend = Told(counted(known), known, NAMES, limit=12)
    classifier = MultilingualClassifier.load(backend, stride=stride)
    [answer] = classifier.classify([" ".join(words)])
    whole = known(" ".join(words), add_special_tokens=False)["input_ids"]
    assert answer.tokens == len(whole) + 2
    rows = [row[1:-1] for row in read_by(backend)]
    rows.sort(key=lambda row: _place(row, whole))
    if answer.windows == 1:
        assert rows == [whole]
        return
    assert all(len(row) <= 10 for row in rows) and answer.windows == len(rows)
    spread = range(0, len(whole) - stride, 10 - stride)
    expected = [whole[start : start + 10] for start in spread]
    assert sorted(rows) == sorted(expected)
    new = [len(expected[0]), *(len(part) - stride for part in expected[1:])]
    assert sum(new) == len(whole)
    rule = counted(known)
    logits = np.average([rule(part) for part in expected], axis=0, weights=new)
    assert list(answer.probabilities.values()) == pytest.approx(
        list(calibration.probabilities(logits)), abs=1e-5
    )


_shared: list[Any] = []


def _known() -> Any:
    if not _shared:
        _shared.append(core_tokenizer(WORDS))
    return _shared[0]


def _place(part: list[int], whole: list[int]) -> int:
    return next(i for i in range(len(whole)) if whole[i : i + len(part)] == part)


def test_of_a_pair_the_longer_side_is_divided(tokenizer: Any) -> None:
    for pair in [(LONG, "fine"), ("fine", LONG)]:
        backend = Told(counted(tokenizer), tokenizer, NAMES, limit=16)
        [answer] = MultilingualClassifier.load(backend).classify([pair])
        fine = tokenizer.convert_tokens_to_ids("▁fine")
        assert answer.windows > 1 and all(fine in row for row in read_by(backend))
        assert answer.label == "good"
    both = served(tokenizer, limit=16).attempt([(LONG, LONG), ("fine", "fine")])
    assert isinstance(both[0], ServingError) and "30 and 30 tokens" in both[0].problem
    assert both[1].label == "good"


@pytest.mark.parametrize("how", [{"window": 5}, {"window": 17}, {"stride": 12}, {"stride": -1}])
def test_windows_that_cannot_be_are_refused(tokenizer: Any, how: dict[str, Any]) -> None:
    with pytest.raises(ServingError, match="window is|stride is"):
        served(tokenizer, limit=16, **how)


# ── what is asked ────────────────────────────────────────────────────────────────────────

BAD = ["", " \n\t", "\u200b\u2060", None, 3, b"fine", "\ud800", "fine\udfff", ("fine", ""),
       ("a", "b", "c"), "x" * 100_001]  # fmt: skip


def test_one_bad_text_does_not_cost_the_others(tokenizer: Any) -> None:
    classifier = served(tokenizer)
    mixed = [text for bad in BAD for text in (bad, "fine")]
    said = classifier.attempt(mixed)
    assert all(isinstance(one, ServingError) for one in said[::2])
    assert [one.label for one in said[1::2]] == ["good"] * len(BAD)
    assert [one.index for one in said[1::2]] == list(range(1, len(mixed), 2))
    for bad in BAD:
        with pytest.raises(ServingError, match="text 1"):
            classifier.classify(["fine", bad])


def test_errors_do_not_repeat_the_text(tokenizer: Any) -> None:
    secret = "card 4111 1111 1111 1111"
    classifier = served(tokenizer, max_characters=10)
    for said in classifier.attempt([secret, (secret, secret), [secret]], [None] * 3):
        assert isinstance(said, ServingError) and "4111" not in str(said)


def test_languages_are_one_a_text_and_those_served(tokenizer: Any) -> None:
    classifier = served(tokenizer, serves=["en", "de"])
    assert classifier.classify(["fine", "fine"], ["en", None])[0].language == "en"
    for languages, said in [
        (["ko"], "'ko' is not served"),
        ([7], "no code"),
        (["e"], "no code"),
        (["x" * 40], "no code"),
        (["en", "de"], "1 texts and 2 languages"),
        ("en", "one text"),
    ]:
        with pytest.raises(ServingError, match=said):
            classifier.classify(["fine"], languages)  # type: ignore[arg-type]
    for ask in (classifier.classify, classifier.logits):
        with pytest.raises(ServingError, match="texts is one text"):
            ask("fine")
    assert classifier.classify([]) == []


@tried(max_examples=40, deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=30), max_size=12))
def test_any_texts_are_answered_in_order_as_if_alone(texts: list[str]) -> None:
    known = _known()
    backend = Told(lambda ids: noise(ids, 3), known, "abc", limit=10)
    together = MultilingualClassifier.load(backend, budget=24).attempt(texts)
    for i, (text, said) in enumerate(zip(texts, together, strict=True)):
        [alone] = MultilingualClassifier.load(backend).attempt([text])
        if isinstance(said, ServingError):
            assert isinstance(alone, ServingError)
        else:
            assert said.json() == {**alone.json(), "index": i}


# ── kept answers, and threads ────────────────────────────────────────────────────────────


def test_each_distinct_text_is_computed_once(tokenizer: Any) -> None:
    backend = Told(counted(tokenizer), tokenizer, NAMES)
    classifier = MultilingualClassifier.load(backend, cache=2)
    answers = classifier.classify(["fine", "awful", "fine"], ["en", "en", "de"])
    assert [a.label for a in answers] == ["good", "bad", "good"]
    assert len(read_by(backend)) == 2 and answers[2].language == "de"
    classifier.classify(["fine"])
    assert len(read_by(backend)) == 2 and classifier.cache.hits == 1
    classifier.classify(["the film", "was"])  # room for two: the others had to go
    classifier.classify(["was", "awful"])
    assert len(read_by(backend)) == 5 and len(classifier.cache) == 2
    # A pair is not the text that its sides make.
    assert classifier.classify([("fine", "awful"), ("fine awful")])[0].tokens == 6
    without = MultilingualClassifier.load(backend)
    without.classify(["fine"])
    without.classify(["fine"])
    assert len(without.cache) == 0 and without.cache.hits == 0


def test_a_kept_answer_is_judged_by_the_calibration_of_now(tokenizer: Any) -> None:
    classifier = served(tokenizer, cache=8)
    [before] = classifier.classify(["fine"], ["de"])
    classifier.calibration = calibration.Calibration({"de": 4.0}, threshold=0.95)
    [after] = classifier.classify(["fine"], ["de"])
    assert after.confidence == pytest.approx(1 / (1 + np.exp(-8 / 4)), abs=1e-6)
    assert before.confidence > after.confidence and after.below_threshold
    assert not before.below_threshold


class Guarded:
    """A tokenizer that notices when two threads are in it at once."""

    def __init__(self, inner: Any) -> None:
        self.inner, self.inside, self.met = inner, 0, False

    def __call__(self, *texts: Any, **how: Any) -> Any:
        self.inside += 1
        self.met |= self.inside > 1
        time.sleep(1e-3)  # any other thread's turn
        made = self.inner(*texts, **how)
        self.met |= self.inside > 1
        self.inside -= 1
        return made

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


def test_threads_do_not_mix_answers_or_lengths(tokenizer: Any) -> None:
    """A fast tokenizer keeps "cut here" as state: a short text may undo it for a long one."""
    guarded = Guarded(tokenizer)
    backend = Told(counted(tokenizer), guarded, NAMES, limit=12)
    classifier = MultilingualClassifier.load(backend)
    texts = {"good": " ".join(["fine"] * 40), "bad": "awful", "good ": "fine"}
    wrong: list[str] = []

    def ask(label: str, text: str) -> None:
        for _ in range(10):
            [answer] = classifier.classify([text])
            if answer.label != label.strip() or answer.tokens != 2 + len(text.split()):
                wrong.append(f"{label}: {answer}")

    threads = [threading.Thread(target=ask, args=item) for item in texts.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # Five windows of the long text and one of each short one, ten times.
    assert wrong == [] and classifier.padding.texts == 10 * 7
    assert not guarded.met


# ── calibration ──────────────────────────────────────────────────────────────────────────


def drawn(n: int, scale: float, seed: int) -> tuple[Any, Any]:
    """Logits whose probabilities are true at `scale` 1, and are too sure above."""
    rng = np.random.default_rng(seed)
    honest = rng.normal(size=(n, 3)) * 1.5
    chances = calibration.probabilities(honest)
    gold = (rng.random((n, 1)) > chances.cumsum(axis=1)).sum(axis=1).clip(0, 2)
    return honest * scale, gold


def test_the_error_by_hand() -> None:
    sure = [0.95, 0.95, 0.55, 0.6]
    right = [True, False, True, True]
    # Two bins of five: (0.5, 0.6] has 0.575 against 1, (0.9, 1] has 0.95 against 0.5.
    expected = 0.5 * (1 - 0.575) + 0.5 * (0.95 - 0.5)
    assert calibration.calibration_error(sure, right, bins=10) == pytest.approx(expected)
    assert calibration.calibration_error([1.0, 1.0], [1, 1]) == 0
    for wrong in ([], [1.5], [[0.5]]):
        with pytest.raises(ServingError):
            calibration.calibration_error(wrong, [True] * len(wrong))


@pytest.mark.parametrize("scale", [0.5, 1.0, 3.0])
def test_the_temperature_that_was_planted_is_found(scale: float) -> None:
    logits, gold = drawn(4000, scale, seed=1)
    found = calibration.reliability(logits, gold)
    assert found.temperature == pytest.approx(scale, rel=0.1)
    assert found.ece_after < 0.03 and found.loss_after <= found.loss_before + 1e-3
    if scale != 1:
        assert found.ece_before > 2 * found.ece_after


def test_texts_that_are_all_right_do_not_make_the_model_certain() -> None:
    logits = np.array([[2.0, 0.0], [0.0, 2.0]] * 5)
    found = calibration.fit_temperature(logits, [0, 1] * 5)
    assert calibration.COLDEST * 2 < found < 2
    assert calibration.probabilities(logits / found).max() < 0.99


def test_languages_have_their_own_where_there_are_texts_enough() -> None:
    sure, gold = drawn(600, 4.0, seed=2)
    fair, more = drawn(600, 1.0, seed=3)
    made = calibration.fit(
        np.concatenate([sure, fair, fair[:20]]),
        np.concatenate([gold, more, more[:20]]),
        ["de"] * 600 + ["en"] * 600 + ["yo"] * 20,
        accuracy=0.9,
    )
    assert set(made.temperatures) == {"de", "en"}
    assert made.temperature_of("de") > 2 * made.temperature_of("en")
    assert made.temperature_of("yo") == made.temperature == made.temperature_of(None)
    assert [row.language for row in made.report] == ["de", "en", None]
    assert list(made.frame()["language"]) == ["de", "en", "all"]
    # Above its threshold a language is right as often as was asked for.
    said = calibration.probabilities(sure, made.temperature_of("de"))
    above = said.max(axis=1) >= made.threshold_of("de")
    assert (said.argmax(axis=1) == gold)[above].mean() >= 0.9 and 0 < above.mean() < 1


@tried(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([0.3, 0.5, 0.7, 0.9]), st.booleans()), min_size=1),
       st.sampled_from([0.0, 0.5, 0.8, 1.0]))  # fmt: skip
def test_a_threshold_is_the_lowest_that_keeps_the_promise(
    rows: list[tuple[float, bool]], accuracy: float
) -> None:
    sure, right = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    found = calibration.threshold_for(sure, right, accuracy)
    kept = right[sure >= found]
    assert not kept.size or kept.mean() >= accuracy
    for lower in set(sure.tolist()):
        if lower < found:
            assert right[sure >= lower].mean() < accuracy


def test_a_served_model_is_calibrated_saved_and_used(tokenizer: Any, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    texts = ["fine film"] * 150 + ["awful film"] * 150
    labels = [str(rng.choice(NAMES, p=[0.3, 0.7])) for _ in range(150)]
    labels += [str(rng.choice(NAMES, p=[0.7, 0.3])) for _ in range(150)]
    classifier = served(tokenizer)
    before = classifier.classify(["fine film"], ["en"])[0].confidence
    classifier.set_thresholds({"en": 0.9})
    made = classifier.calibrate(texts, labels, ["en"] * 300)
    after = classifier.classify(["fine film"], ["en"])[0]
    assert before > 0.95 and after.confidence == pytest.approx(0.7, abs=0.06)
    assert after.below_threshold and made.threshold_of("en") == 0.9
    assert made.report[0].ece_before > 0.2 > 2 * made.report[0].ece_after
    made.save(tmp_path / "calibration.json")
    again = served(tokenizer, calibration=tmp_path / "calibration.json")
    assert again.calibration == made
    assert again.classify(["fine film"], ["en"])[0] == after
    other = Told(counted(tokenizer), tokenizer, NAMES, model_hash="cd" * 32)
    with pytest.raises(ServingError, match="fitted for the model"):
        MultilingualClassifier.load(other, calibration=made)
    with pytest.raises(ServingError, match=r"labels\[0\]"):
        classifier.calibrate(["fine"], ["superb"])


def test_what_is_no_calibration_is_refused(tmp_path: Path) -> None:
    for text in ["", "[]", "{}", '{"format": "xlhelpers calibration 1"}', "[" * 10]:
        (tmp_path / "c.json").write_text(text)
        with pytest.raises(ServingError, match="no calibration"):
            calibration.Calibration.read(tmp_path / "c.json")
    for how in [{"temperature": 0.0}, {"threshold": 1.5}, {"temperatures": {"de": float("nan")}}]:
        with pytest.raises(ServingError):
            calibration.Calibration(**how)  # type: ignore[arg-type]


# ── batches ──────────────────────────────────────────────────────────────────────────────


@given(st.lists(st.integers(1, 60), max_size=40), st.integers(1, 200))
def test_batches_hold_every_text_once_within_the_budget(lengths: list[int], budget: int) -> None:
    made = batching.by_tokens(lengths, budget)
    assert sorted(row for rows in made for row in rows) == list(range(len(lengths)))
    for rows in made:
        assert len(rows) == 1 or len(rows) * max(lengths[row] for row in rows) <= budget


def test_padding_by_hand_and_by_division() -> None:
    lengths = [2, 8, 2, 8]
    mixed = batching.padding(lengths, batching.in_order(4, 2))
    assert (mixed.tokens, mixed.slots, mixed.share) == (20, 32, 0.375)
    assert batching.padding(lengths, batching.by_tokens(lengths, 16)).share == 0
    assert batching.padding(lengths, batching.in_order(4, 2), width=10).slots == 40
    # Two languages with texts of like length: grouping by language leaves the padding.
    assert batching.padding(lengths, batching.by_group(["en", "en", "de", "de"], 2)) == mixed
    assert batching.padding([], []).share == 0
    assert (mixed + mixed).tokens == 40
    with pytest.raises(ServingError, match="width"):
        batching.padding(lengths, batching.in_order(4, 2), width=4)
    for wrong in (0, 1.5, True):
        with pytest.raises(ServingError):
            batching.by_tokens(lengths, wrong)  # type: ignore[arg-type]
    with pytest.raises(ServingError, match="text 1 has 0 tokens"):
        batching.by_tokens([1, 0])


def test_the_package_says_what_it_has() -> None:
    assert serving.MultilingualClassifier is MultilingualClassifier
    assert "batching" in dir(serving)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = serving.nothing
