"""A masked language model taken apart: the body, and the head for the asked tokens alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

from xlhelpers.encoding import mean_pool
from xlhelpers.pretraining.batches import Frame, Tokens, by_length, padded
from xlhelpers.pretraining.objectives import IGNORED, PretrainingError, mask_tokens, mlm_loss

# Tokens that sentences for ranking go through the model in: small parts pad less, each costs
# about 2 ms of its own.
PART = 768


class Encoder:
    """The two halves of a masked language model: the body and the head, used apart."""

    def __init__(self, model: Any, frame: Frame) -> None:
        self.model, self.frame = model, frame
        self.body = model.base_model
        head = getattr(model, "cls", None) or getattr(model, "lm_head", None)
        if head is None or self.body is model:
            raise PretrainingError(
                f"{type(model).__name__} has no head for masked tokens",
                "give a BertForMaskedLM or an XLMRobertaForMaskedLM",
            )
        self.head = head
        rows = model.get_input_embeddings().num_embeddings
        # Some checkpoints round their vocabulary up, to a multiple of 128 at most.
        if not 0 <= rows - frame.size < 128:
            raise PretrainingError(
                f"the model has {rows} vocabulary entries and the tokenizer {frame.size}",
                "take the tokenizer that the model was made with, or resize the model's embeddings",
            )
        self.segments = model.config.type_vocab_size > 1
        self.device = next(model.parameters()).device

    def room(self, wanted: int, pair: bool = False) -> int:
        """Return how many tokens of text fit into `wanted` positions, or the model's fewer."""
        positions = self.model.config.max_position_embeddings
        if getattr(self.body.embeddings, "padding_idx", None) is not None:
            # RoBERTa counts positions from behind that of the padding.
            positions -= self.body.embeddings.padding_idx + 1
        room = min(wanted, positions) - self.frame.around(0, pair)
        if room < 2:
            raise PretrainingError(
                f"{min(wanted, positions)} positions leave no room for text", "allow more"
            )
        return room

    def hidden(self, ids: Tensor, mask: Tensor, segments: Tensor | None = None) -> Tensor:
        """Return the last layer, (b, t, d)."""
        more = {}
        if segments is not None and self.segments:
            more["token_type_ids"] = segments.to(self.device)
        # Without padding the mask says nothing, and attention is faster without one.
        full = bool(mask.all())
        out: Tensor = self.body(
            input_ids=ids.to(self.device),
            attention_mask=None if full else mask.to(self.device),
            **more,
        ).last_hidden_state
        return out

    def masked_loss(
        self,
        ids: Tensor,
        mask: Tensor,
        segments: Tensor | None,
        probability: float,
        generator: torch.Generator,
    ) -> tuple[Tensor | None, int]:
        """Return the loss over masked tokens (None where there are none) and their number."""
        inputs, labels = mask_tokens(
            ids,
            self.frame.special[ids],
            mask_id=self.frame.mask,
            vocab_size=self.frame.size,
            probability=probability,
            generator=generator,
        )
        where = labels != IGNORED
        asked = int(where.sum())
        if not asked:
            return None, 0
        with self._only(where.to(self.device)):
            hidden = self.hidden(inputs, mask, segments)
        return mlm_loss(self.head(hidden[0]), labels[where].to(self.device)), asked

    @contextmanager
    def _only(self, where: Tensor) -> Iterator[None]:
        """Let the body return (1, n, d): the n positions that are True in `where`, (b, t).

        The others are needed up to the last attention and not behind it: its feed-forward part,
        and the head, which is as wide as the vocabulary, are computed for these alone. The former
        saves about a sixth of the time at four layers.
        """

        def pick(_: Any, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            return tuple(rows[where][None] for rows in inputs)

        hook = self.body.encoder.layer[-1].attention.output.register_forward_pre_hook(pick)
        try:
            yield
        finally:
            hook.remove()

    def sentence_vectors(self, rows: Sequence[Tokens]) -> Tensor:
        """Return (n, d): the mean of the last layer over each sentence's tokens.

        Special tokens count, padding does not. Sentences go through in parts of similar length.
        """
        lengths = np.fromiter(map(len, rows), dtype=np.int64, count=len(rows))
        parts = by_length(np.arange(len(rows)), lengths + self.frame.around(0), PART)
        vectors = []
        for part in parts:
            ids, mask = padded([rows[i] for i in part.tolist()], self.frame)
            vectors.append(mean_pool(self.hidden(ids, mask), mask.to(self.device)))
        back = torch.from_numpy(np.argsort(np.concatenate(parts)))
        return torch.cat(vectors)[back.to(self.device)]
