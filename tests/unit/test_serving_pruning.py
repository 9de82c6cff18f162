"""Vocabulary pruning, bytes by part, agreement: exact where it has to be, counted by hand."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from xlhelpers import datasets, finetuning, hub, tokenization
from xlhelpers.alignment.evaluation import wilson
from xlhelpers.serving import comparison, pruning, size
from xlhelpers.serving._errors import ServingError

# Texts of the scripts that the course's languages write, with signs that no vocabulary has.
ODD = ["日本 ქართული x", "e\u0301te\u0301 – 😀", "", "▁ ## [SEP] </s>", "1234567890", "قال x قال"]


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def nli() -> tuple[Any, Any]:
    return hub.model("NLI"), hub.tokenizer("NLI")


@pytest.fixture(scope="module")
def texts() -> dict[str, list[Any]]:
    """Reviews of four languages in four scripts."""
    return {code: list(datasets.sentiment(code, "dev").texts) for code in ("en", "ru", "hi", "zh")}


def logits(model: Any, tokenizer: Any, text: Any) -> torch.Tensor:
    sides = (text,) if isinstance(text, str) else text
    batch = tokenizer(*sides, return_tensors="pt", truncation=True)
    with torch.inference_mode():
        found: torch.Tensor = model(**batch).logits
    return found


# ── pruning ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("role", ["XLM-R", "mBERT"])
def test_same_cuts_on_the_texts_and_on_odd_ones(role: str, texts: dict[str, list[Any]]) -> None:
    model, tokenizer = hub.model(role), hub.tokenizer(role)
    given = {**texts, "odd": [*ODD, ("a", "日"), (ODD[0], ODD[1])]}
    made = pruning.prune(model, tokenizer, given)
    assert set(made.same.values()) == {1.0} and list(made.same) == list(given)
    assert len(made.tokenizer) == len(made.kept) < len(tokenizer)
    old = tokenizer.convert_ids_to_tokens(made.kept.tolist())
    assert made.tokenizer.convert_ids_to_tokens(list(range(len(old)))) == old
    for text in [text for some in given.values() for text in some[:40]]:
        sides = (text,) if isinstance(text, str) else text
        before, after = tokenizer(*sides), made.tokenizer(*sides)
        assert made.kept[after["input_ids"]].tolist() == before["input_ids"]
        assert after.keys() == before.keys()
        assert after["attention_mask"] == before["attention_mask"]
        assert made.tokenizer.decode(after["input_ids"]) == tokenizer.decode(before["input_ids"])


def test_same_logits_and_smaller(nli: tuple[Any, Any]) -> None:
    model, tokenizer = nli
    pairs = {code: list(datasets.nli(code, "dev").pairs) for code in ("en", "sw")}
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    made = pruning.prune(model, tokenizer, pairs)
    for code, some in pairs.items():
        for pair in some[:25]:
            one, other = (
                logits(m, t, pair) for m, t in ((model, tokenizer), (made.model, made.tokenizer))
            )
            assert torch.equal(one, other), (code, pair)
    table = made.table()
    assert table.loc["all", "saved"] > 0.5
    assert (table.loc[["attention", "feed-forward", "head"], "saved"] == 0).all()
    assert table.loc["word embeddings", "after"] == len(made.kept) * model.config.hidden_size
    assert made.model.config.vocab_size == len(made.kept)
    assert made.model.config.id2label == model.config.id2label
    for name, weight in model.state_dict().items():
        assert torch.equal(weight, before[name]), name


@pytest.mark.parametrize("role", ["XLM-R", "mBERT"])
def test_a_masked_language_model_loses_rows_of_its_output_too(role: str) -> None:
    model, tokenizer = hub.model(role, "mlm"), hub.tokenizer(role)
    some = datasets.sentiment("fr", "dev").texts[:50]
    made = pruning.prune(model, tokenizer, {"fr": some})
    text = f"{some[0]} {tokenizer.mask_token}"
    one, other = logits(model, tokenizer, text), logits(made.model, made.tokenizer, text)
    assert other.shape[-1] == len(made.kept)
    torch.testing.assert_close(one[..., made.kept], other, rtol=0, atol=1e-6)
    words, output = (
        made.model.get_input_embeddings().weight,
        made.model.get_output_embeddings().weight,
    )
    assert words is output


def test_what_wordpiece_tries_in_a_word_it_gives_up_is_kept() -> None:
    """Without "ab" it would take "a", "##bc" and get through a word that was unknown."""
    from transformers import BertConfig, BertModel, BertTokenizer

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    entries = [*special, "unused", "a", "ab", "##bc", "##d", "x"]
    tokenizer = BertTokenizer(vocab={e: i for i, e in enumerate(entries)}, do_lower_case=False)
    config = BertConfig(
        vocab_size=len(entries), hidden_size=8, num_hidden_layers=1, num_attention_heads=1,
        intermediate_size=8,
    )  # fmt: skip
    texts = {"en": ["abc x", "a xbc"]}
    assert tokenizer.tokenize("abc") == ["[UNK]"]
    made = pruning.prune(BertModel(config), tokenizer, texts, letters=False)
    assert made.tokenizer.tokenize("abc") == ["[UNK]"]
    assert "unused" not in made.tokenizer.get_vocab() and "ab" in made.tokenizer.get_vocab()


def test_the_price_of_an_unknown_sign_is_kept() -> None:
    """Unigram counts it from the least likely entry; were it cheaper, it would win here."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import XLMRobertaConfig, XLMRobertaModel, XLMRobertaTokenizerFast

    # "▁ab" + "cd" is -38; "▁" + an unknown "a" + "bcd" is -2 and 10 below the least likely entry.
    pieces = [("▁", -1.0), ("▁ab", -19.0), ("cd", -19.0), ("bcd", -1.0), ("z", -40.0)]
    special = [(name, 0.0) for name in ("<s>", "<pad>", "</s>", "<unk>")]
    core = Tokenizer(models.Unigram([*special, *pieces, ("<mask>", 0.0)], unk_id=3))
    core.pre_tokenizer = pre_tokenizers.Metaspace()
    core.decoder = decoders.Metaspace()
    tokenizer = XLMRobertaTokenizerFast(tokenizer_object=core)
    config = XLMRobertaConfig(
        vocab_size=len(tokenizer), hidden_size=8, num_hidden_layers=1, num_attention_heads=1,
        intermediate_size=8, pad_token_id=1, max_position_embeddings=20,
    )  # fmt: skip
    texts = {"en": ["abcd", "bcd"]}
    made = pruning.prune(XLMRobertaModel(config), tokenizer, texts, letters=False)
    assert "z" in made.tokenizer.get_vocab()
    for text in texts["en"]:
        assert made.tokenizer.tokenize(text) == tokenizer.tokenize(text)
    without = pruning._tokenizer(tokenizer, np.delete(np.arange(len(tokenizer)), 8))
    assert "z" not in without.get_vocab()
    assert without.tokenize("abcd") != tokenizer.tokenize("abcd")


