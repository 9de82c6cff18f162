"""Do two backends of one model say the same? Asked language by language.

An average over all traffic is an average over its most frequent language. What a conversion
costs is looked at where it costs most.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from xlhelpers.alignment.evaluation import wilson
from xlhelpers.datasets import Labelled, Pairs
from xlhelpers.serving._errors import ServingError
from xlhelpers.transfer.outcomes import Outcomes, interval, outcomes
from xlhelpers.transfer.tasks import inputs

if TYPE_CHECKING:
    import pandas as pd


def agreement(backends: Mapping[str, Any], tables: Mapping[str, Labelled | Pairs]) -> pd.DataFrame:
    """Return how often each two backends give the same answer, in each language.

    The share of equal answers has the interval of Wilson (1927, JASA): where all agree, a
    bootstrap would claim certainty. Equal answers may be equally wrong and other ones better:
    so the difference of the accuracies stands beside it, with a bootstrap over rows, paired.

    Args:
        backends: two or more, by name. Each has `.classify(texts)`, which returns one answer a
            text with a `.label`, or an object with `.labels`; or is a function that does.
        tables: language to texts or pairs with labels.

    Returns:
        One row a pair and language, in the order given: `one`, `other`, `language`, `rows`;
        `same` with `low` and `high`; `accuracy_one` and `accuracy_other`; `difference`, other
        less one, with `difference_low` and `difference_high`. All are shares of 1.

    Raises:
        ServingError: fewer than two backends, no table or one without rows, a backend that
            returns another number of answers, or a label that a table does not know.
    """
    import pandas as pd

    if len(backends) < 2:
        raise ServingError("one backend agrees with itself", "give two or more, by name")
    if not tables:
        raise ServingError("there is nothing to ask", "give tables by language")
    said = {
        (name, code): _labels(name, backend, _checked(code, table))
        for name, backend in backends.items()
        for code, table in tables.items()
    }
    return pd.DataFrame(
        {"one": one, "other": other, "language": code}
        | _compared(said[one, code], said[other, code], table)
        for one, other in itertools.combinations(backends, 2)
        for code, table in tables.items()
    )


def _checked(code: str, table: Any) -> Labelled | Pairs:
    if not isinstance(table, Labelled | Pairs) or not len(table):
        raise ServingError(
            f"the {type(table).__name__} of {code} has no rows with one label each",
            "give texts or pairs, such as datasets.sentiment(code, 'test')",
        )
    return table


def _labels(name: str, backend: Any, table: Labelled | Pairs) -> list[str]:
    ask = getattr(backend, "classify", backend)
    if not callable(ask):
        raise ServingError(
            f"{name} is a {type(backend).__name__}, which answers nothing",
            "give an object with .classify(texts), or a function",
        )
    answers = ask(list(inputs(table)))
    if hasattr(answers, "labels"):
        found = list(answers.labels)
    else:
        found = [answer if isinstance(answer, str) else answer.label for answer in answers]
    if len(found) != len(table):
        raise ServingError(
            f"{name} gave {len(found)} answers to {len(table)} texts", "correct the backend"
        )
    if unknown := sorted(set(found) - set(table.names)):
        raise ServingError(
            f"{name} answers {unknown[0]!r}, which is none of {', '.join(table.names)}",
            "give tables with the classes that the backends know",
        )
    return found


def _compared(one: Sequence[str], other: Sequence[str], table: Labelled | Pairs) -> dict[str, Any]:
    same = sum(a == b for a, b in zip(one, other, strict=True))
    low, high = wilson(same, len(table))
    share = same / len(table)
    first, second = (_right(said, table) for said in (one, other))
    drawn = interval(second.resampled() - first.resampled())
    return {
        "rows": len(table),
        "same": share,
        # Rounding may put an end of the interval a hair beyond 1, or inside the share itself.
        "low": min(low, share),
        "high": max(min(high, 1.0), share),
        "accuracy_one": first.score,
        "accuracy_other": second.score,
        "difference": second.score - first.score,
        "difference_low": drawn[0],
        "difference_high": drawn[1],
    }


def _right(said: Sequence[str], table: Labelled | Pairs) -> Outcomes:
    return outcomes("accuracy", table.labels, said, table.names)


__all__ = ["agreement"]
