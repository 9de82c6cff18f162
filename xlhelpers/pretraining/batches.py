"""From texts to batches: tokenised once, sorted by length, filled up to a number of tokens.

Nothing here keeps a state that a checkpoint would have to store: what is drawn follows from the
seed and from how many batches were drawn before.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from xlhelpers.pretraining.objectives import PretrainingError, sampling_probabilities

Ints = NDArray[np.int64]
Tokens = NDArray[np.int32]

# So many batches are drawn and sorted together: enough that a batch's texts are equally long.
POOL = 32
# Purposes that a random stream is drawn for; each has its own.
ORDER, DRAW, MASK, PAIRS, DROPOUT, CHOICE = range(6)


def rng(seed: int, *purpose: int) -> np.random.Generator:
    """Return a generator of its own for a seed, a purpose and, say, a step."""
    return np.random.default_rng([seed, *purpose])


def torch_seed(seed: int, *purpose: int) -> int:
    """Return a seed for torch from a seed, a purpose and, say, a step."""
    return int(np.random.SeedSequence([seed, *purpose]).generate_state(1, np.uint64)[0] >> 1)


# ── the tokenizer's special tokens ───────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """What a tokenizer puts round one text and between two.

    Attributes:
        prefix, middle, suffix: token ids before, between and after.
        mask, pad: ids of these tokens.
        size: number of entries of the vocabulary.
        special: (size,) booleans, True for special tokens, the unknown one included.
    """

    prefix: tuple[int, ...]
    middle: tuple[int, ...]
    suffix: tuple[int, ...]
    mask: int
    pad: int
    size: int
    special: Tensor

    @classmethod
    def of(cls, tokenizer: Any) -> Frame:
        """Find out by asking the tokenizer for a pair.

        Raises:
            PretrainingError: it has no mask or padding token, or frames texts in another way.
        """
        if tokenizer.mask_token_id is None or tokenizer.pad_token_id is None:
            raise PretrainingError(
                "the tokenizer has no mask token or no padding token",
                "take the tokenizer of a masked language model, such as mBERT or XLM-R",
            )
        pair = tokenizer("a", "a", return_special_tokens_mask=True)
        marked = zip(pair["input_ids"], pair["special_tokens_mask"], strict=True)
        runs = [
            (flag, tuple(token for token, _ in run))
            for flag, run in itertools.groupby(marked, key=lambda item: item[1])
        ]
        if [flag for flag, _ in runs] != [1, 0, 1, 0, 1]:
            raise PretrainingError(
                "the tokenizer does not put special tokens before, between and after two texts",
                "give it a post-processor as BERT's or XLM-R's",
            )
        special = torch.zeros(len(tokenizer), dtype=torch.bool)
        special[torch.tensor(sorted(set(tokenizer.all_special_ids)))] = True
        return cls(
            prefix=runs[0][1],
            middle=runs[2][1],
            suffix=runs[4][1],
            mask=tokenizer.mask_token_id,
            pad=tokenizer.pad_token_id,
            size=len(tokenizer),
            special=special,
        )

    def around(self, tokens: int, pair: bool = False) -> int:
        """Return how long `tokens` tokens of text become with the special ones."""
        middle = len(self.middle) if pair else 0
        return tokens + len(self.prefix) + middle + len(self.suffix)


# ── texts as tokens ──────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, eq=False)
class TokenTexts:
    """Tokenised texts, end to end in one array.

    Attributes:
        ids: (tokens,) int32.
        starts: (texts + 1,) where each begins; the last entry is the end.
    """

    ids: Tokens
    starts: Ints

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __getitem__(self, number: int) -> Tokens:
        return self.ids[self.starts[number] : self.starts[number + 1]]

    @property
    def lengths(self) -> Ints:
        """(texts,) tokens of each."""
        return np.diff(self.starts)

    def windows(self, longest: int) -> TokenTexts:
        """Return the texts with those above `longest` tokens cut into equal parts."""
        parts = np.maximum(1, -(-self.lengths // longest))
        if len(parts) == 0 or parts.max() == 1:
            return self
        cuts = [
            np.linspace(start, start + length, part, endpoint=False).astype(np.int64)
            for start, length, part in zip(self.starts, self.lengths, parts, strict=False)
        ]
        return TokenTexts(self.ids, np.concatenate([*cuts, self.starts[-1:]]))

    @classmethod
    def joined(cls, many: Sequence[TokenTexts]) -> TokenTexts:
        """Return all texts of all, in order."""
        ids = np.concatenate([texts.ids for texts in many])
        lengths = np.concatenate([texts.lengths for texts in many])
        return cls(ids, np.concatenate([[0], np.cumsum(lengths)]))


def tokenise(tokenizer: Any, texts: Sequence[str], where: str) -> TokenTexts:
    """Tokenise texts without special tokens.

    Args:
        where: names the texts in errors, such as `"texts of 'de'"`.

    Raises:
        PretrainingError: there are none, or one has no token.
    """
    if isinstance(texts, str) or not len(texts):
        what = "one string is given for" if isinstance(texts, str) else "there are no"
        raise PretrainingError(f"{what} {where}", "give a list with at least one text")
    rows: list[list[int]] = []
    for start in range(0, len(texts), 4096):
        part = list(texts[start : start + 4096])
        rows += tokenizer(
            part,
            add_special_tokens=False,
            return_attention_mask=False,
            return_token_type_ids=False,
            verbose=False,
        )["input_ids"]
    lengths = np.fromiter(map(len, rows), dtype=np.int64, count=len(rows))
    if not lengths.all():
        raise PretrainingError(
            f"number {int(np.argmin(lengths))} of the {where} has no token", "remove empty texts"
        )
    ids = np.fromiter(itertools.chain.from_iterable(rows), dtype=np.int32, count=lengths.sum())
    return TokenTexts(ids, np.concatenate([[0], np.cumsum(lengths)]))


# ── batches of texts for masked-language modelling ───────────────────────────────────────


@dataclass(frozen=True, slots=True, eq=False)
class Corpus:
    """The texts of several languages and how often each is drawn from.

    Attributes:
        texts: all texts, language by language.
        languages: their names, in the order of `offsets`.
        offsets: (languages + 1,) number of each language's first text.
        probabilities: (languages,).
    """

    texts: TokenTexts
    languages: tuple[str, ...]
    offsets: Ints
    probabilities: NDArray[np.float64]

    @classmethod
    def of(
        cls, tokenizer: Any, texts: Mapping[str, Sequence[str]], alpha: float, longest: int
    ) -> Corpus:
        """Tokenise, cut into windows of at most `longest` tokens, and set the probabilities.

        Raises:
            PretrainingError: no language, one without text, or an empty text.
        """
        if not texts:
            raise PretrainingError("the corpus has no language", "give texts by language")
        languages = tuple(sorted(texts))
        parts = [
            tokenise(tokenizer, texts[lang], f"texts of {lang!r}").windows(longest)
            for lang in languages
        ]
        chances = sampling_probabilities(
            {lang: len(part) for lang, part in zip(languages, parts, strict=True)}, alpha
        )
        return cls(
            texts=TokenTexts.joined(parts),
            languages=languages,
            offsets=np.cumsum([0, *map(len, parts)]),
            probabilities=np.array([chances[lang] for lang in languages]),
        )

    def language_counts(self, rows: Ints) -> Ints:
        """(languages,) how many of `rows` are of each language."""
        where = np.searchsorted(self.offsets, rows, side="right") - 1
        return np.bincount(where, minlength=len(self.languages))


def text_batches(corpus: Corpus, budget: int, extra: int, seed: int) -> Iterator[Ints]:
    """Yield, for ever, numbers of texts of similar length that fill `budget` tokens.

    Languages are drawn by their probabilities. Within a language every text comes once before
    any comes again.

    Args:
        budget: tokens of a batch, padding and special tokens included.
        extra: special tokens of a text.
    """
    lengths = corpus.texts.lengths + extra
    queues = [_endless(corpus, i, seed) for i in range(len(corpus.languages))]
    mean = np.add.reduceat(lengths, corpus.offsets[:-1]) / np.diff(corpus.offsets)
    size = max(1, round(POOL * budget / float(corpus.probabilities @ mean)))
    for pool in itertools.count():
        draw = rng(seed, DRAW, pool)
        wanted = draw.multinomial(size, corpus.probabilities)
        rows = np.fromiter(
            (next(queue) for queue, n in zip(queues, wanted, strict=True) for _ in range(n)),
            dtype=np.int64,
            count=size,
        )
        # Mixed first: sorting keeps the order of equals, which would group the languages.
        batches = by_length(draw.permutation(rows), lengths, budget)
        for number in draw.permutation(len(batches)):
            yield batches[number]


def _endless(corpus: Corpus, language: int, seed: int) -> Iterator[int]:
    first, end = corpus.offsets[language : language + 2]
    for epoch in itertools.count():
        yield from (rng(seed, ORDER, language, epoch).permutation(end - first) + first).tolist()


def by_length(rows: Ints, lengths: Ints, budget: int) -> list[Ints]:
    """Return `rows` sorted by length and cut so that no padded batch exceeds `budget` tokens.

    A text that is longer than the budget stands alone.
    """
    ordered = rows[np.argsort(-lengths[rows], kind="stable")]
    sizes = lengths[ordered]
    cuts, start = [], 0
    while start < len(ordered):
        end = start + max(1, budget // int(sizes[start]))
        cuts.append(ordered[start:end])
        start = end
    return cuts


# ── tensors ──────────────────────────────────────────────────────────────────────────────


def padded(rows: Sequence[Tokens], frame: Frame) -> tuple[Tensor, Tensor]:
    """Return (b, t) token ids with special tokens and padding, and the (b, t) attention mask."""
    before, after = list(frame.prefix), list(frame.suffix)
    width = frame.around(max(map(len, rows)))
    ids = np.full((len(rows), width), frame.pad, dtype=np.int64)
    ids[:, : len(before)] = before
    ends = np.fromiter(map(len, rows), dtype=np.int64, count=len(rows)) + len(before)
    for i, row in enumerate(rows):
        ids[i, len(before) : ends[i]] = row
        ids[i, ends[i] : ends[i] + len(after)] = after
    mask = np.arange(width) < (ends + len(after))[:, None]
    return torch.from_numpy(ids), torch.from_numpy(mask.astype(np.int64))


def joined_pairs(
    pairs: Sequence[tuple[Tokens, Tokens]], frame: Frame
) -> tuple[Tensor, Tensor, Tensor]:
    """Return ids, attention mask and segment numbers, (b, t) each, of texts in twos."""
    rows = [np.concatenate([a, np.array(frame.middle, dtype=np.int32), b]) for a, b in pairs]
    ids, mask = padded(rows, frame)
    second = np.array([len(frame.prefix) + len(a) + len(frame.middle) for a, _ in pairs])
    segments = torch.from_numpy(np.arange(ids.shape[1]) >= second[:, None]).long() * mask
    return ids, mask, segments
