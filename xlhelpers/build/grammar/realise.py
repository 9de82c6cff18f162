"""From a meaning to a sentence: text, tokens, parts of speech, entities.

Every character carries a mark that says which slot it came from. Rewrites (contractions,
elisions) move the marks along, so that spans of names survive them.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import regex

from xlhelpers.build.grammar import tokens as tokenisation
from xlhelpers.build.grammar.language import (
    Grammar,
    Literal,
    MissingFormError,
    Piece,
    Reference,
    pieces,
    slot_category,
)
from xlhelpers.build.grammar.world import Filler, GrammarError, Meaning, Template

ENTITY = {"person": "PER", "place_name": "LOC", "brand": "ORG", "institution": "ORG"}
_PROPER = frozenset({"person", "place_name", "brand"})
# A word of a slot that is one word has the part of speech of its category.
_CATEGORY_TAG = {
    "role": "NOUN",
    "event": "NOUN",
    "topic": "NOUN",
    "day": "NOUN",
    "person": "PROPN",
    "place_name": "PROPN",
    "brand": "PROPN",
}
_SENTENCE = regex.compile(r"[.?!] +[¿¡«“„\"]?")
_OPENING = regex.compile(r"[^\p{L}\p{N}]*")


@dataclass(frozen=True, slots=True)
class Sentence:
    """A realised meaning.

    Attributes:
        text: as it is written.
        tokens: words and punctuation.
        upos: a Universal Dependencies tag for each token; empty outside the news. `"_"` where
            the grammar names none.
        entities: IOB2 tags (PER, LOC, ORG) for each token; all `O` outside the news.
        template: of the world, with its domain.
        slots: name, start and end in `text` of each slot that is said in one place; only where
            the sentence is plain.
    """

    text: str
    tokens: tuple[str, ...]
    upos: tuple[str, ...]
    entities: tuple[str, ...]
    template: str
    slots: tuple[tuple[str, int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a character came from.

    Attributes:
        span: number of the slot's span, -1 for words of the template.
        category: of the innermost slot, such as `place_name` in an institution's name.
        entity: PER, LOC, ORG or `""`, of the outermost.
        tag: part of speech where the author marked one.
        reference: whether it came from a slot or function word.
        slot: name of the slot, `""` elsewhere.
    """

    span: int = -1
    category: str = ""
    entity: str = ""
    tag: str = ""
    reference: bool = False
    slot: str = ""


@dataclass(slots=True)
class _Line:
    """A text in the making; `words` numbers the words of a text without blanks."""

    text: str
    marks: list[Mark]
    words: list[int] | None = None


def realise(
    meaning: Meaning,
    grammar: Grammar,
    rng: random.Random | None = None,
    *,
    variant: int = 0,
    writer: str = "m",
    plain: bool = False,
) -> Sentence:
    """Say a meaning in a language.

    Args:
        rng: chooses among the ways to say it; without one, `variant` (modulo their number).
        writer: `m` or `f`, for languages in which a first person shows it.
        plain: leave out tokens and tags, which take half of the time.

    Raises:
        GrammarError: the language lacks the template or a form.
    """
    template = grammar.world.templates[meaning.template]
    variants = grammar.variants(meaning.template)
    chosen = rng.choice(variants) if rng else variants[variant % len(variants)]
    line = _assemble(chosen, template, dict(meaning.slots), grammar, writer)
    if plain:
        return Sentence(line.text, (), (), (), template.name, _slots(line))
    return _sentence(line, template, grammar)


# ── assembling ───────────────────────────────────────────────────────────────────────────


def resolve(
    reference: Reference,
    template: Template,
    fillers: dict[str, Filler],
    grammar: Grammar,
    writer: str = "m",
) -> str:
    """Return the form that a reference stands for; an institution's still has its `{l}`.

    Raises:
        GrammarError: there is none.
    """
    key = reference.column
    if reference.agreeing:
        other = slot_category(template, reference.agreeing)
        if other is None:
            raise MissingFormError(
                f"{grammar.file}: {reference} agrees with {reference.agreeing}, which is no slot",
                f"{template.name} has {', '.join(template.slots) or 'none'}",
            )
        filler = writer if other == "writer" else fillers[reference.agreeing]
        agr = grammar.agreement(other, filler)
        key = f"{key}_{agr}" if key else agr
    category = slot_category(template, reference.name)
    if category == "writer":
        raise MissingFormError(
            f"{grammar.file}: the writer has no form", "write a word that agrees: {glad@i}"
        )
    if category is None:
        return grammar.word(reference.name, key)
    return grammar.form(category, fillers[reference.name], key)


