"""Exercises: one module a notebook, on one engine.

    xl.exercises.alignment.q1.check(answer)     .hint()     .solution()
    xl.exercises.progress()

Question modules are imported on first use, so that `import xlhelpers.exercises` stays light.
Progress is kept in a file on this machine and goes nowhere.
"""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from xlhelpers.exercises import _progress
from xlhelpers.exercises.engine import Question
from xlhelpers.exercises.panels import Panel
from xlhelpers.exercises.prediction import Prediction

_MACHINERY = {"engine", "panels", "prediction", "values"}

__all__ = ["modules", "predictions", "progress", "questions"]


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


@dataclass(frozen=True, repr=False)
class Progress(Panel):
    """A summary: per notebook, how many questions stand at correct, tried and not attempted."""

    rows: tuple[tuple[str, int, int, int], ...]
    symbol, plain_symbol = "≡", "[=]"

    def heading(self) -> str:
        done = sum(row[1] for row in self.rows)
        return f"{done} of {sum(row[3] for row in self.rows)} questions answered."

    def body(self) -> str:
        return "\n".join(
            f"{name}: {correct} correct, {tried} tried, {total - correct - tried} not attempted"
            for name, correct, tried, total in self.rows
        )


def progress() -> Progress:
    """How far this learner has come, from the local file."""
    record = _progress.load().get("questions")
    entries = record if isinstance(record, dict) else {}
    rows = []
    for module in modules():
        ids = [question.id for question in questions(module).values()]
        states = [_status(entries.get(name)) for name in ids]
        correct = states.count("correct")
        tried = sum(state not in ("", "correct") for state in states)
        rows.append((module, correct, tried, len(ids)))
    return Progress(tuple(rows))


def _status(entry: Any) -> str:
    return str(entry.get("status", "")) if isinstance(entry, dict) else ""


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
