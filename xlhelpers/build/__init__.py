"""Remake what `data/` derives from public text: `python3 course.py build`.

Not imported by notebooks. Needs the `[build]` extra (pysword, jieba) and the source
texts, which are downloaded, or read from the folders that `XL_SOURCES` names.
"""

from __future__ import annotations

from xlhelpers.build.pipeline import main

__all__ = ["main"]
