"""What a multilingual encoder is trained on: masked tokens, and translations that find each other.

Plain functions of tensors, without a model or a tokenizer.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

from xlhelpers.errors import CourseError

# The label of a position that takes no part in the loss, as in transformers and in torch.
IGNORED = -100


class PretrainingError(CourseError, ValueError):
    """A model cannot be pretrained or measured as asked; the message says why and what to do."""


def mask_tokens(
    ids: Tensor,
    special_mask: Tensor,
    *,
    mask_id: int,
    vocab_size: int,
    probability: float = 0.15,
    generator: torch.Generator | None = None,
) -> tuple[Tensor, Tensor]:
    """Hide some tokens and return what the model sees and what it should answer.

    Each ordinary token is chosen with `probability`. Of the chosen, 80 % become the mask token,
    10 % a token drawn from the whole vocabulary, and 10 % stay (Devlin et al., 2019, NAACL).

    Args:
        ids: whole numbers of any shape, usually (b, t). Left as they are.
        special_mask: booleans of the same shape, True where nothing may be chosen: special
            tokens and padding.
        mask_id: number of the mask token.
        vocab_size: random tokens come from `0 … vocab_size - 1`.
        generator: source of randomness, on the CPU; torch's own when None.

    Returns:
        `inputs` and `labels`, shaped like `ids`. Labels are the hidden ids where a token was
        chosen (also where it stayed), and -100 elsewhere. With few tokens, none may be chosen.

    Raises:
        PretrainingError: shapes that differ, or a probability outside 0 … 1.
    """
    if ids.shape != special_mask.shape:
        raise PretrainingError(
            f"ids have shape {tuple(ids.shape)} and the mask {tuple(special_mask.shape)}",
            "give one True or False for each token",
        )
    if not 0 <= probability <= 1:
        raise PretrainingError(f"the probability is {probability}", "choose 0 … 1, such as 0.15")
    # Drawn on the CPU, so that a GPU masks the same tokens.
    chance = torch.rand((2, *ids.shape), generator=generator).to(ids.device)
    spare = torch.randint(vocab_size, ids.shape, generator=generator, dtype=ids.dtype)
    chosen = (chance[0] < probability) & ~special_mask
    labels = torch.where(chosen, ids, IGNORED)
    inputs = torch.where(chosen & (chance[1] < 0.8), mask_id, ids)
    inputs = torch.where(chosen & (chance[1] >= 0.9), spare.to(ids.device), inputs)
    return inputs, labels


def mlm_loss(logits: Tensor, labels: Tensor) -> Tensor | None:
    """Return the mean cross-entropy over the masked tokens, in nats, or None where there are none.

    The mean over no token would be NaN, and so would every mean of losses that it enters.

    Args:
        logits: (..., vocabulary).
        labels: (...) token numbers, -100 where nothing is asked.

    Raises:
        PretrainingError: shapes that do not fit.
    """
    if logits.shape[:-1] != labels.shape:
        raise PretrainingError(
            f"logits have shape {tuple(logits.shape)} and labels {tuple(labels.shape)}",
            "give one row of logits for each label",
        )
    if not bool((labels != IGNORED).any()):
        return None
    return functional.cross_entropy(
        logits.reshape(-1, logits.shape[-1]), labels.reshape(-1), ignore_index=IGNORED
    )


def translation_ranking_loss(
    source: Tensor, target: Tensor, *, scale: float = 20.0, margin: float = 0.0
) -> Tensor:
    """Return the loss of picking each sentence's translation among the others of the batch.

    Cross-entropy over `scale * cosine`, source to target plus target to source, with `margin`
    taken off the cosine of the true pair (Yang et al., 2019, IJCAI, additive margin; Feng et
    al., 2022, ACL, LaBSE, margin 0.3).

    Args:
        source: (n, d) sentence vectors, n at least 2; any length, they are normalised here.
        target: (n, d), row i the translation of row i of `source`. No other row may be one.
        scale: 1 / temperature.
        margin: in units of the cosine, 0 … 2.

    Returns:
        The sum of the two directions' means, in nats; `2 ln n` where the model cannot tell.

    Raises:
        PretrainingError: shapes that differ or fewer than two pairs.
    """
    if source.ndim != 2 or source.shape != target.shape or len(source) < 2:
        raise PretrainingError(
            f"sentence vectors have shapes {tuple(source.shape)} and {tuple(target.shape)}",
            "give two (n, d) tensors with at least two rows, row i of one the translation of "
            "row i of the other",
        )
    cosines = functional.normalize(source, dim=1) @ functional.normalize(target, dim=1).T
    taken_off = margin * torch.eye(len(source), dtype=cosines.dtype, device=cosines.device)
    logits = scale * (cosines - taken_off)
    gold = torch.arange(len(source), device=logits.device)
    return functional.cross_entropy(logits, gold) + functional.cross_entropy(logits.T, gold)


def sampling_probabilities(sizes: Mapping[str, float], alpha: float) -> dict[str, float]:
    """Return how often to draw from each language: `q_i = p_i**alpha / sum_j p_j**alpha`.

    `p_i` is the language's share of the text. With alpha 1 languages keep their shares, with 0
    all are drawn equally often; mBERT and XLM used 0.7, XLM-R 0.3 (Conneau & Lample, 2019,
    NeurIPS; Conneau et al., 2020, ACL).

    Args:
        sizes: amount of text by language, in any unit.

    Raises:
        PretrainingError: no language, a language without text, or an `alpha` below 0.
    """
    if not sizes:
        raise PretrainingError("there is no language to draw from", "give at least one")
    if not alpha >= 0:
        raise PretrainingError(f"alpha is {alpha}", "choose 0 (equal) … 1 (as the text is)")
    for lang, size in sizes.items():
        if not size > 0:
            raise PretrainingError(
                f"the language {lang!r} has no text (size {size})", "give it some or leave it out"
            )
    total = sum(sizes.values())
    weights = {lang: (size / total) ** alpha for lang, size in sizes.items()}
    norm = sum(weights.values())
    return {lang: weight / norm for lang, weight in weights.items()}
