"""What a model got right, row by row, so that every score can be resampled and paired.

A score is a function of sums over rows. Drawing rows again with replacement (the bootstrap:
Efron, 1979) is drawing how often each row counts; all that were tested on the same rows are
given the same draws, so that their differences are paired.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xlhelpers import finetuning
from xlhelpers.transfer.tasks import TransferError

RESAMPLES = 1000
Floats = NDArray[np.float64]
Counts = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Outcomes:
    """The answers to one test set, as counts.

    Attributes:
        metric: one of `tasks.METRICS`.
        counts: (rows, c). `accuracy`, `tag_accuracy`: right, asked. `entity_f1`: twice the
            entities found and right, entities found and there together. `macro_f1`: the cell of
            the confusion table, gold times the number of classes plus predicted.
        classes: k; what `macro_f1` needs.
    """

    metric: str
    counts: Counts = field(repr=False)
    classes: int = 0

    def __len__(self) -> int:
        return len(self.counts)

    @property
    def score(self) -> float:
        """The score of all rows, a share of 1."""
        return float(self._scores(np.ones((1, len(self)), dtype=np.int64))[0])

    def resampled(self, resamples: int = RESAMPLES) -> Floats:
        """Return (resamples,) scores of rows drawn again; the same draws for the same rows."""
        return self._scores(_draws(len(self), resamples))

    def _scores(self, times: Counts) -> Floats:
        """Return one score for each (m, rows) of how often rows count."""
        if self.metric != "macro_f1":
            top, bottom = (times @ self.counts).T
            # A resample in which nothing is asked says nothing.
            return np.where(bottom > 0, top / np.maximum(bottom, 1), np.nan)
        cells = np.eye(self.classes**2, dtype=np.int64)[self.counts[:, 0]]
        return finetuning.macro_f1_of((times @ cells).reshape(-1, self.classes, self.classes))

    def text(self) -> str:
        """Return the counts as text: columns parted by a semicolon, rows by a blank."""
        return ";".join(" ".join(map(str, column)) for column in self.counts.T.tolist())

    @classmethod
    def from_text(cls, text: str, metric: str, classes: int) -> Outcomes:
        """Read what `text` wrote.

        Raises:
            ValueError: it is something else.
        """
        if not isinstance(text, str):
            raise ValueError(f"{type(text).__name__} is no text")
        columns = [[int(number) for number in column.split()] for column in text.split(";")]
        counts = np.array(columns, dtype=np.int64).T
        if counts.ndim != 2 or counts.shape[1] != (1 if metric == "macro_f1" else 2):
            raise ValueError("columns of different length")
        return cls(metric, counts, classes)


def outcomes(
    metric: str, gold: Sequence[Any], predicted: Sequence[Any], names: Sequence[str]
) -> Outcomes:
    """Return the outcomes of answers: a class a row, or a tag for each word of a row.

    Raises:
        TransferError: a gold label that is not among the names, or no gold entity.
        FineTuningError: gold and predicted differ in length, or gold tags are not IOB2.
    """
    if metric == "entity_f1":
        return Outcomes(metric, _entities(gold, predicted))
    if metric == "tag_accuracy":
        return Outcomes(metric, finetuning.tag_counts(gold, predicted))
    if unknown := set(gold) - set(names):
        raise TransferError(
            f"the gold label {sorted(unknown)[0]!r} is none of {', '.join(names)}",
            "correct the labels, or the names of the table",
        )
    if metric == "accuracy":
        right = [[int(a == b), 1] for a, b in zip(gold, predicted, strict=True)]
        return Outcomes(metric, np.array(right, dtype=np.int64))
    number = {name: i for i, name in enumerate(names)}
    cells = [[number[a] * len(names) + number[b]] for a, b in zip(gold, predicted, strict=True)]
    return Outcomes(metric, np.array(cells, dtype=np.int64), len(names))


def _entities(gold: Sequence[Any], predicted: Sequence[Any]) -> Counts:
    counts = finetuning.entity_counts(gold, predicted)
    if not counts[:, 2].sum():
        raise TransferError(
            "there is no entity in the test rows, so F1 is not defined",
            "test on sentences that have entities",
        )
    return np.stack([2 * counts[:, 0], counts[:, 1] + counts[:, 2]], axis=1)


@functools.lru_cache(maxsize=8)
def _draws(rows: int, resamples: int) -> Counts:
    """Return (resamples, rows): how often each row is drawn."""
    rng = np.random.default_rng(rows)
    return rng.multinomial(rows, np.full(rows, 1 / rows), size=resamples)


def run_draws(runs: int, resamples: int = RESAMPLES) -> Floats:
    """Return (resamples, runs): what part of a mean each run has when runs are drawn again.

    One run less is drawn than there are: with a handful of runs the plain bootstrap is too
    narrow by the factor (n − 1) / n in the variance, and this is what removes it (Rao & Wu,
    1988, JASA). A single run stands for itself.
    """
    if runs == 1:
        return np.ones((resamples, 1))
    rng = np.random.default_rng(runs)
    return rng.multinomial(runs - 1, np.full(runs, 1 / runs), size=resamples) / (runs - 1)


def interval(drawn: Floats) -> tuple[float, float]:
    """Return the bounds of the middle 95 % of what was drawn.

    Raises:
        TransferError: no value is finite.
    """
    if not np.isfinite(drawn).any():
        raise TransferError("no resample has a score", "test on more rows")
    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    return float(low), float(high)
