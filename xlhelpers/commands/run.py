"""`course.py run [01 04 ...]`: notebooks executed headless, as HTML, with cost and claims."""

from __future__ import annotations

import argparse
import os
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from xlhelpers.commands import (
    BUILD,
    ROOT,
    find_notebooks,
    kernel_environment,
    quiet_environment,
)
from xlhelpers.commands._execute import Execution, execute

HTML = BUILD / "html"
WIDTH = 100


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    made = argparse.ArgumentParser(
        prog="python3 course.py run",
        description="Execute notebooks headless; write HTML under build/html.",
    )
    made.add_argument("names", nargs="*", metavar="01", help="notebooks; all when none is named")
    made.add_argument(
        "--stamp",
        action="store_true",
        help="write executed notebooks back, with measured numbers in the prose; only those "
        "in which nothing failed",
    )
    made.add_argument("--threads", type=positive, help="threads of each notebook (default 2)")
    made.add_argument(
        "--timeout", type=positive, default=600, help="seconds that one cell may take (600)"
    )
    return made


def positive(text: str) -> int:
    """A whole number above 0, for argparse."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is not above 0")
    return number


def main(argv: Sequence[str]) -> int:
    """Run the notebooks one after another; 1 when a cell of any failed."""
    options = parser().parse_args(list(argv))
    notebooks = find_notebooks(options.names)
    environment = kernel_environment(quiet_environment(os.environ, options.threads))
    failed = []
    for notebook in notebooks:
        forget_records(notebook)
        done = execute(notebook, environment, options.timeout)
        keep_cost(done)
        page = write_html(done)
        print(report(done, page), flush=True)
        if done.failures:
            failed.append(notebook.stem)
        elif options.stamp:
            print(f"  stamped: {stamp(done)}")
    print(summary(len(notebooks), failed))
    return 1 if failed else 0


def number_of(notebook: Path) -> str:
    """`01` of `01_alignment.ipynb`."""
    return notebook.stem.split("_")[0]


def forget_records(notebook: Path) -> None:
    """Take away what an earlier run measured, so that it is not shown as this one's."""
    from xlhelpers import claims

    (claims.records_folder() / f"{number_of(notebook)}.json").unlink(missing_ok=True)


def keep_cost(done: Execution) -> None:
    """Record minutes and peak memory beside what the notebook itself measured."""
    from xlhelpers import claims

    number = number_of(done.notebook)
    claims.record("notebook.minutes", done.seconds / 60, notebook=number)
    if done.peak:
        claims.record("notebook.memory", done.peak / 1e9, notebook=number)


def write_html(done: Execution) -> Path:
    """Write the executed notebook as a page; its path."""
    from nbconvert import HTMLExporter

    from xlhelpers import files

    page, _ = HTMLExporter(template_name="lab").from_notebook_node(
        done.node, resources={"metadata": {"name": done.notebook.stem}}
    )
    target = HTML / f"{done.notebook.stem}.html"
    files.write_text(target, page)
    return target


def report(done: Execution, page: Path) -> str:
    """Cost, failures and the claims of one notebook, as text."""
    from xlhelpers import claims

    peak = f"{done.peak / 1e9:.2f} GB" if done.peak else "not measured"
    minutes = f"{done.seconds / 60:.1f} min ({done.seconds:.0f} s)"
    lines = [f"\n{done.notebook.stem}: {minutes}, peak memory {peak}, {relative(page)}"]
    lines += [f"  FAILED {line}" for line in done.failures]
    lines += table(claims.rows(number_of(done.notebook)))
    return "\n".join(lines)


def table(rows: Sequence[dict[str, str]], width: int = WIDTH) -> list[str]:
    """`claim · published · measured here`, wrapped into three columns."""
    if not rows:
        return []
    share = (width - 2 - 2 * 3) // 3
    cells = [("claim", "published", "measured here")]
    for row in rows:
        wording = f"{row['wording']} [{row['verdict']}]"
        published = "; ".join(t for t in (row["published"], row.get("source", "")) if t)
        cells.append((wording, published or "-", row["measured"] or "-"))
    lines = []
    for number, line in enumerate(cells):
        columns = [wrapped(text, share) for text in line]
        height = max(map(len, columns))
        for column in columns:
            column += [""] * (height - len(column))
        for parts in zip(*columns, strict=True):
            lines.append("  " + " · ".join(part.ljust(share) for part in parts).rstrip())
        lines.append("  " + ("=" if number == 0 else "-") * (width - 2))
    return lines


def wrapped(text: str, width: int) -> list[str]:
    """A text as lines of at most `width`, its own line ends kept."""
    return [line for part in text.splitlines() for line in textwrap.wrap(part, width) or [""]]


def stamp(done: Execution) -> str:
    """Write the executed notebook back under its own name, its cover and README row with it."""
    from xlhelpers import claims
    from xlhelpers.commands._stamp import stamped, write

    found = claims.records(number_of(done.notebook))
    show_outside(done)

    def fill(text: str) -> str:
        return claims.fill_markers(text, found)

    node: Any = stamped(done.node, fill)
    write(node, done.notebook)
    refresh_map(done.notebook)
    return relative(done.notebook)


def refresh_map(notebook: Path) -> None:
    """Write docs/map.md anew, which has the minutes of the course's own notebooks."""
    from xlhelpers import _notebooks
    from xlhelpers.commands._pages.tool import write_map

    if notebook.parent.resolve() == _notebooks.FOLDER:
        write_map()


def show_outside(done: Execution) -> None:
    """Refresh what the repository shows of a notebook: its cover figure and README row."""
    from xlhelpers import files
    from xlhelpers.commands._stamp import cover, readme_row

    root = done.notebook.parent.parent
    if (picture := cover(done.node)) is not None:
        files.write_bytes(root / "docs" / f"{done.notebook.stem}.png", picture)
    if (readme := root / "README.md").exists() and done.peak:
        before = readme.read_text(encoding="utf-8")
        minutes, memory = f"{done.seconds / 60:.1f}", f"{done.peak / 1e9:.1f} GB"
        after = readme_row(before, number_of(done.notebook), minutes, memory)
        if after != before:
            files.write_text(readme, after)


def summary(count: int, failed: Sequence[str]) -> str:
    """The last line."""
    if failed:
        return f"\n{len(failed)} of {count} notebooks failed: {', '.join(failed)}"
    return f"\n{count} notebook{'s' * (count != 1)} executed, nothing failed."


def relative(path: Path) -> str:
    """A path as seen from the repository."""
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else str(path)
