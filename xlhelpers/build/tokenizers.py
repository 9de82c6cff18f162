"""The two vocabularies of the mini models: WordPiece like mBERT's, Unigram like XLM-R's."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from xlhelpers.errors import CourseError
from xlhelpers.pretraining import sampling_probabilities

# Tokens that the mini models can read at once, special ones included.
MAX_LENGTH = 128

BERT_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
# XLM-R's order; <mask> comes last, after the pieces.
XLMR_SPECIAL = ("<s>", "<pad>", "</s>", "<unk>")
# Ideographs are words of one character here, as mBERT treats them: no piece can then
# straddle the border of a name. Real XLM-R has pieces of several ideographs.
HAN = r"[\p{Han}]"


class TokenizerError(CourseError, ValueError):
    """A vocabulary cannot be made from this text."""


def smoothed_sample(
    texts: Mapping[str, Sequence[str]], count: int, alpha: float, seed: int
) -> list[str]:
    """Return about `count` texts, languages in proportion to (share of texts) ** `alpha`.

    A vocabulary is trained on the sample that the model reads, so that scarce languages get
    pieces of their own (Conneau & Lample, 2019, NeurIPS; Conneau et al., 2020, ACL).

    Raises:
        TokenizerError: a language has no text.
    """
    if empty := [code for code, rows in texts.items() if not rows]:
        raise TokenizerError(f"no text in {', '.join(empty)}", "generate the corpus first")
    shares = sampling_probabilities({code: len(rows) for code, rows in texts.items()}, alpha)
    sample: list[str] = []
    for number, (code, rows) in enumerate(sorted(texts.items())):
        wanted = round(count * shares[code])
        order = np.random.default_rng([seed, number]).permutation(len(rows))
        sample += [rows[order[i % len(rows)]] for i in range(wanted)]
    return sample


def train_wordpiece(texts: Iterable[str], size: int) -> Any:
    """Train a cased WordPiece tokenizer of at most `size` entries, ideographs split.

    Returns a `transformers` BERT tokenizer that saves and reloads to the same (Schuster &
    Nakajima, 2012, ICASSP; Devlin et al., 2019, NAACL).
    """
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
    from transformers import BertTokenizer

    rows = list(texts)
    raw = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    raw.normalizer = normalizers.BertNormalizer(
        clean_text=True, handle_chinese_chars=True, strip_accents=False, lowercase=False
    )
    raw.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    # The trainer numbers letters within words as it comes upon them, in another order every
    # time, and breaks ties by these numbers. Given as special entries they have theirs first.
    within = [f"##{letter}" for letter in sorted(_letters_within(raw, rows))]
    trainer = trainers.WordPieceTrainer(
        vocab_size=size, special_tokens=[*BERT_SPECIAL, *within], show_progress=False
    )
    raw.train_from_iterator(rows, trainer)
    return BertTokenizer(
        vocab=raw.get_vocab(),
        do_lower_case=False,
        strip_accents=False,
        tokenize_chinese_chars=True,
        model_max_length=MAX_LENGTH,
    )


def _letters_within(raw: Any, rows: Sequence[str]) -> set[str]:
    """Return the characters that stand in a word behind its first."""
    found: set[str] = set()
    for word in {word for row in rows for word in row.split()}:
        normal = raw.normalizer.normalize_str(word)
        for part, _ in raw.pre_tokenizer.pre_tokenize_str(normal):
            found.update(part[1:])
    return found


def train_unigram(texts: Iterable[str], size: int) -> Any:
    """Train a Unigram tokenizer of at most `size` entries in XLM-R's layout.

    The pieces are those of byte-pair encoding (Sennrich et al., 2016, ACL), scored by how often
    each occurs, and words are then cut into the likeliest pieces, as Unigram does (Kudo, 2018,
    ACL). Unigram's own way to the pieces, pruning by EM, cut words of our small and repetitive
    corpus into half as many characters a piece.

    Returns a `transformers` XLM-R tokenizer that saves and reloads to the same: blanks shown as
    `▁`, special entries where XLM-R has them (Conneau et al., 2020, ACL). Unlike XLM-R's it
    leaves characters as they are (no NFKC).
    """
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers
    from transformers import XLMRobertaTokenizer

    rows = list(texts)
    pairs = Tokenizer(models.BPE(unk_token="<unk>"))
    # XLM-R's class cuts at blanks alone. As no piece holds an ideograph or a mark beside other
    # characters, it comes to the same pieces without the last two.
    pairs.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.WhitespaceSplit(),
            pre_tokenizers.Metaspace(),
            pre_tokenizers.Split(Regex(HAN), behavior="isolated"),
            pre_tokenizers.Punctuation(behavior="isolated"),
        ]
    )
    wanted = size - len(XLMR_SPECIAL) - 1
    pairs.train_from_iterator(rows, trainers.BpeTrainer(vocab_size=wanted, show_progress=False))
    counts = Counter(piece for row in pairs.encode_batch(rows) for piece in row.tokens)
    # A piece that only served on the way to longer ones counts as seen once.
    scored = [(piece, math.log(counts[piece] or 1)) for piece in pairs.get_vocab()]
    total = math.log(sum(counts.values()))
    scored.sort(key=lambda entry: (-entry[1], entry[0]))
    vocab = [(token, 0.0) for token in XLMR_SPECIAL]
    vocab += [(piece, score - total) for piece, score in scored]
    vocab.append(("<mask>", 0.0))
    return XLMRobertaTokenizer(vocab=vocab, model_max_length=MAX_LENGTH)
