"""Which settings of self-learning? Chosen inside the training dictionaries, test words unread.

    python benchmarks/selflearning_settings.py [--seeds 0 1 2] [--only NAME ...] [LANGUAGE ...]

The fold is that of `recipes.py`: the last third of the training stems is asked (P@1 with CSLS),
the 25 seed pairs are the most frequent words of the other two. Every setting runs from these 25
pairs and from none; powers of the profiles matter, and are compared, from none only.

The rule, written down before the first run:

1. A setting's mean is over languages, starts and seeds, each run counted alike. Its interval and
   that of its difference from the present default come from resampling languages, then their
   words (2,000 times); a word is drawn with all its answers, so that differences are paired.
2. After each seed, settings whose difference from the default lies wholly below zero are left
   out of the next one, to save time.
3. The default stays unless a setting's difference from it lies wholly above zero. Of several
   such settings that overlap with the best of them the cheapest in CPU seconds is chosen.

About twenty comparisons at 95 % let one through by chance now and then: a change that is found
here should be small in cost, and it is checked on the test words once, after the choice.
One seed of everything takes about 11 CPU minutes. Every run is kept in
`selflearning_settings.json` of the folder and not made again. Prints Markdown. It replaces
private parts of `selflearning` for settings that `Schedule` cannot say.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import _common
import numpy as np
from numpy.typing import NDArray
from recipes import fold

from xlhelpers import alignment, datasets, embeddings, files
from xlhelpers.alignment import selflearning
from xlhelpers.alignment.mapping import pair_rows
from xlhelpers.embeddings import WordVectors

# Swahili is left out: without a dictionary our runs fail there, whatever has been tried, and a
# choice between failures is none.
LANGUAGES = ("fi", "zh", "de", "ru", "fr", "es")
STARTS = ("25 pairs", "none")
WORDS = 6000
SEED_PAIRS = 25
RESAMPLES = 2000
DEFAULT = "present default"
# The defaults in force when this was written, not those of `Schedule`: the table must not
# change its meaning with them.
BASE = alignment.Schedule(
    vocabulary=2000, keep=0.1, growth=2.0, patience=3, weighting=0.5, trust=1.0, finish=2
)


@dataclass(frozen=True)
class Setting:
    """A schedule, and the two choices that stand outside it."""

    schedule: alignment.Schedule = BASE
    power: float = 2.0
    weighted_finish: bool = False

    @property
    def starts(self) -> tuple[str, ...]:
        """The starts for which this setting means something of its own."""
        return STARTS if self.power == Setting.power else STARTS[1:]


def _with(**changes: Any) -> Setting:
    return Setting(replace(BASE, **changes))


SETTINGS = {
    DEFAULT: Setting(),
    "weighting 0 (plain rotations)": _with(weighting=0.0),
    "weighting 0.25": _with(weighting=0.25),
    "weighting 1": _with(weighting=1.0),
    "patience 2": _with(patience=2),
    "patience 5": _with(patience=5),
    "finish 0": _with(finish=0),
    "finish 1": _with(finish=1),
    "finish 4": _with(finish=4),
    "finish weighted": Setting(weighted_finish=True),
    "vocabulary 1,000": _with(vocabulary=1000),
    "vocabulary 3,000": _with(vocabulary=3000),
    "keep 0.3": _with(keep=0.3),
    "growth 4": _with(growth=4.0),
    "profiles to the power 1": Setting(power=1.0),
    "profiles to the power 3": Setting(power=3.0),
    "weighting 0, power 1 (as published)": Setting(replace(BASE, weighting=0.0), power=1.0),
}

# (setting, language, start, seed) -> {"hits": one 0 or 1 a word, "cpu": seconds}
Runs = dict[tuple[str, str, str, int], dict[str, Any]]


# ── running ──────────────────────────────────────────────────────────────────────────────


class Bench:
    """One language: its vectors, seed pairs and questions, all from the training side."""

    def __init__(self, language: str) -> None:
        self.source = embeddings.load("en", WORDS).normalised()
        self.target = embeddings.load(language, WORDS).normalised()
        entries = datasets.lexicon("en", language, "train").without(names=True, identical=True)
        pairs = entries.pairs(self.source, self.target)
        learn = {a: (a, b) for a, b in reversed(pairs) if fold(a)}
        frequent = sorted(learn, key=self.source.index.__getitem__)[:SEED_PAIRS]
        self.pairs = pair_rows(self.source, self.target, [learn[word] for word in frequent])
        self.asked = {e.word: e.translations for e in entries if not fold(e.word)}
        self._climbed: dict[Any, tuple[Any, float]] = {}

    def run(self, setting: Setting, start: str, seed: int) -> dict[str, Any]:
        """Learn, and ask."""
        rows = self.pairs if start == STARTS[0] else None
        begin = time.process_time()
        with ExitStack() as stack:
            for name, value in self._parts(setting, start, seed).items():
                stack.enter_context(patch.object(selflearning, name, value))
            learned = selflearning._run(
                self.source.matrix,
                self.target.matrix,
                rows,
                setting.schedule,
                "reweighted",
                seed,
                0,
            )
        cpu = time.process_time() - begin + self._saved
        return {"hits": self._hits(*learned.apply(self.source, self.target)), "cpu": cpu}

    def _parts(self, setting: Setting, start: str, seed: int) -> dict[str, Any]:
        """What is put in place of the module's own parts."""
        align, climb = selflearning._align, selflearning._climb
        # Settings that differ in the finish only share all that comes before it.
        before = replace(setting.schedule, finish=0), setting.power, start, seed
        self._saved = 0.0

        def climb_once(*arguments: Any) -> Any:
            if before in self._climbed:
                result, self._saved = self._climbed[before]
                return result
            begin = time.process_time()
            result = climb(*arguments)
            self._climbed[before] = result, time.process_time() - begin
            return result

        def align_weighted(*arguments: Any) -> Any:
            *others, weighting = arguments
            return align(*others, weighting or setting.schedule.weighting)

        parts: dict[str, Any] = {"_POWERS": (setting.power,), "_climb": climb_once}
        return parts | ({"_align": align_weighted} if setting.weighted_finish else {})

    def _hits(self, moved: WordVectors, still: WordVectors) -> str:
        found = alignment.evaluate(moved, still, self.asked, retrieval="csls", ks=(1,), resamples=1)
        return "".join("1" if rank == 1 else "0" for rank in found.ranks["csls"])


