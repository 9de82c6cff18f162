"""The same model for ONNX Runtime: in fp32, and in 8 bits with its embeddings.

`export` writes a trained classifier or tagger as an ONNX graph with the shapes of batch and text
left open, compares it with the original on texts of several shapes, and refuses to leave a file
that answers otherwise. `quantise` makes an 8-bit copy of such a folder. `OnnxBackend` loads
either, and so does `MultilingualClassifier.load(folder)`, which then classifies like any other.

Dynamic quantisation: weights are stored in 8 bits, activations are brought to 8 bits as they
come, each batch with a scale of its own. So in 8 bits an answer hangs a little on which other
texts are in the batch. What all that costs is measured language by language with
`serving.agreement`; it is not the same in all.
"""

from __future__ import annotations

import copy
import importlib.util
import json
import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from xlhelpers import files, hub, settings
from xlhelpers.errors import CourseError
from xlhelpers.serving._errors import ServingError
from xlhelpers.serving._folders import new_folder, write_vocabulary_size
from xlhelpers.serving.backends import Features, TorchBackend, names_of
from xlhelpers.transfer import store

Floats = NDArray[np.float32]

MODEL, RECORD = "model.onnx", "onnx.json"
# The kinds of a file, and what tables call a backend that has loaded it.
KINDS = {"fp32": "onnx", "int8": "onnx int8", "int8 linear": "onnx int8 linear"}

_PACKAGES = {
    "onnx": '"onnx>=1.17"',
    "onnxscript": '"onnxscript>=0.5"',
    "onnxruntime": '"onnxruntime>=1.20"',
}
# A protobuf holds 2 GiB; above this the weights go into a file beside it.
_LARGEST = 1_900_000_000
# Logits of export and original may differ by so much, relative to the largest.
_PARITY = 1e-3
# (texts, tokens) that are compared; further ones are as long as the model can read.
_SHAPES = ((1, 3), (3, 11), (2, 37))
# What has matrices. ONNX Runtime's quantiser also knows convolutions, which encoders lack.
_LINEAR = ("MatMul", "Gemm", "Attention")
_TABLES = ("Gather", "EmbedLayerNormalization")


