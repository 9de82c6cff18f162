"""Questions of notebook 04: entities, inference and transfer without a label of the language."""

from __future__ import annotations

from typing import Any

import numpy as np

from xlhelpers.exercises.engine import Function, Number, Numbers, Option, Quiz
from xlhelpers.exercises.prediction import Prediction

# ── guesses ──────────────────────────────────────────────────────────────────────────────

worst = Prediction(
    id="zero_shot.worst",
    prompt="A tagger of names is trained on English alone, and no model here has read a line of "
    "Yoruba. In which of these languages will the tagger be worst?",
    options=(
        "Arabic",
        "Chinese",
        "Dutch",
        "French",
        "German",
        "Hindi",
        "Portuguese",
        "Russian",
        "Spanish",
        "Swahili",
        "Yoruba",
    ),
)

# ── 1: what a published mean is a mean of ────────────────────────────────────────────────

q1 = Quiz(
    id="zero_shot.q1",
    prompt="XLM-R large is said to have 80.9 % on XNLI. What is that?",
    options={
        "a": Option(
            "Its accuracy in languages that it was not fine-tuned on.",
            "English is one of the fifteen in the mean, and it is the language that the model was "
            "fine-tuned on. Without it the mean is 80.3.",
        ),
        "b": Option(
            "The mean of fifteen languages, English among them, trained on English.",
            "English has 89.1 and Spanish 85.1, all others less; Swahili and Urdu lie below 74.",
            right=True,
        ),
        "c": Option(
            "95.6 % of an English-only baseline of 84.6.",
            "No such baseline stands in the paper. 84.6 is BERT-base on the English test set of "
            "GLUE (Devlin et al., 2019): another model and another test.",
        ),
        "d": Option(
            "What a model gets when it is trained on translations into each language.",
            "That is translate-train-all, 83.6 in the same table.",
        ),
    },
)

# ── 2: from words to pieces ──────────────────────────────────────────────────────────────


def piece_labels(word_ids: Any, tags: Any) -> Any:
    labels, before = [], None
    for word in word_ids:
        first = word is not None and word != before
        labels.append(tags[word] if first else -100)
        before = word
    return labels


def _every_piece(word_ids: Any, tags: Any) -> Any:
    return [-100 if word is None else tags[word] for word in word_ids]


def _specials_outside(word_ids: Any, tags: Any) -> Any:
    labels = piece_labels(word_ids, tags)
    return [0 if word is None else tag for word, tag in zip(word_ids, labels, strict=True)]


def _others_outside(word_ids: Any, tags: Any) -> Any:
    labels = piece_labels(word_ids, tags)
    return [
        0 if tag == -100 and word is not None else tag
        for word, tag in zip(word_ids, labels, strict=True)
    ]


def _last_piece(word_ids: Any, tags: Any) -> Any:
    return piece_labels(word_ids[::-1], tags)[::-1]


def _in_a_row(word_ids: Any, tags: Any) -> Any:
    labels = [-100] * len(word_ids)
    labels[1 : 1 + len(tags)] = list(tags)[: len(word_ids) - 1]
    return labels


q2 = Function(
    id="zero_shot.q2",
    prompt="Write `piece_labels(word_ids, tags)`: `word_ids` has the number of the word that each "
    "piece belongs to (None for special tokens), `tags` one number a word. Return one label a "
    "piece: the tag for the first piece of a word, -100 elsewhere.",
    answer=piece_labels,
    cases=lambda: [
        ([None, 0, 1, 1, 1, 2, None], [0, 3, 0]),
        ([None, 0, 0, 1, 2, 2, None], [1, 2, 5]),
        ([None, 0, 1, 2, None], [0, 5, 6]),
        ([None, 0, 0, 0, 0, None], [1]),
    ],
    hints=(
        "Which piece is the first of its word? The one whose number differs from that before.",
        "None is never a word, and it never counts as the same word either.",
        "Keep the number before in a variable: `word != before`.",
    ),
    wrong={
        "every piece": (
            lambda: _every_piece,
            "A word cut into five would count five times in the loss, and long foreign names most "
            "of all. (Some do label all pieces; then B- may stand on the first piece only.)",
        ),
        "special tokens outside": (
            lambda: _specials_outside,
            "<s> and </s> are no words: with the label 0 they teach the model that they are "
            "outside of names. -100 leaves them out of the loss.",
        ),
        "later pieces outside": (
            lambda: _others_outside,
            "0 is the number of O, a label like any other: you would teach that names end after "
            "their first piece.",
        ),
        "last piece": (
            lambda: _last_piece,
            "This labels the last piece. It can be done, but whoever reads the model's answers "
            "must do the same, and all the usual code reads the first.",
        ),
        "tags in a row": (
            lambda: _in_a_row,
            "You put the tags one after another on the pieces. From the first word that is cut "
            "into two they all stand in the wrong place.",
        ),
    },
    why="xl.finetuning.train_tagger labels in this way, and reads answers in the same.",
)

