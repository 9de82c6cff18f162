"""Checkpoints on notebooks of our own, and on the first sections of the course's."""

from __future__ import annotations

import ast
import inspect
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import xlhelpers as xl
from xlhelpers import _catching_up, _notebooks
from xlhelpers._notebooks import NotebookError
from xlhelpers._shown import has_front_end
from xlhelpers.commands import find_notebooks
from xlhelpers.exercises import alignment as questions

# One cell an item: Markdown when it begins with a hash sign, else code.
SAMPLE = [
    "# 04 · A sample: `0.9`\n\n**You need** notebook 03.\n\n"
    "Takes <!--=notebook.minutes-->1.5 min<!--/--> and <!--=notebook.memory-->0.7 GB<!--/-->.",
    "## Set-up\n\n```\n## 9 · not a heading\n```",
    "import os\nif not os.path:\n    !echo installing\nlog = ['set-up']",
    "## 1 · What is loud?",
    "print('heard')\nlog.append('one')\nx = 1",
    "display('seen')\nxl.plots.nothing('seen')\nxl.widgets.Nothing(x).show('seen')",
    "## 2 · What counts?\n\nMore.\n\n### Within it",
    "display(y := 2)\nlog.append('two')\nxl.exercises.alignment.hubs.reveal(12)",
    "xl.exercises.alignment.hubs.ask()",
    "front_end = xl._shown.has_front_end()\nfor one in [xl.exercises.alignment.hubs]:\n"
    "    one.reveal(3)",
    "## 3 · What breaks?",
    "undefined + 1",
    "## 4 · Exercises",
    "answer = None\nxl.exercises.alignment.q1.check(answer)",
    "## 5 · Claims",
    'xl.claims.table("04")',
]


def _book(folder: Path, cells: list[str] | None = None) -> Path:
    node = {
        "cells": [
            {
                "cell_type": "markdown" if text.startswith("#") else "code",
                "id": f"cell-{number}",
                "source": text,
            }
            for number, text in enumerate(SAMPLE if cells is None else cells)
        ]
    }
    (folder / "04_sample.ipynb").write_text(json.dumps(node), encoding="utf-8")
    return folder


def _ran(folder: Path, section: str | int) -> tuple[Any, dict[str, Any]]:
    space: dict[str, Any] = {"xl": xl}
    return _catching_up.checkpoint("04", section, space, folder=_book(folder), quiet=True), space


# ── what is run ──────────────────────────────────────────────────────────────────────────────────


def test_cells_before_the_section_are_run_in_order(tmp_path: Path) -> None:
    reached, space = _ran(tmp_path, "2")
    assert space["log"] == ["set-up", "one"] and space["x"] == 1
    assert (reached.ran, reached.left) == ((3, 5), (6,))
    assert reached.section.heading == "2 · What counts?"


def test_nothing_is_printed_shown_or_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import IPython

    shell = type("Shell", (), {"kernel": object()})()
    monkeypatch.setattr(IPython, "get_ipython", lambda: shell)
    monkeypatch.setattr(_catching_up, "_shell", lambda: None)
    assert has_front_end()
    reached, space = _ran(tmp_path, 3)
    assert capsys.readouterr() == ("", "")
    assert space["front_end"] is False, "no widget is made for nobody"
    assert has_front_end(), "and afterwards they are made again"
    assert space["y"] == 2, "a line that also gives a name is run"
    assert 9 in reached.left, "a question that nobody is asked"


IN_IPYTHON = """
import sys
from pathlib import Path
from IPython.core.interactiveshell import InteractiveShell

shell = InteractiveShell.instance()
shell.user_ns["folder"] = Path(sys.argv[1])
shell.run_cell('''
import xlhelpers as xl
from xlhelpers import _catching_up
reached = _catching_up.checkpoint("04", 3, globals(), folder=folder, quiet=True)
''')
print("names:", shell.user_ns["log"], shell.user_ns["y"])
"""


def test_in_ipython_output_is_captured_too(tmp_path: Path) -> None:
    told = _python(IN_IPYTHON, str(_book(tmp_path)), folder=tmp_path)
    assert told.strip() == "names: ['set-up', 'one', 'two'] 2"


def _python(code: str, *arguments: str, folder: Path) -> str:
    """Run code in a new Python, in a folder of its own."""
    root = str(Path(xl.__file__).parents[1])
    environ = {**os.environ, "PYTHONPATH": root, "IPYTHONDIR": str(folder / "ipython")}
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
        cwd=folder,
        env=environ,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_guess_can_still_be_made_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(questions.hubs, "revealed", False)
    (_book(tmp_path) / "04_sample.ipynb").rename(tmp_path / "01_alignment.ipynb")
    _catching_up.checkpoint("01", 3, {"xl": xl}, folder=tmp_path, quiet=True)
    assert questions.hubs.revealed is False, "nobody has seen the result"


