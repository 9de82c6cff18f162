"""The mirror for one room: the unmodified client at several computers at once, and nobody else."""

from __future__ import annotations

import errno
import http.client
import os
import shutil
import socket
import subprocess
import tarfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from classroom import BODY, CONVERTED, VECTORS, WEIGHTS, XNLI, Computer, model, run
from learner import NOWHERE
from loopback_server import Hub

from xlhelpers import hub, mirror, needs, net, settings, shelves
from xlhelpers.commands import mirror as command
from xlhelpers.datasets import public

SECRET = b"nobody else may read this"


@pytest.fixture
def teacher(computer: Computer, small_hub: Hub, tmp_path: Path) -> Iterator[mirror.Mirror]:
    """A laptop on which all has been fetched, the hub gone, a mirror running."""
    laptop = computer("laptop")
    laptop.enter(small_hub.url)
    assert run("--yes", "01", "02", "04") == 0
    other = laptop.home / "hf" / "hub" / "models--owner--private" / "snapshots" / ("a" * 40)
    other.mkdir(parents=True)
    (other / "config.json").write_bytes(SECRET)
    (laptop.home / "hf" / "token").write_bytes(SECRET)
    small_hub.stop()
    laptop.enter(NOWHERE)
    with mirror.Mirror(mirror.catalogue(["01", "02", "04"]), port=0) as running:
        yield running


def ask(
    running: mirror.Mirror, path: str, method: str = "GET", **headers: str
) -> tuple[int, dict[str, str], bytes]:
    """What is answered to a request that is sent as it stands."""
    line = http.client.HTTPConnection(urlsplit(running.url).netloc, timeout=10)
    try:
        line.putrequest(method, path, skip_host=False)
        for name, value in headers.items():
            line.putheader(name.replace("_", "-"), value)
        line.endheaders()
        reply = line.getresponse()
        return reply.status, dict(reply.headers), reply.read()
    finally:
        line.close()


def wait_until_sent(running: mirror.Mirror, count: int) -> None:
    """It counts when all is sent, and by then whoever asked may have it already."""
    end = time.monotonic() + 60
    while running.sent < count and time.monotonic() < end:
        time.sleep(0.01)
    assert running.sent >= count


def weights_path(running: mirror.Mirror) -> str:
    """The address of the weights of `BODY`."""
    [path] = [
        path
        for path in running.catalogue.answers
        if path.startswith(f"/{BODY}/resolve/main/") and path.endswith("safetensors")
    ]
    return path


# ── for the client ───────────────────────────────────────────────────────────────────────


def test_a_computer_without_a_network_loads_through_the_doors(
    teacher: mirror.Mirror, computer: Computer, capsys: pytest.CaptureFixture[str]
) -> None:
    computer("pupil").enter(teacher.url)
    assert hub.reachable()
    for what, content in ((BODY, WEIGHTS), (CONVERTED, WEIGHTS[::-1])):
        assert hub._folder(what, hub._TOKENIZER_FILES, None).is_dir()
        with pytest.warns(hub.ConversionNotice) if what == CONVERTED else nullcontext():
            folder = hub._folder(what, hub._MODEL_FILES, None)
        assert (folder / "model.safetensors").read_bytes() == content
    assert public._download(XNLI, "de", "test")[0].read_bytes() == b"test" * 99
    assert (
        hub.fasttext_vectors("de", 40).read_text().splitlines()[1:] == (VECTORS.splitlines()[1:41])
    )
    assert hub.fasttext_vectors("de", 10).read_text().startswith("10 3\n")
    assert hub.muse_dictionary("en", "de") == [("cat", "katze")]
    wait_until_sent(teacher, 2 * len(WEIGHTS) + 1)
    assert teacher.clients == {"127.0.0.1"}


def test_fewer_words_than_are_asked_for_do_not_pass_for_all(
    teacher: mirror.Mirror, computer: Computer
) -> None:
    computer("pupil").enter(teacher.url)
    with pytest.raises(hub.HubError, match="no fastText vectors for 'de'") as caught:
        hub.fasttext_vectors("de", 41)
    assert "fetch --hub" in caught.value.remedy and "XL_MIRROR" in caught.value.remedy
    path = "/fasttext/vectors-wiki/wiki.de.vec"
    for query, status in (("", 200), ("?words=40", 200), ("?words=41", 404), ("?words=x", 200)):
        assert ask(teacher, path + query)[0] == status, query


