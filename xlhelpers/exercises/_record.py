"""What may stand in a record of progress, whoever wrote it: read as data, never trusted.

A learner's own file and the files that a class hands in both pass through `clean`, which keeps
what it knows and drops the rest without a word: a path, a sentence or a script that somebody put
there goes no further.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xlhelpers.errors import CourseError
from xlhelpers.exercises import _progress

FORMAT = "xlhelpers-progress"
LONGEST_NAME = 60
LONGEST_GUESS = 80
LARGEST_FILE = 200_000  # bytes; a whole course is some 20,000

_ID = re.compile(r"[a-z][a-z0-9_]{0,39}\.[a-z][a-z0-9_]{0,39}")
_STATUS = ("wrong form", "incorrect", "correct")
_ASK = 'ask for a new one: xl.progress().save("my-progress.json")'
# Characters that print nothing, break the line, or turn the writing direction of what follows.
# Half of a pair (d800 to dfff), which JSON and names of files may have, cannot be printed at all.
_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


class RecordError(CourseError):
    """A file is no record of progress, or a name cannot stand in one."""


@dataclass(frozen=True)
class Record:
    """One learner's answers.

    Attributes:
        name: chosen by the learner; empty when none was given.
        questions: by id: `attempts`, `status`, and where known `first`, `chosen`, `hints`,
            `solution`.
        guesses: the first guess of each prediction, by id.
        newer: whether a newer version of the course wrote it, so that something may be missing.
    """

    name: str
    questions: Mapping[str, Mapping[str, Any]]
    guesses: Mapping[str, Any]
    newer: bool = False


def clean(data: Mapping[str, Any]) -> Record:
    """The parts of `data` that a record has, in the form that it has them."""
    name = data.get("name")
    return Record(
        seen(name).strip()[:LONGEST_NAME] if isinstance(name, str) else "",
        _entries(data.get("questions"), _question),
        _entries(data.get("guesses"), _guess),
        _progress.is_newer(dict(data)),
    )


def seen(text: str) -> str:
    """A name, of a person or a file, as it can be printed: without characters that nobody sees."""
    return _UNSEEN.sub("", text)


def read(path: Path, name: str = "") -> Record:
    """The record in a file that was handed in, or a learner's own; the file is left as it is.

    `name` is what errors call it, by default the file's own.

    Raises:
        RecordError: it is none.
    """
    data = _parsed(path, name or path.name)
    if not is_record(data):
        raise RecordError(f"{seen(name or path.name)} is no record of this course", _ASK)
    return clean(data)


def is_hand_in(path: Path) -> bool:
    """Whether a file is there to be handed in. A learner's own, which has no format, is not."""
    try:
        data = _parsed(path, path.name)
    except RecordError:
        return False
    return isinstance(data, dict) and data.get("format") == FORMAT


def _parsed(path: Path, name: str) -> Any:
    name = seen(name)
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise RecordError(f"{name} is larger than a record can be", _ASK)
        text = path.read_text(encoding="utf-8-sig")  # editors on Windows put a mark before it
        if not text.strip():
            raise RecordError(f"{name} is empty", _ASK)
        return json.loads(text)
    except OSError as error:
        raise RecordError(f"{name} cannot be read ({error.strerror})", _ASK) from error
    except (ValueError, RecursionError) as error:  # bad JSON and bad UTF-8 are ValueErrors
        raise RecordError(f"{name} is damaged: no JSON", _ASK) from error


def is_record(data: Any) -> bool:
    """Whether parsed JSON looks like a hand-in or a learner's own file."""
    if not isinstance(data, dict):
        return False
    if "format" in data:
        return bool(data["format"] == FORMAT)
    return isinstance(data.get("version"), int) and bool({"questions", "guesses"} & data.keys())


def checked_name(name: str) -> str:
    """A name as it goes into a file.

    Raises:
        RecordError: it is no text, too long, or has characters that cannot be seen.
    """
    if not isinstance(name, str) or len(name) > LONGEST_NAME or _UNSEEN.search(name):
        raise RecordError(
            "this cannot stand as a name",
            f"give a text of at most {LONGEST_NAME} characters, or leave it out",
        )
    return name.strip()


def _entries(found: Any, form: Callable[[Mapping[str, Any]], Any]) -> dict[str, Any]:
    if not isinstance(found, dict):
        return {}
    pairs = (
        (name, form(entry))
        for name, entry in sorted(found.items())
        if _ID.fullmatch(name) and isinstance(entry, dict)
    )
    return {name: kept for name, kept in pairs if kept not in (None, {})}


def _question(entry: Mapping[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for key in ("attempts", "hints"):
        value = entry.get(key)
        if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= 1_000_000:
            kept[key] = value
    if entry.get("status") in _STATUS:
        kept["status"] = entry["status"]
    if entry.get("first") in _STATUS[1:]:
        kept["first"] = entry["first"]
    chosen = entry.get("chosen")
    if isinstance(chosen, str) and re.fullmatch(r"[a-z]{1,8}", chosen):
        kept["chosen"] = chosen
    if entry.get("solution") is True:
        kept["solution"] = True
    return kept


def _guess(entry: Mapping[str, Any]) -> Any:
    value = entry.get("first")
    if isinstance(value, str):
        return value if 0 < len(value) <= LONGEST_GUESS and not _UNSEEN.search(value) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if abs(value) < 1e12 else None  # nan and infinity are not less
