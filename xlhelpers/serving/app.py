"""The classifier behind HTTP, with Ray Serve; the extra [serve] brings it.

    serve run xlhelpers.serving.app:build model=sentiment replicas=2
    python -m xlhelpers.serving.app model=sentiment replicas=2 port=8000

    with xl.serving.app.running({"model": "sentiment"}) as url:   # in a program or a notebook
        …

Three deployments, all of them Ray's to start, to watch and to scale:

* `Gate` speaks HTTP. It refuses what can be refused without a model, waits for slow clients so
  that no model has to, bounds how long anything takes, and answers in JSON whatever happens.
* `Model` holds the classifier. Requests that come together are computed together.
* `Watch` counts what all gates have seen, in one `Monitor`, for `/metrics`.

POST /classify, GET /health (the gate), GET /ready (a model behind it), GET /metrics (Prometheus).
"""

from __future__ import annotations

import asyncio
import contextvars
import io
import json
import logging
import os
import socket
import sys
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from xlhelpers import settings
from xlhelpers.errors import CourseError
from xlhelpers.serving import _http
from xlhelpers.serving._errors import ServingError
from xlhelpers.serving._http import Asked, Limits, Refused
from xlhelpers.serving._options import Options, Specialist, load

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

__all__ = [
    "Gate",
    "Limits",
    "Model",
    "Options",
    "Specialist",
    "Watch",
    "application",
    "build",
    "load",
    "running",
]

# Ray puts what goes to this logger into the files of Serve, with the request's id.
log = logging.getLogger("ray.serve")

APP = "classifier"
# What a replica is asked now and then to see that it still answers.
_TRIAL = "a"
# Ray is told to let in more than the gate does, so that the gate says no itself, in JSON.
_MARGIN = 2
_READY_SECONDS = 10.0
# Counts leave a gate at most so often, and so many wait while nobody takes them.
_FLUSH_SECONDS = 0.5
_MOST_WAITING = 100_000


@dataclass(frozen=True, slots=True)
class Reply:
    """What a model says of one request.

    Attributes:
        id: of the request, as it came.
        answers: one a text, ready for JSON; with `"error"` where there is none.
        batch: requests that were computed together.
        failed: the model could not compute it.
    """

    id: str
    answers: list[dict[str, Any]] = field(repr=False)
    batch: int
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Noted:
    """One request, for the counts: its status, seconds, size of its batch, and its answers."""

    status: int
    seconds: float
    batch: int = 0
    answers: Sequence[Mapping[str, Any]] = ()


# ── building ─────────────────────────────────────────────────────────────────────────────


def build(args: dict[str, Any]) -> Any:
    """Return the application: `serve run xlhelpers.serving.app:build model=… replicas=…`.

    Args:
        args: as `Options.of`.

    Raises:
        ServingError: Ray Serve is not installed, or an argument is of no use.
    """
    return application(Options.of(args))


def application(options: Options) -> Any:
    """Return the application of Ray Serve for these options; nothing is started yet.

    Raises:
        ServingError: Ray Serve is not installed.
    """
    serve = _ray_serve()
    limits = options.limits
    model = serve.deployment(
        Model,
        name="Model",
        max_ongoing_requests=options.ongoing,
        max_queued_requests=limits.waiting,
        health_check_period_s=options.health_seconds,
        ray_actor_options={"num_cpus": options.threads},
        # A model that cannot be loaded will not be at the tenth try either.
        max_constructor_retry_count=3,
        graceful_shutdown_timeout_s=limits.seconds,
        # The gate's lines say it all; a second one for each request says nothing more.
        logging_config={"enable_access_log": False},
        **_scaling(options),
    ).bind(options.here())
    watch = None
    if options.monitor:
        watch = serve.deployment(
            Watch,
            name="Watch",
            max_ongoing_requests=100,
            ray_actor_options={"num_cpus": 0},
            logging_config={"enable_access_log": False},
        ).bind()
    return serve.deployment(
        Gate,
        name="Gate",
        num_replicas=options.gates,
        max_ongoing_requests=_MARGIN * limits.connections,
        max_queued_requests=limits.connections,
        ray_actor_options={"num_cpus": 0},
        graceful_shutdown_timeout_s=limits.seconds + limits.body_seconds,
    ).bind(model, watch, limits)


