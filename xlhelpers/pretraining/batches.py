"""From texts to batches: tokenised once, sorted by length, filled up to a number of tokens.

Nothing here keeps a state that a checkpoint would have to store: what is drawn follows from the
seed and from how many batches were drawn before.
"""

from __future__ import annotations

import itertools
import warnings
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

# A meaning: its sentence in each language that has one.
Meaning = Mapping[str, str]
Parallels = Sequence[Meaning] | Sequence[Sequence[Meaning]]

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
        where: names the texts in errors, such as `"the texts of 'de'"`.

    Raises:
        PretrainingError: there are none, or one has no token.
    """
    if isinstance(texts, str) or not len(texts):
        raise PretrainingError(
            f"{where} are {'one string' if isinstance(texts, str) else 'none'}",
            "give a list with at least one text",
        )
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
            f"{where}: number {int(np.argmin(lengths))} has no token", "remove empty texts"
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
            tokenise(tokenizer, texts[lang], f"the texts of {lang!r}").windows(longest)
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


# ── parallel meanings ────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, eq=False)
class Parallel:
    """Meanings with their sentences in several languages.

    Attributes:
        sentences: the distinct sentences.
        languages: columns of `table`.
        table: (meanings, languages) number of the sentence, -1 where there is none.
        group: (meanings,) number of the group of similar meanings that each belongs to.
        members: the meanings of each group.
        pairs: (pairs, 2) columns that may be paired.
        chances: (pairs,) how often each is drawn.
    """

    sentences: TokenTexts
    languages: tuple[str, ...]
    table: Ints
    group: Ints
    members: tuple[Ints, ...]
    pairs: Ints
    chances: NDArray[np.float64]

    @classmethod
    def of(cls, tokenizer: Any, rows: Parallels, pivot: str | None, alpha: float) -> Parallel:
        """Tokenise parallel meanings.

        Args:
            rows: each meaning a mapping from language to sentence; or lists of meanings that
                are similar, which may meet in a batch as hard negatives.
            pivot: a language that one side of every pair has; None pairs any two.
            alpha: exponent on the number of meanings of each pair of languages.

        Raises:
            PretrainingError: no two languages share two meanings, or a sentence is empty.
        """
        groups = [[entry] if isinstance(entry, Mapping) else list(entry) for entry in rows]
        meanings = [meaning for group in groups for meaning in group]
        languages = tuple(sorted({lang for meaning in meanings for lang in meaning}))
        numbers: dict[str, int] = {}
        table = np.full((len(meanings), len(languages)), -1, dtype=np.int64)
        for i, meaning in enumerate(meanings):
            for j, lang in enumerate(languages):
                if lang in meaning:
                    table[i, j] = numbers.setdefault(meaning[lang], len(numbers))
        pairs, chances = _language_pairs(table, languages, pivot, alpha)
        sizes = [len(group) for group in groups]
        return cls(
            sentences=tokenise(tokenizer, list(numbers), "the parallel sentences"),
            languages=languages,
            table=table,
            group=np.repeat(np.arange(len(groups)), sizes),
            members=tuple(np.split(np.arange(len(meanings)), np.cumsum(sizes)[:-1])),
            pairs=pairs,
            chances=chances,
        )

    def draw(self, draw: np.random.Generator, wanted: int, *, mixed: bool, group: int = 1) -> Ints:
        """Return up to `wanted` pairs of sentence numbers, (n, 2), all of different meanings.

        A sentence that two meanings share comes once at most: it would be counted as wrong
        where it is right.

        Args:
            mixed: every row has a pair of languages of its own; else all have the same.
            group: how many meanings of one group come together.
        """
        columns = self.pairs[draw.choice(len(self.pairs), p=self.chances)]
        there = self.table >= 0
        usable = (
            there[:, self.pairs].all(axis=2) if mixed else there[:, columns].all(axis=1)[:, None]
        )
        out: list[tuple[int, int]] = []
        seen: set[int] = set()
        for meaning in self._order(draw, np.flatnonzero(np.any(usable, axis=1)), group):
            if mixed:
                options = self.pairs[there[meaning][self.pairs].all(axis=1)]
                columns = options[draw.integers(len(options))]
            a, b = self.table[meaning, draw.permutation(columns) if mixed else columns].tolist()
            if a not in seen and b not in seen:
                seen.update((a, b))
                out.append((a, b))
            if len(out) == wanted:
                break
        return np.array(out, dtype=np.int64).reshape(-1, 2)

    def _order(self, draw: np.random.Generator, usable: Ints, group: int) -> Iterator[int]:
        """Yield every usable meaning once, at random, followed by `group - 1` of its group."""
        shuffled = draw.permutation(usable).tolist()
        if group == 1:
            yield from shuffled
            return
        left = dict.fromkeys(shuffled)
        for meaning in shuffled:
            if meaning not in left:
                continue
            others = draw.permutation(self.members[self.group[meaning]]).tolist()
            near = [other for other in others if other in left and other != meaning]
            for chosen in (meaning, *near[: group - 1]):
                del left[chosen]
                yield chosen


def _language_pairs(
    table: Ints, languages: tuple[str, ...], pivot: str | None, alpha: float
) -> tuple[Ints, NDArray[np.float64]]:
    if pivot is not None and pivot not in languages:
        raise PretrainingError(
            f"the parallel rows have no sentence in the pivot language {pivot!r}",
            f"choose one of {', '.join(languages) or 'the languages given'}, or None",
        )
    there = table >= 0
    shared = {
        f"{i} {j}": int((there[:, i] & there[:, j]).sum())
        for i, j in itertools.combinations(range(len(languages)), 2)
        if pivot is None or pivot in (languages[i], languages[j])
    }
    shared = {key: n for key, n in shared.items() if n >= 2}
    if not shared:
        raise PretrainingError(
            "no two languages of the parallel rows share two meanings",
            "give mappings such as {'en': 'Good morning.', 'de': 'Guten Morgen.'}, one a meaning",
        )
    chances = sampling_probabilities(shared, alpha)
    pairs = np.array([[int(part) for part in key.split()] for key in shared], dtype=np.int64)
    return pairs, np.array(list(chances.values()))


def cut_sentences(texts: TokenTexts, longest: int) -> TokenTexts:
    """Return the texts with each cut after `longest` tokens; warn where that was needed."""
    lengths = texts.lengths
    over = int(np.count_nonzero(lengths > longest))
    if not over:
        return texts
    warnings.warn(
        f"{over} of {len(texts)} parallel sentences are cut after "
        f"{longest} tokens; the longest has {int(lengths.max())}",
        stacklevel=3,
    )
    kept = [texts[i][:longest] for i in range(len(texts))]
    starts = np.concatenate([[0], np.cumsum([len(row) for row in kept])])
    return TokenTexts(np.concatenate(kept), starts)


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
