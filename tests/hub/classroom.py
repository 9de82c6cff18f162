"""A small hub and computers with caches of their own, for `fetch --hub` and the mirror.

The files could not be loaded by any library: only names, sizes and checksums matter here. The list
of needs is a made-up one.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from loopback_server import Hub, PullRequest, Resource

from xlhelpers import hub, settings
from xlhelpers.commands import fetch as command
from xlhelpers.datasets import PUBLIC

BODY, CONVERTED = "owner/body", "owner/converted"
XNLI = PUBLIC["nli"]
WEIGHTS = random.Random(0).randbytes(300_000)
NEEDS = {
    "02": [f"tokenizer {BODY}", f"weights {BODY}", f"rows {XNLI.id} de test"],
    "04": [f"weights {BODY}", f"weights {CONVERTED}", f"tokenizer {CONVERTED}"],
    "01": ["vectors de 40", "dictionary en de test", "dictionary en de train"],
}
VECTORS = "100 3\n" + "".join(f"wort{n} 0.1 0.2 0.3\n" for n in range(100))


def model(folder: Path, **files: bytes) -> Path:
    """A repository that no library could load: only names, sizes and checksums matter here."""
    folder.mkdir(parents=True)
    common = {
        "config.json": b"{}\n",
        "tokenizer.json": b'{"words": 3}\n',
        "README.md": b"a model\n",
    }
    for name, content in {**common, **files}.items():
        (folder / name).write_bytes(content)
    return folder


def small_hub(repos: Path) -> Hub:
    """Two models, one of them converted in a pull request, XNLI, vectors and dictionaries."""
    body = model(repos / "body", **{"model.safetensors": WEIGHTS, "rust_model.ot": b"not wanted"})
    pickled = model(repos / "converted", **{"pytorch_model.bin": b"pickled"})
    proposed = shutil.copytree(pickled, repos / "proposed")
    (proposed / "model.safetensors").write_bytes(WEIGHTS[::-1])
    pulls = {CONVERTED: [PullRequest(7, hub.CONVERSION_BOT, proposed)]}
    rows = {
        f"de/{split}-00000-of-00001.parquet": split.encode() * 99 for split in ("test", "train")
    }
    made = Hub({BODY: body, CONVERTED: pickled}, pulls, {XNLI.id: (XNLI.revision, rows)})
    plain = {
        "/fasttext/vectors-wiki/wiki.de.vec": VECTORS,
        "/arrival/dictionaries/en-de.5000-6500.txt": "dog hund\n",
        "/arrival/dictionaries/en-de.0-5000.txt": "cat katze\n",
    }
    made.resources |= {
        path: Resource(text.encode(), etag=f'"{len(text)}"') for path, text in plain.items()
    }
    return made


class Machine:
    """A computer with caches of its own."""

    def __init__(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.home, self.patch = home, monkeypatch

    def enter(self, url: str, **environ: str) -> None:
        """From now on this process is on that computer, and `url` is its hub."""
        self.patch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(self.home / "hf" / "hub"))
        for name, value in {
            "XL_MODELS": "hub",
            "XL_CACHE": str(self.home / "xl"),
            "XL_MIRROR": url,
            "XL_PROGRESS": "0",
            "XL_HUB_FILES": "none",
            **environ,
        }.items():
            self.patch.setenv(name, value)
        settings.reset()

    def files(self) -> list[str]:
        """What lies in the caches beside locks and our records, as names of finished files."""
        found = [path for path in self.home.rglob("*") if path.is_file() and not path.is_symlink()]
        return sorted(path.name for path in found if path.suffix != ".lock")


Computer = Callable[[str], Machine]


def run(*arguments: str) -> int:
    """`course.py fetch --hub` with these arguments."""
    return command.main(["--hub", *arguments])
