"""The annotator: what is kept and when, who sees what, and what the buttons do."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from xlhelpers import annotator, widgets
from xlhelpers.active_learning import AnnotationLog
from xlhelpers.annotator import Annotator
from xlhelpers.errors import CourseError

TEXTS = ["Chumba ni <b>kizuri</b>.", "Bei ni mbaya.", "Sijui.", "Asante sana!"]
NEWS = ["Ann Lee saw Bo in Oslo.", "Nobody came."]
VIEW = "application/vnd.jupyter.widget-view+json"


class Page(HTMLParser):
    """The text of a page and the attributes of its tags; unclosed tags are a fault."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.said, self.tags, self._open = "", [], []  # type: ignore[var-annotated]
        self.feed(page)
        assert self._open == [], f"not closed: {self._open}"

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag != "br":
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.said += data


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "labels.jsonl"


def whole(file: Path, **how: Any) -> Annotator:
    return Annotator(TEXTS, ["good", "bad"], file, **how)


def by_word(file: Path, **how: Any) -> Annotator:
    return Annotator(NEWS, ["PER", "LOC"], file, kind="words", **{"language": "en", **how})


# ── labels ───────────────────────────────────────────────────────────────────────────────


def test_a_label_is_on_the_disk_before_the_next_text_is_shown(file: Path) -> None:
    one = whole(file)
    assert TEXTS[0] in Page(one.page()).said and "0 of 4" in one.page()
    one.choose("good")
    assert json.loads(file.read_text("utf-8"))["value"] == "good"
    assert TEXTS[1] in Page(one.page()).said and "1 of 4" in one.page()
    # Another kernel, or tomorrow: the same call goes on there.
    again = whole(file)
    assert again.page() == one.page()
    again.skip()
    again.choose("bad")
    assert "labelled 2 of 4 texts, skipped 1" in again.progress()
    again.undo()
    assert TEXTS[2] in Page(again.page()).said
    again.undo()
    assert TEXTS[1] in Page(again.page()).said and "labelled 1 of 4 texts." in again.progress()
    with pytest.raises(CourseError, match="no class 'fine'"):
        again.choose("fine")


def test_one_does_not_see_the_other(file: Path) -> None:
    one = whole(file)
    for label in ("good", "bad", "good", "good"):
        one.choose(label)
    assert "All texts are done" in one.page()
    with pytest.raises(CourseError, match="no text is left"):
        one.choose("good")
    one.switch("gold")
    said = Page(one.page()).said
    assert "There is nothing to compare yet: of 4 texts A lacks 0, B lacks 4. " in said + " "
    assert one.waiting() == []
    one.switch("B")
    assert "0 of 4" in one.progress() and TEXTS[0] in Page(one.page()).said
    assert "labels.jsonl" not in one.page()
    with pytest.raises(CourseError, match="nothing to compare yet: of 4 texts A lacks 0, B lacks"):
        one.agreement()
    with pytest.raises(CourseError, match="'C' does not label here"):
        one.switch("C")


def test_who_differs_is_decided_and_exported(file: Path) -> None:
    one = whole(file, language="sw")
    for label in ("good", "bad", "good", "good"):
        one.choose(label)
    one.switch("B")
    for label in ("good", "bad", "bad", "good"):
        one.choose(label)
    one.switch("gold")
    page = Page(one.page())
    assert "both labelled 4 texts" in page.said and "75 %" in page.said
    assert "kappa is 0.50 [" in page.said and "too narrow" in page.said
    assert "A says good; B says bad" in page.said and "1 left" in page.said
    assert [item.text for item in one.waiting()] == ["Sijui."]
    one.choose("bad")
    assert one.progress() == "All is decided." and one.waiting() == []
    one.undo()
    assert len(one.waiting()) == 1
    one.choose("bad")
    [path] = one.export()
    assert path.name == "labels.export.jsonl"
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert [row["label"] for row in rows] == ["good", "bad", "bad", "good"]
    assert rows[0]["text"] == TEXTS[0] and rows[0]["language"] == "sw"
    # The log is not what was exported.
    assert AnnotationLog(file).annotators() == ["A", "B"]