# ── 3: F1 of whole entities ──────────────────────────────────────────────────────────────


def _tagged() -> dict[str, Any]:
    return {
        "gold": [
            "B-PER I-PER O O B-LOC".split(),
            "B-ORG I-ORG I-ORG O O O O".split(),
            "O B-LOC O B-PER O".split(),
        ],
        "said": [
            "B-PER I-PER O O B-ORG".split(),
            "B-ORG I-ORG O O O O O".split(),
            "O B-PER O B-PER O".split(),
        ],
    }


def _spans(tags: Any) -> Any:
    found, start = set(), 0
    for i, tag in enumerate([*tags, "O"]):
        if i and tags[i - 1] != "O" and tag[:2] != "I-":
            found.add((start, i, tags[start][2:]))
        if tag[:2] == "B-":
            start = i
    return found


def _f1(right: int, said: int, there: int) -> float:
    return 2 * right / (said + there)


def _entity_f1(gold: Any, said: Any) -> Any:
    sides = []
    for sentences in (gold, said):
        entities = set()
        for row, tags in enumerate(sentences):
            for start, tag in enumerate(tags):
                if tag.startswith("B-"):
                    end = start + 1
                    while end < len(tags) and tags[end] == "I-" + tag[2:]:
                        end += 1
                    entities.add((row, start, end, tag[2:]))
        sides.append(entities)
    there, found = sides
    return 2 * len(there & found) / (len(there) + len(found))


def _words_right(gold: Any, said: Any) -> Any:
    return np.mean(
        [a == b for x, y in zip(gold, said, strict=True) for a, b in zip(x, y, strict=True)]
    )


def _f1_of_words(gold: Any, said: Any) -> Any:
    pairs = [(a, b) for x, y in zip(gold, said, strict=True) for a, b in zip(x, y, strict=True)]
    right = sum(a == b != "O" for a, b in pairs)
    return _f1(right, sum(b != "O" for _, b in pairs), sum(a != "O" for a, _ in pairs))


def _types_alone(gold: Any, said: Any) -> Any:
    """Right when an entity of the type begins at the place."""
    there = {(r, s[0], s[2]) for r, tags in enumerate(gold) for s in _spans(tags)}
    found = {(r, s[0], s[2]) for r, tags in enumerate(said) for s in _spans(tags)}
    return _f1(len(there & found), len(found), len(there))


def _places_alone(gold: Any, said: Any) -> Any:
    there = {(r, *s[:2]) for r, tags in enumerate(gold) for s in _spans(tags)}
    found = {(r, *s[:2]) for r, tags in enumerate(said) for s in _spans(tags)}
    return _f1(len(there & found), len(found), len(there))


def _mean_over_sentences(gold: Any, said: Any) -> Any:
    return np.mean([_entity_f1([a], [b]) for a, b in zip(gold, said, strict=True)])


q3 = Number(
    id="zero_shot.q3",
    prompt="`gold` and `said` hold the tags of three sentences (IOB2). What is the F1 of whole "
    "entities, as a share of 1?",
    answer=_entity_f1,
    given=_tagged,
    share=True,
    hints=(
        "List the entities of each side: sentence, first word, last word, type.",
        "Right is what stands in both lists, with the same words and the same type.",
        "F1 = 2 × right / (in gold + in said). There are five entities on either side.",
    ),
    wrong={
        "words": (
            _words_right,
            "This is the share of words with the right tag. Most words are O, which anyone gets "
            "right.",
        ),
        "F1 of words": (
            _f1_of_words,
            "You counted words inside entities. A name of three words of which two are found is "
            "no name found.",
        ),
        "where it begins": (
            _types_alone,
            "An entity that ends too soon is wrong too: first word, last word and type must agree.",
        ),
        "types left out": (
            _places_alone,
            "The place is right, but a LOC that is called ORG is wrong.",
        ),
        "mean over sentences": (
            _mean_over_sentences,
            "This is the mean of three F1s. The usual figure counts over all sentences first.",
        ),
    },
    why="seqeval and xl.finetuning.entity_f1 count in the same way.",
)

# ── 4: IOB1 to IOB2 ──────────────────────────────────────────────────────────────────────


