"""What notebooks need from the hub: the list, and that it is of today's notebooks."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from xlhelpers import hub, needs
from xlhelpers.datasets import SPLITS
from xlhelpers.needs import Need, NeedsError
from xlhelpers.prefetch.items import public_set

LINES = [
    "tokenizer google-bert/bert-base-multilingual-cased",
    "weights a/b refs/pr/1",
    "rows facebook/xnli de test",
    "vectors de 20000",
    "dictionary en de train",
    "file masakhaner/yor/test.txt",
]


@pytest.mark.parametrize("line", LINES)
def test_a_need_is_a_line(line: str) -> None:
    assert str(Need.parse(line)) == line


@pytest.mark.parametrize(
    "line", ["", "weights", "model a/b", "rows facebook/xnli de", "weights a b c", "vectors de"]
)
def test_what_is_no_need_is_refused(line: str) -> None:
    with pytest.raises(NeedsError, match="is no need"):
        Need.parse(line)


def test_nothing_is_written_unless_it_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XL_NEEDS", raising=False)
    needs.note("weights", "a/b")
    monkeypatch.setenv("XL_NEEDS", str(tmp_path / "needs"))
    assert needs.noted(tmp_path / "needs") == set()
    needs.note("weights", "a/b")
    needs.note("weights", "a/b")
    needs.note("vectors", "de", "10")
    assert sorted(map(str, needs.noted(tmp_path / "needs"))) == ["vectors de 10", "weights a/b"]


def test_what_is_loaded_later_is_noted_when_it_is_expected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from xlhelpers import settings, translation

    monkeypatch.setenv("XL_NEEDS", str(tmp_path / "needs"))
    hub.expect("mBERT")
    translation.Translator("en", "es")
    assert needs.noted(tmp_path / "needs") == set(), "the mini set needs nothing"
    settings.use("hub")
    hub.expect("NLI")  # nobody has one
    translation.Translator("en", "es")
    translation.Translator("sw", "zh")  # there is none, which is said when a text comes
    assert sorted(map(str, needs.noted(tmp_path / "needs"))) == [
        "tokenizer Helsinki-NLP/opus-mt-en-es",
        "weights Helsinki-NLP/opus-mt-en-es",
    ]


def test_the_list_is_written_and_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(needs, "LIST", tmp_path / "needs.json")
    needs.write("02", map(Need.parse, LINES[:2]))
    needs.write("01", map(Need.parse, LINES[3:4]))
    needs.write("02", map(Need.parse, LINES[1:3]))
    assert list(json.loads(needs.LIST.read_text())) == ["01", "02"]
    assert sorted(map(str, needs.of(["02"]))) == [LINES[2], LINES[1]]
    assert needs.who_needs(Need.parse(LINES[3])) == ("01",)
    with pytest.raises(NeedsError, match="what notebook 03 needs"):
        needs.of(["03"])
    for damaged in ("{", "[1]", '{"01": 5}', "5"):
        needs.LIST.write_text(damaged)
        with pytest.raises(NeedsError, match="cannot be read"):
            needs.listed()


def test_every_notebook_is_in_the_list(root: Path) -> None:
    """If this fails, the module's first lines say how to learn a notebook's needs."""
    there = {path.stem[:2] for path in (root / "notebooks").glob("[0-9][0-9]_*.ipynb")}
    assert set(needs.listed()) == there


def test_what_a_notebook_names_is_in_its_list(root: Path) -> None:
    """A quick look at the code; the whole list is compared where the notebooks are run."""
    asked = re.compile(r"xl\.hub\.(tokenizer|model)\(\"([^\"]+)\"")
    for path in (root / "notebooks").glob("[0-9][0-9]_*.ipynb"):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        code = "".join("".join(c["source"]) for c in cells if c["cell_type"] == "code")
        for what, name in asked.findall(code):
            kind = "tokenizer" if what == "tokenizer" else "weights"
            if repo := hub.resolve(name).hub:
                assert Need(kind, (repo,)) in needs.of([path.stem[:2]]), f"{path.stem}: {repo}"


def test_the_list_holds_nothing_that_the_course_does_not_know() -> None:
    known = {role.hub for role in hub.ROLES.values()}
    pairs = {f"Helsinki-NLP/opus-mt-{a}-{b}" for a, b in (("en", "de"), ("de", "en"))}
    assert known and pairs <= {n.parts[0] for n in needs.of(["07"]) if n.kind == "weights"}
    for need in needs.of(needs.listed()):
        if need.kind in ("tokenizer", "weights"):
            assert need.parts[0] in known or need.parts[0].startswith("Helsinki-NLP/opus-mt-")
        elif need.kind == "rows":
            read = public_set(need.parts[0])
            assert need.parts[1] in read.folders and need.parts[2] in SPLITS
        elif need.kind == "dictionary":
            assert need.parts[1] in hub.MUSE_WITH_ENGLISH and need.parts[2] in hub.MUSE_SPLITS
        else:
            assert need.kind == "vectors" and int(need.parts[1]) > 1000
