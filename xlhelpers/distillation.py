"""Distillation: a small model that learns what a large one answers.

A student is trained on the probabilities that a trained teacher gives to every class, softened
by a temperature, besides the labels where there are some (Hinton, Vinyals & Dean, 2015,
arXiv:1503.02531). It begins as every other layer of its teacher, as DistilBERT does (Sanh et
al., 2019, arXiv:1910.01108). Since the teacher answers for any text, text of other languages
without a label is text to learn from too.

What a student keeps is no single figure: `retention` has it by language, with intervals, and
above what a constant answer would score.
"""

from __future__ import annotations

import copy
import math
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from xlhelpers import finetuning, settings
from xlhelpers.datasets import Labelled, Pairs
from xlhelpers.encoding import TruncationWarning
from xlhelpers.errors import CourseError
from xlhelpers.transfer.outcomes import interval, outcomes
from xlhelpers.transfer.tasks import inputs

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

# Where architectures keep their layers, below the base model.
_STACKS = ("encoder", "transformer")
# Batches of one pass that are sorted by length together, so that little is padded.
_POOL = 16


class DistillationError(CourseError, ValueError):
    """A student cannot be made or taught as asked; the message says why."""


# XNLI accuracy in per cent, fine-tuned on English and asked in six of its languages: the card of
# distilbert/distilbert-base-multilingual-cased, rows "mBERT base cased (computed)" and
# "DistilmBERT".
PUBLISHED: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        "en": (82.1, 78.2),
        "es": (74.6, 69.1),
        "zh": (69.1, 64.0),
        "de": (72.3, 66.3),
        "ar": (66.4, 59.1),
        "ur": (58.5, 54.7),
    }
)


# ── the student ──────────────────────────────────────────────────────────────────────────


def student_of(teacher: Any, layers: Sequence[int] | None = None) -> Any:
    """Return a copy of a model with some of its layers: every other one when left out.

    Embeddings and head are the teacher's own, as in DistilBERT (Sanh et al., 2019). So a model
    whose parameters are mostly embeddings shrinks little: of mBERT's 177.9 million parameters
    92 million are embeddings, and half the layers are gone with a quarter of the whole.

    Args:
        teacher: built like BERT, XLM-R or DistilBERT, with any head; it is left as it is.
        layers: numbers of the layers to keep, ascending, the lowest being 0.

    Raises:
        DistillationError: no such layers, or a model that is built another way.
    """
    count = len(layers_of(teacher))
    kept = list(range(0, count, 2)) if layers is None else list(layers)
    if not kept or kept != sorted(set(kept)) or not 0 <= kept[0] <= kept[-1] < count:
        raise DistillationError(
            f"layers is {kept!r}, and the teacher has the layers 0 … {count - 1}",
            "name some of them, ascending, each once",
        )
    student = copy.deepcopy(teacher)
    stack = layers_of(student)
    for number in reversed(range(count)):
        if number not in kept:
            del stack[number]
    for name in ("num_hidden_layers", "n_layers"):
        if name in vars(student.config):
            setattr(student.config, name, len(kept))
    return student


def layers_of(model: Any) -> torch.nn.ModuleList:
    """Return the stack of layers of an encoder, the lowest first.

    Raises:
        DistillationError: the model is built another way than BERT, XLM-R and DistilBERT.
    """
    for name in _STACKS:
        stack = getattr(getattr(model.base_model, name, None), "layer", None)
        if isinstance(stack, torch.nn.ModuleList):
            return stack
    raise DistillationError(
        f"{type(model).__name__} is not built like BERT: its layers are not where we look",
        "use an encoder such as BERT, XLM-R or DistilBERT",
    )


# ── the loss ─────────────────────────────────────────────────────────────────────────────


