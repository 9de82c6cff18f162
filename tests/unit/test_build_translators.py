"""From grammar to translators, at a small size: text, vocabularies, weights, files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from xlhelpers import datasets, hub, settings
from xlhelpers.build import models, translators
from xlhelpers.build.translators import SIZE

TINY = replace(SIZE, pieces=1200, width=32, layers=1, inner=32, steps=3, tokens=200)


@pytest.fixture(scope="module", autouse=True)
def little() -> Iterator[None]:
    """Few meanings and documents; what was made of them is forgotten afterwards."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(translators, "_MEANINGS", 300)
        patch.setattr(translators, "_DOCUMENTS", 60)
        patch.setattr(translators, "SIZE", TINY)
        patch.setattr(translators, "_LEAST", 0)
        translators.parallel.cache_clear()
        yield
        translators.parallel.cache_clear()


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return translators.vocabulary("en", "zh", TINY)


def test_no_sentence_of_any_split_is_read() -> None:
    read = {row["sw"] for row in translators.parallel()}
    rows = [text for split in ("train", "dev", "test") for text in datasets.ner("sw", split).texts]
    assert len(read) > 250 and not read & set(rows)
    reviews = {
        text for split in ("train", "test") for text in datasets.sentiment("sw", split).texts
    }
    assert not read & reviews


def test_documents_have_the_same_sentences_on_both_sides() -> None:
    pairs = {(row["en"], row["zh"]) for row in translators.parallel()}
    made = translators.documents("en", "zh")
    assert len(made) == 60 and made == translators.documents("en", "zh")
    assert made != translators.documents("en", "de")
    whole = [pair for pair in made if pair in pairs]
    assert 20 < len(whole) < 55  # the others have several sentences
    chinese = [zh for _, zh in made]
    assert not any("。 " in text for text in chinese), "Chinese sentences stand without a blank"


def test_pieces_of_both_sides_are_in_one_list(tokenizer: Any) -> None:
    row = translators.parallel()[0]
    read = tokenizer(row["en"], text_target=row["zh"])
    for name in ("input_ids", "labels"):
        assert tokenizer.unk_token_id not in read[name]
        assert read[name][-1] == tokenizer.eos_token_id
    assert tokenizer.decode(read["labels"], skip_special_tokens=True) == row["zh"]
    assert max(tokenizer.get_vocab().values()) == len(tokenizer) - 1 == tokenizer.pad_token_id


def test_a_fresh_translator_is_marians_and_leaves_the_global_seed(tokenizer: Any) -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    one, other = (translators.fresh(tokenizer, TINY) for _ in range(2))
    assert torch.equal(before, torch.get_rng_state())
    assert type(one).__name__ == "MarianMTModel"
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
    assert one.config.decoder_start_token_id == tokenizer.pad_token_id


def test_made_anew_it_is_the_same_and_loads_through_the_door(tmp_path: Path) -> None:
    shipped = settings.current().data
    for name in ("one", "two"):
        data = tmp_path / name / "data"
        data.mkdir(parents=True)
        for part in ("grammar", "corpus", "manifest.toml"):
            (data / part).symlink_to(shipped / part)
        translators.make("en", "de", data)
    folders = [tmp_path / name / "data" / "models" / "mini-marian-en-de" for name in ("one", "two")]
    files = sorted(file.name for file in folders[0].iterdir())
    assert {"source.spm", "target.spm", "vocab.json", "model.safetensors", "course.json"} <= {
        *files
    }
    for name in files:
        assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes(), name
    model, tokenizer = hub.model(folders[0], "translation"), hub.tokenizer(folders[0])
    assert model.dtype == torch.float32 and not hub.untrained(model)
    out = model.generate(**tokenizer(["The room was bad."], return_tensors="pt"), max_new_tokens=5)
    assert out.shape[1] <= 6
    assert not list((models.work_folder() / "made").iterdir())


def test_test_texts_are_parallel_and_of_four_kinds_and_by_hand() -> None:
    found = translators.test_texts("en", "es")
    assert list(found) == [
        "reviews", "reviews, new templates", "news", "news, new templates", "by hand",
    ]  # fmt: skip
    assert {name: len(texts) for name, (texts, _) in found.items()} == {
        "reviews": 150,
        "reviews, new templates": 150,
        "news": 150,
        "news, new templates": 150,
        "by hand": 168,
    }
    for texts, references in found.values():
        assert len(texts) == len(references)
