"""Data sets: rows by task, language and split; the hand-written set; dictionaries."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from xlhelpers import assets, datasets, hub, languages, settings
from xlhelpers.datasets import (
    DatasetError,
    Entry,
    Labelled,
    Lexicon,
    Parallel,
    Tagged,
    lexicon,
    parse_entities,
    parse_handwritten,
    parse_lexicon,
    side,
)
from xlhelpers.embeddings import load_npz

CODES = ["de", "es", "fi", "fr", "ru", "sw", "zh"]

# `side` of each of these English words; a change of the rule would change every test set.
TRAIN = ["king", "water", "house", "light", "stone"]
TEST = ["bread", "bright", "day", "bride"]

TOY_DE = """\
# english, translations, mark
king\tkönig, könige
kings\tkönige
house\thaus; geschlecht, haus
light\tlicht; leicht
bread\tbrot
stone\tstein
bright\tlicht, hell
david\tdavid\tname
hand\thand
"""
TOY_SW = "king\tmfalme\nbread\tmkate, chakula\n"


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder with two small dictionaries."""
    data = tmp_path / "data"
    (data / "dictionaries").mkdir(parents=True)
    monkeypatch.setenv("XL_DATA", str(data))
    (data / assets.MANIFEST).write_text("", encoding="utf-8")
    settings.reset()
    for code, content in (("de", TOY_DE), ("sw", TOY_SW)):
        file = data / "dictionaries" / f"en-{code}.tsv"
        file.write_text(content, encoding="utf-8", newline="\n")
        assets.register(file, "shipped", "CC BY 4.0", "written for a test")
    return data


def words(found: Lexicon) -> list[str]:
    return [entry.word for entry in found]


# ── the format ───────────────────────────────────────────────────────────────────────────


def test_parse_senses_forms_names_and_comments() -> None:
    text = "# comment\n\nking\tkönig, könige; monarch\n  \ndavid\tdavid\tname\nno\tnein\t\n"
    found = parse_lexicon(text, "de")
    assert found == Lexicon(
        "en",
        "de",
        (
            Entry("king", (("könig", "könige"), ("monarch",))),
            Entry("david", (("david",),), name=True),
            Entry("no", (("nein",),)),
        ),
    )


def test_empty_senses_and_forms_are_passed_over() -> None:
    (entry,) = parse_lexicon("king\tkönig,, ;; könige,\n", "de")
    assert entry.senses == (("könig",), ("könige",))


def test_windows_line_ends_are_read() -> None:
    assert words(parse_lexicon("king\tkönig\r\nno\tnein\r\n", "de")) == ["king", "no"]


def test_translations_of_all_senses_once_and_in_order() -> None:
    entry = Entry("house", (("haus", "häuser"), ("geschlecht", "haus")))
    assert entry.translations == ("haus", "häuser", "geschlecht")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("king", "expected english<TAB>"),
        ("king könig", "expected english<TAB>"),
        ("king\tkönig\tname\tmore", "expected english<TAB>"),
        ("king\tkönig\tproper", "expected english<TAB>"),
        ("king\t", "needs a word and a translation"),
        ("king\t; ,", "needs a word and a translation"),
        ("\tkönig", "needs a word and a translation"),
        ("King\tkönig", "'King' is not lower-case NFC"),
        ("king\tKönig", "'König' is not lower-case NFC"),
        ("king\tkönig; ko\u0308nig", "is not lower-case NFC"),
        ("king \tkönig", "'king ' is not lower-case NFC"),
        ("water\tsee", "'water' has an entry already"),
    ],
)
def test_bad_line_is_named_by_file_and_number(line: str, says: str) -> None:
    text = f"# top\nwater\twasser\n\n{line}\nlast\tletzter\n"
    with pytest.raises(DatasetError, match=says) as caught:
        parse_lexicon(text, "de", "data/x.tsv")
    assert str(caught.value).startswith("data/x.tsv, line 4: ")


# ── the split ────────────────────────────────────────────────────────────────────────────


def test_sides_are_as_they_were() -> None:
    assert {word: side(word) for word in TRAIN + TEST} == {
        **dict.fromkeys(TRAIN, "train"),
        **dict.fromkeys(TEST, "test"),
    }


@pytest.mark.parametrize(
    "family",
    [
        ("king", "kings", "kingdom", "kingdoms"),
        ("light", "lights", "lighted"),
        ("house", "houses"),
        ("as", "a"),
        ("goats", "goat"),
        *((word, f"{word}s") for word in ("son", "day", "eye", "cow", "sin", "dog", "law", "god")),
    ],
)
def test_forms_of_a_word_fall_on_one_side(family: tuple[str, ...]) -> None:
    assert len({side(word) for word in family}) == 1


