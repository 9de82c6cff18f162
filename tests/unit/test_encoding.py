"""Sentence vectors against plain loops, on tiny models of the real architectures."""

from __future__ import annotations

import logging
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from xlhelpers import encoding
from xlhelpers.alignment.retrieval import csls_matrix
from xlhelpers.encoding import EncodingError, TruncationWarning

WORDS = ["the", "cat", "dog", "sees", "a", "red", "house", "die", "Katze", "sieht", "ein", "Haus"]
TEXTS = [
    "the cat sees a dog",
    "house",
    "die Katze sieht ein Haus",
    "a red red red house sees the dog",
    "cat",
    "the red cat",
]
DIM, LAYERS, POSITIONS = 24, 3, 14


def config(positions: int) -> dict[str, Any]:
    return {
        "vocab_size": 40,
        "hidden_size": DIM,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "max_position_embeddings": positions,
        # Large weights and real dropout, so that a mistake shows.
        "initializer_range": 0.5,
        "hidden_dropout_prob": 0.3,
    }


def bert() -> tuple[Any, Any]:
    from transformers import BertConfig, BertModel, BertTokenizer

    torch.manual_seed(1)
    entries = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
    tokenizer = BertTokenizer(vocab={w: i for i, w in enumerate(entries)}, do_lower_case=False)
    return BertModel(BertConfig(**config(POSITIONS))).eval(), tokenizer


def xlmr() -> tuple[Any, Any]:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import XLMRobertaConfig, XLMRobertaModel, XLMRobertaTokenizerFast

    torch.manual_seed(2)
    entries = ["<s>", "<pad>", "</s>", "<unk>", "▁", *(f"▁{w}" for w in WORDS), "<mask>"]
    backend = Tokenizer(models.Unigram([(entry, -1.0) for entry in entries], unk_id=3))
    backend.pre_tokenizer, backend.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    settings = XLMRobertaConfig(**config(POSITIONS + 2), pad_token_id=1)
    tokenizer = XLMRobertaTokenizerFast(tokenizer_object=backend)
    return XLMRobertaModel(settings).eval(), tokenizer


@pytest.fixture(scope="module", params=[bert, xlmr])
def pair(request: pytest.FixtureRequest) -> tuple[Any, Any]:
    """A model and its tokenizer."""
    made: tuple[Any, Any] = request.param()
    return made


def alone(text: str, model: Any, tokenizer: Any) -> list[NDArray[np.float32]]:
    """Hidden states (tokens, d) of every layer for one text, without padding or batches."""
    ids = torch.tensor([tokenizer(text)["input_ids"]])
    with torch.no_grad():
        states = model(ids, output_hidden_states=True).hidden_states
    return [state[0].numpy() for state in states]


# What rounding leaves between a text alone and in a batch, or with other threads: float32 has
# 6e-8 of a number near 1, and two layers add a few hundred such numbers in another order.
ROUNDING = 2e-5


def rows(n: int, dim: int = 8, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=(n, dim)).astype(np.float32)


# ── pooling ──────────────────────────────────────────────────────────────────────────────


def test_mean_pool_is_a_loop_over_the_real_tokens() -> None:
    hidden = torch.from_numpy(rows(3 * 5 * 4).reshape(3, 5, -1))
    mask = torch.tensor([[1, 1, 0, 0, 0], [1, 1, 1, 1, 1], [0, 0, 1, 1, 0]])
    pooled = encoding.mean_pool(hidden, mask)
    for text in range(3):
        total, count = np.zeros(hidden.shape[2]), 0
        for token in range(5):
            if mask[text, token]:
                total, count = total + hidden[text, token].numpy(), count + 1
        assert np.allclose(pooled[text], total / count, atol=1e-6)


