"""What computes the logits: a trained transformers model, or what was made of it.

A `Backend` is all that a classifier or a recogniser knows of its model. The one here is torch's;
`xlhelpers.serving.onnx` has others. Each refuses a model whose head was never trained.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from xlhelpers import finetuning, hub
from xlhelpers.encoding import token_limit
from xlhelpers.serving._errors import ServingError
from xlhelpers.transfer import store

Floats = NDArray[np.float32]
# Token ids of a text or window, and what goes with them (attention mask, segments).
Features = Sequence[Mapping[str, Any]]

# What is served for a task of `hub.TASKS`.
_KINDS = {
    "classification": "ForSequenceClassification",
    "tagging": "ForTokenClassification",
}


@runtime_checkable
class Backend(Protocol):
    """A trained model that can be asked.

    Attributes:
        name: what tables call it: `"torch"`, `"onnx"`, `"onnx int8"`.
        task: `"classification"` (a label a text) or `"tagging"` (a label a word).
        tokenizer: the model's own, a fast one.
        names: the k labels in the order of the outputs.
        limit: tokens that the model reads at once, special ones included; None for no limit.
        model_hash: 64 hexadecimal digits, of all that decides an answer: weights and vocabulary.
        memory_bytes: of the weights in memory.
    """

    name: str
    task: str
    tokenizer: Any
    names: tuple[str, ...]
    limit: int | None
    model_hash: str
    memory_bytes: int

    def logits(self, rows: Features) -> Floats:
        """Return the logits of one batch: (b, k), or (b, t, k) for tagging.

        Args:
            rows: b dictionaries of lists, not padded; the backend pads them on the right to
                the longest, t.

        Raises:
            CourseError: the logits are not finite.
        """
        ...


class TorchBackend:
    """A transformers model, as trained.

    Attributes:
        model: the model, in evaluation mode; the others as `Backend`.
    """

    name = "torch"

    def __init__(
        self, model: Any, tokenizer: Any, task: str, names: Sequence[str] | None = None
    ) -> None:
        """Take a model that has been trained for a task.

        Args:
            names: the labels in the order of the outputs, where the configuration has none.

        Raises:
            ServingError: as `backend`.
        """
        _require_pair(model, tokenizer, task)
        _require_trained(model)
        self.model = model.eval()
        self.tokenizer = tokenizer
        self.task = task
        self.names = names_of(model.config, names)
        self.limit = token_limit(model, tokenizer)
        self.model_hash = store.digest_of_model(model, tokenizer)
        self.memory_bytes = sum(
            tensor.nbytes for tensor in [*self.model.parameters(), *self.model.buffers()]
        )

    def __repr__(self) -> str:
        return f"TorchBackend({type(self.model).__name__}, {self.model_hash[:12]})"

    def logits(self, rows: Features) -> Floats:
        """Return the logits of one batch, as `Backend.logits`."""
        batch = [range(len(rows))]
        [(_, found)] = finetuning.forward(self.model, self.tokenizer, rows, batch)
        logits: Floats = found.cpu().numpy()
        return logits


def backend(what: Any, task: str, names: Sequence[str] | None = None) -> Backend:
    """Return a backend of a trained model.

    Args:
        what: a role such as `"NLI"`, a hub id, a folder (one of `onnx.export` too), (model,
            tokenizer), what `finetuning.train_classifier` or `train_tagger` return, or a
            `Backend`.
        task: `"classification"` or `"tagging"`.
        names: the labels in the order of the outputs, for a checkpoint that calls them
            LABEL_0, LABEL_1 …

    Raises:
        ServingError: `what` is none of these, its head is of another kind or was never trained,
            or its labels have no names.
        HubError: it cannot be loaded, or lacks a trained head.
    """
    if isinstance(what, Backend):
        if what.task != task:
            raise ServingError(f"{what!r:.80} is a backend for {what.task}", f"give one for {task}")
        if names is not None and tuple(names) != what.names:
            raise ServingError(
                f"the backend's labels are {', '.join(what.names)}", "leave names out"
            )
        return what
    if isinstance(what, str | Path):
        from xlhelpers.serving import onnx

        if what not in hub.ROLES and (Path(what) / onnx.RECORD).is_file():
            return backend(onnx.OnnxBackend(what), task, names)
        return TorchBackend(hub.model(what, task), hub.tokenizer(what), task, names)
    if isinstance(what, finetuning.Fitted):
        return TorchBackend(what.model, what.tokenizer, task, names)
    if isinstance(what, tuple) and len(what) == 2 and hasattr(what[0], "config"):
        return TorchBackend(what[0], what[1], task, names)
    raise ServingError(
        f"{what!r:.60} is no trained model",
        'give a role such as "NLI", a hub id, a folder or (model, tokenizer)',
    )


def names_of(config: Any, names: Sequence[str] | None = None) -> tuple[str, ...]:
    """Return the labels of a model's configuration in the order of the outputs.

    Args:
        names: for a configuration that calls them LABEL_0, LABEL_1 …

    Raises:
        ServingError: they have no names, `names` does not fit, or the outputs are no classes
            that exclude each other.
    """
    own = tuple(str(config.id2label[i]) for i in range(int(config.num_labels)))
    kind = getattr(config, "problem_type", None)
    if len(own) < 2 or kind in ("regression", "multi_label_classification"):
        what = kind or f"{len(own)} output"
        raise ServingError(
            f"this model was trained for {what}: its outputs are no classes of which one holds",
            "use a model that was trained for two classes or more",
        )
    generic = all(name == f"LABEL_{i}" for i, name in enumerate(own))
    if names is None:
        if generic:
            raise ServingError(
                f"the checkpoint calls its labels {', '.join(own[:3])}: their meaning is not known",
                "name them in the order of the outputs: names=[…], as its card has them",
            )
        return own
    given = tuple(names)
    if isinstance(names, str) or len(set(given)) != len(own) or len(given) != len(own):
        raise ServingError(f"names is {names!r:.80}", f"give a list of {len(own)} distinct labels")
    if not generic and given != own:
        raise ServingError(
            f"the checkpoint's labels are {', '.join(own)} in this order",
            "leave names out, or the labels are exchanged",
        )
    return given


def _require_pair(model: Any, tokenizer: Any, task: str) -> None:
    if task not in _KINDS:
        raise ServingError(f"there is no service for {task!r}", f"choose {' or '.join(_KINDS)}")
    if not type(model).__name__.endswith(_KINDS[task]):
        raise ServingError(
            f"{task} needs a model {_KINDS[task]}, and this is a {type(model).__name__}",
            "train one with xlhelpers.finetuning, or load a checkpoint that was fine-tuned for it",
        )
    if not getattr(tokenizer, "is_fast", False):
        raise ServingError(
            f"{type(tokenizer).__name__} cannot say where its tokens are in the text",
            "load it through xl.hub.tokenizer, which gives a fast one",
        )
    if len(tokenizer) > int(model.config.vocab_size):
        raise ServingError(
            f"the tokenizer has {len(tokenizer)} entries and the model {model.config.vocab_size}",
            "load both under the same name",
        )


def _require_trained(model: Any) -> None:
    if finetuning.never_trained(model):
        raise ServingError(
            f"the head of this {type(model).__name__} was never trained: its answers are noise",
            "train it first (finetuning.train_classifier or train_tagger), or load a checkpoint "
            "that was fine-tuned for the task",
        )
