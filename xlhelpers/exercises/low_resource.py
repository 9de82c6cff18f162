"""Questions of notebook 06: tokens, the loss that lies, copies, new vocabulary, selection."""

from __future__ import annotations

from typing import Any

import numpy as np

from xlhelpers.exercises.engine import Function, Number, Option, Quiz
from xlhelpers.exercises.prediction import Prediction

# ── guesses ──────────────────────────────────────────────────────────────────────────────

thrifty = Prediction(
    id="low_resource.thrifty",
    prompt="Three of these languages no mini model has read. To which of all six does the "
    "tokenizer of mini-mBERT give the fewest tokens for the same 24 sentences?",
    options=("English", "German", "Chinese", "Japanese", "Thai", "Yoruba"),
)
loss = Prediction(
    id="low_resource.loss",
    prompt="The article's loop prints a loss below 1 in the end. Before it, a masked token of "
    "held-out Yoruba cost more than 7 nats. How many does it cost afterwards?",
    low=0,
    high=8,
    step=0.5,
)
dictionary = Prediction(
    id="low_resource.dictionary",
    prompt="New words of the vocabulary begin where a dictionary has their English. Without any "
    "training, what share of 108 hand-written Yoruba reviews finds its English among 108?",
    low=0,
    high=100,
    unit="%",
)
deleted = Prediction(
    id="low_resource.deleted",
    prompt="The article's function “deletes 10 % of the words”. Of 6,000 copies that it makes of "
    "its own three examples, how many have lost a word?",
    low=0,
    high=6000,
    step=100,
)

# ── 1: the loss that lies ────────────────────────────────────────────────────────────────

q1 = Quiz(
    id="low_resource.q1",
    prompt="A loop masks one token in seven, gives the model all original tokens as labels, and "
    "reports a loss that soon falls below 1. What has the model learned above all?",
    options={
        "a": Option(
            "To guess masked words of the new language.",
            "These are one label in seven. The others stand in the input: to say them takes no "
            "knowledge of the language. Held-out masked loss shows how little was learned.",
        ),
        "b": Option(
            "To repeat the tokens that it sees.",
            "Of seven labels six stand in the input. Copying them brings the mean loss down fast, "
            "and says nothing of the language.",
            right=True,
        ),
        "c": Option(
            "The training texts by heart.",
            "A few hundred texts, each read once, are not learned by heart. The loss is as low on "
            "a text that the model has never seen.",
        ),
        "d": Option(
            "Nothing: gradients of the other labels cancel those of the hidden tokens.",
            "Gradients do not cancel: the model learns to copy, and a little of what is asked.",
        ),
    },
)

# ── 2: what the same content costs ───────────────────────────────────────────────────────


def _bill() -> dict[str, Any]:
    return {
        "english": {"tokens": 600, "words": 330, "characters": 1400},
        "yoruba": {"tokens": 1100, "words": 360, "characters": 1250},
    }


def _premium(english: Any, yoruba: Any) -> Any:
    return yoruba["tokens"] / english["tokens"]


q2 = Number(
    id="low_resource.q2",
    prompt="The same 24 sentences in two languages, counted. A service takes its price by the "
    "token. How many times as much as in English does the same content cost in Yoruba?",
    answer=_premium,
    given=_bill,
    hints=(
        "The price is for tokens, and both columns say the same things.",
        "Words and characters are not what is paid for.",
        'yoruba["tokens"] / english["tokens"]',
    ),
    wrong={
        "by the word": (
            lambda english, yoruba: (
                (yoruba["tokens"] / yoruba["words"]) / (english["tokens"] / english["words"])
            ),
            "This compares tokens a word. The two languages say the same in different numbers of "
            "words, and words are not what is paid for.",
        ),
        "by the character": (
            lambda english, yoruba: (
                (yoruba["tokens"] / yoruba["characters"])
                / (english["tokens"] / english["characters"])
            ),
            "This compares tokens a character. A script that writes more with fewer characters "
            "would look dear.",
        ),
        "the wrong way round": (
            lambda english, yoruba: english["tokens"] / yoruba["tokens"],
            "This is how much English costs, with Yoruba as 1.",
        ),
        "how much more": (
            lambda english, yoruba: yoruba["tokens"] / english["tokens"] - 1,
            "This is how much more it costs. How many times as much is asked, 1 for the same.",
        ),
    },
    why="Petrov et al. (2023, NeurIPS) call this the premium; xl.tokenization.parity gives it with "
    "an interval over sentences.",
)

# ── 3: copies whose original is tested ───────────────────────────────────────────────────


def clean(train: Any, test: Any) -> Any:
    def origin(id_: Any) -> Any:
        return id_.partition("+")[0]

    tested = {origin(id_) for id_ in test}
    return [id_ for id_ in train if origin(id_) not in tested]


def _as_they_are(train: Any, test: Any) -> Any:
    return [id_ for id_ in train if id_ not in set(test)]


