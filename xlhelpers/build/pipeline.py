"""The steps of the build and the command line that runs them."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence

from xlhelpers import assets, languages, settings
from xlhelpers.build import text, vectors

LICENCE = "public domain"


def vectors_step(language: str) -> str:
    """Make `data/vectors/<language>.npz`; return one line on what was made."""
    from xlhelpers import embeddings

    made = vectors.train(text.verses(language))
    file = settings.current().data / "vectors" / f"{language}.npz"
    embeddings.save_npz(made, file)
    source = text.SOURCES[language]
    assets.register(
        file,
        kind="shipped",
        licence=LICENCE,
        origin=f"python3 course.py build vectors/{language}",
        note=f"{languages.get(language).name}: {source.title} ({source.asset})",
    )
    return f"{len(made):,} words × {made.dim}, {file.stat().st_size / 1e6:.2f} MB"


def steps() -> dict[str, Callable[[], str]]:
    """Return every step by name, in the order in which they run."""
    return {f"vectors/{code}": (lambda code=code: vectors_step(code)) for code in text.SOURCES}


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
