"""Checkpoints: everything that a section of a notebook needs, from one cell.

Run in the caller's namespace are the code cells that stand before the section, from the
repository's own copy of the notebook and in its order; not the exercises, nor what is only there
to be looked at. A late-comer goes on where the class is.
"""

from __future__ import annotations

import ast
import contextlib
import io
import linecache
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import CodeType
from typing import Any

from xlhelpers import _notebooks
from xlhelpers._notebooks import Book, Cell, Section
from xlhelpers._shown import without_front_end
from xlhelpers.errors import CourseError
from xlhelpers.exercises.panels import Panel

# Sections whose cells nothing later rests on: answers of the reader, and tables to look at.
_LEFT_OUT = ("exercises", "quiz", "claims", "explore")
# Calls that only show something, when they stand alone in a line.
_SHOW = (("xl", "plots"), ("xl", "widgets"), ("xl", "exercises"), ("xl", "claims", "table"))


class CheckpointError(CourseError):
    """A cell that the section rests on did not run."""


@dataclass(frozen=True, repr=False)
class Reached(Panel):
    """What a checkpoint did.

    Attributes:
        book: the notebook.
        section: the one that can be gone on with.
        ran: numbers of the cells that were run, as a reader counts all cells from 1.
        left: numbers of the code cells before the section that were not: exercises, pictures.
        seconds: wall-clock time of it all.
    """

    book: Book
    section: Section
    ran: tuple[int, ...]
    left: tuple[int, ...]
    seconds: float
    symbol, plain_symbol, colour = "✔", "[+]", "#0072b2"

    def heading(self) -> str:
        return f"Notebook {self.book.number}: go on with “{self.section.heading}”."

    def body(self) -> str:
        said = f"{_cells(self.ran)} run in {self.seconds:.1f} s, outputs not shown."
        if self.left:
            said += f" Left out, since nothing rests on them: {_cells(self.left)}."
        return said


def checkpoint(
    notebook: str | int,
    section: str | int,
    namespace: dict[str, Any],
    *,
    folder: Path | None = None,
    quiet: bool = False,
) -> Reached:
    """Run in `namespace` what stands before `section`; see `xl.checkpoint`.

    Args:
        notebook: `"04"`, `4`, `"zero_shot"` or `"04_zero_shot"`.
        section: its number, or the beginning of its title.
        namespace: where names go; changed as the cells change it, up to a failing one.
        folder: where the notebooks are; the course's own by default.
        quiet: say nothing while it runs.

    Raises:
        NotebookError: there is no such notebook or section; the remedy lists them.
        CheckpointError: a cell stopped with an error, which is the cause of this one.
    """
    book = _notebooks.book(notebook, folder)
    wanted = book.section(section)
    before = [c for c in book.cells[: wanted.cell - 1] if c.kind == "code" and c.source.strip()]
    code = {cell: _prepared(book, cell) for cell in before}
    needed = [cell for cell in before if code[cell] is not None]
    start = time.monotonic()
    with _guesses_kept(book), without_front_end(), _display_in(namespace):
        for place, cell in enumerate(needed):
            if not quiet:
                _say(book, cell, place, len(needed))
            _run(book, cell, code[cell], namespace)
    return Reached(
        book,
        wanted,
        tuple(cell.number for cell in needed),
        tuple(cell.number for cell in before if code[cell] is None),
        time.monotonic() - start,
    )


def _cells(numbers: tuple[int, ...]) -> str:
    """`3 cells (3, 5, 9)`."""
    listed = ", ".join(map(str, numbers))
    return f"{len(numbers)} cell{'s' * (len(numbers) != 1)}" + (f" ({listed})" if numbers else "")


def _say(book: Book, cell: Cell, place: int, total: int) -> None:
    section = book.section_of(cell)
    where = f"“{section.heading}”" if section else "the beginning"
    print(f"cell {place + 1} of {total}, from {where}", flush=True)


# ── which cells, and what of them ────────────────────────────────────────────────────────────────


