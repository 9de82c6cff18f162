"""What the side-by-side runs share: one process a contender, the same threads, one table.

The parent process uses the standard library only and stays small. Each contender runs in a
process of its own, started again for every run, with the number of threads in its environment.
Nothing of the peers is copied here: their code is imported from a path, or an interpreter, given
on the command line.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
MARK = "@result "


@dataclass
class Contender:
    """One program to run: this script again, with ``--contender name`` under some interpreter."""

    name: str
    title: str
    python: str
    arguments: list[str]
    runs: int
    results: list[dict[str, Any]] = field(default_factory=list)

    def median(self, key: str) -> float:
        """Median of a figure over the runs."""
        return statistics.median(float(result[key]) for result in self.results)


def peak_bytes() -> int:
    """Largest resident memory of this process so far.

    Linux keeps it for each program; ``getrusage`` would also count the parent that started it.
    """
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) << 10
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def measured(work: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    """Result of a call, and its seconds, CPU seconds and memory before and at the peak."""
    before = peak_bytes()
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    figures = {
        "wall": time.perf_counter() - wall,
        "cpu": time.process_time() - cpu,
        "before": before,
        "peak": peak_bytes(),
    }
    return result, figures


def report(figures: dict[str, Any]) -> None:
    """Hand a contender's figures to the parent."""
    print(MARK + json.dumps(figures), flush=True)


def run_all(script: str, contenders: list[Contender], threads: int) -> None:
    """Run the contenders in turn, so that a busy spell of the machine hits all of them."""
    for turn in range(max(contender.runs for contender in contenders)):
        for contender in contenders:
            if turn < contender.runs:
                result = _run(script, contender, threads)
                contender.results.append(result)
                print(
                    f"run {turn + 1}, {contender.title}: {result['wall']:.2f} s, "
                    f"{result['cpu']:.2f} CPU-s",
                    file=sys.stderr,
                    flush=True,
                )


def _run(script: str, contender: Contender, threads: int) -> dict[str, Any]:
    names = ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "VECLIB_MAXIMUM")
    environment = {**os.environ, **{f"{name}_NUM_THREADS": str(threads) for name in names}}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "benchmarks")])
    command = [contender.python, script, "--contender", contender.name, *contender.arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    for line in done.stdout.splitlines():
        if line.startswith(MARK):
            return dict(json.loads(line.removeprefix(MARK)))
    raise SystemExit(f"{contender.title} failed:\n{done.stdout[-2000:]}{done.stderr[-4000:]}")


def table(contenders: list[Contender], columns: dict[str, Callable[[Contender], str]]) -> str:
    """A Markdown table, one row a contender; the first one is ours, the ratios refer to it."""
    ours = contenders[0]
    head = ["", "seconds", "CPU seconds", "times ours", "runs", *columns]
    rows = [
        [
            contender.title,
            f"{contender.median('wall'):.2f}",
            f"{contender.median('cpu'):.2f}",
            f"{contender.median('cpu') / ours.median('cpu'):.1f}",
            str(len(contender.results)),
            *(column(contender) for column in columns.values()),
        ]
        for contender in contenders
    ]
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def machine(threads: int) -> str:
    """One line on where and how this ran."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        model = names[0].split(":", 1)[1].strip() if names else model
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return (
        f"{model}, {os.cpu_count()} cores, {threads} thread(s){load}; {platform.system()}, "
        f"Python {platform.python_version()}. Medians; ratios of CPU seconds."
    )


def publish(found: dict[str, str], file: Path | None, group: str) -> None:
    """Print the tables of a script, and `write` them where a file is named."""
    for mark, text in found.items():
        print(f"\n### {mark}\n\n{text}", flush=True)
    if file is not None:
        write(found, file, group)


def write(found: dict[str, str], file: Path, group: str) -> None:
    """Put each table between its marks in a Markdown file, at the end where there are none.

    Args:
        found: text by mark.
        group: name of the script without `.py`; marks of several scripts stand in one file.
    """
    from xlhelpers import files

    content = file.read_text("utf-8") if file.exists() else ""
    if f"## {group.title()}" not in content:
        content += f"\n## {group.title()}\n\n`python benchmarks/{group}.py --write`\n"
    for mark, text in found.items():
        first, last = f"<!-- {group} {mark} -->", f"<!-- /{group} {mark} -->"
        made = f"{first}\n{text}\n{last}"
        if first in content and last in content:
            before, rest = content.split(first, 1)
            content = before + made + rest.split(last, 1)[1]
        else:
            content += f"\n{made}\n"
    files.write_text(file, content)


def parser(description: str | None) -> argparse.ArgumentParser:
    """Arguments that all benchmarks take."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--contender", help=argparse.SUPPRESS)
    made.add_argument("--threads", type=int, default=1)
    made.add_argument("--runs", type=int, default=3, help="runs of ours")
    made.add_argument("--peer-runs", type=int, default=3, help="runs of each peer")
    made.add_argument("--folder", type=Path, default=ROOT / "build" / "benchmarks")
    made.add_argument("--muse", type=Path, help="folder of a checkout of MUSE")
    made.add_argument(
        "--peer-python",
        default=sys.executable,
        help="interpreter that has what the peers need (torch, faiss, gensim)",
    )
    return made