@pytest.mark.parametrize("word", ["s", "ss", "a", "é"])
def test_short_words_have_a_side(word: str) -> None:
    assert side(word) in ("train", "test")


def test_one_stem_in_three_is_a_test_stem() -> None:
    stems = [f"{a}{b}{c}o" for a in "bcdfgklmnp" for b in "aeiou" for c in "bcdfgklmnp"]
    share = sum(side(stem) == "test" for stem in stems) / len(stems)
    assert 0.27 < share < 0.40


def test_splits_are_disjoint_and_complete(toy: Path) -> None:
    whole, train, test = (lexicon("en", "de", split) for split in ("all", "train", "test"))
    assert words(whole) == words(parse_lexicon(TOY_DE, "de"))
    assert words(test) == ["bread", "bright"]
    assert words(train) == [word for word in words(whole) if word not in ("bread", "bright")]
    assert set(whole) == {*train, *test}
    assert lexicon("en", "de") == whole


def test_side_is_the_same_in_every_language(toy: Path) -> None:
    assert words(lexicon("en", "sw", "train")) == ["king"]
    assert words(lexicon("en", "sw", "test")) == ["bread"]


# ── reading backwards ────────────────────────────────────────────────────────────────────


def test_backwards_collects_the_english_words(toy: Path) -> None:
    found = lexicon("de", "en").translations()
    assert found["könige"] == ("king", "kings")
    assert found["haus"] == ("house",)
    assert found["licht"] == ("light", "bright")
    assert (lexicon("de", "en").source, lexicon("de", "en").target) == ("de", "en")


def test_backwards_a_word_of_both_sides_belongs_to_neither(toy: Path) -> None:
    assert (side("light"), side("bright")) == ("train", "test")
    train, test = (set(words(lexicon("de", "en", split))) for split in ("train", "test"))
    assert "licht" in words(lexicon("de", "en"))
    assert "licht" not in train | test
    assert not train & test
    assert {"könig", "könige", "haus", "geschlecht", "leicht"} <= train
    assert test == {"brot", "hell"}


def test_backwards_keeps_the_mark_of_names(toy: Path) -> None:
    marked = {entry.word for entry in lexicon("de", "en") if entry.name}
    assert marked == {"david"}
    both = parse_lexicon("rose\trose\nrosa\trose\tname\npaul\tpaul\tname\n", "de")
    marked = {entry.word for entry in datasets._backwards(both, "all") if entry.name}
    assert marked == {"paul"}, "a rose is a flower too"


# ── choosing from a dictionary ───────────────────────────────────────────────────────────


def test_pairs_and_translations(toy: Path) -> None:
    found = lexicon("en", "de")
    assert len(found) == 9
    assert found.translations()["house"] == ("haus", "geschlecht")
    pairs = found.pairs()
    assert pairs[:4] == [
        ("king", "könig"),
        ("king", "könige"),
        ("kings", "könige"),
        ("house", "haus"),
    ]
    assert len(pairs) == len(set(pairs)) == 13


def test_pairs_in_the_vocabularies(toy: Path) -> None:
    found = lexicon("en", "de")
    assert found.pairs({"king", "house"}, {"haus", "könige"}) == [
        ("king", "könige"),
        ("house", "haus"),
    ]
    assert found.pairs(target={"stein"}) == [("stone", "stein")]
    assert found.pairs(source={"hand"}) == [("hand", "hand")]


def test_without_names_or_identical_strings(toy: Path) -> None:
    found = lexicon("en", "de")
    assert found.without() == found
    assert set(words(found)) - set(words(found.without(names=True))) == {"david"}
    assert set(words(found)) - set(words(found.without(identical=True))) == {"david", "hand"}


def test_identical_form_goes_and_other_translations_stay() -> None:
    found = parse_lexicon("hand\thand, hände; arbeiter\n", "de").without(identical=True)
    assert found.entries == (Entry("hand", (("hände",), ("arbeiter",))),)


# ── what is refused ──────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("source", "target"), [("de", "fr"), ("en", "en"), ("ru", "ru")])
def test_one_of_the_two_must_be_english(toy: Path, source: str, target: str) -> None:
    with pytest.raises(DatasetError, match=f"{source}-{target}") as caught:
        lexicon(source, target)
    assert "en" in caught.value.remedy


def test_unknown_language_is_refused(toy: Path) -> None:
    with pytest.raises(languages.UnknownLanguageError, match="'ge'"):
        lexicon("en", "ge")


def test_language_without_a_dictionary_names_those_with_one(toy: Path) -> None:
    with pytest.raises(DatasetError, match="no dictionary for French.*\n.*de, sw"):
        lexicon("en", "fr")


