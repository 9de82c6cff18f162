"""ONNX: the same answers on any shape, 8 bits and what they cost, altered files refused."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from xlhelpers import datasets, hub
from xlhelpers.serving import onnx as served
from xlhelpers.serving import size
from xlhelpers.serving._errors import ServingError
from xlhelpers.serving.backends import Backend, TorchBackend
from xlhelpers.serving.classifier import MultilingualClassifier
from xlhelpers.serving.comparison import agreement
from xlhelpers.serving.ner import MultilingualNER

LANGUAGES = ("en", "de", "zh", "ar")


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def nli() -> tuple[Any, Any]:
    return hub.model("NLI"), hub.tokenizer("NLI")


@pytest.fixture(scope="module")
def folders(nli: tuple[Any, Any], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The shipped classifier, exported, in 8 bits, and in 8 bits but for its embeddings."""
    place = tmp_path_factory.mktemp("onnx")
    made = {kind: place / kind.replace(" ", "-") for kind in served.KINDS}
    served.export(*nli, made["fp32"])
    served.quantise(made["fp32"], made["int8"])
    served.quantise(made["fp32"], made["int8 linear"], embeddings=False)
    return made


@pytest.fixture(scope="module")
def backends(nli: tuple[Any, Any], folders: dict[str, Path]) -> dict[str, Any]:
    made = {kind: served.OnnxBackend(folder, threads=1) for kind, folder in folders.items()}
    return {"torch": TorchBackend(*nli, "classification"), **made}


@pytest.fixture(scope="module")
def tables() -> dict[str, Any]:
    found = {code: datasets.nli(code, "test") for code in LANGUAGES}
    return {code: rows.subset(rows.ids[:120]) for code, rows in found.items()}


def some_rows(tokenizer: Any, lengths: list[int], seed: int = 0) -> list[dict[str, list[int]]]:
    rng = np.random.default_rng(seed)
    return [{"input_ids": rng.integers(4, len(tokenizer) - 1, n).tolist()} for n in lengths]


# ── parity ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("lengths", [[1], [2, 1], [128], [5] * 33, [128, 3, 77], [40, 128, 1, 9]])
def test_same_logits_on_any_shape(backends: dict[str, Any], lengths: list[int]) -> None:
    rows = some_rows(backends["torch"].tokenizer, lengths)
    one, other = (backends[name].logits(rows) for name in ("torch", "fp32"))
    assert one.shape == other.shape == (len(lengths), 3) and other.dtype == np.float32
    np.testing.assert_allclose(one, other, rtol=0, atol=1e-4)


def test_padding_does_not_change_an_answer(backends: dict[str, Any]) -> None:
    rows = some_rows(backends["fp32"].tokenizer, [6, 60])
    together = backends["fp32"].logits(rows)
    alone = np.concatenate([backends["fp32"].logits([row]) for row in rows])
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-4)


def test_a_classifier_does_not_notice(backends: dict[str, Any], tables: dict[str, Any]) -> None:
    """The same call, the same answers: long texts in windows and pairs included."""
    texts = [*tables["de"].pairs, ("Ein Mann isst. " * 90, "Jemand isst.")]
    one, other = (
        MultilingualClassifier.load(backends[name]).classify(texts) for name in ("torch", "fp32")
    )
    assert [a.label for a in one] == [a.label for a in other]
    assert [(a.tokens, a.windows) for a in one] == [(a.tokens, a.windows) for a in other]
    assert other[-1].windows > 1
    np.testing.assert_allclose(
        [a.confidence for a in one], [a.confidence for a in other], rtol=0, atol=1e-4
    )
    assert {a.model_hash for a in other} == {backends["fp32"].model_hash}
    json.dumps([answer.json() for answer in other])


def test_it_says_what_it_is(backends: dict[str, Any], folders: dict[str, Path]) -> None:
    torch_backend = backends["torch"]
    for kind, name in served.KINDS.items():
        made = backends[kind]
        assert isinstance(made, Backend) and made.name == name and made.kind == kind
        assert made.names == torch_backend.names and made.limit == torch_backend.limit == 128
        assert made.memory_bytes == (folders[kind] / served.MODEL).stat().st_size
        assert len(made.model_hash) == 64
    assert len({backend.model_hash for backend in backends.values()}) == 4


def test_taggers_and_segments(tmp_path: Path) -> None:
    """BERT, which tells two texts apart by segments; logits for each token."""
    model, tokenizer = _bert_tagger()
    made = served.export(model, tokenizer, tmp_path / "ner", task="tagging")
    assert made.difference < 1e-4
    one, other = TorchBackend(model, tokenizer, "tagging"), served.OnnxBackend(tmp_path / "ner")
    assert other.task == "tagging" and other.names == ("O", "B-PER", "I-PER")
    rows = some_rows(tokenizer, [9, 4])
    for row in rows:
        row["token_type_ids"] = [0, 0, *[1] * (len(row["input_ids"]) - 2)]
    right, found = one.logits(rows), other.logits(rows)
    assert right.shape == found.shape == (2, 9, 3)
    np.testing.assert_allclose(right[0], found[0], rtol=0, atol=1e-4)
    np.testing.assert_allclose(right[1, :4], found[1, :4], rtol=0, atol=1e-4)
    for row in rows:
        del row["token_type_ids"]
    assert np.abs(other.logits(rows)[0] - found[0]).max() > 1e-3


