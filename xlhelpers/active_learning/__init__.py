"""Which rows to label next, what that brings, and how people's labels are kept and compared.

`select` picks rows of a pool (by chance, by uncertainty, by diversity), `simulate` measures what
each way brings where the labels are known already, `AnnotationLog` keeps labels of several
people as they are given, and `cohens_kappa` says how far they agree beyond chance.
"""

from xlhelpers.active_learning.agreement import Agreement, agree, cohens_kappa
from xlhelpers.active_learning.annotation import (
    GOLD,
    AnnotationLog,
    DamagedLogWarning,
    Item,
    items_of,
    tags_of,
)
from xlhelpers.active_learning.selection import (
    STRATEGIES,
    ActiveLearningError,
    k_centre,
    select,
    uncertainty,
)
from xlhelpers.active_learning.simulation import BUDGETS, simulate

__all__ = [
    "BUDGETS",
    "GOLD",
    "STRATEGIES",
    "ActiveLearningError",
    "Agreement",
    "AnnotationLog",
    "DamagedLogWarning",
    "Item",
    "agree",
    "cohens_kappa",
    "items_of",
    "k_centre",
    "select",
    "simulate",
    "tags_of",
    "uncertainty",
]
