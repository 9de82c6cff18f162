"""Exercises: one module a notebook, on one engine.

    xl.exercises.alignment.q1.check(answer)     .hint()     .solution()
    xl.exercises.quiz("01")                     .answer("b")
    xl.progress()                               .save("my-progress.json")

Question modules are imported on first use, so that `import xlhelpers.exercises` stays light.
Progress is kept in a file on this machine and goes nowhere.
"""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path
from types import ModuleType

from xlhelpers.exercises import _class, _report
from xlhelpers.exercises._class import ClassView
from xlhelpers.exercises._paper import Paper
from xlhelpers.exercises._report import Progress
from xlhelpers.exercises.engine import Question
from xlhelpers.exercises.prediction import Prediction

_MACHINERY = {"engine", "panels", "prediction", "quizzes", "values"}

__all__ = ["class_view", "modules", "predictions", "progress", "questions", "quiz"]


def modules() -> list[str]:
    """The names of the modules that hold questions, sorted."""
    names = (info.name for info in pkgutil.iter_modules(__path__))
    return sorted(name for name in names if name not in _MACHINERY and not name.startswith("_"))


def questions(module: str) -> dict[str, Question]:
    """The questions and quizzes of a module, by name, in the order of their declaration."""
    return {k: v for k, v in vars(_load(module)).items() if isinstance(v, Question)}


def predictions(module: str) -> dict[str, Prediction]:
    """The predictions of a module, by name, in the order of their declaration."""
    return {k: v for k, v in vars(_load(module)).items() if isinstance(v, Prediction)}


def quiz(notebook: str | int) -> Paper:
    """The quiz at the end of a notebook: `quiz("04")` shows it, `.answer("b")` answers it.

    Raises:
        QuizError: there is no such notebook; the remedy lists all.
    """
    return _load("quizzes").paper(notebook)  # type: ignore[no-any-return]


def progress() -> Progress:
    """How far this learner has come, by notebook, and what is next; from the local file.

    Works without a file, and with one that is damaged (it is kept aside, and the page says so) or
    of a newer version of the course. `.save("my-progress.json")` writes it for a teacher.
    """
    return _report.progress(
        modules(),
        lambda module: [question.id for question in questions(module).values()],
        lambda module: [prediction.id for prediction in predictions(module).values()],
    )


def class_view(folder: str | Path) -> ClassView:
    """For teachers: the records that learners have handed in, gathered from a folder.

    Shows who has tried what, how often, and which questions were missed most;
    `.frame()` has the rows, `.problems` the files that could not be read (they are left alone).

    Raises:
        ClassError: there is no such folder, or no record in it.
    """
    return _class.class_view(folder)


def _load(module: str) -> ModuleType:
    return importlib.import_module(f"{__name__}.{module}")


def __getattr__(name: str) -> ModuleType:
    """Import `xlhelpers.exercises.<name>` the first time that someone asks for it."""
    if not name.startswith("_") and (name in _MACHINERY or name in modules()):
        return _load(name)
    known = ", ".join(modules()) or "none yet"
    raise AttributeError(f"there are no exercises called {name!r}; there are: {known}")


def __dir__() -> list[str]:
    return sorted([*__all__, *modules()])
