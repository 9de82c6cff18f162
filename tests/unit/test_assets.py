"""The manifest, and the refusal of files that are not as it says."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from xlhelpers import assets, files, settings

CONTENT = b"the quick brown fox\n" * 50


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """An empty data folder that the settings point to."""
    folder = tmp_path / "course" / "data"
    folder.mkdir(parents=True)
    settings.use(data=folder, progress=False)
    return folder


@pytest.fixture
def fox(data: Path) -> Path:
    """`data/words/fox.txt`, registered."""
    file = data / "words" / "fox.txt"
    file.parent.mkdir()
    file.write_bytes(CONTENT)
    assets.register(file, "shipped", "CC0-1.0", "written for this test")
    return file


def row(**changes: object) -> str:
    """The text of a manifest with one row."""
    fields: dict[str, object] = {
        "name": "a.txt",
        "kind": "shipped",
        "sha256": "0" * 64,
        "bytes": 1,
        "licence": "CC0-1.0",
    } | changes
    lines = [f"{key} = {value!r}" for key, value in fields.items() if value is not None]
    return "[[asset]]\n" + "\n".join(lines).replace("'", '"') + "\n"


# ── a file that is well ──────────────────────────────────────────────────────────────────


def test_whole_file_is_given(fox: Path) -> None:
    assert assets.path("words/fox.txt") == fox
    assert assets.read_bytes("words/fox.txt") == CONTENT
    assert assets.verify_all() == [assets.Check("words/fox.txt", True)]


def test_registered_row_says_what_the_file_is(fox: Path) -> None:
    asset = assets.get("words/fox.txt")
    assert asset.bytes == len(CONTENT)
    assert asset.sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert (asset.kind, asset.licence, asset.origin) == (
        "shipped",
        "CC0-1.0",
        "written for this test",
    )


# ── files that are not ───────────────────────────────────────────────────────────────────


def truncate(file: Path) -> None:
    file.write_bytes(CONTENT[:-1])


def lengthen(file: Path) -> None:
    file.write_bytes(CONTENT + b"!")


def flip_one_bit(file: Path) -> None:
    changed = bytearray(CONTENT)
    changed[500] ^= 1
    file.write_bytes(changed)


def remove(file: Path) -> None:
    file.unlink()


def put_a_folder_there(file: Path) -> None:
    file.unlink()
    file.mkdir()


DAMAGE = {
    truncate: "truncated: 999 of 1000",
    lengthen: "altered: 1001 bytes instead of 1000",
    flip_one_bit: "altered: its SHA-256",
    remove: "missing",
    put_a_folder_there: "not a file|truncated|altered",
}


@pytest.mark.parametrize(
    ("damage", "message"), DAMAGE.items(), ids=lambda x: getattr(x, "__name__", "")
)
def test_damaged_file_is_refused_with_the_repairing_command(
    fox: Path, damage: object, message: str
) -> None:
    assets.path("words/fox.txt")  # well at first: every load is checked, not only the first
    damage(fox)  # type: ignore[operator]
    for load in (assets.path, assets.read_bytes):
        with pytest.raises(assets.AssetError, match=message) as caught:
            load("words/fox.txt")
        assert caught.value.remedy == "python3 course.py fetch words/fox.txt"
    [check] = assets.verify_all()
    assert not check.ok and check.remedy == "python3 course.py fetch words/fox.txt"


def test_unreadable_file_is_refused(fox: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(files, "sha256", refuse)  # root may read everything, so we pretend
    with pytest.raises(assets.AssetError, match="cannot be read .*Permission denied"):
        assets.path("words/fox.txt")


def test_unknown_name_names_the_nearest(fox: Path) -> None:
    with pytest.raises(assets.AssetError, match="did you mean words/fox.txt"):
        assets.path("words/fix.txt")


# ── the manifest ─────────────────────────────────────────────────────────────────────────


def test_missing_manifest_names_the_remedy(data: Path) -> None:
    with pytest.raises(assets.AssetError, match="manifest.toml is missing") as caught:
        assets.path("a.txt")
    assert caught.value.remedy == "python3 course.py fetch manifest.toml"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[asset]\n", "malformed"),
        ('[[asset]]\nname = "a"\nname = "b"\n', "malformed"),
        ("\x00", "malformed"),
        ('asset = "x"\n', "more than"),
        ("[other]\n", "more than"),
        (row(sha256=None), "sha256 is missing"),
        (row(bytes="1"), "bytes is '1'"),
        (row(extra="x"), "unknown field 'extra'"),
        (row(kind="stolen"), "kind 'stolen'"),
        (row(sha256="xyz"), "cannot be right"),
        (row(bytes=-1), "cannot be right"),
        (row(kind="remote"), "needs a url"),
        (row(url="file:///etc/passwd"), "no web address"),
        (row() + row(), "lists a.txt twice"),
    ],
)
def test_malformed_manifest_is_refused(data: Path, text: str, message: str) -> None:
    (data / "manifest.toml").write_text(text, encoding="utf-8")
    with pytest.raises(assets.AssetError, match=message) as caught:
        assets.manifest()
    assert "course.py fetch manifest.toml" in caught.value.remedy


@pytest.mark.parametrize(
    "name",
    [
        "../secret",
        "a/../../secret",
        "/etc/passwd",
        "C:/windows",
        "a\\..\\b",
        "./a",
        "a//b",
        "a/",
        "",
        ".git/config",
        "a\nb",
        "manifest.toml",
    ],
)
def test_names_that_would_leave_the_folder_are_refused(data: Path, name: str) -> None:
    text = row().replace('"a.txt"', assets._toml(name))
    assert tomllib.loads(text)["asset"][0]["name"] == name
    (data / "manifest.toml").write_text(text, encoding="utf-8")
    with pytest.raises(assets.AssetError, match="no file name that stays in its folder"):
        assets.manifest()


def test_manifest_is_read_anew_when_it_changes(fox: Path, data: Path) -> None:
    assert set(assets.manifest()) == {"words/fox.txt"}
    (data / "manifest.toml").write_text(row(), encoding="utf-8")
    assert set(assets.manifest()) == {"a.txt"}


def test_caller_cannot_change_the_manifest_that_others_see(fox: Path) -> None:
    assets.manifest().clear()
    assert set(assets.manifest()) == {"words/fox.txt"}


def test_manifest_survives_every_sign_and_sorts_rows(data: Path) -> None:
    odd = 'a "quoted" \\ back\tslash\nnew line \x7f \x01 naïve 中文 – 😀'
    for name in ("b.txt", "a.txt"):
        (data / name).write_text(name)
        assets.register(data / name, "shipped", "CC0-1.0", odd, note=odd)
    assert list(assets.manifest()) == ["a.txt", "b.txt"]
    assert assets.get("a.txt").origin == assets.get("a.txt").note == odd


def test_registering_again_replaces_the_row_and_the_same_file_changes_nothing(
    fox: Path, data: Path
) -> None:
    before = (data / "manifest.toml").read_bytes()
    assets.register(fox, "shipped", "CC0-1.0", "written for this test")
    assert (data / "manifest.toml").read_bytes() == before
    fox.write_bytes(b"other")
    assets.register(fox, "shipped", "CC0-1.0", "written again")
    assert assets.get("words/fox.txt").bytes == 5 and len(assets.manifest()) == 1


def test_forgotten_row_is_gone_and_the_file_stays(fox: Path) -> None:
    assets.forget("words/fox.txt")
    assets.forget("never there")
    assert assets.manifest() == {} and fox.exists()


def test_shipped_file_outside_data_is_not_registered(fox: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside.txt"
    outside.write_text("x")
    with pytest.raises(assets.AssetError, match="outside data/"):
        assets.register(outside, "shipped", "CC0-1.0", "x")
    with pytest.raises(assets.AssetError, match="is not data/words/fox.txt"):
        assets.register(outside, "shipped", "CC0-1.0", "x", name="words/fox.txt")
    with pytest.raises(assets.AssetError, match="no file"):
        assets.register(tmp_path / "nothing", "source", "CC0-1.0", "x")
    assert set(assets.manifest()) == {"words/fox.txt"}


def _register_many(data: str, cache: str, mine: str) -> None:
    settings.use(data=data, cache=cache)
    for number in range(10):
        file = Path(data) / f"{mine}{number}.txt"
        file.write_text(mine)
        assets.register(file, "shipped", "CC0-1.0", "a test")


def test_two_builds_that_register_at_once_lose_no_row(data: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    cache = str(settings.current().cache)
    workers = [spawn.Process(target=_register_many, args=(str(data), cache, me)) for me in "ab"]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0]
    assert len(assets.manifest()) == 20


# ── repair without a network ─────────────────────────────────────────────────────────────


@pytest.fixture
def committed(fox: Path, data: Path) -> Path:
    """The fox, committed to a git repository."""

    def git(*arguments: str) -> None:
        who = ["-c", "user.name=a test", "-c", "user.email=test@example.org"]
        command = ["git", "-C", str(data.parent), *who, "-c", "core.autocrlf=true", *arguments]
        subprocess.run(command, check=True, capture_output=True)

    (data.parent / ".gitattributes").write_text("data/** -text\n")
    git("init", "-q")
    git("add", ".")
    git("commit", "-q", "-m", "fox")
    return fox


def test_fetch_restores_a_shipped_file_from_git(committed: Path) -> None:
    flip_one_bit(committed)
    assert assets.fetch(["words/fox.txt"]) == {"words/fox.txt": "restored from git"}
    assert committed.read_bytes() == CONTENT
    assert assets.fetch(["words/fox.txt"]) == {"words/fox.txt": "already there"}


def test_fetch_takes_patterns_and_all(committed: Path) -> None:
    committed.unlink()
    assert assets.fetch(["words/*"]) == {"words/fox.txt": "restored from git"}
    assert assets.fetch() == assets.fetch(["all"]) == {"words/fox.txt": "already there"}
    with pytest.raises(assets.AssetError, match="no file"):
        assets.fetch(["nothing/*"])


def test_fetch_restores_the_manifest(committed: Path, data: Path) -> None:
    good = (data / "manifest.toml").read_bytes()
    (data / "manifest.toml").write_text("broken [")
    committed.unlink()
    done = assets.fetch(["manifest.toml", "words/fox.txt"])
    assert done == {"manifest.toml": "restored from git", "words/fox.txt": "restored from git"}
    assert (data / "manifest.toml").read_bytes() == good


def test_a_commit_that_holds_another_version_is_not_used(committed: Path, data: Path) -> None:
    committed.write_bytes(b"a newer version")
    assets.register(committed, "shipped", "CC0-1.0", "newer")
    committed.unlink()
    with pytest.raises(assets.AssetError, match="missing, and no good copy"):
        assets.fetch(["words/fox.txt"])
    assert not committed.exists()


def test_without_git_history_the_error_says_what_to_do(fox: Path) -> None:
    fox.unlink()
    with pytest.raises(assets.AssetError, match="check out the repository again"):
        assets.fetch(["words/fox.txt"])


def test_folder_in_the_place_of_a_file_is_left_to_the_reader(committed: Path) -> None:
    put_a_folder_there(committed)
    with pytest.raises(assets.AssetError, match="is a folder"):
        assets.fetch(["words/fox.txt"])
    assert committed.is_dir()


def test_source_file_is_found_in_a_folder_of_copies(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copies = tmp_path / "copies" / "deep"
    copies.mkdir(parents=True)
    (copies / "book.txt").write_bytes(CONTENT)
    assets.register(copies / "book.txt", "source", "public domain", "a library", name="x/book.txt")
    wrong = tmp_path / "wrong"
    wrong.mkdir()
    shutil.copyfile(copies / "book.txt", wrong / "book.txt")
    flip_one_bit(wrong / "book.txt")

    monkeypatch.setenv("XL_SOURCES", str(wrong))
    settings.reset()
    settings.use(data=data)
    with pytest.raises(assets.AssetError, match="XL_SOURCES"):
        assets.path("x/book.txt")

    monkeypatch.setenv("XL_SOURCES", os.pathsep.join([str(wrong), str(tmp_path / "copies")]))
    settings.reset()
    settings.use(data=data)
    found = assets.path("x/book.txt")
    assert found.read_bytes() == CONTENT and found.is_relative_to(settings.current().cache)


# ── the course's own manifest ────────────────────────────────────────────────────────────


def test_every_file_of_this_repository_is_as_its_manifest_says() -> None:
    bad = [check for check in assets.verify_all() if not check.ok]
    assert not bad


def test_manifest_of_this_repository_is_in_its_own_format() -> None:
    text = (settings.current().data / "manifest.toml").read_text(encoding="utf-8")
    assert text == assets.dumps(assets.manifest().values())
