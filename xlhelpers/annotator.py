"""Label one's own texts, by two people, in the notebook: `xl.widgets.Annotator`.

What a person does is a method, which writes to the log before the next item is shown; the
buttons around it only call these methods. Only what ipywidgets 7.7 and 8 share is used.
"""

from __future__ import annotations

import html
import random
import time
import unicodedata
import warnings
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from xlhelpers import languages
from xlhelpers._shown import Shown, has_front_end
from xlhelpers.errors import CourseError

if TYPE_CHECKING:
    import pandas as pd

    from xlhelpers.active_learning import Agreement, AnnotationLog, Item
    from xlhelpers.active_learning.annotation import Span, Value
    from xlhelpers.alignment.evaluation import Score
    from xlhelpers.datasets import Table

# A text of more words than this is cut into sentences first: every word is a button.
MOST_WORDS = 300
# Fewer items than this, and a bootstrap interval is too narrow to be trusted.
_FEW = 30
# Widgets do not have the notebook's own style of tables.
_LEFT = "text-align:left;padding:0.1em 1.5em 0.1em 0"
_NUMBER = "text-align:right;padding:0.1em 1.5em 0.1em 0"
_CAPTION = "text-align:left;white-space:nowrap;font-weight:bold"
_TABLE = "border-collapse:collapse;margin:0.5em 0;line-height:1.5"


