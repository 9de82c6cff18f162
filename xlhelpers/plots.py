"""The course's figures: one palette, a marker for every colour, alt text on each.

Functions return a `Figure`, which a notebook shows as an HTML `<figure>` with alt text and
caption. Colours are those of Okabe & Ito (2008), which colour-blind readers can tell apart, as
far as they stand 3:1 against white (WCAG 2.2, 1.4.11). Their yellow, orange and light blue do not;
violet and brown take that place.
Labels are in Latin script, since few machines have fonts for all; native script belongs
into tables (`languages.html`).
"""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from xlhelpers import files
from xlhelpers.errors import CourseError

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as MatplotlibFigure
    from matplotlib.text import Annotation

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#6622CC", "#662200", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_HATCHES = ("", "//", "..", "\\\\", "xx", "--", "")
_JOIN = "0.55"  # lines between points that belong together; grid lines may be fainter
_DPI = 110
# Panels side by side are at most so wide, in inches: beyond that their letters are too small to
# read where a window is narrow.
_WIDEST = 13.0
# Up to this part of the scale viridis is dark enough for white letters, from it on light enough
# for black ones: 4.5:1 on both sides.
_DARK = 0.43
# Names of so many columns stand side by side; those of more are turned.
_LEVEL_NAMES = 6


class PlotError(CourseError, ValueError):
    """A figure cannot be drawn as asked."""


@dataclass(frozen=True)
class Figure:
    """A picture with its description.

    Raises:
        PlotError: there is no alt text.

    Attributes:
        png: the image.
        alt: what a reader who does not see it should be told, in a sentence or two.
        caption: what stands below it; may be empty.
        width: in CSS pixels.
    """

    png: bytes = field(repr=False)
    alt: str
    caption: str = ""
    width: int = 640

    def __post_init__(self) -> None:
        _check_alt(self.alt)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        data = base64.b64encode(self.png).decode("ascii")
        caption = f"<figcaption>{html.escape(self.caption)}</figcaption>" if self.caption else ""
        image = (
            f'<img alt="{html.escape(self.alt, quote=True)}" width="{self.width}" '
            f'src="data:image/png;base64,{data}">'
        )
        return {"text/html": f"<figure>{image}{caption}</figure>", "text/plain": self.alt}

    def save(self, path: str | Path) -> Path:
        """Write the PNG; the file is complete or not there."""
        files.write_bytes(Path(path), self.png)
        return Path(path)


def clouds(
    panels: Mapping[str, tuple[ArrayLike, ArrayLike]],
    labels: Sequence[str],
    languages: tuple[str, str],
    alt: str,
    caption: str = "",
) -> Figure:
    """Draw two sets of points per panel, in two dimensions, with a line from pair to pair.

    Args:
        panels: title → (source, target), each (n, 2); row i of both is pair i.
        labels: n names, written beside the source points.
        languages: names of source and target.
    """
    with _canvas(len(panels), 5.2, 4.8, alt, caption) as (axes, out):
        for ax, (title, (source, target)) in zip(axes, panels.items(), strict=True):
            a, b = np.asarray(source), np.asarray(target)
            for p, q in zip(a, b, strict=True):
                ax.plot(*zip(p, q, strict=True), color=_JOIN, linewidth=1, zorder=1)
            for points, name, i in ((a, languages[0], 0), (b, languages[1], 1)):
                ax.scatter(
                    points[:, 0],
                    points[:, 1],
                    color=PALETTE[i],
                    marker=MARKERS[i],
                    s=45,
                    label=name,
                    zorder=2,
                )
            ax.set(title=title, xticks=[], yticks=[])
            ax.margins(0.12)
            _label_points(ax, a, labels, away_from=b)
        axes[0].legend(loc="best", frameon=True)
    return out[0]