def __getattr__(name: str) -> Any:
    """`app`, the application with all defaults, is made when someone asks for it."""
    if name == "app":
        return build({})
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


@contextmanager
def running(
    args: Mapping[str, Any] | Options | None = None,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    cpus: int | None = None,
    folder: str | None = None,
) -> Iterator[str]:
    """Run the application with a Ray of its own on this machine; give its address.

    Ray's dashboard is off, nothing is reported to anyone, and only this machine can reach the
    application unless `host` says otherwise. Ray's own ports, by which its processes speak, are
    open to the network like those of any Ray; they ask for a token that Ray makes and keeps in
    the user's folder .ray.

    Args:
        args: as `Options.of`, or the options.
        port: 0 for any that is free.
        cpus: how many Ray may think it has; left out, those of the machine.
        folder: where Ray keeps its logs and sockets; a short path. Left out, Ray's own choice.

    Raises:
        ServingError: Ray Serve is not installed, Ray runs in this program already, the port
            cannot be used, or the application cannot be started; the model's own error where it
            has one.
    """
    options = args if isinstance(args, Options) else Options.of(args or {})
    if "ray" not in sys.modules:  # it looks once
        os.environ.setdefault("RAY_AUTH_MODE", "token")
    made = application(options)
    import ray
    from ray import serve

    if ray.is_initialized():
        raise ServingError(
            "Ray runs in this program already", "use serve.run(xl.serving.app.build({…}))"
        )
    port = _usable_port(host, port)
    level = log.level
    # In this program Ray says only what is wrong; its processes have files of their own.
    log.setLevel(logging.WARNING)
    try:
        _start_ray(cpus, folder)
        _require_room(options)
        _deploy(made, _http_options(options.limits, host, port))
        yield f"http://{host}:{port}"
    finally:
        if ray.is_initialized():
            # Ray would print that its controller has ended, which it was told to.
            with redirect_stdout(io.StringIO()):
                serve.shutdown()
                ray.shutdown()
        log.setLevel(level)


# ── the gate ─────────────────────────────────────────────────────────────────────────────


