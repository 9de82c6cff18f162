"""Translations as token numbers, and batches of them in which no meaning occurs twice."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xlhelpers.encoding import TruncationWarning
from xlhelpers.pretraining.batches import Ints, TokenTexts, tokenise
from xlhelpers.pretraining.objectives import PretrainingError, sampling_probabilities

# A meaning: its sentence in each language that has one.
Meaning = Mapping[str, str]
Parallels = Sequence[Meaning] | Sequence[Sequence[Meaning]]


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
        paired: (meanings,) whether any of the pairs has both sentences.
    """

    sentences: TokenTexts
    languages: tuple[str, ...]
    table: Ints
    group: Ints
    members: tuple[Ints, ...]
    pairs: Ints
    chances: NDArray[np.float64]
    paired: NDArray[np.bool_]

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
        groups = grouped(rows)
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
            sentences=tokenise(tokenizer, list(numbers), "parallel sentences"),
            languages=languages,
            table=table,
            group=np.repeat(np.arange(len(groups)), sizes),
            members=tuple(np.split(np.arange(len(meanings)), np.cumsum(sizes)[:-1])),
            pairs=pairs,
            chances=chances,
            paired=np.logical_or.reduce([(table[:, pair] >= 0).all(axis=1) for pair in pairs]),
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
        usable = self.paired if mixed else there[:, columns].all(axis=1)
        out: list[tuple[int, int]] = []
        seen: set[int] = set()
        for meaning in self._order(draw, np.flatnonzero(usable), group):
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


def grouped(rows: Parallels) -> list[list[Meaning]]:
    """Return meanings in their groups; one that was given alone is a group of its own."""
    return [[entry] if isinstance(entry, Mapping) else list(entry) for entry in rows]


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
        TruncationWarning,
        stacklevel=4,
    )
    kept = [texts[i][:longest] for i in range(len(texts))]
    starts = np.concatenate([[0], np.cumsum([len(row) for row in kept])])
    return TokenTexts(np.concatenate(kept), starts)