@pytest.mark.parametrize("split", ["dev", "", "Train", None])
def test_unknown_split_is_refused(toy: Path, split: Any) -> None:
    with pytest.raises(DatasetError, match='choose "train", "test" or "all"'):
        lexicon("en", "de", split)


def test_altered_dictionary_is_refused(toy: Path) -> None:
    with (toy / "dictionaries" / "en-de.tsv").open("a", encoding="utf-8") as handle:
        handle.write("bread\tbrot\n")
    with pytest.raises(assets.AssetError, match="altered"):
        lexicon("en", "de")


# ── the hub set ──────────────────────────────────────────────────────────────────────────


@pytest.fixture
def muse(toy: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, str]]:
    """MUSE's dictionaries, made up; the list fills with what was asked for."""
    asked: list[tuple[str, str, str]] = []
    parts: dict[str, list[tuple[str, str]]] = {
        "train": [("king", "könig"), ("the", "der"), ("king", "herrscher")],
        "test": [("light", "licht")],
    }

    def dictionary(src: str, tgt: str, split: str = "train") -> list[tuple[str, str]]:
        asked.append((src, tgt, split))
        return parts[split] if src == "en" else [(b, a) for a, b in parts[split]]

    monkeypatch.setattr(hub, "muse_dictionary", dictionary)
    settings.use("hub")
    return asked


def test_hub_set_takes_the_dictionaries_of_muse(muse: list[tuple[str, str, str]]) -> None:
    train = lexicon("en", "de", "train")
    assert train.translations() == {"king": ("könig", "herrscher"), "the": ("der",)}
    assert words(lexicon("en", "de", "test")) == ["light"]
    assert words(lexicon("en", "de")) == ["king", "the", "light"]
    assert muse == [("en", "de", part) for part in ("train", "test", "train", "test")]


def test_hub_set_reads_muse_in_both_directions(muse: list[tuple[str, str, str]]) -> None:
    assert lexicon("de", "en", "test").translations() == {"licht": ("light",)}
    assert muse == [("de", "en", "test")]


def test_hub_set_keeps_ours_where_muse_has_none(muse: list[tuple[str, str, str]]) -> None:
    assert words(lexicon("en", "sw", "test")) == ["bread"]
    assert lexicon("sw", "en").translations()["mkate"] == ("bread",)
    assert muse == []


def test_mini_set_never_asks_muse(muse: list[tuple[str, str, str]]) -> None:
    settings.use("mini")
    assert "bread" in words(lexicon("en", "de", "test"))
    assert muse == []


# ── the files that we ship ───────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def shipped(root: Path) -> Callable[[str], Lexicon]:
    """Our dictionaries, read once."""
    read: dict[str, Lexicon] = {}

    def get(code: str) -> Lexicon:
        if code not in read:
            file = root / "data" / "dictionaries" / f"en-{code}.tsv"
            read[code] = parse_lexicon(file.read_text(encoding="utf-8"), code, file.name)
        return read[code]

    return get


def test_these_languages_have_dictionaries() -> None:
    assert datasets.dictionary_languages() == CODES


@pytest.mark.parametrize("code", CODES)
def test_shipped_dictionary_is_large_enough(
    code: str, root: Path, shipped: Callable[[str], Lexicon]
) -> None:
    english = load_npz(root / "data" / "vectors" / "en.npz")
    vectors = load_npz(root / "data" / "vectors" / f"{code}.npz")
    usable = {word for word, _ in shipped(code).pairs(english, vectors)}
    assert len(usable) >= 1000
    sides = [side(word) for word in usable]
    assert sides.count("test") >= 300 and sides.count("train") >= 600
    # What nobody can retrieve lowers the coverage for nothing.
    assert len(usable) > 0.99 * len(shipped(code))


@pytest.mark.parametrize("code", CODES)
def test_shipped_words_are_in_their_script(code: str, shipped: Callable[[str], Lexicon]) -> None:
    script = {"ru": "CYRILLIC", "zh": "CJK"}.get(code, "LATIN")
    for entry in shipped(code):
        for form in entry.translations:
            letters = [letter for letter in form if letter != "'"]
            assert letters and all(letter.isalpha() for letter in letters), (entry.word, form)
            odd = [x for x in letters if not unicodedata.name(x).startswith(script)]
            assert not odd, (entry.word, form)
        assert entry.word.isascii() and entry.word.isalpha(), entry.word


@pytest.mark.parametrize("code", CODES)
def test_shipped_entries_keep_senses_and_mark_names(
    code: str, shipped: Callable[[str], Lexicon]
) -> None:
    entries = {entry.word: entry for entry in shipped(code)}
    assert sum(len(entry.senses) > 1 for entry in entries.values()) > 100
    for name in ("moses", "jesus", "galilee"):
        assert entries[name].name, name
    for word in ("water", "king", "light", "not"):
        assert not entries[word].name, word
    for entry in entries.values():
        forms = [form for sense in entry.senses for form in sense]
        assert len(forms) == len(set(forms)), f"{entry.word} lists a form twice"


