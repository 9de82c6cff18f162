"""A run-sheet for every notebook: its sections, minutes, checkpoints, exercises and links hold.

`faults` compares a sheet with its notebook and returns one sentence a fault. The tests run it on
all sheets, and on sheets and notebooks with a planted fault, to show that each would be found.
"""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from urllib.parse import unquote

import pytest
from lint import ROOT

from xlhelpers import _notebooks, exercises
from xlhelpers._notebooks import Book, Cell, NotebookError, Section
from xlhelpers.exercises.engine import Quiz

SHEETS = ROOT / "docs" / "workshop"
HEADINGS = [
    "Before class",
    "Minutes",
    "Where people get stuck",
    "Questions people ask",
    "If time is left / if it is not",
    "Homework",
]
COLUMNS = ["minutes", "section", "do", "say", "checkpoint"]
SKIPPED = "skip in the short form"
SHORT = range(40, 51)  # minutes

_SUM = re.compile(r"^Together (\d+) minutes; short form (\d+): (.+)$", re.MULTILINE)
_SECTION = re.compile(r"^\[(.+)\]\(\.\./\.\./notebooks/([^)#]+)(?:#([^)]*))?\)$")
_CHECKPOINT = re.compile(r'xl\.checkpoint\("([^"]*)", ?"([^"]*)"\)')
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HINT = re.compile(r"\bhints? (\d)(?: and (\d))? of (q\d+)\b")
_FIGURE = re.compile(r"\d[\d.,]*\s?(?:%|per cent|points)")
_DECIMAL = re.compile(r"\d+\.\d+")
_STAMP = re.compile(r"<!--=[\w.:-]+-->(.*?)<!--/-->")
_SOURCE = re.compile(r"\b(?:19|20)\d\d\b|\b[Rr]eckon")
_NOT_OURS = re.compile(r"`[^`]*`|“[^”]*”|\]\([^)]*\)|arXiv [\d.]+|§[\d.]+")


@dataclass(frozen=True)
class Row:
    """A line of the table."""

    minutes: str
    section: str
    do: str
    say: str
    checkpoint: str

    @property
    def in_short_form(self) -> bool:
        return SKIPPED not in self.do.casefold()


@dataclass(frozen=True)
class Sheet:
    """The text of a run-sheet."""

    text: str

    @cached_property
    def parts(self) -> dict[str, str]:
        """What stands under each heading of the second level, in order."""
        found = re.split(r"^## (.+)$", self.text, flags=re.MULTILINE)
        return dict(zip(found[1::2], found[2::2], strict=True))

    @cached_property
    def table(self) -> list[list[str]]:
        """The cells of the lines of the table, its head first, without the dashes."""
        lines = [x for x in self.parts.get("Minutes", "").splitlines() if x.startswith("|")]
        cells = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in lines]
        return [row for row in cells if not all(set(cell) <= set("-:") for cell in row)]

    @cached_property
    def rows(self) -> list[Row]:
        return [Row(*cells) for cells in self.table[1:] if len(cells) == len(COLUMNS)]

    def bullets(self, part: str) -> int:
        return len(re.findall(r"^- \*\*.+?\*\* ", self.parts.get(part, ""), re.MULTILINE))


# ── what can be wrong ────────────────────────────────────────────────────────────────────────────


def _form(book: Book, sheet: Sheet) -> Iterator[str]:
    title = f"# Run-sheet {book.number} · {book.title}"
    if sheet.text.partition("\n")[0] != title:
        yield f"the first line is not “{title}”"
    if list(sheet.parts) != HEADINGS:
        yield f"the headings are {list(sheet.parts)}"
    if sheet.table[:1] != [COLUMNS] or any(len(row) != len(COLUMNS) for row in sheet.table):
        yield f"the table has not {len(COLUMNS)} columns throughout: {', '.join(COLUMNS)}"
    for part, count in {"Where people get stuck": (5, 9), "Questions people ask": (6, 10)}.items():
        if not count[0] <= sheet.bullets(part) <= count[1]:
            yield f"“{part}” has {sheet.bullets(part)} entries, not {count[0]} to {count[1]}"
    for row in sheet.rows:
        if not (row.do and row.say):
            yield f"{row.section}: nothing to do or to say"