def race(
    names: Sequence[str], languages: Sequence[str], seeds: Sequence[int], kept: Path
) -> tuple[Runs, list[str]]:
    """Run every setting with the first seed, and those still in the race with the next ones."""
    runs, left = load(kept), list(names)
    for turn, seed in enumerate(seeds):
        for language in languages:
            bench = Bench(language)
            for name in left:
                for start in SETTINGS[name].starts:
                    key = (name, language, start, seed)
                    if key not in runs:
                        runs[key] = bench.run(SETTINGS[name], start, seed)
            save(runs, kept)
            print(f"seed {seed}, {language}: done", flush=True)
        so_far = Comparison(runs, languages, seeds[: turn + 1])
        if turn + 1 < len(seeds):
            left = [n for n in left if n == DEFAULT or so_far.difference(n).high >= 0]
    return runs, left


def load(kept: Path) -> Runs:
    """Runs of earlier calls."""
    if not kept.exists():
        return {}
    rows = json.loads(kept.read_text(encoding="utf-8"))
    return {(a, b, c, d): {"hits": hits, "cpu": cpu} for a, b, c, d, hits, cpu in rows}


def save(runs: Runs, kept: Path) -> None:
    rows = [[*key, run["hits"], round(run["cpu"], 3)] for key, run in runs.items()]
    files.write_text(kept, json.dumps(rows) + "\n")


# ── comparing ────────────────────────────────────────────────────────────────────────────


