"""Aligning two vector spaces and finding translations in them.

Convention of the whole package: vectors are ROWS, and a map `w` is used as `x @ w`.
"""

from __future__ import annotations

from xlhelpers.alignment.adversarial import Game, adversarial
from xlhelpers.alignment.evaluation import Evaluation, Score, bootstrap, evaluate, learning_curve
from xlhelpers.alignment.isomorphism import relational_similarity
from xlhelpers.alignment.mapping import (
    AlignmentError,
    Mapping,
    criterion,
    fit,
    least_squares,
    pair_rows,
    procrustes,
    refine,
    reweighted,
    supervised,
)
from xlhelpers.alignment.retrieval import (
    Hubness,
    Neighbours,
    cosine_knn,
    csls_knn,
    csls_matrix,
    hubness,
    mutual_nearest,
    neighbourhood_mean,
)
from xlhelpers.alignment.selflearning import (
    Schedule,
    agreement,
    attempts,
    identical_words,
    self_learning,
    similarity_profiles,
)

__all__ = [
    "AlignmentError",
    "Evaluation",
    "Game",
    "Hubness",
    "Mapping",
    "Neighbours",
    "Schedule",
    "Score",
    "adversarial",
    "agreement",
    "attempts",
    "bootstrap",
    "cosine_knn",
    "criterion",
    "csls_knn",
    "csls_matrix",
    "evaluate",
    "fit",
    "hubness",
    "identical_words",
    "learning_curve",
    "least_squares",
    "mutual_nearest",
    "neighbourhood_mean",
    "pair_rows",
    "procrustes",
    "refine",
    "relational_similarity",
    "reweighted",
    "self_learning",
    "similarity_profiles",
    "supervised",
]
