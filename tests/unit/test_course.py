"""course.py: made-up projects with a pip that only pretends, in real virtual environments."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
import tomllib
import venv as venv_module
from collections.abc import Callable, Iterator
from functools import cache
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

BASE = getattr(sys, "_base_executable", None) or sys.executable
VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"

PYPROJECT = """[project]
name = "xlhelpers"
version = "0"
dependencies = ["numpy>=2.1"]
[project.optional-dependencies]
lab = ["jupyterlab>=4"]
hub = ["pyarrow>=17"]
dev = ["pytest>=8"]
serve = ["ray[serve]>=2"]
build = []
"""

# Logs what it was asked; "installs" by writing what a package leaves behind.
PIP = """
import os, sys, sysconfig, time
args = sys.argv[1:]
if args[0] == "config":
    sys.exit(0)
with open(os.environ["PIP_LOG"], "a") as log:
    log.write(" ".join(args) + "\\n")
time.sleep(float(os.environ.get("PIP_SLEEP", "0")))
message = os.environ.get("PIP_FAILS")
if message:
    print(message)
    sys.exit(1)
for option in ("--wheel-dir", "--dest"):
    if option in args:
        folder = args[args.index(option) + 1]
        names = {"wheel": ("numpy", "pexpect"), "download": ("pywinpty",)}[args[0]]
        for name in names:
            with open(os.path.join(folder, name + "-2.4.6-py3-none-any.whl"), "w") as wheel:
                wheel.write("x" * 1000000)
        sys.exit(0)
site = sysconfig.get_paths()["purelib"]
for name in ("numpy-2.4.6", "jupyterlab-4.6.6"):
    folder = os.path.join(site, name + ".dist-info")
    os.makedirs(folder, exist_ok=True)
    open(os.path.join(folder, "RECORD"), "w").close()
"""

# Stands for `python -m xlhelpers`: says what it got, exits as the last argument says.
PACKAGE = """
import sys
print("handed over:", *sys.argv[1:])
last = sys.argv[-1]
sys.exit(int(last[5:]) if last.startswith("exit=") else 0)
"""


class Project:
    """A copy of course.py beside a tiny package, and a pip that only pretends."""

    def __init__(self, folder: Path, root: Path) -> None:
        self.root = folder / "project"
        self.log = folder / "pip.log"
        self.venv = self.root / ".venv"
        (self.root / "xlhelpers").mkdir(parents=True)
        shutil.copy(root / "course.py", self.root)
        (self.root / "pyproject.toml").write_text(PYPROJECT)
        (self.root / "constraints.txt").write_text("# tested\nnumpy==2.4.6\njupyterlab==4.6.6\n")
        (self.root / "xlhelpers" / "__init__.py").write_text("")
        (self.root / "xlhelpers" / "__main__.py").write_text(PACKAGE)
        fake = folder / "fake" / "pip"
        fake.mkdir(parents=True)
        (fake / "__init__.py").write_text("")
        (fake / "__main__.py").write_text(PIP)
        unset = (
            "CONDA_PREFIX",
            "VIRTUAL_ENV",
            "PIP_INDEX_URL",
            "PIP_NO_INDEX",
            "COLAB_RELEASE_TAG",
            "XL_WHEELS",
        )
        self.environment = {k: v for k, v in os.environ.items() if k not in unset}
        self.environment |= {
            "PYTHONPATH": str(fake.parent),
            "PIP_LOG": str(self.log),
            "PIP_NO_INDEX": "1",  # no index is asked, so no network is needed
        }

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Start course.py with the Python outside all virtual environments."""
        line = [BASE, str(self.root / "course.py"), *arguments]
        pipe = subprocess.PIPE
        variables = {**self.environment, **environment}
        return subprocess.Popen(
            line, stdout=pipe, stderr=pipe, env=variables, text=True, cwd=self.root.parent
        )

    def run(self, *arguments: str, **environment: str) -> tuple[int, str, str]:
        """Run course.py to its end: exit status, stdout, stderr."""
        process = self.start(*arguments, **environment)
        out, err = process.communicate(timeout=120)
        return process.returncode, out, err

    def pip_calls(self, command: str = "install") -> list[str]:
        """The installations that pip was asked for so far, or other things."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [line for line in lines if line.startswith(f"{command} ")]

    def make_venv(self) -> Path:
        """A real virtual environment, quickly: without pip, which is pretended anyway."""
        venv_module.EnvBuilder(symlinks=os.name != "nt").create(self.venv)
        return self.venv


@pytest.fixture
def project(tmp_path: Path, root: Path) -> Project:
    return Project(tmp_path, root)


def load(file: Path) -> ModuleType:
    """course.py as a module of its own."""
    spec = importlib.util.spec_from_file_location("course_under_test", file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def course(project: Project, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The project's course.py, loaded."""
    unset = ("CONDA_PREFIX", "PIP_INDEX_URL", "PIP_NO_INDEX", "XL_TORCH_INDEX", "XL_WHEELS")
    for name in unset:
        monkeypatch.delenv(name, raising=False)
    return load(project.root / "course.py")


@pytest.fixture
def installed(project: Project, course: ModuleType) -> Path:
    """A .venv as a complete installation leaves it."""
    venv = project.make_venv()
    packages = course.site_packages(venv, VERSION)
    for name in ("numpy-2.4.6", "jupyterlab-4.6.6"):
        (packages / f"{name}.dist-info").mkdir()
        (packages / f"{name}.dist-info" / "RECORD").write_text("")
    course.write_stamp(venv, ["lab"])
    return venv


