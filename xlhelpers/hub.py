"""One door to tokenizers, models and the field's public vectors.

The libraries let things through that a course must not: a tokenizer of five entries when the
hub cannot be reached, a freshly initialised head whose output looks like a prediction, half
precision on a CPU, a weight file with a flipped bit. Everything that comes through here has
been checked for these; what fails raises a `HubError` that says what to do.

Checkpoints come from the Hugging Face hub (`HF_ENDPOINT`, `HF_HOME` and `HF_HUB_OFFLINE` work
as usual), as safetensors only and without code from the repository. Where a repository has
pickled weights only, the conversion that the hub's own bot has left there is taken. fastText's
vectors and MUSE's dictionaries come from their authors' server (`XL_FASTTEXT_ENDPOINT`
overrides it).
"""

from __future__ import annotations

import copy
import difflib
import functools
import hashlib
import json
import os
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from xlhelpers import assets, files, languages, needs, net, settings
from xlhelpers.errors import CourseError
from xlhelpers.shelves import endpoint, fasttext_endpoint, shelves, token

# Fewer entries than this and it is the libraries' empty tokenizer, or none worth having.
SMALLEST_VOCABULARY = 1000

# What a model is asked to do, and the transformers class that does it.
TASKS: Mapping[str, str] = MappingProxyType(
    {
        "encoder": "AutoModel",
        "mlm": "AutoModelForMaskedLM",
        "classification": "AutoModelForSequenceClassification",
        "tagging": "AutoModelForTokenClassification",
        "translation": "AutoModelForSeq2SeqLM",
    }
)


class HubError(CourseError):
    """A tokenizer, model or data file cannot be had, or must not be used as it is."""


class ConversionNotice(UserWarning):
    """The weights come from a pull request to a checkpoint, not from its main branch."""


@dataclass(frozen=True, slots=True)
class Role:
    """A part that a model plays in the course, and who plays it in either set.

    Attributes:
        name: what the notebooks say.
        mini: folder below `data/models/`; empty where none is shipped.
        hub: id on the hub; empty where there is none.
        task: what it is loaded for when nothing else is asked; a key of `TASKS`.
        note: what one should know about the hub's checkpoint.
        instead: what to do in the set of models that has no checkpoint.
    """

    name: str
    mini: str
    hub: str
    task: str = "encoder"
    note: str = ""
    instead: str = ""


_ROLES = (
    Role("mBERT", "mini-mbert", "google-bert/bert-base-multilingual-cased"),
    Role("XLM-R", "mini-xlmr", "FacebookAI/xlm-roberta-base"),
    Role("XLM-R large", "mini-xlmr", "FacebookAI/xlm-roberta-large"),
    Role(
        "InfoXLM",
        "mini-infoxlm",
        "microsoft/infoxlm-base",
        note="XLM-R trained further on translations: what it can do, text alone did not teach it",
    ),
    Role(
        "NER",
        "",
        "FacebookAI/xlm-roberta-large-finetuned-conll03-english",
        "tagging",
        "fine-tuned on English CoNLL-2003; the repository states no licence",
        'train one, which takes seconds: model, tokenizer = xl.transfer.fine_tuned("ner")',
    ),
    Role(
        "NLI",
        "mini-infoxlm-nli",
        "",
        "classification",
        "ours knows English pairs only; on the hub none does",
        'train one, as the notebook does: model, tokenizer = xl.transfer.fine_tuned("nli")',
    ),
    Role(
        "NLI contaminated",
        "mini-infoxlm-nli",
        "joeddav/xlm-roberta-large-xnli",
        "classification",
        "has seen XNLI in 15 languages: no zero-shot model",
    ),
    Role(
        "sentiment",
        "mini-infoxlm-sentiment",
        "",
        "classification",
        "ours knows English reviews only; on the hub none does",
        'train one: model, tokenizer = xl.transfer.fine_tuned("sentiment")',
    ),
    Role(
        "sentiment specialist",
        "mini-infoxlm-sentiment",
        "nlptown/bert-base-multilingual-uncased-sentiment",
        "classification",
        "1 to 5 stars, in English, Dutch, German, French, Italian, Spanish",
    ),
    Role(
        "language id",
        "",
        "papluca/xlm-roberta-base-language-detection",
        "classification",
        "20 languages",
        "use lingua, which needs no model: xl.serving.LanguageIdentifier(languages)",
    ),
    Role(
        "student",
        "",
        "distilbert/distilbert-base-multilingual-cased",
        instead="distil one: xl.distillation.distill(teacher, student, …), where "
        "student = xl.distillation.student_of(teacher)",
    ),
    Role(
        "AfroXLMR",
        "mini-infoxlm",
        "Davlan/afro-xlmr-base",
        note="XLM-R after more text of 17 African languages, Arabic, French and English (Alabi et "
        "al., 2022, COLING); on the mini side stands the model before any adaptation",
    ),
)

