"""What is wrong with a language's file: faults by row, from its forms and from its sentences."""

from __future__ import annotations

import random
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from xlhelpers import languages
from xlhelpers.build.grammar import realise as realisation
from xlhelpers.build.grammar.language import (
    Fault,
    Grammar,
    Literal,
    NoRowError,
    Reference,
    pieces,
    slot_category,
)
from xlhelpers.build.grammar.realise import Sentence, realise, resolve
from xlhelpers.build.grammar.world import Filler, GrammarError, Meaning, Template, World

# What the Unicode name of a letter or mark begins with, by ISO 15924 code.
_SCRIPTS = {
    "Latn": ("LATIN", "COMBINING"),
    "Cyrl": ("CYRILLIC", "COMBINING ACUTE"),
    "Arab": ("ARABIC",),
    "Deva": ("DEVANAGARI", "ZERO WIDTH"),
    "Hans": ("CJK UNIFIED",),
    "Grek": ("GREEK",),
}
_SIGNS = frozenset(" \u00a0\u202f.,;:?!…'’\"“”„‚‘«»()-–—·¿¡%&/。，、；：？！（）《》「」،؛؟٪।")
_ENDS = frozenset(".!?…。！？؟।")
_CLOSERS = '"”“’»)）」'
_MOJIBAKE = re.compile("\ufffd|Ã[\u0080-\u00bf]|Â[\u0080-\u00bf]|â€|Ð[\u0080-\u00bf]")
_BLANK = re.compile(r" [.,;:?!…。，？！：；،؛؟।)»”]|[¿¡(«„] ")
_KEPT = 6  # missing forms of one reference that are listed
_EXAMPLES = 2  # sentences of one variant that are shown for one kind of fault


def check(grammar: Grammar, world: World | None = None) -> list[Fault]:
    """Return what is wrong with a grammar, each fault once; notes last.

    Every filler of every slot of every variant is said at least once, besides some hundred
    random fillings, so that a form which only one noun needs is missed neither.
    """
    world = grammar.world if world is None else world
    rows = [*grammar.faults, *_forms(grammar, world), *_twins(grammar), *_characters(grammar)]
    said, unresolved = _say_all(grammar, world)
    found = [*said.faults, *_untagged(said.untagged, grammar)]
    faults = [*rows, *_grouped(unresolved), *_grouped(found), *_unused(grammar, said)]
    return sorted(dict.fromkeys(faults), key=lambda fault: fault.note)


def untagged(grammar: Grammar) -> dict[str, str]:
    """Return the words of the news that lack a part of speech, and where each stands first."""
    return _say_all(grammar, grammar.world)[0].untagged


def _say_all(grammar: Grammar, world: World) -> tuple[_Said, list[Fault]]:
    """Say every template whose references resolve; return that, and the faults of the others."""
    said = _Said(grammar)
    unresolved: list[Fault] = []
    for name in grammar.templates:
        template = world.templates[name]
        found = list(_references(grammar, template))
        unresolved += found
        if not found:
            said.template(template, world)
    return said, unresolved


def _untagged(words: dict[str, str], grammar: Grammar) -> Iterator[Fault]:
    for word, where in words.items():
        yield Fault(
            f"{grammar.file} [tags]",
            f"{word!r} has no part of speech; it stands in {where}",
            "add it to [tags], or mark it in the template: word/TAG",
        )


def _grouped(faults: list[Fault]) -> Iterator[Fault]:
    """Name a form that many templates lack once."""
    places: dict[tuple[str, str], list[str]] = {}
    for fault in faults:
        places.setdefault((fault.problem, fault.remedy), []).append(fault.where)
    for (problem, remedy), where in places.items():
        more = f", and in {len(where) - 1} more variants" if len(where) > 1 else ""
        yield Fault(where[0], problem + more, remedy)


# ── rows ─────────────────────────────────────────────────────────────────────────────────


def _forms(grammar: Grammar, world: World) -> Iterator[Fault]:
    for category, rows in grammar.rows.items():
        for concept, row in rows.items():
            where = f"{grammar.file} [{category}] {concept}"
            for column, form in row.items():
                yield from _form(where, column, form, category)
    for name, forms in grammar.words.items():
        for key, form in forms.items():
            if form != form.strip() or "  " in form:
                yield Fault(f"{grammar.file} [word] {name} {key}", "has stray blanks", "drop them")
            if name in {slot for t in world.templates.values() for slot in t.slots}:
                yield Fault(
                    f"{grammar.file} [word] {name}", "is also a slot", "choose another name"
                )


