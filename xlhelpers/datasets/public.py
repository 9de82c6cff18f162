"""Public data sets in the place of ours: which, where, under what licence, and what they lack.

They come as parquet files through the hub's own client, from one commit each, and are checked
like every other download (see `xlhelpers.hub`). What a label number means is read from the file
itself.

To whoever maintains this. Seen in stored pages of the hub: the file lists of XNLI at `b8dd5d7`
(`de/test-00000-of-00001.parquet`) and of the converted branches of the other two at the commits
below (`german/train/0000.parquet`, `ce/train/0000.parquet`), and the label names in the loading
scripts that they were converted from. Not seen: the bytes of any file. WikiANN's main branch has
parquet as well, in a layout like XNLI's; both layouts are looked for, so its commit can be set
here once it is known.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from xlhelpers import hub, languages, needs, settings, shelves, tokens
from xlhelpers.datasets.tables import DatasetError, Labelled, Pairs, Table, Tagged

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class PublicSet:
    """A public data set that takes the place of one of ours in the `hub` set.

    Attributes:
        id: of the repository on the hub.
        revision: the commit that is read.
        folders: the folder of the repository that each language is in, by code.
        licence: as its authors state it.
        citation: author, year and venue.
        note: what one should know about it.
        parallel: whether row numbers run through all languages.
    """

    id: str
    revision: str
    folders: Mapping[str, str]
    licence: str
    citation: str
    note: str = ""
    parallel: bool = False


def _same(codes: str) -> Mapping[str, str]:
    return MappingProxyType({code: code for code in codes.split()})


PUBLIC: Mapping[str, PublicSet] = MappingProxyType(
    {
        "sentiment": PublicSet(
            id="cardiffnlp/tweet_sentiment_multilingual",
            revision="a98a0fa620246101f2217cfb3cdde65a36771618",
            folders=MappingProxyType(
                {
                    "ar": "arabic",
                    "de": "german",
                    "en": "english",
                    "es": "spanish",
                    "fr": "french",
                    "hi": "hindi",
                    "it": "italian",
                    "pt": "portuguese",
                }
            ),
            licence="CC BY 3.0, and the terms of Twitter",
            citation="Barbieri et al. (2022, LREC), XLM-T",
            note="tweets, about 1,840 to train, 320 for development and 870 to test in each "
            "language; no Dutch, Russian, Chinese, Swahili, Yoruba",
        ),
        "ner": PublicSet(
            id="unimelb-nlp/wikiann",
            revision="f89f2fe2694613baf6bb62e7393290846127adbf",
            folders=_same(
                "am ar bg bn cs da de el en es fa fi fr he hi hu id ig it ja ko nl pl pt ro ru sv "
                "sw ta th tr uk ur vi yo zh"
            ),
            licence="none stated; the text is Wikipedia's (CC BY-SA)",
            citation="Pan et al. (2017, ACL); splits of Rahimi et al. (2019, ACL)",
            note="tags derived from links, not made by people; 100 rows a split in Yoruba, 20,000 "
            "to train in the large languages; blanks before punctuation as in the source",
        ),
        "nli": PublicSet(
            id="facebook/xnli",
            revision="b8dd5d7af51114dbda02c0e3f6133f332186418e",
            folders=_same("ar bg de el en es fr hi ru sw th tr ur vi zh"),
            licence="CC BY-NC 4.0",
            citation="Conneau et al. (2018, EMNLP)",
            note="2,490 rows for development and 5,010 to test, translated by people; 392,702 to "
            "train, translated by machine but for English; no Dutch, Portuguese, Yoruba",
            parallel=True,
        ),
    }
)

# What the hub's data sets call our splits.
_SPLITS = {"train": "train", "dev": "validation", "test": "test"}
_SHARD = re.compile(r"-(\d{5})-of-(\d{5})\.parquet$")
_INSTALL = 'python -m pip install "pyarrow>=17"'


def read(task: str, language: str, split: str) -> Table:
    """Return the rows of a public set.

    Raises:
        DatasetError: the set lacks the language, or the file is not what it should be.
        HubError: the file cannot be had, or has been altered.
    """
    public = PUBLIC[task]
    if language not in public.folders:
        raise DatasetError(
            f"{public.id} has no {languages.name(language)}",
            f"it has {' '.join(sorted(public.folders))}; "
            f'the course\'s own set has others: xl.use("mini")',
        )
    content = _parquet(_download(public, language, split), public)
    start = f"{public.id.rpartition('/')[2]}-" + ("" if public.parallel else f"{language}-")
    common: dict[str, Any] = {
        "ids": tuple(f"{start}{split}-{number}" for number in range(content.num_rows)),
        "held": ("",) * content.num_rows,
        "language": language,
        "source": f"{public.id} at {public.revision[:7]}, {split}",
    }
    if task == "ner":
        return _tagged(content, public, language, common)
    names, labels = _labels(content, public, "label")
    common |= {"names": names, "labels": tuple(labels)}
    if task == "nli":
        return Pairs(
            premises=_texts(content, public, "premise"),
            hypotheses=_texts(content, public, "hypothesis"),
            **common,
        )
    return Labelled(texts=_texts(content, public, "text"), **common)


def articles(public: PublicSet, language: str) -> tuple[str, ...]:
    """Return the texts of a public set that has nothing else, in the order of the file.

    Raises:
        as `read`.
    """
    return _texts(_parquet(_download(public, language, "train"), public), public, "text")


def _tagged(content: pa.Table, public: PublicSet, language: str, common: dict[str, Any]) -> Tagged:
    names, tags = _labels(content, public, "ner_tags")
    sentences = tuple(map(tuple, _column(content, public, "tokens")))
    for number, (sentence, row) in enumerate(zip(sentences, tags, strict=True)):
        if len(sentence) != len(row):
            raise DatasetError(
                f"{public.id}, {language}, row {number}: {len(sentence)} words, {len(row)} tags",
                'the set has changed; report it, and use xl.use("mini") meanwhile',
            )
    return Tagged(
        texts=tuple(tokens.join(sentence, language) for sentence in sentences),
        sentences=sentences,
        tags=tuple(tags),
        upos=((),) * len(sentences),
        name_marks=("",) * len(sentences),
        names=names,
        **common,
    )


# ── what is in a file ────────────────────────────────────────────────────────────────────


def _parquet(found: list[Path], public: PublicSet) -> pa.Table:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise DatasetError("reading the public data sets takes pyarrow", _INSTALL) from error
    try:
        return pa.concat_tables([pq.read_table(file) for file in found])
    except (OSError, pa.ArrowException) as error:
        raise DatasetError(
            f"a file of {public.id} is no parquet file ({str(error).splitlines()[0][:100]})",
            f"remove {found[0].parent} and run this again",
        ) from error


def _column(content: pa.Table, public: PublicSet, name: str) -> list[Any]:
    if name not in content.column_names:
        raise DatasetError(
            f"{public.id} has no column {name!r} but {', '.join(content.column_names)}",
            'the set has changed; report it, and use xl.use("mini") meanwhile',
        )
    values: list[Any] = content.column(name).to_pylist()
    if None in values:
        raise DatasetError(
            f"row {values.index(None)} of {public.id} has no {name}",
            'the set has changed; report it, and use xl.use("mini") meanwhile',
        )
    return values


def _texts(content: pa.Table, public: PublicSet, name: str) -> tuple[str, ...]:
    return tuple(_column(content, public, name))


def _labels(content: pa.Table, public: PublicSet, column: str) -> tuple[tuple[str, ...], list[Any]]:
    """Return the names of a column's numbers, as the file has them, and the values by name."""
    values = _column(content, public, column)
    names = _label_names(content.schema.metadata or {}, column)
    if not names:
        raise DatasetError(
            f"{public.id} does not say what the numbers of {column!r} mean",
            'we do not guess: report it, and use xl.use("mini") meanwhile',
        )

    def name(value: Any) -> Any:
        if isinstance(value, list):
            return tuple(map(name, value))
        if not isinstance(value, int) or not 0 <= value < len(names):
            raise DatasetError(
                f"{public.id} has the label {value!r} in {column!r}, which has no name",
                f"the names are those of 0 to {len(names) - 1}; report it",
            )
        return names[value]

    return names, [name(value) for value in values]


