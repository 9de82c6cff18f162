"""A checkpoint that is trained for a task and asked: what all protocols have in common."""

from __future__ import annotations

import time
import warnings
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from xlhelpers import finetuning, hub, settings
from xlhelpers.datasets import Table
from xlhelpers.transfer import store
from xlhelpers.transfer.outcomes import Outcomes, outcomes
from xlhelpers.transfer.tasks import (
    TASKS,
    Task,
    TransferError,
    inputs,
    labels,
    task,
    training_rows,
)

# Trained models of one process are kept while they are small together.
_KEPT_BYTES = 200_000_000
_kept: OrderedDict[str, Any] = OrderedDict()
# Roles of the models that are shipped fine-tuned, by task.
_SHIPPED = {"nli": "NLI", "sentiment": "sentiment"}


@dataclass(frozen=True)
class Checkpoint:
    """A pretrained encoder and its tokenizer.

    Attributes:
        name: what tables and figures call it.
        model: a transformers model; what it has for a head is not used.
        tokenizer: the model's own.
    """

    name: str
    model: Any = field(repr=False)
    tokenizer: Any = field(repr=False)


def checkpoint(what: str | Path | tuple[Any, Any] | Checkpoint) -> Checkpoint:
    """Return a role (`"XLM-R"`), a hub id, a folder, or (model, tokenizer) as a `Checkpoint`.

    Raises:
        TransferError: it is none of these, or has been fine-tuned for classes of its own.
        HubError: it cannot be loaded.
    """
    if isinstance(what, str | Path):
        return Checkpoint(str(what), hub.model(what, "encoder"), hub.tokenizer(what))
    if isinstance(what, tuple) and len(what) == 2 and hasattr(what[0], "config"):
        name = str(getattr(what[0].config, "_name_or_path", "")).rstrip("/").rpartition("/")[2]
        what = Checkpoint(name or type(what[0]).__name__, *what)
    if not isinstance(what, Checkpoint):
        raise TransferError(
            f"{what!r:.60} is no model",
            'give a role such as "XLM-R", a hub id, a folder, or (model, tokenizer)',
        )
    if _has_trained_head(what.model):
        raise TransferError(
            f"{what.name} is fine-tuned for {_classes(what.model)}: a new head would take the "
            "place of that one",
            "measure it as it is with evaluate(), or train its body anew: give "
            "(model.base_model, tokenizer)",
        )
    return what


