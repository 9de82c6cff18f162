"""What every notebook of the course must look like: one function a rule.

A check takes a `Page` and returns one sentence a fault, empty when all is well. `CHECKS` names
those that look at one notebook, `same_setup` compares all. `test_lint.py` shows for each that it
finds a planted fault, and runs them on the course's notebooks.
"""

from __future__ import annotations

import ast
import copy
import json
import re
import statistics
import symtable
import tomllib
import unicodedata
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from xlhelpers import claims, languages

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = ROOT / "notebooks"
FIRST = "01_alignment.ipynb"

MOST_LINES = 20
MEDIAN_LINES = 6
FEWEST_CELLS, MOST_CELLS = 15, 26  # the last is the quiz

_WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
_WIDGET_STATE = "application/vnd.jupyter.widget-state+json"


@dataclass(frozen=True)
class Page:
    """A notebook file: its path and its JSON."""

    path: Path
    node: dict[str, Any]

    @classmethod
    def read(cls, path: Path) -> Page:
        """Read a notebook."""
        return cls(path, json.loads(path.read_text(encoding="utf-8")))

    @cached_property
    def cells(self) -> list[Cell]:
        """All cells, numbered from 1."""
        return [Cell(number, cell) for number, cell in enumerate(self.node["cells"], start=1)]

    @cached_property
    def code(self) -> list[Cell]:
        """The code cells."""
        return [cell for cell in self.cells if cell.kind == "code"]

    @cached_property
    def prose(self) -> list[Cell]:
        """The markdown cells."""
        return [cell for cell in self.cells if cell.kind == "markdown"]


@dataclass(frozen=True)
class Cell:
    """A cell and its number, as a reader counts."""

    number: int
    node: dict[str, Any]

    @property
    def kind(self) -> str:
        """code, markdown or raw."""
        return str(self.node["cell_type"])

    @property
    def source(self) -> str:
        """The text, whether stored whole or by line."""
        return joined(self.node["source"])

    @property
    def lines(self) -> int:
        """Non-blank lines."""
        return sum(bool(line.strip()) for line in self.source.splitlines())

    @property
    def outputs(self) -> list[dict[str, Any]]:
        """The outputs of a code cell."""
        return list(self.node.get("outputs", []))

    @property
    def words(self) -> str:
        """Markdown without code, formulas, comments, link targets and HTML tags."""
        return plain(self.source)

    def says(self, fault: str) -> str:
        """A fault with its place."""
        return f"cell {self.number}: {fault}"


def joined(text: Any) -> str:
    """nbformat stores text as one string or as a list of lines."""
    return "".join(text) if isinstance(text, list) else str(text)


_FENCE = re.compile(r"^(`{3,}|~{3,}).*?^\1`*\s*$", re.DOTALL | re.MULTILINE)
_INLINE = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)", re.DOTALL)


def without_code(markdown: str) -> str:
    """Markdown less its code blocks and inline code."""
    return _INLINE.sub(" ", _FENCE.sub(" ", markdown))


def plain(markdown: str) -> str:
    """The words that a reader sees, roughly."""
    text = without_code(re.sub(r"<!--.*?-->", "", markdown, flags=re.DOTALL))
    text = re.sub(r"\$\$.*?\$\$|\$[^$\n]+\$", " ", text, flags=re.DOTALL)
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)
    return re.sub(r"https?://\S+|<[^>]+>", " ", text)


