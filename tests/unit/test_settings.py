"""Settings, the package's lazy front, and what `setup()` prints."""

from __future__ import annotations

import json
import os
import pickle
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import xlhelpers as xl
from xlhelpers import checks, settings
from xlhelpers.errors import CourseError

ROOT = Path(__file__).resolve().parents[2]


def python(code: str, **environ: str) -> str:
    """Run `code` in a fresh interpreter and return what it printed."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), **environ}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout


# ── the package ──────────────────────────────────────────────────────────────────────────


def test_importing_the_package_is_quick_and_loads_nothing_heavy() -> None:
    code = """if True:
        import json, sys, time
        before = set(sys.modules)
        start = time.perf_counter()
        import xlhelpers
        seconds = time.perf_counter() - start
        print(json.dumps([seconds, sorted(set(sys.modules) - before)]))
    """
    # The least of three: another process may hold the CPU during one of them.
    runs = [json.loads(python(code)) for _ in range(3)]
    assert min(seconds for seconds, _ in runs) < 0.3
    loaded = {module.partition(".")[0] for module in runs[0][1]}
    assert not loaded & {
        "numpy",
        "torch",
        "transformers",
        "pandas",
        "pooch",
        "requests",
        "filelock",
    }


def test_ground_floors_import_no_numpy_or_torch() -> None:
    code = """if True:
        import sys
        import xlhelpers as xl
        xl.languages, xl.settings, xl.assets, xl.hub, xl.checks
        print(sorted({m.partition('.')[0] for m in sys.modules} & {'numpy', 'torch', 'pooch'}))
    """
    assert python(code).strip() == "[]"


def test_modules_are_reached_as_attributes() -> None:
    assert xl.settings is settings
    assert "settings" in dir(xl) and "setup" in dir(xl)


@pytest.mark.parametrize("name", ["no_such_thing", "__wrapped__", "torch"])
def test_unknown_attribute_is_an_attribute_error(name: str) -> None:
    with pytest.raises(AttributeError, match=name):
        getattr(xl, name)


def test_version_agrees_with_the_project_file() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project.get("version", xl.__version__) == xl.__version__


def test_course_errors_survive_pickling() -> None:
    copy = pickle.loads(pickle.dumps(CourseError("broken", "mend it")))
    assert (copy.problem, copy.remedy, str(copy)) == (
        "broken",
        "mend it",
        "broken\n  Remedy: mend it",
    )


@pytest.mark.parametrize(
    ("problem", "remedy", "shown"),
    [
        ("no text is left", "undo one", "No text is left. Remedy: undo one"),
        ("labels.jsonl has others", "", "labels.jsonl has others."),
        ("'C' does not label here", "", "'C' does not label here."),
        ("mBERT is not trained", "", "mBERT is not trained."),
        ("is that all?", "course.py fetch", "Is that all? Remedy: course.py fetch"),
        ("broken:\n one\n two…", "", "Broken:\n one\n two…"),
    ],
)
def test_a_page_shows_an_error_as_sentences(problem: str, remedy: str, shown: str) -> None:
    assert CourseError(problem, remedy).sentences == shown


# ── settings ─────────────────────────────────────────────────────────────────────────────


def test_defaults() -> None:
    now = settings.current()
    assert (now.models, now.seed, now.device) == ("mini", 0, "auto")
    assert now.data == ROOT / "data"
    assert 1 <= now.threads <= settings.MOST_THREADS


def test_settings_are_frozen() -> None:
    with pytest.raises(AttributeError):
        settings.current().seed = 1  # type: ignore[misc]


def test_environment_is_read(tmp_path: Path) -> None:
    data = tmp_path / "elsewhere"
    data.mkdir()
    now = settings.from_environment(
        {
            "XL_MODELS": "HUB",
            "XL_DATA": str(data),
            "XL_CACHE": str(tmp_path / "kept"),
            "XL_SEED": " 7 ",
            "XL_DEVICE": "cuda:1",
            "XL_THREADS": "3",
            "XL_PROGRESS": "off",
            "XL_SOURCES": os.pathsep.join([str(tmp_path / "a"), "", str(tmp_path / "b")]),
        }
    )
    assert now == settings.Settings(
        models="hub",
        data=data,
        cache=tmp_path / "kept",
        progress=False,
        seed=7,
        device="cuda:1",
        threads=3,
        sources=(tmp_path / "a", tmp_path / "b"),
    )


def test_empty_variables_count_as_unset() -> None:
    assert settings.from_environment({"XL_MODELS": "", "XL_SEED": " "}).models == "mini"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("XL_MODELS", "large"),
        ("XL_SEED", "seven"),
        ("XL_SEED", "-1"),
        ("XL_SEED", "4294967296"),
        ("XL_DEVICE", "tpu"),
        ("XL_THREADS", "0"),
        ("XL_THREADS", "1.5"),
        ("XL_PROGRESS", "perhaps"),
        ("XL_DATA", "/no/such/folder"),
    ],
)
def test_bad_variable_is_refused_with_its_name(variable: str, value: str) -> None:
    with pytest.raises(settings.SettingsError) as caught:
        settings.from_environment({variable: value})
    assert variable in str(caught.value) and caught.value.remedy


def test_missing_data_folder_names_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "_PACKAGE_ROOT", tmp_path)
    with pytest.raises(settings.SettingsError, match="XL_DATA"):
        settings.current()


def test_use_changes_what_later_calls_see_and_keeps_the_rest() -> None:
    settings.use(seed=5)
    settings.use("hub", device="cpu")
    assert settings.current().models == "hub" and settings.current().seed == 5
    settings.reset()
    assert settings.current().models == "mini" and settings.current().seed == 0


@pytest.mark.parametrize(
    "change",
    [
        {"models": "huge"},
        {"seed": True},
        {"seed": 1.0},
        {"threads": 0},
        {"device": "gpu"},
        {"progress": "yes"},
    ],
)
def test_use_refuses_and_changes_nothing(change: dict[str, object]) -> None:
    before = settings.current()
    with pytest.raises(settings.SettingsError):
        settings.use(**change)  # type: ignore[arg-type]
    assert settings.current() == before


def test_xl_use_switches_and_returns_nothing() -> None:
    # A notebook shows the value of a cell's last line; this one should show none.
    assert xl.use("hub") is None  # type: ignore[func-returns-value]
    assert settings.current().models == "hub"


def test_device_of_the_mini_models_is_the_cpu_without_importing_torch() -> None:
    code = """if True:
        import sys
        import xlhelpers as xl
        print(xl.settings.device(), 'torch' in sys.modules)
    """
    assert python(code, XL_MODELS="mini", XL_DEVICE="").split() == ["cpu", "False"]


def test_asking_for_a_gpu_that_is_not_there_is_refused() -> None:
    settings.use(device="cuda:99")
    with pytest.raises(settings.SettingsError, match="cuda:99"):
        settings.device()


def test_threads_reach_torch_and_do_not_import_it() -> None:
    code = """if True:
        import sys
        import xlhelpers as xl
        told = xl.settings.apply_threads()
        import torch
        told_now = xl.settings.apply_threads()
        print(told, told_now, torch.get_num_threads())
    """
    assert python(code, XL_THREADS="1", OMP_NUM_THREADS="3").split() == ["False", "True", "1"]


def test_container_quota_limits_the_cpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "_CPU_QUOTA", tmp_path / "cpu.max")
    monkeypatch.setattr(settings, "_visible_cpus", lambda: 16)
    counts = []
    for text in ("200000 100000\n", "50000 100000\n", "max 100000\n", "", "nonsense\n"):
        (tmp_path / "cpu.max").write_text(text)
        counts.append(settings.cpus())
    (tmp_path / "cpu.max").unlink()
    assert [*counts, settings.cpus()] == [2, 1, 16, 16, 16, 16]


BLAS = """if True:
    import pathlib
    import numpy
    import xlhelpers as xl
    from threadpoolctl import threadpool_info, threadpool_limits
    threadpool_limits({before}, "blas")
    xl.settings._visible_cpus = lambda: 64
    xl.settings._CPU_QUOTA = pathlib.Path({quota!r})
    xl.settings.apply_threads()
    print(*{{pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}})