ROLES: Mapping[str, Role] = MappingProxyType({role.name: role for role in _ROLES})

# Pairs that OPUS-MT has under another name, and what one should know of those.
_OTHER_PAIRS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "sw-en": (
            "swc-en",
            "trained on Congo Swahili: OPUS-MT has no opus-mt-sw-en, and its models of several "
            "languages hardly translate Swahili (opus-mt-bnt-en: BLEU 4.6 on Tatoeba, by its card)",
        ),
    }
)

# Some repositories have pickled weights only. There the hub's bot has opened a pull request
# with the same weights as safetensors, and owners who have moved on never merged it.
CONVERSION_BOT = "SFconvertbot"

MIRROR_LACKS_IT = "fetch it on the mirror's computer (fetch --hub), or ask without XL_MIRROR"

_TOKENIZER_FILES = ["*.json", "*.txt", "*.model", "*.spm"]
_MODEL_FILES = [
    "config.json",
    "generation_config.json",
    "*.safetensors",
    "*.safetensors.index.json",
]
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")


def resolve(what: str) -> Role:
    """Return the role behind a role's name, a pair such as `"translation:en-de"`, or a hub id.

    Raises:
        HubError: it is none of these.
    """
    if what in ROLES:
        return ROLES[what]
    pair = re.fullmatch(r"translation:([a-z]{2,3})-([a-z]{2,3})", what)
    if pair:
        source, target = (languages.get(code).code for code in pair.groups())
        name, note = _OTHER_PAIRS.get(f"{source}-{target}", (f"{source}-{target}", ""))
        checkpoint = f"Helsinki-NLP/opus-mt-{name}"
        return Role(what, f"mini-marian-{source}-{target}", checkpoint, "translation", note)
    if _HUB_ID.fullmatch(what) and "/" in what:
        return Role(what, "", what)
    near = difflib.get_close_matches(what, ROLES, n=2, cutoff=0.4)
    raise HubError(
        f"{what!r} is no role of the course and no model id",
        f"roles: {', '.join(ROLES)}, translation:en-de; ids look like owner/name"
        + (f"; did you mean {' or '.join(near)}?" if near else ""),
    )


def expect(what: str) -> None:
    """Note that a model of the hub may be loaded later: `fetch --hub` then brings it along.

    For what is loaded only once somebody gives it a text, in an explorer perhaps. Nothing is noted
    in the `mini` set, or where the hub has no model for a role.

    Raises:
        HubError: as `resolve`.
    """
    checkpoint = resolve(what).hub
    if settings.current().models == "hub" and checkpoint:
        for kind in ("tokenizer", "weights"):
            needs.note(kind, checkpoint)


def tokenizer(what: str | Path, *, revision: str | None = None) -> Any:
    """Return the tokenizer of a role, a hub id or a local folder.

    Raises:
        HubError: it cannot be had, a file has been altered, or its vocabulary is implausibly
            small (the libraries return one of 5 entries when they find no files).
    """
    folder = _folder(what, _TOKENIZER_FILES, revision)
    from transformers import AutoTokenizer

    settings.apply_threads()
    with quiet():
        try:
            found = AutoTokenizer.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False
            )
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise HubError(
                f"the files of {what!r} make no tokenizer ({first_line(error)})",
                "check the id; the repository may hold weights only",
            ) from error
    _check_vocabulary(what, folder, len(found))
    return found


def model(
    what: str | Path,
    task: str | None = None,
    *,
    new_head: bool = False,
    revision: str | None = None,
    **config: Any,
) -> Any:
    """Return a model of a role, a hub id or a local folder, in float32, ready to evaluate.

    Where the main branch holds pickled weights only, those of the hub's conversion bot are
    taken; a `ConversionNotice` says so when they are downloaded.

    Args:
        what: `"mBERT"`, `"translation:en-de"`, `"FacebookAI/xlm-roberta-base"`, a folder.
        task: a key of `TASKS`; the role's own when left out, `"encoder"` for a plain id.
        new_head: accept parameters that the checkpoint lacks. They are random and have to be
            trained: their names are in `untrained(model)`.
        revision: branch, tag or commit on the hub; then that and no other is taken.
        config: passed on to the configuration: `num_labels`, `id2label`, `label2id` ...

    Raises:
        HubError: it cannot be had, has been altered, holds no safetensors, or lacks parameters
            that the task needs and `new_head` is not set.
    """
    wanted = task or (resolve(what).task if isinstance(what, str) else "encoder")
    if wanted not in TASKS:
        raise HubError(f"there is no task {wanted!r}", f"the tasks are {', '.join(TASKS)}")
    folder = _folder(what, _MODEL_FILES, revision)
    _require_safetensors(what, folder)
    loaded, report = _load(what, folder, wanted, config)
    missing = _missing(loaded, wanted, report)
    if missing and not new_head:
        raise HubError(
            f"{what!r} is not trained for {wanted!r}: {len(missing)} parameters would be random "
            f"({', '.join(missing[:3])}{' ...' if len(missing) > 3 else ''})",
            "pass new_head=True if you are about to train it, or choose a checkpoint that was",
        )
    loaded.xl_untrained = missing
    return loaded.to(settings.device()).eval()


