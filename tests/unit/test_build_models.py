"""From grammar to shipped models, at a small size: text, vocabularies, weights, scores, cards.

The module's fixtures make one little world in a temporary data folder: the course's own grammar
of four languages, a few hundred documents, two models of 20 steps.
"""

from __future__ import annotations

import json
import multiprocessing
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from xlhelpers import assets, datasets, files, finetuning, hub, settings, tokenization
from xlhelpers.alignment import Score
from xlhelpers.build import cards, models, pipeline, plans, scores, shipping, tokenizers
from xlhelpers.build.corpus import sets
from xlhelpers.build.plans import Plan
from xlhelpers.build.tokenizers import TokenizerError, smoothed_sample
from xlhelpers.pretraining import Recipe

ROOT = Path(__file__).resolve().parents[2]
CODES = ("en", "de", "zh")
UNSEEN = "yo"
DOCUMENTS = {"en": 240, "de": 200, "zh": 160}
SIZES = {
    "sentiment": {"train": 48, "dev": 12, "test": 48},
    "ner": {"train": 40, "dev": 10, "test": 40},
    "nli": {"train": 9, "dev": 9, "test": 9},
}
RECIPE = Recipe(steps=20, tokens_per_batch=512, learning_rate=2e-3, checkpoint_every=5)
BERT = Plan(
    name="mini-mbert",
    kind="bert",
    recipe=RECIPE,
    languages=("en", "zh"),
    share=0.5,
    vocabulary=1500,
    says="A model for a test.",
    like="mBERT.",
    width=32,
    layers=2,
)
RANKING = {"ranking": 1.0, "ranking_from": 0.2, "ranking_batch": 8, "ranking_group": 2}
XLMR = replace(
    BERT,
    name="mini-xlmr",
    kind="xlmr",
    recipe=replace(RECIPE, **RANKING),  # type: ignore[arg-type]
    languages=("en", "de"),
    share=1.0,
    ratings=True,
    aligned=True,
    switched=True,
    seeds=2,
    bounds=True,
    like="XLM-R.",
)


def small(patch: pytest.MonkeyPatch) -> None:
    """Make the build small."""
    patch.setattr(models, "LANGUAGES", CODES)
    patch.setattr(models, "UNSEEN", UNSEEN)
    patch.setattr(models, "DOCUMENTS", DOCUMENTS)
    patch.setattr(models, "PARALLEL", 120)
    patch.setattr(models, "_SAMPLE", 1000)
    patch.setattr(sets, "SIZES", SIZES)
    patch.setattr(scores, "EPOCHS", 2)
    patch.setattr(pipeline, "PLANS", (BERT, XLMR))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A data folder in which the steps from grammar to models have run."""
    data = tmp_path_factory.mktemp("course") / "data"
    for code in (*CODES, UNSEEN):
        for part in ("grammar", "handwritten"):
            (data / part).mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / "data" / part / f"{code}.toml", data / part / f"{code}.toml")
    shutil.copyfile(ROOT / "data" / "grammar" / "world.toml", data / "grammar" / "world.toml")
    with pytest.MonkeyPatch.context() as patch:
        small(patch)
        settings.use(data=data, cache=data.parent / "cache", threads=1)
        assert pipeline.main(["corpus", "text", "models/mini-mbert", "models/mini-xlmr"]) == 0
        settings.reset()
        yield data


@pytest.fixture(autouse=True)
def in_the_small_world(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the settings point to the little world, in the tests that ask for it."""
    if "data" in request.fixturenames:
        small(monkeypatch)
        settings.use(data=request.getfixturevalue("data"), threads=1)


@pytest.fixture(scope="module")
def table(data: Path) -> scores.Table:
    """The scores of mini-xlmr."""
    with pytest.MonkeyPatch.context() as patch:
        small(patch)
        settings.use(data=data, threads=1)
        return measure("XLM-R", XLMR)


def measure(role: str, plan: Plan) -> scores.Table:
    return scores.measure(hub.model(role, "mlm"), hub.tokenizer(role), plan.languages, seeds=(0, 1))


def weights(model: Any) -> dict[str, np.ndarray]:
    return {name: value.numpy().copy() for name, value in model.state_dict().items()}


def same(a: Any, b: Any) -> bool:
    left, right = weights(a), weights(b)
    return left.keys() == right.keys() and all((left[k] == right[k]).all() for k in left)


def content(folder: Path) -> dict[str, str]:
    """Return the digest of every file."""
    return {file.name: files.sha256(file) for file in folder.iterdir()}


# ── vocabularies ─────────────────────────────────────────────────────────────────────────

