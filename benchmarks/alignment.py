"""Alignment side by side: ours, VecMap and MUSE, on the course's own vectors.

    python benchmarks/alignment.py --vecmap ../vecmap --muse ../MUSE --languages es fi

Three tasks: the whole training dictionary, its 25 most frequent words, and no dictionary. Every
contender reads the same `.vec` text and writes `.vec` text; seconds and memory are those of its
whole process, start and files included. P@1 on the test words is measured by our `evaluate` on
what each has written, so one yardstick serves for all.

MUSE keeps the best of its rounds; with a dictionary it chooses by the one that it is given for
evaluation, which here, as with its own defaults, is the test dictionary: a little in its favour.
With a recent Python and torch it needs `weights_only=False` in `torch.load` (src/trainer.py) and
`getfullargspec` for `getargspec` (src/utils.py); VecMap runs
as it is. MUSE's adversarial training is shortened (`--muse-epochs`, `--muse-epoch-size`), and
the table says so.

A peer can take half an hour for one row. Every row is kept in `rows.json` of the folder as soon
as it is measured, and `--reuse vecmap muse` takes it from there instead of measuring it again.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import _common

TASKS = ("supervised", "25 pairs", "unsupervised")
SEED_PAIRS = 25
LONG = 60.0  # seconds; what takes longer runs once


@dataclass
class Row:
    """One contender on one task."""

    language: str
    task: str
    title: str
    command: list[str]
    written: tuple[Path, Path]
    folder: Path
    key: str
    runs: list[dict[str, float]] = field(default_factory=list)
    scores: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What the row is kept under."""
        return f"{self.language}, {self.task}, {self.title}"

    def median(self, key: str) -> float:
        """Median of a figure over the runs."""
        return statistics.median(run[key] for run in self.runs)


# ── children: they import the package, the parent does not ───────────────────────────────


def export(options: argparse.Namespace) -> None:
    """Write vectors and dictionaries as text that all contenders read."""
    from xlhelpers import datasets, embeddings

    source = embeddings.load("en", options.vocabulary)
    embeddings.save_vec(source, options.folder / "en.vec")
    for language in options.languages:
        target = embeddings.load(language, options.vocabulary)
        embeddings.save_vec(target, options.folder / f"{language}.vec")
        for split in ("train", "test"):
            lexicon = datasets.lexicon("en", language, split).without(names=True, identical=True)
            pairs = lexicon.pairs(source, target)
            _write_pairs(options.folder / f"{language}.{split}.txt", pairs)
            if split == "train":
                firsts = list({word: (word, form) for word, form in reversed(pairs)}.values())
                _write_pairs(options.folder / f"{language}.25.txt", firsts[: -SEED_PAIRS - 1 : -1])


def _write_pairs(path: Path, pairs: list[tuple[str, str]]) -> None:
    path.write_text("".join(f"{a} {b}\n" for a, b in pairs), encoding="utf-8")


def _read_pairs(path: str | Path) -> list[tuple[str, str]]:
    lines = Path(path).read_text(encoding="utf-8").splitlines()
    return [(a, b) for a, b in (line.split() for line in lines)]


def align(options: argparse.Namespace) -> None:
    """Our contenders: read, align, write."""
    from xlhelpers import embeddings
    from xlhelpers.alignment import mapping, selflearning

    how, source_file, target_file, pairs_file, source_out, target_out = options.align
    source = embeddings.load_vec(source_file).normalised()
    target = embeddings.load_vec(target_file).normalised()
    pairs = None if pairs_file == "-" else _read_pairs(pairs_file)
    if how == "reweighted":
        learned = mapping.supervised(source, target, pairs or [], "reweighted")
    elif how == "refined":
        first = mapping.supervised(source, target, pairs or [], "reweighted")
        learned = mapping.refine(source, target, first, 3, len(source), "reweighted")
    elif how == "quick":
        learned = selflearning.self_learning(source, target, pairs)
    else:
        thorough = selflearning.Schedule.thorough()
        learned = selflearning.self_learning(source, target, pairs, thorough, restarts=3)
    moved, still = learned.apply(source, target)
    # Six decimals: about what the peers write.
    embeddings.save_vec(moved, source_out, decimals=6)
    embeddings.save_vec(still, target_out, decimals=6)


def score(options: argparse.Namespace) -> None:
    """P@1 with intervals of what a contender has written."""
    from xlhelpers import embeddings
    from xlhelpers.alignment.evaluation import evaluate

    source_file, target_file, test_file = options.score
    source = embeddings.load_vec(source_file).normalised(centre=False)
    target = embeddings.load_vec(target_file).normalised(centre=False)
    dictionary: dict[str, list[str]] = {}
    for word, form in _read_pairs(test_file):
        dictionary.setdefault(word, []).append(form)
    found = evaluate(source, target, dictionary)
    kinds = {kind: asdict(metrics["P@1"]) for kind, metrics in found.scores.items()}
    _common.report({**kinds, "words": found.words})


