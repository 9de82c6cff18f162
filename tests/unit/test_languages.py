"""Language cards: facts, look-up, safe HTML."""

from __future__ import annotations

import unicodedata

import pytest

from xlhelpers import languages

NEEDED = """
en de nl fr es pt ru ar hi zh sw yo fi it cs uk ja ko vi th id tr pl el he ta bn ur am ha ig zu
"""


def test_all_languages_of_the_course_are_there() -> None:
    assert set(NEEDED.split()) <= set(languages.codes())


def test_cards_are_sorted_and_codes_are_unique() -> None:
    cards = languages.all()
    assert [card.code for card in cards] == sorted({card.code for card in cards})
    assert len({card.iso3 for card in cards}) == len({card.name for card in cards}) == len(cards)


@pytest.mark.parametrize("card", languages.all(), ids=lambda card: card.code)
def test_card_is_well_formed(card: languages.Language) -> None:
    assert len(card.code) == 2 and len(card.iso3) == 3 and len(card.script) == 4
    assert card.name.isascii() and card.name[0].isupper()
    assert card.native == unicodedata.normalize("NFC", card.native)
    assert (card.direction == "rtl") == (card.code in {"ar", "fa", "he", "ur"})


# How Unicode names the letters of a script.
LETTERS = {
    "Arab": {"ARABIC"},
    "Beng": {"BENGALI"},
    "Cyrl": {"CYRILLIC"},
    "Deva": {"DEVANAGARI"},
    "Ethi": {"ETHIOPIC"},
    "Grek": {"GREEK"},
    "Hans": {"CJK"},
    "Hebr": {"HEBREW"},
    "Jpan": {"CJK", "HIRAGANA", "KATAKANA"},
    "Kore": {"HANGUL"},
    "Latn": {"LATIN"},
    "Taml": {"TAMIL"},
    "Thai": {"THAI"},
}


@pytest.mark.parametrize("card", languages.all(), ids=lambda card: card.code)
def test_native_name_is_written_in_the_script_of_the_card(card: languages.Language) -> None:
    letters = [char for char in card.native if char.isalpha()]
    assert {unicodedata.name(char).split()[0] for char in letters} <= LETTERS[card.script]


def test_what_the_models_have_seen_agrees_with_their_authors_counts() -> None:
    # 104 entries with Chinese twice; 100 cells with five romanisations, Zawgyi, Chinese twice.
    assert len(languages.MBERT) == 104 - 1
    assert len(languages.XLMR) == 100 - 5 - 1 - 1


@pytest.mark.parametrize(
    ("code", "seen"),
    [
        ("en", {"mBERT", "XLM-R"}),
        ("sw", {"mBERT", "XLM-R"}),
        ("th", {"mBERT", "XLM-R"}),
        ("yo", {"mBERT"}),
        ("am", {"XLM-R"}),
        ("ha", {"XLM-R"}),
        ("ig", set()),
        ("zu", set()),
    ],
)
def test_seen_by(code: str, seen: set[str]) -> None:
    assert languages.get(code).seen_by == seen


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [("DE", "'de'"), ("German", "'de'"), ("deu", "'de'"), ("pt-BR", "'pt'"), ("jp", "'ja'")],
)
def test_unknown_code_names_the_nearest(wrong: str, hint: str) -> None:
    with pytest.raises(languages.UnknownLanguageError) as caught:
        languages.get(wrong)
    assert wrong in caught.value.problem and hint in caught.value.remedy


@pytest.mark.parametrize("nonsense", ["", "qqqq", None, 3, ["de"]])
def test_nonsense_gets_the_same_error(nonsense: object) -> None:
    with pytest.raises(languages.UnknownLanguageError, match="no language card"):
        languages.get(nonsense)  # type: ignore[arg-type]


def test_html_sets_language_and_direction_and_escapes() -> None:
    assert languages.html("<b>&\"'", "ar") == (
        '<span lang="ar" dir="rtl">&lt;b&gt;&amp;&quot;&#x27;</span>'
    )
    assert languages.html("मशीन", "hi") == '<span lang="hi" dir="ltr">मशीन</span>'
