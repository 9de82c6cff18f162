"""The classifier behind HTTP: each request has one answer, its own, or one clear error."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from xlhelpers import datasets, hub
from xlhelpers.errors import CourseError
from xlhelpers.serving import MultilingualClassifier, ServingError, _http, _options, app
from xlhelpers.serving._http import Asked, Limits, Refused
from xlhelpers.serving.app import Gate, Model, Noted, Options, Reply, Specialist, Watch
from xlhelpers.serving.calibration import Calibration
from xlhelpers.serving.routing import LanguageRouter

# Ray's own, when it is imported.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:ray")

JSON = {"content-type": "application/json"}
# In texts that nobody may find in a log.
SECRET = "zaubernuss"


# ── what is refused without a model ──────────────────────────────────────────────────────


def test_a_request_is_read_as_it_was_sent() -> None:
    body = json.dumps({"texts": ["Ça va", ["one", "two"]], "languages": ["fr", None]})
    asked = _http.parse(body.encode(), "7", Limits(serves=("fr",)))
    assert asked == Asked("7", ("Ça va", ("one", "two")), ("fr", None))
    assert _http.parse(b'{"texts": ["a", "b"]}', "8", Limits()).languages == (None, None)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, b""),
        (400, b"{"),
        (400, b'{"texts": ["\xff"]}'),
        (400, "{}".encode("utf-16")),
        (400, b"\xef\xbb\xbf{}"),
        (400, b"[" * 100_000),
        (400, b'{"texts": ' + b"1" * 10_000 + b"}"),
        (422, b"[]"),
        (422, b'{"text": "one"}'),
        (422, b'{"texts": "one"}'),
        (422, b'{"texts": []}'),
        (422, b'{"texts": [1]}'),
        (422, b'{"texts": [["a", "b", "c"]]}'),
        (422, b'{"texts": [["a", null]]}'),
        (422, b'{"texts": ["\\ud800"]}'),
        (422, b'{"texts": ["a"], "language": ["en"]}'),
        (422, b'{"texts": ["a"], "languages": "en"}'),
        (422, b'{"texts": ["a"], "languages": ["en", "de"]}'),
        (422, b'{"texts": ["a"], "languages": [5]}'),
        (422, b'{"texts": ["a"], "languages": ["e n"]}'),
        (422, b'{"texts": ["a"], "languages": ["sw"]}'),
        (413, b'{"texts": ["a", "a", "a", "a"]}'),
        (413, b'{"texts": ["aaaaaaaaaaa"]}'),
        (413, b'{"texts": [["a", "aaaaaaaaaaa"]]}'),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_status(status: int, body: bytes) -> None:
    limits = Limits(texts=3, characters=10, serves=("en", "de"))
    with pytest.raises(Refused) as refused:
        _http.parse(body, "7", limits)
    assert refused.value.status == status
    said = refused.value.json("7")
    assert said["id"] == "7" and said["error"] and said["remedy"]


def test_no_refusal_repeats_a_text() -> None:
    bodies = (
        f'{{"texts": ["{SECRET * 2}"]}}',
        f'{{"texts": ["{SECRET}", 5]}}',
        f'{{"{SECRET}": 1, "texts": ["a"]}}',
        f'{{"texts": ["a"], "languages": ["{SECRET} x"]}}',
        f'{{"texts": ["{SECRET}"',
    )
    for body in bodies:
        with pytest.raises(Refused) as refused:
            _http.parse(body.encode(), "7", Limits(characters=12))
        assert SECRET not in str(refused.value.json("7")), body


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (415, {}),
        (415, {"content-type": "text/plain"}),
        (415, {"content-type": "application/x-www-form-urlencoded"}),
        (415, {**JSON, "content-encoding": "gzip"}),
        (413, {**JSON, "content-length": "101"}),
        (413, {**JSON, "content-length": "9" * 5000}),
        (0, {**JSON, "content-length": "100"}),
        (0, {"content-type": "Application/JSON; charset=utf-8"}),
    ],
)
def test_headers_alone_can_be_enough(status: int, headers: dict[str, str]) -> None:
    limits = Limits(bytes=100)
    if not status:
        _http.check_headers(headers, limits)
        return
    with pytest.raises(Refused) as refused:
        _http.check_headers(headers, limits)
    assert refused.value.status == status


def test_a_body_is_read_no_further_than_it_may_be() -> None:
    sent = 0

    async def chunks(count: int, seconds: float = 0.0) -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(count):
            await asyncio.sleep(seconds)
            sent += 1
            yield b"0123456789"

    limits = Limits(bytes=100, body_seconds=0.2)
    assert len(asyncio.run(_http.read_body(chunks(10), limits))) == 100
    sent = 0
    with pytest.raises(Refused) as big:
        asyncio.run(_http.read_body(chunks(1000), limits))
    assert big.value.status == 413 and sent == 11
    with pytest.raises(Refused) as slow:
        asyncio.run(_http.read_body(chunks(10, 0.05), limits))
    assert slow.value.status == 408


def test_a_refused_body_is_heard_out_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    read = 0

    async def chunks(count: int, seconds: float = 0.0) -> AsyncIterator[bytes]:
        nonlocal read
        for _ in range(count):
            await asyncio.sleep(seconds)
            read += 1
            yield b"0123456789"

    async def refused(parts: AsyncIterator[bytes]) -> None:
        with pytest.raises(Refused):
            await _http.read_body(parts, limits)
        await _http.discard(parts, limits)

    limits = Limits(bytes=100, body_seconds=0.3)
    asyncio.run(refused(chunks(500)))
    assert read == 500
    monkeypatch.setattr(_http, "_DISCARDED", 1000)
    read = 0
    asyncio.run(refused(chunks(500)))
    assert read == 112
    read = 0
    asyncio.run(refused(chunks(500, 0.01)))
    assert 12 < read < 100


def test_an_id_is_kept_made_or_refused() -> None:
    assert _http.request_id("order-17/a") == "order-17/a"
    assert len({_http.request_id(None) for _ in range(50)}) == 50
    for bad in ("", "a b", "ü", "a" * 129, "a\n"):
        with pytest.raises(Refused) as refused:
            _http.request_id(bad)
        assert refused.value.status == 400


# ── options ──────────────────────────────────────────────────────────────────────────────


def test_options_come_from_a_command_line_as_from_a_file() -> None:
    line = {"model": "NLI", "replicas": "2", "seconds": "3", "serves": "de, en", "monitor": "false"}
    file = {"model": "NLI", "replicas": 2, "seconds": 3, "serves": ["de", "en"], "monitor": False}
    made = Options.of(line)
    assert made == Options.of(file)
    assert made.replicas == 2 and made.limits.seconds == 3.0 and not made.monitor
    assert made.limits.serves == ("de", "en")
    routes = [{"name": "german", "languages": ["de"], "model": "a"}]
    expected = (Specialist("german", ("de",), "a"),)
    assert Options.of({"routes": routes}).routes == expected
    assert Options.of({"routes": json.dumps(routes)}).routes == expected


@pytest.mark.parametrize(
    "args",
    [
        {"modell": "NLI"},
        {"limits": Limits()},
        {"model": 5},
        {"replicas": "two"},
        {"replicas": 0},
        {"replicas": True},
        {"replicas": 3, "max_replicas": 2},
        {"ongoing": 8, "batch": 16},
        {"monitor": "perhaps"},
        {"wait_seconds": -1},
        {"seconds": 0},
        {"seconds": float("inf")},
        {"bytes": 0},
        {"waiting": 0},
        {"serves": 5},
        {"serves": ["de", 5]},
        {"routes": "no json"},
        {"routes": [{"name": "german"}]},
        {"routes": [{"name": "german", "languages": "de", "model": "a"}]},
        {"routes": ["german"]},
        {"routes": [{"name": "german", "languages": ["de"], "model": "a", "file": "b"}]},
        {"routes": [{"name": "", "languages": ["de"], "model": "a"}]},
        {"routes": [{"name": "german", "languages": [], "model": "a"}]},
        {"routes": [{"name": "german", "languages": [5], "model": "a"}]},
        {"routes": [{"name": "german", "languages": ["de"], "model": 5}]},
        {"routes": [{"name": "german", "languages": ["de"], "model": "a", "names": "b"}]},
        {"routes": [{"name": "german", "languages": ["de"], "model": "a", "calibration": None}]},
        {"routes": [{"name": "german", "languages": ["de"], "model": "a", "memory_bytes": "5MB"}]},
    ],
)
def test_an_option_of_no_use_is_refused(args: dict[str, Any]) -> None:
    with pytest.raises(ServingError) as error:
        Options.of(args)
    assert error.value.remedy


def test_what_is_wrong_with_a_route_is_said() -> None:
    route = {"name": "german", "languages": ["de"], "model": "a", "memory_bytes": "500MB"}
    with pytest.raises(ServingError, match="memory_bytes of route german is '500MB'"):
        Options.of({"routes": [route]})
    with pytest.raises(ServingError, match="model of a route is 5"):
        Specialist("german", ("de",), 5)  # type: ignore[arg-type]
    assert Specialist("german", ["de"], "a") == Specialist("german", ("de",), "a")  # type: ignore[arg-type]


def test_a_specialist_has_names_and_a_calibration_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unnamed = hub.model("sentiment", "classification")
    names = tuple(unnamed.config.id2label.values())
    unnamed.config.id2label = {i: f"LABEL_{i}" for i in range(len(names))}
    unnamed.save_pretrained(tmp_path / "german")
    hub.tokenizer("sentiment").save_pretrained(tmp_path / "german")
    Calibration(thresholds={"de": 0.75}).save(tmp_path / "german.json")
    monkeypatch.chdir(tmp_path)
    route: dict[str, Any] = {"name": "german", "languages": ["de"], "model": "german"}
    route |= {"names": list(names), "calibration": "german.json"}
    options = Options.of({"routes": json.dumps([route])}).here()
    assert options.routes[0].calibration == str((tmp_path / "german.json").resolve())
    router: Any = app.load(options)
    assert router.model("german").names == names
    assert router.model("german").calibration.threshold_of("de") == 0.75
    assert router.model().calibration.threshold_of("de") == 0.0


def test_folders_are_named_in_full_and_roles_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "NLI").mkdir()
    monkeypatch.chdir(tmp_path)
    assert Options(model="mine").here().model == str((tmp_path / "mine").resolve())
    assert Options(model="NLI").here().model == "NLI"
    assert Options(model="some/hub-id").here().model == "some/hub-id"


def test_without_ray_the_error_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ServingError, match=r"\[serve\]"):
        app.build({})
    assert app.main(["port=0"]) == 1 and "[serve]" in capsys.readouterr().err
    assert app.main(["replicas"]) == 2


def test_the_example_for_a_cluster_is_one(root: Path) -> None:
    import yaml
    from ray.serve.schema import ServeDeploySchema

    found = yaml.safe_load((root / "docs" / "serve.yaml").read_text("utf-8"))
    schema = ServeDeploySchema.model_validate(found)
    assert schema.http_options.host == "127.0.0.1"
    [one] = schema.applications
    module, _, name = one.import_path.partition(":")
    assert (module, getattr(app, name)) == ("xlhelpers.serving.app", app.build)
    options = Options.of(one.args)
    assert options.max_replicas > options.replicas and options.limits.serves
    most = options.limits.seconds + options.limits.body_seconds
    assert schema.http_options.request_timeout_s > most
    made = app.build(one.args)._bound_deployment
    gate, model = made, made.init_args[0]._bound_deployment
    assert gate.name == "Gate" and model.name == "Model"
    scaling = model._deployment_config.autoscaling_config
    assert (scaling.min_replicas, scaling.max_replicas) == (options.replicas, options.max_replicas)
    assert model.max_queued_requests == options.limits.waiting
    assert type(app.app) is type(app.build({}))


def test_an_untrained_head_is_refused_by_a_replica(tmp_path: Path) -> None:
    fresh = hub.with_head(hub.model("NLI"), "classification", ("bad", "good"))
    fresh.save_pretrained(tmp_path)
    hub.tokenizer("NLI").save_pretrained(tmp_path)
    with pytest.raises(CourseError, match="never trained"):
        Model(Options(model=str(tmp_path)))
    with pytest.raises(CourseError, match="not trained"):
        Model(Options(model="InfoXLM"))


def test_a_folder_of_onnx_is_served_as_such(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from xlhelpers.serving import onnx

    opened: list[tuple[Path, int]] = []
    monkeypatch.setattr(onnx, "OnnxBackend", lambda *how: opened.append(how) or "opened")
    folder = tmp_path.resolve()
    assert _options._model(str(folder), 2) == folder and not opened
    (folder / onnx.RECORD).write_text("{}")
    assert _options._model(str(folder), 2) == "opened" and opened == [(folder, 2)]
    assert _options._model("NLI", 2) == "NLI"


def test_the_reason_of_a_failed_start_is_the_models_own() -> None:
    said = (
        "The deployment failed to start 3 times in a row. Error:\n"
        '  File "hub.py", line 260, in model\n    raise HubError(\n'
        "xlhelpers.hub.HubError: 'a' is not trained\n  Remedy: train it"
    )
    parts = {"Gate": SimpleNamespace(message=""), "Model": SimpleNamespace(message=said)}
    status = SimpleNamespace(message="Failed to update the deployments.", deployments=parts)
    serve = SimpleNamespace(status=lambda: SimpleNamespace(applications={app.APP: status}))
    error = app._reason(serve, RuntimeError("Deploying failed"))
    assert (error.problem, error.remedy) == ("'a' is not trained", "train it")
    own = said.replace("hub.HubError: 'a'", "serving.routing._Disagrees: the model")
    parts["Model"].message = own
    error = app._reason(serve, RuntimeError("Deploying failed"))
    assert (error.problem, error.remedy) == ("the model is not trained", "train it")
    nothing = SimpleNamespace(status=lambda: SimpleNamespace(applications={}))
    assert "of Ray's own" in app._reason(nothing, RuntimeError("Failed:\nof Ray's own\n")).problem


# ── a gate whose model does what a test says ─────────────────────────────────────────────


@dataclass
class Said:
    """A response of a handle: it waits, then returns or raises."""

    outcome: Any
    seconds: float = 0.0
    cancelled: bool = False

    def __await__(self) -> Any:
        return self._come().__await__()

    async def _come(self) -> Any:
        await asyncio.sleep(self.seconds)
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        return self.outcome

    def cancel(self) -> None:
        self.cancelled = True


class Handle:
    """A handle of a deployment whose answers are told beforehand, or made from the request."""

    def __init__(self, *said: Said | Callable[[Asked], Said]) -> None:
        self.said = list(said)
        self.asked: list[Any] = []
        self.given: list[Said] = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)

        def remote(*args: Any) -> Said:
            self.asked.append((name, *args))
            found = self.said.pop(0) if len(self.said) > 1 else self.said[0]
            self.given.append(found(*args) if callable(found) else found)
            return self.given[-1]

        return SimpleNamespace(remote=remote)


def request(
    body: bytes = b'{"texts": ["a"]}',
    path: str = "/classify",
    method: str = "POST",
    headers: dict[str, str] | None = None,
    seconds: float = 0.0,
) -> Any:
    from starlette.requests import Request

    given = {**JSON, "x-request-id": "7"} if headers is None else headers
    parts = [body[:5], body[5:]]

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(seconds)
        part = parts.pop(0)
        return {"type": "http.request", "body": part, "more_body": bool(parts)}

    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "root_path": "",
        "headers": [(k.encode(), v.encode("latin-1")) for k, v in given.items()],
    }
    return Request(scope, receive)


def right(asked: Asked) -> Said:
    """The reply to a request, after a moment."""
    answers = [{"index": i, "label": "good"} for i in range(len(asked.texts))]
    return Said(Reply(asked.id, answers, 1), 0.01)


def ask(gate: Gate, *requests: Any) -> list[tuple[int, Any, Any]]:
    """Status, body and headers of each request, all sent at once."""

    async def all_of_them() -> list[Any]:
        return await asyncio.gather(*(gate(one) for one in requests or [request()]))

    responses = asyncio.run(all_of_them())
    return [(r.status_code, json.loads(r.body), r.headers) for r in responses]


def test_a_gate_answers_with_the_requests_own_id() -> None:
    gate = Gate(Handle(right), None, Limits())
    [(status, body, headers)] = ask(gate)
    assert (status, body) == (200, {"id": "7", "answers": [{"index": 0, "label": "good"}]})
    assert headers["content-type"] == "application/json"
    [(_, made, _)] = ask(gate, request(headers=JSON))
    assert len(made["id"]) == 32
    [(status, body, _)] = ask(gate, request(headers={**JSON, "x-request-id": "ü"}))
    assert status == 400 and body["id"] == ""


def test_the_reply_to_another_request_is_not_handed_out() -> None:
    gate = Gate(Handle(Said(Reply("8", [{"label": "not yours"}], 1))), None, Limits())
    [(status, body, _)] = ask(gate)
    assert status == 500 and "not yours" not in str(body)


@pytest.mark.parametrize(
    ("status", "path", "method"),
    [
        (404, "/", "POST"),
        (404, "/classify/more", "POST"),
        (405, "/classify", "GET"),
        (405, "/health", "POST"),
        (200, "/health", "GET"),
        (200, "/health/", "HEAD"),
        (404, "/metrics", "GET"),
    ],
)
def test_ways_of_a_gate(status: int, path: str, method: str) -> None:
    handle = Handle(right)
    [(found, body, headers)] = ask(Gate(handle, None, Limits()), request(b"", path, method))
    assert found == status and not handle.asked
    assert status == 200 or (body["error"] and body["remedy"])
    assert ("allow" in headers) == (status == 405)


def test_a_gate_is_ready_when_a_model_is() -> None:
    gate = Gate(Handle(Said({"model_hash": "ab"})), None, Limits())
    [(status, body, _)] = ask(gate, request(b"", "/ready", "GET"))
    assert (status, body) == (200, {"status": "ready", "model_hash": "ab"})
    from ray.exceptions import RayActorError
    from ray.serve.exceptions import BackPressureError

    full = BackPressureError(num_queued_requests=9, max_queued_requests=9)
    for none in (RayActorError(), full, TimeoutError()):
        gate = Gate(Handle(Said(none)), None, Limits())
        [(status, _, headers)] = ask(gate, request(b"", "/ready", "GET"))
        assert status == 503 and headers["retry-after"] == "1"


def test_a_bad_request_never_reaches_a_model() -> None:
    handle = Handle(right)
    gate = Gate(handle, None, Limits(bytes=50))
    big = request(b"x" * 51)
    found = ask(gate, request(b"{"), request(b"\xff"), request(b"{}"), big)
    assert [status for status, _, _ in found] == [400, 400, 422, 413]
    assert not handle.asked
    announced = request(b"x" * 99, headers={**JSON, "content-length": "99"})
    form = request(b"x" * 9, headers={"content-type": "text/plain"})
    assert [status for status, _, _ in ask(gate, announced, form)] == [413, 415]
    # Nothing is left unread that would reset the connection, and the answer with it.
    assert big._stream_consumed and announced._stream_consumed and form._stream_consumed


def test_the_request_of_a_replica_that_ends_goes_to_another_once() -> None:
    from ray.exceptions import ActorDiedError, ActorUnavailableError

    ended = Said(ActorDiedError())
    handle = Handle(ended, right)
    assert ask(Gate(handle, None, Limits()))[0][0] == 200 and len(handle.asked) == 2
    handle = Handle(ended, Said(ActorUnavailableError("gone", b"1" * 16)), right)
    [(status, body, headers)] = ask(Gate(handle, None, Limits(retry_after=3)))
    assert status == 503 and headers["retry-after"] == "3" and body["id"] == "7"
    assert len(handle.asked) == 2


def test_an_error_inside_a_replica_is_not_tried_again() -> None:
    from ray.exceptions import RayTaskError

    wrong = RayTaskError("answer", f"a traceback with {SECRET}", ValueError(SECRET))
    handle = Handle(Said(wrong))
    [(status, body, _)] = ask(Gate(handle, None, Limits()))
    assert status == 500 and len(handle.asked) == 1 and SECRET not in str(body)
    handle = Handle(Said(Reply("7", [], 1, failed=True)))
    assert ask(Gate(handle, None, Limits()))[0][0] == 500 and len(handle.asked) == 1


def test_an_answer_that_takes_too_long_is_called_off() -> None:
    handle = Handle(Said(None, 30))
    start = time.monotonic()
    [(status, body, _)] = ask(Gate(handle, None, Limits(seconds=0.05)))
    assert status == 504 and body["remedy"] and time.monotonic() - start < 10
    assert handle.given[0].cancelled


def test_more_than_may_wait_are_sent_away_at_once() -> None:
    from ray.serve.exceptions import BackPressureError

    full = Said(BackPressureError(num_queued_requests=9, max_queued_requests=9))
    [(status, body, headers)] = ask(Gate(Handle(full), None, Limits()))
    assert status == 429 and headers["retry-after"] == "1" and body["error"]


def test_slow_clients_fill_the_gate_and_no_more() -> None:
    handle = Handle(right)
    gate = Gate(handle, None, Limits(connections=3, body_seconds=0.3))
    slow = [request(seconds=30) for _ in range(3)]
    found = Counter(status for status, _, _ in ask(gate, *slow, *(request() for _ in range(4))))
    assert found == {408: 3, 429: 4} and not handle.asked
    assert ask(gate)[0][0] == 200


def test_each_of_many_requests_has_its_own_answer() -> None:
    def own(asked: Asked) -> Said:
        number = int(asked.id)
        answers = [{"label": text} for text in asked.texts]
        return Said(Reply(asked.id, answers, 1), (number * 7 % 5) / 100)

    gate = Gate(Handle(own), None, Limits())
    many = [
        request(json.dumps({"texts": [f"t{i}"]}).encode(), headers={**JSON, "x-request-id": str(i)})
        for i in range(100)
    ]
    for i, (status, body, _) in enumerate(ask(gate, *many)):
        assert (status, body) == (200, {"id": str(i), "answers": [{"label": f"t{i}"}]})


def test_what_a_gate_has_seen_is_handed_over_once() -> None:
    watch = Handle(Said(RuntimeError("not there")), Said(None), Said((b"all", "text/plain")))
    gate = Gate(Handle(right), watch, Limits())

    async def asked() -> Any:
        await asyncio.gather(gate(request()), gate(request(b"{")))
        await gate._flush()  # nobody takes it
        await gate(request())
        return await gate(request(b"", "/metrics", "GET"))

    response = asyncio.run(asked())
    assert (response.status_code, response.body) == (200, b"all")
    lost, taken, last = watch.asked
    assert last == ("metrics",) and lost[0] == taken[0] == "note"
    assert [noted.status for noted in taken[1]] == [400, 200, 200]
    assert taken[1][1].batch == 1 and taken[1][1].answers[0]["label"] == "good"


def test_a_client_that_goes_away_is_counted_as_such_however_it_is_said() -> None:
    from ray.exceptions import TaskCancelledError
    from ray.serve.exceptions import RequestCancelledError

    def left(how: BaseException | dict[str, Any]) -> Any:
        async def receive() -> dict[str, Any]:
            if isinstance(how, BaseException):
                raise how
            return how

        asked = request()
        asked._receive = receive
        return asked

    said = ({"type": "http.disconnect"}, TaskCancelledError(), asyncio.CancelledError())
    handle = Handle(Said(RequestCancelledError("7")))
    gate = Gate(handle, Handle(Said(None)), Limits())

    async def work() -> None:
        await asyncio.gather(*(gate(left(how)) for how in said), return_exceptions=True)
        assert not handle.asked
        await gate(request())  # it goes away while the model computes

    asyncio.run(work())
    assert [noted.status for noted in gate._noted] == [499] * 4
    assert len(handle.asked) == 1 and gate._inside == 0


def test_counts_outlive_who_asked_for_them() -> None:
    gate = Gate(Handle(right), Handle(Said(None, 30)), Limits())

    async def work() -> None:
        await gate(request())
        reading = asyncio.create_task(gate(request(b"", "/metrics", "GET")))
        await asyncio.sleep(0.01)
        assert not gate._noted
        reading.cancel()
        await asyncio.wait([reading])

    asyncio.run(work())
    assert [noted.status for noted in gate._noted] == [200]


# ── a replica ────────────────────────────────────────────────────────────────────────────


def replica(service: Any) -> Model:
    made = Model.__new__(Model)
    made._service = service
    return made


class Rule:
    """A service that says a text's length, and fails where a text says so."""

    model_hash = "ab" * 32
    memory_bytes = 1

    def attempt(self, texts: Sequence[Any], languages: Sequence[Any]) -> list[Any]:
        if "fail" in texts:
            raise RuntimeError(SECRET)
        return [
            ServingError("it is empty", "leave it out")
            if not text
            else SimpleNamespace(
                label=str(len(text)),
                json=lambda text=text: {"index": 99, "label": str(len(text))},
            )
            for text in texts
        ]


