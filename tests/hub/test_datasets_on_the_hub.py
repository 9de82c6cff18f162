"""The public data sets, proven with the unmodified client against a hub on loopback.

Small parquet files lie under the real ids, at the real commits, in the real layouts, with the
notes on labels that the library `datasets` leaves in the files it writes. Their rows are made up.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import public_sets
import pytest
from learner import Learner
from loopback_server import Hub, Query, Resource
from public_sets import (
    NER,
    NLI,
    TWEETS,
    WIKIANN,
    XNLI,
    class_label,
    parquet,
    tweets_path,
    xnli_path,
)

from xlhelpers.datasets import PUBLIC, WIKIPEDIA

Files = dict[str, bytes]


# ── the stand-ins ────────────────────────────────────────────────────────────────────────


SIZES = {"train": 9, "validation": 3, "test": 6}


def xnli(code: str, rows: int, label: dict[str, Any] | None = NLI) -> bytes:
    premises = [f"{code} premise {i // 3}" for i in range(rows)]
    hypotheses = [f"{code} hypothesis {i}" for i in range(rows)]
    return public_sets.xnli(premises, hypotheses, [i % 3 for i in range(rows)], label)


def wikiann(tokens: list[str], rows: int, kind: str = "Sequence") -> bytes:
    tags = [1, 2, 0, 5, *[0] * len(tokens)][: len(tokens)]
    columns: dict[str, list[Any]] = {"tokens": [tokens] * rows, "ner_tags": [tags] * rows}
    columns["langs"] = [["x"] * len(tokens)] * rows
    columns["spans"] = [["PER: Ana Díaz"]] * rows
    text = {"dtype": "string", "_type": "Value"}
    noted = {"tokens": {"feature": text, "_type": kind}}
    return parquet(columns, noted | {"ner_tags": {"feature": NER, "_type": kind}})


def tweets(name: str, rows: int) -> bytes:
    texts = [f"{name} tweet {i}" for i in range(rows)]
    return public_sets.tweets(texts, [i % 3 for i in range(rows)])


def stand_ins() -> dict[str, tuple[str, Files]]:
    """The three sets in the layouts that they have at the commits we read."""
    nli, ner, mood = Files(), Files(), Files()
    words = ["Ana", "Díaz", "in", "Lima", "."]
    for split, rows in SIZES.items():
        for code in ("en", "de", "sw"):
            nli[xnli_path(code, split)] = xnli(code, rows)
        ner[f"en/{split}/0000.parquet"] = wikiann(words, rows)
        ner[f"yo/{split}/0000.parquet"] = wikiann(words, rows, "List")
        ner[f"zh/{split}/0000.parquet"] = wikiann([*"王芳在利马"], rows)
        for code, name in {"en": "english", "de": "german", "hi": "hindi"}.items():
            mood[tweets_path(code, split)] = tweets(name, rows)
    nli["README.md"] = b"# XNLI\n"
    found = {XNLI: nli, WIKIANN: ner, TWEETS: mood}
    pages = [f"Àpilẹ̀kọ {i}: ìpín àkọ́kọ́ tó gùn díẹ̀ ju ti tẹ́lẹ̀ lọ.\n\nÌpín kejì." for i in range(40)]
    columns: dict[str, list[Any]] = {"id": list(map(str, range(40))), "text": pages}
    name = f"{WIKIPEDIA.folders['yo']}/train-00000-of-00001.parquet"
    found[WIKIPEDIA.id] = {name: parquet(columns, None)}
    known = (*PUBLIC.values(), WIKIPEDIA)
    return {public.id: (public.revision, found[public.id]) for public in known}


def visit(home: Path, code: str, changes: dict[str, Files | None] | None = None) -> dict[str, Any]:
    """Run `code` against the stand-ins with some files changed, or with sets that are gone."""
    sets = stand_ins()
    for name, files in (changes or {}).items():
        if files is None:
            del sets[name]
        else:
            sets[name][1].update(files)
    with Hub(sets=sets) as running:
        return Learner(home, running.url).run(code)


@pytest.fixture(scope="module")
def served() -> Iterator[Hub]:
    with Hub(sets=stand_ins()) as running:
        yield running


@pytest.fixture(scope="module")
def client(served: Hub, tmp_path_factory: pytest.TempPathFactory) -> Learner:
    return Learner(tmp_path_factory.mktemp("client"), served.url)


FIRST_VISIT = """
def told(data):
    return {**{k: v for k, v in vars(data).items()}, "n": len(data), "kind": type(data).__name__}

