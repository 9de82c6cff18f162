"""The formats that the open sets come in: a CSV table, CoNLL-U with its kin, word and tag.

Whatever does not fit is refused by line, not repaired: the files are checked against a checksum
before they are read, so a misfit means that the file is of another format than we thought.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from xlhelpers.datasets.tables import DatasetError

REPORT = "report it: the file is the one that the manifest names, yet not in the known format"


def decoded(content: bytes, name: str) -> str:
    """Return text from the bytes of a file; `name` is for messages.

    Raises:
        DatasetError: it is not UTF-8, has Windows line ends, or is empty.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise DatasetError(
            f"{name}, line {line}: not UTF-8 (byte {content[error.start]:#04x})", REPORT
        ) from error
    if "\r" in text:
        line = text[: text.index("\r")].count("\n") + 1
        raise DatasetError(
            f"{name}, line {line}: a Windows line end, which the sets' own files do not have",
            "take the file as it is at its source (git: core.autocrlf=false)",
        )
    if not text.strip():
        raise DatasetError(f"{name} is empty", REPORT)
    return text


# ── tables ───────────────────────────────────────────────────────────────────────────────


def parse_table(
    text: str, name: str, separator: str, columns: tuple[str, str, str], labels: Collection[str]
) -> list[tuple[str, str, str]]:
    """Read id, text and label of each row of a CSV table with a header.

    Quotes, doubled quotes and line ends inside quotes are those of CSV (RFC 4180), in tables
    with tabs as well. Blanks at the ends of a cell are dropped.

    Args:
        text: the content; `name` is for messages.
        columns: what the header calls id, text and label; others may stand beside them.
        labels: those that there are.

    Raises:
        DatasetError: names the first row that is not what it should be; or there is none.
    """
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        header = next(reader, [])
        content = [(reader.line_num, cells) for cells in reader]
    except csv.Error as error:
        raise DatasetError(f"{name}, line {reader.line_num}: {error}", REPORT) from error
    if missing := [column for column in columns if column not in header]:
        raise DatasetError(
            f"{name} has no column {missing[0]!r} but {', '.join(header)}"[:200], REPORT
        )
    places = [header.index(column) for column in columns]
    rows = []
    for line, cells in content:
        where = f"{name}, line {line}"
        if len(cells) != len(header):
            raise DatasetError(f"{where}: {len(cells)} columns, not {len(header)}", REPORT)
        id_, said, label = (cells[place].strip() for place in places)
        if not id_ or not said:
            raise DatasetError(f"{where}: no {columns[1] if id_ else columns[0]}", REPORT)
        if label not in labels:
            raise DatasetError(
                f"{where}: {label!r} is no label of the set",
                f"the labels are {', '.join(labels)}; {REPORT}",
            )
        rows.append((id_, said, label))
    if not rows:
        raise DatasetError(f"{name} has a header and no rows", REPORT)
    return rows


