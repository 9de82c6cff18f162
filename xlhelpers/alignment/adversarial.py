"""Alignment by a game: a map against a discriminator, with no dictionary.

The method of Conneau et al. (2018, ICLR), section 2.1. Known to be unstable: whether a run
succeeds depends on the languages, the vectors and the seed (Søgaard, Ruder & Vulić, 2018,
ACL; Artetxe et al., 2018, ACL). Needs torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xlhelpers.alignment.mapping import Mapping, _check_dims, criterion
from xlhelpers.embeddings import WordVectors

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class Game:
    """How the game is played; defaults as published, but for its length and width.

    Attributes:
        rounds: the map is scored after each; the best one is kept.
        steps: updates of the map in a round.
        discriminations: updates of the discriminator for each of the map.
        batch: words drawn from each side.
        hidden: units in each of the discriminator's two hidden layers.
        vocabulary: how many of the most frequent words take part.
        rate: learning rate of both players at first.
        decay: factor on the learning rate after each round.
        smoothing: how far the discriminator's labels are from 0 and 1.
        pull: how strongly the map is pulled towards an orthogonal one (their beta).
    """

    rounds: int = 5
    steps: int = 1000
    discriminations: int = 5
    batch: int = 32
    hidden: int = 512
    vocabulary: int = 3000
    rate: float = 0.1
    decay: float = 0.95
    smoothing: float = 0.1
    pull: float = 0.01


def adversarial(
    source: WordVectors, target: WordVectors, game: Game | None = None, seed: int = 0
) -> Mapping:
    """Learn a map that a discriminator cannot tell from the truth.

    Args:
        source: vectors, rows of length 1 and centred (`normalised()`).
        target: likewise.
        game: how it is played.
        seed: of weights and draws; other seeds may succeed or fail.

    Returns:
        The map of the round with the best `criterion`, which is its `score`; follow with
        `refine`. `pairs` is 0.

    Raises:
        AlignmentError: dimensions that differ.
    """
    import torch

    game = game or Game()
    _check_dims(source, target)
    source, target = source.head(game.vocabulary), target.head(game.vocabulary)
    # Its own generator: the caller's random state is neither used nor moved.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        players = _Players(source, target, game)
        best = _score(players.map, source, target)
        for _ in range(game.rounds):
            players.play(game.steps)
            best = max(best, _score(players.map, source, target), key=lambda m: m.score)
    return best


class _Players:
    """The map and its discriminator."""

    def __init__(self, source: WordVectors, target: WordVectors, game: Game) -> None:
        import torch

        self.game, self.rate = game, game.rate
        self.x, self.y = torch.from_numpy(source.matrix), torch.from_numpy(target.matrix)
        self.map = torch.eye(source.dim, requires_grad=True)
        self.discriminator = torch.nn.Sequential(
            torch.nn.Dropout(0.1),
            torch.nn.Linear(source.dim, game.hidden),
            torch.nn.LeakyReLU(0.2),
            torch.nn.Linear(game.hidden, game.hidden),
            torch.nn.LeakyReLU(0.2),
            torch.nn.Linear(game.hidden, 1),
        )

    def play(self, steps: int) -> None:
        """One round: `steps` updates of the map, with the discriminator's between them."""
        import torch

        for _ in range(steps):
            for _ in range(self.game.discriminations):
                self._update(self.discriminator.parameters(), fool=False)
            self._update([self.map], fool=True)
            with torch.no_grad():
                w, pull = self.map, self.game.pull
                w.copy_((1 + pull) * w - pull * (w @ w.T @ w))
        self.rate *= self.game.decay

    def _update(self, parameters: object, fool: bool) -> None:
        import torch

        weights = list(parameters)  # type: ignore[call-overload]
        loss = self._loss(fool)
        with torch.no_grad():
            for weight, gradient in zip(weights, torch.autograd.grad(loss, weights), strict=True):
                weight -= self.rate * gradient

    def _loss(self, fool: bool) -> torch.Tensor:
        """Cross-entropy of "is it a mapped source word?"; reversed when the map plays."""
        import torch

        size = self.game.batch
        drawn_x = self.x[torch.randint(len(self.x), (size,))]
        drawn_y = self.y[torch.randint(len(self.y), (size,))]
        w = self.map if fool else self.map.detach()
        guess = self.discriminator(torch.cat([drawn_x @ w, drawn_y])).squeeze(1)
        truth = torch.full((2 * size,), self.game.smoothing)
        truth[:size] = 1 - self.game.smoothing
        if fool:
            truth = 1 - truth
        return torch.nn.functional.binary_cross_entropy_with_logits(guess, truth)


def _score(w: torch.Tensor, source: WordVectors, target: WordVectors) -> Mapping:
    learned = w.detach().numpy().astype(np.float32, copy=True)
    trial = Mapping(learned, np.eye(len(learned), dtype=np.float32), 0)
    return Mapping(learned, trial.target, 0, criterion(*trial.apply(source, target)))
