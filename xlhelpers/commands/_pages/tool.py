"""Putting notebooks, glossary, map and solutions right, or saying what is amiss."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from xlhelpers import _notebooks, files, glossary
from xlhelpers._notebooks import Book
from xlhelpers.commands._pages import course_map, links, quiz_cells, solutions, taught
from xlhelpers.exercises import quizzes
from xlhelpers.glossary import Term

MAP = _notebooks.FOLDER.parent / "docs" / "map.md"
SOLUTIONS = _notebooks.FOLDER.parent / "docs" / "workshop" / "solutions"


def put_right(path: Path, terms: Sequence[Term]) -> bool:
    """Give a notebook its quiz and its links; whether anything had to be changed.

    The file is written only if something was.
    """
    import nbformat

    from xlhelpers.commands._stamp import write

    book = _notebooks.read(path)
    node = nbformat.read(path, as_version=4)
    changed = _quiz(node, book)
    prose = [(n, str(c.source)) for n, c in enumerate(node.cells) if c.cell_type == "markdown"]
    for (number, before), (_, after) in zip(
        prose, links.linked(prose, book.number, terms), strict=True
    ):
        node.cells[number].source = after
        changed |= before != after
    if changed:
        write(node, path)
    return changed


def _quiz(node: Any, book: Book) -> bool:
    """The two cells of the quiz at the end; whether they were missing or others."""
    import nbformat

    questions = len(quizzes.items(book.name))
    if not questions:
        return False
    prose = [str(cell.source) for cell in node.cells if cell.cell_type == "markdown"]
    wanted = quiz_cells.texts(book.number, quiz_cells.sections_before(prose) + 1, questions)
    ids = (quiz_cells.TEXT_ID, quiz_cells.CODE_ID)
    last = node.cells[-2:]
    if tuple(cell.id for cell in last) == ids:
        bare = (links.without_links(last[0].source), last[1].source)
        last[0].source, last[1].source = wanted
        return bare != wanted
    node.cells = [cell for cell in node.cells if cell.id not in ids]
    text, code = nbformat.v4.new_markdown_cell(wanted[0]), nbformat.v4.new_code_cell(wanted[1])
    text.id, code.id = ids
    node.cells += [text, code]
    return True


def faults(book: Book, terms: Sequence[Term]) -> list[str]:
    """What is amiss with a notebook, a sentence each."""
    prose = [(cell.number, cell.source) for cell in book.cells if cell.kind == "markdown"]
    said = links.faults(prose, book.number, terms)
    questions = len(quizzes.items(book.name))
    bare = [links.without_links(text) for _, text in prose]
    wanted = quiz_cells.texts(book.number, quiz_cells.sections_before(bare) + 1, questions)
    last = tuple(links.without_links(cell.source) for cell in book.cells[-2:])
    if questions and last != wanted:
        said.append(f"its last two cells are not the quiz: “{wanted[0].splitlines()[0]}”")
    return said


def map_is_current() -> bool:
    """Whether docs/map.md is what the notebooks make of it."""
    here = MAP.read_text(encoding="utf-8") if MAP.exists() else ""
    return here == course_map.page(_notebooks.books())


def write_map() -> None:
    """Write docs/map.md from the notebooks."""
    files.write_text(MAP, course_map.page(_notebooks.books()))


def glossary_is_current() -> bool:
    """Whether the links of docs/glossary.md lead to where its terms are taught."""
    here = glossary.FILE.read_text(encoding="utf-8")
    return here == taught.linked(here, _notebooks.books())


def write_glossary() -> None:
    """Set the links of docs/glossary.md; the file is written only if one was another."""
    here = glossary.FILE.read_text(encoding="utf-8")
    wanted = taught.linked(here, _notebooks.books())
    if here != wanted:
        files.write_text(glossary.FILE, wanted)


def stale_solutions() -> list[str]:
    """What is amiss with the pages of solutions, a sentence each."""
    wanted = solutions.pages(_notebooks.books())
    here = {path.name: path.read_text(encoding="utf-8") for path in SOLUTIONS.glob("*.md")}
    amiss = [name for name in sorted({*wanted, *here}) if here.get(name) != wanted.get(name)]
    return [f"{SOLUTIONS.name}/{name} is not what the questions make of it" for name in amiss]


def write_solutions() -> None:
    """Write the pages of solutions, and take away those of notebooks that are gone."""
    wanted = solutions.pages(_notebooks.books())
    for old in SOLUTIONS.glob("*.md"):
        if old.name not in wanted:
            old.unlink()
    for name, text in wanted.items():
        files.write_text(SOLUTIONS / name, text)


def main(argv: Sequence[str]) -> int:
    """Put notebooks, glossary, map and solutions right, or say what is amiss."""
    made = argparse.ArgumentParser(prog="python -m xlhelpers.commands._pages")
    made.add_argument("names", nargs="*", metavar="01", help="notebooks; all when none is named")
    made.add_argument("--check", action="store_true", help="change nothing, say what is amiss")
    options = made.parse_args(list(argv))
    chosen = [_notebooks.book(name) for name in options.names] or _notebooks.books()
    terms = glossary.terms()
    if options.check:
        said = [f"{book.path.name}: {fault}" for book in chosen for fault in faults(book, terms)]
        said += [] if map_is_current() else ["docs/map.md is not what the notebooks make of it"]
        said += [] if glossary_is_current() else ["docs/glossary.md has links to set"]
        said += stale_solutions()
        print("\n".join(said) if said else "nothing is amiss")
        return 1 if said else 0
    for book in chosen:
        changed = put_right(book.path, terms)
        print(f"{book.path.name}: {'changed' if changed else 'as it should be'}")
    write_glossary()
    write_map()
    write_solutions()
    return 0
