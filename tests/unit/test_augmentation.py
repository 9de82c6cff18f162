"""Augmentation: what changes, what must not, and what is refused."""

from __future__ import annotations

import random
import warnings
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

from xlhelpers import augmentation, datasets
from xlhelpers.augmentation import (
    AugmentationError,
    UnchangedWarning,
    audit,
    augment,
    crop,
    mention_replacement,
    mentions_of,
    near_copies,
    origin,
    phrases,
    random_deletion,
    random_swap,
    reorder_sentences,
    replace_words,
    rotate,
)
from xlhelpers.datasets import Labelled, Pairs, Tagged

LONG = "Kwa bahati mbaya, chumba cha kusubiria kilikuwa cha kuchukiza sana leo asubuhi."


def labelled(texts: Sequence[str], language: str = "sw", source: str = "train rows") -> Labelled:
    n = len(texts)
    return Labelled(
        ids=tuple(f"r{i}" for i in range(n)),
        names=("bad", "good"),
        held=("",) * n,
        language=language,
        source=source,
        texts=tuple(texts),
        labels=tuple("bad" if i % 2 else "good" for i in range(n)),
    )


def tagged(*rows: tuple[str, str, str], language: str = "en") -> Tagged:
    n = len(rows)
    return Tagged(
        ids=tuple(f"n{i}" for i in range(n)),
        names=("O", "B-PER", "I-PER", "B-LOC", "I-LOC"),
        held=("",) * n,
        language=language,
        source="train rows",
        texts=tuple(row[0] for row in rows),
        sentences=tuple(tuple(row[0].split()) for row in rows),
        tags=tuple(tuple(row[1].split()) for row in rows),
        upos=tuple(tuple(row[2].split()) for row in rows),
        name_marks=("",) * n,
    )


NEWS = tagged(
    ("In May , Ann Lee met Bo in New York .", "O O O B-PER I-PER O B-PER O B-LOC I-LOC O",
     "ADP PROPN PUNCT PROPN PROPN VERB PROPN ADP PROPN PROPN PUNCT"),
    ("Cy slept .", "B-PER O O", "PROPN VERB PUNCT"),
    ("Accra and Oslo grew fast after the war .", "B-LOC O B-LOC O O O O O O",
     "PROPN CCONJ PROPN VERB ADV ADP DET NOUN PUNCT"),
)  # fmt: skip


def rngs(n: int = 50) -> list[random.Random]:
    return [random.Random(seed) for seed in range(n)]


# ── one text ─────────────────────────────────────────────────────────────────────────────


def test_deletion_leaves_words_out_and_nothing_else() -> None:
    words = [w.strip(",.") for w in LONG.split()]
    for rng in rngs():
        left = random_deletion(LONG, rng, 0.25)
        kept = [w.strip(",.") for w in left.split() if w.strip(",.")]
        assert len(kept) == len(words) - round(0.25 * len(words)) == 9
        assert not Counter(kept) - Counter(words)
        assert left.count(",") == left.count(".") == 1
        assert "  " not in left and left == left.strip()


def test_deletion_of_short_texts_deletes() -> None:
    # EDA's coin a word leaves three words as they are with a probability of 0.9 ** 3.
    assert all(len(random_deletion("Asante sana rafiki", rng).split()) == 2 for rng in rngs())
    assert {random_deletion("Asante!", rng) for rng in rngs(5)} == {"Asante!"}
    assert random_deletion("", random.Random(0)) == ""
    assert random_deletion("a b", random.Random(0), 1.0) in ("a", "b")
    assert random_deletion(LONG, random.Random(0), 0) == LONG
    with pytest.raises(AugmentationError, match="share is 1.5"):
        random_deletion(LONG, random.Random(0), 1.5)