def _label_names(metadata: Mapping[bytes, bytes], column: str) -> tuple[str, ...]:
    """Return the label names that the library `datasets` notes in the files that it writes."""
    try:
        feature = json.loads(metadata[b"huggingface"])["info"]["features"][column]
    except (KeyError, TypeError, ValueError):
        return ()
    # A list of labels has the label as its feature.
    while isinstance(feature, dict) and "names" not in feature and "feature" in feature:
        feature = feature["feature"]
    names = feature.get("names") if isinstance(feature, dict) else None
    return tuple(map(str, names)) if isinstance(names, list) else ()


# ── bringing a file in ───────────────────────────────────────────────────────────────────


def _download(public: PublicSet, language: str, split: str) -> list[Path]:
    """Return the checked files of a language and split, downloading what is missing."""
    needs.note("rows", public.id, language, split)
    wanted = patterns(public, language, split)
    there = (cached(public, language, split, shelf.hub) for shelf in shelves.shelves())
    found = next(filter(None, there), []) or _fetched(public, wanted)
    if not found:
        raise hub.HubError(
            f"{public.id} has no whole file {wanted[0]} at {public.revision[:7]}",
            "run this again; if it stays so, report it",
        )
    hub.compare_checksums(label(public, language), found[0].parent)
    return found