def _sections(book: Book, sheet: Sheet) -> Iterator[str]:
    found = [_SECTION.match(row.section) for row in sheet.rows]
    said = [match[1] if match else "?" for match in found]
    there = [section.heading for section in book.sections]
    if said != there:
        odd = [f"“{a}” for “{b}”" for a, b in zip(said, there, strict=False) if a != b]
        yield f"{len(said)} sections for {len(there)}, {'; '.join(odd) or 'the last missing'}"
    for match, section in zip(found, book.sections, strict=False):
        if match and match[2] != book.path.name:
            yield f"the link of “{match[1]}” goes to {match[2]}"
        if match and match[3] and unquote(match[3]) != section.anchor:
            yield f"the link of “{match[1]}” ends in #{match[3]}"


def _minutes(book: Book, sheet: Sheet) -> Iterator[str]:
    stated = _SUM.search(sheet.parts.get("Minutes", ""))
    if not stated or not all(row.minutes.isdigit() for row in sheet.rows):
        yield "no “Together … minutes; short form …: sections …”, or minutes that are no integers"
        return
    kept = [row for row in sheet.rows if row.in_short_form]
    whole, short = (sum(int(row.minutes) for row in rows) for rows in (sheet.rows, kept))
    if any(int(row.minutes) < 1 for row in sheet.rows):
        yield "a section without a minute"
    if (whole, short) != (int(stated[1]), int(stated[2])):
        yield f"{whole} and {short} minutes, but it says {stated[1]} and {stated[2]}"
    if short not in SHORT:
        yield f"the short form has {short} minutes"
    numbers = [match[0] for row in kept if (match := re.search(r"(?<=^\[)\d+", row.section))]
    listed = re.findall(r"\d+", stated[3])
    if listed != numbers:
        yield f"the short form keeps {numbers}, but it says {listed}"
    if not {stated[1], stated[2]} <= set(re.findall(r"\d+", sheet.text.partition("\n## ")[0])):
        yield "the first paragraph says other minutes"


def _checkpoints(book: Book, sheet: Sheet) -> Iterator[str]:
    for number, section in _CHECKPOINT.findall(sheet.text):
        try:
            _book(number).section(section)
        except NotebookError as error:
            yield str(error).partition("\n")[0]
    for row, section in zip(sheet.rows, book.sections, strict=False):
        call = _CHECKPOINT.fullmatch(row.checkpoint.strip("`"))
        if call and call.groups() != (book.number, section.number):
            yield f"“{section.heading}” has the checkpoint {row.checkpoint}"
        if not call and row.checkpoint not in ("–", "-"):
            yield f"“{section.heading}” has neither a checkpoint nor a dash: {row.checkpoint}"
        missing = _missing(book, [section])
        if not call and missing:
            yield f"“{section.heading}” needs {', '.join(missing)}, and has no checkpoint"


def _short_form(book: Book, sheet: Sheet) -> Iterator[str]:
    """Who leaves sections out must not meet a name that only they define."""
    pairs = list(zip(sheet.rows, book.sections, strict=False))
    kept = [section for row, section in pairs if row.in_short_form]
    told = {section for row, section in pairs if "checkpoint" in row.do}
    for place, section in enumerate(kept):
        missing = _missing(book, kept[: place + 1])
        if missing and not told & set(kept[: place + 1]):
            yield f"in the short form, “{section.heading}” finds no {', '.join(missing)}"


