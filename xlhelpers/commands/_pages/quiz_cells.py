"""The cells at the end of a notebook that show its quiz."""

from __future__ import annotations

import re
from collections.abc import Sequence

TEXT_ID, CODE_ID = "quiz-text", "quiz"
TITLE = "Quiz"
NUMBERS = {5: "Five", 6: "Six"}

_HEADING = re.compile(r"^## +(\d+) +· +(.+?)\s*$", re.MULTILINE)


def texts(number: str, section: int, questions: int) -> tuple[str, str]:
    """Markdown and code of the two cells.

    Args:
        number: of the notebook, `"04"`.
        section: the number of the quiz's own section.
        questions: how many there are.
    """
    prose = (
        f"## {section} · {TITLE}\n\n"
        f"{NUMBERS.get(questions, str(questions))} questions on what this notebook has shown. "
        "Every choice is explained, the wrong ones with what people believe who choose them. Tab "
        'and Enter do as well as a mouse; where there are no buttons, `quiz.answer("b")` answers '
        "the first open question. `xl.progress()` says how far you are, and what is next."
    )
    return prose, f'quiz = xl.exercises.quiz("{number}")\nquiz'


def sections_before(prose: Sequence[str]) -> int:
    """The number of the last section that is not the quiz."""
    found = [(int(n), title) for text in prose for n, title in _HEADING.findall(text)]
    return max((number for number, title in found if title != TITLE), default=0)