def point_ranges(
    rows: Mapping[str, Mapping[str, tuple[float, float, float]]],
    xlabel: str,
    alt: str,
    caption: str = "",
    limits: tuple[float, float] | None = None,
) -> Figure:
    """Draw values with their intervals: one line a row, one marker a series.

    Args:
        rows: row → series → (value, low, high); series keep colour and marker across rows.
        limits: of the value axis.
    """
    series = list(dict.fromkeys(name for values in rows.values() for name in values))
    _check_series(len(series))
    height = max(0.42, 0.12 * len(series))  # of a row: markers of many series must not touch
    with _canvas(1, 7.2, 1.2 + height * len(rows), alt, caption) as (axes, out):
        ax = axes[0]
        step = min(0.22, 0.8 / max(len(series), 1))
        for s, name in enumerate(series):
            offset = (s - (len(series) - 1) / 2) * step
            drawn = [(r, values[name]) for r, values in enumerate(rows.values()) if name in values]
            value, low, high = np.array([numbers for _, numbers in drawn]).T
            ax.errorbar(
                value,
                [r + offset for r, _ in drawn],
                xerr=[(value - low).tolist(), (high - value).tolist()],
                fmt=MARKERS[s],
                color=PALETTE[s],
                capsize=3,
                label=name,
            )
        ax.set_yticks(range(len(rows)), list(rows))
        # The first row on top, and half a row of air at both ends.
        ax.set(xlabel=xlabel, xlim=limits, ylim=(len(rows) - 0.5, -0.5))
        ax.grid(axis="x", color="0.9")
        if len(series) > 1:
            ax.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
    return out[0]


def strips(
    rows: Mapping[str, ArrayLike],
    xlabel: str,
    alt: str,
    caption: str = "",
    references: Mapping[str, float] | None = None,
    dot: str = "one draw",
) -> Figure:
    """Draw every single value as a dot, one line a row, and the mean of each row as a bar.

    Dots that would hide each other are moved up and down a little, always in the same way.

    Args:
        rows: row → its values.
        references: name → value of a vertical line across all rows, such as a score without
            any of what the rows have.
        dot: what a dot is, for the legend.

    Raises:
        PlotError: a row has no values, or one that is not finite; too many references.
    """
    drawn = {name: np.asarray(values, dtype=float).ravel() for name, values in rows.items()}
    for name, values in drawn.items():
        if not values.size or not np.isfinite(values).all():
            raise PlotError(f"{name!r} has no finite values", "leave such rows out")
    lines = dict(references or {})
    _check_series(1 + len(lines))
    with _canvas(1, 7.2, 1.2 + 0.5 * len(rows), alt, caption) as (axes, out):
        ax = axes[0]
        for r, values in enumerate(drawn.values()):
            order = np.argsort(np.argsort(values, kind="stable"), kind="stable")
            heights = r + 0.09 * (order % 3 - 1)
            style: dict[str, Any] = {"color": PALETTE[0], "marker": MARKERS[0]}
            style |= {"edgecolors": "white", "linewidths": 0.5, "zorder": 3}  # where dots overlap
            ax.scatter(values, heights, s=36, label=dot if r == 0 else "_", **style)
            label = "their mean" if r == 0 else "_"
            ax.vlines(values.mean(), r - 0.3, r + 0.3, color="black", linewidth=2, label=label)
        for i, (name, value) in enumerate(lines.items(), start=1):
            dashes = (0, (4, 1 + i))
            ax.axvline(value, color=PALETTE[i], linestyle=dashes, label=name, zorder=0)
        ax.set_yticks(range(len(drawn)), list(drawn))
        ax.set(xlabel=xlabel, ylim=(len(drawn) - 0.5, -0.5))
        ax.grid(axis="x", color="0.9")
        ax.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
    return out[0]


