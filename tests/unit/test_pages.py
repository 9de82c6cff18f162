"""Quiz cells, glossary links, map and solutions, put into copies of the course's notebooks."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt

from xlhelpers import _notebooks, exercises, glossary
from xlhelpers.commands._pages import course_map, quiz_cells, solutions, taught, tool
from xlhelpers.exercises import quizzes
from xlhelpers.exercises.engine import Quiz

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "notebooks"))
from lint import CHECKS, Page  # noqa: E402

TERMS = glossary.terms()


def _copy(folder: Path, name: str) -> Path:
    """A copy of a notebook beside copies of what its links lead to, without quiz and links."""
    (folder / "notebooks").mkdir()
    (folder / "docs").mkdir()
    for file in (_notebooks.FOLDER.parent / "docs").glob("*.*"):
        shutil.copy(file, folder / "docs")
    path = folder / "notebooks" / f"{name}.ipynb"
    node = json.loads((_notebooks.FOLDER / path.name).read_text(encoding="utf-8"))
    node["cells"] = [cell for cell in node["cells"] if not cell["id"].startswith("quiz")]
    path.write_text(json.dumps(node, ensure_ascii=False), encoding="utf-8")
    return path


def _faults(path: Path) -> set[str]:
    page = Page.read(path)
    return {f"{name}: {fault}" for name, check in CHECKS.items() for fault in check(page)}


@pytest.mark.parametrize("name", ["01_alignment", "05_few_shot"])
def test_a_notebook_is_put_right_once_and_for_all(name: str, tmp_path: Path) -> None:
    path = _copy(tmp_path, name)
    before, code = _faults(path), _sources(path)
    assert tool.faults(_notebooks.read(path), TERMS), "there is something to do"
    assert tool.put_right(path, TERMS) is True
    first = path.read_bytes()
    assert tool.faults(_notebooks.read(path), TERMS) == []
    assert tool.put_right(path, TERMS) is False and path.read_bytes() == first
    quiz = f'quiz = xl.exercises.quiz("{name[:2]}")\nquiz'
    assert _sources(path) == [*code, quiz]
    new = {fault for fault in _faults(path) - before if "executed as" not in fault}
    assert not new, "the quiz has not been run yet; nothing else is amiss"


def _sources(path: Path) -> list[str]:
    return [cell.source for cell in _notebooks.read(path).cells if cell.kind == "code"]


def _node(*cells: tuple[str, str]) -> dict[str, Any]:
    made: list[dict[str, Any]] = []
    for identity, text in cells:
        kind = "markdown" if text.startswith("#") else "code"
        extra = {"outputs": [], "execution_count": None} if kind == "code" else {}
        made.append({"cell_type": kind, "id": identity, "metadata": {}, "source": text, **extra})
    return {"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


def _book(folder: Path, *cells: tuple[str, str]) -> Path:
    path = folder / "04_zero_shot.ipynb"
    path.write_text(json.dumps(_node(*cells)), encoding="utf-8")
    return path


def test_a_quiz_goes_to_the_end_with_the_next_number(tmp_path: Path) -> None:
    path = _book(tmp_path, ("a", "# 04 · T"), ("b", "## 1 · One"), ("c", "x = 1"))
    tool.put_right(path, ())
    *_, text, code = _notebooks.read(path).cells
    assert text.source.startswith("## 2 · Quiz\n\nSix questions")
    assert code.source == 'quiz = xl.exercises.quiz("04")\nquiz'


def test_a_quiz_that_is_old_or_out_of_place_is_mended(tmp_path: Path) -> None:
    path = _book(
        tmp_path,
        ("a", "# 04 · T"),
        (quiz_cells.TEXT_ID, "## 7 · Quiz\n\nOld."),
        (quiz_cells.CODE_ID, "old"),
        ("b", "## 1 · One"),
        ("c", "x = 1"),
    )
    assert "its last two cells are not the quiz: “## 2 · Quiz”" in tool.faults(
        _notebooks.read(path), ()
    )
    assert tool.put_right(path, ()) is True
    assert tool.faults(_notebooks.read(path), ()) == []
    assert [cell.source.splitlines()[0] for cell in _notebooks.read(path).cells] == [
        "# 04 · T",
        "## 1 · One",
        "x = 1",
        "## 2 · Quiz",
        'quiz = xl.exercises.quiz("04")',
    ]


def test_an_old_text_in_its_place_is_renewed(tmp_path: Path) -> None:
    last = ((quiz_cells.TEXT_ID, "## 1 · Quiz\n\nOld."), (quiz_cells.CODE_ID, "old"))
    path = _book(tmp_path, ("a", "# 04 · T"), *last)
    assert tool.put_right(path, ()) is True
    assert tool.faults(_notebooks.read(path), ()) == []


def test_outputs_of_a_quiz_that_is_in_place_stay(tmp_path: Path) -> None:
    path = _book(tmp_path, ("a", "# 04 · T"))
    tool.put_right(path, ())
    node = json.loads(path.read_text())
    node["cells"][-1]["execution_count"] = 3
    path.write_text(json.dumps(node))
    before = path.read_bytes()
    assert tool.put_right(path, ()) is False and path.read_bytes() == before


def test_a_notebook_without_questions_gets_no_quiz(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quizzes, "items", lambda name: ())
    path = _book(tmp_path, ("a", "# 04 · T"))
    assert tool.put_right(path, ()) is False and tool.faults(_notebooks.read(path), ()) == []


def test_check_changes_nothing_and_fails_when_something_is_amiss(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = _book(tmp_path, ("a", "# 04 · T"), ("b", "## 1 · A token"))
    monkeypatch.setattr(_notebooks, "FOLDER", tmp_path)
    monkeypatch.setattr(tool, "MAP", tmp_path / "map.md")
    monkeypatch.setattr(tool, "SOLUTIONS", tmp_path / "solutions")
    (tmp_path / "solutions").mkdir()
    (tmp_path / "solutions" / "09_gone.md").write_text("")
    monkeypatch.setattr(course_map, "SKIPS", ())
    terms = tmp_path / "glossary.md"
    monkeypatch.setattr(glossary, "FILE", terms)
    terms.write_text("### x\n\nA word.\n\nTaught in notebook 04: [A token]().\n", encoding="utf-8")
    before, old = path.read_bytes(), terms.read_bytes()
    assert tool.main(["--check"]) == 1
    assert path.read_bytes() == before and terms.read_bytes() == old
    said = capsys.readouterr().out
    assert "docs/glossary.md has links to set" in said
    assert "04_zero_shot.ipynb: its last two" in said and "docs/map.md is not" in said
    assert "solutions/04_zero_shot.md is not" in said and "solutions/09_gone.md is not" in said
    assert tool.main([]) == 0 and "04_zero_shot.ipynb: changed" in capsys.readouterr().out
    assert [path.name for path in tool.SOLUTIONS.iterdir()] == ["04_zero_shot.md"]
    (entry,) = glossary.terms()
    assert (entry.section, entry.target) == (
        "1 · A token",
        "../notebooks/04_zero_shot.ipynb#cell-id=b",
    )
    assert tool.main(["04", "--check"]) == 0
    assert capsys.readouterr().out == "nothing is amiss\n"


def test_what_a_notebook_needs_stays_in_its_cell_of_the_map(tmp_path: Path) -> None:
    link = "[hubs](../docs/glossary.md#hub)"
    path = _book(tmp_path, ("a", f"# 04 · T\n\n**You need** {link} and `a | b`."))
    page = course_map.page([_notebooks.read(path)], [])
    assert "| Hubs and `a \\| b`. |" in page, "no link that leads nowhere from there, no new cell"


def test_a_skip_to_a_section_that_is_gone_is_told() -> None:
    book = _notebooks.book("01")
    skip = course_map.Skip("all of it", "alignment", "No such section")
    with pytest.raises(_notebooks.NotebookError, match="no section 'no such section'"):
        course_map.page([book], [skip])


@pytest.mark.parametrize(
    "place",
    [
        "[A token]()",
        "[1 · A token](../notebooks/04_zero_shot.ipynb#cell-id=b)",
        "[7 · A token](../notebooks/03_gone.ipynb#cell-id=zz)",
        "[1 · A token](../notebooks/04_zero_shot.ipynb#1-·-A-token)",
    ],
)
def test_a_term_is_linked_to_its_section_whatever_stood_there(place: str, tmp_path: Path) -> None:
    _book(tmp_path, ("a", "# 04 · T"), ("b", "Before.\n\n## 1 · A token"))
    path = tmp_path / "04_zero_shot.ipynb"
    path.write_text(path.read_text().replace('"cell_type": "code"', '"cell_type": "markdown"'))
    books = [_notebooks.read(path)]
    text = "A word.\n\nTaught in notebook 04: {}. Source: Doe (2010), ACL.\n"
    wanted = text.format("[1 · A token](../notebooks/04_zero_shot.ipynb#cell-id=b)")
    assert taught.linked(text.format(place), books) == wanted
    elsewhere = wanted.replace("notebook 04", "notebook 05")
    assert taught.linked(elsewhere, books) == elsewhere


def test_a_term_of_a_section_that_is_gone_is_told() -> None:
    with pytest.raises(_notebooks.NotebookError, match="no section 'no such section'"):
        taught.linked("Taught in notebook 01: [No such section]().", _notebooks.books())


# ── solutions for teachers ───────────────────────────────────────────────────────────────────────


def _rendered(text: str) -> tuple[str, list[str], list[str]]:
    """What a reader of Markdown sees in one line, the blocks of code, and the headings."""
    said, code, headings = [], [], []
    tokens = MarkdownIt("commonmark").parse(text)
    for before, token in zip([tokens[0], *tokens], tokens, strict=False):
        if token.type == "fence":
            code.append(token.content.rstrip())
        for part in token.children or []:
            assert part.type != "html_inline", part.content
            said.append(" " if part.type in ("softbreak", "hardbreak") else part.content)
        if token.type == "inline":
            said.append(" ")
            headings += [token.content] if before.type == "heading_open" else []
        assert token.type != "html_block" or token.content.startswith("<!-- This file is written")
    return " ".join("".join(said).split()), code, headings


def _flat(text: str) -> str:
    return " ".join(re.sub(r"`([^`\n]+)`", r"\1", text).split())


@pytest.mark.parametrize("book", _notebooks.books(), ids=lambda book: book.number)
def test_solutions_show_all_that_a_learner_can_be_told(book: _notebooks.Book) -> None:
    said, code, headings = _rendered(solutions.page(book))
    questions, items = exercises.questions(book.name), quizzes.items(book.name)
    assert headings[0] == f"Solutions of notebook {book.number}: {book.title}"
    wanted = [*questions, "Quiz", *(f"Question {n + 1}" for n in range(len(items)))]
    assert headings[-len(wanted) :] == wanted
    open_ones = [one for one in questions.values() if not isinstance(one, Quiz)]
    assert code == [one.source() for one in open_ones]
    for one in [*questions.values(), *items]:
        assert _flat(one.prompt) in said
        for wrong in one.catalogue.values():
            assert _flat(wrong.message) in said, one.id
        assert all(_flat(text) in said for text in one.hints), one.id
    for one in open_ones:
        assert all(f"{_flat(name)}: " in said for name in one.catalogue) and _flat(one.why) in said
    for one in [*items, *(one for one in questions.values() if isinstance(one, Quiz))]:
        for letter, option in one.options.items():
            mark = f"{letter} (right)" if option.right else letter
            assert f"{mark}: {_flat(option.text)} {_flat(option.why)}" in said, one.id
            assert _flat(option.belief) in said


def test_what_would_be_markup_is_shown_as_it_is_written() -> None:
    text = "a*b*c <s> & [UNK](x) `x[0] * y_1`\n- x_y_\n1. # $a$ | ~~b~~ &lt; \\"
    said, code, _ = _rendered(solutions.markdown(text))
    assert said == "a*b*c <s> & [UNK](x) x[0] * y_1 - x_y_ 1. # $a$ | ~~b~~ &lt; \\" and not code
