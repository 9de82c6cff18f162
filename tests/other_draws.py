"""`XL_TEST_SEED=N`: the whole suite with other draws and in another order.

Tests and library draw from fixed seeds, so that a failure can be repeated; but a test that holds
for one draw only tests the draw. With the variable set, every seed that a test or the library
gives to `random`, numpy or torch becomes another one that N and the seed decide, and modules and
the tests in each run in an order that N decides. Without it nothing here is used.

What is compared with committed files to the last bit keeps its seeds: `@pytest.mark.pinned(why)`.
Not reached: processes of their own (kernels, `course.py`), and `torch.default_generator`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch

_STEP = 1_000_003  # a prime: seeds that tests choose, 0 to some hundreds, do not meet again


class OtherDraws:
    """A pytest plugin that turns every seed into another one, and shuffles the tests."""

    def __init__(self, number: int) -> None:
        """`number`: from 1; which other draws."""
        if number < 1:
            raise pytest.UsageError("XL_TEST_SEED is a whole number from 1")
        self.number = number
        self.active = True
        self.replaced: list[tuple[Any, str, Any]] = []

    def other(self, seed: Any) -> Any:
        """The seed in the place of `seed`; what is no seed, or a bad one, stays."""
        if not self.active or seed is None:
            return seed
        if isinstance(seed, str):
            return f"{seed} {self.number}"
        if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
            return seed
        return (int(seed) + self.number * _STEP) % (2**32 if seed < 2**32 else 2**63)

    def several(self, seed: Any) -> Any:
        """As `other`, for numpy's new generators, which take a row of numbers as well."""
        if isinstance(seed, list | tuple | np.ndarray):
            return [self.other(int(number)) for number in seed]
        return self.other(seed)

    def install(self) -> None:
        """Put seeding functions of our own in the place of the libraries'."""
        other, several = self.other, self.several

        class Random(random.Random):
            def seed(self, a: Any = None, version: int = 2) -> None:
                super().seed(other(a), version)

        class RandomState(np.random.RandomState):
            def __init__(self, seed: Any = None) -> None:
                super().__init__(other(seed))

        class SeedSequence(np.random.SeedSequence):
            def __init__(self, entropy: Any = None, **more: Any) -> None:
                super().__init__(several(entropy), **more)

        class Generator(torch.Generator):
            def manual_seed(self, seed: int) -> torch.Generator:
                return super().manual_seed(other(seed))

        self._replace(random, "seed", _first_argument(random.seed, other))
        self._replace(np.random, "default_rng", _first_argument(np.random.default_rng, several))
        self._replace(np.random, "seed", _first_argument(np.random.seed, other))
        self._replace(torch, "manual_seed", _first_argument(torch.manual_seed, other))
        for module, new in (
            (random, Random),
            (np.random, RandomState),
            (np.random, SeedSequence),
            (torch, Generator),
        ):
            self._replace(module, new.__name__, new)

    def _replace(self, module: Any, name: str, new: Any) -> None:
        self.replaced.append((module, name, getattr(module, name)))
        setattr(module, name, new)

    @contextmanager
    def at_rest(self) -> Iterator[None]:
        """The seeds as they are written, for a block."""
        before, self.active = self.active, False
        try:
            yield
        finally:
            self.active = before

    @pytest.hookimpl
    def pytest_report_header(self) -> str:
        """Say it above the run."""
        return f"other draws and another order: XL_TEST_SEED={self.number}"

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Shuffle the modules, and the tests within each; fixtures of a module serve it once."""
        with self.at_rest():
            rng = random.Random(self.number)
        modules: dict[Any, list[pytest.Item]] = {}
        for item in items:
            modules.setdefault(item.path, []).append(item)
        groups: list[Sequence[pytest.Item]] = list(modules.values())
        rng.shuffle(groups)
        items[:] = [item for group in groups for item in rng.sample(group, len(group))]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """A pinned test keeps its seeds, in the fixtures that are made for it too."""
        if item.get_closest_marker("pinned") is None:
            return (yield)  # type: ignore[return-value]
        with self.at_rest():
            return (yield)  # type: ignore[return-value]

    def pytest_unconfigure(self) -> None:
        """Give the libraries back what is theirs."""
        while self.replaced:
            module, name, old = self.replaced.pop()
            setattr(module, name, old)


def _first_argument(function: Callable[..., Any], change: Callable[[Any], Any]) -> Any:
    """`function` whose first argument, `seed` by name, goes through `change`."""

    def changed(*arguments: Any, **named: Any) -> Any:
        if arguments:
            return function(change(arguments[0]), *arguments[1:], **named)
        return function(**{name: change(value) for name, value in named.items()})

    return changed
