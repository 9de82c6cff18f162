"""A model and a language it has never seen: more vocabulary, fewer trained weights, fair measures.

Adapting itself is `pretrain` on text of the language. What decides whether that helps stands
here: entries of the vocabulary for the language's words and where their embeddings begin
(`extend_vocabulary`), which weights are trained (`add_adapters`, `train_only`), and a measure
that two vocabularies can be compared by (`bits_per_character`).
"""

from __future__ import annotations

import copy
import functools
import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import regex
import torch
from torch import Tensor, nn
from torch.nn import functional

from xlhelpers import assets, encoding
from xlhelpers.alignment.evaluation import Score
from xlhelpers.pretraining import batches
from xlhelpers.pretraining.batches import Frame
from xlhelpers.pretraining.encoder import Encoder
from xlhelpers.pretraining.objectives import PretrainingError

if TYPE_CHECKING:
    import pandas as pd

Initial = Literal["lexicon", "pieces", "random"]
INITIAL: tuple[Initial, ...] = ("lexicon", "pieces", "random")
Part = Literal["embeddings", "new embeddings", "adapters"]
PARTS: tuple[Part, ...] = ("embeddings", "new embeddings", "adapters")

# What the build measured of each way to adapt, and where it is written.
COMMITTED = "adaptation/measures.csv"
MEASURES: Mapping[str, str] = MappingProxyType(
    {
        "bits": "bits a character on held-out text of the new language",
        "bits, source": "bits a character on English test reviews",
        "bits, second": "bits a character on German test reviews",
        "loss": "masked loss a token on the held-out text (compare within one vocabulary)",
        "retrieval": "English reviews that find their Yoruba translation among 300, share of 1",
        "retrieval back": "Yoruba reviews that find their English translation",
        "retrieval, second": "English reviews that find their German translation",
        "tokens": "tokens of the new language for one of English",
        "unknown": "share of unknown tokens in held-out text",
        "cut": "share of Yoruba test reviews too long for the model, which were cut",
        "seconds": "of training, one CPU thread",
    }
)

# What a piece stands for that only served on the way to longer ones.
_SEEN_ONCE = 1
# Checkpoints round the number of their entries up, to a multiple of 128 at most.
_SPARE_ROWS = 128
_WORD_START, _CONTINUES = "▁", "##"
# Ideographs stand by themselves, as in the course's own vocabularies.
_HAN = r"\p{Han}"
_CHUNKS = regex.compile(rf"{_HAN}|[^\s{_HAN}]+")


# ── entries of a vocabulary ──────────────────────────────────────────────────────────────


