"""Reviews: a thing, a stance, and a few sentences that mostly agree with it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import lru_cache

from xlhelpers.build.corpus.splits import Policy, pair_split, share
from xlhelpers.build.grammar import Filler, Meaning, Template, World
from xlhelpers.build.grammar.sampling import qualities

LABELS = ("negative", "neutral", "positive")
_SIGN = {"negative": "-", "positive": "+"}
_OPPOSITE = {"+": "-", "-": "+"}
_AGREEING = 0.85  # opinions that carry the stance; never as many against as for
_FACT = 0.3  # documents that open with a neutral fact
_TRIES = 60


def document(
    world: World, rng: random.Random, label: str, sentences: int, policy: Policy
) -> list[Meaning] | None:
    """Return the sentences of a review, or None where this draw led nowhere.

    No template, aspect or quality occurs twice. A neutral review has either nothing but facts
    and neutral qualities, or as much for as against.

    Args:
        label: one of `LABELS`.
        sentences: how many.
        policy: what the set may contain.
    """
    thing = rng.choice(world.concepts["thing"])
    said: list[Meaning] = []
    for sign in _plan(rng, label, sentences):
        meaning = sentence(world, rng, thing, sign, policy, said)
        if meaning is None:
            return None
        said.append(meaning)
    return said


def _plan(rng: random.Random, label: str, sentences: int) -> list[str]:
    """Return the sign of each sentence: `+`, `-`, `0` (a neutral quality), `mixed` or `fact`."""
    opening = ["fact"] if sentences > 1 and rng.random() < _FACT else []
    count = sentences - len(opening)
    if label == "neutral":
        return opening + _neutral(rng, count)
    stance = _SIGN[label]
    signs = [stance if rng.random() < _AGREEING else _OPPOSITE[stance] for _ in range(count)]
    while 2 * signs.count(stance) <= count:
        signs[signs.index(_OPPOSITE[stance])] = stance
    return opening + signs


def _neutral(rng: random.Random, count: int) -> list[str]:
    if rng.random() < 0.5:
        return rng.choices(["0", "fact"], k=count, weights=[2, 1])
    signs = ["mixed"] * (count % 2) + ["+", "-"] * (count // 2)
    if count > 1 and rng.random() < 0.3:
        signs[-2:] = ["mixed", "mixed"] if count % 2 == 0 else signs[-2:]
    rng.shuffle(signs)
    return signs


def sentence(
    world: World,
    rng: random.Random,
    thing: str,
    sign: str,
    policy: Policy,
    said: Sequence[Meaning] = (),
) -> Meaning | None:
    """Return a sentence on a thing with the sign asked for, unlike those already said."""
    templates = [t for t in _templates(world, sign) if world.thing_kind[thing] in _kinds(world, t)]
    templates = [t for t in templates if t.hold == (policy.held == "template")]
    used = {filler for meaning in said for slot, filler in meaning.slots if slot in "abqr"}
    templates = [t for t in templates if t.name not in {meaning.template for meaning in said}]
    for _ in range(_TRIES if templates else 0):
        template = rng.choice(templates)
        slots = _fill(world, rng, template, thing, sign, policy, used)
        if slots is not None and policy.admits(meaning := Meaning.of(template.name, slots), world):
            return meaning
    return None


def varieties(world: World, rng: random.Random, meaning: Meaning, count: int) -> list[Meaning]:
    """Return meanings that differ from a review sentence in its quality q alone.

    Every other one has the opposite sign, the first among them, where the template lets it have
    one. The list is empty where the sentence has no such quality, or where another quality
    depends on it.

    Args:
        count: how many are looked for; fewer are found where the noun has few qualities.
    """
    template = world.templates[meaning.template]
    if template.domain != "review" or "q" not in template.slots or "r" in template.slots:
        return []
    slots = dict(meaning.slots)
    aspect = str(slots["a"]) if "a" in slots else None
    sign = world.quality[str(slots["q"])].sign
    found: list[Meaning] = []
    for number in range(count):
        wanted = template.only or (_OPPOSITE.get(sign, "+") if number % 2 == 0 else sign)
        options = [
            quality
            for quality in _fitting(world, str(slots["x"]), aspect, wanted, template.natural)
            if quality != slots["q"] and pair_split(quality, aspect or str(slots["x"])) == "train"
        ]
        if options:
            found.append(Meaning.of(meaning.template, {**slots, "q": rng.choice(options)}))
    return list(dict.fromkeys(found))


def _kinds(world: World, template: Template) -> frozenset[str]:
    return template.kinds or frozenset(world.suits)


def _templates(world: World, sign: str) -> list[Template]:
    """Return the review templates that can carry a sign."""
    return [template for template in world.domain("review") if sign in _signs(template)]


def _signs(template: Template) -> set[str]:
    fixed = template.sign in ("+", "-", "0", "mixed")
    if template.sign == "0":
        return {"fact"}
    if fixed:
        return {template.sign}
    if template.only:
        return {template.only}
    if template.polar or template.contrast or template.sign in ("not q", "same"):
        return {"+", "-"}
    return {"+", "-", "0"}


def _fill(
    world: World,
    rng: random.Random,
    template: Template,
    thing: str,
    sign: str,
    policy: Policy,
    used: set[Filler],
) -> dict[str, Filler] | None:
    slots: dict[str, Filler] = {"x": thing}
    for slot in ("a", "b"):
        if slot in template.slots:
            aspects = world.aspects[world.thing_kind[thing]]
            free = [a for a in aspects if a not in used and a not in slots.values()]
            if not free:
                return None
            slots[slot] = rng.choice(free)
    for slot in ("k", "t", "d"):
        if slot in template.slots:
            slots[slot] = rng.choice(world.concepts[template.slots[slot]])
    if "q" not in template.slots:
        return slots
    first, second = _wanted(rng, template, sign)
    for slot, noun, signs in (("q", "a", first), ("r", "b", second)):
        if slot in template.slots:
            aspect = str(slots[noun]) if noun in slots else None
            near = str(slots["q"]) if template.contrast and slot == "r" else ""
            taken = used | {slots[s] for s in ("q",) if s in slots}
            quality = _quality(world, rng, thing, aspect, signs, template, policy, taken, near)
            if quality is None:
                return None
            slots[slot] = quality
    return slots


def _wanted(rng: random.Random, template: Template, sign: str) -> tuple[str, str]:
    """Return the signs of q and r that give a template its sign."""
    if template.sign == "mixed":
        first = rng.choice("+-")
        return first, _OPPOSITE[first]
    if template.sign == "not q":
        return _OPPOSITE[sign], ""
    return sign, _OPPOSITE[sign] if template.contrast else sign


def _quality(
    world: World,
    rng: random.Random,
    thing: str,
    aspect: str | None,
    sign: str,
    template: Template,
    policy: Policy,
    taken: set[Filler],
    near: str,
) -> str | None:
    found = _fitting(world, thing, aspect, sign, template.natural)
    options = [q for q in found if q not in taken]
    if near:
        options = [q for q in options if world.quality[q].tags & world.quality[near].tags]
    noun = aspect or thing
    if policy.split == "train":
        options = [q for q in options if pair_split(q, noun) == "train"]
        return rng.choices(options, _preferences(noun, tuple(options)))[0] if options else None
    # Elsewhere every combination counts the same; held-out ones are looked for first.
    held = [q for q in options if pair_split(q, noun) == policy.split]
    if held and policy.held != "template":
        return rng.choice(held)
    return rng.choice(options) if options else None


def _fitting(world: World, thing: str, aspect: str | None, sign: str, natural: bool) -> list[str]:
    key = (thing, aspect, sign, natural)
    if key not in (known := world.fitting):
        known[key] = qualities(world, thing, aspect, sign, natural)
    return known[key]


@lru_cache(maxsize=100_000)
def _preferences(noun: str, options: tuple[str, ...]) -> list[float]:
    """Return Zipf weights: every noun has favourites of its own among what suits it."""
    ranked = sorted(options, key=lambda quality: share("favourite", noun, quality))
    return [1 / (1 + ranked.index(quality)) for quality in options]
