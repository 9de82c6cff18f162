"""Executed notebooks written back: outputs kept, whatever would make a needless diff removed."""

from __future__ import annotations

import base64
import copy
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

WIDGET = "application/vnd.jupyter.widget-view+json"
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
# What another program can show in a widget's place.
FALLBACKS = ("text/html", "text/markdown", "image/png", "image/svg+xml", "image/jpeg")


def stamped(node: Any, fill: Callable[[str], str]) -> Any:
    """A copy of an executed notebook as it is committed; `fill` refills the prose's numbers.

    Widget state goes (GitHub refuses a notebook in which it is malformed), and so do time
    stamps and the language's fine print, which differ from machine to machine.
    """
    new = copy.deepcopy(node)
    for key in list(new.metadata):
        if key in ("widgets", "signature", "papermill", "varInspector"):
            del new.metadata[key]
    new.metadata["kernelspec"] = dict(KERNEL)
    new.metadata["language_info"] = {"name": "python"}
    for cell in new.cells:
        for key in ("execution", "collapsed", "scrolled", "ExecuteTime"):
            cell.metadata.pop(key, None)
        if cell.cell_type == "code":
            cell.outputs = [kept for kept in map(without_widget, cell.outputs) if kept is not None]
        elif cell.cell_type == "markdown":
            cell.source = fill(cell.source)
    return new


def without_widget(output: Any) -> Any:
    """The output less its widget; None when nothing is left that could be shown."""
    if output.output_type not in ("display_data", "execute_result") or WIDGET not in output.data:
        return output
    del output.data[WIDGET]
    output.metadata.pop(WIDGET, None)
    # The plain text beside a widget is its Python expression, of use to nobody.
    return output if any(kind in output.data for kind in FALLBACKS) else None


def write(node: Any, target: Path) -> None:
    """Write a notebook under its name in one step; a valid notebook or none."""
    import nbformat

    nbformat.validate(node)
    text = nbformat.writes(node, version=4)
    new = target.with_name(f".{target.name}.{os.getpid()}.new")
    try:
        new.write_text(text.rstrip("\n") + "\n", encoding="utf-8", newline="\n")
        os.replace(new, target)
    finally:
        new.unlink(missing_ok=True)


def readme_row(page: str, number: str, minutes: str, memory: str) -> str:
    """The README with a notebook's cost in the last two columns of its row, if it has one."""
    row = re.compile(rf"^(\| {re.escape(number)} \|.*\|)[^|\n]*\|[^|\n]*\|$", re.MULTILINE)
    return row.sub(lambda found: f"{found[1]} {minutes} | {memory} |", page)


def cover(node: Any) -> bytes | None:
    """The PNG of the figure under the cell that is tagged `cover`, or None."""
    for cell in node.cells:
        if cell.cell_type == "code" and "cover" in cell.metadata.get("tags", []):
            for output in cell.outputs:
                page = output.get("data", {}).get("text/html", "")
                if found := re.search(r'src="data:image/png;base64,([^"]+)"', page):
                    return base64.b64decode(found[1])
    return None
