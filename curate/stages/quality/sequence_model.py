"""Classifiers of the transformers library (FineWeb-Edu's, for example) from a folder on disk, on a GPU where torch sees
one. Texts go by length, in batches of one shape, so that little is padded and an answer does not depend on its
neighbours.
"""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from curate.stages.quality.fasttext_model import ModelError, Texts

STEP = 64
"""Token counts are padded to its multiples: few shapes, little padding."""
CHARACTERS_PER_TOKEN = 12
"""More than any tokenizer's mean; what lies behind `max_tokens` times this is not even tokenized."""
DECIMALS = 4
"""Of the scores: what lies behind differs between machines and libraries."""


def model_hash(folder: Path) -> str:
    """Of every file of the model, by name. ModelError if the folder holds none."""
    if not (folder / "config.json").is_file():
        raise ModelError(f"{folder}: no config.json; a folder that transformers' save_pretrained wrote is needed")
    digest = hashlib.sha256()
    for file in sorted(each for each in folder.iterdir() if each.is_file()):
        digest.update(file.name.encode())
        with file.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()


class SequenceModel:
    """A loaded sequence classifier."""

    def __init__(self, folder: Path, batch_size: int, max_tokens: int) -> None:
        model_hash(folder)
        try:
            self._torch: Any = importlib.import_module("torch")
            library: Any = importlib.import_module("transformers")
        except ImportError as error:
            raise ModelError(
                f"engine: transformers needs torch and transformers, which are not installed ({error}); "
                "pip install 'curate-pretraining-data[train]' transformers"
            ) from error
        try:
            self._tokenizer = library.AutoTokenizer.from_pretrained(folder, local_files_only=True)
            model = library.AutoModelForSequenceClassification.from_pretrained(folder, local_files_only=True)
        except (OSError, ValueError, KeyError) as error:
            raise ModelError(f"{folder}: not a sequence classifier of transformers: {error}") from error
        self.device = "cuda" if self._torch.cuda.is_available() else "cpu"
        self._model = model.to(self.device).eval()
        self.labels = [str(model.config.id2label[number]) for number in range(model.config.num_labels)]
        limit = getattr(model.config, "max_position_embeddings", None) or max_tokens
        self.batch_size, self.max_tokens = batch_size, min(max_tokens, limit)

    @property
    def is_regression(self) -> bool:
        """One output is a score, not a class."""
        return len(self.labels) == 1

    def probabilities(self, texts: Texts) -> np.ndarray:
        """Shape (texts, labels): softmax over the labels; of a model with one output, that output."""
        answer = np.zeros((len(texts), len(self.labels)))
        strings = texts.to_pylist() if isinstance(texts, pa.Array) else texts
        cut = [(text or "")[: self.max_tokens * CHARACTERS_PER_TOKEN].replace("\0", " ") for text in strings]
        tokens = self._tokenizer(cut, truncation=True, max_length=self.max_tokens)["input_ids"] if cut else []
        padded = [min(-(-max(len(each), 1) // STEP) * STEP, self.max_tokens) for each in tokens]
        for length in sorted(set(padded)):
            rows = [row for row, each in enumerate(padded) if each == length]
            for start in range(0, len(rows), self.batch_size):
                chosen = rows[start : start + self.batch_size]
                answer[chosen] = self._batch([tokens[row] for row in chosen], length)
        return np.round(answer, DECIMALS)

    def _batch(self, tokens: Sequence[Sequence[int]], length: int) -> np.ndarray:
        """Always `batch_size` rows of `length` tokens; what is not there is padding, whose answers are thrown away."""
        torch = self._torch
        pad = self._tokenizer.pad_token_id or 0
        ids = torch.full((self.batch_size, length), pad, dtype=torch.long)
        mask = torch.zeros((self.batch_size, length), dtype=torch.long)
        mask[:, 0] = 1
        for row, each in enumerate(tokens):
            ids[row, : len(each)] = torch.tensor(each, dtype=torch.long)
            mask[row, : max(len(each), 1)] = 1
        with torch.inference_mode():
            logits = self._model(input_ids=ids.to(self.device), attention_mask=mask.to(self.device)).logits.float()
            values = logits if self.is_regression else torch.softmax(logits, dim=-1)
        return np.asarray(values[: len(tokens)].cpu().numpy(), dtype=np.float64)
