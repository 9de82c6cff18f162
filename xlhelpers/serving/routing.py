"""Send each text to the model that should answer it, and say which model that was.

    german = xl.serving.Route("german", ("de",), lambda: MultilingualClassifier.load(folder))
    router = xl.serving.LanguageRouter(multilingual, [german])
    routed = router.classify(["Das Essen war gut."])[0]
    routed.route, routed.model_hash, routed.answer.label

A router that prints "specialised" and asks the same model is worse than none. Here the route and
the hash come from the object that answered.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real
from typing import Any, Protocol

from xlhelpers import languages as cards
from xlhelpers.errors import CourseError
from xlhelpers.serving._errors import ServingError
from xlhelpers.serving.identification import VERDICTS, Detection, LanguageIdentifier

log = logging.getLogger(__name__)

GENERAL = "general"
REFUSED = "refused"
Text = str | tuple[str, str]
# For which verdicts one may want no answer.
_REFUSABLE = tuple(verdict for verdict in VERDICTS if verdict not in ("accepted", "given"))


class Classifies(Protocol):
    """What a route leads to: a `MultilingualClassifier`, or an object of one's own.

    Attributes:
        model_hash: of all that decides an answer.
        memory_bytes: of the weights in memory.
    """

    @property
    def model_hash(self) -> str: ...

    @property
    def memory_bytes(self) -> int: ...

    def classify(
        self, texts: Sequence[Any], languages: Sequence[str | None] | None = None
    ) -> Sequence[Any]:
        """Return one answer a text, with `.label` and `.confidence`, in order."""
        ...


class Identifies(Protocol):
    """What tells languages apart: a `LanguageIdentifier`, or an object of one's own."""

    def identify(self, text: str | Sequence[str]) -> Detection:
        """Return what is known of a text's language."""
        ...


@dataclass(frozen=True)
class Route:
    """A specialised model and the languages that it answers better than the general one.

    Attributes:
        name: what answers and metrics call it.
        languages: codes.
        load: returns the model; called when the first text for it comes, and again after the
            model had to make room.
        memory_bytes: what it will take, where that is known before it is loaded; room is then
            made first. 0 for not known.
    """

    name: str
    languages: tuple[str, ...]
    load: Callable[[], Classifies] = field(repr=False)
    memory_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Routed:
    """What became of one text.

    Attributes:
        index: the text's place among those that were asked.
        answer: what the model said; None where no model was asked, or it could not answer.
        detection: what is known of the language, and why it is not where it is not.
        route: the name of the route that answered, `"general"`, or `"refused"`.
        model_hash: of the model that answered; empty where none did.
        fallback: why the general model answered for a route: `"failed"` (it could not be
            loaded, or raised) or `"too big"` (for the memory it may have). Else empty.
        problem: why there is no answer. It does not repeat the text.
        remedy: what to do about the problem.
    """

    index: int
    answer: Any
    detection: Detection
    route: str
    model_hash: str = field(default="", repr=False)
    fallback: str = ""
    problem: str = ""
    remedy: str = ""

    @property
    def label(self) -> str | None:
        """The model's label; None without an answer."""
        return None if self.answer is None else str(self.answer.label)

    @property
    def confidence(self) -> float | None:
        """The model's confidence in the label; None without an answer."""
        return None if self.answer is None else float(self.answer.confidence)

    @property
    def language(self) -> str | None:
        """The language by which the text was routed; None where it is not known."""
        return self.detection.language

    @property
    def below_threshold(self) -> bool:
        """Whether the answer is one that a person should look at."""
        return bool(getattr(self.answer, "below_threshold", False))

    def json(self) -> dict[str, Any]:
        """Return it as a dictionary that `json.dumps` takes; the text is not in it."""
        said = getattr(self.answer, "json", None)
        answer = said() if callable(said) else {}
        if self.answer is not None:
            answer |= {"label": self.label, "confidence": self.confidence}
        return answer | {
            "index": self.index,
            "language": self.language,
            "detection": self.detection.json(),
            "route": self.route,
            "model_hash": self.model_hash,
            "fallback": self.fallback,
            "problem": self.problem,
            "remedy": self.remedy,
        }


