"""Translation with `generate`, done so that it can be relied on.

The models (Tiedemann & Thottingal, 2020, EAMT: OPUS-MT, trained with Marian; or this course's own
of the same architecture) read one sentence and write one. What has to be right around that is
here: a model is loaded once, texts are cut into sentences, each distinct sentence is translated
once, in batches of like length, and what was cut, ran on without end or was in another script
is said.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from xlhelpers import assets, hub, languages, settings
from xlhelpers.encoding import TruncationWarning
from xlhelpers.errors import CourseError
from xlhelpers.tokenization import script
from xlhelpers.transfer import store
from xlhelpers.translation import sentences

# Tokens that any output may have beyond its share of the input.
_FLOOR = 12
# Sentences of one entry of the disk's store: what an interrupted run loses at most.
_CHUNK = 512
# A text with a larger share of unknown tokens than this is reported.
UNKNOWN = 1 / 3
# The pairs that the course uses; the hub has many more.
_COURSE = tuple(pair for code in ("de", "es", "sw", "zh") for pair in (("en", code), (code, "en")))
# What ISO 15924 calls them, and how `tokenization.script` does.
_SCRIPTS = {
    "Arab": {"Arabic"},
    "Beng": {"Bengali"},
    "Cyrl": {"Cyrillic"},
    "Deva": {"Devanagari"},
    "Ethi": {"Ethiopic"},
    "Grek": {"Greek"},
    "Hans": {"Han"},
    "Hebr": {"Hebrew"},
    "Jpan": {"Han", "Hiragana", "Katakana"},
    "Kore": {"Han", "Hangul"},
    "Latn": {"Latin"},
    "Taml": {"Tamil"},
    "Thai": {"Thai"},
}


class TranslationError(CourseError, ValueError):
    """Texts cannot be translated or compared as asked; the message says why and what would do."""


class TranslationWarning(UserWarning):
    """A translation was made and should not be trusted; the message says of which texts and why."""


class Translates(Protocol):
    """What can translate: a `Translator`, a `Pivot`, or an object of one's own."""

    source: str
    target: str

    def translate(self, texts: Sequence[str], progress: bool = False) -> list[str]:
        """Return one translation a text, in the order of the texts."""
        ...


