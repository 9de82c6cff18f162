"""Figures: alt text and caption, a whole PNG, the same bytes twice, nothing left behind."""

from __future__ import annotations

import base64
import itertools
import re
import struct
import warnings
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from contrast import contrast, linear

from xlhelpers import files, plots
from xlhelpers.errors import CourseError
from xlhelpers.plots import Figure

ALT = 'Two clouds; "before" they lie apart & after <aligned> together.'
CAPTION = "Before & after <script>alert(1)</script>"


def clouds() -> Figure:
    rng = np.random.default_rng(0)
    panels = {
        title: (rng.normal(size=(5, 2)), rng.normal(size=(5, 2))) for title in ("before", "after")
    }
    labels = ["wasser", "könig", "Finnish: päivä", "español", "ng'ombe"]
    return plots.clouds(panels, labels, ("English", "German"), alt=ALT, caption=CAPTION)


def point_ranges() -> Figure:
    rows = {
        "German": {"cosine": (41.0, 36.0, 45.0), "CSLS": (47.0, 42.0, 52.0)},
        "Finnish": {"cosine": (12.0, 9.0, 15.0)},
    }
    return plots.point_ranges(rows, "P@1 in %", alt=ALT, caption=CAPTION, limits=(0, 100))


def curves(log: bool = True) -> Figure:
    frame = pd.DataFrame(
        {
            "pairs": [4, 100, 2500] * 2,
            "series": ["own pairs"] * 3 + ["held-out words"] * 3,
            "value": [1.0, 0.9, 0.6, 0.0, 0.2, 0.4],
            "low": [1.0, 0.85, 0.55, 0.0, 0.15, 0.35],
            "high": [1.0, 0.95, 0.65, 0.05, 0.25, 0.45],
        }
    )
    return plots.curves(frame, "pairs", "pairs", "P@1", alt=ALT, caption=CAPTION, log=log)


def strips() -> Figure:
    rows = {"5 shots": [51.0, 57.0, 63.0, 57.0], "50 shots": [60.0, 62.0, 61.0]}
    references = {"without shots": 58.0}
    return plots.strips(rows, "accuracy in %", ALT, CAPTION, references)


def rank_frequency() -> Figure:
    counts = {"cosine": np.array([0, 5, 1, 90, 1]), "CSLS": np.array([3, 3, 2, 0, 4])}
    return plots.rank_frequency(counts, "rank", "times returned", alt=ALT, caption=CAPTION)


def scatter() -> Figure:
    points = {"German": (0.7, 41.0), "Swahili": (0.2, 5.0)}
    return plots.scatter(points, "likeness", "P@1", alt=ALT, caption=CAPTION)


def heat_maps() -> Figure:
    names = ["English", "German"]
    panels = {
        title: pd.DataFrame([[1.0, value], [value, 1.0]], names, names)
        for title, value in {"pretrained": 0.2, "never trained": 0.99}.items()
    }
    return plots.heat_maps(panels, "cosine", alt=ALT, caption=CAPTION, limits=(0, 1))


def many_columns() -> Figure:
    names = [f"Language {i}" for i in range(12)]
    table = pd.DataFrame(np.arange(144.0).reshape(12, 12), names, names)
    return plots.heat_maps({"": table}, "%", alt=ALT, caption=CAPTION, digits=0)


def language_maps() -> Figure:
    rng = np.random.default_rng(0)
    panels = {title: rng.normal(size=(8, 2)) for title in ("layer 0", "layer 1")}
    names, groups = ["English", "Chinese"] * 4, [0, 0, 1, 1, 2, 2, 3, 3]
    return plots.language_maps(panels, names, groups, alt=ALT, caption=CAPTION, joined=2)


FIGURES: list[Callable[[], Figure]] = [
    clouds,
    point_ranges,
    curves,
    strips,
    rank_frequency,
    scatter,
    heat_maps,
    many_columns,
    language_maps,
]
# How many colours of the palette a figure uses; two where it is not named here.
COLOURS = {"scatter": 1, "heat_maps": 0, "many_columns": 0}


