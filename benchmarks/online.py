"""Online: the application of Ray Serve under load, with batching and without, and when things fail.

    python benchmarks/online.py --write                      # both models, then 5,000 bad cases
    python benchmarks/online.py --parts load --models base --threads 1 --seconds 60

"load": 64 clients ask for one text each, as soon as their last answer has come (a closed loop: when
the service is slow, it is asked less). The same application runs with batches of up to 32 requests
and with batches of one. "mini" is the course's classifier of reviews, "base" has the dimensions of
XLM-R base and random weights, as in `serving.py`. Every answer is compared with the classifier's
own. Clients, gate, proxy and replicas share the machine; the table says what each of them took.

"faults": 5,000 requests, steady and in bursts, with clients that are slow, bodies that are too
large, no JSON or no UTF-8, and a replica that is killed in the middle. Each has to come back once,
with its own answer or with the error that fits; anything else ends the program with an error.

`--write` puts the tables between their marks in benchmarks/README.md; `--tiny` tries all of it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import _common
import serving
from _common import Contender

README = Path(__file__).with_name("README.md")
PARTS = ("load", "faults")
# Contender: what it says in the table, and how many requests are computed together at most.
WAYS = {"batched": ("batches of up to 32 requests", 32), "single": ("one request at a time", 1)}
JSON = {"Content-Type": "application/json"}
# Answers differ a little with what else is in their batch.
CLOSE = 1e-3


# ── what is asked ────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Text:
    """A text, its language, and what the classifier says of it by itself."""

    text: str
    language: str
    label: str
    probabilities: dict[str, float] = field(repr=False)

    def is_answered_by(self, answer: Any) -> bool:
        """Whether an answer is this text's."""
        return answer.get("label") == self.label and all(
            abs(answer["probabilities"][name] - p) < CLOSE for name, p in self.probabilities.items()
        )


def prepared(options: argparse.Namespace) -> tuple[str, list[Text]]:
    """Return what is to be served, and the texts with their answers."""
    from xlhelpers import datasets, settings
    from xlhelpers.serving import MultilingualClassifier

    settings.use(threads=options.threads)
    codes = datasets.available("sentiment")
    if options.model == "base":
        model: Any = serving._place(options) / "torch"
        if not model.exists():
            made, tokenizer, _ = serving._base(argparse.Namespace(**vars(options) | {"texts": 12}))
            made.save_pretrained(model)
            tokenizer.save_pretrained(model)
        from xlhelpers import hub

        rows = [
            (text, codes[i % len(codes)])
            for i, text in enumerate(serving._drawn(hub.tokenizer("XLM-R"), options.texts))
        ]
    else:
        model = "sentiment"
        pools = {code: datasets.sentiment(code, "test").texts for code in codes}
        turns = zip(*pools.values(), strict=False)
        rows = [(t, c) for turn in turns for t, c in zip(turn, codes, strict=True)]
        rows = rows[: options.texts]
    own = MultilingualClassifier.load(model)
    answers = own.classify([text for text, _ in rows], [code for _, code in rows])
    known = [
        Text(text, code, answer.label, dict(answer.probabilities))
        for (text, code), answer in zip(rows, answers, strict=True)
    ]
    return str(model), known


def body_of(texts: Sequence[Text]) -> bytes:
    """A request for these texts."""
    asked = {"texts": [t.text for t in texts], "languages": [t.language for t in texts]}
    return json.dumps(asked, ensure_ascii=False).encode()


def run_with(
    options: argparse.Namespace, model: str, batch: int, work: Callable[[Any, str], Awaitable[Any]]
) -> Any:
    """Start the application, let the coroutine talk to it, and stop it."""
    import aiohttp

    from xlhelpers.serving import app

    args = {
        "model": model,
        "replicas": options.replicas,
        "threads": options.threads,
        "batch": batch,
        "ongoing": 64,
        "waiting": 1000,
        "seconds": 60.0,
        "body_seconds": 3.0 if options.contender == "faults" else 10.0,
    }
    place = tempfile.mkdtemp(prefix="xl-", dir="/tmp" if Path("/tmp").is_dir() else None)
    cpus = options.replicas * options.threads
    try:
        with app.running(args, cpus=cpus, folder=place) as url:

            async def talk() -> Any:
                patient = aiohttp.ClientTimeout(total=300)
                connections = aiohttp.TCPConnector(limit=0)
                async with aiohttp.ClientSession(timeout=patient, connector=connections) as client:
                    return await work(client, url)

            return asyncio.run(talk())
    finally:
        shutil.rmtree(place, ignore_errors=True)


