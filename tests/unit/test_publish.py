"""`publish`: one name in all badges and addresses, and nothing else touched."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from xlhelpers.commands import CommandError, _addresses, publish
from xlhelpers.commands._addresses import Repository


@pytest.fixture
def copy(root: Path, tmp_path: Path) -> Path:
    """A copy of what can name the repository: the notebooks, the pages, the settings."""
    for path in _addresses.texts(root):
        if path.suffix in (".md", ".ipynb", ".toml", ".yml") and "corpus" not in path.parts:
            target = tmp_path / "copy" / path.relative_to(root)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    return tmp_path / "copy"


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def usual_branch(folder: Path) -> str:
    return next(m.text for m in _addresses.mentions(folder) if m.part == "branch")


def test_all_addresses_of_this_repository_agree(root: Path) -> None:
    assert _addresses.disagreements(root) == []


def test_every_notebook_and_the_readme_name_the_repository(root: Path) -> None:
    found = _addresses.mentions(root)
    parts: dict[str, list[str]] = {}
    for mention in found:
        parts.setdefault(mention.file.name, []).append(mention.part)
    for notebook in (root / "notebooks").glob("[0-9][0-9]_*.ipynb"):
        assert sorted(parts[notebook.name]) == ["branch", "branch", "folder", *["slug"] * 3, "tag"]
    assert {"slug", "branch"} <= set(parts["README.md"]) and parts["pyproject.toml"] == ["slug"]


def test_names_are_stamped_everywhere_and_nothing_else(copy: Path) -> None:
    before, old, branch = contents(copy), _addresses.current(copy), usual_branch(copy)
    changed = _addresses.stamp(copy, Repository("some-one", "nlp.course_2"), "release-1")
    after = contents(copy)
    assert {path.name for path in changed} >= {"README.md", "pyproject.toml", "01_alignment.ipynb"}
    assert _addresses.disagreements(copy) == []
    assert str(_addresses.current(copy)) == "some-one/nlp.course_2"
    for name, content in after.items():
        assert str(old).encode() not in content, name
        if name.endswith(".ipynb"):
            cells = json.loads(content)["cells"]
            setup = "".join(cells[2]["source"])
            assert 'else "nlp.course_2"\n' in setup
            tag = _addresses.version_tag(copy)
            assert f"--branch {tag} https://github.com/some-one/nlp.course_2\n" in setup
            assert "gh/some-one/nlp.course_2/release-1?urlpath=" in "".join(cells[0]["source"])
    _addresses.stamp(copy, old, branch)
    assert contents(copy) == before, "back again, byte for byte"


def test_twice_is_once(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert publish.main(["some-one/course", "--branch", "next"], copy) == 0
    assert "names in" in capsys.readouterr().out
    before = contents(copy)
    times = {path: path.stat().st_mtime_ns for path in copy.rglob("*") if path.is_file()}
    assert publish.main(["some-one/course", "--branch", "next"], copy) == 0
    out = capsys.readouterr().out
    assert "0 names in 0 files" in out and "All addresses name some-one/course." in out
    assert contents(copy) == before
    assert all(path.stat().st_mtime_ns == time for path, time in times.items())
    assert publish.main(["some-one/course"], copy) == 0, "the branch stays as it is"
    assert contents(copy) == before


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("README.md", "github/{slug}", "github/other/x", ", line {line}: the slug is other/x"),
        ("README.md", "v2/gh/{slug}", "v2/gh/{owner}s/{name}", "the slug is {owner}s/"),
        ("README.md", "{name}/blob/{branch}", "{name}/blob/old", "the branch is old"),
        ("notebooks/03_xlmr.ipynb", "gh/{slug}", "gh/{owner}/x", "the slug is {owner}/x"),
        ("notebooks/03_xlmr.ipynb", "{tag} https", "v0.0.9 https", "the tag is v0.0.9"),
        ("notebooks/05_few_shot.ipynb", r"\"{name}\"", r"\"x\"", "the folder is x, elsewhere"),
        ("notebooks/02_mbert.ipynb", ".com/{slug}", ".com/x/{name}", "is x/{name}"),
        ("pyproject.toml", "github.com/{slug}", "github.com/x/{name}", "elsewhere x/{name}"),
    ],
)
def test_an_address_that_disagrees_is_found(
    copy: Path, file: str, old: str, new: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    ours = _addresses.current(copy)
    names = {"slug": ours, "owner": ours.owner, "name": ours.name}
    names |= {"branch": usual_branch(copy), "tag": _addresses.version_tag(copy)}
    old, new = old.format(**names), new.format(**names)
    text = (copy / file).read_bytes().decode()
    assert old in text
    said = said.format(**names, line=text[: text.index(old)].count("\n") + 1)
    (copy / file).write_bytes(text.replace(old, new, 1).encode())
    assert publish.main(["--check"], copy) == 1
    assert said in capsys.readouterr().out


def test_addresses_of_others_are_left_alone(copy: Path) -> None:
    line = b"MUSE is at https://github.com/facebookresearch/MUSE, ours at "
    (copy / "docs" / "more.md").write_bytes(line + b"https://github.com/OWNER/course")
    _addresses.stamp(copy, Repository("some-one", "course"))
    text = (copy / "docs" / "more.md").read_bytes()
    assert text == line + b"https://github.com/some-one/course"


@pytest.mark.parametrize(
    "name",
    [
        "course",
        "a/b/c",
        "/course",
        "some-one/",
        "a-/course",
        "a--b/course",
        "some one/course",
        "some-one/course.git",
        "some-one/..",
        'some-one/x"y',
        "some-one/x\\y",
        "https://github.com/some-one/course",
        "OWNER/multilingual-nlp-course",
        f"{'a' * 40}/course",
    ],
)
def test_bad_names_are_refused(copy: Path, name: str) -> None:
    before = contents(copy)
    with pytest.raises(CommandError) as caught:
        publish.main([name], copy)
    assert "your-name/multilingual-nlp-course" in caught.value.remedy
    assert contents(copy) == before


@pytest.mark.parametrize("branch", ["", "a b", "-x", "a..b", "a/b", "x.lock", 'x"'])
def test_bad_branches_are_refused(copy: Path, branch: str) -> None:
    before = contents(copy)
    with pytest.raises(CommandError, match="is no branch"):
        publish.main(["some-one/course", f"--branch={branch}"], copy)
    assert contents(copy) == before


@pytest.mark.skipif(shutil.which("git") is None, reason="it is git that refuses")
def test_what_git_says_is_passed_on(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "C")  # in English
    (copy / ".git").write_text("gitdir: nowhere")
    with pytest.raises(CommandError, match="not a git repository"):
        _addresses.texts(copy)


def test_it_wants_a_name_or_a_check(copy: Path) -> None:
    assert publish.main([], copy) == 2
    assert publish.main(["some-one/course", "--check"], copy) == 2


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such bits")
def test_files_keep_their_permissions(copy: Path) -> None:
    (copy / "README.md").chmod(0o755)
    _addresses.stamp(copy, Repository("some-one", "course"))
    assert (copy / "README.md").stat().st_mode & 0o777 == 0o755
