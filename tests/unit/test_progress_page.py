"""The progress page, the file to hand in, and the view of a class."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

import xlhelpers as xl
from xlhelpers import _notebooks, exercises
from xlhelpers.exercises import _class, _progress, _record, _report, quizzes
from xlhelpers.exercises._class import ClassError, ClassView
from xlhelpers.exercises._record import RecordError
from xlhelpers.exercises._report import Progress


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The learner's file, which is not there yet."""
    monkeypatch.setattr(_progress, "_told", set())
    return tmp_path / "progress.json"


def _write(path: Path, **data: Any) -> None:
    path.write_text(json.dumps({"version": 1, **data}), encoding="utf-8")


def _all(status: str, *modules: str) -> dict[str, Any]:
    """Entries for every exercise and quiz question of some modules."""
    ids = [q.id for m in modules for q in exercises.questions(m).values()]
    ids += [item.id for m in modules for item in quizzes.items(m)]
    return {one: {"status": status, "attempts": 1} for one in ids}


def _row(page: Progress, name: str) -> _report.Row:
    return next(row for row in page.rows if row.name == name)


# ── the page ─────────────────────────────────────────────────────────────────────────────────────


def test_without_a_file_everything_is_open(file: Path) -> None:
    page = xl.progress()
    assert [row.number for row in page.rows[:7]] == [f"{n:02}" for n in range(1, 8)]
    assert all(row.state == "○ open" for row in page.rows) and page.notes == ()
    assert page.next().startswith("Next: begin with notebook 01, Aligned word embeddings")
    assert "exercises q1, q2, q3, q4, q5, q6 and 6 questions of" in page.next()
    assert not file.exists(), "looking leaves nothing behind"


def test_every_notebook_has_its_row_its_title_and_its_minutes() -> None:
    rows = {row.number: row for row in xl.progress().rows}
    for book in _notebooks.books():
        row = rows[book.number]
        assert (row.title, row.run, row.work) == (book.title, book.minutes, book.working_minutes)
        asked = exercises.questions(book.name), exercises.predictions(book.name)
        assert (row.exercises.total, row.guesses[1]) == tuple(map(len, asked))
        assert row.quiz.total == len(quizzes.items(book.name))


def test_answers_guesses_and_quiz_are_counted(file: Path) -> None:
    exercises.mbert.q1.check("a")
    exercises.mbert.q1.check("b")
    exercises.mbert.q5.check("a")
    quiz = exercises.quiz("02")
    quiz.answer("b", 1)
    quiz.answer("a", 2)
    _progress.guess("mbert.probe", 12)
    row = _row(xl.progress(), "mbert")
    assert (str(row.exercises), str(row.quiz)) == ("1 of 5, 1 tried", "1 of 6, 1 tried")
    assert row.guesses == (1, 2) and row.begun and not row.done
    assert "q2, q3, q4, q5 and 5 questions of `xl.exercises.quiz" in xl.progress().next()
    text = repr(xl.progress())
    assert text.startswith("[=] 1 of ") and "\n02, mBERT: is 0.9 high?: exercises 1 of 5" in text


def test_what_is_begun_comes_before_what_is_not(file: Path) -> None:
    _write(file, questions={"low_resource.q2": {"status": "incorrect", "attempts": 1}})
    assert "Next: go on with notebook 06" in xl.progress().next()


def test_after_what_is_done_comes_what_follows_it(file: Path) -> None:
    _write(file, questions=_all("correct", "zero_shot"))
    page = xl.progress()
    assert _row(page, "zero_shot").state == "✔ done"
    assert "Next: begin with notebook 05" in page.next(), "01 to 03 were skipped on purpose"


def test_when_all_is_done_nothing_is_next(file: Path) -> None:
    names = [row.name for row in xl.progress().rows]
    _write(file, questions=_all("correct", *names))
    assert "All is answered" in xl.progress().next()
    _write(file, questions=_all("correct", *names[1:]))
    assert "Next: begin with notebook 01" in xl.progress().next(), "the gap that is left"


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attributes)))


def test_the_page_is_a_table_that_can_be_read_aloud(file: Path) -> None:
    _write(file, questions=_all("correct", "alignment"))
    page = xl.progress()
    shown = page._repr_html_()
    tags = _Tags()
    tags.feed(shown)
    heads = [attributes.get("scope") for tag, attributes in tags.found if tag == "th"]
    assert heads.count("col") == 6 and heads.count("row") == len(page.rows)
    assert len(heads) == 6 + len(page.rows) and "<caption" in shown
    assert "✔ done" in shown and "○ open" in shown, "in words, beside the symbol"
    assert shown.count("<td") == 5 * len(page.rows)
    assert "<code>xl.exercises.quiz(&quot;02&quot;)</code>" in shown