"""


@pytest.mark.parametrize(
    ("quota", "before", "after"), [("200000 100000", 4, 2), ("200000 100000", 1, 1), ("max", 4, 4)]
)
def test_in_a_container_numpy_keeps_to_the_share(
    tmp_path: Path, quota: str, before: int, after: int
) -> None:
    """numpy is imported first in a notebook, and has counted the host's CPUs by then."""
    (tmp_path / "cpu.max").write_text(f"{quota} 100000" if quota == "max" else quota)
    code = BLAS.format(before=before, quota=str(tmp_path / "cpu.max"))
    assert python(code, OPENBLAS_NUM_THREADS="4").split() == [str(after)]


def test_seed_everything_repeats_random_numpy_and_torch() -> None:
    import torch

    def draw() -> tuple[float, float, float]:
        return random.random(), float(np.random.rand()), float(torch.rand(()))

    assert settings.seed_everything(3) == 3 == settings.current().seed
    first = draw()
    assert settings.seed_everything() == 3
    assert draw() == first
    settings.seed_everything(4)
    assert draw() != first


# ── setup() ──────────────────────────────────────────────────────────────────────────────


def test_setup_is_short_and_the_same_when_run_again(capsys: pytest.CaptureFixture[str]) -> None:
    assert xl.setup() is None  # type: ignore[func-returns-value]
    first = capsys.readouterr().out
    xl.setup()
    assert capsys.readouterr().out == first
    assert 4 <= len(first.splitlines()) <= 7
    assert xl.__version__ in first and "models: mini" in first and "device: cpu" in first
    assert str(ROOT) not in first  # no path of this machine in a notebook's output


