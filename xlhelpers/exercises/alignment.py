"""Questions of notebook 01: alignment of word vectors."""

from __future__ import annotations

from typing import Any

import numpy as np

from xlhelpers.exercises.engine import Array, Function, Option, Quiz, Words
from xlhelpers.exercises.prediction import Prediction

# ── guesses ──────────────────────────────────────────────────────────────────────────────

first_score = Prediction(
    id="alignment.first_score",
    prompt="Of 100 English words that the map has never seen, for how many will the nearest "
    "German word be a translation?",
    low=0,
    high=100,
)
hubs = Prediction(
    id="alignment.hubs",
    prompt="We look up the nearest German word of every English word. How many English words share "
    "the single most popular answer?",
    low=1,
    high=200,
)
# ── 1: which way does the map go? ────────────────────────────────────────────────────────


def _toy() -> dict[str, Any]:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(12, 3))
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    return {"x": x, "y": x @ turn + 0.05 * rng.normal(size=(12, 3))}


def _back(x: Any, y: Any) -> Any:
    u, _, vt = np.linalg.svd(x.T @ y)
    w = u @ vt
    return w.T


def _least_squares_back(x: Any, y: Any) -> Any:
    return np.linalg.lstsq(y, x, rcond=None)[0]


q1 = Array(
    id="alignment.q1",
    prompt="Learn the orthogonal map of the rows `x` to the rows `y`. Then give the map of the "
    "way back, with `y @ answer ≈ x`.",
    answer=_back,
    given=_toy,
    hints=(
        "First the way there, as in the cell that builds Procrustes by hand.",
        "What is the inverse of an orthogonal matrix?",
        "w is u @ vt; the way back is w.T.",
    ),
    wrong={
        "map of the way there": (
            lambda x, y: _back(x, y).T,
            "This is w itself, or the way back written for columns. Rows stand on the left, "
            "y @ answer, so the answer is the transpose of w.",
        ),
        "least squares": (
            _least_squares_back,
            "This map stretches: it is the unconstrained least-squares solution. Use the "
            "singular value decomposition, which keeps lengths and angles.",
        ),
        "singular values left in": (
            lambda x, y: (x.T @ y).T,
            "This is the product of the pairs itself. Procrustes throws its singular values away "
            "and keeps only the orthogonal part, u @ vt.",
        ),
    },
    why="An orthogonal map is undone by its transpose, so one map serves both directions.",
)

# ── 2: the article's loader, put right ───────────────────────────────────────────────────

_VEC_LINES = [
    ("3 2", "the 0.1 0.2", "New\u00a0York 0.3 -0.4", "of 1e-3 0.5"),
    ("house 0.25 0.5", "haus 1.0 2.0"),
    ("2 3", "a 1 2 3", "b\u00a0c\u00a0d 4 5 6"),
    ("2 2", "on 0.5 1.5", "an -1 0.25"),  # a header, and no space that could mislead
]


def read_vectors(lines: Any) -> Any:
    vectors = {}
    for number, line in enumerate(lines):
        word, *values = line.rstrip("\n").split(" ")
        if number == 0 and len(values) == 1:
            continue  # the header: how many words, how many components
        vectors[word] = [float(value) for value in values]
    return vectors


def _as_in_the_article(lines: Any) -> Any:
    vectors = {}
    for line in lines:
        parts = line.strip().split()
        vectors[parts[0]] = [float(value) for value in parts[1:]]
    return vectors


def _split_everywhere(lines: Any) -> Any:
    return read_vectors([" ".join(line.split()) for line in lines])


def _header_kept(lines: Any) -> Any:
    split = (line.rstrip("\n").split(" ") for line in lines)
    return {word: [float(value) for value in values] for word, *values in split}


def _first_line_always_dropped(lines: Any) -> Any:
    return _header_kept(list(lines)[1:])