# ── load ─────────────────────────────────────────────────────────────────────────────────


def load(options: argparse.Namespace) -> None:
    """One contender under a closed loop, in its own process."""
    model, texts = prepared(options)
    way = options.contender.partition("-")[0]

    async def work(client: Any, url: str) -> dict[str, Any]:
        await closed_loop(client, url, texts, options.clients, options.seconds / 4)  # warm
        before, asked = spent(), await batches(client, url)
        start = time.perf_counter()
        found, wrong = await closed_loop(client, url, texts, options.clients, options.seconds)
        wall = time.perf_counter() - start
        after, then = spent(), await batches(client, url)
        good = sorted(seconds for status, seconds in found if status == 200)
        figures = {f"p{share}": rank(good, share) for share in (50, 95, 99)}
        used = {name: (after[name] - before[name]) / max(len(good), 1) for name in after}
        return {
            "wall": wall,
            "cpu": sum(after.values()) - sum(before.values()),
            "answers": len(good),
            "others": len(found) - len(good),
            "wrong": wrong,
            "rate": len(good) / wall,
            "batch": (then[1] - asked[1]) / max(then[0] - asked[0], 1),
            **figures,
            **{f"cpu {name}": value for name, value in used.items()},
        }

    _common.report(run_with(options, model, WAYS[way][1], work))


async def closed_loop(
    client: Any, url: str, texts: Sequence[Text], clients: int, seconds: float
) -> tuple[list[tuple[int, float]], int]:
    """Status and seconds of every request, and how many answers were not their own."""
    found: list[tuple[int, float]] = []
    wrong = 0
    until = time.perf_counter() + seconds

    async def one(number: int) -> None:
        nonlocal wrong
        # No two clients have a text in common: equal texts in a batch are computed once.
        own = texts[number::clients]
        bodies = [body_of([text]) for text in own]
        turn = 0
        while time.perf_counter() < until:
            at, id = turn % len(own), f"{number}-{turn}"
            start = time.perf_counter()
            headers = JSON | {"X-Request-ID": id}
            async with client.post(f"{url}/classify", data=bodies[at], headers=headers) as response:
                said = await response.json()
            found.append((response.status, time.perf_counter() - start))
            if response.status == 200:
                wrong += said["id"] != id or not own[at].is_answered_by(said["answers"][0])
            turn += 1

    await asyncio.gather(*(one(number) for number in range(clients)))
    return found, wrong


def rank(ordered: Sequence[float], share: int) -> float:
    """The nearest rank: an answer came to the slowest, too."""
    return ordered[max(0, math.ceil(share / 100 * len(ordered)) - 1)] if ordered else math.nan


async def metrics(client: Any, url: str) -> str:
    """The text of /metrics."""
    async with client.get(f"{url}/metrics") as response:
        return str(await response.text())


async def batches(client: Any, url: str) -> tuple[float, float]:
    """How many requests have been answered, and the sum of the sizes of their batches."""
    text = await metrics(client, url)
    name = "xlhelpers_batch_requests"
    return counted(text, f"{name}_count"), counted(text, f"{name}_sum")


def counted(text: str, name: str) -> float:
    """The sum of a metric over its labels."""
    rows = [line for line in text.splitlines() if line.startswith((f"{name} ", f"{name}{{"))]
    return sum(float(line.rsplit(" ", 1)[1]) for line in rows)


