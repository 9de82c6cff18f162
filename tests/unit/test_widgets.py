"""The explorer of neighbours: its tables, odd input, and what a page without widgets shows."""

from __future__ import annotations

import math
import time
import unicodedata
import warnings
from collections.abc import Sequence
from html.parser import HTMLParser
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from xlhelpers import datasets, transfer, translation, widgets
from xlhelpers.datasets import DatasetError, parse_lexicon
from xlhelpers.embeddings import WordVectors
from xlhelpers.errors import CourseError
from xlhelpers.transfer.outcomes import Outcomes
from xlhelpers.widgets import Neighbours

VIEW = "application/vnd.jupyter.widget-view+json"

ENGLISH = ["water", "king", "house", "no"]
GERMAN = ["wasser", "könig", "haus", "nein", "see"]
CHINESE = ["水", "王", "家", "不"]
SWAHILI = ["maji", "mfalme", "nyumba", "ng'ombe"]

DICTIONARIES = {
    "de": "water\twasser; see\nking\tkönig\nhouse\thaus\n",
    "zh": "water\t水\nking\t王\n",
    "sw": "water\tmaji\n",
}


def on_axes(words: list[str], shift: int = 0) -> WordVectors:
    """One axis a word, so that word i of one language is nearest to word i of another."""
    rows = np.roll(np.eye(5), shift, axis=1)[: len(words)] + 0.01
    return WordVectors(words, rows / np.linalg.norm(rows, axis=1, keepdims=True))


@pytest.fixture
def explorer(monkeypatch: pytest.MonkeyPatch) -> Neighbours:
    def lexicon(source: str, target: str) -> datasets.Lexicon:
        code = target if source == "en" else source
        if code not in DICTIONARIES:
            raise DatasetError(f"there is no dictionary for {code}")
        forward = parse_lexicon(DICTIONARIES[code], code)
        return forward if source == "en" else datasets._backwards(forward, "all")

    monkeypatch.setattr(datasets, "lexicon", lexicon)
    words = {"en": ENGLISH, "de": GERMAN, "zh": CHINESE, "sw": SWAHILI, "fr": ["eau", "roi"]}
    before = {code: on_axes(known, shift=i) for i, (code, known) in enumerate(words.items())}
    after = {code: on_axes(known) for code, known in words.items()}
    return Neighbours(before, after, k=3)


