"""`docs/workshop/solutions/`: for teachers, every exercise and quiz question with its answers.

One page a notebook, made from the questions themselves: what a learner is shown as the solution,
and what `check` says to a wrong answer, is what stands there.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

from xlhelpers import exercises
from xlhelpers._notebooks import Book
from xlhelpers.exercises import engine, quizzes
from xlhelpers.exercises._paper import Item
from xlhelpers.exercises.engine import Question, Quiz
from xlhelpers.exercises.prediction import Prediction

_CODE = re.compile(r"(`[^`\n]+`)")
_SPECIAL = re.compile(r"([\\`*_\[\]#|~$])")
_LIST = re.compile(r"^(\s*)([-+]|\d+[.)])(?=\s)", re.MULTILINE)

# What an answer is, in words, by the kind of question.
_FORMS: tuple[tuple[type[Question], str], ...] = (
    (Quiz, "one or more letters"),
    (engine.Function, "a function"),
    (engine.Numbers, "numbers by name"),
    (engine.Number, "a number"),
    (engine.Array, "an array of numbers"),
    (engine.Words, "words"),
    (engine.Choice, "one of several words"),
    (engine.Text, "a text"),
)

_TOP = """# Solutions of notebook {number}: {title}

For teachers. Learners see the same, one answer at a time: `.hint()`, `.solution()`, and what
`.check(answer)` says to a wrong answer.

<!-- This file is written by `python -m xlhelpers.commands._pages` from xlhelpers/exercises. -->
"""


def file_name(book: Book) -> str:
    """`04_zero_shot.md`."""
    return f"{book.path.stem}.md"


def pages(books: Sequence[Book]) -> dict[str, str]:
    """The text of each page, by the name of its file."""
    return {file_name(book): page(book) for book in books}


def page(book: Book) -> str:
    """The whole page of a notebook: guesses, exercises, quiz."""
    known = book.name in exercises.modules()
    guesses = exercises.predictions(book.name).values() if known else ()
    asked = exercises.questions(book.name).values() if known else ()
    parts = [_TOP.format(number=book.number, title=book.title)]
    if guesses:
        parts += ["## Guesses", *map(_guess, guesses)]
    parts += ["## Exercises", *map(_exercise, asked)]
    parts += ["## Quiz", *(_quiz_question(*one) for one in enumerate(quizzes.items(book.name), 1))]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def markdown(text: str) -> str:
    """Plain text with `code` as Markdown that shows the same; line breaks are kept."""
    marked = "".join(
        part if _CODE.fullmatch(part) else _SPECIAL.sub(r"\\\1", html.escape(part, quote=False))
        for part in _CODE.split(text)
    )
    marked = _LIST.sub(lambda found: found[1] + found[2][:-1] + "\\" + found[2][-1], marked)
    return marked.replace("\n", "\\\n")


def _guess(asked: Prediction) -> str:
    return f"- `{asked.id}`: {markdown(asked.prompt)} {markdown(asked.range_text())}"


def _exercise(question: Question) -> str:
    heading = f"### {question.short_name}"
    if isinstance(question, Quiz):
        return f"{heading}\n\n{markdown(question.prompt)}\n\n{_options(question)}"
    parts = [heading, markdown(question.prompt), f"The answer is {_form(question)}."]
    if question.hints:
        hints = enumerate(map(markdown, question.hints), start=1)
        parts += ["**Hints**", "\n".join(f"{n}. {_indented(text, 3)}" for n, text in hints)]
    parts += ["**A solution**", f"```python\n{question.source()}\n```"]
    if question.why:
        parts.append(markdown(question.why))
    if question.catalogue:
        said = (
            f"- **{markdown(name)}**: {_indented(markdown(wrong.message), 2)}"
            for name, wrong in question.catalogue.items()
        )
        parts += ["**Wrong answers that `check` knows**", "\n".join(said)]
    return "\n\n".join(parts)


def _quiz_question(number: int, item: Item) -> str:
    where = markdown(item.where())
    return (
        f"### Question {number}\n\n{markdown(item.prompt)}\n\n{_options(item)}\n\n"
        f"It is answered in {where}."
    )


def _options(question: Quiz) -> str:
    return "\n".join(_option(letter, question) for letter in question.options)


def _option(letter: str, question: Quiz) -> str:
    option = question.options[letter]
    said = f"- **{letter}**{' (right)' if option.right else ''}: {markdown(option.text)}"
    said += f"\\\n{markdown(option.why)}"
    if option.belief:
        said += f"\\\nBelieved: {markdown(option.belief)}."
    return _indented(said, 2)


def _form(question: Question) -> str:
    return next((words for kind, words in _FORMS if isinstance(question, kind)), "checked as it is")


def _indented(text: str, spaces: int) -> str:
    return text.replace("\n", "\n" + " " * spaces)
