"""The corpus of the little world: what is said, split, labelled and held out.

* `splits`: what is held out, by hash;
* `reviews`, `news`, `scenes`, `pairs`: meanings of the three domains;
* `sets`: the committed data sets (sentiment, ner, nli), parallel in all languages;
* `pretraining`: monolingual documents and parallel sentences, made at build time;
* `audit`: what the data sets give away.
"""

from __future__ import annotations

from xlhelpers.build.corpus.audit import Audit, Shortcut, audit
from xlhelpers.build.corpus.pretraining import SWITCHED, Document, documents, parallel
from xlhelpers.build.corpus.sets import TASKS, CorpusError, forbidden, write

__all__ = [
    "SWITCHED",
    "TASKS",
    "Audit",
    "CorpusError",
    "Document",
    "Shortcut",
    "audit",
    "documents",
    "forbidden",
    "parallel",
    "write",
]
