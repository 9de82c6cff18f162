"""Pretraining text: documents for each language on its own, and the same meanings in all.

Nothing held out occurs in it: no held-out template, pair, scene or late name. Moreover no
sentence of a development or test set does, whatever wording a language shares between meanings.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from xlhelpers.build.corpus import news, reviews, scenes
from xlhelpers.build.corpus.sets import join, say
from xlhelpers.build.corpus.splits import Policy, scene_split
from xlhelpers.build.grammar import Grammar, Meaning, World
from xlhelpers.build.grammar.realise import Sentence

# Shares of the domains.
MIX = {"review": 0.60, "news": 0.25, "scene": 0.15}
_STANCES = {"positive": 0.55, "negative": 0.30, "neutral": 0.15}
_RATINGS = {"positive": ("5/5", "4/5"), "neutral": ("3/5",), "negative": ("1/5", "2/5")}
_WRONG = 0.10  # ratings that belong to another stance
_LENGTHS = (2, 3, 4)
_TRIES = 200
SWITCHED = "mixed"  # the key of a sentence in several languages
_SWITCH = 0.5  # share of the slots that another language fills
_VARIETIES = 3  # sentences beside a sentence that differ from it in one word


@dataclass(frozen=True, slots=True)
class Document:
    """A text with what it is made of.

    Attributes:
        domain: review, news or scene.
        label: the stance of a review, `""` elsewhere. For analysis; models do not see it.
        sentences: in order, the rating not among them.
        text: all of it.
    """

    domain: str
    label: str
    sentences: tuple[str, ...]
    text: str


def documents(
    world: World,
    grammar: Grammar,
    count: int,
    seed: int = 0,
    *,
    ratings: float = 0.0,
    forbidden: Collection[str] = (),
) -> Iterator[Document]:
    """Yield pretraining documents of one language; other languages have other meanings.

    Args:
        ratings: share of the reviews that end with a rating such as `4/5`; a tenth of them
            are wrong, as people's are. 0.35 in the models that saw ratings.
        forbidden: sentences that must not occur (those of development and test sets).
    """
    rng = random.Random(f"{seed} pretraining {grammar.code}")
    number = made = 0
    barred = frozenset(forbidden)
    while made < count:
        number += 1
        domain = rng.choices(tuple(MIX), tuple(MIX.values()))[0]
        label, meanings = _draw(world, rng, domain)
        seed_here = f"{seed} pretraining {number}"
        said = say(meanings, {grammar.code: grammar}, seed_here, plain=True)[grammar.code]
        if barred.intersection(sentence.text for sentence in said):
            continue
        made += 1
        text = join(said, grammar)
        if label and rng.random() < ratings:
            text += grammar.join + _rating(rng, label)
        yield Document(domain, label, tuple(s.text for s in said), text)


def parallel(
    world: World,
    grammars: Mapping[str, Grammar],
    count: int,
    seed: int = 0,
    *,
    forbidden: Mapping[str, Collection[str]] | None = None,
) -> list[list[dict[str, str]]]:
    """Return `count` meanings or a few more in every language, in groups of similar ones.

    A group is a sentence and others that differ from it in one word: the quality of a review's
    sentence, some of the opposite sign, or a name in the news. In a batch they are the wrong
    answers that teach most. Scenes stand alone. A meaning occurs once: where the sentence came up
    before, its group has the others alone. Where a language's
    sentence is forbidden, all leave it out. There are fewer where nothing new comes up.

    Beside the languages a row has, under `SWITCHED`, the sentence of one with words of others,
    where it has slots to fill: code-switching as in pretraining by Yang et al. (2020, AAAI).
    """
    rng = random.Random(f"{seed} parallel")
    barred = {code: frozenset(texts) for code, texts in (forbidden or {}).items()}
    groups: list[list[dict[str, str]]] = []
    seen: set[Meaning] = set()
    number = idle = made = 0
    while made < count and idle < 1000:
        number += 1
        idle += 1
        domain = rng.choices(tuple(MIX), tuple(MIX.values()))[0]
        meaning = rng.choice(_draw(world, rng, domain)[1])
        group: list[dict[str, str]] = []
        for place, variety in enumerate((meaning, *_varieties(world, rng, domain, meaning))):
            if variety in seen:
                continue
            seen.add(variety)  # tried once: no other wording slips past what is forbidden
            said = say([variety], grammars, f"{seed} parallel {number} {place}", plain=True)
            row = {code: sentences[0].text for code, sentences in said.items()}
            if any(text in barred.get(code, ()) for code, text in row.items()):
                continue
            mixed = switched({code: s[0] for code, s in said.items()}, f"{seed} {number} {place}")
            usual = mixed in row.values() or any(mixed in texts for texts in barred.values())
            group.append(row if usual else {**row, SWITCHED: mixed})
        if group:
            groups.append(group)
            made += len(group)
            idle = 0
    return groups


def switched(said: Mapping[str, Sentence], seed: str) -> str:
    """Return a sentence of one language in which others say some of its slots.

    Args:
        said: a meaning by language, realised `plain`.
    """
    rng = random.Random(f"{seed} switched")
    base = said[rng.choice(sorted(said))]
    others: dict[str, list[str]] = {}
    for sentence in said.values():
        for slot, start, end in sentence.slots:
            others.setdefault(slot, []).append(sentence.text[start:end])
    text = base.text
    # From the end, so that the places of what comes before stay.
    for slot, start, end in sorted(base.slots, key=lambda place: -place[1]):
        if rng.random() < _SWITCH:
            text = text[:start] + rng.choice(others[slot]) + text[end:]
    return text


def _varieties(world: World, rng: random.Random, domain: str, meaning: Meaning) -> list[Meaning]:
    if domain == "scene":
        return []
    look = reviews.varieties if domain == "review" else news.varieties
    return look(world, rng, meaning, _VARIETIES)


def _draw(world: World, rng: random.Random, domain: str) -> tuple[str, Sequence[Meaning]]:
    """Return the label and the meanings of a document."""
    length = rng.choice(_LENGTHS)
    if domain == "news":
        return "", news.document(world, rng, length)
    if domain == "scene":
        return "", _scenes(world, rng, length)
    label = rng.choices(tuple(_STANCES), tuple(_STANCES.values()))[0]
    while (meanings := reviews.document(world, rng, label, length, Policy())) is None:
        pass
    return label, meanings


def _scenes(world: World, rng: random.Random, length: int) -> list[Meaning]:
    """Return what one agent does in one place."""
    while True:
        first = _free(world, rng)
        if not first.agent:
            continue
        found = [first]
        for _ in range(_TRIES):
            if len(found) == length:
                return [m for scene in found if (m := scenes.meaning(scene)) is not None]
            other = _free(world, rng)
            spot = first.spot if other.spot and not other.negation else other.spot
            scene = replace(other, agent=first.agent, spot=spot)
            if other.negation == "nobody" or not _usable(scene, world):
                continue
            if scene.activity not in {said.activity for said in found}:
                found.append(scene)


def _free(world: World, rng: random.Random) -> scenes.Scene:
    """Return a scene that is not held out."""
    while True:
        scene = scenes.draw(world, rng, rng.choices(("", "not", "nobody"), (8, 1, 1))[0])
        if scene_split(scene) == "train":
            return scene


def _usable(scene: scenes.Scene, world: World) -> bool:
    return scenes.makes_sense(scene, world) and scene_split(scene) == "train"


def _rating(rng: random.Random, label: str) -> str:
    if rng.random() < _WRONG:
        label = rng.choice([other for other in _RATINGS if other != label])
    return rng.choice(_RATINGS[label])
