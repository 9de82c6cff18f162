"""Notebooks with `XL_MODELS=hub` against a loopback server: the real code path, stand-in data.

The server answers under the real paths of fastText's vectors and MUSE's dictionaries with files
in the real formats; their content is the course's own, since the real ones cannot be shipped.
"""

from __future__ import annotations

import io
import os
from pathlib import Path

from loopback_server import Resource, Server

from xlhelpers import datasets, embeddings
from xlhelpers.commands import kernel_environment, quiet_environment
from xlhelpers.commands._execute import execute

ROOT = Path(__file__).resolve().parents[2]
LANGUAGES = ("en", "de", "es", "fr", "ru", "fi", "zh", "sw")
WORDS = 3000


def vec(language: str) -> bytes:
    """Vectors as fastText writes them; the header promises more words than the file needs."""
    vectors = embeddings.load(language, WORDS)
    text = io.StringIO()
    text.write(f"{WORDS} {vectors.dim}\n")
    for word, row in zip(vectors.words, vectors.matrix.tolist(), strict=True):
        text.write(f"{word} {' '.join(f'{value:.5g}' for value in row)} \n")
    return text.getvalue().encode()


def dictionary(language: str, split: str) -> bytes:
    """Pairs as MUSE writes them: one a line, a word with two translations twice."""
    pairs = datasets.lexicon("en", language, split).pairs()  # type: ignore[arg-type]
    return "".join(f"{english}\t{other}\n" for english, other in pairs).encode()


def stand_ins() -> dict[str, Resource]:
    served = {f"/fasttext/vectors-wiki/wiki.{code}.vec": Resource(vec(code)) for code in LANGUAGES}
    for code in LANGUAGES[1:-1]:  # MUSE has no Swahili
        for split, name in {"train": "0-5000", "test": "5000-6500"}.items():
            path = f"/arrival/dictionaries/en-{code}.{name}.txt"
            served[path] = Resource(dictionary(code, split))
    return served


def test_notebook_01_runs_on_the_real_data_sets_path(tmp_path: Path) -> None:
    with Server(stand_ins()) as server:
        environment = {
            **quiet_environment(os.environ, 2),
            "PYTHONPATH": str(ROOT),
            "XL_MODELS": "hub",
            "XL_CACHE": str(tmp_path / "cache"),
            "XL_FASTTEXT_ENDPOINT": server.url,
            "XL_RECORDS": str(tmp_path / "records"),
            "XL_PROGRESS": "0",
        }
        notebook = ROOT / "notebooks" / "01_alignment.ipynb"
        done = execute(notebook, kernel_environment(environment), 300)
        asked = {path for _, path, _ in server.requests}
    assert done.failures == []
    assert {f"/fasttext/vectors-wiki/wiki.{code}.vec" for code in LANGUAGES} <= asked
    assert "/arrival/dictionaries/en-fi.5000-6500.txt" in asked
    assert not any("en-sw" in path for path in asked)
    shown = str(done.node.cells[2].outputs)
    assert "models: hub" in shown
