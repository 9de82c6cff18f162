"""What the build commits of adapting to an unseen language: complete, and made as it says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from xlhelpers import assets, datasets, hub, pretraining, settings, transfer
from xlhelpers.build import adaptation as build
from xlhelpers.build.adaptation import ARMS, UNADAPTED, Arm
from xlhelpers.pretraining.adaptation import COMMITTED, MEASURES


def test_every_arm_has_all_seeds_and_measures() -> None:
    table = pretraining.adaptation_measures(seeds=True)
    assert list(dict.fromkeys(table.arm)) == [arm.name for arm in ARMS]
    for arm in ARMS:
        rows = table[table.arm == arm.name]
        assert set(rows.measure) == set(MEASURES)
        assert set(rows.seed) == ({0} if build._same(arm) else set(build.SEEDS))
    assert ((table.low <= table.value) & (table.value <= table.high)).all()
    whole = pretraining.adaptation_measures()
    assert len(whole) == len(ARMS) * len(MEASURES)
    one = whole[(whole.arm == "random entries") & (whole.measure == "bits")].iloc[0]
    own = table[(table.arm == "random entries") & (table.measure == "bits")]
    assert one.value == pytest.approx(own.value.mean())
    assert (one.low, one.high) == (own.low.min(), own.high.max())


def test_labelled_results_have_the_same_arms() -> None:
    found = transfer.committed("adaptation").summary()
    adapted = found[~found.strategy.isin(("supervised", "majority", "n-grams"))]
    assert list(dict.fromkeys(adapted.strategy)) == [arm.name for arm in ARMS]
    assert (adapted.runs == len(build.SEEDS)).all()
    assert set(adapted.target) == {"en", "de", "yo"} and set(adapted.task) == set(build.TASKS)
    closed = transfer.committed("adaptation").where(target="yo").gap_closed()
    assert set(closed.strategy) == {arm.name for arm in ARMS} - {UNADAPTED.name}
    assert COMMITTED in assets.manifest()


def test_donors_have_both_sources() -> None:
    table = transfer.committed("donors").gain_of_source()
    assert table[table.target == "nl"].task.tolist() == ["polarity", "ner"]
    assert set(table.source) == {"de"} and set(table.model) == {"mini-xlmr-2"}


def test_a_share_of_the_dictionary_is_drawn_anew() -> None:
    whole = datasets.world_lexicon("yo", "en")
    assert build.lexicon(1.0, 0) == whole == build.lexicon(1.0, 1)
    one, two = (build.lexicon(0.2, seed) for seed in (0, 1))
    assert len(one) == len(two) == round(0.2 * len(whole)) and set(one) != set(two)
    assert one.items() <= whole.items()


def test_replay_has_no_tested_sentence_and_no_rating() -> None:
    rows = build.replayed()
    assert len(rows) == build.REPLAY and not any(row.endswith("/5") for row in rows)
    tested = datasets.ner("en", "test").texts
    assert not any(sentence in row for row in rows for sentence in tested)


def test_an_arm_is_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Any] = []

    def pretrain(model: Any, tokenizer: Any, texts: Any, recipe: Any, **more: Any) -> Any:
        trained = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
        read.append((len(tokenizer), {c: len(t) for c, t in texts.items()}, recipe, trained))
        return pretraining.History()

    monkeypatch.setattr(pretraining, "pretrain", pretrain)
    old = len(hub.tokenizer(build.MODEL))
    whole = hub.model(build.MODEL, "mlm").num_parameters()
    wanted = {
        "old entries, a sixth of the text": (old, {"yo": 1_000}, whole),
        "dictionary, new embeddings alone": (old + 1_500, {"yo": 6_000}, (old + 1_500) * 129),
        "dictionary, replay": (old + 1_500, {"yo": 6_000, "en": 3_000}, whole + 1_500 * 129),
    }
    for arm in ARMS:
        if arm.name in wanted:
            build.adapted(arm, 1)
            size, texts, recipe, trained = read.pop()
            assert (size, texts, trained) == wanted[arm.name], arm.name
            assert recipe.seed == 1 and recipe.steps == 400
    model, tokenizer, seconds = build.adapted(Arm("untrained", documents=0), 0)
    assert not read and seconds == 0 and len(tokenizer) == old + 1_500
    assert torch.isfinite(model.get_input_embeddings().weight).all()
    assert settings.current().seed == 0
