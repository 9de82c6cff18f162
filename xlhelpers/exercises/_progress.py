"""What a learner has done, in one local file. Nothing leaves the machine.

The file is `progress.json` in the cache folder of the settings, or the one that the environment
variable `XL_PROGRESS_FILE` names. A disk that cannot be written to costs the record, never the
exercise. A file that a newer version of the course has written is read as far as it can be, and
never written to.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from xlhelpers import _store
from xlhelpers.errors import CourseError

VERSION = 1

_RANK = {"wrong form": 0, "incorrect": 1, "correct": 2}
_told: set[str] = set()


def path() -> Path:
    """Where progress is kept."""
    named = os.environ.get("XL_PROGRESS_FILE", "").strip()
    if named:
        return Path(named).expanduser().absolute()
    from xlhelpers import settings

    return settings.current().cache / "progress.json"


def load() -> dict[str, Any]:
    """The whole record: {"version": 1, "questions": {id: {...}}, "guesses": {id: ...}}.

    A question's entry has `status` (the best so far), `attempts`, `first` (the outcome of the
    first answer that could be read), `chosen` (the letters of a first choice), `hints`,
    `solution`; a guess has `first`.
    """
    data, problem = look()
    if problem:
        _warn_once(problem)
    return data


def look() -> tuple[dict[str, Any], str]:
    """The whole record as of `load`, and in a sentence why it could not be read, if so."""
    try:
        return _store.read(path()), ""
    except (OSError, CourseError) as error:
        return {}, f"progress could not be read: {error}"


def is_newer(data: dict[str, Any]) -> bool:
    """Whether a record was written by a newer version of the course than this."""
    version = data.get("version")
    return isinstance(version, int) and not isinstance(version, bool) and version > VERSION


def attempt(question: str, status: str, chosen: str = "") -> None:
    """Count an attempt; a question once correct stays correct.

    `chosen` are the letters of a choice. How the first attempt went is kept: it tells which
    questions are hard, which later ones do not.
    """

    def change(entry: dict[str, Any]) -> None:
        entry["attempts"] = _count(entry, "attempts") + 1
        if status in ("correct", "incorrect") and "first" not in entry:
            before = entry.get("status")
            # Records of earlier versions have no `first`. Was the best so far wrong, so was the
            # first; was it right, nobody knows.
            if before == "incorrect":
                entry["first"] = before
            elif before != "correct":
                entry["first"] = status
                if chosen:
                    entry["chosen"] = chosen
        if _RANK.get(status, 0) >= _RANK.get(str(entry.get("status")), 0):
            entry["status"] = status

    _change("questions", question, change)


def hint(question: str, number: int) -> None:
    """Remember how far the hints were read."""

    def change(entry: dict[str, Any]) -> None:
        entry["hints"] = max(_count(entry, "hints"), number)

    _change("questions", question, change)


def solution(question: str) -> None:
    """Remember that the solution was read."""

    def change(entry: dict[str, Any]) -> None:
        entry["solution"] = True

    _change("questions", question, change)


def guess(prediction: str, value: Any) -> None:
    """Remember a committed guess; the first of each prediction is kept."""

    def change(entry: dict[str, Any]) -> None:
        entry.setdefault("first", value)

    _change("guesses", prediction, change)


def _count(entry: dict[str, Any], key: str) -> int:
    value = entry.get(key)
    return value if isinstance(value, int) else 0


def _change(kind: str, name: str, change: Callable[[dict[str, Any]], None]) -> None:
    def whole(data: dict[str, Any]) -> None:
        if is_newer(data):
            raise CourseError(
                f"{path().name} was written by a newer version of the course, and is left as it is",
                "update the course, or name another file in XL_PROGRESS_FILE",
            )
        data["version"] = VERSION
        if not isinstance(data.get(kind), dict):
            data[kind] = {}
        if not isinstance(data[kind].get(name), dict):
            data[kind][name] = {}
        change(data[kind][name])

    try:
        _store.update(path(), whole)
    except (OSError, CourseError) as error:
        _warn_once(f"progress could not be saved: {error}")


def _warn_once(text: str) -> None:
    """One warning a kernel, so that a read-only disk does not nag at every check."""
    if text not in _told:
        _told.add(text)
        warnings.warn(text, stacklevel=4)