def extend_vocabulary(
    model: Any,
    tokenizer: Any,
    texts: Sequence[str],
    size: int,
    *,
    initial: Initial = "lexicon",
    lexicon: Mapping[str, Sequence[str]] | None = None,
    seed: int = 0,
) -> tuple[Any, Any]:
    """Return copies of a model and its tokenizer with entries for the words of a language.

    The entries are learned from `texts` by byte-pair encoding (Sennrich et al., 2016, ACL) and
    come behind those that there are, which keep their numbers and their embeddings. Text of the
    old languages may be cut otherwise where a new entry fits it better: it is little, and
    `tokenization.compare` shows it.

    Where the new embeddings, which are those of the output too, begin:

    * `"random"`: normally distributed, with the spread of the model's own in each column;
    * `"pieces"`: at the mean of the entries that the old tokenizer cuts the new one into;
    * `"lexicon"`: at the mean of the embeddings of its translations. An entry of the dictionary
      that is cut into k pieces counts 1/k for each. As WECHSEL (Minixhofer et al., 2022, NAACL)
      and FOCUS (Dobler & de Melo, 2023, EMNLP), without the word vectors by which these reach
      words that no dictionary has: those begin as under `"pieces"`.

    Args:
        model: with a head for masked tokens, or the body alone. Left as it is.
        tokenizer: its fast tokenizer, Unigram or WordPiece.
        texts: of the new language.
        size: entries to add; there are fewer where the text yields no more.
        initial: see above.
        lexicon: words or phrases of the new language with what they mean in languages that the
            model knows.
        seed: of `"random"`.

    Raises:
        PretrainingError: no text, a size below 1, another kind of tokenizer, `"lexicon"` without
            a lexicon, or one of which no word is among the new entries.
    """
    if initial not in INITIAL:
        raise PretrainingError(
            f"there is no beginning {initial!r}", f"choose among {', '.join(INITIAL)}"
        )
    if initial == "lexicon" and not lexicon:
        raise PretrainingError(
            'initial="lexicon" without a lexicon',
            'give one, such as datasets.world_lexicon("yo", "en"), or choose initial="pieces"',
        )
    if isinstance(texts, str) or not len(texts):
        raise PretrainingError("there are no texts to learn from", "give a list of texts")
    if isinstance(size, bool) or not isinstance(size, int) or size < 1:
        raise PretrainingError(f"size is {size!r}", "add a whole number of entries from 1")
    first = len(tokenizer)
    rows = model.get_input_embeddings().num_embeddings
    if not 0 <= rows - first < _SPARE_ROWS:
        raise PretrainingError(
            f"the model has {rows} vocabulary entries and the tokenizer {first}",
            "take the tokenizer that the model was made with",
        )
    longer = _with_entries(tokenizer, _new_pieces(tokenizer, texts, size))
    if len(longer) == first:
        raise PretrainingError(
            "the text yields no entry that the vocabulary lacks",
            "give more text, or go on without: the vocabulary fits this language",
        )
    larger = _resized(model, len(longer))
    old = model.get_input_embeddings().weight.detach()
    vectors = _beginnings(initial, tokenizer, longer, old, lexicon or {}, seed)
    with torch.no_grad():
        larger.get_input_embeddings().weight[first : len(longer)] = vectors.to(old)
    return larger, longer


def _new_pieces(tokenizer: Any, texts: Sequence[str], size: int) -> list[tuple[str, float]]:
    """Return at most `size` entries that a vocabulary lacks, with their log shares of the text."""
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers

    rows = list(texts)
    backend = tokenizer.backend_tokenizer
    wordpiece = _kind(tokenizer) == "WordPiece"
    start = _CONTINUES if wordpiece else ""
    learner = Tokenizer(models.BPE(unk_token=tokenizer.unk_token, continuing_subword_prefix=start))
    if backend.normalizer is not None:
        learner.normalizer = backend.normalizer
    # The model's own way into words, and no piece with an ideograph or a mark in it.
    learner.pre_tokenizer = pre_tokenizers.Sequence(
        [
            backend.pre_tokenizer,
            pre_tokenizers.Split(Regex(f"[{_HAN}]"), behavior="isolated"),
            pre_tokenizers.Punctuation(behavior="isolated"),
        ]
    )
    known = tokenizer.get_vocab()
    # Letters are numbered in an order of their own (see `build.tokenizers.train_wordpiece`).
    within = sorted(_within(learner, rows)) if wordpiece else []
    trainer = trainers.BpeTrainer(
        vocab_size=len(known) + size,
        special_tokens=[tokenizer.unk_token, *within],
        continuing_subword_prefix=start,
        show_progress=False,
    )
    return _chosen(learner, trainer, rows, known, size)