def with_head(model: Any, task: str, names: Sequence[str]) -> Any:
    """Return a model with the body of `model` and a new head, as `model(…, new_head=True)` would.

    Args:
        model: any transformers model with an encoder; it is left as it is, and shares nothing
            with what is returned.
        task: `"classification"` or `"tagging"`.
        names: the k classes, in the order of the outputs.

    Raises:
        HubError: there is no such task, fewer than two classes, or no such model with a head.
    """
    import torch
    import transformers

    if task not in ("classification", "tagging"):
        raise HubError(f"{task!r} has no head of classes", "choose classification or tagging")
    if isinstance(names, str) or len(names) < 2:
        raise HubError(f"the classes are {names!r}", "give a list of two names at least")
    config = copy.deepcopy(model.config)
    config.id2label = dict(enumerate(names))
    config.label2id = {name: number for number, name in enumerate(names)}
    try:
        with torch.random.fork_rng(devices=()):
            made = getattr(transformers, TASKS[task]).from_config(config, dtype=torch.float32)
    except ValueError as error:
        raise HubError(
            f"{type(model).__name__} has no kind with a head for {task}",
            "use an encoder such as BERT or XLM-R",
        ) from error
    # What was added to the body, such as adapters, which no configuration describes.
    if (parts := getattr(model, "xl_parts", None)) is not None:
        parts(made)
    body = model.base_model.state_dict()
    made.base_model.load_state_dict(body, strict=False)
    brought = {f"{made.base_model_prefix}.{name}" for name in body}
    # Fine-tuning draws these from its seed, so that seeds have heads of their own.
    made.xl_untrained = tuple(n for n, _ in made.named_parameters() if n not in brought)
    return made.to(model.device).eval()


def untrained(model: Any) -> tuple[str, ...]:
    """Return the names of the parameters that were random when `hub.model` loaded the model."""
    return tuple(getattr(model, "xl_untrained", ()))


def reachable(seconds: float = 3.0) -> bool:
    """Return whether the model hub answers within a few seconds (and we are not told offline)."""
    from huggingface_hub import constants, get_session

    if constants.HF_HUB_OFFLINE:
        return False
    try:
        get_session().get(f"{endpoint()}/api/models?limit=1", timeout=seconds)
    except Exception:  # noqa: BLE001 - any failure of any HTTP client means: not reachable
        return False
    return True


# ── folders: where the files are, and that they are the right ones ───────────────────────


def _folder(what: str | Path, patterns: list[str], revision: str | None) -> Path:
    if isinstance(what, Path):
        if what.is_dir():
            return what
        raise HubError(f"there is no folder {what}", "check the path")
    role = resolve(what)
    if role.name in ROLES or role.mini:
        if settings.current().models == "mini":
            return _mini_folder(role)
        if not role.hub:
            raise HubError(
                f"the hub has no checkpoint for {role.name!r}: {role.note}", role.instead
            )
    kind = "weights" if patterns is _MODEL_FILES else "tokenizer"
    needs.note(kind, role.hub, *([revision] if revision else []))
    if patterns is _MODEL_FILES and revision is None:
        folder = _weights_folder(role.hub)
    else:
        folder = _hub_folder(role.hub, patterns, revision or "main")
    compare_checksums(role.hub, folder)
    return folder


def _mini_folder(role: Role) -> Path:
    if not role.mini:
        raise HubError(
            f"the mini set has no model for {role.name!r}",
            f'{role.instead}; or use the real one with xl.use("hub")',
        )
    prefix = f"models/{role.mini}/"
    names = [name for name in assets.manifest() if name.startswith(prefix)]
    if not names:
        raise HubError(
            f"the mini model for {role.name!r} is not part of this version of the course yet",
            'use the real one with xl.use("hub"), or update the course',
        )
    for name in names:
        assets.path(name)
    return settings.current().data / "models" / role.mini


def _hub_folder(checkpoint: str, patterns: list[str], revision: str) -> Path:
    """Return the folder of a snapshot in the hub's cache, downloading what is missing.

    What is in the cache is used as it is, without a request: a class of thirty does not hit
    the hub's rate limit, and a checkpoint does not change in the middle of a course.
    """
    cached = _cached_folder(checkpoint, patterns, revision)
    if cached is not None:
        return cached
    if not reachable():
        raise HubError(
            f"{checkpoint} is not in the cache and the hub cannot be reached",
            'connect once to fetch it, or work offline with xl.use("mini")',
        )
    how: dict[str, Any] = {} if settings.current().progress else {"tqdm_class": no_bar()}
    with _in_plain_words(checkpoint, revision):
        return _snapshot(checkpoint, patterns, revision, **how)


