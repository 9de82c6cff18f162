"""From plan to folder: text, vocabulary, weights, and the files of a mini model."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import re
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any

from xlhelpers import files, languages, settings
from xlhelpers.build import corpus, shipping, tokenizers
from xlhelpers.build.corpus import SWITCHED, sets
from xlhelpers.build.corpus.splits import SPLITS, Split
from xlhelpers.build.grammar import Grammar, World, load, load_world
from xlhelpers.build.plans import DOCUMENTS, LANGUAGES, PARALLEL, RATINGS, UNSEEN, Plan
from xlhelpers.build.shipping import work_folder
from xlhelpers.pretraining import History, pretrain, sentence_id_vectors
from xlhelpers.pretraining.parallel import Parallels
from xlhelpers.tokenization import disguise

_RATING = re.compile(r" ?[1-5]/5$")
_PARALLEL = "parallel.jsonl"
_SEED = 0  # of the text; the models' seeds are their recipes'
_SAMPLE = 60_000  # texts that a vocabulary is trained on


# ── text ─────────────────────────────────────────────────────────────────────────────────


def world_and_grammars(codes: Sequence[str]) -> tuple[World, dict[str, Grammar]]:
    """Return the little world and the grammars of the languages."""
    world = load_world()
    return world, {code: load(code, world) for code in codes}


def barred(codes: Iterable[str], splits: Sequence[Split] = SPLITS[1:]) -> dict[str, set[str]]:
    """Return the sentences of the committed data sets, by language: what no text may have.

    Args:
        codes: of the languages.
        splits: which parts; left out, development and test sets.

    Raises:
        CorpusError: the data sets are not there.
    """
    folder = settings.current().data / "corpus"
    made = {task: sets.read(task, folder) for task in corpus.TASKS}
    return {code: sets.forbidden(made, code, splits) for code in codes}


def corpus_languages() -> tuple[str, ...]:
    """Return the languages of the data sets: those of the models, and the one unseen."""
    return (*LANGUAGES, UNSEEN)


def contributed_languages() -> tuple[str, ...]:
    """Return the languages that were added later and have a grammar file."""
    folder = settings.current().data / "grammar"
    return tuple(code for code in languages.CONTRIBUTED if (folder / f"{code}.toml").is_file())


def text_step() -> str:
    """Generate the pretraining text that is not there or out of date; say how much there is.

    No sentence of a development or test set is in it, whichever template it came from.

    Raises:
        CorpusError: those sets are not there.
    """
    names = [f"{code}.txt" for code in LANGUAGES] + [_PARALLEL]
    wanted = [name for name in names if _made_from(name) != _inputs(name)]
    if wanted:
        _write_texts(wanted)
    total = sum(DOCUMENTS[code] for code in LANGUAGES)
    return (
        f"{total:,} documents in {len(LANGUAGES)} languages, {PARALLEL:,} parallel meanings; "
        f"{len(wanted)} of {len(names)} files made"
    )


def texts(plan: Plan) -> dict[str, list[str]]:
    """Return the documents that a plan reads, by language; code-switched ones are one more."""
    found = {}
    for code in plan.languages:
        rows = list(_texts(f"{code}.txt")[: documents(plan)[code]])
        if not plan.ratings:
            rows = [_RATING.sub("", row) for row in rows]
        found[code] = [disguise(row, code) for row in rows] if plan.disguised else rows
    if plan.switched:
        meanings = [meaning for group in parallel(plan) or () for meaning in group]
        found[SWITCHED] = [row[SWITCHED] for row in meanings if SWITCHED in row]
    return found


def documents(plan: Plan) -> dict[str, int]:
    """Return how many documents a plan reads, by language."""
    return {code: round(plan.share * DOCUMENTS[code]) for code in plan.languages}


def parallel(plan: Plan) -> list[list[dict[str, str]]] | None:
    """Return the groups of meanings that a plan sees in its languages; None where it sees none."""
    if not plan.reads_translations:
        return None
    groups = [json.loads(line) for line in _texts(_PARALLEL)]
    codes = (*plan.languages, SWITCHED) if plan.switched else plan.languages
    found = [[{c: row[c] for c in codes if c in row} for row in group] for group in groups]
    if plan.disguised:
        return [[{c: disguise(t, c) for c, t in row.items()} for row in group] for group in found]
    return found


def _texts(name: str) -> tuple[str, ...]:
    inputs = _inputs(name)
    if _made_from(name) != inputs:
        text_step()
    return _lines(work_folder() / "text" / name, inputs)


@lru_cache(maxsize=32)
def _lines(file: Path, inputs: str) -> tuple[str, ...]:
    # `inputs` is there for the cache: other inputs, other lines.
    return tuple(file.read_text(encoding="utf-8").splitlines())


def _write_texts(names: Sequence[str]) -> None:
    from tqdm.auto import tqdm

    world, grammars = world_and_grammars(LANGUAGES)
    taboo = barred(LANGUAGES)
    for name in tqdm(names, unit="file", disable=None):
        if name == _PARALLEL:
            groups = corpus.parallel(world, grammars, PARALLEL, _SEED, forbidden=taboo)
            lines = [json.dumps(group, ensure_ascii=False) for group in groups]
        else:
            code = name.removesuffix(".txt")
            made = corpus.documents(
                world,
                grammars[code],
                DOCUMENTS[code],
                _SEED,
                ratings=RATINGS,
                forbidden=taboo[code],
            )
            lines = [document.text for document in made]
        inputs = _inputs(name)
        file = work_folder() / "text" / name
        files.write_text(file, "".join(f"{line}\n" for line in lines))
        # Last: a file that was cut short is not taken for the one that these inputs make.
        files.write_text(_note(name), f"{inputs}\n")


def _inputs(name: str) -> str:
    """Return a digest of all that a file of text is made from: grammar, test sets, sizes, code."""
    codes = LANGUAGES if name == _PARALLEL else (name.removesuffix(".txt"),)
    data = settings.current().data
    sources = [data / "grammar" / f"{part}.toml" for part in ("world", *sorted(codes))]
    for code in sorted(codes):
        sources += sorted((data / "corpus").glob(f"*/dev.{code}.jsonl"))
        sources += sorted((data / "corpus").glob(f"*/test.{code}.jsonl"))
    package = Path(__file__).parent
    sources += [f for part in ("corpus", "grammar") for f in sorted((package / part).glob("*.py"))]
    size = PARALLEL if name == _PARALLEL else DOCUMENTS[codes[0]]
    digest = hashlib.sha256(json.dumps([name, codes, size, RATINGS, _SEED]).encode())
    for source in sources:
        digest.update(f"{source.parent.name}/{source.name}\n".encode())
        if source.is_file():
            digest.update(source.read_bytes())
    return digest.hexdigest()


def _made_from(name: str) -> str:
    """Return the `_inputs` that a file of text was made from; `""` where there is none."""
    there = (work_folder() / "text" / name).is_file() and _note(name).is_file()
    return _note(name).read_text(encoding="utf-8").strip() if there else ""


def _note(name: str) -> Path:
    return work_folder() / "text" / f"{name}.made-from"


# ── weights ──────────────────────────────────────────────────────────────────────────────

# Weights begin wider than BERT's 0.02, which is meant for 768 units, and what a block adds to
# its input begins small. At 128 units both get the loss off the plateau at which a model has
# learned how frequent tokens are and nothing of their context.
_SPREAD = 0.05
_BLOCK_OUTPUT = 0.3
# The spread of aligned embeddings: words twice as large as the positions added to them.
_ALIGNED = 0.1


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
    with torch.random.fork_rng(devices=()):
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


def align_embeddings(model: Any, tokenizer: Any, groups: Parallels, seed: int) -> None:
    """Let the embeddings of words begin with their translations; those in no meaning stay."""
    import torch

    weights = model.get_input_embeddings().weight
    width = weights.shape[1]
    vectors, there = sentence_id_vectors(tokenizer, groups, width, seed)
    with torch.no_grad():
        chosen = torch.from_numpy(vectors[there]) * (_ALIGNED * width**0.5)
        weights[torch.from_numpy(there)] = chosen.to(weights.dtype)


def vocabulary(plan: Plan) -> Any:
    """Train and return the tokenizer of a plan."""
    # A vocabulary of equals: exponents are compared on models that share one.
    sample = tokenizers.smoothed_sample(texts(plan), _SAMPLE, 0.5, _SEED)
    train = tokenizers.train_wordpiece if plan.kind == "bert" else tokenizers.train_unigram
    return train(sample, plan.vocabulary)


def pretraining_step(plans: Sequence[Plan]) -> str:
    """Train every plan with every seed, as many at a time as there are threads.

    One thread each: two trainings side by side take less time than two threads on each in turn,
    and the weights do not depend on how many there are.
    """
    from tqdm.auto import tqdm

    text_step()  # first, and not by each process
    wanted = [plan.seeded(seed) for plan in plans for seed in range(plan.seeds)]
    here = settings.current()
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(here.threads, context) as pool:
        waiting = [pool.submit(_train_alone, plan, here.data) for plan in wanted]
        for done in tqdm(as_completed(waiting), total=len(wanted), unit="training", disable=None):
            done.result()
    return f"{len(wanted)} trainings of {len(plans)} models"


def _train_alone(plan: Plan, data: Path) -> None:
    """Train a plan in a process of its own; its checkpoint is what remains."""
    settings.use(data=data, threads=1, progress=False)
    train(plan)


def train(plan: Plan, threads: int = 1) -> tuple[Any, Any, History]:
    """Return model, tokenizer and history of a plan; an interrupted run goes on."""
    tokenizer = vocabulary(plan)
    model = fresh(plan, tokenizer)
    read, groups = texts(plan), parallel(plan)
    if plan.aligned and groups is not None:
        align_embeddings(model, tokenizer, groups, plan.recipe.seed)
    history = pretrain(
        model,
        tokenizer,
        read,
        plan.recipe,
        parallel=groups if plan.recipe.needs_parallel else None,
        folder=run_folder(plan.name, [_decides(plan), [read, groups]], model, tokenizer),
        progress=settings.current().progress,
        threads=threads,
    )
    return model, tokenizer, history


def _decides(plan: Plan) -> dict[str, Any]:
    """Return the part of a recipe that decides the weights."""
    recipe = asdict(plan.recipe)
    del recipe["checkpoint_every"]
    return recipe


def run_folder(name: str, how: Any, model: Any, tokenizer: Any) -> Path:
    """Return where a run keeps its checkpoint: elsewhere for all that makes it another run.

    `pretrain` refuses a checkpoint of another text or recipe, and knows nothing of the weights
    that a run started from. The build starts anew in both cases.

    Args:
        name: of a folder in `work_folder`.
        how: what decides the run but for model and tokenizer, as `json.dumps` takes it.
        model: with the weights that it starts from.
        tokenizer: the model's own.
    """
    digest = hashlib.sha256(json.dumps(how).encode())
    digest.update(tokenizer.backend_tokenizer.to_str().encode())
    for part, weight in model.state_dict().items():
        digest.update(part.encode())
        digest.update(weight.numpy().tobytes())
    return work_folder() / name / digest.hexdigest()[:16]


def model_step(plan: Plan) -> str:
    """Make `data/models/<name>/`; return one line on what was made."""
    model, tokenizer, history = train(plan)
    facts = _facts(plan, model, history)
    size = shipping.ship(model, tokenizer, plan.name, facts, origin=plan.origin, note=plan.says)
    return (
        f"{model.num_parameters():,} parameters, {size / 1e6:.1f} MB, "
        f"MLM loss {history.recent('mlm'):.2f}, {history.seconds:.0f} s of training"
    )


def _facts(plan: Plan, model: Any, history: History) -> dict[str, Any]:
    """Return what the card says and `hub` checks."""
    return {
        "vocabulary": model.config.vocab_size,
        "parameters": model.num_parameters(),
        "languages": list(plan.languages),
        "documents": documents(plan),
        "steps": plan.recipe.steps,
        "seed": plan.recipe.seed,
        "tokens": history.tokens,
        "seconds": round(history.seconds),
    }


__all__ = [
    "align_embeddings",
    "barred",
    "contributed_languages",
    "corpus_languages",
    "documents",
    "fresh",
    "model_step",
    "parallel",
    "pretraining_step",
    "run_folder",
    "text_step",
    "texts",
    "train",
    "vocabulary",
    "work_folder",
    "world_and_grammars",
]