# ------------------------------------------------------------------------------ as a whole


def test_first_run_installs_second_installs_nothing(project: Project) -> None:
    status, out, err = project.run("run", "01", "--stamp")
    assert (status, out.strip()) == (0, "handed over: run 01 --stamp"), err
    assert "Making .venv" in err and "Traceback" not in err
    (call,) = project.pip_calls()
    assert "constraints.txt" in call and f"-e {project.root}[lab]" in call
    assert json.loads((project.venv / ".course-stamp.json").read_text())["extras"] == ["lab"]

    status, out, err = project.run("run", "04")
    assert (status, out.strip(), err) == (0, "handed over: run 04", "")
    assert len(project.pip_calls()) == 1


def test_second_run_starts_at_once(project: Project, installed: Path, course: ModuleType) -> None:
    def seconds(call: Callable[[], Any]) -> float:
        start = time.perf_counter()
        call()
        return time.perf_counter() - start

    line = [str(course.venv_python(installed)), "-m", "xlhelpers", "run"]
    direct = min(
        seconds(lambda: subprocess.run(line, cwd=project.root, capture_output=True, check=True))
        for _ in range(3)
    )
    through = min(seconds(lambda: project.run("run")) for _ in range(3))
    assert project.pip_calls() == []
    assert through - direct < 0.5


@pytest.mark.parametrize("status", [0, 1, 7])
def test_exit_status_is_passed_on(project: Project, installed: Path, status: int) -> None:
    assert project.run("lab", f"exit={status}")[0] == status


def test_exit_status_is_passed_on_without_exec(
    course: ModuleType, monkeypatch: pytest.MonkeyPatch, project: Project
) -> None:
    monkeypatch.chdir(project.root)
    assert course.hand_over(sys.executable, "run", ["exit=5"], replace=False) == 5  # as on Windows


def test_more_packages_are_added_for_a_command_that_needs_them(
    project: Project, installed: Path
) -> None:
    status, out, err = project.run("test", "-k", "x")
    assert (status, out.strip()) == (0, "handed over: test -k x")
    assert "Installing what is missing" in err
    assert project.pip_calls()[0].endswith("[dev,lab,serve] --disable-pip-version-check")
    project.run("lab")  # what was added stays: the next command finds all it needs
    assert len(project.pip_calls()) == 1


def test_no_network_is_said_at_once(project: Project) -> None:
    start = time.monotonic()
    status, out, err = project.run(
        "lab", PIP_NO_INDEX="", PIP_INDEX_URL="http://127.0.0.1:9/simple"
    )
    assert status == 3 and out == ""
    assert err.startswith("No network: 127.0.0.1 cannot be reached")
    assert "Traceback" not in err and time.monotonic() - start < 5
    assert project.pip_calls() == [] and not project.venv.exists()


def test_a_network_that_goes_while_pip_works(project: Project) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        index = f"http://127.0.0.1:{server.getsockname()[1]}/simple"
        status, _, err = project.run(
            "lab", PIP_NO_INDEX="", PIP_INDEX_URL=index, PIP_FAILS="NewConnectionError(...)"
        )
    assert status == 3 and "No network" in err and "Traceback" not in err
    assert not (project.venv / ".course-stamp.json").exists()


def test_offline_is_fine_once_installed(project: Project, installed: Path) -> None:
    status, _, err = project.run("lab", PIP_NO_INDEX="", PIP_INDEX_URL="http://127.0.0.1:9/simple")
    assert (status, err) == (0, "")


def test_a_failed_installation_is_taken_up_again(project: Project) -> None:
    status, _, err = project.run("lab", PIP_FAILS="ERROR: something odd")
    assert status == 1 and "something odd" in err and "install.log" in err
    status, _, err = project.run("lab")
    assert status == 0 and "Installing what is missing in .venv" in err


def test_two_at_once_install_once(project: Project) -> None:
    first, second = project.start("lab", PIP_SLEEP="2"), project.start("run", PIP_SLEEP="2")
    (_, one), (_, two) = first.communicate(timeout=120), second.communicate(timeout=120)
    assert (first.returncode, second.returncode) == (0, 0), one + two
    assert len(project.pip_calls()) == 1
    assert (one + two).count("waiting for it to finish") == 1


def test_usage(project: Project) -> None:
    assert project.run("fly")[0] == 2
    assert "lab" in project.run("fly")[2]
    status, out, _ = project.run("--help")
    assert status == 0 and "course.py doctor" in out
    assert project.run()[0] == 2


def test_doctor_installs_nothing(project: Project) -> None:
    status, out, _ = project.run("doctor")
    assert (status, out.strip()) == (0, "handed over: doctor")
    assert not project.venv.exists() and project.pip_calls() == []


def test_publish_installs_nothing(project: Project) -> None:
    status, out, _ = project.run("publish", "some-one/course")
    assert (status, out.strip()) == (0, "handed over: publish some-one/course")
    assert not project.venv.exists() and project.pip_calls() == []


