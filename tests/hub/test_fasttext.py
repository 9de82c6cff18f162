"""fastText vectors and MUSE dictionaries from a loopback server: only the lines needed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from loopback_server import Resource, Server

from xlhelpers import hub, net, settings

DIM = 20
WORDS = 60_000


def vec(words: int, dim: int = DIM, header: str | None = None) -> bytes:
    """A `.vec` file as fastText writes it: header, one line a word, a space before each end."""
    numbers = " ".join(f"{n / 7:.5f}" for n in range(dim))
    lines = [f"word{n} {numbers} \n" for n in range(words)]
    lines[min(3, words - 1)] = f"no\u00a0break {numbers} \n"
    return ((header if header is not None else f"{words} {dim}\n") + "".join(lines)).encode()


BIG = vec(WORDS)  # about 11 MB


@pytest.fixture(autouse=True)
def endpoint(course: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XL_FASTTEXT_ENDPOINT", server.url + "/")
    monkeypatch.setattr(net, "_wait", lambda seconds: None)


def serve(server: Server, content: bytes, lang: str = "de", **how: object) -> Resource:
    resource = Resource(content, etag='"v1"', **how)  # type: ignore[arg-type]
    server.resources[f"/fasttext/vectors-wiki/wiki.{lang}.vec"] = resource
    return resource


def sent(server: Server) -> int:
    return server.sent["/fasttext/vectors-wiki/wiki.de.vec"]


def first_lines(count: int) -> bytes:
    return f"{count} {DIM}\n".encode() + b"".join(BIG.splitlines(keepends=True)[1 : count + 1])


# ── vectors ──────────────────────────────────────────────────────────────────────────────


def test_only_the_lines_needed_are_read(server: Server) -> None:
    serve(server, BIG, pause=0.01)
    file = hub.fasttext_vectors("de", 1000)
    assert file.read_bytes() == first_lines(1000)
    assert len(BIG) > 10_000_000 and sent(server) < 3_000_000
    assert [how for how, _, _ in server.requests] == ["GET"]


def test_second_call_asks_nobody(server: Server) -> None:
    serve(server, BIG)
    assert hub.fasttext_vectors("de", 100) == hub.fasttext_vectors("de", 100)
    assert len(server.requests) == 1


def test_cut_lines_are_resumed_in_the_middle_of_a_word(server: Server) -> None:
    serve(server, BIG, cuts=[3 * net.CHUNK, 5 * net.CHUNK])
    assert hub.fasttext_vectors("de", 2000).read_bytes() == first_lines(2000)
    ranges = [wanted for _, _, wanted in server.requests]
    assert ranges == ["", f"bytes={3 * net.CHUNK}-", f"bytes={8 * net.CHUNK}-"]


def test_line_that_stays_cut_is_resumed_by_the_next_call(server: Server) -> None:
    serve(server, BIG, cuts=[3 * net.CHUNK, 0, 0, 0])
    with pytest.raises(hub.HubError, match="carries on where it stopped"):
        hub.fasttext_vectors("de", 2000)
    assert not list(settings.current().cache.rglob("*.vec"))
    assert hub.fasttext_vectors("de", 2000).read_bytes() == first_lines(2000)
    assert server.requests[-1][2] == f"bytes={3 * net.CHUNK}-"


def test_new_version_at_the_source_is_not_glued_to_an_old_part(server: Server) -> None:
    serve(server, BIG.replace(b"word", b"vord"), cuts=[3 * net.CHUNK, 0, 0, 0])
    with pytest.raises(hub.HubError):
        hub.fasttext_vectors("de", 2000)
    serve(server, BIG).etag = '"v2"'
    assert hub.fasttext_vectors("de", 2000).read_bytes() == first_lines(2000)


def test_server_that_names_no_version_is_asked_from_the_start(server: Server) -> None:
    serve(server, BIG, cuts=[3 * net.CHUNK]).etag = ""
    assert hub.fasttext_vectors("de", 2000).read_bytes() == first_lines(2000)
    assert [wanted for _, _, wanted in server.requests] == ["", ""]


def test_short_language_gives_all_it_has(server: Server) -> None:
    serve(server, vec(50))
    file = hub.fasttext_vectors("de", 200_000)
    assert file.read_bytes() == vec(50)
    assert json.loads(Path(f"{file}.json").read_text())["words"] == 50


def test_last_line_without_an_end_is_a_line(server: Server) -> None:
    serve(server, vec(50)[:-1])
    assert hub.fasttext_vectors("de").read_bytes() == vec(50)


def test_count_of_the_header_is_honoured(server: Server) -> None:
    serve(server, vec(50, header=f"30 {DIM}\n"))
    lines = hub.fasttext_vectors("de").read_bytes().splitlines()
    assert lines[0] == f"30 {DIM}".encode() and len(lines) == 31


def test_record_says_where_the_file_is_from_and_how_far_it_is_checked(server: Server) -> None:
    serve(server, BIG)
    record = json.loads(Path(f"{hub.fasttext_vectors('de', 10)}.json").read_text())
    assert record["url"] == f"{server.url}/fasttext/vectors-wiki/wiki.de.vec"
    assert (record["words"], record["dim"], record["words_at_source"]) == (10, DIM, WORDS)
    assert record["bytes"] == len(first_lines(10)) and len(record["sha256"]) == 64
    assert "first use" in record["checked"]


@pytest.mark.parametrize("cut", [0, 5], ids=["altered", "truncated"])
def test_file_that_changed_is_refused_and_refresh_repairs_it(server: Server, cut: int) -> None:
    serve(server, BIG)
    file = hub.fasttext_vectors("de", 10)
    content = bytearray(file.read_bytes())
    content[100] ^= 1
    file.write_bytes(content[: len(content) - cut])
    with pytest.raises(hub.HubError, match="altered since") as caught:
        hub.fasttext_vectors("de", 10)
    assert caught.value.remedy == 'xl.hub.fasttext_vectors("de", 10, refresh=True)'
    assert hub.fasttext_vectors("de", 10, refresh=True).read_bytes() == first_lines(10)


def test_file_without_a_record_is_not_trusted(server: Server) -> None:
    serve(server, BIG)
    file = hub.fasttext_vectors("de", 10)
    Path(f"{file}.json").unlink()
    file.write_text("1 1\nx 0\n")
    assert hub.fasttext_vectors("de", 10).read_bytes() == first_lines(10)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "does not begin with the number"),
        (b"<!DOCTYPE html>\n<p>Please log in to this network\n", "does not begin"),
        (b"word 0.1 0.2\nother 0.1 0.2\n", "does not begin"),
        (b"0 300\n", "does not begin"),
        (vec(50, header=f"70 {DIM}\n"), "ends after 50 of 70"),
        (vec(50, header="50 300\n"), "line 2 of .* is no word vector"),
    ],
    ids=["empty", "login page", "no header", "no words", "too few", "other dimension"],
)
def test_what_is_no_vector_file_is_refused_and_not_kept(
    server: Server, content: bytes, message: str
) -> None:
    serve(server, content)
    with pytest.raises(hub.HubError, match=message):
        hub.fasttext_vectors("de", 100)
    kept = [p for p in (settings.current().cache / "fasttext").iterdir() if p.suffix != ".lock"]
    assert kept == []


def test_language_without_vectors(server: Server) -> None:
    with pytest.raises(hub.HubError, match="no fastText vectors for 'xx'"):
        hub.fasttext_vectors("xx")


@pytest.mark.parametrize("lang", ["../de", "DE", "", "d/e", "d"])
def test_what_is_no_language_code_reaches_no_server(server: Server, lang: str) -> None:
    with pytest.raises(hub.HubError, match="no language code"):
        hub.fasttext_vectors(lang)
    assert server.requests == []


@pytest.mark.parametrize("count", [0, -1, 1.5, True, None])
def test_what_is_no_number_of_words_is_refused(server: Server, count: object) -> None:
    with pytest.raises(hub.HubError, match="max_vocab"):
        hub.fasttext_vectors("de", count)  # type: ignore[arg-type]
    assert server.requests == []


def test_no_network_is_one_clear_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XL_FASTTEXT_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(hub.HubError, match="127.0.0.1:9 cannot be reached"):
        hub.fasttext_vectors("de")


def test_file_is_what_the_loader_of_the_course_reads(server: Server) -> None:
    from xlhelpers import embeddings

    serve(server, BIG)
    vectors = embeddings.load_vec(hub.fasttext_vectors("de", 500))
    assert len(vectors) == 500 and vectors.dim == DIM
    assert vectors.words[3] == "no\u00a0break" and vectors.words[499] == "word499"


# ── dictionaries ─────────────────────────────────────────────────────────────────────────

PAIRS = "dog hund\ndog rüde\ncat\tkatze\n".encode()


def serve_dictionary(server: Server, content: bytes, name: str = "en-de.0-5000") -> None:
    server.resources[f"/arrival/dictionaries/{name}.txt"] = Resource(content)


def test_dictionary_keeps_order_and_all_translations(server: Server) -> None:
    serve_dictionary(server, PAIRS)
    expected = [("dog", "hund"), ("dog", "rüde"), ("cat", "katze")]
    assert hub.muse_dictionary("en", "de") == expected
    assert hub.muse_dictionary("en", "de", "train") == expected
    assert len(server.requests) == 1


def test_splits_have_their_own_files(server: Server) -> None:
    serve_dictionary(server, b"sun sonne\n", "en-de.5000-6500")
    serve_dictionary(server, b"moon mond\n", "en-de")
    assert hub.muse_dictionary("en", "de", "test") == [("sun", "sonne")]
    assert hub.muse_dictionary("en", "de", "full") == [("moon", "mond")]
    with pytest.raises(hub.HubError, match="no split 'dev'"):
        hub.muse_dictionary("en", "de", "dev")


@pytest.mark.parametrize(
    "pair", [("en", "sw"), ("en", "yo"), ("sw", "en"), ("de", "ru"), ("de", "de")]
)
def test_pair_that_muse_lacks_names_the_dictionary_of_the_course(
    server: Server, pair: tuple[str, str]
) -> None:
    with pytest.raises(hub.HubError, match="MUSE has no dictionary") as caught:
        hub.muse_dictionary(*pair)
    assert f'xl.datasets.lexicon("{pair[0]}", "{pair[1]}")' in caught.value.remedy
    assert server.requests == []


@pytest.mark.parametrize(
    "pair", [("en", "fi"), ("ru", "en"), ("zh", "en"), ("de", "pt"), ("fr", "it")]
)
def test_pairs_that_muse_has_are_asked_for(server: Server, pair: tuple[str, str]) -> None:
    serve_dictionary(server, b"a b\n", f"{pair[0]}-{pair[1]}.0-5000")
    assert hub.muse_dictionary(*pair) == [("a", "b")]


def test_muse_counts() -> None:
    # README: 110 dictionaries. 44 languages both ways, 20 pairs without English among six;
    # en-en, which it lists too, is not one to learn from.
    both_ways = 2 * len(hub.MUSE_WITH_ENGLISH)
    european = len(hub.MUSE_EUROPEAN - {"en"})
    assert both_ways + european * (european - 1) == 108


def test_dictionary_that_is_none_is_refused_and_not_kept(server: Server) -> None:
    for content, message in {
        b"dog hund\ncat\n": "line 2",
        b"<html> <body> login": "line 1",
        b"dog h\xffnd\n": "not UTF-8",
    }.items():
        serve_dictionary(server, content)
        with pytest.raises(hub.HubError, match=message):
            hub.muse_dictionary("en", "de")
    serve_dictionary(server, PAIRS)
    assert len(hub.muse_dictionary("en", "de")) == 3


def test_altered_dictionary_is_refused(server: Server) -> None:
    serve_dictionary(server, PAIRS)
    hub.muse_dictionary("en", "de")
    file = settings.current().cache / "muse" / "en-de.0-5000.txt"
    file.write_bytes(PAIRS.replace(b"katze", b"hatze"))
    with pytest.raises(hub.HubError, match="altered") as caught:
        hub.muse_dictionary("en", "de")
    assert str(file) in caught.value.remedy
    file.unlink()
    assert len(hub.muse_dictionary("en", "de")) == 3