def _chosen(
    learner: Any, trainer: Any, rows: list[str], known: Mapping[str, int], size: int
) -> list[tuple[str, float]]:
    """Return the new entries among the shortest list of merges that has `size` of them."""
    from tokenizers import Tokenizer, models

    learner.train_from_iterator(rows, trainer)
    state = json.loads(learner.to_str())["model"]
    # A piece with a number below the k-th new one is known or new: merges come in order.
    order = sorted(state["vocab"], key=state["vocab"].__getitem__)
    new = [piece for piece in order if piece not in known][:size]
    if not new:
        return []
    last = order.index(new[-1])
    vocab = {piece: number for number, piece in enumerate(order[: last + 1])}
    merges = [
        pair
        for pair in map(tuple, state["merges"])
        if _joined(pair, state["continuing_subword_prefix"]) in vocab
    ]
    shorter = Tokenizer(
        models.BPE(
            vocab=vocab,
            merges=merges,
            unk_token=state["unk_token"],
            continuing_subword_prefix=state["continuing_subword_prefix"] or "",
        )
    )
    if learner.normalizer is not None:
        shorter.normalizer = learner.normalizer
    shorter.pre_tokenizer = learner.pre_tokenizer
    counts = Counter(piece for row in shorter.encode_batch(rows) for piece in row.tokens)
    total = math.log(sum(counts.values()))
    scored = [(piece, math.log(counts[piece] or _SEEN_ONCE) - total) for piece in new]
    return sorted(scored, key=lambda entry: (-entry[1], entry[0]))


def _joined(pair: tuple[str, ...], prefix: str | None) -> str:
    left, right = pair
    return left + right.removeprefix(prefix or "")


def _within(learner: Any, rows: Sequence[str]) -> set[str]:
    """Return the characters that stand in a word behind its first, marked as such."""
    found: set[str] = set()
    for word in {word for row in rows for word in row.split()}:
        normal = learner.normalizer.normalize_str(word) if learner.normalizer else word
        for part, _ in learner.pre_tokenizer.pre_tokenize_str(normal):
            found.update(part[1:])
    return {_CONTINUES + letter for letter in found}


def _kind(tokenizer: Any) -> str:
    """Return `"Unigram"` or `"WordPiece"`.

    Raises:
        PretrainingError: the tokenizer is neither.
    """
    kind = str(type(tokenizer.backend_tokenizer.model).__name__) if tokenizer.is_fast else "slow"
    if kind not in ("Unigram", "WordPiece"):
        raise PretrainingError(
            f"a tokenizer of the kind {kind} cannot be extended here",
            "take one such as mBERT's (WordPiece) or XLM-R's (Unigram)",
        )
    return kind


def _with_entries(tokenizer: Any, pieces: Sequence[tuple[str, float]]) -> Any:
    """Return a copy of a tokenizer with further entries behind those that it has."""
    from tokenizers import Tokenizer

    state = json.loads(tokenizer.backend_tokenizer.to_str())
    vocab = state["model"]["vocab"]
    # Special tokens may be numbered behind the model's entries: the new ones come behind these.
    behind = {token["id"]: token["content"] for token in state["added_tokens"]}
    if isinstance(vocab, list):
        vocab += [[behind[number], 0.0] for number in range(len(vocab), len(tokenizer))]
        vocab += [list(entry) for entry in pieces]
    else:
        vocab.update({piece: len(tokenizer) + n for n, (piece, _) in enumerate(pieces)})
    made = copy.deepcopy(tokenizer)
    made._tokenizer = Tokenizer.from_str(json.dumps(state))
    return made


def _resized(model: Any, size: int) -> Any:
    """Return a copy of a model with embeddings for `size` entries; the new ones are not set."""
    larger = copy.deepcopy(model)
    old = model.get_input_embeddings().num_embeddings
    if size > old:
        with torch.random.fork_rng(devices=()):
            larger.resize_token_embeddings(size, mean_resizing=False)
    head = larger.get_output_embeddings()
    if head is not None and head.bias is not None:
        # A new entry is as likely, before the context is looked at, as the old ones on average.
        with torch.no_grad():
            head.bias[old:] = head.bias[:old].mean()
    return larger.train(model.training)


# ── where embeddings begin ───────────────────────────────────────────────────────────────