class Annotator:
    """Texts to label, one after the other, by two people who do not see each other's labels.

    Every label is on the disk before the next text is shown: after a crash, or tomorrow, the
    same call goes on where it stopped. When both are done, "decide" compares them (`AnnotationLog
    .agreement`), asks for a decision wherever they differ, and what stands can be exported.

    Args:
        texts: a list, a table, or the path of a `.txt` or `.csv` file (`active_learning.items_of`).
        names: classes of whole texts; of words, the types of entity (`["PER", "LOC"]`).
        log: a file, or an `AnnotationLog`; the texts are written into it too.
        annotator: who begins.
        kind: `"text"`, or `"words"` to pick words and say what they are.
        order: numbers of the items that come first, such as `active_learning.select` returns;
            `"random"`, the same for everybody; left out, as given.
        language: code of the texts; left out, a table's own, or else none is claimed.
        guidelines: what both have agreed on before; plain text, shown above every item.
        annotators: two names.

    Attributes:
        item: what is shown; None when nothing is left.
        draft: entities picked so far, which `finish` keeps.

    Raises:
        CourseError: no text, names that cannot be, texts that are too long to pick words in,
            or a log of other labels.
    """

    # Clicks that follow each other faster than this, in seconds, are one click: the second one
    # was meant for the text that is gone.
    pause = 0.25

    def __init__(
        self,
        texts: Sequence[str] | Table | str | Path,
        names: Sequence[str],
        log: str | Path | AnnotationLog = "annotations.jsonl",
        annotator: str = "A",
        kind: str = "text",
        order: Sequence[int] | str | None = None,
        *,
        language: str = "",
        guidelines: str = "",
        annotators: tuple[str, str] = ("A", "B"),
    ) -> None:
        from xlhelpers import active_learning as al

        if language:
            languages.get(language)
        self.names, self.kind = _names(names, kind), kind
        self.annotators = _two(annotators)
        self.log = log if isinstance(log, al.AnnotationLog) else al.AnnotationLog(log)
        self.items = _ordered(al.items_of(texts, kind, language), order)
        self.guidelines = guidelines.strip()
        self.item: Item | None = None
        self.draft: list[Span] = []
        self._check()
        self.who = annotator
        self.switch(annotator)

    # ── what a person does ───────────────────────────────────────────────────────────────

    def switch(self, who: str) -> None:
        """Let another person label, or `"gold"` decide.

        Raises:
            CourseError: it is nobody of these.
        """
        if who not in (*self.annotators, _GOLD):
            raise CourseError(
                f"{who!r} does not label here", f"choose {' or '.join((*self.annotators, _GOLD))}"
            )
        self.who = who
        self._begin()

    def choose(self, name: str) -> None:
        """Give the text that is shown a class, and go on to the next.

        Raises:
            CourseError: there is no such class, no text is left, or it cannot be kept.
        """
        if name not in self.names or self.kind != "text":
            raise CourseError(f"there is no class {name!r}", f"choose {', '.join(self.names)}")
        self.log.label(self.who, self._current(), name)
        self._begin()

    def mark(self, words: Iterable[int], kind: str | None) -> None:
        """Say what words of the text are; runs of them become entities of their own.

        What these words were before is forgotten. Nothing is kept until `finish`.

        Args:
            words: numbers, from 0.
            kind: type of entity; None for none.

        Raises:
            CourseError: no word is picked, or there is no such type or word.
        """
        item, picked = self._current(), sorted(set(words))
        if not picked:
            raise CourseError("no word is picked", "pick one or more, then say what they are")
        if kind is not None and kind not in self.names:
            raise CourseError(f"there is no type {kind!r}", f"choose {', '.join(self.names)}")
        if not 0 <= picked[0] <= picked[-1] < len(item.words):
            raise CourseError(
                f"there is no word {picked[-1]}", f"the text has words 0 to {len(item.words) - 1}"
            )
        kept = [span for span in self.draft if not any(span[0] <= i < span[1] for i in picked)]
        if kind is not None:
            kept += [(start, end, kind) for start, end in _runs(picked)]
        self.draft = sorted(kept)

    def finish(self) -> None:
        """Keep the entities of the text that is shown, none included, and go on to the next.

        Raises:
            CourseError: no text is left, or it cannot be kept.
        """
        if self.kind != "words":
            raise CourseError("whole texts are labelled here", "choose a class")
        self.log.label(self.who, self._current(), self.draft)
        self._begin()

    def skip(self) -> None:
        """Leave the text that is shown without a label, and go on to the next."""
        self.log.skip(self.who, self._current())
        self._begin()

    def undo(self) -> None:
        """Take the last label or skip back, and show that text again, entities as they were.

        Raises:
            CourseError: there is nothing to undo.
        """
        before = self.log.labels(self.who)
        undone = self.log.undo(self.who)
        self._begin(undone)
        if self.kind == "words" and undone in before and self.item and self.item.id == undone:
            self.draft = list(cast("tuple[Span, ...]", before[undone]))

    def take(self, annotator: str) -> None:
        """While deciding, begin with the entities that one person has marked.

        Raises:
            CourseError: it is nobody of the two.
        """
        if annotator not in self.annotators:
            raise CourseError(f"{annotator!r} has not labelled", "choose one of the two")
        value = self.log.labels(annotator).get(self._current().id, ())
        self.draft = list(cast("tuple[Span, ...]", value)) if self.kind == "words" else []

    def export(self) -> list[Path]:
        """Write what stands beside the log: `.export.jsonl`, and `.conll` where words are labelled.

        Raises:
            CourseError: there is nothing to write, or it cannot be written.
        """
        stem = self.log.file.with_suffix("")
        written = [self.log.export_jsonl(stem.with_name(f"{stem.name}.export.jsonl"))]
        if self.kind == "words" and self.log.final():
            written.append(self.log.export_conll(stem.with_name(f"{stem.name}.conll")))
        return written

    # ── where they stand ─────────────────────────────────────────────────────────────────

    def waiting(self, who: str | None = None) -> list[Item]:
        """Return the items that a person has neither labelled nor skipped, in order.

        Of `"gold"`, those on which both differ and nobody has decided; none before both are done.
        """
        who = self.who if who is None else who
        seen = {*self.log.labels(who), *self.log.skipped(who)}
        if who != _GOLD:
            return [item for item in self.items if item.id not in seen]
        if not self.both_done():
            return []
        one, other = (self.log.labels(name) for name in self.annotators)
        return [
            item
            for item in self.items
            if item.id in one
            and item.id in other
            and one[item.id] != other[item.id]
            and item.id not in seen
        ]

    def both_done(self) -> bool:
        """Whether both have seen every item."""
        return not any(self.waiting(name) for name in self.annotators)

    def agreement(self) -> Agreement:
        """Compare the two on the items here; only when both are done, so that they stay blind.

        Raises:
            CourseError: somebody is not done, or they have no labelled item in common.
        """
        from xlhelpers.active_learning import agree, tags_of

        if not self.both_done():
            left = ", ".join(f"{name} lacks {len(self.waiting(name))}" for name in self.annotators)
            raise CourseError(
                f"there is nothing to compare yet: of {len(self.items)} texts {left}",
                "let both label all of them, without looking at each other's labels",
            )

        def labels(who: str) -> dict[str, Any]:
            given = self.log.labels(who)
            return {
                item.id: given[item.id]
                if self.kind == "text"
                else tags_of(given[item.id], len(item.words))
                for item in self.items
                if item.id in given
            }

        return agree(labels(self.annotators[0]), labels(self.annotators[1]))

    def _current(self) -> Item:
        if self.item is None:
            raise CourseError("no text is left", "undo the last label, or let the other one begin")
        return self.item

    def _begin(self, with_: str = "") -> None:
        """Go to the item with some id, or to the first that waits, and stay there.

        Another kernel may label it meanwhile: a label is for the text that was shown here.
        """
        left = self.waiting()
        wanted = [item for item in left if item.id == with_]
        self.item = next(iter(wanted or left), None)
        self.draft = []
        if self.who == _GOLD and self.kind == "words" and self.item is not None:
            self.take(self.annotators[0])

    def _check(self) -> None:
        for item in self.items:
            if len(item.words) > MOST_WORDS:
                raise CourseError(
                    f"a text has {len(item.words)} words, and {MOST_WORDS} can be shown as "
                    f"buttons: {item.text:.40}",
                    "cut it into sentences, one a line",
                )
        here = {item.id for item in self.items}
        for id_, item in self.log.items().items():
            if id_ in here and bool(item.words) != (self.kind == "words"):
                raise CourseError(
                    f"{self.log.file.name} has labels of "
                    f"{'words' if item.words else 'whole texts'} for these texts",
                    "name another file for labels of another kind",
                )
        for who in (*self.annotators, _GOLD):
            for id_, value in self.log.labels(who).items():
                given = [value] if isinstance(value, str) else [span[2] for span in value]
                if id_ in here and (unknown := set(given) - set(self.names)):
                    raise CourseError(
                        f"{self.log.file.name} has the label {sorted(unknown)[0]!r}, which is "
                        f"none of {', '.join(self.names)}",
                        "add it to the names, or name another file for the labels",
                    )

    # ── what is shown ────────────────────────────────────────────────────────────────────

    def page(self) -> str:
        """Return what the person who labels sees now, as HTML."""
        parts = [_para(self.progress()), self._guidelines()]
        if self.who == _GOLD:
            parts.append(self.comparison())
        item = self.item
        if item is not None:
            if self.who == _GOLD:
                parts.append(self._proposals(item))
            parts.append(_text(item, self.draft))
        elif self.who != _GOLD:
            parts.append(_para("All texts are done. Undo takes the last label back."))
        return "".join(parts)

    def progress(self) -> str:
        """Return in a sentence how far the person is who labels."""
        if self.who == _GOLD:
            if not self.both_done():
                return "Deciding comes when both are done."
            left = len(self.waiting())
            return f"Deciding where both differ: {left} left." if left else "All is decided."
        skipped = len([i for i in self.items if i.id in self.log.skipped(self.who)])
        done = len(self.items) - len(self.waiting()) - skipped
        told = f"{self.who} has labelled {done} of {len(self.items)} texts"
        return f"{told}, skipped {skipped}." if skipped else f"{told}."

    def comparison(self) -> str:
        """Return agreement, the table of both, and where they differ, as HTML."""
        try:
            found = self.agreement()
        except CourseError as error:
            return _para(error.sentences)
        one, other = self.annotators
        unit = "texts" if self.kind == "text" else "words"
        said = [
            f"{one} and {other} have both labelled {found.items} texts. Their labels are the same "
            f"for {_percent(found.percent)} of the {unit}."
        ]
        if found.kappa is None:
            said.append(f"Cohen’s kappa has no value: {found.why_no_kappa}.")
        else:
            said.append(f"Cohen’s kappa is {_figure(found.kappa)}.")
        if found.entities is not None:
            said.append(f"Entities agree with an F1 of {_percent(found.entities)}.")
        if found.items < _FEW:
            said.append(
                f"Brackets are 95 % intervals; with fewer than {_FEW} texts they are too narrow."
            )
        return _para(" ".join(said)) + self._crossed(found.table) + self._differences(found)

    def _crossed(self, table: pd.DataFrame) -> str:
        one, other = map(html.escape, self.annotators)
        head = "".join(
            f'<th scope="col" style="{_NUMBER}">{other}: {html.escape(str(c))}</th>' for c in table
        )
        rows = "".join(
            f'<tr><th scope="row" style="{_LEFT}">{one}: {html.escape(str(name))}</th>'
            + "".join(f'<td style="{_NUMBER}">{int(count)}</td>' for count in counts)
            + "</tr>"
            for name, counts in zip(table.index, table.to_numpy(), strict=True)
        )
        caption = f"How often {one}’s label (row) met {other}’s (column)"
        return (
            f'<table style="{_TABLE}"><caption style="{_CAPTION}">{caption}</caption>'
            f"<thead><tr><td></td>{head}</tr></thead><tbody>{rows}</tbody></table>"
        )

    def _differences(self, found: Agreement) -> str:
        differing = list(found.disagreements["item"])
        if not differing:
            return _para("They differ nowhere.")
        given = [self.log.labels(name) for name in (*self.annotators, _GOLD)]
        items = {item.id: item for item in self.items}
        head = "".join(
            f'<th scope="col" style="{_LEFT}">{html.escape(title)}</th>'
            for title in ("text", *self.annotators, "decided")
        )
        rows = ""
        for id_ in differing:
            cells = [_tell(labels.get(id_), items[id_]) for labels in given]
            rows += f'<tr><td style="{_LEFT}">{_span(_short(items[id_].text), items[id_])}</td>'
            rows += "".join(f'<td style="{_LEFT}">{cell}</td>' for cell in cells) + "</tr>"
        caption = f"Where they differ: {len(differing)}"
        return (
            f'<table style="{_TABLE}"><caption style="{_CAPTION}">{caption}</caption>'
            f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        )

    def _proposals(self, item: Item) -> str:
        told = "; ".join(
            f"{html.escape(name)} says {_tell(self.log.labels(name).get(item.id), item)}"
            for name in self.annotators
        )
        return f'<p style="margin:0.4em 0">{told}.</p>'

    def _guidelines(self) -> str:
        if not self.guidelines:
            return ""
        text = _para(self.guidelines).replace("\n", "<br>")
        return f"<details open><summary>Guidelines</summary>{text}</details>"

    # ── buttons ──────────────────────────────────────────────────────────────────────────

    def show(self) -> Shown:
        """Return the annotator; where no widget can be shown, what it would show."""
        text = f"Annotator: {self.progress()}"
        names = f"{'Classes' if self.kind == 'text' else 'Types'}: {', '.join(self.names)}."
        page = self.page() + _para(names)
        return Shown(_Buttons(self).box if has_front_end() else None, text, page)