class Gate:
    """Speaks HTTP; asks a replica of the model; answers each request once, in JSON."""

    def __init__(self, model: Any, watch: Any, limits: Limits) -> None:
        self._model, self._watch, self._limits = model, watch, limits
        self._inside = 0
        self._noted: deque[Noted] = deque(maxlen=_MOST_WAITING)
        self._flushing: asyncio.Task[None] | None = None
        self._ways: dict[str, tuple[str, Callable[[Request, str], Awaitable[Response]]]] = {
            "/classify": ("POST", self._classify),
            "/health": ("GET", self._health),
            "/ready": ("GET", self._ready),
            "/metrics": ("GET", self._metrics),
        }

    async def __call__(self, request: Request) -> Response:
        """Return the response to one request."""
        id = ""
        try:
            id = _http.request_id(request.headers.get("x-request-id"))
            return await self._way(request)(request, id)
        except Refused as refused:
            return _json(refused.status, refused.json(id), refused.headers)
        except Exception as error:
            # The error's own words may quote what a user wrote; its name does not.
            log.error("a request failed: %s at %s", type(error).__name__, _place(error))
            failed = Refused(500, "the service failed", "look into its log under this id")
            return _json(500, failed.json(id))

    def _way(self, request: Request) -> Callable[[Request, str], Awaitable[Response]]:
        path, root = request.scope["path"], request.scope.get("root_path", "")
        path = path.removeprefix(root) if root else path
        found = self._ways.get("/" + path.strip("/"))
        if found is None:
            raise Refused(404, "there is nothing here", f"there are {', '.join(self._ways)}")
        method, way = found
        if request.method not in (method, "HEAD" if method == "GET" else method):
            raise Refused(405, f"this is for {method}", f"use {method}", {"Allow": method})
        return way

    # ── one way each ─────────────────────────────────────────────────────────────────────

    async def _classify(self, request: Request, id: str) -> Response:
        from ray.exceptions import TaskCancelledError
        from starlette.requests import ClientDisconnect

        start = time.perf_counter()
        reply: Reply | None = None
        status = 499  # what stays when the client goes away
        self._inside += 1
        try:
            reply = await self._answered(request, id)
            status = 200
        except Refused as refused:
            status = refused.status
            raise
        except (ClientDisconnect, TaskCancelledError):  # whichever says it first
            raise Refused(status, "the client went away", "wait for the answer") from None
        except Exception:
            status = 500
            raise
        finally:
            self._inside -= 1
            self._note(status, time.perf_counter() - start, reply)
        return _json(200, {"id": reply.id, "answers": reply.answers})

    async def _answered(self, request: Request, id: str) -> Reply:
        limits = self._limits
        if self._inside > limits.connections:
            raise self._busy("too many requests are here at once")
        chunks = request.stream()
        try:
            _http.check_headers(request.headers, limits)
            body = await _http.read_body(chunks, limits)
        except Refused as refused:
            if refused.status != 408:
                await _http.discard(chunks, limits)
            raise
        reply = await self._ask(_http.parse(body, id, limits))
        if reply.id != id:
            raise RuntimeError("the reply is for another request")
        if reply.failed:
            raise Refused(
                500, "the model failed", "look into the service's log; other texts may go through"
            )
        return reply

    async def _health(self, request: Request, id: str) -> Response:
        return _json(200, {"status": "alive"})

    async def _ready(self, request: Request, id: str) -> Response:
        try:
            said = await self._call("ready", _READY_SECONDS)
        except Refused:
            raise self._away("no replica of the model is free to say that it is there") from None
        return _json(200, {"status": "ready", **said})

    async def _metrics(self, request: Request, id: str) -> Response:
        from starlette.responses import Response

        if self._watch is None:
            raise Refused(404, "nothing is counted here", "start it with monitor=true")
        await self._flush()
        try:
            text, kind = await asyncio.wait_for(self._watch.metrics.remote(), _READY_SECONDS)
        except Exception as error:
            log.warning("no metrics: %s", type(error).__name__)
            raise self._away("what counts is not there") from None
        return Response(text, media_type=kind)

    # ── asking the model ─────────────────────────────────────────────────────────────────

    async def _ask(self, asked: Asked) -> Reply:
        """Return a replica's reply; when the replica dies, another one is asked, once."""
        until = time.monotonic() + self._limits.seconds
        try:
            found: Reply = await self._call("answer", self._limits.seconds, asked)
        except _Died:
            left = until - time.monotonic()
            if left <= 0:
                raise self._late() from None
            found = await self._call("answer", left, asked)
        return found

    async def _call(self, method: str, seconds: float, *args: Any) -> Any:
        """Return what a replica says.

        Raises:
            Refused: 429, 503 or 504.
        """
        from ray.exceptions import RayError, RayTaskError, TaskCancelledError
        from ray.serve.exceptions import BackPressureError, RayServeException

        response = getattr(self._model, method).remote(*args)
        try:
            return await asyncio.wait_for(response, seconds)
        except TimeoutError:
            # What no batch has taken yet is not computed.
            response.cancel()
            raise self._late() from None
        except BackPressureError:
            raise self._busy("more requests are waiting than may") from None
        except (RayTaskError, TaskCancelledError):
            raise  # the replica is alive, and would fail again; or nobody waits for it
        except (RayError, RayServeException) as error:
            log.warning("a replica did not answer: %s", type(error).__name__)
            raise _Died(503, "the replica that had this request ended", *self._again()) from None

    def _busy(self, problem: str) -> Refused:
        return Refused(429, problem, *self._again())

    def _away(self, problem: str) -> Refused:
        return Refused(503, problem, *self._again())

    def _again(self) -> tuple[str, dict[str, str]]:
        seconds = self._limits.retry_after
        return f"send it again in {seconds} s, or later", {"Retry-After": str(seconds)}

    def _late(self) -> Refused:
        return Refused(
            504,
            f"there was no answer within {self._limits.seconds:g} seconds",
            "send fewer or shorter texts, or send it again later",
        )

    # ── counting ─────────────────────────────────────────────────────────────────────────

    def _note(self, status: int, seconds: float, reply: Reply | None) -> None:
        if self._watch is None:
            return
        batch, answers = (0, []) if reply is None else (reply.batch, reply.answers)
        self._noted.append(Noted(status, seconds, batch, [_seen(one) for one in answers]))
        if self._flushing is None or self._flushing.done():
            # In a context of its own: what a request started is cancelled with it.
            self._flushing = asyncio.get_running_loop().create_task(
                self._flush_later(), context=contextvars.Context()
            )

    async def _flush_later(self) -> None:
        await asyncio.sleep(_FLUSH_SECONDS)
        await self._flush()

    async def _flush(self) -> None:
        """Hand over what was counted; what nobody takes is kept for the next time."""
        if not self._noted:
            return
        rows = list(self._noted)
        self._noted.clear()
        response = self._watch.note.remote(rows)
        try:
            await asyncio.wait_for(response, _READY_SECONDS)
        except (Exception, asyncio.CancelledError) as error:
            response.cancel()
            log.warning("counts could not be handed over: %s", type(error).__name__)
            self._noted = deque([*rows, *self._noted], maxlen=_MOST_WAITING)
            if isinstance(error, asyncio.CancelledError):
                raise


