"""From plan to folder: text, vocabulary, weights, and the files of a mini model."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from xlhelpers import assets, files, settings
from xlhelpers.build import corpus, tokenizers
from xlhelpers.build.corpus import sets
from xlhelpers.build.grammar import Grammar, World, load, load_world
from xlhelpers.build.plans import DOCUMENTS, LANGUAGES, PARALLEL, RATINGS, UNSEEN, Plan
from xlhelpers.pretraining import History, pretrain
from xlhelpers.tokenization import disguise

_RATING = re.compile(r" ?[1-5]/5$")
_PARALLEL = "parallel.jsonl"
_SEED = 0  # of the text; the models' seeds are their recipes'


def work_folder() -> Path:
    """Return where text and unfinished models are kept between runs of the build."""
    return settings.current().data.parent / "build" / "models"


# ── text ─────────────────────────────────────────────────────────────────────────────────


def world_and_grammars(codes: Sequence[str] = LANGUAGES) -> tuple[World, dict[str, Grammar]]:
    """Return the little world and the grammars of the languages."""
    world = load_world()
    return world, {code: load(code, world) for code in codes}


def corpus_languages() -> tuple[str, ...]:
    """Return the languages of the data sets: those of the models, and the one unseen."""
    return (*LANGUAGES, UNSEEN)


def text_step() -> str:
    """Generate the pretraining text; return one line on how much it is.

    No sentence of a development or test set is in it, whichever template it came from.
    """
    world, grammars = world_and_grammars()
    tested = {task: sets.read(task, settings.current().data / "corpus") for task in corpus.TASKS}
    barred = {code: sets.forbidden(tested, code) for code in LANGUAGES}
    total = 0
    for code in LANGUAGES:
        made = corpus.documents(
            world, grammars[code], DOCUMENTS[code], _SEED, ratings=RATINGS, forbidden=barred[code]
        )
        texts = [document.text for document in made]
        total += len(texts)
        _write_lines(work_folder() / "text" / f"{code}.txt", texts)
    groups = corpus.parallel(world, grammars, PARALLEL, _SEED, forbidden=barred)
    _write_lines(
        work_folder() / "text" / _PARALLEL, [json.dumps(g, ensure_ascii=False) for g in groups]
    )
    _texts.cache_clear()
    return f"{total:,} documents in {len(LANGUAGES)} languages, {PARALLEL:,} parallel meanings"


def texts(plan: Plan) -> dict[str, list[str]]:
    """Return the documents that a plan reads, by language."""
    found = {}
    for code in plan.languages:
        count = round(plan.share * DOCUMENTS[code])
        rows = list(_texts(f"{code}.txt")[:count])
        if not plan.ratings:
            rows = [_RATING.sub("", row) for row in rows]
        found[code] = [disguise(row, code) for row in rows] if plan.disguised else rows
    return found


def parallel(plan: Plan) -> list[list[dict[str, str]]] | None:
    """Return the groups of meanings that a plan sees in its languages; None where it sees none."""
    if not plan.recipe.needs_parallel:
        return None
    groups = [json.loads(line) for line in _texts(_PARALLEL)]
    return [[{code: row[code] for code in plan.languages} for row in group] for group in groups]


@cache
def _texts(name: str) -> tuple[str, ...]:
    file = work_folder() / "text" / name
    if not file.is_file():
        text_step()
    return tuple(file.read_text(encoding="utf-8").splitlines())


def _write_lines(file: Path, lines: Sequence[str]) -> None:
    files.write_text(file, "".join(f"{line}\n" for line in lines))


# ── weights ──────────────────────────────────────────────────────────────────────────────

# Weights begin wider than BERT's 0.02, which is meant for 768 units, and what a block adds to
# its input begins small. At 128 units both get the loss off the plateau at which a model has
# learned how frequent tokens are and nothing of their context.
_SPREAD = 0.05
_BLOCK_OUTPUT = 0.3


def fresh(plan: Plan, tokenizer: Any) -> Any:
    """Return the model of a plan before training."""
    import torch
    from transformers import (
        BertConfig,
        BertForMaskedLM,
        XLMRobertaConfig,
        XLMRobertaForMaskedLM,
    )

    shape: dict[str, Any] = {
        "vocab_size": len(tokenizer),
        "hidden_size": plan.width,
        "num_hidden_layers": plan.layers,
        "num_attention_heads": plan.width // 32,
        "intermediate_size": 4 * plan.width,
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
        "initializer_range": _SPREAD,
        "pad_token_id": tokenizer.pad_token_id,
    }
    with torch.random.fork_rng():
        torch.manual_seed(plan.recipe.seed)
        if plan.kind == "bert":
            model: Any = BertForMaskedLM(
                BertConfig(max_position_embeddings=tokenizers.MAX_LENGTH, **shape)
            )
        else:
            model = XLMRobertaForMaskedLM(
                XLMRobertaConfig(
                    # RoBERTa counts positions from behind that of the padding.
                    max_position_embeddings=tokenizers.MAX_LENGTH + tokenizer.pad_token_id + 1,
                    type_vocab_size=1,
                    bos_token_id=tokenizer.bos_token_id,
                    eos_token_id=tokenizer.eos_token_id,
                    **shape,
                )
            )
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name.endswith("output.dense.weight"):
                weight.mul_(_BLOCK_OUTPUT)
    return model


def vocabulary(plan: Plan) -> Any:
    """Train and return the tokenizer of a plan."""
    # A vocabulary of equals: exponents are compared on models that share one.
    sample = tokenizers.smoothed_sample(texts(plan), 60_000, 0.5, _SEED)
    train = tokenizers.train_wordpiece if plan.kind == "bert" else tokenizers.train_unigram
    return train(sample, plan.vocabulary)


def train(plan: Plan, threads: int | None = None) -> tuple[Any, Any, History]:
    """Return model, tokenizer and history of a plan; an interrupted run goes on."""
    tokenizer = vocabulary(plan)
    model = fresh(plan, tokenizer)
    history = pretrain(
        model,
        tokenizer,
        texts(plan),
        plan.recipe,
        parallel=parallel(plan),
        folder=work_folder() / plan.name,
        threads=threads,
    )
    return model, tokenizer, history


def model_step(plan: Plan) -> str:
    """Make `data/models/<name>/`; return one line on what was made."""
    import torch

    model, tokenizer, history = train(plan)
    # A copy in half the bytes: the model that training goes on from stays whole.
    model.to(torch.float16)
    folder = settings.current().data / "models" / plan.name
    made = work_folder() / plan.name / "folder"
    shutil.rmtree(made, ignore_errors=True)
    model.save_pretrained(made)
    tokenizer.save_pretrained(made)
    folder.mkdir(parents=True, exist_ok=True)
    for file in sorted(made.iterdir()):
        files.write_bytes(folder / file.name, file.read_bytes())
    facts = json.dumps(_facts(plan, model, history), indent=1)
    files.write_text(folder / "course.json", f"{facts}\n")
    size = register(plan, folder)
    return (
        f"{model.num_parameters():,} parameters, {size / 1e6:.1f} MB, "
        f"MLM loss {history.recent('mlm'):.2f}, {history.seconds:.0f} s of training"
    )


def register(plan: Plan, folder: Path) -> int:
    """Put the files of a model into the manifest; return their bytes."""
    size = 0
    for file in sorted(folder.iterdir()):
        size += file.stat().st_size
        assets.register(
            file,
            kind="shipped",
            licence="Apache-2.0",
            origin=f"python3 course.py build models/{plan.name}",
            note=plan.says,
        )
    return size


def _facts(plan: Plan, model: Any, history: History) -> dict[str, Any]:
    """Return what the card says and `hub` checks."""
    return {
        "vocabulary": model.config.vocab_size,
        "parameters": model.num_parameters(),
        "languages": list(plan.languages),
        "documents": {code: round(plan.share * DOCUMENTS[code]) for code in plan.languages},
        "steps": plan.recipe.steps,
        "seed": plan.recipe.seed,
        "tokens": history.tokens,
        "seconds": round(history.seconds),
    }


__all__ = [
    "corpus_languages",
    "fresh",
    "model_step",
    "parallel",
    "register",
    "text_step",
    "texts",
    "train",
    "vocabulary",
    "work_folder",
    "world_and_grammars",
]
