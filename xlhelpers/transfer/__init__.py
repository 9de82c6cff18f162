"""Cross-lingual transfer: protocols, strategies, and what may be said of their results.

Train in one language and test in others (`zero_shot`, `transfer_matrix`), add a few labels of
the target language (`few_shot`), compare by intervals (`Results`), and refuse test rows that
were trained on (`find_leaks`).
"""

from xlhelpers.transfer.leakage import Leak, LeakageError, LeakageWarning, find_leaks, normalised
from xlhelpers.transfer.learners import Checkpoint, Learner, Training, checkpoint, fine_tuned
from xlhelpers.transfer.protocols import (
    SHOTS,
    committed,
    evaluate,
    few_shot,
    transfer_matrix,
    zero_shot,
)
from xlhelpers.transfer.results import LabelsNeeded, Results, Run, labels_needed
from xlhelpers.transfer.strategies import STRATEGIES
from xlhelpers.transfer.tasks import TASKS, Task, TransferError, task

__all__ = [
    "SHOTS",
    "STRATEGIES",
    "TASKS",
    "Checkpoint",
    "LabelsNeeded",
    "Leak",
    "LeakageError",
    "LeakageWarning",
    "Learner",
    "Results",
    "Run",
    "Task",
    "Training",
    "TransferError",
    "checkpoint",
    "committed",
    "evaluate",
    "few_shot",
    "find_leaks",
    "fine_tuned",
    "labels_needed",
    "normalised",
    "task",
    "transfer_matrix",
    "zero_shot",
]