def _exercises(book: Book, sheet: Sheet) -> Iterator[str]:
    known = exercises.questions(book.name)
    for name in sorted(set(re.findall(r"\bq\d+\b", sheet.text)) - set(known)):
        yield f"there is no exercise {name}"
    for first, second, name in _HINT.findall(sheet.text):
        if name in known and max(int(first), int(second or 1)) > len(known[name].hints):
            yield f"{name} has {len(known[name].hints)} hints"
    work = sheet.parts.get("Homework", "")
    if not re.search(r"\bq\d+\b", work) or f'xl.exercises.quiz("{book.number}")' not in work:
        yield "the homework names no exercise, or not this notebook's quiz"
    if not any(isinstance(question, Quiz) for question in known.values()):
        yield "this notebook has no choice among its exercises"  # the sheets speak of letters


def _links(book: Book, sheet: Sheet) -> Iterator[str]:
    for target in _LINK.findall(sheet.text):
        path, _, anchor = unquote(target).partition("#")
        if re.match(r"https?:", path):
            continue
        place = (SHEETS / path).resolve() if path else SHEETS / f"{book.path.stem}.md"
        if not place.exists():
            yield f"the link {target} leads nowhere"
        elif anchor and place.suffix == ".md" and anchor not in _anchors(place):
            yield f"{path} has no heading {anchor}"


def _figures(book: Book, sheet: Sheet) -> Iterator[str]:
    """A figure of ours would go stale here; a published one has its year, a sum says “reckon”."""
    measured = set(_DECIMAL.findall(" ".join(_STAMP.findall(" ".join(_prose(book))))))
    for line in sheet.text.splitlines():
        text = _NOT_OURS.sub(" ", line)
        found = _FIGURE.findall(text) + [x for x in _DECIMAL.findall(text) if x in measured]
        if found and not line.startswith("#") and not _SOURCE.search(text):
            yield f"a figure without author and year: {found} in “{line[:60]}…”"


def _prose(book: Book) -> Iterator[str]:
    return (cell.source for cell in book.cells if cell.kind == "markdown")


CHECKS: list[Callable[[Book, Sheet], Iterator[str]]] = [
    _form,
    _sections,
    _minutes,
    _checkpoints,
    _short_form,
    _exercises,
    _links,
    _figures,
]


def faults(book: Book, sheet: Sheet) -> list[str]:
    """All that is wrong with a sheet of this notebook."""
    return [said for check in CHECKS for said in check(book, sheet)]


# ── which names a section needs ──────────────────────────────────────────────────────────────────


def _missing(book: Book, sections: list[Section]) -> list[str]:
    """Names that these sections, run after the set-up one after another, ask for in vain."""
    known, asked = {"display", *vars(builtins)}, []
    setup = book.sections[0]
    for cell in book.cells:
        section = book.section_of(cell)
        if cell.kind == "code" and section in (setup, *sections):
            needed, given = _names(cell)
            asked += [name for name in needed if name not in known]
            known |= given
    return list(dict.fromkeys(asked))


@lru_cache
def _book(number: str) -> Book:
    return _notebooks.book(number)


@lru_cache
def _names(cell: Cell) -> tuple[tuple[str, ...], frozenset[str]]:
    """Names that a cell asks for without making them, and those that it leaves."""
    tree = ast.parse(re.sub(r"^(\s*)[!%].*$", r"\1pass", cell.source, flags=re.MULTILINE))
    made: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            made.add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            made.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            made |= {(one.asname or one.name).partition(".")[0] for one in node.names}
        elif isinstance(node, ast.arg):
            made.add(node.arg)
        elif isinstance(node, ast.ExceptHandler) and node.name:
            made.add(node.name)
    loaded = [n.id for n in ast.walk(tree) if isinstance(n, ast.Name)]
    return tuple(name for name in loaded if name not in made), frozenset(made)


@lru_cache
def _anchors(page: Path) -> set[str]:
    """The headings of a Markdown file as ends of links: as written, and as GitHub makes them."""
    headings = re.findall(r"^#+ +(.+?)\s*$", page.read_text(encoding="utf-8"), re.MULTILINE)
    plain = {re.sub(r"[^\w\- ]", "", one.casefold()).replace(" ", "-") for one in headings}
    return plain | {one.replace(" ", "-") for one in headings}