TEXTS = {
    "en": ["The room was clean and the staff was friendly.", "A “quiet” hotel, 4/5!"] * 3,
    "de": ["Das Zimmer war sauber und das Personal freundlich."] * 3,
    "zh": ["房间很干净。", "我们见到了艾达·拜伦。"] * 3,
    "hi": ["कमरा साफ़ था।"] * 3,
    "ar": ["كانت الغرفة نظيفة."] * 3,
}
ALL = [text for rows in TEXTS.values() for text in rows]
TRAINERS = {"bert": tokenizers.train_wordpiece, "xlmr": tokenizers.train_unigram}


@pytest.fixture(scope="module", params=sorted(TRAINERS))
def trained(request: pytest.FixtureRequest) -> tuple[str, Any]:
    return request.param, TRAINERS[request.param](ALL, 300)


def test_special_entries_stand_where_the_real_models_have_them(trained: tuple[str, Any]) -> None:
    kind, tokenizer = trained
    ids = {name: getattr(tokenizer, f"{name}_token_id") for name in ("pad", "unk", "cls", "mask")}
    first, second = "clean", "staff"
    pair = tokenizer.convert_ids_to_tokens(tokenizer(first, second)["input_ids"])
    if kind == "bert":
        assert ids == {"pad": 0, "unk": 1, "cls": 2, "mask": 4} and tokenizer.sep_token_id == 3
        assert [t for t in pair if t.startswith("[")] == ["[CLS]", "[SEP]", "[SEP]"]
    else:
        # fairseq's order, and <mask> behind the pieces.
        assert ids == {"pad": 1, "unk": 3, "cls": 0, "mask": len(tokenizer) - 1}
        assert tokenizer.eos_token_id == tokenizer.sep_token_id == 2
        framed = [t for t in pair if t.startswith("<") or t.startswith("</")]
        assert framed == ["<s>", "</s>", "</s>", "</s>"]
    assert len(tokenizer) <= 300
    assert tokenizer.model_max_length == tokenizers.MAX_LENGTH
    assert sorted(tokenizer.get_vocab().values()) == list(range(len(tokenizer)))


def test_a_vocabulary_saves_and_reloads_to_the_same(
    trained: tuple[str, Any], tmp_path: Path
) -> None:
    from transformers import AutoTokenizer

    kind, tokenizer = trained
    tokenizer.save_pretrained(tmp_path)
    again = AutoTokenizer.from_pretrained(tmp_path, local_files_only=True)
    assert type(again) is type(tokenizer)
    assert again.get_vocab() == tokenizer.get_vocab()
    odd = [*ALL, "Zwei  Blanks", "<mask> [MASK]", "ＦＵＬＬ", "☃", "über-gut…"]
    for text in odd:
        assert again(text, text)["input_ids"] == tokenizer(text, text)["input_ids"], text
    assert again.all_special_ids == tokenizer.all_special_ids
    assert again.model_max_length == tokenizer.model_max_length
    assert TRAINERS[kind](ALL, 300).get_vocab() == tokenizer.get_vocab()


def test_a_text_comes_back_from_its_tokens(trained: tuple[str, Any]) -> None:
    _, tokenizer = trained
    for text in ("The room was clean", "Das Zimmer war sauber", "कमरा साफ़ था", "كانت الغرفة نظيفة"):
        ids = tokenizer(text)["input_ids"]
        assert tokenizer.decode(ids, skip_special_tokens=True) == text


def test_no_sign_of_the_text_is_unknown(trained: tuple[str, Any]) -> None:
    _, tokenizer = trained
    assert tokenization.unknown_share(ALL, tokenizer) == 0
    assert tokenization.unknown_share(["☃"], tokenizer) > 0


def test_a_piece_holds_one_ideograph_at_most(trained: tuple[str, Any]) -> None:
    _, tokenizer = trained
    han = [p for p in tokenizer.get_vocab() if any(tokenization.script(c) == "Han" for c in p)]
    assert "房" in han
    assert all(len(piece.strip("▁#")) == 1 for piece in han)
    # Unlike letters, which come in longer pieces.
    assert any(len(piece.strip("▁#")) > 4 for piece in tokenizer.get_vocab())
    words = tokenizer(["见到了", "艾达"], is_split_into_words=True)
    ideographs = [i for i in words.word_ids() if i is not None]
    assert Counter(ideographs)[0] >= 3 and Counter(ideographs)[1] >= 2


def test_unigram_cuts_words_into_the_likeliest_pieces() -> None:
    tokenizer = tokenizers.train_unigram(["clean cleaner clean clean", "clear"], 60)
    assert tokenizer.tokenize("clean") == ["▁clean"]
    assert tokenizer.tokenize("cleaner") == ["▁cleaner"] or len(tokenizer.tokenize("cleaner")) == 2