def test_letters_of_the_scripts_stay(nli: tuple[Any, Any], texts: dict[str, list[Any]]) -> None:
    """New text of a served script has no unknown sign that it had not before; others may."""
    model, tokenizer = nli
    new = datasets.sentiment("ru", "test").texts
    other = datasets.sentiment("hi", "test").texts
    before = [tokenization.unknown_share(some, tokenizer) for some in (new, other)]
    made = pruning.prune(model, tokenizer, {"ru": texts["ru"][:5]})
    assert tokenization.unknown_share(new, made.tokenizer) == before[0]
    assert tokenization.unknown_share(other, made.tokenizer) > before[1] + 0.3
    bare = pruning.prune(model, tokenizer, {"ru": texts["ru"][:5]}, letters=False)
    assert tokenization.unknown_share(new, bare.tokenizer) > before[0]
    assert set(bare.kept) < set(made.kept)


def test_rare_entries_can_go_and_it_is_said_what_that_costs(
    nli: tuple[Any, Any], texts: dict[str, list[Any]]
) -> None:
    model, tokenizer = nli
    all_of_them = pruning.prune(model, tokenizer, texts)
    frequent = pruning.prune(model, tokenizer, texts, least=5)
    assert set(frequent.kept) < set(all_of_them.kept)
    some = texts["en"]
    again = [
        frequent.kept[frequent.tokenizer(text)["input_ids"]].tolist()
        == tokenizer(text)["input_ids"]
        for text in some
    ]
    assert frequent.same["en"] == pytest.approx(np.mean(again)) and 0 < frequent.same["en"] < 1


