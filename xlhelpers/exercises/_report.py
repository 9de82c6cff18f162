"""The progress page: what a learner has done, notebook by notebook, and what is next."""

from __future__ import annotations

import html
import json
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xlhelpers import _notebooks, files
from xlhelpers.exercises import _progress, _record
from xlhelpers.exercises._record import Record
from xlhelpers.exercises.panels import Page, rich

_CELL = "padding:0.2em 0.6em;text-align:left"


@dataclass(frozen=True)
class Count:
    """How many of some questions are right, tried without that, and there."""

    right: int = 0
    tried: int = 0
    total: int = 0
    open: tuple[str, ...] = ()

    @property
    def done(self) -> bool:
        """Whether all are right; true of none."""
        return self.right == self.total

    def __str__(self) -> str:
        if not self.total:
            return "none"
        tried = f", {self.tried} tried" if self.tried else ""
        return f"{self.right} of {self.total}{tried}"


@dataclass(frozen=True)
class Row:
    """One notebook.

    Attributes:
        number: `"04"`; empty for questions that belong to no notebook.
        name: that of the module of questions.
        title: as in the notebook.
        exercises, quiz: how the questions stand.
        guesses: how many predictions were made, and how many there are.
        run: minutes that the notebook runs, stamped; None if unknown.
        work: minutes to work through, an estimate; None if unknown.
    """

    number: str
    name: str
    title: str
    exercises: Count
    quiz: Count
    guesses: tuple[int, int]
    run: float | None = None
    work: int | None = None

    @property
    def done(self) -> bool:
        """Whether every exercise and every quiz question is right."""
        return self.exercises.done and self.quiz.done

    @property
    def begun(self) -> bool:
        """Whether anything was tried or guessed."""
        asked = (self.exercises, self.quiz)
        return self.guesses[0] > 0 or any(one.right + one.tried for one in asked)

    @property
    def label(self) -> str:
        """`04, Zero-shot: …`."""
        return ", ".join(filter(None, (self.number, self.title)))

    @property
    def state(self) -> str:
        """In a word; the symbol before it is for the eye."""
        if self.done:
            return "✔ done"
        return "◐ begun" if self.begun else "○ open"


@dataclass(frozen=True, repr=False)
class Progress(Page):
    """How far a learner has come. `notes` say what was wrong with the file, if anything."""

    rows: tuple[Row, ...]
    record: Record
    notes: tuple[str, ...] = ()
    symbol, plain_symbol = "≡", "[=]"

    def heading(self) -> str:
        parts = []
        for name, what in (("exercises", "exercises"), ("quiz", "quiz questions")):
            counts = [getattr(row, name) for row in self.rows]
            right, total = sum(c.right for c in counts), sum(c.total for c in counts)
            parts.append(f"{right} of {total} {what}")
        return f"{' and '.join(parts)} answered."

    def next(self) -> str:
        """What to do next: what was begun, else what follows the last that is done."""
        open_ = [row for row in self.rows if not row.done]
        done = [place for place, row in enumerate(self.rows) if row.done]
        after = [row for row in open_ if not done or row in self.rows[done[-1] :]]
        row = next(iter([*(row for row in open_ if row.begun), *after, *open_]), None)
        if row is None:
            return "All is answered. What is left is a language, or a text, of your own."
        verb = "go on with" if row.begun else "begin with"
        place = f"notebook {row.label}" if row.number else row.label
        return f"Next: {verb} {place}{_time(row)}. {_still_open(row)}"

    def body(self) -> str:
        lines = [
            f"{row.label}: exercises {row.exercises}; quiz {row.quiz}; "
            f"guesses {row.guesses[0]} of {row.guesses[1]}{_time(row)}"
            for row in self.rows
        ]
        return "\n".join([*self.notes, *lines, self.next()])

    def body_html(self) -> str:
        head = "".join(
            f'<th scope="col" style="{_CELL}">{text}</th>'
            for text in ("notebook", "so far", "exercises", "quiz", "guesses", "minutes")
        )
        rows = "".join(map(_row_html, self.rows))
        notes = "".join(f"<p>{rich(note)}</p>" for note in self.notes)
        return (
            f"{notes}<p>{rich(self.next())}</p>"
            '<table style="border-collapse:collapse"><caption style="text-align:left">'
            "Right answers by notebook; “tried” are answers that are not right yet. Minutes to "
            "work through are an estimate.</caption>"
            f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        )

    def save(self, path: str | Path, name: str = "") -> Path:
        """Write what a teacher may want to see: answers counted, and nothing about the person.

        The file says which questions were tried, how often, with which first choice, and the
        first guesses; no text that was typed, no time, no machine. `name` is put in when given.
        It is read by `xl.exercises.class_view`.

        Raises:
            RecordError: `name` cannot be used, or a file that is no hand-in is there already.
            OSError: the folder cannot be written to.
        """
        target = Path(path).expanduser()
        _may_replace(target)
        data = handed_in(self.record, _record.checked_name(name))
        files.write_text(target, json.dumps(data, ensure_ascii=False, indent=1) + "\n")
        return target


