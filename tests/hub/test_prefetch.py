"""`fetch --hub` against a loopback hub: what is planned, fetched, resumed, refused, carried."""

from __future__ import annotations

import errno
import itertools
import json
import os
import shutil
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any

import pytest
from classroom import BODY, CONVERTED, WEIGHTS, XNLI, Computer, Machine, model, run
from loopback_server import Hub, PullRequest, Resource, Server

from xlhelpers import assets, hub, needs, net, prefetch, settings, shelves
from xlhelpers.commands import fetch as command
from xlhelpers.datasets import public
from xlhelpers.needs import Need


@pytest.fixture
def laptop(computer: Computer, small_hub: Hub) -> Machine:
    """A computer with empty caches, on the network."""
    made = computer("laptop")
    made.enter(small_hub.url)
    return made


def weights_url(small_hub: Hub, repo: str = BODY) -> str:
    """The path at which the weights of a model are asked for."""
    [path] = {p for _, p, _ in small_hub.requests if p.startswith(f"/{repo}/") and "tensors" in p}
    return path


# ── the good day ─────────────────────────────────────────────────────────────────────────


def test_sizes_and_the_total_are_shown_before_and_a_dry_run_fetches_nothing(
    laptop: Machine, small_hub: Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--dry-run", "2", "4") == 0
    out = capsys.readouterr().out
    body = len(WEIGHTS) + len(b'{}\n{"words": 3}\n')
    assert shelves.readable(2 * body + 4 * 99) in out and out.count("300 kB") >= 2
    assert "02 04" in out and "free on the disk" in out
    assert small_hub.downloads() == [] and laptop.files() == []


def test_all_is_fetched_and_the_doors_need_no_network_any_more(
    laptop: Machine, small_hub: Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--yes", "01", "02", "04") == 0
    assert "Ready without a network, checksums compared: notebooks 01 02 04." in (
        capsys.readouterr().out
    )
    fetched = small_hub.downloads()
    assert len(fetched) == len(set(fetched))
    assert not any(path.endswith((".ot", ".md", ".bin")) or "train" in path for path in fetched)
    small_hub.stop()
    laptop.enter("http://127.0.0.1:9")
    for what in (BODY, CONVERTED):
        for patterns in (hub._TOKENIZER_FILES, hub._MODEL_FILES):
            assert hub._folder(what, patterns, None).is_dir()
    assert (hub._folder(CONVERTED, hub._MODEL_FILES, None) / "model.safetensors").read_bytes() == (
        WEIGHTS[::-1]
    )
    [rows] = public._download(XNLI, "de", "test")
    assert rows.read_bytes() == b"test" * 99
    assert hub.fasttext_vectors("de", 40).read_text().startswith("40 3\nwort0 ")
    assert hub.muse_dictionary("en", "de", "test") == [("dog", "hund")]
    assert shelves.fetched() == ("01", "02", "04")


def test_the_hubs_own_client_finds_what_was_fetched(laptop: Machine, small_hub: Hub) -> None:
    from huggingface_hub import scan_cache_dir, snapshot_download

    assert run("--yes", "02") == 0
    before = len(small_hub.requests)
    cache = laptop.home / "hf" / "hub"
    there = snapshot_download(BODY, cache_dir=cache, allow_patterns=["*.json", "*.safetensors"])
    assert len(os.listdir(there)) == 3
    asked = [path for _, path, _ in small_hub.requests[before:]]
    assert not any("/resolve/" in path for path in asked), "it asks for no file again"
    seen = scan_cache_dir(cache)
    assert {repo.repo_id for repo in seen.repos} == {BODY, XNLI.id} and not seen.warnings


def test_what_is_there_is_subtracted_and_nothing_is_fetched_twice(
    laptop: Machine, small_hub: Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--yes", "02") == 0
    before = list(small_hub.downloads())
    capsys.readouterr()
    assert run("--yes", "02", "04") == 0
    out = capsys.readouterr().out
    assert [path for path in small_hub.downloads()[len(before) :] if f"/{BODY}/" in path] == []
    assert f"{BODY}: there, 300 kB" in out
    assert f"{CONVERTED}: fetched (3 of 4), 300 kB" in out


def test_what_the_client_has_fetched_is_not_fetched_again(laptop: Machine, small_hub: Hub) -> None:
    hub._folder(BODY, hub._MODEL_FILES, None)
    before = len(small_hub.downloads())
    assert run("--yes", "02") == 0
    later = small_hub.downloads()[before:]
    assert not any("tensors" in path or "config" in path for path in later)
    assert any(path.endswith("/tokenizer.json") for path in later)


def test_a_checkpoint_does_not_change_in_the_middle_of_a_course(
    laptop: Machine, small_hub: Hub
) -> None:
    assert run("--yes", "02") == 0
    commit = prefetch.Place.own().commit("model", BODY, "main")
    old = small_hub.models[BODY]
    newer = model(old.parent / "newer", **{"model.safetensors": WEIGHTS + b"!"})
    small_hub.models = {**small_hub.models, BODY: newer}
    small_hub.pulls = {
        **small_hub.pulls,
        BODY: [PullRequest(1, "somebody", old)],
    }  # still to be had
    assert prefetch.asking.commit("model", BODY, "main") != commit
    assert run("--yes", "02") == 0
    assert prefetch.Place.own().commit("model", BODY, "main") == commit


def test_nothing_starts_unasked(
    laptop: Machine, small_hub: Hub, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    assert run("02") == 130
    assert "add --yes" in capsys.readouterr().err
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    for answer, status in (("", 130), ("n", 130), ("y", 0)):
        asked: list[str] = []

        def reply(question: str, answer: str = answer, asked: list[str] = asked) -> str:
            asked.append(question)
            return answer

        monkeypatch.setattr("builtins.input", reply)
        assert run("02") == status
        assert "Fetch 300 kB? [y/N]" in asked[0]
        assert bool(small_hub.downloads()) is (status == 0)
    assert run("02") == 0, "where nothing is missing nobody is asked"
    assert len(asked) == 1


@pytest.mark.parametrize("arguments", [["--yes"], ["--dry-run"], ["--to", "x"]])
def test_options_of_the_hub_go_with_the_hub(arguments: list[str]) -> None:
    assert command.main(arguments) == 2


def test_a_notebook_that_was_never_run_on_the_hub_is_named(laptop: Machine) -> None:
    with pytest.raises(needs.NeedsError, match="what notebook 05 needs has not been noted"):
        run("--yes", "05")


# ── faults ───────────────────────────────────────────────────────────────────────────────


def test_cut_line_is_taken_up_in_the_same_run_and_in_the_next(
    laptop: Machine, small_hub: Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    run("--dry-run", "02")
    path = f"/{BODY}/resolve/{prefetch.asking.commit('model', BODY, 'main')}/model.safetensors"
    resource = small_hub.find(path, {})
    assert resource is not None
    resource.cuts = [5 * net.CHUNK, 4 * net.CHUNK, 0, 0, 0]
    small_hub.resources[path] = resource
    assert run("--yes", "02") == 3
    said = capsys.readouterr().out
    assert "Not ready: notebooks 02." in said and "carries on where it stopped" in said
    assert "model.safetensors" not in " ".join(laptop.files())
    assert run("--yes", "02") == 0
    ranges = [wanted for how, asked, wanted in small_hub.requests if asked == path]
    assert ranges[0] == "" and f"bytes={9 * net.CHUNK}-" in ranges
    assert small_hub.sent[path] == len(WEIGHTS), "no byte was sent twice"
    assert not [name for name in laptop.files() if name.endswith((".part", ".etag"))]


def test_bytes_that_were_flipped_on_the_way_are_fetched_again(
    laptop: Machine, small_hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, flips = net._append, [1]

    def flip(handle: IO[bytes], chunk: bytes) -> None:
        write(handle, bytes([chunk[0] ^ 1, *chunk[1:]]) if flips and flips.pop() else chunk)

    monkeypatch.setattr(net, "_append", flip)
    assert run("--yes", "02") == 0
    assert (hub._folder(BODY, hub._MODEL_FILES, None) / "model.safetensors").read_bytes() == WEIGHTS


def test_file_that_keeps_arriving_altered_is_refused_and_not_kept(
    laptop: Machine, small_hub: Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    path = f"/{BODY}/resolve/{prefetch.asking.commit('model', BODY, 'main')}/model.safetensors"
    small_hub.resources[path] = Resource(WEIGHTS[:-1] + bytes([WEIGHTS[-1] ^ 1]), etag='"x"')
    assert run("--yes", "02") == 1
    out = capsys.readouterr().out
    assert "model.safetensors of owner/body arrived altered, twice" in out
    assert f"{XNLI.id}: fetched" in out, "the others are fetched all the same"
    assert not [n for n in laptop.files() if "tensors" in n or n.endswith(".part")]
    with pytest.raises(hub.HubError):
        laptop.enter("http://127.0.0.1:9")
        hub._folder(BODY, hub._MODEL_FILES, None)


@pytest.mark.parametrize("links", [True, False], ids=["links", "copies"])
def test_file_that_was_altered_on_this_disk_is_fetched_again(
    laptop: Machine, small_hub: Hub, monkeypatch: pytest.MonkeyPatch, capsys: Any, links: bool
) -> None:
    if not links:  # as on Windows

        def refuse(*args: object, **how: object) -> None:
            raise OSError("no links here")

        monkeypatch.setattr(os, "symlink", refuse)
    assert run("--yes", "01", "02") == 0
    capsys.readouterr()
    weights = hub._folder(BODY, hub._MODEL_FILES, None) / "model.safetensors"
    assert weights.is_symlink() is links
    vectors = hub.fasttext_vectors("de", 40)
    for file in (weights, vectors):
        content = bytearray(file.read_bytes())
        content[-2] ^= 1
        file.resolve().write_bytes(content)
    with pytest.raises(hub.HubError, match="altered"):
        hub._folder(BODY, hub._MODEL_FILES, None)
    assert run("--yes", "01", "02") == 0
    assert capsys.readouterr().out.count("fetched anew: it was altered") >= 2
    assert (hub._folder(BODY, hub._MODEL_FILES, None) / "model.safetensors").read_bytes() == WEIGHTS
    assert hub.fasttext_vectors("de", 40) == vectors


def test_an_id_that_is_gone_says_who_needs_it_and_the_rest_is_fetched(
    laptop: Machine, small_hub: Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    small_hub.models = {BODY: small_hub.models[BODY]}
    assert run("--yes", "02", "04") == 1
    out = capsys.readouterr().out
    assert f"{CONVERTED} (for notebook 04): {CONVERTED} is not on the hub any more" in out
    assert "git pull" in out
    assert "Ready without a network, checksums compared: notebooks 02." in out
    assert "Not ready: notebooks 04." in out
    assert shelves.fetched() == ("02",)


def as_json(content: Any) -> Resource:
    return Resource(json.dumps(content).encode(), {"Content-Type": "application/json"})


def listed(small_hub: Hub, path: str) -> list[dict[str, Any]]:
    """What the hub says is in a folder."""
    found = small_hub.find(path, {})
    assert found is not None
    return list(json.loads(found.content))


@pytest.mark.parametrize("what", ["commit", "path", "checksum"])
def test_no_answer_leads_out_of_the_cache(
    laptop: Machine, small_hub: Hub, tmp_path: Path, capsys: Any, what: str
) -> None:
    """A mirror is whoever answers at its address."""
    if what == "commit":
        at, there = "../../../../../evil", listed(small_hub, f"/api/models/{BODY}/tree/main")
        small_hub.resources[f"/api/models/{BODY}/revision/main"] = as_json({"id": BODY, "sha": at})
        small_hub.resources[f"/api/models/{BODY}/tree/{at}"] = as_json(there)
        for path in [entry["path"] for entry in there]:
            found = small_hub.find(f"/{BODY}/resolve/main/{path}", {})
            assert found is not None
            small_hub.resources[f"/evil/{path}"] = found  # where a client is led by such a commit
    else:
        tree = f"/api/datasets/{XNLI.id}/tree/{XNLI.revision}"
        [row] = [entry for entry in listed(small_hub, tree) if "test" in entry["path"]]
        if what == "path":
            row["path"] = "de/test-x/../../../../../../../../evil.parquet"
        else:
            row["lfs"]["oid"] = "../../../../../evil"
        small_hub.resources[f"{tree}/de"] = as_json([row])
        rows = Resource(b"test" * 99)
        small_hub.resources |= {
            "/evil.parquet": rows,
            f"/datasets/{XNLI.id}/resolve/{XNLI.revision}/{row['path']}": rows,
        }
    assert run("--yes", "02") == 1
    assert "makes no sense" in capsys.readouterr().out
    assert not list(tmp_path.rglob("evil*"))
    assert not any("evil" in path for path in small_hub.downloads())


def test_a_server_that_refuses_one_thing_is_asked_for_the_others(
    laptop: Machine, small_hub: Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    about = f"/api/models/{BODY}/revision/main"
    commit = prefetch.asking.commit("model", BODY, "main")
    for path, answer, said in (
        (about, Resource(b"{}", status=403), "could not be fetched whole"),
        (about, Resource(b"{}", {"X-Error-Code": "GatedRepo"}, 403), "asks for an agreement"),
        (
            f"/{BODY}/resolve/{commit}/model.safetensors",
            Resource(WEIGHTS[:-1], etag='"x"'),
            "the file behind this address has changed",
        ),
    ):
        small_hub.resources[path] = answer
        assert run("--yes", "02") == 1, "the network is well"
        out = capsys.readouterr().out
        assert said in out and "has stopped answering" not in out
        assert f"{XNLI.id}: fetched" in out or f"{XNLI.id}: there" in out
        del small_hub.resources[path]


def test_what_has_been_lost_since_is_not_called_fetched(laptop: Machine, small_hub: Hub) -> None:
    assert run("--yes", "02") == 0 and shelves.fetched() == ("02",)
    weights = hub._folder(BODY, hub._MODEL_FILES, None) / "model.safetensors"
    weights.resolve().write_bytes(WEIGHTS[::-1])
    path = f"/{BODY}/resolve/{weights.parent.name}/model.safetensors"
    small_hub.resources[path] = Resource(bytes(len(WEIGHTS)), etag='"x"')
    assert run("--yes", "02") == 1
    assert shelves.fetched() == ()
    del small_hub.resources[path]
    assert run("--yes", "02") == 0 and shelves.fetched() == ("02",)


def test_rows_and_vectors_that_are_gone_are_told_apart(
    laptop: Machine, small_hub: Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    small_hub.sets = {XNLI.id: ("0" * 40, {})}
    del small_hub.resources["/fasttext/vectors-wiki/wiki.de.vec"]
    assert run("--yes", "01", "02") == 1
    out = capsys.readouterr().out
    assert f"{XNLI.id} has no longer the version that the course reads" in out
    assert "wiki.de.vec?words=40 any more" in out
    assert "on the mirror's computer" in out, "here the address is that of a mirror"
    assert "MUSE dictionaries: fetched" in out
    folder = f"/api/datasets/{XNLI.id}/tree/{XNLI.revision}/de"
    small_hub.sets = {XNLI.id: (XNLI.revision, {})}
    small_hub.resources[folder] = Resource(b"{}", {"X-Error-Code": "EntryNotFound"}, 404)
    assert run("--yes", "02") == 1
    assert "has no longer the folder that the course reads" in capsys.readouterr().out


def test_no_network_is_a_sentence_and_its_own_status(
    laptop: Machine, small_hub: Hub, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    assert run("--yes", "02") == 0
    laptop.enter("http://127.0.0.1:9")
    waited: list[float] = []
    monkeypatch.setattr("time.sleep", waited.append)
    assert run("--yes", "04") == 3
    assert "cannot be reached, and 1 of 2 things are not here: owner/converted" in (
        capsys.readouterr().err
    )
    assert run("02") == 0
    out = capsys.readouterr().out
    assert "all of this is here already" in out and "notebooks 02." in out
    assert sum(waited) < 5, "nobody sits before a screen that says nothing"


def test_what_is_there_is_compared_without_a_network_too(
    laptop: Machine, small_hub: Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--yes", "02") == 0
    weights = (hub._folder(BODY, hub._MODEL_FILES, None) / "model.safetensors").resolve()
    weights.write_bytes(WEIGHTS[:-1] + b"?")
    laptop.enter("http://127.0.0.1:9")
    assert run("02") == 1
    assert "model.safetensors of owner/body has been altered" in capsys.readouterr().out


def test_server_that_asks_to_wait_is_waited_for(
    laptop: Machine, small_hub: Hub, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    for_files: list[float] = []
    for_answers: list[float] = []
    monkeypatch.setattr(net, "_wait", for_files.append)
    monkeypatch.setattr("time.sleep", for_answers.append)
    commit = prefetch.asking.commit("model", BODY, "main")
    path = f"/{BODY}/resolve/{commit}/model.safetensors"
    whole, busy = small_hub.find(path, {}), Resource(b"", {"Retry-After": "7"}, 429)
    tree = f"/api/models/{BODY}/tree/{commit}"
    answers = {path: [busy, busy, whole], tree: [busy, small_hub.find(tree, {})]}
    find = small_hub.find

    def slowly(asked: str, query: Any) -> Resource | None:
        left = answers.get(asked)
        return (left.pop(0) if len(left) > 1 else left[0]) if left else find(asked, query)

    small_hub.find = slowly  # type: ignore[method-assign]
    assert run("--yes", "02") == 0
    # The client waits for answers by itself and adds a second.
    assert for_files == [7.0, 7.0] and 7 <= max(for_answers) <= 8


def test_server_that_asks_to_wait_too_long_is_left_alone(
    laptop: Machine, small_hub: Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    commit = prefetch.asking.commit("model", BODY, "main")
    path = f"/{BODY}/resolve/{commit}/model.safetensors"
    small_hub.resources[path] = Resource(b"", {"Retry-After": "1800"}, 429)
    assert run("--yes", "02") == 3
    out = capsys.readouterr().out
    assert "too many requests from this address and asks to wait 30 min" in out
    assert "course.py mirror" in out
    assert len([1 for _, asked, _ in small_hub.requests if asked == path]) == 1


def test_line_that_trickles_is_given_up_with_a_reason_and_resumed(
    laptop: Machine, small_hub: Hub, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    # By this clock a minute passes from one look to the next, however busy the machine is.
    ticks = itertools.count(step=61)
    slow = SimpleNamespace(monotonic=lambda: next(ticks), time=time.time, sleep=time.sleep)
    monkeypatch.setattr(net, "time", slow)
    commit = prefetch.asking.commit("model", BODY, "main")
    path = f"/{BODY}/resolve/{commit}/model.safetensors"
    assert run("--yes", "02") == 3
    assert "bytes came in 61 s" in capsys.readouterr().out
    kept = list(laptop.home.rglob("*.part"))
    assert len(kept) == 1 and 0 < kept[0].stat().st_size < len(WEIGHTS)
    monkeypatch.setattr(net, "time", time)
    assert run("--yes", "02") == 0
    assert [wanted for _, asked, wanted in small_hub.requests if asked == path][-1] != ""
    assert not list(laptop.home.rglob("*.part"))


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT], ids=["disk", "quota"])
def test_disk_that_fills_up_leaves_nothing_half_written_that_is_taken_for_whole(
    laptop: Machine, small_hub: Hub, monkeypatch: pytest.MonkeyPatch, capsys: Any, number: int
) -> None:
    room, write = [100_000], net._append

    def quota(handle: IO[bytes], chunk: bytes) -> None:
        write(handle, chunk[: room[0]])
        room[0] -= len(chunk)
        if room[0] < 0:
            raise OSError(number, os.strerror(number))

    monkeypatch.setattr(net, "_append", quota)
    assert run("--yes", "02", "04") == 1
    out = capsys.readouterr().out
    assert "is full, or you may not write more to it" in out and "make room" in out
    assert f"{XNLI.id} (for notebook 02): was not tried any more" in out
    assert "model.safetensors" not in " ".join(laptop.files())
    laptop.enter("http://127.0.0.1:9")
    with pytest.raises(hub.HubError, match="not in the cache"):
        hub._folder(BODY, hub._MODEL_FILES, None)
    monkeypatch.setattr(net, "_append", write)
    laptop.enter(small_hub.url)
    assert run("--yes", "02", "04") == 0
    asked = [wanted for _, path, wanted in small_hub.requests if path == weights_url(small_hub)]
    assert asked[0] == "" and asked[-1].startswith("bytes="), "it carried on"


def test_a_folder_that_cannot_be_written_does_not_keep_the_others_back(
    laptop: Machine, small_hub: Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    in_the_way = laptop.home / "hf" / "hub" / f"models--{BODY.replace('/', '--')}" / "parts"
    in_the_way.parent.mkdir(parents=True)
    in_the_way.touch()
    assert run("--yes", "02") == 1
    out = capsys.readouterr().out
    assert f"{BODY} could not be put in its place" in out and "HF_HOME" in out
    assert f"{XNLI.id}: fetched" in out


def test_too_small_a_disk_is_said_before_anything_is_fetched(
    laptop: Machine, small_hub: Hub, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    little = shutil._ntuple_diskusage(10**9, 10**9 - 1000, 1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: little)
    assert run("--yes", "02") == 1
    assert "300 kB are missing, and the disk of" in capsys.readouterr().err
    assert small_hub.downloads() == []


def test_two_at_once_do_not_mix(laptop: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    from xlhelpers import files

    lock = settings.current().cache / "locks" / "prefetch.lock"
    with files.lock(lock, 1), pytest.raises(files.FileLockedError, match=r"prefetch\.lock"):
        raised: list[BaseException] = []

        def other() -> None:
            try:
                run("--yes", "02")
            except files.FileLockedError as error:
                raised.append(error)

        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        raise raised[0]


def test_the_doors_say_it_as_plainly_when_nothing_was_fetched_beforehand(
    laptop: Machine, small_hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy = Resource(b"{}", {"Retry-After": "120"}, 429)
    small_hub.resources[f"/api/models/{BODY}/revision/main"] = busy
    with pytest.raises(hub.HubError, match="too many requests .* asks to wait 2 min") as caught:
        hub._folder(BODY, hub._MODEL_FILES, None)
    assert "course.py mirror" in caught.value.remedy
    del small_hub.resources[f"/api/models/{BODY}/revision/main"]

    for number in (errno.ENOSPC, errno.EDQUOT):  # a quota of one's own, as in many schools

        def full(*args: object, number: int = number, **how: object) -> None:
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr("huggingface_hub.file_download.http_get", full)
        with pytest.raises(hub.HubError, match="the disk is full: owner/body") as caught:
            hub._folder(BODY, hub._MODEL_FILES, None)
        assert "HF_HOME" in caught.value.remedy
    with pytest.raises(hub.HubError, match="the disk is full: facebook/xnli"):
        public._download(XNLI, "de", "test")


# ── a folder to carry ────────────────────────────────────────────────────────────────────


def test_a_folder_is_filled_from_this_computer_and_serves_another_one(
    laptop: Machine, small_hub: Hub, computer: Computer, tmp_path: Path, capsys: Any
) -> None:
    assert run("--yes", "02") == 0
    before = len(small_hub.downloads())
    stick = tmp_path / "stick"
    assert run("--yes", "--to", str(stick), "01", "02", "04") == 0
    out = capsys.readouterr().out
    assert f"{BODY}: copied, 300 kB" in out and "XL_HUB_FILES" in out
    assert not any(f"/{BODY}/" in path for path in small_hub.downloads()[before:])
    assert not any(path.is_symlink() for path in stick.rglob("*"))
    assert not list(stick.rglob("blobs")) and not list(stick.rglob("*.part"))
    assert "hub-files" in (stick / "README.txt").read_text()
    small_hub.stop()
    pupil = computer("pupil")
    pupil.enter("http://127.0.0.1:9", XL_HUB_FILES=str(stick))
    filled = sorted(stick.rglob("*"))
    for path in stick.rglob("*"):
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        for what in (BODY, CONVERTED):
            for patterns in (hub._TOKENIZER_FILES, hub._MODEL_FILES):
                assert stick in hub._folder(what, patterns, None).parents
        assert public._download(XNLI, "de", "test")[0].read_bytes() == b"test" * 99
        assert stick in hub.fasttext_vectors("de", 40).parents
        assert hub.muse_dictionary("en", "de") == [("cat", "katze")]
        assert shelves.fetched() == ("01", "02", "04")
        assert run("01", "02", "04") == 0, "it is all there"
    finally:
        for path in stick.rglob("*"):
            path.chmod(0o755 if path.is_dir() else 0o644)
    assert [name for name in pupil.files() if "checksums" in name or "tensors" in name] == []
    assert sorted(stick.rglob("*")) == filled, "whoever may write everywhere does not either"
    pupil.enter("http://127.0.0.1:9")
    assert shelves.fetched() == (), "the stick was taken away, and nothing has been copied"


def test_a_folder_that_was_copied_badly_is_refused(
    laptop: Machine, computer: Computer, small_hub: Hub, tmp_path: Path, capsys: Any
) -> None:
    stick = tmp_path / "stick"
    assert run("--yes", "--to", str(stick), "01", "02") == 0
    for name in ("model.safetensors", "wiki.de.40.vec", "tokenizer.json"):
        [file] = stick.rglob(name)
        content = bytearray(file.read_bytes())
        content[-2] ^= 1
        file.write_bytes(content)
    computer("pupil").enter("http://127.0.0.1:9", XL_HUB_FILES=str(stick))
    with pytest.raises(hub.HubError, match=r"of owner/body has been altered"):
        hub._folder(BODY, hub._TOKENIZER_FILES, None)
    with pytest.raises(hub.HubError, match=r"wiki\.de\.40\.vec has been altered"):
        hub.fasttext_vectors("de", 40)
    assert run("01", "02") == 1
    capsys.readouterr()
    # The teacher puts it right by the same command that made it.
    laptop.enter(small_hub.url)
    assert run("--yes", "--to", str(stick), "01", "02") == 0
    assert "fetched anew: it was altered" in capsys.readouterr().out
    computer("pupil").enter("http://127.0.0.1:9", XL_HUB_FILES=str(stick))
    assert hub._folder(BODY, hub._TOKENIZER_FILES, None).is_dir()


def test_a_file_that_a_folder_has_lost_is_named_and_the_folder_left_alone(
    laptop: Machine, computer: Computer, small_hub: Hub, tmp_path: Path, capsys: Any
) -> None:
    stick = tmp_path / "stick"
    assert run("--yes", "--to", str(stick), "02") == 0
    [lost] = stick.rglob("config.json")
    lost.unlink()
    left = sorted(stick.rglob("*"))
    computer("pupil").enter(small_hub.url, XL_HUB_FILES=str(stick))
    assert run("--yes", "02") == 1
    out = capsys.readouterr().out
    assert f"{lost} is missing" in out and "copy the folder anew" in out
    assert sorted(stick.rglob("*")) == left


def test_one_folder_is_put_right_from_another(
    laptop: Machine, computer: Computer, small_hub: Hub, tmp_path: Path, capsys: Any
) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for folder in (one, other):
        assert run("--yes", "--to", str(folder), "01") == 0
    dictionary = other / "muse" / "en-de.0-5000.txt"
    dictionary.write_text("cat katzx\n")
    computer("second").enter(small_hub.url, XL_HUB_FILES=str(one))
    assert run("--yes", "--to", str(other), "01") == 0
    assert dictionary.read_text() == "cat katze\n"


def test_this_computers_own_vectors_go_before_those_of_a_folder(
    laptop: Machine, computer: Computer, small_hub: Hub, tmp_path: Path
) -> None:
    stick = tmp_path / "stick"
    assert run("--yes", "--to", str(stick), "01") == 0
    for file in (stick / "fasttext" / "wiki.de.40.vec", stick / "muse" / "en-de.0-5000.txt"):
        file.write_bytes(file.read_bytes()[:-2] + b"?\n")
    computer("pupil").enter(small_hub.url)
    assert hub.muse_dictionary("en", "de") == [("cat", "katze")]
    computer("pupil").enter(small_hub.url, XL_HUB_FILES=str(stick))
    assert hub.muse_dictionary("en", "de") == [("cat", "katze")]
    with pytest.raises(hub.HubError, match=r"refresh=True") as caught:
        hub.fasttext_vectors("de", 40)
    assert "copy" in caught.value.remedy
    own = hub.fasttext_vectors("de", 40, refresh=True)
    assert hub.fasttext_vectors("de", 40) == own, "the remedy has helped"


def test_a_file_of_the_manifest_is_copied_to_where_it_is_looked_for(
    course: Path, computer: Computer, server: Server, tmp_path: Path, capsys: Any
) -> None:
    content = b"one line\n" * 50
    server.resources["/rows.txt"] = Resource(content)
    (tmp_path / "measured").write_bytes(content)
    where = {"url": f"{server.url}/rows.txt", "name": "rows.txt"}
    assets.register(tmp_path / "measured", "remote", "CC0-1.0", "a test", **where)
    needs.LIST.write_text('{"01": ["file rows.txt"]}', encoding="utf-8")
    computer("laptop").enter(server.url)
    stick = tmp_path / "stick"
    assert run("--yes", "--to", str(stick), "01") == 0
    server.stop()
    capsys.readouterr()
    computer("pupil").enter("http://127.0.0.1:9", XL_HUB_FILES=str(stick))
    assert run("--yes", "01") == 0
    assert "rows.txt: copied, 450 bytes" in capsys.readouterr().out
    assert assets.path("rows.txt").read_bytes() == content


def test_the_folder_is_found_beside_the_course_and_named(
    laptop: Machine,
    computer: Computer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Any,
) -> None:
    from xlhelpers import checks

    course = tmp_path / "desk" / "course"
    course.mkdir(parents=True)
    assert run("--yes", "--to", str(tmp_path / "desk" / "hub-files"), "02") == 0
    monkeypatch.setattr(settings, "_PACKAGE_ROOT", course)
    computer("pupil").enter(
        "http://127.0.0.1:9", XL_HUB_FILES="", XL_DATA=str(assets.settings.current().data)
    )
    assert settings.current().hub_files == tmp_path / "desk" / "hub-files"
    capsys.readouterr()
    checks.setup()
    said = capsys.readouterr().out
    assert f"files of the hub: {tmp_path / 'desk' / 'hub-files'}" in said
    assert "fetched beforehand for notebooks 02" in said
    assert "cannot be reached" not in said


def test_a_folder_that_was_never_filled_is_no_folder(
    computer: Computer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    computer("pupil").enter("http://127.0.0.1:9", XL_HUB_FILES=str(tmp_path))
    with pytest.raises(settings.SettingsError, match="names no folder with files of the hub"):
        settings.current()


def test_needs_that_another_notebook_has_met_count(laptop: Machine) -> None:
    assert run("--yes", "04") == 0
    assert shelves.fetched() == ("04",)
    assert needs.who_needs(Need.parse(f"weights {BODY}")) == ("02", "04")
