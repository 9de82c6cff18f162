"""Five open sets of real text: sentiment, topics, parts of speech and entities.

    reviews = xl.datasets.nusax("id", "train")                       # Labelled
    topics = xl.datasets.sib200("de", "test")                        # Labelled
    words = xl.datasets.universal_dependencies("de_pud", "test")     # Tagged
    news = xl.datasets.uner("de_pud", "test")                        # Tagged
    names = xl.datasets.masakhaner("yo", "test")                     # Tagged

Nobody wrote them for this course, so they say how a protocol does on text that does not flatter
it. Each file comes from a public repository at one commit into the cache, or from a folder that
`XL_SOURCES` names, and is compared with its row in `data/manifest.toml` on every load; none is in
the repository. `python3 course.py fetch "sib200/*"` brings a whole set. `OPEN_SETS` lists them.
The first two are tasks for transfer as they stand:

    xl.transfer.Task("topic", xl.datasets.sib200, "accuracy", xl.datasets.OPEN_SETS["sib200"].parts)

To whoever adds a language or a treebank: `assets.register(path, "source", licence, origin, url,
name="sib200/bul_Cyrl/test.tsv")` is all, and a card in `xlhelpers.languages` where there is none.
The sets' licences (share alike) are those of their authors; what is made of them inherits it.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from xlhelpers import assets, languages, tokens
from xlhelpers.datasets import corpus, formats
from xlhelpers.datasets.tables import DatasetError, Labelled, Tagged

# The order is that of the course's own sets, so that a classifier of one fits the other.
SENTIMENTS = corpus.NAMES["sentiment"]
TOPICS = (
    "science/technology",
    "travel",
    "politics",
    "sports",
    "health",
    "entertainment",
    "geography",
)
PARTS_OF_SPEECH = tuple(
    "ADJ ADP ADV AUX CCONJ DET INTJ NOUN NUM PART PRON PROPN PUNCT SCONJ SYM VERB X".split()
)
ENTITIES = corpus.NAMES["ner"]
_DATES = ("B-DATE", "I-DATE")

# What NusaX calls its folders, and ISO 639-3 its languages.
_NUSAX = MappingProxyType(
    {
        "acehnese": "ace",
        "balinese": "ban",
        "banjarese": "bjn",
        "buginese": "bug",
        "english": "eng",
        "indonesian": "ind",
        "javanese": "jav",
        "madurese": "mad",
        "minangkabau": "min",
        "ngaju": "nij",
        "sundanese": "sun",
        "toba_batak": "bbc",
    }
)
# FLORES names the variety where our cards have the code of the macrolanguage.
_MACRO = MappingProxyType({"arb": "ara", "swh": "swa"})

# The treebank whose sentence ids Universal NER's parallel files get back.
_PUD = "universal_dependencies/en_pud-ud-test.conllu"


@dataclass(frozen=True, slots=True)
class OpenSet:
    """One of the open sets.

    Attributes:
        name: of the loader, and of the folder in the manifest.
        task: what its labels or tags say.
        citation: author, year and venue.
        licence: of the text with its labels; the manifest has that of each file.
        note: what one should know about it.
    """

    name: str
    task: str
    citation: str
    licence: str
    note: str

    def parts(self) -> dict[str, tuple[str, ...]]:
        """Return the languages or treebanks that the loader takes, and the splits of each.

        A language stands under the code of its card, or under ISO 639-3 where it has none.

        Raises:
            AssetError: the manifest cannot be read.
        """
        rows = _rows(self.name)
        codes = _codes({key: _iso3(key) for key, _ in rows}) if self.name in _LANGUAGE_SETS else {}
        found: dict[str, list[str]] = {}
        for key, split in rows:
            found.setdefault(codes.get(key, key), []).append(split)
        return {
            key: tuple(split for split in corpus.SPLITS if split in splits)
            for key, splits in sorted(found.items())
        }


_LANGUAGE_SETS = ("nusax", "sib200", "masakhaner")

OPEN_SETS: Mapping[str, OpenSet] = MappingProxyType(
    {
        "nusax": OpenSet(
            name="nusax",
            task="sentiment: negative, neutral, positive",
            citation="Winata et al. (2023, EACL)",
            licence="CC BY-SA 4.0",
            note="Indonesian comments and reviews, put by people into ten local languages and "
            "English; 500, 100 and 400 rows, parallel",
        ),
        "sib200": OpenSet(
            name="sib200",
            task="topic, seven classes",
            citation="Adelani et al. (2024, EACL); the text is FLORES-200 (NLLB Team, 2022)",
            licence="CC BY-SA 4.0 (text), Apache-2.0 (labels)",
            note="sentences of Wikimedia projects in English and their translations; 701, 99 and "
            "204 rows, parallel; labelled in English, the labels carried over",
        ),
        "universal_dependencies": OpenSet(
            name="universal_dependencies",
            task="parts of speech",
            citation="de Marneffe et al. (2021, Computational Linguistics); PUD: Zeman et al. "
            "(2017, CoNLL); English EWT: Silveira et al. (2014, LREC)",
            licence="CC BY-SA 3.0 or 4.0, by treebank",
            note="PUD: 1,000 sentences of news and Wikipedia, test only, parallel; the dev and "
            "test splits of English EWT, German GSD and Indonesian GSD",
        ),
        "uner": OpenSet(
            name="uner",
            task="entities: PER, ORG, LOC",
            citation="Mayhew et al. (2024, NAACL)",
            licence="CC BY-SA, EWT 4.0",
            note="Universal NER on the sentences of PUD (test only, parallel) and English EWT; "
            "each file is signed by one annotator",
        ),
        "masakhaner": OpenSet(
            name="masakhaner",
            task="entities: PER, ORG, LOC; dates are left out here",
            citation="Adelani et al. (2022, EMNLP), MasakhaNER 2.0",
            licence="CC BY-NC 4.0 as its repository says; the hub's copy says AFL-3.0",
            note="news in African languages, tagged by native speakers; the course lists 4 of 20",
        ),
    }
)


# ── the loaders ──────────────────────────────────────────────────────────────────────────


def nusax(lang: str, split: corpus.Split = "train") -> Labelled:
    """Return comments and reviews labelled negative, neutral or positive (NusaX-Senti).

    Ids run through the twelve languages and never through two splits. About 38 % of each split
    is negative, 38 % positive, 24 % neutral. Texts are as in the file, blanks at their ends
    aside; some have line ends inside.

    Args:
        lang: ISO 639-3 (`"ace"`), NusaX's own name (`"acehnese"`), or the code of a card
            (`"id"`). The table's `language` is the card's code where there is a card.
        split: `"train"` (500 rows), `"dev"` (100; NusaX says "valid") or `"test"` (400).

    Raises:
        DatasetError: the set lacks the language or split, or the file is not in its format.
        AssetError: the file cannot be had, or has been altered.
    """
    folder, code = _language("nusax", lang, split)
    asset = assets.get(_name("nusax", folder, split))
    return _labelled(asset, ",", ("id", "text", "label"), SENTIMENTS, code)


def sib200(lang: str, split: corpus.Split = "train") -> Labelled:
    """Return sentences with one of seven topics (SIB-200).

    Ids are FLORES-200's and run through the languages, never through two splits.

    Args:
        lang: FLORES code (`"deu_Latn"`), its first three letters, or the code of a card (`"de"`).
            The table's `language` is the card's code where there is a card.
        split: `"train"` (701 rows), `"dev"` (99) or `"test"` (204).

    Raises:
        as `nusax`.
    """
    folder, code = _language("sib200", lang, split)
    asset = assets.get(_name("sib200", folder, split))
    return _labelled(asset, "\t", ("index_id", "text", "category"), TOPICS, code)


def universal_dependencies(treebank: str, split: corpus.Split = "test") -> Tagged:
    """Return sentences with the universal part of speech of every word, from a UD treebank.

    `tags` are the parts of speech, as in `upos`; `names` are all 17, whether the treebank has
    them or not, so that one tagger fits every treebank. Words are syntactic words: German *am*
    is *an* and *dem*, as the dependencies see it, while `texts` are as written. Empty nodes,
    which stand for words that were left out, are none of the words. A word may have a blank in
    it (French *100 000*).

    The id is the treebank's sentence id after its name, `"en_ewt/..."`. The sentences of PUD say
    the same in every language and have `"pud/..."`, as UD's own `parallel_id`.

    Args:
        treebank: language and treebank as UD's file names have them (`"de_pud"`, `"en_ewt"`).
        split: `"dev"` or `"test"`; PUD is test alone.

    Raises:
        as `nusax`.
    """
    asset = _treebank("universal_dependencies", treebank, split)
    rows = formats.parse_conllu(_text(asset), asset.name, PARTS_OF_SPEECH)
    upos = tuple(row.tags for row in rows)
    return _tagged(rows, [row.id for row in rows], upos, PARTS_OF_SPEECH, asset, treebank)


def uner(treebank: str, split: corpus.Split = "test") -> Tagged:
    """Return sentences with their entities (PER, ORG, LOC; IOB2), from Universal NER.

    Ids are those of `universal_dependencies`: the same sentence has the same id in both. The
    parallel files number their sentences anew and not all in the same order; they get PUD's ids
    back by way of the English PUD, which is fetched as well. Words are those of UD, of an older
    release for some sentences. The names of the tags, and their order, are those of the course's
    own set. `upos` is empty.

    Args:
        treebank: `"de_pud"`, `"en_pud"`, `"pt_pud"`, `"zh_pud"` or `"en_ewt"`.
        split: `"dev"` or `"test"`; PUD is test alone.

    Raises:
        as `nusax`.
    """
    asset = _treebank("uner", treebank, split)
    rows = formats.parse_iob2(_text(asset), asset.name, ENTITIES)
    for row in rows:
        if fault := corpus.iob2_fault(list(row.tags)):
            raise DatasetError(
                f"{asset.name}, before line {row.line}: {fault!r} is not IOB2 in its place",
                formats.REPORT,
            )
    ids = [row.id for row in rows]
    if treebank.endswith("_pud"):
        ids = pud_ids(ids, formats.sentence_ids(_text(assets.get(_PUD))), asset.name)
    return _tagged(rows, ids, ((),) * len(rows), ENTITIES, asset, treebank)


def masakhaner(lang: str, split: corpus.Split = "train") -> Tagged:
    """Return news in an African language with its entities (PER, ORG, LOC; IOB2): MasakhaNER 2.0.

    Dates, which the set tags as well, are outside any entity here, so that one tagger fits this
    set and ours. Two entities of the Yoruba files begin with an I-; they get their B-. Words are
    as in the file, where letters with marks stand in several forms of Unicode; `texts` are the
    words with blanks between them. The files have no ids: rows are numbered. `upos` is empty.

    Args:
        lang: `"ha"`, `"ig"`, `"sw"`, `"yo"`, or their ISO 639-3 codes.
        split: `"train"`, `"dev"` or `"test"`.

    Raises:
        as `nusax`.
    """
    folder, code = _language("masakhaner", lang, split)
    asset = assets.get(_name("masakhaner", folder, split))
    rows = [
        replace(row, text=tokens.join(row.words, code), tags=_without_dates(row.tags))
        for row in formats.parse_word_tag(_text(asset), asset.name, (*ENTITIES, *_DATES))
    ]
    ids = [f"{split}-{row.id}" for row in rows]
    return _tagged(rows, ids, ((),) * len(rows), ENTITIES, asset, f"{code}_masakhaner")


def _without_dates(tags: Sequence[str]) -> tuple[str, ...]:
    found: list[str] = []
    for tag in tags:
        said = "O" if tag in _DATES else tag
        # An entity that goes on from nothing begins here.
        orphan = said.startswith("I-") and (found[-1][2:] if found else "") != said[2:]
        found.append(f"B-{said[2:]}" if orphan else said)
    return tuple(found)


# ── which file ───────────────────────────────────────────────────────────────────────────


def _language(which: str, lang: str, split: str) -> tuple[str, str]:
    """Return the folder and the table's code of a language.

    Raises:
        DatasetError: there is no such language or split; names the nearest.
    """
    _check_split(split)
    folders = {folder: _iso3(folder) for folder, _ in _rows(which)}
    codes = _codes(folders)
    known: dict[str, str] = {}
    for folder, iso3 in folders.items():
        for alias in (folder, codes[folder], _MACRO.get(iso3, iso3), iso3):
            known.setdefault(alias, folder)
    if lang not in known:
        cards = {card.code: card.name for card in languages.all()}
        names = {alias: codes[folder] for alias, folder in known.items()}
        names |= {cards[code]: code for code in codes.values() if code in cards}
        remedy = f"it has {' '.join(sorted(codes.values()))}"
        raise DatasetError(f"{which} has no language {lang!r}", _nearest(lang, names, remedy))
    _check_listed(which, known[lang], split)
    return known[lang], codes[known[lang]]


def _treebank(which: str, treebank: str, split: str) -> assets.Asset:
    _check_split(split)
    known = {key for key, _ in _rows(which)}
    if treebank not in known:
        cards = {card.code: card.name for card in languages.all()}
        also = {key: key for key in known}
        also |= {
            cards[key.partition("_")[0]]: key
            for key in sorted(known, reverse=True)
            if key.partition("_")[0] in cards
        }
        remedy = f"it has {' '.join(sorted(known))}"
        raise DatasetError(
            f"{which} has no treebank {treebank!r}", _nearest(treebank, also, remedy)
        )
    _check_listed(which, treebank, split)
    return assets.get(_name(which, treebank, split))


def _check_split(split: str) -> None:
    if split not in corpus.SPLITS:
        also = ' ("dev" is what others call validation)' if str(split).startswith("val") else ""
        raise DatasetError(f"there is no split {split!r}", f"choose train, dev or test{also}")


def _check_listed(which: str, key: str, split: str) -> None:
    splits = [found for part, found in _rows(which) if part == key]
    if split not in splits:
        raise DatasetError(
            f"the course lists no {split} split of {key} in {which}",
            f"it lists {' and '.join(s for s in corpus.SPLITS if s in splits)}",
        )


def _nearest(asked: object, known: Mapping[str, str], otherwise: str) -> str:
    """Return a remedy that names what looks like `asked`: a code, or what the name stands for."""
    lower = {alias.lower(): value for alias, value in known.items()}
    wanted = str(asked).lower().replace("-", "_")
    close = [wanted] if wanted in lower else [a for a in lower if a.startswith(f"{wanted}_")]
    close = close or difflib.get_close_matches(wanted, lower, n=3, cutoff=0.7)
    found = dict.fromkeys(lower[alias] for alias in close)
    return f"did you mean {' or '.join(map(repr, found))}?" if found else otherwise


def _rows(which: str) -> list[tuple[str, str]]:
    """Return (folder or treebank, split) of every file of a set that the manifest lists.

    Raises:
        DatasetError: it lists none.
    """
    found = []
    for name in assets.manifest():
        if name.startswith(f"{which}/"):
            stem = name.removeprefix(f"{which}/").rpartition(".")[0]
            key, _, split = stem.replace("-ud-", "/").partition("/")
            found.append((key, "dev" if split == "valid" else split))
    if not found:
        raise DatasetError(f"the manifest lists no file of {which}", assets.repair(assets.MANIFEST))
    return found


def _name(which: str, key: str, split: str) -> str:
    """Return the name in the manifest; the end of it is the file's name at its source."""
    if which == "nusax":
        return f"nusax/{key}/{'valid' if split == 'dev' else split}.csv"
    if which == "sib200":
        return f"sib200/{key}/{split}.tsv"
    if which == "masakhaner":
        return f"masakhaner/{key}/{split}.txt"
    ending = "conllu" if which == "universal_dependencies" else "iob2"
    return f"{which}/{key}-ud-{split}.{ending}"


