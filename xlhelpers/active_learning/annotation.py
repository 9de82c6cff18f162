"""Labels that people give, kept the moment they are given.

A log is a text file with one JSON object a line, to which is only ever added. An entry is on the
disk before the call returns, so a killed kernel loses nothing; a lock keeps two kernels from
writing into each other's lines.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import unicodedata
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from xlhelpers import files, tokens
from xlhelpers.active_learning.agreement import Agreement, agree
from xlhelpers.active_learning.selection import ActiveLearningError
from xlhelpers.datasets import Labelled, Pairs, Table, Tagged

# Who decides where annotators differ.
GOLD = "gold"
LABEL, SKIP, UNDO = "label", "skip", "undo"
_WAIT = 20.0  # seconds for another kernel to finish its line
_BEGIN = b'{"at": "'  # of every line

# A class for a whole text; or for words the entities, each (first word, beyond the last, type).
Span = tuple[int, int, str]
Value = str | tuple[Span, ...]


class DamagedLogWarning(UserWarning):
    """Lines of a log cannot be read, or the last one was cut off."""


@dataclass(frozen=True, slots=True)
class Item:
    """Something to label.

    Attributes:
        id: the same for the same text, whatever list it stands in.
        text: as written.
        words: its words, where words are labelled; else empty.
        language: code, or `""`.
    """

    id: str
    text: str
    words: tuple[str, ...] = ()
    language: str = ""


def items_of(
    texts: Sequence[str] | Table | str | Path, kind: str = "text", language: str = ""
) -> list[Item]:
    """Return what is to be labelled, each text once.

    Args:
        texts: a list; a table, whose labels are not looked at; or the path of a file: `.csv`
            with a column `text` (or its first column), else one text a line, empty ones left
            out.
        kind: `"text"`, or `"words"` to cut texts into words: at blanks and punctuation, and into
            signs where a language writes words together. A `Tagged` table has its own.
        language: code; left out, a table's own.

    Raises:
        ActiveLearningError: no text, a file that cannot be read, an empty text in a list, or
            pairs.
    """
    if kind not in ("text", "words"):
        raise ActiveLearningError(f"kind is {kind!r}", 'choose "text" or "words"')
    if isinstance(texts, Table):
        return _items_of_table(texts, kind, language or texts.language)
    listed = _read(Path(texts)) if isinstance(texts, str | Path) else list(texts)
    found: dict[str, Item] = {}
    for number, text in enumerate(listed):
        if not isinstance(text, str) or not text.strip():
            raise ActiveLearningError(
                f"text {number} is {f'{text!r:.40}' if text else 'empty'}", "leave it out"
            )
        item = _item(text.strip(), kind, language)
        found.setdefault(item.id, item)
    if not found:
        raise ActiveLearningError("there is no text to label", "give some, or a file with some")
    return list(found.values())


def _items_of_table(table: Table, kind: str, language: str) -> list[Item]:
    if isinstance(table, Tagged) and kind == "words":
        rows = zip(table.ids, table.texts, table.sentences, strict=True)
        return [Item(id_, text, words, language) for id_, text, words in rows]
    if isinstance(table, Pairs):
        raise ActiveLearningError("pairs of texts cannot be shown here", "give one text a row")
    texts = cast("Labelled | Tagged", table).texts
    made = [_item(text, kind, language) for text in texts]
    return [
        Item(id_, item.text, item.words, language)
        for id_, item in zip(table.ids, made, strict=True)
    ]


def _item(text: str, kind: str, language: str) -> Item:
    text = unicodedata.normalize("NFC", text)
    try:
        id_ = hashlib.sha256(text.encode("utf-8")).hexdigest()[:12]
    except UnicodeEncodeError as error:
        raise ActiveLearningError(
            f"{text!r:.40} has half a character in it", "read the file it comes from as UTF-8"
        ) from error
    return Item(id_, text, _words(text, language) if kind == "words" else (), language)


def _words(text: str, language: str) -> tuple[str, ...]:
    places = tokens.spans(text, tokens.APOSTROPHE_CUTS.get(language, ""))
    words = [text[start:end] for start, end in places if text[start:end].strip()]
    if language not in tokens.WRITTEN_TOGETHER:
        return tuple(words)
    # A sign is a word, a run of Latin letters or digits is one too.
    return tuple(part for word in words for part in re.findall(r"[!-\u024f]+|.", word, re.DOTALL))


def _read(path: Path) -> list[str]:
    try:
        if path.suffix.lower() != ".csv":
            return [
                line.strip() for line in path.read_text("utf-8-sig").splitlines() if line.strip()
            ]
        import pandas as pd

        frame = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
        column = "text" if "text" in frame.columns else frame.columns[0]
        return [text for text in frame[column] if text.strip()]
    except (OSError, ValueError, LookupError) as error:
        raise ActiveLearningError(
            f"{path} cannot be read as texts ({error})",
            "give a UTF-8 file: .txt with one text a line, or .csv with a column text; a list "
            "of texts is given as [...]",
        ) from error


def tags_of(value: Value, words: int) -> list[str]:
    """Return IOB2 tags, one a word, of the entities of one item."""
    tags = ["O"] * words
    for start, end, kind in cast("tuple[Span, ...]", value):
        tags[start:end] = [f"B-{kind}", *[f"I-{kind}"] * (end - start - 1)]
    return tags


class AnnotationLog:
    """The labels of several people, in a file that is only ever added to.

    The last entry of a person on an item counts; undo is an entry too, which takes the last one
    back. Texts stand in the file as they are: keep it where such texts may be kept.

    Attributes:
        file: where it is.
    """

    def __init__(self, file: str | Path) -> None:
        """Open a log, or begin one; a last line that was cut off is put aside.

        Raises:
            ActiveLearningError: the file cannot be read, or is something else.
        """
        self.file = Path(file).expanduser()
        if self.file.is_dir():
            raise ActiveLearningError(f"{file} is a folder", "name a file, such as labels.jsonl")
        self._entries: list[dict[str, Any]] = []
        self._read_to = 0
        self._refresh()
        if self._cut_off():
            with self._held():
                self._mend()
            self._refresh()

    def __repr__(self) -> str:
        told = ", ".join(f"{who}: {len(self.labels(who))}" for who in self.annotators())
        return f"AnnotationLog({self.file.name}; {told or 'no labels'})"

    # ── to add ───────────────────────────────────────────────────────────────────────────

    def label(self, annotator: str, item: Item, value: Value | Iterable[Sequence[Any]]) -> None:
        """Put a person's label of an item on the disk.

        Args:
            annotator: a name; `GOLD` decides where others differ.
            item: what is labelled.
            value: a class; or entities, each (first word, number beyond the last, type).

        Raises:
            ActiveLearningError: no name, an empty class, entities that overlap or lie outside,
                or the file cannot be written: then nothing counts as labelled.
        """
        checked = _checked(item, value)
        self._add(annotator, LABEL, item, checked)

    def skip(self, annotator: str, item: Item) -> None:
        """Note that a person could not say; the item counts as seen and has no label."""
        self._add(annotator, SKIP, item, None)

    def undo(self, annotator: str) -> str:
        """Take back a person's last entry that still counts; return the id of its item.

        Raises:
            ActiveLearningError: there is none.
        """
        self._refresh()
        last = next((e for e in reversed(self._in_force(annotator)) if e), None)
        if last is None:
            raise ActiveLearningError(f"{annotator} has nothing to undo", "label something first")
        item = Item(last["item"], last["text"], tuple(last["words"]), last["language"])
        self._add(annotator, UNDO, item, None)
        return item.id

    # ── to read ──────────────────────────────────────────────────────────────────────────

    def annotators(self) -> list[str]:
        """Return the names of those who have entries, but for `GOLD`, in order of appearance."""
        self._refresh()
        names = dict.fromkeys(str(entry["by"]) for entry in self._entries)
        return [name for name in names if name != GOLD]

    def items(self) -> dict[str, Item]:
        """Return every item that has an entry, by id."""
        self._refresh()
        return {
            e["item"]: Item(e["item"], e["text"], tuple(e["words"]), e["language"])
            for e in self._entries
        }

    def labels(self, annotator: str) -> dict[str, Value]:
        """Return a person's labels by id, in the order in which they were given."""
        self._refresh()
        return {
            entry["item"]: _value(entry["value"])
            for entry in self._last(annotator).values()
            if entry["do"] == LABEL
        }

    def skipped(self, annotator: str) -> list[str]:
        """Return the ids that a person has skipped."""
        self._refresh()
        return [id_ for id_, entry in self._last(annotator).items() if entry["do"] == SKIP]

    def agreement(self, one: str = "A", other: str = "B", *, seed: int = 0) -> Agreement:
        """Compare two people; words by their tags.

        Raises:
            ActiveLearningError: they have labelled no item in common.
        """
        items = self.items()

        def comparable(who: str) -> dict[str, Any]:
            return {
                id_: value if isinstance(value, str) else tags_of(value, len(items[id_].words))
                for id_, value in self.labels(who).items()
            }

        return agree(comparable(one), comparable(other), seed=seed)

    def final(self) -> dict[str, Value]:
        """Return the labels that stand: by `GOLD`, or of all who have labelled the item alike."""
        decided = self.labels(GOLD)
        given = [self.labels(name) for name in self.annotators()]
        found: dict[str, Value] = {}
        for id_ in self.items():
            said = {labels[id_] for labels in given if id_ in labels}
            if id_ in decided:
                found[id_] = decided[id_]
            elif len(said) == 1:
                found[id_] = said.pop()
        return found

    def table(self, names: Sequence[str] | None = None, language: str = "") -> Labelled | Tagged:
        """Return what stands (`final`) as a table, to train on or to test on.

        Args:
            names: classes, or types of entity; left out, those that occur, sorted.
            language: code; left out, that of the items.

        Raises:
            ActiveLearningError: nothing stands yet.
        """
        items, final = self.items(), self.final()
        if not final:
            raise ActiveLearningError(
                "no label stands yet", "label some items; decide where annotators differ"
            )
        rows = [items[id_] for id_ in final]
        code = language or next((item.language for item in rows if item.language), "und")
        common: dict[str, Any] = {
            "ids": tuple(final),
            "held": ("",) * len(rows),
            "language": code,
            "source": self.file.name,
            "texts": tuple(item.text for item in rows),
        }
        if not self._of_words():
            labels = tuple(str(value) for value in final.values())
            return Labelled(names=tuple(names or sorted(set(labels))), labels=labels, **common)
        kinds = names or sorted({span[2] for value in final.values() for span in value})
        return Tagged(
            names=("O", *(f"{mark}-{kind}" for kind in kinds for mark in "BI")),
            sentences=tuple(item.words for item in rows),
            tags=tuple(tuple(tags_of(final[i.id], len(i.words))) for i in rows),
            upos=((),) * len(rows),
            name_marks=("",) * len(rows),
            **common,
        )

    # ── to take away ─────────────────────────────────────────────────────────────────────

    def export_jsonl(self, path: str | Path) -> Path:
        """Write one JSON object an item: id, text, language, the label that stands or null, and
        each person's own; of words also tokens, tags, and spans with places in the text.

        Raises:
            ActiveLearningError: there is nothing to write, or it cannot be written.
        """
        items, final, decided = self.items(), self.final(), self.labels(GOLD)
        given = {name: self.labels(name) for name in self.annotators()}
        lines = []
        for id_, item in items.items():
            own = {name: labels[id_] for name, labels in given.items() if id_ in labels}
            if not own and id_ not in decided:
                continue
            row: dict[str, Any] = {"id": id_, "text": item.text, "language": item.language}
            row |= _exported(item, final.get(id_), self._of_words())
            row |= {"by": own, "decided": id_ in decided}
            lines.append(json.dumps(row, ensure_ascii=False))
        return self._write(path, lines)

    def export_conll(self, path: str | Path) -> Path:
        """Write the items whose tags stand: a word and its IOB2 tag a line, a tab between them,
        an empty line behind each item.

        Raises:
            ActiveLearningError: whole texts are labelled, or there is nothing to write.
        """
        if self._entries and not self._of_words():
            raise ActiveLearningError(
                "CoNLL has a tag a word, and whole texts are labelled here", "use export_jsonl"
            )
        items, lines = self.items(), []
        for id_, value in self.final().items():
            words = items[id_].words
            lines += [f"# id = {id_}", f"# text = {' '.join(items[id_].text.split())}"]
            tags = tags_of(value, len(words))
            lines += [f"{word}\t{tag}" for word, tag in zip(words, tags, strict=True)] + [""]
        return self._write(path, lines)

    def _write(self, path: str | Path, lines: Sequence[str]) -> Path:
        if not lines:
            raise ActiveLearningError("there is nothing to export", "label some items first")
        target = Path(path).expanduser()
        try:
            files.write_text(target, "\n".join(lines) + "\n")
        except OSError as error:
            raise ActiveLearningError(
                f"{target} cannot be written ({error.strerror})", "choose another folder"
            ) from error
        return target

    # ── the file ─────────────────────────────────────────────────────────────────────────

    def _of_words(self) -> bool:
        return any(entry["words"] for entry in self._entries)

    def _in_force(self, annotator: str) -> list[dict[str, Any] | None]:
        """Return a person's entries in order, None where one has been taken back."""
        found: list[dict[str, Any] | None] = []
        places: dict[str, list[int]] = {}
        for entry in self._entries:
            if entry["by"] != annotator:
                continue
            stack = places.setdefault(entry["item"], [])
            if entry["do"] != UNDO:
                stack.append(len(found))
                found.append(entry)
            elif stack:
                found[stack.pop()] = None
        return found

    def _last(self, annotator: str) -> dict[str, dict[str, Any]]:
        return {entry["item"]: entry for entry in self._in_force(annotator) if entry}

    def _add(self, annotator: str, do: str, item: Item, value: Any) -> None:
        if not isinstance(annotator, str) or not annotator.strip():
            raise ActiveLearningError(f"{annotator!r} is no name", "say who labels")
        entry = {
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "by": annotator,
            "do": do,
            "item": item.id,
            "value": value,
            "text": item.text,
            "words": list(item.words),
            "language": item.language,
        }
        line = (json.dumps(entry, ensure_ascii=False) + "\n").encode("utf-8")
        with self._held():
            self._mend()
            with self.file.open("ab") as handle:
                handle.write(line)
                handle.flush()
                os.fsync(handle.fileno())
        self._refresh()

    @contextmanager
    def _held(self) -> Iterator[None]:
        """Keep other kernels from writing meanwhile.

        Raises:
            ActiveLearningError: another one does not let go, or the disk does not take it.
        """
        try:
            with files.lock(self.file.with_name(f".{self.file.name}.lock"), timeout=_WAIT):
                yield
        except OSError as error:
            raise ActiveLearningError(
                f"nothing is kept: {self.file} cannot be written ({error.strerror})",
                "make room, or name another file, and label it again",
            ) from error
        except files.FileLockedError as error:
            raise ActiveLearningError(
                f"nothing is kept: {error.problem}",
                "close the other notebook that labels into this file, or name a folder that can "
                "be written, and label it again",
            ) from error

    def _cut_off(self) -> bytes:
        """Return what stands behind the last line end.

        Raises:
            ActiveLearningError: it cannot have been written by us.
        """
        try:
            content = self.file.read_bytes() if self.file.exists() else b""
        except OSError as error:
            raise self._unreadable(error) from error
        tail = content[content.rfind(b"\n") + 1 :]
        begun = tail.startswith(_BEGIN) or _BEGIN.startswith(tail)
        if begun or not tail.strip(b"\0"):  # a disk may leave zeros where power failed
            return tail
        raise ActiveLearningError(
            f"{self.file.name} is no log of labels", "name another file for the labels"
        )

    def _mend(self) -> None:
        """Put a last line that was cut off aside, under the lock: nobody is writing it then."""
        tail = self._cut_off()
        if not tail:
            return
        with self.file.open("r+b") as handle:
            end = handle.seek(0, os.SEEK_END)
            if _entry(tail) is not None:  # only its line end is missing
                handle.write(b"\n")
                return
            aside = self.file.with_name(f"{self.file.name}.cut-off")
            with aside.open("ab") as other:
                other.write(tail + b"\n")
                other.flush()
                os.fsync(other.fileno())
            handle.truncate(end - len(tail))
        warnings.warn(
            f"the last line of {self.file.name} was cut off, as by a crash while it was written; "
            f"it is put aside in {aside.name}, and that one label has to be given again",
            DamagedLogWarning,
            stacklevel=4,
        )

    def _unreadable(self, error: OSError) -> ActiveLearningError:
        return ActiveLearningError(
            f"{self.file} cannot be read ({error.strerror})", "check its name and permissions"
        )

    def _refresh(self) -> None:
        """Read what this or another kernel has added."""
        try:
            if not self.file.exists():
                self._entries, self._read_to = [], 0
                return
            if self.file.stat().st_size < self._read_to:  # another file under the same name
                self._entries, self._read_to = [], 0
            with self.file.open("rb") as handle:
                handle.seek(self._read_to)
                content = handle.read()
        except OSError as error:
            raise self._unreadable(error) from error
        whole = content[: content.rfind(b"\n") + 1]
        lines = [line for line in whole.split(b"\n") if line.strip()]
        entries = [entry for line in lines if (entry := _entry(line)) is not None]
        if lines and not entries and not self._entries:
            raise ActiveLearningError(
                f"{self.file.name} is no log of labels", "name another file for the labels"
            )
        if len(entries) < len(lines):
            warnings.warn(
                f"{len(lines) - len(entries)} lines of {self.file.name} cannot be read and are "
                "left out; they stay in the file",
                DamagedLogWarning,
                stacklevel=4,
            )
        self._entries += entries
        self._read_to += len(whole)


