"""The steps of the build and the command line that runs them."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from functools import partial

from xlhelpers import assets, datasets, languages, settings
from xlhelpers.build import datasheet, text, vectors


def vectors_step(language: str) -> str:
    """Make `data/vectors/<language>.npz`; return one line on what was made."""
    from xlhelpers import embeddings

    verses = text.verses(language)
    made = vectors.train(verses)
    file = settings.current().data / "vectors" / f"{language}.npz"
    embeddings.save_npz(made, file)
    source = text.SOURCES[language]
    assets.register(
        file,
        kind="shipped",
        licence="public domain",
        origin=f"python3 course.py build vectors/{language}",
        note=f"{languages.get(language).name}; {source.title} ({source.asset}); {_size(verses)}",
    )
    return f"{len(made):,} words × {made.dim}, {file.stat().st_size / 1e6:.2f} MB"


def _size(verses: text.Verses) -> str:
    words = [word for verse in verses for word in verse]
    return f"{len(words):,} words of text, {len(set(words)):,} different"


def dictionaries_step() -> str:
    """Check and register the dictionaries, which are written by hand, not derived."""
    entries = 0
    folder = settings.current().data / "dictionaries"
    for file in sorted(folder.glob("en-*.tsv")):
        code = file.stem.removeprefix("en-")
        entries += len(datasets.parse_lexicon(file.read_text("utf-8"), code, file.name))
        assets.register(
            file,
            kind="shipped",
            licence="CC BY 4.0",
            origin="written for this course",
            note=f"English to {languages.get(code).name}",
        )
    return f"{entries:,} entries"


def steps() -> dict[str, Callable[[], str]]:
    """Return every step by name, in the order in which they run."""
    vector_steps = {f"vectors/{code}": partial(vectors_step, code) for code in text.SOURCES}
    return {
        **vector_steps,
        "dictionaries": dictionaries_step,
        "datasheet": datasheet.datasheet_step,
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Run all steps, or those named; return an exit status."""
    known = steps()
    parser = argparse.ArgumentParser(
        prog="course.py build", description="Remake what data/ derives from public text."
    )
    parser.add_argument(
        "steps", nargs="*", metavar="STEP", help=f"any of: {' '.join(known)} (default: all)"
    )
    names = parser.parse_args(argv).steps or list(known)
    if unknown := [name for name in names if name not in known]:
        parser.error(f"no step {', '.join(unknown)}; there are: {' '.join(known)}")
    for number, name in enumerate(names, start=1):
        start = time.perf_counter()
        print(f"[{number}/{len(names)}] {name} …", flush=True)
        print(f"      {known[name]()}, {time.perf_counter() - start:.0f} s", flush=True)
    return 0
