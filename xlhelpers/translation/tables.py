"""Data sets in another language: labels and ids stay, and a row stays with its translations."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from xlhelpers.datasets import Labelled, Pairs, Table
from xlhelpers.translation.translator import Translates, TranslationError, TranslationWarning
from xlhelpers.translation.words import require_source

Rows = TypeVar("Rows", bound=Table)
Ints = NDArray[np.int64]


def translate_table(table: Rows, translator: Translates, *, progress: bool = False) -> Rows:
    """Return the rows in another language: the same ids and labels in the same order.

    Whether a label is still right is not looked at: see `negation_audit`. A text that comes out
    empty stands as it was, and how many is said, so that no row is lost and none is invented.

    Args:
        table: texts or pairs of texts in the translator's source language.
        translator: a `Translator`, a `Pivot`, or any object with `source`, `target` and
            `translate`.
        progress: show a bar where someone can see it.

    Raises:
        TranslationError: the table is in another language, holds words with tags (see
            `translate_tagged`), or the translator returns another number of texts.

    Warns:
        TranslationWarning: texts came out empty.
    """
    if not isinstance(table, Labelled | Pairs):
        raise TranslationError(
            f"a {type(table).__name__} table has a label for every word, and words change",
            "use translate_tagged, which carries the labels over",
        )
    require_source(table.language, translator)
    changes: dict[str, Any] = {"language": translator.target}
    changes["source"] = f"{table.source}, translated"
    if isinstance(table, Pairs):
        # Both sides at once: many premises come several times.
        said = _translated([*table.premises, *table.hypotheses], translator, progress)
        changes |= {"premises": said[: len(table)], "hypotheses": said[len(table) :]}
    else:
        changes["texts"] = _translated(table.texts, translator, progress)
    return replace(table, **changes)


def translate_train(
    table: Table,
    translators: Translates | Sequence[Translates],
    *,
    with_source: bool = False,
    translate: Callable[[Table, Translates], Table] | None = None,
) -> list[Table]:
    """Return what is trained on: the rows in each target language, one table a language.

    With one translator it is translate-train, with all of them and `with_source` it is
    translate-train-all (Conneau et al., 2020, ACL). Every table has all rows, each with its own
    label; ids are the same in all, so that `group_split` can keep a row and its translations
    together.

    Args:
        table: training rows in the source language.
        translators: from that language, each to another one.
        with_source: also return the rows themselves, first.
        translate: how a table is translated; left out, `translate_table`. For sentences with
            tags: `lambda rows, there: translate_tagged(rows, there, model, tokenizer)`.

    Raises:
        TranslationError: two translators have the same target; as `translate_table`.
    """
    several = list(translators) if isinstance(translators, list | tuple) else [translators]
    targets = [cast(Translates, one).target for one in several]
    if len(set(targets)) < len(targets) or not targets:
        raise TranslationError(f"the targets are {targets}", "name each language once")
    make = translate or cast("Callable[[Table, Translates], Table]", translate_table)
    made = [make(table, cast(Translates, one)) for one in several]
    return [table, *made] if with_source else made


def group_of(id_: str) -> str:
    """Return what a row and all that was made of it have in common: its id less `+1`, `+2` …"""
    return id_.partition("+")[0]


def group_split(
    ids: Sequence[str],
    test: float = 0.2,
    seed: int = 0,
    group: Callable[[str], str] = group_of,
) -> tuple[Ints, Ints]:
    """Return row numbers of a training and a test part; rows of one group are on one side.

    A sentence, its translations and its augmented copies say the same. With one in training and
    another in test, the score measures memory.

    Args:
        ids: one a row, of any number of tables one behind the other; translations have the id
            of their source.
        test: share of the groups for the test part.
        seed: of the split.
        group: what of an id tells the group.

    Raises:
        TranslationError: fewer than two groups, or no such share.
    """
    from sklearn.model_selection import GroupShuffleSplit

    groups = _groups(ids, group)
    if not 0 < test < 1:
        raise TranslationError(f"test is {test!r}", "give a share between 0 and 1, such as 0.2")
    splitter = GroupShuffleSplit(n_splits=1, test_size=test, random_state=seed)
    try:
        train_rows, test_rows = next(splitter.split(groups, groups=groups))
    except ValueError as error:  # a share so small or large that one side has no group
        raise TranslationError(
            f"test={test} of {len(set(groups))} groups leaves one side empty", "choose another"
        ) from error
    return train_rows, test_rows


def group_folds(
    ids: Sequence[str], folds: int = 5, seed: int = 0, group: Callable[[str], str] = group_of
) -> Iterator[tuple[Ints, Ints]]:
    """Yield (training, test) row numbers of a cross-validation that keeps groups whole.

    Args:
        ids, seed, group: as `group_split`.
        folds: parts; every row is tested once.

    Raises:
        TranslationError: fewer groups than folds, or fewer than two folds.
    """
    from sklearn.model_selection import GroupKFold

    groups = _groups(ids, group)
    if not 2 <= folds <= len(set(groups)):
        raise TranslationError(
            f"{folds} folds of {len(set(groups))} groups", "choose 2 folds up to as many as groups"
        )
    splitter = GroupKFold(n_splits=folds, shuffle=True, random_state=seed)
    yield from splitter.split(groups, groups=groups)


def _groups(ids: Sequence[str], group: Callable[[str], str]) -> list[str]:
    if isinstance(ids, str):
        raise TranslationError(f"ids is the text {ids!r:.40}", "give a list, such as table.ids")
    found = [group(id_) for id_ in ids]
    if len(set(found)) < 2:
        raise TranslationError(
            f"{len(found)} rows make {len(set(found))} group", "give rows of two groups at least"
        )
    return found


def _translated(texts: Sequence[str], translator: Translates, progress: bool) -> tuple[str, ...]:
    said = translator.translate(texts, progress)
    if len(said) != len(texts):
        raise TranslationError(
            f"{len(texts)} texts came back as {len(said)}", "correct the translator"
        )
    empty = [n for n, text in enumerate(said) if not text.strip()]
    if empty:
        warnings.warn(
            f"{len(empty)} of {len(texts)} texts came out empty and stand as they were, such as "
            f"{texts[empty[0]]!r:.60}",
            TranslationWarning,
            stacklevel=3,
        )
    return tuple(new if new.strip() else old for new, old in zip(said, texts, strict=True))