class Page(HTMLParser):
    """What a browser makes of it: cells, their attributes, tags and text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.spans: list[dict[str, str | None]] = []
        self.rows: list[list[str]] = []
        self.head: list[str] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(page)
        assert self._open == [], f"not closed: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self._open.append(tag)
        if tag == "span":
            self.spans.append(dict(attrs))
        if tag == "tr":
            self.rows.append([])
        if tag == "td":
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data
        if "td" in self._open:
            self.rows[-1][-1] += data
        if "th" in self._open:
            self.head.append(data)


# ── the table ────────────────────────────────────────────────────────────────────────────


def test_table_lists_neighbours_and_marks_translations(explorer: Neighbours) -> None:
    page = Page(explorer.table("water", "en", "de"))
    assert [tag for tag in page.tags if tag not in ("tr", "td", "th", "span", "small")] == [
        "table",
        "caption",
        "thead",
        "tbody",
    ]
    assert page.head == ["before", "after, cosine", "after, CSLS"]
    body = page.rows[1:]
    assert len(body) == 3 and {len(row) for row in body} == {3}
    before, cosine, csls = zip(*body, strict=True)
    assert before[0].startswith("see ✓ ")  # the space is shifted by one word
    assert cosine[0] == "wasser ✓ 1.00" and csls[0].startswith("wasser ✓ ")
    assert [cell for cell in cosine[1:] if cell.startswith(("könig", "haus", "nein"))]
    marked = {cell.split()[0] for row in body for cell in row if "✓" in cell}
    assert marked == {"wasser", "see"}
    assert "water (English): nearest German words. ✓ marks a translation" in page.text


def test_csls_column_follows_the_formula(explorer: Neighbours) -> None:
    from xlhelpers.alignment import csls_matrix

    rng = np.random.default_rng(2)
    source, target = (
        WordVectors(words, rng.normal(size=(len(words), 5))).normalised()
        for words in (ENGLISH, GERMAN)
    )
    spaces = {"en": source, "de": target}
    page = Page(Neighbours(spaces, spaces, k=3).table("king", "en", "de"))
    scores = csls_matrix(source.rows(["king"]), target.matrix, source.matrix)[0]
    best = np.argsort(-scores, kind="stable")[:3]
    shown = [row[2].replace("✓ ", "").split() for row in page.rows[1:]]
    assert shown == [[target.words[i], f"{scores[i]:.2f}"] for i in best]


def test_table_reads_the_dictionary_backwards(explorer: Neighbours) -> None:
    page = Page(explorer.table("水", "zh", "en"))
    assert page.rows[1][1] == "water ✓ 1.00"


def test_pair_without_english_is_shown_unmarked(explorer: Neighbours) -> None:
    page = Page(explorer.table("maji", "sw", "zh"))
    assert page.rows[1][1] == "水 1.00"
    assert "✓" not in page.text and "from and to English" in page.text


def test_language_without_dictionary_is_shown_unmarked(explorer: Neighbours) -> None:
    page = Page(explorer.table("water", "en", "fr"))
    assert page.rows[1][1] == "eau 1.00"
    assert "✓" not in page.text and "there is no dictionary for fr" in page.text


@pytest.mark.parametrize(
    ("word", "source", "target", "attributes"),
    [("water", "en", "zh", ("en", "zh")), ("maji", "sw", "de", ("sw", "de"))],
)
def test_every_word_tells_its_language_and_direction(
    explorer: Neighbours, word: str, source: str, target: str, attributes: tuple[str, str]
) -> None:
    first, *others = Page(explorer.table(word, source, target)).spans
    assert first == {"lang": attributes[0], "dir": "ltr"}
    assert others == [{"lang": attributes[1], "dir": "ltr"}] * 9


def test_right_to_left_words_are_marked_so() -> None:
    spaces = {"en": on_axes(ENGLISH), "ar": on_axes(["ماء", "ملك"])}
    page = Neighbours(spaces, spaces).table("water", "en", "ar")
    assert page.count('<span lang="ar" dir="rtl">') == 6


def test_words_with_markup_in_a_vocabulary_are_escaped() -> None:
    spaces = {"en": on_axes(["<b>water</b>", "a&b"]), "de": on_axes(["<script>x</script>"])}
    page = Page(Neighbours(spaces, spaces).table("<b>water</b>", "en", "de"))
    assert not {"b", "script"} & set(page.tags)
    assert "<script>x</script>" in page.text


def test_small_vocabulary_gives_fewer_neighbours(explorer: Neighbours) -> None:
    assert len(Page(explorer.table("water", "en", "fr")).rows[1:]) == 2


# ── input ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("typed", ["water", " Water ", "WATER\n", "\twater"])
def test_case_and_blanks_do_not_matter(explorer: Neighbours, typed: str) -> None:
    assert explorer.table(typed, "en", "de") == explorer.table("water", "en", "de")


def test_letters_with_separate_marks_are_composed(explorer: Neighbours) -> None:
    typed = unicodedata.normalize("NFD", "König")
    assert typed != "König"
    assert explorer.table(typed, "de", "en") == explorer.table("könig", "de", "en")


def test_curved_apostrophe_is_understood(explorer: Neighbours) -> None:
    assert explorer.table("Ng’ombe", "sw", "de") == explorer.table("ng'ombe", "sw", "de")
    assert "<table" in explorer.table("Ng’ombe", "sw", "de")


def test_unknown_word_gets_suggestions(explorer: Neighbours) -> None:
    page = Page(explorer.table("watter", "en", "de"))
    assert page.tags == ["p"]
    assert "“watter” is not among these English words" in page.text and "'water'" in page.text


def test_markup_in_the_input_is_shown_not_obeyed(explorer: Neighbours) -> None:
    typed = "<script>alert('x')</script>"
    page = Page(explorer.table(typed, "en", "de"))
    assert page.tags == ["p"] and f"“{typed}”" in page.text


@pytest.mark.parametrize("typed", ["", "   ", "\n\t"])
def test_nothing_typed(explorer: Neighbours, typed: str) -> None:
    assert explorer.table(typed, "en", "de") == "<p>Type a word.</p>"


def test_same_language_twice(explorer: Neighbours) -> None:
    assert explorer.table("water", "en", "en") == "<p>Choose two different languages.</p>"


@pytest.mark.parametrize("typed", ["x" * 10_000, "water " * 2_000, "<&>" * 3_334, "水" * 10_000])
def test_very_long_input_is_answered_at_once_and_cut(explorer: Neighbours, typed: str) -> None:
    start = time.perf_counter()
    page = explorer.table(typed, "en", "de")
    assert time.perf_counter() - start < 1
    assert Page(page).tags == ["p"] and len(Page(page).text) < 200
    assert f"“{typed[:40]}…”" in Page(page).text


@pytest.mark.parametrize("pair", [("en", "it"), ("it", "en"), ("en", "xx"), ("en", "")])
def test_language_without_vectors_is_refused(explorer: Neighbours, pair: tuple[str, str]) -> None:
    with pytest.raises(CourseError, match="no vectors.*\n.*en, de, zh, sw, fr"):
        explorer.table("water", *pair)


def test_before_and_after_have_the_same_languages() -> None:
    one, two = {"en": on_axes(ENGLISH)}, {"en": on_axes(ENGLISH), "de": on_axes(GERMAN)}
    for before, after in ((one, two), (two, one), (one, one)):
        with pytest.raises(CourseError, match="two or more languages"):
            Neighbours(before, after)


def test_marks_follow_the_dictionary_in_force(
    explorer: Neighbours, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The model set may change in one session, and the dictionaries with it.
    assert "wasser</span> ✓" in explorer.table("water", "en", "de")
    other = parse_lexicon("water\thaus\n", "de")
    monkeypatch.setattr(datasets, "lexicon", lambda *_: other)
    page = explorer.table("water", "en", "de")
    assert "wasser</span> ✓" not in page and "haus</span> ✓" in page


# ── showing ──────────────────────────────────────────────────────────────────────────────


def test_without_a_kernel_the_table_stands_in(explorer: Neighbours) -> None:
    shown = explorer.show("water", "en", "de")
    bundle = shown._repr_mimebundle_(include=None, exclude=None)
    assert set(bundle) == {"text/html", "text/plain"}
    assert bundle["text/html"] == explorer.table("water", "en", "de")
    assert bundle["text/plain"] == repr(shown) == "Explorer: nearest German words to 'water'"


@pytest.mark.parametrize(
    ("shell", "front_end"),
    [(None, False), (SimpleNamespace(), False), (SimpleNamespace(kernel=object()), True)],
)
def test_a_front_end_needs_a_kernel(
    shell: Any, front_end: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("IPython.get_ipython", lambda: shell)
    assert widgets.has_front_end() is front_end


@pytest.fixture
def shown(explorer: Neighbours, monkeypatch: pytest.MonkeyPatch) -> widgets.Shown:
    monkeypatch.setattr(widgets, "has_front_end", lambda: True)
    return explorer.show("water", "en", "de")


def test_with_a_kernel_there_is_a_widget_and_what_stands_in(shown: widgets.Shown) -> None:
    bundle = shown._repr_mimebundle_()
    assert set(bundle) == {"text/html", "text/plain", VIEW}
    assert bundle[VIEW] == {
        "version_major": 2,
        "version_minor": 0,
        "model_id": shown.widget.model_id,
    }
    assert "<table" in bundle["text/html"]


def test_controls_start_at_the_word_and_change_the_table(
    explorer: Neighbours, shown: widgets.Shown
) -> None:
    controls, page, _ = shown.widget.children
    box, origin, goal = controls.children
    assert (box.value, origin.value, goal.value) == ("water", "en", "de")
    assert origin.options == (
        ("English", "en"),
        ("German", "de"),
        ("Chinese", "zh"),
        ("Swahili", "sw"),
        ("French", "fr"),
    )
    assert page.value == explorer.table("water", "en", "de")
    box.value = "king"
    assert page.value == explorer.table("king", "en", "de")
    goal.value = "zh"
    assert page.value == explorer.table("king", "en", "zh")
    origin.value = "zh"
    assert page.value == "<p>Choose two different languages.</p>"


def test_error_of_ours_is_shown_in_the_widget(
    explorer: Neighbours, shown: widgets.Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: str) -> str:
        raise CourseError("the <file> is gone", "fetch it")

    monkeypatch.setattr(explorer, "table", fail)
    controls, page, _ = shown.widget.children
    controls.children[0].value = "king"
    assert "<p>The &lt;file&gt; is gone. Remedy: fetch it<" in page.value


# ── pretraining and fine-tuning ──────────────────────────────────────────────────────────

SIZES = {"en": 300.8, "de": 66.6, "sw": 1.6}


def numbers(page: Page) -> list[list[float]]:
    """The figures of a table's rows."""
    return [[float(cell) for cell in row] for row in page.rows[1:]]


