"""Transfer results that take longer than a notebook may: computed here, committed, read there.

`data/transfer/<name>.csv.gz` holds every run with its outcomes row by row, so a notebook makes
its own tables and intervals of them; `xl.transfer.committed(name)` reads it. What has been
computed is kept in the cache, so an interrupted build goes on.
"""

from __future__ import annotations

import functools
import itertools
import operator
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType

from xlhelpers import assets, finetuning, settings, transfer
from xlhelpers.build import lowresource
from xlhelpers.transfer import Results

MODEL = "InfoXLM"
NEAR, FAR = "de", "hi"
# As they stand in a matrix: relatives side by side.
BY_FAMILY = tuple("en nl de fr es pt ru hi ar zh sw yo".split())
# Of the languages with a model's text; for what learns from several.
OTHERS = ("es", "ru", "sw")
DRAWS = 12
# Ids kept for shots. Entities have 600 rows to train on: half of them are left to the source.
POOLS = {"ner": 300, "polarity": 500}
# The usual one first, which all other experiments go on with.
RATES = (finetuning.RATE_SMALL, 1e-4, 2e-5)
# Costs are of one draw on one thread; nothing else should run on the machine meanwhile.
COSTS = "costs"


def matrix() -> Results:
    """Return all languages as sources and targets, for opinions and for entities.

    From English also what zero-shot is compared with: baselines, and supervised (the diagonal).
    """
    found = []
    for task in ("polarity", "ner"):
        seeds = (0, 1, 2)
        found.append(transfer.transfer_matrix(MODEL, task, BY_FAMILY, seeds=seeds))
        found.append(
            transfer.zero_shot(
                MODEL, task, "en", BY_FAMILY, seeds=seeds, baselines=True, supervised=True
            )
        )
    return functools.reduce(operator.add, found)


def curves() -> Results:
    """Return learning curves of a near and a far language, with and without the source."""
    found = [
        transfer.few_shot(
            MODEL,
            task,
            "en",
            [NEAR, FAR],
            draws=DRAWS,
            strategies=("continued", "target-only"),
            supervised=True,
            baselines=True,
            pool=POOLS[task],
        )
        for task in ("ner", "polarity")
    ]
    return found[0] + found[1]


def strategies() -> Results:
    """Return every strategy with 10 and with 100 shots, on entities."""
    return transfer.few_shot(
        MODEL,
        "ner",
        "en",
        [NEAR, FAR],
        shots=(10, 100),
        draws=DRAWS,
        strategies=tuple(transfer.STRATEGIES),
        supervised=True,
        others=OTHERS,
        second_task="polarity",
        pool=POOLS["ner"],
    )


def rates() -> Results:
    """Return what going on with shots brings at three learning rates; `model` is the rate."""
    body = transfer.checkpoint(MODEL)
    usual = transfer.Training.of(body.model)
    found = []
    for task, rate in itertools.product(("ner", "polarity"), RATES):
        found.append(
            transfer.few_shot(
                replace(body, name=f"{rate:g}"),
                task,
                "en",
                [FAR],
                shots=(10, 100),
                draws=DRAWS,
                training=replace(usual, few_rate=rate),
                pool=POOLS[task],
            )
        )
    return functools.reduce(operator.add, found)


def costs() -> Results:
    """Return one run of every strategy, timed: nothing is taken from the cache."""
    before = settings.current()
    settings.use(reuse=False, threads=1)
    try:
        return transfer.few_shot(
            MODEL,
            "ner",
            "en",
            [NEAR],
            shots=(10,),
            draws=1,
            seeds=(0,),
            strategies=tuple(transfer.STRATEGIES),
            others=OTHERS,
            second_task="polarity",
            pool=POOLS["ner"],
        )
    finally:
        settings.use(reuse=before.reuse, threads=before.threads)


def donors() -> Results:
    """Return Dutch from English and from German, with a model that has read these two alone."""
    folder = settings.current().data / "models" / "mini-xlmr-2"
    body = replace(transfer.checkpoint(folder), name=folder.name)
    found = [
        transfer.transfer_matrix(body, task, ["en", "de"], ["en", "de", "nl"], seeds=(0, 1, 2))
        for task in ("polarity", "ner")
    ]
    return found[0] + found[1]


EXPERIMENTS: Mapping[str, Callable[[], Results]] = MappingProxyType(
    {
        "matrix": matrix,
        "curves": curves,
        "strategies": strategies,
        "rates": rates,
        COSTS: costs,
        "donors": donors,
        "augmentation": lowresource.augmentation,
        "split": lowresource.split,
        "active": lowresource.active,
    }
)


def transfer_step(name: str) -> str:
    """Compute an experiment and register its file; return one line on how much there is."""
    found = EXPERIMENTS[name]()
    file = found.save(settings.current().data / "transfer" / f"{name}.csv.gz")
    assets.register(
        file,
        kind="shipped",
        licence="CC BY 4.0",
        origin=f"python3 course.py build transfer/{name}",
        note=str(EXPERIMENTS[name].__doc__).partition("\n")[0].removeprefix("Return ").rstrip("."),
    )
    return f"{len(found):,} runs, {file.stat().st_size / 1e3:.0f} kB"
