"""Questions of notebook 07: what chrF sees, cost, rows and labels, groups, names carried over."""

from __future__ import annotations

from collections import Counter
from typing import Any

from xlhelpers.exercises.engine import Function, Number, Option, Quiz
from xlhelpers.exercises.prediction import Prediction

# ── guesses ──────────────────────────────────────────────────────────────────────────────

by_hand = Prediction(
    id="translation.by_hand",
    prompt="On test reviews of the little world you have just seen the translator's chrF. Now it "
    "gets reviews that were written by hand, without its grammar. What chrF, from 0 to 100?",
    low=0,
    high=100,
)

# ── 1: what a score does not see ─────────────────────────────────────────────────────────

q1 = Quiz(
    id="translation.q1",
    prompt="“The room was not quiet.” Which of these errors of a translation turns its label "
    "round and costs the least chrF?",
    options={
        "a": Option(
            "The sentence is left in English.",
            "Hardly a run of six letters is then shared with the reference: chrF falls far. And a "
            "multilingual classifier may still read it rightly.",
        ),
        "b": Option(
            "The negation is left out.",
            "One short word of many letters is missing, and the meaning is the opposite. Scores "
            "that count letters or words do not know which of them matter.",
            right=True,
        ),
        "c": Option(
            "The second half of the text is missing.",
            "Half of the reference is not found: recall falls to half, and chrF weighs recall "
            "twice. The label may survive.",
        ),
        "d": Option(
            "“Quiet” becomes another word for quiet.",
            "This costs about as much chrF as the word has letters, and the label is as it was. "
            "With one reference a good translation in other words counts as wrong.",
        ),
    },
)

# ── 2: when training is cheaper than translating ─────────────────────────────────────────


def _bills() -> dict[str, Any]:
    return {"seconds": 600.0, "languages": 4.0, "extra": 30.0}


def _requests(seconds: Any, languages: Any, extra: Any) -> Any:
    return seconds * languages * 1000 / extra


q2 = Number(
    id="translation.q2",
    prompt="Translate-train costs `seconds` of translating and training for each of `languages` "
    "languages, once. Translate-test costs nothing beforehand and `extra` milliseconds more for "
    "every request. From how many requests in all has translate-train taken less time?",
    answer=_requests,
    given=_bills,
    hints=(
        "What has been paid before the first request? In which unit?",
        "Each request pays back `extra` milliseconds.",
        "seconds * languages * 1000 / extra.",
    ),
    wrong={
        "without the number of languages": (
            lambda seconds, languages, extra: seconds * 1000 / extra,
            "The number of languages has no part in this. Either one training was paid for and "
            "not one a language, or a request was taken to save `extra` once for each language, "
            "and the two cancelled out. A request is in one language, and saves once.",
        ),
        "seconds as milliseconds": (
            lambda seconds, languages, extra: seconds * languages / extra,
            "Seconds were divided by milliseconds: there are 1,000 of these in one of those.",
        ),
        "upside down": (
            lambda seconds, languages, extra: extra / (seconds * languages * 1000),
            "This is the share of the training that one request pays back. Turn it round.",
        ),
        "each language has its own requests": (
            lambda seconds, languages, extra: seconds * languages * languages * 1000 / extra,
            "Requests of all languages together pay for the trainings of all: count the languages "
            "once.",
        ),
    },
    why="Time is one price of two: translate-test also needs a translator for every language in "
    "memory, and a classifier that was trained once.",
)

# ── 3: every row with its label ──────────────────────────────────────────────────────────


def combined(original: Any, translations: Any, labels: Any, ids: Any) -> Any:
    if any(len(texts) != len(labels) for texts in [original, *translations, ids]):
        return None
    return [
        (id_, text, label)
        for texts in [original, *translations]
        for id_, text, label in zip(ids, texts, labels, strict=True)
    ]


def _doubled(original: Any, translations: Any, labels: Any, ids: Any) -> Any:
    texts = [text for part in [original, *translations] for text in part]
    return list(zip([*ids, *ids], texts, [*labels, *labels], strict=False))


def _cut_to_the_shortest(original: Any, translations: Any, labels: Any, ids: Any) -> Any:
    return [
        row for part in [original, *translations] for row in zip(ids, part, labels, strict=False)
    ]


def _new_ids(original: Any, translations: Any, labels: Any, ids: Any) -> Any:
    rows = combined(original, translations, labels, ids)
    return rows and [
        (id_ if i < len(ids) else f"{id_}-{i // len(ids)}", text, label)
        for i, (id_, text, label) in enumerate(rows)
    ]


