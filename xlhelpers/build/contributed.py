"""A language that is added to the course: what follows from the files that its author wrote.

`python3 course.py build language/it` checks those files, says every row of the data sets in the
language, and writes its dictionary and its text. `scores/it` measures what a model that has never
read it makes of it. No file of another language is touched. docs/add-a-language.md is the guide.
"""

from __future__ import annotations

import csv
import difflib
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from xlhelpers import assets, datasets, files, hub, languages, settings
from xlhelpers.alignment import Score
from xlhelpers.build import adaptation, corpus, models, scores
from xlhelpers.build.corpus import sets
from xlhelpers.build.grammar import Grammar, check
from xlhelpers.build.plans import UNSEEN
from xlhelpers.datasets import DatasetError, Parallel, Tagged
from xlhelpers.errors import CourseError

SCORES = "contributed.csv"
BODY = "mini-infoxlm"
GUIDE = Path("docs") / "add-a-language.md"
_TASKS = ("sentiment", "ner", "nli")
# What a language is held against: one that no model has read either, and relatives that all have.
BESIDE = (UNSEEN, "es", "pt", "fr")
_FIELDS = ("language", "measure", "value", "low", "high")


# ── everything but scores ────────────────────────────────────────────────────────────────


def language_step(code: str) -> str:
    """Check and make all that a contributed language has; return one line on it.

    Raises:
        CourseError: a file is missing or has a fault, or the rows of another language would
            change.
    """
    data = settings.current().data
    _check_grammar(code)
    check_handwritten(code)
    check_everyday(code)
    rows = _write_sets(code, data / "corpus")
    concepts = _write_lexicon(code, data)
    train, held = adaptation.write_text(code)
    return (
        f"{languages.name(code)}: {rows:,} rows, {concepts} concepts, "
        f"{train:,} documents and {held} held out"
    )


def _check_grammar(code: str) -> None:
    _, grammars = models.world_and_grammars([code])
    if faults := [fault for fault in check(grammars[code]) if not fault.note]:
        raise CourseError(
            f"{code}.toml has {len(faults)} faults; the first: {faults[0]}",
            f"python3 -m xlhelpers.build.grammar check {code} lists them all",
        )


def check_handwritten(code: str) -> None:
    """Compare the hand-written set with the English one, and register it.

    Raises:
        DatasetError: items are missing, have another label, or name other things.
    """
    folder = settings.current().data / "handwritten"
    for task in _TASKS:
        english, ours = (_handwritten(folder / f"{c}.toml", task, c) for c in ("en", code))
        if strange := sorted(set(english.ids) ^ set(ours.ids)):
            raise DatasetError(
                f"{code}.toml and en.toml differ in {', '.join(strange[:9])}",
                "write every item of handwritten/en.toml, and no other",
            )
        Parallel({"en": english, code: ours})  # refuses where labels differ
        if isinstance(english, Tagged) and isinstance(ours, Tagged):
            _compare_entities(english, ours)
            _compare_names(english, ours)
    file = folder / f"{code}.toml"
    _register(file, "written for this course", f"hand-written test set, {languages.name(code)}")


def _handwritten(file: Path, task: str, code: str) -> Any:
    if not file.is_file():
        raise DatasetError(f"there is no data/handwritten/{file.name}", "write it after en.toml")
    return datasets.parse_handwritten(file.read_text("utf-8"), task, code, file.name)


def _compare_entities(english: Tagged, ours: Tagged) -> None:
    for theirs, row in zip(english, ours, strict=True):
        kinds = [sorted(t for t in r["tags"] if t.startswith("B-")) for r in (theirs, row)]
        if kinds[0] != kinds[1]:
            raise DatasetError(
                f"{row['id']} names {kinds[1]}, and in English {kinds[0]}",
                "mark the same people, places and organisations: [PER …], [LOC …], [ORG …]",
            )


