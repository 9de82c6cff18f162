"""After the notebooks ran: every claim is measured, and the prose says what was measured.

`course.py test` runs the notebooks first and hands their records over in XL_RECORDS; by hand, run
`python3 course.py run` before. Without records these tests fail, they are not skipped.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from lint import Page, at_least_the_first

from xlhelpers import claims

every_notebook = pytest.mark.parametrize("notebook", at_least_the_first(), ids=lambda p: p.stem)


def _number(notebook: Path) -> str:
    return notebook.stem.split("_")[0]


def _records(notebook: Path) -> dict[str, claims.Record]:
    found = claims.records(_number(notebook))
    assert found, (
        f"{notebook.name} has no records in {claims.records_folder().name}/; "
        f"run `python3 course.py run {_number(notebook)}` first"
    )
    return found


@every_notebook
def test_every_claim_has_its_measurements(notebook: Path) -> None:
    found = _records(notebook)
    assert claims.rows(_number(notebook)), "a notebook has claims"
    missing = claims.missing(_number(notebook), found)
    assert not missing, f"not recorded: {', '.join(missing)}"


@every_notebook
def test_prose_agrees_with_the_run(notebook: Path) -> None:
    found = _records(notebook)
    problems = [
        cell.says(problem)
        for cell in Page.read(notebook).prose
        for problem in claims.check_markers(cell.source, found)
    ]
    assert not problems, "\n".join(problems)


@every_notebook
def test_prose_states_measurements_at_all(notebook: Path) -> None:
    text = "\n".join(cell.source for cell in Page.read(notebook).prose)
    own = [key for key in claims.marker_keys(text) if not key.startswith("notebook.")]
    assert len(set(own)) >= 3, "numbers are spoken of in prose, in markers"


@every_notebook
def test_shown_table_is_complete(notebook: Path) -> None:
    """The committed output of xl.claims.table holds all rows, and all were measured."""
    page = Page.read(notebook)
    shown = [cell for cell in page.code if re.search(r"xl\.claims\.table\(", cell.source)]
    assert shown, "no cell shows the claims"
    text = json.dumps([cell.outputs for cell in shown], ensure_ascii=False)
    assert "not measured in this run" not in text
    for row in claims.rows(_number(notebook)):
        assert json.dumps(row["wording"], ensure_ascii=False)[1:-1] in text, row["id"]