note("tweets", lambda: told(datasets.sentiment("de", "test")))
note("tweets again", lambda: len(datasets.sentiment("de", "test")))
note("train", lambda: len(datasets.sentiment("de")))
note("news", lambda: told(datasets.ner("en", "dev")))
note("list", lambda: told(datasets.ner("yo", "dev")))
note("chinese", lambda: told(datasets.ner("zh", "dev")))
note("pairs", lambda: told(datasets.nli("sw", "test")))
for split in datasets.SPLITS:
    note(f"pairs {split}", lambda: len(datasets.nli("de", split)))
rows = datasets.parallel(["en", "de", "sw"])
found["parallel"] = [type(rows["de"]).__name__, len(rows.ids), rows.source]
found["parallel texts"] = rows.texts()
found["row"] = datasets.nli("de", "test")[4]
note("frame", lambda: list(datasets.nli("de", "test").frame().columns))
note("no Yoruba", lambda: datasets.nli("yo", "test"))
note("no Dutch tweets", lambda: datasets.sentiment("nl", "test"))
note("no Hausa", lambda: datasets.ner("ha", "test"))
note("no Dutch rows", lambda: datasets.parallel(["en", "nl"]))
note("no split", lambda: datasets.nli("de", "validation"))
note("not served", lambda: datasets.ner("fr", "test"))
note("available", lambda: [datasets.available(task) for task in ("sentiment", "nli")])
found["languages of WikiANN"] = datasets.available("ner")
found["loaded"] = sorted({"datasets", "torch", "transformers"} & set(sys.modules))
"""


@pytest.fixture(scope="module")
def first(client: Learner) -> dict[str, Any]:
    """What a first visit with a working network finds."""
    return client.run(FIRST_VISIT)


def test_tweets_with_the_labels_of_the_file(first: dict[str, Any]) -> None:
    data = first["tweets"]
    assert data["kind"] == "Labelled" and data["n"] == 6 and data["language"] == "de"
    assert data["texts"][:2] == ["german tweet 0", "german tweet 1"]
    assert data["labels"][:3] == data["names"] == ["negative", "neutral", "positive"]
    assert data["ids"][5] == "tweet_sentiment_multilingual-de-test-5"
    assert data["source"] == f"{TWEETS} at {PUBLIC['sentiment'].revision[:7]}, test"
    assert first["train"] == 9


def test_entities_of_wikiann(first: dict[str, Any]) -> None:
    data = first["news"]
    assert data["kind"] == "Tagged" and data["n"] == 3
    assert data["sentences"][0] == ["Ana", "Díaz", "in", "Lima", "."]
    assert data["tags"][0] == ["B-PER", "I-PER", "O", "B-LOC", "O"]
    assert data["texts"][0] == "Ana Díaz in Lima ." and data["upos"] == [[]] * 3
    assert data["names"] == ["O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC"]
    # Older and newer versions of the library note a list of labels under different names.
    assert first["list"]["tags"] == data["tags"]
    assert first["chinese"]["texts"][0] == "王芳在利马"


def test_plain_text_of_wikipedia(tmp_path: Path) -> None:
    code = """
