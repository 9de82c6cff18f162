"""Alignment by a game: a map against a discriminator, with no dictionary.

The method of Conneau et al. (2018, ICLR), section 2.1. Known to be unstable: whether a run
succeeds depends on the languages, the vectors and the seed (Søgaard, Ruder & Vulić, 2018,
ACL; Artetxe et al., 2018, ACL). Needs torch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xlhelpers.alignment.mapping import AlignmentError, Mapping, _check_dims, criterion
from xlhelpers.embeddings import WordVectors

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class Game:
    """How the game is played: the published rules, scaled down to seconds.

    Attributes:
        rounds: the map is scored after each; the best one is kept.
        steps: updates of the map in a round.
        discriminations: updates of the discriminator for each of the map.
        batch: words drawn from each side.
        hidden: units in each of the discriminator's two hidden layers.
        vocabulary: how many of the most frequent words take part.
        rate: learning rate of the discriminator at first.
        map_rate: learning rate of the map at first. The published one is that of the
            discriminator, 0.1; in a short game a map that slow never gets away from its start.
        decay: factor on both learning rates after each round.
        smoothing: how far the discriminator's labels are from 0 and 1.
        dropout: share of the discriminator's inputs that are hidden from it.
        pull: how strongly the map is pulled towards an orthogonal one (their beta).
    """

    rounds: int = 5
    steps: int = 300
    discriminations: int = 5
    batch: int = 64
    hidden: int = 128
    vocabulary: int = 3000
    rate: float = 0.1
    map_rate: float = 3.0
    decay: float = 0.95
    smoothing: float = 0.1
    dropout: float = 0.1
    pull: float = 0.01

    def __post_init__(self) -> None:
        for name in ("rounds", "steps", "discriminations", "batch", "hidden", "vocabulary"):
            if getattr(self, name) < 1:
                raise AlignmentError(f"{name} is {getattr(self, name)}", "choose 1 or more")
        for name in ("rate", "map_rate", "decay"):
            if not getattr(self, name) > 0:
                raise AlignmentError(f"{name} is {getattr(self, name)}", "choose more than 0")
        for name in ("smoothing", "dropout"):
            if not 0 <= getattr(self, name) < 0.5:
                raise AlignmentError(f"{name} is {getattr(self, name)}", "choose 0 to below 0.5")


def adversarial(
    source: WordVectors, target: WordVectors, game: Game | None = None, seed: int = 0
) -> Mapping:
    """Learn a map after which a discriminator cannot tell the two languages apart.

    Expect it to fail: on the course's vectors no setting that we tried led anywhere (the
    table of `benchmarks/adversarial_seeds.py`). In a few dimensions it finds rotations, large
    ones with some seeds and not with others.

    Args:
        source: vectors, rows of length 1 and centred (`normalised()`).
        target: likewise.
        game: how it is played.
        seed: of weights and draws; other seeds may succeed or fail.

    Returns:
        The map of the round with the best `criterion`, which is its `score`; follow with
        `refine`. `pairs` is 0.

    Raises:
        AlignmentError: dimensions that differ, or a game that broke off because its numbers
            grew without bound.
    """
    import torch

    game = game or Game()
    _check_dims(source, target)
    source, target = source.head(game.vocabulary), target.head(game.vocabulary)
    # Its own generator: the caller's random state is neither used nor moved.
    with _one_thread(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        players = _Players(source, target, game)
        best = _score(players.map, source, target)
        for _ in range(game.rounds):
            players.play(game.steps)
            if not torch.isfinite(players.map).all():
                raise AlignmentError(
                    "the map grew without bound", "choose a smaller map_rate or rate"
                )
            best = max(best, _score(players.map, source, target), key=lambda m: m.score)
    return best


@contextmanager
def _one_thread() -> Iterator[None]:
    """Keep torch to one thread: steps this small are slower with more, on a busy machine by far."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class _Players:
    """The map and its discriminator."""

    def __init__(self, source: WordVectors, target: WordVectors, game: Game) -> None:
        import torch

        # Components of about 1 instead of 1 / √d: with less, the first layer hardly learns.
        stretch = float(source.dim) ** 0.5
        self.game, self.decayed = game, 1.0
        self.x = torch.from_numpy(source.matrix) * stretch
        self.y = torch.from_numpy(target.matrix) * stretch
        self.map = torch.eye(source.dim, requires_grad=True)
        self.discriminator = torch.nn.Sequential(
            torch.nn.Dropout(game.dropout),
            torch.nn.Linear(source.dim, game.hidden),
            torch.nn.LeakyReLU(0.2),
            torch.nn.Linear(game.hidden, game.hidden),
            torch.nn.LeakyReLU(0.2),
            torch.nn.Linear(game.hidden, 1),
        )
        self.weights = list(self.discriminator.parameters())
        self.truth = torch.full((2 * game.batch,), game.smoothing)
        self.truth[: game.batch] = 1 - game.smoothing

    def play(self, steps: int) -> None:
        """One round: `steps` updates of the map, with the discriminator's between them."""
        import torch

        for _ in range(steps):
            self.discriminator.train()
            for _ in range(self.game.discriminations):
                loss = self._loss(self.map.detach(), self.truth)
                self._descend(loss, self.weights, self.game.rate)
            # The map plays against the whole discriminator, with nothing hidden from it.
            self.discriminator.eval()
            self._descend(self._loss(self.map, 1 - self.truth), [self.map], self.game.map_rate)
            with torch.no_grad():
                w, pull = self.map, self.game.pull
                w.copy_((1 + pull) * w - pull * (w @ w.T @ w))
        self.decayed *= self.game.decay

    def _loss(self, w: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
        """Cross-entropy of "is it a mapped source word?" on words drawn at random."""
        import torch

        size = (self.game.batch,)
        drawn_x = self.x[torch.randint(len(self.x), size)]
        drawn_y = self.y[torch.randint(len(self.y), size)]
        guess = self.discriminator(torch.cat([drawn_x @ w, drawn_y])).squeeze(1)
        return torch.nn.functional.binary_cross_entropy_with_logits(guess, truth)

    def _descend(self, loss: torch.Tensor, weights: Sequence[torch.Tensor], rate: float) -> None:
        """One step of plain gradient descent: as published, and cheaper than an optimiser."""
        import torch

        gradients = torch.autograd.grad(loss, weights)
        with torch.no_grad():
            for weight, gradient in zip(weights, gradients, strict=True):
                weight.sub_(gradient, alpha=rate * self.decayed)


def _score(w: torch.Tensor, source: WordVectors, target: WordVectors) -> Mapping:
    learned = w.detach().numpy().astype(np.float32, copy=True)
    trial = Mapping(learned, np.eye(len(learned), dtype=np.float32), 0)
    return Mapping(learned, trial.target, 0, criterion(*trial.apply(source, target)))