def test_agreement_of_one_class_alone(file: Path) -> None:
    one = Annotator(TEXTS[:1], ["good", "bad"], file)
    one.choose("good")
    one.switch("B")
    one.choose("good")
    one.switch("gold")
    said = Page(one.page()).said
    assert "100 %" in said and "kappa has no value" in said and "They differ nowhere." in said


def test_who_skips_everything_has_nothing_to_compare(file: Path) -> None:
    one = Annotator(TEXTS[:1], ["good", "bad"], file)
    one.skip()
    one.switch("B")
    one.choose("good")
    one.switch("gold")
    assert "No item has been labelled by both" in one.page()


# ── words ────────────────────────────────────────────────────────────────────────────────


def test_words_that_are_picked_become_entities(file: Path) -> None:
    one = by_word(file)
    assert one.items[0].words == ("Ann", "Lee", "saw", "Bo", "in", "Oslo", ".")
    one.mark([0, 1, 3], "PER")
    one.mark([5], "PER")
    assert one.draft == [(0, 2, "PER"), (3, 4, "PER"), (5, 6, "PER")]
    one.mark([5], "LOC")
    one.mark([1, 2], None)  # an entity of which a word is taken away is none
    assert one.draft == [(3, 4, "PER"), (5, 6, "LOC")]
    one.mark([1], "PER")
    one.mark([0], "PER")  # side by side, and still two
    assert one.draft[:2] == [(0, 1, "PER"), (1, 2, "PER")]
    one.mark([0, 1], "PER")
    assert not file.exists()
    marks = [a for tag, a in Page(one.page()).tags if tag == "mark"]
    assert len(marks) == 3
    one.finish()
    assert AnnotationLog(file).labels("A") == {
        one.items[0].id: ((0, 2, "PER"), (3, 4, "PER"), (5, 6, "LOC"))
    }
    one.finish()  # nobody is named there
    assert one.waiting() == []
    one.undo()
    one.undo()
    assert one.draft == [(0, 2, "PER"), (3, 4, "PER"), (5, 6, "LOC")]
    for words, kind, message in (
        ([], "PER", "no word is picked"),
        ([1], "ORG", "no type 'ORG'"),
        ([7], "PER", "no word 7"),
    ):
        with pytest.raises(CourseError, match=message):
            one.mark(words, kind)
    with pytest.raises(CourseError, match="no class 'PER'"):
        one.choose("PER")


def test_deciding_on_words_begins_with_one_persons(file: Path) -> None:
    one = by_word(file)
    one.mark([0, 1], "PER")
    one.finish()
    one.finish()
    one.switch("B")
    one.mark([0], "PER")
    one.finish()
    one.finish()
    one.switch("gold")
    said = Page(one.page()).said
    assert "A says Ann Lee (PER); B says Ann (PER)" in said and "F1 of 0 %" in said
    assert one.draft == [(0, 2, "PER")]
    one.take("B")
    assert one.draft == [(0, 1, "PER")]
    one.take("A")
    one.finish()
    jsonl, conll = one.export()
    assert conll.name == "labels.conll"
    assert "Ann\tB-PER\nLee\tI-PER\nsaw\tO" in conll.read_text("utf-8")
    assert json.loads(jsonl.read_text("utf-8").splitlines()[0])["spans"] == [
        {"start": 0, "end": 7, "type": "PER", "text": "Ann Lee"}
    ]
    with pytest.raises(CourseError, match="'C' has not labelled"):
        one.take("C")


# ── pages ────────────────────────────────────────────────────────────────────────────────


def test_texts_are_shown_not_obeyed_in_their_direction(file: Path) -> None:
    one = whole(file, guidelines="Good if <they> would\ncome back.")
    page = Page(one.page())
    assert "<b>kizuri</b>" in page.said and "<they>" in page.said
    assert "b" not in [tag for tag, _ in page.tags]
    arabic = Annotator(["الغرفة جميلة", "سيئة"], ["x", "y"], file.with_name("ar"), language="ar")
    assert {"lang": "ar", "dir": "rtl"}.items() <= dict(Page(arabic.page()).tags[1][1]).items()
    unsaid = Annotator(["…الغرفة جميلة", "b"], ["x", "y"], file.with_name("xx"))
    assert Page(unsaid.page()).tags[1][1]["dir"] == "rtl"
    assert "lang" not in Page(unsaid.page()).tags[1][1]


