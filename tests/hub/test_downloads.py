"""Downloads from a loopback server: cut, slow, altered, twice at once."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from loopback_server import Resource, Server

from xlhelpers import assets, net, settings

CONTENT = random.Random(0).randbytes(700_000)
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(net, "_wait", lambda seconds: None)


@pytest.fixture
def remote(course: Path, server: Server) -> Resource:
    """`big.bin` in the manifest, and the resource that serves it."""
    resource = Resource(CONTENT, etag='"one"')
    server.resources["/big.bin"] = resource
    add(server.url + "/big.bin")
    return resource


def add(url: str, content: bytes = CONTENT, name: str = "big.bin") -> None:
    measured = settings.current().cache / "measured"
    measured.parent.mkdir(parents=True, exist_ok=True)
    measured.write_bytes(content)
    assets.register(measured, "remote", "CC0-1.0", "a test", url=url, name=name)
    measured.unlink()


def leftovers() -> list[str]:
    """What lies in the cache beside finished files and locks."""
    cache = settings.current().cache
    found = [p for p in cache.rglob("*") if p.is_file() and p.suffix != ".lock"]
    return sorted(p.name for p in found if p.parent.name != "remotes")


# ── the good day ─────────────────────────────────────────────────────────────────────────


def test_first_load_downloads_and_the_second_does_not(remote: Resource, server: Server) -> None:
    assert assets.path("big.bin").read_bytes() == CONTENT
    assert assets.path("big.bin").read_bytes() == CONTENT
    assert len(server.requests) == 1 and server.sent["/big.bin"] == len(CONTENT)
    assert leftovers() == []


def test_altered_download_is_refused_and_fetch_repairs_it(remote: Resource, server: Server) -> None:
    file = assets.path("big.bin")
    file.write_bytes(CONTENT[:-1] + b"\x00")
    with pytest.raises(assets.AssetError, match="SHA-256") as caught:
        assets.path("big.bin")
    assert caught.value.remedy == "python3 course.py fetch big.bin"
    assert assets.fetch(["big.bin"]) == {"big.bin": "downloaded"}
    assert assets.path("big.bin").read_bytes() == CONTENT


def test_empty_file_can_be_downloaded(course: Path, server: Server) -> None:
    server.resources["/empty"] = Resource(b"")
    add(server.url + "/empty", b"", "empty")
    assert assets.path("empty").read_bytes() == b""


# ── cut lines ────────────────────────────────────────────────────────────────────────────


def test_cut_download_goes_on_where_it_stopped(remote: Resource, server: Server) -> None:
    remote.cuts = [12 * net.CHUNK, 9 * net.CHUNK]
    assert assets.path("big.bin").read_bytes() == CONTENT
    ranges = [wanted for _, _, wanted in server.requests]
    assert ranges == ["", f"bytes={12 * net.CHUNK}-", f"bytes={21 * net.CHUNK}-"]
    assert server.sent["/big.bin"] == len(CONTENT)  # no byte was sent twice
    assert leftovers() == []


def test_server_without_ranges_is_asked_for_the_whole_again(
    remote: Resource, server: Server
) -> None:
    remote.cuts, remote.ranges = [12 * net.CHUNK], False
    assert assets.path("big.bin").read_bytes() == CONTENT
    assert server.sent["/big.bin"] == 12 * net.CHUNK + len(CONTENT)


def test_file_that_changed_meanwhile_is_not_glued_together(
    remote: Resource, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = random.Random(1).randbytes(len(CONTENT))
    server.resources["/big.bin"] = Resource(old, etag='"old"', cuts=[12 * net.CHUNK])

    def publish_the_new_version(seconds: float) -> None:
        server.resources["/big.bin"] = remote

    monkeypatch.setattr(net, "_wait", publish_the_new_version)
    assert assets.path("big.bin").read_bytes() == CONTENT
    assert server.requests[1][2] == f"bytes={12 * net.CHUNK}-"  # asked to go on; If-Range said no
    assert server.sent["/big.bin"] == 12 * net.CHUNK + len(CONTENT)


def test_line_that_is_always_cut_gives_up_and_keeps_what_came(
    remote: Resource, server: Server
) -> None:
    remote.cuts = [6 * net.CHUNK, 0, 0, 0]
    with pytest.raises(assets.AssetError, match="failed.*") as caught:
        assets.path("big.bin")
    assert "carries on where it stopped" in caught.value.remedy
    assert not assets.get("big.bin").file.exists()
    assert assets.path("big.bin").read_bytes() == CONTENT
    assert server.sent["/big.bin"] == len(CONTENT)


def test_killed_process_leaves_no_half_file_and_the_next_one_resumes(
    remote: Resource, server: Server
) -> None:
    remote.pause = 0.2
    code = "import xlhelpers as xl; xl.assets.path('big.bin')"
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen([sys.executable, "-c", code], env=env)
    deadline = time.monotonic() + 30
    while server.sent["/big.bin"] < 200_000 and time.monotonic() < deadline:
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert not assets.get("big.bin").file.exists()
    [part] = [name for name in leftovers() if name.endswith(".part")]
    kept = (settings.current().cache / "parts" / part).stat().st_size
    assert kept > 0
    remote.pause = 0.0
    assert assets.path("big.bin").read_bytes() == CONTENT
    assert server.requests[-1][2] == f"bytes={kept}-"


# ── wrong bytes ──────────────────────────────────────────────────────────────────────────


def test_wrong_bytes_of_the_right_size_never_get_the_final_name(
    remote: Resource, server: Server
) -> None:
    remote.content = CONTENT[:-1] + b"\x00"
    with pytest.raises(assets.AssetError, match="its SHA-256 differs"):
        assets.path("big.bin")
    assert not assets.get("big.bin").file.exists() and leftovers() == []
    remote.content = CONTENT
    assert assets.path("big.bin").read_bytes() == CONTENT


def test_stale_part_of_another_version_is_thrown_away(remote: Resource, server: Server) -> None:
    part = settings.current().cache / "parts" / f"{assets.get('big.bin').sha256[:16]}.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"?" * 1000)
    assert assets.path("big.bin").read_bytes() == CONTENT
    assert [wanted for _, _, wanted in server.requests] == ["bytes=1000-", ""]


@pytest.mark.parametrize("change", [-1, 1], ids=["shorter", "longer"])
def test_file_of_another_size_is_refused(remote: Resource, server: Server, change: int) -> None:
    remote.content = CONTENT[:change] if change < 0 else CONTENT + b"!"
    with pytest.raises(assets.AssetError, match="big.bin"):
        assets.path("big.bin")
    assert not assets.get("big.bin").file.exists()


@pytest.mark.parametrize("status", [403, 404, 410])
def test_refusal_is_told_at_once(remote: Resource, server: Server, status: int) -> None:
    remote.status = status
    with pytest.raises(assets.AssetError, match=f"answered {status}"):
        assets.path("big.bin")
    assert len(server.requests) == 1


def test_server_in_trouble_is_asked_again_and_then_given_up(
    remote: Resource, server: Server
) -> None:
    remote.status = 503
    with pytest.raises(assets.AssetError, match="answered 503"):
        assets.path("big.bin")
    assert len(server.requests) == net.FRUITLESS_ATTEMPTS


def test_no_network_is_one_clear_sentence_and_quick(course: Path) -> None:
    add("http://127.0.0.1:9/big.bin")
    start = time.perf_counter()
    with pytest.raises(assets.AssetError, match="127.0.0.1:9 cannot be reached"):
        assets.path("big.bin")
    assert time.perf_counter() - start < 3


# ── several processes ────────────────────────────────────────────────────────────────────


def _load(_: int) -> str:
    return hashlib.sha256(assets.path("big.bin").read_bytes()).hexdigest()


def test_processes_that_want_the_same_file_at_once_share_one_download(
    remote: Resource, server: Server
) -> None:
    remote.pause = 0.02
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        got = pool.map(_load, range(4), chunksize=1)
    assert set(got) == {assets.get("big.bin").sha256}
    assert server.sent["/big.bin"] == len(CONTENT)
    assert leftovers() == []


# ── shipped files, from the repository's public address ──────────────────────────────────


def test_shipped_file_comes_from_the_tag_of_this_version(
    course: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = settings.current().data / "fox.txt"
    file.write_bytes(b"fox")
    assets.register(file, "shipped", "CC0-1.0", "a test")
    manifest = (settings.current().data / "manifest.toml").read_bytes()
    server.resources["/data/fox.txt"] = Resource(b"fox")
    server.resources["/data/manifest.toml"] = Resource(manifest)
    monkeypatch.setattr(assets, "_raw_url", lambda path: f"{server.url}/{path}")
    file.unlink()
    assert assets.fetch(["fox.txt"]) == {"fox.txt": "downloaded"}
    assert assets.read_bytes("fox.txt") == b"fox"
    (settings.current().data / "manifest.toml").unlink()
    assert assets.fetch(["manifest.toml"]) == {"manifest.toml": "downloaded"}
    assert (settings.current().data / "manifest.toml").read_bytes() == manifest


def test_address_of_a_shipped_file(course: Path) -> None:
    project = course / "pyproject.toml"
    for url, expected in {
        "https://github.com/someone/course.git": (
            f"https://raw.githubusercontent.com/someone/course/v{assets_version()}/data/a.txt"
        ),
        "https://github.com/OWNER/course": "",
        "https://example.org/course": "",
    }.items():
        project.write_text(f'[project.urls]\nRepository = "{url}"\n')
        assert assets._raw_url("data/a.txt") == expected


def assets_version() -> str:
    import xlhelpers

    return xlhelpers.__version__
