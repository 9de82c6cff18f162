"""The grammar of the little world: from meanings to sentences in every language.

`world.toml` says what can be said, `<code>.toml` how a language says it; the format is in
`data/grammar/README.md`. Authors check a file with

    python -m xlhelpers.build.grammar check de
    python -m xlhelpers.build.grammar show de review.plain --n 5 --beside en
    python -m xlhelpers.build.grammar tags de
"""

from __future__ import annotations

from xlhelpers.build.grammar.check import check
from xlhelpers.build.grammar.language import Fault, Grammar, MissingFormError, load, read
from xlhelpers.build.grammar.realise import Sentence, realise
from xlhelpers.build.grammar.world import (
    Activity,
    Filler,
    GrammarError,
    Meaning,
    Quality,
    Template,
    World,
    load_world,
)

__all__ = [
    "Activity",
    "Fault",
    "Filler",
    "Grammar",
    "GrammarError",
    "Meaning",
    "MissingFormError",
    "Quality",
    "Sentence",
    "Template",
    "World",
    "check",
    "load",
    "load_world",
    "read",
    "realise",
]
