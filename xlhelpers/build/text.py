"""Public-domain source text → tokenised verses, one list of words a verse.

Each language is read on its own: verse numbers are dropped, so that nothing tells the
vectors which verse of one language is the translation of which verse of another. Strong's
numbers, which the French module carries and which would link languages, go with the markup.
"""

from __future__ import annotations

import html
import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from xlhelpers import assets
from xlhelpers.errors import CourseError

Verses = list[list[str]]

# Letters with the marks that combine with them; digits, punctuation and underscores end a word.
_WORD = re.compile(r"[^\W\d_]+(?:[\u0300-\u036f][^\W\d_]*)*")
# Where an apostrophe belongs to a word: Swahili's ng' is one consonant, and French has a few
# words that nobody writes without it.
_WITH_APOSTROPHE = {
    "fr": re.compile(rf"aujourd['’]hui|quelqu['’]une?|{_WORD.pattern}"),
    "sw": re.compile(r"(?:(?<=ng)['’](?=[aeiou])|[^\W\d_])+"),
}
_NOTE = re.compile(r"<(note|title)\b[^>]*?(?<!/)>.*?</\1>", re.DOTALL)
_TAG = re.compile(r"<[^>]+>")
_RANGE = "<range>"  # the eBible corpus: "this verse was merged into the one before"


class SourceError(CourseError):
    """A source text cannot be read as what it should be."""


@dataclass(frozen=True, slots=True)
class Source:
    """One text: its asset, its reader and what a datasheet says of it."""

    asset: str
    read: Callable[[Path], Iterator[str]]
    title: str


def read_lines(path: Path) -> Iterator[str]:
    """Yield the verses of an eBible-corpus file: one a line, empty where there is none."""
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            if (verse := line.strip()) and verse != _RANGE:
                yield verse


def read_sword(path: Path) -> Iterator[str]:
    """Yield the verses of a SWORD zText module, markup included.

    Raises:
        SourceError: pysword is not installed, or the archive holds no module.
    """
    try:
        from pysword.modules import SwordModules
    except ImportError as error:
        raise SourceError("pysword is not installed", "pip install -e '.[build]'") from error
    modules = SwordModules(str(path))
    names = list(modules.parse_modules())
    if len(names) != 1:
        raise SourceError(f"{path.name} holds {len(names)} SWORD modules, expected 1")
    bible = modules.get_bible_from_module(names[0])
    for books in bible.get_structure().get_books().values():
        for book in books:
            verses = bible.get_iter(books=[book.name], clean=False)
            yield from (verse.replace("\n", " ") for verse in verses if verse.strip())


SOURCES: dict[str, Source] = {
    "en": Source("texts/eng-engwebp.txt", read_lines, "World English Bible"),
    "de": Source("texts/deu-deu1912.txt", read_lines, "Luther Bible, 1912"),
    "es": Source("texts/spa-spaRV1909.txt", read_lines, "Reina-Valera, 1909"),
    "fr": Source("texts/FreJND.zip", read_sword, "Bible of J. N. Darby"),
    "ru": Source("texts/RusSynodal.zip", read_sword, "Synodal translation"),
    "fi": Source("texts/FinPR.zip", read_sword, "Pyhä Raamattu, 1933/1938"),
    "zh": Source("texts/cmn-cmn-cu89s.txt", read_lines, "Chinese Union Version"),
    "sw": Source("texts/swh-swh1850.txt", read_lines, "New Testament (eBible swh1850)"),
}


def clean(verse: str) -> str:
    """Return a verse without notes, titles, tags and entities; some modules escape their tags."""
    return _without_markup(html.unescape(_without_markup(verse)))


def _without_markup(verse: str) -> str:
    return _TAG.sub("", _NOTE.sub(" ", verse))


def words(verse: str, language: str = "") -> list[str]:
    """Split a verse into lower-cased words; hyphens end a word, and so do apostrophes.

    But for a few French words and Swahili's ng', where the apostrophe stays, always as `'`.
    Chinese needs `chinese_words`.
    """
    pattern = _WITH_APOSTROPHE.get(language, _WORD)
    return [word.replace("’", "'") for word in pattern.findall(verse.lower())]


def chinese_words(verse: str) -> list[str]:
    """Split a Chinese verse into words with jieba, whose dictionary is modern and general.

    Raises:
        SourceError: jieba is not installed.
    """
    try:
        import jieba
    except ImportError as error:
        raise SourceError("jieba is not installed", "pip install -e '.[build]'") from error
    jieba.setLogLevel(logging.WARNING)
    return [word for word in jieba.cut("".join(verse.split())) if _WORD.fullmatch(word)]


def verses(language: str) -> Verses:
    """Return the tokenised verses of a language, in the order of the book.

    Raises:
        SourceError: no text is listed for the language, or it turns out empty.
        AssetError: the text is missing or altered.
    """
    if language not in SOURCES:
        raise SourceError(
            f"no source text for {language!r}", f"choose among {', '.join(sorted(SOURCES))}"
        )
    source = SOURCES[language]
    split = chinese_words if language == "zh" else partial(words, language=language)
    found = [tokens for v in source.read(assets.path(source.asset)) if (tokens := split(clean(v)))]
    if not found:
        raise SourceError(f"{source.asset} holds no words")
    return found
