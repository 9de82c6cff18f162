"""Fine-tuning: classifiers of texts and taggers of words, on transformers' `Trainer`.

A pretrained encoder with a new head learns a task from labelled examples (Devlin et al.,
2019, NAACL): a class for a text or for a pair of texts, or a tag for each word. What has to
be right around the training loop is here: the names of the classes travel with the model,
every word gets a tag, a seed decides the result, and what cannot be learned from is refused.

The same call trains in several processes, on one machine or many, when `torchrun` or
`accelerate launch` starts the program; `xlhelpers.train` is one that they can start.
"""

from __future__ import annotations

import difflib
import math
import operator
import random
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import regex
import torch
from numpy.typing import NDArray

from xlhelpers import _processes, files, hub, settings
from xlhelpers.alignment.evaluation import Score, bootstrap
from xlhelpers.encoding import TruncationWarning, token_limit
from xlhelpers.errors import CourseError

if TYPE_CHECKING:
    import pandas as pd

Text = str | tuple[str, str]
Words = Sequence[str]
Label = str | int
Counts = NDArray[np.int64]
Floats = NDArray[np.float32]
# Token ids of a text, a pair or a window of words, and what goes with them.
Features = Sequence[Mapping[str, Any]]
# (model, batch size) → development scores by name.
Scorer = Callable[[Any, int], dict[str, float]]

# torch's cross-entropy leaves positions with this label out.
IGNORED = -100

# Learning rates by width of the model: what Devlin et al. (2019) use for 768 and more, and
# what small models need to move within a few hundred steps.
WIDE = 512
RATE_WIDE, RATE_SMALL = 2e-5, 5e-4

# SentencePiece's sign for a blank, and how words begin that are written without one.
_BLANK = "▁"
TOGETHER = regex.compile(
    r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\u3000-\u303f\uff00-\uff65]"
)

# Learning rate rises over this share of the steps, then falls to zero.
WARM_UP = 0.1
WEIGHT_DECAY = 0.01

# Rows of training loss in a history, over the whole run.
LOSS_ROWS = 40


class FineTuningError(CourseError, ValueError):
    """A model cannot be trained, used or scored as asked; the message says why."""


class UnseenClassWarning(UserWarning):
    """A class has no example in what is trained on."""


class UntrainedHeadWarning(UserWarning):
    """The head of a model is random, so what it says is no prediction."""


@dataclass(frozen=True)
class Fitted:
    """A trained model and how it got there.

    Attributes:
        model: trained, in evaluation mode; its classes are in `model.config.id2label`.
        tokenizer: the one that it was trained with.
        history: rows in the order of steps. A row of training has `epoch`, `step`, `loss`
            (mean since the row before) and `learning_rate`; a row of the development set has
            `epoch`, `step`, `dev_loss` and the development scores, `dev_macro_f1` and others.
        metric: the development score by which the best checkpoint was chosen.
        best: its highest value, and the model's own; None where no development set was given.
        best_epoch: the epoch after which it was reached (the first of equals).
        seconds: wall-clock time of training.
    """

    model: Any = field(repr=False)
    tokenizer: Any = field(repr=False)
    history: tuple[dict[str, float], ...] = field(repr=False)
    metric: str = ""
    best: float | None = None
    best_epoch: float | None = None
    seconds: float = field(default=0.0, repr=False, compare=False)

    def frame(self) -> pd.DataFrame:
        """Return the history as a table, one row a step; NaN where a row has no such figure."""
        import pandas as pd

        return pd.DataFrame(self.history).groupby("step", as_index=False).first()


@dataclass(frozen=True)
class Predictions:
    """What a classifier says of some texts.

    Attributes:
        labels: the most probable class of each text, by name.
        probabilities: (n, k) float32; rows sum to 1, columns are in the order of `names`.
        names: the k classes.
    """

    labels: tuple[str, ...]
    probabilities: Floats = field(repr=False)
    names: tuple[str, ...]


# ── classification ───────────────────────────────────────────────────────────────────────


def train_classifier(
    model: Any,
    tokenizer: Any,
    texts: Sequence[Text],
    labels: Sequence[Label],
    *,
    names: Sequence[str] | None = None,
    dev: tuple[Sequence[Text], Sequence[Label]] | None = None,
    epochs: int = 3,
    learning_rate: float | None = None,
    batch_size: int = 32,
    seed: int | None = None,
    frozen: int | None = None,
    progress: bool = True,
    in_place: bool = False,
) -> Fitted:
    """Train a model to tell classes of texts apart, and return the trained copy.

    AdamW, linear warm-up over a tenth of the steps and linear decay to zero, batches of texts
    of similar length. A head that `hub.model` made anew is drawn again from `seed`, so that
    the seed alone decides the result on a given machine with a given number of threads.

    Started by `torchrun` or `accelerate launch`, all processes train one model: each learns from
    its part of every batch, and each returns the same weights. Write them in one, where
    `settings.is_first_process()`.

    Args:
        model: with a classification head of k outputs:
            `hub.model("XLM-R", "classification", new_head=True, num_labels=3)`.
        tokenizer: the model's own.
        texts: n texts, or n pairs of texts (premise, hypothesis). Long ones are cut to what the
            model can read, with a `TruncationWarning`.
        labels: n class names, or whole numbers that count into `names`.
        names: the k classes in the order of the outputs; left out, the model's own, or else the
            labels in alphabetical order.
        dev: texts and labels to choose the best epoch by, macro F1 deciding; without, the last
            epoch is kept.
        epochs: passes over the texts.
        learning_rate: the highest; left out, 5e-4, or 2e-5 for models of 512 units or more.
        batch_size: texts a step, of all processes together.
        seed: left out, that of the settings. The process's own random state stays as it was.
        frozen: how many of the lowest layers stay as they are, and the embeddings with them; 0
            is the embeddings alone, None trains all. Words that the texts do not have, such as
            those of other languages, then stay beside those that they have (lower layers frozen
            for transfer: Wu & Dredze, 2019, EMNLP).
        progress: show a bar, in a notebook or a terminal.
        in_place: train `model` itself, for want of memory.

    Raises:
        FineTuningError: nothing to learn from (no text, one class, lengths that differ, missing
            values, an unknown label), names that do not fit the head, or a loss that is not
            finite.
    """
    texts = _texts(texts, "texts")
    _require_examples(texts, labels, "texts", "labels")
    _refuse_missing(labels, "labels")
    known = _names(model, names, labels)
    gold = _numbers(labels, known, "labels")
    _require_two_classes(gold, known)
    plan = _plan(model, epochs, learning_rate, batch_size, seed, frozen)
    scorer = None
    if dev is not None:
        dev_texts = _texts(dev[0], "development texts")
        _require_examples(dev_texts, dev[1], "development texts", "labels")
        right = _numbers(dev[1], known, "dev labels")
        scorer = _classifier_scorer(tokenizer, _text_features(model, tokenizer, dev_texts), right)
    learner = _learner(model, known, plan, in_place)
    learner.config.problem_type = "single_label_classification"
    features = _with_class(_text_features(learner, tokenizer, texts), gold)
    return _train(learner, tokenizer, features, plan, scorer, "macro_f1", progress)


