"""Notebooks with `XL_MODELS=hub`: the real code path, stand-in data, the network gone.

Everything is fetched from a loopback server by `fetch --hub`, and then nothing answers any more.

The server answers under the real paths of fastText's vectors, MUSE's dictionaries, the models
and the public data sets with files in the real formats; their content is the course's own,
since the real ones cannot be shipped.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import public_sets
import pytest
import stand_ins
from learner import ROOT, Learner
from loopback_server import Files, Hub, Resource, Server
from public_sets import TWEETS, WIKIANN, XNLI
from stand_ins import AFROXLMR, INFOXLM, MBERT, OPUS, OPUS_PAIRS, XLMR

from xlhelpers import assets, claims, datasets, embeddings, needs, settings
from xlhelpers.commands import kernel_environment, quiet_environment
from xlhelpers.commands._execute import Execution, execute
from xlhelpers.datasets import PUBLIC, WIKIPEDIA, Labelled, Pairs, Tagged, corpus
from xlhelpers.needs import Need

# Set to learn what a new or a changed notebook needs; see `xlhelpers.needs`.
LEARN = bool(os.environ.get("XL_LEARN_NEEDS"))
WORDS = 3000
MODEL = {"config.json", "model.safetensors", "tokenizer.json"}
MOST_ROWS = 120
WIKIPEDIA_FILE = f"{WIKIPEDIA.folders['yo']}/train-00000-of-00001.parquet"
VECTORS = ("en", "de", "es", "fr", "ru", "fi", "zh", "sw")
PARALLEL = ("en", "de", "es", "fr", "ru", "zh", "ar", "hi", "sw")
REVIEWS = ("en", "ar", "de", "es", "fr", "hi", "pt")
NEWS = (*PARALLEL, "nl", "pt", "yo")

# Runs in the kernel before all else and notes whom any Python code there looks up or calls.
WITNESS = """
import os, sys

def witness(event, arguments):
    if event in ("socket.connect", "socket.sendto"):
        to = arguments[1]
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        to = arguments
    else:
        return
    if isinstance(to, tuple):  # else a file of this machine
        with open(os.environ["XL_TEST_CALLS"], "a", encoding="utf-8") as file:
            file.write(f"{to[0]}\\n")

