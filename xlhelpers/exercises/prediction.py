"""Predict first: a guess that is committed before a result is shown.

`ask` shows a slider or radio buttons where there is a widget front-end, and otherwise (GitHub,
an HTML export, a terminal) the question with the call that commits a guess. Only what ipywidgets
7.7 and 8 share is used.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from xlhelpers.exercises import _progress
from xlhelpers.exercises.panels import Panel, rich
from xlhelpers.exercises.values import Unreadable, as_number, as_scalar, folded, short
from xlhelpers.widgets import Shown, has_front_end


@dataclass(kw_only=True, eq=False, repr=False)
class Prediction(Panel):
    """A question whose answer is a guess: a number from `low` to `high`, or one of `options`.

    Args:
        id: "<module>.<name>".
        prompt: What will be measured, as a question.
        low, high, step: The slider's range; whole numbers when `step` is whole.
        unit: Printed after numbers, such as "%".
        options: For a choice instead of a number.
    """

    id: str
    prompt: str
    low: float = 0
    high: float = 100
    step: float = 1
    unit: str = ""
    options: Sequence[str] = ()

    symbol, plain_symbol, colour = "?", "[?]", "#8a6d00"

    def __post_init__(self) -> None:
        if not self.options and not self.low < self.high:
            raise ValueError(f"{self.id}: low must be below high")
        self.guess: Any = None
        self.revealed = False
        self._late = False

    # ── for the learner ──

    def ask(self) -> Shown:
        """The question with a slider (or buttons), or with the call that commits a guess."""
        return Shown(_build_widget(self), repr(self), self._repr_html_())

    def commit(self, value: Any) -> Note:
        """Keep a guess. A later one replaces it, and says so when the result was already seen.

        Never raises: a guess that cannot be read is answered with what is expected.
        """
        try:
            guess = self._read(value)
        except Unreadable as error:
            return Note(False, str(error))
        self._late = self.revealed
        self.guess = guess
        if not self.revealed:
            _progress.guess(self.id, guess)
        late = " The result has been shown already, so this is no longer a guess." * self.revealed
        return Note(True, f"{self.say(guess)}.{late}")

    def reveal(self, truth: Any, interval: tuple[float, float] | None = None) -> Comparison:
        """The guess beside what was measured; with `interval`, whether the guess lies inside."""
        self.revealed = True
        measured = as_scalar(truth)
        return Comparison(self, self.guess, measured, interval, self._late)

    def heading(self) -> str:
        return "Predict first."

    def body(self) -> str:
        return f"{self.prompt} {self.range_text()}\n{self.invitation()}"

    # ── for the rest of the module ──

    def invitation(self) -> str:
        """How a guess is committed without widgets."""
        example = repr(self.options[0]) if self.options else "…"
        return f"Commit a guess before you go on: `xl.exercises.{self.id}.commit({example})`"

    def range_text(self) -> str:
        """What may be guessed, in words."""
        if self.options:
            return f"(One of: {', '.join(self.options)}.)"
        return f"(From {self.say(self.low)} to {self.say(self.high)}.)"

    @property
    def whole(self) -> bool:
        """Whether guesses are whole numbers."""
        return all(float(x).is_integer() for x in (self.low, self.high, self.step))

    def say(self, value: Any) -> str:
        """A value with its unit, in as many digits as the slider has."""
        if self.options or not isinstance(value, (int, float)):
            return str(value)
        text = f"{value:.0f}" if self.whole else f"{value:.6g}"
        return f"{text} {self.unit}".rstrip()

    def _read(self, value: Any) -> Any:
        if not self.options:
            return self._read_number(as_number(value))
        for option in self.options:
            if folded(as_scalar(value)) == folded(option):
                return option
        raise Unreadable(
            f"One of {', '.join(map(repr, self.options))} is expected; yours is {short(value)}."
        )

    def _read_number(self, number: float) -> float:
        whole = number.is_integer()
        if self.low <= number <= self.high and (whole or not self.whole):
            return int(number) if whole else number
        kind = "whole number" if self.whole and not whole else "guess"
        raise Unreadable(
            f"A {kind} from {self.say(self.low)} to {self.say(self.high)} is expected; yours is "
            f"{number:.10g}.{self._as_share(number)}"
        )

    def _as_share(self, number: float) -> str:
        """What a share of 1 would be on this scale, where it counts out of `high`."""
        counted = round(number * self.high)
        if not (0 < number < 1 and self.low <= counted <= self.high):
            return ""
        if self.low != 0 and self.high != 100:
            return ""
        return f" If you meant a share, that is {self.say(counted)}."


@dataclass(frozen=True, repr=False)
class Note(Panel):
    """What `commit` answers."""

    kept: bool
    text: str

    @property
    def symbol(self) -> str:  # type: ignore[override]
        """Pin or warning sign."""
        return "✎" if self.kept else "⚠"

    @property
    def plain_symbol(self) -> str:  # type: ignore[override]
        """The same without Unicode."""
        return "[*]" if self.kept else "[!]"

    def heading(self) -> str:
        return "Your guess is kept:" if self.kept else "This guess cannot be read."

    def body(self) -> str:
        return self.text


@dataclass(frozen=True, repr=False)
class Comparison(Panel):
    """A guess beside the measurement."""

    prediction: Prediction
    guess: Any
    truth: Any
    interval: tuple[float, float] | None
    late: bool
    symbol, plain_symbol, colour = "⇆", "[=]", "#0072b2"

    def heading(self) -> str:
        measured = self.prediction.say(self.truth)
        if self.guess is None:
            return f"Measured {measured}; no guess was committed."
        return f"You guessed {self.prediction.say(self.guess)}; measured {measured}."

    def body(self) -> str:
        parts = [self._interval_text(), "(Guessed after the result was shown.)" * self.late]
        return " ".join(part for part in parts if part)

    def body_html(self) -> str:
        return rich(self.body()) + self._bars()

    def _interval_text(self) -> str:
        if self.prediction.options:
            if self.guess is None:
                return ""
            return "Right." if folded(self.guess) == folded(self.truth) else "Not the same."
        if self.interval is None:
            return ""
        low, high = (self.prediction.say(as_scalar(end)) for end in self.interval)
        if self.guess is None:
            return f"The interval is {low} to {high}."
        inside = self.interval[0] <= self.guess <= self.interval[1]
        return f"Your guess lies {'inside' if inside else 'outside'} the interval {low} to {high}."

    def _bars(self) -> str:
        """Two bars on the slider's range; the words above say the same."""
        if self.prediction.options or self.guess is None:
            return ""
        rows = (("guess", self.guess, "#8a6d00"), ("measured", self.truth, self.colour))
        return "".join(self._bar(*row) for row in rows)

    def _bar(self, name: str, value: float, colour: str) -> str:
        low, high = self.prediction.low, self.prediction.high
        share = min(1.0, max(0.0, (float(value) - low) / (high - low)))
        return (
            '<div aria-hidden="true" style="display:flex;align-items:center;font-size:85%">'
            f'<span style="width:6em">{html.escape(name)}</span>'
            f'<span style="background:{colour};height:0.6em;'
            f'width:{round(share * 20, 2)}em;min-width:2px"></span></div>'
        )


