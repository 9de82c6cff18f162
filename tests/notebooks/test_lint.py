"""Each lint rule finds its planted fault and passes a clean notebook; then the course's own."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lint
import pytest
from lint import CHECKS, FIRST, NOTEBOOKS, Page, at_least_the_first, course_notebooks, same_setup

REPOSITORY = "https://github.com/someone/multilingual-nlp-course"
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+M8AAwEB/home/x/tmp/y=="
NAME = "01_sample.ipynb"
COLAB = f"https://colab.research.google.com/github/someone/multilingual-nlp-course/blob/main/notebooks/{NAME}"
BINDER = f"https://mybinder.org/v2/gh/someone/multilingual-nlp-course/HEAD?urlpath=lab%2Ftree%2Fnotebooks%2F{NAME}"

TITLE = f"""# A sample

[![Open in Colab](badge.svg)]({COLAB}) [![Open in Binder](badge.svg)]({BINDER})

Takes <!--=notebook.minutes-->1.2 min<!--/--> and <!--=notebook.memory-->0.9 GB<!--/-->.
"""

HERE = "[Here](page.md#what-is-here-and-why) they are."


def _markdown(number: int, source: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "id": f"m{number}", "metadata": {}, "source": source}


def _code(number: int, source: str, *outputs: dict[str, Any]) -> dict[str, Any]:
    return {
        "cell_type": "code",
        "id": f"c{number}",
        "metadata": {},
        "execution_count": number,
        "source": source,
        "outputs": list(outputs),
    }


def _shown(**data: str) -> dict[str, Any]:
    return {
        "output_type": "display_data",
        "data": {name.replace("_", "/", 1): value for name, value in data.items()},
        "metadata": {},
    }


def _stream(name: str, text: str) -> dict[str, Any]:
    return {"output_type": "stream", "name": name, "text": [text]}


def _clean() -> dict[str, Any]:
    """A notebook without a fault."""
    figure = _shown(
        text_html=f'<figure><img alt="Two clouds" src="data:image/png;base64,{PIXEL}"></figure>',
        text_plain="Figure: two clouds",
        image_png=PIXEL,
    )
    table = _shown(text_html='<table lang="en"><tr><td lang="zh">狗</td></tr></table>')
    bodies: list[tuple[str, str, tuple[dict[str, Any], ...]]] = [
        (TITLE, "import xlhelpers as xl\n\nxl.setup()", (_stream("stdout", "all is well\n"),)),
        ("## What is a hub?\n\nSee [the end](#Take-away). German, `german`.", "x = 1", (figure,)),
        (f"### More\n\n{HERE} They report 81.4 (Conneau et al., 2018, ICLR).", "x", (table,)),
    ]
    bodies += [(f"Step {i} comes next.", f"x + {i}", ()) for i in range(4, 14)]
    bodies += [
        ("## Exercises\n\nFind it.", "answer = None\nxl.exercises.alignment.q1.check(answer)", ()),
        ("## Claims\n\nThe ledger.", 'xl.claims.table("01")', ()),
        ("## Take-away\n\nGerman <!--=alignment.p1.de-->41 %<!--/-->; `a!` is fine.", "x", ()),
    ]
    cells = []
    for number, (prose, code, outputs) in enumerate(bodies, start=1):
        cells += [_markdown(number, prose), _code(number, code, *copy.deepcopy(outputs))]
    metadata = {
        "kernelspec": {"display_name": "Python 3 (ipykernel)", "name": "python3"},
        "language_info": {"name": "python"},
    }
    return {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


@pytest.fixture(autouse=True)
def _repository(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """The sample's badges point to a repository of their own."""
    if "notebook" not in request.fixturenames:
        monkeypatch.setattr(lint, "repository_url", lambda: REPOSITORY)


def _page(node: dict[str, Any], folder: Path) -> Page:
    path = folder / NAME
    path.write_text(json.dumps(node), encoding="utf-8")
    (folder / "badge.svg").write_text("<svg/>")
    (folder / "page.md").write_text("# A page\n\n## What is *here*, and `why`?\n")
    return Page.read(path)


