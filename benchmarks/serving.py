"""Serving: texts a second, size and agreement of the ways to run one trained classifier.

    python benchmarks/serving.py --threads 1 --write
    python benchmarks/serving.py --parts speed --models base --threads 4

"base" has the dimensions of XLM-R base and random weights: good for speed and size, and for
nothing else. "mini" is the course's own classifier of sentence pairs, and "agreement" is of it;
"retention" is of a classifier of reviews and its students of two layers. The texts of "base" are
words of the course's corpus in twelve languages, drawn to lengths that are lognormal between 8
and 128 tokens with a mean near 34. Every contender reads the same texts in the same order and is
a process of its own; loading is not counted.

Answers are compared with those of `transformers.pipeline(list)`, row by row. `--write` puts the
tables between their marks in benchmarks/README.md; without it they are printed.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import _common
from _common import Contender

README = Path(__file__).with_name("README.md")
PARTS = ("speed", "size", "agreement", "retention")
LONGEST = 128
LABELS = ("entailment", "neutral", "contradiction")
# What a service of twelve languages keeps of XLM-R's vocabulary cannot be counted without its
# tokenizer: taken is the share that Abdaoui et al. (2020, SustaiNLP) keep of mBERT's for fifteen,
# whose model has 141 of 178 million parameters.
KEPT = 0.6

# Contender: what it says in the table, and which models it is run on.
BULK = {
    "pipeline": "transformers.pipeline(list)",
    "pipeline-32": "transformers.pipeline(list, batch_size=32)",
    "maximum": "batches of 32, padded to 128",
    "ours": "ours, torch",
    "ours-pruned": "ours, torch, vocabulary pruned",
    "ours-fp32": "ours, ONNX Runtime fp32",
    "ours-int8-linear": "ours, ONNX Runtime INT8, without embeddings",
    "ours-int8": "ours, ONNX Runtime INT8",
}
ONE = {
    "one": "one by one, torch",
    "one-pruned": "one by one, torch, vocabulary pruned",
    "one-fp32": "one by one, ONNX Runtime fp32",
    "one-int8-linear": "one by one, ONNX Runtime INT8, without embeddings",
    "one-int8": "one by one, ONNX Runtime INT8",
}


# ── models and texts, made once ──────────────────────────────────────────────────────────


def prepare(options: argparse.Namespace) -> None:
    """Make the folders of one model: torch, pruned, and three of ONNX; and the texts."""
    place = _place(options)
    if (place / "ready").exists():
        _common.report({"wall": 0.0, "cpu": 0.0})
        return
    from xlhelpers.serving import onnx
    from xlhelpers.serving._folders import write_vocabulary_size

    place.mkdir(parents=True, exist_ok=True)
    model, tokenizer, texts = _base(options) if options.model == "base" else _mini(options)
    (place / "texts.json").write_text(json.dumps(texts, ensure_ascii=False), "utf-8")
    if not (place / "torch").exists():
        model.save_pretrained(place / "torch")
        tokenizer.save_pretrained(place / "torch")
    if not (place / "pruned").exists():
        small, entries = _pruned(options, model, tokenizer)
        small.save_pretrained(place / "pruned")
        entries.save_pretrained(place / "pruned")
        write_vocabulary_size(place / "pruned", len(entries))
        del small
    if not (place / "fp32").exists():
        onnx.export(model, tokenizer, place / "fp32")
    del model
    for kind, tables in (("int8", True), ("int8-linear", False)):
        if not (place / kind).exists():
            onnx.quantise(place / "fp32", place / kind, embeddings=tables)
    (place / "ready").write_text("")
    _common.report({"wall": 0.0, "cpu": time.process_time()})


def _base(options: argparse.Namespace) -> tuple[Any, Any, list[Any]]:
    import torch
    from transformers import XLMRobertaConfig, XLMRobertaForSequenceClassification

    from xlhelpers import hub

    tokenizer = hub.tokenizer("XLM-R")
    sizes: dict[str, Any] = {"vocab_size": 250_002, "max_position_embeddings": 514}
    if options.tiny:
        sizes |= {"vocab_size": 20_000, "hidden_size": 64, "num_attention_heads": 4}
        sizes |= {"num_hidden_layers": 2, "intermediate_size": 128}
    names = dict(enumerate(LABELS))
    config = XLMRobertaConfig(**sizes, type_vocab_size=1, id2label=names, pad_token_id=1)
    config.label2id = {name: number for number, name in names.items()}
    torch.manual_seed(0)
    model = XLMRobertaForSequenceClassification(config).eval()
    # Served models have trained heads, and biases of exactly 0 tell that one is not.
    for layer in (model.classifier.dense, model.classifier.out_proj):
        torch.nn.init.normal_(layer.bias, std=0.02)
    return model, tokenizer, _drawn(tokenizer, options.texts)


def _drawn(tokenizer: Any, count: int) -> list[str]:
    """Texts of twelve languages in turn, of lengths drawn beforehand."""
    import numpy as np

    from xlhelpers import datasets

    rng = np.random.default_rng(0)
    lengths = np.clip(rng.lognormal(3.35, 0.62, count), 8, LONGEST).astype(int)
    codes = datasets.available("sentiment")
    words = {c: " ".join(datasets.sentiment(c, "train").texts[:400]) for c in codes}
    ids = {
        c: tokenizer(t, add_special_tokens=False, verbose=False).input_ids for c, t in words.items()
    }
    texts = []
    for number, length in enumerate(lengths.tolist()):
        pool = ids[codes[number % len(codes)]]
        start = int(rng.integers(0, len(pool) - length))
        # Decoded and cut again, a text may have a few tokens more or fewer.
        texts.append(tokenizer.decode(pool[start : start + length - 2]))
    return texts


def _mini(options: argparse.Namespace) -> tuple[Any, Any, list[Any]]:
    from xlhelpers import datasets, hub

    codes = datasets.available("nli")
    each = max(1, options.texts // len(codes))
    texts = [pair for code in codes for pair in datasets.nli(code, "test").pairs[:each]]
    return hub.model("NLI"), hub.tokenizer("NLI"), texts


def _pruned(options: argparse.Namespace, model: Any, tokenizer: Any) -> tuple[Any, Any]:
    from xlhelpers import datasets
    from xlhelpers.serving import pruning

    if options.model == "base":
        # The entries of the course's tokenizer, and as many more as are thought to be kept.
        rows = range(max(len(tokenizer), round(KEPT * model.config.vocab_size)))
        return pruning.pruned_model(model, list(rows), tokenizer), tokenizer
    codes = datasets.available("nli")
    served = {c: datasets.nli(c, "train").pairs + datasets.nli(c, "test").pairs for c in codes}
    made = pruning.prune(model, tokenizer, served)
    return made.model, made.tokenizer


def _place(options: argparse.Namespace) -> Path:
    return Path(options.folder / f"serving-{options.model}{'-tiny' if options.tiny else ''}")


# ── contenders ───────────────────────────────────────────────────────────────────────────


def contend(options: argparse.Namespace) -> None:
    """One contender, in its own process."""
    import numpy as np
    import torch

    torch.set_num_threads(options.threads)
    place = _place(options)
    texts = [
        t if isinstance(t, str) else tuple(t)
        for t in json.loads((place / "texts.json").read_text("utf-8"))
    ]
    way, _, kind = options.contender.partition("-")
    if way == "one":
        texts = texts[: options.one]
    ask = {"pipeline": _pipeline, "maximum": _maximum, "ours": _ours, "one": _one}[way](
        place, kind, options
    )
    ask(texts[:8])  # warm
    said, figures = _common.measured(lambda: ask(texts))
    labels, scores = zip(*said, strict=True)
    np.savez(place / f"said-{options.contender}.npz", labels=labels, scores=scores)
    _common.report({**figures, "texts": len(texts)})


Ask = Callable[[Sequence[Any]], list[tuple[str, float]]]


def _torch(place: Path) -> tuple[Any, Any]:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    model = AutoModelForSequenceClassification.from_pretrained(place / "torch")
    return model.float().eval(), AutoTokenizer.from_pretrained(place / "torch")


def _pipeline(place: Path, kind: str, options: argparse.Namespace) -> Ask:
    from transformers import pipeline

    model, tokenizer = _torch(place)
    made = pipeline("text-classification", model=model, tokenizer=tokenizer, device="cpu")
    how: dict[str, Any] = {"batch_size": int(kind)} if kind else {}

    def ask(texts: Sequence[Any]) -> list[tuple[str, float]]:
        given = [t if isinstance(t, str) else {"text": t[0], "text_pair": t[1]} for t in texts]
        found = made(given, truncation=True, max_length=LONGEST, **how)
        return [(one["label"], float(one["score"])) for one in found]

    return ask


def _maximum(place: Path, kind: str, options: argparse.Namespace) -> Ask:
    """What a server with fixed shapes does: 32 texts at a time, all filled up to the longest."""
    import torch

    model, tokenizer = _torch(place)

    def ask(texts: Sequence[Any]) -> list[tuple[str, float]]:
        found = []
        for start in range(0, len(texts), 32):
            part = texts[start : start + 32]
            sides = (
                (part,) if isinstance(part[0], str) else tuple(map(list, zip(*part, strict=True)))
            )
            batch = tokenizer(
                *sides,
                padding="max_length",
                truncation=True,
                max_length=LONGEST,
                return_tensors="pt",
            )
            with torch.inference_mode():
                scores, best = model(**batch).logits.softmax(-1).max(-1)
            names = [model.config.id2label[i] for i in best.tolist()]
            found += list(zip(names, scores.tolist(), strict=True))
        return found

    return ask


def _classifier(place: Path, kind: str, options: argparse.Namespace) -> Any:
    from xlhelpers import settings
    from xlhelpers.serving.classifier import MultilingualClassifier
    from xlhelpers.serving.onnx import OnnxBackend

    settings.use(threads=options.threads)
    if kind in ("", "pruned"):
        what: Any = place / (kind or "torch")
    else:
        what = OnnxBackend(place / kind, options.threads)
    return MultilingualClassifier.load(what, budget=options.budget)


def _ours(place: Path, kind: str, options: argparse.Namespace) -> Ask:
    served = _classifier(place, kind, options)
    return lambda texts: [(a.label, a.confidence) for a in served.classify(list(texts))]


def _one(place: Path, kind: str, options: argparse.Namespace) -> Ask:
    """A request at a time, as an online service without batching has them."""
    served = _classifier(place, kind, options)

    def ask(texts: Sequence[Any]) -> list[tuple[str, float]]:
        answers = [served.classify([text])[0] for text in texts]
        return [(answer.label, answer.confidence) for answer in answers]

    return ask


# ── tables ───────────────────────────────────────────────────────────────────────────────


def speed(options: argparse.Namespace, model: str, arguments: list[str]) -> str:
    """Two tables: all texts at once, and one by one."""
    prepared = Contender("prepare", "models", sys.executable, arguments, 1)
    _common.run_all(__file__, [prepared], options.threads)
    lines = []
    for group, title in ((BULK, "All texts at once"), (ONE, "One by one")):
        chosen = {n: t for n, t in group.items() if not options.only or n in options.only}
        contenders = [
            Contender(name, says, sys.executable, arguments, options.runs)
            for name, says in chosen.items()
        ]
        if not contenders:
            continue
        _common.run_all(__file__, contenders, options.threads)
        columns = {
            "texts a second": lambda c: f"{_rate(c, 'wall'):.1f}",
            "texts a CPU-second": lambda c: f"{_rate(c, 'cpu'):.1f}",
            "times the first, by the clock and by CPU": lambda c, o=contenders[0]: " and ".join(
                f"{_rate(c, clock) / _rate(o, clock):.2f}" for clock in ("wall", "cpu")
            ),
            "runs": lambda c: str(len(c.results)),
            "file": lambda c: f"{_file(options, model, c) / 1e6:.0f} MB",
            "peak memory": lambda c: f"{c.median('peak') / 1e9:.2f} GB",
            "same labels as the first": lambda c, o=contenders[0]: _same(options, model, c, o),
        }
        _keep(options, model, contenders)
        texts = int(contenders[0].median("texts"))
        lines += [f"**{title}, {_called(model, options)}, {texts} texts.**", ""]
        lines += [_markdown(contenders, columns), ""]
    return "\n".join(lines)


def _keep(options: argparse.Namespace, model: str, contenders: list[Contender]) -> None:
    """Keep every run beside the models, for whoever wants more than medians."""
    kept = options.folder / f"runs-{model}{'-tiny' if options.tiny else ''}.json"
    found = json.loads(kept.read_text("utf-8")) if kept.exists() else {}
    found |= {contender.name: contender.results for contender in contenders}
    kept.write_text(json.dumps(found, indent=1), "utf-8")


def _called(model: str, options: argparse.Namespace) -> str:
    if model == "mini":
        return "mini-infoxlm-nli"
    return "a tiny stand-in" if options.tiny else "XLM-R base dimensions, random weights"


def _rate(contender: Contender, clock: str) -> float:
    return contender.median("texts") / contender.median(clock)


def _file(options: argparse.Namespace, model: str, contender: Contender) -> int:
    way, _, kind = contender.name.partition("-")
    folder = options.folder / f"serving-{model}{'-tiny' if options.tiny else ''}"
    if way in ("pipeline", "maximum") or kind in ("", "pruned"):
        pruned = kind == "pruned"
        return int(
            (folder / ("pruned" if pruned else "torch") / "model.safetensors").stat().st_size
        )
    return sum(file.stat().st_size for file in (folder / kind).glob("model.onnx*"))


def _same(options: argparse.Namespace, model: str, contender: Contender, first: Contender) -> str:
    """How many labels agree with the first contender's, and how far probabilities are apart."""
    arguments = ["--model", model, "--folder", str(options.folder)]
    arguments += ["--tiny"] if options.tiny else []
    arguments += ["--compare", first.name, contender.name]
    one = Contender("compare", "comparison", sys.executable, arguments, 1)
    _common.run_all(__file__, [one], options.threads)
    found = one.results[0]
    return f"{found['same']} of {found['texts']} (probabilities within {found['apart']:.0e})"