def _of_train_alone(train: Any, test: Any) -> Any:
    return [id_ for id_ in train if id_.partition("+")[0] not in set(test)]


def _by_beginning(train: Any, test: Any) -> Any:
    starts = tuple(id_.partition("+")[0] for id_ in test)
    return [id_ for id_ in train if not id_.startswith(starts)]


def _originals_alone(train: Any, test: Any) -> Any:
    return [id_ for id_ in clean(train, test) if "+" not in id_]


q3 = Function(
    id="low_resource.q3",
    prompt="Copies have the id of their original and `+1`, `+2`, … Write `clean(train, test)`: "
    "two lists of ids, of a set that was augmented before it was split. Return the ids of "
    "training, in their order, without those that were made of the same row as a test row.",
    answer=clean,
    cases=lambda: [
        (["r-1", "r-1+1", "r-2", "r-2+1"], ["r-3", "r-3+1"]),
        (["r-1", "r-1+1", "r-2", "r-2+1"], ["r-1+2"]),
        (["r-1+1", "r-12", "r-12+1", "r-2+2", "r-7"], ["r-1", "r-2+1"]),
        (["r-5+1", "r-6", "r-6+1"], ["r-5"]),
    ],
    hints=(
        "What was a copy made of? Take away what stands behind the plus.",
        'id_.partition("+")[0] is the id of the original, of a copy and of an original.',
        "Collect the originals of the test rows, then keep the training rows of other originals.",
    ),
    wrong={
        "ids as they are": (
            lambda: _as_they_are,
            "`r-1+1` and `r-1+2` are two ids of one review. Compare what they were made of.",
        ),
        "origins of training alone": (
            lambda: _of_train_alone,
            "A test row can be a copy, too: take the plus away on both sides.",
        ),
        "the beginning of the id": (
            lambda: _by_beginning,
            "`r-12` begins with `r-1` and is another review. Cut at the plus.",
        ),
        "originals alone": (
            lambda: _originals_alone,
            "You threw all copies away. Those of rows that are not tested may stay.",
        ),
    },
    why="Better still: split first and augment then, as xl.augmentation.augment insists on.",
)

# ── 4: where a new embedding begins ──────────────────────────────────────────────────────


def _embeddings() -> list[tuple[Any, ...]]:
    rng = np.random.default_rng(6)
    old = rng.normal(size=(8, 3)).round(2)
    return [
        (old, [[1]], [4, 5]),
        (old, [[1, 2, 3], [4]], [0, 7]),
        (old, [], [5, 6, 7]),
        (old, [[2, 6], [0, 1], [3]], [4]),
    ]


def beginning(old: Any, meanings: Any, pieces: Any) -> Any:
    old = np.asarray(old)
    if not meanings:
        return old[pieces].mean(axis=0)
    return np.mean([old[ids].mean(axis=0) for ids in meanings], axis=0)


def _first_meaning(old: Any, meanings: Any, pieces: Any) -> Any:
    return np.asarray(old)[meanings[0] if meanings else pieces].mean(axis=0)


def _all_pieces_alike(old: Any, meanings: Any, pieces: Any) -> Any:
    return np.asarray(old)[sum(meanings, []) or list(pieces)].mean(axis=0)


def _pieces_always(old: Any, meanings: Any, pieces: Any) -> Any:
    return np.asarray(old)[pieces].mean(axis=0)


def _zeros_without(old: Any, meanings: Any, pieces: Any) -> Any:
    if not meanings:
        return np.zeros(np.shape(old)[1])
    return beginning(old, meanings, pieces)


q4 = Function(
    id="low_resource.q4",
    prompt="Write `beginning(old, meanings, pieces)`: where the embedding of a new entry begins. "
    "`old` has one row an entry; `meanings` a list of row numbers for each translation of the "
    "word; `pieces` the rows that the old tokenizer cut it into. Return the mean of the "
    "translations, each the mean of its rows; without a translation, the mean of the pieces.",
    answer=beginning,
    cases=_embeddings,
    hints=(
        "old[ids].mean(axis=0) is the vector of one translation.",
        "Then the mean of these vectors: a translation in three pieces counts once, as any other.",
        "if not meanings: return old[pieces].mean(axis=0)",
    ),
    wrong={
        "the first translation": (
            lambda: _first_meaning,
            "You took the first translation. A word that means two things begins between them.",
        ),
        "all pieces alike": (
            lambda: _all_pieces_alike,
            "You put the pieces of all translations into one mean: one that is cut into three "
            "counts three times. Take the mean of each translation first.",
        ),
        "pieces even with a translation": (
            lambda: _pieces_always,
            "The pieces say how the word is written. The translation says what it means: take it "
            "where there is one.",
        ),
        "zeros without a translation": (
            lambda: _zeros_without,
            "Zero is no place where words are. Without a translation fall back on the pieces.",
        ),
    },
    why="This is what extend_vocabulary(…, initial='lexicon') does, once for every new entry.",
)