class LanguageRouter:
    """Texts to the models that answer them, by language.

    A text in the language of a route goes there. All others go to the general model: also those
    whose language is not clear, since a multilingual model need not be told it. Texts that no
    model here was made for (`refuse`) are not answered at all.

    Models are loaded when the first text comes. Specialists together hold at most
    `memory_bytes`; the one that was used longest ago makes room. The general model is not
    counted and stays. A model is loaded once, however many threads ask for it, and while one
    loads the others go on answering.

    `bulk` takes a router as it takes a classifier: see `attempt` and `model_hash`.

    Attributes:
        serves: codes that are answered.
        routes: specialists by name.
        loads: how often each has been loaded, by name; `"general"` too.
        dropped: how often each has made room.
    """

    def __init__(
        self,
        general: Classifies | Callable[[], Classifies],
        routes: Iterable[Route] = (),
        *,
        serves: Collection[str] | None = None,
        identifier: Identifies | None = None,
        memory_bytes: int | None = None,
        refuse: Collection[str] = ("empty", "unserved"),
        retry_after: float = 60.0,
    ) -> None:
        """Describe the models; nothing is loaded yet.

        Args:
            general: answers whatever has no route: a model, or what loads it.
            routes: specialists; a language has one at most.
            serves: codes that are answered; left out, the identifier's, the general model's
                `serves`, or the course's languages, whichever is there.
            identifier: tells languages; left out, lingua among `serves`.
            memory_bytes: of all specialists in memory together; None for no bound.
            refuse: verdicts of `Detection` for which no model is asked.
            retry_after: seconds after which a route that failed is tried again.

        Raises:
            ServingError: `general` is neither a model nor what loads one, a route is not as
                `Route` says, two have one name or language, one leads where nothing is served, a
                verdict is unknown, or a number is none or out of range.
            UnknownLanguageError: a code has no card.
        """
        if not (hasattr(general, "classify") or callable(general)):
            raise ServingError(
                f"the general model is {general!r:.60}", "give a model, or a function that loads it"
            )
        self.identifier = identifier or LanguageIdentifier(_served(serves, general))
        own = serves if serves is not None else getattr(self.identifier, "serves", None)
        self.serves = frozenset(cards.get(code).code for code in own or _served(None, general))
        self.routes = _by_name(routes, self.serves)
        self._by_language = {c: r for r in self.routes.values() for c in r.languages}
        if strange := sorted(set(refuse) - set(_REFUSABLE)):
            raise ServingError(
                f"refuse names {strange[0]!r}", f"the verdicts are {', '.join(_REFUSABLE)}"
            )
        if memory_bytes is not None:
            _require_number("memory_bytes", memory_bytes)
        _require_number("retry_after", retry_after)
        self.refuse = frozenset(refuse)
        self.memory_bytes = memory_bytes
        self.retry_after = retry_after
        self.loads: dict[str, int] = dict.fromkeys((GENERAL, *self.routes), 0)
        self.dropped: dict[str, int] = dict.fromkeys(self.routes, 0)
        self._general = general
        self._general_model: Classifies | None = None
        self._models: OrderedDict[str, Classifies] = OrderedDict()
        self._sizes = {name: route.memory_bytes for name, route in self.routes.items()}
        self._known: dict[str, str] = {}
        self._failed: dict[str, float] = {}
        self._disagreed: dict[str, _Disagrees] = {}
        # What is in memory; never held while a model loads, so that the others go on answering.
        self._lock = threading.Lock()
        # One model loads at a time: two would take the room of one.
        self._loading = threading.RLock()

    def classify(
        self, texts: Sequence[Text], languages: Sequence[str | None] | None = None
    ) -> list[Routed]:
        """Return what became of each text, in the order of the texts.

        Args:
            texts: n texts, or pairs of texts.
            languages: n codes where the caller knows them; None where the text is to say.

        Raises:
            ServingError: `texts` or `languages` is one text, their lengths differ, a model
                returns another number of answers, or a specialist's labels are not the general
                one's.
            CourseError: the general model cannot be loaded.
        """
        _check(texts, languages)
        told = languages if languages is not None else [None] * len(texts)
        found = [self._detect(text, code) for text, code in zip(texts, told, strict=True)]
        groups: dict[str, list[int]] = {}
        out: list[Routed | None] = [None] * len(texts)
        for i, detection in enumerate(found):
            if detection.verdict in self.refuse:
                out[i] = self._refused(i, detection, texts[i])
            else:
                groups.setdefault(self._way(detection), []).append(i)
        for name, places in groups.items():
            for routed in self._answer(name, places, texts, found):
                out[routed.index] = routed
        return [routed for routed in out if routed is not None]

    def attempt(
        self, texts: Sequence[Any], languages: Sequence[str | None] | None = None
    ) -> list[Routed | ServingError]:
        """Return, for each text, its answer or why there is none, as a classifier's `attempt`.

        Raises:
            ServingError, CourseError: as `classify`.
        """
        return [
            ServingError(routed.problem, routed.remedy) if routed.answer is None else routed
            for routed in self.classify(texts, languages)
        ]

    def problem(self, text: Any, language: str | None = None) -> ServingError | None:
        """Return why a text cannot be answered, or None, before its language is looked for.

        The language that is told and what the general model says of a text (too long, no text)
        are checked; what shows only later, `attempt` says. The error does not repeat the text.
        """
        if language is not None:
            detection = self._detect(text, language)
            if detection.verdict in self.refuse:
                refused = self._refused(0, detection, text)
                return ServingError(refused.problem, refused.remedy)
        ask = getattr(self._loaded_general(), "problem", None)
        found: ServingError | None = None if ask is None else ask(text)
        return found

    @property
    def model_hash(self) -> str:
        """64 hexadecimal digits of all that decides an answer and the way to it.

        Of every model and its calibration, of the routes, and of what tells languages apart. A
        specialist that has never been loaded is loaded for it, within `memory_bytes`; one that
        cannot be stands as absent, for the general model answers in its place.

        Raises:
            ServingError: a specialist's labels are not the general one's.
            CourseError: the general model cannot be loaded.
        """
        told = {
            "models": {name: self._fingerprint(name) for name in (GENERAL, *self.routes)},
            "routes": {name: sorted(route.languages) for name, route in self.routes.items()},
            "serves": sorted(self.serves),
            "refuse": sorted(self.refuse),
            "identifier": str(getattr(self.identifier, "model_hash", type(self.identifier))),
        }
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()

    @property
    def names(self) -> tuple[str, ...]:
        """The labels, as the general model has them; empty where it does not say."""
        return tuple(getattr(self._loaded_general(), "names", ()))

    def model(self, name: str = GENERAL) -> Classifies:
        """Return the model of a route, loaded now if it is not in memory.

        Raises:
            ServingError: there is no such route, the model is too big, or its labels are not
                the general one's.
            CourseError: it cannot be loaded.
        """
        if name == GENERAL:
            return self._loaded_general()
        if name not in self.routes:
            raise ServingError(
                f"there is no route {name!r}", f"choose {', '.join((GENERAL, *self.routes))}"
            )
        return self._loaded(self.routes[name])

    @property
    def in_memory(self) -> dict[str, int]:
        """Bytes of each specialist that is loaded, the one used longest ago first."""
        with self._lock:
            return {name: int(model.memory_bytes) for name, model in self._models.items()}

    # ── which way ────────────────────────────────────────────────────────────────────────

    def _detect(self, text: Any, code: str | None) -> Detection:
        if code is not None:
            known = isinstance(code, str) and code in self.serves
            return Detection(code, "given") if known else Detection(None, "unserved")
        if not _is_text(text):
            return Detection(None, "empty")
        found = self.identifier.identify(text)
        if found.language is not None and found.language not in self.serves:
            return dataclasses.replace(found, language=None, verdict="unserved")
        return found

    def _refused(self, index: int, detection: Detection, text: Any) -> Routed:
        no_text = detection.verdict == "empty" and not _is_text(text)
        problem, remedy = _no_text(text) if no_text else _why(detection, self.serves)
        return Routed(index, None, detection, REFUSED, problem=problem, remedy=remedy)

    def _way(self, detection: Detection) -> str:
        route = self._by_language.get(detection.language or "")
        return GENERAL if route is None else route.name

    # ── asking ───────────────────────────────────────────────────────────────────────────

    def _answer(
        self, name: str, places: list[int], texts: Sequence[Text], found: list[Detection]
    ) -> list[Routed]:
        fallback = ""
        if name != GENERAL:
            model, fallback = None, "failed"
            try:
                model = self.model(name)
                return self._ask(name, model, places, texts, found, "")
            except _TooBig:
                fallback = "too big"
            except _Resting:
                pass
            except _Disagrees:
                raise
            except Exception as error:  # a specialist's fault must not cost the answer
                # What is wrong with one text must not close a route to all others.
                self._give_up(name, error, rest=model is None or not isinstance(error, CourseError))
        return self._ask(GENERAL, self._loaded_general(), places, texts, found, fallback)

    def _ask(
        self,
        name: str,
        model: Classifies,
        places: list[int],
        texts: Sequence[Text],
        found: list[Detection],
        fallback: str,
    ) -> list[Routed]:
        # `attempt` says of each text what is wrong with it, and answers the others.
        ask = getattr(model, "attempt", model.classify)
        answers = ask([texts[i] for i in places], [found[i].language for i in places])
        if len(answers) != len(places):
            raise ServingError(
                f"the model of {name} gave {len(answers)} answers to {len(places)} texts",
                "it has to return one a text",
            )
        out = []
        for i, answer in zip(places, answers, strict=True):
            if isinstance(answer, CourseError):
                why = (answer.problem, answer.remedy)
                out.append(Routed(i, None, found[i], REFUSED, "", fallback, *why))
            else:
                own = _placed(answer, i, name)
                out.append(Routed(i, own, found[i], name, str(model.model_hash), fallback))
        return out

    # ── memory ───────────────────────────────────────────────────────────────────────────

    def _loaded_general(self) -> Classifies:
        if self._general_model is None:
            with self._loading:
                if self._general_model is None:
                    given = self._general
                    ready = hasattr(given, "classify")
                    self._general_model = given if ready else given()  # type: ignore[operator,assignment]
                    self.loads[GENERAL] += 1
        assert self._general_model is not None
        return self._general_model

    def _loaded(self, route: Route) -> Classifies:
        model = self._kept(route.name)
        if model is not None:
            return model
        with self._loading:
            model = self._kept(route.name)  # another thread may have loaded it meanwhile
            if model is None:
                model = self._load(route)
            return model

    def _kept(self, name: str) -> Classifies | None:
        """Return a specialist that is in memory, as the one used last.

        Raises:
            _Resting: it has failed a short time ago.
            _Disagrees: its labels were not the general one's when it was loaded.
        """
        with self._lock:
            if (found := self._disagreed.get(name)) is not None:
                raise _Disagrees(found.problem, found.remedy)
            if name in self._models:
                self._models.move_to_end(name)
                return self._models[name]
            if time.monotonic() < self._failed.get(name, 0.0):
                raise _Resting(f"route {name} has failed", "it is tried again later")
            return None

    def _load(self, route: Route) -> Classifies:
        self._make_room(self._sizes[route.name], route.name)
        model = route.load()
        self.loads[route.name] += 1
        self._sizes[route.name] = int(model.memory_bytes)
        general = self._loaded_general()
        try:
            _same_labels(general, model, route.name)
        except _Disagrees as error:
            with self._lock:
                self._disagreed[route.name] = error
            raise
        self._make_room(self._sizes[route.name], route.name)
        with self._lock:
            self._models[route.name] = model
            self._failed.pop(route.name, None)
        return model

    def _fingerprint(self, name: str) -> str:
        """Return what stands for a model, its settings and calibration; empty without one."""
        model = self._general_model
        if name != GENERAL:
            with self._lock:
                model = self._models.get(name)
        if model is None and name in self._known:
            return self._known[name]
        if model is None:
            try:
                model = self.model(name)
            except (_TooBig, _Resting):
                return ""
            except _Disagrees:
                raise
            except Exception as error:
                if name == GENERAL:
                    raise
                self._give_up(name, error)
                return ""
        # Asked again while the model is in memory: its thresholds may have been set since.
        how = getattr(model, "settings_hash", "")
        said = f"{model.model_hash} {how} {getattr(model, 'calibration', None)!r}"
        self._known[name] = said
        return said

    def _make_room(self, size: int, name: str) -> None:
        """Drop specialists until one of `size` bytes fits."""
        if self.memory_bytes is None:
            return
        if size > self.memory_bytes:
            raise _TooBig(
                f"the model of {name} takes {size} bytes, and specialists may take "
                f"{self.memory_bytes}",
                "raise memory_bytes, or serve a smaller one",
            )
        with self._lock:
            taken = sum(int(model.memory_bytes) for model in self._models.values())
            while self._models and taken + size > self.memory_bytes:
                oldest, model = self._models.popitem(last=False)
                taken -= int(model.memory_bytes)
                self.dropped[oldest] += 1

    def _give_up(self, name: str, error: Exception, rest: bool = True) -> None:
        """Tell of a failure; let the route rest after it, and its model make room."""
        # No text of the error: it may quote what a user wrote.
        log.warning("route %s failed (%s); the general model answers", name, type(error).__name__)
        if rest:
            with self._lock:
                self._models.pop(name, None)
                self._failed[name] = time.monotonic() + self.retry_after


