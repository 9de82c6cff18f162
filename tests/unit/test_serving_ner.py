"""Entities as places: whatever a text holds, spans and pages give it back unchanged."""

from __future__ import annotations

import html as escaping
import itertools
import json
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
import regex
from hypothesis import example, given
from hypothesis import settings as tried
from hypothesis import strategies as st
from serving_parts import Told, core_tokenizer, noise

from xlhelpers import finetuning, hub
from xlhelpers.finetuning import FineTuningError
from xlhelpers.languages import UnknownLanguageError
from xlhelpers.serving import Entities, MultilingualNER, ServingError, Span, ner, without_overlaps

TAGS = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")
WORDS = ["Ada", "Smith", "saw", "Rome", "and", "Oslo"]

# Touching names, combining marks, right to left, scripts without blanks, emoji of several parts,
# invisible signs, markup and line ends: what breaks who counts bytes, words or glyphs.
HARD = [
    "Ada Smith, Rome",
    "O\u0308sterreich cafe\u0301 e\u0301\u0323",
    "زار محمد مدينة القاهرة.",
    "שָׁלוֹם ירושלים",
    "马云在杭州创立了阿里巴巴",
    "コーヒーを東京で",
    "การเรียนรู้",
    "👩\u200d👩\u200d👧 Ada👍🏽 🇩🇪🇫🇷",
    "न\u0940ल काश\u094dमीर",
    "<b>Ada</b> & \"Rome\" 'x'\r\n\tOslo",
    "a\u200bb\u202eevil\u202c\u0000c",
    "\u0301Ada \u0301",
    "",
    " \n",
]
any_text = st.one_of(
    st.sampled_from(HARD),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
    st.text(alphabet="Ad aR.北京\u0301\u200d👍🏽<>&'\"مر\r\n", max_size=30),
)

_shared: list[Any] = []


pytestmark = pytest.mark.usefixtures("one_thread")


def known() -> Any:
    if not _shared:
        _shared.append(core_tokenizer(WORDS))
    return _shared[0]


def wild(limit: int | None = None, **how: Any) -> MultilingualNER:
    """A recogniser that tags every piece at random, by its place; always alike."""

    def rule(ids: list[int]) -> list[list[float]]:
        return [noise([i, at], len(TAGS)) for at, i in enumerate(ids)]

    return MultilingualNER.load(Told(rule, known(), TAGS, "tagging", limit), **how)


def named(limit: int | None = None, **how: Any) -> MultilingualNER:
    """A recogniser that knows a few names by heart."""
    tokenizer = known()
    kinds = {"▁Ada": 1, "▁Smith": 2, "▁Rome": 3, "▁Oslo": 3, "北京": 3, "上海": 3}
    tags = {tokenizer.convert_tokens_to_ids(piece): tag for piece, tag in kinds.items()}

    def rule(ids: list[int]) -> Any:
        return np.eye(len(TAGS))[[tags.get(i, 0) for i in ids]] * 5

    return MultilingualNER.load(Told(rule, tokenizer, TAGS, "tagging", limit), **how)


