"""Pretraining an encoder on text of many languages, with or without translations."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from xlhelpers import settings
from xlhelpers.pretraining import batches, checkpoint
from xlhelpers.pretraining.batches import Corpus, Frame, TokenTexts
from xlhelpers.pretraining.encoder import Encoder
from xlhelpers.pretraining.objectives import PretrainingError, translation_ranking_loss
from xlhelpers.pretraining.parallel import Parallel, Parallels, cut_sentences
from xlhelpers.pretraining.recipe import NONE, History, Recipe

Callback = Callable[[int, History], None]


def pretrain(
    model: Any,
    tokenizer: Any,
    texts: Mapping[str, Sequence[str]],
    recipe: Recipe,
    *,
    parallel: Parallels | None = None,
    folder: Path | None = None,
    progress: bool = True,
    threads: int | None = None,
    callback: Callback | None = None,
) -> History:
    """Train a masked language model on text of several languages, in place.

    The same arguments give the same weights, bit by bit, on the same machine with the same
    number of threads; so does a run that was interrupted and called again with its `folder`.
    The global random numbers of torch are left as they were. The model ends in evaluation mode.

    Args:
        model: `BertForMaskedLM` or `XLMRobertaForMaskedLM`; changed in place.
        tokenizer: the fast tokenizer whose vocabulary it has.
        texts: documents by language.
        parallel: meanings, each a mapping from language to sentence, for `recipe.tlm` and
            `recipe.ranking`; or a list of lists of similar meanings, see `ranking_group`.
        folder: keeps `checkpoint.pt`; a run found there goes on. A finished one is restored.
        progress: a bar on stderr, where that is a terminal or a notebook.
        threads: of the CPU; the settings' when None.
        callback: called after every step with the number of steps done.

    Raises:
        PretrainingError: text or model that cannot be trained on, a checkpoint that is damaged
            or of another run, or a loss that is no longer a number.
    """
    run = _Run.of(model, tokenizer, texts, recipe, parallel)
    with _threads(threads), torch.random.fork_rng():
        run.train(None if folder is None else Path(folder), progress, callback)
    return run.history


def heldout_loss(
    model: Any,
    tokenizer: Any,
    texts: Mapping[str, Sequence[str]],
    seed: int = 0,
    *,
    mask_probability: float = 0.15,
    tokens_per_batch: int = 4096,
    max_length: int = 128,
) -> dict[str, float]:
    """Return each language's mean cross-entropy of masked tokens, in nats a token.

    Masked as in training. The masks depend on the seed, the tokenizer and the texts alone, so
    two models with one tokenizer are asked the same; with another tokenizer the numbers cannot
    be compared. NaN for a language in which no token was masked.

    Raises:
        PretrainingError: no text, or model and tokenizer that do not belong together.
    """
    encoder = Encoder(model, Frame.of(tokenizer))
    longest = encoder.room(max_length)
    out = {}
    was_training = model.training
    model.eval()
    with torch.inference_mode():
        for lang in texts:
            corpus = Corpus.of(tokenizer, {lang: texts[lang]}, 1.0, longest)
            lengths = encoder.frame.around(0) + corpus.texts.lengths
            generator = torch.Generator().manual_seed(batches.torch_seed(seed, batches.MASK))
            total, count = 0.0, 0
            for rows in batches.by_length(np.arange(len(corpus.texts)), lengths, tokens_per_batch):
                ids, mask = batches.padded([corpus.texts[i] for i in rows], encoder.frame)
                loss, asked = encoder.masked_loss(ids, mask, None, mask_probability, generator)
                if loss is not None:
                    total, count = total + float(loss) * asked, count + asked
            out[lang] = total / count if count else NONE
    model.train(was_training)
    return out


# ── the loop ─────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True, eq=False)
class _Run:
    """One pretraining: what it reads, what it changes, what it has seen."""

    recipe: Recipe
    encoder: Encoder
    corpus: Corpus
    parallel: Parallel | None
    joinable: TokenTexts | None
    fingerprint: str
    optimizer: torch.optim.Optimizer
    history: History

    @classmethod
    def of(
        cls,
        model: Any,
        tokenizer: Any,
        texts: Mapping[str, Sequence[str]],
        recipe: Recipe,
        parallel: Parallels | None,
    ) -> _Run:
        model.to(settings.device())
        encoder = Encoder(model, Frame.of(tokenizer))
        corpus = Corpus.of(tokenizer, texts, recipe.alpha, encoder.room(recipe.max_length))
        pairs, joinable = None, None
        if recipe.needs_parallel:
            if not parallel:
                raise PretrainingError(
                    "the recipe asks for translations and there are no parallel rows",
                    "give parallel=, or set tlm and ranking to 0",
                )
            pairs = Parallel.of(tokenizer, parallel, recipe.pivot, recipe.pair_alpha)
            cut = cut_sentences(pairs.sentences, encoder.room(recipe.max_length))
            pairs = dataclasses.replace(pairs, sentences=cut)
            joinable = cut
            if recipe.tlm:
                half = encoder.room(2 * recipe.max_length, pair=True) // 2
                joinable = cut_sentences(cut, half)
        return cls(
            recipe=recipe,
            encoder=encoder,
            corpus=corpus,
            parallel=pairs,
            joinable=joinable,
            fingerprint=_fingerprint(model, recipe, corpus, pairs),
            optimizer=_optimizer(model, recipe),
            history=History(drawn=dict.fromkeys(corpus.languages, 0)),
        )

    def train(self, folder: Path | None, progress: bool, callback: Callback | None) -> None:
        from tqdm.auto import tqdm

        if folder is not None:
            self._restore(folder)
        recipe, done = self.recipe, len(self.history)
        stream = batches.text_batches(
            self.corpus, recipe.tokens_per_batch, self.encoder.frame.around(0), recipe.seed
        )
        # What an uninterrupted run would have drawn by now is drawn again and put aside.
        for step in range(done):
            if self._reads_text(step):
                next(stream)
        bar = tqdm(
            total=recipe.steps, initial=done, disable=None if progress else True, unit="step"
        )
        try:
            for step in range(done, recipe.steps):
                began = time.perf_counter()
                self._step(step, stream)
                self.history.seconds += time.perf_counter() - began
                if folder is not None and self._is_time(step + 1):
                    self._save(folder)
                bar.update()
                if step % 20 == 0:
                    bar.set_postfix_str(self._summary(), refresh=False)
                if callback is not None:
                    callback(step + 1, self.history)
        finally:
            bar.close()
            self.encoder.model.eval()

    def _step(self, step: int, stream: Iterator[batches.Ints]) -> None:
        recipe, model = self.recipe, self.encoder.model
        model.train()
        torch.manual_seed(batches.torch_seed(recipe.seed, batches.DROPOUT, step))
        for group in self.optimizer.param_groups:
            group["lr"] = recipe.rate(step)
        self.optimizer.zero_grad(set_to_none=True)
        losses = {"mlm": NONE, "tlm": NONE, "ranking": NONE}
        if self._ranks(step):
            self._learn(losses, "ranking", self._ranking(step), recipe.ranking_weight)
        if self._translates(step):
            self._learn(losses, "tlm", self._tlm(step))
        elif self._reads_text(step):
            self._learn(losses, "mlm", self._mlm(step, next(stream)))
        if not all(math.isnan(loss) for loss in losses.values()):
            torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.clip)
            self.optimizer.step()
        for name, loss in losses.items():
            getattr(self.history, name).append(loss)

    def _learn(
        self, losses: dict[str, float], name: str, loss: Tensor | None, weight: float = 1.0
    ) -> None:
        if loss is None:
            self.history.skipped += 1
            return
        losses[name] = float(loss.detach())
        if not math.isfinite(losses[name]):
            raise PretrainingError(
                f"the {name} loss is {losses[name]} at step {len(self.history)}",
                "lower the learning rate; the last checkpoint is from before",
            )
        # Each loss goes back on its own, so that only one batch is in memory.
        (weight * loss).backward()

    # Which batches a step has follows from the seed and the step alone.

    def _ranks(self, step: int) -> bool:
        return self._chance(step, 0) < self.recipe.ranking and (
            step >= self.recipe.ranking_from * self.recipe.steps
        )

    def _translates(self, step: int) -> bool:
        if self._ranks(step) and not self.recipe.ranking_joint:
            return False
        return self._chance(step, 1) < self.recipe.tlm and (
            step >= self.recipe.tlm_from * self.recipe.steps
        )

    def _reads_text(self, step: int) -> bool:
        if self._ranks(step) and not self.recipe.ranking_joint:
            return False
        return not self._translates(step)

    def _chance(self, step: int, which: int) -> float:
        if not self.recipe.needs_parallel:
            return 1.0
        return float(batches.rng(self.recipe.seed, batches.CHOICE, step).random(2)[which])

    def _generator(self, step: int) -> torch.Generator:
        seed = batches.torch_seed(self.recipe.seed, batches.MASK, step)
        return torch.Generator().manual_seed(seed)

    def _mlm(self, step: int, rows: batches.Ints) -> Tensor | None:
        ids, mask = batches.padded([self.corpus.texts[i] for i in rows], self.encoder.frame)
        counts = self.corpus.language_counts(rows).tolist()
        for lang, count in zip(self.corpus.languages, counts, strict=True):
            self.history.drawn[lang] += count
        return self._masked(step, ids, mask, None)

    def _tlm(self, step: int) -> Tensor | None:
        assert self.parallel is not None and self.joinable is not None
        draw = batches.rng(self.recipe.seed, batches.PAIRS, 1, step)
        sentences, frame = self.joinable, self.encoder.frame
        budget = self.recipe.tokens_per_batch
        wanted = 8 * max(1, budget // frame.around(2 * _mean(sentences), pair=True))
        pairs = self.parallel.draw(draw, wanted, mixed=True)
        lengths = frame.around(0, pair=True) + sentences.lengths[pairs].sum(axis=1)
        # Several batches are drawn and one is taken, so that its rows are equally long.
        options = batches.by_length(np.arange(len(pairs)), lengths, budget)
        chosen = pairs[options[draw.integers(len(options))]].tolist()
        rows = [(sentences[a], sentences[b]) for a, b in chosen]
        return self._masked(step, *batches.joined_pairs(rows, frame))

    def _masked(
        self, step: int, ids: Tensor, mask: Tensor, segments: Tensor | None
    ) -> Tensor | None:
        self.history.tokens += int(mask.sum())
        loss, _ = self.encoder.masked_loss(
            ids, mask, segments, self.recipe.mask_probability, self._generator(step)
        )
        return loss

    def _ranking(self, step: int) -> Tensor | None:
        assert self.parallel is not None
        recipe = self.recipe
        draw = batches.rng(recipe.seed, batches.PAIRS, 0, step)
        pairs = self.parallel.draw(
            draw, recipe.ranking_batch, mixed=recipe.ranking_mixed, group=recipe.ranking_group
        )
        if len(pairs) < 2:
            return None
        rows = [self.parallel.sentences[i] for i in pairs.T.ravel().tolist()]
        self.history.tokens += sum(map(len, rows)) + len(rows) * self.encoder.frame.around(0)
        source, target = self.encoder.sentence_vectors(rows).chunk(2)
        return translation_ranking_loss(
            source, target, scale=recipe.ranking_scale, margin=recipe.ranking_margin
        )

    # Checkpoints.

    def _is_time(self, done: int) -> bool:
        return done % self.recipe.checkpoint_every == 0 or done == self.recipe.steps

    def _save(self, folder: Path) -> None:
        content = {
            "fingerprint": self.fingerprint,
            "model": self.encoder.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "history": dataclasses.asdict(self.history),
        }
        checkpoint.save(folder, content)

    def _restore(self, folder: Path) -> None:
        content = checkpoint.load(folder, self.fingerprint)
        if content is not None:
            self.encoder.model.load_state_dict(content["model"])
            self.optimizer.load_state_dict(content["optimizer"])
            self.history = History(**content["history"])

    def _summary(self) -> str:
        means = {name: self.history.recent(name) for name in ("mlm", "tlm", "ranking")}
        return ", ".join(f"{k} {v:.2f}" for k, v in means.items() if not math.isnan(v))


def _mean(texts: TokenTexts) -> int:
    return math.ceil(len(texts.ids) / len(texts))


def _optimizer(model: Any, recipe: Recipe) -> torch.optim.Optimizer:
    weights = [p for p in model.parameters() if p.requires_grad]
    # Where some rows of a matrix stay (`adaptation.train_only`), decay would change them.
    decayed = [p for p in weights if p.ndim >= 2 and not getattr(p, "xl_no_decay", False)]
    others = {id(p) for p in weights} - {id(p) for p in decayed}
    groups = [
        {"params": decayed, "weight_decay": recipe.weight_decay},
        {"params": [p for p in weights if id(p) in others], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        groups, lr=recipe.learning_rate, betas=(0.9, 0.98), eps=1e-6, fused=True
    )


def _fingerprint(model: Any, recipe: Recipe, corpus: Corpus, parallel: Parallel | None) -> str:
    """Return a digest of all that a run depends on, the weights it starts from excepted.

    Those have changed once a run is under way, and `pretrain` is called with fresh ones.
    """
    fields = dataclasses.asdict(recipe)
    # How often a run is saved changes nothing in it.
    del fields["checkpoint_every"]
    shapes = {name: list(value.shape) for name, value in model.state_dict().items()}
    digest = hashlib.sha256(json.dumps([fields, shapes, corpus.languages]).encode())
    for array in (corpus.texts.ids, corpus.texts.starts, corpus.offsets):
        digest.update(array.tobytes())
    if parallel is not None:
        digest.update(json.dumps(parallel.languages).encode())
        for array in (parallel.sentences.ids, parallel.sentences.starts, parallel.table):
            digest.update(array.tobytes())
        digest.update(parallel.group.tobytes())
    return digest.hexdigest()


@contextmanager
def _threads(wanted: int | None) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(settings.current().threads if wanted is None else wanted)
    try:
        yield
    finally:
        torch.set_num_threads(before)