def _cached_folder(checkpoint: str, patterns: list[str], revision: str) -> Path | None:
    """Return the folder of a snapshot on the first shelf that has all that is asked of it."""
    there = (_on_shelf(checkpoint, patterns, revision, shelf.hub) for shelf in shelves())
    return next((folder for folder in there if folder is not None), None)


def _on_shelf(checkpoint: str, patterns: list[str], revision: str, cache: Path) -> Path | None:
    from huggingface_hub import errors

    try:
        folder = _snapshot(checkpoint, patterns, revision, local_files_only=True, cache_dir=cache)
    except (OSError, ValueError, errors.HfHubHTTPError):
        return None
    return folder if _complete(folder, patterns) else None


def wanted_files(kind: str) -> list[str]:
    """Return the patterns of the files that a `"tokenizer"` or `"weights"` consist of."""
    return list(_TOKENIZER_FILES if kind == "tokenizer" else _MODEL_FILES)


def cached(kind: str, checkpoint: str, revision: str | None, cache: Path) -> Path | None:
    """Return the folder in which a cache has a `"tokenizer"` or `"weights"` whole, if it has."""
    patterns = _TOKENIZER_FILES if kind == "tokenizer" else _MODEL_FILES
    folder = _on_shelf(checkpoint, patterns, revision or "main", cache)
    taken = conversion_taken(checkpoint)
    if folder is None and kind == "weights" and revision is None and taken is not None:
        return _on_shelf(checkpoint, patterns, taken[1], cache)
    return folder


def _snapshot(checkpoint: str, patterns: list[str], revision: str, **how: Any) -> Path:
    from huggingface_hub import snapshot_download

    get = functools.partial(snapshot_download, allow_patterns=patterns, ignore_patterns=["*/*"])
    return Path(get(checkpoint, revision=revision, endpoint=endpoint(), token=token(), **how))


@contextmanager
def _in_plain_words(checkpoint: str, revision: str) -> Iterator[None]:
    """Turn what the hub's client raises into a `HubError` with a remedy."""
    from huggingface_hub import errors

    try:
        yield
    except errors.GatedRepoError as error:
        remedy = "sign the agreement on the model's page, then log in (hf auth login)"
        raise HubError(f"{checkpoint} asks for an agreement first", remedy) from error
    except errors.RepositoryNotFoundError as error:
        remedy = f"check the id; roles: {', '.join(ROLES)}"
        raise HubError(f"the hub has no model {checkpoint!r}", remedy) from error
    except errors.RevisionNotFoundError as error:
        remedy = "check the name of the branch, tag or commit"
        raise HubError(f"{checkpoint} has no revision {revision!r}", remedy) from error
    except Exception as error:  # a broken line has another name in every HTTP client
        raise HubError(*plainly(error, checkpoint)) from error


def plainly(error: BaseException, name: str) -> tuple[str, str]:
    """Return problem and remedy for what the hub's client raised while it fetched `name`."""
    from huggingface_hub import errors

    # The client wraps what has happened to it.
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in net.FULL:
            return (
                f"the disk is full: {name} could not be fetched whole",
                "make room, or name another disk in HF_HOME, and run this again",
            )
        if isinstance(cause, errors.HfHubHTTPError) and cause.response.status_code == 429:
            wait = net.asked_to_wait(cause.response.headers)
            return net.too_often("the hub", wait)
        cause = cause.__cause__
    return (
        f"{name} could not be fetched whole ({first_line(error)})",
        "run this again: it carries on where it stopped",
    )


def _complete(folder: Path, patterns: list[str]) -> bool:
    """Whether a cached snapshot has what is asked of it: some vocabulary, or all weights."""
    if patterns is _TOKENIZER_FILES:
        kinds = ("tokenizer.json", "vocab.*", "*.model", "*.spm")
        return any(file.is_file() for kind in kinds for file in folder.glob(kind))
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        shards = set(_read_record(index).get("weight_map", {}).values())
        return bool(shards) and all((folder / shard).is_file() for shard in shards)
    return any(file.is_file() for file in folder.glob("*.safetensors"))


def compare_checksums(checkpoint: str, folder: Path) -> None:
    """Compare every file of a snapshot with the hub's checksum, or else with our own record.

    The hub's client notices a short file, not an altered one of the same size. Where the cache
    is made of links, the name of a blob is the hub's checksum of it (SHA-256 for weights, git's
    SHA-1 for small files). Where it is made of copies (Windows), the name tells nothing: then
    we note what a file is at first sight of that commit, and trust that from then on.

    Raises:
        HubError: a file differs. It is not used, and the record stays.
    """
    record = _checksum_record(checkpoint, folder, settings.current().cache)
    known = _read_record(record)
    for shelf in shelves()[1:]:  # what was fetched beforehand has the hub's own checksums
        known |= noted_checksums(checkpoint, folder, shelf.cache)
    fresh: dict[str, str] = {}
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        key = file.relative_to(folder).as_posix()
        good = _as_named(file)
        if good is None:
            digest = files.sha256(file)
            good = known.get(key, digest) == digest
            if key not in known:
                fresh[key] = digest
        if not good:
            remove = f"{file.resolve()}" + (f" and {record}" if key in known else "")
            raise HubError(
                f"{key} of {checkpoint} has been altered since it was downloaded",
                f"remove {remove}, then run this again: it is downloaded anew",
            )
    if fresh:
        note_checksums(checkpoint, folder, fresh, settings.current().cache)


