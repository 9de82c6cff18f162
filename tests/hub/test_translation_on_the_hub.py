"""OPUS-MT's checkpoints under their real ids: found, converted, told which language to write."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import stand_ins
from learner import Learner
from loopback_server import Hub

VISIT = """
import warnings
from xlhelpers import translation

warnings.simplefilter("ignore")
said = []
into = translation.Translator("en", "zh", ratio=0.5)
found["before"] = into.loads
note("Chinese", lambda: into.translate(["bababa bebebi", "", "bababa bebebi"]))
found["after"] = [into.loads, into.asked]
codes = getattr(into.tokenizer, "supported_language_codes", [])
found["marked"] = into._marked("bababa")
found["codes"] = codes
found["ends by force"] = into.model.generation_config.forced_eos_token_id
found["class"] = [type(into.model).__name__, type(into.tokenizer).__name__]
note("Swahili", lambda: len(translation.Translator("sw", "en").translate(["bababa"])))
note("no such pair", lambda: translation.Translator("de", "sw").translate(["bababa"]))
found["pairs"] = translation.pairs()
"""


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    models, pulls = stand_ins.opus(tmp_path_factory.mktemp("opus"))
    with Hub(models, pulls) as running:
        yield running


@pytest.fixture(scope="module")
def found(hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return Learner(tmp_path_factory.mktemp("client"), hub.url).run(VISIT)


def test_a_pair_of_the_hub_is_loaded_when_the_first_text_comes(found: dict[str, Any]) -> None:
    assert found["before"] == 0 and found["after"] == [1, 1]
    assert found["class"] == ["MarianMTModel", "MarianTokenizer"]
    first, blank, again = found["Chinese"]
    assert blank == "" and first == again


def test_a_model_of_several_languages_is_told_which(found: dict[str, Any]) -> None:
    if found["codes"]:
        assert found["marked"] == ">>cmn_Hans<< bababa"
    else:  # the course's own pair stands in, which writes one language
        assert found["marked"] == "bababa"


def test_the_configuration_of_generation_is_fetched_with_the_weights(
    found: dict[str, Any], hub: Hub
) -> None:
    assert found["ends by force"] == 0
    files = [path for _, path, _ in hub.requests if "/opus-mt-en-zh/resolve/" in path]
    assert any(path.endswith("/generation_config.json") for path in files)
    assert not any(path.endswith(".bin") for path in files)


def test_swahili_to_english_is_the_one_that_there_is(found: dict[str, Any], hub: Hub) -> None:
    assert found["Swahili"] == 1
    assert any("/Helsinki-NLP/opus-mt-swc-en/resolve/" in path for _, path, _ in hub.requests)


def test_a_pair_that_the_hub_lacks_names_the_way_round(found: dict[str, Any]) -> None:
    assert found["no such pair"].startswith("TranslationError: there is no model from German to")
    assert 'Translator.through("de", "en", "sw")' in found["no such pair"]
    assert ["en", "sw"] in found["pairs"] and len(found["pairs"]) == 8
