"""Vocabulary pruning: rows of the embeddings that the served languages never use are left out.

Most of a multilingual model's parameters are embeddings, and most of those are of languages
that a given service does not serve. Abdaoui, Pradel & Sigel (2020, SustaiNLP, "Load What You
Need") keep the entries that occur in the text of the languages wanted. On such text the pruned
model is the same function as the whole one, at the same speed: no matrix that is multiplied has
become smaller. What is saved is memory, disk and the time to load.

It is exact because of how the two kinds of tokenizer choose. A Unigram model takes the likeliest
cut, WordPiece the longest entry that fits: with entries gone that were not taken, the ones that
were taken still win. Two things hang on entries that no cut shows, and are kept: the price of an
unknown sign in Unigram, which is set by the least likely entry, and what WordPiece tries in a
word before it gives it up.
"""

from __future__ import annotations

import copy
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xlhelpers import files, hub, tokenization
from xlhelpers.serving._errors import ServingError
from xlhelpers.serving._folders import new_folder, write_vocabulary_size

if TYPE_CHECKING:
    import pandas as pd

Text = str | tuple[str, str]
Ints = NDArray[np.int64]

# What marks the begin or the inside of a word in an entry.
_MARKS = ("▁", "##")


@dataclass(frozen=True)
class Pruned:
    """A model with part of its vocabulary.

    Attributes:
        model, tokenizer: they belong together; neither goes with the old ones.
        kept: (n,) ids in the old vocabulary, in the order of the new one.
        same: share of the texts given, by language, that are cut as before; 1 unless rare
            entries were left out.
        before, after: parameters by part (`tokenization.parameters_by_part`).
    """

    model: Any = field(repr=False)
    tokenizer: Any = field(repr=False)
    kept: Ints = field(repr=False)
    same: Mapping[str, float]
    before: Mapping[str, int] = field(repr=False)
    after: Mapping[str, int] = field(repr=False)

    def table(self) -> pd.DataFrame:
        """Return one row a part and `"all"`: `before`, `after`, and the share `saved`."""
        import pandas as pd

        found = pd.DataFrame({"before": self.before, "after": self.after})
        found.loc["all"] = found.sum()
        found["saved"] = 1 - found["after"] / found["before"]
        return found.rename_axis("part")

    def save(self, folder: Path) -> None:
        """Write model and tokenizer into a new folder, to be loaded with `hub.model(folder)`.

        Raises:
            ServingError: there is something at that place already.
        """
        with new_folder(folder) as place, hub.quiet():
            self.model.save_pretrained(place, safe_serialization=True)
            self.tokenizer.save_pretrained(place)
            write_vocabulary_size(place, len(self.tokenizer))


def prune(
    model: Any,
    tokenizer: Any,
    texts: Mapping[str, Sequence[Text]],
    *,
    least: int = 1,
    letters: bool = True,
) -> Pruned:
    """Return a copy of a model and its tokenizer with the entries that some languages use.

    Args:
        model: any transformers encoder, with or without a head; it is left as it is.
        tokenizer: its own, of the kind Unigram (XLM-R) or WordPiece (BERT).
        texts: language to texts or pairs: as much and as varied as can be had, of what will be
            served. What they lack is cut into smaller entries afterwards, or unknown.
        least: texts of one language that an entry has to occur in. Above 1 the pruned model
            does not see every text as before; `same` says how many.
        letters: keep every entry of one character in a script that the texts are written in,
            digits and signs too, so that new text of these languages has no unknown sign that
            was known before.

    Raises:
        ServingError: no text, a vocabulary of another kind, or a model that is not the
            tokenizer's.
    """
    if isinstance(least, bool) or not isinstance(least, int) or least < 1:
        raise ServingError(f"least is {least!r}", "choose a whole number from 1")
    _check(model, tokenizer, texts)
    rows = {code: _ids(tokenizer, some) for code, some in texts.items()}
    kept = _kept(tokenizer, rows, texts, least, letters)
    made = _tokenizer(tokenizer, kept)
    same = {}
    for code, some in texts.items():
        again = [kept[np.array(row, dtype=np.int64)].tolist() for row in _ids(made, some)]
        same[code] = float(np.mean([a == b for a, b in zip(rows[code], again, strict=True)]))
    if least == 1 and min(same.values()) < 1:
        worst = min(same, key=lambda code: same[code])
        raise ServingError(
            f"the pruned tokenizer cuts {1 - same[worst]:.1%} of the texts of {worst} in another "
            "way",
            "this tokenizer does more than its vocabulary says: serve it whole",
        )
    smaller = pruned_model(model, kept, made)
    return Pruned(
        smaller,
        made,
        kept,
        same,
        tokenization.parameters_by_part(model),
        tokenization.parameters_by_part(smaller),
    )


