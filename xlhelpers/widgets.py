"""Explorers: pick or type something and watch what a model makes of it.

Each explorer is a pure function from inputs to an HTML table, with a few ipywidgets controls
around it. Where no widget can be shown (a web page, a terminal) its first table stands in.
Only what ipywidgets 7.7 and 8 share is used.
"""

from __future__ import annotations

import html
import math
import unicodedata
import warnings
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from xlhelpers import datasets, languages, tokens
from xlhelpers._shown import Shown, has_front_end
from xlhelpers.annotator import Annotator as Annotator
from xlhelpers.errors import CourseError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from xlhelpers.embeddings import WordVectors
    from xlhelpers.plots import Figure
    from xlhelpers.serving.routing import LanguageRouter
    from xlhelpers.transfer import Results
    from xlhelpers.translation import Translates

_CAPTION = "white-space:nowrap;text-align:left"
_LEFT = "text-align:left"
# Inside a widget a table has no style of JupyterLab's, and its columns would touch.
_TABLE = '<table style="border-spacing:0.8em 0.1em;min-width:min(30em,100%)">'
_CAPTIONED = f'{_TABLE}<caption style="{_LEFT}">'
_TYPED = "xl-typed"  # class of boxes to type in
# Of a text that is shown whole. Pages of more are no help, and take long to lay out.
_MOST_TYPED = 5_000
# Signs of direction, which would turn round the sentence of ours that repeats them.
_TURNING = dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A)])


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
            return _note(f"“{_short(word.translate(_TURNING))}” {self._unknown(word, source)}")
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
        box = _typed(word, "Word", "18em")
        origin = ipywidgets.Dropdown(options=choices, value=source, description="From")
        goal = ipywidgets.Dropdown(options=choices, value=target, description="To")
        page = ipywidgets.HTML(self.table(word, source, target))
        _refresh(page, lambda: self.table(box.value, origin.value, goal.value), box, origin, goal)
        return ipywidgets.VBox([_side_by_side(box, origin, goal), page, _style()])

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
    head = "".join(f'<th scope="col">{title}</th>' for title in ("language", "pieces", "unknown"))
    head += f'<th scope="col" style="{_LEFT}">as the model reads it</th>'
    return Shown(
        None,
        "\n".join(told),
        f"{_TABLE}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>",
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
            caption="The two directions in which the vectors differ most. Lines join translations.",
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
        return ipywidgets.VBox([_side_by_side(choice, slider, box), page])

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
        if len(text) > _MOST_TYPED:
            return _too_long(text)
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
        box = _typed(text, "or type", "90%")
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
        return ipywidgets.VBox([_side_by_side(origin, goal), pick, box, page, _style()])

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
            f"{_CAPTIONED}{caption}</caption>"
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
        _require_trained(model)
        self.model, self.tokenizer = model, tokenizer
        self.known = _known_words(known)

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
        page = _bars(found.names, found.probabilities[0], self._read(text, language))
        return page + _new_words(text, self.known[language], language) + "".join(notes)

    def show(self, text: str, language: str) -> Shown:
        """Return the explorer, opened at one sentence."""
        first = self.table(text, language)
        widget = self._widget(text, language) if has_front_end() else None
        return Shown(widget, f"Explorer: what the classifier says of {_short(text)!r}", first)

    def _widget(self, text: str, language: str) -> Any:
        import ipywidgets

        box = _typed(text, "Sentence", "36em", lines=True)
        choices = [(_name(code), code) for code in self.known]
        menu = ipywidgets.Dropdown(options=choices, value=language, description="Language")
        page = ipywidgets.HTML(self.table(text, language))
        _refresh(page, lambda: self.table(box.value, menu.value), box, menu)
        return ipywidgets.VBox([_side_by_side(box, menu), page, _style()])

    def _read(self, text: str, language: str, most: int = 60) -> str:
        cut, unknown = _cut(text, self.tokenizer)
        more = f" … ({len(cut) - most} more)" if len(cut) > most else ""
        return (
            f"{len(cut)} pieces, {unknown} of them unknown: "
            f"{languages.html(' · '.join(cut[:most]), language)}{more}"
        )


# ── entities and inference ───────────────────────────────────────────────────────────────

Run = tuple[int, int, str]
"""Words `start` to `end` (not included) are one entity of a type."""

# Light enough for black letters; a label beside each entity says the same.
_RIGHT, _WRONG, _MISSED = "#cdeadd", "#f8d9c3", "#e6e6e6"
_TYPES = {"PER": "#cfe4f5", "ORG": "#f9e3b4", "LOC": "#cdeadd"}
_NO_BLANK_BEFORE = frozenset(".,;:!?…)»”،؛؟।")


def entities(sentences: Sequence[tuple[str, Sequence[str], Sequence[str]]]) -> Shown:
    """Return sentences with their entities in colour, each with its type beside it.

    Args:
        sentences: (language, words, tags); tags in IOB2, read as `finetuning.entity_f1` does.

    Raises:
        CourseError: words and tags differ in number, or a language has no card.
    """
    return _coloured([(code, words, None, tags) for code, words, tags in sentences])


def entity_errors(
    sentences: Sequence[tuple[str, Sequence[str], Sequence[str], Sequence[str]]],
) -> Shown:
    """Return sentences in which found, wrong and missed entities are told apart.

    Colour is never alone: ✓ marks what is right, ✘ what was said wrongly, ○ what was missed.

    Args:
        sentences: (language, words, gold tags, predicted tags), as for `entities`.

    Raises:
        CourseError: as `entities`.
    """
    return _coloured(sentences)


def _coloured(
    sentences: Sequence[tuple[str, Sequence[str], Sequence[str] | None, Sequence[str]]],
) -> Shown:
    lines, body = [], ""
    for code, words, gold, said in sentences:
        for tags in (said,) if gold is None else (gold, said):
            if len(tags) != len(words):
                raise CourseError(f"{len(tags)} tags for {len(words)} words", "give one tag a word")
        pieces = list(_marked(words, code, gold, said))
        plain = "".join(
            gap + (f"[{text}: {label}]" if label else text) for gap, text, label, _ in pieces
        )
        lines.append(f"{_name(code)}: {plain}")
        card = languages.get(code)
        shown = "".join(gap + _mark(*piece) for gap, *piece in pieces)
        side = "right" if card.direction == "rtl" else "left"
        body += (
            f'<tr><th scope="row" style="{_LEFT}">{_name(code)}</th>'
            f'<td style="text-align:{side};line-height:2">'
            f'<span lang="{card.code}" dir="{card.direction}">{shown}</span></td></tr>'
        )
    return Shown(None, "\n".join(lines), f"<table><tbody>{body}</tbody></table>")


def _marked(
    words: Sequence[str], code: str, gold: Sequence[str] | None, said: Sequence[str]
) -> Iterator[tuple[str, str, str, str]]:
    """Yield (blank before, text, label, colour); label and colour are empty between entities."""
    found = _runs(said)
    there = found if gold is None else _runs(gold)
    at = 0
    for start, end in _clusters([*there, *found]):
        for i in range(at, start):
            yield _gap(words, i, code), words[i], "", ""
        inside = [{run for run in runs if start <= run[0] < end} for runs in (there, found)]
        label, colour = _verdict(*inside) if gold is not None else _type_of(inside[0])
        yield _gap(words, start, code), tokens.join(words[start:end], code), label, colour
        at = end
    for i in range(at, len(words)):
        yield _gap(words, i, code), words[i], "", ""


def _runs(tags: Sequence[str]) -> list[Run]:
    """Return the entities of a sentence, strict IOB2: an I- that continues nothing is none."""
    from seqeval.scheme import IOB2, Entities

    found = Entities([list(tags)], IOB2).entities[0]
    return [(entity.start, entity.end, entity.tag) for entity in found]


def _clusters(runs: Sequence[Run]) -> list[tuple[int, int]]:
    """Return stretches of words that entities cover, those that overlap as one."""
    found: list[tuple[int, int]] = []
    for start, end, _ in sorted(runs):
        if found and start < found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found


def _verdict(there: set[Run], found: set[Run]) -> tuple[str, str]:
    """Return label and colour of a stretch, from the entities in it and those that were said."""
    is_, says = ("+".join(kind for *_, kind in sorted(runs)) for runs in (there, found))
    if there == found:
        return f"{is_} ✓", _RIGHT
    if not found:
        return f"{is_} ○ missed", _MISSED
    if not there:
        return f"{says} ✘ is none", _WRONG
    if is_ == says:
        return f"{says} ✘ wrong bounds", _WRONG
    same = {run[:2] for run in there} == {run[:2] for run in found}
    return f"{says} ✘ is {is_}{'' if same else ', wrong bounds'}", _WRONG


def _type_of(runs: set[Run]) -> tuple[str, str]:
    kind = min(runs)[2]
    return kind, _TYPES.get(kind, _MISSED)


def _gap(words: Sequence[str], i: int, code: str) -> str:
    """Return the blank before a word, if its language writes one there."""
    if i == 0 or set(words[i]) <= _NO_BLANK_BEFORE:
        return ""
    return " " if " " in tokens.join(words[i - 1 : i + 1], code) else ""


def _mark(text: str, label: str, colour: str) -> str:
    if not label:
        return html.escape(text)
    style = f"background:{colour};color:#000;padding:0.1em 0.25em;border-radius:0.25em"
    if colour == _MISSED:
        style += ";border:1px dashed #555"
    return (
        f'<mark style="{style}">{html.escape(text)} '
        f'<small lang="en" dir="ltr" style="color:#333">{html.escape(label)}</small></mark>'
    )


class ZeroShot:
    """A tagger and an inference model, tried on sentences of any language.

    Both were trained in one language. The explorer shows the entities of a sentence, whether a
    second one follows from it, and which words occur in no text of the models' world.

    Args:
        tagger: a model that tags words with entities (IOB2), its head trained.
        classifier: a model for pairs of premise and hypothesis, its head trained.
        tokenizer: of both.
        known: language → texts; a word that is in none of them is told.

    Raises:
        CourseError: a head is random, or there are no texts.
    """

    def __init__(
        self, tagger: Any, classifier: Any, tokenizer: Any, known: Mapping[str, Sequence[str]]
    ) -> None:
        for model in (tagger, classifier):
            _require_trained(model)
        self.tagger, self.classifier, self.tokenizer = tagger, classifier, tokenizer
        self.known = _known_words(known)

    def table(self, text: str, language: str, second: str = "", other: str = "en") -> str:
        """Return entities, the decision where there is a second sentence, and warnings, as HTML.

        Args:
            text: the sentence, in `language`; the premise.
            second: the hypothesis, in the language `other`; may be empty.

        Raises:
            CourseError: there are no texts of a language to compare with.
        """
        for code in (language, other):
            if code not in self.known:
                raise CourseError(
                    f"there are no texts in {code!r} here", f"choose among {', '.join(self.known)}"
                )
        text, second = (unicodedata.normalize("NFC", one).strip() for one in (text, second))
        if len(longest := max(text, second, key=len)) > _MOST_TYPED:
            return _too_long(longest)
        if not _words(text, language):
            return _note("Type a sentence.")
        page = self._entities(text, language) + _new_words(text, self.known[language], language)
        if _words(second, other):
            page += self._inference(text, second)
            page += _new_words(second, self.known[other], other)
        return page

    def show(self, text: str, language: str, second: str = "", other: str = "en") -> Shown:
        """Return the explorer, opened at a sentence and a second one."""
        first = self.table(text, language, second, other)
        widget = self._widget(text, language, second, other) if has_front_end() else None
        return Shown(widget, f"Explorer: entities in {_short(text)!r}, and what follows", first)

    def _widget(self, text: str, language: str, second: str, other: str) -> Any:
        import ipywidgets

        choices = [(_name(code), code) for code in self.known]
        first = _typed(text, "Sentence", "36em")
        of_first = ipywidgets.Dropdown(options=choices, value=language, description="Language")
        then = _typed(second, "Follows?", "36em")
        of_then = ipywidgets.Dropdown(options=choices, value=other, description="Language")
        page = ipywidgets.HTML(self.table(text, language, second, other))
        controls = (first, of_first, then, of_then)
        _refresh(page, lambda: self.table(*(control.value for control in controls)), *controls)
        rows = [_side_by_side(first, of_first), _side_by_side(then, of_then)]
        return ipywidgets.VBox([*rows, page, _style()])

    def _entities(self, text: str, language: str) -> str:
        from xlhelpers import encoding, finetuning

        words = self._cut(text, language)
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always", encoding.TruncationWarning)
            [tags] = finetuning.tag(self.tagger, self.tokenizer, [words])
        found = entities([(language, words, tags)]).page
        notes = "" if _runs(tags) else _note("No entity is found.")
        return found + notes + "".join(_note(str(one.message)) for one in told)

    def _cut(self, text: str, language: str) -> list[str]:
        """Return words and signs; the tokenizer's pieces where blanks divide nothing."""
        if language in tokens.WRITTEN_TOGETHER:
            how = {"add_special_tokens": False, "return_offsets_mapping": True, "verbose": False}
            found = self.tokenizer(text, **how)["offset_mapping"]
            # The sign for a blank, which is not in the text, is laid on the letter after it.
            after = [start for start, _ in found[1:]] + [len(text)]
            places = [place for place, next_ in zip(found, after, strict=True) if place[1] <= next_]
        else:
            places = tokens.spans(text, tokens.APOSTROPHE_CUTS.get(language, ""))
        return [text[a:b] for a, b in places if text[a:b].strip()]

    def _inference(self, premise: str, hypothesis: str) -> str:
        from xlhelpers import encoding, finetuning

        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always", encoding.TruncationWarning)
            found = finetuning.classify(self.classifier, self.tokenizer, [(premise, hypothesis)])
        caption = "What the second sentence is to the first"
        notes = "".join(_note(str(one.message)) for one in told)
        return _bars(found.names, found.probabilities[0], caption) + notes


def _words(text: str, language: str) -> list[str]:
    """Return the words of a text in small letters; its characters where blanks divide nothing."""
    found = [text[start:end] for start, end in tokens.spans(text)]
    words = [word.casefold() for word in found if any(map(tokens.is_word, word))]
    together = language in tokens.WRITTEN_TOGETHER
    return [char for word in words for char in word] if together else words


def _require_trained(model: Any) -> None:
    from xlhelpers import hub

    if hub.untrained(model):
        raise CourseError(
            "the head of this model is random: what it says is no opinion",
            "train it first (finetuning.train_classifier), and give the trained model",
        )


def _known_words(known: Mapping[str, Sequence[str]]) -> dict[str, set[str]]:
    """Return the words of all texts by language.

    Raises:
        CourseError: a language has no texts.
    """
    if not known or not all(known.values()):
        raise CourseError("there are no texts to compare with", "give some in each language")
    return {
        code: {word for text in texts for word in _words(text, code)}
        for code, texts in known.items()
    }


def _new_words(text: str, known: Container[str], language: str, most: int = 8) -> str:
    """Return a sentence on the words of a text that are not among those that are known."""
    words = list(dict.fromkeys(_words(text, language)))
    new = [word for word in words if word not in known]
    if not new:
        return _note("Every word occurs in the texts of its world.")
    listed = ", ".join(_short(word, 20) for word in new[:most])
    return (
        f"<p>{len(new)} of {len(words)} words are new to its world "
        f"({languages.html(listed, language)}{', …' if len(new) > most else ''}): "
        "the more of them, the more its answer is a guess.</p>"
    )


def _bars(names: Sequence[str], probabilities: ArrayLike, caption: str) -> str:
    """Return a table of classes with their probabilities; `caption` is HTML."""
    import numpy as np

    rows = "".join(
        f'<tr><th scope="row" style="{_LEFT}">{html.escape(name)}</th>'
        f'<td style="{_LEFT}">{_bar(p)}</td><td>{100 * p:.0f} %</td></tr>'
        for name, p in zip(names, np.asarray(probabilities, float).tolist(), strict=True)
    )
    # A caption would be as narrow as the table.
    return (
        f'<p>{caption}</p><table style="border-spacing:0.8em 0.1em"><tbody>{rows}</tbody></table>'
    )


def _bar(share: float, width: float = 12.0) -> str:
    """Return a bar as long as a share of 1; the number beside it says the same."""
    return (
        '<span aria-hidden="true" style="display:inline-block;background:#0072B2;height:0.7em;'
        f'width:{share * width:.2f}em;min-width:1px"></span>'
    )


# ── machine translation ──────────────────────────────────────────────────────────────────


class Translating:
    """A sentence, its translation, the way back, and what the models have never seen.

    Args:
        ways: language → (translator into it, translator back); all from the same language.
        known: texts in that language; a word that is in none of them is told.

    Raises:
        CourseError: there are no translators or no texts, or directions that do not fit.
    """

    def __init__(
        self, ways: Mapping[str, tuple[Translates, Translates]], known: Sequence[str]
    ) -> None:
        sources = {there.source for there, _ in ways.values()}
        fit = all(
            (there.target, back.source, back.target) == (code, code, there.source)
            for code, (there, back) in ways.items()
        )
        if len(sources) != 1 or not fit:
            raise CourseError(
                "these translators do not go from one language to others and back",
                "give {language: (translator into it, translator back)}",
            )
        self.ways = dict(ways)
        self.source = sources.pop()
        self.known = _known_words({self.source: known})[self.source]

    def table(self, text: str, target: str) -> str:
        """Return pieces, translation, the way back and what should make one careful, as HTML.

        Raises:
            CourseError: there is no translator into the language.
        """
        from xlhelpers import encoding, translation

        if target not in self.ways:
            raise CourseError(
                f"there is no translator into {target!r} here",
                f"choose among {', '.join(self.ways)}",
            )
        text = unicodedata.normalize("NFC", text).strip()
        if not _words(text, self.source):
            return _note("Type a sentence.")
        there, back = self.ways[target]
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("ignore")  # a tokenizer's advice on what to install
            for ours in (encoding.TruncationWarning, translation.TranslationWarning):
                warnings.simplefilter("always", ours)
            row = translation.round_trip([text], there, back).iloc[0]
        rows = {
            _name(self.source): languages.html(_short(text, _MOST_TYPED), self.source),
            f"→ {_name(target)}": languages.html(row["pivot"], target),
            f"→ {_name(self.source)}": languages.html(row["back"], self.source),
        }
        body = "".join(
            f'<tr><th scope="row" style="{_CAPTION}">{html.escape(name)}</th>'
            f'<td style="{_LEFT}">{shown}</td></tr>'
            for name, shown in rows.items()
        )
        caption = self._read(text, there) + f"The way back keeps {row['chrF']:.0f} chrF of 100."
        page = f"{_CAPTIONED}{caption}</caption><tbody>{body}</tbody></table>"
        notes = dict.fromkeys(_note(str(one.message)) for one in told)
        return page + _new_words(text, self.known, self.source) + "".join(notes)

    def show(self, text: str, target: str) -> Shown:
        """Return the explorer, opened at one sentence and language."""
        first = self.table(text, target)
        widget = self._widget(text, target) if has_front_end() else None
        told = f"Explorer: {_short(text)!r} in {_name(target)} and back"
        return Shown(widget, told, first)

    def _widget(self, text: str, target: str) -> Any:
        import ipywidgets

        box = _typed(text, "Sentence", "36em", lines=True)
        choices = [(_name(code), code) for code in self.ways]
        menu = ipywidgets.Dropdown(options=choices, value=target, description="Into")
        page = ipywidgets.HTML(self.table(text, target))
        _refresh(page, lambda: self.table(box.value, menu.value), box, menu)
        return ipywidgets.VBox([_side_by_side(box, menu), page, _style()])

    def _read(self, text: str, there: Translates, most: int = 60) -> str:
        """Return what a translator reads, as HTML; nothing where it has no tokenizer to ask."""
        tokenizer = getattr(there, "tokenizer", None)
        if tokenizer is None:
            return ""
        cut, unknown = _cut(text, tokenizer)
        more = f" … ({len(cut) - most} more)" if len(cut) > most else ""
        shown = languages.html(" · ".join(cut[:most]), self.source)
        return f"{len(cut)} pieces, {unknown} of them unknown: {shown}{more}. "


# ── labels ───────────────────────────────────────────────────────────────────────────────


class LabelBudget:
    """How many labels bring a score, and what they cost, read off measured learning curves.

    Numbers come with the interval of `transfer.labels_needed`; where a score lies beyond what
    was measured, that is said, and no curve is drawn on.

    Args:
        results: few-shot runs of one model, task and source language.
        currency: of prices, as it is written behind them.

    Raises:
        CourseError: no run has shots, or runs of several models, tasks or sources are mixed.
    """

    def __init__(self, results: Results, currency: str = "€") -> None:
        self.results, self.currency = results, currency
        self.curves = results.summary()
        for column in ("model", "task", "source"):
            told = sorted(self.curves.loc[self.curves["shots"] > 0, column].unique())
            if len(told) != 1:
                raise CourseError(
                    f"there are curves of {' and '.join(told) or 'no ' + column}",
                    f"give few-shot runs of one {column}: results.where({column}=…)",
                )

    def choices(self) -> dict[str, list[str]]:
        """Return the strategies that have a curve, by target language."""
        few = self.curves[self.curves["shots"] > 0]
        return {
            str(code): list(dict.fromkeys(part["strategy"]))
            for code, part in few.groupby("target", sort=False)
        }

    def advice(self, target: str, score: float, price: float, strategy: str) -> str:
        """Return in a sentence or two how many labels a score takes and what they cost.

        Args:
            target: language code.
            score: wanted, in per cent.
            price: of one label.
            strategy: how the labels are used.

        Raises:
            CourseError: there is no such curve, the score is no percentage above 0, or the price
                is below 0 or no number.
        """
        from xlhelpers.transfer import labels_needed

        self._check(target, score, price, strategy)
        need = labels_needed(self.results, target, score / 100, strategy)
        goal = f"{score:g} % in {_name(target)}"
        share = f"{100 * need.reached:.0f} % of the resamples"
        if math.isnan(need.labels):
            return (
                f"{goal} lies beyond what was measured: with {need.most} labels the mean does not "
                f"get there, and only {share} do. How many more it takes nobody can read off this "
                "curve: measure on."
            )
        told = f"about {math.ceil(need.labels)} labels, {self._money(need.labels, price)}"
        if need.labels == 0:
            told = "no label, on average"
        if math.isinf(need.high):
            end = (
                f"the 95 % interval goes from {math.ceil(need.low)} beyond the {need.most} that "
                f"were measured, since {share} only get there"
            )
        else:
            end = (
                f"95 % interval {math.ceil(need.low)} to {math.ceil(need.high)} labels, "
                f"{self._money(need.low, price)} to {self._money(need.high, price)}"
            )
        return f"{goal} takes {told}; {end}."

    def table(self, target: str, score: float, price: float, strategy: str) -> str:
        """Return the advice and what was measured, as HTML.

        Args:
            target, score, price, strategy: as `advice`.

        Raises:
            CourseError: as `advice`.
        """
        said = self.advice(target, score, price, strategy)
        here = self.curves[self.curves["target"] == target]
        zero = here[(here["strategy"] == "zero-shot") & (here["shots"] == 0)]
        few = here[(here["strategy"] == strategy) & (here["shots"] > 0)].sort_values("shots")
        heads = ("labels", "cost", "score in %", "95 % interval", f"{score:g} % reached")
        rows = "".join(
            f'<tr><th scope="row">{row.shots}</th>'
            f"<td>{html.escape(self._money(row.shots, price))}</td>"
            f"<td>{100 * row.score:.1f}</td><td>{100 * row.low:.1f} to {100 * row.high:.1f}</td>"
            f"<td>{_reached(row, score / 100)}</td></tr>"
            for part in (zero, few)
            for row in part.itertuples()
        )
        head = "".join(f'<th scope="col">{html.escape(title)}</th>' for title in heads)
        caption = f"What was measured: {_name(target)}, {strategy}"
        return (
            f"{_note(said)}{_CAPTIONED}{html.escape(caption)}</caption>"
            f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        )

    def show(
        self,
        target: str | None = None,
        score: float | None = None,
        price: float = 0.5,
        strategy: str | None = None,
    ) -> Shown:
        """Return the calculator, opened at a language, a score in per cent and a price a label.

        The first language and its first strategy when left out; the score is then half the way
        from zero-shot to the best mean of the curve.
        """
        choices = self.choices()
        code = next(iter(choices)) if target is None else target
        way = choices.get(code, [""])[0] if strategy is None else strategy
        wanted = self._halfway(code, way) if score is None else score
        first = self.table(code, wanted, price, way)
        text = f"Label budget: {self.advice(code, wanted, price, way)}"
        widget = self._widget(code, wanted, price, way) if has_front_end() else None
        return Shown(widget, text, first)

    def _widget(self, target: str, score: float, price: float, strategy: str) -> Any:
        import ipywidgets

        choices = self.choices()
        ways = list(dict.fromkeys(way for known in choices.values() for way in known))
        menu = ipywidgets.Dropdown(
            options=[(_name(code), code) for code in choices], value=target, description="Language"
        )
        how = ipywidgets.Dropdown(options=ways, value=strategy, description="Training")
        goal = ipywidgets.FloatSlider(
            value=score, min=1.0, max=100.0, step=0.5, description="Score, %"
        )
        cost = ipywidgets.BoundedFloatText(
            value=price, min=0.0, max=1e6, step=0.1, description="A label"
        )
        page = ipywidgets.HTML(self.table(target, score, price, strategy))
        _refresh(
            page,
            lambda: self.table(menu.value, goal.value, cost.value, how.value),
            menu,
            how,
            goal,
            cost,
        )
        return ipywidgets.VBox([_side_by_side(menu, how), _side_by_side(goal, cost), page])

    def _check(self, target: str, score: float, price: float, strategy: str) -> None:
        choices = self.choices()
        if strategy not in choices.get(target, []):
            there = "; ".join(f"{_name(c)}: {', '.join(ways)}" for c, ways in choices.items())
            raise CourseError(f"there is no curve of {strategy!r} for {target!r}", f"try {there}")
        if not 0 < score <= 100:
            raise CourseError(f"{score:g} % is no score", "choose above 0 and up to 100")
        if not 0 <= price < math.inf:
            raise CourseError(f"{price:g} is no price of a label", "choose 0 or more")

    def _halfway(self, target: str, strategy: str) -> float:
        here = self.curves[self.curves["target"] == target]
        zero = here.loc[here["strategy"] == "zero-shot", "score"].max()
        best = here.loc[here["strategy"] == strategy, "score"].max()
        return float(round(50 * (zero + best)))

    def _money(self, labels: float, price: float) -> str:
        return f"{math.ceil(labels) * price:,.2f} {self.currency}".rstrip()


def _reached(row: Any, score: float) -> str:
    """Say whether an interval lies above a score, below it, or holds it."""
    if row.low >= score:
        return "yes"
    return "no" if row.high < score else "not sure"


# ── a service ────────────────────────────────────────────────────────────────────────────


class Service:
    """What a router makes of any text, decision by decision: language, route, model, answer.

    Args:
        router: of classifiers; it says which model answered, and how the text was read.
    """

    def __init__(self, router: LanguageRouter) -> None:
        self.router = router

    def table(self, text: str) -> str:
        """Return the decisions as an HTML table, and the probabilities where there is an answer."""
        [routed] = self.router.classify([text])
        found = routed.detection
        guess = f"{_name(found.guess)}, {100 * found.confidence:.0f} %" if found.guess else "–"
        rows = {
            "Language": found.verdict + (f": {_name(found.language)}" if found.language else ""),
            "best guess among those served": guess,
            "share of all other languages": f"{100 * found.outside:.0f} %",
            "Route": routed.route + (f" ({routed.fallback})" if routed.fallback else ""),
            "model": routed.model_hash[:12] or "none was asked",
        }
        answer, bars = routed.answer, ""
        if answer is None:
            rows["No answer"] = routed.problem
        else:
            rows["Read"] = f"{answer.tokens} tokens in {answer.windows} window(s)"
            doubt = ", below the threshold: a person should look" if answer.below_threshold else ""
            rows["Answer"] = f"{answer.label}, {100 * answer.confidence:.0f} %{doubt}"
            bars = _bars(list(answer.probabilities), list(answer.probabilities.values()), "")
        body = "".join(
            f'<tr><th scope="row" style="{_CAPTION}">{html.escape(name)}</th>'
            f'<td style="{_LEFT}">{html.escape(told)}</td></tr>'
            for name, told in rows.items()
        )
        # Without a language the browser goes by the first letter.
        shown = _short(text, 200)
        said = (
            languages.html(shown, found.language)
            if found.language
            else f'<span dir="auto">{html.escape(shown)}</span>'
        )
        return f"{_CAPTIONED}{said}</caption><tbody>{body}</tbody></table>{bars}"

    def show(self, text: str) -> Shown:
        """Return the explorer, opened at one text."""
        first = self.table(text)
        widget = self._widget(text) if has_front_end() else None
        return Shown(widget, f"Explorer: what the service makes of {_short(text)!r}", first)

    def _widget(self, text: str) -> Any:
        import ipywidgets

        box = _typed(text, "Text", "36em", lines=True)
        page = ipywidgets.HTML(self.table(text))
        _refresh(page, lambda: self.table(box.value), box)
        return ipywidgets.VBox([box, page, _style()])


def _typed(value: str, name: str, width: str, lines: bool = False) -> Any:
    """Return a box to type in, with the direction of what stands in it (see `_style`)."""
    import ipywidgets

    kind = ipywidgets.Textarea if lines else ipywidgets.Text
    layout = ipywidgets.Layout(width=width, max_width="98%")
    box = kind(value=value, description=name, continuous_update=False, layout=layout)
    box.add_class(_TYPED)
    return box


def _style() -> Any:
    """Return the rule for boxes: ipywidgets has no `dir="auto"`, which would say the same."""
    import ipywidgets

    rule = "{unicode-bidi:plaintext;text-align:start}"
    shown = f"<style>.{_TYPED} input,.{_TYPED} textarea{rule}</style>"
    return ipywidgets.HTML(shown, layout=ipywidgets.Layout(display="none"))


def _side_by_side(*controls: Any) -> Any:
    """Return controls in a row; in a narrow window, in as many rows as it takes."""
    import ipywidgets

    return ipywidgets.HBox(list(controls), layout=ipywidgets.Layout(flex_flow="row wrap"))


def _refresh(page: Any, render: Callable[[], str], *controls: Any) -> None:
    """Render again whenever a control changes; an error of ours is shown, not swallowed."""

    def changed(_: Any) -> None:
        try:
            page.value = render()
        except CourseError as error:
            page.value = _note(error.sentences)

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
    head = "".join(
        f'<th scope="col" style="{_LEFT}">{html.escape(title)}</th>' for title in columns
    )
    rows = "".join(
        "<tr>" + "".join(_cell(word, score, language, right) for word, score in row) + "</tr>"
        for row in zip(*columns.values(), strict=True)
    )
    return (
        f"{_CAPTIONED}{caption}</caption>"
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


def _too_long(text: str) -> str:
    return _note(
        f"This has {len(text)} characters. Type a text of at most {_MOST_TYPED}: it is shown whole."
    )


def _name(code: str) -> str:
    return languages.get(code).name
