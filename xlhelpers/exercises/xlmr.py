"""Questions of notebook 03: XLM-R's vocabulary, sampling, fine-tuning and comparison."""

from __future__ import annotations

from typing import Any

import numpy as np

from xlhelpers.exercises.engine import Function, Number, Numbers, Option, Quiz
from xlhelpers.exercises.prediction import Prediction

# ── guesses ──────────────────────────────────────────────────────────────────────────────

embeddings = Prediction(
    id="xlmr.embeddings",
    prompt="XLM-R base has 12 layers of 768 units and 250,002 vocabulary entries. What share of "
    "its parameters are word embeddings?",
    low=0,
    high=100,
    unit="%",
)
transfer = Prediction(
    id="xlmr.transfer",
    prompt="Trained on English reviews alone: of 100 German reviews that are clearly negative or "
    "positive, on how many will the classifier come down on the right side?",
    low=0,
    high=100,
)

# ── 1: what the exponent does ────────────────────────────────────────────────────────────

q1 = Quiz(
    id="xlmr.q1",
    prompt="Which sentence about the sampling exponent is right?",
    options={
        "a": Option(
            "XLM-R introduced it, and it lifts the curse of multilinguality.",
            "mBERT had one before it (0.7), and XLM after. The curse is a shortage of capacity: "
            "what relieves it is a larger model (Conneau et al., 2020, §5.1).",
        ),
        "b": Option(
            "It shares out a fixed number of steps: what a rare language gains, others lose.",
            "A lower exponent moves steps from languages with much text to those with little. "
            "The model is no larger for it.",
            right=True,
        ),
        "c": Option(
            "With XLM-R's exponent all languages are drawn equally often.",
            "That is an exponent of 0. With XLM-R's 0.3 English is still drawn about five times as "
            "often as Swahili, where its text is 188 times as much.",
        ),
        "d": Option(
            "The lower it is, the better for every language.",
            "A low exponent repeats the little text of rare languages many times, and takes steps "
            "from all others: performance on those with much text falls (Figure 5 of the paper).",
        ),
    },
)

# ── 2: where the parameters are ──────────────────────────────────────────────────────────


def _base() -> dict[str, Any]:
    return {"vocabulary": 250_002, "width": 768, "layers": 12, "inner": 3072, "positions": 514}


def _embedding_share(vocabulary: Any, width: Any, layers: Any, inner: Any, positions: Any) -> Any:
    words = vocabulary * width
    other = positions * width + 3 * width  # positions, one token type, a norm
    attention = 4 * (width * width + width) + 2 * width  # query, key, value, output; a norm
    feed_forward = 2 * width * inner + inner + width + 2 * width
    return words / (words + other + layers * (attention + feed_forward))


q2 = Number(
    id="xlmr.q2",
    prompt="From these sizes of XLM-R base: what share of the encoder (no head, no pooler) are "
    "its word embeddings? Give a share of 1.",
    answer=_embedding_share,
    given=_base,
    rtol=4e-3,
    share=True,
    hints=(
        "Word embeddings are a matrix of vocabulary × width.",
        "A layer has four square matrices for attention, and two of width × inner after it.",
        "Biases and norms hardly count: words / (words + layers * (4 * width**2 + "
        "2 * width * inner)) is near enough.",
    ),
    wrong={
        "one matrix for attention": (
            lambda vocabulary, width, layers, inner, positions: (
                vocabulary * width / (vocabulary * width + layers * (width**2 + 2 * width * inner))
            ),
            "Attention has four matrices: for queries, keys, values, and for what comes out.",
        ),
        "feed-forward left out": (
            lambda vocabulary, width, layers, inner, positions: (
                vocabulary * width / (vocabulary * width + layers * 4 * width**2)
            ),
            "Each layer has a second part, two matrices of width × inner. It is twice as large "
            "as the attention.",
        ),
        "one layer": (
            lambda vocabulary, width, layers, inner, positions: _embedding_share(
                vocabulary, width, 1, inner, positions
            ),
            "This is the share with a single layer. There are 12.",
        ),
        "words counted twice": (
            lambda vocabulary, width, layers, inner, positions: (
                2
                * vocabulary
                * width
                / (2 * vocabulary * width + layers * (4 * width**2 + 2 * width * inner))
            ),
            "The output of masked language modelling uses the same matrix again. Tied weights "
            "are stored, and counted, once.",
        ),
    },
    why="xl.tokenization.parameters_by_part counts the same on any model, tied weights once.",
)

