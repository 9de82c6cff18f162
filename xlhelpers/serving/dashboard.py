"""What a `Monitor` knows, as a small page in the notebook."""

from __future__ import annotations

import html
import math
from typing import TYPE_CHECKING, Any

from xlhelpers import languages
from xlhelpers._shown import Shown, has_front_end
from xlhelpers.serving._errors import ServingError
from xlhelpers.serving.monitoring import ALL, LANGUAGE_SIGNALS, OTHER, UNKNOWN, Alarm

if TYPE_CHECKING:
    import pandas as pd

    from xlhelpers.serving.monitoring import Monitor

_NAMES = {ALL: "all", OTHER: "other", UNKNOWN: "unknown"}
# Heads of the columns, and whether numbers stand in them. What matters most comes first: a
# notebook beside a list of files has room for half of them.
_HEADS = (
    ("language", False),
    ("changed", False),
    ("by window", False),
    ("answered", True),
    ("refused", True),
    ("mean confidence", True),
    ("ms: median, 95th centile", True),
    ("right, of those labelled", False),
)
_SIDE = {False: "text-align:left;", True: "text-align:right;white-space:nowrap;"}
_CELL = "padding:0.2em 0.5em;vertical-align:middle;"
# Windows that are drawn, and the size of a bar.
_DRAWN, _BAR, _HEIGHT = 20, 5, 24
# Room above the bars for the marks.
_MARK = 6


class Dashboard:
    """The state of a monitor, language by language.

    Args:
        monitor: what to show; it goes on counting meanwhile.
        most: languages that are listed, the most frequent first.
        alarms: how many of the last ones are listed.
    """

    def __init__(self, monitor: Monitor, most: int = 20, alarms: int = 5) -> None:
        self.monitor, self.most, self.alarms = monitor, most, alarms

    def page(self, signal: str = "confidence") -> str:
        """Return the page as HTML.

        Args:
            signal: one of `LANGUAGE_SIGNALS`, whose windows are drawn for each language; for all
                together it is always their mix.

        Raises:
            ServingError: there is no such signal.
        """
        if signal not in LANGUAGE_SIGNALS:
            raise ServingError(
                f"no signal of a language is called {signal!r:.40}",
                f"choose {', '.join(LANGUAGE_SIGNALS)}",
            )
        frame = self.monitor.frame()
        if frame.empty:
            return "<p>Nothing has been answered yet.</p>"
        # The line height of a page: that of controls, which a widget would have, is a list's.
        return (
            '<div style="line-height:1.4">'
            f"<p>{html.escape(self._summary(frame))}</p>"
            f'<div style="overflow-x:auto">{self._table(frame, signal)}</div>'
            f"{self._alarms()}</div>"
        )

    def show(self) -> Shown:
        """Return the dashboard; it is computed again at a click on "Refresh"."""
        widget = self._widget() if has_front_end() else None
        return Shown(widget, f"Dashboard: {self._summary(self.monitor.frame())}", self.page())

    # ── parts ────────────────────────────────────────────────────────────────────────────

    def _summary(self, frame: pd.DataFrame) -> str:
        answered, refused = int(frame["answers"].sum()), int(frame["refused"].sum())
        known = len(frame.index.difference([OTHER, UNKNOWN]))
        changed = ", ".join(f"{_name(code)} ({signal})" for code, signal in self.monitor.active)
        return (
            f"{answered} answered, {refused} refused, {known} languages; "
            f"{f'changed: {changed}' if changed else 'no change is seen'}."
        )

    def _table(self, frame: pd.DataFrame, signal: str) -> str:
        shown = frame.head(self.most)
        rows = "".join(self._language(str(code), row, signal) for code, row in shown.iterrows())
        head = "".join(
            f'<th scope="col" style="{_CELL}{_SIDE[number]}white-space:normal">{title}</th>'
            for title, number in _HEADS
        ).replace("by window", f"{signal}, by window")
        left = len(frame) - len(shown)
        more = f" ({left} more are not shown)" if left else ""
        return (
            f'<table style="margin:0"><caption style="{_SIDE[False]}">'
            f"By language, the most frequent first{more}. A bar is a window of "
            f"{self.monitor.window}, the last one on the right. Its height says how far it lies "
            "from the reference; ▾ above it says that it has set off an alarm.</caption>"
            f"<thead><tr>{head}</tr></thead><tbody>{rows}{self._all(frame)}</tbody></table>"
        )

    def _language(self, code: str, row: Any, signal: str) -> str:
        tested = any(self.monitor.past(code, one) for one in LANGUAGE_SIGNALS)
        return _row(
            _name(code),
            _changed(row["drift"], tested),
            _bars(self.monitor.past(code, signal), f"{_name(code)}, {signal}"),
            f"{row['answers']:.0f}",
            f"{row['refused']:.0f}",
            _number(row["confidence"], ".2f"),
            f"{1000 * row['p50']:.0f}, {1000 * row['p95']:.0f}",
            _share(row),
        )

    def _all(self, frame: pd.DataFrame) -> str:
        """Return the row of all languages: what is watched in it is their mix."""
        past = self.monitor.past(ALL, "languages")
        moved = "languages" if (ALL, "languages") in self.monitor.active else ""
        return _row(
            _name(ALL),
            _changed(moved, bool(past)),
            _bars(past, "mix of languages"),
            f"{frame['answers'].sum():.0f}",
            f"{frame['refused'].sum():.0f}",
            "",
            "",
            "",
        )

    def _alarms(self) -> str:
        alarms = list(self.monitor.alarms)
        if not alarms:
            return ""
        last = alarms[-self.alarms :]
        rows = "".join(f"<li>{html.escape(_told(alarm))}</li>" for alarm in reversed(last))
        return f"<p>{len(alarms)} alarms, the last one first:</p><ul>{rows}</ul>"

    def _widget(self) -> Any:
        import ipywidgets

        again = ipywidgets.Button(description="Refresh")
        menu = ipywidgets.Dropdown(options=list(LANGUAGE_SIGNALS), description="Drawn")
        page = ipywidgets.HTML(self.page(menu.value))

        def refresh(_: Any) -> None:
            page.value = self.page(menu.value)

        again.on_click(refresh)
        menu.observe(refresh, names="value")
        row = ipywidgets.HBox([again, menu], layout=ipywidgets.Layout(flex_flow="row wrap"))
        return ipywidgets.VBox([row, page])


