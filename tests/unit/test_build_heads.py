"""Trained heads: from a few rows to a folder with its card, in a data folder of two languages."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from xlhelpers import assets, datasets, hub, settings
from xlhelpers.build import cards, heads, pipeline, shipping
from xlhelpers.build.heads import HEADS, Head

CODES = ("en", "yo")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder with a body, two languages, and nothing fine-tuned."""
    shipped, data = settings.current().data, tmp_path / "data"
    wanted = [f"corpus/sentiment/{part}.{c}.jsonl" for part in ("train", "test") for c in CODES]
    wanted += [f"handwritten/{code}.toml" for code in CODES]
    rows = assets.manifest()
    wanted += [name for name in rows if name.startswith(f"models/{heads.BODY}/")]
    for name in wanted:
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(shipped / name, data / name)
    (data / assets.MANIFEST).write_text(assets.dumps(rows[name] for name in wanted), "utf-8")
    settings.use(data=data, threads=1)
    return data


@pytest.fixture
def head() -> Head:
    return replace(
        HEADS["sentiment"], epochs=1, rows=lambda: datasets.sentiment("en", "train")[:40]
    )


def test_from_rows_to_a_model_with_a_card(data: Path, head: Head) -> None:
    assert heads.head_step(head) == "2,363,011 parameters, 5.5 MB"
    folder = data / "models" / "mini-infoxlm-sentiment"
    facts = shipping.read_json(folder / "course.json")
    assert (facts["reviews"], facts["epochs"], facts["seed"]) == (40, 1, 0)
    model = hub.model("sentiment")
    assert list(model.config.id2label.values()) == ["negative", "neutral", "positive"]
    assert not hub.untrained(model)

    line = heads.card_step(head)
    found = cards.read_scores(folder)
    assert list(found["test"]) == list(found["by hand"]) == list(CODES)
    page = (folder / "README.md").read_text("utf-8")
    assert page == heads.card(head, found, facts)
    assert "40 English reviews" in page and "* Steps 2 of 32 reviews (1 epochs)" in page
    shown = cards.cell(found["test"]["yo"])
    assert f"| Yoruba | {shown} | " in page and f"yo {shown.split()[0]}" in line
    rows = assets.manifest()
    for file in folder.iterdir():
        row = rows[f"models/{folder.name}/{file.name}"]
        assert (row.origin, row.licence) == (head.origin, "Apache-2.0")
    assert all(check.ok for check in assets.verify_all())

    # The same weights keep the card; others do not.
    heads.head_step(head)
    assert (folder / "README.md").is_file()
    heads.head_step(replace(head, rows=lambda: datasets.sentiment("en", "train")[:41]))
    assert not (folder / "README.md").exists() and not (folder / "scores.json").exists()
    assert f"models/{folder.name}/README.md" not in assets.manifest()


def test_every_head_has_a_step_and_a_role() -> None:
    steps = pipeline.steps()
    for head in HEADS.values():
        assert {f"models/{head.name}", f"cards/{head.name}"} <= set(steps)
        assert head.origin.endswith(f" models/{head.name}")
        assert head.name in {role.mini for role in hub.ROLES.values()}
