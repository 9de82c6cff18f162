"""`course.py publish OWNER/REPO`: the repository's own name in every badge and address."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from xlhelpers.commands import ROOT, _addresses


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    made = argparse.ArgumentParser(
        prog="python3 course.py publish",
        description="Write the repository's name on GitHub into badges and addresses, in the "
        "README, the notebooks and wherever else they stand. Doing it twice changes nothing.",
    )
    made.add_argument("repository", nargs="?", metavar="OWNER/REPO", help="as on GitHub")
    made.add_argument("--branch", help="branch that the badges open; left as it is if not named")
    made.add_argument("--check", action="store_true", help="only say which addresses disagree")
    return made


def main(argv: Sequence[str], root: Path = ROOT) -> int:
    """Stamp, or compare; 1 when addresses disagree."""
    options = parser().parse_args(list(argv))
    if options.check == bool(options.repository):
        print("publish takes OWNER/REPO, or --check", file=sys.stderr)
        return 2
    if options.repository:
        repository = _addresses.parse(options.repository)
        named = options.branch is not None
        branch = _addresses.check_branch(options.branch) if named else None
        changed = _addresses.stamp(root, repository, branch)
        for path, count in changed.items():
            print(f"{path.relative_to(root).as_posix()}: {count}")
        print(f"{sum(changed.values())} names in {len(changed)} files are {repository} now.")
        print(next_steps(_addresses.version_tag(root)))
    wrong = _addresses.disagreements(root)
    print("\n".join(wrong) or f"All addresses name {_addresses.current(root)}.")
    return 1 if wrong else 0


def next_steps(tag: str) -> str:
    """What remains to be done by hand."""
    return (
        "Next: commit this, push it, then  git tag " + tag + " && git push origin " + tag + "\n"
        "(on Colab the first cell of a notebook clones that tag)."
    )