# ── the file is not as it should be ──────────────────────────────────────────────────────────────


@pytest.mark.parametrize("content", [b"{broken", b"[1]", b"\xff\xfe", b""])
def test_a_damaged_file_is_kept_aside_and_the_page_says_so(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    page = xl.progress()
    assert "it is kept as progress.json.bak" in page.notes[0]
    assert "kept as progress.json.bak" in page._repr_html_() and page.notes[0] in repr(page)
    assert file.with_name("progress.json.bak").read_bytes() == content
    assert xl.progress().notes == (), "told once, then a new one is begun"


def test_a_file_of_a_newer_version_is_shown_as_far_as_it_is_known(file: Path) -> None:
    _write(file, version=2, questions={**_all("correct", "mbert"), "mbert.q1": {"status": "new"}})
    before = file.read_bytes()
    page = xl.progress()
    assert "newer version of the course" in page.notes[0] and "XL_PROGRESS_FILE" in repr(page)
    assert str(_row(page, "mbert").exercises) == "4 of 5"
    assert file.read_bytes() == before


def test_a_file_that_cannot_be_reached_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a&b").mkdir()
    monkeypatch.setenv("XL_PROGRESS_FILE", str(tmp_path / "a&b"))
    with pytest.warns(UserWarning, match="could not be read"):
        _progress.load()  # warns once a kernel; the page has to say so every time
    for _ in range(2):
        page = xl.progress()
        assert "could not be read" in page.notes[0] and _row(page, "mbert").state == "○ open"
        assert "a&amp;b" in page._repr_html_() and "a&b" not in page._repr_html_()


@pytest.mark.parametrize(
    "data",
    [
        {"questions": 7, "guesses": [1]},
        {"questions": {"mbert.q1": 3, "mbert.q2": {"status": ["correct"], "attempts": -1}}},
        {"questions": {"<b>.q1": {"status": "correct"}}, "guesses": {"mbert.probe": {"first": {}}}},
        {"version": "2"},
        {"version": True},
    ],
)
def test_odd_entries_do_no_harm(file: Path, data: dict[str, Any]) -> None:
    _write(file, **data)
    page = xl.progress()
    assert page.notes == () and not any(row.begun for row in page.rows)
    assert "<b>" not in page._repr_html_()


# ── handing it in ────────────────────────────────────────────────────────────────────────────────


def _hand_in(folder: Path, file: str, name: str = "", **questions: dict[str, Any]) -> None:
    """A file of somebody whose entries are `mbert_q1={...}` for mbert.q1."""
    named = {key.replace("__", "."): entry for key, entry in questions.items()}
    record = _record.clean({"questions": named, "guesses": {"mbert.probe": {"first": 12}}})
    Progress((), record).save(folder / file, name)


WRONG = {"status": "incorrect", "first": "incorrect", "attempts": 2}
RIGHT = {"status": "correct", "first": "correct", "attempts": 1}
LATER = {"status": "correct", "first": "incorrect", "attempts": 3, "chosen": "c"}


def test_what_is_handed_in_has_answers_and_nothing_personal(file: Path, tmp_path: Path) -> None:
    exercises.mbert.q1.check("c")
    exercises.quiz("02").answer("a", 2)
    exercises.mbert.probe.commit(40)
    data = json.loads(file.read_text())
    data["questions"]["mbert.q1"]["path"] = "a folder of mine"
    data["questions"]["mbert.q2"] = {"status": "a sentence that I typed"}
    data |= {"user": "me", "host": "my-laptop"}
    file.write_text(json.dumps(data))
    target = xl.progress().save(tmp_path / "out" / "mine.json")
    assert json.loads(target.read_text(encoding="utf-8")) == {
        "format": "xlhelpers-progress",
        "version": 1,
        "course": xl.__version__,
        "questions": {
            "mbert.q1": {
                "attempts": 1,
                "status": "incorrect",
                "first": "incorrect",
                "chosen": "c",
            },
            "mbert.quiz2": {
                "attempts": 1,
                "status": "incorrect",
                "first": "incorrect",
                "chosen": "a",
            },
        },
        "guesses": {"mbert.probe": {"first": 40}},
    }
    exercises.mbert.probe.guess = None  # as it was before this test


def test_a_name_is_put_in_when_it_is_given(tmp_path: Path) -> None:
    xl.progress().save(tmp_path / "mine.json", name=" Ọlá ")
    assert json.loads((tmp_path / "mine.json").read_text(encoding="utf-8"))["name"] == "Ọlá"
    for name in ("x" * 61, "a\nb", "a\u202eb", "a\u2028b", "\ud800", 3):
        with pytest.raises(RecordError, match="cannot stand as a name"):
            xl.progress().save(tmp_path / "mine.json", name=name)  # type: ignore[arg-type]


def test_an_earlier_hand_in_is_replaced_and_nothing_else(tmp_path: Path) -> None:
    mine = tmp_path / "mine.json"
    xl.progress().save(mine)
    xl.progress().save(mine, name="me")
    assert "me" in mine.read_text()
    for content in ('{"a": 1}', "notes", "[]"):
        mine.write_text(content)
        with pytest.raises(RecordError, match="was not written to be handed in"):
            xl.progress().save(mine)
        assert mine.read_text() == content


def test_a_learners_own_file_is_not_replaced(file: Path) -> None:
    _write(file, version=2, questions={"mbert.q1": {**RIGHT, "new": 1}}, more={"x": 1})
    before = file.read_bytes()
    with pytest.raises(RecordError, match="was not written to be handed in"):
        xl.progress().save(file)
    assert file.read_bytes() == before, "it has what a hand-in has not"


@pytest.mark.parametrize(
    ("entry", "first"),
    [
        ({"attempts": 2, "status": "incorrect"}, "incorrect"),
        ({"attempts": 2, "status": "correct"}, None),
        ({"attempts": 1, "status": "wrong form"}, "correct"),
        ({"hints": 1}, "correct"),
    ],
)
def test_how_the_first_attempt_went_is_not_taken_from_a_later_one(
    file: Path, entry: dict[str, Any], first: str | None
) -> None:
    _write(file, questions={"mbert.q1": entry})  # as earlier versions wrote it
    assert exercises.mbert.q1.check("b").passed
    kept = json.loads(file.read_text())["questions"]["mbert.q1"]
    assert kept.get("first") == first and kept["status"] == "correct"
    assert ("chosen" in kept) == (first == "correct")


# ── a class ──────────────────────────────────────────────────────────────────────────────────────


def _class_of_four(folder: Path) -> ClassView:
    _hand_in(folder, "one.json", "Ada", mbert__q1=RIGHT, mbert__quiz4=LATER, gone__q9=WRONG)
    _hand_in(folder, "two.json", "Ada", mbert__q1=WRONG, mbert__quiz4=LATER)
    _hand_in(folder, "three.json", "", mbert__q1=LATER, mbert__quiz4=RIGHT)
    _hand_in(folder, "four.json", "<i>Bo</i>", mbert__quiz4={**WRONG, "chosen": "b"})
    return exercises.class_view(folder)


def test_learners_are_told_apart_by_name_or_file(tmp_path: Path) -> None:
    view = _class_of_four(tmp_path)
    assert [one.who for one in view.learners] == [
        "<i>Bo</i>",
        "Ada (one.json)",
        "Ada (two.json)",
        "three",
    ]
    assert view.problems == () and repr(view).startswith("[=] 4 records.\n")


def test_names_stand_where_one_looks_for_them(tmp_path: Path) -> None:
    for file, name in enumerate(("Zoë", "Émile", "eva", "Ọlá", "Pia", "Олег")):
        _hand_in(tmp_path, f"{file}.json", name)
    found = [one.who for one in exercises.class_view(tmp_path).learners]
    assert found == ["Émile", "eva", "Ọlá", "Pia", "Zoë", "Олег"]


@pytest.mark.parametrize(
    ("begun", "shown"),
    [
        ((), ""),
        (("mbert",), "02"),
        (("mbert", "alignment", "production"), "01–02, 08"),
        (("few_shot", "xlmr", "zero_shot", "gone"), "03–05"),
    ],
)
def test_the_notebooks_that_somebody_has_begun(begun: tuple[str, ...], shown: str) -> None:
    tried = {f"{name}.q1": {"status": "incorrect"} for name in begun[:2]}
    guessed = {f"{name}.guess": {"first": 3} for name in begun[2:]}
    hinted = {"translation.q1": {"hints": 1}}
    record = _record.clean({"questions": {**tried, **hinted}, "guesses": guessed})
    assert _class._begun(record) == shown


def test_the_frame_has_a_row_for_each_answer(tmp_path: Path) -> None:
    frame = _class_of_four(tmp_path).frame()
    mine = frame[frame.who == "Ada (one.json)"].set_index("question")
    assert list(mine.index) == ["gone.q9", "mbert.q1", "mbert.quiz4", "mbert.probe"]
    assert list(mine.kind) == ["exercise", "exercise", "quiz", "guess"]
    assert mine.attempts["mbert.quiz4"] == 3 and mine.chosen["mbert.quiz4"] == "c"
    assert mine.guess["mbert.probe"] == 12
    assert len(frame) == 4 + 3 + 3 + 2


def test_most_missed_goes_by_the_first_attempt_and_names_the_belief(tmp_path: Path) -> None:
    missed = _class_of_four(tmp_path).missed()
    assert [(one.question, one.missed, one.tried) for one in missed] == [
        ("mbert.quiz4", 3, 4),
        ("mbert.q1", 2, 3),
        ("gone.q9", 1, 1),
    ]
    belief = quizzes.items("mbert")[3].options["c"].belief
    assert missed[0].believed == f"{belief} (choice c: 2 of 3)"
    assert missed[0].prompt == quizzes.items("mbert")[3].prompt
    assert missed[2].prompt == "", "a question of another version of the course"


def test_of_the_most_missed_the_first_ten_are_shown(tmp_path: Path) -> None:
    for file in range(2):
        several: dict[str, Any] = {f"mbert__q{n}": WRONG for n in range(10, 20 + file)}
        _hand_in(tmp_path, f"{file}.json", mbert__q1=WRONG if file else RIGHT, **several)
    view = exercises.class_view(tmp_path)
    assert [one.question for one in view.missed()[-2:]] == ["mbert.q20", "mbert.q1"], "of one, of 2"
    for shown in (repr(view), view._repr_html_()):
        assert "mbert.q19" in shown and "mbert.q20" not in shown and "mbert.q1<" not in shown


def test_records_from_before_first_attempts_were_kept_count_what_is_not_right(
    tmp_path: Path,
) -> None:
    old = {"status": "incorrect", "attempts": 4}
    _hand_in(tmp_path, "a.json", mbert__q1=old, mbert__q2={"status": "correct", "attempts": 9})
    assert [one.question for one in exercises.class_view(tmp_path).missed()] == ["mbert.q1"]


def test_the_view_is_escaped_and_can_be_read_aloud(tmp_path: Path) -> None:
    view = _class_of_four(tmp_path)
    shown = view._repr_html_()
    assert "<i>" not in shown and "<bdi>&lt;i&gt;Bo&lt;/i&gt;</bdi>" in shown
    tags = _Tags()
    tags.feed(shown)
    assert [tag for tag, _ in tags.found].count("caption") == 2
    assert all(a.get("scope") in ("col", "row") for tag, a in tags.found if tag == "th")
    text = repr(view)
    assert (
        "three: notebooks 02; exercises 1 right of 1 tried; quiz 1 right of 1 tried; attempts 4"
        in text
    )
    assert "mbert.quiz4: 3 of 4. Most believed: " in text


def test_bad_files_are_reported_and_left_where_they_are(tmp_path: Path) -> None:
    _hand_in(tmp_path, "good.json", mbert__q1=RIGHT)
    bad = {
        "binary.json": b"\xff\xfe\x00",
        "cut.json": b'{"format": "xlhelpers-progress", "ques',
        "deep.json": b"[" * 100_000,
        "empty.json": b"\n",
        "huge.json": b'{"version": 1, "questions": {}}' + b" " * _record.LARGEST_FILE,
        "list.json": b"[]",
        "other.json": b'{"format": "another", "version": 1, "questions": {}}',
        "table.json": b'{"rows": 3}',
    }
    for name, content in bad.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "folder.json").mkdir()
    (tmp_path / "notes.txt").write_text("not looked at")
    view = exercises.class_view(tmp_path)
    assert [one.who for one in view.learners] == ["good"]
    assert [re.match(r"[\w.]+", text)[0] for text in view.problems] == sorted(bad)  # type: ignore[index]
    assert "8 files left out" in repr(view) and "cut.json is damaged" in view._repr_html_()
    assert "empty.json is empty" in view.problems
    for name, content in bad.items():
        assert (tmp_path / name).read_bytes() == content


