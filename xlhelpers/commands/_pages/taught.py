"""Where each term of `docs/glossary.md` is taught: the links behind “Taught in notebook …”.

Somebody who writes an entry names the notebook and the title of the section, as in
`Taught in notebook 06: [Which rows are worth a label?]().`; number and link are set here.
Setting them again changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from xlhelpers._notebooks import Book

_PLACE = re.compile(
    r"^(?P<before>Taught in notebook (?P<book>\d\d): )"
    r"\[(?:\d+ · )?(?P<title>[^\]\n]+)\]\([^)\n]*\)",
    re.MULTILINE,
)


def linked(text: str, books: Sequence[Book]) -> str:
    """The glossary with the links to the sections of these notebooks set right.

    Args:
        text: of the whole file.
        books: entries that are taught in another notebook are left as they are.

    Raises:
        NotebookError: an entry names a section that its notebook does not have.
    """
    known = {book.number: book for book in books}

    def place(found: re.Match[str]) -> str:
        book = known.get(found["book"])
        if book is None:
            return found[0]
        section = book.section(found["title"])
        return f"{found['before']}[{section.heading}]({book.link(section)})"

    return _PLACE.sub(place, text)