def pruned_model(model: Any, kept: Sequence[int] | Ints, tokenizer: Any) -> Any:
    """Return a copy of a model with some rows of its word embeddings, and of its output's.

    Args:
        model: any transformers encoder; it is left as it is.
        kept: old ids in the order of the new ones.
        tokenizer: the new one: the ids of its special tokens go into the configuration.

    Raises:
        ServingError: the padding token would get another id, from which XLM-R counts positions.
    """
    import torch

    rows = torch.as_tensor(np.asarray(kept), dtype=torch.long)
    old = int(model.get_input_embeddings().weight.shape[0])
    if model.config.pad_token_id != tokenizer.pad_token_id:
        raise ServingError(
            f"the padding token moves from {model.config.pad_token_id} to "
            f"{tokenizer.pad_token_id}, and positions are counted from it",
            "keep all entries before it",
        )
    shared = {id(p) for p in _of_vocabulary(model, old)}
    cut = {
        name: tensor.detach()[rows.to(tensor.device)] if id(tensor) in shared else tensor.detach()
        for name, tensor in _named_tensors(model)
    }
    config = copy.deepcopy(model.config)
    config.vocab_size = len(rows)
    for name in ("bos", "eos", "sep", "cls", "mask", "pad"):
        if getattr(config, f"{name}_token_id", None) is not None:
            setattr(config, f"{name}_token_id", getattr(tokenizer, f"{name}_token_id"))
    with torch.random.fork_rng(devices=()):
        made = type(model)(config)
    if getattr(made, "pooler", None) is not None and getattr(model, "pooler", None) is None:
        made.pooler = None  # `hub.model` takes away a pooler that was never trained
    if (parts := getattr(model, "xl_parts", None)) is not None:
        parts(made)
    made.load_state_dict(cut)
    made.xl_untrained = hub.untrained(model)
    return made.to(device=model.device, dtype=model.dtype).eval()


def _named_tensors(model: Any) -> list[tuple[str, Any]]:
    """Return all that a state dictionary holds, the tensors themselves, shared ones each time."""
    known = set(model.state_dict())
    found = [*model.named_parameters(remove_duplicate=False)]
    found += [*model.named_buffers(remove_duplicate=False)]
    return [(name, tensor) for name, tensor in found if name in known]


def _of_vocabulary(model: Any, size: int) -> list[Any]:
    """Return the tensors that have a row for each entry."""
    found = [model.get_input_embeddings().weight]
    output = model.get_output_embeddings()
    if output is not None:
        found.append(output.weight)
        inside = {id(p) for p in model.base_model.parameters()}
        # The bias of a masked language model's output, which may hang beside the matrix.
        found += [
            p for p in model.parameters() if p.ndim == 1 and len(p) == size and id(p) not in inside
        ]
    return found


# ── which entries ────────────────────────────────────────────────────────────────────────


