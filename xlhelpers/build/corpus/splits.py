"""What is held out: decided by a hash of the thing itself, so that no seed can undo it.

A pair of quality and noun, a name, or a scene falls into train, dev or test for good. Pretraining
and training text is made from train alone.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

from xlhelpers.build.grammar import Filler, Meaning, World

Split = Literal["train", "dev", "test"]
SPLITS: tuple[Split, ...] = ("train", "dev", "test")

# Shares of (dev, test) among pairs of quality and noun, and among scenes; of late names.
_PAIRS = (0.06, 0.14)
_SCENES = (0.12, 0.20)
_LATE = 0.25


def share(*parts: str) -> float:
    """Return a number in [0, 1) that depends on the strings alone, on every machine."""
    digest = hashlib.sha256("\x1f".join(parts).encode("utf-8")).digest()
    return int.from_bytes(digest[:7], "big") / 256**7


def _portion(at: float, shares: tuple[float, float]) -> Split:
    dev, test = shares
    return "train" if at >= dev + test else "test" if at >= dev else "dev"


def pair_split(quality: str, noun: str) -> Split:
    """Return where a combination of quality and noun may occur."""
    return _portion(share("pair", quality, noun), _PAIRS)


def scene_split(scene: object) -> Split:
    """Return where a scene may be described; `scene` by its `repr`."""
    return _portion(share("scene", repr(scene)), _SCENES)


def is_late(category: str, filler: Filler) -> bool:
    """Whether a name occurs in test sets only; an institution by its place."""
    if isinstance(filler, tuple):
        name = ("place_name", filler[2]) if filler[0] == "institution" else ("brand", filler[1])
        return is_late(*name)
    named = category in ("person", "place_name", "brand")
    return named and share("stranger", category, filler) < _LATE


def pairs(meaning: Meaning) -> list[tuple[str, str]]:
    """Return the (quality, noun) combinations of a review sentence."""
    slots = {slot: str(filler) for slot, filler in meaning.slots}
    found = []
    for quality, noun in (("q", "a"), ("r", "b")):
        if quality in slots:
            found.append((slots[quality], slots.get(noun, slots["x"])))
    return found


@dataclass(frozen=True, slots=True)
class Policy:
    """What a data set may contain.

    Attributes:
        held: for test sets, `"template"` (sentences of held-out templates) or `"pair"` (known
            templates, held-out combinations); `""` elsewhere.
    """

    split: Split = "train"
    held: Literal["", "template", "pair"] = ""

    def admits(self, meaning: Meaning, world: World) -> bool:
        """Whether a review sentence may stand in this set."""
        hold = world.templates[meaning.template].hold
        splits = {pair_split(*pair) for pair in pairs(meaning)}
        if self.split == "train":
            return not hold and splits <= {"train"}
        if self.split == "dev":
            return not hold and "dev" in splits and "test" not in splits
        if self.held == "template":
            return hold and "dev" not in splits
        return not hold and "test" in splits and "dev" not in splits
