"""Where files of the hub are looked for, and who is asked for what is nowhere.

First come this machine's own caches, then a folder that somebody has filled beforehand
(`python3 course.py fetch --hub --to hub-files`), which is only read. What neither has is asked of
the hub (`HF_ENDPOINT`), or of a mirror in the same room (`XL_MIRROR`).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from xlhelpers import files, needs, settings
from xlhelpers.needs import Need

FASTTEXT_ENDPOINT = "https://dl.fbaipublicfiles.com"


@dataclass(frozen=True, slots=True)
class Shelf:
    """Two folders that hold what has been fetched.

    Attributes:
        hub: as the hub's own client keeps it: `models--owner--name` and so on.
        cache: as this course keeps vectors, dictionaries and records.
    """

    hub: Path
    cache: Path


def shelves() -> tuple[Shelf, ...]:
    """Return the shelves in the order in which they are looked through; the first is our own."""
    from huggingface_hub import constants

    now = settings.current()
    own = Shelf(Path(constants.HF_HUB_CACHE), now.cache)
    if now.hub_files is None:
        return (own,)
    return own, Shelf(now.hub_files / "hub", now.hub_files)


def endpoint() -> str:
    """Return who is asked for models and data sets: the mirror if one is named, else the hub."""
    from huggingface_hub import constants

    return settings.current().mirror or str(constants.ENDPOINT).rstrip("/")


def fasttext_endpoint() -> str:
    """Return who is asked for vectors and dictionaries: as named, the mirror, or their authors."""
    named = os.environ.get("XL_FASTTEXT_ENDPOINT", "") or settings.current().mirror
    return (named or FASTTEXT_ENDPOINT).rstrip("/")


def token() -> bool | None:
    """Return what the client is told of the reader's token: a mirror in the room never gets it."""
    return False if settings.current().mirror else None


def http_headers() -> dict[str, str]:
    """Return what the hub's own client sends along: who asks, and the reader's token if any."""
    from huggingface_hub.utils import build_hf_headers

    return dict(build_hf_headers(library_name="xlhelpers", token=token()))


def note_fetched(met: Iterable[Need], lost: Iterable[Need], cache: Path) -> None:
    """Write down which needs a shelf meets, beside those of before that it has not lost since."""
    lines = sorted({*_met(cache), *map(str, met)}.difference(map(str, lost)))
    files.write_text(
        cache / settings.FETCHED, json.dumps({"format": 1, "needs": lines}, indent=1) + "\n"
    )


def fetched() -> tuple[str, ...]:
    """Return the numbers of the notebooks for which all has been fetched beforehand, sorted."""
    now = settings.current()
    folders = [now.cache, *([now.hub_files] if now.hub_files else [])]
    met = frozenset().union(*map(_met, folders))
    return tuple(
        number
        for number, wanted in sorted(needs.listed().items())
        if met.issuperset(map(str, wanted))
    )


def readable(size: int) -> str:
    """Return a number of bytes as people say it: `716 MB`, `2.2 GB`."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= scale:
            value = size / scale
            return f"{value:.1f} {unit}" if value < 10 else f"{value:.0f} {unit}"
    return f"{size} bytes"


def _met(cache: Path) -> frozenset[str]:
    """The needs that a shelf's record says it meets; none where the record cannot be read."""
    try:
        content = json.loads((cache / settings.FETCHED).read_text(encoding="utf-8"))
        return frozenset(map(str, content["needs"]))
    except (OSError, ValueError, KeyError, TypeError):
        return frozenset()