def test_exercises_claims_and_pictures_are_left_out(tmp_path: Path) -> None:
    whole = [text for text in SAMPLE if text != "undefined + 1"]
    space: dict[str, Any] = {"xl": xl}
    reached = _catching_up.checkpoint(
        "04", "Claims", space, folder=_book(tmp_path, whole), quiet=True
    )
    assert "answer" not in space
    assert set(reached.left) == {6, 9, 13}


def test_what_it_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    reached = _catching_up.checkpoint("sample", 2, {"xl": xl}, folder=_book(tmp_path))
    lines = capsys.readouterr().out.splitlines()
    assert lines == ["cell 1 of 2, from “Set-up”", "cell 2 of 2, from “1 · What is loud?”"]
    assert re.search(
        r"go on with “2 · What counts\?”\. 2 cells \(3, 5\) run in \d+\.\d s", repr(reached)
    )
    assert "Left out, since nothing rests on them: 1 cell (6)" in reached._repr_html_()


# ── what is refused ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("section", ["9", "", "What", "2.1", None, "Within it"])
def test_an_unknown_section_lists_them_all(tmp_path: Path, section: Any) -> None:
    with pytest.raises(NotebookError) as caught:
        _ran(tmp_path, section)
    for heading in ("“Set-up”", "“1 · What is loud?”", "“5 · Claims”"):
        assert heading in caught.value.remedy


def test_an_unknown_notebook_lists_them_all(tmp_path: Path) -> None:
    with pytest.raises(NotebookError, match="04_sample"):
        _catching_up.checkpoint("03", 1, {}, folder=_book(tmp_path))
    with pytest.raises(NotebookError, match="none beside this package"):
        _catching_up.checkpoint("03", 1, {}, folder=tmp_path / "nowhere")


def test_a_failing_cell_is_named_and_what_ran_before_it_stays(tmp_path: Path) -> None:
    space: dict[str, Any] = {"xl": xl}
    with pytest.raises(_catching_up.CheckpointError) as caught:
        _catching_up.checkpoint("04", 4, space, folder=_book(tmp_path), quiet=True)
    assert "cell 12 of 04_sample.ipynb (“3 · What breaks?”) stopped with NameError" in str(
        caught.value
    )
    assert isinstance(caught.value.__cause__, NameError)
    assert space["y"] == 2 and has_front_end() is False
    assert "display" not in space


def test_a_cell_that_is_no_python_is_named_before_anything_runs(tmp_path: Path) -> None:
    space: dict[str, Any] = {}
    cells = ["## 1 · One", "x = 1", "x = = 2", "## 2 · Two"]
    with pytest.raises(_catching_up.CheckpointError, match="cell 3 .* SyntaxError"):
        _catching_up.checkpoint("04", 2, space, folder=_book(tmp_path, cells), quiet=True)
    assert "x" not in space


def test_a_cell_is_compiled_as_in_a_notebook(tmp_path: Path) -> None:
    space: dict[str, Any] = {}
    cells = ["## 1 · One", "def f(x: int): ...", "## 2 · Two", "await f(1)", "## 3 · Three"]
    _catching_up.checkpoint("04", 2, space, folder=_book(tmp_path, cells), quiet=True)
    assert space["f"].__annotations__ == {"x": int}, "no text, as our own modules have it"
    assert inspect.getsource(space["f"]) == "def f(x: int): ...", "also for a traceback"
    with pytest.raises(_catching_up.CheckpointError, match="cell 4 .* SyntaxError"):
        _catching_up.checkpoint("04", 3, space, folder=tmp_path, quiet=True)


@pytest.mark.parametrize("content", ["{", "[]", '{"cells": [{}]}', "\xff"])
def test_a_damaged_notebook_is_told(tmp_path: Path, content: str) -> None:
    (tmp_path / "04_sample.ipynb").write_bytes(content.encode("latin-1"))
    with pytest.raises(NotebookError, match="cannot be read as a notebook"):
        _notebooks.book("04", tmp_path)


# ── what a notebook tells of itself ──────────────────────────────────────────────────────────────


def test_a_notebook_tells_of_itself(tmp_path: Path) -> None:
    book = _notebooks.book(4, _book(tmp_path))
    assert (book.number, book.name, book.title) == ("04", "sample", "A sample: 0.9")
    assert (book.minutes, book.memory, book.exercises) == (1.5, 0.7, 1)
    assert book.need == "notebook 03."
    assert [one.number for one in book.sections] == ["", "1", "2", "3", "4", "5"]
    section = book.section("3")
    assert section.heading == "3 · What breaks?"
    assert book.link(section) == "../notebooks/04_sample.ipynb#cell-id=cell-10"