def test_a_few_translations_everyone_knows(shipped: Callable[[str], Lexicon]) -> None:
    known = {
        "de": ("wasser", "könig"),
        "es": ("agua", "rey"),
        "fi": ("vesi", "kuningas"),
        "fr": ("eau", "roi"),
        "ru": ("вода", "царь"),
        "sw": ("maji", "mfalme"),
        "zh": ("水", "王"),
    }
    for code, (water, king) in known.items():
        gold = shipped(code).translations()
        assert water in gold["water"] and king in gold["king"], code


# ── the corpus: rows by task, language and split ─────────────────────────────────────────

LABELS = ["negative", "positive", "neutral"]
SAID = {
    "en": ["Bad soup.", "Good soup.", "We had soup.", "Bad soup."],
    "de": ["Schlechte Suppe.", "Gute Suppe.", "Es gab Suppe.", "Üble Suppe."],
    "sw": ["Supu mbaya.", "Supu nzuri.", "Tulikula supu.", "Supu mbovu."],
}


def review(number: int, code: str) -> dict[str, Any]:
    text = SAID[code][number % 4]
    row = {"id": f"s-{number:04d}", "text": text, "label": LABELS[number % 3]}
    return {**row, "ends": [len(text)], "t": "soup", "held": "pair" if number % 2 else ""}


def news(number: int, code: str) -> dict[str, Any]:
    row = {
        "id": f"n-{number:04d}",
        "text": f"Ana Díaz in {code}.",
        "tokens": f"Ana Díaz in {code} .",
    }
    row |= {"upos": "PROPN PROPN ADP PROPN PUNCT", "tags": "B-PER I-PER O B-LOC O"}
    return {**row, "held": "template", "names": "unseen"}


def pair(number: int, code: str) -> dict[str, Any]:
    row = {"id": f"i-{number:04d}", "premise": f"{code} premise {number // 3}"}
    row |= {"hypothesis": f"{code} hypothesis {number}", "held": "scene"}
    return {**row, "label": ["entailment", "neutral", "contradiction"][number % 3]}


MAKERS: dict[str, Callable[[int, str], dict[str, Any]]] = {
    "sentiment": review,
    "ner": news,
    "nli": pair,
}


def write(data: Path, task: str, split: str, code: str, rows: list[dict[str, Any]]) -> Path:
    file = data / "corpus" / task / f"{split}.{code}.jsonl"
    file.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    file.write_text(text, encoding="utf-8", newline="\n")
    assets.register(file, "shipped", "CC BY 4.0", "written for a test")
    return file


@pytest.fixture
def corpus(toy: Path) -> Path:
    """A data folder with six rows a task, split and language; Swahili has reviews to test only."""
    for task, make in MAKERS.items():
        for split in datasets.SPLITS:
            for code in ("en", "de"):
                write(toy, task, split, code, [make(i, code) for i in range(6)])
    write(toy, "sentiment", "test", "sw", [review(i, "sw") for i in (5, 3, 1)])
    return toy


def test_reviews(corpus: Path) -> None:
    data = datasets.sentiment("de", "test")
    assert len(data) == 6 and data.language == "de"
    assert data.ids == tuple(f"s-{i:04d}" for i in range(6))
    assert data.texts[:2] == ("Schlechte Suppe.", "Gute Suppe.")
    assert data.labels == ("negative", "positive", "neutral") * 2
    assert data.names == ("negative", "neutral", "positive")
    assert data.held == ("", "pair") * 3
    assert "corpus/sentiment/test.de.jsonl" in data.source
    assert "6 rows" in repr(data) and len(repr(data)) < 120


def test_train_is_the_split_when_none_is_named(corpus: Path) -> None:
    assert "train.en" in datasets.sentiment("en").source
    assert "train.en" in datasets.ner("en").source and "train.en" in datasets.nli("en").source


def test_news(corpus: Path) -> None:
    data = datasets.ner("en", "dev")
    assert data.sentences[0] == ("Ana", "Díaz", "in", "en", ".")
    assert data.tags[0] == ("B-PER", "I-PER", "O", "B-LOC", "O")
    assert data.upos[0] == ("PROPN", "PROPN", "ADP", "PROPN", "PUNCT")
    assert data.texts[0] == "Ana Díaz in en." and data.held[0] == "template"
    assert data.name_marks == ("unseen",) * 6
    assert data.names == ("O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC")


