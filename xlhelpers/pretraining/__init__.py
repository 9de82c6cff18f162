"""Pretraining multilingual encoders: masked tokens, translations read as one, translations ranked.

The real things at the size of a course: mBERT and XLM-R learned from masked text alone, XLM
from translations read as one text besides (TLM), LaBSE from finding translations.
"""

from __future__ import annotations

from xlhelpers.pretraining.adaptation import (
    adaptation_measures,
    add_adapters,
    bits_per_character,
    extend_vocabulary,
    train_only,
)
from xlhelpers.pretraining.initial import sentence_id_vectors
from xlhelpers.pretraining.objectives import (
    PretrainingError,
    mask_tokens,
    mlm_loss,
    sampling_probabilities,
    translation_ranking_loss,
)
from xlhelpers.pretraining.recipe import History, Recipe
from xlhelpers.pretraining.training import heldout_loss, pretrain

__all__ = [
    "History",
    "PretrainingError",
    "Recipe",
    "adaptation_measures",
    "add_adapters",
    "bits_per_character",
    "extend_vocabulary",
    "heldout_loss",
    "mask_tokens",
    "mlm_loss",
    "pretrain",
    "sampling_probabilities",
    "sentence_id_vectors",
    "train_only",
    "translation_ranking_loss",
]
