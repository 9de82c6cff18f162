"""The door to models, proven with the unmodified client against a hub on loopback."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import stand_ins
from learner import NOWHERE, Learner
from loopback_server import Hub, PullRequest, Query, Resource

from xlhelpers import assets, hub, settings


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    models = stand_ins.build(tmp_path_factory.mktemp("stand-ins"))
    with Hub(models, stand_ins.pull_requests(models)) as running:
        yield running


@pytest.fixture(scope="module")
def client(served: Hub, tmp_path_factory: pytest.TempPathFactory) -> Learner:
    return Learner(tmp_path_factory.mktemp("client"), served.url)


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
def first(client: Learner, served: Hub) -> dict[str, Any]:
    """What a first visit with a working network finds, and what it asked for."""
    before = len(served.requests)
    found = client.run(FIRST_VISIT)
    return found | {"asked": [path for how, path, _ in served.requests[before:] if how == "GET"]}


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
    assert "the hub has no checkpoint for 'NLI'" in first["no checkpoint"]
    assert 'xl.transfer.fine_tuned("nli")' in first["no checkpoint"]
    assert "no revision 'v99'" in first["no revision"]
    assert "no revision 'ffff" in first["no commit"]


def test_what_is_cached_is_used_without_a_request(first: dict[str, Any]) -> None:
    # mBERT was asked for three times: its tokenizer twice, its model once.
    asked = [path for path in first["asked"] if path.startswith("/api/models/google-bert")]
    assert len([path for path in asked if path.endswith("/main")]) == 2
    files = [path for path in first["asked"] if "/resolve/" in path]
    assert len(files) == len(set(files)) > 3


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
def second(client: Learner, first: dict[str, Any]) -> dict[str, Any]:
    """What a second visit finds, after the network has gone."""
    return client.offline().run(SECOND_VISIT)


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
    assert "the record google-bert" in second["record broken"]
    assert second["copy cut"].startswith("HubError") and "damaged" in second["copy cut"]


def test_model_that_is_not_cached_needs_the_network(second: dict[str, Any]) -> None:
    assert "not in the cache and the hub cannot be reached" in second["not cached"]
    assert 'xl.use("mini")' in second["not cached"]


def test_removed_file_is_downloaded_anew(client: Learner, second: dict[str, Any]) -> None:
    # What the errors above tell the reader to do.
    code = 'note("model", lambda: type(hub.model("mBERT")).__name__)'
    assert client.offline().run(code)["model"].startswith("HubError")
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
    found = Learner(tmp_path, NOWHERE).run(code)
    for key in ("tokenizer", "tokenizer 2", "model"):
        assert found[key].startswith("HubError") and "cannot be reached" in found[key]
    assert found["seconds"] < 60


# ── weights that are safetensors in a pull request only ──────────────────────────────────

# The stand-in proposals differ in their weights, so that a sum tells which one was taken.
WEIGHTS = """
import os, warnings
from pathlib import Path

def weights(what="InfoXLM", **how):
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        model = hub.model(what, **how)
    found["said"] = [[type(w.message).__name__, str(w.message)] for w in said]
    return round(float(model.get_input_embeddings().weight.sum()), 2)

records = Path(os.environ["XL_CACHE"], "hub-conversions")
"""

CONVERTED = f"""{WEIGHTS}
note("expected", lambda: weights("{stand_ins.XLMR}"))
note("somebody's", lambda: weights(revision="refs/pr/2"))
note("main", lambda: weights(revision="main"))
note("taken", weights)
found["said first"] = found["said"]
note("taken again", weights)
found["said again"] = found["said"]
note("by id", lambda: weights("{stand_ins.INFOXLM}"))
note("main again", lambda: weights(revision="main"))
note("tokenizer", lambda: len(hub.tokenizer("InfoXLM")))
found["records"] = {{file.name: json.loads(file.read_text()) for file in records.iterdir()}}
for name in ("{stand_ins.PROPOSED}", "{stand_ins.SILENT}", "{stand_ins.BROKEN}"):
    note(name, lambda: weights(name))
