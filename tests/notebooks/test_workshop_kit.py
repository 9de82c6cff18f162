"""The entry page of the workshop kit: plans add up; what it says of files and commands holds."""

from __future__ import annotations

import importlib.util
import re
from functools import cache
from pathlib import Path

import pytest
from lint import ROOT

from xlhelpers import _notebooks, exercises
from xlhelpers.exercises import _progress, _record
from xlhelpers.exercises._report import handed_in

KIT = ROOT / "docs" / "workshop"
PAGE = (KIT / "README.md").read_text(encoding="utf-8")
PLANS = {"Half a day": "short", "Day 1": "full", "Day 2": "full"}
LONGEST_SITTING = 120  # minutes between two breaks, with arrival or closing

_ROW = re.compile(r"^\| (\d+) \| (.+) \|$", re.MULTILINE)
_SHEET = re.compile(r"\]\((\d\d)_\w+\.md\)")
_SUM = re.compile(r"^Together (\d+) minutes(?:; short form (\d+))?", re.MULTILINE)


def part(heading: str) -> str:
    """What stands under a heading, up to the next of its level or above."""
    found = re.search(rf"^(##+) {re.escape(heading)}\n(.*?)(?=^##+ |\Z)", PAGE, re.M | re.S)
    assert found is not None, heading
    return found[2]


def plan(heading: str) -> list[tuple[int, str]]:
    """Minutes and text of each line of a plan."""
    return [(int(minutes), text) for minutes, text in _ROW.findall(part(heading))]


@cache
def minutes_of(number: str, form: str) -> int:
    """What a run-sheet says that its notebook takes in class."""
    (sheet,) = KIT.glob(f"{number}_*.md")
    found = _SUM.search(sheet.read_text(encoding="utf-8"))
    assert found is not None, sheet.name
    return int(found[1] if form == "full" else found[2])


@pytest.mark.parametrize("heading", list(PLANS))
def test_a_plan_adds_up_with_the_minutes_of_the_run_sheets(heading: str) -> None:
    rows = plan(heading)
    told = _SUM.search(part(heading))
    assert told is not None and sum(minutes for minutes, _ in rows) == int(told[1])
    taught = [(found[1], minutes) for minutes, text in rows if (found := _SHEET.search(text))]
    assert len(taught) >= 3
    assert [(n, minutes_of(n, PLANS[heading])) for n, _ in taught] == taught


def test_half_a_day_is_three_hours_and_a_half() -> None:
    assert sum(minutes for minutes, _ in plan("Half a day")) == 210


def test_two_days_have_every_notebook_once_and_in_order() -> None:
    rows = [*plan("Day 1"), *plan("Day 2")]
    numbers = [found[1] for _, text in rows if (found := _SHEET.search(text))]
    assert numbers == [book.number for book in _notebooks.books()]


@pytest.mark.parametrize("heading", list(PLANS))
def test_nobody_sits_for_too_long(heading: str) -> None:
    sitting = longest = 0
    for minutes, text in plan(heading):
        sitting = 0 if text in ("Break", "Lunch") else sitting + minutes
        longest = max(longest, sitting)
    assert 0 < longest <= LONGEST_SITTING


def test_other_choices_for_half_a_day_fit_as_well() -> None:
    rows = plan("Half a day")
    chosen = sum(minutes for minutes, text in rows if _SHEET.search(text))
    own = next(minutes for minutes, text in rows if text.startswith("Own work"))
    found = re.findall(r"^- .+: ((?:\d\d, )+\d\d)\.$", part("Half a day"), re.MULTILINE)
    assert len(found) == 4
    for line in found:
        needed = sum(minutes_of(number, "short") for number in line.split(", "))
        assert own + chosen - needed >= 15, line


def test_every_sheet_and_every_page_of_solutions_is_linked() -> None:
    for book in _notebooks.books():
        assert f"[{book.number}]({book.path.stem}.md)" in PAGE
        assert f"[{book.number}](solutions/{book.path.stem}.md)" in PAGE


def _anchors(file: Path) -> set[str]:
    """What headings of Markdown are called in links on GitHub."""
    titles = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("name", ["docs/workshop/README.md", "docs/classroom.md"])
def test_links_lead_somewhere(name: str) -> None:
    file = ROOT / name
    links = re.findall(r"\]\(([^)\s]+)\)", file.read_text(encoding="utf-8"))
    assert links
    for link in links:
        path, _, anchor = link.partition("#")
        target = (file.parent / path).resolve()
        assert target.is_file(), link
        assert not anchor or anchor in _anchors(target), link


def test_what_is_said_to_be_in_a_progress_file_is_all_that_is_in_it() -> None:
    """A file with everything that the engine can write, beside the table of the page."""
    question = exercises.mbert.q1
    wrong = next(letter for letter in question.options if letter not in question.right)
    question.check(wrong)
    _progress.hint(question.id, 1)
    question.solution()
    _progress.guess("mbert.probe", 40)
    data = handed_in(_record.clean(_progress.load()), "Kim")
    table = dict(re.findall(r"^\| ((?:`\w+`(?:, )?)+) \| (.+) \|$", PAGE, re.MULTILINE))
    fields = {name for names in table for name in re.findall(r"`(\w+)`", names)}
    assert fields == set(data)
    told = set(re.findall(r"`(\w+)` \(", table["`questions`"]))
    assert told == set(data["questions"][question.id])
    assert set(data["guesses"]["mbert.probe"]) == {"first"}
    assert f"at most {_record.LONGEST_NAME} characters" in table["`name`"]


def test_calls_and_commands_of_the_page_exist() -> None:
    number, section = re.findall(r'xl\.checkpoint\("(\d\d)", "(\d+)"\)', PAGE)[0]
    assert f"go on with section {_notebooks.book(number).section(section).number}" in PAGE
    asked = re.findall(r'answers\.question == "(\w+)\.(\w+)"', PAGE)
    assert asked and all(name in exercises.predictions(module) for module, name in asked)
    spec = importlib.util.spec_from_file_location("course_of_kit", ROOT / "course.py")
    assert spec is not None and spec.loader is not None
    course = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(course)
    named = set(re.findall(r"course\.py (\w+)", PAGE))
    assert {"lab", "wheels", "doctor", "mirror"} <= named <= set(course.EXTRAS)
    (line,) = re.findall(r"`(--for [^`]+)`", PAGE)
    options = course.wheels_wanted(line.split())
    assert options.systems == ["windows", "macos"] and options.versions == ["3.12", "3.13"]
    assert "XL_WHEELS" in (ROOT / "course.py").read_text(encoding="utf-8")