def _prepared(book: Book, cell: Cell) -> CodeType | None:
    """A cell ready to run, less the lines that only show something; None if nothing is left."""
    section = book.section_of(cell)
    if section and section.title.casefold().startswith(_LEFT_OUT):
        return None
    name = f"<notebook {book.number}, cell {cell.number}>"
    source = _as_python(cell.source)
    try:
        tree = ast.parse(source, name)
        tree.body = [line for line in tree.body if not _only_shows(line)]
        # Else our own `from __future__` would make texts of a cell's annotations.
        code = compile(tree, name, "exec", dont_inherit=True)
    except SyntaxError as error:
        raise _failed(book, cell, error) from error
    if not tree.body:
        return None
    # with these lines a traceback, and inspect.getsource, find the text
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    return code


def _as_python(source: str) -> str:
    """A cell's text with `!command` and `%magic` lines as the calls that IPython makes of them."""
    if not any(line.lstrip().startswith(("!", "%")) for line in source.splitlines()):
        return source
    from IPython.core.inputtransformer2 import TransformerManager

    return str(TransformerManager().transform_cell(source))


def _only_shows(line: ast.stmt) -> bool:
    """Whether a line is a call of `display`, or of something that makes a picture or a widget."""
    if not isinstance(line, ast.Expr):
        return False
    if any(isinstance(part, ast.NamedExpr | ast.Await) for part in ast.walk(line)):
        return False  # it also gives something a name
    path = _path(line.value)
    if path == ("display",):
        return True
    return isinstance(line.value, ast.Call) and any(path[: len(one)] == one for one in _SHOW)


def _path(node: ast.expr) -> tuple[str, ...]:
    """`("xl", "widgets", "Neighbours", "show")` of `xl.widgets.Neighbours(a, b).show("water")`."""
    if isinstance(node, ast.Call):
        return _path(node.func)
    if isinstance(node, ast.Attribute):
        return (*_path(node.value), node.attr)
    return (node.id,) if isinstance(node, ast.Name) else ()


# ── running them ─────────────────────────────────────────────────────────────────────────────────


def _run(book: Book, cell: Cell, code: CodeType | None, namespace: dict[str, Any]) -> None:
    assert code is not None
    try:
        with _silence():
            exec(code, namespace)
    except Exception as error:
        raise _failed(book, cell, error) from error


def _failed(book: Book, cell: Cell, error: Exception) -> CheckpointError:
    section = book.section_of(cell)
    place = f" (“{section.heading}”)" if section else ""
    return CheckpointError(
        f"cell {cell.number} of {book.path.name}{place} stopped with {type(error).__name__}",
        "open that notebook and run it from the top: the cell will say more; "
        "`python3 course.py doctor` looks at the installation",
    )


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Nothing is printed or displayed."""
    shell = _shell()
    if shell is None:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            yield
        return
    from IPython.utils.capture import capture_output

    with capture_output():
        yield


def _shell() -> Any:
    """The running IPython, if this is one; not imported for the question."""
    found = sys.modules.get("IPython")
    return found.get_ipython() if found is not None else None


@contextlib.contextmanager
def _display_in(namespace: dict[str, Any]) -> Iterator[None]:
    """Give cells a `display`, which a notebook has and a plain script has not."""
    import builtins

    if "display" in namespace or hasattr(builtins, "display"):
        yield
        return
    nothing = namespace["display"] = lambda *_, **__: None
    try:
        yield
    finally:
        if namespace.get("display") is nothing:
            del namespace["display"]


@contextlib.contextmanager
def _guesses_kept(book: Book) -> Iterator[None]:
    """What was revealed to nobody can still be guessed afterwards."""
    from xlhelpers import exercises

    known = book.name in exercises.modules()
    asked = list(exercises.predictions(book.name).values()) if known else []
    revealed = [one.revealed for one in asked]
    try:
        yield
    finally:
        for one, before in zip(asked, revealed, strict=True):
            one.revealed = before
