"""Questions of notebook 08: silent faults, bytes, alarms, calibration, batches, spans, routes."""

from __future__ import annotations

from typing import Any

import numpy as np

from xlhelpers.exercises.engine import Function, Number, Option, Quiz
from xlhelpers.exercises.prediction import Prediction

# ── guesses ──────────────────────────────────────────────────────────────────────────────

unknown = Prediction(
    id="production.unknown",
    prompt="One of the languages has never been read by the model, and it is right in it no more "
    "often than by guessing. How sure is it there on average, in per cent?",
    low=33,
    high=100,
)

tokenizing = Prediction(
    id="production.tokenizing",
    prompt="A request of some thirty tokens, answered with layers as large as those of XLM-R base. "
    "What share of the time goes into cutting the text into tokens, in per cent?",
    low=0,
    high=100,
)

linear = Prediction(
    id="production.linear",
    prompt="XLM-R base, with the matrices of its linear layers in 8 bits instead of 32, the usual "
    "recipe. What per cent of the file is left?",
    low=25,
    high=100,
)

# ── 1: what nobody notices ───────────────────────────────────────────────────────────────

q1 = Quiz(
    id="production.q1",
    prompt="Four faults of a service. Which one will nobody notice, until somebody compares "
    "answers with labels?",
    options={
        "a": Option(
            "Texts are cut by characters, and Chinese ones stay too long for the model.",
            "That raises an error on the first of them. Annoying, and noticed.",
        ),
        "b": Option(
            "A specialised model cannot be loaded, and the router of this notebook lets the "
            "multilingual one answer.",
            "Our router says so in every answer (`fallback`) and in the log. A service that does "
            "not say so would make this right.",
        ),
        "c": Option(
            "The head was drawn anew when the model was loaded.",
            "Every text gets a label and a probability, in every language, as quickly as before. "
            "Nothing is missing but the training.",
            right=True,
        ),
        "d": Option(
            "Scores are numpy numbers, which JSON does not know.",
            "The first answer that is sent raises a TypeError.",
        ),
    },
)

# ── 2: what four times leaves out ────────────────────────────────────────────────────────


def _model() -> dict[str, Any]:
    return {"parameters": 560e6, "embeddings": 257e6}


def _times(parameters: Any, embeddings: Any) -> Any:
    return 4 * parameters / (4 * embeddings + (parameters - embeddings))


q2 = Number(
    id="production.q2",
    prompt="A model has `parameters` numbers of 4 bytes, of which `embeddings` are tables of "
    "embeddings. All others are brought to 1 byte. How many times smaller is the file? (Scales and "
    "what else a file has do not count.)",
    answer=_times,
    given=_model,
    hints=(
        "How many bytes before? How many after, for each of the two parts?",
        "After: 4 bytes for an entry of the tables, 1 byte for all else.",
        "4 * parameters / (4 * embeddings + parameters - embeddings)",
    ),
    wrong={
        "all of it": (
            lambda parameters, embeddings: 4.0,
            "Four times would be all numbers in one byte. The tables have stayed as they were.",
        ),
        "share that is left": (
            lambda parameters, embeddings: (
                (4 * embeddings + parameters - embeddings) / (4 * parameters)
            ),
            "This is the share of the file that is left. How many times does it go into 1?",
        ),
        "the wrong part": (
            lambda parameters, embeddings: (
                4 * parameters / (embeddings + 4 * (parameters - embeddings))
            ),
            "Here the tables are in one byte, and the layers were left alone: the other way round.",
        ),
        "share that is saved": (
            lambda parameters, embeddings: 0.75 * (parameters - embeddings) / parameters,
            "This is what share of the bytes is saved.",
        ),
    },
    why="The numbers are about those of XLM-R large. For XLM-R base, whose layers are smaller and "
    "whose tables are nearly as large, it is 1.3 times.",
)

# ── 3: alarms without a change ───────────────────────────────────────────────────────────


def _watched() -> dict[str, Any]:
    # in the order in which the prompt names them, which is the order of data()
    return {"signals": 3.0, "languages": 12.0, "windows": 24.0, "level": 0.05}


def _alarms(languages: Any, signals: Any, windows: Any, level: Any) -> Any:
    return languages * signals * windows * level * 7