ODD = [
    "x" * 10_000,
    "👩‍👩‍👧 👍🏽",
    "мир world 世界 سلام",
    "\u202eevil",
    "a\u0000b",
    '"quoted" & <&amp;>',
]


@pytest.mark.parametrize("text", ODD)
def test_odd_texts_can_be_labelled(file: Path, text: str) -> None:
    for kind, names in (("text", ["x", "y"]), ("words", ["PER"])):
        one = Annotator([text, "b"], names, file.with_name(kind), kind=kind)
        assert text in Page(one.page()).said
        if kind == "text":
            one.choose("x")
        else:
            one.mark([0], "PER")
            assert Page(one.page()).tags[-2][0] == "small"
            one.finish()
        assert len(one.log.labels("A")) == 1
        assert Annotator([text, "b"], names, file.with_name(kind), kind=kind).page() == one.page()


def test_what_cannot_be_is_refused(file: Path) -> None:
    bad: list[tuple[dict[str, Any], str]] = [
        ({"texts": []}, "no text to label"),
        ({"names": ["one"]}, "cannot be the names"),
        ({"names": ["a", "a"]}, "cannot be the names"),
        ({"names": "good"}, "cannot be the names"),
        ({"kind": "words", "names": ["O"]}, "cannot be the names"),
        ({"kind": "words", "names": ["a person"]}, "cannot be the names"),
        ({"kind": "words", "names": ["PER"], "texts": ["a " * 301]}, "has 301 words"),
        ({"language": "xx"}, "no language card"),
        ({"annotator": "C"}, "does not label here"),
        ({"annotators": ("A", "A")}, "no two people"),
        ({"annotators": ("gold", "B")}, "no two people"),
        ({"order": [0, 0]}, "no order of 4 texts"),
        ({"order": [4]}, "no order of 4 texts"),
        ({"order": "backwards"}, "no order of 4 texts"),
    ]
    for how, message in bad:
        with pytest.raises(CourseError, match=message):
            Annotator(**{"texts": TEXTS, "names": ["good", "bad"], "log": file, **how})
    assert not file.exists()


def test_a_log_of_other_labels_is_refused(file: Path) -> None:
    whole(file).choose("good")
    with pytest.raises(CourseError, match="the label 'good', which is none of fine, bad"):
        Annotator(TEXTS, ["fine", "bad"], file)
    with pytest.raises(CourseError, match="labels of whole texts for these texts"):
        Annotator(TEXTS, ["PER"], file, kind="words")


def test_what_is_to_come_first_does(file: Path) -> None:
    assert [item.text for item in whole(file, order=[2, 0]).items] == [
        TEXTS[2], TEXTS[0], TEXTS[1], TEXTS[3],
    ]  # fmt: skip
    shuffled = whole(file, order="random").items
    assert shuffled == whole(file, order="random").items
    assert sorted(item.text for item in shuffled) == sorted(TEXTS)


# ── buttons ──────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(annotator, "has_front_end", lambda: True)
    monkeypatch.setattr(Annotator, "pause", 0.0)


def button(box: Any, name: str) -> Any:
    """Return the button that is called so, wherever it is."""
    found = []
    todo = [box]
    while todo:
        one = todo.pop()
        todo += getattr(one, "children", ())
        if getattr(one, "description", None) == name:
            found.append(one)
    assert len(found) == 1, f"{len(found)} buttons are called {name}"
    return found[0]


def test_without_a_front_end_there_is_a_page(file: Path) -> None:
    shown = whole(file).show()
    assert shown.widget is None and repr(shown) == "Annotator: A has labelled 0 of 4 texts."
    bundle = shown._repr_mimebundle_()
    assert VIEW not in bundle and "Classes: good, bad." in Page(bundle["text/html"]).said
    assert widgets.Annotator is Annotator