class ExportError(CourseError, RuntimeError):
    """A model cannot be written as a graph, or the graph answers otherwise."""


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        folder: with the graph, the configuration and the tokenizer.
        bytes: of the graph with its weights.
        difference: the largest difference of a logit from the original's, on the shapes compared;
            NaN for an 8-bit copy, which is meant to differ.
    """

    folder: Path
    bytes: int
    difference: float


# ── export ───────────────────────────────────────────────────────────────────────────────


def export(
    model: Any,
    tokenizer: Any,
    folder: str | Path,
    task: str = "classification",
    *,
    names: Sequence[str] | None = None,
) -> Exported:
    """Write a trained model as an ONNX graph, with its tokenizer, into a new folder.

    Through `torch.export` (`dynamo=True`), batch and length open. At the size of XLM-R base
    this takes about five gigabytes of memory for a moment.

    Args:
        model: trained for `task`; it is left as it is.
        tokenizer: its own, a fast one.
        folder: is made; must not be there.
        task: `"classification"` or `"tagging"`.
        names: the labels in the order of the outputs, for a checkpoint that calls them
            LABEL_0, LABEL_1 …

    Raises:
        ServingError: an untrained head, labels without names, a model of another kind, or the
            folder is there.
        ExportError: the graph cannot be made, or answers otherwise than the model.
    """
    _require("onnx", "onnxscript", "onnxruntime")
    if model.device.type != "cpu" or str(model.dtype) != "torch.float32":
        model = copy.deepcopy(model).float().cpu()
    with _own_modes(model):
        return _exported(TorchBackend(model, tokenizer, task, names), Path(folder))


def _exported(source: TorchBackend, folder: Path) -> Exported:
    if source.limit is None:
        raise ServingError(
            "neither model nor tokenizer says how many tokens can be read at once",
            "set tokenizer.model_max_length",
        )
    model, tokenizer = source.model, source.tokenizer
    with new_folder(folder) as place:
        inputs = _inputs(tokenizer, model)
        _write_graph(model, inputs, place / MODEL)
        config = copy.deepcopy(model.config)
        config._name_or_path = ""  # a place on this machine, which is nobody's business
        config.to_json_file(place / "config.json", use_diff=False)
        tokenizer.save_pretrained(place)
        write_vocabulary_size(place, len(tokenizer))
        difference = _compare(source, place / MODEL, inputs)
        record = {
            "kind": "fp32",
            "task": source.task,
            "names": list(source.names),
            "inputs": inputs,
            "limit": source.limit,
            "source": source.model_hash,
            "difference": difference,
        }
        _write_record(place, record)
        size = _bytes(place)
    return Exported(folder, size, difference)


@contextmanager
def _own_modes(model: Any) -> Iterator[None]:
    """Put each part of a model back into training or evaluation, as it was."""
    modes = [(part, part.training) for part in model.modules()]
    try:
        yield
    finally:
        for part, training in modes:
            part.training = training


def _require(*packages: str) -> None:
    """Raise unless some packages can be imported."""
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        raise ServingError(
            f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not installed",
            f"python -m pip install {' '.join(_PACKAGES[name] for name in missing)}",
        )


def _inputs(tokenizer: Any, model: Any) -> list[str]:
    """Return what the graph reads: segments too where the model tells them apart."""
    wanted = ["input_ids", "attention_mask"]
    if int(getattr(model.config, "type_vocab_size", 1) or 1) > 1:
        wanted.append("token_type_ids")
    return [name for name in wanted if name in (*tokenizer.model_input_names, "attention_mask")]


def _write_graph(model: Any, inputs: Sequence[str], file: Path) -> None:
    import onnx
    import torch

    graph = _only_logits(model, inputs)
    example = tuple(torch.ones(2, 8, dtype=torch.long, device="cpu") for _ in inputs)
    open_sizes = {0: torch.export.Dim("texts"), 1: torch.export.Dim("tokens", max=_most(model))}
    with _silence(), torch.inference_mode():
        try:
            program = torch.onnx.export(
                graph,
                example,
                dynamo=True,
                input_names=list(inputs),
                output_names=["logits"],
                dynamic_shapes=(tuple(open_sizes for _ in inputs),),
                external_data=False,
                verbose=False,
            )
        except Exception as error:  # the exporter has errors of many kinds
            raise ExportError(
                f"{type(model).__name__} cannot be written as a graph "
                f"({hub.first_line(error.__cause__ or error)})",
                "serve it with torch",
            ) from error
    made = cast(Any, program).model_proto
    # Shapes of what lies between, with which the quantiser cannot go on; and where in torch each
    # node came from, which for a small model is a tenth of the file.
    del made.graph.value_info[:]
    del made.graph.metadata_props[:]
    for node in made.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    outside = made.ByteSize() > _LARGEST
    onnx.save(made, str(file), save_as_external_data=outside, location=f"{MODEL}.data")


def _only_logits(model: Any, inputs: Sequence[str]) -> Any:
    import torch

    class Logits(torch.nn.Module):
        """A model that takes its inputs in order and returns one tensor."""

        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, *given: torch.Tensor) -> torch.Tensor:
            logits: torch.Tensor = self.model(**dict(zip(inputs, given, strict=True))).logits
            return logits

    return Logits().eval()


def _most(model: Any) -> int | None:
    """Return the positions that a model has, for the exporter; None for no limit."""
    found = getattr(model.config, "max_position_embeddings", None)
    if found is None:
        return None
    # RoBERTa counts from the padding id on.
    offset = (model.config.pad_token_id or 0) + 1 if "roberta" in model.config.model_type else 0
    return int(found) - offset


@contextmanager
def _silence() -> Iterator[None]:
    """Keep the exporter's notes to developers off the screen."""
    import logging

    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    loggers.append(logging.getLogger())  # the quantiser's advice
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), hub.quiet():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)


