"""The door to models, proven with the unmodified client against a hub on loopback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import stand_ins
from loopback_server import Hub

from xlhelpers import hub, settings

ROOT = Path(__file__).resolve().parents[2]

PRELUDE = """
import json, sys
import xlhelpers as xl
from xlhelpers import hub
found = {}

def note(key, make):
    try:
        found[key] = make()
    except Exception as error:
        found[key] = f"{type(error).__name__}: {error}"
"""


@dataclass
class Client:
    """A place to run programs as a learner would: own caches, the loopback hub, nothing else."""

    home: Path
    endpoint: str

    def run(self, code: str, **environ: str) -> dict[str, Any]:
        """Run `code` in a fresh interpreter; return what it put into `found`."""
        env = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "HF_ENDPOINT": self.endpoint,
            "HF_HOME": str(self.home / "hf"),
            "XL_CACHE": str(self.home / "xl"),
            "XL_MODELS": "hub",
            "XL_DEVICE": "cpu",
            "XL_PROGRESS": "0",
            "HF_HUB_DISABLE_XET": "1",
            **environ,
        }
        program = f"{PRELUDE}\n{code}\nprint(json.dumps(found))"
        done = subprocess.run(
            [sys.executable, "-c", program], env=env, capture_output=True, text=True, timeout=180
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return dict(json.loads(done.stdout.splitlines()[-1]), stderr=done.stderr)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    with Hub(stand_ins.build(tmp_path_factory.mktemp("stand-ins"))) as running:
        yield running


@pytest.fixture(scope="module")
def client(served: Hub, tmp_path_factory: pytest.TempPathFactory) -> Client:
    return Client(tmp_path_factory.mktemp("client"), served.url)


FIRST_VISIT = f"""
import torch
note("mBERT words", lambda: len(hub.tokenizer("mBERT")))
note("XLM-R words", lambda: len(hub.tokenizer("XLM-R")))
note("pieces", lambda: hub.tokenizer("mBERT").tokenize("bababa bebebi"))
mbert, xlmr = hub.model("mBERT"), hub.model("XLM-R")
found["classes"] = [type(mbert).__name__, type(xlmr).__name__]
found["training"] = [mbert.training, xlmr.training]
found["untrained"] = [hub.untrained(mbert), hub.untrained(xlmr)]
found["poolers"] = [mbert.pooler is not None, xlmr.pooler is not None]
ids = torch.tensor([[0, 5, 6, 2]])
found["shape"] = list(xlmr(ids).last_hidden_state.shape)
found["by id"] = type(hub.model("{stand_ins.XLMR}", "mlm")).__name__
ner = hub.model("NER")
found["NER"] = [type(ner).__name__, ner.config.id2label[0], hub.untrained(ner)]
note("head refused", lambda: hub.model("XLM-R", "classification"))
head = hub.model("XLM-R", "classification", new_head=True, num_labels=3)
found["head accepted"] = [head.config.num_labels, hub.untrained(head)]
note("other labels", lambda: hub.model("NER", num_labels=3))
other = hub.model("NER", num_labels=3, new_head=True)
found["other labels accepted"] = hub.untrained(other)
half = hub.model("{stand_ins.HALF}", "mlm")
found["half"] = sorted({{str(p.dtype) for p in half.parameters()}})
note("pickled", lambda: hub.model("{stand_ins.PICKLED}"))
note("empty", lambda: hub.tokenizer("{stand_ins.EMPTY}"))
note("unknown", lambda: hub.model("nobody/nothing"))
note("no checkpoint", lambda: hub.model("NLI"))
note("no revision", lambda: hub.tokenizer("mBERT", revision="v99"))
note("no commit", lambda: hub.tokenizer("mBERT", revision="f" * 40))
"""


@pytest.fixture(scope="module")
def first(client: Client) -> dict[str, Any]:
    """What a first visit with a working network finds."""
    return client.run(FIRST_VISIT)


def test_tokenizers_of_real_ids_load(first: dict[str, Any]) -> None:
    assert first["mBERT words"] == 5 + 1331 and first["XLM-R words"] == 5 + 1331
    assert first["pieces"] == ["bababa", "bebebi"]


def test_encoders_load_ready_to_evaluate(first: dict[str, Any]) -> None:
    assert first["classes"] == ["BertModel", "XLMRobertaModel"]
    assert first["training"] == [False, False]
    assert first["shape"] == [1, 4, 32]
    assert first["by id"] == "XLMRobertaForMaskedLM"


def test_pooler_that_was_never_trained_is_taken_away(first: dict[str, Any]) -> None:
    assert first["poolers"] == [True, False]  # mBERT's was trained, XLM-R has none
    assert first["untrained"] == [[], []]


def test_role_knows_its_task(first: dict[str, Any]) -> None:
    assert first["NER"] == ["XLMRobertaForTokenClassification", "B-LOC", []]


def test_head_that_would_be_random_is_refused(first: dict[str, Any]) -> None:
    assert first["head refused"].startswith("HubError")
    assert "not trained for 'classification'" in first["head refused"]
    assert "classifier." in first["head refused"] and "new_head=True" in first["head refused"]


def test_new_head_is_given_to_who_asks_for_one_and_is_marked(first: dict[str, Any]) -> None:
    labels, untrained = first["head accepted"]
    assert labels == 3
    assert untrained and all(name.startswith("classifier.") for name in untrained)


def test_another_number_of_labels_is_a_new_head_too(first: dict[str, Any]) -> None:
    assert "'NER' is not trained for 'tagging': 2 parameters" in first["other labels"]
    assert set(first["other labels accepted"]) == {"classifier.bias", "classifier.weight"}


def test_half_precision_file_is_computed_in_full(first: dict[str, Any]) -> None:
    assert first["half"] == ["torch.float32"]


def test_pickled_weights_are_not_loaded(first: dict[str, Any], served: Hub) -> None:
    assert first["pickled"].startswith("HubError") and ".safetensors" in first["pickled"]
    assert not any("pytorch_model.bin" in path for _, path, _ in served.requests)


def test_tokenizer_without_a_vocabulary_is_refused(first: dict[str, Any]) -> None:
    assert first["empty"].startswith("HubError")
    assert "entries" in first["empty"] or "no tokenizer" in first["empty"]


def test_unknown_names_are_told_apart(first: dict[str, Any]) -> None:
    assert "the hub has no model 'nobody/nothing'" in first["unknown"]
    assert "trained in the notebook" in first["no checkpoint"]
    assert "no revision 'v99'" in first["no revision"]
    assert "no revision 'ffff" in first["no commit"]


def test_what_is_cached_is_used_without_a_request(first: dict[str, Any], served: Hub) -> None:
    # mBERT was asked for three times: its tokenizer twice, its model once.
    asked = [path for _, path, _ in served.requests if path.startswith("/api/models/google-bert")]
    assert len([path for path in asked if path.endswith("/main")]) == 2
    files = [path for how, path, _ in served.requests if how == "GET" and "/resolve/" in path]
    assert len(files) == len(set(files))


def test_a_first_visit_is_quiet(first: dict[str, Any]) -> None:
    assert "newly initialized" not in first["stderr"] and "%|" not in first["stderr"]


SECOND_VISIT = """
import os
from pathlib import Path
records = Path(os.environ["XL_CACHE"], "hub-checksums")
snapshots = Path(os.environ["HF_HOME"], "hub").glob("models--google-bert*/snapshots/*")
[weights] = [folder / "model.safetensors" for folder in snapshots]
blob = weights.resolve()
good = weights.read_bytes()
bad = bytearray(good)
bad[-1] ^= 1

