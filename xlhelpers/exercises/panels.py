"""What a learner sees under a cell: outcomes, hints, solutions. Colour, symbol and words agree.

Words have the page's own colour, whatever its theme; the bar and the symbol have that of the panel.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from typing import ClassVar, Literal

Status = Literal["correct", "incorrect", "not attempted", "wrong form"]


class Panel:
    """Something shown under a cell: a coloured bar, a symbol, a heading and text."""

    symbol: ClassVar[str] = "i"
    plain_symbol: ClassVar[str] = "[i]"
    # At least 3:1 against a white and against a dark page (WCAG 2.2, 1.4.11).
    colour: ClassVar[str] = "#5f6b7a"

    def heading(self) -> str:
        """The first words, which carry the meaning without colour or symbol."""
        return ""

    def body(self) -> str:
        """Plain text; words between backquotes are set as code."""
        return ""

    def body_html(self) -> str:
        """The body as HTML; by default the escaped plain text."""
        return rich(self.body())

    def __repr__(self) -> str:
        text = self.body()
        return f"{self.plain_symbol} {self.heading()}" + (f" {text}" if text else "")

    def _repr_html_(self) -> str:
        return (
            f'<div role="status" lang="en" style="border-left:4px solid {self.colour};'
            'padding:0.2em 0.8em;margin:0.2em 0">'
            f'<strong><span aria-hidden="true" style="color:{self.colour};font-size:1.2em">'
            f"{self.symbol}</span> {html.escape(self.heading())}</strong> {self.body_html()}</div>"
        )


class Page(Panel):
    """A panel whose text is long: in plain text it begins on a line of its own."""

    def __repr__(self) -> str:
        return f"{self.plain_symbol} {self.heading()}\n{self.body()}"


def rich(text: str) -> str:
    """Escaped HTML of plain text, with `code` between backquotes and line breaks kept."""
    escaped = html.escape(text, quote=True)
    coded = re.sub(r"`([^`\n]+)`", r"<code>\1</code>", escaped)
    return coded.replace("\n", "<br>")


@dataclass(frozen=True, repr=False)
class Outcome(Panel):
    """What `check` returns. `status` and `misconception` are for programs, the rest for people."""

    message: str = ""
    misconception: str | None = None
    question: str = ""
    status: ClassVar[Status]

    @property
    def passed(self) -> bool:
        """True for a correct answer."""
        return self.status == "correct"

    def body(self) -> str:
        return self.message


class Correct(Outcome):
    """The answer is right."""

    status = "correct"
    symbol, plain_symbol, colour = "✔", "[+]", "#0072b2"

    def heading(self) -> str:
        return "Correct."


class Incorrect(Outcome):
    """The answer has the right form and is wrong; `misconception` names why, if it is known."""

    status = "incorrect"
    symbol, plain_symbol, colour = "✘", "[x]", "#c84b00"

    def heading(self) -> str:
        return f"Not yet: {self.misconception}." if self.misconception else "Not yet."


class NotAttempted(Outcome):
    """The cell is as it was handed out."""

    status = "not attempted"
    symbol, plain_symbol, colour = "○", "[ ]", "#5f6b7a"

    def heading(self) -> str:
        return "Not attempted yet."


class WrongForm(Outcome):
    """The answer cannot be read: another type or shape is expected. Says nothing about right."""

    status = "wrong form"
    symbol, plain_symbol, colour = "⚠", "[!]", "#b8409a"

    def heading(self) -> str:
        return "Another form is expected."


@dataclass(frozen=True, repr=False)
class Hint(Panel):
    """One step towards the answer."""

    number: int
    total: int
    text: str
    symbol, plain_symbol, colour = "?", "[?]", "#8a6d00"

    def heading(self) -> str:
        return f"Hint {self.number} of {self.total}:" if self.total else "No hints here."

    def body(self) -> str:
        return self.text


@dataclass(frozen=True, repr=False)
class Solution(Panel):
    """The reference answer's source, and why it is right."""

    source: str
    why: str = ""
    symbol, plain_symbol, colour = "→", "[>]", "#0072b2"

    def heading(self) -> str:
        return "One solution:"

    def __repr__(self) -> str:
        why = f"\n{self.why}" if self.why else ""
        return f"{self.plain_symbol} {self.heading()}\n{self.source}{why}"

    def body_html(self) -> str:
        why = f"<p>{rich(self.why)}</p>" if self.why else ""
        return f"<pre><code>{html.escape(self.source)}</code></pre>{why}"