def _iso3(folder: str) -> str:
    return _NUSAX.get(folder, folder.partition("_")[0])


def _codes(folders: Mapping[str, str]) -> dict[str, str]:
    """Return by folder the code of the language's card, or ISO 639-3 where it has none."""
    cards = {card.iso3: card.code for card in languages.all()}
    return {folder: cards.get(_MACRO.get(iso3, iso3), iso3) for folder, iso3 in folders.items()}


# ── what is in a file ────────────────────────────────────────────────────────────────────


def _text(asset: assets.Asset) -> str:
    """Return the content of a file that is as the manifest says.

    Raises:
        AssetError: it cannot be had, or is another; without a network, names `XL_SOURCES`.
        DatasetError: it is not UTF-8, has Windows line ends, or is empty.
    """
    try:
        content = assets.read_bytes(asset.name)
    except assets.AssetError as error:
        if asset.file.exists() or "XL_SOURCES" in error.remedy:
            raise
        also = "or name a folder that holds a copy of it in XL_SOURCES"
        raise assets.AssetError(error.problem, f"{error.remedy}; {also}") from error
    return formats.decoded(content, asset.name)


def _labelled(
    asset: assets.Asset,
    separator: str,
    columns: tuple[str, str, str],
    names: Sequence[str],
    language: str,
) -> Labelled:
    rows = formats.parse_table(_text(asset), asset.name, separator, columns, names)
    start = asset.name.partition("/")[0]
    return Labelled(
        ids=tuple(f"{start}/{id_}" for id_, _, _ in rows),
        texts=tuple(text for _, text, _ in rows),
        labels=tuple(label for _, _, label in rows),
        names=tuple(names),
        held=("",) * len(rows),
        language=language,
        source=_source(asset),
    )