def test_pairs(corpus: Path) -> None:
    data = datasets.nli("de", "test")
    assert data.premises[3] == "de premise 1" and data.hypotheses[3] == "de hypothesis 3"
    assert data.pairs[3] == ("de premise 1", "de hypothesis 3")
    assert data.labels[:3] == data.names == ("entailment", "neutral", "contradiction")
    assert data.held == ("scene",) * 6


def test_rows_slices_and_iteration(corpus: Path) -> None:
    data = datasets.sentiment("en", "test")
    row = {"id": "s-0001", "text": "Good soup.", "label": "positive", "held": "pair"}
    assert data[1] == row and data[-5] == row and list(data)[1] == row
    with pytest.raises(IndexError):
        data[6]
    part = data[1:5:2]
    assert isinstance(part, Labelled) and part.ids == ("s-0001", "s-0003")
    assert part.texts == ("Good soup.", "Bad soup.") and part.names == data.names
    assert datasets.ner("en", "dev")[0]["words"] == ("Ana", "Díaz", "in", "en", ".")
    assert pickle.loads(pickle.dumps(data)) == data
    with pytest.raises(AttributeError):
        data.texts = ()  # type: ignore[misc]


def test_subset_by_mask(corpus: Path) -> None:
    data = datasets.sentiment("en", "test")
    held = [mark == "pair" for mark in data.held]
    for mask in (held, np.array(held), data.frame()["held"] == "pair"):
        assert data.subset(mask).ids == ("s-0001", "s-0003", "s-0005")
    assert len(data.subset([False] * 6)) == 0


def test_subset_by_ids(corpus: Path) -> None:
    data = datasets.ner("en", "test")
    assert data.subset(["n-0004", "n-0001"]).ids == ("n-0004", "n-0001")
    assert data.subset(np.array(["n-0004", "n-0001"])).ids == ("n-0004", "n-0001")
    assert data.subset({"n-0004", "n-0001"}).ids == ("n-0001", "n-0004")
    assert isinstance(data.subset([]), Tagged) and len(data.subset([])) == 0


@pytest.mark.parametrize(
    ("keep", "problem"),
    [
        ([True, False], "mask of 2 values for 6 rows"),
        (["s-0001", "s-9999"], "no row 's-9999'"),
        ({"s-9999"}, "no row 's-9999'"),
        (["s-0001", "s-0001"], "asked for twice"),
        ([0, 1], "0 is neither a truth value nor an id"),
        ([True, "s-0001"], "True is neither"),
    ],
)
def test_subset_refuses(corpus: Path, keep: Any, problem: str) -> None:
    with pytest.raises(DatasetError, match=problem) as caught:
        datasets.sentiment("en", "test").subset(keep)
    assert caught.value.remedy


def test_frame_has_a_column_each(corpus: Path) -> None:
    frame = datasets.sentiment("de", "test").frame()
    assert list(frame.columns) == ["id", "text", "label", "held", "language"]
    assert frame["label"].value_counts().to_dict() == dict.fromkeys(LABELS, 2)
    assert set(frame["language"]) == {"de"}
    assert list(datasets.nli("de", "test").frame().columns)[1:3] == ["premise", "hypothesis"]
    assert datasets.ner("de", "test").frame()["tags"][0][0] == "B-PER"


def test_columns_of_different_length_are_refused() -> None:
    with pytest.raises(DatasetError, match="1 texts for 2 ids"):
        Labelled(
            ids=("a", "b"), texts=("x",), labels=("p", "p"), names=("p",), held=("", ""),
            language="en", source="here",
        )  # fmt: skip


def test_id_that_occurs_twice_is_refused(toy: Path) -> None:
    write(toy, "sentiment", "test", "en", [review(1, "en"), review(1, "en")])
    with pytest.raises(DatasetError, match="'s-0001' occurs twice"):
        datasets.sentiment("en", "test")


def test_line_separators_inside_a_text_do_not_end_a_row(toy: Path) -> None:
    write(toy, "sentiment", "test", "en", [{**review(1, "en"), "text": "Good\u2028soup."}])
    assert datasets.sentiment("en", "test").texts == ("Good\u2028soup.",)


# ── the corpus: parallel rows ────────────────────────────────────────────────────────────


def test_parallel_rows_are_in_the_same_order(corpus: Path) -> None:
    rows = datasets.parallel(["en", "de"], "test")
    assert list(rows) == ["en", "de"] and len(rows) == 2
    assert rows["en"].ids == rows["de"].ids == rows.ids
    assert rows["de"].texts[1] == "Gute Suppe." and rows["en"].texts[1] == "Good soup."
    assert "6 rows in en, de" in repr(rows)
    pairs = datasets.parallel(["de", "en"], "dev", task="nli")
    assert pairs["en"].premises[0] == "en premise 0" and list(pairs) == ["de", "en"]


