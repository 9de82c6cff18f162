"""The hand-written test set: free sentences, the same in every language, only ever tested on."""

from __future__ import annotations

import re
import tomllib
from typing import Any, Literal, overload

from xlhelpers import assets, languages, tokens
from xlhelpers.datasets import corpus
from xlhelpers.datasets.tables import DatasetError, Labelled, Pairs, Table, Tagged

_FOLDER = "handwritten/"
# The part of a file that each task is in.
_PARTS = {"sentiment": "reviews", "ner": "news", "nli": "nli"}
_ENTITY = re.compile(r"\[(PER|LOC|ORG) ([^\[\]]+)\]")


@overload
def handwritten(task: Literal["sentiment"], lang: str) -> Labelled: ...
@overload
def handwritten(task: Literal["ner"], lang: str) -> Tagged: ...
@overload
def handwritten(task: Literal["nli"], lang: str) -> Pairs: ...
def handwritten(task: str, lang: str) -> Table:
    """Return the hand-written test set of a task: `"sentiment"`, `"ner"` or `"nli"`.

    It does not come from the grammar, so it tells what a score on the grammar's sentences is
    worth. Rows are sorted by id and are the same in every language. There are no part-of-speech
    tags. It is the same whichever model set is on.

    Raises:
        DatasetError: there is no such task, no such file, or an item is not what it should be.
        AssetError: the file is missing or altered.
    """
    if task not in _PARTS:
        raise DatasetError(f"there is no task {task!r}", f"choose among {', '.join(_PARTS)}")
    name = f"{_FOLDER}{languages.get(lang).code}.toml"
    if name not in assets.manifest():
        known = handwritten_languages(contributed=True)
        raise DatasetError(
            f"there is no hand-written set in {languages.name(lang)}",
            f"choose among {', '.join(known)}" if known else "`python3 course.py build` adds them",
        )
    return parse_handwritten(assets.read_bytes(name).decode("utf-8"), task, lang, f"data/{name}")


def handwritten_languages(*, contributed: bool = False) -> list[str]:
    """Return the codes of the languages that have a hand-written set, sorted.

    Args:
        contributed: also those that were added after the models were trained
            (`languages.CONTRIBUTED`).
    """
    names = (name for name in assets.manifest() if name.startswith(_FOLDER))
    found = sorted(name.removeprefix(_FOLDER).removesuffix(".toml") for name in names)
    return [code for code in found if contributed or code not in languages.CONTRIBUTED]


def parse_handwritten(text: str, task: str, language: str, name: str) -> Table:
    """Read a task from a hand-written file; `name` is for messages and `source`.

    Raises:
        DatasetError: names the first item that is not what it should be.
    """
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise DatasetError(f"{name} is no TOML ({error})", "put the line right") from error
    if content.get("code") != language:
        raise DatasetError(
            f"{name} is in {content.get('code')!r}, not {language!r}", "correct its `code`"
        )
    part = content.get(_PARTS[task])
    if not isinstance(part, dict) or not part:
        raise DatasetError(
            f"{name} has no part [{_PARTS[task]}]", "write it, or leave this task out"
        )
    rows = _news(part, language, name) if task == "ner" else _by_label(part, task, name)
    return corpus.make(task, sorted(rows, key=lambda row: row["id"]), language, name)


def parse_entities(text: str, language: str) -> tuple[str, list[str], list[str]]:
    """Return text, words and IOB2 tags of a sentence with its entities in brackets.

    `"[PER Ana Díaz] lives in [LOC Lima]."` has five words and a full stop. A word that is in a
    name in part, as an inflected one may be, counts as part of the name. In a language that
    writes its words together, blanks separate the words and are not in the text.

    Raises:
        DatasetError: a bracket is not closed, of an unknown kind, or two names share a word.
    """
    marked, owners, kinds = _strip_brackets(text)
    numbers = None
    if language in tokens.WRITTEN_TOGETHER:
        marked, kept, numbers = tokens.without_blanks(marked)
        owners = [owners[at] for at in kept]
    words: list[str] = []
    tags: list[str] = []
    last = -1
    for start, end in tokens.spans(marked, tokens.APOSTROPHE_CUTS.get(language, ""), numbers):
        inside = sorted({owner for owner in owners[start:end] if owner >= 0})
        if len(inside) > 1:
            raise DatasetError(
                f"{marked[start:end]!r} belongs to two names", "put a blank between them"
            )
        words.append(marked[start:end])
        owner = inside[0] if inside else -1
        tags.append("O" if owner < 0 else f"{'I' if owner == last else 'B'}-{kinds[owner]}")
        last = owner
    return marked, words, tags


def _strip_brackets(text: str) -> tuple[str, list[int], list[str]]:
    """Return the text without brackets, the number of the name of each character, and kinds."""
    marked, owners, kinds, at = "", list[int](), list[str](), 0
    for found in _ENTITY.finditer(text):
        for piece, owner in ((text[at : found.start()], -1), (found[2], len(kinds))):
            marked += piece
            owners += [owner] * len(piece)
        kinds.append(found[1])
        at = found.end()
    marked += text[at:]
    owners += [-1] * len(text[at:])
    if "[" in marked or "]" in marked:
        raise DatasetError(
            f"a bracket in {text!r} does not fit", "write names as [PER …], [LOC …] or [ORG …]"
        )
    return marked, owners, kinds


def _news(part: dict[str, Any], language: str, name: str) -> list[dict[str, str]]:
    rows = []
    for id_, item in part.items():
        if not isinstance(item, str) or not item.strip():
            raise DatasetError(f"{name}: [news] {id_} is no text", 'write n001 = "…"')
        try:
            text, words, tags = parse_entities(item, language)
        except DatasetError as error:
            raise DatasetError(f"{name}: {id_}: {error.problem}", error.remedy) from error
        row = {"id": id_, "text": text, "tokens": " ".join(words), "tags": " ".join(tags)}
        rows.append(row | {"upos": "", "held": "", "names": ""})
    return rows


def _by_label(part: dict[str, Any], task: str, name: str) -> list[dict[str, str]]:
    strange = [label for label in part if label not in corpus.NAMES[task]]
    if strange:
        raise DatasetError(
            f"{name}: [{_PARTS[task]}.{strange[0]}] is no label of {task}",
            f"the labels are {', '.join(corpus.NAMES[task])}",
        )
    rows = []
    for label, items in part.items():
        for id_, item in items.items():
            rows.append({"id": id_, "label": label, "held": ""} | _said(item, task, id_, name))
    return rows


def _said(item: object, task: str, id_: str, name: str) -> dict[str, str]:
    texts = item if isinstance(item, list) else [item]
    fields = ("premise", "hypothesis") if task == "nli" else ("text",)
    if len(texts) != len(fields) or not all(isinstance(t, str) and t.strip() for t in texts):
        form = 'e001 = ["premise", "hypothesis"]' if task == "nli" else 'r001 = "…"'
        raise DatasetError(f"{name}: {id_} is not {' and '.join(fields)}", f"write {form}")
    return dict(zip(fields, texts, strict=True))