def test_a_learners_own_file_is_read_as_well_and_a_newer_one_with_a_note(tmp_path: Path) -> None:
    folder = tmp_path / "class"
    folder.mkdir()
    _write(folder / "own.json", questions={"mbert.q1": RIGHT})
    _write(folder / "newer.json", version=3, guesses={"mbert.probe": {"first": 1}})
    view = exercises.class_view(folder)
    assert [one.who for one in view.learners] == ["newer", "own"]
    assert view.problems == () and "left out" not in repr(view), "it is shown"
    told = "newer.json is of a newer version of the course: some of it may be missing"
    assert view.notes == (told,) and told in repr(view) and told in view._repr_html_()


def test_a_hostile_record_brings_nothing_in(tmp_path: Path) -> None:
    script = "<script>alert(1)</script>"
    data = {
        "format": "xlhelpers-progress",
        "version": 1,
        "name": script + "\u202e" + "x" * 100,
        "questions": {
            "mbert.q1": {"status": script, "chosen": script, "attempts": 10**30},
            "mbert.quiz4": {**WRONG, "chosen": "zz"},
            "mbert.q3": {"first": script, "hints": True},
            script: RIGHT,
            "mbert.__class__": RIGHT,
            "os.system": RIGHT,
        },
        "guesses": {
            "mbert.probe": {"first": script + "\n"},
            "mbert.x": {"first": 1e300},
            "mbert.y": {"first": 10**400},
            "mbert.z": {"first": float("nan")},
            "mbert.w": {"first": "\ud800"},
            "mbert.v": {"first": "a word"},
        },
    }
    (tmp_path / "a.json").write_text(json.dumps(data))
    view = exercises.class_view(tmp_path)
    assert "<script>" not in view._repr_html_() and "\u202e" not in repr(view)
    assert len(view.learners[0].who) <= _record.LONGEST_NAME
    assert sorted(view.frame().question) == ["mbert.quiz4", "mbert.v", "os.system"]
    assert [one.believed for one in view.missed()] == [""]


