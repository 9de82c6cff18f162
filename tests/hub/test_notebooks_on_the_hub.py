"""Notebooks with `XL_MODELS=hub` against a loopback server: the real code path, stand-in data.

The server answers under the real paths of fastText's vectors, MUSE's dictionaries, the models
and the public data sets with files in the real formats; their content is the course's own,
since the real ones cannot be shipped.
"""

from __future__ import annotations

import io
import os
import re
import shutil
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
from stand_ins import AFROXLMR, INFOXLM, MBERT, OPUS, XLMR

from xlhelpers import assets, claims, datasets, embeddings, settings
from xlhelpers.commands import kernel_environment, quiet_environment
from xlhelpers.commands._execute import Execution, execute
from xlhelpers.datasets import PUBLIC, WIKIPEDIA, Labelled, Pairs, Tagged, corpus

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
    """A notebook that has been run, whom it called, and what it asked of the loopback server."""

    done: Execution
    unmeasured: list[str]
    hosts: set[str]
    asked: set[str]

    def problems(self) -> list[str]:
        """What must not be, whichever notebook it is."""
        found = self.done.failures + [f"not measured: {key}" for key in self.unmeasured]
        if "models: hub" not in str(self.done.node.cells[2].outputs):
            found.append("the set-up cell does not say that the models are the hub's")
        return found + [f"called {host}" for host in sorted(self.hosts ^ {"127.0.0.1"})]

    def files(self, of: str) -> set[str]:
        """The files of a repository of the hub that were asked for, whatever the commit."""
        found = (re.fullmatch(rf"/{of}/resolve/[^/]+/(.+)", path) for path in self.asked)
        return {match[1] for match in found if match}

    def repositories(self) -> set[str]:
        """Ids of all models and data sets of which anything was asked."""
        prefix = "(?:api/models/|api/datasets/|datasets/)?"
        found = (re.match(rf"/{prefix}([^/]+/[^/]+)/", path) for path in self.asked)
        return {match[1] for match in found if match}