def test_swap_moves_two_words_and_no_punctuation() -> None:
    words = LONG.replace(",", "").replace(".", "").split()
    for rng in rngs():
        new = random_swap(LONG, rng)
        now = new.replace(",", "").replace(".", "").split()
        assert sorted(now) == sorted(words)
        assert sum(a != b for a, b in zip(words, now, strict=True)) == 2
        assert new.endswith(".") and new.split()[2].endswith(",")
    assert random_swap("la la la", random.Random(0)) == "la la la"
    assert random_swap("moja", random.Random(0)) == "moja"
    with pytest.raises(AugmentationError, match="swaps is 0"):
        random_swap(LONG, random.Random(0), 0)


def test_languages_without_blanks_are_cut_at_signs() -> None:
    text = "可惜等候区很差劲。"
    assert random_deletion(text, random.Random(0)) == text  # one word, for all it knows
    assert len(random_deletion(text, random.Random(0), language="zh")) == len(text) - 1
    swapped = random_swap(text, random.Random(0), language="zh")
    assert swapped != text and sorted(swapped) == sorted(text) and swapped.endswith("。")


def test_words_are_replaced_from_a_lexicon() -> None:
    lexicon = {"chumba": "room", "kwa bahati mbaya": ("unfortunately",), "sana": ["very", "much"]}
    every = {replace_words(LONG, lexicon, rng, 1.0) for rng in rngs()}
    assert every == {
        f"Unfortunately, room cha kusubiria kilikuwa cha kuchukiza {much} leo asubuhi."
        for much in ("very", "much")
    }
    for rng in rngs(10):
        assert len(replace_words(LONG, lexicon, rng, 0.3).split()) in (10, 12)  # one of three
    assert replace_words("Hakuna neno", lexicon, random.Random(0)) == "Hakuna neno"
    assert replace_words("等候区很好。", {"好": "good"}, random.Random(0), language="zh") == (
        "等候区很good。"
    )
    with pytest.raises(AugmentationError, match="empty"):
        replace_words(LONG, {}, random.Random(0))


def test_a_dictionary_of_the_course_will_do() -> None:
    swahili = datasets.lexicon("sw", "en")
    assert replace_words("Maji ni mazuri", swahili, random.Random(1), 1.0).startswith("Water")


def test_sentences_change_places_and_stay_whole() -> None:
    text = "Asante. Chumba ni kizuri! Je, ni ghali?"
    found = {reorder_sentences(text, rng) for rng in rngs()}
    assert len(found) == 5 and text not in found
    assert "Je, ni ghali? Asante. Chumba ni kizuri!" in found
    assert reorder_sentences("Bei ni 3.50 leo.", random.Random(0)) == "Bei ni 3.50 leo."
    assert reorder_sentences("这台不好。按键好吗？", random.Random(0)) == "按键好吗？这台不好。"
    assert reorder_sentences("Ndiyo. Ndiyo.", random.Random(0)) == "Ndiyo. Ndiyo."


# ── words with tags ──────────────────────────────────────────────────────────────────────


def test_phrases_cut_between_entities_only() -> None:
    runs = phrases(NEWS.upos[0], NEWS.tags[0])
    said = [" ".join(NEWS.sentences[0][i] for i in run) for run in runs]
    assert said == ["In May", ",", "Ann Lee", "met Bo", "in New York", "."]
    # Were "in" part of a name, no cut would be there.
    tags = ["B-LOC", "I-LOC", "O"]
    assert phrases(["NOUN", "ADP", "VERB"], tags) == [range(0, 2), range(2, 3)]
    assert phrases([]) == rotate([], random.Random(0)) == crop([], random.Random(0)) == []


