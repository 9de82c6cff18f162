"""Sentiment, entities and inference by language and split, from whichever set is on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, cast, overload

from xlhelpers import languages, settings
from xlhelpers.datasets import corpus, public
from xlhelpers.datasets.corpus import SPLITS, Split, Task
from xlhelpers.datasets.tables import DatasetError, Labelled, Pairs, Parallel, Table, Tagged


def sentiment(lang: str, split: Split = "train") -> Labelled:
    """Return texts labelled negative, neutral or positive.

    Ours are reviews of 1 to 4 sentences. In test, `held` says whether training text never had
    the combination of words (`"pair"`) or the form of a sentence (`"template"`). In the `hub`
    set they are tweets: the unified sets of XLM-T (Barbieri et al., 2022, LREC), in eight
    languages.

    Raises:
        DatasetError: there is no such set, or it cannot be read.
        UnknownLanguageError: `lang` has no card.
        AssetError, HubError: a file cannot be had, or has been altered.
    """
    return cast(Labelled, _read("sentiment", lang, split))


def ner(lang: str, split: Split = "train") -> Tagged:
    """Return sentences with the entities PER, LOC and ORG tagged (IOB2).

    Ours are short news with part-of-speech tags; `held` and `name_marks` say what training text
    never had. In the `hub` set it is WikiANN (Pan et al., 2017, ACL; splits of Rahimi et al.,
    2019, ACL): headings and sentences of Wikipedia, tagged from links and not by people.

    Raises:
        as `sentiment`.
    """
    return cast(Tagged, _read("ner", lang, split))


def nli(lang: str, split: Split = "train") -> Pairs:
    """Return premises and hypotheses labelled entailment, neutral or contradiction.

    Ours are everyday scenes. In the `hub` set it is XNLI (Conneau et al., 2018, EMNLP), whose
    train split is machine-translated but for English. The numbers of labels differ from one
    published set to the next: compare names.

    Raises:
        as `sentiment`.
    """
    return cast(Pairs, _read("nli", lang, split))


@overload
def parallel(
    langs: Sequence[str], split: Split = "test", task: Literal["sentiment"] = "sentiment"
) -> Parallel[Labelled]: ...
@overload
def parallel(
    langs: Sequence[str], split: Split = "test", *, task: Literal["ner"]
) -> Parallel[Tagged]: ...
@overload
def parallel(
    langs: Sequence[str], split: Split = "test", *, task: Literal["nli"]
) -> Parallel[Pairs]: ...
def parallel(
    langs: Sequence[str], split: Split = "test", task: Task = "sentiment"
) -> Parallel[Any]:
    """Return rows that say the same in several languages, in the same order in each.

    `rows["de"]` is a data set as the other calls return it; `rows.texts()` are plain texts. Of
    the public sets only XNLI is parallel: in the `hub` set its pairs are returned whatever
    `task` is.

    Args:
        langs: codes, each once.
        split: `"train"`, `"dev"` or `"test"`.
        task: `"sentiment"`, `"ner"` or `"nli"`.

    Raises:
        DatasetError: as `sentiment`; a language is named twice; no row is shared; the same row
            has another label in another language.
    """
    if isinstance(langs, str):
        raise DatasetError(f"{langs!r} is one text", f'give a list: ["{langs}", "de"]')
    if len(set(langs)) < len(langs):
        raise DatasetError(f"a language is named twice in {', '.join(langs)}", "name it once")
    _check(task, split)
    if settings.current().models == "hub":
        task = "nli"
    return Parallel({code: _read(task, code, split) for code in langs})


def available(task: Task, *, contributed: bool = False) -> list[str]:
    """Return the codes of the languages that a task has in the set that is on, sorted.

    Args:
        contributed: also those that were added after the models were trained
            (`languages.CONTRIBUTED`). They can always be named; left out here, they change no
            figure that is measured over all languages.

    Raises:
        DatasetError: there is no such task.
    """
    _check(task, SPLITS[0])
    if settings.current().models == "hub":
        return sorted(public.PUBLIC[task].folders)
    found = corpus.languages_of(task)
    return [code for code in found if contributed or code not in languages.CONTRIBUTED]


def _read(task: str, language: str, split: str) -> Table:
    _check(task, split)
    code = languages.get(language).code
    if settings.current().models == "hub":
        return public.read(task, code, split)
    return corpus.read(task, code, split)


def _check(task: str, split: str) -> None:
    if task not in corpus.NAMES:
        raise DatasetError(f"there is no task {task!r}", f"choose among {', '.join(corpus.NAMES)}")
    if split not in SPLITS:
        also = ' ("dev" is what others call validation)' if str(split).startswith("val") else ""
        raise DatasetError(f"there is no split {split!r}", f"choose train, dev or test{also}")
