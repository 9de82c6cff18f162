"""`course.py test`: unit tests, then every notebook, then lint and claims on what they measured.

Three runs of pytest, since the claims can only be compared once the notebooks have run.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from xlhelpers.commands import (
    BUILD,
    ROOT,
    find_notebooks,
    kernel_environment,
    quiet_environment,
)

RECORDS = BUILD / "test-records"
REPORTS = BUILD / "test-reports"
CELL_SECONDS = 180
KERNEL_THREADS = "2"
NOTHING_COLLECTED = 5
# Options of pytest that are followed by a word.
WITH_A_WORD = ("-k", "-m", "-n", "-o", "-p", "-W")
# Nothing answers there: a test that asks the real hub fails at once, wherever it is run.
NOWHERE = "http://127.0.0.1:9"
# A learner on Binder has 2 GB for all; JupyterLab's server takes up to 0.15 of them, and Binder's
# own extensions some more. benchmarks/memory.py measures both together.
KERNEL_GB = "1.75"


@dataclass(frozen=True)
class Share:
    """What one of several processes takes of the machine: cores, and memory in bytes."""

    cores: int
    memory: float


A_NOTEBOOK = Share(cores=2, memory=2e9)
# Most tests keep one core busy. The largest start a service, or notebooks of their own.
HALF_OF_THE_TESTS = Share(cores=1, memory=4e9)


@dataclass(frozen=True)
class Phase:
    """One run of pytest: its name, arguments and environment."""

    name: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str]


@dataclass
class Outcome:
    """How a phase ended; counts as pytest reports them."""

    name: str
    status: int
    seconds: float
    passed: int = 0
    failed: int = 0
    errors: int = 0
    skipped: int = 0

    @property
    def bad(self) -> bool:
        """Whether the phase failed, by its exit status."""
        return self.status not in (0, NOTHING_COLLECTED)


def phases(argv: Sequence[str], environ: Mapping[str, str] = os.environ) -> list[Phase]:
    """What `argv` asks for: everything, or only the paths that it names.

    Paths of notebooks are run by nbval, all others as tests; options go to each run.
    """
    calm = quiet_environment(environ)
    calm["XL_RECORDS"] = str(RECORDS)
    calm["XL_PROGRESS_FILE"] = str(BUILD / "progress.json")
    lint = {**calm, "MPLBACKEND": "Agg", "HF_ENDPOINT": NOWHERE}
    # A unit test that records must not be taken for a notebook that measured.
    tests = {**lint, "XL_RECORDS": str(BUILD / "test-records-unit")}
    paths, options = divided(argv)
    books = [path for path in paths if path.split("::")[0].endswith(".ipynb")]
    others = [path for path in paths if path not in books]
    if not paths:
        others = ["tests", f"--ignore={ROOT / 'tests' / 'notebooks'}"]
        books = [str(book) for book in find_notebooks()]
    run = []
    if others:
        halves = () if paths else workers(2, HALF_OF_THE_TESTS)
        if halves and not {"XL_THREADS", "OMP_NUM_THREADS"} & set(environ):
            tests["OMP_NUM_THREADS"] = str(max(1, cores() // 2))
        run.append(Phase("unit tests", (*halves, *others, *options), tests))
    if books:
        cost: tuple[str, ...] = ("-p", "xlhelpers.commands._nbval_cost")
        if environ.get("XL_MODELS", "mini") in ("", "mini") and not torch_has_gpu_libraries():
            cost += (f"--kernel-memory={KERNEL_GB}",)
        nbval = (
            *cost,
            "--nbval-lax",
            "--nbval-current-env",
            f"--nbval-cell-timeout={CELL_SECONDS}",
        )
        # Two notebooks at a time with all cores each would wait for each other.
        kernels = kernel_environment({"XL_THREADS": KERNEL_THREADS, **calm})
        run.append(
            Phase(
                "notebooks", (*nbval, *workers(len(books), A_NOTEBOOK), *books, *options), kernels
            )
        )
    if not paths:
        folder = str(ROOT / "tests" / "notebooks")
        run.append(Phase("lint and claims", (folder, *options), lint))
    return run


def torch_has_gpu_libraries() -> bool:
    """Whether torch is a build for NVIDIA's GPUs: that one takes half a GB more from the start."""
    return importlib.util.find_spec("nvidia") is not None


