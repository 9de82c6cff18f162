"""Entities as places in a text: start and end, as they were written, in any script.

    served = xl.serving.MultilingualNER.load("NER")
    served.find(["Barack Obama met Angela Merkel in Berlin."], ["en"])[0].json()

Words are cut at places of the text, never put together again from the model's pieces, so
`text[span.start:span.end] == span.text` whatever the text holds. A span never divides a letter
from its accents or an emoji in two. A long text is read in windows that overlap, and a word's tag
comes from the window that has context on both sides of it.
"""

from __future__ import annotations

import html as _html
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
import regex
from numpy.typing import NDArray

from xlhelpers import finetuning, languages, tokens
from xlhelpers.serving import batching, calibration
from xlhelpers.serving._errors import ServingError
from xlhelpers.serving._service import MAX_CHARACTERS, TOKENIZING, Service
from xlhelpers.serving.backends import Backend, Floats, backend
from xlhelpers.serving.calibration import Calibration, Doubles

Place = tuple[int, int]
# text → start and end of its words.
Segmenter = Callable[[str], Iterable[Place]]

# How tag sets write the first, inner, last and only word of an entity.
_TAG = regex.compile(r"([BIESLU])[-_](.+)")
_BEGINS, _ENDS = frozenset("BSU"), frozenset("ESLU")

