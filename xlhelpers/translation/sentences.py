"""Texts cut into sentences, which is what translation models have learned from, and into words."""

from __future__ import annotations

from collections.abc import Sequence

import regex

from xlhelpers import tokens

# What may close a sentence behind its mark, and open the next.
_CLOSING = "\"'”’»)\\]』」）"
_OPENING = "\"'“‘„«¿¡(\\[『「（"
# A mark that blanks follow ends a sentence if the next one begins like one. The marks of Chinese
# and Japanese need no blank, but behind a quotation they do not tell: who said it may follow.
_ENDS = regex.compile(
    rf"(?<=[.!?…؟।]+[{_CLOSING}]*)\s+(?=[{_OPENING}]*[\p{{Lu}}\p{{Lt}}\p{{Lo}}\p{{N}}])"
    rf"|(?<=[。！？])\s*(?![{_CLOSING}。！？\s]|$)"
    r"|\s*\n\s*"
)
_ABBREVIATIONS = frozenset(
    """
    dr mr mrs ms prof st jr sr vs no nr bzw z.b d.h u.a ca mme mlle m sra sra sr srta ud uds
    dra ing lic fig e.g i.e a.m p.m approx dept
    """.split()
)
_LAST_WORD = regex.compile(r"([\p{L}\p{N}.]+)\.$")
_ALONE = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}]")


def split(text: str, language: str) -> list[tuple[str, str]]:
    """Return the sentences of a text, each with the white space behind it.

    Written together they are the text, less white space at its ends. A rule of thumb: marks that
    end a sentence, not behind an initial or one of a few abbreviations, nor (in German) behind
    an ordinal number; lines end sentences too.
    """
    text = text.strip()
    found, start = [], 0
    for gap in _ENDS.finditer(text):
        if gap.start() > start and not _goes_on(text[start : gap.start()], gap.group(), language):
            found.append((text[start : gap.start()], gap.group()))
            start = gap.end()
    return [*found, (text[start:], "")] if text[start:] else found


def _goes_on(sentence: str, gap: str, language: str) -> bool:
    """Whether what looks like the end of a sentence is the point of an abbreviation."""
    last = _LAST_WORD.search(sentence)
    if "\n" in gap or last is None:
        return False
    word = last[1]
    ordinal = language == "de" and word.isdigit() and len(word) < 3
    initial = len(word) == 1 and word.isupper() and word != "I"
    return initial or ordinal or word.casefold() in _ABBREVIATIONS


def join(sentences: Sequence[str], gaps: Sequence[str], language: str) -> str:
    """Write sentences together as a language does; line ends of the source stay.

    Args:
        gaps: the white space that the source had behind each.
    """
    blank = "" if language in tokens.WRITTEN_TOGETHER else " "
    parts = []
    for sentence, gap in zip(sentences, gaps, strict=True):
        parts += [sentence, gap if "\n" in gap else blank if sentence else ""]
    return "".join(parts).strip()


def words(text: str, language: str) -> list[str]:
    """Return the words and signs of a text, as the data sets cut them.

    Where a language writes its words together, nobody has said where they end: there each
    character of such a script is a word of its own.
    """
    numbers = None
    if language in tokens.WRITTEN_TOGETHER:
        numbers, number = [], 0
        for at, char in enumerate(text):
            alone = bool(_ALONE.match(char)) or bool(at and _ALONE.match(text[at - 1]))
            number += alone
            numbers.append(number)
    cut = tokens.APOSTROPHE_CUTS.get(language, "")
    return [text[start:end] for start, end in tokens.spans(text, cut, numbers)]