def curves(
    frame: pd.DataFrame,
    x: str,
    xlabel: str,
    ylabel: str,
    alt: str,
    caption: str = "",
    log: bool = False,
) -> Figure:
    """Draw lines with bands.

    Args:
        frame: columns `x`, `series`, `value`, `low`, `high`.
        x: name of the column for the horizontal axis.
        log: logarithmic horizontal axis, ticks at the values that occur, 0 among them where it
            does; so are those of a plain axis with a few whole numbers.
    """
    _check_series(frame["series"].nunique())
    with _canvas(1, 7.2, 4.2, alt, caption) as (axes, out):
        ax = axes[0]
        for i, (name, part) in enumerate(frame.groupby("series", sort=False)):
            style: dict[str, Any] = {"color": PALETTE[i], "marker": MARKERS[i]}
            ax.plot(part[x], part["value"], label=str(name), **style)
            band: dict[str, Any] = {"facecolor": (PALETTE[i], 0.15), "edgecolor": PALETTE[i]}
            ax.fill_between(part[x], part["low"], part["high"], linewidth=0.5, **band)
        if log:
            ticks = sorted(frame[x].unique())
            if ticks[0] > 0:
                ax.set_xscale("log")
            else:  # 0 has no logarithm: up to the smallest number above it the axis is plain
                least = min((tick for tick in ticks if tick > 0), default=1)
                ax.set_xscale("symlog", linthresh=least)
            ax.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
            ax.minorticks_off()
        elif (steps := frame[x].unique()).dtype.kind == "i" and len(steps) <= 13:
            ax.set_xticks(sorted(steps))  # layers, not halves of layers
        ax.set(xlabel=xlabel, ylabel=ylabel)
        ax.grid(color="0.92")
        ax.legend(loc="best", frameon=True)
    return out[0]


def rank_frequency(
    counts: Mapping[str, ArrayLike], xlabel: str, ylabel: str, alt: str, caption: str = ""
) -> Figure:
    """Draw counts from the largest to the smallest, one line a series, both axes logarithmic.

    Args:
        counts: series → how often each item occurred; zeros are not drawn.
    """
    _check_series(len(counts))
    with _canvas(1, 7.2, 4.2, alt, caption) as (axes, out):
        for i, (name, values) in enumerate(counts.items()):
            ordered = np.sort(np.asarray(values))[::-1]
            ordered = ordered[ordered > 0]
            axes[0].plot(
                np.arange(1, len(ordered) + 1),
                ordered,
                color=PALETTE[i],
                marker=MARKERS[i],
                markevery=0.12,
                label=name,
            )
        axes[0].set(xscale="log", yscale="log", xlabel=xlabel, ylabel=ylabel)
        for axis in (axes[0].xaxis, axes[0].yaxis):
            axis.set_major_formatter("{x:,.0f}")
        axes[0].grid(color="0.92")
        axes[0].legend(loc="best", frameon=True)
    return out[0]


def scatter(
    points: Mapping[str, tuple[float, float]],
    xlabel: str,
    ylabel: str,
    alt: str,
    caption: str = "",
) -> Figure:
    """Draw one named point an item."""
    with _canvas(1, 6.2, 4.4, alt, caption) as (axes, out):
        values = np.array(list(points.values()), dtype=float)
        style: dict[str, Any] = {"color": PALETTE[0], "marker": MARKERS[0], "zorder": 3}
        axes[0].scatter(values[:, 0], values[:, 1], s=50, **style)
        axes[0].set(xlabel=xlabel, ylabel=ylabel)
        axes[0].margins(0.15)
        _label_points(axes[0], values, list(points))
        axes[0].grid(color="0.92")
    return out[0]


def heat_maps(
    panels: Mapping[str, pd.DataFrame],
    label: str,
    alt: str,
    caption: str = "",
    limits: tuple[float, float] | None = None,
    digits: int = 2,
) -> Figure:
    """Draw tables as colours, one panel each on one scale, with the numbers written in.

    The scale is viridis, dark to light, which reads the same without colour.

    Args:
        panels: title → values with row and column names; names in Latin script.
        label: what the values are, beside the colour bar.
        limits: ends of the colour scale; those of the values when None.
        digits: decimals of the numbers.

    Raises:
        PlotError: nothing to draw, or a value that is not finite.
    """
    tables = {title: np.asarray(frame, dtype=float) for title, frame in panels.items()}
    if not tables or not all(v.size and np.isfinite(v).all() for v in tables.values()):
        raise PlotError("a heat map needs finite numbers", "give tables without gaps")
    low, high = limits or (
        min(v.min() for v in tables.values()),
        max(v.max() for v in tables.values()),
    )
    rows = max(len(values) for values in tables.values())
    columns = max(values.shape[1] for values in tables.values())
    wide = max(4.6, 1.6 + 0.52 * columns)
    with _canvas(len(panels), wide, 1.4 + 0.42 * rows, alt, caption) as (axes, out):
        for ax, (title, frame) in zip(axes, panels.items(), strict=True):
            values = tables[title]
            image = ax.imshow(values, cmap="viridis", vmin=low, vmax=high, aspect="auto")
            ax.set_xticks(range(values.shape[1]), [str(name) for name in frame.columns])
            if columns > _LEVEL_NAMES:
                ax.tick_params(axis="x", rotation=60)
            ax.set_yticks(range(len(values)), [str(name) for name in frame.index])
            ax.set_title(title)
            for (row, column), value in np.ndenumerate(values):
                dark = value < low + _DARK * (high - low)
                ax.text(
                    column,
                    row,
                    f"{value:.{digits}f}",
                    ha="center",
                    va="center",
                    color="white" if dark else "black",
                    fontsize=9,
                )
        axes[-1].figure.colorbar(image, ax=axes, label=label)
    return out[0]