def noted_checksums(checkpoint: str, folder: Path, cache: Path) -> dict[str, str]:
    """Return the SHA-256 of a snapshot's files by name, as a cache has noted them."""
    return _read_record(_checksum_record(checkpoint, folder, cache))


def _checksum_record(checkpoint: str, folder: Path, cache: Path) -> Path:
    name = checkpoint.replace("/", "--")
    return cache / "hub-checksums" / f"{name}@{folder.name}.json"


def note_checksums(checkpoint: str, folder: Path, digests: Mapping[str, str], cache: Path) -> None:
    """Write down the SHA-256 of files whose names do not tell it, for `compare_checksums`."""
    record = _checksum_record(checkpoint, folder, cache)
    with files.lock(record.with_suffix(".lock")):
        merged = {**_read_record(record), **digests}
        files.write_text(record, json.dumps(merged, indent=1, sort_keys=True) + "\n")


def _as_named(file: Path) -> bool | None:
    """Whether a blob's content agrees with its name; None where the name tells nothing."""
    blob = blob_name(file)
    if re.fullmatch(r"[0-9a-f]{64}", blob):
        return blob == files.sha256(file)
    if re.fullmatch(r"[0-9a-f]{40}", blob):
        content = file.read_bytes()
        return blob == hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
    return None


def blob_name(file: Path) -> str:
    """Return the name of the blob that a file of a snapshot leads to; empty for a plain file.

    The blob may be a link itself, into a store that repositories share, where names are hashes of
    another kind. So only the first link is read.
    """
    return Path(os.readlink(file)).name if file.is_symlink() else ""


def _read_record(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError):
        content = None
    if isinstance(content, dict):
        return content
    raise HubError(
        f"the record {file.name} cannot be read",
        f"remove {file} and run this again: it is made anew from what is there then",
    )


# ── weights that are safetensors in a pull request only ──────────────────────────────────


def _weights_folder(checkpoint: str) -> Path:
    """Return the snapshot of a model's main branch or, if need be, of its conversion.

    Where there is neither, it is the main branch as it is: `_require_safetensors` refuses it.
    """
    taken = conversion_taken(checkpoint)
    if taken and _cached_folder(checkpoint, _MODEL_FILES, "main") is None:
        there = _cached_folder(checkpoint, _MODEL_FILES, taken[1])
        if there is not None:
            return there
    main = _hub_folder(checkpoint, _MODEL_FILES, "main")
    revision = None if _complete(main, _MODEL_FILES) else conversion(checkpoint)
    if revision is None:
        return main
    folder = _hub_folder(checkpoint, _MODEL_FILES, revision)
    note_conversion(checkpoint, revision, folder.name, settings.current().cache)
    warnings.warn(
        f"{checkpoint} has no safetensors on its main branch: "
        f"taken from {revision}, the conversion by the hub's bot",
        ConversionNotice,
        stacklevel=4,
    )
    return folder


def conversion(checkpoint: str) -> str | None:
    """Return the git reference of the conversion bot's newest fitting pull request, if any.

    Raises:
        HubError: the hub cannot be asked.
    """
    from huggingface_hub import HfApi, errors

    with _in_plain_words(checkpoint, "main"):
        try:
            proposed = list(
                HfApi(endpoint=endpoint(), token=token()).get_repo_discussions(
                    checkpoint,
                    author=CONVERSION_BOT,
                    discussion_type="pull_request",
                    discussion_status="open",
                )
            )
        except errors.HfHubHTTPError as error:
            if error.response.status_code == 403:  # the owner has switched discussions off
                return None
            raise
        for request in sorted(proposed, key=lambda request: request.num, reverse=True):
            # Anyone may propose weights, under the bot's usual title too: the author decides,
            # and a server that knows no filters must not decide otherwise.
            reference = request.git_reference
            if request.author == CONVERSION_BOT and request.status == "open" and reference:
                if _converts(checkpoint, reference):
                    return reference
    return None


def _converts(checkpoint: str, reference: str) -> bool:
    """Whether a pull request has safetensors, made of the weights that are on main today."""
    main, proposed = _blobs(checkpoint, "main"), _blobs(checkpoint, reference)
    pickled = [name for name in main if name.endswith(".bin")]
    return any(name.endswith(".safetensors") for name in proposed) and all(
        proposed.get(name) == main[name] for name in pickled
    )


