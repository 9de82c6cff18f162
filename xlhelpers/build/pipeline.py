"""The steps of the build and the command line that runs them."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from xlhelpers import assets, datasets, languages, settings
from xlhelpers.build import (
    adaptation,
    contributed,
    corpus,
    datasheet,
    heads,
    models,
    text,
    translated,
    translators,
    vectors,
)
from xlhelpers.build.cards import card_step
from xlhelpers.build.grammar import check
from xlhelpers.build.heads import HEADS
from xlhelpers.build.plans import PLANS, UNSEEN
from xlhelpers.build.transfer import EXPERIMENTS, transfer_step
from xlhelpers.errors import CourseError


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


def grammar_step() -> str:
    """Check the grammar files; return one line on how many there are.

    Raises:
        CourseError: a file has a fault.
    """
    codes = (*models.corpus_languages(), *models.contributed_languages())
    _, grammars = models.world_and_grammars(codes)
    for code, grammar in grammars.items():
        if faults := [fault for fault in check(grammar) if not fault.note]:
            raise CourseError(
                f"{code}.toml has {len(faults)} faults; the first: {faults[0]}",
                f"python3 -m xlhelpers.build.grammar check {code} lists them all",
            )
    return f"{len(grammars)} languages, no faults"


def corpus_step() -> str:
    """Write the data sets of the little world and register them with the hand-written ones."""
    data = settings.current().data
    world, grammars = models.world_and_grammars(models.corpus_languages())
    size = 0
    for task, make in corpus.TASKS.items():
        size += corpus.write(task, make(world, grammars, 0), data / "corpus")
    for file in sorted((data / "corpus").rglob("*.jsonl")):
        split, code, _ = file.name.split(".")
        if code not in grammars:  # contributed: `language/<code>` makes and registers it
            continue
        note = f"{file.parent.name}, {split}, {languages.get(code).name}"
        _register_text(file, "python3 course.py build corpus", note)
    for file in sorted((data / "handwritten").glob("*.toml")):
        if file.stem not in grammars:
            continue
        note = f"hand-written test set, {languages.get(file.stem).name}"
        _register_text(file, "written for this course", note)
    return f"{len(grammars)} languages, {size / 1e6:.1f} MB"


def everyday_step() -> str:
    """Check and register the everyday sentences, which are written by hand, not derived."""
    file = settings.current().data / "everyday.toml"
    rows = datasets.parse_everyday(file.read_text("utf-8"), file.name)
    count = len(next(iter(rows.values())))
    note = f"{count} everyday sentences, the same in {len(rows)} languages"
    _register_text(file, "written for this course", note)
    return f"{len(rows)} languages, {count} sentences each"


def _register_text(file: Path, origin: str, note: str) -> None:
    assets.register(file, kind="shipped", licence="CC BY 4.0", origin=origin, note=note)


def steps() -> dict[str, Callable[[], str]]:
    """Return every step by name, in the order in which they run."""
    vector_steps = {f"vectors/{code}": partial(vectors_step, code) for code in text.SOURCES}
    return {
        **vector_steps,
        "dictionaries": dictionaries_step,
        "grammar": grammar_step,
        "corpus": corpus_step,
        "everyday": everyday_step,
        f"text/{UNSEEN}": adaptation.text_step,
        "lexicon": adaptation.lexicon_step,
        **{
            f"language/{code}": partial(contributed.language_step, code)
            for code in languages.CONTRIBUTED
        },
        "text": models.text_step,
        "pretraining": partial(models.pretraining_step, PLANS),
        **{f"models/{plan.name}": partial(models.model_step, plan) for plan in PLANS},
        **{f"cards/{plan.name}": partial(card_step, plan) for plan in PLANS},
        **{f"models/{head.name}": partial(heads.head_step, head) for head in HEADS.values()},
        **{f"cards/{head.name}": partial(heads.card_step, head) for head in HEADS.values()},
        "translators": translators.translators_step,
        "cards/translators": translators.card_step,
        **{f"transfer/{name}": partial(transfer_step, name) for name in EXPERIMENTS},
        f"transfer/{translated.NAME}": translated.translated_step,
        "adaptation": adaptation.adaptation_step,
        **{
            f"scores/{code}": partial(contributed.scores_step, code)
            for code in languages.CONTRIBUTED
        },
        "datasheet": datasheet.datasheet_step,
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Run all steps, or those named; return an exit status."""
    known = steps()
    parser = argparse.ArgumentParser(
        prog="course.py build",
        description="Remake what data/ derives from public text and from the grammar.",
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