def test_setup_tells_a_bad_setting_instead_of_raising(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XL_SEED", "seven")
    settings.reset()
    xl.setup()
    out = capsys.readouterr().out
    assert "[FAIL] XL_SEED='seven'" in out and "Remedy:" in out and "all checks" not in out


def test_setup_names_a_missing_package(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    version = checks._version
    monkeypatch.setattr(checks, "_version", lambda name: "" if name == "pooch" else version(name))
    xl.setup()
    out = capsys.readouterr().out
    assert "[FAIL] pooch is not installed. Remedy: python -m pip install" in out


def test_a_package_that_is_too_old_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "_version", lambda name: "1.0")
    monkeypatch.setattr(
        checks.importlib.metadata, "requires", lambda name: ["torch>=2.11", "x; extra == 'dev'"]
    )
    assert [problem.what for problem in checks.packages()] == ["torch 1.0 does not fit torch>=2.11"]


def test_setup_with_hub_models_and_no_hub_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    settings.use("hub", device="cpu")
    xl.setup()
    assert "[FAIL] the model hub cannot be reached" in capsys.readouterr().out


def test_setup_names_the_file_that_is_not_whole(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    from xlhelpers import assets

    settings.use(data=tmp_path)
    (tmp_path / "words.txt").write_text("one two")
    assets.register(tmp_path / "words.txt", "shipped", "CC0-1.0", "a test")
    (tmp_path / "words.txt").write_text("one")
    xl.setup()
    out = capsys.readouterr().out
    assert "words.txt is truncated" in out and "course.py fetch words.txt" in out


# ── files of the hub that were fetched beforehand ────────────────────────────────────────


def test_folder_of_the_hub_is_named_found_or_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "_PACKAGE_ROOT", tmp_path / "course")
    data = {"XL_DATA": str(ROOT / "data")}
    assert settings.from_environment(data).hub_files is None
    for folder in (tmp_path / "hub-files", tmp_path / "course" / "hub-files"):
        folder.mkdir(parents=True)
        assert settings.from_environment(data).hub_files != folder, "it was never filled"
        (folder / settings.FETCHED).write_text("{}")
        assert settings.from_environment(data).hub_files == folder
        named = data | {"XL_HUB_FILES": str(folder)}
        assert settings.from_environment(named).hub_files == folder
    assert settings.from_environment(data | {"XL_HUB_FILES": "none"}).hub_files is None
    with pytest.raises(settings.SettingsError, match="XL_HUB_FILES=.* names no folder"):
        settings.from_environment(data | {"XL_HUB_FILES": str(tmp_path / "elsewhere")})


@pytest.mark.parametrize("address", ["laptop:8767", "ftp://laptop", "http://", "http://a b"])
def test_mirror_is_an_address(address: str) -> None:
    with pytest.raises(settings.SettingsError, match="no address of a mirror"):
        settings.from_environment({"XL_MIRROR": address})


def test_mirror_is_kept_without_a_slash_at_its_end() -> None:
    found = settings.from_environment({"XL_MIRROR": "http://192.168.1.5:8767/"})
    assert found.mirror == "http://192.168.1.5:8767"
