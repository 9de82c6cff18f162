"""Has what comes in changed since the model was accepted? Tests with a known rate of false alarms.

A window of answers is compared with a reference. The tests are two-sample ones, so a reference
that is small itself is allowed for:

* confidences: Kolmogorov-Smirnov (Smirnov, 1939, Bull. Univ. Moscow), by its limit law;
* predicted labels, and languages: chi-square on the table of counts, rare ones pooled;
* agreement with labels that come later: Fisher's exact test, downwards only.

The population stability index is reported as a size. It is no test: without any change its mean
is about (bins - 1)(1/n + 1/m) (Yurdakul & Naranjo, 2020, Journal of Risk Model Validation), which
for windows of 100 lies beyond the 0.1 that is often taken for a change.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xlhelpers.serving._errors import ServingError

# A cell of fewer expected than this is pooled: the chi-square distribution does not hold there.
_LEAST_EXPECTED = 5.0
_BINS = 10


@dataclass(frozen=True, slots=True)
class Comparison:
    """A window against a reference.

    Attributes:
        p: how often a difference of this size or more comes about without any change.
        statistic: the largest distance between the two distribution functions (confidences), the
            total variation distance (labels, languages), or the loss in share (agreement); all
            0 to 1.
        psi: population stability index; 0 for agreement.
        rows: answers in the window.
        reference: answers in the reference.
    """

    p: float
    statistic: float
    psi: float
    rows: int
    reference: int


def confidences(window: ArrayLike, reference: ArrayLike) -> Comparison:
    """Compare the distribution of confidences: (n,) against (m,), numbers from 0 to 1.

    Raises:
        ServingError: one of them is empty, or holds something that is not finite.
    """
    from scipy.stats import ks_2samp

    new, old = _numbers(window), _numbers(reference)
    found = ks_2samp(new, old, method="asymp")
    # Bins of equal shares of the reference; equal borders fall together.
    edges = np.unique(np.quantile(old, np.linspace(0, 1, _BINS + 1)[1:-1]))
    counts = [np.bincount(np.searchsorted(edges, x), minlength=len(edges) + 1) for x in (new, old)]
    return Comparison(float(found.pvalue), float(found.statistic), psi(*counts), len(new), len(old))


def counts(window: Mapping[Hashable, int], reference: Mapping[Hashable, int]) -> Comparison:
    """Compare how often each label, or each language, came.

    Raises:
        ServingError: one of them is empty, or holds a count below 0.
    """
    from scipy.stats import chi2_contingency

    names = sorted({*window, *reference}, key=str)
    table = np.array([[side.get(name, 0) for name in names] for side in (window, reference)])
    if (table < 0).any() or not table.sum(axis=1).all():
        raise ServingError("there is nothing to compare", "give counts of at least one answer")
    shares = table / table.sum(axis=1, keepdims=True)
    distance = float(np.abs(shares[0] - shares[1]).sum() / 2)
    pooled = _pooled(table)
    p = 1.0 if pooled.shape[1] < 2 else float(chi2_contingency(pooled, correction=False)[1])
    return Comparison(p, distance, psi(*table), int(table[0].sum()), int(table[1].sum()))


def agreement(right: int, asked: int, reference_right: int, reference_asked: int) -> Comparison:
    """Compare how often a label that came later was the predicted one; a rise is no alarm.

    Raises:
        ServingError: nothing was asked, or more was right than asked.
    """
    from scipy.stats import fisher_exact

    for k, n in ((right, asked), (reference_right, reference_asked)):
        if not 0 <= k <= n or n < 1:
            raise ServingError(f"{k} right of {n} is no share", "give counts")
    table = [[right, asked - right], [reference_right, reference_asked - reference_right]]
    loss = reference_right / reference_asked - right / asked
    p = float(fisher_exact(table, alternative="less")[1])
    return Comparison(p, max(0.0, loss), 0.0, asked, reference_asked)


def psi(window: ArrayLike, reference: ArrayLike) -> float:
    """Return the population stability index of two rows of counts over the same bins.

    The sum of (p - q) ln(p / q) over bins, of Jeffreys. Half a count is added to every bin, so
    that an empty one does not make it infinite.

    Raises:
        ServingError: the rows are not of one length, or there is no bin.
    """
    p, q = (np.asarray(side, dtype=np.float64) + 0.5 for side in (window, reference))
    if p.shape != q.shape or p.ndim != 1 or not p.size:
        raise ServingError(f"bins are {p.shape} and {q.shape}", "give counts over the same bins")
    p, q = p / p.sum(), q / q.sum()
    return float(((p - q) * np.log(p / q)).sum())


def _numbers(values: ArrayLike) -> NDArray[np.float64]:
    found = np.asarray(values, dtype=np.float64).ravel()
    if not found.size or not np.isfinite(found).all():
        raise ServingError(
            f"{found.size} confidences cannot be compared", "give one finite number an answer"
        )
    return found


def _pooled(table: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return a table (2, k) of counts with its rare columns added up into one."""
    expected = table.sum(axis=0) * (table.sum(axis=1).min() / table.sum())
    rare = expected < _LEAST_EXPECTED
    if not rare.any():
        return table
    rest = table[:, rare].sum(axis=1, keepdims=True)
    kept = table[:, ~rare]
    if expected[rare].sum() >= _LEAST_EXPECTED or not kept.size:
        return np.hstack([kept, rest])
    # Still rare: to the least frequent of the others, so that nothing is left out.
    least = int(np.argmin(kept.sum(axis=0)))
    kept[:, least] += rest[:, 0]
    return kept