# ── the parent ───────────────────────────────────────────────────────────────────────────


def contenders(options: argparse.Namespace, language: str, task: str) -> list[Row]:
    """All rows of one task, those left out by `--skip` aside."""
    folder = options.folder
    vectors = [str(folder / "en.vec"), str(folder / f"{language}.vec")]
    name = {"supervised": "train", "25 pairs": "25"}.get(task)
    pairs = str(folder / f"{language}.{name}.txt") if name else "-"
    rows = []

    def add(key: str, title: str, make: Any) -> None:
        if f"{key}:{task}" in options.skip or key in options.skip:
            return
        stem = folder / f"{language}.{task.split()[0]}.{key}"
        written = Path(f"{stem}.source.vec"), Path(f"{stem}.target.vec")
        command, cwd = make(written)
        if key == "muse":
            there = folder / "muse" / stem.name / "run"
            written = there / "vectors-en.txt", there / f"vectors-{language}.txt"
        rows.append(Row(language, task, title, command, written, cwd, key))

    def ours(how: str) -> Any:
        me = [sys.executable, str(Path(__file__).resolve()), "--align", how]
        return lambda out: ([*me, *vectors, pairs, *map(str, out)], folder)

    def vecmap(out: tuple[Path, Path]) -> tuple[list[str], Path]:
        flag = {"supervised": "--supervised", "25 pairs": "--semi_supervised"}.get(task)
        mode = [flag, pairs] if flag else ["--unsupervised"]
        script = str(options.vecmap / "map_embeddings.py")
        return [options.peer_python, script, *mode, *vectors, *map(str, out)], folder

    def muse(out: tuple[Path, Path]) -> tuple[list[str], Path]:
        return _muse(options, language, task, vectors, pairs, out), options.muse

    if task == "supervised":
        add("ours", "ours, re-weighted", ours("reweighted"))
        add("refined", "ours, re-weighted and refined", ours("refined"))
    else:
        add("ours", "ours, quick", ours("quick"))
        add("thorough", "ours, thorough, best of 3", ours("thorough"))
    if options.vecmap:
        add("vecmap", "VecMap", vecmap)
    if options.muse:
        short = f"MUSE, adversarial, {options.muse_epochs} × {options.muse_epoch_size:,}, refined"
        add("muse", short if task == "unsupervised" else "MUSE, refined", muse)
    return rows


def _muse(
    options: argparse.Namespace,
    language: str,
    task: str,
    vectors: list[str],
    pairs: str,
    out: tuple[Path, Path],
) -> list[str]:
    test = str(options.folder / f"{language}.test.txt")
    with Path(vectors[0]).open(encoding="utf-8") as handle:
        dim = handle.readline().split()[1]
    stem = out[0].name.removesuffix(".source.vec")
    command = ["--cuda", "False", "--emb_dim", dim, "--max_vocab", "-1", "--seed", "0"]
    command += ["--src_lang", "en", "--tgt_lang", language, "--dico_eval", test]
    command += ["--src_emb", vectors[0], "--tgt_emb", vectors[1]]
    command += ["--normalize_embeddings", "renorm,center,renorm"]
    command += ["--exp_path", str(options.folder / "muse"), "--exp_name", stem, "--exp_id", "run"]
    if task != "unsupervised":
        return [options.peer_python, "supervised.py", *command, "--dico_train", pairs]
    command += ["--dis_most_frequent", "0", "--n_epochs", str(options.muse_epochs)]
    command += ["--epoch_size", str(options.muse_epoch_size)]
    return [options.peer_python, "unsupervised.py", *command]


def run(row: Row, options: argparse.Namespace) -> None:
    """Time a contender and score what it writes, or take both from an earlier run."""
    kept = options.folder / "rows.json"
    known = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {}
    if row.key in options.reuse and row.name in known:
        row.runs, row.scores = known[row.name]["runs"], known[row.name]["scores"]
        return
    ours = row.title.startswith("ours")
    for _ in range(options.runs if ours else options.peer_runs):
        _clear(options.folder / "muse" / row.written[0].parent.parent.name)
        row.runs.append(_timed(row.command, row.folder, options))
        if row.runs[-1]["wall"] > LONG:
            break
    test = options.folder / f"{row.language}.test.txt"
    command = [sys.executable, str(Path(__file__).resolve()), "--score"]
    done = subprocess.run(
        [*command, *map(str, row.written), str(test)],
        env=_environment(options),
        capture_output=True,
        text=True,
        check=True,
    )
    line = next(line for line in done.stdout.splitlines() if line.startswith(_common.MARK))
    row.scores = json.loads(line.removeprefix(_common.MARK))
    known[row.name] = {"runs": row.runs, "scores": row.scores}
    kept.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
    print(f"{row.name}: {row.runs} {row.scores}", file=sys.stderr, flush=True)


