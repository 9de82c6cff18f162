"""Loading a 200,000 x 300 text file of word vectors: ours, gensim, MUSE.

    python benchmarks/loading.py --muse ../MUSE --peer-python ../peers/bin/python

Without ``--vec`` a file is made that looks like fastText's: header, five significant digits,
a space before each line end. All contenders must come out with the same words and numbers.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import _common
from _common import Contender


def make_file(path: Path, words: int, dim: int) -> None:
    """Random vectors in the spelling of fastText's wiki files."""
    import numpy as np

    rng = np.random.default_rng(0)
    scale = rng.uniform(0.05, 0.5, size=dim) * 0.4
    pattern = " ".join(["%.5g"] * dim)
    temporary = path.with_suffix(".tmp")
    with temporary.open("wb") as handle:
        handle.write(f"{words} {dim}\n".encode())
        for start in range(0, words, 1000):
            rows = (rng.normal(size=(min(1000, words - start), dim)) * scale).tolist()
            lines = (f"wörd{start + i} {pattern % tuple(row)} \n" for i, row in enumerate(rows))
            handle.write("".join(lines).encode())
    temporary.replace(path)


def load_ours(path: Path, _: argparse.Namespace) -> Any:
    from xlhelpers import embeddings

    return lambda: embeddings.load_vec(path), lambda v: (v.words, v.matrix)


def load_gensim(path: Path, _: argparse.Namespace) -> Any:
    from gensim.models import KeyedVectors

    return (
        lambda: KeyedVectors.load_word2vec_format(str(path), binary=False),
        lambda v: (v.index_to_key, v.vectors),
    )


def load_muse(path: Path, options: argparse.Namespace) -> Any:
    sys.path.insert(0, str(options.muse))
    from src.utils import read_txt_embeddings

    with path.open("rb") as handle:
        count, dim = map(int, handle.readline().split())
    settings = SimpleNamespace(
        src_lang="xx", tgt_lang="yy", src_emb=str(path), tgt_emb="", emb_dim=dim, max_vocab=count
    )
    settings.cuda = False
    return (
        lambda: read_txt_embeddings(settings, True, False),
        lambda v: ([v[0].id2word[i] for i in range(len(v[0]))], v[1].numpy()),
    )


LOADERS = {"ours": load_ours, "gensim": load_gensim, "muse": load_muse}


def contend(options: argparse.Namespace) -> None:
    """One contender, in its own process."""
    import numpy as np

    load, unpack = LOADERS[options.contender](options.vec, options)
    loaded, figures = _common.measured(load)
    words, matrix = unpack(loaded)
    content = hashlib.sha256("\n".join(words).encode())
    content.update(np.ascontiguousarray(matrix, dtype=np.float32).tobytes())
    _common.report({**figures, "array": matrix.nbytes, "content": content.hexdigest()})


def main() -> None:
    made = _common.parser(__doc__)
    made.add_argument("--vec", type=Path, help="a .vec file with a header line")
    made.add_argument("--words", type=int, default=200_000)
    made.add_argument("--dim", type=int, default=300)
    made.add_argument("--gensim", action="store_true", help="run gensim of --peer-python")
    options = made.parse_args()
    if options.contender:
        contend(options)
        return
    if options.vec is None:
        options.vec = options.folder / f"made-{options.words}-{options.dim}.vec"
        if not options.vec.exists():
            options.folder.mkdir(parents=True, exist_ok=True)
            make_file(options.vec, options.words, options.dim)
    options.vec.read_bytes()  # nobody pays for the disk
    arguments = ["--vec", str(options.vec)]
    contenders = [Contender("ours", "xlhelpers", sys.executable, arguments, options.runs)]
    if options.gensim:
        peer = options.peer_python
        contenders.append(Contender("gensim", "gensim", peer, arguments, options.peer_runs))
    if options.muse:
        arguments = [*arguments, "--muse", str(options.muse)]
        peer = options.peer_python
        contenders.append(Contender("muse", "MUSE", peer, arguments, options.peer_runs))
    _common.run_all(__file__, contenders, options.threads)
    wanted = contenders[0].results[0]
    array = wanted["array"]
    print(f"\n{options.vec.name}, {options.vec.stat().st_size / 1e6:.0f} MB of text.")
    print(_common.machine(options.threads) + "\n")
    columns = {
        "peak memory beyond the start": lambda c: (
            f"{(c.median('peak') - c.median('before')) / 1e6:.0f} MB"
        ),
        "times the array": lambda c: f"{(c.median('peak') - c.median('before')) / array:.2f}",
        "peak memory in all": lambda c: f"{c.median('peak') / 1e6:.0f} MB",
        "same words and numbers": lambda c: (
            "yes" if all(r["content"] == wanted["content"] for r in c.results) else "NO"
        ),
    }
    print(_common.table(contenders, columns))


if __name__ == "__main__":
    main()