def test_parallel_keeps_the_shared_ids_in_the_order_of_the_first(corpus: Path) -> None:
    rows = datasets.parallel(["en", "sw"])
    assert rows.ids == ("s-0001", "s-0003", "s-0005")
    assert rows["sw"].texts == ("Supu nzuri.", "Supu mbovu.", "Supu nzuri.")
    assert datasets.parallel(["sw", "en"]).ids == ("s-0005", "s-0003", "s-0001")


def test_parallel_texts_are_distinct_in_every_language(corpus: Path) -> None:
    rows = datasets.parallel(["en", "de"])
    # Rows 3 and 0 say the same in English only, 4 and 5 what 0 and 1 have said.
    assert rows.texts() == {"en": SAID["en"][:3], "de": SAID["de"][:3]}
    assert len(rows.texts(distinct=False)["en"]) == 6


def test_parallel_texts_of_pairs_are_both_sentences(corpus: Path) -> None:
    texts = datasets.parallel(["en", "de"], task="nli").texts()
    assert len(texts["en"]) == len(texts["de"]) == 2 + 6
    assert texts["de"][:3] == ["de premise 0", "de hypothesis 0", "de hypothesis 1"]
    assert [t.replace("de", "en") for t in texts["de"]] == texts["en"]


def test_nothing_shared_is_refused(corpus: Path) -> None:
    write(corpus, "sentiment", "test", "sw", [review(i, "sw") for i in (7, 8)])
    with pytest.raises(DatasetError, match="en, sw have no id in common"):
        datasets.parallel(["en", "sw"])


def test_same_id_with_another_label_is_refused(corpus: Path) -> None:
    rows = [{**review(i, "sw"), "label": "neutral"} for i in range(6)]
    write(corpus, "sentiment", "test", "sw", rows)
    with pytest.raises(DatasetError, match="s-0000 is 'negative' in en and 'neutral' in sw"):
        datasets.parallel(["en", "sw"])


@pytest.mark.parametrize(
    ("languages_", "problem"),
    [([], "no language"), (["en", "en"], "named twice"), ("en", "'en' is one text")],
)
def test_parallel_refuses(corpus: Path, languages_: Any, problem: str) -> None:
    with pytest.raises(DatasetError, match=problem) as caught:
        datasets.parallel(languages_)
    assert caught.value.remedy


def test_parallel_without_the_language_says_which_it_has(corpus: Path) -> None:
    rows = datasets.parallel(["en", "de"])
    assert "de" in rows and "sw" not in rows
    with pytest.raises(DatasetError, match="no language 'sw'.*\n.*en, de"):
        rows["sw"]


def test_parallel_takes_tables_of_ones_own(corpus: Path) -> None:
    few = datasets.sentiment("en", "test")[:2]
    rows = Parallel({"en": few, "de": datasets.sentiment("de", "test")})
    assert rows.ids == ("s-0000", "s-0001") and rows["de"].texts[1] == "Gute Suppe."


# ── the corpus: what is refused ──────────────────────────────────────────────────────────


def test_available_languages(corpus: Path) -> None:
    assert datasets.available("sentiment") == ["de", "en", "sw"]
    assert datasets.available("nli") == ["de", "en"]
    with pytest.raises(DatasetError, match="no task 'pos'"):
        datasets.available("pos")  # type: ignore[arg-type]


def test_language_without_the_task_names_those_with_it(corpus: Path) -> None:
    with pytest.raises(DatasetError, match="no test set for nli in Swahili\n.*de, en"):
        datasets.nli("sw", "test")
    with pytest.raises(languages.UnknownLanguageError, match="'ge'"):
        datasets.nli("ge", "test")


def test_checkout_without_a_corpus_says_how_to_make_it(toy: Path) -> None:
    with pytest.raises(DatasetError, match="course.py build"):
        datasets.ner("en")


@pytest.mark.parametrize("split", ["validation", "Train", "", None])
def test_unknown_split_names_the_three(corpus: Path, split: Any) -> None:
    with pytest.raises(DatasetError, match="train, dev or test") as caught:
        datasets.sentiment("en", split)
    assert ("others call validation" in str(caught.value)) == (split == "validation")


def test_unknown_task_is_refused(corpus: Path) -> None:
    with pytest.raises(DatasetError, match="no task 'pos'.*\n.*sentiment, ner, nli"):
        datasets.parallel(["en", "de"], task="pos")  # type: ignore[call-overload]


def test_altered_and_missing_files_are_refused(corpus: Path) -> None:
    file = corpus / "corpus" / "nli" / "test.de.jsonl"
    with file.open("a", encoding="utf-8") as handle:
        handle.write("\n")
    with pytest.raises(assets.AssetError, match="altered.*\n.*course.py fetch"):
        datasets.nli("de", "test")
    file.unlink()
    with pytest.raises(assets.AssetError, match="missing"):
        datasets.nli("de", "test")