@dataclass(frozen=True)
class Notes:
    """What is to be said of the texts of one call, by their numbers.

    Attributes:
        cut: a sentence of theirs was longer than the model reads; its end is not translated.
        endless: the output ran to its limit without an end, as loops do.
        foreign: no letter of theirs is in the script of the source language.
        unknown: the share of each text's tokens that the model's vocabulary lacks.
    """

    cut: tuple[int, ...] = ()
    endless: tuple[int, ...] = ()
    foreign: tuple[int, ...] = ()
    unknown: tuple[float, ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class _Said:
    """What became of one sentence."""

    text: str
    cut: bool
    endless: bool
    unknown: int
    pieces: int


def pairs() -> list[tuple[str, str]]:
    """Return the (source, target) pairs that the course has models for, sorted.

    In the `hub` set there are many more: any `Helsinki-NLP/opus-mt-<source>-<target>` that
    exists can be asked for.
    """
    if settings.current().models == "hub":
        return sorted(_COURSE)
    found = set()
    for name in assets.manifest():
        folder = name.removeprefix("models/mini-marian-").partition("/")[0]
        if name.startswith("models/mini-marian-") and folder.count("-") == 1:
            source, target = folder.split("-")
            found.add((source, target))
    return sorted(found)


class Translator:
    """One direction of translation.

    Attributes:
        source, target: language codes.
        loads: how often a model has been loaded: 0 before the first text, then 1.
        asked: sentences that the model has been given, in all calls.
        notes: what is to be said of the texts of the last call.
    """

    def __init__(
        self,
        source: str,
        target: str,
        *,
        beams: int = 1,
        batch_size: int = 32,
        ratio: float = 2.0,
        by_sentence: bool | None = None,
        keep: bool = False,
        model: tuple[Any, Any] | str | Path | None = None,
    ) -> None:
        """Choose a direction; the model is loaded when the first text comes.

        Args:
            source, target: language codes.
            beams: hypotheses that are kept at every step; 1 is greedy.
            batch_size: sentences that are computed at once.
            ratio: tokens that a translation may have for one token of its source; 12 more are
                always allowed.
            by_sentence: cut texts into sentences first. OPUS-MT has learned from sentences: of a
                text of several it often translates the first. The course's own models have
                learned from texts of up to four, and translate an answer better with its
                question before it. Left out, what suits the model set that is on.
            keep: also keep translations on disk, where a later process finds them.
            model: left out, the course's for this pair; else (model, tokenizer), a hub id or a
                folder with a sequence-to-sequence model.

        Raises:
            TranslationError: there is no model for the pair (the message names what to go
                through), both languages are the same, or an argument is out of range.
            UnknownLanguageError: a code has no card.
        """
        self.source, self.target = languages.get(source).code, languages.get(target).code
        if source == target:
            raise TranslationError(
                f"source and target are both {languages.name(source)}", "name two languages"
            )
        for name, value, least in (("beams", beams, 1), ("batch_size", batch_size, 1)):
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise TranslationError(f"{name} is {value!r}", f"choose {least} or more")
        if not ratio > 0:
            raise TranslationError(f"ratio is {ratio!r}", "choose a number above 0; 2 is usual")
        if model is None and settings.current().models == "mini":
            _require_pair(source, target)
        self.beams, self.batch_size, self.ratio = beams, batch_size, float(ratio)
        hub_set = settings.current().models == "hub"
        if hub_set and model is None and (self.source, self.target) in _COURSE:
            hub.expect(f"translation:{self.source}-{self.target}")
        self.by_sentence = hub_set if by_sentence is None else by_sentence
        self.keep = keep
        self.loads = self.asked = 0
        self.notes = Notes()
        self._given = model
        self._loaded: tuple[Any, Any] | None = None
        self._known: dict[str, _Said] = {}
        self._identity = ""

    @staticmethod
    def through(source: str, pivot: str, target: str, **how: Any) -> Pivot:
        """Return two translators in a row: source → pivot → target.

        Args:
            how: as `Translator`.

        Raises:
            as `Translator`.
        """
        return Pivot(Translator(source, pivot, **how), Translator(pivot, target, **how))

    def __repr__(self) -> str:
        return f"Translator({self.source!r}, {self.target!r}, beams={self.beams})"

    @property
    def model(self) -> Any:
        """The model, loaded when first asked for."""
        return self._parts()[0]

    @property
    def tokenizer(self) -> Any:
        """The tokenizer that belongs to the model."""
        return self._parts()[1]

    def translate(self, texts: Sequence[str], progress: bool = False) -> list[str]:
        """Return one translation a text, in the order of the texts.

        A blank text has a blank translation. Whether a text is in the language that was said
        can be told by its script only: German given as English is translated without a word.

        Args:
            texts: n texts.
            progress: show a bar where someone can see it.

        Raises:
            TranslationError: `texts` is one text, or holds something else than texts.
            HubError: the model cannot be had.

        Warns:
            TruncationWarning: a sentence was longer than the model reads.
            TranslationWarning: an output ran to its limit without an end; a text has no letter
                in the script of the source language; a third of its tokens or more is unknown.
        """
        given = _texts(texts)
        cut = [self._sentences(text) for text in given]
        self._learn(dict.fromkeys(s for row in cut for s, _ in row), progress)
        rows = [[self._known[sentence] for sentence, _ in row] for row in cut]
        self.notes = self._noted(given, rows)
        _warn(self.notes, given, self)
        return [
            sentences.join([s.text for s in said], [gap for _, gap in row], self.target)
            for said, row in zip(rows, cut, strict=True)
        ]

    def forget(self) -> None:
        """Forget all translations; the model stays loaded."""
        self._known.clear()

    # ── sentences ────────────────────────────────────────────────────────────────────────

    def _sentences(self, text: str) -> list[tuple[str, str]]:
        if not text.strip():
            return []
        return sentences.split(text, self.source) if self.by_sentence else [(text.strip(), "")]

    def _learn(self, wanted: Iterable[str], progress: bool) -> None:
        """Translate what is not known yet, in chunks that are kept on disk where wanted."""
        new = [sentence for sentence in wanted if sentence not in self._known]
        if not new:
            return
        self._parts()
        # By length over all, so that a batch has little padding; a loop costs its own batch only.
        new.sort(key=lambda sentence: (len(sentence), sentence))
        with _bar(len(new), f"{self.source} → {self.target}", progress) as bar:
            for start in range(0, len(new), _CHUNK):
                chunk = new[start : start + _CHUNK]
                self._known.update(zip(chunk, self._chunk(chunk, bar), strict=True))

    def _chunk(self, chunk: list[str], bar: Any) -> list[_Said]:
        if not self.keep:
            return self._ask(chunk, bar)
        key = store.digest(["translation", self._digest(), chunk])
        try:
            kept = [_Said(*row) for row in (store.read(key) or {})["said"]]
        except (KeyError, TypeError):  # not there, or something else: asked again
            kept = []
        if len(kept) == len(chunk):
            bar.update(len(chunk))
            return kept
        found = self._ask(chunk, bar)
        rows = [[s.text, s.cut, s.endless, s.unknown, s.pieces] for s in found]
        store.write(key, {"said": rows})
        return found

    def _ask(self, chunk: list[str], bar: Any) -> list[_Said]:
        """Return what the model makes of sentences."""
        model, tokenizer = self._parts()
        rows = tokenizer([self._marked(sentence) for sentence in chunk], verbose=False)["input_ids"]
        unknown = [row.count(tokenizer.unk_token_id) for row in rows]
        limit = _limit(model, tokenizer)
        read = [row if len(row) <= limit else [*row[: limit - 1], row[-1]] for row in rows]
        order = sorted(range(len(read)), key=lambda i: len(read[i]))
        written: list[list[int]] = [[]] * len(read)
        for start in range(0, len(order), self.batch_size):
            places = order[start : start + self.batch_size]
            for place, ids in zip(places, self._generate([read[i] for i in places]), strict=True):
                written[place] = ids
            bar.update(len(places))
        self.asked += len(chunk)
        said = tokenizer.batch_decode(written, skip_special_tokens=True)
        return [
            _Said(
                text.strip(), len(row) > limit, ids[-1:] != [model.config.eos_token_id],
                count, max(1, len(row) - 1),
            )
            for text, row, ids, count in zip(said, rows, written, unknown, strict=True)
        ]  # fmt: skip

    def _generate(self, rows: list[list[int]]) -> list[list[int]]:
        """Return the ids that a model writes for some inputs, each cut at its own limit."""
        import torch

        model, tokenizer = self._parts()
        batch = tokenizer.pad({"input_ids": rows}, return_tensors="pt").to(model.device)
        most = _longest_output(model)
        limits = [min(most, int(self.ratio * len(row)) + _FLOOR) for row in rows]
        with hub.quiet(), torch.inference_mode():
            ids = model.generate(
                **batch,
                num_beams=self.beams,
                do_sample=False,
                max_new_tokens=max(limits),
                # The usual configuration forces an end at the limit, which hides that there is
                # none. Not in a configuration of our own: there None means the model's.
                forced_eos_token_id=None,
            )
        ids = ids.cpu().tolist()
        end, pad = model.config.eos_token_id, model.config.pad_token_id
        # The first token is the start that the decoder is given.
        return [_until_end(row[1:], end, pad)[:n] for row, n in zip(ids, limits, strict=True)]

    def _marked(self, sentence: str) -> str:
        """Return a sentence with the sign of the target language, for models of several."""
        codes = getattr(self._parts()[1], "supported_language_codes", None)
        return f"{_language_code(codes, self.target)} {sentence}" if codes else sentence

    # ── the model ────────────────────────────────────────────────────────────────────────

    def _parts(self) -> tuple[Any, Any]:
        if self._loaded is None:
            self._loaded = self._load()
            self.loads += 1
            codes = getattr(self._loaded[1], "supported_language_codes", None)
            if codes:
                _language_code(codes, self.target)
        return self._loaded

    def _load(self) -> tuple[Any, Any]:
        what = self._given
        if isinstance(what, tuple):
            return what
        if what is None:
            what = f"translation:{self.source}-{self.target}"
        try:
            found = hub.tokenizer(what), hub.model(what, "translation")
        except hub.HubError as error:
            if self._given is None and "has no model" in error.problem:
                raise _no_pair(self.source, self.target) from error
            raise
        return found[1], found[0]

    def _digest(self) -> str:
        if not self._identity:
            model, tokenizer = self._parts()
            how = [self.beams, self.ratio, self.target]
            self._identity = store.digest([store.digest_of_model(model, tokenizer), how])
        return self._identity

    def _noted(self, given: list[str], rows: list[list[_Said]]) -> Notes:
        numbered = list(enumerate(rows))
        return Notes(
            cut=tuple(n for n, row in numbered if any(s.cut for s in row)),
            endless=tuple(n for n, row in numbered if any(s.endless for s in row)),
            foreign=tuple(n for n, text in enumerate(given) if _foreign(text, self.source)),
            unknown=tuple(
                sum(s.unknown for s in row) / max(1, sum(s.pieces for s in row)) for row in rows
            ),
        )


class Pivot:
    """Two translators in a row, for a pair that has no model of its own.

    What the first gets wrong the second translates faithfully; both take their time.

    Attributes:
        first, second: the translators.
        source, target: language codes.
        between: what the first said of the texts of the last call.
    """

    def __init__(self, first: Translates, second: Translates) -> None:
        """Take two translators.

        Raises:
            TranslationError: the first does not end where the second begins.
        """
        if first.target != second.source:
            raise TranslationError(
                f"the first ends in {first.target!r} and the second begins in {second.source!r}",
                "choose two with a language between them",
            )
        self.first, self.second = first, second
        self.source, self.target = first.source, second.target
        self.between: list[str] = []

    def __repr__(self) -> str:
        return f"Pivot({self.source!r}, {self.first.target!r}, {self.target!r})"

    @property
    def loads(self) -> int:
        """How often models have been loaded."""
        return sum(getattr(part, "loads", 0) for part in (self.first, self.second))

    @property
    def asked(self) -> int:
        """Sentences that the models have been given."""
        return sum(getattr(part, "asked", 0) for part in (self.first, self.second))

    def translate(self, texts: Sequence[str], progress: bool = False) -> list[str]:
        """Return one translation a text; arguments and errors as `Translator.translate`."""
        self.between = self.first.translate(texts, progress)
        return self.second.translate(self.between, progress)


# ── what a pair, a text, an output may be ────────────────────────────────────────────────


def _require_pair(source: str, target: str) -> None:
    if (source, target) not in pairs():
        raise _no_pair(source, target)


def _no_pair(source: str, target: str) -> TranslationError:
    """Return the refusal of a pair, with the language to go through where there is one."""
    there = pairs()
    way = [b for a, b in there if a == source and (b, target) in there]
    if way:
        remedy = f'go through {languages.name(way[0])}: Translator.through("{source}", '
        remedy += f'"{way[0]}", "{target}")'
    elif there:
        remedy = f"there are {', '.join(f'{a}-{b}' for a, b in there)}"
    else:
        remedy = 'use the real ones with xl.use("hub"), or update the course'
    return TranslationError(
        f"there is no model from {languages.name(source)} to {languages.name(target)}", remedy
    )


def _texts(texts: Sequence[str]) -> list[str]:
    if isinstance(texts, str):
        raise TranslationError(f"{texts!r:.60} is one text", f"give a list: [{texts!r:.40}]")
    found = list(texts)
    for number, text in enumerate(found):
        if not isinstance(text, str):
            raise TranslationError(
                f"text {number} is {text!r:.40}, which is no text",
                "leave it out, or put the text in its place",
            )
    return found


def _language_code(codes: Sequence[str], target: str) -> str:
    """Return the sign that a model of several languages wants before the text.

    Raises:
        TranslationError: it has none for the target.
    """
    card = languages.get(target)
    spoken = {"zh": "cmn"}.get(target, card.iso3)
    for name in (
        f"{spoken}_{card.script}",
        spoken,
        f"{card.iso3}_{card.script}",
        card.iso3,
        target,
    ):
        if f">>{name}<<" in codes:
            return f">>{name}<<"
    raise TranslationError(
        f"the model writes {len(codes)} languages, and {card.name} is not among them: "
        f"{' '.join(codes[:6])}{' …' if len(codes) > 6 else ''}",
        "choose another model",
    )


def _limit(model: Any, tokenizer: Any) -> int:
    """Return how many tokens a model reads, the end of the sentence among them."""
    most = int(getattr(model.config, "max_position_embeddings", 512))
    return min(most, int(tokenizer.model_max_length))


def _longest_output(model: Any) -> int:
    # One position is the start.
    return int(getattr(model.config, "max_position_embeddings", 512)) - 1


def _until_end(row: list[int], end: int, pad: int) -> list[int]:
    """Return the ids up to the end of the sentence, which is kept, or up to the padding."""
    if end in row:
        return row[: row.index(end) + 1]
    return row[: row.index(pad)] if pad in row else row


def _foreign(text: str, source: str) -> bool:
    wanted = _SCRIPTS.get(languages.get(source).script)
    return wanted is not None and script(text) not in {*wanted, "mixed", "none"}


def _warn(notes: Notes, texts: Sequence[str], of: Translator) -> None:
    name = languages.name(of.source)
    strange = [
        n for n, share in enumerate(notes.unknown) if share >= UNKNOWN and n not in notes.foreign
    ]
    for rows, said, kind in (
        (notes.cut, "longer than the model reads; the rest is not translated", TruncationWarning),
        (notes.endless, "ran to the limit without an end: a loop, most likely", TranslationWarning),
        (notes.foreign, f"without a letter in the script of {name}", TranslationWarning),
        (strange, "of which a third or more is unknown to the model", TranslationWarning),
    ):
        if rows:
            shown = ", ".join(f"{n} ({texts[n].strip()!r:.40})" for n in rows[:3])
            more = f" and {len(rows) - 3} more" if len(rows) > 3 else ""
            message = f"{of.source}-{of.target}, {len(rows)} of {len(texts)} texts: {said}: {shown}"
            warnings.warn(message + more, kind, stacklevel=3)


def _bar(total: int, what: str, progress: bool) -> Any:
    from tqdm.auto import tqdm

    wanted = progress and settings.current().progress
    return tqdm(total=total, desc=what, unit="sentence", disable=None if wanted else True)