def visit(name: str, server: Server, home: Path, **environ: str) -> Visit:
    """Run a notebook in the `hub` set against a server, with caches of its own."""
    (home / "sitecustomize.py").write_text(WITNESS, encoding="utf-8")
    environment = Learner(home, server.url).environment(
        PYTHONPATH=os.pathsep.join([str(ROOT), str(home)]),
        XL_FASTTEXT_ENDPOINT=server.url,
        XL_RECORDS=str(home / "records"),
        XL_TEST_CALLS=str(home / "calls"),
        **environ,
    )
    calm = quiet_environment(environment, 2)
    before = len(server.requests)
    done = execute(ROOT / "notebooks" / f"{name}.ipynb", kernel_environment(calm), 300)
    number = name[:2]
    return Visit(
        done,
        unmeasured=claims.missing(number, claims.records(number, home / "records")),
        hosts=set((home / "calls").read_text(encoding="utf-8").split()),
        asked={path for _, path, _ in server.requests[before:]},
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


def test_notebook_01_runs_on_the_real_data_sets_path(tmp_path: Path) -> None:
    with Server(vectors_and_dictionaries()) as server:
        found = visit("01_alignment", server, tmp_path)
    assert found.problems() == []
    assert {f"/fasttext/vectors-wiki/wiki.{code}.vec" for code in VECTORS} <= found.asked
    assert "/arrival/dictionaries/en-fi.5000-6500.txt" in found.asked
    assert not any("en-sw" in path for path in found.asked)


def test_notebook_02_runs_on_the_real_models_path(hub: Hub, little: Path, tmp_path: Path) -> None:
    found = visit("02_mbert", hub, tmp_path, XL_DATA=str(little))
    assert found.problems() == []
    assert found.repositories() == {MBERT, INFOXLM, XNLI}
    assert found.files(MBERT) == {*MODEL, "tokenizer_config.json", "vocab.txt"}
    assert found.files(INFOXLM) == MODEL
    assert found.files(f"datasets/{XNLI}") == {
        public_sets.xnli_path(code, split) for code in PARALLEL for split in ("validation", "test")
    }


def test_notebook_03_runs_on_the_real_models_path(hub: Hub, little: Path, tmp_path: Path) -> None:
    found = visit("03_xlmr", hub, tmp_path, XL_DATA=str(little))
    assert found.problems() == []
    assert found.repositories() == {MBERT, XLMR, INFOXLM, TWEETS}
    assert found.files(MBERT) == {*MODEL, "tokenizer_config.json", "vocab.txt"}
    assert found.files(XLMR) == {*MODEL, "tokenizer_config.json"}
    assert found.files(INFOXLM) == MODEL
    wanted = {(code, split) for code in REVIEWS for split in ("train", "test")}
    assert found.files(f"datasets/{TWEETS}") == {
        public_sets.tweets_path(*place) for place in wanted | {("en", "validation")}
    }


def test_notebook_04_runs_on_the_real_models_path(hub: Hub, tmp_path: Path) -> None:
    few = {"XL_TRAIN_ROWS": "90", "XL_TEST_ROWS": "60"}
    found = visit("04_zero_shot", hub, tmp_path, **few)
    assert found.problems() == []
    assert found.repositories() == {MBERT, XLMR, INFOXLM, TWEETS, WIKIANN, XNLI}
    assert found.files(INFOXLM) == MODEL
    wanted = {public_sets.wikiann_path(code, "test") for code in NEWS}
    wanted |= {public_sets.wikiann_path("en", split) for split in ("train", "test")}
    assert wanted <= found.files(f"datasets/{WIKIANN}")
    assert {public_sets.xnli_path(code, "test") for code in PARALLEL} <= found.files(
        f"datasets/{XNLI}"
    )
    assert {public_sets.tweets_path(code, "train") for code in ("en", "ar")} <= found.files(
        f"datasets/{TWEETS}"
    )


def test_notebook_05_runs_on_the_real_models_path(hub: Hub, tmp_path: Path) -> None:
    found = visit("05_few_shot", hub, tmp_path)
    assert found.problems() == []
    assert found.repositories() == {INFOXLM, TWEETS, WIKIANN}
    assert found.files(INFOXLM) == MODEL
    wanted = {(code, "train") for code in ("en", "ar", "de", "es", "fr", "hi")}
    wanted |= {(code, "test") for code in ("en", "de", "hi")}
    assert found.files(f"datasets/{TWEETS}") == {
        public_sets.tweets_path(*place) for place in wanted
    }
    # English is trained on and not tested in: its test rows stay where they are.
    read = [("en", "train"), ("hi", "train"), ("hi", "test")]
    assert found.files(f"datasets/{WIKIANN}") == {
        public_sets.wikiann_path(*place) for place in read
    }


def test_notebook_06_runs_on_the_real_models_path(hub: Hub, tmp_path: Path) -> None:
    found = visit("06_low_resource", hub, tmp_path)
    assert found.problems() == []
    assert found.repositories() == {MBERT, XLMR, INFOXLM, AFROXLMR, TWEETS, WIKIPEDIA.id}
    assert found.files(AFROXLMR) == MODEL
    assert found.files(f"datasets/{WIKIPEDIA.id}") == {WIKIPEDIA_FILE}
    assert found.files(f"datasets/{TWEETS}") == {public_sets.tweets_path("de", "train")}


def test_notebook_07_runs_on_the_real_models_path(hub: Hub, tmp_path: Path) -> None:
    few = {"XL_TRAIN_ROWS": "300", "XL_TEST_ROWS": "60"}
    found = visit("07_translation", hub, tmp_path, **few)
    assert found.problems() == []
    # The explorer's other languages are loaded when somebody chooses them.
    there, back = OPUS["en-de"], OPUS["de-en"]
    assert found.repositories() == {XLMR, INFOXLM, TWEETS, WIKIANN, XNLI, there, back}
    assert {"config.json", "source.spm", "target.spm", "vocab.json"} < found.files(there)