# ── planted faults ───────────────────────────────────────────────────────────────────────────────

Plant = Callable[[dict[str, Any]], Any]


def _prose(text: str, cell: int = 4) -> Plant:
    """Put a text into a markdown cell."""

    def plant(node: dict[str, Any]) -> None:
        node["cells"][cell]["source"] += "\n\n" + text

    return plant


def _source(text: str, cell: int = 5) -> Plant:
    """Replace the source of a code cell."""

    def plant(node: dict[str, Any]) -> None:
        node["cells"][cell]["source"] = text

    return plant


def _sources(**texts: str) -> Plant:
    """Replace the code of exercises, claims or take-away, which are sections of their own."""

    def plant(node: dict[str, Any]) -> None:
        for name, text in texts.items():
            node["cells"][{"exercises": 27, "claims": 29, "end": 31}[name]]["source"] = text

    return plant


def _output(output: dict[str, Any], cell: int = 5) -> Plant:
    """Replace the outputs of a code cell."""

    def plant(node: dict[str, Any]) -> None:
        node["cells"][cell]["outputs"] = [copy.deepcopy(output)]

    return plant


def _title(old: str, new: str) -> Plant:
    """Change the first cell."""

    def plant(node: dict[str, Any]) -> None:
        assert old in node["cells"][0]["source"]
        node["cells"][0]["source"] = node["cells"][0]["source"].replace(old, new)

    return plant


def _set(*path: Any, value: Any) -> Plant:
    """Set one value somewhere in the file."""

    def plant(node: dict[str, Any]) -> None:
        for step in path[:-1]:
            node = node[step]
        node[path[-1]] = value

    return plant


def _drop(text: str) -> Plant:
    """Remove the markdown cell that has a text, and the code cell after it."""

    def plant(node: dict[str, Any]) -> None:
        place = next(i for i, cell in enumerate(node["cells"]) if text in cell["source"])
        del node["cells"][place : place + 2]

    return plant


def _swap_last(node: dict[str, Any]) -> None:
    cells = node["cells"]
    cells[-4:] = cells[-2:] + cells[-4:-2]


def _renumber(node: dict[str, Any]) -> None:
    code = [cell for cell in node["cells"] if cell["cell_type"] == "code"]
    code[4]["execution_count"], code[5]["execution_count"] = 6, 5


def _long_cells(node: dict[str, Any]) -> None:
    for cell in node["cells"]:
        if cell["cell_type"] == "code":
            cell["source"] += "\nx" * 7


def _many_cells(node: dict[str, Any]) -> None:
    for number in range(50, 61):
        node["cells"] += [_markdown(number, "And so on."), _code(number, "x")]


WIDGET = {"application_vnd.jupyter.widget-view+json": "x"}
STATE = {"application/vnd.jupyter.widget-state+json": {"state": {}, "version_major": 2}}

