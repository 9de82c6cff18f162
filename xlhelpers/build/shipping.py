"""From a model in memory to `data/models/`: half precision, its facts, a row a file."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xlhelpers import assets, files, hub, settings

_WEIGHTS = "model.safetensors"


def work_folder() -> Path:
    """Return where text and unfinished models are kept between runs of the build."""
    return settings.current().data.parent / "build" / "models"


def folder_of(name: str) -> Path:
    """Return the folder that a model is shipped in, whether it is there or not."""
    return settings.current().data / "models" / name


def ship(
    model: Any, tokenizer: Any, name: str, facts: Mapping[str, Any], *, origin: str, note: str
) -> int:
    """Put a model into `data/models/<name>/` and the manifest; return the bytes of the folder.

    What was there before stays until all of its successor has been written. A card and its
    scores stay only if the weights are the same.

    Args:
        model: is brought to half precision, which halves what is shipped.
        tokenizer: the model's own.
        name: of the folder.
        facts: go to `course.json`: what the card says and `hub` checks.
        origin: the command that makes it.
        note: what it is, for the manifest.
    """
    import torch

    made = work_folder() / "made" / name
    shutil.rmtree(made, ignore_errors=True)
    with hub.quiet():
        model.to(torch.float16).save_pretrained(made)
        tokenizer.save_pretrained(made)
    write_json(made / "course.json", facts)
    _install(made, folder_of(name))
    return register(name, origin=origin, note=note)


def register(name: str, *, origin: str, note: str) -> int:
    """Put the files of a shipped model into the manifest; return their bytes."""
    size = 0
    for file in sorted(folder_of(name).iterdir()):
        size += file.stat().st_size
        assets.register(file, kind="shipped", licence="Apache-2.0", origin=origin, note=note)
    return size


def write_json(file: Path, content: Any) -> None:
    """Write what is read by people too: a value a line."""
    files.write_text(file, json.dumps(content, indent=1) + "\n")


def read_json(file: Path) -> Any:
    """Return what `write_json` wrote."""
    return json.loads(file.read_text(encoding="utf-8"))


def _install(made: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    old = folder / _WEIGHTS
    if not (old.is_file() and files.sha256(old) == files.sha256(made / _WEIGHTS)):
        for file in sorted(folder.iterdir()):
            assets.forget(f"models/{folder.name}/{file.name}")
            file.unlink()
    for file in sorted(made.iterdir()):
        files.write_bytes(folder / file.name, file.read_bytes())
    shutil.rmtree(made)