def test_a_replica_keeps_requests_apart() -> None:
    asked = [Asked("1", ("a", "bb"), (None, "de")), Asked("2", ("", "cccc"), ("en", None))]
    one, two = replica(Rule())._replies(asked)
    assert (one.id, two.id, one.batch, two.batch) == ("1", "2", 2, 2)
    assert one.answers == [{"index": 0, "label": "1"}, {"index": 1, "label": "2"}]
    assert two.answers == [
        {"index": 0, "language": "en", "error": "it is empty", "remedy": "leave it out"},
        {"index": 1, "label": "4"},
    ]


def test_a_request_that_fails_costs_the_others_nothing(caplog: pytest.LogCaptureFixture) -> None:
    asked = [Asked(str(i), (text,), (None,)) for i, text in enumerate(["a", "fail", "bb"])]
    caplog.set_level("DEBUG", logger="ray.serve")
    replies = replica(Rule())._replies(asked)
    assert [reply.failed for reply in replies] == [False, True, False]
    assert [reply.id for reply in replies] == ["0", "1", "2"]
    assert replies[2].answers[0]["label"] == "2"
    assert SECRET not in caplog.text


def test_a_replica_says_when_it_no_longer_answers_as_before() -> None:
    served = replica(Rule())
    served._said = served._trial()
    asyncio.run(served.check_health())
    served._said = "another"
    with pytest.raises(RuntimeError):
        asyncio.run(served.check_health())


