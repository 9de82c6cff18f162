"""`course.py fetch [names]`: download or repair data; `fetch --hub [02 04]`: all for a class.

With `--hub`: what notebooks need with `XL_MODELS=hub`, fetched beforehand into the caches of this
machine or, with `--to`, into a folder to carry. Exit status: 0 all there, 1 something is wrong, 2
wrong arguments, 3 the network is at fault, 130 stopped, or not confirmed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from xlhelpers.commands import find_notebooks

if TYPE_CHECKING:
    from xlhelpers.prefetch import Plan

PROBLEM, NETWORK, STOPPED = 1, 3, 130


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    made = argparse.ArgumentParser(
        prog="python3 course.py fetch",
        description="Bring in files of the course, or put damaged ones right. With --hub: fetch "
        "what notebooks need with XL_MODELS=hub.",
    )
    made.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="files of data/ (patterns are allowed); with --hub notebooks: 02 04",
    )
    made.add_argument("--hub", action="store_true", help="real checkpoints and data sets")
    made.add_argument("--to", type=Path, metavar="FOLDER", help="into a folder to copy to others")
    made.add_argument("--yes", action="store_true", help="do not ask before the download starts")
    made.add_argument("--dry-run", action="store_true", help="only say what would be fetched")
    return made


def main(argv: Sequence[str]) -> int:
    """Fetch, and say what was done."""
    options = parser().parse_args(list(argv))
    if options.hub:
        return from_hub(options)
    if options.to or options.yes or options.dry_run:
        print("--to, --yes and --dry-run go with --hub", file=sys.stderr)
        return 2
    from xlhelpers import assets

    done = assets.fetch(options.names or None)
    for name, what in done.items():
        print(f"{name}: {what}")
    if not done:
        print("Nothing to fetch.")
    return 0


def from_hub(options: argparse.Namespace) -> int:
    """Plan, show, ask, fetch, show again."""
    from xlhelpers import prefetch
    from xlhelpers.prefetch import report

    numbers = [path.stem.split("_")[0] for path in find_notebooks(options.names)]
    try:
        plan = prefetch.plan(numbers, options.to)
        print(report.before(plan), flush=True)
        if options.dry_run:
            return status(plan)
        plan.check_room()
        if plan.missing and not (options.yes or confirmed(plan.missing)):
            return STOPPED
        prefetch.fetch(plan, lambda item: print(report.progress(item, plan), flush=True))
    except prefetch.PrefetchError as error:
        print(f"\n{error}", file=sys.stderr)
        return NETWORK if error.network else PROBLEM
    print(f"\n{report.after(plan)}")
    if options.to and not plan.problems:
        print(f"\n{how_to_use(options.to)}")
    return status(plan)


def status(plan: Plan) -> int:
    """0 when nothing is wrong, 3 when only the network is, else 1."""
    problems = [item.problem for item in plan.problems if item.problem is not None]
    if not problems:
        return 0
    return NETWORK if all(problem.network for problem in problems) else PROBLEM


def confirmed(missing: int) -> bool:
    """Ask the reader; where nobody can answer, say what to add to the command."""
    from xlhelpers.shelves import readable

    if not sys.stdin.isatty():
        print("\nNothing was fetched: add --yes to start without being asked.", file=sys.stderr)
        return False
    return input(f"\nFetch {readable(missing)}? [y/N] ").strip().lower() in ("y", "yes")


def how_to_use(folder: Path) -> str:
    """What the others do with a folder that was filled."""
    from xlhelpers.settings import HUB_FILES

    return (
        f"Copy {folder} to each computer. Beside the course's folder, or in it, it is found under "
        f"the name {HUB_FILES}; elsewhere set XL_HUB_FILES to its path. Then XL_MODELS=hub."
    )