found["train"] = datasets.unlabelled("yo")
found["heldout"] = datasets.unlabelled("yo", "heldout")
"""
    seen = visit(tmp_path, code)
    assert (len(seen["train"]), len(seen["heldout"])) == (38, 2)
    assert seen["heldout"][0] == "Àpilẹ̀kọ 19: ìpín àkọ́kọ́ tó gùn díẹ̀ ju ti tẹ́lẹ̀ lọ."
    gone = visit(
        tmp_path / "gone",
        "note('text', lambda: datasets.unlabelled('yo'))",
        {
            WIKIPEDIA.id: None,
        },
    )
    assert gone["text"].startswith(f"HubError: the hub has no data set {WIKIPEDIA.id}")


def test_rows_of_wikiann_have_other_ids_in_every_language(first: dict[str, Any]) -> None:
    assert not set(first["news"]["ids"]) & set(first["list"]["ids"])


def test_pairs_of_xnli(first: dict[str, Any]) -> None:
    data = first["pairs"]
    assert data["kind"] == "Pairs" and data["language"] == "sw" and data["held"] == [""] * 6
    assert data["premises"][3] == "sw premise 1" and data["hypotheses"][3] == "sw hypothesis 3"
    assert data["labels"][:3] == data["names"] == ["entailment", "neutral", "contradiction"]
    assert [first[f"pairs {split}"] for split in ("train", "dev", "test")] == [9, 3, 6]
    assert first["row"] == {
        "id": "xnli-test-4",
        "premise": "de premise 1",
        "hypothesis": "de hypothesis 4",
        "label": "neutral",
        "held": "",
    }
    assert first["frame"] == ["id", "premise", "hypothesis", "label", "held", "language"]


def test_parallel_rows_are_those_of_xnli(first: dict[str, Any]) -> None:
    kind, rows, source = first["parallel"]
    assert (kind, rows) == ("Pairs", 6) and XNLI in source
    texts = first["parallel texts"]
    assert len(texts["en"]) == 2 + 6
    assert [text.replace("sw ", "en ") for text in texts["sw"]] == texts["en"]


def test_languages_that_a_set_lacks_are_said(first: dict[str, Any]) -> None:
    xnli_has = "ar bg de el en es fr hi ru sw th tr ur vi zh"
    assert first["no Yoruba"].startswith("DatasetError: facebook/xnli has no Yoruba")
    assert xnli_has in first["no Yoruba"] and 'xl.use("mini")' in first["no Yoruba"]
    assert f"{TWEETS} has no Dutch" in first["no Dutch tweets"]
    assert "it has ar de en es fr hi it pt" in first["no Dutch tweets"]
    assert f"{WIKIANN} has no Hausa" in first["no Hausa"]
    assert f"{XNLI} has no Dutch" in first["no Dutch rows"]
    assert "train, dev or test" in first["no split"]
    assert first["available"] == [
        ["ar", "de", "en", "es", "fr", "hi", "it", "pt"],
        xnli_has.split(),
    ]
    assert {"yo", "sw", "nl", "pt"} < set(first["languages of WikiANN"])


def test_language_that_the_hub_lacks_against_our_list_is_said(first: dict[str, Any]) -> None:
    assert first["not served"].startswith(f"HubError: {WIKIANN} has no whole file fr/test")


def test_only_what_is_asked_for_is_downloaded_and_once(first: dict[str, Any], served: Hub) -> None:
    asked = served.downloads()
    assert len(asked) == len(set(asked)) and asked
    tweets_asked = [path for path in asked if TWEETS in path]
    revision = PUBLIC["sentiment"].revision
    assert tweets_asked == [
        f"/datasets/{TWEETS}/resolve/{revision}/german/{split}/0000.parquet"
        for split in ("test", "train")
    ]
    assert not [path for path in asked if "README" in path]
    assert first["tweets again"] == 6


def test_quiet_and_light(first: dict[str, Any]) -> None:
    # The client says so where a language is not there; nothing else is printed.
    lines = first["stderr"].splitlines()
    assert all("fr/test" in line for line in lines) and first["loaded"] == []


SECOND_VISIT = """
from pathlib import Path
from huggingface_hub.constants import HF_HUB_CACHE

def load():
    return len(datasets.nli("de", "test"))

[file] = Path(HF_HUB_CACHE).glob("datasets--facebook--xnli/snapshots/*/de/test-*")
blob = file.resolve()
good = blob.read_bytes()
bad = good[:60] + bytes([good[60] ^ 1]) + good[61:]

note("cached", load)
note("another split", lambda: len(datasets.nli("de", "dev")))
note("not cached", lambda: datasets.nli("fr", "test"))
blob.write_bytes(bad)
note("altered", load)
note("another language", lambda: len(datasets.nli("sw", "test")))