@dataclass(frozen=True)
class Training:
    """How a model is fine-tuned.

    Attributes:
        epochs, batch_size, learning_rate, frozen: as `finetuning.train_classifier`, on whole
            training sets.
        few_rate: the highest learning rate when a model that knows the task goes on with a
            handful of rows.
        few_batch: rows a step then.
        few_steps: updates at least, where `epochs` passes over so few rows would make fewer.
    """

    epochs: int = 3
    batch_size: int = 32
    learning_rate: float = finetuning.RATE_WIDE
    frozen: int | None = None
    few_rate: float = finetuning.RATE_WIDE
    few_batch: int = 8
    few_steps: int = 60

    @classmethod
    def of(cls, model: Any) -> Self:
        """Return what suits a model's width.

        For small ones `few_rate` suits entities; a fifth of it suits opinions, which the rate
        that suits entities makes forget (`transfer.committed("rates")`).
        """
        if int(getattr(model.config, "hidden_size", finetuning.WIDE)) >= finetuning.WIDE:
            return cls()
        return cls(
            epochs=8,
            learning_rate=finetuning.RATE_SMALL,
            frozen=0,
            few_rate=finetuning.RATE_SMALL,
        )

    def few(self, rows: int, fresh: bool = False) -> Self:
        """Return the settings for a handful of rows, of a new head where `fresh`."""
        steps = -(-rows // self.few_batch)
        return replace(
            self,
            epochs=max(self.epochs, -(-self.few_steps // steps)),
            batch_size=self.few_batch,
            learning_rate=self.learning_rate if fresh else self.few_rate,
        )


@dataclass(frozen=True)
class Answers:
    """What one trained model said of one test set.

    Attributes:
        outcomes: row by row.
        seconds: of training, wall clock.
    """

    outcomes: Outcomes
    seconds: float


class Learner:
    """A checkpoint with a task: it is trained, asked, and what it answered is kept.

    Attributes:
        checkpoint, task, training: what it was made with.
        names: the classes, in the order of the head's outputs.
    """

    def __init__(
        self,
        model: str | Path | tuple[Any, Any] | Checkpoint,
        of: str | Task,
        names: Sequence[str],
        training: Training | None = None,
    ) -> None:
        self.checkpoint = checkpoint(model)
        self.task = task(of)
        self.names = tuple(names)
        self.training = training or Training.of(self.checkpoint.model)
        self._identity = {
            "model": store.digest_of_model(self.checkpoint.model, self.checkpoint.tokenizer),
            "metric": self.task.metric,
            "names": self.names,
            "device": settings.device().partition(":")[0],
        }

    def fresh(self) -> Any:
        """Return a copy of the checkpoint with a new head for the task."""
        return new_head(self.checkpoint, self.task, self.names)

    def fit(self, model: Any, tables: Sequence[Table], how: Training, seed: int) -> Any:
        """Return `model` trained on all rows of some tables together; `model` itself stays."""
        train = finetuning.train_tagger if self.task.of_words else finetuning.train_classifier
        with warnings.catch_warnings():
            # A handful of rows rarely has every class; that is what is measured.
            warnings.simplefilter("ignore", finetuning.UnseenClassWarning)
            fitted = train(
                model,
                self.checkpoint.tokenizer,
                [row for table in tables for row in inputs(table)],
                [label for table in tables for label in labels(table)],
                names=self.names,
                epochs=how.epochs,
                learning_rate=how.learning_rate,
                batch_size=how.batch_size,
                frozen=how.frozen,
                seed=seed,
                progress=False,
            )
        return fitted.model

    def trained(self, tables: Sequence[Table], seed: int) -> Any:
        """Return the checkpoint trained on some tables; from memory where it has just been."""

        def make() -> Any:
            return self.fit(self.fresh(), tables, self.training, seed)

        return self.once({"seed": seed}, tables, make)

    def once(self, how: Mapping[str, Any], tables: Sequence[Table], make: Callable[[], Any]) -> Any:
        """Return what `make` returns; from memory where it has just been made.

        Args:
            how: all that decides the model but for the checkpoint, the settings and the rows.
        """
        # Whatever is done with a handful of rows comes later.
        whole = {k: v for k, v in asdict(self.training).items() if not k.startswith("few_")}
        what = {**self._identity, **whole, **how}
        key = store.digest([what, [store.digest_of_rows(table) for table in tables]])
        if key not in _kept:
            _keep(key, make())
        _kept.move_to_end(key)
        return _kept[key]

    def answers(
        self,
        how: Mapping[str, Any],
        tables: Sequence[Table],
        make: Callable[[], Any],
        tests: Mapping[str, Table],
        asked: Callable[[Any, Table], Outcomes] | None = None,
    ) -> dict[str, Answers]:
        """Return what a model answers on each test set; it is made only if not all are known.

        Args:
            how: all that decides the answers but for the checkpoint, the settings and the rows.
            tables: the rows that it is trained on.
            make: returns the trained model, or what else `asked` takes for one.
            tests: test set by language.
            asked: (model, test set) → outcomes, where a model is not asked as it is: through a
                translator, or together with another.
        """
        what = {**self._identity, **asdict(self.training), **how}
        what["rows"] = [store.digest_of_rows(table) for table in tables]
        keys = {
            code: store.key_of(what, [store.digest_of_rows(table)]) for code, table in tests.items()
        }
        found = {code: kept for code, key in keys.items() if (kept := self._known(key))}
        missing = [code for code in tests if code not in found]
        if missing:
            started = time.perf_counter()
            model = make()
            seconds = time.perf_counter() - started
            for code in missing:
                if asked is None:
                    said = ask(model, self.checkpoint.tokenizer, self.task, tests[code])
                else:
                    said = asked(model, tests[code])
                found[code] = Answers(said, seconds)
                store.write(keys[code], {"outcomes": said.text(), "seconds": seconds})
        return {code: found[code] for code in tests}

    def _known(self, key: str) -> Answers | None:
        kept = store.read(key)
        if kept is None:
            return None
        try:
            said = Outcomes.from_text(kept["outcomes"], self.task.metric, len(self.names))
            return Answers(said, float(kept["seconds"]))
        except (KeyError, TypeError, ValueError):  # not ours, or damaged: computed again
            return None


def fine_tuned(on: str | Task, source: str = "en", model: str = "InfoXLM") -> tuple[Any, Any]:
    """Return (model, tokenizer) fine-tuned for a task on one language.

    The course's own where it has one (inference and sentiment on English, in the mini set); else
    one that is trained now, with the seed of the settings, on as many rows as they say.

    Raises:
        TransferError: as `zero_shot`.
    """
    of, now = task(on), settings.current()
    # A task of one's own may have the name, and other rows.
    role = _SHIPPED.get(of.name) if TASKS.get(of.name) is of else None
    if role is not None and (now.models, source, model) == ("mini", "en", "InfoXLM"):
        return hub.model(role), hub.tokenizer(role)
    rows = training_rows(of, source)
    learner = Learner(model, of, rows.names)
    return learner.trained([rows], now.seed), learner.checkpoint.tokenizer


def new_head(of: Checkpoint, for_task: Task, names: Sequence[str]) -> Any:
    """Return a copy of a checkpoint with a new head."""
    return hub.with_head(of.model, "tagging" if for_task.of_words else "classification", names)


def ask(model: Any, tokenizer: Any, of: Task, table: Table) -> Outcomes:
    """Return the outcomes of a trained model on a table; labels are compared by name."""
    if of.of_words:
        said: Sequence[Any] = finetuning.tag(model, tokenizer, inputs(table))
    else:
        said = finetuning.classify(model, tokenizer, inputs(table)).labels
    return outcomes(of.metric, labels(table), said, table.names)


def with_its_head(what: Any, of: Task) -> tuple[str, Any, Any]:
    """Return (name, model, tokenizer) of a fine-tuned model as it is.

    Raises:
        TransferError: it is neither (model, tokenizer) nor the name of a model.
        HubError: it cannot be loaded, or has no trained head.
    """
    if isinstance(what, str | Path):
        kind = "tagging" if of.of_words else "classification"
        return str(what), hub.model(what, kind), hub.tokenizer(what)
    if isinstance(what, tuple) and len(what) == 2 and hasattr(what[0], "config"):
        return type(what[0]).__name__, what[0], what[1]
    raise TransferError(
        f"{what!r:.60} is no fine-tuned model",
        'give (model, tokenizer), a role such as "NLI", a hub id or a folder',
    )


def require_head(model: Any, of: Task, names: Sequence[str]) -> None:
    """Raise unless a model has a trained head with the classes of a task.

    Raises:
        TransferError: it has none, a random one, or one for other classes.
    """
    kind = "ForTokenClassification" if of.of_words else "ForSequenceClassification"
    if not type(model).__name__.endswith(kind):
        raise TransferError(
            f"{of.name} needs a model {kind}, and this is a {type(model).__name__}",
            "train one with zero_shot(), or load a checkpoint that was fine-tuned for it",
        )
    if hub.untrained(model):
        raise TransferError(
            f"the head of this {type(model).__name__} is random: it has learned nothing",
            "train it first: finetuning.train_classifier or train_tagger, or zero_shot()",
        )
    if set(model.config.id2label.values()) != set(names):
        raise TransferError(
            f"the model answers {_classes(model)}, and {of.name} asks for {', '.join(names)}",
            "rename what means the same in model.config.id2label; do not go by the order",
        )


def _has_trained_head(model: Any) -> bool:
    name = type(model).__name__
    return name.endswith(("ForSequenceClassification", "ForTokenClassification")) and not (
        hub.untrained(model)
    )


def _classes(model: Any) -> str:
    return ", ".join(str(name) for name in model.config.id2label.values())


def _keep(key: str, model: Any) -> None:
    _kept[key] = model
    while len(_kept) > 1 and sum(map(_bytes, _kept.values())) > _KEPT_BYTES:
        _kept.popitem(last=False)


def _bytes(model: Any) -> int:
    return sum(weight.nbytes for weight in model.parameters())