q3 = Number(
    id="production.q3",
    prompt="A monitor tests `signals` signals in each of `languages` languages, `windows` times a "
    "day, and fires where p is below `level`. Nothing ever changes. How many alarms are to be "
    "expected in a week?",
    answer=_alarms,
    given=_watched,
    hints=(
        "How often does one test fire if nothing has changed?",
        "How many tests are there in a week?",
        "languages * signals * windows * 7 * level",
    ),
    wrong={
        "a day": (
            lambda languages, signals, windows, level: languages * signals * windows * level,
            "That is one day.",
        ),
        "none": (
            lambda languages, signals, windows, level: 0.0,
            "A test at the level 0.05 fires in 5 of 100 cases in which nothing has changed: that "
            "is what the level says.",
        ),
        "at least one": (
            lambda languages, signals, windows, level: (
                1 - (1 - level) ** (languages * signals * windows * 7)
            ),
            "This is the probability of any alarm at all. How many are there?",
        ),
        "one signal": (
            lambda languages, signals, windows, level: languages * windows * level * 7,
            "Each signal is a test of its own.",
        ),
    },
    why="A team that gets forty alarms a day reads none. `Monitor` divides its `false_alarm` among "
    "the signals of a window, and its default is 1 in 10,000.",
)

# ── 4: calibration error by hand ─────────────────────────────────────────────────────────


def expected_error(sure: Any, right: Any, bins: Any) -> Any:
    sure, right = np.asarray(sure, dtype=float), np.asarray(right, dtype=float)
    place = np.minimum((sure * bins).astype(int), bins - 1)
    gaps = [abs((sure - right)[place == b].sum()) for b in range(bins)]
    return sum(gaps) / len(sure)


def _plain_mean(sure: Any, right: Any, bins: Any) -> Any:
    sure, right = np.asarray(sure, dtype=float), np.asarray(right, dtype=float)
    place = np.minimum((sure * bins).astype(int), bins - 1)
    gaps = [abs((sure - right)[place == b].mean()) for b in set(place.tolist())]
    return sum(gaps) / len(gaps)


def _one_gap(sure: Any, right: Any, bins: Any) -> Any:
    return abs(float(np.mean(sure)) - float(np.mean(right)))


def _row_by_row(sure: Any, right: Any, bins: Any) -> Any:
    gap = np.abs(np.asarray(sure, dtype=float) - np.asarray(right, dtype=float))
    return float(gap.mean())


def _last_lost(sure: Any, right: Any, bins: Any) -> Any:
    sure, right = np.asarray(sure, dtype=float), np.asarray(right, dtype=float)
    place = (sure * bins).astype(int)
    return sum(abs((sure - right)[place == b].sum()) for b in range(bins)) / len(sure)


def _accuracy(sure: Any, right: Any, bins: Any) -> Any:
    return 1 - float(np.mean(right))


def _confidences() -> list[tuple[Any, ...]]:
    rng = np.random.default_rng(8)
    cases: list[tuple[Any, ...]] = [([0.95, 0.93, 0.35, 0.41], [1, 0, 1, 1], 10)]
    for n, bins in ((60, 5), (200, 15)):
        sure = 0.4 + 0.6 * rng.random(n)
        cases.append((sure.tolist(), (rng.random(n) < sure - 0.15).tolist(), bins))
    return [*cases, ([1.0, 1.0, 0.5], [1, 0, 1], 10)]


q4 = Function(
    id="production.q4",
    prompt="Write `expected_error(sure, right, bins)`: `sure` are n confidences from 0 to 1 and "
    "`right` whether each answer was. Divide 0 to 1 into `bins` equal intervals (a confidence of "
    "1 belongs to the last). Return the mean over all answers of how far, in its interval, the "
    "mean confidence is from the share of right answers.",
    answer=expected_error,
    cases=_confidences,
    hints=(
        "Which interval is a confidence in? int(sure * bins), and 1.0 in the last.",
        "In each interval: mean confidence less share right, without its sign.",
        "An interval counts as often as it has answers: sum of n_b * gap_b, divided by n.",
    ),
    wrong={
        "every interval counts the same": (
            lambda: _plain_mean,
            "An interval with three answers counts as much here as one with three hundred. Weight "
            "each by its answers.",
        ),
        "one gap for all": (
            lambda: _one_gap,
            "Mean confidence less accuracy over all answers: too sure here and too unsure there "
            "cancel out. That is why there are intervals.",
        ),
        "row by row": (
            lambda: _row_by_row,
            "A single answer is right or wrong, and 0.8 is far from both. Only a group of answers "
            "can agree with its confidence.",
        ),
        "a confidence of 1 is lost": (
            lambda: _last_lost,
            "The answers that the model is surest of are in no interval here: int(1.0 * bins) is "
            "one too many, and 1 is not below the end of the last. They belong to it all the same.",
        ),
        "the error rate": (
            lambda: _accuracy,
            "This is the share of wrong answers. A model may be wrong often and say so.",
        ),
    },
    why="`xl.serving.calibration_error`, with 15 intervals as Guo et al. (2017). Few answers make "
    "it larger than it is: compare with what a perfect model would get on as many.",
)