def to_iob2(tags: Any) -> Any:
    found, before = [], "O"
    for tag in tags:
        begins = tag[:2] == "I-" and before[2:] != tag[2:]
        found.append("B-" + tag[2:] if begins else tag)
        before = tag
    return found


def _all_begin(tags: Any) -> Any:
    return [tag.replace("I-", "B-") for tag in tags]


def _unchanged(tags: Any) -> Any:
    return list(tags)


def _after_outside(tags: Any) -> Any:
    found, before = [], "O"
    for tag in tags:
        found.append("B-" + tag[2:] if tag[:2] == "I-" and before == "O" else tag)
        before = tag
    return found


q4 = Function(
    id="zero_shot.q4",
    prompt="Write `to_iob2(tags)`: the tags of one sentence in IOB1 (an entity begins with I-, "
    "and with B- only where one of the same type stands just before) to IOB2 (every entity "
    "begins with B-).",
    answer=to_iob2,
    cases=lambda: [
        (["I-PER", "I-PER", "O", "I-LOC"],),
        (["I-LOC", "B-LOC", "O", "I-ORG", "I-ORG"],),
        (["O", "I-ORG", "I-PER", "I-PER", "O"],),
        (["I-PER", "B-PER", "I-PER", "I-LOC", "O", "O"],),
    ],
    hints=(
        "Which I- begins an entity? Look at the tag before it.",
        "After O, and after a tag of another type, an I- begins something new.",
        "`before[2:] != tag[2:]` says both: O has no type.",
    ),
    wrong={
        "all begin": (
            lambda: _all_begin,
            "Now every word is an entity of its own: names of two words have fallen apart.",
        ),
        "left as they are": (
            lambda: _unchanged,
            "A strict reader of IOB2 drops an I- that continues nothing: nearly all entities "
            "would be gone.",
        ),
        "only after O": (
            lambda: _after_outside,
            "An ORG just before a PER: the I-PER follows no O, and begins an entity all the same.",
        ),
    },
    why="CoNLL-2003 was published in IOB1, and checkpoints tuned on it answer in it.",
)

# ── 5: three denominators ────────────────────────────────────────────────────────────────


def _row() -> dict[str, Any]:
    # XLM-R large on XNLI (Conneau et al., 2020, ACL, Table 1): zero-shot in Swahili and English,
    # translate-train-all in Swahili; chance with three classes.
    return {"zero": 73.9, "source": 89.1, "supervised": 78.0, "chance": 100 / 3}


def _denominators(zero: Any, source: Any, supervised: Any, chance: Any) -> Any:
    return {
        "source": 100 * zero / source,
        "target": 100 * zero / supervised,
        "above chance": 100 * (zero - chance) / (supervised - chance),
    }


def _chance_below_only(zero: Any, source: Any, supervised: Any, chance: Any) -> Any:
    return _denominators(zero, source, supervised, chance) | {
        "above chance": 100 * zero / (supervised - chance)
    }


def _chance_above_only(zero: Any, source: Any, supervised: Any, chance: Any) -> Any:
    return _denominators(zero, source, supervised, chance) | {
        "above chance": 100 * (zero - chance) / supervised
    }


def _swapped(zero: Any, source: Any, supervised: Any, chance: Any) -> Any:
    right = _denominators(zero, source, supervised, chance)
    return right | {"source": right["target"], "target": right["source"]}


def _in_points(zero: Any, source: Any, supervised: Any, chance: Any) -> Any:
    return {"source": source - zero, "target": supervised - zero, "above chance": zero - chance}


def _shares(zero: Any, source: Any, supervised: Any, chance: Any) -> Any:
    found = _denominators(zero, source, supervised, chance)
    return {name: value / 100 for name, value in found.items()}


q5 = Numbers(
    id="zero_shot.q5",
    prompt="XLM-R large on XNLI in Swahili: `zero` zero-shot, `supervised` with training text "
    "translated into Swahili too, `source` the zero-shot model in English, `chance`. What per "
    'cent is the zero-shot score? Answer {"source": of the English score, "target": of the '
    'supervised one, "above chance": of the supervised one, chance taken off both}.',
    answer=_denominators,
    given=_row,
    hints=(
        "Three fractions, two of them with `zero` on top.",
        "A coin that knows nothing already gets `chance`: take it off above and below the line.",
        "100 * (zero - chance) / (supervised - chance)",
    ),
    wrong={
        "chance off the bottom only": (
            _chance_below_only,
            "Take chance off the zero-shot score as well, or knowing nothing counts as something.",
        ),
        "chance off the top only": (
            _chance_above_only,
            "Take chance off the supervised score as well: what a model can win begins at chance.",
        ),
        "source and target swapped": (
            _swapped,
            "The source is the language that was trained on, English; the target is Swahili.",
        ),
        "points": (
            _in_points,
            "These are differences in points. A percentage is one score over another.",
        ),
        "shares of 1": (
            _shares,
            "Right, but per cent are asked: 95 and not 0.95.",
        ),
    },
    why="Results.percent_of_supervised gives the three for every target, with intervals.",
)