# ── 5: the k-centre ──────────────────────────────────────────────────────────────────────


def _clouds() -> list[tuple[Any, ...]]:
    rng = np.random.default_rng(11)
    spread = rng.normal(size=(30, 4)).round(3)
    corners = np.array([[0, 0], [0.1, 0], [9, 0], [9.1, 0.2], [0, 7], [5, 5], [0.2, 7.1]])
    line = np.array([[0.0], [1.0], [10.0], [10.5], [4.0]])
    # The last has two labelled rows far apart: their nearest, farthest and mean differ at once.
    return [(corners, [0], 3), (spread, [3, 4], 6), (line, [0], 2), (corners, [2, 4], 3)]


def spread_out(vectors: Any, taken: Any, k: Any) -> Any:
    chosen: list[int] = []
    vectors = np.asarray(vectors, dtype=float)
    for _ in range(int(k)):
        centres = vectors[[*taken, *chosen]]
        distances = np.linalg.norm(vectors[:, None] - centres[None], axis=2).min(axis=1)
        chosen.append(int(distances.argmax()))
    return chosen


def _all_at_once(vectors: Any, taken: Any, k: Any) -> Any:
    vectors = np.asarray(vectors, dtype=float)
    distances = np.linalg.norm(vectors[:, None] - vectors[list(taken)][None], axis=2).min(axis=1)
    return [int(row) for row in np.argsort(-distances, kind="stable")[: int(k)]]


def _from_the_mean(vectors: Any, taken: Any, k: Any) -> Any:
    chosen: list[int] = []
    vectors = np.asarray(vectors, dtype=float)
    for _ in range(int(k)):
        used = [*taken, *chosen]
        distances = np.linalg.norm(vectors - vectors[used].mean(axis=0), axis=1)
        distances[used] = -1
        chosen.append(int(distances.argmax()))
    return chosen


def _farthest_of_any(vectors: Any, taken: Any, k: Any) -> Any:
    chosen: list[int] = []
    vectors = np.asarray(vectors, dtype=float)
    for _ in range(int(k)):
        used = [*taken, *chosen]
        distances = np.linalg.norm(vectors[:, None] - vectors[used][None], axis=2).max(axis=1)
        distances[used] = -1
        chosen.append(int(distances.argmax()))
    return chosen


def _farthest_again(vectors: Any, taken: Any, k: Any) -> Any:
    chosen: list[int] = []
    vectors = np.asarray(vectors, dtype=float)
    for _ in range(int(k)):
        centres = vectors[[*taken, *chosen]]
        distances = np.linalg.norm(vectors[:, None] - centres[None], axis=2).max(axis=1)
        chosen.append(int(distances.argmax()))
    return chosen


def _farthest_at_once(vectors: Any, taken: Any, k: Any) -> Any:
    vectors = np.asarray(vectors, dtype=float)
    distances = np.linalg.norm(vectors[:, None] - vectors[list(taken)][None], axis=2).max(axis=1)
    return [int(row) for row in np.argsort(-distances, kind="stable")[: int(k)]]


q5 = Function(
    id="low_resource.q5",
    prompt="Write `spread_out(vectors, taken, k)`: the row numbers of k vectors to label next, as "
    "a list, in the order in which they are chosen. Each time take the vector whose nearest "
    "labelled one (in `taken`, or chosen before) is farthest away.",
    answer=spread_out,
    cases=_clouds,
    hints=(
        "For every row: its distance to each labelled row, and of these the least.",
        "np.linalg.norm(vectors[:, None] - centres[None], axis=2).min(axis=1)",
        "Choose one, count it as labelled, and measure again.",
    ),
    wrong={
        "all at once": (
            lambda: _all_at_once,
            "You measured once and took the k farthest. They may all lie in one place: after each "
            "choice measure again.",
        ),
        "distance to the mean": (
            lambda: _from_the_mean,
            "The mean of the labelled rows may lie where none of them is. Each row goes by its "
            "nearest labelled one.",
        ),
        "distance to the farthest": (
            lambda: _farthest_of_any,
            "A row beside a labelled one is no news, however far another labelled one may be. "
            "Take the least distance, not the greatest.",
        ),
        "a labelled row once more": (
            lambda: _farthest_again,
            "Rows are chosen that are labelled already. To its farthest labelled row each of them "
            "is far; to its nearest, which is itself, the distance is 0. Take the least.",
        ),
        "distance to the farthest, all at once": (
            lambda: _farthest_at_once,
            "Two things: a row goes by its nearest labelled one, not by the farthest, and after "
            "each choice the distances have to be measured again.",
        ),
    },
    why="Sener & Savarese (2018, ICLR) choose a core set this way; xl.active_learning.k_centre.",
)
