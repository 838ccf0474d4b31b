"""Tokenizers by path: a `tokenizer.json` as it is, a tiktoken encoding or a SentencePiece model made into one, so that
a run's folder and whatever reads it know one format. What this format cannot express is refused."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from curate.stages.tokens.tokenizers_bpe import END_OF_DOCUMENT, Encoder, TokenizerError
from curate.stages.tokens.tokenizers_tiktoken import byte_alphabet, probe

ALLOWED = "a tokenizer.json, a tiktoken encoding (NAME.tiktoken) or a SentencePiece model (NAME.model)"
_R50K = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
_WORD_START, _WORD_END = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_CONTRACTION = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
PUBLISHED: Mapping[str, tuple[str, Mapping[str, int]]] = {
    "r50k_base": (_R50K, {END_OF_DOCUMENT: 50256}),
    "p50k_base": (_R50K, {END_OF_DOCUMENT: 50256}),
    "cl100k_base": (
        r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        {END_OF_DOCUMENT: 100257, "<|fim_prefix|>": 100258, "<|fim_middle|>": 100259, "<|fim_suffix|>": 100260,
         "<|endofprompt|>": 100276},
    ),
    "o200k_base": (
        rf"[^\r\n\p{{L}}\p{{N}}]?{_WORD_START}*{_WORD_END}+{_CONTRACTION}|"
        rf"[^\r\n\p{{L}}\p{{N}}]?{_WORD_START}+{_WORD_END}*{_CONTRACTION}|"
        r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        {END_OF_DOCUMENT: 199999, "<|endofprompt|>": 200018},
    ),
}  # fmt: skip
"""tiktoken's own encodings: the pattern that splits text and the special tokens, which their files lack
(tiktoken_ext/openai_public.py). Another one needs them in NAME.json beside it."""
SPACE = "▁"
_NORMAL, _UNKNOWN, _CONTROL, _BYTE = 1, 2, 3, 6
_UNIGRAM, _BPE = 1, 2
"""Kinds of pieces and of models in SentencePiece's sentencepiece_model.proto."""


def load(path: str) -> bytes:
    """The bytes of a `tokenizer.json` for the file at `path`. TokenizerError if there is none, or it is no tokenizer
    that can be used."""
    file = Path(path)
    if not file.is_file():
        raise TokenizerError(f"no tokenizer at {path!r}; allowed: train, or the path of {ALLOWED}")
    return _loaded(path, file.stat().st_mtime_ns, file.stat().st_size)


@lru_cache(maxsize=8)
def _loaded(path: str, changed: int, size: int) -> bytes:
    file = Path(path)
    reader = {".tiktoken": from_tiktoken, ".model": from_sentencepiece}.get(file.suffix, Path.read_bytes)
    data = reader(file)
    try:
        Encoder(data, "tokenizers")
    except TokenizerError as error:
        raise TokenizerError(f"{path}: {error}; allowed: {ALLOWED}") from error
    return data


