"""Two processes train what one would: the same rows in every step, one model, one file."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from several_processes import BATCH, EPOCHS, ROWS, outcomes

from xlhelpers import _processes, datasets, finetuning, hub, serving, settings, train
from xlhelpers.transfer import store

# What rounding may change: probabilities and losses of float32 (4e-7 where this was written).
CLOSE = 1e-5
STEPS = -(-ROWS // BATCH)


def launched(root: Path, cache: Path, launcher: list[str], *program: str) -> str:
    """Run a program in two processes on this machine; what they print."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    environ = os.environ | {
        "PYTHONPATH": str(root),
        "XL_CACHE": str(cache),
        "XL_DEVICE": "cpu",
        "XL_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }
    if sys.platform in LOOPBACK:
        environ["GLOO_SOCKET_IFNAME"] = LOOPBACK[sys.platform]
    lines, environs = [[sys.executable, "-m", *launcher, port, *program]], [environ]
    if sys.platform == "win32":
        # torch's launcher does not run there (pytorch/pytorch#148283): what it would do.
        shared = environ | {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        environs = [shared | {"RANK": rank, "LOCAL_RANK": rank} for rank in ("0", "1")]
        lines = [[sys.executable, *program]] * 2
    how: dict[str, Any] = {"cwd": root, "stdout": -1, "stderr": -1, "text": True}
    started = [
        subprocess.Popen(line, env=own, **how) for line, own in zip(lines, environs, strict=True)
    ]
    try:
        told = [one.communicate(timeout=300) for one in started]
    finally:
        for one in started:
            one.kill()
    assert not any(one.returncode for one in started), told
    return "".join(out for out, _ in told)


LOOPBACK = {"linux": "lo", "darwin": "lo0"}
TORCHRUN = (
    "torch.distributed.run --nproc-per-node 2 --master-addr 127.0.0.1 --master-port"
).split()
# It takes `--multi_gpu` to have several processes, on a CPU too: `--cpu` starts one without MPI.
ACCELERATE = (
    "accelerate.commands.launch --multi_gpu --num_machines 1 --num_processes 2 "
    "--mixed_precision no --dynamo_backend no --main_process_ip 127.0.0.1 --main_process_port"
).split()


def flat(rows: list[Any]) -> Any:
    return np.concatenate([np.ravel(row) for row in rows])


@pytest.mark.pinned("compared with processes of its own, which draw as they always do")
def test_torchrun_divides_the_rows_and_gives_what_one_process_gives(
    root: Path, tmp_path: Path, own_settings: None
) -> None:
    script = root / "tests" / "unit" / "several_processes.py"
    launched(root, tmp_path, TORCHRUN, str(script), str(tmp_path))
    first, second = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in (0, 1))
    settings.use(device="cpu", threads=1)
    alone = outcomes()
    for kind in ("exact", "dropout", "tagger"):
        assert first[kind]["weights"] == second[kind]["weights"]
        assert first[kind]["losses"] == second[kind]["losses"]
    for kind in ("exact", "tagger"):
        for key in ("said", "losses"):
            assert flat(first[kind][key]) == pytest.approx(flat(alone[kind][key]), abs=CLOSE), kind
        assert first[kind]["best"] == second[kind]["best"] == pytest.approx(alone[kind]["best"])
    assert first["exact"]["epochs"] == second["exact"]["epochs"]
    assert first["exact"]["best"][1] < EPOCHS  # so that a process without it would be found out
    for kind in ("exact", "dropout"):
        read = [one[kind]["read"] for one in (first, second)]
        assert [len(batches) for batches in read] == [EPOCHS * STEPS] * 2
        for epoch in range(EPOCHS):
            steps = range(epoch * STEPS, (epoch + 1) * STEPS)
            parts = [[batches[step] for step in steps] for batches in read]
            # The last batch has one row: the second process reads one that does not count.
            assert len(parts[1].pop()) == 1
            rows = [sum(part, []) for part in parts]
            assert [len(part) for part in rows] == [9, 8]
            assert sorted(sum(rows, [])) == list(range(ROWS))
    # The same batches as one process has, each divided.
    for step in range(STEPS - 1):
        both = first["exact"]["read"][step] + second["exact"]["read"][step]
        assert sorted(both) == sorted(alone["exact"]["read"][step])
    # What dropout draws is each process's own.
    assert (first["dropout"]["seeds"], second["dropout"]["seeds"]) == ([3], [4])


def test_accelerate_trains_from_a_file_and_one_process_writes(root: Path, tmp_path: Path) -> None:
    rows = datasets.sentiment("en", "train")
    for name, part in (("train", slice(0, 40)), ("dev", slice(40, 60))):
        lines = [
            json.dumps({"text": text, "label": label}) + "\n"
            for text, label in zip(rows.texts[part], rows.labels[part], strict=True)
        ]
        (tmp_path / f"{name}.jsonl").write_text("".join(lines), encoding="utf-8")
    made = tmp_path / "made"
    program = ["-m", "xlhelpers.train", str(tmp_path / "train.jsonl"), str(made)]
    said = launched(
        root, tmp_path, ACCELERATE, *program, "--dev", str(tmp_path / "dev.jsonl"),
        "--epochs", "1", "--batch-size", "10",
    )  # fmt: skip
    assert said.count("written to") == said.count("40 texts, 2 processes") == 1
    assert "macro_f1" in said and "after epoch 1" in said
    served = serving.MultilingualClassifier.load(made)
    assert served.names == ("negative", "neutral", "positive")
    assert len(served.classify(list(rows.texts[:3]))) == 3
    assert not list(made.glob("*.bin")) and not list(tmp_path.glob(".made*"))