def test_saved_and_loaded(nli: tuple[Any, Any], tmp_path: Path) -> None:
    model, tokenizer = nli
    pairs = datasets.nli("de", "dev").pairs[:60]
    made = pruning.prune(model, tokenizer, {"de": pairs})
    folder = tmp_path / "pruned"
    made.save(folder)
    assert {"model.safetensors", "config.json", "tokenizer.json"} <= {
        file.name for file in folder.iterdir()
    }
    assert not [file for file in tmp_path.iterdir() if file != folder]
    for file in folder.glob("*.json"):
        assert str(Path.cwd()) not in file.read_text("utf-8"), file.name
    again, tokens = hub.model(folder, "classification"), hub.tokenizer(folder)
    one, other = (
        finetuning.classify(m, t, pairs).probabilities
        for m, t in ((made.model, made.tokenizer), (again, tokens))
    )
    np.testing.assert_array_equal(one, other)
    with pytest.raises(ServingError, match="there already"):
        made.save(folder)
    # A vocabulary that is not the one that was saved is noticed.
    (folder / "course.json").write_text(json.dumps({"vocabulary": 7}), "utf-8")
    with pytest.raises(hub.HubError, match="entries instead of 7"):
        hub.tokenizer(folder)


def test_pruning_refuses_what_it_cannot_do(nli: tuple[Any, Any]) -> None:
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    model, tokenizer = nli
    for texts in ({}, {"en": []}, ["a text"]):
        with pytest.raises(ServingError, match="without text"):
            pruning.prune(model, tokenizer, texts)  # type: ignore[arg-type]
    with pytest.raises(ServingError, match="one text"):
        pruning.prune(model, tokenizer, {"en": "a text"})
    with pytest.raises(ServingError, match="least"):
        pruning.prune(model, tokenizer, {"en": ["a"]}, least=0)
    bpe = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.BPE()))
    with pytest.raises(ServingError, match="BPE"):
        pruning.prune(model, bpe, {"en": ["a"]})
    with pytest.raises(ServingError, match="entries, the model"):
        pruning.prune(hub.model("mBERT"), tokenizer, {"en": ["a"]})


# ── bytes by part ────────────────────────────────────────────────────────────────────────


def test_bytes_by_hand() -> None:
    """One layer of 4 units over 10 words, counted on paper."""
    from transformers import BertConfig, BertForSequenceClassification

    config = BertConfig(
        vocab_size=10, hidden_size=4, num_hidden_layers=1, num_attention_heads=1,
        intermediate_size=8, max_position_embeddings=6, type_vocab_size=2, num_labels=3,
    )  # fmt: skip
    model = BertForSequenceClassification(config)
    # (tables, matrices of linear layers, biases and norms) of each part
    right = {
        "word embeddings": (40, 0, 0),
        "other embeddings": (32, 0, 8),
        "attention": (0, 64, 24),
        "feed-forward": (0, 64, 20),
        "pooler": (0, 16, 4),
        "head": (0, 12, 3),
    }
    costs = {"fp32": (4, 4, 4), "fp16": (2, 2, 2), "int8": (1, 1, 4), "int8 linear": (4, 1, 4)}
    for variant, cost in costs.items():
        found = size.bytes_by_part(model, variant)
        assert found == {p: int(np.dot(numbers, cost)) for p, numbers in right.items()}, variant
    with pytest.raises(ServingError, match="variant"):
        size.bytes_by_part(model, "int4")


def test_a_shared_matrix_is_counted_once() -> None:
    model = hub.model("XLM-R", "mlm")
    words = size.bytes_by_part(model, "int8 linear")["word embeddings"]
    assert words == 4 * model.get_input_embeddings().weight.numel()
    assert sum(size.bytes_by_part(model).values()) == sum(p.nbytes for p in model.parameters())


def test_what_is_published_is_reproduced_from_configurations() -> None:
    """The size of each model, and what int8 on linear layers alone makes of it."""
    found = size.sizes()
    right = {
        "XLM-R base": (278.0, 1112, 856, 1.30),
        "XLM-R large": (559.9, 2240, 1330, 1.68),
        "mBERT": (177.9, 711, 455, 1.56),
        "DistilmBERT": (134.7, 539, 412, 1.31),
        "BERT base, English": (109.5, 438, 181, 2.41),
        "DistilBERT, English": (66.4, 265, 138, 1.92),
    }
    for name, (millions, whole, linear, times) in right.items():
        row = found.loc[name]
        assert row["parameters"] / 1e6 == pytest.approx(millions, abs=0.06)
        assert row["fp32"] == pytest.approx(whole, abs=0.6)
        assert row["int8 linear"] == pytest.approx(linear, abs=0.6)
        assert row["int8 linear, times"] == pytest.approx(times, abs=0.006)
        assert row["int8, times"] == pytest.approx(4, abs=0.02)
    assert found.loc["XLM-R base", "embeddings"] == pytest.approx(0.69, abs=0.005)
    pairs = {("DistilmBERT", "mBERT"): 0.242, ("DistilBERT, English", "BERT base, English"): 0.394}
    for (student, teacher), share in pairs.items():
        found_share = size.smaller(size.shape_of(student), size.shape_of(teacher))
        assert found_share == pytest.approx(share, abs=5e-4)