def test_the_whole_of_vectors_is_enough_for_who_wants_more(
    computer: Computer, small_hub: Hub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    listed = tmp_path / "whole.json"
    listed.write_text('{"01": ["vectors de 1000"]}', encoding="utf-8")
    monkeypatch.setattr(needs, "LIST", listed)
    computer("laptop").enter(small_hub.url)
    assert run("--yes", "01") == 0
    with mirror.Mirror(mirror.catalogue(["01"]), port=0) as running:
        computer("pupil").enter(running.url)
        assert hub.fasttext_vectors("de", 2000).read_text().startswith("100 3\n")


def test_a_computer_can_fetch_everything_beforehand_from_it(
    teacher: mirror.Mirror, computer: Computer, capsys: pytest.CaptureFixture[str]
) -> None:
    computer("pupil").enter(teacher.url)
    assert run("--yes", "01", "02", "04") == 0
    assert "Ready without a network, checksums compared: notebooks 01 02 04." in (
        capsys.readouterr().out
    )


def test_eight_computers_at_once(teacher: mirror.Mirror, tmp_path: Path) -> None:
    from huggingface_hub import snapshot_download

    start = threading.Barrier(8)

    def pupil(number: int) -> bytes:
        start.wait()
        wanted = ["*.json", "*.safetensors"]
        cache = tmp_path / f"pupil{number}"
        there = snapshot_download(
            BODY, cache_dir=cache, endpoint=teacher.url, allow_patterns=wanted, max_workers=4
        )
        return (Path(there) / "model.safetensors").read_bytes()

    with ThreadPoolExecutor(8) as room:
        assert all(content == WEIGHTS for content in room.map(pupil, range(8)))
    wait_until_sent(teacher, 8 * len(WEIGHTS))


def test_a_part_is_sent_where_a_part_is_asked_for(teacher: mirror.Mirror, tmp_path: Path) -> None:
    path = weights_path(teacher)
    size = len(WEIGHTS)
    for asked, status, content in (
        ("bytes=100-", 206, WEIGHTS[100:]),
        ("bytes=0-9", 206, WEIGHTS[:10]),
        (f"bytes={size - 1}-{size + 99}", 206, WEIGHTS[-1:]),
        ("bytes=0-", 200, WEIGHTS),
        ("bytes=9-5", 416, b""),
        (f"bytes={size}-", 416, b""),
        ("lines=1-2", 200, WEIGHTS),
        (f"bytes={'9' * 5000}-", 200, WEIGHTS),
    ):
        found, headers, body = ask(teacher, path, Range=asked)
        assert (found, body) == (status, content), asked
        assert ("Content-Range" in headers) is (status != 200)
    _, headers, _ = ask(teacher, path, "HEAD")
    assert headers["Content-Length"] == str(size) and headers["Accept-Ranges"] == "bytes"
    tag = headers["ETag"]
    assert ask(teacher, path, Range="bytes=100-", If_Range=tag)[0] == 206
    assert ask(teacher, path, Range="bytes=100-", If_Range='"older"')[0] == 200
    part = tmp_path / "part"
    part.write_bytes(WEIGHTS[:1000])
    net.collect(teacher.url + path, part, expected=size)
    assert part.read_bytes() == WEIGHTS


def test_what_is_missing_has_the_hubs_own_names(teacher: mirror.Mirror) -> None:
    from huggingface_hub import HfApi, errors, hf_hub_download

    api = HfApi(endpoint=teacher.url)
    with pytest.raises(errors.RepositoryNotFoundError, match="fetched beforehand"):
        api.model_info("nobody/nothing")
    with pytest.raises(errors.RevisionNotFoundError):
        api.model_info(BODY, revision="v99")
    with pytest.raises(errors.EntryNotFoundError):
        hf_hub_download(BODY, "rust_model.ot", endpoint=teacher.url, cache_dir="unused")
    with pytest.raises(errors.EntryNotFoundError):
        list(api.list_repo_tree(XNLI.id, "fr", repo_type="dataset", revision=XNLI.revision))


# ── for nobody else ──────────────────────────────────────────────────────────────────────


OTHER_PATHS = [
    "/../../token",
    "/..%2f..%2ftoken",
    "//etc/passwd",
    "/%2e%2e/%2e%2e/token",
    f"/{BODY}/resolve/main/../../../../../token",
    f"/{BODY}/resolve/main/..%2F..%2F..%2F..%2Ftoken",
    "/owner/private/resolve/main/config.json",
    f"/owner/private/resolve/{'a' * 40}/config.json",
    "/fasttext/vectors-wiki/../../prefetched.json",
    "/prefetched.json",
    "/" + "a" * 5000,
    "/" + "a" * 70_000,
    "/\x01%00",
    "http://[",
]


def test_nothing_else_of_the_machine_can_be_had(teacher: mirror.Mirror) -> None:
    for path in OTHER_PATHS:
        line = f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        with socket.create_connection(("127.0.0.1", teacher.port), timeout=10) as connection:
            connection.sendall(line.encode())
            reply = b"".join(iter(lambda: connection.recv(1 << 16), b""))
        assert reply.split()[1] in (b"404", b"400", b"414"), path[:80]
        assert SECRET not in reply and b"root:" not in reply


def test_it_only_reads(teacher: mirror.Mirror) -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
        status, _, _ = ask(teacher, f"/{BODY}/resolve/main/config.json", method)
        assert status == 501


def test_only_this_machine_can_ask_unless_told_otherwise(teacher: mirror.Mirror) -> None:
    assert teacher._http.server_address[0] == "127.0.0.1"
    assert mirror.Mirror.__init__.__defaults__ == (mirror.LOOPBACK, mirror.PORT)


def test_a_link_that_leads_out_of_the_cache_is_refused(
    computer: Computer, small_hub: Hub, tmp_path: Path
) -> None:
    laptop = computer("laptop")
    laptop.enter(small_hub.url)
    assert run("--yes", "02") == 0
    file = hub._folder(BODY, hub._MODEL_FILES, None) / "config.json"
    (tmp_path / "private").write_bytes(SECRET)
    file.unlink()
    file.symlink_to(tmp_path / "private")
    with pytest.raises(mirror.MirrorError, match="leads out of the folder"):
        mirror.catalogue(["02"])


def test_a_file_that_was_replaced_meanwhile_is_not_sent(teacher: mirror.Mirror) -> None:
    path = weights_path(teacher)
    file = teacher.catalogue.answers[path].file
    assert file is not None
    file.write_bytes(WEIGHTS + b"more")
    status, _, body = ask(teacher, path)
    assert status == 404 and WEIGHTS[:100] not in body
    file.unlink()
    assert ask(teacher, path)[0] == 404, "an answer too, not a line that is cut"


def test_a_disk_that_fails_is_reported_and_a_client_that_leaves_is_not(
    teacher: mirror.Mirror, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for error, said in (
        (OSError(errno.EIO, os.strerror(errno.EIO)), "A request could not be answered (OSError"),
        (ConnectionResetError(), ""),
    ):

        def fail(*args: object, error: OSError = error) -> int:
            raise error

        monkeypatch.setattr(mirror._Handler, "_bytes_of", fail)
        with pytest.raises((http.client.IncompleteRead, ConnectionError)):
            ask(teacher, weights_path(teacher))
        told = capfd.readouterr().err
        assert told.startswith(said) and bool(told) is bool(said)


# ── before it starts ─────────────────────────────────────────────────────────────────────


def test_what_is_not_here_is_said(computer: Computer, small_hub: Hub) -> None:
    laptop = computer("laptop")
    laptop.enter(small_hub.url)
    with pytest.raises(mirror.MirrorError, match="nothing of what the notebooks need") as caught:
        mirror.catalogue(["02"])
    assert "fetch --hub" in caught.value.remedy
    assert run("--yes", "02") == 0
    made = mirror.catalogue(["02", "04"])
    assert sorted(map(str, made.missing)) == [f"tokenizer {CONVERTED}", f"weights {CONVERTED}"]
    assert shelves.readable(made.size) == "300 kB"
    config = hub._folder(BODY, hub._MODEL_FILES, None) / "config.json"
    config.resolve().unlink()  # what is left is a link that leads nowhere
    paths = mirror.catalogue(["02"]).answers
    assert not any(path.endswith("config.json") for path in paths)
    assert any(path.endswith("model.safetensors") for path in paths)


def test_vectors_that_were_altered_here_are_not_served(computer: Computer, small_hub: Hub) -> None:
    computer("laptop").enter(small_hub.url)
    assert run("--yes", "01") == 0
    file = hub.fasttext_vectors("de", 40)
    file.write_bytes(file.read_bytes()[:-2] + b"?\n")
    with pytest.raises(mirror.MirrorError, match=r"wiki\.de\.40\.vec has been altered") as caught:
        mirror.catalogue(["01"])
    assert "fetch --hub" in caught.value.remedy


def test_a_folder_to_carry_can_be_served_too(
    computer: Computer, small_hub: Hub, tmp_path: Path
) -> None:
    computer("laptop").enter(small_hub.url)
    stick = tmp_path / "stick"
    assert run("--yes", "--to", str(stick), "01", "02", "04") == 0
    small_hub.stop()
    computer("other").enter(NOWHERE, XL_HUB_FILES=str(stick))
    with mirror.Mirror(mirror.catalogue(["01", "02", "04"]), port=0) as running:
        computer("pupil").enter(running.url)
        folder = hub._folder(BODY, hub._MODEL_FILES, None)
        assert (folder / "model.safetensors").read_bytes() == WEIGHTS
        with pytest.warns(hub.ConversionNotice):
            assert hub._folder(CONVERTED, hub._MODEL_FILES, None).is_dir()
        assert hub.fasttext_vectors("de", 40).is_file()


def test_nobody_is_asked_for_a_name_before_it_starts(
    computer: Computer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The standard library's server does, which lasts where there is no network."""
    asked: list[str] = []
    monkeypatch.setattr(socket, "getfqdn", lambda name="": asked.append(name) or name)
    with mirror.Mirror(mirror.Catalogue(), host="0.0.0.0", port=0) as running:
        assert ask(running, "/")[0] == 404
    assert asked == []


def test_two_commits_of_a_model_are_not_mixed(
    computer: Computer, small_hub: Hub, tmp_path: Path
) -> None:
    laptop, stick = computer("laptop"), tmp_path / "stick"
    laptop.enter(small_hub.url)
    hub._folder(BODY, hub._TOKENIZER_FILES, None)  # no more than that, some time ago
    newer = {"model.safetensors": WEIGHTS, "tokenizer.json": b'{"words": 4}\n'}
    small_hub.models = {**small_hub.models, BODY: model(tmp_path / "newer", **newer)}
    computer("colleague").enter(small_hub.url)
    assert run("--yes", "--to", str(stick), "02") == 0
    small_hub.stop()
    laptop.enter(NOWHERE, XL_HUB_FILES=str(stick))
    made = mirror.catalogue(["02"])
    assert made.missing == []
    with mirror.Mirror(made, port=0) as running:
        computer("pupil").enter(running.url)
        folders = [
            hub._folder(BODY, what, None) for what in (hub._TOKENIZER_FILES, hub._MODEL_FILES)
        ]
    assert folders[0] == folders[1]
    assert {name: (folders[0] / name).read_bytes() for name in newer} == newer


def test_it_waits_so_that_it_can_be_interrupted_on_every_system(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waited: list[float | None] = []
    with mirror.Mirror(mirror.Catalogue(), port=0) as running:
        join = running._thread.join

        def stop(timeout: float | None = None) -> None:
            waited.append(timeout)
            running._http.shutdown()
            join()

        monkeypatch.setattr(running._thread, "join", stop)
        running.wait()
    assert len(waited) == 1 and waited[0] is not None and waited[0] <= 1


def test_a_port_that_is_taken_is_a_sentence(teacher: mirror.Mirror) -> None:
    with pytest.raises(mirror.MirrorError, match=f"port {teacher.port} at") as caught:
        mirror.Mirror(teacher.catalogue, port=teacher.port)
    assert "--port" in caught.value.remedy
    with pytest.raises(mirror.MirrorError, match="port 99999"):
        mirror.Mirror(teacher.catalogue, port=99999)


def test_the_course_is_packed_as_it_is_committed(tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    assert mirror.pack_course(checkout, tmp_path, "course") is None, "no git, nothing to tell by"
    git = ["git", "-C", str(checkout), "-c", "user.name=x", "-c", "user.email=x@example.org"]
    (checkout / "course.py").write_text("print()\n")
    subprocess.run([*git[:3], "init", "-q"], check=True)
    subprocess.run([*git, "add", "course.py"], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "x"], check=True)
    (checkout / "uncommitted").write_bytes(SECRET)
    packed = mirror.pack_course(checkout, tmp_path, "course")
    assert packed is not None
    with tarfile.open(packed) as archive:
        assert [member.name for member in archive if member.isfile()] == ["course/course.py"]
    made = mirror.Catalogue()
    mirror.add_course(made, packed)
    mirror.add_instructions(made, "http://192.168.1.5:8767")
    with mirror.Mirror(made, port=0) as running:
        assert ask(running, "/course.tar.gz")[2] == packed.read_bytes()
        page = ask(running, "/")[2].decode()
    assert "XL_MIRROR=http://192.168.1.5:8767 python3 course.py lab" in page
    assert "curl http://192.168.1.5:8767/course.tar.gz | tar xz" in page


def test_the_command_serves_until_it_is_stopped(
    computer: Computer, small_hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    computer("laptop").enter(small_hub.url)
    assert run("--yes", "01") == 0
    capsys.readouterr()

    def visit(running: mirror.Mirror) -> None:
        path = "/arrival/dictionaries/en-de.0-5000.txt"
        net.collect(running.url + path, tmp_path / "got")
        wait_until_sent(running, 10)
        raise KeyboardInterrupt

    monkeypatch.setattr(mirror.Mirror, "wait", visit)
    assert command.main(["--port", "0", "--without-course", "01", "02"]) == 0
    said = capsys.readouterr()
    assert (tmp_path / "got").read_text() == "cat katze\n"
    assert "XL_MIRROR=http://127.0.0.1:" in said.out and "/course.tar.gz" not in said.out
    assert f"Not here, so not served: weights {BODY}" in said.out
    assert "to who reaches 127.0.0.1; Ctrl-C ends it" in said.out
    assert "Served 1 computers, 10 bytes" in said.err
    with pytest.raises(mirror.MirrorError, match="had"):
        command.main(["--host", "not-an-address", "--without-course", "01"])


def test_what_the_command_cannot_do_it_says(
    computer: Computer, small_hub: Hub, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    computer("laptop").enter(small_hub.url)
    assert run("--yes", "01") == 0
    capsys.readouterr()

    def stop(running: mirror.Mirror) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(mirror.Mirror, "wait", stop)
    monkeypatch.setattr(mirror, "pack_course", lambda *args: None)
    for address, told in ((mirror.LOOPBACK, True), ("192.168.1.5", False)):
        monkeypatch.setattr(mirror, "local_address", lambda address=address: address)
        assert command.main(["--port", "0", "--lan", "01"]) == 0
        said = capsys.readouterr()
        assert f"XL_MIRROR=http://{address}:" in said.out
        assert ("own address in place of 127.0.0.1" in said.out) is told
        assert "The course itself is not served" in said.err


def test_the_readers_token_is_not_sent_to_a_mirror(
    teacher: mirror.Mirror, computer: Computer, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    seen: list[str] = []
    answer = mirror._Handler._answer

    def look(handler: Any, body: bool) -> None:
        seen.append(str(handler.headers))
        answer(handler, body)

    monkeypatch.setattr(mirror._Handler, "_answer", look)
    computer("pupil").enter(teacher.url)
    assert run("--yes", "04") == 0
    computer("other").enter(teacher.url)
    assert hub._folder(BODY, hub._MODEL_FILES, None).is_dir()
    assert public._download(XNLI, "de", "test")
    assert len(seen) > 10 and not any("hf_secret" in headers for headers in seen)
    monkeypatch.delenv("XL_MIRROR")
    settings.reset()
    assert shelves.http_headers()["authorization"] == "Bearer hf_secret", "the hub itself gets it"


def test_a_shared_blob_of_the_client_is_served_by_its_true_checksum(
    computer: Computer, small_hub: Hub
) -> None:
    laptop = computer("laptop")
    laptop.enter(small_hub.url)
    assert run("--yes", "02") == 0
    file = hub._folder(BODY, hub._MODEL_FILES, None) / "model.safetensors"
    blob = file.parent / os.readlink(file)
    store = laptop.home / "hf" / "hub" / "blobs" / "ab" / ("ab" * 32)
    store.parent.mkdir(parents=True)
    shutil.move(blob, store)
    blob.symlink_to(store)
    # The name in the store is a hash of another kind; it must be taken for neither good nor bad.
    assert hub._folder(BODY, hub._MODEL_FILES, None).is_dir()
    answers = mirror.catalogue(["02"]).answers
    [answer] = {a.etag: a for path, a in answers.items() if path.endswith("tensors")}.values()
    assert answer.etag == blob.name and answer.file == store.resolve()
    store.write_bytes(WEIGHTS[:-1] + b"?")
    with pytest.raises(hub.HubError, match="altered"):
        hub._folder(BODY, hub._MODEL_FILES, None)