@pytest.mark.parametrize(
    ("arguments", "models", "expected"),
    [
        (["fetch"], "", ("lab",)),
        (["fetch", "--hub"], "", ("lab", "hub")),
        (["lab"], "hub", ("lab", "hub")),
        (["lab"], "mini", ("lab",)),
    ],
)
def test_the_hubs_data_sets_need_a_reader(
    course: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    models: str,
    expected: tuple[str, ...],
) -> None:
    monkeypatch.setenv("XL_MODELS", models)
    assert course.extras_for(arguments[0], arguments[1:]) == expected


def test_tests_run_at_the_versions_of_colab(project: Project) -> None:
    pins = project.root / "constraints-colab.txt"
    pins.write_text("numpy==2.1.*\n")
    status, out, err = project.run("test", "--colab", "exit=4")
    assert (status, out.strip()) == (4, "handed over: test exit=4"), err
    assert "Nothing that Colab ships was replaced" in err
    first, second = project.pip_calls()
    assert f"-r {pins}" in first and "[dev,lab,serve]" in second
    assert (project.root / ".venv-colab" / "pyvenv.cfg").is_file() and not project.venv.exists()
    assert project.run("test", "--colab")[0] == 0
    assert f"-r {pins}" not in project.pip_calls()[-1], "it is made once"
    kept = project.root / ".venv-colab" / ".course-stamp.json"
    told = json.loads(kept.read_text())
    assert "numpy-2.4.6.dist-info" in told["packages"] and len(told["key"]) == 64