def test_rotate_keeps_every_word_and_entity() -> None:
    words, tags = NEWS.sentences[0], NEWS.tags[0]
    order = rotate(NEWS.upos[0], random.Random(0), tags)
    assert " ".join(words[i] for i in order) == "Ann Lee met Bo in New York In May ."
    assert not augmentation._iob2_fault([tags[i] for i in order])
    # Without an opening, a phrase moves; the one behind a noun stays with it.
    upos = "PROPN VERB DET NOUN ADP PROPN ADV ADP NUM PUNCT".split()
    said = "Bo saw the mayor of Oslo again after nine .".split()
    found = {" ".join(said[i] for i in rotate(upos, rng)) for rng in rngs()}
    assert found == {"after nine Bo saw the mayor of Oslo again ."}
    assert rotate(NEWS.upos[1], random.Random(0)) == [0, 1, 2]


def test_crop_leaves_out_a_phrase_without_entities() -> None:
    lost = set()
    for rng in rngs():
        kept = crop(NEWS.upos[0], rng, NEWS.tags[0])
        lost.add(" ".join(w for i, w in enumerate(NEWS.sentences[0]) if i not in kept))
    assert lost == {"In May ,"}
    assert crop(NEWS.upos[1], random.Random(0), NEWS.tags[1]) == [0, 1, 2]
    # Words of an entity are never left out.
    upos, tags = "VERB PROPN ADP PROPN PUNCT".split(), "O B-PER O B-LOC O".split()
    assert crop(upos, random.Random(0), tags) == [0, 1, 2, 3, 4]
    assert crop(upos, random.Random(0)) == [0, 1, 4]


def test_mentions_are_replaced_by_their_like() -> None:
    names = mentions_of(NEWS)
    assert names == {
        "LOC": (("New", "York"), ("Accra",), ("Oslo",)),
        "PER": (("Ann", "Lee"), ("Bo",), ("Cy",)),
    }
    for rng in rngs():
        words, tags = mention_replacement(NEWS.sentences[0], NEWS.tags[0], names, rng, 1.0)
        assert len(words) == len(tags) and not augmentation._iob2_fault(tags)
        plain = [w for w, t in zip(words, tags, strict=True) if t == "O"]
        assert plain == ["In", "May", ",", "met", "in", "."]
        spans = list(augmentation._spans(tags))
        kinds = [tags[start][2:] for start, _ in spans]
        assert kinds == ["PER", "PER", "LOC"]
        said = [tuple(words[a:b]) for a, b in spans]
        assert all(name in names[kind] for name, kind in zip(said, kinds, strict=True))
        assert said[0] != ("Ann", "Lee") and said[2] != ("New", "York")
    one = mention_replacement(NEWS.sentences[0], NEWS.tags[0], names, random.Random(0), 0.3)[0]
    assert one != list(NEWS.sentences[0])
    alone = mention_replacement(["Cy"], ["B-PER"], {"PER": [("Cy",)]}, random.Random(0))
    assert alone == (["Cy"], ["B-PER"])
    with pytest.raises(AugmentationError, match="2 words have 1 tags"):
        mention_replacement(["a", "b"], ["O"], names, random.Random(0))


# ── tables ───────────────────────────────────────────────────────────────────────────────


def test_copies_stand_behind_their_rows() -> None:
    rows = labelled([LONG, "Chumba hiki ni kizuri sana."])
    found = augment(rows, "deletion", copies=2)
    assert found.ids == ("r0", "r0+1", "r0+2", "r1", "r1+1", "r1+2")
    assert found.labels == ("good",) * 3 + ("bad",) * 3
    assert found.texts[0] == LONG and found.texts[1] != LONG
    assert [origin(id_) for id_ in found.ids] == ["r0"] * 3 + ["r1"] * 3
    assert len(found) == len(found.held) == 6
    assert augment(rows, "deletion", copies=2) == found
    assert augment(rows, "deletion", copies=2, seed=1) != found
    # What a row becomes does not depend on its neighbours.
    assert augment(rows.subset(["r1"]), "deletion", copies=2).texts == found.texts[3:]


