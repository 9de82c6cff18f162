"""How near translations are to references: BLEU and chrF by sacrebleu, with intervals.

Figures are from 0 to 100, as the field writes them. Intervals are 95 %, a percentile bootstrap
over the sentences of the test set (Koehn, 2004, EMNLP): they hold for other sentences of that
kind, not for other kinds of text, and they know nothing of another training of the model.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from xlhelpers.translation.translator import Translates, TranslationError

if TYPE_CHECKING:
    import pandas as pd

Metric = Literal["BLEU", "chrF"]
Floats = NDArray[np.float64]
RESAMPLES = 1000

# How sacrebleu cuts text into the words of BLEU; every other language like English.
_CUTTERS = {"zh": "zh", "ja": "char", "th": "char", "ko": "char"}


@dataclass(frozen=True)
class Quality:
    """A figure of a whole test set, from 0 to 100.

    Attributes:
        metric: `"BLEU"` or `"chrF"`.
        value: as sacrebleu gives it.
        low, high: its 95 % interval.
        sentences: how many were compared.
        signature: what a paper should state, so that others compute the same (Post, 2018, WMT).
    """

    metric: str
    value: float
    low: float
    high: float
    sentences: int
    signature: str = field(repr=False)

    def __str__(self) -> str:
        return f"{self.metric} {self.value:.1f} [{self.low:.1f}, {self.high:.1f}]"


@dataclass(frozen=True)
class Difference:
    """What one system is better than another by, on the same sentences, in points of 100.

    Attributes:
        metric: `"BLEU"` or `"chrF"`.
        value: the first less the second.
        low, high: its 95 % interval; both systems are resampled together.
        p: how often a difference as large arises when there is none (two-sided, as in
            sacrebleu; with 1,000 resamples never below 0.001).
    """

    metric: str
    value: float
    low: float
    high: float
    p: float

    def __str__(self) -> str:
        return f"{self.metric} {self.value:+.1f} [{self.low:+.1f}, {self.high:+.1f}]"


def bleu(
    hypotheses: Sequence[str],
    references: Sequence[str],
    language: str,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Quality:
    """Return the BLEU of translations (Papineni et al., 2002, ACL), over all sentences together.

    The share of runs of 1 to 4 words that the reference has too (geometric mean), less what is
    too short. Words are what sacrebleu's tokenizer for the language says they are; Chinese is
    cut into characters, so that its figures do not compare with those of other languages.

    Args:
        hypotheses: n translations; an empty one counts against them.
        references: n right ones.
        language: code of the language that they are in.
        resamples, seed: of the bootstrap.

    Raises:
        TranslationError: both differ in number, there is none, or one is no text.
    """
    return _quality("BLEU", hypotheses, references, language, resamples, seed)


def chrf(
    hypotheses: Sequence[str],
    references: Sequence[str],
    language: str,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Quality:
    """Return the chrF2 of translations (Popović, 2015, WMT), over all sentences together.

    The F-score of runs of 1 to 6 characters, recall twice as heavy. It gives credit for a right
    word in another form, and needs no idea of what a word is: the figure to look at for Swahili
    and Chinese. Arguments and errors as `bleu`.
    """
    return _quality("chrF", hypotheses, references, language, resamples, seed)


def better(
    first: Sequence[str],
    second: Sequence[str],
    references: Sequence[str],
    language: str,
    metric: Metric = "chrF",
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Difference:
    """Return how much better one system is than another (paired bootstrap: Koehn, 2004, EMNLP).

    Both are scored on the same draws of sentences, so that what is hard for both does not count
    as uncertainty. Two intervals that overlap may well have a difference that is sure.

    Args:
        first, second: n translations each of the same sentences.
        references, language, resamples, seed: as `bleu`.
        metric: `"BLEU"` or `"chrF"`.

    Raises:
        TranslationError: as `bleu`, or there is no such metric.
    """
    stats = [_statistics(metric, said, references, language) for said in (first, second)]
    measure = _metric(metric, language)
    values = [_score(measure, rows.sum(axis=0)) for rows in stats]
    one, other = (_resampled(measure, rows, resamples, seed) for rows in stats)
    drawn, value = one - other, values[0] - values[1]
    low, high = np.percentile(drawn, [2.5, 97.5])
    # As far from the mean of the draws as the difference is from nothing.
    beyond = np.abs(drawn - drawn.mean()) >= abs(value)
    p = (int(beyond.sum()) + 1) / (resamples + 1)
    return Difference(metric, value, float(low), float(high), p)


def sentence_chrf(hypotheses: Sequence[str], references: Sequence[str]) -> list[float]:
    """Return the chrF of each sentence by itself, 0 to 100; to find examples, not to average.

    Raises:
        TranslationError: as `bleu`.
    """
    said, right = _checked(hypotheses, references)
    measure = _metric("chrF", "en")
    return [float(measure.sentence_score(a, [b]).score) for a, b in zip(said, right, strict=True)]


def round_trip(texts: Sequence[str], there: Translates, back: Translates) -> pd.DataFrame:
    """Translate texts and back, for a look at what got lost where there are no references.

    A poor way to judge a system: two wrongs may make a right (a word that both leave as it is
    comes back unharmed), and a good paraphrase scores low.

    Args:
        texts: n texts.
        there, back: translators of opposite directions.

    Returns:
        Columns `text`, `pivot`, `back`, and `chrF` of the last against the first.

    Raises:
        TranslationError: the directions do not fit; as `Translator.translate`.
    """
    import pandas as pd

    if (there.source, there.target) != (back.target, back.source):
        raise TranslationError(
            f"{there.source}-{there.target} and {back.source}-{back.target} lead nowhere",
            "give two translators of opposite directions",
        )
    pivot = there.translate(texts)
    returned = back.translate(pivot)
    rows = {"text": list(texts), "pivot": pivot, "back": returned}
    scores = sentence_chrf(returned, texts) if len(pivot) else []
    return pd.DataFrame({**rows, "chrF": scores})


# ── the figures ──────────────────────────────────────────────────────────────────────────


def _quality(
    name: Metric,
    hypotheses: Sequence[str],
    references: Sequence[str],
    language: str,
    resamples: int,
    seed: int,
) -> Quality:
    if resamples < 1:
        raise TranslationError(f"resamples is {resamples}", "choose 1 or more; 1000 is usual")
    stats = _statistics(name, hypotheses, references, language)
    measure = _metric(name, language)
    low, high = np.percentile(_resampled(measure, stats, resamples, seed), [2.5, 97.5])
    value = _score(measure, stats.sum(axis=0))
    return Quality(name, value, float(low), float(high), len(stats), str(measure.get_signature()))


def _statistics(
    name: Metric, hypotheses: Sequence[str], references: Sequence[str], language: str
) -> NDArray[np.int64]:
    """Return the counts of each sentence that a score is made of, (sentences, c)."""
    said, right = _checked(hypotheses, references)
    measure = _metric(name, language)
    # What sacrebleu's own bootstrap draws from; there is no public way to these counts.
    return np.array(measure._extract_corpus_statistics(said, [right]), dtype=np.int64)


def _score(measure: Any, counts: NDArray[np.int64]) -> float:
    return float(measure._compute_score_from_stats(counts.tolist()).score)


def _resampled(measure: Any, stats: NDArray[np.int64], resamples: int, seed: int) -> Floats:
    """Return the scores of sentences drawn again; the same draws for as many sentences."""
    n = len(stats)
    rng = np.random.default_rng([seed, n])
    times = rng.multinomial(n, np.full(n, 1 / n), size=resamples)
    return np.array([_score(measure, row) for row in times @ stats])


@functools.lru_cache(maxsize=8)
def _metric(name: str, language: str) -> Any:
    from sacrebleu.metrics import BLEU, CHRF

    if name == "BLEU":
        return BLEU(tokenize=_CUTTERS.get(language, "13a"))
    if name == "chrF":
        return CHRF()
    raise TranslationError(f"there is no metric {name!r}", "choose BLEU or chrF")


def _checked(hypotheses: Sequence[str], references: Sequence[str]) -> tuple[list[str], list[str]]:
    sides = []
    for name, texts in (("hypotheses", hypotheses), ("references", references)):
        if isinstance(texts, str):
            raise TranslationError(f"{name} is one text", "give a list of texts")
        found = list(texts)
        for number, text in enumerate(found):
            if not isinstance(text, str):
                raise TranslationError(f"{name}[{number}] is {text!r:.40}", "give texts")
        sides.append(found)
    if len(sides[0]) != len(sides[1]) or not sides[0]:
        raise TranslationError(
            f"{len(sides[0])} hypotheses for {len(sides[1])} references",
            "give one translation for each reference, and one sentence at least",
        )
    return sides[0], sides[1]
