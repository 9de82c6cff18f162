"""The everyday sentences: the shipped file held to its promises, and files that break them."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from pathlib import Path

import pytest

from xlhelpers import assets, datasets, languages, settings, tokenization, tokens
from xlhelpers.build import pipeline
from xlhelpers.datasets import DatasetError, parse_everyday

COURSE = "en de nl fr es pt ru ar hi zh sw yo th ja ko vi tr fi id el ta".split()
CODES = [*COURSE, *languages.CONTRIBUTED]
# ISO 15924 of the language cards, and the scripts that Unicode's names tell.
SCRIPTS = {
    "Arab": {"Arabic"},
    "Cyrl": {"Cyrillic"},
    "Deva": {"Devanagari"},
    "Grek": {"Greek"},
    "Hans": {"Han"},
    "Jpan": {"Han", "Hiragana", "Katakana"},
    "Kore": {"Hangul"},
    "Latn": {"Latin"},
    "Taml": {"Tamil"},
    "Thai": {"Thai"},
}
# Letters beyond a to z that each Latin alphabet has, composed; Yoruba's tones are marks.
LATIN = {
    "en": "",
    "de": "äöüß",
    "nl": "ëïé",
    "fr": "àâæçéèêëîïôœùûüÿ",
    "es": "áéíóúüñ",
    "it": "àèéìòù",
    "pt": "áâãàçéêíóôõú",
    "sw": "",
    "yo": "áàéèẹíìóòọúùńǹṣ",
    "tr": "çğıöşüâî",
    "fi": "äö",
    "id": "",
}
# Signs of each language; all others have those of English.
SIGNS = {
    "ar": "،؟.",
    "el": ",.;",
    "es": ",.;?¿",
    "hi": ",?।",
    "ja": "、。？",
    "th": "",
    "zh": "，。？",
}


@pytest.fixture(scope="module")
def sentences() -> dict[str, list[str]]:
    return datasets.everyday(contributed=True)


@pytest.fixture(scope="module")
def words() -> dict[str, list[list[str]]]:
    return datasets.everyday_words(contributed=True)


# ── the shipped file ─────────────────────────────────────────────────────────────────────


def test_there_are_24_sentences_in_21_languages(sentences: dict[str, list[str]]) -> None:
    assert list(datasets.everyday()) == list(datasets.everyday_words()) == COURSE
    assert list(sentences) == CODES
    assert {len(rows) for rows in sentences.values()} == {24}
    for code, rows in sentences.items():
        assert len({row.casefold() for row in rows}) == 24, code
    assert all(8 <= len(row.split()) <= 18 for row in sentences["en"])


def test_text_is_composed_and_has_no_mark_of_the_file(sentences: dict[str, list[str]]) -> None:
    for code, rows in sentences.items():
        for row in rows:
            assert unicodedata.is_normalized("NFC", row), (code, row)
            assert row == row.strip() and not re.search(r"[|_�]| {2}", row), (code, row)


@pytest.mark.parametrize("code", CODES)
def test_every_word_is_in_the_script_of_its_language(
    code: str, words: dict[str, list[list[str]]]
) -> None:
    allowed = SCRIPTS[languages.get(code).script]
    found = Counter(
        tokenization.script(char) for row in words[code] for word in row for char in word
    )
    assert set(found) - {"none"} <= allowed, found
    assert found["none"] < 0.1 * found.total()  # digits, apostrophes


@pytest.mark.parametrize("code", sorted(LATIN))
def test_latin_letters_are_those_of_the_alphabet(
    code: str, sentences: dict[str, list[str]]
) -> None:
    text = unicodedata.normalize("NFC", "".join(sentences[code]).lower())
    letters = {char for char in text if char.isalpha()} - set("abcdefghijklmnopqrstuvwxyz")
    assert letters <= set(LATIN[code]), letters - set(LATIN[code])
    if LATIN[code] and code != "nl":
        assert letters, "no diacritic at all: lost on the way?"


@pytest.mark.parametrize("code", CODES)
def test_signs_are_those_of_the_language(code: str, sentences: dict[str, list[str]]) -> None:
    signs = {
        char for char in "".join(sentences[code]) if not tokens.is_word(char) and not char.isspace()
    }
    assert signs - set("'’-") <= set(SIGNS.get(code, ",.;?")), signs


def test_yoruba_has_its_tones_and_dots(sentences: dict[str, list[str]]) -> None:
    """Vowels with a tone are about as many as those without in careful Yoruba."""
    text = unicodedata.normalize("NFD", "".join(sentences["yo"]))
    vowels = sum(char in "aeiouAEIOU" for char in text)
    tones = sum(char in "\u0300\u0301" for char in text)
    assert 0.4 < tones / vowels < 0.8
    assert sum(char == "\u0323" for char in text) > 100


def test_numbers_are_the_same_in_every_language(sentences: dict[str, list[str]]) -> None:
    digits = {
        code: [Counter(re.findall(r"\d+", row)) for row in rows] for code, rows in sentences.items()
    }
    for code, found in digits.items():
        assert found == digits["en"], code


@pytest.mark.parametrize("code", CODES)
def test_questions_are_questions_everywhere(code: str, sentences: dict[str, list[str]]) -> None:
    """Rows that end in a question mark do so in all, but for two requests and Thai."""
    if code == "th":
        assert not any("?" in row for row in sentences[code])
        return
    last = "?？؟" + (";" if code == "el" else "")
    asked = {i for i, row in enumerate(sentences[code], 1) if row[-1] in last}
    plain_in_japanese = {i for i, row in enumerate(sentences[code], 1) if row.endswith("か。")}
    assert (asked | plain_in_japanese) - {3} == {6, 17, 22}


# ── words ────────────────────────────────────────────────────────────────────────────────


def _letters(text: str) -> str:
    return "".join(char for char in text if tokens.is_word(char))


def test_words_join_back_to_the_sentences(
    sentences: dict[str, list[str]], words: dict[str, list[list[str]]]
) -> None:
    for code in CODES:
        for row, cut in zip(sentences[code], words[code], strict=True):
            assert _letters("".join(cut)) == _letters(row), (code, row)
            assert all(map(_letters, cut)), (code, cut)


def test_a_blank_parts_words_but_where_hands_marked_them(
    sentences: dict[str, list[str]], words: dict[str, list[list[str]]]
) -> None:
    for code in CODES:
        blanks = sum(bool(_letters(piece)) for row in sentences[code] for piece in row.split())
        count = sum(map(len, words[code]))
        if code in ("th", "ja", "zh"):
            assert count > 3 * blanks, code
            assert not any(" " in word for row in words[code] for word in row)
        elif code == "vi":
            assert blanks > count > 0.7 * blanks
            assert any(word == "bệnh viện" for word in words["vi"][9])
        else:
            assert count == blanks, code


def test_segmented_words_are_of_sensible_length(words: dict[str, list[list[str]]]) -> None:
    """A border forgotten makes a word too long; longest that any of them has is a compound."""
    for code, most in (("zh", 3), ("ja", 5), ("th", 12)):
        longest = max((word for row in words[code] for word in row), key=len)
        assert len(longest) <= most, longest


def test_words_have_no_sign_at_their_edges(words: dict[str, list[list[str]]]) -> None:
    assert words["fr"][2][-1] == "langue"  # its question mark stands apart
    assert words["es"][5][0] == "Cuánto"
    assert "'s" in words["nl"][9]  # an apostrophe is part of the word
    assert words["tr"][7][4] == "3"


# ── files that break the promises ────────────────────────────────────────────────────────

GOOD = """
[en]
s01 = "It rains."
[th]
s01 = "ฝน|ตก"
[vi]
s01 = "Bệnh_viện xa."
"""


def test_a_good_file_is_read() -> None:
    assert parse_everyday(GOOD)["th"] == ["ฝน|ตก"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"It rains."', '"It rains.', "is no TOML"),
        (GOOD, "", "has no language"),
        ('[en]\ns01 = "It rains."', "[en]", r"\[en\] has no sentences"),
        ("[en]", "en = 1\n[de]", r"\[en\] has no sentences"),
        ('[vi]\ns01 = "', '[vi]\ns02 = "', r"\[vi\] has other rows .*: s01, s02"),
        ('"It rains."', "7", "en s01 is no text"),
        ('"It rains."', '" "', "en s01 is no text"),
        ('"It rains."', '"Cafe\u0301."', "en s01 is not in composed form"),
        ('"It rains."', '"It  rains."', "en s01 has a blank too many"),
        ('"It rains."', '"It|rains."', r"en s01 has the mark '\|', which en does not use"),
        ('"ฝน|ตก"', '"ฝน_ตก"', "th s01 has the mark '_'"),
        ('"ฝน|ตก"', '"ฝนตก"', r"th s01 has no word borders \(\|\)"),
        ('"ฝน|ตก"', '"ฝน||ตก"', "th s01 has a border without a word"),
        ('"ฝน|ตก"', '"ฝน|ตก|"', "th s01 has a border without a word"),
        ('"Bệnh_viện xa."', '"Bệnh_ xa."', "vi s01 has a border without a word"),
    ],
)
def test_a_faulty_file_is_refused(old: str, new: str, message: str) -> None:
    assert old in GOOD
    with pytest.raises(DatasetError, match=message) as caught:
        parse_everyday(GOOD.replace(old, new), "made.toml")
    assert "made.toml" in caught.value.problem and caught.value.remedy


def test_a_sign_that_stands_apart_is_no_fault() -> None:
    assert parse_everyday('[fr]\ns01 = "Où\u00a0?"') == {"fr": ["Où\u00a0?"]}


def test_a_language_that_we_do_not_know_is_refused() -> None:
    with pytest.raises(languages.UnknownLanguageError):
        parse_everyday('[xx]\ns01 = "a"')


def test_rows_in_another_order_are_refused() -> None:
    text = '[en]\ns01 = "a"\ns02 = "b"\n[de]\ns02 = "b"\ns01 = "a"\n'
    with pytest.raises(DatasetError, match="in another order"):
        parse_everyday(text)


# ── the build, and both model sets ───────────────────────────────────────────────────────


@pytest.fixture
def workshop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / assets.MANIFEST).write_text("", encoding="utf-8")
    monkeypatch.setenv("XL_DATA", str(tmp_path))
    settings.reset()
    return tmp_path


def test_the_build_registers_what_it_has_checked(workshop: Path) -> None:
    (workshop / "everyday.toml").write_text(GOOD, encoding="utf-8")
    assert pipeline.everyday_step() == "3 languages, 1 sentences each"
    assert assets.get("everyday.toml").licence == "CC BY 4.0"
    assert datasets.everyday() == {
        "en": ["It rains."],
        "th": ["ฝนตก"],
        "vi": ["Bệnh viện xa."],
    }
    (workshop / "everyday.toml").write_text(GOOD.replace("It rains.", "It__"), encoding="utf-8")
    with pytest.raises(DatasetError, match="everyday.toml: en s01"):
        pipeline.everyday_step()
    with pytest.raises(assets.AssetError):  # altered since it was registered
        datasets.everyday()


def test_a_contributed_file_stands_after_the_others(workshop: Path) -> None:
    (workshop / "everyday.toml").write_text(GOOD, encoding="utf-8")
    pipeline.everyday_step()
    file = workshop / "everyday" / "it.toml"
    file.parent.mkdir()
    file.write_text('[it]\ns01 = "Piove."\n', encoding="utf-8")
    assets.register(file, "shipped", "CC BY 4.0", "written for a test")
    assert list(datasets.everyday()) == ["en", "th", "vi"]
    assert datasets.everyday(contributed=True)["it"] == ["Piove."]
    file.write_text('[it]\ns01 = "Piove."\ns02 = "Nevica."\n', encoding="utf-8")
    assets.register(file, "shipped", "CC BY 4.0", "written for a test")
    with pytest.raises(DatasetError, match="differ in number: en 1, th 1, vi 1, it 2"):
        datasets.everyday(contributed=True)


def test_they_are_the_same_in_both_model_sets(sentences: dict[str, list[str]]) -> None:
    settings.use("hub")
    assert datasets.everyday(contributed=True) == sentences