class _Resting(ServingError):
    """A route has failed a short time ago."""


class _TooBig(ServingError):
    """A specialist alone takes more memory than all may."""


class _Disagrees(ServingError):
    """A specialist answers with labels that the general model does not have."""


def _served(serves: Collection[str] | None, general: Any) -> tuple[str, ...]:
    """Return the codes to choose among: said, the model's own, or the course's."""
    if isinstance(serves, str):
        raise ServingError(f"serves is the text {serves!r}", f"give a list: [{serves!r}]")
    own = serves if serves is not None else getattr(general, "serves", None)
    if own is None:
        from xlhelpers import datasets

        own = datasets.handwritten_languages()
    return tuple(sorted(own))


def _by_name(routes: Iterable[Route], served: Collection[str]) -> dict[str, Route]:
    if not isinstance(routes, Iterable):
        raise ServingError(f"routes is {routes!r:.60}", "give a list of Route")
    out: dict[str, Route] = {}
    taken: dict[str, str] = {}
    for route in routes:
        _require_route(route)
        if route.name in out or route.name in (GENERAL, REFUSED):
            raise ServingError(f"{route.name!r} names another route", "give each its own name")
        for code in route.languages:
            if code not in served:
                raise ServingError(
                    f"route {route.name} is for {code!r}, which is not served",
                    f"served are {', '.join(sorted(served))}",
                )
            if code in taken:
                raise ServingError(
                    f"{code!r} has two routes, {taken[code]} and {route.name}", "keep one"
                )
            taken[code] = route.name
        out[route.name] = route
    return out