BROKEN = [
    ("sentiment", {"text": None}, "line 2: the field 'text' is no text"),
    ("sentiment", {"held": ...}, "line 2: the field 'held' is missing"),
    ("sentiment", {"label": "mixed"}, "line 2: 'mixed' is no label of sentiment"),
    ("nli", {"hypothesis": ...}, "line 2: the field 'hypothesis' is missing"),
    ("nli", {"label": "positive"}, "line 2: 'positive' is no label of nli"),
    ("ner", {"tags": "O O O O"}, "line 2: 5 tokens, 4 tags, 5 upos"),
    ("ner", {"tags": "I-PER I-PER O O O"}, "line 2: the tag 'I-PER' is not IOB2"),
    ("ner", {"tags": "B-PER I-LOC O O O"}, "line 2: the tag 'I-LOC' is not IOB2"),
    ("ner", {"tags": "B-MISC O O O O"}, "line 2: the tag 'B-MISC' is not IOB2"),
]


@pytest.mark.parametrize(("task", "change", "problem"), BROKEN)
def test_broken_row_is_named(toy: Path, task: str, change: dict[str, Any], problem: str) -> None:
    row = {**MAKERS[task](2, "en"), **change}
    bad = {field: value for field, value in row.items() if value is not ...}
    write(toy, task, "test", "en", [MAKERS[task](1, "en"), bad])
    with pytest.raises(DatasetError, match=problem) as caught:
        getattr(datasets, task)("en", "test")
    assert "data/corpus" in str(caught.value) and "build" in caught.value.remedy


@pytest.mark.parametrize("line", ["{", '["s-0001"]'])
def test_line_that_is_no_object_is_named(toy: Path, line: str) -> None:
    file = write(toy, "sentiment", "test", "en", [review(1, "en")])
    file.write_text(file.read_text(encoding="utf-8") + line + "\n", encoding="utf-8")
    assets.register(file, "shipped", "CC BY 4.0", "written for a test")
    with pytest.raises(DatasetError, match="line 2"):
        datasets.sentiment("en", "test")


def test_empty_file_is_refused(toy: Path) -> None:
    write(toy, "sentiment", "test", "en", [])
    with pytest.raises(DatasetError, match="no rows"):
        datasets.sentiment("en", "test")


# ── the hand-written set ─────────────────────────────────────────────────────────────────

BY_HAND = """\
code = "en"
[reviews.positive]
r002 = "Good soup."
[reviews.negative]
r001 = "Bad soup."
[news]
n001 = "[PER Ana Díaz]'s house in [LOC Lima] is old."
[nli.neutral]
e001 = ["A man sings.", "A man is happy."]
"""


@pytest.fixture
def by_hand(toy: Path) -> Path:
    file = toy / "handwritten" / "en.toml"
    file.parent.mkdir()
    file.write_text(BY_HAND, encoding="utf-8")
    assets.register(file, "shipped", "CC BY 4.0", "written for a test")
    return file


def test_hand_written_reviews_are_sorted_by_id(by_hand: Path) -> None:
    data = datasets.handwritten("sentiment", "en")
    assert data.ids == ("r001", "r002") and data.labels == ("negative", "positive")
    assert data.texts == ("Bad soup.", "Good soup.") and data.held == ("", "")
    assert data.names == ("negative", "neutral", "positive")
    assert datasets.handwritten_languages() == ["en"]


def test_hand_written_news_are_tagged(by_hand: Path) -> None:
    data = datasets.handwritten("ner", "en")
    assert data.texts == ("Ana Díaz's house in Lima is old.",)
    assert data.sentences[0] == ("Ana", "Díaz", "'s", "house", "in", "Lima", "is", "old", ".")
    assert data.tags[0] == ("B-PER", "I-PER", "O", "O", "O", "B-LOC", "O", "O", "O")
    assert data.upos == ((),)


def test_hand_written_pairs(by_hand: Path) -> None:
    data = datasets.handwritten("nli", "en")
    assert data[0]["premise"] == "A man sings." and data[0]["label"] == "neutral"


def test_hand_written_set_is_the_same_in_the_hub_set(by_hand: Path) -> None:
    mini = datasets.handwritten("sentiment", "en")
    settings.use("hub")
    assert datasets.handwritten("sentiment", "en") == mini