def _beginnings(
    initial: Initial,
    tokenizer: Any,
    longer: Any,
    old: Tensor,
    lexicon: Mapping[str, Sequence[str]],
    seed: int,
) -> Tensor:
    """Return (new entries, d) embeddings."""
    first, size = len(tokenizer), len(longer)
    rows = old[:first].float()
    generator = torch.Generator().manual_seed(batches.torch_seed(seed, batches.CHOICE))
    noise = torch.randn((size - first, rows.shape[1]), generator=generator).to(rows.device)
    drawn = rows.mean(dim=0) + noise * rows.std(dim=0)
    if initial == "random":
        return drawn
    begun = drawn
    for place, piece in enumerate(longer.convert_ids_to_tokens(range(first, size))):
        parts = _old_ids(tokenizer, piece)
        if parts:
            begun[place] = rows[parts].mean(dim=0)
    if initial == "lexicon":
        translated, weight = _translated(tokenizer, longer, rows, lexicon)
        there = weight > 0
        if not there.any():
            raise PretrainingError(
                "no word of the lexicon is among the new entries",
                "turn it round if its two languages are exchanged, or add more entries",
            )
        begun[there] = translated[there] / weight[there, None]
    return begun


def _old_ids(tokenizer: Any, piece: str) -> list[int]:
    """Return the known entries that the old tokenizer cuts a piece into."""
    text = piece.removeprefix(_WORD_START).removeprefix(_CONTINUES)
    ids = tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
    mark = tokenizer.convert_tokens_to_ids(_WORD_START)
    # The sign for a blank stands before whatever is tokenised, and means nothing.
    return [number for number in ids if number not in (tokenizer.unk_token_id, mark)]


def _translated(
    tokenizer: Any, longer: Any, rows: Tensor, lexicon: Mapping[str, Sequence[str]]
) -> tuple[Tensor, Tensor]:
    """Return (new entries, d) sums of the embeddings of translations, and (new entries,) counts."""
    first = len(tokenizer)
    total = torch.zeros((len(longer) - first, rows.shape[1]), device=rows.device)
    weight = torch.zeros(len(total), device=rows.device)
    for word, meanings in lexicon.items():
        for change in (str, _capital):  # as a sentence begins
            parts = longer(change(word), add_special_tokens=False, verbose=False)["input_ids"]
            new = [number - first for number in parts if number >= first]
            known = [ids for meaning in meanings if (ids := _old_ids(tokenizer, change(meaning)))]
            if not new or not known:
                continue
            vector = torch.stack([rows[ids].mean(dim=0) for ids in known]).mean(dim=0)
            for place in new:
                total[place] += vector / len(parts)
                weight[place] += 1 / len(parts)
    return total, weight


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


# ── which weights are trained ────────────────────────────────────────────────────────────


class Adapter(nn.Module):
    """A bottleneck between a layer and the next, which begins as doing nothing."""

    def __init__(self, width: int, bottleneck: int) -> None:
        super().__init__()
        self.down = nn.Linear(width, bottleneck)
        self.up = nn.Linear(bottleneck, width)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, hidden: Tensor) -> Tensor:
        """Return what is added to the layer's output, of the same shape."""
        added: Tensor = self.up(functional.gelu(self.down(hidden)))
        return added


def add_adapters(model: Any, width: int = 32, *, seed: int = 0) -> Any:
    """Return a copy of a model with an adapter behind each layer; only these are trained.

    An adapter is a bottleneck of `width` units whose output is added to its input (Houlsby et
    al., 2019, ICML); one stands behind the feed-forward part of each layer (Pfeiffer et al.,
    2020, EMNLP, MAD-X). It begins as zero: the model still says what it said. The other weights
    no longer train, embeddings included; `train_only` has these train as well.

    A model with a new head (`hub.with_head`, `transfer.zero_shot`) keeps the adapters.
    `save_pretrained` writes their weights, but a model loaded from there has no place for them.

    Args:
        model: an encoder with layers as BERT's, with or without a head. Left as it is.
        width: of the bottleneck.
        seed: of the weights that lead into it.

    Raises:
        PretrainingError: the model is built another way, has adapters, or `width` is below 1.
    """
    if isinstance(width, bool) or not isinstance(width, int) or width < 1:
        raise PretrainingError(f"width is {width!r}", "choose a whole number from 1, such as 32")
    if _adapters(model):
        raise PretrainingError("the model has adapters", "give the model without them")
    made = copy.deepcopy(model)
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(batches.torch_seed(seed, batches.CHOICE))
        _install(width, made)
    train_only(made, "adapters")
    return made