"""


@pytest.fixture(scope="module")
def other_client(served: Hub, tmp_path_factory: pytest.TempPathFactory) -> Learner:
    return Learner(tmp_path_factory.mktemp("other-client"), served.url)


@pytest.fixture(scope="module")
def converted(served: Hub, other_client: Learner) -> dict[str, Any]:
    """What a first visit finds where main has pickled weights only."""
    address = "/api/models/{}/discussions"
    disabled = {"X-Error-Message": "Discussions are disabled for this repo"}
    served.resources[address.format(stand_ins.SILENT)] = Resource(b"{}", disabled, status=403)
    served.resources[address.format(stand_ins.BROKEN)] = Resource(b"{}", status=503)
    return other_client.run(CONVERTED)


def test_conversion_by_the_hubs_bot_is_found_and_used(converted: dict[str, Any]) -> None:
    assert isinstance(converted["taken"], float)
    assert converted["taken"] == converted["by id"] == converted["expected"]
    # The tokenizer needs no conversion: it is the one on main.
    assert converted["tokenizer"] == 5 + 1331


def test_notice_says_which_revision_was_taken(converted: dict[str, Any]) -> None:
    [[kind, text]] = converted["said first"]
    assert kind == "ConversionNotice"
    assert stand_ins.INFOXLM in text and "refs/pr/1," in text
    assert converted["said again"] == []


def test_conversion_is_asked_for_once(converted: dict[str, Any], served: Hub) -> None:
    asked = [path for _, path, _ in served.requests if f"/{stand_ins.INFOXLM}/" in path]
    # The bot's three open pull requests are on two pages of the list.
    assert len([path for path in asked if path.endswith("/discussions")]) == 2
    assert len([path for path in asked if path.endswith("revision/refs/pr/1")]) == 1


def test_conversion_that_was_taken_is_recorded(converted: dict[str, Any], served: Hub) -> None:
    [(name, record)] = converted["records"].items()
    assert name == "microsoft--infoxlm-base.json"
    assert record["revision"] == "refs/pr/1" and record["author"] == "SFconvertbot"
    assert f"/{stand_ins.INFOXLM}/resolve/{record['commit']}/model.safetensors" in {
        path for _, path, _ in served.requests
    }


def test_explicit_revision_is_respected(converted: dict[str, Any]) -> None:
    assert isinstance(converted["somebody's"], float)
    assert converted["somebody's"] != converted["expected"]
    for key in ("main", "main again"):
        assert converted[key].startswith("HubError") and "no .safetensors" in converted[key]


def test_pull_request_by_somebody_else_is_not_taken(converted: dict[str, Any], served: Hub) -> None:
    refused = converted[stand_ins.PROPOSED]
    assert refused.startswith("HubError") and "no .safetensors file" in refused
    assert 'revision="refs/pr/N"' in refused
    asked = [path for _, path, _ in served.requests if f"/{stand_ins.PROPOSED}/" in path]
    assert asked and not any("refs/pr" in path or path.endswith("tensors") for path in asked)


def test_author_decides_whatever_the_server_lists(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Careless(Hub):
        def find(self, path: str, query: Query) -> Resource | None:
            return super().find(path, {"p": query.get("p", "0")})

    (tmp_path / "model.safetensors").write_bytes(b"")
    pull = PullRequest(1, "somebody", tmp_path)
    with Careless({"a/b": tmp_path}, {"a/b": [pull]}) as running:
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", running.url)
        assert hub.conversion("a/b") is None
        running.pulls = {"a/b": [dataclasses.replace(pull, author="SFconvertbot", num=2), pull]}
        assert hub.conversion("a/b") == "refs/pr/2"


def test_owner_who_takes_no_pull_requests_has_none(converted: dict[str, Any]) -> None:
    assert "no .safetensors file" in converted[stand_ins.SILENT]
    assert 'revision="refs/pr/N"' in converted[stand_ins.SILENT]


def test_list_that_cannot_be_had_is_a_clear_error(converted: dict[str, Any]) -> None:
    assert converted[stand_ins.BROKEN].startswith("HubError")
    assert f"{stand_ins.BROKEN} could not be fetched whole" in converted[stand_ins.BROKEN]
    assert "run this again" in converted[stand_ins.BROKEN]


REMEMBERED = f"""{WEIGHTS}
note("taken", weights)
found["quiet"] = found["said"] == []
note("somebody's", lambda: weights(revision="refs/pr/2"))
note("main", lambda: weights(revision="main"))
[record] = records.iterdir()
good = record.read_text()
record.write_text("{{")
note("record broken", weights)
record.unlink()
note("record gone", weights)
record.write_text(good)
commit = json.loads(good)["commit"]
[file] = Path(os.environ["HF_HOME"]).glob(f"hub/*infoxlm*/snapshots/{{commit}}/*.safetensors")
blob = file.resolve()
content = bytearray(blob.read_bytes())
content[-1] ^= 1
blob.write_bytes(content)
note("altered", weights)
"""


@pytest.fixture(scope="module")
def remembered(other_client: Learner, converted: dict[str, Any]) -> dict[str, Any]:
    """What a second visit finds, after the network has gone."""
    return other_client.offline().run(REMEMBERED)


def test_conversion_is_remembered_without_a_network(
    converted: dict[str, Any], remembered: dict[str, Any]
) -> None:
    # Somebody else's proposal, once asked for, is in the cache too and stays apart.
    for key in ("taken", "somebody's"):
        assert remembered[key] == converted[key] and isinstance(remembered[key], float), key
    assert remembered["quiet"]


def test_main_is_no_conversion_offline_either(remembered: dict[str, Any]) -> None:
    assert "not in the cache and the hub cannot be reached" in remembered["main"]


def test_lost_record_of_a_conversion_is_a_clear_error(remembered: dict[str, Any]) -> None:
    assert "the record microsoft--infoxlm-base.json cannot" in remembered["record broken"]
    assert "remove" in remembered["record broken"]
    assert "not in the cache and the hub cannot be reached" in remembered["record gone"]


def test_altered_conversion_is_refused(remembered: dict[str, Any]) -> None:
    assert remembered["altered"].startswith("HubError: model.safetensors of microsoft/")
    assert "has been altered" in remembered["altered"]


# ── what needs no hub ────────────────────────────────────────────────────────────────────


def test_every_role_of_the_table_resolves_and_has_a_known_task() -> None:
    for name, role in hub.ROLES.items():
        assert hub.resolve(name) is role
        assert role.task in hub.TASKS
        assert (role.mini and role.hub) or role.instead.count("xl.") >= 1
        folder = f"models/{role.mini}/model.safetensors"
        assert not role.mini or folder in assets.manifest(), "no role points at what is not there"
    with pytest.raises(TypeError):
        hub.ROLES["x"] = hub.ROLES["mBERT"]  # type: ignore[index]


def test_translation_pairs_are_roles() -> None:
    role = hub.resolve("translation:en-de")
    assert (role.hub, role.mini) == ("Helsinki-NLP/opus-mt-en-de", "mini-marian-en-de")
    # There is no opus-mt-sw-en.
    role = hub.resolve("translation:sw-en")
    assert (role.hub, role.mini) == ("Helsinki-NLP/opus-mt-swc-en", "mini-marian-sw-en")
    assert "Congo" in role.note and not hub.resolve("translation:en-sw").note
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


@pytest.mark.parametrize(
    ("role", "remedy"),
    [
        ("NER", 'xl.transfer.fine_tuned("ner")'),
        ("language id", "xl.serving.LanguageIdentifier"),
        ("student", "xl.distillation.distill"),
    ],
)
def test_a_role_without_a_mini_model_names_what_to_do(role: str, remedy: str) -> None:
    for load in (hub.model, hub.tokenizer):
        with pytest.raises(hub.HubError, match="the mini set has no model for") as caught:
            load(role)
        assert remedy in caught.value.remedy and 'xl.use("hub")' in caught.value.remedy


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
