"""Notebooks as people run them: cells twice, sections backwards, from the middle, after a crash.

Not collected by pytest, since it takes several runs of each notebook. By hand, with the numbers of
notebooks or none for all:

    python tests/notebooks/walk_unusual.py 03 06 07
    python tests/notebooks/walk_unusual.py 03 --ways order jump killed --kills 10

Each way begins with an empty cache; no cell may raise, and at the end the prose must agree with
what was measured, as after a run from top to bottom. `killed` ends the kernel's process at random
moments with no chance to tidy up, lets the last run go to the end, and then looks for what was
left behind.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from xlhelpers import _notebooks, claims  # noqa: E402
from xlhelpers.commands import kernel_environment, quiet_environment  # noqa: E402

WAYS = ("order", "jump", "killed")
CELL_SECONDS = 600
# What a process that was killed may leave is named like this; see xlhelpers.files.
REMAINS = ("*.tmp", "xl-*", "*.incomplete", "*.new")


@dataclass
class Walk:
    """One kernel's way through a notebook: its folder, what went wrong."""

    book: _notebooks.Book
    folder: Path
    threads: int
    problems: list[str] = field(default_factory=list)
    phase: str = ""

    def environment(self) -> dict[str, str]:
        """As `course.py run` has it, with cache, records and temporary files in our folder."""
        made = kernel_environment(quiet_environment(os.environ, self.threads))
        for name in ("cache", "scratch"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        made |= {
            "XL_CACHE": str(self.folder / "cache"),
            "XL_RECORDS": str(self.folder / "records"),
            "XL_PROGRESS_FILE": str(self.folder / "progress.json"),
            "TMPDIR": str(self.folder / "scratch"),
            "XL_REUSE": "1",  # as a learner has it, who finds what the first run has measured
        }
        return made

    @contextmanager
    def kernel(self) -> Iterator[Any]:
        """A kernel in the notebook's folder; it is asked to end, as a person's is."""
        from jupyter_client.manager import start_new_kernel

        manager, client = start_new_kernel(
            env=self.environment(),
            cwd=str(self.book.path.parent),
            extra_arguments=["--IPKernelApp.log_level=40"],
        )
        try:
            yield manager, client
        finally:
            client.stop_channels()
            manager.shutdown_kernel()

    def run(self, client: Any, number: int, source: str) -> None:
        """Run one cell; an error is noted, and the walk goes on."""
        reply = client.execute_interactive(
            source, timeout=CELL_SECONDS, output_hook=lambda _: None, allow_stdin=False
        )["content"]
        if reply["status"] != "ok":
            what = f"{reply.get('ename')}: {reply.get('evalue')}".splitlines()[0]
            self.problems.append(f"{self.phase}cell {number}: {what[:300]}")

    def records(self) -> dict[str, claims.Record]:
        """What has been measured in our folder."""
        return claims.records(self.book.number, self.folder / "records")

    def disagreements(self) -> list[str]:
        """Where prose and measurements differ, as `test_claims_measured.py` has it."""
        found = self.records()
        # Minutes and memory are measured by those who run a whole notebook.
        prose = [cell.source for cell in self.book.cells if cell.kind == "markdown"]
        own = [re.sub(r"<!--=notebook\..*?<!--/-->", "", text) for text in prose]
        lines = [f"not recorded: {key}" for key in claims.missing(self.book.number, found)]
        return lines + [line for text in own for line in claims.check_markers(text, found)]


def code(book: _notebooks.Book, first: int = 1) -> list[tuple[int, str]]:
    """Number and text of the code cells, from cell `first` on."""
    return [
        (cell.number, cell.source)
        for cell in book.cells
        if cell.kind == "code" and cell.number >= first and cell.source.strip()
    ]


def sections(book: _notebooks.Book) -> list[list[tuple[int, str]]]:
    """The code cells by section, in order; those before the first section stand alone."""
    starts = [one.cell for one in book.sections]
    parts = zip([0, *starts], [*starts, len(book.cells) + 1], strict=True)
    return [[(n, text) for n, text in code(book) if a <= n < b] for a, b in parts]


# ── the ways ─────────────────────────────────────────────────────────────────────────────────────


def plain(walk: Walk) -> None:
    """From top to bottom."""
    with walk.kernel() as (_, client):
        for number, source in code(walk.book):
            walk.run(client, number, source)


def order(walk: Walk) -> None:
    """Every cell twice in a row, then the sections again from the last to the first."""
    with walk.kernel() as (_, client):
        for number, source in code(walk.book):
            walk.run(client, number, source)
            walk.run(client, number, source)
        print("    every cell has run twice", flush=True)
        first = walk.records()
        walk.problems += [f"after every cell twice: {line}" for line in walk.disagreements()]
        walk.phase = "backwards, "
        for section in reversed(sections(walk.book)):
            for number, source in section:
                walk.run(client, number, source)
    changed = sorted(key for key, one in walk.records().items() if one != first.get(key))
    print(f"    measured otherwise backwards: {', '.join(changed) or 'nothing'}", flush=True)


def jump(walk: Walk, every: int) -> None:
    """To every so-manieth section by `xl.checkpoint` in a new kernel, and on to the end."""
    for section in walk.book.sections[1::every]:
        with walk.kernel() as (_, client):
            before = len(walk.problems)
            to = f"import xlhelpers as xl\nxl.checkpoint({walk.book.number!r}, {section.number!r})"
            walk.run(client, 0, to)
            for number, source in code(walk.book, section.cell):
                walk.run(client, number, source)
        for place in range(before, len(walk.problems)):
            walk.problems[place] = f"from section {section.number}: {walk.problems[place]}"


def killed(walk: Walk, moments: Sequence[float]) -> None:
    """Killed so many seconds after the first cell began, each time anew; then to the end."""
    for moment in moments:
        with walk.kernel() as (manager, client):
            where = _until(client, code(walk.book), time.monotonic() + moment)
            os.kill(manager.provisioner.pid, 9)
        print(f"    killed after {moment:.0f} s, in cell {where}", flush=True)
    plain(walk)
    left = [
        str(found.relative_to(walk.folder))
        for pattern in REMAINS
        for found in sorted(walk.folder.rglob(pattern))
    ]
    print(f"    left behind: {', '.join(left) or 'nothing'}", flush=True)


def _until(client: Any, cells: Sequence[tuple[int, str]], end: float) -> int:
    """Run cells until `end`; the number of the one that is running then, 0 when all have run."""
    import queue

    for number, source in cells:
        asked = client.execute(source, allow_stdin=False)
        while time.monotonic() < end:
            try:
                reply = client.get_shell_msg(timeout=min(0.2, max(0.01, end - time.monotonic())))
            except queue.Empty:
                continue
            if reply["parent_header"].get("msg_id") == asked:
                break
        else:
            return number
    return 0


# ── what came of it ──────────────────────────────────────────────────────────────────────────────


def walked(book: _notebooks.Book, ways: Sequence[str], options: Any, top: Path) -> int:
    """Go all ways through one notebook and say what came of each; how many problems."""
    total = 0
    for way in ways:
        walk = Walk(book, top / book.number / way, options.threads)
        start = time.monotonic()
        if way == "killed":
            draw = random.Random(f"{options.seed} {book.number}")
            killed(walk, [draw.uniform(0, options.within) for _ in range(options.kills)])
        elif way == "jump":
            jump(walk, options.every)
        else:
            order(walk)
        walk.problems += walk.disagreements()
        seconds = time.monotonic() - start
        print(f"{book.number} {way}: {seconds:.0f} s, {len(walk.records())} records", flush=True)
        for line in walk.problems:
            print(f"    FAILED {line}", flush=True)
        total += len(walk.problems)
    return total


def main(argv: Sequence[str] | None = None) -> int:
    """Walk through the notebooks that are named."""
    made = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    made.add_argument("names", nargs="*", metavar="01", help="notebooks; all when none is named")
    made.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    made.add_argument("--threads", type=int, default=2)
    made.add_argument("--kills", type=int, default=3, help="how often the kernel is killed")
    made.add_argument("--every", type=int, default=4, help="jump to every so-manieth section")
    made.add_argument("--within", type=float, default=60, help="seconds that a kill falls into")
    made.add_argument("--seed", type=int, default=0, help="draws the moments of the kills")
    options = made.parse_args(argv)
    books = [_notebooks.book(name) for name in options.names] or list(_notebooks.books())
    with tempfile.TemporaryDirectory(prefix="walk-") as top:
        problems = sum(walked(book, options.ways, options, Path(top)) for book in books)
    print(f"{problems} problems in {len(books)} notebooks")
    return 1 if problems else 0


if __name__ == "__main__":
    raise SystemExit(main())
