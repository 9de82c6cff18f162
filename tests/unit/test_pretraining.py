"""Pretraining: losses against plain loops, batches, resuming bit by bit, and bad input."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from xlhelpers import pretraining
from xlhelpers.encoding import TruncationWarning
from xlhelpers.pretraining import (
    History,
    PretrainingError,
    Recipe,
    batches,
    checkpoint,
    heldout_loss,
    mask_tokens,
    mlm_loss,
    pretrain,
    sampling_probabilities,
    sentence_id_vectors,
    translation_ranking_loss,
)
from xlhelpers.pretraining.batches import Corpus, Frame
from xlhelpers.pretraining.encoder import Encoder
from xlhelpers.pretraining.parallel import Parallel

WORDS = 20
LANGUAGES = ("de", "en", "zh")
POSITIONS = 24
Made = tuple[Any, Any]
TINY = Recipe(steps=8, tokens_per_batch=120, max_length=16, checkpoint_every=3)


def config(positions: int, **more: Any) -> dict[str, Any]:
    return {
        "vocab_size": 5 + WORDS * len(LANGUAGES),
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "max_position_embeddings": positions,
        **more,
    }


def vocabulary() -> list[str]:
    return [f"{lang}{i}" for lang in LANGUAGES for i in range(WORDS)]


def bert(**more: Any) -> Made:
    from transformers import BertConfig, BertForMaskedLM, BertTokenizer

    torch.manual_seed(1)
    entries = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *vocabulary()]
    tokenizer = BertTokenizer(vocab={w: i for i, w in enumerate(entries)}, do_lower_case=False)
    return BertForMaskedLM(BertConfig(**config(POSITIONS, **more))), tokenizer


def xlmr(**more: Any) -> Made:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import XLMRobertaConfig, XLMRobertaForMaskedLM, XLMRobertaTokenizerFast

    torch.manual_seed(2)
    entries = ["<s>", "<pad>", "</s>", "<unk>", *(f"▁{w}" for w in vocabulary()), "<mask>"]
    backend = Tokenizer(models.Unigram([(entry, -1.0) for entry in entries], unk_id=3))
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    settings = {"type_vocab_size": 1, "pad_token_id": 1, **more}
    model = XLMRobertaForMaskedLM(XLMRobertaConfig(**config(POSITIONS + 2, **settings)))
    return model, XLMRobertaTokenizerFast(tokenizer_object=backend)


KINDS = pytest.mark.parametrize("make", [bert, xlmr])


def texts(sizes: tuple[int, ...] = (30, 40, 10), seed: int = 0) -> dict[str, list[str]]:
    """Documents of 3 to 12 words; a language's word i is followed by word i + 1."""
    draw = np.random.default_rng(seed)
    return {
        lang: [
            " ".join(f"{lang}{(start + i) % WORDS}" for i in range(length))
            for start, length in zip(
                draw.integers(WORDS, size=n), draw.integers(3, 13, size=n), strict=True
            )
        ]
        for lang, n in zip(LANGUAGES, sizes, strict=True)
    }


def meanings(n: int = 40, seed: int = 5) -> list[dict[str, str]]:
    """Translations word by word: the same numbers in every language."""
    draw = np.random.default_rng(seed)
    rows = [draw.choice(WORDS, size=draw.integers(2, 7), replace=False) for _ in range(n)]
    return [{lang: " ".join(f"{lang}{i}" for i in row) for lang in LANGUAGES} for row in rows]


def weights(model: Any) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


# ── masking ──────────────────────────────────────────────────────────────────────────────


def masked(n: int = 40_000, probability: float = 0.15) -> tuple[torch.Tensor, ...]:
    ids = torch.arange(n).remainder(90) + 10
    special = torch.arange(n) % 10 == 0
    generator = torch.Generator().manual_seed(0)
    inputs, labels = mask_tokens(
        ids, special, mask_id=4, vocab_size=100, probability=probability, generator=generator
    )
    return ids, special, inputs, labels


def test_masking_asks_for_the_share_and_splits_it_eighty_ten_ten() -> None:
    ids, special, inputs, labels = masked()
    asked = labels != -100
    assert asked[~special].float().mean().item() == pytest.approx(0.15, abs=0.006)
    hidden = (inputs == 4)[asked].float().mean().item()
    stayed = (inputs == ids)[asked].float().mean().item()
    assert hidden == pytest.approx(0.8, abs=0.02)
    assert stayed == pytest.approx(0.1, abs=0.015)


def test_masking_leaves_special_tokens_and_what_is_not_asked_alone() -> None:
    ids, special, inputs, labels = masked(probability=0.9)
    asked = labels != -100
    assert not asked[special].any()
    assert torch.equal(inputs[~asked], ids[~asked])
    assert torch.equal(labels[asked], ids[asked])


