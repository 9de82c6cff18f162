"""What has been measured is kept by content: the same question is answered from the disk.

A key is a hash of all that decides an answer (weights, rows, settings, seed), so nothing has to
be thrown away when something changes, and an interrupted protocol goes on where it stopped.
`XL_REUSE=0` has everything computed again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from xlhelpers import files, settings
from xlhelpers.datasets import Table
from xlhelpers.transfer.tasks import inputs, labels

# Raise it when what a protocol does with the same arguments changes.
_VERSION = 1


def digest(content: Any) -> str:
    """Return the hash of anything that JSON can write."""
    text = json.dumps(content, ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def digest_of_rows(table: Table) -> str:
    """Return the hash of what a model reads and should answer."""
    return digest([list(map(_plain, inputs(table))), list(map(_plain, labels(table)))])


def digest_of_model(model: Any, tokenizer: Any) -> str:
    """Return the hash of weights, shape and vocabulary."""
    found = hashlib.sha256(type(model).__name__.encode())
    for name, tensor in sorted(model.state_dict().items()):
        found.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        found.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    config = {
        key: value
        for key, value in model.config.to_dict().items()
        if key not in ("_name_or_path", "transformers_version")
    }
    found.update(json.dumps(config, sort_keys=True, default=str).encode())
    found.update(_pieces_of(tokenizer).encode())
    return found.hexdigest()


def _pieces_of(tokenizer: Any) -> str:
    """Return all that decides how a tokenizer cuts, as text."""
    core = getattr(tokenizer, "backend_tokenizer", None)
    if core is not None:
        return str(core.to_str())
    # Marian's is written in Python around two SentencePiece models.
    cutters = [getattr(tokenizer, name, None) for name in ("spm_source", "spm_target")]
    models = [c.serialized_model_proto().hex() for c in cutters if c is not None]
    return json.dumps([tokenizer.get_vocab(), models], sort_keys=True)


def read(key: str) -> Mapping[str, Any] | None:
    """Return what is kept under a key; None where there is nothing, or not to be looked at."""
    if not _in_use():
        return None
    try:
        found = json.loads(_file(key).read_text("utf-8"))
    except (OSError, ValueError):  # not there, or cut off by a full disk: computed again
        return None
    return found if isinstance(found, dict) else None


def write(key: str, content: Mapping[str, Any]) -> None:
    """Keep something under a key."""
    if _in_use():
        files.write_text(_file(key), json.dumps(content, sort_keys=True))


def _in_use() -> bool:
    # Where processes train together none may find what another still has to train for.
    return settings.current().reuse and settings.processes() == 1


def key_of(what: Mapping[str, Any], test: Sequence[str]) -> str:
    """Return the key of one training on one test set."""
    return digest([_VERSION, what, list(test)])


def _file(key: str) -> Path:
    return settings.current().cache / "transfer" / key[:2] / f"{key}.json"


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