FAULTS: list[tuple[str, str, Plant, str]] = [
    ("image_alt", "markdown", _prose("![](badge.svg)"), "cell 5: an image without alt"),
    ("image_alt", "html in markdown", _prose('<img src="badge.svg">'), "<img> without alt"),
    ("image_alt", "blank alt", _prose('<img src="badge.svg" alt=" ">'), "<img> without alt"),
    ("image_alt", "bare png", _output(_shown(image_png=PIXEL)), "image/png alone"),
    (
        "image_alt",
        "png with metadata only",
        _output({**_shown(image_png=PIXEL), "metadata": {"image/png": {"alt": "Two clouds"}}}),
        "without alt text",
    ),
    ("image_alt", "html output", _output(_shown(text_html='<img src="x">')), "<img> without"),
    ("image_alt", "svg", _output(_shown(text_html="<svg><g/></svg>")), "<svg> without aria-label"),
    ("cell_length", "21 lines", _source("x\n\n" * 21), "cell 6: 21 lines"),
    ("cell_rhythm", "median", _long_cells, "median code cell"),
    ("cell_rhythm", "too many", _many_cells, "27 code cells"),
    (
        "cell_rhythm",
        "too few",
        lambda node: node["cells"].__delitem__(slice(8, 12)),
        "14 code cells",
    ),
    ("prose_before_code", "none", lambda node: node["cells"].pop(4), "no prose"),
    (
        "prose_before_code",
        "only a heading",
        _set("cells", 4, "source", value="### More"),
        "only a heading",
    ),
    ("no_empty_cells", "empty", _source("\n"), "cell 6: empty"),
    ("no_empty_cells", "raw", _set("cells", 4, "cell_type", value="raw"), "cell 5: raw"),
    (
        "no_errors",
        "traceback",
        _output({"output_type": "error", "ename": "KeyError", "evalue": "", "traceback": []}),
        "cell 6: the output is an error: KeyError",
    ),
    ("executed_in_order", "swapped", _renumber, "executed as [6], not as [5]"),
    (
        "executed_in_order",
        "not run",
        _set("cells", 5, "execution_count", value=None),
        "executed as [None]",
    ),
    ("no_warnings", "stderr", _output(_stream("stderr", "FutureWarning: old")), "stderr: Future"),
    (
        "no_warnings",
        "glyph",
        _output(_stream("stdout", "UserWarning: Glyph 29399 (\\N{CJK}) missing from font(s)")),
        "glyph",
    ),
    ("no_machine_paths", "source", _source('open("/home/anna/x.vec")'), "/home/anna"),
    ("no_machine_paths", "prose", _prose("It lies in /tmp/vectors."), "/tmp/vectors"),
    ("no_machine_paths", "windows", _source(r'open("C:\\Users\\anna")'), "C:\\"),
    (
        "no_machine_paths",
        "output",
        _output(_stream("stdout", "File /usr/lib/python3/site-packages/x.py")),
        "site-packages",
    ),
    (
        "no_machine_paths",
        "html output",
        _output(_shown(text_html='<a href="/mnt/x">x</a>')),
        "/mnt/x",
    ),
    ("valid_file", "schema", _set("cells", 5, "outputs", value="x"), "not a valid notebook"),
    ("valid_file", "kernel", _set("metadata", "kernelspec", "name", value="venv"), "kernel"),
    (
        "valid_file",
        "version",
        _set("metadata", "language_info", "version", value="3.11.2"),
        "Python version",
    ),
    ("valid_file", "ids", _set("cells", 5, "id", value="c2"), "same"),
    ("no_widget_state", "state", _set("metadata", "widgets", value=STATE), "state is saved"),
    ("no_widget_state", "malformed", _set("metadata", "widgets", value=[]), "malformed"),
    ("no_widget_state", "view", _output(_shown(**WIDGET)), "view of a widget"),
    ("badges", "another repository", _title("gh/someone/", "gh/OWNER/"), "opens OWNER/"),
    ("badges", "another notebook", _title(f"2F{NAME}", "2F02_x.ipynb"), "does not open"),
    ("badges", "no Binder", _title("mybinder.org", "example.org"), "no badge for mybinder.org"),
    (
        "badges",
        "clone",
        _source("!git clone https://github.com/OWNER/multilingual-nlp-course.git", 1),
        "clones OWNER/",
    ),
    ("links", "file", _prose("[x](02_missing.ipynb)"), "02_missing.ipynb leads nowhere"),
    ("links", "image", _prose("![a picture](img/none.png)"), "img/none.png leads nowhere"),
    ("links", "anchor", _prose("[x](#Nowhere)"), "no heading for the link #Nowhere"),
    ("links", "anchor of a file", _prose("[x](page.md#there)"), "no heading for the link page.md"),
    ("cross_references", "notebook", _prose("As notebook 77 says."), "there is no notebook 77"),
    ("cross_references", "section", _prose("See sections 1 and 9."), "has no section 9"),
    ("cross_references", "exercise", _prose("(exercise 4 asks)"), "has no exercise 4"),
    ("cross_references", "its section", _prose("notebook 01, section 12"), "has no section 12"),
    ("links", "heading", _prose(f"[x](./{NAME}#Take-away)"), f"for the link ./{NAME}#Take-away"),
    ("links", "cell", _prose(f"[x](./{NAME}#cell-id=c3)"), "no heading for the link"),
    (
        "comments_first",
        "number",
        _prose("<!--=low.hub-->3 %<!--/--> of `x`."),
        "cell 5: a line begins with a comment: <!--=low.hub-->3 %",
    ),
    ("comments_first", "within", _prose("So\n<!--=low.hub-->3 %<!--/-->."), "begins with a comm"),
    ("comments_first", "item", _prose("- <!--=low.hub-->3 %<!--/-->"), "begins with a comment"),
    ("findings", "none", _source('xl.plots.curves(x, caption="A line.")'), "nothing in bold"),
    (
        "own_names",
        "again",
        _sources(exercises="answer = x", end="for x in (2, 3):\n    pass"),
        "cell 28: reads 'x' of an earlier section",
    ),
    ("own_names", "itself", _sources(exercises="x = x + 1", end="x = 2"), "cell 28: reads 'x'"),
    ("own_names", "inside", _sources(exercises="def f():\n    return x", end="import x"), "28"),
    ("captions", "none", _source('xl.plots.curves(x, alt="A line.")'), "xl.plots.curves without"),
    ("captions", "empty", _source('xl.plots.curves(x, caption="")'), "without a caption"),
    ("captions", "code", _source("xl.plots.curves(x"), "cannot be parsed"),
    ("headings", "two titles", _prose("# Another"), "2 titles"),
    ("headings", "no title", _title("# A sample", "A sample"), "0 titles"),
    ("headings", "skipped", _prose("##### Deep"), "skips from level 3 to 5"),
    ("headings", "twice", _prose("## Claims"), "comes twice"),
    ("anatomy", "cost", _title("notebook.memory", "notebook.disk"), "notebook.memory"),
    ("anatomy", "set-up", _source("import xlhelpers as xl", 1), "xl.setup()"),
    ("anatomy", "exercises", _drop("## Exercises"), "no section for exercises"),
    ("anatomy", "check", _drop("## Exercises"), "exercise with a check"),
    ("anatomy", "claims", _drop("## Claims"), "no section for claims"),
    ("anatomy", "table", _drop("## Claims"), 'xl.claims.table("01")'),
    ("anatomy", "take-away", _drop("## Take-away"), "no section for take-away"),
    ("anatomy", "order", _swap_last, "not in this order"),
    ("numbers", "percentage", _prose("Finnish reaches 12 %."), "“12 %” stands outside"),
    ("numbers", "decimal", _prose("A cosine of 0.52."), "“0.52” stands outside"),
    ("known_markers", "unknown", _prose("<!--=alignment.nix-->3<!--/-->"), "alignment.nix"),
    ("known_markers", "open", _prose("<!--=alignment.p1.de-->41 %"), "not closed"),
    ("known_markers", "bar", _prose("<!--=alignment.p1.de|n-->41<!--/-->"), "vertical bar"),
    ("language_names", "case", _prose("We map german to English."), "“german” is spelled German"),
    ("language_names", "letter", _prose("We look at Finish and Swahilli."), "spelled Swahili"),
    ("language_names", "alias", _prose("Next comes Mandarin."), "“Mandarin” is spelled Chinese"),
    ("language_names", "output", _output(_stream("stdout", "Protuguese 3")), "Portuguese"),
    (
        "language_names",
        "attribute",
        _output(_shown(text_html='<span lang="cn">狗</span>')),
        'lang="cn"',
    ),
    ("mojibake", "replacement", _output(_stream("stdout", "caf\ufffd")), "cell 6: broken text"),
    ("mojibake", "question marks", _prose("In Chinese: ????????"), "????"),
    ("mojibake", "cp1252", _prose("Ã¼ber"), "broken text"),
    ("mojibake", "decomposed", _prose("u\u0308ber"), "composed form"),
    ("voice", "exclamation", _prose("It works! Look."), "“s!”"),
    ("voice", "word", _prose("You simply call it."), "“simply”"),
]