# ── 5: batches by tokens ─────────────────────────────────────────────────────────────────


def batches(lengths: Any, budget: Any) -> Any:
    found: list[list[int]] = []
    for row in sorted(range(len(lengths)), key=lambda row: (-lengths[row], row)):
        if found and (len(found[-1]) + 1) * lengths[found[-1][0]] <= budget:
            found[-1].append(row)
        else:
            found.append([row])
    return found


def _without_padding(lengths: Any, budget: Any) -> Any:
    found: list[list[int]] = []
    for row in sorted(range(len(lengths)), key=lambda row: (-lengths[row], row)):
        if found and sum(lengths[i] for i in found[-1]) + lengths[row] <= budget:
            found[-1].append(row)
        else:
            found.append([row])
    return found


def _as_they_come(lengths: Any, budget: Any) -> Any:
    found: list[list[int]] = []
    for row in range(len(lengths)):
        wide = max([lengths[i] for i in found[-1]] + [lengths[row]]) if found else 0
        if found and (len(found[-1]) + 1) * wide <= budget:
            found[-1].append(row)
        else:
            found.append([row])
    return found


def _places_lost(lengths: Any, budget: Any) -> Any:
    ordered = sorted(lengths, reverse=True)
    return batches(ordered, budget)


def _long_ones_dropped(lengths: Any, budget: Any) -> Any:
    return [rows for rows in batches(lengths, budget) if lengths[rows[0]] <= budget]


q5 = Function(
    id="production.q5",
    prompt="Write `batches(lengths, budget)`: `lengths` are the tokens of each text. Return lists "
    "of the texts' numbers. Take the texts from the longest to the shortest (of equal ones the "
    "earlier first) and put each into the last batch, unless its slots, texts times the longest of "
    "them, would then be more than `budget`; then begin a new batch. A text longer than `budget` "
    "has a batch of its own.",
    answer=batches,
    cases=lambda: [
        ([5, 30, 6, 28, 7, 4], 60),
        ([10, 10, 10, 10], 20),
        ([3, 90, 3, 3], 12),
        ([8, 2, 9, 2, 2, 2, 2, 30, 7], 32),
        ([], 10),
    ],
    hints=(
        "Sort the numbers of the texts, not the lengths: sorted(range(len(lengths)), key=…).",
        "The first text of a batch is its longest: it decides the width.",
        "(len(batch) + 1) * lengths[batch[0]] <= budget",
    ),
    wrong={
        "tokens without padding": (
            lambda: _without_padding,
            "You add up the tokens that the texts have. What is computed is a rectangle: texts "
            "times the longest, padding included.",
        ),
        "as they come": (
            lambda: _as_they_come,
            "Not sorted: a short text beside a long one is mostly padding.",
        ),
        "whose answer is whose": (
            lambda: _places_lost,
            "These are places in the sorted list. The answers have to go back to the texts as they "
            "came: keep the numbers.",
        ),
        "long texts left out": (
            lambda: _long_ones_dropped,
            "A text longer than the budget is nowhere. It needs a batch of its own, or its client "
            "waits for ever.",
        ),
    },
    why="`xl.serving.batching.by_tokens`. The language of a text appears nowhere.",
)

# ── 6: spans that touch ──────────────────────────────────────────────────────────────────


def chosen(spans: Any) -> Any:
    kept: list[Any] = []
    for span in sorted(spans, key=lambda span: -span[3]):
        start, end = span[:2]
        if start < end and all(end <= other[0] or other[1] <= start for other in kept):
            kept.append(span)
    return sorted(kept, key=lambda span: span[0])


def _touching_dropped(spans: Any) -> Any:
    kept: list[Any] = []
    for span in sorted(spans, key=lambda span: -span[3]):
        start, end = span[:2]
        if start < end and all(end < other[0] or other[1] < start for other in kept):
            kept.append(span)
    return sorted(kept, key=lambda span: span[0])