class _Died(Refused):
    """A replica ended before it answered."""


# ── the model ────────────────────────────────────────────────────────────────────────────


class Model:
    """A replica: a classifier, or a router of several, that computes requests together."""

    def __init__(self, options: Options) -> None:
        """Load what is served.

        Raises:
            ServingError, HubError: it cannot be, such as a head that was never trained, a
                specialist of other labels, or a model that has none for the trial.
        """
        # Of a replica's progress nobody sees a bar.
        settings.use(threads=options.threads, progress=False)
        self._service = load(options)
        # Every specialist is loaded for it, once: one of other labels would fail at each request.
        log.info("the replica serves %s", self._service.model_hash)
        self._said = self._trial()
        if self._said is None:
            raise ServingError(
                f"the model has no label for {_TRIAL!r}, by which a replica is tried",
                "serve one that answers short texts",
            )
        self._free = asyncio.Event()
        self._free.set()
        self._together = self._batched(options)

    async def answer(self, asked: Asked) -> Reply:
        """Return the reply to one request, computed with those that come at the same time.

        Ray gathers a batch for so many seconds from its first request on, whatever the model is
        doing; while it computes, batches of one or two would queue up behind it. So requests come
        forward when the model is free, and all that came meanwhile are a batch.
        """
        await self._free.wait()
        reply: Reply = await self._together(asked)
        return reply

    async def ready(self) -> dict[str, Any]:
        """Return what this replica serves."""
        return {"model_hash": self._service.model_hash}

    async def check_health(self) -> None:
        """Ray calls this, and starts the replica anew where it raises or does not return."""
        said = await asyncio.to_thread(self._trial)
        if said != self._said:
            raise RuntimeError("the model does not say what it said when it was loaded")

    def _batched(self, options: Options) -> Callable[[Asked], Awaitable[Reply]]:
        serve = _ray_serve()

        @serve.batch(max_batch_size=options.batch, batch_wait_timeout_s=options.wait_seconds)
        async def together(asked: list[Asked]) -> list[Reply]:
            self._free.clear()
            try:
                # In a thread: the replica hears of new requests and shows that it is alive.
                return await asyncio.to_thread(self._replies, asked)
            finally:
                self._free.set()

        made: Callable[[Asked], Awaitable[Reply]] = together
        return made

    def _replies(self, asked: Sequence[Asked]) -> list[Reply]:
        """Return a reply to each request; where all together fail, each is tried by itself."""
        try:
            return self._computed(asked)
        except Exception as error:
            log.error("a batch failed: %s at %s", type(error).__name__, _place(error))
            if len(asked) == 1:
                return [Reply(asked[0].id, [], 1, failed=True)]
        return [reply for one in asked for reply in self._replies([one])]

    def _computed(self, asked: Sequence[Asked]) -> list[Reply]:
        texts = [text for one in asked for text in one.texts]
        codes = [code for one in asked for code in one.languages]
        said = iter(_ask(self._service, texts, codes))
        return [
            Reply(
                one.id,
                [_answer(i, code, next(said)) for i, code in enumerate(one.languages)],
                len(asked),
            )
            for one in asked
        ]

    def _trial(self) -> str | None:
        """Return the label of the trial, None for none; of a router the general model is asked."""
        service: Any = self._service
        # The router itself may refuse so short a text, and no model would have been asked.
        model = service.model() if hasattr(service, "routes") else service
        [found] = _ask(model, [_TRIAL], [None])
        return getattr(found, "label", None)


