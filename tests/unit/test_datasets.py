"""Dictionaries: the format, the split, both directions, and the files that we ship."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from xlhelpers import assets, datasets, hub, languages, settings
from xlhelpers.datasets import DatasetError, Entry, Lexicon, lexicon, parse_lexicon, side
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