q2 = Function(
    id="alignment.q2",
    prompt="Write `read_vectors(lines)`: from the lines of a `.vec` file, with or without a "
    "header, to a dictionary of word → list of numbers.",
    answer=read_vectors,
    cases=lambda: [(lines,) for lines in _VEC_LINES],
    hints=(
        "Two things go wrong in the article's loader: the first line, and words that hold a "
        "no-break space.",
        "`split()` cuts at every kind of space; `split(' ')` only at the plain one.",
        "A header is a first line with one number after the first field.",
    ),
    wrong={
        "as in the article": (
            lambda: _as_in_the_article,
            "This is the article's loader. It cuts New\u00a0York in two, because split() without "
            "an argument also cuts at a no-break space, and it keeps the header as a word.",
        ),
        "split at every space": (
            lambda: _split_everywhere,
            "split() without an argument cuts at a no-break space too: New\u00a0York falls in two, "
            "and “York” is no number. split(' ') cuts at the plain space alone.",
        ),
        "header taken for a word": (
            lambda: _header_kept,
            "The header line, such as “200000 300”, became a word with a vector of one number.",
        ),
        "first line always dropped": (
            lambda: _first_line_always_dropped,
            "Not every file has a header. In those without, a word is lost: the most frequent.",
        ),
    },
    why="xl.embeddings.load_vec does the same, and names the line when a file is damaged.",
)

# ── 3: cosine, and what it needs ─────────────────────────────────────────────────────────


def nearest(queries: Any, targets: Any) -> Any:
    queries = queries / np.linalg.norm(queries, axis=1, keepdims=True)
    targets = targets / np.linalg.norm(targets, axis=1, keepdims=True)
    return (queries @ targets.T).argmax(axis=1)


def _no_length(queries: Any, targets: Any) -> Any:
    return (queries @ targets.T).argmax(axis=1)


def _other_way(queries: Any, targets: Any) -> Any:
    return nearest(targets, queries)


def _columns(queries: Any, targets: Any) -> Any:
    queries = queries / np.linalg.norm(queries, axis=0)
    targets = targets / np.linalg.norm(targets, axis=0)
    return (queries @ targets.T).argmax(axis=1)


def _vector_cases() -> list[tuple[Any, ...]]:
    rng = np.random.default_rng(3)
    sizes = [(5, 9, 4), (20, 30, 6), (1, 3, 2)]
    return [
        (
            rng.normal(size=(queries, dim)),
            rng.normal(size=(targets, dim)) * rng.uniform(0.2, 5, size=(targets, 1)),
        )
        for queries, targets, dim in sizes
    ]


q3 = Function(
    id="alignment.q3",
    prompt="Write `nearest(queries, targets)`: for each row of `queries`, the number of the row "
    "of `targets` with the highest cosine. The rows have different lengths.",
    answer=nearest,
    cases=_vector_cases,
    hints=(
        "A cosine is a dot product of vectors of length 1.",
        "Divide each row by np.linalg.norm(…, axis=1, keepdims=True).",
    ),
    wrong={
        "unnormalised vectors": (
            lambda: _no_length,
            "Without dividing by the lengths, long vectors win: the dot product is not a cosine.",
        ),
        "columns normalised": (
            lambda: _columns,
            "axis=0 divides each component by its length over all words. A word is a row: axis=1.",
        ),
        "queries and targets exchanged": (
            lambda: _other_way,
            "This finds the nearest query of each target. We need one target for each query.",
        ),
    },
    why="xl.alignment.cosine_knn does this in blocks, so that memory stays small.",
)

# ── 4: the same in bounded memory ────────────────────────────────────────────────────────


def nearest_in_chunks(queries: Any, targets: Any, size: Any) -> Any:
    best = np.full(len(queries), -np.inf)
    row = np.zeros(len(queries), dtype=int)
    for start in range(0, len(targets), size):
        cosines = queries @ targets[start : start + size].T
        found = cosines.argmax(axis=1)
        score = cosines.max(axis=1)
        better = score > best
        row[better], best[better] = start + found[better], score[better]
    return row


def _no_offset(queries: Any, targets: Any, size: Any) -> Any:
    return nearest_in_chunks(queries, targets, size) % size


def _last_chunk_wins(queries: Any, targets: Any, size: Any) -> Any:
    start = (len(targets) - 1) // size * size
    return start + (queries @ targets[start:].T).argmax(axis=1)


