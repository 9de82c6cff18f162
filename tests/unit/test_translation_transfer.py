"""Translation in transfer: labels that travel, rows that stay together, ways compared."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import tongues
from tongues import BAD, ENDINGS, FAMILIES, FILL, GOOD, PEOPLE

from xlhelpers import datasets, finetuning, settings, transfer
from xlhelpers.datasets import Labelled, Pairs, Tagged
from xlhelpers.encoding import TruncationWarning
from xlhelpers.transfer import Task, Training
from xlhelpers.translation import (
    APPROACHES,
    TranslationError,
    TranslationWarning,
    align_sentences,
    align_words,
    approaches,
    compare,
    costs,
    group_folds,
    group_split,
    project_labels,
    projection_error,
    tables,
    translate_table,
    translate_tagged,
    translate_test,
    translate_train,
    words,
)

CODES = ("en", "de", "sw")
EVERY = [*GOOD, *BAD, *FILL, *PEOPLE, *FAMILIES]
SIZES = {"train": 80, "dev": 20, "test": 60}
QUICK = Training(epochs=10, batch_size=8, learning_rate=5e-3, frozen=0)


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return tongues.tokenizer_of(EVERY, CODES)


@pytest.fixture(scope="module")
def encoder(tokenizer: Any) -> Any:
    return tongues.encoder_of(tokenizer)


@pytest.fixture(scope="module")
def aligned(tokenizer: Any) -> Any:
    return tongues.aligned_encoder_of(tokenizer, EVERY, CODES)


class Tongues:
    """Translates word by word, and may forget some words or say nothing."""

    def __init__(self, source: str, target: str, lost: Sequence[str] = (), turned: bool = False):
        self.source, self.target, self.lost, self.turned = source, target, set(lost), turned
        self.calls: list[int] = []

    def translate(self, texts: Sequence[str], progress: bool = False) -> list[str]:
        self.calls.append(len(texts))
        old, new = ENDINGS[self.source], ENDINGS[self.target]
        said = []
        for text in texts:
            stems = [word[: len(word) - len(old)] for word in text.split()]
            kept = [stem + new for stem in stems if stem not in self.lost]
            said.append(" ".join(kept[::-1] if self.turned else kept))
        return said


def rows_of(language: str, split: str) -> Labelled:
    return tongues.reviews(language, split, SIZES[split], ("bad", "good"))


def named(language: str, split: str) -> Tagged:
    return tongues.people(language, split, SIZES[split], PEOPLE, FAMILIES)


REVIEWS = Task("reviews", rows_of, "accuracy", lambda: CODES)
NAMES = Task("names", named, "entity_f1", lambda: CODES)
# Guessing one of two, 60 times: a half, and four standard errors on.
BEYOND_CHANCE = 0.5 + 4 * (0.25 / SIZES["test"]) ** 0.5
BOTH_WAYS = [("en", "de"), ("de", "en"), ("en", "sw"), ("sw", "en")]


@pytest.fixture
def there_and_back() -> dict[tuple[str, str], Tongues]:
    return {pair: Tongues(*pair) for pair in BOTH_WAYS}


# ── tables ───────────────────────────────────────────────────────────────────────────────


def test_a_translated_table_has_the_same_rows() -> None:
    table = rows_of("en", "test")
    made = translate_table(table, Tongues("en", "de"))
    assert made.texts == rows_of("de", "test").texts
    assert (made.ids, made.labels, made.language) == (table.ids, table.labels, "de")
    assert made.source == "test, translated"


def test_both_sides_of_pairs_are_translated_at_once() -> None:
    table = Pairs(
        ids=("a", "b"), names=("yes", "no"), held=("", ""), language="en", source="pairs",
        premises=("the film", "we saw"), hypotheses=("it was", "the film"), labels=("yes", "no"),
    )  # fmt: skip
    there = Tongues("en", "de")
    made = translate_table(table, there)
    assert made.pairs == [("theda filmda", "itda wasda"), ("weda sawda", "theda filmda")]
    assert there.calls == [4] and made.labels == table.labels


def test_a_text_that_comes_out_empty_stands_and_is_said() -> None:
    table = rows_of("en", "dev")[:3]
    table = replace(table, texts=("the film", "lovely", "it was"))
    with pytest.warns(TranslationWarning, match="1 of 3 texts came out empty.*'lovely'"):
        made = translate_table(table, Tongues("en", "de", lost=["lovely"]))
    assert made.texts == ("theda filmda", "lovely", "itda wasda")


def test_what_cannot_be_translated() -> None:
    with pytest.raises(TranslationError, match="rows are in 'de' and the translator reads 'en'"):
        translate_table(rows_of("de", "dev"), Tongues("en", "sw"))
    with pytest.raises(TranslationError, match=r"(?s)Tagged table.*translate_tagged"):
        translate_table(named("en", "dev"), Tongues("en", "de"))
    short = Tongues("en", "de")
    short.translate = lambda texts, progress=False: ["x"]  # type: ignore[method-assign]
    with pytest.raises(TranslationError, match="20 texts came back as 1"):
        translate_table(rows_of("en", "dev"), short)


def test_translate_train_drops_no_row() -> None:
    table = rows_of("en", "train")
    several = [Tongues("en", "de"), Tongues("en", "sw")]
    [one] = translate_train(table, several[0])
    assert one.language == "de" and one.ids == table.ids
    made = translate_train(table, several, with_source=True)
    assert [rows.language for rows in made] == ["en", "de", "sw"]
    # What the article's data set does not: as many labels as texts, each with its own.
    assert sum(map(len, made)) == 3 * len(table)
    assert all(rows.labels == table.labels for rows in made)  # type: ignore[attr-defined]
    with pytest.raises(TranslationError, match="name each language once"):
        translate_train(table, [several[0], several[0]])
    with pytest.raises(TranslationError, match="name each language once"):
        translate_train(table, [])


def test_groups_never_straddle() -> None:
    ids = [f"s-{i}{copy}" for copy in ("", "", "+1", "+2") for i in range(25)]
    train, test = group_split(ids, 0.2, seed=3)
    assert sorted([*train, *test]) == list(range(100)) and len(test) == 20
    groups = [tables.group_of(id_) for id_ in ids]
    assert not {groups[i] for i in train} & {groups[i] for i in test}
    again, other = group_split(ids, 0.2, seed=3), group_split(ids, 0.2, seed=4)
    assert np.array_equal(again[1], test) and not np.array_equal(other[1], test)
    tested: list[int] = []
    for left, right in group_folds(ids, 5, seed=1):
        assert not {groups[i] for i in left} & {groups[i] for i in right}
        tested += right.tolist()
    assert sorted(tested) == list(range(100))
    # By row, as one would without thinking, a sentence is nearly always on both sides.
    drawn = np.random.default_rng(0).permutation(100)
    assert len({groups[i] for i in drawn[:80]} & {groups[i] for i in drawn[80:]}) > 10


@pytest.mark.parametrize(
    ("how", "match"),
    [
        ({"ids": "s-1"}, "ids is the text"),
        ({"ids": ["a", "a+1"]}, "2 rows make 1 group"),
        ({"ids": []}, "0 rows make 0 group"),
        ({"ids": ["a", "b"], "test": 1.5}, "test is 1.5"),
        ({"ids": ["a", "b"], "test": 0.999}, "leaves one side empty"),
    ],
)
def test_splits_that_cannot_be(how: dict[str, Any], match: str) -> None:
    with pytest.raises(TranslationError, match=match):
        group_split(**how)


def test_folds_that_cannot_be() -> None:
    for folds in (1, 4):
        with pytest.raises(TranslationError, match=f"{folds} folds of 3 groups"):
            list(group_folds(["a", "b", "c", "c+1"], folds))


# ── words ────────────────────────────────────────────────────────────────────────────────


def test_words_find_their_translations(aligned: Any, tokenizer: Any) -> None:
    source = ["we", "saw", "Ada", "today"]
    target = ["todayda", "Adada", "weda", "sawda"]
    for method in ("mutual", "itermax", "grow"):
        found = align_words(source, target, aligned, tokenizer, layer=0, method=method)
        assert found == [(0, 2), (1, 3), (2, 1), (3, 0)]
    many = align_sentences([source, [], ["film"]], [target, ["x"], ["filmda"]], aligned, tokenizer)
    assert many[0] == align_words(source, target, aligned, tokenizer, layer=1)  # 2/3 of 1 layer
    assert many[1:] == [[], [(0, 0)]]
    assert align_words(source, [], aligned, tokenizer) == []


def test_words_in_several_pieces_are_one_word(aligned: Any) -> None:
    from transformers import BertTokenizer

    entries = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "ab", "##cd", "ef", "xy"]
    cutter = BertTokenizer(vocab={e: i for i, e in enumerate(entries)}, do_lower_case=False)
    assert align_words(["abcd", "ef"], ["ef", "abcd"], aligned, cutter, layer=0) == [(0, 1), (1, 0)]


def test_mutual_and_itermax() -> None:
    similarity = np.array([[0.9, 0.8, 0.1], [0.2, 0.7, 0.3], [0.85, 0.1, 0.2]])
    assert np.argwhere(words._mutual(similarity)).tolist() == [[0, 0]]
    # Row 1 and column 1 are free in the second round, once row 0 counts for less.
    found = np.argwhere(words._itermax(similarity)).tolist()
    assert [0, 0] in found and [1, 1] in found and len(found) > 1


def test_one_word_grows_over_several_characters() -> None:
    # One word against three characters: each other method finds one of them.
    similarity = np.array([[0.9, 0.8, 0.7, 0.1], [0.1, 0.2, 0.1, 0.6]])
    assert np.argwhere(words._mutual(similarity)).tolist() == [[0, 0], [1, 3]]
    assert np.argwhere(words._grown(similarity)).tolist() == [[0, 0], [0, 1], [0, 2], [1, 3]]
    # What touches nothing that is sure stays out.
    apart = np.array([[0.9, 0.1, 0.1], [0.1, 0.9, 0.1], [0.1, 0.1, 0.9], [0.8, 0.1, 0.2]])
    assert np.argwhere(words._grown(apart)).tolist() == [[0, 0], [1, 1], [2, 2]]


def test_what_cannot_be_aligned(aligned: Any, tokenizer: Any) -> None:
    with pytest.raises(TranslationError, match=r"(?s)no layer 9.*0 \(embeddings\) to 1"):
        align_words(["we"], ["weda"], aligned, tokenizer, layer=9)
    with pytest.raises(TranslationError, match="no method 'best'"):
        align_words(["we"], ["weda"], aligned, tokenizer, method="best")  # type: ignore[arg-type]
    with pytest.raises(TranslationError, match="2 sentences and 1 translations"):
        align_sentences([["a"], ["b"]], [["a"]], aligned, tokenizer)
    with pytest.raises(finetuning.FineTuningError, match="no word"):
        align_words(["we", None], ["weda"], aligned, tokenizer)  # type: ignore[list-item]
    with pytest.warns(TruncationWarning, match="1 of 1 sentences have more than the 22 pieces"):
        assert align_words(["film"] * 30, ["filmda"], aligned, tokenizer)


@pytest.mark.parametrize(
    ("tags", "alignment", "length", "expected"),
    [
        ("O B-PER I-PER O", [(1, 0), (2, 1), (0, 2)], 4, "B-PER I-PER O O"),
        ("B-PER I-PER", [(0, 1), (1, 0)], 2, "B-PER I-PER"),  # turned round, still valid
        ("B-PER I-PER", [(0, 0), (1, 2)], 4, "B-PER I-PER I-PER O"),  # a word between is taken in
        ("B-PER I-PER I-PER", [(0, 0), (1, 5), (2, 6)], 7, "O O O O O B-PER I-PER"),
        ("B-PER B-PER", [(0, 0), (1, 1)], 2, "B-PER B-PER"),  # two names side by side
        ("B-PER O B-LOC", [(0, 0)], 2, "B-PER O"),  # Lima is lost
        ("B-PER B-LOC I-LOC", [(0, 0), (1, 0), (2, 1)], 2, "B-LOC I-LOC"),  # the longer one
        ("O O", [(0, 0)], 1, "O"),
        ("B-PER", [], 3, "O O O"),
        ("", [], 2, "O O"),
    ],
)
def test_labels_go_where_their_words_went(
    tags: str, alignment: list[tuple[int, int]], length: int, expected: str
) -> None:
    found = project_labels(tags.split(), alignment, length)
    assert found == expected.split() and len(found) == length
    words.names(found)  # valid IOB2, or it raises


@pytest.mark.parametrize(
    ("tags", "alignment", "match"),
    [
        (["I-PER"], [], "tag 0 is 'I-PER' behind 'O'"),
        (["B-PER", "I-LOC"], [], "tag 1 is 'I-LOC' behind 'B-PER'"),
        (["PER"], [], "tag 0 is 'PER'"),
        (["O"], [(0, 3)], r"\(0, 3\) is aligned, and there are 1 and 2 words"),
        (["O"], [(-1, 0)], r"\(-1, 0\) is aligned"),
    ],
)
def test_labels_that_cannot_be_projected(tags: Any, alignment: Any, match: str) -> None:
    with pytest.raises(TranslationError, match=match):
        project_labels(tags, alignment, 2)


def test_untidy_tags_are_repaired() -> None:
    assert words.repaired("O I-PER I-PER I-LOC B-LOC I-LOC".split()) == (
        "O B-PER I-PER B-LOC B-LOC I-LOC".split()
    )


def test_the_error_of_projection_is_measured(aligned: Any, encoder: Any, tokenizer: Any) -> None:
    source, target = named("en", "test"), named("de", "test")
    good = projection_error(source, target, aligned, tokenizer, layer=0)
    assert good.f1.value == 1 and good.lost == 0 and good.pairs == 1
    bad = projection_error(source, target, encoder, tokenizer, layer=0)
    assert bad.f1.value < 0.8 and bad.f1.low <= bad.f1.value <= bad.f1.high
    with pytest.raises(TranslationError, match="different rows"):
        projection_error(source, target[:5], aligned, tokenizer)


def test_projection_works_on_the_course_s_own_sentences() -> None:
    from xlhelpers import hub

    rows = datasets.parallel(["en", "de"], "dev", task="ner")
    model, tokenizer = hub.model("InfoXLM", "encoder"), hub.tokenizer("InfoXLM")
    found = projection_error(rows["en"], rows["de"], model, tokenizer)
    assert 0.8 < found.f1.value < 1 and found.lost < 0.05


def test_tagged_sentences_are_translated_with_their_names(aligned: Any, tokenizer: Any) -> None:
    table = named("en", "test")
    made = translate_tagged(table, Tongues("en", "de", turned=True), aligned, tokenizer, layer=0)
    assert made.language == "de" and made.ids == table.ids and made.upos == ((),) * 60
    assert made.sentences[0] == tuple(w + "da" for w in reversed(table.sentences[0]))
    for tags, before in zip(made.tags, table.tags, strict=True):
        assert sorted(tags) == sorted(before) and len(words.names(tags)) == 1
    with pytest.warns(TranslationWarning, match="sentences are left out: they lost a name"):
        fewer = translate_tagged(
            table, Tongues("en", "de", lost=[*PEOPLE[:2], *FAMILIES]), aligned, tokenizer, layer=0
        )
    assert 0 < len(fewer) < 60 and all(len(words.names(tags)) == 1 for tags in fewer.tags)
    whole = translate_tagged(
        table, Tongues("en", "de", lost=[*PEOPLE[:2], *FAMILIES]), aligned, tokenizer, layer=0,
        incomplete="keep",
    )  # fmt: skip
    assert len(whole) == 60
    with pytest.raises(TranslationError, match="not one of 60 sentences kept its names"):
        translate_tagged(table, Tongues("en", "de", lost=EVERY), aligned, tokenizer)
    with pytest.raises(TranslationError, match="rows are in 'en'"):
        translate_tagged(table, Tongues("de", "en"), aligned, tokenizer)


# ── ways compared ────────────────────────────────────────────────────────────────────────


def test_all_ways_on_texts(
    encoder: Any, tokenizer: Any, there_and_back: dict[tuple[str, str], Tongues]
) -> None:
    small = transfer.Checkpoint("small", encoder, tokenizer)
    how: dict[str, Any] = {"translators": there_and_back, "training": QUICK, "seeds": (0,)}
    found = compare(small, REVIEWS, "en", ["de", "sw"], **how)
    table = found.summary()
    assert set(table.strategy) == set(APPROACHES)
    assert set(table.target) == {"de", "sw"} and (table.runs == 1).all()
    score = table.set_index(["strategy", "target"]).score
    # The encoder knows no other tongue, and these translators make no mistake.
    for code in ("de", "sw"):
        assert score["zero-shot", code] < BEYOND_CHANCE
        for name in set(APPROACHES) - {"zero-shot"}:
            assert score[name, code] > BEYOND_CHANCE, name
    rows = found.runs.set_index(["strategy", "target", "seed"]).train_rows
    sizes = {name: int(rows[name, "de", 0]) for name in APPROACHES}
    assert sizes == {
        "zero-shot": 80, "translate-train": 80, "translate-train-all": 240, "translate-test": 80,
        "back-translation": 160, "ensemble": 160, "supervised": 80,
    }  # fmt: skip
    gains = found.gain().set_index(["strategy", "target"])
    assert gains.low["translate-test", "de"] > 0
    # Every text was translated once: training rows there, they and test rows back.
    assert there_and_back["en", "de"].calls == [80]
    assert sorted(there_and_back["de", "en"].calls) == [60, 80]
    again = compare(small, REVIEWS, "en", ["de", "sw"], **how)
    assert again.runs.drop(columns="seconds").equals(found.runs.drop(columns="seconds"))


def test_all_ways_on_words(
    aligned: Any, tokenizer: Any, there_and_back: dict[tuple[str, str], Tongues]
) -> None:
    small = transfer.Checkpoint("small", aligned, tokenizer)
    found = compare(
        small, NAMES, "en", ["de"], translators=there_and_back, training=QUICK, seeds=(0,),
        layer=0,
    )  # fmt: skip
    table = found.summary().set_index("strategy")
    assert set(table.index) == set(APPROACHES) - {"ensemble"}
    # What is trained in the target's words and what is asked in the source's comes out alike.
    assert (table.score > 0.7).all(), table.score


def test_the_same_key_gives_no_answers_of_other_translations(
    encoder: Any, tokenizer: Any, there_and_back: dict[tuple[str, str], Tongues]
) -> None:
    small = transfer.Checkpoint("small", encoder, tokenizer)
    how: dict[str, Any] = {"training": QUICK, "seeds": (0,), "strategies": ["translate-test"]}
    good = compare(small, REVIEWS, "en", ["de"], translators=there_and_back, **how)
    bad = {**there_and_back, ("de", "en"): Tongues("de", "en", lost=[*GOOD, *BAD])}
    other = compare(small, REVIEWS, "en", ["de"], translators=bad, **how)
    [a], [b] = (f.where(strategy="translate-test").runs.score for f in (good, other))
    assert a > BEYOND_CHANCE > b


def test_translate_test_by_hand(aligned: Any, encoder: Any, tokenizer: Any) -> None:
    back, train = Tongues("de", "en"), rows_of("en", "train")
    learner = transfer.Learner((encoder, tokenizer), REVIEWS, train.names, QUICK)
    test = rows_of("de", "test")
    said = translate_test(learner.trained([train], 0), tokenizer, test, back)
    assert finetuning.accuracy(test.labels, said).value > BEYOND_CHANCE
    names = named("de", "test")
    tagger = transfer.Learner((aligned, tokenizer), NAMES, names.names, QUICK)
    model = tagger.trained([named("en", "train")], 0)
    for turned in (False, True):
        there = Tongues("de", "en", turned=turned)
        tags = translate_test(model, tokenizer, names, there, encoder=(aligned, tokenizer), layer=0)
        # Wherever the words went, their tags are those of the sentence's own words again.
        inside = [[tag != "O" for tag in row] for row in tags]
        right = [[tag != "O" for tag in row] for row in names.tags]
        assert sum(a == b for a, b in zip(inside, right, strict=True)) > 50
    assert finetuning.entity_f1(names.tags, tags).value < 0.1  # "Ohm Ada" reads as two names
    with pytest.raises(TranslationError, match="rows are in 'de'"):
        translate_test(model, tokenizer, names, Tongues("sw", "en"))


@pytest.mark.parametrize(
    ("how", "match"),
    [
        ({"strategies": ["best"]}, "no strategy 'best'"),
        ({"strategies": "ensemble"}, "strategies is the text"),
        ({"targets": ["en", "de"]}, "source and target"),
        ({"targets": ["sw"], "translators": {}}, "needs a translator en-sw"),
        ({"targets": None, "translators": {}}, "no language has translators"),
        ({"on": NAMES, "strategies": ["ensemble"]}, "an ensemble is of probabilities"),
    ],
)
def test_comparisons_that_cannot_be(
    encoder: Any, tokenizer: Any, how: dict[str, Any], match: str
) -> None:
    given = {"on": REVIEWS, "targets": ["de"], **how}
    with pytest.raises(TranslationError, match=match):
        compare((encoder, tokenizer), given.pop("on"), "en", given.pop("targets"), **given)


def test_leaks_are_refused(encoder: Any, tokenizer: Any, there_and_back: Any) -> None:
    leaky = Task("leaky", lambda code, split: rows_of(code, "test"), "accuracy", lambda: CODES)
    with pytest.raises(transfer.LeakageError):
        compare((encoder, tokenizer), leaky, "en", ["de"], translators=there_and_back)


def test_costs(encoder: Any, tokenizer: Any, there_and_back: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", TranslationWarning)
        table = costs(
            (encoder, tokenizer), REVIEWS, "en", "de", translators=there_and_back, requests=5,
            training=replace(QUICK, epochs=1),
        )  # fmt: skip
    assert list(table.index) == list(APPROACHES)
    assert (table.low <= table.ms).all() and (table.ms <= table.high).all() and (table.ms > 0).all()
    assert table.rows["translate-train-all"] == 160 and table.rows["back-translation"] == 160
    assert table.parameters["ensemble"] == 2 * table.parameters["zero-shot"]
    assert table.mb["zero-shot"] == pytest.approx(4e-6 * table.parameters["zero-shot"], rel=0.01)
    assert table.translating["zero-shot"] < table.translating["translate-train"]
    assert settings.current().reuse
    with pytest.raises(TranslationError, match="has a tag a word"):
        costs((encoder, tokenizer), NAMES, "en", "de", translators=there_and_back)


def test_a_translator_is_asked_afresh_for_each_cost(parts: Any = None) -> None:
    from xlhelpers.translation import Pivot, Translator

    one = Translator("en", "de", model=(None, None))
    one._known["x"] = "y"  # type: ignore[assignment]
    meter = object.__new__(approaches._Meter)
    meter._given = {("en", "de"): one, ("en", "sw"): Pivot(one, Tongues("de", "sw"))}
    assert meter._translator("en", "sw") is meter._given["en", "sw"] and not one._known