def test_cls_pool_takes_the_first_token_even_after_padding() -> None:
    hidden = torch.arange(2 * 3 * 2, dtype=torch.float16).reshape(2, 3, 2)
    pooled = encoding.cls_pool(hidden, torch.tensor([[1, 1, 0], [0, 1, 1]]))
    assert pooled.tolist() == [[0, 1], [8, 9]]
    assert pooled.dtype == torch.float32


def test_half_precision_is_averaged_in_float32() -> None:
    hidden = torch.full((1, 4000, 1), 30.0, dtype=torch.float16)  # a sum beyond float16
    pooled = encoding.mean_pool(hidden, torch.ones(1, 4000, dtype=torch.long))
    assert pooled.item() == 30


@pytest.mark.parametrize("pool", [encoding.mean_pool, encoding.cls_pool])
def test_pooling_refuses_what_it_cannot_pool(pool: Any) -> None:
    with pytest.raises(EncodingError, match="without any token"):
        pool(torch.ones(2, 3, 4), torch.tensor([[1, 1, 0], [0, 0, 0]]))
    with pytest.raises(EncodingError, match="do not fit"):
        pool(torch.ones(2, 3, 4), torch.ones(2, 4))


# ── encode ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("batch_size", [1, 2, 4, 32])
@pytest.mark.parametrize("layer", [0, 1, 2, -1])
def test_a_batch_gives_what_each_text_gives_alone(
    pair: tuple[Any, Any], layer: int, batch_size: int
) -> None:
    found = encoding.encode(TEXTS, *pair, layer=layer, batch_size=batch_size)
    assert found.shape == (len(TEXTS), DIM)
    assert found.dtype == np.float32
    for text, vector in zip(TEXTS, found, strict=True):
        assert np.allclose(vector, alone(text, *pair)[layer].mean(axis=0), atol=ROUNDING)


def test_cls_is_the_first_token_of_each_text(pair: tuple[Any, Any]) -> None:
    found = encoding.encode(TEXTS, *pair, pooling="cls", batch_size=4)
    for text, vector in zip(TEXTS, found, strict=True):
        assert np.allclose(vector, alone(text, *pair)[-1][0], atol=ROUNDING)


def test_all_layers_at_once_are_the_layers_one_by_one(pair: tuple[Any, Any]) -> None:
    found = encoding.encode_layers(TEXTS, *pair, batch_size=4)
    assert found.shape == (LAYERS + 1, len(TEXTS), DIM)
    for layer in range(-LAYERS - 1, LAYERS + 1):
        single = encoding.encode(TEXTS, *pair, layer=layer, batch_size=4)
        assert np.allclose(found[layer], single, atol=1e-6)
    assert not np.allclose(found[1], found[2], atol=1e-2)


def test_padding_on_the_left_is_left_out_too() -> None:
    model, tokenizer = xlmr()  # positions of XLM-R are counted from the mask
    right = encoding.encode(TEXTS, model, tokenizer, pooling="cls")
    tokenizer.padding_side = "left"
    assert np.allclose(
        encoding.encode(TEXTS, model, tokenizer, pooling="cls"), right, atol=ROUNDING
    )


def test_a_head_on_top_changes_nothing() -> None:
    from transformers import XLMRobertaForMaskedLM

    model, tokenizer = xlmr()
    headed = XLMRobertaForMaskedLM(model.config)
    headed.roberta.load_state_dict(model.state_dict(), strict=False)
    expected = encoding.encode(TEXTS, model, tokenizer)
    assert np.allclose(encoding.encode(TEXTS, headed, tokenizer), expected, atol=1e-6)
    assert encoding.encode_layers(TEXTS, headed, tokenizer).shape == (LAYERS + 1, len(TEXTS), DIM)


def test_dropout_is_off_and_every_part_keeps_its_mode() -> None:
    model, tokenizer = bert()
    expected = encoding.encode(TEXTS, model, tokenizer)
    model.train()
    model.embeddings.eval()
    assert np.allclose(encoding.encode(TEXTS, model, tokenizer), expected, atol=1e-6)
    assert model.training
    assert model.encoder.layer[0].output.dropout.training
    assert not model.embeddings.dropout.training
    with pytest.raises(RuntimeError, match="on purpose"), encoding.evaluating(model):
        raise RuntimeError("on purpose")
    assert model.training


