"""What a data set gives away: shortcuts, balance, duplicates, ids.

A shortcut is a classifier that sees no meaning: lengths and punctuation marks, or for pairs the
hypothesis alone (Gururangan et al., 2018, NAACL). It should be near chance.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from xlhelpers.alignment.evaluation import wilson
from xlhelpers.build.corpus.sets import Row, Rows, sentences
from xlhelpers.build.corpus.splits import SPLITS

_FOLDS = 5


@dataclass(frozen=True, slots=True)
class Shortcut:
    """Accuracy of a classifier that should fail, with its 95 % Wilson interval, as shares."""

    name: str
    accuracy: float
    low: float
    high: float
    chance: float
    n: int

    def __str__(self) -> str:
        return (
            f"{self.name}: {100 * self.accuracy:.1f} % "
            f"[{100 * self.low:.1f}, {100 * self.high:.1f}], chance {100 * self.chance:.1f} %"
        )


@dataclass(frozen=True)
class Audit:
    """What `audit` found for one task and language.

    Attributes:
        shortcuts: of labelled tasks, by split.
        labels: rows a label, by split.
        duplicates: texts that two splits share, or one split has twice with two labels.
        problems: ids that are missing or repeated, tags that do not fit their tokens.
    """

    shortcuts: Mapping[str, tuple[Shortcut, ...]]
    labels: Mapping[str, Mapping[str, int]]
    duplicates: tuple[str, ...]
    problems: tuple[str, ...]


def audit(task: str, rows: Rows, language: str, seed: int = 0) -> Audit:
    """Look for what gives labels away, in one language.

    Args:
        task: sentiment, ner or nli.
        rows: by split and language, as made by `sets` or read from files.
    """
    mine: dict[str, list[Row]] = {split: rows[split][language] for split in SPLITS if split in rows}
    labelled = task != "ner"
    shortcuts: dict[str, tuple[Shortcut, ...]] = {
        split: tuple(_shortcuts(task, lines, seed)) for split, lines in mine.items() if labelled
    }
    labels: dict[str, Mapping[str, int]] = {
        split: Counter(row.get("label", "") for row in lines) for split, lines in mine.items()
    }
    return Audit(shortcuts, labels, tuple(_shared(task, mine)), tuple(_problems(task, rows)))


def outward(text: str) -> list[float]:
    """Return what a text looks like without being read."""
    marks = ("?？؟", "!！", ",，،、", ".。।", ";；:：", "0123456789", "\"“”„«»'’-")
    counts = [float(sum(text.count(char) for char in signs)) for signs in marks]
    return [float(len(text)), float(len(text.split())), *counts]


def _shortcuts(task: str, rows: Sequence[Row], seed: int) -> Iterable[Shortcut]:
    labels = [row["label"] for row in rows]
    if task == "sentiment":
        texts = [row["text"] for row in rows]
        yield cross_validated(
            "outward form",
            [[*outward(t), float(len(r["ends"]))] for t, r in zip(texts, rows, strict=True)],
            labels,
            seed,
        )
        return
    premises = [outward(row["premise"]) for row in rows]
    hypotheses = [outward(row["hypothesis"]) for row in rows]
    longer = [[a - b for a, b in zip(p, h, strict=True)] for p, h in _zip(premises, hypotheses)]
    yield cross_validated("length difference", longer, labels, seed)
    yield cross_validated(
        "outward form", [p + h for p, h in _zip(premises, hypotheses)], labels, seed
    )
    for name in ("hypothesis", "premise"):
        yield cross_validated(f"{name} alone", [row[name] for row in rows], labels, seed)


def _zip(
    left: Sequence[list[float]], right: Sequence[list[float]]
) -> list[tuple[list[float], list[float]]]:
    return list(zip(left, right, strict=True))


def cross_validated(
    name: str, inputs: Sequence[str] | Sequence[list[float]], labels: Sequence[str], seed: int = 0
) -> Shortcut:
    """Return the accuracy of logistic regression in five folds.

    Args:
        inputs: numbers (standardised here), or texts (bags of character 1- to 4-grams).
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    text = isinstance(inputs[0], str)
    features = TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 4)) if text else StandardScaler()
    model = make_pipeline(features, LogisticRegression(max_iter=1000))
    folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=seed)
    guesses = cross_val_predict(model, inputs, labels, cv=folds)
    right = sum(guess == label for guess, label in zip(guesses, labels, strict=True))
    low, high = wilson(right, len(labels))
    chance = max(Counter(labels).values()) / len(labels)
    return Shortcut(name, right / len(labels), low, high, chance, len(labels))


def _shared(task: str, rows: Mapping[str, Sequence[Row]]) -> Iterable[str]:
    """Yield texts that occur in two splits, and whole rows that occur twice."""
    where: dict[str, set[str]] = defaultdict(set)
    times: Counter[tuple[str, ...]] = Counter()
    for split, lines in rows.items():
        for row in lines:
            times[tuple(sentences(task, row))] += 1
            for text in sentences(task, row):
                where[text].add(split)
    yield from (f"{text} ({', '.join(sorted(s))})" for text, s in where.items() if len(s) > 1)
    yield from (" / ".join(texts) for texts, count in times.items() if count > 1)


def _problems(task: str, rows: Rows) -> Iterable[str]:
    seen: set[str] = set()
    for split, by_language in rows.items():
        ids = {code: [row["id"] for row in lines] for code, lines in by_language.items()}
        first = next(iter(ids.values()))
        for code, mine in ids.items():
            if mine != first:
                yield f"{split}: the ids of {code} are not those of {next(iter(ids))}"
        if seen & set(first) or len(set(first)) < len(first):
            yield f"{split}: ids occur twice"
        seen |= set(first)
        for code, lines in by_language.items() if task == "ner" else ():
            for row in lines:
                if len({len(row[key].split()) for key in ("tokens", "upos", "tags")}) > 1:
                    yield f"{code} {row['id']}: tags do not fit tokens"
