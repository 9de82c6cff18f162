"""What `app` serves and with how much, from a command line or a file. No Ray in here."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xlhelpers import hub
from xlhelpers.serving import _http
from xlhelpers.serving._errors import ServingError
from xlhelpers.serving._http import Limits
from xlhelpers.serving.classifier import MultilingualClassifier

if TYPE_CHECKING:
    from xlhelpers.serving.routing import LanguageRouter, Route


@dataclass(frozen=True, slots=True)
class Specialist:
    """A model that answers some languages better than the one for all.

    Attributes:
        name: what answers and metrics call its route.
        languages: codes.
        model: as `Options.model`.
        memory_bytes: what it takes, where known; 0 for not known.
        names: as `Options.names`, of this model.
        calibration: as `Options.calibration`, of this model.
    """

    name: str
    languages: tuple[str, ...]
    model: str
    memory_bytes: int = 0
    names: tuple[str, ...] = ()
    calibration: str = ""

    def __post_init__(self) -> None:
        for field_name in ("name", "model"):
            if not isinstance(found := getattr(self, field_name), str) or not found:
                raise ServingError(f"{field_name} of a route is {found!r:.60}", "give a text")
        for field_name in ("languages", "names"):
            found = getattr(self, field_name)
            several = isinstance(found, list | tuple)
            if not several or not all(isinstance(one, str) and one for one in found):
                raise ServingError(
                    f"{field_name} of route {self.name} is {found!r:.60}", "give a list of texts"
                )
            object.__setattr__(self, field_name, tuple(found))
        if not self.languages:
            raise ServingError(f"route {self.name} has no languages", 'give codes: ["de"]')
        if not isinstance(self.calibration, str):
            raise ServingError(
                f"calibration of route {self.name} is {self.calibration!r:.60}", "name a file"
            )
        _http.require_whole(f"memory_bytes of route {self.name}", self.memory_bytes, 0)


@dataclass(frozen=True, slots=True)
class Options:
    """What is served, and with how much.

    Attributes:
        model: a role such as `"sentiment"`, a hub id, a folder of a trained model, or one that
            `onnx.export` or `onnx.quantise` has written. A folder has to be at this place on
            every machine that runs a replica.
        names: the labels in the order of the outputs, for a checkpoint that calls them LABEL_0 …
        calibration: file of temperatures and thresholds; empty for none.
        replicas: copies of the model, at least.
        max_replicas: at most; 0 for as many as `replicas`, always.
        target: requests inside a replica, computed or waiting; with more, copies are added, with
            fewer, taken away.
        threads: of each replica; so many processors are kept for it.
        batch: requests that are computed together, at most. 1: each by itself.
        wait_seconds: how long the first of them waits for others.
        ongoing: requests that a replica is given at once: those computed and those gathered for
            the next batch. Others wait in the gate, `Limits.waiting` of them.
        budget: tokens of what is computed in one go, padding included. Less than in `bulk`,
            which has more texts of like length to choose from: in a batch of requests the long
            ones would be padding for the short ones.
        cache: logits of so many texts are kept in each replica; 0 keeps none.
        identify: tell the language of texts that come without one, with lingua.
        routes: specialists by language; `identify` is on where there are any.
        specialists_bytes: of memory that they take together, in a replica; 0 for no bound.
        gates: processes that speak HTTP.
        monitor: count answers for /metrics.
        health_seconds: between two trials of a replica.
        limits: of a request.
    """

    model: str = "sentiment"
    names: tuple[str, ...] = ()
    calibration: str = ""
    replicas: int = 1
    max_replicas: int = 0
    target: float = 8.0
    threads: int = 1
    batch: int = 32
    wait_seconds: float = 0.005
    ongoing: int = 64
    budget: int = 256
    cache: int = 0
    identify: bool = False
    routes: tuple[Specialist, ...] = ()
    specialists_bytes: int = 0
    gates: int = 1
    monitor: bool = True
    health_seconds: float = 10.0
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        for name in ("replicas", "threads", "batch", "budget", "gates"):
            _http.require_whole(name, getattr(self, name), 1)
        _http.require_whole("ongoing", self.ongoing, self.batch)
        for name in ("max_replicas", "cache", "specialists_bytes"):
            _http.require_whole(name, getattr(self, name), 0)
        if 0 < self.max_replicas < self.replicas:
            raise ServingError(
                f"max_replicas is {self.max_replicas}, and replicas {self.replicas}",
                "choose as many or more, or 0 for as many",
            )
        _http.require_number("wait_seconds", self.wait_seconds, zero=True)
        for name in ("target", "health_seconds"):
            _http.require_number(name, getattr(self, name), zero=False)

    @classmethod
    def of(cls, args: Mapping[str, Any]) -> Options:
        """Return options from a flat mapping, as a command line or a file of Ray Serve has it.

        Names of `Limits` stand beside those of `Options`. Values may be texts: `"2"`, `"true"`,
        `"de,en"`; `routes` is a list of objects, or JSON of one.

        Raises:
            ServingError: a name is unknown, or a value is of no use.
        """
        limits = {f.name: f.default for f in dataclasses.fields(Limits)}
        own = {f.name: f.default for f in dataclasses.fields(cls) if f.name != "limits"}
        if strange := sorted(set(args) - set(limits) - set(own)):
            raise ServingError(
                f"there is no option {strange[0]!r:.40}", f"there are {', '.join([*own, *limits])}"
            )
        given = {name: _converted(name, args[name], (own | limits)[name]) for name in args}
        bounds = Limits(**{name: value for name, value in given.items() if name in limits})
        return cls(**{n: v for n, v in given.items() if n in own}, limits=bounds)

    def here(self) -> Options:
        """Return the same with the whole path of every folder and file that is there."""
        return dataclasses.replace(
            self,
            model=_whole(self.model),
            calibration=_file(self.calibration),
            routes=tuple(
                dataclasses.replace(
                    one, model=_whole(one.model), calibration=_file(one.calibration)
                )
                for one in self.routes
            ),
        )


def load(options: Options) -> MultilingualClassifier | LanguageRouter:
    """Return what a replica holds.

    Raises:
        ServingError, HubError: as `MultilingualClassifier.load`.
    """
    serves = options.limits.serves or None
    general = MultilingualClassifier.load(
        _model(options.model, options.threads),
        names=options.names or None,
        calibration=options.calibration or None,
        serves=None if options.identify or options.routes else serves,
        budget=options.budget,
        max_characters=options.limits.characters,
        cache=options.cache,
    )
    if not (options.identify or options.routes):
        return general
    from xlhelpers.serving.routing import LanguageRouter

    routes = [_route(one, options) for one in options.routes]
    bound = options.specialists_bytes or None
    return LanguageRouter(general, routes, serves=serves, memory_bytes=bound)


# ── inside ───────────────────────────────────────────────────────────────────────────────


def _model(what: str, threads: int) -> Any:
    """Return what `MultilingualClassifier.load` takes; a folder of ONNX is opened here."""
    from xlhelpers.serving import onnx

    if (folder := _there(what)) is None:
        return what
    return onnx.OnnxBackend(folder, threads) if (folder / onnx.RECORD).is_file() else folder


def _route(one: Specialist, options: Options) -> Route:
    from xlhelpers.serving.routing import Route

    def loaded() -> MultilingualClassifier:
        return MultilingualClassifier.load(
            _model(one.model, options.threads),
            names=one.names or None,
            calibration=one.calibration or None,
            budget=options.budget,
            max_characters=options.limits.characters,
            cache=options.cache,
        )

    return Route(one.name, one.languages, loaded, one.memory_bytes)


def _converted(name: str, value: Any, default: Any) -> Any:
    """Return a value of the type of its default, from a text where it is one."""
    if name == "routes":
        return _specialists(value)
    if isinstance(default, tuple):
        parts = value.split(",") if isinstance(value, str) else value
        if not isinstance(parts, list | tuple) or not all(isinstance(p, str) for p in parts):
            raise ServingError(f"{name} is {value!r:.60}", "give several with commas between")
        return tuple(part.strip() for part in parts if part.strip())
    if isinstance(default, str) and not isinstance(value, str):
        raise ServingError(f"{name} is {value!r:.60}", "give a text")
    if not isinstance(value, str) or isinstance(default, str):
        return float(value) if isinstance(default, float) and type(value) is int else value
    if isinstance(default, bool):
        if value.lower() not in ("true", "false"):
            raise ServingError(f"{name} is {value!r:.60}", "choose true or false")
        return value.lower() == "true"
    try:
        return type(default)(value)
    except ValueError:
        raise ServingError(
            f"{name} is {value!r:.60}", f"give a number, such as {default}"
        ) from None


def _specialists(value: Any) -> tuple[Specialist, ...]:
    try:
        found = json.loads(value) if isinstance(value, str) else value
        return tuple(one if isinstance(one, Specialist) else Specialist(**one) for one in found)
    except ServingError:
        raise  # it says which field is wrong
    except (ValueError, TypeError) as error:
        raise ServingError(
            f"routes cannot be read ({type(error).__name__})",
            'give a list such as [{"name": "german", "languages": ["de"], "model": "a/folder"}]',
        ) from None


def _whole(what: str) -> str:
    """Return the whole path of what is there, and any other name as it is."""
    return what if (place := _there(what)) is None else str(place)


def _file(name: str) -> str:
    """Return the whole path of a file that is there; empty for none."""
    return _whole(name) if name else ""


def _there(what: str) -> Path | None:
    """Return the whole path of a folder or file, None where there is none; a role is none."""
    return Path(what).resolve() if what not in hub.ROLES and Path(what).exists() else None