def test_no_texts_give_no_vectors(pair: tuple[Any, Any]) -> None:
    assert encoding.encode([], *pair).shape == (0, DIM)
    assert encoding.encode_layers([], *pair).shape == (LAYERS + 1, 0, DIM)


def test_long_texts_are_cut_by_tokens_and_that_is_said(pair: tuple[Any, Any]) -> None:
    special = 2
    fits = " ".join(["cat"] * (POSITIONS - special))
    longer, longest = fits + " dog house", fits + " dog" * 30
    with pytest.warns(TruncationWarning) as caught:
        found = encoding.encode([longest, "house", longer, fits], *pair)
    (warned,) = caught
    assert str(warned.message) == (
        f"2 of 4 texts have more than {POSITIONS} tokens and were cut there; "
        f"the longest has {POSITIONS + 30}"
    )
    assert warned.filename == __file__  # the line that called, not one of ours
    # What is left of both is the text that fits.
    assert np.allclose(found[0], found[3], atol=ROUNDING)
    assert np.allclose(found[2], found[3], atol=ROUNDING)
    assert np.allclose(found[1], alone("house", *pair)[-1].mean(axis=0), atol=ROUNDING)


def test_what_fits_raises_no_warning(pair: tuple[Any, Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        encoding.encode([" ".join(["cat"] * (POSITIONS - 2))], *pair)


def test_the_librarys_own_remark_does_not_come_on_top() -> None:
    said: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    model, tokenizer = bert()
    tokenizer.model_max_length = 6
    log = logging.getLogger("transformers")
    log.addHandler(handler)
    try:
        with pytest.warns(TruncationWarning, match="more than 6 tokens"):
            encoding.encode(["the cat sees a dog"], model, tokenizer)
        assert said == []
        tokenizer("the cat sees a dog")  # what it says by itself
        assert "longer than the specified maximum" in said[0]
    finally:
        log.removeHandler(handler)


def test_max_length_cuts_earlier(pair: tuple[Any, Any]) -> None:
    with pytest.warns(TruncationWarning, match="1 of 2 texts have more than 4 tokens"):
        found = encoding.encode(["the cat sees a dog", "the cat"], *pair, max_length=4)
    assert np.allclose(found[0], found[1], atol=ROUNDING)
    for wrong in (2, POSITIONS + 1):
        with pytest.raises(EncodingError, match=f"3 or more.*at most {POSITIONS}"):
            encoding.encode(["cat"], *pair, max_length=wrong)


def test_the_limit_is_the_positions_that_can_be_read(pair: tuple[Any, Any]) -> None:
    model, tokenizer = pair
    assert encoding.token_limit(model, tokenizer) == POSITIONS
    before = tokenizer.model_max_length
    try:
        tokenizer.model_max_length = 6
        assert encoding.token_limit(model, tokenizer) == 6
    finally:
        tokenizer.model_max_length = before


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["cat", ""], "text 1 is empty"),
        (["cat", "dog", " \n"], "text 2 is empty"),
        ("cat", "one string"),
        (["cat", None], "text 1 is no string but NoneType"),
    ],
)
def test_bad_texts_are_named(pair: tuple[Any, Any], texts: Any, said: str) -> None:
    with pytest.raises(EncodingError, match=said):
        encoding.encode(texts, *pair)


def test_a_text_that_the_tokenizer_drops_is_named() -> None:
    with pytest.raises(EncodingError, match="text 1 has no tokens"):
        encoding.encode(["cat", "\u0000"], *bert())  # BERT deletes control characters