def divided(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """The paths among the arguments, and the options with what belongs to them."""
    paths: list[str] = []
    options: list[str] = []
    for before, argument in zip(("", *argv), argv, strict=False):
        # A word to select tests by may be the name of a folder as well.
        chosen = is_path(argument) and before not in WITH_A_WORD
        (paths if chosen else options).append(argument)
    return paths, options


def is_path(argument: str) -> bool:
    """Whether an argument names a file or folder, `file.py::test_name` included."""
    return not argument.startswith("-") and (ROOT / argument.split("::")[0]).exists()


def cores() -> int:
    """How many cores this process may use."""
    import psutil

    if sys.platform == "linux":
        return len(psutil.Process().cpu_affinity())
    return os.cpu_count() or 1


def workers(most: int, share: Share) -> tuple[str, ...]:
    """Options for several processes, each with whole files, where cores and memory allow it.

    The files keep their order: those with most tests are not those that take longest.
    """
    import psutil

    by_memory = int(psutil.virtual_memory().available // share.memory)
    count = min(most, cores() // share.cores, by_memory)
    if count < 2:
        return ()
    return ("-n", str(count), "--dist=loadfile", "--no-loadscope-reorder")


def run(phase: Phase, report: Path) -> Outcome:
    """Run one phase below this process, its output on ours."""
    print(f"\n{phase.name}: pytest {' '.join(shorter(a) for a in phase.arguments)}", flush=True)
    line = [sys.executable, "-m", "pytest", "-c", str(ROOT / "pyproject.toml")]
    line += [f"--rootdir={ROOT}", f"--junitxml={report}", *phase.arguments]
    start = time.monotonic()
    done = subprocess.run(line, cwd=ROOT, env=dict(phase.environment), check=False)
    return counted(Outcome(phase.name, done.returncode, time.monotonic() - start), report)


def counted(outcome: Outcome, report: Path) -> Outcome:
    """Add the counts of a JUnit report; a run that was cut off left none."""
    if report.exists():
        for suite in ElementTree.parse(report).getroot().iter("testsuite"):
            outcome.failed += int(suite.get("failures", 0))
            outcome.errors += int(suite.get("errors", 0))
            outcome.skipped += int(suite.get("skipped", 0))
            outcome.passed += int(suite.get("tests", 0))
        outcome.passed -= outcome.failed + outcome.errors + outcome.skipped
    return outcome


def shorter(argument: str) -> str:
    """A path as seen from the repository."""
    return argument.replace(str(ROOT) + os.sep, "")


def closing_line(outcomes: Sequence[Outcome]) -> str:
    """All phases together, in the form of pytest's own last line."""
    words = []
    for what in ("failed", "passed", "skipped", "errors"):
        count = sum(getattr(outcome, what) for outcome in outcomes)
        if count:
            words.append(f"{count} {what}")
    seconds = sum(outcome.seconds for outcome in outcomes)
    text = f" {', '.join(words) or 'no tests ran'} in {seconds:.2f}s "
    return text.center(80, "=")


def status(outcomes: Sequence[Outcome]) -> int:
    """0 when all went well and something ran, else 1."""
    ran = sum(outcome.passed for outcome in outcomes)
    return 1 if any(outcome.bad for outcome in outcomes) or not ran else 0


def main(argv: Sequence[str]) -> int:
    """Run all phases, whatever fails, and print one summary."""
    for folder in (RECORDS, REPORTS):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    outcomes = []
    for number, phase in enumerate(phases(argv), start=1):
        outcomes.append(run(phase, REPORTS / f"{number}.xml"))
        if outcomes[-1].status == 2:  # pytest: interrupted by the user
            break
    print()
    for outcome in outcomes:
        word = "FAILED" if outcome.bad else "ok"
        print(f"{outcome.name:16} {word:7} {outcome.passed} passed, {outcome.seconds:.0f} s")
    print(closing_line(outcomes), flush=True)
    return status(outcomes)
