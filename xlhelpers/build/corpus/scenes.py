"""Scenes and what follows from them: premise, hypothesis, and the relation between the two.

A scene is one agent, described, with one activity, a spot and an extra fact; or it says of an
agent, or of everybody, that something is not being done. Two sentences of a pair speak of the
same moment and, where their agents fit (`man`, `person`), of the same agent.

`relation` decides. It is cautious: where speakers may differ (is who dances making music?) it
answers None, and such pairs are not used.

* Affirmed: leaving something out, or naming it by its hypernym, is entailed. An extra fact is
  kept only with the very activity and spot it was said of: who swims in the river for the first
  time may well have done sport before.
* Contradictory are activities of different kinds (unless one is free, or they go together:
  eating and reading), and indoors against outdoors, of the same agent: a man who sleeps is not
  the person who swims, but where an animal sleeps the dog may well be running.
* "The man is sleeping" entails "The man is not reading"; it leaves open whether nobody reads.
* Under negation the direction turns round: "Nobody is doing sport" entails "Nobody is playing
  football in the park", not the reverse.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from xlhelpers.build.grammar import Meaning, World
from xlhelpers.build.grammar.sampling import sort_of

ENTAILMENT, NEUTRAL, CONTRADICTION = "entailment", "neutral", "contradiction"
RELATIONS = (ENTAILMENT, NEUTRAL, CONTRADICTION)
HYPERNYM = {"i": "indoors", "o": "outdoors"}

# Kinds that one person may well do at once.
_TOGETHER = frozenset(
    frozenset(pair)
    for pair in (("rest", "read"), ("rest", "eat"), ("rest", "make_music"), ("eat", "read"))
)
# Free activities contradict nothing; only with these kinds do they plainly go together.
_BESIDE = {
    "drink_tea": frozenset({"read", "rest"}),
    "drink_water": frozenset({"read", "rest"}),
    "wait_for_bus": frozenset({"read", "eat", "rest", "make_music"}),
    "sing": frozenset({"garden", "rest"}),
    "talk_on_phone": frozenset({"garden", "rest"}),
}
_ODD = frozenset({("young", "grandmother"), ("young", "grandfather")})


@dataclass(frozen=True, slots=True)
class Scene:
    """What a sentence says; `""` where it says nothing.

    Attributes:
        agent, activity, trait, spot, extra: concepts of the world.
        negation: `""`, `"not"` or `"nobody"` (which has no agent).
    """

    agent: str = ""
    activity: str = ""
    trait: str = ""
    spot: str = ""
    extra: str = ""
    negation: str = ""

    @property
    def size(self) -> int:
        """How many things are said."""
        said = (self.agent, self.activity, self.trait, self.spot, self.extra)
        return sum(map(bool, said))


_SLOTS = {"g": "agent", "j": "trait", "v": "activity", "w": "spot", "e": "extra"}


def meaning(scene: Scene, held: str = "") -> Meaning | None:
    """Return the sentence that describes a scene, None where the world has no template.

    Args:
        held: name of a held-out template for an agent, an activity and a spot.
    """
    slots = {slot: getattr(scene, name) for slot, name in _SLOTS.items() if getattr(scene, name)}
    said = "".join(slot for slot in "jvwe" if slot in slots)
    if scene.negation:
        template = f"{scene.negation}_{said}" if said in ("v", "vw") else ""
    elif not scene.activity:
        template = f"there_{said}" if said in ("w", "jw") else ""
    else:
        template = held if held and said == "vw" else said
    return Meaning.of(f"scene.{template}", slots) if template else None


def makes_sense(scene: Scene, world: World) -> bool:
    """Whether agent, trait, activity, spot and extra go together."""
    sort = "p" if scene.negation == "nobody" else sort_of(world, scene.agent)
    who = [world.trait_who[scene.trait]] if scene.trait else []
    who += [world.activity[scene.activity].who] if scene.activity else []
    who += [world.extra[scene.extra][0]] if scene.extra else []
    if any(sort not in allowed for allowed in who) or (scene.trait, scene.agent) in _ODD:
        return False
    return len(_sides(scene, world)) < 2


def _sides(scene: Scene, world: World) -> set[str]:
    """Return `i` and `o` as far as spot, activity and extra say or imply them."""
    sides = {_spot_side(scene, world)}
    sides.add(world.activity[scene.activity].where if scene.activity else "b")
    sides.add(world.extra[scene.extra][1] if scene.extra else "b")
    return sides - {"b"}


def _spot_side(scene: Scene, world: World) -> str:
    return world.spot_where[scene.spot] if scene.spot else "b"


# ── relations ────────────────────────────────────────────────────────────────────────────


def relation(premise: Scene, hypothesis: Scene, world: World) -> str | None:
    """Return what the premise says of the hypothesis, None where that is unclear."""
    if premise == hypothesis or not _fit(premise, hypothesis, world):
        return None
    if premise.negation:
        return _from_negative(premise, hypothesis, world)
    if hypothesis.negation:
        return _to_negative(premise, hypothesis, world)
    return _affirmed(premise, hypothesis, world)


def _fit(premise: Scene, hypothesis: Scene, world: World) -> bool:
    """Whether the two may speak of the same agent."""
    if "nobody" in (premise.negation, hypothesis.negation):
        agents = [scene.agent for scene in (premise, hypothesis) if scene.agent]
        return all(sort_of(world, agent) == "p" for agent in agents)
    one, other = premise.agent, hypothesis.agent
    return one == other or world.agent_parent[one] == other or world.agent_parent[other] == one


def activities(one: str, other: str, world: World) -> str:
    """Compare two activities: `same`, `kind` (the second is the kind of the first), `case` (the
    reverse), `apart` (cannot be done at once), `open` (can), or `unclear`."""
    first, second = world.activity[one], world.activity[other]
    if one == other:
        return "same"
    if first.parent == other:
        return "kind"
    if second.parent == one:
        return "case"
    kinds = (first.parent or one, second.parent or other)
    if first.free or second.free:
        return _with_free(one, other, kinds, world)
    if kinds[0] == kinds[1]:
        return "unclear"
    if "sleep" in (one, other):
        return "apart"
    if frozenset(kinds) in _TOGETHER or ("work" in (one, other) and "rest" not in kinds):
        return "unclear"
    return "apart"


def _with_free(one: str, other: str, kinds: tuple[str, str], world: World) -> str:
    if {one, other} & {"sleep", "work"} or world.activity[one].free == world.activity[other].free:
        return "unclear"
    free, kind = (one, kinds[1]) if world.activity[one].free else (other, kinds[0])
    return "open" if kind in _BESIDE.get(free, ()) else "unclear"


def _spot_follows(premise: str, hypothesis: str, world: World) -> bool:
    """Whether who is at the first spot is at the second."""
    if not hypothesis or premise == hypothesis:
        return True
    return bool(premise) and HYPERNYM[world.spot_where[premise]] == hypothesis


def _two_places(premise: Scene, hypothesis: Scene, world: World) -> bool:
    """Whether both name a spot, on the same side, and neither spot takes in the other."""
    one, other = premise.spot, hypothesis.spot
    if not one or not other or _spot_side(premise, world) != _spot_side(hypothesis, world):
        return False
    return not _spot_follows(one, other, world) and not _spot_follows(other, one, world)


def _affirmed(premise: Scene, hypothesis: Scene, world: World) -> str | None:
    more_special = world.agent_parent[hypothesis.agent] == premise.agent
    if premise.extra and hypothesis.extra and premise.extra != hypothesis.extra:
        return None
    if premise.trait and hypothesis.trait and premise.trait != hypothesis.trait:
        return None
    done = "none"
    if premise.activity and hypothesis.activity:
        done = activities(premise.activity, hypothesis.activity, world)
    if done == "unclear":
        return None
    spots = {_spot_side(premise, world), _spot_side(hypothesis, world)}
    if done == "apart" or spots == {"i", "o"}:
        return None if more_special else CONTRADICTION
    if len(_sides(premise, world) | _sides(hypothesis, world)) > 1:
        return None
    if _two_places(premise, hypothesis, world):
        return None  # a park may have a garden
    if hypothesis.spot in HYPERNYM.values() and not premise.spot and _sides(premise, world):
        return None
    if premise.spot in HYPERNYM.values() and not hypothesis.spot and _sides(hypothesis, world):
        return None
    follows = (
        not more_special
        and hypothesis.trait in ("", premise.trait)
        and (not hypothesis.activity or done in ("same", "kind"))
        and _spot_follows(premise.spot, hypothesis.spot, world)
        and hypothesis.extra in ("", premise.extra)
    )
    if not follows:
        return NEUTRAL
    kept = done == "same" and premise.spot == hypothesis.spot
    return ENTAILMENT if not hypothesis.extra or kept else None


def _to_negative(premise: Scene, hypothesis: Scene, world: World) -> str | None:
    """Relate "someone does this" to "someone, or nobody, does that"."""
    nobody = hypothesis.negation == "nobody"
    special = not nobody and world.agent_parent[hypothesis.agent] == premise.agent
    if not premise.activity:
        done = "none"
    else:
        done = activities(premise.activity, hypothesis.activity, world)
    spot = hypothesis.spot
    if done in ("same", "kind") and _spot_follows(premise.spot, spot, world):
        return None if special else CONTRADICTION
    if done == "unclear":
        return None
    if nobody:
        return NEUTRAL if not spot or premise.spot else None
    if _two_places(premise, hypothesis, world):
        return None
    elsewhere = {_spot_side(premise, world), _spot_side(hypothesis, world)} == {"i", "o"}
    if done == "apart" or elsewhere:
        return None if special else ENTAILMENT
    both = _sides(premise, world) | _sides(hypothesis, world)
    return NEUTRAL if len(both) < 2 else None


def _from_negative(premise: Scene, hypothesis: Scene, world: World) -> str | None:
    """Relate "someone, or nobody, does this" to whatever is said next."""
    if not hypothesis.activity:
        return NEUTRAL if premise.spot != hypothesis.spot else None
    done = activities(hypothesis.activity, premise.activity, world)
    # What is denied of the premise's activity and spot is denied of every case of them.
    denied = done in ("same", "kind") and (
        not premise.spot or _spot_follows(hypothesis.spot, premise.spot, world)
    )
    everybody = premise.negation == "nobody"
    if hypothesis.negation == "nobody" and not everybody:
        return NEUTRAL
    same = everybody or hypothesis.agent in (premise.agent, world.agent_parent[premise.agent])
    if denied:
        return None if not same else ENTAILMENT if hypothesis.negation else CONTRADICTION
    return NEUTRAL if same and done != "unclear" else None


# ── drawing ──────────────────────────────────────────────────────────────────────────────


def draw(world: World, rng: random.Random, negation: str = "") -> Scene:
    """Return a random scene that makes sense, with none to two modifiers."""
    while True:
        agent = "" if negation == "nobody" else rng.choice(world.concepts["agent"])
        activity = rng.choice(world.concepts["activity"])
        said = {"trait": "", "spot": "", "extra": ""}
        kinds = ("spot",) if negation else ("trait", "spot", "extra")
        for kind in rng.sample(kinds, min(len(kinds), rng.choice((0, 1, 1, 2)))):
            said[kind] = rng.choice(world.concepts[kind])
        if not negation and said["spot"] and not said["extra"] and rng.random() < 0.1:
            activity = ""
        scene = Scene(agent, activity, **said, negation=negation)
        if makes_sense(scene, world) and meaning(scene) is not None:
            return scene


def near(world: World, rng: random.Random, scene: Scene, negation: str) -> Scene:
    """Return a variation of a scene: kept, generalised, made special, or something else."""
    agent = ""
    if negation != "nobody":
        agent = _near(world, rng, scene.agent or rng.choice(world.concepts["agent"]))
    activity = _near(world, rng, scene.activity) if scene.activity else ""
    if not activity or rng.random() < 0.4:
        activity = rng.choice(world.concepts["activity"])
    said = {
        kind: rng.choice((getattr(scene, kind), "", rng.choice(world.concepts[kind])))
        for kind in (("spot",) if negation else ("trait", "spot", "extra"))
    }
    return Scene(agent, activity, **said, negation=negation)


def _near(world: World, rng: random.Random, concept: str) -> str:
    """Return a concept, its kind, or a case of it."""
    others = world.relatives[concept]
    return rng.choice(others) if others and rng.random() < 0.5 else concept