# Backgrounds on which black text has a contrast of 13 or more.
_COLOURS = {"PER": "#cfe4f5", "ORG": "#f9e3b4", "LOC": "#cdeadd"}
_OTHER = "#e6e6e6"


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """An entity in a text.

    Attributes:
        start, end: in characters of the text as Python counts them (code points), end not
            included. JavaScript and Java count an emoji as two.
        label: its type, such as `"PER"`.
        score: mean probability of the type over the words, 0 to 1.
        text: the text between start and end.
        below_threshold: the score is lower than the language's threshold.
    """

    start: int
    end: int
    label: str
    score: float
    text: str
    below_threshold: bool = False

    def json(self) -> dict[str, Any]:
        """Return it as a dictionary that `json.dumps` takes."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Entities:
    """What a recogniser finds in one text.

    Attributes:
        index: the text's place among those that were asked.
        spans: in the order of the text; none overlaps another.
        language: as it was said; None where it was not.
        tokens: pieces of the text.
        windows: parts in which the text was read; 1 for most, 0 for a blank text.
        model_hash: of the model that answered.
        route: the way that a router sent the text; empty without one.
    """

    index: int
    spans: tuple[Span, ...]
    language: str | None
    tokens: int
    windows: int
    model_hash: str = field(repr=False)
    route: str = ""

    def json(self) -> dict[str, Any]:
        """Return it as a dictionary that `json.dumps` takes; of the text it has the entities."""
        return {
            "index": self.index,
            "entities": [span.json() for span in self.spans],
            "language": self.language,
            "tokens": self.tokens,
            "windows": self.windows,
            "model_hash": self.model_hash,
            "route": self.route,
        }


class MultilingualNER(Service[Entities]):
    """A trained recogniser of entities in several languages.

    Attributes:
        segmenters: what cuts texts into words, by language; others are cut by `words_of`.
    """

    def __init__(
        self, backend: Backend, segmenters: Mapping[str, Segmenter] | None = None, **how: Any
    ) -> None:
        super().__init__(backend, **how)
        self.segmenters = dict(segmenters or {})
        self._types = _Types.of_names(backend.names)

    @classmethod
    def load(
        cls,
        what: str | Path | tuple[Any, Any] | Backend | Any,
        *,
        names: Sequence[str] | None = None,
        calibration: Calibration | str | Path | None = None,
        serves: Iterable[str] | None = None,
        window: int | None = None,
        stride: int | None = None,
        budget: int = batching.BUDGET,
        max_characters: int = MAX_CHARACTERS,
        segmenters: Mapping[str, Segmenter] | None = None,
    ) -> Self:
        """Return a recogniser of a trained checkpoint; a head that was never trained is refused.

        Args:
            what: a role such as `"NER"`, a hub id, a folder, (model, tokenizer), what
                `finetuning.train_tagger` returns, or a `Backend`.
            names: the tags in the order of the outputs, for a checkpoint that calls them
                LABEL_0, LABEL_1 …; else they come from its configuration.
            stride: pieces that neighbouring windows share; left out, a quarter of a window.
            calibration, serves, window, budget, max_characters: as `MultilingualClassifier`.
            segmenters: language → function that gives start and end of a text's words, for
                those that write words together. A tagger that has learned from words finds
                little without: `{"zh": lambda text: [w[1:] for w in jieba.tokenize(text)]}`.

        Raises:
            ServingError: no trained recogniser, tags that are not of entities (B-PER, I-PER, O
                and the like), or an argument out of range.
            HubError: the checkpoint cannot be loaded, or lacks a trained head.
        """
        return cls(
            backend(what, "tagging", names),
            segmenters=segmenters,
            calibration=calibration,
            serves=serves,
            window=window,
            stride=stride,
            budget=budget,
            max_characters=max_characters,
        )

    @property
    def labels(self) -> tuple[str, ...]:
        """The types of entities, such as PER, LOC and ORG, in alphabetical order."""
        return tuple(sorted(set(self._types.kinds)))

    def find(
        self, texts: Sequence[str], languages: Sequence[str | None] | None = None
    ) -> list[Entities]:
        """Return the entities of each text, in the order of the texts; a blank one has none.

        Args:
            texts: n texts as written.
            languages: n codes, which say how words are cut at an apostrophe and which
                temperature and threshold hold; None where it is not known.

        Raises:
            ServingError: a text is too long, no text, or in a language that is not served; the
                message names its place, and `attempt` answers the others. So it does where a
                segmenter fails, or gives words that are not in the text or not in order, and
                where a single letter has more pieces than the model reads at once.
            FineTuningError: the model's outputs are not finite.
        """
        return self._all(texts, languages)

    def html(self, text: str, language: str | None = None) -> str:
        """Return a text with its entities in colour and their types beside them, as safe HTML.

        Raises:
            ServingError, FineTuningError: as `find`.
            UnknownLanguageError: there is no card for the language, though `find` answers: a
                page has to know its direction.
        """
        [found] = self.find([text], [language])
        return html(text, found.spans, language)

    def calibrate(
        self,
        sentences: Sequence[Sequence[str]],
        tags: Sequence[Sequence[str]],
        languages: Sequence[str | None] | None = None,
        *,
        at_least: int = 100,
        accuracy: float | None = None,
    ) -> Calibration:
        """Fit temperatures on the words that the model takes for part of an entity, and use them.

        Words that it leaves alone are the great majority, and nearly all right: with them
        every model looks calibrated, and no span has them in its score.

        Args:
            sentences: n lists of words that the model was not trained on.
            tags: n lists of right tags, one a word.
            languages: n codes; left out, one temperature for all.
            at_least: a language with fewer such words has the temperature of all.
            accuracy: as `MultilingualClassifier.calibrate`, of words.

        Raises:
            ServingError: a tag is unknown, lengths differ, or fewer than 5 words are taken for
                part of an entity.
            FineTuningError: a word is no string.
        """
        codes = self._languages(sentences, languages)
        places = {name: i for i, name in enumerate(self.names)}
        rows: list[Floats] = []
        gold: list[int] = []
        of: list[str | None] = []
        _require_tags(sentences, tags, places)
        logits, _, _ = self._word_logits(sentences)
        for found, right, code in zip(logits, tags, codes, strict=True):
            for row, tag in zip(found, right, strict=True):
                if self._types.of[int(row.argmax())] is not None:
                    rows.append(row)
                    gold.append(places[tag])
                    of.append(code)
        if len(rows) < 5:
            raise ServingError(
                f"the model takes {len(rows)} of these words for part of an entity",
                "give more sentences; a few hundred are useful",
            )
        made = calibration.fit(
            np.stack(rows),
            gold,
            of,
            model_hash=self.model_hash,
            at_least=at_least,
            accuracy=accuracy,
        )
        return self._use(made, keep_thresholds=accuracy is None)

    # ── inside ───────────────────────────────────────────────────────────────────────────

    def _settings(self) -> dict[str, Any]:
        return {**super()._settings(), "segmenters": sorted(self.segmenters)}

    def _say(
        self, texts: Sequence[Any], codes: Sequence[str | None], numbers: Sequence[int]
    ) -> list[Entities | ServingError]:
        cut = [self._cut(text, code) for text, code in zip(texts, codes, strict=True)]
        words = [
            [] if isinstance(places, ServingError) else [text[start:end] for start, end in places]
            for text, places in zip(texts, cut, strict=True)
        ]
        logits, pieces, windows = self._word_logits(words)
        return [
            places
            if isinstance(places, ServingError)
            else Entities(
                index=numbers[i],
                spans=tuple(self._spans(texts[i], places, logits[i], codes[i])),
                language=codes[i],
                tokens=pieces[i],
                windows=windows[i],
                model_hash=self.model_hash,
            )
            for i, places in enumerate(cut)
        ]

    def _cut(self, text: str, language: str | None) -> list[Place] | ServingError:
        """Return a text's words, those in parts that no window holds, or why it has none."""
        try:
            words = self._words(text, language)
            return [part for place in words for part in self._parts(text, place)]
        except ServingError as error:
            return error

    def _parts(self, text: str, place: Place) -> Iterator[Place]:
        """Yield a word in parts that a window holds, divided between letters."""
        start, end = place
        if self._is_held(text[start:end]):
            yield place
            return
        ends = [start + match.end() for match in regex.finditer(r"\X", text[start:end])]
        if len(ends) == 1:
            raise ServingError(
                f"a letter with all its marks has more pieces than the {self.window} that the "
                "model reads at once",
                "leave such letters out",
            )
        middle = ends[len(ends) // 2 - 1]
        yield from self._parts(text, (start, middle))
        yield from self._parts(text, (middle, end))

    def _is_held(self, word: str) -> bool:
        """Whether a window holds all pieces of a word."""
        if self.window is None:
            return True
        room = self.window - int(self.tokenizer.num_special_tokens_to_add(pair=False))
        # No tokenizer makes more pieces than bytes, and one for the blank before the word.
        if len(unicodedata.normalize("NFKD", word).encode()) < room:
            return True
        with TOKENIZING:
            [[pieces]], _, _ = finetuning.pieces_of_words(self.tokenizer, [[word]])
        return len(pieces) <= room

    def _words(self, text: str, language: str | None) -> list[Place]:
        segment = self.segmenters.get(language or "")
        if segment is None:
            return words_of(text, language, self.tokenizer)
        try:
            places = [(int(start), int(end)) for start, end in segment(text)]
        except Exception as error:  # somebody else's function
            raise ServingError(
                f"the segmenter of {language!r} failed ({type(error).__name__})",
                "let it return start and end of each word, from left to right",
            ) from error
        edges = [0, *(edge for place in places for edge in place), len(text)]
        if edges != sorted(edges):
            raise ServingError(
                f"the segmenter of {language!r} gives words that are not in the text, or not in "
                "order",
                "let it return start and end of each word, from left to right",
            )
        return _whole_letters(text, [(a, b) for a, b in places if text[a:b].strip()])

    def _word_logits(
        self, sentences: Sequence[Sequence[str]]
    ) -> tuple[list[Floats], list[int], list[int]]:
        """Return logits (words, k), pieces and windows of each sentence."""
        filled = [i for i, words in enumerate(sentences) if len(words)]
        limit = sys.maxsize if self.window is None else self.window
        with TOKENIZING:
            windows, lengths = finetuning.word_windows(
                self.tokenizer, [list(sentences[i]) for i in filled], limit, self.stride
            )
        k = len(self.names)
        found = [np.zeros((len(sentences[i]), k), dtype=np.float32) for i in filled]
        logits = self._run([{"input_ids": window.ids} for window in windows])
        count = [0] * len(filled)
        for window, row in zip(windows, logits, strict=True):
            window.put(row, found)
            count[window.sentence] += 1
        nothing = np.zeros((0, k), dtype=np.float32)
        out, pieces, parts = [nothing] * len(sentences), [0] * len(sentences), [0] * len(sentences)
        for place, i in enumerate(filled):
            out[i], pieces[i], parts[i] = found[place], lengths[place], count[place]
        return out, pieces, parts

    def _spans(
        self, text: str, places: Sequence[Place], logits: Floats, language: str | None
    ) -> Iterator[Span]:
        chances = calibration.probabilities(logits, self.calibration.temperature_of(language))
        threshold = self.calibration.threshold_of(language)
        tags = [self.names[i] for i in self._types.best(logits)]
        for first, last, label in runs_of(tags):
            score = self._types.score(chances[first:last], label)
            start, end = places[first][0], places[last - 1][1]
            yield Span(start, end, label, score, text[start:end], score < threshold)


@dataclass(frozen=True, slots=True)
class _Types:
    """What the tags mean.

    Attributes:
        of: the type of each tag, None for those outside entities.
        barred: (k + 1, k) which tag cannot follow which, the last row for the first word.
    """

    of: tuple[str | None, ...]
    barred: NDArray[np.bool_]

    @classmethod
    def of_names(cls, names: Sequence[str]) -> _Types:
        """Read the tags' names.

        Raises:
            ServingError: they are not those of entities.
        """
        matches = [_TAG.fullmatch(name) for name in names]
        if "O" not in names or sum(match is None for match in matches) > 1:
            raise ServingError(
                f"the tags {', '.join(names[:6])} are not those of entities",
                "give a model that tags with B-PER, I-PER, O and the like",
            )
        pairs = [match.groups() if match else ("O", None) for match in matches]
        barred = np.zeros((len(names) + 1, len(names)), dtype=bool)
        for place, (prefix, kind) in enumerate(pairs):
            # Only where the scheme is IOB2: in IOB1, I- begins most entities.
            if prefix == "I" and ("B", kind) in pairs:
                follows = [other != kind for _, other in pairs]
                barred[:, place] = [*follows, True]
        if {prefix for prefix, _ in pairs} - set("BIO"):
            barred[:] = False
        return cls(tuple(kind for _, kind in pairs), barred)

    def best(self, logits: Floats) -> list[int]:
        """Return the numbers of the most probable tags (words,) in an order that can be.

        Viterbi's algorithm (1967) over (words, k); only where the best tag of each word alone
        makes no such order.
        """
        alone = logits.argmax(axis=1)
        before = np.concatenate([[len(self.of)], alone[:-1]]) if len(alone) else alone
        if not self.barred[before, alone].any():
            return [int(tag) for tag in alone]
        walls = np.where(self.barred, -np.inf, 0.0)
        scores = logits[0] + walls[-1]
        came = []
        for row in logits[1:].astype(np.float64):
            ways = scores[:, None] + walls[:-1]
            came.append(ways.argmax(axis=0))
            scores = ways.max(axis=0) + row
        path = [int(scores.argmax())]
        for back in reversed(came):
            path.append(int(back[path[-1]]))
        return path[::-1]

    @property
    def kinds(self) -> tuple[str, ...]:
        return tuple(kind for kind in self.of if kind is not None)

    def score(self, chances: Doubles, label: str) -> float:
        """Return the mean probability of a type over words (words, k), whatever its prefix."""
        own = [i for i, kind in enumerate(self.of) if kind == label]
        return min(1.0, float(chances[:, own].sum(axis=1).mean()))


def _require_tags(
    sentences: Sequence[Sequence[str]], tags: Sequence[Sequence[str]], known: Iterable[str]
) -> None:
    if len(sentences) != len(tags):
        raise ServingError(
            f"there are {len(sentences)} sentences and {len(tags)} lists of tags",
            "give one for each",
        )
    names = set(known)
    for i, (words, row) in enumerate(zip(sentences, tags, strict=True)):
        if isinstance(row, str) or len(words) != len(row):
            raise ServingError(f"tags[{i}] does not have one tag a word", "give one for each")
        for tag in row:
            if tag not in names:
                raise ServingError(
                    f"tags[{i}] has {tag!r:.40}", f"the model's tags are {', '.join(sorted(names))}"
                )


# ── words and runs ───────────────────────────────────────────────────────────────────────


def words_of(text: str, language: str | None, tokenizer: Any) -> list[Place]:
    """Return start and end of every word and sign of a text, in order.

    As the course's data sets cut them. Scripts that write words together are cut into the
    tokenizer's pieces, the nearest to words that there is without a dictionary, and often no
    more than single characters. No letter is divided from its marks.
    """
    cuts = tokens.spans(text, tokens.APOSTROPHE_CUTS.get(language or "", ""))
    if finetuning.TOGETHER.search(text):
        with TOKENIZING:
            made = tokenizer(
                text, add_special_tokens=False, return_offsets_mapping=True, verbose=False
            )
        starts = sorted({start for start, end in made["offset_mapping"] if end > start})
        cuts = [part for place in cuts for part in _pieces(text, place, starts)]
    return _whole_letters(text, cuts)


def _pieces(text: str, place: Place, starts: Sequence[int]) -> Iterator[Place]:
    """Yield a word in parts where it is in a script without blanks, else as it is."""
    start, end = place
    together = [finetuning.TOGETHER.match(char) is not None for char in text[start:end]]
    if not any(together):
        yield place
        return
    first, last = np.searchsorted(starts, [start, end])
    pieces = set(starts[first:last])
    at = start
    for cut in range(start + 1, end):
        if cut in pieces and (together[cut - 1 - start] or together[cut - start]):
            yield at, cut
            at = cut
    yield at, end


def _whole_letters(text: str, places: Sequence[Place]) -> list[Place]:
    """Return places moved and joined so that none begins or ends inside a letter.

    A letter is what Unicode calls an extended grapheme cluster (UAX 29): a base with its
    accents, an emoji with its modifiers.
    """
    if text.isascii():
        return list(places)
    letter = np.zeros(len(text) + 1, dtype=np.int64)  # where the letter of a character begins
    ends = np.zeros(len(text) + 1, dtype=np.int64)
    for match in regex.finditer(r"\X", text):
        letter[match.start() : match.end()] = match.start()
        ends[match.start() : match.end()] = match.end()
    found: list[Place] = []
    for start, end in places:
        start, end = int(letter[start]), int(ends[end - 1])
        if found and start < found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found


def runs_of(tags: Sequence[str]) -> list[tuple[int, int, str]]:
    """Return the entities of a sentence: first word, the one beyond the last, type.

    Read as the CoNLL-2003 evaluation does: an I- that continues nothing begins an entity.
    So IOB1, IOB2, IOBES and BILOU all work.
    """
    found: list[tuple[int, int, str]] = []
    is_open = False
    for i, tag in enumerate(tags):
        match = _TAG.fullmatch(tag)
        if match is None:
            is_open = False
            continue
        prefix, kind = match.groups()
        if is_open and prefix not in _BEGINS and found[-1][2] == kind:
            found[-1] = (found[-1][0], i + 1, kind)
        else:
            found.append((i, i + 1, kind))
        is_open = prefix not in _ENDS
    return found


# ── spans of a text ──────────────────────────────────────────────────────────────────────


def pieces(text: str, spans: Iterable[Span]) -> Iterator[tuple[str, Span | None]]:
    """Yield a text in parts, each with its entity or None; joined they are the text again.

    Raises:
        ServingError: a span is empty, reaches beyond the text, is not what the text has there,
            or overlaps another (`without_overlaps` chooses among such).
    """
    at = 0
    for span in sorted(spans, key=lambda span: (span.start, span.end)):
        if not 0 <= span.start < span.end <= len(text):
            raise ServingError(
                f"the span {span.start}:{span.end} is not in the text, which has {len(text)} "
                "characters",
                "count characters of the text as it was given, end not included",
            )
        if text[span.start : span.end] != span.text:
            raise ServingError(
                f"the span {span.start}:{span.end} is another text there",
                "use the spans with the text that they were found in, unchanged",
            )
        if span.start < at:
            raise ServingError(
                f"the span {span.start}:{span.end} overlaps the one before it",
                "choose with without_overlaps(spans)",
            )
        if span.start > at:
            yield text[at : span.start], None
        yield span.text, span
        at = span.end
    if at < len(text):
        yield text[at:], None


def without_overlaps(spans: Iterable[Span]) -> list[Span]:
    """Return spans of which none overlaps another, in the order of the text.

    Of those that overlap or lie in one another the surest is kept, of equals the longest, then
    the first. Spans that only touch are all kept, empty ones are not.
    """
    kept: list[Span] = []
    for span in sorted(spans, key=lambda s: (-s.score, s.start - s.end, s.start, s.label)):
        if span.start < span.end and all(
            span.end <= other.start or other.end <= span.start for other in kept
        ):
            kept.append(span)
    return sorted(kept)


def html(text: str, spans: Iterable[Span], language: str | None = None) -> str:
    """Return a text with its entities in colour and their types beside them, as safe HTML.

    Markup in the text is shown, not obeyed; so are its line ends. The types are not copied with
    the text. An entity below its threshold has a dashed border and a question mark.

    Args:
        language: sets `lang` and `dir`; without one the browser goes by the first letter.

    Raises:
        ServingError: as `pieces`.
        UnknownLanguageError: there is no card for the language.
    """
    if language is None:
        how = 'dir="auto"'
    else:
        card = languages.get(language)
        how = f'lang="{card.code}" dir="{card.direction}"'
    body = "".join(
        _escaped(part) if span is None else _mark(span) for part, span in pieces(text, spans)
    )
    return f'<div {how} style="white-space:pre-wrap;line-height:2">{body}</div>'


def _mark(span: Span) -> str:
    colour = _COLOURS.get(span.label, _OTHER)
    style = f"background:{colour};color:#000;padding:0.1em 0.25em;border-radius:0.25em"
    doubt = ""
    if span.below_threshold:
        style, doubt = f"{style};border:1px dashed #555", " ?"
    return (
        f'<mark data-start="{span.start}" data-end="{span.end}" '
        f'data-label="{_escaped(span.label)}" style="{style}">{_escaped(span.text)}'
        # On both sides: "start" would be the label's, which is not that of an Arabic line.
        '<small lang="en" dir="ltr" style="color:#333;user-select:none;margin:0 0.3em">'
        f"{_escaped(span.label)}{doubt}</small></mark>"
    )


def _escaped(text: str) -> str:
    """Return a text for HTML, so that reading the page gives the same text back.

    HTML turns a carriage return into a line feed, and has no way to write NUL, which stands as
    the replacement character.
    """
    return _html.escape(text).replace("\r", "&#13;").replace("\0", "\ufffd")