@pytest.mark.parametrize(
    ("check", "plant", "words"),
    [
        pytest.param(check, plant, words, id=f"{check}-{name}")
        for check, name, plant, words in FAULTS
    ],
)
def test_planted_fault_is_found(check: str, plant: Plant, words: str, tmp_path: Path) -> None:
    node = _clean()
    plant(node)
    faults = CHECKS[check](_page(node, tmp_path))
    assert any(words in fault for fault in faults), faults


def test_a_comment_may_have_a_line_for_itself_and_stand_in_code(tmp_path: Path) -> None:
    node = _clean()
    text = "<!-- for authors -->\n\nAbout <!--=low.hub-->3 %<!--/-->.\n\n~~~\n<!-- x --> y\n~~~"
    _prose(text)(node)
    assert CHECKS["comments_first"](_page(node, tmp_path)) == []


def test_a_link_into_a_notebook_names_the_cell_of_a_heading(tmp_path: Path) -> None:
    node = _clean()
    _prose(f"[The claims](./{NAME}#cell-id=m15)")(node)
    assert CHECKS["links"](_page(node, tmp_path)) == []


@pytest.mark.parametrize(
    "exercises",
    ["x = 1\nanswer = x", "answer = [x for x in (1, 2)]", "def f(x):\n    return x", "answer = 1"],
)
def test_names_of_its_own_cost_a_section_nothing(exercises: str, tmp_path: Path) -> None:
    node = _clean()
    _sources(exercises=exercises, end="x = 2")(node)
    assert CHECKS["own_names"](_page(node, tmp_path)) == []


