"""What a model weighs, part by part and number by number: where "four times smaller" is true.

Quantising to 8 bits divides what it touches by four. What the usual recipes touch are the
matrices of linear layers; the embeddings of a multilingual model, which are most of it, they
leave as they were. So the same recipe gives one figure for an English model and another for a
multilingual one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from xlhelpers.serving._errors import ServingError
from xlhelpers.tokenization import PARTS, parameters_by_part, part_of_parameters

if TYPE_CHECKING:
    import pandas as pd

# Bytes of a number in (matrices of linear layers, embedding tables, all else).
VARIANTS: Mapping[str, tuple[int, int, int]] = MappingProxyType(
    {
        "fp32": (4, 4, 4),
        "fp16": (2, 2, 2),
        "int8 linear": (1, 4, 4),
        "int8": (1, 1, 4),
    }
)

# Published configurations; what is not named is the default of the architecture.
_BERT = {"type_vocab_size": 2, "max_position_embeddings": 512}
_XLMR = {"vocab_size": 250_002, "max_position_embeddings": 514, "type_vocab_size": 1}
_LARGE = {
    "hidden_size": 1024,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "intermediate_size": 4096,
}
PUBLISHED: Mapping[str, tuple[str, Mapping[str, int]]] = MappingProxyType(
    {
        "XLM-R base": ("XLMRoberta", _XLMR),
        "XLM-R large": ("XLMRoberta", {**_XLMR, **_LARGE}),
        "mBERT": ("Bert", {**_BERT, "vocab_size": 119_547}),
        "DistilmBERT": ("DistilBert", {"vocab_size": 119_547}),
        "BERT base, English": ("Bert", {**_BERT, "vocab_size": 30_522}),
        "DistilBERT, English": ("DistilBert", {"vocab_size": 30_522}),
    }
)


def shape_of(name: str) -> Any:
    """Return an encoder of a published configuration, on the "meta" device: no weights, no memory.

    Args:
        name: a key of `PUBLISHED`.

    Raises:
        ServingError: there is no such name.
    """
    if name not in PUBLISHED:
        raise ServingError(
            f"there is no published configuration {name!r}",
            f"choose among {', '.join(PUBLISHED)}, or build one of your own on torch's meta device",
        )
    import torch
    import transformers

    family, sizes = PUBLISHED[name]
    with torch.device("meta"):
        config = getattr(transformers, f"{family}Config")(**sizes)
        return getattr(transformers, f"{family}Model")(config)


def bytes_by_part(model: Any, variant: str = "fp32") -> dict[str, int]:
    """Return how many bytes each part of a model takes as numbers of some kinds.

    Parts as `tokenization.parameters_by_part`. The scale and the zero point that a quantised
    matrix brings along, five bytes each, and what a file adds around the numbers are left out.

    Args:
        model: any transformers encoder, with a head or without; the "meta" device will do.
        variant: `"fp32"`, `"fp16"`, `"int8 linear"` (matrices of linear layers only, as
            `quantize_dynamic` in torch has it), `"int8"` (embedding tables too). Biases and
            norms stay in fp32 in both of the latter.

    Raises:
        ServingError: there is no such variant.
    """
    if variant not in VARIANTS:
        raise ServingError(f"there is no variant {variant!r}", f"choose {', '.join(VARIANTS)}")
    parts, found = part_of_parameters(model), dict.fromkeys(PARTS, 0)
    sizes = dict(zip(("linear", "table", "rest"), VARIANTS[variant], strict=True))
    kinds = _kinds(model)
    for name, parameter in model.named_parameters():
        found[parts[name]] += parameter.numel() * sizes[kinds.get(id(parameter), "rest")]
    return {part: number for part, number in found.items() if number}


def _kinds(model: Any) -> dict[int, str]:
    """Return by identity which parameters are matrices of linear layers, which are tables."""
    import torch

    found = {}
    for module in model.modules():
        if isinstance(module, torch.nn.Linear):
            found[id(module.weight)] = "linear"
    for module in model.modules():
        # Last: a table that is the matrix of the output too stays what it is as a table.
        if isinstance(module, torch.nn.Embedding):
            found[id(module.weight)] = "table"
    return found


def sizes(models: Iterable[str] | Mapping[str, Any] = tuple(PUBLISHED)) -> pd.DataFrame:
    """Return one row a model: its parameters, and what each variant takes in millions of bytes.

    Args:
        models: names of `PUBLISHED`, or name to model.

    Returns:
        Indexed by `model`: `parameters`, `embeddings` (their share of the parameters), a column
        a variant in MB (10⁶ bytes), then `int8 linear, times` and `int8, times`: how many times
        smaller than fp32.

    Raises:
        ServingError: there is no model of that name.
    """
    import pandas as pd

    if isinstance(models, Mapping):
        rows = {name: _sizes(model) for name, model in models.items()}
    else:
        rows = {name: _sizes(shape_of(name)) for name in models}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("model")


def _sizes(model: Any) -> dict[str, float]:
    counts = parameters_by_part(model)
    total = sum(counts.values())
    tables = counts.get("word embeddings", 0) + counts.get("other embeddings", 0)
    row: dict[str, float] = {"parameters": total, "embeddings": tables / total}
    row |= {v: sum(bytes_by_part(model, v).values()) / 1e6 for v in VARIANTS}
    return row | {f"{v}, times": row["fp32"] / row[v] for v in ("int8 linear", "int8")}


def smaller(model: Any, than: Any) -> float:
    """Return by what share of its parameters one model is smaller than another.

    `smaller(shape_of("DistilmBERT"), shape_of("mBERT"))` is 0.242; of the English pair it is
    0.394, which is the 40 % of Sanh et al. (2019, arXiv:1910.01108).
    """
    own, other = (sum(parameters_by_part(one).values()) for one in (model, than))
    return 1 - own / other if other else math.nan


__all__ = ["PUBLISHED", "VARIANTS", "bytes_by_part", "shape_of", "sizes", "smaller"]