# ── the tests ────────────────────────────────────────────────────────────────────────────────────


def _sheet(book: Book) -> Sheet:
    return Sheet((SHEETS / f"{book.path.stem}.md").read_text(encoding="utf-8"))


def test_there_are_eight_notebooks() -> None:
    assert len(_notebooks.books()) == 8


@pytest.mark.parametrize("book", _notebooks.books(), ids=lambda book: book.path.stem)
def test_every_notebook_has_a_run_sheet_that_fits_it(book: Book) -> None:
    assert not faults(book, _sheet(book))


PLANTED = {
    "a section renamed": ("1 · What does a word vector know?", "1 · What is a word?", "for “1 ·"),
    "a section left out": (r"\| 5 \| \[8 · .*\n", "", "sections for"),
    "another notebook": ("notebooks/01_alignment.ipynb", "notebooks/02_mbert.ipynb", "goes to 02"),
    "minutes changed": (r"\| 11 \| \[3 ", "| 12 | [3 ", "91 and 46 minutes"),
    "minutes as a range": (r"\| 11 \| \[3 ", "| 10–12 | [3 ", "no integers"),
    "another short form": ("sections 1, 2, 3, 4, 6", "sections 1, 2, 3, 4, 5", "it says"),
    "another sum": ("Together 90 minutes", "Together 95 minutes", "it says 95"),
    "no such section": (r'checkpoint\("01", "3"\)', 'checkpoint("01", "99")', "no section '99'"),
    "not its own section": (
        r'`xl.checkpoint\("01", "3"\)` \|',
        '`xl.checkpoint("01", "4")` |',
        "4",
    ),
    "no checkpoint": (r'`xl.checkpoint\("01", "3"\)` \|', "– |", "needs W, german"),
    "short form without section 2": (r"\| Drawing on", "| Skip in the short form. D", "finds no"),
    "no such exercise": (r"\bq4\b", "q44", "no exercise q44"),
    "no such hint": ("hint 2 of q3", "hint 8 of q3", "q3 has 2 hints"),
    "no quiz": (r'exercises\.quiz\("01"\)', 'exercises.quiz("02")', "this notebook's quiz"),
    "a dead link": (r"\.\./map\.md", "../maps.md", "leads nowhere"),
    "a dead anchor": (r"\.\./glossary\.md", "../glossary.md#hubbub", "no heading hubbub"),
    "a figure of ours": ("A header became", "For 57 % a header became", "without author"),
    "no heading": ("## Homework", "## At home", "the headings are"),
    "another title": ("two languages, one space", "one space", "the first line"),
    "too few questions": (r"^- \*\*W.*\n", "", "entries"),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_fault_is_found(name: str) -> None:
    old, new, said = PLANTED[name]
    book = _book("01")
    sheet = _sheet(book)
    text, count = re.subn(old, lambda _: new, sheet.text, flags=re.MULTILINE)
    assert count, "the sheet has no such place any more"
    found = faults(book, Sheet(text))
    assert any(said in fault for fault in found), found


def test_a_decimal_that_a_notebook_measured_is_noticed() -> None:
    book = _book("03")
    measured = _DECIMAL.findall(" ".join(_STAMP.findall(" ".join(_prose(book)))))
    sheet = Sheet(f"{_sheet(book).text}\nIt is {measured[-1]}.\n")
    assert any("without author" in said for said in faults(book, sheet))


def test_a_new_heading_in_the_notebook_is_noticed() -> None:
    book = _book("01")
    cells = [
        replace(cell, source=cell.source.replace("## 7 · Does distance", "## 7 · Does nearness"))
        for cell in book.cells
    ]
    changed = Book(book.path, tuple(cells))
    assert changed.sections != book.sections
    assert any("“7 · Does distance matter?” for" in said for said in faults(changed, _sheet(book)))
