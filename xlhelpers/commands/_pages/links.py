"""Links from the first use of each term, in each notebook, to its entry in the glossary.

Setting them again changes nothing: links to the glossary are taken out first and set anew. What
stands in headings, code, formulas, quotations, citations, measured numbers, other links and the
reading list is left alone. Links are relative, so that they work in JupyterLab without a network,
on GitHub and in Colab, which both resolve them against the repository.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from xlhelpers.glossary import Term

RELATIVE = "../docs/glossary.md"

_LINK = re.compile(r"\[([^\[\]]+)\]\((?:[^()\s]*/)?docs/glossary\.md#([^()\s]*)\)")
# In this order: what is found first hides what stands inside of it.
_HIDDEN = re.compile(
    r"^(?P<fence>`{3,}|~{3,}).*?^(?P=fence)`*[ \t]*$"  # a block of code
    r"|^ {0,3}\#[^\n]*$"  # a heading
    r"|<!--=.*?<!--/-->"  # a measured number between its markers
    r"|<!--.*?-->"
    r"|(?P<ticks>`+)(?!`).+?(?<!`)(?P=ticks)(?!`)"  # code within a line
    r"|\$\$.*?\$\$|\$[^$\n]+\$"  # a formula
    r"|!?\[[^\]]*\]\([^)]*\)"  # a link or a picture
    r"|<[^>]+>|https?://\S+"
    r"|\([^()]*\b(?:19|20)\d\d\b[^()]*\)"  # a citation
    r"|“[^”]*”|\"[^\"\n]*\""  # somebody's words
    r"|^\*\*Further reading\*\*.*\Z",  # titles of papers
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Use:
    """The first use of a term in a notebook: the cell's number and the place in its text."""

    term: Term
    cell: int
    start: int
    end: int


def without_links(markdown: str) -> str:
    """The text less its links to the glossary."""
    return _LINK.sub(r"\1", markdown)


def first_uses(cells: Sequence[tuple[int, str]], notebook: str, terms: Sequence[Term]) -> list[Use]:
    """Where each term is used first.

    Args:
        cells: number and text of the Markdown cells, without links to the glossary.
        notebook: its number, since some words have this meaning in some notebooks only.
        terms: the glossary.
    """
    here = tuple(term for term in terms if term.means_here(notebook))
    if not here:
        return []
    found: dict[str, Use] = {}
    for number, text in cells:
        shown = _HIDDEN.sub(lambda hidden: " " * len(hidden[0]), text)
        for match in _pattern(here).finditer(shown):
            term = _by_form(here)[" ".join(match[0].split())]
            found.setdefault(term.name, Use(term, number, match.start(), match.end()))
    return list(found.values())


@lru_cache(maxsize=16)
def _pattern(terms: tuple[Term, ...]) -> re.Pattern[str]:
    """Any form of any term, the longest first."""
    forms = sorted(_by_form(terms), key=len, reverse=True)
    listed = "|".join(r"\s".join(map(re.escape, form.split())) for form in forms)
    # a letter or a hyphen at either end makes another word of it
    return re.compile(rf"(?<![\w-])(?:{listed})(?!-?\w)")


@lru_cache(maxsize=16)
def _by_form(terms: tuple[Term, ...]) -> dict[str, Term]:
    """Terms by their forms, also as they begin a sentence; capitals of a form's own are kept."""
    found = {}
    for term in terms:
        for form in (term.name, *term.forms):
            found[form] = found[form[0].upper() + form[1:]] = term
    return found


def linked(
    cells: Sequence[tuple[int, str]], notebook: str, terms: Sequence[Term], base: str = ""
) -> list[tuple[int, str]]:
    """The cells with a link at the first use of each term, and no other link to the glossary."""
    bare = [(number, without_links(text)) for number, text in cells]
    texts = dict(bare)
    target = f"{base.rstrip('/')}/docs/glossary.md" if base else RELATIVE
    for use in sorted(first_uses(bare, notebook, terms), key=lambda one: -one.start):
        text = texts[use.cell]
        words = text[use.start : use.end]
        link = f"[{words}]({target}#{use.term.anchor})"
        texts[use.cell] = text[: use.start] + link + text[use.end :]
    return [(number, texts[number]) for number, _ in cells]


def faults(cells: Sequence[tuple[int, str]], notebook: str, terms: Sequence[Term]) -> list[str]:
    """What is amiss with a notebook's links to the glossary, a sentence each; for the lint."""
    anchors = {term.anchor for term in terms}
    said = [
        f"cell {number}: the glossary has no entry #{anchor} (“{words}”)"
        for number, text in cells
        for words, anchor in _LINK.findall(text)
        if anchor not in anchors
    ]
    wanted = linked(cells, notebook, terms)
    for (number, text), (_, better) in zip(cells, wanted, strict=True):
        have, want = ([anchor for _, anchor in _LINK.findall(one)] for one in (text, better))
        said += [
            f"cell {number}: the first use of “{anchor}” is not linked"
            for anchor in want
            if anchor not in have
        ]
        said += [
            f"cell {number}: a link to “{anchor}” that is not its first use"
            for anchor in have
            if anchor in anchors and have.count(anchor) > want.count(anchor)
        ]
    return said