def _entry(line: bytes) -> dict[str, Any] | None:
    """Return an entry, or None for a line that is none."""
    try:
        entry = json.loads(line.decode("utf-8"))
        for name in ("by", "item", "text", "language"):
            if not isinstance(entry[name], str):
                return None
        if entry["do"] not in (LABEL, SKIP, UNDO) or not isinstance(entry["words"], list):
            return None
        if entry["do"] == LABEL:
            _value(entry["value"])
    except (ValueError, KeyError, TypeError):
        return None
    return cast("dict[str, Any]", entry)


def _value(kept: Any) -> Value:
    if isinstance(kept, str):
        return kept
    return tuple((int(start), int(end), str(kind)) for start, end, kind in kept)


def _checked(item: Item, value: Any) -> Value:
    if not item.words:
        if not isinstance(value, str) or not value:
            raise ActiveLearningError(f"{value!r} is no class", "give the name of one")
        return value
    try:
        spans = sorted(_value(value)) if not isinstance(value, str) else None
    except (TypeError, ValueError):
        spans = None
    if spans is None:
        raise ActiveLearningError(
            f"{value!r:.60} are no entities", "give (first word, beyond the last, type) for each"
        )
    before = 0
    for span in cast("list[Span]", spans):
        if not before <= span[0] < span[1] <= len(item.words) or not span[2]:
            raise ActiveLearningError(
                f"the entity {span} overlaps another, or lies outside of the "
                f"{len(item.words)} words",
                "let every word be in one entity at most",
            )
        before = span[1]
    return tuple(cast("list[Span]", spans))


def _exported(item: Item, value: Value | None, of_words: bool) -> Mapping[str, Any]:
    if not of_words:
        return {"label": value}
    found: dict[str, Any] = {"tokens": list(item.words), "tags": None, "spans": None}
    if value is None:
        return found
    places, at = [], 0
    for word in item.words:
        start = item.text.find(word, at)
        at = (at if start < 0 else start) + len(word)
        places.append((at - len(word), at))
    spans = cast("tuple[Span, ...]", value)
    found["tags"] = tags_of(value, len(item.words))
    found["spans"] = [
        {
            "start": places[start][0],
            "end": places[end - 1][1],
            "type": kind,
            "text": item.text[places[start][0] : places[end - 1][1]],
        }
        for start, end, kind in spans
    ]
    return found
