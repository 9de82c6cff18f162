"""The mini models: which there are, what each reads, how each is trained.

Sizes are documents of 2 to 4 sentences. As on the web, languages are not equal: English has
most, Swahili least. Yoruba is in no list: notebook 06 needs a language no model has seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal

from xlhelpers.pretraining import Recipe

Kind = Literal["bert", "xlmr"]

UNSEEN = "yo"
LANGUAGES = ("en", "de", "nl", "fr", "es", "pt", "ru", "ar", "hi", "zh", "sw")

# Documents in the larger of the two corpora; the smaller has SMALL of them.
DOCUMENTS: Mapping[str, int] = MappingProxyType(
    {
        "en": 16_000,
        "de": 12_000,
        "es": 12_000,
        "fr": 12_000,
        "ru": 10_000,
        "zh": 10_000,
        "pt": 8_000,
        "nl": 8_000,
        "ar": 6_000,
        "hi": 4_000,
        "sw": 2_000,
    }
)
SMALL = 0.4
PARALLEL = 12_000  # meanings, in all languages
RATINGS = 0.35  # share of reviews with a rating, where a plan has them


@dataclass(frozen=True, slots=True)
class Plan:
    """A mini model to be made.

    Attributes:
        name: its folder in `data/models/`.
        kind: architecture and vocabulary.
        recipe: how it is trained; its seed is also that of the first weights.
        languages: whose text it reads.
        share: of `DOCUMENTS`.
        ratings: whether reviews keep their ratings.
        vocabulary: entries of the tokenizer.
        disguised: letters of every language but English moved to a range of their own.
        says: what it is for, a sentence for its card.
        like: the real models it stands for.
        width: units of a layer; a head of attention has 32.
        layers: how many.
    """

    name: str
    kind: Kind
    recipe: Recipe
    languages: tuple[str, ...] = LANGUAGES
    share: float = 1.0
    ratings: bool = False
    vocabulary: int = 6_000
    disguised: bool = False
    says: str = ""
    like: str = ""
    width: int = 128
    layers: int = 4

    def seeded(self, seed: int) -> Plan:
        """Return the same plan with another seed for weights, order and masks."""
        name = self.name if seed == 0 else f"{self.name}-seed{seed}"
        return replace(self, name=name, recipe=replace(self.recipe, seed=seed))


PLANS: tuple[Plan, ...] = ()