def _assemble(
    chosen: Sequence[Piece],
    template: Template,
    fillers: dict[str, Filler],
    grammar: Grammar,
    writer: str,
) -> _Line:
    text, marks = "", list[Mark]()
    for number, piece in enumerate(chosen):
        if isinstance(piece, Literal):
            parts = [(piece.text, Mark(tag=piece.tag))]
        else:
            parts = _slot(piece, number, template, fillers, grammar, writer)
        for form, mark in parts:
            text += form
            marks.extend([mark] * len(form))
    line = _without_blanks(_tidy(text, marks), grammar)
    for pattern, replacement in grammar.rewrites:
        if pattern.search(line.text):
            line = rewrite(line, pattern, replacement)
    if grammar.capitals:
        line.text = _capitals(line, grammar.code)
    return line


def _slot(
    piece: Reference,
    number: int,
    template: Template,
    fillers: dict[str, Filler],
    grammar: Grammar,
    writer: str,
) -> list[tuple[str, Mark]]:
    form = resolve(piece, template, fillers, grammar, writer)
    category = slot_category(template, piece.name)
    if category is None:
        return [
            (p.text, Mark(tag=p.tag or piece.tag, reference=True))
            for p in pieces(form)
            if isinstance(p, Literal)
        ]
    filler = fillers[piece.name]
    if category == "org":
        category = filler[0]
    entity = ENTITY.get(category, "") if template.domain == "news" else ""
    mark = Mark(number, category, entity, piece.tag, True, piece.name)
    if category != "institution":
        return [
            (p.text, replace(mark, tag=p.tag or piece.tag))
            for p in pieces(form)
            if isinstance(p, Literal)
        ]
    return _institution(form, str(filler[2]), mark, grammar)


def _institution(form: str, place: str, mark: Mark, grammar: Grammar) -> list[tuple[str, Mark]]:
    parts: list[tuple[str, Mark]] = []
    for piece in pieces(form):
        if isinstance(piece, Literal):
            parts.append((piece.text, replace(mark, entity="ORG", tag=piece.tag)))
        elif piece.name == "l":
            key = piece.column
            if piece.agreeing:
                raise MissingFormError(
                    f"{grammar.file}: {piece} in an institution", "write {l} or {l.column} there"
                )
            name = grammar.form("place_name", place, key)
            parts.append((name, replace(mark, category="place_name", entity="ORG", tag="")))
        else:
            agr = grammar.agreement("place_name", place) if piece.agreeing else ""
            key = f"{piece.column}_{agr}" if piece.column and agr else piece.column or agr
            word = grammar.word(piece.name, key)
            parts.append((word, replace(mark, entity="ORG", tag=piece.tag)))
    return parts


def _tidy(text: str, marks: list[Mark]) -> _Line:
    """Drop blanks at the ends, and those left doubled by an empty form."""
    if "  " not in text and text == text.strip(" "):
        return _Line(text, marks)
    first, last = len(text) - len(text.lstrip(" ")), len(text.rstrip(" "))
    keep = [i for i in range(first, last) if text[i] != " " or text[i - 1] != " "]
    return _Line("".join(text[i] for i in keep), [marks[i] for i in keep])


def _without_blanks(line: _Line, grammar: Grammar) -> _Line:
    """Drop the blanks where words are written together, but for those between Latin words."""
    if grammar.join:
        return line
    text, kept, words = tokenisation.without_blanks(line.text)
    return _Line(text, [line.marks[i] for i in kept], words)


# ── rewriting ────────────────────────────────────────────────────────────────────────────

_GROUP = re.compile(r"\$(\d)")


def rewrite(line: _Line, pattern: regex.Pattern[str], replacement: str) -> _Line:
    """Apply one rule; characters of groups keep their marks.

    New characters belong to a slot only where all that they replace was in it: in
    `de Le Caire` → `du Caire` the `du` is outside the name.
    """
    text, marks, at = "", list[Mark](), 0
    words: list[int] | None = None if line.words is None else []
    for found in pattern.finditer(line.text):
        for start, end, new in [(at, found.start(), ""), *_parts(found, replacement)]:
            text += new or line.text[start:end]
            if new:
                marks.extend([_common(line.marks[slice(*found.span())])] * len(new))
                if words is not None and line.words is not None:
                    words.extend([line.words[min(found.start(), len(line.words) - 1)]] * len(new))
            else:
                marks.extend(line.marks[start:end])
                if words is not None and line.words is not None:
                    words.extend(line.words[start:end])
        at = found.end()
    if words is not None and line.words is not None:
        words.extend(line.words[at:])
    return _Line(text + line.text[at:], marks + line.marks[at:], words)


