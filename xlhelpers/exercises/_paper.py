"""The quiz at the end of a notebook: questions with lettered choices, each of them explained.

With a widget front-end every choice is a button (Tab and Enter reach all of them); elsewhere the
questions are printed, and `answer("b")` answers the first that is open. Answers go to the same
local file as those of the exercises.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from xlhelpers import _notebooks
from xlhelpers._shown import Shown, has_front_end
from xlhelpers.exercises import _progress
from xlhelpers.exercises.engine import Quiz
from xlhelpers.exercises.panels import NotAttempted, Outcome, Panel, WrongForm, rich


@dataclass(kw_only=True, eq=False, repr=False)
class Item(Quiz):
    """A question of a notebook's quiz.

    Args:
        id: "<module>.quiz<number>"; the module is the notebook's name. A question that changes
            its sense gets a new number, so that old answers are not taken for answers to it.
        section: the beginning of the title of the section that answers it.
    """

    section: str

    @property
    def notebook(self) -> str:
        """The name of its notebook."""
        return self.id.partition(".")[0]

    def text(self) -> str:
        """Question and choices, one a line."""
        lines = [f"   {letter}) {option.text}" for letter, option in self.options.items()]
        return "\n".join([self.prompt, *lines])

    def body(self) -> str:
        return f"{self.text()}\n`xl.exercises.quiz({self.notebook!r})` shows them all."

    def where(self) -> str:
        """The section to read again, in words."""
        try:
            section = _notebooks.book(self.notebook).section(self.section)
        except _notebooks.NotebookError:  # the package without its notebooks
            return f"the section “{self.section}”"
        return f"section “{section.heading}”"


class Paper(Panel):
    """All questions of one notebook's quiz.

    In a notebook, `xl.exercises.quiz("04")` as the last line of a cell shows it.
    """

    symbol, plain_symbol, colour = "?", "[?]", "#8a6d00"

    def __init__(self, number: str, items: Sequence[Item]) -> None:
        self.number = number
        self.items = tuple(items)
        self._right: set[int] = set()
        self._first: dict[int, bool] = {}

    # ── for the learner ──

    def answer(self, choice: Any = None, question: int | None = None) -> Answered:
        """Answer the first open question, or question number `question`.

        A question is open until a right answer in this session. Never raises: what cannot be
        read is answered with what is expected.
        """
        place = self._place(question)
        if place is None:
            wrong = f"A question from 1 to {len(self.items)} is expected."
            return Answered(self, 0, WrongForm(wrong))
        return Answered(self, place + 1, self.judge(choice, place))

    def judge(self, choice: Any, place: int) -> Outcome:
        """The outcome of `choice` for the question at `place` (from 0), kept in the record."""
        outcome = self.items[place].check(choice)
        if outcome.status in ("correct", "incorrect"):
            self._first.setdefault(place, outcome.passed)
        if outcome.passed:
            self._right.add(place)
        return outcome

    @property
    def open(self) -> list[int]:
        """Places (from 0) of the questions without a right answer in this session."""
        return [place for place in range(len(self.items)) if place not in self._right]

    def standing(self) -> str:
        """How many are right, in a sentence."""
        first = sum(self._first.values())
        return f"{len(self._right)} of {len(self.items)} right, {first} at the first attempt."

    def _place(self, question: Any) -> int | None:
        if question is None:
            return (self.open or [0])[0]
        known = isinstance(question, int) and not isinstance(question, bool)
        return question - 1 if known and 1 <= question <= len(self.items) else None

    # ── how it looks ──

    def heading(self) -> str:
        return f"Quiz of notebook {self.number}, {len(self.items)} questions."

    def invitation(self) -> str:
        """How to answer without widgets."""
        call = f'xl.exercises.quiz("{self.number}")'
        return (
            f'Answer one after another with `{call}.answer("b")`, '
            f'or the third with `{call}.answer("b", 3)`.'
        )

    def body(self) -> str:
        listed = "\n".join(f"{n}. {item.text()}" for n, item in enumerate(self.items, start=1))
        return f"{self.invitation()}\n{listed}"

    def body_html(self) -> str:
        questions = "".join(
            f'<li style="margin-top:0.6em">{rich(item.prompt)}<ul style="list-style:none;'
            f'margin:0.2em 0;padding-left:0.5em">{_choices(item)}</ul></li>'
            for item in self.items
        )
        return f"{rich(self.invitation())}<ol>{questions}</ol>"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        return Shown(widget_of(self), repr(self), self._repr_html_())._repr_mimebundle_()


def _choices(item: Item) -> str:
    return "".join(
        f"<li>{letter}) {rich(option.text)}</li>" for letter, option in item.options.items()
    )


class Answered(Panel):
    """What `answer` returns: the outcome, what to read again, and the next question.

    Attributes:
        question: the number of the question, from 1; 0 when there is none of that number.
        outcome: what the engine said.
    """

    def __init__(self, paper: Paper, question: int, outcome: Outcome, more: bool = True) -> None:
        self.question, self.outcome = question, outcome
        self._said = _said(paper, question, outcome, more)
        self._count = len(paper.items)

    @property
    def passed(self) -> bool:
        """True for a right answer."""
        return self.outcome.passed

    @property
    def symbol(self) -> str:  # type: ignore[override]
        """That of the outcome."""
        return self.outcome.symbol

    @property
    def plain_symbol(self) -> str:  # type: ignore[override]
        """That of the outcome, without Unicode."""
        return self.outcome.plain_symbol

    @property
    def colour(self) -> str:  # type: ignore[override]
        """That of the outcome."""
        return self.outcome.colour

    def heading(self) -> str:
        place = f"Question {self.question} of {self._count}. " if self.question else ""
        return place + self.outcome.heading()

    def body(self) -> str:
        return self._said


def _said(paper: Paper, question: int, outcome: Outcome, more: bool) -> str:
    if not question:
        return outcome.body()
    item = paper.items[question - 1]
    if isinstance(outcome, NotAttempted):
        return item.text() if more else ""
    if outcome.status == "wrong form":
        return outcome.body()
    if not outcome.passed:
        return f"{outcome.body()} Read again: {item.where()}. Then choose once more."
    if not paper.open:
        return f"{outcome.body()} {paper.standing()} `xl.progress()` says what is next."
    if not more:
        return outcome.body()
    following = paper.open[0]
    return f"{outcome.body()}\nQuestion {following + 1}. {paper.items[following].text()}"


# ── the widget ───────────────────────────────────────────────────────────────────────────────────


def widget_of(paper: Paper) -> Any:
    """Every choice as a button, its explanation below; None where no widget can be shown."""
    if not has_front_end():  # a terminal or a plain script
        return None
    try:
        import ipywidgets as widgets
    except ImportError:
        return None
    title = widgets.HTML(value=f"<strong>{html.escape(paper.heading())}</strong>")
    asked = [_question(widgets, paper, place) for place in range(len(paper.items))]
    return widgets.VBox([title, *asked])


def _question(widgets: Any, paper: Paper, place: int) -> Any:
    item = paper.items[place]
    prompt = widgets.HTML(value=f"<strong>{place + 1}.</strong> {rich(item.prompt)}")
    said = widgets.HTML(value=_before(item))
    rows = [_choice(widgets, paper, place, letter, said) for letter in item.options]
    return widgets.VBox([prompt, *rows, said], layout=widgets.Layout(margin="0.4em 0"))


def _choice(widgets: Any, paper: Paper, place: int, letter: str, said: Any) -> Any:
    """A button with the letter, its text beside it. The tooltip reads the choice out."""
    text = paper.items[place].options[letter].text
    plain = text.replace("`", "")
    button = widgets.Button(
        description=letter,
        tooltip=f"Answer {letter}: {plain}",
        layout=widgets.Layout(width="3.5em", flex="0 0 auto"),
    )

    def choose(_: Any) -> None:
        outcome = paper.judge(letter, place)
        button.description = f"{outcome.symbol} {letter}"
        said.value = Answered(paper, place + 1, outcome, more=False)._repr_html_()

    button.on_click(choose)
    beside = widgets.HTML(
        value=rich(text), layout=widgets.Layout(flex="1 1 0", width="auto", min_width="0")
    )
    return widgets.HBox([button, beside])


def _before(item: Item) -> str:
    """What the record says of a question, for those who come back to it."""
    entries = _progress.load().get("questions")
    entry = entries.get(item.id) if isinstance(entries, dict) else None
    if isinstance(entry, dict) and entry.get("status") == "correct":
        return "<em>You have had this right before.</em>"
    return ""