@pytest.mark.parametrize("check", CHECKS)
def test_clean_notebook_passes(check: str, tmp_path: Path) -> None:
    assert CHECKS[check](_page(_clean(), tmp_path)) == []


def test_every_rule_has_a_planted_fault() -> None:
    assert {check for check, *_ in FAULTS} == set(CHECKS)


def test_set_up_cells_are_compared(tmp_path: Path) -> None:
    one = _page(_clean(), tmp_path)
    assert same_setup([]) == same_setup([one]) == same_setup([one, one]) == []
    node = _clean()
    node["cells"][1]["source"] += "  "
    other = Page(tmp_path / "02_other.ipynb", node)
    assert same_setup([one, other]) == ["02_other.ipynb: set-up differs from 01_sample.ipynb"]


@pytest.mark.parametrize(
    "text",
    [
        "Germany, Germanic and Russia are not languages; polish your German.",
        "The trench, a Trench, Germans and French, from Russia and Indonesia.",
        "`german` in code, and [a page](https://example.org/german).",
        "Two questions?? And “a!” in quotes; 3! = 6 is `3!`.",
        "An address https://example.org/home/anna/tmp/x, and and/or/home/less.",
    ],
)
@pytest.mark.parametrize("check", ["language_names", "mojibake", "no_machine_paths"])
def test_innocent_text_passes(check: str, text: str, tmp_path: Path) -> None:
    node = _clean()
    _prose(text)(node)
    assert CHECKS[check](_page(node, tmp_path)) == []


# ── the course's notebooks ───────────────────────────────────────────────────────────────────────


def test_notebooks_are_there() -> None:
    names = [path.name for path in course_notebooks()]
    assert FIRST in names, f"notebooks/ holds {names or 'nothing'}"
    prefixes = [name.split("_")[0] for name in names]
    assert prefixes == [f"{number:02d}" for number in range(1, len(names) + 1)]


def test_notebooks_share_their_set_up() -> None:
    pages = [Page.read(path) for path in course_notebooks()]
    assert pages, f"no notebook in {NOTEBOOKS.name}/"
    assert same_setup(pages) == []


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("notebook", at_least_the_first(), ids=lambda path: path.stem)
def test_notebook(notebook: Path, check: str) -> None:
    faults = CHECKS[check](Page.read(notebook))
    assert not faults, "\n".join(faults)
