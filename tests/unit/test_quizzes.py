"""The quizzes at the end of the notebooks: their content, and how they are asked."""

from __future__ import annotations

import json
import re
import types
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from xlhelpers import _notebooks, exercises
from xlhelpers.errors import CourseError
from xlhelpers.exercises import quizzes
from xlhelpers.exercises._paper import Item, Paper, widget_of
from xlhelpers.exercises.engine import Option, call_with

BOOKS = _notebooks.books()
ITEMS = [item for name in quizzes.NAMES for item in quizzes.items(name)]

# A notebook may come into the course after its questions do.
PLACED = [item for item in ITEMS if item.notebook in {book.name for book in BOOKS}]

every_item = pytest.mark.parametrize("item", ITEMS, ids=lambda item: item.id)
every_book = pytest.mark.parametrize("book", BOOKS, ids=lambda book: book.number)


def _sample() -> Paper:
    """Two questions, about nothing; the right answers are b, and a."""
    first = Item(
        id="alignment.quiz98",
        section="Does distance matter?",
        prompt="Is `1` < 2?",
        options={
            "a": Option("No, <never>.", "It is less.", belief="less taken for more"),
            "b": Option("Yes.", "By one.", right=True),
        },
    )
    second = Item(
        id="alignment.quiz99",
        section="no such section",
        prompt="And 2?",
        options={
            "a": Option("Yes.", "It is.", right=True),
            "b": Option("No.", "It is, though.", belief="two taken for one"),
        },
    )
    return Paper("01", [first, second])


# ── what they ask ────────────────────────────────────────────────────────────────────────────────


def test_quizzes_have_the_names_and_the_order_of_the_notebooks() -> None:
    names = [book.name for book in BOOKS]
    assert names == list(quizzes.NAMES[: len(names)]) and len(names) >= 7
    assert [book.number for book in BOOKS] == [f"{n:02}" for n in range(1, len(names) + 1)]


@every_book
def test_every_notebook_has_five_or_six_questions(book: _notebooks.Book) -> None:
    items = quizzes.items(book.name)
    assert 5 <= len(items) <= 6
    assert len({item.id for item in items}) == len(items)
    assert all(re.fullmatch(rf"{book.name}\.quiz[1-9]\d?", item.id) for item in items)
    assert len({item.section for item in items}) >= 4, "not all of one section"


@pytest.mark.parametrize("item", PLACED, ids=lambda item: item.id)
def test_a_section_of_the_notebook_answers_it(item: Item) -> None:
    section = _notebooks.book(item.notebook).section(item.section)
    assert section.number and section.title == item.section
    assert not re.match("Exercises|Claims|Quiz|Take-away", section.title)
    assert section.heading in item.where()


@every_item
def test_every_choice_is_explained_and_every_wrong_one_named(item: Item) -> None:
    assert list(item.options) == ["a", "b", "c", "d"] and len(item.right) == 1
    texts = [part for option in item.options.values() for part in (option.text, option.why)]
    assert len(set(texts)) == len(texts)
    assert all(text[0].isupper() or text[0] in "“`" for text in texts)
    assert all(text[-1] in ".?" for text in texts), "sentences"
    for option in item.options.values():
        assert bool(option.belief) is not option.right, "a misconception belongs to a wrong one"
        assert len(option.belief) <= 60 and option.belief[-1:] != "."
        assert len(option.text) <= 90 and 20 <= len(option.why) <= 260
    assert item.prompt.endswith("?") and len(item.prompt) <= 260


@every_item
def test_the_engine_judges_it(item: Item) -> None:
    assert item.check(item.answer).status == "correct"
    assert item.check(None).status == "not attempted"
    for name, wrong in item.catalogue.items():
        outcome = item.check(call_with(wrong.make, item.values()))
        assert (outcome.status, outcome.misconception) == ("incorrect", name)
        assert wrong.message in repr(outcome)
    assert len(item.catalogue) == 3, "no two wrong choices with one name"


@every_item
def test_house_style(item: Item) -> None:
    texts = [item.prompt]
    for option in item.options.values():
        texts += [option.text, option.why, option.belief]
    for text in texts:
        assert not re.search(r"\b(?:simply|powerful|obviously)\b|!(?:\s|$)|\*|  ", text), text
        assert text.count("`") % 2 == 0, text
        assert not re.search(r"[Ss]ection \d", text), f"a number that may change: {text}"


def test_the_right_choice_cannot_be_told_by_its_place_or_length() -> None:
    places = Counter(item.answer for item in ITEMS)
    assert set(places) == set("abcd")
    assert max(places.values()) <= 0.4 * len(ITEMS) and min(places.values()) >= 0.15 * len(ITEMS)
    longest = [max(i.options, key=lambda k: len(i.options[k].text)) == i.answer for i in ITEMS]
    assert sum(longest) <= 0.5 * len(ITEMS)


# ── how they are asked ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["04", 4, "4", "zero_shot", "04_zero_shot", " 04 "])
def test_a_quiz_is_found_by_number_and_name(name: Any) -> None:
    assert exercises.quiz(name) is exercises.quiz("04")
    assert exercises.quiz(name).items == quizzes.items("zero_shot")


@pytest.mark.parametrize("name", ["09", "0", "", "04_mbert", "zero", None, "-1", "²"])
def test_an_unknown_quiz_lists_them_all(name: Any) -> None:
    with pytest.raises(CourseError, match=r'"01" \(alignment\).*"08" \(production\)'):
        exercises.quiz(name)


def test_it_is_no_module_of_exercises() -> None:
    assert "quizzes" not in exercises.modules() and "quiz" in dir(exercises)