def _side_by_side(original: Any, translations: Any, labels: Any, ids: Any) -> Any:
    if combined(original, translations, labels, ids) is None:
        return None
    rows = zip(ids, zip(original, *translations, strict=True), labels, strict=True)
    return [(id_, text, label) for id_, texts, label in rows for text in texts]


q3 = Function(
    id="translation.q3",
    prompt="Write `combined(original, translations, labels, ids)`: `translations` is a list with "
    "one list of texts for each language, as many as there are. Return a list of (id, text, label) "
    "with all rows of `original`, then all of the first language, and so on; a translation keeps "
    "the id of its source. Return None if any list has another length than `labels`.",
    answer=combined,
    refusals=(AssertionError, ValueError),
    cases=lambda: [
        (["Good.", "Bad."], [["Gut.", "Schlecht."], ["Bueno.", "Malo."]], [2, 0], ["a", "b"]),
        (["Good."], [], [2], ["a"]),
        (["Good.", "Bad."], [["Gut.", "Schlecht."], ["Bueno."]], [2, 0], ["a", "b"]),
        (
            ["Good.", "Bad.", "Fair."],
            [["Gut.", "Schlecht.", "Ordentlich."]],
            [2, 0, 1],
            ["a", "b", "c"],
        ),
    ],
    hints=(
        "Compare lengths first: of every list, with that of `labels`.",
        "Labels are repeated once for every language, however many there are.",
        "for texts in [original, *translations]: for row in zip(ids, texts, labels): …",
    ),
    wrong={
        "labels doubled": (
            lambda: _doubled,
            "`labels + labels` is right for one language. With two, a third of the rows has no "
            "label and is dropped without a word: the article's data set.",
        ),
        "cut to the shortest": (
            lambda: _cut_to_the_shortest,
            "zip() stops where the shortest list ends. A translation that is missing should be "
            "noticed, not left out.",
        ),
        "new ids": (
            lambda: _new_ids,
            "A translation that has an id of its own can no longer be kept on the side of its "
            "source when the rows are split.",
        ),
        "language by language mixed": (
            lambda: _side_by_side,
            "All rows of one language come first, then all of the next. Yours go row by row.",
        ),
    },
    why="`xl.translation.translate_train` returns one table a language, each with all ids and "
    "labels, and refuses a translator that returns another number of texts.",
)

# ── 4: folds that keep a group whole ─────────────────────────────────────────────────────


def folds(ids: Any, k: Any) -> Any:
    met: dict[Any, int] = {}
    return [met.setdefault(id_, len(met)) % k for id_ in ids]


def _by_row(ids: Any, k: Any) -> Any:
    return [row % k for row in range(len(ids))]