def _form(where: str, column: str, form: str, category: str) -> Iterator[Fault]:
    if not form.strip():
        yield Fault(where, f"column {column} is empty", "write the form")
    elif form != form.strip() or "  " in form:
        yield Fault(where, f"column {column} has stray blanks", "drop them")
    named = [piece for piece in pieces(form) if isinstance(piece, Reference)]
    if column == "agr":
        if not re.fullmatch(r"\w+", form):
            yield Fault(where, f"agr {form!r} is no name", "use letters, digits and _")
    elif category == "institution":
        if sum(piece.name == "l" for piece in named) != 1:
            yield Fault(where, f"column {column} lacks its place", "write {l} once in every form")
    elif named:
        yield Fault(where, f"{form!r} refers to something", "only institutions may")


def _characters(grammar: Grammar) -> Iterator[Fault]:
    """Look at every string of the file as it is written, so that each is named once."""
    for where, text, latin in _strings(grammar):
        if unicodedata.normalize("NFC", text) != text:
            yield Fault(where, f"{text!r} is not in normal form NFC", "save the file in NFC")
        if _MOJIBAKE.search(text):
            yield Fault(where, f"broken characters in {text!r}", "type them again, save as UTF-8")
        elif re.search("[\u00a0\u202f]", text) and grammar.code != "fr":
            yield Fault(where, f"no-break space in {text!r}", "write an ordinary blank")
        elif bad := _foreign(text, grammar.code, latin):
            name = unicodedata.name(bad, "an unnamed character")
            script = languages.get(grammar.code).script
            remedy = f"only {script} letters and its punctuation"
            yield Fault(where, f"{bad!r} ({name}) in {text!r}", remedy)


def _strings(grammar: Grammar) -> Iterator[tuple[str, str, bool]]:
    """Yield place, string, and whether Latin letters may stand there (brands)."""
    for category, rows in grammar.rows.items():
        for concept, row in rows.items():
            for column, form in row.items():
                if column != "agr":
                    where = f"{grammar.file} [{category}] {concept}"
                    yield where, _plain(form), category == "brand"
    for name, forms in grammar.words.items():
        for form in forms.values():
            yield f"{grammar.file} [word] {name}", _plain(form), False
    for template, texts in grammar.sources.items():
        domain, _, key = template.partition(".")
        for number, text in enumerate(texts, start=1):
            yield f"{grammar.file} [{domain}] {key}, variant {number}", _plain(text), False
    for number, (_, replacement) in enumerate(grammar.rewrites, start=1):
        text = re.sub(r"\$\d", "", replacement)
        yield f"{grammar.file} rewrite, rule {number}", text, False


def _plain(text: str) -> str:
    """Return the words of a string without references and marks."""
    return "".join(piece.text for piece in pieces(text) if isinstance(piece, Literal))


def _foreign(text: str, code: str, latin: bool) -> str:
    """Return the first character that the language does not write, or `""`."""
    allowed = _SCRIPTS.get(languages.get(code).script, ()) + (("LATIN",) if latin else ())
    for char in text:
        if char in _SIGNS or char in "{}" or (char.isascii() and char.isdigit()):
            continue
        name = unicodedata.name(char, "")
        if not name.startswith(allowed) or name == "ARABIC TATWEEL":
            return char
    return ""


def _twins(grammar: Grammar) -> Iterator[Fault]:
    """Find concepts of a category that no form tells apart."""
    for category, rows in grammar.rows.items():
        seen: dict[tuple[str, ...], str] = {}
        for concept, row in rows.items():
            forms = tuple(form for column, form in row.items() if column != "agr")
            if not forms:
                continue
            if (other := seen.setdefault(forms, concept)) != concept:
                yield Fault(
                    f"{grammar.file} [{category}] {other}, {concept}",
                    f"are said alike: {forms[0]!r}",
                    "choose two words or phrases that differ",
                    note=not clash(grammar.world, category, other, concept),
                )


def clash(world: World, category: str, one: str, other: str) -> bool:
    """Whether two concepts can be said of the same thing, so that a shared form would confuse.

    A light cloth and a light room may share a word: no noun has both.
    """
    if category == "aspect":
        return any(one in aspects and other in aspects for aspects in world.aspects.values())
    if category != "quality":
        return True
    nouns = [*world.suits.values(), *(t for a in world.aspects.values() for t in a.values())]
    first, second = world.quality[one].tags, world.quality[other].tags
    return any(first & tags and second & tags for tags in nouns)


# ── references ───────────────────────────────────────────────────────────────────────────