def soft_loss(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Return how far the student's softened answers are from the teacher's: one number.

    T² · KL(softmax(teacher / T) ‖ softmax(student / T)), mean over rows. At T = 1 the teacher's
    own probabilities are matched; higher ones bring out which wrong classes it finds less wrong.
    The factor T² keeps the size of the gradient when T is changed (Hinton et al., 2015, sec. 2).

    Args:
        student: (n, k) logits.
        teacher: (n, k) logits, or logarithms of probabilities, which do as well.
        temperature: T, above 0.

    Raises:
        DistillationError: shapes that differ, or no such temperature.
    """
    _check_temperature(temperature)
    if student.shape != teacher.shape or student.ndim != 2:
        raise DistillationError(
            f"student and teacher have the shapes {tuple(student.shape)} and "
            f"{tuple(teacher.shape)}",
            "give (n, k) logits for the same rows and classes",
        )
    target = (teacher / temperature).log_softmax(dim=-1)
    said = (student / temperature).log_softmax(dim=-1)
    found = torch.nn.functional.kl_div(said, target, reduction="batchmean", log_target=True)
    return found * temperature**2


# ── teaching ─────────────────────────────────────────────────────────────────────────────


def distill(
    teacher: Any,
    student: Any,
    tokenizer: Any,
    texts: Sequence[finetuning.Text],
    labels: Sequence[str | None] | None = None,
    *,
    temperature: float = 2.0,
    hard: float = 0.5,
    epochs: int = 3,
    learning_rate: float | None = None,
    batch_size: int = 32,
    seed: int | None = None,
    frozen: int | None = 0,
    progress: bool = True,
) -> finetuning.Fitted:
    """Teach a copy of a student what a teacher answers, and return it.

    AdamW, linear warm-up over a tenth of the steps and linear decay to zero, batches of similar
    length. The teacher answers once for every text, before the training starts.

    Args:
        teacher: a trained classifier of texts or pairs.
        student: a classifier of the same classes in the same order, which reads the same tokens
            (`student_of(teacher)`).
        tokenizer: that of both.
        texts: n texts or pairs, of any languages.
        labels: n class names, None where a text has no label; left out, no text has one.
        temperature: T of `soft_loss`.
        hard: share of the labels' cross-entropy in the loss of a labelled text, 0 to 1; a text
            without a label counts with the teacher's answer alone.
        epochs, learning_rate, batch_size, seed: as `finetuning.train_classifier`.
        frozen: how many of the student's lowest layers stay as they are, and the embeddings with
            them; 0 is the embeddings alone, None trains all. Languages that are not among the
            texts would lose their place beside those that are.
        progress: show a bar, in a notebook or a terminal.

    Returns:
        the trained student; its history has a row a pass: `epoch`, `step`, `loss`, `soft` and,
        where there are labels, `hard`.

    Raises:
        DistillationError: an untrained teacher, classes or vocabularies that differ, or an
            argument out of range.
        FineTuningError: texts that cannot be learned from, or a loss that is not finite.
    """
    lesson = _lesson(texts, labels, temperature, hard, epochs, batch_size)
    _check_pair(teacher, student, tokenizer)
    started = time.perf_counter()
    target = _answers(teacher, tokenizer, texts)
    learner = copy.deepcopy(student)
    width = int(getattr(learner.config, "hidden_size", finetuning.WIDE))
    usual = finetuning.RATE_WIDE if width >= finetuning.WIDE else finetuning.RATE_SMALL
    rate = usual if learning_rate is None else learning_rate
    if not (math.isfinite(rate) and rate > 0):
        raise DistillationError(f"learning_rate is {rate!r}", "choose a number above 0: 5e-4")
    number = settings.current().seed if seed is None else seed
    features = _features(learner, tokenizer, texts, lesson.labels, target)
    settings.apply_threads()
    with finetuning.own_randomness(), finetuning.freezing(learner, frozen):
        torch.manual_seed(number)
        finetuning.draw_head(learner, number)
        batches = _Batches(features, tokenizer, batch_size, number)
        history = _teach(learner, batches, target, lesson, rate, progress)
    learner.eval()
    learner.zero_grad(set_to_none=True)
    learner.xl_untrained = ()
    return finetuning.Fitted(learner, tokenizer, history, seconds=time.perf_counter() - started)


@dataclass(frozen=True)
class _Lesson:
    labels: tuple[str | None, ...]
    temperature: float
    hard: float
    epochs: int


def _lesson(
    texts: Sequence[Any],
    labels: Sequence[str | None] | None,
    temperature: float,
    hard: float,
    epochs: int,
    batch_size: int,
) -> _Lesson:
    _check_temperature(temperature)
    if not 0 <= hard <= 1:
        raise DistillationError(f"hard is {hard!r}", "choose a share from 0 to 1")
    for name, value in (("epochs", epochs), ("batch_size", batch_size)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise DistillationError(f"{name} is {value!r}", "choose a whole number from 1")
    if isinstance(texts, str) or not len(texts):
        raise DistillationError("there are no texts to learn from", "give a list of texts")
    found = (None,) * len(texts) if labels is None else tuple(labels)
    if isinstance(labels, str) or len(found) != len(texts):
        raise DistillationError(
            f"there are {len(texts)} texts and {len(found)} labels",
            "give one for each, None where there is none",
        )
    if hard == 1 and None in found:
        raise DistillationError(
            "hard=1 leaves nothing to learn from a text without a label",
            "choose a smaller share, or leave such texts out",
        )
    return _Lesson(found, float(temperature), float(hard), epochs)


def _check_temperature(temperature: float) -> None:
    if not (math.isfinite(temperature) and temperature > 0):
        raise DistillationError(
            f"the temperature is {temperature!r}", "choose a number above 0; 1 to 5 are usual"
        )


def _check_pair(teacher: Any, student: Any, tokenizer: Any) -> None:
    """Raise unless a teacher is trained and a student can learn what it says."""
    for name, model in (("teacher", teacher), ("student", student)):
        if not type(model).__name__.endswith("ForSequenceClassification"):
            raise DistillationError(
                f"the {name} is a {type(model).__name__}, and classes of texts are what is taught",
                "give a model with a classification head",
            )
        size = int(model.get_input_embeddings().weight.shape[0])
        if size < len(tokenizer):
            raise DistillationError(
                f"the {name} knows {size} entries and the tokenizer has {len(tokenizer)}",
                "give the tokenizer that both were trained with",
            )
    if finetuning.never_trained(teacher):
        raise DistillationError(
            "the teacher's head is random: it has nothing to teach",
            "train it first: finetuning.train_classifier",
        )
    if _names(teacher) != _names(student):
        raise DistillationError(
            f"the teacher answers {', '.join(_names(teacher))} and the student "
            f"{', '.join(_names(student))}",
            "make the student with student_of(teacher), or give it the same classes in order",
        )


def _names(model: Any) -> list[str]:
    return [model.config.id2label[i] for i in range(int(model.config.num_labels))]


def _answers(teacher: Any, tokenizer: Any, texts: Sequence[Any]) -> Tensor:
    """Return (n, k) logarithms of the teacher's probabilities."""
    said = finetuning.classify(teacher, tokenizer, texts).probabilities
    # A logarithm of zero would say "never" with infinite weight.
    return torch.from_numpy(np.log(np.maximum(said, np.finfo(np.float32).tiny)))


def _features(
    student: Any,
    tokenizer: Any,
    texts: Sequence[Any],
    labels: Sequence[str | None],
    target: Tensor,
) -> list[dict[str, Any]]:
    """Return what the student reads; `labels` is -100 where there is none, `row` the number."""
    names = _names(student)
    likeliest = target.argmax(dim=-1).tolist()
    stand_in = [n if n is not None else names[i] for n, i in zip(labels, likeliest, strict=True)]
    with warnings.catch_warnings():
        # The teacher has said which texts are cut.
        warnings.simplefilter("ignore", TruncationWarning)
        rows = finetuning.features_of(student, tokenizer, texts, stand_in)
    for number, (row, label) in enumerate(zip(rows, labels, strict=True)):
        row["row"] = number
        if label is None:
            row["labels"] = finetuning.IGNORED
    return rows


class _Batches:
    """Padded batches of similar length, in another order for each pass."""

    def __init__(
        self, features: list[dict[str, Any]], tokenizer: Any, batch_size: int, seed: int
    ) -> None:
        self._features = features
        self._collate = finetuning.collator(tokenizer, features)
        self._size = batch_size
        self._seed = seed

    def __len__(self) -> int:
        return -(-len(self._features) // self._size)

    def of_pass(self, number: int) -> Iterator[Any]:
        """Yield every row once."""
        rng = np.random.default_rng([self._seed, number])
        order = rng.permutation(len(self._features)).tolist()
        batches = []
        for start in range(0, len(order), self._size * _POOL):
            pool = order[start : start + self._size * _POOL]
            pool.sort(key=lambda i: len(self._features[i]["input_ids"]))
            batches += [pool[i : i + self._size] for i in range(0, len(pool), self._size)]
        for place in rng.permutation(len(batches)):
            yield self._collate([dict(self._features[i]) for i in batches[place]])


def _teach(
    model: Any,
    batches: _Batches,
    target: Tensor,
    lesson: _Lesson,
    rate: float,
    progress: bool,
) -> tuple[dict[str, float], ...]:
    from tqdm.auto import tqdm
    from transformers import get_linear_schedule_with_warmup

    weights = [weight for weight in model.parameters() if weight.requires_grad]
    optimiser = torch.optim.AdamW(weights, lr=rate, weight_decay=finetuning.WEIGHT_DECAY)
    steps = len(batches) * lesson.epochs
    warm = round(finetuning.WARM_UP * steps)
    schedule = get_linear_schedule_with_warmup(optimiser, warm, steps)
    target, history, step = target.to(model.device), [], 0
    model.train()
    with tqdm(total=steps, desc="distilling", disable=None if progress else True) as bar:
        for epoch in range(1, lesson.epochs + 1):
            sums: dict[str, float] = {}
            for batch in batches.of_pass(epoch):
                parts = _losses(model, batch.to(model.device), target, lesson)
                step += 1
                _refuse_loss(parts["loss"], step)
                parts["loss"].backward()
                torch.nn.utils.clip_grad_norm_(weights, 1.0)
                optimiser.step()
                schedule.step()
                optimiser.zero_grad()
                for name, value in parts.items():
                    sums[name] = sums.get(name, 0.0) + float(value.detach())
                bar.update(1)
            made = step / epoch
            history.append({"epoch": float(epoch), "step": step})
            history[-1] |= {name: value / made for name, value in sums.items()}
    return tuple(history)


def _losses(model: Any, batch: Any, target: Tensor, lesson: _Lesson) -> dict[str, Tensor]:
    rows, labels = batch.pop("row"), batch.pop("labels")
    logits = model(**batch).logits
    labelled = labels != finetuning.IGNORED
    apart = [
        soft_loss(logits[part], target[rows[part]], lesson.temperature) * part.sum() / len(labels)
        if part.any()
        else logits.new_zeros(())
        for part in (labelled, ~labelled)
    ]
    found = {"soft": apart[0] + apart[1]}
    if lesson.hard and labelled.any():
        entropy = torch.nn.functional.cross_entropy(logits[labelled], labels[labelled])
        found["hard"] = entropy * labelled.sum() / len(labels)
        found["loss"] = (1 - lesson.hard) * apart[0] + apart[1] + lesson.hard * found["hard"]
    else:
        found["loss"] = found["soft"]
    return found


def _refuse_loss(loss: Tensor, step: int) -> None:
    if not torch.isfinite(loss):
        raise finetuning.FineTuningError(
            f"the loss became {float(loss)} at step {step}",
            "start again with a lower learning_rate",
        )


# ── what is kept ─────────────────────────────────────────────────────────────────────────


def retention(
    teacher: Any, student: Any, tokenizer: Any, tables: Mapping[str, Labelled | Pairs]
) -> pd.DataFrame:
    """Return what share of a teacher's accuracy a student keeps in each language.

    Of an accuracy much may be had for nothing: the share above chance asks how much of what the
    teacher has *learned* is kept, chance being the accuracy of the most frequent class. The 95 %
    intervals are percentiles of a bootstrap over rows (Efron, 1979), paired: both models are
    asked the same rows, and languages of equally many rows, which are translations in our data,
    are drawn alike. They leave out that another seed makes another student.

    Args:
        teacher, student: trained classifiers of the same classes.
        tokenizer: that of both.
        tables: language to test rows.

    Returns:
        Indexed by `language`, the mean over languages last where there are several: `rows`;
        accuracies `teacher` and `student`; `kept`, student over teacher, with `kept_low` and
        `kept_high`; `chance`; `above_chance`, (student - chance) / (teacher - chance), with
        `above_chance_low` and `above_chance_high`, NaN where the teacher's own interval reaches
        down to chance, and out of the mean there; `agreement`, the share of rows with the same
        answer.

    Raises:
        DistillationError: no table, one without rows, or one that has a label for every word.
        FineTuningError: as `finetuning.classify`.
    """
    import pandas as pd

    if not tables:
        raise DistillationError("there is nothing to test on", "give test rows by language")
    found = {code: _Retained.of(teacher, student, tokenizer, t) for code, t in tables.items()}
    rows = {code: one.row() for code, one in found.items()}
    if len(found) > 1:
        rows["mean"] = _Retained.mean(list(found.values())).row()
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("language")


@dataclass(frozen=True)
class _Retained:
    """Scores of two models on the same rows; shares are (1 + resamples,), the first of all rows."""

    rows: int
    teacher: float
    student: float
    chance: float
    agreement: float
    kept: Floats
    above: Floats

    @classmethod
    def of(cls, teacher: Any, student: Any, tokenizer: Any, table: Any) -> _Retained:
        if not isinstance(table, Labelled | Pairs) or not len(table):
            raise DistillationError(
                f"a {type(table).__name__} of {len(table)} rows cannot be tested on",
                "give texts or pairs with one label each, such as datasets.nli(…, 'test')",
            )
        said = [
            finetuning.classify(model, tokenizer, inputs(table)).labels
            for model in (teacher, student)
        ]
        both = [outcomes("accuracy", table.labels, one, table.names) for one in said]
        scores = [np.concatenate([[one.score], one.resampled()]) for one in both]
        counts = np.unique(np.array(table.labels), return_counts=True)[1]
        chance = float(counts.max() / len(table))
        with np.errstate(divide="ignore", invalid="ignore"):
            kept = scores[1] / scores[0]
            above = (scores[1] - chance) / (scores[0] - chance)
        # Of a teacher that may be at chance nobody can say what part of its learning is kept.
        above[scores[0] <= chance] = np.nan
        if interval(scores[0][1:])[0] <= chance:
            above[:] = np.nan
        same = np.mean([a == b for a, b in zip(*said, strict=True)])
        return cls(len(table), both[0].score, both[1].score, chance, float(same), kept, above)

    @classmethod
    def mean(cls, many: Sequence[_Retained]) -> _Retained:
        shares = [one.above for one in many if math.isfinite(one.above[0])]
        return cls(
            rows=sum(one.rows for one in many),
            teacher=float(np.mean([one.teacher for one in many])),
            student=float(np.mean([one.student for one in many])),
            chance=float(np.mean([one.chance for one in many])),
            agreement=float(np.mean([one.agreement for one in many])),
            kept=np.mean([one.kept for one in many], axis=0),
            above=_mean_of_known(np.array(shares)) if shares else many[0].above,
        )

    def row(self) -> dict[str, float]:
        found: dict[str, float] = {
            "rows": self.rows,
            "teacher": self.teacher,
            "student": self.student,
        }
        found |= _with_bounds("kept", self.kept) | {"chance": self.chance}
        found |= _with_bounds("above_chance", self.above)
        return found | {"agreement": self.agreement}


def _mean_of_known(values: Floats) -> Floats:
    """Return the mean of each column without its NaN; NaN where there is nothing else."""
    known = np.isfinite(values)
    sums, counts = np.where(known, values, 0).sum(axis=0), known.sum(axis=0)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def _with_bounds(name: str, drawn: Floats) -> dict[str, float]:
    value = float(drawn[0])
    bounds = interval(drawn[1:]) if math.isfinite(value) else (math.nan, math.nan)
    return {name: value, f"{name}_low": bounds[0], f"{name}_high": bounds[1]}


def published_retention(chance: float = 100 / 3) -> pd.DataFrame:
    """Return what DistilmBERT keeps of mBERT on XNLI, from the figures of its card.

    Returns:
        Indexed by `language`, the mean last: `teacher` and `student` (accuracy in per cent),
        `kept` and `above_chance` (shares of 1, as in `retention`, here without intervals).
    """
    import pandas as pd

    scores = pd.DataFrame.from_dict(dict(PUBLISHED), orient="index", columns=["teacher", "student"])
    scores["kept"] = scores["student"] / scores["teacher"]
    scores["above_chance"] = (scores["student"] - chance) / (scores["teacher"] - chance)
    scores.loc["mean"] = scores.mean()
    return scores.rename_axis("language")


__all__ = [
    "PUBLISHED",
    "DistillationError",
    "distill",
    "layers_of",
    "published_retention",
    "retention",
    "soft_loss",
    "student_of",
]
