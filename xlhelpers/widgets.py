"""Explorers: pick or type something and watch what a model makes of it.

Each explorer is a pure function from inputs to an HTML table, with a few ipywidgets controls
around it. Where no widget can be shown (a web page, a terminal) its first table stands in.
Only what ipywidgets 7.7 and 8 share is used.
"""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from xlhelpers import datasets, languages
from xlhelpers.errors import CourseError

if TYPE_CHECKING:
    from xlhelpers.embeddings import WordVectors

_CAPTION = "white-space:nowrap;text-align:left"
_VIEW = "application/vnd.jupyter.widget-view+json"


class Shown:
    """A widget together with what stands in for it elsewhere.

    A notebook stores all forms and shows the best that it can.
    """

    def __init__(self, widget: Any, text: str, page: str) -> None:
        self.widget = widget
        self.text = text
        self.page = page

    def __repr__(self) -> str:
        return self.text

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        bundle: dict[str, Any] = {"text/plain": self.text, "text/html": self.page}
        if self.widget is not None:
            bundle[_VIEW] = {
                "version_major": 2,
                "version_minor": 0,
                "model_id": self.widget.model_id,
            }
        return bundle


def has_front_end() -> bool:
    """Whether there is a notebook kernel, and so a page that could show a widget."""
    try:
        from IPython import get_ipython
    except ImportError:
        return False
    return getattr(get_ipython(), "kernel", None) is not None


class Neighbours:
    """Nearest words of one language to a word of another, before and after alignment.

    Args:
        before: vectors by language, each in its own space, rows of length 1.
        after: the same words in one shared space, rows of length 1.
        k: how many neighbours to list.

    Raises:
        CourseError: `before` and `after` name different languages, or fewer than two.
    """

    def __init__(
        self, before: Mapping[str, WordVectors], after: Mapping[str, WordVectors], k: int = 5
    ) -> None:
        if set(before) != set(after) or len(before) < 2:
            raise CourseError(
                f"before has {', '.join(before)}; after has {', '.join(after)}",
                "give the same two or more languages to both",
            )
        self.before, self.after, self.k = dict(before), dict(after), k

    def table(self, word: str, source: str, target: str) -> str:
        """Return the neighbours as an HTML table; a sentence for words that are not known.

        Raises:
            CourseError: there are no vectors for a language.
        """
        self._check_languages(source, target)
        word = unicodedata.normalize("NFC", word.strip()).lower()
        if word not in self.before[source]:
            word = word.replace("’", "'")  # as keyboards type it, and as our vectors spell it
        if source == target:
            return _note("Choose two different languages.")
        if not word:
            return _note("Type a word.")
        if word not in self.before[source]:
            return _note(f"“{_short(word)}” {self._unknown(word, source)}")
        gold, legend = _gold(source, target)
        columns = {
            "before": self._nearest(self.before, word, source, target, csls=False),
            "after, cosine": self._nearest(self.after, word, source, target, csls=False),
            "after, CSLS": self._nearest(self.after, word, source, target, csls=True),
        }
        caption = (
            f"{languages.html(word, source)} ({_name(source)}): nearest {_name(target)} words. "
            f"{html.escape(legend)}"
        )
        return _table(caption, columns, target, gold.get(word, ()))

    def show(self, word: str = "water", source: str = "en", target: str = "de") -> Shown:
        """Return the explorer, opened at one word."""
        first = self.table(word, source, target)
        text = f"Explorer: nearest {_name(target)} words to {word!r}"
        widget = self._widget(word, source, target) if has_front_end() else None
        return Shown(widget, text, first)

    def _widget(self, word: str, source: str, target: str) -> Any:
        import ipywidgets

        choices = [(_name(code), code) for code in self.before]
        box = ipywidgets.Text(value=word, description="Word", continuous_update=False)
        origin = ipywidgets.Dropdown(options=choices, value=source, description="From")
        goal = ipywidgets.Dropdown(options=choices, value=target, description="To")
        page = ipywidgets.HTML(self.table(word, source, target))
        _refresh(page, lambda: self.table(box.value, origin.value, goal.value), box, origin, goal)
        return ipywidgets.VBox([ipywidgets.HBox([box, origin, goal]), page])

    def _check_languages(self, *codes: str) -> None:
        for code in codes:
            if code not in self.before:
                raise CourseError(
                    f"there are no vectors for {code!r} here",
                    f"choose among {', '.join(self.before)}",
                )

    def _unknown(self, word: str, source: str) -> str:
        from xlhelpers.embeddings import UnknownWordError

        try:
            self.before[source].row(word)
        except UnknownWordError as error:
            return f"is not among these {_name(source)} words. {error.remedy}"
        return ""

    def _nearest(
        self,
        spaces: Mapping[str, WordVectors],
        word: str,
        source: str,
        target: str,
        csls: bool,
    ) -> list[tuple[str, float]]:
        from xlhelpers.alignment import cosine_knn, csls_knn

        query = spaces[source].rows([word])
        to = spaces[target]
        k = min(self.k, len(to))
        found = (
            csls_knn(query, to.matrix, spaces[source].matrix, k=k)
            if csls
            else cosine_knn(query, to.matrix, k)
        )
        best = zip(found.indices[0], found.scores[0], strict=True)
        return [(to.words[row], float(score)) for row, score in best]


def _refresh(page: Any, render: Callable[[], str], *controls: Any) -> None:
    """Render again whenever a control changes; an error of ours is shown, not swallowed."""

    def changed(_: Any) -> None:
        try:
            page.value = render()
        except CourseError as error:
            page.value = _note(str(error))

    for control in controls:
        control.observe(changed, names="value")


def _gold(source: str, target: str) -> tuple[dict[str, tuple[str, ...]], str]:
    """Return the translations that can be marked, and a sentence on marks."""
    if "en" not in (source, target):
        return {}, "Nothing is marked: our dictionaries are from and to English."
    try:
        known = datasets.lexicon(source, target).translations()
    except CourseError as error:
        return {}, f"Nothing is marked: {error.problem}."
    return known, "✓ marks a translation in our dictionary."


def _table(
    caption: str,
    columns: Mapping[str, list[tuple[str, float]]],
    language: str,
    right: tuple[str, ...],
) -> str:
    head = "".join(f'<th scope="col">{html.escape(title)}</th>' for title in columns)
    rows = "".join(
        "<tr>" + "".join(_cell(word, score, language, right) for word, score in row) + "</tr>"
        for row in zip(*columns.values(), strict=True)
    )
    return (
        f'<table><caption style="{_CAPTION}">{caption}</caption>'
        f"<thead><tr>{head}</tr></thead>"
        f"<tbody>{rows}</tbody></table>"
    )


def _cell(word: str, score: float, language: str, right: tuple[str, ...]) -> str:
    mark = " ✓" if word in right else ""
    shown = f"{languages.html(word, language)}{mark} <small>{score:.2f}</small>"
    return f'<td style="text-align:left;padding-right:2em">{shown}</td>'


def _short(word: str, most: int = 40) -> str:
    return word if len(word) <= most else f"{word[:most]}…"


def _note(text: str) -> str:
    return f"<p>{html.escape(text)}</p>"


def _name(code: str) -> str:
    return languages.get(code).name