def compare(options: argparse.Namespace) -> None:
    import numpy as np

    one, other = (np.load(_place(options) / f"said-{name}.npz") for name in options.compare)
    same = int((one["labels"] == other["labels"]).sum())
    apart = float(np.abs(one["scores"] - other["scores"]).max())
    _common.report({"wall": 0, "cpu": 0, "texts": len(one["labels"]), "same": same, "apart": apart})


def _markdown(contenders: list[Contender], columns: dict[str, Callable[[Contender], str]]) -> str:
    rows = [[c.title, *(column(c) for column in columns.values())] for c in contenders]
    return _lines(["", *columns], rows)


def _lines(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def size_table(options: argparse.Namespace) -> str:
    """Bytes of published configurations, counted; and of the files of the models above."""
    from xlhelpers.serving import size

    found = size.sizes()
    head = ["", "million parameters", "embeddings", *size.VARIANTS, "INT8 linear only", "INT8"]
    rows = [
        [
            str(name),
            f"{row['parameters'] / 1e6:.1f}",
            f"{100 * row['embeddings']:.0f} %",
            *(f"{row[variant]:.0f} MB" for variant in size.VARIANTS),
            f"{row['int8 linear, times']:.2f} times smaller",
            f"{row['int8, times']:.2f} times smaller",
        ]
        for name, row in found.iterrows()
    ]
    pairs = (("DistilmBERT", "mBERT"), ("DistilBERT, English", "BERT base, English"))
    said = [
        f"{a} has {100 * size.smaller(size.shape_of(a), size.shape_of(b)):.1f} % fewer "
        f"parameters than {b}."
        for a, b in pairs
    ]
    return _lines(head, rows) + "\n\n" + " ".join(said) + "\n"


def measure(options: argparse.Namespace) -> None:
    """Agreement or retention on the mini model, in a process of its own."""
    from xlhelpers import datasets, settings

    settings.use(threads=options.threads)
    load = datasets.nli if options.contender == "agreement" else datasets.sentiment
    task = "nli" if options.contender == "agreement" else "sentiment"
    tests = {code: load(code, "test") for code in datasets.available(task)}
    if options.rows:
        tests = {code: rows.subset(rows.ids[: options.rows]) for code, rows in tests.items()}
    work = _agreement if options.contender == "agreement" else _retention
    table, figures = _common.measured(lambda: work(options, tests))
    _common.report({**figures, "table": table})


def _agreement(options: argparse.Namespace, tests: dict[str, Any]) -> str:
    from xlhelpers.serving.comparison import agreement

    place = _place(options)
    kinds = {"torch": "", "pruned": "pruned", "ONNX fp32": "fp32", "INT8 linear": "int8-linear"}
    kinds["INT8"] = "int8"
    backends = {name: _classifier(place, kind, options) for name, kind in kinds.items()}
    found = agreement(backends, tests)
    first = next(iter(backends))
    with_first = found["one"] == first
    return "\n".join(map(_agreements, (found[with_first], found[~with_first])))


def _agreements(found: Any) -> str:
    """One table: a row a language, a column a pair of backends."""
    pairs = list(dict.fromkeys(zip(found["one"], found["other"], strict=True)))
    head = [
        "same label, % [95 %]; accuracy of the second less the first, points",
        "rows",
        *(f"{one}, {other}" for one, other in pairs),
    ]
    rows = []
    for code, part in found.groupby("language", sort=False):
        cells = [row for _, row in part.iterrows()]
        rows.append([str(code), str(cells[0]["rows"]), *map(_agreeing, cells)])
    return _lines(head, rows) + "\n"


def _agreeing(row: Any) -> str:
    same, low, high = (100 * row[name] for name in ("same", "low", "high"))
    points = [100 * row[name] for name in ("difference", "difference_low", "difference_high")]
    return (
        f"{same:.1f} [{low:.1f}, {high:.1f}]; {points[0]:+.1f} [{points[1]:+.1f}, {points[2]:+.1f}]"
    )


def _retention(options: argparse.Namespace, tests: dict[str, Any]) -> str:
    """Students of two layers: as cut out, and taught with and without unlabelled languages.

    The teacher is InfoXLM fine-tuned on English reviews, which transfers to most languages; the
    shipped classifier of pairs is near chance in half of them, and there is nothing to keep.
    """
    from xlhelpers import datasets, distillation, tokenization, transfer

    teacher, tokenizer = transfer.fine_tuned("sentiment")
    limit = options.rows or None
    english = datasets.sentiment("en", "train")
    rows = list(english.texts[:limit])
    labels: list[str | None] = list(english.labels[:limit])
    others = [c for c in tests if c != "en"]
    unlabelled = [t for c in others for t in datasets.sentiment(c, "train").texts[: limit or 800]]
    start = distillation.student_of(teacher)

    def taught(texts: list[Any], known: list[str | None]) -> Any:
        return distillation.distill(
            teacher, start, tokenizer, texts, known, epochs=options.epochs, progress=False
        ).model

    students = {
        "layers cut out, not taught": start,
        "taught on English": taught(rows, labels),
        "taught on English and unlabelled text": taught(
            [*rows, *unlabelled], [*labels, *[None] * len(unlabelled)]
        ),
    }
    counts = [sum(tokenization.parameters_by_part(m).values()) for m in (teacher, start)]
    lines = [
        f"Teacher {counts[0]:,} parameters, student {counts[1]:,}, "
        f"{100 * (1 - counts[1] / counts[0]):.0f} % fewer. Kept: share of the teacher's accuracy; "
        "above chance: of what it has beyond the most frequent class.",
    ]
    for name, student in students.items():
        found = distillation.retention(teacher, student, tokenizer, tests)
        head = [name, "teacher", "student", "kept, %", "above chance, %", "same answer, %"]
        lines += ["", _lines(head, [[str(c), *_kept(row)] for c, row in found.iterrows()])]
    return "\n".join(lines) + "\n"


def _kept(row: Any) -> list[str]:
    def bounds(name: str) -> str:
        if row[name] != row[name]:
            return "–"  # the teacher may be at chance
        return " [".join(f"{100 * row[n]:.0f}" for n in (name, f"{name}_low")) + (
            f", {100 * row[f'{name}_high']:.0f}]"
        )

    shares = [f"{100 * row[name]:.0f}" for name in ("teacher", "student")]
    return [*shares, bounds("kept"), bounds("above_chance"), f"{100 * row['agreement']:.0f}"]


# ── all together ─────────────────────────────────────────────────────────────────────────


def tables(options: argparse.Namespace) -> dict[str, str]:
    """Return the text of each part, by its mark."""
    found = {}
    for model in options.models:
        arguments = [
            "--model",
            model,
            "--folder",
            str(options.folder),
            "--texts",
            str(options.texts),
        ]
        arguments += ["--threads", str(options.threads), "--budget", str(options.budget)]
        arguments += ["--one", str(options.one), *(["--tiny"] if options.tiny else [])]
        if "speed" in options.parts:
            found[f"speed-{model}"] = speed(options, model, arguments)
    if "size" in options.parts:
        found["size"] = size_table(options)
    for part in ("agreement", "retention"):
        if part in options.parts:
            arguments = ["--model", "mini", "--folder", str(options.folder)]
            arguments += ["--threads", str(options.threads), "--rows", str(options.rows)]
            arguments += ["--epochs", str(options.epochs)]
            first = [Contender("prepare", "models", sys.executable, arguments, 1)]
            one = Contender(part, part, sys.executable, arguments, 1)
            _common.run_all(
                __file__, [*first, one] if part == "agreement" else [one], options.threads
            )
            found[part] = str(one.results[0]["table"])
    where = _common.machine(options.threads).partition(" Medians")[0] + " Medians."
    alike = ("size",)  # on every machine
    return {
        m: text.strip() if m in alike else f"{where}\n\n{text.strip()}" for m, text in found.items()
    }


def main() -> None:
    made = _common.parser(__doc__)
    made.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    made.add_argument("--models", nargs="+", choices=["base", "mini"], default=["base", "mini"])
    made.add_argument("--model", choices=["base", "mini"], help=argparse.SUPPRESS)
    made.add_argument("--texts", type=int, default=600, help="texts at once")
    made.add_argument("--one", type=int, default=200, help="texts one by one")
    made.add_argument("--rows", type=int, default=0, help="test rows a language; 0 for all")
    made.add_argument("--epochs", type=int, default=5, help="passes when a student is taught")
    made.add_argument("--budget", type=int, default=1024, help="tokens of a batch of ours")
    made.add_argument("--only", nargs="+", choices=[*BULK, *ONE], help="these contenders")
    made.add_argument("--tiny", action="store_true", help="a small stand-in for base, to try this")
    made.add_argument("--write", type=Path, nargs="?", const=README, help="Markdown file")
    made.add_argument("--compare", nargs=2, help=argparse.SUPPRESS)
    options = made.parse_args()
    if options.contender == "compare":
        compare(options)
    elif options.contender == "prepare":
        prepare(options)
    elif options.contender in ("agreement", "retention"):
        measure(options)
    elif options.contender:
        contend(options)
    else:
        options.folder.mkdir(parents=True, exist_ok=True)
        _common.publish(tables(options), options.write, "serving")


if __name__ == "__main__":
    main()
