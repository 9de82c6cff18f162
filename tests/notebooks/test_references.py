"""What pages, notebooks and questions refer to is there: links, sections, names and files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from lint import (
    NOTEBOOKS,
    ROOT,
    Page,
    at_least_the_first,
    course_notebooks,
    dead_links,
    references,
    without_code,
)

import xlhelpers as xl


def _kept(*patterns: str) -> list[Path]:
    """Files of the repository."""
    return sorted(path for pattern in patterns for path in ROOT.glob(pattern))


PAGES = _kept("*.md", "docs/**/*.md", "benchmarks/*.md", "data/**/*.md")
page = pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())


def test_pages_are_found() -> None:
    names = {path.relative_to(ROOT).as_posix() for path in PAGES}
    assert {"README.md", "CONTRIBUTING.md", "docs/glossary.md", "benchmarks/README.md"} <= names


@page
def test_links_of_a_page_lead_somewhere(path: Path) -> None:
    assert list(dead_links(path.read_text(encoding="utf-8"), path)) == []


def _book(path: Path) -> Path | None:
    """The notebook that a page, an exercise or a quiz is about, by its name."""
    name = path.stem.split("_", 1)[1] if path.stem[:2].isdigit() else path.stem
    return next((book for book in course_notebooks() if book.stem[3:] == name), None)


@pytest.mark.parametrize(
    "path",
    _kept("docs/workshop/*.md", "xlhelpers/exercises/**/*.py"),
    ids=lambda path: path.relative_to(ROOT).as_posix(),
)
def test_sections_and_exercises_that_are_named_exist(path: Path) -> None:
    """Numbers in run-sheets, exercises and quizzes are those of the notebook of that name."""
    text = path.read_text(encoding="utf-8")
    book = _book(path)
    if book is None:  # not about one notebook: only those of a notebook that it names
        text = re.sub(r"(?<!\d\d, )(?<!'s )\b[Ss]ections? \d", "", text)
    assert list(references(text, book or NOTEBOOKS / "01_alignment.ipynb")) == []


_CODE = re.compile(r"`([^`\n]+)`")
_NAME = re.compile(r"\bxl(?:\.[A-Za-z_]\w*)+")
_FILE = re.compile(r"(?:benchmarks|data|docs|notebooks|tests|xlhelpers)/[\w./-]+")


def _texts() -> Iterator[tuple[str, str]]:
    for path in PAGES:
        yield path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")
    for path in course_notebooks():
        for cell in Page.read(path).prose:
            yield f"{path.name}, cell {cell.number}", cell.source


def test_names_of_the_helpers_in_prose_exist() -> None:
    """Whoever types `xl.…` as a page or a notebook says it finds something."""
    wanted = {
        (place, name)
        for place, text in _texts()
        for code in _CODE.findall(text)
        for name in _NAME.findall(code)
    }
    assert len(wanted) > 100
    missing = []
    for place, name in sorted(wanted):
        thing: object = xl
        for part in name.split(".")[1:]:
            thing = getattr(thing, part, None)
            if thing is None:
                missing.append(f"{place}: {name}")
                break
    assert missing == []


def test_files_that_are_named_in_prose_exist() -> None:
    wanted = {
        (place, code)
        for place, text in _texts()
        for code in _CODE.findall(text)
        if _FILE.fullmatch(code)
    }
    assert len(wanted) > 30
    assert [
        f"{place}: {name}" for place, name in sorted(wanted) if not (ROOT / name).exists()
    ] == []


def test_a_text_without_code_is_what_is_searched_for_links(tmp_path: Path) -> None:
    text = "[a](none.md) and `[b](nowhere.md)`"
    assert list(dead_links(text, tmp_path / "x.md")) == ["the link none.md leads nowhere"]
    assert "nowhere" not in without_code(text)


@pytest.mark.parametrize("notebook", at_least_the_first(), ids=lambda path: path.stem)
def test_an_exercise_asks_for_the_function_that_its_cell_begins(notebook: Path) -> None:
    questions = getattr(xl.exercises, notebook.stem[3:])
    code = "\n\n".join(cell.source for cell in Page.read(notebook).code)
    begun = dict(re.findall(r"^def (\w+)\((.*)\):\n    \.\.\.", code, re.MULTILINE))
    assert begun
    for name, args in begun.items():
        (number,) = re.findall(rf"\.(q\d+)\.check\({name}\)|\b(q\d+)\.check\({name}\)", code)
        prompt = getattr(questions, number[0] or number[1]).prompt
        assert f"Write `{name}({args})`" in prompt
