"""News: short reports in which people, places and organisations come back."""

from __future__ import annotations

import random
from collections.abc import Callable

from xlhelpers.build.corpus.splits import is_late
from xlhelpers.build.grammar import Filler, Meaning, Template, World
from xlhelpers.build.grammar.sampling import news_fillers

_RETURNING = 0.6  # how often a slot takes someone of whom the report has spoken already

Admits = Callable[[str, Filler], bool]


def seen_names(category: str, filler: Filler) -> bool:
    """Admit what may occur everywhere; late names are for test sets."""
    return not is_late(category, filler)


def sentence(
    world: World,
    rng: random.Random,
    template: Template,
    admits: Admits = seen_names,
    cast: dict[str, list[Filler]] | None = None,
) -> Meaning:
    """Return a sentence; `cast` holds who was named before, by category, and grows."""
    slots: dict[str, Filler] = {}
    for slot, category in template.slots.items():
        known = [f for f in (cast or {}).get(category, ()) if f not in slots.values()]
        if known and rng.random() < _RETURNING:
            slots[slot] = rng.choice(known)
            continue
        options = [f for f in news_fillers(world, category, rng) if admits(category, f)]
        slots[slot] = rng.choice([f for f in options if f not in slots.values()])
        if cast is not None:
            cast.setdefault(category, []).append(slots[slot])
    return Meaning.of(template.name, slots)


def document(world: World, rng: random.Random, sentences: int) -> list[Meaning]:
    """Return a report made of templates and names that are not held out."""
    templates = [template for template in world.domain("news") if not template.hold]
    cast: dict[str, list[Filler]] = {}
    return [sentence(world, rng, t, cast=cast) for t in rng.sample(templates, sentences)]


def varieties(world: World, rng: random.Random, meaning: Meaning, count: int) -> list[Meaning]:
    """Return meanings that differ from a news sentence in one name (or day, topic, event) alone.

    Args:
        count: how many are drawn; two that are alike count once.
    """
    template = world.templates[meaning.template]
    slots = dict(meaning.slots)
    found: list[Meaning] = []
    for _ in range(count):
        slot = rng.choice(list(template.slots))
        category = template.slots[slot]
        options = [f for f in news_fillers(world, category, rng) if seen_names(category, f)]
        other = rng.choice([f for f in options if f not in slots.values()])
        found.append(Meaning.of(meaning.template, {**slots, slot: other}))
    return list(dict.fromkeys(found))


def has_late_name(world: World, meaning: Meaning) -> bool:
    """Whether a sentence names somebody, some place or some firm that training never does."""
    slots = world.templates[meaning.template].slots
    return any(is_late(slots[slot], filler) for slot, filler in meaning.slots)
