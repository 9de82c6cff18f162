"""What a class has done: records that learners chose to hand in, gathered from one folder."""

from __future__ import annotations

import html
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from xlhelpers.errors import CourseError
from xlhelpers.exercises import _record
from xlhelpers.exercises._record import Record, RecordError
from xlhelpers.exercises.panels import Page, rich

if TYPE_CHECKING:
    import pandas as pd

MOST_FILES = 500
SHOWN = 10
SHORT = 20  # characters

_CELL = "padding:0.2em 0.8em;text-align:left;vertical-align:top"


class ClassError(CourseError):
    """There is no folder of records to look at."""


@dataclass(frozen=True)
class Learner:
    """One file: `who` is the name in it, or the file's; with both where two have one name.

    `file` has the name of the folder before it where the file is not in the class's own.
    """

    who: str
    file: str
    record: Record


@dataclass(frozen=True)
class Missed:
    """A question that somebody got wrong at the first attempt.

    Attributes:
        question: its id.
        kind: exercise or quiz.
        prompt: what it asks; empty when this version of the course has no such question.
        missed, tried: how many learners, of how many that tried it.
        believed: the misconception behind the commonest wrong choice, and how many chose it;
            empty where there is nothing to choose.
    """

    question: str
    kind: str
    prompt: str
    missed: int
    tried: int
    believed: str


@dataclass(frozen=True, repr=False)
class ClassView(Page):
    """The records of a folder.

    Attributes:
        learners: in the order of their names.
        problems: one sentence for each file that was left out; the files stay where they are.
        notes: one sentence for each record that is shown and may not be whole.
    """

    learners: tuple[Learner, ...]
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    symbol, plain_symbol = "≡", "[=]"

    def frame(self) -> pd.DataFrame:
        """One row for each learner and question that was tried, looked up or guessed.

        Columns: who, question, kind (exercise, quiz or guess), status, first (how the first
        attempt went), chosen (letters of a first choice), attempts, hints, solution (whether it
        was read), guess.
        """
        import pandas as pd

        columns = "who question kind status first chosen attempts hints solution guess".split()
        return pd.DataFrame(list(self._entries()), columns=columns)

    def missed(self) -> list[Missed]:
        """Questions by how many got them wrong at the first attempt, the most missed first."""
        found = [self._missed(question) for question in self._questions()]
        return sorted(
            (one for one in found if one.missed),
            key=lambda one: (-one.missed, one.tried, one.question),
        )

    def heading(self) -> str:
        count = len(self.learners)
        files = len(self.problems)
        left = f", {files} file{'s' * (files != 1)} left out" if files else ""
        return f"{count} record{'s' * (count != 1)}{left}."

    def body(self) -> str:
        lines = [*self.problems, *self.notes]
        for row in self._by_learner():
            said = [f"{what} {text}" for what, text in zip(_COLUMNS[1:], row[1:], strict=True)]
            lines.append(f"{row[0]}: {'; '.join(said)}")
        missed = self.missed()
        lines += ["Most missed at the first attempt:"] if missed else []
        lines += [f"{one.question}: {_of(one)}. {_short(one)}" for one in missed[:SHOWN]]
        return "\n".join(lines)

    def body_html(self) -> str:
        missed = [
            (one.question, _of(one), one.believed, one.prompt) for one in self.missed()[:SHOWN]
        ]
        tables = _table("Right answers by learner", _COLUMNS, self._by_learner())
        if missed:
            columns = ("question", "missed", "most believed", "it asks")
            tables += _table("Most missed at the first attempt", columns, missed)
        told = "".join(f"<li>{rich(text)}</li>" for text in (*self.problems, *self.notes))
        return (f"<ul>{told}</ul>" if told else "") + tables

    def _entries(self) -> Iterator[dict[str, Any]]:
        for learner in self.learners:
            for name, entry in learner.record.questions.items():
                yield {"who": learner.who, "question": name, "kind": kind_of(name), **entry}
            for name, value in learner.record.guesses.items():
                yield {"who": learner.who, "question": name, "kind": "guess", "guess": value}

    def _questions(self) -> list[str]:
        return sorted({name for one in self.learners for name in one.record.questions})

    def _missed(self, question: str) -> Missed:
        given = [one.record.questions.get(question, {}) for one in self.learners]
        tried = [entry for entry in given if entry.get("status")]
        wrong = [entry for entry in tried if _wrong_at_first(entry)]
        known = _known(question)
        letters = Counter(str(entry["chosen"]) for entry in wrong if "chosen" in entry)
        return Missed(
            question,
            kind_of(question),
            known.prompt if known is not None else "",
            len(wrong),
            len(tried),
            _believed(known, letters),
        )

    def _by_learner(self) -> list[tuple[str, ...]]:
        rows = []
        for learner in self.learners:
            texts = [learner.who, _begun(learner.record)]
            for kind in ("exercise", "quiz"):
                entries = [
                    entry
                    for name, entry in learner.record.questions.items()
                    if kind_of(name) == kind and entry.get("status")
                ]
                right = sum(entry["status"] == "correct" for entry in entries)
                texts.append(f"{right} right of {len(entries)} tried")
            attempts = sum(e.get("attempts", 0) for e in learner.record.questions.values())
            rows.append((*texts, str(attempts), str(len(learner.record.guesses))))
        return rows


_COLUMNS = ("who", "notebooks", "exercises", "quiz", "attempts", "guesses")