def _row(name: str, *cells: str) -> str:
    """Return a row of the table; the cells are HTML."""
    body = "".join(
        f'<td style="{_CELL}{_SIDE[number]}">{cell}</td>'
        for cell, (_, number) in zip(cells, _HEADS[1:], strict=True)
    )
    return f'<tr><th scope="row" style="{_CELL}{_SIDE[False]}">{html.escape(name)}</th>{body}</tr>'


def _name(code: str) -> str:
    return _NAMES.get(code) or languages.name(code)


def _number(value: float, form: str) -> str:
    return "–" if math.isnan(value) else format(value, form)


def _share(row: Any) -> str:
    if math.isnan(row["agreement"]):
        return "–"
    value, low, high = (f"{100 * row[key]:.0f}" for key in ("agreement", "low", "high"))
    whole = "white-space:nowrap"
    return (
        f'<span style="{whole}">{value} % ({low} to {high})</span> '
        f'<span style="{whole}">of {row["labelled"]:.0f}</span>'
    )


def _changed(signals: str, tested: bool) -> str:
    if signals:
        return f"<strong>! {html.escape(signals)}</strong>"
    return "no" if tested else "–"


def _told(alarm: Alarm) -> str:
    return f"{_name(alarm.language)}: {alarm.told}"


def _bars(past: list[tuple[float, bool]], what: str) -> str:
    """Return the last windows as bars; one that fired is darker and has a mark above it."""
    if not past:
        return "–"
    drawn, parts = past[-_DRAWN:], []
    for i, (distance, fired) in enumerate(drawn):
        high = max(1.0, min(1.0, distance) * _HEIGHT)
        x, y, wide = i * _BAR, _HEIGHT + _MARK - high, _BAR - 1
        # currentColor: black on a white page, white on a black one.
        parts.append(
            f'<rect x="{x}" y="{y:.1f}" width="{wide}" height="{high:.1f}" fill="currentColor" '
            f'fill-opacity="{1 if fired else 0.6}"/>'
        )
        if fired:
            mark = f"M{x} 0h{wide}l-{wide / 2} {_MARK - 2}z"
            parts.append(f'<path d="{mark}" fill="currentColor"/>')
    count = sum(fired for _, fired in drawn)
    label = html.escape(f"{what}: {len(drawn)} windows, {count} fired, last {drawn[-1][0]:.2f}")
    return (
        f'<svg role="img" aria-label="{label}" width="{len(drawn) * _BAR}" '
        f'height="{_HEIGHT + _MARK}">{"".join(parts)}</svg>'
    )
