"""A classifier that can be relied on: trained, calibrated, and nothing cut off silently.

    served = xl.serving.MultilingualClassifier.load("NLI")
    served.classify([("A dog runs.", "An animal moves.")], ["en"])[0].json()

A text that is longer than the model reads is read in windows that overlap; their logits are
averaged, each weighted by the tokens that are new in it, so that every token of the text counts
once.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np

from xlhelpers.serving import batching, calibration
from xlhelpers.serving._errors import ServingError
from xlhelpers.serving._service import MAX_CHARACTERS, TOKENIZING, Service, is_blank, require
from xlhelpers.serving.backends import Backend, Floats, backend
from xlhelpers.serving.calibration import Calibration

# A text, or a pair such as premise and hypothesis.
Text = str | tuple[str, str]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a classifier says of one text.

    Attributes:
        index: the text's place among those that were asked.
        label: the most probable one.
        confidence: its probability, 0 to 1, at the language's temperature.
        probabilities: of every label, in the order of the model's outputs; they sum to 1.
        language: as it was said; None where it was not.
        tokens: of the text, special ones included.
        windows: parts in which the text was read; 1 for most.
        below_threshold: the confidence is lower than the language's threshold.
        model_hash: of the model that answered.
        route: the way that a router sent the text; empty without one.
    """

    index: int
    label: str
    confidence: float
    probabilities: Mapping[str, float] = field(repr=False, hash=False)
    language: str | None
    tokens: int
    windows: int
    below_threshold: bool
    model_hash: str = field(repr=False)
    route: str = ""

    def json(self) -> dict[str, Any]:
        """Return it as a dictionary that `json.dumps` takes; the text is not in it."""
        return {
            "index": self.index,
            "label": self.label,
            "confidence": self.confidence,
            "probabilities": dict(self.probabilities),
            "language": self.language,
            "tokens": self.tokens,
            "windows": self.windows,
            "below_threshold": self.below_threshold,
            "model_hash": self.model_hash,
            "route": self.route,
        }


@dataclass(frozen=True, slots=True)
class _Read:
    """What the model made of one text: logits (k,), float32, and how it was read."""

    logits: Floats
    tokens: int
    windows: int


@dataclass(frozen=True, slots=True)
class _Encoded:
    """One text as windows, each a row for the model, and what each weighs."""

    rows: list[dict[str, Any]]
    weights: list[int]
    tokens: int