# ── 3: smoothed sampling ─────────────────────────────────────────────────────────────────


def sampled(sizes: Any, alpha: Any) -> Any:
    weights = (np.asarray(sizes) / np.sum(sizes)) ** alpha
    return weights / weights.sum()


def _not_normalised(sizes: Any, alpha: Any) -> Any:
    return (np.asarray(sizes) / np.sum(sizes)) ** alpha


def _as_temperature(sizes: Any, alpha: Any) -> Any:
    return sampled(sizes, 1 / alpha)


def _mixed(sizes: Any, alpha: Any) -> Any:
    share = np.asarray(sizes) / np.sum(sizes)
    return alpha * share + (1 - alpha) / len(share)


def _softmax(sizes: Any, alpha: Any) -> Any:
    weights = np.exp(alpha * np.asarray(sizes) / np.sum(sizes))
    return weights / weights.sum()


q3 = Function(
    id="xlmr.q3",
    prompt="Write `sampled(sizes, alpha)`: from amounts of text, one a language, to the "
    "probabilities with which languages are drawn.",
    answer=sampled,
    cases=lambda: [
        ([300.8, 66.6, 1.6], 0.3),
        ([10.0, 10.0, 5.0, 1.0], 0.7),
        ([4.0, 1.0], 0.5),
        ([1000.0, 10.0, 1.0], 1.0),
    ],
    hints=(
        "First each language's share of the text.",
        "Raise the shares to the power alpha.",
        "Powers of shares no longer sum to 1: divide by their sum.",
    ),
    wrong={
        "powers that do not sum to 1": (
            lambda: _not_normalised,
            "Raised to a power, shares no longer sum to 1. Divide by their sum.",
        ),
        "exponent upside down": (
            lambda: _as_temperature,
            "This raises to the power 1 / alpha, which makes large languages larger still. (Some "
            "papers write a temperature T instead, with the exponent 1 / T.)",
        ),
        "mixed with equal shares": (
            lambda: _mixed,
            "This is a weighted mean of the shares and of equal parts. A power goes by ratios: "
            "with 0.3, a language with a hundredth of the text is drawn a quarter as often.",
        ),
        "a softmax": (
            lambda: _softmax,
            "This is a softmax of the shares. With it nearly equal probabilities come out, since "
            "shares lie so close together; the formula has the share itself as its base.",
        ),
    },
    why="xl.pretraining.sampling_probabilities does the same, by the names of languages.",
)

# ── 4: a data collator ───────────────────────────────────────────────────────────────────


def collate(rows: Any, pad: Any) -> Any:
    longest = max(len(row) for row in rows)
    ids = [list(row) + [pad] * (longest - len(row)) for row in rows]
    mask = [[1] * len(row) + [0] * (longest - len(row)) for row in rows]
    return ids, mask


def _padding_attended(rows: Any, pad: Any) -> Any:
    ids, mask = collate(rows, pad)
    return ids, [[1] * len(row) for row in mask]


def _zero_for_padding(rows: Any, pad: Any) -> Any:
    return collate(rows, 0)


def _cut_to_the_shortest(rows: Any, pad: Any) -> Any:
    shortest = min(len(row) for row in rows)
    return collate([row[:shortest] for row in rows], pad)


def _to_a_fixed_length(rows: Any, pad: Any) -> Any:
    ids, mask = collate([*rows, [pad] * 128], pad)
    return ids[:-1], mask[:-1]