def test_names_that_cannot_be_printed_do_no_harm(tmp_path: Path) -> None:
    """They come from JSON, and from archives that were made under another system."""
    for number in range(2):
        data = {"version": 3, "questions": {}, "name": "\ud800\u2028Ada"}
        (tmp_path / f"\u202e{number}.json").write_text(json.dumps(data))
    (tmp_path / "\u202ebad.json").write_text("{")
    (tmp_path / "\u202enameless.json").write_text('{"version": 1, "questions": {}}')
    view = exercises.class_view(tmp_path)
    assert [one.who for one in view.learners] == ["Ada (0.json)", "Ada (1.json)", "nameless"]
    assert view.problems == ("bad.json is damaged: no JSON",) and len(view.notes) == 2
    for shown in (repr(view), view._repr_html_()):
        assert "\u202e" not in shown and shown.encode()


def test_what_other_systems_make_of_a_file_is_read(tmp_path: Path) -> None:
    _hand_in(tmp_path, "Ada.JSON", mbert__q1=RIGHT)
    _hand_in(tmp_path, "bo.json", mbert__q1=RIGHT)
    (tmp_path / "bo.json").write_bytes(b"\xef\xbb\xbf" + (tmp_path / "bo.json").read_bytes())
    (tmp_path / "._bo.json").write_bytes(b"\x00\x05\x16\x07")
    view = exercises.class_view(tmp_path)
    assert [one.who for one in view.learners] == ["Ada", "bo"] and view.problems == ()


