"""What the mini models can do, measured for their cards; a test measures part of it again.

English is the source: a model is fine-tuned on English alone and tested in every language, on
reviews and news whose sentences no training text has, and on the hand-written set. Beside it
stand the baselines: the most frequent class, character n-grams, the same model before any
pretraining (`measure` of an `encoding.random_twin`); and the bound: the model fine-tuned on the
language itself (`supervised=True`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xlhelpers import datasets, encoding, finetuning, hub, transfer
from xlhelpers.alignment import Score, bootstrap
from xlhelpers.tokenization import disguise
from xlhelpers.transfer.baselines import Ngrams

SOURCE = "en"
SEEDS = (0, 1, 2)  # of fine-tuning
EPOCHS = 8
FROZEN = 0  # the embeddings; chosen on the development sets, see docs/pretraining.md
POLES = ("negative", "positive")
# A short fine-tuning, for the test: seconds, and English is far above chance after it.
QUICK_ROWS, QUICK_EPOCHS = 1_200, 3
QUICK_LANGUAGES = (SOURCE, "de", "sw")

Table = dict[str, dict[str, Score]]
"""Scores by measure and language, as shares of 1."""


def measure(
    model: Any,
    tokenizer: Any,
    languages: Sequence[str],
    *,
    seeds: Sequence[int] = SEEDS,
    supervised: bool = False,
    disguised: bool = False,
) -> Table:
    """Return every measure in every language, zero-shot from English.

    Measures: `polarity` (negative or positive; chance 50 %), `three` (with neutral), `polarity
    template` and `polarity pair` (on reviews of forms and of combinations that training never
    had), `polarity by hand` and `three by hand`, `entities` (F1), `retrieval` (of the English
    review among those of the test set). Intervals are over test rows; the seeds of fine-tuning
    are averaged.

    Args:
        supervised: fine-tune on each language itself instead of on English.
        disguised: give the model all languages but English in letters of their own.
    """
    sources = languages if supervised else (SOURCE,)
    how = _How(sources, () if supervised else languages, tuple(seeds), disguised)
    table = _sentiment(model, tokenizer, how)
    table["entities"] = _entities(model, tokenizer, how)
    if not supervised:
        table["retrieval"] = retrieval(
            lambda texts: encoding.encode(texts, model, tokenizer), languages, disguised
        )
    return table


def measure_beside(model: Any, tokenizer: Any, languages: Sequence[str]) -> Table:
    """Return what to hold the zero-shot scores of a model against, as `<measure>, <what>`.

    `supervised`: fine-tuned on each language itself; `before pretraining`: the same model with
    random weights; `n-grams`: a linear classifier on character n-grams of English; `majority`.
    """
    twin = encoding.random_twin(model, SEEDS[0])
    tables = {
        "supervised": measure(model, tokenizer, languages, seeds=SEEDS[:1], supervised=True),
        "before pretraining": measure(twin, tokenizer, languages, seeds=SEEDS[:1]),
        "n-grams": character_ngrams(languages),
        "majority": majority(languages),
    }
    return {f"{name}, {what}": row for what, table in tables.items() for name, row in table.items()}


def entities(
    model: Any, tokenizer: Any, languages: Sequence[str], seeds: Sequence[int] = SEEDS
) -> dict[str, Score]:
    """Return the measure `entities` alone, zero-shot from English, as in `measure`."""
    return _entities(model, tokenizer, _How((SOURCE,), languages, tuple(seeds), False))


def measure_quickly(model: Any, tokenizer: Any, languages: Sequence[str]) -> Table:
    """Return `three, quick` and `polarity, quick`: one short fine-tuning, in a few languages.

    Half of the English reviews, three epochs, the first seed. The full recipe takes a minute a
    model, too long for every run of the tests; this is what they measure again.
    """
    fitted = _classifier(
        model, tokenizer, SOURCE, SEEDS[0], False, rows=QUICK_ROWS, epochs=QUICK_EPOCHS
    )
    table: Table = {}
    for language in (code for code in QUICK_LANGUAGES if code in languages):
        answers = classified(
            lambda texts: finetuning.classify(fitted.model, tokenizer, texts), language
        )
        for name in ("three", "polarity"):
            table.setdefault(f"{name}, quick", {})[language] = bootstrap(answers[name])
    return table


def over_seeds(tables: Sequence[Table]) -> Table:
    """Return the means of several pretrainings as `<measure>, seeds`, with t intervals (95 %).

    Raises:
        ValueError: fewer than two tables.
    """
    from scipy import stats

    if len(tables) < 2:
        raise ValueError("one pretraining has no spread")
    wide = float(stats.t.ppf(0.975, len(tables) - 1)) / len(tables) ** 0.5
    found: Table = {}
    for name, row in tables[0].items():
        for code in row:
            values = np.array([table[name][code].value for table in tables])
            half = wide * float(values.std(ddof=1))
            centre = float(values.mean())
            bounds = (max(0.0, centre - half), min(1.0, centre + half))
            found.setdefault(f"{name}, seeds", {})[code] = Score(centre, *bounds)
    return found


@dataclass(frozen=True, slots=True)
class _How:
    """What is fine-tuned and tested on.

    Attributes:
        sources: languages to fine-tune on, each by itself.
        targets: those to test on; where there are none, the source itself.
        seeds: of fine-tuning.
        disguised: whether texts are given in letters of their own.
    """

    sources: Sequence[str]
    targets: Sequence[str]
    seeds: tuple[int, ...]
    disguised: bool

    def runs(self) -> Iterator[tuple[str, int]]:
        return product(self.sources, self.seeds)

    def tests(self, source: str) -> Sequence[str]:
        return self.targets or (source,)


def told(texts: Sequence[str], language: str, disguised: bool) -> Sequence[str]:
    """Return texts as a model is given them."""
    return [disguise(text, language) for text in texts] if disguised else texts


# ── sentiment ────────────────────────────────────────────────────────────────────────────


def _sentiment(model: Any, tokenizer: Any, how: _How) -> Table:
    found: dict[str, dict[str, list[NDArray[np.float64]]]] = {}
    for source, seed in how.runs():
        fitted = _classifier(model, tokenizer, source, seed, how.disguised)
        for language in how.tests(source):
            answers = classified(
                lambda texts, fitted=fitted: finetuning.classify(fitted.model, tokenizer, texts),
                language,
                how.disguised,
            )
            for name, right in answers.items():
                found.setdefault(name, {}).setdefault(language, []).append(right)
    return {
        name: {language: bootstrap(np.mean(runs, axis=0)) for language, runs in rows.items()}
        for name, rows in found.items()
    }


def _classifier(
    model: Any,
    tokenizer: Any,
    language: str,
    seed: int,
    disguised: bool,
    *,
    rows: int | None = None,
    epochs: int | None = None,
) -> finetuning.Fitted:
    data = datasets.sentiment(language, "train")[:rows]
    headed = hub.with_head(model, "classification", data.names)
    return finetuning.train_classifier(
        headed,
        tokenizer,
        told(data.texts, language, disguised),
        data.labels,
        names=data.names,
        epochs=EPOCHS if epochs is None else epochs,
        frozen=FROZEN,
        seed=seed,
        progress=False,
    )


def classified(
    classify: Any, language: str, disguised: bool = False
) -> dict[str, NDArray[np.float64]]:
    """Return, for each sentiment measure, 1 for each right row and 0 for each wrong one."""
    test = datasets.sentiment(language, "test")
    right = _right(classify(told(test.texts, language, disguised)), test.labels)
    polar = np.array([label in POLES for label in test.labels])
    held = np.array(test.held)
    out = {
        "three": right["three"],
        "polarity": right["polarity"][polar],
        "polarity template": right["polarity"][polar & (held == "template")],
        "polarity pair": right["polarity"][polar & (held == "pair")],
    }
    if language in datasets.handwritten_languages(contributed=True):
        free = datasets.handwritten("sentiment", language)
        right = _right(classify(told(free.texts, language, disguised)), free.labels)
        polar = np.array([label in POLES for label in free.labels])
        out["three by hand"] = right["three"]
        out["polarity by hand"] = right["polarity"][polar]
    return out


def _right(
    predictions: finetuning.Predictions, labels: Sequence[str]
) -> dict[str, NDArray[np.float64]]:
    columns = [predictions.names.index(name) for name in POLES]
    pole = np.array(POLES)[predictions.probabilities[:, columns].argmax(axis=1)]
    gold = np.array(labels)
    return {
        "three": (np.array(predictions.labels) == gold).astype(np.float64),
        "polarity": (pole == gold).astype(np.float64),
    }


# ── entities ─────────────────────────────────────────────────────────────────────────────


def _entities(model: Any, tokenizer: Any, how: _How) -> dict[str, Score]:
    found: dict[str, list[Score]] = {}
    for source, seed in how.runs():
        data = datasets.ner(source, "train")
        fitted = finetuning.train_tagger(
            hub.with_head(model, "tagging", data.names),
            tokenizer,
            [told(words, source, how.disguised) for words in data.sentences],
            data.tags,
            names=data.names,
            epochs=EPOCHS,
            frozen=FROZEN,
            seed=seed,
            progress=False,
        )
        for language in how.tests(source):
            test = datasets.ner(language, "test")
            read = [told(words, language, how.disguised) for words in test.sentences]
            tagged = finetuning.tag(fitted.model, tokenizer, read)
            found.setdefault(language, []).append(finetuning.entity_f1(test.tags, tagged))
    return {language: mean(scores) for language, scores in found.items()}


def mean(scores: Iterable[Score]) -> Score:
    """Return the mean of scores of the same rows under several seeds, and of their bounds."""
    rows = np.array([(score.value, score.low, score.high) for score in scores])
    return Score(*(float(value) for value in rows.mean(axis=0)))


# ── retrieval and baselines ──────────────────────────────────────────────────────────────


def retrieval(encode: Any, languages: Sequence[str], disguised: bool = False) -> dict[str, Score]:
    """Return how often the nearest English review is the translation, by language."""
    found = {}
    english = list(dict.fromkeys(datasets.sentiment(SOURCE, "test").texts))
    vectors, places = encode(english), {text: place for place, text in enumerate(english)}
    for language in languages:
        if language == SOURCE:
            continue
        pairs = datasets.parallel([SOURCE, language], "test").texts(distinct=True)
        queries = encode(told(pairs[language], language, disguised))
        sought = vectors[[places[text] for text in pairs[SOURCE]]]
        result = encoding.retrieve(queries, sought, centre=True)
        found[language] = Score(result.accuracy, result.low, result.high)
    return found


def majority(languages: Sequence[str]) -> Table:
    """Return what the most frequent class of the test set would score."""
    table: Table = {}
    for language in languages:
        test = datasets.sentiment(language, "test")
        common = max(test.names, key=test.labels.count)
        right = np.array([label == common for label in test.labels], dtype=np.float64)
        polar = [label for label in test.labels if label in POLES]
        pole = max(POLES, key=polar.count)
        poles = np.array([label == pole for label in polar], dtype=np.float64)
        table.setdefault("three", {})[language] = bootstrap(right)
        table.setdefault("polarity", {})[language] = bootstrap(poles)
    return table


def character_ngrams(languages: Sequence[str]) -> Table:
    """Return a classifier on character 2- to 4-grams of English, and n-grams for retrieval."""
    spelling = Ngrams(transfer.task("sentiment"), datasets.sentiment(SOURCE, "train"))

    def classify(texts: Sequence[str]) -> finetuning.Predictions:
        names, probabilities = spelling.probabilities(texts)
        labels = tuple(names[i] for i in probabilities.argmax(axis=1))
        return finetuning.Predictions(labels, probabilities.astype(np.float32), names)

    table: Table = {}
    for language in languages:
        for name, right in classified(classify, language).items():
            table.setdefault(name, {})[language] = bootstrap(right)
    table["retrieval"] = _ngram_retrieval(languages)
    return table


def _ngram_retrieval(languages: Sequence[str]) -> dict[str, Score]:
    found = {}
    for language in languages:
        if language != SOURCE:
            pairs = datasets.parallel([SOURCE, language], "test").texts(distinct=True)
            vectors = {c: encoding.char_ngram_vectors(pairs[c]) for c in (SOURCE, language)}
            result = encoding.retrieve(vectors[language], vectors[SOURCE])
            found[language] = Score(result.accuracy, result.low, result.high)
    return found


def plain(table: Table) -> dict[str, dict[str, list[float]]]:
    """Return scores as lists: measure, language, [value, low, high]."""
    return {
        name: {code: [round(v, 4) for v in (s.value, s.low, s.high)] for code, s in row.items()}
        for name, row in table.items()
    }


def average(table: Mapping[str, Score], without: Sequence[str] = (SOURCE,)) -> float:
    """Return the mean over languages, English left out."""
    return float(np.mean([s.value for code, s in table.items() if code not in without]))