def test_a_version_of_colab_that_was_replaced_is_a_failure(
    project: Project, course: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    venv = project.root / ".venv-colab"
    venv_module.EnvBuilder(symlinks=os.name != "nt").create(venv)
    python = course.venv_python(venv)
    record = course.site_packages(venv, VERSION) / "numpy-2.1.3.dist-info"
    record.mkdir(parents=True)
    monkeypatch.setattr(course, "colab_packages", lambda venv: (str(python), [record.name]))

    def replace(call: list[str]) -> int:
        record.rename(record.with_name("numpy-2.4.6.dist-info"))
        return 0

    monkeypatch.setattr(course.subprocess, "call", replace)
    assert course.main(["test", "--colab"]) == course.EXIT_PROBLEM
    assert "Replaced, which would break a session on Colab: numpy-2.1.3" in capsys.readouterr().err


# ------------------------------------------------------------------------------ broken .venv


def half_made(venv: Path, course: ModuleType) -> None:
    (venv / "pyvenv.cfg").unlink()


def python_gone(venv: Path, course: ModuleType) -> None:
    python = course.venv_python(venv)
    python.unlink()
    if os.name != "nt":
        python.symlink_to(venv / "no-such-python")


def python_does_not_start(venv: Path, course: ModuleType) -> None:
    python = course.venv_python(venv)
    python.unlink()
    python.write_text("not a program")
    python.chmod(0o755)


def other_minor_version(venv: Path, course: ModuleType) -> None:
    stamp = venv / course.STAMP
    stamp.write_text(stamp.read_text().replace(f'"{VERSION}"', '"3.99"'))


def other_minor_without_stamp(venv: Path, course: ModuleType) -> None:
    (venv / course.STAMP).unlink()
    packages = course.site_packages(venv, VERSION)
    packages.rename(packages.with_name("elsewhere"))


def moved(venv: Path, course: ModuleType) -> None:
    stamp = venv / course.STAMP
    told = json.loads(stamp.read_text())
    stamp.write_text(json.dumps({**told, "venv": str(venv.parent.parent / "old" / ".venv")}))


def moved_without_stamp(venv: Path, course: ModuleType) -> None:
    (venv / course.STAMP).unlink()
    file = venv / "pyvenv.cfg"
    lines = [x for x in file.read_text().splitlines() if not x.startswith("command")]
    lines.append(f"command = python3 -m venv {venv.parent.parent / 'old' / '.venv'}")
    file.write_text("\n".join(lines))


def interrupted(venv: Path, course: ModuleType) -> None:
    (venv / course.STAMP).unlink()
    (course.site_packages(venv, VERSION) / "numpy-2.4.6.dist-info" / "RECORD").unlink()


def interrupted_replacement(venv: Path, course: ModuleType) -> None:
    (venv / course.STAMP).unlink()
    (course.site_packages(venv, VERSION) / "~orch").mkdir()


def no_pip(venv: Path, course: ModuleType) -> None:
    (venv / course.STAMP).unlink()


DAMAGE = {
    half_made: "half made",
    python_gone: "Python is missing",
    python_does_not_start: "does not start",
    other_minor_version: "filled with Python 3.99",
    moved: "was moved here from",
    moved_without_stamp: "was moved here from",
    interrupted: "interrupted (numpy)",
    interrupted_replacement: "interrupted (~orch)",
    no_pip: "no pip",
}
if os.name != "nt":  # there, the folder's name tells no version
    DAMAGE[other_minor_without_stamp] = "made with another Python"


@pytest.mark.parametrize("damage", DAMAGE, ids=lambda damage: damage.__name__)
def test_a_broken_venv_is_noticed(
    course: ModuleType, installed: Path, damage: Callable[[Path, ModuleType], None]
) -> None:
    assert course.fault(installed) is None and course.complete(installed, ["lab"])
    damage(installed, course)
    assert DAMAGE[damage] in course.fault(installed)


@pytest.mark.parametrize("damage", [python_gone, interrupted], ids=lambda d: d.__name__)
def test_a_broken_venv_is_repaired(
    project: Project,
    course: ModuleType,
    installed: Path,
    damage: Callable[[Path, ModuleType], None],
) -> None:
    damage(installed, course)
    (installed / "left-over").write_text("")
    status, out, err = project.run("run", "01")
    assert (status, out.strip()) == (0, "handed over: run 01"), err
    assert ".venv cannot be used, since" in err and "Traceback" not in err
    assert not (installed / "left-over").exists() and course.fault(installed) is None
    assert list(project.root.glob(".venv-old-*")) == []


def test_a_removed_or_replaced_package_is_put_back(
    project: Project, course: ModuleType, installed: Path
) -> None:
    packages = course.site_packages(installed, VERSION)
    (packages / "numpy-2.4.6.dist-info").rename(packages / "numpy-9.9.dist-info")
    assert not course.complete(installed, ["lab"]) and course.fault(installed) is None


def test_a_folder_that_is_no_venv_is_left_alone(project: Project) -> None:
    project.venv.mkdir()
    (project.venv / "thesis.txt").write_text("dear to someone")
    status, _, err = project.run("lab")
    assert status == 1 and "no virtual environment" in err and "Traceback" not in err
    assert (project.venv / "thesis.txt").exists()


def test_a_folder_that_cannot_be_written_to(
    course: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: Any) -> Iterator[None]:
        raise PermissionError(13, "Permission denied", "/locked/.course.lock")

    monkeypatch.setattr(course, "prepare", refuse)
    assert course.main(["lab"]) == 1
    assert "/locked/.course.lock" in capsys.readouterr().err


def test_system_python_without_ensurepip(
    course: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    answer = b"The virtual environment was not created ... ensurepip is not available."
    failed = subprocess.CompletedProcess([], 1, stdout=answer)
    monkeypatch.setattr(course.subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(course.Trouble, match=f"apt install python{VERSION}-venv"):
        course.make_venv(tmp_path / ".venv")


# ------------------------------------------------------------------------------ Python, paths


def test_parses_on_an_old_python(root: Path) -> None:
    source = (root / "course.py").read_text(encoding="utf-8")
    tree = ast.parse(source, feature_version=(3, 7))
    assert "from __future__" not in source  # Python 3.6 has no such annotations
    top = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {a.name.split(".")[0] for n in top if isinstance(n, ast.Import) for a in n.names}
    names |= {n.module.split(".")[0] for n in top if isinstance(n, ast.ImportFrom) and n.module}
    assert names <= set(sys.stdlib_module_names) - {"tomllib"}


def test_an_old_python_is_told_so(
    course: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(course.shutil, "which", lambda name: name if "3.1" in name else None)
    works = {"python3.12": "3.12", "python3.13": "3.13"}  # 3.11 is there and does not start
    monkeypatch.setattr(course, "interpreter_version", lambda path: works.get(path.name))
    advice = course.python_advice((3, 8, 18))
    assert "needs Python 3.11 or newer" in advice and "python3.12 course.py lab" in advice
    monkeypatch.setattr(course.shutil, "which", lambda name: None)
    assert "python.org" in course.python_advice((3, 10, 1))
    assert course.python_advice((3, 11, 0)) is None and course.python_advice((4, 0, 0)) is None
    monkeypatch.setattr(course.sys, "version_info", (3, 8, 18, "final", 0))
    assert course.main(["lab"]) == 1
    assert "this is Python 3.8.18" in capsys.readouterr().err


def test_paths_on_each_system(course: ModuleType) -> None:
    venv = Path("x")
    assert course.venv_python(venv, windows=True) == venv / "Scripts" / "python.exe"
    assert course.venv_python(venv, windows=False) == venv / "bin" / "python"
    assert course.site_packages(venv, "3.12", windows=True) == venv / "Lib" / "site-packages"
    unix = course.site_packages(venv, "3.12", windows=False)
    assert unix == venv / "lib" / "python3.12" / "site-packages"


# ------------------------------------------------------------------------------ environments


def use(monkeypatch: pytest.MonkeyPatch, prefix: str, base: str, **environ: str) -> None:
    """Pretend that Python runs in an environment."""
    monkeypatch.setattr(sys, "prefix", prefix)
    monkeypatch.setattr(sys, "base_prefix", base)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)


def test_which_environment_is_used(
    course: ModuleType, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(course, "installed_here", lambda: False)
    use(monkeypatch, "/usr", "/usr")
    assert course.environment_in_use() is None
    use(monkeypatch, "/home/me/other", "/usr")
    assert "/home/me/other" in course.environment_in_use()
    use(monkeypatch, str(project.venv), "/usr")
    assert course.environment_in_use() is None
    use(monkeypatch, "/opt/conda", "/opt/conda", CONDA_PREFIX="/opt/conda/envs/else")
    assert course.environment_in_use() is None
    use(monkeypatch, "/opt/c/envs/nlp", "/opt/c/envs/nlp", CONDA_PREFIX="/opt/c/envs/nlp")
    assert course.environment_in_use() == "the conda environment nlp"
    use(monkeypatch, "/opt/c", "/opt/c", CONDA_PREFIX="/opt/c", CONDA_DEFAULT_ENV="base")
    assert course.environment_in_use() is None
    monkeypatch.setattr(course, "installed_here", lambda: True)
    assert course.environment_in_use() is not None


def test_colab_is_recognised(course: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, "/usr", "/usr", COLAB_RELEASE_TAG="release-colab")
    assert course.environment_in_use() == "the Python of Colab"


def test_the_folder_itself_does_not_count_as_installed(
    course: ModuleType, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(project.root))
    assert not course.installed_here()


class Hosted:
    """An environment in use: what is there, and the constraints that pip was given."""

    def __init__(self, course: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
        self.given: list[dict[str, str]] = []
        self.fails = 0
        self.course = course
        self.packages = {"numpy": "2.1.3", "torch": "2.11.0+cu128", "jupyterlab": "4.2"}
        monkeypatch.setattr(course, "installed_packages", lambda: self.packages)
        monkeypatch.setattr(course, "installed_here", lambda: False)
        monkeypatch.setattr(course, "need_network", lambda python: None)
        monkeypatch.setattr(course, "install", self.install)

    def install(
        self, python: str, extras: tuple[str, ...], pins: Path, log: Path, torch: bool
    ) -> None:
        assert python == sys.executable and not torch
        self.given.append(self.course.read_constraints(pins.read_text()))
        if len(self.given) <= self.fails:
            raise self.course.Conflict("they do not go together")


def test_nothing_that_is_there_is_replaced(
    course: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = Hosted(course, monkeypatch)
    assert course.present_python(("dev", "lab"), "Colab") == sys.executable
    (pins,) = there.given
    assert pins == {"numpy": "2.1.3", "torch": "2.11.0+cu128", "jupyterlab": "4.2"}


def test_what_is_there_stays_also_when_the_tested_set_does_not_fit(
    course: ModuleType, monkeypatch: pytest.MonkeyPatch, project: Project
) -> None:
    tested = project.root / "constraints.txt"
    tested.write_text(tested.read_text() + "markupsafe==3\npooch==1.9.0\n")
    there = Hosted(course, monkeypatch)
    there.packages["markupsafe"] = "1.0"
    there.fails = 2
    course.present_python(("dev", "lab"), "Colab")
    direct = {"numpy": "2.1.3", "torch": "2.11.0+cu128", "jupyterlab": "4.2"}
    assert there.given == [
        {**direct, "markupsafe": "1.0", "pooch": "1.9.0"},
        {**direct, "pooch": "1.9.0"},  # what comes new is still as tested
        direct,
    ]


def test_what_fits_in_no_way_is_said_after_all_ways(
    course: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = Hosted(course, monkeypatch)
    there.fails = 9
    with pytest.raises(course.Conflict):
        course.present_python(("dev", "lab"), "Colab")
    assert len(there.given) == 3


def test_tools_that_install_are_not_held_back(
    course: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A venv of Python 3.11 begins with setuptools 65, and torch wants 77."""
    there = Hosted(course, monkeypatch)
    there.packages |= {"setuptools": "65.5.0", "pip": "23.2.1", "wheel": "0.40"}
    course.present_python(("dev", "lab"), "the active virtual environment")
    assert not set(course.TOOLS) & set(there.given[0])


def test_a_package_that_is_too_old_is_replaced_by_the_tested_one(
    course: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = Hosted(course, monkeypatch)
    there.packages["numpy"] = "1.26.4"
    course.present_python((), "the conda environment x")
    assert there.given[0]["numpy"] == "2.4.6"


# ------------------------------------------------------------------------------ versions


@pytest.mark.parametrize(
    ("requirement", "expected"),
    [
        ("numpy>=2.1", True),
        ("numpy>=2.10", False),
        ("NumPy", True),
        ("torch>=2.11", True),
        ("ray[serve]>=2.40", False),
        ("scikit_learn>=1.6", True),
        ("scikit-learn>=1.6.0", True),
        ("scikit-learn>=1.6.1", False),
    ],
)
def test_satisfied(course: ModuleType, requirement: str, expected: bool) -> None:
    there = {"numpy": "2.4.6", "torch": "2.13.0+cpu", "scikit-learn": "1.6"}
    assert course.satisfied(requirement, there) is expected


def test_only_another_set_of_packages_changes_the_fingerprint(
    course: ModuleType, project: Project
) -> None:
    file = project.root / "pyproject.toml"
    before = course.fingerprint(["lab"])
    file.write_text("# a comment\n" + file.read_text())
    assert course.fingerprint(["lab"]) == before
    assert course.fingerprint(["dev", "lab"]) != before
    file.write_text(file.read_text().replace("numpy>=2.1", "numpy>=2.2"))
    assert course.fingerprint(["lab"]) != before
    now = course.fingerprint(["lab"])
    (project.root / "constraints.txt").write_text("numpy==2.4.7\n")
    assert course.fingerprint(["lab"]) != now


def test_damaged_pyproject_is_a_sentence(project: Project) -> None:
    (project.root / "pyproject.toml").write_text("[project\n")
    status, _, err = project.run("lab")
    assert status == 1 and "git checkout pyproject.toml" in err and "Traceback" not in err


def test_tested_set_covers_the_package(root: Path) -> None:
    course = load(root / "course.py")
    pins = course.constraints()
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    wanted = list(project["dependencies"])
    for extra in ("lab", "dev", "build", "serve"):
        wanted += project["optional-dependencies"][extra]
    assert [line for line in wanted if not course.satisfied(line, pins)] == []
    assert all(">=" in line and "<" not in line for line in wanted)


def test_tested_set_is_portable(root: Path) -> None:
    lines = (root / "constraints.txt").read_text().splitlines()
    assert lines[0].startswith("#") and len(lines) > 100
    pins = [line for line in lines if not line.startswith("#")]
    assert [x for x in pins if not x.partition("==")[2] or set(x) & set("+@/ :;")] == []
    names = [line.partition("==")[0].lower() for line in pins]
    assert names == sorted(names)


def test_tested_set_admits_the_first_python_3_11(root: Path) -> None:
    """Debian 12 has Python 3.11.2: a package that wants a later one would lock it out."""
    course = load(root / "course.py")
    pins = course.constraints()
    unfit = {}
    for distribution in metadata.distributions():
        name = course.plain_name(distribution.metadata["Name"])
        wanted = distribution.metadata["Requires-Python"]
        if distribution.version.split("+")[0] == pins.get(name) and wanted:
            if not SpecifierSet(wanted).contains("3.11.0"):
                unfit[name] = wanted
    assert unfit == {}


# ------------------------------------------------------------------------------ pip, network


def test_reachable(course: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    start = time.monotonic()
    assert not course.reachable("http://127.0.0.1:9/simple")
    assert time.monotonic() - start < 2
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert course.reachable(f"http://127.0.0.1:{server.getsockname()[1]}/simple")
    assert course.reachable("file:///somewhere/simple")


def test_reachable_gives_up_on_a_name_server_that_is_silent(
    course: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    over = threading.Event()

    def silent(*_: Any, **__: Any) -> None:
        over.wait(30)
        raise OSError("no answer")

    monkeypatch.setattr(course.socket, "create_connection", silent)
    start = time.monotonic()
    assert not course.reachable("https://nowhere.invalid/simple", seconds=0.2)
    assert time.monotonic() - start < 3
    over.set()


def test_where_torch_comes_from(course: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(course.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(course.sys, "platform", "linux")
    assert course.torch_index() == course.TORCH_INDEX
    monkeypatch.setenv("XL_TORCH_INDEX", "none")
    assert course.torch_index() is None
    monkeypatch.setenv("XL_TORCH_INDEX", "http://127.0.0.1/cpu")
    assert course.torch_index() == "http://127.0.0.1/cpu"
    monkeypatch.delenv("XL_TORCH_INDEX")
    monkeypatch.setattr(course.platform, "machine", lambda: "aarch64")
    assert course.torch_index() is None
    monkeypatch.setattr(course.sys, "platform", "win32")
    assert course.torch_index() is None


@pytest.mark.parametrize("answers", [True, False])
def test_the_cpu_build_is_tried_first_and_is_no_condition(
    course: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answers: bool
) -> None:
    calls: list[str] = []

    def pip(python: str, arguments: list[str], log: Path) -> tuple[int, str]:
        calls.append(" ".join(arguments))
        return (1 if "--index-url" in arguments else 0), ""

    pins = tmp_path / "pins.txt"
    pins.write_text("torch==2.13.0\n")
    monkeypatch.setattr(course, "run_pip", pip)
    monkeypatch.setattr(course, "torch_index", lambda: "https://cpu.invalid")
    monkeypatch.setattr(course, "reachable", lambda url: answers)
    course.install("python", ["lab"], pins, tmp_path / "log", torch=True)
    first = [call for call in calls if "--no-deps" in call]
    assert len(first) == answers and len(calls) == 1 + answers
    assert "-c" in calls[-1] and calls[-1].endswith("[lab]")
    assert all("https://cpu.invalid torch==2.13.0" in call for call in first)


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("OSError: [Errno 28] No space left on device", "disk is full"),
        ("WARNING: Retrying ... NewConnectionError('x')", "No network"),
        ("ERROR: No matching distribution found for torch==2.13.0", "no torch==2.13.0 for Python"),
        ("error: externally-managed-environment", "belongs to the system"),
        ("ERROR: ResolutionImpossible: see", "pip could not install"),
        ("", "pip could not install"),
    ],
)
def test_pips_failures_become_sentences(
    course: ModuleType, tmp_path: Path, output: str, expected: str
) -> None:
    trouble = course.explain_pip(output, "https://index.example/simple", tmp_path / "log")
    assert expected in str(trouble)


def test_only_versions_that_do_not_fit_are_tried_again(course: ModuleType, tmp_path: Path) -> None:
    def kind(output: str) -> type:
        return type(course.explain_pip(output, "https://index.example/simple", tmp_path / "log"))

    assert kind("ERROR: ResolutionImpossible") is course.Conflict
    assert kind("ERROR: No matching distribution found for x==1") is course.Conflict
    assert kind("No space left on device") is course.Trouble


def test_index_that_pip_will_ask(course: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    def config(text: bytes) -> None:
        told = subprocess.CompletedProcess([], 0, stdout=text)
        monkeypatch.setattr(course.subprocess, "run", lambda *_, **__: told)

    assert course.pip_default(sys.executable).startswith("https://")
    monkeypatch.setattr(course, "pip_default", lambda python: "https://default.invalid/simple")
    config(b"global.timeout='5'\n")
    assert course.pip_index("python") == "https://default.invalid/simple"
    config(b"global.index-url='https://mirror.invalid/simple'\n")
    assert course.pip_index("python") == "https://mirror.invalid/simple"
    config(b"global.no-index='true'\n")
    assert course.pip_index("python") is None
    monkeypatch.setenv("PIP_INDEX_URL", "https://own.invalid/simple")
    assert course.pip_index("python") == "https://own.invalid/simple"
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    assert course.pip_index("python") is None


# ------------------------------------------------------------------------------ without a network


NO_NETWORK = {"PIP_NO_INDEX": "", "PIP_INDEX_URL": "http://127.0.0.1:9/simple"}


def carried(folder: Path) -> Path:
    """A folder of packages."""
    folder.mkdir()
    (folder / "numpy-2.4.6-py3-none-any.whl").write_text("")
    return folder


def test_packages_come_from_a_folder_when_there_is_one(project: Project) -> None:
    folder = carried(project.root / "wheels")
    status, out, err = project.run("run", "01", **NO_NETWORK)
    assert (status, out.strip()) == (0, "handed over: run 01"), err
    (call,) = project.pip_calls()
    assert f"--no-index --find-links {folder}" in call and "constraints.txt" in call
    assert f"from {folder}" in err


class Pip:
    """Stands for course.run_pip: answers in turn with the outputs of failures, then succeeds."""

    def __init__(self, course: ModuleType, monkeypatch: pytest.MonkeyPatch, *fails: str) -> None:
        self.fails = list(fails)
        self.calls: list[list[str]] = []
        monkeypatch.setattr(course, "run_pip", self)
        monkeypatch.setattr(course, "torch_index", lambda: None)
        monkeypatch.setattr(course, "pip_index", lambda python: "https://index.invalid/simple")
        monkeypatch.setattr(course, "reachable", lambda url: False)

    def __call__(self, python: str, arguments: list[str], log: Path) -> tuple[int, str]:
        self.calls.append(list(arguments))
        return (1, self.fails.pop(0)) if self.fails else (0, "")


LACKS = "ERROR: No matching distribution found for torch==2.13.0 (from xlhelpers)"


def put_in(course: ModuleType) -> None:
    """Have course.py install, whatever pip says to it."""
    course.need_network("python")
    course.install("python", ["lab"], course.ROOT / "constraints.txt", Path("log"), True)


def test_the_folder_of_packages_may_lie_elsewhere(
    course: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pip = Pip(course, monkeypatch)
    folder = carried(tmp_path / "a stick")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XL_WHEELS", "a stick")
    put_in(course)
    assert [call[-2:] for call in pip.calls] == [["--find-links", str(folder.resolve())]]
    (tmp_path / "bare").mkdir()
    monkeypatch.setenv("XL_WHEELS", "bare")
    with pytest.raises(course.Trouble, match=r"bare, and no packages \(\*\.whl\) lie there"):
        put_in(course)


def test_the_folder_of_packages_can_be_left_aside(
    course: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    pip = Pip(course, monkeypatch)
    carried(course.ROOT / "wheels")
    monkeypatch.setenv("XL_WHEELS", "none")
    with pytest.raises(course.Trouble, match="No network"):
        put_in(course)
    assert pip.calls == []


def test_what_the_folder_lacks_is_named_where_there_is_no_network(
    course: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    pip = Pip(course, monkeypatch, LACKS)
    carried(course.ROOT / "wheels")
    with pytest.raises(course.Trouble, match="has no torch==2.13.0 for Python 3") as told:
        put_in(course)
    assert told.value.status == 3 and "course.py wheels --help" in str(told.value)
    assert len(pip.calls) == 1
    put_in(course)  # the stick has been filled meanwhile


def test_what_the_folder_lacks_comes_from_the_network_where_there_is_one(
    course: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pip = Pip(course, monkeypatch, LACKS)
    monkeypatch.setattr(course, "reachable", lambda url: True)
    carried(course.ROOT / "wheels")
    put_in(course)
    assert "wheels has no torch==2.13.0 for this Python: asking the net" in capsys.readouterr().err
    assert ["--no-index" in call for call in pip.calls] == [True, False]


def test_another_failure_with_the_folder_is_no_question_of_the_network(
    course: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    pip = Pip(course, monkeypatch, "[Errno 28] No space left on device")
    carried(course.ROOT / "wheels")
    with pytest.raises(course.Trouble, match="disk is full"):
        put_in(course)
    assert len(pip.calls) == 1


def test_a_folder_is_filled_for_this_computer(project: Project, installed: Path) -> None:
    status, out, err = project.run("wheels", XL_TORCH_INDEX="none")
    assert status == 0, err
    assert out.startswith(f"2 packages, 2 MB, in {project.root / 'wheels'} (")
    assert project.pip_calls() == [] and project.pip_calls("download") == []
    (call,) = project.pip_calls("wheel")
    asked = call.split()
    assert {"setuptools", "numpy>=2.1", "jupyterlab>=4"} <= set(asked)
    assert not {"pytest>=8", "ray[serve]>=2"} & set(asked), "what learners need, not the tests"
    assert "pyarrow>=17" not in asked
    assert f"-c {project.root / 'constraints.txt'}" in call


def test_a_folder_is_filled_for_other_computers(
    course: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    calls: list[list[str]] = []

    def pip(python: str, arguments: list[str], log: Path) -> tuple[int, str]:
        calls.append(arguments)
        (tmp_path / "w" / "numpy-2.4.6-cp311-cp311-win_amd64.whl").write_text("")
        (tmp_path / "w" / "pexpect-4-py3-none-any.whl").write_text("")
        (tmp_path / "w" / "old_one-4-py3-none-any.whl").write_text("")
        return 0, ""

    monkeypatch.setattr(course, "run_pip", pip)
    monkeypatch.setattr(course, "reachable", lambda url: True)
    monkeypatch.setattr(course, "torch_index", lambda: None)
    monkeypatch.setattr(course, "interpreter_version", lambda python: "3.11")
    (course.ROOT / "constraints.txt").write_text("numpy==2.4.6\ntorch==2.13.0\npexpect==4\n")
    line = ["--for", "windows", "--for", "linux", "--python", "3.12", "--python", "3.13"]
    assert course.wheels(sys.executable, [str(tmp_path / "w"), *line]) == 0
    said = capsys.readouterr().err
    order = [
        f"Python {version} on {name}"
        for name in ("windows", "linux")
        for version in ("3.12", "3.13")
    ]
    places = [said.index(text) for text in order]
    assert places == sorted(places)
    torch = [call for call in calls if "torch==2.13.0" in call]
    assert len(torch) == 2 and all(course.TORCH_INDEX in call for call in torch)
    assert all("manylinux_2_28_x86_64" in call and "--no-deps" in call for call in torch)
    others = [call for call in calls if call[0] == "download" and call not in torch]
    assert [call[call.index("--python-version") + 1] for call in others] == ["3.12", "3.13"] * 2
    windows, linux = others[0], others[2]
    assert "win_amd64" in windows and "--no-deps" in windows and ":all:" in windows
    assert {"pywinpty", "overrides", "numpy==2.4.6", "setuptools"} <= set(windows)
    assert "pexpect==4" not in windows and "pexpect==4" in linux and "pywinpty" not in linux
    assert not {"old-one", "old_one"} & set(windows), "what the tested set does not know"


def test_the_reader_of_the_hubs_data_sets_is_carried_for_the_hub(
    course: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pip = Pip(course, monkeypatch)
    monkeypatch.setenv("XL_MODELS", "hub")
    course.wheels(sys.executable, [str(tmp_path)])
    assert "pyarrow>=17" in pip.calls[0]


def test_help_on_carrying_waits_for_no_installation(project: Project) -> None:
    status, out, _ = project.run("wheels", "--help", **NO_NETWORK)
    assert status == 0 and "--for {linux,macos,windows}" in out
    assert project.run("wheels", "--for", "amiga", **NO_NETWORK)[0] == 2
    assert not project.venv.exists() and not project.log.exists()


def test_linux_without_a_cpu_build_of_torch_is_a_sentence(
    course: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (course.ROOT / "constraints.txt").write_text("torch==2.13.0\n")
    monkeypatch.setattr(course, "reachable", lambda url: False)
    with pytest.raises(course.Trouble, match="no CPU build of torch for Python 3.12 on Linux"):
        course.carry_for(sys.executable, tmp_path, "linux", "3.12")


@pytest.mark.parametrize("line", [["--for", "amiga"], ["--python", "3.9"], ["--python", "new"]])
def test_computers_that_cannot_be_carried_for(course: ModuleType, line: list[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        course.wheels_wanted(line)
    assert stopped.value.code == 2


MACHINES = {
    "linux": ("linux", "Linux", "posix", "x86_64"),
    "windows": ("win32", "Windows", "nt", "AMD64"),
    "macos": ("darwin", "Darwin", "posix", "arm64"),
}


@cache
def recorded(name: str) -> tuple[str, list[Requirement]]:
    """A package's version and requirements; none of what is not here, being another system's."""
    try:
        found = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return "", []
    return found.version.split("+")[0], [Requirement(line) for line in found.requires or []]


def needed_on(system: str, python: str, wanted: list[str], pins: dict[str, str]) -> set[str]:
    """All packages that requirements bring on a system, by what the installed ones record."""
    names = ("sys_platform", "platform_system", "os_name", "platform_machine")
    there = dict(zip(names, MACHINES[system], strict=True)) | {"python_version": python}
    todo, seen = [Requirement(line) for line in wanted], set()
    while todo:
        one = todo.pop()
        key = (canonicalize_name(one.name), *sorted(one.extras))
        if key in seen:
            continue
        seen.add(key)
        version, lines = recorded(one.name)
        tested = version == pins.get(key[0])
        where = there if tested else {}  # of other versions (Colab's) only what is needed here
        todo += [
            part
            for part in lines
            if part.marker is None
            or any(part.marker.evaluate({**where, "extra": extra}) for extra in ("", *one.extras))
        ]
    return {key[0] for key in seen}


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
@pytest.mark.parametrize("system", list(MACHINES))
def test_what_another_system_needs_is_carried(root: Path, system: str, python: str) -> None:
    course = load(root / "course.py")
    wanted, pins = course.requirements(course.EXTRAS["wheels"]), course.constraints()
    here = needed_on("linux", "3.11", wanted, pins)
    there = needed_on(system, python, wanted, pins)
    elsewhere = {name for names in course.ONLY_ON.values() for name in names}
    assert len(there) > 100
    assert there - here <= set(course.ONLY_ON[system])
    assert here - there <= elsewhere, "what may have no wheel there must not be asked for"
    assert not (there & elsewhere) - set(course.ONLY_ON[system]), "it would be left out"


def test_ci_runs_what_a_learner_runs(root: Path) -> None:
    lines = (root / ".ci" / "run").read_text().splitlines()
    assert lines[-1] == "exec python3 course.py test"
    assert "python course.py test" in (root / ".github" / "workflows" / "ci.yml").read_text()