# ── what watches ─────────────────────────────────────────────────────────────────────────


class Watch:
    """The counts of the whole service in one place, since drift shows in all of the traffic.

    When it is started anew, counts begin at 0, as Prometheus expects of a counter, and a new
    reference is gathered. Ray's own metrics have the rest, by replica.
    """

    def __init__(self) -> None:
        from prometheus_client import Counter, Histogram

        from xlhelpers.serving.monitoring import Monitor

        self.monitor = Monitor()
        how: dict[str, Any] = {"registry": self.monitor.registry, "namespace": "xlhelpers"}
        self._requests = Counter("requests", "Requests to /classify", ["status"], **how)
        self._seconds = Histogram(
            "request_seconds", "From a request's first byte to its response", ["status"], **how
        )
        self._batch = Histogram(
            "batch_requests",
            "Requests that were computed with a request, itself included",
            buckets=(1, 2, 4, 8, 16, 32, 64, 128),
            **how,
        )

    async def note(self, rows: Sequence[Noted]) -> None:
        """Count what a gate has seen."""
        for row in rows:
            status = str(row.status)
            self._requests.labels(status).inc()
            self._seconds.labels(status).observe(row.seconds)
            if row.batch:
                self._batch.observe(row.batch)
            for one in row.answers:
                for alarm in self.monitor.observe(_observed(one), row.seconds):
                    log.warning("drift: %s", alarm)

    async def metrics(self) -> tuple[bytes, str]:
        """Return all of it in Prometheus's text format, and its media type."""
        return self.monitor.prometheus(), self.monitor.content_type


# ── parts ────────────────────────────────────────────────────────────────────────────────


def _ask(service: Any, texts: Sequence[Any], codes: Sequence[str | None]) -> Sequence[Any]:
    """Return one answer a text; a router's `classify` says all that it knows of each."""
    ask = service.classify if hasattr(service, "routes") else service.attempt
    found: Sequence[Any] = ask(texts, codes)
    return found


def _answer(index: int, language: str | None, said: Any) -> dict[str, Any]:
    """Return what was said of one text for JSON, with its place among those of its request."""
    if isinstance(said, CourseError):
        return {
            "index": index,
            "language": language,
            "error": said.problem,
            "remedy": said.remedy,
        }
    found: dict[str, Any] = said.json() | {"index": index}
    problem, remedy = found.pop("problem", ""), found.pop("remedy", "")
    return found | {"error": problem, "remedy": remedy} if problem else found


