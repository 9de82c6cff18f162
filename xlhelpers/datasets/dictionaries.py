"""Bilingual dictionaries: ours, and those of MUSE in the `hub` set."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Container, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from xlhelpers import assets, languages, settings
from xlhelpers.datasets.tables import DatasetError

Split = Literal["train", "test", "all"]

# One English stem in three is a test stem.
_TEST_SHARE = 3


@dataclass(frozen=True, slots=True)
class Entry:
    """One word of a dictionary.

    Attributes:
        word: the source word.
        senses: translations, one tuple a sense: synonyms and inflected forms of that sense.
        name: whether it is a proper name.
    """

    word: str
    senses: tuple[tuple[str, ...], ...]
    name: bool = False

    @property
    def translations(self) -> tuple[str, ...]:
        """All translations, each once, in the order of the senses."""
        return tuple(dict.fromkeys(form for sense in self.senses for form in sense))


@dataclass(frozen=True, slots=True)
class Lexicon:
    """A bilingual dictionary: entries in the order of the file."""

    source: str
    target: str
    entries: tuple[Entry, ...]

    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    def translations(self) -> dict[str, tuple[str, ...]]:
        """Return all translations of each word."""
        return {entry.word: entry.translations for entry in self.entries}

    def pairs(
        self, source: Container[str] | None = None, target: Container[str] | None = None
    ) -> list[tuple[str, str]]:
        """Return every (word, translation), or those that the two vocabularies have."""
        return [
            (entry.word, form)
            for entry in self.entries
            for form in entry.translations
            if (source is None or entry.word in source) and (target is None or form in target)
        ]

    def without(self, names: bool = False, identical: bool = False) -> Lexicon:
        """Return the dictionary without proper names, or without identical strings, or both.

        Both are translated by spelling alone, so they flatter a score: leave them out of a test.
        """
        kept = (entry for entry in self.entries if not (names and entry.name))
        if identical:
            kept = (_without_form(entry, entry.word) for entry in kept)
        return replace(self, entries=tuple(entry for entry in kept if entry.senses))


def lexicon(source: str, target: str, split: Split = "all") -> Lexicon:
    """Return the course's dictionary between English and another language.

    Train and test are split by English stem: forms such as `king` and `kings` fall on the
    same side, and the side is the same in every language. Read backwards, a word whose
    English words lie on both sides belongs to neither.

    With the `hub` model set the dictionaries of MUSE (Conneau et al., 2018, ICLR) take their
    place, split as published; for pairs that MUSE lacks, ours stay.

    Args:
        source: language code; one of the two must be `en`.
        target: language code.
        split: `"train"`, `"test"` or `"all"`.

    Raises:
        DatasetError: neither language is English, no such dictionary or split, or a bad line.
        AssetError: the file is missing or altered.
    """
    for code in (source, target):
        languages.get(code)
    if (source == "en") == (target == "en"):
        raise DatasetError(
            f"there is no dictionary {source}-{target}", "one of the two languages must be en"
        )
    if split not in ("train", "test", "all"):
        raise DatasetError(f"there is no split {split!r}", 'choose "train", "test" or "all"')
    if settings.current().models == "hub":
        if (muse := _muse(source, target, split)) is not None:
            return muse
    forward = _read(target if source == "en" else source)
    if source != "en":
        return _backwards(forward, split)
    chosen = (entry for entry in forward if split in ("all", side(entry.word)))
    return replace(forward, entries=tuple(chosen))


def dictionary_languages() -> list[str]:
    """Return the languages that have a dictionary with English, sorted by code."""
    prefix, ending = "dictionaries/en-", ".tsv"
    names = (name for name in assets.manifest() if name.startswith(prefix))
    return sorted(name.removeprefix(prefix).removesuffix(ending) for name in names)


def side(english: str) -> Literal["train", "test"]:
    """Return the side on which an English word falls; a property of its stem alone.

    The stem is crude: the first four letters, a final s aside.
    """
    stem = (english.rstrip("s") or english)[:4]
    number = int.from_bytes(hashlib.sha256(stem.encode()).digest()[:4], "big")
    return "test" if number % _TEST_SHARE == 0 else "train"


def parse_lexicon(text: str, target: str, name: str = "dictionary") -> Lexicon:
    """Read a dictionary: `english<TAB>sense; sense[<TAB>name]`, forms of a sense by comma.

    Raises:
        DatasetError: names the first line that is not of that form, or repeats a word.
    """
    entries: dict[str, Entry] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        entry = _entry(line, f"{name}, line {number}")
        if entry.word in entries:
            raise DatasetError(f"{name}, line {number}: {entry.word!r} has an entry already")
        entries[entry.word] = entry
    return Lexicon("en", target, tuple(entries.values()))


def _read(language: str) -> Lexicon:
    file = f"dictionaries/en-{language}.tsv"
    if language not in (known := dictionary_languages()):
        raise DatasetError(
            f"there is no dictionary for {languages.get(language).name}",
            f"choose among {', '.join(known)}",
        )
    return parse_lexicon(assets.read_bytes(file).decode("utf-8"), language, f"data/{file}")


def _entry(line: str, where: str) -> Entry:
    columns = line.split("\t")
    if len(columns) not in (2, 3) or columns[2:] not in ([], [""], ["name"]):
        raise DatasetError(f"{where}: expected english<TAB>translations[<TAB>name]")
    senses = tuple(
        forms
        for sense in columns[1].split(";")
        if (forms := tuple(form.strip() for form in sense.split(",") if form.strip()))
    )
    if not columns[0].strip() or not senses:
        raise DatasetError(f"{where}: an entry needs a word and a translation")
    for form in (columns[0], *(form for sense in senses for form in sense)):
        if form != unicodedata.normalize("NFC", form).lower() or form != form.strip():
            raise DatasetError(f"{where}: {form!r} is not lower-case NFC")
    return Entry(columns[0], senses, columns[2:] == ["name"])


def _without_form(entry: Entry, form: str) -> Entry:
    senses = (tuple(f for f in sense if f != form) for sense in entry.senses)
    return replace(entry, senses=tuple(sense for sense in senses if sense))


def _backwards(forward: Lexicon, split: Split) -> Lexicon:
    english: dict[str, list[str]] = {}
    names: dict[str, bool] = {}
    for entry in forward:
        for form in entry.translations:
            english.setdefault(form, []).append(entry.word)
            names[form] = names.get(form, True) and entry.name
    entries = (
        Entry(form, tuple((word,) for word in words), names[form])
        for form, words in english.items()
        if split == "all" or {side(word) for word in words} == {split}
    )
    return Lexicon(forward.target, forward.source, tuple(entries))


def _muse(source: str, target: str, split: Split) -> Lexicon | None:
    """Return MUSE's dictionary, or None where it has none for the pair."""
    from xlhelpers import hub

    if (target if source == "en" else source) not in hub.MUSE_WITH_ENGLISH:
        return None
    found: dict[str, list[str]] = {}
    for part in ("train", "test") if split == "all" else (split,):
        for word, translation in hub.muse_dictionary(source, target, part):
            found.setdefault(word, []).append(translation)
    entries = (Entry(word, tuple((form,) for form in forms)) for word, forms in found.items())
    return Lexicon(source, target, tuple(entries))
