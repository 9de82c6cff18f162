"""Remake what `data/` derives: `python3 course.py build`.

Word vectors come from public text, corpus and mini models from the grammar. Not imported by
notebooks. The vectors need the `[build]` extra (pysword, jieba) and the source texts, which are
downloaded, or read from the folders that `XL_SOURCES` names.
"""

from __future__ import annotations

from xlhelpers.build.pipeline import main

__all__ = ["main"]
