"""The little world: concepts, their features, and the templates that relate them.

Read from `data/grammar/world.toml`, which belongs to no language.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from xlhelpers import settings
from xlhelpers.errors import CourseError

DOMAINS = ("review", "news", "scene")
NAMES = ("person", "place_name", "brand")

# A concept, or an organisation: ("brand", id) or ("institution", id, place id).
Filler = str | tuple[str, ...]


class GrammarError(CourseError, ValueError):
    """A grammar file cannot be used; the message names file and row."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """A template of the world with its slots filled; no language.

    Attributes:
        template: its name with the domain, such as `"review.plain"`.
        slots: (slot, filler) pairs; in reviews the thing reviewed is slot `x`.
    """

    template: str
    slots: tuple[tuple[str, Filler], ...]

    @classmethod
    def of(cls, template: str, slots: Mapping[str, Filler]) -> Meaning:
        """Return the meaning; the order of the slots does not matter."""
        return cls(template, tuple(sorted(slots.items())))

    def __getitem__(self, slot: str) -> Filler:
        return dict(self.slots)[slot]


@dataclass(frozen=True, slots=True)
class Template:
    """What a sentence says; the fields are explained at the top of `world.toml`.

    Attributes:
        slots: slot name to category; in reviews with `x`, the thing.
        kinds: kinds of thing that it makes sense for; empty for all.
    """

    name: str
    slots: Mapping[str, str]
    sign: str = "0"
    kinds: frozenset[str] = frozenset()
    hold: bool = False
    only: str = ""
    polar: bool = False
    contrast: bool = False
    gradable: bool = False

    @property
    def natural(self) -> bool:
        """Whether it takes only natural qualities: those said with "not" and with "very"."""
        return self.gradable or self.sign == "not q"

    @property
    def domain(self) -> str:
        """`"review"`, `"news"` or `"scene"`."""
        return self.name.partition(".")[0]


@dataclass(frozen=True, slots=True)
class Quality:
    """An opinion: its sign, whether it is naturally denied and graded, and what it suits."""

    sign: str
    natural: bool
    tags: frozenset[str]


@dataclass(frozen=True, slots=True)
class Activity:
    """What is done: hypernym or `""`, who does it (`p`, `a`), where (`i`, `o`, `b`).

    `free` ones go together with others.
    """

    parent: str
    free: bool
    who: str
    where: str


@dataclass(frozen=True)
class World:
    """Everything that can be said; see `load_world`.

    Attributes:
        concepts: category to the ids of its concepts.
        thing_kind: thing to kind.
        suits: kind to the tags of qualities that suit such a thing.
        aspects: kind to aspect to tags; those of every kind included.
        spot_where: `i` or `o`. trait_who, extra: who (`p`, `a`), and where.
    """

    concepts: Mapping[str, tuple[str, ...]]
    thing_kind: Mapping[str, str]
    suits: Mapping[str, frozenset[str]]
    aspects: Mapping[str, Mapping[str, frozenset[str]]]
    quality: Mapping[str, Quality]
    gender: Mapping[str, str]
    agent_parent: Mapping[str, str]
    activity: Mapping[str, Activity]
    spot_where: Mapping[str, str]
    trait_who: Mapping[str, str]
    extra: Mapping[str, tuple[str, str]]
    templates: Mapping[str, Template]
    file: str = field(default="world.toml", compare=False)

    @cached_property
    def fitting(self) -> dict[tuple[str, str | None, str, bool], list[str]]:
        """For those who look up the same qualities again and again: what they have found."""
        return {}

    @cached_property
    def general(self) -> frozenset[str]:
        """Agents and activities that others are a kind of."""
        kinds = {activity.parent for activity in self.activity.values()}
        return frozenset({*self.agent_parent.values(), *kinds} - {""})

    @cached_property
    def relatives(self) -> dict[str, tuple[str, ...]]:
        """Agent or activity to what it is a kind of, and to its own kinds."""
        parents = {**self.agent_parent, **{v: a.parent for v, a in self.activity.items()}}
        found: dict[str, list[str]] = {concept: [] for concept in parents}
        for concept, parent in parents.items():
            if parent:
                found[concept].append(parent)
                found[parent].append(concept)
        return {concept: tuple(others) for concept, others in found.items()}

    def domain(self, name: str) -> list[Template]:
        """Return the templates of a domain, in the order of the file."""
        return [template for template in self.templates.values() if template.domain == name]

    def things(self, template: Template) -> list[str]:
        """Return the things that a review template makes sense for."""
        kinds = template.kinds or set(self.suits)
        return [thing for thing in self.concepts["thing"] if self.thing_kind[thing] in kinds]

    def fillers(self, template: Template, slot: str) -> list[Filler]:
        """Return what a slot may hold, whatever the other slots hold."""
        category = template.slots[slot]
        if category == "thing":
            return list(self.things(template))
        if category == "aspect":
            kinds = {self.thing_kind[thing] for thing in self.things(template)}
            found = [aspect for kind in kinds for aspect in self.aspects[kind]]
            return [aspect for aspect in self.concepts["aspect"] if aspect in found]
        if category == "org":
            return list(self.organisations())
        return list(self.concepts[category])

    def organisations(self) -> Iterator[tuple[str, ...]]:
        """Yield every brand, and every institution with every place."""
        for brand in self.concepts["brand"]:
            yield ("brand", brand)
        for institution in self.concepts["institution"]:
            for place in self.concepts["place_name"]:
                yield ("institution", institution, place)


def folder() -> Path:
    """Return the folder of the grammar files, in the data folder of the settings."""
    return settings.current().data / "grammar"


def load_world(file: Path | None = None) -> World:
    """Read `world.toml`.

    Raises:
        GrammarError: the file is missing, is not TOML, or contradicts itself.
    """
    file = folder() / "world.toml" if file is None else file
    raw = read_toml(file)
    try:
        world = _world(raw, file.name)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise GrammarError(
            f"{file.name}: {type(error).__name__} {error}",
            "compare the table with its neighbours; the top of the file explains the fields",
        ) from error
    _check_world(world)
    return world


def read_toml(file: Path) -> dict[str, Any]:
    """Return the tables of a TOML file in UTF-8.

    Raises:
        GrammarError: no such file, or not TOML; with the line.
    """
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise GrammarError(
            f"there is no grammar file {file.name}", f"write it into {file.parent.name}/"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise GrammarError(
            f"{file.name} is not TOML in UTF-8: {error}",
            "a table stands once, a key once in its table, a string in double quotes",
        ) from error


def _world(raw: Mapping[str, Any], name: str) -> World:
    thing_kind = {thing: kind for kind, things in raw["thing"].items() for thing in things}
    everywhere = raw["aspect"].get("all", {})
    aspects = {
        kind: {
            a: frozenset(tags) for a, tags in {**raw["aspect"].get(kind, {}), **everywhere}.items()
        }
        for kind in raw["suits"]
    }
    quality = {word: _quality(text) for word, text in raw["quality"].items()}
    activity = {word: _activity(row) for word, row in raw["activity"].items()}
    concepts = {
        "thing": tuple(thing_kind),
        "aspect": tuple(dict.fromkeys(a for table in raw["aspect"].values() for a in table)),
        **{c: tuple(raw[c]["all"]) for c in ("kin", "past", "degree", "place_name", "brand")},
        **{c: tuple(raw[c]["all"]) for c in ("institution", "role", "topic", "event", "day")},
        **{c: tuple(raw[c]) for c in ("quality", "person", "agent", "activity", "spot")},
        **{c: tuple(raw[c]) for c in ("trait", "extra")},
    }
    return World(
        concepts=concepts,
        thing_kind=thing_kind,
        suits={kind: frozenset(tags) for kind, tags in raw["suits"].items()},
        aspects=aspects,
        quality=quality,
        gender=dict(raw["person"]),
        agent_parent=dict(raw["agent"]),
        activity=activity,
        spot_where=dict(raw["spot"]),
        trait_who=dict(raw["trait"]),
        extra={word: (who, where) for word, (who, where) in raw["extra"].items()},
        templates={t.name: t for domain in DOMAINS for t in _templates(domain, raw[domain])},
        file=name,
    )


def _quality(text: str) -> Quality:
    sign, *tags = text.split()
    return Quality(sign[0], sign.endswith("!"), frozenset(tags))


def _activity(row: Sequence[str]) -> Activity:
    parent, who, where = row
    return Activity("" if parent == "free" else parent, parent == "free", who, where)


def _templates(domain: str, tables: Mapping[str, Any]) -> Iterator[Template]:
    for key, table in tables.items():
        slots = dict(table.get("slots", {}))
        if domain == "review":
            slots["x"] = "thing"
        features = {k: v for k, v in table.items() if k not in ("slots", "kinds")}
        yield Template(
            f"{domain}.{key}", slots, kinds=frozenset(table.get("kinds", ())), **features
        )


def _check_world(world: World) -> None:
    """Raise at the first reference to something that does not exist."""
    known: list[tuple[str, set[str], set[str]]] = [
        ("kind of thing", set(world.thing_kind.values()), set(world.suits)),
        ("agent", {p for p in world.agent_parent.values() if p}, set(world.agent_parent)),
        ("activity", {a.parent for a in world.activity.values()} - {""}, set(world.activity)),
    ]
    for template in world.templates.values():
        known.append(
            (
                f"category ({template.name})",
                set(template.slots.values()) - {"org"},
                set(world.concepts),
            )
        )
        known.append((f"kind ({template.name})", set(template.kinds), set(world.suits)))
        known.append(
            (
                f"sign ({template.name})",
                {template.sign},
                {"+", "-", "0", "mixed", "same", "not q", *template.slots},
            )
        )
    for what, named, there in known:
        if missing := sorted(named - there):
            raise GrammarError(
                f"{world.file}: no such {what}: {', '.join(missing)}", "add it, or correct the name"
            )
