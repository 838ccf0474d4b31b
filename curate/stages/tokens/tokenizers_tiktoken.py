"""tiktoken as a second engine for a byte-level BPE: its encoding is made of the vocabulary and the split pattern of a
`tokenizer.json`, and refused with a reason wherever its ids are not known to be those that `tokenizers` gives."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from itertools import pairwise
from typing import Any

ADDED_NUMBERS = r"\x{11DE0}-\x{11DE9}\x{16FF4}-\x{16FF6}"
"""Numbers of Unicode 17: the step Digits of `tokenizers` has them, the pattern class \\p{N} of neither library yet."""
GPT2 = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"
"""The pattern of the step ByteLevel (Radford et al. 2019), possessive where nothing can be given back."""
GPT2_SINGLE_DIGITS = (
    rf"[\p{{N}}{ADDED_NUMBERS}]|'(?:[sdmt]|ll|ve|re)| ?\p{{L}}++| ?[^\s\p{{L}}\p{{N}}{ADDED_NUMBERS}]++"
    rf"|\s++(?=[\p{{N}}{ADDED_NUMBERS}])|\s++$|\s+(?!\S)|\s"
)
"""The same after the step Digits: each number for itself, and white space before one ends as before the end."""
LONGEST_SPACE = 500_000
"""Characters of white space in a row that tiktoken is given: a million overflow the stack of its pattern engine."""
PROBE_STEP = 331
"""Every so many-th code point is in the text on which both libraries must agree before tiktoken is used."""


class UnequalError(ValueError):
    """tiktoken cannot be shown to give the same ids; the message says why."""


@cache
def byte_alphabet() -> dict[str, int]:
    """The character that stands for each byte in the vocabulary of a byte-level BPE → the byte (GPT-2's table:
    printable Latin-1 stands for itself, the other bytes for U+0100 onwards)."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = (byte for byte in range(256) if byte not in printable)
    return {chr(byte): byte for byte in printable} | {chr(0x100 + i): byte for i, byte in enumerate(others)}


def encoding_for(content: Mapping[str, Any], tokenizer: Any, proven: bool = False) -> Any:
    """A tiktoken.Encoding with the ids of `tokenizer`, a tokenizers.Tokenizer that was read from `content`, the object
    in its tokenizer.json. UnequalError where equality does not follow; `proven` leaves out what costs time, where it
    has been seen to follow before.

    Both merge the pair of lowest rank first: tokenizers by its list of merges, tiktoken by the id of what a pair makes,
    whichever pair that is. They agree if ids rise along the merges and each token is made by one merge, by which alone
    its own text becomes that token: a pair that makes a token and is no merge is then never reached, since the merges
    within its text are the same whatever stands around it.
    """
    import tiktoken

    added = [token["content"] for token in content["added_tokens"]]
    if not all(token["special"] for token in content["added_tokens"]):
        raise UnequalError("it has added tokens that are not special, which are looked for in every text")
    if content["normalizer"] is not None:
        raise UnequalError(f"it has a normalizer, {content['normalizer']['type']}")
    pattern = _pattern(content["pre_tokenizer"])
    ranks = _ranks(content["model"], added, proven)
    try:
        encoding = tiktoken.Encoding("from tokenizer.json", pat_str=pattern, mergeable_ranks=ranks, special_tokens={})
        text = probe()
        same = proven or encoding.encode_ordinary(text) == tokenizer.encode(text, add_special_tokens=False).ids
    except Exception as error:
        raise UnequalError(f"tiktoken does not take its pattern: {error}") from error
    if not same:
        raise UnequalError("its pattern splits text differently in the two libraries")
    return encoding


def _pattern(steps: Mapping[str, Any] | None) -> str:
    """The pattern by which the steps before the model split a text."""
    found = [] if steps is None else steps["pretokenizers"] if steps["type"] == "Sequence" else [steps]
    kinds = [step["type"] for step in found]
    if kinds and kinds[-1] == "ByteLevel" and not found[-1]["add_prefix_space"]:
        uses_regex = found[-1]["use_regex"]
        if kinds == ["ByteLevel"] and uses_regex:
            return GPT2
        if kinds == ["Digits", "ByteLevel"] and found[0]["individual_digits"] and uses_regex:
            return GPT2_SINGLE_DIGITS
        if kinds == ["Split", "ByteLevel"] and not uses_regex:
            split = found[0]
            if split["behavior"] == "Isolated" and not split["invert"] and "Regex" in split["pattern"]:
                return str(split["pattern"]["Regex"])
    raise UnequalError(f"its steps before the model are {', '.join(kinds) or 'none'}, with options that are not known")


def _ranks(model: Mapping[str, Any], added: list[str], proven: bool) -> dict[bytes, int]:
    """The vocabulary as bytes → id, shown to be merged alike."""
    from tokenizers import models

    if model["type"] != "BPE":
        raise UnequalError(f"its model is {model['type']}, not BPE")
    unusual = [key for key in ("dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix") if model[key]]
    if unusual or model["byte_fallback"]:
        raise UnequalError(f"its BPE has {', '.join(unusual) or 'byte_fallback'}")
    vocabulary: dict[str, int] = {token: i for token, i in model["vocab"].items() if token not in added}
    alphabet = byte_alphabet()
    if not all(character in vocabulary for character in alphabet):
        raise UnequalError("its vocabulary lacks some bytes")
    if not all(character in alphabet for token in vocabulary for character in token):
        raise UnequalError("its vocabulary is not one of bytes")
    pairs = [pair.split(" ") if isinstance(pair, str) else pair for pair in model["merges"]]
    merged = [vocabulary[first + second] for first, second in pairs]
    if any(one >= other for one, other in pairwise(merged)):
        raise UnequalError("its merges are not in the order of their tokens' ids, one each")
    bpe = None if proven else models.BPE(model["vocab"], [tuple(pair) for pair in pairs])
    if bpe and any([t.id for t in bpe.tokenize(token)] != [i] for token, i in vocabulary.items()):
        raise UnequalError("some of its tokens cannot be reached by its merges")
    return {bytes(alphabet[character] for character in token): i for token, i in vocabulary.items()}


def overflows(text: str) -> bool:
    """Whether the text has a run of white space too long for tiktoken."""
    if len(text) <= LONGEST_SPACE:
        return False
    return any(run.end() - run.start() > LONGEST_SPACE for run in re.finditer(r"\s+", text))


@cache
def probe() -> str:
    """Contractions in any case, every kind of space, and code points from everywhere beside letters, spaces, digits."""
    spaces = [
        "\t",
        "\n",
        "\r\n",
        "\x0b",
        "\x0c",
        "\x1c",
        "\x85",
        "\xa0",
        "\u1680",
        "\u180e",
        "\u2003",
        "\u2028",
        "\u3000",
        "\ufeff",
    ]
    contractions = ["'s", "'S", "'ſ", "'t", "'LL", "'ve", "'RE", "'d", "'m", "’s", "'", "''s"]
    points = [*range(0x80, 0x110000, PROBE_STEP), *range(0x11DDC, 0x11DEC), *range(0x16FF0, 0x16FF8)]
    characters = [chr(point) for point in points if not 0xD800 <= point < 0xE000]
    parts = [f"a{c}{c} {c} 1{c}\n{c}12" for c in characters]
    parts += [f"x{c}y {c} 12{c}345{c}" for c in contractions]
    parts += [f"a{c}b{c}{c}c {c}{c}{c}1{c} \n{c}!{c}" for c in spaces]
    return "".join(parts) + "<|endoftext|>" + "   "