def spent() -> dict[str, float]:
    """CPU seconds so far of the parts: this process (the clients), and those of Ray below it."""
    import psutil

    parts = {"replicas": ":Model", "gate": ":Gate", "proxy": "ProxyActor"}
    out = dict.fromkeys([*parts, "Ray's others", "clients"], 0.0)
    this = psutil.Process()
    out["clients"] = sum(this.cpu_times()[:2])
    for process in this.children(recursive=True):
        try:
            line, used = " ".join(process.cmdline()), sum(process.cpu_times()[:2])
        except psutil.Error:
            continue
        [part] = [p for p, mark in parts.items() if mark in line][:1] or ["Ray's others"]
        out[part] += used
    return out


def load_table(options: argparse.Namespace, model: str, arguments: list[str]) -> str:
    """One row a way, medians of the runs."""
    contenders = [
        Contender(f"{way}-{model}", title, sys.executable, arguments, options.runs)
        for way, (title, _) in WAYS.items()
    ]
    _common.run_all(__file__, contenders, options.threads)
    keep(options, {contender.name: contender.results for contender in contenders})
    last = contenders[-1]
    parts = ("replicas", "gate", "proxy", "Ray's others", "clients")
    head = [
        "",
        "answers a second (of each run)",
        "times the other",
        *(f"p{share}, ms" for share in (50, 95, 99)),
        "requests in a request's batch, mean",
        "wrong or refused",
        f"CPU-ms an answer: {', '.join(parts)}",
    ]
    rows = []
    for contender in contenders:
        runs = ", ".join(f"{result['rate']:.0f}" for result in contender.results)
        bad = sum(result["wrong"] + result["others"] for result in contender.results)
        rows.append(
            [
                contender.title,
                f"{contender.median('rate'):.0f} ({runs})",
                f"{contender.median('rate') / last.median('rate'):.2f}",
                *(f"{1000 * contender.median(f'p{share}'):.0f}" for share in (50, 95, 99)),
                f"{contender.median('batch'):.1f}",
                str(int(bad)),
                ", ".join(f"{1000 * contender.median(f'cpu {part}'):.1f}" for part in parts),
            ]
        )
    called = {"mini": "mini-infoxlm-sentiment", "base": "XLM-R base dimensions, random weights"}
    says = "a tiny stand-in" if options.tiny and model == "base" else called[model]
    title = (
        f"**{says}; {options.clients} clients, {options.replicas} replicas of {options.threads} "
        f"thread(s), one text a request, {options.seconds:g} s a run.**"
    )
    return f"{title}\n\n{serving._lines(head, rows)}\n"


# ── faults ───────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Job:
    """A request to send: its kind, its id, its body, and the texts that it asks about."""

    kind: str
    id: str
    body: bytes = field(repr=False)
    texts: tuple[Text, ...] = field(default=(), repr=False)
    pause: float = 0.0
    announced: bool = True


# Kind: its share of all requests, and the statuses that it may come back with.
KINDS: dict[str, tuple[float, tuple[int, ...]]] = {
    "good, steady": (0.60, (200, 429, 503)),
    "good, in bursts of 100": (0.20, (200, 429, 503)),
    "good, from slow clients": (0.03, (200, 429, 503)),
    "good, from clients that never finish": (0.01, (408,)),
    "oversized, announced": (0.03, (413,)),
    "oversized, in chunks": (0.02, (413,)),
    "too many texts": (0.02, (413,)),
    "invalid JSON": (0.03, (400,)),
    "invalid UTF-8": (0.03, (400,)),
    "another shape": (0.03, (422,)),
}
BURST = 100


def is_good(kind: str) -> bool:
    """Whether requests of a kind can be answered."""
    return 200 in KINDS[kind][1]


def jobs_of(count: int, texts: Sequence[Text]) -> dict[str, list[Job]]:
    """Exactly `count` jobs by kind; what the shares leave over is good and steady."""
    sizes = {kind: int(share * count) for kind, (share, _) in KINDS.items()}
    sizes["good, steady"] += count - sum(sizes.values())
    number = iter(range(count))
    draw = random.Random(0)
    made: dict[str, list[Job]] = {}
    for kind, size in sizes.items():
        made[kind] = [job_of(kind, next(number), texts, draw) for _ in range(size)]
    return made


