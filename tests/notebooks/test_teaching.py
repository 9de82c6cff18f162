"""What `python -m xlhelpers.commands._pages` puts into the notebooks and docs is in them."""

from __future__ import annotations

import re
import urllib.parse
from pathlib import Path

import pytest
from lint import ROOT, Page, at_least_the_first

from xlhelpers import _notebooks, glossary
from xlhelpers.commands._pages import course_map, links, tool

every_notebook = pytest.mark.parametrize("notebook", at_least_the_first(), ids=lambda p: p.stem)


@every_notebook
def test_first_uses_are_linked_and_the_quiz_is_at_the_end(notebook: Path) -> None:
    said = tool.faults(_notebooks.read(notebook), glossary.terms())
    assert not said, "run `python -m xlhelpers.commands._pages`:\n" + "\n".join(said)


@every_notebook
def test_the_quiz_is_shown(notebook: Path) -> None:
    """The committed output has every question, for those who read without running."""
    page = Page.read(notebook)
    text = str(page.code[-1].outputs)
    assert page.code[-1].source.endswith("\nquiz") and "Quiz of notebook" in text
    assert text.count("<li style=") >= 5


def test_the_map_is_what_the_notebooks_make_of_it() -> None:
    assert tool.map_is_current(), "run `python -m xlhelpers.commands._pages`"


def test_solutions_are_what_the_questions_make_of_them() -> None:
    assert tool.stale_solutions() == [], "run `python -m xlhelpers.commands._pages`"


def test_minutes_and_memory_of_the_map_are_those_of_the_readme() -> None:
    rows = re.findall(
        r"^\| (\d\d) \|.*\| ([\d.]+) \| ([\d.]+ GB) \|$",
        (ROOT / "README.md").read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    page = (ROOT / "docs" / "map.md").read_text(encoding="utf-8")
    assert len(rows) >= 7
    for number, minutes, memory in rows:
        assert re.search(rf"^\| {number} \|.*\| {minutes} \| {memory} \|$", page, re.MULTILINE)


@pytest.mark.parametrize("name", ["docs/map.md", "docs/glossary.md"])
def test_links_lead_somewhere(name: str) -> None:
    file = ROOT / name
    found = re.findall(r"\]\(([^)\s]+)\)", file.read_text(encoding="utf-8"))
    assert len(found) >= 20
    for target in found:
        path, _, anchor = urllib.parse.unquote(target).partition("#")
        place = file.parent / path
        if len(_notebooks.books()) < 8 and Path(path).name.startswith("08_"):
            continue  # the last notebook comes after its terms
        assert place.is_file(), target
        if anchor:
            anchors = [one.anchor for one in _notebooks.read(place.resolve()).sections]
            assert anchor in anchors, target


@pytest.mark.parametrize("name", ["docs/map.md", "docs/glossary.md"])
def test_a_link_to_a_section_names_the_cell_that_has_its_heading(name: str) -> None:
    """Read from the files themselves: JupyterLab goes to the cell of this id."""
    text = (ROOT / name).read_text(encoding="utf-8")
    found = re.findall(r"\[(?:\d\d, )?([^\]]+)\]\(\.\./(notebooks/\w+\.ipynb)#([^)]*)\)", text)
    assert len(found) == text.count(".ipynb#") >= 20
    for heading, notebook, anchor in found:
        cells = Page.read(ROOT / notebook).prose
        (cell,) = [one for one in cells if anchor == f"cell-id={one.node['id']}"]
        assert f"## {heading}" in cell.source.splitlines(), f"{name}: {heading}"


def test_the_glossary_says_where_terms_are_taught() -> None:
    assert tool.glossary_is_current(), "run `python -m xlhelpers.commands._pages`"


def test_every_skip_goes_to_a_section_that_a_checkpoint_reaches() -> None:
    books = {book.name: book for book in _notebooks.books()}
    known = [skip for skip in course_map.SKIPS if skip.notebook in books]
    assert len(known) >= 18
    for skip in known:
        book = books[skip.notebook]
        section = book.section(skip.section)
        assert section.title == skip.section, "the whole title"
        assert f'xl.checkpoint("{book.number}", "{section.number}")' in course_map.page([book])


def test_no_glossary_link_is_dead() -> None:
    anchors = {term.anchor for term in glossary.terms()}
    for path in at_least_the_first():
        for cell in Page.read(path).prose:
            for target in re.findall(r"docs/glossary\.md#([^)\s]*)", cell.source):
                assert target in anchors, f"{path.name}, cell {cell.number}"
            assert links.without_links(cell.source).count("glossary.md#") == 0