def _references(grammar: Grammar, template: Template) -> Iterator[Fault]:
    for number, variant in enumerate(grammar.templates[template.name], start=1):
        where = _where(grammar, template, number)
        yield from _braces(where, variant)
        named = [piece for piece in variant if isinstance(piece, Reference)]
        for reference in dict.fromkeys(replace(piece, tag="") for piece in named):
            yield from _resolves(where, reference, template, grammar)
        said = {piece.name for piece in named}
        for slot in template.slots:
            if slot not in said and not (template.domain == "review" and slot == "x"):
                yield Fault(where, f"does not say {{{slot}}}", "every variant has every slot")
    sources = grammar.sources[template.name]
    if len(set(sources)) < len(sources):
        yield Fault(_where(grammar, template, 0), "has a variant twice", "drop one")


def _where(grammar: Grammar, template: Template, number: int) -> str:
    domain, _, key = template.name.partition(".")
    return f"{grammar.file} [{domain}] {key}" + (f", variant {number}" if number else "")


def _braces(where: str, variant: tuple[realisation.Piece, ...]) -> Iterator[Fault]:
    for piece in variant:
        if isinstance(piece, Literal) and re.search(r"[{}]", piece.text):
            yield Fault(
                where,
                f"{piece.text.strip()!r} is no reference",
                "write {slot}, {slot.column}, {slot@other} or {slot.column@other}",
            )


def _resolves(
    where: str, reference: Reference, template: Template, grammar: Grammar
) -> Iterator[Fault]:
    """Try every filler of the slots that a reference names; one fault a missing form."""
    names = [n for n in (reference.name, reference.agreeing) if slot_category(template, n)]
    options = [_options(grammar.world, template, name) for name in names]
    if reference.agreeing and slot_category(template, reference.agreeing):
        options[-1] = _one_each(grammar, template, reference.agreeing, options[-1])
    tried: set[str] = set()
    rounds = max((len(option) for option in options), default=1)
    for first in range(rounds):
        for second in range(len(options[1]) if len(options) > 1 else 1):
            fillers = dict(zip(names, _pick(options, first, second), strict=True))
            try:
                resolve(reference, template, fillers, grammar, str(fillers.get("i", "m")))
            except NoRowError:
                continue  # the row's own fault is reported
            except GrammarError as error:
                if error.problem not in tried:
                    tried.add(error.problem)
                    example = ", ".join(map(str, fillers.values()))
                    problem = error.problem.removeprefix(f"{grammar.file}: ")
                    text = f"{reference}: {problem}" + (f" (as for {example})" if example else "")
                    yield Fault(where, text, error.remedy)
        if len(tried) >= _KEPT:
            return


def _options(world: World, template: Template, name: str) -> list[Filler]:
    if slot_category(template, name) == "writer":
        return ["m", "f"]
    return world.fillers(template, name)


def _one_each(
    grammar: Grammar, template: Template, slot: str, fillers: list[Filler]
) -> list[Filler]:
    """Return one filler for each value of `agr`; what is said of one holds for all like it."""
    category = slot_category(template, slot) or ""
    found: dict[str, Filler] = {}
    for filler in fillers:
        try:
            found.setdefault(grammar.agreement(category, filler), filler)
        except NoRowError:
            continue  # the row's own fault is reported
        except GrammarError:
            return [filler]  # none has an agr, and the caller says so
    return list(found.values())


def _pick(options: list[list[Filler]], first: int, second: int) -> list[Filler]:
    return [option[(first, second)[i] % len(option)] for i, option in enumerate(options)]


# ── sentences ────────────────────────────────────────────────────────────────────────────