def job_of(kind: str, number: int, texts: Sequence[Text], draw: random.Random) -> Job:
    """One job of a kind."""
    own = tuple(draw.choice(texts) for _ in range(draw.choice((1, 1, 1, 2, 5))))
    body = body_of(own)
    id = f"r{number}"
    if kind == "good, from slow clients":
        return Job(kind, id, body, own, pause=0.15)
    if kind == "good, from clients that never finish":
        return Job(kind, id, body, pause=2.0)
    if kind.startswith("oversized"):
        size = draw.choice((300_000, 1_000_000, 5_000_000))
        return Job(kind, id, b'{"texts": ["' + b"a" * size, announced="announced" in kind)
    bad = {
        "too many texts": body_of([texts[0]] * 65),
        "invalid JSON": body[: len(body) // 2],
        "invalid UTF-8": body.replace(b'"texts"', b'"te\xfets"'),
        "another shape": body.replace(b'"texts"', b'"text"'),
    }
    return Job(kind, id, bad[kind]) if kind in bad else Job(kind, id, body, own)


@dataclass
class Outcome:
    """What came back for a job: a status and a body, or the error of the connection."""

    job: Job
    status: int
    said: Any
    problem: str = ""

    def verdict(self) -> str:
        """`"right"`, `"refused"`, or what is wrong with it."""
        if self.problem:
            return f"lost: {self.problem}"
        if self.status not in KINDS[self.job.kind][1]:
            return f"status {self.status}"
        if not isinstance(self.said, dict) or self.said.get("id") != self.job.id:
            return "crossed"
        if self.status != 200:
            said = self.said.get("error") and self.said.get("remedy")
            return "refused" if said else "error without words"
        answers = self.said["answers"]
        own = len(answers) == len(self.job.texts) and all(
            text.is_answered_by(answer)
            for text, answer in zip(self.job.texts, answers, strict=True)
        )
        return "right" if own else "crossed"


async def send(client: Any, url: str, job: Job) -> Outcome:
    """Send a job as an ordinary client does."""
    try:
        headers = JSON | {"X-Request-ID": job.id}
        async with client.post(f"{url}/classify", data=job.body, headers=headers) as response:
            raw = await response.read()
        return Outcome(job, response.status, as_json(raw))
    except Exception as error:
        return Outcome(job, 0, None, type(error).__name__)


async def drip(url: str, job: Job) -> Outcome:
    """Send a job by hand: in parts with pauses, or in chunks whose sum nobody has announced."""
    host, _, port = url.removeprefix("http://").partition(":")
    try:
        reader, writer = await asyncio.open_connection(host, int(port))
        size = f"Content-Length: {len(job.body)}" if job.announced else "Transfer-Encoding: chunked"
        writer.write(
            f"POST /classify HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
            f"X-Request-ID: {job.id}\r\nConnection: close\r\n{size}\r\n\r\n".encode()
        )
        answer = asyncio.create_task(reader.read())
        await _feed(writer, job, answer)
        raw = await answer
        writer.close()
        head, _, body = raw.partition(b"\r\n\r\n")
        return Outcome(job, int(head.split()[1]), as_json(body))
    except Exception as error:
        return Outcome(job, 0, None, type(error).__name__)


async def _feed(writer: Any, job: Job, answer: asyncio.Task[bytes]) -> None:
    """Write a body until it is out or an answer has come."""
    step = len(job.body) // 8 + 1 if job.pause else 60_000
    try:
        for at in range(0, len(job.body), step):
            if job.pause:
                await asyncio.sleep(job.pause)
            if answer.done():
                return
            part = job.body[at : at + step]
            writer.write(part if job.announced else b"%x\r\n%b\r\n" % (len(part), part))
            await writer.drain()
        if not job.announced:
            writer.write(b"0\r\n\r\n")
    except ConnectionError:
        return  # it has read enough; what it says of that has come


def as_json(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except ValueError:
        return None


async def all_faults(
    client: Any, url: str, jobs: dict[str, list[Job]], clients: int
) -> tuple[list[Outcome], str]:
    """Send all of them at once in their own ways, and kill a replica when half have come back."""
    out: list[Outcome] = []
    killed = ""
    half = sum(map(len, jobs.values())) // 2

    async def count(outcome: Awaitable[Outcome]) -> None:
        nonlocal killed
        out.append(await outcome)
        if len(out) >= half and not killed:
            killed = "soon"
            killed = await asyncio.to_thread(kill_a_replica)

    def by_hand(job: Job) -> bool:
        return bool(job.pause) or not job.announced

    bursts = jobs["good, in bursts of 100"]
    rest = [job for kind, own in jobs.items() if own is not bursts for job in own]
    random.Random(1).shuffle(rest)
    slow = [job for job in rest if by_hand(job)]
    quick = [job for job in rest if not by_hand(job)]

    async def steady(own: Sequence[Job]) -> None:
        for job in own:
            await count(send(client, url, job))

    async def slowly(own: Sequence[Job]) -> None:
        for job in own:
            await count(drip(url, job))

    async def in_bursts() -> None:
        for at in range(0, len(bursts), BURST):
            await asyncio.gather(*(count(send(client, url, j)) for j in bursts[at : at + BURST]))
            await asyncio.sleep(0.5)

    lines = [steady(quick[i::clients]) for i in range(clients)]
    lines += [slowly(slow[i::clients]) for i in range(clients)]
    await asyncio.gather(in_bursts(), *lines)
    return out, killed


def kill_a_replica() -> str:
    """End the process of one replica of the model, as a crash would."""
    import ray

    named = ray.util.list_named_actors(all_namespaces=True)
    one = next(found for found in named if "#Model#" in found["name"])
    ray.kill(ray.get_actor(one["name"], one["namespace"]))
    return str(one["name"])


def faults(options: argparse.Namespace) -> None:
    """All kinds of requests, in a process of its own."""
    model, texts = prepared(options)
    jobs = jobs_of(options.requests, texts)

    async def work(client: Any, url: str) -> dict[str, Any]:
        start = time.perf_counter()
        found, killed = await all_faults(client, url, jobs, 24)
        wall = time.perf_counter() - start
        seen = counted(await metrics(client, url), "xlhelpers_requests_total")
        ready = await recovered(client, url, options.replicas)
        rows = {
            kind: Counter(str(one.status) for one in found if one.job.kind == kind) for kind in jobs
        }
        verdicts = Counter(one.verdict() for one in found)
        ids = Counter(one.job.id for one in found)
        return {
            "wall": wall,
            "cpu": 0.0,
            "rows": rows,
            "verdicts": verdicts,
            "twice": sum(times != 1 for times in ids.values()),
            "seen": seen,
            "killed": bool(killed),
            "recovered": ready,
        }

    found = run_with(options, model, WAYS["batched"][1], work)
    _common.report(found)


async def recovered(client: Any, url: str, replicas: int) -> float:
    """Seconds until as many replicas run as before, at most 120; -1 where they do not."""
    from ray import serve

    start = time.perf_counter()
    while time.perf_counter() - start < 120:
        model = serve.status().applications["classifier"].deployments["Model"]
        if model.replica_states.get("RUNNING", 0) >= replicas:
            return time.perf_counter() - start
        await asyncio.sleep(0.5)
    return -1.0


def faults_table(options: argparse.Namespace, arguments: list[str]) -> str:
    """What came back, by kind; raises SystemExit where anything is not as it has to be."""
    one = Contender("faults", "faults", sys.executable, arguments, 1)
    _common.run_all(__file__, [one], options.threads)
    keep(options, {"faults": one.results})
    found = one.results[0]
    rows = found["rows"]
    check(options, found)
    statuses = sorted({status for row in rows.values() for status in row})
    head = ["", "sent", *statuses]
    lines = [
        [kind, str(sum(row.values())), *(str(row.get(status, 0) or "") for status in statuses)]
        for kind, row in rows.items()
    ]
    total = [str(sum(row.get(status, 0) for row in rows.values())) for status in statuses]
    lines.append(["all", str(options.requests), *total])
    said = (
        f"{options.requests:,} requests in {found['wall']:.0f} s, {options.replicas} replicas, one "
        "of them killed when half of the requests had come back: each came back once, with its own "
        f"id and with its own answer ({found['verdicts'].get('right', 0):,}) or the error that "
        f"fits ({found['verdicts'].get('refused', 0):,}); none was lost, none crossed. The gate "
        f"counted {found['seen']:,.0f}. {found['recovered']:.0f} s after the last answer both "
        "replicas were running."
    )
    return f"**Faults, mini-infoxlm-sentiment.** {said}\n\n{serving._lines(head, lines)}\n"


def check(options: argparse.Namespace, found: dict[str, Any]) -> None:
    """End the program unless every request came back once and as it had to."""
    sent = sum(sum(row.values()) for row in found["rows"].values())
    wrong = {
        verdict: count
        for verdict, count in found["verdicts"].items()
        if verdict not in ("right", "refused")
    }
    good = sum(sum(row.values()) for kind, row in found["rows"].items() if is_good(kind))
    problems = [
        (found["verdicts"].get("right", 0) < 0.95 * good, "fewer than 95 % of the good ones"),
        (sent != options.requests, f"{sent} of {options.requests} came back"),
        (bool(wrong), f"wrong: {wrong}"),
        (found["twice"] > 0, f"{found['twice']} came back more than once"),
        (found["seen"] != options.requests, f"the gate counted {found['seen']:.0f}"),
        (not found["killed"], "no replica was killed"),
        (found["recovered"] < 0, "the replica did not come back"),
    ]
    if said := "; ".join(text for bad, text in problems if bad):
        raise SystemExit(f"faults: {said}\n{json.dumps(found, indent=1)}")


# ── all together ─────────────────────────────────────────────────────────────────────────


def keep(options: argparse.Namespace, found: dict[str, Any]) -> None:
    """Keep every run beside the models, for whoever wants more than medians."""
    kept = options.folder / f"runs-online{'-tiny' if options.tiny else ''}.json"
    before = json.loads(kept.read_text("utf-8")) if kept.exists() else {}
    kept.write_text(json.dumps(before | found, indent=1), "utf-8")


def tables(options: argparse.Namespace) -> dict[str, str]:
    """Return the text of each part, by its mark."""
    names = ("folder", "threads", "texts", "clients", "replicas", "seconds", "requests")
    arguments = [part for n in names for part in (f"--{n}", str(getattr(options, n)))]
    arguments += ["--tiny"] if options.tiny else []
    found = {}
    for model in options.models if "load" in options.parts else ():
        found[f"load-{model}"] = load_table(options, model, [*arguments, "--model", model])
    if "faults" in options.parts:
        found["faults"] = faults_table(options, [*arguments, "--model", "mini"])
    where = _common.machine(options.threads).partition(" Medians")[0]
    says = {mark: where if mark == "faults" else f"{where} Medians." for mark in found}
    return {mark: f"{says[mark]}\n\n{text.strip()}" for mark, text in found.items()}


def main() -> None:
    made = _common.parser(__doc__)
    made.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    made.add_argument("--models", nargs="+", choices=["base", "mini"], default=["base", "mini"])
    made.add_argument("--model", choices=["base", "mini"], help=argparse.SUPPRESS)
    made.add_argument("--texts", type=int, default=640, help="different texts")
    made.add_argument("--clients", type=int, default=64)
    made.add_argument("--replicas", type=int, default=2)
    made.add_argument("--seconds", type=float, default=40.0, help="of a run, after a quarter more")
    made.add_argument("--requests", type=int, default=5000, help="of the part faults")
    made.add_argument("--tiny", action="store_true", help="a small stand-in for base, to try this")
    made.add_argument("--write", type=Path, nargs="?", const=README, help="Markdown file")
    options = made.parse_args()
    if options.contender == "faults":
        faults(options)
    elif options.contender:
        load(options)
    else:
        options.folder.mkdir(parents=True, exist_ok=True)
        _common.publish(tables(options), options.write, "online")


if __name__ == "__main__":
    main()