def test_sampling_table_follows_the_formula() -> None:
    page = Page(widgets.Sampling(SIZES, "GiB of text").table(0.3))
    assert page.head[:3] == ["language", "GiB of text", "% of the text"]
    assert page.head[5:] == ["English", "German", "Swahili"]
    weights = np.array(list(SIZES.values())) ** 0.3
    drawn, text = weights / weights.sum(), np.array(list(SIZES.values())) / sum(SIZES.values())
    for row, size, share, wanted in zip(numbers(page), SIZES.values(), text, drawn, strict=True):
        assert row == pytest.approx([size, 100 * share, 100 * wanted, wanted / share], abs=0.006)


@pytest.mark.parametrize(("alpha", "wanted"), [(0.0, [1 / 3] * 3), (1.0, None)])
def test_sampling_at_its_ends(alpha: float, wanted: list[float] | None) -> None:
    rows = numbers(Page(widgets.Sampling(SIZES, "GiB").table(alpha)))
    drawn = [row[2] for row in rows]
    assert drawn == pytest.approx(
        [100 * w for w in wanted] if wanted else [r[1] for r in rows], abs=0.006
    )


def test_sampling_says_the_unit_but_obeys_no_markup() -> None:
    page = Page(widgets.Sampling(SIZES, "<b>GiB</b>").table(0.5))
    assert "b" not in page.tags and "<b>GiB</b>" in page.text


def test_sampling_refuses_what_cannot_be_drawn() -> None:
    with pytest.raises(CourseError, match="no text"):
        widgets.Sampling({"en": 1.0, "yo": 0.0}, "GiB")
    with pytest.raises(CourseError, match="alpha is -1"):
        widgets.Sampling(SIZES, "GiB").table(-1)


def test_sampling_slider_changes_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    explorer = widgets.Sampling(SIZES, "GiB")
    assert repr(explorer.show(0.3)) == "Sampling exponent 0.3 over 3 languages, rarest Swahili"
    monkeypatch.setattr(widgets, "has_front_end", lambda: True)
    slider, page = explorer.show(0.3).widget.children
    assert page.value == explorer.table(0.3)
    slider.value = 0.75
    assert page.value == explorer.table(0.75) != explorer.table(0.3)


KNOWN = {
    "en": ["This film is good.", "It is not good."],
    "zh": ["这部电影很好。"],
    "ar": ["هذا الفيلم رائع."],
}