def _compare(source: TorchBackend, file: Path, inputs: Sequence[str]) -> float:
    """Return the largest difference of the graph's logits from the model's.

    Raises:
        ExportError: it is larger than rounding explains, on some shape.
    """
    session = _session(file, 1)
    rng = np.random.default_rng(0)
    low = min(10, len(source.tokenizer) - 1)
    widest = 0.0
    for texts, tokens in (*_SHAPES, (2, int(source.limit or 64))):
        tokens = min(tokens, int(source.limit or tokens))
        lengths = [tokens, *rng.integers(2, tokens + 1, texts - 1).tolist()]
        rows = [
            {"input_ids": rng.integers(low, len(source.tokenizer), n).tolist()} for n in lengths
        ]
        right = source.logits(rows)
        found = _run(session, _padded(rows, source.tokenizer, inputs))
        if found.shape != right.shape:
            raise ExportError(
                f"the graph answers in the shape {found.shape} instead of {right.shape}",
                "serve the model with torch",
            )
        for one, other, length in zip(found, right, lengths, strict=True):
            # What stands on padding is nobody's answer.
            one, other = (side[:length] if side.ndim > 1 else side for side in (one, other))
            apart = float(np.abs(one - other).max())
            widest = max(widest, apart)
            if not apart <= _PARITY * max(1.0, float(np.abs(other).max())):
                raise ExportError(
                    f"on {texts} texts of {tokens} tokens the graph differs by {apart:.2g}",
                    "serve the model with torch",
                )
    return widest


# ── 8 bits ───────────────────────────────────────────────────────────────────────────────


def quantise(
    folder: str | Path,
    target: str | Path,
    *,
    embeddings: bool = True,
    per_channel: bool = False,
    reduce_range: bool = False,
) -> Exported:
    """Write an 8-bit copy of an exported model into a new folder.

    Args:
        folder: as `export` made it.
        target: is made; must not be there.
        embeddings: the tables of embeddings in 8 bits too. They are most of a multilingual model:
            without them XLM-R base becomes 1.3 times smaller, with them four times.
        per_channel: a scale for each column of a matrix instead of one for all.
        reduce_range: 7 bits for weights. Processors without VNNI (before about 2019) add up
            products of 8 bits in 16, which can overflow without a sign.

    Raises:
        ServingError: there is no fp32 export in `folder`, it has been altered, or `target` is
            there.
        ExportError: the quantiser cannot treat this graph.
    """
    _require("onnx", "onnxruntime")
    from onnxruntime.quantization import QuantType, quantize_dynamic

    source = Path(folder)
    record = _read_record(source)
    if record["kind"] != "fp32":
        raise ServingError(f"{source} is in 8 bits already", "name the folder of the export")
    large = (source / f"{MODEL}.data").exists()
    with new_folder(Path(target)) as place:
        with _silence():
            try:
                quantize_dynamic(
                    source / MODEL,
                    place / MODEL,
                    op_types_to_quantize=[*_LINEAR, *(_TABLES if embeddings else ())],
                    weight_type=QuantType.QInt8,
                    per_channel=per_channel,
                    reduce_range=reduce_range,
                    use_external_data_format=large,
                )
            except Exception as error:  # ONNX Runtime raises plain exceptions
                raise ExportError(
                    f"the graph cannot be quantised ({hub.first_line(error)})",
                    "export the model anew",
                ) from error
        for file in source.iterdir():
            if file.suffix == ".json" and file.name != RECORD or file.suffix in (".txt", ".model"):
                files.write_bytes(place / file.name, file.read_bytes())
        kind = "int8" if embeddings else "int8 linear"
        _write_record(place, {**record, "kind": kind, "difference": None})
        size = _bytes(place)
    return Exported(Path(target), size, math.nan)


# ── loading ──────────────────────────────────────────────────────────────────────────────


