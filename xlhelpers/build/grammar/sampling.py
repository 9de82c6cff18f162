"""Fillers that fit together: which quality suits which noun, who does what where.

What makes sense is decided here, once for all languages; which meanings a data set has is
decided in `xlhelpers.build.corpus`.
"""

from __future__ import annotations

import random
from collections.abc import Collection

from xlhelpers.build.grammar.world import Filler, Meaning, Template, World


def tags_of(world: World, thing: str, aspect: str | None = None) -> frozenset[str]:
    """Return the tags of qualities that suit a thing, or an aspect of it."""
    kind = world.thing_kind[thing]
    return world.suits[kind] if aspect is None else world.aspects[kind][aspect]


def qualities(
    world: World, thing: str, aspect: str | None = None, signs: str = "+-0", natural: bool = False
) -> list[str]:
    """Return the qualities that suit, of the signs asked for.

    Args:
        natural: only those that are naturally denied and graded.
    """
    tags = tags_of(world, thing, aspect)
    return [
        name
        for name, quality in world.quality.items()
        if quality.tags & tags and quality.sign in signs and (quality.natural or not natural)
    ]


def plausible(world: World, template: Template, rng: random.Random) -> Meaning:
    """Return a random meaning that makes sense."""
    if template.domain == "review":
        return _review(world, template, rng)
    if template.domain == "scene":
        return Meaning.of(template.name, _scene(world, template, rng))
    slots: dict[str, Filler] = {}
    for slot, category in template.slots.items():
        options = [f for f in news_fillers(world, category, rng) if f not in slots.values()]
        slots[slot] = rng.choice(options)
    return Meaning.of(template.name, slots)


def news_fillers(world: World, category: str, rng: random.Random) -> list[Filler]:
    """Return what a slot of the news may hold; half of the organisations are brands."""
    if category != "org":
        return list(world.concepts[category])
    if rng.random() < 0.5:
        return [("brand", brand) for brand in world.concepts["brand"]]
    return [org for org in world.organisations() if org[0] == "institution"]


def _review(world: World, template: Template, rng: random.Random) -> Meaning:
    """Draw until the noun has the qualities that the template asks for."""
    for _ in range(1000):
        thing = rng.choice(world.things(template))
        slots = review_slots(world, template, thing, rng)
        if slots is not None:
            return Meaning.of(template.name, slots)
    raise AssertionError(f"nothing fits {template.name}")


def review_slots(
    world: World,
    template: Template,
    thing: str,
    rng: random.Random,
    signs: str = "+-0",
    not_aspects: Collection[str] = (),
) -> dict[str, Filler] | None:
    """Fill a review template for a thing; None where nothing fits."""
    kind = world.thing_kind[thing]
    slots: dict[str, Filler] = {"x": thing}
    for slot in ("a", "b"):
        if slot in template.slots:
            free = [
                a for a in world.aspects[kind] if a not in slots.values() and a not in not_aspects
            ]
            if not free:
                return None
            slots[slot] = rng.choice(free)
    for slot in ("k", "t", "d"):
        if slot in template.slots:
            slots[slot] = rng.choice(world.concepts[template.slots[slot]])
    return slots if _qualities(world, template, thing, slots, rng, signs) else None


def _qualities(
    world: World,
    template: Template,
    thing: str,
    slots: dict[str, Filler],
    rng: random.Random,
    signs: str,
) -> bool:
    if "q" not in template.slots:
        return True
    signs = template.only or ("+-" if template.polar or "r" in template.slots else signs)
    first = qualities(world, thing, slots.get("a"), signs, natural=template.natural)  # type: ignore[arg-type]
    if not first:
        return False
    slots["q"] = rng.choice(first)
    if "r" not in template.slots:
        return True
    sign = world.quality[str(slots["q"])].sign
    opposite = template.contrast or template.sign == "mixed"
    wanted = {"+": "-", "-": "+"}[sign] if opposite else sign
    at = slots.get("b") if "b" in template.slots else None
    second = [r for r in qualities(world, thing, at, wanted) if r != slots["q"]]  # type: ignore[arg-type]
    if template.contrast:
        tags = world.quality[str(slots["q"])].tags
        second = [r for r in second if world.quality[r].tags & tags]
    if not second:
        return False
    slots["r"] = rng.choice(second)
    return True


# ── scenes ───────────────────────────────────────────────────────────────────────────────


def sort_of(world: World, agent: str) -> str:
    """Return `p` for people, `a` for animals."""
    top = world.agent_parent[agent] or agent
    return "p" if top in ("person", "people") else "a"


def _scene(world: World, template: Template, rng: random.Random) -> dict[str, Filler]:
    agent = rng.choice(list(world.agent_parent))
    sort = sort_of(world, agent) if "g" in template.slots else "p"
    slots: dict[str, Filler] = {"g": agent} if "g" in template.slots else {}
    where = rng.choice("io")
    if "v" in template.slots:
        slots["v"] = rng.choice(
            [v for v, a in world.activity.items() if sort in a.who and a.where in (where, "b")]
        )
    if "w" in template.slots:
        slots["w"] = rng.choice([w for w, there in world.spot_where.items() if there == where])
    if "j" in template.slots:
        slots["j"] = rng.choice([j for j, who in world.trait_who.items() if sort in who])
    if "e" in template.slots:
        slots["e"] = rng.choice(
            [e for e, (who, there) in world.extra.items() if sort in who and there in (where, "b")]
        )
    return slots
