"""Words and punctuation of a sentence; they live in `xlhelpers.tokens`, which data sets use too."""

from __future__ import annotations

from xlhelpers.tokens import APOSTROPHES, is_word, spans, without_blanks

__all__ = ["APOSTROPHES", "is_word", "spans", "without_blanks"]