def _install(width: int, model: Any) -> None:
    """Put adapters into a model, in place."""
    layers = getattr(getattr(model.base_model, "encoder", None), "layer", None)
    if layers is None:
        raise PretrainingError(
            f"{type(model).__name__} has no layers as BERT has", "take one such as mBERT or XLM-R"
        )
    weight = next(model.parameters())
    for layer in layers:
        adapter = Adapter(model.config.hidden_size, width)
        layer.output.adapter = adapter.to(device=weight.device, dtype=weight.dtype)
        layer.output.register_forward_hook(_adapted)
    for part in (model, model.base_model):
        # Whoever builds a model anew from the configuration has to know (`hub.with_head`).
        part.xl_parts = functools.partial(_install, width)


def _adapted(layer: Any, _: Any, output: Tensor) -> Tensor:
    return output + layer.adapter(output)  # type: ignore[no-any-return]


def _adapters(model: Any) -> list[nn.Parameter]:
    return [
        weight
        for module in model.modules()
        if isinstance(module, Adapter)
        for weight in module.parameters()
    ]


def train_only(model: Any, *parts: Part, new_from: int | None = None) -> int:
    """Let only some weights of a model train, in place; return how many numbers these are.

    * `"embeddings"`: of all entries, and how likely the output takes each to be. With a body
      that stays, an encoder comes to read another language (Artetxe, Ruder & Yogatama, 2020,
      ACL).
    * `"new embeddings"`: those from number `new_from` on. The others stay as they are, so that
      text that is cut as before is read as before.
    * `"adapters"`: see `add_adapters`.

    No part at all means that everything trains.

    Args:
        new_from: how many entries the vocabulary had, `len(tokenizer)` of the old tokenizer.

    Raises:
        PretrainingError: there is no such part in the model, or `new_from` does not fit.
    """
    if unknown := set(parts) - set(PARTS):
        raise PretrainingError(
            f"there is no part {sorted(unknown)[0]!r}", f"choose among {', '.join(PARTS)}"
        )
    if {"embeddings", "new embeddings"} <= set(parts):
        raise PretrainingError("the embeddings are named twice", "name all, or the new ones")
    for weight in model.parameters():
        weight.requires_grad_(not parts)
    _all_rows(model)
    count = 0 if parts else sum(weight.numel() for weight in model.parameters())
    if "adapters" in parts:
        count += _switch_on(_adapters(model), "the model has no adapters", "add_adapters() first")
    if "embeddings" in parts:
        count += _switch_on(_entries(model), "the model has no embeddings", "give an encoder")
    if "new embeddings" in parts:
        size = model.get_input_embeddings().num_embeddings
        if new_from is None or not 0 < new_from < size:
            raise PretrainingError(
                f"new_from is {new_from!r} and the model has {size} entries",
                "give len(tokenizer) of the tokenizer before extend_vocabulary()",
            )
        for weight in _entries(model):
            weight.requires_grad_(True)
            weight.xl_hook = weight.register_hook(functools.partial(_behind, new_from))
            # Decay would shrink the rows that have no gradient as well.
            weight.xl_no_decay = True
            count += weight[new_from:].numel()
    return count


def _switch_on(weights: Sequence[nn.Parameter], problem: str, remedy: str) -> int:
    if not weights:
        raise PretrainingError(problem, remedy)
    for weight in weights:
        weight.requires_grad_(True)
    return sum(weight.numel() for weight in weights)


def _entries(model: Any) -> list[Any]:
    """Return the parameters that have a row or a number for each entry, each once."""
    found = [model.get_input_embeddings().weight]
    head = model.get_output_embeddings()
    if head is not None:
        found += [weight for weight in (head.weight, head.bias) if weight is not None]
    return list({id(weight): weight for weight in found}.values())