def test_a_smoothed_sample_has_the_shares_of_the_exponent() -> None:
    texts = {"en": [f"e{i}" for i in range(900)], "sw": [f"s{i}" for i in range(100)]}
    for alpha, shares in {1.0: (0.9, 0.1), 0.5: (0.75, 0.25), 0.0: (0.5, 0.5)}.items():
        sample = smoothed_sample(texts, 400, alpha, seed=0)
        counts = Counter(text[0] for text in sample)
        assert (counts["e"], counts["s"]) == tuple(400 * share for share in shares)
    rare = Counter(text for text in smoothed_sample(texts, 500, 0.0, 0) if text[0] == "s")
    assert set(rare.values()) == {2, 3}  # every text of a scarce language before any again
    assert len(rare) == 100
    assert smoothed_sample(texts, 400, 0.5, 0) == smoothed_sample(texts, 400, 0.5, 0)
    assert smoothed_sample(texts, 400, 0.5, 0) != smoothed_sample(texts, 400, 0.5, 1)


def test_a_language_without_text_has_no_sample() -> None:
    with pytest.raises(TokenizerError, match="no text in sw"):
        smoothed_sample({"en": ["a"], "sw": []}, 10, 0.5, 0)


# ── plans ────────────────────────────────────────────────────────────────────────────────


def test_the_plans_of_the_course_can_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "PLANS", plans.PLANS)  # not those of this module's fixture
    names = [plan.name for plan in plans.PLANS]
    assert len(set(names)) == len(names)
    assert set(plans.DOCUMENTS) == set(plans.LANGUAGES) and plans.UNSEEN not in plans.LANGUAGES
    for plan in plans.PLANS:
        assert set(plan.languages) <= set(plans.LANGUAGES) and "en" in plan.languages
        assert plan.says and plan.like and 0 < plan.share <= 1
        assert plan.width % 32 == 0
    steps = list(pipeline.steps())
    order = [steps.index(name) for name in ("grammar", "corpus", "text")]
    order += [steps.index(f"{part}/{name}") for part in ("models", "cards") for name in names]
    assert order == sorted(order)


def test_a_seed_has_a_name_of_its_own() -> None:
    assert BERT.seeded(0) == BERT
    second = BERT.seeded(2)
    assert (second.name, second.recipe.seed) == ("mini-mbert-seed2", 2)
    assert replace(second, name=BERT.name, recipe=BERT.recipe) == BERT


# ── text ─────────────────────────────────────────────────────────────────────────────────


def test_a_plan_reads_its_share_of_its_languages(data: Path) -> None:
    read = models.texts(BERT)
    assert {code: len(rows) for code, rows in read.items()} == {"en": 120, "zh": 80}
    assert models.documents(BERT) == {"en": 120, "zh": 80}
    assert models.texts(XLMR)["en"][:120] != read["en"]  # ratings
    assert read["en"] == models.texts(replace(XLMR, ratings=False))["en"][:120]


def test_ratings_are_there_where_the_plan_has_them(data: Path) -> None:
    for code in CODES:
        plan = replace(XLMR, languages=("en", code))
        rated = sum(text.endswith("/5") for text in models.texts(plan)[code])
        assert 0.1 < rated / DOCUMENTS[code] < 0.35  # 35 % of the reviews, which are 60 %
        plain = models.texts(replace(plan, ratings=False))[code]
        assert not any("/5" in text for text in plain)
        assert all(text == text.strip() for text in plain)


def test_no_sentence_of_a_test_is_read(data: Path) -> None:
    made = {task: sets.read(task, data / "corpus") for task in SIZES}
    plan = replace(XLMR, languages=CODES)
    groups = models.parallel(plan)
    for code in CODES:
        barred = sets.forbidden(made, code)
        assert len(barred) > 150
        read = models.texts(plan)[code]
        assert not [text for text in read if any(sentence in text for sentence in barred)]
        assert not barred & {row[code] for group in groups or [] for row in group}


def test_a_plan_sees_translations_of_its_languages_alone(data: Path) -> None:
    assert models.parallel(BERT) is None
    groups = models.parallel(replace(XLMR, switched=False))
    assert groups is not None and sum(map(len, groups)) >= 120 and max(map(len, groups)) > 1
    assert {frozenset(row) for group in groups for row in group} == {frozenset(("en", "de"))}


def test_disguised_twins_share_no_letter(data: Path) -> None:
    plan = replace(XLMR, languages=CODES, switched=False)
    plain, hidden = models.texts(plan), models.texts(replace(plan, disguised=True))
    letters = {code: {c for t in rows for c in t if c.isalnum()} for code, rows in hidden.items()}
    assert hidden["en"] == plain["en"] and hidden["de"] != plain["de"]
    assert [len(text) for text in hidden["de"]] == [len(text) for text in plain["de"]]
    assert not letters["en"] & letters["de"]
    assert not letters["zh"] & (letters["en"] | letters["de"])
    groups = models.parallel(replace(plan, disguised=True)) or []
    told = {c for group in groups for row in group for c in row["de"] if c.isalnum()}
    assert groups and not told & letters["en"]
    with pytest.raises(ValueError, match="several languages"):
        replace(XLMR, disguised=True)