def _rest_forgotten(queries: Any, targets: Any, size: Any) -> Any:
    return nearest_in_chunks(queries, targets[: len(targets) // size * size], size)


def _chunk_cases() -> list[tuple[Any, ...]]:
    rng = np.random.default_rng(4)

    def unit(rows: int, dim: int) -> Any:
        made = rng.normal(size=(rows, dim))
        return made / np.linalg.norm(made, axis=1, keepdims=True)

    cases = [
        (unit(6, 4), unit(23, 4), 5),
        (unit(9, 3), unit(8, 3), 4),
        (unit(7, 5), unit(31, 5), 7),
    ]
    for queries, targets, _ in cases:
        queries[0] = targets[-1]  # so that a rest that is forgotten is missed
    return cases


q4 = Function(
    id="alignment.q4",
    prompt="200,000 words against 200,000 make a matrix of 160 GB. Write "
    "`nearest_in_chunks(queries, targets, size)`, which looks at `size` targets at a time and "
    "gives the row number of the nearest one. Rows have length 1.",
    answer=nearest_in_chunks,
    cases=_chunk_cases,
    hints=(
        "Keep, for each query, the best score so far and where it was.",
        "argmax within a chunk counts from the chunk's own start.",
        "range(0, len(targets), size) gives the starts; a slice past the end is cut by itself.",
    ),
    wrong={
        "row number within the chunk": (
            lambda: _no_offset,
            "These numbers count from the start of each chunk. Add where the chunk begins.",
        ),
        "last chunk wins": (
            lambda: _last_chunk_wins,
            "Each chunk overwrites the one before. Replace an answer only if its score is higher.",
        ),
        "incomplete last chunk left out": (
            lambda: _rest_forgotten,
            "The targets after the last full chunk are never looked at.",
        ),
    },
    why="xl.alignment.csls_knn does this for CSLS too, and skips what cannot win.",
)

# ── 5: a clean test ──────────────────────────────────────────────────────────────────────


def _split() -> dict[str, Any]:
    return {
        "train_pairs": [("water", "wasser"), ("king", "könig"), ("bread", "brot"), ("go", "gehen")],
        "test_pairs": [
            ("water", "wassers"),
            ("house", "haus"),
            ("bread", "brot"),
            ("hand", "hand"),
            ("land", "land"),
            ("night", "nacht"),
        ],
    }


def _clean(train_pairs: Any, test_pairs: Any) -> Any:
    seen = {english for english, _ in train_pairs}
    return [english for english, german in test_pairs if english not in seen and english != german]


q5 = Words(
    id="alignment.q5",
    prompt="Which English words of `test_pairs` may be used to score a map that was learned from "
    "`train_pairs`, if spelling alone must not give the answer away?",
    answer=_clean,
    given=_split,
    hints=(
        "Two kinds of word have to go.",
        "A word is leaked even when the test lists another translation of it.",
        "Words spelled alike in both languages can be found without any vectors.",
    ),
    wrong={
        "test words in training": (
            lambda train_pairs, test_pairs: [e for e, g in test_pairs if e != g],
            "water and bread are training words: the map was fitted on them.",
        ),
        "only whole pairs compared": (
            lambda train_pairs, test_pairs: [
                e for e, g in test_pairs if (e, g) not in train_pairs and e != g
            ],
            "water is there with another translation, but its vector was used to fit the map.",
        ),
        "identical strings kept": (
            lambda train_pairs, test_pairs: [
                e for e, _ in test_pairs if e not in {a for a, _ in train_pairs}
            ],
            "hand and land are spelled alike in both languages: no vectors are needed for them.",
        ),
    },
    why="xl.alignment.evaluate refuses training words; "
    "Lexicon.without(identical=True) drops the rest.",
)

# ── 6: what to recommend ─────────────────────────────────────────────────────────────────

q6 = Quiz(
    id="alignment.q6",
    prompt="A colleague has vectors for a language far from English, from a small corpus, and "
    "no dictionary. What do you advise?",
    options={
        "a": Option(
            "Unsupervised alignment: it was made for languages without resources.",
            "It was made for it, but it fails most often just there: far languages, small or "
            "unlike corpora (Vulić et al., 2019).",
        ),
        "b": Option(
            "Write a few hundred word pairs by hand and keep a third of them for the test.",
            "In such a case unsupervised methods most often give nothing, a dictionary at least "
            "something, and without test words nobody could tell whether it worked.",
            right=True,
        ),
        "c": Option(
            "Fit on 25 pairs and check that the map is orthogonal.",
            "The map is orthogonal by construction, whatever the pairs are. Only words that it "
            "has not seen tell how good it is.",
        ),
        "d": Option(
            "Run unsupervised alignment and trust it if its own criterion is high.",
            "The criterion tells which of two runs on the same vectors is better, not whether "
            "either of them has worked. For that it takes words with known translations.",
        ),
    },
)