def texts_of(output: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """(mime type, text) of everything readable in an output; no image data."""
    if output["output_type"] == "stream":
        yield "text/plain", joined(output["text"])
    for mime, value in output.get("data", {}).items():
        if mime.startswith("text/") or mime == "image/svg+xml":
            yield mime, without_data(joined(value))


def without_data(page: str) -> str:
    """HTML less the base64 of embedded images, in which any short string may turn up."""
    return re.sub(r"data:[\w/+.;=-]+,[A-Za-z0-9+/=\s]+", "data:", page)


# ── pictures ─────────────────────────────────────────────────────────────────────────────────────


class _Images(HTMLParser):
    """Collects images of a piece of HTML, with what a screen reader would say."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.bad: list[str] = []
        self.good = 0
        self.svg: list[bool] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        named = (values.get("aria-label") or "").strip()
        hidden = values.get("aria-hidden") == "true"
        if tag == "img":
            self._count(bool((values.get("alt") or "").strip()), "an <img> without alt text")
        elif tag == "svg":
            self._count(bool(named) or hidden, "an <svg> without aria-label")
        elif tag in ("canvas", "iframe", "video"):
            self._count(bool(named or values.get("title")), f"a <{tag}> without a label")

    def _count(self, good: bool, fault: str) -> None:
        self.good += good
        if not good:
            self.bad.append(fault)


def image_alt(page: Page) -> list[str]:
    """Every image, in prose or output, has alt text that JupyterLab shows to a screen reader.

    JupyterLab's renderer of image/png sets no alt, whatever the output's metadata say; a figure
    therefore comes as text/html with <img alt="...">. An image mime type may only stand beside it.
    """
    faults = []
    for cell in page.prose:
        text = without_code(cell.source)
        faults += [
            cell.says(f"an image without alt text: {target[:60]}")
            for alt, target in re.findall(r"!\[([^\]]*)\]\(([^)]*)\)", text)
            if not alt.strip()
        ]
        faults += [cell.says(fault) for fault in _Images(text).bad]
    for cell in page.code:
        for output in cell.outputs:
            faults += [cell.says(fault) for fault in _output_images(output)]
    return faults


def _output_images(output: dict[str, Any]) -> Iterator[str]:
    data = output.get("data", {})
    shown = _Images(joined(data.get("text/html", "")))
    yield from shown.bad
    pictures = [mime for mime in data if mime.startswith("image/")]
    if pictures and not shown.good:
        yield f"a figure as {pictures[0]} alone, which JupyterLab shows without alt text"


# ── cells ────────────────────────────────────────────────────────────────────────────────────────


def cell_length(page: Page) -> list[str]:
    """No cell that a reader has to scroll."""
    return [
        cell.says(f"{cell.lines} lines, more than {MOST_LINES}")
        for cell in page.code
        if cell.lines > MOST_LINES
    ]


def cell_rhythm(page: Page) -> list[str]:
    """Fifteen to twenty-five code cells, half of them of six lines or fewer."""
    faults = []
    if not FEWEST_CELLS <= len(page.code) <= MOST_CELLS:
        faults.append(f"{len(page.code)} code cells; {FEWEST_CELLS} to {MOST_CELLS} are wanted")
    median = statistics.median(cell.lines for cell in page.code) if page.code else 0
    if median > MEDIAN_LINES:
        faults.append(f"the median code cell has {median:g} lines, more than {MEDIAN_LINES}")
    return faults


def prose_before_code(page: Page) -> list[str]:
    """Each code cell follows a markdown cell that says what it is for."""
    faults = []
    for before, cell in zip([None, *page.cells], page.cells, strict=False):
        if cell.kind != "code":
            continue
        if before is None or before.kind != "markdown":
            faults.append(cell.says("no prose before this code"))
        elif not re.search(r"[^\W\d_]{2}", re.sub(r"^#.*$", "", before.words, flags=re.MULTILINE)):
            faults.append(cell.says("only a heading before this code"))
    return faults


def no_empty_cells(page: Page) -> list[str]:
    """No cell without content, and none that is neither code nor markdown."""
    faults = [cell.says("empty") for cell in page.cells if not cell.source.strip()]
    return faults + [cell.says("raw") for cell in page.cells if cell.kind == "raw"]


def no_errors(page: Page) -> list[str]:
    """No traceback in an output."""
    return [
        cell.says(f"the output is an error: {output.get('ename')}")
        for cell in page.code
        for output in cell.outputs
        if output["output_type"] == "error"
    ]


def executed_in_order(page: Page) -> list[str]:
    """All code cells were run, top to bottom, in one kernel."""
    return [
        cell.says(f"executed as [{cell.node.get('execution_count')}], not as [{wanted}]")
        for wanted, cell in enumerate(page.code, start=1)
        if cell.node.get("execution_count") != wanted
    ]


def no_warnings(page: Page) -> list[str]:
    """Nothing on stderr, and no missing glyph anywhere."""
    faults = []
    for cell in page.code:
        for output in cell.outputs:
            text = " ".join(text for _, text in texts_of(output))
            if output.get("name") == "stderr" and text.strip():
                faults.append(cell.says(f"stderr: {text.strip()[:80]}"))
            elif re.search(r"Glyph \d+ .*missing|missing from (?:current )?font", text):
                faults.append(cell.says("a glyph is missing from the font"))
    return faults


_MACHINE = re.compile(
    r"(?:(?<![\w.])/(?:home|work|tmp|root|Users|mnt|opt|var|private)/[\w.~-]+"
    r"|\b[A-Za-z]:\\{1,2}\w|site-packages|ipykernel_\d+)"
)


def no_machine_paths(page: Page) -> list[str]:
    """No path of the machine it was written on, in sources or outputs."""
    faults = []
    for cell in page.cells:
        texts = [cell.source, *(text for out in cell.outputs for _, text in texts_of(out))]
        for text in texts:
            found = _MACHINE.search(re.sub(r"https?://[^\s)\"'<>]+", " ", text))
            if found:
                faults.append(cell.says(f"a path of one machine: {found.group(0)}"))
    return faults


# ── the file ─────────────────────────────────────────────────────────────────────────────────────


def valid_file(page: Page) -> list[str]:
    """A valid nbformat 4.5 file for any Python 3, one id a cell."""
    import nbformat

    faults = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # two equal ids are told below, in our words
        try:
            nbformat.validate(nbformat.from_dict(copy.deepcopy(page.node)))
        except nbformat.ValidationError as error:
            faults.append(f"not a valid notebook: {str(error).splitlines()[0]}")
    metadata = page.node.get("metadata", {})
    if metadata.get("kernelspec", {}).get("name") != "python3":
        faults.append("the kernel is not python3")
    if "version" in metadata.get("language_info", {}):
        faults.append("names the Python version that it was last run with")
    ids = [cell.node.get("id") for cell in page.cells]
    if None in ids or len(set(ids)) < len(ids):
        faults.append("cells without an id, or two with the same")
    return faults


def no_widget_state(page: Page) -> list[str]:
    """No saved widgets: GitHub refuses a notebook whose widget state is malformed."""
    faults = []
    widgets = page.node.get("metadata", {}).get("widgets")
    if widgets is not None:
        state = widgets.get(_WIDGET_STATE) if isinstance(widgets, dict) else None
        whole = isinstance(state, dict) and isinstance(state.get("state"), dict)
        faults.append(f"widget state is saved{'' if whole else ', and malformed'}")
    for cell in page.code:
        for output in cell.outputs:
            if _WIDGET_VIEW in output.get("data", {}):
                faults.append(cell.says("the view of a widget is saved"))
    return faults


@lru_cache(maxsize=1)
def repository_url() -> str:
    """The Repository URL of pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return str(project["urls"]["Repository"]).rstrip("/")


_BADGE = re.compile(
    r"https://(?:colab\.research\.google\.com/github|mybinder\.org/v2/gh)/"
    r"(?P<owner>[^/\s]+)/(?P<name>[^/\s)\"'#?]+)(?P<rest>[^\s)\"']*)"
)


def badges(page: Page, repository: str | None = None) -> list[str]:
    """Colab and Binder badges in the first cell open this notebook in our repository."""
    owner, name = (repository or repository_url()).split("/")[-2:]
    faults = []
    for cell in page.cells:
        for match in _BADGE.finditer(cell.source):
            if (match["owner"], match["name"].removesuffix(".git")) != (owner, name):
                faults.append(cell.says(f"opens {match['owner']}/{match['name']}"))
        for owned in re.findall(r"git clone.*?github\.com/([\w.-]+/[\w.-]+)", cell.source):
            if owned.removesuffix(".git") != f"{owner}/{name}":
                faults.append(cell.says(f"clones {owned}"))
    first = page.cells[0].source if page.cells else ""
    targets = {
        match.group(0).split("/")[2]: unquote(match["rest"]) for match in _BADGE.finditer(first)
    }
    for host in ("colab.research.google.com", "mybinder.org"):
        if host not in targets:
            faults.append(f"the first cell has no badge for {host}")
        elif f"notebooks/{page.path.name}" not in targets[host]:
            faults.append(f"the badge for {host} does not open notebooks/{page.path.name}")
    return faults


_LINK_TARGET = re.compile(r"\]\(\s*<?([^)\s>]+)|(?:src|href)=[\"']([^\"']+)")
_WEB = re.compile(r"[a-z][a-z0-9+.-]*:")


def slug(title: str) -> str:
    """What GitHub puts behind `#` for a heading of a Markdown page."""
    words = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", title).lower()
    kept = (c for c in words if c in " -_" or unicodedata.category(c)[0] in "LMN")
    return "".join(kept).strip().replace(" ", "-")


@lru_cache(maxsize=64)
def anchors_of(path: Path) -> frozenset[str]:
    """What may stand behind `#` in a link to a notebook, or, in small letters, to a page.

    A link into a notebook names the cell of a heading: JupyterLab does not find a heading whose
    signs the browser has encoded, GitHub finds none at all. In a page, JupyterLab keeps a heading's
    signs and capitals; GitHub drops the signs and takes either case.
    """
    if path.suffix == ".ipynb":
        cells = [cell for _, _, cell in _headings(Page.read(path))]
        return frozenset(f"cell-id={cell.node.get('id')}" for cell in cells)
    text = _FENCE.sub("", path.read_text(encoding="utf-8"))
    titles = re.findall(r"^ {0,3}#{1,6}[ \t]+(.+?)[ \t#]*$", text, flags=re.MULTILINE)
    return frozenset(map(slug, titles))


def titles_of(path: Path) -> frozenset[str]:
    """What may stand behind `#` in a link from one place of a notebook to another."""
    return frozenset(title.replace(" ", "-") for _, title, _ in _headings(Page.read(path)))


def dead_links(markdown: str, place: Path) -> Iterator[str]:
    """Relative links of a text at `place` to files or headings that do not exist."""
    for found in _LINK_TARGET.finditer(without_code(markdown)):
        target = found[1] or found[2]
        if _WEB.match(target):
            continue
        file, _, anchor = unquote(target).partition("#")
        there = (place.parent / file).resolve() if file else place
        if not there.exists():
            yield f"the link {target} leads nowhere"
            continue
        if not (anchor and there.is_file()):
            continue
        wanted = anchor if there.suffix == ".ipynb" else anchor.lower()
        inside = not file and place.suffix == ".ipynb"
        if wanted not in (titles_of(place) if inside else anchors_of(there)):
            yield f"no heading for the link {target}"


def links(page: Page) -> list[str]:
    """Relative links and images exist; what stands behind `#` is a heading there."""
    return [cell.says(fault) for cell in page.prose for fault in dead_links(cell.source, page.path)]


_REFERENCE = re.compile(
    r"\b(?:(?P<book>[Nn]otebooks?) (?P<number>\d\d)(?:, |'s )?)?"
    r"(?:(?P<kind>[Ss]ections?|[Ee]xercises?) (?P<places>\d+(?:'s \w+)?"
    r"(?:(?:, and | and |, | to )\d+(?:'s \w+)?)*))?"
)


def references(markdown: str, here: Path) -> Iterator[str]:
    """Notebooks, sections and exercises that a text names by number and that do not exist.

    Sections and exercises are those of `here`, unless a notebook is named with them, as in
    “notebook 03, section 4”.
    """
    for found in _REFERENCE.finditer(plain(markdown)):
        path = here
        if found["number"]:
            named = sorted(here.parent.glob(f"{found['number']}_*.ipynb"))
            if not named:
                yield f"there is no notebook {found['number']}"
                continue
            path = named[0]
        kind = (found["kind"] or "").lower().rstrip("s")
        for number in re.findall(r"\d+", found["places"] or ""):
            if int(number) not in _numbered(path)[kind]:
                yield f"“{found[0].strip()}”: {path.stem} has no {kind} {number}"


@lru_cache(maxsize=16)
def _numbered(path: Path) -> dict[str, frozenset[int]]:
    page = Page.read(path)
    text = "\n".join(cell.source for cell in page.prose)
    sections = re.findall(r"^## (\d+) · ", text, flags=re.MULTILINE)
    exercises = re.findall(r"\*\*q(\d+)\.\*\*", text)
    return {
        "section": frozenset(map(int, sections)),
        "exercise": frozenset(map(int, exercises)),
    }


def cross_references(page: Page) -> list[str]:
    """Each notebook, section and exercise that is named by its number exists."""
    return [cell.says(fault) for cell in page.prose for fault in references(cell.source, page.path)]


# Such a block may also interrupt a paragraph (CommonMark, HTML blocks, condition 2), and begin an
# item of a list or a quotation: any line counts, but for one that is a comment and nothing else.
_HTML_COMMENT = re.compile(
    r"^[ \t]*(?:(?:[-*+>]|\d+[.)])[ \t]+)*(?!<!--(?:(?!-->).)*-->[ \t]*$)(<!--.*)$", re.MULTILINE
)


def findings(page: Page) -> list[str]:
    """What a figure shows is said in bold below it, for those who read figures alone."""
    faults = []
    for cell, below in zip(page.cells, [*page.cells[1:], None], strict=True):
        if cell.kind == "code" and re.search(r"\bxl\.plots\.\w+\(", cell.source):
            section = re.split(r"^#", below.source, flags=re.MULTILINE)[0] if below else ""
            if not re.search(r"\*\*[^*]+\*\*", section):
                faults.append(cell.says("a figure, and nothing in bold below it"))
    return faults


def comments_first(page: Page) -> list[str]:
    """No line of prose begins with `<!--`: Markdown takes it for HTML, and shows ` and * as such.

    A word goes before a measured number there. A comment may have a line for itself.
    """
    return [
        cell.says(f"a line begins with a comment: {line[:40]}")
        for cell in page.prose
        for line in _HTML_COMMENT.findall(_FENCE.sub("", cell.source))
    ]


def _parsed(cell: Cell) -> ast.Module | None:
    """A code cell without its shell commands; None where it is no Python."""
    try:
        return ast.parse(re.sub(r"^(\s*)!.*$", r"\1pass", cell.source, flags=re.MULTILINE))
    except SyntaxError:
        return None


class _OwnScopes(ast.NodeTransformer):
    """Comprehensions as generators, whose names are their own in the symbol tables of any Python.

    From 3.12 on those of other comprehensions stand in the table around them (PEP 709).
    """

    def _as_generator(self, node: Any) -> ast.expr:
        self.generic_visit(node)
        pair = isinstance(node, ast.DictComp)
        element = ast.Tuple([node.key, node.value], ast.Load()) if pair else node.elt
        return ast.GeneratorExp(element, node.generators)

    visit_ListComp = visit_SetComp = visit_DictComp = _as_generator


def _names(part: ast.AST) -> tuple[set[str], set[str]]:
    """The notebook's names that a piece of code reads, in its functions too, and those it sets."""
    reads, sets = set(), set()
    source = ast.unparse(_OwnScopes().visit(copy.deepcopy(part)))
    tables = [symtable.symtable(source, "cell", "exec")]
    for table in tables:
        tables += table.get_children()
        for name in table.get_symbols():
            if table.get_type() == "module" and (name.is_assigned() or name.is_imported()):
                sets.add(name.get_name())
            if name.is_referenced() and (table.get_type() == "module" or name.is_global()):
                reads.add(name.get_name())
    return reads, sets


def _needs(tree: ast.Module) -> Iterator[str]:
    """The names that a cell reads before it has set them itself."""
    own: set[str] = set()
    for line in tree.body:
        reads, sets = _names(line)
        if isinstance(line, ast.Assign | ast.AugAssign | ast.AnnAssign) and line.value is not None:
            yield from _names(line.value)[0] - own
        yield from reads - sets - own
        own |= sets


def own_names(page: Page) -> list[str]:
    """No section sets a name that an earlier one reads from a still earlier one.

    Whoever goes back and runs that section again would get something else, or an error.
    """
    titles = [cell.number for level, _, cell in _headings(page) if level == 2]
    reads: dict[str, dict[int, Cell]] = {}
    sets: dict[str, set[int]] = {}
    for cell in page.code:
        place, tree = sum(title < cell.number for title in titles), _parsed(cell)
        for name in _needs(tree) if tree else ():
            if place not in sets.get(name, {place}):
                reads.setdefault(name, {}).setdefault(place, cell)
        for name in _names(tree)[1] if tree else ():
            sets.setdefault(name, set()).add(place)
    return [
        cell.says(f"reads {name!r} of an earlier section, and a later section sets it anew")
        for name, places in reads.items()
        for place, cell in places.items()
        if max(sets[name]) > place
    ]


def captions(page: Page) -> list[str]:
    """Every figure that a cell draws has a caption: alt text is not seen by all."""
    faults = []
    for cell in page.code:
        if (tree := _parsed(cell)) is None:
            faults.append(cell.says("cannot be parsed"))
            continue
        for call in ast.walk(tree):
            if isinstance(call, ast.Call) and ast.unparse(call.func).startswith("xl.plots."):
                said = {key.arg: key.value for key in call.keywords}.get("caption")
                if said is None or (isinstance(said, ast.Constant) and not said.value):
                    faults.append(cell.says(f"{ast.unparse(call.func)} without a caption"))
    return faults


# ── prose ────────────────────────────────────────────────────────────────────────────────────────


def _headings(page: Page) -> list[tuple[int, str, Cell]]:
    """(level, title, cell) of each ATX heading outside code."""
    return [
        (len(marks), title.strip().rstrip("#").strip(), cell)
        for cell in page.prose
        for marks, title in re.findall(
            r"^ {0,3}(#{1,6})[ \t]+(.+)$", _FENCE.sub("", cell.source), flags=re.MULTILINE
        )
    ]


def headings(page: Page) -> list[str]:
    """One title, at the top; no level skipped on the way down; no title twice."""
    found = _headings(page)
    titles = [cell for level, _, cell in found if level == 1]
    faults = []
    if len(titles) != 1 or titles[0].number != 1 or found[0][0] != 1:
        faults.append(f"{len(titles)} titles (#); one is wanted, first of all")
    for (before, _, _), (level, title, cell) in zip(found, found[1:], strict=False):
        if level > before + 1:
            faults.append(cell.says(f"“{title}” skips from level {before} to {level}"))
    names = [title for _, title, _ in found]
    faults += [f"the heading “{name}” comes twice" for name in set(names) if names.count(name) > 1]
    return faults


_SECTIONS = {
    "exercises": r"exercise|try it yourself|your turn",
    "claims": r"claim",
    "take-away": r"take[- ]?aways?|what to remember",
}


def anatomy(page: Page) -> list[str]:
    """Title with cost, set-up, exercises, claims and take-away, in this order."""
    faults = []
    first = page.cells[0].source if page.cells else ""
    for key in ("notebook.minutes", "notebook.memory"):
        if f"<!--={key}" not in first:
            faults.append(f"the first cell does not state {key} in a marker")
    if not page.code or not re.search(r"\bxl\.setup\(\)", page.code[0].source):
        faults.append("the first code cell does not call xl.setup()")
    code = "\n".join(cell.source for cell in page.code)
    number = page.path.name.split("_")[0]
    for call, what in (
        (r"xl\.exercises\.\w+\.\w+\.check\(", "an exercise with a check"),
        (rf"xl\.claims\.table\([\"']{number}[\"']\)", f'xl.claims.table("{number}")'),
    ):
        if not re.search(call, code):
            faults.append(f"no code cell has {what}")
    titles = [(title.casefold(), place) for place, (_, title, _) in enumerate(_headings(page))]
    places = []
    for name, pattern in _SECTIONS.items():
        found = [place for title, place in titles if re.search(pattern, title)]
        places += found[-1:]
        if not found:
            faults.append(f"no section for {name}")
    if places != sorted(places):
        faults.append("exercises, claims and take-away are not in this order")
    return faults


def numbers(page: Page) -> list[str]:
    """Measured numbers in prose stand in markers, or in a paragraph that cites its source."""
    return [
        cell.says(f"“{number}” stands outside a marker, in a paragraph that cites nothing")
        for cell in page.prose
        for number in claims.unmarked_numbers(cell.source)
    ]


def known_markers(page: Page) -> list[str]:
    """Markers are closed and name measures of claims.toml."""
    known = claims.ledger().measures
    faults = []
    for cell in page.prose:
        keys = claims.marker_keys(cell.source)
        faults += [cell.says(f"a marker for {key}, unknown") for key in keys if key not in known]
        faults += [cell.says(fault) for fault in claims.broken_markers(cell.source)]
    return faults


_ALIASES = {
    "Mandarin": "Chinese",
    "Kiswahili": "Swahili",
    "Castilian": "Spanish",
    "Farsi": "Persian",
    "Deutsch": "German",
    "Suomi": "Finnish",
    "Yorùbá": "Yoruba",
}
# One letter from a language's name, and words all the same.
_NEIGHBOURS = set(
    "Germany Germans Russia Russians Italians Persia Persians Indonesia Trench Finish".split()
)
# Lower case, these are English words.
_WORDS_TOO = {"polish"}


def language_names(page: Page) -> list[str]:
    """Languages are named as in `xlhelpers.languages`, and lang attributes are known codes."""
    cards = languages.all()
    names = {card.name for card in cards}
    lower = {name.casefold(): name for name in names if name.casefold() not in _WORDS_TOO}
    codes = {card.code for card in cards}
    faults = []
    for cell in page.cells:
        texts = [cell.words] if cell.kind == "markdown" else []
        pages = [cell.source] if cell.kind == "markdown" else []
        for output in cell.outputs:
            found = dict(texts_of(output))
            pages += [found[mime] for mime in found if mime == "text/html"]
            texts += [plain(found.get("text/html") or found.get("text/plain", ""))]
        for word in dict.fromkeys(re.findall(r"[^\W\d_]+", " ".join(texts))):
            better = _better_name(word, names, lower)
            if better:
                faults.append(cell.says(f"“{word}” is spelled {better}"))
        for code in re.findall(r"\blang=[\"']([^\"']*)[\"']", " ".join(pages)):
            if code.split("-")[0] not in codes:
                faults.append(cell.says(f'lang="{code}" is no language of the course'))
    return faults


def _better_name(word: str, names: set[str], lower: dict[str, str]) -> str:
    if word in names or word in _NEIGHBOURS:
        return ""
    if word in _ALIASES:
        return _ALIASES[word]
    if word in lower:
        return lower[word]
    if word[0].isupper() and word[1:].islower() and len(word) >= 5:
        return next((n for n in sorted(names) if len(n) >= 5 and _one_slip(word, n)), "")
    return ""


def _one_slip(word: str, name: str) -> bool:
    """Whether one letter is missing, doubled, wrong or swapped with its neighbour."""
    if word[0] != name[0] or abs(len(word) - len(name)) > 1:
        return False
    if len(word) == len(name):
        off = [i for i in range(len(word)) if word[i] != name[i]]
        swapped = len(off) == 2 and off[1] == off[0] + 1
        return len(off) == 1 or (
            swapped and word[off[0]] == name[off[1]] and word[off[1]] == name[off[0]]
        )
    longer, shorter = sorted((word, name), key=len, reverse=True)
    return any(longer[:i] + longer[i + 1 :] == shorter for i in range(len(longer)))


_MOJIBAKE = re.compile(
    "\ufffd"  # the mark of a byte that could not be read
    r"|\?{4,}"  # one question mark for each letter that was lost
    r"|[ÃÂ][\u0080-\u00bf\u2018-\u201e\u20ac\u2122]|â€|Ð[\u0080-\u00bf]"  # UTF-8 read as cp1252
)


def mojibake(page: Page) -> list[str]:
    """No text that was read in the wrong encoding; inline code may quote some."""
    faults = []
    for cell in page.cells:
        source = without_code(cell.source) if cell.kind == "markdown" else cell.source
        for text in [source, *(text for out in cell.outputs for _, text in texts_of(out))]:
            found = _MOJIBAKE.search(text)
            if found:
                faults.append(cell.says(f"broken text: {found.group(0)!r}"))
            elif unicodedata.normalize("NFC", text) != text and cell.kind == "markdown":
                faults.append(cell.says("text that is not in Unicode's composed form (NFC)"))
    return faults


def voice(page: Page) -> list[str]:
    """The house's tone: no exclamation marks, no “simply”, no “powerful”."""
    pattern = re.compile(
        r"\b(?:simply|powerful|obviously|in this section we will)\b|\w!(?=\s|$)", re.IGNORECASE
    )
    return [
        cell.says(f"“{match.group(0)}”")
        for cell in page.prose
        for match in pattern.finditer(cell.words)
    ]


# ── all of them ──────────────────────────────────────────────────────────────────────────────────

CHECKS: dict[str, Callable[[Page], list[str]]] = {
    check.__name__: check
    for check in (
        image_alt,
        cell_length,
        cell_rhythm,
        prose_before_code,
        no_empty_cells,
        no_errors,
        executed_in_order,
        no_warnings,
        no_machine_paths,
        valid_file,
        no_widget_state,
        badges,
        links,
        cross_references,
        captions,
        own_names,
        comments_first,
        findings,
        headings,
        anatomy,
        numbers,
        known_markers,
        language_names,
        mojibake,
        voice,
    )
}


def same_setup(pages: Sequence[Page]) -> list[str]:
    """All notebooks begin with the same set-up cell, character by character."""
    cells = {page.path.name: page.code[0].source for page in pages if page.code}
    if len(set(cells.values())) <= 1:
        return []
    first = next(iter(cells))
    return [f"{name}: set-up differs from {first}" for name in cells if cells[name] != cells[first]]


def course_notebooks() -> list[Path]:
    """The course's notebooks, in order."""
    return sorted(NOTEBOOKS.glob("*.ipynb"))


def at_least_the_first() -> list[Path]:
    """The same for parametrised tests: an empty folder must fail them, not skip them."""
    return course_notebooks() or [NOTEBOOKS / FIRST]
