"""The glossary: what the notebooks take for granted and a programmer need not know.

    xl.glossary.explain("CSLS")

It is one file, `docs/glossary.md`: a heading, some sentences and a line that says where it is
taught, for each term. A comment below an entry, which no reader sees, names further `forms` of
the term, and the notebooks in which alone (`only`) or in which not (`not`) it has this meaning.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from xlhelpers.errors import CourseError
from xlhelpers.exercises.panels import Panel, rich

FILE = Path(__file__).resolve().parent.parent / "docs" / "glossary.md"

_TAUGHT = re.compile(
    r"^Taught in notebook (?P<number>\d\d): \[(?P<heading>[^\]]+)\]\((?P<target>[^)\s]*)\)\."
    r"(?: Source: (?P<source>.+)\.)?$"
)
_HINTS = re.compile(r"<!--(.*?)-->", re.DOTALL)


class GlossaryError(CourseError):
    """The glossary has no such term, or cannot be read."""


@dataclass(frozen=True, repr=False)
class Term(Panel):
    """One entry.

    Attributes:
        name: the heading.
        text: what it says, Markdown.
        notebook, section, target: number, heading and link of the place where it is taught.
        source: the papers behind it; empty where there is none.
        forms: other forms of the name that notebooks use.
        only, never: numbers of the notebooks in which alone, and in which not, the words mean
            this; both empty for everywhere.
    """

    name: str
    text: str
    notebook: str
    section: str
    target: str
    source: str = ""
    forms: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    never: tuple[str, ...] = ()

    @property
    def anchor(self) -> str:
        """What stands behind `#` in a link to the entry.

        JupyterLab keeps a heading's capitals and signs, GitHub drops signs and takes either case:
        both find this one as long as a name has letters, digits and hyphens alone.
        """
        return self.name.replace(" ", "-")

    def means_here(self, notebook: str) -> bool:
        """Whether notebook `"04"` uses the words in this meaning."""
        return notebook not in self.never and (not self.only or notebook in self.only)

    def heading(self) -> str:
        return f"{self.name}:"

    def body(self) -> str:
        source = f" Source: {self.source}." if self.source else ""
        return f"{self.text} Taught in notebook {self.notebook}, “{self.section}”.{source}"

    def body_html(self) -> str:
        return rich(self.body())


def terms(path: Path | None = None) -> tuple[Term, ...]:
    """All entries, in the order of the file.

    Raises:
        GlossaryError: the file is not there, or an entry has not the form of one.
    """
    file = FILE if path is None else path
    try:
        changed = file.stat().st_mtime_ns
    except OSError as error:
        raise GlossaryError(
            f"there is no glossary at {file.name}", "open docs/glossary.md on the course's page"
        ) from error
    return _read(file, changed)


@lru_cache(maxsize=4)
def _read(file: Path, changed: int) -> tuple[Term, ...]:
    parts = re.split(r"^### +", file.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return tuple(_entry(part) for part in parts[1:])


def _entry(part: str) -> Term:
    name, _, rest = part.partition("\n")
    hints = _hints(rest)
    paragraphs = [text.strip() for text in _HINTS.sub("", rest).split("\n\n") if text.strip()]
    taught = _TAUGHT.match(paragraphs[-1]) if len(paragraphs) > 1 else None
    if taught is None:
        raise GlossaryError(
            f"the entry “{name.strip()}” does not say where it is taught",
            "end it with “Taught in notebook NN: [title of the section]().”, and run "
            "`python -m xlhelpers.commands._pages`",
        )
    return Term(
        name.strip(),
        " ".join(paragraphs[:-1]),
        taught["number"],
        taught["heading"],
        taught["target"],
        taught["source"] or "",
        hints.get("forms", ()),
        hints.get("only", ()),
        hints.get("not", ()),
    )


def _hints(rest: str) -> dict[str, tuple[str, ...]]:
    """`{"forms": ("hubs", "hubness")}` of `<!-- forms: hubs, hubness -->`."""
    found = _HINTS.search(rest)
    if found is None:
        return {}
    pairs = (part.partition(":") for part in found[1].split(";"))
    return {
        key.strip(): tuple(value.strip() for value in values.split(",")) for key, _, values in pairs
    }


def explain(term: str) -> Term:
    """What a term means, where it is taught, and where it comes from.

    Raises:
        GlossaryError: there is no such term; the remedy names the nearest ones.
    """
    named = {form.casefold(): one for one in terms() for form in (one.name, *one.forms)}
    wanted = " ".join(str(term).split()).casefold()
    if wanted in named:
        return named[wanted]
    near = difflib.get_close_matches(wanted, named, n=4, cutoff=0.5)
    listed = ", ".join(dict.fromkeys(named[one].name for one in near))
    raise GlossaryError(
        "the glossary has no such term",
        f"do you mean: {listed}?" if listed else "all of them are in docs/glossary.md",
    )