def _blobs(checkpoint: str, revision: str) -> dict[str, str]:
    """Return the git id of every file in the top folder of a revision."""
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import RepoFile

    entries = HfApi(endpoint=endpoint(), token=token()).list_repo_tree(
        checkpoint, revision=revision
    )
    return {entry.path: entry.blob_id for entry in entries if isinstance(entry, RepoFile)}


def _conversion_record(checkpoint: str, cache: Path) -> Path:
    name = checkpoint.replace("/", "--")
    return cache / "hub-conversions" / f"{name}.json"


def conversion_taken(checkpoint: str) -> tuple[str, str] | None:
    """Return reference and commit of the conversion that was taken here, if one was.

    The hub's cache cannot tell: it holds other pull requests too, once somebody asks for them.
    """
    for shelf in shelves():
        record = _read_record(_conversion_record(checkpoint, shelf.cache))
        revision, commit = record.get("revision"), record.get("commit")
        if isinstance(commit, str):
            return str(revision), commit
    return None


def note_conversion(checkpoint: str, revision: str, commit: str, cache: Path) -> None:
    """Write down which conversion was taken, for `conversion_taken`."""
    content = {"revision": revision, "commit": commit, "author": CONVERSION_BOT}
    text = json.dumps(content, indent=1) + "\n"
    files.write_text(_conversion_record(checkpoint, cache), text)


# ── loading ──────────────────────────────────────────────────────────────────────────────


def _check_vocabulary(what: str | Path, folder: Path, size: int) -> None:
    declared = _read_record(folder / "course.json").get("vocabulary")
    if declared is not None and declared != size:
        raise HubError(
            f"the tokenizer of {what!r} has {size} entries instead of {declared}",
            "fetch the model again",
        )
    if declared is None and size < SMALLEST_VOCABULARY:
        raise HubError(
            f"the tokenizer of {what!r} has {size} entries: everything would be unknown to it",
            "the files of its vocabulary are missing; check the id, or fetch the model again",
        )


def _require_safetensors(what: str | Path, folder: Path) -> None:
    if not (folder / "config.json").is_file():
        raise HubError(
            f"{what!r} has no config.json", "check the id: this is no transformers model"
        )
    if not any(folder.glob("*.safetensors")):
        raise HubError(
            f"{what!r} has no .safetensors file at this revision",
            "we load no pickled weights: name a revision that has safetensors "
            '(often revision="refs/pr/N", see the pull requests of the model)',
        )


def _load(
    what: str | Path, folder: Path, task: str, config: Mapping[str, Any]
) -> tuple[Any, Mapping[str, Any]]:
    import torch
    import transformers

    settings.apply_threads()
    with quiet():
        try:
            loaded, report = getattr(transformers, TASKS[task]).from_pretrained(
                folder,
                output_loading_info=True,
                local_files_only=True,
                trust_remote_code=False,
                use_safetensors=True,
                # A checkpoint in half precision would stay so, and CPUs compute that slowly
                # or not at all.
                dtype=torch.float32,
                # Reported, and then refused by us in plain words.
                ignore_mismatched_sizes=True,
                **config,
            )
        except (OSError, ValueError, RuntimeError, TypeError) as error:
            raise HubError(
                f"{what!r} cannot be loaded for {task!r} ({first_line(error)})",
                "check that the checkpoint is of this kind",
            ) from error
        except Exception as error:
            if type(error).__name__ != "SafetensorError":
                raise
            raise HubError(
                f"the weights of {what!r} are damaged ({first_line(error)})",
                f"remove {folder} and run this again",
            ) from error
    return loaded, report