def handed_in(record: Record, name: str) -> dict[str, Any]:
    """The content of a file to hand in."""
    from xlhelpers import __version__

    guesses = {one: {"first": value} for one, value in record.guesses.items()}
    data = {"format": _record.FORMAT, "version": _progress.VERSION, "course": __version__}
    data |= {"name": name} if name else {}
    return data | {"questions": dict(record.questions), "guesses": guesses}


def _may_replace(target: Path) -> None:
    """An earlier hand-in may be replaced, nothing else."""
    if target.exists() and not _record.is_hand_in(target):
        raise _record.RecordError(
            f"{target.name} is there already, and was not written to be handed in",
            "choose another name",
        )


def progress(
    modules: Sequence[str],
    questions: Callable[[str], Sequence[str]],
    predictions: Callable[[str], Sequence[str]],
) -> Progress:
    """The page for the local file.

    Args:
        modules: names of the modules of questions.
        questions, predictions: from a module's name to the ids of what it asks.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        data, problem = _progress.look()
    notes = [str(one.message) for one in caught] + [problem] * bool(problem)
    record = _record.clean(data)
    if record.newer:
        notes.append(
            f"{_progress.path().name} was written by a newer version of the course. What this "
            "one knows of it is shown; it is left as it is, and new answers are not kept. Update "
            "the course, or name another file in `XL_PROGRESS_FILE`."
        )
    rows = _rows(record, modules, questions, predictions)
    return Progress(tuple(rows), record, tuple(notes))


def _rows(
    record: Record,
    modules: Sequence[str],
    questions: Callable[[str], Sequence[str]],
    predictions: Callable[[str], Sequence[str]],
) -> list[Row]:
    from xlhelpers.exercises import quizzes

    books = {book.name: book for book in _notebooks.books()}
    known = [name for name in quizzes.NAMES if name in books or name in modules]
    rows = []
    for name in [*known, *(other for other in modules if other not in known)]:
        book, here = books.get(name), name in modules
        asked = predictions(name) if here else []
        number = f"{quizzes.NAMES.index(name) + 1:02}" if name in quizzes.NAMES else ""
        rows.append(
            Row(
                number,
                name,
                book.title if book else name,
                _count(record, questions(name) if here else []),
                _count(record, [item.id for item in quizzes.items(name)]),
                (sum(one in record.guesses for one in asked), len(asked)),
                book.minutes if book else None,
                book.working_minutes if book else None,
            )
        )
    return rows


def _count(record: Record, ids: Sequence[str]) -> Count:
    states = {one: str(record.questions.get(one, {}).get("status", "")) for one in ids}
    right = [one for one, state in states.items() if state == "correct"]
    tried = [one for one, state in states.items() if state and one not in right]
    still = tuple(one.partition(".")[2] for one in ids if one not in right)
    return Count(len(right), len(tried), len(ids), still)


def _time(row: Row) -> str:
    return f" (about {row.work} minutes)" if row.work is not None else ""


def _still_open(row: Row) -> str:
    left = []
    if row.exercises.open:
        several = "s" * (len(row.exercises.open) > 1)
        left.append(f"exercise{several} {', '.join(row.exercises.open)}")
    if count := len(row.quiz.open):
        left.append(f'{count} question{"s" * (count > 1)} of `xl.exercises.quiz("{row.number}")`')
    return f"Still open: {' and '.join(left)}."


def _row_html(row: Row) -> str:
    minutes = "" if row.work is None else f"about {row.work}"
    texts = (
        row.state,
        str(row.exercises),
        str(row.quiz),
        f"{row.guesses[0]} of {row.guesses[1]}",
        minutes,
    )
    style = f"{_CELL};white-space:nowrap"
    cells = "".join(f'<td style="{style}">{html.escape(text)}</td>' for text in texts)
    return (
        f'<tr><th scope="row" style="{_CELL};font-weight:normal">{html.escape(row.label)}</th>'
        f"{cells}</tr>"
    )