def test_what_a_launcher_says_of_processes() -> None:
    assert settings.processes({}) == settings.processes({"WORLD_SIZE": "x"}) == 1
    assert settings.processes({"WORLD_SIZE": "4"}) == 4
    assert settings.is_first_process({}) and settings.is_first_process({"RANK": "3"})
    assert settings.is_first_process({"WORLD_SIZE": "2", "RANK": "0"})
    assert not settings.is_first_process({"WORLD_SIZE": "2", "RANK": "1"})
    alone, one = (
        settings.from_environment(environ)
        for environ in ({}, {"WORLD_SIZE": "64", "LOCAL_WORLD_SIZE": "64", "RANK": "1"})
    )
    assert alone.progress and not one.progress
    assert alone.threads >= 1 == one.threads


def test_one_bad_loss_stops_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Here it is another process's; one that went on alone would wait for it for ever."""

    class Beside(_processes.Processes):
        def of_first(self, values: Sequence[float]) -> list[float]:
            return list(values)

        def weight(self, counted: torch.Tensor) -> torch.Tensor:
            return torch.tensor(1.0)

        def mean(self, value: torch.Tensor) -> torch.Tensor:
            return value * float("nan")

    beside = Beside(0, 2, torch.device("cpu"))
    monkeypatch.setattr(_processes, "of_training", lambda arguments: beside)
    model = hub.model("XLM-R", "classification", new_head=True, num_labels=2)
    with pytest.raises(finetuning.FineTuningError, match="the loss is nan"):
        finetuning.train_classifier(model, hub.tokenizer("XLM-R"), ["a", "b"], ["x", "y"])


def test_bars_are_shown_by_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[bool | None] = []

    def tqdm(*, disable: bool | None, **_: Any) -> None:
        shown.append(disable)

    monkeypatch.setattr("tqdm.auto.tqdm", tqdm)
    for environ in ({}, {"WORLD_SIZE": "2", "RANK": "0"}, {"WORLD_SIZE": "2", "RANK": "1"}):
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        finetuning._bar(True).on_train_begin(None, SimpleNamespace(max_steps=3), None)
    assert shown == [None, None, True]  # None: where someone can see it


def test_nothing_is_kept_where_processes_train_together(
    tmp_path: Path, own_settings: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.use(cache=tmp_path, reuse=True)
    store.write("ab12", {"alone": 1})
    monkeypatch.setenv("WORLD_SIZE", "2")
    store.write("cd34", {"together": 1})
    assert store.read("ab12") is None
    monkeypatch.delenv("WORLD_SIZE")
    assert store.read("ab12") == {"alone": 1} and store.read("cd34") is None


def test_files_of_labelled_texts(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(
        '\ufeff{"text": "line\u2028end", "label": "a"}\r\n\n{"text": "b", "label": 2}\n',
        encoding="utf-8",
    )
    assert train.read(path, ["text"], "label") == (["line\u2028end", "b"], ["a", "2"])
    path.write_text('{"p": "x", "h": "y", "gold": "a"}', encoding="utf-8")
    assert train.read(path, ["p", "h"], "gold") == ([("x", "y")], ["a"])
    for content, message in (
        ("", "no line"),
        ("secret", "line 1: no JSON object"),
        ("\n[1]", "line 2: no JSON object"),
        ('{"label": "a"}', "no text in 'text'"),
        ('{"text": ["secret"], "label": "a"}', "no text in 'text'"),
        ('{"text": "secret", "label": true}', "no label in 'label'"),
        ('\n{"text": "secret \\ud800 b", "label": "x"}', "line 2: half of a character"),
        ('{"text": "secret", "label": "\\udfff"}', "line 1: half of a character"),
    ):
        path.write_text(content, encoding="utf-8")
        with pytest.raises(train.TrainError, match=message) as found:
            train.read(path, ["text"], "label")
        assert "secret" not in str(found.value)
    path.write_bytes(b"\xff\xfe\xff")
    for gone in (path, tmp_path / "none"):
        with pytest.raises(train.TrainError, match="cannot be read"):
            train.read(gone, ["text"], "label")
    with pytest.raises(train.TrainError, match="there already"):
        train.main([str(path), str(tmp_path)])


@pytest.mark.parametrize("name", ["file/model", "file/deeper/model", "x" * 255])
def test_a_place_that_cannot_be_written_is_told_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(finetuning, "train_classifier", None)
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "rows.jsonl").write_text('{"text": "a", "label": "x"}\n' * 2)
    with pytest.raises(train.TrainError, match="nothing can be written to") as found:
        train.main([str(tmp_path / "rows.jsonl"), str(tmp_path / name)])
    assert found.value.remedy == "name another folder"
    assert {path.name for path in tmp_path.iterdir()} == {"file", "rows.jsonl"}