def _bert_tagger() -> tuple[Any, Any]:
    from transformers import BertConfig, BertForTokenClassification

    tokenizer = hub.tokenizer("mBERT")
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=32, max_position_embeddings=32, type_vocab_size=2,
        id2label={0: "O", 1: "B-PER", 2: "I-PER"}, initializer_range=0.3,
    )  # fmt: skip
    model = BertForTokenClassification(config).eval()
    torch.nn.init.normal_(model.classifier.bias)
    return model, tokenizer


# ── 8 bits ───────────────────────────────────────────────────────────────────────────────


def test_8_bits_are_as_small_as_counted(nli: tuple[Any, Any], folders: dict[str, Path]) -> None:
    """A file is what its numbers take, and a graph around them that does not grow with a model."""
    for kind, folder in folders.items():
        counted = sum(size.bytes_by_part(nli[0], kind).values())
        around = (folder / served.MODEL).stat().st_size - counted
        assert 0 < around < 250_000, kind


def test_8_bits_answer_nearly_alike(backends: dict[str, Any], tables: dict[str, Any]) -> None:
    asked = {name: MultilingualClassifier.load(made) for name, made in backends.items()}
    found = agreement(asked, tables)
    found = found[found["one"] == "torch"]
    assert (found.loc[found["other"] == "fp32", "same"] == 1).all()
    for kind in ("int8", "int8 linear"):
        rows = found[found["other"] == kind]
        assert (rows["same"] > 0.85).all() and (rows["low"] < rows["same"]).all()
    # It is another function all the same.
    one, other = (
        backends[n].logits(some_rows(nli_tokens(backends), [30])) for n in ("fp32", "int8")
    )
    assert np.abs(one - other).max() > 1e-4


def nli_tokens(backends: dict[str, Any]) -> Any:
    return backends["torch"].tokenizer


def test_in_8_bits_an_answer_hangs_on_its_company(backends: dict[str, Any]) -> None:
    """Activations share one scale a batch; in fp32 there is no such thing (tested above)."""
    rows = some_rows(nli_tokens(backends), [6, 60])
    together = backends["int8"].logits(rows)
    alone = np.concatenate([backends["int8"].logits([row]) for row in rows])
    assert 1e-3 < np.abs(together - alone).max() < 3
    # The same batch gives the same answers, though.
    np.testing.assert_array_equal(together, backends["int8"].logits(rows))


def test_finer_scales_and_fewer_bits(folders: dict[str, Path], tmp_path: Path) -> None:
    plain = (folders["int8"] / served.MODEL).stat().st_size
    finer = served.quantise(folders["fp32"], tmp_path / "a", per_channel=True)
    fewer = served.quantise(folders["fp32"], tmp_path / "b", reduce_range=True)
    assert finer.bytes > plain  # more scales
    assert fewer.bytes == pytest.approx(plain, rel=0.01)
    rows = some_rows(hub.tokenizer("NLI"), [12])
    places = (folders["int8"], tmp_path / "a", tmp_path / "b")
    said = [served.OnnxBackend(place).logits(rows) for place in places]
    assert not np.array_equal(said[0], said[1]) and not np.array_equal(said[0], said[2])


# ── the model, and what loads the folder ─────────────────────────────────────────────────


def test_a_folder_is_served_by_its_name(folders: dict[str, Path], backends: dict[str, Any]) -> None:
    texts = [("A dog runs.", "An animal moves.")]
    for kind in ("fp32", "int8"):
        for folder in (folders[kind], str(folders[kind])):
            made = MultilingualClassifier.load(folder)
            assert made.backend.name == served.KINDS[kind]
        assert made.classify(texts) == MultilingualClassifier.load(backends[kind]).classify(texts)
    with pytest.raises(ServingError, match="leave names out"):
        MultilingualClassifier.load(folders["fp32"], names=["a", "b", "c"])
    with pytest.raises(ServingError, match="backend for classification"):
        MultilingualNER.load(folders["fp32"])


def test_labels_without_names_are_named(tmp_path: Path) -> None:
    model, tokenizer = _bert_tagger()
    model.config.id2label = {i: f"LABEL_{i}" for i in range(3)}
    with pytest.raises(ServingError, match="meaning is not known"):
        served.export(model, tokenizer, tmp_path / "ner", "tagging")
    names = ("O", "B-PER", "I-PER")
    served.export(model, tokenizer, tmp_path / "ner", "tagging", names=names)
    assert served.OnnxBackend(tmp_path / "ner").names == names
    assert MultilingualNER.load(tmp_path / "ner").labels == ("PER",)


