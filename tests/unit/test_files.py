"""Files that are either whole or not there."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
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
