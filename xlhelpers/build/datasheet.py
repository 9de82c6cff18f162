"""The tables of `data/README.md`, filled from the files themselves."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator

from xlhelpers import assets, datasets, embeddings, files, languages, settings
from xlhelpers.build import cards, corpus, models, scores, shipping
from xlhelpers.build.corpus import sets
from xlhelpers.build.heads import HEADS, SOURCE
from xlhelpers.build.plans import PLANS
from xlhelpers.build.translators import PAIRS, name_of
from xlhelpers.errors import CourseError

_BLOCK = r"(<!-- table: {name} -->\n).*?(<!-- end -->)"


def datasheet_step() -> str:
    """Fill the tables of the datasheet; return one line on what was done."""
    file = settings.current().data / "README.md"
    page = file.read_text(encoding="utf-8")
    for name, lines in TABLES.items():
        page = _fill(page, name, "".join(f"{line}\n" for line in lines()))
    files.write_text(file, page)
    return f"{len(TABLES)} tables of data/README.md"


def _fill(page: str, name: str, table: str) -> str:
    pattern = re.compile(_BLOCK.format(name=name), re.DOTALL)
    if not pattern.search(page):
        raise CourseError(
            f"data/README.md has no place for the table {name!r}",
            f"put <!-- table: {name} --> and <!-- end --> where it belongs",
        )
    return pattern.sub(lambda found: found[1] + table + found[2], page)


def _vectors() -> Iterator[str]:
    yield "| language | text | words of text | different | words kept | bytes |"
    yield "|---|---|---|---|---|---|"
    for name, asset in sorted(assets.manifest().items()):
        if not name.startswith("vectors/"):
            continue
        language, title, size = asset.note.split("; ")
        words, different = re.findall(r"\d[\d,]*\b", size)
        kept = len(embeddings.load_npz(assets.path(name)))
        yield f"| {language} | {title} | {words} | {different} | {kept:,} | {asset.bytes:,} |"


def _dictionaries() -> Iterator[str]:
    yield "| language | entries | of these names | pairs | test entries | spelled as in English |"
    yield "|---|---|---|---|---|---|"
    for code in datasets.dictionary_languages():
        # Not `lexicon`, which gives those of MUSE under the hub set.
        content = assets.read_bytes(f"dictionaries/en-{code}.tsv").decode("utf-8")
        whole = datasets.parse_lexicon(content, code)
        pairs = whole.pairs()
        test = sum(datasets.side(entry.word) == "test" for entry in whole)
        yield (
            f"| {languages.get(code).name} | {len(whole):,} | {sum(e.name for e in whole)} "
            f"| {len(pairs):,} | {test} "
            f"| {sum(a == b for a, b in pairs)} |"
        )


def _grammar() -> Iterator[str]:
    world, grammars = models.world_and_grammars(models.corpus_languages())
    concepts = sum(len(ids) for ids in world.concepts.values())
    held = sum(template.hold for template in world.templates.values())
    yield f"{concepts:,} concepts, {len(world.templates)} templates ({held} held out)."
    yield ""
    yield "| language | ways to say the templates | forms of words |"
    yield "|---|---|---|"
    for code, grammar in sorted(grammars.items(), key=lambda item: languages.get(item[0]).name):
        wordings = sum(len(grammar.variants(name)) for name in world.templates)
        forms = {
            form
            for rows in grammar.rows.values()
            for row in rows.values()
            for column, form in row.items()
            if column != "agr"
        }
        yield f"| {languages.get(code).name} | {wordings} | {len(forms):,} |"


def _corpus() -> Iterator[str]:
    yield "| task | train | dev | test | classes | bytes in all languages |"
    yield "|---|---|---|---|---|---|"
    for task, sizes in sets.SIZES.items():
        files_of = [
            asset
            for name, asset in assets.manifest().items()
            if name.startswith(f"corpus/{task}/")
            and name.split(".")[-2] not in languages.CONTRIBUTED
        ]
        classes = "PER, LOC, ORG; parts of speech" if task == "ner" else "3, equally often"
        counts = " | ".join(f"{sizes[split]:,}" for split in ("train", "dev", "test"))
        yield f"| {task} | {counts} | {classes} | {sum(a.bytes for a in files_of):,} |"


def _shortcuts() -> Iterator[str]:
    """Yield accuracies over the languages on the test sets: mean, lowest and highest."""
    yield "| task | a classifier that sees | accuracy: mean (lowest to highest language) | chance |"
    yield "|---|---|---|---|"
    folder = settings.current().data / "corpus"
    for task in ("sentiment", "nli"):
        rows = sets.read(task, folder)
        found: dict[str, list[corpus.Shortcut]] = {}
        for code in models.corpus_languages():
            for shortcut in corpus.audit(task, rows, code).shortcuts["test"]:
                found.setdefault(shortcut.name, []).append(shortcut)
        for name, each in found.items():
            values = [100 * shortcut.accuracy for shortcut in each]
            yield (
                f"| {task} | {name} | {sum(values) / len(values):.0f} % "
                f"({min(values):.0f} to {max(values):.0f}) | {100 * each[0].chance:.0f} % |"
            )


def _models() -> Iterator[str]:
    folders = settings.current().data / "models"
    # A model that was made anew has no scores until it is measured.
    made = [plan for plan in PLANS if (folders / plan.name / "scores.json").is_file()]
    if not made:
        yield "None is shipped yet; `python3 course.py build` makes them."
        return
    yield "| model | languages | polarity, zero-shot | entity F1, zero-shot | retrieval | bytes |"
    yield "|---|---|---|---|---|---|"
    for plan in made:
        table = cards.read_scores(folders / plan.name)
        means = " | ".join(
            f"{100 * scores.average(table[name]):.0f}"
            for name in ("polarity", "entities", "retrieval")
        )
        size = sum(file.stat().st_size for file in (folders / plan.name).iterdir())
        yield f"| {plan.name} | {len(plan.languages)} | {means} | {size:,} |"


def _translators() -> Iterator[str]:
    folders = settings.current().data / "models"
    made = [pair for pair in PAIRS if (folders / name_of(*pair) / "scores.json").is_file()]
    if not made:
        yield "None is shipped yet; `python3 course.py build` makes them."
        return
    found = {
        name_of(*pair): json.loads((folders / name_of(*pair) / "scores.json").read_text("utf-8"))
        for pair in made
    }
    kinds = list(next(iter(found.values())))
    yield f"| model | chrF on {' | '.join(kinds)} | bytes |"
    yield "|---" * (len(kinds) + 2) + "|"
    for name, row in found.items():
        figures = " | ".join(f"{row[kind]['chrF'][0]:.0f}" for kind in kinds)
        size = sum(file.stat().st_size for file in (folders / name).iterdir())
        yield f"| {name} | {figures} | {size:,} |"


def _heads() -> Iterator[str]:
    made = [
        (head, folder)
        for head in HEADS.values()
        if ((folder := shipping.folder_of(head.name)) / "scores.json").is_file()
    ]
    if not made:
        yield "None is shipped yet; `python3 course.py build` makes them."
        return
    yield "| model | English | other languages: mean (lowest to highest) | hand-written | bytes |"
    yield "|---|---|---|---|---|"
    for head, folder in made:
        table = cards.read_scores(folder)
        others = [100 * s.value for code, s in table["test"].items() if code != SOURCE]
        size = sum(file.stat().st_size for file in folder.iterdir())
        yield (
            f"| {head.name} | {100 * table['test'][SOURCE].value:.0f} "
            f"| {sum(others) / len(others):.0f} ({min(others):.0f} to {max(others):.0f}) "
            f"| {100 * scores.average(table['by hand'], ()):.0f} | {size:,} |"
        )


def _contributed() -> Iterator[str]:
    """Yield what each contributed language has."""
    world, grammars = models.world_and_grammars(models.contributed_languages())
    yield "| language | ways to say the templates | rows of the data sets | bytes in all |"
    yield "|---|---|---|---|"
    for code, grammar in grammars.items():
        wordings = sum(len(grammar.variants(name)) for name in world.templates)
        rows = sum(sum(sizes.values()) for sizes in sets.SIZES.values())
        size = sum(
            asset.bytes
            for name, asset in assets.manifest().items()
            if code in name.rpartition("/")[2].split(".")
        )
        yield f"| {languages.get(code).name} | {wordings} | {rows:,} | {size:,} |"


TABLES: dict[str, Callable[[], Iterator[str]]] = {
    "vectors": _vectors,
    "grammar": _grammar,
    "contributed": _contributed,
    "corpus": _corpus,
    "shortcuts": _shortcuts,
    "models": _models,
    "heads": _heads,
    "translators": _translators,
    "dictionaries": _dictionaries,
}
