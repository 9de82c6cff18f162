"""Fine-tune a classifier on a file of labelled texts, in one process or in many.

    python -m xlhelpers.train reviews.jsonl model --dev held_out.jsonl
    torchrun --nproc-per-node 4 -m xlhelpers.train reviews.jsonl model --dev held_out.jsonl

A line of a file is an object such as {"text": "The soup was cold.", "label": "negative"}. What is
written can be served: `xl.serving.MultilingualClassifier.load("model")`. `torchrun` and
`accelerate launch` start it once a processor; all train one model, and one writes it.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from xlhelpers.errors import CourseError


class TrainError(CourseError, ValueError):
    """A file of labelled texts cannot be read, or there is no place for the model."""


Texts = list[str] | list[tuple[str, str]]


def main(argv: Sequence[str]) -> int:
    """Train as the arguments say, write the model, and return 0."""
    from xlhelpers import finetuning, hub, settings

    options = _options(argv)
    # Before anything is computed, and in every process.
    folder = Path(options.folder)
    if settings.is_first_process():
        _require_place(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise TrainError(f"{folder} is there already", "name a new folder, or remove that one")
    texts, labels = read(Path(options.source), options.text, options.label)
    dev = None if options.dev is None else read(Path(options.dev), options.text, options.label)
    names = sorted(set(labels))
    fitted = finetuning.train_classifier(
        hub.model(options.model, "classification", new_head=True, num_labels=len(names)),
        hub.tokenizer(options.model),
        texts,
        labels,
        names=names,
        dev=dev,
        epochs=options.epochs,
        learning_rate=options.learning_rate,
        batch_size=options.batch_size,
        seed=options.seed,
        in_place=True,
    )
    if settings.is_first_process():
        _write(fitted, folder)
        print(_summary(fitted, len(texts), settings.processes()))
        print(f"written to {folder}")
    _leave()
    return 0


def read(path: Path, fields: Sequence[str], label: str) -> tuple[Texts, list[str]]:
    """Return the texts, or pairs of texts, and the labels of a file of JSON lines.

    Args:
        path: one object a line, UTF-8.
        fields: name of the text, or names of both of a pair.
        label: name of the label, a text or a whole number.

    Raises:
        TrainError: the file cannot be read, has no line, or a line is not as it should be; the
            message has its number and nothing of its text.
    """
    from xlhelpers.serving._service import SURROGATE

    try:
        # Not splitlines: a text may hold other ends of lines than the file's.
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise TrainError(
            f"{path} cannot be read ({type(error).__name__})", "give a file of JSON lines in UTF-8"
        ) from error
    rows = [_row(line, number, path.name) for number, line in enumerate(lines, 1) if line.strip()]
    if not rows:
        raise TrainError(f"{path} has no line", "give one labelled text a line")
    texts: list[Any] = []
    labels: list[str] = []
    for number, row in rows:
        sides = [row.get(name) for name in fields]
        said = row.get(label)
        if not all(isinstance(side, str) for side in sides):
            raise TrainError(
                f"{path.name}, line {number}: no text in {' or '.join(map(repr, fields))}",
                "name the fields with --text",
            )
        if isinstance(said, bool) or not isinstance(said, str | int):
            raise TrainError(
                f"{path.name}, line {number}: no label in {label!r}", "name the field with --label"
            )
        if any(SURROGATE.search(side) for side in (*sides, str(said))):
            raise TrainError(
                f"{path.name}, line {number}: half of a character (a lone surrogate)",
                "decode it from UTF-8 again",
            )
        texts.append(sides[0] if len(sides) == 1 else tuple(sides))
        labels.append(str(said))
    return texts, labels


def _row(line: str, number: int, name: str) -> tuple[int, dict[str, Any]]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        row = None
    if not isinstance(row, dict):
        raise TrainError(f"{name}, line {number}: no JSON object", "write one object a line")
    return number, row


def _require_place(folder: Path) -> None:
    """Raise unless a model can be written to a place, before hours go into one."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}.xl-", dir=folder.parent):
            pass
    except OSError as error:
        raise TrainError(
            f"nothing can be written to {folder.parent} ({error.strerror})", "name another folder"
        ) from error


def _write(fitted: Any, folder: Path) -> None:
    """Write what `MultilingualClassifier.load` reads: safetensors and the tokenizer."""
    from xlhelpers import hub
    from xlhelpers.serving._folders import new_folder, write_vocabulary_size

    with new_folder(folder) as place, hub.quiet():
        fitted.model.save_pretrained(place)
        fitted.tokenizer.save_pretrained(place)
        write_vocabulary_size(place, len(fitted.tokenizer))


def _summary(fitted: Any, rows: int, processes: int) -> str:
    said = f"{rows} texts, {processes} process{'es' * (processes > 1)}, {fitted.seconds:.0f} s"
    if fitted.best is None:
        return said
    return f"{said}; {fitted.metric} {fitted.best:.3f} held out, after epoch {fitted.best_epoch:g}"


def _leave() -> None:
    """Say goodbye to the other processes, where there are others."""
    import torch.distributed as dist

    if dist.is_available() and dist.is_initialized():
        dist.destroy_process_group()


def _options(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m xlhelpers.train", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("source", help="JSON lines to train on")
    parser.add_argument("folder", help="where the model goes; must be new")
    parser.add_argument("--dev", help="JSON lines to choose the best epoch by")
    parser.add_argument("--model", default="XLM-R", help="a role, a hub id or a folder")
    parser.add_argument(
        "--text", nargs="+", default=["text"], metavar="FIELD", help="one name, or two for pairs"
    )
    parser.add_argument("--label", default="label", metavar="FIELD")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=32, help="of all processes together")
    parser.add_argument("--learning-rate", type=float)
    parser.add_argument("--seed", type=int)
    options = parser.parse_args(list(argv))
    if len(options.text) > 2:
        parser.error("--text takes one name, or two for pairs")
    return options


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except CourseError as error:
        print(error, file=sys.stderr)
        sys.exit(1)
