"""How one language says it: reading `<code>.toml`, and looking up forms.

Reading is lenient: what is wrong with a row is noted as a `Fault`, so that an author sees all
of them at once; `load` refuses a file that has any.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import regex

from xlhelpers.build.grammar.world import (
    DOMAINS,
    NAMES,
    Filler,
    GrammarError,
    Template,
    World,
    folder,
    load_world,
    read_toml,
)
from xlhelpers.tokens import APOSTROPHE_CUTS

UPOS = frozenset(
    "ADJ ADP ADV AUX CCONJ DET INTJ NOUN NUM PART PRON PROPN PUNCT SCONJ SYM VERB X".split()
)
REFERENCE = re.compile(r"\{(\w+)(?:\.(\w+))?(?:@(\w+))?\}")
_KEYS = {"code", "join", "capitals", "rewrite", "apostrophe", "columns", "word", "tags"}


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing to correct in a grammar file.

    Attributes:
        where: file, table and row.
        problem: what is wrong.
        remedy: what to do.
        note: True where it may be intended; a file with notes alone is usable.
    """

    where: str
    problem: str
    remedy: str
    note: bool = False

    def __str__(self) -> str:
        return f"{'note: ' if self.note else ''}{self.where}: {self.problem} ({self.remedy})"


@dataclass(frozen=True, slots=True)
class Reference:
    """`{name.column@slot}` of a template; parts that are absent are `""`."""

    name: str
    column: str
    agreeing: str
    tag: str = ""

    def __str__(self) -> str:
        column = f".{self.column}" if self.column else ""
        return f"{{{self.name}{column}{'@' + self.agreeing if self.agreeing else ''}}}"


@dataclass(frozen=True, slots=True)
class Literal:
    """Words that stand in a template as they are; `tag` where one is marked (`that/SCONJ`)."""

    text: str
    tag: str = ""


Piece = Literal | Reference


class MissingFormError(GrammarError, LookupError):
    """A reference has no form for some filler."""


class NoRowError(MissingFormError):
    """A concept has no row, or one that cannot be used."""


@dataclass(frozen=True)
class Grammar:
    """One language's file.

    Attributes:
        rows: category to concept to column to form; `agr` among the columns.
        columns: category to names of its columns, as declared.
        words: function words: key to form; a plain string stands under `""`.
        templates: name with domain to its variants, each a list of pieces.
        sources: the variants as written.
        rewrites: (pattern, replacement with `$1`).
        tags: UPOS by lower-cased word.
        faults: what reading found wrong.
    """

    code: str
    file: str
    join: str
    capitals: bool
    apostrophe: str
    columns: Mapping[str, tuple[str, ...]]
    rows: Mapping[str, Mapping[str, Mapping[str, str]]]
    words: Mapping[str, Mapping[str, str]]
    templates: Mapping[str, tuple[tuple[Piece, ...], ...]]
    sources: Mapping[str, tuple[str, ...]]
    rewrites: tuple[tuple[regex.Pattern[str], str], ...]
    tags: Mapping[str, str]
    world: World = field(repr=False)
    faults: tuple[Fault, ...] = field(default=(), repr=False)

    # ── looking up ───────────────────────────────────────────────────────────────────────

    def variants(self, template: str) -> tuple[tuple[Piece, ...], ...]:
        """Return the ways to say a template.

        Raises:
            GrammarError: this language has none.
        """
        try:
            return self.templates[template]
        except KeyError:
            raise GrammarError(
                f"{self.file} does not say {template}", "write a sentence for this template"
            ) from None

    def agreement(self, category: str, filler: Filler) -> str:
        """Return the `agr` of a concept.

        Raises:
            MissingFormError: its category has none in this language.
        """
        if category == "writer":
            return str(filler)
        category, concept = _concept(category, filler)
        agr = self._row(category, concept).get("agr")
        if agr is None and category == "person":
            agr = self.world.gender[concept]
        if agr is None:
            raise MissingFormError(
                f"{self.file}: {category} has no agr, and something agrees with it",
                f'put "agr" into [columns] {category}, and its value into every row',
            )
        return agr

    def form(self, category: str, filler: Filler, column: str = "") -> str:
        """Return a concept's form; without `column` the first that is not `agr`.

        Raises:
            MissingFormError: no such row or column.
        """
        category, concept = _concept(category, filler)
        row = self._row(category, concept)
        if not column:
            return next(form for name, form in row.items() if name != "agr")
        if column in row:
            return row[column]
        raise MissingFormError(
            f"{self.file}: [{category}] {concept} has no column {column!r}",
            f"[columns] {category} declares {', '.join(self.columns.get(category, ()))}",
        )

    def word(self, name: str, key: str) -> str:
        """Return a function word's form for a key, `""` for a word that does not change.

        Raises:
            MissingFormError: no such word or form.
        """
        forms = self.words.get(name)
        if forms is None:
            raise MissingFormError(
                f"{self.file}: {{{name}}} is neither a slot of the template nor in [word]",
                "correct the name, or add the word",
            )
        if set(forms) == {""}:
            return forms[""]
        if key not in forms:
            raise MissingFormError(
                f"{self.file}: [word] {name} has no form {key!r}", f"it has {', '.join(forms)}"
            )
        return forms[key]

    def _row(self, category: str, concept: str) -> Mapping[str, str]:
        row = self.rows.get(category, {}).get(concept)
        if not row or set(row) == {"agr"}:
            raise NoRowError(f"{self.file}: [{category}] has no word for {concept}", "add the row")
        return row


