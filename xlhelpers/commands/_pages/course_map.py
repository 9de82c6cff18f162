"""`docs/map.md`: what each notebook needs and costs, and where to begin for those who know more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xlhelpers import _notebooks
from xlhelpers._notebooks import Book


@dataclass(frozen=True)
class Skip:
    """Who knows `know` may begin at a section (its title without the number) of a notebook."""

    know: str
    notebook: str
    section: str


SKIPS = (
    Skip(
        "what a word vector is, and the orthogonal Procrustes problem",
        "alignment",
        "How good is the map on words it has not seen?",
    ),
    Skip("hubs and CSLS", "alignment", "Does distance matter?"),
    Skip("self-learning from a few word pairs", "alignment", "And with no dictionary at all?"),
    Skip("what a cosine of sentence vectors is worth", "mbert", "Is the translation the nearest?"),
    Skip("pooling, layers and centring", "mbert", "How language-neutral is it?"),
    Skip("probes and language neutrality", "mbert", "Why does it emerge?"),
    Skip("WordPiece, Unigram and unknown tokens", "xlmr", "Where are the parameters?"),
    Skip(
        "where parameters are, and how languages are sampled",
        "xlmr",
        "Failure: predictions of a head that nobody trained",
    ),
    Skip("fine-tuning a classifier", "xlmr", "What arrives in other languages?"),
    Skip(
        "training a tagger, and the F1 of entities",
        "zero_shot",
        "Where is it worst?",
    ),
    Skip(
        "zero-shot transfer for names and inference",
        "zero_shot",
        "From every language to every other",
    ),
    Skip("leaks between training and test", "few_shot", "Which rows are shots?"),
    Skip(
        "learning curves over many draws of shots",
        "few_shot",
        "What else can one do with the labels?",
    ),
    Skip(
        "fertility, premiums and what tokenizers lose",
        "low_resource",
        "Failure: the loss that lies",
    ),
    Skip(
        "adapting a model to a new language",
        "low_resource",
        "Is a relative a better teacher than English?",
    ),
    Skip("augmentation and active learning", "low_resource", "Annotate your own"),
    Skip("how a translator decodes, BLEU and chrF", "translation", "How far does it carry?"),
    Skip(
        "translate-train and translate-test",
        "translation",
        "Do shared labels align languages?",
    ),
    Skip("calibration and temperature", "production", "Names that do not fit into JSON"),
    Skip(
        "caches, batches and where time goes",
        "production",
        "Half the layers: what does each language lose?",
    ),
)

_TOP = """# Map of the course

The notebooks stand in an order in which each can rest on the ones before. None needs another to be
run first: every notebook loads what it uses, so that you may begin wherever you know enough.
`xl.progress()` says what you have answered, and what is next.

<!-- This file is written by `python -m xlhelpers.commands._pages` from the notebooks. -->

## What each needs and costs
"""

_COSTS = f"""
Minutes to work through are an estimate: {_notebooks.WORDS_A_MINUTE} words a minute,
{_notebooks.MINUTES_A_CELL:g} minute for a code cell, {_notebooks.MINUTES_AN_EXERCISE:g} for an
exercise, {_notebooks.MINUTES_A_QUIZ:g} for the quiz. Minutes and memory of a run were measured, by
`course.py run --stamp`.

## If you know it already

Each line names a section where those can begin who know what stands at its left. The cell brings
everything that the section needs, in any notebook of the course; it shows nothing of what it runs.
"""


_KEYS = """
## Without a mouse

Tab goes from one control of a notebook to the next, Enter presses a button.

- A menu: Space opens it, then the arrows choose. Space has to come first: an arrow
  key or a letter on a closed menu goes to JupyterLab itself.
- Round buttons, of which one is chosen: Tab, then Space.
"""


def page(books: Sequence[Book], skips: Sequence[Skip] | None = None) -> str:
    """The whole file.

    Raises:
        NotebookError: a skip names a section that its notebook does not have.
    """
    lines = [
        _TOP,
        "| | notebook | you need | minutes to work through | minutes of a run | memory |",
        "|---|---|---|---|---|---|",
        *map(_row, books),
        _COSTS,
        "| if you know | begin at | in one cell |",
        "|---|---|---|",
    ]
    known = {book.name: book for book in books}
    chosen = SKIPS if skips is None else skips
    lines += [_skip(known[skip.notebook], skip) for skip in chosen if skip.notebook in known]
    return "\n".join([*lines, _KEYS])


def _row(book: Book) -> str:
    run = "" if book.minutes is None else f"{book.minutes:.1f}"
    memory = "" if book.memory is None else f"{book.memory:.1f} GB"
    need = _bare(book.need)
    return (
        f"| {book.number} | [{book.title}](../notebooks/{book.path.name}) | "
        f"{need[:1].upper()}{need[1:]} | {book.working_minutes} | {run} | {memory} |"
    )


def _bare(markdown: str) -> str:
    """Less links to the glossary, and without what would end a cell of the table."""
    from xlhelpers.commands._pages.links import without_links

    return without_links(markdown).replace("|", "\\|")


def _skip(book: Book, skip: Skip) -> str:
    section = book.section(skip.section)
    return (
        f"| {skip.know} | [{book.number}, {section.heading}]"
        f"({book.link(section)}) | "
        f'`xl.checkpoint("{book.number}", "{section.number}")` |'
    )