def test_a_model_goes_on_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, tokenizer = _bert_tagger()
    model.train()
    model.bert.embeddings.eval()
    before = [part.training for part in model.modules()]
    served.export(model, tokenizer, tmp_path / "ner", "tagging")
    assert [part.training for part in model.modules()] == before
    monkeypatch.setattr(served, "_PARITY", -1.0)
    with pytest.raises(served.ExportError, match="differs by"):
        served.export(model, tokenizer, tmp_path / "again", "tagging")
    assert [part.training for part in model.modules()] == before


# ── refusals ─────────────────────────────────────────────────────────────────────────────


def test_an_untrained_head_is_not_exported(nli: tuple[Any, Any], tmp_path: Path) -> None:
    model = hub.with_head(nli[0], "classification", ["no", "yes"])
    with pytest.raises(ServingError, match="never trained"):
        served.export(model, nli[1], tmp_path / "x")
    with pytest.raises(ServingError, match="tagging needs"):
        served.export(*nli, tmp_path / "x", task="tagging")
    assert not list(tmp_path.iterdir())


def test_a_graph_that_answers_otherwise_is_not_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A converter's fault must not become a file that someone serves."""
    right = served._run

    def wrong(session: Any, batch: Any) -> Any:
        return right(session, batch) + 0.05

    monkeypatch.setattr(served, "_run", wrong)
    with pytest.raises(served.ExportError, match="differs by"):
        served.export(*_bert_tagger(), tmp_path / "x", task="tagging")
    assert not list(tmp_path.iterdir())


def test_what_is_there_is_not_overwritten(nli: tuple[Any, Any], folders: dict[str, Path]) -> None:
    before = {file.name: file.stat().st_mtime_ns for file in folders["fp32"].iterdir()}
    with pytest.raises(ServingError, match="there already"):
        served.export(*nli, folders["fp32"])
    with pytest.raises(ServingError, match="there already"):
        served.quantise(folders["fp32"], folders["int8"])
    assert before == {file.name: file.stat().st_mtime_ns for file in folders["fp32"].iterdir()}


def test_8_bits_of_8_bits_are_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(ServingError, match="8 bits already"):
        served.quantise(folders["int8"], tmp_path / "again")


@pytest.mark.parametrize("name", [served.MODEL, "tokenizer.json", "config.json"])
def test_an_altered_file_is_refused(folders: dict[str, Path], tmp_path: Path, name: str) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(folders["int8"], folder)
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(ServingError, match=f"{name} is missing or has been altered"):
        served.OnnxBackend(folder)


def test_other_folders_are_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(ServingError, match="no exported model"):
        served.OnnxBackend(tmp_path)
    shutil.copytree(folders["int8"], tmp_path / "x")
    record = json.loads((tmp_path / "x" / served.RECORD).read_text("utf-8"))
    for change in ({"kind": "int3"}, {"files": {}}, {"files": {served.MODEL: "0" * 64}}):
        (tmp_path / "x" / served.RECORD).write_text(json.dumps(record | change), "utf-8")
        with pytest.raises(ServingError):
            served.OnnxBackend(tmp_path / "x")
    outside = {**record["files"], "../secret": "0" * 64}
    (tmp_path / "x" / served.RECORD).write_text(json.dumps(record | {"files": outside}), "utf-8")
    with pytest.raises(ServingError, match="altered"):
        served.OnnxBackend(tmp_path / "x")


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda n, *a: None if n == "onnxruntime" else there(n, *a)
    )
    with pytest.raises(ServingError, match="onnxruntime is not installed") as caught:
        served.OnnxBackend(tmp_path)
    assert caught.value.remedy == 'python -m pip install "onnxruntime>=1.20"'


def test_rows_that_are_too_long_are_refused(backends: dict[str, Any]) -> None:
    rows = some_rows(nli_tokens(backends), [129])
    with pytest.raises(ServingError, match="129 tokens"):
        backends["fp32"].logits(rows)


def test_nothing_of_the_machine_is_in_the_files(folders: dict[str, Path]) -> None:
    """What is sent to others should not say where it was made."""
    import onnx

    for folder in folders.values():
        graph = onnx.load(folder / served.MODEL)
        text = str(graph.metadata_props) + str([node.doc_string for node in graph.graph.node])
        text += (folder / served.RECORD).read_text("utf-8")
        text += (folder / "config.json").read_text("utf-8")
        text += (folder / "tokenizer_config.json").read_text("utf-8")
        for part in (str(Path.cwd()), str(Path.home()), str(folder.parent), "site-packages"):
            assert part not in text, (folder.name, part)
