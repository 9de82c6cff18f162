"""Which texts are computed together, and how much of the work is padding.

A batch is as wide as its longest text, and what shorter ones lack is filled up and computed all
the same. So texts of like length belong together, and a batch is full when it has so many
*tokens*, not so many texts. Languages have no say in it: one multilingual model has the same
weights for all.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from xlhelpers.pretraining.batches import by_length
from xlhelpers.serving._errors import ServingError

# Tokens of a batch, padding included: enough for one thread of a CPU to be busy.
BUDGET = 1024


@dataclass(frozen=True, slots=True)
class Padding:
    """What a division into batches costs.

    Attributes:
        texts, batches: how many.
        tokens: that the texts have, special ones included.
        slots: that are computed: texts times width, over all batches.
    """

    texts: int
    batches: int
    tokens: int
    slots: int

    @property
    def share(self) -> float:
        """The share of the slots that is padding; 0 where there are none."""
        return 1 - self.tokens / self.slots if self.slots else 0.0

    def __add__(self, other: Padding) -> Padding:
        return Padding(
            self.texts + other.texts,
            self.batches + other.batches,
            self.tokens + other.tokens,
            self.slots + other.slots,
        )

    def __repr__(self) -> str:
        return (
            f"Padding({self.texts} texts in {self.batches} batches, {self.tokens} tokens, "
            f"{100 * self.share:.0f} % of {self.slots} slots are padding)"
        )


def in_order(texts: int, size: int) -> list[list[int]]:
    """Return the numbers of `texts` texts as they come, `size` a batch.

    Raises:
        ServingError: `size` is below 1.
    """
    _at_least_one("size", size)
    return [list(range(start, min(start + size, texts))) for start in range(0, texts, size)]


def by_group(groups: Sequence[Hashable], size: int) -> list[list[int]]:
    """Return the numbers of texts, those of one group (say, a language) together, `size` a batch.

    What is often recommended, for comparison.

    Raises:
        ServingError: `size` is below 1.
    """
    _at_least_one("size", size)
    members: dict[Hashable, list[int]] = {}
    for number, group in enumerate(groups):
        members.setdefault(group, []).append(number)
    return [
        rows[start : start + size]
        for rows in members.values()
        for start in range(0, len(rows), size)
    ]


def by_tokens(lengths: Sequence[int], budget: int = BUDGET) -> list[list[int]]:
    """Return the numbers of texts of like length together, longest first.

    Args:
        lengths: tokens of each text, special ones included.
        budget: tokens that a batch has at most, padding included. A longer text stands alone.

    Raises:
        ServingError: `budget` or a length is below 1.
    """
    _at_least_one("budget", budget)
    sizes = np.asarray(lengths, dtype=np.int64)
    if sizes.size and sizes.min() < 1:
        raise ServingError(
            f"text {int(sizes.argmin())} has {int(sizes.min())} tokens", "leave empty texts out"
        )
    return [rows.tolist() for rows in by_length(np.arange(len(sizes)), sizes, budget)]


def padding(
    lengths: Sequence[int], batches: Iterable[Sequence[int]], width: int | None = None
) -> Padding:
    """Return what a division into batches costs.

    Args:
        lengths: tokens of each text, special ones included.
        batches: numbers of the texts of each batch.
        width: to which all is filled up; left out, each batch to its own longest.

    Raises:
        ServingError: a text is longer than `width`.
    """
    made = [[lengths[row] for row in rows] for rows in batches]
    longest = max((max(rows) for rows in made), default=0)
    if width is not None and longest > width:
        raise ServingError(f"a text has {longest} tokens, and width is {width}", "cut it first")
    return Padding(
        texts=sum(map(len, made)),
        batches=len(made),
        tokens=sum(map(sum, made)),
        slots=sum(len(rows) * (width or max(rows)) for rows in made),
    )


def _at_least_one(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ServingError(f"{name} is {value!r}", "choose a whole number from 1")
