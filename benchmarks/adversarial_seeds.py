"""The adversarial game with ten seeds: on a toy where it can be won, and on real vectors.

    python benchmarks/adversarial_seeds.py --write benchmarks/adversarial_seeds

For each seed: P@1 (CSLS) on the test dictionary after the game, and after `refine` on top of it,
and the criterion that knows no dictionary. The toy is a clustered cloud of 1,000 points in 6
dimensions and the same one turned: by 0.8 and by 1.2 radians in three planes. P@1 of the toy is
over all its points. Writes a Markdown table and JSON with one row a run.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import _common

TOY_DIM = 6


def toy(angle: float) -> tuple[Any, Any, dict[str, list[str]]]:
    """A cloud, the same one turned, and the dictionary that says which point is which."""
    import numpy as np

    from xlhelpers.embeddings import WordVectors

    rng = np.random.default_rng(1)
    centres = rng.normal(size=(12, TOY_DIM)) * np.linspace(1.5, 0.5, TOY_DIM)
    members = rng.choice(12, 1000, p=rng.dirichlet(np.ones(12)))
    cloud = centres[members] + 0.3 * rng.normal(size=(1000, TOY_DIM))
    source = WordVectors([f"w{i}" for i in range(1000)], cloud).normalised()
    turn = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    basis = np.linalg.qr(rng.normal(size=(TOY_DIM, TOY_DIM)))[0]
    turned = basis @ np.kron(np.eye(TOY_DIM // 2), turn) @ basis.T
    target = WordVectors(source.words, source.matrix @ turned)
    return source, target, {word: [word] for word in source.words}


def real(language: str) -> tuple[Any, Any, dict[str, list[str]]]:
    """English, the other language, and the test dictionary without names and identical words."""
    from xlhelpers import datasets, embeddings

    lexicon = datasets.lexicon("en", language, "test").without(names=True, identical=True)
    words = {word: list(forms) for word, forms in lexicon.translations().items()}
    return embeddings.load("en").normalised(), embeddings.load(language).normalised(), words


def run(what: str, game: Any, seed: int) -> dict[str, Any]:
    """One game, and refinement on top of it."""
    from xlhelpers.alignment import adversarial, evaluate, refine

    source, target, words = toy(float(what.split()[1])) if " " in what else real(what)
    start = time.perf_counter()
    learned = adversarial(source, target, game, seed)
    seconds = time.perf_counter() - start

    def right(mapping: Any) -> float:
        scores = evaluate(*mapping.apply(source, target), words, retrieval=("csls",), resamples=2)
        return 100 * scores.scores["csls"]["P@1"].value

    row = {"spaces": what, "seed": seed, "seconds": seconds, "criterion": learned.score}
    row["p1"] = right(learned)
    if " " not in what:
        row["p1_refined"] = right(refine(source, target, learned, 5))
    return row


def table(rows: list[dict[str, Any]]) -> str:
    """One line for each pair of spaces, its runs in the order of the seeds."""
    head = ["spaces", "P@1 of each run", "after `refine`", "criterion of each run", "seconds a run"]
    lines = [head, ["---"] * len(head)]
    for what in dict.fromkeys(row["spaces"] for row in rows):
        runs = [row for row in rows if row["spaces"] == what]
        lines.append(
            [
                what,
                ", ".join(f"{row['p1']:.0f}" for row in runs),
                ", ".join(f"{row['p1_refined']:.0f}" for row in runs if "p1_refined" in row) or "–",
                ", ".join(f"{row['criterion']:.2f}" for row in runs),
                f"{sum(row['seconds'] for row in runs) / len(runs):.1f}",
            ]
        )
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--languages", nargs="*", default=["es", "fi"])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--write", type=Path, help="stem of the .md and .json files")
    options = parser.parse_args()

    import torch

    sys.path.insert(0, str(_common.ROOT))
    from xlhelpers.alignment import Game

    torch.set_num_threads(options.threads)
    short = Game(rounds=4, steps=150, batch=128, hidden=64)
    plan = [("toy 0.8", short), ("toy 1.2", short)]
    plan += [(language, Game()) for language in options.languages]
    rows = []
    for what, game in plan:
        for seed in range(options.seeds):
            rows.append(run(what, game, seed))
            print(rows[-1], flush=True)
    where = _common.machine(options.threads).split(". Medians")[0]
    text = f"{where}.\n\n{table(rows)}\n"
    print(text)
    if options.write:
        settings = {"toy": asdict(short), "languages": asdict(Game())}
        options.write.with_suffix(".md").write_text(text, encoding="utf-8")
        made = json.dumps({"settings": settings, "runs": rows}, indent=1)
        options.write.with_suffix(".json").write_text(made + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
