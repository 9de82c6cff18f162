"""The commands behind course.py: each on made-up notebooks and environments."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nbformat
import pytest
from nbformat import v4

from xlhelpers import __main__, commands
from xlhelpers.commands import _execute, _stamp, doctor, lab, run
from xlhelpers.commands import test as test_command

KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}


def notebook(folder: Path, *cells: Any, name: str = "01_made_up") -> Path:
    """Write a notebook of code (text) and other cells."""
    made = [v4.new_code_cell(c) if isinstance(c, str) else c for c in cells]
    path = folder / f"{name}.ipynb"
    nbformat.write(v4.new_notebook(cells=made, metadata={"kernelspec": KERNEL}), path)
    return path


# ------------------------------------------------------------------------------ dispatch


def test_every_command_has_a_module(root: Path) -> None:
    folder = root / "xlhelpers" / "commands"
    modules = {path.stem for path in folder.glob("*.py") if not path.stem.startswith("_")}
    assert modules == set(commands.COMMANDS)


def test_dispatch(capsys: pytest.CaptureFixture[str]) -> None:
    assert __main__.main([]) == 2
    assert __main__.main(["--help"]) == 0
    out = capsys.readouterr().out
    assert all(out.count(name) >= 2 for name in commands.COMMANDS)
    assert __main__.main(["fly"]) == 2
    assert "there are: lab" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (commands.CommandError("no such thing", "name another"), 1, "Remedy: name another"),
        (KeyboardInterrupt(), 130, "Stopped"),
    ],
)
def test_errors_of_the_course_are_sentences(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    status: int,
    said: str,
) -> None:
    def fail(argv: list[str]) -> int:
        raise error

    monkeypatch.setattr(doctor, "main", fail)
    assert __main__.main(["doctor"]) == status
    assert said in capsys.readouterr().err


def test_no_command_imports_anything_heavy(root: Path) -> None:
    code = (
        "import sys, xlhelpers.__main__, xlhelpers.commands.doctor, xlhelpers.commands.lab;"
        "print({'numpy', 'torch', 'jupyterlab', 'nbclient', 'psutil'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)
    assert done.stdout.strip() == "set()", done.stderr


def test_find_notebooks(tmp_path: Path) -> None:
    one, four = notebook(tmp_path, name="01_alignment"), notebook(tmp_path, name="04_zero_shot")
    notebook(tmp_path, name="scratch")
    assert commands.find_notebooks([], tmp_path) == [one, four]
    for name in ("4", "04", "04_zero_shot", "notebooks/04_zero_shot.ipynb"):
        assert commands.find_notebooks([name], tmp_path) == [four]
    assert commands.find_notebooks(["04", "4", "1"], tmp_path) == [one, four]
    with pytest.raises(commands.CommandError, match="01_alignment, 04_zero_shot"):
        commands.find_notebooks(["5"], tmp_path)
    with pytest.raises(commands.CommandError, match="holds no notebook"):
        commands.find_notebooks([], tmp_path / "empty")


def test_environments() -> None:
    calm = commands.quiet_environment({"OMP_NUM_THREADS": "1"})
    assert calm["OMP_NUM_THREADS"] == "1" and calm["TOKENIZERS_PARALLELISM"] == "false"
    assert commands.quiet_environment({"OMP_NUM_THREADS": "1"}, 3)["OMP_NUM_THREADS"] == "3"
    assert commands.quiet_environment({"XL_THREADS": "4"})["OMP_NUM_THREADS"] == "4"
    kernel = commands.kernel_environment({"MPLBACKEND": "Agg"})
    assert kernel["MPLBACKEND"] == "module://matplotlib_inline.backend_inline"
    assert kernel["HF_HUB_OFFLINE"] == "1"
    assert "HF_HUB_OFFLINE" not in commands.kernel_environment({"XL_MODELS": "hub"})


# ------------------------------------------------------------------------------ lab


def test_lab_command(root: Path) -> None:
    line = lab.command(["--no-browser", "--port=9"], superuser=False)
    assert line[0] == sys.executable and f"--ServerApp.root_dir={root}" in line
    assert "--LabApp.default_url=/lab/tree/notebooks" in line
    assert line[-2:] == ["--no-browser", "--port=9"] and "--allow-root" not in line
    assert "--allow-root" in lab.command([], superuser=True)
    opened = lab.command(["notebooks/01_alignment.ipynb"], superuser=False)
    assert not any("default_url" in argument for argument in opened)


def test_lab_shows_no_news_and_leaves_the_users_settings_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from jupyterlab_server.settings_utils import _get_overrides

    monkeypatch.setenv("JUPYTER_CONFIG_PATH", "")
    before = _get_overrides(str(tmp_path))[0].get("@jupyterlab/apputils-extension:notification")
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", lab.environment({})["JUPYTER_CONFIG_PATH"])
    overrides, error = _get_overrides(str(tmp_path))
    notification = overrides["@jupyterlab/apputils-extension:notification"]
    assert not error and notification["fetchNews"] == "false" and notification != before


def test_lab_keeps_the_users_own_paths() -> None:
    made = lab.environment({"JUPYTER_CONFIG_PATH": "/mine", "MPLBACKEND": "Agg"})
    assert made["JUPYTER_CONFIG_PATH"].split(os.pathsep)[-1] == "/mine"
    assert "MPLBACKEND" not in made


# ------------------------------------------------------------------------------ execution


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> _execute.Execution:
    """One notebook with all that can go wrong in cells, run once for all tests below."""
    folder = tmp_path_factory.mktemp("notebooks")
    path = notebook(
        folder,
        v4.new_markdown_cell("# Title\n\nTakes <!--=notebook.minutes-->9.9 min<!--/-->."),
        "import os\nprint(os.getcwd(), os.environ['XL_TEST'])",
        "1 / 0",
        "big = bytearray(200_000_000)\nfor i in range(0, len(big), 4096): big[i] = 1\n"
        "import time; time.sleep(0.4)",
        "",
        v4.new_code_cell("int('x')", metadata={"tags": ["raises-exception"]}),
        "import ipywidgets as w\nw.HTML('<b>x</b>')",
        "import matplotlib.pyplot as plt\nplt.plot([1, 2]);",
        "print('still here')",
    )
    environment = commands.kernel_environment({**os.environ, "XL_TEST": "passed on"})
    return _execute.execute(path, environment, timeout=60)


def test_a_failing_cell_is_noted_and_the_rest_runs(executed: _execute.Execution) -> None:
    assert executed.failures == ["cell 2: ZeroDivisionError: division by zero"]
    assert executed.node.cells[-1].outputs[0].text == "still here\n"


def test_cells_run_in_the_notebooks_folder_and_environment(executed: _execute.Execution) -> None:
    text = executed.node.cells[1].outputs[0].text
    assert text.split()[1:] == ["passed", "on"]
    assert Path(text.split()[0]).resolve() == executed.notebook.parent.resolve()


def test_time_and_memory_are_taken(executed: _execute.Execution) -> None:
    assert 0.5 < executed.seconds < 60
    assert 200e6 < executed.peak < 1.5e9


HOLDS_300_MB = """
kept = b"x" * 300_000_000
print("there", flush=True)
if "drop" in __import__("sys").argv:
    del kept
    print("gone", flush=True)
