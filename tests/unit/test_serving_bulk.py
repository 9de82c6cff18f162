"""From a file to a file: line n is about line n, whatever the lines hold, and however often it
was interrupted."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as tried
from hypothesis import strategies as st
from serving_parts import Told, core_tokenizer, noise

from xlhelpers import files
from xlhelpers.serving import (
    LanguageRouter,
    MultilingualClassifier,
    MultilingualNER,
    Route,
    ServingError,
    bulk,
)
from xlhelpers.serving.bulk import MAX_LINE

_shared: list[Any] = []


pytestmark = pytest.mark.usefixtures("one_thread")


def known() -> Any:
    if not _shared:
        _shared.append(core_tokenizer(["fine", "awful"]))
    return _shared[0]


def served(model_hash: str = "ab" * 32, **how: Any) -> MultilingualClassifier:
    backend = Told(lambda ids: noise(ids, 3), known(), "abc", limit=12, model_hash=model_hash)
    return MultilingualClassifier.load(backend, **how)


class Breaks:
    """A classifier whose machine goes down after so many calls."""

    def __init__(self, calls: int) -> None:
        self.inner, self.left = served(), calls
        self.model_hash, self.calibration = self.inner.model_hash, self.inner.calibration
        self.asked: list[str] = []

    def attempt(self, texts: Sequence[Any], languages: Sequence[Any] | None = None) -> Any:
        if not self.left:
            raise KeyboardInterrupt
        self.left -= 1
        self.asked += texts
        return self.inner.attempt(texts, languages)


def write(path: Path, rows: Sequence[Any]) -> Path:
    path.write_bytes(b"".join(row if isinstance(row, bytes) else line(row) for row in rows))
    return path


def line(row: Any) -> bytes:
    return json.dumps(row).encode() + b"\n"


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(row) for row in path.read_bytes().splitlines()]


BAD: list[tuple[bytes, str]] = [
    (b"not json\n", "no JSON"),
    (b"\n", "empty"),
    (b'{"text": "caf\xe9"}\n', "not UTF-8"),
    (b"[" * 100_000 + b"\n", "nested"),
    (b"[1, 2]\n", "no JSON object"),
    (b'{"id": 7}\n', "no text in 'text'"),
    (b'{"text": null}\n', "no text in 'text'"),
    (b'{"text": ""}\n', "empty"),
    (b'{"text": "\\ud800"}\n', "surrogate"),
    (b'{"text": "fine", "language": {}}\n', "no code"),
    (b'{"text": "' + b"x" * 150_000 + b'"}\n', "150000 characters"),
    (b'{"text": "' + b"x" * (MAX_LINE + 5) + b'"}\n', f"longer than {MAX_LINE}"),
    (b'{"text": ' + b"9" * 5000 + b"}\n", "no JSON"),
    (b'{"text": "fine"', "no JSON"),  # a last line that was cut off
]


def test_bad_lines_are_told_and_kept_in_their_place(tmp_path: Path) -> None:
    good = {"text": "fine film", "language": "en", "id": "r1"}
    rows = [part for bad, _ in BAD for part in (good, bad)]
    source = write(tmp_path / "in.jsonl", rows)
    report = bulk(served(), source, tmp_path / "out.jsonl", chunk=5, progress=False)
    found = read(tmp_path / "out.jsonl")
    assert [row["line"] for row in found] == list(range(1, len(rows) + 1))
    assert (report.lines, report.answered, report.bad) == (len(rows), len(BAD), len(BAD))
    [alone] = served().classify(["fine film"], ["en"])
    expected = {key: value for key, value in alone.json().items() if key != "index"}
    for row in found[::2]:
        assert row["answer"] == expected and row["id"] == "r1" and "error" not in row
    for (_, said), row in zip(BAD, found[1::2], strict=True):
        assert said in row["error"] and "answer" not in row
    assert found[11]["id"] == 7
    assert "film" not in (tmp_path / "out.jsonl").read_text()
    assert report.examples[0] == (2, found[1]["error"])
    assert sum(report.problems.values()) == len(BAD)
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == [
        "in.jsonl", "out.jsonl"]  # fmt: skip


@pytest.mark.parametrize("torn", [b"", b'{"line": 7, "ans', b"\x00\x00\n"])
def test_an_interrupted_run_goes_on_where_it_stopped(tmp_path: Path, torn: bytes) -> None:
    rows = [{"text": f"fine {i}" if i % 3 else "", "id": i} for i in range(20)]
    source, target = write(tmp_path / "in.jsonl", rows), tmp_path / "out.jsonl"
    bulk(served(), source, tmp_path / "whole.jsonl", chunk=4, progress=False)
    with pytest.raises(KeyboardInterrupt):
        bulk(Breaks(calls=2), source, target, chunk=3, progress=False)
    assert not target.exists()
    part = tmp_path / "out.jsonl.part"
    part.write_bytes(part.read_bytes() + torn)
    again = Breaks(calls=99)
    report = bulk(again, source, target, chunk=5, progress=False)
    assert target.read_bytes() == (tmp_path / "whole.jsonl").read_bytes()
    assert report.resumed == 6 and (report.answered, report.bad) == (13, 7)
    assert "fine 4" not in again.asked and "fine 7" in again.asked


SETTINGS: list[tuple[str, Any]] = [
    ("window", 10), ("stride", 1), ("serves", ["en"]), ("max_characters", 9)]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), SETTINGS)
def test_settings_that_decide_an_answer_are_in_the_hash(name: str, value: Any) -> None:
    plain, other = served(), served(**{name: value})
    assert plain.settings_hash == served(budget=999, cache=9).settings_hash != other.settings_hash
    hashes = {
        LanguageRouter(one, [Route("de", ("de",), lambda m=two: m)], serves=["de", "en"]).model_hash
        for one, two in [(plain, plain), (other, plain), (plain, other)]
    }
    assert len(hashes) == 3


def test_segmenters_are_in_the_hash() -> None:
    backend = Told(lambda ids: [noise([i], 2) for i in ids], known(), ["O", "B-PER"], "tagging")
    both = [MultilingualNER.load(backend, segmenters=how) for how in (None, {"zh": lambda _: []})]
    assert both[0].settings_hash != both[1].settings_hash


def test_what_another_run_left_is_not_continued(tmp_path: Path) -> None:
    source = write(
        tmp_path / "in.jsonl", [{"text": f"fine {i}", "premise": "fine"} for i in range(9)]
    )
    target = tmp_path / "out.jsonl"
    with pytest.raises(KeyboardInterrupt):
        bulk(Breaks(calls=1), source, target, chunk=3, progress=False)
    calibrated = served()
    calibrated.set_thresholds({"en": 0.5})
    for classifier, how in [
        (served(model_hash="cd" * 32), {}),
        (calibrated, {}),
        (served(), {"text": "premise"}),
        (served(), {"keep": ()}),
        *((served(**{name: value}), {}) for name, value in SETTINGS),
    ]:
        with pytest.raises(ServingError, match="another source, with another model"):
            bulk(classifier, source, target, progress=False, **how)
    write(source, [{"text": "awful"}] * 9)
    with pytest.raises(ServingError, match="another source"):
        bulk(served(), source, target, progress=False)
    report = bulk(served(), source, target, resume=False, progress=False)
    assert report.resumed == 0 and len(read(target)) == 9


def test_files_are_not_overwritten_unasked(tmp_path: Path) -> None:
    source, target = write(tmp_path / "in.jsonl", [{"text": "fine"}]), tmp_path / "out.jsonl"
    target.write_text("precious")
    for how, said in [
        ({}, "is there already"),
        ({"keep": ["error"]}, "cannot be kept"),
        ({"chunk": 0}, "chunk is 0"),
    ]:
        with pytest.raises(ServingError, match=said):
            bulk(served(), source, target, progress=False, **how)  # type: ignore[arg-type]
    assert target.read_text() == "precious"
    with pytest.raises(ServingError, match="same file"):
        bulk(served(), source, source, overwrite=True, progress=False)
    with pytest.raises(ServingError, match="can be read"):
        bulk(served(), tmp_path / "none.jsonl", target, overwrite=True, progress=False)
    bulk(served(), source, target, overwrite=True, progress=False)
    assert len(read(target)) == 1


@pytest.mark.parametrize("name", ["out.jsonl.part", "out.jsonl.part.json"])
@pytest.mark.parametrize("link", [False, True])
def test_a_source_where_lines_would_be_gathered_is_left(
    tmp_path: Path, name: str, link: bool
) -> None:
    source = place = write(tmp_path / name, [{"text": "fine"}])
    if link:
        source = tmp_path / "in.jsonl"
        source.hardlink_to(place)
    before = place.read_bytes()
    for resume in (True, False):
        with pytest.raises(ServingError, match="same file") as found:
            bulk(served(), source, tmp_path / "out.jsonl", resume=resume, progress=False)
        assert name in found.value.problem
    assert place.read_bytes() == before and not (tmp_path / "out.jsonl").exists()


@pytest.mark.parametrize("name", ["out", "out.part", "out.part.json"])
def test_a_folder_is_no_target(tmp_path: Path, name: str) -> None:
    source = write(tmp_path / "in.jsonl", [{"text": "fine"}])
    (tmp_path / name).mkdir()
    with pytest.raises(ServingError, match=f"'{name}' is a folder"):
        bulk(served(), source, tmp_path / "out", overwrite=True, progress=False)
    assert [path.name for path in tmp_path.glob("out*")] == [name]


@pytest.mark.parametrize("name", ["می\u200cخواهم", "caf\u00a0e", "a\tb", "\u2028\x85\r\n", "😀"])
def test_fields_are_kept_as_they_are(tmp_path: Path, name: str) -> None:
    source = write(tmp_path / "in.jsonl", [{"text": "fine", "id": name}])
    bulk(served(), source, tmp_path / "out.jsonl", progress=False)
    [row] = read(tmp_path / "out.jsonl")
    assert row["id"] == name


def test_a_field_that_no_file_can_hold_is_left_out(tmp_path: Path) -> None:
    source = write(tmp_path / "in.jsonl", [{"text": "fine", "id": "\ud800"}])
    bulk(served(), source, tmp_path / "out.jsonl", progress=False)
    assert [list(row) for row in read(tmp_path / "out.jsonl")] == [["line", "answer"]]


def test_fields_to_keep_are_a_list(tmp_path: Path) -> None:
    source = write(tmp_path / "in.jsonl", [{"text": "fine", "id": 1}])
    with pytest.raises(ServingError, match="keep is the text 'id'") as found:
        bulk(served(), source, tmp_path / "out.jsonl", keep="id", progress=False)
    assert "['id']" in found.value.remedy and not (tmp_path / "out.jsonl").exists()


def test_one_target_has_one_writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, target = write(tmp_path / "in.jsonl", [{"text": "fine"}]), tmp_path / "out.jsonl"

    class Nested:
        model_hash = "ab" * 32

        def attempt(self, texts: Any, languages: Any = None) -> Any:
            with pytest.raises(files.FileLockedError, match="'out.jsonl'") as found:
                bulk(served(), source, target, progress=False)
            assert "name another target" in found.value.remedy
            return served().attempt(texts, languages)

    bulk(Nested(), source, target, progress=False)
    assert len(read(target)) == 1


def test_pairs_and_entities_and_files_without_lines(tmp_path: Path) -> None:
    source = write(tmp_path / "in.jsonl", [{"a": "fine", "b": "awful"}, {"a": "fine"}])
    bulk(served(), source, tmp_path / "pairs.jsonl", text=("a", "b"), progress=False)
    first, second = read(tmp_path / "pairs.jsonl")
    assert first["answer"]["tokens"] == 6 and "'b'" in second["error"]

    def rule(ids: list[int]) -> Any:
        return [noise([i], 2) for i in ids]

    recogniser = MultilingualNER.load(Told(rule, known(), ["O", "B-PER"], "tagging"))
    write(source, [{"text": "fine awful"}])
    bulk(recogniser, source, tmp_path / "ner.jsonl", progress=False)
    [row] = read(tmp_path / "ner.jsonl")
    [found] = recogniser.find(["fine awful"])
    assert row["answer"]["entities"] == [span.json() for span in found.spans]
    empty = write(tmp_path / "empty.jsonl", [])
    report = bulk(served(), empty, tmp_path / "none.jsonl", progress=False)
    assert report.lines == 0 and (tmp_path / "none.jsonl").read_bytes() == b""


@tried(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.one_of(
            st.binary(max_size=20).map(lambda raw: raw.replace(b"\n", b" ") + b"\n"),
            st.text(st.characters(exclude_categories=["Cs"]), max_size=20).map(
                lambda text: line({"text": text, "id": text})
            ),
        ),
        max_size=12,
    ),
    st.integers(1, 5),
)
def test_any_file_has_one_line_for_each_of_its_lines(
    tmp_path: Path, rows: list[bytes], chunk: int
) -> None:
    source = write(tmp_path / "in.jsonl", rows)
    target = tmp_path / "out.jsonl"
    report = bulk(served(), source, target, chunk=chunk, overwrite=True, progress=False)
    found = [json.loads(row) for row in target.read_bytes().split(b"\n")[:-1]]
    assert [row["line"] for row in found] == list(range(1, len(rows) + 1))
    assert report.lines == len(rows)
    for row, raw in zip(found, rows, strict=True):
        assert ("answer" in row) is not ("error" in row)
        try:
            text = json.loads(raw)["text"]
        except (ValueError, TypeError, KeyError):
            assert "error" in row
            continue
        [said] = served().attempt([text])
        if isinstance(said, ServingError):
            assert row["error"] == said.problem
        else:
            assert row["answer"]["probabilities"] == said.probabilities
