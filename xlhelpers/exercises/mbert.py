"""Questions of notebook 02: what mBERT's vectors say across languages."""

from __future__ import annotations

from typing import Any

import numpy as np

from xlhelpers.exercises.engine import Function, Option, Quiz
from xlhelpers.exercises.prediction import Prediction

# ── guesses ──────────────────────────────────────────────────────────────────────────────

twin_cosine = Prediction(
    id="mbert.twin_cosine",
    prompt="The same table from a network of the same shape that was never trained: what will "
    "the lowest of its ten cosines be?",
    low=0,
    high=1,
    step=0.01,
)
probe = Prediction(
    id="mbert.probe",
    prompt="A linear classifier sees nothing but sentence vectors, of nine languages in equal "
    "parts. For how many of 100 sentences will it name the language rightly?",
    low=0,
    high=100,
)

# ── 1: what a cosine of 0.9 shows ────────────────────────────────────────────────────────

q1 = Quiz(
    id="mbert.q1",
    prompt="A sentence and its translation have a cosine of 0.9. What does that show?",
    options={
        "a": Option(
            "That the model gives both nearly the same meaning.",
            "Sentences that have nothing to do with each other may have 0.9 too, and in a network "
            "that was never trained they do. The figure alone shows no meaning.",
        ),
        "b": Option(
            "Nothing yet: it has to be compared with the cosines of sentences that are no "
            "translations.",
            "What counts is the distance to other candidates. Retrieval asks for just that: is "
            "the translation nearer than all distractors?",
            right=True,
        ),
        "c": Option(
            "That the model was trained on translations.",
            "mBERT saw none, and a network without any training has high cosines as well.",
        ),
        "d": Option(
            "That the two vectors point in the same direction in nine of ten dimensions.",
            "A cosine is no share of dimensions. Two vectors with one large component in common "
            "have a cosine near 1, whatever the others are.",
        ),
    },
)

# ── 2: a mean without padding ────────────────────────────────────────────────────────────


def mean_pool(hidden: Any, mask: Any) -> Any:
    weight = mask[:, :, None]
    return (hidden * weight).sum(axis=1) / weight.sum(axis=1)


def _padding_counted(hidden: Any, mask: Any) -> Any:
    return hidden.mean(axis=1)


def _divided_by_longest(hidden: Any, mask: Any) -> Any:
    return (hidden * mask[:, :, None]).mean(axis=1)


def _first_token(hidden: Any, mask: Any) -> Any:
    return hidden[:, 0]


def _batches() -> list[tuple[Any, ...]]:
    rng = np.random.default_rng(2)
    made = []
    for lengths in ([3, 5, 2], [4, 1], [2, 6, 6, 3]):
        longest = max(lengths)
        mask = (np.arange(longest) < np.array(lengths)[:, None]).astype(float)
        made.append((rng.normal(size=(len(lengths), longest, 4)), mask))
    return made


q2 = Function(
    id="mbert.q2",
    prompt="Write `mean_pool(hidden, mask)`: from hidden states (texts, tokens, d) and a mask "
    "(texts, tokens) of 1 for a token and 0 for padding to one vector a text, (texts, d).",
    answer=mean_pool,
    cases=_batches,
    hints=(
        "hidden.mean(axis=1) counts the padding; texts that share a batch would change each other.",
        "mask[:, :, None] has the shape (texts, tokens, 1) and can be multiplied with hidden.",
        "Divide by the number of tokens of each text, mask.sum, not by the length of the batch.",
    ),
    wrong={
        "padding counted": (
            lambda: _padding_counted,
            "This is the mean over all columns, padding too. A text's vector then depends on the "
            "longest text in its batch.",
        ),
        "divided by the longest": (
            lambda: _divided_by_longest,
            "The sum leaves the padding out, but it is divided by the length of the longest text. "
            "Divide by each text's own number of tokens.",
        ),
        "first token": (
            lambda: _first_token,
            "This is the vector of [CLS], the first token, and no mean.",
        ),
    },
    why="xl.encoding.mean_pool does this, and refuses a text without tokens.",
)

# ── 3: retrieval ─────────────────────────────────────────────────────────────────────────


def accuracy(queries: Any, targets: Any) -> Any:
    queries = queries / np.linalg.norm(queries, axis=1, keepdims=True)
    targets = targets / np.linalg.norm(targets, axis=1, keepdims=True)
    nearest = (queries @ targets.T).argmax(axis=1)
    return (nearest == np.arange(len(queries))).mean()


def _dot_product(queries: Any, targets: Any) -> Any:
    return ((queries @ targets.T).argmax(axis=1) == np.arange(len(queries))).mean()


def _above_threshold(queries: Any, targets: Any) -> Any:
    queries = queries / np.linalg.norm(queries, axis=1, keepdims=True)
    targets = targets / np.linalg.norm(targets, axis=1, keepdims=True)
    return ((queries * targets[: len(queries)]).sum(axis=1) > 0.9).mean()


def _backwards(queries: Any, targets: Any) -> Any:
    return accuracy(targets[: len(queries)], queries)


def _pairs_with_distractors() -> list[tuple[Any, ...]]:
    rng = np.random.default_rng(4)
    made = []
    for queries, extra, noise in ((12, 20, 0.9), (30, 10, 0.8), (25, 0, 1.0)):
        targets = rng.normal(size=(queries + extra, 5))
        asked = targets[:queries] + noise * rng.normal(size=(queries, 5))
        made.append((asked, targets * rng.uniform(0.3, 3, size=(queries + extra, 1))))
    return made