def classify(
    model: Any, tokenizer: Any, texts: Sequence[Text], batch_size: int = 32
) -> Predictions:
    """Return the class of each text, in the order given, and the probability of every class.

    Texts of similar length share a batch; what is longer than the model can read is cut, with
    a `TruncationWarning`. A random head is used as it is, with an `UntrainedHeadWarning`.

    Args:
        texts: n texts or pairs of texts; none gives no labels and (0, k) probabilities.

    Raises:
        FineTuningError: a text is empty or missing, or the model's outputs are not finite.
    """
    texts = _texts(texts, "texts")
    names = _model_names(model)
    _warn_of_random_head(model)
    features = _text_features(model, tokenizer, texts)
    probabilities = _probabilities(model, tokenizer, features, batch_size)
    return Predictions(tuple(names[i] for i in probabilities.argmax(axis=1)), probabilities, names)


def _probabilities(model: Any, tokenizer: Any, features: Features, batch_size: int) -> Floats:
    found = np.zeros((len(features), int(model.config.num_labels)), dtype=np.float32)
    for rows, logits in _forward(model, tokenizer, features, batch_size):
        found[rows] = logits.softmax(-1).cpu().numpy()
    return found


def _text_features(model: Any, tokenizer: Any, texts: Sequence[Text]) -> list[dict[str, Any]]:
    """Return one dictionary of token ids a text, cut to the model's length and said so."""
    if not texts:
        return []
    limit = _limit(model, tokenizer)
    # verbose=False: the library's own remark about length comes once a process, without a count.
    encoded = tokenizer(*_sides(texts), verbose=False)
    lengths = [len(ids) for ids in encoded["input_ids"]]
    features = [{key: encoded[key][i] for key in encoded} for i in range(len(texts))]
    long = [i for i, length in enumerate(lengths) if length > limit]
    if long:
        _say_long(
            f"{len(long)} of {len(texts)} texts are longer than the {limit} tokens that the "
            f"model reads (the longest has {max(lengths)}): the rest of them is left out"
        )
        cut = tokenizer(*_sides([texts[i] for i in long]), truncation=True, max_length=limit)
        for row, i in enumerate(long):
            features[i] = {key: cut[key][row] for key in cut}
    return features


def _with_class(features: list[dict[str, Any]], gold: Counts) -> list[dict[str, Any]]:
    return [{**row, "labels": int(number)} for row, number in zip(features, gold, strict=True)]


def features_of(
    model: Any, tokenizer: Any, inputs: Sequence[Any], labels: Sequence[Any]
) -> list[dict[str, Any]]:
    """Return what `model` reads of labelled examples, for a training loop of one's own.

    One dictionary a text or pair, or a window of words, with `input_ids` and `labels`:
    the number of the class, or one number a piece and -100 where a piece has no label.

    Args:
        inputs: n texts, pairs of texts, or lists of words.
        labels: n class names, or n lists of tags; names of `model.config.id2label`.

    Raises:
        FineTuningError: as `train_classifier` and `train_tagger`.
    """
    names = _model_names(model)
    if labels and not isinstance(labels[0], str):
        sentences = _sentences(inputs, "sentences")
        _require_tags(sentences, labels, "sentences")
        gold = [_numbers(row, names, f"tags[{i}]") for i, row in enumerate(labels)]
        return _tag_features(_windows(model, tokenizer, sentences), gold)
    texts = _texts(inputs, "texts")
    _require_examples(texts, labels, "texts", "labels")
    return _with_class(_text_features(model, tokenizer, texts), _numbers(labels, names, "labels"))


def _sides(texts: Sequence[Text]) -> tuple[list[str], ...]:
    """Return one column of texts, or the two of pairs, as a tokenizer takes them."""
    if isinstance(texts[0], str):
        return (list(texts),)  # type: ignore[arg-type]
    return [text[0] for text in texts], [text[1] for text in texts]


def _classifier_scorer(tokenizer: Any, features: Features, gold: Counts) -> Scorer:
    """Return what measures a classifier on a development set."""

    def scores(model: Any, batch_size: int) -> dict[str, float]:
        probabilities = _probabilities(model, tokenizer, features, batch_size)
        predicted = probabilities.argmax(axis=1)
        table = _confusion(gold, predicted, probabilities.shape[1])
        return {
            "loss": _cross_entropy(probabilities[np.arange(len(gold)), gold]),
            "accuracy": float((gold == predicted).mean()),
            "macro_f1": float(macro_f1_of(table[None])[0]),
        }

    return scores


# ── tagging ──────────────────────────────────────────────────────────────────────────────


def train_tagger(
    model: Any,
    tokenizer: Any,
    sentences: Sequence[Words],
    tags: Sequence[Sequence[Label]],
    *,
    names: Sequence[str] | None = None,
    dev: tuple[Sequence[Words], Sequence[Sequence[Label]]] | None = None,
    epochs: int = 3,
    learning_rate: float | None = None,
    batch_size: int = 32,
    seed: int | None = None,
    frozen: int | None = None,
    progress: bool = True,
    in_place: bool = False,
) -> Fitted:
    """Train a model to tag words, and return the trained copy.

    The first piece of a word carries its tag and the others none (Devlin et al., 2019, NAACL).
    A word that the tokenizer drops stands as its unknown token, so that no tag is lost; a
    sentence longer than the model can read is learned in parts, with a `TruncationWarning`.

    Args:
        model: with a token-classification head of k outputs:
            `hub.model("XLM-R", "tagging", new_head=True, num_labels=7)`.
        sentences: n lists of words.
        tags: n lists of tags, one a word: names, or whole numbers that count into `names`.
        names: the k tags in the order of the outputs; left out, the model's own, or else the
            tags in alphabetical order.
        dev: sentences and tags to choose the best epoch by: entity F1 where the tags are IOB2,
            the share of right tags otherwise.
        tokenizer, epochs, learning_rate, batch_size, seed, frozen, progress, in_place: as
            `train_classifier`.

    Raises:
        FineTuningError: as `train_classifier`; a sentence without words; tags and words that
            differ in number.
    """
    sentences = _sentences(sentences, "sentences")
    _require_tags(sentences, tags, "sentences")
    for i, row in enumerate(tags):
        _refuse_missing(row, f"tags[{i}]")
    known = _names(model, names, [tag for row in tags for tag in row])
    gold = [_numbers(row, known, f"tags[{i}]") for i, row in enumerate(tags)]
    _require_two_classes(np.concatenate(gold), known)
    plan = _plan(model, epochs, learning_rate, batch_size, seed, frozen)
    metric = "entity_f1" if _is_iob(known) else "accuracy"
    scorer = None
    if dev is not None:
        held_out = _sentences(dev[0], "development sentences")
        _require_tags(held_out, dev[1], "development sentences")
        numbers = [_numbers(row, known, f"dev tags[{i}]") for i, row in enumerate(dev[1])]
        if metric == "entity_f1":
            _require_iob2([[known[n] for n in row] for row in numbers], "development tags")
        windows = _windows(model, tokenizer, held_out)
        scorer = _tagger_scorer(tokenizer, windows, numbers, known)
    learner = _learner(model, known, plan, in_place)
    features = _tag_features(_windows(learner, tokenizer, sentences), gold)
    return _train(learner, tokenizer, features, plan, scorer, metric, progress)


