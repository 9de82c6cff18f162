"""The models that are shipped: their size, their cards, and their scores measured again."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from xlhelpers import assets, encoding, finetuning, hub, settings, transfer, translation
from xlhelpers.alignment import Score
from xlhelpers.build import cards, heads, scores, shipping, translators
from xlhelpers.build.heads import HEADS
from xlhelpers.build.plans import PLANS, Plan

ALL = pytest.mark.parametrize("plan", PLANS, ids=[plan.name for plan in PLANS])
SEEDED = [plan for plan in PLANS if plan.seeds > 1]
HEADLINE = pytest.mark.parametrize("plan", SEEDED, ids=[plan.name for plan in SEEDED])
BYTES = 48_000_000  # of all models together
# Points of 100. One seed of fine-tuning against the mean of three on the card.
NEAR = 6
# Another kind of machine may move one language like another seed does: up to 5.5 points after the
# short fine-tuning. A model with random weights lies 13 or more below.
QUICK = 9


def folder(plan: Plan) -> Path:
    return settings.current().data / "models" / plan.name


def loaded(plan: Plan) -> tuple[Any, Any]:
    return hub.model(folder(plan), "mlm"), hub.tokenizer(folder(plan))


def apart(one: Mapping[str, Score], other: Mapping[str, Score]) -> float:
    """Return the distance of two means over languages, in points."""
    return 100 * abs(scores.average(one) - scores.average(other))


def test_models_together_stay_small() -> None:
    shipped = [a for name, a in assets.manifest().items() if name.startswith("models/")]
    names = {plan.name for plan in PLANS} | {head.name for head in HEADS.values()}
    names |= {translators.name_of(*pair) for pair in translators.PAIRS}
    assert {a.name.split("/")[1] for a in shipped} == names
    assert sum(a.bytes for a in shipped) < BYTES


@ALL
def test_a_card_belongs_to_its_model(plan: Plan) -> None:
    facts = json.loads((folder(plan) / "course.json").read_text("utf-8"))
    model, tokenizer = loaded(plan)
    assert facts["parameters"] == model.num_parameters() and facts["vocabulary"] == len(tokenizer)
    assert facts["steps"] == plan.recipe.steps and facts["languages"] == list(plan.languages)
    page = (folder(plan) / "README.md").read_text("utf-8")
    assert page == cards.card(plan, cards.read_scores(folder(plan)), facts)


@ALL
def test_retrieval_is_what_the_card_says(plan: Plan) -> None:
    model, tokenizer = loaded(plan)
    again = scores.retrieval(
        lambda t: encoding.encode(t, model, tokenizer), plan.languages, plan.disguised
    )
    said = cards.read_scores(folder(plan))["retrieval"]
    assert again.keys() == said.keys() and apart(again, said) < 0.5


@pytest.mark.pinned(
    "the card's figures are those of seed 0, and seeds differ by more than machines"
)
@HEADLINE
def test_transfer_is_what_the_card_says(plan: Plan) -> None:
    """Entities by the recipe of the card; sentiment after the short fine-tuning beside it."""
    model, tokenizer = loaded(plan)
    said = cards.read_scores(folder(plan))
    again = {"entities": scores.entities(model, tokenizer, plan.languages, seeds=(0,))}
    assert apart(again["entities"], said["entities"]) < NEAR
    assert abs(again["entities"]["en"].value - said["entities"]["en"].value) < NEAR / 100
    again |= scores.measure_quickly(model, tokenizer, plan.languages)
    for name in ("three, quick", "polarity, quick"):
        assert again[name].keys() == said[name].keys() and apart(again[name], said[name]) < NEAR
        assert abs(again[name]["en"].value - said[name]["en"].value) < QUICK / 100, name


def test_the_model_with_translations_transfers_and_the_others_do_not_find_translations() -> None:
    """What the notebooks say of the models, in one place."""
    infoxlm, xlmr = (
        cards.read_scores(settings.current().data / "models" / name)
        for name in ("mini-infoxlm", "mini-xlmr")
    )
    assert scores.average(infoxlm["retrieval"]) > 5 * scores.average(xlmr["retrieval"])
    for name in ("before pretraining", "n-grams"):
        assert scores.average(infoxlm["retrieval"]) > 2 * scores.average(
            infoxlm[f"retrieval, {name}"]
        )
        assert scores.average(infoxlm["polarity"]) > scores.average(infoxlm[f"polarity, {name}"])


@functools.cache
def measured(task: str) -> scores.Table:
    """What a head scores here: measured once for all tests."""
    return heads.measure(HEADS[task])


@pytest.mark.parametrize("task", HEADS)
def test_a_head_is_what_its_card_says(task: str) -> None:
    head = HEADS[task]
    where = shipping.folder_of(head.name)
    said, facts = cards.read_scores(where), shipping.read_json(where / "course.json")
    again = measured(task)
    for part, row in said.items():
        assert row.keys() == again[part].keys()
        for code, score in row.items():
            # Another machine rounds differently: a few rows of 300, or one of 60, may tip over.
            assert abs(again[part][code].value - score.value) < 0.02, (part, code)
    assert (where / "README.md").read_text("utf-8") == heads.card(head, said, facts)
    model = hub.model(where, "classification")
    assert facts["vocabulary"] == len(hub.tokenizer(where)) == model.config.vocab_size
    assert facts["parameters"] == model.num_parameters()
    assert (facts["epochs"], facts["seed"]) == (head.epochs, heads.SEED)
    # Its word embeddings were kept: those of another body would be another model's.
    body = hub.model(shipping.folder_of(heads.BODY), "encoder")
    assert torch.equal(model.get_input_embeddings().weight, body.get_input_embeddings().weight)


def test_the_card_of_its_body_says_what_the_head_for_opinions_says() -> None:
    """The head is one of the three seeds on the card of mini-infoxlm."""
    again, said = measured("sentiment"), cards.read_scores(shipping.folder_of(heads.BODY))
    for name, part in (("three", "test"), ("three by hand", "by hand")):
        here = {code: again[part][code] for code in said[name]}
        assert apart(here, said[name]) < NEAR, name
        assert abs(here["en"].value - said[name]["en"].value) < NEAR / 100, name
    where = shipping.folder_of(HEADS["sentiment"].name)
    model, tokenizer = hub.model(where, "classification"), hub.tokenizer(where)
    for code in scores.QUICK_LANGUAGES:
        right = scores.classified(lambda t: finetuning.classify(model, tokenizer, t), code)
        assert abs(right["polarity"].mean() - said["polarity"][code].value) < NEAR / 100, code


def test_the_head_for_opinions_was_trained_as_the_course_trains() -> None:
    """`transfer.fine_tuned` brings this model: it must be the one that training would make."""
    head = HEADS["sentiment"]
    facts = shipping.read_json(shipping.folder_of(head.name) / "course.json")
    rows = head.rows()
    assert facts["reviews"] == len(rows) and facts["epochs"] == head.epochs
    few = rows[:16]
    other = transfer.Learner("InfoXLM", "sentiment", rows.names).trained([few], heads.SEED)
    one = heads.fit(head, few).model.state_dict()
    for name, weight in other.state_dict().items():
        assert torch.equal(weight, one[name]), name


@pytest.mark.parametrize("pair", translators.PAIRS, ids="-".join)
def test_a_translator_is_what_its_card_says(pair: tuple[str, str]) -> None:
    where = settings.current().data / "models" / translators.name_of(*pair)
    said = json.loads((where / "scores.json").read_text("utf-8"))
    assert (where / "README.md").read_text("utf-8") == translators.card(*pair, said)
    texts, references = translators.test_texts(*pair)["news"]
    again = translation.chrf(translation.Translator(*pair).translate(texts), references, pair[1])
    assert abs(again.value - said["news"]["chrF"][0]) < 1  # points of 100
    # What the notebook says of them: at home in the grammar, lost outside.
    assert said["news"]["chrF"][1] > said["by hand"]["chrF"][2] + 20