def test_bad_arguments_are_refused(pair: tuple[Any, Any]) -> None:
    for layer in (LAYERS + 1, -LAYERS - 2):
        with pytest.raises(EncodingError, match=f"0 .embeddings. to {LAYERS}"):
            encoding.encode(["cat"], *pair, layer=layer)
    with pytest.raises(EncodingError, match="mean or cls"):
        encoding.encode(["cat"], *pair, pooling="max")  # type: ignore[arg-type]
    with pytest.raises(EncodingError, match="batch_size"):
        encoding.encode(["cat"], *pair, batch_size=0)


def test_a_tokenizer_of_another_model_is_refused() -> None:
    from transformers import BertConfig, BertModel

    model = BertModel(BertConfig(**{**config(POSITIONS), "vocab_size": 5}))
    with pytest.raises(EncodingError, match="17 entries and the model 5"):
        encoding.encode(["cat"], model, bert()[1])


def test_of_a_translation_model_the_encoder_is_taken() -> None:
    from transformers import MarianConfig, MarianModel

    sizes = {
        f"{part}_{what}": size
        for part in ("encoder", "decoder")
        for what, size in (("layers", 1), ("attention_heads", 2), ("ffn_dim", 32))
    }
    ids = {"pad_token_id": 0, "decoder_start_token_id": 0, "eos_token_id": 3}
    model = MarianModel(MarianConfig(vocab_size=40, d_model=DIM, **sizes, **ids))
    with pytest.raises(EncodingError, match="model.get_encoder"):
        encoding.encode(TEXTS, model, bert()[1])
    tokenizer = bert()[1]
    tokenizer.model_input_names = ["input_ids", "attention_mask"]
    found = encoding.encode(TEXTS, model.get_encoder(), tokenizer)
    ids_of_first = torch.tensor([tokenizer(TEXTS[0])["input_ids"]])
    with torch.no_grad():
        state = model.get_encoder().eval()(ids_of_first).last_hidden_state[0]
    assert np.allclose(found[0], state.mean(dim=0).numpy(), atol=ROUNDING)


# ── the untrained twin ───────────────────────────────────────────────────────────────────


def test_a_twin_has_the_shape_and_other_weights(pair: tuple[Any, Any]) -> None:
    model, tokenizer = pair
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state = torch.get_rng_state()
    twin, again, other = (encoding.random_twin(model, seed) for seed in (0, 0, 1))
    assert torch.equal(state, torch.get_rng_state())
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])
        assert torch.equal(twin.state_dict()[name], again.state_dict()[name])
    weight = "encoder.layer.0.attention.self.query.weight"
    assert not torch.equal(twin.state_dict()[weight], before[weight])
    assert not torch.equal(twin.state_dict()[weight], other.state_dict()[weight])
    assert twin.state_dict()[weight].std().item() == pytest.approx(0.5, rel=0.1)
    assert type(twin) is type(model)
    assert twin.config is not model.config
    assert not twin.training
    assert encoding.encode(TEXTS, twin, tokenizer).shape == (len(TEXTS), DIM)


def test_a_twin_has_no_pooler_where_the_model_has_none() -> None:
    model, _ = xlmr()
    model.pooler = None
    model = model.to(torch.float16)
    twin = encoding.random_twin(model, 0)
    assert twin.pooler is None
    assert twin.dtype == torch.float16
    assert twin.num_parameters() == model.num_parameters()


# ── vectors ──────────────────────────────────────────────────────────────────────────────


def test_unit_and_cosine_by_hand() -> None:
    assert np.allclose(encoding.unit([[3, 4], [0, 2]]), [[0.6, 0.8], [0, 1]])
    found = encoding.cosine([[3, 4], [0, 2]], [[1, 0], [3, 4], [-3, -4]])
    assert np.allclose(found, [[0.6, 1, -1], [0, 0.8, -0.8]])
    many = rows(300, 7)
    assert np.abs(encoding.cosine(many, many)).max() <= 1


