"""What notebook 06 reads of augmentation and active learning: computed here, committed.

Every run is kept in the cache as soon as it is done, so an interrupted build goes on.
"""

from __future__ import annotations

import functools
import operator
import random
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np

from xlhelpers import active_learning, datasets, transfer
from xlhelpers.augmentation import UnchangedWarning, augment, origin
from xlhelpers.datasets import Table
from xlhelpers.transfer import Learner, Results, Run

MODEL = "InfoXLM"
# The language that the model has read least of.
SCARCE = "sw"
ROWS = (50,)
COPIES = 2
DRAWS = 12
SEEDS = (0, 1, 2)
# "none" is what all are compared with, "duplicates" has as many updates and nothing new.
WAYS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "polarity": (
            "none",
            "duplicates",
            "deletion",
            "swap",
            "dictionary",
            "order",
            "back-translation",
        ),
        "ner": ("none", "duplicates", "deletion", "swap", "dictionary", "order", "mentions"),
    }
)
# Rows of the experiment on splitting, and how many times it is done.
TO_SPLIT, SPLITS, TESTED = 50, 20, 0.2
BEFORE, AFTER = "augment, then split", "split, then augment"
# Labels at which a model is trained. With two classes all measures of uncertainty rank alike, so
# that one of them stands for all.
CHOSEN: Mapping[str, tuple[str, tuple[str, ...], tuple[int, ...]]] = MappingProxyType(
    {
        "ner": (
            "de",
            ("random", "entropy", "margin", "diversity", "uncertain and diverse"),
            (20, 40, 80, 120, 160),
        ),
        "polarity": (
            SCARCE,
            ("random", "entropy", "diversity", "uncertain and diverse"),
            (20, 60, 120, 200),
        ),
    }
)
POOL, REPEATS = 400, 10


def augmentation(ways: Mapping[str, Sequence[str]] = WAYS) -> Results:
    """Return what augmenting 50 labelled rows of Swahili brings, way by way."""
    return functools.reduce(
        operator.add,
        (Results(_augmented(task, names, rows)) for task, names in ways.items() for rows in ROWS),
    )


def _augmented(on: str, names: Sequence[str], rows: int) -> Iterator[Run]:
    of = transfer.task(on)
    train, test = of.load(SCARCE, "train"), of.load(SCARCE, "test")
    learner = Learner(MODEL, of, train.names)
    for name in names:
        for draw in range(DRAWS):
            few = drawn(train, rows, draw)
            more = few if name == "none" else more_of(few, name, draw)
            yield _run(learner, name, more, {SCARCE: test}, rows, draw)[SCARCE]


def drawn(table: Table, rows: int, draw: int) -> Table:
    """Return the first rows of a shuffle, so that larger draws hold the smaller ones."""
    order = np.random.default_rng([draw, len(table)]).permutation(len(table))
    return table.subset([table.ids[i] for i in order[:rows]])


def more_of(few: Table, name: str, draw: int) -> Table:
    """Return rows and copies that were changed in one way."""
    how: dict[str, Any] = {}
    if name == "dictionary":
        how["lexicon"] = datasets.world_lexicon(few.language, "en")
    if name == "back-translation":
        how["through"] = _translators(few.language)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnchangedWarning)  # `audit` counts them in the notebook
        return augment(few, name, COPIES, seed=draw, **how)


@functools.cache
def _translators(language: str) -> list[tuple[Any, Any]]:
    """Return two ways there and back: the likeliest translations, and a wider search."""
    from xlhelpers.translation import Translator

    return [
        (Translator(language, "en", beams=beams), Translator("en", language, beams=beams))
        for beams in (1, 4)
    ]


def split() -> Results:
    """Return what is measured where copies are made before and after the split."""
    of = transfer.task("polarity")
    train, test = of.load(SCARCE, "train"), of.load(SCARCE, "test")
    learner = Learner(MODEL, of, train.names)
    runs = []
    for draw in range(SPLITS):
        for order in (BEFORE, AFTER):
            learned, own = parts(drawn(train, TO_SPLIT, draw), order, draw)
            tests = {"own test": own, "real test": test}
            made = _run(learner, order, learned, tests, TO_SPLIT, draw)
            runs += [replace(run, strategy=f"{order}: {name}") for name, run in made.items()]
    return Results(runs)


def parts(few: Table, order: str, draw: int) -> tuple[Table, Table]:
    """Return (training rows, test rows), augmented before the split or after it."""
    rng = random.Random(draw)
    whole = more_of(few, "deletion", draw)
    if order == BEFORE:
        tested = set(rng.sample(whole.ids, round(TESTED * len(whole))))
        return (
            whole.subset([id_ not in tested for id_ in whole.ids]),
            whole.subset([id_ in tested for id_ in whole.ids]),
        )
    tested = set(rng.sample(few.ids, round(TESTED * len(few))))
    return (
        whole.subset([origin(id_) not in tested for id_ in whole.ids]),
        few.subset([id_ in tested for id_ in few.ids]),
    )


def active(tasks: Sequence[str] = tuple(CHOSEN)) -> Results:
    """Return learning curves of ways to choose what is labelled next."""
    return functools.reduce(operator.add, map(_chosen, tasks))


def _chosen(on: str) -> Results:
    language, strategies, budgets = CHOSEN[on]
    return active_learning.simulate(
        MODEL,
        on,
        language,
        strategies=strategies,
        budgets=budgets,
        draws=REPEATS,
        seeds=SEEDS,
        pool=POOL,
    )


def _run(
    learner: Learner,
    name: str,
    rows: Table,
    tests: Mapping[str, Table],
    shots: int,
    draw: int,
) -> dict[str, Run]:
    """Train a new head and the body on some rows; return one run a test set."""
    seed = SEEDS[draw % len(SEEDS)]
    how = learner.training.few(len(rows), fresh=True)
    make = partial(_fit, learner, rows, how, seed)
    kept = {"augmented": True, "seed": seed, "how": asdict(how)}
    answers = learner.answers(kept, [rows], make, tests)
    return {
        code: Run(
            learner.checkpoint.name,
            learner.task.name,
            name,
            rows.language,
            rows.language,
            shots,
            draw,
            seed,
            len(rows),
            said.seconds,
            said.outcomes,
        )
        for code, said in answers.items()
    }


def _fit(learner: Learner, rows: Table, how: transfer.Training, seed: int) -> Any:
    return learner.fit(learner.fresh(), [rows], how, seed)
