"""Which recipe makes word vectors that align best? One change at a time.

Scored inside the *training* dictionaries, so that the test words of notebook 01 stay unseen: a
map is learned on two thirds of the training stems and scored on the last third, P@1 with CSLS.
Prints a Markdown table. Needs the source texts (XL_SOURCES, or the network).

    python benchmarks/recipes.py [LANGUAGE ...]
"""

from __future__ import annotations

import hashlib
import sys
from dataclasses import replace

from xlhelpers import alignment, datasets
from xlhelpers.build import text, vectors
from xlhelpers.embeddings import WordVectors

SHIPPED = vectors.Recipe()
# What the course's first prototype did, as far as it was written down.
PROTOTYPE = replace(SHIPPED, window=5, stem=100, power=0.5, dim=300, size=12_000)
RECIPES = {
    "shipped": SHIPPED,
    "contexts whole": replace(SHIPPED, stem=100),
    "window 5": replace(SHIPPED, window=5),
    "window 20": replace(SHIPPED, window=20),
    "singular values to the power 0.5": replace(SHIPPED, power=0.5),
    "singular values dropped": replace(SHIPPED, power=0.0),
    "context frequencies as they are": replace(SHIPPED, smoothing=1.0),
    "100 components": replace(SHIPPED, dim=100),
    "300 components": replace(SHIPPED, dim=300),
    "as in the prototype": PROTOTYPE,
}


def fold(english: str) -> int:
    """Return 0, 1 or 2: a second split by stem, independent of train and test."""
    stem = (english.rstrip("s") or english)[:4]
    return hashlib.sha256(f"fold {stem}".encode()).digest()[0] % 3


def score(english: WordVectors, other: WordVectors, language: str) -> alignment.Score:
    """P@1 with CSLS on a third of the training dictionary, learned on the rest."""
    entries = datasets.lexicon("en", language, "train").without(names=True, identical=True)
    known = [
        (entry.word, form)
        for entry in entries
        for form in entry.translations
        if fold(entry.word) and entry.word in english and form in other
    ]
    asked = {entry.word: entry.translations for entry in entries if not fold(entry.word)}
    source, target = english.normalised(), other.normalised()
    moved = alignment.supervised(source, target, known).apply(source, target)
    found = alignment.evaluate(*moved, asked, train=known, retrieval=["csls"])
    return found.scores["csls"]["P@1"]


def main(languages: list[str]) -> None:
    """Train every recipe in every language and print the table."""
    texts = {code: text.verses(code) for code in ["en", *languages]}
    print("| recipe | " + " | ".join(languages) + " |")
    print("|---" * (len(languages) + 1) + "|")
    for name, recipe in RECIPES.items():
        english = vectors.train(texts["en"], recipe)
        cells = []
        for code in languages:
            found = score(english, vectors.train(texts[code], recipe), code)
            value, low, high = found.percent
            cells.append(f"{value:.0f} [{low:.0f}, {high:.0f}]")
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:] or datasets.dictionary_languages())