def tag(
    model: Any, tokenizer: Any, sentences: Sequence[Words], batch_size: int = 32
) -> list[list[str]]:
    """Return a tag for every word of every sentence.

    A sentence longer than the model can read is tagged in parts, with a `TruncationWarning`,
    since words at a cut miss the context beyond it. A word that the tokenizer drops stands as
    its unknown token. A random head is used as it is, with an `UntrainedHeadWarning`.

    Args:
        sentences: n lists of words; an empty list of words gets an empty list of tags.

    Raises:
        FineTuningError: a word is no string, or the model's outputs are not finite.
    """
    sentences = _sentences(sentences, "sentences", empty=True)
    names = _model_names(model)
    _warn_of_random_head(model)
    windows = _windows(model, tokenizer, sentences)
    lengths = [len(words) for words in sentences]
    rows = _tag_probabilities(model, tokenizer, windows, lengths, batch_size)
    return [[names[i] for i in row.argmax(axis=1)] for row in rows]


def tag_probabilities(
    model: Any, tokenizer: Any, sentences: Sequence[Words], batch_size: int = 32
) -> list[Floats]:
    """Return the (words, k) probabilities that `tag` takes the likeliest of."""
    sentences = _sentences(sentences, "sentences", empty=True)
    _warn_of_random_head(model)
    windows = _windows(model, tokenizer, sentences)
    lengths = [len(words) for words in sentences]
    return _tag_probabilities(model, tokenizer, windows, lengths, batch_size)


def _tag_probabilities(
    model: Any,
    tokenizer: Any,
    windows: Sequence[WordWindow],
    lengths: Sequence[int],
    batch_size: int,
) -> list[Floats]:
    """Return, for each sentence of `lengths` words, (words, k) probabilities."""
    k = int(model.config.num_labels)
    found = [np.zeros((length, k), dtype=np.float32) for length in lengths]
    features = [{"input_ids": window.ids} for window in windows]
    for rows, logits in _forward(model, tokenizer, features, batch_size):
        probabilities = logits.softmax(-1).cpu().numpy()
        for row, pieces in zip(rows, probabilities, strict=True):
            windows[row].put(pieces, found)
    return found


def _tag_features(windows: Sequence[WordWindow], gold: Sequence[Counts]) -> list[dict[str, Any]]:
    features = []
    for window in windows:
        labels = np.full(len(window.ids), IGNORED)
        labels[window.firsts] = gold[window.sentence][window.words]
        features.append({"input_ids": window.ids, "labels": labels.tolist()})
    return features


@dataclass(frozen=True, slots=True)
class WordWindow:
    """A run of words of one sentence that the model can read at once.

    Attributes:
        sentence: its number.
        words: numbers of the words that are tagged here; `ids` may have others around them.
        firsts: for each of these, where its first piece stands in `ids`.
        ids: token ids, special ones included.
    """

    sentence: int
    words: list[int]
    firsts: list[int]
    ids: list[int]

    def put(self, pieces: Floats, found: Sequence[Floats]) -> None:
        """Put what a model says of the pieces of `ids`, (t, k), where the words have their rows.

        Args:
            found: (words, k) a sentence.
        """
        found[self.sentence][self.words] = pieces[self.firsts]