def test_printed_form_has_all_and_says_how_to_answer() -> None:
    shown = repr(_sample())
    assert shown.splitlines() == [
        "[?] Quiz of notebook 01, 2 questions. Answer one after another with "
        '`xl.exercises.quiz("01").answer("b")`, or the third with '
        '`xl.exercises.quiz("01").answer("b", 3)`.',
        "1. Is `1` < 2?",
        "   a) No, <never>.",
        "   b) Yes.",
        "2. And 2?",
        "   a) Yes.",
        "   b) No.",
    ]


def test_html_is_escaped_and_lists_are_lists() -> None:
    page = _sample()._repr_html_()
    assert "No, &lt;never&gt;." in page and "<code>1</code> &lt; 2" in page
    assert page.count("<ol>") == page.count("</ol>") == 1
    assert page.count("<li") == page.count("</li>") == 6


def test_without_a_front_end_it_shows_the_same_after_every_answer() -> None:
    paper = _sample()
    before = paper._repr_mimebundle_()
    assert set(before) == {"text/plain", "text/html"}
    paper.answer("a")
    paper.answer("b")
    assert paper._repr_mimebundle_() == before, "a second run of the cell looks the same"


def test_answers_go_on_from_question_to_question() -> None:
    paper = _sample()
    assert repr(paper.answer("a")) == (
        "[x] Question 1 of 2. Not yet: less taken for more. It is less. Read again: section "
        "“7 · Does distance matter?”. Then choose once more."
    )
    right = paper.answer("B")
    assert right.passed and repr(right).endswith(
        "Correct. By one.\nQuestion 2. And 2?\n   a) Yes.\n   b) No."
    )
    assert "Read again: the section “no such section”" in repr(paper.answer("b", 2))
    last = repr(paper.answer("a"))
    assert "2 of 2 right, 0 at the first attempt." in last and "xl.progress()" in last
    assert "Question 1 of 2. Correct." in repr(paper.answer("b")), "and round again"


def test_a_question_can_be_named_and_is_not_asked_twice() -> None:
    paper = _sample()
    assert paper.answer("a", 2).passed
    assert "Question 1 of 2" in repr(paper.answer())
    assert "2 of 2 right, 2 at the first attempt." in repr(paper.answer("b"))


@pytest.mark.parametrize("choice", ["z", 3, ["a", "b"], object(), float("nan"), "", [], b"a"])
def test_odd_answers_are_answered(choice: Any, tmp_path: Path) -> None:
    said = _sample().answer(choice)
    assert not said.passed and "Question 1 of 2" in repr(said)
    assert said._repr_html_().count("<div") == 1


@pytest.mark.parametrize("question", [0, 3, -1, "1", True, 1.0, [1]])
def test_odd_question_numbers_are_answered(question: Any) -> None:
    assert "A question from 1 to 2 is expected." in repr(_sample().answer("a", question))


def test_answers_are_kept_beside_those_of_the_exercises(tmp_path: Path) -> None:
    paper = _sample()
    for choice in ("a", "b", "a"):
        paper.answer(choice)
    kept = json.loads((tmp_path / "progress.json").read_text())["questions"]
    assert kept == {
        "alignment.quiz98": {
            "attempts": 2,
            "chosen": "a",
            "first": "incorrect",
            "status": "correct",
        },
        "alignment.quiz99": {
            "attempts": 1,
            "chosen": "a",
            "first": "correct",
            "status": "correct",
        },
    }


# ── with widgets ─────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def front_end(monkeypatch: pytest.MonkeyPatch) -> None:
    import IPython

    monkeypatch.setattr(IPython, "get_ipython", lambda: types.SimpleNamespace(kernel=object()))


def _parts(box: Any) -> list[Any]:
    return [box, *(part for child in getattr(box, "children", ()) for part in _parts(child))]


def _buttons(box: Any) -> list[Any]:
    return [part for part in _parts(box) if type(part).__name__ == "Button"]


def test_every_choice_is_a_button_that_tells_its_text(front_end: None) -> None:
    paper = exercises.quiz("04")
    buttons = _buttons(widget_of(paper))
    texts = [option.text for item in paper.items for option in item.options.values()]
    assert len(buttons) == len(texts)
    for button, text in zip(buttons, texts, strict=True):
        assert text.replace("`", "") in button.tooltip, "read out by a screen reader"
        assert button.description in "abcd" and not button.disabled
    kinds = {type(part).__name__ for part in _parts(widget_of(paper))}
    assert kinds == {"VBox", "HBox", "HTML", "Button"}, "all of them reached by Tab and Enter"


def test_a_click_answers_and_explains_below(front_end: None) -> None:
    paper = _sample()
    box = widget_of(paper)
    wrong, right, other, _ = _buttons(box)
    said = box.children[1].children[-1]
    assert said.value == ""
    wrong.click()
    assert wrong.description == "✘ a" and "less taken for more" in said.value
    assert 'role="status"' in said.value, "told to those who do not see it"
    right.click()
    assert right.description == "✔ b" and "Correct." in said.value and "And 2?" not in said.value
    other.click()
    assert "2 of 2 right, 1 at the first attempt." in box.children[2].children[-1].value


def test_who_comes_back_is_told_what_was_right(front_end: None) -> None:
    _sample().answer("b")
    box = widget_of(_sample())
    assert "right before" in box.children[1].children[-1].value
    assert box.children[2].children[-1].value == ""


def test_the_bundle_has_the_widget_and_what_stands_in_for_it(front_end: None) -> None:
    bundle = _sample()._repr_mimebundle_()
    assert bundle["application/vnd.jupyter.widget-view+json"]["model_id"]
    assert "1. Is" in bundle["text/plain"] and "<ol>" in bundle["text/html"]
