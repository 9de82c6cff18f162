"""Whether what is tested on has been trained on: the same row, or the same text."""

from __future__ import annotations

import unicodedata
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from xlhelpers.datasets import Table
from xlhelpers.transfer.tasks import TransferError, name_of, texts


class LeakageError(TransferError):
    """Rows that are tested on have been trained on."""


class LeakageWarning(UserWarning):
    """Rows were left out of training because they are tested on."""


@dataclass(frozen=True, slots=True)
class Leak:
    """One test row that training has, and where.

    Attributes:
        kind: `"text"` (the same words) or `"id"` (the same row: a translation, where ids run
            through the languages).
        train, test: (language, id) on both sides.
        text: of the test row.
    """

    kind: Literal["text", "id"]
    train: tuple[str, str]
    test: tuple[str, str]
    text: str

    def __str__(self) -> str:
        said = "the words" if self.kind == "text" else "the id"
        return (
            f"{self.test[1]} ({name_of(self.test[0])}) has {said} of {self.train[1]} "
            f"({name_of(self.train[0])}) in training: {self.text:.60}"
        )


def normalised(text: str) -> str:
    """Return a text without what does not make it another one: case, width, blanks."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def find_leaks(train: Table | Iterable[Table], test: Table | Iterable[Table]) -> list[Leak]:
    """Return every test row whose words or whose id training has, in any language.

    A translation of a test row in training is a leak as well: what it says and its label are
    known then. Ids find it where they run through the languages. They accuse wrongly where each
    file counts its rows from zero: put the split into such ids.

    Args:
        train, test: tables of any kind, one or several.
    """
    first_said: dict[str, tuple[str, str]] = {}
    first_id: dict[str, tuple[str, str]] = {}
    for table in _tables(train):
        for id_, text in zip(table.ids, texts(table), strict=True):
            first_said.setdefault(normalised(text), (table.language, id_))
            first_id.setdefault(id_, (table.language, id_))
    found = []
    for table in _tables(test):
        for id_, text in zip(table.ids, texts(table), strict=True):
            here, words = (table.language, id_), normalised(text)
            if words in first_said:
                found.append(Leak("text", first_said[words], here, text))
            elif id_ in first_id:
                found.append(Leak("id", first_id[id_], here, text))
    return found


def refuse_leaks(train: Sequence[Table], test: Sequence[Table], leaks: str) -> list[Table]:
    """Return the training tables, without what leaks where that is wanted.

    Args:
        leaks: `"refuse"`, or `"drop"` to leave the rows out of training and say how many.

    Raises:
        LeakageError: something leaks and is not to be dropped.
        TransferError: `leaks` is something else.
    """
    if leaks not in ("refuse", "drop"):
        raise TransferError(f"leaks is {leaks!r}", 'choose "refuse" or "drop"')
    found = find_leaks(train, test)
    if not found:
        return list(train)
    if leaks == "refuse":
        raise LeakageError(
            f"{len(found)} test rows have been trained on, such as {found[0]}",
            'split by id before anything else, or leave them out of training: leaks="drop"',
        )
    said = {normalised(leak.text) for leak in found}
    ids = {leak.test[1] for leak in found}
    return [_without(table, said, ids) for table in train]


def _without(table: Table, said: set[str], ids: set[str]) -> Table:
    both = zip(table.ids, texts(table), strict=True)
    kept = [id_ not in ids and normalised(text) not in said for id_, text in both]
    lost = len(kept) - sum(kept)
    if not lost:
        return table
    if lost == len(kept):
        raise LeakageError(
            f"every training row of {name_of(table.language)} is tested on",
            "use another split for one of the two",
        )
    warnings.warn(
        f"{lost} of {len(kept)} training rows of {name_of(table.language)} are left out: they "
        "are tested on",
        LeakageWarning,
        stacklevel=4,
    )
    return table.subset(kept)


def _tables(given: Table | Iterable[Table]) -> list[Table]:
    return [given] if isinstance(given, Table) else list(given)
