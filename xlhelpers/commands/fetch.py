"""`course.py fetch [names]`: download or repair data; shell patterns are allowed."""

from __future__ import annotations

from collections.abc import Sequence


def main(argv: Sequence[str]) -> int:
    """Fetch the named assets (all but the source texts without names) and say what was done."""
    from xlhelpers import assets

    done = assets.fetch(list(argv) or None)
    for name, what in done.items():
        print(f"{name}: {what}")
    if not done:
        print("Nothing to fetch.")
    return 0
