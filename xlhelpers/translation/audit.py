"""Does a label survive translation? A "not" that gets lost turns an opinion round.

Negation is looked for by its words: a list a language, and for Swahili the prefixes of verbs.
Such lists err, so `negation_audit` is to be run on translations by people first: what it finds
amiss there is its own error, and the least that it will find anywhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

import regex

from xlhelpers import languages
from xlhelpers.translation.translator import TranslationError

if TYPE_CHECKING:
    import pandas as pd

# Words that deny, as patterns on case-folded text; "without" is none of them, since languages say
# it with a verb, a case or a preposition.
_PATTERNS: Mapping[str, str] = MappingProxyType(
    {
        "de": r"\b(nicht|nichts|nie|niemals|niemand(en|em)?|kein(e|en|em|er|es|erlei)?|nirgends|"
        r"keineswegs|weder|nein)\b",
        "en": r"\b(not|no|never|nobody|nothing|none|nor|neither|nowhere|cannot)\b|n['’]t\b",
        "es": r"\b(no|nunca|jamás|nadie|nada|ningún|ningun[oa]s?|ni|tampoco)\b",
        "fr": r"\bn['’]|\b(ne|pas|jamais|rien|personne|aucune?|ni|non)\b",
        "nl": r"\b(niet|niets|nooit|niemand|geen|nergens|noch|nee)\b",
        "pt": r"\b(não|nunca|jamais|ninguém|nada|nenhum(a|as|ns)?|nem|tampouco)\b",
        # A verb denies by its beginning and, in the present, by its end; relative forms by -si-.
        "sw": r"\b(?:si|sio|siyo|hapana|kamwe|wala|hakuna|hamna)\b"
        r"|\b(?!(?:siku|sikukuu|hata|hali|halisi|hadi|haki|hamsini|huja|huku|hadithi|habari|sisi"
        r"|siri|hivi|hasi|haja|hati|hatari|hatua|hatimaye|sita|sitini)\b|siki[al])"
        r"(?:ha(?:tu|m|wa|u|i|li|ya|ki|vi|zi|ku|pa|mu)?|si|hu)"
        r"(?:(?:ku|ja|ta)\w+|na\b|wezi\w*|\w{2,}i\b)"
        r"|\b(?:a|wa|i|ya|zi|u|li|ki|vi|ku)si(?:yo|ye|o)\w*|\b[um]si\w{3,}e\b"
        r"|\bkuto(?:ku\w+|(?!k|sh|a)\w{3,})",
        # Not in words that mean something else: however, about the same, special, future …
        "zh": r"(?<!差)不(?!过|同|仅|但|断|久|管|论|少|愧|禁|得不)|没(?!收)|無|无(?!论|锡)"
        r"|未(?!来)|"
        r"(?<![特区个分级告道送离])别(?!的|人|墅|致|扭)",
    }
)


def negation_languages() -> list[str]:
    """Return the codes of the languages whose negation is known, sorted."""
    return sorted(_PATTERNS)


def negated(text: str, language: str) -> list[str]:
    """Return the words of a text that deny, in their order.

    Raises:
        TranslationError: nothing is known of the language's negation.
    """
    if language not in _PATTERNS:
        raise TranslationError(
            f"nothing is known here of negation in {languages.name(language)}",
            f"choose among {', '.join(_PATTERNS)}",
        )
    found = regex.finditer(_PATTERNS[language], text.casefold())
    return [match.group() for match in found]


def negation_audit(
    sources: Sequence[str],
    translations: Sequence[str],
    source_language: str,
    target_language: str,
) -> pd.DataFrame:
    """Return, for each text, whether it denies something and whether its translation does.

    Args:
        sources: n texts.
        translations: what each became.
        source_language, target_language: codes.

    Returns:
        Columns `source`, `translation`, `denies` (words of the source), `then` (of the
        translation) and `outcome`: `"kept"`, `"lost"`, `"added"` or `"none"` (on neither side).
        `outcome.value_counts()` is the audit; rows that are `"lost"` want reading.

    Raises:
        TranslationError: nothing is known of a language's negation, or numbers differ.
    """
    import pandas as pd

    if len(sources) != len(translations):
        raise TranslationError(
            f"{len(sources)} sources and {len(translations)} translations", "give one for each"
        )
    rows = []
    for source, translation in zip(sources, translations, strict=True):
        before, after = negated(source, source_language), negated(translation, target_language)
        outcome = {(True, True): "kept", (True, False): "lost", (False, True): "added"}
        rows.append(
            {
                "source": source,
                "translation": translation,
                "denies": " ".join(before),
                "then": " ".join(after),
                "outcome": outcome.get((bool(before), bool(after)), "none"),
            }
        )
    return pd.DataFrame(rows, columns=["source", "translation", "denies", "then", "outcome"])