def test_hand_written_refuses(by_hand: Path) -> None:
    with pytest.raises(DatasetError, match="no hand-written set in German\n.*en"):
        datasets.handwritten("sentiment", "de")
    with pytest.raises(DatasetError, match="no task 'news'.*\n.*sentiment, ner, nli"):
        datasets.handwritten("news", "en")  # type: ignore[call-overload]
    by_hand.write_text(BY_HAND + "\n", encoding="utf-8")
    with pytest.raises(assets.AssetError, match="altered"):
        datasets.handwritten("sentiment", "en")


@pytest.mark.parametrize(
    ("language", "marked", "words", "tags"),
    [
        ("fr", "à l’[ORG Hôpital de Lima] d'[LOC Oslo]", "à l’ Hôpital de Lima d' Oslo",
         "O O B-ORG I-ORG I-ORG O B-LOC"),
        ("de", "[PER Ana] [PER Ben] in [LOC Bonn]s Park", "Ana Ben in Bonns Park",
         "B-PER B-PER O B-LOC O"),
        ("zh", "[PER 王 芳] 在 [ORG New York 大学] 教书。", "王 芳 在 New York 大学 教书 。",
         "B-PER I-PER O B-ORG I-ORG I-ORG O O"),
        ("ar", "زارت [LOC دبي].", "زارت دبي .", "O B-LOC O"),
    ],
)  # fmt: skip
def test_entities_in_brackets(language: str, marked: str, words: str, tags: str) -> None:
    text, found, iob = parse_entities(marked, language)
    assert found == words.split() and iob == tags.split()
    assert "[" not in text


def test_chinese_text_is_written_together_but_for_latin_words() -> None:
    text, words, _ = parse_entities("他 在 [ORG New York 大学] 教书，很 好。", "zh")
    assert text == "他在New York大学教书，很好。"
    assert "".join(words) == text.replace(" ", "")


@pytest.mark.parametrize("text", ["[PER Ana lives", "Ana] lives", "[MISC Ana]", "[PER [LOC Ana]]"])
def test_bracket_that_does_not_fit_is_refused(text: str) -> None:
    with pytest.raises(DatasetError, match="does not fit"):
        parse_entities(text, "en")


def test_word_of_two_names_is_refused() -> None:
    with pytest.raises(DatasetError, match="'AnaBen' belongs to two names"):
        parse_entities("[PER Ana][PER Ben]", "en")


@pytest.mark.parametrize(
    ("task", "old", "new", "problem"),
    [
        ("sentiment", 'code = "en"', 'code = "de"', "is in 'de', not 'en'"),
        ("sentiment", "reviews.positive", "reviews.good", "no label of sentiment"),
        ("sentiment", '"Bad soup."', '" "', "r001 is not text"),
        ("nli", '"A man sings.", ', "", "e001 is not premise and hypothesis"),
        ("ner", "[news]", "[old]", "no part"),
        ("ner", "[LOC Lima]", "[LOC Lima", "n001: a bracket"),
        ("ner", "[news]", "[news]\nn000 = 3", "n000 is no text"),
        ("ner", "[news]", "[news", "no TOML"),
    ],
)
def test_item_that_is_wrong_is_named(task: str, old: str, new: str, problem: str) -> None:
    assert old in BY_HAND
    with pytest.raises(DatasetError, match=problem) as caught:
        parse_handwritten(BY_HAND.replace(old, new), task, "en", "en.toml")
    assert "en.toml" in caught.value.problem and caught.value.remedy


def handwritten_files() -> list[Path]:
    return sorted((Path(__file__).resolve().parents[2] / "data" / "handwritten").glob("*.toml"))


@pytest.mark.parametrize("file", handwritten_files(), ids=lambda file: file.stem)
def test_shipped_hand_written_set_says_the_same_as_the_english(file: Path) -> None:
    english = file.with_name("en.toml")
    for task, rows in {"sentiment": 108, "ner": 60, "nli": 60}.items():
        ours = parse_handwritten(file.read_text("utf-8"), task, file.stem, file.name)
        theirs = parse_handwritten(english.read_text("utf-8"), task, "en", english.name)
        assert ours.ids == theirs.ids and len(ours) == rows
        if isinstance(ours, Tagged) and isinstance(theirs, Tagged):
            for row, other in zip(ours, theirs, strict=True):
                kinds = [[t for t in r["tags"] if t[0] == "B"] for r in (row, other)]
                assert sorted(kinds[0]) == sorted(kinds[1]), row["id"]
                assert datasets.corpus.iob2_fault(list(row["tags"])) == "", row["id"]
        else:
            Parallel({"en": theirs, file.stem: ours})  # labels agree


# ── what importing costs ─────────────────────────────────────────────────────────────────


def test_import_loads_nothing_heavy() -> None:
    code = "import sys, xlhelpers as xl; xl.datasets.sentiment; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"torch", "numpy", "pandas", "pyarrow", "huggingface_hub", "transformers"}
    assert not heavy & set(done.stdout.split())