def _missing(loaded: Any, task: str, report: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the parameters that the checkpoint did not bring, after removing a useless pooler."""
    mismatched = {item[0] for item in report.get("mismatched_keys", ())}
    missing = sorted({*report["missing_keys"], *mismatched})
    pooler = [key for key in missing if key.startswith("pooler.")]
    if task == "encoder" and pooler:
        # XLM-R was trained without one. Without it the model's hidden states are all there,
        # and nobody can take the pooler's random output for a sentence vector.
        loaded.pooler = None
        missing = [key for key in missing if key not in pooler]
    return tuple(missing)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the libraries' warnings and bars off the page: what matters is raised instead."""
    from transformers.utils import logging

    log: Any = logging
    before, bars = log.get_verbosity(), log.is_progress_bar_enabled()
    log.set_verbosity_error()
    log.disable_progress_bar()
    try:
        yield
    finally:
        log.set_verbosity(before)
        if bars:
            log.enable_progress_bar()


def no_bar() -> type:
    """Return a progress bar class for the hub's client that never shows anything."""
    from functools import partialmethod

    from tqdm.auto import tqdm

    return type("NoBar", (tqdm,), {"__init__": partialmethod(tqdm.__init__, disable=True)})


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, cut at 200 characters, or its name."""
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:200]


# ── fastText vectors and MUSE dictionaries ───────────────────────────────────────────────

# MUSE (Conneau et al., 2018, ICLR) has English with each of these, in both directions, and
# every pair of the six European languages.
MUSE_WITH_ENGLISH = frozenset(
    """
    af ar bg bn bs ca cs da de el es et fa fi fr he hi hr hu id it ja ko lt lv mk ms nl no pl
    pt ro ru sk sl sq sv ta th tl tr uk vi zh
    """.split()
)
MUSE_EUROPEAN = frozenset({"de", "en", "es", "fr", "it", "pt"})
MUSE_SPLITS: Mapping[str, str] = MappingProxyType(
    {"train": ".0-5000", "test": ".5000-6500", "full": ""}
)


def fasttext_vectors(lang: str, max_vocab: int = 200_000, *, refresh: bool = False) -> Path:
    """Return a local `.vec` file with the `max_vocab` most frequent words of fastText's vectors.

    The vectors (300 dimensions, Wikipedia; Bojanowski et al., 2017, TACL; CC BY-SA 3.0) come
    as text files of up to several GB, most frequent words first: only the lines needed are
    read, then the connection is closed. An interrupted download is resumed.

    Nobody publishes checksums for these files. Ours are taken at the first download and kept
    beside the file; a later change on this machine is noticed, a wrong first download is not.

    Raises:
        HubError: there are no vectors for `lang`, they cannot be had, or the file has changed.
    """
    if not re.fullmatch(r"[a-z][a-z_]{1,20}", lang):
        raise HubError(f"{lang!r} is no language code", "use a code such as 'de'")
    if isinstance(max_vocab, bool) or not isinstance(max_vocab, int) or max_vocab < 1:
        raise HubError(f"max_vocab is {max_vocab!r}", "use a whole number from 1")
    needs.note("vectors", lang, str(max_vocab))
    remedy = f'xl.hub.fasttext_vectors("{lang}", {max_vocab}, refresh=True)'
    target = vectors_file(lang, max_vocab, settings.current().cache)
    for shelf in () if refresh or is_recorded(target) else shelves()[1:]:
        beforehand = vectors_file(lang, max_vocab, shelf.cache)
        if _trusted(beforehand, f"copy {beforehand.name} anew, or {remedy}"):
            return beforehand
    with files.lock(target.parent / f"wiki.{lang}.lock"):
        if refresh:
            target.unlink(missing_ok=True)
            record_beside(target).unlink(missing_ok=True)
        if not _trusted(target, remedy):
            _stream_vectors(vectors_url(lang, max_vocab), lang, target, max_vocab)
    return target


def vectors_file(lang: str, max_vocab: int, cache: Path) -> Path:
    """Return where a cache has so many words of a language's vectors, if it has them."""
    return cache / "fasttext" / f"wiki.{lang}.{max_vocab}.vec"


def vectors_url(lang: str, words: int) -> str:
    """Return the address of a language's vectors, of which the first `words` are wanted."""
    url = f"{fasttext_endpoint()}/fasttext/vectors-wiki/wiki.{lang}.vec"
    # A mirror may hold fewer words than are wanted. It has to know, or those would pass for all.
    return f"{url}?words={words}" if settings.current().mirror else url


def muse_file(src: str, tgt: str, split: str, cache: Path) -> Path:
    """Return where a cache has a dictionary, if it has it."""
    return cache / "muse" / f"{src}-{tgt}{MUSE_SPLITS[split]}.txt"


def muse_url(src: str, tgt: str, split: str) -> str:
    """Return the address of a dictionary."""
    return f"{fasttext_endpoint()}/arrival/dictionaries/{src}-{tgt}{MUSE_SPLITS[split]}.txt"


def muse_dictionary(src: str, tgt: str, split: str = "train") -> list[tuple[str, str]]:
    """Return the (source word, target word) pairs of a MUSE dictionary, in the file's order.

    `split` is `"train"` (5,000 source words), `"test"` (1,500 others) or `"full"`. A word with
    several translations has several pairs. Source: Conneau et al. (2018, ICLR), "Word
    Translation Without Parallel Data"; CC BY-NC 4.0. Checksums as in `fasttext_vectors`.

    Raises:
        HubError: MUSE has no such pair or split, or the file cannot be had or has changed.
    """
    if split not in MUSE_SPLITS:
        raise HubError(f"MUSE has no split {split!r}", f"use one of {', '.join(MUSE_SPLITS)}")
    if not _muse_has(src, tgt):
        raise HubError(
            f"MUSE has no dictionary {src}-{tgt}",
            f'use the course\'s own: xl.datasets.lexicon("{src}", "{tgt}")',
        )
    needs.note("dictionary", src, tgt, split)
    target = muse_file(src, tgt, split, settings.current().cache)
    for shelf in () if is_recorded(target) else shelves()[1:]:
        beforehand = muse_file(src, tgt, split, shelf.cache)
        if _trusted(beforehand, f"copy {beforehand.name} anew"):
            return _parse_pairs(beforehand, beforehand.name)
    name = target.name
    with files.lock(target.with_name(f"{name}.lock")):
        if not _trusted(target, f"remove {target} and run this again"):
            url = muse_url(src, tgt, split)
            part = target.with_name(f"{name}.part")
            _collect(url, part, f"MUSE dictionary {src}-{tgt}")
            _parse_pairs(part, name)
            os.replace(part, target)
            net.discard(part)
            _write_record(target, url)
    return _parse_pairs(target, name)


def _muse_has(src: str, tgt: str) -> bool:
    if src == tgt:
        return False
    if "en" in (src, tgt):
        return (tgt if src == "en" else src) in MUSE_WITH_ENGLISH
    return {src, tgt} <= MUSE_EUROPEAN


def _parse_pairs(file: Path, name: str) -> list[tuple[str, str]]:
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise HubError(f"{name} is not UTF-8", f"remove {file} and run this again") from error
    pairs = []
    for number, line in enumerate(lines, start=1):
        words = line.split()
        if len(words) != 2:
            raise HubError(
                f"line {number} of {name} is no pair of words: {line[:40]!r}",
                f"remove {file} and run this again",
            )
        pairs.append((words[0], words[1]))
    return pairs


def _stream_vectors(url: str, lang: str, target: Path, max_vocab: int) -> None:
    part = target.with_name(target.name + ".part")
    remedy = "remove it and run this again"
    _collect(url, part, f"fastText vectors for {lang!r}", net.Lines(max_vocab + 1))
    with net.room_for(target), part.open("rb") as source, files.replacing(target) as temporary:
        words, dim = _header(source.readline(), part)
        wanted = min(words, max_vocab)
        with temporary.open("wb") as out:
            out.write(f"{wanted} {dim}\n".encode())
            for number in range(1, wanted + 1):
                line = source.readline()
                if not line:
                    net.discard(part)
                    raise HubError(
                        f"{url} ends after {number - 1} of {wanted} words", "run this again"
                    )
                if line.rstrip().count(b" ") < dim:
                    net.discard(part)
                    raise HubError(f"line {number + 1} of {url} is no word vector", remedy)
                out.write(line if line.endswith(b"\n") else line + b"\n")
    _write_record(target, url, words=wanted, dim=dim, words_at_source=words)
    net.discard(part)


def _header(line: bytes, part: Path) -> tuple[int, int]:
    fields = line.split()
    if len(fields) == 2 and all(field.isdigit() for field in fields):
        words, dim = map(int, fields)
        if words and dim:
            return words, dim
    net.discard(part)
    raise HubError(
        f"{part.name} does not begin with the number of words and dimensions",
        "something on the way may have answered in the server's place; try another network",
    )


def _collect(url: str, part: Path, thing: str, lines: net.Lines | None = None) -> None:
    try:
        net.collect(url, part, lines=lines)
    except net.DownloadError as error:
        if error.status in (403, 404):
            remedy = MIRROR_LACKS_IT if settings.current().mirror else f"check the code ({url})"
            raise HubError(f"the server has no {thing}", remedy) from error
        raise HubError(f"no {thing}: {error.problem}", error.remedy) from error


def record_beside(file: Path) -> Path:
    """Return where the record of a vector file or dictionary is."""
    return file.with_name(file.name + ".json")


def record_of(file: Path) -> dict[str, Any]:
    """Return what was noted of a vector file or dictionary when it came; empty if nothing was.

    Raises:
        HubError: the record is damaged.
    """
    return _read_record(record_beside(file))


def is_recorded(file: Path) -> bool:
    """Whether a vector file or dictionary is there, with a record and of the size in it."""
    record = record_of(file)
    return file.is_file() and file.stat().st_size == record.get("bytes")


def is_unaltered(file: Path) -> bool:
    """Whether a vector file or dictionary has the checksum of its record."""
    return is_recorded(file) and files.sha256(file) == record_of(file).get("sha256")


def _write_record(file: Path, url: str, **more: int) -> None:
    """Note, beside a downloaded file, what it is and what it was at the first sight."""
    content = {
        "url": url,
        "bytes": file.stat().st_size,
        "sha256": files.sha256(file),
        "checked": "trust on first use: the checksum was taken here, at the first download",
        **more,
    }
    files.write_text(record_beside(file), json.dumps(content, indent=1) + "\n")


def _trusted(file: Path, remedy: str) -> bool:
    """Return whether `file` is there and as recorded; a file without a record is not trusted.

    Raises:
        HubError: it differs from its record.
    """
    record = record_of(file)
    if not file.exists() or not record:
        return False
    if file.stat().st_size != record.get("bytes") or files.sha256(file) != record.get("sha256"):
        raise HubError(f"{file.name} has been altered since it was downloaded", remedy)
    return True
