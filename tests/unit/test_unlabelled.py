"""Text of a language that no model has read, and the dictionary of the little world."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from xlhelpers import assets, datasets, languages, settings
from xlhelpers.build import adaptation, corpus, models
from xlhelpers.build.corpus import sets
from xlhelpers.build.plans import LANGUAGES, UNSEEN
from xlhelpers.datasets import DatasetError, public, unlabelled, world_lexicon

LEXICON = (
    "category\tconcept\ten\tde\tyo\n"
    "thing\thotel\thotel\tHotel|Hotels\thòtẹ́ẹ̀lì\n"
    "thing\tinn\tinn\tHotel\tilé àlejò\n"
)


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder with a lexicon of two concepts and three documents."""
    data = tmp_path / "data"
    (data / "text").mkdir(parents=True)
    monkeypatch.setenv("XL_DATA", str(data))
    (data / assets.MANIFEST).write_text("", encoding="utf-8")
    settings.reset()
    for name, content in (
        ("lexicon.tsv", LEXICON),
        ("text/yo.txt", "Ó dára.\nKò dára.\n"),
        ("text/yo.heldout.txt", "Ó burú.\n"),
    ):
        (data / name).write_text(content, encoding="utf-8", newline="\n")
        assets.register(data / name, "shipped", "CC BY 4.0", "written for a test")
    return data


# ── text ─────────────────────────────────────────────────────────────────────────────────


def test_documents_by_split(toy: Path) -> None:
    assert unlabelled("yo") == ["Ó dára.", "Kò dára."]
    assert unlabelled("yo", "heldout") == ["Ó burú."]


def test_a_language_that_models_have_read_has_none(toy: Path) -> None:
    with pytest.raises(DatasetError, match="no plain text in Swahili") as caught:
        unlabelled("sw")
    assert caught.value.remedy == "choose among yo"
    with pytest.raises(DatasetError, match="no split 'dev'"):
        unlabelled("yo", "dev")  # type: ignore[arg-type]


def test_altered_text_is_refused(toy: Path) -> None:
    with (toy / "text" / "yo.txt").open("a", encoding="utf-8") as handle:
        handle.write("Ó dára.\n")
    with pytest.raises(assets.AssetError, match="altered"):
        unlabelled("yo")


