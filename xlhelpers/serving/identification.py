"""Which language is a text in, or is that not to be said?

lingua (letter n-grams, naive Bayes) chooses among the languages that it is given. Asked among
those that are served, it is right more often, and has no word for "none of them": its
probabilities sum to 1 over the languages that it knows, and Indonesian is Swahili. So two are
asked. One knows the served languages only and chooses; the other, small and less exact, knows
all 75 and is asked one thing: is this something else?
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import re
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from xlhelpers import languages
from xlhelpers.serving._errors import ServingError
from xlhelpers.serving._service import is_blank

Verdict = Literal[
    "accepted", "given", "empty", "wordless", "unserved", "mixed", "too short", "unsure"
]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)

# Of a longer text, three parts of a third of this are read.
_MOST_CHARACTERS = 3000
# What is in no language: addresses, handles, and halves of characters, which lingua cannot take.
# No two neighbouring parts take the same sign, so that no text makes the search slow.
_SKIPPED = re.compile(
    r"(?:https?://|www\.)\S+|[a-zA-Z0-9._%+-]{1,64}@[a-zA-Z0-9-]+\.\S+|[@#]\w+|[\ud800-\udfff]"
)
_ENDS = re.compile(r"[.!?;:\n。！？；।؟]+")
# A part of a text counts as another language from this confidence on.
_LEAST_PART = 0.7
# What `regex` calls the scripts of ISO 15924 that are a form of one, or several together.
_SCRIPTS = {
    "Hans": ("Han",),
    "Hant": ("Han",),
    "Jpan": ("Han", "Hiragana", "Katakana"),
    "Kore": ("Hangul", "Han"),
}


@dataclass(frozen=True, slots=True)
class Detection:
    """What is known of a text's language.

    Attributes:
        language: its code; None unless the verdict is `"accepted"` or `"given"`.
        verdict: `"accepted"`, or why not: `"empty"`, `"wordless"` (no letters but, say, a
            smile or an address), `"unserved"` (in another language than those served), `"mixed"`
            (parts in two), `"too short"`, `"unsure"`. `"given"` where the caller said it.
        guess: the best of the served languages, whatever the verdict; None for none.
        confidence: of the guess among the served languages, 0 to 1. It does not say how likely
            it is that the text is in any of them.
        outside: the share that the languages not served have when all are asked; 0 where the
            question was not asked.
    """

    language: str | None
    verdict: Verdict
    guess: str | None = None
    confidence: float = 0.0
    outside: float = 0.0

    def json(self) -> dict[str, Any]:
        """Return it as a dictionary that `json.dumps` takes."""
        return {
            "language": self.language,
            "verdict": self.verdict,
            "guess": self.guess,
            "confidence": self.confidence,
            "outside": self.outside,
        }


@dataclass(frozen=True)
class LanguageIdentifier:
    """lingua among the languages that are served, with the right to say nothing.

    About 24 MB of memory a language served, and 95 MB for `outside`, from the first text on;
    half a millisecond a text. `benchmarks/language_id.md` has what each threshold buys.

    Attributes:
        serves: codes of two languages or more.
        least: a guess of lower confidence is `"unsure"`.
        least_short: the same for a short text, which is `"too short"` below it.
        short: a text whose letters have fewer bytes in UTF-8 is short. Bytes and not letters: a
            Chinese sign says about as much as three letters of German.
        outside: a text of which the languages not served have this share or more is
            `"unserved"`; above 1, that is not asked.
        foreign: a part of the text with this share or more, in another served language or in a
            script that the guess is not written in, makes it `"mixed"`. Parts are what ends of
            sentences separate: a change inside a sentence of one script is not seen.
    """

    serves: tuple[str, ...]
    least: float = 0.5
    least_short: float = 0.9
    short: int = 20
    outside: float = 0.99
    foreign: float = 0.3
    _lock: Any = field(default_factory=threading.Lock, init=False, repr=False, compare=False)
    _made: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        served = (self.serves,) if isinstance(self.serves, str) else tuple(self.serves)
        if len(set(served)) < 2 or len(set(served)) < len(served):
            raise ServingError(
                f"an identifier chooses among {', '.join(map(str, served)) or 'nothing'}",
                "name two languages or more, each once",
            )
        object.__setattr__(self, "serves", tuple(languages.get(code).code for code in served))
        for name in ("least", "least_short", "foreign"):
            if not 0 <= getattr(self, name) <= 1:
                raise ServingError(f"{name} is {getattr(self, name)!r}", "choose 0 to 1")
        if self.short < 0 or not self.outside > 0:
            raise ServingError(
                f"short is {self.short!r} and outside {self.outside!r}",
                "choose short from 0, and outside above 0; above 1 it is not asked",
            )

    @property
    def model_hash(self) -> str:
        """64 hexadecimal digits of all that decides a detection: what is asked, and of what."""
        try:
            version = importlib.metadata.version("lingua-language-detector")
        except importlib.metadata.PackageNotFoundError:
            version = ""
        return hashlib.sha256(f"{self!r} lingua {version}".encode()).hexdigest()

    def identify(self, text: str | Sequence[str]) -> Detection:
        """Return what is known of the language of a text, or of several that belong together.

        Raises:
            ServingError: lingua is not installed, or does not know a language that is served.
        """
        joined = text if isinstance(text, str) else "\n".join(text)
        read = _SKIPPED.sub(" ", _sampled(joined))
        weight = _weight(read)
        if not weight:
            return Detection(None, "empty" if is_blank(joined) else "wordless")
        guess, confidence = self._best(read)
        outside = self._outside(read)
        if confidence <= 0 or outside >= self.outside:
            # No served language has these letters, or all say that it is something else.
            return Detection(None, "unserved", guess if confidence > 0 else None, confidence,
                             max(outside, float(confidence <= 0)))  # fmt: skip
        verdict: Verdict = "accepted"
        if self._is_mixed(read, guess, weight):
            verdict = "mixed"
        elif weight < self.short and confidence < self.least_short:
            verdict = "too short"
        elif confidence < self.least:
            verdict = "unsure"
        accepted = guess if verdict == "accepted" else None
        return Detection(accepted, verdict, guess, confidence, outside)

    # ── inside ───────────────────────────────────────────────────────────────────────────

    def _best(self, text: str) -> tuple[str, float]:
        best = self._detector("served").compute_language_confidence_values(text)[0]
        return _code(best.language), float(best.value)

    def _outside(self, text: str) -> float:
        if self.outside > 1:
            return 0.0
        found = self._detector("all").compute_language_confidence_values(text)
        return float(sum(one.value for one in found if _code(one.language) not in self.serves))

    def _is_mixed(self, text: str, guess: str, weight: int) -> bool:
        if _weight(text, _scripts(guess)) <= (1 - self.foreign) * weight:
            return True
        other = 0
        parts = _ENDS.split(text)
        for part in parts if len(parts) > 1 else ():
            own = _weight(part)
            if own < max(self.short, 1):
                continue
            code, confidence = self._best(part)
            if code != guess and confidence >= _LEAST_PART:
                other += own
        return other > 0 and other >= self.foreign * weight

    def _detector(self, which: str) -> Any:
        """Return lingua among the served languages, or among all; made when first asked for."""
        with self._lock:
            if which not in self._made:
                self._made[which] = _lingua(self.serves if which == "served" else ())
            return self._made[which]


def identifiable() -> list[str]:
    """Return the codes of the languages that have a card here and that lingua knows, sorted.

    Raises:
        ServingError: lingua is not installed.
    """
    known = {_code(language) for language in _import().Language.all()}
    return sorted(known & set(languages.codes()))


def _import() -> Any:
    try:
        import lingua
    except ImportError as error:
        raise ServingError(
            "lingua is not installed, which tells languages apart",
            'python -m pip install "lingua-language-detector>=2.1"',
        ) from error
    return lingua


def _lingua(codes: Iterable[str]) -> Any:
    """Return a detector of the languages named, or a small one of all where none is."""
    lingua = _import()
    chosen = list(codes)
    builder = lingua.LanguageDetectorBuilder
    if not chosen:
        return builder.from_all_languages().with_low_accuracy_mode().build()
    by_code = {_code(language): language for language in lingua.Language.all()}
    strange = [code for code in chosen if code not in by_code]
    if strange:
        raise ServingError(
            f"lingua does not know {' and '.join(map(languages.name, strange))}",
            "leave it out here, and say which texts are in it: classify(texts, languages)",
        )
    return builder.from_languages(*(by_code[code] for code in chosen)).build()


def _code(language: Any) -> str:
    return str(language.iso_code_639_1.name).lower()


def _scripts(code: str) -> tuple[str, ...]:
    """Return the scripts that a language is written in, by the names of `regex`."""
    card = languages.get(code).script
    return _SCRIPTS.get(card, (card,))


def _weight(text: str, scripts: tuple[str, ...] = ()) -> int:
    """Return the bytes of a text's letters, or of those in some scripts, in UTF-8."""
    import regex

    own = "".join(rf"\p{{Script_Extensions={script}}}" for script in scripts)
    found = regex.findall(rf"[\p{{L}}&&[{own}]]+" if own else r"\p{L}+", text, flags=regex.V1)
    return sum(len(part.encode()) for part in found)


def _sampled(text: str) -> str:
    """Return a text, or the beginning, middle and end of a long one."""
    if len(text) <= _MOST_CHARACTERS:
        return text
    part = _MOST_CHARACTERS // 3
    middle = (len(text) - part) // 2
    return "\n".join((text[:part], text[middle : middle + part], text[-part:]))