def test_a_folder_for_each_learner_is_looked_into(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("Ada_17", "Bo_18", "Bo_18/deeper", "closed", ".hidden"):
        (tmp_path / folder).mkdir()
        _hand_in(tmp_path / folder, "my-progress.json", mbert__q1=RIGHT)
    _hand_in(tmp_path, "eva.json", mbert__q1=RIGHT)
    (tmp_path / "Bo_18" / "b.json").write_text("{")
    listed = Path.iterdir
    monkeypatch.setattr(
        Path, "iterdir", lambda one: _refuse(one) if one.name == "closed" else listed(one)
    )
    view = exercises.class_view(tmp_path)
    assert [one.who for one in view.learners] == ["Ada_17/my-progress", "Bo_18/my-progress", "eva"]
    assert view.learners[0].file == "Ada_17/my-progress.json"
    closed, damaged = view.problems
    assert damaged == "Bo_18/b.json is damaged: no JSON"
    assert closed.startswith("closed: this folder cannot be read (not yours)")


def _refuse(folder: Path) -> None:
    raise PermissionError(13, "not yours")


def test_a_folder_without_records_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ClassError, match="no such folder"):
        exercises.class_view(tmp_path / "nowhere")
    with pytest.raises(ClassError, match="no .json file") as caught:
        exercises.class_view(tmp_path)
    assert "xl.progress().save" in caught.value.remedy
    with monkeypatch.context() as other, pytest.raises(ClassError, match="not be read .not yours"):
        other.setattr(Path, "iterdir", _refuse)
        exercises.class_view(tmp_path)
    monkeypatch.setattr(_class, "MOST_FILES", 1)
    for name in ("a.json", "b.json"):
        _hand_in(tmp_path, name)
    with pytest.raises(ClassError, match="2 files here, more than 1"):
        exercises.class_view(tmp_path)
