"""The course's data, by task, language and split; real sets behind the same calls.

    reviews = xl.datasets.sentiment("de", "test")   # Labelled: ids, texts, labels
    news = xl.datasets.ner("de", "test")            # Tagged: sentences in words, tags
    pairs = xl.datasets.nli("de", "test")           # Pairs: premises, hypotheses, labels
    rows = xl.datasets.parallel(["en", "de", "sw"])  # the same rows in each of them
    words = xl.datasets.lexicon("en", "de")         # a bilingual dictionary

In the `mini` set these are ours (`data/corpus`, `data/dictionaries`); in the `hub` set public
ones take their place (`PUBLIC` lists them, with licences and what they lack). `handwritten`
and `everyday` (24 sentences in 21 languages) are ours in both. Beside these stand five open
sets of real text (`OPEN_SETS`), the same in both: `nusax`, `sib200`, `universal_dependencies`,
`uner` and `masakhaner`.

A language that was contributed (`languages.CONTRIBUTED`, such as Italian) is had by name from
every call that takes one, and stands in a list only where `contributed=True` asks for it.
"""

from __future__ import annotations

from xlhelpers.datasets.corpus import SPLITS
from xlhelpers.datasets.dictionaries import (
    Entry,
    Lexicon,
    _backwards,
    dictionary_languages,
    lexicon,
    parse_lexicon,
    side,
)
from xlhelpers.datasets.everyday import everyday, everyday_words, parse_everyday
from xlhelpers.datasets.handwriting import (
    handwritten,
    handwritten_languages,
    parse_entities,
    parse_handwritten,
)
from xlhelpers.datasets.open_sets import (
    OPEN_SETS,
    OpenSet,
    masakhaner,
    nusax,
    sib200,
    uner,
    universal_dependencies,
)
from xlhelpers.datasets.public import PUBLIC, PublicSet
from xlhelpers.datasets.tables import DatasetError, Labelled, Pairs, Parallel, Table, Tagged
from xlhelpers.datasets.tasks import available, ner, nli, parallel, sentiment
from xlhelpers.datasets.unlabelled import WIKIPEDIA, unlabelled, world_lexicon

__all__ = [
    "OPEN_SETS",
    "PUBLIC",
    "SPLITS",
    "WIKIPEDIA",
    "DatasetError",
    "Entry",
    "Labelled",
    "Lexicon",
    "OpenSet",
    "Pairs",
    "Parallel",
    "PublicSet",
    "Table",
    "Tagged",
    "_backwards",
    "available",
    "dictionary_languages",
    "everyday",
    "everyday_words",
    "handwritten",
    "handwritten_languages",
    "lexicon",
    "masakhaner",
    "ner",
    "nli",
    "nusax",
    "parallel",
    "parse_entities",
    "parse_everyday",
    "parse_handwritten",
    "parse_lexicon",
    "sentiment",
    "sib200",
    "side",
    "uner",
    "universal_dependencies",
    "unlabelled",
    "world_lexicon",
]