def _behind(first: int, gradient: Tensor) -> Tensor:
    kept = gradient.clone()
    kept[:first] = 0
    return kept


def _all_rows(model: Any) -> None:
    """Undo what `"new embeddings"` did."""
    for weight in _entries(model):
        if hasattr(weight, "xl_hook"):
            weight.xl_hook.remove()
            del weight.xl_hook, weight.xl_no_decay


# ── measures ─────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class _Question:
    """One entry of one word, asked for.

    Attributes:
        ids: of the whole text, special tokens included, masks where something is hidden.
        place: where the entry stands.
        answer: its number.
        word: which word it belongs to.
    """

    ids: list[int]
    place: int
    answer: int
    word: int


def bits_per_character(
    model: Any,
    tokenizer: Any,
    texts: Sequence[str],
    seed: int = 0,
    *,
    words: int = 4,
    max_length: int = 128,
    tokens_per_batch: int = 4096,
) -> Score:
    """Return how many bits a character of a word costs a model that sees the rest of the text.

    `heldout_loss` is per token, so another vocabulary gives another unit. Here whole words are
    asked for, the same ones whatever the tokenizer, and the bits are divided by their
    characters. A word of k entries costs the sum of k questions: entry i is asked for with the
    entries i … k hidden and those before it shown (Kauf & Ivanova, 2023, ACL). Hiding one entry
    alone (Salazar et al., 2020, ACL) would let a finely cut word give itself away. How many
    entries are hidden is still seen: a model with a fine vocabulary knows more about a word's
    length.

    A word is what stands between blanks, punctuation included, or one ideograph. An unknown
    token costs, beside itself, `log2(a)` bits for each of its characters, `a` being the number
    of different characters in `texts`: as if spelled by someone who knows nothing of the
    language. A model that takes all for unknown so gets about `log2(a)`, and not zero.

    Args:
        model: with a head for masked tokens.
        tokenizer: its own.
        texts: such as it was not trained on. What does not fit into `max_length` is cut off.
        seed: of the choice of words.
        words: asked for in each text, or all that it has.
        max_length: in tokens, special ones included.
        tokens_per_batch: padding included.

    Returns:
        Bits a character, and a 95 % interval, a bootstrap over texts.

    Raises:
        PretrainingError: no text, one without a word, or model and tokenizer that do not belong
            together.
    """
    if isinstance(texts, str) or not len(texts):
        raise PretrainingError("there are no texts to measure on", "give a list of texts")
    encoder = Encoder(model, Frame.of(tokenizer))
    room = encoder.room(max_length)
    spelled = math.log2(len(set("".join(texts)) - {" "}) or 1)
    questions: list[_Question] = []
    bits: list[float] = []
    sizes: list[int] = []
    owner: list[int] = []
    for number, text in enumerate(texts):
        found = _words(tokenizer, text, room)
        if not found:
            raise PretrainingError(f"text {number} has no word: {text!r:.40}", "leave it out")
        draw = np.random.default_rng([seed, number]).permutation(len(_CHUNKS.findall(text)))
        # By the text and not by the tokenizer, so that others are asked for the same words.
        chosen = [word for word in draw.tolist() if word in found][:words]
        ids = _row(tokenizer, text, room)
        for word in chosen:
            places, characters, unknown = found[word]
            questions += _questions(encoder.frame, ids, places, len(bits))
            bits.append(unknown * spelled)
            sizes.append(characters)
            owner.append(number)
    for question, cost in _costs(encoder, questions, tokens_per_batch):
        bits[question.word] += cost
    top = np.bincount(owner, weights=bits, minlength=len(texts))
    bottom = np.bincount(owner, weights=sizes, minlength=len(texts))
    return encoding.ratio(top, bottom, seed=seed)


def _row(tokenizer: Any, text: str, room: int) -> list[int]:
    made = tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
    return list(made[:room])


