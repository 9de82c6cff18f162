"""What is transferred: a task, with its data by language and split and its metric."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, cast

import numpy as np

from xlhelpers import datasets, languages, settings
from xlhelpers.datasets import Labelled, Pairs, Table, Tagged
from xlhelpers.errors import CourseError

METRICS = ("accuracy", "macro_f1", "entity_f1", "tag_accuracy")
OF_WORDS = ("entity_f1", "tag_accuracy")


class TransferError(CourseError, ValueError):
    """A protocol cannot be run as asked; the message says why and what would do."""


@dataclass(frozen=True)
class Task:
    """A task in several languages.

    Attributes:
        name: what tables and figures call it.
        load: (language, split) → `datasets.Labelled`, `Pairs` or `Tagged`; split is `"train"`,
            `"dev"` or `"test"`. Any function of one's own that returns such a table will do.
        metric: `"accuracy"` or `"macro_f1"` of texts and pairs; `"entity_f1"` or
            `"tag_accuracy"` of words.
        languages: returns the codes of the languages that there are.
        contributed: returns codes that can be named as well, and are left out where none is.

    Raises:
        TransferError: there is no such metric.
    """

    name: str
    load: Callable[[str, Any], Table]
    metric: str = "accuracy"
    languages: Callable[[], Iterable[str]] | None = None
    contributed: Callable[[], Iterable[str]] = tuple

    def __post_init__(self) -> None:
        if self.metric not in METRICS:
            raise TransferError(
                f"there is no metric {self.metric!r}", f"choose among {', '.join(METRICS)}"
            )

    @property
    def of_words(self) -> bool:
        """Whether every word has a label, and not the text."""
        return self.metric in OF_WORDS

    def available(self) -> list[str]:
        """Return the codes of the languages, sorted.

        Raises:
            TransferError: the task does not say.
        """
        if self.languages is None:
            raise TransferError(
                f"{self.name} does not say which languages it has",
                "name sources and targets, or give Task(…, languages=lambda: [...])",
            )
        return sorted(self.languages())


def _contributed(on: Any) -> list[str]:
    """Return the languages of a data set that were added later."""
    return sorted({*datasets.available(on, contributed=True)} - {*datasets.available(on)})


def _of_ours(
    name: str, load: Callable[[str, Any], Table], on: Any, metric: str = "accuracy"
) -> Task:
    return Task(
        name, load, metric, lambda: datasets.available(on), contributed=lambda: _contributed(on)
    )


def _polarity(language: str, split: Any) -> Labelled:
    """Return the reviews that are for or against; there are two classes then."""
    rows = datasets.sentiment(language, split)
    kept = rows.subset([label != "neutral" for label in rows.labels])
    names = tuple(name for name in rows.names if name != "neutral")
    return Labelled(
        ids=kept.ids,
        names=names,
        held=kept.held,
        language=kept.language,
        source=kept.source,
        texts=kept.texts,
        labels=kept.labels,
    )


TASKS: Mapping[str, Task] = MappingProxyType(
    {
        "sentiment": _of_ours("sentiment", datasets.sentiment, "sentiment"),
        "polarity": _of_ours("polarity", _polarity, "sentiment"),
        "nli": _of_ours("nli", datasets.nli, "nli"),
        "ner": _of_ours("ner", datasets.ner, "ner", "entity_f1"),
    }
)


def task(what: str | Task) -> Task:
    """Return a task of the course by name; one of your own as it is.

    Raises:
        TransferError: there is no such task.
    """
    if isinstance(what, Task):
        return what
    if what not in TASKS:
        raise TransferError(
            f"there is no task {what!r}",
            f"choose among {', '.join(TASKS)}, or give a Task(name, load, metric) of your own",
        )
    return TASKS[what]


# ── rows ─────────────────────────────────────────────────────────────────────────────────


def rows(of: Task, language: str, split: str, limit: int | None = None) -> Table:
    """Return the rows of a task, the first `limit` of a fixed shuffle where there are more.

    Raises:
        TransferError: there are none, or they are not of the kind that the metric needs.
    """
    table = of.load(language, split)
    if not isinstance(table, Tagged if of.of_words else Labelled | Pairs):
        wanted = "a Tagged table" if of.of_words else "a Labelled or a Pairs table"
        raise TransferError(
            f"{of.name} in {name_of(language)} gives a {type(table).__name__}, and "
            f"{of.metric} is measured on {wanted}",
            "correct the metric or the function that loads it",
        )
    if not len(table):
        raise TransferError(
            f"{of.name} has no rows in {name_of(language)}, {split}",
            "choose another split or language",
        )
    if limit is not None and len(table) > limit:
        # The same rows in every language where ids run through all: the order is the ids' own.
        order = np.random.default_rng(0).permutation(len(table))[:limit]
        return table.subset([table.ids[i] for i in sorted(order)])
    return table


def training_rows(of: Task, language: str) -> Table:
    """Return what is trained on, as many rows as the settings say.

    Raises:
        TransferError: as `rows`; all rows have the same label.
    """
    return rows(of, language, "train", settings.current().row_limits()[0])


def test_rows(of: Task, language: str) -> Table:
    """Return what is tested on, as many rows as the settings say.

    Raises:
        TransferError: as `rows`.
    """
    return rows(of, language, "test", settings.current().row_limits()[1])


def inputs(table: Table) -> Sequence[Any]:
    """Return what a model reads of each row: a text, a pair of texts, or words."""
    if isinstance(table, Tagged):
        return table.sentences
    return table.pairs if isinstance(table, Pairs) else cast(Labelled, table).texts


def labels(table: Table) -> Sequence[Any]:
    """Return what a model should answer for each row: a class, or a tag for each word."""
    return table.tags if isinstance(table, Tagged) else cast("Labelled | Pairs", table).labels


def texts(table: Table) -> list[str]:
    """Return each row as one text."""
    if isinstance(table, Pairs):
        return [f"{premise} {hypothesis}" for premise, hypothesis in table.pairs]
    return list(cast("Labelled | Tagged", table).texts)


def same_labels(of: Task, tables: Iterable[Table]) -> tuple[str, ...]:
    """Return the labels that all tables have, in the order of the first.

    Raises:
        TransferError: a language has others, so that one head cannot answer for both.
    """
    first, *others = tables
    for table in others:
        if set(table.names) != set(first.names):
            raise TransferError(
                f"{of.name} has the labels {_listed(first.names)} in {name_of(first.language)} "
                f"and {_listed(table.names)} in {name_of(table.language)}",
                "bring both to one set of labels before you load them",
            )
    return first.names


def known(of: Task, codes: Sequence[str], what: str) -> list[str]:
    """Return codes of languages, each once and with data.

    Raises:
        TransferError: none is given, one is given twice, or the task does not have it.
    """
    if isinstance(codes, str):
        raise TransferError(f"{what} is the text {codes!r}", f'give a list: ["{codes}"]')
    found = list(codes)
    if not found:
        raise TransferError(f"{what} is empty", "name a language at least")
    for code in found:
        if found.count(code) > 1:
            raise TransferError(f"{what} names {code!r} twice", "name each language once")
        if of.languages is not None and code not in {*of.available(), *of.contributed()}:
            raise TransferError(
                f"{of.name} has no language {code!r}", f"it has {', '.join(of.available())}"
            )
    return found


def name_of(code: str) -> str:
    """Return the English name of a language; the code itself for one without a card."""
    try:
        return languages.name(code)
    except languages.UnknownLanguageError:
        return code


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)
