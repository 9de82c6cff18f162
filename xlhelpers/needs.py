"""What each notebook wants from elsewhere with `XL_MODELS=hub`: noted at the doors, not by hand.

Every door to the network (`hub`, `datasets`, `assets`) says what it is asked for, before it looks
into any cache. With `XL_NEEDS=file` these lines are kept. The tests run every notebook against a
loopback hub, compare the lines with `needs.json` beside this module, and run the notebook without
a network after nothing but these has been fetched. To learn a changed or new notebook's needs:

    XL_LEARN_NEEDS=1 python3 course.py test tests/hub/test_notebooks_on_the_hub.py

Standard library only.
"""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from xlhelpers import files
from xlhelpers.errors import CourseError

LIST = Path(__file__).with_name("needs.json")
# How many words follow each kind, at least and at most.
KINDS: Mapping[str, tuple[int, int]] = MappingProxyType(
    {
        "tokenizer": (1, 2),  # id, revision if one was named
        "weights": (1, 2),
        "rows": (3, 3),  # id of a data set, language, split
        "vectors": (2, 2),  # language, number of words
        "dictionary": (3, 3),  # source, target, split
        "file": (1, 1),  # name in the manifest
    }
)


class NeedsError(CourseError):
    """A line is no need, or the list of needs lacks a notebook."""


@dataclass(frozen=True, slots=True, order=True)
class Need:
    """One thing that has to come from elsewhere: `rows facebook/xnli de test`.

    Attributes:
        kind: a key of `KINDS`.
        parts: what follows it, as `KINDS` says.
    """

    kind: str
    parts: tuple[str, ...]

    def __post_init__(self) -> None:
        least, most = KINDS.get(self.kind, (1, 0))
        whole = all(part and not any(sign.isspace() for sign in part) for part in self.parts)
        if not (least <= len(self.parts) <= most and whole):
            raise NeedsError(f"{str(self)!r} is no need", f"the kinds are {', '.join(KINDS)}")

    def __str__(self) -> str:
        return " ".join((self.kind, *self.parts))

    @classmethod
    def parse(cls, line: str) -> Need:
        """Read what `str` has written.

        Raises:
            NeedsError: it is no such line.
        """
        kind, *parts = line.split() or [""]
        return cls(kind, tuple(parts))


def note(kind: str, *parts: str) -> None:
    """Write down that something is wanted, where `XL_NEEDS` names a file for it."""
    if named := os.environ.get("XL_NEEDS", ""):
        # One short write to the end of a file: several processes may do it at once.
        with open(named, "a", encoding="utf-8") as file:
            file.write(f"{Need(kind, parts)}\n")


def noted(file: Path) -> frozenset[Need]:
    """Return what `note` has written into a file; nothing where there is none.

    Raises:
        NeedsError: a line is no need.
    """
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    return frozenset(map(Need.parse, lines))


@functools.lru_cache(maxsize=2)
def _parsed(content: str) -> Mapping[str, frozenset[Need]]:
    found = {number: frozenset(map(Need.parse, lines)) for number, lines in _table(content).items()}
    return MappingProxyType(found)


def _table(content: str) -> dict[str, list[str]]:
    try:
        return {number: list(lines) for number, lines in json.loads(content).items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise NeedsError(
            f"{LIST.name} cannot be read ({error})", f"git checkout xlhelpers/{LIST.name}"
        ) from error


def listed() -> Mapping[str, frozenset[Need]]:
    """Return the needs of every notebook, by its number (`"01"`).

    Raises:
        NeedsError: the list is damaged.
    """
    return _parsed(LIST.read_text(encoding="utf-8") if LIST.exists() else "{}")


def of(numbers: Iterable[str]) -> frozenset[Need]:
    """Return what any of these notebooks needs.

    Raises:
        NeedsError: the list has no such notebook.
    """
    known = listed()
    wanted = list(numbers)
    if missing := [number for number in wanted if number not in known]:
        raise NeedsError(
            f"what notebook {missing[0]} needs has not been noted yet",
            f"the notebooks in the list are {', '.join(sorted(known))}",
        )
    return frozenset().union(*(known[number] for number in wanted))


def who_needs(need: Need) -> tuple[str, ...]:
    """Return the numbers of the notebooks that need it, sorted."""
    return tuple(sorted(number for number, needs in listed().items() if need in needs))


def write(number: str, found: Iterable[Need], file: Path | None = None) -> None:
    """Put a notebook's needs into the list, in place of what it had."""
    target = file or LIST
    table = _table(target.read_text(encoding="utf-8")) if target.exists() else {}
    table[number] = [str(need) for need in sorted(set(found))]
    ordered: Mapping[str, Sequence[str]] = dict(sorted(table.items()))
    files.write_text(target, json.dumps(ordered, indent=1, ensure_ascii=False) + "\n")