def _build_widget(prediction: Prediction) -> Any:
    """Slider or radio buttons, a button, and a line that says what was kept; None without them."""
    if not has_front_end():  # a terminal or a plain script
        return None
    try:
        import ipywidgets as widgets
    except ImportError:
        return None
    question = widgets.HTML(value=f"<strong>Predict first.</strong> {rich(prediction.prompt)}")
    control = _control(widgets, prediction)
    button = widgets.Button(description="Commit guess", tooltip="Keep this guess")
    line = widgets.HTML(value="")

    def keep(_: Any) -> None:
        line.value = prediction.commit(control.value)._repr_html_()

    button.on_click(keep)
    row = widgets.HBox([control, button], layout=widgets.Layout(flex_flow="row wrap"))
    return widgets.VBox([question, row, line])


def _control(widgets: Any, prediction: Prediction) -> Any:
    if prediction.options:
        return widgets.RadioButtons(options=list(prediction.options), description="Guess")
    # Starts at the low end: a slider that starts in the middle suggests the middle.
    settings = {"min": prediction.low, "max": prediction.high, "step": prediction.step}
    if prediction.whole:
        whole = {name: int(value) for name, value in settings.items()}
        return widgets.IntSlider(value=whole["min"], description="Guess", **whole)
    return widgets.FloatSlider(value=prediction.low, description="Guess", **settings)