def test_centre_takes_away_each_groups_own_mean() -> None:
    vectors = rows(6, 4)
    groups = ["de", "en", "de", "en", "en", "de"]
    found = encoding.centre(vectors, groups)
    for group in ("de", "en"):
        mine = [i for i, name in enumerate(groups) if name == group]
        expected = vectors[mine] - vectors[mine].mean(axis=0)
        assert np.allclose(found[mine], expected, atol=1e-6)
    assert np.allclose(encoding.centre(vectors), vectors - vectors.mean(axis=0), atol=1e-6)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: encoding.unit([[1, 0], [0, 0]]), "row 1 is all zeros"),
        (lambda: encoding.unit([[1, 0], [np.nan, 0]]), "row 1 of vectors holds NaN"),
        (lambda: encoding.unit([1, 2]), "shape"),
        (lambda: encoding.unit(np.zeros((0, 4))), "not empty"),
        (lambda: encoding.cosine(rows(2, 3), rows(2, 4)), "cannot be compared"),
        (lambda: encoding.centre(rows(3), ["de", "en", "de"]), "'en' has one row"),
        (lambda: encoding.centre(rows(3), ["de", "en"]), "one label a row"),
        (lambda: encoding.centre(rows(2), "de"), "one label a row"),
        (lambda: encoding.unit(encoding.char_ngram_vectors(["cat"])), "sparse"),
    ],
)
def test_bad_vectors_are_refused(call: Any, said: str) -> None:
    with pytest.raises(EncodingError, match=said):
        call()


# ── character n-grams ────────────────────────────────────────────────────────────────────


def grams(text: str, low: int, high: int) -> dict[str, int]:
    """Counts of character n-grams inside words, each word between two spaces."""
    found: dict[str, int] = {}
    for word in text.lower().split():
        padded = f" {word} "
        for size in range(low, high + 1):
            for start in range(len(padded) - size + 1):
                gram = padded[start : start + size]
                found[gram] = found.get(gram, 0) + 1
    return found


def test_ngram_cosines_are_those_of_counted_ngrams() -> None:
    texts = ["Das Haus ist rot", "the house is red", "дом красный", "das Haus", "红房子"]
    vectors = encoding.char_ngram_vectors(texts)
    assert vectors.min() == 0
    counted = [grams(text, 2, 4) for text in texts]
    lengths = [np.sqrt(sum(c * c for c in counts.values())) for counts in counted]
    for i, a in enumerate(counted):
        for j, b in enumerate(counted):
            expected = sum(a[g] * b.get(g, 0) for g in a) / lengths[i] / lengths[j]
            assert (vectors[[i]] @ vectors[[j]].T).toarray().item() == pytest.approx(expected)


def test_ngrams_of_two_calls_can_be_compared() -> None:
    together = encoding.char_ngram_vectors(["the house", "das Haus"])
    apart = encoding.char_ngram_vectors(["das Haus"])
    assert abs(together[[1]] - apart).max() == 0
    found = encoding.retrieve(
        encoding.char_ngram_vectors(["das Haus", "ein Hund"]),
        encoding.char_ngram_vectors(["ein alter Hund", "das rote Haus"]),
        gold=[1, 0],
    )
    assert (found.accuracy, found.nearest.tolist()) == (1.0, [1, 0])


def test_ngrams_refuse_bad_input() -> None:
    with pytest.raises(EncodingError, match="text 1 is empty"):
        encoding.char_ngram_vectors(["cat", " "])
    with pytest.raises(EncodingError, match="shortest"):
        encoding.char_ngram_vectors(["cat"], n=(3, 2))
    sparse = encoding.char_ngram_vectors(["cat", "dog"])
    for how in ({"method": "csls"}, {"centre": True}):
        with pytest.raises(EncodingError, match="neither centred nor given to CSLS"):
            encoding.retrieve(sparse, sparse, **how)  # type: ignore[arg-type]


# ── retrieval ────────────────────────────────────────────────────────────────────────────