def test_first_paragraphs_of_wikipedia(toy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = [f"Àpilẹ̀kọ {number} tó gùn díẹ̀ ju èyí tó kúrú lọ." for number in range(45)]
    pages = [f"{text}\n\nÌpín kejì." for text in long]
    asked: list[Any] = []

    def articles(which: Any, code: str) -> tuple[str, ...]:
        asked.append((which.id, code))
        return ("Kúrú.\n\nÌpín kejì.", *pages)

    monkeypatch.setattr(public, "articles", articles)
    settings.use("hub")
    train, held = unlabelled("yo"), unlabelled("yo", "heldout")
    assert asked == [("wikimedia/wikipedia", "yo")] * 2
    assert held == [long[19], long[39]]
    assert train == [text for text in long if text not in held]
    settings.use("hub", train_rows=7, test_rows=1)
    assert (len(unlabelled("yo")), len(unlabelled("yo", "heldout"))) == (7, 1)
    with pytest.raises(DatasetError, match="no Wikipedia in German is set up"):
        unlabelled("de")


# ── the dictionary of the little world ───────────────────────────────────────────────────


def test_forms_and_what_they_mean(toy: Path) -> None:
    assert world_lexicon("yo", "en") == {"hòtẹ́ẹ̀lì": ("hotel",), "ilé àlejò": ("inn",)}
    # One form of two concepts; two forms of one.
    assert world_lexicon("de", "en") == {"Hotel": ("hotel", "inn"), "Hotels": ("hotel",)}
    assert world_lexicon("en", "de")["hotel"] == ("Hotel", "Hotels")


def test_the_same_in_both_model_sets(toy: Path) -> None:
    before = world_lexicon("yo", "de")
    settings.use("hub")
    assert world_lexicon("yo", "de") == before


@pytest.mark.parametrize(
    ("pair", "problem"),
    [(("yo", "yo"), "source and target"), (("yo", "fi"), "the lexicon has no Finnish")],
)
def test_lexicon_refuses(toy: Path, pair: tuple[str, str], problem: str) -> None:
    with pytest.raises(DatasetError, match=problem):
        world_lexicon(*pair)


def test_checkout_without_a_lexicon_says_how_to_make_it(toy: Path) -> None:
    assets.forget("lexicon.tsv")
    with pytest.raises(DatasetError, match="holds no lexicon") as caught:
        world_lexicon("yo", "en")
    assert "build lexicon" in caught.value.remedy


# ── what is shipped, and how it is made ──────────────────────────────────────────────────


NEVER_READ = (UNSEEN, *languages.CONTRIBUTED)


@pytest.fixture(scope="module")
def tested() -> dict[str, set[str]]:
    made = {t: sets.read(t, settings.current().data / "corpus") for t in corpus.TASKS}
    return {code: sets.forbidden(made, code) for code in NEVER_READ}


@pytest.mark.parametrize("code", NEVER_READ)
def test_shipped_text_holds_no_tested_sentence(code: str, tested: dict[str, set[str]]) -> None:
    train, held = unlabelled(code), unlabelled(code, "heldout")
    assert (len(train), len(held)) == (adaptation.TRAIN, adaptation.HELD_OUT)
    assert len(tested[code]) > 500
    for text in [*train, *held]:
        assert not any(sentence in text for sentence in tested[code]), text
    assert not any(text.endswith("/5") for text in train)


@pytest.mark.parametrize("code", NEVER_READ)
def test_no_heldout_sentence_is_in_the_text(code: str) -> None:
    said = {part for text in unlabelled(code) for part in text.split(". ")}
    held = {part for text in unlabelled(code, "heldout") for part in text.split(". ")}
    assert len(said) > 5_000 and not held & said


@pytest.mark.pinned("made again as the committed text was")
def test_text_is_made_again_to_the_same() -> None:
    train, held = adaptation.texts(UNSEEN)
    assert train == unlabelled(UNSEEN) and held == unlabelled(UNSEEN, "heldout")
    assert UNSEEN not in LANGUAGES


@pytest.mark.pinned("made again as the committed text was")
@pytest.mark.parametrize("code", languages.CONTRIBUTED)
def test_text_of_a_contributed_language_is_what_its_grammar_says(
    code: str, tested: dict[str, set[str]]
) -> None:
    """The first 500 documents: a grammar that was changed and not built again is found."""
    world, grammars = models.world_and_grammars([code])
    made = corpus.documents(world, grammars[code], 500, adaptation._SEED, forbidden=tested[code])
    assert [document.text for document in made] == unlabelled(code)[:500], (
        f"course.py build language/{code}"
    )


def test_shipped_lexicon_has_all_concepts_in_all_languages() -> None:
    text = assets.read_bytes("lexicon.tsv").decode("utf-8")
    header, *rows = (line.split("\t") for line in text.splitlines())
    assert header == ["category", "concept", *models.corpus_languages()]
    assert len(rows) == 574 and all(cell for row in rows for cell in row)
    assert {len(row) for row in rows} == {len(header)}
    assert not any(sign in cell for row in rows for cell in row[2:] for sign in "{}/[]")


@pytest.mark.parametrize("code", languages.CONTRIBUTED)
def test_a_contributed_lexicon_has_the_same_concepts(code: str) -> None:
    ours, theirs = (
        [line.split("\t") for line in assets.read_bytes(name).decode("utf-8").splitlines()]
        for name in (f"lexicon/{code}.tsv", "lexicon.tsv")
    )
    assert ours[0] == ["category", "concept", code]
    assert [row[:2] for row in ours] == [row[:2] for row in theirs]
    assert all(len(row) == 3 and row[2] for row in ours)
    _, grammars = models.world_and_grammars(["en", code])
    made = adaptation.lexicon_lines(grammars[code].world, grammars, [code])
    assert list(made) == ["\t".join(row) for row in ours[1:]]
    assert world_lexicon(code, "en").keys() == {w for row in ours[1:] for w in row[2].split("|")}


def test_lexicons_of_other_concepts_are_refused(toy: Path) -> None:
    (toy / "lexicon").mkdir()
    file = toy / "lexicon" / "it.tsv"
    for cells, allowed in (("thing\thotel\thotel\nthing\tinn\tlocanda\n", True),
                           ("thing\thotel\thotel\n", False)):  # fmt: skip
        file.write_text(f"category\tconcept\tit\n{cells}", encoding="utf-8", newline="\n")
        assets.register(file, "shipped", "CC BY 4.0", "written for a test")
        if allowed:
            assert world_lexicon("it", "yo") == {"hotel": ("hòtẹ́ẹ̀lì",), "locanda": ("ilé àlejò",)}
        else:
            with pytest.raises(DatasetError, match="other concepts") as caught:
                world_lexicon("it", "yo")
            assert "build language/it" in caught.value.remedy


def test_a_few_words_everyone_knows() -> None:
    known = world_lexicon("en", "yo")
    assert known["hotel"] == ("hòtẹ́ẹ̀lì",) and known["water"] == ("omi",)
    assert world_lexicon("en", "de")["resting"] == ("sich ausruhen",)
    assert world_lexicon("zh", "en")["早餐"] == ("breakfast",)
    assert world_lexicon("yo", "en")["tó ga"] == ("tall",)


def test_forms_as_the_grammar_has_them() -> None:
    _, grammars = models.world_and_grammars(models.corpus_languages())
    assert adaptation.forms(grammars["de"], "thing", "campsite") == [
        "Campingplatz",
        "Campingplatzes",
    ]
    assert adaptation.forms(grammars["es"], "institution", "football_club") == ["Club de Fútbol de"]
    assert adaptation.forms(grammars["fr"], "trait", "young") == ["jeune", "jeunes"]
    # What denies a quality is none of its forms.
    excellent = grammars["yo"].rows["quality"]["excellent"]
    found = adaptation.forms(grammars["yo"], "quality", "excellent")
    assert found == [excellent["pred"]] and excellent["neg"] not in found
    assert adaptation.forms(grammars["zh"], "kin", "my_father") == ["我爸爸"]


def test_wikipedia_is_pinned() -> None:
    assert datasets.WIKIPEDIA.folders == {"yo": "20231101.yo"}
    assert len(datasets.WIKIPEDIA.revision) == 40