class MultilingualClassifier(Service[Answer]):
    """A trained classifier of texts, or of pairs of texts, in several languages."""

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
        cache: int = 0,
    ) -> Self:
        """Return a classifier of a trained checkpoint; a head that was never trained is refused.

        Args:
            what: a role such as `"NLI"`, a hub id, a folder, (model, tokenizer), what
                `finetuning.train_classifier` returns, or a `Backend`.
            names: the labels in the order of the outputs, for a checkpoint that calls them
                LABEL_0, LABEL_1 …; else they come from its configuration.
            calibration: temperatures and thresholds, or the file that they were saved in.
            serves: codes of the languages that are answered; left out, any.
            window: tokens that are read at once, special ones included; left out, all that the
                model can read.
            stride: tokens that neighbouring windows share; left out, a quarter of a window.
            budget: tokens of a batch, padding included.
            max_characters: of a text; longer ones are refused.
            cache: logits of so many texts are kept, by a hash of the text; 0 keeps none.

        Raises:
            ServingError: no trained classifier, labels without names, or an argument out of
                range.
            HubError: the checkpoint cannot be loaded, or lacks a trained head.
        """
        return cls(
            backend(what, "classification", names),
            calibration=calibration,
            serves=serves,
            window=window,
            stride=stride,
            budget=budget,
            max_characters=max_characters,
            cache=cache,
        )

    def classify(
        self, texts: Sequence[Text], languages: Sequence[str | None] | None = None
    ) -> list[Answer]:
        """Return one answer a text, in the order of the texts.

        Args:
            texts: n texts, or pairs of texts.
            languages: n codes, by which temperature and threshold are chosen; None where it
                is not known.

        Raises:
            ServingError: a text is empty, too long, no text, or in a language that is not
                served; the message names its place. `attempt` answers the others.
            FineTuningError: the model's outputs are not finite.
        """
        return self._all(texts, languages)

    def logits(self, texts: Sequence[Text]) -> Floats:
        """Return the logits (n, k) before any temperature.

        Raises:
            ServingError: as `classify`.
        """
        self._checked(texts, None)
        found = [read.logits for read in require(self._read(texts))]
        return np.stack(found) if found else np.empty((0, len(self.names)), dtype=np.float32)

    def calibrate(
        self,
        texts: Sequence[Text],
        labels: Sequence[str],
        languages: Sequence[str | None] | None = None,
        *,
        at_least: int = 100,
        accuracy: float | None = None,
    ) -> Calibration:
        """Fit temperatures, use them from now on, and return them with a report.

        Args:
            texts: n texts that the model was not trained on.
            labels: n right labels.
            languages: n codes; left out, one temperature for all.
            at_least: a language with fewer texts has the temperature of all.
            accuracy: set thresholds so that answers above them are right as often as this;
                None keeps the thresholds as they are.

        Raises:
            ServingError: as `classify`; a label is unknown; fewer than 5 texts.
        """
        codes = self._languages(texts, languages)
        made = calibration.fit(
            self.logits(texts),
            self._numbers(labels),
            codes,
            model_hash=self.model_hash,
            at_least=at_least,
            accuracy=accuracy,
        )
        return self._use(made, keep_thresholds=accuracy is None)

    # ── inside ───────────────────────────────────────────────────────────────────────────

    def _sides(self, text: Any) -> Sequence[Any]:
        return text if isinstance(text, tuple | list) and len(text) == 2 else (text,)

    def _of_text(self, text: Any) -> ServingError | None:
        wrong = super()._of_text(text)
        if wrong is None and is_blank(text):
            return ServingError("it is empty", "leave it out")
        return wrong

    def _say(
        self, texts: Sequence[Any], codes: Sequence[str | None], numbers: Sequence[int]
    ) -> list[Answer | ServingError]:
        said = self._read(texts)
        return [
            read if isinstance(read, ServingError) else self._answer(number, read, code)
            for number, read, code in zip(numbers, said, codes, strict=True)
        ]

    def _answer(self, index: int, read: _Read, language: str | None) -> Answer:
        chances = calibration.probabilities(
            read.logits, self.calibration.temperature_of(language)
        ).tolist()
        best = int(np.argmax(read.logits))
        return Answer(
            index=index,
            label=self.names[best],
            confidence=chances[best],
            probabilities=dict(zip(self.names, chances, strict=True)),
            language=language,
            tokens=read.tokens,
            windows=read.windows,
            below_threshold=chances[best] < self.calibration.threshold_of(language),
            model_hash=self.model_hash,
        )

    def _read(self, texts: Sequence[Text]) -> list[_Read | ServingError]:
        """Return what the model makes of each text; each distinct text is computed once."""
        keys = [_key(text) for text in texts]
        known: dict[bytes, _Read | ServingError] = {}
        new: dict[bytes, Text] = {}
        for key, text in zip(keys, texts, strict=True):
            if key in known or key in new:
                continue
            kept = self.cache.get(key)
            if kept is None:
                new[key] = text
            else:
                known[key] = kept
        for key, read in zip(new, self._compute(list(new.values())), strict=True):
            known[key] = read
            if isinstance(read, _Read):
                self.cache.put(key, read)
        return [known[key] for key in keys]

    def _compute(self, texts: Sequence[Text]) -> list[_Read | ServingError]:
        encoded = self._encode(texts)
        rows = [row for one in encoded if isinstance(one, _Encoded) for row in one.rows]
        logits = iter(self._run(rows))
        out: list[_Read | ServingError] = []
        for one in encoded:
            if isinstance(one, ServingError):
                out.append(one)
                continue
            parts = np.stack([next(logits) for _ in one.rows])
            # One window's logits stay bit by bit what the model said.
            mean = parts[0] if len(parts) == 1 else np.average(parts, axis=0, weights=one.weights)
            out.append(_Read(mean.astype(np.float32), one.tokens, len(parts)))
        return out

    def _encode(self, texts: Sequence[Text]) -> list[_Encoded | ServingError]:
        """Return texts as rows for the model, in windows where they are too long for one."""
        found: dict[int, _Encoded | ServingError] = {}
        for pair in (False, True):
            places = [i for i, text in enumerate(texts) if isinstance(text, str) is not pair]
            with TOKENIZING:
                made = self._encode_alike([texts[i] for i in places], pair)
            found.update(zip(places, made, strict=True))
        return [found[i] for i in range(len(texts))]

    def _encode_alike(self, texts: list[Text], pair: bool) -> list[_Encoded | ServingError]:
        """Return what `_encode` does for texts only, or for pairs only."""
        if not texts:
            return []
        sides = [[t[i] for t in texts] for i in (0, 1)] if pair else [texts]
        made = self.tokenizer(*sides, verbose=False)
        special = int(self.tokenizer.num_special_tokens_to_add(pair=pair))
        out: list[_Encoded | ServingError] = []
        for i, text in enumerate(texts):
            tokens = len(made["input_ids"][i])
            if tokens <= special:
                out.append(ServingError("the model reads nothing in it", "leave it out"))
            elif self.window is None or tokens <= self.window:
                row = {key: made[key][i] for key in made}
                out.append(_Encoded([row], [tokens - special], tokens))
            else:
                out.append(self._windows(text, tokens, special))
        return out

    def _windows(self, text: Text, tokens: int, special: int) -> _Encoded | ServingError:
        """Return a text of more tokens than a window as several; of a pair, its longer side."""
        assert self.window is not None
        sides = [text] if isinstance(text, str) else list(text)
        plain = self.tokenizer(sides, add_special_tokens=False, verbose=False)["input_ids"]
        lengths = [len(ids) for ids in plain]
        cut = int(np.argmax(lengths))
        beside = special + sum(lengths) - lengths[cut]
        if self.window - beside <= self.stride:
            return ServingError(
                f"both of its texts are long ({lengths[0]} and {lengths[1]} tokens), and the model "
                f"reads {self.window} at once",
                "shorten the shorter one: the other is read in windows beside it",
            )
        how = ("only_first", "only_second")[cut]
        made = self.tokenizer(
            *([side] for side in sides),
            truncation=how,
            max_length=self.window,
            stride=self.stride,
            return_overflowing_tokens=True,
            verbose=False,
        )
        keys = [key for key in made if key != "overflow_to_sample_mapping"]
        rows = [{key: made[key][i] for key in keys} for i in range(len(made["input_ids"]))]
        own = [len(row["input_ids"]) - beside for row in rows]
        return _Encoded(rows, [own[0], *(n - self.stride for n in own[1:])], tokens)

    def _numbers(self, labels: Sequence[str]) -> list[int]:
        places = {name: i for i, name in enumerate(self.names)}
        if isinstance(labels, str):
            raise ServingError("labels is one text", "give a list, one a text")
        for i, label in enumerate(labels):
            if label not in places:
                raise ServingError(
                    f"labels[{i}] is {label!r:.60}", f"the model answers {', '.join(self.names)}"
                )
        return [places[label] for label in labels]


def _key(text: Text) -> bytes:
    """Return what stands for a text where the text itself must not be kept."""
    return hashlib.sha256(json.dumps(text).encode()).digest()
