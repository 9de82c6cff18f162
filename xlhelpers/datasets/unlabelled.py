"""Plain text of a language that no model was pretrained on, and words for what it speaks of."""

from __future__ import annotations

from types import MappingProxyType
from typing import Literal

from xlhelpers import assets, languages, settings
from xlhelpers.datasets import public
from xlhelpers.datasets.public import PublicSet
from xlhelpers.datasets.tables import DatasetError

TextSplit = Literal["train", "heldout"]

# The files of each split, for a language's code.
_FILES = MappingProxyType({"train": "text/{}.txt", "heldout": "text/{}.heldout.txt"})
_LEXICON = "lexicon.tsv"
# A language that is contributed has a file of its own, with one column: `lexicon/it.tsv`.
_LEXICON_OF = "lexicon/{}.tsv"
_VARIANT = "|"
# Of Wikipedia's articles every so many is for measuring; shorter beginnings say next to nothing.
_EVERY, _SHORTEST = 20, 40

WIKIPEDIA = PublicSet(
    id="wikimedia/wikipedia",
    revision="b04c8d1ceb2f5cd4588862100d08de323dccfbaa",
    folders=MappingProxyType({"yo": "20231101.yo"}),
    licence="CC BY-SA 3.0, GFDL",
    citation="Wikimedia Foundation, dump of 1 November 2023",
    note="first paragraphs of the articles. XLM-R has read no Yoruba; mBERT has",
)


def unlabelled(lang: str, split: TextSplit = "train") -> list[str]:
    """Return documents of a language, without labels, for adapting a model to it.

    Ours are of the little world, in Yoruba and in the languages that were contributed
    (`languages.CONTRIBUTED`), which are in none of the mini models: 6,000 documents of 2 to 4
    sentences, and 300 held out, of which no sentence is in the others. No sentence of
    a development or test set is in either, and no review has a rating. In the `hub` set they are
    the first paragraphs of Wikipedia's articles (`WIKIPEDIA`), every twentieth held out, as many
    as the settings say.

    Raises:
        DatasetError: there is no text in the language, or no such split.
        AssetError, HubError: a file cannot be had, or has been altered.
    """
    if split not in _FILES:
        raise DatasetError(f"there is no split {split!r}", "choose train or heldout")
    code = languages.get(lang).code
    if settings.current().models == "hub":
        return _paragraphs(code, split)
    name = _FILES[split].format(code)
    if name not in assets.manifest():
        known = [n for n in assets.manifest() if n.startswith("text/") and n.count(".") == 1]
        codes = ", ".join(n.removeprefix("text/").removesuffix(".txt") for n in known)
        raise DatasetError(
            f"the course has no plain text in {languages.name(code)}",
            f"choose among {codes}" if codes else "make it with `python3 course.py build`",
        )
    return assets.read_bytes(name).decode("utf-8").splitlines()


def _paragraphs(code: str, split: str) -> list[str]:
    if code not in WIKIPEDIA.folders:
        raise DatasetError(
            f"no Wikipedia in {languages.name(code)} is set up here",
            f"choose among {', '.join(WIKIPEDIA.folders)}",
        )
    limit = settings.current().row_limits()[split == "heldout"]
    articles = public.articles(WIKIPEDIA, code)
    first = (text.strip().partition("\n")[0].strip() for text in articles)
    long = [text for text in first if len(text) >= _SHORTEST]
    chosen = [
        text
        for number, text in enumerate(long)
        if (number % _EVERY == _EVERY - 1) == (split == "heldout")
    ]
    return chosen[:limit]


def world_lexicon(source: str, target: str) -> dict[str, tuple[str, ...]]:
    """Return words and phrases of one language with what they mean in another.

    They are those of the concepts that the course's grammars speak of, 574 in twelve languages
    and in those that were contributed (`languages.CONTRIBUTED`), names among them: dictionary
    forms and, where a language has them, inflected ones. A form that says two things has the
    translations of both. The dictionary form comes first. Small and exact, where a real one is
    large and noisy: it says what a dictionary can do at best. The same in both model sets.

    Args:
        source, target: codes of two of the languages.

    Raises:
        DatasetError: a language is not among them, or the two are one.
        AssetError: the file is missing or altered.
    """
    codes = [languages.get(source).code, languages.get(target).code]
    if codes[0] == codes[1]:
        raise DatasetError(f"{source!r} is source and target", "name two languages")
    if _LEXICON not in assets.manifest():
        raise DatasetError(
            "this checkout holds no lexicon", "make it with `python3 course.py build lexicon`"
        )
    columns = _lexicon_columns()
    if missing := [code for code in codes if code not in columns]:
        raise DatasetError(
            f"the lexicon has no {languages.name(missing[0])}", f"it has {', '.join(columns)}"
        )
    found: dict[str, list[str]] = {}
    for cells in zip(columns[codes[0]], columns[codes[1]], strict=True):
        words, meanings = (cell.split(_VARIANT) for cell in cells)
        for word in words:
            found.setdefault(word, []).extend(meanings)
    return {word: tuple(dict.fromkeys(meanings)) for word, meanings in found.items()}


def _lexicon_columns() -> dict[str, list[str]]:
    """Return the cells of each language, in the order of the concepts."""
    found: dict[str, list[str]] = {}
    concepts: list[list[str]] = []
    of = {_LEXICON_OF.format(code) for code in languages.CONTRIBUTED}
    for name in (_LEXICON, *sorted(of & set(assets.manifest()))):
        header, *rows = (
            line.split("\t") for line in assets.read_bytes(name).decode("utf-8").splitlines()
        )
        if concepts and [row[:2] for row in rows] != concepts:
            raise DatasetError(
                f"data/{name} has other concepts than data/{_LEXICON}",
                f"make it anew: `python3 course.py build language/{header[2]}`",
            )
        concepts = concepts or [row[:2] for row in rows]
        found |= {code: [row[at] for row in rows] for at, code in enumerate(header[2:], start=2)}
    return found