def _padded_before(rows: Any, pad: Any) -> Any:
    ids, mask = collate([list(row)[::-1] for row in rows], pad)
    return [row[::-1] for row in ids], [row[::-1] for row in mask]


q4 = Function(
    id="xlmr.q4",
    prompt="Write `collate(rows, pad)`: from rows of token numbers to two lists of lists, the "
    "rows filled up with `pad` at their ends to the length of the longest, and the mask.",
    answer=collate,
    cases=lambda: [
        ([[0, 7, 8, 2], [0, 5, 2]], 1),
        ([[0, 9, 2]], 1),
        ([[0, 4, 4, 4, 4, 2], [0, 2], [0, 6, 2]], 1),
    ],
    hints=(
        "How long is the longest row of this batch?",
        "The mask has 1 for a token and 0 for padding.",
        "list(row) + [pad] * (longest - len(row)) fills one row up.",
    ),
    wrong={
        "padding is attended to": (
            lambda: _padding_attended,
            "A mask of ones alone tells the model to read the padding as text. 0 hides it.",
        ),
        "0 for padding": (
            lambda: _zero_for_padding,
            "In BERT the padding is number 0, in XLM-R it is 1, and 0 is <s>. Use what is given.",
        ),
        "cut to the shortest": (
            lambda: _cut_to_the_shortest,
            "This throws the ends of all longer texts away. Fill up, do not cut.",
        ),
        "one length for all batches": (
            lambda: _to_a_fixed_length,
            "Filled up to 128, whatever the batch: the article does the like with its whole data "
            "set. Most of what is computed is then padding.",
        ),
        "padding in front": (
            lambda: _padded_before,
            "The padding stands in front here. XLM-R's positions are counted from the first "
            "token, and its classifier reads the first place: fill up at the end.",
        ),
    },
    why="transformers.DataCollatorWithPadding does this for each batch of the Trainer.",
)

# ── 5: three classes, and polarity ───────────────────────────────────────────────────────


def _answers() -> dict[str, Any]:
    return {
        "probabilities": np.array(
            [
                [0.2, 0.5, 0.3],
                [0.6, 0.3, 0.1],
                [0.1, 0.8, 0.1],
                [0.3, 0.4, 0.3],
                [0.4, 0.1, 0.5],
                [0.3, 0.2, 0.5],
                [0.1, 0.6, 0.3],
                [0.2, 0.6, 0.2],
            ]
        ),
        "gold": np.array([2, 0, 1, 1, 0, 2, 0, 1]),  # 0 negative, 1 neutral, 2 positive
    }


def _both(probabilities: Any, gold: Any) -> Any:
    three = np.mean(probabilities.argmax(axis=1) == gold)
    polar = gold != 1
    positive = probabilities[polar, 2] > probabilities[polar, 0]
    polarity = np.mean(positive == (gold[polar] == 2))
    return {"three classes": three, "polarity": polarity}


def _neutral_counts(probabilities: Any, gold: Any) -> Any:
    side = np.where(probabilities[:, 2] > probabilities[:, 0], 2, 0)
    return _both(probabilities, gold) | {"polarity": np.mean(side == gold)}


def _neutral_is_wrong(probabilities: Any, gold: Any) -> Any:
    polar = gold != 1
    right = probabilities[polar].argmax(axis=1) == gold[polar]
    return _both(probabilities, gold) | {"polarity": np.mean(right)}


def _answered_polar(probabilities: Any, gold: Any) -> Any:
    said = probabilities.argmax(axis=1)
    polar = said != 1
    return _both(probabilities, gold) | {"polarity": np.mean(said[polar] == gold[polar])}


