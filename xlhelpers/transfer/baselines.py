"""What knows nothing of other languages: the most frequent label, and spelling."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from xlhelpers import encoding
from xlhelpers.datasets import Table, Tagged
from xlhelpers.transfer.outcomes import Outcomes, outcomes
from xlhelpers.transfer.tasks import Task, inputs, labels, texts

_HASHES = 2**18


def majority(of: Task, train: Table, test: Table) -> Outcomes:
    """Return what the most frequent label of the training rows scores; O, for entities."""
    if of.of_words:
        counts = Counter(tag for row in labels(train) for tag in row)
        said: Sequence[Any] = [[counts.most_common(1)[0][0]] * len(row) for row in labels(test)]
    else:
        counts = Counter(labels(train))
        # The first of equals in the order of the names, whatever row comes first.
        said = [max(train.names, key=lambda name: counts[name])] * len(test)
    return outcomes(of.metric, labels(test), said, test.names)


class Ngrams:
    """A linear classifier of character n-grams: what spelling alone carries over.

    Texts and pairs (as one text): n-grams of 2 to 4 characters within words. Words: those of
    the word, and of the words beside it, marked as such.
    """

    def __init__(self, of: Task, train: Table) -> None:
        """Learn from labelled rows; the same rows give the same classifier."""
        from sklearn.linear_model import LogisticRegression

        self.task = of
        grams = self._vectors(train)
        self._used = np.unique(grams.indices)  # of very many columns; the others weigh nothing
        self._model = LogisticRegression(max_iter=1000)
        gold = labels(train)
        flat = [tag for row in gold for tag in row] if of.of_words else list(gold)
        self._model.fit(grams[:, self._used], flat)

    def outcomes(self, test: Table) -> Outcomes:
        """Return the outcomes on a test set."""
        said = [str(label) for label in self._model.predict(self._vectors(test)[:, self._used])]
        if self.task.of_words:
            left = iter(said)
            rows = [[next(left) for _ in row] for row in labels(test)]
            return outcomes(self.task.metric, labels(test), rows, test.names)
        return outcomes(self.task.metric, labels(test), said, test.names)

    def probabilities(self, given: Sequence[str]) -> tuple[tuple[str, ...], Any]:
        """Return the classes, and (n, k) probabilities of texts."""
        found = self._model.predict_proba(encoding.char_ngram_vectors(given)[:, self._used])
        return tuple(str(name) for name in self._model.classes_), found

    def _vectors(self, table: Table) -> Any:
        if not isinstance(table, Tagged):
            return encoding.char_ngram_vectors(texts(table))
        from sklearn.feature_extraction.text import HashingVectorizer

        hashed = HashingVectorizer(
            analyzer=list, n_features=_HASHES, alternate_sign=False, norm="l2"
        )
        return hashed.transform(grams for words in inputs(table) for grams in _in_context(words))


def _in_context(words: Sequence[str]) -> Iterator[list[str]]:
    """Yield the n-grams of each word and of its neighbours."""
    grams = [_grams(word) for word in words]
    around = [["«"], *grams, ["»"]]
    for place, own in enumerate(grams):
        before = [f"<{gram}" for gram in around[place]]
        after = [f">{gram}" for gram in around[place + 2]]
        yield [*own, *before, *after]


def _grams(word: str) -> list[str]:
    """Return a word and its runs of 2 to 4 characters, ends marked; capitals count here."""
    marked = f" {word} "
    return [marked] + [marked[i : i + n] for n in (2, 3, 4) for i in range(len(marked) - n + 1)]
