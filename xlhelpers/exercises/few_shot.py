"""Questions of notebook 05: leakage, shots, gap closed, meta-learning, how many labels."""

from __future__ import annotations

from typing import Any

import numpy as np

from xlhelpers.exercises.engine import Function, Number, Option, Quiz
from xlhelpers.exercises.prediction import Prediction

# ── guesses ──────────────────────────────────────────────────────────────────────────────

lookup = Prediction(
    id="few_shot.lookup",
    prompt="A table looks a test text up among the training texts and knows nothing else. On how "
    "many of the 60 test texts of the article's set will it be right?",
    low=0,
    high=60,
)
labels = Prediction(
    id="few_shot.labels",
    prompt="A classifier of English reviews goes on learning from Hindi ones. How many labelled "
    "Hindi reviews does it take until it is better than with none, beyond doubt?",
    options=("5", "10", "25", "50", "100", "250", "more"),
)

# ── 1: what a leak is ────────────────────────────────────────────────────────────────────

q1 = Quiz(
    id="few_shot.q1",
    prompt="The shots are German reviews; training is on English ones; the test set is German. "
    "Which of these flatters the German score?",
    options={
        "a": Option(
            "A shot has the same label as a test review.",
            "Labels are what a test is about; a few classes must come again and again. It is the "
            "text, or the meaning, that must be new.",
        ),
        "b": Option(
            "English training has the translation of a test review.",
            "The same meaning with its label has been seen, in another language. A multilingual "
            "encoder puts the two close together, so the answer can be remembered.",
            right=True,
        ),
        "c": Option(
            "Two shots are of the same class.",
            "They must be, as soon as there are more shots than classes.",
        ),
        "d": Option(
            "A shot was taken from the training split of the German data.",
            "That is where shots ought to come from. They leak when they come from the test split.",
        ),
    },
)

# ── 2: gap closed ────────────────────────────────────────────────────────────────────────


def _scores() -> dict[str, Any]:
    return {"zero": 58.0, "few": 61.0, "supervised": 70.0}


def _closed(zero: Any, few: Any, supervised: Any) -> Any:
    return (few - zero) / (supervised - zero)


q2 = Number(
    id="few_shot.q2",
    prompt="Accuracy in per cent: `zero` without a label of the language, `few` with 50, "
    "`supervised` with all. What share of the gap did 50 labels close? Give a share of 1.",
    answer=_closed,
    given=_scores,
    share=True,
    hints=(
        "The gap is what lies between no label and all labels.",
        "How far did the few labels get on that way?",
        "(few - zero) / (supervised - zero).",
    ),
    wrong={
        "share of the supervised score": (
            lambda zero, few, supervised: few / supervised,
            "This is the share of the supervised score. It is large even with no label at all, "
            "since zero-shot has most of it.",
        ),
        "gain over the zero-shot score": (
            lambda zero, few, supervised: (few - zero) / zero,
            "This is the relative gain over zero-shot. The gap to supervised training is the "
            "denominator.",
        ),
        "of the way to 100 %": (
            lambda zero, few, supervised: (few - zero) / (100 - zero),
            "Not even all labels bring the model to 100 %. The gap ends at supervised.",
        ),
        "what is left": (
            lambda zero, few, supervised: (supervised - few) / (supervised - zero),
            "This is the part of the gap that is still open.",
        ),
    },
    why="With a gap of 12 points and an interval of ± 5 on each score, this share is hardly known: "
    "`gap_closed` gives its interval, and refuses where the gap itself may be none.",
)

# ── 3: a leakage detector ────────────────────────────────────────────────────────────────


def leaked_rows(train: Any, test: Any) -> Any:
    def normal(text: Any) -> Any:
        return " ".join(text.casefold().split())

    seen_ids = {row["id"] for row in train}
    seen_texts = {normal(row["text"]) for row in train}
    return [row["id"] for row in test if row["id"] in seen_ids or normal(row["text"]) in seen_texts]


def _only_ids(train: Any, test: Any) -> Any:
    seen = {row["id"] for row in train}
    return [row["id"] for row in test if row["id"] in seen]


def _only_texts(train: Any, test: Any) -> Any:
    seen = {" ".join(row["text"].casefold().split()) for row in train}
    return [row["id"] for row in test if " ".join(row["text"].casefold().split()) in seen]


