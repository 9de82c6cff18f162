"""Everyday sentences in 21 languages: what tokenizers and translations are compared on."""

from __future__ import annotations

import re
import tomllib
import unicodedata

from xlhelpers import assets, languages, tokens
from xlhelpers.datasets.tables import DatasetError

_NAME = "everyday.toml"
# A language that is contributed has a file of its own: `everyday/it.toml`.
_FOLDER = "everyday/"
# Marks of words in the file; everywhere else a blank parts words.
_BORDER, _INSIDE = "|", "_"
_MARKS = dict.fromkeys(tokens.WRITTEN_TOGETHER, _BORDER) | dict.fromkeys(
    tokens.WRITTEN_APART, _INSIDE
)


def everyday(*, contributed: bool = False) -> dict[str, list[str]]:
    """Return 24 sentences in each of 21 languages, English first; row i says the same in all.

    The course's twelve languages and Thai, Japanese, Korean, Vietnamese, Turkish, Finnish,
    Indonesian, Greek and Tamil. They come from no grammar, so models of this size meet words
    and scripts that they have never read. The same whichever model set is on. No native
    speaker has read them yet; `data/everyday.md` says what is doubtful.

    Args:
        contributed: also the languages of `languages.CONTRIBUTED`, last.

    Raises:
        DatasetError: a sentence is not what it should be.
        AssetError: the file is missing or altered.
    """
    return {code: [_text(row, code) for row in rows] for code, rows in _rows(contributed).items()}


def everyday_words(*, contributed: bool = False) -> dict[str, list[list[str]]]:
    """Return the sentences of `everyday` as words: language to rows of words.

    A blank parts words, but for two cases that were marked by hand. Thai, Japanese and Chinese
    write words together. Vietnamese writes a blank between syllables, so a word of two has a
    blank in it (`"bệnh viện"`). Signs at the edges of a word are left off; clitics (`l'écran`)
    and particles of Korean stay, as blanks have it. Whoever cuts otherwise counts otherwise:
    `data/everyday.md` has the rules.

    Args:
        contributed: as in `everyday`.

    Raises:
        DatasetError, AssetError: as `everyday`.
    """
    return {code: [_words(row, code) for row in rows] for code, rows in _rows(contributed).items()}


def parse_everyday(text: str, name: str = _NAME) -> dict[str, list[str]]:
    """Read such a file: language to sentences, with the marks of words still in them.

    Raises:
        DatasetError: names the first thing that is not what it should be.
    """
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise DatasetError(f"{name} is no TOML ({error})", "put the line right") from error
    if not content:
        raise DatasetError(f"{name} has no language", "write [en] and its sentences")
    wanted: list[str] = []
    for code, rows in content.items():
        if not isinstance(rows, dict) or not rows:
            raise DatasetError(f"{name}: [{code}] has no sentences", 'write s01 = "…" below it')
        languages.get(code)
        wanted = wanted or list(rows)
        if list(rows) != wanted:
            strange = sorted(set(rows) ^ set(wanted))
            raise DatasetError(
                f"{name}: [{code}] has other rows than the first language"
                + (f": {', '.join(strange)}" if strange else " has, or in another order"),
                "give every language the same rows",
            )
        for id_, row in rows.items():
            if fault := _fault(row, code):
                raise DatasetError(f"{name}: {code} {id_} {fault}", "correct that line")
    return {code: list(rows.values()) for code, rows in content.items()}


def _rows(contributed: bool) -> dict[str, list[str]]:
    found = parse_everyday(assets.read_bytes(_NAME).decode("utf-8"), f"data/{_NAME}")
    more = [name for name in assets.manifest() if name.startswith(_FOLDER)] if contributed else []
    for name in more:
        found |= parse_everyday(assets.read_bytes(name).decode("utf-8"), f"data/{name}")
    if len({len(rows) for rows in found.values()}) > 1:
        sizes = ", ".join(f"{code} {len(rows)}" for code, rows in found.items())
        raise DatasetError(f"the everyday rows differ in number: {sizes}", "write the same rows")
    return found


def _fault(row: object, code: str) -> str:
    """Return what is wrong with a row, or nothing."""
    if not isinstance(row, str) or not row.strip():
        return "is no text"
    if not unicodedata.is_normalized("NFC", row):
        return "is not in composed form (Unicode NFC)"
    if row != row.strip() or "  " in row:
        return "has a blank too many"
    for mark in (_BORDER, _INSIDE):
        if mark in row and _MARKS.get(code) != mark:
            return f"has the mark {mark!r}, which {code} does not use"
    if _MARKS.get(code) == _BORDER and _BORDER not in row:
        return f"has no word borders ({_BORDER})"
    if not all(map(_bare, re.split(f"[{_BORDER}{_INSIDE} ]", row))):
        return "has a border without a word"
    return ""


def _text(row: str, code: str) -> str:
    mark = _MARKS.get(code)
    return row.replace(mark, " " if mark == _INSIDE else "") if mark else row


def _words(row: str, code: str) -> list[str]:
    pieces = row.replace(_BORDER, " ").split()
    # A French question mark stands apart and is no word.
    return [_bare(piece.replace(_INSIDE, " ")) for piece in pieces if _bare(piece)]


def _bare(piece: str) -> str:
    """Return a piece without the signs at its edges, apostrophes excepted (Dutch 's)."""
    start, end = 0, len(piece)
    while start < end and not _belongs(piece[start]):
        start += 1
    while end > start and not _belongs(piece[end - 1]):
        end -= 1
    return piece[start:end]


def _belongs(char: str) -> bool:
    return tokens.is_word(char) or char in tokens.APOSTROPHES
