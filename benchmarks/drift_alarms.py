"""How often drift alarms fire, without a change and with one, by simulation.

    python benchmarks/drift_alarms.py --write benchmarks/drift_alarms.md

Streams: a reference of 500 answers, then windows of 200, as `Monitor` has them. Confidences are
Beta(8, 2), labels of three classes come with 35, 25 and 40 %, agreement with later labels is
85 %; answers are independent of each other, but for the last table. The level of each test is a
third of `Monitor`'s 1e-4 where nothing else is said. Intervals are Wilson's.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import _common
import numpy as np

from xlhelpers.alignment.evaluation import wilson
from xlhelpers.serving import drift
from xlhelpers.serving.drift import Comparison

REFERENCE, WINDOW, WINDOWS = 500, 200, 30
SHARES = np.array([0.35, 0.25, 0.4])
LEVEL = 1e-4 / 3
Rng = np.random.Generator


def confidence(rng: Rng, old: np.ndarray, mean: float = 0.8) -> Comparison:
    """A window of confidences of a mean against a reference."""
    return drift.confidences(rng.beta(10 * mean, 10 * (1 - mean), WINDOW), old)


def labels(rng: Rng, old: np.ndarray, moved: float = 0.0) -> Comparison:
    """A window of labels, a share of which moved from the last class to the first."""
    new = rng.multinomial(WINDOW, SHARES + [moved, 0, -moved])
    return drift.counts(dict(enumerate(new)), dict(enumerate(old)))


def agreement(rng: Rng, old: int, right: float = 0.85) -> Comparison:
    """A window of later labels, predicted as often as `right`."""
    return drift.agreement(int(rng.binomial(WINDOW, right)), WINDOW, old, REFERENCE)


def references(rng: Rng) -> tuple[np.ndarray, np.ndarray, int]:
    """A reference for each of the three."""
    return (
        rng.beta(8, 2, REFERENCE),
        rng.multinomial(REFERENCE, SHARES),
        int(rng.binomial(REFERENCE, 0.85)),
    )


def share(fired: Iterable[bool]) -> str:
    """How many fired, and the percentage with its interval."""
    rows = list(fired)
    low, high = wilson(sum(rows), len(rows))
    ends = f"{100 * max(low, 0):.3f} to {100 * high:.3f}"
    percent = f"{100 * sum(rows) / len(rows):.3f} % ({ends})"
    return f"{sum(rows)} of {len(rows)}, {percent}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def quiet(rng: Rng, streams: int) -> str:
    """Streams without a change."""
    rows = []
    for _ in range(streams):
        old = references(rng)
        rows.append(
            [
                (confidence(rng, old[0]), labels(rng, old[1]), agreement(rng, old[2]))
                for _ in range(WINDOWS)
            ]
        )
    names = ("confidence", "labels", "agreement")
    flat = [window for stream in rows for window in stream]
    body = [
        [f"p below {level:.2g}", *(share(one[i].p < level for one in flat) for i in range(3))]
        for level in (0.05, 0.01, 0.001, LEVEL)
    ]
    body += [
        [f"PSI above {least}", *(share(one[i].psi > least for one in flat) for i in range(2)), "–"]
        for least in (0.1, 0.25)
    ]
    any_fired = share(any(one.p < LEVEL for w in stream for one in w) for stream in rows)
    mean = np.mean([one[0].psi for one in flat])
    expected = 9 * (1 / WINDOW + 1 / REFERENCE)
    return (
        table(["fires if", *names], body)
        + f"\n\nStreams of {WINDOWS} windows with any alarm at the usual level: {any_fired}. "
        f"Mean PSI of confidences {mean:.3f}; (bins - 1)(1/n + 1/m) is {expected:.3f}."
    )


def planted(rng: Rng, streams: int) -> str:
    """The first window after a change."""
    body = []
    cases: list[tuple[str, Callable[[tuple[np.ndarray, np.ndarray, int]], Comparison]]] = []
    for mean in (0.78, 0.75, 0.7, 0.65):
        cases.append((f"confidence 0.80 to {mean}", lambda r, m=mean: confidence(rng, r[0], m)))
    for moved in (0.1, 0.15, 0.2, 0.3):
        cases.append((f"{moved} of the labels move", lambda r, m=moved: labels(rng, r[1], m)))
    for right in (0.8, 0.75, 0.7, 0.6):
        cases.append((f"agreement 0.85 to {right}", lambda r, a=right: agreement(rng, r[2], a)))
    for name, case in cases:
        found = [case(references(rng)) for _ in range(streams)]
        body.append([name, share(one.p < LEVEL for one in found)])
    return table(["change", "windows that fire"], body)


def repeated(rng: Rng, streams: int) -> str:
    """No change, but every answer comes several times in a row."""
    body = []
    for times in (1, 2, 5):
        fired = []
        for _ in range(streams):
            new, old = (np.repeat(rng.beta(8, 2, n // times), times) for n in (WINDOW, REFERENCE))
            fired.append(drift.confidences(new, old).p < LEVEL)
        body.append([str(times), share(fired)])
    return table(["times each answer comes", "windows that fire"], body)


def main() -> None:
    made = argparse.ArgumentParser(description=__doc__)
    made.add_argument("--write", type=Path, help="file for the tables")
    made.add_argument("--streams", type=int, default=1000)
    options = made.parse_args()
    rng = np.random.default_rng(0)
    text = "\n\n".join(
        [
            "# Drift alarms, simulated",
            f"`python benchmarks/drift_alarms.py`, {options.streams} streams, seed 0. "
            f"{_common.machine(1).partition(' Medians')[0]}",
            f"## Without a change: {WINDOWS} windows a stream",
            quiet(rng, options.streams),
            "## With a change: the first window after it",
            planted(rng, options.streams),
            "## Without a change, but answers that repeat",
            repeated(rng, options.streams),
        ]
    )
    print(text)
    if options.write is not None:
        options.write.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