def patterns(public: PublicSet, language: str, split: str) -> list[str]:
    """Return the patterns of the files of a language and split, in either of two layouts."""
    folder, name = public.folders[language], _SPLITS[split]
    return [f"{folder}/{name}-*.parquet", f"{folder}/{name}/*.parquet"]


def cached(public: PublicSet, language: str, split: str, cache: Path) -> list[Path]:
    """Return the files of a language and split in a cache; none where it lacks a part of them."""
    from huggingface_hub import errors

    wanted = patterns(public, language, split)
    try:
        folder = _snapshot(public, local_files_only=True, allow_patterns=wanted, cache_dir=cache)
    except (OSError, ValueError, errors.HfHubHTTPError):
        return []  # nothing of this commit is in the cache, or not all that fits
    return _matching(folder, wanted)


def label(public: PublicSet, language: str) -> str:
    """Return the name under which the checksums of a language's files are recorded."""
    return f"{public.id}@{public.revision[:12]}/{public.folders[language]}"


def label_of(public: PublicSet, path: str) -> str:
    """Return the same for a file of the repository."""
    return next(
        label(public, language)
        for language, folder in public.folders.items()
        if path.startswith(f"{folder}/")
    )


def _fetched(public: PublicSet, wanted: list[str]) -> list[Path]:
    from huggingface_hub import errors

    if not hub.reachable():
        raise hub.HubError(
            f"{public.id} is not in the cache and the hub cannot be reached",
            'connect once to fetch it, or work offline with xl.use("mini")',
        )
    how: dict[str, Any] = {"allow_patterns": wanted}
    if not settings.current().progress:
        how["tqdm_class"] = hub.no_bar()
    try:
        return _matching(_snapshot(public, **how), wanted)
    except errors.GatedRepoError as error:
        remedy = "sign the agreement on the data set's page, then log in (hf auth login)"
        raise hub.HubError(f"{public.id} asks for an agreement first", remedy) from error
    except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError) as error:
        raise hub.HubError(
            f"the hub has no data set {public.id} at {public.revision[:7]} any more",
            'report it, and use the course\'s own meanwhile: xl.use("mini")',
        ) from error
    except Exception as error:  # a broken line has another name in every HTTP client
        raise hub.HubError(*hub.plainly(error, public.id)) from error


def _snapshot(public: PublicSet, **how: Any) -> Path:
    from huggingface_hub import snapshot_download

    get = functools.partial(snapshot_download, repo_type="dataset", revision=public.revision)
    return Path(get(public.id, endpoint=shelves.endpoint(), token=shelves.token(), **how))


def _matching(folder: Path, patterns: list[str]) -> list[Path]:
    """Return the files of a snapshot that fit, or none when one of several parts is missing."""
    for pattern in patterns:
        found = sorted(file for file in folder.glob(pattern) if file.is_file())
        shards = [_SHARD.search(file.name) for file in found]
        wanted = {int(shard[2]) for shard in shards if shard}
        if found and (not wanted or wanted == {len(found)}):
            return found
    return []