q3 = Function(
    id="mbert.q3",
    prompt="Write `accuracy(queries, targets)`: the share of rows of `queries` whose nearest row "
    "of `targets`, by cosine, has the same row number. `targets` may have more rows: distractors.",
    answer=accuracy,
    cases=_pairs_with_distractors,
    hints=(
        "First give all rows length 1.",
        "queries @ targets.T has one row a query; argmax(axis=1) is the nearest target of each.",
        "Compare with np.arange(len(queries)) and take the mean.",
    ),
    wrong={
        "dot product": (
            lambda: _dot_product,
            "Without dividing by the lengths, long targets win: that is no cosine.",
        ),
        "cosine above a threshold": (
            lambda: _above_threshold,
            "This counts the pairs above 0.9 and never looks at the distractors. Whether 0.9 is "
            "high depends on them.",
        ),
        "the other direction": (
            lambda: _backwards,
            "This finds the nearest query of each target, and leaves the distractors out.",
        ),
    },
    why="xl.encoding.retrieve does this, with an interval.",
)

# ── 4: who are the neighbours? ───────────────────────────────────────────────────────────


def same_language(vectors: Any, languages: Any) -> Any:
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = unit @ unit.T
    np.fill_diagonal(cosines, -np.inf)
    nearest = cosines.argmax(axis=1)
    return np.mean([languages[i] == languages[j] for i, j in enumerate(nearest)])


def _itself_found(vectors: Any, languages: Any) -> Any:
    return 1.0


def _zeroed(vectors: Any, languages: Any) -> Any:
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = unit @ unit.T
    np.fill_diagonal(cosines, 0)
    return np.mean([languages[i] == languages[j] for i, j in enumerate(cosines.argmax(axis=1))])


def _farthest(vectors: Any, languages: Any) -> Any:
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.mean([languages[i] == languages[j] for i, j in enumerate((unit @ unit.T).argmin(1))])


def _all_pairs(vectors: Any, languages: Any) -> Any:
    codes = np.array(languages)
    return (codes[:, None] == codes[None]).mean()


def _clouds_of_languages() -> list[tuple[Any, ...]]:
    rng = np.random.default_rng(5)
    made = []
    for apart in (0.0, 0.6, 1.5):
        languages = [str(code) for code in rng.permutation(["en"] * 14 + ["hi"] * 11 + ["sw"] * 5)]
        offset = {code: rng.normal(size=4) * apart for code in ("en", "hi", "sw")}
        rows = rng.normal(size=(30, 4)) + np.stack([offset[code] for code in languages])
        made.append((rows, languages))
    turns = np.deg2rad([0, 100, 240])  # all cosines between these rows are below 0
    apart_all = np.stack([np.cos(turns), np.sin(turns)], axis=1)
    return [*made, (apart_all, ["en", "hi", "en"])]


q4 = Function(
    id="mbert.q4",
    prompt="Write `same_language(vectors, languages)`: the share of rows whose nearest row, by "
    "cosine and apart from the row itself, is of the same language.",
    answer=same_language,
    cases=_clouds_of_languages,
    hints=(
        "The nearest row of all is the row itself.",
        "np.fill_diagonal(cosines, -np.inf) takes every row out of its own list.",
    ),
    wrong={
        "each row finds itself": (
            lambda: _itself_found,
            "Always 1: with a cosine of 1 the nearest row is the row itself. Take the diagonal "
            "out first.",
        ),
        "0 on the diagonal": (
            lambda: _zeroed,
            "A cosine can be below 0. Where those with all other rows are, the 0 on the diagonal "
            "is the highest, and the row finds itself again. -np.inf is below every cosine.",
        ),
        "farthest instead of nearest": (
            lambda: _farthest,
            "argmin finds the row that is farthest off.",
        ),
        "all pairs counted": (
            lambda: _all_pairs,
            "This is the share of same-language pairs among all pairs, close to chance. It does "
            "not look at the vectors.",
        ),
    },
    why="A share near 1 means that the space is sorted by language first. Unlike a linear probe, "
    "this measure also works on centred vectors.",
)

# ── 5: what a control allows to say ──────────────────────────────────────────────────────

q5 = Quiz(
    id="mbert.q5",
    prompt="A model was trained on two languages that share no piece of a word, and still finds "
    "translations well above chance and above its never-trained twin. What may be concluded?",
    options={
        "a": Option(
            "Shared pieces do nothing.",
            "That would need the comparison with a model that has them. They may still add to it; "
            "what was shown is that they are not needed.",
        ),
        "b": Option(
            "Shared pieces are not necessary; how much they add, a twin that has them would tell.",
            "One control, one sentence: without shared pieces it still works. The size of their "
            "share is the difference between the twins, with its interval and over several seeds.",
            right=True,
        ),
        "c": Option(
            "The two languages share nothing at all in this model.",
            "They share all layers, the position embeddings, special tokens and punctuation. "
            "Dufter and Schütze (2020) find that some of these matter.",
        ),
        "d": Option(
            "It must have seen translations after all.",
            "Text alone can be enough, as K et al. (2020) and Conneau, Wu et al. (2020) found. The "
            "never-trained twin shows that it is learned, not that anybody taught it in pairs.",
        ),
    },
)