def _not_normalised(train: Any, test: Any) -> Any:
    ids, texts = {row["id"] for row in train}, {row["text"] for row in train}
    return [row["id"] for row in test if row["id"] in ids or row["text"] in texts]


def _within_a_language(train: Any, test: Any) -> Any:
    ids = {(row["id"], row["language"]) for row in train}
    texts = {" ".join(row["text"].casefold().split()) for row in train}
    return [
        row["id"]
        for row in test
        if (row["id"], row["language"]) in ids or " ".join(row["text"].casefold().split()) in texts
    ]


def _rows(*rows: tuple[str, str, str]) -> list[dict[str, str]]:
    return [{"id": id_, "language": code, "text": text} for id_, code, text in rows]


q3 = Function(
    id="few_shot.q3",
    prompt="Write `leaked_rows(train, test)`: rows are dictionaries with `id`, `language` and "
    "`text`. Return a list of the ids of the test rows that have leaked, in their order: those "
    "whose id is in train, in whatever language, or whose text is, but for capitals and blanks.",
    answer=leaked_rows,
    cases=lambda: [
        (
            _rows(("a-1", "en", "A good radio."), ("a-2", "en", "The lid is loose.")),
            _rows(("b-1", "en", "a  GOOD radio. "), ("b-2", "en", "A bad radio.")),
        ),
        (
            _rows(("a-1", "en", "A good radio."), ("a-2", "de", "Der Deckel ist lose.")),
            _rows(("a-1", "de", "Ein gutes Radio."), ("a-2", "de", "Der Deckel ist lose.")),
        ),
        (
            _rows(("a-1", "de", "Gute Straße.")),
            _rows(("b-1", "de", "GUTE STRASSE."), ("a-1", "hi", "अच्छी सड़क।")),
        ),
        (
            _rows(("a-1", "en", "Fine."), ("a-2", "en", "Thin walls.")),
            _rows(("b-1", "en", "Not fine."), ("b-2", "en", "Thin walls.")),
        ),
        (
            _rows(("a-1", "en", "Fine."), ("a-2", "en", "Thin walls.")),
            _rows(("a-1", "en", "Fine, all in all."), ("b-2", "en", "Thick walls.")),
        ),
    ],
    hints=(
        "Two sets are enough: the ids that train has, and its texts.",
        'casefold() levels capitals (and ß with ss); " ".join(text.split()) levels blanks.',
        "An id says the same in every language: do not ask whose id it is.",
    ),
    wrong={
        "ids alone": (
            lambda: _only_ids,
            "The same text may come under another id: copies do. Compare texts as well.",
        ),
        "texts alone": (
            lambda: _only_texts,
            "A translation has another text and the same id. Compare ids as well.",
        ),
        "texts as they are": (
            lambda: _not_normalised,
            "A capital or a second blank hides a copy from you. Level both before you compare.",
        ),
        "within a language": (
            lambda: _within_a_language,
            "You asked for the same id in the same language. Its English twin in training gives "
            "the German test row away just as well.",
        ),
    },
    why="xl.transfer.find_leaks does this for data sets, and the protocols refuse to run on what "
    "it finds.",
)

# ── 4: stratified shots ──────────────────────────────────────────────────────────────────


