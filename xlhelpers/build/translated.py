"""What notebook 07 reads of translation in transfer: computed here, committed, read there.

`data/transfer/translation.csv.gz` holds every run with its outcomes (`transfer.committed`), and
`data/translation/costs.csv` what each way costs (`translation.measured_costs`).
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from xlhelpers import assets, files, settings, translation
from xlhelpers.transfer import Results
from xlhelpers.translation import APPROACHES
from xlhelpers.translation.words import Method

NAME = "translation"
MODEL = "InfoXLM"
SOURCE, TARGETS = "en", ("de", "zh", "sw")
SEEDS = (0, 1, 2)
# Of names there is no ensemble: the two models read other words.
WAYS = {"polarity": APPROACHES, "ner": tuple(w for w in APPROACHES if w != "ensemble")}
# One will do: what a way costs hardly depends on the language.
COSTS_IN = ("de",)
COSTS = "translation/costs.csv"
# By `projection_error` on development rows, ahead of "mutual" in all three languages, and best in
# Chinese, whose translations are cut into characters; "itermax" is best in German and Swahili.
METHOD: Method = "grow"


def runs() -> Results:
    """Return every way to use English labels in three languages, of opinions and of names."""
    found = [
        translation.compare(
            MODEL, task, SOURCE, TARGETS, strategies=ways, seeds=SEEDS, method=METHOD
        )
        for task, ways in WAYS.items()
    ]
    return found[0] + found[1]


def costs() -> pd.DataFrame:
    """Return what each way costs, on one thread, one row a way and language."""
    before = settings.current()
    settings.use(threads=1)
    try:
        tables = {
            code: translation.costs(MODEL, "polarity", SOURCE, code).reset_index()
            for code in COSTS_IN
        }
    finally:
        settings.use(threads=before.threads)
    return pd.concat(
        [table.assign(target=code) for code, table in tables.items()], ignore_index=True
    ).round(3)


def translated_step() -> str:
    """Compute the runs and the costs and register both; return one line on how much there is."""
    found, paid = runs(), costs()
    data = settings.current().data
    file = found.save(data / "transfer" / f"{NAME}.csv.gz")
    _register(file, "zero-shot, translate-train, translate-test and more, with outcomes")
    files.write_text(data / COSTS, paid.to_csv(index=False, lineterminator="\n"))
    _register(data / COSTS, "what each way costs: seconds, milliseconds a request, parameters")
    return f"{len(found):,} runs, {file.stat().st_size / 1e3:.0f} kB; {len(paid)} costs"


def _register(file: Path, note: str) -> None:
    assets.register(
        file,
        kind="shipped",
        licence="CC BY 4.0",
        origin=f"python3 course.py build transfer/{NAME}",
        note=note,
    )