def test_text_is_made_anew_where_its_grammar_has_changed(data: Path, tmp_path: Path) -> None:
    assert "0 of 4 files made" in models.text_step()
    copy = tmp_path / "data"
    shutil.copytree(data.parent, copy.parent, dirs_exist_ok=True)
    settings.use(data=copy)
    before = content(models.work_folder() / "text")
    assert models.texts(BERT)["en"] and content(models.work_folder() / "text") == before
    german = copy / "grammar" / "de.toml"
    text = german.read_text(encoding="utf-8")
    assert '"war"' in text  # a word of half the reviews' templates
    german.write_text(text.replace('"war"', '"waar"'), encoding="utf-8")
    assert any(" waar " in text for text in models.texts(XLMR)["de"])
    after = content(models.work_folder() / "text")
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"de.txt", "de.txt.made-from", "parallel.jsonl", "parallel.jsonl.made-from"}
    # A file that was cut short, and one whose note is gone.
    (models.work_folder() / "text" / "zh.txt.made-from").unlink()
    (models.work_folder() / "text" / "en.txt").unlink()
    assert "2 of 4 files made" in models.text_step()
    assert content(models.work_folder() / "text") == after


def test_text_needs_the_test_sets_first(data: Path, tmp_path: Path) -> None:
    shutil.copytree(data / "grammar", tmp_path / "data" / "grammar")
    settings.use(data=tmp_path / "data")
    with pytest.raises(sets.CorpusError, match="no sentiment sets") as caught:
        models.text_step()
    assert "build corpus" in caught.value.remedy


# ── weights ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("plan", [BERT, XLMR], ids=lambda plan: plan.kind)
def test_a_seed_gives_the_first_weights(plan: Plan, trained: tuple[str, Any]) -> None:
    kind, tokenizer = trained
    if kind != plan.kind:
        tokenizer = TRAINERS[plan.kind](ALL, 200)
    state = torch.random.get_rng_state()
    model = models.fresh(plan, tokenizer)
    assert torch.equal(torch.random.get_rng_state(), state)
    torch.manual_seed(5)
    assert same(model, models.fresh(plan, tokenizer))
    assert not same(model, models.fresh(plan.seeded(1), tokenizer))
    assert model.get_input_embeddings().num_embeddings == len(tokenizer)
    assert model.get_output_embeddings().weight is model.get_input_embeddings().weight
    assert (model.config.hidden_size, model.config.num_hidden_layers) == (32, 2)
    assert model.config.pad_token_id == tokenizer.pad_token_id
    # The longest text that the tokenizer announces fits.
    ids = torch.full((1, tokenizers.MAX_LENGTH), tokenizer.cls_token_id)
    with torch.inference_mode():
        assert model(ids).logits.shape == (1, tokenizers.MAX_LENGTH, len(tokenizer))


def test_what_a_block_adds_begins_small(trained: tuple[str, Any]) -> None:
    spread = {
        name: float(weight.detach().std())
        for name, weight in models.fresh(BERT, trained[1]).named_parameters()
        if name.endswith("dense.weight") and "encoder" in name
    }
    for name, value in spread.items():
        expected = 0.015 if "output" in name else 0.05
        assert value == pytest.approx(expected, rel=0.1), name


# ── models ───────────────────────────────────────────────────────────────────────────────


def test_the_models_come_through_the_hub(data: Path) -> None:
    for role, plan in (("mBERT", BERT), ("XLM-R", XLMR)):
        tokenizer, model = hub.tokenizer(role), hub.model(role, "mlm")
        assert model.get_input_embeddings().num_embeddings == len(tokenizer) > 1000
        assert hub.untrained(model) == ()
        assert {str(p.dtype) for p in model.parameters()} == {"torch.float32"}
        assert type(model).__name__ == {"bert": "BertForMaskedLM"}.get(
            plan.kind, "XLMRobertaForMaskedLM"
        )
        stored = json.loads((data / "models" / plan.name / "config.json").read_text("utf-8"))
        assert stored["dtype"] == "float16"
        read = models.texts(plan)
        assert (
            tokenization.unknown_share([t for rows in read.values() for t in rows], tokenizer) == 0
        )


