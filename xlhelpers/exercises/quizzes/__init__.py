"""The quizzes: one module a notebook, under the notebook's name, with its `QUESTIONS`.

A question can be answered from its notebook alone, and does not hang on a figure that another run
may change. Every wrong choice is something that people believe; `belief` says what, `why` what is
wrong with it.
"""

from __future__ import annotations

import importlib
from functools import cache

from xlhelpers.errors import CourseError
from xlhelpers.exercises._paper import Item, Paper

# In the order of the notebooks: the first is 01.
NAMES = (
    "alignment",
    "mbert",
    "xlmr",
    "zero_shot",
    "few_shot",
    "low_resource",
    "translation",
    "production",
)


class QuizError(CourseError):
    """There is no quiz of that name."""


def items(name: str) -> tuple[Item, ...]:
    """The questions of the notebook `name`; empty when it has none."""
    if name not in NAMES:
        return ()
    found: tuple[Item, ...] = importlib.import_module(f"{__name__}.{name}").QUESTIONS
    return found


def paper(notebook: str | int) -> Paper:
    """The quiz of `"04"`, `4`, `"zero_shot"` or `"04_zero_shot"`, the same object every time.

    Raises:
        QuizError: there is none; the remedy lists all.
    """
    text = str(notebook).strip()
    number, _, rest = text.partition("_")
    if (
        number.isdecimal()
        and 1 <= int(number) <= len(NAMES)
        and rest in ("", NAMES[int(number) - 1])
    ):
        return _paper(NAMES[int(number) - 1])
    if text in NAMES:
        return _paper(text)
    known = ", ".join(f'"{place:02}" ({name})' for place, name in enumerate(NAMES, start=1))
    raise QuizError(f"there is no quiz {text[:40]!r}", f"there are: {known}")


@cache
def _paper(name: str) -> Paper:
    return Paper(f"{NAMES.index(name) + 1:02}", items(name))