class OnnxBackend:
    """An exported model, ready to be asked: a `backends.Backend`.

    Attributes:
        name, task, tokenizer, names, limit, model_hash, memory_bytes: as `Backend`.
        kind: a key of `KINDS`.
        folder: where it was loaded from.
    """

    def __init__(self, folder: str | Path, threads: int | None = None) -> None:
        """Load what `export` or `quantise` wrote.

        Args:
            threads: of ONNX Runtime; those of the settings when left out.

        Raises:
            ServingError: the folder is none of these, or a file has been altered.
            HubError: its tokenizer cannot be loaded.
        """
        _require("onnxruntime")
        self.folder = Path(folder)
        record = _read_record(self.folder)
        self.kind: str = record["kind"]
        self.name = KINDS[self.kind]
        self.task: str = record["task"]
        self.limit: int | None = int(record["limit"])
        self.tokenizer: Any = hub.tokenizer(self.folder)
        self.names = names_of(_config(self.folder), record["names"])
        self.model_hash = store.digest(record["files"])
        self.memory_bytes = _bytes(self.folder)
        self._inputs: list[str] = record["inputs"]
        self._session = _session(
            self.folder / MODEL, settings.current().threads if threads is None else threads
        )

    def __repr__(self) -> str:
        return f"OnnxBackend({self.kind}, {self.model_hash[:12]})"

    def logits(self, rows: Features) -> Floats:
        """Return the logits of one batch, as `Backend.logits`.

        Raises:
            ServingError: the logits are not finite, or a row is longer than the model can read.
        """
        longest = max(len(row["input_ids"]) for row in rows)
        if self.limit is not None and longest > self.limit:
            raise ServingError(
                f"a row has {longest} tokens, and the model reads {self.limit}",
                "cut long texts into windows first, as MultilingualClassifier does",
            )
        found = _run(self._session, _padded(rows, self.tokenizer, self._inputs))
        if not np.isfinite(found).all():
            raise ServingError(
                "the model's outputs are not finite: its weights are damaged", "export it anew"
            )
        return found


def _session(file: Path, threads: int) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Waiting threads would otherwise keep their cores busy, which other workers want.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime has a class for every kind of fault
        raise ServingError(
            f"{file.name} cannot be loaded ({hub.first_line(error)})", "export the model anew"
        ) from error


def _run(session: Any, batch: Mapping[str, NDArray[np.int64]]) -> Floats:
    [logits] = session.run(["logits"], dict(batch))
    return np.asarray(logits, dtype=np.float32)


def _padded(rows: Features, tokenizer: Any, inputs: Sequence[str]) -> dict[str, NDArray[np.int64]]:
    """Return (b, t) arrays of token ids and what goes with them, padded on the right."""
    lengths = [len(row["input_ids"]) for row in rows]
    shape = (len(rows), max(lengths))
    batch = {name: np.zeros(shape, dtype=np.int64) for name in inputs}
    batch["input_ids"] += int(tokenizer.pad_token_id)
    for place, (row, length) in enumerate(zip(rows, lengths, strict=True)):
        for name in inputs:
            default = 1 if name == "attention_mask" else 0
            batch[name][place, :length] = row[name] if name in row else default
    return batch


# ── records ──────────────────────────────────────────────────────────────────────────────


def _weights(folder: Path) -> list[Path]:
    return sorted(file for file in folder.glob(f"{MODEL}*") if file.is_file())


def _bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in _weights(folder))


def _write_record(folder: Path, record: Mapping[str, Any]) -> None:
    kept = [*_weights(folder), folder / "config.json", *sorted(folder.glob("tokenizer*.json"))]
    content = {**record, "files": {file.name: files.sha256(file) for file in kept}}
    files.write_text(folder / RECORD, json.dumps(content, indent=1, sort_keys=True) + "\n")


def _read_record(folder: Path) -> dict[str, Any]:
    """Return what a folder says of itself, each file compared with its checksum.

    Raises:
        ServingError: it is no such folder, or a file has been altered.
    """
    try:
        found = json.loads((folder / RECORD).read_text("utf-8"))
        named: dict[str, str] = found["files"]
        if found["kind"] not in KINDS or MODEL not in named or not {*found} >= _FIELDS:
            raise ValueError("not ours")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ServingError(
            f"{folder} holds no exported model", "make one with serving.onnx.export"
        ) from error
    for name, checksum in named.items():
        file = folder / name
        if Path(name).name != name or not file.is_file() or files.sha256(file) != checksum:
            raise ServingError(
                f"{name} is missing or has been altered since the export", "export the model anew"
            )
    return dict(found)


_FIELDS = {"kind", "task", "names", "inputs", "limit", "files"}


def _config(folder: Path) -> Any:
    """Return what names the labels, of a configuration on the disk."""
    content = json.loads((folder / "config.json").read_text("utf-8"))
    labels = {int(number): name for number, name in content["id2label"].items()}
    return SimpleNamespace(
        id2label=labels, num_labels=len(labels), problem_type=content.get("problem_type")
    )


__all__ = ["KINDS", "ExportError", "Exported", "OnnxBackend", "export", "quantise"]