def test_the_models_are_in_the_manifest(data: Path) -> None:
    rows = assets.manifest()
    for plan in (BERT, XLMR):
        there = {f"models/{plan.name}/{f.name}" for f in (data / "models" / plan.name).iterdir()}
        assert {name for name in rows if name.startswith(f"models/{plan.name}/")} == there
        weight = rows[f"models/{plan.name}/model.safetensors"]
        assert weight.origin == f"python3 course.py build models/{plan.name}"
        assert (weight.licence, weight.note) == ("Apache-2.0", plan.says)
    assert all(check.ok for check in assets.verify_all())


def test_an_altered_weight_is_refused(data: Path) -> None:
    file = data / "models" / "mini-mbert" / "model.safetensors"
    whole = file.read_bytes()
    try:
        file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        with pytest.raises(assets.AssetError, match="altered"):
            hub.model("mBERT", "mlm")
    finally:
        file.write_bytes(whole)


def test_the_facts_are_those_of_the_run(data: Path) -> None:
    facts = json.loads((data / "models" / "mini-xlmr" / "course.json").read_text("utf-8"))
    model = hub.model("XLM-R", "mlm")
    assert facts["parameters"] == model.num_parameters()
    assert facts["vocabulary"] == len(hub.tokenizer("XLM-R"))
    assert (facts["steps"], facts["seed"], facts["languages"]) == (20, 0, ["en", "de"])
    assert facts["documents"] == {"en": 240, "de": 200}
    assert 20 * 256 < facts["tokens"] < 20 * 2048