# ── sentences in words ───────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of a file.

    Attributes:
        id, text: as the comments above it say.
        words: its words.
        tags: one a word.
        line: number of the line after its last word.
    """

    id: str
    text: str
    words: tuple[str, ...]
    tags: tuple[str, ...]
    line: int


def parse_conllu(text: str, name: str, tags: Collection[str]) -> list[Sentence]:
    """Read words and universal parts of speech from CoNLL-U.

    The format is that of universaldependencies.org/format.html. Lines of multiword tokens
    (`3-4`) and of empty nodes (`8.1`) are no words.

    Args:
        text: the content; `name` is for messages.
        tags: those that there are.

    Raises:
        DatasetError: names the first line that is not what it should be; or there is none.
    """
    return _sentences(text, name, columns=10, tag_at=3, tags=tags)


def parse_iob2(text: str, name: str, tags: Collection[str]) -> list[Sentence]:
    """Read words and entity tags from Universal NER's files.

    They have CoNLL-U's comments and five columns: number, word, tag, a second tag, annotator.
    The second tag is not used in any file that the course lists.

    Args, Raises:
        as `parse_conllu`.
    """
    return _sentences(text, name, columns=5, tag_at=2, tags=tags)


def parse_word_tag(text: str, name: str, tags: Collection[str]) -> list[Sentence]:
    """Read words and tags from lines of a word, a blank and a tag; an empty line ends a sentence.

    Such files have no ids and no text: the id is the number of the sentence, from 0, and the
    text is left empty. Several empty lines are one; the last sentence has one, too.

    Args, Raises:
        as `parse_conllu`.
    """
    found: list[Sentence] = []
    words: list[str] = []
    said: list[str] = []
    for line, (where, content) in enumerate(_lines(text, name), start=1):
        if content.strip():
            fields = content.split(" ")
            if len(fields) != 2:
                raise DatasetError(f"{where}: {len(fields)} columns, not 2", REPORT)
            _check_word("", fields[0], fields[1], "", tags, where)
            words.append(fields[0])
            said.append(fields[1])
        elif words:
            found.append(Sentence(str(len(found)), "", tuple(words), tuple(said), line))
            words, said = [], []
    if words:
        raise DatasetError(
            f"{name} has no blank line after its last sentence: the file has been cut", REPORT
        )
    if not found:
        raise DatasetError(f"{name} has no sentences", REPORT)
    return found


def sentence_ids(text: str) -> list[str]:
    """Return the sentence ids of a CoNLL-U file, in its order."""
    start = "# sent_id = "
    return [line.removeprefix(start) for line in text.split("\n") if line.startswith(start)]


def _sentences(
    text: str, name: str, columns: int, tag_at: int, tags: Collection[str]
) -> list[Sentence]:
    found: list[Sentence] = []
    comments: dict[str, str] = {}
    words: list[str] = []
    said: list[str] = []
    for line, (where, content) in enumerate(_lines(text, name), start=1):
        if content.startswith("#"):
            key, _, value = content[1:].partition("=")
            comments.setdefault(key.strip(), value.strip())
        elif content.strip():
            fields = content.split("\t")
            if len(fields) != columns:
                raise DatasetError(f"{where}: {len(fields)} columns, not {columns}", REPORT)
            if columns == 10 and _is_span_or_empty(fields[0]):
                continue
            _check_word(fields[0], fields[1], fields[tag_at], len(words) + 1, tags, where)
            words.append(fields[1])
            said.append(fields[tag_at])
        elif words:
            found.append(_sentence(comments, words, said, line, where))
            comments, words, said = {}, [], []
    if words:
        raise DatasetError(
            f"{name} has no blank line after its last sentence: the file has been cut", REPORT
        )
    if not found:
        raise DatasetError(f"{name} has no sentences", REPORT)
    return found


def _lines(text: str, name: str) -> Iterator[tuple[str, str]]:
    # Not `splitlines`: words may have characters in them that it takes for line ends. What
    # follows the last line end is no line.
    for number, line in enumerate(text.removesuffix("\n").split("\n"), start=1):
        yield f"{name}, line {number}", line


def _is_span_or_empty(number: str) -> bool:
    """Whether the number of a line is that of a multiword token or of an empty node."""
    first, _, last = number.replace(".", "-").partition("-")
    return first.isdecimal() and last.isdecimal()


def _check_word(
    number: str, word: str, tag: str, wanted: int | str, tags: Collection[str], where: str
) -> None:
    if number != str(wanted):
        raise DatasetError(f"{where}: the word has number {number!r}, not {wanted}", REPORT)
    if not word.strip():
        raise DatasetError(f"{where}: a word without letters", REPORT)
    if tag not in tags:
        raise DatasetError(
            f"{where}: {word!r} has the tag {tag!r}, which is none of the set's",
            f"the tags are {', '.join(tags)}; {REPORT}",
        )


def _sentence(
    comments: Mapping[str, str], words: Sequence[str], tags: Sequence[str], line: int, where: str
) -> Sentence:
    for wanted in ("sent_id", "text"):
        if not comments.get(wanted):
            raise DatasetError(f"{where}: the sentence before it has no {wanted}", REPORT)
    return Sentence(comments["sent_id"], comments["text"], tuple(words), tuple(tags), line)
