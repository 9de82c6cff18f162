"""How to pretrain, and what happened."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from xlhelpers.pretraining.objectives import PretrainingError

NONE = float("nan")


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to pretrain. Shares are 0 … 1.

    Attributes:
        seed: of everything random: order, masks, pairs, dropout.
        steps: updates of the weights.
        tokens_per_batch: of a masked-language batch, padding and special tokens included.
        max_length: longest text in tokens, special ones included; longer ones are cut into
            windows. Less where the model has fewer positions.
        learning_rate: its highest value; it rises from 0 and falls to 0, both in a line.
        warmup: share of the steps in which it rises.
        weight_decay: on matrices, not on biases and layer norms.
        clip: longest gradient (2-norm over all weights).
        alpha: exponent on the languages' number of texts; see `sampling_probabilities`.
        mask_probability: share of the tokens that are asked for.
        tlm: share of the masked-language batches that are pairs of translations, read as one
            text (translation language modelling; Conneau & Lample, 2019, NeurIPS).
        tlm_from: after which share of the steps these begin.
        ranking: share of the steps with a translation-ranking batch.
        ranking_from: after which share of the steps these begin.
        ranking_joint: such a batch comes beside the step's masked-language batch; else in its
            place.
        ranking_batch: how many pairs it has.
        ranking_weight: factor on its loss.
        ranking_scale, ranking_margin: see `translation_ranking_loss`.
        ranking_mixed: every pair of the batch has two languages of its own; else all have the
            same two, and a pair cannot be found by its language.
        ranking_group: how many meanings of one group come together (hard negatives).
        pivot: language that one side of every pair has; None pairs any two.
        pair_alpha: exponent on the number of meanings of a pair of languages.
        checkpoint_every: steps between two checkpoints.
    """

    seed: int = 0
    steps: int = 1000
    tokens_per_batch: int = 2048
    max_length: int = 128
    learning_rate: float = 1e-3
    warmup: float = 0.06
    weight_decay: float = 0.01
    clip: float = 1.0
    alpha: float = 0.7
    mask_probability: float = 0.15
    tlm: float = 0.0
    tlm_from: float = 0.0
    ranking: float = 0.0
    ranking_from: float = 0.0
    ranking_joint: bool = True
    ranking_batch: int = 64
    ranking_weight: float = 1.0
    ranking_scale: float = 20.0
    ranking_margin: float = 0.0
    ranking_mixed: bool = False
    ranking_group: int = 1
    pivot: str | None = None
    pair_alpha: float = 0.5
    checkpoint_every: int = 250

    def __post_init__(self) -> None:
        shares = ("warmup", "mask_probability", "tlm", "tlm_from", "ranking", "ranking_from")
        for name in shares:
            if not 0 <= getattr(self, name) <= 1:
                raise PretrainingError(f"{name} is {getattr(self, name)}", "choose 0 … 1")
        least = {"seed": 0, "steps": 1, "max_length": 8, "checkpoint_every": 1}
        least |= {"ranking_batch": 2, "ranking_group": 1, "tokens_per_batch": self.max_length}
        for name, bound in least.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < bound:
                raise PretrainingError(f"{name} is {value!r}", f"choose a whole number ≥ {bound}")
        for name in ("learning_rate", "clip", "ranking_scale", "mask_probability"):
            if not getattr(self, name) > 0:
                raise PretrainingError(f"{name} is {getattr(self, name)}", "choose more than 0")

    def rate(self, step: int) -> float:
        """Return the learning rate of a step, counted from 0."""
        rising = round(self.warmup * self.steps)
        if step < rising:
            return self.learning_rate * (step + 1) / (rising + 1)
        return self.learning_rate * (self.steps - step) / (self.steps - rising + 1)

    @property
    def needs_parallel(self) -> bool:
        """Whether any step reads translations."""
        return self.tlm > 0 or self.ranking > 0


@dataclass(slots=True)
class History:
    """What happened, step by step; NaN where a step had no such loss.

    Attributes:
        mlm, tlm, ranking: losses in nats; the last is the sum of two directions.
        skipped: batches in which no token was masked, or no two pairs were found.
        tokens: read so far, padding not counted.
        drawn: texts drawn of each language for masked-language modelling.
        seconds: of training, interruptions not counted.
    """

    mlm: list[float] = field(default_factory=list)
    tlm: list[float] = field(default_factory=list)
    ranking: list[float] = field(default_factory=list)
    skipped: int = 0
    tokens: int = 0
    drawn: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0

    def __len__(self) -> int:
        return len(self.mlm)

    def recent(self, name: str, steps: int = 100) -> float:
        """Return the mean of a loss over the last `steps` steps; NaN where there was none."""
        values = [value for value in getattr(self, name)[-steps:] if not math.isnan(value)]
        return sum(values) / len(values) if values else NONE