class Page(HTMLParser):
    """What a reader of a page has: the text without the types, and where the marks are."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.text, self.label = "", ""
        self.marks: list[tuple[int, int, str]] = []
        self.open: list[tuple[str, dict[str, str | None], int]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.append((tag, dict(attrs), len(self.text)))

    def handle_endtag(self, tag: str) -> None:
        name, attrs, start = self.open.pop()
        assert name == tag
        if tag == "mark":
            assert (str(start), str(len(self.text))) == (attrs["data-start"], attrs["data-end"])
            self.marks.append((start, len(self.text), str(attrs["data-label"])))

    def handle_data(self, data: str) -> None:
        if self.open[-1][0] != "small":
            self.text += data


def read(page: str) -> Page:
    reader = Page()
    # As every browser does before it reads anything else (HTML standard, 13.2.3.5).
    reader.feed(page.replace("\r\n", "\n").replace("\r", "\n"))
    reader.close()
    assert not reader.open
    return reader


def letters(text: str) -> set[int]:
    """The places at which a text may be divided."""
    return {0, *(match.end() for match in regex.finditer(r"\X", text))}


# ── any text ─────────────────────────────────────────────────────────────────────────────


@tried(max_examples=250, deadline=None)
@given(any_text, st.sampled_from([None, "en", "fr", "ar", "zh"]))
@example("👍🏽👍🏽", None)
@example("北京\u0301上海", "zh")
def test_spans_are_places_of_the_text_as_it_was_given(text: str, code: str | None) -> None:
    [found] = wild().find([text], [code])
    at, whole = 0, letters(text)
    for span in found.spans:
        assert at <= span.start < span.end <= len(text)
        assert text[span.start : span.end] == span.text and span.text.strip()
        assert {span.start, span.end} <= whole
        assert 0 < span.score <= 1 and span.label in ("PER", "LOC")
        at = span.end
    again = json.loads(json.dumps(found.json(), allow_nan=False))
    assert tuple(Span(**row) for row in again["entities"]) == found.spans


@tried(max_examples=250, deadline=None)
@given(any_text, st.sampled_from([None, "en", "ar"]))
def test_a_page_gives_the_text_and_its_spans_back(text: str, code: str | None) -> None:
    served = wild()
    [found] = served.find([text], [code])
    reader = read(served.html(text, code))
    assert reader.text == text.replace("\0", "\ufffd")
    assert reader.marks == [(span.start, span.end, span.label) for span in found.spans]


@tried(max_examples=150, deadline=None)
@given(any_text, st.data())
def test_any_spans_without_overlaps_go_through_a_page(text: str, data: st.DataObject) -> None:
    ends = st.integers(0, len(text))
    labels, scores = st.sampled_from(["PER", '"><i>', "é&"]), st.sampled_from([0.25, 0.5, 1.0])
    rows = data.draw(st.lists(st.tuples(ends, ends, labels, scores), max_size=8))
    given_ = [Span(a, b, label, score, text[a:b]) for a, b, label, score in rows]
    kept = without_overlaps(given_)
    assert "".join(part for part, _ in ner.pieces(text, kept)) == text
    reader = read(ner.html(text, kept))
    assert reader.text == text.replace("\0", "\ufffd")
    assert reader.marks == [(span.start, span.end, span.label) for span in kept]
    # Whatever was left out is empty or stands in the way of something at least as sure.
    for span in given_:
        if span.start < span.end and span not in kept:
            assert any(
                other.start < span.end and span.start < other.end and other.score >= span.score
                for other in kept
            )


@tried(max_examples=150, deadline=None)
@given(any_text, st.sampled_from([None, "en", "fr", "zh"]))
def test_words_hold_all_that_is_not_blank(text: str, code: str | None) -> None:
    places = ner.words_of(text, code, known())
    assert all(a < b for a, b in places)
    assert all(b <= c for (_, b), (c, _) in zip(places, places[1:], strict=False))
    inside = {i for a, b in places for i in range(a, b)}
    assert all(text[i].isspace() for i in set(range(len(text))) - inside)


# ── what is found ────────────────────────────────────────────────────────────────────────


def found_in(served: MultilingualNER, text: str, code: str | None = None) -> list[tuple[str, str]]:
    [found] = served.find([text], [code])
    return [(span.text, span.label) for span in found.spans]


def test_names_stand_as_they_were_written() -> None:
    served = named()
    assert found_in(served, "Ada Smith saw Rome, and Oslo.") == [
        ("Ada Smith", "PER"), ("Rome", "LOC"), ("Oslo", "LOC")]  # fmt: skip
    assert found_in(served, "Ada  Smith") == [("Ada  Smith", "PER")]
    # Touching entities of one type stay two.
    assert found_in(served, "我在北京上海了", "zh") == [("北京", "LOC"), ("上海", "LOC")]
    assert found_in(served, "Rome Oslo Rome") == [("Rome", "LOC"), ("Oslo", "LOC"), ("Rome", "LOC")]
    assert served.labels == ("LOC", "PER")
    assert found_in(served, "") == [] == found_in(served, "\u200b ")


def test_the_score_is_that_of_the_type_whatever_the_prefix() -> None:
    def rule(ids: list[int]) -> Any:
        return np.log([[0.1, 0.5, 0.3, 0.05, 0.05]] * len(ids))

    served = MultilingualNER.load(Told(rule, known(), TAGS, "tagging"))
    [found] = served.find(["Ada"])
    assert found.spans[0].score == pytest.approx(0.8)
    served.set_thresholds({"en": 0.9}, others=0.7)
    assert served.find(["Ada"], ["en"])[0].spans[0].below_threshold
    assert not served.find(["Ada"], ["de"])[0].spans[0].below_threshold
    assert " ?</small>" in served.html("Ada", "en") and "?" not in served.html("Ada", "de")


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("O B-P I-P O", [(1, 3, "P")]),
        ("B-P B-P I-P", [(0, 1, "P"), (1, 3, "P")]),
        ("I-P I-P O I-Q", [(0, 2, "P"), (3, 4, "Q")]),  # IOB1, as CoNLL's checkpoints have it
        ("B-P I-Q I-Q", [(0, 1, "P"), (1, 3, "Q")]),
        ("S-P S-P B-P E-P I-P", [(0, 1, "P"), (1, 2, "P"), (2, 4, "P"), (4, 5, "P")]),
        ("U-P B-P L-P", [(0, 1, "P"), (1, 3, "P")]),
        ("O O", []),
        ("", []),
    ],
)
def test_tags_of_every_scheme_are_read(tags: str, expected: list[tuple[int, int, str]]) -> None:
    assert ner.runs_of(tags.split()) == expected


@tried(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=5))
def test_of_all_orders_that_can_be_the_most_probable_is_taken(seeds: list[int]) -> None:
    logits = np.array([noise([seed], len(TAGS)) for seed in seeds], dtype=np.float32)

    def can_be(tags: tuple[int, ...]) -> bool:
        names = ["O", *(TAGS[i] for i in tags)]
        return all(
            not now.startswith("I-") or before[2:] == now[2:]
            for before, now in zip(names, names[1:], strict=False)
        )

    every = itertools.product(range(len(TAGS)), repeat=len(seeds))
    scores = {tags: logits[range(len(seeds)), tags].sum() for tags in every if can_be(tags)}
    found = tuple(ner._Types.of_names(TAGS).best(logits))
    assert scores[found] == pytest.approx(max(scores.values()), abs=1e-4)


def test_without_b_tags_every_order_can_be() -> None:
    types = ner._Types.of_names(["I-PER", "I-LOC", "B-LOC", "O"])  # IOB1, as CoNLL's are
    assert types.best(np.eye(4, dtype=np.float32)[[0, 3, 0]]) == [0, 3, 0]
    assert types.best(np.zeros((0, 4), dtype=np.float32)) == []
    bilou = ner._Types.of_names(["B-P", "I-P", "L-P", "U-P", "O"])
    assert bilou.best(np.eye(5, dtype=np.float32)[[1, 4]]) == [1, 4]


def test_a_segmenter_says_what_a_word_is() -> None:
    tokenizer = known()
    [piece] = tokenizer.convert_tokens_to_ids(["上"])

    def rule(ids: list[int]) -> Any:
        return np.eye(len(TAGS))[[1 if i == piece else 0 for i in ids]] * 5

    backend = Told(rule, tokenizer, TAGS, "tagging")
    text = "我在上海了"
    assert found_in(MultilingualNER.load(backend), text, "zh") == []  # its piece is 上海
    served = MultilingualNER.load(backend, segmenters={"zh": lambda _: [(0, 2), (2, 3), (3, 5)]})
    assert found_in(served, text, "zh") == [("上", "PER")] and found_in(served, text) == []
    for wrong in [[(0, 9)], [(2, 3), (0, 1)], [(3, 2)], [(-1, 2)]]:
        served.segmenters["zh"] = lambda _, wrong=wrong: wrong
        with pytest.raises(ServingError, match="segmenter of 'zh'"):
            served.find([text], ["zh"])


def test_a_segmenter_that_fails_costs_one_text() -> None:
    def segment(text: str) -> list[tuple[int, int]]:
        if "了" in text:
            raise KeyError(text)
        return [(0, 99)] if "我" in text else [(0, len(text))]

    served = named(segmenters={"zh": segment})
    asked, codes = ["Rome", "Rome了", "Ada", "Rome我"], ["zh", "zh", "en", "zh"]
    first, second, third, fourth = served.attempt(asked, codes)
    assert isinstance(first, Entities) and [span.text for span in first.spans] == ["Rome"]
    assert isinstance(third, Entities) and [span.text for span in third.spans] == ["Ada"]
    assert third.index == 2
    assert isinstance(second, ServingError) and isinstance(fourth, ServingError)
    assert second.problem == "the segmenter of 'zh' failed (KeyError)"
    assert "not in the text" in fourth.problem and second.remedy and fourth.remedy
    with pytest.raises(ServingError, match="text 1: the segmenter of 'zh' failed"):
        served.find(asked, codes)


# ── long texts ───────────────────────────────────────────────────────────────────────────


def local(limit: int | None, stride: int | None = None) -> MultilingualNER:
    """A recogniser whose tag of a piece depends on two neighbours on either side."""

    def rule(ids: list[int]) -> Any:
        padded = [0, 0, *ids, 0, 0]
        return [noise([i if i > 2 else 0 for i in padded[at : at + 5]], len(TAGS))
                for at in range(len(ids))]  # fmt: skip

    return MultilingualNER.load(Told(rule, known(), TAGS, "tagging", limit), stride=stride)


@tried(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(WORDS), max_size=50))
def test_with_enough_context_windows_change_nothing(words: list[str]) -> None:
    text = " ".join(words)
    [whole], [parts] = local(None).find([text]), local(14, stride=4).find([text])
    assert parts.spans == whole.spans and parts.tokens == whole.tokens
    assert (parts.windows > 1) == (len(words) > 12)
    without = local(14, stride=0).find([text])[0]
    assert without.windows <= parts.windows


@tried(max_examples=200, deadline=None)
@given(st.lists(st.integers(1, 9), max_size=40), st.integers(9, 30), st.integers(0, 8))
def test_runs_answer_for_every_word_once(lengths: list[int], room: int, context: int) -> None:
    runs = list(finetuning._runs(lengths, room, context))
    assert [i for _, kept, cut, _ in runs for i in range(kept, cut)] == list(range(len(lengths)))
    for first, kept, cut, last in runs:
        assert first <= kept < cut <= last and sum(lengths[first:last]) <= room
        assert sum(lengths[first:kept]) <= context and sum(lengths[cut:last]) <= context + 9


def test_windows_that_share_all_they_read_are_refused() -> None:
    with pytest.raises(FineTuningError, match="cannot share 8"):
        finetuning.word_windows(known(), [["Ada"]], 10, 8)


def test_a_long_text_is_found_to_its_end() -> None:
    text = "saw and " * 300 + "Ada Smith"
    [found] = named(limit=32).find([text])
    assert [span.text for span in found.spans] == ["Ada Smith"] and found.windows > 20
    assert text[found.spans[0].start :] == "Ada Smith"


@tried(max_examples=60, deadline=None)
@given(st.text("q7é\u0301北👍🏽", min_size=1, max_size=120), st.integers(0, 2))
@example("q" * 100, 1)
def test_a_word_that_no_window_holds_is_read_to_its_end(word: str, before: int) -> None:
    text, tokenizer = "Ada " * before + word + " Rome", known()

    def rule(ids: list[int]) -> list[list[float]]:
        return [noise([i, at], len(TAGS)) for at, i in enumerate(ids)]

    backend = Told(rule, tokenizer, TAGS, "tagging", limit=20)
    served = MultilingualNER.load(backend, stride=0, segmenters={"en": blanks})
    [found] = served.find([text], ["en"])
    rows = [row for batch in backend.batches for row in batch]
    read = tokenizer.convert_ids_to_tokens([i for row in rows for i in row[1:-1]])
    for piece, count in [("q", word.count("q")), ("7", word.count("7")), ("▁Rome", 1)]:
        assert read.count(piece) == count
    assert found.tokens == len(read) and found.windows == len(rows)
    whole = letters(text)
    for span in found.spans:
        assert text[span.start : span.end] == span.text and {span.start, span.end} <= whole


def blanks(text: str) -> list[tuple[int, int]]:
    return [match.span() for match in regex.finditer(r"\S+", text)]


def test_a_letter_that_no_window_holds_is_refused() -> None:
    tokenizer = hub.tokenizer("XLM-R")
    backend = Told(lambda ids: [noise([i], 5) for i in ids], tokenizer, TAGS, "tagging", limit=20)
    served = MultilingualNER.load(backend)
    letter = "न" + "\u093f\u094d" * 10
    assert regex.fullmatch(r"\X", letter)
    first, second, third = served.attempt(["Ada", f"Rome {letter} Oslo", letter[:8] * 9])
    assert isinstance(first, Entities) and isinstance(third, Entities) and third.windows > 1
    assert isinstance(second, ServingError) and second.problem.startswith("a letter with all its")


# ── pages ────────────────────────────────────────────────────────────────────────────────


def test_a_page_has_language_and_direction_and_no_markup_of_the_text() -> None:
    served = named()
    page = served.html("<script>alert(1)</script> Ada", "ar")
    assert "<script" not in page and '<div lang="ar" dir="rtl"' in page
    assert 'dir="auto"' in served.html("Ada") and "lang=" not in served.html("saw")
    assert served.find(["Ada"], ["xx"])[0].spans
    with pytest.raises(UnknownLanguageError):
        served.html("Ada", "xx")
    assert escaping.unescape(read(page).text) == "<script>alert(1)</script> Ada"
    with pytest.raises(UnknownLanguageError):
        ner.html("Ada", [], 'x" onload="alert(1)')


def test_spans_that_do_not_fit_are_refused() -> None:
    text = "Ada Smith"
    for spans, said in [
        ([Span(0, 3, "PER", 1.0, "Ada"), Span(2, 9, "PER", 1.0, "a Smith")], "overlaps"),
        ([Span(0, 9, "PER", 1.0, text), Span(4, 9, "PER", 1.0, "Smith")], "overlaps"),
        ([Span(3, 3, "PER", 1.0, "")], "not in the text"),
        ([Span(4, 10, "PER", 1.0, "Smith")], "not in the text"),
        ([Span(-3, 3, "PER", 1.0, "Ada")], "not in the text"),
        ([Span(0, 3, "PER", 1.0, "Bob")], "another text"),
    ]:
        with pytest.raises(ServingError, match=said):
            ner.html(text, spans)
    nested = [Span(0, 9, "PER", 0.9, text), Span(4, 9, "PER", 0.9, "Smith")]
    assert without_overlaps(nested) == nested[:1]
    touching = [Span(0, 4, "PER", 0.9, "Ada "), Span(4, 9, "PER", 0.5, "Smith")]
    assert without_overlaps(reversed(touching)) == touching


# ── what may be served, and calibration ──────────────────────────────────────────────────


def test_only_trained_recognisers_of_entities_are_served() -> None:
    tokenizer, encoder = hub.tokenizer("InfoXLM"), hub.model("InfoXLM", "encoder")
    fresh = hub.with_head(encoder, "tagging", TAGS)
    with pytest.raises(ServingError, match="never trained"):
        MultilingualNER.load((fresh, tokenizer))
    with pytest.raises(ServingError, match="not those of entities"):
        MultilingualNER.load(Told(len, known(), ["NOUN", "VERB"], "tagging"))


def test_a_model_trained_here_is_served_as_finetuning_tags() -> None:
    tokenizer, encoder = hub.tokenizer("InfoXLM"), hub.model("InfoXLM", "encoder")
    names = ["Ada", "Boris", "Carla", "Dieter"]
    sentences = [[a, "met", b, "today", "."] for a in names for b in names if a != b]
    tags = [["B-PER", "O", "B-PER", "O", "O"]] * len(sentences)
    fresh = hub.with_head(encoder, "tagging", ["O", "B-PER"])
    fitted = finetuning.train_tagger(
        fresh, tokenizer, sentences, tags, epochs=15, batch_size=4, seed=1, progress=False
    )
    served = MultilingualNER.load(fitted)
    text = "Ada met Carla today ."
    assert finetuning.tag(fitted.model, tokenizer, [text.split()]) == [
        ["B-PER", "O", "B-PER", "O", "O"]
    ]
    assert found_in(served, text, "en") == [("Ada", "PER"), ("Carla", "PER")]
    assert served.find([text, "", text])[2].spans == served.find([text])[0].spans


def test_words_calibrate_a_recogniser() -> None:
    served = named()
    rng = np.random.default_rng(0)
    sentences = [["Ada", "saw", "Rome"]] * 200
    # Of what it takes for a person, six in ten are one.
    tags = [[str(rng.choice(["B-PER", "O"], p=[0.6, 0.4])), "O", "B-LOC"] for _ in sentences]
    before = served.find(["Ada"], ["en"])[0].spans[0].score
    made = served.calibrate(sentences, tags, ["en"] * 200)
    assert made.report[0].n == 400 and made.report[0].accuracy == pytest.approx(0.8, abs=0.05)
    after = served.find(["Ada"], ["en"])[0].spans[0].score
    # Right in 80 of 100 words, and a quarter of the rest is the same type's other prefix.
    assert before > 0.95 and after == pytest.approx(0.85, abs=0.04)
    for wrong, said in [([["O"]], "one tag a word"), ([["O", "O", "X"]], "'X'"), ([], "0 lists")]:
        with pytest.raises(ServingError, match=said):
            served.calibrate(sentences[:1], wrong)
    with pytest.raises(ServingError, match="takes 0 of these words"):
        served.calibrate([["saw"]], [["O"]])