def _words(tokenizer: Any, text: str, room: int) -> dict[int, tuple[list[int], int, int]]:
    """Return the places of each word's tokens, its characters, and how many are unknown.

    An entry that spans several words, which only ideographs share, belongs to the first; the
    others are then part of that one. A word that is cut off at `room` is none.
    """
    spans = [found.span() for found in _CHUNKS.finditer(text)]
    made = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    starts = [start for start, _ in spans]
    places: dict[int, list[int]] = {}
    unknown: Counter[int] = Counter()
    reach: dict[int, int] = {}
    for place, (begin, end) in enumerate(made["offset_mapping"]):
        begin += len(text[begin:end]) - len(text[begin:end].lstrip())
        word = max(int(np.searchsorted(starts, begin, side="right")) - 1, 0)
        places.setdefault(word, []).append(place)
        reach[word] = max(reach.get(word, 0), end)
        if made["input_ids"][place] == tokenizer.unk_token_id:
            unknown[word] += len(text[begin:end])
    out = {}
    for word, tokens in places.items():
        if tokens[-1] < room:
            end = max(spans[word][1], reach[word])
            out[word] = (tokens, len("".join(text[spans[word][0] : end].split())), unknown[word])
    return out


def _questions(frame: Frame, ids: list[int], places: list[int], word: int) -> Iterator[_Question]:
    before = len(frame.prefix)
    for number, place in enumerate(places):
        hidden = list(ids)
        for later in places[number:]:
            hidden[later] = frame.mask
        yield _Question([*frame.prefix, *hidden, *frame.suffix], place + before, ids[place], word)


def _costs(
    encoder: Encoder, questions: Sequence[_Question], budget: int
) -> Iterator[tuple[_Question, float]]:
    """Yield each question with its cost in bits."""
    lengths = np.array([len(question.ids) for question in questions])
    was_training = encoder.model.training
    encoder.model.eval()
    try:
        for rows in batches.by_length(np.arange(len(questions)), lengths, budget):
            chosen = [questions[row] for row in rows]
            costs = _cost(encoder, chosen)
            yield from zip(chosen, costs, strict=True)
    finally:
        encoder.model.train(was_training)


@torch.inference_mode()
def _cost(encoder: Encoder, questions: Sequence[_Question]) -> list[float]:
    width = max(len(question.ids) for question in questions)
    ids = torch.full((len(questions), width), encoder.frame.pad)
    mask = torch.zeros_like(ids)
    for row, question in enumerate(questions):
        ids[row, : len(question.ids)] = torch.tensor(question.ids)
        mask[row, : len(question.ids)] = 1
    hidden = encoder.hidden(ids, mask)
    place = torch.tensor([question.place for question in questions])
    logits = encoder.head(hidden[torch.arange(len(questions)), place][None])[0]
    answers = torch.tensor([question.answer for question in questions]).to(logits.device)
    nats = functional.cross_entropy(logits.float(), answers, reduction="none")
    return (nats / math.log(2)).tolist()


# ── what the build found ─────────────────────────────────────────────────────────────────


def adaptation_measures(seeds: bool = False) -> pd.DataFrame:
    """Return what was measured without labels when the course was built.

    What was measured with labels is in `transfer.committed("adaptation")`, under the same names.

    Args:
        seeds: whether each training has a row of its own, with a column `seed`.

    Returns:
        Columns `arm`, `measure` (see `MEASURES`), `value`, `low`, `high`. Over several seeds the
        value is the mean, and the interval reaches from the lowest to the highest bound of the
        seeds' own 95 % intervals over texts.

    Raises:
        AssetError: the file is missing or altered.
    """
    import pandas as pd

    rows = pd.read_csv(StringIO(assets.read_bytes(COMMITTED).decode("utf-8")))
    if seeds:
        return rows
    grouped = rows.groupby(["arm", "measure"], sort=False)
    how = {"value": "mean", "low": "min", "high": "max"}
    return grouped.agg(how).reset_index()