def test_buttons_label_texts(file: Path, kernel: None) -> None:
    one = whole(file)
    shown = one.show()
    box = shown.widget
    who, page, _, takes, labels, moves, said = box.children
    assert shown._repr_mimebundle_()[VIEW]["model_id"] == box.model_id
    button(box, "good").click()
    assert "1 of 4" in page.value and len(one.log.labels("A")) == 1
    button(box, "Skip").click()
    button(box, "Undo").click()
    assert TEXTS[1] in Page(page.value).said
    for _ in range(3):
        button(box, "bad").click()
    assert labels.layout.display == "none" and moves.children[0].disabled
    button(box, "Undo").click()
    assert labels.layout.display == "" and not moves.children[0].disabled
    button(box, "bad").click()
    who.value = "B"
    assert "B has labelled 0 of 4" in page.value
    for _ in range(4):
        button(box, "bad").click()
    who.value = "gold"
    assert "25 % [" not in page.value or "75 %" in page.value
    assert "A says good; B says bad" in Page(page.value).said
    assert takes.layout.display == "none"
    button(box, "good").click()
    assert "All is decided" in page.value
    button(box, "Export").click()
    assert "4 of 4 texts have a label that stands" in said.value
    assert 'role="status"' in said.value


def test_buttons_mark_words(file: Path, kernel: None) -> None:
    one = by_word(file)
    box = one.show().widget
    picks, takes, said = box.children[2], box.children[3], box.children[-1]
    button(box, "PER").click()
    remedy = "pick one or more, then say what they are"
    assert f">No word is picked. Remedy: {remedy}<" in said.value
    for number in (0, 1):
        picks.children[number].value = True
    button(box, "PER").click()
    assert one.draft == [(0, 2, "PER")] and not any(b.value for b in picks.children)
    assert [b.description for b in picks.children[:3]] == ["Ann · PER", "Lee ·", "saw"]
    assert said.value.count("No word") == 0
    button(box, "Done, next").click()
    assert [b.layout.display for b in picks.children] == ["", "", "", *["none"] * 4]
    assert picks.children[0].description == "Nobody"
    button(box, "Undo").click()
    assert picks.children[0].description == "Ann · PER"
    button(box, "Done, next").click()
    button(box, "Done, next").click()
    box.children[0].value = "B"
    button(box, "Done, next").click()
    button(box, "Done, next").click()
    box.children[0].value = "gold"
    assert takes.layout.display == "" and one.draft == [(0, 2, "PER")]
    button(box, "as B").click()
    assert one.draft == []
    picks.children[0].value = True
    button(box, "LOC").click()
    button(box, "no entity").click()
    assert "No word is picked" in said.value and one.draft == [(0, 1, "LOC")]


def test_words_that_run_right_to_left_stand_so(file: Path, kernel: None) -> None:
    one = Annotator(["ذهبت ليلى إلى القاهرة"], ["PER"], file, kind="words", language="ar")
    assert one.show().widget.children[2].layout.flex_flow == "row-reverse wrap"


def test_the_second_of_two_quick_clicks_is_none(
    file: Path, kernel: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr(annotator.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(Annotator, "pause", 0.25)
    one = whole(file)
    box = one.show().widget
    button(box, "good").click()
    now[0] += 0.1
    button(box, "good").click()
    assert len(one.log.labels("A")) == 1
    now[0] += 0.3
    button(box, "good").click()
    assert len(one.log.labels("A")) == 2


def test_a_label_that_is_not_kept_is_not_passed_over(
    file: Path, kernel: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = whole(file)
    box = one.show().widget
    (file.parent / ".labels.jsonl.lock").mkdir()
    button(box, "good").click()
    assert "Nothing is kept: " in box.children[-1].value
    assert TEXTS[0] in Page(box.children[1].value).said and one.log.labels("A") == {}


def test_what_another_kernel_labels_is_seen(file: Path, kernel: None) -> None:
    one, other = whole(file), whole(file)
    box = one.show().widget
    other.choose("good")
    button(box, "bad").click()  # the first text is shown here still, so that is what is meant
    assert one.log.labels("A") == {one.items[0].id: "bad"}
    other.choose("good")
    other.choose("good")
    button(box, "bad").click()
    assert TEXTS[3] in Page(box.children[1].value).said  # the third has been labelled there
    assert list(one.log.labels("A").values()) == ["bad", "bad", "good"]