# As where links cannot be made (Windows): a plain copy, whose name says nothing.
blob.unlink()
file.unlink()
file.write_bytes(good)
note("copy", load)
file.write_bytes(bad)
note("copy altered", load)
"""


@pytest.fixture(scope="module")
def second(client: Learner, first: dict[str, Any]) -> dict[str, Any]:
    """What a second visit finds, after the network has gone."""
    return client.offline().run(SECOND_VISIT)


def test_cached_sets_work_without_a_network(second: dict[str, Any]) -> None:
    assert (second["cached"], second["another split"], second["another language"]) == (6, 3, 6)
    assert second["not cached"].startswith(f"HubError: {XNLI} is not in the cache")
    assert "connect once" in second["not cached"] and "mini" in second["not cached"]


def test_altered_file_of_the_same_size_is_refused(second: dict[str, Any]) -> None:
    for key in ("altered", "copy altered"):
        assert second[key].startswith("HubError: test-00000-of-00001.parquet"), key
        assert XNLI in second[key] and "has been altered" in second[key]
        assert "remove" in second[key]
    assert second["copy"] == 6


LOAD = """
note("nli", lambda: list(datasets.nli("de", "test").labels))
note("ner", lambda: len(datasets.ner("en", "test")))
note("rows", lambda: len(datasets.parallel(["en", "de"]).ids))
"""
DE = "de/test-00000-of-00001.parquet"
EN = "en/test/0000.parquet"


def test_meaning_of_a_number_is_read_from_the_file(tmp_path: Path) -> None:
    other = class_label("contradiction", "entailment", "neutral")
    found = visit(tmp_path, LOAD, {XNLI: {DE: xnli("de", 3, other)}})
    assert found["nli"] == ["contradiction", "entailment", "neutral"]
    # With another meaning in each language, the rows are not taken for parallel.
    assert "xnli-test-0 is 'entailment' in en and 'contradiction' in de" in found["rows"]


def test_shards_are_joined_in_order(tmp_path: Path) -> None:
    name = "en/test-{:05d}-of-00002.parquet"
    parts = {name.format(0): wikiann(["Ana"], 2), name.format(1): wikiann(["Ana", "B"], 1)}
    code = 'note("ner", lambda: [len(s) for s in datasets.ner("en", "test").sentences])'
    assert visit(tmp_path / "whole", code, {WIKIANN: parts})["ner"] == [1, 1, 2]
    del parts[name.format(1)]
    # One of two parts is no data set: the older layout, which is whole, is taken.
    assert visit(tmp_path / "part", code, {WIKIANN: parts})["ner"] == [5] * 6


@pytest.mark.parametrize(
    ("key", "changes", "problem"),
    [
        ("nli", {XNLI: {DE: xnli("de", 6, None)}}, "does not say what the numbers of 'label'"),
        ("nli", {XNLI: {DE: xnli("de", 6, class_label("yes", "no"))}}, "label 2 in 'label'"),
        (
            "nli",
            {XNLI: {DE: parquet({"premise": ["a"], "label": [0]}, {"label": NLI})}},
            "has no column 'hypothesis' but premise, label",
        ),
        (
            "nli",
            {
                XNLI: {
                    DE: parquet(
                        {"premise": ["a", None], "hypothesis": ["b", "c"], "label": [0, 1]},
                        {"label": NLI},
                    )
                }
            },
            "row 1 of facebook/xnli has no premise",
        ),
        ("nli", {XNLI: {DE: b"<html>sign in</html>"}}, "is no parquet file"),
        (
            "ner",
            {
                WIKIANN: {
                    EN: parquet(
                        {"tokens": [["a", "b"]], "ner_tags": [[0]]},
                        {"ner_tags": {"feature": NER, "_type": "List"}},
                    )
                }
            },
            "en, row 0: 2 words, 1 tags",
        ),
        ("nli", {XNLI: None}, "the hub has no data set facebook/xnli at b8dd5d7 any more"),
        ("rows", {XNLI: {DE: xnli("fr", 0)}}, "en, de have no id in common"),
    ],
)
def test_set_that_is_not_as_expected_is_refused(
    tmp_path: Path, key: str, changes: dict[str, Files | None], problem: str
) -> None:
    found = visit(tmp_path, LOAD, changes)
    assert problem in found[key]
    assert "Error: " in found[key] and "Remedy: " in found[key]


def test_commit_that_the_hub_lacks_is_said(tmp_path: Path) -> None:
    sets = {XNLI: ("f" * 40, stand_ins()[XNLI][1])}
    with Hub(sets=sets) as running:
        found = Learner(tmp_path, running.url).run(LOAD)
    assert "no data set facebook/xnli at b8dd5d7 any more" in found["nli"]
    assert "report it" in found["nli"]


def test_without_pyarrow_the_remedy_is_a_command(tmp_path: Path) -> None:
    found = visit(tmp_path, 'sys.modules["pyarrow"] = None\n' + LOAD)
    assert "pyarrow" in found["nli"] and "pip install" in found["nli"]


def test_download_that_breaks_off_is_resumed(tmp_path: Path) -> None:
    revision = PUBLIC["nli"].revision
    path = f"/datasets/{XNLI}/resolve/{revision}/{DE}"

    # The client waits longer after each failure; the test need not.
    load = "import time\ntime.sleep = lambda seconds: None\n" + LOAD.strip().splitlines()[0]

    class Breaking(Hub):
        cut = True

        def find(self, asked: str, query: Query) -> Resource | None:
            resource = super().find(asked, query)
            if resource is not None and asked == path and self.cut:
                resource.cuts = [200]
            return resource

    with Breaking(sets=stand_ins()) as running:
        client = Learner(tmp_path, running.url)
        broken = client.run(load)
        running.cut = False
        assert broken["nli"].startswith(f"HubError: {XNLI} could not be fetched whole")
        assert "run this again" in broken["nli"]
        assert client.run(load)["nli"] == ["entailment", "neutral", "contradiction"] * 2


def test_every_commit_is_one_and_every_set_says_its_licence() -> None:
    for public in PUBLIC.values():
        assert re.fullmatch(r"[0-9a-f]{40}", public.revision)
        assert public.licence and public.citation and public.note
    assert "amazon" not in TWEETS
