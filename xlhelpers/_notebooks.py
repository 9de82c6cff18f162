"""The course's notebooks as files: numbers, titles, sections, cells. Nothing of them is run here.

Standard library only: the map, the checkpoints, the progress page and the glossary all ask here
which notebooks there are and what stands where.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from xlhelpers.errors import CourseError

FOLDER = Path(__file__).resolve().parent.parent / "notebooks"

# What a learner's time is reckoned from. These are our assumption and no measurement: adults read
# English non-fiction at 238 words a minute on average (Brysbaert, 2019, Journal of Memory and
# Language), and this is slower stuff. The time of the run, which is short, is left out, so that
# the estimate does not change from machine to machine.
WORDS_A_MINUTE = 150
MINUTES_A_CELL = 1.0
MINUTES_AN_EXERCISE = 5.0
MINUTES_A_QUIZ = 5.0
ROUNDED_TO = 5

# What JupyterLab and others call a copy, as in `04_zero_shot-Copy1`, is a learner's own.
_STEM = re.compile(r"\d\d_\w+", re.ASCII)
_FENCE = re.compile(r"^(`{3,}|~{3,}).*?^\1`*\s*$", re.DOTALL | re.MULTILINE)
_HEADING = re.compile(r"^## +(?:(\d+) +· +)?(.+?)\s*$", re.MULTILINE)
_TITLE = re.compile(r"^# +\d+ +· +(.+?)\s*$", re.MULTILINE)
_STAMP = r"<!--=notebook\.{}(?::\w+)?-->\s*([\d.]+)"
_CHECK = re.compile(r"\.check\(")
_QUIZ = re.compile(r"\bxl\.exercises\.quiz\(")


class NotebookError(CourseError):
    """There is no such notebook, or no such section, or a notebook cannot be read."""


@dataclass(frozen=True)
class Cell:
    """A cell: its number as a reader counts (from 1), `code` or `markdown`, its text, its id."""

    number: int
    kind: str
    source: str
    id: str = ""


@dataclass(frozen=True)
class Section:
    """A heading of the second level.

    Attributes:
        number: `"5"`; empty for the set-up.
        title: the heading without its number.
        cell: the number of the cell that the heading stands in.
        cell_id: the id of that cell; empty in old files, whose cells have none.
    """

    number: str
    title: str
    cell: int
    cell_id: str = ""

    @property
    def heading(self) -> str:
        """The heading as it is printed: `5 · How many pairs are enough?`."""
        return f"{self.number} · {self.title}" if self.number else self.title

    @property
    def anchor(self) -> str:
        """What stands behind `#` in a link to this section.

        JupyterLab would also take the heading itself, but compares it with the link as the browser
        hands it over: “·” has become `%C2%B7` there, is found nowhere, and the notebook opens at
        its top. The id of the heading's cell has only letters that a browser leaves alone.
        """
        return f"cell-id={self.cell_id}"


@dataclass(frozen=True)
class Book:
    """One notebook: `path` and its cells."""

    path: Path
    cells: tuple[Cell, ...]

    @property
    def number(self) -> str:
        """`04`."""
        return self.path.stem.split("_")[0]

    @property
    def name(self) -> str:
        """`zero_shot`: also the name of its module of exercises."""
        return self.path.stem.partition("_")[2]

    @cached_property
    def title(self) -> str:
        """The title without its number, links and code marks."""
        found = _TITLE.search(self.cells[0].source) if self.cells else None
        return found[1].replace("`", "") if found else self.name

    @cached_property
    def sections(self) -> tuple[Section, ...]:
        """All sections, in order."""
        return tuple(
            Section(number or "", title, cell.number, cell.id)
            for cell in self.cells
            if cell.kind == "markdown"
            for number, title in _HEADING.findall(_FENCE.sub("", cell.source))
        )

    def section(self, wanted: str | int) -> Section:
        """The section with this number or title, or the one whose title begins so.

        Raises:
            NotebookError: there is none, or more than one; the remedy lists all.
        """
        text = str(wanted).strip().casefold()
        exact = [one for one in self.sections if text and text in (one.number, _key(one))]
        begun = [one for one in self.sections if text and _key(one).startswith(text)]
        found = exact or begun
        if len(found) == 1:
            return found[0]
        listed = "; ".join(f"“{one.heading}”" for one in self.sections)
        raise NotebookError(
            f"notebook {self.number} has {'no' if not found else 'more than one'} section {text!r}",
            f"its sections are: {listed}",
        )

    def link(self, section: Section) -> str:
        """Where a page in `docs/` finds a section: the one place that knows what links look like.

        Raises:
            NotebookError: the section's cell has no id.
        """
        if not section.cell_id:
            raise NotebookError(
                f"cell {section.cell} of {self.path.name} has no id, and cannot be linked",
                "open the notebook in JupyterLab and save it: every cell gets an id",
            )
        return f"../notebooks/{self.path.name}#{section.anchor}"

    def section_of(self, cell: Cell) -> Section | None:
        """The section that a code cell stands in; None above the first heading."""
        before = [one for one in self.sections if one.cell <= cell.number]
        return before[-1] if before else None

    @cached_property
    def need(self) -> str:
        """What its “You need” line asks for, as Markdown; empty without one."""
        first = self.cells[0].source if self.cells else ""
        found = re.search(r"^\*\*You need\*\* +(.+)$", first, re.MULTILINE)
        return found[1].strip() if found else ""

    @property
    def minutes(self) -> float | None:
        """Minutes that a run takes, as stamped by `course.py run --stamp`; None if never."""
        return self._stamped("minutes")

    @property
    def memory(self) -> float | None:
        """Gigabytes of memory that a run takes, as stamped; None if never."""
        return self._stamped("memory")

    @property
    def exercises(self) -> int:
        """How many answers are checked."""
        code = [cell.source for cell in self.cells if cell.kind == "code"]
        return sum(len(_CHECK.findall(text)) for text in code if "xl.exercises" in text)

    @cached_property
    def working_minutes(self) -> int:
        """An estimate of the minutes that it takes to work through; see the constants above."""
        words = sum(len(plain(c.source).split()) for c in self.cells if c.kind == "markdown")
        code = [c.source for c in self.cells if c.kind == "code"]
        quiz = sum(bool(_QUIZ.search(source)) for source in code)
        read = sum(not _CHECK.search(source) for source in code) - quiz
        minutes = words / WORDS_A_MINUTE + read * MINUTES_A_CELL
        minutes += self.exercises * MINUTES_AN_EXERCISE + quiz * MINUTES_A_QUIZ
        return ROUNDED_TO * max(1, round(minutes / ROUNDED_TO))

    def _stamped(self, what: str) -> float | None:
        first = self.cells[0].source if self.cells else ""
        found = re.search(_STAMP.format(what), first)
        return float(found[1]) if found else None


def _key(section: Section) -> str:
    return section.title.casefold()


def plain(markdown: str) -> str:
    """The words of Markdown, roughly: without code blocks, formulas, comments, tags, addresses."""
    text = _FENCE.sub(" ", re.sub(r"<!--.*?-->", "", markdown, flags=re.DOTALL))
    text = re.sub(r"\$\$.*?\$\$|\$[^$\n]+\$", " ", text, flags=re.DOTALL)
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)
    return re.sub(r"https?://\S+|<[^>]+>|[`*#|]", " ", text)


def read(path: Path) -> Book:
    """Read a notebook file.

    Raises:
        NotebookError: it is no notebook.
    """
    try:
        node = json.loads(path.read_text(encoding="utf-8"))
        cells = tuple(
            Cell(
                number,
                str(cell["cell_type"]),
                _joined(cell["source"]),
                str(cell.get("id", "")),
            )
            for number, cell in enumerate(node["cells"], start=1)
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NotebookError(
            f"{path.name} cannot be read as a notebook ({type(error).__name__})",
            f"git checkout notebooks/{path.name}",
        ) from error
    return Book(path, cells)


def _joined(source: object) -> str:
    """nbformat stores text as one string or as a list of lines."""
    return "".join(source) if isinstance(source, list) else str(source)


def paths(folder: Path | None = None) -> list[Path]:
    """The files of the course's notebooks, in order; copies that a learner has made are none."""
    found = sorted((folder or FOLDER).glob("*.ipynb"))
    return [path for path in found if _STEM.fullmatch(path.stem)]


def books(folder: Path | None = None) -> list[Book]:
    """All notebooks of the course, in order; empty where the package was installed without."""
    return [read(path) for path in paths(folder)]


def book(wanted: str | int, folder: Path | None = None) -> Book:
    """The notebook that `"04"`, `4`, `"zero_shot"` or `"04_zero_shot"` means.

    Raises:
        NotebookError: there is none; the remedy lists all.
    """
    there = paths(folder)
    stem = Path(str(wanted).strip()).stem
    for path in there:
        number, _, name = path.stem.partition("_")
        if stem in (path.stem, name) or (stem.isdigit() and stem.zfill(2) == number):
            return read(path)
    known = ", ".join(path.stem for path in there) or "none beside this package"
    raise NotebookError(f"there is no notebook {str(wanted)!r}", f"there are: {known}")