def noisy_pair(n: int = 60, distractors: int = 40) -> tuple[Any, Any, NDArray[np.int64]]:
    """Source rows, shuffled noisy copies among distractors, and where each copy went."""
    source = rows(n)
    place = np.random.default_rng(7).permutation(n + distractors)[:n]
    target = rows(n + distractors, seed=1)
    target[place] = source + 0.6 * rows(n, seed=2)
    return source, target, place


@pytest.mark.parametrize("centre", [False, True])
@pytest.mark.parametrize("method", ["cosine", "csls"])
def test_retrieval_is_the_arg_max_of_all_scores(method: encoding.Method, centre: bool) -> None:
    source, target, gold = noisy_pair()
    source, target = source + 1, target - 2
    found = encoding.retrieve(source, target, gold=gold.tolist(), method=method, centre=centre)
    if centre:
        source, target = source - source.mean(axis=0), target - target.mean(axis=0)
    source /= np.linalg.norm(source, axis=1, keepdims=True)
    target /= np.linalg.norm(target, axis=1, keepdims=True)
    scores = source @ target.T if method == "cosine" else csls_matrix(source, target)
    best = scores.argmax(axis=1)
    assert found.nearest.tolist() == best.tolist()
    assert found.accuracy == pytest.approx(np.mean(best == gold))
    assert (found.n, found.candidates, found.chance) == (60, 100, 0.01)


def test_centring_helps_where_a_language_has_an_offset() -> None:
    source, target, gold = noisy_pair()
    offset = 20 * rows(1, seed=9)
    plain = encoding.retrieve(source + offset, target, gold=gold)
    centred = encoding.retrieve(source + offset, target, gold=gold, centre=True)
    assert plain.high < 0.2
    assert centred.low > 0.5
    assert centred.low < centred.accuracy < centred.high


def test_the_interval_is_about_that_of_a_binomial() -> None:
    source, target, gold = noisy_pair(400, 0)
    found = encoding.retrieve(source, target, gold=gold)
    error = np.sqrt(found.accuracy * (1 - found.accuracy) / 400)
    assert 0.3 < found.accuracy < 0.95
    assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=0.1)


def test_without_gold_row_i_is_right_for_row_i() -> None:
    source = rows(10)
    found = encoding.retrieve(source, np.concatenate([source, rows(5, seed=4)]))
    assert (found.accuracy, found.n, found.candidates) == (1.0, 10, 15)
    assert encoding.retrieve(source[::-1], source, gold=range(9, -1, -1)).accuracy == 1


def test_vectors_that_are_all_alike_are_at_chance() -> None:
    same = np.ones((20, 4))
    for method in ("cosine", "csls"):
        found = encoding.retrieve(same, same, method=method)  # type: ignore[arg-type]
        assert found.accuracy == found.chance == 0.05


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"gold": [0, 1]}, "gold does not name"),
        ({"gold": [0, 1, 4]}, "from 0 to 3"),
        ({"gold": [0, 1, -1]}, "from 0 to 3"),
        ({"gold": [0.0, 1.0, 2.0]}, "whole numbers"),
        ({"method": "dot"}, "cosine or csls"),
    ],
)
def test_retrieval_refuses_bad_arguments(how: dict[str, Any], said: str) -> None:
    with pytest.raises(EncodingError, match=said):
        encoding.retrieve(rows(3), rows(4), **how)


def test_retrieval_refuses_bad_shapes() -> None:
    with pytest.raises(EncodingError, match="gold="):
        encoding.retrieve(rows(4), rows(3))
    with pytest.raises(EncodingError, match="cannot be compared"):
        encoding.retrieve(rows(3, 4), rows(3, 5))
    with pytest.raises(EncodingError, match="some of both"):
        encoding.retrieve(rows(0), rows(3))
    with pytest.raises(EncodingError, match="row 0 is all zeros"):
        encoding.retrieve(np.zeros((2, 3)), rows(2, 3))