def shots(labels: Any, n: Any, order: Any) -> Any:
    names = sorted(set(labels))
    wanted = {name: n // len(names) + (i < n % len(names)) for i, name in enumerate(names)}
    chosen = []
    for row in order:
        if wanted[labels[row]] > 0:
            wanted[labels[row]] -= 1
            chosen.append(int(row))
    return chosen


def _first_of_the_order(labels: Any, n: Any, order: Any) -> Any:
    return [int(row) for row in order][: int(n)]


def _n_of_each_class(labels: Any, n: Any, order: Any) -> Any:
    return shots(labels, n * len(set(labels)), order)


def _remainder_dropped(labels: Any, n: Any, order: Any) -> Any:
    classes = len(set(labels))
    return shots(labels, n // classes * classes, order)


def _labels_returned(labels: Any, n: Any, order: Any) -> Any:
    return [labels[row] for row in shots(labels, n, order)]


def _class_by_class(labels: Any, n: Any, order: Any) -> Any:
    return sorted(shots(labels, n, order), key=lambda row: labels[row])


def _sorted_rows(labels: Any, n: Any, order: Any) -> Any:
    return sorted(shots(labels, n, order))


def _order_ignored(labels: Any, n: Any, order: Any) -> Any:
    return shots(labels, n, range(len(labels)))


q4 = Function(
    id="few_shot.q4",
    prompt="Write `shots(labels, n, order)`: go through the row numbers in `order` and choose `n` "
    "of them in all, classes as equal as can be; where `n` cannot be divided, the classes first "
    "in the alphabet get one more. Return the chosen numbers, in the order in which they came.",
    answer=shots,
    cases=lambda: [
        (["neg", "pos", "neu", "pos", "neg", "neu"], 3, [3, 1, 4, 0, 5, 2]),
        (["neg", "neg", "neg", "neg", "pos", "neu", "pos", "neu"], 5, [0, 1, 2, 3, 7, 6, 5, 4]),
        (["pos", "neg", "pos", "neg", "neg", "pos"], 4, [5, 0, 2, 4, 3, 1]),
    ],
    hints=(
        "How many of each class? n // k, and one more for the first n % k of k classes.",
        "Count down: take a row if its class is still wanted.",
        "wanted = {name: n // k + (i < n % k) for i, name in enumerate(sorted(set(labels)))}",
    ),
    wrong={
        "the first of the order": (
            lambda: _first_of_the_order,
            "These are the first rows that come, whatever their class. With few shots a class may "
            "then be missing altogether.",
        ),
        "n of each class": (
            lambda: _n_of_each_class,
            "`n` is the number of shots in all. Whoever pays for labels pays for each of them; the "
            "article counts by class, and three times as many are paid for.",
        ),
        "the remainder is dropped": (
            lambda: _remainder_dropped,
            "`n` shots were asked for. Where n is no multiple of the number of classes, some "
            "classes get one more.",
        ),
        "the order is ignored": (
            lambda: _order_ignored,
            "You went from the top of the table each time. Every draw would then have the same "
            "shots, and nothing would be learned about their choice.",
        ),
        "labels instead of row numbers": (
            lambda: _labels_returned,
            "These are the labels of the chosen rows. Their row numbers are asked for: with them "
            "the texts can be fetched as well.",
        ),
        "class by class": (
            lambda: _class_by_class,
            "The right rows, but sorted by class. Go through `order` once, and take each row when "
            "its turn comes, whatever its class.",
        ),
        "sorted by row number": (
            lambda: _sorted_rows,
            "The right rows, but sorted. They are wanted in the order in which `order` has them.",
        ),
    },
    why="Stratified shots take one source of luck away. What remains is which texts they are.",
)

# ── 5: an outer step of Reptile ──────────────────────────────────────────────────────────


def outer_step(start: Any, finished: Any, rate: Any) -> Any:
    return np.asarray(start) + rate * (np.mean(finished, axis=0) - np.asarray(start))


def _only_the_last(start: Any, finished: Any, rate: Any) -> Any:
    return np.asarray(start) + rate * (np.asarray(finished)[-1] - np.asarray(start))


def _all_the_way(start: Any, finished: Any, rate: Any) -> Any:
    return np.mean(finished, axis=0)


def _away(start: Any, finished: Any, rate: Any) -> Any:
    return np.asarray(start) - rate * (np.mean(finished, axis=0) - np.asarray(start))


def _summed(start: Any, finished: Any, rate: Any) -> Any:
    moves = np.asarray(finished) - np.asarray(start)
    return np.asarray(start) + rate * moves.sum(axis=0)


q5 = Function(
    id="few_shot.q5",
    prompt="Write `outer_step(start, finished, rate)`: one outer step of Reptile for several "
    "tasks at once. `start` are the weights to begin with, each row of `finished` those after a "
    "little training on one task, each from `start`. All tasks count together in one move. Return "
    "`start`, moved by the part `rate` of it.",
    answer=outer_step,
    cases=lambda: [
        ([0.0, 0.0], [[1.0, 0.0], [0.0, 1.0]], 0.5),
        ([1.0, -2.0, 0.5], [[2.0, -2.0, 0.0], [1.0, 0.0, 0.5], [0.0, -1.0, 2.0]], 0.1),
        ([0.3], [[0.9], [0.1], [0.2], [0.4]], 1.5),
    ],
    hints=(
        "Where have the tasks gone on average? axis=0 averages over tasks.",
        "The move is from `start` towards that point, part of the way.",
        "start + rate * (mean of finished - start).",
    ),
    wrong={
        "one task alone": (
            lambda: _only_the_last,
            "You moved towards the last task. The start should lie well for all of them: average "
            "first.",
        ),
        "all the way": (
            lambda: _all_the_way,
            "You went all the way to the average. `rate` says which part of the way to go.",
        ),
        "away from the tasks": (
            lambda: _away,
            "The sign is turned: this moves away from where the tasks want to go.",
        ),
        "moves are summed": (
            lambda: _summed,
            "You added the moves of all tasks up. With more tasks the step would grow; Reptile "
            "takes their mean.",
        ),
    },
    why="Nichol et al. (2018) show that the mean of such moves also holds a part that makes the "
    "gradients of two batches of a task agree: learning from one then helps with the next.",
)

# ── 6: how many labels ───────────────────────────────────────────────────────────────────


def _curves() -> list[tuple[Any, ...]]:
    counts = [0, 10, 50, 100, 250]
    rng = np.random.default_rng(5)
    curve = np.array([58.0, 57.0, 62.0, 65.0, 69.0])
    noisy = [(counts, curve + rng.normal(0, 3, (12, 5)), target) for target in (57.0, 63.0, 75.0)]
    dip = np.array([[60.5, 55.0, 61.0, 66.0, 70.0]] * 4)
    # One draw of four misses what the mean reaches.
    torn = np.array([[58.0, 57.0, 70.0, 66.0, 70.0]] * 3 + [[58.0, 57.0, 50.0, 66.0, 70.0]])
    return [*noisy, (counts, dip, 60.0), (counts, dip, 68.0), (counts, torn, 63.0)]


def enough(counts: Any, scores: Any, target: Any) -> Any:
    good = (np.asarray(scores) >= target).mean(axis=0) >= 0.9
    for place, count in enumerate(counts):
        if good[place:].all():
            return int(count)
    return None


def _by_the_mean(counts: Any, scores: Any, target: Any) -> Any:
    good = np.asarray(scores).mean(axis=0) >= target
    return next((int(c) for i, c in enumerate(counts) if good[i:].all()), None)


def _by_the_best(counts: Any, scores: Any, target: Any) -> Any:
    good = np.asarray(scores).max(axis=0) >= target
    return next((int(c) for i, c in enumerate(counts) if good[i:].all()), None)


def _first_time(counts: Any, scores: Any, target: Any) -> Any:
    good = (np.asarray(scores) >= target).mean(axis=0) >= 0.9
    return next((int(c) for c, ok in zip(counts, good, strict=True) if ok), None)


def _always_an_answer(counts: Any, scores: Any, target: Any) -> Any:
    found = enough(counts, scores, target)
    return int(counts[-1]) if found is None else found


q6 = Function(
    id="few_shot.q6",
    prompt="Write `enough(counts, scores, target)`: column j of `scores` holds what each draw of "
    "counts[j] shots scored. Return the smallest count from which on at least nine draws of ten "
    "reach `target`, there and at every larger count; None where no count does.",
    answer=enough,
    cases=_curves,
    hints=(
        "scores >= target is true or false for each draw; its mean over axis 0 is a share.",
        "From which column on is that share never below 0.9?",
        "for j, count in enumerate(counts): if good[j:].all(): return count",
    ),
    wrong={
        "the mean of the draws": (
            lambda: _by_the_mean,
            "You asked whether the mean reaches the target. Half of the teams that buy so many "
            "labels then miss it. You have one draw, and it may be among them.",
        ),
        "the best draw": (
            lambda: _by_the_best,
            "You asked for the best draw. Nobody can choose it beforehand: that would take the "
            "labels that are to be bought.",
        ),
        "the first time": (
            lambda: _first_time,
            "The first count that is good enough may be followed by a worse one: with 0 shots the "
            "target may be reached, and lost with 10. Look at all counts from there on.",
        ),
        "an answer at any price": (
            lambda: _always_an_answer,
            "Where no count reaches the target there is no number to give. The largest count that "
            "was measured is not the answer.",
        ),
    },
    why="xl.transfer.labels_needed reads the mean curve between the counts and gives an interval; "
    "it too refuses to go beyond what was measured.",
)