def test_a_second_call_changes_nothing(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = data / "models" / "mini-mbert"
    before = content(folder), (data / "manifest.toml").read_bytes()
    steps: list[int] = []
    monkeypatch.setattr(models, "pretrain", interrupted(steps, at=10**6))
    models.model_step(BERT)
    assert steps == []
    assert (content(folder), (data / "manifest.toml").read_bytes()) == before


class Interruption(BaseException):
    """As of a keyboard."""


def interrupted(steps: list[int], at: int) -> Callable[..., Any]:
    """Return `pretrain` that counts steps and is stopped by the keyboard after one of them."""
    real = models.pretrain

    def pretrain(*given: Any, **named: Any) -> Any:
        def callback(step: int, _: Any) -> None:
            steps.append(step)
            if step == at:
                raise Interruption

        return real(*given, **named, callback=callback)

    return pretrain


def test_an_interrupted_run_goes_on_to_the_same_weights(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = replace(XLMR, name="interrupted")
    steps: list[int] = []
    with monkeypatch.context() as patch:
        patch.setattr(models, "pretrain", interrupted(steps, at=13))
        with pytest.raises(Interruption):
            models.model_step(plan)
    assert not (data / "models" / plan.name).exists()
    monkeypatch.setattr(models, "pretrain", interrupted(steps, at=10**6))
    model, _, history = models.train(plan)
    assert steps == [*range(1, 14), *range(11, 21)]
    assert len(history) == 20
    shipped = hub.model("XLM-R", "mlm")
    for name, weight in model.state_dict().items():
        half = weight.to(torch.float16).to(torch.float32)
        assert torch.equal(half, shipped.state_dict()[name]), name


def test_a_run_from_other_weights_or_texts_is_another_run(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[int] = []
    monkeypatch.setattr(models, "pretrain", interrupted(steps, at=1))
    changes: list[Callable[[pytest.MonkeyPatch], Plan]] = [
        lambda patch: patch.setattr(models, "_SPREAD", 0.06) or BERT,
        lambda patch: replace(BERT, share=0.4),
        lambda patch: replace(BERT, recipe=replace(BERT.recipe, learning_rate=1e-3)),
        lambda patch: replace(BERT, vocabulary=1400),
    ]
    for change in changes:
        with monkeypatch.context() as patch:
            plan = change(patch)
            with pytest.raises(Interruption):  # it began anew
                models.train(plan)
    models.train(replace(BERT, recipe=replace(BERT.recipe, checkpoint_every=7)))
    assert steps == [1] * len(changes)  # the last one was finished before


def test_new_weights_leave_no_old_card(data: Path) -> None:
    plan = replace(BERT, name="recarded")
    models.model_step(plan)
    folder = data / "models" / plan.name
    for name in ("README.md", "scores.json"):
        files.write_text(folder / name, "{}\n")
    shipping.register(plan.name, origin=plan.origin, note=plan.says)
    models.model_step(plan)
    assert {"README.md", "scores.json"} <= set(content(folder))
    models.model_step(replace(plan, recipe=replace(plan.recipe, seed=1)))
    assert not {"README.md", "scores.json"} & set(content(folder))
    known = {n for n in assets.manifest() if n.startswith(f"models/{plan.name}/")}
    assert known == {f"models/{plan.name}/{name}" for name in content(folder)}
    assert all(check.ok for check in assets.verify_all())


# ── scores ───────────────────────────────────────────────────────────────────────────────

SENTIMENT = {
    "three",
    "polarity",
    "polarity template",
    "polarity pair",
    "three by hand",
    "polarity by hand",
}


def sane(row: dict[str, Score]) -> bool:
    return all(0 <= s.low <= s.value <= s.high <= 1 for s in row.values())


def test_every_measure_in_every_language(table: scores.Table) -> None:
    assert set(table) == {*SENTIMENT, "entities", "retrieval"}
    for name, row in table.items():
        assert list(row) == (["de"] if name == "retrieval" else ["en", "de"]), name
        assert sane(row), name
    for name in ("three", "retrieval"):
        assert all(score.high - score.low > 0.02 for score in table[name].values()), name


def test_answers_are_scored_by_label_pole_and_what_was_held_out(data: Path) -> None:
    test, free = datasets.sentiment("en", "test"), datasets.handwritten("sentiment", "en")
    labels = {
        **dict(zip(test.texts, test.labels, strict=True)),
        **dict(zip(free.texts, free.labels, strict=True)),
    }

    def answer(texts: Any, wrong: str = "") -> finetuning.Predictions:
        """Be right but for one class, which is taken for neutral with some doubt."""
        told = [labels[text] for text in texts]
        rows = np.array([[float(n == label) for n in test.names] for label in told])
        doubt = {"negative": (0.1, 0.5, 0.4), "": ()}[wrong]
        for row, label in zip(rows, told, strict=True):
            if label == wrong:
                row[:] = doubt
        said = tuple(test.names[i] for i in rows.argmax(axis=1))
        return finetuning.Predictions(said, rows.astype(np.float32), test.names)

    right = scores.classified(answer, "en")
    assert set(right) == SENTIMENT and all(row.all() for row in right.values())
    sizes = {name: len(row) for name, row in right.items()}
    assert (sizes["three"], sizes["polarity"], sizes["three by hand"]) == (48, 32, len(free))
    assert sizes["polarity pair"] + sizes["polarity template"] == sizes["polarity"]
    half = scores.classified(lambda texts: answer(texts, "negative"), "en")
    assert half["three"].mean() == pytest.approx(2 / 3)
    # Between the poles neutral is no choice, and the doubt speaks for positive.
    assert half["polarity"].mean() == half["polarity template"].mean() == 0.5


def test_the_same_model_has_the_same_scores(data: Path, table: scores.Table) -> None:
    torch.manual_seed(99)
    assert measure("XLM-R", XLMR) == table


def test_the_bound_is_fine_tuned_on_each_language(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    real = datasets.sentiment
    monkeypatch.setattr(
        scores.datasets,
        "sentiment",
        lambda code, split: (split == "train" and asked.append(code)) or real(code, split),
    )
    found = scores.measure(
        hub.model("mBERT", "mlm"), hub.tokenizer("mBERT"), BERT.languages, seeds=(0,),
        supervised=True,
    )  # fmt: skip
    assert asked == ["en", "zh"]
    assert set(found) == {*SENTIMENT, "entities"}
    assert all(list(row) == ["en", "zh"] and sane(row) for row in found.values())


@pytest.mark.parametrize(("role", "task"), [("mBERT", "classification"), ("XLM-R", "tagging")])
def test_a_head_is_new_and_drawn_by_fine_tuning(data: Path, role: str, task: str) -> None:
    model = hub.model(role, "mlm")
    body = weights(model.base_model)
    headed = hub.with_head(model, task, ("a", "b", "c"))
    own = weights(headed.base_model)
    assert all((own[name] == value).all() for name, value in body.items())
    assert headed.config.id2label == {0: "a", 1: "b", 2: "c"} and headed.config.num_labels == 3
    assert model.config.num_labels != 3
    new = set(hub.untrained(headed))
    assert {"classifier.weight", "classifier.bias"} <= new or any("classifier" in n for n in new)
    known = {f"{headed.base_model_prefix}.{name}" for name in body}
    assert new == {name for name, _ in headed.named_parameters()} - known
    same_as = hub.model(role, task, new_head=True, num_labels=3)
    assert new == set(hub.untrained(same_as))
    assert {p.dtype for p in headed.parameters()} == {torch.float32}


def test_a_disguised_model_is_asked_in_disguise(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    real = finetuning.classify
    monkeypatch.setattr(
        finetuning, "classify", lambda *rest: (read.extend(rest[2]), real(*rest))[1]
    )
    scores.measure(
        hub.model("mBERT", "mlm"), hub.tokenizer("mBERT"), ["en", "de"], seeds=(0,), disguised=True
    )
    plain = {code: set(datasets.sentiment(code, "test").texts) for code in ("en", "de")}
    assert plain["en"] <= set(read) and not plain["de"] & set(read)
    assert {tokenization.disguise(text, "de") for text in plain["de"]} <= set(read)


def test_majority_and_character_ngrams(data: Path) -> None:
    common = scores.majority(["en", "zh"])
    assert {round(common["three"][code].value, 4) for code in ("en", "zh")} == {0.3333}
    assert {common["polarity"][code].value for code in ("en", "zh")} == {0.5}
    ngrams = scores.character_ngrams(["en", "zh"])
    assert set(ngrams) == {*SENTIMENT, "retrieval"}
    assert all(sane(row) for row in ngrams.values())
    # No letter of English is in a Chinese review: the classifier says the same of all.
    assert ngrams["polarity"]["zh"].value == pytest.approx(0.5, abs=0.1)


def test_retrieval_finds_what_it_can(data: Path) -> None:
    rows = datasets.parallel(["en", "zh"], "test").texts(distinct=True)
    numbers = {text: i for code in rows for i, text in enumerate(rows[code])}

    def perfect(texts: list[str]) -> np.ndarray:
        return np.eye(len(rows["en"]))[[numbers[text] for text in texts]]

    assert scores.retrieval(perfect, ["en", "zh"])["zh"].value == 1

    rng = np.random.default_rng(0)

    def blind(texts: list[str]) -> np.ndarray:
        return rng.normal(size=(len(texts), 16))

    assert scores.retrieval(blind, ["zh"])["zh"].value < 0.2


def test_means_leave_out_english_and_average_bounds() -> None:
    table = {"en": Score(1, 1, 1), "de": Score(0.6, 0.5, 0.7), "zh": Score(0.4, 0.3, 0.5)}
    assert scores.average(table) == pytest.approx(0.5)
    assert scores.average(table, without=()) == pytest.approx(2 / 3)
    both = scores.mean([table["de"], table["zh"]])
    assert (both.value, both.low, both.high) == pytest.approx((0.5, 0.4, 0.6))


# ── cards ────────────────────────────────────────────────────────────────────────────────


def test_a_card_says_what_the_model_is(data: Path, table: scores.Table) -> None:
    facts = json.loads((data / "models" / "mini-xlmr" / "course.json").read_text("utf-8"))
    page = cards.card(XLMR, table, facts)
    assert page.startswith("# mini-xlmr\n\nA model for a test.\n\n* Stands for: XLM-R.\n")
    assert f"{facts['parameters']:,} parameters" in page and "2 layers of 32 units" in page
    assert "masked language modelling; ratings on 35 % of the reviews; word embeddings" in page
    assert "code-switched sentences; translation ranking on" in page
    assert "documents: en 240, de 200\n" in page and "Steps 20 of 512 tokens" in page
    tables = [part.splitlines() for part in page.split("\n\n") if part.startswith("| language")]
    assert len(tables) == 3  # its own, over seeds, beside
    for lines in tables:
        assert len({line.count("|") for line in lines}) == 1
        assert [line.split(" | ")[0] for line in lines[2:]] == ["| English", "| German"]
    german = table["polarity"]["de"].percent
    assert "| German | {:.0f} [{:.0f}, {:.0f}] |".format(*german) in tables[0][3]
    assert tables[0][2].endswith("|  |")  # English is not retrieved from English
    plain = cards.card(BERT, {}, {**facts, "documents": models.documents(BERT)})
    assert plain.count("| language |") == 1
    assert "* Trained on: masked language modelling\n" in plain
    hidden = cards.card(replace(BERT, disguised=True), {}, facts)
    assert "a range of their own" in hidden and "a range of their own" not in plain


def test_scores_are_read_as_they_were_written(table: scores.Table, tmp_path: Path) -> None:
    (tmp_path / "scores.json").write_text(cards.dump(table), encoding="utf-8")
    again = cards.read_scores(tmp_path)
    assert {name: set(row) for name, row in again.items()} == {n: set(r) for n, r in table.items()}
    for name, row in table.items():
        for code, score in row.items():
            assert again[name][code].value == pytest.approx(score.value, abs=1e-4)
    assert cards.dump(again) == cards.dump(table)


def test_several_pretrainings_are_averaged(table: scores.Table) -> None:
    still = Score(0.5, 0, 1)
    made = [{"polarity": {"de": Score(v, 0, 1), "zh": still}} for v in (0.6, 0.7, 0.8)]
    found = scores.over_seeds(made)["polarity, seeds"]
    # 0.7 ± 4.303 · 0.1 / √3
    assert (found["de"].value, found["de"].low) == pytest.approx((0.7, 0.4516), abs=1e-3)
    assert (found["zh"].low, found["zh"].high) == (0.5, 0.5)
    with pytest.raises(ValueError, match="spread"):
        scores.over_seeds(made[:1])


def test_what_stands_beside_a_model(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scores, "EPOCHS", 1)
    model, tokenizer = hub.model("XLM-R", "mlm"), hub.tokenizer("XLM-R")
    asked: list[tuple[bool, bool]] = []
    real = scores.measure

    def spy(given: Any, *rest: Any, supervised: bool = False, **options: Any) -> scores.Table:
        asked.append((same(given, model), supervised))
        return real(given, *rest, supervised=supervised, **options)

    monkeypatch.setattr(scores, "measure", spy)
    found = scores.measure_beside(model, tokenizer, ("en", "de"))
    assert asked == [(True, True), (False, False)]
    for name, _ in cards._beside():
        assert set(found[name]) >= {"de"} and sane(found[name]), name


def test_trainings_run_side_by_side_and_are_found_again(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The processes know nothing of this test's patches, so they have nothing left to make."""
    asked: list[tuple[str, Path]] = []

    class Here:
        """A pool that works in this process."""

        def __init__(self, workers: int, context: Any) -> None:
            assert workers == settings.current().threads and context.get_start_method() == "spawn"

        def __enter__(self) -> Here:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def submit(self, work: Callable[..., None], plan: Plan, folder: Path) -> Future[None]:
            asked.append((plan.name, folder))
            done: Future[None] = Future()
            done.set_result(work(plan, folder))
            return done

    monkeypatch.setattr(models, "ProcessPoolExecutor", Here)
    line = models.pretraining_step((BERT, XLMR))
    names = ["mini-mbert", "mini-xlmr", "mini-xlmr-seed1"]
    assert asked == [(name, settings.current().data) for name in names]
    assert line == "3 trainings of 2 models"
    assert all(list((models.work_folder() / name).glob("*/checkpoint.pt")) for name in names)
    _, _, history = models.train(XLMR.seeded(1))
    assert len(history) == RECIPE.steps


def test_a_training_is_done_in_a_process_of_its_own() -> None:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        with pytest.raises(settings.SettingsError):
            pool.submit(models._train_alone, BERT, Path("/nowhere")).result()


def test_a_plan_may_begin_aligned_and_read_switched_sentences(data: Path) -> None:
    read, groups = models.texts(XLMR), models.parallel(XLMR)
    assert groups is not None
    rows = [row for group in groups for row in group]
    assert set(read) == {"en", "de", "mixed"} and len(rows) >= 120
    assert read["mixed"] == [row["mixed"] for row in rows if "mixed" in row]
    plain = replace(XLMR, switched=False)
    assert set(models.texts(plain)) == {"en", "de"}
    assert all(set(row) == {"en", "de"} for group in models.parallel(plain) or () for row in group)
    tokenizer = models.vocabulary(XLMR)
    model = models.fresh(XLMR, tokenizer)
    before = model.get_input_embeddings().weight.detach().clone()
    models.align_embeddings(model, tokenizer, groups, seed=0)
    moved = (model.get_input_embeddings().weight != before).any(dim=1)
    assert 0.3 < moved.float().mean() < 1 and not moved[tokenizer.mask_token_id]
    assert model.get_output_embeddings().weight is model.get_input_embeddings().weight


def test_a_card_is_written_and_registered(
    data: Path, table: scores.Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def measured(model: Any, tokenizer: Any, languages: Any, **options: Any) -> scores.Table:
        asked.append((model.num_parameters(), len(tokenizer), languages, *options))
        return table

    monkeypatch.setattr(scores, "measure", measured)
    monkeypatch.setattr(scores, "measure_beside", lambda *_: {})
    line = pipeline.steps()["cards/mini-xlmr"]()
    folder = data / "models" / "mini-xlmr"
    facts = json.loads((folder / "course.json").read_text("utf-8"))
    size = facts["parameters"], facts["vocabulary"], ("en", "de")
    assert asked == [(*size, "disguised"), (*size, "seeds", "disguised")]
    both = cards.read_scores(folder)
    quick = {"three, quick", "polarity, quick"}
    assert both.keys() == {*table, *scores.over_seeds([table, table]), *quick}
    assert {tuple(sorted(both[name])) for name in quick} == {("de", "en")}  # it has no Swahili
    assert cards.card(XLMR, both, facts) == (folder / "README.md").read_text("utf-8")
    assert f"polarity {100 * table['polarity']['de'].value:.0f} %" in line
    assert {"models/mini-xlmr/README.md", "models/mini-xlmr/scores.json"} <= set(assets.manifest())
    assert all(check.ok for check in assets.verify_all())
    assert hub.model("XLM-R", "mlm").num_parameters() == facts["parameters"]