_GOLD = "gold"


class _Buttons:
    """The controls around an annotator."""

    def __init__(self, of: Annotator) -> None:
        import ipywidgets

        self._w, self._of = ipywidgets, of
        self._changed = -1e9
        self._words: list[Any] = []
        options = [(name, name) for name in of.annotators] + [("decide", _GOLD)]
        self._who = ipywidgets.ToggleButtons(
            options=options, value=of.who, description="Who labels?", style={"button_width": "auto"}
        )
        self._page, self._said = ipywidgets.HTML(), ipywidgets.HTML()
        wrap = {"flex_flow": "row wrap"}
        self._picks = ipywidgets.Box(layout=ipywidgets.Layout(**wrap))
        self._labels = ipywidgets.Box(self._label_buttons(), layout=ipywidgets.Layout(**wrap))
        self._takes = ipywidgets.Box(
            [
                self._button(f"as {name}", partial(of.take, name), quick=True)
                for name in of.annotators
            ]
        )
        self._moves = ipywidgets.Box(
            [
                self._button("Skip", of.skip),
                self._button("Undo", of.undo),
                self._button("Export", self._export, quick=True),
            ],
            layout=ipywidgets.Layout(margin="0.5em 0 0 0", **wrap),
        )
        self.box = ipywidgets.VBox(
            [
                self._who,
                self._page,
                self._picks,
                self._takes,
                self._labels,
                self._moves,
                self._said,
            ]
        )
        self._who.observe(self._switched, names="value")
        self._render()

    def _label_buttons(self) -> list[Any]:
        of = self._of
        if of.kind == "text":
            return [self._button(name, partial(of.choose, name), "primary") for name in of.names]
        marks = [
            self._button(name, partial(self._mark, name), "primary", quick=True)
            for name in of.names
        ]
        clear = self._button("no entity", partial(self._mark, None), quick=True)
        return [*marks, clear, self._button("Done, next", of.finish, "success")]

    def _button(
        self, name: str, act: Callable[[], Any], style: str = "", quick: bool = False
    ) -> Any:
        made = self._w.Button(
            description=_short(name),
            tooltip=name,
            button_style=style,
            layout=self._w.Layout(width="auto"),
        )
        made.on_click(lambda _: self._act(act, quick))
        return made

    def _act(self, act: Callable[[], Any], quick: bool) -> None:
        """Do something and show what is next; an error of ours is shown, not swallowed."""
        if not quick and time.monotonic() - self._changed < self._of.pause:
            return
        said = ""
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            try:
                said = act() or ""
            except CourseError as error:
                said = error.sentences
            self._render()
        self._said.value = _status(" ".join([said, *(str(one.message) for one in told)]).strip())
        if not quick:
            self._changed = time.monotonic()

    def _switched(self, change: Any) -> None:
        self._act(lambda: self._of.switch(change["new"]), quick=True)

    def _mark(self, kind: str | None) -> None:
        self._of.mark([i for i, button in enumerate(self._words) if button.value], kind)

    def _export(self) -> str:
        written = self._of.export()
        items, final = self._of.log.items(), self._of.log.final()
        told = f"{len(final)} of {len(items)} texts have a label that stands. Written: "
        return told + ", ".join(str(path) for path in written)

    def _render(self) -> None:
        of = self._of
        item = of.item
        self._page.value = of.page()
        for row, wanted in (
            (self._labels, item is not None),
            (self._takes, item is not None and of.who == _GOLD and of.kind == "words"),
        ):
            row.layout.display = "" if wanted else "none"
        self._moves.children[0].disabled = item is None
        if of.kind == "words":
            self._show_words(item)

    def _show_words(self, item: Item | None) -> None:
        words = item.words if item else ()
        while len(self._words) < len(words):
            layout = self._w.Layout(width="auto", min_width="2em")
            self._words.append(self._w.ToggleButton(layout=layout))
        kinds = {i: kind for start, end, kind in self._of.draft for i in range(start, end)}
        begins = {start for start, _, _ in self._of.draft}
        for number, button in enumerate(self._words):
            used = number < len(words)
            button.layout.display = "" if used else "none"
            button.value = False
            if used:
                kind = kinds.get(number, "")
                mark = f" · {kind}" if number in begins else " ·" if kind else ""
                button.description = f"{_short(words[number])}{mark}"
                button.tooltip = f"{words[number]}, {kind or 'no entity'}"
                button.button_style = "info" if kind else ""
        if item is not None:
            rtl = _direction(item) == "rtl"
            self._picks.layout.flex_flow = "row-reverse wrap" if rtl else "row wrap"
        self._picks.children = self._words