def _seen(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the counts need of an answer."""
    detection = answer.get("detection") or {}
    names = ("label", "confidence", "language", "route", "model_hash", "below_threshold")
    return {name: answer.get(name) for name in names} | {"verdict": detection.get("verdict", "")}


def _observed(seen: Mapping[str, Any]) -> Any:
    """Return an object that `Monitor.observe` takes."""
    return SimpleNamespace(
        **{name: value for name, value in seen.items() if name != "verdict"},
        detection=SimpleNamespace(verdict=seen["verdict"]),
    )


def _json(status: int, content: Any, headers: Mapping[str, str] | None = None) -> Response:
    from starlette.responses import Response

    body = json.dumps(content, ensure_ascii=False, allow_nan=False).encode()
    return Response(body, status, dict(headers or {}), "application/json")


def _place(error: BaseException) -> str:
    """Return where an error was raised: a file and a line, and none of its words."""
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    if frame is None:
        return "?"
    return f"{Path(frame.tb_frame.f_code.co_filename).name}:{frame.tb_lineno}"


def _scaling(options: Options) -> dict[str, Any]:
    if not options.max_replicas or options.max_replicas == options.replicas:
        return {"num_replicas": options.replicas}
    return {
        "autoscaling_config": {
            "min_replicas": options.replicas,
            "max_replicas": options.max_replicas,
            "target_ongoing_requests": options.target,
        }
    }


def _http_options(limits: Limits, host: str, port: int) -> dict[str, Any]:
    # A net under the gate's own limits, for whatever it may fail to answer.
    most = limits.body_seconds + limits.seconds + 10
    return {"host": host, "port": port, "request_timeout_s": most}


def _ray_serve() -> Any:
    # Ray reports how it is used, unless someone has decided otherwise; it asks when it starts.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        from ray import serve
    except ImportError as error:
        raise ServingError(
            "Ray Serve is not installed", 'python -m pip install "ray[serve]>=2.52"'
        ) from error
    return serve


def _usable_port(host: str, port: int) -> int:
    """Return a port that was free a moment ago: the one asked for, or any for 0.

    Raises:
        ServingError: it is in use, forbidden, or none.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        # Unlike Ray's proxy, this does not share a port with whoever listens there already.
        with socket.create_server((host, port), family=family) as found:
            return int(found.getsockname()[1])
    except (OSError, OverflowError) as error:
        raise ServingError(
            f"port {port} of {host} cannot be used ({error})",
            "stop what uses it, or choose another: port=8001",
        ) from None


def _start_ray(cpus: int | None, folder: str | None) -> None:
    import ray

    ray.init(
        address="local",
        namespace="serve",
        num_cpus=cpus,
        include_dashboard=False,
        # What travels between processes is small.
        object_store_memory=100 * 2**20,
        logging_level=logging.WARNING,
        log_to_driver=False,
        _temp_dir=folder,
    )


def _require_room(options: Options) -> None:
    """Raise a ServingError where replicas would wait for processors for ever."""
    import ray

    have, need = int(ray.cluster_resources().get("CPU", 0)), options.replicas * options.threads
    if need > have:
        raise ServingError(
            f"{options.replicas} replicas of {options.threads} threads need {need} processors, "
            f"and Ray has {have}",
            "choose fewer replicas or threads",
        )


def _deploy(made: Any, http_options: Mapping[str, Any]) -> None:
    """Start Serve and the application, and wait until it answers.

    Raises:
        ServingError: it cannot be started, for the reason that the model gave.
    """
    from ray.exceptions import RayError

    serve = _ray_serve()
    try:
        serve.start(http_options=dict(http_options))
        serve.run(made, name=APP, route_prefix="/")
    except (RuntimeError, RayError, TimeoutError) as error:
        raise _reason(serve, error) from error


def _reason(serve: Any, error: Exception) -> ServingError:
    """Return the model's own error out of what Ray says of a deployment that failed."""
    said = str(error)
    found = serve.status().applications.get(APP)
    if found is not None:
        parts = [found.message, *(one.message for one in found.deployments.values()), said]
        said = "\n".join(parts)
    lines = said.splitlines()
    for i, line in enumerate(lines):
        kind, _, problem = line.strip().partition(": ")
        if kind.startswith("xlhelpers.") and i + 1 < len(lines):
            remedy = lines[i + 1].strip().removeprefix("Remedy: ")
            return ServingError(problem, remedy)
    # The last line of a traceback: of a file that is not there, or of too little memory.
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return ServingError(f"the application could not be started: {last:.300}", "see Ray's logs")


def main(arguments: Sequence[str]) -> int:
    """Serve until someone stops it: `python -m xlhelpers.serving.app model=… port=…`."""
    try:
        given = dict(one.split("=", 1) for one in arguments)
        host, port = given.pop("host", "127.0.0.1"), int(given.pop("port", "8000"))
    except ValueError:
        print("Give arguments as name=value; port is a number.", file=sys.stderr)
        return 2
    try:
        with running(given, host=host, port=port) as url:
            print(f"POST {url}/classify; stop it with Ctrl-C", flush=True)
            while True:
                time.sleep(3600)
    except CourseError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0


if __name__ == "__main__":
    # Under its own name: what is pickled must not belong to a program's __main__.
    from xlhelpers.serving import app as _app

    raise SystemExit(_app.main(sys.argv[1:]))