@pytest.fixture(scope="module")
def classifier() -> tuple[Any, Any]:
    """A small XLM-R with a head, and a tokenizer of words and letters."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast, XLMRobertaConfig
    from transformers import XLMRobertaForSequenceClassification as Classifier

    entries = [
        "<s>",
        "<pad>",
        "</s>",
        "<unk>",
        *"▁这部电影很好 ▁This ▁film ▁is ▁good ▁not ▁It .".split(),
    ]
    raw = Tokenizer(models.WordLevel({e: i for i, e in enumerate(entries)}, unk_token="<unk>"))
    raw.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Metaspace(), pre_tokenizers.Punctuation()]
    )
    raw.post_processor = processors.TemplateProcessing(
        "<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    cut = PreTrainedTokenizerFast(
        tokenizer_object=raw,
        unk_token="<unk>",
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        model_max_length=16,
    )
    torch.manual_seed(0)
    config = XLMRobertaConfig(
        vocab_size=len(entries),
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=8,
        max_position_embeddings=18,
        num_labels=3,
        id2label=dict(enumerate(["negative", "neutral", "positive"])),
    )
    return Classifier(config).eval(), cut


@pytest.fixture
def opinions(classifier: tuple[Any, Any]) -> widgets.Opinions:
    return widgets.Opinions(*classifier, KNOWN)


def test_opinions_show_what_the_classifier_says(
    opinions: widgets.Opinions, classifier: tuple[Any, Any]
) -> None:
    from xlhelpers import finetuning

    found = finetuning.classify(*classifier, ["It is good."])
    page = Page(opinions.table("It is good.", "en"))
    assert page.head == list(found.names) == ["negative", "neutral", "positive"]
    assert [row[1] for row in page.rows] == [f"{100 * p:.0f} %" for p in found.probabilities[0]]
    assert "4 pieces, 0 of them unknown: ▁It · ▁is · ▁good · ." in page.text
    assert "Every word occurs in the texts of its world." in page.text


@pytest.mark.parametrize(
    ("text", "language", "told"),
    [
        ("IT IS BAD", "en", "1 of 3 words are new to its world (bad)"),
        ("bad bad film", "en", "1 of 2 words are new to its world (bad)"),
        ("这部戏很好", "zh", "1 of 5 words are new to its world (戏)"),
        (
            "a b c d e f g h i j",
            "en",
            "10 of 10 words are new to its world (a, b, c, d, e, f, g, h, …)",
        ),
    ],
)
def test_opinions_name_words_that_are_new(
    opinions: widgets.Opinions, text: str, language: str, told: str
) -> None:
    assert told in Page(opinions.table(text, language)).text


def test_opinions_count_unknown_pieces_and_tell_the_language(opinions: widgets.Opinions) -> None:
    page = Page(opinions.table("فيلم سيئ", "ar"))
    assert "2 pieces, 2 of them unknown" in page.text
    assert page.text.count("<unk>") == 2
    marked = [span for span in page.spans if "lang" in span]
    assert marked == [{"lang": "ar", "dir": "rtl"}] * 2


def test_opinions_say_that_a_long_text_was_cut(opinions: widgets.Opinions) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        page = Page(opinions.table("good " * 5_000, "en"))
    assert "(4940 more)" in page.text and "longer than the 16 tokens" in page.text
    assert len(page.text) < 2_000


@pytest.mark.parametrize("typed", ["", "  \n", "!? …"])
def test_opinions_want_a_sentence(opinions: widgets.Opinions, typed: str) -> None:
    assert opinions.table(typed, "en") == "<p>Type a sentence.</p>"


def test_opinions_show_markup_and_do_not_obey_it(opinions: widgets.Opinions) -> None:
    page = Page(opinions.table("<script>good</script>", "en"))
    assert "script" not in page.tags and "script" in page.text


def test_opinions_refuse_a_random_head_and_strange_languages(
    opinions: widgets.Opinions, classifier: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(CourseError, match="no texts in 'de'.*\n.*en, zh, ar"):
        opinions.table("gut", "de")
    for known in ({}, {"en": []}):
        with pytest.raises(CourseError, match="no texts to compare"):
            widgets.Opinions(*classifier, known)
    monkeypatch.setattr(
        classifier[0], "xl_untrained", ("classifier.out_proj.weight",), raising=False
    )
    with pytest.raises(CourseError, match="head of this model is random"):
        widgets.Opinions(*classifier, KNOWN)


def test_opinions_answer_to_both_controls(
    opinions: widgets.Opinions, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert repr(opinions.show("It is good.", "en")) == (
        "Explorer: what the classifier says of 'It is good.'"
    )
    monkeypatch.setattr(widgets, "has_front_end", lambda: True)
    controls, page, _ = opinions.show("It is good.", "en").widget.children
    box, menu = controls.children
    assert page.value == opinions.table("It is good.", "en")
    assert [code for _, code in menu.options] == ["en", "zh", "ar"]
    box.value = "电影"
    assert page.value == opinions.table("电影", "en")
    menu.value = "zh"
    assert page.value == opinions.table("电影", "zh")


# ── sentences across languages ───────────────────────────────────────────────────────────

SENTENCES = {
    "en": ["the cat sleeps", "the dog eats bread", "a king sees the sea", "no <b> house"],
    "de": ["die katze schläft", "der hund frisst brot", "ein könig sieht das meer", "kein haus"],
    "ar": ["القط ينام", "الكلب يأكل", "ملك يرى البحر", "لا بيت"],
}


@pytest.fixture(scope="module")
def encoder() -> tuple[Any, Any]:
    """A small BERT with random weights that knows every word of SENTENCES, and its tokenizer."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizer

    words = sorted({word for rows in SENTENCES.values() for row in rows for word in row.split()})
    letters = [mark + letter for letter in "abcdefghijklmnopqrstuvwxyz<>/" for mark in ("", "##")]
    entries = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words, *letters]
    known = {entry: number for number, entry in enumerate(dict.fromkeys(entries))}
    tokenizer = BertTokenizer(vocab=known, do_lower_case=False, strip_accents=False)
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = BertConfig(vocab_size=len(known), intermediate_size=16, **sizes)
    return BertModel(config).eval(), tokenizer


@pytest.fixture(scope="module")
def translations(encoder: tuple[Any, Any]) -> widgets.Translations:
    return widgets.Translations(*encoder, SENTENCES, k=2)


def test_pieces_are_shown_and_unknown_ones_counted(encoder: tuple[Any, Any]) -> None:
    shown = widgets.pieces({"en": "the cat €", "ar": "القط"}, encoder[1])
    page = Page(shown.page)
    assert page.head == ["language", "pieces", "unknown", "as the model reads it"] + [
        "English",
        "Arabic",
    ]
    assert page.rows[1:] == [["3", "1", "the · cat · [UNK]"], ["1", "0", "القط"]]
    assert [(s["lang"], s["dir"]) for s in page.spans] == [("en", "ltr"), ("ar", "rtl")]
    assert shown.text == "English: pieces 3, unknown 1\nArabic: pieces 1, unknown 0"


def test_nearest_sentences_follow_the_vectors(
    translations: widgets.Translations, encoder: tuple[Any, Any]
) -> None:
    from xlhelpers import encoding

    page = Page(translations.table("the dog eats bread", "en", "de"))
    assert page.head == ["as they are", "centred by language"]
    vectors = {c: encoding.encode(rows, *encoder) for c, rows in SENTENCES.items()}
    for column, centred in enumerate((False, True)):
        found = {c: encoding.centre(v) if centred else v for c, v in vectors.items()}
        scores = encoding.cosine(found["en"][1:2], found["de"])[0]
        best = np.argsort(-scores, kind="stable")[:2]
        wanted = [
            f"{SENTENCES['de'][i]}{' ✓' if i == 1 else ''} {scores[i]:.2f}" for i in best.tolist()
        ]
        assert [row[column] for row in page.rows[1:]] == wanted
    assert "nearest of 4 German sentences. ✓ marks its translation." in page.text
    assert "Outside" not in page.text


def test_sentence_of_ones_own_has_no_translation_to_mark(
    translations: widgets.Translations,
) -> None:
    page = Page(translations.table("the dog sees the cat", "en", "ar"))
    assert "It is none of ours" in page.text
    assert not any("✓" in cell for row in page.rows for cell in row)
    assert {span["dir"] for span in page.spans[1:]} == {"rtl"}


def test_text_outside_the_models_world_is_told(translations: widgets.Translations) -> None:
    assert "1 of 3 pieces are unknown" in translations.table("the cat €", "en", "de")
    crumbs = translations.table("xylophone", "en", "de")
    assert "cut into 9 pieces, finer than any of our English sentences" in crumbs
    assert "Outside" not in translations.table("the cat eats the bread", "en", "de")


def test_sentences_with_markup_are_shown_not_obeyed(translations: widgets.Translations) -> None:
    page = translations.table("no <b> house", "en", "de")
    assert "no &lt;b&gt; house" in page and "<b>" not in page
    assert "<b>" not in translations.table("<b>", "en", "de")