# ── 6: an interval where cells share languages ───────────────────────────────────────────


def _matrices() -> list[tuple[Any, ...]]:
    rng = np.random.default_rng(6)
    cases = []
    for n in (6, 9, 12):
        distance = rng.random((n, n))
        score = 80 - 10 * distance + rng.normal(size=(n, 1)) * 3 + rng.normal(size=(n, n)) * 2
        cases.append((distance, score, rng.integers(0, n, size=(200, n))))
    return cases


def language_interval(distance: Any, score: Any, draws: Any) -> Any:
    found = []
    for drawn in draws:
        pairs = [(i, j) for i in drawn for j in drawn if i != j]
        x, y = (np.array([table[pair] for pair in pairs]) for table in (distance, score))
        found.append(np.corrcoef(x, y)[0, 1])
    return np.percentile(found, [2.5, 97.5])


def _diagonal_kept(distance: Any, score: Any, draws: Any) -> Any:
    found = []
    for drawn in draws:
        pairs = [(i, j) for i in drawn for j in drawn]
        x, y = (np.array([table[pair] for pair in pairs]) for table in (distance, score))
        found.append(np.corrcoef(x, y)[0, 1])
    return np.percentile(found, [2.5, 97.5])


def _rows_alone(distance: Any, score: Any, draws: Any) -> Any:
    found = []
    for drawn in draws:
        pairs = [(i, j) for i in drawn for j in range(len(score)) if i != j]
        x, y = (np.array([table[pair] for pair in pairs]) for table in (distance, score))
        found.append(np.corrcoef(x, y)[0, 1])
    return np.percentile(found, [2.5, 97.5])


def _nine_of_ten(distance: Any, score: Any, draws: Any) -> Any:
    found = []
    for drawn in draws:
        pairs = [(i, j) for i in drawn for j in drawn if i != j]
        x, y = (np.array([table[pair] for pair in pairs]) for table in (distance, score))
        found.append(np.corrcoef(x, y)[0, 1])
    return np.percentile(found, [5, 95])


def _each_once(distance: Any, score: Any, draws: Any) -> Any:
    found = []
    for drawn in draws:
        kept = sorted(set(drawn.tolist()))
        pairs = [(i, j) for i in kept for j in kept if i != j]
        x, y = (np.array([table[pair] for pair in pairs]) for table in (distance, score))
        found.append(np.corrcoef(x, y)[0, 1])
    return np.percentile(found, [2.5, 97.5])


q6 = Function(
    id="zero_shot.q6",
    prompt="Write `language_interval(distance, score, draws)`: two n × n matrices (row source, "
    "column target); each row of `draws` holds n language numbers drawn with replacement. For "
    "each draw take the cells (i, j) with i and j among the drawn and i ≠ j, as often as they "
    "were drawn, and correlate; return both ends of the 95 % interval (Pearson).",
    answer=language_interval,
    cases=_matrices,
    hints=(
        "Draw languages, not cells: a language that is drawn twice brings its cells twice.",
        "pairs = [(i, j) for i in drawn for j in drawn if i != j]",
        "np.corrcoef(x, y)[0, 1] for each draw, then np.percentile(…, [2.5, 97.5]).",
    ),
    wrong={
        "the diagonal kept": (
            lambda: _diagonal_kept,
            "The cells (i, i) are no transfer: leave them out, also where a language is drawn "
            "twice.",
        ),
        "sources alone": (
            lambda: _rows_alone,
            "You drew sources and kept all targets. Both are the same few languages: draw once, "
            "for rows and columns.",
        ),
        "90 % interval": (
            lambda: _nine_of_ten,
            "The 5th and 95th percentile hold nine draws of ten. For 95 % it takes 2.5 and 97.5.",
        ),
        "each language once": (
            lambda: _each_once,
            "A language that was drawn twice counts twice. Without that, draws are only subsets, "
            "and the interval is another.",
        ),
    },
    why="Cells of one row share a trained model, cells of one column a test set. Resampled as if "
    "they were independent, they promise more than a dozen languages can keep.",
)