def test_the_general_model_of_a_router_is_tried_although_the_router_refuses_the_text() -> None:
    class Fading(Rule):
        said = "good"

        def classify(self, texts: Sequence[Any], languages: Any = None) -> list[Any]:
            return [SimpleNamespace(label=self.said) for _ in texts]

        attempt = classify

    general = Fading()
    router = LanguageRouter(general, serves=("de", "en"), refuse=("empty", "too short", "unsure"))
    served = replica(router)
    assert router.classify(["a"])[0].label is None
    served._said = served._trial()
    assert served._said == "good"
    asyncio.run(served.check_health())
    general.said = "bad"
    with pytest.raises(RuntimeError, match="does not say"):
        asyncio.run(served.check_health())


def test_a_replica_does_not_start_where_its_trial_has_no_label(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Silent(Rule):
        def attempt(self, texts: Sequence[Any], languages: Any) -> list[Any]:
            return [ServingError("the model reads nothing in it", "leave it out") for _ in texts]

    monkeypatch.setattr(app, "load", lambda options: Silent())
    with pytest.raises(ServingError, match="no label for 'a'"):
        Model(Options())


def test_a_replica_does_not_start_with_a_specialist_of_other_labels() -> None:
    pairs = Specialist("pairs", ("de",), "NLI")
    with pytest.raises(ServingError, match="model of pairs answers entailment") as error:
        Model(Options(routes=(pairs,), limits=Limits(serves=("de", "en"))))
    assert error.value.remedy


def test_a_port_that_cannot_be_used_is_said_before_anything_is_started(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import ray

    def started(*_: Any) -> None:
        raise AssertionError("Ray was started")

    # In another order of the tests a service may be running.
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(app, "_start_ray", started)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert app.main([f"port={port}"]) == 1
    said = capsys.readouterr().err
    assert f"port {port} of 127.0.0.1 cannot be used" in said and "Remedy: stop what uses" in said
    for wrong in (-1, 70_000):
        with pytest.raises(ServingError, match=f"port {wrong} of"), app.running(port=wrong):
            pass
    # What has just been closed can be used again, as after a service that was stopped.
    assert app._usable_port("127.0.0.1", port) == port
    assert app._usable_port("127.0.0.1", 0) > 0


def test_what_keeps_serve_from_starting_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    from ray import serve
    from ray.exceptions import RayTaskError

    def start(**_: Any) -> None:
        raise RayTaskError("ready", "Traceback:\nRuntimeError: Failed to bind", RuntimeError())

    monkeypatch.setattr(serve, "start", start)
    monkeypatch.setattr(serve, "status", lambda: SimpleNamespace(applications={}))
    with pytest.raises(ServingError, match="could not be started: RuntimeError: Failed to bind"):
        app._deploy(None, {})


def test_a_router_is_served_with_its_routes() -> None:
    routes = (Specialist("german", ("de",), "sentiment"),)
    served = replica(app.load(Options(routes=routes, limits=Limits(serves=("de", "en")))))
    texts = ("Das Essen in diesem Restaurant war sehr gut.", "The soup was cold.", " ")
    [reply] = served._replies([Asked("1", texts, (None, None, None))])
    german, english, empty = reply.answers
    assert german["route"] == "german" and german["language"] == "de" and german["label"]
    assert english["route"] == "general" and english["index"] == 1 and "error" not in english
    assert empty["error"] and empty["remedy"] and "label" not in empty
    assert empty["detection"]["verdict"] == "empty"
    json.dumps(reply.answers, allow_nan=False)


def test_all_that_gates_have_seen_is_counted_in_one_place() -> None:
    watch = Watch()
    answer = {"label": "good", "confidence": 0.9, "language": "de", "route": "general"}
    empty = {"error": "it is empty", "language": None}
    seen = [app._seen(one) for one in (answer, answer, empty)]
    rows = [Noted(200, 0.02, 4, seen), Noted(200, 0.03, 4), Noted(429, 0.001)]
    asyncio.run(watch.note(rows))
    text, kind = asyncio.run(watch.metrics())
    lines = text.decode().splitlines()
    assert kind.startswith("text/plain")
    for line in (
        'xlhelpers_requests_total{status="200"} 2.0',
        'xlhelpers_requests_total{status="429"} 1.0',
        "xlhelpers_batch_requests_sum 8.0",
        'xlhelpers_answers_total{label="good",language="de",route="general"} 2.0',
        'xlhelpers_refused_total{language="unknown",verdict="no answer"} 1.0',
    ):
        assert line in lines, line


# ── the whole of it, in a Ray of its own ─────────────────────────────────────────────────

CODES = ("en", "de", "fr", "zh", "ar")
MAIN = {
    "model": "sentiment",
    "replicas": 2,
    "batch": 16,
    "serves": CODES,
    "bytes": 20_000,
    "texts": 8,
    "characters": 2_000,
    # A machine that runs other things at the same time must not fail for it.
    "seconds": 120.0,
    "body_seconds": 60.0,
    "waiting": 100,
}
# One replica, one request at a time, and one that may wait.
TIGHT = {
    "model": "sentiment",
    "batch": 1,
    "ongoing": 1,
    "waiting": 1,
    "seconds": 1.0,
    "body_seconds": 1.0,
    "bytes": 3_000_000,
    "characters": 30_000,
    "monitor": False,
}


@dataclass(frozen=True)
class Served:
    """Two applications in one Ray, and where it keeps its logs."""

    url: str
    tight: str
    logs: Path


@dataclass(frozen=True)
class Come:
    """What came back for one request."""

    status: int
    body: Any
    headers: Any
    seconds: float


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    # Ray puts sockets there, and their paths are short on some systems.
    place = tempfile.mkdtemp(prefix="xl-", dir="/tmp" if Path("/tmp").is_dir() else None)
    try:
        with app.running(MAIN, cpus=3, folder=place) as url:
            from ray import serve

            serve.run(app.build(TIGHT), name="tight", route_prefix="/tight")
            yield Served(url, f"{url}/tight", Path(place) / "session_latest" / "logs")
    finally:
        shutil.rmtree(place, ignore_errors=True)


@pytest.fixture(scope="module")
def texts() -> list[tuple[str, str]]:
    """Texts that the model was not trained on, with their languages."""
    return [(text, c) for c in CODES for text in datasets.sentiment(c, "test").texts[:24]]


@pytest.fixture(scope="module")
def known(texts: list[tuple[str, str]]) -> dict[str, Any]:
    """What the classifier says by itself, by text."""
    own = MultilingualClassifier.load("sentiment")
    answers = own.classify([t for t, _ in texts], [c for _, c in texts])
    return {text: answer for (text, _), answer in zip(texts, answers, strict=True)}


def body_of(rows: Sequence[tuple[str, str | None]]) -> bytes:
    return json.dumps({"texts": [t for t, _ in rows], "languages": [c for _, c in rows]}).encode()


def is_right(answer: Any, row: tuple[str, str | None], known: dict[str, Any]) -> bool:
    """Whether an answer is the one to this text: its label, and its probabilities."""
    own = known[row[0]]
    close = all(abs(answer["probabilities"][n] - p) < 1e-3 for n, p in own.probabilities.items())
    return answer["label"] == own.label and answer["language"] == row[1] and close


async def post(session: Any, url: str, data: Any, **headers: str) -> Come:
    start = time.monotonic()
    async with session.post(f"{url}/classify", data=data, headers=JSON | headers) as response:
        body = json.loads(await response.read())
        return Come(response.status, body, response.headers, time.monotonic() - start)


async def get(session: Any, url: str) -> tuple[int, str]:
    async with session.get(url) as response:
        return response.status, await response.text()


async def slowly(url: str, body: bytes, pause: float) -> Come:
    """A request whose body comes in eight parts with pauses between."""
    host, _, rest = url.removeprefix("http://").partition(":")
    port, _, path = rest.partition("/")
    start = time.monotonic()
    reader, writer = await asyncio.open_connection(host, int(port))
    head = f"POST /{path}{'/' if path else ''}classify HTTP/1.1\r\nHost: {host}\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    writer.write((head + "Connection: close\r\n\r\n").encode())
    answer = asyncio.create_task(reader.read())
    step = len(body) // 8 + 1
    for at in range(0, len(body), step):
        await asyncio.sleep(pause)
        if answer.done():
            break
        writer.write(body[at : at + step])
        await writer.drain()
    raw = await answer
    writer.close()
    top, _, rest_of_it = raw.partition(b"\r\n\r\n")
    return Come(int(top.split()[1]), json.loads(rest_of_it), None, time.monotonic() - start)


def talk(work: Callable[[Any], Any]) -> Any:
    """Return what a coroutine that speaks to the service returns."""
    import aiohttp

    async def inside() -> Any:
        patient = aiohttp.ClientTimeout(total=180)
        connections = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(timeout=patient, connector=connections) as session:
            return await work(session)

    return asyncio.run(inside())


def counted(text: str, name: str) -> float:
    """The sum of a metric over its labels."""
    rows = [line for line in text.splitlines() if line.startswith((f"{name} ", f"{name}{{"))]
    return sum(float(line.rsplit(" ", 1)[1]) for line in rows)


def test_answers_are_the_classifiers_own(
    served: Served, texts: list[tuple[str, str]], known: dict[str, Any]
) -> None:
    groups = [texts[i : i + 8] for i in range(0, len(texts), 8)]

    async def work(session: Any) -> Any:
        return [await post(session, served.url, body_of(group)) for group in groups]

    for group, come in zip(groups, talk(work), strict=True):
        assert come.status == 200
        answers = come.body["answers"]
        assert [answer["index"] for answer in answers] == list(range(len(group)))
        for row, answer in zip(group, answers, strict=True):
            assert is_right(answer, row, known)
            assert answer["model_hash"] == known[row[0]].model_hash


def test_each_kind_of_error_is_said_in_json(served: Served) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield b" " * 1000

    good = body_of([("Fine.", "en")])
    asked: list[tuple[int, Any, dict[str, str]]] = [
        (400, b'{"texts": [', {}),
        (400, b'{"texts": ["\xff"]}', {}),
        (400, good, {"X-Request-ID": "x" * 200}),
        (413, b" " * 30_000, {}),
        (413, chunks(), {}),
        (413, body_of([("a", None)] * 9), {}),
        (413, body_of([("a" * 2_001, None)]), {}),
        (415, good, {"Content-Type": "text/plain"}),
        (422, b'{"texts": 5}', {}),
        (422, body_of([("Chakula kilikuwa baridi.", "sw")]), {}),
    ]

    async def work(session: Any) -> Any:
        found = [await post(session, served.url, body, **how) for _, body, how in asked]
        paths = ("/nothing", "/classify", "/health", "/ready")
        return found, [await get(session, served.url + path) for path in paths]

    found, others = talk(work)
    assert [come.status for come in found] == [status for status, _, _ in asked]
    for come in found:
        assert come.body["error"] and come.body["remedy"]
        assert come.headers["Content-Type"] == "application/json"
    assert [status for status, _ in others] == [404, 405, 200, 200]
    assert all(json.loads(text) for _, text in others)


def test_part_of_a_request_may_have_no_answer(
    served: Served, texts: list[tuple[str, str]], known: dict[str, Any]
) -> None:
    rows = [texts[0], (" \u200b", None), texts[1]]

    async def work(session: Any) -> Any:
        return await post(session, served.url, body_of(rows), **{"X-Request-ID": "mine"})

    come = talk(work)
    assert come.status == 200 and come.body["id"] == "mine"
    assert come.headers.getall("X-Request-ID") == ["mine"]
    first, empty, last = come.body["answers"]
    assert is_right(first, rows[0], known) and is_right(last, rows[2], known)
    assert empty["error"] == "it is empty" and "label" not in empty


def test_requests_that_come_together_are_computed_together(
    served: Served, texts: list[tuple[str, str]]
) -> None:
    async def work(session: Any) -> Any:
        _, before = await get(session, f"{served.url}/metrics")
        many = [post(session, served.url, body_of([row])) for row in texts[:60]]
        come = await asyncio.gather(*many)
        return before, come, (await get(session, f"{served.url}/metrics"))[1]

    before, come, after = talk(work)
    assert {one.status for one in come} == {200}
    name = "xlhelpers_batch_requests"
    requests = counted(after, f"{name}_count") - counted(before, f"{name}_count")
    size = (counted(after, f"{name}_sum") - counted(before, f"{name}_sum")) / requests
    assert requests == 60 and size > 1.5


def kill_a_replica() -> str:
    """End the process of one replica of the main application's model, as a crash would."""
    import ray

    named = ray.util.list_named_actors(all_namespaces=True)
    replicas = [one for one in named if "classifier#Model#" in one["name"]]
    ray.kill(ray.get_actor(replicas[0]["name"], replicas[0]["namespace"]))
    return str(replicas[0]["name"])


def test_under_load_with_a_replica_killed_each_request_has_one_answer_or_one_error(
    served: Served, texts: list[tuple[str, str]], known: dict[str, Any]
) -> None:
    bad = {
        "oversized": (413, b'{"texts": ["' + b"a" * 30_000 + b'"]}'),
        "invalid JSON": (400, b'{"texts": ["a"'),
        "invalid UTF-8": (400, b'{"texts": ["\xe9"]}'),
    }
    good = [[texts[(3 * i + j) % len(texts)] for j in range(1 + i % 3)] for i in range(260)]
    came: dict[str, list[Come]] = {}

    async def one(session: Any, id: str, rows: Any) -> None:
        body = rows if isinstance(rows, bytes) else body_of(rows)
        came.setdefault(id, []).append(
            await post(session, served.url, body, **{"X-Request-ID": id})
        )

    async def slow(number: int) -> Come:
        return await slowly(served.url, body_of(good[number]), 0.2)

    async def work(session: Any) -> Any:
        _, before = await get(session, f"{served.url}/metrics")
        jobs = [(f"good {i}".replace(" ", "-"), rows) for i, rows in enumerate(good)]
        for kind, (_, body) in bad.items():
            jobs += [(f"{kind}-{i}".replace(" ", "-"), body) for i in range(12)]
        jobs.sort(key=lambda job: hash_of(job[0]))
        killed: list[str] = []

        async def client(own: list[Any]) -> None:
            for job in own:
                await one(session, *job)
                if len(came) >= 100 and not killed:
                    killed.append("")
                    killed.append(await asyncio.to_thread(kill_a_replica))

        drips = [asyncio.create_task(slow(i)) for i in range(6)]
        steady, burst = jobs[80:], jobs[:80]
        clients = [asyncio.create_task(client(steady[i::8])) for i in range(8)]
        for half in (burst[:40], burst[40:]):
            await asyncio.gather(*(one(session, *job) for job in half))
        await asyncio.gather(*clients)
        dripped = await asyncio.gather(*drips)
        _, after = await get(session, f"{served.url}/metrics")
        return killed, dripped, before, after

    killed, dripped, before, after = talk(work)
    assert len(killed) == 2 and len(came) == len(good) + 36
    assert all(len(responses) == 1 for responses in came.values())
    statuses: Counter[int] = Counter()
    for i, rows in enumerate(good):
        [come] = came[f"good-{i}"]
        statuses[come.status] += 1
        assert come.body["id"] == f"good-{i}"
        if come.status == 200:
            answers = come.body["answers"]
            assert len(answers) == len(rows)
            assert all(is_right(a, row, known) for a, row in zip(answers, rows, strict=True))
        else:
            assert come.status in (429, 503) and come.body["error"] and come.body["remedy"]
            assert int(come.headers["Retry-After"]) >= 1
    assert statuses[200] >= 0.9 * len(good), statuses
    for kind, (status, _) in bad.items():
        of_kind = [come for id, [come] in came.items() if id.startswith(kind.replace(" ", "-"))]
        assert [come.status for come in of_kind] == [status] * 12
    for i, come in enumerate(dripped):
        assert come.status == 200
        assert all(
            is_right(a, row, known) for a, row in zip(come.body["answers"], good[i], strict=True)
        )
    name = "xlhelpers_requests_total"
    assert counted(after, name) - counted(before, name) == len(came) + len(dripped)


def hash_of(text: str) -> int:
    """A number that puts texts into an order that looks random and is always the same."""
    import zlib

    return zlib.crc32(text.encode())


def test_too_many_are_sent_away_and_none_hangs(served: Served) -> None:
    heavy = body_of([(f"The soup was {i} times cold. " * 100, None) for i in range(16)])

    async def work(session: Any) -> Any:
        return await asyncio.gather(*(post(session, served.tight, heavy) for _ in range(12)))

    come = talk(work)
    statuses = Counter(one.status for one in come)
    assert statuses[429] >= 1 and set(statuses) <= {200, 429, 504}, statuses
    assert all("Retry-After" in one.headers for one in come if one.status == 429)
    assert max(one.seconds for one in come) < 60


def test_a_client_that_is_too_slow_is_told_so(served: Served) -> None:
    come = asyncio.run(slowly(served.tight, body_of([("Fine.", None)] * 4), 3.0))
    assert come.status == 408 and come.body["remedy"]


def test_an_answer_that_takes_too_long_is_not_waited_for(served: Served) -> None:
    heaviest = body_of([(f"The soup was {i} times cold. " * 1_000, None) for i in range(64)])

    async def work(session: Any) -> Any:
        return await post(session, served.tight, heaviest)

    come = talk(work)
    assert come.status == 504 and come.body["error"] and come.seconds < 60


def test_a_client_that_goes_away_is_counted_and_costs_nothing(served: Served) -> None:
    async def leave(after: float) -> None:
        host, _, port = served.url.removeprefix("http://").partition(":")
        _, writer = await asyncio.open_connection(host, int(port))
        head = f"POST /classify HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
        writer.write((head + "Content-Length: 500\r\n\r\n{").encode())
        await writer.drain()
        await asyncio.sleep(after)
        writer.close()

    async def gone(session: Any) -> float:
        _, text = await get(session, f"{served.url}/metrics")
        rows = [line for line in text.splitlines() if 'requests_total{status="499"}' in line]
        return sum(float(line.split()[-1]) for line in rows)

    async def more(session: Any, after: float) -> float:
        before = await gone(session)
        await asyncio.gather(leave(after), leave(after))
        for _ in range(25):
            if (now := await gone(session)) >= before + 2:
                break
            await asyncio.sleep(0.2)
        return now - before

    async def work(session: Any) -> Any:
        # On a busy machine a request may not have come to the gate before its client is gone:
        # then there is nothing to count, and the next two stay longer.
        for after in (0.5, 2.0, 8.0):
            if (found := await more(session, after)) == 2:
                break
        return found, await post(session, served.url, body_of([("Fine.", "en")]))

    counts, come = talk(work)
    assert counts == 2 and come.status == 200


def test_no_text_stands_in_any_log(served: Served) -> None:
    bodies = [
        body_of([(f"{SECRET} was cold.", "en")]),
        f'{{"texts": ["{SECRET}"'.encode(),
        f'{{"texts": ["{SECRET}", 5]}}'.encode(),
        body_of([(SECRET * 300, None)]),
        body_of([(" ", None), (SECRET, None)]),
    ]

    async def work(session: Any) -> Any:
        return [await post(session, served.url, body) for body in bodies]

    assert [come.status for come in talk(work)] == [200, 400, 422, 413, 200]
    time.sleep(1)
    files = [file for file in served.logs.rglob("*") if file.is_file()]
    gates = [file for file in files if "classifier_Gate" in file.name]
    assert gates and any(b"POST / 422" in file.read_bytes() for file in gates)
    assert not [file.name for file in files if SECRET.encode() in file.read_bytes()]