class Comparison:
    """Means with intervals, in points of P@1, from one set of resampled languages and words."""

    def __init__(self, runs: Runs, languages: Sequence[str], seeds: Sequence[int]) -> None:
        self.runs, self.languages, self.seeds = runs, languages, seeds

    def score(self, name: str, starts: Sequence[str] = STARTS) -> alignment.Score:
        """Mean P@1 of a setting over languages, starts and seeds."""
        return self._resampled(lambda language: self._answers(name, language, starts))

    def difference(self, name: str, starts: Sequence[str] = STARTS) -> alignment.Score:
        """Mean difference from the default over the starts that the setting has, paired."""
        return self._resampled(
            lambda language: (
                self._answers(name, language, starts)
                - self._answers(DEFAULT, language, self._own(name, starts))
            )
        )

    def lowest(self, name: str) -> tuple[float, str]:
        """P@1 of the worst run, and its language: means hide a failure."""
        return min(
            (float(self._answers(name, language, [start], [seed]).mean()), language)
            for language in self.languages
            for start in SETTINGS[name].starts
            for seed in self.seeds
        )

    def cpu(self, name: str) -> float:
        """Mean CPU seconds of a run."""
        mine = [
            run["cpu"]
            for (setting, language, _, seed), run in self.runs.items()
            if setting == name and language in self.languages and seed in self.seeds
        ]
        return float(np.mean(mine))

    def _own(self, name: str, starts: Sequence[str]) -> list[str]:
        return [start for start in starts if start in SETTINGS[name].starts]

    def _answers(
        self, name: str, language: str, starts: Sequence[str], seeds: Sequence[int] | None = None
    ) -> NDArray[np.float64]:
        """Each word's share of right answers, in per cent."""
        starts, seeds = self._own(name, starts), seeds or self.seeds
        keys = [(name, language, start, seed) for start in starts for seed in seeds]
        hits = [[100.0 * int(hit) for hit in self.runs[key]["hits"]] for key in keys]
        return np.mean(hits, axis=0)

    def _resampled(self, answers: Callable[[str], NDArray[np.float64]]) -> alignment.Score:
        of = [answers(language) for language in self.languages]
        rng = np.random.default_rng(0)
        # A resampled mean of each language, many times; then languages are drawn from these.
        means = np.stack(
            [a[rng.integers(0, len(a), (RESAMPLES, len(a)))].mean(axis=1) for a in of], axis=1
        )
        drawn = rng.integers(0, len(of), means.shape)
        low, high = np.percentile(np.take_along_axis(means, drawn, 1).mean(axis=1), [2.5, 97.5])
        return alignment.Score(float(np.mean([a.mean() for a in of])), float(low), float(high))


def table(found: Comparison, names: Sequence[str]) -> str:
    """One row a setting."""
    head = ["setting", *STARTS, "difference from the default", "lowest run", "CPU seconds"]
    lines = [head, ["---"] * len(head)]
    for name in names:
        own = SETTINGS[name].starts
        cells = [_cell(found.score(name, [s]), ".1f") if s in own else "–" for s in STARTS]
        difference = "–" if name == DEFAULT else _cell(found.difference(name), "+.1f")
        value, language = found.lowest(name)
        lines.append([name, *cells, difference, f"{value:.0f} ({language})"])
        lines[-1].append(f"{found.cpu(name):.1f}")
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _cell(score: alignment.Score, form: str) -> str:
    return f"{score.value:{form}} [{score.low:{form}}, {score.high:{form}}]"


def choice(found: Comparison, names: Sequence[str]) -> str:
    """Apply the third rule."""
    better = [n for n in names if n != DEFAULT and found.difference(n).low > 0]
    if not better:
        return DEFAULT
    best = max(better, key=lambda n: found.difference(n).value)
    level = [n for n in better if found.difference(n).high >= found.difference(best).low]
    return min(level, key=found.cpu)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("languages", nargs="*", default=list(LANGUAGES))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--only", nargs="+", choices=list(SETTINGS), default=list(SETTINGS))
    parser.add_argument("--folder", type=Path, default=_common.ROOT / "build" / "benchmarks")
    options = parser.parse_args()
    kept = options.folder / "selflearning_settings.json"
    names = list(dict.fromkeys([DEFAULT, *options.only]))
    runs, left = race(names, options.languages, options.seeds, kept)
    found = Comparison(runs, options.languages, options.seeds[:1])
    print(f"\nSeed {options.seeds[0]}, all settings.\n\n{table(found, names)}")
    if len(options.seeds) > 1:
        found = Comparison(runs, options.languages, options.seeds)
        print(f"\nSeeds {options.seeds}, what was left.\n\n{table(found, left)}")
    print(f"\nChosen: {choice(found, left)}")


if __name__ == "__main__":
    main()
