"""The sets that we wrote: rows of `data/corpus/<task>/<split>.<language>.jsonl`."""

from __future__ import annotations

import json
from typing import Any, Literal

from xlhelpers import assets, languages
from xlhelpers.datasets.tables import DatasetError, Labelled, Pairs, Table, Tagged

Task = Literal["sentiment", "ner", "nli"]
Split = Literal["train", "dev", "test"]

SPLITS: tuple[Split, ...] = ("train", "dev", "test")

# What labels and tags are called, in the order of their numbers.
NAMES: dict[str, tuple[str, ...]] = {
    "sentiment": ("negative", "neutral", "positive"),
    "ner": ("O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC"),
    "nli": ("entailment", "neutral", "contradiction"),
}

_FIELDS: dict[str, tuple[str, ...]] = {
    "sentiment": ("id", "text", "label", "held"),
    "ner": ("id", "text", "tokens", "tags", "upos", "held", "names"),
    "nli": ("id", "premise", "hypothesis", "label", "held"),
}


def languages_of(task: str) -> list[str]:
    """Return the codes of the languages that our set of a task has, sorted."""
    prefix, found = f"corpus/{task}/", set()
    for name in assets.manifest():
        if name.startswith(prefix) and name.endswith(".jsonl"):
            found.add(name.removesuffix(".jsonl").rpartition(".")[2])
    return sorted(found)


def read(task: str, language: str, split: str) -> Table:
    """Return our rows of a task, language and split.

    Raises:
        DatasetError: there is no such file, or a row is not what it should be.
        AssetError: the file is missing or altered.
    """
    name = f"corpus/{task}/{split}.{language}.jsonl"
    if name not in assets.manifest():
        known = languages_of(task)
        raise DatasetError(
            f"the course has no {split} set for {task} in {languages.name(language)}",
            f"choose among {', '.join(known)}"
            if known
            else "this checkout holds no corpus: make it with `python3 course.py build`",
        )
    return parse(assets.read_bytes(name).decode("utf-8"), task, language, f"data/{name}")


def parse(text: str, task: str, language: str, name: str) -> Table:
    """Read rows of a task, one JSON object a line; `name` is for messages and `source`.

    Raises:
        DatasetError: names the first line that is not what it should be.
    """
    rows = [
        _row(line, task, f"{name}, line {number}")
        for number, line in enumerate(text.split("\n"), start=1)
        if line.strip()
    ]
    if not rows:
        raise DatasetError(f"{name} has no rows", _remedy())
    return make(task, rows, language, name)


def make(task: str, rows: list[dict[str, str]], language: str, source: str) -> Table:
    """Make the table of a task from rows that have been checked."""

    def column(name: str) -> tuple[str, ...]:
        return tuple(row[name] for row in rows)

    def words(name: str) -> tuple[tuple[str, ...], ...]:
        return tuple(tuple(row[name].split()) for row in rows)

    common: dict[str, Any] = {"ids": column("id"), "names": NAMES[task], "held": column("held")}
    common |= {"language": language, "source": source}
    if task == "sentiment":
        return Labelled(texts=column("text"), labels=column("label"), **common)
    if task == "nli":
        return Pairs(
            premises=column("premise"),
            hypotheses=column("hypothesis"),
            labels=column("label"),
            **common,
        )
    return Tagged(
        texts=column("text"),
        sentences=words("tokens"),
        tags=words("tags"),
        upos=words("upos"),
        name_marks=column("names"),
        **common,
    )


def iob2_fault(tags: list[str]) -> str:
    """Return the first tag that does not follow IOB2, or the empty string."""
    before = "O"
    for tag in tags:
        if tag not in NAMES["ner"] or (tag.startswith("I-") and before[2:] != tag[2:]):
            return tag
        before = tag
    return ""


def _row(line: str, task: str, where: str) -> dict[str, str]:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise DatasetError(f"{where}: no JSON ({error})", _remedy()) from error
    if not isinstance(row, dict):
        raise DatasetError(f"{where}: not an object with fields", _remedy())
    for field in _FIELDS[task]:
        if not isinstance(row.get(field), str):
            lacks = "is no text" if field in row else "is missing"
            raise DatasetError(f"{where}: the field {field!r} {lacks}", _remedy())
    if "label" in row and row["label"] not in NAMES[task]:
        raise DatasetError(
            f"{where}: {row['label']!r} is no label of {task}",
            f"the labels are {', '.join(NAMES[task])}; {_remedy()}",
        )
    if task == "ner":
        _check_tags(row, where)
    return row


def _check_tags(row: dict[str, str], where: str) -> None:
    counts = {field: len(row[field].split()) for field in ("tokens", "tags", "upos")}
    if len(set(counts.values())) > 1:
        told = ", ".join(f"{count} {field}" for field, count in counts.items())
        raise DatasetError(f"{where}: {told}", f"every word has one of each; {_remedy()}")
    if fault := iob2_fault(row["tags"].split()):
        raise DatasetError(f"{where}: the tag {fault!r} is not IOB2 in its place", _remedy())


def _remedy() -> str:
    return "make the corpus anew with `python3 course.py build`"
