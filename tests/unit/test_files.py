"""Files that are either whole or not there."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

from xlhelpers import files

ROOT = Path(__file__).resolve().parents[2]


def test_checksum_is_that_of_the_bytes(tmp_path: Path) -> None:
    content = bytes(range(256)) * 10_000
    (tmp_path / "a").write_bytes(content)
    assert files.sha256(tmp_path / "a") == hashlib.sha256(content).hexdigest()


def test_new_content_replaces_old_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "file.txt"
    files.write_text(target, "one\n")
    files.write_text(target, "zwei – 二\n")
    assert target.read_bytes() == "zwei – 二\n".encode()
    assert list(target.parent.iterdir()) == [target]


def test_failure_half_way_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "file.txt"
    files.write_text(target, "old")
    with pytest.raises(RuntimeError), files.replacing(target) as temporary:
        assert temporary.parent == target.parent  # os.replace is atomic only there
        temporary.write_text("half")
        raise RuntimeError
    assert target.read_text() == "old" and list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("mask", [0o022, 0o077])
def test_permissions_are_the_ordinary_ones(tmp_path: Path, mask: int) -> None:
    code = f"""if True:
        import os, pathlib
        os.umask({mask})
        from xlhelpers import files
        files.write_text(pathlib.Path({str(tmp_path)!r}) / "new", "x")
        open(os.path.join({str(tmp_path)!r}, "plain"), "w").close()
    """
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", code], check=True, env=env)
    modes = {(tmp_path / name).stat().st_mode for name in ("new", "plain")}
    assert len(modes) == 1


def test_lock_lets_one_in_at_a_time(tmp_path: Path) -> None:
    inside: list[str] = []

    def enter(name: str) -> None:
        with files.lock(tmp_path / "locks" / "a.lock"):
            inside.append(f"{name} in")
            time.sleep(0.02)
            inside.append(f"{name} out")

    threads = [threading.Thread(target=enter, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(inside) == 6
    assert all(inside[n][0] == inside[n + 1][0] for n in (0, 2, 4))


def test_lock_that_is_kept_too_long_says_what_to_do(tmp_path: Path) -> None:
    with files.lock(tmp_path / "a.lock"):
        failures: list[BaseException] = []

        def wait() -> None:
            try:
                with files.lock(tmp_path / "a.lock", timeout=0.05):
                    failures.append(AssertionError("two at once"))
            except files.FileLockedError as error:
                failures.append(error)

        thread = threading.Thread(target=wait)
        thread.start()
        thread.join()
    assert isinstance(failures[0], files.FileLockedError)
    assert "a.lock" in failures[0].problem and "other" in failures[0].remedy


def test_a_lock_says_what_its_user_holds(tmp_path: Path) -> None:
    with (
        files.lock(tmp_path / "a.lock"),
        pytest.raises(files.FileLockedError) as found,
        files.lock(tmp_path / "a.lock", timeout=0, busy=("the table is being laid", "wait")),
    ):
        raise AssertionError("two at once")
    assert (found.value.problem, found.value.remedy) == ("the table is being laid", "wait")


def test_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    code = f"""if True:
        import os, pathlib
        from xlhelpers import files
        with files.lock(pathlib.Path({str(tmp_path / "a.lock")!r})):
            os._exit(9)
    """
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    assert subprocess.run([sys.executable, "-c", code], env=env).returncode == 9
    with files.lock(tmp_path / "a.lock", timeout=1):
        assert (tmp_path / "a.lock").exists()


def test_cache_that_cannot_be_written_names_the_variable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(files.FileLockedError, match="XL_CACHE"):
        with files.lock(tmp_path / "file" / "locks" / "a.lock"):
            raise AssertionError("nothing to hold")


# ── after a process was killed ───────────────────────────────────────────────────────────────────


def _killed(code: str, folder: Path) -> None:
    """Run code in a process of its own, which ends with no chance to tidy up."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(folder)}
    code = f"import os, pathlib\nfrom xlhelpers import files\n{code}"
    assert subprocess.run([sys.executable, "-c", code], env=env, check=False).returncode == 9


def _aged(file: Path, seconds: float) -> None:
    then = time.time() - seconds
    os.utime(file, (then, then))


def test_what_a_killed_writer_left_goes_with_the_next_write(tmp_path: Path) -> None:
    target = tmp_path / "progress.json"
    _killed(f"with files.replacing(pathlib.Path({str(target)!r})): os._exit(9)", tmp_path)
    (left,) = tmp_path.iterdir()
    foreign = [tmp_path / name for name in (".progress.json.abcdefgh.tmp", "a.tmp", ".b.xl-c.tmp")]
    for file in foreign:
        file.touch()
        _aged(file, 4000)
    files.write_text(target, "one")
    assert left.exists(), "it may be another kernel's, which is writing"
    _aged(left, 4000)
    files.write_text(tmp_path / "other.json", "two")
    assert sorted(tmp_path.iterdir()) == sorted([target, tmp_path / "other.json", *foreign])


def test_a_folder_that_was_left_goes_too(tmp_path: Path) -> None:
    from xlhelpers.serving import _folders

    killed = _folders.new_folder(tmp_path / "model")  # entered and never left, as far as it goes
    (killed.__enter__() / "weights").touch()
    (left,) = tmp_path.iterdir()
    _aged(left, 4000)
    with _folders.new_folder(tmp_path / "model") as place:
        (place / "weights").touch()
    assert [one.name for one in tmp_path.iterdir()] == ["model"]


def test_scratch_is_empty_and_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(RuntimeError), files.scratch() as place:
        assert place.is_dir() and not list(place.iterdir()) and tmp_path in place.parents
        (place / "checkpoint").touch()
        raise RuntimeError
    assert not list(tmp_path.iterdir())


def test_a_scratch_folder_stays_until_the_process_ends(tmp_path: Path) -> None:
    code = """if True:
        from xlhelpers import files
        one, two = files.scratch_folder(), files.scratch_folder()
        (one / "model").touch()
        assert one != two and one.is_dir() and not list(two.iterdir())
        print(one)
    """
    env = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)}
    told = subprocess.run([sys.executable, "-c", code], env=env, check=True, capture_output=True)
    assert str(tmp_path) in told.stdout.decode() and not list(tmp_path.iterdir())


def test_scratch_of_a_killed_process_goes_and_that_of_a_living_one_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    _killed(
        "with files.scratch() as place:\n    (place / 'checkpoint').touch()\n    os._exit(9)",
        tmp_path,
    )
    (left,) = tmp_path.iterdir()
    assert (left / "files" / "checkpoint").exists()
    foreign = tmp_path / "xl-sheet"
    foreign.mkdir()
    with files.scratch() as mine:
        assert left.exists(), "too new to be judged: its process may be taking the lock"
        for folder in (left, foreign, mine.parent):
            _aged(folder, 100)
        with files.scratch():
            assert not left.exists()
            assert mine.is_dir() and foreign.is_dir()


@pytest.mark.skipif(sys.platform == "win32", reason="links need a right of their own there")
def test_a_link_among_scratch_folders_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import filelock

    opened: list[str] = []
    lock = filelock.FileLock
    monkeypatch.setattr(
        filelock, "FileLock", lambda file, **more: opened.append(str(file)) or lock(file, **more)
    )
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    monkeypatch.setattr(files, "_NEW_SECONDS", -1.0)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "alive.lock").touch()
    (tmp_path / "temporary").mkdir()
    (tmp_path / "temporary" / "xl-link").symlink_to(elsewhere)
    with files.scratch() as place:
        assert opened == [str(place.parent / "alive.lock")]
    assert (elsewhere / "alive.lock").exists()
