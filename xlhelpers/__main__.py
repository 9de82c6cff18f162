"""`python -m xlhelpers COMMAND ...`: what `course.py` hands over to once all is installed."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

from xlhelpers.commands import COMMANDS
from xlhelpers.errors import CourseError

STOPPED = 130


def main(argv: Sequence[str]) -> int:
    """Run one command; its exit status. A `CourseError` becomes a sentence, not a traceback."""
    if not argv or argv[0] in ("-h", "--help"):
        print("usage: python3 course.py COMMAND ...\n")
        for name, what in COMMANDS.items():
            print(f"  {name:8} {what}")
        return 0 if argv else 2
    if argv[0] not in COMMANDS:
        print(f"There is no command {argv[0]!r}; there are: {', '.join(COMMANDS)}", file=sys.stderr)
        return 2
    command = importlib.import_module(f"xlhelpers.commands.{argv[0]}")
    try:
        status: int = command.main(list(argv[1:]))
        return status
    except CourseError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
        return STOPPED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