def _check(model: Any, tokenizer: Any, texts: Mapping[str, Sequence[Text]]) -> None:
    core = getattr(tokenizer, "backend_tokenizer", None)
    kind = type(core.model).__name__ if core is not None else type(tokenizer).__name__
    if kind not in ("Unigram", "WordPiece"):
        raise ServingError(
            f"a vocabulary of the kind {kind} cannot be pruned so that cuts stay as they are",
            "use a tokenizer of the kind Unigram (XLM-R) or WordPiece (BERT)",
        )
    if not isinstance(texts, Mapping) or not texts or not all(map(len, texts.values())):
        raise ServingError(
            "there is a language without text, or none at all",
            "give texts by language, such as {'en': [...], 'de': [...]}",
        )
    if len(tokenizer) > int(model.get_input_embeddings().weight.shape[0]):
        raise ServingError(
            f"the tokenizer has {len(tokenizer)} entries, the model "
            f"{int(model.get_input_embeddings().weight.shape[0])}",
            "give the tokenizer that the model was trained with",
        )


def _ids(tokenizer: Any, texts: Sequence[Text]) -> list[list[int]]:
    """Return the token ids of each text, special ones included, however long."""
    if isinstance(texts, str):
        raise ServingError(f"the texts are one text: {texts[:40]!r}", "give a list of texts")
    single = [i for i, text in enumerate(texts) if isinstance(text, str)]
    pairs = [i for i, text in enumerate(texts) if not isinstance(text, str)]
    found: list[list[int]] = [[] for _ in texts]
    columns: list[tuple[list[int], list[list[str]]]] = [(single, [[texts[i] for i in single]])]  # type: ignore[misc]
    columns.append((pairs, [[texts[i][side] for i in pairs] for side in (0, 1)]))
    for numbers, sides in columns:
        if numbers:
            ids = tokenizer(*sides, verbose=False)["input_ids"]
            for number, row in zip(numbers, ids, strict=True):
                found[number] = list(row)
    return found


def _kept(
    tokenizer: Any,
    rows: Mapping[str, Sequence[Sequence[int]]],
    texts: Mapping[str, Sequence[Text]],
    least: int,
    letters: bool,
) -> Ints:
    content = json.loads(tokenizer.backend_tokenizer.to_str())
    kept = set(tokenizer.all_special_ids) | {entry["id"] for entry in content["added_tokens"]}
    for some in rows.values():
        counts = Counter(token for row in some for token in set(row))
        kept |= {token for token, times in counts.items() if times >= least}
    if content["model"]["type"] == "Unigram":
        kept.add(_least_likely(content, kept))
    else:
        kept |= _tried(tokenizer, texts)
    if letters:
        kept |= _letters(tokenizer, texts)
    # Positions may be counted from the padding token: it stays where it is.
    kept |= set(range(int(tokenizer.pad_token_id or 0)))
    return np.array(sorted(kept), dtype=np.int64)


def _least_likely(content: Mapping[str, Any], kept: set[int]) -> int:
    """Return an entry of the lowest score: the price of an unknown sign is counted from it."""
    scores = [score for _, score in content["model"]["vocab"]]
    lowest = min(scores)
    return next((i for i in sorted(kept) if scores[i] == lowest), scores.index(lowest))


def _tried(tokenizer: Any, texts: Mapping[str, Sequence[Text]]) -> set[int]:
    """Return the entries that WordPiece takes from words that it gives up in the end.

    Without them it would take shorter ones, and might get through.
    """
    core, vocabulary = tokenizer.backend_tokenizer, tokenizer.get_vocab()
    prefix = core.model.continuing_subword_prefix
    found: set[int] = set()
    for word in _given_up(tokenizer, texts):
        start = 0
        while start < len(word):
            mark = prefix if start else ""
            fits = (e for e in range(len(word), start, -1) if mark + word[start:e] in vocabulary)
            end = next(fits, None)
            if end is None:
                break
            found.add(vocabulary[mark + word[start:end]])
            start = end
    return found