# ── helpers ──────────────────────────────────────────────────────────────────────────────


def _names(names: Sequence[str], kind: str) -> tuple[str, ...]:
    found = tuple(names) if not isinstance(names, str) else ()
    least = 2 if kind == "text" else 1
    fit = len(set(found)) == len(found) >= least and all(
        isinstance(name, str) and name.strip() for name in found
    )
    if kind == "words":
        fit = fit and "O" not in found and not any(len(name.split()) > 1 for name in found)
    if not fit:
        raise CourseError(
            f"{names!r:.60} cannot be the names of labels",
            f"give a list of {least} or more, each once"
            + ("; types of entity without blanks, and without O" if kind == "words" else ""),
        )
    return found


def _two(annotators: Sequence[str]) -> tuple[str, str]:
    found = tuple(annotators)
    if len(found) != 2 or found[0] == found[1] or _GOLD in found or not all(found):
        raise CourseError(
            f"{annotators!r} are no two people", f'give two names, neither of them "{_GOLD}"'
        )
    return found[0], found[1]


def _ordered(items: list[Item], order: Sequence[int] | str | None) -> list[Item]:
    if order is None:
        return items
    if order == "random":
        return random.Random(0).sample(items, len(items))
    first = [] if isinstance(order, str) else [int(number) for number in order]
    if not first or len(set(first)) < len(first) or not 0 <= min(first) <= max(first) < len(items):
        raise CourseError(
            f"{order!r:.60} is no order of {len(items)} texts",
            'give numbers of texts from 0, each once, or "random"',
        )
    return [items[i] for i in first] + [x for i, x in enumerate(items) if i not in set(first)]


