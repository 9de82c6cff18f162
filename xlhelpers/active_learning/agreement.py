"""How far two people agree, and how far beyond chance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xlhelpers.active_learning.selection import ActiveLearningError
from xlhelpers.alignment.evaluation import Score

if TYPE_CHECKING:
    import pandas as pd

RESAMPLES = 1000
Counts = NDArray[np.int64]
# One label an item, or one label for each word of an item.
Labels = Sequence[str] | Sequence[Sequence[str]]


@dataclass(frozen=True)
class Agreement:
    """What two people's labels of the same items have in common.

    Attributes:
        items: that both have labelled.
        percent: share of labels that are the same (of words, where words are labelled).
        kappa: Cohen's; None where it is not defined.
        why_no_kappa: why, or `""`.
        table: counts, one row a label of the first, one column a label of the second.
        disagreements: one row an item whose labels differ: `item` (its id) and one column each.
        entities: F1 of the entities of one against the other's; None for whole texts. Most words
            are in no entity, which makes agreement on words look better than it is (Hripcsak &
            Rothschild, 2005, JAMIA, advise the F-measure).
    """

    items: int
    percent: Score
    kappa: Score | None
    why_no_kappa: str
    table: pd.DataFrame = field(repr=False)
    disagreements: pd.DataFrame = field(repr=False)
    entities: Score | None = None


def cohens_kappa(one: Labels, other: Labels, *, seed: int = 0) -> Score:
    """Return Cohen's kappa (1960), (observed − by chance) / (1 − by chance), with its interval.

    0 is what two people reach who label by chance as often as these do, 1 is full agreement,
    and below 0 is worse than chance. The 95 % interval is a bootstrap over items (over whole
    sentences where words are labelled, since words of one sentence are not independent); with
    few items, or with none on which they differ, it is too narrow.

    Args:
        one, other: the labels of two people, in the same order of items.
        seed: of the bootstrap.

    Raises:
        ActiveLearningError: nothing to compare, lists of different length, or one label alone,
            for which kappa is not defined.
    """
    names = _names(one, other)
    counts = _tables(one, other, names)
    value = _kappa(counts.sum(axis=0)[None])[0]
    if np.isnan(value):
        raise ActiveLearningError(
            f"both gave every item the label {names[0]!r}: agreement by chance is full then, and "
            "kappa is not defined",
            "label more items, or report percent agreement and say so",
        )
    return _interval(float(value), _kappa(_resampled(counts, seed)))


def agree(one: Mapping[str, Any], other: Mapping[str, Any], *, seed: int = 0) -> Agreement:
    """Compare two people's labels by item.

    Args:
        one, other: item to label, or to a sequence of IOB2 tags.
        seed: of the bootstrap.

    Raises:
        ActiveLearningError: no item has been labelled by both, or words differ in number.
    """
    import pandas as pd

    shared = [item for item in one if item in other]
    if not shared:
        raise ActiveLearningError(
            "no item has been labelled by both", "let both label the same items"
        )
    a, b = [one[item] for item in shared], [other[item] for item in shared]
    names = _names(a, b)
    counts = _tables(a, b, names)
    whole = counts.sum(axis=0)
    percent = _interval(float(_observed(whole[None])[0]), _observed(_resampled(counts, seed)))
    kappa, why = None, ""
    try:
        kappa = cohens_kappa(a, b, seed=seed)
    except ActiveLearningError as error:
        why = error.problem
    differ = [(item, x, y) for item, x, y in zip(shared, a, b, strict=True) if _differ(x, y)]
    of_words = not isinstance(a[0], str)
    return Agreement(
        items=len(shared),
        percent=percent,
        kappa=kappa,
        why_no_kappa=why,
        table=pd.DataFrame(whole, index=list(names), columns=list(names)),
        disagreements=pd.DataFrame(differ, columns=["item", "one", "other"]),
        entities=_entities(a, b, seed) if of_words else None,
    )


def _entities(one: Sequence[Any], other: Sequence[Any], seed: int) -> Score | None:
    from xlhelpers import finetuning

    rows = finetuning.entity_counts([list(row) for row in one], [list(row) for row in other])
    if not rows[:, 1:].sum():
        return None
    pairs = np.stack([2 * rows[:, 0], rows[:, 1] + rows[:, 2]], axis=1)
    top, bottom = (_draws(len(rows), seed) @ pairs).T
    drawn = np.where(bottom > 0, top / np.maximum(bottom, 1), np.nan)
    whole = pairs.sum(axis=0)
    return _interval(float(whole[0] / whole[1]), drawn)


def _differ(one: Any, other: Any) -> bool:
    return bool(one != other) if isinstance(one, str) else list(one) != list(other)


def _names(one: Labels, other: Labels) -> tuple[str, ...]:
    """Return all labels, sorted, `"O"` first.

    Raises:
        ActiveLearningError: nothing to compare, or numbers that differ.
    """
    if len(one) != len(other) or not len(one):
        raise ActiveLearningError(
            f"{len(one)} labels of one and {len(other)} of the other",
            "give both people's labels of the same items, in the same order",
        )
    found = {label for row in (*one, *other) for label in _row(row)}
    return tuple(sorted(found, key=lambda name: (name != "O", name)))


def _row(labels: str | Sequence[str]) -> Sequence[str]:
    return [labels] if isinstance(labels, str) else labels


def _tables(one: Labels, other: Labels, names: Sequence[str]) -> Counts:
    """Return (items, k, k): how often one's label (row) met the other's (column)."""
    number = {name: i for i, name in enumerate(names)}
    counts = np.zeros((len(one), len(names), len(names)), dtype=np.int64)
    for item, (a, b) in enumerate(zip(one, other, strict=True)):
        left, right = _row(a), _row(b)
        if len(left) != len(right):
            raise ActiveLearningError(
                f"item {item} has {len(left)} labels of one and {len(right)} of the other",
                "cut the text into words once, for both",
            )
        for x, y in zip(left, right, strict=True):
            counts[item, number[x], number[y]] += 1
    return counts


def _draws(items: int, seed: int) -> Counts:
    """Return (resamples, items): how often each item is drawn."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(items, np.full(items, 1 / items), size=RESAMPLES)


def _resampled(counts: Counts, seed: int) -> Counts:
    flat = counts.reshape(len(counts), -1)
    return (_draws(len(counts), seed) @ flat).reshape(-1, *counts.shape[1:])


def _observed(tables: Counts) -> NDArray[np.float64]:
    total = tables.sum(axis=(1, 2))
    same = tables.trace(axis1=1, axis2=2)
    return np.where(total > 0, same / np.maximum(total, 1), np.nan)


def _kappa(tables: Counts) -> NDArray[np.float64]:
    """Return kappa of each (k, k) table; NaN where both used the same single label."""
    total = np.maximum(tables.sum(axis=(1, 2)), 1)
    chance = (tables.sum(axis=1) * tables.sum(axis=2)).sum(axis=1) / total**2
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(chance < 1, (_observed(tables) - chance) / (1 - chance), np.nan)


def _interval(value: float, drawn: NDArray[np.float64]) -> Score:
    if not np.isfinite(drawn).any():
        return Score(value, float("nan"), float("nan"))
    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    return Score(value, float(low), float(high))