def _require_route(route: Any) -> None:
    """Raise a ServingError unless a route is described as `Route` says."""
    if not isinstance(route, Route):
        raise ServingError(f"a route is {route!r:.60}", 'give Route("german", ("de",), load)')
    if not isinstance(route.name, str) or not route.name:
        raise ServingError(f"the name of a route is {route.name!r:.60}", "give a text")
    codes = route.languages
    several = isinstance(codes, Collection) and not isinstance(codes, str) and codes
    if not several or not all(isinstance(code, str) for code in codes):
        raise ServingError(
            f"the languages of {route.name} are {codes!r:.60}", 'give codes: ("de",)'
        )
    if not callable(route.load):
        raise ServingError(
            f"what loads the model of {route.name} is {route.load!r:.60}",
            "give a function that returns the model: lambda: model",
        )
    _require_number(f"memory_bytes of {route.name}", route.memory_bytes)


def _require_number(name: str, value: Any) -> None:
    if not isinstance(value, Real) or isinstance(value, bool) or not float(value) >= 0:
        raise ServingError(f"{name} is {value!r:.60}", "choose a number, 0 or more")


def _same_labels(general: Any, model: Any, name: str) -> None:
    """Refuse a specialist of other labels, as far as both say what theirs are."""
    ours, theirs = getattr(general, "names", None), getattr(model, "names", None)
    if ours is not None and theirs is not None and set(ours) != set(theirs):
        raise _Disagrees(
            f"the model of {name} answers {', '.join(theirs)}, the general one {', '.join(ours)}",
            "translate its labels, or use a model of the same task",
        )


