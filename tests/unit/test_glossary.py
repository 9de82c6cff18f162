"""The glossary, and the links to it from where notebooks use a term first."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import xlhelpers as xl
from xlhelpers import _notebooks, glossary
from xlhelpers.commands._pages import links
from xlhelpers.glossary import GlossaryError, Term

TERMS = glossary.terms()
BOOKS = _notebooks.books()

# A notebook may come into the course after its terms do.
PLACED = [term for term in TERMS if term.notebook in {book.number for book in BOOKS}]

every_term = pytest.mark.parametrize("term", TERMS, ids=lambda term: term.anchor)
every_book = pytest.mark.parametrize("book", BOOKS, ids=lambda book: book.number)


def _prose(book: _notebooks.Book) -> list[tuple[int, str]]:
    return [
        (cell.number, links.without_links(cell.source))
        for cell in book.cells
        if cell.kind == "markdown"
    ]


# ── the entries ──────────────────────────────────────────────────────────────────────────────────


def test_there_are_enough_entries_sorted_and_each_form_has_one() -> None:
    assert 60 <= len(TERMS) <= 130
    names = [term.name for term in TERMS]
    assert names == sorted(names, key=str.casefold)
    assert len({term.anchor.casefold() for term in TERMS}) == len(TERMS)
    assert all(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9 -]*", name) for name in names), "for anchors"
    forms = [form.casefold() for term in TERMS for form in (term.name, *term.forms)]
    assert len(forms) == len(set(forms)), sorted(f for f in forms if forms.count(f) > 1)


@every_term
def test_an_entry_is_short_and_plain(term: Term) -> None:
    assert 60 <= len(term.text) <= 480
    sentences = re.findall(r"[.?](?=\s|$|\))", term.text)
    assert 2 <= len(sentences) <= 5 and term.text[-1] in ".)"
    assert not re.search(r"\b(?:simply|powerful|obviously)\b|!|\bI\b(?!-)", term.text)
    assert not set(term.only) & set(term.never)


@pytest.mark.parametrize("term", PLACED, ids=lambda term: term.anchor)
def test_an_entry_says_where_it_is_taught(term: Term) -> None:
    book = _notebooks.book(term.notebook)
    sections = {section.heading: section for section in book.sections}
    assert term.section in sections, f"notebook {term.notebook} has no “{term.section}”"
    assert term.target == book.link(sections[term.section])
    assert term.means_here(term.notebook), "taught where it has this meaning"


@every_term
def test_a_source_has_a_year(term: Term) -> None:
    assert not term.source or re.search(r"\((?:19|20)\d\d\)|multilingual\.md", term.source)


def test_every_notebook_teaches_terms() -> None:
    taught = [term.notebook for term in TERMS]
    assert all(taught.count(f"{number:02}") >= 5 for number in range(1, 9))
    assert len(PLACED) == len(TERMS) or len(BOOKS) < 8


def test_every_term_is_used() -> None:
    used = {
        use.term.name
        for book in BOOKS
        for use in links.first_uses(_prose(book), book.number, TERMS)
    }
    assert [term.name for term in PLACED if term.name not in used] == []


# ── asking for one ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["CSLS", "csls", " hubs ", "Cohen's  kappa", "P@1"])
def test_a_term_is_explained_by_any_of_its_forms(name: str) -> None:
    term = xl.glossary.explain(name)
    assert repr(term).startswith(f"[i] {term.name}: ")
    assert f"Taught in notebook {term.notebook}, “{term.section}”." in repr(term)


def test_an_explanation_names_its_source() -> None:
    term = glossary.explain("CSLS")
    assert "Conneau et al. (2018), ICLR" in repr(term)
    assert "Source: " not in repr(glossary.explain("batch"))
    assert "<strong" in term._repr_html_()


def test_an_unknown_term_is_told_with_the_nearest() -> None:
    with pytest.raises(GlossaryError) as caught:
        glossary.explain("tokeniser")
    assert "tokenizer" in caught.value.remedy
    with pytest.raises(GlossaryError, match=r"all of them are in docs/glossary\.md"):
        glossary.explain("zzzzzz")


def test_a_file_that_is_no_glossary_is_told(tmp_path: Path) -> None:
    file = tmp_path / "glossary.md"
    with pytest.raises(GlossaryError, match=r"no glossary at glossary\.md"):
        glossary.terms(file)
    file.write_text("# Glossary\n\n### hub\n\nSomething.\n")
    with pytest.raises(GlossaryError, match="“hub” does not say where it is taught"):
        glossary.terms(file)


# ── where a term is used first ───────────────────────────────────────────────────────────────────

SAMPLE = (
    Term("hub", "A word.", "01", "1 · One", "x", forms=("hubs",), only=("01",)),
    Term("few-shot transfer", "Few.", "01", "1 · One", "x", forms=("few-shot",)),
    Term("shot", "An example.", "01", "1 · One", "x", forms=("shots",), never=("07",)),
    Term("F1", "A score.", "01", "1 · One", "x"),
    Term("kappa", "A score.", "01", "1 · One", "x", forms=("Cohen's kappa",)),
)


def _linked(*texts: str, notebook: str = "01") -> list[str]:
    cells = list(enumerate(texts, start=1))
    once = links.linked(cells, notebook, SAMPLE)
    assert links.linked(once, notebook, SAMPLE) == once, "a second time changes nothing"
    assert [links.without_links(text) for _, text in once] == list(texts), "nothing is lost"
    assert links.faults(once, notebook, SAMPLE) == []
    return [text for _, text in once]


def _to(words: str, anchor: str) -> str:
    return f"[{words}](../docs/glossary.md#{anchor})"


def test_only_the_first_use_is_linked_across_cells() -> None:
    assert _linked("No term.", "Two hubs and a hub.", "A hub.") == [
        "No term.",
        f"Two {_to('hubs', 'hub')} and a hub.",
        "A hub.",
    ]


def test_the_longest_form_wins_and_the_shorter_one_waits() -> None:
    assert _linked("A few-shot set. Ten shots.") == [
        f"A {_to('few-shot', 'few-shot-transfer')} set. Ten {_to('shots', 'shot')}."
    ]


@pytest.mark.parametrize(
    ("text", "words", "anchor"),
    [
        ("Hubs arise.", "Hubs", "hub"),
        ("A few-shot transfer.", "few-shot transfer", "few-shot-transfer"),
        ("It is a **hub**.", "hub", "hub"),
        ("| a | hubs |", "hubs", "hub"),
        ("By Cohen's kappa.", "Cohen's kappa", "kappa"),
        ("By Cohen's\nkappa.", "Cohen's\nkappa", "kappa"),
        ("The hub's place", "hub", "hub"),
        ("F1, and F1", "F1", "F1"),
        ("`hub` and hub", "hub", "hub"),
        ("# A hub\n\nA hub.", "hub", "hub"),
        ("“a hub” and hubs", "hubs", "hub"),
        ("(hubs; Doe, 2010, JMLR) hub", "hub", "hub"),
    ],
)
def test_what_is_a_use(text: str, words: str, anchor: str) -> None:
    (after,) = _linked(text)
    assert _to(words, anchor) in after and after.count("](") == 1


@pytest.mark.parametrize(
    "text",
    [
        "`hub` and ``a `hub` ``",
        "```python\nhub\n```",
        "~~~\nhub\n~~~",
        "## Why a hub?",
        "$hub$ and $$\nhub\n$$",
        "[the hub](https://hub.example/hub)",
        "![hub](hub.png)",
        '<span title="hub">x</span>',
        "<!-- hub -->",
        "<!--=low.hub-->hub 3 %<!--/-->",
        "https://example.org/hub",
        '“a hub”, "the hub"',
        "(on hubs, Doe, 2010)",
        "**Further reading**\n- *The hub*, JMLR.",
        "HUB, hubcap, github, sub-hub, hub-like, f1, F10",
        "Cohens kappas",
    ],
)
def test_what_is_none(text: str) -> None:
    assert _linked(text) == [text]


def test_a_meaning_holds_in_its_notebooks_only() -> None:
    assert _linked("A hub.", notebook="02") == ["A hub."]
    assert _linked("A shot.", notebook="07") == ["A shot."]
    assert _to("shot", "shot") in _linked("A shot.", notebook="08")[0]


def test_links_move_when_the_first_use_does() -> None:
    before = [(1, "Nothing."), (2, f"A {_to('hub', 'hub')}.")]
    after = links.linked([(1, "A hub now."), before[1]], "01", SAMPLE)
    assert after == [(1, f"A {_to('hub', 'hub')} now."), (2, "A hub.")]


def test_an_address_before_the_path_is_written_and_understood() -> None:
    base = "https://github.com/OWNER/multilingual-nlp-course/blob/main/"
    after = links.linked([(1, "A hub.")], "01", SAMPLE, base)
    assert after == [(1, f"A [hub]({base}docs/glossary.md#hub).")]
    assert links.linked(after, "01", SAMPLE) == [(1, f"A {_to('hub', 'hub')}.")]
    assert links.faults(after, "01", SAMPLE) == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("A hub.", "cell 1: the first use of “hub” is not linked"),
        (f"A {_to('hub', 'hub')}, a hub", ""),
        (f"{_to('hub', 'hub')}s {_to('hub', 'hub')}", "a link to “hub” that is not its first use"),
        (f"A {_to('hub', 'gone')}.", "the glossary has no entry #gone (“hub”)"),
        (f"A {_to('spoke', 'hub')}.", "a link to “hub” that is not its first use"),
    ],
)
def test_faults(text: str, fault: str) -> None:
    said = links.faults([(1, text)], "01", SAMPLE)
    assert (fault in " ".join(said)) if fault else said == []


# ── on the course's notebooks, as they would be ──────────────────────────────────────────────────


@every_book
def test_linking_a_notebook_changes_links_and_nothing_else(book: _notebooks.Book) -> None:
    before = _prose(book)
    after = links.linked(before, book.number, TERMS)
    assert [(n, links.without_links(text)) for n, text in after] == before
    assert links.linked(after, book.number, TERMS) == after
    assert links.faults(after, book.number, TERMS) == []
    count = sum(text.count("](../docs/glossary.md#") for _, text in after)
    assert count >= 15 and count == len(links.first_uses(before, book.number, TERMS))


@every_book
def test_no_link_is_put_where_it_would_break_something(book: _notebooks.Book) -> None:
    after = links.linked(_prose(book), book.number, TERMS)
    for (_, old), (_, new) in zip(_prose(book), after, strict=True):
        kept = [re.findall(pattern, old) for pattern in _FRAGILE]
        assert [re.findall(pattern, new) for pattern in _FRAGILE] == kept


_FRAGILE = (
    r"(?m)^#.*$",
    r"<!--=.*?<!--/-->",
    r"`[^`\n]+`",
    r"\$[^$\n]+\$",
    r"\([^()]*\b(?:19|20)\d\d\b[^()]*\)",
    r"!?\[[^\]]*\]\((?!\.\./docs/glossary)[^)]*\)",
)