def _clear(folder: Path) -> None:
    """MUSE refuses a folder that is there already; this one is of its last run here."""
    if folder.name.endswith(".muse") and folder.is_dir():
        for file in (folder / "run").glob("*"):
            file.unlink()
        (folder / "run").rmdir()


def _timed(command: list[str], cwd: Path, options: argparse.Namespace) -> dict[str, float]:
    log = options.folder / "last.log"
    start = time.perf_counter()
    with log.open("wb") as handle:
        process = subprocess.Popen(
            command, cwd=cwd, env=_environment(options), stdout=handle, stderr=handle
        )
        # wait4 gives CPU seconds and peak memory of this child alone.
        _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    if status:
        raise SystemExit(f"{' '.join(command)} failed:\n{log.read_text(errors='replace')[-4000:]}")
    unit = 1 if sys.platform == "darwin" else 1024
    return {"wall": wall, "cpu": usage.ru_utime + usage.ru_stime, "peak": usage.ru_maxrss * unit}


def _environment(options: argparse.Namespace) -> dict[str, str]:
    names = ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "VECLIB_MAXIMUM")
    threads = {f"{name}_NUM_THREADS": str(options.threads) for name in names}
    path = os.pathsep.join([str(_common.ROOT), str(_common.ROOT / "benchmarks")])
    return {**os.environ, **threads, "PYTHONPATH": path}


def table(rows: list[Row]) -> str:
    """One Markdown table; ratios against the first of ours in the same task."""
    head = ["language", "task", "contender", "P@1 cosine", "P@1 CSLS", "seconds", "CPU seconds"]
    lines = [[*head, "times ours (CPU)", "peak MB"]]
    lines.append(["---"] * len(lines[0]))
    for row in rows:
        ours = next(r for r in rows if (r.language, r.task) == (row.language, row.task))
        lines.append(
            [
                row.language,
                row.task,
                row.title,
                *(_interval(row.scores[kind]) for kind in ("cosine", "csls")),
                f"{row.median('wall'):.1f}",
                f"{row.median('cpu'):.1f}",
                f"{row.median('cpu') / ours.median('cpu'):.1f}",
                f"{row.median('peak') / 2**20:.0f}",
            ]
        )
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _interval(score: dict[str, float]) -> str:
    return f"{100 * score['value']:.1f} [{100 * score['low']:.1f}, {100 * score['high']:.1f}]"


def main() -> None:
    parser = _common.parser(__doc__)
    parser.add_argument("--vecmap", type=Path, help="folder of a checkout of VecMap")
    parser.add_argument("--languages", nargs="+", default=["es", "fi"])
    parser.add_argument("--vocabulary", type=int, default=6000, help="words of each side")
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--skip", nargs="+", default=[], help="muse, or muse:unsupervised, …")
    parser.add_argument("--reuse", nargs="+", default=[], help="vecmap, muse, ours, …")
    parser.add_argument("--muse-epochs", type=int, default=2)
    parser.add_argument("--muse-epoch-size", type=int, default=100_000)
    parser.add_argument("--write", type=Path, help="Markdown file for the table")
    parser.add_argument("--export", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--align", nargs=6, help=argparse.SUPPRESS)
    parser.add_argument("--score", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    for name in ("folder", "muse", "vecmap"):
        if getattr(options, name):
            setattr(options, name, getattr(options, name).resolve())
    for child in (export, align, score):
        if getattr(options, child.__name__):
            child(options)
            return
    (options.folder / "muse").mkdir(parents=True, exist_ok=True)
    words = ["--vocabulary", str(options.vocabulary), "--languages", *options.languages]
    me = [sys.executable, str(Path(__file__).resolve())]
    folder = ["--folder", str(options.folder)]
    subprocess.run([*me, "--export", *words, *folder], env=_environment(options), check=True)
    rows: list[Row] = []
    for language in options.languages:
        for task in options.tasks:
            for row in contenders(options, language, task):
                rows.append(row)
                run(row, options)
    text = f"{_common.machine(options.threads)} {options.vocabulary:,} words a side.\n\n"
    text += table(rows)
    print(text)
    if options.write:
        options.write.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