input()
"""


def holder(*arguments: str) -> subprocess.Popen[str]:
    """A process that has taken 300 MB, and given them back where it is told to drop them."""
    line = [sys.executable, "-c", HOLDS_300_MB, *arguments]
    made = subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert made.stdout is not None
    for _ in range(1 + len(arguments)):
        made.stdout.readline()
    return made


def test_what_takes_too_much_memory_is_ended() -> None:
    with holder() as process:
        watch = _execute.Memory(process.pid, limit=200e6)
        watch.start()
        assert process.wait(10) != 0
        assert watch.stop() > 300e6 and watch.crossed


def test_what_stays_below_is_left_alone() -> None:
    with holder() as process:
        watch = _execute.Memory(process.pid, limit=900e6)
        watch.start()
        time.sleep(3 * _execute.POLL_SECONDS)
        assert 300e6 < watch.stop() < 900e6 and not watch.crossed
        process.communicate("\n", timeout=10)
        assert process.returncode == 0


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux keeps this record")
def test_memory_that_came_and_went_between_two_looks_counts() -> None:
    with holder("drop") as process:
        assert _execute.resident(process.pid) < 200e6 < 300e6 < _execute.summit(process.pid)
        watch = _execute.Memory(process.pid)
        watch.start()
        assert watch.stop() > 300e6
        process.communicate("\n", timeout=10)


def test_figures_are_inline(executed: _execute.Execution) -> None:
    assert "image/png" in executed.node.cells[-2].outputs[0].data


def test_a_cell_that_takes_too_long_is_interrupted(tmp_path: Path) -> None:
    path = notebook(tmp_path, "import time\ntime.sleep(60)", "print('next')")
    start = time.monotonic()
    done = _execute.execute(path, commands.kernel_environment(os.environ), timeout=1)
    assert time.monotonic() - start < 30
    assert len(done.failures) == 1 and "cell 1: KeyboardInterrupt" in done.failures[0]
    assert done.node.cells[1].outputs[0].text == "next\n"


def test_a_kernel_that_dies_is_noted(tmp_path: Path) -> None:
    path = notebook(tmp_path, "import os\nos._exit(1)", "print('never')")
    done = _execute.execute(path, commands.kernel_environment(os.environ), timeout=30)
    assert done.failures == ["the kernel died (memory, or a crash in a compiled library)"]


def test_progress_lines_and_bar() -> None:
    plain = io.StringIO()
    progress = _execute.Progress("01_x", 2, plain)
    progress.begin()
    progress.end()
    progress.close()
    assert plain.getvalue() == "01_x: cell 1/2, 0.0 s\n"

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    drawn = Terminal()
    progress = _execute.Progress("01_x", 2, drawn)
    progress.begin()
    progress.end()
    progress.close()
    assert "[............" in drawn.getvalue() and drawn.getvalue().endswith("1/2 cells, 0 s \n")


# ------------------------------------------------------------------------------ stamp


def test_stamped_notebook(executed: _execute.Execution, tmp_path: Path) -> None:
    before = nbformat.writes(executed.node)
    node = _stamp.stamped(executed.node, lambda text: text.replace("9.9", "0.1"))
    assert nbformat.writes(executed.node) == before  # what was executed is left as it was
    assert "<!--=notebook.minutes-->0.1 min<!--/-->" in node.cells[0].source
    assert node.metadata == {
        "kernelspec": _stamp.KERNEL,
        "language_info": {"name": "python"},
    }
    text = nbformat.writes(node)
    assert "widget-view" not in text and "iopub" not in text
    assert node.cells[6].outputs == []  # only the widget's expression was left
    assert "image/png" in node.cells[7].outputs[0].data
    target = tmp_path / "01_x.ipynb"
    _stamp.write(node, target)
    assert nbformat.read(target, as_version=4) == node
    assert target.read_text(encoding="utf-8").endswith("}\n") and len(os.listdir(tmp_path)) == 1


def test_a_widgets_fallback_is_kept() -> None:
    data = {_stamp.WIDGET: {"model_id": "x"}, "text/plain": "HBox()", "text/html": "<p>a</p>"}
    kept = _stamp.without_widget(v4.new_output("display_data", data=data))
    assert set(kept.data) == {"text/plain", "text/html"}
    stream = v4.new_output("stream", name="stdout", text="x")
    assert _stamp.without_widget(stream) is stream


def test_a_notebooks_cost_goes_into_its_row_of_the_readme() -> None:
    page = "| | notebook | minutes | memory |\n| 01 | [a](b) | x | y |\n| 02 | c | *to come* | |\n"
    filled = _stamp.readme_row(page, "01", "0.7", "0.8 GB")
    assert "| 01 | [a](b) | 0.7 | 0.8 GB |\n| 02 | c | *to come* | |" in filled
    assert _stamp.readme_row(filled, "07", "1", "1 GB") == filled


def test_the_cover_is_the_figure_of_the_tagged_cell() -> None:
    html = '<figure><img alt="a" src="data:image/png;base64,iVBORw=="></figure>'
    figure = v4.new_output("display_data", data={"text/html": html})
    tagged = v4.new_code_cell("x", outputs=[figure], metadata={"tags": ["cover"]})
    plain = v4.new_code_cell("x", outputs=[figure])
    assert _stamp.cover(v4.new_notebook(cells=[plain, tagged])) == b"\x89PNG"
    assert _stamp.cover(v4.new_notebook(cells=[plain])) is None


def test_an_invalid_notebook_is_not_written(tmp_path: Path) -> None:
    target = tmp_path / "01_x.ipynb"
    target.write_text("as before")
    node = v4.new_notebook(cells=[v4.new_code_cell("1")])
    node.cells[0].outputs = [{"output_type": "stream"}]
    with pytest.raises(nbformat.ValidationError):
        _stamp.write(node, target)
    assert target.read_text() == "as before"


# ------------------------------------------------------------------------------ run


@pytest.fixture
def course_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Notebooks, data and build folders of its own."""
    folder = tmp_path / "notebooks"
    folder.mkdir()
    data = tmp_path / "data"
    data.mkdir()
    (data / "claims.toml").write_text(
        '[[notebook]]\nid = "01"\nprefix = "alignment"\n'
        '[[measure]]\nkey = "alignment.p1"\nunit = "%"\ndigits = 0\ntolerance = 2.0\n'
        'what = "held-out P@1"\n'
        '[[claim]]\nid = "a"\nnotebook = "01"\narticle = "§2"\nwording = "It works."\n'
        'published = "81 %"\nsource = "A (2018)"\nverdict = "right"\ncomment = ""\n'
        'measures = ["alignment.p1"]\n'
    )
    monkeypatch.setenv("XL_DATA", str(data))
    monkeypatch.setenv("XL_RECORDS", str(tmp_path / "records"))
    monkeypatch.setattr(run, "HTML", tmp_path / "html")
    find = commands.find_notebooks
    monkeypatch.setattr(run, "find_notebooks", lambda names: find(names, folder))
    yield folder