def _first_come(spans: Any) -> Any:
    kept: list[Any] = []
    for span in sorted(spans, key=lambda span: span[:2]):
        if span[0] < span[1] and (not kept or kept[-1][1] <= span[0]):
            kept.append(span)
    return kept


def _longest(spans: Any) -> Any:
    kept: list[Any] = []
    for span in sorted(spans, key=lambda span: span[0] - span[1]):
        start, end = span[:2]
        if start < end and all(end <= other[0] or other[1] <= start for other in kept):
            kept.append(span)
    return sorted(kept, key=lambda span: span[0])


def _empty_kept(spans: Any) -> Any:
    kept: list[Any] = []
    for span in sorted(spans, key=lambda span: -span[3]):
        if all(span[1] <= other[0] or other[1] <= span[0] for other in kept):
            kept.append(span)
    return sorted(kept, key=lambda span: span[0])


q6 = Function(
    id="production.q6",
    prompt="Write `chosen(spans)`: a list of (start, end, type, score) with `end` not included. "
    "Return those that can be written into the text: go from the highest score to the lowest, "
    "and keep a span unless it shares a character with one that is already kept; spans that only "
    "touch both stay; a span without a character goes. In the order of the text.",
    answer=chosen,
    cases=lambda: [
        ([(0, 5, "LOC", 0.9), (5, 11, "PER", 0.8)],),
        ([(0, 8, "LOC", 0.7), (0, 13, "ORG", 0.9), (20, 24, "PER", 0.6)],),
        ([(0, 8, "LOC", 0.9), (0, 13, "ORG", 0.7), (8, 13, "ORG", 0.5)],),
        ([(3, 3, "PER", 0.99), (0, 6, "PER", 0.4), (10, 12, "LOC", 0.5), (11, 15, "LOC", 0.6)],),
    ],
    hints=(
        "Begin with the surest, and keep each that does not run into one that is kept.",
        "Two spans do not overlap if one ends where the other begins, or before.",
        "end <= other_start or other_end <= start",
    ),
    wrong={
        "touching counts as overlapping": (
            lambda: _touching_dropped,
            "`end` is not included: a span that ends at 5 and one that begins at 5 share nothing. "
            "In a script without blanks names often touch.",
        ),
        "first come": (
            lambda: _first_come,
            "The first in the text stays, however unsure it is.",
        ),
        "the longest": (
            lambda: _longest,
            "The longest stays. The score was to decide.",
        ),
        "empty ones kept": (
            lambda: _empty_kept,
            "A span from 3 to 3 has no character, and a mark for it would stand inside a word.",
        ),
    },
    why="`xl.serving.without_overlaps` does this, and the recogniser of `xl.serving` never makes "
    "spans that overlap: they are runs of words.",
)

# ── 7: a router that can say no ──────────────────────────────────────────────────────────


def route(guess: Any, confidence: Any, outside: Any, routes: Any) -> Any:
    if outside >= 0.99:
        return "refused"
    if confidence < 0.5:
        return "general"
    return routes.get(guess, "general")


def _never_refuses(guess: Any, confidence: Any, outside: Any, routes: Any) -> Any:
    return routes.get(guess, "general") if confidence > 0.9 else "general"


def _confident_enough(guess: Any, confidence: Any, outside: Any, routes: Any) -> Any:
    return "refused" if confidence < 0.5 else routes.get(guess, "general")


def _unsure_refused(guess: Any, confidence: Any, outside: Any, routes: Any) -> Any:
    if outside >= 0.99 or confidence < 0.5:
        return "refused"
    return routes.get(guess, "general")


def _no_route_refused(guess: Any, confidence: Any, outside: Any, routes: Any) -> Any:
    if outside >= 0.99:
        return "refused"
    return "general" if confidence < 0.5 else routes.get(guess, "refused")


_ROUTES = {"de": "german", "hi": "hindi"}