def test_a_learners_copies_are_not_the_notebook(tmp_path: Path) -> None:
    _book(tmp_path)
    for copy in ("-Copy1", " copy", " (1)"):
        (tmp_path / f"04_sample{copy}.ipynb").write_text("half of it")
    for wanted in ("04", 4, "sample"):
        assert _notebooks.book(wanted, tmp_path).path.name == "04_sample.ipynb"
    assert [book.number for book in _notebooks.books(tmp_path)] == ["04"]
    assert find_notebooks(["04"], tmp_path) == find_notebooks([], tmp_path)


def test_a_title_that_another_begins_with_can_be_reached(tmp_path: Path) -> None:
    book = _notebooks.book(4, _book(tmp_path, ["## 1 · Probes", "## 2 · Probes of syntax"]))
    assert [book.section(wanted).number for wanted in ("probes", "Probes of")] == ["1", "2"]
    with pytest.raises(NotebookError, match="more than one section 'prob'"):
        book.section("Prob")


def test_a_section_whose_cell_has_no_id_cannot_be_linked(tmp_path: Path) -> None:
    cells = [{"cell_type": "markdown", "source": "## 1 · One"}]
    (tmp_path / "04_sample.ipynb").write_text(json.dumps({"cells": cells}), encoding="utf-8")
    book = _notebooks.book(4, tmp_path)
    with pytest.raises(NotebookError, match=r"cell 1 of 04_sample\.ipynb has no id"):
        book.link(book.section("1"))


def test_working_minutes_grow_with_what_there_is_to_do(tmp_path: Path) -> None:
    short = _notebooks.book(4, _book(tmp_path)).working_minutes
    more = [*SAMPLE, "xl.exercises.alignment.q2.check(1)", "## 6 · More\n\n" + "word " * 3000]
    long = _notebooks.book(4, _book(tmp_path, more)).working_minutes
    assert short % 5 == long % 5 == 0
    assert long == short + 25  # 3,000 words and an exercise


# ── on the course's own notebooks ────────────────────────────────────────────────────────────────


def test_the_first_sections_of_notebook_01_come_by_one_call() -> None:
    space: dict[str, Any] = {}
    reached = xl.checkpoint("01", "3", space)
    assert reached.left == (), "four cells, all of them needed"
    assert np.allclose(space["W"] @ space["W"].T, np.eye(len(space["W"])), atol=1e-4)
    assert space["english"].words[:1] and "fig" not in space
    assert "words" in space and callable(space["flat"]), "what a picture's cell defines is there"


def test_names_go_where_it_is_called(tmp_path: Path) -> None:
    code = (
        "import xlhelpers as xl\n"
        "reached = xl.checkpoint('05', 'Failure')\n"
        "assert np.array([1]).sum() == 1\n"
        "reached = xl.checkpoint('few_shot', 2)\n"
        "print(len(german), reached.ran)\n"
    )
    told = _python(code, folder=tmp_path).splitlines()
    assert told[-1].endswith("(3, 5, 7)") and told[-1].split()[0] == "30"


@pytest.mark.parametrize("book", _notebooks.books(), ids=lambda book: book.number)
def test_every_section_of_the_course_can_be_prepared(book: _notebooks.Book) -> None:
    """Cells are read, not run: no syntax error, and every section has its cells."""
    numbers = [one.number for one in book.sections]
    assert numbers == ["", *map(str, range(1, len(numbers)))], "numbered without a gap"
    code = [cell for cell in book.cells if cell.kind == "code"]
    kept = [cell for cell in code if _catching_up._prepared(book, cell) is not None]
    assert kept[0] is code[0], "the set-up"
    assert book.exercises >= 5
    for cell in code:
        if ".check(" in cell.source or "xl.claims.table(" in cell.source:
            assert cell not in kept
        elif "=" in cell.source and "xl.claims.record" in cell.source:
            assert cell in kept
    assert book.minutes and book.memory and book.need and book.title


@pytest.mark.parametrize("book", _notebooks.books(), ids=lambda book: book.number)
def test_nothing_that_is_left_out_is_missed_later(book: _notebooks.Book) -> None:
    """No cell that is run uses a name which only cells that are not run would have made."""
    made: set[str] = set()
    lost: dict[str, int] = {}
    for cell in (one for one in book.cells if one.kind == "code"):
        tree = ast.parse(_catching_up._as_python(cell.source))
        kept = _catching_up._prepared(book, cell) is not None
        names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
        used = {node.id for node in names if isinstance(node.ctx, ast.Load)}
        stored = {node.id for node in names if isinstance(node.ctx, ast.Store)}
        if kept:
            missed = {name for name in used & lost.keys() if name not in made | stored}
            assert not missed, f"cell {cell.number} needs {missed} of cells that are left out"
            made |= stored
        else:
            lost |= {name: cell.number for name in stored if name not in made}
    assert lost, "the answers of the exercises, at least"