def word_windows(
    tokenizer: Any, sentences: Sequence[Words], limit: int, shared: int = 0
) -> tuple[list[WordWindow], list[int]]:
    """Cut sentences into windows, between words; nearly always one window a sentence.

    Args:
        sentences: n lists of words, as `tag` takes them.
        limit: tokens of a window, special ones included.
        shared: pieces that neighbouring windows have in common, as far as whole words allow:
            half of them are context of either side's last words.

    Returns:
        the windows, in the order of the sentences; the pieces of each sentence.

    Raises:
        FineTuningError: a word is no string, the tokenizer is not a fast one, or `limit` leaves
            no room for what is shared.
    """
    prefix, suffix = _frame(tokenizer)
    room = limit - len(prefix) - len(suffix)
    if not 0 <= shared < room:
        raise FineTuningError(
            f"windows of {limit} tokens cannot share {shared} pieces",
            f"share {max(room - 1, 0)} at most, or use longer windows",
        )
    windows: list[WordWindow] = []
    lengths = []
    for number, words in enumerate(_pieces(tokenizer, sentences)):
        lengths.append(sum(map(len, words)))
        runs = _runs([min(len(word), room) for word in words], room, shared // 2)
        for first, kept, cut, last in runs:
            ids, firsts = list(prefix), []
            for word in words[first:last]:
                firsts.append(len(ids))
                ids += word[:room]
            own = firsts[kept - first : cut - first]
            windows.append(WordWindow(number, list(range(kept, cut)), own, ids + suffix))
    return windows, lengths


def _windows(model: Any, tokenizer: Any, sentences: Sequence[Words]) -> list[WordWindow]:
    """Return windows without anything shared, and say so where a sentence has several."""
    limit = _limit(model, tokenizer)
    windows, lengths = word_windows(tokenizer, sentences, limit)
    prefix, suffix = _frame(tokenizer)
    room = limit - len(prefix) - len(suffix)
    long = sum(length > room for length in lengths)
    if long:
        _say_long(
            f"{long} of {len(sentences)} sentences are longer than the {room} pieces that the "
            f"model reads (the longest has {max(lengths)}): they are read in parts, and words at "
            "a cut miss the context beyond it"
        )
    return windows


def _runs(
    lengths: Sequence[int], room: int, context: int = 0
) -> Iterator[tuple[int, int, int, int]]:
    """Yield runs of words whose lengths, none above `room`, sum to `room` at most.

    A run is (first, kept, cut, last): it reads words first … last - 1 and answers for kept …
    cut - 1, which have `context` pieces beside them where neighbours are that short.
    """
    first = kept = 0
    while kept < len(lengths):
        last, used = first, 0
        while last < len(lengths) and used + lengths[last] <= room:
            used += lengths[last]
            last += 1
        cut, beyond = last, 0
        if last < len(lengths):
            while cut - 1 > kept and beyond + lengths[cut - 1] <= context:
                cut -= 1
                beyond += lengths[cut]
        yield first, kept, cut, last
        first, kept, before = cut, cut, 0
        # The next word has to fit beside its context, or nothing would be gained.
        most = min(context, room - lengths[cut]) if cut < len(lengths) else 0
        while first > 0 and before + lengths[first - 1] <= most:
            first -= 1
            before += lengths[first]


def pieces_of_words(
    tokenizer: Any, sentences: Sequence[Words]
) -> tuple[list[list[list[int]]], list[int], list[int]]:
    """Return how a model reads words: ids by sentence and word, and what frames a sentence.

    Args:
        sentences: n lists of words, none of them empty.

    Returns:
        the token ids of every word of every sentence, one at least for each; the special tokens
        before a sentence; those after it.

    Raises:
        FineTuningError: a word is no string, or the tokenizer is not a fast one.
    """
    checked = _sentences(sentences, "sentences")
    return (_pieces(tokenizer, checked), *_frame(tokenizer))


def _pieces(tokenizer: Any, sentences: Sequence[Words]) -> list[list[list[int]]]:
    """Return the token ids of every word of every sentence: one at least for each."""
    if not sentences:
        return []
    if not tokenizer.is_fast:
        raise FineTuningError(
            f"{type(tokenizer).__name__} cannot say which piece belongs to which word",
            "load it through xl.hub.tokenizer, which gives a fast one",
        )
    encoded = tokenizer(
        [list(words) for words in sentences],
        is_split_into_words=True,
        add_special_tokens=False,
        verbose=False,
    )
    # XLM-R's tokenizer writes a blank before every word; in Chinese text there is none.
    blank = tokenizer.convert_tokens_to_ids(_BLANK)
    if blank == tokenizer.unk_token_id:  # a vocabulary without it
        blank = None
    found: list[list[list[int]]] = []
    for number, words in enumerate(sentences):
        pieces: list[list[int]] = [[] for _ in words]
        ids = encoded["input_ids"][number]
        for token, word in zip(ids, encoded.word_ids(number), strict=True):
            pieces[word].append(token)
        for place, word in enumerate(words[1:], start=1):
            if len(pieces[place]) > 1 and pieces[place][0] == blank and TOGETHER.match(word):
                del pieces[place][0]
        # Control characters and blanks leave nothing behind; the word still has its place.
        found.append([word or [tokenizer.unk_token_id] for word in pieces])
    return found


def _frame(tokenizer: Any) -> tuple[list[int], list[int]]:
    """Return the special tokens that go before and after a sentence."""
    encoded = tokenizer([tokenizer.unk_token], is_split_into_words=True)
    word_ids, ids = encoded.word_ids(0), encoded["input_ids"]
    inside = [i for i, word in enumerate(word_ids) if word is not None]
    return list(ids[: inside[0]]), list(ids[inside[-1] + 1 :])


def _tagger_scorer(
    tokenizer: Any, windows: Sequence[WordWindow], gold: Sequence[Counts], names: Sequence[str]
) -> Scorer:
    """Return what measures a tagger on a development set."""
    right = np.concatenate(gold)
    lengths = [len(row) for row in gold]

    def scores(model: Any, batch_size: int) -> dict[str, float]:
        rows = _tag_probabilities(model, tokenizer, windows, lengths, batch_size)
        probabilities = np.concatenate(rows)
        predicted = probabilities.argmax(axis=1)
        found = {
            "loss": _cross_entropy(probabilities[np.arange(len(right)), right]),
            "accuracy": float((right == predicted).mean()),
        }
        if _is_iob(names):
            counts = _entities(
                [[names[n] for n in row] for row in gold],
                [[names[n] for n in row.argmax(axis=1)] for row in rows],
            ).sum(axis=0)
            found["entity_f1"] = float(2 * counts[0] / max(counts[1] + counts[2], 1))
        return found

    return scores


# ── what both share: the training loop ───────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class _Plan:
    epochs: int
    learning_rate: float
    batch_size: int
    seed: int
    frozen: int | None


def _plan(
    model: Any,
    epochs: int,
    learning_rate: float | None,
    batch_size: int,
    seed: int | None,
    frozen: int | None,
) -> _Plan:
    for name, value in (("epochs", epochs), ("batch_size", batch_size)):
        if not isinstance(value, int | np.integer) or value < 1:
            raise FineTuningError(f"{name} is {value!r}", "choose a whole number from 1")
    if learning_rate is None:
        width = int(getattr(model.config, "hidden_size", WIDE))
        learning_rate = RATE_WIDE if width >= WIDE else RATE_SMALL
    if not (math.isfinite(learning_rate) and learning_rate > 0):
        raise FineTuningError(
            f"learning_rate is {learning_rate!r}", "choose a small number above 0, such as 5e-4"
        )
    number = settings.current().seed if seed is None else seed
    if not isinstance(number, int | np.integer) or not 0 <= number < 2**32:
        raise FineTuningError(f"{number!r} is no seed", "choose a whole number from 0")
    if frozen is not None:
        _lowest(model, frozen)
    return _Plan(int(epochs), float(learning_rate), int(batch_size), int(number), frozen)


def _learner(model: Any, names: Sequence[str], plan: _Plan, in_place: bool) -> Any:
    """Return the model that is going to be trained: a copy, with the names of its classes."""
    learner = model if in_place else deepcopy(model)
    learner.config.id2label = dict(enumerate(names))
    learner.config.label2id = {name: i for i, name in enumerate(names)}
    draw_head(learner, plan.seed)
    return learner


def draw_head(model: Any, seed: int) -> None:
    """Draw what was random when the model was loaded again, in place, from `seed`.

    As transformers does it: normal weights, biases of zero, norms of one. Otherwise the head
    depends on what the process drew before, and a seed would not decide the result.
    """
    generator = torch.Generator().manual_seed(seed)
    width = float(getattr(model.config, "initializer_range", 0.02))
    parameters = dict(model.named_parameters())
    for name in sorted(set(hub.untrained(model)) & parameters.keys()):
        parameter = parameters[name]
        if parameter.ndim > 1:
            drawn = torch.randn(parameter.shape, generator=generator) * width
        else:
            drawn = torch.full(parameter.shape, 0.0 if name.endswith("bias") else 1.0)
        with torch.no_grad():
            parameter.copy_(drawn)


def _lowest(model: Any, layers: int) -> list[torch.nn.Parameter]:
    """Return the weights of the embeddings and of so many layers above them.

    Raises:
        FineTuningError: no such number of layers, or a model that is built another way.
    """
    body = model.base_model
    if not (hasattr(body, "embeddings") and hasattr(body, "encoder")):
        raise FineTuningError(
            f"{type(model).__name__} is not built like BERT: what is to be frozen is not known",
            "leave frozen out, or set requires_grad of its weights yourself",
        )
    stack = body.encoder.layer
    if isinstance(layers, bool) or not isinstance(layers, int) or not 0 <= layers <= len(stack):
        raise FineTuningError(
            f"frozen is {layers!r}", f"choose 0 (embeddings) … {len(stack)} (all layers), or None"
        )
    parts = [body.embeddings, *stack[:layers]]
    return [weight for part in parts for weight in part.parameters()]


@contextmanager
def freezing(model: Any, layers: int | None) -> Iterator[None]:
    """Let a block train neither the embeddings nor so many layers above them.

    Args:
        layers: 0 for the embeddings alone; None freezes nothing.

    Raises:
        FineTuningError: no such number of layers, or a model that is built another way.
    """
    weights = [] if layers is None else _lowest(model, layers)
    before = [weight.requires_grad for weight in weights]
    for weight in weights:
        weight.requires_grad_(False)
    try:
        yield
    finally:
        for weight, flag in zip(weights, before, strict=True):
            weight.requires_grad_(flag)


def _train(
    model: Any,
    tokenizer: Any,
    features: list[dict[str, Any]],
    plan: _Plan,
    scorer: Scorer | None,
    metric: str,
    progress: bool,
) -> Fitted:
    settings.apply_threads()
    started = time.perf_counter()
    # The folder holds the best checkpoint while training runs.
    with (
        files.scratch() as folder,
        own_randomness(),
        freezing(model, plan.frozen),
        hub.quiet(),
    ):
        trainer = _trainer(model, tokenizer, features, plan, scorer, metric, str(folder))
        bar = _bar(progress)
        trainer.add_callback(bar)
        try:
            trainer.train()
        finally:
            bar.close()
        if (together := _processes.of_training(trainer.args)) is not None:
            # The best checkpoint was written, and loaded again, by the first process only.
            together.copy_first(model)
    model.eval()
    model.zero_grad(set_to_none=True)
    model.xl_untrained = ()
    state = trainer.state
    best = None if scorer is None else float(state.best_metric)
    history = _history(state.log_history)
    steps = state.best_global_step
    when = next((row["epoch"] for row in history if row["step"] == steps), None)
    return Fitted(
        model,
        tokenizer,
        history,
        metric if scorer is not None else "",
        best,
        when if scorer is not None else None,
        time.perf_counter() - started,
    )


def _trainer(
    model: Any,
    tokenizer: Any,
    features: list[dict[str, Any]],
    plan: _Plan,
    scorer: Scorer | None,
    metric: str,
    folder: str,
) -> Any:
    import transformers
    from transformers.trainer_pt_utils import LengthGroupedSampler

    arguments = _arguments(plan, len(features), scorer is not None, metric, folder)
    together = _processes.of_training(arguments)
    collate = collator(tokenizer, features)

    class Course(transformers.Trainer):
        """A `Trainer` that stops at a loss of NaN and measures as we do afterwards."""

        def get_train_dataloader(self) -> Any:
            if together is None:
                return super().get_train_dataloader()
            # The order that `Trainer` draws for one process.
            key = tokenizer.model_input_names[0]
            rows: Any = features
            order = LengthGroupedSampler(plan.batch_size, rows, model_input_name=key)
            return together.loader(features, order, plan.batch_size, collate, IGNORED)

        def compute_loss(self, model: Any, inputs: Any, *args: Any, **options: Any) -> Any:
            if together is None:
                return super().compute_loss(model, inputs, *args, **options)
            weight = together.weight(inputs.pop(_processes.COUNTED))
            return weight * super().compute_loss(model, inputs, *args, **options)

        def training_step(self, *args: Any, **options: Any) -> torch.Tensor:
            loss = super().training_step(*args, **options)
            if together is not None:
                loss = together.mean(loss)  # so that all processes stop where one has to
            if not torch.isfinite(loss):
                _refuse_loss(float(loss), self.state.global_step + 1)
            return loss

        def evaluate(self, *args: Any, **options: Any) -> dict[str, float]:
            # Trainer's own evaluation shuffles what it groups by length, and knows tokens
            # where we score words and whole sentences.
            assert scorer is not None
            found = scorer(self.model, 2 * plan.batch_size)
            if together is not None:
                # Other hardware may differ in the last digit, and all have to choose one epoch.
                found = dict(zip(found, together.of_first(list(found.values())), strict=True))
            metrics = {f"eval_{name}": value for name, value in found.items()}
            self.log(metrics)
            self.control = self.callback_handler.on_evaluate(
                self.args, self.state, self.control, metrics
            )
            return metrics

    trainer = Course(
        model=model,
        args=arguments,
        data_collator=collate,
        train_dataset=features,
        # Never read: `evaluate` above has its own. Trainer wants one before it evaluates.
        eval_dataset=features if scorer is not None else None,
        processing_class=tokenizer,
    )
    trainer.remove_callback(transformers.PrinterCallback)
    if together is not None:
        # `Trainer` would scale the loss by the labels of all processes; so does `compute_loss`.
        trainer.model_accepts_loss_kwargs = False
        if not together.is_first:
            # From one seed all would drop the same units, each for other rows.
            torch.manual_seed(plan.seed + together.rank)
    return trainer


def collator(tokenizer: Any, features: Features) -> Any:
    """Return what makes a padded batch of `features`, whose labels are numbers or lists of them."""
    import transformers

    if isinstance(features[0]["labels"], list):
        return transformers.DataCollatorForTokenClassification(
            tokenizer, label_pad_token_id=IGNORED
        )
    return transformers.DataCollatorWithPadding(tokenizer)


def _arguments(plan: _Plan, examples: int, choose: bool, metric: str, folder: str) -> Any:
    from transformers import TrainingArguments

    steps = math.ceil(examples / plan.batch_size) * plan.epochs
    cpu = settings.device() == "cpu"
    arguments = TrainingArguments(
        output_dir=folder,
        seed=plan.seed,
        num_train_epochs=plan.epochs,
        per_device_train_batch_size=plan.batch_size,
        learning_rate=plan.learning_rate,
        lr_scheduler_type="linear",
        warmup_steps=round(WARM_UP * steps),
        weight_decay=WEIGHT_DECAY,
        train_sampling_strategy="group_by_length",
        use_cpu=cpu,
        dataloader_pin_memory=not cpu,
        dataloader_num_workers=0,
        remove_unused_columns=False,
        logging_strategy="steps",
        logging_steps=max(1, steps // LOSS_ROWS),
        # It would log the mean of earlier losses for one of NaN; `training_step` looks itself.
        logging_nan_inf_filter=False,
        report_to="none",
        disable_tqdm=True,
        eval_strategy="epoch" if choose else "no",
        save_strategy="best" if choose else "no",
        save_total_limit=1,
        save_only_model=True,
        load_best_model_at_end=choose,
        metric_for_best_model=metric if choose else None,
        greater_is_better=True if choose else None,
    )
    # One GPU: with several, Trainer would multiply the batch, and the results would differ.
    arguments._n_gpu = min(1, arguments.n_gpu)
    return arguments


def _refuse_loss(loss: float, step: int) -> None:
    if step == 1:
        raise FineTuningError(
            f"the loss is {loss} before anything was learned: the model's weights are damaged",
            "load the model again",
        )
    raise FineTuningError(
        f"the loss became {loss} at step {step}", "start again with a lower learning_rate"
    )


def _bar(progress: bool) -> Any:
    """Return a callback that shows a bar where someone can see it: a notebook, a terminal."""
    from tqdm.auto import tqdm
    from transformers import TrainerCallback

    class Bar(TrainerCallback):
        bar: Any = None
        shown: dict[str, str] = {}

        def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            self.shown = {}
            self.bar = tqdm(
                total=state.max_steps,
                desc="training",
                unit="step",
                disable=None if progress and settings.is_first_process() else True,
            )

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            self.bar.update(1)

        def on_log(self, args: Any, state: Any, control: Any, **more: Any) -> None:
            logs = more["logs"]
            dev = {key: value for key, value in logs.items() if key.startswith("eval_")}
            if self.bar is not None and (dev or "loss" in logs):
                row = {key.replace("eval_", "dev "): f"{value:.3f}" for key, value in dev.items()}
                self.shown.update(row or {"loss": f"{logs['loss']:.3f}"})
                self.bar.set_postfix(self.shown)

        def close(self) -> None:
            if self.bar is not None:
                self.bar.close()

    return Bar()


def _history(log: Sequence[Mapping[str, float]]) -> tuple[dict[str, float], ...]:
    """Return the rows of `Trainer`'s log that belong to a learning curve."""
    rows = []
    for entry in log:
        row = {"epoch": float(entry["epoch"]), "step": int(entry["step"])}
        if "loss" in entry:
            row |= {key: float(entry[key]) for key in ("loss", "learning_rate")}
        elif "eval_loss" in entry:
            scores = ((k, v) for k, v in entry.items() if k.startswith("eval_"))
            row |= {key.replace("eval_", "dev_"): float(value) for key, value in scores}
        else:  # the summary of the whole run
            continue
        rows.append(row)
    return tuple(rows)


@contextmanager
def own_randomness() -> Iterator[None]:
    """Let a block seed Python's, numpy's and torch's generators, and put their states back."""
    python, numpy = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)


# ── what both share: running a model ─────────────────────────────────────────────────────


def _limit(model: Any, tokenizer: Any) -> int:
    """Return how many tokens a model reads at once, special ones included."""
    limit = token_limit(model, tokenizer)
    return sys.maxsize if limit is None else limit


def _forward(
    model: Any, tokenizer: Any, features: Features, batch_size: int
) -> Iterator[tuple[list[int], torch.Tensor]]:
    """Yield row numbers and their logits in batches of similar length, longest first."""
    if batch_size < 1:
        raise FineTuningError(f"batch_size is {batch_size!r}", "choose a whole number from 1")
    order = sorted(range(len(features)), key=lambda i: -len(features[i]["input_ids"]))
    batches = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
    return forward(model, tokenizer, features, batches)


def forward(
    model: Any, tokenizer: Any, features: Features, batches: Iterable[Sequence[int]]
) -> Iterator[tuple[list[int], torch.Tensor]]:
    """Yield the row numbers of each batch and their logits, (b, k) or (b, t, k) float32.

    Args:
        features: what the model reads, one dictionary a row, not padded.
        batches: numbers of the rows that are computed together.

    Raises:
        FineTuningError: the logits are not finite.
    """
    from transformers import DataCollatorWithPadding

    collate: Any = DataCollatorWithPadding(tokenizer)
    was_training = model.training
    model.eval()
    try:
        for rows in map(list, batches):
            batch = collate([dict(features[i]) for i in rows]).to(model.device)
            with torch.inference_mode():
                logits = model(**batch).logits.float()
            if not torch.isfinite(logits).all():
                raise FineTuningError(
                    "the model's outputs are not finite: its weights are damaged",
                    "load the model again, or train it with a lower learning_rate",
                )
            yield rows, logits
    finally:
        model.train(was_training)


def _cross_entropy(probability_of_right: Floats) -> float:
    # A probability below what float32 can hold would make the mean infinite.
    tiny = np.finfo(np.float32).tiny
    return float(-np.log(np.maximum(probability_of_right, tiny)).mean())


def _say_long(message: str) -> None:
    warnings.warn(message, TruncationWarning, stacklevel=4)


def never_trained(model: Any) -> bool:
    """Whether a model's head is random, also where `hub.model` did not load it.

    transformers fills in a missing head and prints a line. Its biases are then exactly 0,
    which they are not after the first step of training.
    """
    body = f"{model.base_model_prefix}."
    biases = [
        weight
        for name, weight in model.named_parameters()
        if name.endswith("bias") and not name.startswith(body)
    ]
    return bool(hub.untrained(model) or (biases and not any(bias.any() for bias in biases)))


def _warn_of_random_head(model: Any) -> None:
    if random_parts := hub.untrained(model):
        warnings.warn(
            f"{', '.join(random_parts[:3])} of this model are random: what follows is noise, "
            "not a prediction; train it first",
            UntrainedHeadWarning,
            stacklevel=3,
        )


# ── names and labels ─────────────────────────────────────────────────────────────────────


def _model_names(model: Any) -> tuple[str, ...]:
    return tuple(model.config.id2label[i] for i in range(int(model.config.num_labels)))


def _names(model: Any, given: Sequence[str] | None, labels: Sequence[Label]) -> tuple[str, ...]:
    """Return the classes in the order of the head's outputs.

    Raises:
        FineTuningError: they do not fit the head, or are another order of a trained head's.
    """
    if isinstance(given, str):
        raise FineTuningError(f"names is the text {given!r}", "give a list of class names")
    own = _model_names(model)
    generic = all(name == f"LABEL_{i}" for i, name in enumerate(own))
    if given is None:
        found = tuple(sorted({label for label in labels if isinstance(label, str)}))
        names = found if generic and found else own
    else:
        names = tuple(given)
    if len(set(names)) < len(names) or not all(isinstance(name, str) and name for name in names):
        raise FineTuningError(f"names are {list(names)}", "give each class a name of its own")
    if len(names) == 1:
        raise _one_class(len(labels), names[0])
    if len(names) != len(own):
        every = f"name all {len(own)} in names=[…], or " if len(names) < len(own) else ""
        raise FineTuningError(
            f"there are {len(names)} classes ({_some(names)}), and the model's head has "
            f"{len(own)} outputs",
            f"{every}load it with hub.model(…, new_head=True, num_labels={len(names)})",
        )
    if not generic and not hub.untrained(model) and set(names) == set(own) and names != own:
        raise FineTuningError(
            f"the model was trained with the classes in the order {list(own)}, and names has "
            f"{list(names)}",
            "keep the model's order (leave names out), or its classes are exchanged",
        )
    return names


def _numbers(labels: Sequence[Label], names: Sequence[str], what: str) -> Counts:
    """Return labels as positions in `names`.

    Raises:
        FineTuningError: a label is missing or unknown; says which one.
    """
    _refuse_missing(labels, what)
    index = {name: i for i, name in enumerate(names)}
    return np.array([_number(label, index, f"{what}[{i}]") for i, label in enumerate(labels)], int)


def _refuse_missing(labels: Sequence[object], what: str) -> None:
    for i, label in enumerate(labels):
        if _is_missing(label):
            raise FineTuningError(f"{what}[{i}] is missing ({label!r})", "leave such examples out")


def _number(label: object, index: Mapping[str, int], where: str) -> int:
    if isinstance(label, str):
        if label in index:
            return index[label]
        near = difflib.get_close_matches(label, index, n=1)
        raise FineTuningError(
            f"{where} is {label!r}, which is none of the classes {_some(list(index))}",
            f"did you mean {near[0]!r}?" if near else "correct the label, or add it to names",
        )
    try:
        number = operator.index(label)  # type: ignore[arg-type]
    except TypeError:
        raise FineTuningError(
            f"{where} is {label!r} ({type(label).__name__})",
            "give class names, or whole numbers that count into names",
        ) from None
    if not 0 <= number < len(index):
        raise FineTuningError(
            f"{where} is {number}, and the classes count from 0 to {len(index) - 1}",
            "correct the label, or add its name to names",
        )
    return number


def _require_two_classes(gold: Counts, names: Sequence[str]) -> None:
    counts = np.bincount(gold, minlength=len(names))
    seen = [name for name, count in zip(names, counts, strict=True) if count]
    if len(seen) < 2:
        raise _one_class(len(gold), seen[0])
    if len(seen) < len(names):
        unseen = [name for name in names if name not in seen]
        warnings.warn(
            f"no example of {_some(unseen)}: the model cannot learn it",
            UnseenClassWarning,
            stacklevel=3,
        )


def _one_class(examples: int, name: str) -> FineTuningError:
    return FineTuningError(
        f"all {examples} labels are {name!r}: there is nothing to tell apart",
        "give examples of two classes at least",
    )


def _some(names: Sequence[str], most: int = 8) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


# ── texts and sentences ──────────────────────────────────────────────────────────────────


def _is_missing(value: object) -> bool:
    """Whether a value is what tables put where there is none: None, NaN, pandas' NA."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, float | np.floating) and math.isnan(value)


def _texts(texts: Sequence[Text], what: str) -> list[Text]:
    if isinstance(texts, str):
        raise FineTuningError(f"{what} is one text: {texts[:40]!r}", "give a list of texts")
    found: list[Text] = []
    for i, text in enumerate(texts):
        sides = (text,) if isinstance(text, str) else text
        if _is_missing(text):
            raise FineTuningError(f"{what}[{i}] is missing ({text!r})", "leave it out")
        if not isinstance(sides, tuple | list) or not all(isinstance(s, str) for s in sides):
            raise FineTuningError(
                f"{what}[{i}] is {text!r:.60}, no text", "give texts, or pairs of two texts"
            )
        if not all(side.strip() for side in sides):
            raise FineTuningError(f"{what}[{i}] is empty", "leave it out, with its label")
        found.append(_side(sides, found, i, what))
    return found


def _side(sides: Sequence[str], before: Sequence[Text], i: int, what: str) -> Text:
    """Return a text, or a pair as a tuple, of the same kind as those before."""
    pair = len(sides) == 2
    if len(sides) not in (1, 2):
        raise FineTuningError(f"{what}[{i}] has {len(sides)} parts", "give texts, or pairs of two")
    if before and pair is isinstance(before[0], str):
        raise FineTuningError(
            f"{what}[{i}] is {'a pair' if pair else 'no pair'}, unlike those before it",
            "give texts only, or pairs only",
        )
    return (sides[0], sides[1]) if pair else sides[0]


def _require_examples(texts: Sequence[Any], labels: Sequence[Any], what: str, other: str) -> None:
    if isinstance(labels, str):
        raise FineTuningError(f"{other} is one text: {labels[:40]!r}", "give a list, one a text")
    if len(texts) != len(labels):
        raise FineTuningError(
            f"there are {len(texts)} {what} and {len(labels)} {other}", "give one for each"
        )
    if not texts:
        raise FineTuningError(f"there are no {what}", "give some; a few hundred are useful")


def _sentences(sentences: Sequence[Words], what: str, empty: bool = False) -> list[Words]:
    if isinstance(sentences, str):
        raise FineTuningError(f"{what} is one text: {sentences[:40]!r}", "give lists of words")
    found: list[Words] = []
    for i, words in enumerate(sentences):
        if isinstance(words, str) or not isinstance(words, Sequence | np.ndarray):
            raise FineTuningError(
                f"{what}[{i}] is {words!r:.60}, no list of words", "split it into words first"
            )
        for j, word in enumerate(words):
            if not isinstance(word, str):
                raise FineTuningError(f"{what}[{i}][{j}] is {word!r}, no word", "correct it")
        if not len(words) and not empty:
            raise FineTuningError(f"{what}[{i}] has no words", "leave it out")
        found.append(list(words))
    return found


def _require_tags(sentences: Sequence[Words], tags: Sequence[Any], what: str) -> None:
    _require_examples(sentences, tags, what, "lists of tags")
    for i, (words, row) in enumerate(zip(sentences, tags, strict=True)):
        if isinstance(row, str):
            raise FineTuningError(f"the tags of {what}[{i}] are one text", "give a list of tags")
        if len(words) != len(row):
            raise FineTuningError(
                f"{what}[{i}] has {len(words)} words and {len(row)} tags", "give one tag a word"
            )


# ── scores ───────────────────────────────────────────────────────────────────────────────


def accuracy(
    gold: Sequence[str], predicted: Sequence[str], resamples: int = 1000, seed: int = 0
) -> Score:
    """Return the share of texts whose class is right, with a 95 % bootstrap interval.

    Raises:
        FineTuningError: nothing to score, lengths that differ, or a missing label.
    """
    _require_scorable(gold, predicted)
    right = np.array([a == b for a, b in zip(gold, predicted, strict=True)], dtype=float)
    return bootstrap(right, _resamples(resamples), seed)


def macro_f1(
    gold: Sequence[str], predicted: Sequence[str], resamples: int = 1000, seed: int = 0
) -> Score:
    """Return the mean F1 over classes, rare ones counting as much as frequent ones.

    Over the classes that occur in `gold` or `predicted`, as scikit-learn has it. Interval:
    95 %, percentile bootstrap over texts (Efron, 1979); in a resample where a class does not
    occur at all, the mean is over the others.

    Raises:
        FineTuningError: as `accuracy`.
    """
    table = confusion(gold, predicted).to_numpy()
    value = float(macro_f1_of(table[None])[0])
    # Which text was drawn matters only through its cell: resampling texts is a multinomial.
    drawn = _drawn(table.ravel(), resamples, seed).reshape(-1, *table.shape)
    return _interval(value, macro_f1_of(drawn))


def confusion(
    gold: Sequence[str], predicted: Sequence[str], names: Sequence[str] | None = None
) -> pd.DataFrame:
    """Return how often each class (row) was taken for each class (column).

    Args:
        names: classes in the order wanted; left out, those that occur, in alphabetical order.

    Raises:
        FineTuningError: as `accuracy`, or a label that is not among `names`.
    """
    import pandas as pd

    _require_scorable(gold, predicted)
    order = tuple(names) if names is not None else tuple(sorted({*gold, *predicted}))
    rows, columns = _numbers(gold, order, "gold"), _numbers(predicted, order, "predicted")
    return pd.DataFrame(
        _confusion(rows, columns, len(order)),
        index=pd.Index(order, name="gold"),
        columns=pd.Index(order, name="predicted"),
    )


def entity_f1(
    gold: Sequence[Sequence[str]],
    predicted: Sequence[Sequence[str]],
    resamples: int = 1000,
    seed: int = 0,
) -> Score:
    """Return the F1 of whole entities: right only with the same words and the same type.

    Micro-averaged, strict IOB2 as `seqeval` reads it (Nakayama, 2018): an `I-` that continues
    nothing is no entity. 95 % percentile bootstrap over sentences (Efron, 1979).

    Raises:
        FineTuningError: nothing to score, lengths that differ, a gold tag that is not IOB2, or
            no gold entity.
    """
    counts = entity_counts(gold, predicted)
    if not counts[:, 2].sum():
        raise FineTuningError(
            "there is no entity in the gold tags, so F1 is not defined",
            "score sentences that have entities",
        )
    return _ratio(2 * counts[:, 0], counts[:, 1] + counts[:, 2], resamples, seed)


def tag_accuracy(
    gold: Sequence[Sequence[str]],
    predicted: Sequence[Sequence[str]],
    resamples: int = 1000,
    seed: int = 0,
) -> Score:
    """Return the share of words whose tag is right; 95 % bootstrap over sentences.

    Raises:
        FineTuningError: nothing to score, or lengths that differ.
    """
    right, asked = tag_counts(gold, predicted).T
    return _ratio(right, asked, resamples, seed)


def tag_counts(gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]]) -> Counts:
    """Return (sentences, 2): words whose tag is right, and words.

    Raises:
        FineTuningError: nothing to count, or lengths that differ.
    """
    _require_scorable_tags(gold, predicted)
    rows = [
        (sum(a == b for a, b in zip(*both, strict=True)), len(both[0]))
        for both in zip(gold, predicted, strict=True)
    ]
    return np.array(rows, dtype=np.int64)


def _confusion(gold: Counts, predicted: Counts, k: int) -> Counts:
    return np.bincount(gold * k + predicted, minlength=k * k).reshape(k, k)


def macro_f1_of(tables: Counts) -> NDArray[np.float64]:
    """Return (m,) macro F1 of (m, k, k) tables of counts; absent classes are left out."""
    right = tables.diagonal(axis1=1, axis2=2)
    total = tables.sum(axis=1) + tables.sum(axis=2)
    scores = np.where(total > 0, 2 * right / np.maximum(total, 1), np.nan)
    return np.asarray(np.nanmean(scores, axis=1))


def entity_counts(gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]]) -> Counts:
    """Return (sentences, 3): entities found and right, found, and there to be found.

    As `entity_f1` reads them, for whoever sums or resamples them.

    Raises:
        FineTuningError: nothing to count, lengths that differ, or a gold tag that is not IOB2.
    """
    _require_scorable_tags(gold, predicted)
    _require_iob2(gold, "gold")
    return _entities(gold, predicted)


def _entities(gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]]) -> Counts:
    from seqeval.scheme import IOB2, Entities

    rows = []
    found = Entities([list(row) for row in predicted], IOB2).entities
    there = Entities([list(row) for row in gold], IOB2).entities
    for a, b in zip(found, there, strict=True):
        rows.append((len(set(a) & set(b)), len(a), len(b)))
    return np.array(rows, dtype=np.int64).reshape(-1, 3)


def _ratio(top: Counts, bottom: Counts, resamples: int, seed: int) -> Score:
    """Return sum(top) / sum(bottom), resampling the sentences that they come from."""
    kinds, counts = np.unique(np.stack([top, bottom], axis=1), axis=0, return_counts=True)
    sums = _drawn(counts, resamples, seed) @ kinds
    # A resample in which there is nothing to find says nothing.
    drawn = np.where(sums[:, 1] > 0, sums[:, 0] / np.maximum(sums[:, 1], 1), np.nan)
    return _interval(float(top.sum() / bottom.sum()), drawn)


def _drawn(counts: Counts, resamples: int, seed: int) -> Counts:
    """Return (resamples, kinds): how often each kind is drawn, with replacement."""
    n = int(counts.sum())
    return np.random.default_rng(seed).multinomial(n, counts / n, size=_resamples(resamples))


def _interval(value: float, drawn: NDArray[np.float64]) -> Score:
    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    return Score(value, float(low), float(high))


def _resamples(resamples: int) -> int:
    if resamples < 1:
        raise FineTuningError(f"resamples is {resamples}", "choose 1 or more; 1000 is usual")
    return resamples


def _require_scorable(gold: Sequence[str], predicted: Sequence[str]) -> None:
    _require_examples(gold, predicted, "gold labels", "predictions")
    for what, labels in (("gold", gold), ("predicted", predicted)):
        for i, label in enumerate(labels):
            if not isinstance(label, str):
                raise FineTuningError(f"{what}[{i}] is {label!r}, no class name", "give names")


def _require_scorable_tags(gold: Sequence[Any], predicted: Sequence[Any]) -> None:
    _require_examples(gold, predicted, "gold sentences", "predicted sentences")
    for what, rows in (("gold", gold), ("predicted", predicted)):
        _sentences(rows, what, empty=True)
    for i, (a, b) in enumerate(zip(gold, predicted, strict=True)):
        if len(a) != len(b):
            raise FineTuningError(
                f"sentence {i} has {len(a)} gold tags and {len(b)} predicted ones",
                "give one tag a word on both sides",
            )
    if not any(len(row) for row in gold):
        raise FineTuningError("the sentences have no words", "give some")


def _is_iob(names: Sequence[str]) -> bool:
    """Whether tags are those of spans: O, and B- or I- with a type."""
    spans = [name for name in names if name != "O"]
    return bool(spans) and all(name[:2] in ("B-", "I-") and name[2:] for name in spans)


def _require_iob2(rows: Sequence[Sequence[str]], what: str) -> None:
    """Raise where a tag is not IOB2: strict scoring would drop the entity without a word."""
    for i, row in enumerate(rows):
        before = "O"
        for j, name in enumerate(row):
            if name != "O" and not _is_iob([name]):
                raise FineTuningError(
                    f"{what}[{i}][{j}] is {name!r}, no IOB2 tag", "use O, B-TYPE and I-TYPE"
                )
            if name[:2] == "I-" and before[2:] != name[2:]:
                raise FineTuningError(
                    f"{what}[{i}][{j}] is {name!r} after {before!r}: in IOB2 an entity begins "
                    "with B-",
                    "convert the tags to IOB2",
                )
            before = name
