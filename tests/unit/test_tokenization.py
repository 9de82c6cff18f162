"""Counts of tokens on vocabularies small enough to count by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from xlhelpers import tokenization
from xlhelpers.tokenization import TokenizationError, script


@pytest.fixture(scope="module")
def wordpiece() -> Any:
    """mBERT's kind: a word with any unknown letter is one [UNK]."""
    from transformers import BertTokenizer

    entries = ["[PAD]", "[unused1]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    entries += ["the", "cat", "##s", "##t", "sleep", "Katze", "##n", "sch", "##laf", "##en"]
    entries += ["好", "дом", "##ा", "1"]
    return BertTokenizer(vocab={entry: i for i, entry in enumerate(entries)}, do_lower_case=False)


@pytest.fixture(scope="module")
def unigram() -> Any:
    """XLM-R's kind: pieces from a model with scores, words marked by ▁."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers
    from transformers import XLMRobertaTokenizerFast

    entries = ["<s>", "<pad>", "</s>", "<unk>", "▁", "▁the", "▁cat", "s", "▁sleep", "好", "▁猫"]
    backend = Tokenizer(models.Unigram([(e, -1.0) for e in [*entries, "<mask>"]], unk_id=3))
    backend.normalizer = normalizers.NFKC()
    backend.pre_tokenizer, backend.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    return XLMRobertaTokenizerFast(tokenizer_object=backend)


# ── texts ────────────────────────────────────────────────────────────────────────────────


def test_tokens_are_counted_without_the_frame(wordpiece: Any, unigram: Any) -> None:
    texts = ["the cats sleep", "cat", "Katzen schlafen"]
    assert tokenization.token_counts(texts, wordpiece).tolist() == [4, 1, 5]
    for tokenizer in (wordpiece, unigram):
        framed = [len(tokenizer(text)["input_ids"]) - 2 for text in texts]
        assert tokenization.token_counts(texts, tokenizer).tolist() == framed


def test_parity_is_tokens_over_tokens_of_the_reference(wordpiece: Any) -> None:
    parallel = {
        "de": ["die Katzen schlafen", "Katze", "Katzen"],  # 1 + 2 + 3 tokens, 1, 2
        "en": ["the cats sleep", "cat", "cats"],  # 1 + 2 + 1, 1, 2
    }
    found = tokenization.parity(parallel, wordpiece)
    assert list(found) == ["de", "en"]
    assert found["de"].value == pytest.approx(9 / 7)
    assert found["de"].low < 9 / 7 < found["de"].high
    assert (found["en"].value, found["en"].low, found["en"].high) == (1, 1, 1)
    turned = tokenization.parity(parallel, wordpiece, reference="de")
    assert turned["en"].value == pytest.approx(7 / 9)


def test_unknown_is_told_by_id_where_the_pieces_look_known(unigram: Any) -> None:
    text = "the ☃ 好"
    assert "☃" in unigram.tokenize(text)  # and no <unk> among them
    assert unigram.unk_token not in unigram.tokenize(text)
    # ▁the ▁ ☃ ▁ 好: one of five
    assert tokenization.unknown_share([text], unigram) == pytest.approx(1 / 5)
    # Over all tokens, and not the mean over texts: one of seven.
    assert tokenization.unknown_share([text, "cats"], unigram) == pytest.approx(1 / 7)
    assert tokenization.unknown_share(["the cats"], unigram) == 0


def test_a_tokenizer_without_an_unknown_token_has_no_unknowns() -> None:
    class Bytes:
        unk_token_id = None

        def __call__(self, texts: list[str], **_: Any) -> dict[str, list[list[int]]]:
            return {"input_ids": [list(text.encode()) for text in texts]}

    assert tokenization.unknown_share(["好\u0000"], Bytes()) == 0  # id 0 is a byte like others
    assert tokenization.token_counts(["好"], Bytes()).tolist() == [3]


def test_characters_are_composed_and_spaces_do_not_count(wordpiece: Any) -> None:
    # 7 + 4 letters over 4 + 1 tokens
    assert tokenization.characters_per_token(["the cats"], wordpiece) == pytest.approx(7 / 3)
    assert tokenization.characters_per_token(["the\tcats ", "cat"], wordpiece) == 10 / 4
    composed, decomposed = "caf\u00e9", "cafe\u0301"  # both are one [UNK]
    for text in (composed, decomposed):
        assert tokenization.characters_per_token([text], wordpiece) == 4


# ── words ────────────────────────────────────────────────────────────────────────────────


def test_fertility_by_hand(wordpiece: Any) -> None:
    # the | cat ##s | sch ##laf ##en | [UNK]
    found = tokenization.fertility(["the", "cats", "schlafen", "Hund"], wordpiece)
    assert found.pieces == (1 + 2 + 3 + 1) / 4
    assert found.continued == 0.5
    assert found.unknown == 0.25
    assert found.words == 4
    repeated = tokenization.fertility(["the", "the", "cats"], wordpiece)
    assert repeated.pieces == pytest.approx(4 / 3)  # running words: repetitions count


def test_a_word_start_mark_alone_is_no_piece(unigram: Any) -> None:
    assert unigram.tokenize("好") == ["▁", "好"]
    found = tokenization.fertility(["好", "猫", "cats", "☃"], unigram)
    assert found.pieces == (1 + 1 + 2 + 1) / 4
    assert found.continued == 0.25
    assert found.unknown == 0.25


def test_unknown_pieces_count_where_the_mark_is_no_entry(wordpiece: Any) -> None:
    # Asked for "▁", a tokenizer without it answers with its unknown token.
    assert wordpiece.convert_tokens_to_ids("▁") == wordpiece.unk_token_id
    assert tokenization.fertility(["Hund"], wordpiece).pieces == 1


def test_compare_puts_everything_side_by_side(wordpiece: Any) -> None:
    parallel = {
        "en": ["the cats sleep", "cat"],
        "de": ["die Katzen schlafen", "Katze"],
        "zh": ["好", "好好"],
    }
    words = {"en": ["the", "cats"], "de": ["die", "Katzen"]}
    frame = tokenization.compare(parallel, wordpiece, words=words)
    assert frame.index.tolist() == ["en", "de", "zh"]
    assert frame.index.name == "language"
    assert frame.loc["de", ["tokens", "parity"]].tolist() == [3.5, pytest.approx(7 / 5)]
    assert frame.loc["de", "unknown"] == pytest.approx(1 / 7)
    assert frame.loc["de", "characters"] == pytest.approx((3 + 6 + 8 + 5) / 7)
    columns = ["fertility", "continued", "unknown_words"]
    assert frame.loc["en", columns].tolist() == [1.5, 0.5, 0]
    assert frame.loc["de", columns].tolist() == [1.5, 0.5, 0.5]
    assert frame.loc["zh", columns].isna().all()
    score = tokenization.parity(parallel, wordpiece)["de"]
    assert frame.loc["de", ["low", "high"]].tolist() == [score.low, score.high]
    assert "fertility" not in tokenization.compare(parallel, wordpiece)


@pytest.mark.parametrize("texts", [["cat", ""], ["cat", " "], ["cat", None], [], "cat"])
def test_bad_texts_are_refused(texts: Any, wordpiece: Any) -> None:
    said = "text 1" if len(texts) == 2 else "no texts"
    for measure in (
        tokenization.token_counts,
        tokenization.unknown_share,
        tokenization.characters_per_token,
    ):
        with pytest.raises(TokenizationError, match=said):
            measure(texts, wordpiece)
    with pytest.raises(TokenizationError, match=said.replace("text", "word")):
        tokenization.fertility(texts, wordpiece)


def test_sentences_are_no_words(wordpiece: Any) -> None:
    with pytest.raises(TokenizationError, match="word 1 has white space"):
        tokenization.fertility(["cat", "the cat"], wordpiece)


def test_bad_sides_are_refused(wordpiece: Any) -> None:
    with pytest.raises(TokenizationError, match="'en' is not among de"):
        tokenization.parity({"de": ["Katze"]}, wordpiece)
    with pytest.raises(TokenizationError, match="'en': 1, 'de': 2"):
        tokenization.parity({"en": ["cat"], "de": ["Katze", "Katze"]}, wordpiece)
    nothing = ["\u0000"]  # BERT deletes control characters
    with pytest.raises(TokenizationError, match="no token"):
        tokenization.parity({"en": nothing, "de": ["Katze"]}, wordpiece)
    for measure in (tokenization.unknown_share, tokenization.characters_per_token):
        with pytest.raises(TokenizationError, match="no token"):
            measure(nothing, wordpiece)


# ── denominators ─────────────────────────────────────────────────────────────────────────

SIDES = {"en": ["the cats sleep", "cat"], "vi": ["mèo ngủ", "cat the"], "zh": ["好好", "好дом"]}
CUT = {
    "en": [["the", "cats", "sleep"], ["cat"]],
    "vi": [["mèo ngủ"], ["cat", "the"]],  # one word with a blank in it
    "zh": [["好", "好"], ["好", "дом"]],
}


def test_denominators_by_hand(wordpiece: Any) -> None:
    # en: the cat ##s sleep | cat; vi: [UNK] [UNK] | cat the; zh: 好 好 | 好 дом
    found = tokenization.denominators(SIDES, CUT, wordpiece)
    assert found.index.tolist() == ["en", "vi", "zh"] and found.index.name == "language"
    assert found["blanks"].tolist() == [5 / 4, 4 / 4, 4 / 2]
    assert found["words"].tolist() == [5 / 4, 4 / 3, 4 / 4]
    assert found["characters"].tolist() == [5 / 15, 4 / 12, 4 / 6]
    # mèo ngủ: è takes two bytes, ủ three; Chinese three, Cyrillic two
    assert found["bytes"].tolist() == [5 / 15, 4 / 15, 4 / 15]
    assert found["sentences"].tolist() == [1, 4 / 5, 4 / 5]
    assert found["unknown"].tolist() == [0, 1 / 2, 0]
    assert found["lost"].tolist() == [0, 1 / 3, 0]
    turned = tokenization.denominators(SIDES, CUT, wordpiece, reference="zh")
    assert turned["sentences"].tolist() == [5 / 4, 1, 1]


def test_sentences_over_the_reference_are_the_parity(wordpiece: Any) -> None:
    found = tokenization.denominators(SIDES, CUT, wordpiece)["sentences"]
    for code, score in tokenization.parity(SIDES, wordpiece).items():
        assert found[code] == pytest.approx(score.value)


def test_rankings_and_how_far_they_agree(wordpiece: Any) -> None:
    table = tokenization.denominators(SIDES, CUT, wordpiece)
    ranks = tokenization.rankings(table)
    assert ranks.columns.tolist() == list(tokenization.DENOMINATORS)
    assert ranks["blanks"].tolist() == [2, 1, 3]
    assert ranks["words"].tolist() == [2, 3, 1]
    assert ranks["sentences"].tolist() == [3, 1, 1]  # alike: both the lower rank
    tau = tokenization.rank_agreement(table)
    assert tau.index.tolist() == tau.columns.tolist() == list(tokenization.DENOMINATORS)
    assert np.diag(tau) == pytest.approx(1) and np.allclose(tau, tau.T)
    # en-vi and en-zh turned round, and vi-zh too
    assert tau.loc["blanks", "words"] == -1
    # one pair in order, one not, and one tied on one side
    assert tau.loc["blanks", "sentences"] == pytest.approx(0)


def test_denominators_of_other_words_are_refused(wordpiece: Any) -> None:
    for words, said in (
        ({"en": CUT["en"], "vi": CUT["vi"]}, "zh has 2 sentences and the words of 0"),
        (CUT | {"vi": CUT["vi"][:1]}, "vi has 2 sentences and the words of 1"),
        (CUT | {"en": ["the cats sleep", "cat"]}, "a list of words for each sentence"),
    ):
        with pytest.raises(TokenizationError, match=said):
            tokenization.denominators(SIDES, words, wordpiece)
    table = tokenization.denominators(SIDES, CUT, wordpiece)
    with pytest.raises(TokenizationError, match="no column bytes, sentences"):
        tokenization.rankings(table[["blanks", "words", "characters"]])
    with pytest.raises(TokenizationError, match="one language makes no ranking"):
        tokenization.rank_agreement(table.loc[["en"]])


def test_words_with_a_blank_inside_have_to_be_asked_for(wordpiece: Any) -> None:
    with pytest.raises(TokenizationError, match="word 0 has white space") as caught:
        tokenization.fertility(["the cat"], wordpiece)
    assert "blanks=True" in caught.value.remedy
    assert tokenization.fertility(["the cat", "cat"], wordpiece, blanks=True).pieces == 1.5
    parallel, words = {"en": ["cat"], "vi": ["the cat"]}, {"vi": ["the cat"]}
    assert tokenization.compare(parallel, wordpiece, words=words).loc["vi", "fertility"] == 2


def test_on_everyday_sentences_the_rankings_part_ways() -> None:
    """What notebook 06 shows: each denominator has its own order, and none sees what is lost."""
    from xlhelpers import datasets, hub

    table = tokenization.denominators(
        datasets.everyday(), datasets.everyday_words(), hub.tokenizer("XLM-R")
    )
    # Nothing that is Thai is in this vocabulary: thrifty by four measures, and all lost.
    ranks = tokenization.rankings(table)
    assert (ranks.loc["th", ["words", "characters", "bytes", "sentences"]] == 1).all()
    assert table.loc["th", "unknown"] > 0.4 and table.loc["th", "lost"] > 0.9
    # Among those that the tokenizer can read, Chinese goes from the dearest to the cheapest.
    read = table[table["lost"] < 0.2]
    assert {"en", "de", "ru", "ar", "hi", "zh", "sw", "tr", "fi", "id"} <= set(read.index)
    ranks = tokenization.rankings(read)
    assert ranks.loc["zh", "blanks"] == len(read) and ranks.loc["zh", "sentences"] == 1
    tau = tokenization.rank_agreement(read)
    assert (tau.to_numpy()[np.triu_indices(5, 1)] < 0.9).all()


# ── cost ─────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def model(wordpiece: Any) -> Any:
    from transformers import BertConfig, BertModel

    config = BertConfig(
        vocab_size=len(wordpiece),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=8,
    )
    return BertModel(config)


def test_cost_counts_what_the_model_sees(model: Any, wordpiece: Any) -> None:
    import torch

    parallel = {"en": ["the cats sleep", "cat"], "de": ["Katzen " * 9, "Katze"]}
    model.train()
    found = tokenization.cost(parallel, model, wordpiece, repeats=3)
    assert model.training  # as it was
    assert found.index.tolist() == ["en", "de"]
    # 4 + 1 tokens and the frame of 2 twice; German is cut at the model's 8, and 1 + 2
    assert found["tokens"].tolist() == [9 / 2, (8 + 3) / 2]
    assert (found["low"] > 0).all()
    assert (found["low"] <= found["milliseconds"]).all()
    assert (found["milliseconds"] <= found["high"]).all()
    assert found.attrs == {
        "threads": torch.get_num_threads(),
        "device": "cpu",
        "repeats": 3,
    }


def test_cost_is_the_median_of_rounds_after_the_first(
    model: Any, wordpiece: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([0, 60, 0, 0.004, 0, 0.002, 0, 0.020])  # seconds: the first round is slow
    monkeypatch.setattr(tokenization.time, "perf_counter", lambda: next(clock))
    found = tokenization.cost({"en": ["cat", "the cat"]}, model, wordpiece, repeats=3)
    assert found.loc["en", ["milliseconds", "low", "high"]].tolist() == [2, 1, 10]


def test_costs_that_cannot_be_measured_are_refused(model: Any, wordpiece: Any) -> None:
    for parallel, repeats, said in (
        ({}, 3, "no language"),
        ({"en": ["cat"]}, 0, "nothing is measured in 0 repeats"),
        ({"en": ["cat", " "]}, 3, "text 1 is"),
    ):
        with pytest.raises(TokenizationError, match=said):
            tokenization.cost(parallel, model, wordpiece, repeats=repeats)


# ── disguise ─────────────────────────────────────────────────────────────────────────────

DISGUISED = ("de", "nl", "fr", "es", "pt", "ru", "ar", "hi", "zh", "sw", "yo")
LATIN = "The café in Åre costs 25 €: naïve, œuvre, Łódź, ǅ, ɏ!"


def letters(text: str) -> set[str]:
    return {char for char in text if char.isalnum()}


def test_english_keeps_its_letters() -> None:
    assert tokenization.disguise(LATIN, "en") == LATIN


def test_disguised_languages_share_no_letter() -> None:
    seen = letters(LATIN)
    for code in DISGUISED:
        own = letters(tokenization.disguise(LATIN, code))
        assert len(own) == len(letters(LATIN))
        assert not own & seen, code
        seen |= own
    assert {script("".join(letters(tokenization.disguise(LATIN, c)))) for c in DISGUISED} == {
        "Hangul"
    }


@pytest.mark.parametrize("code", DISGUISED)
def test_a_disguise_changes_letters_alone(code: str) -> None:
    hidden = tokenization.disguise(LATIN, code)
    assert len(hidden) == len(LATIN)
    table: dict[str, str] = {}
    for plain, char in zip(LATIN, hidden, strict=True):
        assert (char != plain) == plain.isalnum()
        assert table.setdefault(plain, char) == char  # one letter, one disguise
    assert len(set(table.values())) == len(table)
    assert tokenization.disguise(hidden, code) == hidden


def test_scripts_that_nobody_shares_stay() -> None:
    for code, text in {
        "ru": "Дом №",
        "ar": "البيت جميل؟",
        "hi": "घर १",
        "zh": "房子，好。",
    }.items():
        assert tokenization.disguise(text, code) == text
    named = tokenization.disguise("Отель Helios", "ru")
    assert named.startswith("Отель ") and script(named[6:]) == "Hangul"


def test_a_disguise_survives_what_tokenizers_do_to_text() -> None:
    from tokenizers import normalizers

    hidden = tokenization.disguise(LATIN, "yo")  # the last range
    assert normalizers.NFKC().normalize_str(hidden) == hidden
    bert = normalizers.BertNormalizer(strip_accents=False, lowercase=False)
    assert bert.normalize_str(hidden) == hidden


def test_a_language_without_a_range_is_refused() -> None:
    with pytest.raises(TokenizationError, match="'fi'") as caught:
        tokenization.disguise("talo", "fi")
    assert "en, de, nl" in caught.value.remedy


# ── vocabularies ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Straße", "Latin"),
        ("ọ̀rọ̀", "Latin"),  # dots and tones are combining marks of any script
        ("ｆｕｌｌ", "Latin"),
        ("дом", "Cyrillic"),
        ("λόγος", "Greek"),
        ("كِتاب", "Arabic"),
        ("घर", "Devanagari"),
        ("ा", "Devanagari"),  # a vowel sign by itself, as in a piece of a word
        ("ไทย", "Thai"),
        ("房子", "Han"),
        ("々", "Han"),
        ("ひらがな", "Hiragana"),
        ("データ", "Katakana"),
        ("한국어", "Hangul"),
        ("አማርኛ", "Ethiopic"),
        ("ᱚᱞ", "Ol Chiki"),
        ("ᐃᓄᒃ", "Canadian Aboriginal"),
        ("食べる", "mixed"),
        ("iмя", "mixed"),
        ("2026, ☃ ▁", "none"),
        ("", "none"),
        ("\u0301", "none"),
    ],
)
def test_script(text: str, name: str) -> None:
    assert script(text) == name


def test_scripts_are_those_of_the_cards_languages() -> None:
    from xlhelpers import languages

    english = {
        "Latn": "Latin",
        "Cyrl": "Cyrillic",
        "Arab": "Arabic",
        "Deva": "Devanagari",
        "Hans": "Han",
        "Grek": "Greek",
        "Hebr": "Hebrew",
        "Thai": "Thai",
        "Beng": "Bengali",
        "Taml": "Tamil",
        "Ethi": "Ethiopic",
        "Kore": "Hangul",
    }
    checked = [card for card in languages.all() if card.script in english]
    assert len(checked) == len(languages.all()) - 1  # Japanese has three scripts
    for card in checked:
        assert script(card.native) == english[card.script], card.code


def test_a_vocabulary_by_script(wordpiece: Any, unigram: Any) -> None:
    found = tokenization.vocabulary_by_script(wordpiece)
    assert found == {
        "Latin": 10,
        "special": 6,
        "Han": 1,
        "Cyrillic": 1,
        "Devanagari": 1,
        "none": 1,
    }
    assert sum(found.values()) == len(wordpiece)
    found = tokenization.vocabulary_by_script(unigram)
    assert found == {"special": 5, "Latin": 4, "Han": 2, "none": 1}


def test_the_most_frequent_script_comes_first() -> None:
    class Few:
        all_special_tokens = ("<s>",)

        def get_vocab(self) -> dict[str, int]:
            return {"<s>": 0, "1": 1, "a": 2, "好": 3, "b": 4, "c": 5, "们": 6}

        def convert_tokens_to_string(self, entries: list[str]) -> str:
            return "".join(entries)

    found = tokenization.vocabulary_by_script(Few())
    assert list(found.items()) == [("Latin", 3), ("Han", 2), ("special", 1), ("none", 1)]


def test_a_byte_level_vocabulary_is_decoded_first() -> None:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    letters = pre_tokenizers.ByteLevel(add_prefix_space=False).pre_tokenize_str("好")[0][0]
    assert script(letters) == "Latin"  # what a look at the entry would say
    whole = {letters: 0, "Ġdog": 1, letters[0]: 2}
    backend = Tokenizer(models.BPE(vocab=whole, merges=[]))
    backend.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend)
    found = tokenization.vocabulary_by_script(tokenizer)
    assert found == {"Han": 1, "Latin": 1, "none": 1}


# ── parameters ───────────────────────────────────────────────────────────────────────────


def test_parameters_of_the_real_models_without_their_weights() -> None:
    import torch
    from transformers import (
        BertConfig,
        BertModel,
        XLMRobertaConfig,
        XLMRobertaForMaskedLM,
    )

    large = {"vocab_size": 250002, "max_position_embeddings": 514, "type_vocab_size": 1}
    with torch.device("meta"):
        mbert = BertModel(BertConfig(vocab_size=119547))
        xlmr = XLMRobertaForMaskedLM(XLMRobertaConfig(**large))
    per_layer_attention = 4 * (768 * 768 + 768) + 2 * 768
    per_layer_forward = 2 * 768 * 3072 + 3072 + 768 + 2 * 768
    found = tokenization.parameters_by_part(mbert)
    assert found == {
        "word embeddings": 119547 * 768,
        "other embeddings": (512 + 2 + 2) * 768,
        "attention": 12 * per_layer_attention,
        "feed-forward": 12 * per_layer_forward,
        "pooler": 768 * 768 + 768,
    }
    assert sum(found.values()) == 177_853_440
    found = tokenization.parameters_by_part(xlmr)
    # The output layer shares the word embeddings and adds one bias a word.
    assert found["head"] == 768 * 768 + 768 + 2 * 768 + 250002
    assert found["word embeddings"] == 250002 * 768
    assert sum(found.values()) == xlmr.num_parameters() == 278_295_186
    assert "pooler" not in found
    assert found["word embeddings"] / sum(found.values()) == pytest.approx(0.69, abs=0.005)


def test_every_parameter_has_a_part_in_other_architectures_too() -> None:
    from transformers import (
        DistilBertConfig,
        DistilBertForSequenceClassification,
        MarianConfig,
        MarianMTModel,
    )

    student = DistilBertForSequenceClassification(
        DistilBertConfig(vocab_size=50, dim=8, n_layers=2, n_heads=2, hidden_dim=16)
    )
    found = tokenization.parameters_by_part(student)
    assert sum(found.values()) == student.num_parameters()
    assert found["attention"] == 2 * (4 * (8 * 8 + 8) + 16)
    assert found["feed-forward"] == 2 * (8 * 16 + 16 + 16 * 8 + 8 + 16)
    assert found["head"] == 8 * 8 + 8 + 8 * 2 + 2
    sizes = {
        f"{part}_{what}": size
        for part in ("encoder", "decoder")
        for what, size in (("layers", 2), ("attention_heads", 2), ("ffn_dim", 16))
    }
    ids = {"pad_token_id": 49, "decoder_start_token_id": 49, "eos_token_id": 0}
    marian = MarianMTModel(MarianConfig(vocab_size=50, d_model=8, **sizes, **ids))
    found = tokenization.parameters_by_part(marian)
    assert sum(found.values()) == sum(p.numel() for p in marian.parameters())
    assert found["word embeddings"] == 50 * 8
    # The decoder attends twice: to itself and to the source.
    assert found["attention"] == (2 + 2 * 2) * (4 * (8 * 8 + 8) + 16)
    assert "head" not in found


def test_counts_are_whole_numbers(wordpiece: Any) -> None:
    assert tokenization.token_counts(["cat"], wordpiece).dtype == np.int64