def _given_up(tokenizer: Any, texts: Mapping[str, Sequence[Text]]) -> set[str]:
    """Return the words of some texts that become one unknown token."""
    core, found = tokenizer.backend_tokenizer, set()
    words: set[str] = set()
    for text in _sides(texts):
        clean = core.normalizer.normalize_str(text) if core.normalizer is not None else text
        words |= {word for word, _ in core.pre_tokenizer.pre_tokenize_str(clean)}
    for word in words:
        if any(token.value == core.model.unk_token for token in core.model.tokenize(word)):
            found.add(word)
    return found


def _letters(tokenizer: Any, texts: Mapping[str, Sequence[Text]]) -> set[int]:
    """Return the entries of one character in the scripts of some texts."""
    characters = {character for text in _sides(texts) for character in text}
    scripts = {tokenization.script(character) for character in characters} | {"none"}
    found = set()
    for entry, number in tokenizer.get_vocab().items():
        plain = entry
        for mark in _MARKS:
            plain = plain.removeprefix(mark) if len(plain) > len(mark) else plain
        if len(plain) == 1 and tokenization.script(plain) in scripts:
            found.add(number)
    return found


def _sides(texts: Mapping[str, Sequence[Text]]) -> list[str]:
    found: list[str] = []
    for some in texts.values():
        for text in some:
            found += [text] if isinstance(text, str) else list(text)
    return found


# ── the tokenizer ────────────────────────────────────────────────────────────────────────


def _tokenizer(tokenizer: Any, kept: Ints) -> Any:
    """Return a tokenizer with the entries kept, of the same class and with the same options."""
    from transformers import AutoTokenizer

    with files.scratch() as place:
        tokenizer.save_pretrained(place)
        file, options = place / "tokenizer.json", place / "tokenizer_config.json"
        content = json.loads(file.read_text("utf-8"))
        _renumber(content, {int(old): new for new, old in enumerate(kept)})
        file.write_text(json.dumps(content, ensure_ascii=False), "utf-8")
        settings = json.loads(options.read_text("utf-8"))
        settings.pop("added_tokens_decoder", None)  # old ids
        options.write_text(json.dumps(settings, ensure_ascii=False), "utf-8")
        for name in ("vocab.txt", "sentencepiece.bpe.model", "added_tokens.json"):
            (place / name).unlink(missing_ok=True)  # the old vocabulary in other forms
        with hub.quiet():
            made = AutoTokenizer.from_pretrained(
                place, local_files_only=True, trust_remote_code=False
            )
    # Where it was loaded from is gone.
    made.name_or_path = ""
    made.init_kwargs.pop("name_or_path", None)
    return made


def _renumber(content: dict[str, Any], new: Mapping[int, int]) -> None:
    """Cut the content of a tokenizer.json down to some entries, in place."""
    model = content["model"]
    if model["type"] == "Unigram":
        model["vocab"] = [entry for i, entry in enumerate(model["vocab"]) if i in new]
        if model.get("unk_id") is not None:
            model["unk_id"] = new[model["unk_id"]]
    else:
        model["vocab"] = {entry: new[i] for entry, i in model["vocab"].items() if i in new}
    for entry in content["added_tokens"]:
        entry["id"] = new[entry["id"]]
    _renumber_frame(content.get("post_processor"), new)


def _renumber_frame(processor: Any, new: Mapping[int, int]) -> None:
    """Renumber the special tokens that a post-processor puts round a text."""
    if not processor:
        return
    for part in processor.get("processors", ()):
        _renumber_frame(part, new)
    for entry in (processor.get("special_tokens") or {}).values():
        entry["ids"] = [new[i] for i in entry["ids"]]
    for name in ("sep", "cls"):  # the older kinds for BERT and RoBERTa
        if isinstance(processor.get(name), list):
            processor[name][1] = new[processor[name][1]]


__all__ = ["Pruned", "prune", "pruned_model"]