@dataclass
class _Said:
    """Says everything, looks at each sentence, and remembers who said what."""

    grammar: Grammar
    faults: list[Fault] = field(default_factory=list)
    texts: dict[str, tuple[Meaning, str]] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    untagged: dict[str, str] = field(default_factory=dict)

    def template(self, template: Template, world: World) -> None:
        rng = random.Random(template.name)
        for number in range(len(self.grammar.templates[template.name])):
            for slots in _fillings(template, world, rng):
                for writer in ("m", "f") if self._shows_writer(template, number) else ("m",):
                    self._say(template, number, slots, writer)

    def _shows_writer(self, template: Template, number: int) -> bool:
        variant = self.grammar.templates[template.name][number]
        return any(isinstance(piece, Reference) and piece.agreeing == "i" for piece in variant)

    def _say(self, template: Template, number: int, slots: dict[str, Filler], writer: str) -> None:
        where = _where(self.grammar, template, number + 1)
        meaning = Meaning.of(template.name, slots)
        try:
            sentence = realise(
                meaning,
                self.grammar,
                variant=number,
                writer=writer,
                plain=template.domain != "news",
            )
        except NoRowError:
            return  # the row's own fault is reported
        except GrammarError as error:
            self._add(where, error.problem.removeprefix(f"{self.grammar.file}: "), error.remedy)
            return
        for problem, remedy in look(sentence, self.grammar):
            self._add(where, problem, remedy)
        for token, tag in zip(sentence.tokens, sentence.upos, strict=False):
            if tag == "_":  # [tags] knows no capitals
                self.untagged.setdefault(
                    token.lower(), where.removeprefix(self.grammar.file).strip()
                )
        self._compare(meaning, sentence.text, where)

    def _add(self, where: str, problem: str, remedy: str) -> None:
        """Keep a fault, unless this row already shows enough of its kind."""
        key = f"{where} {remedy}"
        self.counts[key] += 1
        if self.counts[key] <= _EXAMPLES:
            self.faults.append(Fault(where, problem, remedy))

    def _compare(self, meaning: Meaning, text: str, where: str) -> None:
        """Two meanings may not be one sentence; what is reviewed need not be said in it."""
        other, there = self.texts.setdefault(text, (meaning, where))
        if other.template != meaning.template:
            self._add(where, f"{text!r} is also {there}", "say the two templates differently")
            return
        template = self.grammar.world.templates[meaning.template]
        changed = [k for k, v in meaning.slots if k != "x" and v != other[k]]
        if len(changed) != 1:  # two slots that change places: "A met B", "B met A"
            return
        category = template.slots[changed[0]]
        pair = str(other[changed[0]]), str(meaning[changed[0]])
        said_alike = f"{category} {sorted(pair)}"
        if said_alike in self.counts or not clash(self.grammar.world, category, *pair):
            return
        self.counts[said_alike] += 1
        self._add(where, f"{text!r} is said of {pair[0]} and {pair[1]}", "make them differ")


def _fillings(template: Template, world: World, rng: random.Random) -> Iterator[dict[str, Filler]]:
    """Yield fillings: every filler of each slot with the others fixed, then random ones."""
    options = {slot: world.fillers(template, slot) for slot in template.slots}
    base = {slot: rng.choice(fillers) for slot, fillers in options.items()}
    for slot, fillers in options.items():
        for filler in fillers if len(fillers) < 200 else rng.sample(fillers, 100):
            yield _apart(template, {**base, slot: filler}, options)
    for _ in range(30):
        chosen = {slot: rng.choice(fillers) for slot, fillers in options.items()}
        yield _apart(template, chosen, options)


def _apart(
    template: Template, slots: dict[str, Filler], options: dict[str, list[Filler]]
) -> dict[str, Filler]:
    """Give two slots of a category different fillers: nobody meets herself."""
    for slot, other in (("a", "b"), ("q", "r"), ("p", "p2"), ("o", "o2"), ("l", "l2"), ("b", "b2")):
        if (
            other in slots
            and slots.get(slot) == slots[other]
            and (template.slots[slot] == template.slots[other])
        ):
            at = options[other].index(slots[other])
            slots[other] = options[other][(at + 1) % len(options[other])]
    return slots


def look(sentence: Sentence, grammar: Grammar) -> Iterator[tuple[str, str]]:
    """Yield (problem, remedy) for whatever is wrong with a sentence as it is written."""
    text = sentence.text
    if re.search(r"[{}$]", text):
        yield f"leftover sign in {text!r}", "no brace or $ may be left"
    if "  " in text or text != text.strip():
        yield f"stray blank in {text!r}", "drop it in template or rewrite"
    if found := _BLANK.search(text):
        yield f"blank at {found[0]!r} in {text!r}", "no blank there; in French a no-break space"
    if not text.rstrip(_CLOSERS) or text.rstrip(_CLOSERS)[-1] not in _ENDS:
        yield f"no full stop ends {text!r}", "end with . ! ? or those of the script"


def _unused(grammar: Grammar, said: _Said) -> Iterator[Fault]:
    """Note function words that no template has, and curly beside straight apostrophes."""
    named = {
        piece.name
        for variants in grammar.templates.values()
        for variant in variants
        for piece in variant
        if isinstance(piece, Reference)
    }
    forms = [form for row in grammar.rows.get("institution", {}).values() for form in row.values()]
    named |= {p.name for form in forms for p in pieces(form) if isinstance(p, Reference)}
    for name in grammar.words:
        if name not in named:
            yield Fault(f"{grammar.file} [word] {name}", "is in no template", "drop it", note=True)
    curly = next((text for text in said.texts if "’" in text), "")
    straight = next((text for text in said.texts if re.search(r"\w'\w", text)), "")
    if curly and straight:
        yield Fault(
            grammar.file, f"has ’ ({curly!r}) and ' ({straight!r})", "choose one apostrophe"
        )