def _compare_names(english: Tagged, ours: Tagged) -> None:
    """Find a name of the little world that the English item has, and ours says otherwise.

    Half of the letters in common are enough: a name may be inflected.
    """
    _, grammars = models.world_and_grammars(["en", ours.language])
    mine = grammars[ours.language]
    for theirs, row in zip(english, ours, strict=True):
        said = _entities(row)
        for kind, name in _entities(theirs):
            for category, concept in _concepts_of(kind, name, grammars["en"]):
                forms = {f for c, f in mine.rows[category][concept].items() if c != "agr"}
                if not any(_alike(form, other) for form in forms for k, other in said if k == kind):
                    raise DatasetError(
                        f"{row['id']} does not name {name} ({', '.join(sorted(forms))})",
                        "name whom and what the English item names",
                    )


def _entities(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return kind and words of every entity of a row, the words without blanks."""
    found: list[tuple[str, str]] = []
    for word, tag in zip(row["words"], row["tags"], strict=True):
        if tag.startswith("B-"):
            found.append((tag[2:], word))
        elif tag.startswith("I-"):
            found[-1] = (found[-1][0], found[-1][1] + word)
    return found


_CATEGORIES = {"PER": "person", "LOC": "place_name", "ORG": "brand"}


def _concepts_of(kind: str, name: str, grammar: Grammar) -> Iterator[tuple[str, str]]:
    category = _CATEGORIES[kind]
    for concept, row in grammar.rows[category].items():
        if name in {form.replace(" ", "") for column, form in row.items() if column != "agr"}:
            yield category, concept


def _alike(form: str, said: str) -> bool:
    plain = form.replace(" ", "")
    return difflib.SequenceMatcher(None, plain, said, autojunk=False).ratio() > 0.5


def check_everyday(code: str) -> None:
    """Compare the everyday sentences with the course's, and register them.

    Raises:
        DatasetError: there is no such file, or its rows are not those of the course.
    """
    data = settings.current().data
    file = data / "everyday" / f"{code}.toml"
    if not file.is_file():
        raise DatasetError(
            f"there is no data/everyday/{code}.toml",
            f"write [{code}] and the rows of everyday.toml",
        )
    # As one file: the reader of such files wants the same rows in every language.
    both = (data / "everyday.toml").read_text("utf-8") + "\n" + file.read_text("utf-8")
    datasets.parse_everyday(both, f"everyday/{code}.toml")
    note = f"everyday sentences, {languages.name(code)}"
    _register(file, "written for this course", note)


def _write_sets(code: str, folder: Path) -> int:
    """Write the language's rows of every task; return how many there are."""
    world, grammars = models.world_and_grammars(models.corpus_languages())
    _, added = models.world_and_grammars([code])
    count = 0
    for task, make in corpus.TASKS.items():
        made = make(world, grammars, 0, added)
        there = sets.read(task, folder)
        for split, by_language in made.items():
            mine = by_language.pop(code)
            if any(there[split].get(other) != rows for other, rows in by_language.items()):
                raise CourseError(
                    f"the {task} sets of other languages would change as well",
                    "`git status data xlhelpers/build` shows what is not as it was",
                )
            count += len(mine)
            sets.write(task, {split: {code: mine}}, folder)
            note = f"{task}, {split}, {languages.name(code)}"
            _register(folder / task / f"{split}.{code}.jsonl", _origin(code), note)
    return count


def _write_lexicon(code: str, data: Path) -> int:
    world, grammars = models.world_and_grammars(["en", code])
    lines = [f"category\tconcept\t{code}"]
    lines += adaptation.lexicon_lines(world, grammars, [code])
    file = data / "lexicon" / f"{code}.tsv"
    files.write_text(file, "".join(f"{line}\n" for line in lines))
    note = f"the {len(lines) - 1} concepts of the little world, {languages.name(code)}"
    _register(file, _origin(code), note)
    return len(lines) - 1


def _origin(code: str) -> str:
    return f"python3 course.py build language/{code}"


def _register(file: Path, origin: str, note: str) -> None:
    assets.register(file, kind="shipped", licence="CC BY 4.0", origin=origin, note=note)


# ── scores ───────────────────────────────────────────────────────────────────────────────


def scores_step(code: str) -> str:
    """Measure the model that transfers on a contributed language; return one line on how it did.

    Zero-shot from English as on the model's card, and in the languages of `BESIDE`. Writes the
    rows into `data/contributed.csv` and the table of the guide.
    """
    folder = settings.current().data / "models" / BODY
    model, tokenizer = hub.model(folder, "mlm"), hub.tokenizer(folder)
    codes = [code, *BESIDE]
    table = scores.measure(model, tokenizer, codes)
    for name, found in (
        ("n-grams", scores.character_ngrams(codes)),
        ("majority", scores.majority(codes)),
    ):
        table |= {f"{measure}, {name}": row for measure, row in found.items()}
    kept = [row for row in read_scores() if row[0] not in codes] if _file().is_file() else []
    made = [
        (language, measure, *(round(v, 4) for v in (s.value, s.low, s.high)))
        for measure, row in sorted(table.items())
        for language, s in row.items()
    ]
    _write_scores(sorted([*kept, *made]))
    fill_guide()
    return (
        f"polarity {100 * table['polarity'][code].value:.0f} %, "
        f"entity F1 {100 * table['entities'][code].value:.0f}, "
        f"retrieval {100 * table['retrieval'][code].value:.0f} %"
    )


def _file() -> Path:
    return settings.current().data / SCORES


def read_scores() -> list[tuple[str, str, float, float, float]]:
    """Return the rows of `data/contributed.csv`: language, measure, value, low, high (shares)."""
    lines = csv.DictReader(_file().read_text("utf-8").splitlines())
    return [
        (
            row["language"],
            row["measure"],
            float(row["value"]),
            float(row["low"]),
            float(row["high"]),
        )
        for row in lines
    ]


def _write_scores(rows: Sequence[Sequence[Any]]) -> None:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([_FIELDS, *rows])
    files.write_text(_file(), out.getvalue())
    note = f"what {BODY} makes of languages that were contributed, with others beside them"
    _register(_file(), "python3 course.py build scores/…", note)


# Columns of the guide's table: measure, heading.
_COLUMNS = {
    "polarity": "for or against",
    "polarity, n-grams": "n-grams",
    "polarity by hand": "by hand",
    "entities": "entity F1",
    "retrieval": "retrieval",
    "retrieval, n-grams": "n-grams",
}


def table_lines() -> Iterator[str]:
    """Yield the guide's table of what a model that has not read a language makes of it."""
    found: dict[str, dict[str, Score]] = {}
    for language, measure, *values in read_scores():
        found.setdefault(language, {})[measure] = Score(*values)
    order = [*languages.CONTRIBUTED, *BESIDE]
    yield f"| language | {' | '.join(_COLUMNS.values())} |"
    yield "|---" * (len(_COLUMNS) + 1) + "|"
    for code in sorted(found, key=order.index):
        cells = (_cell(found[code][measure]) for measure in _COLUMNS)
        yield f"| {languages.name(code)} | {' | '.join(cells)} |"


def _cell(score: Score) -> str:
    value, low, high = (f"{100 * v:.0f}" for v in (score.value, score.low, score.high))
    return f"{value} [{low}, {high}]"


def fill_guide() -> None:
    """Put the table into the guide, between its marks."""
    file = settings.current().data.parent / GUIDE
    if not file.is_file():  # a data folder that stands alone has no guide
        return
    page = file.read_text(encoding="utf-8")
    table = "".join(f"{line}\n" for line in table_lines())
    pattern = re.compile(r"(<!-- table: scores -->\n).*?(<!-- end -->)", re.DOTALL)
    files.write_text(file, pattern.sub(lambda found: found[1] + table + found[2], page))