def _runs(numbers: Sequence[int]) -> list[tuple[int, int]]:
    """Return (first, beyond the last) of every run of numbers, which are sorted."""
    edges = [i for i, n in enumerate(numbers) if not i or n != numbers[i - 1] + 1]
    ends = [*edges[1:], len(numbers)]
    return [(numbers[a], numbers[b - 1] + 1) for a, b in zip(edges, ends, strict=True)]


def _direction(item: Item) -> str:
    """Return the direction of a text: by its language, or by its first letter."""
    if item.language in languages.codes():
        return languages.get(item.language).direction
    for char in item.text:
        kind = unicodedata.bidirectional(char)
        if kind in ("L", "R", "AL"):
            return "ltr" if kind == "L" else "rtl"
    return "ltr"


def _attributes(item: Item) -> str:
    lang = f' lang="{item.language}"' if item.language in languages.codes() else ""
    return f'{lang} dir="{_direction(item)}"'


def _text(item: Item, draft: Sequence[Span]) -> str:
    """Return the text in large type, its entities marked by a frame and their type."""
    body, at, word_at = "", 0, []
    for word in item.words:
        start = item.text.find(word, at)
        at = (at if start < 0 else start) + len(word)
        word_at.append((at - len(word), at))
    at = 0
    for start, end, kind in draft:
        a, b = word_at[start][0], word_at[end - 1][1]
        body += html.escape(item.text[at:a])
        body += (
            f'<mark style="background:#fff2cc;color:#000;border:1px solid #8a6d00;'
            f'border-radius:3px;padding:0 2px">{html.escape(item.text[a:b])}'
            f'<small style="margin-inline-start:0.4em"><bdi>{html.escape(kind)}</bdi></small>'
            "</mark>"
        )
        at = b
    body += html.escape(item.text[at:])
    style = (
        "font-size:1.25em;line-height:1.6;padding:0.6em 0.8em;margin:0.4em 0;max-height:18em;"
        "overflow:auto;white-space:pre-wrap;overflow-wrap:anywhere;border:1px solid #767676;"
        "border-radius:4px"
    )
    return f'<div{_attributes(item)} style="{style}">{body}</div>'


def _span(text: str, item: Item) -> str:
    return f"<span{_attributes(item)}>{html.escape(text)}</span>"


def _tell(value: Value | None, item: Item) -> str:
    """Return a label as HTML: a class, or entities with their types."""
    if value is None:
        return "–"
    if isinstance(value, str):
        return html.escape(value)
    said = [
        f"{_span(_short(' '.join(item.words[start:end])), item)} ({html.escape(kind)})"
        for start, end, kind in value
    ]
    return ", ".join(said) or "no entity"


def _percent(score: Score) -> str:
    value, low, high = score.percent
    return f"{value:.0f} % [{low:.0f}, {high:.0f}]"


def _figure(score: Score) -> str:
    return f"{score.value:.2f} [{score.low:.2f}, {score.high:.2f}]".replace("-", "−")


def _status(text: str) -> str:
    lines = html.escape(text).replace("\n", "<br>")
    return f'<div role="status" aria-live="polite">{lines}</div>'


def _para(text: str) -> str:
    return f'<p style="margin:0.4em 0;line-height:1.5">{html.escape(text)}</p>'


def _short(text: str, most: int = 40) -> str:
    return text if len(text) <= most else f"{text[:most]}…"
