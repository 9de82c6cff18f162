"""Explorers: pick or type something and watch what a model makes of it.

Each explorer is a pure function from inputs to an HTML table, with a few ipywidgets controls
around it. Where no widget can be shown (a web page, a terminal) its first table stands in.
Only what ipywidgets 7.7 and 8 share is used.
"""

from __future__ import annotations

import html
import unicodedata
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from xlhelpers import datasets, languages, tokens
from xlhelpers.errors import CourseError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from xlhelpers.embeddings import WordVectors
    from xlhelpers.plots import Figure

_CAPTION = "white-space:nowrap;text-align:left"
_LEFT = "text-align:left"
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


# ── sentences ────────────────────────────────────────────────────────────────────────────


def pieces(texts: Mapping[str, str], tokenizer: Any) -> Shown:
    """Return a table of texts as a tokenizer cuts them, unknown pieces marked.

    Args:
        texts: language → text.
        tokenizer: any transformers tokenizer.
    """
    rows = [(code, *_cut(text, tokenizer)) for code, text in texts.items()]
    told = [f"{_name(code)}: pieces {len(cut)}, unknown {unknown}" for code, cut, unknown in rows]
    body = "".join(
        f'<tr><th scope="row" style="{_LEFT}">{_name(code)}</th><td>{len(cut)}</td>'
        f'<td>{unknown}</td><td style="{_LEFT}">'
        f"{languages.html(' · '.join(cut), code)}</td></tr>"
        for code, cut, unknown in rows
    )
    heads = ("language", "pieces", "unknown", "as the model reads it")
    head = "".join(f'<th scope="col">{title}</th>' for title in heads)
    return Shown(
        None, "\n".join(told), f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )


def _cut(text: str, tokenizer: Any) -> tuple[list[str], int]:
    """Return the pieces of a text, and how many of them are unknown, told by id."""
    ids = tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
    unknown = 0 if tokenizer.unk_token_id is None else ids.count(tokenizer.unk_token_id)
    return tokenizer.convert_ids_to_tokens(ids), unknown


class LayerMap:
    """Sentences in two dimensions, model by model and layer by layer, centred or not.

    Each view has principal components of its own, so only what lies together can be compared
    from one view to the next, not directions.

    Args:
        layers: model → (layers, n, d) vectors, as `encoding.encode_layers` gives them.
        languages: (n,) codes, one a vector; at most as many as the palette has colours.
        groups: (n,) numbers; equal ones are translations of each other.
        joined: so many sentences have lines to their translations.

    Raises:
        CourseError: shapes that do not fit.
    """

    def __init__(
        self,
        layers: Mapping[str, ArrayLike],
        languages: Sequence[str],
        groups: Sequence[int],
        joined: int = 5,
    ) -> None:
        import numpy as np

        self.layers = {name: np.asarray(rows, np.float32) for name, rows in layers.items()}
        self.languages, self.groups, self.joined = list(languages), list(groups), joined
        n = len(self.languages)
        for rows in self.layers.values():
            if rows.ndim != 3 or rows.shape[1] != n or len(self.groups) != n:
                raise CourseError(
                    f"layers of shape {rows.shape} do not fit {n} languages and "
                    f"{len(self.groups)} groups",
                    "give (layers, n, d), and n of the other two",
                )

    def flat(self, model: str, layer: int, centred: bool) -> Any:
        """Return (n, 2): the two principal components of a layer.

        Raises:
            CourseError: there is no such model or layer.
        """
        import numpy as np

        from xlhelpers.encoding import centre

        if model not in self.layers:
            raise CourseError(
                f"there is no model {model!r} here", f"choose among {', '.join(self.layers)}"
            )
        if not 0 <= layer < len(self.layers[model]):
            raise CourseError(
                f"{model} has no layer {layer}",
                f"choose 0 (embeddings) to {len(self.layers[model]) - 1}",
            )
        vectors = centre(self.layers[model][layer], self.languages if centred else None)
        _, _, axes = np.linalg.svd(vectors, full_matrices=False)
        # The sign of a component is arbitrary; ours does not depend on the machine.
        signs = np.sign(axes[[0, 1], np.abs(axes[:2]).argmax(axis=1)])
        return vectors @ (axes[:2] * signs[:, None]).T

    def figure(self, *views: tuple[str, int, bool]) -> Figure:
        """Return views side by side, each (model, layer, centred).

        Raises:
            CourseError: there is no such model or layer.
        """
        from xlhelpers import plots

        names = [_name(code) for code in self.languages]
        panels = {_view(*view): self.flat(*view) for view in views}
        told = ", ".join(dict.fromkeys(names))
        return plots.language_maps(
            panels,
            names,
            self.groups,
            alt=f"Sentences in two dimensions ({'; '.join(panels)}), one colour and marker a "
            f"language: {told}. Lines join translations.",
            joined=self.joined,
        )

    def show(self, model: str | None = None, layer: int = 0, centred: bool = False) -> Shown:
        """Return the map with its controls, opened at one view; the first model when None."""
        opened = next(iter(self.layers)) if model is None else model
        bundle = self.figure((opened, layer, centred))._repr_mimebundle_()
        widget = self._widget(opened, layer, centred) if has_front_end() else None
        return Shown(widget, bundle["text/plain"], bundle["text/html"])

    def _widget(self, model: str, layer: int, centred: bool) -> Any:
        import ipywidgets

        # Models may differ in depth: the slider ends where the shallowest does.
        last = min(map(len, self.layers.values())) - 1
        choice = ipywidgets.Dropdown(options=list(self.layers), value=model, description="Model")
        slider = ipywidgets.IntSlider(value=layer, min=0, max=last, description="Layer")
        box = ipywidgets.Checkbox(value=centred, description="centred by language")
        page = ipywidgets.HTML(self._page(model, layer, centred))
        _refresh(
            page,
            lambda: self._page(choice.value, slider.value, box.value),
            choice,
            slider,
            box,
        )
        return ipywidgets.VBox([ipywidgets.HBox([choice, slider, box]), page])

    def _page(self, *view: Any) -> str:
        return self.figure(view)._repr_mimebundle_()["text/html"]