@pytest.mark.parametrize("typed", ["", "  \n"])
def test_explorer_of_sentences_wants_one(translations: widgets.Translations, typed: str) -> None:
    assert translations.table(typed, "en", "de") == "<p>Type a sentence, or pick one.</p>"
    assert "two different" in translations.table("the cat", "en", "en")


def test_explorer_of_sentences_refuses_what_is_not_parallel(
    translations: widgets.Translations, encoder: tuple[Any, Any]
) -> None:
    with pytest.raises(CourseError, match="no sentences in 'zh'"):
        translations.table("the cat", "en", "zh")
    for texts in ({"en": ["a"]}, {"en": ["a"], "de": ["b", "c"]}):
        with pytest.raises(CourseError, match="no parallel sentences"):
            widgets.Translations(*encoder, texts)


def test_explorer_of_sentences_answers_to_its_controls(
    translations: widgets.Translations, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(widgets, "has_front_end", lambda: True)
    shown = translations.show(source="en", target="de")
    (origin, goal), pick, box, page = (
        shown.widget.children[0].children,
        *shown.widget.children[1:4],
    )
    assert page.value == shown.page == translations.table("the cat sleeps", "en", "de")
    pick.value = "the dog eats bread"
    assert box.value == "the dog eats bread"
    assert page.value == translations.table("the dog eats bread", "en", "de")
    goal.value = "ar"
    assert page.value == translations.table("the dog eats bread", "en", "ar")
    origin.value = "de"  # the sentence follows: none is read as another language
    assert box.value == "die katze schläft"
    assert page.value == translations.table("die katze schläft", "de", "ar")


def layer_map() -> widgets.LayerMap:
    rng = np.random.default_rng(0)
    said = rng.normal(size=(3, 20, 6))
    offset = np.repeat(rng.normal(size=(3, 1, 6)) * 9, 20, axis=1)
    layers = np.concatenate([said, said + offset], axis=1)
    both = {"mBERT": layers, "deeper": np.concatenate([layers, layers + 1])}
    return widgets.LayerMap(both, ["en"] * 20 + ["zh"] * 20, [*range(20)] * 2)


def test_centring_lays_translations_on_each_other() -> None:
    made = layer_map()
    raw, centred = (made.flat("mBERT", 1, on) for on in (False, True))
    assert raw.shape == (40, 2)
    assert np.linalg.norm(raw[:20].mean(0) - raw[20:].mean(0)) > 5
    np.testing.assert_allclose(centred[:20], centred[20:], atol=1e-4)


def test_map_holds_as_much_as_two_dimensions_can() -> None:
    made = layer_map()
    vectors = made.layers["mBERT"][2] - made.layers["mBERT"][2].mean(axis=0)
    values = np.linalg.svd(vectors, compute_uv=False)
    np.testing.assert_allclose(
        (made.flat("mBERT", 2, False) ** 2).sum(), (values[:2] ** 2).sum(), rtol=1e-4
    )


def test_sign_of_a_component_does_not_depend_on_the_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made, svd = layer_map(), np.linalg.svd
    before = made.flat("mBERT", 0, True)
    monkeypatch.setattr(np.linalg, "svd", lambda *a, **k: tuple(-part for part in svd(*a, **k)))
    np.testing.assert_allclose(made.flat("mBERT", 0, True), before, atol=1e-5)


def test_map_tells_what_it_shows_and_changes_with_its_controls(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(widgets, "has_front_end", lambda: True)
    made = layer_map()
    shown = made.show()
    assert "(mBERT, embeddings)" in shown.text and "English, Chinese" in shown.text
    (choice, slider, box), page = shown.widget.children[0].children, shown.widget.children[1]
    assert choice.options == ("mBERT", "deeper")
    assert (slider.min, slider.max, slider.value) == (0, 2, 0)
    assert page.value == shown.page
    slider.value = 2
    assert "(mBERT, layer 2)" in page.value
    box.value = True
    assert "(mBERT, layer 2, centred)" in page.value
    choice.value = "deeper"
    assert "(deeper, layer 2, centred)" in page.value


def test_map_refuses_what_does_not_fit() -> None:
    with pytest.raises(CourseError, match="mBERT has no layer 3"):
        layer_map().figure(("mBERT", 3, False))
    with pytest.raises(CourseError, match="no model 'XLM'"):
        layer_map().figure(("XLM", 0, False))
    with pytest.raises(CourseError, match="do not fit 2 languages"):
        widgets.LayerMap({"m": np.zeros((1, 3, 4))}, ["en", "zh"], [0, 1, 2])
    with pytest.raises(CourseError, match="do not fit"):
        widgets.LayerMap({"m": np.zeros((3, 4))}, ["en"] * 3, [0, 1, 2])


ROWS = 400


def curve_runs(
    rights: dict[int, float], target: str = "hi", strategy: str = "continued", model: str = "m"
) -> list[transfer.Run]:
    """Runs of three draws on one test set, right in the first so many per cent of its rows."""
    found = []
    for shots, share in rights.items():
        for draw in range(3):
            right = (np.arange(ROWS) < round(share / 100 * ROWS) + draw - 1).astype(np.int64)
            said = Outcomes("accuracy", np.stack([right, np.ones_like(right)], axis=1))
            way = strategy if shots else "zero-shot"
            run = (model, "sentiment", way, "en", target, shots, draw if shots else 0, draw, 9, 1.0)
            found.append(transfer.Run(*run, said))
    return found


RISING = {0: 50.0, 10: 50.0, 50: 60.0, 100: 70.0}


@pytest.fixture
def budget() -> widgets.LabelBudget:
    runs = curve_runs(RISING) + curve_runs({0: 60, 10: 58, 50: 59}, "de", "joint")
    return widgets.LabelBudget(transfer.Results(runs))


def test_budget_reads_the_curve_and_multiplies(budget: widgets.LabelBudget) -> None:
    said = budget.advice("hi", 65, 0.5, "continued")
    need = transfer.labels_needed(budget.results, "hi", 0.65, "continued")
    assert need.labels == pytest.approx(75)
    assert said.startswith("65 % in Hindi takes about 75 labels, 37.50 €; ")
    assert 50 < need.low < 75 < need.high


def test_budget_gives_the_interval_of_the_labels(budget: widgets.LabelBudget) -> None:
    need = transfer.labels_needed(budget.results, "hi", 0.55, "continued")
    low, high = math.ceil(need.low), math.ceil(need.high)
    assert low < 30 < high < 100
    end = f"95 % interval {low} to {high} labels, {2 * low:.2f} € to {2 * high:.2f} €."
    assert budget.advice("hi", 55, 2, "continued").endswith(end)


def test_budget_does_not_go_beyond_what_was_measured(budget: widgets.LabelBudget) -> None:
    said = budget.advice("hi", 90, 0.5, "continued")
    assert said.startswith("90 % in Hindi lies beyond what was measured: with 100 labels")
    assert "only 0 % of the resamples" in said and "€" not in said


def test_budget_says_where_only_the_interval_goes_beyond(budget: widgets.LabelBudget) -> None:
    need = transfer.labels_needed(budget.results, "hi", 0.69, "continued")
    assert math.isinf(need.high) and not math.isnan(need.labels)
    said = budget.advice("hi", 69, 0.5, "continued")
    assert f"from {math.ceil(need.low)} beyond the 100 that were measured" in said
    assert f"{100 * need.reached:.0f} % of the resamples only" in said


def test_budget_sells_nothing_where_nothing_is_needed(budget: widgets.LabelBudget) -> None:
    assert "takes no label, on average;" in budget.advice("hi", 45, 0.5, "continued")


def test_budget_table_has_what_was_measured(budget: widgets.LabelBudget) -> None:
    page = Page(budget.table("hi", 60, 0.25, "continued"))
    assert page.head[:5] == ["labels", "cost", "score in %", "95 % interval", "60 % reached"]
    assert page.head[5:] == ["0", "10", "50", "100"]
    assert [row[0] for row in page.rows[1:]] == ["0.00 €", "2.50 €", "12.50 €", "25.00 €"]
    assert [row[1] for row in page.rows[1:]] == ["50.0", "50.0", "60.0", "70.0"]
    assert [row[3] for row in page.rows[1:]] == ["no", "no", "not sure", "yes"]


def test_budget_refuses_what_was_not_measured(budget: widgets.LabelBudget) -> None:
    with pytest.raises(CourseError, match="no curve of 'joint' for 'hi'"):
        budget.advice("hi", 60, 1, "joint")
    with pytest.raises(CourseError, match="no curve of 'continued' for 'sw'"):
        budget.advice("sw", 60, 1, "continued")
    for score in (0, 101, float("nan")):
        with pytest.raises(CourseError, match="is no score"):
            budget.advice("hi", score, 1, "continued")
    for price in (-1, float("inf"), float("nan")):
        with pytest.raises(CourseError, match="is no price"):
            budget.advice("hi", 60, price, "continued")


def test_budget_wants_curves_of_one_model() -> None:
    with pytest.raises(CourseError, match="curves of no model"):
        widgets.LabelBudget(transfer.Results(curve_runs({0: 50.0})))
    both = curve_runs(RISING) + curve_runs(RISING, model="other")
    with pytest.raises(CourseError, match="curves of m and other"):
        widgets.LabelBudget(transfer.Results(both))


def test_budget_obeys_no_markup_in_a_currency() -> None:
    made = widgets.LabelBudget(transfer.Results(curve_runs(RISING)), currency="<b>")
    page = Page(made.table("hi", 60, 1, "continued"))
    assert "b" not in page.tags and "50.00 <b>" in page.text


def test_budget_opens_half_way_and_answers_to_its_controls(
    budget: widgets.LabelBudget, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = budget.show()
    assert shown.widget is None and shown.text.startswith("Label budget: 60 % in Hindi takes")
    assert shown.page == budget.table("hi", 60, 0.5, "continued")
    monkeypatch.setattr(widgets, "has_front_end", lambda: True)
    above, below, page = budget.show("hi", 60, 1).widget.children
    (menu, how), (goal, cost) = above.children, below.children
    assert page.value == budget.table("hi", 60, 1, "continued")
    goal.value, cost.value = 55.0, 3.0
    assert page.value == budget.table("hi", 55, 3, "continued")
    menu.value = "de"
    assert "no curve of" in page.value
    how.value = "joint"
    assert page.value == budget.table("de", 55, 3, "joint")


# ── entities and inference ───────────────────────────────────────────────────────────────

WORDS = "Ana Díaz left New York .".split()
GOLD = "B-PER I-PER O B-LOC I-LOC O".split()


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (GOLD, "[Ana Díaz: PER ✓] left [New York: LOC ✓]."),
        ("O O O O O O".split(), "[Ana Díaz: PER ○ missed] left [New York: LOC ○ missed]."),
        ("B-ORG I-ORG O B-LOC I-LOC O".split(), "[Ana Díaz: ORG ✘ is PER] left [New York: LOC ✓]."),
        (
            "B-PER O O B-LOC I-LOC B-PER".split(),
            "[Ana Díaz: PER ✘ wrong bounds] left [New York: LOC ✓][.: PER ✘ is none]",
        ),
        (
            "B-PER B-PER O B-LOC I-LOC O".split(),
            "[Ana Díaz: PER+PER ✘ is PER, wrong bounds] left [New York: LOC ✓].",
        ),
        # Strict IOB2: what continues nothing is no entity, for the score as for the eye.
        ("I-PER I-PER O B-LOC I-LOC O".split(), "[Ana Díaz: PER ○ missed] left [New York: LOC ✓]."),
        ("O B-ORG I-ORG I-ORG I-ORG O".split(), "[Ana Díaz left New York: ORG ✘ is PER+LOC, wrong"),
    ],
)
def test_errors_of_entities_are_told_apart(said: list[str], told: str) -> None:
    shown = widgets.entity_errors([("en", WORDS, GOLD, said)])
    assert shown.text.startswith(f"English: {told}")
    page = Page(shown.page)
    assert page.text.replace(" ✓", "").count("Ana Díaz") == 1
    assert shown.page.count("<mark") == told.count("[")


def test_entities_alone_are_told_by_type() -> None:
    shown = widgets.entities([("en", WORDS, GOLD), ("de", ["Nichts", "."], ["O", "O"])])
    assert shown.text == "English: [Ana Díaz: PER] left [New York: LOC].\nGerman: Nichts."
    assert "✓" not in shown.page and shown.widget is None


def test_entities_know_the_writing_of_a_language() -> None:
    rows = [
        ("zh", list("陈伟在北京"), "B-PER I-PER O B-LOC I-LOC".split()),
        ("ar", "زار علي القاهرة".split(), "O B-PER B-LOC".split()),
    ]
    shown = widgets.entities(rows)
    assert shown.text == "Chinese: [陈伟: PER]在[北京: LOC]\nArabic: زار [علي: PER] [القاهرة: LOC]"
    assert [(s["lang"], s["dir"]) for s in Page(shown.page).spans] == [("zh", "ltr"), ("ar", "rtl")]
    # Labels are English, from left to right, also inside Arabic.
    assert shown.page.count('<small lang="en" dir="ltr"') == 4


def test_entities_with_markup_are_shown_not_obeyed() -> None:
    page = widgets.entities([("en", ["<b>", "x"], ["B-PER", "O"])]).page
    assert "&lt;b&gt;" in page and "<b>" not in page


def test_entities_refuse_tags_that_do_not_fit() -> None:
    with pytest.raises(CourseError, match="2 tags for 1 words"):
        widgets.entities([("en", ["x"], ["O", "O"])])
    with pytest.raises(CourseError, match="no language card"):
        widgets.entities([("xx", ["x"], ["O"])])


@pytest.fixture
def abroad(
    classifier: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> tuple[widgets.ZeroShot, list[Any]]:
    """The explorer with a tagger that calls capitalised and Chinese words LOC, and what it read."""
    from xlhelpers import finetuning

    read: list[Any] = []

    def tag(model: Any, tokenizer: Any, sentences: Any) -> list[list[str]]:
        read.extend(sentences)
        found = [["B-LOC" if w[0].isupper() or w > "一" else "O" for w in ws] for ws in sentences]
        return found

    monkeypatch.setattr(finetuning, "tag", tag)
    return widgets.ZeroShot(object(), *classifier, KNOWN), read


def test_zero_shot_shows_entities_and_the_decision(
    abroad: tuple[widgets.ZeroShot, list[Any]], classifier: tuple[Any, Any]
) -> None:
    from xlhelpers import finetuning

    explorer, read = abroad
    page = Page(explorer.table("It is in Lima.", "en", "这部电影很好。", "zh"))
    assert read == [["It", "is", "in", "Lima", "."]]
    assert "Lima LOC" in page.text and "2 of 4 words are new to its world (in, lima)" in page.text
    asked = finetuning.classify(*classifier, [("It is in Lima.", "这部电影很好。")])
    for name, share in zip(asked.names, asked.probabilities[0], strict=True):
        assert name in page.head and f"{100 * share:.0f} %" in page.text
    assert "Every word occurs in the texts of its world." in page.text


def test_zero_shot_without_a_second_sentence_decides_nothing(
    abroad: tuple[widgets.ZeroShot, list[Any]],
) -> None:
    page = Page(abroad[0].table("this is good", "en"))
    assert "No entity is found." in page.text and "negative" not in page.head


def test_zero_shot_reads_pieces_where_blanks_divide_nothing(
    abroad: tuple[widgets.ZeroShot, list[Any]],
) -> None:
    explorer, read = abroad
    explorer.table("这部电影很好", "zh")
    assert "".join(read[0]) == "这部电影很好"


def test_zero_shot_refuses_what_it_cannot_judge(
    abroad: tuple[widgets.ZeroShot, list[Any]], classifier: tuple[Any, Any]
) -> None:
    explorer, _ = abroad
    assert explorer.table(" ! ", "en") == "<p>Type a sentence.</p>"
    for languages in (("de", "en"), ("en", "de")):
        with pytest.raises(CourseError, match="no texts in 'de'"):
            explorer.table("gut", languages[0], "gut", languages[1])
    random_head = SimpleNamespace(xl_untrained=("classifier.weight",))
    for pair in ((random_head, classifier[0]), (classifier[0], random_head)):
        with pytest.raises(CourseError, match="head of this model is random"):
            widgets.ZeroShot(*pair, classifier[1], KNOWN)
    with pytest.raises(CourseError, match="no texts to compare"):
        widgets.ZeroShot(object(), *classifier, {})


def test_zero_shot_answers_to_its_four_controls(
    abroad: tuple[widgets.ZeroShot, list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    explorer, _ = abroad
    assert repr(explorer.show("It is good.", "en")) == (
        "Explorer: entities in 'It is good.', and what follows"
    )
    monkeypatch.setattr(widgets, "has_front_end", lambda: True)
    first, second, page, _ = explorer.show("It is good.", "en", "It is not good.").widget.children
    assert page.value == explorer.table("It is good.", "en", "It is not good.", "en")
    first.children[1].value = "ar"
    first.children[0].value = "فيلم"
    second.children[1].value = "zh"
    second.children[0].value = "很好"
    assert page.value == explorer.table("فيلم", "ar", "很好", "zh")


# ── machine translation ──────────────────────────────────────────────────────────────────────────


class Words:
    """A translator of words by a list; what is not in it stays, and is warned of."""

    def __init__(self, source: str, target: str, words: dict[str, str]) -> None:
        self.source, self.target, self.words = source, target, words

    def translate(self, texts: Sequence[str], progress: bool = False) -> list[str]:
        strange = [text for text in texts if not set(text.split()) & set(self.words)]
        if strange:
            warnings.warn("install something", UserWarning, stacklevel=2)
            said = f"nothing known in {strange[0]!r}"
            warnings.warn(said, translation.TranslationWarning, stacklevel=2)
        return [" ".join(self.words.get(w, w) for w in text.split()) for text in texts]


THERE = Words("en", "de", {"good": "gut", "bus": "Bus", "fine": "gut"})
BACK = Words("de", "en", {"gut": "good", "Bus": "bus"})


@pytest.fixture
def translating() -> widgets.Translating:
    return widgets.Translating({"de": (THERE, BACK)}, ["good bus", "fine"])


def test_translating_shows_both_ways(translating: widgets.Translating) -> None:
    page = Page(translating.table("good bus", "de"))
    assert page.head == ["English", "→ German", "→ English"]
    assert [row[0] for row in page.rows] == ["good bus", "gut Bus", "good bus"]
    assert "The way back keeps 100 chrF of 100." in page.text
    assert "Every word occurs in the texts of its world." in page.text
    assert {"lang": "de", "dir": "ltr"} in page.spans
    assert "The way back keeps 100 chrF" not in translating.table("fine", "de")


def test_translating_says_when_it_is_out_of_its_world(translating: widgets.Translating) -> None:
    page = Page(translating.table("purple elephants", "de"))
    assert "2 of 2 words are new to its world (purple, elephants)" in page.text
    # Both ways warn alike; it is told once.
    assert page.text.count("nothing known in 'purple elephants'") == 1
    assert "install" not in page.text


@pytest.mark.parametrize("typed", ["", " \n", "…?!"])
def test_translating_wants_a_sentence(translating: widgets.Translating, typed: str) -> None:
    assert translating.table(typed, "de") == "<p>Type a sentence.</p>"


def test_translating_shows_markup_and_does_not_obey_it(translating: widgets.Translating) -> None:
    page = Page(translating.table("<script>good</script>", "de"))
    assert "script" not in page.tags and "script" in page.text


def test_translating_shows_pieces_where_there_is_a_tokenizer(
    classifier: tuple[Any, Any],
) -> None:
    there = Words("en", "de", THERE.words)
    there.tokenizer = classifier[1]  # type: ignore[attr-defined]
    found = widgets.Translating({"de": (there, BACK)}, ["good bus"])
    assert "1 pieces, 0 of them unknown: ▁good." in Page(found.table("good", "de")).text
    assert "(4940 more)" in Page(found.table("good " * 5_000, "de")).text


@pytest.mark.parametrize(
    ("ways", "known"),
    [
        ({}, ["good"]),
        ({"de": (THERE, THERE)}, ["good"]),
        ({"es": (THERE, BACK)}, ["good"]),
        ({"de": (THERE, BACK), "en": (BACK, THERE)}, ["good"]),
        ({"de": (THERE, BACK)}, []),
    ],
)
def test_translating_refuses_what_does_not_fit(ways: dict[str, Any], known: list[str]) -> None:
    with pytest.raises(CourseError):
        widgets.Translating(ways, known)


def test_translating_answers_to_both_controls(
    translating: widgets.Translating, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(CourseError, match="no translator into 'zh'.*\n.*de"):
        translating.table("good", "zh")
    assert repr(translating.show("good bus", "de")) == "Explorer: 'good bus' in German and back"
    monkeypatch.setattr(widgets, "has_front_end", lambda: True)
    controls, page, _ = translating.show("good bus", "de").widget.children
    box, menu = controls.children
    assert [code for _, code in menu.options] == ["de"]
    box.value = "good"
    assert page.value == translating.table("good", "de")


# ── a service ────────────────────────────────────────────────────────────────────────────


class Router:
    """Answers German texts by a specialist, English ones in general, and nothing else."""

    def classify(self, texts: Sequence[str]) -> list[Any]:
        return [self.one(text) for text in texts]

    def one(self, text: str) -> Any:
        from xlhelpers.serving import Answer, Detection, Routed

        code = next((c for c in ("de", "en") if text.startswith(c)), None)
        if code is None:
            away = Detection(None, "unserved", "de", 0.95, 0.999)
            return Routed(0, None, away, "refused", problem="its language is not served")
        chances = {"bad": 0.25, "good": 0.75}
        answer = Answer(0, "good", 0.75, chances, code, 130, 2, code == "de", "ab" * 32)
        route = "specialist" if code == "de" else "general"
        found = Detection(code, "accepted", code, 0.8, 0.01)
        fallback = "failed" if "fallback" in text else ""
        return Routed(0, answer, found, route, "ab" * 32, fallback)


def test_a_service_shows_each_decision() -> None:
    page = widgets.Service(Router()).table("de: gut")
    for told in (
        "accepted: German", "German, 80 %", "1 %", "specialist", "abababababab",
        "130 tokens in 2 window(s)", "good, 75 %, below the threshold", "25 %",
    ):  # fmt: skip
        assert told in page, told
    assert 'lang="de"' in page
    general = widgets.Service(Router()).table("en: fallback")
    assert "general (failed)" in general and "below the threshold" not in general


def test_a_service_says_why_it_does_not_answer() -> None:
    page = widgets.Service(Router()).table("suomea")
    assert "unserved" in page and "its language is not served" in page and "100 %" in page
    assert "none was asked" in page and "tokens" not in page


def test_a_service_shows_markup_and_does_not_obey_it() -> None:
    for text in ("de <script>x</script>", "<script>x</script>"):
        page = widgets.Service(Router()).table(text)
        assert "<script>" not in page and "&lt;script&gt;" in page


def test_a_service_answers_to_what_is_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(widgets, "has_front_end", lambda: True)
    shown = widgets.Service(Router()).show("de: gut")
    box, page, _ = shown.widget.children
    assert "accepted: German" in page.value
    box.value = "suomea"
    assert "its language is not served" in page.value
    assert "Explorer" in repr(shown)


def test_sign_for_a_blank_does_not_repeat_a_letter() -> None:
    explorer = object.__new__(widgets.ZeroShot)
    places = [(0, 1), (0, 2), (2, 4), (4, 5)]  # as of “▁”, “彼得”, “住在” and “。”
    explorer.tokenizer = lambda text, **how: {"offset_mapping": places}
    assert explorer._cut("彼得住在。", "zh") == ["彼得", "住在", "。"]


def test_boxes_to_type_in_follow_the_direction_of_what_is_typed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(widgets, "has_front_end", lambda: True)
    box, _, style = widgets.Service(Router()).show("de: gut").widget.children
    (name,) = box._dom_classes
    assert (
        f".{name} textarea{{unicode-bidi:plaintext" in style.value
        and f".{name} input" in style.value
    )
    assert widgets._side_by_side(box).layout.flex_flow == "row wrap", "in a narrow window too"
