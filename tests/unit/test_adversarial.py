"""The adversarial game on spaces whose true map is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from xlhelpers.alignment.adversarial import Game, _Players, adversarial
from xlhelpers.alignment.mapping import AlignmentError, Mapping
from xlhelpers.embeddings import WordVectors

DIM, N = 6, 1000
# Two updates of the discriminator for one of the map, not five: as sure here, in half the time.
SHORT = Game(rounds=4, steps=150, discriminations=2, batch=128, hidden=64)


def turned(angle: float, seed: int) -> tuple[WordVectors, WordVectors]:
    """A clustered cloud in 6 dimensions, and the same one turned by an angle in 3 planes."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(12, DIM)) * np.linspace(1.5, 0.5, DIM)
    members = rng.choice(12, N, p=rng.dirichlet(np.ones(12)))
    cloud = centres[members] + 0.3 * rng.normal(size=(N, DIM))
    source = WordVectors([f"w{i}" for i in range(N)], cloud).normalised()
    planes = np.kron(
        np.eye(DIM // 2), [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    )
    basis = np.linalg.qr(rng.normal(size=(DIM, DIM)))[0]
    target = WordVectors(source.words, source.matrix @ (basis @ planes @ basis.T))
    return source, target


def right(learned: Mapping, source: WordVectors, target: WordVectors) -> float:
    moved, still = learned.apply(source, target)
    return float(np.mean((moved.matrix @ still.matrix.T).argmax(axis=1) == np.arange(N)))


@pytest.mark.parametrize("seed", [0, 1])
def test_a_rotation_is_found_without_a_single_pair(seed: int) -> None:
    source, target = turned(0.8, seed)
    still = np.eye(DIM, dtype=np.float32)
    assert right(Mapping(still, still, 0), source, target) < 0.05
    learned = adversarial(source, target, SHORT, seed)
    # Most words: it starts with fewer than one in twenty; where it ends depends on the draw.
    assert right(learned, source, target) > 0.7
    assert learned.score > 0.7
    # Nearly orthogonal: a map that shrinks or merges two axes is 0.5 off or more.
    np.testing.assert_allclose(learned.source @ learned.source.T, np.eye(DIM), atol=0.3)


def test_without_the_players_meeting_nothing_is_found() -> None:
    source, target = turned(0.8, 0)
    lazy = replace(SHORT, map_rate=1e-9)
    assert right(adversarial(source, target, lazy, 0), source, target) < 0.05


def test_the_start_is_returned_when_no_round_beats_it() -> None:
    source, _ = turned(0.5, 0)
    learned = adversarial(source, source, Game(rounds=1, steps=1), 0)
    np.testing.assert_array_equal(learned.source, np.eye(DIM))
    assert learned.pairs == 0 and learned.score > 0.99


def test_one_seed_gives_one_result_and_leaves_the_callers_alone() -> None:
    source, target = turned(0.8, 0)
    game = Game(rounds=1, steps=20)
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    first = adversarial(source, target, game, seed=3)
    assert torch.rand(1) == expected
    np.testing.assert_array_equal(first.source, adversarial(source, target, game, 3).source)
    assert not np.array_equal(first.source, adversarial(source, target, game, 4).source)


def test_the_map_is_pulled_towards_an_orthogonal_one() -> None:
    source, target = turned(0.8, 0)
    players = _Players(source, target, Game(map_rate=1e-9, pull=0.1))
    with torch.no_grad():
        players.map.mul_(1.3)
    players.play(60)
    np.testing.assert_allclose(players.map.detach().numpy(), np.eye(DIM), atol=1e-3)


def test_both_sides_of_the_loss() -> None:
    source, target = turned(0.8, 0)
    players = _Players(source, target, Game(batch=3, smoothing=0.2))
    assert players.truth.tolist() == pytest.approx([0.8] * 3 + [0.2] * 3)
    players.discriminator = torch.nn.Sequential(torch.nn.Linear(DIM, 1))
    torch.nn.init.zeros_(players.discriminator[0].weight)
    torch.nn.init.constant_(players.discriminator[0].bias, 2.0)  # "source", says 88 %
    loss = float(players._loss(players.map.detach(), players.truth).detach())
    share = 1 / (1 + np.exp(-2.0))
    sure = np.log(share), np.log(1 - share)
    expected = -(0.8 * sure[0] + 0.2 * sure[1] + 0.2 * sure[0] + 0.8 * sure[1]) / 2
    assert loss == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("field", "value"),
    [("steps", 0), ("batch", 0), ("rate", 0), ("map_rate", -1), ("dropout", 1), ("smoothing", 0.5)],
)
def test_games_that_cannot_be_played_are_refused(field: str, value: float) -> None:
    with pytest.raises(AlignmentError, match=f"{field} is"):
        Game(**{field: value})


def test_a_map_that_explodes_is_reported() -> None:
    source, target = turned(0.8, 0)
    with pytest.raises(AlignmentError, match="grew without bound"):
        adversarial(source, target, Game(rounds=1, steps=60, map_rate=1e6), 0)


def test_dimensions_that_differ() -> None:
    source, _ = turned(0.5, 0)
    with pytest.raises(AlignmentError, match="6 components and the target 2"):
        adversarial(source, WordVectors(["a", "b"], np.eye(2)), SHORT)


def test_few_words() -> None:
    rng = np.random.default_rng(0)
    few = WordVectors(["a", "b", "c"], rng.normal(size=(3, 4))).normalised()
    learned = adversarial(few, few, Game(rounds=1, steps=5))
    assert np.isfinite(learned.source).all()


def test_torch_keeps_its_number_of_threads() -> None:
    source, target = turned(0.8, 0)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        adversarial(source, target, Game(rounds=1, steps=1), 0)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