# ── language probe ───────────────────────────────────────────────────────────────────────


def parallel(
    meanings: int, offset: float, languages: tuple[str, ...] = ("de", "en", "zh")
) -> tuple[NDArray[np.float32], list[str], list[int]]:
    """Vectors of one meaning in several languages, each language moved by its own offset."""
    meaning = rows(meanings, 12)
    moved = [
        meaning + offset * rows(1, 12, seed=20 + i) + 0.3 * rows(meanings, 12, seed=40 + i)
        for i in range(len(languages))
    ]
    names = [name for name in languages for _ in range(meanings)]
    return np.concatenate(moved), names, list(range(meanings)) * len(languages)


def test_a_probe_finds_languages_that_are_apart_and_no_others() -> None:
    vectors, names, ids = parallel(60, offset=3)
    apart = encoding.language_probe(vectors, names, groups=ids)
    assert apart.accuracy > 0.95
    assert apart.chance == pytest.approx(1 / 3)
    vectors, names, ids = parallel(60, offset=0)
    alike = encoding.language_probe(vectors, names, groups=ids)
    assert alike.low < alike.chance < alike.high or alike.accuracy < alike.chance
    assert alike.accuracy < 0.5


def test_confusion_adds_up_to_the_accuracy() -> None:
    vectors, names, _ = parallel(40, offset=0.3)
    keep = slice(20, None)  # "de" is scarcer then
    probe = encoding.language_probe(vectors[keep], names[keep])
    assert probe.languages == ("de", "en", "zh")
    assert probe.confusion.sum(axis=1).tolist() == [20, 40, 40]
    assert probe.accuracy == pytest.approx(np.trace(probe.confusion) / 100)
    assert probe.chance == 0.4
    assert 0 <= probe.low < probe.accuracy < probe.high <= 1
    frame = probe.frame()
    assert frame.loc["de", "zh"] == probe.confusion[0, 2]


def test_a_probe_repeats_itself() -> None:
    vectors, names, ids = parallel(30, offset=0.5)
    once = encoding.language_probe(vectors, names, groups=ids, seed=3)
    again = encoding.language_probe(vectors, names, groups=ids, seed=3)
    assert once == again
    assert (once.confusion == again.confusion).all()
    # of other divisions one may come to the same counts; that all do would be the same division
    others = [
        encoding.language_probe(vectors, names, groups=ids, seed=seed) for seed in range(4, 9)
    ]
    assert any((once.confusion != other.confusion).any() for other in others)


def test_translations_stand_in_one_fold(monkeypatch: pytest.MonkeyPatch) -> None:
    import sklearn.linear_model

    vectors, names, ids = parallel(20, offset=1)
    meaning_of = {vector.tobytes(): i for vector, i in zip(vectors, ids, strict=True)}
    trained: list[set[int]] = []
    tested: list[set[int]] = []

    class Watched:
        def __init__(self, **_: Any) -> None:
            pass

        def fit(self, x: Any, y: Any) -> Watched:
            self.answer = y[0]
            trained.append({meaning_of[row.tobytes()] for row in x})
            return self

        def predict(self, x: Any) -> Any:
            tested.append({meaning_of[row.tobytes()] for row in x})
            return np.repeat(self.answer, len(x))

    monkeypatch.setattr(sklearn.linear_model, "LogisticRegression", Watched)
    monkeypatch.setattr("sklearn.pipeline.make_pipeline", lambda *steps: steps[-1])
    encoding.language_probe(vectors, names, groups=ids, folds=4)
    assert len(tested) == 4
    assert set.union(*tested) == set(range(20))
    assert all(not a & b for a, b in zip(trained, tested, strict=True))


