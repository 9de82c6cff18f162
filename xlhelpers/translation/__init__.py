"""Machine translation, how good it is, and what it is worth in cross-lingual transfer.

    there = xl.translation.Translator("en", "de")
    there.translate(["The room was clean."])
    xl.translation.chrf(said, references, "de")           # 0 to 100, with an interval
    xl.translation.compare("InfoXLM", "polarity", "en", ["de", "zh"])   # transfer.Results

`Translator` is `generate` done so that it can be relied on. `translate_train`, `translate_test`
and `compare` are what a translator is used for in transfer (Conneau et al., 2018, EMNLP);
`align_words` and `project_labels` carry the labels of words over (Jalili Sabet et al., 2020);
`negation_audit` asks whether a label is still true, and `group_split` keeps a sentence and its
translations on one side.
"""

from __future__ import annotations

from xlhelpers.translation.approaches import (
    APPROACHES,
    compare,
    costs,
    measured_costs,
    translate_test,
)
from xlhelpers.translation.audit import negated, negation_audit, negation_languages
from xlhelpers.translation.quality import (
    Difference,
    Quality,
    better,
    bleu,
    chrf,
    round_trip,
    sentence_chrf,
)
from xlhelpers.translation.tables import group_folds, group_split, translate_table, translate_train
from xlhelpers.translation.translator import (
    Notes,
    Pivot,
    Translates,
    TranslationError,
    TranslationWarning,
    Translator,
    pairs,
)
from xlhelpers.translation.words import (
    Projection,
    align_sentences,
    align_words,
    project_labels,
    projection_error,
    translate_tagged,
)

__all__ = [
    "APPROACHES",
    "Difference",
    "Notes",
    "Pivot",
    "Projection",
    "Quality",
    "Translates",
    "TranslationError",
    "TranslationWarning",
    "Translator",
    "align_sentences",
    "align_words",
    "better",
    "bleu",
    "chrf",
    "compare",
    "costs",
    "group_folds",
    "group_split",
    "measured_costs",
    "negated",
    "negation_audit",
    "negation_languages",
    "pairs",
    "project_labels",
    "projection_error",
    "round_trip",
    "sentence_chrf",
    "translate_table",
    "translate_tagged",
    "translate_test",
    "translate_train",
]