def _concept(category: str, filler: Filler) -> tuple[str, str]:
    """Return category and id; an organisation brings its own category."""
    return (category, filler) if isinstance(filler, str) else (filler[0], filler[1])


# ── reading ──────────────────────────────────────────────────────────────────────────────


def load(code: str, world: World | None = None, where: Path | None = None) -> Grammar:
    """Read `<code>.toml`, and refuse it if a row of it is wrong.

    Raises:
        GrammarError: no such file, not TOML, or a row that does not fit its columns.
    """
    grammar = read(code, world, where)
    for fault in grammar.faults:
        if not fault.note:
            raise GrammarError(f"{fault.where}: {fault.problem}", fault.remedy)
    return grammar


def read(code: str, world: World | None = None, where: Path | None = None) -> Grammar:
    """Read `<code>.toml`; faults of its rows are in `.faults`.

    Raises:
        GrammarError: no such file, or not TOML.
    """
    where = folder() if where is None else where
    world = load_world(where / "world.toml") if world is None else world
    return _Reader(code, world, where).grammar()


class _Reader:
    """Turns the tables of one file into a `Grammar`, noting faults on the way."""

    def __init__(self, code: str, world: World, where: Path) -> None:
        self.code, self.world, self.where = code, world, where
        self.file = f"{code}.toml"
        self.raw = read_toml(where / self.file)
        self.faults: list[Fault] = []

    def fault(self, row: str, problem: str, remedy: str, note: bool = False) -> None:
        self.faults.append(Fault(f"{self.file} {row}", problem, remedy, note))

    def grammar(self) -> Grammar:
        self._header()
        columns = self._columns()
        rows = {c: dict(self._category(c, columns)) for c in self.world.concepts}
        words = dict(self._words())
        sources = dict(self._sources())
        templates = {
            name: tuple(tuple(pieces(text)) for text in texts) for name, texts in sources.items()
        }
        raw = self.raw
        return Grammar(
            code=self.code,
            file=self.file,
            join=raw.get("join", " "),
            capitals=bool(raw.get("capitals", False)),
            apostrophe=raw.get("apostrophe", APOSTROPHE_CUTS.get(self.code, "")),
            columns=columns,
            rows=rows,
            words=words,
            templates=templates,
            sources=sources,
            rewrites=tuple(self._rewrites()),
            tags=dict(self._tags()),
            world=self.world,
            faults=tuple(self.faults),
        )

    def _header(self) -> None:
        if self.raw.get("code") != self.code:
            self.fault("code", f"is {self.raw.get('code')!r}", f'write code = "{self.code}"')
        if self.raw.get("join", " ") not in ("", " "):
            self.fault("join", "is neither one blank nor nothing", 'write join = " " or ""')
        if self.raw.get("apostrophe", "") not in ("", "after", "before"):
            self.fault("apostrophe", "has an unknown value", 'choose "after", "before" or ""')
        for key in self.raw:
            if key not in _KEYS and key not in DOMAINS and key not in self.world.concepts:
                self.fault(f"[{key}]", "is no category and no setting", "correct the name")

    def _columns(self) -> dict[str, tuple[str, ...]]:
        columns: dict[str, tuple[str, ...]] = {}
        for category, names in self.raw.get("columns", {}).items():
            if category not in self.world.concepts:
                self.fault(f"[columns] {category}", "is no category", "correct the name")
            elif (
                not isinstance(names, list) or not {*names} - {"agr"} or len({*names}) < len(names)
            ):
                self.fault(
                    f"[columns] {category}", "names no form, or one twice", 'write ["agr", "nom"]'
                )
            else:
                columns[category] = tuple(names)
        return columns

    def _category(
        self, category: str, columns: Mapping[str, tuple[str, ...]]
    ) -> Iterator[tuple[str, dict[str, str]]]:
        given = self.raw.get(category, {})
        names = columns.get(category, ("form",))
        for concept in given:
            if concept not in self.world.concepts[category]:
                self.fault(f"[{category}] {concept}", "is not in world.toml", "correct the name")
        for concept in self.world.concepts[category]:
            row = given.get(concept)
            if row is None and category in NAMES:
                row = self._english(category).get(concept)
            if row is None:
                self.fault(f"[{category}] {concept}", "is missing", "add the row")
            else:
                yield concept, self._row(category, concept, row, names)

    def _row(self, category: str, concept: str, row: Any, names: Sequence[str]) -> dict[str, str]:
        where = f"[{category}] {concept}"
        if isinstance(row, str) and ("agr" not in names or category == "person"):
            made = {name: row for name in names if name != "agr"}
            return {"agr": self.world.gender[concept], **made} if category == "person" else made
        if isinstance(row, str):
            self.fault(where, "is one string, and agr is declared", "write [agr, form …]")
            return {}
        if not isinstance(row, list) or not all(isinstance(form, str) for form in row):
            self.fault(where, "is neither a string nor a list of strings", "write one or the other")
            return {}
        if len(row) != len(names):
            self.fault(where, f"has {len(row)} values for {len(names)} columns", ", ".join(names))
            return {}
        return dict(zip(names, row, strict=True))

    def _english(self, category: str) -> Mapping[str, str]:
        """Return the English forms of names, for a language that leaves them out."""
        english = read_toml(self.where / "en.toml")
        names = english.get("columns", {}).get(category, ["form"])
        at = 0 if names[0] != "agr" else 1
        rows = english.get(category, {})
        return {word: row if isinstance(row, str) else row[at] for word, row in rows.items()}

    def _words(self) -> Iterator[tuple[str, dict[str, str]]]:
        for name, forms in self.raw.get("word", {}).items():
            table = {"": forms} if isinstance(forms, str) else forms
            if not isinstance(table, dict) or not all(isinstance(f, str) for f in table.values()):
                self.fault(f"[word] {name}", "is no table of strings", 'write { m = "…", f = "…" }')
            else:
                yield name, table

    def _sources(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        known = self.world.templates
        for domain in DOMAINS:
            given = self.raw.get(domain, {})
            for key, texts in given.items():
                texts = [texts] if isinstance(texts, str) else texts
                if f"{domain}.{key}" not in known:
                    self.fault(f"[{domain}] {key}", "is not in world.toml", "correct the name")
                elif not texts or not all(isinstance(text, str) for text in texts):
                    self.fault(f"[{domain}] {key}", "holds no sentence", "write one, or a list")
                else:
                    yield f"{domain}.{key}", tuple(texts)
        for name in known:
            domain, _, key = name.partition(".")
            if key not in self.raw.get(domain, {}):
                self.fault(f"[{domain}] {key}", "is missing", "write one or more sentences")

    def _rewrites(self) -> Iterator[tuple[regex.Pattern[str], str]]:
        for number, rule in enumerate(self.raw.get("rewrite", []), start=1):
            try:
                pattern, replacement = rule
                yield regex.compile(pattern), str(replacement)
            except (regex.error, TypeError, ValueError) as error:
                self.fault(f"rewrite, rule {number}", f"cannot be used: {error}", "correct it")

    def _tags(self) -> Iterator[tuple[str, str]]:
        for word, tag in self.raw.get("tags", {}).items():
            if tag not in UPOS:
                self.fault(f"[tags] {word}", f"{tag!r} is no UPOS tag", ", ".join(sorted(UPOS)))
            else:
                yield word.lower(), tag


_MARKED = re.compile(rf"(\S+?)/({'|'.join(sorted(UPOS))})\b")


def pieces(text: str) -> Iterator[Piece]:
    """Cut a template as written into literals and references."""
    at = 0
    for found in REFERENCE.finditer(text):
        yield from _literals(text[at : found.start()])
        at = found.end()
        after = re.match(rf"/({'|'.join(sorted(UPOS))})\b", text[at:])
        at += after.end() if after else 0
        yield Reference(found[1], found[2] or "", found[3] or "", after[1] if after else "")
    yield from _literals(text[at:])


def _literals(text: str) -> Iterator[Literal]:
    at = 0
    for found in _MARKED.finditer(text):
        if found.start() > at:
            yield Literal(text[at : found.start()])
        yield Literal(found[1], found[2])
        at = found.end()
    if at < len(text):
        yield Literal(text[at:])


def slot_category(template: Template, name: str) -> str | None:
    """Return the category of a slot, `"writer"` for `i` in reviews, None where it is no slot."""
    if template.domain == "review" and name == "i":
        return "writer"
    return template.slots.get(name)
