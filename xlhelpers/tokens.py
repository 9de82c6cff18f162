"""Words and punctuation of a sentence, as places in its text: what the data sets call a word."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

import regex

APOSTROPHES = "'’"
# Words with an apostrophe that are one word in the treebanks of Universal Dependencies.
_WHOLE = frozenset({"aujourd'hui", "quelqu'un", "quelqu'une", "prud'homme"})
_ENGLISH = regex.compile(r"(?i)(?:(?<=\p{L})n['’]t|(?<=\p{L})['’](?:s|re|ve|ll|d|m))$")


def is_word(char: str) -> bool:
    """Whether a character belongs to words: letters, marks, digits, joiners."""
    return unicodedata.category(char)[0] in "LMN" or char in "\u200c\u200d"


def spans(text: str, apostrophe: str = "", words: list[int] | None = None) -> list[tuple[int, int]]:
    """Return start and end of every token.

    A word keeps the apostrophes, hyphens and middle dots inside it, a number its comma or
    point; every other sign is a token, dots in a row are one.

    Args:
        apostrophe: `"after"` cuts `l'|eau`, `"before"` cuts `Ana|'s`, `""` cuts nothing.
        words: for text without blanks, the number of the word that each character is in.
    """
    found: list[tuple[int, int]] = []
    at = 0
    while at < len(text):
        end = _end(text, at, words)
        if not text[at].isspace():
            found.extend(_cut(text, at, end, apostrophe))
        at = end
    return found


def _end(text: str, at: int, words: list[int] | None) -> int:
    end = at + 1
    if not is_word(text[at]):
        while text[at] in ".…" and end < len(text) and text[end] == text[at]:
            end += 1
        return end
    while end < len(text):
        if words is not None and words[end] != words[end - 1]:
            break
        inside = end + 1 < len(text) and is_word(text[end + 1])
        if not is_word(text[end]) and not (inside and _joins(text, end)):
            break
        end += 1
    return end


def _joins(text: str, at: int) -> bool:
    """Whether the sign at `at`, between two characters of words, keeps them together."""
    if text[at] in ".,":
        return text[at - 1].isdigit() and text[at + 1].isdigit()
    return text[at] in APOSTROPHES or text[at] in "-\u2010\u2011·"


def _cut(text: str, at: int, end: int, apostrophe: str) -> list[tuple[int, int]]:
    word = text[at:end]
    if apostrophe == "after" and word.replace("’", "'").lower() not in _WHOLE:
        cuts = [at + i + 1 for i, char in enumerate(word[:-1]) if char in APOSTROPHES]
    elif apostrophe == "before" and (found := _ENGLISH.search(word)):
        cuts = [at + found.start()]
    else:
        cuts = []
    edges = [at, *cuts, end]
    return list(zip(edges, edges[1:], strict=False))


# ── by language ──────────────────────────────────────────────────────────────────────────

# Where an apostrophe divides words: after it (l' + eau), before it (Ana + 's), or nowhere.
APOSTROPHE_CUTS = {"fr": "after", "it": "after", "en": "before"}
# Languages that write their words together.
WRITTEN_TOGETHER = frozenset({"ja", "th", "zh"})
# Languages that write a blank between syllables, and so inside words too.
WRITTEN_APART = frozenset({"vi"})


def without_blanks(text: str) -> tuple[str, list[int], list[int]]:
    """Write words together that blanks separate, but for the blanks between Latin words.

    Returns:
        the new text, the place in `text` of each of its characters, and the number of the word
        that each is in, as `spans` takes them.
    """
    kept: list[int] = []
    words: list[int] = []
    word = 0
    for at, char in enumerate(text):
        if char != " ":
            kept.append(at)
            words.append(word)
            continue
        word += 1
        if _is_latin(text[at - 1 : at]) and _is_latin(text[at + 1 : at + 2]):
            kept.append(at)
            words.append(word)
            word += 1
    return "".join(text[at] for at in kept), kept, words


def join(words: Iterable[str], language: str) -> str:
    """Return words as a text: with blanks, or together where the language writes them so.

    Blanks before punctuation stay: what the words were cut from is not known.
    """
    text = " ".join(words)
    return without_blanks(text)[0] if language in WRITTEN_TOGETHER else text


def _is_latin(char: str) -> bool:
    return bool(char) and char.isalnum() and char < "\u0250"
