"""The open sets over a real connection: fetched once, compared, resumed, refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from loopback_server import Resource, Server

from xlhelpers import assets, datasets, net, settings

TSV = "index_id\tcategory\ttext\n" + "".join(
    f"{number}\ttravel\tZug {number} fährt heute nicht, morgen vielleicht.\n"
    for number in range(1000)
)
IOB2 = """\
# sent_id = batch-0000-0001
# text = 安娜 来 了
1\t安娜\tB-PER\t-\tx
2\t来\tO\t-\t-
3\t了\tO\t-\t-

"""
CONLLU = """\
# sent_id = n01001011
# text = Ana came
1\tAna\tAna\tPROPN\t_\t_\t2\tnsubj\t_\t_
2\tcame\tcome\tVERB\t_\t_\t0\troot\t_\t_

"""
TOPICS = "sib200/deu_Latn/train.tsv"

Serve = Callable[[str, str], Resource]


@pytest.fixture
def serve(course: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> Serve:
    """Lists a file in the manifest, at an address where it is served."""
    monkeypatch.setattr(net, "_wait", lambda seconds: None)

    def one(name: str, text: str) -> Resource:
        measured = course / "measured"
        measured.write_text(text, encoding="utf-8", newline="\n")
        url = f"{server.url}/{name}"
        assets.register(measured, "source", "CC0-1.0", "a test", url=url, name=name)
        server.resources[f"/{name}"] = Resource(text.encode(), etag=f'"{len(text)}"')
        return server.resources[f"/{name}"]

    return one


def test_first_load_fetches_the_file_and_the_second_does_not(serve: Serve, server: Server) -> None:
    serve(TOPICS, TSV)
    for _ in range(2):
        assert len(datasets.sib200("de")) == 1000
    assert [path for _, path, _ in server.requests] == [f"/{TOPICS}"]
    kept = settings.current().cache / "sources" / TOPICS
    assert kept.read_bytes() == TSV.encode()


def test_parallel_entities_fetch_the_english_pud_for_its_ids(serve: Serve, server: Server) -> None:
    serve("uner/zh_pud-ud-test.iob2", IOB2)
    serve("universal_dependencies/en_pud-ud-test.conllu", CONLLU)
    assert datasets.uner("zh_pud").ids == ("pud/n01001011",)
    assert len(server.requests) == 2
    assert len(datasets.universal_dependencies("en_pud")) == 1
    assert len(server.requests) == 2


def test_cut_line_is_taken_up_where_it_broke(serve: Serve, server: Server) -> None:
    serve(TOPICS, TSV).cuts = [20_000, 40_000]
    assert len(datasets.sib200("de")) == 1000
    assert all(wanted.startswith("bytes=") for _, _, wanted in server.requests[1:])
    assert server.sent[f"/{TOPICS}"] < 1.2 * len(TSV.encode())


@pytest.mark.parametrize(
    ("served", "problem"),
    [
        (TSV.replace("travel", "sports", 1), "SHA-256 differs"),
        (TSV.replace("\n", "\r\n"), "bytes instead of"),
        (TSV[: len(TSV) // 2], "bytes instead of"),
    ],
    ids=["altered", "windows", "truncated"],
)
def test_other_file_at_the_address_is_refused_and_not_kept(
    serve: Serve, served: str, problem: str
) -> None:
    resource = serve(TOPICS, TSV)
    resource.content, whole = served.encode(), resource.content
    with pytest.raises(assets.AssetError, match=problem):
        datasets.sib200("de")
    assert not assets.get(TOPICS).file.exists()
    resource.content = whole
    assert len(datasets.sib200("de")) == 1000


def test_file_that_is_gone_or_a_server_that_is_gone(serve: Serve, server: Server) -> None:
    serve(TOPICS, TSV).status = 404
    with pytest.raises(assets.AssetError, match="404") as caught:
        datasets.sib200("de")
    assert "XL_SOURCES" in caught.value.remedy
    server.stop()
    with pytest.raises(assets.AssetError, match="cannot be reached") as caught:
        datasets.sib200("de")
    assert "XL_SOURCES" in caught.value.remedy


def test_fetch_takes_a_whole_set(serve: Serve, server: Server) -> None:
    serve(TOPICS, TSV)
    serve("sib200/yor_Latn/train.tsv", TSV.replace("Zug", "Ọkọ̀"))
    serve("nusax/english/train.csv", "id,text,label\n1,fine,positive\n")
    assert assets.fetch() == {}
    done = assets.fetch(["sib200/*"])
    assert done == {TOPICS: "downloaded", "sib200/yor_Latn/train.tsv": "downloaded"}
    server.stop()
    assert datasets.sib200("yo").texts[0].startswith("Ọkọ̀")
