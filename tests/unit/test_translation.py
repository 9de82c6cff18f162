"""Translation: loaded once, asked once, kept in order, and honest about what went wrong."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import sacrebleu

from xlhelpers import assets, hub, settings
from xlhelpers.encoding import TruncationWarning
from xlhelpers.languages import UnknownLanguageError
from xlhelpers.transfer import store
from xlhelpers.translation import (
    Pivot,
    TranslationError,
    TranslationWarning,
    Translator,
    audit,
    better,
    bleu,
    chrf,
    negated,
    negation_audit,
    pairs,
    round_trip,
    sentence_chrf,
    sentences,
    translator,
)

sys.path.append(str(Path(__file__).resolve().parents[1] / "hub"))
import stand_ins  # noqa: E402

LINES = (
    "The room was clean and the staff were kind.",
    "We waited for an hour, and nobody came.",
    "The view was good.",
    "I would stay here again at once, and my sister would too.",
    "Is the bed soft?",
)
CODES = (">>cmn_Hant<<", ">>cmn_Hans<<", ">>deu<<")


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    lines = tuple(line for line in LINES for _ in range(4))
    return stand_ins.marian_stand_in(tmp_path_factory.mktemp("marian"), lines=lines, positions=40)


@pytest.fixture(scope="module")
def parts(folder: Path) -> tuple[Any, Any]:
    return hub.model(folder, "translation"), hub.tokenizer(folder)


@pytest.fixture
def there(parts: tuple[Any, Any]) -> Translator:
    """A model with random weights: what it says is nonsense, and always the same."""
    return Translator("en", "de", model=parts)


@pytest.fixture
def silent(parts: tuple[Any, Any]) -> Iterator[None]:
    """Makes the model end every sentence at once."""
    yield from biased(parts[0], 1e4)


@pytest.fixture
def talkative(parts: tuple[Any, Any]) -> Iterator[None]:
    """Makes the model never end a sentence."""
    yield from biased(parts[0], -1e4)


def biased(model: Any, bias: float) -> Iterator[None]:
    model.final_logits_bias[0, model.config.eos_token_id] = bias
    yield
    model.final_logits_bias[0, model.config.eos_token_id] = 0


def quietly(of: Translator, texts: Sequence[str]) -> list[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return of.translate(texts)


class Words:
    """Translates by a list of words."""

    def __init__(self, source: str, target: str, **words: str) -> None:
        self.source, self.target, self.words = source, target, words

    def translate(self, texts: Sequence[str], progress: bool = False) -> list[str]:
        return [" ".join(self.words.get(word, word) for word in text.split()) for text in texts]


# ── once each, in order ──────────────────────────────────────────────────────────────────


def test_each_distinct_text_is_translated_once_and_order_is_kept(there: Translator) -> None:
    assert (there.loads, there.asked) == (0, 0)
    said = quietly(there, [*LINES, *reversed(LINES)])
    assert said[:5] == said[:4:-1] and len(set(said)) == 5
    assert (there.loads, there.asked) == (1, 5)
    assert quietly(there, [LINES[2], LINES[0]]) == [said[2], said[0]]
    assert (there.loads, there.asked) == (1, 5)
    there.forget()
    assert quietly(there, LINES[:1]) == said[:1]
    assert (there.loads, there.asked) == (1, 6)


def test_what_stands_beside_a_text_changes_nothing(parts: tuple[Any, Any]) -> None:
    together = quietly(Translator("en", "de", model=parts, batch_size=32), LINES)
    alone = [quietly(Translator("en", "de", model=parts, batch_size=1), [x])[0] for x in LINES]
    assert together == alone


def test_batches_are_of_like_length(there: Translator, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[int]] = []
    real = Translator._generate

    def generate(self: Translator, rows: list[list[int]]) -> list[list[int]]:
        seen.append([len(row) for row in rows])
        return real(self, rows)

    monkeypatch.setattr(Translator, "_generate", generate)
    there.batch_size = 2
    quietly(there, LINES)
    lengths = [length for batch in seen for length in batch]
    assert lengths == sorted(lengths) and [len(batch) for batch in seen] == [2, 2, 1]


def test_five_thousand_duplicates_are_one_question(there: Translator) -> None:
    said = quietly(there, [LINES[2]] * 5000)
    assert len(said) == 5000 and len(set(said)) == 1 and there.asked == 1


def test_beams_are_another_search(parts: tuple[Any, Any]) -> None:
    greedy = quietly(Translator("en", "de", model=parts), LINES)
    beams = quietly(Translator("en", "de", model=parts, beams=3), LINES)
    assert len(beams) == 5 and beams != greedy


def test_translations_are_kept_on_disk_where_wanted(parts: tuple[Any, Any]) -> None:
    first = Translator("en", "de", model=parts, keep=True)
    said = quietly(first, LINES)
    second = Translator("en", "de", model=parts, keep=True)
    assert quietly(second, LINES) == said and (first.asked, second.asked) == (5, 0)
    assert second.notes == first.notes
    other = Translator("en", "de", model=parts, keep=True, ratio=1.0)
    quietly(other, LINES)
    assert other.asked == 5  # another limit may make another text
    settings.use(reuse=False)
    third = Translator("en", "de", model=parts, keep=True)
    assert quietly(third, LINES) == said and third.asked == 5


def test_a_damaged_entry_on_disk_is_asked_again(
    parts: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    said = quietly(Translator("en", "de", model=parts, keep=True), LINES)
    for wrong in ({"said": [["x"]]}, {"said": 3}, {}, {"said": []}):
        monkeypatch.setattr(store, "read", lambda _, wrong=wrong: wrong)
        again = Translator("en", "de", model=parts, keep=True)
        assert quietly(again, LINES) == said and again.asked == 5


def test_a_text_is_cut_into_sentences_or_not(parts: tuple[Any, Any]) -> None:
    text = "The view was good. Is the bed soft?"
    by_sentence = Translator("en", "de", model=parts, by_sentence=True)
    said = quietly(by_sentence, [text, "Is the bed soft?", "The view was good."])
    assert said[0] == f"{said[2]} {said[1]}" and by_sentence.asked == 2
    whole = Translator("en", "de", model=parts)  # as the course's own have learned
    assert quietly(whole, [text])[0] != said[0] and whole.asked == 1
    settings.use("hub")
    assert Translator("en", "de").by_sentence and not whole.by_sentence


# ── bad input ────────────────────────────────────────────────────────────────────────────


def test_blank_texts_are_blank_and_no_question(there: Translator, recwarn: Any) -> None:
    assert there.translate(["", "  ", "\n\t"]) == ["", "", ""]
    assert there.translate([]) == [] and (there.loads, there.asked) == (0, 0)
    assert not recwarn


@pytest.mark.parametrize(
    ("texts", "match"),
    [
        ("a text", r"one text.*give a list"),
        (["a", None], r"text 1 is None"),
        ([b"a"], r"text 0 is b'a'"),
        ([float("nan")], r"text 0 is nan"),
    ],
)
def test_what_is_no_list_of_texts_is_refused(there: Translator, texts: Any, match: str) -> None:
    with pytest.raises(TranslationError, match=f"(?s){match}"):
        there.translate(texts)
    assert there.asked == 0


def test_a_word_of_ten_thousand_characters_is_cut_and_said(there: Translator) -> None:
    with pytest.warns(TruncationWarning, match=r"1 of 2 texts: longer than the model reads.*: 1 "):
        said = there.translate(["The view was good.", "good" * 2500])
    assert len(said) == 2 and there.notes.cut == (1,)


def test_an_output_without_end_stops_at_its_limit_and_is_said(
    there: Translator, talkative: None
) -> None:
    with pytest.warns(TranslationWarning, match=r"ran to the limit without an end.*0 \('Is"):
        there.translate(["Is the bed soft?"])
    assert there.notes.endless == (0,)
    ids = there._generate([[5, 6, 0], [5] * 20 + [0]])
    model = there.model
    assert len(ids[0]) == 2 * 3 + translator._FLOOR  # twice its own length and twelve more
    assert len(ids[1]) == model.config.max_position_embeddings - 1


def test_an_end_is_no_loop(there: Translator, silent: None, recwarn: Any) -> None:
    assert there.translate(["Is the bed soft?"]) == [""]
    assert there.notes.endless == () and not recwarn


def test_text_in_another_script_is_said(there: Translator, silent: None) -> None:
    given = ["Вид был хорош.", "The view (вид) was good.", "...", "房间很干净。"]
    with pytest.warns(TranslationWarning, match=r"2 of 4 texts: without a letter in the script"):
        there.translate(given)
    assert there.notes.foreign == (0, 3)


def test_emoji_are_unknown_and_said(there: Translator, silent: None) -> None:
    with pytest.warns(TranslationWarning, match=r"1 of 2 texts: of which a third or more is unk"):
        there.translate(["😀😀😀", "The view was good. 😀"])
    assert there.notes.unknown[0] >= 1 / 3 > there.notes.unknown[1] > 0


def test_a_language_in_several_scripts_has_no_foreign_text() -> None:
    assert not translator._foreign("カメラ", "ja") and translator._foreign("камера", "ja")
    assert not translator._foreign("ቤት", "am") and not translator._foreign("", "en")
    assert set(translator._SCRIPTS) >= {
        card.script for card in translator.languages.all()
    }  # every language of the course can be told by its script


@pytest.mark.parametrize(
    ("how", "match"),
    [
        ({"beams": 0}, "beams is 0"),
        ({"beams": True}, "beams is True"),
        ({"batch_size": -1}, "batch_size is -1"),
        ({"batch_size": 2.5}, "batch_size is 2.5"),
        ({"ratio": 0}, "ratio is 0"),
    ],
)
def test_arguments_out_of_range(parts: Any, how: dict[str, Any], match: str) -> None:
    with pytest.raises(TranslationError, match=match):
        Translator("en", "de", model=parts, **how)


# ── pairs ────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def four_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["models/mini-xlmr/config.json"]
    for pair in ("en-de", "de-en", "en-sw", "sw-en"):
        names += [f"models/mini-marian-{pair}/{file}" for file in ("config.json", "vocab.json")]
    monkeypatch.setattr(assets, "manifest", lambda: dict.fromkeys(names))


def test_pairs_are_what_is_shipped(four_pairs: None) -> None:
    assert pairs() == [("de", "en"), ("en", "de"), ("en", "sw"), ("sw", "en")]
    settings.use("hub")
    assert ("en", "zh") in pairs() and len(pairs()) == 8


def test_a_pair_that_is_not_there_names_the_way_round(four_pairs: None) -> None:
    with pytest.raises(TranslationError) as caught:
        Translator("de", "sw")
    assert "no model from German to Swahili" in caught.value.problem
    assert 'Translator.through("de", "en", "sw")' in caught.value.remedy
    with pytest.raises(TranslationError) as caught:
        Translator("fr", "en")
    assert "there are de-en, en-de, en-sw, sw-en" in caught.value.remedy
    with pytest.raises(TranslationError, match="both German"):
        Translator("de", "de")
    with pytest.raises(UnknownLanguageError):
        Translator("en", "klingon")


def test_without_any_model_the_course_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assets, "manifest", dict)
    with pytest.raises(TranslationError, match=r"(?s)no model from English to German.*hub"):
        Translator("en", "de")


def test_two_in_a_row(four_pairs: None) -> None:
    way = Translator.through("de", "en", "sw", beams=2)
    assert (way.source, way.target, way.loads, way.asked) == ("de", "sw", 0, 0)
    first, second = Words("de", "en", Haus="house"), Words("en", "sw", house="nyumba")
    pivot = Pivot(first, second)
    assert pivot.translate(["Haus Haus", ""]) == ["nyumba nyumba", ""]
    assert pivot.between == ["house house", ""] and repr(pivot) == "Pivot('de', 'en', 'sw')"
    with pytest.raises(TranslationError, match="ends in 'en' and the second begins in 'de'"):
        Pivot(first, first)


def test_a_model_of_several_languages_is_told_which(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    several = stand_ins.marian_stand_in(tmp_path, CODES, positions=40)
    given: list[str] = []
    into = Translator("en", "zh", model=several)
    tokenizer = into.tokenizer

    def reads(texts: list[str], **more: Any) -> Any:
        given.extend(texts)
        return tokenizer(texts, **more)

    into._loaded = (into.model, reads)
    for name in ("supported_language_codes", "unk_token_id", "model_max_length", "pad"):
        setattr(reads, name, getattr(tokenizer, name))
    reads.batch_decode = tokenizer.batch_decode  # type: ignore[attr-defined]
    quietly(into, ["bababa"])
    assert given == [">>cmn_Hans<< bababa"]
    codes = tokenizer.convert_ids_to_tokens(tokenizer(given[0])["input_ids"])
    assert codes[0] == ">>cmn_Hans<<"  # one piece, no text
    assert Translator("en", "de", model=several)._marked("x") == ">>deu<< x"
    with pytest.raises(TranslationError, match="writes 3 languages, and Swahili is not among"):
        Translator("en", "sw", model=several).translate(["bababa"])
    assert Translator("en", "de", model=folder)._marked("x") == "x"


# ── sentences ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "language", "parts"),
    [
        ("It was good. We left.", "en", ["It was good.", "We left."]),
        ("Dr. Smith and J. Doe met. They left.", "en", ["Dr. Smith and J. Doe met.", "They left."]),
        ("“Come here!” she said. He came.", "en", ["“Come here!” she said.", "He came."]),
        ("Am 3. Mai war es kalt. Wir froren.", "de", ["Am 3. Mai war es kalt.", "Wir froren."]),
        ("¿Era buena? No, en absoluto.", "es", ["¿Era buena?", "No, en absoluto."]),
        ("外壳精准吗？根本谈不上。", "zh", ["外壳精准吗？", "根本谈不上。"]),
        ("“我们很满意。”陈伟说。", "zh", ["“我们很满意。”陈伟说。"]),
        ("One line\nanother", "en", ["One line", "another"]),
        ("It is I. We left.", "en", ["It is I.", "We left."]),
        ("3.5 stars", "en", ["3.5 stars"]),
        ("", "en", []),
        ("  \n ", "en", []),
        ("...", "en", ["..."]),
    ],
)
def test_sentences(text: str, language: str, parts: list[str]) -> None:
    found = sentences.split(text, language)
    assert [sentence for sentence, _ in found] == parts
    assert "".join(sentence + gap for sentence, gap in found) == text.strip()


def test_sentences_are_written_together_as_the_language_does() -> None:
    assert sentences.join(["A.", "B."], [" ", ""], "de") == "A. B."
    assert sentences.join(["甲。", "乙。"], [" ", ""], "zh") == "甲。乙。"
    assert sentences.join(["A.", "", "B."], ["\n\n", " ", ""], "de") == "A.\n\nB."


def test_words_are_cut_as_the_data_sets_do() -> None:
    assert sentences.words("Ana’s flat, 3.5 rooms.", "en") == [
        "Ana", "’s", "flat", ",", "3.5", "rooms", "."
    ]  # fmt: skip
    assert sentences.words("陈伟住在Berlin。", "zh") == ["陈", "伟", "住", "在", "Berlin", "。"]


# ── quality ──────────────────────────────────────────────────────────────────────────────

RIGHT = ["Das Zimmer war sauber.", "Niemand kam zu uns.", "Die Aussicht war gut.", "Ja, sehr."] * 6
NEAR = [text.replace("war", "ist") for text in RIGHT]
FAR = [text.replace("war", "ist").replace("Die", "Der").replace("Ja", "Ach") for text in RIGHT]


def test_figures_are_those_of_sacrebleu() -> None:
    for said in (NEAR, FAR):
        found = bleu(said, RIGHT, "de")
        assert found.value == pytest.approx(sacrebleu.corpus_bleu(said, [RIGHT]).score)
        assert found.low < found.value < found.high and found.sentences == 24
        assert "tok:13a" in found.signature and str(found).startswith("BLEU ")
        value = chrf(said, RIGHT, "de").value
        assert value == pytest.approx(sacrebleu.corpus_chrf(said, [RIGHT]).score)
    assert bleu(RIGHT, RIGHT, "de").value == pytest.approx(100)
    assert chrf(NEAR, RIGHT, "de") == chrf(NEAR, RIGHT, "de")
    assert chrf(NEAR, RIGHT, "de", seed=1).low != chrf(NEAR, RIGHT, "de").low
    single = sentence_chrf(NEAR[:2], RIGHT[:2])
    assert single[0] == pytest.approx(sacrebleu.sentence_chrf(NEAR[0], [RIGHT[0]]).score)


def test_chinese_is_cut_into_characters() -> None:
    right = ["房间很干净。", "服务很好。"]
    said = ["房间非常干净。", "服务很好。"]
    found = bleu(said, right, "zh")
    assert "tok:zh" in found.signature
    assert found.value == pytest.approx(sacrebleu.corpus_bleu(said, [right], tokenize="zh").score)
    assert bleu(said, right, "de").value < found.value  # one word a sentence


def test_a_paired_difference_is_narrower_than_its_parts() -> None:
    one, other = chrf(NEAR, RIGHT, "de"), chrf(FAR, RIGHT, "de")
    difference = better(NEAR, FAR, RIGHT, "de")
    assert difference.value == pytest.approx(one.value - other.value)
    assert 0 < difference.low < difference.value < difference.high
    assert difference.high - difference.low < one.high - other.low
    assert difference.p < 0.01 and str(difference).startswith("chrF +")
    back = better(FAR, NEAR, RIGHT, "de")
    assert back.value == -difference.value and back.high == pytest.approx(-difference.low)
    same = better(NEAR, NEAR, RIGHT, "de", "BLEU")
    assert (same.value, same.low, same.high, same.p) == (0, 0, 0, 1)


@pytest.mark.parametrize(
    ("said", "right", "match"),
    [
        (["a"], ["a", "b"], "1 hypotheses for 2 references"),
        ([], [], "0 hypotheses"),
        ("a", ["a"], "hypotheses is one text"),
        (["a"], "a", "references is one text"),
        ([None], ["a"], r"hypotheses\[0\] is None"),
    ],
)
def test_what_cannot_be_compared(said: Any, right: Any, match: str) -> None:
    for figure in (bleu, chrf):
        with pytest.raises(TranslationError, match=match):
            figure(said, right, "de")
    with pytest.raises(TranslationError, match=match):
        sentence_chrf(said, right)


def test_other_arguments_of_the_figures() -> None:
    with pytest.raises(TranslationError, match="no metric 'TER'"):
        better(NEAR, FAR, RIGHT, "de", "TER")  # type: ignore[arg-type]
    with pytest.raises(TranslationError, match="resamples is 0"):
        bleu(NEAR, RIGHT, "de", resamples=0)
    assert bleu([""], ["Ja."], "de").value == 0


def test_round_trip() -> None:
    there, back = Words("en", "de", house="Haus", cat="Katze"), Words("de", "en", Haus="house")
    table = round_trip(["a house", "a cat"], there, back)
    assert list(table.columns) == ["text", "pivot", "back", "chrF"]
    assert list(table["pivot"]) == ["a Haus", "a Katze"]
    assert list(table.back) == ["a house", "a Katze"]
    assert table.chrF[0] == 100 > table.chrF[1]
    assert len(round_trip([], there, back)) == 0
    with pytest.raises(TranslationError, match="lead nowhere"):
        round_trip(["a"], there, there)


# ── does negation survive ────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("language", "denies", "affirms"),
    [
        ("en", ["It wasn’t good.", "Nobody came."], ["A notable knot.", "Another north wind."]),
        ("de", ["Kein Mensch.", "Das ist nicht gut."], ["Eine Nichte kam.", "Das Kinn."]),
        ("es", ["No es bueno.", "Nadie vino."], ["La noche.", "Una novela."]),
        ("fr", ["Il n’est pas là.", "Jamais."], ["Une panne.", "Nous venons."]),
        ("nl", ["Niet goed.", "Geen tijd."], ["Een goede dag."]),
        ("pt", ["Não é bom.", "Ninguém veio."], ["Uma noite."]),
        (
            "sw",
            ["Siwezi kusema.", "Chumba hakikuwa safi.", "Hapendi kahawa.", "Hakuna mtu.",
             "Hatutafika.", "Usinunue simu hii."],
            ["Siku ya Jumatatu, hali ya hewa.", "Msichana yuko msituni.", "Hata sisi.",
             "Habari za hatari.", "Alitoka Kampala."],
        ),
        ("zh", ["房间不好。", "没有人来。", "我从未见过。"], ["不过很好。", "特别好。", "没收。"]),
    ],
)  # fmt: skip
def test_what_denies(language: str, denies: list[str], affirms: list[str]) -> None:
    assert all(negated(text, language) for text in denies)
    assert [text for text in affirms if negated(text, language)] == []


def test_the_audit_tells_kept_from_lost() -> None:
    table = negation_audit(
        ["It is not good.", "It is not good.", "It is good.", "It is good."],
        ["Es ist nicht gut.", "Es ist gut.", "Es ist gut.", "Es ist nie gut."],
        "en",
        "de",
    )
    assert list(table.outcome) == ["kept", "lost", "none", "added"]
    assert table.denies[0] == "not" and table.then[0] == "nicht" and table.then[1] == ""
    assert set(audit.negation_languages()) >= {"en", "de", "es", "sw", "zh"}
    with pytest.raises(TranslationError, match=r"(?s)nothing is known.*Yoruba"):
        negated("x", "yo")
    with pytest.raises(TranslationError, match="2 sources and 1 translations"):
        negation_audit(["a", "b"], ["a"], "en", "de")
