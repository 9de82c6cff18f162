"""`course.py build`: regenerate what in data/ is derived."""

from __future__ import annotations

from collections.abc import Sequence


def main(argv: Sequence[str]) -> int:
    """Hand over to `xlhelpers.build`; its exit status."""
    from xlhelpers import build

    status = build.main(list(argv))
    return int(status or 0)