def test_equal_means_blind_the_probe_as_it_says() -> None:
    # Mirror images: whoever knows the languages' shapes is right nine times in ten.
    names = ["de"] * 100 + ["en"] * 100
    accuracies = []
    for seed in range(60):
        skewed = np.where(np.arange(100) % 10 < 9, -1.0, 9.0) + 0.1 * rows(100, 1, seed)[:, 0]
        vectors = np.concatenate([skewed, -skewed])[:, None]
        assert np.mean((vectors[:, 0] < 0) == (np.array(names) == "de")) == 0.9
        probe = encoding.language_probe(encoding.centre(vectors, names), names, seed=seed)
        accuracies.append(probe.accuracy)
    # What is left of the means in a fold points anywhere: a single run has 0.3 to 0.7 and so a
    # deviation of 0.2 at most; the mean of all is no more than chance, within four of its
    # standard errors.
    error = 0.2 / np.sqrt(len(accuracies))
    assert np.mean(accuracies) <= probe.chance + 4 * error and max(accuracies) < 0.9


def test_parallel_sentences_count_once_in_the_interval() -> None:
    hits = np.array([3, 0, 3, 3, 0, 3, 3, 3, 0, 3] * 4)  # all languages right, or all wrong
    grouped = encoding.ratio(hits, np.full(40, 3))
    single = encoding.ratio(np.repeat(hits > 0, 3), np.ones(120))
    assert grouped.value == single.value == pytest.approx(0.7)
    width = (grouped.high - grouped.low) / (single.high - single.low)
    assert width == pytest.approx(np.sqrt(3), rel=0.1)


def test_the_interval_of_a_ratio_is_that_of_redrawn_pairs() -> None:
    rng = np.random.default_rng(0)
    bottom = rng.integers(1, 30, 200)
    top = bottom * 2 + rng.integers(0, 40, 200)
    found = encoding.ratio(top, bottom)
    assert found.value == pytest.approx(top.sum() / bottom.sum())
    drawn = rng.integers(0, 200, (4000, 200))
    low, high = np.percentile(top[drawn].sum(axis=1) / bottom[drawn].sum(axis=1), [2.5, 97.5])
    assert found.low == pytest.approx(low, rel=0.02)
    assert found.high == pytest.approx(high, rel=0.02)
    for wrong in (([1, 2], [1]), ([1.0], [0.0]), ([], [])):
        with pytest.raises(EncodingError, match="no ratio"):
            encoding.ratio(*wrong)


@pytest.mark.parametrize("right", [True, False])
def test_the_interval_of_a_share_stays_one(right: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    # One large group and ten small ones: linearised, the ratio's interval leaves 0 to 1.
    groups = [0] * 100 + list(range(1, 11))
    names = ["de", "en"] * 55

    def answers(rows: Any, truth: NDArray[np.int64], *_: Any) -> NDArray[np.int64]:
        return np.where((np.array(groups) == 0) == right, truth, 1 - truth)

    monkeypatch.setattr(encoding, "_cross_validated", answers)
    probe = encoding.language_probe(rows(110), names, groups=groups)
    assert probe.accuracy == pytest.approx(100 / 110 if right else 10 / 110)
    assert 0 <= probe.low < probe.accuracy < probe.high <= 1
    assert probe.high == 1 if right else probe.low == 0


@pytest.mark.parametrize(
    ("names", "how", "said"),
    [
        (["de"] * 12, {}, "two languages"),
        (["de"] * 6 + ["en"] * 5, {}, "one label a row"),
        (["de"] * 9 + ["en"] * 3, {}, "have 3 members"),
        (["de"] * 6 + ["en"] * 6, {"folds": 1}, "folds is 1"),
        (["de"] * 6 + ["en"] * 6, {"groups": [0, 1, 2] * 4}, "have 3 members"),
        (["de"] * 7 + ["en"] * 5, {"groups": [0, 1, 2, 3, 4, 5, 6] + [7] * 5}, "one fold only"),
    ],
)
def test_the_probe_refuses_bad_input(names: list[str], how: dict[str, Any], said: str) -> None:
    with pytest.raises(EncodingError, match=said):
        encoding.language_probe(rows(12), names, **how)