def language_maps(
    panels: Mapping[str, ArrayLike],
    languages: Sequence[str],
    groups: Sequence[int],
    alt: str,
    caption: str = "",
    joined: int = 0,
) -> Figure:
    """Draw points in two dimensions, one colour and marker a language.

    Args:
        panels: title → (n, 2) points.
        languages: (n,) names, one a point.
        groups: (n,) what each point says; points of one group are translations.
        joined: so many of the groups have grey lines between their points, each to the first.

    Raises:
        PlotError: more languages than colours, or names that do not fit the points.
    """
    names = list(dict.fromkeys(languages))
    _check_series(len(names))
    if any(np.shape(points) != (len(languages), 2) for points in panels.values()):
        raise PlotError("the points are not (n, 2)", "give one language and one group a point")
    language, group = np.array(languages), np.array(groups)
    with _canvas(len(panels), 4.8, 4.4, alt, caption) as (axes, out):
        for ax, (title, given) in zip(axes, panels.items(), strict=True):
            points = np.asarray(given, dtype=float)
            for wanted in list(dict.fromkeys(groups))[:joined]:
                said = points[group == wanted]
                for other in said[1:]:
                    ax.plot(*zip(said[0], other, strict=True), color=_JOIN, linewidth=0.8, zorder=1)
            for i, name in enumerate(names):
                style: dict[str, Any] = {"color": PALETTE[i], "marker": MARKERS[i]}
                style |= {"edgecolors": "white", "linewidths": 0.3}  # where points overlap
                of = points[language == name]
                ax.scatter(of[:, 0], of[:, 1], s=24, label=name, zorder=2, **style)
            ax.set(title=title, xticks=[], yticks=[])
            ax.margins(0.06)
        named = axes[0].get_legend_handles_labels()
        axes[0].figure.legend(*named, loc="outside right center", frameon=False)
    return out[0]


def shares(
    rows: Mapping[str, Mapping[str, float]], xlabel: str, alt: str, caption: str = ""
) -> Figure:
    """Draw what each row is made of, as parts of 100 %, in one bar a row.

    Parts keep colour and hatching across rows; those of 4 % and more have the figure in them.

    Args:
        rows: row → part → amount, in any unit; a part that a row lacks is left out there.

    Raises:
        PlotError: more parts than colours, an amount below 0, or a row of nothing.
    """
    parts = list(dict.fromkeys(name for amounts in rows.values() for name in amounts))
    _check_series(len(parts))
    for row, amounts in rows.items():
        if min(amounts.values(), default=0) < 0 or not sum(amounts.values()) > 0:
            raise PlotError(f"{row!r} has no shares", "give amounts from 0, one above 0 at least")
    with _canvas(1, 7.2, 1.2 + 0.5 * len(rows), alt, caption) as (axes, out):
        ax = axes[0]
        for i, part in enumerate(parts):
            for r, amounts in enumerate(rows.values()):
                scale = 100 / sum(amounts.values())
                before = scale * sum(amounts.get(name, 0) for name in parts[:i])
                width = scale * amounts.get(part, 0)
                style: dict[str, Any] = {"color": PALETTE[i], "hatch": _HATCHES[i]}
                label = part if r == 0 else "_"  # one entry a part in the legend
                ax.barh(r, width, left=before, height=0.62, edgecolor="white", label=label, **style)
                if width >= 4:
                    _write_share(ax, before + width / 2, r, width)
        ax.set_yticks(range(len(rows)), list(rows))
        ax.set(xlabel=xlabel, xlim=(0, 100), ylim=(len(rows) - 0.5, -0.5))
        ax.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
    return out[0]