sys.addaudithook(witness)
"""


@dataclass(frozen=True)
class Visit:
    """A notebook that has been run, whom it called, and what it wanted from elsewhere."""

    done: Execution
    unmeasured: list[str]
    hosts: set[str]
    needs: frozenset[Need]
    asked: set[str]

    def problems(self) -> list[str]:
        """What must not be, whichever notebook it is."""
        number = self.done.notebook.stem[:2]
        found = self.done.failures + [f"not measured: {key}" for key in self.unmeasured]
        if "models: hub" not in str(self.done.node.cells[2].outputs):
            found.append("the set-up cell does not say that the models are the hub's")
        if "[FAIL]" in str(self.done.node.cells[2].outputs):
            found.append("the set-up cell finds a fault")
        found += [f"called {host}" for host in sorted(self.hosts - {"127.0.0.1"})]
        listed = needs.of([number])
        found += [f"is not in {needs.LIST.name}: {need}" for need in self.needs - listed]
        return found + [f"was not wanted: {need}" for need in listed - self.needs]

    def repositories(self) -> set[str]:
        """Ids of all models and data sets of which anything was wanted."""
        return {need.parts[0] for need in self.needs if need.kind in ("weights", "rows")} | {
            need.parts[0] for need in self.needs if need.kind == "tokenizer"
        }

    def rows(self, of: str) -> set[tuple[str, str]]:
        """Languages and splits of a data set that were wanted."""
        found = (need.parts for need in self.needs if need.kind == "rows")
        return {(language, split) for repo, language, split in found if repo == of}


def beforehand(learner: Learner, *numbers: str) -> None:
    """What a teacher types the evening before."""
    line = [sys.executable, "-m", "xlhelpers", "fetch", "--hub", "--yes", *numbers]
    environment = learner.environment(XL_FASTTEXT_ENDPOINT=learner.endpoint)
    done = subprocess.run(line, env=environment, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    ready = f"Ready without a network, checksums compared: notebooks {' '.join(numbers)}."
    assert ready in done.stdout


def visit(name: str, learner: Learner, home: Path, server: Server | None, **environ: str) -> Visit:
    """Run a notebook in the `hub` set: against a server or, where there is none, without any."""
    (home / "sitecustomize.py").write_text(WITNESS, encoding="utf-8")
    if server is None:
        learner = learner.offline()
        environ["HF_HUB_OFFLINE"] = "1"
    environment = learner.environment(
        PYTHONPATH=os.pathsep.join([str(ROOT), str(home)]),
        XL_FASTTEXT_ENDPOINT=learner.endpoint,
        XL_RECORDS=str(home / "records"),
        XL_TEST_CALLS=str(home / "calls"),
        XL_NEEDS=str(home / "needs"),
        **environ,
    )
    calm = quiet_environment(environment, 2)
    before = len(server.requests) if server else 0
    done = execute(ROOT / "notebooks" / f"{name}.ipynb", kernel_environment(calm), 300)
    number = name[:2]
    wanted = needs.noted(home / "needs")
    if LEARN:
        needs.write(number, wanted)
    called = home / "calls"
    hosts = set(called.read_text(encoding="utf-8").split()) if called.exists() else set()
    assert not hosts or server is not None, "nothing was to be called"
    return Visit(
        done,
        unmeasured=claims.missing(number, claims.records(number, home / "records")),
        hosts=hosts,
        needs=wanted,
        asked={path for _, path, _ in server.requests[before:]} if server else set(),
    )


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """The course's models under the real ids, and the public sets with the course's sentences."""
    models, pulls = stand_ins.shipped(tmp_path_factory.mktemp("models"))
    sets = {
        XNLI: (PUBLIC["nli"].revision, pairs()),
        TWEETS: (PUBLIC["sentiment"].revision, tweets()),
        WIKIANN: (PUBLIC["ner"].revision, news()),
        WIKIPEDIA.id: (WIKIPEDIA.revision, articles()),
    }
    with Hub(models, pulls, sets) as running:
        yield running


@pytest.fixture(scope="module")
def little(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of `data/` with less to learn from: the cells on our own models end sooner."""
    folder = tmp_path_factory.mktemp("little") / "data"
    shutil.copytree(ROOT / "data", folder)
    settings.use(data=folder)
    try:
        for name in (
            "ner/train.en",
            *(f"ner/test.{code}" for code in PARALLEL),
            "sentiment/train.en",
        ):
            file = assets.path(f"corpus/{name}.jsonl")
            lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
            file.write_text("".join(lines[:MOST_ROWS]), encoding="utf-8")
            assets.register(file, "shipped", "CC0-1.0", "a test")
    finally:
        settings.reset()
    return folder


def pairs() -> Files:
    """XNLI, of the course's pairs of sentences."""
    found = {}
    for ours, theirs in public_sets.SPLITS.items():
        for code in PARALLEL:
            data = cast(Pairs, corpus.read("nli", code, ours))
            numbers = [data.names.index(label) for label in data.labels]
            content = public_sets.xnli(data.premises, data.hypotheses, numbers)
            found[public_sets.xnli_path(code, theirs)] = content
    return found


def tweets() -> Files:
    """The tweets, few, of the course's reviews."""
    found = {}
    for ours, theirs in public_sets.SPLITS.items():
        for code in REVIEWS:
            data = cast(Labelled, corpus.read("sentiment", code, ours))[:MOST_ROWS]
            numbers = [data.names.index(label) for label in data.labels]
            found[public_sets.tweets_path(code, theirs)] = public_sets.tweets(data.texts, numbers)
    return found


def news() -> Files:
    """WikiANN, little of it, of the course's news."""
    found = {}
    for ours, theirs in public_sets.SPLITS.items():
        for code in NEWS:
            data = cast(Tagged, corpus.read("ner", code, ours))[:MOST_ROWS]
            numbers = [[data.names.index(tag) for tag in tags] for tags in data.tags]
            found[public_sets.wikiann_path(code, theirs)] = public_sets.wikiann(
                data.sentences, numbers
            )
    return found


