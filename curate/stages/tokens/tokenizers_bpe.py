"""Byte-level BPE (Sennrich et al. 2016; bytes as in GPT-2, Radford et al. 2019): trained here, and the encoder of any
`tokenizer.json`. By a byte-level one any UTF-8 text comes back byte for byte; a text that spells a special token stays
plain text."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, Literal

from curate.stages.tokens.tokenizers_tiktoken import UnequalError, encoding_for, overflows

END_OF_DOCUMENT = "<|endoftext|>"
ENDS = (END_OF_DOCUMENT, "<|end_of_text|>", "</s>", "<eos>")
"""What ends a document, the first that a tokenizer has: GPT-2's and ours, Llama 3's, SentencePiece's, Gemma's."""
Library = Literal["tiktoken", "tokenizers"]
SPARE = 61
SPECIAL_TOKENS = (
    END_OF_DOCUMENT,
    "<|user|>",
    "<|assistant|>",
    "<|system|>",
    *(f"<|reserved_{i}|>" for i in range(SPARE)),
)
"""Ids 0 to 64. The first ends every document; the spare ones let a later use add its own without resizing."""


class TokenizerError(ValueError):
    """A tokenizer cannot be used; the message names it, what was found and what is allowed."""


def train(texts: Iterable[str], vocabulary: int, split_digits: bool) -> bytes:
    """`tokenizer.json` of a byte-level BPE with at most `vocabulary` tokens, special ones and all 256 bytes included;
    fewer where the texts hold no more merges."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    steps: list[Any] = [pre_tokenizers.Digits(individual_digits=True)] if split_digits else []
    steps.append(pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(steps)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    with _every_core():
        tokenizer.train_from_iterator(texts, trainer)
    return str(tokenizer.to_str(pretty=True)).encode()


@contextmanager
def _every_core() -> Iterator[None]:
    """Lets `tokenizers` count on every core: workers have a thread each, but none has work while a tokenizer is
    trained. The merges are the same whatever the number of threads."""
    name = "TOKENIZERS_PARALLELISM"
    before = os.environ.get(name)
    os.environ[name] = "true"
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


class Encoder:
    """Encodes texts by a `tokenizer.json`: by tiktoken where its ids are shown to be the same, else by `tokenizers`."""

    def __init__(self, data: bytes, library: Library | None = None) -> None:
        """`library`: the engine, where it is known; None finds out, which takes a second for a large vocabulary."""
        from tokenizers import Tokenizer

        try:
            self._tokenizer = Tokenizer.from_str(data.decode())
        except Exception as error:
            raise TokenizerError(f"not a tokenizer.json: {error}") from error
        # A web page that spells <|endoftext|> must not end its document.
        self._tokenizer.encode_special_tokens = True
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        # Ids need not be without gaps.
        self.vocabulary: int = 1 + max(self._tokenizer.get_vocab(with_added_tokens=True).values(), default=-1)
        self.special_tokens: dict[str, int] = {
            added.content: i for i, added in sorted(self._tokenizer.get_added_tokens_decoder().items()) if added.special
        }
        self.eod: int = self._end_of_document()
        self._fast: Any = None
        self.why_slow = ""
        """Why tiktoken does not encode; empty where it does."""
        if library != "tokenizers":
            try:
                self._fast = encoding_for(json.loads(data), self._tokenizer, proven=library == "tiktoken")
            except UnequalError as error:
                self.why_slow = str(error)
        self.library: Library = "tokenizers" if self._fast is None else "tiktoken"

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Ids of each text, each ending with `eod`."""
        if self._fast is None:
            return self._slowly(texts)
        encode = self._fast.encode_ordinary
        return [self._slowly([text])[0] if overflows(text) else [*encode(text), self.eod] for text in texts]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids, special tokens left out."""
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=True))

    def _slowly(self, texts: Sequence[str]) -> list[list[int]]:
        encoded = self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        return [[*each.ids, self.eod] for each in encoded]

    def _end_of_document(self) -> int:
        for token in ENDS:
            if (eod := self._tokenizer.token_to_id(token)) is not None and token in self.special_tokens:
                return int(eod)
        raise TokenizerError(
            f"the tokenizer has none of the special tokens that can end a document here: {', '.join(ENDS)}"
        )


@lru_cache(maxsize=2)
def opened(data: bytes, library: Library) -> Encoder:
    """The encoder of a `tokenizer.json`, opened once a process: for a large vocabulary that takes most of a second, as
    long as encoding many small files."""
    return Encoder(data, library)