def class_view(folder: str | Path) -> ClassView:
    """Gather the records (`*.json`) that learners have put into `folder`.

    Folders in it are looked into, since many systems hand over one for each learner; folders in
    these are not. A file that is no record is named and left where it is; it stops nothing.

    Raises:
        ClassError: there is no such folder, or it cannot be read, or it holds no such file, or
            more than a class has.
    """
    place = Path(folder).expanduser()
    if not place.is_dir():
        raise ClassError("there is no such folder", "name the one that the files were put into")
    found, problems = _handed_in(place)
    if not found and not problems:
        raise ClassError(
            "there is no .json file in this folder",
            'learners write theirs with xl.progress().save("my-progress.json")',
        )
    if len(found) > MOST_FILES:
        raise ClassError(
            f"there are {len(found)} files here, more than {MOST_FILES}",
            "look at one class at a time",
        )
    read: dict[str, Record] = {}
    for path in found:
        name = path.relative_to(place).as_posix()
        try:
            read[name] = _record.read(path, name)
        except RecordError as error:
            problems.append(error.problem)
    notes = [
        f"{_record.seen(file)} is of a newer version of the course: some of it may be missing"
        for file, record in read.items()
        if record.newer
    ]
    return ClassView(tuple(_learners(read)), tuple(problems), tuple(notes))


def _handed_in(place: Path) -> tuple[list[Path], list[str]]:
    """The files of a folder and of those in it; a sentence for each of these that is closed."""
    files, folders, problems = *_listed(place), []
    for folder in folders:
        try:
            files += _listed(folder)[0]
        except ClassError as error:
            problems.append(f"{_record.seen(folder.name)}: {error.problem}")
    return files, problems


def _listed(place: Path) -> tuple[list[Path], list[Path]]:
    """The .json files of a folder, also `A.JSON` on any system, and its folders.

    Hidden ones are left out: a Mac's archives have one beside each file.
    """
    try:
        found = sorted(path for path in place.iterdir() if not path.name.startswith("."))
        files = [one for one in found if one.suffix.casefold() == ".json" and one.is_file()]
        return files, [one for one in found if one.is_dir()]
    except OSError as error:
        raise ClassError(
            f"this folder cannot be read ({error.strerror})", "look at whom it belongs to"
        ) from error


def _learners(read: Mapping[str, Record]) -> list[Learner]:
    names = {
        file: record.name or _record.seen(str(PurePosixPath(file).with_suffix("")))
        for file, record in read.items()
    }
    twice = {name for name, count in Counter(names.values()).items() if count > 1}
    learners = [
        Learner(name if name not in twice else f"{name} ({_record.seen(file)})", file, read[file])
        for file, name in names.items()
    ]
    return sorted(learners, key=lambda one: (_by_name(one.who), one.file))


def _by_name(who: str) -> str:
    """Names in the order in which one looks for them: É beside E."""
    parts = unicodedata.normalize("NFKD", who)
    return "".join(part for part in parts if not unicodedata.combining(part)).casefold()


def _begun(record: Record) -> str:
    """The numbers of the notebooks in which something was tried or guessed: `01–03, 08`."""
    from xlhelpers.exercises import quizzes

    tried = [name for name, entry in record.questions.items() if entry.get("status")]
    modules = {name.partition(".")[0] for name in (*tried, *record.guesses)}
    numbers = [n for n, name in enumerate(quizzes.NAMES, start=1) if name in modules]
    starts = [n for n in numbers if n - 1 not in numbers]
    ends = [n for n in numbers if n + 1 not in numbers]
    return ", ".join(
        f"{first:02}" if first == last else f"{first:02}–{last:02}"
        for first, last in zip(starts, ends, strict=True)
    )


def kind_of(question: str) -> str:
    """`quiz` or `exercise`, by the id."""
    return "quiz" if question.partition(".")[2].startswith("quiz") else "exercise"


def _wrong_at_first(entry: Mapping[str, Any]) -> bool:
    """Records of earlier versions do not say; there, a question that is not right counts."""
    if "first" in entry:
        return bool(entry["first"] == "incorrect")
    return bool(entry.get("status") == "incorrect")


def _known(question: str) -> Any:
    """The question with this id, or None."""
    from xlhelpers import exercises

    module, _, _ = question.partition(".")
    if kind_of(question) == "quiz":
        listed: Any = exercises.quizzes.items(module)
    else:
        listed = exercises.questions(module).values() if module in exercises.modules() else ()
    return next((one for one in listed if one.id == question), None)


def _believed(question: Any, letters: Counter[str]) -> str:
    if not letters or question is None or not hasattr(question, "options"):
        return ""
    chosen, count = min(letters.items(), key=lambda pair: (-pair[1], pair[0]))
    known = [one for one in chosen if one in question.options]
    wrong = next((one for one in known if one not in question.right), "")
    said = f"(choice {wrong}: {count} of {letters.total()})"
    return f"{question.options[wrong].label} {said}" if wrong else ""


def _of(one: Missed) -> str:
    return f"{one.missed} of {one.tried}"


def _short(one: Missed) -> str:
    return f"Most believed: {one.believed}." if one.believed else one.prompt[:100]


def _table(caption: str, columns: Sequence[str], rows: Sequence[tuple[str, ...]]) -> str:
    head = "".join(f'<th scope="col" style="{_CELL}">{text}</th>' for text in columns)
    body = "".join(
        f'<tr><th scope="row" style="{_CELL};font-weight:normal"><bdi>{html.escape(row[0])}</bdi>'
        "</th>" + "".join(map(_cell, row[1:])) + "</tr>"
        for row in rows
    )
    return (
        '<table style="border-collapse:collapse;margin-top:0.6em">'
        f'<caption style="text-align:left">{caption}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )


def _cell(text: str) -> str:
    # Short texts such as "11 of 23" stay in one line, whatever long ones stand beside them.
    whole = ";white-space:nowrap" if len(text) <= SHORT else ""
    return f'<td style="{_CELL}{whole}">{rich(text)}</td>'