def test_masking_draws_its_random_tokens_from_the_whole_vocabulary() -> None:
    ids, _, inputs, labels = masked(probability=1.0)
    replaced = (labels != -100) & (inputs != 4) & (inputs != ids)
    drawn = inputs[replaced]
    # Ids below 10 occur nowhere in the text, apart from the mask.
    assert set(range(100)) - {4} == set(drawn.tolist())


@pytest.mark.parametrize("probability", [-0.1, 1.1, math.nan])
def test_masking_refuses_what_is_no_probability(probability: float) -> None:
    with pytest.raises(PretrainingError, match="probability"):
        masked(10, probability)


def test_masking_refuses_a_mask_of_another_shape() -> None:
    with pytest.raises(PretrainingError, match="shape"):
        mask_tokens(torch.ones(2, 3).long(), torch.zeros(3).bool(), mask_id=1, vocab_size=5)


# ── losses ───────────────────────────────────────────────────────────────────────────────


def test_the_masked_loss_counts_masked_tokens_only() -> None:
    torch.manual_seed(0)
    logits, labels = torch.randn(2, 5, 7), torch.full((2, 5), -100)
    labels[0, 1], labels[1, 4] = 3, 6
    expected = [
        -torch.log_softmax(logits[0, 1], 0)[3],
        -torch.log_softmax(logits[1, 4], 0)[6],
    ]
    loss = mlm_loss(logits, labels)
    assert loss is not None and loss.item() == pytest.approx(float(sum(expected)) / 2, abs=1e-6)
    logits[0, 0] += 100 * torch.randn(7)
    assert mlm_loss(logits, labels) == loss


def test_the_masked_loss_of_nothing_is_none() -> None:
    assert mlm_loss(torch.randn(2, 3, 7), torch.full((2, 3), -100)) is None


def test_the_masked_loss_refuses_shapes_that_do_not_fit() -> None:
    with pytest.raises(PretrainingError, match="one row of logits"):
        mlm_loss(torch.randn(2, 3, 7), torch.zeros(3, 2).long())


@pytest.mark.parametrize("margin", [0.0, 0.3])
def test_the_ranking_loss_is_a_plain_loop(margin: float) -> None:
    torch.manual_seed(0)
    a, b, n = torch.randn(6, 4), torch.randn(6, 4), 6
    expected = 0.0
    for x, y in ((a, b), (b, a)):
        for i in range(n):
            scores = []
            for j in range(n):
                cosine = float(x[i] @ y[j] / (x[i].norm() * y[j].norm()))
                scores.append(math.exp(20 * (cosine - (margin if i == j else 0))))
            expected -= math.log(scores[i] / sum(scores)) / n
    loss = translation_ranking_loss(a, b, scale=20, margin=margin)
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def test_the_ranking_loss_of_a_clueless_model_is_twice_the_log_of_the_batch() -> None:
    vectors = torch.ones(8, 3)
    loss = translation_ranking_loss(vectors, vectors).item()
    assert loss == pytest.approx(2 * math.log(8), abs=1e-5)


