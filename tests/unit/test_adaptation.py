"""Adapting to an unseen language: new entries, which weights train, and the measure of both."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from xlhelpers import hub, tokenization
from xlhelpers.pretraining import (
    PretrainingError,
    Recipe,
    adaptation,
    add_adapters,
    bits_per_character,
    extend_vocabulary,
    pretrain,
    train_only,
)

Made = tuple[Any, Any]
# What the models know, and a language of which they know the plain letters alone.
KNOWN = ["the", "soup", "is", "good", "bad", "S", "a", "b", "d", "e", "i", "k", "r", "t"]
NEW = ["ọbẹ̀ dára", "ọbẹ̀ kò dára", "ọbẹ̀ burú", "ilé dára rárá"]
ENTRIES = ("lm_head.decoder.weight", "lm_head.bias")
LEXICON = {"ọbẹ̀": ("soup",), "dára": ("good",), "burú": ("bad", "the bad")}
TEXTS = [f"{a}. {b}." for a in NEW for b in NEW] * 3
TINY = Recipe(steps=6, tokens_per_batch=120, max_length=16, learning_rate=1e-2)
SHAPE = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
}


def bert() -> Made:
    from transformers import BertConfig, BertForMaskedLM, BertTokenizer

    torch.manual_seed(1)
    entries = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", *KNOWN]
    entries += [f"##{letter}" for letter in "abdeikrt"]
    vocab = {entry: number for number, entry in enumerate(entries)}
    tokenizer = BertTokenizer(vocab=vocab, do_lower_case=False, strip_accents=False)
    shape = {**SHAPE, "vocab_size": len(entries), "max_position_embeddings": 24}
    return BertForMaskedLM(BertConfig(**shape)), tokenizer


def xlmr() -> Made:
    from transformers import XLMRobertaConfig, XLMRobertaForMaskedLM, XLMRobertaTokenizer

    torch.manual_seed(2)
    entries = ["<s>", "<pad>", "</s>", "<unk>", ".", "▁", *(f"▁{w}" for w in KNOWN), *"abdeikrt"]
    vocab = [(entry, -5.0 if entry[0] != "<" else 0.0) for entry in entries] + [("<mask>", 0.0)]
    shape = {**SHAPE, "vocab_size": len(vocab), "max_position_embeddings": 26}
    shape |= {"type_vocab_size": 1, "pad_token_id": 1}
    return XLMRobertaForMaskedLM(XLMRobertaConfig(**shape)), XLMRobertaTokenizer(vocab=vocab)


KINDS = pytest.mark.parametrize("make", [bert, xlmr])


def weights(model: Any) -> dict[str, torch.Tensor]:
    return {name: weight.detach().clone() for name, weight in model.named_parameters()}


# ── entries of a vocabulary ──────────────────────────────────────────────────────────────


@KINDS
def test_new_entries_come_behind_the_old_ones(make: Callable[[], Made]) -> None:
    model, tokenizer = make()
    before = weights(model)
    larger, longer = extend_vocabulary(model, tokenizer, TEXTS, 12, initial="pieces")
    first = len(tokenizer)
    assert len(longer) == first + 12 == larger.config.vocab_size
    assert larger.get_input_embeddings().num_embeddings == len(longer)
    assert longer.get_vocab().items() >= tokenizer.get_vocab().items()
    assert torch.equal(
        larger.get_input_embeddings().weight[:first], model.get_input_embeddings().weight
    )
    assert larger.get_output_embeddings().weight is larger.get_input_embeddings().weight
    assert len(larger.get_output_embeddings().bias) == len(longer)
    # What was given is as it was.
    assert model.config.vocab_size == first == make()[0].config.vocab_size
    for name, weight in weights(model).items():
        assert torch.equal(weight, before[name]), name


@KINDS
def test_text_becomes_shorter_and_known(make: Callable[[], Made]) -> None:
    model, tokenizer = make()
    _, longer = extend_vocabulary(model, tokenizer, TEXTS, 30, initial="random")
    assert tokenization.unknown_share(NEW, tokenizer) > 0.2
    assert tokenization.unknown_share(NEW, longer) == 0
    if make is xlmr:  # WordPiece gives up on a whole word at once, which looks short
        counts = [tokenization.token_counts(NEW, made).sum() for made in (tokenizer, longer)]
        assert counts[1] < counts[0]
    assert longer("the soup is good")["input_ids"] == tokenizer("the soup is good")["input_ids"]
    assert longer.decode(longer("ọbẹ̀ kò dára")["input_ids"][1:-1]) == "ọbẹ̀ kò dára"


@KINDS
def test_extended_tokenizer_saves_and_reloads_to_the_same(
    make: Callable[[], Made], tmp_path: Path
) -> None:
    from transformers import AutoTokenizer

    model, tokenizer = make()
    larger, longer = extend_vocabulary(model, tokenizer, TEXTS, 30, initial="random")
    longer.save_pretrained(tmp_path)
    larger.save_pretrained(tmp_path)
    again = AutoTokenizer.from_pretrained(tmp_path)
    assert again(TEXTS)["input_ids"] == longer(TEXTS)["input_ids"]
    assert again.mask_token_id == tokenizer.mask_token_id


@KINDS
def test_the_same_call_gives_the_same_model(make: Callable[[], Made]) -> None:
    made = [extend_vocabulary(*make(), TEXTS, 20, initial="random", seed=3) for _ in range(2)]
    one, two = (larger.get_input_embeddings().weight for larger, _ in made)
    assert made[0][1].get_vocab() == made[1][1].get_vocab() and torch.equal(one, two)
    other, _ = extend_vocabulary(*make(), TEXTS, 20, initial="random", seed=4)
    assert not torch.equal(one, other.get_input_embeddings().weight)


def test_a_body_without_a_head_is_extended_too() -> None:
    model, tokenizer = xlmr()
    larger, longer = extend_vocabulary(model.base_model, tokenizer, TEXTS, 5, initial="pieces")
    assert larger.get_input_embeddings().num_embeddings == len(longer) == len(tokenizer) + 5


def test_fewer_entries_where_the_text_has_no_more() -> None:
    model, tokenizer = xlmr()
    larger, longer = extend_vocabulary(model, tokenizer, NEW, 10_000, initial="pieces")
    assert len(tokenizer) < len(longer) < len(tokenizer) + 100
    with pytest.raises(PretrainingError, match="no entry that the vocabulary lacks"):
        extend_vocabulary(larger, longer, NEW, 10_000, initial="pieces")


@KINDS
def test_translations_are_where_entries_begin(make: Callable[[], Made]) -> None:
    model, tokenizer = make()
    larger, longer = extend_vocabulary(model, tokenizer, TEXTS, 40, lexicon=LEXICON)
    old, new = (m.get_input_embeddings().weight for m in (model, larger))
    start = "▁" if make is xlmr else ""
    known = {word: old[tokenizer.convert_tokens_to_ids(start + word)] for word in KNOWN}
    where = {word: longer.convert_tokens_to_ids(start + word) for word in LEXICON}
    assert min(where.values()) >= len(tokenizer)
    assert torch.allclose(new[where["ọbẹ̀"]], known["soup"])
    assert torch.allclose(new[where["dára"]], known["good"])
    # Two translations, one of two words: the mean of the means.
    bad = (known["bad"] + (known["the"] + known["bad"]) / 2) / 2
    assert torch.allclose(new[where["burú"]], bad)
    # What the lexicon lacks begins at the mean of its old pieces, unknown ones left out.
    piece = longer.convert_tokens_to_ids(start + "rárá")
    letters = ["▁r", "r"] if make is xlmr else []
    if letters:
        mean = old[[tokenizer.convert_tokens_to_ids(letter) for letter in letters]].mean(dim=0)
        assert torch.allclose(new[piece], mean)


def test_a_phrase_counts_less_for_each_of_its_parts() -> None:
    model, tokenizer = xlmr()
    lexicon = {"ọbẹ̀": ("soup",), "ọbẹ̀ burú": ("bad",)}
    larger, longer = extend_vocabulary(model, tokenizer, TEXTS, 40, lexicon=lexicon)
    old, new = (m.get_input_embeddings().weight for m in (model, larger))
    soup, bad = (old[tokenizer.convert_tokens_to_ids(f"▁{word}")] for word in ("soup", "bad"))
    assert len(longer.tokenize("ọbẹ̀ burú")) == 2
    found = new[longer.convert_tokens_to_ids("▁ọbẹ̀")]
    assert torch.allclose(found, (soup + bad / 2) / 1.5)


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"lexicon": None}, "without a lexicon"),
        ({"initial": "good"}, "no beginning 'good'"),
        ({"lexicon": {"a": ("soup",)}}, "no word of the lexicon"),
        ({"texts": []}, "no texts"),
        ({"texts": "ọbẹ̀"}, "no texts"),
        ({"size": 0}, "size is 0"),
        ({"size": True}, "size is True"),
    ],
)
def test_extending_refuses(more: dict[str, Any], problem: str) -> None:
    model, tokenizer = xlmr()
    how: dict[str, Any] = {"texts": TEXTS, "size": 5, "lexicon": LEXICON, **more}
    with pytest.raises(PretrainingError, match=problem):
        extend_vocabulary(model, tokenizer, how.pop("texts"), how.pop("size"), **how)


def test_another_tokenizer_is_refused() -> None:
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    model, tokenizer = xlmr()
    few, many = (
        PreTrainedTokenizerFast(
            tokenizer_object=Tokenizer(
                models.BPE(vocab={chr(97 + n): n for n in range(size)}, merges=[])
            )
        )
        for size in (2, len(tokenizer))
    )
    model.resize_token_embeddings(200)
    with pytest.raises(PretrainingError, match="the tokenizer 2"):
        extend_vocabulary(model, few, TEXTS, 5, initial="pieces")
    with pytest.raises(PretrainingError, match="of the kind BPE"):
        extend_vocabulary(xlmr()[0], many, TEXTS, 5, initial="pieces")


# ── which weights are trained ────────────────────────────────────────────────────────────


@KINDS
def test_adapters_begin_as_nothing_and_train_alone(make: Callable[[], Made]) -> None:
    model, tokenizer = make()
    adapted = add_adapters(model, 4)
    batch = tokenizer(["the soup is good"], return_tensors="pt")
    with torch.no_grad():
        assert torch.equal(adapted.eval()(**batch).logits, model.eval()(**batch).logits)
    before = weights(adapted)
    pretrain(adapted, tokenizer, {"yo": ["the soup is good"] * 9}, TINY, progress=False)
    changed = {n for n, w in weights(adapted).items() if not torch.equal(w, before[n])}
    assert changed and all(".adapter." in name for name in changed)
    assert len(changed) == 2 * 4  # two layers, two matrices and two biases
    assert not any("adapter" in name for name, _ in model.named_parameters())


def test_a_new_head_keeps_the_adapters() -> None:
    model, tokenizer = xlmr()
    adapted = add_adapters(model, 4)
    with torch.no_grad():
        for layer in adapted.base_model.encoder.layer:
            layer.output.adapter.up.bias.fill_(0.5)
    batch = tokenizer(["the soup is good"], return_tensors="pt")
    with torch.no_grad():
        for body in (adapted, adapted.base_model, copy.deepcopy(adapted)):
            head = hub.with_head(body, "tagging", ["a", "b"])
            wanted = adapted.eval().base_model(**batch).last_hidden_state
            assert torch.equal(head.base_model(**batch).last_hidden_state, wanted)
            assert not any("adapter" in name for name in hub.untrained(head))
        again = hub.with_head(head, "classification", ["a", "b"])
        assert torch.equal(again.base_model(**batch).last_hidden_state, wanted)


def test_same_seed_same_adapters() -> None:
    model, _ = xlmr()
    state = torch.get_rng_state()
    one, two, other = (add_adapters(model, 4, seed=seed) for seed in (0, 0, 1))
    name = "roberta.encoder.layer.0.output.adapter.down.weight"
    assert torch.equal(weights(one)[name], weights(two)[name])
    assert not torch.equal(weights(one)[name], weights(other)[name])
    assert torch.equal(torch.get_rng_state(), state)


@KINDS
def test_new_embeddings_alone(make: Callable[[], Made]) -> None:
    model, tokenizer = make()
    larger, longer = extend_vocabulary(model, tokenizer, TEXTS, 10, initial="random")
    first = len(tokenizer)
    count = train_only(larger, "new embeddings", new_from=first)
    assert count == 10 * (SHAPE["hidden_size"] + 1)
    before = weights(larger)
    pretrain(larger, longer, {"yo": TEXTS}, TINY, progress=False)
    after = weights(larger)
    changed = {name for name in after if not torch.equal(after[name], before[name])}
    rows = [name for name in changed if len(after[name]) == len(longer)]
    assert changed == set(rows) and len(rows) == 2
    for name in rows:
        assert torch.equal(after[name][:first], before[name][:first])
        assert not torch.equal(after[name][first:], before[name][first:])


def test_embeddings_adapters_and_everything() -> None:
    model, tokenizer = xlmr()
    adapted = add_adapters(model, 4)
    size = len(tokenizer) * (SHAPE["hidden_size"] + 1)
    assert train_only(adapted, "embeddings") == size
    adapters = 2 * (2 * 16 * 4 + 16 + 4)
    assert train_only(adapted, "embeddings", "adapters") == size + adapters
    assert train_only(adapted) == adapted.num_parameters()
    assert all(weight.requires_grad for weight in adapted.parameters())


def test_everything_after_new_embeddings_is_everything() -> None:
    model, tokenizer = xlmr()
    train_only(model, "new embeddings", new_from=5)
    train_only(model)
    before = weights(model)
    pretrain(model, tokenizer, {"en": ["the soup is good"] * 9}, TINY, progress=False)
    after = weights(model)
    assert not any(torch.equal(after[name][:5], before[name][:5]) for name in ENTRIES)


@pytest.mark.parametrize(
    ("parts", "more", "problem"),
    [
        (("heads",), {}, "no part 'heads'"),
        (("adapters",), {}, "no adapters"),
        (("new embeddings",), {}, "new_from is None"),
        (("new embeddings",), {"new_from": 10_000}, "new_from is 10000"),
        (("embeddings", "new embeddings"), {"new_from": 5}, "named twice"),
    ],
)
def test_training_only_refuses(parts: Any, more: dict[str, Any], problem: str) -> None:
    with pytest.raises(PretrainingError, match=problem):
        train_only(xlmr()[0], *parts, **more)


def test_adapters_refuse() -> None:
    model, _ = xlmr()
    with pytest.raises(PretrainingError, match="width is 0"):
        add_adapters(model, 0)
    with pytest.raises(PretrainingError, match="has adapters"):
        add_adapters(add_adapters(model, 2), 2)
    with pytest.raises(PretrainingError, match="no layers as BERT has"):
        add_adapters(_other(), 2)


def _other() -> Any:
    from transformers import DistilBertConfig, DistilBertModel

    return DistilBertModel(DistilBertConfig(vocab_size=9, dim=8, n_heads=2, n_layers=1))


# ── bits a character ─────────────────────────────────────────────────────────────────────


def blank(make: Callable[[], Made]) -> Made:
    """A model that takes every entry for equally likely."""
    model, tokenizer = make()
    with torch.no_grad():
        model.get_output_embeddings().weight.zero_()
        model.get_output_embeddings().bias.zero_()
    return model.eval(), tokenizer


def test_each_entry_of_a_word_is_one_question() -> None:
    model, tokenizer = blank(xlmr)
    assert tokenizer.tokenize("the soup bat") == ["▁the", "▁soup", "▁b", "a", "t"]
    found = bits_per_character(model, tokenizer, ["the soup bat"])
    assert found.value == pytest.approx(5 * math.log2(len(tokenizer)) / len("thesoupbat"))
    assert found.low <= found.value <= found.high


def test_unknown_letters_cost_as_if_spelled() -> None:
    model, tokenizer = blank(xlmr)
    assert (
        tokenizer.tokenize("ọẹ")[-1] == "ọẹ" and tokenizer.unk_token_id in tokenizer("ọẹ").input_ids
    )
    found = bits_per_character(model, tokenizer, ["ọẹ ẹọ"])
    entries = len(tokenizer.tokenize("ọẹ ẹọ"))
    alphabet = math.log2(len(set("ọẹ")))
    assert found.value == pytest.approx(
        (entries * math.log2(len(tokenizer)) + 4 * alphabet) / len("ọẹẹọ")
    )


@KINDS
def test_two_vocabularies_are_asked_for_the_same_words(
    make: Callable[[], Made], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, tokenizer = make()
    larger, longer = extend_vocabulary(model, tokenizer, TEXTS, 30, initial="random")
    asked: list[list[str]] = []
    of = adaptation._questions

    def noted(frame: Any, ids: list[int], places: list[int], word: int) -> Any:
        own = (tokenizer, longer)[len(asked) - 1]
        tokens = own.convert_ids_to_tokens([ids[place] for place in places])
        asked[-1].append("".join(tokens).replace("▁", "").replace("##", ""))
        return of(frame, ids, places, word)

    monkeypatch.setattr(adaptation, "_questions", noted)
    texts = ["the soup is good bad the soup", "bad soup is the soup"]
    for one, own in ((model, tokenizer), (larger, longer)):
        asked.append([])
        bits_per_character(one, own, texts, words=3)
    assert asked[0] == asked[1] and len(asked[0]) == 6


def test_a_word_never_shows_its_own_end(monkeypatch: pytest.MonkeyPatch) -> None:
    model, tokenizer = xlmr()
    seen: list[tuple[list[int], int]] = []

    def costs(_: Any, questions: Any, __: int) -> Any:
        seen.extend((question.ids, question.place) for question in questions)
        return ((question, 1.0) for question in questions)

    monkeypatch.setattr(adaptation, "_costs", costs)
    found = bits_per_character(model, tokenizer, ["the bat"])
    mask, (the, b, a, t) = tokenizer.mask_token_id, tokenizer("the bat")["input_ids"][1:-1]
    wanted = [([mask, b, a, t], 1), ([the, mask, mask, mask], 2), ([the, b, mask, mask], 3)]
    wanted.append(([the, b, a, mask], 4))
    assert sorted((ids[1:-1], place) for ids, place in seen) == sorted(wanted)
    assert found.value == pytest.approx(4 / len("thebat"))


def test_ideographs_are_words_and_long_texts_are_cut() -> None:
    _, tokenizer = xlmr()
    assert sorted(adaptation._words(tokenizer, "the 好 soup", 99)) == [0, 1, 2]
    assert sorted(adaptation._words(tokenizer, "the soup bat", 4)) == [0, 1]
    model, _ = blank(xlmr)
    found = bits_per_character(model, tokenizer, ["soup " * 100], words=200, max_length=10)
    assert found.value == pytest.approx(math.log2(len(tokenizer)) / 4)


def test_training_lowers_the_bits() -> None:
    model, tokenizer = xlmr()
    larger, longer = extend_vocabulary(model, tokenizer, TEXTS, 30, initial="random")
    before = bits_per_character(larger, longer, NEW).value
    recipe = Recipe(steps=60, tokens_per_batch=120, max_length=16, learning_rate=1e-2)
    pretrain(larger, longer, {"yo": TEXTS}, recipe, progress=False)
    assert bits_per_character(larger, longer, NEW).value < 0.8 * before


@pytest.mark.parametrize(
    ("texts", "problem"), [([], "no texts"), ("soup", "no texts"), (["soup", " "], "text 1 has no")]
)
def test_measuring_refuses(texts: Any, problem: str) -> None:
    with pytest.raises(PretrainingError, match=problem):
        bits_per_character(*xlmr(), texts)
