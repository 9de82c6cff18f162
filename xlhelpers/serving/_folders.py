"""Folders of models: whole or not there, and with what `xlhelpers.hub` checks when it loads."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from xlhelpers import files
from xlhelpers.serving._errors import ServingError


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """Give a temporary folder beside `folder`; move it there when the block succeeds.

    Raises:
        ServingError: there is something at that place already.
    """
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ServingError(f"{folder} is there already", "name a new folder, or remove that one")
    folder.parent.mkdir(parents=True, exist_ok=True)
    files.remove_deserted(folder.parent)
    place = Path(tempfile.mkdtemp(prefix=f".{folder.name}.xl-", suffix=".tmp", dir=folder.parent))
    try:
        yield place
        place.chmod(0o755)
        if folder.exists():
            folder.rmdir()
        os.replace(place, folder)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def write_vocabulary_size(folder: Path, size: int) -> None:
    """Note how many entries a tokenizer has, so that a smaller one is not taken for it."""
    files.write_text(folder / "course.json", json.dumps({"vocabulary": size}) + "\n")
