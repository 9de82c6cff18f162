"""One training in several processes, on one machine or many, each with its part of every batch.

`torchrun` and `accelerate launch` start the same program several times. `Trainer` by itself then
takes as many times larger batches, loses the common order of the rows when dropout has drawn
differently in each process, repeats rows to fill the last batch, and gives the best checkpoint
to the first process only. Here every step takes the batch that one process would take and
divides its rows; each part's loss counts by its labels; gradients are averaged (torch's
DistributedDataParallel; Li et al., 2020, PVLDB). The number of processes changes how long it
takes, and, what dropout draws and rounding apart, not what comes out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch.utils.data import DataLoader, Sampler

# What a batch carries besides what the model reads: how many labels its loss stands for.
COUNTED = "xl_counted"

Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Processes:
    """This process among those that train together.

    Every method but `is_first` has to be called by all of them, in the same order.

    Attributes:
        rank: its number, from 0.
        count: how many there are, 2 or more.
        device: where it computes.
    """

    rank: int
    count: int
    device: torch.device

    @property
    def is_first(self) -> bool:
        """Whether this is the process that shows, writes and decides."""
        return self.rank == 0

    def of_first(self, values: Sequence[float]) -> list[float]:
        """Return the numbers that the first process has, as many as here."""
        told = torch.tensor(values, dtype=torch.float64, device=self.device)
        dist.broadcast(told, src=0)
        return list(told.tolist())

    def mean(self, value: torch.Tensor) -> torch.Tensor:
        """Return the mean of a number over the processes."""
        total = value.detach().clone()
        dist.all_reduce(total)
        return total / self.count

    def weight(self, counted: torch.Tensor) -> torch.Tensor:
        """Return what a part's mean loss has to be multiplied by.

        The mean over the processes of what comes out is the mean over all labels.

        Args:
            counted: labels of this part.
        """
        return counted / self.mean(counted.float())

    def copy_first(self, model: torch.nn.Module) -> None:
        """Give a model the weights that it has in the first process."""
        with torch.no_grad():
            for tensor in model.state_dict().values():
                dist.broadcast(tensor, src=0)

    def loader(
        self,
        rows: Rows,
        order: Sampler[int],
        size: int,
        collate: Callable[[Any], Any],
        ignored: int,
    ) -> DataLoader[Any]:
        """Return what yields this process's part of every batch.

        Args:
            rows: n examples with `labels`.
            order: yields the numbers of the rows; the first process's order is everybody's.
            size: rows of a batch, of all processes together.
            collate: makes a padded batch of rows.
            ignored: the label that no loss is of.
        """
        # Where a batch has fewer rows than there are processes, one has to read something too.
        spare: dict[str, Any] = dict(rows[0])
        everything = [*rows, spare]

        def counted(part: list[Any]) -> Any:
            batch = collate(part)
            labels = int((batch["labels"] != ignored).sum())
            batch[COUNTED] = torch.tensor(0 if part[0] is spare else labels)
            return batch

        parts = _Parts(self, order, len(rows), size)
        return DataLoader(everything, batch_sampler=parts, collate_fn=counted)  # type: ignore[arg-type]


class _Parts(Sampler[list[int]]):
    """The numbers of the rows of one process, batch by batch."""

    def __init__(self, processes: Processes, order: Sampler[int], rows: int, size: int) -> None:
        self.processes, self.order, self.rows, self.size = processes, order, rows, size

    def __len__(self) -> int:
        return math.ceil(self.rows / self.size)

    def __iter__(self) -> Iterator[list[int]]:
        order = [int(number) for number in self.processes.of_first(list(self.order))]
        for start in range(0, self.rows, self.size):
            batch = order[start : start + self.size]
            yield batch[self.processes.rank :: self.processes.count] or [self.rows]


def of_training(arguments: Any) -> Processes | None:
    """Return the processes of a `TrainingArguments`; None where there is this one only."""
    if arguments.world_size < 2:
        return None
    return Processes(int(arguments.process_index), int(arguments.world_size), arguments.device)
