"""Ways to use a handful of labelled rows of the target language.

Each takes a `Lesson` and returns a trained model. What they are compared with, zero-shot, is the
source model of the same seed; so is the start of `continued`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import torch

from xlhelpers import finetuning, settings
from xlhelpers.datasets import Table
from xlhelpers.transfer.learners import Learner, Training, new_head
from xlhelpers.transfer.tasks import Task, TransferError, inputs, labels

# Reptile: rounds, steps of each, and how far a round moves the weights at first (Nichol et al.,
# 2018, anneal it to zero).
META_ROUNDS = 100
META_STEPS = 5
META_RATE = 1.0


@dataclass(frozen=True)
class Lesson:
    """What a strategy may learn from.

    Attributes:
        learner: trains.
        source: rows of the source language.
        shots: rows of the target language.
        others: rows of further languages with labels, for `multi-source` and `Reptile`.
        second: another task and its rows in the target language, for `multi-task`.
        seed: of everything that is drawn.
    """

    learner: Learner
    source: Table
    shots: Table
    others: tuple[Table, ...] = ()
    second: tuple[Task, Table] | None = None
    seed: int = field(default=0)


def target_only(lesson: Lesson) -> Any:
    """Train on the shots alone."""
    learner = lesson.learner
    how = learner.training.few(len(lesson.shots), fresh=True)
    return learner.fit(learner.fresh(), [lesson.shots], how, lesson.seed)


def joint(lesson: Lesson) -> Any:
    """Train on source and shots together; each row counts as much."""
    return lesson.learner.trained([lesson.source, lesson.shots], lesson.seed)


def up_weighted(lesson: Lesson) -> Any:
    """Train on both together, shots repeated until both languages count as much."""
    times = max(1, round(len(lesson.source) / len(lesson.shots)))
    return lesson.learner.trained([lesson.source, *[lesson.shots] * times], lesson.seed)


def continued(lesson: Lesson) -> Any:
    """Train on the source, then go on with the shots (Lauscher et al., 2020, EMNLP)."""
    return _go_on(lesson, lesson.learner.trained([lesson.source], lesson.seed))


def multi_source(lesson: Lesson) -> Any:
    """Train on the source and further languages, then go on with the shots.

    The control of `Reptile`, which has seen the same rows.
    """
    return _go_on(lesson, lesson.learner.trained([lesson.source, *lesson.others], lesson.seed))


def multi_task(lesson: Lesson) -> Any:
    """Learn, in the same layers, a second task that has labels in the target language.

    Every step is of one of the two tasks, drawn as often as it has rows, and each has a head of
    its own (Caruana, 1997; Liu et al., 2019, ACL). Then go on with the shots.
    """
    assert lesson.second is not None
    task, rows = lesson.second
    learner, tokenizer = lesson.learner, lesson.learner.checkpoint.tokenizer

    def make() -> Any:
        main = learner.fresh()
        other = new_head(learner.checkpoint, task, rows.names)
        share_body(main, other)
        jobs = [
            (main, _features(main, tokenizer, [lesson.source])),
            (other, _features(other, tokenizer, [rows])),
        ]
        train_together(jobs, tokenizer, learner.training, lesson.seed)
        return main

    how = {"start": "multi-task", "second": task.name, "seed": lesson.seed}
    return _go_on(lesson, learner.once(how, [lesson.source, rows], make))


def reptile(lesson: Lesson) -> Any:
    """Learn where to start from, with one language a round, then go on with the shots.

    Reptile (Nichol et al., 2018): a few ordinary steps on one language, then a part of the way
    towards where they led. The first-order kin of MAML, which Nooralahzadeh et al. (2020,
    EMNLP) used across languages.
    """
    learner, tokenizer = lesson.learner, lesson.learner.checkpoint.tokenizer
    tables = [lesson.source, *lesson.others]

    def make() -> Any:
        model = learner.fresh()
        sets = [_features(model, tokenizer, [table]) for table in tables]
        meta_train(model, sets, tokenizer, learner.training, lesson.seed)
        return model

    return _go_on(lesson, learner.once({"start": "Reptile", "seed": lesson.seed}, tables, make))


STRATEGIES: Mapping[str, Callable[[Lesson], Any]] = MappingProxyType(
    {
        "target-only": target_only,
        "joint": joint,
        "joint, up-weighted": up_weighted,
        "continued": continued,
        "multi-source": multi_source,
        "multi-task": multi_task,
        "Reptile": reptile,
    }
)
WITH_OTHERS = ("multi-source", "Reptile")
WITH_SECOND = ("multi-task",)


def _go_on(lesson: Lesson, model: Any) -> Any:
    how = lesson.learner.training.few(len(lesson.shots))
    return lesson.learner.fit(model, [lesson.shots], how, lesson.seed)


# ── training loops of our own ────────────────────────────────────────────────────────────


def share_body(one: Any, other: Any) -> None:
    """Let `other` read with the embeddings and layers of `one`: what either learns, both know."""
    for part in ("embeddings", "encoder"):
        setattr(other.base_model, part, getattr(one.base_model, part))


def train_together(
    jobs: Sequence[tuple[Any, list[dict[str, Any]]]], tokenizer: Any, how: Training, seed: int
) -> None:
    """Train models that share their body, in place: every step on a batch of one of them.

    Args:
        jobs: (model, features as `finetuning.features_of` gives them), each drawn as often as
            it has rows.
        how: as many epochs over all rows; rate and batch size.

    Raises:
        FineTuningError: the loss is not finite.
    """
    sizes = torch.tensor([float(len(features)) for _, features in jobs])
    steps = how.epochs * math.ceil(float(sizes.sum()) / how.batch_size)
    with _training([model for model, _ in jobs], how, seed):
        batches = [Batches(features, tokenizer, how.batch_size, seed) for _, features in jobs]
        descend = _Descent([model for model, _ in jobs], how.learning_rate, steps)
        for _ in range(steps):
            drawn = int(torch.multinomial(sizes, 1))
            descend(jobs[drawn][0], next(batches[drawn]))


def meta_train(
    model: Any, sets: Sequence[list[dict[str, Any]]], tokenizer: Any, how: Training, seed: int
) -> None:
    """Train a model by Reptile, in place: `META_ROUNDS` rounds of `META_STEPS` steps on one set.

    Raises:
        FineTuningError: the loss is not finite.
    """
    with _training([model], how, seed):
        batches = [Batches(features, tokenizer, how.batch_size, seed) for features in sets]
        for number in range(META_ROUNDS):
            start = deepcopy(model.state_dict())
            chosen = batches[int(torch.randint(len(batches), (1,)))]
            descend = _Descent([model], how.learning_rate, steps=None)
            for _ in range(META_STEPS):
                descend(model, next(chosen))
            move(model, start, META_RATE * (1 - number / META_ROUNDS))


def move(model: Any, start: Mapping[str, torch.Tensor], part: float) -> None:
    """Set the weights of a model to `start` plus `part` of the way that it has come since."""
    with torch.no_grad():
        for name, weight in model.state_dict().items():
            if weight.is_floating_point():
                weight.copy_(torch.lerp(start[name], weight, part))


class Batches(Iterator[Any]):
    """Padded batches of some features, without end, shuffled anew for each pass."""

    def __init__(
        self, features: list[dict[str, Any]], tokenizer: Any, batch_size: int, seed: int
    ) -> None:
        """Take features as `finetuning.features_of` gives them."""
        self._features = features
        self._collate = finetuning.collator(tokenizer, features)
        self._size = batch_size
        self._generator = torch.Generator().manual_seed(seed)
        self._order: list[int] = []

    def __next__(self) -> Any:
        if not self._order:
            count = len(self._features)
            self._order = torch.randperm(count, generator=self._generator).tolist()
        rows, self._order = self._order[: self._size], self._order[self._size :]
        return self._collate([dict(self._features[row]) for row in rows])


class _Descent:
    """AdamW on the weights of some models, each once; with a schedule where steps are known."""

    def __init__(self, models: Sequence[Any], rate: float, steps: int | None) -> None:
        weights = {id(w): w for m in models for w in m.parameters() if w.requires_grad}
        self._weights = list(weights.values())
        self._optimiser = torch.optim.AdamW(
            self._weights, lr=rate, weight_decay=finetuning.WEIGHT_DECAY
        )
        self._schedule = None if steps is None else _schedule(self._optimiser, steps)

    def __call__(self, model: Any, batch: Any) -> None:
        loss = model(**batch.to(model.device)).loss
        if not torch.isfinite(loss):
            raise finetuning.FineTuningError(
                f"the loss became {float(loss)}", "start again with a lower learning_rate"
            )
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self._weights, 1.0)
        self._optimiser.step()
        self._optimiser.zero_grad()
        if self._schedule is not None:
            self._schedule.step()


def _schedule(optimiser: Any, steps: int) -> Any:
    from transformers import get_linear_schedule_with_warmup

    return get_linear_schedule_with_warmup(optimiser, round(finetuning.WARM_UP * steps), steps)


@contextmanager
def _training(models: Sequence[Any], how: Training, seed: int) -> Iterator[None]:
    """Let a block train models from a seed; afterwards they are ready to be asked."""
    settings.apply_threads()
    with finetuning.own_randomness(), finetuning.freezing(models[0], how.frozen):
        torch.manual_seed(seed)
        for model in models:
            finetuning.draw_head(model, seed)
            model.train()
        yield
    for model in models:
        model.eval()
        model.zero_grad(set_to_none=True)
        model.xl_untrained = ()


def _features(model: Any, tokenizer: Any, tables: Sequence[Table]) -> list[dict[str, Any]]:
    rows = [row for table in tables for row in inputs(table)]
    return finetuning.features_of(model, tokenizer, rows, [n for t in tables for n in labels(t)])


def chosen(names: Sequence[str], others: Sequence[str], second: Any) -> list[str]:
    """Return the strategies asked for, each once.

    Raises:
        TransferError: one is unknown, or lacks what it learns from.
    """
    if isinstance(names, str):
        raise TransferError(f"strategies is the text {names!r}", f'give a list: ["{names}"]')
    for name in names:
        if name not in STRATEGIES:
            raise TransferError(
                f"there is no strategy {name!r}",
                f"choose among {', '.join(STRATEGIES)}; zero-shot is always there",
            )
        if name in WITH_OTHERS and not others:
            raise TransferError(
                f"{name} learns from several languages", 'name some: others=["es", "fr"]'
            )
        if name in WITH_SECOND and second is None:
            raise TransferError(
                f"{name} needs a second task with labels in the target language",
                'name one: second_task="ner"',
            )
    return list(dict.fromkeys(names))