def articles() -> Files:
    """Wikipedia in Yoruba, of the course's Yoruba text; what follows a first line is not read."""
    texts = [f"{text}\n\nÌpín kejì." for text in datasets.unlabelled("yo")[:2000]]
    return {WIKIPEDIA_FILE: public_sets.parquet({"text": texts}, None)}


def vec(language: str) -> bytes:
    """Vectors as fastText writes them; the header promises more words than the file needs."""
    vectors = embeddings.load(language, WORDS)
    text = io.StringIO()
    text.write(f"{WORDS} {vectors.dim}\n")
    for word, row in zip(vectors.words, vectors.matrix.tolist(), strict=True):
        text.write(f"{word} {' '.join(f'{value:.5g}' for value in row)} \n")
    return text.getvalue().encode()


def dictionary(language: str, split: str) -> bytes:
    """Pairs as MUSE writes them: one a line, a word with two translations twice."""
    pairs = datasets.lexicon("en", language, split).pairs()  # type: ignore[arg-type]
    return "".join(f"{english}\t{other}\n" for english, other in pairs).encode()


def vectors_and_dictionaries() -> dict[str, Resource]:
    served = {f"/fasttext/vectors-wiki/wiki.{code}.vec": Resource(vec(code)) for code in VECTORS}
    for code in VECTORS[1:-1]:  # MUSE has no Swahili
        for split, name in {"train": "0-5000", "test": "5000-6500"}.items():
            path = f"/arrival/dictionaries/en-{code}.{name}.txt"
            served[path] = Resource(dictionary(code, split))
    return served


@dataclass(frozen=True)
class Room:
    """A computer on which everything was fetched, and what was asked of the hub for it."""

    learner: Learner
    hub: Hub
    asked: list[str]

    def visit(self, name: str, home: Path, **environ: str) -> Visit:
        """Run a notebook after the network has gone."""
        return visit(name, self.learner, home, self.hub if LEARN else None, **environ)

    def files(self, of: str) -> set[str]:
        """The files of a repository of the hub that were fetched, whatever the commit."""
        found = (re.fullmatch(rf"/{of}/resolve/[^/]+/(.+)", path) for path in self.asked)
        return {match[1] for match in found if match}


