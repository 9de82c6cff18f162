"""CSLS retrieval of 1,500 queries in 200,000 x 300: ours, and MUSE with faiss.

    python benchmarks/retrieval.py --muse ../MUSE --peer-python ../peers/bin/python

Vectors are made, of two kinds, unless ``--source`` and ``--target`` name ``.npy`` files:
"structured" ones have a falling spectrum, clusters of very different size, a common direction and
targets that are noisy copies of source words; "gauss" has none of it but the noisy copies.
Where a contender's first choice differs from ours, both choices are scored again in float64.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import _common
from _common import Contender

NEIGHBOURS = 10


def make_vectors(kind: str, n: int, dim: int, folder: Path) -> None:
    """Source and target of one kind, unit rows, as .npy files."""
    import numpy as np

    rng = np.random.default_rng(0)
    normal = rng.standard_normal
    source = normal((n, dim), dtype=np.float32)
    spectrum = np.ones(dim, dtype=np.float32)
    if kind == "structured":
        spectrum = (np.arange(1, dim + 1) ** -0.35).astype(np.float32)
        weights = rng.pareto(1.2, 2000) + 0.1
        label = rng.choice(2000, size=n, p=weights / weights.sum())
        source *= spectrum * rng.uniform(0.7, 1.3, size=(n, 1)).astype(np.float32)
        source += 0.9 * (normal((2000, dim), dtype=np.float32) * spectrum)[label]
        common = normal(dim, dtype=np.float32) * spectrum
        source += common * rng.uniform(0.2, 1.2, size=(n, 1)).astype(np.float32)
        source -= 0.6 * source.mean(axis=0)
    lengths = np.linalg.norm(source, axis=1, keepdims=True)
    source /= lengths
    # Words of like frequency translate each other; rare words are noisier. Some source words are
    # taken twice and others never.
    rank = np.clip(np.arange(n) + rng.normal(0, n * 0.02, n), 0, n - 1).astype(int)
    levels = (0.7, 1.6) if kind == "structured" else (0.3, 1.2)
    noise = normal((n, dim), dtype=np.float32) * (spectrum / np.linalg.norm(spectrum))
    noise *= np.linspace(*levels, n, dtype=np.float32)[:, None]
    target = source[rank] + noise
    target /= np.linalg.norm(target, axis=1, keepdims=True)
    np.save(folder / f"{kind}-{n}-{dim}-source.npy", source)
    np.save(folder / f"{kind}-{n}-{dim}-target.npy", target)


def vectors(options: argparse.Namespace) -> tuple[Any, Any, Any]:
    """Source and target rows, and the rows of the queries in the source."""
    import numpy as np

    source, target = np.load(options.source), np.load(options.target)
    frequent = min(len(source), 20_000)
    queries = np.random.default_rng(1).choice(frequent, options.queries, replace=False)
    return source, target, queries


def contend_ours(options: argparse.Namespace) -> Any:
    from xlhelpers.alignment import retrieval

    source, target, queries = vectors(options)
    work = lambda: retrieval.csls_knn(source[queries], target, source)  # noqa: E731
    found, figures = _common.measured(work)
    return found.indices[:, 0], figures


def contend_muse(options: argparse.Namespace) -> Any:
    """The steps of MUSE's word-translation evaluation, with MUSE's own neighbourhood means."""
    sys.path.insert(0, str(options.muse))
    import torch
    from src import utils

    torch.set_num_threads(options.threads)
    utils.FAISS_AVAILABLE = options.contender == "muse-faiss"
    source, target, queries = (torch.from_numpy(part) for part in vectors(options))

    def work() -> Any:
        one = source / source.norm(2, 1, keepdim=True).expand_as(source)
        two = target / target.norm(2, 1, keepdim=True).expand_as(target)
        crowd_one = torch.from_numpy(utils.get_nn_avg_dist(two, one, NEIGHBOURS))
        crowd_two = torch.from_numpy(utils.get_nn_avg_dist(one, two, NEIGHBOURS))
        scores = one[queries].mm(two.transpose(0, 1)).mul_(2)
        scores.sub_(crowd_one[queries][:, None]).sub_(crowd_two[None, :])
        return scores.topk(10, 1, True)[1]

    found, figures = _common.measured(work)
    return found[:, 0].numpy(), figures


def contend(options: argparse.Namespace) -> None:
    """One contender, in its own process."""
    import numpy as np

    run = contend_ours if options.contender == "ours" else contend_muse
    best, figures = run(options)
    np.save(options.folder / f"best-{options.contender}.npy", best)
    _common.report(figures)


def compare(options: argparse.Namespace) -> None:
    """Count queries with another first choice than ours; score both choices in float64."""
    import numpy as np

    from xlhelpers.alignment import _search

    ours, theirs = (np.load(options.folder / f"best-{name}.npy") for name in options.compare)
    source, target, queries = vectors(options)
    rows = np.flatnonzero(ours != theirs)
    gap = np.zeros(1)
    if len(rows):
        judge = _search.Judge(source[queries], target, source, NEIGHBOURS, 1 << 28)
        one, two = (
            judge._exact(_search.Pairs(rows, choice[rows], np.zeros(len(rows))))
            for choice in (ours, theirs)
        )
        gap = one - two
    _common.report(
        {"wall": 0, "cpu": 0, "queries": len(ours), "differ": len(rows), "gap": float(gap.min())}
    )


def compare_all(contenders: list[Contender], arguments: list[str], threads: int) -> None:
    for contender in contenders:
        names = ["--compare", "ours", contender.name]
        one = Contender("compare", "comparison", sys.executable, [*arguments, *names], 1)
        _common.run_all(__file__, [one], threads)
        contender.results[0]["same"] = one.results[0]


def same(contender: Contender) -> str:
    """How many first choices are ours, and by how much ours are better where they differ."""
    found = contender.results[0]["same"]
    text = f"{found['queries'] - found['differ']} of {found['queries']}"
    return text + (f" (else ours better by {found['gap']:.1e} or more)" if found["differ"] else "")


def run_kind(kind: str, options: argparse.Namespace) -> None:
    """One table."""
    source, target = options.source, options.target
    if source is None:
        stem = f"{kind}-{options.words}-{options.dim}"
        source, target = (options.folder / f"{stem}-{side}.npy" for side in ("source", "target"))
        if not target.exists():
            make_vectors(kind, options.words, options.dim, options.folder)
    arguments = ["--source", str(source), "--target", str(target), "--folder", str(options.folder)]
    arguments += ["--queries", str(options.queries), "--threads", str(options.threads)]
    contenders = [Contender("ours", "xlhelpers", sys.executable, arguments, options.runs)]
    if options.muse:
        peer, runs = options.peer_python, options.peer_runs
        muse = [*arguments, "--muse", str(options.muse)]
        contenders.append(Contender("muse-faiss", "MUSE with faiss", peer, muse, runs))
        if options.without_faiss:
            contenders.append(Contender("muse-torch", "MUSE without faiss", peer, muse, runs))
    _common.run_all(__file__, contenders, options.threads)
    compare_all(contenders, arguments, options.threads)
    columns = {
        "memory beyond the vectors": lambda c: (
            f"{(c.median('peak') - c.median('before')) / 1e6:.0f} MB"
        ),
        "same first choice as ours": same,
    }
    print(f"\n{kind} vectors, {options.queries} queries, top 1 by CSLS.")
    print(_common.machine(options.threads) + "\n")
    print(_common.table(contenders, columns), flush=True)


def main() -> None:
    made = _common.parser(__doc__)
    made.add_argument("--source", type=Path, help=".npy, unit rows, already mapped")
    made.add_argument("--target", type=Path, help=".npy, unit rows")
    made.add_argument("--words", type=int, default=200_000)
    made.add_argument("--dim", type=int, default=300)
    made.add_argument("--queries", type=int, default=1500)
    made.add_argument("--kinds", nargs="+", default=["structured", "gauss"])
    made.add_argument("--without-faiss", action="store_true", help="also MUSE's torch way")
    made.add_argument("--compare", nargs=2, help=argparse.SUPPRESS)
    made.set_defaults(peer_runs=1)
    options = made.parse_args()
    if options.contender == "compare":
        compare(options)
    elif options.contender:
        contend(options)
    else:
        options.folder.mkdir(parents=True, exist_ok=True)
        for kind in ["given"] if options.source else options.kinds:
            run_kind(kind, options)


if __name__ == "__main__":
    main()