def _by_block(ids: Any, k: Any) -> Any:
    return [row * k // len(ids) for row in range(len(ids))]


def _never_back_to_zero(ids: Any, k: Any) -> Any:
    met: dict[Any, int] = {}
    return [min(met.setdefault(id_, len(met)), k - 1) for id_ in ids]


def _number_in_the_id(ids: Any, k: Any) -> Any:
    return [int(id_.partition("-")[2]) % k for id_ in ids]


def _number_less_one(ids: Any, k: Any) -> Any:
    return [(int(id_.partition("-")[2]) - 1) % k for id_ in ids]


def _by_the_alphabet(ids: Any, k: Any) -> Any:
    return [sorted(set(ids)).index(id_) % k for id_ in ids]


def _copies_counted(ids: Any, k: Any) -> Any:
    seen: Counter[Any] = Counter()
    found = []
    for id_ in ids:
        found.append((sorted(set(ids)).index(id_) + seen[id_]) % k)
        seen[id_] += 1
    return found


q4 = Function(
    id="translation.q4",
    prompt="Write `folds(ids, k)`: a sentence and its translations have the same id. Return a "
    "list with the fold (0 to k - 1) of every row: the first id that comes gets fold 0, the next "
    "new one 1, and so on, and after k - 1 it is 0 again. A known id gets the fold that it has.",
    answer=folds,
    cases=lambda: [
        (["s-1", "s-2", "s-3", "s-1", "s-2", "s-3"], 2),
        (["s-1", "s-1", "s-2", "s-3", "s-2", "s-4", "s-5", "s-3"], 3),
        (["s-7", "s-4", "s-7", "s-9", "s-4", "s-7"], 2),
        (["s-3"], 5),
    ],
    hints=(
        "Remember what fold each id has: a dictionary.",
        "How many ids have been met so far? That is the number of the next.",
        "met.setdefault(id_, len(met)) % k",
    ),
    wrong={
        "row by row": (
            lambda: _by_row,
            "Folds were dealt out by row. A sentence and its translation land in different folds, "
            "so that one is trained on and the other tested.",
        ),
        "block by block": (
            lambda: _by_block,
            "Rows were cut into blocks. Where all rows of a language stand together, the blocks "
            "are languages: each sentence is in all of them.",
        ),
        "not round again": (
            lambda: _never_back_to_zero,
            "After fold k - 1 comes fold 0 again. Yours fills the last fold with all the rest.",
        ),
        "the number in the id": (
            lambda: _number_in_the_id,
            "You took the number that stands in the id. It is a name, not a count: dealt into "
            "five folds, s-10, s-20 and s-30 would all land in one.",
        ),
        "the number in the id, less one": (
            lambda: _number_less_one,
            "You took the number in the id, counted from 0. That fits where ids come as s-1, s-2, "
            "s-3 without a gap. Count those that have come.",
        ),
        "by the alphabet": (
            lambda: _by_the_alphabet,
            "You numbered the ids in sorted order. Fold 0 is for the first that comes, wherever "
            "it stands in the alphabet.",
        ),
        "copies moved on": (
            lambda: _copies_counted,
            "The second time that an id comes it must get the fold that it has: that is what "
            "keeps the group whole.",
        ),
    },
    why="`xl.translation.group_split` and `group_folds` do this with scikit-learn, and know that "
    "an augmented copy (`s-17+2`) belongs to its source.",
)

# ── 5: names carried over ────────────────────────────────────────────────────────────────


def projected(tags: Any, pairs: Any, length: Any) -> Any:
    found = ["O"] * length
    start = None
    for i, tag in enumerate([*tags, "O"]):
        if start is not None and not tag.startswith("I-"):
            reached = sorted({there for here, there in pairs if start <= here < i})
            for place in range(reached[0], reached[-1] + 1) if reached else ():
                found[place] = ("B-" if place == reached[0] else "I-") + tags[start][2:]
            start = None
        if tag.startswith("B-"):
            start = i
    return found


def _tag_by_tag(tags: Any, pairs: Any, length: Any) -> Any:
    found = ["O"] * length
    for here, there in sorted(pairs):
        if tags[here] != "O":
            found[there] = tags[here]
    return found


def _by_place(tags: Any, pairs: Any, length: Any) -> Any:
    return [*tags[:length], *["O"] * (length - len(tags))]


def _gaps_left(tags: Any, pairs: Any, length: Any) -> Any:
    whole, reached = projected(tags, pairs, length), {there for _, there in pairs}
    return [tag if i in reached else "O" for i, tag in enumerate(whole)]


def _without_a_beginning(tags: Any, pairs: Any, length: Any) -> Any:
    return [tag.replace("B-", "I-") for tag in projected(tags, pairs, length)]


q5 = Function(
    id="translation.q5",
    prompt="Write `projected(tags, pairs, length)`: `tags` are IOB2 tags of a sentence, `pairs` "
    "(its word, word of the translation) and `length` the words of the translation. A name "
    "covers the translation from the first to the last word that its words are paired with, "
    "words in between included; unpaired, it is lost. Return `length` IOB2 tags. (No two names "
    "meet here.)",
    answer=projected,
    cases=lambda: [
        (["B-PER", "I-PER", "O", "B-LOC"], [(0, 1), (1, 0), (2, 3), (3, 2)], 4),
        (["O", "B-ORG", "I-ORG", "I-ORG", "O"], [(0, 0), (1, 1), (3, 3), (4, 5)], 6),
        (["B-LOC", "O", "B-PER"], [(1, 0), (2, 1)], 2),
        (["B-PER", "B-LOC", "O"], [(0, 2), (1, 0), (2, 1)], 4),
    ],
    hints=(
        "Find the names first: each from its B- to the last I- behind it.",
        "Which words of the translation are its words paired with? The smallest and the largest.",
        "The first word of the stretch gets B-, the others I-, with the type of the name.",
    ),
    wrong={
        "tag by tag": (
            lambda: _tag_by_tag,
            "Tags were carried over one by one. Where the order of words changes, a name then "
            "begins with I-, or with B- in its middle: no valid IOB2.",
        ),
        "by place": (
            lambda: _by_place,
            "The tags stand where they stood. The words do not: that is what `pairs` is for.",
        ),
        "holes in a name": (
            lambda: _gaps_left,
            "A word within a name that nothing is paired with belongs to it all the same: "
            "otherwise the name falls apart.",
        ),
        "no beginning": (
            lambda: _without_a_beginning,
            "In IOB2 every name begins with B-. Without it, a strict scorer finds no name.",
        ),
    },
    why="`xl.translation.project_labels` also settles what happens where two names claim a word, "
    "and bridges one missing word only: a wrong pair far away must not swallow the sentence.",
)