@pytest.fixture(scope="module")
def room(hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> Room:
    """One download for all notebooks that load models; none where needs are being learned."""
    learner = Learner(tmp_path_factory.mktemp("room"), hub.url)
    before = len(hub.requests)
    if not LEARN:
        beforehand(learner, "02", "03", "04", "05", "06", "07", "08")
    return Room(learner, hub, [path for _, path, _ in hub.requests[before:]])


def test_notebook_01_runs_on_the_real_data_sets_path(tmp_path: Path) -> None:
    with Server(vectors_and_dictionaries()) as server:
        learner = Learner(tmp_path, server.url)
        if not LEARN:
            beforehand(learner, "01")
        asked = {path for _, path, _ in server.requests}
        found = visit("01_alignment", learner, tmp_path, server if LEARN else None)
    assert found.problems() == []
    assert {f"/fasttext/vectors-wiki/wiki.{code}.vec" for code in VECTORS} <= asked
    assert "/arrival/dictionaries/en-fi.5000-6500.txt" in asked
    assert not any("en-sw" in path for path in asked)


def test_notebook_02_runs_where_nothing_was_fetched_beforehand(
    hub: Hub, little: Path, tmp_path: Path, room: Room
) -> None:
    # The others run without a network. This one shows that both ways bring the same files.
    learner = Learner(tmp_path, hub.url)
    found = visit("02_mbert", learner, tmp_path, hub, XL_DATA=str(little))
    assert found.problems() == []
    assert found.repositories() == {MBERT, INFOXLM, XNLI}
    direct = Room(learner, hub, sorted(found.asked))
    assert direct.files(MBERT) == {*MODEL, "tokenizer_config.json", "vocab.txt"}
    assert direct.files(INFOXLM) == MODEL
    assert direct.files(f"datasets/{XNLI}") == {
        public_sets.xnli_path(code, split) for code in PARALLEL for split in ("validation", "test")
    }
    for repository in (MBERT, INFOXLM):
        assert LEARN or direct.files(repository) == room.files(repository)


def test_notebook_03_runs_on_the_real_models_path(room: Room, little: Path, tmp_path: Path) -> None:
    found = room.visit("03_xlmr", tmp_path, XL_DATA=str(little))
    assert found.problems() == []
    assert found.repositories() == {MBERT, XLMR, INFOXLM, TWEETS}
    assert room.files(XLMR) == {*MODEL, "tokenizer_config.json"}
    wanted = {(code, split) for code in REVIEWS for split in ("train", "test")}
    assert found.rows(TWEETS) == wanted | {("en", "dev")}
    split = {"train": "train", "dev": "validation", "test": "test"}
    assert {public_sets.tweets_path(code, split[s]) for code, s in wanted} <= room.files(
        f"datasets/{TWEETS}"
    )


def test_notebook_04_runs_on_the_real_models_path(room: Room, tmp_path: Path) -> None:
    found = room.visit("04_zero_shot", tmp_path, XL_TRAIN_ROWS="90", XL_TEST_ROWS="60")
    assert found.problems() == []
    assert found.repositories() == {MBERT, XLMR, INFOXLM, TWEETS, WIKIANN, XNLI}
    assert found.rows(WIKIANN) == {(code, "test") for code in NEWS} | {("en", "train")}
    assert {(code, "test") for code in PARALLEL} <= found.rows(XNLI)
    assert {(code, "train") for code in ("en", "ar")} <= found.rows(TWEETS)


def test_notebook_05_runs_on_the_real_models_path(room: Room, tmp_path: Path) -> None:
    found = room.visit("05_few_shot", tmp_path)
    assert found.problems() == []
    assert found.repositories() == {INFOXLM, TWEETS, WIKIANN}
    wanted = {(code, "train") for code in ("en", "ar", "de", "es", "fr", "hi")}
    assert found.rows(TWEETS) == wanted | {(code, "test") for code in ("en", "de", "hi")}
    # English is trained on and not tested in: its test rows stay where they are.
    assert found.rows(WIKIANN) == {("en", "train"), ("hi", "train"), ("hi", "test")}


def test_notebook_06_runs_on_the_real_models_path(room: Room, tmp_path: Path) -> None:
    found = room.visit("06_low_resource", tmp_path)
    assert found.problems() == []
    assert found.repositories() == {MBERT, XLMR, INFOXLM, AFROXLMR, TWEETS, WIKIPEDIA.id}
    assert room.files(AFROXLMR) == MODEL
    assert room.files(f"datasets/{WIKIPEDIA.id}") == {WIKIPEDIA_FILE}
    assert found.rows(TWEETS) == {("de", "train")}


def test_notebook_07_runs_on_the_real_models_path(room: Room, tmp_path: Path) -> None:
    found = room.visit("07_translation", tmp_path, XL_TRAIN_ROWS="300", XL_TEST_ROWS="60")
    assert found.problems() == []
    # The explorer's languages are fetched too: they are loaded when somebody chooses them.
    pairs = {OPUS[pair] for pair in OPUS_PAIRS}
    assert found.repositories() == {XLMR, INFOXLM, TWEETS, WIKIANN, XNLI} | pairs
    for pair in pairs:
        assert {"config.json", "source.spm", "target.spm", "vocab.json"} < room.files(pair)


def test_notebook_08_runs_on_the_real_models_path(room: Room, tmp_path: Path) -> None:
    found = room.visit("08_production", tmp_path, XL_TRAIN_ROWS="300", XL_TEST_ROWS="60")
    assert found.problems() == []
    assert found.repositories() == {XLMR, INFOXLM, TWEETS, WIKIANN}
    # Served is what is tested; nothing is asked for that is not read.
    wanted = {(code, split) for code in REVIEWS for split in ("train", "dev", "test")}
    assert found.rows(TWEETS) == wanted
    assert found.rows(WIKIANN) == {("en", "train")}
