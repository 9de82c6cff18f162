"""Pairs of premise and hypothesis whose labels no half of the pair gives away.

The hypothesis comes first, from one distribution for all labels, and is kept only if a premise
for every label can be found. Negation and general words are shared out so that the hypothesis is
negative equally often under each label, and general equally often; so is the premise.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass

from xlhelpers.build.corpus.scenes import (
    CONTRADICTION,
    ENTAILMENT,
    NEUTRAL,
    RELATIONS,
    Scene,
    draw,
    makes_sense,
    meaning,
    near,
    relation,
)
from xlhelpers.build.corpus.splits import Split, scene_split
from xlhelpers.build.grammar import World

_NEGATIVE = 0.3  # hypotheses
_GENERAL = 0.4  # hypotheses on "a person"; hypotheses with "doing sport"
# How much more a premise says than its hypothesis, in slots; the same for every label.
_LONGER = {0: 0.4, 1: 0.4, 2: 0.2}

# How often a premise is negative, where the hypothesis is not, and where it is. It comes to 10 %
# for each label. No affirmed hypothesis follows from a negative premise, and no two negative
# sentences contradict each other.
_PREMISE_NEGATIVE = {
    ENTAILMENT: (0.0, 1 / 3),
    NEUTRAL: (1 / 14, 1 / 6),
    CONTRADICTION: (1 / 7, 0.0),
}
# How often a premise is general, where the hypothesis is not, and where it is. It comes to 20 %.
_PREMISE_GENERAL = {
    ENTAILMENT: (0.0, 1 / 2),
    NEUTRAL: (1 / 6, 1 / 4),
    CONTRADICTION: (0.0, 1 / 2),
}
_TRIES = 1500


@dataclass(frozen=True, slots=True)
class Pair:
    """A premise, a hypothesis, and what the one says of the other."""

    premise: Scene
    hypothesis: Scene
    label: str


@dataclass(frozen=True, slots=True)
class _Wish:
    """What a premise should look like."""

    negative: bool
    general_agent: bool
    general_activity: bool


def pairs(world: World, rng: random.Random, count: int, split: Split) -> list[Pair]:
    """Return `count` pairs (a multiple of 3), the labels equally often, none twice."""
    found: dict[tuple[Scene, Scene], Pair] = {}
    while len(found) < count:
        label = RELATIONS[len(found) % len(RELATIONS)]
        hypothesis, wishes = _hypothesis(world, rng, split)
        premises = _premises(world, rng, hypothesis, wishes, split)
        if len(premises) == len(RELATIONS) and (premises[label], hypothesis) not in found:
            pair = Pair(premises[label], hypothesis, label)
            found[pair.premise, hypothesis] = pair
    made = list(found.values())
    rng.shuffle(made)
    return made


def _hypothesis(world: World, rng: random.Random, split: Split) -> tuple[Scene, dict[str, _Wish]]:
    """Return a hypothesis, and what the premise should look like under each label."""
    negative, agent, activity = (rng.random() < p for p in (_NEGATIVE, _GENERAL, _GENERAL))
    wishes = {
        label: _Wish(
            rng.random() < _PREMISE_NEGATIVE[label][negative],
            rng.random() < _PREMISE_GENERAL[label][agent],
            rng.random() < _PREMISE_GENERAL[label][activity],
        )
        for label in RELATIONS
    }
    while True:
        negation = rng.choice(("not", "not", "nobody")) if negative else ""
        scene = draw(world, rng, negation)
        if _general(scene, world, agent, activity) and scene_split(scene) == split:
            return scene, wishes


def _general(scene: Scene, world: World, agent: bool, activity: bool) -> bool:
    """Whether agent and activity, where there are any, are general or not, as asked."""
    wanted = ((scene.agent, agent), (scene.activity, activity))
    return all(not said or (said in world.general) == general for said, general in wanted)


def _premises(
    world: World,
    rng: random.Random,
    hypothesis: Scene,
    wishes: Mapping[str, _Wish],
    split: Split,
) -> dict[str, Scene]:
    """Return a premise for every label for which one as wished was found."""
    longer = rng.choices(tuple(_LONGER), tuple(_LONGER.values()))[0]
    found: dict[str, Scene] = {}
    negatives = any(wish.negative for wish in wishes.values())
    for _ in range(_TRIES):
        negative = negatives and rng.random() < 0.5
        premise = near(world, rng, hypothesis, rng.choice(("not", "nobody")) if negative else "")
        # Negative sentences have few slots; their length is what it is.
        if not negative and premise.size != hypothesis.size + longer:
            continue
        if not makes_sense(premise, world) or meaning(premise) is None:
            continue
        label = relation(premise, hypothesis, world)
        if label is None or label in found or wishes[label].negative != negative:
            continue
        wish = wishes[label]
        # Under negation inferences run from the general to the special.
        fits = negative or _general(premise, world, wish.general_agent, wish.general_activity)
        if fits and scene_split(premise) == split:
            found[label] = premise
            if len(found) == len(RELATIONS):
                break
    return found