def test_copies_that_are_no_news_are_counted() -> None:
    rows = labelled(["Asante", LONG])
    with pytest.warns(UnchangedWarning, match="2 of 4 copies say what their original says"):
        found = augment(rows, "swap", copies=2)
    told = audit(found)
    assert (told.rows, told.copies, told.unchanged) == (2, 4, 2)
    assert told.new == 4 - 2 - told.repeated
    pair = labelled(["moja mbili"])
    with pytest.warns(UnchangedWarning, match="0 of 3 .* 2 what another copy says"):
        assert audit(augment(pair, "swap", copies=3)).repeated == 2
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # duplicates are asked for as what they are
        assert audit(augment(rows, "duplicates")).unchanged == 2
        assert audit(rows) == augmentation.Audit(2, 0, 0, 0)
    with pytest.raises(AugmentationError, match="is a copy of 'r0'"):
        audit(found.subset([id_ for id_ in found.ids if id_ != "r0"]))


def test_rows_that_are_tested_on_are_refused() -> None:
    for source in ("data/corpus/sentiment/test.sw.jsonl", "my dev rows", "held-out part"):
        with pytest.raises(AugmentationError, match="split before augmenting"):
            augment(labelled([LONG], source=source), "deletion")
    augment(labelled([LONG], source="the latest rows, contested"), "deletion")
    with pytest.raises(AugmentationError, match="tested on"):
        augment(datasets.sentiment("sw", "test"), "deletion")
    once = augment(labelled([LONG]), "deletion")
    with pytest.raises(AugmentationError, match="a copy already"):
        augment(once, "swap")


@pytest.mark.parametrize("method", ["deletion", "swap", "order", "crop", "mentions", "duplicates"])
def test_tagged_rows_stay_aligned(method: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnchangedWarning)
        found = augment(NEWS, method, copies=5)
    for words, tags, upos in zip(found.sentences, found.tags, found.upos, strict=True):
        assert len(words) == len(tags) and len(upos) in (0, len(words))
        assert not augmentation._iob2_fault(tags)
    if method != "mentions":  # names stay whole, and are the same
        for row, id_ in enumerate(found.ids):
            here = list(NEWS.ids).index(origin(id_))
            assert mentions_of(found[row : row + 1]) == mentions_of(NEWS[here : here + 1])
    assert found.texts[0] == NEWS.texts[0]
    assert audit(found).new > 0 or method == "duplicates"


def test_a_dictionary_for_tagged_rows_spares_names() -> None:
    with pytest.warns(UnchangedWarning):  # nothing to replace in "Cy slept ."
        found = augment(NEWS, "dictionary", lexicon={"met": "ran into", "oslo": "x"}, share=1.0)
    assert found.sentences[1] == tuple("In May , Ann Lee ran into Bo in New York .".split())
    assert found.tags[1][5:7] == ("O", "O")
    assert found.sentences[5] == NEWS.sentences[2]


def test_pairs_change_on_both_sides() -> None:
    rows = Pairs(
        ids=("p",), names=("entailment",), held=("",), language="en", source="train rows",
        premises=("one two three",), hypotheses=("four five",), labels=("entailment",),
    )  # fmt: skip
    found = augment(rows, "swap")
    assert found.ids == ("p", "p+1") and found.labels == ("entailment",) * 2
    assert found.premises[1] != "one two three" and found.hypotheses[1] == "five four"
    assert audit(found).new == 1


class Upper:
    """Translates into capitals, or back; counts how often it is asked."""

    def __init__(self, way: str, broken: bool = False) -> None:
        self.way, self.broken, self.calls = way, broken, 0

    def translate(self, texts: list[str]) -> list[str]:
        self.calls += 1
        said = ["" if "silent" in text else str(getattr(text, self.way)()) for text in texts]
        return said[1:] if self.broken else said


