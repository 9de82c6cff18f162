"""What a classifier and a recogniser have in common: checks, batches, languages, calibration."""

from __future__ import annotations

import hashlib
import json
import threading
from collections import OrderedDict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import regex

from xlhelpers import settings
from xlhelpers.serving import batching
from xlhelpers.serving._errors import ServingError
from xlhelpers.serving.backends import Backend, Features, Floats
from xlhelpers.serving.calibration import Calibration

T = TypeVar("T")

# A text of more characters is refused unless the service is made for longer ones: about 30
# pages. What nobody bounds, somebody sends.
MAX_CHARACTERS = 100_000
# Something to read: neither blank nor a control, format or unassigned character.
_VISIBLE = regex.compile(r"[^\p{Z}\p{C}]")
# Half of a character, which no UTF-8 can hold.
SURROGATE = regex.compile(r"[\uD800-\uDFFF]")
# A language, and perhaps script and region: zh, zh-Hant, pt-BR.
_CODE = regex.compile(r"[A-Za-z]{2,3}(-[A-Za-z]{4})?(-[A-Za-z]{2}|-[0-9]{3})?")
# A fast tokenizer keeps "cut here" as its own state between two calls: one thread at a time.
TOKENIZING = threading.RLock()


class Service(Generic[T]):
    """A trained model with all that is around it; `T` is what it says of one text.

    Attributes:
        backend: computes the logits.
        calibration: temperatures and thresholds by language.
        serves: codes of the languages that are answered; None for any.
        budget: tokens of a batch, padding included.
        max_characters: of a text; longer ones are refused.
        padding: what the batches of all calls so far have cost.
    """

    def __init__(
        self,
        backend: Backend,
        *,
        calibration: Calibration | str | Path | None = None,
        serves: Iterable[str] | None = None,
        window: int | None = None,
        stride: int | None = None,
        budget: int = batching.BUDGET,
        max_characters: int = MAX_CHARACTERS,
        cache: int = 0,
    ) -> None:
        for name, value in (("budget", budget), ("max_characters", max_characters)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ServingError(f"{name} is {value!r}", "choose a whole number from 1")
        if isinstance(serves, str):
            raise ServingError(f"serves is the text {serves!r}", f"give a list: [{serves!r}]")
        self.backend = backend
        self.serves = None if serves is None else frozenset(serves)
        self.budget, self.max_characters = budget, max_characters
        self.window, self.stride = _window(backend, window, stride)
        self.padding = batching.Padding(0, 0, 0, 0)
        self.cache = Cache[Any](cache)
        self._lock = threading.Lock()
        self._calibration = Calibration()
        if isinstance(calibration, str | Path):
            calibration = Calibration.read(calibration)
        if calibration is not None:
            self.calibration = calibration

    # ── what it is ───────────────────────────────────────────────────────────────────────

    @property
    def names(self) -> tuple[str, ...]:
        """The labels, in the order of the model's outputs."""
        return self.backend.names

    @property
    def tokenizer(self) -> Any:
        """The model's tokenizer."""
        return self.backend.tokenizer

    @property
    def model_hash(self) -> str:
        """64 hexadecimal digits of all that decides the logits."""
        return self.backend.model_hash

    @property
    def settings_hash(self) -> str:
        """64 hexadecimal digits of what else decides an answer, but for the calibration."""
        return hashlib.sha256(json.dumps(self._settings(), sort_keys=True).encode()).hexdigest()

    def _settings(self) -> dict[str, Any]:
        """Return by name how texts are read, and which are refused."""
        return {
            "window": self.window,
            "stride": self.stride,
            "serves": None if self.serves is None else sorted(self.serves),
            "max_characters": self.max_characters,
        }

    @property
    def memory_bytes(self) -> int:
        """Bytes of the weights in memory."""
        return self.backend.memory_bytes

    @property
    def calibration(self) -> Calibration:
        """Temperatures and thresholds by language; assign another to use that."""
        return self._calibration

    @calibration.setter
    def calibration(self, value: Calibration) -> None:
        if value.model_hash and value.model_hash != self.model_hash:
            raise ServingError(
                f"this calibration was fitted for the model {value.model_hash[:12]}…, and this is "
                f"{self.model_hash[:12]}…",
                "fit one for this model: calibrate(…)",
            )
        self._calibration = value

    def set_thresholds(self, by_language: Mapping[str, float], others: float = 0.0) -> None:
        """Mark answers below a confidence, by language.

        Raises:
            ServingError: a threshold is not between 0 and 1.
        """
        self.calibration = replace(self.calibration, thresholds=dict(by_language), threshold=others)

    def _use(self, made: Calibration, keep_thresholds: bool) -> Calibration:
        """Use a calibration from now on, with the thresholds so far where they are kept."""
        if keep_thresholds:
            old = self.calibration
            made = replace(made, thresholds=old.thresholds, threshold=old.threshold)
        self.calibration = made
        return made

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({', '.join(self.names)}; {self.backend.name}, "
            f"{self.memory_bytes / 1e6:.1f} MB, {self.model_hash[:12]})"
        )

    # ── what it is asked ─────────────────────────────────────────────────────────────────

    def attempt(
        self, texts: Sequence[Any], languages: Sequence[str | None] | None = None
    ) -> list[T | ServingError]:
        """Return, for each text, what is said of it or why nothing can be said.

        One text that cannot be answered costs the others nothing; nothing is raised for it.

        Raises:
            ServingError: `texts` or `languages` is one text, or their lengths differ.
            FineTuningError: the model's outputs are not finite.
        """
        codes = self._languages(texts, languages)
        out: list[T | ServingError | None] = [
            self.problem(text, code) for text, code in zip(texts, codes, strict=True)
        ]
        good = [i for i, problem in enumerate(out) if problem is None]
        said = self._say([texts[i] for i in good], [codes[i] for i in good], good)
        for i, one in zip(good, said, strict=True):
            out[i] = one
        return [one for one in out if one is not None]

    def problem(self, text: Any, language: str | None = None) -> ServingError | None:
        """Return why a text cannot be answered, or None. The error does not repeat the text."""
        wrong = self._of_language(language)
        for side in self._sides(text):
            wrong = wrong or self._of_text(side)
        return wrong

    def _all(self, texts: Sequence[Any], languages: Sequence[str | None] | None) -> list[T]:
        """Return what is said of every text, or raise for the first that cannot be answered."""
        codes = self._checked(texts, languages)
        return require(self._say(texts, codes, range(len(texts))))

    def _checked(
        self, texts: Sequence[Any], languages: Sequence[str | None] | None
    ) -> list[str | None]:
        """Return the languages of texts, or raise for the first that cannot be answered."""
        codes = self._languages(texts, languages)
        require(self.problem(text, code) for text, code in zip(texts, codes, strict=True))
        return codes

    def _say(
        self, texts: Sequence[Any], codes: Sequence[str | None], numbers: Sequence[int]
    ) -> list[T | ServingError]:
        """Return what is said of texts without a `problem`; an error for what shows later."""
        raise NotImplementedError

    def _sides(self, text: Any) -> Sequence[Any]:
        """Return the parts of what is asked that have to be texts."""
        return (text,)

    def _of_text(self, text: Any) -> ServingError | None:
        if not isinstance(text, str):
            return ServingError(f"it is no text but {type(text).__name__}", "give texts")
        if len(text) > self.max_characters:
            return ServingError(
                f"it has {len(text)} characters, and at most {self.max_characters} are read",
                "divide it, or raise max_characters",
            )
        if SURROGATE.search(text):
            return ServingError(
                "it has half of a character (a lone surrogate)", "decode it from UTF-8 again"
            )
        return None

    def _of_language(self, language: Any) -> ServingError | None:
        if language is None:
            return None
        # Whatever stands in a field of that name: an error must not repeat it unless it is a code.
        if not isinstance(language, str) or not _CODE.fullmatch(language):
            return ServingError("its language is no code", "give a code such as 'de', or None")
        if self.serves is not None and language not in self.serves:
            return ServingError(
                f"its language {language!r} is not served",
                f"served are {', '.join(sorted(self.serves))}",
            )
        return None

    def _languages(
        self, texts: Sequence[Any], languages: Sequence[str | None] | None
    ) -> list[str | None]:
        if isinstance(texts, str):
            raise ServingError("texts is one text", "give a list of texts")
        if isinstance(languages, str):
            raise ServingError(
                "languages is one text", f"give one for each text: [{languages!r}, …]"
            )
        if languages is None:
            return [None] * len(texts)
        if len(languages) != len(texts):
            raise ServingError(
                f"there are {len(texts)} texts and {len(languages)} languages",
                "give one for each; None where it is not known",
            )
        return list(languages)

    # ── the model ────────────────────────────────────────────────────────────────────────

    def _run(self, rows: Features) -> list[Floats]:
        """Return the logits of each row, padding cut off, computed in batches of like length."""
        settings.apply_threads()
        lengths = [len(row["input_ids"]) for row in rows]
        batches = batching.by_tokens(lengths, self.budget)
        out: list[Floats] = [np.empty(0, dtype=np.float32)] * len(rows)
        for numbers in batches:
            logits = self.backend.logits([rows[i] for i in numbers])
            for i, found in zip(numbers, logits, strict=True):
                # Of a batch's array nothing else must stay in memory.
                out[i] = np.array(found[: lengths[i]] if found.ndim == 2 else found)
        with self._lock:
            self.padding += batching.padding(lengths, batches)
        return out


def require(said: Iterable[T | ServingError]) -> list[T]:
    """Return what is said of all texts.

    Raises:
        ServingError: the first of the errors among it, with the text's place.
    """
    found: list[T] = []
    for i, one in enumerate(said):
        if isinstance(one, ServingError):
            raise ServingError(f"text {i}: {one.problem}", one.remedy)
        found.append(one)
    return found


def is_blank(text: str) -> bool:
    """Whether a text has nothing to read: blanks, controls and invisible signs only."""
    return _VISIBLE.search(text) is None


class Cache(Generic[T]):
    """The last answers, by what was asked; safe for threads.

    Attributes:
        size: entries that are kept; 0 keeps nothing.
        hits, misses: how often something asked for was there, and was not.
    """

    def __init__(self, size: int) -> None:
        if isinstance(size, bool) or not isinstance(size, int) or size < 0:
            raise ServingError(f"cache is {size!r}", "choose how many answers to keep; 0 for none")
        self.size = size
        self.hits = self.misses = 0
        self._kept: OrderedDict[Hashable, T] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: Hashable) -> T | None:
        """Return what is kept under a key, or None."""
        if not self.size:
            return None
        with self._lock:
            found = self._kept.get(key)
            if found is None:
                self.misses += 1
            else:
                self.hits += 1
                self._kept.move_to_end(key)
            return found

    def put(self, key: Hashable, value: T) -> None:
        """Keep something, and drop what was used longest ago where there is no room."""
        if not self.size:
            return
        with self._lock:
            self._kept[key] = value
            self._kept.move_to_end(key)
            while len(self._kept) > self.size:
                self._kept.popitem(last=False)


def _window(backend: Backend, window: int | None, stride: int | None) -> tuple[int | None, int]:
    """Return how many tokens are read at once, None for all, and how many windows share."""
    special = int(backend.tokenizer.num_special_tokens_to_add(pair=True))
    limit = backend.limit
    longest = limit if window is None else window
    if window is not None and not (
        isinstance(window, int) and special + 2 <= window and (limit is None or window <= limit)
    ):
        raise ServingError(
            f"window is {window!r}",
            f"choose {special + 2} or more" + (f", and at most {limit}" if limit else ""),
        )
    if longest is None:
        return None, 0
    shared = (longest - special) // 4 if stride is None else stride
    if (
        isinstance(shared, bool)
        or not isinstance(shared, int)
        or not (0 <= shared < longest - special)
    ):
        raise ServingError(
            f"stride is {stride!r}", f"choose 0 to {longest - special - 1}: tokens that are shared"
        )
    return longest, shared
