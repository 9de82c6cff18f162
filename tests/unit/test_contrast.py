"""What is shown as HTML can be read in JupyterLab's light theme and in its dark one."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from contrast import contrast

from xlhelpers import exercises, glossary, widgets
from xlhelpers.exercises import panels, prediction
from xlhelpers.serving import ner

WHITE, DARK = "#FFFFFF", "#111111"  # the pages of the two themes


def kinds(of: type[panels.Panel]) -> Iterator[type[panels.Panel]]:
    yield of
    for one in of.__subclasses__():
        yield from kinds(one)


@pytest.mark.parametrize("page", [WHITE, DARK])
def test_bar_and_symbol_of_every_panel_stand_out(page: str) -> None:
    assert exercises and glossary and prediction  # their panels are known by now
    colours = {one.colour for one in kinds(panels.Panel) if isinstance(one.colour, str)}
    assert len(colours) >= 5
    for colour in colours:
        assert contrast(colour, page) >= 3, colour


def test_words_of_a_panel_have_the_colour_of_the_page() -> None:
    shown = panels.Correct("Well done.")._repr_html_()
    coloured = re.findall(r'<(\w+)([^>]*style="[^"]*(?<!-)color:[^"]*")', shown)
    assert [(tag, "aria-hidden" in rest) for tag, rest in coloured] == [("span", True)]


def test_words_on_a_ground_of_their_own_can_be_read() -> None:
    grounds = [widgets._RIGHT, widgets._WRONG, widgets._MISSED, *widgets._TYPES.values()]
    grounds += [*ner._COLOURS.values(), ner._OTHER]
    for ground in grounds:
        assert contrast(ground, "#000000") >= 4.5 and contrast(ground, "#333333") >= 4.5


def test_bars_stand_out_on_both_pages() -> None:
    colours = re.findall(r"#[0-9A-Fa-f]{6}", widgets._bar(0.5))
    guess = prediction.Prediction(id="a.b", prompt="?")
    guess.guess = 40
    colours += re.findall(r"background:(#[0-9A-Fa-f]{6})", guess.reveal(60)._repr_html_())
    assert len(colours) == 3
    for colour in colours:
        assert contrast(colour, WHITE) >= 3 and contrast(colour, DARK) >= 3