def test_back_translation_goes_there_and_back_at_once() -> None:
    rows = labelled(["Moja Mbili", "silent row"])
    there, back = Upper("upper"), Upper("lower")
    found = augment(rows.subset(["r0"]), "back-translation", through=(there, back))
    assert found.texts == ("Moja Mbili", "moja mbili") and there.calls == back.calls == 1
    with pytest.warns(UnchangedWarning):  # a translator that says nothing leaves the row
        found = augment(rows, "back-translation", through=[(there, back)])
    assert found.texts[3] == "silent row"
    with pytest.raises(AugmentationError, match="copy 2 by 1 pair"):
        augment(rows, "back-translation", copies=2, through=(there, back))
    with pytest.raises(AugmentationError, match="2 texts were translated into 1"):
        augment(rows, "back-translation", through=(Upper("upper", broken=True), back))
    with pytest.raises(AugmentationError, match="needs translators"):
        augment(rows, "back-translation")


def test_functions_of_ones_own() -> None:
    found = augment(labelled([LONG]), lambda text, rng: text + rng.choice("!?"))
    assert found.texts[1] in (f"{LONG}!", f"{LONG}?")

    def drop_last(words: Any, tags: Any, rng: Any) -> tuple[Any, Any]:
        return words[:-1], tags[:-1]

    assert augment(NEWS, drop_last).tags[1] == NEWS.tags[0][:-1]
    with pytest.raises(AugmentationError, match="'I-PER' where no entity goes on"):
        augment(NEWS, lambda words, tags, rng: (words[4:], tags[4:]))
    with pytest.raises(AugmentationError, match="3 words have 2 tags"):
        augment(NEWS.subset(["n1"]), lambda words, tags, rng: (words, tags[1:]))


def test_what_cannot_be_done_is_said() -> None:
    rows = labelled([LONG])
    bad: list[tuple[Any, str, dict[str, Any], str]] = [
        (rows, "translate", {}, "there is no method 'translate'"),
        (rows, "mentions", {}, "cannot be done with texts"),
        (NEWS, "back-translation", {}, "cannot be done with words with tags"),
        (rows, "deletion", {"swaps": 1}, "takes no 'swaps'"),
        (rows, "dictionary", {}, "needs a lexicon"),
        (rows, "deletion", {"copies": 0}, "copies is 0"),
    ]
    for table, method, how, message in bad:
        with pytest.raises(AugmentationError, match=message):
            augment(table, method, **how)
    bare = tagged(("Cy slept .", "B-PER O O", ""))
    with pytest.raises(AugmentationError, match="parts of speech"):
        augment(bare, "order")


def test_near_copies_are_found_where_texts_differ() -> None:
    rows = labelled([LONG, "Chumba hiki ni kizuri sana kwa bei hii ya chini."])
    both = augment(rows, "swap", seed=3)
    train, test = both.subset({"r0", "r1"}), both.subset({"r0+1", "r1+1"})
    from xlhelpers import transfer

    assert transfer.find_leaks(train, test) == []
    found = near_copies(train, test)
    assert [(n.test, n.train, n.likeness, n.of_one_row) for n in found] == [
        ("r0+1", "r0", 1.0, True),
        ("r1+1", "r1", 1.0, True),
    ]
    assert near_copies(rows.subset(["r0"]), rows.subset(["r1"])) == []
    shorter = labelled([LONG.replace("leo ", "")], source="new")
    [one] = near_copies(rows, shorter, 0.9)
    assert one.likeness == pytest.approx(2 * 11 / 23)
    with pytest.raises(AugmentationError, match="least is 0"):
        near_copies(rows, rows, 0)


def test_rows_of_the_course_survive() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnchangedWarning)
        for code in ("sw", "yo", "zh", "ar"):
            reviews = datasets.sentiment(code)[:60]
            for method in ("deletion", "swap", "order"):
                told = audit(augment(reviews, method))
                assert told.new > 30, (code, method, told)
            news = datasets.ner(code)[:60]
            for method in ("deletion", "swap", "mentions"):
                told = audit(augment(news, method))
                assert told.new > 50, (code, method, told)
            assert audit(augment(news, "order")).new > 15, code
