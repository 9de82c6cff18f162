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
        disguised: Latin letters and digits of every language but English moved to a range of
            their own.
        aligned: word embeddings begin as `sentence_id_vectors` of the parallel meanings.
        switched: code-switched sentences stand beside those of a language.
        seeds: how many times it is pretrained; the first is shipped, the card gives all.
        bounds: whether the card has baselines and supervised scores beside its own.
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
    aligned: bool = False
    switched: bool = False
    seeds: int = 1
    bounds: bool = False
    says: str = ""
    like: str = ""
    width: int = 128
    layers: int = 4

    def __post_init__(self) -> None:
        if self.disguised and self.switched:
            raise ValueError("a sentence in several languages has no range of letters to move to")

    @property
    def reads_translations(self) -> bool:
        """Whether training sees the parallel meanings in any way."""
        return self.aligned or self.switched or self.recipe.needs_parallel

    @property
    def origin(self) -> str:
        """The command that makes it."""
        return f"python3 course.py build models/{self.name}"

    def seeded(self, seed: int) -> Plan:
        """Return the same plan with another seed for weights, order and masks."""
        name = self.name if seed == 0 else f"{self.name}-seed{seed}"
        return replace(self, name=name, recipe=replace(self.recipe, seed=seed))


# Settings that all models share: chosen with one seed on the loss of masked tokens.
_COMMON = Recipe(
    steps=7_000,
    tokens_per_batch=1_024,
    learning_rate=2e-3,
    mask_probability=0.3,
    checkpoint_every=500,
)
_TEXT_ONLY = "No translation and no label was seen in training."

_MBERT = Plan(
    name="mini-mbert",
    kind="bert",
    recipe=replace(_COMMON, alpha=0.7),
    share=SMALL,
    seeds=3,
    says=f"Masked language modelling on text of eleven languages, Swahili scarce. {_TEXT_ONLY}",
    like="mBERT (Devlin et al., 2019, NAACL; github.com/google-research/bert, multilingual.md)",
)
_XLMR = Plan(
    name="mini-xlmr",
    kind="xlmr",
    recipe=replace(_COMMON, alpha=0.3),
    ratings=True,
    seeds=3,
    says=(
        "Masked language modelling on more text of eleven languages, sampled smoothly; a third "
        "of the reviews carry a rating, as on the web. No translation was seen in training."
    ),
    like="XLM-R (Conneau et al., 2020, ACL)",
)

# Chosen on development sets, see docs/pretraining.md. The larger vocabulary has more words whole,
# names above all, and what is whole begins beside its translations.
_INFOXLM = replace(
    _XLMR,
    name="mini-infoxlm",
    recipe=replace(
        _COMMON,
        alpha=0.5,
        ranking=0.5,
        ranking_batch=32,
        ranking_group=4,
    ),
    vocabulary=12_000,
    aligned=True,
    switched=True,
    bounds=True,
    says=(
        "The model that transfers: what mini-xlmr reads, and translations. Its word embeddings "
        "begin aligned by them, code-switched sentences stand in its text, and in every second "
        "step it learns to find a sentence's translation among others. XLM-R saw no translation."
    ),
    like=(
        "InfoXLM (Chi et al., 2021, NAACL), which goes on from XLM-R with translations that find "
        "each other, and LaBSE (Feng et al., 2022, ACL); neither begins aligned nor code-switched"
    ),
)

PLANS: tuple[Plan, ...] = (
    _MBERT,
    replace(
        _MBERT,
        name="mini-mbert-disjoint",
        seeds=1,
        disguised=True,
        says=(
            "The twin of mini-mbert that shares no piece of a word between two languages: the "
            "Latin letters and digits of every language but English are moved to a range of "
            "their own."
        ),
        like="a control (K et al., 2020, ICLR; Dufter & Schütze, 2020, EMNLP)",
    ),
    _XLMR,
    replace(
        _XLMR,
        name="mini-xlmr-alpha1",
        seeds=1,
        recipe=replace(_XLMR.recipe, alpha=1.0),
        says="mini-xlmr with languages sampled as they come (exponent 1).",
        like="a control (Conneau et al., 2020, ACL, section 5)",
    ),
    replace(
        _XLMR,
        name="mini-xlmr-2",
        seeds=1,
        languages=("en", "de"),
        says=(
            "mini-xlmr on English and German alone: the same layers and steps, a shorter list of "
            "words."
        ),
        like="a control (the curse of multilinguality: Conneau et al., 2020, ACL, section 5)",
    ),
    _INFOXLM,
)