def load():
    return type(hub.model("mBERT")).__name__

note("tokenizer", lambda: len(hub.tokenizer("mBERT")))
note("model", load)
found["recorded with links"] = sorted(path.name for path in records.glob("*.json"))

blob.write_bytes(bad)
note("altered", load)

# As where links cannot be made (Windows): a plain copy, whose name says nothing.
blob.unlink()
weights.unlink()
weights.write_bytes(good)
note("copy", load)
[record] = records.glob("google-bert*.json")
note("recorded copies", lambda: sorted(json.loads(record.read_text())))
weights.write_bytes(bad)
note("copy altered", load)
record.write_text("{")
note("record broken", load)
record.unlink()
weights.write_bytes(good[:-7])
note("copy cut", load)
note("not cached", lambda: hub.model("XLM-R large"))
record.unlink()
weights.unlink()
"""


@pytest.fixture(scope="module")
def second(client: Client, first: dict[str, Any]) -> dict[str, Any]:
    """What a second visit finds, after the network has gone."""
    return Client(client.home, "http://127.0.0.1:9").run(SECOND_VISIT)


def test_cached_models_work_without_a_network(second: dict[str, Any]) -> None:
    assert (second["tokenizer"], second["model"]) == (1336, "BertModel")


def test_altered_weights_of_the_same_size_are_refused(second: dict[str, Any]) -> None:
    for key in ("altered", "copy altered"):
        assert second[key].startswith("HubError"), key
        assert "model.safetensors of google-bert/" in second[key] and "altered" in second[key]
        assert "remove" in second[key]


def test_cache_without_links_is_trusted_at_first_use(second: dict[str, Any]) -> None:
    assert second["copy"] == "BertModel"
    assert second["recorded copies"] == ["model.safetensors"]


def test_cache_with_links_needs_no_record(second: dict[str, Any]) -> None:
    assert second["recorded with links"] == []  # the names of the blobs are the hub's checksums


def test_damaged_record_and_damaged_weights_are_clear_errors(second: dict[str, Any]) -> None:
    assert "checksum record" in second["record broken"]
    assert second["copy cut"].startswith("HubError") and "damaged" in second["copy cut"]


def test_model_that_is_not_cached_needs_the_network(second: dict[str, Any]) -> None:
    assert "not in the cache and the hub cannot be reached" in second["not cached"]
    assert 'xl.use("mini")' in second["not cached"]


def test_removed_file_is_downloaded_anew(client: Client, second: dict[str, Any]) -> None:
    # What the errors above tell the reader to do.
    code = 'note("model", lambda: type(hub.model("mBERT")).__name__)'
    assert Client(client.home, "http://127.0.0.1:9").run(code)["model"].startswith("HubError")
    assert client.run(code)["model"] == "BertModel"


def test_no_network_and_no_cache_gives_our_error_and_no_empty_tokenizer(
    tmp_path: Path,
) -> None:
    code = """
