"""Every notebook in a real browser: run all, look, restart, run again, answer by keyboard.

    python tests/browser/walk.py [01 04 ...] [--dark] [--chromium PATH]

Takes playwright and a chromium, which the tested set of versions does not have:
`pip install playwright && playwright install chromium`. JupyterLab works on a copy of the
notebooks. Screenshots go to build/browser; what is wrong is printed, and the exit status is 1.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Locator, Page, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from xlhelpers.commands import find_notebooks  # noqa: E402

SHOTS = ROOT / "build" / "browser"
WIDE, NARROW, HEIGHT = 1280, 900, 1000
START_SECONDS, RUN_SECONDS = 120, 900

# All cells stay in the page, so that all of them can be looked at; nothing is written back.
_SETTINGS: dict[str, dict[str, Any]] = {
    "notebook-extension/tracker": {"windowingMode": "none"},
    "docmanager-extension/plugin": {"autosave": False},
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
}

# Badges come from other hosts, which a walk need not reach.
_IMAGES = """() => [...document.querySelectorAll('.jp-Notebook .jp-Cell img')]
    .filter(one => !one.src.startsWith('https:'))
    .filter(one => !(one.alt || '').trim() || !one.naturalWidth)
    .map(one => `image of ${one.naturalWidth} pixels, alt ${JSON.stringify(one.alt)}`)"""

_FAULTS = r"""() => {
    const found = [];
    for (const cell of document.querySelectorAll('.jp-Notebook .jp-CodeCell')) {
        const source = cell.querySelector('.cm-content')?.innerText.split('\n')[0];
        for (const one of cell.querySelectorAll('.jp-OutputArea-output')) {
            const kind = one.dataset.mimeType || '', said = one.innerText.trim();
            if (kind.endsWith('stderr')) found.push(`${source} ⟶ ${said.slice(-200)}`);
            if (/Error displaying widget|Loading widget|Failed to load/.test(said))
                found.push(`${source} ⟶ ${said.slice(0, 200)}`);
            if (one.querySelector('.jupyter-widgets') && !one.offsetHeight)
                found.push(`${source} ⟶ a widget without height`);
        }
    }
    return found;
}"""

# Wider than its place, and nobody can scroll there. Formulas have parts that nobody sees.
_CUT = r"""() => {
    const found = [];
    for (const cell of document.querySelectorAll('.jp-Notebook .jp-Cell')) {
        const edge = cell.getBoundingClientRect().right + 1;
        for (const one of cell.querySelectorAll(
                '.jp-OutputArea-output *, .jp-MarkdownOutput *')) {
            const box = one.getBoundingClientRect();
            if (box.width < 2 || box.right <= edge) continue;
            if (one.closest('mjx-container, .jp-InternalAnchorLink')) continue;
            let up = one.parentElement;
            while (up !== cell && !/auto|scroll/.test(getComputedStyle(up).overflowX))
                up = up.parentElement;
            if (up === cell) { found.push(`${one.tagName} ${one.innerText?.slice(0, 60)}`); break; }
        }
        for (const one of cell.querySelectorAll('.widget-label, .widget-button'))
            if (one.scrollWidth > one.clientWidth + 1)
                found.push(`cut short: ${one.innerText}`);
    }
    return found;
}"""

# Words of ours that stand less than 4.5:1 (large: 3:1) against what lies behind them; the colours
# of code and of errors are JupyterLab's, and a sign that is hidden from readers only decorates.
_FAINT = r"""() => {
    const parse = text => [...text.match(/[\d.]+/g).map(Number), 1].slice(0, 4);
    const over = (a, b) => [0, 1, 2].map(i => a[i] * a[3] + b[i] * (1 - a[3])).concat(1);
    const light = colour => [0.2126, 0.7152, 0.0722].reduce((sum, weight, i) => {
        const v = colour[i] / 255;
        return sum + weight * (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    }, 0);
    const found = new Set();
    for (const one of document.querySelectorAll('.jp-OutputArea-output *, .jp-MarkdownOutput *')) {
        const said = [...one.childNodes].filter(n => n.nodeType === 3 && n.data.trim());
        if (!said.length || !one.offsetParent) continue;
        if (one.closest('pre, mjx-container, .jp-InternalAnchorLink, [aria-hidden]')) continue;
        const behind = [];
        for (let up = one; up; up = up.parentElement) {
            behind.push(parse(getComputedStyle(up).backgroundColor));
            if (behind.at(-1)[3] === 1) break;
        }
        const ground = behind.reverse().reduce((below, colour) => over(colour, below));
        const style = getComputedStyle(one), size = parseFloat(style.fontSize);
        const both = [light(over(parse(style.color), ground)), light(ground)].sort((a, b) => b - a);
        const contrast = (both[0] + 0.05) / (both[1] + 0.05);
        const large = size >= 24 || (size >= 18.6 && style.fontWeight >= 700);
        if (contrast < (large ? 3 : 4.5))
            found.add(`contrast ${contrast.toFixed(1)}: ${said[0].data.trim().slice(0, 40)}`);
    }
    return [...found];
}"""

# A cell that is run before its kernel has come is answered with a dialogue.
_READY = """async () => {
    const session = window.jupyterapp.shell.currentWidget.sessionContext;
    await session.ready;
    await session.session.kernel.info;
    return null;
}"""

_BUSY = """() => [...document.querySelectorAll('.jp-Notebook .jp-InputPrompt')]
    .some(one => one.innerText.includes('*'))"""


class Notebook:
    """One notebook that is open in JupyterLab."""

    def __init__(self, page: Page, address: str, name: str) -> None:
        self.page, self.name = page, name
        page.goto(f"{address}/lab/tree/notebooks/{name}.ipynb?reset")
        page.wait_for_selector(".jp-Notebook .jp-CodeCell", timeout=START_SECONDS * 1000)
        self.command("application:toggle-left-area")
        page.evaluate(_READY)

    @property
    def code(self) -> Locator:
        """Its code cells."""
        return self.page.locator(".jp-Notebook .jp-CodeCell")

    def command(self, name: str) -> None:
        """Do what a menu entry does."""
        self.page.evaluate(
            "name => { window.jupyterapp.commands.execute(name); return null; }", name
        )

    def wait(self) -> None:
        """Until no cell runs or waits.

        Raises:
            TimeoutError: one does after fifteen minutes.
        """
        end = time.monotonic() + RUN_SECONDS
        time.sleep(1)
        while self.page.evaluate(_BUSY):
            if time.monotonic() > end:
                raise TimeoutError(f"{self.name} is still running")
            time.sleep(0.5)

    def run_all(self) -> None:
        """Run all cells and wait for the last."""
        self.command("notebook:run-all-cells")
        self.wait()

    def run(self, place: int) -> None:
        """Run the code cell at a place (from 0; below 0 from the end), as with Ctrl+Enter."""
        self.code.nth(place).locator(".jp-InputPrompt").click()
        self.page.keyboard.press("Control+Enter")
        self.wait()

    def restart(self) -> None:
        """Restart the kernel, by its dialogue."""
        self.command("kernelmenu:restart")
        self.page.locator(".jp-Dialog .jp-mod-accept").click()
        self.page.wait_for_timeout(2000)
        self.page.evaluate(_READY)

    def faults(self) -> list[str]:
        """Errors, and widgets that do not show."""
        found: list[str] = self.page.evaluate(_FAULTS)
        return found

    def shoot(self, tag: str) -> None:
        """Take screenshots of the notebook from top to bottom."""
        panel = "document.querySelector('.jp-Notebook .jp-WindowedPanel-outer')"
        height = int(self.page.evaluate(f"() => {panel}.scrollHeight"))
        for number, top in enumerate(range(0, height, HEIGHT - 150)):
            self.page.evaluate(f"top => {{ {panel}.scrollTop = top }}", top)
            self.page.wait_for_timeout(150)
            self.page.bring_to_front()
            self.page.screenshot(path=SHOTS / f"{self.name}_{tag}_{number:02}.png")


def look(book: Notebook) -> Iterator[str]:
    """Say what a reader would stumble over after a run of all cells, and take screenshots."""
    yield from book.faults()
    yield from book.page.evaluate(_IMAGES)
    yield from book.page.evaluate(_FAINT)
    for tag, width in (("wide", WIDE), ("narrow", NARROW)):
        book.page.set_viewport_size({"width": width, "height": HEIGHT})
        book.page.wait_for_timeout(1000)
        book.shoot(tag)
        yield from (f"at {width} pixels: {cut}" for cut in book.page.evaluate(_CUT))


def answer(book: Notebook) -> Iterator[str]:
    """Answer the first question of the quiz with the keyboard alone."""
    quiz = book.code.last
    first = quiz.locator("button.widget-button")
    if not first.count():
        yield "the last cell has no quiz"
        return
    first.nth(0).focus()
    book.page.keyboard.press("Tab")
    if not first.nth(1).evaluate("one => one === document.activeElement"):
        yield "Tab does not lead from one choice to the next"
    look_of = "one => getComputedStyle(one).outlineStyle + getComputedStyle(one).boxShadow"
    if first.nth(1).evaluate(look_of) == first.nth(2).evaluate(look_of):
        yield "the choice that has the focus looks like any other"
    book.page.keyboard.press("Enter")
    said = quiz.locator('[role="status"]').first
    said.wait_for(timeout=5000)
    if not said.inner_text().strip():
        yield "an answer by keyboard is not explained"


def again(book: Notebook) -> Iterator[str]:
    """Restart; run a cell without the set-up, the set-up twice, and a cell in the middle twice."""
    place = book.code.count() // 2
    book.restart()
    book.run(place)
    if not any("NameError" in fault for fault in book.faults()):
        yield "after a restart, a cell in the middle does not name what is missing"
    for _ in range(2):
        book.run(0)
    book.code.nth(place).locator(".jp-InputPrompt").click()
    book.command("notebook:run-all-above")
    book.wait()
    for _ in range(2):
        book.run(place)
    yield from (f"after a restart: {fault}" for fault in book.faults())


@contextmanager
def lab(dark: bool = False) -> Iterator[str]:
    """Give the address of a JupyterLab on a copy of the notebooks and the pages they link to."""
    with tempfile.TemporaryDirectory() as folder, socket.socket() as free:
        place = Path(folder)
        for name in ("notebooks", "docs"):
            shutil.copytree(ROOT / name, place / name)
        shutil.copy(ROOT / "course.py", place)  # the set-up cell looks for it
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        options = "expose_app_in_browser=True"
        line = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"]
        line += [f"--port={port}", "--IdentityProvider.token=", f"--LabApp.{options}"]
        with open(place / "lab.log", "w", encoding="utf-8") as log:
            server = subprocess.Popen(
                line, cwd=place, env=_environment(place, dark), stdout=log, stderr=log
            )
            try:
                address = f"http://127.0.0.1:{port}"
                _wait_for(address, server)
                yield address
            finally:
                server.terminate()
                server.wait(30)


def _environment(place: Path, dark: bool) -> dict[str, str]:
    """Variables that keep settings, records and progress of the person who walks out of it."""
    theme = {"apputils-extension/themes": {"theme": "JupyterLab Dark"}} if dark else {}
    for name, values in {**_SETTINGS, **theme}.items():
        file = place / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(values), encoding="utf-8")
    return {
        **os.environ,
        "JUPYTERLAB_SETTINGS_DIR": str(place / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(place / "workspaces"),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
        "PYTHONPATH": str(ROOT),
        "XL_PROGRESS_FILE": str(place / "progress.json"),
        "XL_RECORDS": str(place / "records"),
    }


def _wait_for(address: str, server: subprocess.Popen[bytes]) -> None:
    for _ in range(START_SECONDS):
        if server.poll() is not None:
            break
        try:
            urllib.request.urlopen(f"{address}/api", timeout=1)
            return
        except OSError:  # refused, reset or too slow: not there yet
            time.sleep(1)
    raise SystemExit("JupyterLab does not start; is the extra [lab] installed?")


def walk(page: Page, address: str, name: str) -> list[str]:
    """All checks of one notebook; a sentence for each thing that is wrong."""
    page.set_viewport_size({"width": WIDE, "height": HEIGHT})
    book = Notebook(page, address, name)
    start = time.monotonic()
    book.run_all()
    print(f"{name}: all cells in {time.monotonic() - start:.0f} s", flush=True)
    return [*look(book), *answer(book), *again(book)]


def main(argv: Sequence[str]) -> int:
    """Walk through notebooks; 1 when anything is wrong with one of them."""
    made = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    made.add_argument("names", nargs="*", metavar="01", help="notebooks; all when none is named")
    made.add_argument("--dark", action="store_true", help="in JupyterLab's dark theme")
    made.add_argument("--chromium", help="a browser that is installed; else playwright's own")
    options = made.parse_args(argv)
    wanted = [path.stem for path in find_notebooks(options.names)]
    SHOTS.mkdir(parents=True, exist_ok=True)
    wrong = 0
    with lab(options.dark) as address, sync_playwright() as play:
        browser = play.chromium.launch(
            executable_path=options.chromium, args=["--no-sandbox", "--disable-gpu"]
        )
        for name in wanted:
            with browser.new_context() as context:
                for problem in walk(context.new_page(), address, name):
                    wrong += 1
                    print(f"{name}: {problem}", flush=True)
        browser.close()
    print(f"{len(wanted)} notebooks, {wrong} faults; screenshots in {SHOTS.relative_to(ROOT)}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
