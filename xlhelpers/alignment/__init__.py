"""Aligning two vector spaces and finding translations in them."""

from __future__ import annotations

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

__all__ = [
    "Hubness",
    "Neighbours",
    "cosine_knn",
    "csls_knn",
    "csls_matrix",
    "hubness",
    "mutual_nearest",
    "neighbourhood_mean",
]