class _Tags(HTMLParser):
    """What a browser makes of it: tags with their attributes, and text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def size(png: bytes) -> tuple[int, int]:
    assert png.startswith(b"\x89PNG\r\n\x1a\n") and png.endswith(b"IEND\xaeB`\x82")
    width, height = struct.unpack(">II", png[16:24])
    return width, height


@pytest.fixture(params=FIGURES, ids=lambda draw: draw.__name__)
def draw(request: pytest.FixtureRequest) -> Callable[[], Figure]:
    chosen: Callable[[], Figure] = request.param
    return chosen


def test_figure_is_a_picture_with_alt_text_and_caption(draw: Callable[[], Figure]) -> None:
    made = draw()
    bundle = made._repr_mimebundle_(include=None, exclude=None)
    page = _Tags(bundle["text/html"])
    assert [tag for tag, _ in page.tags] == ["figure", "img", "figcaption"]
    image = page.tags[1][1]
    assert image["alt"] == ALT
    assert page.text == CAPTION
    assert bundle["text/plain"] == ALT
    kind, _, data = str(image["src"]).partition(",")
    assert kind == "data:image/png;base64" and base64.b64decode(data) == made.png
    width, height = size(made.png)
    assert 400 <= width <= 1600 and 150 <= height <= 900
    assert image["width"] == str(made.width) and 300 <= made.width <= 960
    assert made.width <= width, "the picture would be blown up"
    assert len(made.png) < 200_000


def test_figure_shows_more_than_a_blank_page(draw: Callable[[], Figure]) -> None:
    import io

    from matplotlib.image import imread

    pixels = imread(io.BytesIO(draw().png))[..., :3]
    inked = (pixels < 0.9).any(axis=2).mean()
    assert 0.005 < inked < (0.9 if draw in (heat_maps, many_columns) else 0.5)
    # The first colours of the palette; a heat map has a scale of its own.
    for colour in plots.PALETTE[: COLOURS.get(draw.__name__, 2)]:
        rgb = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
        assert (np.abs(pixels - rgb).max(axis=2) < 0.02).sum() > 20, colour


def test_figure_is_the_same_twice(draw: Callable[[], Figure]) -> None:
    assert draw() == draw()


def test_figure_raises_no_warning(draw: Callable[[], Figure]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        draw()


def test_figure_leaves_nothing_in_pyplot(draw: Callable[[], Figure]) -> None:
    import matplotlib.pyplot as plt

    assert plt.get_fignums() == []
    draw()
    assert plt.get_fignums() == []


@pytest.mark.parametrize("alt", ["", "  \n"])
def test_every_function_wants_alt_text(alt: str) -> None:
    one = {"a": (0.0, 1.0)}
    frame = pd.DataFrame({"n": [1], "series": "a", "value": 1, "low": 1, "high": 1})
    calls: list[Callable[[], Figure]] = [
        lambda: plots.clouds({"t": ([[0, 0]], [[1, 1]])}, ["a"], ("A", "B"), alt=alt),
        lambda: plots.point_ranges({"a": {"s": (1, 0, 2)}}, "x", alt=alt),
        lambda: plots.curves(frame, "n", "x", "y", alt=alt),
        lambda: plots.strips({"a": [1.0]}, "x", alt=alt),
        lambda: plots.rank_frequency({"a": [1]}, "x", "y", alt=alt),
        lambda: plots.scatter(one, "x", "y", alt=alt),
        lambda: plots.heat_maps({"t": pd.DataFrame([[1.0]])}, "x", alt=alt),
        lambda: plots.language_maps({"t": [[0, 0]]}, ["English"], [0], alt=alt),
        lambda: Figure(b"", alt),
    ]
    for call in calls:
        with pytest.raises(ValueError, match="alt text"):
            call()


def test_no_caption_no_figcaption() -> None:
    page = Figure(b"png", "A line.")._repr_mimebundle_()["text/html"]
    assert "figcaption" not in page and page.endswith("></figure>")


def test_text_is_escaped_in_attribute_and_caption() -> None:
    page = Figure(b"", 'a "quoted" <b>', "<i>&")._repr_mimebundle_()["text/html"]
    assert 'alt="a &quot;quoted&quot; &lt;b&gt;"' in page
    assert "<figcaption>&lt;i&gt;&amp;</figcaption>" in page


def test_drawing_does_not_depend_on_the_readers_style() -> None:
    import matplotlib as mpl

    plain = scatter()
    with mpl.rc_context({"axes.facecolor": "black", "font.size": 30, "savefig.dpi": 30}):
        assert scatter() == plain


# ── single functions ─────────────────────────────────────────────────────────────────────


def test_clouds_wants_a_label_for_each_pair() -> None:
    points = np.zeros((3, 2))
    with pytest.raises(ValueError):
        plots.clouds({"t": (points, points)}, ["one", "two"], ("A", "B"), alt="A picture.")
    with pytest.raises(ValueError):
        plots.clouds({"t": (points, points[:2])}, ["a", "b", "c"], ("A", "B"), alt="A picture.")


def test_more_panels_are_wider() -> None:
    points = np.array([[0.0, 0.0], [1.0, 1.0]])
    one, two = (
        plots.clouds({str(i): (points, -points) for i in range(n)}, "ab", ("A", "B"), alt="Points.")
        for n in (1, 2)
    )
    assert size(two.png)[0] > 1.8 * size(one.png)[0]
    assert abs(size(two.png)[1] - size(one.png)[1]) < 20


def test_more_rows_are_higher() -> None:
    few, many = (
        plots.point_ranges({str(i): {"s": (1, 0, 2)} for i in range(n)}, "x", alt="Ranges.")
        for n in (2, 12)
    )
    assert size(many.png)[1] > 2 * size(few.png)[1]


def test_no_marker_lies_on_the_edge() -> None:
    # Markers of the first row were cut in half by the frame.
    import io

    from matplotlib.image import imread

    rows = {"a": {"s": (1.0, 0.9, 1.1), "t": (1.0, 0.9, 1.1)}, "b": {"s": (1.0, 0.9, 1.1)}}
    png = plots.point_ranges(rows, "x", alt="Ranges.").png
    pixels = imread(io.BytesIO(png))[..., :3]
    rgb = np.array([0x00, 0x72, 0xB2]) / 255
    rows_with_blue = np.flatnonzero((np.abs(pixels - rgb).max(axis=2) < 0.02).any(axis=1))
    frame = np.flatnonzero((pixels < 0.3).all(axis=2).mean(axis=1) > 0.4)
    assert rows_with_blue.min() > frame.min() + 8


def test_limits_move_the_axis() -> None:
    rows = {"a": {"s": (1.0, 0.0, 2.0)}}
    free, fixed = (
        plots.point_ranges(rows, "x", alt="Ranges.", limits=limits) for limits in (None, (0, 100))
    )
    assert free.png != fixed.png


def test_logarithmic_axis_differs_from_the_plain_one() -> None:
    assert curves(log=True).png != curves(log=False).png


@pytest.mark.parametrize("n", [8, 40])
def test_more_series_than_colours_are_refused(n: int) -> None:
    names = [f"s{i}" for i in range(n)]
    frame = pd.DataFrame({"n": 1, "series": names, "value": 1.0, "low": 0.5, "high": 1.5})
    calls: list[Callable[[], Figure]] = [
        lambda: plots.curves(frame, "n", "x", "y", alt="Many lines."),
        lambda: plots.point_ranges({"r": dict.fromkeys(names, (1, 0, 2))}, "x", alt="Many."),
        lambda: plots.rank_frequency(dict.fromkeys(names, [1, 2]), "x", "y", alt="Many."),
        lambda: plots.language_maps({"t": np.zeros((n, 2))}, names, range(n), alt="Many."),
    ]
    for call in calls:
        with pytest.raises(CourseError, match=f"{n} series.*7 colours"):
            call()


# What people see who lack one kind of cone, on linear RGB (Machado, Oliveira and Fernandes, 2009,
# IEEE Transactions on Visualization and Computer Graphics 15, severity 1).
CONES = {
    "all": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "no long": [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
    "no middle": [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
    "no short": [[1.256, -0.077, -0.179], [-0.078, 0.931, 0.148], [0.005, 0.691, 0.304]],
}


def lightness_and_hue(rgb: np.ndarray) -> np.ndarray:
    """CIELAB of linear RGB, white point D65."""
    to_xyz = np.array(
        [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    )
    xyz = to_xyz @ np.clip(rgb, 0, 1) / [0.9505, 1.0, 1.089]
    x, y, z = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def test_marks_stand_out_against_white() -> None:
    for colour in plots.PALETTE:
        assert contrast(colour, "#FFFFFF") >= 3, colour
    grey = f"#{round(255 * float(plots._JOIN)):02X}" + 2 * f"{round(255 * float(plots._JOIN)):02X}"
    assert contrast(grey, "#FFFFFF") >= 3


@pytest.mark.parametrize("eyes", CONES)
def test_colours_can_be_told_apart_by(eyes: str) -> None:
    seen = [lightness_and_hue(np.array(CONES[eyes]) @ linear(one)) for one in plots.PALETTE]
    apart = [np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2)]
    assert min(apart) > 15  # 2 can just be told apart side by side


def test_figures_in_a_heat_map_can_be_read_at_every_value() -> None:
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    for part in np.linspace(0, 1, 201):
        letters = "#FFFFFF" if part < plots._DARK else "#000000"
        assert contrast(to_hex(colormaps["viridis"](part)), letters) >= 4.5, part


def test_panels_beyond_the_width_go_below() -> None:
    def width(panels: int) -> int:
        points = {f"p{i}": np.eye(2) for i in range(panels)}
        return size(plots.language_maps(points, ["a", "b"], [0, 1], ALT).png)[0]

    assert width(2) > 1.5 * width(1)
    assert width(3) == pytest.approx(width(2), rel=0.02)


def test_seven_series_have_seven_colours_and_markers() -> None:
    assert len(set(plots.PALETTE)) == len(set(plots.MARKERS)) == 7
    assert all(re.fullmatch("#[0-9A-F]{6}", colour) for colour in plots.PALETTE)
    names = [f"s{i}" for i in range(7)]
    made = plots.point_ranges({"r": dict.fromkeys(names, (1, 0, 2))}, "x", alt="Seven.")
    assert size(made.png)


def test_zeros_are_not_drawn() -> None:
    with_zeros = plots.rank_frequency({"a": [0, 3, 1, 0]}, "x", "y", alt="Counts.")
    without = plots.rank_frequency({"a": [3, 1]}, "x", "y", alt="Counts.")
    assert with_zeros == without


def test_whole_numbers_on_a_plain_axis_have_the_ticks() -> None:
    frame = pd.DataFrame({"layer": [0, 1, 2], "series": "a", "value": 1.0, "low": 0, "high": 2})
    halves = frame.assign(layer=frame["layer"].astype(float))
    whole, plain = (plots.curves(f, "layer", "x", "y", alt="A line.") for f in (frame, halves))
    assert whole.png != plain.png


@pytest.mark.parametrize("table", [[[1.0, np.nan]], [[np.inf]], np.zeros((0, 2))])
def test_heat_map_wants_finite_numbers(table: Any) -> None:
    with pytest.raises(plots.PlotError, match="finite"):
        plots.heat_maps({"t": pd.DataFrame(table)}, "x", alt="Colours.")
    with pytest.raises(plots.PlotError, match="finite"):
        plots.heat_maps({}, "x", alt="Colours.")


def test_heat_maps_share_one_scale() -> None:
    one, two = pd.DataFrame([[0.0, 1.0]]), pd.DataFrame([[0.0, 2.0]])
    alone = plots.heat_maps({"a": one}, "x", alt="Colours.")
    assert alone == plots.heat_maps({"a": one}, "x", alt="Colours.", limits=(0, 1))
    both = plots.heat_maps({"a": one, "b": two}, "x", alt="Colours.")
    assert both == plots.heat_maps({"a": one, "b": two}, "x", alt="Colours.", limits=(0, 2))
    assert both != plots.heat_maps({"a": one, "b": two}, "x", alt="Colours.", limits=(0, 1))


def test_heat_map_of_equal_values_is_drawn() -> None:
    assert size(plots.heat_maps({"a": pd.DataFrame([[0.5, 0.5]])}, "x", alt="Colours.").png)


def test_joined_translations_have_lines() -> None:
    points = {"t": np.random.default_rng(1).normal(size=(6, 2))}
    names, groups = ["English", "German"] * 3, [0, 0, 1, 1, 2, 2]
    drawn = [
        plots.language_maps(points, names, groups, alt="Points.", joined=n).png for n in (0, 1, 3)
    ]
    assert len(set(drawn)) == 3


def test_places_of_a_last_row_that_is_not_full_stay_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    finish = plots._finished

    def finished(figure: Any, alt: str, caption: str) -> Figure:
        seen.append(len(figure.axes))
        return finish(figure, alt, caption)

    monkeypatch.setattr(plots, "_finished", finished)
    panels = {str(n): np.zeros((2, 2)) for n in range(5)}
    plots.language_maps(panels, ["a", "b"], [0, 1], ALT)
    assert seen == [5], "no frame without points"


def test_language_maps_want_two_dimensions_and_a_name_each() -> None:
    for points, names in (([[0, 0, 0]], ["English"]), ([[0, 0], [1, 1]], ["English"])):
        with pytest.raises(plots.PlotError, match="one language and one group a point"):
            plots.language_maps({"t": points}, names, [0], alt="Points.")


# ── saving ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", [str, Path])
def test_save_writes_the_picture(kind: type, tmp_path: Path) -> None:
    made = scatter()
    file = tmp_path / "new folder" / "figure.png"
    assert made.save(kind(file)) == file
    assert file.read_bytes() == made.png
    assert [p.name for p in file.parent.iterdir()] == ["figure.png"]


def test_save_that_fails_leaves_the_old_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "figure.png"
    file.write_bytes(b"old")

    def full(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(files.os, "replace", full)
    with pytest.raises(OSError, match="no space"):
        Figure(b"new", "A picture.").save(file)
    assert file.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir() if p.is_file()] == ["figure.png"]


# ── shares ───────────────────────────────────────────────────────────────────────────────


def drawn_shares(rows: dict[str, dict[str, float]]) -> Figure:
    return plots.shares(rows, "share in %", alt="Shares.")


def test_shares_depend_on_proportions_alone() -> None:
    one = drawn_shares({"a": {"x": 1, "y": 3}, "b": {"x": 2, "y": 2}})
    assert one == drawn_shares({"a": {"x": 10, "y": 30}, "b": {"x": 0.5, "y": 0.5}})
    assert one != drawn_shares({"a": {"x": 3, "y": 1}, "b": {"x": 2, "y": 2}})
    assert size(one.png)[0] >= one.width > 300


def test_part_that_a_row_lacks_moves_the_others_up() -> None:
    import io

    from matplotlib.image import imread

    png = drawn_shares({"a": {"x": 1.0, "y": 1.0}, "b": {"y": 1.0}}).png
    pixels = imread(io.BytesIO(png))[..., :3]
    rgb = np.array([int(plots.PALETTE[1][i : i + 2], 16) for i in (1, 3, 5)]) / 255
    widths = (np.abs(pixels - rgb).max(axis=2) < 0.02).sum(axis=1)
    wide = widths[widths > 0.6 * widths.max()]  # lines of the row that is all y
    half = widths[(widths > 0.3 * widths.max()) & (widths <= 0.6 * widths.max())]
    assert len(wide) > 10 and len(half) > 10
    assert np.median(wide) == pytest.approx(2 * np.median(half), rel=0.15)


@pytest.mark.parametrize("amounts", [{}, {"x": 0.0}, {"x": 2.0, "y": -1.0}])
def test_row_without_shares_is_refused(amounts: dict[str, float]) -> None:
    with pytest.raises(CourseError, match="'b' has no shares"):
        drawn_shares({"a": {"x": 1.0}, "b": amounts})


def test_eight_parts_are_refused() -> None:
    with pytest.raises(CourseError, match="8 series.*7 colours"):
        drawn_shares({"a": {f"p{i}": 1.0 for i in range(8)}})


def test_shares_want_alt_text() -> None:
    with pytest.raises(ValueError, match="alt text"):
        plots.shares({"a": {"x": 1.0}}, "share", alt=" ")


def dots(png: bytes) -> int:
    """How many pixels have the dots' colour, by and large."""
    import io

    from matplotlib.image import imread

    pixels = imread(io.BytesIO(png))[..., :3]
    blue = np.array([int(plots.PALETTE[0][i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return int((np.abs(pixels - blue).max(axis=2) < 0.02).sum())


def test_every_value_of_a_strip_is_a_dot() -> None:
    # No dot lies under the bar of the mean. The legend has one more.
    two, four = (plots.strips({"a": v}, "x", ALT).png for v in ([1.0, 5.0], [1.0, 2.0, 4.0, 5.0]))
    assert dots(four) == pytest.approx(dots(two) * (4 + 1) / (2 + 1), rel=0.1)


def test_equal_values_of_a_strip_do_not_hide_each_other() -> None:
    alone, thrice = (plots.strips({"a": v}, "x", ALT).png for v in ([2.0], [2.0, 2.0, 2.0]))
    assert dots(thrice) > 1.3 * dots(alone)


@pytest.mark.parametrize("values", [[], [1.0, float("nan")]])
def test_strip_wants_finite_values(values: list[float]) -> None:
    with pytest.raises(CourseError, match="'b' has no finite values"):
        plots.strips({"a": [1.0], "b": values}, "x", ALT)


def test_strip_has_room_for_six_references() -> None:
    lines = {f"line {i}": float(i) for i in range(7)}
    assert plots.strips({"a": [1.0]}, "x", ALT, references=dict(list(lines.items())[:6])).png
    with pytest.raises(CourseError, match="8 series"):
        plots.strips({"a": [1.0]}, "x", ALT, references=lines)


def test_strip_says_what_a_dot_is() -> None:
    draws, pieces = (plots.strips({"a": [1.0]}, "x", ALT, dot=d).png for d in ("one draw", "piece"))
    assert draws == plots.strips({"a": [1.0]}, "x", ALT).png != pieces


def test_logarithmic_axis_has_room_for_zero() -> None:
    def drawn(counts: list[int]) -> bytes:
        frame = pd.DataFrame({"n": counts, "series": "a", "value": [1.0, 2.0, 3.0]})
        frame = frame.assign(low=frame["value"] - 0.1, high=frame["value"] + 0.1)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return plots.curves(frame, "n", "labels", "score", ALT, log=True).png

    with_zero, without = drawn([0, 10, 100]), drawn([1, 10, 100])
    assert columns(with_zero) == columns(without) == 3
    assert with_zero != without


def columns(png: bytes) -> int:
    """How many markers there are side by side: runs of pixel columns with much of the colour."""
    import io

    from matplotlib.image import imread

    pixels = imread(io.BytesIO(png))[..., :3]
    blue = np.array([int(plots.PALETTE[0][i : i + 2], 16) for i in (1, 3, 5)]) / 255
    high = (np.abs(pixels - blue).max(axis=2) < 0.02).sum(axis=0) > 6
    return int((np.diff(high.astype(int)) == 1).sum())


def test_heat_map_grows_with_its_columns() -> None:
    two, twelve = (
        size(plots.heat_maps({"": pd.DataFrame(np.ones((2, n)))}, "%", alt=ALT).png)
        for n in (2, 12)
    )
    assert twelve[0] > 1.4 * two[0]