def test_sizes_takes_models_of_ones_own() -> None:
    found = size.sizes({"mini": hub.model("NLI")})
    assert list(found.index) == ["mini"]
    assert found.loc["mini", "fp32"] == pytest.approx(4 * found.loc["mini", "parameters"] / 1e6)
    with pytest.raises(ServingError, match="configuration"):
        size.sizes(["XLM-R huge"])


# ── agreement ────────────────────────────────────────────────────────────────────────────


def rows(language: str, labels: list[str]) -> datasets.Labelled:
    return datasets.Labelled(
        ids=tuple(f"{i}" for i in range(len(labels))),
        names=("no", "yes"),
        held=("",) * len(labels),
        language=language,
        source="made",
        texts=tuple(f"{language} {i}" for i in range(len(labels))),
        labels=tuple(labels),
    )


class Says:
    """A backend that answers what it was given for each text."""

    def __init__(self, labels: list[str]) -> None:
        self.labels = labels

    def classify(self, texts: list[str]) -> list[Any]:
        return [SimpleNamespace(label=self.labels[int(text.split()[1])]) for text in texts]


def test_agreement_by_hand() -> None:
    gold = ["yes"] * 6 + ["no"] * 4
    one = Says(gold)
    other = Says(["no", *gold[1:]])
    third = Says(["no", "no", *gold[2:]])
    found = comparison.agreement(
        {"a": one, "b": other, "c": third}, {"en": rows("en", gold), "de": rows("de", gold[:5])}
    )
    keys = list(zip(found["one"], found["other"], found["language"], strict=True))
    assert keys == [
        (a, b, code) for a, b in (("a", "b"), ("a", "c"), ("b", "c")) for code in ("en", "de")
    ]
    rows_by_key = {key: found.iloc[number] for number, key in enumerate(keys)}
    row = rows_by_key["a", "b", "en"]
    assert row["same"] == 0.9 and row["rows"] == 10
    assert (row["low"], row["high"]) == pytest.approx(wilson(9, 10))
    assert row["accuracy_one"] == 1 and row["difference"] == pytest.approx(-0.1)
    assert row["difference_low"] < -0.1 < row["difference_high"] <= 0
    assert rows_by_key["b", "c", "de"]["same"] == 0.8
    assert rows_by_key["a", "c", "de"]["difference"] == pytest.approx(-0.4)


def test_all_alike_is_not_certain() -> None:
    gold = ["yes", "no"] * 20
    row = comparison.agreement({"a": Says(gold), "b": Says(gold)}, {"en": rows("en", gold)}).iloc[0]
    assert row["same"] == row["high"] == 1
    assert row["low"] == pytest.approx(1 / (1 + 1.96**2 / 40))


def test_functions_and_predictions_are_backends(nli: tuple[Any, Any]) -> None:
    model, tokenizer = nli
    some = datasets.nli("en", "dev")
    table = some.subset(some.ids[:30])
    found = comparison.agreement(
        {
            "function": lambda texts: finetuning.classify(model, tokenizer, texts),
            "labels": lambda texts: list(finetuning.classify(model, tokenizer, texts).labels),
        },
        {"en": table},
    )
    assert found["same"].tolist() == [1.0]


def test_agreement_refuses_what_cannot_be_compared() -> None:
    gold = ["yes", "no"]
    table, say = rows("en", gold), Says(gold)
    with pytest.raises(ServingError, match="itself"):
        comparison.agreement({"a": say}, {"en": table})
    with pytest.raises(ServingError, match="nothing to ask"):
        comparison.agreement({"a": say, "b": say}, {})
    with pytest.raises(ServingError, match="no rows"):
        comparison.agreement({"a": say, "b": say}, {"en": rows("en", [])})
    with pytest.raises(ServingError, match="1 answers to 2"):
        comparison.agreement({"a": say, "b": lambda texts: ["yes"]}, {"en": table})
    with pytest.raises(ServingError, match="'maybe'"):
        comparison.agreement({"a": say, "b": lambda texts: ["maybe"] * 2}, {"en": table})
    with pytest.raises(ServingError, match="answers nothing"):
        comparison.agreement({"a": say, "b": 3}, {"en": table})