def _view(model: str, layer: int, centred: bool) -> str:
    place = "embeddings" if layer == 0 else f"layer {layer}"
    return f"{model}, {place}{', centred' if centred else ''}"


class Translations:
    """Nearest sentences of one language to a sentence of another, before and after centring.

    Args:
        model: an encoder.
        tokenizer: its tokenizer.
        texts: language → sentences; place i says the same in each.
        layer: whose vectors are compared.
        k: how many neighbours to list.

    Raises:
        CourseError: fewer than two languages, or lists of different length.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        texts: Mapping[str, Sequence[str]],
        layer: int = -1,
        k: int = 5,
    ) -> None:
        from xlhelpers.encoding import encode

        self.texts = {code: list(rows) for code, rows in texts.items()}
        if len(self.texts) < 2 or len({len(rows) for rows in self.texts.values()}) > 1:
            raise CourseError(
                "these are no parallel sentences of two or more languages",
                "give each language the same ones, in the same order",
            )
        self.model, self.tokenizer, self.layer, self.k = model, tokenizer, layer, k
        self.vectors = {
            code: encode(rows, model, tokenizer, layer=layer) for code, rows in self.texts.items()
        }
        self.means = {code: rows.mean(axis=0) for code, rows in self.vectors.items()}
        self.finest = {code: max(map(self._density, rows)) for code, rows in self.texts.items()}

    def table(self, text: str, source: str, target: str) -> str:
        """Return the neighbours as an HTML table, with a warning where the text is outside.

        Raises:
            CourseError: there are no sentences in a language.
        """
        for code in (source, target):
            if code not in self.texts:
                raise CourseError(
                    f"there are no sentences in {code!r} here",
                    f"choose among {', '.join(self.texts)}",
                )
        text = unicodedata.normalize("NFC", text.strip())
        if source == target:
            return _note("Choose two different languages.")
        if not text or not _cut(text, self.tokenizer)[0]:
            return _note("Type a sentence, or pick one.")
        place = self.texts[source].index(text) if text in self.texts[source] else None
        right = () if place is None else (self.texts[target][place],)
        columns = {
            "as they are": self._nearest(text, source, target, centred=False),
            "centred by language": self._nearest(text, source, target, centred=True),
        }
        caption = f"{languages.html(text, source)} ({_name(source)}): nearest of "
        caption += f"{len(self.texts[target])} {_name(target)} sentences. "
        caption += "✓ marks its translation." if right else "It is none of ours: no ✓ to give."
        return self._outside(text, source) + _table(caption, columns, target, right)

    def show(self, text: str | None = None, source: str = "en", target: str = "de") -> Shown:
        """Return the explorer, opened at a sentence; the first of ours when `text` is None."""
        opened = self.texts[source][0] if text is None else text
        first = self.table(opened, source, target)
        told = f"Explorer: nearest {_name(target)} sentences to {_short(opened)!r}"
        widget = self._widget(opened, source, target) if has_front_end() else None
        return Shown(widget, told, first)

    def _widget(self, text: str, source: str, target: str) -> Any:
        import ipywidgets

        wide = ipywidgets.Layout(width="90%")
        choices = [(_name(code), code) for code in self.texts]
        origin = ipywidgets.Dropdown(options=choices, value=source, description="From")
        goal = ipywidgets.Dropdown(options=choices, value=target, description="To")
        pick = ipywidgets.Dropdown(options=self._picks(source), description="Pick", layout=wide)
        box = ipywidgets.Text(
            value=text, description="or type", continuous_update=False, layout=wide
        )
        page = ipywidgets.HTML(self.table(text, source, target))

        def new_source(_: Any) -> None:
            # The box follows, so that the text is never read as another language.
            pick.options = self._picks(origin.value)
            box.value = self.texts[origin.value][0]

        def picked(_: Any) -> None:
            if pick.value:
                box.value = pick.value

        origin.observe(new_source, names="value")
        pick.observe(picked, names="value")
        _refresh(page, lambda: self.table(box.value, origin.value, goal.value), box, origin, goal)
        return ipywidgets.VBox([ipywidgets.HBox([origin, goal]), pick, box, page])

    def _picks(self, source: str) -> list[str]:
        return self.texts[source][:20]

    def _nearest(
        self, text: str, source: str, target: str, centred: bool
    ) -> list[tuple[str, float]]:
        import numpy as np

        from xlhelpers.encoding import cosine, encode

        query = encode([text], self.model, self.tokenizer, layer=self.layer)
        rows = self.vectors[target]
        if centred:
            query, rows = query - self.means[source], rows - self.means[target]
        scores = cosine(query, rows)[0]
        best = np.argsort(-scores, kind="stable")[: self.k]
        return [(self.texts[target][row], float(scores[row])) for row in best]

    def _outside(self, text: str, source: str) -> str:
        """Return a warning where a text is cut finer than all of ours, or has unknown pieces."""
        cut, unknown = _cut(text, self.tokenizer)
        if unknown:
            return _note(
                f"Outside this model's world: {unknown} of {len(cut)} pieces are unknown to it. "
                "What follows is no answer to this sentence."
            )
        if self._density(text) > self.finest[source]:
            return _note(
                f"Outside this model's world, it seems: it is cut into {len(cut)} pieces, finer "
                f"than any of our {_name(source)} sentences. Expect little."
            )
        return ""

    def _density(self, text: str) -> float:
        """Pieces a character."""
        return len(_cut(text, self.tokenizer)[0]) / len(text)


# ── pretraining and fine-tuning ──────────────────────────────────────────────────────────


class Sampling:
    """How often each language is drawn in pretraining, for a sampling exponent of your choice.

    Args:
        sizes: language → amount of text.
        unit: of the amounts, for the table.

    Raises:
        PretrainingError: no language, or one without text.
    """

    def __init__(self, sizes: Mapping[str, float], unit: str) -> None:
        from xlhelpers.pretraining import sampling_probabilities

        self.sizes, self.unit = dict(sizes), unit
        self.text = sampling_probabilities(self.sizes, 1.0)

    def table(self, alpha: float) -> str:
        """Return shares of the text and of what is drawn, as an HTML table with bars.

        Raises:
            PretrainingError: an exponent below 0.
        """
        from xlhelpers.pretraining import sampling_probabilities

        drawn = sampling_probabilities(self.sizes, alpha)
        heads = ("language", self.unit, "% of the text", "% of what is drawn", "times as often")
        head = "".join(f'<th scope="col">{html.escape(title)}</th>' for title in heads)
        rows = "".join(
            f'<tr><th scope="row" style="{_LEFT}">{_name(code)}</th><td>{size:g}</td>'
            f'<td>{100 * self.text[code]:.2f}</td><td style="{_LEFT}">'
            f"{100 * drawn[code]:.2f} {_bar(drawn[code])}</td>"
            f"<td>{drawn[code] / self.text[code]:.2f}</td></tr>"
            for code, size in self.sizes.items()
        )
        caption = f"Sampling exponent {alpha:g}: what each language gets, and against its own share"
        return (
            f'<table><caption style="{_CAPTION}">{caption}</caption>'
            f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        )

    def show(self, alpha: float = 0.3) -> Shown:
        """Return the table with a slider for the exponent, opened at one."""
        first = self.table(alpha)
        rare = min(self.sizes, key=self.sizes.__getitem__)
        text = f"Sampling exponent {alpha:g} over {len(self.sizes)} languages, rarest {_name(rare)}"
        widget = self._widget(alpha) if has_front_end() else None
        return Shown(widget, text, first)

    def _widget(self, alpha: float) -> Any:
        import ipywidgets

        slider = ipywidgets.FloatSlider(
            value=alpha, min=0.0, max=1.0, step=0.05, description="Exponent"
        )
        page = ipywidgets.HTML(self.table(alpha))
        _refresh(page, lambda: self.table(round(slider.value, 2)), slider)
        return ipywidgets.VBox([slider, page])


class Opinions:
    """A classifier's answer to any sentence, the pieces it read, and what it has never seen.

    Args:
        model: a classifier whose head was trained.
        tokenizer: its own.
        known: language → texts; a word that is in none of them is told. For a language written
            without blanks, characters stand for words.

    Raises:
        CourseError: the model's head is random, or there are no texts.
    """

    def __init__(self, model: Any, tokenizer: Any, known: Mapping[str, Sequence[str]]) -> None:
        from xlhelpers import hub

        if hub.untrained(model):
            raise CourseError(
                "the head of this model is random: what it says is no opinion",
                "train it first (finetuning.train_classifier), and give the trained model",
            )
        if not known or not all(known.values()):
            raise CourseError("there are no texts to compare with", "give some in each language")
        self.model, self.tokenizer = model, tokenizer
        self.known = {
            code: {word for text in texts for word in _words(text, code)}
            for code, texts in known.items()
        }

    def table(self, text: str, language: str) -> str:
        """Return pieces, probabilities and a sentence on words that are new, as HTML.

        Raises:
            CourseError: there are no texts of the language to compare with.
        """
        from xlhelpers import encoding, finetuning

        if language not in self.known:
            raise CourseError(
                f"there are no texts in {language!r} here", f"choose among {', '.join(self.known)}"
            )
        text = unicodedata.normalize("NFC", text).strip()
        if not _words(text, language):
            return _note("Type a sentence.")
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always", encoding.TruncationWarning)
            found = finetuning.classify(self.model, self.tokenizer, [text])
        notes = [_note(str(one.message)) for one in told]
        rows = "".join(
            f'<tr><th scope="row" style="{_LEFT}">{html.escape(name)}</th>'
            f'<td style="{_LEFT}">{_bar(p)}</td><td>{100 * p:.0f} %</td></tr>'
            for name, p in zip(found.names, map(float, found.probabilities[0]), strict=True)
        )
        return (
            f'<table><caption style="{_LEFT}">{self._read(text, language)}</caption>'
            f"<tbody>{rows}</tbody></table>{self._new(text, language)}{''.join(notes)}"
        )

    def show(self, text: str, language: str) -> Shown:
        """Return the explorer, opened at one sentence."""
        first = self.table(text, language)
        widget = self._widget(text, language) if has_front_end() else None
        return Shown(widget, f"Explorer: what the classifier says of {_short(text)!r}", first)

    def _widget(self, text: str, language: str) -> Any:
        import ipywidgets

        box = ipywidgets.Textarea(value=text, description="Sentence", continuous_update=False)
        choices = [(_name(code), code) for code in self.known]
        menu = ipywidgets.Dropdown(options=choices, value=language, description="Language")
        page = ipywidgets.HTML(self.table(text, language))
        _refresh(page, lambda: self.table(box.value, menu.value), box, menu)
        return ipywidgets.VBox([ipywidgets.HBox([box, menu]), page])

    def _read(self, text: str, language: str, most: int = 60) -> str:
        cut, unknown = _cut(text, self.tokenizer)
        more = f" … ({len(cut) - most} more)" if len(cut) > most else ""
        return (
            f"{len(cut)} pieces, {unknown} of them unknown: "
            f"{languages.html(' · '.join(cut[:most]), language)}{more}"
        )

    def _new(self, text: str, language: str, most: int = 8) -> str:
        words = list(dict.fromkeys(_words(text, language)))
        new = [word for word in words if word not in self.known[language]]
        if not new:
            return _note("Every word occurs in the texts of its world.")
        listed = ", ".join(_short(word, 20) for word in new[:most])
        return (
            f"<p>{len(new)} of {len(words)} words are new to its world "
            f"({languages.html(listed, language)}{', …' if len(new) > most else ''}): "
            "the more of them, the more its answer is a guess.</p>"
        )


def _words(text: str, language: str) -> list[str]:
    """Return the words of a text in small letters; its characters where blanks divide nothing."""
    found = [text[start:end] for start, end in tokens.spans(text)]
    words = [word.casefold() for word in found if any(map(tokens.is_word, word))]
    together = language in tokens.WRITTEN_TOGETHER
    return [char for word in words for char in word] if together else words


def _bar(share: float, width: float = 12.0) -> str:
    """Return a bar as long as a share of 1; the number beside it says the same."""
    return (
        '<span aria-hidden="true" style="display:inline-block;background:#0072B2;height:0.7em;'
        f'width:{share * width:.2f}em;min-width:1px"></span>'
    )


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