def _parts(found: regex.Match[str], replacement: str) -> list[tuple[int, int, str]]:
    """Return the replacement as stretches of the old text (start, end, "") and new text."""
    parts: list[tuple[int, int, str]] = []
    at = 0
    for group in _GROUP.finditer(replacement):
        if group.start() > at:
            parts.append((0, 0, replacement[at : group.start()]))
        parts.append((*found.span(int(group[1])), ""))
        at = group.end()
    if at < len(replacement):
        parts.append((0, 0, replacement[at:]))
    return parts


def _common(marks: Sequence[Mark]) -> Mark:
    """Return the mark of new characters, from those they replace.

    Within an institution's name those are words of the name and of its place.
    """
    if marks and all(mark.span == marks[0].span for mark in marks):
        return marks[0]
    return Mark()


# ── capitals ─────────────────────────────────────────────────────────────────────────────


def _capitals(line: _Line, code: str) -> str:
    """Make the first letter a capital, and that of a slot which begins a second sentence."""
    chars = list(line.text)
    starts = [_OPENING.match(line.text).end()]
    starts += [
        f.end()
        for f in _SENTENCE.finditer(line.text)
        if f.end() < len(chars) and line.marks[f.end()].reference
    ]
    for at in starts:
        if at < len(chars):
            upper = "İ" if code == "tr" and chars[at] == "i" else chars[at].upper()
            chars[at] = upper if len(upper) == 1 else chars[at]
    return "".join(chars)


def _slots(line: _Line) -> tuple[tuple[str, int, int], ...]:
    """Return where each slot is said; one that is said in two places is left out."""
    found: dict[str, tuple[str, int, int] | None] = {}
    at = 0
    for name, run in groupby(line.marks, key=lambda mark: mark.slot):
        end = at + sum(1 for _ in run)
        if name:
            found[name] = None if name in found else (name, at, end)
        at = end
    return tuple(place for place in found.values() if place is not None)


# ── tokens and tags ──────────────────────────────────────────────────────────────────────


def _sentence(line: _Line, template: Template, grammar: Grammar) -> Sentence:
    spans = tokenisation.spans(line.text, grammar.apostrophe, line.words)
    tokens = tuple(line.text[start:end] for start, end in spans)
    if template.domain != "news":
        return Sentence(line.text, tokens, (), ("O",) * len(tokens), template.name)
    owners = [_owner(line.marks[start:end]) for start, end in spans]
    sizes: dict[tuple[int, str], int] = {}
    for owner in owners:
        sizes[owner.span, owner.category] = sizes.get((owner.span, owner.category), 0) + 1
    upos = tuple(
        _upos(token, owner, sizes[owner.span, owner.category], grammar)
        for token, owner in zip(tokens, owners, strict=True)
    )
    return Sentence(line.text, tokens, upos, tuple(_iob(owners)), template.name)


def _owner(marks: Sequence[Mark]) -> Mark:
    """Return the mark that counts for a token: that of a slot before that of the template."""
    return next((mark for mark in marks if mark.span >= 0), next(iter(marks)))


def _iob(owners: Sequence[Mark]) -> list[str]:
    tags: list[str] = []
    last = -1
    for owner in owners:
        if not owner.entity:
            tags.append("O")
        else:
            tags.append(f"{'I' if owner.span == last else 'B'}-{owner.entity}")
        last = owner.span if owner.entity else -1
    return tags


def _upos(token: str, owner: Mark, size: int, grammar: Grammar) -> str:
    if not any(map(tokenisation.is_word, token)):
        return "SYM" if token in "%€$£+=°§" else "PUNCT"
    if owner.tag:
        return owner.tag
    if owner.category in _PROPER:
        return "PROPN"
    listed = grammar.tags.get(token.lower(), "")
    if owner.category in _CATEGORY_TAG and size == 1:
        # The word of a day is a noun in one language and an adverb in the next.
        return listed if owner.category == "day" and listed else _CATEGORY_TAG[owner.category]
    # Words of a name are proper nouns, but German writes every noun with a capital.
    common = listed in (("",) if grammar.code == "de" else ("", "NOUN", "ADJ"))
    if owner.category == "institution" and token[0].isupper() and common:
        return "PROPN"
    return listed or ("NUM" if token.isdigit() else "_")


__all__ = ["ENTITY", "GrammarError", "Mark", "Sentence", "realise", "resolve", "rewrite"]