q7 = Function(
    id="production.q7",
    prompt="Write `route(guess, confidence, outside, routes)`: `guess` is the best of the "
    "languages served, `confidence` its probability among them, `outside` the share that all "
    "other languages have when they are asked too, and `routes` a dict from codes to names of "
    'specialised models. Return "refused" where `outside` is 0.99 or more. Where the language is '
    'known (confidence 0.5 or more) return its route, or "general" if it has none. All others '
    'go to "general", which need not be told a language.',
    answer=route,
    cases=lambda: [
        ("de", 0.97, 0.02, _ROUTES),
        ("sw", 0.95, 0.999, _ROUTES),
        ("hi", 0.4, 0.3, _ROUTES),
        ("fr", 0.98, 0.01, _ROUTES),
        ("de", 0.7, 0.1, _ROUTES),
        ("es", 0.3, 0.995, _ROUTES),
    ],
    hints=(
        "Three questions, in this order: is it another language? Is it clear which? Is there a "
        "route?",
        "An unsure text is no strange text: the multilingual model can read it.",
        'routes.get(guess, "general")',
    ),
    wrong={
        "never refuses": (
            lambda: _never_refuses,
            "This is the article's rule. Indonesian goes through as Swahili, for a probability "
            "among the languages served does not say whether it is any of them.",
        ),
        "confidence decides": (
            lambda: _confident_enough,
            "A text in a language that is not served can be very sure to be the nearest of those "
            "that are. `outside` was asked for that.",
        ),
        "unsure texts refused": (
            lambda: _unsure_refused,
            "Short and mixed texts are unsure, and the multilingual model answers them without a "
            "language. Refused are those that it was not made for.",
        ),
        "no route, no answer": (
            lambda: _no_route_refused,
            "French has no specialist and is served all the same: by the general model.",
        ),
    },
    why="`xl.serving.LanguageRouter` does this with models behind the names, and the name and the "
    "model's hash in each answer come from the model that answered.",
)

# ── 8: what to remember ──────────────────────────────────────────────────────────────────


def hits(requests: Any, size: Any) -> Any:
    kept: list[Any] = []  # what was used longest ago comes first
    found = 0
    for text, model in requests:
        if (text, model) in kept:
            found += 1
            kept.remove((text, model))
        kept.append((text, model))
        if len(kept) > size:
            kept.pop(0)
    return found


def _by_text_alone(requests: Any, size: Any) -> Any:
    return hits([(text, "") for text, _ in requests], size)


def _never_forgets(requests: Any, size: Any) -> Any:
    return hits(requests, len(requests) + 1)


def _first_in_first_out(requests: Any, size: Any) -> Any:
    kept: list[Any] = []
    found = 0
    for one in map(tuple, requests):
        found += one in kept
        if one not in kept:
            kept = [*kept, one][-size:]
    return found


def _neighbours_only(requests: Any, size: Any) -> Any:
    pairs = zip(requests, requests[1:], strict=False)
    return sum(tuple(one) == tuple(other) for one, other in pairs)


_A, _B = "model 1", "model 2"

q8 = Function(
    id="production.q8",
    prompt="Write `hits(requests, size)`: `requests` is a list of (text, model), in the order in "
    "which they came. A memory of predictions holds `size` of them; what was used longest ago goes "
    "first. How many requests are answered from it? A prediction of another model is no answer.",
    answer=hits,
    cases=lambda: [
        ([("a", _A), ("b", _A), ("a", _A), ("c", _A), ("a", _A), ("b", _A)], 2),
        ([("a", _A), ("a", _A), ("a", _B), ("a", _B), ("a", _B)], 5),
        ([("a", _A), ("b", _A), ("c", _A), ("a", _A), ("b", _A), ("c", _A)], 2),
        ([("a", _A), ("b", _A), ("a", _A), ("c", _A), ("a", _A), ("d", _A), ("a", _A)], 2),
    ],
    hints=(
        "A list will do for a memory: what was used longest ago stands first.",
        "Text and model together are what is looked up.",
        "When something is used it goes to the end; where there are too many, kept.pop(0).",
    ),
    wrong={
        "the text alone": (
            lambda: _by_text_alone,
            "After a new model has been put in place, these are the old one's answers. The model's "
            "hash belongs to the key.",
        ),
        "nothing is forgotten": (
            lambda: _never_forgets,
            "Your memory grows with every new text that anybody sends. It was to hold `size`.",
        ),
        "first in, first out": (
            lambda: _first_in_first_out,
            "What came first goes first here, even if it is asked for all the time. Using it has "
            "to move it back.",
        ),
        "only the same twice in a row": (
            lambda: _neighbours_only,
            "A text may come again after others.",
        ),
    },
    why="`MultilingualClassifier.load(…, cache=…)` remembers logits, not labels, by a hash of the "
    "text: temperature and threshold are applied anew, and no text is kept.",
)