@contextmanager
def _canvas(
    panels: int, width: float, height: float, alt: str, caption: str
) -> Iterator[tuple[list[Axes], list[Figure]]]:
    """Give axes to draw on; when the block ends, the finished `Figure` is in the list.

    The figure never enters pyplot's registry, so a notebook does not show it twice and
    nothing has to be closed. Its look is ours, whatever style the notebook has chosen.
    """
    _check_alt(alt)
    from matplotlib import style
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Canvas

    with style.context("default"):
        columns = max(1, min(panels, int(_WIDEST / width)))
        rows = -(-panels // columns)
        size = (width * columns, height * rows)
        figure = Canvas(figsize=size, layout="constrained", dpi=_DPI)
        FigureCanvasAgg(figure)
        out: list[Figure] = []
        axes = list(figure.subplots(rows, columns, squeeze=False).flat)
        for unused in axes[panels:]:
            unused.remove()
        yield axes[:panels], out
        out.append(_finished(figure, alt, caption))


def _check_alt(alt: str) -> None:
    if not alt.strip():
        raise PlotError("a figure needs alt text", "say what it shows in a sentence: alt=…")


def _check_series(count: int) -> None:
    if count > len(PALETTE):
        raise PlotError(
            f"{count} series are more than the {len(PALETTE)} colours that can be told apart",
            "draw fewer, or make rows of them (point_ranges)",
        )


def _finished(figure: MatplotlibFigure, alt: str, caption: str) -> Figure:
    buffer = io.BytesIO()
    # Without metadata the bytes depend on the drawing alone, so that a second run is equal.
    figure.savefig(buffer, format="png", bbox_inches="tight", metadata={"Software": None})
    width = int(figure.get_figwidth() * 100)
    return Figure(buffer.getvalue(), alt, caption, min(width, 960))


def _label_points(
    ax: Axes, points: Any, labels: Sequence[str], away_from: Any | None = None
) -> None:
    """Write a name beside each point where there is room, if it can be away from its partner."""
    ax.autoscale_view()
    partners = points if away_from is None else np.concatenate([points, away_from])
    taken = [(x - 6, y - 6, x + 6, y + 6) for x, y in ax.transData.transform(partners)]
    for i, (_, label) in enumerate(zip(points, labels, strict=True)):
        outward = np.sign(points[i] - away_from[i]) if away_from is not None else (1, 1)
        places = sorted(_PLACES, key=lambda place: -float(np.dot(place[:2], outward)))
        drawn = [_write(ax, points[i], label, *place) for place in places]
        boxes = [text.get_window_extent() for text in drawn]
        crowded = [sum(_overlap(box.extents, other) for other in taken) for box in boxes]
        best = int(np.argmin(crowded))
        taken.append(boxes[best].extents)
        for text in drawn[:best] + drawn[best + 1 :]:
            text.remove()


# Right or left, up or down, and how many points away.
_PLACES = [(right, up, away) for away in (5, 14) for right in (1, -1) for up in (1, -1)]


def _write(ax: Axes, point: Any, label: str, right: int, up: int, away: int) -> Annotation:
    return ax.annotate(
        label,
        point,
        xytext=(5 * right, away * up),
        textcoords="offset points",
        ha="left" if right > 0 else "right",
        va="bottom" if up > 0 else "top",
        fontsize=9,
    )


def _write_share(ax: Axes, x: float, y: float, share: float) -> None:
    """Write a share into its part of a bar, on a patch that hatching does not show through."""
    patch = {"facecolor": "white", "edgecolor": "none", "pad": 1.2}
    ax.text(x, y, f"{share:.0f}", ha="center", va="center", fontsize=8, bbox=patch)


def _overlap(one: Sequence[float], other: Sequence[float]) -> float:
    """Area that two boxes (x0, y0, x1, y1) share."""
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    return max(wide, 0.0) * max(high, 0.0)