import time
start = time.perf_counter()
note("tokenizer", lambda: len(hub.tokenizer("mBERT")))
note("tokenizer 2", lambda: len(hub.tokenizer("XLM-R")))
note("model", lambda: hub.model("XLM-R"))
found["seconds"] = time.perf_counter() - start
"""
    found = Client(tmp_path, "http://127.0.0.1:9").run(code)
    for key in ("tokenizer", "tokenizer 2", "model"):
        assert found[key].startswith("HubError") and "cannot be reached" in found[key]
    assert found["seconds"] < 60


# ── what needs no hub ────────────────────────────────────────────────────────────────────


def test_every_role_of_the_table_resolves_and_has_a_known_task() -> None:
    for name, role in hub.ROLES.items():
        assert hub.resolve(name) is role
        assert role.task in hub.TASKS and role.mini
        assert role.hub or role.note
    with pytest.raises(TypeError):
        hub.ROLES["x"] = hub.ROLES["mBERT"]  # type: ignore[index]


def test_translation_pairs_are_roles() -> None:
    role = hub.resolve("translation:en-de")
    assert (role.hub, role.mini) == ("Helsinki-NLP/opus-mt-en-de", "mini-marian-en-de")
    with pytest.raises(LookupError):
        hub.resolve("translation:en-xx")


@pytest.mark.parametrize("what", ["mbert", "XLMR", "", "../../etc", "a b/c", "bert-base-cased"])
def test_what_is_neither_role_nor_id_is_refused(what: str) -> None:
    with pytest.raises(hub.HubError, match="no role of the course"):
        hub.resolve(what)


def test_broken_line_of_any_http_client_is_our_error(
    course: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class RemoteProtocolError(Exception):
        """What huggingface_hub 2 lets through: no OSError, no ValueError."""

    def broken(*args: Any, local_files_only: bool = False, **how: Any) -> str:
        raise OSError("nothing cached") if local_files_only else RemoteProtocolError("cut off")

    monkeypatch.setattr("huggingface_hub.snapshot_download", broken)
    monkeypatch.setattr(hub, "reachable", lambda: True)
    settings.use("hub")
    with pytest.raises(hub.HubError, match="could not be fetched whole .cut off.") as caught:
        hub.tokenizer("google-bert/bert-base-multilingual-cased")
    assert "run this again" in caught.value.remedy


def test_mini_role_without_a_folder_says_so(course: Path) -> None:
    with pytest.raises(hub.HubError, match="not part of this version") as caught:
        hub.model("mBERT")
    assert 'xl.use("hub")' in caught.value.remedy
    with pytest.raises(hub.HubError, match="not part of this version"):
        hub.tokenizer("XLM-R")


def test_unknown_task_and_missing_folder(course: Path) -> None:
    with pytest.raises(hub.HubError, match="no task 'ner'"):
        hub.model("mBERT", "ner")
    with pytest.raises(hub.HubError, match="no folder"):
        hub.tokenizer(course / "nothing")


@pytest.fixture
def mini(course: Path, served: Hub) -> Path:
    """The stand-in for mBERT as a mini model of the course."""
    import shutil

    from xlhelpers import assets

    folder = settings.current().data / "models" / "mini-mbert"
    shutil.copytree(served.models[stand_ins.MBERT], folder)
    for file in folder.iterdir():
        assets.register(file, "shipped", "CC0-1.0", "a test")
    return folder


def test_mini_model_loads_by_its_role(mini: Path) -> None:
    assert len(hub.tokenizer("mBERT")) == 1336
    assert type(hub.model("mBERT", "mlm")).__name__ == "BertForMaskedLM"


def test_altered_mini_model_is_refused(mini: Path) -> None:
    from xlhelpers import assets

    content = bytearray((mini / "model.safetensors").read_bytes())
    content[-1] ^= 1
    (mini / "model.safetensors").write_bytes(content)
    with pytest.raises(assets.AssetError, match="course.py fetch models/mini-mbert/model.safe"):
        hub.model("mBERT")


def test_small_vocabulary_is_accepted_only_as_declared(tmp_path: Path) -> None:
    from transformers import BertTokenizer

    entries = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b"]
    BertTokenizer(vocab={word: n for n, word in enumerate(entries)}).save_pretrained(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(hub.HubError, match="7 entries"):
        hub.tokenizer(tmp_path)
    (tmp_path / "course.json").write_text('{"vocabulary": 7}')
    assert len(hub.tokenizer(tmp_path)) == 7
    (tmp_path / "course.json").write_text('{"vocabulary": 8}')
    with pytest.raises(hub.HubError, match="7 entries instead of 8"):
        hub.tokenizer(tmp_path)