q5 = Numbers(
    id="xlmr.q5",
    prompt="From `probabilities` (columns: negative, neutral, positive) and `gold` (0, 1, 2): "
    "compute the accuracy over all three classes, and the polarity. Answer "
    '{"three classes": …, "polarity": …}, as shares of 1.',
    answer=_both,
    given=_answers,
    share=True,
    hints=(
        "argmax(axis=1) is the class that is said.",
        "Polarity asks about rows whose gold is not neutral, and compares two columns only.",
        "gold != 1 picks the rows; probabilities[:, 2] > probabilities[:, 0] picks the side.",
    ),
    wrong={
        "neutral rows in the polarity": (
            _neutral_counts,
            "Rows whose gold is neutral have no side to get right. Leave them out.",
        ),
        "neutral answers count as wrong": (
            _neutral_is_wrong,
            "For polarity a hesitant answer still leans to one side: compare the two "
            "probabilities, whatever the neutral one is.",
        ),
        "rows chosen by the answer": (
            _answered_polar,
            "You left out the rows that the model calls neutral. A model could then pick the rows "
            "that it is scored on. The gold label decides.",
        ),
    },
    why="A model that tells neutral from the rest, by length or question marks, does well in "
    "three classes and stands at chance in polarity. Print both.",
)

# ── 6: two models on the same texts ──────────────────────────────────────────────────────


def _comparisons() -> list[tuple[Any, ...]]:
    rng = np.random.default_rng(6)
    cases = []
    for n, gain in ((60, 0.1), (200, 0.05), (90, 0.0)):
        hard = rng.random(n)
        one, other = (hard < 0.7 + gain).astype(float), (hard < 0.7).astype(float)
        flipped = rng.random(n) < 0.1
        other[flipped] = 1 - other[flipped]
        cases.append((one, other, rng.integers(0, n, size=(400, n))))
    return cases


def paired_interval(one: Any, other: Any, draws: Any) -> Any:
    differences = np.asarray(one) - np.asarray(other)
    return np.percentile(differences[draws].mean(axis=1), [2.5, 97.5])


def _drawn_apart(one: Any, other: Any, draws: Any) -> Any:
    first, second = np.asarray(one)[draws], np.asarray(other)[np.roll(draws, 1, axis=0)]
    return np.percentile(first.mean(axis=1) - second.mean(axis=1), [2.5, 97.5])


def _ends_subtracted(one: Any, other: Any, draws: Any) -> Any:
    first = np.percentile(np.asarray(one)[draws].mean(axis=1), [2.5, 97.5])
    return first - np.percentile(np.asarray(other)[draws].mean(axis=1), [2.5, 97.5])


def _nine_of_ten(one: Any, other: Any, draws: Any) -> Any:
    differences = np.asarray(one) - np.asarray(other)
    return np.percentile(differences[draws].mean(axis=1), [5, 95])


def _wrong_way(one: Any, other: Any, draws: Any) -> Any:
    return paired_interval(other, one, draws)


q6 = Function(
    id="xlmr.q6",
    prompt="Write `paired_interval(one, other, draws)`: two models answered the same n texts "
    "(1 right, 0 wrong); each row of `draws` holds n row numbers drawn with replacement. Return "
    "both ends of the 95 % interval of accuracy of `one` less accuracy of `other`.",
    answer=paired_interval,
    cases=_comparisons,
    hints=(
        "Which texts are easy is the same for both models: draw texts, and keep both answers to "
        "each.",
        "one - other has one number a text; (one - other)[draws] has one row a draw.",
        "np.percentile(means, [2.5, 97.5]).",
    ),
    wrong={
        "drawn apart": (
            lambda: _drawn_apart,
            "You drew other texts for the second model. Both then have the luck of their own "
            "draw, and the interval is wider than it need be.",
        ),
        "ends subtracted": (
            lambda: _ends_subtracted,
            "The interval of a difference is not the difference of two intervals. Subtract for "
            "each draw, then take percentiles.",
        ),
        "90 % interval": (
            lambda: _nine_of_ten,
            "The 5th and 95th percentile hold nine draws of ten. For 95 % it takes 2.5 and 97.5.",
        ),
        "the wrong way round": (
            lambda: _wrong_way,
            "The signs are turned: this is `other` less `one`.",
        ),
    },
    why="Two intervals that overlap do not prove that there is no difference; the interval of "
    "the paired difference answers the question itself.",
)
