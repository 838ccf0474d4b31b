"""Byte-level BPE (Sennrich et al. 2016; bytes as in GPT-2, Radford et al. 2019): trained here or loaded, one
interface. Any UTF-8 text comes back byte for byte, and a text that spells a special token stays plain text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

END_OF_DOCUMENT = "<|endoftext|>"
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
    tokenizer.train_from_iterator(texts, trainer)
    return str(tokenizer.to_str(pretty=True)).encode()


def load(path: str) -> bytes:
    """The bytes of a `tokenizer.json`. TokenizerError if there is none, or it is no tokenizer."""
    file = Path(path)
    if not file.is_file():
        raise TokenizerError(f"no tokenizer at {path!r}; allowed: train, or the path of a tokenizer.json")
    data = file.read_bytes()
    Encoder(data)
    return data


class Encoder:
    """Encodes texts by a `tokenizer.json`."""

    def __init__(self, data: bytes) -> None:
        from tokenizers import Tokenizer

        try:
            self._tokenizer = Tokenizer.from_str(data.decode())
        except Exception as error:
            raise TokenizerError(f"not a tokenizer.json: {error}") from error
        # A web page that spells <|endoftext|> must not end its document.
        self._tokenizer.encode_special_tokens = True
        # Ids need not be without gaps.
        self.vocabulary: int = 1 + max(self._tokenizer.get_vocab(with_added_tokens=True).values(), default=-1)
        eod = self._tokenizer.token_to_id(END_OF_DOCUMENT)
        if eod is None:
            raise TokenizerError(f"the tokenizer has no token {END_OF_DOCUMENT}, which ends every document here")
        self.eod: int = eod
        self.special_tokens: dict[str, int] = {
            added.content: i for i, added in sorted(self._tokenizer.get_added_tokens_decoder().items()) if added.special
        }

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Ids of each text, each ending with `eod`."""
        encoded = self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        return [[*each.ids, self.eod] for each in encoded]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids, special tokens left out."""
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=True))