@pytest.mark.parametrize(("a", "b"), [((1, 4), (1, 4)), ((3, 4), (2, 4)), ((3, 4), (3, 5))])
def test_the_ranking_loss_refuses_what_are_no_pairs(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    with pytest.raises(PretrainingError, match="two rows"):
        translation_ranking_loss(torch.randn(a), torch.randn(b))


# ── sampling ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("alpha", [0.0, 0.3, 0.7, 1.0])
def test_sampling_probabilities_match_the_formula(alpha: float) -> None:
    sizes = {"en": 900, "sw": 90, "yo": 10}
    shares = {"en": 0.9, "sw": 0.09, "yo": 0.01}
    norm = sum(share**alpha for share in shares.values())
    got = sampling_probabilities(sizes, alpha)
    assert sum(got.values()) == pytest.approx(1)
    assert got == pytest.approx({lang: share**alpha / norm for lang, share in shares.items()})


def test_sampling_with_alpha_one_keeps_the_shares_and_with_zero_levels_them() -> None:
    sizes = {"en": 30, "sw": 10}
    assert sampling_probabilities(sizes, 1) == pytest.approx({"en": 0.75, "sw": 0.25})
    assert sampling_probabilities(sizes, 0) == pytest.approx({"en": 0.5, "sw": 0.5})


@pytest.mark.parametrize(
    ("sizes", "alpha", "said"),
    [({}, 1, "no language"), ({"en": 3, "sw": 0}, 1, "'sw' has no text"), ({"en": 3}, -1, "alpha")],
)
def test_sampling_refuses(sizes: dict[str, int], alpha: float, said: str) -> None:
    with pytest.raises(PretrainingError, match=said):
        sampling_probabilities(sizes, alpha)


# ── batches of text ──────────────────────────────────────────────────────────────────────


def corpus(alpha: float = 1.0, sizes: tuple[int, ...] = (30, 40, 10), longest: int = 14) -> Corpus:
    return Corpus.of(bert()[1], texts(sizes), alpha, longest)


def test_batches_fill_the_budget_and_hardly_pad() -> None:
    made = corpus(sizes=(300, 400, 100))
    lengths = made.texts.lengths + 2
    chosen = list(itertools.islice(batches.text_batches(made, 120, 2, seed=0), 200))
    padded = [len(rows) * lengths[rows].max() for rows in chosen]
    real = [lengths[rows].sum() for rows in chosen]
    assert max(padded) <= 120
    assert sum(real) / sum(padded) > 0.95
    assert sum(padded) / (120 * len(padded)) > 0.85


def test_every_text_comes_once_before_any_comes_again() -> None:
    made = corpus()
    rows = np.concatenate(list(itertools.islice(batches.text_batches(made, 60, 2, seed=0), 400)))
    for first, end in itertools.pairwise(made.offsets):
        counts = np.bincount(rows[(rows >= first) & (rows < end)] - first, minlength=end - first)
        assert counts.min() > 3
        # Batches are shuffled within a pool, so that rounds overlap by what a pool holds.
        pool = 1 + batches.POOL * 60 / made.texts.lengths.mean() / (end - first)
        assert counts.max() - counts.min() <= pool


def test_long_and_short_batches_alternate() -> None:
    made = corpus(sizes=(300, 400, 100))
    stream = batches.text_batches(made, 120, 2, seed=0)
    sizes = [made.texts.lengths[next(stream)].max() for _ in range(batches.POOL)]
    assert (np.diff(sizes) > 0).mean() > 0.2 and (np.diff(sizes) < 0).mean() > 0.2


def test_languages_are_drawn_by_their_probabilities() -> None:
    made = corpus(alpha=0.3)
    stream = batches.text_batches(made, 120, 2, seed=0)
    counts = np.sum([made.language_counts(next(stream)) for _ in range(600)], axis=0)
    expected = sampling_probabilities({"de": 30, "en": 40, "zh": 10}, 0.3)
    assert counts / counts.sum() == pytest.approx(list(expected.values()), abs=0.02)


def test_long_texts_are_cut_into_windows_and_nothing_is_lost() -> None:
    _, tokenizer = bert()
    long = " ".join(f"en{i}" for i in range(WORDS))
    made = batches.tokenise(tokenizer, [long, "en1 en2", long], "texts").windows(8)
    assert made.lengths.tolist() == [6, 7, 7, 2, 6, 7, 7]
    assert [int(i) for i in np.concatenate([made[i] for i in range(3)])] == tokenizer(
        long, add_special_tokens=False
    )["input_ids"]


@KINDS
def test_padded_batches_are_the_tokenizers_own(make: Callable[[], Made]) -> None:
    _, tokenizer = make()
    some = texts()["en"][:5]
    tokenised = batches.tokenise(tokenizer, some, "texts")
    frame = Frame.of(tokenizer)
    ids, mask = batches.padded([tokenised[i] for i in range(5)], frame)
    expected = tokenizer(some, padding=True, return_tensors="pt")
    assert torch.equal(ids, expected["input_ids"])
    assert torch.equal(mask, expected["attention_mask"])
    assert frame.special.nonzero().flatten().tolist() == sorted(tokenizer.all_special_ids)


@KINDS
def test_joined_pairs_are_the_tokenizers_own(make: Callable[[], Made]) -> None:
    _, tokenizer = make()
    a, b = texts()["en"][:5], texts()["de"][:5]
    one, two = (batches.tokenise(tokenizer, side, "texts") for side in (a, b))
    rows = [(one[i], two[i]) for i in range(5)]
    ids, mask, segments = batches.joined_pairs(rows, Frame.of(tokenizer))
    expected = tokenizer(a, b, padding=True, return_tensors="pt")
    assert torch.equal(ids, expected["input_ids"])
    assert torch.equal(mask, expected["attention_mask"])
    if "token_type_ids" in expected:
        assert torch.equal(segments, expected["token_type_ids"])


# ── batches of translations ──────────────────────────────────────────────────────────────


def drawn(
    rows: Any, wanted: int = 12, pivot: str | None = None, times: int = 30, **how: Any
) -> tuple[Parallel, list[list[tuple[str, str]]]]:
    """Draw batches and return them as text."""
    _, tokenizer = bert()
    made = Parallel.of(tokenizer, rows, pivot, 0.5)
    text = [tokenizer.decode(made.sentences[i]) for i in range(len(made.sentences))]
    how = {"mixed": False, **how}
    found = []
    for time in range(times):
        pairs = made.draw(np.random.default_rng(time), wanted, **how)
        found.append([(text[a], text[b]) for a, b in pairs.tolist()])
    return made, found


def languages(pair: tuple[str, str]) -> tuple[str, str]:
    return (pair[0][:2], pair[1][:2])


@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize("group", [1, 3])
def test_no_meaning_comes_twice_in_a_batch_and_pairs_are_translations(
    mixed: bool, group: int
) -> None:
    rows = meanings()
    grouped = [rows[i : i + 4] for i in range(0, len(rows), 4)]
    whose = {row[lang]: i for i, row in enumerate(rows) for lang in row}
    for pairs in drawn(grouped, mixed=mixed, group=group)[1]:
        assert len(pairs) == 12
        assert all(whose[a] == whose[b] and a != b for a, b in pairs)
        assert len({whose[a] for a, _ in pairs}) == 12


def test_a_sentence_shared_by_two_meanings_comes_once() -> None:
    rows = [{"en": f"en{i // 2}", "de": f"de{i}"} for i in range(12)]
    for pairs in drawn(rows)[1]:
        assert len({a for a, _ in pairs}) == len({b for _, b in pairs}) == len(pairs) == 6


def test_a_row_given_twice_comes_once() -> None:
    rows = meanings(10)
    assert all(len(pairs) == 10 for pairs in drawn(rows + rows, wanted=20)[1])


def test_one_pair_of_languages_a_batch_or_one_a_row() -> None:
    for pairs in drawn(meanings())[1]:
        assert len({languages(pair) for pair in pairs}) == 1
    mixed = [{languages(pair) for pair in pairs} for pairs in drawn(meanings(), mixed=True)[1]]
    assert min(map(len, mixed)) > 1
    assert set.union(*mixed) == set(itertools.permutations(LANGUAGES, 2))


@pytest.mark.parametrize("mixed", [False, True])
def test_a_pivot_is_on_one_side_of_every_pair(mixed: bool) -> None:
    found = drawn(meanings(), pivot="en", mixed=mixed)[1]
    pairs = {languages(pair) for batch in found for pair in batch}
    assert all("en" in pair for pair in pairs)
    assert {*itertools.chain(*pairs)} == set(LANGUAGES)


@pytest.mark.parametrize("mixed", [False, True])
def test_meanings_without_a_language_take_part_where_they_can(mixed: bool) -> None:
    rows = meanings()
    for row in rows[::2]:
        del row["zh"]
    rows.append({"en": "en1 en1 en1"})
    made, found = drawn(rows, mixed=mixed)
    assert all(len(pairs) == 12 for pairs in found)
    assert not any("en1 en1 en1" in pair for batch in found for pair in batch)
    # Exponent 0.5 on 20, 20 and 40 shared meanings.
    shares = dict(zip([tuple(pair) for pair in made.pairs.tolist()], made.chances, strict=True))
    assert shares[(0, 1)] == pytest.approx(40**0.5 / (40**0.5 + 2 * 20**0.5))


def test_groups_bring_similar_meanings_together() -> None:
    rows = meanings()
    groups = [rows[i : i + 4] for i in range(0, len(rows), 4)]
    of = {row["en"]: i // 4 for i, row in enumerate(rows)}

    def together(group: int) -> float:
        found = drawn(groups, pivot="en", group=group)[1]
        kinds = [[of[b if b in of else a] for a, b in pairs] for pairs in found]
        return float(np.mean([len(set(kind)) for kind in kinds]))

    assert together(3) == pytest.approx(12 / 3, abs=1.2)
    assert together(1) > 6


@pytest.mark.parametrize(
    ("rows", "pivot", "said"),
    [
        ([{"en": "en1"}, {"de": "de1"}], None, "share two meanings"),
        ([{"en": "en1", "de": "de1"}], None, "share two meanings"),
        (meanings(), "fr", "pivot language 'fr'"),
        ([{"en": f"en{i}", "de": " "} for i in range(3)], None, "has no token"),
    ],
)
def test_parallel_rows_that_cannot_be_used(rows: Any, pivot: str | None, said: str) -> None:
    with pytest.raises(PretrainingError, match=said):
        drawn(rows, pivot=pivot)


# ── the model, taken apart ───────────────────────────────────────────────────────────────


@KINDS
def test_the_loss_is_that_of_the_whole_model(make: Callable[..., Made]) -> None:
    model, tokenizer = make(initializer_range=0.5)
    model.eval()
    encoder = Encoder(model, Frame.of(tokenizer))
    encoded = tokenizer(texts()["en"][:7], padding=True, return_tensors="pt")
    ids, mask = encoded["input_ids"], encoded["attention_mask"]
    loss, asked = encoder.masked_loss(ids, mask, None, 0.4, torch.Generator().manual_seed(3))
    inputs, labels = mask_tokens(
        ids,
        encoder.frame.special[ids],
        mask_id=tokenizer.mask_token_id,
        vocab_size=len(tokenizer),
        probability=0.4,
        generator=torch.Generator().manual_seed(3),
    )
    whole = model(input_ids=inputs, attention_mask=mask, labels=labels).loss
    assert asked == int((labels != -100).sum()) > 10
    assert loss is not None and loss.item() == pytest.approx(whole.item(), rel=1e-5)
    # And its gradients: what is left out must not have mattered.
    loss.backward()
    ours = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    whole.backward()
    assert ours
    for name, p in model.named_parameters():
        assert torch.allclose(ours[name], p.grad, atol=1e-5), name


@KINDS
def test_sentence_vectors_are_means_over_the_tokens_of_each(
    make: Callable[..., Made], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xlhelpers.pretraining.encoder.PART", 40)
    model, tokenizer = make(initializer_range=0.5)
    model.eval()
    some = texts()["de"][:9]
    tokenised = batches.tokenise(tokenizer, some, "texts")
    with torch.no_grad():
        vectors = Encoder(model, Frame.of(tokenizer)).sentence_vectors(
            [tokenised[i] for i in range(9)]
        )
        for text, vector in zip(some, vectors, strict=True):
            states = model.base_model(**tokenizer(text, return_tensors="pt")).last_hidden_state
            assert torch.allclose(vector, states[0].mean(dim=0), atol=1e-5)


# ── training ─────────────────────────────────────────────────────────────────────────────

ALL = {"tlm": 0.4, "ranking": 0.7, "ranking_batch": 8}


def run(make: Callable[..., Made], recipe: Recipe = TINY, **more: Any) -> tuple[Any, History]:
    model, tokenizer = make()
    more = {"progress": False, "threads": 1, **more}
    history = pretrain(model, tokenizer, texts(), recipe, **more)
    return model, history


def tiny(**more: Any) -> Recipe:
    return dataclasses.replace(TINY, **more)


@KINDS
@pytest.mark.parametrize("more", [{}, ALL, {**ALL, "ranking_joint": False, "ranking_mixed": True}])
def test_the_same_seed_gives_the_same_weights_and_another_others(
    make: Callable[..., Made], more: dict[str, Any]
) -> None:
    one, history = run(make, tiny(**more), parallel=meanings())
    torch.manual_seed(99)  # the caller's random numbers have no say
    two, again = run(make, tiny(**more), parallel=meanings())
    three, _ = run(make, tiny(**more, seed=1), parallel=meanings())
    assert same(weights(one), weights(two))
    assert not same(weights(one), weights(three))
    assert np.array_equal(history.mlm, again.mlm, equal_nan=True)
    assert len(history) == 8 and not one.training


@KINDS
@pytest.mark.parametrize("joint", [True, False])
def test_a_resumed_run_is_an_uninterrupted_one_bit_by_bit(
    make: Callable[..., Made], joint: bool, tmp_path: Path
) -> None:
    recipe = tiny(**{**ALL, "ranking": 0.4}, ranking_joint=joint, steps=15)
    whole, expected = run(make, recipe, parallel=meanings())
    # All three losses before the checkpoint, so that the position in the text is no mere count.
    before = [np.isfinite(getattr(expected, name)[:9]) for name in ("mlm", "tlm", "ranking")]
    assert all(some.any() and not some.all() for some in before)

    class Interrupted(Exception):
        pass

    def interrupt(step: int, _: History) -> None:
        if step == 11:  # two steps behind the checkpoint at 9
            raise Interrupted

    with pytest.raises(Interrupted):
        run(make, recipe, parallel=meanings(), folder=tmp_path, callback=interrupt)
    seen: list[int] = []
    resumed, history = run(
        make,
        recipe,
        parallel=meanings(),
        folder=tmp_path,
        callback=lambda step, _: seen.append(step),
    )
    assert seen == list(range(10, 16))
    assert same(weights(whole), weights(resumed))
    for name in ("mlm", "tlm", "ranking"):
        ours, theirs = getattr(history, name), getattr(expected, name)
        assert np.array_equal(ours, theirs, equal_nan=True), name
    assert (history.drawn, history.tokens) == (expected.drawn, expected.tokens)
    assert [path.name for path in tmp_path.iterdir()] == [checkpoint.NAME]


def test_a_finished_run_is_restored_without_a_step(tmp_path: Path) -> None:
    first, _ = run(bert, folder=tmp_path)
    seen: list[int] = []
    again, history = run(bert, folder=tmp_path, callback=lambda step, _: seen.append(step))
    assert seen == [] and len(history) == TINY.steps
    assert same(weights(first), weights(again))


def test_training_leaves_torchs_random_numbers_and_threads_alone() -> None:
    model, tokenizer = bert()
    torch.manual_seed(7)
    expected, threads = torch.rand(3), torch.get_num_threads()
    torch.manual_seed(7)
    pretrain(model, tokenizer, texts(), TINY, progress=False, threads=threads + 1)
    assert torch.equal(torch.rand(3), expected)
    assert torch.get_num_threads() == threads


@KINDS
def test_training_learns_what_follows_what(make: Callable[..., Made]) -> None:
    dropout = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    model, tokenizer = make(hidden_size=32, initializer_range=0.1, **dropout)
    held = texts((60, 60, 60), seed=1)
    before = heldout_loss(model, tokenizer, held)
    recipe = Recipe(
        steps=300,
        tokens_per_batch=800,
        max_length=16,
        learning_rate=1e-2,
        mask_probability=0.2,
    )
    pretrain(model, tokenizer, texts((200, 200, 200)), recipe, progress=False, threads=1)
    after = heldout_loss(model, tokenizer, held)
    assert set(after) == set(LANGUAGES)
    for lang in LANGUAGES:
        assert before[lang] > math.log(len(tokenizer)) - 0.3
        # Knowing the language alone leaves ln 20 = 3.0.
        assert after[lang] < 1.5


def test_ranking_brings_translations_together() -> None:
    model, tokenizer = bert()
    recipe = Recipe(
        steps=120,
        tokens_per_batch=64,
        max_length=16,
        ranking=1,
        ranking_joint=False,
        ranking_batch=16,
        learning_rate=5e-3,
    )
    rows = meanings(300)
    history = pretrain(
        model, tokenizer, texts(), recipe, parallel=rows[60:], progress=False, threads=1
    )
    encoder = Encoder(model, Frame.of(tokenizer))
    with torch.no_grad():
        a, b = (
            torch.nn.functional.normalize(
                encoder.sentence_vectors(
                    [
                        tokenizer(row[lang], add_special_tokens=False)["input_ids"]
                        for row in rows[:60]
                    ]
                )
            )
            for lang in ("de", "zh")
        )
    found = (a @ b.T).argmax(dim=1)
    assert (found == torch.arange(60)).float().mean() > 0.5  # by chance 1 in 60
    assert history.recent("ranking") < history.ranking[0]
    assert all(math.isnan(loss) for loss in history.mlm)


def test_shares_and_starts_of_the_losses_are_as_the_recipe_says() -> None:
    recipe = tiny(
        steps=200, tlm=0.3, ranking=0.5, ranking_from=0.5, ranking_batch=4, checkpoint_every=500
    )
    _, history = run(bert, recipe, parallel=meanings())
    mlm, tlm, ranking = (~np.isnan(getattr(history, name)) for name in ("mlm", "tlm", "ranking"))
    assert not ranking[:100].any()
    # Shares of 100 and of 200 draws, within four standard errors.
    assert ranking[100:].mean() == pytest.approx(0.5, abs=0.2)
    assert tlm.mean() == pytest.approx(0.3, abs=0.13)
    # A step has one of the two, but where no token of its small batch was masked.
    assert not (mlm & tlm).any() and (~(mlm | tlm)).sum() <= history.skipped <= 10
    assert sum(history.drawn.values()) > 0


def test_ranking_in_place_of_text_leaves_the_text_of_that_step() -> None:
    recipe = tiny(steps=60, ranking=0.5, ranking_joint=False, ranking_batch=4)
    _, history = run(bert, recipe, parallel=meanings())
    assert (np.isnan(history.mlm) ^ np.isnan(history.ranking)).all()


def test_a_batch_without_a_mask_is_skipped_and_counted() -> None:
    before = weights(bert()[0])
    model, history = run(bert, tiny(mask_probability=1e-9))
    assert history.skipped == TINY.steps
    assert all(math.isnan(loss) for loss in history.mlm)
    assert same(before, weights(model))  # not even weight decay


def test_some_batches_without_a_mask_do_not_spoil_the_others() -> None:
    model, history = run(bert, tiny(steps=30, mask_probability=0.01))
    assert 0 < history.skipped < 30
    assert history.skipped == sum(math.isnan(loss) for loss in history.mlm)
    assert all(torch.isfinite(value).all() for value in model.state_dict().values())


def test_the_learning_rate_rises_and_falls_to_nothing() -> None:
    recipe = Recipe(steps=100, warmup=0.1, learning_rate=1.0)
    rates = [recipe.rate(step) for step in range(100)]
    assert np.argmax(rates) in (9, 10) and max(rates) <= 1
    assert rates[0] == pytest.approx(1 / 11)
    assert rates[-1] == pytest.approx(1 / 91)
    assert np.allclose(np.diff(rates[10:]), -1 / 91)


def test_gradients_are_clipped_and_only_matrices_decay() -> None:
    before = weights(bert()[0])
    still, _ = run(bert, tiny(clip=1e-12, weight_decay=0.0))
    assert all(torch.allclose(before[k], v, atol=1e-6) for k, v in weights(still).items())
    decayed, _ = run(bert, tiny(clip=1e-12, weight_decay=10.0))
    # Each step takes its rate times the decay off.
    kept = math.prod(1 - TINY.rate(step) * 10 for step in range(TINY.steps))
    for name, value in decayed.named_parameters():
        expected = before[name] * (kept if value.ndim >= 2 else 1)
        assert torch.allclose(value, expected, atol=1e-6), name


def test_the_weight_of_the_ranking_loss_counts() -> None:
    def after(weight: float) -> dict[str, torch.Tensor]:
        recipe = tiny(ranking=1, ranking_batch=4, ranking_weight=weight)
        return weights(run(bert, recipe, parallel=meanings())[0])

    assert not same(after(1.0), after(0.5))


def test_a_callback_may_evaluate() -> None:
    model, tokenizer = bert()
    torch.manual_seed(4)

    def evaluate(_: int, history: History) -> None:
        model.eval()
        torch.rand(7)
        assert math.isfinite(history.recent("mlm"))

    pretrain(model, tokenizer, texts(), TINY, progress=False, threads=1, callback=evaluate)
    assert same(weights(model), weights(run(bert)[0]))


def test_parallel_sentences_beyond_the_model_are_cut_and_this_is_said() -> None:
    long = {lang: " ".join(f"{lang}{i}" for i in range(WORDS)) for lang in LANGUAGES}
    recipe = tiny(ranking=1, ranking_batch=8)
    with pytest.warns(TruncationWarning, match="3 of 123 parallel sentences .* after 14 tokens"):
        _, history = run(bert, recipe, parallel=[*meanings(), long])
    assert not any(math.isnan(loss) for loss in history.ranking)


def test_translations_read_as_one_are_cut_to_half_the_models_positions() -> None:
    rows = [{lang: " ".join(f"{lang}{i}" for i in range(13)) for lang in LANGUAGES}, *meanings()]
    with pytest.warns(TruncationWarning, match="3 of 123 .* after 10 tokens; the longest has 13"):
        _, history = run(bert, tiny(tlm=1), parallel=rows)
    assert not any(math.isnan(loss) for loss in history.tlm)


@KINDS
def test_texts_longer_than_the_model_use_all_its_positions(make: Callable[..., Made]) -> None:
    model, tokenizer = make()
    assert Encoder(model, Frame.of(tokenizer)).room(1000) == POSITIONS - 2
    long = {"en": [" ".join(f"en{i % WORDS}" for i in range(2 * (POSITIONS - 2)))] * 3}
    recipe = tiny(steps=3, max_length=64)
    history = pretrain(model, tokenizer, long, recipe, progress=False, threads=1)
    assert history.drawn["en"] > 0
    assert history.tokens == POSITIONS * history.drawn["en"]


# ── held-out loss ────────────────────────────────────────────────────────────────────────


@KINDS
def test_the_held_out_loss_is_a_loop_over_texts(make: Callable[..., Made]) -> None:
    model, tokenizer = make(initializer_range=0.3)
    model.train()
    some = {"en": texts()["en"]}
    got = heldout_loss(model, tokenizer, some, 3, tokens_per_batch=1)["en"]
    assert model.training
    model.eval()
    generator = torch.Generator().manual_seed(batches.torch_seed(3, batches.MASK))
    lengths = [len(text.split()) for text in some["en"]]
    special = Frame.of(tokenizer).special
    total, count = 0.0, 0
    for i in np.argsort(np.negative(lengths), kind="stable"):
        ids = tokenizer(some["en"][i], return_tensors="pt")["input_ids"]
        inputs, labels = mask_tokens(
            ids, special[ids], mask_id=tokenizer.mask_token_id, vocab_size=len(tokenizer),
            generator=generator,
        )  # fmt: skip
        asked = labels != -100
        with torch.no_grad():
            logits = model(inputs).logits
        total += float(
            torch.nn.functional.cross_entropy(logits[asked], labels[asked], reduction="sum")
        )
        count += int(asked.sum())
    assert got == pytest.approx(total / count, rel=1e-5)
    assert got == heldout_loss(model, tokenizer, some, 3, tokens_per_batch=1)["en"]
    assert got != heldout_loss(model, tokenizer, some, 4, tokens_per_batch=1)["en"]


# ── bad input ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "no language"),
        ({"en": ["en1 en2"], "de": []}, "no texts of 'de'"),
        ({"en": ["en1 en2", ""]}, "number 1 of the texts of 'en' has no token"),
        ({"en": "en1 en2"}, "one string is given for texts of 'en'"),
    ],
)
def test_text_that_cannot_be_trained_on(given: Any, said: str) -> None:
    model, tokenizer = bert()
    with pytest.raises(PretrainingError, match=said):
        pretrain(model, tokenizer, given, TINY, progress=False)
    with pytest.raises(PretrainingError, match=said):
        heldout_loss(model, tokenizer, given) if given else pretrain(model, tokenizer, {}, TINY)


def test_a_model_of_another_vocabulary() -> None:
    model, _ = bert()
    _, tokenizer = xlmr()
    tokenizer.add_tokens(["one", "two"])
    with pytest.raises(PretrainingError, match="65 vocabulary entries and the tokenizer 67"):
        pretrain(model, tokenizer, texts(), TINY, progress=False)
    big, _ = bert(vocab_size=65 + 128)
    with pytest.raises(PretrainingError, match="193 vocabulary entries"):
        pretrain(big, bert()[1], texts(), TINY, progress=False)


def test_a_vocabulary_that_is_rounded_up_is_fine() -> None:
    model, tokenizer = bert(vocab_size=128)
    history = pretrain(model, tokenizer, texts(), TINY, progress=False)
    assert len(history) == TINY.steps


def test_a_model_without_a_head_for_masked_tokens() -> None:
    model, tokenizer = bert()
    with pytest.raises(PretrainingError, match="BertModel has no head"):
        pretrain(model.bert, tokenizer, texts(), TINY, progress=False)


def test_a_tokenizer_without_a_mask() -> None:
    model, tokenizer = bert()
    tokenizer.mask_token = None
    with pytest.raises(PretrainingError, match="no mask token"):
        pretrain(model, tokenizer, texts(), TINY, progress=False)


@pytest.mark.parametrize("parallel", [None, []])
def test_a_recipe_with_translations_needs_them(parallel: Any) -> None:
    with pytest.raises(PretrainingError, match="no parallel rows"):
        run(bert, tiny(tlm=0.5), parallel=parallel)


def test_a_loss_that_is_no_number_stops_the_run() -> None:
    model, tokenizer = bert()
    with torch.no_grad():
        model.bert.embeddings.LayerNorm.weight[0] = math.inf
    with pytest.raises(PretrainingError, match="loss is .* at step 0"):
        pretrain(model, tokenizer, texts(), TINY, progress=False)


@pytest.mark.parametrize(
    "given",
    [
        {"steps": 0},
        {"steps": 1.5},
        {"seed": -1},
        {"tlm": 1.2},
        {"warmup": math.nan},
        {"mask_probability": 0},
        {"learning_rate": 0},
        {"ranking_batch": 1},
        {"tokens_per_batch": 100, "max_length": 128},
    ],
)
def test_a_recipe_that_makes_no_sense(given: dict[str, Any]) -> None:
    with pytest.raises(PretrainingError, match=next(iter(given))):
        Recipe(**given)


def damage_end(content: bytes) -> bytes:
    return content[:-100]


def damage_bit(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def damage_all(_: bytes) -> bytes:
    return b""


@pytest.mark.parametrize("damage", [damage_end, damage_bit, damage_all])
def test_a_damaged_checkpoint(damage: Callable[[bytes], bytes], tmp_path: Path) -> None:
    run(bert, folder=tmp_path)
    path = tmp_path / checkpoint.NAME
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(PretrainingError, match="is damaged") as caught:
        run(bert, folder=tmp_path)
    assert "remove it" in caught.value.remedy


def test_a_checkpoint_of_another_run(tmp_path: Path) -> None:
    run(bert, folder=tmp_path)
    run(bert, tiny(checkpoint_every=5), folder=tmp_path)  # changes nothing in a run
    with pytest.raises(PretrainingError, match="another recipe"):
        run(bert, tiny(learning_rate=2e-3), folder=tmp_path)
    model, tokenizer = bert()
    with pytest.raises(PretrainingError, match="another recipe, text"):
        pretrain(model, tokenizer, texts(seed=4), TINY, folder=tmp_path, progress=False)


def test_the_package_names_what_it_offers() -> None:
    assert all(hasattr(pretraining, name) for name in pretraining.__all__)


# ── vectors to begin with ────────────────────────────────────────────────────────────────


@KINDS
def test_sentence_id_vectors_bring_translations_together(make: Callable[[], Made]) -> None:
    _, tokenizer = make()
    rows = meanings(400)
    vectors, there = sentence_id_vectors(tokenizer, rows, 16)
    again, _ = sentence_id_vectors(tokenizer, [[row] for row in rows], 16)
    assert np.array_equal(vectors, again)
    assert vectors.shape == (len(tokenizer), 16) and vectors.dtype == np.float32
    assert not vectors[~there].any() and not there[tokenizer.mask_token_id]
    assert np.allclose(np.linalg.norm(vectors[there], axis=1), 1, atol=1e-5)
    words = [tokenizer(w, add_special_tokens=False)["input_ids"][-1] for w in vocabulary()]
    assert there[words].all()
    table = (vectors[words] @ vectors[words].T).reshape(3, WORDS, 3, WORDS)
    nearest = table[0, :, 2].argmax(axis=1)
    assert (nearest == np.arange(WORDS)).mean() > 0.9


def test_sentence_id_vectors_count_whether_and_not_how_often() -> None:
    _, tokenizer = bert()
    rows = meanings(60)
    twice = [{lang: f"{text} {text}" for lang, text in row.items()} for row in rows]
    one, other = (sentence_id_vectors(tokenizer, given, 8)[0] for given in (rows, twice))
    assert np.allclose(one, other, atol=1e-4)


def test_sentence_id_vectors_need_more_meanings_than_units() -> None:
    _, tokenizer = bert()
    with pytest.raises(PretrainingError, match="shorter vectors"):
        sentence_id_vectors(tokenizer, meanings(8), 16)
    with pytest.raises(PretrainingError, match="no parallel sentences"):
        sentence_id_vectors(tokenizer, [], 16)