def _tagged(
    rows: Sequence[formats.Sentence],
    ids: Sequence[str],
    upos: tuple[tuple[str, ...], ...],
    names: Sequence[str],
    asset: assets.Asset,
    treebank: str,
) -> Tagged:
    language, _, name = treebank.partition("_")
    # Sentence ids are unique in a treebank only: "dev-s1" is one of German GSD and another of
    # Indonesian GSD.
    start = "pud" if name == "pud" else treebank
    return Tagged(
        ids=tuple(f"{start}/{id_}" for id_ in ids),
        texts=tuple(row.text for row in rows),
        sentences=tuple(row.words for row in rows),
        tags=tuple(row.tags for row in rows),
        upos=upos,
        names=tuple(names),
        name_marks=("",) * len(rows),
        held=("",) * len(rows),
        language=language,
        source=_source(asset),
    )


def pud_ids(own: Sequence[str], ids: Sequence[str], name: str) -> list[str]:
    """Return PUD's sentence ids for those of a parallel file of Universal NER.

    Such a file counts within documents (`n01001-0002` is the second sentence of document n01001)
    or through batches of the whole in PUD's order (`batch-0000-0002`).

    Args:
        own: the file's ids, in its order; `name` is for messages.
        ids: PUD's ids in PUD's order; the first six signs are the document.

    Raises:
        DatasetError: the two do not fit.
    """
    if all(id_.startswith("batch-") for id_ in own):
        found = list(ids)
    else:
        seen: Counter[str] = Counter()
        places = {}
        for id_ in ids:
            seen[id_[:6]] += 1
            places[f"{id_[:6]}-{seen[id_[:6]]:04}"] = id_
        found = [places[id_] for id_ in own if id_ in places]
    if len(found) != len(own):
        raise DatasetError(
            f"{name} has {len(own)} sentences, and PUD, of which they should be, has {len(found)} "
            "that fit",
            formats.REPORT,
        )
    return found


def _source(asset: assets.Asset) -> str:
    return f"{asset.name} ({asset.origin})"