def _placed(answer: Any, index: int, route: str) -> Any:
    """Return an answer with its place among all texts, and its route, where it has such fields."""
    if not dataclasses.is_dataclass(answer) or isinstance(answer, type):
        return answer
    names = {one.name for one in dataclasses.fields(answer)}
    values: Mapping[str, Any] = {"index": index, "route": route}
    return dataclasses.replace(answer, **{k: v for k, v in values.items() if k in names})


def _is_text(text: Any) -> bool:
    sides = text if isinstance(text, tuple | list) else (text,)
    return bool(sides) and all(isinstance(side, str) for side in sides)


def _no_text(text: Any) -> tuple[str, str]:
    """Return what a classifier says of what is neither a text nor a pair of texts."""
    sides = text if isinstance(text, tuple | list) and len(text) == 2 else (text,)
    odd = next(side for side in sides if not isinstance(side, str))
    return f"it is no text but {type(odd).__name__}", "give texts"


def _why(detection: Detection, serves: Collection[str]) -> tuple[str, str]:
    """Return what is wrong with a text that is refused, and what to do about it."""
    say = "say which one it is in, where that is known"
    codes = ", ".join(sorted(serves))
    return {
        "empty": ("it is empty", "leave it out"),
        "wordless": ("there is no word in it", "leave it out"),
        "unserved": ("its language is not among those served", f"served are {codes}"),
        "mixed": ("it is in two languages", "divide it, or " + say),
        "too short": ("it is too short to tell its language", say),
        "unsure": ("its language is not clear", say),
    }[detection.verdict]


def _check(texts: Any, languages: Any) -> None:
    if isinstance(texts, str):
        raise ServingError("texts is one text", "give a list of texts")
    if isinstance(languages, str):
        raise ServingError("languages is one text", f"give one for each text: [{languages!r}, …]")
    if languages is not None and len(languages) != len(texts):
        raise ServingError(
            f"there are {len(texts)} texts and {len(languages)} languages",
            "give one for each; None where it is not known",
        )