def from_tiktoken(file: Path) -> bytes:
    """A tiktoken encoding, lines of a token in base64 and its rank. Its merges are the pairs from which its own ranks
    make each token; a piece of text that is a token is not merged at all, as in tiktoken."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers

    pattern, special = _pattern_of(file)
    ranks: dict[bytes, int] = {}
    try:
        for line in file.read_bytes().split(b"\n"):
            if line:
                token, rank = line.split()
                ranks[base64.b64decode(token, validate=True)] = int(rank)
    except ValueError as error:
        raise TokenizerError(
            f"{file}: not a tiktoken encoding ({error}); wanted: lines of base64 and a rank"
        ) from error
    missing = [byte for byte in range(256) if bytes([byte]) not in ranks]
    if missing:
        raise TokenizerError(f"{file}: not a tiktoken encoding: {len(missing)} of 256 single bytes have no rank")
    characters = {byte: character for character, byte in byte_alphabet().items()}
    names = {token: "".join(characters[byte] for byte in token) for token in ranks}
    merges = [
        (names[parts[0]], names[parts[1]])
        for token in sorted(ranks, key=ranks.__getitem__)
        if len(token) > 1 and len(parts := _parts(token, ranks)) == 2
    ]
    tokenizer = Tokenizer(models.BPE({names[token]: rank for token, rank in ranks.items()}, merges, ignore_merges=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pattern), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    return _finished(_with_ids(tokenizer, special, file), special)


def _pattern_of(file: Path) -> tuple[str, Mapping[str, int]]:
    beside = file.with_suffix(".json")
    if beside.is_file():
        try:
            content = json.loads(beside.read_text(encoding="utf-8"))
            return str(content["pattern"]), {str(k): int(v) for k, v in content["special_tokens"].items()}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise TokenizerError(
                f'{beside}: wanted: {{"pattern": …, "special_tokens": {{token: id}}}} ({error!r})'
            ) from error
    if file.stem in PUBLISHED:
        return PUBLISHED[file.stem]
    raise TokenizerError(
        f"{file}: a tiktoken encoding does not hold its pattern; allowed: the name of a published one "
        f"({', '.join(PUBLISHED)}), or {beside.name} beside it with `pattern` and `special_tokens`"
    )


def _parts(token: bytes, ranks: Mapping[bytes, int]) -> list[bytes]:
    """What the tokens below this one make of its bytes."""
    parts = [token[i : i + 1] for i in range(len(token))]
    while len(parts) > 1:
        rank, place = min((ranks.get(a + b, len(ranks) * 2), i) for i, (a, b) in enumerate(pairwise(parts)))
        if rank >= ranks[token]:
            break
        parts[place : place + 2] = [parts[place] + parts[place + 1]]
    return parts


def _with_ids(tokenizer: Any, special: Mapping[str, int], file: Path) -> Any:
    """The tokenizer with the special tokens in its vocabulary, since the library numbers added tokens by itself."""
    content = json.loads(tokenizer.to_str())
    taken = {i: token for token, i in content["model"]["vocab"].items()}
    for token, i in special.items():
        if taken.setdefault(i, token) != token:
            raise TokenizerError(f"{file}: special token {token!r} has the id {i} of {taken[i]!r}")
        content["model"]["vocab"][token] = i
    return type(tokenizer).from_str(json.dumps(content))


def _finished(tokenizer: Any, special: Iterable[str]) -> bytes:
    from tokenizers import AddedToken

    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in special])
    return str(tokenizer.to_str(pretty=True)).encode()


def from_sentencepiece(file: Path) -> bytes:
    """A SentencePiece model, unigram or BPE. TokenizerError where the result gives other ids than the model itself on
    a text of contractions, spaces and code points from everywhere."""
    try:
        from sentencepiece import SentencePieceProcessor
        from sentencepiece.sentencepiece_model_pb2 import ModelProto
    except ImportError as error:
        raise TokenizerError(f"{file}: SentencePiece models need `pip install sentencepiece protobuf`") from error
    from tokenizers import Tokenizer

    data = file.read_bytes()
    model = ModelProto()
    try:
        model.ParseFromString(data)
        own = SentencePieceProcessor(model_proto=data)
    except Exception as error:
        raise TokenizerError(f"{file}: not a SentencePiece model ({error})") from error
    if {piece.type for piece in model.pieces} - {_NORMAL, _UNKNOWN, _CONTROL, _BYTE}:
        raise TokenizerError(f"{file}: it has user-defined or unused pieces, which a tokenizer.json cannot express")
    tokenizer = Tokenizer(_sentencepiece_model(model, file))
    tokenizer.normalizer = _sentencepiece_normalizer(model.normalizer_spec)
    tokenizer.decoder = _sentencepiece_decoder(model.normalizer_spec.add_dummy_prefix)
    special = [piece.piece for piece in model.pieces if piece.type in (_UNKNOWN, _CONTROL)]
    made = _finished(tokenizer, special)
    ours = Encoder(made, "tokenizers").encode([probe(), "", " a  b ", "▁ </s><unk>"])
    if [ids[:-1] for ids in ours] != own.encode([probe(), "", " a  b ", "▁ </s><unk>"]):
        raise TokenizerError(
            f"{file}: as a tokenizer.json this model gives other ids; convert it by a tool that knows it"
        )
    return made


def _sentencepiece_model(model: Any, file: Path) -> Any:
    from tokenizers import models

    kind, fallback = model.trainer_spec.model_type, model.trainer_spec.byte_fallback
    scores = {piece.piece: piece.score for piece in model.pieces}
    unknown = next((i for i, piece in enumerate(model.pieces) if piece.type == _UNKNOWN), None)
    if kind == _UNIGRAM:
        # Text that spells a control or the unknown piece comes out as other pieces, so its score must lose to theirs.
        unlikely = 100 * min(scores.values()) - 100
        pieces = [
            (piece.piece, unlikely if piece.type in (_CONTROL, _UNKNOWN) else piece.score) for piece in model.pieces
        ]
        return models.Unigram(pieces, unknown, fallback)
    if kind != _BPE or unknown is None:
        raise TokenizerError(f"{file}: its model type is {kind}; allowed: 1 (unigram), 2 (BPE)")
    vocabulary = {piece.piece: i for i, piece in enumerate(model.pieces)}
    normal = {piece.piece for piece in model.pieces if piece.type == _NORMAL}
    splits = [
        (-scores[piece], i, piece[:i], piece[i:])
        for piece in normal
        for i in range(1, len(piece))
        if piece[:i] in normal and piece[i:] in normal
    ]
    merges = [(first, second) for _, _, first, second in sorted(splits)]
    return models.BPE(vocabulary, merges, unk_token=model.pieces[unknown].piece, fuse_unk=True, byte_fallback=fallback)


def _sentencepiece_normalizer(spec: Any) -> Any:
    """The model's table of characters, its handling of spaces, and ▁ for each space."""
    from tokenizers import Regex, normalizers

    steps: list[Any] = [normalizers.Precompiled(spec.precompiled_charsmap)] if spec.precompiled_charsmap else []
    if spec.remove_extra_whitespaces:
        steps += [normalizers.Replace(Regex(" {2,}"), " "), normalizers.Replace(Regex(r"\A | \z"), "")]
    if spec.add_dummy_prefix:
        steps.append(normalizers.Prepend(SPACE))
    return normalizers.Sequence([*steps, normalizers.Replace(" ", SPACE)])


def _sentencepiece_decoder(dummy_prefix: bool) -> Any:
    from tokenizers import decoders

    steps = [decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse()]
    return decoders.Sequence([*steps, decoders.Strip(" ", 1, 0)] if dummy_prefix else steps)
