"""A file from which an interrupted pretraining goes on, and which notices when it was damaged."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from xlhelpers import files
from xlhelpers.pretraining.objectives import PretrainingError

NAME = "checkpoint.pt"
# Ours, and not torch's: the digest of what follows stands in front of it.
_MAGIC = b"xlhelpers-checkpoint-1\n"
_DIGEST = 32


def save(folder: Path, content: Mapping[str, Any]) -> None:
    """Write `content` (tensors, numbers, text, lists and dictionaries), whole or not at all."""
    buffer = io.BytesIO()
    torch.save(dict(content), buffer)
    body = buffer.getbuffer()
    with files.replacing(folder / NAME) as temporary, temporary.open("wb") as handle:
        handle.write(_MAGIC + hashlib.sha256(body).digest())
        handle.write(body)


def load(folder: Path, fingerprint: str) -> dict[str, Any] | None:
    """Return what `save` wrote, or None where there is no checkpoint.

    Raises:
        PretrainingError: the file is damaged, or was made with another recipe, text, model or
            tokenizer than `fingerprint` stands for.
    """
    path = folder / NAME
    if not path.exists():
        return None
    content = path.read_bytes()
    start = len(_MAGIC) + _DIGEST
    digest, body = content[len(_MAGIC) : start], content[start:]
    if not content.startswith(_MAGIC) or hashlib.sha256(body).digest() != digest:
        raise PretrainingError(
            f"the checkpoint {path} is damaged", "remove it; pretraining then starts anew"
        )
    loaded: dict[str, Any] = torch.load(io.BytesIO(body), weights_only=True, map_location="cpu")
    if loaded["fingerprint"] != fingerprint:
        raise PretrainingError(
            f"the checkpoint {path} was made with another recipe, text, model or tokenizer",
            "give another folder, or remove it to start anew",
        )
    return loaded