RECORD = "import xlhelpers as xl\nxl.claims.record('alignment.p1', 41.2)"
PROSE = "# T\n\nIt reaches <!--=alignment.p1-->99 %<!--/-->, <!--=notebook.memory-->9 GB<!--/-->."


def test_run_writes_html_and_prints_cost_and_claims(
    course_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = notebook(course_folder, v4.new_markdown_cell(PROSE), RECORD)
    before = path.read_bytes()
    assert run.main(["01"]) == 0
    out = capsys.readouterr().out
    assert "01_made_up: 0." in out and "peak memory 0." in out
    assert "claim" in out and "It works. [" in out and "81 %" in out
    assert "held-out P@1: 41 %" in out
    assert path.read_bytes() == before  # only --stamp writes notebooks back
    assert "It reaches" in (course_folder.parent / "html" / "01_made_up.html").read_text("utf-8")


def test_run_with_stamp_refills_the_prose(course_folder: Path) -> None:
    path = notebook(course_folder, v4.new_markdown_cell(PROSE), RECORD)
    assert run.main(["--stamp"]) == 0
    source = nbformat.read(path, as_version=4).cells[0].source
    assert "<!--=alignment.p1-->41 %<!--/-->" in source
    assert "<!--=notebook.memory-->0." in source


def test_run_goes_on_after_a_failure_and_says_so(
    course_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = notebook(course_folder, "1 / 0", name="01_bad")
    notebook(course_folder, "print(1)", name="02_good")
    before = bad.read_bytes()
    assert run.main(["--stamp", "--threads", "1"]) == 1
    out = capsys.readouterr().out
    assert "FAILED cell 1: ZeroDivisionError" in out and "02_good: 0." in out
    assert "1 of 2 notebooks failed: 01_bad" in out
    assert bad.read_bytes() == before  # a notebook with a failure is not stamped


def test_records_of_an_earlier_run_are_not_shown(
    course_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    notebook(course_folder, RECORD)
    run.main([])
    notebook(course_folder, "print('measures nothing now')")
    run.main([])
    assert "41 %" not in capsys.readouterr().out.rpartition("01_made_up: ")[2]


def test_table_keeps_its_width() -> None:
    row = {
        "wording": "a long wording " * 8,
        "verdict": "wrong",
        "published": "p",
        "source": "",
        "measured": "one: 1\ntwo: 2",
    }
    lines = run.table([row], width=60)
    assert max(map(len, lines)) <= 60
    assert lines[0].split() == ["claim", "·", "published", "·", "measured", "here"]
    assert run.table([]) == []


# ------------------------------------------------------------------------------ test


def test_phases_of_everything(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    book = notebook(tmp_path)
    monkeypatch.setattr(test_command, "find_notebooks", lambda: [book])
    unit, books, lint = test_command.phases(["-x"], {"MPLBACKEND": "pdf", "HF_ENDPOINT": "h"})
    assert "tests" in unit.arguments and unit.arguments[-1] == "-x"
    assert "--nbval-lax" in books.arguments and str(book) in books.arguments
    assert lint.arguments[0].endswith(os.path.join("tests", "notebooks"))
    assert lint.environment["XL_RECORDS"] == books.environment["XL_RECORDS"]
    assert unit.environment["XL_RECORDS"] != books.environment["XL_RECORDS"]
    assert unit.environment["MPLBACKEND"] == "Agg"
    assert unit.environment["HF_ENDPOINT"].startswith("http://127.0.0.1")
    assert books.environment["MPLBACKEND"].startswith("module://")
    assert books.environment["HF_HUB_OFFLINE"] == "1"
    assert "HF_HUB_OFFLINE" not in unit.environment  # loopback hubs answer in these


@pytest.mark.parametrize(
    ("cores", "gigabytes", "tests", "books", "threads"),
    [
        (1, 16, 0, 0, "2"),
        (2, 16, 2, 0, "1"),
        (4, 16, 2, 2, "2"),
        (8, 16, 2, 2, "4"),
        (4, 3, 0, 0, "2"),
    ],
)
def test_as_many_at_once_as_the_machine_bears(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    cores: int,
    gigabytes: int,
    tests: int,
    books: int,
    threads: str,
) -> None:
    import psutil

    free = SimpleNamespace(available=gigabytes * 10**9)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: free)
    monkeypatch.setattr(test_command, "cores", lambda: cores)
    monkeypatch.setattr(test_command, "find_notebooks", lambda: [notebook(tmp_path)] * 2)
    unit, kernels, _ = test_command.phases([], {})
    for phase, count in ((unit, tests), (kernels, books)):
        at_once = ("-n", str(count), "--dist=loadfile")
        assert (set(at_once) <= set(phase.arguments)) == bool(count)
    assert unit.environment["OMP_NUM_THREADS"] == threads
    for own in ("XL_THREADS", "OMP_NUM_THREADS"):
        unit, *_ = test_command.phases([], {own: "3"})
        assert unit.environment["OMP_NUM_THREADS"] == "3"


@pytest.mark.parametrize(
    ("models", "gpu", "expected"),
    [("mini", False, 1), ("", False, 1), ("hub", False, 0), ("", True, 0)],
)
def test_kernels_have_the_memory_of_binder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, models: str, gpu: bool, expected: int
) -> None:
    """Real models may take more, and so may a torch that brings the libraries of a GPU."""
    monkeypatch.setattr(test_command, "find_notebooks", lambda: [notebook(tmp_path)])
    monkeypatch.setattr(test_command, "torch_has_gpu_libraries", lambda: gpu)
    _, books, _ = test_command.phases([], {"XL_MODELS": models})
    assert books.arguments.count(f"--kernel-memory={test_command.KERNEL_GB}") == expected
    assert float(test_command.KERNEL_GB) < 2  # that of JupyterLab's server comes on top


def test_a_notebook_whose_kernel_was_ended_for_its_memory_fails(tmp_path: Path) -> None:
    from xlhelpers.commands import _nbval_cost

    def after_a_cell(watch: Any) -> None:
        _nbval_cost._started[tmp_path] = (0.0, watch)
        cell = SimpleNamespace(path=tmp_path)
        try:
            step = _nbval_cost.pytest_runtest_teardown(cell, nextitem=cell)
            next(step)
            next(step, None)
        finally:
            del _nbval_cost._started[tmp_path]

    watch = _execute.Memory(os.getpid(), limit=1.75e9)
    after_a_cell(watch)
    watch.crossed, watch.peak = True, 1_900_000_000
    with pytest.raises(pytest.fail.Exception, match=r"more than 1.75 GB \(1.90 GB\)"):
        after_a_cell(watch)


def test_phases_of_named_paths() -> None:
    (only,) = test_command.phases(["tests/unit/test_commands.py::test_dispatch", "-q"], {})
    assert only.arguments == ("tests/unit/test_commands.py::test_dispatch", "-q")
    assert [p.name for p in test_command.phases(["tests/unit"], {})] == ["unit tests"]
    (only,) = test_command.phases(["tests/unit", "-k", "docs", "-x"], {})
    assert only.arguments == ("tests/unit", "-k", "docs", "-x"), "a word, and a folder of ours"


def test_counts_and_closing_line(tmp_path: Path) -> None:
    suite = ElementTree.Element("testsuite", tests="9", failures="1", errors="1", skipped="2")
    top = ElementTree.Element("testsuites")
    top.append(suite)
    ElementTree.ElementTree(top).write(tmp_path / "r.xml")
    outcome = test_command.counted(test_command.Outcome("x", 1, 2.5), tmp_path / "r.xml")
    assert (outcome.passed, outcome.failed, outcome.errors, outcome.skipped) == (5, 1, 1, 2)
    line = test_command.closing_line([outcome, test_command.Outcome("y", 0, 1.0, passed=2)])
    assert line.strip("= ") == "1 failed, 7 passed, 2 skipped, 1 errors in 3.50s"
    assert len(line) == 80


def test_status() -> None:
    good = test_command.Outcome("x", 0, 1.0, passed=3)
    nothing = test_command.Outcome("y", 5, 1.0)
    assert test_command.status([good, nothing]) == 0
    assert test_command.status([nothing]) == 1  # nothing ran: that is no success
    assert test_command.status([good, test_command.Outcome("z", 1, 1.0, failed=1)]) == 1
    assert test_command.status([good, test_command.Outcome("crash", 3, 1.0)]) == 1


def test_a_notebook_under_nbval_fails_and_is_measured(course_folder: Path, root: Path) -> None:
    checked = v4.new_code_cell("# NBVAL_CHECK_OUTPUT\nprint(2 + 2)")
    checked.outputs = [v4.new_output("stream", name="stdout", text="5\n")]
    good = notebook(course_folder, RECORD, name="01_good")
    bad = notebook(course_folder, checked, name="02_bad")
    line = [sys.executable, "-m", "pytest", "-c", str(root / "pyproject.toml"), "-q"]
    line += ["-p", "xlhelpers.commands._nbval_cost", "-p", "no:cacheprovider", "--nbval-lax"]
    line += ["--nbval-current-env", f"--rootdir={course_folder}", str(good), str(bad)]
    environment = {**commands.kernel_environment(os.environ), "PYTHONPATH": str(root)}
    done = subprocess.run(line, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1 and "1 failed, 1 passed" in done.stdout, done.stdout
    records = json.loads((course_folder.parent / "records" / "01.json").read_text())
    assert set(records) == {"alignment.p1", "notebook.memory", "notebook.minutes"}
    assert 0.02 < records["notebook.memory"]["value"] < 2


# ------------------------------------------------------------------------------ doctor


def test_doctor_findings_have_marks_and_remedies() -> None:
    assert str(doctor.Finding(True, "fine")) == "[OK]   fine"
    bad = str(doctor.Finding(False, "broken", "mend it"))
    assert bad.startswith("[FAIL] broken") and "Remedy: mend it" in bad


def test_doctor_survives_whatever_a_check_raises() -> None:
    def explodes() -> Iterator[doctor.Finding]:
        raise RuntimeError("boom")
        yield

    def lacks() -> Iterator[doctor.Finding]:
        yield doctor.Finding(True, "first")
        raise ModuleNotFoundError("No module named 'torch'", name="torch")

    (finding,) = doctor.examined(explodes)
    assert not finding.ok and "explodes: RuntimeError: boom" in finding.text and finding.remedy
    (finding,) = doctor.examined(lacks)
    assert not finding.ok and "torch is not installed" in finding.text


def test_doctor_without_any_package(root: Path, tmp_path: Path) -> None:
    """As on a machine where nothing is installed yet: no traceback, remedies, exit status 1."""
    base = getattr(sys, "_base_executable", None) or sys.executable
    hidden = {"CONDA_PREFIX", "VIRTUAL_ENV", "PYTHONPATH"}
    environment = {k: v for k, v in os.environ.items() if k not in hidden}
    line = [base, "-S", "-m", "xlhelpers", "doctor"]
    done = subprocess.run(line, cwd=root, env=environment, capture_output=True, text=True)
    assert done.returncode == 1 and "Traceback" not in done.stdout + done.stderr
    failed = [x for x in done.stdout.splitlines() if x.startswith("[FAIL]")]
    assert len(failed) >= 3 and done.stdout.count("Remedy:") >= len(failed)
    assert "packages missing" in done.stdout and "python3 course.py install" in done.stdout


def test_doctor_exit_status(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def good() -> Iterator[doctor.Finding]:
        yield doctor.Finding(True, "good")

    def bad() -> Iterator[doctor.Finding]:
        yield doctor.Finding(False, "bad", "remedy")

    monkeypatch.setattr(doctor, "CHECKS", (good,))
    assert doctor.main([]) == 0 and "All is well" in capsys.readouterr().out
    monkeypatch.setattr(doctor, "CHECKS", (good, bad, good))
    assert doctor.main([]) == 1 and "1 thing(s)" in capsys.readouterr().out
    assert doctor.main(["--fast"]) == 2


def test_doctor_compares_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "direct_requirements", lambda: ["torch", "numpy"])
    monkeypatch.setattr(doctor, "tested_versions", lambda: {"torch": "2.13.0", "numpy": "2.4.6"})
    have = {"torch": "2.13.0+cpu", "numpy": "2.4.6"}
    monkeypatch.setattr(doctor, "metadata_version", have.get)
    (finding,) = doctor.packages()
    assert finding.ok and "constraints.txt" in finding.text
    have["numpy"] = "2.1.0"
    (finding,) = doctor.packages()
    assert "numpy 2.1.0 (tested: 2.4.6)" in finding.text
    del have["numpy"]
    (finding,) = doctor.packages()
    assert not finding.ok and finding.text == "packages missing: numpy"


def test_doctor_names_damaged_data(monkeypatch: pytest.MonkeyPatch) -> None:
    from xlhelpers import assets

    bad = assets.Check("vectors/de.npz", False, "vectors/de.npz is altered", "python3 course.py x")
    monkeypatch.setattr(assets, "verify_all", lambda: [assets.Check("a", True), bad])
    (finding,) = doctor.data()
    assert not finding.ok and "de.npz" in finding.text and "course.py x" in finding.remedy


@pytest.mark.parametrize("models", ["mini", "hub"])
def test_doctor_asks_the_hub_only_when_it_is_on(
    monkeypatch: pytest.MonkeyPatch, models: str
) -> None:
    from xlhelpers import settings

    monkeypatch.setenv("XL_MODELS", models)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    settings.reset()
    (finding,) = doctor.models()
    assert finding.ok is (models == "mini")
    assert ("cannot be reached" in finding.text) is (models == "hub")


# ------------------------------------------------------------------------------ files


def test_conda_brings_what_course_py_would_add(root: Path) -> None:
    import tomllib

    import yaml

    described = yaml.safe_load((root / "environment.yml").read_text())["dependencies"]
    conda = {x.split(">")[0].split("=")[0] for x in described if isinstance(x, str)}
    (pip,) = [x["pip"] for x in described if isinstance(x, dict)]
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    lab_extra = {x.split(">")[0] for x in project["optional-dependencies"]["lab"]}
    assert lab_extra <= conda
    assert {"-c constraints.txt", "-e ."} <= set(pip)
    assert any("whl/cpu" in line for line in pip)


def test_workflow_runs_on_three_systems(root: Path) -> None:
    import yaml

    flow = yaml.safe_load((root / ".github" / "workflows" / "ci.yml").read_text())
    triggers = flow[True]  # YAML 1.1 reads the key `on` as true
    assert triggers["push"]["branches"] == ["main"]
    systems = {x.split("-")[0] for x in flow["jobs"]["test"]["strategy"]["matrix"]["os"]}
    assert systems == {"ubuntu", "macos", "windows"}
    said = {
        name: [step.get("run", "") for step in job["steps"]] for name, job in flow["jobs"].items()
    }
    assert "python course.py test --colab" in said["colab-floor"]  # no paths: every notebook
    (inside,) = [line for line in said["binder"] if line.startswith("docker run")]
    assert "--memory 2g --memory-swap 2g" in inside and inside.endswith("python course.py run")


def test_colab_floor_is_within_our_ranges(root: Path) -> None:
    import tomllib

    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    bounds = dict(line.split(">=") for line in project["dependencies"])
    lines = (root / "constraints-colab.txt").read_text().splitlines()
    floor = dict(x.split("==") for x in lines if "==" in x)
    assert floor.pop("datasets"), "a neighbour, which we do not import"
    assert len(floor) >= 7

    def numbers(version: str) -> list[int]:
        return [int(part) for part in version.removesuffix(".*").split(".")]

    too_new = [n for n, v in floor.items() if numbers(bounds[n]) > numbers(v)]
    assert too_new == []
